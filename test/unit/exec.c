// The processor executor against ref: every row of ops.def, in both types, with any slice size and any threads.
#include "runs.h"
#include "table/cases.h"
#include "table/cases.c"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

// ---- the table

typedef struct {
    int failed, cases;
} table_state;

enum { GUARD = 16 }; // numbers before and after an output that must stay as they are

static double *as_doubles(const void *p, nrg_dtype type, int64_t n) {
    double *d = malloc(((size_t)n + 1) * sizeof *d);
    for (int64_t i = 0; i < n; i++) d[i] = typed_at(type, p, i);
    return d;
}

static bool close_enough(double x, double y, double tol) {
    if (isnan(x) || isnan(y)) return isnan(x) && isnan(y);
    if (isinf(x) || isinf(y)) return x == y;
    return fabs(x - y) <= tol * (1 + fabs(y));
}

// Plans and runs node y of a case, returns its numbers; guards are checked.
static double *run_case_plan(const test_case *t, nrg_dtype type, int64_t slice, int threads, int64_t n, nrg_cpu_level level) {
    size_t real = type == NRG_F64 ? 8 : 4;
    nrg_plan *p;
    nrg_run *r;
    nrg_plan_spec spec = {.graph = t->g, .outputs = &t->y, .outputs_n = 1, .batch = n, .slice = slice};
    void *in[CASE_INPUTS] = {0};
    GO(nrg_plan_make(C, &spec, &p));
    GO(nrg_run_new(C, p, threads, &r));
    nrg_run_level(r, level);
    for (int i = 0; i < t->inputs; i++) {
        in[i] = typed(type, t->value[i], t->count[i]);
        nrg_run_bind(r, t->in[i], (nrg_buffer){in[i], buffer_type(type), NULL});
    }
    size_t bytes = ((size_t)t->y_count + 2 * GUARD) * real;
    char *out = malloc(bytes);
    memset(out, 0x5a, bytes);
    nrg_run_output(r, 0, out + GUARD * real);
    GO(nrg_run_go(r, n, 1, 7, 3));
    for (size_t i = 0; i < GUARD * real; i++) {
        assert_int_equal(out[i], 0x5a);
        assert_int_equal(out[bytes - 1 - i], 0x5a);
    }
    double *d = as_doubles(out + GUARD * real, type, t->y_count);
    free(out);
    for (int i = 0; i < t->inputs; i++) free(in[i]);
    nrg_run_free(r);
    nrg_plan_free(p);
    return d;
}

static void one_case(const test_case *t, void *ud) {
    table_state *s = ud;
    nrg_dtype type = nrg_graph_type(t->g);
    double *want = malloc(((size_t)t->y_count + 1) * sizeof *want), *results[1] = {want};
    if (type == NRG_F32)
        for (int i = 0; i < t->inputs; i++)
            for (int64_t j = 0; j < t->count[i]; j++) t->value[i][j] = (double)(float)t->value[i][j];
    GO(nrg_ref_eval(C, t->g, t->n, (const double *const *)t->value, 7, 3, &t->y, 1, results));
    static const int64_t slices[] = {0, 1, 3};
    for (int k = 0; k < 3; k++) {
        double *got = run_case_plan(t, type, slices[k], k + 1, t->n, NRG_CPU_BEST), tol = type == NRG_F64 ? 1e-9 : 2e-4;
        for (int64_t i = 0; i < t->y_count; i++)
            if (!close_enough(got[i], want[i], tol)) {
                print_message("%s, slice %d: number %d is %.9g, ref has %.9g\n", t->name, (int)slices[k], (int)i, got[i], want[i]);
                s->failed++;
                break;
            }
        free(got);
    }
    s->cases++;
    free(want);
}

static void table(nrg_dtype type) {
    table_state s = {0};
    cases_each(C, NRG_OP_bad, type, one_case, &s);
    print_message("%d cases\n", s.cases);
    assert_true(s.cases > 100);
    assert_int_equal(s.failed, 0);
}
static void table_f64(void **state) { (void)state; table(NRG_F64); }
static void table_f32(void **state) { (void)state; table(NRG_F32); }

// ---- whole graphs

