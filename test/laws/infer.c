// Laws of inference: answers equal enumeration, closed forms and quadrature; they depend on nothing but model and question.
#include "infer_help.h"

static const double TIGHT = 1e-10;

static void near(double a, double b, double tol) {
    if (!(fabs(a - b) <= tol * fmax(1, fmax(fabs(a), fabs(b)))))
        print_message("%.17g is not %.17g\n", a, b);
    assert_true(fabs(a - b) <= tol * fmax(1, fmax(fabs(a), fabs(b))));
}

// ---- brute force on small tables: E(x, y, z, w) with x, y, z categories and w two bits

#define TABLE                                                                                      \
    "hyper beta = %s\ndim X = 3, Y = 4, Z = 3, Q = 2\ngiven x : X\npredict y : Y\nlatent z : "     \
    "Z\nlatent w : bit[Q]\n"                                                                       \
    "weight A : real[X, Y]\nweight B : real[Y, Z]\nweight C : real[X, Z]\nweight D : "             \
    "real[Q]\nweight F : real[Z]\n"                                                                \
    "energy E(x, y, z, w) = A[x][y] + B[y][z] + C[x][z] + dot(D, w) * F[z] + w[first(Q)] * "       \
    "w[last(Q)]\n"                                                                                 \
    "minimize x by exhaustive\nminimize y by exhaustive\nmarginalize y by exhaustive\n%s\n"

static double energy_of(const fixture *f, int x, int y, int z, int w) {
    const double *A = numbers(f, "A"), *B = numbers(f, "B"), *C = numbers(f, "C"),
                 *D = numbers(f, "D"), *F = numbers(f, "F");
    int w0 = w / 2, w1 = w % 2;
    return A[x * 4 + y] + B[y * 3 + z] + C[x * 3 + z] + (D[0] * w0 + D[1] * w1) * F[z] + w0 * w1;
}

// kinds: z then w, minimised (m) or summed (s); z is outside w.
static double free_of(const fixture *f, const char *kinds, int x, int y) {
    double beta = f->m->beta, low = INFINITY, sum = 0;
    for (int z = 0; z < 3; z++) {
        double inner = INFINITY, mass = 0;
        for (int w = 0; w < 4; w++) {
            double e = energy_of(f, x, y, z, w);
            inner = fmin(inner, e);
            mass += exp(-beta * e);
        }
        double e = kinds[1] == 'm' ? inner : -log(mass) / beta;
        low = fmin(low, e);
        sum += exp(-beta * e);
    }
    return kinds[0] == 'm' ? low : -log(sum) / beta;
}

static void check_column(fixture *f, const char *asked, const char *given, const double *F,
                         int choices, int64_t row, const nrg_answers *best, const nrg_answers *rank,
                         const nrg_answers *dist) {
    int order[4] = {0, 1, 2, 3};
    double Z = 0;
    (void)asked, (void)given;
    for (int a = 0; a < choices; a++)
        for (int b = a + 1; b < choices; b++)
            if (F[order[b]] < F[order[a]]) {
                int t = order[a];
                order[a] = order[b];
                order[b] = t;
            }
    for (int c = 0; c < choices; c++) Z += exp(-f->m->beta * F[c]);
    assert_true(best->value[row] == order[0]);
    near(best->energy[row], F[order[0]], TIGHT);
    assert_true(best->runner_up[row] == order[1]);
    near(best->runner_up_energy[row], F[order[1]], TIGHT);
    assert_string_equal(best->status[row], "exact");
    for (int c = 0; c < choices; c++) {
        assert_true(rank->value[row * choices + c] == order[c]);
        near(rank->energy[row * choices + c], F[order[c]], TIGHT);
        assert_true(dist->value[c] == c);
        near(dist->energy[row * choices + c], F[c], TIGHT);
        near(dist->p[row * choices + c], exp(-f->m->beta * F[c]) / Z, TIGHT);
    }
    near(dist->free[row], -log(Z) / f->m->beta, TIGHT);
}

static void check_table(const char *beta, const char *verbs, const char *kinds, size_t memory) {
    char text[900];
    snprintf(text, sizeof text, TABLE, beta, verbs);
    fixture f = load(text, NRG_F64);
    for (int swap = 0; swap < 2; swap++) { // y given x, then x given y
        const char *asked = swap ? "x" : "y", *given = swap ? "y" : "x";
        int choices = swap ? 3 : 4, rows = swap ? 4 : 3;
        double held[4] = {0, 1, 2, 3}, F[4];
        put_numbers(&f, given, held, rows);
        nrg_answers best = ask(&f, NRG_BEST, asked, set(&f, given), rows, 1, memory),
                    rank = ask(&f, NRG_RANK, asked, set(&f, given), rows, 2, memory);
        nrg_answers dist = ask(&f, NRG_DIST, asked, set(&f, given), rows, 1, memory);
        if (memory == 1) assert_non_null(strstr(best.how, "in tiles of"));
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < choices; c++)
                F[c] = swap ? free_of(&f, kinds, c, r) : free_of(&f, kinds, r, c);
            check_column(&f, asked, given, F, choices, r, &best, &rank, &dist);
        }
        nrg_answers_free(&best), nrg_answers_free(&rank), nrg_answers_free(&dist);
    }
    drop(&f);
}

