// The graph room by hand: folding, poison, leading axes, corner cases of the reference executor, structure claims with
// their audit, copies, the reader's manners, refused memory.
#include "graph/inside.h"
#include "exec/exec.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SHAPE(...) nrg_shape_of((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})
static const nrg_shape scalar = {0};

typedef struct {
    nrg_ctx *c;
    nrg_graph *g;
    nrg_node a, b, i; // a [3], b [2, 3], i: an index []
} bench;

static bench open_bench(void) {
    bench t = {.c = nrg_ctx_new(NULL, NULL)};
    assert_int_equal(nrg_graph_new(t.c, NRG_F64, &t.g), NRG_OK);
    t.a = nrg_input(t.g, "a", 0, SHAPE(3));
    t.b = nrg_input(t.g, "b", 0, SHAPE(2, 3));
    t.i = nrg_input(t.g, "i", 0, scalar);
    return t;
}

static void close_bench(bench t) {
    nrg_graph_free(t.g);
    nrg_ctx_free(t.c);
}

static void value(bench t, nrg_node y, const double *a, double *out) {
    static const double b[6] = {1, 2, 3, 4, 5, 6}, i = 1;
    const double *in[4] = {a, b, &i, a};
    assert_int_equal(nrg_ref_eval(t.c, t.g, 1, in, 0, 0, &y, 1, &out), NRG_OK);
}

// ---- building

static void test_equal_nodes(void **state) {
    bench t = open_bench();
    (void)state;
    assert_int_equal(nrg_add(t.g, t.a, t.b).i, nrg_add(t.g, t.b, t.a).i);
    assert_int_equal(nrg_exp(t.g, t.a).i, nrg_exp(t.g, t.a).i);
    assert_int_not_equal(nrg_sub(t.g, t.a, t.b).i, nrg_sub(t.g, t.b, t.a).i);
    assert_int_equal(nrg_const(t.g, 2).i, nrg_const(t.g, 2).i);
    nrg_params p; // rubbish in unused bytes does not make another node
    memset(&p, 0x5a, sizeof p);
    p.scalar.value = 2;
    assert_int_equal(nrg_build(t.g, NRG_OP_const, NRG_BAD, NRG_BAD, NRG_BAD, &p).i, nrg_const(t.g, 2).i);
    close_bench(t);
}

static void test_many_nodes(void **state) {
    bench t = open_bench();
    (void)state;
    nrg_node n[3000];
    for (int k = 0; k < 3000; k++) n[k] = nrg_mul(t.g, t.a, nrg_const(t.g, k + 2));
    for (int k = 0; k < 3000; k++) assert_int_equal(nrg_mul(t.g, t.a, nrg_const(t.g, k + 2)).i, n[k].i);
    assert_int_equal(nrg_graph_check(t.g), NRG_OK);
    close_bench(t);
}

static void test_folding(void **state) {
    bench t = open_bench();
    nrg_graph *g = t.g;
    nrg_node zero = nrg_const(g, 0), one = nrg_const(g, 1);
    double v;
    (void)state;
    assert_int_equal(nrg_add(g, t.a, zero).i, t.a.i);
    assert_int_equal(nrg_sub(g, t.a, zero).i, t.a.i);
    assert_int_equal(nrg_mul(g, one, t.a).i, t.a.i);
    assert_int_equal(nrg_div(g, t.a, one).i, t.a.i);
    assert_int_equal(nrg_pow(g, t.a, one).i, t.a.i);
    assert_int_equal(nrg_pow(g, t.a, nrg_const(g, 2)).i, nrg_square(g, t.a).i);
    assert_int_equal(nrg_neg(g, nrg_neg(g, t.a)).i, t.a.i);
    assert_int_equal(nrg_stop(g, nrg_stop(g, t.a)).i, nrg_stop(g, t.a).i);
    assert_int_equal(nrg_transpose(g, nrg_transpose(g, t.b)).i, t.b.i);
    assert_int_equal(nrg_reshape(g, nrg_reshape(g, t.b, SHAPE(6)), SHAPE(2, 3)).i, t.b.i);
    assert_true(nrg_is_const(g, nrg_add(g, nrg_const(g, 2), nrg_exp(g, zero)), &v) && v == 3);
    // shapes and leading axes survive: 0 * x is a zero of x's shape, a + 0 is as wide as the zero was
    nrg_node z = nrg_mul(g, t.b, zero);
    assert_true(nrg_is_const(g, z, &v) && v == 0 && nrg_graph_node(g, z)->shape.rank == 2);
    nrg_node wide = nrg_add(g, t.a, nrg_full(g, 0, NRG_SAMPLE, &(nrg_shape){2, {2, 3}}));
    assert_int_equal(nrg_graph_node(g, wide)->leads, NRG_SAMPLE);
    assert_int_equal(nrg_graph_node(g, wide)->shape.rank, 2);
    // a repeat is not summed one by one
    nrg_leads K = nrg_lead_new(g, "K", 7);
    nrg_node rep = nrg_reduce(g, NRG_OP_sum, nrg_expand(g, t.a, SHAPE(3), K), 0, K, false);
    assert_int_equal(rep.i, nrg_mul(g, t.a, nrg_const(g, 7)).i);
    assert_int_equal(nrg_graph_check(g), NRG_OK);
    close_bench(t);
}

