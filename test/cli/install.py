#!/usr/bin/env python3
"""install.py BUILD ROOT: installs into a temporary prefix and builds an example with pkg-config (shared, static) and with CMake."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

build, root = map(pathlib.Path, sys.argv[1:3])
want = (root / "examples/c/gradient.out").read_text()
source = root / "examples/c/gradient.c"
CMAKE = f"""cmake_minimum_required(VERSION 3.20)
project(user C)
find_package(nrg 0.1 REQUIRED)
add_executable(user {source})
target_link_libraries(user PRIVATE nrg::nrg)
"""


def sh(*args, **more):
    done = subprocess.run(list(map(str, args)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, args))}\n{done.stdout}")
    return done.stdout


def check(program, what, env):
    got = sh(program, env=env)
    if got != want:
        sys.exit(f"{what}: expected\n{want}\nfound\n{got}")
    print(f"{what}: ok")


with tempfile.TemporaryDirectory(prefix="nrg-install-") as name:
    prefix = pathlib.Path(name) / "prefix"
    for target in ("nrg_shared", "nrg_static"):
        sh("cmake", "--build", build, "--target", target)
    sh("cmake", "--install", build, "--prefix", prefix)
    lib = next(prefix.glob("lib/**/nrg.pc")).parent.parent
    env = dict(os.environ, PKG_CONFIG_PATH=str(lib / "pkgconfig"), LD_LIBRARY_PATH=str(lib))
    sh(prefix / "bin/nrg", "version", env=env)
    # nrg.pc names the prefix of the build; a moved tree is named on the command line.
    flags = sh("pkg-config", f"--define-variable=prefix={prefix}", "--cflags", "--libs", "nrg", env=env).split()
    sh("cc", "-std=c17", source, "-o", prefix / "user", *flags)
    check(prefix / "user", "pkg-config, shared", env)
    alone = prefix / "static"
    alone.mkdir()
    shutil.copy(lib / "libnrg.a", alone)
    flags = sh("pkg-config", f"--define-variable=prefix={prefix}", "--static", "--cflags", "--libs", "nrg", env=env).split()
    sh("cc", "-std=c17", source, "-o", prefix / "user-static", f"-L{alone}", *flags)
    check(prefix / "user-static", "pkg-config, static", dict(os.environ))
    user = pathlib.Path(name) / "user"
    user.mkdir()
    (user / "CMakeLists.txt").write_text(CMAKE)
    sh("cmake", "-S", user, "-B", user / "b", f"-DCMAKE_PREFIX_PATH={prefix}")
    sh("cmake", "--build", user / "b")
    check(user / "b/user", "find_package", env)