static void answers_equal_enumeration(void **state) {
    (void)state;
    check_table("1", "minimize z\nminimize w", "mm", 0);
    check_table("0.5", "minimize z\nminimize w", "mm", 0);
    check_table("2", "marginalize z\nmarginalize w", "ss", 0);
    check_table("0.7", "minimize z\nmarginalize w", "ms", 0);
    check_table("3", "marginalize z\nminimize w", "sm", 0);
    check_table("1", "minimize z, w", "mm", 0);
    check_table("1.5", "marginalize z, w", "ss", 0);
}

static void tiles_change_nothing(void **state) {
    (void)state;
    check_table("1", "minimize z, w", "mm", 1);
    check_table("1.5", "marginalize z, w", "ss", 1);
    check_table("0.7", "minimize z\nmarginalize w", "ms", 1);
    check_table("3", "marginalize z\nminimize w", "sm", 1);
}

// The latents themselves can be asked: codes, and their posterior.
static void latents_can_be_asked(void **state) {
    (void)state;
    char text[900];
    snprintf(text, sizeof text, TABLE, "1.3", "marginalize z\nmarginalize w");
    fixture f = load(text, NRG_F64);
    double x[2] = {2, 0}, y[2] = {1, 3};
    put_numbers(&f, "x", x, 2);
    put_numbers(&f, "y", y, 2);
    nrg_answers a = ask(&f, NRG_DIST, "w", set(&f, "x") | set(&f, "y"), 2, 1, 0);
    assert_int_equal(a.choices, 4);
    assert_int_equal(a.width, 2);
    for (int r = 0; r < 2; r++) {
        double p[4], Z = 0;
        for (int w = 0; w < 4; w++) {
            p[w] = 0;
            for (int z = 0; z < 3; z++)
                p[w] += exp(-1.3 * energy_of(&f, (int)x[r], (int)y[r], z, w));
            Z += p[w];
        }
        for (int w = 0; w < 4; w++) {
            near(a.p[r * 4 + w], p[w] / Z, TIGHT);
            assert_true(a.value[w * 2] == w / 2 && a.value[w * 2 + 1] == w % 2);
        }
    }
    nrg_answers_free(&a);
    drop(&f);
}

static void large_beta_is_the_minimum(void **state) {
    (void)state;
    char text[900];
    double F[2];
    for (int k = 0; k < 2; k++) {
        snprintf(text, sizeof text, TABLE, k ? "1000" : "1",
                 k ? "marginalize z, w" : "minimize z, w");
        fixture f = load(text, NRG_F64);
        double x = 1;
        put_numbers(&f, "x", &x, 1);
        nrg_answers a = ask(&f, NRG_BEST, "y", set(&f, "x"), 1, 1, 0);
        F[k] = a.energy[0];
        nrg_answers_free(&a);
        drop(&f);
    }
    near(F[0], F[1], 0.003); // log(12) / 1000
}

static void constants_change_no_answer(void **state) {
    (void)state;
    double best[2], p[2][4];
    for (int k = 0; k < 2; k++) {
        char text[900], line[] = "energy E(x, y) = A[x][y] + 5.5\n";
        snprintf(text, sizeof text,
                 "dim X = 3, Y = 4\ngiven x : X\npredict y : Y\nweight A : real[X, "
                 "Y]\n%smarginalize y\n",
                 k ? line : "energy E(x, y) = A[x][y]\n");
        fixture f = load(text, NRG_F64);
        double x = 2;
        put_numbers(&f, "x", &x, 1);
        nrg_answers a = ask(&f, NRG_BEST, "y", set(&f, "x"), 1, 1, 0),
                    d = ask(&f, NRG_DIST, "y", set(&f, "x"), 1, 1, 0);
        best[k] = a.value[0];
        memcpy(p[k], d.p, sizeof p[k]);
        nrg_answers_free(&a), nrg_answers_free(&d);
        drop(&f);
    }
    assert_true(best[0] == best[1]);
    for (int c = 0; c < 4; c++) near(p[0][c], p[1][c], 1e-13);
}

// ---- closed forms

