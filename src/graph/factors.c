// Sums of products over leading axes: factors that do not vary along these axes go before the sum, and where what is left falls into
// two parts with axes of their own, the sum is a matrix product, so that nothing of the size of both is made. So gradients of
// sums of w (a - b)^2 at all pairs of a and b take products. Equal up to rounding.
#include "graph/inside.h"

enum { MOST = 16, DEPTH = 4 };
typedef struct {
    nrg_node at[MOST];
    bool under[MOST]; // divides
    int n;
    double c;         // a constant factor
    bool full;        // too many
} factors;
typedef uint64_t axes; // bit i: leading axis i; bit 32 + k: event axis k from the right
typedef struct {
    nrg_graph *g;
    nrg_leads gone;
    int depth;
    bool leads_only; // event axes do not tell parts apart
} work;

static const nrg_node_info *at(const nrg_graph *g, nrg_node n) { return nrg_graph_node(g, n); }

static void put(factors *f, nrg_node n, bool under) {
    if (f->n == MOST) f->full = true;
    else f->at[f->n] = n, f->under[f->n++] = under;
}

static void collect(const work *w, nrg_node n, factors *f) {
    const nrg_node_info *v = at(w->g, n);
    double c;
    if (nrg_is_const(w->g, n, &c)) f->c *= c;
    else if (v->op == NRG_OP_neg) f->c = -f->c, collect(w, v->in[0], f);
    else if (v->op == NRG_OP_mul) collect(w, v->in[0], f), collect(w, v->in[1], f);
    else if (v->op == NRG_OP_div && !(at(w->g, v->in[1])->leads & w->gone)) collect(w, v->in[0], f), put(f, v->in[1], true);
    else put(f, n, false);
}

static nrg_node times(nrg_graph *g, nrg_node a, nrg_node b, bool under) {
    if (!a.i) return under ? nrg_recip(g, b) : b;
    return under ? nrg_div(g, a, b) : nrg_mul(g, a, b);
}

// Numbers along some axes, more than one?
static bool wide(const work *w, axes own) {
    for (int i = 0; i < NRG_MAX_LEADS; i++)
        if ((own >> i & 1) && (!i || nrg_lead_extent(w->g, (nrg_leads)1 << i) > 1)) return true;
    return own >> NRG_MAX_LEADS;
}

// Axes of n that are not summed.
static axes kept(const work *w, nrg_node n) {
    const nrg_node_info *v = at(w->g, n);
    axes own = v->leads & ~w->gone;
    for (int k = 0; k < v->shape.rank && !w->leads_only; k++)
        if (v->shape.dim[v->shape.rank - 1 - k] != 1) own |= (axes)1 << (NRG_MAX_LEADS + k);
    return own;
}

// The part of the factors that shares axes with the first one that has any; those without axes belong to both and go to it.
static axes first_part(const work *w, const factors *f) {
    axes part = 0;
    for (int round = 0; round < f->n; round++)
        for (int i = 0; i < f->n; i++) {
            axes own = kept(w, f->at[i]);
            if (!(at(w->g, f->at[i])->leads & w->gone) || !own) continue;
            if (!part || (own & part)) part |= own;
        }
    return part;
}

static nrg_node product(const work *w, const factors *f, axes part, bool inside) {
    nrg_node n = NRG_BAD;
    for (int i = 0; i < f->n; i++) {
        axes own = kept(w, f->at[i]);
        if (!(at(w->g, f->at[i])->leads & w->gone)) continue;
        if ((!own || (own & part)) == inside) n = times(w->g, n, f->at[i], f->under[i]);
    }
    return n;
}

static nrg_node as_matmul(const work *w, nrg_node a, nrg_node b) {
    nrg_graph *g = w->g;
    nrg_shape sa = at(g, a)->shape, sb = at(g, b)->shape, s = sb;
    int64_t na = nrg_shape_count(&sa), nb = nrg_shape_count(&sb);
    if (na != 1 && nb != 1) return NRG_BAD;
    if (na != 1) s = sa;
    nrg_node x = nrg_reshape(g, a, nrg_shape_of(2, (int64_t[]){na, 1})), y = nrg_reshape(g, b, nrg_shape_of(2, (int64_t[]){1, nb}));
    return nrg_reshape(g, nrg_matmul(g, x, y, false, false, w->gone), s);
}

static nrg_node sum_of(const work *w, const factors *f);

// A factor u + v or u - v whose operands have fewer axes than it has: the sum of each on its own.
static nrg_node spread(const work *w, const factors *f) {
    for (int i = 0; i < f->n && w->depth < DEPTH; i++) {
        const nrg_node_info v = *at(w->g, f->at[i]);
        if ((v.op != NRG_OP_add && v.op != NRG_OP_sub) || f->under[i] || !(v.leads & w->gone)) continue;
        if (at(w->g, v.in[0])->leads == v.leads || at(w->g, v.in[1])->leads == v.leads) continue;
        work deeper = *w;
        nrg_node part[2];
        deeper.depth++;
        for (int k = 0; k < 2; k++) {
            factors less = {.c = 1};
            for (int j = 0; j < f->n; j++) // those that do not vary go before both sums
                if (j != i && (at(w->g, f->at[j])->leads & w->gone)) put(&less, f->at[j], f->under[j]);
            collect(w, v.in[k], &less);
            part[k] = less.full ? NRG_BAD : sum_of(&deeper, &less);
            if (!part[k].i) return NRG_BAD;
        }
        return nrg_build(w->g, v.op, part[0], part[1], NRG_BAD, NULL);
    }
    return NRG_BAD;
}

// The sum of the product, or NRG_BAD where it has to be made in full.
static nrg_node sum_of(const work *w, const factors *f) {
    nrg_graph *g = w->g;
    nrg_leads all = 0, most = 0;
    axes part = first_part(w, f);
    nrg_node before = NRG_BAD, a = product(w, f, part, true), b = product(w, f, part, false), sum = NRG_BAD;
    if (b.i && nrg_shape_count(&at(g, a)->shape) != 1 && nrg_shape_count(&at(g, b)->shape) != 1 && !w->leads_only) {
        work less = *w;
        less.leads_only = true;
        return sum_of(&less, f);
    }
    for (int i = 0; i < f->n; i++) {
        nrg_leads own = at(g, f->at[i])->leads;
        if (!(own & w->gone)) before = times(g, before, f->at[i], f->under[i]);
        else all |= own, most = (own & ~most) && !(most & ~own) ? own : most;
    }
    if (!all || (all & w->gone) != w->gone) return NRG_BAD;
    if (b.i && wide(w, kept(w, a)) && wide(w, kept(w, b))) sum = as_matmul(w, a, b);
    else if (!b.i) sum = spread(w, f);
    if (!sum.i && !b.i && most == all && (before.i || w->depth)) sum = nrg_reduce(g, NRG_OP_sum, a, 0, w->gone, false);
    if (!sum.i) return sum;
    if (before.i) sum = nrg_mul(g, before, sum);
    return nrg_mul(g, sum, nrg_const(g, f->c));
}

nrg_node nrg_sum_factors(nrg_graph *g, nrg_node x, nrg_leads gone) {
    const nrg_node_info v = *at(g, x);
    work w = {.g = g, .gone = gone};
    factors f = {.c = 1};
    if (v.op != NRG_OP_mul && v.op != NRG_OP_neg && v.op != NRG_OP_div) return NRG_BAD;
    collect(&w, x, &f);
    nrg_node sum = f.full ? NRG_BAD : sum_of(&w, &f);
    return sum.i ? nrg_expand(g, sum, v.shape, v.leads & ~gone) : sum;
}
