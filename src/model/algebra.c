// Functions that move numbers or treat them as matrices: @, reshape, flatten, concat, onehot, trace, diag, logdet.
#include "model/inside.h"

#include <string.h>

// ---- the product

nrg_node nrg_rows(nrg_graph *g, nrg_node a) {
    const nrg_shape *h = &nrg_graph_node(g, a)->shape;
    if (h->rank == 2) return a;
    int64_t k = h->rank ? h->dim[h->rank - 1] : 1, m = 1;
    for (int i = 0; i + 1 < h->rank; i++) m *= h->dim[i];
    return nrg_reshape(g, a, nrg_shape_of(2, (int64_t[]){m, k}));
}

// A transposed matrix is its source, to be read the other way.
static nrg_node untransposed(nrg_graph *g, nrg_node a, bool *t) {
    const nrg_node_info *i = nrg_graph_node(g, a);
    if (i->op != NRG_OP_permute || i->shape.rank != 2 || i->par.perm.order[0] != 1) return a;
    *t = !*t;
    return i->in[0];
}

static nrg_node product(nrg_graph *g, nrg_node a, nrg_node b, bool ta, bool tb) {
    a = untransposed(g, a, &ta);
    b = untransposed(g, b, &tb);
    return nrg_matmul(g, a, b, ta, tb, 0);
}

static nrg_status no_product(nrg_scope *s, const nrg_expr *e, const nrg_type *a, const nrg_type *b) {
    const char *ta = nrg_type_text(s, a), *tb = nrg_type_text(s, b);
    nrg_status st;
    if (!a->rank || !b->rank) {
        st = nrg_fail(s->c, NRG_E035, e->at, "'@' sums over an axis of both sides, but the %s has none",
                      a->rank ? "right" : "left");
    } else {
        st = nrg_fail(s->c, NRG_E035, e->at,
                      "'@' sums over the last axis of the left (%s) and the first of the right (%s), which differ",
                      nrg_axis_text(s, &a->axis[a->rank - 1]), nrg_axis_text(s, &b->axis[0]));
    }
    nrg_fact(s->c, "left  : %s", ta);
    nrg_fact(s->c, "right : %s", tb);
    const char *l = nrg_expr_text(s, e->kid[0]), *r = nrg_expr_text(s, e->kid[1]);
    if (!a->rank || !b->rank)
        nrg_help(s->c, "multiply by a number with *");
    else if (a->rank > 1 && nrg_axis_fit(&a->axis[a->rank - 2], &b->axis[0]) != NRG_UNFIT)
        nrg_help(s->c, "transpose the left side: %s' @ %s", l, r);
    else if (b->rank > 1 && nrg_axis_fit(&a->axis[a->rank - 1], &b->axis[1]) != NRG_UNFIT)
        nrg_help(s->c, "transpose the right side: %s @ %s'", l, r);
    else if (nrg_axis_fit(&b->axis[b->rank - 1], &a->axis[0]) != NRG_UNFIT)
        nrg_help(s->c, "swap the sides: %s @ %s", r, l);
    return st;
}

nrg_status nrg_value_product(nrg_scope *s, const nrg_expr *e, nrg_value *a, nrg_value *b, nrg_value *out) {
    nrg_graph *g = s->g;
    TRY(nrg_need_number(s, e->kid[0], "@", a));
    TRY(nrg_need_number(s, e->kid[1], "@", b));
    int ar = a->type.rank, br = b->type.rank;
    if (!ar || !br || nrg_axis_fit(&a->type.axis[ar - 1], &b->type.axis[0]) == NRG_UNFIT)
        return no_product(s, e, &a->type, &b->type);
    if (ar + br - 2 > NRG_MAX_RANK)
        return nrg_fail(s->c, NRG_E035, e->at, "'@' would make more than %d axes", NRG_MAX_RANK);
    nrg_type t = nrg_type_of(NRG_REAL, ar - 1, a->type.axis);
    for (int i = 1; i < br; i++) t.axis[t.rank++] = b->type.axis[i];
    nrg_node x = nrg_value_masked(s, a, 1u << (ar - 1), 0), y = b->node;
    x = nrg_rows(g, x);
    if (br == 1) { // a vector is a row, so that samples are the rows of one product
        y = nrg_rows(g, y);
        *out = (nrg_value){t, product(g, y, x, false, true)};
    } else {
        nrg_shape h = nrg_graph_node(g, y)->shape;
        int64_t n = 1;
        for (int i = 1; i < h.rank; i++) n *= h.dim[i];
        if (h.rank > 2) y = nrg_reshape(g, y, nrg_shape_of(2, (int64_t[]){h.dim[0], n}));
        *out = (nrg_value){t, product(g, x, y, false, false)};
    }
    // The event shape: the left's axes but its last, then the right's but its first.
    nrg_shape ha = nrg_graph_node(g, a->node)->shape, hb = nrg_graph_node(g, b->node)->shape, h = {0};
    if (ha.rank != ar || hb.rank != br) return NRG_OK;
    for (int i = 0; i + 1 < ha.rank; i++) h.dim[h.rank++] = ha.dim[i];
    for (int i = 1; i < hb.rank; i++) h.dim[h.rank++] = hb.dim[i];
    out->node = nrg_reshape(g, out->node, h);
    return NRG_OK;
}

