#!/usr/bin/env python3
"""expected.py FILE PROGRAM ARG...: runs the program; its output must be the file's."""
import difflib
import subprocess
import sys

want = open(sys.argv[1]).read()
got = subprocess.run(sys.argv[2:], stdout=subprocess.PIPE, text=True, timeout=300)
if got.stdout != want or got.returncode != 0:
    sys.stdout.writelines(difflib.unified_diff(want.splitlines(True), got.stdout.splitlines(True), "expected", "found"))
    sys.exit(f"exit code {got.returncode}")
