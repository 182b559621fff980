// Laws of the six questions: what they cost, several minima, sums that do not exist, the scale of energies, promises.
#include "infer_help.h"
#include "infer/ask.h"
#include "refuse.h"

static void near(double a, double b, double tol) {
    if (!(fabs(a - b) <= tol * fmax(1, fmax(fabs(a), fabs(b)))))
        print_message("%.17g is not %.17g\n", a, b);
    assert_true(fabs(a - b) <= tol * fmax(1, fmax(fabs(a), fabs(b))));
}

static nrg_status try_ask(fixture *f, nrg_question q, const char *name, const char *given,
                          int64_t n, int minima, bool anyway, nrg_answers *a) {
    nrg_ask_spec spec = {.question = q,
                         .var = var(f, name),
                         .given = given ? set(f, given) : 0,
                         .n = n,
                         .threads = 1,
                         .seed = 5,
                         .minima = minima,
                         .anyway = anyway};
    return nrg_ask(f->m, f->s, &spec, a);
}

// ---- all six questions on a table, against brute force; best costs no more than rank, rank no more than dist

static void six_questions(void **state) {
    (void)state;
    fixture f = load(
        "hyper beta = 1.3\ndim X = 5, Y = 7\ngiven x : X\npredict y : Y\nweight A : real[X, Y]\n"
        "energy E(x, y) = A[x][y]\nminimize x\nminimize y\nmarginalize x\nmarginalize y\n",
        NRG_F64);
    const double *A = numbers(&f, "A");
    for (int swap = 0; swap < 2; swap++) { // about y given x, then about x given y
        const char *asked = swap ? "x" : "y", *given = swap ? "y" : "x";
        int rows = swap ? 7 : 5, choices = swap ? 5 : 7;
        double held[7] = {0, 1, 2, 3, 4, 5, 6};
        nrg_answers a[3];
        put_numbers(&f, given, held, rows);
        for (int q = 0; q < 3; q++)
            ok(&f, try_ask(&f, (nrg_question)q, asked, given, rows, 0, false, &a[q]));
        for (int r = 0; r < rows; r++) {
            double Z = 0, last = -INFINITY;
            int below[7] = {0};
#define F(c) (swap ? A[(c)*7 + r] : A[r * 7 + (c)])
            for (int c = 0; c < choices; c++) {
                Z += exp(-1.3 * F(c));
                for (int d = 0; d < choices; d++) below[c] += F(d) < F(c);
            }
            for (int c = 0; c < choices; c++) {
                int at = (int)a[1].value[r * choices + c];
                assert_true(a[1].energy[r * choices + c] >= last);
                last = a[1].energy[r * choices + c];
                assert_int_equal(below[at], c);
                near(last, F(at), 1e-12);
                near(a[2].p[r * choices + c], exp(-1.3 * F(c)) / Z, 1e-12);
            }
            assert_int_equal(below[(int)a[0].value[r]], 0);
        }
#undef F
        print_message("%s given %s: best %lld, rank %lld, dist %lld energies\n", asked, given,
                      (long long)a[0].energies, (long long)a[1].energies, (long long)a[2].energies);
        assert_int_equal(a[0].energies, rows * choices);
        assert_true(a[0].energies <= a[1].energies && a[1].energies <= a[2].energies);
        for (int q = 0; q < 3; q++) nrg_answers_free(&a[q]);
    }
    drop(&f);
}

// Of a real in closed form best costs one energy, ranking as many as candidates, the density on a grid as many as points.
static void simpler_questions_cost_less(void **state) {
    (void)state;
    fixture f = load("given x : real\npredict y : real in -4..4\nenergy E(x, y) = (y - "
                     "x)^2\nminimize y by lbfgs\n"
                     "marginalize y by grid(points=1000)\n",
                     NRG_F64);
    double x = 0.7, among[3] = {0, 1, 2};
    nrg_answers a[3];
    put_numbers(&f, "x", &x, 1);
    nrg_ask_spec spec = {.question = NRG_RANK,
                         .var = var(&f, "y"),
                         .given = set(&f, "x"),
                         .n = 1,
                         .threads = 1,
                         .among = among,
                         .among_n = 3};
    ok(&f, try_ask(&f, NRG_BEST, "y", "x", 1, 0, false, &a[0]));
    ok(&f, nrg_ask(f.m, f.s, &spec, &a[1]));
    ok(&f, try_ask(&f, NRG_DIST, "y", "x", 1, 0, false, &a[2]));
    near(a[0].value[0], 0.7, 1e-8);
    assert_true(a[0].energies > 1 && a[0].energies <= 201);
    assert_int_equal(a[1].energies, 3);
    assert_int_equal(a[2].energies, 1000);
    for (int q = 0; q < 3; q++) nrg_answers_free(&a[q]);
    drop(&f);
}