static void a_regression_answers_its_line(void **state) {
    (void)state;
    fixture f = load("dim D = 3, M = 2\ngiven x : real[D]\npredict y : real[M]\nmodule G = "
                     "linear(M)\nenergy E(x, y) = 0.5 * sq(y - G(x))\n"
                     "minimize y by exact\n",
                     NRG_F64);
    put_random(&f, "x", 4 * 3, 50);
    const double *x = numbers(&f, "x"), *W = numbers(&f, "G.0.weight"),
                 *b = numbers(&f, "G.0.bias");
    nrg_answers a = ask(&f, NRG_BEST, "y", set(&f, "x"), 4, 1, 0);
    bool first_in = f.m->params.at[0].shape.dim[0] == 3;
    for (int r = 0; r < 4; r++) {
        for (int m = 0; m < 2; m++) {
            double want = b[m];
            for (int d = 0; d < 3; d++)
                want += x[r * 3 + d] * (first_in ? W[d * 2 + m] : W[m * 3 + d]);
            near(a.value[r * 2 + m], want, 1e-12);
        }
        near(a.energy[r], 0, 1e-12);
        assert_string_equal(a.status[r], "exact");
    }
    nrg_answers_free(&a);
    drop(&f);
}

// z* solves (W W') z = W y, here by Cramer's rule.
static void codes_solve_the_normal_equations(void **state) {
    (void)state;
    fixture f = load("dim D = 5, K = 2\npredict y : real[D]\nlatent z : real[K]\nweight W : "
                     "real[K, D]\nenergy E(y, z) = sq(y - z @ W)\n"
                     "minimize z by exact\n",
                     NRG_F64);
    put_random(&f, "y", 6 * 5, 51);
    const double *y = numbers(&f, "y"), *W = numbers(&f, "W");
    nrg_answers a = ask(&f, NRG_BEST, "z", set(&f, "y"), 6, 2, 0);
    double G[4] = {0};
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            for (int d = 0; d < 5; d++) G[i * 2 + j] += W[i * 5 + d] * W[j * 5 + d];
    double det = G[0] * G[3] - G[1] * G[2];
    for (int r = 0; r < 6; r++) {
        double b[2] = {0};
        for (int i = 0; i < 2; i++)
            for (int d = 0; d < 5; d++) b[i] += W[i * 5 + d] * y[r * 5 + d];
        near(a.value[r * 2], (b[0] * G[3] - G[1] * b[1]) / det, 1e-11);
        near(a.value[r * 2 + 1], (G[0] * b[1] - b[0] * G[2]) / det, 1e-11);
    }
    nrg_answers_free(&a);
    drop(&f);
}

// The Gaussian integral against a fine midpoint rule in two dimensions.
static void gaussian_sums_equal_quadrature(void **state) {
    (void)state;
    fixture f = load("hyper beta = 1.7\ndim D = 3, K = 2\npredict y : real[D]\nlatent z : "
                     "real[K]\nweight W : real[K, D]\n"
                     "energy E(y, z) = sq(y - z @ W) + 0.5 * sq(z)\nmarginalize z by exact\n",
                     NRG_F64);
    put_random(&f, "y", 2 * 3, 52);
    const double *y = numbers(&f, "y"), *W = numbers(&f, "W");
    double F[2];
    ok(&f, nrg_energy_of(f.m, f.s, set(&f, "y"), 2, 1, F));
    for (int r = 0; r < 2; r++) {
        double sum = 0, h = 0.02;
        for (double a = -8 + h / 2; a < 8; a += h)
            for (double b = -8 + h / 2; b < 8; b += h) {
                double e = 0.5 * (a * a + b * b);
                for (int d = 0; d < 3; d++) {
                    double g = y[r * 3 + d] - a * W[d] - b * W[3 + d];
                    e += g * g;
                }
                sum += exp(-1.7 * e) * h * h;
            }
        near(F[r], -log(sum) / 1.7, 1e-9);
    }
    nrg_answers a = ask(&f, NRG_DIST, "z", set(&f, "y"), 2, 1, 0);
    double H[3] = {1, 0, 1}; // of E: 2 W W' + 1
    for (int d = 0; d < 3; d++)
        H[0] += 2 * W[d] * W[d], H[1] += 2 * W[d] * W[3 + d], H[2] += 2 * W[3 + d] * W[3 + d];
    near(a.variance[0], H[2] / (H[0] * H[2] - H[1] * H[1]) / 1.7, 1e-12);
    near(a.free[1], F[1], 1e-12);
    nrg_answers_free(&a);
    drop(&f);
}

// Separable and block-diagonal energies take other roads to the same place.
static void blocks_agree_with_the_whole(void **state) {
    (void)state;
    const char *texts[2] = {
        "dim A = 3, B = 2\ngiven x : real[A, B]\npredict y : real[A, B]\nweight Q : real[B, B]\n"
        "energy E(x, y) = 0.5 * sq(y - x) + 0.1 * sq(y @ Q)\nminimize y by exact\n",
        "dim A = 3, B = 2\ngiven x : real[A, B]\npredict y : real[A, B]\nweight Q : real[B, B]\n"
        "energy E(x, y) = 0.5 * sq(y - x) + 0.1 * sq(y @ Q) + 0 * sq(sum(y))\nminimize y by "
        "lbfgs(steps=400, tol=1e-13)\n"};
    double value[2][12];
    for (int k = 0; k < 2; k++) {
        fixture f = load(texts[k], NRG_F64);
        put_random(&f, "x", 12, 53);
        nrg_answers a = ask(&f, NRG_BEST, "y", set(&f, "x"), 2, 1, 0);
        memcpy(value[k], a.value, sizeof value[k]);
        nrg_answers_free(&a);
        drop(&f);
    }
    for (int e = 0; e < 12; e++) near(value[0][e], value[1][e], 1e-8);
}

