// Sums over samples with what has no samples taken out of them: the sum of a (u V) is (the sum of a u) V. Equal up to rounding, and
// far less work where u is short, as in second derivatives along many directions V.
#include "graph/inside.h"

// One product that is summed over samples, the operand x on one side of it and `other` on the other; other is bad in a plain sum.
typedef struct {
    nrg_graph *g;
    nrg_node other;
    bool left;          // is x the left operand?
    bool tx, to;        // are they transposed?
    nrg_leads leads;    // that are summed
    nrg_shape shape;    // of x
} work;

static const nrg_node_info *at(const nrg_graph *g, nrg_node n) { return nrg_graph_node(g, n); }

static bool apart(const work *w, nrg_node n) { return (at(w->g, n)->leads & w->leads) == 0; }

// The sum of the product of other and x, or of x and other.
static nrg_node joined(const work *w, nrg_node x, bool tx) {
    if (!w->other.i) return nrg_reduce(w->g, NRG_OP_sum, tx ? nrg_transpose(w->g, x) : x, 0, w->leads, false);
    return w->left ? nrg_matmul(w->g, x, w->other, tx, w->to, w->leads) : nrg_matmul(w->g, w->other, x, w->to, tx, w->leads);
}

static double count(const nrg_node_info *x) {
    double n = 1;
    for (int i = 0; i < x->shape.rank; i++) n *= (double)x->shape.dim[i];
    return n;
}

// x is the product of u, which has samples, and V, which has none and stands on the outer side.
static nrg_node product(const work *w, nrg_node x) {
    const nrg_node_info p = *at(w->g, x);
    bool outer_right = w->other.i ? w->left == w->tx : !apart(w, p.in[0]); // of the product x itself
    nrg_node u = p.in[outer_right ? 0 : 1], V = p.in[outer_right ? 1 : 0];
    bool tu = outer_right ? p.par.matmul.ta : p.par.matmul.tb, tV = outer_right ? p.par.matmul.tb : p.par.matmul.ta;
    if (p.par.matmul.leads || apart(w, u) || !apart(w, V)) return NRG_BAD;
    double wide = w->other.i ? count(at(w->g, w->other)) : 1, inner = count(at(w->g, u));
    if (wide * inner > count(at(w->g, V)) + wide * count(&p)) return NRG_BAD;
    bool flip = w->tx; // x' = V' u' where x = u V
    nrg_node sum = joined(w, u, tu != flip);
    return outer_right != flip ? nrg_matmul(w->g, sum, V, false, tV != flip, 0) : nrg_matmul(w->g, V, sum, tV != flip, false, 0);
}

// v, the same for all samples, in place of x.
static nrg_node same_for_all(const work *w, nrg_node v) {
    if (!w->other.i) {
        nrg_node one = nrg_expand(w->g, nrg_const(w->g, 1), nrg_shape_of(0, NULL), w->leads);
        return nrg_mul(w->g, v, nrg_reduce(w->g, NRG_OP_sum, one, 0, w->leads, false));
    }
    nrg_node sum = nrg_reduce(w->g, NRG_OP_sum, w->other, 0, w->leads, false);
    v = nrg_reshape(w->g, v, w->shape);
    return w->left ? nrg_matmul(w->g, v, sum, w->tx, w->to, 0) : nrg_matmul(w->g, sum, v, w->to, w->tx, 0);
}

static nrg_node taken(const work *w, nrg_node x);

static nrg_node both(const work *w, const nrg_node_info *p) {
    nrg_node a = taken(w, p->in[0]), b = a.i ? taken(w, p->in[1]) : a;
    if (!a.i || !b.i || count(at(w->g, a)) != count(at(w->g, b))) return NRG_BAD;
    return nrg_build(w->g, p->op, a, nrg_reshape(w->g, b, at(w->g, a)->shape), NRG_BAD, NULL);
}

// The whole sum for the operand x, or NRG_BAD where some part of it has samples throughout.
static nrg_node taken(const work *w, nrg_node x) {
    const nrg_node_info p = *at(w->g, x);
    nrg_shape all = w->shape;
    double c;
    int k = nrg_is_const(w->g, p.in[0], &c) ? 1 : 0;
    if (nrg_shape_count(&p.shape) != nrg_shape_count(&all)) return NRG_BAD;
    if (apart(w, x)) return same_for_all(w, x);
    if (p.op == NRG_OP_reshape) return taken(w, p.in[0]);
    if (p.op == NRG_OP_add || p.op == NRG_OP_sub) return both(w, &p);
    if (p.op == NRG_OP_matmul) return product(w, x);
    if (p.op == NRG_OP_mul && !k && !nrg_is_const(w->g, p.in[1], &c)) return NRG_BAD;
    if (p.op != NRG_OP_neg && p.op != NRG_OP_mul) return NRG_BAD;
    nrg_node n = taken(w, p.in[p.op == NRG_OP_mul ? k : 0]);
    if (!n.i) return n;
    return p.op == NRG_OP_neg ? nrg_neg(w->g, n) : nrg_mul(w->g, n, nrg_const(w->g, c));
}