static void refused(nrg_node (*build)(bench t), nrg_status s, const char *says) {
    bench t = open_bench();
    assert_int_equal(build(t).i, 0);
    nrg_node later = nrg_exp(t.g, nrg_add(t.g, t.a, nrg_const(t.g, 1)));
    assert_int_not_equal(later.i, 0); // only what is built on bad is bad
    assert_int_equal(nrg_add(t.g, later, NRG_BAD).i, 0);
    assert_int_equal(nrg_graph_check(t.g), s);
    if (!strstr(nrg_diag_get(t.c, 0)->message, says)) fail_msg("`%s` lacks `%s`", nrg_diag_get(t.c, 0)->message, says);
    close_bench(t);
}

static nrg_node bad_add(bench t) { return nrg_add(t.g, t.a, nrg_iota(t.g, 2)); }
static nrg_node bad_product(bench t) { return nrg_matmul(t.g, t.b, t.b, false, false, 0); }
static nrg_node bad_lead(bench t) { return nrg_reduce(t.g, NRG_OP_sum, t.a, 0, NRG_SAMPLE, false); }
static nrg_node bad_axis(bench t) { return nrg_slice(t.g, t.a, 1, 0, 1, 1); }
static nrg_node bad_slice(bench t) { return nrg_slice(t.g, t.a, 0, 1, 2, 2); }
static nrg_node bad_reshape(bench t) { return nrg_reshape(t.g, t.a, SHAPE(4)); }
static nrg_node bad_order(bench t) { return nrg_permute(t.g, t.b, (int32_t[]){1, 1}); }
static nrg_node bad_rows(bench t) { return nrg_take(t.g, t.i, t.i); }
static nrg_node bad_square(bench t) { return nrg_chol(t.g, t.b); }
static nrg_node bad_expand(bench t) { return nrg_expand(t.g, t.a, SHAPE(4), 0); }
static nrg_node bad_name(bench t) { return nrg_input(t.g, "a", 0, SHAPE(4)); }
static nrg_node bad_filter(bench t) {
    return nrg_conv(t.g, nrg_reshape(t.g, t.b, SHAPE(1, 2, 3)), nrg_full(t.g, 1, 0, &(nrg_shape){4, {1, 1, 3, 3}}), 1, 0, 0);
}
static nrg_node bad_lift(bench t) { return nrg_lift(t.g, t.a, 0, nrg_lead_new(t.g, "K", 4)); }
static nrg_node bad_size(bench t) { return nrg_expand(t.g, t.i, SHAPE(1 << 30, 1 << 30), 0); }
static nrg_node bad_input(bench t) { return nrg_add(t.g, t.a, (nrg_node){999}); }

static void test_refusals(void **state) {
    (void)state;
    refused(bad_add, NRG_E034, "found [3] and [2]");
    refused(bad_product, NRG_E035, "found [2, 3] and [2, 3]");
    refused(bad_lead, NRG_E037, "leading axes");
    refused(bad_axis, NRG_E037, "axis 1");
    refused(bad_slice, NRG_E037, "axis of 3");
    refused(bad_reshape, NRG_E037, "found [3]");
    refused(bad_order, NRG_E037, "every event axis once");
    refused(bad_rows, NRG_E036, "rows");
    refused(bad_square, NRG_E037, "square");
    refused(bad_expand, NRG_E034, "found [3]");
    refused(bad_name, NRG_E010, "exists already");
    refused(bad_filter, NRG_E041, "larger than");
    refused(bad_lift, NRG_E037, "axis of 4");
    refused(bad_size, NRG_E034, "found []");
    refused(bad_input, NRG_E099, "not a node");
}

