// Sums with a weighed squared difference among their terms are taken apart while a graph is built (graph/split.c): values against the
// numbers that are summed, gradients against those of the terms that no sum has touched, and what the planner makes of natural texts.
#include "leaves.h"

enum { TRIES = 6000 };

static kind any(world *w) {
    nrg_leads leads = draw(w, 2) ? NRG_SAMPLE : 0;
    for (int k = 1; k < 3; k++)
        if (draw(w, 2)) leads |= w->lead[k];
    int64_t dims[2] = {draw(w, 2) ? EVENT : 1, draw(w, 2) ? EVENT : 1};
    return (kind){leads, nrg_shape_of((int)draw(w, 3), dims)};
}

static nrg_node difference(world *w) {
    nrg_node d = nrg_sub(w->g, leaf(w), leaf(w));
    switch (draw(w, 6)) {
    case 0: d = nrg_div(w->g, d, leaf(w)); break;
    case 1: d = nrg_mul(w->g, d, leaf(w)); break;
    case 2: d = nrg_neg(w->g, nrg_mul(w->g, nrg_const(w->g, 0.5), d)); break;
    default: break;
    }
    return nrg_square(w->g, d);
}

static nrg_node grow(world *w, int depth) {
    nrg_graph *g = w->g;
    uint32_t what = depth ? draw(w, 9) : 7 + draw(w, 2);
    nrg_node a = what < 7 ? grow(w, depth - 1) : NRG_BAD;
    switch (what) {
    case 0: return nrg_mul(g, a, leaf(w));
    case 1: return nrg_mul(g, nrg_mul(g, leaf(w), leaf(w)), a);
    case 2: case 3: return nrg_add(g, a, grow(w, depth - 1));
    case 4: return nrg_sub(g, a, grow(w, depth - 1));
    case 5: return nrg_div(g, a, leaf(w));
    case 6: return draw(w, 2) ? nrg_neg(g, a) : nrg_mul(g, a, nrg_const(g, 1.5));
    case 7: return draw(w, 2) ? nrg_log(g, leaf(w)) : leaf(w);
    default: return difference(w);
    }
}

static void near(const char *what, uint32_t seed, double got, double want, double magnitude) {
    if (!(fabs(got - want) <= 1e-11 * magnitude + 1e-13)) fail_msg("seed %u, %s: %.17g, should be %.17g", seed, what, got, want);
}

// The derivatives of the sum of all numbers, by a graph without a sum and by the one taken apart.
static void gradients(world *w, uint32_t seed, nrg_node x, nrg_node y, const double *const *in) {
    nrg_node to[2 * LEAVES];
    double value[2 * LEAVES][ROOM], *out[2 * LEAVES];
    for (int i = 0; i < 2 * LEAVES; i++) out[i] = value[i];
    GO(nrg_grad(w->g, x, NRG_BAD, w->leaf, LEAVES, to));
    GO(nrg_grad(w->g, y, NRG_BAD, w->leaf, LEAVES, to + LEAVES));
    GO(nrg_ref_eval(w->c, w->g, SAMPLES, in, 0, 0, to, 2 * LEAVES, out));
    for (int i = 0; i < LEAVES; i++)
        for (int64_t k = 0; k < numbers(w, w->leaf[i]); k++) near("slope", seed, value[LEAVES + i][k], value[i][k], 1e3 + fabs(value[i][k]));
}

static void sums_are_those_of_their_terms(void **state) {
    (void)state;
    int tried = 0, split = 0;
    for (uint32_t seed = 0; seed < TRIES; seed++) {
        world w;
        begin(&w, seed, any);
        nrg_node x = grow(&w, 4);
        nrg_leads gone = 0, leads = nrg_graph_node(w.g, x)->leads;
        int rank = nrg_graph_node(w.g, x)->shape.rank;
        uint32_t axes = draw(&w, 2) ? draw(&w, 1u << rank) : 0;
        bool keep = draw(&w, 2);
        for (int k = 1; k < 3; k++)
            if ((leads & w.lead[k]) && draw(&w, 2)) gone |= w.lead[k];
        if (gone || axes) {
            nrg_node y = nrg_reduce(w.g, NRG_OP_sum, x, axes, gone, keep), out[2] = {x, y};
            double value[2][ROOM], want[ROOM], magnitude[ROOM], *results[2] = {value[0], value[1]};
            const double *in[LEAVES];
            for (int i = 0; i < LEAVES; i++) in[i] = w.value[i];
            GO(nrg_ref_eval(w.c, w.g, SAMPLES, in, 0, 0, out, 2, results));
            assert_int_equal(nrg_graph_node(w.g, y)->leads, leads & ~gone);
            assert_int_equal(nrg_graph_node(w.g, y)->shape.rank, rank - (keep ? 0 : (int)(axes & 1) + (int)(axes >> 1)));
            add_up(&w, x, gone, axes, value[0], want, magnitude);
            for (int64_t i = 0; i < numbers(&w, y); i++) near("sum", seed, value[1][i], want[i], 1e3 + magnitude[i]);
            gradients(&w, seed, x, y, in);
            const nrg_node_info *v = nrg_graph_node(w.g, y);
            split += v->op != NRG_OP_sum || v->in[0].i != x.i;
            tried++;
        }
        end(&w);
    }
    print_message("%d sums, %d taken apart\n", tried, split);
    assert_true(tried > TRIES / 3 && split > TRIES / 50); // the rewriting was at work
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sums_are_those_of_their_terms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