static double *random_numbers(int64_t n, double scale, uint32_t seed) {
    double *x = malloc(((size_t)n + 1) * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = (double)(float)(scale * noise(&seed));
    return x;
}

typedef struct {
    nrg_graph *g;
    nrg_node x, y, W1, b1, W2, b2; // inputs, in slot order
    nrg_node weight[4];
    nrg_node loss, logits, each;   // mean over samples, {sample} [k], {sample}
    nrg_node grad[4], stepped[4];
    int64_t in, hidden, out;
} mlp;

static mlp mlp_make(nrg_dtype type, int64_t in, int64_t hidden, int64_t out) {
    mlp m = {.in = in, .hidden = hidden, .out = out};
    GO(nrg_graph_new(C, type, &m.g));
    nrg_graph *g = m.g;
    m.x = nrg_input(g, "x", NRG_SAMPLE, nrg_shape_of(1, (int64_t[]){in}));
    m.y = nrg_input(g, "y", NRG_SAMPLE, nrg_shape_of(0, NULL));
    m.W1 = m.weight[0] = nrg_input(g, "W1", 0, nrg_shape_of(2, (int64_t[]){in, hidden}));
    m.b1 = m.weight[1] = nrg_input(g, "b1", 0, nrg_shape_of(1, (int64_t[]){hidden}));
    m.W2 = m.weight[2] = nrg_input(g, "W2", 0, nrg_shape_of(2, (int64_t[]){hidden, out}));
    m.b2 = m.weight[3] = nrg_input(g, "b2", 0, nrg_shape_of(1, (int64_t[]){out}));
    nrg_node h = nrg_matmul(g, nrg_reshape(g, m.x, nrg_shape_of(2, (int64_t[]){1, in})), m.W1, false, false, 0);
    h = nrg_relu(g, nrg_add(g, nrg_reshape(g, h, nrg_shape_of(1, (int64_t[]){hidden})), m.b1));
    nrg_node o = nrg_matmul(g, nrg_reshape(g, h, nrg_shape_of(2, (int64_t[]){1, hidden})), m.W2, false, false, 0);
    m.logits = nrg_add(g, nrg_reshape(g, o, nrg_shape_of(1, (int64_t[]){out})), m.b2);
    nrg_node z = nrg_reduce(g, NRG_OP_lse, m.logits, 1, 0, false);
    m.each = nrg_sub(g, z, nrg_take(g, m.logits, m.y));
    nrg_node one = nrg_expand(g, nrg_const(g, 1), nrg_shape_of(0, NULL), NRG_SAMPLE);
    nrg_node n = nrg_reduce(g, NRG_OP_sum, one, 0, NRG_SAMPLE, false);
    m.loss = nrg_div(g, nrg_reduce(g, NRG_OP_sum, m.each, 0, NRG_SAMPLE, false), n);
    GO(nrg_grad(g, m.loss, NRG_BAD, m.weight, 4, m.grad));
    for (int i = 0; i < 4; i++) m.stepped[i] = nrg_sub(g, m.weight[i], nrg_mul(g, m.grad[i], nrg_const(g, 0.5)));
    GO(nrg_graph_check(g));
    return m;
}

typedef struct {
    int64_t n, count[6];
    double *v[6]; // by slot
} mlp_data;

static mlp_data mlp_values(const mlp *m, int64_t n) {
    mlp_data d = {.n = n, .count = {n * m->in, n, m->in * m->hidden, m->hidden, m->hidden * m->out, m->out}};
    for (int i = 0; i < 6; i++) d.v[i] = random_numbers(d.count[i], i == 0 ? 1 : 0.2, 17u + (uint32_t)i);
    for (int64_t i = 0; i < n; i++) d.v[1][i] = (double)(i * 7 % m->out);
    return d;
}

static void mlp_free(mlp *m, mlp_data *d) {
    for (int i = 0; i < 6; i++) free(d->v[i]);
    nrg_graph_free(m->g);
}

typedef struct {
    int64_t slice, batch;
    int threads;
    nrg_cpu_level level;
} how;

// Runs the outputs over bound values; results in doubles, in the order of the outputs.
static double **run_nodes(nrg_graph *g, const nrg_node *out, int outs, double *const *v, const int64_t *count, int slots, int64_t n, how h) {
    nrg_dtype type = nrg_graph_type(g);
    nrg_plan *p;
    nrg_run *r;
    nrg_plan_spec spec = {.graph = g, .outputs = out, .outputs_n = outs, .batch = h.batch ? h.batch : n, .slice = h.slice};
    GO(nrg_plan_make(C, &spec, &p));
    GO(nrg_run_new(C, p, h.threads ? h.threads : 1, &r));
    nrg_run_level(r, h.level);
    void *in[16] = {0}, *to[16] = {0};
    for (int i = 0; i < slots; i++) {
        in[i] = typed(type, v[i], count[i]);
        nrg_run_bind(r, nrg_input_at(g, (uint32_t)i), (nrg_buffer){in[i], buffer_type(type), NULL});
    }
    double **d = malloc((size_t)outs * sizeof *d);
    int64_t size[16];
    for (int i = 0; i < outs; i++) {
        size[i] = nrg_node_count(g, out[i]) * (nrg_graph_node(g, out[i])->leads & NRG_SAMPLE ? n : 1);
        to[i] = calloc((size_t)size[i] + 1, sizeof(double));
        nrg_run_output(r, i, to[i]);
    }
    GO(nrg_run_go(r, n, 1, 7, 3));
    for (int i = 0; i < outs; i++) d[i] = as_doubles(to[i], type, size[i]), free(to[i]);
    for (int i = 0; i < slots; i++) free(in[i]);
    nrg_run_free(r);
    nrg_plan_free(p);
    return d;
}

static void free_all(double **d, int n) {
    for (int i = 0; i < n; i++) free(d[i]);
    free(d);
}

static int64_t size_of(const nrg_graph *g, nrg_node n, int64_t samples) {
    return nrg_node_count(g, n) * (nrg_graph_node(g, n)->leads & NRG_SAMPLE ? samples : 1);
}

static void gradient_of(nrg_dtype type, int64_t in, int64_t hidden, int64_t out, int64_t n, how h, double tol) {
    mlp m = mlp_make(type, in, hidden, out);
    mlp_data d = mlp_values(&m, n);
    nrg_node nodes[6] = {m.loss, m.logits, m.grad[0], m.grad[1], m.grad[2], m.grad[3]};
    double *want[6];
    for (int i = 0; i < 6; i++) want[i] = malloc(((size_t)size_of(m.g, nodes[i], n) + 1) * sizeof(double));
    GO(nrg_ref_eval(C, m.g, n, (const double *const *)d.v, 7, 3, nodes, 6, want));
    double **got = run_nodes(m.g, nodes, 6, d.v, d.count, 6, n, h);
    for (int i = 0; i < 6; i++) {
        int64_t count = size_of(m.g, nodes[i], n);
        for (int64_t j = 0; j < count; j++)
            if (!close_enough(got[i][j], want[i][j], tol)) fail_msg("node %d, number %d: %g, ref has %g", i, (int)j, got[i][j], want[i][j]);
        free(want[i]);
    }
    free_all(got, 6);
    mlp_free(&m, &d);
}

// x'y + u'v + x'v, sums over samples: each product adds where the first lies. Twice that, and a number that also reads one product apart.
static void products_add_up(nrg_dtype type, int64_t rows, int64_t cols, how h, double tol) {
    enum { N = 70 };
    nrg_graph *g;
    GO(nrg_graph_new(C, type, &g));
    nrg_node side[4], term[3], out[3];
    int64_t count[4];
    double *v[4], *want[3];
    static const char *const names[] = {"x", "y", "u", "v"};
    for (int i = 0; i < 4; i++) {
        side[i] = nrg_input(g, names[i], NRG_SAMPLE, nrg_shape_of(2, (int64_t[]){1, i & 1 ? cols : rows}));
        count[i] = N * (i & 1 ? cols : rows), v[i] = random_numbers(count[i], 1, 40u + (uint32_t)i);
    }
    for (int i = 0; i < 3; i++) term[i] = nrg_matmul(g, side[i == 1 ? 2 : 0], side[i == 0 ? 1 : 3], true, false, NRG_SAMPLE);
    nrg_node all = nrg_add(g, nrg_add(g, term[0], term[1]), term[2]);
    nrg_node apart = nrg_matmul(g, nrg_neg(g, side[0]), side[3], true, false, NRG_SAMPLE); // read twice: it must keep a place of its own
    out[0] = nrg_mul(g, all, nrg_const(g, 2));
    out[1] = nrg_add(g, apart, nrg_matmul(g, nrg_neg(g, side[2]), side[1], true, false, NRG_SAMPLE));
    out[2] = nrg_sum_all(g, apart);
    GO(nrg_graph_check(g));
    for (int i = 0; i < 3; i++) want[i] = malloc((size_t)nrg_node_count(g, out[i]) * sizeof(double));
    GO(nrg_ref_eval(C, g, N, (const double *const *)v, 7, 3, out, 3, want));
    double **got = run_nodes(g, out, 3, v, count, 4, N, h);
    for (int i = 0; i < 3; i++)
        for (int64_t j = 0; j < nrg_node_count(g, out[i]); j++)
            if (!close_enough(got[i][j], want[i][j], tol)) fail_msg("sum %d, number %d: %g, ref has %g", i, (int)j, got[i][j], want[i][j]);
    nrg_plan *p;
    nrg_text t = nrg_text_make(C);
    GO(nrg_plan_make(C, &(nrg_plan_spec){.graph = g, .outputs = out, .outputs_n = 3, .batch = h.batch}, &p));
    nrg_plan_print(p, &t);
    int added = 0;
    for (const char *q = t.at; (q = strstr(q, "(added)")); q++) added++;
    assert_int_equal(added, 2);
    nrg_text_free(&t);
    nrg_plan_free(p);
    free_all(got, 3);
    for (int i = 0; i < 3; i++) free(want[i]);
    for (int i = 0; i < 4; i++) free(v[i]);
    nrg_graph_free(g);
}

static void sums_of_products(void **state) {
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        how h = {.batch = 32, .threads = threads};
        products_add_up(NRG_F64, 5, 7, h, 1e-12); // in lanes
        products_add_up(NRG_F32, 33, 20, h, 2e-5);
        products_add_up(NRG_F32, 90, 70, h, 2e-5); // after a block of slices
        products_add_up(NRG_F64, 90, 70, h, 1e-12);
    }
}

