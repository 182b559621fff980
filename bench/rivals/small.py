"""Where the work is small and what surrounds it counts: one sample at a time, one question at a time, one process."""
from rows import Row

N, D, K = 10000, 13, 4
REGRESSION = f"""given    x : real[{D}]
predict  y : real
module   G = linear(1)
energy   E(x, y) = sq(y - G(x))
minimize y by exact
learn    energy
optimize by sgd(lr=0.001, batch=1, epochs=1)
"""
# y is a normal code of x: the best y solves (1 + W W') y = W x.
CODE = f"""predict  x : real[{D}]
predict  y : real[{K}]
weight   W : real[{K}, {D}] init normal(0.3)
energy   E(x, y) = 0.5 * sq(x - y @ W) + 0.5 * sq(y)
minimize y by exact
"""
STEP = REGRESSION.replace("batch=1", "batch=128")


def regression(rival, mnist):
    import torch
    torch.manual_seed(0)
    x, y = torch.randn(N, D), torch.randn(N)

    def with_optimiser(change):
        net = torch.nn.Linear(D, 1)
        run, sgd = change(net), torch.optim.SGD(net.parameters(), 1e-3)
        for i in range(N):
            sgd.zero_grad(set_to_none=True)
            ((run(x[i]) - y[i]) ** 2).sum().backward()
            sgd.step()
    return {"autograd": lambda: with_optimiser(lambda net: net), "autograd, jit.script": lambda: with_optimiser(torch.jit.script)}


def code(rival, mnist):
    import torch
    torch.manual_seed(0)
    w, x, eye = 0.3 * torch.randn(K, D), torch.randn(D), torch.eye(K)

    def energy(y):
        return 0.5 * ((x - y @ w) ** 2).sum() + 0.5 * (y ** 2).sum()

    def by_autograd():
        for _ in range(1000):
            y = torch.zeros(K, requires_grad=True)
            slope = torch.autograd.grad(energy(y), y)[0]
            y = torch.linalg.solve(torch.autograd.functional.hessian(energy, y.detach()), -slope)

    def by_hand():
        with torch.inference_mode():
            for _ in range(1000):
                torch.linalg.solve(torch.addmm(eye, w, w.t()), w @ x)
    return {"autograd": by_autograd, "hand": by_hand}


def start(rival, mnist):
    return {"import torch": ["-c", "import torch"]}


ROWS = [Row("one-sample", f"linear regression, {D} features, one sample at a time, a step", "train", REGRESSION,
            [f"normal=x:{N}x{D}", f"normal=y:{N}"], {"torch": 100}, regression, flops=4.0 * D, bytes=4.0 * (D + 1), per=N),
        Row("question", f"best y of a normal code of {D} numbers, one sample", "ask", CODE, [f"normal=x:1x{D}", "ask=y", "times=1000"],
            {"torch": 10}, code, flops=2.0 * K * K * D + 2 * K * D, per=1000),
        Row("start", "start of the process, data read, first training step done, run written", "command", STEP, [], {"torch": 50}, start)]
