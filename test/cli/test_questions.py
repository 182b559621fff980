#!/usr/bin/env python3
"""The six questions through the command: calibration, several minima, missing sums, promises, what is said about an answer."""
import json
import math

import kit

HINGE = kit.CLASSIFIER.replace("learn    nll", "learn    hinge(margin=1) against offender").replace("expect   error(y) < 0.5\n", "")
SATURATED = """given    x : real in -1..1
predict  y : real
energy   E(x, y) = 1 - exp(-4 * sq(y - x))
minimize y by lbfgs
"""


class Calibrate(kit.Case):
    def test_way_out_of_a_refusal(self):
        self.trained(model=HINGE)
        self.nrg("data", "make", "moons", "-n", 400, "-o", "held.npz", "--seed", 2)
        self.nrg("data", "make", "moons", "-n", 1000, "-o", "test.npz", "--seed", 3)
        got = self.refused("ask", "dist", "y", "run", "--given", "x=0,1", code=5, says="E060")
        self.assertIn("nrg calibrate y MODEL", got.stderr)
        before = {f.name: f.read_bytes() for f in (self.folder / "run").iterdir()}
        rows = kit.table(self.nrg("calibrate", "y", "run", "--data", "held.npz", "-o", "fitted.nrgm").stdout)
        self.assertEqual([r["measure"] for r in rows], ["beta", "nll", "ece"])
        self.assertLess(float(rows[1]["after"]), float(rows[1]["before"]))
        self.assertEqual(before, {f.name: f.read_bytes() for f in (self.folder / "run").iterdir()})
        self.refused("calibrate", "y", "run", "--data", "held.npz", "-o", "fitted.nrgm", code=2, says="E091")
        # The file answers, with the fitted beta; its answers are those of the run.
        beta = float(rows[0]["after"])
        one = json.loads(self.nrg("ask", "dist", "y", "fitted.nrgm", "--given", "x=0,1", "--json").stdout)
        place = kit.table(self.nrg("ask", "rank", "y", "run", "--given", "x=0,1").stdout)
        gap = float(place[1]["energy"]) - float(place[0]["energy"])

        self.assertAlmostEqual(one[place[0]["answer"]], 1 / (1 + math.exp(-beta * gap)), places=5)
        best = [self.nrg("ask", "best", "y", m, "--data", "test.npz", "--quiet").stdout for m in ("run", "fitted.nrgm")]
        self.assertEqual(*best)
        # Fitted anew the scale stays; without -o nothing is written.
        again = kit.table(self.nrg("calibrate", "y", "fitted.nrgm", "--data", "held.npz").stdout)
        self.assertAlmostEqual(float(again[0]["after"]) / beta, 1, places=4)
        self.assertAlmostEqual(float(again[1]["before"]), float(rows[1]["after"]), places=6)
        self.assertIn(f"hyper beta = {beta:.3g}"[:16], self.nrg("check", "fitted.nrgm", "--resolved").stdout)

    def test_refusals(self):
        self.trained(model=HINGE)
        self.refused("calibrate", "x", "run", "--data", "moons.npz", code=5, says="E060")
        self.refused("calibrate", "y", "run", code=2, says="data are needed")
        self.refused("calibrate", "y", code=2, says="found 1 words")
        self.refused("calibrate", "y", "run", "--data", "moons.npz", "-o", "a.csv", code=2, says=".nrgm")
        self.refused("calibrate", "w", "run", "--data", "moons.npz", code=3, says="unknown variable")


class Minima(kit.Case):
    def test_both_branches(self):
        """Y^2 = X: the implicit energy gives both roots, the regressor their mean, which is neither."""
        lectures = kit.ROOT / "examples" / "lectures"
        self.nrg("data", "make", "branches", "-n", 400, "--seed", 1, "-o", "b.npz")
        for model in ("branches", "branches_regressor"):
            self.nrg("train", lectures / f"{model}.nrg", "--data", "b.npz", "--seed", 1, "--quiet", "-o", model)
        for x in (0.2, 0.4, 0.6, 0.8):
            rows = kit.table(self.nrg("ask", "best", "y", "branches", "--given", f"x={x}", "--minima", 2).stdout)
            self.assertEqual([r["place"] for r in rows], ["1", "2"])
            found = sorted(float(r["answer"]) for r in rows)
            self.assertLess(max(abs(found[0] + x**0.5), abs(found[1] - x**0.5)), 0.05, found)
            rows = kit.table(self.nrg("ask", "best", "y", "branches_regressor", "--given", f"x={x}", "--minima", 2).stdout)
            self.assertEqual(len(rows), 1)
            self.assertLess(abs(float(rows[0]["answer"])), 0.15)

    def test_words(self):
        self.trained()
        self.refused("ask", "rank", "y", "run", "--given", "x=0,0", "--minima", 2, code=2, says="question best")
        self.refused("ask", "best", "y", "run", "--given", "x=0,0", "--minima", 0, code=2, says="whole number")
        self.assertEqual(len(kit.table(self.nrg("ask", "best", "y", "run", "--given", "x=0,0", "--minima", 9).stdout)), 2)