// ---- grids

static void grids_equal_brute_force(void **state) {
    (void)state;
    fixture f = load("hyper beta = 2\ngiven x : real\npredict y : real in -1..2\nenergy E(x, y) = "
                     "(y^2 - x)^2 + 0.3 * y\n"
                     "minimize y by grid(points=50)\nmarginalize y by grid(points=50)\n",
                     NRG_F64);
    double x[3] = {0.5, -1, 2}, F[50];
    put_numbers(&f, "x", x, 3);
    nrg_answers best = ask(&f, NRG_BEST, "y", set(&f, "x"), 3, 1, 0),
                dist = ask(&f, NRG_DIST, "y", set(&f, "x"), 3, 1, 0);
    for (int r = 0; r < 3; r++) {
        double low = INFINITY, at = 0, sum = 0, cell = 3.0 / 50;
        for (int k = 0; k < 50; k++) {
            double y = -1 + cell * (k + 0.5);
            F[k] = (y * y - x[r]) * (y * y - x[r]) + 0.3 * y;
            if (F[k] < low) low = F[k], at = y;
            sum += exp(-2 * F[k]) * cell;
        }
        near(best.value[r], at, 1e-13);
        near(best.energy[r], low, 1e-12);
        assert_string_equal(best.status[r], "approx");
        near(dist.free[r], -log(sum) / 2, 1e-12);
        for (int k = 0; k < 50; k++) near(dist.p[r * 50 + k], exp(-2 * F[k]) / sum, 1e-12);
    }
    nrg_answers_free(&best), nrg_answers_free(&dist);
    drop(&f);
}

// ---- descent

static void descent_reaches_known_minima(void **state) {
    (void)state;
    const char *valley = "dim P = 2\ngiven a : real\npredict y : real[P]\nenergy E(a, y) = (a - "
                         "y[first(P)])^2 + 20 * (y[last(P)] - y[first(P)]^2)^2\n";
    const char *by[2] = {"minimize y by lbfgs(steps=400, tol=1e-10)\n",
                         "minimize y by gradient(steps=60000, lr=0.002, momentum=0.9, tol=1e-9)\n"};
    for (int k = 0; k < 2; k++) {
        char text[400];
        snprintf(text, sizeof text, "%s%s", valley, by[k]);
        fixture f = load(text, NRG_F64);
        double a[3] = {1, 0.3, -0.8};
        put_numbers(&f, "a", a, 3);
        nrg_answers r = ask(&f, NRG_BEST, "y", set(&f, "a"), 3, 1, 0);
        for (int i = 0; i < 3; i++) {
            near(r.value[i * 2], a[i], 1e-6);
            near(r.value[i * 2 + 1], a[i] * a[i], 1e-6);
            assert_string_equal(r.status[i], "converged");
        }
        nrg_answers_free(&r);
        drop(&f);
    }
}

static void too_few_steps_say_so(void **state) {
    (void)state;
    fixture f =
        load("dim P = 2\ngiven a : real\npredict y : real[P]\nenergy E(a, y) = (a - y[first(P)])^2 "
             "+ 20 * (y[last(P)] - y[first(P)]^2)^2\nminimize y by lbfgs(steps=3)\n",
             NRG_F64);
    double a = 1;
    put_numbers(&f, "a", &a, 1);
    nrg_answers r = ask(&f, NRG_BEST, "y", set(&f, "a"), 1, 1, 0);
    assert_string_equal(r.status[0], "max_steps");
    assert_int_equal(nrg_diag_get(f.c, nrg_diag_count(f.c) - 1)->status, NRG_E081);
    nrg_answers_free(&r);
    drop(&f);
}

// min of |y - t|^2 / 2 + y0 y1 / 2 in a box: active bounds on one side.
static void boxes_hold(void **state) {
    (void)state;
    const char *by[2] = {"lbfgs(steps=200, tol=1e-12)", "gradient(steps=3000, lr=0.2, tol=1e-12)"};
    for (int k = 0; k < 2; k++) {
        char text[400];
        snprintf(text, sizeof text,
                 "dim P = 2\ngiven t : real[P]\npredict y : real[P] in 0..1\nenergy E(t, y) = 0.5 "
                 "* sq(y - t) + 0.5 * y[first(P)] * y[last(P)]\nminimize y by %s\n",
                 by[k]);
        fixture f = load(text, NRG_F64);
        double t[8] = {0.5, 0.6, 3, 0.7, -2, 0.4, 2, -5};
        // inside: y0 + y1/2 = t0, y1 + y0/2 = t1; y0 = 1: y1 = t1 - 1/2; y0 = 0: y1 = t1
        double want[8] = {4.0 / 3 * (0.5 - 0.3), 4.0 / 3 * (0.6 - 0.25), 1, 0.2, 0, 0.4, 1, 0};
        put_numbers(&f, "t", t, 8);
        nrg_answers r = ask(&f, NRG_BEST, "y", set(&f, "t"), 4, 1, 0);
        for (int e = 0; e < 8; e++) near(r.value[e], want[e], 1e-8);
        nrg_answers_free(&r);
        drop(&f);
    }
}

