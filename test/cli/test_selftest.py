"""Energies against those of held-out rows."""
import random
import unittest

import kit


class Against(kit.Case):
    MODEL = "predict x : real\nenergy E(x) = x^2 / 2\n"

    def values(self, name, xs):
        return self.write(name, "x\n" + "".join(f"{x!r}\n" for x in xs))

    def test_p(self):
        """p and AUROC equal their definitions, ties included."""
        rng = random.Random(5)
        held = [rng.randint(-8, 8) / 2 for _ in range(57)]
        new = [rng.randint(-12, 12) / 2 for _ in range(83)]
        self.write("m.nrg", self.MODEL)
        self.values("held.csv", held), self.values("new.csv", new)
        got = self.nrg("energy", "m.nrg", "--data", "new.csv", "--against", "held.csv")
        E = lambda x: x * x / 2
        for r, x in zip(kit.table(got.stdout), new):
            self.assertAlmostEqual(float(r["p"]), (1 + sum(E(h) >= E(x) for h in held)) / 58, delta=1e-6)
        auroc = sum((E(x) > E(h)) + 0.5 * (E(x) == E(h)) for x in new for h in held) / (57 * 83)
        self.assertIn(f"AUROC {auroc:.4g};", got.stderr)
        self.assertIn("multiple of 1/58", got.stderr)

    def test_given(self):
        """--given holds the new row, not the held-out ones."""
        self.write("m.nrg", self.MODEL)
        self.values("held.csv", [0, 1, 2, 3, 4])
        got = kit.table(self.nrg("energy", "m.nrg", "--given", "x=3.5", "--against", "held.csv").stdout)
        self.assertAlmostEqual(float(got[0]["p"]), 2 / 6, delta=1e-6)
        self.refused("energy", "m.nrg", "--given", "x=1", "--against", "nowhere.csv", code=4, says="[E053]")


kit.main()
