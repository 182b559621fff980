// Constant folding and identities. Each gives an equal node of the same leads and shape, never another number,
// but for 0 * x = 0, which holds for finite x and keeps derivatives small.
#include "graph/inside.h"
#include <math.h>
#include <string.h>

bool nrg_is_const(const nrg_graph *g, nrg_node n, double *value) {
    const nrg_node_info *x = nrg_graph_node(g, n);
    if (x->op == NRG_OP_expand) x = nrg_graph_node(g, x->in[0]);
    if (x->op != NRG_OP_const) return false;
    *value = x->par.scalar.value;
    return true;
}

static bool is(const nrg_graph *g, nrg_node n, double value) {
    double v;
    return nrg_is_const(g, n, &v) && v == value;
}

static const nrg_node_info *at(const nrg_graph *g, nrg_node n) { return nrg_graph_node(g, n); }

// n, expanded to the result when it is smaller.
static nrg_node wide(nrg_graph *g, const nrg_rule *r, nrg_node n) {
    nrg_leads leads = r->leads;
    nrg_shape s = r->shape;
    if (at(g, n)->leads == leads && nrg_shape_same(&at(g, n)->shape, &s)) return n;
    return nrg_expand(g, n, s, leads);
}

static nrg_node again(nrg_graph *g, nrg_op op, nrg_node a, nrg_node b, nrg_node c) {
    return nrg_build(g, op, a, b, c, NULL);
}

static nrg_node fold_numbers(nrg_graph *g, const nrg_rule *r, const nrg_node in[3]) {
    double v[3] = {0, 0, 0};
    for (int i = 0; i < nrg_op_get(r->op)->arity; i++)
        if (!nrg_is_const(g, in[i], &v[i])) return NRG_BAD;
    return nrg_full(g, nrg_op_value(r->op, v[0], v[1], v[2]), r->leads, &r->shape);
}

// An operand need not be expanded by hand where broadcasting does the same.
static nrg_node unexpand(nrg_graph *g, const nrg_rule *r, const nrg_node in[3]) {
    for (int i = 0; i < nrg_op_get(r->op)->arity; i++) {
        if (at(g, in[i])->op != NRG_OP_expand) continue;
        nrg_node less[3] = {in[0], in[1], in[2]};
        less[i] = at(g, in[i])->in[0];
        nrg_rule q = *r;
        q.a = at(g, less[0]), q.b = at(g, less[1]), q.c = at(g, less[2]);
        if (nrg_shape_rule(&q) && q.leads == r->leads && nrg_shape_same(&q.shape, &r->shape))
            return nrg_build(g, r->op, less[0], less[1], less[2], r->par);
    }
    return NRG_BAD;
}

static nrg_node fold_unary(nrg_graph *g, const nrg_rule *r, nrg_node a) {
    nrg_op inner = r->a->op;
    if (r->op == NRG_OP_neg && inner == NRG_OP_neg) return r->a->in[0];
    if (r->op == NRG_OP_stop && inner == NRG_OP_stop) return a;
    if (r->op == NRG_OP_abs && inner == NRG_OP_abs) return a;
    if (r->op == NRG_OP_square && (inner == NRG_OP_neg || inner == NRG_OP_abs))
        return nrg_square(g, r->a->in[0]);
    if (r->op == NRG_OP_neg && inner == NRG_OP_sub) return nrg_sub(g, r->a->in[1], r->a->in[0]);
    return NRG_BAD;
}

static nrg_node fold_sums(nrg_graph *g, const nrg_rule *r, nrg_node a, nrg_node b) {
    bool add = r->op == NRG_OP_add;
    if (is(g, b, 0)) return wide(g, r, a);
    if (is(g, a, 0)) return add ? wide(g, r, b) : wide(g, r, nrg_neg(g, b));
    if (r->b->op == NRG_OP_neg)
        return again(g, add ? NRG_OP_sub : NRG_OP_add, a, r->b->in[0], NRG_BAD);
    if (add && r->a->op == NRG_OP_neg) return nrg_sub(g, b, r->a->in[0]);
    return NRG_BAD;
}

static nrg_node fold_mul(nrg_graph *g, const nrg_rule *r, nrg_node a, nrg_node b) {
    if (is(g, a, 0) || is(g, b, 0)) return nrg_full(g, 0, r->leads, &r->shape);
    if (is(g, a, 1)) return wide(g, r, b);
    if (is(g, b, 1)) return wide(g, r, a);
    if (is(g, a, -1)) return wide(g, r, nrg_neg(g, b));
    if (is(g, b, -1)) return wide(g, r, nrg_neg(g, a));
    if (a.i == b.i) return nrg_square(g, a);
    return NRG_BAD;
}

