"""Hidden parts: what comes back from a noisy or masked copy, and the arrows of the field."""
import math
import unittest

import kit

HERE = kit.ROOT / "examples" / "denoise"


def spiral():
    """The clean curve that `nrg data make spiral` draws from, densely."""
    out = []
    for i in range(4000):
        angle = 4 * math.pi * math.sqrt(0.02 + 0.98 * i / 3999)
        r = angle / (4 * math.pi)
        out.append((r * math.cos(angle), r * math.sin(angle)))
    return out


class Denoise(kit.Case):
    # The identity: what is seen comes back as it is; its field has no length.
    SAME = "dim D = 2\npredict y : real[D]\nhyper a = {}\nhide y by {}\nenergy E(y) = sq(y - a * seen(y)) + 0 * sum(hidden(y))\nminimize y by exact\nreport reconstruction(y)\n"

    def test_exact(self):
        """What comes back, and its mean square error, against the closed form: y' = a seen(y)."""
        self.write("m.nrg", self.SAME.format(0.5, "noise(0.3)"))
        n = 20000
        self.nrg("data", "make", "spiral", "-n", n, "--seed", 1, "-o", "y.npz")
        rows = kit.table(self.nrg("eval", "m.nrg", "--data", "y.npz").stdout)
        self.write("e.nrg", "dim D = 2\npredict y : real[D]\nenergy E(y) = 0.5 * sq(y)\n")
        e = [float(r["energy"]) for r in kit.table(self.nrg("energy", "e.nrg", "--data", "y.npz", "--quiet").stdout)]
        square = sum(e) / len(e)  # of a number: half of the mean of sq(y), which is what 0.5 * sq(y) is
        want = 0.25 * square + 0.25 * 0.3 ** 2  # (0.5 y - y)^2 + (0.5 noise)^2
        self.assertAlmostEqual(float(rows[0]["reconstruction(y)"]), want, delta=0.02 * want)  # 5 standard errors

    def test_masked(self):
        """Half of the numbers are 0 in what is seen: a = 1 brings back the others and loses these."""
        self.nrg("data", "make", "spiral", "-n", 20000, "--seed", 1, "-o", "y.npz")
        self.write("m.nrg", self.SAME.format(1, "random(25%)"))
        self.write("all.nrg", self.SAME.format(0, "random(25%)"))
        part, whole = [float(self.nrg("eval", m, "--data", "y.npz").stdout.split()[-1]) for m in ("m.nrg", "all.nrg")]
        self.assertAlmostEqual(part, 0.25 * whole, delta=0.03 * 0.25 * whole)

    def test_missing(self):
        """Missing cells of what is asked are its hidden cells."""
        self.write("m.nrg", "dim D = 2\npredict y : real[D]\nhide y by random(50%)\nminimize y by exact\n"
                   "energy E(y) = sq(y - seen(y) - 7 * sum(hidden(y)))\n")
        self.write("y.csv", "y0,y1\n1,\n2,3\n,\n")
        self.nrg("ask", "best", "y", "m.nrg", "--data", "y.csv", "--map", "y=y0", "--quiet", code=4)  # one column is not two numbers
        self.write("one.nrg", "predict y : real\nhide y by random(50%)\nminimize y by exact\nenergy E(y) = (y - seen(y) - 7 * hidden(y))^2\n")
        got = self.nrg("ask", "best", "y", "one.nrg", "--data", "y.csv", "--map", "y=y1", "--quiet").stdout
        self.assertEqual([float(r["answer"]) for r in kit.table(got)], [7, 3, 7])

    def test_spiral(self):
        """Places off the curve come back nearer to it."""
        self.nrg("data", "make", "spiral", "-n", 1000, "--seed", 1, "-o", "y.npz")
        self.nrg("train", HERE / "spiral.nrg", "--data", "y.npz", "--seed", 1, "--quiet", "-o", "run",
                 *(["--stmt", "optimize by adam(lr=3e-3, batch=250, epochs=2)"] if kit.SLOW else []))
        curve = spiral()
        distance = lambda p: min(math.hypot(p[0] - c[0], p[1] - c[1]) for c in curve)
        places = [(r * c[0] + s, r * c[1] - s) for i, c in enumerate(curve[::160]) for r, s in [(1 + 0.05 * (i % 3 - 1), 0.06 * (i % 5 - 2) / 2)]]
        self.write("at.csv", "a,b\n" + "".join(f"{a},{b}\n" for a, b in places))
        before = after = 0
        for p in places:
            got = self.nrg("ask", "best", "y", "run", "--given", f"y={p[0]},{p[1]}", "--quiet")
            self.assertIn("exact", got.stdout)
            q = [float(t) for t in kit.table(got.stdout)[0]["answer"].split()]
            before, after = before + distance(p), after + distance(q)
        if not kit.SLOW:
            self.assertGreater(before / len(places), 0.03)
            self.assertLess(after, 0.5 * before)

    @unittest.skipUnless(kit.GNUPLOT, "no gnuplot")
    def test_field(self):
        """Arrows: reconstructions where parts are hidden, else downhill; in the data beside the picture."""
        self.write("m.nrg", self.SAME.format(0.25, "noise(0.3)"))
        self.nrg("plot", "field", "m.nrg", "y[0]", "y[1]", "--x=-2..2", "--y=-2..2", "-o", "f.png")
        self.write("q.nrg", "dim D = 2\npredict y : real[D]\nenergy E(y) = sq(y)\n")
        self.nrg("plot", "field", "q.nrg", "y[0]", "y[1]", "--x=-2..2", "--y=-2..2", "-o", "q.png")
        for name, factor in (("f", -0.75), ("q", None)):
            block = (self.folder / f"{name}.dat").read_text().split("\n\n\n")[1]
            arrows = [tuple(map(float, line.split())) for line in block.strip().splitlines()]
            self.assertEqual(len(arrows), 24 * 24)
            edge = max(math.hypot(a[0], a[1]) for a in arrows)
            for x, y, dx, dy in arrows:
                f = factor if factor is not None else -(4 / 24) / edge
                self.assertAlmostEqual(dx, f * x, delta=1e-4)
                self.assertAlmostEqual(dy, f * y, delta=1e-4)


kit.main()
