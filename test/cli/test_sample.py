#!/usr/bin/env python3
"""nrg sample: draws without weights, given values, starts, health, files, and the reason why not."""
import json
import math
import statistics
import struct
import unittest

import kit

GAUSS = "dim      D = 2\ngiven    x : real\npredict  y : real[D]\nenergy   E(x, y) = 0.5 * sq(y - x)\n"


class Sample(kit.Case):
    def setUp(self):
        super().setUp()
        self.write("g.nrg", GAUSS)

    def test_given_and_health(self):
        got = self.nrg("sample", "g.nrg", "--given", "x=3", "-n", 400, "--seed", 2)
        rows = kit.table(got.stdout)
        self.assertEqual(list(rows[0]), ["chain", "draw", "energy", "y[0]", "y[1]"])
        self.assertEqual(len(rows), 400)
        for name in ("y[0]", "y[1]"):
            y = [float(r[name]) for r in rows]
            self.assertLess(abs(statistics.mean(y) - 3), 0.3)
            self.assertLess(abs(statistics.stdev(y) - 1), 0.2)
        energy = 0.5 * sum((float(rows[7][n]) - 3) ** 2 for n in ("y[0]", "y[1]"))
        self.assertAlmostEqual(float(rows[7]["energy"]), energy, places=4)
        for word in ("hmc", "16 chains of 25 draws", "acceptance", "implied temperature 1\n", "R-hat", "ESS"):
            self.assertIn(word, got.stderr)
        self.assertEqual(self.nrg("sample", "g.nrg", "--given", "x=3", "--quiet").stderr, "")

    def test_rows_of_data(self):
        self.write("x.csv", "x\n-5\n0\n5\n")
        rows = kit.table(self.nrg("sample", "g.nrg", "--data", "x=x.csv:x", "-n", 50).stdout)
        self.assertEqual(len(rows), 150)
        for i, x in enumerate((-5, 0, 5)):
            y = [float(r["y[0]"]) for r in rows if r["row"] == str(i)]
            self.assertEqual(len(y), 50)
            self.assertLess(abs(statistics.mean(y) - x), 1)

    def test_same_draws_by_any_threads(self):
        one = self.nrg("sample", "g.nrg", "--given", "x=1", "--threads", 1).stdout
        for threads in (2, 8):
            self.assertEqual(self.nrg("sample", "g.nrg", "--given", "x=1", "--threads", threads).stdout, one)
        self.assertNotEqual(self.nrg("sample", "g.nrg", "--given", "x=1", "--seed", 9).stdout, one)

    def test_files(self):
        self.nrg("sample", "g.nrg", "--given", "x=1", "-n", 20, "-o", "d.npz", "--quiet")
        info = self.nrg("data", "info", "d.npz").stdout
        self.assertIn("20 samples", info)
        self.assertIn("y : 20 samples of 2", info)
        self.nrg("sample", "g.nrg", "--given", "x=1", "-n", 20, "-o", "d.csv", "--quiet")
        csv = kit.table((self.folder / "d.csv").read_text())
        out = [json.loads(line) for line in self.nrg("sample", "g.nrg", "--given", "x=1", "-n", 20, "--json").stdout.splitlines()]
        self.assertEqual([float(r["y[1]"]) for r in csv], [r["y"][1] for r in out])
        self.refused("sample", "g.nrg", "--given", "x=1", "-o", "d.csv", code=2, says="exists already")
        self.refused("sample", "g.nrg", "--given", "x=1", "-o", "d.txt", code=2, says=".npz")

    def test_stan_csv(self):
        self.write("m.nrg", "hyper beta = 2\ndim A = 2, B = 3\npredict x : real\npredict m : real[A, B]\nenergy E(x, m) = 0.5 * sq(m - x) + sq(x)\n")
        self.nrg("sample", "m.nrg", "-n", 20, "--chains", 4, "-o", "d.stan.csv", "--quiet")
        self.assertEqual(sorted(p.name for p in self.folder.glob("d*.csv")), [f"d_{k}.stan.csv" for k in (1, 2, 3, 4)])  # a file a chain
        lines = (self.folder / "d_2.stan.csv").read_text().splitlines()
        self.assertTrue(lines[0].startswith("# "))
        rows = [line.split(",") for line in lines if not line.startswith("#")]
        self.assertEqual(rows[0], "lp__,accept_stat__,stepsize__,divergent__,x,m.1.1,m.1.2,m.1.3,m.2.1,m.2.2,m.2.3".split(","))
        self.assertEqual(len(rows), 6)
        for row in rows[1:]:  # lp__ is the logarithm of the density, up to a constant
            x, *m = map(float, row[4:])
            self.assertAlmostEqual(float(row[0]), -2 * (0.5 * sum((a - x) ** 2 for a in m) + x * x), places=3)
        plain = kit.table(self.nrg("sample", "m.nrg", "-n", 20, "--chains", 4, "--quiet").stdout)
        one = [float(r["x"]) for r in plain if r["chain"] == "1"]
        self.assertEqual([float(r[4]) for r in rows[1:]], one)
        self.refused("sample", "m.nrg", "-n", 20, "--chains", 4, "-o", "d.stan.csv", code=2, says="exists already")
        self.write("c.nrg", "dim C = {red, green}\npredict c : C\nenergy E(c) = 1 * (c == C.red)\n")
        self.nrg("sample", "c.nrg", "-n", 9, "--chains", 1, "-o", "c.stan.csv", "--quiet")
        lines = (self.folder / "c.stan.csv").read_text().splitlines()
        self.assertIn("# c: 1 red, 2 green", lines)
        self.assertEqual({line.split(",")[4] for line in lines if line[0] not in "#l"}, {"1", "2"})  # numbers, as these tools read

    def test_summary(self):
        """The table equals its definition over the draws of the file; a label of a category is a share."""
        self.write("s.nrg", "dim C = {red, green}, D = 2\npredict c : C\npredict x : real[D]\nenergy E(c, x) = (c == C.red) + sq(x - 3) / 8\n")
        rows = kit.table(self.nrg("sample", "s.nrg", "-n", 4000, "--seed", 1, "--summary", "-o", "s.csv").stdout)
        draws = kit.table((self.folder / "s.csv").read_text())
        self.assertEqual([r["number"] for r in rows], ["x[0]", "x[1]", "c=red", "c=green", "energy"])
        of = {r["number"]: r for r in rows}
        for name, x in (("x[1]", [float(d["x[1]"]) for d in draws]), ("c=green", [float(d["c"] == "green") for d in draws])):
            self.assertAlmostEqual(float(of[name]["mean"]), statistics.mean(x), delta=1e-3)
            self.assertAlmostEqual(float(of[name]["sd"]), statistics.stdev(x), delta=1e-3)
            self.assertAlmostEqual(float(of[name]["50%"]), statistics.median(x), delta=1e-3)
        # 5 errors: a false alarm in 2 million
        self.assertLess(abs(float(of["x[0]"]["mean"]) - 3), 5 * float(of["x[0]"]["mcse"]))
        self.assertLess(abs(float(of["c=red"]["mean"]) - 1 / (1 + math.e)), 5 * float(of["c=red"]["mcse"]))
        self.assertAlmostEqual(float(of["x[0]"]["mcse"]), 2 / math.sqrt(4000), delta=0.01)
        one = [json.loads(line) for line in self.nrg("sample", "s.nrg", "-n", 40, "--summary", "--json").stdout.splitlines()]
        self.assertEqual(one[0]["number"], "x[0]")

    def test_what_is_not_asked_for_is_drawn_beside(self):
        """x alone, of an energy over x and b without a verb for b: its marginal is a mixture, 1 : e around 0 and 6."""
        self.write("b.nrg", "predict x : real\npredict b : bit\nenergy E(x, b) = 0.5 * (x - 1.5 * b)^2 - b\n")
        x = [float(r["x"]) for r in kit.table(self.nrg("sample", "b.nrg", "x", "-n", 4000, "--seed", 1).stdout)]
        share = math.e / (1 + math.e)
        self.assertLess(abs(statistics.mean(x) - 1.5 * share), 0.15)
        self.assertLess(abs(statistics.variance(x) - 1 - 2.25 * share * (1 - share)), 0.2)
        self.refused("logz", "b.nrg", "x", code=5, says="marginalize b")

    def test_places_that_are_forbidden(self):
        """Starts go where the energy is finite; where there is no such place, no draws are told."""
        self.write("f.nrg", "predict x : real in 0..1\nenergy E(x) = forbid(x < 0.5) + x\n")
        for by in ("hmc", "mala", "metropolis", "nuts"):
            x = [float(r["x"]) for r in kit.table(self.nrg("sample", "f.nrg", "-n", 64, "--stmt", f"sample x by {by}").stdout)]
            self.assertGreaterEqual(min(x), 0.5)
        self.refused("sample", "f.nrg", "--stmt", "energy E(x) = forbid(x < 2)", code=6, says="where the energy is infinite")
        self.write("l.nrg", "predict x : real in -1..4\nenergy E(x) = x - log(x)\n")  # no number left of 0
        x = [float(r["x"]) for r in kit.table(self.nrg("sample", "l.nrg", "-n", 2000, "--seed", 1).stdout)]
        self.assertGreater(min(x), 0)
        self.refused("logz", "l.nrg", code=6, says="not a number at some places")

    def test_no_log_z_without_a_sum(self):
        self.write("w.nrg", "predict x : real\nenergy E(x) = log(1 + x^2) / 4\n")
        got = self.refused("logz", "w.nrg", code=5, says="log Z does not exist")
        self.assertIn("grows only like", got.stderr)

    def test_independent_draws(self):
        """One number by gibbs: a step is a draw. Shares of three labels within 5 errors (a false alarm in 2 million)."""
        self.write("c.nrg", "dim C = {a, b, c}\npredict z : C\nenergy E(z) = 1 * (z == C.b) + 2 * (z == C.c)\n")
        got = self.nrg("sample", "c.nrg", "-n", 8000, "--seed", 1)
        self.assertIn("warm-up 1 steps, then every 1", got.stderr)
        rows, Z = kit.table(got.stdout), 1 + math.exp(-1) + math.exp(-2)
        for k, label in enumerate("abc"):
            p = math.exp(-k) / Z
            self.assertLess(abs(sum(r["z"] == label for r in rows) / 8000 - p), 5 * math.sqrt(p * (1 - p) / 8000))
        self.assertIn("then every 10", self.nrg("sample", "g.nrg", "--given", "x=1", "-n", 32).stderr)

    def test_kept_chains_are_warmed_up(self):
        self.write("k.nrg", "predict x : real\nenergy E(x) = x^2\nsample x by mala(steps=2) from buffer(100)\n")
        self.assertIn("warm-up 1000 steps", self.nrg("sample", "k.nrg", "-n", 8).stderr)

    def test_steps(self):
        got = self.nrg("sample", "g.nrg", "--given", "x=1", "-n", 40, "--chains", 4, "--warmup", 30, "--steps", 90).stderr
        self.assertIn("4 chains of 10 draws, warm-up 30 steps, then every 10", got)
        got = self.nrg("sample", "g.nrg", "--given", "x=1", "-n", 40, "--chains", 4, "--warmup", 0, "--every", 3).stderr
        self.assertIn("warm-up 0 steps, then every 3", got)
        self.refused("sample", "g.nrg", "--given", "x=1", "-n", 40, "--chains", 4, "--steps", 5, code=2, says="too few")

    def test_temperature_is_told(self):
        by = ("--stmt", "sample y by langevin(steps=50, step=1, noise=0.01)")
        got = self.nrg("sample", "g.nrg", "--given", "x=1", "-n", 4, *by).stderr
        self.assertIn("implied temperature 0.0001", got)
        self.assertIn("4 chains of 1 draw, warm-up 50 steps", got)

    def test_from_data(self):
        self.write("xy.csv", "x,y\n1,7\n1,9\n")
        self.write("h.nrg", "given x : real\npredict y : real\nenergy E(x, y) = 0 * sq(y - x)\n"
                   "sample y by langevin(steps=1, step=1, noise=0) from data\n")
        rows = kit.table(self.nrg("sample", "h.nrg", "--data", "x=xy.csv:x", "--data", "y=xy.csv:y", "-n", 3).stdout)
        self.assertEqual([float(r["y"]) for r in rows], [7, 7, 7, 9, 9, 9])
        self.refused("sample", "h.nrg", "--given", "x=1", code=4, says="start at the data")

    def test_a_trained_run(self):
        self.write("r.nrg", "given x : real\npredict y : real\nweight a : real init 0\nenergy E(x, y) = sq(y - a * x)\nminimize y\n"
                   "learn energy\noptimize by exact\n")
        self.write("r.csv", "x,y\n" + "".join(f"{i / 10},{i / 5}\n" for i in range(-20, 20)))
        self.nrg("train", "r.nrg", "--data", "x=r.csv:x", "--data", "y=r.csv:y", "-o", "run", "--quiet")
        rows = kit.table(self.nrg("sample", "run", "--given", "x=4", "-n", 200).stdout)
        self.assertLess(abs(statistics.mean(float(r["y"]) for r in rows) - 8), 0.4)

    def test_categories_have_labels(self):
        self.write("tags.nrg", 'dim T = 4, Tag = {noun, verb, "a,b"}\npredict z : Tag[T]\npredict s : sign\n'
                   "energy E(z, s) = sum((a, b) in chain(T): 2 * (z[a] == z[b])) + s * (z[first(T)] == Tag.verb)\n")
        got = self.nrg("sample", "tags.nrg", "-n", 30, "-o", "t.csv")
        self.assertIn("sample z, s by gibbs   (chosen: few sets of numbers, each independent given the rest; blocks z in 2 colours | s", got.stderr)
        rows = kit.table((self.folder / "t.csv").read_text())
        self.assertEqual({r["z[1]"] for r in rows} | {r["z[2]"] for r in rows}, {"noun", "verb", "a,b"})
        self.assertEqual({r["s"] for r in rows}, {"-1", "1"})
        out = [json.loads(line) for line in self.nrg("sample", "tags.nrg", "-n", 30, "--json").stdout.splitlines()]
        self.assertEqual([r["z"][3] for r in out], [r["z[3]"] for r in rows])
        self.nrg("sample", "tags.nrg", "-n", 30, "-o", "t.npz", "--quiet")
        self.assertIn("3 labels", self.nrg("data", "info", "t.npz").stdout)

    def test_a_boltzmann_machine_draws(self):
        rbm = str(kit.ROOT / "models" / "09_rbm.nrg")
        small = ("--set", "V=12", "--set", "H=6", "-n", 8, "--warmup", 4)
        got = self.nrg("sample", rbm, *small, "--stmt", "sample v, h by gibbs from noise")
        self.assertIn("sample v, h by gibbs   (blocks h | v)", got.stderr)
        self.write("v.csv", ",".join(f"v{i}" for i in range(12)) + "\n" + "1,0,1,1,0,0,0,1,0,1,0,1\n" * 2)
        rows = kit.table(self.nrg("sample", rbm, *small, "--data", "v=v.csv:v0..v11").stdout)
        self.assertEqual(len(rows), 16)
        self.assertEqual({v for r in rows for k, v in r.items() if k[0] in "vh"}, {"0", "1"})

    def test_tempering(self):
        self.write("two.nrg", "predict x : real\nenergy E(x) = softmin(2 * sq(x + 4) + log(4), 2 * sq(x - 4))\nsample x by hmc\n")
        got = self.nrg("sample", "two.nrg", "-n", 400, "--tempering", 6, "--seed", 1)
        left = sum(float(r["x"]) < 0 for r in kit.table(got.stdout)) / 400
        self.assertLess(abs(left - 0.2), 0.15)  # 400 draws of 16 chains that still depend on each other; 0.5 without
        self.assertIn("coldest of a ladder", got.stderr)
        self.nrg("sample", "two.nrg", "-n", 4, "--anneal", "0.1", "--quiet")
        self.refused("sample", "two.nrg", "--tempering", 4, "--hottest", 2, code=2, says="--hottest takes a number")
        self.refused("sample", "two.nrg", "--anneal", "x", code=2, says="--anneal takes a number")

    def test_autocorrelation(self):
        """The table equals the definition over the draws of the file, slowest first; of several rows the slowest counts."""
        slow = ("--stmt", "sample y by langevin(step=0.05)")
        got = self.nrg("sample", "g.nrg", "--given", "x=1", "-n", 800, "--chains", 4, "--every", 1, *slow, "--autocorrelation", "-o", "d.csv")
        rows = kit.table(got.stdout)
        draws = kit.table((self.folder / "d.csv").read_text())
        self.assertEqual({r["number"] for r in rows}, {"y[0]", "y[1]", "energy"})
        times = [float(r["time"]) for r in rows]
        self.assertEqual(times, sorted(times, reverse=True))
        for r in rows:
            chains = [[float(d[r["number"]]) for d in draws if d["chain"] == str(c)] for c in range(4)]
            mean = statistics.mean(sum(chains, []))
            cov = lambda k: sum((x - mean) * (y - mean) for c in chains for x, y in zip(c, c[k:]))
            for lag in (1, 2, 5, 10, 20, 50):
                self.assertAlmostEqual(float(r[f"lag{lag}"]), cov(lag) / cov(0), delta=2e-4)
        out = [json.loads(line) for line in self.nrg("sample", "g.nrg", "--given", "x=1", "-n", 800, "--chains", 4, "--every", 1, *slow,
                                                     "--autocorrelation", "--json", "--top", 2).stdout.splitlines()]
        self.assertEqual([(r["number"], r["lag5"]) for r in out], [(r["number"], float(r["lag5"])) for r in rows[:2]])
        self.write("x.csv", "x\n-5\n0\n5\n")
        three = kit.table(self.nrg("sample", "g.nrg", "--data", "x=x.csv:x", "-n", 12, "--chains", 4, "--autocorrelation").stdout)
        self.assertEqual(list(three[0]), ["number", "time", "lag1", "lag2"])  # three draws a chain
        if kit.GNUPLOT:
            self.nrg("plot", "autocorrelation", "g.nrg", "--given", "x=1", "-n", 400, "--chains", 4, *slow, "-o", "a.png", "--quiet")
            self.refused("plot", "autocorrelation", "g.nrg", "--given", "x=1", "-n", 4, "-o", "b.png", code=4, says="one draw a chain")

    def test_log_z(self):
        exact = self.nrg("logz", "g.nrg", "--given", "x=3")
        row = kit.table(exact.stdout)[0]
        self.assertAlmostEqual(float(row["log_z"]), 1.8378770664, places=4)  # log of 2 pi
        self.assertEqual((row["status"], row["low"]), ("exact", row["high"]))
        self.assertIn("exact", exact.stderr)
        self.write("q.nrg", "predict x : real\nenergy E(x) = sq(sq(x))\n")
        got = self.nrg("logz", "q.nrg", "--json")
        z = json.loads(got.stdout)
        self.assertTrue(z["low"] - 0.1 < 0.5948 < z["high"] + 0.1)  # log(2 Gamma(5/4))
        self.assertIn("annealed importance sampling", got.stderr)
        self.refused("logz", "q.nrg", "--stmt", "sample x by langevin", code=3, says="biased")
        self.refused("logz", "q.nrg", "--width", 0, code=2, says="positive number")
        self.refused("logz", code=2, says="which model")

    def test_log_z_from_data(self):
        """Rows simulated by the model's own sampler: the way back starts at their z. A latent z will do; without arrays it is refused."""
        self.write("t.nrg", "dim D = 3\npredict x : real[D]\nlatent z : real\nenergy E(x, z) = z^2 / 2 + 2 * sq(x - tanh(2 * z))\n"
                   "sample x, z by hmc\n")
        self.nrg("sample", "t.nrg", "x", "z", "-n", 4, "--chains", 4, "--seed", 1, "-o", "sim.npz", "--quiet")
        got = self.nrg("logz", "t.nrg", "z", "--data", "sim.npz", "--from", "data", "--width", 0.3)
        rows = kit.table(got.stdout)
        self.assertEqual(len(rows), 4)
        self.assertIn("the way back starts there", got.stderr)
        self.assertIn("mean over 4 rows", got.stderr)
        x = [[float(r[f"x[{i}]"]) for i in range(3)] for r in kit.table(self.nrg("sample", "t.nrg", "x", "z", "-n", 4, "--chains", 4, "--seed", 1, "--quiet").stdout)]
        for r, at in zip(rows, x):
            h, sum_ = 1e-3, 0
            for k in range(-6000, 6000):
                z = k * h
                sum_ += h * math.exp(-z * z / 2 - 2 * sum((a - math.tanh(2 * z)) ** 2 for a in at))
            width = float(r["high"]) - float(r["low"])
            self.assertTrue(float(r["low"]) - width < math.log(sum_) < float(r["high"]) + width)  # about eight deviations
        self.write("q.nrg", "predict x : real\nenergy E(x) = sq(sq(x))\n")
        self.refused("logz", "q.nrg", "--from", "data", code=4, says="no data of what is summed over")
        self.refused("logz", "q.nrg", "--from", "noise", code=2, says="--from takes data")

    def test_from_buffer(self):
        """Draws go on where training left its chains: the first are the buffer's own numbers; the same bits by any threads."""
        for name, kind, energy, by in (("bits", "bit[V]", "-dot(v, v @ W) - sum(v @ W)", "gibbs(steps=2) from buffer(20)"),
                                       ("reals", "real[V]", "sq(v) - dot(v, tanh(v @ W))", "langevin(steps=3, step=0.1) from buffer(12, tempering=3)")):
            self.write("b.nrg", f"dim V = 24\npredict v : {kind}\nweight W : real[V, V] init normal(0.1)\nenergy E(v) = {energy}\n"
                       f"sample v by {by}\nlearn nll\noptimize by sgd(lr=0.01, batch=10, epochs=3)\n")
            self.write("v.csv", ",".join(f"v{i}" for i in range(24)) + "\n" + (",".join("1011" * 6) + "\n" + ",".join("0001" * 6) + "\n") * 30)
            self.nrg("train", "b.nrg", "--data", "v=v.csv:v0..v23", "--seed", 1, "--quiet", "-o", name)
            raw = (self.folder / name / "state.safetensors").read_bytes()
            size, = struct.unpack("<Q", raw[:8])
            head = json.loads(raw[8:8 + size])
            key, = (k for k in head if k.startswith("buffer:") and k.endswith(":at:v"))
            begin, end = head[key]["data_offsets"]
            kept = struct.unpack(f"<{(end - begin) // 4}f", raw[8 + size + begin:8 + size + end])
            slots, levels = (20, 1) if name == "bits" else (12, 3)
            self.assertEqual(len(kept), slots * levels * 24)
            run = ("sample", name, "--last", "--from", "buffer", "--json", "--quiet")
            got = [json.loads(line) for line in self.nrg(*run, "-n", slots, "--chains", slots, "--warmup", 0).stdout.splitlines()]
            for i, draw in enumerate(got):
                for x, y in zip(draw["v"], kept[i * levels * 24:]):
                    self.assertAlmostEqual(x, y, delta=1e-6 * (1 + abs(y)))
            go = (*run, "-n", 40, "--chains", 4, "--warmup", 0, "--every", 3)
            one = self.nrg(*go, "--threads", 1).stdout
            self.assertEqual(self.nrg(*go, "--threads", 8).stdout, one)
            self.assertNotEqual(self.nrg(*[a for a in go if a not in ("--from", "buffer")]).stdout, one)
            self.refused(*run, "-n", 99, "--chains", 99, code=2, says=f"keeps {slots} of v")
        self.refused("sample", "b.nrg", "--from", "buffer", code=2, says="of a run folder")
        self.trained()
        self.refused("sample", "run", "x", "--given", "y=left", "--from", "buffer", code=2, says="belong to the training data")

    def test_reasons_why_not(self):
        self.refused("sample", "g.nrg", code=4, says="no data for x")
        self.refused("sample", code=2, says="which model")
        self.write("d.nrg", "predict n : int in 0..\nenergy E(n) = n\n")
        self.refused("sample", "d.nrg", code=3, says="a whole number without bounds")
        self.write("bad.nrg", "predict x : real\nenergy E(x) = -sq(sq(x))\nsample x by langevin(step=1)\n")
        self.refused("sample", "bad.nrg", code=6, says="ran away")


if __name__ == "__main__":
    kit.main()