static void test_verifier(void **state) {
    (void)state;
    for (int harm = 0; harm < 8; harm++) {
        bench t = open_bench();
        nrg_node y = nrg_sum_all(t.g, nrg_mul(t.g, nrg_exp(t.g, t.b), t.a));
        nrg_node_info *x = &t.g->nodes.at[y.i];
        assert_int_equal(nrg_graph_check(t.g), NRG_OK);
        switch (harm) {
        case 0: x->shape.rank = 1, x->shape.dim[0] = 2; break;
        case 1: x->leads = NRG_SAMPLE; break;
        case 2: x->in[0] = y; break;
        case 3: x->op = NRG_OP_matmul; break;
        case 4: x->type = NRG_F32; break;
        case 5: x->par.reduce.axes = 1u << 7; break;
        case 6: ((unsigned char *)&x->par)[sizeof x->par - 1] = 1; break;
        default: x->in[1] = t.a; break;
        }
        assert_int_equal(nrg_graph_check(t.g), NRG_E099);
        close_bench(t);
    }
}

static void test_spans(void **state) {
    bench t = open_bench();
    (void)state;
    nrg_graph_span(t.g, (nrg_span){1, 10, 12});
    nrg_node y = nrg_exp(t.g, t.a), d;
    nrg_graph_span(t.g, NRG_NOWHERE);
    nrg_node z = nrg_sum_all(t.g, nrg_square(t.g, y));
    assert_int_equal(nrg_grad(t.g, z, NRG_BAD, &t.a, 1, &d), NRG_OK);
    assert_int_equal(nrg_graph_node(t.g, d)->span.start, 10); // a gradient belongs to the place of its operation
    close_bench(t);
}

// ---- the reference executor's corners

static double reduce3(nrg_op op, double p, double q, double r, int64_t n) {
    bench t = open_bench();
    double a[3] = {p, q, r}, out = 99;
    value(t, nrg_reduce(t.g, op, nrg_slice(t.g, t.a, 0, 0, n, 1), 1, 0, false), a, &out);
    close_bench(t);
    return out;
}

static void test_reductions(void **state) {
    (void)state;
    assert_true(reduce3(NRG_OP_sum, 1, 2, 3, 0) == 0 && reduce3(NRG_OP_prod, 1, 2, 3, 0) == 1);
    assert_true(reduce3(NRG_OP_rmax, 1, 2, 3, 0) == -INFINITY && reduce3(NRG_OP_rmin, 1, 2, 3, 0) == INFINITY);
    assert_true(reduce3(NRG_OP_lse, 1, 2, 3, 0) == -INFINITY);
    assert_true(reduce3(NRG_OP_argmax, 1, 2, 3, 0) == 0 && reduce3(NRG_OP_argmin, 1, 2, 3, 0) == 0);
    assert_true(reduce3(NRG_OP_argmax, 2, 5, 5, 3) == 1 && reduce3(NRG_OP_argmin, 2, 1, 1, 3) == 1);
    assert_true(isnan(reduce3(NRG_OP_rmax, 2, NAN, 5, 3)) && reduce3(NRG_OP_argmax, 2, NAN, 5, 3) == 1);
    assert_true(isnan(reduce3(NRG_OP_rmin, 2, NAN, 5, 3)) && isnan(reduce3(NRG_OP_lse, 2, NAN, 5, 3)));
    assert_true(fabs(reduce3(NRG_OP_lse, 1000, 1000, 0, 2) - 1000 - log(2)) < 1e-12);
    assert_true(reduce3(NRG_OP_lse, -INFINITY, 3, -INFINITY, 3) == 3);
    assert_true(reduce3(NRG_OP_lse, -INFINITY, -INFINITY, 1, 2) == -INFINITY);
}

static void test_argmax_over_leads(void **state) {
    bench t = open_bench();
    (void)state;
    nrg_leads K = nrg_lead_new(t.g, "K", 2);
    nrg_node x = nrg_input(t.g, "x", NRG_SAMPLE | K, SHAPE(2)); // [3 samples][2][2]
    nrg_node y = nrg_reduce(t.g, NRG_OP_argmax, x, 1, NRG_SAMPLE | K, false), d;
    double v[12] = {0, 1, 2, 3, 4, 5, 6, 9, 8, 7, 9, 1}, out = 0, dv[12];
    const double *in[4] = {NULL, NULL, NULL, v};
    double *r[1] = {&out}, *rd[1] = {dv};
    assert_int_equal(nrg_ref_eval(t.c, t.g, 3, in, 0, 0, &y, 1, r), NRG_OK);
    assert_true(out == 7);
    nrg_node m = nrg_reduce(t.g, NRG_OP_rmax, x, 1, NRG_SAMPLE | K, false); // only the first of two winners gets the gradient
    assert_int_equal(nrg_grad(t.g, m, NRG_BAD, &x, 1, &d), NRG_OK);
    assert_int_equal(nrg_ref_eval(t.c, t.g, 3, in, 0, 0, &d, 1, rd), NRG_OK);
    for (int i = 0; i < 12; i++) assert_true(dv[i] == (i == 7));
    close_bench(t);
}

