"""Restricted Boltzmann machine 784-500, contrastive divergence of one step, one epoch of MNIST's bits."""
from rows import Row

MODEL = """dim      V = 784, H = 500
predict  v : bit[V]
latent   h : bit[H]
weight   W : real[V, H] init normal(0.01)
weight   b : real[V]
weight   c : real[H]
energy   E(v, h) = -dot(v, b) - dot(h, c) - dot(v, W @ h)
marginalize h by factors
sample   v, h by gibbs(steps=1) from data
learn    nll
optimize by sgd(lr=0.05, batch=100, epochs=1)
data     v = flatten(images > 127)
"""


def settings(rival, mnist):
    bits = (mnist.images() > 0.5).astype("float32")
    if rival == "scikit-learn":
        from sklearn.neural_network import BernoulliRBM
        return {"fit": lambda: BernoulliRBM(n_components=500, batch_size=100, n_iter=1, learning_rate=0.05, random_state=0).fit(bits) and None}
    import torch
    data = torch.from_numpy(bits)

    def update(w, b, c, v):
        p = torch.sigmoid(torch.addmm(c, v, w))
        r = torch.bernoulli(torch.sigmoid(torch.addmm(b, torch.bernoulli(p), w.t())))
        q = torch.sigmoid(torch.addmm(c, r, w))
        k = 0.05 / len(v)
        w.addmm_(v.t(), p, alpha=k).addmm_(r.t(), q, alpha=-k)
        b.add_((v - r).sum(0), alpha=k)
        c.add_((p - q).sum(0), alpha=k)

    def epoch(step):
        with torch.no_grad():
            w, b, c = 0.01 * torch.randn(784, 500), torch.zeros(784), torch.zeros(500)
            for v in data.split(100):
                step(w, b, c, v)
    compiled = torch.compile(update)
    return {"hand": lambda: epoch(update), "hand, compile": lambda: epoch(compiled)}


ROWS = [Row("rbm", "RBM 784-500, CD-1, batch 100, one epoch of MNIST", "train", MODEL, ["data=images={images}"],
            {"scikit-learn": 4, "torch": 2}, settings, flops=5 * 2 * 784 * 500 * 60000.0, bytes=784 * 60000.0)]
