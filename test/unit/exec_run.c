// Runs of plans: states, repeats, phases, rows by index, number types, refusals of memory, and how much of it is used.
#include "runs.h"

static nrg_shape shape(int rank, int64_t a, int64_t b) { return nrg_shape_of(rank, (int64_t[]){a, b}); }
static nrg_node number(nrg_graph *g, double x) { return nrg_const(g, x); }
static nrg_buffer f64(void *p, const int64_t *rows) { return (nrg_buffer){p, NRG_BUF_F64, rows}; }

static nrg_graph *graph(nrg_dtype type) {
    nrg_graph *g;
    GO(nrg_graph_new(C, type, &g));
    return g;
}

typedef struct {
    nrg_plan *p;
    nrg_run *r;
} ready;

static ready make(nrg_plan_spec spec, int threads) {
    ready x;
    GO(nrg_plan_make(C, &spec, &x.p));
    GO(nrg_run_new(C, x.p, threads, &x.r));
    return x;
}
static void drop(ready x) {
    nrg_run_free(x.r);
    nrg_plan_free(x.p);
}

// x' = x - a dE/dx + noise with E = (x - m)^2 / 2 + x^4 / 8, in place, for rows 7, 2, 5 of ten.
static void langevin_repeats_inside_a_slice(void **state) {
    (void)state;
    nrg_graph *g = graph(NRG_F64);
    nrg_node x = nrg_input(g, "x", NRG_SAMPLE, shape(1, 3, 0)), id = nrg_input(g, "id", NRG_SAMPLE, shape(0, 0, 0)), grad;
    nrg_node m = nrg_input(g, "m", 0, shape(1, 3, 0));
    nrg_node e = nrg_sum_all(g, nrg_add(g, nrg_mul(g, number(g, 0.5), nrg_square(g, nrg_sub(g, x, m))), nrg_mul(g, number(g, 0.125), nrg_square(g, nrg_square(g, x)))));
    GO(nrg_grad(g, e, NRG_BAD, &x, 1, &grad));
    nrg_node shake = nrg_random(g, id, NRG_RANDOM_NORMAL, NRG_FOR_NOISE, shape(1, 3, 0));
    nrg_node next = nrg_add(g, nrg_sub(g, x, nrg_mul(g, number(g, 0.1), grad)), nrg_mul(g, number(g, 0.3), shake));
    nrg_update u = {x, next};
    double all[30], once[30], ids[3] = {11, 12, 13}, mean[3] = {1, -1, 0}, want[9], old[9], energy[3], seen[3];
    int64_t rows[3] = {7, 2, 5};
    for (int i = 0; i < 30; i++) all[i] = once[i] = sin(i);
    for (int i = 0; i < 3; i++) memcpy(old + 3 * i, all + 3 * rows[i], 3 * sizeof(double));
    ready a = make((nrg_plan_spec){.graph = g, .outputs = &e, .outputs_n = 1, .updates = &u, .updates_n = 1, .batch = 3, .slice = 2}, 2);
    assert_true(a.p->inside);
    nrg_run_bind(a.r, m, f64(mean, NULL)), nrg_run_bind(a.r, id, f64(ids, NULL));
    nrg_run_output(a.r, 0, energy);
    nrg_run_bind(a.r, x, f64(all, rows));
    GO(nrg_run_go(a.r, 3, 5, 42, 100)); // five repeats at once
    nrg_run_bind(a.r, x, f64(once, rows));
    for (uint32_t k = 0; k < 5; k++) GO(nrg_run_go(a.r, 3, 1, 42, 100 + k)); // the same, one at a time
    assert_memory_equal(all, once, sizeof all);
    for (uint32_t k = 0; k < 5; k++) { // the same by ref
        const double *in[3] = {old, ids, mean};
        double *out[2] = {want, seen};
        nrg_node nodes[2] = {next, e};
        GO(nrg_ref_eval(C, g, 3, in, 42, 100 + k, nodes, 2, out));
        memcpy(old, want, sizeof old);
    }
    for (int i = 0; i < 3; i++) {
        assert_true(fabs(energy[i] - seen[i]) < 1e-12);
        for (int j = 0; j < 3; j++) assert_true(fabs(all[3 * rows[i] + j] - want[3 * i + j]) < 1e-12);
    }
    for (int i = 0; i < 30; i++)
        if (i / 3 != 7 && i / 3 != 2 && i / 3 != 5) assert_true(all[i] == sin(i)); // other rows are not touched
    drop(a);
    nrg_graph_free(g);
}

