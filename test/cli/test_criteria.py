"""Criteria that read slopes, curvature, neighbours and noise, against models whose answers are known."""
import csv
import itertools
import json
import math
import random
import struct

import kit

ISING = """dim      V = 4
predict  s : sign[V]
weight   J : real[V, V] init 0
weight   h : real[V] init 0
energy   E(s) = -dot(s, h) - sum(i in V, j in V where i < j: J[i, j] * s[i] * s[j])
learn    %s
optimize by lbfgs(epochs=400, tol=1e-12)
data     weight = p
"""
BITS = ISING.replace("sign[V]", "bit[V]")
GAUSS = """dim      D = 2
predict  x : real[D]
weight   m : real[D] init 0
weight   P : real[D, D] init normal(0.3)
energy   E(x) = 0.5 * dot(x - m, (P + P') @ (x - m))
learn    %s
optimize by %s
"""
NOISE = """predict  x : real
weight   m : real init 0
weight   a : real init 0
weight   c : real init 0
energy   E(x) = 0.5 * exp(a) * (x - m)^2 + c
learn    nce(k=10)
optimize by adam(lr=0.1 -> 0.0005, batch=500, epochs=100)
"""


class Criteria(kit.Case):
    def weights(self, run):
        raw = (self.folder / run / "weights.safetensors").read_bytes()
        n = struct.unpack("<Q", raw[:8])[0]
        head, out = json.loads(raw[8:8 + n]), {}
        for name, t in head.items():
            if name == "__metadata__":
                continue
            code, size = ("d", 8) if t["dtype"] == "F64" else ("f", 4)
            a, b = t["data_offsets"]
            out[name] = struct.unpack(f"<{(b - a) // size}{code}", raw[8 + n + a:8 + n + b])
        return out

    def learned(self, model, data, *more):
        self.write("m.nrg", model)
        self.nrg("train", "m.nrg", "--data", data, "-o", "run", "--overwrite", "--quiet", "--seed", 1, *more)
        return self.weights("run")

    # Every state with its exact probability: a consistent criterion finds the couplings themselves.
    def test_bits_and_signs(self):
        rng = random.Random(3)
        J = {(i, j): rng.gauss(0, 0.5) for i in range(4) for j in range(i + 1, 4)}
        h = [rng.gauss(0, 0.3) for _ in range(4)]
        for model, values in ((ISING, (-1, 1)), (BITS, (0, 1))):
            states = list(itertools.product(values, repeat=4))
            p = [math.exp(sum(h[i] * s[i] for i in range(4)) + sum(c * s[i] * s[j] for (i, j), c in J.items())) for s in states]
            with open(self.folder / "s.csv", "w", newline="") as f:
                out = csv.writer(f)
                out.writerow(["s0", "s1", "s2", "s3", "p"])
                out.writerows([*s, repr(q)] for s, q in zip(states, p))
            for criterion in ("pseudo_likelihood", "ratio_matching", "mpf", "nll"):
                text = (model % criterion).replace("weight = p", "weight = p, s = concat(s0, s1, s2, s3)")
                w = self.learned(text, "s.csv", "--f64")
                for (i, j), c in J.items():
                    self.assertLess(abs(w["J"][4 * i + j] - c), 1e-5, (criterion, values))
                for i in range(4):
                    self.assertLess(abs(w["h"][i] - h[i]), 1e-5, (criterion, values))

    def points(self, n):
        rng = random.Random(5)
        rows = []
        for _ in range(n):
            a, b = rng.gauss(0, 1), rng.gauss(0, 0.5)
            rows.append((1 + a + 0.5 * b, b - 0.7 * a - 2))
        self.write("x.csv", "a,b\n" + "".join(f"{a!r},{b!r}\n" for a, b in rows))
        mean = [sum(r[k] for r in rows) / n for k in (0, 1)]
        c = [[sum((r[i] - mean[i]) * (r[j] - mean[j]) for r in rows) / n for j in (0, 1)] for i in (0, 1)]
        det = c[0][0] * c[1][1] - c[0][1] ** 2
        return mean, [[c[1][1] / det, -c[0][1] / det], [-c[0][1] / det, c[0][0] / det]]

    def precision(self, w):
        return [[w["P"][2 * i + j] + w["P"][2 * j + i] for j in (0, 1)] for i in (0, 1)]

    # Score matching of a Gaussian is maximum likelihood (Hyvarinen 2005, section 3.1): mean and precision of the sample, exactly.
    def test_score_matching_of_a_gaussian(self):
        mean, prec = self.points(300)
        model = (GAUSS % ("score_matching", "lbfgs(epochs=400, tol=1e-13)")) + "data x = concat(a, b)\n"
        w = self.learned(model, "x.csv", "--f64")
        for i in (0, 1):
            self.assertLess(abs(w["m"][i] - mean[i]), 1e-7)
            for j in (0, 1):
                self.assertLess(abs(self.precision(w)[i][j] - prec[i][j]), 1e-6)

    # Along random directions the mean is the same; a tenth is more than 5 deviations of these settings. With noise of sd the precision is
    # that of the noisy sample.
    def test_sliced_and_denoising(self):
        _, prec = self.points(2000)
        by = "adam(lr=0.05 -> 0.0005, batch=200, epochs=150)"
        w = self.learned((GAUSS % ("sliced_score(directions=4)", by)) + "data x = concat(a, b)\n", "x.csv")
        for i in (0, 1):
            self.assertLess(abs(self.precision(w)[i][i] / prec[i][i] - 1), 0.1)
        w = self.learned((GAUSS % ("denoising(sd=0.5)", by)) + "data x = concat(a, b)\n", "x.csv")
        det = prec[0][0] * prec[1][1] - prec[0][1] ** 2
        c = [prec[1][1] / det + 0.25, -prec[0][1] / det, prec[0][0] / det + 0.25]
        noisy = [c[2] / (c[0] * c[2] - c[1] ** 2), c[0] / (c[0] * c[2] - c[1] ** 2)]
        for i in (0, 1):
            self.assertLess(abs(self.precision(w)[i][i] / noisy[i] - 1), 0.1)

    # The free constant becomes log Z: 0.5 log(2 pi) + log(0.5), to 0.05.
    def test_noise_contrastive_estimation_finds_log_z(self):
        rng = random.Random(7)
        self.write("x.csv", "x\n" + "".join(f"{rng.gauss(2, 0.5)!r}\n" for _ in range(4000)))
        w = self.learned(NOISE, "x.csv")
        self.assertLess(abs(w["m"][0] - 2), 0.05)
        self.assertLess(abs(math.exp(-w["a"][0] / 2) - 0.5), 0.025)
        self.assertLess(abs(w["c"][0] - (0.5 * math.log(2 * math.pi) - w["a"][0] / 2)), 0.05)

    # Copies with noise: mean and precision of the sample come back, whatever constant the energy has (a tenth of the precision and of a
    # deviation are more than 5 standard errors of these settings); between walls too, where copies are reflected: a slope of 2.
    def test_conditional_noise_contrast(self):
        mean, prec = self.points(2000)
        by = "adam(lr=0.05 -> 0.0002, batch=500, epochs=300)"
        for constant in ("", " + 1000"):
            model = (GAUSS % ("conditional_nce(sd=1)", by)).replace("(x - m))", "(x - m))" + constant)
            w = self.learned(model + "data x = concat(a, b)\n", "x.csv")
            for i in (0, 1):
                self.assertLess(abs(w["m"][i] - mean[i]), 0.1)
                self.assertLess(abs(self.precision(w)[i][i] / prec[i][i] - 1), 0.1)
        rng = random.Random(2)
        rows = [-math.log(1 - rng.random() * (1 - math.exp(-2))) / 2 for _ in range(4000)]  # exp(-2 x) on 0..1
        self.write("e.csv", "x\n" + "".join(f"{x}\n" for x in rows))
        w = self.learned("predict  x : real in 0..1\nweight   a : real init 0\nenergy   E(x) = a * x\n"
                         "learn    conditional_nce(sd=0.5)\noptimize by adam(lr=0.05 -> 0.0002, batch=500, epochs=100)\n", "e.csv")
        self.assertLess(abs(w["a"][0] - 2), 0.35)

    # Weights that stand still show what a queue holds: nothing before the first step; all six rows after it, so that the loss is that against
    # the other rows of the batch; of three rows the last three of some order.
    def test_a_queue_of_earlier_rows(self):
        rng = random.Random(11)
        rows = [(rng.gauss(0, 1), rng.gauss(0, 1)) for _ in range(6)]
        self.write("xy.csv", "x,y\n" + "".join(f"{x!r},{y!r}\n" for x, y in rows))
        model = """given    x : real
predict  y : real
weight   w : real init 1.3
energy   E(x, y) = sq(y - w * x)
minimize y by lbfgs
learn    nll against %s
optimize by sgd(lr=1e-30, batch=6, epochs=3)
"""
        def losses(against):
            self.write("q.nrg", model % against)
            self.nrg("train", "q.nrg", "--data", "xy.csv", "-o", "q", "--overwrite", "--quiet", "--seed", 4, "--f64")
            return [float(r["loss"]) for r in kit.table((self.folder / "q" / "log.csv").read_text())]
        F = lambda i, j: (rows[j][1] - 1.3 * rows[i][0]) ** 2
        def loss(held):
            return sum(F(i, i) + math.log(math.exp(-F(i, i)) + sum(math.exp(-F(i, j)) for j in held if j != i)) for i in range(6)) / 6
        batch, six, three = losses("batch"), losses("queue(6)"), losses("queue(3)")
        self.assertAlmostEqual(six[0], 0, delta=1e-7)
        for got, want in ((batch[0], loss(range(6))), (six[1], loss(range(6))), (six[2], loss(range(6)))):
            self.assertAlmostEqual(got, want, delta=1e-7)
        for got in three[1:]:
            self.assertLess(min(abs(got - loss(s)) for s in itertools.combinations(range(6), 3)), 1e-7)
        for bad, says in (("queue", "does not say how many"), ("queue(0)", "queue(0)")):
            self.write("bad.nrg", model % bad)
            self.refused("train", "bad.nrg", "--data", "xy.csv", "-o", "bad", code=3, says=says)

    # The weights of a used model, biases left out, where they are trained; held ones have no l2.
    def test_l2_of_a_used_model(self):
        self.write("x.csv", "x\n0.5\n-1\n2\n")
        self.write("base.nrg", "predict  x : real\nmodule   G = linear(3) | tanh | linear(1)\nenergy   E(x) = sq(x - G(x))\n"
                               "learn    energy\noptimize by sgd(lr=1e-30, batch=3, epochs=1)\n")
        self.nrg("train", "base.nrg", "--data", "x.csv", "-o", "base", "--quiet")
        w, losses = self.weights("base"), []
        up = """use      "base" as young
predict  x : real
weight   a : real init 0
energy   E(x) = young.E(x) + a * x
learn    energy%s
optimize young by sgd(lr=1e-30, batch=3, epochs=1)
optimize by sgd(lr=1e-30, batch=3, epochs=1)
"""
        for more in ("", " + 0.5 * l2(young)"):
            self.write("up.nrg", up % more)
            self.nrg("train", "up.nrg", "--data", "x.csv", "-o", "up", "--overwrite", "--quiet")
            losses.append(float(kit.table((self.folder / "up" / "log.csv").read_text())[0]["loss"]))
        squares = sum(v * v for name, values in w.items() if name.endswith("weight") for v in values)
        self.assertAlmostEqual(losses[1] - losses[0], 0.5 * squares, delta=1e-5)
        self.write("up.nrg", (up % " + l2(young)").replace("optimize young by sgd(lr=1e-30, batch=3, epochs=1)\n", ""))
        self.refused("train", "up.nrg", "--data", "x.csv", "-o", "held", code=3, says="young has no weights that are trained")

    def test_reasons_why_not(self):
        self.points(20)
        data = "data x = concat(a, b)\n"
        def tried(text, code, says):
            self.write("bad.nrg", text)
            self.refused("train", "bad.nrg", "--data", "x.csv", "-o", "bad", code=code, says=says)
        tried(GAUSS % ("mpf", "sgd") + data, 3, "needs bits or signs, but 'x' is not")
        tried(GAUSS % ("sliced_score(directions=0)", "sgd") + data, 3, "a whole number from 1")
        tried(GAUSS % ("denoising(sigma=1)", "sgd") + data, 3, "unknown argument 'sigma' of denoising")
        tried(GAUSS % ("denoising(sd=0)", "sgd") + data, 3, "sd is 0: a standard deviation above 0")
        tried("hyper q = 0.5 -> -0.1\n" + GAUSS % ("denoising(sd=q)", "sgd") + data, 3, "sd is -0.1: a standard deviation above 0")
        tried(GAUSS % ("denoising(q)", "sgd") + data, 3, "unknown name 'q'")


if __name__ == "__main__":
    kit.main()
