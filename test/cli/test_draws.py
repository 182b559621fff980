"""Contrastive learning by draws: what is learned, the same bits again, chains that are kept, and what is said when it goes wrong."""
import itertools
import json
import math
import os
import random
import signal
import statistics
import struct
import subprocess
import time

import kit

GAUSS = """predict  x : real
weight   m : real init 0
weight   a : real init 1
energy   E(x) = 0.5 * exp(a) * sq(x - m)
sample   x by hmc(steps=5, step=0.2, leapfrog=4) from buffer(200)
learn    nll
optimize by adam(lr=0.05 -> 0.001, batch=100, epochs=100)
"""
SPECTRAL = """predict  x : real
module   G = linear(6, spectral=1) | tanh | linear(1, spectral=1)
energy   E(x) = 2 * G(x) + 0.1 * sq(x)
sample   x by mala(steps=2) from buffer(200)
learn    nll
optimize by adam(lr=0.02, batch=100, epochs=100)
"""


class Draws(kit.Case):
    def setUp(self):
        super().setUp()
        rng = random.Random(1)
        self.xs = [rng.gauss(2, 0.5) for _ in range(1000)]
        self.write("x.csv", "x\n" + "".join(f"{x}\n" for x in self.xs))

    def learned(self, run):
        rows = kit.table(self.nrg("sample", run, "-n", 4000, "--stmt", "sample x by hmc", "--seed", 9).stdout)
        return [float(r["x"]) for r in rows]

    # Four ways to draw, one likelihood: mean and deviation of the data come back (0.05 is more than 5 standard errors of either).
    def test_maximum_likelihood(self):
        for start in ("buffer(200)", "buffer(200, restart=5%)", "data"):
            model = GAUSS.replace("buffer(200)", start)
            self.write("g.nrg", model)
            self.nrg("train", "g.nrg", "--data", "x.csv", "-o", "run", "--overwrite", "--quiet", "--seed", 3)
            xs = self.learned("run")
            self.assertLess(abs(statistics.mean(xs) - statistics.mean(self.xs)), 0.05, start)
            self.assertLess(abs(statistics.pstdev(xs) - statistics.pstdev(self.xs)), 0.05, start)

    def test_the_plan_says_how(self):
        for start, words in (("buffer(200, restart=5%)", "200 persistent chains, 5 steps an update, 5% restarted"),
                             ("data", "contrastive divergence, 5 steps from the data"), ("noise", "short runs of 5 steps")):
            self.write("g.nrg", GAUSS.replace("buffer(200)", start).replace("epochs=100", "epochs=1"))
            self.assertIn(words, self.nrg("train", "g.nrg", "--data", "x.csv", "-o", "run", "--overwrite").stderr)

    def weights(self, run):
        with open(self.folder / run / "weights.safetensors", "rb") as f:
            return f.read()

    def weight(self, run, name):
        raw = self.weights(run)
        n = struct.unpack("<Q", raw[:8])[0]
        at = json.loads(raw[8:8 + n])[name]["data_offsets"]
        return struct.unpack(f"<{(at[1] - at[0]) // 4}f", raw[8 + n + at[0]:8 + n + at[1]])

    # Two wells that no chain leaves, one of them with a fifth of the rows: the exact weight is log 4. Persistent chains keep the shares
    # that they started with, so the weight runs on; on ladders they change sides.
    def test_chains_on_ladders_find_the_shares_of_modes(self):
        rng = random.Random(3)
        self.write("far.csv", "x\n" + "".join(f"{rng.gauss(-4 if i < 200 else 4, 0.5)}\n" for i in range(1000)))
        model = """predict  x : real
weight   a : real init 0
energy   E(x) = softmin(2 * sq(x + 4) + a, 2 * sq(x - 4))
sample   x by METHOD from buffer(500MORE)
learn    nll
optimize by adam(lr=0.1 -> 0.0005, batch=500, epochs=100)
"""
        for method in ("hmc(steps=10, leapfrog=4)", "mala(steps=20)"):
            self.write("two.nrg", model.replace("METHOD", method).replace("MORE", ", tempering=6, hottest=0.04"))
            said = self.nrg("train", "two.nrg", "--data", "far.csv", "--seed", 1, "-o", "two", "--overwrite").stderr
            self.assertIn("each on a ladder of 6 heats down to 0.04", said)
            self.assertLess(abs(self.weight("two", "a")[0] - math.log(4)), 0.1, method)
            log = kit.table((self.folder / "two" / "log.csv").read_text())
            self.assertTrue(0.4 < float(log[-1]["swapped"]) < 0.95)
            self.assertLess(float(log[-1]["rhat"]), 1.2)
        self.write("one.nrg", model.replace("METHOD", "hmc(steps=10, leapfrog=4)").replace("MORE", ""))
        self.nrg("train", "one.nrg", "--data", "far.csv", "--seed", 1, "-o", "one", "--quiet")
        self.assertGreater(abs(self.weight("one", "a")[0] - math.log(4)), 2)
        self.assertGreater(float(kit.table((self.folder / "one" / "log.csv").read_text())[-1]["rhat"]), 1.4)
        for bad, says in ((", tempering=0", "tempering of the buffer is 0"), (", tempering=3, hottest=2", "hottest of the buffer is 2")):
            self.write("bad.nrg", model.replace("METHOD", "mala").replace("MORE", bad))
            self.refused("train", "bad.nrg", "--data", "far.csv", "-o", "bad", code=3, says=says)

    # Step sizes that are not written are learned over the updates: a density 100 times narrower or wider than the first step is followed,
    # and acceptance comes to its target (0.574, 0.8) within 0.1.
    def test_step_sizes_are_learned_over_updates(self):
        for scale in (0.01, 100):
            self.write("s.csv", "x\n" + "".join(f"{scale * x}\n" for x in self.xs))
            for method, target in (("mala(steps=5)", 0.574), ("hmc(steps=2, leapfrog=4)", 0.8), ("metropolis(steps=20)", 0.3)):
                self.write("s.nrg", f"""predict  x : real
weight   m : real init {2 * scale}
weight   a : real init {math.log(4 / scale ** 2)}
energy   E(x) = 0.5 * exp(a) * sq(x - m)
sample   x by {method} from buffer(200, sd={0.5 * scale})
learn    nll
optimize by sgd(lr=1e-9, batch=100, epochs=20)
""")
                self.nrg("train", "s.nrg", "--data", "s.csv", "-o", "s", "--overwrite", "--quiet")
                log = kit.table((self.folder / "s" / "log.csv").read_text())
                self.assertLess(abs(float(log[-1]["acceptance"]) - target), 0.1, (scale, method))

    # Several draws a row are wrong answers; with something given, all of a row's draws see its own.
    def test_several_draws_a_row(self):
        self.write("g.nrg", GAUSS.replace("buffer(200)", "buffer(400)").replace("learn    nll", "module   Q(p, n) = p - n\nlearn    Q(pos, neg) against sample(4)"))
        self.nrg("train", "g.nrg", "--data", "x.csv", "-o", "run", "--quiet", "--seed", 3)
        self.assertLess(abs(self.weight("run", "m")[0] - statistics.mean(self.xs)), 0.05)
        self.assertLess(abs(math.exp(-0.5 * self.weight("run", "a")[0]) - statistics.pstdev(self.xs)), 0.05)
        rng = random.Random(5)
        us = [rng.uniform(-2, 2) for _ in range(1000)]
        ys = [1.5 * u + rng.gauss(0, 0.5) for u in us]
        self.write("uy.csv", "u,y\n" + "".join(f"{u},{y}\n" for u, y in zip(us, ys)))
        slope = sum(u * y for u, y in zip(us, ys)) / sum(u * u for u in us)
        for k in (1, 4):
            self.write("c.nrg", f"""given    u : real
predict  y : real
weight   w : real init 0
energy   E(u, y) = 2 * sq(y - w * u)
sample   y by hmc(steps=10, leapfrog=4) from noise
module   Q(p, n) = p - n
learn    Q(pos, neg) against sample({k})
optimize by adam(lr=0.05 -> 0.0005, batch=100, epochs=40)
""")
            self.nrg("train", "c.nrg", "--data", "uy.csv", "-o", "c", "--overwrite", "--quiet")
            self.assertLess(abs(self.weight("c", "w")[0] - slope), 0.03, k)

    def test_same_bits_for_any_threads_and_after_a_kill(self):
        self.same_bits(GAUSS.replace("buffer(200)", "buffer(300, restart=5%)"), 3000)

    # What is learned of step sizes, chains of all heats, the visits that are noted, a queue: all of it is there again after a stop.
    def test_what_a_resumed_run_needs(self):
        ladder = GAUSS.replace("step=0.2, ", "").replace("buffer(200)", "buffer(300, restart=5%, tempering=3)")
        for model in (ladder, GAUSS.replace("learn    nll", "learn    nll against queue(150)"), SPECTRAL):
            self.write("m.nrg", model.replace("epochs=100", "epochs=40"))
            train = ["train", "m.nrg", "--data", "x.csv", "--seed", 5, "--overwrite", "--quiet"]
            self.nrg(*train, "-o", "whole")
            self.nrg(*train, "-o", "cut", "--time", "0.01s")
            self.assertLess(len(kit.table((self.folder / "cut" / "log.csv").read_text())), 40)
            self.nrg(*train[:-2], "-o", "cut", "--resume", "--quiet")
            self.assertEqual(self.weights("cut"), self.weights("whole"))
            logs = [kit.table((self.folder / run / "log.csv").read_text())[-1] for run in ("cut", "whole")]
            for log in logs:
                log.pop("seconds")
            self.assertEqual(*logs)

    def same_bits(self, model, epochs):
        self.write("g.nrg", model)
        train = ["train", "g.nrg", "--data", "x.csv", "--seed", 5, "--valid", "10%"]
        self.nrg(*train, "-o", "one", "--overwrite", "--threads", 1)
        self.nrg(*train, "-o", "two", "--overwrite", "--threads", 2)
        self.assertEqual(self.weights("one"), self.weights("two"))
        self.write("long.nrg", model.replace("epochs=100", f"epochs={epochs}"))
        cut, whole = f"cut{epochs}", f"whole{epochs}"
        long = ["train", "long.nrg", "--data", "x.csv", "--seed", 5, "-o", cut]
        with subprocess.Popen([kit.NRG, *map(str, long), "--checkpoint", "0.02s"], cwd=self.folder, stderr=subprocess.DEVNULL) as p:
            state = self.folder / cut / "state.safetensors"
            while not os.path.exists(state) and p.poll() is None:
                time.sleep(0.02)
            p.send_signal(signal.SIGINT)
            p.wait()
        self.assertEqual(p.returncode, 130)
        self.nrg(*long, "--resume", "--quiet")
        self.nrg(*long[:-1], whole, "--quiet")
        self.assertEqual(self.weights(cut), self.weights(whole))

    def test_reasons_why_not(self):
        def tried(model, code, says):
            self.write("bad.nrg", model)
            self.refused("train", "bad.nrg", "--data", "x.csv", "-o", "bad", "--overwrite", code=code, says=says)
        tried(GAUSS.replace("buffer(200)", "buffer(50)"), 3, "a buffer of 50 chains for batches of 100")
        tried(GAUSS.replace("buffer(200)", "buffer(200, restart=2)"), 3, "restart of the buffer is 2")
        tried(GAUSS.replace("steps=5", "steps=0"), 3, "steps of hmc is 0")
        tried(GAUSS.replace("adam(lr=0.05 -> 0.001, batch=100, epochs=100)", "lbfgs"), 3, "draws give only its gradient")

    # A sampler that runs away stops the run; the weights before it stay.
    def test_a_runaway(self):
        self.write("away.nrg", (GAUSS).replace("hmc(steps=5, step=0.2, leapfrog=4)", "langevin(steps=50, step=50)"))
        got = self.refused("train", "away.nrg", "--data", "x.csv", "-o", "away", "--overwrite", code=6, says="the sampler ran away")
        self.assertIn("away.nrg:5", got.stderr)
        self.assertTrue(os.path.exists(self.folder / "away" / "run.json"))

    # Learning rates far too large: clipped gradients save the one, and where nothing does all three remedies are named. They change no bit before.
    def test_remedies(self):
        net = """predict  x : real in -4..4
module   G = linear(32) | swish | linear(32) | swish | linear(1)
energy   E(x) = G(x)
sample   x by langevin(steps=10, step=0.02) from buffer(500, restart=5%)
learn    nll
optimize by sgd(lr=4, batch=100, epochs=10)
"""
        self.write("n.nrg", net)
        train = ["train", "n.nrg", "--data", "x.csv", "--seed", 1, "-o", "n", "--overwrite"]
        self.refused(*train, code=6, says="the gap between data and draws is")
        got = self.nrg(*train, "--rescue")
        self.assertIn("rescue 2 of 3", got.stderr)
        self.assertIn("the norm of the gradient is clipped at", got.stderr)
        got = self.refused(*train, "--rescue", "--stmt", "optimize by sgd(lr=100, batch=100, epochs=10)", code=6, says="rescue 3 of 3")
        self.assertIn("0.1 * energy_l2 more", got.stderr)
        calm = []
        for how in ((), ("--rescue",)):
            self.nrg(*train, "--stmt", "optimize by sgd(lr=0.5, batch=100, epochs=3)", *how)
            calm.append((self.folder / "n" / "weights.safetensors").read_bytes())
        self.assertEqual(*calm)

    # Chains that cannot follow: the gap runs away and the run stops with its last good weights. With --rescue it goes on, and says so.
    def test_a_gap_that_runs_away(self):
        model = GAUSS.replace("hmc(steps=5, step=0.2, leapfrog=4)", "mala(steps=1, step=4)").replace("0.05 -> 0.001", "0.3")
        self.write("gap.nrg", model)
        train = ["train", "gap.nrg", "--data", "x.csv", "--seed", 2]
        got = self.refused(*train, "-o", "gap", code=6, says="the gap between data and draws is")
        self.assertIn("gap.nrg:5", got.stderr)
        self.nrg("energy", "gap", "--data", "x.csv")  # the last good weights are there
        got = self.nrg(*train, "-o", "saved", "--rescue")
        self.assertIn("rescue 1 of 3: back to the weights after epoch", got.stderr)
        self.assertIn("chains of x stand still", got.stderr)

    # Chains that start anew do not hide that the others stand still.
    def test_chains_that_stand_still(self):
        slow = GAUSS.replace("epochs=100", "epochs=2")
        for start in ("buffer(200)", "buffer(200, restart=20%)"):
            for step, still in ((4000, True), (0.1, False)):
                self.write("s.nrg", slow.replace("hmc(steps=5, step=0.2, leapfrog=4) from buffer(200)", f"mala(steps=1, step={step}) from {start}"))
                said = self.nrg("train", "s.nrg", "--data", "x.csv", "-o", "run", "--overwrite", "--quiet").stderr
                self.assertEqual("W107" in said, still, (start, step))

    # Without noise all chains fall to the lowest place, and that is said; two draws of a normal density are rarely as near.
    def test_draws_that_collapse(self):
        for noise, start, alike in ((1e-9, "buffer(200)", True), (1e-9, "noise", True), (0.5, "buffer(200)", False)):
            self.write("s.nrg", GAUSS.replace("epochs=100", "epochs=2").replace(
                "hmc(steps=5, step=0.2, leapfrog=4) from buffer(200)", f"langevin(steps=60, step=0.25, noise={noise}) from {start}"))
            said = self.nrg("train", "s.nrg", "--data", "x.csv", "-o", "run", "--overwrite", "--quiet").stderr
            self.assertEqual("W110" in said, alike, (noise, start))
            share = float(kit.table((self.folder / "run" / "log.csv").read_text())[-1]["repeats"])
            self.assertEqual(share > 0.9, alike)

    # Chains begin where a module says, each at fresh noise: x = z + z0 + z1 + 3 has mean 3, variance 5 and covariance 4, which a step of 1e-9
    # leaves as they are. Bounds of 5.4 standard errors (variance 5 sqrt(2 / n)): three numbers fail once in some millions.
    def test_starts_of_a_module(self):
        model = """predict  x : real[2]
weight   m : real init 0
module   begin(z) = z + sum(z) + 3
energy   E(x) = 0.5 * sq(x - m)
sample   x by langevin(steps=1, step=1e-9) from START
learn    nll
optimize by adam(lr=1e-9, batch=100, epochs=1)
data     x = concat(a, b)
"""
        self.write("ab.csv", "a,b\n" + "".join(f"{x},{-x}\n" for x in self.xs))
        for start, n in (("begin(normal(2))", 4000), ("buffer(1000, start=begin(normal(2)))", 1000)):
            self.write("start.nrg", model.replace("START", start))
            self.nrg("train", "start.nrg", "--data", "ab.csv", "-o", "run", "--overwrite", "--quiet", "--seed", 4)
            kept = ["--from", "buffer"] if "buffer" in start else []
            rows = kit.table(self.nrg("sample", "run", "-n", n, "--chains", n, "--warmup", 1, "--seed", 5, "--quiet", *kept).stdout)
            a, b = ([float(r[name]) for r in rows] for name in list(rows[0])[-2:])
            for xs in (a, b):
                self.assertLess(abs(statistics.mean(xs) - 3), 5.4 * math.sqrt(5 / n), start)
                self.assertLess(abs(statistics.variance(xs) - 5), 5.4 * 5 * math.sqrt(2 / n), start)
            self.assertLess(abs(statistics.covariance(a, b) - 4), 5.4 * math.sqrt((25 + 16) / n), start)

    # 199 chains, batches of 100: which take part changes, so that the weights are not those of the first 100 chains alone.
    def test_chains_beyond_a_batch_take_part(self):
        model = GAUSS.replace("epochs=100", "epochs=4").replace("steps=5", "steps=1")
        runs = []
        for n in (100, 199):
            self.write("n.nrg", model.replace("buffer(200)", f"buffer({n})"))
            self.nrg("train", "n.nrg", "--data", "x.csv", "-o", f"n{n}", "--quiet")
            raw = self.weights(f"n{n}")
            runs.append(raw[8 + int.from_bytes(raw[:8], "little"):])  # the numbers without the model's text
        self.assertNotEqual(*runs)

    # Latents that are only drawn are drawn beside the data too: a deep Boltzmann machine comes near the exact maximum of the likelihood.
    def test_two_layers_of_latents(self):
        rng = random.Random(2)
        p = [rng.random() ** 3 for _ in range(16)]
        states = rng.choices(range(16), weights=p, k=1000)
        self.write("v.csv", "a,b,c,d\n" + "".join(",".join(str(s >> k & 1) for k in range(4)) + "\n" for s in states))
        model = """dim      V = 4, H = 3, K = 2
predict  v : bit[V]
latent   h : bit[H]
latent   k : bit[K]
weight   W : real[V, H] init normal(0.3)
weight   U : real[H, K] init normal(0.3)
weight   b : real[V] init 0
energy   E(v, h, k) = -dot(v, b) - dot(v, W @ h) - dot(h, U @ k)
sample   v, h, k by gibbs(steps=10) from buffer(200)
learn    nll
optimize by adam(lr=0.03 -> 0.001, batch=200, epochs=200)
data     v = concat(a, b, c, d)
report   nll(v)
"""
        self.write("deep.nrg", model)
        sums = ["--stmt", "marginalize h, k by exhaustive", "--stmt", "marginalize v by exhaustive"]
        self.assertIn("beside the data: 10 steps", self.nrg("train", "deep.nrg", "--data", "v.csv", "--seed", 1, "-o", "drawn").stderr)
        self.nrg("train", "deep.nrg", "--data", "v.csv", "--seed", 1, "-o", "exact", "--quiet", *sums)
        nll = [float(self.nrg("eval", run, "--data", "v.csv", *sums).stdout.split()[-1]) for run in ("drawn", "exact")]
        self.assertLess(nll[0] - nll[1], 0.08)
        self.assertLess(nll[1], math.log(16) - 0.2)  # the exact one has learned something

    # A module that proposes is trained to lower E where it points: all its draws come to the least energy. E's own weight is not moved by it.
    def test_a_module_that_proposes(self):
        model = """predict  y : real
module   G = linear(8) | tanh | linear(1)
weight   a : real init 3
energy   E(y) = sq(y - a)
sample   y by G(normal(2))
learn    simple(m=100) against sample(1)
optimize G by adam(lr=0.02 -> 0.0005, batch=100, epochs=60)
data     y = x
"""
        self.write("g.nrg", model)
        got = self.nrg("train", "g.nrg", "--data", "x.csv", "--seed", 1, "-o", "g")
        self.assertIn("wrong answers for y: a module, trained to lower E where it points", got.stderr)
        ys = [float(r["y"]) for r in kit.table(self.nrg("sample", "g", "-n", 200).stdout)]
        self.assertLess(max(abs(y - 3) for y in ys), 0.3)
        self.write("both.nrg", model.replace("optimize G", "optimize"))  # E is raised there: a leaves the draws behind
        self.nrg("train", "both.nrg", "--data", "x.csv", "--seed", 1, "-o", "both", "--quiet")
        self.write("none.nrg", model.replace("sample   y by G(normal(2))\n", "").replace("optimize G", "optimize"))
        self.refused("train", "none.nrg", "--data", "x.csv", "-o", "none", code=3, says="nothing says how to draw")
        self.write("two.nrg", model.replace("linear(1)", "linear(2)"))
        self.refused("train", "two.nrg", "--data", "x.csv", "-o", "two", code=3, says="but y has 1 in 0")

    # noise(sd) is normal between walls too, reflected; without sd it is uniform. A flat energy and steps of 1e-6 show the starts.
    # Means of 4000 numbers, 5 standard errors: false alarm 6e-7 a check.
    def test_starts_of_a_deviation(self):
        self.write("flat.nrg", "predict  x : real[100] in 0..1\nenergy   E(x) = 0 * sum(x)\n")
        for start, mean, sd in (("noise", 0.5, 0.2887), ("noise(0.1)", 0.0798, 0.0603), ("buffer(40, sd=0.1)", 0.0798, 0.0603)):
            out = self.nrg("sample", "flat.nrg", "--stmt", f"sample x by langevin(steps=1, step=1e-12) from {start}", "-n", 40, "--chains", 40,
                           "--seed", 1, "--quiet").stdout.split()[1:]
            x = [float(v) for row in out for v in row.split(",")[-100:]]
            self.assertEqual(len(x), 4000)
            self.assertLess(abs(sum(x) / 4000 - mean), 5 * sd / math.sqrt(4000))

    # 24 bits are too many to list, but the sum over 3 latents is exact: the report's interval for the likelihood covers it (its ends are
    # 95% limits; twice the width is allowed, so that a fixed seed fails once in 10^4).
    def test_likelihood_as_an_interval(self):
        rng = random.Random(4)
        cells = [f"c{i}" for i in range(24)]
        rows = [[int(rng.random() < (0.2 if i % 2 else 0.7)) for i in range(24)] for _ in range(300)]
        self.write("v.csv", ",".join(cells) + "\n" + "".join(",".join(map(str, r)) + "\n" for r in rows))
        join = cells[0]
        for c in cells[1:]:
            join = f"concat({join}, {c})"
        self.write("rbm.nrg", f"""dim      V = 24, H = 3
predict  v : bit[V]
latent   h : bit[H]
weight   W : real[V, H] init normal(0.5)
weight   b : real[V] init normal(0.5)
energy   E(v, h) = -dot(v, b) - dot(v, W @ h)
marginalize h by factors
sample   v, h by gibbs(steps=2) from buffer(100)
learn    nll
optimize by sgd(lr=0.02, batch=100, epochs=5)
data     v = {join}
report   nll(v), log_z(v)
""")
        self.nrg("train", "rbm.nrg", "--data", "v.csv", "-o", "rbm", "--quiet")
        raw = (self.folder / "rbm" / "best.safetensors").read_bytes()
        n = struct.unpack("<Q", raw[:8])[0]
        head = json.loads(raw[8:8 + n])
        w = {k: struct.unpack(f"<{(t['data_offsets'][1] - t['data_offsets'][0]) // 4}f",
                              raw[8 + n + t["data_offsets"][0]:8 + n + t["data_offsets"][1]]) for k, t in head.items() if k != "__metadata__"}
        field = lambda i, h: w["b"][i] + sum(w["W"][3 * i + j] * h[j] for j in range(3))
        states = list(itertools.product((0, 1), repeat=3))
        log_z = math.log(sum(math.exp(sum(math.log1p(math.exp(field(i, h))) for i in range(24))) for h in states))
        minus_f = [math.log(sum(math.exp(sum(r[i] * field(i, h) for i in range(24))) for h in states)) for r in rows]
        got = {k: float(x) for k, x in kit.table(self.nrg("eval", "rbm", "--data", "v.csv").stdout)[0].items()}
        for name, exact in (("log_z", log_z), ("nll", log_z - sum(minus_f) / len(rows))):
            low, mid, high = got[f"{name}_low(v)"], got[f"{name}(v)"], got[f"{name}_high(v)"]
            self.assertLess(abs(mid - exact), high - low, (name, low, exact, high))
            self.assertLess(high - low, 0.5)


if __name__ == "__main__":
    kit.main()