// Weights clipped by the norm of all gradients: slices, then a norm, then the step. And a momentum state beside it.
static void clipped_step_in_three_phases(void **state) {
    (void)state;
    enum { N = 50 };
    nrg_graph *g = graph(NRG_F64);
    nrg_node x = nrg_input(g, "x", NRG_SAMPLE, shape(2, 1, 4)), w = nrg_input(g, "w", 0, shape(2, 4, 2)), v = nrg_input(g, "v", 0, shape(2, 4, 2)), d;
    nrg_node y = nrg_tanh(g, nrg_matmul(g, x, w, false, false, 0));
    nrg_node e = nrg_reduce(g, NRG_OP_sum, nrg_sum_all(g, nrg_square(g, y)), 0, NRG_SAMPLE, false);
    GO(nrg_grad(g, e, NRG_BAD, &w, 1, &d));
    nrg_node norm = nrg_sqrt(g, nrg_sum_all(g, nrg_square(g, d)));
    nrg_node clip = nrg_min(g, number(g, 1), nrg_div(g, number(g, 0.5), norm));
    nrg_node v1 = nrg_add(g, nrg_mul(g, v, number(g, 0.9)), nrg_mul(g, d, clip)), w1 = nrg_sub(g, w, nrg_mul(g, v1, number(g, 0.1)));
    // A later slices phase: distances under the new weights, which need the first phase's y as well.
    nrg_node z = nrg_sum_all(g, nrg_square(g, nrg_sub(g, nrg_matmul(g, x, w1, false, false, 0), y)));
    nrg_node total = nrg_reduce(g, NRG_OP_rmax, z, 0, NRG_SAMPLE, false), outs[4] = {e, norm, z, total};
    nrg_update u[2] = {{w, w1}, {v, v1}};
    double xs[N * 4], ws[8], vs[8], first_w[8], first_v[8], got[2 + N + 1], want[2 + N + 1], want_w[8], want_v[8];
    for (int i = 0; i < N * 4; i++) xs[i] = cos(i * 1.7);
    for (int i = 0; i < 8; i++) first_w[i] = ws[i] = 0.3 * sin(i + 1), first_v[i] = vs[i] = 0.01 * i;
    for (int threads = 1; threads <= 3; threads++) {
        memcpy(ws, first_w, sizeof ws), memcpy(vs, first_v, sizeof vs);
        double old_w[8], old_v[8];
        memcpy(old_w, ws, sizeof ws), memcpy(old_v, vs, sizeof vs);
        ready a = make((nrg_plan_spec){.graph = g, .outputs = outs, .outputs_n = 4, .updates = u, .updates_n = 2, .batch = N, .slice = 4}, threads);
        assert_int_equal(a.p->phases & ~1u, 4);
        nrg_run_bind(a.r, x, f64(xs, NULL)), nrg_run_bind(a.r, w, f64(ws, NULL)), nrg_run_bind(a.r, v, f64(vs, NULL));
        double *to[4] = {got, got + 1, got + 2, got + 2 + N}, *out[6] = {want, want + 1, want + 2, want + 2 + N, want_w, want_v};
        for (int i = 0; i < 4; i++) nrg_run_output(a.r, i, to[i]);
        GO(nrg_run_go(a.r, N, 3, 1, 0));
        nrg_node nodes[6] = {e, norm, z, total, w1, v1};
        for (int k = 0; k < 3; k++) {
            const double *in[3] = {xs, old_w, old_v};
            GO(nrg_ref_eval(C, g, N, in, 1, 0, nodes, 6, out));
            memcpy(old_w, want_w, sizeof old_w), memcpy(old_v, want_v, sizeof old_v);
        }
        for (int i = 0; i < 3 + N; i++) assert_true(fabs(got[i] - want[i]) < 1e-12 * (1 + fabs(want[i])));
        for (int i = 0; i < 8; i++) assert_true(fabs(ws[i] - want_w[i]) < 1e-13 && fabs(vs[i] - want_v[i]) < 1e-13);
        drop(a);
    }
    nrg_graph_free(g);
}

