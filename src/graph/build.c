// Builders: one way in, nrg_build, and a named function for each row.
#include "graph/inside.h"
#include <string.h>

// ---- equal nodes are built once

static uint32_t hash_of(const nrg_node_info *x) {
    uint32_t h = 2166136261u ^ (uint32_t)x->op;
    const unsigned char *p = (const unsigned char *)&x->par;
    for (int i = 0; i < 3; i++) h = (h ^ x->in[i].i) * 16777619u;
    for (size_t i = 0; i < sizeof x->par; i++) h = (h ^ p[i]) * 16777619u;
    return h ^ h >> 15;
}

static bool same(const nrg_node_info *a, const nrg_node_info *b) {
    return a->op == b->op && a->in[0].i == b->in[0].i && a->in[1].i == b->in[1].i &&
           a->in[2].i == b->in[2].i && memcmp(&a->par, &b->par, sizeof a->par) == 0;
}

// The place of x in the table: its node, or the free place where it belongs.
static uint32_t *place(nrg_graph *g, const nrg_node_info *x) {
    uint32_t i = hash_of(x) & (g->table_n - 1);
    while (g->table[i] && !same(&g->nodes.at[g->table[i]], x)) i = (i + 1) & (g->table_n - 1);
    return &g->table[i];
}

static bool table_grow(nrg_graph *g) {
    uint32_t *bigger = NRG_NEWS(&g->arena, uint32_t, g->table_n * 2);
    if (!bigger) return false;
    g->table = bigger;
    g->table_n *= 2;
    for (uint32_t i = 1; i < g->nodes.n; i++)
        if (g->nodes.at[i].op != NRG_OP_input) *place(g, &g->nodes.at[i]) = i;
    return true;
}

static nrg_node intern(nrg_graph *g, const nrg_node_info *x) {
    if (g->nodes.n * 2 >= g->table_n && !table_grow(g))
        return nrg_graph_bad(g, NRG_E098, "out of memory");
    uint32_t *at = place(g, x);
    if (*at) return (nrg_node){*at};
    if (NRG_PUSH(&g->arena, g->nodes, *x) != NRG_OK)
        return nrg_graph_bad(g, NRG_E098, "out of memory");
    *at = g->nodes.n - 1;
    return (nrg_node){*at};
}

nrg_node nrg_build(nrg_graph *g, nrg_op op, nrg_node a, nrg_node b, nrg_node c,
                   const nrg_params *par) {
    nrg_node in[3] = {a, b, c};
    nrg_node_info x = {.op = op, .type = g->type, .span = g->span};
    int arity = nrg_op_get(op)->arity;
    if ((unsigned)op >= NRG_OP_COUNT || op == NRG_OP_bad)
        return nrg_graph_bad(g, NRG_E099, "unknown operation %d", (int)op);
    for (int i = 0; i < arity; i++) {
        if (in[i].i == 0 || in[i].i >= g->nodes.n)
            return nrg_graph_bad(g, NRG_E099, "input %d of %s is not a node of this graph", i + 1,
                                 nrg_op_get(op)->name);
        x.in[i] = in[i];
    }
    nrg_params_clean(op, par, &x.par);
    if (op == NRG_OP_slice && x.par.slice.n <= 1 && x.par.slice.step > 1)
        x.par.slice.step = 1; // one entry has no step
    if (op == NRG_OP_input)
        return x.par.input.slot < g->inputs.n
                   ? nrg_input_at(g, x.par.input.slot)
                   : nrg_graph_bad(g, NRG_E099, "there is no input slot %u", x.par.input.slot);
    nrg_rule r = {.g = g, .op = op, .par = &x.par};
    r.a = nrg_graph_node(g, x.in[0]), r.b = nrg_graph_node(g, x.in[1]),
    r.c = nrg_graph_node(g, x.in[2]);
    if (!nrg_shape_rule(&r)) return nrg_graph_bad(g, r.status, "%s", r.why);
    x.leads = r.leads;
    x.shape = nrg_shape_of(r.shape.rank, r.shape.dim);
    nrg_node simpler = nrg_fold(g, &r, x.in);
    return simpler.i ? simpler : intern(g, &x);
}

// ---- leaves

nrg_node nrg_const(nrg_graph *g, double value) {
    nrg_params p = {.scalar = {value}};
    return nrg_build(g, NRG_OP_const, NRG_BAD, NRG_BAD, NRG_BAD, &p);
}

nrg_node nrg_full(nrg_graph *g, double value, nrg_leads leads, const nrg_shape *s) {
    return nrg_expand(g, nrg_const(g, value), *s, leads);
}

nrg_node nrg_iota_lead(nrg_graph *g, nrg_leads lead) {
    nrg_params p = {.iota = {lead, 0}};
    if (!lead) return nrg_graph_bad(g, NRG_E099, "iota along no leading axis");
    return nrg_build(g, NRG_OP_iota, NRG_BAD, NRG_BAD, NRG_BAD, &p);
}

