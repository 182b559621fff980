// The parts of the classical machines against plain loops and differences: kernels and their norm, loops unfolded in time,
// the modules of the lectures.
#include "world.h"

enum { N = 2 };

static double sigma(double x) { return 1 / (1 + exp(-x)); }

// ---- recurrent layers

enum { T = 5, D = 3, H = 4 };

// a[k] = sum of x[i] w[i, k] + b[k], b NULL: none
static void product(const double *x, const double *w, const double *b, int n, int m, double *a) {
    for (int k = 0; k < m; k++) {
        a[k] = b ? b[k] : 0;
        for (int i = 0; i < n; i++) a[k] += x[i] * w[i * m + k];
    }
}

// States of one sample by the textbook's lines.
static void states(world *w, const char *layer, const double *x, int len, double *out) {
    const double *W = world_find(w, "f.0.weight"), *U = world_find(w, "f.0.recurrent"), *b = world_find(w, "f.0.bias");
    const double *inner = world_find(w, "f.0.inner");
    int gates = layer[0] == 'r' ? 1 : layer[0] == 'g' ? 3 : 4;
    double h[H] = {0}, c[H] = {0}, a[4 * H], u[4 * H];
    for (int t = 0; t < len; t++) {
        product(x + t * D, W, b, D, gates * H, a);
        product(h, U, NULL, H, gates * H, u);
        for (int k = 0; k < H; k++) {
            if (gates == 1) h[k] = tanh(a[k] + u[k]);
            if (gates == 3) {
                double r = sigma(a[k] + u[k]), z = sigma(a[H + k] + u[H + k]);
                h[k] = (1 - z) * tanh(a[2 * H + k] + r * (u[2 * H + k] + inner[k])) + z * h[k];
            }
            if (gates == 4) {
                c[k] = sigma(a[H + k] + u[H + k]) * c[k] + sigma(a[k] + u[k]) * tanh(a[2 * H + k] + u[2 * H + k]);
                h[k] = sigma(a[3 * H + k] + u[3 * H + k]) * tanh(c[k]);
            }
            out[t * H + k] = h[k];
        }
    }
}

static world recurrent(const char *layer, const char *lets) {
    char text[400];
    snprintf(text, sizeof text, "dim T = ..5, D = 3, H = 4\ngiven x : real[T, D]\nmodule f = %s(H)\nlet r = f(x)\n%s", layer, lets);
    world w = world_open(text, "x", N);
    world_give(&w, "length:T", N, (double[]){3, 5});
    return w;
}

static void layers(void **state) {
    (void)state;
    static const char *const names[] = {"rnn", "gru", "lstm"};
    for (int k = 0; k < 3; k++) {
        world w = recurrent(names[k], "");
        nrg_value v;
        int64_t count;
        double *r = world_value(&w, "r", &v, &count), want[T * H];
        same_type(&w, &v.type, "real[T, H]", names[k]);
        assert_int_equal(count, N * T * H);
        for (int s = 0; s < N; s++) {
            int len = s ? 5 : 3;
            states(&w, names[k], world_find(&w, "x") + s * T * D, len, want);
            for (int i = 0; i < len * H; i++) assert_true(near(r[s * T * H + i], want[i], 1e-12));
        }
        free(r);
        world_close(&w);
    }
}

// ---- gradients against differences: the let `e`, one number a sample, with respect to the named input

static double total(world *w, nrg_node e) {
    double r[N], *to = r, sum = 0;
    world_run(w, &e, 1, &to);
    for (int s = 0; s < N; s++) sum += r[s];
    return sum;
}

static void against_differences(world *w, const char *name) {
    nrg_value v = world_eval(w, "e");
    nrg_node x = NRG_BAD, d;
    for (uint32_t i = 0; i < nrg_input_count(w->g); i++)
        if (nrg_same(nrg_input_name(w->g, i), name)) x = nrg_input_at(w->g, i);
    assert_true(x.i != 0);
    assert_int_equal(nrg_grad(w->g, v.node, NRG_BAD, &x, 1, &d), NRG_OK);
    const nrg_node_info *i = nrg_graph_node(w->g, x);
    int64_t n = nrg_shape_count(&i->shape) * (i->leads & NRG_SAMPLE ? N : 1);
    double *g = calloc((size_t)n, sizeof *g), most = 0;
    assert_non_null(g);
    world_run(w, &d, 1, &g);
    double *at = world_find(w, name);
    for (int64_t k = 0; k < n; k++) {
        double was = at[k], step = 1e-5;
        at[k] = was + step;
        double up = total(w, v.node);
        at[k] = was - step;
        double down = total(w, v.node);
        at[k] = was;
        if (!near(g[k], (up - down) / (2 * step), 1e-7)) print_message("%s[%d]: %g, differences say %g\n", name, (int)k, g[k], (up - down) / (2 * step));
        assert_true(near(g[k], (up - down) / (2 * step), 1e-7));
        most = fmax(most, fabs(g[k]));
    }
    assert_true(most > 1e-4);
    free(g);
}