// Two states change places; a third is read by a product over all samples after it was overwritten in its slice.
static void old_states_are_read(void **state) {
    (void)state;
    enum { N = 70, D = 65 };
    nrg_graph *g = graph(NRG_F64);
    nrg_node a = nrg_input(g, "a", 0, shape(1, 2, 0)), b = nrg_input(g, "b", 0, shape(1, 2, 0));
    nrg_node x = nrg_input(g, "x", NRG_SAMPLE, shape(2, 1, D));
    nrg_node cov = nrg_matmul(g, x, x, true, false, NRG_SAMPLE), half = nrg_mul(g, x, number(g, 0.5));
    nrg_update u[3] = {{a, b}, {b, a}, {x, half}};
    double *xs = malloc(N * D * sizeof *xs), *got = malloc(D * D * sizeof *got), as[2] = {1, 2}, bs[2] = {3, 4};
    for (int i = 0; i < N * D; i++) xs[i] = sin(i);
    ready r = make((nrg_plan_spec){.graph = g, .outputs = &cov, .outputs_n = 1, .updates = u, .updates_n = 3, .batch = N, .slice = 8}, 2);
    assert_true(r.p->phase_deferred[1]);
    nrg_run_bind(r.r, a, f64(as, NULL)), nrg_run_bind(r.r, b, f64(bs, NULL)), nrg_run_bind(r.r, x, f64(xs, NULL));
    nrg_run_output(r.r, 0, got);
    GO(nrg_run_go(r.r, N, 1, 0, 0));
    assert_true(as[0] == 3 && as[1] == 4 && bs[0] == 1 && bs[1] == 2);
    for (int i = 0; i < N * D; i++) assert_true(xs[i] == 0.5 * sin(i));
    for (int i = 0; i < D; i += 7)
        for (int j = 0; j < D; j += 5) {
            double sum = 0;
            for (int n = 0; n < N; n++) sum += sin(n * D + i) * sin(n * D + j);
            assert_true(fabs(got[i * D + j] - sum) < 1e-12);
        }
    drop(r);
    free(xs), free(got);
    nrg_graph_free(g);
}

