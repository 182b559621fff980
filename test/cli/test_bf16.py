#!/usr/bin/env python3
"""--bf16 and --bf16x3: who may use them, where they are written down, and that the answers agree with float32 as far as promised."""
import json
import math
import random

import kit

RBM = """dim      V = 12, H = 4
predict  v : bit[V]
latent   h : bit[H]
weight   W : real[V, H] init normal(0.1)
weight   b : real[V]
weight   c : real[H]
energy   E(v, h) = -dot(v, b) - dot(h, c) - dot(v, W @ h)
marginalize h by factors
marginalize v by exhaustive
learn    nll
optimize by adam(lr=0.02, batch=50, epochs=20)
data     v = v
report   nll(v)
"""


class Flags(kit.Case):
    def here(self):
        """Are there matrix units?"""
        self.write("m.nrg", kit.CLASSIFIER)
        return kit.subprocess.run([kit.NRG, "check", "m.nrg", "--bf16"], cwd=self.folder, stdout=kit.subprocess.PIPE,
                                  stderr=kit.subprocess.PIPE).returncode == 0

    def test_refused_without_matrix_units(self):
        if self.here():
            self.skipTest("this processor has matrix units")
        self.refused("train", "m.nrg", "--data", self.moons(), "--bf16x3", code=2, says="[E094]")
        got = self.refused("check", "m.nrg", "--bf16", code=2, says="matrix units")
        self.assertIn("--bf16=emulate", got.stderr)

    def test_wrong_use(self):
        self.write("m.nrg", kit.CLASSIFIER)
        self.refused("check", "m.nrg", "--bf16=emulate", "--f64", code=2, says="[E094]")
        self.refused("check", "m.nrg", "--bf16=emulate", "--bf16x3=emulate", code=2, says="exclude each other")
        self.refused("check", "m.nrg", "--bf16=often", code=2, says="--bf16=draws,emulate")
        self.refused("check", "m.nrg", "--bf16=emulate", "--bf16", code=2, says="twice")
        self.refused("check", "m.nrg", "--bf16=draws,emulate", code=2, says="is for trainings")
        self.trained("--f64")
        self.refused("eval", "run", "--data", "moons.npz", "--bf16=emulate", code=2, says="double precision")

    def test_draws_alone(self):
        """Chains by bfloat16 products, weights by float32 ones: unlike both, near both; without chains as float32."""
        self.write("m.nrg", RBM.replace("marginalize v by exhaustive", "sample v, h by gibbs(steps=1) from data").replace("V = 12", "V = 30")
                   .replace("report   nll(v)\n", ""))
        rng = random.Random(1)
        self.write("v.csv", "\n".join([",".join(f"v{i}" for i in range(30))] + [",".join(str(rng.getrandbits(1)) for _ in range(30)) for _ in range(100)]))
        data = "data v = concat(" + ", ".join(f"v{i}" for i in range(30)) + ")"
        weights = {}
        for how in ((), ("--bf16=emulate",), ("--bf16=draws,emulate",)):
            got = self.nrg("train", "m.nrg", "--data", "v.csv", "--stmt", data, "--seed", 1, "-o", "run", "--overwrite", *how)
            raw = (self.folder / "run/weights.safetensors").read_bytes()
            weights[how] = raw[8 + int.from_bytes(raw[:8], "little"):]
        self.assertIn("products f32, bf16 in draws", got.stderr)
        self.assertEqual(json.loads((self.folder / "run/run.json").read_text())["products"], "f32, bf16 in draws")
        self.assertEqual(len(set(weights.values())), 3)
        self.refused("train", "m.nrg", "--data", "v.csv", "--stmt", data, "--seed", 1, "-o", "run", "--resume", code=4,
                     says="its products are f32, bf16 in draws, not f32")

    def test_plan(self):
        self.write("m.nrg", kit.CLASSIFIER)
        self.assertIn("products bf16x3", self.nrg("check", "m.nrg", "--plan", "--bf16x3=emulate").stdout)
        self.assertTrue(self.nrg("check", "m.nrg", "--graph", "--bf16=emulate").stdout.startswith("graph bf16\n"))
        self.assertNotIn("bf16", self.nrg("check", "m.nrg", "--plan").stdout)

    def test_run_remembers(self):
        self.write("m.nrg", kit.CLASSIFIER.replace("epochs=4", "epochs=4000"))
        train = ("train", "m.nrg", "--data", self.moons(), "--seed", 1, "-o", "run")
        got = self.nrg(*train, "--time", "0.3s", "--bf16x3=emulate")
        self.assertIn("products bf16x3", got.stderr)
        self.assertEqual(json.loads((self.folder / "run/run.json").read_text())["products"], "bf16x3")
        for other in ((), ("--bf16=emulate",)):
            self.refused(*train, "--resume", *other, code=4, says="its products are bf16x3, not")
        self.nrg(*train, "--time", "0.1s", "--resume", "--bf16x3=emulate")
        full, x3 = (kit.table(self.nrg("energy", "run", "--data", "moons.npz", *w).stdout) for w in ((), ("--bf16x3=emulate",)))
        self.assertNotEqual(full, x3)
        for a, b in zip(full, x3):
            self.assertAlmostEqual(float(a["energy"]), float(b["energy"]), delta=1e-4 * (1 + abs(float(a["energy"]))))

    def test_threads(self):
        self.write("m.nrg", kit.CLASSIFIER)
        for n in (1, 3):
            self.nrg("train", "m.nrg", "--data", self.moons(), "--bf16=emulate", "--threads", n, "-o", f"t{n}", "--quiet")
        self.assertEqual(*((self.folder / f"t{n}/weights.safetensors").read_bytes() for n in (1, 3)))


