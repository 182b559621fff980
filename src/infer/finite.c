// Finite variables: how many values, and the values behind a joint index (row-major, the first variable and number slowest).
#include "infer/inside.h"
#include <math.h>

double nrg_finite_choices(const nrg_model *m, int32_t v) {
    const nrg_var *var = &m->vars.at[v];
    if (var->domain.kind > NRG_DOM_RANGE) return 0;
    switch (var->elem) {
    case NRG_CATEGORY: return (double)m->dims.at[var->category].size;
    case NRG_BIT:
    case NRG_SIGN: return 2;
    case NRG_INT:
        if (var->domain.kind != NRG_DOM_RANGE || isinf(var->domain.lo) || isinf(var->domain.hi))
            return 0;
        return floor(var->domain.hi) - ceil(var->domain.lo) + 1;
    default: return 0;
    }
}

double nrg_finite_number(const nrg_model *m, int32_t v, double digit) {
    const nrg_var *var = &m->vars.at[v];
    if (var->elem == NRG_SIGN) return 2 * digit - 1;
    if (var->elem == NRG_INT) return ceil(var->domain.lo) + digit;
    return digit;
}

double nrg_finite_count(nrg_inference *i, nrg_vars vars) {
    double count = 1;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        nrg_status st = NRG_OK;
        if (!(vars >> v & 1)) continue;
        double choices = nrg_finite_choices(i->model, v);
        nrg_shape s = nrg_var_event(i, v, &st);
        if (choices < 1 || st != NRG_OK) return 0;
        count *= pow(choices, (double)nrg_shape_count(&s));
    }
    return count;
}

// digit = floor((index + 0.5) / stride) mod choices. The half keeps the quotient away from whole numbers, so that rounding
// cannot move it: indices stay below 2^22, strides are whole.
nrg_node nrg_digit(nrg_graph *g, nrg_node half, double stride, double choices) {
    nrg_node q = nrg_floor(g, nrg_mul(g, half, nrg_const(g, 1 / stride)));
    nrg_node high =
        nrg_floor(g, nrg_mul(g, nrg_add(g, q, nrg_const(g, 0.5)), nrg_const(g, 1 / choices)));
    return nrg_sub(g, q, nrg_mul(g, high, nrg_const(g, choices)));
}

static nrg_node number_of(nrg_inference *i, int32_t v, nrg_node digit) {
    const nrg_var *var = &i->model->vars.at[v];
    nrg_graph *g = i->graph;
    if (var->elem == NRG_SIGN)
        return nrg_sub(g, nrg_mul(g, digit, nrg_const(g, 2)), nrg_const(g, 1));
    if (var->elem == NRG_INT) return nrg_add(g, digit, nrg_const(g, ceil(var->domain.lo)));
    return digit;
}

nrg_status nrg_finite_decode(nrg_inference *i, nrg_vars vars, nrg_node index, nrg_node *value) {
    nrg_graph *g = i->graph;
    nrg_node half = nrg_add(g, index, nrg_const(g, 0.5));
    double stride = 1;
    nrg_status st = NRG_OK;
    for (int32_t v = NRG_MAX_VARS - 1; v >= 0; v--) {
        if (!(vars >> v & 1)) continue;
        nrg_shape s = nrg_var_event(i, v, &st);
        double choices = nrg_finite_choices(i->model, v);
        int64_t one = 1, count = nrg_shape_count(&s);
        nrg_node all = NRG_BAD;
        if (st != NRG_OK) return st;
        for (int64_t e = count - 1; e >= 0; e--, stride *= choices) {
            nrg_node d = number_of(i, v, nrg_digit(g, half, stride, choices));
            if (s.rank == 0) {
                all = d;
            } else {
                d = nrg_reshape(g, d, nrg_shape_of(1, &one));
                all = all.i ? nrg_concat(g, d, all, 0) : d;
            }
        }
        if (s.rank && count) all = nrg_reshape(g, all, s);
        if (!count) all = nrg_filled(g, 0, s, 0);
        value[v] = all;
    }
    return NRG_OK;
}

void nrg_bind_all(nrg_inference *i, nrg_vars vars, const nrg_node *value, bool hold,
                  nrg_node *best) {
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!(vars >> v & 1)) continue;
        nrg_node x = hold ? nrg_stop(i->graph, value[v]) : value[v];
        nrg_scope_bind(i->scope, v, x);
        if (best) best[v] = x;
    }
}
