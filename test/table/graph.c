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

// ---- the reference executor against a second, independent computation

static double plain(nrg_op op, double a, double b, double c) {
    switch (op) {
    case NRG_OP_stop: return a;
    case NRG_OP_neg: return 0 - a;
    case NRG_OP_abs: return a < 0 ? -a : a;
    case NRG_OP_sign: return (a > 0) - (a < 0);
    case NRG_OP_step: return a > 0;
    case NRG_OP_floor: return a - fmod(fmod(a, 1) + 1, 1);
    case NRG_OP_exp: return pow(2.718281828459045235, a);
    case NRG_OP_log: return 2 * atanh((a - 1) / (a + 1));
    case NRG_OP_sqrt: return pow(a, 0.5);
    case NRG_OP_square: return pow(fabs(a), 2);
    case NRG_OP_recip: return pow(a, -1);
    case NRG_OP_tanh: return sinh(a) / cosh(a);
    case NRG_OP_sigmoid: return 0.5 * (1 + tanh(a / 2));
    case NRG_OP_softplus: return log(1 + exp(a));
    case NRG_OP_relu: return (a + fabs(a)) / 2;
    case NRG_OP_sin: return cos(a - 1.570796326794896619);
    case NRG_OP_cos: return sin(a + 1.570796326794896619);
    case NRG_OP_add: return a - -b;
    case NRG_OP_sub: return a + -b;
    case NRG_OP_mul: return a / (1 / b);
    case NRG_OP_div: return a * (1 / b);
    case NRG_OP_pow: return exp(b * log(a));
    case NRG_OP_max: return (a + b + fabs(a - b)) / 2;
    case NRG_OP_min: return (a + b - fabs(a - b)) / 2;
    case NRG_OP_lt: return !(a >= b);
    case NRG_OP_le: return !(a > b);
    case NRG_OP_eq: return fabs(a - b) <= 0;
    default: return a * a > 0 ? b : c; // select
    }
}

// The number that input i shows at place `at` of y: leads by number, event axes from the right, found digit by digit.
static double shown(const test_case *t, int i, int64_t at) {
    const nrg_node_info *y = nrg_graph_node(t->g, t->y), *x = nrg_graph_node(t->g, t->in[i]);
    int64_t off = 0, stride = 1;
    for (int k = 0; k < y->shape.rank; k++) {
        int64_t size = y->shape.dim[y->shape.rank - 1 - k], digit = at % size;
        at /= size;
        if (k >= x->shape.rank) continue;
        int64_t own = x->shape.dim[x->shape.rank - 1 - k];
        off += (own == 1 ? 0 : digit) * stride;
        stride *= own;
    }
    for (int k = 2; k >= 0; k--) {
        int64_t size = k ? nrg_lead_extent(t->g, (nrg_leads)1 << k) : t->n;
        if (!(y->leads >> k & 1)) continue;
        if (x->leads >> k & 1) off += at % size * stride, stride *= size;
        at /= size;
    }
    return t->value[i][off];
}

static void check_elementwise(const test_case *t, void *ud) {
    int *seen = ud;
    if (!nrg_op_elementwise(t->op)) return;
    double *v = malloc(sizeof(double) * (size_t)(t->y_count + 1));
    eval(t, &t->y, 1, &v);
    for (int64_t i = 0; i < t->y_count; i++) {
        double a = shown(t, 0, i), b = t->inputs > 1 ? shown(t, 1, i) : 0, c = t->inputs > 2 ? shown(t, 2, i) : 0;
        double want = plain(t->op, a, b, c);
        if (!(fabs(v[i] - want) <= 1e-12 * max_of(1, fabs(want)))) fail_msg("%s: number %d is %.17g, expected %.17g", t->name, (int)i, v[i], want);
        ++*seen;
    }
    free(v);
}

static void test_elementwise(void **state) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    int seen = 0;
    (void)state;
    cases_each(c, NRG_OP_bad, NRG_F64, check_elementwise, &seen);
    assert_true(seen > 2000);
    nrg_ctx_free(c);
}

// ---- text, copies, structure