// n without its last `less` axes; bad where it is not the same along them.
static nrg_node narrow(nrg_graph *g, nrg_node n, int less) {
    nrg_node_info x = *at(g, n);
    double c;
    bool same = true;
    if (nrg_is_const(g, n, &c)) return nrg_const(g, c);
    int rank = x.shape.rank > less ? x.shape.rank - less : 0;
    for (int i = rank; i < x.shape.rank; i++) same = same && x.shape.dim[i] == 1;
    if (same) return nrg_reshape(g, n, nrg_shape_of(rank, x.shape.dim));
    if (x.op == NRG_OP_expand) return narrow(g, x.in[0], less);
    if (!nrg_op_elementwise(x.op)) return NRG_BAD;
    for (int k = 0; k < nrg_op_get(x.op)->arity; k++)
        if (!(x.in[k] = narrow(g, x.in[k], less)).i) return NRG_BAD;
    return nrg_build(g, x.op, x.in[0], x.in[1], x.in[2], NULL);
}

// Rows of one number each, repeated: the numbers are put, and what comes of them is repeated.
static nrg_node put_narrow(nrg_graph *g, const nrg_node_info *p) {
    nrg_node_info rows = *at(g, p->in[1]);
    int rank = p->par.index.rank;
    nrg_shape own = nrg_shape_of(rank, rows.shape.dim), out = nrg_shape_of(1, &p->par.index.n);
    if (nrg_shape_count(&own) >= nrg_shape_count(&rows.shape)) return NRG_BAD;
    nrg_node n = narrow(g, p->in[1], rows.shape.rank - rank);
    if (!n.i) return n;
    n = nrg_put(g, p->in[0], nrg_expand(g, n, own, rows.leads), p->par.index.n, p->par.index.leads);
    while (out.rank < p->shape.rank) out.dim[out.rank++] = 1;
    return nrg_expand(g, nrg_reshape(g, n, out), p->shape, p->leads);
}

static nrg_node simpler(nrg_graph *g, nrg_node y) {
    const nrg_node_info p = *at(g, y);
    work w = {.g = g};
    nrg_node out = NRG_BAD;
    if (p.op == NRG_OP_put) return put_narrow(g, &p);
    if (p.op == NRG_OP_sum && p.par.reduce.leads == NRG_SAMPLE && !p.par.reduce.axes) {
        w.leads = NRG_SAMPLE, w.shape = at(g, p.in[0])->shape;
        out = at(g, p.in[0])->leads & NRG_SAMPLE ? taken(&w, p.in[0]) : NRG_BAD;
    }
    for (int side = 0; side < 2 && p.op == NRG_OP_matmul && p.par.matmul.leads == NRG_SAMPLE && !out.i; side++) {
        const nrg_node_info *x = at(g, p.in[side]), *other = at(g, p.in[1 - side]);
        if (!(x->leads & other->leads & NRG_SAMPLE)) continue;
        w = (work){.g = g, .other = p.in[1 - side], .left = side == 0, .leads = NRG_SAMPLE, .shape = x->shape};
        w.tx = side ? p.par.matmul.tb : p.par.matmul.ta;
        w.to = side ? p.par.matmul.ta : p.par.matmul.tb;
        out = taken(&w, p.in[side]);
    }
    if (!out.i) return out;
    out = nrg_expand(g, nrg_reshape(g, out, p.shape), p.shape, p.leads);
    return at(g, out)->leads == p.leads ? out : NRG_BAD;
}

nrg_node nrg_sums_apart(nrg_graph *g, nrg_node y) {
    nrg_arena scratch = nrg_arena_make(g->ctx);
    nrg_node *from = NRG_NEWS(&scratch, nrg_node, y.i + 1), *by = NRG_NEWS(&scratch, nrg_node, y.i + 1);
    int n = 0;
    if (!from || !by) y = nrg_graph_bad(g, NRG_E098, "out of memory");
    for (uint32_t i = 1; i <= y.i && from && by; i++) {
        nrg_node other = simpler(g, (nrg_node){i});
        if (!other.i || other.i == i) continue;
        from[n] = (nrg_node){i};
        by[n++] = other;
    }
    if (n) y = nrg_graph_copy(g, g, y, from, by, n);
    nrg_arena_free(&scratch);
    return y;
}