static void test_indices(void **state) {
    bench t = open_bench();
    (void)state;
    nrg_node k = nrg_input(t.g, "k", 0, SHAPE(3));
    double at[3] = {1.2, -1, 2}, rows[9], put[8];
    const double b[6] = {1, 2, 3, 4, 5, 6}, *in[4] = {at, b, NULL, at};
    nrg_node y[2] = {nrg_take(t.g, t.b, k), nrg_put(t.g, k, nrg_const(t.g, 0).i ? nrg_iota(t.g, 3) : NRG_BAD, 2, 0)}, d;
    double *r[2] = {rows, put};
    assert_int_equal(nrg_ref_eval(t.c, t.g, 1, in, 0, 0, y, 2, r), NRG_OK);
    assert_true(rows[0] == 4 && rows[2] == 6 && isnan(rows[3]) && isnan(rows[8])); // rounded; outside: NaN
    assert_true(put[0] == 0 && put[1] == 0);                                       // outside: left out
    nrg_node x = nrg_input(t.g, "x", 0, SHAPE(3));
    assert_int_equal(nrg_grad(t.g, nrg_put(t.g, k, x, 2, 0), NRG_BAD, &x, 1, &d), NRG_OK);
    const double *in5[5] = {at, b, NULL, at, at};
    r[0] = rows;
    assert_int_equal(nrg_ref_eval(t.c, t.g, 1, in5, 0, 0, &d, 1, r), NRG_OK);
    assert_true(rows[0] == 1 && rows[1] == 0 && rows[2] == 0);
    close_bench(t);
}

static void test_matrices(void **state) {
    bench t = open_bench();
    (void)state;
    nrg_node m = nrg_input(t.g, "m", 0, SHAPE(3, 3));
    double v[9] = {4, -99, -99, 2, 5, -99, 1, 3, 6}, L[9], Y[9], ld;
    const double *in[4] = {NULL, NULL, NULL, v};
    nrg_node y[3] = {nrg_chol(t.g, m), nrg_inv(t.g, m), nrg_logdet(t.g, m)};
    double *r[3] = {L, Y, &ld};
    assert_int_equal(nrg_ref_eval(t.c, t.g, 1, in, 0, 0, y, 3, r), NRG_OK);
    assert_true(L[0] == 2 && L[3] == 1 && L[4] == 2 && L[6] == 0.5 && L[7] == 1.25 && L[1] == 0); // the lower triangle is read
    double s = 0;
    for (int k = 0; k < 3; k++) s += v[3 + k] * Y[3 * k + 1];
    assert_true(fabs(s - 1) < 1e-12);
    v[0] = -1;
    assert_int_equal(nrg_ref_eval(t.c, t.g, 1, in, 0, 0, y, 3, r), NRG_OK);
    assert_true(isnan(L[0]) && isnan(L[8]));
    for (int k = 0; k < 9; k++) v[k] = k; // singular
    assert_int_equal(nrg_ref_eval(t.c, t.g, 1, in, 0, 0, y, 3, r), NRG_OK);
    close_bench(t);
}

static void test_random(void **state) {
    bench t = open_bench();
    (void)state;
    nrg_node ids = nrg_input(t.g, "ids", NRG_SAMPLE, scalar);
    nrg_node y = nrg_random(t.g, ids, NRG_RANDOM_NORMAL, NRG_FOR_NOISE, SHAPE(5));
    double id[2] = {7, 3}, v[10], *r[1] = {v};
    const double *in[4] = {NULL, NULL, NULL, id};
    assert_int_equal(nrg_ref_eval(t.c, t.g, 2, in, 11, 4, &y, 1, r), NRG_OK);
    for (uint32_t i = 0; i < 10; i++) assert_true(v[i] == nrg_random_normal(11, NRG_FOR_NOISE, i < 5 ? 7 : 3, 4, i % 5));
    close_bench(t);
}

static void test_samples(void **state) {
    bench t = open_bench();
    (void)state;
    nrg_node x = nrg_input(t.g, "x", NRG_SAMPLE, SHAPE(2));
    nrg_node y = nrg_reduce(t.g, NRG_OP_sum, nrg_square(t.g, x), 1, NRG_SAMPLE, false);
    double v[6] = {1, 2, 3, 4, 5, 6}, out = -1, *r[1] = {&out};
    const double *in[4] = {NULL, NULL, NULL, v};
    assert_int_equal(nrg_ref_eval(t.c, t.g, 3, in, 0, 0, &y, 1, r), NRG_OK);
    assert_true(out == 91);
    assert_int_equal(nrg_ref_eval(t.c, t.g, 0, in, 0, 0, &y, 1, r), NRG_OK); // no samples: the empty sum
    assert_true(out == 0);
    in[3] = NULL;
    assert_int_equal(nrg_ref_eval(t.c, t.g, 3, in, 0, 0, &y, 1, r), NRG_E099);
    close_bench(t);
}

