// Convolutions and pooling of many shapes: as ref, and the same bits for any threads, instruction set and place in a batch.
#include "runs.h"

static double *numbers(int64_t n, uint32_t seed) { // in [-1, 1), exact in float
    double *x = malloc(((size_t)n + 1) * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = noise(&seed);
    return x;
}

enum { MOST = 4 };

typedef struct { // a graph whose inputs all are in slot order, and what it gives
    nrg_graph *g;
    nrg_dtype type;
    nrg_node out[MOST];
    int ins, outs;
    bool sample[MOST];    // of inputs
    int64_t each[MOST];   // numbers of an input, of one sample where it has them
    double *in[MOST];
} work;

typedef struct {
    int64_t slice;
    int threads;
    nrg_cpu_level level;
} how;

static int64_t size_of(const work *w, int i, int64_t n) {
    return nrg_node_count(w->g, w->out[i]) * (nrg_graph_node(w->g, w->out[i])->leads & NRG_SAMPLE ? n : 1);
}

// The outputs for samples first .. first + n, as bytes.
static void run(const work *w, int64_t first, int64_t n, how h, void **out) {
    nrg_plan_spec spec = {.graph = w->g, .outputs = w->out, .outputs_n = w->outs, .batch = n, .slice = h.slice};
    size_t real = w->type == NRG_F64 ? 8 : 4;
    nrg_plan *p;
    nrg_run *r;
    void *in[MOST];
    GO(nrg_plan_make(C, &spec, &p));
    GO(nrg_run_new(C, p, h.threads ? h.threads : 1, &r));
    nrg_run_level(r, h.level);
    for (int i = 0; i < w->ins; i++) {
        int64_t count = w->each[i] * (w->sample[i] ? n : 1), from = w->sample[i] ? first * w->each[i] : 0;
        in[i] = malloc(((size_t)count + 1) * real);
        for (int64_t k = 0; k < count; k++)
            if (w->type == NRG_F64) ((double *)in[i])[k] = w->in[i][from + k];
            else ((float *)in[i])[k] = (float)w->in[i][from + k];
        nrg_run_bind(r, nrg_input_at(w->g, (uint32_t)i), (nrg_buffer){in[i], buffer_type(w->type), NULL});
    }
    for (int i = 0; i < w->outs; i++) {
        out[i] = malloc(((size_t)size_of(w, i, n) + 1) * real);
        nrg_run_output(r, i, out[i]);
    }
    GO(nrg_run_go(r, n, 1, 7, 3));
    for (int i = 0; i < w->ins; i++) free(in[i]);
    nrg_run_free(r);
    nrg_plan_free(p);
}

static void free_all(const work *w, void **x) {
    for (int i = 0; i < w->outs; i++) free(x[i]);
}

static void as_ref(const work *w, int64_t n, void **got, double tol, const char *what) {
    double *want[MOST];
    for (int i = 0; i < w->outs; i++) want[i] = malloc(((size_t)size_of(w, i, n) + 1) * sizeof(double));
    GO(nrg_ref_eval(C, w->g, n, (const double *const *)w->in, 7, 3, w->out, w->outs, want));
    for (int i = 0; i < w->outs; i++) {
        for (int64_t k = 0; k < size_of(w, i, n); k++) {
            double x = w->type == NRG_F64 ? ((double *)got[i])[k] : (double)((float *)got[i])[k], y = want[i][k];
            bool same = isnan(y) ? isnan(x) : isinf(y) ? x == y : fabs(x - y) <= tol * (1 + fabs(y));
            if (!same) fail_msg("%s, output %d, number %d: %.9g, ref has %.9g", what, i, (int)k, x, y);
        }
        free(want[i]);
    }
}

// As ref; then the same bits with other threads and kernels, and for a sample alone where the output is one of samples.
static void judge(const work *w, int64_t n, double tol, const char *what) {
    static const int threads[] = {1, 2, 8};
    size_t real = w->type == NRG_F64 ? 8 : 4;
    void *all[MOST], *got[MOST];
    run(w, 0, n, (how){.slice = 4}, all);
    as_ref(w, n, all, tol, what);
    for (int level = NRG_CPU_PORTABLE; level <= NRG_CPU_AVX512; level++) {
        if (!nrg_cpu_kernels((nrg_cpu_level)level)) continue;
        run(w, 0, n, (how){.slice = 4, .threads = threads[level % 3], .level = (nrg_cpu_level)level}, got);
        for (int i = 0; i < w->outs; i++)
            if (memcmp(all[i], got[i], (size_t)size_of(w, i, n) * real))
                fail_msg("%s, output %d: other bits with %s", what, i, nrg_cpu_kernels((nrg_cpu_level)level)->name);
        free_all(w, got);
    }
    run(w, n - 1, 1, (how){.slice = 0}, got);
    for (int i = 0; i < w->outs; i++)
        if (nrg_graph_node(w->g, w->out[i])->leads & NRG_SAMPLE) {
            size_t bytes = (size_t)size_of(w, i, 1) * real;
            if (memcmp((char *)all[i] + (size_t)(n - 1) * bytes, got[i], bytes)) fail_msg("%s, output %d: other bits alone", what, i);
        }
    free_all(w, got);
    free_all(w, all);
}

static void add_input(work *w, const char *name, nrg_leads leads, nrg_shape s, int64_t n, nrg_node *to) {
    *to = nrg_input(w->g, name, leads, s);
    w->sample[w->ins] = leads & NRG_SAMPLE;
    w->each[w->ins] = nrg_shape_count(&s);
    w->in[w->ins] = numbers(w->each[w->ins] * (leads & NRG_SAMPLE ? n : 1), 3u + (uint32_t)w->ins);
    w->ins++;
}

static void done(work *w) {
    for (int i = 0; i < w->ins; i++) free(w->in[i]);
    nrg_graph_free(w->g);
}

typedef struct {
    const char *what;
    int64_t c, H, W, f, h, w;
    int stride, ph, pw;
    int64_t n;
} geometry;

static const geometry geometries[] = {
    {"3 x 3, borders", 8, 9, 7, 24, 3, 3, 1, 1, 1, 9},
    {"one tap", 17, 6, 5, 33, 1, 1, 1, 0, 0, 9},
    {"one tap, every second", 5, 7, 6, 16, 1, 1, 2, 0, 0, 5},
    {"stride 3, gaps between filters", 9, 11, 12, 6, 2, 2, 3, 0, 1, 5},
    {"stride 3, 5 x 4, wide borders", 10, 10, 13, 20, 5, 4, 3, 4, 3, 5},
    {"a filter as large as the picture", 12, 6, 5, 40, 6, 5, 1, 0, 0, 20},
    {"a filter larger than the picture", 3, 4, 3, 7, 7, 6, 1, 3, 3, 5},
    {"few channels", 1, 13, 14, 32, 5, 5, 2, 2, 2, 9},
    {"few channels, stride 3, what no filter reaches", 3, 11, 13, 18, 2, 3, 3, 1, 0, 5},
    {"few channels, more filters than terms at a time", 2, 5, 6, 300, 3, 3, 1, 1, 1, 4},
    {"few channels, more positions than room", 3, 75, 61, 8, 7, 7, 1, 3, 3, 1},
    {"more terms than at a time", 70, 5, 4, 130, 3, 3, 2, 1, 1, 6},
    {"many channels, borders wider than the picture", 40, 4, 6, 33, 5, 4, 1, 5, 4, 4},
    {"many channels, stride 3, what no filter reaches", 33, 11, 10, 70, 4, 5, 3, 3, 1, 5},
    {"more taps than at a time", 34, 20, 19, 3, 17, 18, 1, 2, 3, 2},
    {"few filters", 3, 12, 28, 6, 3, 5, 1, 1, 2, 11},
    {"few filters, no borders", 2, 9, 37, 3, 4, 2, 1, 0, 0, 5},
    {"few filters, rows shorter than a register", 5, 9, 13, 2, 2, 2, 1, 0, 1, 7},
    {"few filters, a picture in bands", 2, 150, 131, 4, 3, 3, 1, 1, 1, 2},
    {"a picture in bands", 10, 70, 66, 20, 3, 3, 2, 1, 1, 2},
    {"no channels", 0, 4, 5, 3, 3, 3, 1, 1, 1, 3},
    {"no filters", 3, 4, 5, 0, 3, 3, 1, 1, 1, 3},
    {"no rows but the border", 2, 0, 3, 5, 1, 2, 1, 1, 1, 3},
    {"no rows but the border, many channels", 20, 0, 3, 5, 1, 2, 2, 1, 1, 3},
    {"one row", 16, 1, 40, 12, 1, 5, 1, 0, 2, 5},
};

static void convolution(const geometry *q, nrg_dtype type, double tol) {
    work w = {.type = type, .outs = 3};
    nrg_node x, a, d;
    GO(nrg_graph_new(C, type, &w.g));
    int64_t p = (q->H + 2 * q->ph - q->h) / q->stride + 1, r = (q->W + 2 * q->pw - q->w) / q->stride + 1;
    add_input(&w, "x", NRG_SAMPLE, nrg_shape_of(3, (int64_t[]){q->c, q->H, q->W}), q->n, &x);
    add_input(&w, "a", 0, nrg_shape_of(4, (int64_t[]){q->f, q->c, q->h, q->w}), q->n, &a);
    add_input(&w, "d", NRG_SAMPLE, nrg_shape_of(3, (int64_t[]){q->f, p, r}), q->n, &d);
    w.out[0] = nrg_conv(w.g, x, a, q->stride, q->ph, q->pw);
    w.out[1] = nrg_convx(w.g, d, a, q->stride, q->ph, q->pw, q->H, q->W);
    w.out[2] = nrg_convw(w.g, x, d, q->stride, q->ph, q->pw, q->h, q->w, NRG_SAMPLE);
    GO(nrg_graph_check(w.g));
    judge(&w, q->n, tol, q->what);
    done(&w);
}

// Errors grow with the number of terms: at most 70 * 9, or 8 * 70 * 66 positions.
static void convolutions(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof geometries / sizeof *geometries; i++) {
        convolution(&geometries[i], NRG_F64, 1e-11);
        convolution(&geometries[i], NRG_F32, 5e-4);
    }
}