// E, E + c and a rising function of E order alike; probabilities see the last one. Without any x the same questions stand.
static void order_survives_rising_functions(void **state) {
    (void)state;
    static const char *const energies[] = {"A[y]", "A[y] + 5", "exp(2 * A[y])"};
    double order[3][6], p[3][6];
    for (int k = 0; k < 3; k++) {
        char text[200];
        nrg_answers rank, dist, best;
        snprintf(text, sizeof text,
                 "dim Y = 6\npredict y : Y\nweight A : real[Y]\nenergy E(y) = %s\nminimize "
                 "y\nmarginalize y\n",
                 energies[k]);
        fixture f = load(text, NRG_F64);
        const double *A = numbers(&f, "A");
        double Z = 0;
        ok(&f, try_ask(&f, NRG_BEST, "y", NULL, 1, 0, false, &best));
        ok(&f, try_ask(&f, NRG_RANK, "y", NULL, 1, 0, false, &rank));
        ok(&f, try_ask(&f, NRG_DIST, "y", NULL, 1, 0, false, &dist));
        memcpy(order[k], rank.value, sizeof order[k]);
        memcpy(p[k], dist.p, sizeof p[k]);
        assert_true(best.value[0] == rank.value[0]);
        for (int c = 0; c < 6; c++) Z += exp(-A[c]);
        for (int c = 0; c < 6; c++)
            if (k == 0) near(p[k][c], exp(-A[c]) / Z, 1e-12);
        nrg_answers_free(&best), nrg_answers_free(&rank), nrg_answers_free(&dist);
        drop(&f);
    }
    assert_memory_equal(order[0], order[1], sizeof order[0]);
    assert_memory_equal(order[0], order[2], sizeof order[0]);
    double off = 0;
    for (int c = 0; c < 6; c++) {
        near(p[0][c], p[1][c], 1e-12);
        off = fmax(off, fabs(p[0][c] - p[2][c]));
    }
    assert_true(off > 0.01);
}

// ---- several minima

// What is listed for each sample equals `want` [n, K] (NaN: fewer), each alone as in the batch.
static void expect_minima(const char *text, int64_t n, const double *t, int K, int width,
                          const double *want, double tol) {
    fixture f = load(text, NRG_F64);
    nrg_answers a;
    put_numbers(&f, "t", t, n);
    nrg_status s = try_ask(&f, NRG_BEST, "y", "t", n, K, false, &a);
    if (s != NRG_E081) ok(&f, s);
    assert_int_equal(a.choices, K);
    for (int64_t i = 0; i < n * K; i++) {
        bool none = isnan(want[i * width]);
        if (none != isnan(a.energy[i])) print_message("%s: place %lld\n", text, (long long)i);
        assert_int_equal(none, isnan(a.energy[i]));
        for (int e = 0; e < width && !none; e++)
            near(a.value[i * width + e], want[i * width + e], tol);
        if (i % K && !none) assert_true(a.energy[i] >= a.energy[i - 1]);
    }
    for (int64_t r = 0; r < n; r++) {
        nrg_answers one;
        put_numbers(&f, "t", t + r, 1);
        s = try_ask(&f, NRG_BEST, "y", "t", 1, K, false, &one);
        if (s != NRG_E081) ok(&f, s);
        assert_memory_equal(one.value, a.value + r * K * width,
                            (size_t)(K * width) * sizeof(double));
        nrg_answers_free(&one);
    }
    nrg_answers_free(&a);
    drop(&f);
}

// A stationary point of (y^2 - 1)^2 + t y from a start, by Newton's method.
static double stationary(double y, double t) {
    for (int k = 0; k < 50; k++) y -= (4 * y * (y * y - 1) + t) / (12 * y * y - 4);
    return y;
}