static nrg_node fold_pow(nrg_graph *g, const nrg_rule *r, nrg_node a, nrg_node b) {
    if (is(g, b, 0)) return nrg_full(g, 1, r->leads, &r->shape);
    if (is(g, b, 1)) return wide(g, r, a);
    if (is(g, b, 2)) return wide(g, r, nrg_square(g, a));
    if (is(g, b, -1)) return wide(g, r, nrg_recip(g, a));
    return NRG_BAD;
}

static nrg_node fold_select(nrg_graph *g, const nrg_rule *r, const nrg_node in[3]) {
    double v;
    if (nrg_is_const(g, in[0], &v)) return wide(g, r, v != 0 ? in[1] : in[2]);
    return in[1].i == in[2].i ? wide(g, r, in[1]) : NRG_BAD;
}

static nrg_node fold_elementwise(nrg_graph *g, const nrg_rule *r, const nrg_node in[3]) {
    nrg_node n = fold_numbers(g, r, in);
    if (n.i) return n;
    switch (r->op) {
    case NRG_OP_add:
    case NRG_OP_sub: n = fold_sums(g, r, in[0], in[1]); break;
    case NRG_OP_mul: n = fold_mul(g, r, in[0], in[1]); break;
    case NRG_OP_div: n = is(g, in[1], 1) ? wide(g, r, in[0]) : NRG_BAD; break;
    case NRG_OP_pow: n = fold_pow(g, r, in[0], in[1]); break;
    case NRG_OP_select: n = fold_select(g, r, in); break;
    default: n = nrg_op_get(r->op)->arity == 1 ? fold_unary(g, r, in[0]) : NRG_BAD;
    }
    if (n.i) return n;
    if ((r->op == NRG_OP_add || r->op == NRG_OP_mul || r->op == NRG_OP_eq) && in[0].i > in[1].i)
        return again(g, r->op, in[1], in[0], NRG_BAD);
    return nrg_op_get(r->op)->arity > 1 ? unexpand(g, r, in) : NRG_BAD;
}

// Numbers that one result sums; -1 when it depends on the number of samples.
static int64_t reduced(const nrg_graph *g, const nrg_rule *r) {
    int64_t n = 1;
    if (r->par->reduce.leads & NRG_SAMPLE) return -1;
    for (int i = 0; i < r->a->shape.rank; i++)
        if (r->par->reduce.axes >> i & 1) n *= r->a->shape.dim[i];
    for (int i = 1; i < NRG_MAX_LEADS; i++)
        if (r->par->reduce.leads >> i & 1) n *= nrg_lead_extent(g, (nrg_leads)1 << i);
    return n;
}

// sum over leading axes along which the operand was only repeated: times their extent.
static nrg_node fold_repeats(nrg_graph *g, const nrg_rule *r) {
    if (r->a->op != NRG_OP_expand) return NRG_BAD;
    nrg_node inner = r->a->in[0];
    nrg_leads only = r->par->reduce.leads & ~at(g, inner)->leads & ~NRG_SAMPLE;
    int64_t times = 1;
    if (!only) return NRG_BAD;
    for (int i = 1; i < NRG_MAX_LEADS; i++)
        if (only >> i & 1) times *= nrg_lead_extent(g, (nrg_leads)1 << i);
    nrg_params p = *r->par;
    p.reduce.leads &= ~only;
    nrg_shape s = r->a->shape;
    nrg_leads leads = r->a->leads & ~only;
    nrg_node fewer = nrg_expand(g, inner, s, leads);
    return nrg_mul(g, nrg_build(g, NRG_OP_sum, fewer, NRG_BAD, NRG_BAD, &p),
                   nrg_const(g, (double)times));
}

static nrg_node fold_reduction(nrg_graph *g, const nrg_rule *r, nrg_node a) {
    double v;
    int64_t n = reduced(g, r);
    bool arg = r->op == NRG_OP_argmax || r->op == NRG_OP_argmin;
    if (!r->par->reduce.axes && !r->par->reduce.leads) {
        if (r->par->reduce.keep) return NRG_BAD;
        return arg ? nrg_full(g, 0, r->leads, &r->shape) : a;
    }
    if (r->op == NRG_OP_sum && nrg_is_const(g, a, &v)) {
        if (v == 0 || n >= 0) return nrg_full(g, n > 0 ? v * (double)n : 0, r->leads, &r->shape);
    }
    if (r->op != NRG_OP_sum) return NRG_BAD;
    nrg_node repeats = fold_repeats(g, r);
    return repeats.i ? repeats : nrg_sum_terms(g, r, a);
}

static nrg_node fold_permute(nrg_graph *g, const nrg_rule *r, nrg_node a) {
    bool same = true;
    nrg_params p = *r->par;
    for (int i = 0; i < r->shape.rank; i++) same = same && p.perm.order[i] == i;
    if (same) return a;
    if (r->a->op != NRG_OP_permute) return NRG_BAD;
    for (int i = 0; i < r->shape.rank; i++)
        p.perm.order[i] = r->a->par.perm.order[r->par->perm.order[i]];
    return nrg_build(g, NRG_OP_permute, r->a->in[0], NRG_BAD, NRG_BAD, &p);
}