class Answers(kit.Case):
    def losses(self, out):
        return [float(r["loss"]) for r in kit.table((self.folder / out / "log.csv").read_text())]

    def test_classifier(self):
        """Ten epochs on the moons, the same curve and the same answers."""
        self.write("m.nrg", kit.CLASSIFIER.replace("epochs=4", "epochs=10"))
        metrics = {}
        for name, flag in (("full", ()), ("x3", ("--bf16x3=emulate",)), ("bf16", ("--bf16=emulate",))):
            self.nrg("train", "m.nrg", "--data", self.moons(), "--seed", 1, "--quiet", "-o", name, *flag)
            metrics[name] = kit.table(self.nrg("eval", name, "--data", "moons.npz", *flag).stdout)[0]
        for name, most in (("x3", 1e-4), ("bf16", 2e-2)):
            for a, b in zip(self.losses("full"), self.losses(name)):
                self.assertLess(abs(a - b), most * a)
            self.assertLess(abs(float(metrics["full"]["nll(y)"]) - float(metrics[name]["nll(y)"])), most)
            self.assertLessEqual(abs(float(metrics["full"]["error(y)"]) - float(metrics[name]["error(y)"])), 0.005)
        self.assertNotEqual(self.losses("full"), self.losses("bf16"))

    def test_boltzmann_machine(self):
        """The exact likelihood of a machine learned from patterns: in bf16x3 the same within 1e-4 nats."""
        rows = [[(i * (k % 3 + 1) // 4 + k) % 2 for i in range(12)] for k in range(200)]
        head = "{'descr': '|u1', 'fortran_order': False, 'shape': (200, 12), }"
        (self.folder / "v.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00" + head.ljust(117).encode() + b"\n" + bytes(sum(rows, [])))
        self.write("m.nrg", RBM)
        found = {}
        for name, flag in (("full", ()), ("x3", ("--bf16x3=emulate",)), ("bf16", ("--bf16=emulate",))):
            self.nrg("train", "m.nrg", "--data", "v.npy", "--seed", 1, "--quiet", "-o", name, *flag)
            found[name] = float(kit.table(self.nrg("eval", name, "--data", "v.npy", *flag).stdout)[0]["nll(v)"])
        self.assertLess(found["full"], 0.8 * 12 * math.log(2))
        self.assertLess(abs(found["full"] - found["x3"]), 1e-4)
        self.assertLess(abs(found["full"] - found["bf16"]), 0.1) # of 5.65: updates that are not yet at rest part


kit.main()