#define WELLS(domain, by)                                                                          \
    "given t : real\npredict y : real" domain                                                      \
    "\nenergy E(t, y) = (y^2 - 1)^2 + t * y\nminimize y by " by "\n"

static void valleys_are_listed(void **state) {
    (void)state;
    double t[3] = {0.1, -0.1, 0.5}, low[9];
    for (int r = 0; r < 3; r++) {
        low[r * 3] = stationary(t[r] > 0 ? -1 : 1, t[r]);
        low[r * 3 + 1] = stationary(t[r] > 0 ? 1 : -1, t[r]);
        low[r * 3 + 2] = NAN;
    }
    expect_minima(WELLS(" in -2..2", "grid(points=100)"), 3, t, 3, 1, low, 1e-6);
    expect_minima(WELLS("", "lbfgs"), 3, t, 3, 1, low, 1e-6);
    expect_minima(WELLS(" in -2..2", "lbfgs"), 3, t, 3, 1, low, 1e-6);
    double one[2] = {low[0], low[3]}; // the lowest alone
    expect_minima(WELLS("", "lbfgs"), 2, t, 1, 1, one, 1e-6);
}

// Four valleys in the plane; minima at the ends of a range; of a level no more than one.
static void other_valleys(void **state) {
    (void)state;
    double t = 0.1, a = stationary(-1, 0.1), b = stationary(1, 0.1);
    double four[8] = {a, a, NAN, NAN, NAN, NAN, b, b}, ends[3] = {1, -1, NAN}, level[2] = {0, NAN};
    fixture f = load("dim D = 2\ngiven t : real\npredict y : real[D] in -2..2\nenergy E(t, y) = "
                     "sum(d in D: (y[d]^2 - 1)^2 + t * y[d])\n"
                     "minimize y by grid(points=60)\n",
                     NRG_F64);
    nrg_answers r;
    put_numbers(&f, "t", &t, 1);
    ok(&f, try_ask(&f, NRG_BEST, "y", "t", 1, 6, false, &r));
    for (int k = 0; k < 4; k++)
        for (int e = 0; e < 2; e++) {
            if (!isnan(four[2 * k])) near(r.value[2 * k + e], four[2 * k + e], 1e-6);
            near(fabs(r.value[2 * k + e]), fabs(r.value[2 * k + e] < 0 ? a : b), 1e-6);
        }
    assert_true(isnan(r.energy[4]));
    nrg_answers_free(&r);
    drop(&f);
    expect_minima("given t : real\npredict y : real in -1..1\nenergy E(t, y) = 0 - y^2 - t * "
                  "y\nminimize y by grid\n",
                  1, &t, 3, 1, ends, 1e-9);
    expect_minima("given t : real\npredict y : real\nenergy E(t, y) = 1 - exp(-4 * y^2) + 0 * "
                  "t\nminimize y by lbfgs\n",
                  1, &t, 2, 1, level, 1e-6);
    expect_minima(
        "given t : real\npredict y : real\nenergy E(t, y) = (y - t)^2\nminimize y by exact\n", 1,
        &t, 1, 1, &t, 1e-9);
}

// More samples than go together: each has its own valleys.
static void samples_in_pieces(void **state) {
    (void)state;
    enum { N = 20 };
    double t[N];
    fixture f = load("dim D = 2\ngiven t : real\npredict y : real[D] in -2..2\nenergy E(t, y) = "
                     "sum(d in D: (y[d]^2 - 1)^2 + t * y[d])\n"
                     "minimize y by grid(points=20)\n",
                     NRG_F64);
    nrg_answers r;
    for (int i = 0; i < N; i++) t[i] = 0.02 * (i + 1);
    put_numbers(&f, "t", t, N);
    ok(&f, try_ask(&f, NRG_BEST, "y", "t", N, 4, false, &r));
    for (int i = 0; i < N; i++)
        for (int e = 0; e < 2; e++) {
            near(r.value[i * 8 + e], stationary(-1, t[i]), 1e-6);
            near(r.value[i * 8 + 6 + e], stationary(1, t[i]), 1e-6);
        }
    nrg_answers_free(&r);
    drop(&f);
}

