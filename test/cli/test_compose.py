"""Models used by models: their members have the values they have alone, a run keeps what it uses, and sums, minima and differences of
concepts give draws that obey them."""
import json
import math
import pathlib
import random
import shutil
import struct
import unittest

import kit

HERE = kit.ROOT / "examples" / "compose"
CONCEPT = """dim      D
predict  x : real[D] in -3..3
module   G = linear(12) | tanh | linear(1)
energy   E(x) = sum(G(x)) + 0.1 * sq(x)
learn    nce(k=2)
optimize by adam(lr=0.01, epochs=2)
data     x = y
"""
HALF = """dim      D = 2
hyper    k = 1 -> 4
predict  x : real[D]
energy   E(x) = softplus(-k * x[first(D)])
"""
BOTH = """use      "part" as part
use      "half.nrg" as half
dim      C = 2
predict  x : real[C] in -3..3
energy   F(x) = part.E(x) + 0.5 * half.E(x)
"""


def tensors(path):
    """Arrays of a safetensors file as bytes, and its metadata."""
    data = path.read_bytes()
    n = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + n])
    meta = head.pop("__metadata__")
    return {k: data[8 + n + t["data_offsets"][0]:8 + n + t["data_offsets"][1]] for k, t in head.items()}, meta


class Uses(kit.Case):
    def setUp(self):
        super().setUp()
        self.write("concept.nrg", CONCEPT)
        self.write("half.nrg", HALF)
        self.write("both.nrg", BOTH)
        self.nrg("train", "concept.nrg", "--data", self.moons(), "--seed", 1, "--quiet", "-o", "part")
        self.write("at.csv", "a,b\n0.5,0.5\n-1,0.2\n1,-1.5\n")
        self.points = [(0.5, 0.5), (-1, 0.2), (1, -1.5)]

    def energies(self, model, var="x"):
        return [float(kit.table(self.nrg("energy", model, "--given", f"{var}={a},{b}", "--quiet").stdout)[0]["energy"]) for a, b in self.points]

    def close(self, a, b):
        for x, y in zip(a, b):
            self.assertAlmostEqual(x, y, delta=1e-5 * (1 + abs(y)))

    def test_sum(self):
        """The energy of a sum is the sum of the energies; a scheduled number of the used model has its end value."""
        alone = self.energies("part")
        half = [math.log1p(math.exp(-4 * a)) for a, _ in self.points]
        self.close(self.energies("both.nrg"), [p + 0.5 * h for p, h in zip(alone, half)])

    def test_modules(self):
        """Modules of a used model: called, in a pipe, inside a module, along a scan."""
        self.write("inner.nrg", BOTH.replace("part.E(x) + 0.5 * half.E(x)", "sum(m(x)) + 0.1 * sq(x)")
                   .replace("energy", "module   m(a) = part.G(a)\nenergy"))
        self.close(self.energies("inner.nrg"), self.energies("part"))
        self.write("pipe.nrg", BOTH.replace("part.E(x) + 0.5 * half.E(x)", "sum(x | part.G) + 0.1 * sq(x)"))
        self.close(self.energies("pipe.nrg"), self.energies("part"))
        self.write("world.nrg", "dim S = 2\ngiven s : real[S]\nmodule g(a, b) = 0.5 * a + b\nenergy E(s) = sq(g(s, s))\n")
        self.write("plan.nrg", "use \"world.nrg\" as m\ndim T = 3, S = 2\ngiven x : real[S]\npredict u : real[T, S]\n"
                   "let s = scan(m.g, x, u)\nenergy E(x, u) = sq(s[last(T)])\n")
        got = self.nrg("energy", "plan.nrg", "--given", "x=8,0", "--given", "u=1,0,2,0,3,0", "--quiet").stdout
        self.assertAlmostEqual(float(kit.table(got)[0]["energy"]), (((8 * .5 + 1) * .5 + 2) * .5 + 3) ** 2, delta=1e-4)

    def test_beta_of_its_own(self):
        """What a used energy says of beta is its own."""
        self.write("hot.nrg", "hyper beta = 3\npredict x : real\nenergy E(x) = beta * x^2\n")
        self.write("cold.nrg", "use \"hot.nrg\" as h\nhyper beta = 7\npredict x : real\nenergy E(x) = h.E(x) + beta\n")
        got = self.nrg("energy", "cold.nrg", "--given", "x=2", "--quiet").stdout
        self.assertAlmostEqual(float(kit.table(got)[0]["energy"]), 19, delta=1e-5)

    def learn(self, more, out):
        self.write("learn.nrg", BOTH.replace("energy   F(x) = ", "weight   a : real init 1\nenergy   F(x) = a * ")
                   + f"learn nce(k=2)\n{more}data x = y\n")
        self.nrg("train", "learn.nrg", "--data", self.moons(), "--seed", 1, "--quiet", "-o", out)
        return tensors(self.folder / out / "weights.safetensors")

    def test_frozen_and_kept(self):
        """Weights of a used model stay as they are unless they are named; the run answers, and trains on, when the used files are gone."""
        part, _ = tensors(self.folder / "part" / "best.safetensors" if (self.folder / "part" / "best.safetensors").exists()
                          else self.folder / "part" / "weights.safetensors")
        kept, meta = self.learn("optimize by adam(lr=0.05, epochs=2)\n", "frozen")
        for name, numbers in part.items():
            if name.startswith("G."):
                self.assertEqual(kept[f"part:{name}"], numbers)
        self.assertIn("module G", meta["use:part"])
        moved, _ = self.learn("optimize by adam(lr=0.05, epochs=2)\noptimize part by adam(lr=0.05, epochs=2)\n", "moved")
        self.assertNotEqual(moved["part:G.0.weight"], part["G.0.weight"])
        self.assertNotEqual(self.energies("moved"), self.energies("frozen"))
        self.write("outer.nrg", BOTH.replace('"part"', '"moved"').replace("part.E(x)", "part.F(x)"))
        before = [self.energies(m) for m in ("frozen", "moved", "outer.nrg")]
        shutil.rmtree(self.folder / "part")
        (self.folder / "half.nrg").unlink()
        self.assertEqual([self.energies(m) for m in ("frozen", "moved")], before[:2])
        self.write("half.nrg", HALF)
        self.assertEqual(self.energies("outer.nrg"), before[2])  # `moved` keeps its own copy of part
        self.refused("train", "learn.nrg", "--data", self.moons(), "-o", "again", code=4, says="part, used as part, is not there")
        got = self.refused("energy", "both.nrg", "--given", "x=0,0", code=4, says="[E053]")
        self.assertIn("the folder of the file that uses it", got.stderr)

    def test_folders(self):
        """Paths start at the folder of the file that uses them."""
        (self.folder / "sub").mkdir()
        self.write("sub/up.nrg", BOTH.replace('"part"', '"../part"').replace('"half.nrg"', '"../half.nrg"'))
        self.write("top.nrg", 'use "sub/up.nrg" as up\ndim D = 2\npredict x : real[D]\nenergy E(x) = 2 * up.F(x)\n')
        self.close(self.energies("top.nrg"), [2 * e for e in self.energies("both.nrg")])

    def test_refusals(self):
        """A file that is no model; weights without one; a size that differs only when data are seen."""
        self.write("bad.nrg", "energy E(x) = \n")
        self.write("uses.nrg", 'use "bad.nrg" as b\npredict x : real\nenergy E(x) = b.E(x)\n')
        self.assertIn("bad.nrg:1", self.refused("check", "uses.nrg", code=3, says="[E").stderr)
        self.write("three.nrg", BOTH.replace("C = 2", "C = 3"))
        self.refused("check", "three.nrg", code=3, says="'x' of part.E is real[2], but input 1 is real[3]")