static void several_starts_keep_the_lowest(void **state) {
    (void)state;
    fixture f = load("given t : real\npredict y : real in -2..2\nenergy E(t, y) = (y^2 - 1)^2 + t "
                     "* y\nminimize y by gradient(steps=500, lr=0.05, starts=8)\n",
                     NRG_F64);
    double t[2] = {0.2, -0.2};
    put_numbers(&f, "t", t, 2);
    nrg_answers r = ask(&f, NRG_BEST, "y", set(&f, "t"), 2, 1, 0);
    assert_true(r.value[0] < -0.9 && r.value[1] > 0.9);
    nrg_answers_free(&r);
    drop(&f);
}

// A latent found by descent under a finite answer: loops carry the candidate axis.
static void loops_nest_in_candidates(void **state) {
    (void)state;
    fixture f = load("dim K = 3\ngiven x : real\npredict y : K\nlatent z : real\nweight W : "
                     "real[K]\nenergy E(x, y, z) = (z - x)^2 + (z - W[y])^2 + 0.1 * z^4\n"
                     "minimize y by exhaustive\nminimize z by lbfgs(tol=1e-12)\n",
                     NRG_F64);
    double x[3] = {0.1, -1, 2};
    put_numbers(&f, "x", x, 3);
    nrg_answers r = ask(&f, NRG_RANK, "y", set(&f, "x"), 3, 1, 0);
    const double *W = numbers(&f, "W");
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            double w = W[(int)r.value[i * 3 + k]], z = 0;
            for (int it = 0; it < 100; it++)
                z -= (2 * (z - x[i]) + 2 * (z - w) + 0.4 * z * z * z) / (4 + 1.2 * z * z);
            near(r.energy[i * 3 + k],
                 (z - x[i]) * (z - x[i]) + (z - w) * (z - w) + 0.1 * z * z * z * z, 1e-10);
        }
    nrg_answers_free(&r);
    nrg_answers b =
        ask(&f, NRG_BEST, "z", set(&f, "x"), 3, 1, 0); // y eliminated inside a descent over z
    nrg_answers c = ask(&f, NRG_BEST, "y", set(&f, "x"), 3, 1, 0);
    for (int i = 0; i < 3; i++) assert_true(b.energy[i] >= c.energy[i] - 1e-9);
    nrg_answers_free(&b), nrg_answers_free(&c);
    drop(&f);
}

// ---- gradients: the envelope's, the expectation's, those through unrolled steps, against differences of F

static void gradient_of(fixture *f, nrg_vars data, int64_t n, bool surrogate, size_t memory,
                        double *to) {
    nrg_graph *g;
    nrg_scope *s;
    nrg_inference *i;
    nrg_plan *p;
    nrg_run *r;
    nrg_node F, w, d;
    nrg_infer_options o = {.threads = 1, .batch = n, .memory = memory};
    ok(f, nrg_graph_new(f->c, f->type, &g));
    ok(f, nrg_scope_new(f->m, g, &s));
    ok(f, nrg_inference_new(f->c, s, &o, &i));
    for (int32_t v = 0; v < (int32_t)f->m->vars.n; v++) {
        nrg_shape shape;
        if (!(data >> v & 1)) continue;
        ok(f, nrg_var_shape(f->m, v, &shape));
        nrg_scope_bind(s, v, nrg_input(g, f->m->vars.at[v].name, NRG_SAMPLE, shape));
    }
    ok(f, surrogate ? nrg_infer_surrogate(i, data, &F)
                    : nrg_infer_energy(i, data, 0, NRG_MINIMIZE, &F, NULL));
    w = nrg_scope_param(s, 0);
    ok(f, nrg_grad(g, F, NRG_BAD, &w, 1, &d));
    nrg_plan_spec spec = {.graph = g, .outputs = &d, .outputs_n = 1, .batch = n};
    ok(f, nrg_plan_make(f->c, &spec, &p));
    ok(f, nrg_run_new(f->c, p, 1, &r));
    ok(f, nrg_inference_go(i, f->s, n, 1, 0));
    ok(f, nrg_store_bind(f->s, g, r));
    nrg_run_output(r, 0, to);
    ok(f, nrg_run_go(r, n, 1, 1, 0));
    nrg_run_free(r), nrg_plan_free(p), nrg_inference_free(i), nrg_scope_free(s), nrg_graph_free(g);
}