static void through_time(void **state) {
    (void)state;
    static const char *const names[] = {"rnn", "gru", "lstm"};
    static const char *const arrays[] = {"f.0.weight", "f.0.recurrent", "f.0.bias", "x", "f.0.inner"};
    for (int k = 0; k < 3; k++) { // the last state of each sample, and all of them
        world w = recurrent(names[k], "let e = sq(r[last(T)]) + sum(r)\n");
        for (int i = 0; i < (k == 1 ? 5 : 4); i++) against_differences(&w, arrays[i]);
        world_close(&w);
    }
}

// What lies in the padding changes nothing before it, and gets no gradient.
static void padding(void **state) {
    (void)state;
    world w = recurrent("gru", "let e = sq(r[last(T)]) + sum(r)\n");
    nrg_value v = world_eval(&w, "e");
    double before = total(&w, v.node), *x = world_find(&w, "x");
    for (int i = 3 * D; i < T * D; i++) x[i] = 1e3;
    assert_true(total(&w, v.node) == before);
    world_close(&w);
}

static void scans(void **state) {
    (void)state;
    world w = world_open("dim T = 5, D = 3, H = 4\ngiven x : real[T, D]\ngiven s : real[H]\nweight W : real[D, H]\nweight U : real[H, H]\n"
                         "module G(h, u) = tanh(u @ W + h @ U)\nlet r = scan(G, s, x)\nlet e = sum(sq(r[last(T)]))\n", "x, s", N);
    nrg_value v;
    int64_t count;
    double *r = world_value(&w, "r", &v, &count), a[H], u[H];
    same_type(&w, &v.type, "real[T, H]", "scan");
    for (int n = 0; n < N; n++) {
        const double *h = world_find(&w, "s") + n * H;
        for (int t = 0; t < T; t++) {
            product(world_find(&w, "x") + (n * T + t) * D, world_find(&w, "W"), NULL, D, H, a);
            product(h, world_find(&w, "U"), NULL, H, H, u);
            for (int k = 0; k < H; k++) assert_true(near(r[(n * T + t) * H + k], tanh(a[k] + u[k]), 1e-12));
            h = r + (n * T + t) * H;
        }
    }
    free(r);
    static const char *const arrays[] = {"x", "s", "W", "U"};
    for (int i = 0; i < 4; i++) against_differences(&w, arrays[i]);
    world_close(&w);
}

// A category comes in, the state is one number: the parity of a word.
static void scan_categories(void **state) {
    (void)state;
    world w = world_open("dim T = 4, V = {a, b}\ngiven w : V[T]\nmodule flip(s, u) = (u == V.b) * (1 - s) + (u == V.a) * s\n"
                         "let r = scan(flip, 0, w)\n", "w", N);
    static const double word[N * 4] = {0, 1, 1, 1, 1, 0, 0, 1}, want[N * 4] = {0, 1, 0, 1, 1, 1, 1, 0};
    world_give(&w, "w", N * 4, word);
    nrg_value v;
    int64_t count;
    double *r = world_value(&w, "r", &v, &count);
    same_type(&w, &v.type, "real[T]", "scan of words");
    for (int i = 0; i < N * 4; i++) assert_true(r[i] == want[i]);
    free(r);
    world_close(&w);
}

static void refused(const char *text, nrg_status want, const char *says) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_model *m = NULL;
    nrg_status st = nrg_lang_load(c, "t.nrg", text, strlen(text), NULL, &m);
    assert_int_equal(st == NRG_OK ? nrg_model_check_types(m) : st, want);
    bool found = false;
    for (int i = 0; i < nrg_diag_count(c); i++) found |= strstr(nrg_diag_get(c, i)->message, says) != NULL;
    if (!found) print_message("nobody says '%s'\n", says);
    assert_true(found);
    nrg_model_free(m);
    nrg_ctx_free(c);
}

static void refusals(void **state) {
    (void)state;
    refused("dim T = 3, H = 2\ngiven x : real[T, H]\nmodule G(s, u) = sum(u)\nlet r = scan(G, x, x)\nenergy E(x) = sum(r)\n", NRG_E037,
            "turns the state");
    refused("dim T = 3\ngiven x : real[T]\nmodule G = linear(1)\nenergy E(x) = sum(scan(G, 0, x))\n", NRG_E042, "two inputs");
    refused("dim D = 3\ngiven x : real[D]\nmodule f = rnn(4)\nenergy E(x) = sum(f(x))\n", NRG_E041, "a sequence");
    refused("dim D = 3\ngiven x : real[D]\nmodule k = kernel(cubic) | linear(1)\nenergy E(x) = k(x)\n", NRG_E037, "gaussian");
}

// ---- kernels

static double bump(const double *a, const double *b, int n, double gamma) {
    double d = 0;
    for (int i = 0; i < n; i++) d += (a[i] - b[i]) * (a[i] - b[i]);
    return exp(-gamma * d);
}

static world machine(int64_t rows) {
    world w = world_open("dim D = 3\nhyper g = 0.7 in 0..\ngiven x : real[D]\nmodule k = kernel(gaussian, gamma=g) | linear(2)\nlet r = k(x)\n"
                         "let e = rkhs(k)\n", "x", N);
    w.m->rows = rows;
    return w;
}