static void mlp_gradient(void **state) {
    (void)state;
    gradient_of(NRG_F64, 7, 5, 3, 23, (how){0}, 1e-11);
    gradient_of(NRG_F32, 7, 5, 3, 23, (how){.threads = 2}, 1e-5);
    gradient_of(NRG_F64, 90, 80, 10, 37, (how){.slice = 8, .threads = 2}, 1e-11); // a deferred product
    gradient_of(NRG_F32, 90, 80, 10, 300, (how){.batch = 40}, 1e-5);              // and many blocks
    gradient_of(NRG_F64, 90, 80, 10, 1, (how){0}, 1e-11);
    gradient_of(NRG_F64, 9, 8, 4, 301, (how){.slice = 4, .threads = 3}, 1e-11);   // more slices than lanes
}

// ---- the same bits

static void same_bits(double **a, double **b, const nrg_graph *g, const nrg_node *nodes, int outs, int64_t n, const char *what) {
    for (int i = 0; i < outs; i++)
        for (int64_t j = 0; j < size_of(g, nodes[i], n); j++)
            if (memcmp(&a[i][j], &b[i][j], sizeof(double)) != 0)
                fail_msg("%s: output %d, number %d: %.17g and %.17g", what, i, (int)j, a[i][j], b[i][j]);
}