class Digits(kit.Case):
    """examples/compose/digits, hardly trained: the composed energies are what their formulas say, and their draws have the attribute that counts ink."""

    def test_formulas(self):
        here = HERE / "digits"
        rng = random.Random(1)
        ink = [rng.random() for _ in range(60)]
        rows = [[int(rng.random() < p) for _ in range(64)] for p in ink]
        self.write("bits.csv", ",".join(f"v{i}" for i in range(64)) + ",three,thick\n"
                   + "".join(",".join(map(str, v)) + f",{v[27]},{int(sum(v) >= 24)}\n" for v in rows))
        data = ("--data", "v=bits.csv:v0..v63")
        self.nrg("train", here / "digits.nrg", *data, "--quiet", "-o", "digits", "--stmt", "optimize by sgd(lr=0.05, batch=20, epochs=2)",
                 "--stmt", "sample v, h by gibbs(steps=1) from buffer(20)")
        for what in ("three", "thick"):
            self.nrg("train", here / "attribute.nrg", *data, "--data", f"y=bits.csv:{what}", "--quiet", "-o", what,
                     "--stmt", "optimize by adam(lr=0.02, batch=20, epochs=40)")
        energies = lambda model, *more: [float(r["energy"]) for r in kit.table(self.nrg("energy", model, *data, *more, "--quiet").stdout)]
        three, thick = (energies(what, "--given", "y=1") for what in ("three", "thick"))  # -G(v)
        soft = lambda x: math.log1p(math.exp(-abs(x))) + max(x, 0)
        want = {"and": lambda a, b: soft(a) + soft(b), "not": lambda a, b: soft(a) + soft(-b), "or": lambda a, b: -math.log(math.exp(-soft(a)) + math.exp(-soft(b)))}
        for name, formula in want.items():
            shutil.copy(here / f"{name}.nrg", self.folder)
            for got, F, a, b in zip(energies(f"{name}.nrg"), energies("digits"), three, thick):
                self.assertAlmostEqual(got, F + 4 * formula(a, b), delta=2e-4 * (1 + abs(got)))
        mean = {}
        for name in ("and", "not"):
            draws = kit.table(self.nrg("sample", f"{name}.nrg", "-n", 40, "--chains", 40, "--warmup", 400, "--quiet").stdout)
            mean[name] = sum(int(r[f"v[{i}]"]) for r in draws for i in range(64)) / 40
        self.assertGreater(mean["and"], mean["not"] + 4)  # errors of the means are near 0.6 each: chance is below 1e-5


