// Small work against ref, the same bits however it is shared: products of few rows, columns or terms, of any strides, with weights that
// live in reused memory; rows that repeat; a row for each sample; sums of updates whose group is one pass.
#include "runs.h"

enum { IN = 5, OUT = 12 };

typedef struct {
    nrg_graph *g;
    int64_t n;
    nrg_node in[IN], out[OUT];
    int outs;
    double *value[IN], *want[OUT];
} world;

static uint32_t seed;
static int64_t draw(int64_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (int64_t)(seed >> 8) % n;
}

static int64_t numbers(const world *w, nrg_node x) {
    return nrg_node_count(w->g, x) * (nrg_graph_node(w->g, x)->leads & NRG_SAMPLE ? w->n : 1);
}

static nrg_node input(world *w, int i, nrg_leads leads, int64_t a, int64_t b) {
    w->in[i] = nrg_input(w->g, (const char *[]){"x", "w", "v", "b", "s"}[i], leads, nrg_shape_of(2, (int64_t[]){a, b}));
    int64_t count = numbers(w, w->in[i]);
    assert_non_null(w->value[i] = malloc(((size_t)count + 1) * sizeof(double)));
    for (int64_t k = 0; k < count; k++) w->value[i][k] = (double)(float)((double)draw(2000) / 1000 - 1);
    return w->in[i];
}

static nrg_node width(world *w, nrg_node a, int64_t m, int64_t k, int64_t n) { // a constant beside one row: no product
    nrg_node ones = nrg_expand(w->g, nrg_const(w->g, -2.5), nrg_shape_of(2, (int64_t[]){m, 1}), NRG_SAMPLE);
    return nrg_mul(w->g, nrg_matmul(w->g, ones, nrg_slice(w->g, a, 0, draw(k), 1, 1), false, false, 0), nrg_const(w->g, (double)n));
}

static void make(world *w, nrg_dtype type, int64_t n, int64_t m, int64_t k, int64_t cols) {
    memset(w, 0, sizeof *w);
    GO(nrg_graph_new(C, type, &w->g));
    w->n = n;
    nrg_graph *g = w->g;
    nrg_node x = input(w, 0, NRG_SAMPLE, m, k), a = nrg_tanh(g, input(w, 1, 0, k, cols)), t = nrg_sin(g, input(w, 2, 0, cols, k)),
             b = input(w, 3, 0, 1, cols), s = input(w, 4, NRG_SAMPLE, m, 1);
    nrg_node y = nrg_matmul(g, x, a, false, false, 0), z = nrg_matmul(g, x, t, false, true, 0);
    nrg_node u = nrg_add(g, nrg_mul(g, nrg_sigmoid(g, nrg_add(g, y, b)), s), b), d = nrg_sub(g, u, z);
    int64_t from = draw(k), left = draw(k - from) + 1;
    nrg_node part = nrg_matmul(g, nrg_slice(g, x, 1, from, left, 1), nrg_slice(g, a, 0, from, left, 1), false, false, 0);
    nrg_node back = nrg_matmul(g, d, a, false, true, 0), grad = nrg_matmul(g, x, d, true, false, NRG_SAMPLE);
    nrg_node bias = nrg_reduce(g, NRG_OP_sum, d, 1, NRG_SAMPLE, true), norm = nrg_sum_all(g, nrg_square(g, grad));
    nrg_node step = nrg_mul(g, grad, nrg_const(g, 0.1)), fine = nrg_lt(g, norm, nrg_const(g, 1e30));
    nrg_node slow = nrg_add(g, nrg_mul(g, a, nrg_const(g, 0.9)), nrg_mul(g, step, nrg_const(g, 0.1)));
    nrg_node out[] = {y, u, d, part, back, width(w, a, m, k, cols), bias, norm, nrg_select(g, fine, nrg_sub(g, w->in[1], step), w->in[1]),
                      nrg_select(g, fine, slow, a), grad};
    w->outs = (int)(sizeof out / sizeof *out);
    for (int i = 0; i < w->outs; i++) {
        w->out[i] = out[i];
        assert_non_null(w->want[i] = calloc((size_t)numbers(w, out[i]) + 1, sizeof(double)));
    }
    GO(nrg_graph_check(g));
    GO(nrg_ref_eval(C, g, n, (const double *const *)w->value, 7, 3, w->out, w->outs, w->want));
}