// Of finite values: the lowest few.
static void finite_minima_are_a_ranking(void **state) {
    (void)state;
    fixture f = load("dim X = 2, Y = 6\ngiven x : X\npredict y : Y\nweight A : real[X, Y]\nenergy "
                     "E(x, y) = A[x][y]\nminimize y\n",
                     NRG_F64);
    double x[2] = {0, 1};
    nrg_answers few, all;
    put_numbers(&f, "x", x, 2);
    ok(&f, try_ask(&f, NRG_BEST, "y", "x", 2, 3, false, &few));
    ok(&f, try_ask(&f, NRG_RANK, "y", "x", 2, 0, false, &all));
    for (int r = 0; r < 2; r++)
        for (int k = 0; k < 3; k++) {
            assert_true(few.value[r * 3 + k] == all.value[r * 6 + k]);
            assert_true(few.energy[r * 3 + k] == all.energy[r * 6 + k]);
        }
    nrg_answers_free(&few), nrg_answers_free(&all);
    drop(&f);
}

// ---- sums that do not exist

static void expect_growth(const char *beta, const char *type, const char *energy, bool diverges) {
    char text[300];
    snprintf(text, sizeof text,
             "hyper beta = %s\ndim D = 2, Q = 12\npredict y : real%s\nenergy E(y) = %s\nminimize y "
             "by lbfgs\n",
             beta, type, energy);
    for (int k = 0; k < 2; k++) {
        fixture f = load(text, k ? NRG_F32 : NRG_F64);
        nrg_text said = nrg_text_make(f.c);
        nrg_ask_spec spec = {.question = NRG_DIST, .var = var(&f, "y"), .n = 1, .threads = 1};
        bool found;
        ok(&f, nrg_growth_check(f.m, f.s, &spec, &found, &said));
        if (found != diverges)
            print_message("%s with beta %s: %s\n", energy, beta, said.at ? said.at : "");
        assert_int_equal(found, diverges);
        nrg_text_free(&said);
        drop(&f);
    }
}

static void sums_are_looked_for(void **state) {
    (void)state;
    expect_growth("1", "", "y^2", false);
    expect_growth("0.001", "", "abs(y)", false);
    expect_growth("1", "", "1 - exp(-y^2)", true);
    expect_growth("1", "", "0 - y", true);
    expect_growth("1", "", "tanh(y)^2", true);
    expect_growth("1", "", "3 + 0 * y", true);
    expect_growth("1", " in 0..", "y", false);
    expect_growth("1", " in ..0", "y", true);
    expect_growth("1", " in -1..1", "0 - y", false);
    expect_growth("1", "", "log(1 + y^2)", false);     // grows like 2 log r: Cauchy
    expect_growth("0.4", "", "log(1 + y^2)", true);    // 0.8 log r
    expect_growth("1", "[D]", "log(1 + sq(y))", true); // 2 log r in two dimensions: just not
    expect_growth("2", "[D]", "log(1 + sq(y))", false);
    expect_growth("1", "[D]", "sq(y)", false);
    expect_growth("1", "[D]", "(y[first(D)] + y[last(D)])^2", true);
    expect_growth("1", "[Q]", "sq(y)", false);
    expect_growth("1", "[Q]", "sq(y) - 4 * y[first(Q)]^2", true);
}

static bool said(fixture *f, const char *word) {
    bool found = false;
    for (int i = 0; i < nrg_diag_count(f->c); i++) {
        const nrg_diag *d = nrg_diag_get(f->c, i);
        found =
            found || strstr(d->message, word) || strstr(d->facts, word) || strstr(d->help, word);
    }
    return found;
}

