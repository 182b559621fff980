"""One epoch of supervised learning on MNIST, stochastic gradient descent, batch 128."""
from rows import Row

NETS = {"mlp": "flatten | linear(500) | relu | linear(Class)",
        "lenet": "conv(6, 5, pad=2) | relu | pool(2) | conv(16, 5, pad=0) | relu | pool(2) | flatten | linear(120) | relu | "
                 "linear(84) | relu | linear(Class)"}
MACS = {"mlp": (392000, 397000), "lenet": (117600, 117600 + 240000 + 48000 + 10080 + 840)}


def model(net):
    return f"""dim      Class = 10
given    x : real[1, 28, 28] in 0..1
predict  y : Class
module   G = {NETS[net]}
energy   E(x, y) = G(x)[y]
minimize    y by exhaustive
marginalize y by exhaustive
learn    nll
optimize by sgd(lr=0.1, batch=128, epochs=1)
data     x = reshape(images, 1, 28, 28) / 255, y = labels
"""


def sides(name):
    def settings(rival, mnist):
        import torch
        import torch.nn as nn
        torch.manual_seed(0)
        x, y = torch.from_numpy(mnist.images()), torch.from_numpy(mnist.labels())

        def build():
            if name == "mlp":
                return nn.Sequential(nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 10))
            return nn.Sequential(nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5),
                                 nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
                                 nn.Linear(84, 10))

        def epoch(net, run):
            sgd = torch.optim.SGD(net.parameters(), 0.1)
            for rows in torch.randperm(len(x)).split(128):
                sgd.zero_grad(set_to_none=True)
                nn.functional.cross_entropy(run(x[rows]), y[rows]).backward()
                sgd.step()

        def go(change):
            def run():
                net = build()
                epoch(net, change(net))
            return run
        kept = []

        def compiled():
            if not kept:
                net = build()
                kept.extend((net, torch.compile(net)))
            epoch(*kept)
        return {"eager": go(lambda net: net), "jit.script": go(torch.jit.script), "compile": compiled}
    return settings


def row(net, needs):
    first, all = MACS[net]
    return Row(f"mnist-{net}", f"MNIST epoch, {'784-500-10' if net == 'mlp' else 'LeNet size'}, SGD, batch 128", "train", model(net),
               ["data=images={images}", "data=labels={labels}"], {"torch": needs}, sides(net), flops=60000 * 2.0 * (3 * all - first),
               bytes=60000.0 * 784)


ROWS = [row("mlp", 1.5), row("lenet", 1.2)]