static void bits_of(nrg_dtype type) {
    mlp m = mlp_make(type, 90, 80, 10);
    mlp_data d = mlp_values(&m, 200);
    nrg_node nodes[6] = {m.loss, m.logits, m.grad[0], m.grad[1], m.grad[2], m.grad[3]};
    double **want = run_nodes(m.g, nodes, 6, d.v, d.count, 6, 200, (how){.slice = 4});
    static const int threads[] = {2, 3, 8};
    for (int k = 0; k < 3; k++) {
        double **got = run_nodes(m.g, nodes, 6, d.v, d.count, 6, 200, (how){.slice = 4, .threads = threads[k]});
        same_bits(want, got, m.g, nodes, 6, 200, "threads");
        free_all(got, 6);
    }
    static const nrg_cpu_level levels[] = {NRG_CPU_PORTABLE, NRG_CPU_AVX2, NRG_CPU_AVX512};
    for (int k = 0; k < 3; k++) {
        if (!nrg_cpu_kernels(levels[k])) {
            print_message("skipped: kernels %d are not for this processor\n", (int)levels[k]);
            continue;
        }
        double **got = run_nodes(m.g, nodes, 6, d.v, d.count, 6, 200, (how){.slice = 4, .level = levels[k]});
        same_bits(want, got, m.g, nodes, 6, 200, nrg_cpu_kernels(levels[k])->name);
        free_all(got, 6);
    }
    free_all(want, 6);
    mlp_free(&m, &d);
}
static void bits_threads_and_levels(void **state) {
    (void)state;
    bits_of(NRG_F32);
    bits_of(NRG_F64);
}

// A sample alone, and in a batch of 200 at any position, has the same bits.
static void bits_of_one(nrg_dtype type) {
    mlp m = mlp_make(type, 33, 40, 10);
    mlp_data d = mlp_values(&m, 200);
    nrg_node nodes[3] = {m.logits, m.each};
    GO(nrg_grad(m.g, m.each, NRG_BAD, &m.x, 1, &nodes[2]));
    double **all = run_nodes(m.g, nodes, 3, d.v, d.count, 6, 200, (how){0});
    static const int64_t picks[] = {0, 1, 5, 63, 64, 130, 199};
    for (int k = 0; k < 7; k++) {
        int64_t s = picks[k], count[6];
        double *v[6];
        memcpy(v, d.v, sizeof v), memcpy(count, d.count, sizeof count);
        v[0] += s * m.in, v[1] += s, count[0] = m.in, count[1] = 1;
        double **one = run_nodes(m.g, nodes, 3, v, count, 6, 1, (how){0});
        for (int i = 0; i < 3; i++) {
            int64_t n = nrg_node_count(m.g, nodes[i]);
            assert_memory_equal(one[i], all[i] + s * n, (size_t)n * sizeof(double));
        }
        free_all(one, 3);
    }
    free_all(all, 3);
    mlp_free(&m, &d);
}
static void bits_alone_and_in_a_batch(void **state) {
    (void)state;
    bits_of_one(NRG_F32);
    bits_of_one(NRG_F64);
}

