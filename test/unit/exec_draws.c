// Random numbers of the processor against the numbers that base defines: any count, any layout, any threads, slices and level.
#include "plan/steps.h"
#include "exec/cpu/cpu.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define GO(x) assert_int_equal(x, NRG_OK)
enum { ROWS = 7, IDS = 3, SEED = 42, STEP = 9 };
static const nrg_cpu_level levels[] = {NRG_CPU_PORTABLE, NRG_CPU_AVX2, NRG_CPU_AVX512};
static const double streams[ROWS * IDS] = {3, 4294967296.0, 1099511627776.0, 0, 1, 2, 16777216, 5, 8796093022208.0, 9, 9};

static double drawn(nrg_random_kind kind, double stream, uint32_t i) {
    return kind == NRG_RANDOM_NORMAL ? nrg_random_normal(SEED, NRG_FOR_NOISE, (uint64_t)stream, STEP, i)
                                     : nrg_random_uniform(SEED, NRG_FOR_NOISE, (uint64_t)stream, STEP, i);
}

// y[row, id, i]; turned: y[row, i, id], so that draws do not lie side by side.
static void draw(nrg_dtype type, nrg_random_kind kind, int64_t count, bool turned, int64_t slice, int threads, nrg_cpu_level level,
                 void *to) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_graph *g;
    nrg_plan *p;
    nrg_run *r;
    float narrow[ROWS * IDS];
    assert_non_null(c);
    GO(nrg_graph_new(c, type, &g));
    nrg_leads k = nrg_lead_new(g, "k", IDS);
    nrg_node ids = nrg_input(g, "ids", NRG_SAMPLE | k, nrg_shape_of(0, NULL));
    nrg_node y = nrg_lower(g, nrg_random(g, ids, kind, NRG_FOR_NOISE, nrg_shape_of(1, &count)), k, turned ? 1 : 0);
    nrg_plan_spec spec = {.graph = g, .outputs = &y, .outputs_n = 1, .batch = ROWS, .slice = slice};
    GO(nrg_plan_make(c, &spec, &p));
    GO(nrg_run_new(c, p, threads, &r));
    nrg_run_level(r, level);
    for (int i = 0; i < ROWS * IDS; i++) narrow[i] = (float)streams[i];
    nrg_buffer wide = {(void *)(uintptr_t)streams, NRG_BUF_F64, NULL}, single = {narrow, NRG_BUF_F32, NULL};
    nrg_run_bind(r, ids, type == NRG_F64 ? wide : single);
    nrg_run_output(r, 0, to);
    GO(nrg_run_go(r, ROWS, 1, SEED, STEP));
    nrg_run_free(r);
    nrg_plan_free(p);
    nrg_graph_free(g);
    nrg_ctx_free(c);
}

static void near(nrg_dtype type, nrg_random_kind kind, int64_t count, bool turned, const void *got) {
    double fine = kind == NRG_RANDOM_UNIFORM ? 0 : type == NRG_F64 ? 4e-15 : 2e-6; // uniform numbers have 24 bits
    for (int64_t at = 0; at < ROWS * IDS * count; at++) {
        int64_t i = at % count, id = at / count % IDS, row = at / (count * IDS);
        if (turned) id = at % IDS, i = at / IDS % count;
        double x = type == NRG_F64 ? ((const double *)got)[at] : (double)((const float *)got)[at];
        double want = drawn(kind, streams[row * IDS + id], (uint32_t)i);
        if (!(fabs(x - want) <= fine * (1 + fabs(want)))) fail_msg("%d of %d: %.17g, not %.17g", (int)at, (int)count, x, want);
    }
}

static void what_base_defines(void **state) {
    (void)state;
    static const int64_t counts[] = {1, 2, 3, 4, 5, 8, 31, 130, 512, 515, 1030};
    for (int type = 0; type < 2; type++)
        for (int kind = 0; kind < 2; kind++)
            for (size_t k = 0; k < 2 * sizeof counts / sizeof *counts; k++) {
                nrg_dtype t = type ? NRG_F64 : NRG_F32;
                nrg_random_kind of = kind ? NRG_RANDOM_NORMAL : NRG_RANDOM_UNIFORM;
                int64_t count = counts[k / 2];
                size_t size = (size_t)(ROWS * IDS * count) * (type ? sizeof(double) : sizeof(float));
                void *first = malloc(size), *other = malloc(size);
                assert_true(first && other);
                draw(t, of, count, k & 1, 0, 1, NRG_CPU_PORTABLE, first);
                near(t, of, count, k & 1, first);
                for (int way = 0; way < 6; way++) {
                    if (!nrg_cpu_kernels(levels[way % 3])) continue;
                    draw(t, of, count, k & 1, way < 3 ? 0 : 2, way < 3 ? 1 : 3, levels[way % 3], other);
                    assert_memory_equal(first, other, size);
                }
                free(first), free(other);
            }
}

// Counters of any sort, straight from the kernels: nothing is written behind the last number.
static void levels_agree(void **state) {
    (void)state;
    static nrg_draw d = {.step = 5, .key0 = 123, .key1 = 4000000000u};
    for (int64_t n = 1; n <= NRG_RANDOM_BLOCKS; n++) {
        double want[2][4 * NRG_RANDOM_BLOCKS + 1], got[4 * NRG_RANDOM_BLOCKS + 1];
        d.n = n, d.normal = n % 3;
        for (int64_t i = 0; i < n; i++) d.at[i] = (uint64_t)(n * 1000003 + i * 7) & 0xffffffffu, d.id[i] = (uint64_t)i * UINT64_C(0x9E3779B97F4A7C15);
        for (int l = 0; l < 6; l++) {
            const nrg_kernels *k = nrg_cpu_kernels(levels[l / 2]);
            double *to = l < 2 ? want[l] : got;
            if (!k) continue;
            for (int64_t i = 0; i <= 4 * NRG_RANDOM_BLOCKS; i++) to[i] = -77;
            if (l & 1) k->random_f64(&d, to), assert_true(to[4 * n] == -77);
            else k->random_f32(&d, to), assert_true(to[2 * n] == -77);
            assert_memory_equal(want[l & 1], to, sizeof got);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_base_defines), cmocka_unit_test(levels_agree)};
    return cmocka_run_group_tests_name("exec_draws", tests, NULL, NULL);
}