class Concepts(kit.Case):
    """Two concepts of examples/compose, trained in a fraction of the time."""

    def draws(self, model):
        rows = kit.table(self.nrg("sample", model, "-n", 320, "--warmup", 300, "--tempering", 4, "--seed", 3, "--quiet").stdout)
        return [(float(r["x[0]"]), float(r["x[1]"])) for r in rows]

    @unittest.skipIf(kit.SLOW, "training two networks under sanitizers")
    def test_concepts(self):
        for name in ("ring", "band"):
            self.nrg("sample", HERE / f"{name}_true.nrg", "-n", 3000, "--seed", 1, "--quiet", "-o", f"{name}.npz")
            self.nrg("train", HERE / "concept.nrg", "--data", f"{name}.npz", "--seed", 2, "--quiet", "-o", name)
        ring = lambda p: abs(math.hypot(*p) - 2) < 0.6
        band = lambda p: abs(p[0] - p[1]) < 1
        share = lambda ds, f: sum(map(f, ds)) / len(ds)
        for text in ("and", "or", "not"):
            shutil.copy(HERE / f"{text}.nrg", self.folder)
        alone = self.draws("ring")
        self.assertGreater(share(alone, ring), 0.9)
        self.assertLess(share(alone, band), 0.4)  # so that the next lines say something
        both = self.draws("and.nrg")
        self.assertGreater(share(both, lambda p: ring(p) and band(p)), 0.9)
        self.assertGreater(share(both, lambda p: p[0] > 0), 0.2)  # both crossings
        self.assertLess(share(both, lambda p: p[0] > 0), 0.8)
        either = self.draws("or.nrg")
        self.assertGreater(share(either, lambda p: ring(p) or band(p)), 0.9)
        self.assertGreater(share(either, lambda p: ring(p) and not band(p)), 0.15)
        self.assertGreater(share(either, lambda p: band(p) and not ring(p)), 0.15)
        self.assertGreater(share(self.draws("not.nrg"), lambda p: ring(p) and not band(p)), 0.85)


kit.main()
