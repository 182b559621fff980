// Sums of several terms of which one is a squared difference of sides with axes of their own, times factors: each term is summed on
// its own, and what does not vary along the summed axes goes before the sum. The square is then a distance, and no other term is as large.
// A term that lacks a summed axis is multiplied by its length. Equal up to rounding.
#include "graph/inside.h"

enum { FACTORS = 16, TERMS = 16, LOOKS = 256 };
typedef uint64_t axes; // bit i: leading axis i; bit 32 + k: event axis k from the right

typedef struct {
    double c;
    nrg_node by[FACTORS];
    bool under[FACTORS]; // divides
    int n;
    nrg_node rest;       // a square of a difference, or anything
    bool square;
} term;
typedef struct {
    nrg_graph *g;
    nrg_node in;
    nrg_shape shape;     // of `in`
    nrg_leads gone;
    uint32_t gone_axes;
    bool keep, full;     // full: too many terms or factors
    term at[TERMS];
    int n;
} work;

static const nrg_node_info *at(const work *w, nrg_node n) { return nrg_graph_node(w->g, n); }

static axes axes_of(const work *w, nrg_node n) {
    const nrg_node_info *v = at(w, n);
    axes own = 0;
    for (int i = 0; i < NRG_MAX_LEADS; i++)
        if ((v->leads >> i & 1) && (!i || nrg_lead_extent(w->g, (nrg_leads)1 << i) != 1)) own |= (axes)1 << i;
    for (int k = 0; k < v->shape.rank; k++)
        if (v->shape.dim[v->shape.rank - 1 - k] != 1) own |= (axes)1 << (NRG_MAX_LEADS + k);
    return own;
}

static axes gone_of(const work *w) {
    axes gone = w->gone;
    for (int i = 0; i < w->shape.rank; i++)
        if (w->gone_axes >> i & 1) gone |= (axes)1 << (NRG_MAX_LEADS + w->shape.rank - 1 - i);
    return gone;
}

// A difference, times or over factors.
static bool scaled(const work *w, nrg_node n, int *looks) {
    const nrg_node_info *v = at(w, n);
    if (--*looks < 0) return false;
    if (v->op == NRG_OP_sub) return axes_of(w, v->in[0]) != axes_of(w, v->in[1]);
    if (v->op == NRG_OP_neg || v->op == NRG_OP_div) return scaled(w, v->in[0], looks);
    return v->op == NRG_OP_mul && (scaled(w, v->in[0], looks) || scaled(w, v->in[1], looks));
}

static bool reaches(const work *w, nrg_node n, int *looks) {
    const nrg_node_info *v = at(w, n);
    if (--*looks < 0) return false;
    switch (v->op) {
    case NRG_OP_square: return scaled(w, v->in[0], looks);
    case NRG_OP_neg:
    case NRG_OP_div: return reaches(w, v->in[0], looks);
    case NRG_OP_add:
    case NRG_OP_sub:
    case NRG_OP_mul: return reaches(w, v->in[0], looks) || reaches(w, v->in[1], looks);
    default: return false;
    }
}

static bool looks_like(const work *w, nrg_node n, bool (*kind)(const work *, nrg_node, int *)) {
    int looks = LOOKS;
    return kind(w, n, &looks);
}

static void put(work *w, term *t, nrg_node n, bool under) {
    const nrg_node_info v = *at(w, n);
    double c;
    if (nrg_is_const(w->g, n, &c)) t->c = under ? t->c / c : t->c * c;
    else if (v.op == NRG_OP_neg) t->c = -t->c, put(w, t, v.in[0], under);
    else if (v.op == NRG_OP_mul || v.op == NRG_OP_div) put(w, t, v.in[0], under), put(w, t, v.in[1], under != (v.op == NRG_OP_div));
    else if (t->n == FACTORS) w->full = true;
    else t->by[t->n] = n, t->under[t->n++] = under;
}

static void collect(work *w, nrg_node n, term t);

// The square of n: of the difference in it, times the squares of its factors.
static void squared(work *w, nrg_node n, term t) {
    const nrg_node_info v = *at(w, n);
    if (v.op == NRG_OP_sub) {
        t.rest = nrg_square(w->g, n), t.square = true;
        if (w->n == TERMS) w->full = true;
        else w->at[w->n++] = t;
        return;
    }
    int k = v.op == NRG_OP_mul && !looks_like(w, v.in[0], scaled);
    if (v.op != NRG_OP_neg) put(w, &t, nrg_square(w->g, v.in[1 - k]), v.op == NRG_OP_div);
    squared(w, v.in[k], t);
}

static void collect(work *w, nrg_node n, term t) {
    const nrg_node_info v = *at(w, n);
    if (w->full) return;
    if (!looks_like(w, n, reaches)) {
        t.rest = n;
        if (w->n == TERMS) w->full = true;
        else w->at[w->n++] = t;
        return;
    }
    if (v.op == NRG_OP_square) {
        squared(w, v.in[0], t);
    } else if (v.op == NRG_OP_add || v.op == NRG_OP_sub) {
        collect(w, v.in[0], t);
        if (v.op == NRG_OP_sub) t.c = -t.c;
        collect(w, v.in[1], t);
    } else if (v.op == NRG_OP_neg) {
        t.c = -t.c;
        collect(w, v.in[0], t);
    } else {
        int k = v.op == NRG_OP_mul && !looks_like(w, v.in[0], reaches);
        put(w, &t, v.in[1 - k], v.op == NRG_OP_div);
        collect(w, v.in[k], t);
    }
}