// Expanded, reshaped, ... numbers stay numbers.
static nrg_node fold_move(nrg_graph *g, const nrg_rule *r, nrg_node a) {
    double v;
    bool as_it_is = r->leads == r->a->leads && nrg_shape_same(&r->shape, &r->a->shape);
    if (r->op == NRG_OP_permute) {
        nrg_node n = fold_permute(g, r, a);
        if (n.i) return n;
    } else if (as_it_is && r->op != NRG_OP_lift && r->op != NRG_OP_lower) {
        if (r->op != NRG_OP_slice || r->par->slice.start == 0) return a;
    }
    if (r->op == NRG_OP_expand && r->a->op == NRG_OP_expand)
        return nrg_expand(g, r->a->in[0], r->shape, r->leads);
    if (r->op == NRG_OP_reshape && r->a->op == NRG_OP_reshape)
        return nrg_reshape(g, r->a->in[0], r->shape);
    if (r->op == NRG_OP_lower && r->a->op == NRG_OP_lift &&
        r->a->par.lift.lead == r->par->lift.lead && r->a->par.lift.axis == r->par->lift.axis)
        return r->a->in[0];
    if (r->op != NRG_OP_expand && nrg_is_const(g, a, &v) && (r->op != NRG_OP_pad || v == 0))
        return nrg_full(g, v, r->leads, &r->shape);
    return NRG_BAD;
}

// One term of the sum, and one side is the same number everywhere: the other side, repeated. The slope of a last layer is one.
static nrg_node fold_outer(nrg_graph *g, const nrg_rule *r, const nrg_node in[3]) {
    int64_t M = r->shape.dim[0], N = r->shape.dim[1];
    double v;
    if (r->par->matmul.leads || r->a->shape.dim[!r->par->matmul.ta] != 1) return NRG_BAD;
    if (nrg_is_const(g, in[0], &v)) return wide(g, r, nrg_mul(g, nrg_reshape(g, in[1], nrg_shape_of(2, (int64_t[]){1, N})), nrg_const(g, v)));
    if (nrg_is_const(g, in[1], &v)) return wide(g, r, nrg_mul(g, nrg_reshape(g, in[0], nrg_shape_of(2, (int64_t[]){M, 1})), nrg_const(g, v)));
    return NRG_BAD;
}

static nrg_node fold_matmul(nrg_graph *g, const nrg_rule *r, const nrg_node in[3]) {
    nrg_params p = *r->par;
    if (is(g, in[0], 0) || is(g, in[1], 0)) return nrg_full(g, 0, r->leads, &r->shape);
    nrg_node outer = fold_outer(g, r, in);
    if (outer.i) return outer;
    if (r->a->op == NRG_OP_permute) { // of rank 2 and not the identity: a transpose
        p.matmul.ta = !p.matmul.ta;
        return nrg_build(g, r->op, r->a->in[0], in[1], NRG_BAD, &p);
    }
    if (r->b->op == NRG_OP_permute) {
        p.matmul.tb = !p.matmul.tb;
        return nrg_build(g, r->op, in[0], r->b->in[0], NRG_BAD, &p);
    }
    return NRG_BAD;
}

// Products whose operand is zero are zero.
static nrg_node fold_product(nrg_graph *g, const nrg_rule *r, const nrg_node in[3]) {
    if (r->op == NRG_OP_matmul) return fold_matmul(g, r, in);
    if (r->op == NRG_OP_put ? is(g, in[1], 0) : is(g, in[0], 0) || is(g, in[1], 0))
        return nrg_full(g, 0, r->leads, &r->shape);
    return NRG_BAD;
}

// The rule points into the graph's list of nodes, which may move while a simpler node is built.
nrg_node nrg_fold(nrg_graph *g, const nrg_rule *rule, const nrg_node in[3]) {
    nrg_rule copy = *rule, *r = &copy;
    nrg_node_info a = *rule->a, b = *rule->b, c = *rule->c;
    nrg_params par = *rule->par;
    nrg_node n = NRG_BAD;
    if (g->depth > 64) return NRG_BAD;
    r->a = &a, r->b = &b, r->c = &c, r->par = &par;
    g->depth++;
    if (nrg_op_elementwise(r->op))
        n = fold_elementwise(g, r, in);
    else if (nrg_op_reduction(r->op))
        n = fold_reduction(g, r, in[0]);
    else if (r->op >= NRG_OP_reshape && r->op <= NRG_OP_lower && r->op != NRG_OP_concat)
        n = fold_move(g, r, in[0]);
    else if (r->op == NRG_OP_put || (r->op >= NRG_OP_matmul && r->op <= NRG_OP_convw))
        n = fold_product(g, r, in);
    g->depth--;
    return n;
}