// The gradient of a weight sums over samples inside the product: nothing of [sample, k, n] is made.
static void test_weight_gradient(void **state) {
    bench t = open_bench();
    (void)state;
    nrg_node x = nrg_input(t.g, "x", NRG_SAMPLE, SHAPE(1, 4)), w = nrg_input(t.g, "w", 0, SHAPE(4, 5)), d;
    nrg_node y = nrg_sum_all(t.g, nrg_square(t.g, nrg_matmul(t.g, x, w, false, false, 0)));
    assert_int_equal(nrg_grad(t.g, y, NRG_BAD, &w, 1, &d), NRG_OK);
    assert_int_equal(nrg_graph_node(t.g, d)->op, NRG_OP_matmul);
    assert_int_equal(nrg_graph_node(t.g, d)->par.matmul.leads, NRG_SAMPLE);
    for (uint32_t i = 1; i <= nrg_graph_size(t.g); i++) {
        const nrg_node_info *n = nrg_graph_node(t.g, (nrg_node){i});
        assert_false((n->leads & NRG_SAMPLE) && nrg_shape_count(&n->shape) == 20);
    }
    close_bench(t);
}

static void test_gradient_forms(void **state) {
    bench t = open_bench();
    (void)state;
    nrg_node x = nrg_input(t.g, "x", NRG_SAMPLE, SHAPE(3)), d[3], wrt[3] = {t.a, x, t.i};
    nrg_node mid = nrg_exp(t.g, t.a), y = nrg_mul(t.g, mid, x);
    assert_int_equal(nrg_grad(t.g, y, NRG_BAD, wrt, 3, d), NRG_OK);
    assert_int_equal(nrg_graph_node(t.g, d[0])->leads, 0);
    assert_int_equal(d[1].i, nrg_expand(t.g, mid, SHAPE(3), NRG_SAMPLE).i);
    double v;
    assert_true(nrg_is_const(t.g, d[2], &v) && v == 0); // y does not depend on i
    assert_int_equal(nrg_grad(t.g, y, nrg_const(t.g, 3), &mid, 1, d), NRG_OK); // with respect to a node inside, weighed
    assert_int_equal(nrg_graph_node(t.g, d[0])->shape.rank, 1);
    assert_int_equal(nrg_grad(t.g, nrg_mul(t.g, nrg_stop(t.g, mid), t.a), NRG_BAD, &t.a, 1, d), NRG_OK);
    assert_int_equal(d[0].i, nrg_stop(t.g, mid).i);
    assert_int_equal(nrg_grad(t.g, NRG_BAD, NRG_BAD, &mid, 1, d), NRG_E099);
    close_bench(t);
}

// ---- structure

typedef struct {
    int degree;
    int smooth;
    uint32_t separable;
    int picked, log_affine;
} expected;

static nrg_ctx *ctx;
static nrg_graph *G;
static nrg_node V, W, X, K, P; // V [4]; W [3, 4] weights; X {sample} [1, 3]; K {sample} [] index; P [2, 3]

static void claims(const char *what, nrg_node y, nrg_node v, expected e) {
    nrg_attr a;
    double value[64] = {0.3, -1.2, 0.7, 1.1, -0.4, 0.9, 2.0, -0.8, 0.2, 1.5, -1.1, 0.6, 0.4, -0.9, 1.3}, index[3] = {2, 0, 1};
    const double *in[8] = {value, value, value, index, value, value, value, value};
    if (!y.i) nrg_graph_check(G);
    for (int i = 0; i < nrg_diag_count(ctx); i++) print_message("%s\n", nrg_diag_get(ctx, i)->message);
    assert_int_not_equal(y.i, 0);
    assert_int_equal(nrg_attr_of(G, y, v, &a), NRG_OK);
    if (a.degree != e.degree || a.smooth != e.smooth || a.separable != e.separable || a.picked != e.picked || a.log_affine != e.log_affine)
        fail_msg("%s: degree %d smooth %d separable %u picked %d log_affine %d", what, a.degree, a.smooth, a.separable, a.picked, a.log_affine);
    if (nrg_attr_audit(ctx, G, 3, in, y, v, &a, 5, 6) != NRG_OK) fail_msg("%s: %s", what, nrg_diag_get(ctx, 0)->message);
}

static nrg_node sq(nrg_node a) { return nrg_sum_all(G, nrg_square(G, a)); }

