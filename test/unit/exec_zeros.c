// Products whose left side is mostly zeros, which are left out: the bits of plain chains of fused multiply-adds over all terms, zeros of
// either sign and sides that are not finite included, forward and as a sum over samples.
#include "runs.h"

enum { ROWS = 163, TERMS = 303, COLUMNS = 150 };

static uint32_t seed;
static double draw(void) { return noise(&seed); }

typedef struct {
    double share;   // of numbers that are not zero
    bool empty;     // some rows and terms are zero throughout
    double strange; // at some places of the right side, 0: nowhere
} kind;

typedef struct {
    nrg_graph *g;
    nrg_node in[3], out[2]; // x [samples, terms], w [terms, columns], d [samples, columns]; x w, x' d
    double x[ROWS * TERMS], w[TERMS * COLUMNS], d[ROWS * COLUMNS], y[ROWS * COLUMNS], g_w[TERMS * COLUMNS];
} world;

static double chain(nrg_dtype type, double a, double b, double s) {
    return type == NRG_F64 ? fma(a, b, s) : (double)fmaf((float)a, (float)b, (float)s);
}

static world *make(nrg_dtype type, kind k) {
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    GO(nrg_graph_new(C, type, &w->g));
    nrg_shape row = nrg_shape_of(2, (int64_t[]){1, TERMS}), wide = nrg_shape_of(2, (int64_t[]){1, COLUMNS}),
              weights = nrg_shape_of(2, (int64_t[]){TERMS, COLUMNS});
    w->in[0] = nrg_input(w->g, "x", NRG_SAMPLE, row), w->in[1] = nrg_input(w->g, "w", 0, weights), w->in[2] = nrg_input(w->g, "d", NRG_SAMPLE, wide);
    w->out[0] = nrg_matmul(w->g, w->in[0], w->in[1], false, false, 0);
    w->out[1] = nrg_matmul(w->g, w->in[0], w->in[2], true, false, NRG_SAMPLE);
    GO(nrg_graph_check(w->g));
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < TERMS; j++) {
            double v = (double)(float)draw(), zero = draw() < 0 ? -0.0 : 0.0;
            bool kept = (draw() + 1) / 2 < k.share && !(k.empty && (i % 7 < 2 || j % 5 == 3));
            w->x[i * TERMS + j] = kept ? v : zero;
        }
    for (int i = 0; i < TERMS * COLUMNS; i++) w->w[i] = k.strange != 0 && i % 7919 == 5 ? k.strange : (double)(float)draw();
    for (int i = 0; i < ROWS * COLUMNS; i++) w->d[i] = k.strange != 0 && i % 7919 == 7 ? k.strange : (double)(float)draw();
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < TERMS; j++)
            for (int q = 0; q < COLUMNS; q++) {
                double *y = &w->y[i * COLUMNS + q], *g = &w->g_w[j * COLUMNS + q];
                *y = chain(type, w->x[i * TERMS + j], w->w[j * COLUMNS + q], *y);
                *g = chain(type, w->x[i * TERMS + j], w->d[i * COLUMNS + q], *g);
            }
    return w;
}

static void same(nrg_dtype type, const void *got, const double *want, int64_t n, const char *what) {
    for (int64_t i = 0; i < n; i++) {
        double x = typed_at(type, got, i);
        if (!(isnan(x) && isnan(want[i])) && memcmp(&x, &want[i], sizeof x) != 0) fail_msg("%s, number %d: %.17g, the chain has %.17g", what, (int)i, x, want[i]);
    }
}

static void run(world *w, int64_t slice, int threads, nrg_cpu_level level) {
    nrg_dtype type = nrg_graph_type(w->g);
    nrg_plan_spec spec = {.graph = w->g, .outputs = w->out, .outputs_n = 2, .batch = ROWS, .slice = slice};
    nrg_plan *p;
    nrg_run *r;
    double *value[] = {w->x, w->w, w->d};
    int64_t count[] = {ROWS * TERMS, TERMS * COLUMNS, ROWS * COLUMNS};
    void *in[3], *out[2] = {calloc(ROWS * COLUMNS, 8), calloc(TERMS * COLUMNS, 8)};
    assert_true(out[0] && out[1]);
    GO(nrg_plan_make(C, &spec, &p));
    GO(nrg_run_new(C, p, threads, &r));
    nrg_run_level(r, level);
    for (int i = 0; i < 3; i++) {
        in[i] = typed(type, value[i], count[i]);
        nrg_run_bind(r, w->in[i], (nrg_buffer){in[i], buffer_type(type), NULL});
    }
    for (int i = 0; i < 2; i++) nrg_run_output(r, i, out[i]);
    GO(nrg_run_go(r, ROWS, 1, 7, 3));
    same(type, out[0], w->y, ROWS * COLUMNS, "product");
    same(type, out[1], w->g_w, TERMS * COLUMNS, "sum over samples");
    for (int i = 0; i < 3; i++) free(in[i]);
    free(out[0]), free(out[1]);
    nrg_run_free(r);
    nrg_plan_free(p);
}

static void chains(void **state) {
    (void)state;
    static const kind kinds[] = {{0.1, false, 0}, {0.3, true, 0}, {0, false, 0}, {0.9, false, 0}, {0.2, true, INFINITY}, {0.2, true, -NAN}};
    seed = 1;
    for (int f = 0; f < 2; f++)
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            world *w = make(f ? NRG_F64 : NRG_F32, kinds[i]);
            run(w, ROWS, 1, NRG_CPU_BEST);
            run(w, ROWS, 2, NRG_CPU_AVX2);
            run(w, ROWS, 1, NRG_CPU_PORTABLE);
            run(w, 50, 3, NRG_CPU_BEST);
            nrg_graph_free(w->g);
            free(w);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(chains, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
