// Sums over leading axes are taken apart while a graph is built (factors that do not vary go before, products become matrix products)
// and once more by nrg_sums_apart. Here they are compared with the numbers that are summed, added by hand.
#include "leaves.h"

enum { TRIES = 4000 };

static kind any(world *w) {
    nrg_leads leads = draw(w, 4) ? NRG_SAMPLE : 0;
    for (int k = 1; k < 3; k++)
        if (draw(w, 5) < 2) leads |= w->lead[k];
    return (kind){leads, draw(w, 3) ? nrg_shape_of(0, NULL) : nrg_shape_of(1, (int64_t[]){EVENT})};
}

static nrg_node grow(world *w, int depth) {
    nrg_graph *g = w->g;
    uint32_t what = depth ? draw(w, 8) : 7;
    nrg_node a = what < 7 ? grow(w, depth - 1) : NRG_BAD;
    switch (what) {
    case 0: case 1: case 2: return nrg_mul(g, a, grow(w, depth - 1));
    case 3: return nrg_add(g, a, grow(w, depth - 1));
    case 4: return nrg_sub(g, a, grow(w, depth - 1));
    case 5: return nrg_div(g, a, leaf(w));
    case 6: return draw(w, 2) ? nrg_neg(g, a) : nrg_mul(g, a, nrg_const(g, 1.5));
    default: return leaf(w);
    }
}

static void sums_are_those_of_their_numbers(void **state) {
    (void)state;
    int tried = 0, products = 0;
    for (uint32_t seed = 0; seed < TRIES; seed++) {
        world w;
        begin(&w, seed, any);
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
            add_up(&w, x, gone, 0, value[0], want, magnitude);
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