static void test_attributes(void **state) {
    (void)state;
    ctx = nrg_ctx_new(NULL, NULL);
    assert_int_equal(nrg_graph_new(ctx, NRG_F64, &G), NRG_OK);
    V = nrg_input(G, "v", 0, SHAPE(4));
    W = nrg_input(G, "w", 0, SHAPE(3, 4));
    X = nrg_input(G, "x", NRG_SAMPLE, SHAPE(1, 3));
    K = nrg_input(G, "k", NRG_SAMPLE, scalar);
    P = nrg_input(G, "p", 0, SHAPE(2, 3));
    nrg_node row = nrg_reshape(G, V, SHAPE(1, 4)), xw = nrg_matmul(G, X, W, false, false, 0);
    nrg_node wz = nrg_matmul(G, row, W, false, true, 0); // W v: [1, 3]
    claims("constant", sq(W), V, (expected){0, 1, 1, 0, 1});
    claims("sum", nrg_sum_all(G, V), V, (expected){1, 1, 1, 0, 1});
    claims("sum of squares", sq(V), V, (expected){2, 1, 1, 0, 0});
    claims("square of the sum", nrg_square(G, nrg_sum_all(G, V)), V, (expected){2, 1, 0, 0, 0});
    claims("abs", nrg_sum_all(G, nrg_abs(G, V)), V, (expected){3, 0, 1, 0, 0});
    claims("norm", nrg_sqrt(G, sq(V)), V, (expected){3, 0, 0, 0, 0});
    claims("W v coupled", sq(wz), V, (expected){2, 1, 0, 0, 0});
    claims("v * v'", nrg_matmul(G, row, row, false, true, 0), V, (expected){2, 1, 1, 0, 0});
    claims("softplus of v", nrg_sum_all(G, nrg_softplus(G, V)), V, (expected){3, 1, 1, 0, 0});
    claims("lse", nrg_reduce(G, NRG_OP_lse, V, 1, 0, false), V, (expected){3, 1, 0, 0, 0});
    claims("largest", nrg_reduce(G, NRG_OP_rmax, V, 1, 0, false), V, (expected){3, 0, 0, 0, 0});
    claims("linear layer, by columns of W", sq(nrg_sub(G, V, xw)), W, (expected){2, 1, 2, 0, 0});
    claims("two layers deep", sq(nrg_tanh(G, xw)), W, (expected){3, 1, 2, 0, 0});
    claims("x - W[k]", sq(nrg_sub(G, V, nrg_take(G, W, K))), W, (expected){2, 1, 3, 1, 0});
    claims("W[k] and W itself", nrg_add(G, sq(nrg_take(G, W, K)), sq(nrg_reduce(G, NRG_OP_sum, W, 1, 0, false))), W, (expected){2, 1, 2, 0, 0});
    claims("indexed by v", nrg_sum_all(G, nrg_take(G, W, nrg_relu(G, V))), V, (expected){3, 0, 0, 0, 0});
    claims("flattened", sq(nrg_reshape(G, W, SHAPE(12))), W, (expected){2, 1, 3, 0, 0});
    claims("shifted neighbours", sq(nrg_sub(G, nrg_slice(G, V, 0, 0, 3, 1), nrg_slice(G, V, 0, 1, 3, 1))), V, (expected){2, 1, 0, 0, 0});
    claims("one entry times all", nrg_sum_all(G, nrg_mul(G, nrg_slice(G, V, 0, 0, 1, 1), V)), V, (expected){2, 1, 0, 0, 0});
    claims("one entry, expanded", sq(nrg_add(G, nrg_expand(G, nrg_slice(G, V, 0, 0, 1, 1), SHAPE(4), 0), V)), V, (expected){2, 1, 0, 0, 0});
    claims("transposed product", sq(nrg_matmul(G, W, nrg_reshape(G, V, SHAPE(4, 1)), false, false, 0)), W, (expected){2, 1, 1, 0, 0});
    claims("cube", nrg_sum_all(G, nrg_pow(G, V, nrg_const(G, 3))), V, (expected){3, 1, 1, 0, 0});
    claims("degrees add", nrg_mul(G, sq(V), nrg_sum_all(G, V)), V, (expected){3, 1, 0, 0, 0});
    claims("stop is worth nothing", sq(nrg_stop(G, V)), V, (expected){3, 0, 0, 0, 0});
    nrg_node likely = nrg_sub(G, nrg_sum_all(G, nrg_mul(G, V, nrg_const(G, 2))), nrg_sum_all(G, nrg_mul(G, nrg_iota(G, 4), nrg_log(G, V))));
    claims("a p - b log p", likely, V, (expected){3, 1, 1, 0, 1});
    claims("log of a sum", nrg_log(G, nrg_sum_all(G, V)), V, (expected){3, 1, 0, 0, 0});
    nrg_leads lead = nrg_lead_new(G, "rows", 3);
    nrg_node lifted = nrg_lift(G, W, 0, lead); // {rows} [4]
    claims("rows as a leading axis", nrg_reduce(G, NRG_OP_sum, nrg_square(G, nrg_sum_all(G, lifted)), 0, lead, false), W, (expected){2, 1, 1, 0, 0});
    claims("lowered again", sq(nrg_reduce(G, NRG_OP_sum, nrg_lower(G, lifted, lead, 1), 1, 0, false)), W, (expected){2, 1, 1, 0, 0});
    assert_true(nrg_depends(G, xw, W) && !nrg_depends(G, xw, V));
    nrg_graph_free(G);
    nrg_ctx_free(ctx);
}

