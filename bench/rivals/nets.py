"""The three energies that chains run on, in the language and in PyTorch, and PyTorch's ways to take a Langevin step."""
import dataclasses

STEP, BATCH = 0.01, 128


@dataclasses.dataclass
class Net:
    name: str
    shape: tuple
    layers: str   # in the language
    first: float  # multiply-adds of a sample: first layer, all layers
    all: float

    def axes(self):
        return ", ".join(map(str, self.shape))


CONV = ("conv(32, 5, stride=2, pad=2) | swish | conv(64, 3, stride=2, pad=1) | swish | conv(128, 3, stride=2, pad=1) | swish | "
        "flatten | linear(1)")
NETS = (Net("toy", (2,), "linear(128) | swish | linear(128) | swish | linear(1)", 256, 256 + 16384 + 128),
        Net("mlp", (784,), "linear(512) | swish | linear(512) | swish | linear(1)", 401408, 401408 + 262144 + 512),
        Net("conv", (1, 28, 28), CONV, 25 * 32 * 196, 25 * 32 * 196 + 9 * 32 * 64 * 49 + 9 * 64 * 128 * 16 + 2048))


def build(net):
    import torch.nn as nn
    if net.name != "conv":
        n, h = net.shape[0], 128 if net.name == "toy" else 512
        return nn.Sequential(nn.Linear(n, h), nn.SiLU(), nn.Linear(h, h), nn.SiLU(), nn.Linear(h, 1))
    return nn.Sequential(nn.Conv2d(1, 32, 5, 2, 2), nn.SiLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.SiLU(),
                         nn.Conv2d(64, 128, 3, 2, 1), nn.SiLU(), nn.Flatten(), nn.Linear(2048, 1))


def by_autograd(energy):
    """x after k steps; the slope comes from PyTorch."""
    import torch

    def chain(x, k):
        for _ in range(k):
            x = x.detach().requires_grad_(True)
            slope = torch.autograd.grad(energy(x).sum(), x)[0]
            x = x.detach().add_(slope, alpha=-STEP / 2).add_(torch.randn_like(x), alpha=STEP ** 0.5)
        return x

    return chain


def by_hand(model):
    """The same for two hidden layers of swish, slopes written out; `one` is a step that can be compiled."""
    import torch

    def one(x):
        (a, b), (c, d), v = (model[0].weight, model[0].bias), (model[2].weight, model[2].bias), model[4].weight
        u = torch.addmm(b, x, a.t())
        s = torch.sigmoid(u)
        f = u * s
        w = torch.addmm(d, f, c.t())
        t = torch.sigmoid(w)
        back = ((t + w * t * (1 - t)) * v) @ c
        slope = (back * (s + f * (1 - s))) @ a
        return x - STEP / 2 * slope + STEP ** 0.5 * torch.randn_like(x)

    return one


def chains(net, model):
    """Settings of PyTorch: name -> function (x, steps)."""
    import torch

    def repeated(step):
        def chain(x, k):
            with torch.no_grad():
                for _ in range(k):
                    x = step(x)
            return x
        return chain

    ways = {"eager": lambda: by_autograd(model), "jit.script": lambda: by_autograd(torch.jit.script(model)),
            "compile": lambda: by_autograd(torch.compile(model))}
    if net.name != "conv":
        ways["hand"] = lambda: repeated(by_hand(model))
        ways["hand, compile"] = lambda: repeated(torch.compile(by_hand(model)))
    else:
        ways["channels last"] = lambda: by_autograd(model.to(memory_format=torch.channels_last))
    return ways