// The product of the factors that vary along summed axes, or of the others.
static nrg_node product(const work *w, const term *t, bool inside) {
    axes gone = gone_of(w);
    nrg_node n = NRG_BAD;
    for (int i = 0; i < t->n; i++) {
        if (((axes_of(w, t->by[i]) & gone) != 0) != inside) continue;
        if (!n.i) n = t->under[i] ? nrg_recip(w->g, t->by[i]) : t->by[i];
        else n = t->under[i] ? nrg_div(w->g, n, t->by[i]) : nrg_mul(w->g, n, t->by[i]);
    }
    return n;
}

// Rows are axes of one side alone, columns those of the other or of the weights; see plan/distance.c.
static bool sides(axes kept, axes a, axes b, axes q) {
    axes rows = kept & a & ~b & ~q, cols = kept & ~a & (b | q);
    return rows && cols && !(cols & NRG_SAMPLE);
}

static bool fits(const work *w, const term *t) {
    axes gone = gone_of(w), all = axes_of(w, w->in), a, b, q = 0;
    for (int i = 0; i < t->n; i++)
        if (axes_of(w, t->by[i]) & gone) q |= axes_of(w, t->by[i]);
    if (!t->square) return ((q | axes_of(w, t->rest)) & all) != all;
    const nrg_node_info *d = at(w, at(w, t->rest)->in[0]);
    a = axes_of(w, d->in[0]), b = axes_of(w, d->in[1]);
    return sides(all & ~gone, a, b, q) || sides(all & ~gone, b, a, q);
}

// One square whose factors all vary along what is summed is a distance as it is.
static bool is_plain(const work *w) {
    const term *t = w->at;
    const nrg_node_info *v = at(w, w->in);
    axes gone = gone_of(w);
    if (w->n != 1 || t->c != 1) return false;
    for (int i = 0; i < t->n; i++)
        if (!(axes_of(w, t->by[i]) & gone)) return false;
    return w->in.i == t->rest.i || (v->op == NRG_OP_mul && (v->in[0].i == t->rest.i || v->in[1].i == t->rest.i));
}

static nrg_node summed(work *w, nrg_node n) {
    const nrg_node_info v = *at(w, n);
    nrg_shape s = w->shape;
    double times = 1;
    for (int i = 1; i < NRG_MAX_LEADS; i++)
        if (w->gone & ~v.leads & (nrg_leads)1 << i) times *= (double)nrg_lead_extent(w->g, (nrg_leads)1 << i);
    for (int i = 0; i < s.rank; i++) {
        int own = i - s.rank + v.shape.rank;
        int64_t have = own < 0 ? 1 : v.shape.dim[own];
        if ((w->gone_axes >> i & 1) && have == 1) times *= (double)s.dim[i];
        s.dim[i] = have;
    }
    n = nrg_reduce(w->g, NRG_OP_sum, nrg_reshape(w->g, n, s), w->gone_axes, v.leads & w->gone, w->keep);
    return nrg_mul(w->g, n, nrg_const(w->g, times));
}

// n, which does not vary along the summed event axes, without them.
static nrg_node without(work *w, nrg_node n) {
    nrg_shape own = at(w, n)->shape, s = {0};
    for (int i = w->shape.rank - own.rank; i < w->shape.rank; i++)
        if (w->keep || !(w->gone_axes >> i & 1)) s.dim[s.rank++] = own.dim[i - w->shape.rank + own.rank];
    return nrg_reshape(w->g, n, s);
}

static nrg_node one(work *w, const term *t) {
    nrg_node inside = product(w, t, true), before = product(w, t, false);
    nrg_node sum = summed(w, inside.i ? nrg_mul(w->g, inside, t->rest) : t->rest);
    if (before.i) sum = nrg_mul(w->g, without(w, before), sum);
    return nrg_mul(w->g, sum, nrg_const(w->g, t->c));
}

nrg_node nrg_sum_terms(nrg_graph *g, const nrg_rule *r, nrg_node a) {
    work w = {.g = g, .in = a, .shape = r->a->shape, .gone = r->par->reduce.leads, .gone_axes = r->par->reduce.axes,
              .keep = r->par->reduce.keep};
    nrg_node sum = NRG_BAD;
    bool any = false;
    if ((w.gone & NRG_SAMPLE) || !looks_like(&w, a, reaches)) return NRG_BAD;
    collect(&w, a, (term){.c = 1});
    for (int i = 0; i < w.n; i++) {
        if (!fits(&w, &w.at[i])) return NRG_BAD;
        any = any || w.at[i].square;
    }
    if (w.full || !any || is_plain(&w)) return NRG_BAD;
    for (int i = 0; i < w.n; i++) sum = i ? nrg_add(g, sum, one(&w, &w.at[i])) : one(&w, &w.at[i]);
    return nrg_expand(g, sum, r->shape, r->leads);
}
