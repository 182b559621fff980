// Ranges of nodes (graph/range.c) against numbers: random expressions of inputs that lie between known ends, the ends among them. No number of
// a node may lie outside its range, and where only whole numbers are promised there are no others.
#include "exec/exec.h"
#include "graph/inside.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define GO(x) assert_int_equal(x, NRG_OK)
enum { INPUTS = 4, SAMPLES = 40, TRIES = 3000 };
static const nrg_range ends[INPUTS] = {{0, 255, true}, {-3, 7, true}, {0.5, 2, false}, {-1, 1, false}};
static const char *const names[INPUTS] = {"a", "b", "c", "d"};

static uint32_t seed;
static uint32_t draw(uint32_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static nrg_range of(void *ud, const char *input) {
    (void)ud;
    for (int i = 0; i < INPUTS; i++)
        if (strcmp(names[i], input) == 0) return ends[i];
    return (nrg_range){-INFINITY, INFINITY, false};
}

static nrg_node grow(nrg_graph *g, const nrg_node *in, int depth) {
    if (!depth) return draw(3) ? in[draw(INPUTS)] : nrg_const(g, (double)draw(9) / 2 - 2);
    nrg_node a = grow(g, in, depth - 1), b = draw(2) ? grow(g, in, depth - 1) : in[draw(INPUTS)];
    switch (draw(16)) {
    case 0: case 1: return nrg_add(g, a, b);
    case 2: case 3: return nrg_sub(g, a, b);
    case 4: case 5: return nrg_mul(g, a, b);
    case 6: return nrg_div(g, a, in[2]);
    case 7: return nrg_div(g, a, nrg_const(g, -255));
    case 8: return nrg_neg(g, a);
    case 9: return nrg_abs(g, a);
    case 10: return nrg_square(g, a);
    case 11: return nrg_relu(g, a);
    case 12: return nrg_floor(g, a);
    case 13: return draw(2) ? nrg_max(g, a, b) : nrg_min(g, a, b);
    case 14: return draw(2) ? nrg_lt(g, a, b) : nrg_sign(g, a);
    default: return nrg_select(g, nrg_lt(g, a, b), a, b);
    }
}

static void numbers_lie_within(void **state) {
    (void)state;
    int known = 0, whole = 0;
    seed = 1;
    for (int t = 0; t < TRIES; t++) {
        nrg_ctx *c = nrg_ctx_new(NULL, NULL);
        nrg_graph *g;
        nrg_node in[INPUTS];
        double value[INPUTS][SAMPLES], got[SAMPLES], *out = got;
        const double *at[INPUTS];
        nrg_range r;
        assert_non_null(c);
        GO(nrg_graph_new(c, NRG_F64, &g));
        for (int i = 0; i < INPUTS; i++) {
            in[i] = nrg_input(g, names[i], NRG_SAMPLE, nrg_shape_of(0, NULL));
            for (int s = 0; s < SAMPLES; s++) {
                double x = ends[i].lo + (ends[i].hi - ends[i].lo) * (draw(3) ? draw(1000) / 999.0 : draw(2));
                value[i][s] = ends[i].whole ? floor(x) : x;
            }
            at[i] = value[i];
        }
        nrg_node y = grow(g, in, 4);
        GO(nrg_graph_check(g));
        GO(nrg_node_range(g, y, of, NULL, &r));
        if (!(nrg_graph_node(g, y)->leads & NRG_SAMPLE)) y = nrg_expand(g, y, nrg_shape_of(0, NULL), NRG_SAMPLE);
        GO(nrg_ref_eval(c, g, SAMPLES, at, 0, 0, &y, 1, &out));
        known += isfinite(r.lo) && isfinite(r.hi), whole += r.whole;
        for (int s = 0; s < SAMPLES; s++) {
            if (!(got[s] >= r.lo && got[s] <= r.hi)) fail_msg("try %d: %.17g lies outside %.17g..%.17g", t, got[s], r.lo, r.hi);
            if (r.whole && got[s] != floor(got[s])) fail_msg("try %d: %.17g is not whole", t, got[s]);
        }
        nrg_graph_free(g);
        nrg_ctx_free(c);
    }
    assert_true(known > TRIES * 9 / 10 && whole > TRIES / 20);
}

// The ends are rounded as the numbers are. What has no rule is not known.
static void ends_are_rounded(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_graph *g;
    nrg_range r;
    assert_non_null(c);
    GO(nrg_graph_new(c, NRG_F32, &g));
    nrg_node a = nrg_input(g, "a", NRG_SAMPLE, nrg_shape_of(0, NULL));
    float third = (float)(1 / 3.0);
    GO(nrg_node_range(g, nrg_mul(g, a, nrg_const(g, 1 / 3.0)), of, NULL, &r));
    assert_true(r.lo == 0 && r.hi == (double)(255 * third) && !r.whole);
    GO(nrg_node_range(g, nrg_div(g, a, nrg_const(g, 255)), of, NULL, &r));
    assert_true(r.lo == 0 && r.hi == 1);
    GO(nrg_node_range(g, nrg_lt(g, nrg_const(g, 127), a), of, NULL, &r));
    assert_true(r.lo == 0 && r.hi == 1 && r.whole);
    GO(nrg_node_range(g, nrg_div(g, a, nrg_sub(g, a, nrg_const(g, 3))), of, NULL, &r));
    assert_true(isinf(r.lo) && isinf(r.hi));
    GO(nrg_node_range(g, nrg_lt(g, nrg_log(g, a), a), of, NULL, &r)); // the log may be no number, but what is asked about it is
    assert_true(isinf(r.hi));
    GO(nrg_node_range(g, nrg_input(g, "z", NRG_SAMPLE, nrg_shape_of(0, NULL)), of, NULL, &r));
    assert_true(isinf(r.lo) && isinf(r.hi));
    nrg_graph_free(g);
    nrg_ctx_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_lie_within), cmocka_unit_test(ends_are_rounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
