"""Contrastive training steps: a batch of 128, as many persistent chains moved by 20 Langevin steps, Adam."""
from nets import BATCH, NETS, build, chains
from rows import Row

STEPS, BUFFER, RATE = 20, 10000, 1e-4


def sides(net, updates):
    def settings(rival, mnist):
        import torch
        torch.manual_seed(0)
        data = torch.randn(updates * BATCH, *net.shape)

        def whole(name):
            model = build(net)
            made = []

            def go():
                if not made:
                    made.append(chains(net, model)[name]())
                start = torch.randn(BUFFER, *net.shape)
                adam = torch.optim.Adam(model.parameters(), RATE)
                for i in range(updates):
                    rows = torch.randint(BUFFER, (BATCH,))
                    x = start[rows]
                    fresh = torch.rand(BATCH) < 0.05
                    x[fresh] = torch.randn(int(fresh.sum()), *net.shape)
                    for p in model.parameters():
                        p.requires_grad_(False)
                    x = made[0](x, STEPS).detach()
                    for p in model.parameters():
                        p.requires_grad_(True)
                    start[rows] = x
                    loss = model(data[i * BATCH:(i + 1) * BATCH]).mean() - model(x).mean()
                    adam.zero_grad(set_to_none=True)
                    loss.backward()
                    adam.step()
            return go
        return {name: whole(name) for name in chains(net, build(net))}
    return settings


def row(net, needs, updates):
    model = f"""predict  x : real[{net.axes()}]
module   f = {net.layers}
energy   E(x) = f(x)
sample   x by langevin(steps={STEPS}, step=0.01) from buffer({BUFFER}, restart=5%)
learn    nll
optimize by adam(lr={RATE}, batch={BATCH}, epochs=1)
"""
    shape = "x".join(map(str, (updates * BATCH, *net.shape)))
    flops = BATCH * updates * (4 * net.all * STEPS + 2 * 2 * (3 * net.all - net.first))
    return Row(f"contrastive-{net.name}", f"contrastive training step, {STEPS} Langevin steps, batch {BATCH}, {net.name}", "train", model,
               [f"normal=x:{shape}"], {"torch": needs}, sides(net, updates), flops=flops / updates, per=updates)


ROWS = [row(NETS[0], 5, 200), row(NETS[1], 2, 20), row(NETS[2], 1.5, 5)]