static double total(fixture *f, nrg_vars data, int64_t n) {
    double F[16], sum = 0;
    ok(f, nrg_energy_of(f->m, f->s, data, n, 1, F));
    for (int64_t i = 0; i < n; i++) sum += F[i];
    return sum;
}

static void check_gradient(const char *verb, bool surrogate, size_t memory, double tol) {
    char text[500];
    const char *domain =
        strstr(verb, "exhaustive") ? "latent z : bit[3]" : "latent z : real[3] in -3..3";
    if (strstr(verb, "exact")) domain = "latent z : real[3]";
    snprintf(text, sizeof text,
             "hyper beta = 1.6\ngiven x : real[4]\n%s\nweight W : real[4, 3]\n"
             "energy E(x, z) = 0.5 * sq(x - W @ z) + 0.3 * sq(z)\n%s\n",
             domain, verb);
    fixture f = load(text, NRG_F64);
    double g[12], h = 1e-5, w[12];
    put_random(&f, "x", 3 * 4, 90);
    gradient_of(&f, set(&f, "x"), 3, surrogate, memory, g);
    memcpy(w, numbers(&f, "W"), sizeof w);
    for (int k = 0; k < 12; k++) {
        double at = w[k], up, down;
        w[k] = at + h, put_numbers(&f, "W", w, 12), up = total(&f, set(&f, "x"), 3);
        w[k] = at - h, put_numbers(&f, "W", w, 12), down = total(&f, set(&f, "x"), 3);
        w[k] = at;
        near(g[k], (up - down) / (2 * h), tol);
    }
    drop(&f);
}

static void gradients_are_those_of_F(void **state) {
    (void)state;
    const char *verbs[] = {"minimize z by exhaustive", "marginalize z by exhaustive",
                           "minimize z by exact", "marginalize z by exact",
                           "marginalize z by grid(points=7)"};
    for (int k = 0; k < 5; k++) {
        check_gradient(verbs[k], false, 0, 1e-7);
        check_gradient(verbs[k], true, 0, 1e-7);
    }
    check_gradient("minimize z by exhaustive", false, 1, 1e-7);
    check_gradient("minimize z by lbfgs(steps=300, tol=1e-12)", false, 0, 1e-7);
    check_gradient("minimize z by gradient(steps=4000, lr=0.1, tol=1e-10)", false, 0, 1e-7);
    check_gradient("minimize z by gradient(steps=3, lr=0.02, momentum=0.5, unroll)", false, 0,
                   1e-7);
}

// ---- starts and domains

static void starts_choose_the_valley(void **state) {
    (void)state;
    const char *from[4] = {"x", "2 * x", "data", "noise(sd=0.1)"};
    for (int k = 0; k < 4; k++) {
        char text[300];
        snprintf(text, sizeof text,
                 "given x : real\npredict y : real\nenergy E(x, y) = (y^2 - 1)^2 + 0.01 * "
                 "x\nminimize y by gradient(steps=400, lr=0.05) from %s\n",
                 from[k]);
        fixture f = load(text, NRG_F64);
        double x[3] = {0.3, -0.4, 0.2};
        put_numbers(&f, "x", x, 3);
        put_numbers(&f, "y", x, 3);
        nrg_answers r = ask(&f, NRG_BEST, "y", set(&f, "x"), 3, 1, 0);
        for (int i = 0; i < 3; i++)
            near(k == 3 ? fabs(r.value[i]) : r.value[i], k == 3 || x[i] > 0 ? 1 : -1, 1e-5);
        if (k == 3) assert_true(r.value[0] == r.value[1]); // the same noise for every question
        nrg_answers_free(&r);
        drop(&f);
    }
}

static void simplex_and_sphere_hold(void **state) {
    (void)state;
    const char *by[2] = {"lbfgs(steps=400)", "gradient(steps=2000, lr=0.1)"};
    for (int k = 0; k < 2; k++) {
        char text[300];
        double t[6] = {0.9, 0.4, -0.2, 0.2, 0.1, 0},
               want[6] = {0.75, 0.25, 0, 0.2 + 0.7 / 3, 0.1 + 0.7 / 3, 0.7 / 3};
        snprintf(text, sizeof text,
                 "given t : real[3]\npredict y : real[3] in simplex\nenergy E(t, y) = sq(y - "
                 "t)\nminimize y by %s\n",
                 by[k]);
        fixture f = load(text, NRG_F64);
        put_numbers(&f, "t", t, 6);
        nrg_answers r = ask(&f, NRG_BEST, "y", set(&f, "t"), 2, 1, 0);
        for (int e = 0; e < 6; e++) near(r.value[e], want[e], 1e-5);
        nrg_answers_free(&r);
        drop(&f);
        snprintf(text, sizeof text,
                 "given t : real[3]\npredict y : real[3] in sphere\nenergy E(t, y) = sq(y - "
                 "t)\nminimize y by %s\n",
                 by[k]);
        f = load(text, NRG_F64);
        put_numbers(&f, "t", t, 6);
        r = ask(&f, NRG_BEST, "y", set(&f, "t"), 2, 1, 0);
        for (int e = 0; e < 6; e++) {
            const double *u = t + e / 3 * 3;
            near(r.value[e], t[e] / sqrt(u[0] * u[0] + u[1] * u[1] + u[2] * u[2]), 1e-5);
        }
        nrg_answers_free(&r);
        drop(&f);
    }
}

