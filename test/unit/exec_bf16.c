// Matrix products from bfloat16 numbers: rounding, tiles against their definition bit by bit, whole products against ref, and how
// exact they are. Matrix units are compared with plain C where the processor has them.
#include "runs.h"
#include "table/cases.h"
#include "table/cases.c"
#include <float.h>

static const nrg_cpu_level levels[] = {NRG_CPU_PORTABLE, NRG_CPU_AVX2, NRG_CPU_AVX512, NRG_CPU_AMX};
enum { LEVELS = sizeof levels / sizeof *levels };

static bool here(nrg_cpu_level level) {
    const nrg_kernels *k = nrg_cpu_kernels(level);
    return k && nrg_cpu_tiles(k, level);
}

static uint32_t next(uint32_t *s) { return *s = *s * 1664525u + 1013904223u; }

static float of_half(uint16_t h) {
    uint32_t u = (uint32_t)h << 16;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

// ---- rounding

// By its definition: eight binary digits, ties to even, which rint gives.
static float nearest(float x) {
    int e;
    if (!isfinite(x)) return x;
    if (fabsf(x) < FLT_MIN) return copysignf(0, x);
    (void)frexp((double)x, &e);
    double y = ldexp(rint(ldexp((double)x, 8 - e)), e - 8);
    return fabs(y) >= 0x1p128 ? (float)copysign(INFINITY, y) : (float)y;
}

static bool same(float x, float y) { return isnan(x) ? isnan(y) : memcmp(&x, &y, sizeof x) == 0; }

static void rounding(void **state) {
    (void)state;
    static const float special[] = {0, -0.0f, 1, INFINITY, -INFINITY, NAN, FLT_MAX, -FLT_MAX, FLT_MIN, FLT_TRUE_MIN, -1e-39f,
                                    1.00390625f, 1.01171875f, 3.3895314e38f, 3.3961775e38f};
    enum { SPECIAL = sizeof special / sizeof *special };
    uint32_t seed = 3;
    float x[512];
    uint16_t hi[512], lo[512], alone[512];
    for (int level = 0; level < LEVELS; level++) {
        const nrg_kernels *k = nrg_cpu_kernels(levels[level]);
        for (int round = 0; k && round < 40; round++) {
            for (int i = 0; i < 512; i++) {
                uint32_t u = next(&seed) >> 16 | (next(&seed) & 0xffff0000u); // any bits
                if (i < SPECIAL) x[i] = special[i];
                else memcpy(&x[i], &u, sizeof u);
            }
            for (int pairs = 0; pairs < 2; pairs++) {
                float y[512];
                uint16_t others[2][512];
                int wide = pairs ? 16 : 32, high = 512 / wide;
                k->bf16(pairs, false, x, wide, hi, lo);
                k->bf16(pairs, false, x, wide, alone, NULL);
                assert_memory_equal(hi, alone, sizeof hi);
                for (int i = 0; i < 512; i++) y[i % wide * high + i / wide] = x[i]; // the other way round
                k->bf16(pairs, true, y, high, others[0], others[1]);
                k->bf16(pairs, true, y, high, alone, NULL);
                assert_memory_equal(hi, alone, sizeof hi);
                assert_memory_equal(hi, others[0], sizeof hi);
                assert_memory_equal(lo, others[1], sizeof lo);
                for (int i = 0; i < 512; i++) {
                    int at = pairs ? i / 32 * 32 + i % 16 * 2 + i / 16 % 2 : i;
                    float h = nearest(x[i]), l = isinf(h) ? 0 : nearest(x[i] - h);
                    if (!same(of_half(hi[at]), h)) fail_msg("%s: %a becomes %a, not %a", k->name, (double)x[i], (double)of_half(hi[at]), (double)h);
                    if (fabsf(l) == 0 ? of_half(lo[at]) != 0 : !same(of_half(lo[at]), l))
                        fail_msg("%s: %a leaves %a, not %a", k->name, (double)x[i], (double)of_half(lo[at]), (double)l);
                }
            }
        }
    }
}

// ---- tiles

enum { ROWS = 3, COLS = 3, TERMS = 4, WIDE = 16 * COLS + 5 };

static void dot(float *c, const uint16_t *a, const uint16_t *b, int m, int n) {
    float e = 0, o = 0;
    for (int i = 0; i < 16; i++) {
        e = fmaf(of_half(a[32 * m + 2 * i]), of_half(b[32 * i + 2 * n]), e);
        o = fmaf(of_half(a[32 * m + 2 * i + 1]), of_half(b[32 * i + 2 * n + 1]), o);
    }
    *c += e + o;
}

static void by_definition(const nrg_tiles *j) {
    int64_t step = j->three ? 1024 : 512;
    for (int64_t r = 0; r < 16 * j->rows; r++)
        for (int64_t q = 0; q < 16 * j->cols; q++) {
            float *c = j->c + r * j->c_row + q;
            if (!j->add) *c = 0;
            for (int64_t k = 0; k < j->terms; k++) {
                const uint16_t *a = j->a + r / 16 * j->terms * step + k * step, *b = j->b + q / 16 * j->b_strip + k * step;
                if (j->three) dot(c, a, b + 512, (int)r % 16, (int)q % 16);
                dot(c, a, b, (int)r % 16, (int)q % 16);
                if (j->three) dot(c, a + 512, b, (int)r % 16, (int)q % 16);
            }
        }
}

static void tiles(void **state) {
    (void)state;
    static uint16_t a[ROWS * TERMS * 1024], b[COLS * (TERMS + 1) * 1024];
    static float got[16 * ROWS * WIDE], want[16 * ROWS * WIDE];
    uint32_t seed = 5;
    for (size_t i = 0; i < sizeof a / sizeof *a; i++) a[i] = (uint16_t)(0x3f00 ^ (next(&seed) >> 16 & 0x80ff)); // up to 4 in size
    for (size_t i = 0; i < sizeof b / sizeof *b; i++) b[i] = (uint16_t)(0x3f00 ^ (next(&seed) >> 16 & 0x80ff));
    for (int level = 0; level < LEVELS; level++) {
        if (!here(levels[level])) {
            print_message("skipped: tiles %d are not for this processor\n", (int)levels[level]);
            continue;
        }
        nrg_tiles_fn go = nrg_cpu_tiles(nrg_cpu_kernels(levels[level]), levels[level]);
        for (int shape = 0; shape < ROWS * COLS * (TERMS + 1) * 4; shape++) {
            bool three = shape & 1, add = shape & 2;
            int at = shape / 4, rows = at % ROWS + 1, cols = at / ROWS % COLS + 1, terms = at / ROWS / COLS;
            for (int i = 0; i < 16 * ROWS * WIDE; i++) got[i] = want[i] = (float)noise(&seed);
            nrg_tiles j = {.rows = rows, .cols = cols, .terms = terms, .three = three, .add = add, .a = a, .b = b, .b_strip = (TERMS + 1) * 1024,
                           .c = got, .c_row = WIDE};
            go(&j);
            j.c = want;
            by_definition(&j);
            if (memcmp(got, want, sizeof got) != 0)
                fail_msg("level %d: %d x %d tiles, %d terms, three %d, add %d", (int)levels[level], rows, cols, terms, three, add);
        }
    }
}

// ---- products of graphs

static void *as_floats(const double *d, int64_t n) {
    float *p = malloc(((size_t)n + 1) * sizeof *p);
    for (int64_t i = 0; i < n; i++) p[i] = (float)d[i];
    return p;
}

typedef struct {
    int64_t slice, batch;
    int threads;
    nrg_cpu_level level;
} how;

// The outputs one after another.
static float *run(const nrg_graph *g, const nrg_node *out, int outs, double *const *value, const int64_t *count, int inputs, int64_t n, how h) {
    nrg_plan *p;
    nrg_run *r;
    nrg_plan_spec spec = {.graph = g, .outputs = out, .outputs_n = outs, .batch = h.batch ? h.batch : n, .slice = h.slice};
    void *in[8] = {0};
    int64_t size = 0, at = 0;
    GO(nrg_plan_make(C, &spec, &p));
    GO(nrg_run_new(C, p, h.threads ? h.threads : 1, &r));
    nrg_run_level(r, h.level);
    for (int i = 0; i < inputs; i++) {
        in[i] = as_floats(value[i], count[i]);
        nrg_run_bind(r, nrg_input_at(g, (uint32_t)i), (nrg_buffer){in[i], NRG_BUF_F32, NULL});
    }
    for (int i = 0; i < outs; i++) size += nrg_node_count(g, out[i]) * (nrg_graph_node(g, out[i])->leads & NRG_SAMPLE ? n : 1);
    float *y = calloc((size_t)size + 1, sizeof *y);
    for (int i = 0; i < outs; i++) {
        nrg_run_output(r, i, y + at);
        at += nrg_node_count(g, out[i]) * (nrg_graph_node(g, out[i])->leads & NRG_SAMPLE ? n : 1);
    }
    GO(nrg_run_go(r, n, 1, 7, 3));
    for (int i = 0; i < inputs; i++) free(in[i]);
    nrg_run_free(r);
    nrg_plan_free(p);
    return y;
}

typedef struct {
    int cases, failed;
    double worst;
} seen;

// Every case of matmul of the table, with all levels, slices and threads: as ref within what rounding of the operands allows, and the
// same bits at every level and number of threads.
static void one_case(const test_case *t, void *ud) {
    seen *s = ud;
    bool three = nrg_graph_type(t->g) == NRG_BF16X3;
    double tol = three ? 1e-4 : 0.02, *want = malloc(((size_t)t->y_count + 1) * sizeof *want);
    for (int i = 0; i < t->inputs; i++)
        for (int64_t k = 0; k < t->count[i]; k++) t->value[i][k] = (double)(float)t->value[i][k];
    GO(nrg_ref_eval(C, t->g, t->n, (const double *const *)t->value, 7, 3, &t->y, 1, &want));
    static const int64_t slices[] = {0, 1, 3};
    for (int k = 0; k < 3; k++) {
        float *first = NULL;
        for (int level = 0; level < LEVELS; level++) {
            if (!here(levels[level])) continue;
            how h = {.slice = slices[k], .threads = level + 1, .level = levels[level]};
            float *got = run(t->g, &t->y, 1, t->value, t->count, t->inputs, t->n, h);
            for (int64_t i = 0; i < t->y_count && !first; i++) {
                double off = fabs((double)got[i] - want[i]) / (1 + fabs(want[i]));
                s->worst = fmax(s->worst, off);
                if (!(off <= tol)) print_message("%s: %g, ref has %g\n", t->name, (double)got[i], want[i]), s->failed++;
            }
            if (first) assert_memory_equal(first, got, (size_t)t->y_count * sizeof *got);
            if (first) free(got);
            else first = got;
        }
        free(first);
    }
    s->cases++;
    free(want);
}

static void table(void **state) {
    (void)state;
    for (int type = NRG_BF16X3; type <= NRG_BF16; type++) {
        seen s = {0};
        cases_each(C, NRG_OP_matmul, (nrg_dtype)type, one_case, &s);
        print_message("%s: %d products, at most %.1e off\n", nrg_dtype_name((nrg_dtype)type), s.cases, s.worst);
        assert_true(s.cases > 20);
        assert_int_equal(s.failed, 0);
    }
}

// Two layers and their gradients: packed weights, products by samples, sums over samples in lanes and after blocks.
typedef struct {
    nrg_graph *g;
    nrg_node out[4]; // {sample} [8], {sample} [in], gradients to both weights
    int64_t in, count[3];
    double *value[3];
} net;
enum { HIDDEN = 70, OUT = 8 };

static net net_make(nrg_dtype type, int64_t in, int64_t n) {
    net w = {.in = in, .count = {n * in, in * HIDDEN, HIDDEN * OUT}};
    uint32_t seed = 11;
    GO(nrg_graph_new(C, type, &w.g));
    nrg_graph *g = w.g;
    nrg_node x = nrg_input(g, "x", NRG_SAMPLE, nrg_shape_of(2, (int64_t[]){1, in}));
    nrg_node a = nrg_input(g, "a", 0, nrg_shape_of(2, (int64_t[]){in, HIDDEN})), b = nrg_input(g, "b", 0, nrg_shape_of(2, (int64_t[]){HIDDEN, OUT}));
    nrg_node y = nrg_matmul(g, nrg_tanh(g, nrg_matmul(g, x, a, false, false, 0)), b, false, false, 0);
    nrg_node each = nrg_sum_all(g, nrg_square(g, y)), all = nrg_reduce(g, NRG_OP_sum, each, 0, NRG_SAMPLE, false), weights[2] = {a, b};
    w.out[0] = y;
    GO(nrg_grad(g, each, NRG_BAD, &x, 1, &w.out[1]));
    GO(nrg_grad(g, all, NRG_BAD, weights, 2, &w.out[2]));
    GO(nrg_graph_check(g));
    for (int i = 0; i < 3; i++) {
        w.value[i] = malloc((size_t)w.count[i] * sizeof(double));
        for (int64_t k = 0; k < w.count[i]; k++) w.value[i][k] = (double)((i ? 0.2f : 1) * (float)noise(&seed));
    }
    return w;
}
static void net_free(net *w) {
    for (int i = 0; i < 3; i++) free(w->value[i]);
    nrg_graph_free(w->g);
}

static int64_t numbers(const net *w, int64_t n) { return n * (OUT + w->in) + w->count[1] + w->count[2]; }

static void same_bits(void **state) {
    (void)state;
    enum { N = 150 };
    for (int type = NRG_BF16X3; type <= NRG_BF16; type++) {
        net w = net_make((nrg_dtype)type, 90, N);
        float *want = run(w.g, w.out, 4, w.value, w.count, 3, N, (how){.slice = 4});
        for (int k = 0; k < 2 * LEVELS; k++) {
            if (!here(levels[k / 2])) continue;
            float *got = run(w.g, w.out, 4, w.value, w.count, 3, N, (how){.slice = 4, .threads = 1 + 2 * (k % 2), .level = levels[k / 2]});
            assert_memory_equal(want, got, (size_t)numbers(&w, N) * sizeof *got);
            free(got);
        }
        float *whole = run(w.g, w.out, 2, w.value, w.count, 3, N, (how){.slice = 16, .batch = 60});
        assert_memory_equal(want, whole, N * (OUT + 90) * sizeof *whole); // of samples: for any slice
        for (int64_t i = 0; i < N; i += 37) { // and alone
            double *value[3] = {w.value[0] + i * 90, w.value[1], w.value[2]};
            int64_t count[3] = {90, w.count[1], w.count[2]};
            float *one = run(w.g, w.out, 2, value, count, 3, 1, (how){0});
            assert_memory_equal(one, want + i * OUT, OUT * sizeof *one);
            assert_memory_equal(one + OUT, want + N * OUT + i * 90, 90 * sizeof *one);
            free(one);
        }
        free(whole);
        free(want);
        net_free(&w);
    }
}

// Root mean square error over root mean square, of answers and gradients: what each precision promises, and that it is not more.
static void errors(void **state) {
    (void)state;
    enum { N = 300, IN = 700 };
    static const double most[] = {[NRG_F32] = 1e-6, [NRG_BF16X3] = 2e-5, [NRG_BF16] = 8e-3};
    static const double least[] = {[NRG_F32] = 1e-9, [NRG_BF16X3] = 1e-6, [NRG_BF16] = 1e-3};
    static const nrg_dtype types[] = {NRG_F32, NRG_BF16X3, NRG_BF16};
    for (int t = 0; t < 3; t++) {
        net w = net_make(types[t], IN, N);
        int64_t size[4] = {N * OUT, N * IN, w.count[1], w.count[2]}, at = 0;
        double *want[4];
        for (int i = 0; i < 4; i++) want[i] = malloc((size_t)size[i] * sizeof(double));
        GO(nrg_ref_eval(C, w.g, N, (const double *const *)w.value, 7, 3, w.out, 4, want));
        float *got = run(w.g, w.out, 4, w.value, w.count, 3, N, (how){.batch = 100, .threads = 2});
        for (int i = 0; i < 4; i++, at += size[i - 1]) {
            double off = 0, all = 0;
            for (int64_t k = 0; k < size[i]; k++) off += pow((double)got[at + k] - want[i][k], 2), all += want[i][k] * want[i][k];
            print_message("%s, output %d: %.1e\n", nrg_dtype_name(types[t]), i, sqrt(off / all));
            assert_true(sqrt(off / all) < most[types[t]]);
            assert_true(sqrt(off / all) > least[types[t]]);
            free(want[i]);
        }
        free(got);
        net_free(&w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rounding, setup, teardown), cmocka_unit_test_setup_teardown(tiles, setup, teardown),
        cmocka_unit_test_setup_teardown(table, setup, teardown),    cmocka_unit_test_setup_teardown(same_bits, setup, teardown),
        cmocka_unit_test_setup_teardown(errors, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