static void a_missing_sum_is_refused(void **state) {
    (void)state;
    fixture f = load("given x : real\npredict y : real\nenergy E(x, y) = 1 - exp(-(y - "
                     "x)^2)\nminimize y by lbfgs\n",
                     NRG_F64);
    double x[2] = {0.3, -0.3};
    nrg_answers a;
    put_numbers(&f, "x", x, 2);
    assert_int_equal(try_ask(&f, NRG_DIST, "y", "x", 2, 0, false, &a), NRG_E060);
    assert_true(said(&f, "levels off: 1 at r = 1048576"));
    assert_true(said(&f, "best y, and rank y"));
    nrg_diag_clear(f.c);
    ok(&f, try_ask(&f, NRG_BEST, "y", "x", 2, 0, false, &a));
    for (int r = 0; r < 2; r++) near(a.value[r], x[r], 1e-6);
    nrg_answers_free(&a);
    double among[2] = {0, 1}; // a sum over two values exists
    nrg_ask_spec spec = {.question = NRG_DIST,
                         .var = var(&f, "y"),
                         .given = set(&f, "x"),
                         .n = 2,
                         .threads = 1,
                         .among = among,
                         .among_n = 2};
    ok(&f, nrg_ask(f.m, f.s, &spec, &a));
    near(a.p[0], 1 / (1 + exp((1 - exp(-0.09)) - (1 - exp(-0.49)))), 1e-12);
    nrg_answers_free(&a);
    drop(&f);
}

// A descent that only gets farther away has not converged; one whose minimum is far away has.
static void falling_is_not_converging(void **state) {
    (void)state;
    const struct {
        const char *energy;
        nrg_status want;
    } rows[] = {{"0 - y", NRG_E081},
                {"0 - log(1 + (y - 1)^2)", NRG_E081},
                {"1e-8 * (y - 12345)^2 * (y + 1)^2 ", NRG_OK},
                {"(y - 5000)^2 + 0.1 * abs(y)^3 / 1e4", NRG_OK}};
    for (int k = 0; k < 4; k++) {
        char text[200];
        nrg_answers a;
        snprintf(text, sizeof text,
                 "predict y : real\nenergy E(y) = %s\nminimize y by lbfgs(steps=400)\n",
                 rows[k].energy);
        fixture f = load(text, NRG_F64);
        nrg_status s = try_ask(&f, NRG_BEST, "y", NULL, 1, 0, false, &a);
        if (s != rows[k].want)
            print_message("%s: %d, %g %s\n", rows[k].energy, s, a.value[0], a.status[0]);
        assert_int_equal(s, rows[k].want);
        assert_int_equal(said(&f, "goes on falling"), rows[k].want != NRG_OK);
        assert_int_equal(strcmp(a.status[0], "max_steps") == 0, rows[k].want != NRG_OK);
        nrg_answers_free(&a);
        drop(&f);
    }
}

static void forbidden_answers_are_said(void **state) {
    (void)state;
    fixture f = load("dim Y = 3\ngiven x : bit\npredict y : Y\nenergy E(x, y) = forbid(y == 0 or x "
                     "== 1) + (y == 1)\nminimize y\nmarginalize y\n",
                     NRG_F64);
    double x[2] = {0, 1};
    nrg_answers a;
    put_numbers(&f, "x", x, 2);
    for (int q = 0; q < 3; q++) {
        assert_int_equal(try_ask(&f, (nrg_question)q, "y", "x", 2, 0, false, &a), NRG_E061);
        assert_true(said(&f, "no value of y is allowed for 1 of 2 samples"));
        if (q == 0) assert_true(a.value[0] == 2 && a.energy[0] == 0 && isinf(a.energy[1]));
        nrg_answers_free(&a);
        nrg_diag_clear(f.c);
    }
    ok(&f, try_ask(&f, NRG_DIST, "y", "x", 1, 0, false, &a)); // the first sample alone has two
    assert_true(a.p[0] == 0);
    nrg_answers_free(&a);
    drop(&f);
}

// ---- the scale of energies

// Labels drawn from exp(-truth E): rows of x with y.
static void draw(fixture *f, int64_t n, int choices, double truth, double *x, double *y) {
    const double *A = numbers(f, "A");
    for (int64_t i = 0; i < n; i++) {
        double Z = 0, u = nrg_random_uniform(3, 99, 7, 0, (uint32_t)i), at = 0;
        int row = (int)(i % 4);
        for (int c = 0; c < choices; c++) Z += exp(-truth * A[row * choices + c]);
        x[i] = row, y[i] = 0;
        for (int c = 0; c < choices; c++) {
            at += exp(-truth * A[row * choices + c]) / Z;
            if (u < at) {
                y[i] = c;
                break;
            }
        }
    }
    put_numbers(f, "x", x, n);
    put_numbers(f, "y", y, n);
}

