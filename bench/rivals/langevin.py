"""Langevin chains: 128 of them, 60 steps, three energies."""
from nets import BATCH, NETS, build, chains
from rows import Row

STEPS = 60


def sides(net):
    def settings(rival, mnist):
        import torch
        torch.manual_seed(0)
        model = build(net)
        for p in model.parameters():
            p.requires_grad_(False)
        x = torch.randn(BATCH, *net.shape)

        def lazily(way):
            made = []

            def go():
                if not made:
                    made.append(way())
                made[0](x, STEPS)
            return go
        return {name: lazily(way) for name, way in chains(net, model).items()}
    return settings


def row(net, needs, times):
    model = f"predict x : real[{net.axes()}]\nmodule f = {net.layers}\nenergy E(x) = f(x)\nsample x by langevin(step=0.01, steps=10)\n"
    return Row(f"langevin-{net.name}", f"Langevin, {STEPS} steps, {BATCH} chains, {net.name}", "sample", model,
               [f"steps={STEPS}", f"times={times}"], {"torch": needs}, sides(net), flops=4 * net.all * BATCH * STEPS)


ROWS = [row(NETS[0], 5, 20), row(NETS[1], 2, 1), row(NETS[2], 1.5, 1)]