// Two convolutions, the second with stride 2, more images than are worked on together: as ref, and the same bits for any threads,
// instruction set and place in a batch.
static void convolutions(nrg_dtype type, double tol) {
    enum { N = 150, SIZE = 3 * 11 * 10, OUTS = 4 };
    nrg_graph *g;
    GO(nrg_graph_new(C, type, &g));
    nrg_node x = nrg_input(g, "x", NRG_SAMPLE, nrg_shape_of(3, (int64_t[]){3, 11, 10}));
    nrg_node a = nrg_input(g, "a", 0, nrg_shape_of(4, (int64_t[]){7, 3, 5, 4})), b = nrg_input(g, "b", 0, nrg_shape_of(4, (int64_t[]){20, 7, 3, 3}));
    nrg_node h = nrg_tanh(g, nrg_conv(g, x, a, 1, 2, 1)), y = nrg_sum_all(g, nrg_square(g, nrg_conv(g, h, b, 2, 1, 1)));
    nrg_node nodes[OUTS] = {y}, wrt[3] = {x, a, b};
    GO(nrg_grad(g, nrg_reduce(g, NRG_OP_sum, y, 0, NRG_SAMPLE, false), NRG_BAD, wrt, 3, nodes + 1));
    int64_t count[3] = {N * SIZE, 7 * 3 * 5 * 4, 20 * 7 * 3 * 3};
    double *v[3], *want[OUTS];
    for (int i = 0; i < 3; i++) v[i] = random_numbers(count[i], 0.3, 5u + (uint32_t)i);
    for (int i = 0; i < OUTS; i++) want[i] = malloc(((size_t)size_of(g, nodes[i], N) + 1) * sizeof(double));
    GO(nrg_ref_eval(C, g, N, (const double *const *)v, 7, 3, nodes, OUTS, want));
    double **all = run_nodes(g, nodes, OUTS, v, count, 3, N, (how){.slice = 128});
    for (int i = 0; i < OUTS; i++)
        for (int64_t j = 0; j < size_of(g, nodes[i], N); j++)
            if (!close_enough(all[i][j], want[i][j], tol)) fail_msg("output %d, number %d: %g, ref has %g", i, (int)j, all[i][j], want[i][j]);
    for (int level = NRG_CPU_PORTABLE; level <= NRG_CPU_AVX512; level++) {
        if (!nrg_cpu_kernels((nrg_cpu_level)level)) continue;
        double **got = run_nodes(g, nodes, OUTS, v, count, 3, N, (how){.slice = 128, .threads = level, .level = (nrg_cpu_level)level});
        same_bits(all, got, g, nodes, OUTS, N, nrg_cpu_kernels((nrg_cpu_level)level)->name);
        free_all(got, OUTS);
    }
    for (int64_t i = 0; i < N; i += 37) {
        double *one[3] = {v[0] + i * SIZE, v[1], v[2]};
        double **got = run_nodes(g, nodes, 2, one, (int64_t[]){SIZE, count[1], count[2]}, 3, 1, (how){0});
        assert_memory_equal(got[0], all[0] + i, sizeof(double));
        assert_memory_equal(got[1], all[1] + i * SIZE, SIZE * sizeof(double));
        free_all(got, 2);
    }
    free_all(all, OUTS);
    for (int i = 0; i < OUTS; i++) free(want[i]);
    for (int i = 0; i < 3; i++) free(v[i]);
    nrg_graph_free(g);
}
static void bits_of_convolutions(void **state) {
    (void)state;
    convolutions(NRG_F64, 1e-11);
    convolutions(NRG_F32, 2e-4);
}

// A step of a large weight behind the norm of its gradient: sums made on the way, in runs that threads share.
static void bits_of_a_norm(void **state) {
    enum { N = 100003 };
    (void)state;
    for (int type = NRG_F32; type <= NRG_F64; type++) {
        nrg_graph *g;
        GO(nrg_graph_new(C, (nrg_dtype)type, &g));
        nrg_shape row = nrg_shape_of(1, (int64_t[]){N});
        nrg_node w = nrg_input(g, "w", 0, row), d = nrg_mul(g, nrg_input(g, "d", 0, row), nrg_const(g, 3));
        nrg_node norm = nrg_sqrt(g, nrg_sum_all(g, nrg_square(g, d))), far = nrg_lt(g, norm, nrg_const(g, 1e9));
        nrg_node nodes[3] = {norm, nrg_select(g, far, nrg_sub(g, w, nrg_mul(g, d, nrg_const(g, 0.5))), w), nrg_sum_all(g, nrg_mul(g, d, w))};
        int64_t count[2] = {N, N};
        double *v[2] = {random_numbers(N, 1, 3), random_numbers(N, 1, 4)}, *want[3];
        for (int i = 0; i < 3; i++) want[i] = malloc(((size_t)size_of(g, nodes[i], 1) + 1) * sizeof(double));
        GO(nrg_ref_eval(C, g, 1, (const double *const *)v, 7, 3, nodes, 3, want));
        double **one = run_nodes(g, nodes, 3, v, count, 2, 1, (how){0});
        for (int i = 0; i < 3; i++)
            for (int64_t j = 0; j < size_of(g, nodes[i], 1); j++)
                if (!close_enough(one[i][j], want[i][j], type == NRG_F64 ? 1e-10 : 1e-5)) fail_msg("%d: %g, ref has %g", i, one[i][j], want[i][j]);
        for (int level = NRG_CPU_PORTABLE; level <= NRG_CPU_AVX512; level++) {
            if (!nrg_cpu_kernels((nrg_cpu_level)level)) continue;
            double **got = run_nodes(g, nodes, 3, v, count, 2, 1, (how){.threads = 1 + level, .level = (nrg_cpu_level)level});
            same_bits(one, got, g, nodes, 3, 1, nrg_cpu_kernels((nrg_cpu_level)level)->name);
            free_all(got, 3);
        }
        free_all(one, 3);
        for (int i = 0; i < 3; i++) free(want[i]);
        free(v[0]), free(v[1]);
        nrg_graph_free(g);
    }
}

