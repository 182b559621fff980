// Between which numbers a node lies, from its inputs: the ends of intervals go through the same operations with the same roundings, which keep
// order, so no number of the node lies outside. Where an operation has no rule, or an end is not finite, nothing is known.
#include "graph/inside.h"
#include <math.h>

static const nrg_range UNKNOWN = {-INFINITY, INFINITY, false};

static double rounded(const nrg_graph *g, double x) { return nrg_graph_type(g) == NRG_F64 ? x : (double)(float)x; }
static nrg_range both(nrg_range a, nrg_range b) { return (nrg_range){fmin(a.lo, b.lo), fmax(a.hi, b.hi), a.whole && b.whole}; }

static nrg_range corners(double (*f)(double, double), nrg_range a, nrg_range b, bool whole) {
    double x = f(a.lo, b.lo), y = f(a.lo, b.hi), z = f(a.hi, b.lo), w = f(a.hi, b.hi);
    return (nrg_range){fmin(fmin(x, y), fmin(z, w)), fmax(fmax(x, y), fmax(z, w)), whole};
}
static double product(double a, double b) { return a * b; }
static double quotient(double a, double b) { return a / b; }

static nrg_range magnitude(nrg_range a) {
    double x = fabs(a.lo), y = fabs(a.hi);
    return (nrg_range){a.lo <= 0 && a.hi >= 0 ? 0 : fmin(x, y), fmax(x, y), a.whole};
}
static nrg_range squares(nrg_range a) {
    nrg_range m = magnitude(a);
    return (nrg_range){m.lo * m.lo, m.hi * m.hi, a.whole};
}

static nrg_range rule(const nrg_node_info *v, nrg_range a, nrg_range b, nrg_range c) {
    switch (v->op) {
    case NRG_OP_const: return (nrg_range){v->par.scalar.value, v->par.scalar.value, v->par.scalar.value == floor(v->par.scalar.value)};
    case NRG_OP_stop: case NRG_OP_reshape: case NRG_OP_permute: case NRG_OP_expand: case NRG_OP_slice: case NRG_OP_lift: case NRG_OP_lower:
    case NRG_OP_rmax: case NRG_OP_rmin: return a;
    case NRG_OP_pad: return both(a, (nrg_range){0, 0, true});
    case NRG_OP_concat: return both(a, b);
    case NRG_OP_select: return both(b, c);
    case NRG_OP_neg: return (nrg_range){-a.hi, -a.lo, a.whole};
    case NRG_OP_abs: return magnitude(a);
    case NRG_OP_square: return squares(a);
    case NRG_OP_relu: return (nrg_range){fmax(a.lo, 0), fmax(a.hi, 0), a.whole};
    case NRG_OP_floor: return (nrg_range){floor(a.lo), floor(a.hi), true};
    case NRG_OP_sign: return (nrg_range){-1, 1, true};
    case NRG_OP_step: case NRG_OP_lt: case NRG_OP_le: case NRG_OP_eq: return (nrg_range){0, 1, true};
    case NRG_OP_add: return (nrg_range){a.lo + b.lo, a.hi + b.hi, a.whole && b.whole};
    case NRG_OP_sub: return (nrg_range){a.lo - b.hi, a.hi - b.lo, a.whole && b.whole};
    case NRG_OP_mul: return corners(product, a, b, a.whole && b.whole);
    case NRG_OP_div: return b.lo > 0 || b.hi < 0 ? corners(quotient, a, b, false) : UNKNOWN;
    case NRG_OP_max: return (nrg_range){fmax(a.lo, b.lo), fmax(a.hi, b.hi), a.whole && b.whole};
    case NRG_OP_min: return (nrg_range){fmin(a.lo, b.lo), fmin(a.hi, b.hi), a.whole && b.whole};
    default: return UNKNOWN;
    }
}

static bool known(nrg_range r) { return isfinite(r.lo) && isfinite(r.hi); }

static nrg_range range_of(const nrg_graph *g, const nrg_node_info *v, const nrg_range *at, nrg_range (*of)(void *ud, const char *input), void *ud) {
    nrg_range in[3] = {UNKNOWN, UNKNOWN, UNKNOWN};
    int arity = nrg_op_get(v->op)->arity;
    for (int i = 0; i < arity; i++) {
        in[i] = at[v->in[i].i];
        if (!known(in[i])) return UNKNOWN; // it may be no number at all
    }
    nrg_range r = v->op == NRG_OP_input ? of(ud, nrg_input_name(g, v->par.input.slot)) : rule(v, in[0], in[1], in[2]);
    r.lo = rounded(g, r.lo), r.hi = rounded(g, r.hi);
    return known(r) && r.lo <= r.hi ? r : UNKNOWN;
}

nrg_status nrg_node_range(const nrg_graph *g, nrg_node x, nrg_range (*of)(void *ud, const char *input), void *ud, nrg_range *out) {
    nrg_ctx *c = nrg_graph_ctx(g);
    size_t bytes = ((size_t)x.i + 1) * sizeof(nrg_range);
    nrg_range *at = nrg_mem(c, NULL, 0, bytes);
    if (!at) return NRG_E098;
    for (uint32_t i = 1; i <= x.i; i++) at[i] = range_of(g, nrg_graph_node(g, (nrg_node){i}), at, of, ud);
    *out = at[x.i];
    nrg_mem(c, at, bytes, 0);
    return NRG_OK;
}
