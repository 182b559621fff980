#!/usr/bin/env python3
"""Words, flags, help, explain, version: every mistake is one message with exit code 2."""
import kit


class Usage(kit.Case):
    def test_help(self):
        for args in ((), ("help",), ("--help",), ("-h",)):
            self.assertIn("nrg train", self.nrg(*args).stdout)
        for command in "check train ask energy eval show test plot data explain".split():
            self.assertTrue(self.nrg("help", command).stdout.startswith(f"nrg {command}"))
            self.assertEqual(self.nrg(command, "--help").stdout, self.nrg("help", command).stdout)
        self.refused("help", "nothing", code=2, says="no command 'nothing'")

    def test_help_lists_hypers_of_a_model(self):
        got = self.nrg("help", "train", kit.ROOT / "models/06_sparse_coding.nrg").stdout
        self.assertRegex(got, r"lambda +0\.5 +in 0\.\.")

    def test_version(self):
        self.assertRegex(self.nrg("version").stdout, r"^nrg \d+\.\d+\.\d+\n$")
        self.assertEqual(self.nrg("--version").stdout, self.nrg("version").stdout)

    def test_unknown_words(self):
        self.refused("chekc", code=2, says="did you mean 'check'?")
        got = self.refused("train", "m.nrg", "--dat", "x.npz", code=2, says="did you mean --data?")
        self.assertEqual(got.stderr.count("error"), 1)
        self.refused("train", "m.nrg", "--grey", code=2, says="unknown flag --grey")
        self.refused("ask", "bset", "y", "run", code=2, says="did you mean 'best'?")
        self.refused("ask", "best", "y", code=2, says="found 2 words")
        self.refused("train", "m.nrg", "--seed", code=2, says="--seed needs a value")
        self.refused("check", code=2, says="which model?")
        self.refused("plot", "lass", "run", code=2, says="did you mean 'loss'?")
        self.refused("data", "maek", code=2, says="did you mean 'make'?")

    def test_bad_values(self):
        self.write("m.nrg", kit.CLASSIFIER)
        self.refused("check", "m.nrg", "--threads", "many", code=2, says="whole number")
        self.refused("train", "m.nrg", "--time", "soon", code=2, says="duration")
        self.refused("check", "m.nrg", "--diagnostics", "xml", code=2, says="takes json")

    def test_flags_stand_anywhere(self):
        self.write("m.nrg", kit.CLASSIFIER)
        a = self.nrg("check", "m.nrg", "--shapes", "--set", "D=3").stdout
        self.assertEqual(a, self.nrg("check", "--set=D=3", "--shapes", "m.nrg").stdout)
        self.assertIn("= 3", a)

    def test_explain(self):
        self.assertIn("index of the wrong type", self.nrg("explain", "E036").stdout)
        every = self.nrg("explain", "--errors").stdout
        self.assertIn("E001:", every)
        self.assertIn("W101:", every)
        self.refused("explain", "E999", code=2, says="no code 'E999'")


class Plan(kit.Case):
    def test_energy_sampler_and_update(self):
        self.write("p.nrg", "predict x : real in -4..4\nmodule G = linear(8) | tanh | linear(1)\nenergy E(x) = G(x) + 0.2 * x^2\n"
                   "sample x by mala(steps=5) from buffer(100)\nlearn nll\noptimize by adam(batch=50, epochs=1)\ndata x = y\n")
        got = self.nrg("check", "p.nrg", "--plan").stdout
        self.assertTrue(got.startswith("the energy: plan: "))
        self.assertIn("a step of 64 chains: sample x by mala", got)
        self.assertNotIn("an update", got)
        self.nrg("data", "make", "branches", "-n", 100, "-o", "rows.npz")
        got = self.nrg("check", "p.nrg", "--plan", "--data", "rows.npz").stdout
        self.assertRegex(got, "an update of the weights: plan: [0-9]+ steps")
        self.assertIn("usual batch 50", got)
        self.assertIn("a step of its chains: sample x by mala", got)


kit.main()
