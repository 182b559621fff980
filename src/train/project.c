// Weights back into their domain after each step: a range, the simplex, unit columns, orthonormal rows, the sphere, symmetric;
// a bounded largest singular value is in spectral.c.
#include "train/inside.h"
#include <math.h>

static nrg_node range(nrg_graph *g, const nrg_domain *d, nrg_node w) {
    if (!isinf(d->lo)) w = nrg_max(g, w, nrg_const(g, d->lo));
    if (!isinf(d->hi)) w = nrg_min(g, w, nrg_const(g, d->hi));
    return w;
}

// Each row divided by its norm along `axis`; a row of zeros stays.
static nrg_node unit(nrg_graph *g, nrg_node w, int axis) {
    nrg_node sq = nrg_reduce(g, NRG_OP_sum, nrg_square(g, w), 1u << axis, 0, true);
    nrg_node zero = nrg_le(g, sq, nrg_const(g, 0));
    return nrg_div(g, w, nrg_sqrt(g, nrg_select(g, zero, nrg_const(g, 1), sq)));
}

// The nearest point of the simplex along the last axis: max(w - t, 0) with t such that the sum is one. Bisection finds which entries
// stay positive, then t is exact (Held, Wolfe, Crowder 1974).
static nrg_node simplex(nrg_graph *g, nrg_node w, int axis) {
    uint32_t last = 1u << axis;
    nrg_node hi = nrg_reduce(g, NRG_OP_rmax, w, last, 0, true), lo = nrg_sub(g, hi, nrg_const(g, 1));
    int steps = nrg_graph_type(g) == NRG_F64 ? 60 : 30;
    for (int i = 0; i < steps; i++) {
        nrg_node mid = nrg_mul(g, nrg_add(g, lo, hi), nrg_const(g, 0.5));
        nrg_node sum = nrg_reduce(g, NRG_OP_sum, nrg_relu(g, nrg_sub(g, w, mid)), last, 0, true);
        nrg_node more = nrg_lt(g, nrg_const(g, 1), sum);
        lo = nrg_select(g, more, mid, lo);
        hi = nrg_select(g, more, hi, mid);
    }
    nrg_node in = nrg_step(g, nrg_sub(g, w, lo)), count = nrg_reduce(g, NRG_OP_sum, in, last, 0, true);
    nrg_node sum = nrg_reduce(g, NRG_OP_sum, nrg_mul(g, in, w), last, 0, true);
    nrg_node t = nrg_div(g, nrg_sub(g, sum, nrg_const(g, 1)), count);
    return nrg_relu(g, nrg_sub(g, w, t));
}

nrg_node nrg_rows_orthonormal(nrg_graph *g, nrg_node w, int times) {
    int64_t k = nrg_graph_node(g, w)->shape.dim[0];
    nrg_node eye = nrg_eq(g, nrg_iota(g, k), nrg_reshape(g, nrg_iota(g, k), nrg_shape_of(2, (int64_t[]){k, 1})));
    for (int i = 0; i < times; i++) { // the factor is inverted, because a product is faster than a solve for long rows
        nrg_node L = nrg_chol(g, nrg_matmul(g, w, w, false, true, 0));
        w = nrg_matmul(g, nrg_trisolve(g, L, eye, false), w, false, false, 0);
    }
    return w;
}

// Rows, or columns when there are more rows than columns.
static nrg_node orthonormal(nrg_graph *g, nrg_node w) {
    const nrg_shape s = nrg_graph_node(g, w)->shape;
    if (s.rank < 2) return w; // a bad node
    bool tall = s.dim[s.rank - 2] > s.dim[s.rank - 1];
    w = nrg_rows_orthonormal(g, tall ? nrg_transpose(g, w) : w, 2);
    return tall ? nrg_transpose(g, w) : w;
}

nrg_node nrg_weight_project(nrg_graph *g, const nrg_param *p, nrg_node w) {
    int rank = p->shape.rank;
    switch (p->domain.kind) {
    case NRG_DOM_RANGE: return range(g, &p->domain, w);
    case NRG_DOM_SIMPLEX: return rank ? simplex(g, w, rank - 1) : w;
    case NRG_DOM_SPHERE: return rank ? unit(g, w, rank - 1) : w;
    case NRG_DOM_UNIT_COLUMNS: return rank ? unit(g, w, rank > 1 ? rank - 2 : 0) : w;
    case NRG_DOM_ORTHONORMAL: return rank == 2 ? orthonormal(g, w) : w;
    case NRG_DOM_SPECTRAL: return nrg_spectral_project(g, &p->domain, w);
    case NRG_DOM_SYMMETRIC: return rank == 2 ? nrg_mul(g, nrg_const(g, 0.5), nrg_add(g, w, nrg_transpose(g, w))) : w;
    default: return w;
    }
}

static nrg_status project(nrg_model *m, nrg_store *s, const uint32_t *at, uint32_t n) {
    nrg_update *updates = nrg_mem(m->ctx, NULL, 0, (size_t)(n + 1) * sizeof *updates);
    nrg_program p = {0};
    nrg_infer_options o = {.threads = 1, .batch = 1};
    int count = 0;
    if (!updates) return NRG_E098;
    nrg_status st = nrg_program_new(m, nrg_store_type(s), &o, &p);
    for (uint32_t i = 0; i < n && st == NRG_OK; i++) {
        nrg_node w = nrg_scope_param(p.scope, at[i]), v = nrg_weight_project(p.g, &m->params.at[at[i]], w);
        if (!v.i) st = nrg_graph_check(p.g); // says why
        else if (v.i != w.i) updates[count++] = (nrg_update){w, v};
    }
    if (st == NRG_OK && count) st = nrg_program_plan(&p, NULL, 0, updates, count, 1, 1);
    if (st == NRG_OK && count) st = nrg_program_go(&p, s, 1, 0, 0);
    nrg_program_free(&p);
    nrg_mem(m->ctx, updates, (size_t)(n + 1) * sizeof *updates, 0);
    return st;
}

nrg_status nrg_weights_project(nrg_model *m, nrg_store *s) {
    for (uint32_t i = 0; i < m->params.n; i++)
        if (m->params.at[i].domain.kind != NRG_DOM_ALL) TRY(project(m, s, &i, 1));
    return NRG_OK;
}

nrg_status nrg_team_project(nrg_trainer *t, const nrg_team *gr) {
    for (uint32_t i = 0; i < gr->params; i++)
        if (t->m->params.at[gr->param[i]].domain.kind != NRG_DOM_ALL) TRY(project(t->m, t->store, &gr->param[i], 1));
    return NRG_OK;
}