// Pixels in bytes, labels in 64-bit numbers, weights in double under a float graph, rows in any order.
static void number_types_and_rows(void **state) {
    (void)state;
    nrg_graph *g = graph(NRG_F32);
    nrg_node x = nrg_input(g, "x", NRG_SAMPLE, shape(1, 5, 0)), k = nrg_input(g, "k", NRG_SAMPLE, shape(0, 0, 0)), w = nrg_input(g, "w", 0, shape(1, 5, 0));
    nrg_node y = nrg_add(g, nrg_sum_all(g, nrg_mul(g, x, w)), nrg_take(g, w, k)), sum = nrg_reduce(g, NRG_OP_sum, y, 0, NRG_SAMPLE, false);
    nrg_node outs[2] = {y, sum};
    uint8_t pixels[50];
    int64_t labels[10], rows[7] = {9, 0, 3, 3, 8, 1, 2};
    double ws[5] = {1, 10, 0.5, 2, 3};
    float got[7], total;
    for (int i = 0; i < 50; i++) pixels[i] = (uint8_t)(i * 37);
    for (int i = 0; i < 10; i++) labels[i] = i % 5;
    ready r = make((nrg_plan_spec){.graph = g, .outputs = outs, .outputs_n = 2, .batch = 7, .slice = 3}, 2);
    nrg_run_output(r.r, 0, got), nrg_run_output(r.r, 1, &total);
    assert_int_equal(nrg_run_go(r.r, 7, 1, 0, 0), NRG_E099); // nothing bound yet
    nrg_diag_clear(C);
    nrg_run_bind(r.r, x, (nrg_buffer){pixels, NRG_BUF_U8, rows}), nrg_run_bind(r.r, k, (nrg_buffer){labels, NRG_BUF_I64, rows});
    nrg_run_bind(r.r, w, (nrg_buffer){ws, NRG_BUF_F64, NULL});
    for (int n = 7; n >= 0; n -= 3) {
        double all = 0;
        GO(nrg_run_go(r.r, n, 1, 0, 0));
        for (int i = 0; i < n; i++) {
            double want = ws[labels[rows[i]]];
            for (int j = 0; j < 5; j++) want += pixels[rows[i] * 5 + j] * ws[j];
            all += want;
            assert_true((double)got[i] == want);
        }
        assert_true(fabs((double)total - all) < 1e-3);
    }
    GO(nrg_run_go(r.r, 0, 1, 0, 0)); // no samples: an empty sum
    assert_true(total == 0);
    drop(r);
    nrg_graph_free(g);
}

static void empty_sums(void **state) { // each reduction of nothing, and a product of nothing
    (void)state;
    nrg_graph *g = graph(NRG_F64);
    nrg_node x = nrg_input(g, "x", NRG_SAMPLE, shape(2, 1, 70)), outs[5];
    static const nrg_op ops[4] = {NRG_OP_sum, NRG_OP_prod, NRG_OP_rmax, NRG_OP_lse};
    for (int i = 0; i < 4; i++) outs[i] = nrg_reduce(g, ops[i], x, 3, NRG_SAMPLE, false);
    outs[4] = nrg_matmul(g, x, x, true, false, NRG_SAMPLE);
    double got[4] = {5, 5, 5, 5}, *w = malloc(4900 * sizeof *w), nothing = 0;
    ready r = make((nrg_plan_spec){.graph = g, .outputs = outs, .outputs_n = 5, .batch = 8}, 2);
    nrg_run_bind(r.r, x, f64(&nothing, NULL));
    for (int i = 0; i < 4; i++) nrg_run_output(r.r, i, &got[i]);
    nrg_run_output(r.r, 4, w);
    GO(nrg_run_go(r.r, 0, 1, 0, 0));
    assert_true(got[0] == 0 && got[1] == 1 && got[2] == -INFINITY && got[3] == -INFINITY);
    for (int i = 0; i < 4900; i++) assert_true(w[i] == 0);
    drop(r);
    free(w);
    nrg_graph_free(g);
}

// ---- memory

