#!/usr/bin/env python3
"""nrg bench: times by lines of the model add up and the operations are right; the models of bench/rivals are models."""
import array
import math
import os
import pathlib
import random
import re
import struct
import sys

import kit


class Bench(kit.Case):
    def table(self, *args):
        lines = self.nrg("bench", *args, "--time", "0.2s").stdout.splitlines()
        return lines[0], [(float(x[1]), float(x[2]), x[3]) for x in (re.match(r" *(-?[0-9.]+) +(-?[0-9.]+) %  (.*)", line) for line in lines[3:])]

    def test_training_step(self):
        self.write("m.nrg", kit.CLASSIFIER)
        self.nrg("data", "make", "moons", "-n", 500, "--seed", 1, "-o", "moons.npz")
        head, rows = self.table("m.nrg", "--data", "moons.npz")
        self.assertRegex(head, r"^training step: [0-9.]+ us")
        self.assertLess(abs(sum(share for _, share, _ in rows) - 100), 0.1 * len(rows))
        self.assertTrue(any("matmul" in rest and "module" in rest for _, _, rest in rows), rows)
        self.assertIn("outside of steps", rows[-1][2])

    # Least squares: 2 n m flops for the product, one more for each square; the rest is small.
    def test_operations(self):
        self.write("e.nrg", "given x : real[100]\nweight W : real[50, 100] init normal(0.1)\npredict y : real[50]\nenergy E(x, y) = sq(y - W @ x)\n")
        cells = [f"x{i}" for i in range(100)] + [f"y{i}" for i in range(50)]
        self.write("d.csv", ",".join(cells) + "\n" + "\n".join(",".join(str(i % 7) for i in range(150)) for _ in range(64)) + "\n")
        data = "data x = concat(" + ", ".join(cells[:100]) + "), y = concat(" + ", ".join(cells[100:]) + ")"
        head, _ = self.table("e.nrg", "--data", "d.csv", "--stmt", data)
        self.assertRegex(head, r"^energies of the data")
        flops = float(re.search(r"([0-9.e+-]+) GFLOP;", head).group(1)) * 1e9
        self.assertLess(abs(flops / (64 * 2 * 100 * 50) - 1), 0.1)

    def test_what_is_missing(self):
        self.write("m.nrg", kit.CLASSIFIER)
        self.refused("bench", "m.nrg", code=2, says="data")
        self.refused("bench", code=2, says="one model is needed")

    def rows(self):
        sys.path.insert(0, str(pathlib.Path(kit.ROOT) / "bench/rivals"))
        sys.dont_write_bytecode = True
        import table
        return table.rows().values()

    def test_models_of_the_comparison(self):
        for row in self.rows():
            self.write("row.nrg", row.model)
            self.nrg("check", "row.nrg")

    def normal(self, spec, n):
        name, dims = spec.removeprefix("normal=").split(":")
        shape = (n, *map(int, dims.split("x")[1:]))
        draw = random.Random(name)
        head = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).ljust(117) + "\n"
        cells = (draw.gauss(0, 1) for _ in range(math.prod(shape)))
        (self.folder / f"{name}.npy").write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() + array.array("f", cells).tobytes())
        return f"{name}={name}.npy"

    # 300 rows, or draws of 40 chains, by one thread, two and eight.
    def test_rows_have_the_same_bits_for_any_threads(self):
        slow = ("conv", "mnist", "rbm", "pca", "mlp") if os.environ.get("NRG_SANITIZE") else ()
        self.nrg("data", "make", "digits", "-n", 300, "--seed", 1, "-o", "digits.npz")
        mnist = {"images": "digits.npz:images", "test": "digits.npz:images", "labels": "digits.npz:labels"}
        for row in self.rows():
            if row.job not in ("train", "sample") or any(word in row.name for word in slow):
                continue
            self.write("row.nrg", row.model)
            data = [self.normal(w, 64 if "conv" in row.name else 300) if w.startswith("normal=") else w.removeprefix("data=").format(**mnist)
                    for w in row.words if w.startswith(("normal=", "data="))]
            given = [a for w in data for a in ("--data", w)]
            found = set()
            for threads in (1, 2, 8):
                if row.job == "train":
                    self.nrg("train", "row.nrg", *given, "--seed", 3, "--threads", threads, "-o", "run", "--overwrite", "--quiet")
                    found.add((self.folder / "run/weights.safetensors").read_bytes())
                else:
                    self.nrg("sample", "row.nrg", "-n", 40, "--chains", 40, "--seed", 3, "--threads", threads, "-o", "x.npz", "--overwrite", "--quiet")
                    found.add((self.folder / "x.npz").read_bytes())
            self.assertEqual(len(found), 1, row.name)


if __name__ == "__main__":
    kit.main()
