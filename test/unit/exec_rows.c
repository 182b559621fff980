// Rows by index that fused steps read where they lie, and sums of each sample's numbers that they make on the way: against the formula, with
// indices that are none, at any threads, slices and instruction sets, and the steps that are left.
#include "runs.h"

enum { N = 150, K = 9 };

typedef struct {
    nrg_graph *g;
    nrg_node in[4], out[3]; // x [N, H, D], W [K, H, D], z [N], b [H, 1]; d = b (x - W[z]), its squares summed, z + that
    int64_t H, D;
    double *v[4], *want[3];
} world;

static int64_t numbers(const world *w, int i) { return (int64_t[]){N * w->H * w->D, K * w->H * w->D, N, w->H}[i]; }
static int64_t results(const world *w, int i) { return i ? N : N * w->H * w->D; }

static void fill(world *w) {
    uint32_t seed = 5;
    for (int i = 0; i < 4; i++) {
        assert_non_null(w->v[i] = malloc((size_t)numbers(w, i) * sizeof(double)));
        for (int64_t k = 0; k < numbers(w, i); k++) w->v[i][k] = noise(&seed);
    }
    for (int64_t k = 0; k < N; k++) w->v[2][k] = floor((w->v[2][k] + 1) / 2 * K);
    w->v[2][3] = -1, w->v[2][7] = K, w->v[2][11] = NAN; // no rows of W
    for (int i = 0; i < 3; i++) assert_non_null(w->want[i] = calloc((size_t)results(w, i), sizeof(double)));
    for (int64_t n = 0; n < N; n++) {
        double z = w->v[2][n];
        for (int64_t k = 0; k < w->H * w->D; k++) {
            double row = z >= 0 && z < K ? w->v[1][(int64_t)z * w->H * w->D + k] : NAN, d = w->v[3][k / w->D] * (w->v[0][n * w->H * w->D + k] - row);
            w->want[0][n * w->H * w->D + k] = d, w->want[1][n] += d * d;
        }
        w->want[2][n] = z + w->want[1][n];
    }
}

static world make(nrg_dtype type, int64_t H, int64_t D) {
    world w = {.H = H, .D = D};
    GO(nrg_graph_new(C, type, &w.g));
    nrg_shape row = nrg_shape_of(2, (int64_t[]){H, D});
    w.in[0] = nrg_input(w.g, "x", NRG_SAMPLE, row), w.in[1] = nrg_input(w.g, "W", 0, nrg_shape_of(3, (int64_t[]){K, H, D}));
    w.in[2] = nrg_input(w.g, "z", NRG_SAMPLE, nrg_shape_of(0, NULL)), w.in[3] = nrg_input(w.g, "b", 0, nrg_shape_of(2, (int64_t[]){H, 1}));
    w.out[0] = nrg_mul(w.g, w.in[3], nrg_sub(w.g, w.in[0], nrg_take(w.g, w.in[1], w.in[2])));
    w.out[1] = nrg_reduce(w.g, NRG_OP_sum, nrg_square(w.g, w.out[0]), 3, 0, false);
    w.out[2] = nrg_add(w.g, w.in[2], w.out[1]);
    GO(nrg_graph_check(w.g));
    fill(&w);
    return w;
}

static int count(const nrg_plan *p, nrg_step_kind kind) {
    int n = 0;
    for (uint32_t i = 0; i < p->steps.n; i++) n += p->steps.at[i].kind == kind;
    return n;
}

// fused: no rows are copied, no sum is a step of its own.
static void run(const world *w, int64_t slice, int threads, nrg_cpu_level level, bool fused, void **out) {
    nrg_plan_spec spec = {.graph = w->g, .outputs = w->out, .outputs_n = 3, .batch = N, .slice = slice};
    nrg_dtype type = nrg_graph_type(w->g);
    nrg_plan *p;
    nrg_run *r;
    void *in[4];
    GO(nrg_plan_make(C, &spec, &p));
    assert_int_equal(count(p, NRG_STEP_take) + count(p, NRG_STEP_reduce), fused ? 0 : 2);
    GO(nrg_run_new(C, p, threads, &r));
    nrg_run_level(r, level);
    for (int i = 0; i < 4; i++) {
        in[i] = typed(type, w->v[i], numbers(w, i));
        nrg_run_bind(r, w->in[i], (nrg_buffer){in[i], buffer_type(type), NULL});
    }
    for (int i = 0; i < 3; i++) {
        assert_non_null(out[i] = calloc((size_t)results(w, i), sizeof(double)));
        nrg_run_output(r, i, out[i]);
    }
    GO(nrg_run_go(r, N, 1, 1, 0));
    for (int i = 0; i < 4; i++) free(in[i]);
    nrg_run_free(r);
    nrg_plan_free(p);
}

static void rows(void **state) {
    static const int64_t shapes[][2] = {{1, 300}, {1, 784}, {5, 33}, {30, 20}, {1, 128}, {1, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int type = NRG_F32; type <= NRG_F64; type++) {
            world w = make((nrg_dtype)type, shapes[i][0], shapes[i][1]);
            double tol = (type == NRG_F64 ? 1e-15 : 5e-7) * (double)(w.H * w.D);
            bool fused = w.H * w.D >= NRG_LONG;
            void *got[3], *other[3];
            run(&w, 16, 1, NRG_CPU_BEST, fused, got);
            for (int k = 0; k < 3; k++)
                for (int64_t n = 0; n < results(&w, k); n++) {
                    double x = typed_at((nrg_dtype)type, got[k], n), y = w.want[k][n];
                    if (isnan(x) != isnan(y) || fabs(x - y) > tol + tol * fabs(y)) fail_msg("output %d, number %d: %.9g, not %.9g", k, (int)n, x, y);
                }
            for (int level = NRG_CPU_PORTABLE; level <= NRG_CPU_AVX512; level++) {
                if (!nrg_cpu_kernels((nrg_cpu_level)level)) continue;
                run(&w, level == NRG_CPU_AVX2 ? 4 : 32, 1 << level, (nrg_cpu_level)level, fused, other);
                for (int k = 0; k < 3; k++)
                    for (int64_t n = 0; n < results(&w, k); n++) {
                        double x = typed_at((nrg_dtype)type, got[k], n), y = typed_at((nrg_dtype)type, other[k], n);
                        if (!(x == y || (isnan(x) && isnan(y)))) fail_msg("level %d, output %d, number %d: %.17g and %.17g", level, k, (int)n, x, y);
                    }
                for (int k = 0; k < 3; k++) free(other[k]);
            }
            for (int k = 0; k < 3; k++) free(got[k]), free(w.want[k]);
            for (int k = 0; k < 4; k++) free(w.v[k]);
            nrg_graph_free(w.g);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(rows, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