// An audit that cannot fail would be worth nothing.
static void test_audit_fails(void **state) {
    (void)state;
    bench t = open_bench();
    double a[3] = {0}, b[6] = {0}, i = 0;
    const double *in[3] = {a, b, &i};
    nrg_graph *g = t.g;
    nrg_node cube = nrg_sum_all(g, nrg_pow(g, t.a, nrg_const(g, 3))), square = nrg_square(g, nrg_sum_all(g, t.a));
    nrg_node kink = nrg_sum_all(g, nrg_abs(g, nrg_sub(g, nrg_mul(g, t.a, nrg_const(g, 40)), nrg_floor(g, nrg_mul(g, t.a, nrg_const(g, 40))))));
    assert_int_equal(nrg_attr_audit(t.c, g, 1, in, cube, t.a, &(nrg_attr){.degree = 2}, 1, 4), NRG_E099);
    assert_int_equal(nrg_attr_audit(t.c, g, 1, in, square, t.a, &(nrg_attr){.degree = 1}, 1, 4), NRG_E099);
    assert_int_equal(nrg_attr_audit(t.c, g, 1, in, square, t.a, &(nrg_attr){.degree = 2, .separable = 1}, 1, 4), NRG_E099);
    assert_int_equal(nrg_attr_audit(t.c, g, 1, in, kink, t.a, &(nrg_attr){.degree = 3, .smooth = true}, 1, 4), NRG_E099);
    assert_int_equal(nrg_attr_audit(t.c, g, 1, in, cube, t.a, &(nrg_attr){.degree = 3, .log_affine = true}, 1, 4), NRG_E099);
    assert_int_equal(nrg_attr_audit(t.c, g, 1, in, cube, t.a, &(nrg_attr){.degree = 3, .smooth = true, .separable = 1}, 1, 4), NRG_OK);
    close_bench(t);
}

// ---- copies

static void test_copy(void **state) {
    bench t = open_bench(), u = open_bench();
    (void)state;
    nrg_leads C = nrg_lead_new(t.g, "C", 4);
    nrg_lead_new(u.g, "other", 9);
    nrg_node z = nrg_input(t.g, "z", C, SHAPE(3));
    nrg_node y = nrg_sum_all(t.g, nrg_mul(t.g, nrg_exp(t.g, t.a), t.a));
    nrg_node with_z = nrg_graph_copy(t.g, t.g, y, &t.a, &z, 1);
    assert_int_equal(nrg_graph_node(t.g, with_z)->leads, C); // the copy carries the leads of what was put in
    assert_int_equal(with_z.i, nrg_sum_all(t.g, nrg_mul(t.g, nrg_exp(t.g, z), z)).i);
    assert_int_equal(nrg_graph_copy(t.g, t.g, y, NULL, NULL, 0).i, y.i);
    nrg_node there = nrg_graph_copy(u.g, t.g, nrg_reduce(t.g, NRG_OP_sum, with_z, 0, C, false), NULL, NULL, 0);
    assert_int_not_equal(there.i, 0);
    nrg_leads C2 = nrg_graph_node(u.g, there)->par.reduce.leads;
    assert_int_equal(nrg_lead_extent(u.g, C2), 4);
    assert_string_equal(nrg_lead_name(u.g, C2), "C");
    assert_int_equal(nrg_graph_check(u.g), NRG_OK);
    assert_int_equal(nrg_graph_copy(u.g, t.g, NRG_BAD, NULL, NULL, 0).i, 0);
    close_bench(t);
    close_bench(u);
}

// ---- the reader