// ---- memory: 6,480 poses of an object of 5 classes (models/16), smaller under a sanitizer

#if defined(NRG_STRESS) // arenas of tiny blocks take several times the memory
enum { SIDE = 8, MAPS = 2, LIMIT_MB = 256, TILE_MB = 1 };
#elif defined(__SANITIZE_ADDRESS__)
enum { SIDE = 8, MAPS = 2, LIMIT_MB = 12, TILE_MB = 1 };
#else
enum { SIDE = 32, MAPS = 16, LIMIT_MB = 256, TILE_MB = 64 };
#endif

static void poses_stay_within_memory(void **state) {
    (void)state;
    char text[900];
    snprintf(text, sizeof text,
             "dim H = %d, W = %d, F = %d, Class = 5, Angle = 16, Shift = 9\ngiven x : real[1, H, "
             "W]\npredict y : Class\nlatent a : Angle\nlatent u, v : Shift\n"
             "module feat = conv(F, 5) | relu\nweight ref : real[Class, F, H, W]\nenergy E(x, y, "
             "a, u, v) = sq(feat(x) - rotate(shift(ref[y], u, v), a))\n"
             "minimize y, a, u, v by exhaustive\n",
             SIDE, SIDE, MAPS);
    fixture f = load(text, NRG_F32);
    put_random(&f, "x", SIDE * SIDE, 80);
    size_t before = nrg_mem_used(f.c);
    nrg_answers a = ask(&f, NRG_BEST, "y", set(&f, "x"), 1, 2, (size_t)TILE_MB << 20);
    assert_true(nrg_mem_peak(f.c) - before < (size_t)LIMIT_MB << 20);
    assert_non_null(strstr(a.how, "1296 values"));
    assert_true(a.runner_up_energy[0] > a.energy[0]);
    nrg_answers_free(&a);
    drop(&f);
}

// ---- one elimination inside another

// A descent inside a descent ends where the joint minimum is.
static void loops_nest_in_loops(void **state) {
    (void)state;
    fixture f = load("given x : real\npredict y : real\nlatent z : real\nenergy E(x, y, z) = (z - "
                     "x)^2 + (z - 2 * y)^2 + exp(y) + 0.1 * z^4\n"
                     "minimize y by lbfgs(tol=1e-9)\nminimize z by lbfgs(tol=1e-12)\n",
                     NRG_F64);
    double x[3] = {0.1, -1, 2};
    put_numbers(&f, "x", x, 3);
    nrg_answers r = ask(&f, NRG_BEST, "y", set(&f, "x"), 3, 1, 0);
    for (int i = 0; i < 3; i++) {
        double y = 0, z = 0; // Newton's method on both
        for (int k = 0; k < 200; k++) {
            double gz = 2 * (z - x[i]) + 2 * (z - 2 * y) + 0.4 * z * z * z,
                   gy = -4 * (z - 2 * y) + exp(y);
            double a = 4 + 1.2 * z * z, b = -4, c = 8 + exp(y), det = a * c - b * b;
            z -= (c * gz - b * gy) / det;
            y -= (a * gy - b * gz) / det;
        }
        near(r.value[i], y, 1e-7);
    }
    nrg_answers_free(&r);
    drop(&f);
}

// With z minimised inside, F(y) is not quadratic though E is: the chosen closed form must give way.
static void choices_see_what_is_eliminated(void **state) {
    (void)state;
    fixture f = load("dim D = 2, K = 3\npredict y : real[D]\nlatent z : K\nweight W : real[K, "
                     "D]\nweight b : real[K]\nenergy E(y, z) = sq(y - W[z]) + b[z]\n"
                     "minimize y\nminimize z by exhaustive\n",
                     NRG_F64);
    const double *W = numbers(&f, "W"), *b = numbers(&f, "b");
    nrg_answers a = ask(&f, NRG_BEST, "y", 0, 1, 1, 0);
    bool found = false;
    for (int k = 0; k < 3; k++) // a local minimum: some centre, with its own offset
        found =
            found || (fabs(a.value[0] - W[k * 2]) < 1e-7 &&
                      fabs(a.value[1] - W[k * 2 + 1]) < 1e-7 && fabs(a.energy[0] - b[k]) < 1e-7);
    assert_true(found);
    assert_string_equal(a.status[0], "converged");
    nrg_answers_free(&a);
    drop(&f);
}

// ---- sameness

