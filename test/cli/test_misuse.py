#!/usr/bin/env python3
"""What users get wrong with losses, answers and pictures: each is told in one message, and nothing dies or hangs."""
import re
import unittest

import kit


def margin(text):
    return re.search(r"^margin +(.+)$", text, re.M).group(1)


class Losses(kit.Case):
    def test_margins_of_any_size(self):
        for m in ("0.001", "40", "100", "5000"):
            self.assertEqual(float(margin(self.nrg("explain", "--loss", f"hinge(margin={m})").stdout)), float(m))
        self.assertEqual(margin(self.nrg("explain", "--loss", "max(0, 100 + pos - neg)^2").stdout), "100")
        for fading in ("log(1 + exp(0.1 * (pos - neg)))", "log(1 + exp(pos - neg))", "pos^2 + exp(-0.05 * neg)"):
            self.assertEqual(margin(self.nrg("explain", "--loss", fading).stdout), "> 0")

    def test_no_finite_numbers(self):
        self.assertIn("no finite numbers", self.nrg("explain", "--loss", "log(-1) * pos").stdout)

    def test_parameters_that_nothing_reads(self):
        got = self.refused("explain", "--loss", "hinge", "--set", "m=3", code=2, says="no parameter 'm'")
        self.assertIn("margin + pos - neg", got.stderr)
        self.nrg("explain", "--loss", "hinge", "--set", "margin=3")

    def test_unknown_names_list_the_known(self):
        self.write("m.nrg", kit.CLASSIFIER)
        for stmt, known in (("learn xyzxyz", "perceptron"), ("optimize by xyzxyz", "adam"), ("minimize y by xyzxyz", "exhaustive")):
            got = self.nrg("check", "m.nrg", "--stmt", stmt, code=3)
            self.assertRegex(got.stderr, f"(known|methods that can):.* {known}")

    def test_training_says_what_is_wrong_with_a_loss(self):
        self.write("m.nrg", kit.CLASSIFIER)
        self.moons()
        few = ("--stmt", "optimize by adam(epochs=1)", "--overwrite")
        for loss, words in (("pos^2 - max(0, 1 - neg)^2", "pulls wrong answers down"), ("perceptron", "zero margin")):
            got = self.nrg("train", "m.nrg", "--data", "moons.npz", "--stmt", f"learn {loss}", *few)
            self.assertIn(f"learn statement 1: {words}", got.stderr)
        self.assertNotIn("learn statement", self.nrg("train", "m.nrg", "--data", "moons.npz", *few).stderr)

    def test_scale_of_energies(self):
        self.write("m.nrg", kit.CLASSIFIER)
        for beta in ("0", "-1", "1 -> -1"):
            got = self.nrg("ask", "dist", "y", "m.nrg", "--given", "x=0,0", "--stmt", f"hyper beta = {beta}", code=3)
            self.assertIn("above 0", got.stderr)


class Answers(kit.Case):
    def test_given(self):
        self.trained()
        ask = ("ask", "best", "y", "run")
        self.refused(*ask, "--given", "x=none.npy", code=4, says="cannot read none.npy")
        self.refused(*ask, "--given", "x=", code=2, says="found 0")
        self.refused(*ask, "--given", "x=0,1", "--given", "x=1,1", code=2, says="x 2 times")
        self.refused(*ask, "--given", "x=0,1,", code=2, says="found 3")

    def test_among(self):
        self.trained()
        row = kit.table(self.nrg("ask", "best", "y", "run", "--given", "x=0,1", "--among", "left,left").stdout)[0]
        self.assertEqual((row["answer"], row["runner_up"]), ("left", ""))

    def test_labels_with_commas(self):
        self.write("c.csv", "x,y\n" + "".join(f'{i},"{"a, b" if i % 2 else "c"}"\n' for i in range(20)))
        self.write("m.nrg", "dim D, C\ngiven x : real[D]\npredict y : C\nmodule G = linear(C)\nenergy E(x, y) = G(x)[y]\n"
                            "minimize y by exhaustive\nmarginalize y by exhaustive\nlearn nll\n"
                            "optimize by adam(epochs=1)\n")
        self.nrg("train", "m.nrg", "--data", "c.csv", "--quiet")
        row = kit.table(self.nrg("ask", "best", "y", "run", "--given", "x=1", "--among", "a, b").stdout)[0]
        self.assertEqual(row["answer"], "a, b")
        self.refused("ask", "best", "x", "run", "--given", "y=a, b", code=5, says="E060")
        self.refused("ask", "best", "x", "run", "--given", "y=a, d", "--anyway", code=4, says="a, d")


class Expectations(kit.Case):
    def test_without_data(self):
        self.trained()
        self.refused("test", "run", code=4, says="about data")

    def test_what_cannot_be_checked_does_not_pass(self):
        self.trained()
        got = self.nrg("test", "run", "--data", "moons.npz", "--stmt", "expect 1", code=3)
        self.assertIn("1 of 1 expectations cannot be checked", got.stderr)


