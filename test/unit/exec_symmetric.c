// A side times itself: half of the result is made and mirrored, with the bits of the product of two sides that only happen to be equal.
#include "plan/steps.h"
#include "exec/cpu/cpu.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define GO(x) assert_int_equal(x, NRG_OK)
enum { ROWS = 1500, MOST = 200 };

// x' x over samples, or x x' of all rows at once, beside the same products of x and of y, which holds the same numbers.
typedef struct {
    int64_t rows, width;
    bool samples, turned;
    double share; // of numbers that are not zero
} kind;

static uint32_t seed;
static double draw(void) {
    seed = seed * 1664525u + 1013904223u;
    return (double)(seed >> 8) * 0x1p-23 - 1;
}

static int symmetric(const nrg_plan *p) {
    int n = 0;
    for (uint32_t i = 0; i < p->steps.n; i++)
        if (p->steps.at[i].kind == NRG_STEP_matmul) n += ((const nrg_matmul_step *)p->steps.at[i].detail)->mirror;
    return n;
}

static void go(nrg_dtype type, kind k, int threads, nrg_cpu_level level) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_graph *g;
    nrg_plan *p;
    nrg_run *r;
    assert_non_null(c);
    GO(nrg_graph_new(c, type, &g));
    nrg_leads lead = k.samples ? NRG_SAMPLE : 0;
    nrg_shape s = nrg_shape_of(2, (int64_t[]){k.samples ? 1 : k.rows, k.width});
    nrg_node x = nrg_input(g, "x", lead, s), y = nrg_input(g, "y", lead, s);
    nrg_node out[2] = {nrg_matmul(g, x, x, !k.turned, k.turned, lead), nrg_matmul(g, x, y, !k.turned, k.turned, lead)};
    GO(nrg_graph_check(g));
    nrg_plan_spec spec = {.graph = g, .outputs = out, .outputs_n = 2, .batch = ROWS};
    GO(nrg_plan_make(c, &spec, &p));
    assert_int_equal(symmetric(p), 1);
    GO(nrg_run_new(c, p, threads, &r));
    nrg_run_level(r, level);
    int64_t n = k.turned ? k.rows : k.width;
    size_t real = type == NRG_F64 ? 8 : 4, count = (size_t)(k.rows * k.width);
    char *at = malloc(count * real), *a = calloc((size_t)(n * n), real), *b = calloc((size_t)(n * n), real);
    assert_true(at && a && b);
    for (size_t i = 0; i < count; i++) {
        double v = (draw() + 1) / 2 < k.share ? draw() : 0;
        if (type == NRG_F64) ((double *)at)[i] = v;
        else ((float *)at)[i] = (float)v;
    }
    nrg_run_bind(r, x, (nrg_buffer){at, type == NRG_F64 ? NRG_BUF_F64 : NRG_BUF_F32, NULL});
    nrg_run_bind(r, y, (nrg_buffer){at, type == NRG_F64 ? NRG_BUF_F64 : NRG_BUF_F32, NULL});
    nrg_run_output(r, 0, a);
    nrg_run_output(r, 1, b);
    GO(nrg_run_go(r, k.samples ? k.rows : 1, 1, 0, 0));
    for (int64_t i = 0; i < n * n; i++)
        if (memcmp(a + i * (int64_t)real, b + i * (int64_t)real, real) != 0)
            fail_msg("%d threads, number %d, %d of %d differs", threads, (int)(i / n), (int)(i % n), (int)n);
    free(at), free(a), free(b);
    nrg_run_free(r);
    nrg_plan_free(p);
    nrg_graph_free(g);
    nrg_ctx_free(c);
}

static void mirrored(void **state) {
    (void)state;
    static const kind kinds[] = {{ROWS, MOST, true, false, 1}, {ROWS, 129, true, false, 0.1}, {MOST, 300, false, true, 1}, {300, 131, false, false, 0.2},
                                 {700, 140, true, false, 0.3}, {65, 40, false, true, 1}};
    seed = 1;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int threads = 1; threads <= 5; threads++)
            for (int level = NRG_CPU_PORTABLE; level <= NRG_CPU_AVX512; level++)
                go(threads & 1 ? NRG_F32 : NRG_F64, kinds[i], threads, (nrg_cpu_level)level);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(mirrored)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