CALLED(transpose) {
    nrg_value x;
    TRY(nrg_call_value(c, 0, &x));
    int r = x.type.rank;
    if (r < 2)
        return nrg_fail(c->s->c, NRG_E037, nrg_call_span(c, 0), "transpose needs two axes, but its input is %s",
                        nrg_type_text(c->s, &x.type));
    *out = x;
    out->type.axis[r - 1] = x.type.axis[r - 2];
    out->type.axis[r - 2] = x.type.axis[r - 1];
    out->node = nrg_transpose(c->s->g, x.node);
    return NRG_OK;
}

// ---- square matrices

static nrg_status square(nrg_call *c, nrg_value *x) {
    TRY(nrg_call_input(c, 0, x));
    if (x->type.rank == 2 && nrg_axis_fit(&x->type.axis[0], &x->type.axis[1]) != NRG_UNFIT) return NRG_OK;
    if (x->type.rank == 2 && x->type.axis[0].size == x->type.axis[1].size) return NRG_OK;
    return nrg_fail(c->s->c, NRG_E037, nrg_call_span(c, 0), "%s needs a square matrix, but its input is %s",
                    c->row->name, nrg_type_text(c->s, &x->type));
}

static nrg_node eye(nrg_graph *g, int64_t n) {
    nrg_node i = nrg_iota(g, n);
    return nrg_eq(g, nrg_reshape(g, i, nrg_shape_of(2, (int64_t[]){n, 1})), i);
}

static nrg_node on_diagonal(nrg_scope *s, const nrg_value *x) {
    return nrg_mul(s->g, x->node, eye(s->g, nrg_graph_node(s->g, x->node)->shape.dim[0]));
}

CALLED(trace) {
    nrg_value x;
    TRY(square(c, &x));
    *out = nrg_value_real(x.type, on_diagonal(c->s, &x));
    return nrg_value_reduce(c->s, out, NRG_OP_sum, 3);
}

CALLED(diag) {
    nrg_scope *s = c->s;
    nrg_value x;
    TRY(nrg_call_input(c, 0, &x));
    if (x.type.rank == 1) {
        *out = nrg_value_real(x.type, nrg_mul(s->g, x.node, eye(s->g, nrg_graph_node(s->g, x.node)->shape.dim[0])));
        out->type.rank = 2;
        out->type.axis[1] = x.type.axis[0];
        return NRG_OK;
    }
    TRY(square(c, &x));
    *out = nrg_value_real(x.type, nrg_reduce(s->g, NRG_OP_sum, on_diagonal(s, &x), 2, 0, false));
    out->type.rank = 1;
    return NRG_OK;
}

CALLED(logdet) {
    nrg_value x;
    TRY(square(c, &x));
    *out = (nrg_value){nrg_type_of(NRG_REAL, 0, NULL), nrg_logdet(c->s->g, x.node)};
    return NRG_OK;
}

// ---- other axes

CALLED(onehot) {
    nrg_scope *s = c->s;
    nrg_value y;
    TRY(nrg_call_value(c, 0, &y));
    if (y.type.elem != NRG_CATEGORY || y.type.dim < 0)
        return nrg_fail(s->c, NRG_E037, nrg_call_span(c, 0), "onehot needs a category, but its input is %s",
                        nrg_type_text(s, &y.type));
    if (y.type.rank == NRG_MAX_RANK)
        return nrg_fail(s->c, NRG_E037, c->at->span, "onehot would make more than %d axes", NRG_MAX_RANK);
    nrg_axis a = nrg_axis_dim(s->m, y.type.dim);
    int64_t n;
    TRY(nrg_size_known(s, c->at->span, &a, &n));
    nrg_shape h = nrg_graph_node(s->g, y.node)->shape;
    h.dim[h.rank++] = 1;
    *out = nrg_value_real(y.type, nrg_eq(s->g, nrg_reshape(s->g, y.node, h), nrg_iota(s->g, n)));
    out->type.axis[out->type.rank++] = a;
    return NRG_OK;
}