// ---- windows of k x k, and of k in a run: the largest, the smallest, their places, the sum; gradients give ties to the first

static nrg_node blocks(nrg_graph *g, nrg_node x, int axis, int64_t k) {
    nrg_shape h = nrg_graph_node(g, x)->shape;
    int64_t n = h.dim[axis] / k;
    x = nrg_slice(g, x, axis, 0, n * k, 1);
    for (int i = h.rank++; i > axis; i--) h.dim[i] = h.dim[i - 1];
    h.dim[axis] = n, h.dim[axis + 1] = k;
    return nrg_reshape(g, x, h);
}

static void windows(int64_t H, int64_t W, int64_t k, bool run_of, nrg_op op, nrg_dtype type) {
    enum { N = 5 };
    work w = {.type = type, .outs = 2};
    nrg_node x, d, y;
    char what[96];
    GO(nrg_graph_new(C, type, &w.g));
    add_input(&w, "x", NRG_SAMPLE, nrg_shape_of(3, (int64_t[]){3, H, W}), N, &x);
    for (int64_t i = 0; i < N * 3 * H * W; i++) { // ties, and what is no number in the last sample but one
        w.in[0][i] = floor(4 * w.in[0][i]);
        if (i / (3 * H * W) == N - 2 && i % 7 == 0) w.in[0][i] = i % 3 ? (double)NAN : i % 2 ? INFINITY : -INFINITY;
    }
    y = run_of ? nrg_reduce(w.g, op, blocks(w.g, x, 1, k), 4, 0, false) : nrg_reduce(w.g, op, blocks(w.g, blocks(w.g, x, 2, k), 1, k), 4 | 16, 0, false);
    w.out[0] = y;
    add_input(&w, "d", NRG_SAMPLE, nrg_graph_node(w.g, y)->shape, N, &d);
    w.out[1] = d;
    if (op != NRG_OP_argmax && op != NRG_OP_argmin) GO(nrg_grad(w.g, y, d, &x, 1, &w.out[1]));
    GO(nrg_graph_check(w.g));
    snprintf(what, sizeof what, "%s, windows of %d in %d x %d%s", nrg_op_get(op)->name, (int)k, (int)H, (int)W, run_of ? ", runs" : "");
    judge(&w, N, type == NRG_F64 ? 1e-13 : 1e-6, what);
    done(&w);
}

static void pooling(void **state) {
    (void)state;
    static const nrg_op ops[] = {NRG_OP_rmax, NRG_OP_rmin, NRG_OP_argmax, NRG_OP_argmin, NRG_OP_sum, NRG_OP_lse};
    static const int64_t sizes[][3] = {{4, 6, 2}, {7, 29, 2}, {9, 33, 3}, {8, 20, 4}, {13, 13, 6}, {28, 28, 2}, {2, 2, 2}, {5, 45, 5}};
    for (int type = NRG_F32; type <= NRG_F64; type++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (size_t k = 0; k < sizeof ops / sizeof *ops; k++)
                for (int r = 0; r < 2; r++) windows(sizes[i][0], sizes[i][1], sizes[i][2], r, ops[k], (nrg_dtype)type);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(convolutions, setup, teardown),
        cmocka_unit_test_setup_teardown(pooling, setup, teardown),
    };
    return cmocka_run_group_tests_name("exec_pictures", tests, NULL, NULL);
}