nrg_node nrg_iota(nrg_graph *g, int64_t n) {
    nrg_params p = {.iota = {0, n}};
    return nrg_build(g, NRG_OP_iota, NRG_BAD, NRG_BAD, NRG_BAD, &p);
}

nrg_node nrg_random_at(nrg_graph *g, nrg_node ids, nrg_random_kind kind, uint32_t purpose, nrg_shape shape, uint32_t every, uint32_t after) {
    nrg_params p = {.random = {(uint32_t)kind, purpose, shape, every, after}};
    return nrg_build(g, NRG_OP_random, ids, NRG_BAD, NRG_BAD, &p);
}

nrg_node nrg_random(nrg_graph *g, nrg_node ids, nrg_random_kind kind, uint32_t purpose,
                    nrg_shape shape) {
    return nrg_random_at(g, ids, kind, purpose, shape, 1, 0);
}

// ---- elementwise

#define UNARY(op)                                                                                  \
    nrg_node nrg_##op(nrg_graph *g, nrg_node a) {                                                  \
        return nrg_build(g, NRG_OP_##op, a, NRG_BAD, NRG_BAD, NULL);                               \
    }
UNARY(stop)
UNARY(neg) UNARY(abs) UNARY(sign) UNARY(step) UNARY(floor) UNARY(exp) UNARY(log) UNARY(sqrt)
    UNARY(square) UNARY(recip) UNARY(tanh) UNARY(sigmoid) UNARY(softplus) UNARY(relu) UNARY(sin)
        UNARY(cos) UNARY(chol) UNARY(inv) UNARY(logdet)
#define BINARY(op)                                                                                 \
    nrg_node nrg_##op(nrg_graph *g, nrg_node a, nrg_node b) {                                      \
        return nrg_build(g, NRG_OP_##op, a, b, NRG_BAD, NULL);                                     \
    }
            BINARY(add) BINARY(sub) BINARY(mul) BINARY(div) BINARY(pow) BINARY(max) BINARY(min)
                BINARY(lt) BINARY(le) BINARY(eq)

                    nrg_node nrg_select(nrg_graph *g, nrg_node cond, nrg_node a, nrg_node b) {
    return nrg_build(g, NRG_OP_select, cond, a, b, NULL);
}

// ---- reductions

nrg_node nrg_reduce(nrg_graph *g, nrg_op op, nrg_node a, uint32_t axes, nrg_leads leads,
                    bool keep) {
    nrg_params p = {.reduce = {axes, leads, keep && axes}};
    if (!nrg_op_reduction(op))
        return nrg_graph_bad(g, NRG_E099, "%s is not a reduction", nrg_op_get(op)->name);
    return nrg_build(g, op, a, NRG_BAD, NRG_BAD, &p);
}

nrg_node nrg_sum_all(nrg_graph *g, nrg_node a) {
    return nrg_reduce(g, NRG_OP_sum, a, (1u << nrg_graph_node(g, a)->shape.rank) - 1, 0, false);
}

// ---- movement

nrg_node nrg_reshape(nrg_graph *g, nrg_node a, nrg_shape s) {
    nrg_params p = {.shape = {s, 0}};
    return nrg_build(g, NRG_OP_reshape, a, NRG_BAD, NRG_BAD, &p);
}

nrg_node nrg_permute(nrg_graph *g, nrg_node a, const int32_t *order) {
    nrg_params p = {0};
    for (int i = 0; i < nrg_graph_node(g, a)->shape.rank; i++) p.perm.order[i] = order[i];
    return nrg_build(g, NRG_OP_permute, a, NRG_BAD, NRG_BAD, &p);
}

nrg_node nrg_transpose(nrg_graph *g, nrg_node a) {
    int32_t order[NRG_MAX_RANK] = {0};
    int rank = nrg_graph_node(g, a)->shape.rank;
    if (a.i && rank < 2)
        return nrg_graph_bad(g, NRG_E037, "transpose expects two event axes, found %d", rank);
    for (int i = 0; i < rank; i++) order[i] = i;
    if (rank >= 2) order[rank - 1] = rank - 2, order[rank - 2] = rank - 1;
    return nrg_permute(g, a, order);
}

nrg_node nrg_expand(nrg_graph *g, nrg_node a, nrg_shape s, nrg_leads more) {
    nrg_params p = {.shape = {s, more & ~nrg_graph_node(g, a)->leads}};
    return nrg_build(g, NRG_OP_expand, a, NRG_BAD, NRG_BAD, &p);
}