static void test_reader_manners(void **state) {
    static const char *const bad[] = {
        "", "graph", "graph f16\nroots\n", "graph f64\n", "graph f64\nroots %1\n", "graph f64\n%1 = nothing : {} []\nroots %1\n",
        "graph f64\n%1 = input \"x\" : {} [3]\n%2 = exp %2 : {} [3]\nroots %2\n", "graph f64\n%2 = input \"x\" : {} [3]\nroots %2\n",
        "graph f64\n%1 = input \"x\" : {} [3]\n%2 = exp %1 : {} [4]\nroots %2\n", "graph f64\n%1 = input \"x : {} [3]\nroots %1\n",
        "graph f64\n%1 = input \"x\" : {5} [3]\nroots %1\n", "graph f64\nlead 9 \"a\" 3\nroots\n", "graph f64\n%1 = const value= : {} []\nroots %1\n",
        "graph f64\n%1 = input \"x\" : {} [1,1,1,1,1,1,1,1,1]\nroots %1\n", "graph f64\n%1 = input \"x\" : {} [99999999999999999999]\nroots %1\n",
        "graph f64\n%1 = input \"x\" : {} [2]\n%2 = input \"x\" : {} [2]\nroots %2\n", "graph f64\n%1 = iota lead={} n=4294967296000000 : {} [4]\nroots %1\n",
        "graph f64\n%1 = input \"x\" : {} [3]\n%2 = sum %1 axes=8 leads={} keep=0 : {} []\nroots %2\n", "graph f64\nroots\nmore\n",
        "graph f64\n%1 = input \"\\ud800\" : {} []\nroots %1\n"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nrg_ctx *c = nrg_ctx_new(NULL, NULL);
        nrg_graph *g;
        nrg_node roots[2];
        int n = 2;
        if (nrg_graph_read(c, bad[i], &g, roots, &n) == NRG_OK) fail_msg("read: %s", bad[i]);
        assert_true(nrg_diag_errors(c) >= 1 && g == NULL);
        nrg_ctx_free(c);
    }
}

// ---- refused memory

typedef struct {
    long left; // allocations before the refusal
} budget;

static void *meter(void *ud, void *p, size_t old, size_t size) {
    budget *b = ud;
    (void)old;
    if (size == 0) return free(p), NULL;
    return b->left-- > 0 ? realloc(p, size) : NULL;
}

static nrg_status whole_job(nrg_ctx *c) {
    nrg_graph *g = NULL, *h = NULL;
    nrg_text out = nrg_text_make(c);
    nrg_attr attr;
    nrg_node roots[2], d;
    int n = 2;
    double a[3] = {1, 2, 3}, v[3], *r[1] = {v};
    const double *in[1] = {a};
    nrg_status s = nrg_graph_new(c, NRG_F64, &g);
    if (s == NRG_OK) {
        nrg_node x = nrg_input(g, "x", 0, SHAPE(3)), y = x;
        for (int i = 0; i < 60; i++) y = nrg_tanh(g, nrg_add(g, y, nrg_const(g, i)));
        s = nrg_grad(g, y, NRG_BAD, &x, 1, &d);
        if (s == NRG_OK) s = nrg_graph_check(g);
        if (s == NRG_OK) s = nrg_attr_of(g, d, x, &attr);
        if (s == NRG_OK) s = nrg_ref_eval(c, g, 1, in, 0, 0, &d, 1, r);
        if (s == NRG_OK) s = nrg_attr_audit(c, g, 1, in, y, x, &(nrg_attr){.degree = 3}, 1, 1);
        if (s == NRG_OK) nrg_graph_print(g, &d, 1, &out), s = nrg_text_end(&out);
        if (s == NRG_OK) s = nrg_graph_read(c, out.at, &h, roots, &n);
        if (s == NRG_OK) s = nrg_graph_copy(h, g, d, NULL, NULL, 0).i ? NRG_OK : nrg_graph_check(h);
    }
    nrg_text_free(&out);
    nrg_graph_free(h);
    nrg_graph_free(g);
    return s;
}

static void test_refused_memory(void **state) {
    nrg_status s = NRG_E098;
    (void)state;
    for (long n = 0; s != NRG_OK; n += 1 + n / 64) { // every early place, then a sample of the later ones
        budget b = {n};
        nrg_ctx *c = nrg_ctx_new(meter, &b);
        if (!c) continue;
        s = whole_job(c);
        if (s != NRG_OK && s != NRG_E098) fail_msg("allocation %ld refused: status %d", n, (int)s);
        nrg_ctx_free(c);
        assert_true(n < 200000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_nodes),     cmocka_unit_test(test_many_nodes),      cmocka_unit_test(test_folding),
        cmocka_unit_test(test_refusals),        cmocka_unit_test(test_verifier),        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_reductions),      cmocka_unit_test(test_argmax_over_leads), cmocka_unit_test(test_indices),
        cmocka_unit_test(test_matrices),        cmocka_unit_test(test_random),          cmocka_unit_test(test_samples),
        cmocka_unit_test(test_weight_gradient), cmocka_unit_test(test_gradient_forms),  cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_audit_fails),     cmocka_unit_test(test_copy),            cmocka_unit_test(test_reader_manners),
        cmocka_unit_test(test_refused_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
