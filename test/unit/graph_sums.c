// Sums over leading axes are taken apart while a graph is built (factors that do not vary go before, products become matrix products)
// and once more by nrg_sums_apart. Here they are compared with the numbers that are summed, added by hand.
#include "exec/exec.h"
#include "graph/inside.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { LEAVES = 8, SAMPLES = 3, EVENT = 2, TRIES = 4000 };
#define GO(x) assert_int_equal(x, NRG_OK)

typedef struct {
    nrg_ctx *c;
    nrg_graph *g;
    nrg_leads lead[3]; // of 3 samples, 2 and 4
    nrg_node leaf[LEAVES];
    double *value[LEAVES];
    uint32_t seed;
} world;

static uint32_t draw(world *w, uint32_t n) {
    w->seed = w->seed * 1664525u + 1013904223u;
    return (w->seed >> 8) % n;
}

static int64_t extent(const world *w, int i) { return i ? nrg_lead_extent(w->g, w->lead[i]) : SAMPLES; }

static int64_t numbers(const world *w, nrg_node x) {
    return nrg_node_count(w->g, x) * (nrg_graph_node(w->g, x)->leads & NRG_SAMPLE ? SAMPLES : 1);
}

static void begin(world *w, uint32_t seed) {
    *w = (world){.c = nrg_ctx_new(NULL, NULL), .seed = seed * 7919u + 1};
    GO(nrg_graph_new(w->c, NRG_F64, &w->g));
    w->lead[0] = NRG_SAMPLE, w->lead[1] = nrg_lead_new(w->g, "a", 2), w->lead[2] = nrg_lead_new(w->g, "b", 4);
    for (int i = 0; i < LEAVES; i++) {
        char name[] = "v0";
        name[1] = (char)('0' + i);
        nrg_leads leads = draw(w, 4) ? NRG_SAMPLE : 0;
        for (int k = 1; k < 3; k++)
            if (draw(w, 5) < 2) leads |= w->lead[k];
        w->leaf[i] = nrg_input(w->g, name, leads, draw(w, 3) ? nrg_shape_of(0, NULL) : nrg_shape_of(1, (int64_t[]){EVENT}));
        int64_t n = numbers(w, w->leaf[i]);
        assert_non_null(w->value[i] = malloc((size_t)n * sizeof(double)));
        for (int64_t k = 0; k < n; k++) w->value[i][k] = 0.5 + draw(w, 1000) / 1000.0;
    }
}

static void end(world *w) {
    for (int i = 0; i < LEAVES; i++) free(w->value[i]);
    nrg_graph_free(w->g);
    nrg_ctx_free(w->c);
}

static nrg_node grow(world *w, int depth) {
    nrg_graph *g = w->g;
    uint32_t what = depth ? draw(w, 8) : 7;
    nrg_node a = what < 7 ? grow(w, depth - 1) : NRG_BAD;
    switch (what) {
    case 0: case 1: case 2: return nrg_mul(g, a, grow(w, depth - 1));
    case 3: return nrg_add(g, a, grow(w, depth - 1));
    case 4: return nrg_sub(g, a, grow(w, depth - 1));
    case 5: return nrg_div(g, a, w->leaf[draw(w, LEAVES)]);
    case 6: return draw(w, 2) ? nrg_neg(g, a) : nrg_mul(g, a, nrg_const(g, 1.5));
    default: return w->leaf[draw(w, LEAVES)];
    }
}

// Adds the numbers of x over the axes `gone`; magnitude: the same of their absolute values.
static void add_up(const world *w, nrg_node x, nrg_leads gone, const double *from, double *to, double *magnitude) {
    nrg_leads leads = nrg_graph_node(w->g, x)->leads;
    int64_t n[4] = {1, 1, 1, numbers(w, x)}, stride[4] = {0}, step = 1;
    for (int k = 0; k < 3; k++)
        if (leads & w->lead[k]) n[k] = extent(w, k), n[3] /= n[k];
    for (int k = 3; k >= 0; k--)
        if (k == 3 || (leads & w->lead[k] & ~gone)) stride[k] = step, step *= n[k];
    memset(to, 0, (size_t)step * sizeof *to), memset(magnitude, 0, (size_t)step * sizeof *magnitude);
    for (int64_t i = 0; i < n[0] * n[1] * n[2] * n[3]; i++) {
        int64_t e = i % n[3], b = i / n[3] % n[2], a = i / n[3] / n[2] % n[1], s = i / n[3] / n[2] / n[1];
        int64_t at = s * stride[0] + a * stride[1] + b * stride[2] + e;
        to[at] += from[i], magnitude[at] += fabs(from[i]);
    }
}

