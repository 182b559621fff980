#!/usr/bin/env python3
"""nrg ask, energy, plot: the six questions or the reason why not, tables, files, pictures."""
import json
import math
import subprocess
import unittest

import kit


class Ask(kit.Case):
    def setUp(self):
        super().setUp()
        self.trained()

    def test_best(self):
        got = self.nrg("ask", "best", "y", "run", "--data", "moons.npz")
        self.assertEqual(got.stdout.splitlines()[0], "sample,answer,energy,runner_up,runner_up_energy,status")
        rows = kit.table(got.stdout)
        self.assertEqual(len(rows), 200)
        self.assertEqual({r["answer"] for r in rows}, {"left", "right"})
        self.assertTrue(all(r["status"] == "exact" and float(r["energy"]) <= float(r["runner_up_energy"]) for r in rows))

    def test_one_alone_is_as_in_the_batch(self):
        many = self.nrg("ask", "best", "y", "run", "--data", "moons.npz", "--json").stdout.splitlines()
        x = [json.loads(line) for line in self.nrg("energy", "run", "--data", "moons.npz", "--json").stdout.splitlines()]
        self.assertEqual(len(many), len(x))
        a = json.loads(self.nrg("ask", "best", "y", "run", "--given", "x=0.25,-0.5", "--json").stdout)
        b = json.loads(self.nrg("ask", "best", "y", "run", "--given", "x=0.25,-0.5", "--threads", 3, "--json").stdout)
        self.assertEqual(a, b)

    def test_rank_and_dist(self):
        rows = kit.table(self.nrg("ask", "rank", "y", "run", "--given", "x=0,1").stdout)
        self.assertEqual([r["place"] for r in rows], ["1", "2"])
        self.assertLessEqual(float(rows[0]["energy"]), float(rows[1]["energy"]))
        self.assertEqual(len(kit.table(self.nrg("ask", "rank", "y", "run", "--given", "x=0,1", "--top", 1).stdout)), 1)
        self.assertEqual(kit.table(self.nrg("ask", "best", "y", "run", "--given", "x=0,1", "--among", "right").stdout)[0]["answer"], "right")
        one = json.loads(self.nrg("ask", "dist", "y", "run", "--given", "x=0,1", "--json").stdout)
        self.assertAlmostEqual(one["left"] + one["right"], 1, places=6)
        p = 1 / (1 + math.exp(float(rows[0]["energy"]) - float(rows[1]["energy"])))
        self.assertAlmostEqual(max(one["left"], one["right"]), p, places=5)

    def test_refusals(self):
        got = self.refused("ask", "best", "x", "run", "--given", "y=left", code=5, says="E060")
        self.assertIn("it can answer", got.stderr)
        self.refused("ask", "best", "w", "run", "--given", "x=0,0", code=3, says="unknown variable 'w'")
        self.refused("ask", "best", "y", "run", "--given", "x=1", code=2, says="needs 2 numbers")
        self.refused("ask", "best", "y", "run", "--given", "q=1", code=2, says="no variable 'q'")
        self.refused("ask", "best", "y", "run", "--given", "x=0,0", "--among", "up", code=2, says="'up' is not a value")
        self.refused("ask", "best", "y", "nowhere", code=4, says="E053")

    def test_what_cannot_be_written_or_read(self):
        """A wrong extension is refused before anything is computed; of many joint values mean and deviation are told; a changed model.nrg is noticed."""
        for name in ("a.foo", "a", "a.csvx", ".cs"):
            self.refused("ask", "best", "y", "no such run", "-o", name, code=2, says=f"cannot write {name}")
            self.refused("energy", "no such run", "-o", name, code=2, says=f"cannot write {name}")
        self.write("three.nrg", "dim D = 2\npredict x : real[D] in -1..1\nenergy E(x) = sq(x) + x[first(D)]\nmarginalize x by grid(points=60)\n"
                   "learn nll\noptimize by adam\n")
        got = self.nrg("ask", "dist", "x", "three.nrg")
        self.assertIn("3600 joint values", got.stderr)
        rows = kit.table(got.stdout)
        self.assertEqual([r["number"] for r in rows], ["x[0]", "x[1]"])
        at = [(i + 0.5) / 30 - 1 for i in range(60)]  # middles of the cells
        for r, e in zip(rows, (lambda x: x * x + x, lambda x: x * x)):
            p = [math.exp(-e(x)) for x in at]
            mean = sum(w * x for w, x in zip(p, at)) / sum(p)
            self.assertAlmostEqual(float(r["mean"]), mean, places=4)
            self.assertAlmostEqual(float(r["sd"]), math.sqrt(sum(w * (x - mean) ** 2 for w, x in zip(p, at)) / sum(p)), places=4)
        self.nrg("ask", "dist", "x", "three.nrg", "-o", "all.csv", "--quiet")
        self.assertEqual(len(kit.table((self.folder / "all.csv").read_text())), 3600)
        self.assertNotIn("W111", self.nrg("energy", "run", "--data", "moons.npz").stderr)
        text = (self.folder / "run" / "model.nrg")
        before = text.read_text()
        text.write_text(before.replace("linear(8)", "linear(9)"))
        line = 1 + before[:before.index("linear(8)")].count("\n")
        self.assertIn(f"model.nrg was changed at line {line}", self.nrg("energy", "run", "--data", "moons.npz").stderr)

    def test_files(self):
        self.nrg("ask", "best", "y", "run", "--data", "moons.npz", "-o", "a.csv")
        self.assertEqual(len(kit.table((self.folder / "a.csv").read_text())), 200)
        self.refused("ask", "best", "y", "run", "--data", "moons.npz", "-o", "a.csv", code=2, says="E091")
        self.nrg("ask", "dist", "y", "run", "--data", "moons.npz", "-o", "p.npz")
        self.assertIn("200 samples of 2", self.nrg("data", "info", "p.npz").stdout)
        self.refused("ask", "best", "y", "run", "--data", "moons.npz", "-o", "a.gif", code=2, says="E090")

    def test_energy(self):
        rows = kit.table(self.nrg("energy", "run", "--data", "moons.npz").stdout)
        self.assertEqual(len(rows), 200)
        self.nrg("energy", "run", "--data", "moons.npz", "-o", "e.npz")
        self.refused("energy", "run", "--given", "x=0,0", code=4, says="E051")

    def test_weights_picture(self):
        self.assertEqual(self.nrg("plot", "weights", "run", "G.0.weight", "-o", "w.png").stdout, "w.png\n")
        self.assertEqual((self.folder / "w.png").read_bytes()[:4], b"\x89PNG")
        self.refused("plot", "weights", "run", "G.7", code=3, says="unknown weight")
        self.assertIn("G.0.weight : 2 x 8", self.refused("plot", "weights", "run", code=2, says="which weight?").stderr)

    @unittest.skipUnless(kit.GNUPLOT, "no gnuplot here")
    def test_other_pictures(self):
        self.nrg("plot", "run", "loss")
        self.nrg("plot", "landscape", "run", "x[0]", "x[1]", "--data", "moons.npz", "-o", "l.svg", "--points", 20)
        for name in ("run/loss.png", "run/loss.gp", "run/loss.dat", "l.svg", "l.gp", "l.dat"):
            self.assertGreater((self.folder / name).stat().st_size, 100, name)
        self.refused("plot", "landscape", "run", "x[0]", "x[5]", "--data", "moons.npz", code=2, says="2 numbers")
        self.refused("plot", "landscape", "run", "x[0]", "y", "--data", "moons.npz", code=2, says="category")
        self.refused("plot", "loss", "moons.npz", code=4, says="E05")

    def test_without_gnuplot(self):
        got = subprocess.run([kit.NRG, "plot", "loss", "run", "-o", "alone.png"], cwd=self.folder, env={"PATH": "/nowhere"},
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(got.returncode, 4)
        self.assertIn("gnuplot is not installed", got.stderr)
        self.assertTrue((self.folder / "alone.dat").exists())


kit.main()
