#!/usr/bin/env python3
"""nrg data make and info; wrong data give exit code 4 and say where."""
import math
import struct

import kit


class Data(kit.Case):
    def test_make_and_info(self):
        self.assertIn("digits", self.nrg("data", "make").stdout)
        self.assertEqual(self.nrg("data", "make", "parabola", "-n", 20, "-o", "p.csv").stdout, "p.csv\n")
        self.assertIn("20 samples", self.nrg("data", "info", "p.csv").stdout)
        self.nrg("data", "make", "digits", "-n", 5, "-o", "d.npz")
        self.assertIn("28 x 28", self.nrg("data", "info", "d.npz").stdout)

    def test_same_seed_same_data(self):
        for name in ("a.csv", "b.csv"):
            self.nrg("data", "make", "eye", "-n", 50, "--seed", 3, "-o", name)
        self.assertEqual((self.folder / "a.csv").read_bytes(), (self.folder / "b.csv").read_bytes())

    def test_refusals(self):
        self.refused("data", "make", "mons", "-o", "m.npz", code=3, says="moons")
        self.refused("data", "make", "moons", code=2, says="where do the data go?")
        self.write("kept.npz", "mine")
        self.refused("data", "make", "moons", "-o", "kept.npz", code=2, says="E091")
        self.assertEqual((self.folder / "kept.npz").read_text(), "mine")
        self.nrg("data", "make", "moons", "-o", "kept.npz", "--overwrite")
        self.refused("data", "info", "none.npz", code=4, says="E053")
        self.refused("data", "info", code=2, says="which files?")

    # Bits drawn anew at each step: the logits become those of the mean probability, of 100 rows to 0.12, where one draw of them has a deviation of
    # 0.21. Seeds change the draws of training and not those of a report; probabilities 0 and 1 leave nothing to chance.
    def test_bits_drawn_anew(self):
        p = [(i + 0.5) / 100 for i in range(100)]
        cells = [[x ** 2, x ** 3, 1 - x ** 2, 0.0 if x < 0.3 else 1.0] for x in p]
        self.write("p.csv", "a,b,c,d\n" + "".join(",".join(map(repr, r)) + "\n" for r in cells))
        self.write("b.nrg", """dim      V = 4
predict  y : bit[V]
weight   b : real[V] init 0
energy   E(y) = -dot(y, b)
marginalize y by exhaustive
learn    nll
optimize by adam(lr=0.05 -> 0.0001, batch=50, epochs=300)
data     y = bernoulli(concat(concat(concat(a, b), c), d))
report   nll(y)
""")
        bits = []
        for run, seed in (("one", 1), ("two", 1), ("other", 2)):
            self.nrg("train", "b.nrg", "--data", "p.csv", "--seed", seed, "-o", run, "--quiet")
            raw = (self.folder / run / "weights.safetensors").read_bytes()
            bits.append(raw[8 + int.from_bytes(raw[:8], "little"):])
        self.assertEqual(bits[0], bits[1])
        self.assertNotEqual(bits[0], bits[2])
        logits = struct.unpack("<4f", bits[0])
        for got, column in zip(logits, zip(*cells)):
            mean = sum(column) / 100
            self.assertLess(abs(got - math.log(mean / (1 - mean))), 0.12)
        self.assertLess(abs(logits[3] - math.log(0.7 / 0.3)), 0.01)
        losses = [r["loss"] for r in kit.table((self.folder / "one" / "log.csv").read_text())]
        self.assertEqual(len(set(losses[-50:])), 50)
        first = self.nrg("eval", "one", "--data", "p.csv", "--seed", 1).stdout
        self.assertEqual(first, self.nrg("eval", "one", "--data", "p.csv", "--seed", 2).stdout)
        self.write("far.csv", "a,b,c,d\n" + "0,0.5,1,7\n" * 4)
        self.refused("train", "b.nrg", "--data", "far.csv", "-o", "e", code=4, says="bernoulli takes probabilities")
        self.write("e.nrg", (self.folder / "b.nrg").read_text().replace("-dot(y, b)", "-dot(bernoulli(y), b)"))
        self.refused("train", "e.nrg", "--data", "p.csv", "-o", "e", code=3, says="bernoulli draws data")

    def test_broken_files(self):
        self.write("broken.npz", "PK not a zip")
        self.refused("data", "info", "broken.npz", code=4, says="E05")

    def test_training_data_that_do_not_fit(self):
        self.write("m.nrg", kit.CLASSIFIER)
        self.write("one.csv", "a,b\n1,2\n3,4\n")
        self.refused("train", "m.nrg", "--data", "one.csv", code=4, says="E05")
        self.assertFalse((self.folder / "run").exists())
        self.refused("train", "m.nrg", code=2, says="data are needed")
        self.write("wide.nrg", kit.CLASSIFIER.replace("D = 2", "D = 3"))
        self.refused("train", "wide.nrg", "--data", self.moons(), code=4, says="E050")


kit.main()