static void sums_are_those_of_their_numbers(void **state) {
    (void)state;
    int tried = 0, products = 0;
    for (uint32_t seed = 0; seed < TRIES; seed++) {
        world w;
        begin(&w, seed);
        nrg_node x = grow(&w, 4);
        nrg_leads gone = 0, leads = nrg_graph_node(w.g, x)->leads;
        for (int k = 0; k < 3; k++)
            if ((leads & w.lead[k]) && (k ? draw(&w, 4) == 0 : draw(&w, 4) > 0)) gone |= w.lead[k];
        if (gone) {
            uint32_t before = nrg_graph_size(w.g);
            nrg_shape shape = nrg_graph_node(w.g, x)->shape;
            nrg_node y = nrg_fit(w.g, x, leads & ~gone, &shape), out[3] = {x, y, nrg_sums_apart(w.g, y)};
            double value[3][SAMPLES * 8 * EVENT], want[SAMPLES * 8 * EVENT], magnitude[SAMPLES * 8 * EVENT], *results[3] = {value[0], value[1], value[2]};
            const double *in[LEAVES];
            for (int i = 0; i < LEAVES; i++) in[i] = w.value[i];
            GO(nrg_ref_eval(w.c, w.g, SAMPLES, in, 0, 0, out, 3, results));
            assert_int_equal(nrg_graph_node(w.g, y)->leads, leads & ~gone);
            assert_int_equal(nrg_graph_node(w.g, out[2])->leads, leads & ~gone);
            assert_int_equal(numbers(&w, y), numbers(&w, out[2]));
            add_up(&w, x, gone, value[0], want, magnitude);
            for (int64_t i = 0; i < numbers(&w, y); i++) {
                if (fabs(value[1][i] - want[i]) > 1e-12 * magnitude[i] + 1e-14 || fabs(value[2][i] - want[i]) > 1e-12 * magnitude[i] + 1e-14)
                    print_message("seed %u: %.17g, apart %.17g, by hand %.17g\n", seed, value[1][i], value[2][i], want[i]);
                assert_true(fabs(value[1][i] - want[i]) <= 1e-12 * magnitude[i] + 1e-14);
                assert_true(fabs(value[2][i] - want[i]) <= 1e-12 * magnitude[i] + 1e-14);
            }
            for (uint32_t i = before + 1; i <= nrg_graph_size(w.g); i++) products += nrg_graph_node(w.g, (nrg_node){i})->op == NRG_OP_matmul;
            tried++;
        }
        end(&w);
    }
    print_message("%d sums, %d matrix products\n", tried, products);
    assert_true(tried > TRIES / 2 && products > TRIES / 100); // the rewriting was at work
}

// Rows that repeat one number are put as numbers; indices outside, or not a number, are left out either way.
static void rows_of_one_number_are_put_once(void **state) {
    (void)state;
    enum { N = 6, ROWS = 4 };
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_graph *g;
    GO(nrg_graph_new(c, NRG_F64, &g));
    nrg_shape wide = nrg_shape_of(2, (int64_t[]){2, 3}), two = nrg_shape_of(1, (int64_t[]){2}), column = nrg_shape_of(2, (int64_t[]){2, 1});
    nrg_node at = nrg_input(g, "at", NRG_SAMPLE, two), a = nrg_input(g, "a", NRG_SAMPLE, two), b = nrg_input(g, "b", NRG_SAMPLE, wide);
    nrg_node rows = nrg_neg(g, nrg_mul(g, nrg_const(g, 3), nrg_expand(g, nrg_reshape(g, a, column), wide, 0)));
    nrg_node y[2] = {nrg_put(g, at, rows, ROWS, NRG_SAMPLE), nrg_put(g, at, nrg_mul(g, rows, b), ROWS, NRG_SAMPLE)};
    nrg_node out[4] = {y[0], y[1], nrg_sums_apart(g, y[0]), nrg_sums_apart(g, y[1])};
    assert_int_equal(out[3].i, y[1].i); // b varies along the row
    assert_int_equal(nrg_graph_node(g, out[2])->op, NRG_OP_expand);
    double index[2 * N] = {0, 1, 3, 3, -1, 2, 4, 0, NAN, 1, 2, 2}, x[2 * N], z[6 * N], got[4][ROWS * 3], *results[4] = {got[0], got[1], got[2], got[3]};
    for (int i = 0; i < 2 * N; i++) x[i] = 1 + i;
    for (int i = 0; i < 6 * N; i++) z[i] = i % 5;
    GO(nrg_ref_eval(c, g, N, (const double *[]){index, x, z}, 0, 0, out, 4, results));
    for (int r = 0; r < ROWS; r++) {
        double want = 0;
        for (int i = 0; i < 2 * N; i++) want -= index[i] == r ? 3 * x[i] : 0;
        for (int k = 0; k < 3; k++) assert_true(got[0][3 * r + k] == want && got[2][3 * r + k] == want);
    }
    assert_memory_equal(got[1], got[3], sizeof got[1]);
    nrg_graph_free(g);
    nrg_ctx_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sums_are_those_of_their_numbers), cmocka_unit_test(rows_of_one_number_are_put_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
