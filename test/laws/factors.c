// Laws of independent discrete parts: `factors` equals enumeration by plain loops, for values, minimisers and gradients.
#include "infer_help.h"

enum { ROWS = 3 };

static double close_to(double a, double b) { return fabs(a - b) / (1 + fabs(b)); }

// F of the model under two methods, the same weights and data.
static void same_free(const char *text, const char *one, const char *other, const char *data, int64_t width, bool whole) {
    char full[2][2000];
    double F[2][ROWS];
    const char *by[2] = {one, other};
    for (int k = 0; k < 2; k++) {
        snprintf(full[k], sizeof full[k], text, by[k], by[k]);
        fixture f = load(full[k], NRG_F64);
        double x[64];
        for (int64_t i = 0; i < ROWS * width; i++) x[i] = whole ? (double)(i * 7 % 3 % 2) : nrg_random_normal(3, 1, 1, 0, (uint32_t)i);
        put_numbers(&f, data, x, ROWS * width);
        ok(&f, nrg_energy_of(f.m, f.s, set(&f, data), ROWS, 1, F[k]));
        drop(&f);
    }
    for (int r = 0; r < ROWS; r++) {
        print_message("%-12s %.12f   %-12s %.12f\n", one, F[0][r], other, F[1][r]);
        assert_true(close_to(F[0][r], F[1][r]) < 1e-12);
    }
}

#define RBM(beta) "dim V = 5, H = 7\n" beta "predict v : bit[V]\nlatent h : bit[H]\nweight W : real[V, H]\nweight b : real[V]\nweight c : real[H]\n" \
    "energy E(v, h) = -dot(v, b) - dot(h, c) - dot(v, W @ h)\n"

static void rbm(void **state) {
    (void)state;
    same_free(RBM("") "marginalize h by %s", "factors", "exhaustive", "v", 5, true);
    same_free(RBM("") "minimize h by %s", "factors", "exhaustive", "v", 5, true);
    same_free(RBM("hyper beta = 0.4\n") "marginalize h by %s", "factors", "exhaustive", "v", 5, true);
    same_free(RBM("hyper beta = 2.5\n") "minimize h by %s", "factors", "exhaustive", "v", 5, true);
}

// Signs, squares of bits, curved functions of single numbers, two variables at once, masks, categories, places on a grid, ints.
static void other_shapes(void **state) {
    (void)state;
    static const char *const texts[] = {
        "dim V = 3, H = 5\nhyper beta = 1.5\npredict v : real[V]\nlatent h : sign[H]\nweight W : real[V, H]\n"
        "energy E(v, h) = 0.5 * sq(v) - dot(v, W @ h) + 0.3 * sum(softplus(h)) + dot(h, h)\nmarginalize h by %s",
        "dim V = 3, H = 4\npredict v : real[V]\nlatent h : bit[H]\nweight W : real[V, H]\nweight c : real[H]\n"
        "energy E(v, h) = 0.5 * sq(v) + sq(h - (v @ W)) + 2 * sum(i in H: c[i] * h[i] * h[i])\nminimize h by %s",
        "dim V = 3, H = 3, G = 4\npredict v : real[V]\nlatent h : bit[H]\nlatent g : sign[G]\nweight W : real[V, H]\nweight U : real[V, G]\n"
        "energy E(v, h, g) = 0.5 * sq(v) - dot(v, W @ h) - dot(v, U @ g)\nmarginalize h, g by %s",
        "dim V = 3, T = 4, K = 3\npredict v : real[V]\nlatent z : K[T]\nweight A : real[T, K]\nweight B : real[V, K]\n"
        "energy E(v, z) = 0.5 * sq(v) + sum(t in T: A[t, z[t]] + sum(i in V: v[i] * B[i, z[t]]))\nmarginalize z by %s",
        "dim V = 3, P = 2, Q = 3\npredict v : real[V]\nlatent z : bit[P, Q]\nweight A : real[P, Q]\nweight B : real[V]\n"
        "energy E(v, z) = 0.5 * sq(v) - sum(i in P, j in Q: A[i, j] * (z[i, j] != 1)) + 0.5 * sum(p in P, q in Q, i in V: z[p, q] * B[i] * v[i] * A[p, q])\n"
        "marginalize z by %s",
        "dim V = 3, T = 4\npredict v : real[V]\nlatent z : int[T] in -1..2\nweight A : real[V, T]\n"
        "energy E(v, z) = 0.5 * sq(v) + 0.2 * sum(sq(z)) + sum(softplus(z * (v @ A)))\nminimize z by %s",
        "dim V = 3, M = 3, K = 4, D = 2\npredict v : real[V]\nlatent z : K[M]\nweight C : real[K, D]\nweight A : real[V, D]\n"
        "energy E(v, z) = sum(n in M: sq((v @ A) - C[z[n]])) + sq(v)\nmarginalize z by %s"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) same_free(texts[i], "factors", "exhaustive", "v", 3, false);
}

// 2^200 values: the closed form.
static void many_bits(void **state) {
    (void)state;
    enum { H = 200 };
    fixture f = load("dim V = 2, H = 200\nhyper beta = 0.7\npredict v : real[V]\nlatent h : bit[H]\nweight W : real[V, H]\nweight c : real[H]\n"
                     "energy E(v, h) = 0.5 * sq(v) - dot(h, c) - dot(v, W @ h)\nmarginalize h", NRG_F64);
    double v[2] = {0.3, -1.2}, F, truth = 0.5 * (0.3 * 0.3 + 1.2 * 1.2);
    const double *W = numbers(&f, "W"), *c = numbers(&f, "c");
    put_numbers(&f, "v", v, 2);
    ok(&f, nrg_energy_of(f.m, f.s, set(&f, "v"), 1, 1, &F));
    for (int j = 0; j < H; j++) truth -= log1p(exp(0.7 * (c[j] + v[0] * W[j] + v[1] * W[H + j]))) / 0.7;
    assert_true(close_to(F, truth) < 1e-12);
    drop(&f);
}

static void refused(const char *text, nrg_status want, const char *words) {
    fixture f = load(text, NRG_F64);
    double v = 1, F;
    put_numbers(&f, "v", &v, 1);
    assert_int_equal(nrg_energy_of(f.m, f.s, set(&f, "v"), 1, 1, &F), want);
    if (!strstr(nrg_diag_get(f.c, nrg_diag_count(f.c) - 1)->message, words)) show(f.c), fail();
    drop(&f);
}

static void misfits_are_told(void **state) {
    (void)state;
    refused("dim H = 4\npredict v : real\nlatent h : bit[H]\nenergy E(v, h) = v * sum(h) + sq(sum(h))\nmarginalize h by factors", NRG_E026, "independent");
    refused("dim H = 4\npredict v : real\nlatent h : bit[H]\nlatent g : bit[H]\nenergy E(v, h, g) = v * dot(h, g)\nmarginalize h, g by factors", NRG_E026, "independent");
    refused("dim H = 4, K = 3\npredict v : real\nlatent z : K[H]\nweight A : real[K, K]\nenergy E(v, z) = sum((a, b) in chain(H): A[z[a], z[b]] * v)\nmarginalize z by factors", NRG_E026, "independent");
    refused("dim H = 30\npredict v : real\nlatent h : bit[H]\nenergy E(v, h) = v * sum(h) + sq(sum(h))\nmarginalize h", NRG_E071, "meet");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rbm), cmocka_unit_test(other_shapes), cmocka_unit_test(many_bits), cmocka_unit_test(misfits_are_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