CALLED(flatten) {
    nrg_value x;
    TRY(nrg_call_value(c, 0, &x));
    nrg_node n = nrg_value_masked(c->s, &x, (1u << x.type.rank) - 1, 0);
    nrg_shape h = nrg_graph_node(c->s->g, n)->shape;
    nrg_axis all = x.type.rank == 1 ? x.type.axis[0] : nrg_axis_sized(nrg_type_count(&x.type));
    int64_t count = nrg_shape_count(&h);
    out->type = x.type;
    out->type.rank = 1;
    out->type.axis[0] = all;
    out->node = nrg_reshape(c->s->g, n, nrg_shape_of(1, &count));
    return NRG_OK;
}

// One axis without a size takes what the others leave of `count` numbers. Gives the new count, -1 when not known yet.
static int64_t fill_in(nrg_type *t, int64_t count) {
    int64_t rest = 1;
    int open = -1;
    for (int i = 0; i < t->rank; i++) {
        if (t->axis[i].size < 0 && open >= 0) return -1;
        int64_t k = t->axis[i].size;
        if (k < 0)
            open = i;
        else if (k == 0 || rest > count / k)
            return -1;
        else
            rest *= k;
    }
    if (open < 0 || count % rest) return -1;
    t->axis[open].size = count / rest;
    return count;
}

CALLED(reshape) {
    nrg_scope *s = c->s;
    nrg_value x;
    TRY(nrg_call_value(c, 0, &x));
    int n = nrg_call_count(c) - 1;
    if (n > NRG_MAX_RANK) return nrg_fail(s->c, NRG_E037, c->at->span, "reshape takes at most %d axes", NRG_MAX_RANK);
    nrg_type t = x.type;
    t.rank = n;
    for (int i = 0; i < n; i++) TRY(nrg_axis_of(s->m, nrg_call_expr(c, i + 1), &t.axis[i]));
    int64_t had = nrg_type_count(&x.type), want = nrg_type_count(&t);
    if (had >= 0 && want < 0 && !nrg_stands_in(s)) want = fill_in(&t, had);
    if (had >= 0 && want >= 0 && had != want) {
        nrg_status st =
            nrg_fail(s->c, NRG_E037, c->at->span, "reshape keeps all numbers, but %s has %lld and %s has %lld",
                     nrg_type_text(s, &x.type), (long long)had, nrg_type_text(s, &t), (long long)want);
        nrg_help(s->c, "the product of the axes must stay the same");
        return st;
    }
    *out = (nrg_value){t, nrg_reshape(s->g, x.node, nrg_scope_shape(s, &t))};
    return NRG_OK;
}

// Joins b to a along one axis; the others must agree.
static nrg_status join(nrg_call *c, nrg_value *a, const nrg_value *b, int axis) {
    nrg_scope *s = c->s;
    bool fair = a->type.rank == b->type.rank;
    for (int i = 0; fair && i < a->type.rank; i++)
        fair = i == axis || nrg_axis_fit(&a->type.axis[i], &b->type.axis[i]) != NRG_UNFIT;
    if (!fair) {
        nrg_status st = nrg_fail(s->c, NRG_E037, c->at->span, "concat cannot join %s and %s",
                                 nrg_type_text(s, &a->type), nrg_type_text(s, &b->type));
        nrg_help(s->c, "all axes but the joined one must agree; flatten(...) makes vectors");
        return st;
    }
    nrg_axis *x = &a->type.axis[axis];
    int64_t n = b->type.axis[axis].size;
    *x = nrg_axis_sized(x->size < 0 || n < 0 ? -1 : x->size + n);
    a->node = nrg_concat(s->g, a->node, b->node, axis);
    return nrg_value_settle(s, a);
}

// A number joins as a vector of one.
static void as_vector(nrg_scope *s, nrg_value *v) {
    if (v->type.rank) return;
    v->type.axis[v->type.rank++] = nrg_axis_sized(1);
    v->node = nrg_reshape(s->g, v->node, nrg_shape_of(1, (int64_t[]){1}));
}

CALLED(concat) {
    nrg_value x;
    int axis, n = nrg_call_count(c);
    TRY(nrg_call_input(c, 0, &x));
    as_vector(c->s, &x);
    TRY(nrg_call_over(c, &x.type, x.type.rank - 1, &axis));
    for (int k = 1; k < n; k++) {
        nrg_value y;
        TRY(nrg_call_input(c, k, &y));
        as_vector(c->s, &y);
        TRY(join(c, &x, &y, axis));
    }
    *out = nrg_value_real(x.type, x.node);
    return NRG_OK;
}
