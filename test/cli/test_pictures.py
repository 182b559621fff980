#!/usr/bin/env python3
"""nrg plot slice, samples, traces, confusion and nrg report: the numbers drawn are the model's, wrong words are refused,
pages stand alone and are well-formed."""
import collections
import html.parser
import json
import re
import shutil
import unittest

import kit

WELL = "given   x : real\npredict y : real\nenergy  E(x, y) = 4 * sq(sq(y) - 1) + 0.3 * x * y\n"


def sets(path):
    """The data sets of a picture's .dat: lists of rows of numbers."""
    return [[[float(v) for v in line.split()] for line in block.splitlines() if line.strip()]
            for block in path.read_text().replace("?", "nan").rstrip("\n").split("\n\n\n")]


class Page(html.parser.HTMLParser):
    """Fails on a tag that is not closed; keeps the texts and the addresses."""
    VOID = {"meta", "img", "br", "link"}

    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.words = [], [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.sources += [v for k, v in attrs if k in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        self.words.append(data)


@unittest.skipUnless(kit.GNUPLOT, "no gnuplot here")
class Pictures(kit.Case):
    def test_slice_of_a_real(self):
        self.write("w.nrg", WELL)
        self.write("w.csv", "x,y\n1,0.5\n-2,1.1\n3,9\n")
        data = ("--data", "x=w.csv:x", "--data", "y=w.csv:y")
        self.assertEqual(self.nrg("plot", "slice", "w.nrg", "y", *data, "--row", "0,1,2", "--x", "-2..2", "-o", "s.png").stdout, "s.png\n")
        first, second, third, lowest, mark = sets(self.folder / "s.dat")
        energy = lambda x, y: 4 * (y * y - 1) ** 2 + 0.3 * x * y
        for x, line in ((1, first), (-2, second), (3, third)):
            self.assertEqual(len(line), 400)
            for y, F in line:
                self.assertAlmostEqual(F, energy(x, y), delta=1e-4 * (1 + abs(F)))
        self.assertEqual([line.index(min(line, key=lambda p: p[1])) for line in (first, second, third)],
                         [min(range(400), key=lambda i: abs(line[i][0] - low[0])) for line, low in zip((first, second, third), lowest)])
        self.assertAlmostEqual(mark[0][0], 0.5)
        self.assertAlmostEqual(mark[0][1], energy(1, 0.5), delta=1e-3)
        self.assertTrue(mark[2][0] != mark[2][0], "y = 9 lies outside the range: no mark")
        self.nrg("plot", "slice", "w.nrg", "y", "--given", "x=0", "-o", "g.svg")
        self.refused("plot", "slice", "w.nrg", "y", *data, "--row", 3, code=2, says="the data have 3 rows")
        self.refused("plot", "slice", "w.nrg", "y", code=4, says="no value for x")
        self.refused("plot", "slice", "w.nrg", "y[0]", "--given", "x=0", "--row", 1, code=2, says="1 rows")

    def test_slice_of_labels(self):
        self.trained()
        self.nrg("plot", "slice", "run", "y", "--data", "moons.npz", "--row", "0,7", "-o", "s.png")
        rows = kit.table(self.nrg("ask", "rank", "y", "run", "--data", "moons.npz", "--quiet").stdout)
        bars = sets(self.folder / "s.dat")
        for place, row in enumerate((0, 7)):
            want = {r["answer"]: float(r["energy"]) for r in rows if r["sample"] == str(row)}
            for (_, F), label in zip(bars[place], ("left", "right")):
                self.assertAlmostEqual(F, want[label], places=4)
            self.assertAlmostEqual(bars[2][place][1], min(want.values()), places=4)
        self.assertIn("'left' 0, 'right' 1", (self.folder / "s.gp").read_text())
        self.nrg("plot", "slice", "run", "x[1]", "--data", "moons.npz", "-o", "x.svg")

    def test_words_that_are_refused(self):
        self.trained()
        more = ("--data", "moons.npz", "-o", "p.png")
        for args, code, says in ((("slice", "run", "y", "--row", "1,"), 2, "--row"), (("slice", "run", "y", "--row", "-1"), 2, "--row"),
                                 (("slice", "run", "y", "--row", "9" * 30), 2, "--row"), (("slice", "run", "y", "--row", "200"), 2, "200 rows"),
                                 (("slice", "run", "y", "--row", ",".join("0" * 13)), 2, "at most 12"),
                                 (("slice", "run", "x"), 2, "2 numbers"), (("slice", "run", "x[2]"), 2, "2 numbers"),
                                 (("slice", "run", "x["), 2, "2 numbers"), (("slice", "run", "x[1]z"), 2, "2 numbers"),
                                 (("slice", "run", "x[99999999999999999999]"), 2, "2 numbers"), (("slice", "run", "Y"), 3, "unknown variable"),
                                 (("slice", "run"), 2, "one variable"), (("landscape", "run", "x[0]", "x[1]", "--row", "200"), 2, "200 rows"),
                                 (("landscape", "run", "x[0]", "x[1]", "--row", "-1"), 2, "--row"),
                                 (("confusion", "run", "x"), 2, "a category"), (("confusion", "run", "y", "x"), 2, "one category"),
                                 (("samples", "run", "Y"), 3, "unknown variable"), (("slices", "run", "y"), 2, "did you mean 'slice'"),
                                 (("slice", "run", "y", "--title", "x" * 10, "--points", "1"), 2, "--points")):
            with self.subTest(args=args):
                self.refused("plot", *args, *more, code=code, says=says)
        self.refused("plot", "confusion", "run", "-o", "p.png", code=2, says="data are needed")
        self.refused("plot", "slice", "run", "y", "--data", "moons.npz", "-o", "a\nb.png", code=2, says="control characters")
        self.nrg("plot", "slice", "run", "y", "--data", "moons.npz", "--title", "it's\n`x` {/Bold", "-o", "p.png")
        self.refused("plot", "slice", "run", "y", *more, code=2, says="exists already")

    def test_confusion(self):
        self.trained()
        self.nrg("plot", "confusion", "run", "--data", "moons.npz", "-o", "c.svg")
        got = kit.table(self.nrg("ask", "best", "y", "run", "--data", "moons.npz", "--quiet").stdout)
        self.nrg("data", "info", "moons.npz")
        truth = self.labels("moons.npz")
        want = collections.Counter((t, ("left", "right").index(r["answer"])) for t, r in zip(truth, got))
        cells = {(1 - int(c[1]), int(c[0])): int(c[3]) for c in sum(sets(self.folder / "c.dat"), [])}
        self.assertEqual({k: n for k, n in cells.items() if n}, dict(want))
        wrong = sum(n for (t, a), n in want.items() if t != a)
        self.assertIn(f"{wrong} of 200 wrong", (self.folder / "c.gp").read_text())

    def labels(self, name):
        """Column label of the built-in data, by nrg's own text of all rows."""
        text = self.nrg("data", "info", name, "--rows", 200).stdout
        return [int(m) for m in re.findall(r"label (\d)", text)]


@unittest.skipUnless(kit.GNUPLOT, "no gnuplot here")
class Draws(kit.Case):
    def setUp(self):
        super().setUp()
        self.write("w.nrg", WELL)

    def test_histogram(self):
        self.write("w.csv", "x,y\n" + "".join(f"{i / 20 - 2},{1 if i % 3 else -1}\n" for i in range(80)))
        data = ("--data", "x=w.csv:x", "--data", "y=w.csv:y", "--quiet")
        self.nrg("plot", "samples", "w.nrg", *data, "-o", "h.png")
        for bins in sets(self.folder / "h.dat"):
            self.assertAlmostEqual(sum(h for _, h in bins) * (bins[1][0] - bins[0][0]), 1, places=5)
        self.nrg("plot", "samples", "w.nrg", *data, "--row", 5, "-n", 64, "-o", "r.svg")
        self.assertEqual(sets(self.folder / "r.dat")[0], [[1.0, 0.0]])  # row 5 has y = 1
        self.refused("plot", "samples", "w.nrg", *data, "--row", 80, code=2, says="80 rows")

    def test_labels(self):
        self.trained()
        self.nrg("plot", "samples", "run", "--data", "moons.npz", "-o", "y.png", "--quiet")
        data, draws = sets(self.folder / "y.dat")
        self.assertEqual([x for x, _ in data], [-1.0, 0.0, 1.0, 2.0])  # one bar a label, an empty one on either side
        self.assertAlmostEqual(sum(h for _, h in draws), 1, places=5)
        self.assertLess(abs(data[1][1] - draws[1][1]), 0.25)

    def test_points_and_tiles(self):
        self.write("p.nrg", "predict x : real[2]\nenergy E(x) = 0.5 * sum(x * x)\n")
        self.write("p.csv", "a,b\n" + "1,2\n" * 30)
        self.write("d.nrg", "dim A = 5, B = 4\npredict x : real[A, B]\nenergy E(x) = 0.5 * sum(x * x)\n")
        self.write("v.nrg", "predict x : real[16]\nenergy E(x) = 0.5 * sum(x * x)\n")
        self.nrg("plot", "samples", "p.nrg", "--data", "p.csv", "-n", 50, "-o", "none.svg", "--quiet", code=4)
        self.nrg("plot", "samples", "p.nrg", "-n", 50, "-o", "p.svg", "--quiet")
        self.assertEqual(len(sets(self.folder / "p.dat")[0]), 50)
        for model, more in (("d.nrg", ()), ("v.nrg", ()), ("v.nrg", ("--tile", "2x8"))):
            self.nrg("plot", "samples", model, *more, "-n", 9, "-o", "t.png", "--quiet", "--overwrite")
            self.assertEqual((self.folder / "t.png").read_bytes()[:4], b"\x89PNG")
        self.refused("plot", "samples", "v.nrg", "--tile", "3x8", "-o", "u.png", "--quiet", code=2, says="do not fit")
        self.refused("plot", "samples", "v.nrg", "--tile", "x", "-o", "u.png", code=2, says="HEIGHTxWIDTH")
        self.refused("plot", "samples", "v.nrg", "-o", "u.svg", "--quiet", code=2, says=".png")
        self.write("five.nrg", "predict x : real[5]\nenergy E(x) = 0.5 * sum(x * x)\n")
        self.nrg("plot", "samples", "five.nrg", "-o", "five.svg", "--quiet")
        self.assertEqual(len(sets(self.folder / "five.dat")), 5)

    def test_traces(self):
        self.nrg("sample", "w.nrg", "--given", "x=0", "-n", 64, "--chains", 4, "-o", "d.npz", "--quiet")
        self.nrg("sample", "w.nrg", "--given", "x=0", "-n", 64, "--chains", 4, "-o", "d.csv", "--quiet")
        said = self.nrg("sample", "w.nrg", "--given", "x=0", "-n", 64, "--chains", 4).stderr
        self.nrg("plot", "traces", "d.npz", "-o", "t.png")
        rows = kit.table((self.folder / "d.csv").read_text())
        lines = sets(self.folder / "t.dat")
        self.assertEqual(len(lines), 8)
        for chain in range(4):
            want = [float(r["y"]) for r in rows if r["chain"] == str(chain)]
            for (_, got), y in zip(lines[chain], want):
                self.assertAlmostEqual(got, y, places=6)
        rhat = [float(v) for v in re.findall(r"R-hat ([0-9.]+)", (self.folder / "t.gp").read_text())]
        worst = float(re.search(r"worst R-hat ([0-9.]+)", said).group(1))
        self.assertAlmostEqual(max(rhat), worst, delta=0.002)
        self.nrg("plot", "samples", "d.npz", "-o", "s.svg")
        self.refused("plot", "traces", "d.npz", "--row", 1, "-o", "u.png", code=2, says="draws for 1 rows")
        self.refused("plot", "traces", "d.npz", "z", "-o", "u.png", code=3, says="no variable 'z'")

    def test_files_that_are_no_draws(self):
        for text, what, code, says in (("y\n1\n2\n", "traces", 4, "chain and draw"), ("chain,draw\n0,0\n", "traces", 4, "no draws of a variable"),
                                       ("chain,draw,y\n0,0,1\n0,-1,2\n", "traces", 4, "no places"), ("chain,draw,y\n0,0,1\n1e5,1e8,2\n", "traces", 4, "missing"),
                                       ("chain,draw,y\n0,0,1\n0.5,1,2\n", "traces", 4, "no places"), ("y\nnan\n", "samples", 6, "no draw of y"),
                                       ("y\n", "samples", 4, "")):
            with self.subTest(text=text):
                self.write("f.csv", text)
                self.refused("plot", what, "f.csv", "-o", "u.png", code=code, says=says)
        self.refused("plot", "samples", "none.npz", "-o", "u.png", code=4, says="E053")


class Report(kit.Case):
    def page(self, path="report.html"):
        text = (self.folder / path).read_text()
        page = Page(text)
        for address in page.sources:
            self.assertRegex(address[:30], r"^data:image/(png|svg\+xml);base64,")
        self.assertNotRegex(text, r"https?://")
        return page, " ".join(" ".join(page.words).split())

    def test_a_finished_run(self):
        self.trained()
        self.assertEqual(self.nrg("report", "run", "--data", "moons.npz").stdout, "report.html\n")
        page, words = self.page()
        self.assertEqual(len(page.sources), 3 if kit.GNUPLOT else 0)  # losses, landscape, confusion
        figures = kit.table(self.nrg("eval", "run", "--data", "moons.npz").stdout)[0]
        for name, value in figures.items():
            self.assertIn(name, words)
            self.assertIn(f"{float(value):.6g}" if len(value) > 8 else value, words)
        for part in ("Training is done", "module G = linear(8) | tanh | linear(Class)", "marginalize y by exhaustive", "all by adam(lr=0.02",
                     "Learn statement 1: good", "best x no", "dist y yes", "plan marginalize y by exhaustive (2 values)", "learn nll"):
            self.assertIn(part, words)
        log = (self.folder / "run" / "log.csv").read_text().splitlines()
        self.assertIn(f"{float(log[-1].split(',')[3]):.6g}", words)
        self.refused("report", "run", code=2, says="exists already")
        self.nrg("report", "run", "--overwrite")
        self.assertIn("Without data", self.page()[1])
        self.refused("report", "run", "-o", "r.pdf", code=2, says=".html")
        self.refused("report", code=2, says="which run")
        self.refused("report", "run", "--data", "none.npz", "-o", "r.html", code=4, says="E053")
        self.write("bad.csv", "x,y\n1,left\n")
        self.refused("report", "run", "--data", "bad.csv", "-o", "r.html", code=4, says="E05")
        self.assertFalse((self.folder / "r.html").exists())

    def test_escaping(self):
        name = "a<b>&'\"c"
        self.trained("-o", name, model=kit.CLASSIFIER.replace("dim ", "# <script>alert(1)</script> & more\ndim "))
        self.nrg("report", name, "-o", "r.html")
        page, words = self.page("r.html")
        self.assertIn(name, words)
        self.assertNotIn("<script", (self.folder / "r.html").read_text())

    def test_unfinished_runs(self):
        self.trained()
        run = self.folder / "run"
        about = json.loads((run / "run.json").read_text())
        for f in run.glob("*.safetensors"):
            f.unlink()
        for status, says in (("running", "killed, or it is still going on"), ("interrupted", "interrupted"), ("E080", "a number is no longer finite")):
            (run / "run.json").write_text(json.dumps(dict(about, status=status)))
            self.nrg("report", "run", "--data", "moons.npz", "--overwrite")
            words = self.page()[1]
            self.assertIn("This run has no weights", words)
            self.assertIn(says, words)
            self.assertEqual("epochs made" in words, status != "running")  # run.json does not know it while training runs
        (run / "log.csv").write_text("step,epoch\n")
        self.nrg("report", "run", "--overwrite")
        self.assertIn("there are no losses", self.page()[1])
        (run / "log.csv").unlink()
        self.nrg("report", "run", "--overwrite")
        self.assertIn("No losses", self.page()[1])

    def test_damaged_runs(self):
        self.trained()
        run, copy = self.folder / "run", self.folder / "copy"
        for name, text, code, says in (("run.json", "", 4, "malformed"), ("run.json", "[1]", 4, "not an object"), ("run.json", "{" * 5000, 4, "malformed"),
                                       ("run.json", "{}", 0, "no status"), ("run.json", '{"status": 7, "plan": [], "seed": "x"}', 0, "no status"),
                                       ("best.safetensors", "xxxx", 4, "E05"), ("log.csv", "\0\1,\n" * 50, 0, ""), ("log.csv", "a\n" + "," * 4000, 0, "")):
            with self.subTest(name=name, text=text[:20]):
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(run, copy)
                (copy / name).write_text(text)
                got = self.nrg("report", "copy", "--overwrite", code=code)
                self.assertIn(says, got.stderr if code else self.page()[1])
        shutil.rmtree(copy)
        copy.mkdir()
        self.refused("report", "copy", "-o", "r.html", code=4, says="no run.json")
        self.refused("report", "moons.npz", "-o", "r.html", code=4, says="not a run folder")
        self.refused("report", "nothing", "-o", "r.html", code=4, says="nothing of that name")


if __name__ == "__main__":
    kit.main()