#define SCALED                                                                                     \
    "hyper beta = %s\ndim X = 4, Y = 5, Z = 2\ngiven x : X\npredict y : Y\nweight A : real[X, "    \
    "Y]\n%smarginalize y\nminimize y\nlearn hinge\noptimize by adam\n"

static nrg_calibration calibrated(fixture *f, int64_t n, const double *y) {
    nrg_calibration k;
    nrg_ask_spec spec = {.var = var(f, "y"), .given = set(f, "x"), .n = n, .threads = 1};
    ok(f, nrg_calibrate(f->m, f->s, &spec, y, &k));
    return k;
}

// The slope of the likelihood in beta is 0: the mean energy of the data is the mean energy under the model. Both errors by hand.
static void calibration_is_the_best_likelihood(void **state) {
    (void)state;
    enum { N = 4000 };
    char text[500];
    static double x[N], y[N];
    snprintf(text, sizeof text, SCALED, "1", "energy E(x, y) = A[x][y]\n");
    fixture f = load(text, NRG_F64);
    draw(&f, N, 5, 3, x, y);
    assert_int_equal(nrg_question_allowed(f.m, NRG_DIST, var(&f, "y"), set(&f, "x")), NRG_E060);
    nrg_diag_clear(f.c);
    nrg_calibration k = calibrated(&f, N, y);
    assert_int_equal(nrg_question_allowed(f.m, NRG_DIST, var(&f, "y"), set(&f, "x")), NRG_OK);
    near(f.m->beta, k.beta[1], 0);
    const double *A = numbers(&f, "A");
    for (int after = 0; after < 2; after++) {
        double nll = 0, slope = 0, hits[15] = {0}, sure[15] = {0}, ece = 0;
        for (int i = 0; i < N; i++) {
            const double *F = A + (int)x[i] * 5;
            double Z = 0, mean = 0, top = 0;
            int best = 0;
            for (int c = 0; c < 5; c++) Z += exp(-k.beta[after] * F[c]);
            for (int c = 0; c < 5; c++) {
                double p = exp(-k.beta[after] * F[c]) / Z;
                mean += p * F[c];
                if (p > top) top = p, best = c;
            }
            nll += k.beta[after] * F[(int)y[i]] + log(Z);
            slope += F[(int)y[i]] - mean;
            int bin = (int)ceil(top * 15) - 1;
            hits[bin] += best == (int)y[i];
            sure[bin] += top;
        }
        for (int b = 0; b < 15; b++) ece += fabs(hits[b] - sure[b]) / N;
        near(k.nll[after], nll / N, 1e-10);
        near(k.ece[after], ece, 1e-10);
        if (after) assert_true(fabs(slope / N) < 1e-5);
    }
    print_message("beta %.4f (drawn with 3), ece %.4f -> %.4f\n", k.beta[1], k.ece[0], k.ece[1]);
    assert_true(fabs(k.beta[1] - 3) < 0.3 && k.ece[1] < 0.03 && k.ece[0] > 0.1);
    drop(&f);
}

// Where energies move with beta (a latent summed out) the likelihood is lower close by on both sides.
static void latents_are_summed_at_every_beta(void **state) {
    (void)state;
    enum { N = 400 };
    char text[600];
    static double x[N], y[N];
    snprintf(text, sizeof text, SCALED, "0.5",
             "weight B : real[Y, Z]\nlatent z : Z\nenergy E(x, y, z) = A[x][y] + "
             "B[y][z]\nmarginalize z\n");
    fixture f = load(text, NRG_F64);
    draw(&f, N, 5, 2, x, y);
    nrg_calibration k = calibrated(&f, N, y);
    const double *A = numbers(&f, "A"), *B = numbers(&f, "B");
    double nll[3] = {0}, at[3] = {k.beta[1] * 0.99, k.beta[1], k.beta[1] * 1.01};
    for (int j = 0; j < 3; j++)
        for (int i = 0; i < N; i++) {
            double Z = 0, own = 0;
            for (int c = 0; c < 5; c++) {
                double one = 0;
                for (int z = 0; z < 2; z++)
                    one += exp(-at[j] * (A[(int)x[i] * 5 + c] + B[c * 2 + z]));
                Z += one;
                if (c == (int)y[i]) own = one;
            }
            nll[j] -= log(own / Z) / N;
        }
    near(k.nll[1], nll[1], 1e-10);
    assert_true(nll[1] < nll[0] && nll[1] < nll[2]);
    drop(&f);
}

