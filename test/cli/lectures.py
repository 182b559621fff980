"""The lectures' demonstrations: trains the models of examples/lectures and checks what their pictures show."""
import csv
import io
import math
import os
import subprocess
import tempfile

NRG, ROOT = os.environ["NRG"], os.environ["NRG_ROOT"]
HERE = os.path.join(ROOT, "examples", "lectures")


def nrg(*args, code=0):
    r = subprocess.run([NRG, *args], capture_output=True, text=True)
    assert r.returncode == code, f"nrg {' '.join(args)}: exit {r.returncode}, expected {code}\n{r.stderr}"
    return r


def train(model, data, n=400):
    path = f"{data}.npz"
    nrg("data", "make", data, "-n", str(n), "--seed", "1", "-o", path, "--overwrite")
    return nrg("train", os.path.join(HERE, model + ".nrg"), "--data", path, "--seed", "1", "--quiet", "-o", model).stderr


def table(rows, *names):
    with open("points.csv", "w") as f:
        f.write(",".join(names) + "\n")
        for r in rows:
            f.write(",".join(repr(v) for v in r) + "\n")
    return "points.csv"


def column(text, name):
    return [float(r[name]) for r in csv.DictReader(io.StringIO(text))]


def energy(run, points):
    return column(nrg("energy", run, "--data", table(points, "x", "y"), "--quiet").stdout, "energy")


def best(run, xs):
    return column(nrg("ask", "best", "y", run, "--data", table([[x] for x in xs], "x"), "--quiet").stdout, "answer")


XS = [i / 10 for i in range(-9, 10)]
SQUARE = [(x, y / 10) for x in XS for y in range(-4, 15)]


def near(run, tolerance):
    worst = max(abs(y - x * x) for x, y in zip(XS, best(run, XS)))
    assert worst < tolerance, f"{run}: the lowest energy is {worst} away from x^2, expected within {tolerance}"


def lowest_on_grid(run, x, lo, hi, n=261):
    """Local minima of F(x, y) along y, the lowest first."""
    ys = [lo + (hi - lo) * i / (n - 1) for i in range(n)]
    F = energy(run, [(x, y) for y in ys])
    return sorted((F[i], ys[i]) for i in range(1, n - 1) if F[i] <= F[i - 1] and F[i] < F[i + 1])


def square():
    train("d1_square_a_energy", "parabola")
    near("d1_square_a_energy", 0.03)
    said = train("d2_square_b_collapse", "parabola")
    assert "W101" in said and "W106" in said, said
    flat = energy("d2_square_b_collapse", SQUARE)
    assert max(flat) - min(flat) < 0.15, f"the collapsed sheet spans {min(flat)} to {max(flat)}"
    assert "W106" not in train("d3_square_b_margin", "parabola")
    near("d3_square_b_margin", 0.06)
    F = energy("d3_square_b_margin", [(x, x * x) for x in XS])
    assert sum(F) / len(F) < 0.12, f"the valley of square-square lies {sum(F) / len(F)} high"
    wrong = energy("d3_square_b_margin", [(x, x * x + s * 0.3) for x in XS for s in (-1, 1)])
    assert max(F) < min(wrong), f"right answers up to {max(F)}, wrong ones from {min(wrong)}"
    assert "W106" not in train("d4_square_b_nll", "parabola")
    near("d4_square_b_nll", 0.1)


def two_answers():
    train("d5_eye_nll", "eye")
    for x in (-0.6, -0.3, 0.0, 0.3, 0.6):
        y = 0.5 * math.cos(math.pi / 2 * x)
        up, down, middle = energy("d5_eye_nll", [(x, y), (x, -y), (x, 0.0)])
        assert max(up, down) < 0.1 * middle, f"eye at x = {x}: {up} and {down} on the arcs, {middle} between them"
    train("branches", "branches")
    for x in (0.2, 0.4, 0.6, 0.8):
        found = sorted(y for _, y in lowest_on_grid("branches", x, -1.3, 1.3)[:2])
        assert len(found) == 2, f"branches at x = {x}: only {found}"
        worst = max(abs(found[0] + x**0.5), abs(found[1] - x**0.5))
        assert worst < 0.05, f"branches at x = {x}: {found}, expected -/+ {x**0.5}"
        assert min(abs(best("branches", [x])[0] - y) for y in found) < 0.02
    train("branches_regressor", "branches")
    worst = max(abs(y) for y in best("branches_regressor", [0.2, 0.4, 0.6, 0.8]))
    assert worst < 0.15, f"the regressor answers up to {worst}: neither root, and not their mean"


def surfaces():
    train("d7_quadratic", "parabola")
    train("d7_saturated", "parabola")
    pairs = zip(best("d7_quadratic", XS), best("d7_saturated", XS))
    worst = max(abs(a - b) for a, b in pairs)
    assert worst < 0.02, f"quadratic and saturated energies differ by {worst} in their answers"
    far = energy("d7_saturated", [(0.0, 50.0)]) + energy("d7_quadratic", [(0.0, 50.0)])
    assert far[0] <= 1 and far[1] > 1000, far
    r = nrg("ask", "dist", "y", "d7_saturated", "--given", "x=0.5", code=5)
    assert "E060" in r.stderr


def spirals():
    for model in ("d8_kmeans_spiral", "d8_pca_spiral"):
        train(model, "spiral")
        nrg("plot", "landscape", model, "y[0]", "y[1]", "--data", "spiral.npz", "--range", "0..0.5", "--title", model,
            "-o", model + ".png")
    nrg("plot", "panels", "d8_kmeans_spiral.png", "d8_pca_spiral.png", "-o", "page.png")
    with open("page.png", "rb") as f:
        head = f.read(24)
    assert head[:4] == b"\x89PNG" and int.from_bytes(head[16:20], "big") == 2 * (760 + 8) + 8, head
    assert "E091" in nrg("plot", "panels", "page.png", "-o", "page.png", code=2).stderr
    assert "E053" in nrg("plot", "panels", "spiral.npz", "-o", "other.png", code=4).stderr
    assert "E090" in nrg("plot", "panels", "page.png", "-o", "page.svg", code=2).stderr


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    square()
    two_answers()
    surfaces()
    spirals()
print("lectures: all as shown")