static void check_text(const test_case *t, void *ud) {
    nrg_ctx *c = nrg_graph_ctx(t->g);
    nrg_text one = nrg_text_make(c), two = nrg_text_make(c);
    nrg_node roots[CASE_INPUTS + 1], again[CASE_INPUTS + 1];
    nrg_graph *h = NULL;
    int n = t->inputs + 1, m = CASE_INPUTS + 1;
    (void)ud;
    roots[0] = t->y;
    assert_int_equal(nrg_grad(t->g, weigh(t->g, t->y), NRG_BAD, t->in, t->inputs, roots + 1), NRG_OK);
    nrg_graph_print(t->g, roots, n, &one);
    if (nrg_graph_read(c, one.at, &h, again, &m) != NRG_OK) {
        say(c);
        fail_msg("%s: not read back:\n%s", t->name, one.at);
    }
    assert_int_equal(n, m);
    nrg_graph_print(h, again, m, &two);
    assert_string_equal(one.at, two.at);
    assert_int_equal(nrg_graph_check(h), NRG_OK);
    for (int i = 0; i < n; i++) { // and a copy into the graph that was read finds every node there already
        nrg_node there = nrg_graph_copy(h, t->g, roots[i], NULL, NULL, 0);
        assert_int_equal(there.i, again[i].i);
    }
    nrg_graph_free(h);
    nrg_text_free(&one);
    nrg_text_free(&two);
}

static void test_text(void **state) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    (void)state;
    cases_each(c, NRG_OP_bad, NRG_F64, check_text, NULL);
    cases_each(c, NRG_OP_bad, NRG_F32, check_text, NULL);
    nrg_ctx_free(c);
}

static void check_structure(const test_case *t, void *ud) {
    nrg_node y[3] = {t->y, weigh(t->g, t->y), nrg_square(t->g, weigh(t->g, t->y))};
    (void)ud;
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < t->inputs; i++) {
            nrg_ctx *c = nrg_graph_ctx(t->g);
            nrg_attr a;
            assert_int_equal(nrg_attr_of(t->g, y[k], t->in[i], &a), NRG_OK);
            if (!t->smooth[i] && t->op == NRG_OP_random) continue;
            if (nrg_attr_audit(c, t->g, t->n, (const double *const *)t->value, y[k], t->in[i], &a, 3, 1) != NRG_OK) {
                say(c);
                fail_msg("%s: input %d: degree %d smooth %d separable %u", t->name, i, a.degree, a.smooth, a.separable);
            }
        }
}

static void test_structure(void **state) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    (void)state;
    cases_each(c, NRG_OP_bad, NRG_F64, check_structure, NULL);
    nrg_ctx_free(c);
}

// ---- rules refuse

// Wild parameters and inputs in any order: refused in words, or a node that the verifier accepts.
static void wild(const test_case *t, const nrg_node in[3], const nrg_params *p, int *refused) {
    nrg_graph *g = t->g;
    nrg_node n = nrg_build(g, t->op, in[0], in[1], in[2], p);
    if (!n.i) {
        assert_true(g->cause != NRG_OK && strlen(g->cause_text) > 10);
        g->cause = NRG_OK; // the test goes on with the same graph
        ++*refused;
    }
    if (nrg_graph_check(g) != NRG_OK) {
        say(nrg_graph_ctx(g));
        fail_msg("%s: the verifier rejects what the builder accepted", t->name);
    }
}

static void check_refusals(const test_case *t, void *ud) {
    static const int64_t values[] = {-1, 1, 9, 1 << 30, INT64_MAX};
    int *refused = ud;
    nrg_node y[3] = {t->in[0], t->in[1], t->in[2]};
    nrg_node odd = nrg_full(t->g, 1, 0, &(nrg_shape){4, {5, 7, 1, 6}});
    const nrg_node_info *x = nrg_graph_node(t->g, t->y);
    nrg_params p, base = x->par;
    if (x->op != t->op) return; // folded away
    for (int i = 0; i < t->inputs; i++) {
        nrg_node in[3] = {y[0], y[1], y[2]};
        in[i] = odd;
        wild(t, in, &base, refused);
    }
    for (const nrg_field *f = nrg_fields_of(t->op); f->key; f++)
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            p = base;
            memcpy((char *)&p + f->at, &values[k], f->kind == NRG_FIELD_I64 || f->kind == NRG_FIELD_F64 ? 8 : 4);
            wild(t, y, &p, refused);
        }
}

static void test_rules_refuse(void **state) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    (void)state;
    for (int op = 1; op < NRG_OP_COUNT; op++) {
        const char *shape = nrg_op_get((nrg_op)op)->shape;
        int refused = 0;
        cases_each(c, (nrg_op)op, NRG_F64, check_refusals, &refused);
        bool any = !strcmp(shape, "same") || !strcmp(shape, "scalar") || !strcmp(shape, "input"); // rules that take everything
        if (!any && !refused) fail_msg("row %s never refused anything", nrg_op_get((nrg_op)op)->name);
        nrg_diag_clear(c);
    }
    nrg_ctx_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builds), cmocka_unit_test(test_gradients), cmocka_unit_test(test_elementwise),
        cmocka_unit_test(test_text),   cmocka_unit_test(test_structure), cmocka_unit_test(test_rules_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