static void check_same(const char *text, const char *asked, int64_t width, nrg_dtype type,
                       size_t memory) {
    enum { N = 37 };
    fixture f = load(text, type);
    put_random(&f, "x", N * 6, 60);
    nrg_answers all = ask(&f, NRG_BEST, asked, set(&f, "x"), N, 1, memory);
    const int threads[2] = {2, 8};
    for (int k = 0; k < 2; k++) {
        nrg_answers t = ask(&f, NRG_BEST, asked, set(&f, "x"), N, threads[k], memory);
        assert_memory_equal(t.value, all.value, N * (size_t)width * sizeof(double));
        assert_memory_equal(t.energy, all.energy, N * sizeof(double));
        nrg_answers_free(&t);
    }
    for (int64_t i = 0; i < N; i += 9) {
        nrg_buffer whole = *nrg_store_get(f.s, "x"), one = whole;
        nrg_store *alone;
        ok(&f, nrg_store_new(f.c, type, &alone));
        for (uint32_t p = 0; p < f.m->params.n; p++)
            ok(&f, nrg_store_put(alone, f.m->params.at[p].name,
                                 *nrg_store_get(f.s, f.m->params.at[p].name)));
        one.data = (char *)whole.data + (size_t)(i * 6) * nrg_dtype_size(type);
        ok(&f, nrg_store_put(alone, "x", one));
        nrg_ask_spec spec = {.question = NRG_BEST,
                             .var = var(&f, asked),
                             .given = set(&f, "x"),
                             .n = 1,
                             .threads = 1,
                             .seed = 5,
                             .anyway = true,
                             .memory = memory};
        nrg_answers a;
        nrg_status st = nrg_ask(f.m, alone, &spec, &a);
        if (st != NRG_E081) ok(&f, st);
        assert_memory_equal(a.value, all.value + i * width, (size_t)width * sizeof(double));
        assert_true(a.energy[0] == all.energy[i]);
        nrg_answers_free(&a);
        nrg_store_free(alone);
    }
    nrg_answers_free(&all);
    drop(&f);
}

static void an_answer_has_its_bits_anywhere(void **state) {
    (void)state;
    const char *net = "dim D = 6, K = 5\ngiven x : real[D]\npredict y : K\nmodule G = linear(17) | "
                      "tanh | linear(K)\nenergy E(x, y) = G(x)[y]\nminimize y\n";
    const char *deep = "dim D = 6\ngiven x : real[D]\npredict y : real[3]\nmodule G = linear(17) | "
                       "tanh | linear(3)\nenergy E(x, y) = sq(y - G(x)) + sum(exp(y))\n"
                       "minimize y by %s\n";
    char text[500];
    check_same(net, "y", 1, NRG_F32, 0);
    check_same(net, "y", 1, NRG_F64, 0);
    check_same("dim D = 6, K = 5, L = 40\ngiven x : real[D]\npredict y : K\nlatent a, b : "
               "L\nmodule G = linear(9)\nweight U : real[K, L, L, 9]\n"
               "energy E(x, y, a, b) = sq(G(x) - U[y, a, b])\nminimize y\nmarginalize a, b by "
               "exhaustive\n",
               "y", 1, NRG_F32, 200000); // in tiles
    snprintf(text, sizeof text, deep, "lbfgs(steps=60)");
    check_same(text, "y", 3, NRG_F32, 0);
    snprintf(text, sizeof text, deep, "gradient(steps=50, lr=0.05, momentum=0.5, starts=3)");
    check_same(text, "y", 3, NRG_F32, 0);
    check_same("dim D = 6\ngiven x : real[D]\npredict y : real[3]\nweight Q : real[3, 3]\nmodule G "
               "= linear(3)\n"
               "energy E(x, y) = sq(y - G(x)) + sq(y @ Q)\nminimize y by exact\n",
               "y", 3, NRG_F32, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_equal_enumeration),
        cmocka_unit_test(tiles_change_nothing),
        cmocka_unit_test(latents_can_be_asked),
        cmocka_unit_test(large_beta_is_the_minimum),
        cmocka_unit_test(constants_change_no_answer),
        cmocka_unit_test(a_regression_answers_its_line),
        cmocka_unit_test(codes_solve_the_normal_equations),
        cmocka_unit_test(gaussian_sums_equal_quadrature),
        cmocka_unit_test(blocks_agree_with_the_whole),
        cmocka_unit_test(grids_equal_brute_force),
        cmocka_unit_test(descent_reaches_known_minima),
        cmocka_unit_test(too_few_steps_say_so),
        cmocka_unit_test(boxes_hold),
        cmocka_unit_test(several_starts_keep_the_lowest),
        cmocka_unit_test(loops_nest_in_candidates),
        cmocka_unit_test(gradients_are_those_of_F),
        cmocka_unit_test(starts_choose_the_valley),
        cmocka_unit_test(simplex_and_sphere_hold),
        cmocka_unit_test(loops_nest_in_loops),
        cmocka_unit_test(choices_see_what_is_eliminated),
        cmocka_unit_test(poses_stay_within_memory),
        cmocka_unit_test(an_answer_has_its_bits_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