class Sums(kit.Case):
    def test_saturated(self):
        self.write("s.nrg", SATURATED)
        got = self.refused("ask", "dist", "y", "s.nrg", "--given", "x=0.5", code=5, says="E060")
        self.assertIn("levels off: 1 at r = 1048576", got.stderr)
        self.assertIn("best y, and rank y", got.stderr)
        self.assertAlmostEqual(float(kit.table(self.nrg("ask", "best", "y", "s.nrg", "--given", "x=0.5").stdout)[0]["answer"]), 0.5, places=4)
        rows = kit.table(self.nrg("ask", "rank", "y", "s.nrg", "--given", "x=0.5", "--among", "2,0.4,0").stdout)
        self.assertEqual([float(r["answer"]) for r in rows], [0.4, 0, 2])
        self.refused("ask", "dist", "y", "s.nrg", "--given", "x=0.5", "--anyway", code=3, says="bound its domain")
        self.nrg("ask", "dist", "y", "s.nrg", "--given", "x=0.5", "--among", "0,1")

    def test_draws_wander_off(self):
        self.write("s.nrg", SATURATED)
        self.assertIn("W105", self.nrg("sample", "s.nrg", "y", "--given", "x=0.5", "-n", 4, "--warmup", 5).stderr)
        self.assertNotIn("W105", self.nrg("sample", "s.nrg", "y", "--given", "x=0.5", "-n", 4, "--warmup", 5, "--stmt",
                                          "energy E(x, y) = sq(y - x)").stderr)

    def test_quadratic(self):
        self.write("q.nrg", SATURATED.replace("1 - exp(-4 * sq(y - x))", "4 * sq(y - x)").replace("lbfgs", "exact"))
        row = kit.table(self.nrg("ask", "dist", "y", "q.nrg", "--given", "x=0.5").stdout)[0]
        self.assertAlmostEqual(float(row["mean"]), 0.5, places=6)
        self.assertAlmostEqual(float(row["variance"]), 0.125, places=6)

    def test_falling(self):
        self.write("f.nrg", "predict y : real\nenergy E(y) = 0 - y\nminimize y by lbfgs\n")
        got = self.nrg("ask", "best", "y", "f.nrg", code=6)
        self.assertIn("goes on falling", got.stderr)
        self.assertEqual(kit.table(got.stdout)[0]["status"], "max_steps")

    def test_forbidden(self):
        self.write("n.nrg", "dim Y = 2\npredict y : Y\nenergy E(y) = forbid(y == 0) + forbid(y == 1)\n")
        got = self.nrg("ask", "best", "y", "n.nrg", code=5)
        self.assertIn("E061", got.stderr)
        self.assertEqual(kit.table(got.stdout)[0]["energy"], "inf")


class Said(kit.Case):
    def test_promises(self):
        self.write("m.nrg", HINGE + "answer   dist y\n")
        got = self.refused("check", "m.nrg", code=5, says="E060")
        self.assertIn("m.nrg:12", got.stderr)
        self.refused("train", "m.nrg", "--data", self.moons(), code=5, says="E060")
        self.assertFalse((self.folder / "run").exists())
        self.nrg("check", "m.nrg", "--stmt", "answer rank y")
        self.nrg("check", "m.nrg", "--stmt", "learn nll")

    def test_anyway(self):
        self.trained(model=HINGE)
        self.refused("ask", "dist", "y", "run", "--given", "x=0,1", code=5, says="E060")
        one = json.loads(self.nrg("ask", "dist", "y", "run", "--given", "x=0,1", "--anyway", "--json").stdout)
        self.assertAlmostEqual(one["left"] + one["right"], 1, places=6)

    def test_arguments_of_methods(self):
        self.write("g.nrg", "predict y : real in 0..1\nenergy E(y) = y^2\nminimize y by grid(points=0)\n")
        self.refused("check", "g.nrg", code=3, says="points of grid is 0")

    def test_first_weights(self):
        self.write("m.nrg", kit.CLASSIFIER)
        for args in (("ask", "best", "y"), ("energy",), ("eval",)):
            got = self.nrg(*args, "m.nrg", "--data", self.moons())
            self.assertEqual(got.stderr.count("W104"), 1, got.stderr)
        self.nrg("train", "m.nrg", "--data", self.moons(), "--quiet")
        self.assertNotIn("W104", self.nrg("eval", "run", "--data", "moons.npz").stderr)
        self.write("s.nrg", SATURATED)
        self.assertNotIn("W104", self.nrg("ask", "best", "y", "s.nrg", "--given", "x=0").stderr)

    def test_given_outside(self):
        self.write("s.nrg", SATURATED)
        got = self.refused("ask", "best", "y", "s.nrg", "--given", "x=2", code=4, says="E055")
        self.assertIn("hold x at a value within -1..1", got.stderr)

    def test_cost(self):
        self.trained()
        cost = []
        for question in ("best", "rank", "dist"):
            got = self.nrg("ask", question, "y", "run", "--data", "moons.npz").stderr
            cost.append(int(got.split(" energies\n")[-2].split()[-1]))
        self.assertEqual(cost, [400, 400, 400])


kit.main()