nrg_node nrg_slice(nrg_graph *g, nrg_node a, int axis, int64_t start, int64_t n, int64_t step) {
    nrg_params p = {.slice = {axis, start, n, step}};
    return nrg_build(g, NRG_OP_slice, a, NRG_BAD, NRG_BAD, &p);
}

nrg_node nrg_pad(nrg_graph *g, nrg_node a, int axis, int64_t before, int64_t after) {
    nrg_params p = {.pad = {axis, before, after}};
    return nrg_build(g, NRG_OP_pad, a, NRG_BAD, NRG_BAD, &p);
}

nrg_node nrg_concat(nrg_graph *g, nrg_node a, nrg_node b, int axis) {
    nrg_params p = {.axis = {axis}};
    return nrg_build(g, NRG_OP_concat, a, b, NRG_BAD, &p);
}

nrg_node nrg_lift(nrg_graph *g, nrg_node a, int axis, nrg_leads lead) {
    nrg_params p = {.lift = {axis, lead}};
    return nrg_build(g, NRG_OP_lift, a, NRG_BAD, NRG_BAD, &p);
}

nrg_node nrg_lower(nrg_graph *g, nrg_node a, nrg_leads lead, int axis) {
    nrg_params p = {.lift = {axis, lead}};
    return nrg_build(g, NRG_OP_lower, a, NRG_BAD, NRG_BAD, &p);
}

nrg_node nrg_take(nrg_graph *g, nrg_node a, nrg_node index) {
    nrg_params p = {.index = {0, 0, nrg_graph_node(g, index)->shape.rank}};
    return nrg_build(g, NRG_OP_take, a, index, NRG_BAD, &p);
}

nrg_node nrg_put(nrg_graph *g, nrg_node index, nrg_node rows, int64_t n, nrg_leads leads) {
    nrg_params p = {.index = {n, leads, nrg_graph_node(g, index)->shape.rank}};
    return nrg_build(g, NRG_OP_put, index, rows, NRG_BAD, &p);
}

// ---- linear algebra

nrg_node nrg_matmul(nrg_graph *g, nrg_node a, nrg_node b, bool ta, bool tb, nrg_leads leads) {
    nrg_params p = {.matmul = {ta, tb, leads}};
    return nrg_build(g, NRG_OP_matmul, a, b, NRG_BAD, &p);
}

nrg_node nrg_conv(nrg_graph *g, nrg_node image, nrg_node filters, int stride, int pad_h,
                  int pad_w) {
    nrg_params p = {.conv = {stride, pad_h, pad_w, 0, 0, 0}};
    return nrg_build(g, NRG_OP_conv, image, filters, NRG_BAD, &p);
}

nrg_node nrg_convx(nrg_graph *g, nrg_node dy, nrg_node filters, int stride, int pad_h, int pad_w,
                   int64_t h, int64_t w) {
    nrg_params p = {.conv = {stride, pad_h, pad_w, h, w, 0}};
    return nrg_build(g, NRG_OP_convx, dy, filters, NRG_BAD, &p);
}

nrg_node nrg_convw(nrg_graph *g, nrg_node image, nrg_node dy, int stride, int pad_h, int pad_w,
                   int64_t h, int64_t w, nrg_leads leads) {
    nrg_params p = {.conv = {stride, pad_h, pad_w, h, w, leads}};
    return nrg_build(g, NRG_OP_convw, image, dy, NRG_BAD, &p);
}

nrg_node nrg_trisolve(nrg_graph *g, nrg_node l, nrg_node b, bool transpose) {
    nrg_params p = {.tri = {transpose}};
    return nrg_build(g, NRG_OP_trisolve, l, b, NRG_BAD, &p);
}

// ---- x brought to the leads and shape of a target from which it was broadcast, or to which it broadcasts

nrg_node nrg_fit(nrg_graph *g, nrg_node x, nrg_leads leads, const nrg_shape *s) {
    const nrg_node_info *n = nrg_graph_node(g, x);
    nrg_shape to = *s, have = n->shape;
    uint32_t axes = 0;
    for (int k = 0; k < have.rank; k++) { // k counts event axes from the right
        int64_t p = have.dim[have.rank - 1 - k];
        if (k >= s->rank || (s->dim[s->rank - 1 - k] == 1 && p != 1))
            axes |= 1u << (have.rank - 1 - k);
    }
    nrg_leads gone = n->leads & ~leads;
    nrg_node apart = gone && !axes ? nrg_sum_factors(g, x, gone) : NRG_BAD;
    x = apart.i ? apart : nrg_reduce(g, NRG_OP_sum, x, axes, gone, true);
    for (int k = 0; k < s->rank; k++)
        if (k >= have.rank || have.dim[have.rank - 1 - k] == 1) to.dim[s->rank - 1 - k] = 1;
    if (have.rank > s->rank) x = nrg_reshape(g, x, to);
    return nrg_expand(g, x, *s, leads);
}
