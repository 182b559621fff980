#!/usr/bin/env python3
"""Runs what README.md and docs/*.md show. In one temporary folder per page, top to bottom:
a ```nrg block whose first line is `# NAME.nrg: ...` is written to NAME.nrg; in a ```console block every `$ line` is run and what
follows is its output (numbers may differ in the third digit, `...` stands for any lines); in a ```sh block every `make TARGET`
must be a target, and everything else is run."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(os.environ["NRG_ROOT"])
NRG = pathlib.Path(os.environ["NRG"]).resolve()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def same_word(want, got):
    try:
        a, b = float(want), float(got)
        return abs(a - b) <= 2e-2 * max(abs(a), abs(b)) + 1e-3
    except ValueError:
        return want == got


def same_line(want, got):
    words = [re.split(r"[\s,]+", line.strip()) for line in (want, got)]
    return len(words[0]) == len(words[1]) and all(map(same_word, *words))


def same(want, got):
    """`...` alone on a line matches any number of lines."""
    if not want:
        return not got
    if want[0].strip() == "...":
        return any(same(want[1:], got[i:]) for i in range(len(got) + 1))
    return bool(got) and same_line(want[0], got[0]) and same(want[1:], got[1:])


def shell(command, folder):
    env = dict(os.environ, PATH=f"{NRG.parent}:{os.environ['PATH']}", NRG=str(NRG))
    return subprocess.run(["sh", "-c", command], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)


def run_console(body, folder, place):
    steps, wrong = [], []
    for line in body:
        if line.startswith("$ "):
            steps.append([line[2:], []])
        elif steps:
            steps[-1][1].append(line)
    for command, want in steps:
        got = shell(command, folder)
        if got.returncode not in (0, 5):
            wrong.append(f"{place}: $ {command}\nexit code {got.returncode}\n{got.stderr}")
        text = got.stdout + (got.stderr if got.returncode else "")
        if want and not same(want, text.splitlines()):
            wrong.append(f"{place}: $ {command}\nshown:\n" + "\n".join(want) + f"\nfound:\n{text}")
    return wrong


def run_sh(body, folder, place):
    wrong = []
    for line in body:
        command = line.split("#")[0].strip()
        if not command:
            continue
        make = re.match(r"(?:[A-Z_]+=\S+ )*make\b(.*)", command)
        got = shell(f"make -n{make.group(1)}", ROOT) if make else shell(command, folder)
        if got.returncode:
            wrong.append(f"{place}: {command}\n{got.stderr}")
    return wrong


def run_page(page):
    wrong = []
    with tempfile.TemporaryDirectory(prefix="nrg-docs-") as name:
        folder = pathlib.Path(name)
        os.symlink(ROOT / "examples", folder / "examples")
        os.symlink(ROOT / "models", folder / "models")
        for found in re.finditer(r"^```(\w+)\n(.*?)^```", page.read_text(), re.M | re.S):
            place = f"{page.name}:{page.read_text()[: found.start()].count(chr(10)) + 1}"
            kind, body = found.group(1), found.group(2).splitlines()
            title = re.match(r"# (\w+\.nrg):", body[0]) if body else None
            if kind == "nrg" and title:
                (folder / title.group(1)).write_text(found.group(2))
            elif kind == "console":
                wrong += run_console(body, folder, place)
            elif kind == "sh":
                wrong += run_sh(body, folder, place)
    return wrong


problems = [problem for page in PAGES for problem in run_page(page)]
print("\n".join(problems) or f"{len(PAGES)} pages hold")
sys.exit(bool(problems))
