"""What the tests of the command share: running it, a folder of its own, expectations that say what was found."""
import csv
import io
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

NRG = os.environ["NRG"]
ROOT = pathlib.Path(os.environ["NRG_ROOT"])
SLOW = bool(os.environ.get("NRG_SANITIZE"))
GNUPLOT = shutil.which("gnuplot") is not None

CLASSIFIER = """dim      D = 2, Class = {left, right}
given    x : real[D]
predict  y : Class
module   G = linear(8) | tanh | linear(Class)
energy   E(x, y) = G(x)[y]
minimize    y by exhaustive
marginalize y by exhaustive
learn    nll
optimize by adam(lr=0.02, batch=50, epochs=4)
data     x = y, y = label
report   error(y), nll(y)
expect   error(y) < 0.5
"""


class Case(unittest.TestCase):
    """One temporary folder, in which every command runs."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nrg-test-"))

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return name

    def nrg(self, *args, code=0, stdin=None, timeout=300):
        got = subprocess.run([NRG, *map(str, args)], cwd=self.folder, input=stdin, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, timeout=timeout)
        self.assertEqual(got.returncode, code, f"nrg {' '.join(map(str, args))}\n{got.stdout}\n{got.stderr}")
        return got

    def refused(self, *args, code, says, **more):
        """It fails with this exit code, says why in one message, and prints no result."""
        got = self.nrg(*args, code=code, **more)
        self.assertIn(says, got.stderr)
        self.assertEqual(got.stdout, "")
        return got

    def moons(self, n=200):
        if not (self.folder / "moons.npz").exists():
            self.nrg("data", "make", "moons", "-n", n, "-o", "moons.npz", "--seed", 1)
        return "moons.npz"

    def trained(self, *more, model=CLASSIFIER):
        self.write("m.nrg", model)
        self.nrg("train", "m.nrg", "--data", self.moons(), "--seed", 1, "--quiet", *more)
        return "run"


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def main():
    unittest.main(verbosity=1)