// Weight gradient of 784x500 over 60,000 samples: bounded memory, whatever batch the plan was made for.
static void memory_of_a_weight_gradient(void **state) {
    (void)state;
#ifdef NRG_STRESS
    enum { N = 10000, M = 784, K = 500, ROWS = 500 };
#else
    enum { N = 60000, M = 784, K = 500, ROWS = 500 };
#endif
    static const int64_t batches[] = {128, N};
    float *xs = malloc((size_t)ROWS * M * sizeof *xs), *ds = malloc((size_t)ROWS * K * sizeof *ds), *got = malloc((size_t)M * K * sizeof *got);
    int64_t *rows = malloc(N * sizeof *rows);
    for (int i = 0; i < ROWS * M; i++) xs[i] = (float)sin(i);
    for (int i = 0; i < ROWS * K; i++) ds[i] = (float)cos(i * 0.7);
    for (int i = 0; i < N; i++) rows[i] = i % ROWS;
    for (int b = 0; b < 2; b++) {
        nrg_graph *g = graph(NRG_F32);
        nrg_node x = nrg_input(g, "x", NRG_SAMPLE, shape(2, 1, M)), d = nrg_input(g, "d", NRG_SAMPLE, shape(2, 1, K));
        nrg_node w = nrg_matmul(g, nrg_mul(g, x, number(g, 0.5)), d, true, false, NRG_SAMPLE);
        size_t before = nrg_mem_used(C);
        ready r = make((nrg_plan_spec){.graph = g, .outputs = &w, .outputs_n = 1, .batch = batches[b]}, 2);
        nrg_run_bind(r.r, x, (nrg_buffer){xs, NRG_BUF_F32, rows}), nrg_run_bind(r.r, d, (nrg_buffer){ds, NRG_BUF_F32, rows});
        nrg_run_output(r.r, 0, got);
        int n_run = b ? N : N / 10; // the first plan's memory was asked for by nrg_plan_bytes; a tenth of the work shows it
        GO(nrg_run_go(r.r, n_run, 1, 0, 0));
        size_t peak = nrg_mem_peak(C) - before, bytes = nrg_plan_bytes(r.p, N, 2);
        print_message("batch %d: %.1f MB planned, %.1f MB taken\n", (int)batches[b], (double)bytes * 1e-6, (double)peak * 1e-6);
        assert_true(bytes < 64000000 && peak < 64000000);
        assert_true(peak < bytes + 200000);
        for (int q = 0; q < 20; q++) {
            int i = q * 37 % M, j = q * 91 % K;
            double want = 0;
            for (int n = 0; n < ROWS; n++) want += 0.5 * (double)xs[n * M + i] * (double)ds[n * K + j] * (n_run / ROWS);
            assert_true(fabs((double)got[i * K + j] - want) < 0.02 + 1e-4 * fabs(want));
        }
        drop(r);
        nrg_graph_free(g);
    }
    free(xs), free(ds), free(got), free(rows);
}

typedef struct {
    int64_t left; // allocations until one is refused
    int64_t used; // bytes
} refuser;

static void *refuse(void *ud, void *p, size_t old, size_t size) {
    refuser *f = ud;
    if (!size) {
        f->used -= (int64_t)old;
        free(p);
        return NULL;
    }
    if (f->left-- == 0) return NULL;
    void *q = realloc(p, size);
    if (q) f->used += (int64_t)size - (int64_t)(p ? old : 0);
    return q;
}

// A small program of everything; refuses the n-th allocation until it succeeds.
static nrg_status program(nrg_ctx *c) {
    nrg_graph *g;
    nrg_plan *p = NULL;
    nrg_run *r = NULL;
    TRY(nrg_graph_new(c, NRG_F32, &g));
    nrg_node x = nrg_input(g, "x", NRG_SAMPLE, shape(2, 1, 70)), w = nrg_input(g, "w", 0, shape(2, 70, 70)), d = NRG_BAD;
    nrg_node e = nrg_reduce(g, NRG_OP_sum, nrg_sum_all(g, nrg_tanh(g, nrg_matmul(g, x, w, false, false, 0))), 0, NRG_SAMPLE, false);
    nrg_status s = nrg_grad(g, e, NRG_BAD, &w, 1, &d);
    nrg_update u = {w, nrg_sub(g, w, d)};
    nrg_plan_spec spec = {.graph = g, .outputs = &e, .outputs_n = 1, .updates = &u, .updates_n = 1, .batch = 40};
    double *xs = calloc(40 * 70, sizeof *xs), *ws = calloc(4900, sizeof *ws);
    float total;
    if (s == NRG_OK) s = nrg_plan_make(c, &spec, &p);
    if (s == NRG_OK) s = nrg_run_new(c, p, 2, &r);
    if (s == NRG_OK) {
        nrg_run_bind(r, x, (nrg_buffer){xs, NRG_BUF_F64, NULL}), nrg_run_bind(r, w, (nrg_buffer){ws, NRG_BUF_F32, NULL});
        nrg_run_output(r, 0, &total);
        s = nrg_run_go(r, 40, 2, 0, 0);
    }
    nrg_run_free(r);
    nrg_plan_free(p);
    nrg_graph_free(g);
    free(xs), free(ws);
    return s;
}