// A regression in closed form: beta is one over the mean square of the residuals, whatever it was before.
static void a_regression_learns_its_noise(void **state) {
    (void)state;
    enum { N = 50 };
    double x[N], y[N], squares = 0;
    fixture f = load("given x : real\npredict y : real\nenergy E(x, y) = 0.5 * (y - 2 * "
                     "x)^2\nminimize y by exact\n",
                     NRG_F64);
    for (int i = 0; i < N; i++) {
        x[i] = nrg_random_normal(1, 99, 1, 0, (uint32_t)i);
        double r = 0.3 * nrg_random_normal(1, 99, 2, 0, (uint32_t)i);
        y[i] = 2 * x[i] + r;
        squares += r * r / N;
    }
    put_numbers(&f, "x", x, N);
    put_numbers(&f, "y", y, N);
    nrg_calibration k = calibrated(&f, N, y);
    near(k.beta[1], 1 / squares, 1e-5);
    near(k.nll[1], 0.5 * (1 + log(2 * 3.14159265358979323846 * squares)), 1e-9);
    drop(&f);
}

static void calibration_has_its_limits(void **state) {
    (void)state;
    char text[500];
    double x[4] = {0, 1, 2, 3}, y[4], high[4];
    nrg_calibration k;
    snprintf(text, sizeof text, SCALED, "1", "energy E(x, y) = A[x][y]\n");
    fixture f = load(text, NRG_F64);
    const double *A = numbers(&f, "A");
    for (int r = 0; r < 4; r++) {
        y[r] = high[r] = 0;
        for (int c = 1; c < 5; c++) {
            if (A[r * 5 + c] < A[r * 5 + (int)y[r]]) y[r] = c;
            if (A[r * 5 + c] > A[r * 5 + (int)high[r]]) high[r] = c;
        }
    }
    put_numbers(&f, "x", x, 4);
    put_numbers(&f, "y", y, 4);
    nrg_ask_spec spec = {.var = var(&f, "y"), .given = set(&f, "x"), .n = 4, .threads = 1};
    assert_int_equal(nrg_calibrate(f.m, f.s, &spec, y, &k), NRG_E081);
    assert_true(said(&f, "every row is answered rightly"));
    assert_int_equal(nrg_calibrate(f.m, f.s, &spec, high, &k), NRG_E081);
    assert_true(said(&f, "say nothing about y"));
    near(f.m->beta, 1, 0);
    assert_int_equal(f.m->calibrated, 0);
    spec.var = var(&f, "x");
    spec.given = set(&f, "y");
    assert_int_equal(nrg_calibrate(f.m, f.s, &spec, x, &k), NRG_E060); // never compared
    drop(&f);
}

// ---- what is checked without data

static void checks_as(const char *lines, nrg_status want, const char *word) {
    char text[500];
    snprintf(
        text, sizeof text,
        "dim Y = 3\ngiven x : real\npredict y : Y\nlatent v : real in 0..1\nweight W : real[Y]\n"
        "energy E(x, y, v) = x * W[y] + (v - x)^2\n%s\n%s\n",
        strstr(lines, "minimize v") ? "" : "minimize v by lbfgs", lines);
    fixture f = load(text, NRG_F64);
    nrg_status s = nrg_method_check(f.m);
    if (s == NRG_OK) s = nrg_question_promises(f.m);
    if (s != want) show(f.c);
    assert_int_equal(s, want);
    if (word) assert_true(said(&f, word));
    drop(&f);
}

static void promises_and_arguments(void **state) {
    (void)state;
    checks_as("learn hinge(margin=1) against offender\noptimize by adam\nanswer rank y", NRG_OK,
              NULL);
    checks_as("learn hinge(margin=1) against offender\noptimize by adam\nanswer dist y", NRG_E060,
              "nrg calibrate y");
    checks_as("learn nll(y | x)\noptimize by adam\nanswer dist y given x", NRG_OK, NULL);
    checks_as("learn nll(y | x)\noptimize by adam\nanswer best x", NRG_E060, "best x");
    checks_as("minimize v by grid(points=0)", NRG_E013, "points of grid is 0");
    checks_as("minimize v by lbfgs(steps=2.5)", NRG_E013, "steps of lbfgs is 2.5");
    checks_as("minimize v by gradient(steps=5, lr=0.1, momentum=1)", NRG_E013, "momentum");
    checks_as("minimize v by gradient(lr=0.1 -> 0.01, unroll)", NRG_OK, NULL);
}

