#!/usr/bin/env python3
"""factors in training: the same weights as under exhaustive search, and 2^300 values of a latent are no obstacle."""
import kit

RBM = """dim      V = 4, H = 3
predict  v : bit[V]
latent   h : bit[H]
weight   W : real[V, H] init normal(0.5)
weight   b : real[V]
weight   c : real[H]
energy   E(v, h) = -dot(v, b) - dot(h, c) - dot(v, W @ h)
marginalize v by exhaustive
marginalize h by METHOD
learn    nll
optimize by adam(lr=0.05, batch=8, epochs=5)
report   nll(v)
"""


class Factors(kit.Case):
    def setUp(self):
        super().setUp()
        rows = [f"{i & 1},{i >> 1 & 1},{(i >> 1 ^ i) & 1},{i % 3 % 2}" for i in range(40)]
        self.write("v.csv", "a,b,c,d\n" + "\n".join(rows) + "\n")

    def learn(self, method):
        self.write(f"{method}.nrg", RBM.replace("METHOD", method))
        got = self.nrg("train", f"{method}.nrg", "--data", "v=v.csv:a..d", "-o", method)
        log = kit.table((self.folder / method / "log.csv").read_text())
        return got.stderr, [float(r["loss"]) for r in log]

    def test_gradients_are_those_of_exhaustive_search(self):
        _, one = self.learn("factors")
        _, other = self.learn("exhaustive")
        self.assertEqual(len(one), 5)
        self.assertLess(one[-1], one[0] - 0.05)
        for a, b in zip(one, other):
            self.assertAlmostEqual(a, b, places=4)

    def test_chosen_where_it_fits(self):
        self.write("big.nrg", RBM.replace(" by METHOD", "").replace("H = 3", "H = 300").replace("normal(0.5)", "normal(0.05)"))
        got = self.nrg("train", "big.nrg", "--data", "v=v.csv:a..d", "-o", "big").stderr
        self.assertIn("marginalize h by factors   (chosen: finite, its numbers independent given the rest; 300 numbers, each on its own)", got)


if __name__ == "__main__":
    kit.main()