static void kernels(void **state) {
    (void)state;
    enum { K = 6 };
    world w = machine(K);
    double *r = world_numbers(&w, "r"), *x = world_find(&w, "x"), *mid = world_find(&w, "k.0.centre");
    const nrg_param *p = NULL;
    const double *c = NULL, *b = NULL;
    for (uint32_t i = 0; i < w.m->params.n; i++) {
        const nrg_param *q = &w.m->params.at[i];
        if (q->fixed) p = q;
        else if (q->bias) b = world_find(&w, q->name);
        else c = world_find(&w, q->name);
    }
    assert_non_null(p);
    assert_int_equal(p->shape.dim[0], K);
    assert_int_equal(p->rows_of, 0);
    for (int s = 0; s < N; s++)
        for (int o = 0; o < 2; o++) {
            double want = b[o];
            for (int k = 0; k < K; k++) want += c[k * 2 + o] * bump(x + s * D, mid + k * D, D, 0.7);
            assert_true(near(r[s * 2 + o], want, 1e-12));
        }
    free(r);
    world_close(&w);
}

// One matrix, and one that is made tile by tile: the form and its gradient.
static void norms(void **state) {
    (void)state;
    static const int64_t sizes[] = {5, 2100};
    for (int q = 0; q < 2; q++) {
        int64_t n = sizes[q];
        world w = machine(n);
        free(world_numbers(&w, "r"));
        nrg_value v = world_eval(&w, "e");
        nrg_node at = NRG_BAD, out[2] = {v.node};
        const char *name = NULL;
        for (uint32_t i = 0; i < w.m->params.n; i++)
            if (!w.m->params.at[i].fixed && !w.m->params.at[i].bias) name = w.m->params.at[i].name, at = nrg_scope_param(w.s, i);
        assert_int_equal(nrg_grad(w.g, v.node, NRG_BAD, &at, 1, &out[1]), NRG_OK);
        double form, *d = calloc((size_t)n * 2, sizeof *d), *to[2] = {&form, d}, want = 0;
        assert_non_null(d);
        world_run(&w, out, 2, to);
        const double *c = world_find(&w, name), *mid = world_find(&w, "k.0.centre");
        for (int64_t i = 0; i < n; i++) {
            double Kc[2] = {0};
            for (int64_t j = 0; j < n; j++)
                for (int o = 0; o < 2; o++) Kc[o] += bump(mid + i * D, mid + j * D, D, 0.7) * c[j * 2 + o];
            for (int o = 0; o < 2; o++) {
                want += c[i * 2 + o] * Kc[o];
                assert_true(near(d[i * 2 + o], 2 * Kc[o], 1e-9));
            }
        }
        assert_true(near(form, want, 1e-9));
        free(d);
        world_close(&w);
    }
}

// ---- the lectures' modules, as printed: W x, tanh and sigmoid with bias, Euclidean cost; gradients of weights and inputs

static void modules(void **state) {
    (void)state;
    world w = world_open("dim D = 3, H = 4\ngiven x : real[D]\npredict y : real[H]\nweight W : real[H, D]\nweight B : real[H]\nweight V : real[H, H]\n"
                         "weight A : real[H]\nmodule lin(u) = W @ u\nmodule tanhm(u) = tanh(u + B)\nmodule sigm(u) = sigmoid(V @ u + A)\n"
                         "module euclid(a, b) = 0.5 * sq(a - b)\nlet e = euclid(sigm(tanhm(lin(x))), y)\n", "x, y", N);
    nrg_value v = world_eval(&w, "e");
    double r[N], *to = r;
    world_run(&w, &v.node, 1, &to);
    const double *x = world_find(&w, "x"), *y = world_find(&w, "y"), *W = world_find(&w, "W"), *B = world_find(&w, "B");
    const double *V = world_find(&w, "V"), *A = world_find(&w, "A");
    for (int s = 0; s < N; s++) {
        double h[H], want = 0;
        for (int k = 0; k < H; k++) {
            h[k] = B[k];
            for (int d = 0; d < D; d++) h[k] += W[k * D + d] * x[s * D + d];
            h[k] = tanh(h[k]);
        }
        for (int k = 0; k < H; k++) {
            double a = A[k];
            for (int j = 0; j < H; j++) a += V[k * H + j] * h[j];
            want += 0.5 * (sigma(a) - y[s * H + k]) * (sigma(a) - y[s * H + k]);
        }
        assert_true(near(r[s], want, 1e-13));
    }
    static const char *const arrays[] = {"W", "B", "V", "A", "x", "y"};
    for (int i = 0; i < 6; i++) against_differences(&w, arrays[i]);
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(layers),          cmocka_unit_test(through_time), cmocka_unit_test(padding),
                                       cmocka_unit_test(scans),           cmocka_unit_test(scan_categories), cmocka_unit_test(refusals),
                                       cmocka_unit_test(kernels),         cmocka_unit_test(norms),        cmocka_unit_test(modules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
