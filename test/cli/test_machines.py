"""The classical machines of examples/machines on small data: what the text books promise of each."""
import csv
import io
import json
import math
import random
import struct
import unittest

import kit

HERE = kit.ROOT / "examples" / "machines"


def arrays(path):
    """The arrays of a safetensors file, as bytes and as numbers."""
    data = path.read_bytes()
    n = struct.unpack("<Q", data[:8])[0]
    found = {}
    for name, t in json.loads(data[8:8 + n]).items():
        if name == "__metadata__":
            continue
        a, b = t["data_offsets"]
        raw = data[8 + n + a:8 + n + b]
        found[name] = (raw, struct.unpack(f"<{len(raw) // (8 if t['dtype'] == 'F64' else 4)}{'d' if t['dtype'] == 'F64' else 'f'}", raw))
    return found


class Machines(kit.Case):
    def data(self, name, X, y):
        lines = [" ".join([f"{t:g}"] + [f"{k + 1}:{v!r}" for k, v in enumerate(x)]) for x, t in zip(X, y)]
        return self.write(name, "\n".join(lines) + "\n")

    def train(self, model, data, *flags, run="run"):
        self.nrg("train", HERE / f"{model}.nrg", "--data", data, "--seed", 1, "--quiet", "-o", run, "--overwrite", *flags)
        return arrays(self.folder / run / "weights.safetensors")

    def loss(self, run="run"):
        rows = list(csv.DictReader(io.StringIO((self.folder / run / "log.csv").read_text())))
        return float(rows[-1]["loss"])

    def metric(self, data, run="run"):
        return float(self.nrg("eval", run, "--data", data, "--quiet").stdout.split()[-1])

    def answers(self, data, var="y", run="run"):
        text = self.nrg("ask", "best", var, run, "--data", data, "--quiet").stdout
        return [float(r["answer"]) for r in csv.DictReader(io.StringIO(text))]

    def separable(self, n=60):
        """Two clouds at least 0.5 apart along a line."""
        rng, X, y = random.Random(3), [], []
        while len(y) < n:
            x = [rng.randint(-256, 256) / 256 for _ in range(2)]  # exact in single precision
            f = 0.8 * x[0] - 0.6 * x[1]
            if abs(f) > 0.25:
                X.append(x)
                y.append(math.copysign(1, f))
        return X, y

    PERCEPTRON = ("--stmt", "learn perceptron", "--stmt", "optimize by sgd(lr=1, batch=1, epochs={})")

    def perceptron(self, data, epochs, *more, run="run"):
        return self.train("linear", data, *[f.format(epochs) for f in self.PERCEPTRON], *more, "--last", run=run)

    def test_perceptron_converges_and_stays(self):
        a = self.data("a.libsvm", *self.separable())
        some, more = self.perceptron(a, 20), self.perceptron(a, 40)
        self.assertEqual(self.metric(a), 0)
        self.assertEqual({k: v[0] for k, v in some.items()}, {k: v[0] for k, v in more.items()})

    def test_perceptron_moves_only_when_wrong(self):
        a = self.data("a.libsvm", *self.separable())
        before = self.perceptron(a, 20, run="first")
        x = [0.8, -0.6]
        right, wrong = self.data("right.libsvm", [x], [1]), self.data("wrong.libsvm", [x], [-1])
        init = ("--init", "first/weights.safetensors")
        same = self.perceptron(right, 1, *init)
        self.assertEqual({k: v[0] for k, v in before.items()}, {k: v[0] for k, v in same.items()})
        moved = self.perceptron(wrong, 1, *init)
        for k in range(2):
            self.assertAlmostEqual(moved["W"][1][k], before["W"][1][k] - x[k], places=5)
        self.assertAlmostEqual(moved["b"][1][0], before["b"][1][0] - 1, places=5)

    def test_linear_svm_has_no_duality_gap(self):
        """In one dimension: x = -2, -1, 1, 2 by sign, C = 1. The optimum is W = 1, b = 0 with objective 1/2."""
        a = self.data("a.libsvm", [[-2.0], [-1.0], [1.0], [2.0]], [-1, -1, 1, 1])
        w = self.train("linear", a, "--f64")
        self.assertAlmostEqual(self.loss(), 0.5, places=6)
        self.assertAlmostEqual(w["W"][1][0], 1, places=5)
        self.assertAlmostEqual(w["b"][1][0], 0, places=5)

    def test_hinge_reaches_a_bound_from_the_dual(self):
        """Any dual point bounds the primal objective from below: coordinate ascent in the test, the gap below 1e-4."""
        rng = random.Random(5)
        X = [[rng.gauss(0, 1) for _ in range(5)] for _ in range(80)]
        y = [math.copysign(1, x[0] + 0.5 * x[1] + rng.gauss(0, 0.7)) for x in X]
        self.train("linear", self.data("a.libsvm", X, y), "--f64")
        Z = [x + [1.0] for x in X]
        w, alpha = [0.0] * 6, [0.0] * 80
        for _ in range(3000):
            for i, z in enumerate(Z):
                g = y[i] * sum(a * b for a, b in zip(w, z)) - 1
                new = min(1, max(0, alpha[i] - g / sum(v * v for v in z)))
                w = [a + (new - alpha[i]) * y[i] * b for a, b in zip(w, z)]
                alpha[i] = new
        dual = sum(alpha) - 0.5 * sum(v * v for v in w)
        self.assertGreaterEqual(self.loss(), dual - 1e-6)
        self.assertLess(self.loss(), dual * (1 + 1e-4))

    def test_four_settings(self):
        """Logistic: slope zero at the optimum. Least squares: residuals at right angles to the inputs."""
        X, y = self.separable()
        y = [-t if i % 9 == 0 else t for i, t in enumerate(y)]
        a = self.data("a.libsvm", X, y)
        w = self.train("linear", a, "--f64", "--stmt", "learn C * N * nll + 0.5 * (l2(W) + b^2)")
        full = list(w["W"][1]) + [w["b"][1][0]]
        g = list(full)
        for x, t in zip(X, y):
            f = sum(p * q for p, q in zip(full, x + [1]))
            g = [p - t * q / (1 + math.exp(t * f)) for p, q in zip(g, x + [1])]
        self.assertLess(max(map(abs, g)), 1e-5)
        w = self.train("linear", a, "--f64", "--stmt", "energy E(x, y) = 0.5 * (y - dot(W, x) - b)^2", "--stmt", "learn energy", "--stmt", "optimize by exact")
        r = [t - w["b"][1][0] - sum(p * q for p, q in zip(w["W"][1], x)) for x, t in zip(X, y)]
        for k in range(3):
            self.assertLess(abs(sum(e * (x + [1])[k] for e, x in zip(r, X))), 1e-9)

    def test_kernel_machine_answers_alone(self):
        X, y = self.separable(40)
        y = [math.copysign(1, (x[0] ** 2 + x[1] ** 2) - 0.5) for x in X]  # a ring: no line separates it
        a = self.data("a.libsvm", X, y)
        w = self.train("kernel", a, "--f64", "--set", "gamma=2", "--set", "C=10", "--stmt", "optimize by lbfgs(epochs=800, history=40)")
        self.assertLessEqual(self.metric(a), 0.05)
        centre = next(v[1] for k, v in w.items() if k.endswith(".centre"))
        for p, q in zip(centre, [v for x in X for v in x]):
            self.assertAlmostEqual(p, q, places=6)
        # The loss is what LIBSVM calls the primal objective of these coefficients.
        c = next(v[1] for k, v in w.items() if k.endswith(".weight"))
        bias = next(v[1] for k, v in w.items() if k.endswith(".bias"))[0]
        K = [[math.exp(-2 * sum((p - q) ** 2 for p, q in zip(u, v))) for v in X] for u in X]
        Kc = [sum(p * q for p, q in zip(row, c)) for row in K]
        want = 0.5 * sum(p * q for p, q in zip(c, Kc)) + 10 * sum(max(0, 1 - t * (f + bias)) for t, f in zip(y, Kc))
        self.assertAlmostEqual(self.loss() / want, 1, places=6)
        few = self.data("few.libsvm", X[:3], y[:3])
        want = [math.copysign(1, f + bias) for f in Kc[:3]]
        self.assertEqual(self.answers(few), want)

    def test_templates_pass_through_any_labels(self):
        rng = random.Random(2)
        a = self.data("a.libsvm", [[rng.random(), rng.random()] for _ in range(50)], [rng.choice([-1.0, 1.0]) for _ in range(50)])
        self.train("templates", a, "--f64", "--set", "gamma=1000")
        self.assertLess(self.metric(a), 1e-8)

    def test_validation_rows_are_no_centres(self):
        a = self.data("a.libsvm", *self.separable(40))
        w = self.train("kernel", a, "--valid", "25%", "--stmt", "optimize by lbfgs(epochs=5)")
        self.assertEqual(len(next(v[1] for k, v in w.items() if k.endswith(".centre"))), 2 * 30)
        self.metric(a)

    def test_two_layers_solve_xor(self):
        a = self.data("xor.libsvm", [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 4, [-1, 1, 1, -1] * 4)
        self.train("xor", a)
        self.assertEqual(self.metric(a), 0)
        self.train("xor", a, "--stmt", "module G = linear(1)")
        self.assertGreaterEqual(self.metric(a), 0.25)

    def test_recurrent_net_learns_parity(self):
        words = [[float(w >> t & 1) for t in range(4)] for w in range(16)]
        a = self.data("parity.libsvm", words, [1 if sum(w) % 2 else -1 for w in words])
        for layer in "rnn", "gru", "lstm":
            self.train("recurrent", a, "--stmt", f"module f = {layer}(8)")
            self.assertEqual(self.metric(a), 0, layer)

    def test_rkhs_says_what_it_takes(self):
        a = self.data("a.libsvm", *self.separable(10))
        self.refused("train", HERE / "kernel.nrg", "--data", a, "--stmt", "module k = linear(1)", "-o", "no", code=3, says="rkhs takes a module")
        self.refused("ask", "best", "y", HERE / "kernel.nrg", "--data", a, code=4, says="there are none yet")


if __name__ == "__main__":
    unittest.main()