// Distances of samples to rows, which are products of another kind: as ref, the same bits on any thread and instruction set,
// alone or in a batch. The sides change places in the second, and the third keeps its differences for a gradient.
static void distances(nrg_dtype type, double tol) {
    enum { N = 70, D = 300, K = 21 };
    nrg_graph *g;
    GO(nrg_graph_new(C, type, &g));
    nrg_node x = nrg_input(g, "x", NRG_SAMPLE, nrg_shape_of(2, (int64_t[]){1, D})), w = nrg_input(g, "w", 0, nrg_shape_of(2, (int64_t[]){K, D}));
    nrg_node a = nrg_reduce(g, NRG_OP_sum, nrg_square(g, nrg_sub(g, x, w)), 2, 0, false), d = nrg_sub(g, w, x);
    nrg_node b = nrg_reduce(g, NRG_OP_sum, nrg_mul(g, d, d), 2, 0, false), e = nrg_sub(g, x, nrg_mul(g, w, nrg_const(g, 2)));
    nrg_node nodes[3] = {a, b}, y = nrg_sum_all(g, nrg_square(g, e));
    GO(nrg_grad(g, y, NRG_BAD, &x, 1, &nodes[2]));
    int64_t count[2] = {N * D, K * D};
    double *v[2] = {random_numbers(count[0], 1, 8), random_numbers(count[1], 1, 9)}, *want[3];
    for (int i = 0; i < 3; i++) want[i] = malloc(((size_t)size_of(g, nodes[i], N) + 1) * sizeof(double));
    GO(nrg_ref_eval(C, g, N, (const double *const *)v, 7, 3, nodes, 3, want));
    double **all = run_nodes(g, nodes, 3, v, count, 2, N, (how){.slice = 16});
    for (int i = 0; i < 3; i++)
        for (int64_t j = 0; j < size_of(g, nodes[i], N); j++)
            if (!close_enough(all[i][j], want[i][j], tol)) fail_msg("output %d, number %d: %g, ref has %g", i, (int)j, all[i][j], want[i][j]);
    assert_memory_equal(all[0], all[1], N * K * sizeof(double));
    for (int level = NRG_CPU_PORTABLE; level <= NRG_CPU_AVX512; level++) {
        if (!nrg_cpu_kernels((nrg_cpu_level)level)) continue;
        double **got = run_nodes(g, nodes, 3, v, count, 2, N, (how){.slice = 32, .threads = level, .level = (nrg_cpu_level)level});
        same_bits(all, got, g, nodes, 3, N, nrg_cpu_kernels((nrg_cpu_level)level)->name);
        free_all(got, 3);
    }
    double *one[2] = {v[0] + 41 * D, v[1]};
    double **got = run_nodes(g, nodes, 3, one, (int64_t[]){D, count[1]}, 2, 1, (how){0});
    assert_memory_equal(got[0], all[0] + 41 * K, K * sizeof(double));
    free_all(got, 3);
    free_all(all, 3);
    for (int i = 0; i < 3; i++) free(want[i]);
    free(v[0]), free(v[1]);
    nrg_graph_free(g);
}
static void bits_of_distances(void **state) {
    (void)state;
    distances(NRG_F64, 1e-12);
    distances(NRG_F32, 1e-5);
}

static void copy_bits(const test_case *t, void *ud) { // every row, on every instruction set
    nrg_dtype type = nrg_graph_type(t->g);
    int *failed = ud;
    double *want = run_case_plan(t, type, 0, 1, t->n, NRG_CPU_PORTABLE);
    for (int level = NRG_CPU_AVX2; level <= NRG_CPU_AVX512; level++) {
        if (!nrg_cpu_kernels((nrg_cpu_level)level)) continue;
        double *got = run_case_plan(t, type, 0, 1, t->n, (nrg_cpu_level)level);
        for (int64_t i = 0; i < t->y_count; i++)
            if (!(got[i] == want[i]) && !(isnan(got[i]) && isnan(want[i]))) {
                print_message("%s on level %d: %.17g, portable %.17g\n", t->name, level, got[i], want[i]);
                (*failed)++;
                break;
            }
        free(got);
    }
    free(want);
}
static void bits_of_every_row(void **state) {
    (void)state;
    int failed = 0;
    cases_each(C, NRG_OP_bad, NRG_F32, copy_bits, &failed);
    cases_each(C, NRG_OP_bad, NRG_F64, copy_bits, &failed);
    assert_int_equal(failed, 0);
}

// ---- elementary functions against the C library in long double

static const struct {
    nrg_op op;
    long double (*f)(long double);
    double low, high;
} functions[] = {{NRG_OP_exp, expl, -86, 88},   {NRG_OP_log, logl, 1e-30, 1e30}, {NRG_OP_tanh, tanhl, -12, 12}, {NRG_OP_sin, sinl, -1000, 1000},
                 {NRG_OP_cos, cosl, -1000, 1000}, {NRG_OP_log, logl, 0.5, 2},      {NRG_OP_tanh, tanhl, -0.1, 0.1}, {NRG_OP_exp, expl, -0.01, 0.01}};

