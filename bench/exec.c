// Speed of the processor executor: products, convolutions, elementwise chains, one training step. One line each:
// what, time, rate. Run it as bench_exec [threads].
#include "exec/exec.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static nrg_ctx *C;
static int threads = 1;

static double now(void) {
    struct timespec t;
    // One thread: processor time, which other work on the machine does not disturb.
    clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static nrg_shape shape(int rank, int64_t a, int64_t b, int64_t c, int64_t d) { return nrg_shape_of(rank, (int64_t[]){a, b, c, d}); }

// Median seconds of one run of n samples; `inside` repeats in each run.
static double measure(nrg_graph *g, const nrg_node *out, int outs, const nrg_update *up, int ups, int64_t n, int64_t inside, bool show) {
    nrg_plan *p;
    nrg_run *r;
    double times[31];
    void *mem[16] = {0};
    nrg_plan_spec spec = {.graph = g, .outputs = out, .outputs_n = outs, .updates = up, .updates_n = ups, .batch = n};
    if (nrg_plan_make(C, &spec, &p) != NRG_OK || nrg_run_new(C, p, threads, &r) != NRG_OK) exit(1);
    if (show) {
        nrg_text t = nrg_text_make(C);
        nrg_plan_print(p, &t);
        printf("%s", t.at);
        nrg_text_free(&t);
    }
    for (uint32_t s = 0; s < nrg_input_count(g); s++) {
        nrg_node in = nrg_input_at(g, s);
        int64_t count = nrg_node_count(g, in) * (nrg_graph_node(g, in)->leads & NRG_SAMPLE ? n : 1);
        float *x = mem[s] = malloc((size_t)count * sizeof *x);
        for (int64_t i = 0; i < count; i++) x[i] = (float)((double)(i * 2654435761u % 1000) / 4000.0 - 0.1);
        if (nrg_same(nrg_input_name(g, s), "label")) for (int64_t i = 0; i < count; i++) x[i] = (float)(i % 10);
        nrg_run_bind(r, in, (nrg_buffer){x, NRG_BUF_F32, NULL});
    }
    double start = now();
    for (int k = 0; k < 3 || now() - start < 0.05; k++) nrg_run_go(r, n, inside, 1, 0);
    for (int k = 0; k < 31; k++) {
        start = now();
        if (nrg_run_go(r, n, inside, 1, 0) != NRG_OK) exit(1);
        times[k] = now() - start;
    }
    qsort(times, 31, sizeof *times, by_value);
    nrg_run_free(r);
    nrg_plan_free(p);
    for (uint32_t s = 0; s < nrg_input_count(g); s++) free(mem[s]);
    return times[15] / (double)inside;
}

static nrg_graph *graph(void) {
    nrg_graph *g;
    if (nrg_graph_new(C, NRG_F32, &g) != NRG_OK) exit(1);
    return g;
}

// [m, k] by [k, n], repeated inside one run so that packing the weights is not what is measured.
static void product(int64_t m, int64_t n, int64_t k) {
    nrg_graph *g = graph();
    nrg_node x = nrg_input(g, "x", NRG_SAMPLE, shape(2, 1, k, 0, 0)), w = nrg_input(g, "w", 0, shape(2, k, n, 0, 0));
    nrg_node y = nrg_matmul(g, x, w, false, false, 0);
    double s = measure(g, &y, 1, NULL, 0, m, 20, false);
    printf("product %lldx%lldx%lld: %.1f us, %.1f GFLOP/s\n", (long long)m, (long long)n, (long long)k, s * 1e6, 2e-9 * (double)(m * n * k) / s);
    s = measure(g, &y, 1, NULL, 0, m, 1, false);
    printf("  with packing: %.1f us\n", s * 1e6);
    nrg_graph_free(g);
}

static void weight_gradient(int64_t s, int64_t m, int64_t n) {
    nrg_graph *g = graph();
    nrg_node x = nrg_input(g, "x", NRG_SAMPLE, shape(2, 1, m, 0, 0)), d = nrg_input(g, "d", NRG_SAMPLE, shape(2, 1, n, 0, 0));
    nrg_node y = nrg_matmul(g, x, d, true, false, NRG_SAMPLE);
    double t = measure(g, &y, 1, NULL, 0, s, 1, false);
    printf("weight gradient %lldx%lld over %lld: %.1f us, %.1f GFLOP/s\n", (long long)m, (long long)n, (long long)s, t * 1e6, 2e-9 * (double)(m * n * s) / t);
    nrg_graph_free(g);
}

static void convolution(int64_t c, int64_t size, int64_t f, int64_t n) {
    nrg_graph *g = graph();
    nrg_node x = nrg_input(g, "x", NRG_SAMPLE, shape(3, c, size, size, 0)), w = nrg_input(g, "w", 0, shape(4, f, c, 5, 5));
    nrg_node y = nrg_conv(g, x, w, 1, 2, 2), e = nrg_sum_all(g, y);
    double t = measure(g, &e, 1, NULL, 0, n, 1, false), flops = 2.0 * (double)(c * 25 * f * size * size * n);
    printf("conv %lldx%lldx%lld, %lld filters 5x5, %lld images: %.1f us, %.1f GFLOP/s\n", (long long)c, (long long)size, (long long)size,
           (long long)f, (long long)n, t * 1e6, flops * 1e-9 / t);
    nrg_graph_free(g);
}

static void chain(const char *name, nrg_node (*op)(nrg_graph *, nrg_node)) {
    nrg_graph *g = graph();
    int64_t n = 1024, rows = 64;
    nrg_node x = nrg_input(g, "x", NRG_SAMPLE, shape(1, n, 0, 0, 0)), y = op(g, x);
    double t = measure(g, &y, 1, NULL, 0, rows, 20, false);
    printf("%s: %.3f ns an element\n", name, t * 1e9 / (double)(n * rows));
    nrg_graph_free(g);
}
static nrg_node swish(nrg_graph *g, nrg_node x) { return nrg_mul(g, x, nrg_sigmoid(g, x)); }
static nrg_node cheap(nrg_graph *g, nrg_node x) {
    nrg_node y = nrg_add(g, nrg_mul(g, x, nrg_const(g, 1.5)), nrg_const(g, 0.5));
    return nrg_sub(g, nrg_mul(g, y, y), nrg_mul(g, x, nrg_const(g, 0.25)));
}
static nrg_node normals(nrg_graph *g, nrg_node x) {
    return nrg_add(g, x, nrg_random(g, nrg_iota_lead(g, NRG_SAMPLE), NRG_RANDOM_NORMAL, 3, shape(1, 1024, 0, 0, 0)));
}
static nrg_node uniform(nrg_graph *g, nrg_node x) {
    return nrg_add(g, x, nrg_random(g, nrg_iota_lead(g, NRG_SAMPLE), NRG_RANDOM_UNIFORM, 3, shape(1, 1024, 0, 0, 0)));
}
static nrg_node total(nrg_graph *g, nrg_node x) { return nrg_sum_all(g, nrg_square(g, x)); }

static nrg_node layer(nrg_graph *g, nrg_node x, int64_t n, int64_t m, nrg_node w, nrg_node b) {
    nrg_node h = nrg_matmul(g, nrg_reshape(g, x, shape(2, 1, n, 0, 0)), w, false, false, 0);
    return nrg_add(g, nrg_reshape(g, h, shape(1, m, 0, 0, 0)), b);
}

static void step(int64_t batch, int64_t in, int64_t hidden, int64_t out, bool show) {
    nrg_graph *g = graph();
    nrg_node x = nrg_input(g, "x", NRG_SAMPLE, shape(1, in, 0, 0, 0)), y = nrg_input(g, "label", NRG_SAMPLE, shape(0, 0, 0, 0, 0));
    nrg_node w[4] = {nrg_input(g, "W1", 0, shape(2, in, hidden, 0, 0)), nrg_input(g, "b1", 0, shape(1, hidden, 0, 0, 0)),
                     nrg_input(g, "W2", 0, shape(2, hidden, out, 0, 0)), nrg_input(g, "b2", 0, shape(1, out, 0, 0, 0))};
    nrg_node o = layer(g, nrg_relu(g, layer(g, x, in, hidden, w[0], w[1])), hidden, out, w[2], w[3]), d[4];
    nrg_node e = nrg_sub(g, nrg_reduce(g, NRG_OP_lse, o, 1, 0, false), nrg_take(g, o, y));
    nrg_node loss = nrg_mul(g, nrg_reduce(g, NRG_OP_sum, e, 0, NRG_SAMPLE, false), nrg_const(g, 1.0 / (double)batch));
    nrg_update u[4];
    if (nrg_grad(g, loss, NRG_BAD, w, 4, d) != NRG_OK) exit(1);
    for (int i = 0; i < 4; i++) u[i] = (nrg_update){w[i], nrg_sub(g, w[i], nrg_mul(g, d[i], nrg_const(g, 1e-3)))};
    double t = measure(g, &loss, 1, u, 4, batch, 1, show), flops = (double)batch * (4.0 * (double)(in * hidden) + 6.0 * (double)(hidden * out));
    printf("training step %lld-%lld-%lld, batch %lld: %.1f us, %.1f GFLOP/s\n", (long long)in, (long long)hidden, (long long)out,
           (long long)batch, t * 1e6, flops * 1e-9 / t);
    nrg_graph_free(g);
}

int main(int argc, char **argv) {
    C = nrg_ctx_new(NULL, NULL);
    if (argc > 1) threads = atoi(argv[1]);
    if (!C || threads < 1) return 1;
    if (argc > 3) { // only the step, many times: for a profiler
        for (int i = 0; i < 40; i++) step(128, 784, 500, 10, false);
        return 0;
    }
    product(128, 512, 784);
    product(128, 784, 512);
    product(128, 10, 500);
    product(128, 1, 500);
    product(1, 512, 784);
    weight_gradient(128, 784, 500);
    weight_gradient(128, 500, 10);
    convolution(1, 28, 6, 64);
    convolution(16, 14, 32, 64);
    chain("exp", nrg_exp);
    chain("log", nrg_log);
    chain("tanh", nrg_tanh);
    chain("sigmoid", nrg_sigmoid);
    chain("softplus", nrg_softplus);
    chain("sin", nrg_sin);
    chain("swish", swish);
    chain("six cheap operations", cheap);
    chain("sum of squares", total);
    chain("normal numbers", normals);
    chain("uniform numbers", uniform);
    step(128, 784, 500, 10, argc > 2);
    step(128, 2, 128, 1, false);
    nrg_ctx_free(C);
    return 0;
}
