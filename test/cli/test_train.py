#!/usr/bin/env python3
"""nrg train, eval, test: the run folder, what may be replaced, what progress looks like."""
import json

import kit


class Train(kit.Case):
    def test_a_run(self):
        self.write("m.nrg", kit.CLASSIFIER)
        got = self.nrg("train", "m.nrg", "--data", self.moons(), "--valid", "20%", "--seed", 1)
        self.assertEqual(got.stdout, "")
        for word in ("model", "plan", "data", "epoch", "loss", "pos", "free", "valid"):
            self.assertIn(word, got.stderr)
        self.assertEqual(got.stderr.count("epoch   "), 4)  # one line an epoch, not a terminal
        run = self.folder / "run"
        for name in ("weights.safetensors", "state.safetensors", "log.csv", "run.json", "model.nrg"):
            self.assertTrue((run / name).exists(), name)
        json.loads((run / "run.json").read_text())
        log = kit.table((run / "log.csv").read_text())
        self.assertLess(float(log[-1]["loss"]), float(log[0]["loss"]))
        self.assertIn("left", self.nrg("show", "run", "--resolved").stdout)

    def test_nothing_is_replaced_unasked(self):
        self.trained()
        before = (self.folder / "run/weights.safetensors").read_bytes()
        self.refused("train", "m.nrg", "--data", "moons.npz", code=2, says="E091")
        self.assertEqual(before, (self.folder / "run/weights.safetensors").read_bytes())
        self.nrg("train", "m.nrg", "--data", "moons.npz", "--seed", 2, "--overwrite", "--quiet")
        self.assertNotEqual(before, (self.folder / "run/weights.safetensors").read_bytes())
        self.refused("train", "m.nrg", "--data", "moons.npz", "--resume", "--overwrite", code=2, says="exclude")
        self.refused("train", "m.nrg", "--data", "moons.npz", "--resume", "-o", "other", code=2, says="nothing to resume")

    def test_same_bits_for_any_threads(self):
        for n in (1, 2, 5):
            self.write("m.nrg", kit.CLASSIFIER)
            self.nrg("train", "m.nrg", "--data", self.moons(), "--seed", 1, "--threads", n, "--quiet", "-o", f"r{n}")
        bits = {(self.folder / f"r{n}/weights.safetensors").read_bytes() for n in (1, 2, 5)}
        self.assertEqual(len(bits), 1)

    def test_eval_and_expect(self):
        self.trained()
        row = kit.table(self.nrg("eval", "run", "--data", "moons.npz").stdout)[0]
        self.assertLess(float(row["error(y)"]), 0.5)
        one = json.loads(self.nrg("eval", "run", "--data", "moons.npz", "--json").stdout)
        self.assertAlmostEqual(one["error(y)"], float(row["error(y)"]))
        self.assertTrue(self.nrg("test", "run", "--data", "moons.npz").stdout.startswith("ok "))
        self.write("strict.nrg", kit.CLASSIFIER.replace("error(y) < 0.5", "error(y) < 0"))
        got = self.nrg("test", "strict.nrg", "--data", "moons.npz", code=6)
        self.assertTrue(got.stdout.startswith("FAIL"))
        self.refused("eval", "run", code=2, says="data are needed")

    def test_start_from_old_weights(self):
        self.trained()
        self.nrg("train", "m.nrg", "--data", "moons.npz", "--init", "run/weights.safetensors", "-o", "next", "--quiet")
        self.write("other.nrg", kit.CLASSIFIER.replace("linear(8)", "linear(9)"))
        self.refused("train", "other.nrg", "--data", "moons.npz", "--init", "run/weights.safetensors", "-o", "third", code=4, says="E057")

    def test_statement_and_map(self):
        self.write("m.nrg", kit.CLASSIFIER.replace("data     x = y, y = label\n", ""))
        self.nrg("train", "m.nrg", "--data", self.moons(), "--map", "x=y", "--map", "y=label", "--quiet",
                 "--stmt", "learn hinge(margin=1)")
        self.assertIn("hinge", self.nrg("show", "run").stdout)
        self.assertEqual(len(kit.table(self.nrg("ask", "best", "y", "run", "--given", "x=0,0").stdout)), 1)


kit.main()