static double worst_ulp(const nrg_kernels *k, int f, nrg_dtype type) {
    enum { N = NRG_TILE }; // a kernel takes one tile at most
    float x32[N], y32[N];
    double x[N], y[N], worst = 0;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < N; i++) {
            double u = (double)(round * N + i) / (200.0 * N);
            x[i] = functions[f].low > 0 ? functions[f].low * pow(functions[f].high / functions[f].low, u) : functions[f].low + u * (functions[f].high - functions[f].low);
            x32[i] = (float)x[i];
        }
        if (type == NRG_F32) k->tile_f32[functions[f].op](N, y32, x32, NULL, NULL);
        else k->tile_f64[functions[f].op](N, y, x, NULL, NULL);
        for (int i = 0; i < N; i++) {
            long double want = functions[f].f(type == NRG_F32 ? (long double)x32[i] : (long double)x[i]);
            double got = type == NRG_F32 ? (double)y32[i] : y[i], eps = type == NRG_F32 ? 0x1p-24 : 0x1p-53;
            double error = (double)(fabsl((long double)got - want) / (fabsl(want) > 1e-3L || functions[f].op < NRG_OP_sin ? fabsl(want) + 1e-300L : 1e-3L)) / eps;
            if (error > worst) worst = error;
        }
    }
    return worst;
}

static void edges(const nrg_kernels *k, nrg_op op, const float *x, float *y) {
    for (int i = 0; i < 6; i += 3) k->tile_f32[op](3, y + i, x + i, NULL, NULL);
}

static void elementary_functions(void **state) {
    (void)state;
    const nrg_kernels *k = nrg_cpu_kernels(NRG_CPU_BEST);
    for (int f = 0; f < (int)(sizeof functions / sizeof *functions); f++)
        for (int type = NRG_F32; type <= NRG_F64; type++) {
            double e = worst_ulp(k, f, (nrg_dtype)type);
            print_message("%s f%d: %.2f half ulp\n", nrg_op_get(functions[f].op)->name, type == NRG_F32 ? 32 : 64, e);
            assert_true(e < 8);
        }
    static const float edge[6] = {0, -1, INFINITY, -INFINITY, NAN, 1e30f};
    float got[6];
    edges(k, NRG_OP_log, edge, got);
    assert_true(got[0] == -INFINITY && isnan(got[1]) && got[2] == INFINITY && isnan(got[3]) && isnan(got[4]));
    edges(k, NRG_OP_exp, edge, got);
    assert_true(got[0] == 1 && got[2] == INFINITY && got[3] == 0 && isnan(got[4]) && got[5] == INFINITY);
    edges(k, NRG_OP_tanh, edge, got);
    assert_true(got[0] == 0 && got[2] == 1 && got[3] == -1 && isnan(got[4]) && got[5] == 1);
    edges(k, NRG_OP_sin, edge, got);
    assert_true(got[0] == 0 && isnan(got[2]) && isnan(got[4]) && fabsf(got[5] - sinf(1e30f)) < 1e-6f);
    edges(k, NRG_OP_softplus, edge, got);
    assert_true(got[2] == INFINITY && got[3] == 0 && isnan(got[4]) && fabsf(got[1] - log1pf(expf(-1))) < 1e-6f);
}

// Any bits over one number, on every instruction set: the quotient itself. Denormal numbers are flushed, as in a run.
static void quotients(void **state) {
    (void)state;
    float x[NRG_TILE], c[NRG_TILE], got[NRG_TILE];
    uint64_t seed = 1;
#if defined(__SSE2__)
    unsigned old = _mm_getcsr();
    _mm_setcsr(old | 0x8040u);
#endif
    for (int round = 0; round < 3000; round++)
        for (int level = NRG_CPU_PORTABLE; level <= NRG_CPU_AVX512; level++) {
            if (!nrg_cpu_kernels((nrg_cpu_level)level)) continue;
            for (int i = 0; i < NRG_TILE; i++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                uint32_t u = (uint32_t)(seed >> 32);
                if (round & 1) u = (u & 0x807fffffu) | 0x3f800000u; // of one size: quotients of all kinds
                memcpy(&x[i], &u, sizeof u);
                c[i] = i ? c[0] : round % 50 == 0 ? (float[]){0, -0.0f, INFINITY, NAN, 255, 1e-39f}[round / 50 % 6] : x[0];
            }
            if (round % 7 == 0) c[NRG_TILE / 2] = -c[0]; // not one number
            nrg_cpu_kernels((nrg_cpu_level)level)->tile_f32[NRG_OP_div](NRG_TILE, got, x, c, NULL);
            for (int i = 0; i < NRG_TILE; i++) {
                volatile float want = x[i] / c[i];
                float w = want;
                if (memcmp(&w, &got[i], sizeof w) && !(isnan(w) && isnan(got[i]))) fail_msg("%a / %a = %a, not %a", (double)x[i], (double)c[i], (double)w, (double)got[i]);
            }
        }
#if defined(__SSE2__)
    _mm_setcsr(old);
#endif
}

