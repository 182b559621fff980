#!/usr/bin/env python3
"""Wrong input of every kind: one clear message, the right exit code, nothing half-written, nothing overwritten, no hang."""
import os
import random
import shutil
import signal
import subprocess
import time

import kit

MODEL = kit.CLASSIFIER.replace("epochs=4", "epochs=2")
TABLE = """given a, b : real
dim Class = 3
predict y : Class
weight W : real[Class]
energy E(a, b, y) = W[y] * (a + b)
minimize y by exhaustive
marginalize y by exhaustive
learn nll
optimize by sgd(lr=0.1, batch=2, epochs=2)
"""
INTERNAL = ("E099", "internal error", " node", " slot", " lead", "arena", "NULL", "assert")


class Hostile(kit.Case):
    def wrong(self, *args, code, says):
        """One story on stderr, in the user's words; the exit code of its kind; no result."""
        got = self.nrg(*args, code=code, timeout=60)
        for word in (says,) if isinstance(says, str) else says:
            self.assertIn(word, got.stderr, args)
        for word in INTERNAL:
            self.assertNotIn(word, got.stderr, args)
        self.assertEqual(got.stderr.count("error["), 1, f"{args}\n{got.stderr}")
        self.assertEqual(got.stdout, "", args)

    def files(self, folder="."):
        return sorted(p.name for p in (self.folder / folder).iterdir())

    def test_files(self):
        self.write("m.nrg", MODEL)
        self.moons()
        self.write("empty.npz", "")
        self.write("empty.csv", "")
        (self.folder / "folder.npz").mkdir()
        (self.folder / "cut.npz").write_bytes((self.folder / "moons.npz").read_bytes()[:300])
        before = self.files()
        for name, says in (("none.npz", "E053"), (".", "Is a directory"), ("folder.npz", "Is a directory"), ("empty.npz", "is empty"),
                           ("empty.csv", "is empty"), ("cut.npz", "cut.npz")):
            self.wrong("train", "m.nrg", "--data", name, code=4, says=says)
        self.assertEqual(before, self.files())  # no run folder is left
        self.wrong("check", "none.nrg", code=4, says="none.nrg")

    def test_rows(self):
        self.write("s.nrg", TABLE)
        for text, says in (("a,b,y\n1,2,0\n3,4\n", "line 3 has 2 cells"), ("a,b,y\n1,2,0\n3,4,5\n", ("E052", "5", "sample 1", "0..2")),
                           ("a,b,y\nnan,2,0\n", ("E055", "a is missing")), ("a,b,y\ninf,2,0\n", "E055"), ("a,b,y\n", "no rows"),
                           ("a,b,y\n1,2,1.5\n", "E052"), ("a,b,y\n1,2,1e300\n", "E052"), ("a,b,y\n1,2,-1\n", "E052"),
                           ("a,b,y\n1,2,left\n", "E052"), ("a,b\n1,2\n", ("E051", "y", "arrays found: a, b"))):
            self.write("t.csv", text)
            self.wrong("train", "s.nrg", "--data", "t.csv", code=4, says=says)
            self.assertFalse((self.folder / "run").exists(), text)
        self.write("t.csv", "a,b,y\n1,2,1\n")  # one row is enough
        self.nrg("train", "s.nrg", "--data", "t.csv", "--quiet")
        self.assertEqual(kit.table(self.nrg("ask", "best", "y", "run", "--data", "t.csv").stdout)[0]["answer"], "1")

    def test_flags(self):
        self.write("m.nrg", MODEL)
        self.moons()
        for flags, code, says in (
                (("--frobnicate",), 2, "unknown flag"), (("--threads",), 2, "needs a value"), (("--threads", "0"), 2, "whole number"),
                (("--threads", "-1"), 2, "whole number"), (("--seed", "abc"), 2, "whole number"), (("--seed", "9" * 30), 2, "whole number"),
                (("--set", "D=-3"), 3, "E013"), (("--set", "D=1e12"), 3, "E013"), (("--set", "H=1"), 2, "'H'"), (("--set", "Class=3"), 3, "E013"),
                (("--set", "D=3"), 4, "E050"), (("--set", "D"), 2, "NAME=VALUE"), (("--time", "-5"), 2, "duration"), (("--valid", "150%"), 2, "0%"),
                (("--map", "q=label"), 3, ("E011", "q=label")), (("--map", "y=none"), 4, "E051"), (("--init", "none"), 4, "E053"),
                (("--init", "m.nrg"), 4, "E054"), (("--resume",), 2, "nothing to resume"), (("-o", ""), 2, "needs a path"),
                (("-o", "m.nrg/sub"), 4, "E092")):
            self.wrong("train", "m.nrg", "--data", "moons.npz", *flags, code=code, says=says)
            self.assertFalse((self.folder / "run").exists(), flags)

    def test_settings(self):
        self.write("m.nrg", MODEL)
        self.moons()
        for text in ("adam(epochs=0)", "adam(epochs=1.5)", "adam(epochs=1e18)", "adam(batch=0)", "adam(batch=-1)", "adam(batch=2.5)", "adam(lr=-1)",
                     "adam(lr=0.1 -> -1)", "adam(beta1=1)", "adam(beta2=-1)", "sgd(momentum=5)", "sgd(clip=-1)", "sgd(decay=-1)",
                     "lbfgs(history=0)", "lbfgs(history=1e12)", "lbfgs(epochs=0)"):
            self.wrong("train", "m.nrg", "--data", "moons.npz", "--stmt", "optimize by " + text, code=3, says=("E013", text.split("(")[1].split("=")[0]))
        for text in ("adam(lr=nan)", "frob", "adam(frob=1)"):
            self.wrong("train", "m.nrg", "--data", "moons.npz", "--stmt", "optimize by " + text, code=3, says="E011")
        self.nrg("train", "m.nrg", "--data", "moons.npz", "--stmt", "optimize by adam(batch=1e12, epochs=1)", "--quiet")

    def test_methods(self):
        self.write("t.csv", "x,y\n0,0\n1,1\n")
        for text in ("grid(points=0)", "grid(points=2.5)", "gradient(steps=0)", "gradient(starts=0)", "gradient(momentum=3)",
                     "lbfgs(steps=-5)", "lbfgs(history=0)", "lbfgs(tol=-1)"):
            self.write("e.nrg", f"given x : real\npredict y : real in -1..5\nenergy E(x, y) = (y - x)^2\nminimize y by {text}\n")
            self.wrong("ask", "best", "y", "e.nrg", "--data", "t.csv", code=3, says=("E013", "e.nrg:4", text.split("(")[1].split("=")[0]))

    def test_divergence(self):
        """E080 names the line; the weights before the step are there and finite, and can be asked."""
        self.write("d.nrg", "given x : real\npredict y : real\nweight a : real init 3\nenergy E(x, y) = (y - a * x)^2 + exp(a * x * 100)\n"
                            "minimize y by exact\nlearn energy\noptimize by sgd(lr=1000, batch=1, epochs=5)\n")
        self.write("t.csv", "x,y\n-0.001,0\n0.001,1\n0.5,1\n1,1\n")
        self.wrong("train", "d.nrg", "--data", "t.csv", "--quiet", code=6, says=("E080", "d.nrg", "weights before this step"))
        self.assertIn("weights.safetensors", self.files("run"))
        got = kit.table(self.nrg("ask", "best", "y", "run", "--given", "x=0").stdout)
        self.assertTrue(abs(float(got[0]["answer"])) < 1e30)

    def test_what_is_there_stays(self):
        self.trained()
        self.write("file", "precious")
        (self.folder / "mine").mkdir()
        self.write("mine/model.nrg", "precious")
        self.wrong("train", "m.nrg", "--data", "moons.npz", "-o", "file", code=2, says="E091")
        self.wrong("train", "m.nrg", "--data", "moons.npz", "-o", "file", "--overwrite", code=4, says="E092")
        self.wrong("train", "m.nrg", "--data", "moons.npz", "-o", "mine", code=2, says="E091")
        self.wrong("train", "m.nrg", "--data", "moons.npz", "-o", "mine", "--overwrite", code=2, says=("E091", "not a run"))
        self.write("there.csv", "precious")
        self.wrong("ask", "best", "y", "run", "--data", "moons.npz", "-o", "there.csv", code=2, says="E091")
        self.wrong("ask", "best", "y", "run", "--data", "moons.npz", "-o", "file", "--overwrite", code=2, says="E090")
        self.assertEqual((self.folder / "there.csv").read_text(), "precious")
        self.assertEqual((self.folder / "file").read_text(), "precious")
        self.assertEqual((self.folder / "mine/model.nrg").read_text(), "precious")
        self.assertEqual(self.files("mine"), ["model.nrg"])

    def test_questions(self):
        self.trained()
        for args, code, says in ((("best", "y", "run"), 4, ("E051", "--given x")), (("best", "q", "run"), 3, "unknown variable 'q'"),
                                 (("dist", "x", "run", "--given", "y=left"), 5, "E060"), (("best", "y", "run", "--given", "x=1"), 2, "2 numbers"),
                                 (("best", "y", "run", "--given", "x=a,b"), 2, "numbers"), (("best", "y", "run", "--given", "x=nan,1"), 4, "E055"),
                                 (("best", "y", "run", "--given", "x=inf,1"), 4, "E055"), (("best", "y", "run", "--given", "z=3"), 2, "'z'"),
                                 (("rank", "y", "run", "--given", "x=1,1", "--top", "0"), 2, "--top"),
                                 (("rank", "y", "run", "--given", "x=1,1", "--among", "left,frog"), 2, "frog")):
            self.wrong("ask", *args, code=code, says=says)

    def test_broken_runs(self):
        """Cut and scrambled checkpoints: refused by name, or (where the damage is within a number) used; never a crash."""
        self.trained()
        whole = (self.folder / "run/state.safetensors").read_bytes()
        dice = random.Random(1)
        broken = [whole[:k] for k in (0, 7, 8, 100, len(whole) - 1)]
        for _ in range(3 if kit.SLOW else 12):
            b = bytearray(whole)
            for _ in range(dice.choice((1, 3, 10))):
                b[dice.randrange(len(b))] = dice.choice((0, 255, 34, 57, dice.randrange(256)))
            broken.append(bytes(b))
        for b in broken:
            shutil.rmtree(self.folder / "half", ignore_errors=True)
            shutil.copytree(self.folder / "run", self.folder / "half")
            for name in ("state", "best"):
                (self.folder / f"half/{name}.safetensors").write_bytes(b)
            for args in (("train", "m.nrg", "--data", "moons.npz", "--seed", "1", "--resume", "-o", "half"), ("ask", "best", "y", "half", "--given", "x=1,1")):
                got = subprocess.run([kit.NRG, *args], cwd=self.folder, capture_output=True, text=True, errors="replace", timeout=60)
                self.assertIn(got.returncode, (0, 3, 4, 6), f"{args} {got.stderr}")
                self.assertNotIn("Sanitizer", got.stderr)
                self.assertTrue(got.returncode == 0 or "error[" in got.stderr, got.stderr)
        for name, code in (("state", 4), ("weights", 0), ("best", 0), ("log", 0), ("run", 0), ("model", 0)):
            shutil.rmtree(self.folder / "half", ignore_errors=True)
            shutil.copytree(self.folder / "run", self.folder / "half")
            next((self.folder / "half").glob(name + ".*")).unlink()
            self.nrg("train", "m.nrg", "--data", "moons.npz", "--seed", 1, "--resume", "-o", "half", "--quiet", code=code)
        for flags in (("--seed", "4"), ("--seed", "1", "--f64"), ("--seed", "1", "--valid", "10%")):
            self.wrong("train", "m.nrg", "--data", "moons.npz", "--resume", *flags, code=4, says=("E057", "run"))

    def test_kill_at_any_moment(self):
        """SIGKILL at scattered times: what is in the folder can be resumed or says that it holds no checkpoint; then the same bits."""
        self.write("m.nrg", MODEL.replace("epochs=2", "epochs=400").replace("batch=50", "batch=5"))
        self.moons()
        args = [kit.NRG, "train", "m.nrg", "--data", "moons.npz", "--seed", "1", "--quiet"]
        start = time.time()
        self.nrg(*args[1:], "-o", "whole")
        took = time.time() - start
        want = (self.folder / "whole/weights.safetensors").read_bytes()
        for k, number in enumerate((signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGINT, signal.SIGTERM)):
            out = f"cut{k}"
            child = subprocess.Popen(args + ["-o", out], cwd=self.folder, stderr=subprocess.DEVNULL)
            time.sleep(took * (0.15 + 0.17 * k))
            child.send_signal(number)
            child.wait(timeout=60)
            self.assertIn(child.returncode, (0, 130, -9, -2, -15))
            got = subprocess.run(args + ["-o", out, "--resume"], cwd=self.folder, capture_output=True, text=True, timeout=60)
            if got.returncode:  # nothing was saved yet
                self.assertTrue("no checkpoint" in got.stderr or "nothing to resume" in got.stderr, got.stderr)
                self.assertNotIn("state.safetensors", self.files(out) if (self.folder / out).exists() else [])
                continue
            self.assertEqual(want, (self.folder / out / "weights.safetensors").read_bytes(), f"{number} {k}")
            if number != signal.SIGKILL:
                self.assertFalse([f for f in self.files(out) if ".tmp" in f])

    def test_full_disk(self):
        """A limit on the size of files stands for a full disk: E092, and the old file stays whole."""
        self.trained()
        before = (self.folder / "run/weights.safetensors").read_bytes()
        limit = "ulimit -f 0 && trap '' XFSZ && exec \"$0\" \"$@\""
        got = subprocess.run(["sh", "-c", limit, kit.NRG, "train", "m.nrg", "--data", "moons.npz", "--seed", "1", "--resume"],
                             cwd=self.folder, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(got.returncode, 4, got.stderr)
        self.assertIn("E092", got.stderr)
        self.assertEqual(before, (self.folder / "run/weights.safetensors").read_bytes())
        self.assertFalse([f for f in self.files("run") if ".tmp" in f])

    def test_threads_and_seeds(self):
        self.write("m.nrg", MODEL)
        self.moons()
        runs = {}
        for name, flags in (("a", ("--threads", "1")), ("b", ("--threads", "2")), ("c", ("--threads", "8")), ("d", ("--threads", "1"))):
            self.nrg("train", "m.nrg", "--data", "moons.npz", "--seed", "5", *flags, "--quiet", "-o", name)
            runs[name] = (self.folder / name / "weights.safetensors").read_bytes()
        self.assertEqual(len(set(runs.values())), 1)


kit.main()