class Training(kit.Case):
    NET = "given x : real in -1..1\npredict y : real in -1..1\nmodule G = linear(1)\nenergy E(x, y) = sq(y - G(x))\n"

    def test_losses_without_slope(self):
        """W109, once: no wrong answer anywhere, or a loss that does not read the energy; silent where something is learned."""
        self.write("m.nrg", self.NET + "minimize y by grid(points=20)\nlearn hinge against offender(outside=0.1)\n"
                                       "optimize by adam(epochs=3)\n")
        self.nrg("data", "make", "parabola", "-n", 50, "-o", "p.npz")
        self.write("one.csv", "x,y\n" + "".join(f"{i / 10},0\n" for i in range(10)))
        self.write("c.nrg", "dim D, C = 1\ngiven x : real[D]\npredict y : C\nmodule G = linear(C)\nenergy E(x, y) = G(x)[y]\n"
                            "minimize y by exhaustive\nlearn hinge\noptimize by adam(epochs=2)\n")
        for model, data, stmt, still in (("m", "p.npz", "learn hinge against offender(outside=5)", True), ("m", "p.npz", "learn 1", True),
                                         ("m", "p.npz", "learn hinge against batch", False), ("m", "p.npz", "report mse(y)", False),
                                         ("c", "one.csv", "report error(y)", True)):
            got = self.nrg("train", f"{model}.nrg", "--data", data, "--stmt", stmt, "--quiet", "--overwrite")
            self.assertEqual(got.stderr.count("W109"), int(still), (stmt, got.stderr))

    def test_searches_are_counted_in_whole_numbers(self):
        self.write("m.nrg", self.NET + "minimize y by lbfgs\nlearn hinge against offender(outside=0.1, starts=2.5)\noptimize by adam(epochs=1)\n")
        self.nrg("data", "make", "parabola", "-n", 50, "-o", "p.npz")
        self.refused("train", "m.nrg", "--data", "p.npz", code=3, says="whole numbers")

    def test_nothing_left_to_learn_from(self):
        self.write("m.nrg", "given x : real\npredict y : real\nmodule G = linear(1)\nenergy E(x, y) = sq(y - G(x))\n"
                            "minimize y by lbfgs\nlearn energy\noptimize by adam(epochs=1)\n")
        self.write("one.csv", "x,y\n1,2\n")
        self.refused("train", "m.nrg", "--data", "one.csv", "--valid", "50%", code=2, says="of 1 samples leaves none")


class Pictures(kit.Case):
    def test_ranges(self):
        self.write("m.nrg", "given x : real in -1..1\npredict y : real in -1..1\nenergy E(x, y) = sq(y - x)\n")
        for words in (("--range", "0..inf"), ("--range", "-1e308..1e308"), ("--x", "-inf..0")):
            self.refused("plot", "landscape", "m.nrg", "x", "y", *words, code=2, says="takes a range")
        self.refused("plot", "landscape", "m.nrg", "x", "y", "--points", 100000, code=2, says="at most")
        self.refused("plot", "slice", "m.nrg", "y", "--given", "x=0", "--points", 100000000, code=2, says="at most")

    @unittest.skipUnless(kit.GNUPLOT, "no gnuplot")
    def test_losses_that_are_not_everywhere_finite(self):
        self.nrg("plot", "plane", "log(pos - neg)", "-o", "p.png")
        self.refused("plot", "plane", "log(-1) * pos", "-o", "q.png", code=2, says="no finite value")

    @unittest.skipUnless(kit.GNUPLOT, "no gnuplot")
    def test_titles(self):
        self.trained()
        self.nrg("plot", "loss", "run", "--title", "my title", "-o", "l.png")
        self.nrg("plot", "plane", "hinge", "--title", "my title", "-o", "h.png")
        for name in ("l.gp", "h.gp"):
            self.assertIn("set title 'my title'", (self.folder / name).read_text())

    @unittest.skipUnless(kit.GNUPLOT, "no gnuplot")
    def test_long_labels_are_cut(self):
        self.write("c.csv", "x,y\n" + "".join(f'{i},{"ö" * 40 if i % 2 else "c"}\n' for i in range(20)))
        self.write("m.nrg", "dim D, C\ngiven x : real[D]\npredict y : C\nmodule G = linear(C)\nenergy E(x, y) = G(x)[y]\n"
                            "minimize y by exhaustive\nmarginalize y by exhaustive\nlearn nll\noptimize by adam(epochs=1)\n")
        self.nrg("train", "m.nrg", "--data", "c.csv", "--quiet")
        self.nrg("plot", "confusion", "run", "--data", "c.csv", "-o", "c.png")
        self.assertIn("'" + "ö" * 24 + "…'", (self.folder / "c.gp").read_text())


if __name__ == "__main__":
    kit.main()
