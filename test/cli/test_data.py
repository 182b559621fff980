#!/usr/bin/env python3
"""nrg data make and info; wrong data give exit code 4 and say where."""
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