// ---- rows by index: single numbers, short, long and turned rows, indices of each sample and of all, those that are no place

enum { PLACES = 5, MANY = 200, PUTS = 37, TAKEN = 12 };

static nrg_node turned(nrg_graph *g, nrg_node x) {
    int32_t order[3] = {0, 2, 1};
    return nrg_permute(g, x, order);
}

static void rows_of(nrg_dtype type) {
    static const int64_t dims[8][3] = {{3}, {3}, {PLACES}, {PLACES, 30}, {PLACES, 4, 3}, {PLACES}, {3, 30}, {3, 4, 3}};
    static const int rank[8] = {1, 1, 1, 2, 3, 1, 2, 3};
    static const nrg_leads leads[8] = {NRG_SAMPLE, 0, 0, 0, 0, NRG_SAMPLE, NRG_SAMPLE, NRG_SAMPLE};
    static const char *const name[8] = {"k", "all", "w", "W", "V", "x", "X", "Y"};
    static const how hows[] = {{0}, {.threads = 3, .slice = 2}, {.slice = 1, .level = NRG_CPU_PORTABLE}, {.slice = 8, .threads = 2, .batch = 16}};
    nrg_graph *g;
    nrg_node in[8], out[TAKEN];
    double *v[8], *want[TAKEN];
    int64_t count[8];
    GO(nrg_graph_new(C, type, &g));
    for (int i = 0; i < 8; i++) {
        in[i] = nrg_input(g, name[i], leads[i], nrg_shape_of(rank[i], dims[i]));
        count[i] = size_of(g, in[i], PUTS);
        v[i] = malloc((size_t)count[i] * sizeof(double));
        for (int64_t j = 0; j < count[i]; j++) v[i][j] = i > 1 ? (double)(j * 7 % 11) - 3 : i ? (double)(2 * j) : j % 17 == 3 ? -1 : j % 19 == 4 ? NAN : (double)(j * 5 % 7);
    }
    for (int i = 0; i < 4; i++) out[i] = nrg_take(g, i == 3 ? turned(g, in[4]) : in[2 + i], in[0]);
    out[4] = nrg_take(g, in[5], in[1]);
    out[5] = nrg_take(g, in[5], in[0]);
    out[6] = nrg_put(g, in[0], nrg_take(g, in[5], in[1]), PLACES, NRG_SAMPLE);
    out[7] = nrg_put(g, in[0], in[6], MANY, NRG_SAMPLE); // after the slices of a block
    out[8] = nrg_put(g, in[0], turned(g, in[7]), PLACES, NRG_SAMPLE);
    out[9] = nrg_put(g, in[0], in[7], PLACES, 0);
    out[10] = nrg_put(g, in[1], in[6], PLACES, 0);
    out[11] = nrg_put(g, in[1], in[7], PLACES, NRG_SAMPLE);
    GO(nrg_graph_check(g));
    for (int i = 0; i < TAKEN; i++) want[i] = malloc((size_t)size_of(g, out[i], PUTS) * sizeof(double));
    GO(nrg_ref_eval(C, g, PUTS, (const double *const *)v, 7, 3, out, TAKEN, want));
    for (int k = 0; k < 4; k++) { // sums of small whole numbers: the same in any order
        double **got = run_nodes(g, out, TAKEN, v, count, 8, PUTS, hows[k]);
        for (int i = 0; i < TAKEN; i++)
            for (int64_t j = 0; j < size_of(g, out[i], PUTS); j++)
                if (got[i][j] != want[i][j] && !(isnan(got[i][j]) && isnan(want[i][j])))
                    fail_msg("run %d, output %d, number %d: %g, ref has %g", k, i, (int)j, got[i][j], want[i][j]);
        free_all(got, TAKEN);
    }
    for (int i = 0; i < TAKEN; i++) free(want[i]);
    for (int i = 0; i < 8; i++) free(v[i]);
    nrg_graph_free(g);
}

static void rows_by_index(void **state) {
    (void)state;
    rows_of(NRG_F64);
    rows_of(NRG_F32);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(table_f64, setup, teardown),
        cmocka_unit_test_setup_teardown(table_f32, setup, teardown),
        cmocka_unit_test_setup_teardown(sums_of_products, setup, teardown),
        cmocka_unit_test_setup_teardown(mlp_gradient, setup, teardown),
        cmocka_unit_test_setup_teardown(bits_threads_and_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(bits_alone_and_in_a_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(bits_of_convolutions, setup, teardown),
        cmocka_unit_test_setup_teardown(bits_of_a_norm, setup, teardown),
        cmocka_unit_test_setup_teardown(bits_of_distances, setup, teardown),
        cmocka_unit_test_setup_teardown(bits_of_every_row, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_by_index, setup, teardown),
        cmocka_unit_test_setup_teardown(elementary_functions, setup, teardown),
        cmocka_unit_test_setup_teardown(quotients, setup, teardown),
    };
    return cmocka_run_group_tests_name("exec", tests, NULL, NULL);
}