// ---- memory

static nrg_status story(nrg_ctx *c, int which) {
    static const char *const texts[] = {
        "given x : real\npredict y : real\nenergy E(x, y) = (y^2 - 1)^2 + 0.1 * x * y\nminimize y "
        "by gradient(steps=5, starts=3)\n",
        "given x : real\npredict y : real in -2..2\nenergy E(x, y) = (y^2 - 1)^2 + 0.1 * x * "
        "y\nminimize y by grid(points=9)\n",
        "given x : real\npredict y : real\nenergy E(x, y) = (y - x)^2\nminimize y by exact\n",
        "dim Y = 3\ngiven x : real\npredict y : Y\nenergy E(x, y) = 0 - x * (y == 1)\nminimize "
        "y\n"};
    nrg_model *m = NULL;
    nrg_store *s = NULL;
    void *x, *y;
    nrg_status st = nrg_lang_load(c, "t", texts[which], strlen(texts[which]), NULL, &m);
    if (st == NRG_OK) st = nrg_store_new(c, NRG_F64, &s);
    if (st == NRG_OK) st = nrg_model_resolve(m, NRG_F64);
    if (st == NRG_OK) st = nrg_store_make(s, "x", 2, &x);
    if (st == NRG_OK) st = nrg_store_make(s, "y", 2, &y);
    if (st == NRG_OK) {
        double truth[2] = {1, 0};
        nrg_calibration k;
        nrg_ask_spec spec = {.var = nrg_model_var(m, "y"),
                             .given = (nrg_vars)1 << nrg_model_var(m, "x"),
                             .n = 2,
                             .threads = 1};
        ((double *)x)[0] = 1, ((double *)x)[1] = 1;
        ((double *)y)[0] = 1;
        nrg_answers a = {0};
        spec.minima = 2;
        if (which < 2) {
            st = nrg_ask(m, s, &spec, &a);
            if (st == NRG_E081) st = NRG_OK;
            nrg_answers_free(&a);
        } else {
            spec.minima = 0;
            st = nrg_calibrate(m, s, &spec, truth, &k);
            spec.question = NRG_DIST;
            if (st == NRG_OK) st = nrg_ask(m, s, &spec, &a);
            nrg_answers_free(&a);
        }
    }
    nrg_store_free(s);
    nrg_model_free(m);
    return st;
}

static void memory_may_be_refused_anywhere(void **state) {
    (void)state;
    for (int k = 0; k < 4; k++) {
        nrg_status st = NRG_E098;
        for (long n = 0; st != NRG_OK; n += n < 60 ? 1 : n / 6) {
            quota q = {.left = n};
            nrg_ctx *c = nrg_ctx_new(limited, &q);
            st = c ? story(c, k) : NRG_E098;
            if (st != NRG_OK && st != NRG_E098)
                print_message("request %ld of story %d: status %d\n", n, k, st), show(c);
            assert_true(st == NRG_OK || st == NRG_E098);
            nrg_ctx_free(c);
            assert_int_equal(q.live, 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(six_questions),
        cmocka_unit_test(simpler_questions_cost_less),
        cmocka_unit_test(order_survives_rising_functions),
        cmocka_unit_test(valleys_are_listed),
        cmocka_unit_test(other_valleys),
        cmocka_unit_test(samples_in_pieces),
        cmocka_unit_test(finite_minima_are_a_ranking),
        cmocka_unit_test(sums_are_looked_for),
        cmocka_unit_test(a_missing_sum_is_refused),
        cmocka_unit_test(falling_is_not_converging),
        cmocka_unit_test(forbidden_answers_are_said),
        cmocka_unit_test(calibration_is_the_best_likelihood),
        cmocka_unit_test(latents_are_summed_at_every_beta),
        cmocka_unit_test(a_regression_learns_its_noise),
        cmocka_unit_test(calibration_has_its_limits),
        cmocka_unit_test(promises_and_arguments),
        cmocka_unit_test(memory_may_be_refused_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
