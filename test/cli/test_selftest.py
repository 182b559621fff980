"""The self-test of the samplers; energies against those of held-out rows."""
import math
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


class Samplers(kit.Case):
    def rows(self, *args, code=0):
        got = self.nrg("selftest", *args, code=code)
        return kit.table(got.stdout), got.stderr

    @unittest.skipIf(kit.SLOW, "ten seconds, half a minute under sanitizers")
    def test_all(self):
        """At the default seed all hold; every sampler drew from something. (Another seed would fail with probability below 1/4000.)"""
        rows, _ = self.rows()
        pairs = {(r["sampler"], r["model"]) for r in rows}
        for sampler in ("langevin", "underdamped", "mala", "hmc", "nuts", "metropolis"):
            self.assertIn((sampler, "funnel"), pairs)
        for sampler in ("gibbs", "gwg", "metropolis"):
            self.assertIn((sampler, "boltzmann"), pairs)
        self.assertLessEqual({r["verdict"] for r in rows}, {"ok", "not a sampler of its own"})

    def test_exact(self):
        """The exact column against closed forms."""
        self.write("m.nrg", "predict x : real in -6..6\npredict b : bit\nenergy E(x, b) = 2 * (x - b)^2 - b\n")
        rows, _ = self.rows("m.nrg")
        p = math.e / (1 + math.e)
        truth = {"x": p, "x^2": 0.25 + p, "b": p, "b^2": p, "x b": p, "energy": 0.5 - p}
        self.assertEqual([r["sampler"] for r in rows], ["metropolis"])
        self.assertAlmostEqual(float(rows[0]["exact"]), truth[rows[0]["worst"]], delta=1e-3)

    def test_wrong_is_found(self):
        """Chains that never cross a wall have the wrong share of the wells."""
        self.write("far.nrg", "predict x : real in -8..8\nenergy E(x) = 60 * (x^2 / 9 - 1)^2 + 2 * x\n")  # no chain crosses this wall
        rows, said = self.rows("far.nrg", code=6)
        self.assertEqual({"unmixed"}, {r["verdict"] for r in rows} - {"ok"})
        self.assertIn("do not forget their starts", said)
        self.write("steep.nrg", "predict x : real in -1..1\nenergy E(x) = 40 * x^2\n")  # the step of langevin is too long: variance 1 / (1 - 0.2)
        rows, said = self.rows("steep.nrg", code=6)
        self.assertEqual({"langevin": "FAIL"}, {r["sampler"]: r["verdict"] for r in rows if r["verdict"] != "ok"})
        self.assertIn("standard errors", said)

    def test_pairs(self):
        """Without an exact answer unbiased samplers are compared; with one sampler alone there is nothing to say."""
        self.write("m.nrg", "dim D = 5\npredict x : real[D]\nenergy E(x) = sq(x) + sum(x)^2\n")
        rows, _ = self.rows("m.nrg")
        self.assertTrue(all(" - mala" in r["sampler"] for r in rows))
        self.assertGreaterEqual(len(rows), 3)
        self.write("one.nrg", "predict x : real\npredict b : bit\nenergy E(x, b) = (x - b)^2 * (1 + x^2)\n")
        self.nrg("selftest", "one.nrg", code=3)


kit.main()