static void every_allocation_refused(void **state) {
    (void)state;
    int64_t n = 0;
    for (nrg_status s = NRG_E098; s != NRG_OK; n++) {
        refuser f = {n, 0};
        nrg_ctx *c = nrg_ctx_new(refuse, &f);
        if (!c) {
            assert_int_equal(f.used, 0);
            continue;
        }
        s = program(c);
        assert_true(s == NRG_OK || s == NRG_E098);
        nrg_ctx_free(c);
        assert_int_equal(f.used, 0);
        assert_true(n < 2000);
    }
    print_message("%d allocations\n", (int)n - 1);
}

// After the first run with some number of samples nothing is allocated any more.
static void no_allocation_in_a_run(void **state) {
    (void)state;
    nrg_graph *g = graph(NRG_F32);
    nrg_node x = nrg_input(g, "x", NRG_SAMPLE, shape(2, 1, 70)), y = nrg_matmul(g, x, x, true, false, NRG_SAMPLE);
    float *xs = calloc(40 * 70, sizeof *xs);
    ready r = make((nrg_plan_spec){.graph = g, .outputs = &y, .outputs_n = 1, .batch = 40}, 2);
    nrg_run_bind(r.r, x, (nrg_buffer){xs, NRG_BUF_F32, NULL});
    GO(nrg_run_go(r.r, 40, 1, 0, 0));
    size_t used = nrg_mem_used(C), peak = nrg_mem_peak(C);
    for (int n = 0; n <= 40; n += 5) GO(nrg_run_go(r.r, n, 2, 0, 0));
    assert_true(nrg_mem_used(C) == used && nrg_mem_peak(C) == peak);
    drop(r);
    free(xs);
    nrg_graph_free(g);
}

static void plan_prints(void **state) {
    (void)state;
    nrg_graph *g = graph(NRG_F32);
    nrg_node x = nrg_input(g, "pixels", NRG_SAMPLE, shape(2, 1, 70)), w = nrg_input(g, "W", 0, shape(2, 70, 3));
    nrg_node e = nrg_reduce(g, NRG_OP_sum, nrg_relu(g, nrg_matmul(g, x, w, false, false, 0)), 3, NRG_SAMPLE, false);
    ready r = make((nrg_plan_spec){.graph = g, .outputs = &e, .outputs_n = 1, .batch = 40}, 1);
    nrg_text t = nrg_text_make(C);
    nrg_plan_print(r.p, &t);
    static const char *const words[] = {"phase 0, once", "phase 1, slices", "phase 2, once", "pack", "matmul", "pixels", "(relu)", "(sum)", "420 flop a sample", "slices of 16 samples"};
    for (int i = 0; i < (int)(sizeof words / sizeof *words); i++)
        if (!strstr(t.at, words[i])) fail_msg("`%s` is not in\n%s", words[i], t.at);
    assert_true(nrg_plan_slice(r.p) == 16 && nrg_plan_flops(r.p, 40) > 420 * 40);
    nrg_text_free(&t);
    drop(r);
    nrg_graph_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(langevin_repeats_inside_a_slice, setup, teardown),
        cmocka_unit_test_setup_teardown(clipped_step_in_three_phases, setup, teardown),
        cmocka_unit_test_setup_teardown(old_states_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(number_types_and_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(empty_sums, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_of_a_weight_gradient, setup, teardown),
        cmocka_unit_test_setup_teardown(every_allocation_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(no_allocation_in_a_run, setup, teardown),
        cmocka_unit_test_setup_teardown(plan_prints, setup, teardown),
    };
    return cmocka_run_group_tests_name("exec_run", tests, NULL, NULL);
}