static void run(const world *w, int64_t batch, int64_t slice, int threads, nrg_cpu_level level, void **to) {
    nrg_dtype type = nrg_graph_type(w->g);
    nrg_plan_spec spec = {.graph = w->g, .outputs = w->out, .outputs_n = w->outs, .batch = batch, .slice = slice};
    nrg_plan *p;
    nrg_run *r;
    void *in[IN];
    GO(nrg_plan_make(C, &spec, &p));
    GO(nrg_run_new(C, p, threads, &r));
    nrg_run_level(r, level);
    for (int i = 0; i < IN; i++) {
        in[i] = typed(type, w->value[i], numbers(w, w->in[i]));
        nrg_run_bind(r, w->in[i], (nrg_buffer){in[i], buffer_type(type), NULL});
    }
    for (int i = 0; i < w->outs; i++) nrg_run_output(r, i, to[i]);
    for (int again = 0; again < 2; again++) GO(nrg_run_go(r, w->n, 1, 7, 3));
    for (int i = 0; i < IN; i++) free(in[i]);
    nrg_run_free(r);
    nrg_plan_free(p);
}

static void room(const world *w, void **to) {
    for (int i = 0; i < w->outs; i++) assert_non_null(to[i] = calloc((size_t)numbers(w, w->out[i]) + 1, sizeof(double)));
}

// Near ref: sums of at most `terms` products of numbers below about 3.
static void near(const world *w, void *const *got, int64_t terms) {
    bool wide = nrg_graph_type(w->g) == NRG_F64;
    for (int i = 0; i < w->outs; i++)
        for (int64_t k = 0; k < numbers(w, w->out[i]); k++) {
            double x = wide ? ((double *)got[i])[k] : (double)((float *)got[i])[k], y = w->want[i][k];
            if (!(fabs(x - y) <= (wide ? 1e-14 : 1e-6) * (double)(terms + 8) * (3 + fabs(y))))
                fail_msg("output %d, number %d: %.17g, ref %.17g", i, (int)k, x, y);
        }
}

static void same(const world *w, void *const *a, void *const *b, const char *what) {
    size_t size = nrg_graph_type(w->g) == NRG_F64 ? sizeof(double) : sizeof(float);
    for (int i = 0; i < w->outs; i++)
        if (memcmp(a[i], b[i], (size_t)numbers(w, w->out[i]) * size)) fail_msg("%s: output %d differs", what, i);
}

static void one(nrg_dtype type, int64_t n, int64_t m, int64_t k, int64_t cols) {
    world w;
    void *a[OUT], *b[OUT];
    make(&w, type, n, m, k, cols);
    room(&w, a), room(&w, b);
    for (int64_t batch = 1; batch <= n; batch += n > 1 ? n - 1 : 1) {
        run(&w, batch, 4, 1, NRG_CPU_BEST, a);
        near(&w, a, n * m * (k + 1));
        static const nrg_cpu_level levels[] = {NRG_CPU_PORTABLE, NRG_CPU_AVX2, NRG_CPU_AVX512};
        for (int l = 0; l < 3; l++) {
            if (!nrg_cpu_kernels(levels[l])) continue;
            run(&w, batch, 4, 1, levels[l], b);
            same(&w, a, b, nrg_cpu_kernels(levels[l])->name);
        }
        for (int threads = 2; threads <= 8; threads += 6) {
            run(&w, batch, 4, threads, NRG_CPU_BEST, b);
            same(&w, a, b, "threads");
        }
    }
    for (int i = 0; i < w.outs; i++) free(a[i]), free(b[i]), free(w.want[i]);
    for (int i = 0; i < IN; i++) free(w.value[i]);
    nrg_graph_free(w.g);
}

static void small_products_equal_ref(void **state) {
    (void)state;
    static const int64_t sizes[] = {1, 2, 3, 5, 12, 13, 16, 17, 33, 64, 70, 130};
    for (int i = 0; i < 60; i++) {
        seed = 77u + (uint32_t)i;
        int64_t n = (int64_t[]){1, 2, 7, 33}[draw(4)], m = sizes[draw(6)], k = sizes[draw(12)], cols = sizes[draw(12)];
        one(i % 3 ? NRG_F32 : NRG_F64, n, m, k, cols);
    }
    one(NRG_F32, 3, 1, 256, 3); // as many terms as go straight to the kernels, and one more
    one(NRG_F32, 3, 1, 257, 3);
    static const int64_t few[] = {1, 2, 3, 4, 9, 10, 11}; // columns beside many rows
    for (int i = 0; i < 14; i++) one(i & 1 ? NRG_F64 : NRG_F32, i < 7 ? 1 : 5, 31 + i, 62 + i, few[i % 7]);
    one(NRG_F32, 2, 64, 129, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(small_products_equal_ref, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
