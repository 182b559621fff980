// Every row of ops.def: builds, agrees with its rule, survives printing and reading, and has the gradient and the second
// derivative that finite differences give. Generated from the table; see cases.c.
#include "graph/inside.h"
#include "table/cases.h"
#include "table/cases.c"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static double max_of(double a, double b) { return a > b ? a : b; }

static void say(nrg_ctx *c) {
    for (int i = 0; i < nrg_diag_count(c); i++) print_message("%s\n", nrg_diag_get(c, i)->message);
}

static void eval(const test_case *t, const nrg_node *out, int n, double *const *results) {
    nrg_ctx *c = nrg_graph_ctx(t->g);
    if (nrg_ref_eval(c, t->g, t->n, (const double *const *)t->value, 7, 3, out, n, results) == NRG_OK) return;
    say(c);
    fail_msg("%s: ref failed", t->name);
}

static double value_of(const test_case *t, nrg_node scalar_node) {
    double v = 0, *r[1] = {&v};
    eval(t, &scalar_node, 1, r);
    return v;
}

// Sum over everything of y weighed by fixed, uneven weights: one number, so that derivatives are told apart.
static nrg_node weigh(nrg_graph *g, nrg_node y) {
    nrg_leads leads = nrg_graph_node(g, y)->leads;
    nrg_shape s = nrg_graph_node(g, y)->shape;
    nrg_node at = nrg_const(g, 0.3);
    int64_t flat = nrg_shape_count(&s);
    at = nrg_add(g, at, nrg_reshape(g, nrg_iota(g, flat), s));
    for (int i = 0; i < 3; i++)
        if (leads >> i & 1) at = nrg_add(g, at, nrg_mul(g, nrg_const(g, 1.7 + i), nrg_iota_lead(g, (nrg_leads)1 << i)));
    nrg_node w = nrg_sin(g, nrg_add(g, at, nrg_const(g, 0.4)));
    nrg_node all = nrg_mul(g, y, w);
    return nrg_reduce(g, NRG_OP_sum, all, (1u << s.rank) - 1, leads, false);
}

static double slope(const test_case *t, nrg_node y, int i, int64_t j, double h) {
    double *x = &t->value[i][j], kept = *x;
    *x = kept + h;
    double up = value_of(t, y);
    *x = kept - h;
    double down = value_of(t, y);
    *x = kept;
    return (up - down) / (2 * h);
}

// Symmetric difference quotient, extrapolated (Richardson, fourth order): error about h^4.
static double slope4(const test_case *t, nrg_node y, int i, int64_t j) {
    const double h = 1e-3;
    return (4 * slope(t, y, i, j, h) - slope(t, y, i, j, 2 * h)) / 3;
}

// Derivatives of the number y by input i, against differences; returns the worst relative error.
static double against_differences(const test_case *t, nrg_node y, nrg_node d, int i) {
    double worst = 0, *v = malloc(sizeof(double) * (size_t)(t->count[i] + 1));
    eval(t, &d, 1, &v);
    for (int64_t j = 0; j < t->count[i]; j += 1 + t->count[i] / 12) {
        double want = t->op == NRG_OP_stop ? 0 : slope4(t, y, i, j); // stop moves with its input, and its gradient is 0 by definition
        worst = max_of(worst, fabs(v[j] - want) / max_of(1, fabs(want)));
        if (!(fabs(v[j] - want) <= 1e-6 * max_of(1, fabs(want))))
            print_message("%s: input %d number %d: gradient %.12g, differences %.12g\n", t->name, i, (int)j, v[j], want);
        if (isnan(v[j])) worst = INFINITY;
    }
    free(v);
    return worst;
}

static void has_form_of(const test_case *t, nrg_node d, nrg_node x) {
    const nrg_node_info *p = nrg_graph_node(t->g, d), *q = nrg_graph_node(t->g, x);
    if (p->leads != q->leads || !nrg_shape_same(&p->shape, &q->shape)) fail_msg("%s: a gradient of another shape than its input", t->name);
}

static void check_gradients(const test_case *t, void *ud) {
    nrg_graph *g = t->g;
    nrg_node y = weigh(g, t->y), d[CASE_INPUTS], dd[CASE_INPUTS];
    (void)ud;
    if (nrg_grad(g, y, NRG_BAD, t->in, t->inputs, d) != NRG_OK) {
        say(nrg_graph_ctx(g));
        fail_msg("%s: no gradient", t->name);
    }
    for (int i = 0; i < t->inputs; i++) {
        has_form_of(t, d[i], t->in[i]);
        if (!t->smooth[i]) continue;
        assert_true(against_differences(t, y, d[i], i) < 1e-6);
    }
    for (int i = 0; i < t->inputs; i++) {
        nrg_node z = weigh(g, d[i]);
        if (nrg_grad(g, z, NRG_BAD, t->in, t->inputs, dd) != NRG_OK) {
            say(nrg_graph_ctx(g));
            fail_msg("%s: no second derivative", t->name);
        }
        for (int k = 0; k < t->inputs; k++) {
            has_form_of(t, dd[k], t->in[k]);
            if (t->smooth[i] && t->smooth[k]) assert_true(against_differences(t, z, dd[k], k) < 1e-6);
        }
    }
    assert_int_equal(nrg_graph_check(g), NRG_OK);
}

static void test_gradients(void **state) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    (void)state;
    for (int op = 1; op < NRG_OP_COUNT; op++) {
        int n = cases_each(c, (nrg_op)op, NRG_F64, check_gradients, NULL);
        if (!n) fail_msg("row %s has no case", nrg_op_get((nrg_op)op)->name);
    }
    nrg_ctx_free(c);
}

static void check_builds(const test_case *t, void *ud) {
    (void)ud;
    if (!t->y.i) {
        nrg_graph_check(t->g);
        say(nrg_graph_ctx(t->g));
        fail_msg("%s: refused", t->name);
    }
    assert_int_equal(nrg_graph_check(t->g), NRG_OK);
    double *v = malloc(sizeof(double) * (size_t)(t->y_count + 1));
    eval(t, &t->y, 1, &v);
    for (int64_t i = 0; i < t->y_count; i++)
        if (isnan(v[i])) fail_msg("%s: NaN", t->name);
    free(v);
}

static void test_builds(void **state) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    (void)state;
    assert_true(cases_each(c, NRG_OP_bad, NRG_F64, check_builds, NULL) > 300);
    nrg_ctx_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builds),
        cmocka_unit_test(test_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
