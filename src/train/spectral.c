// Weights whose largest singular value has a bound c: spectral normalisation (Miyato et al. 2018) as a domain, W min(1, c / norm(W)). An
// array of several axes is the matrix [first axis, the rest]. Between steps the norm is followed by power iteration from the vector of
// the step before; where there is no step before, it is bounded from above by the traces of squares of W' W.
#include "train/inside.h"
#include <math.h>

enum { ROUNDS = 3, SQUARES = 14 };

static nrg_node num(nrg_graph *g, double v) { return nrg_const(g, v); }

static nrg_node matrix(nrg_graph *g, nrg_node w) {
    nrg_shape s = nrg_graph_node(g, w)->shape;
    int64_t rows = s.rank ? s.dim[0] : 1, all = nrg_shape_count(&s);
    return nrg_reshape(g, w, nrg_shape_of(2, (int64_t[]){rows, rows ? all / rows : 0}));
}

static nrg_node bounded(nrg_graph *g, const nrg_domain *d, nrg_node w, nrg_node norm) {
    return nrg_mul(g, w, nrg_div(g, num(g, d->hi), nrg_max(g, norm, num(g, d->hi))));
}

static nrg_node square_sum(nrg_graph *g, nrg_node x) { return nrg_max(g, nrg_sum_all(g, nrg_square(g, x)), num(g, 1e-30)); }

// A matrix A with eigenvalues from 0 up and trace 1 has its largest below 1, and that of A A is its square: with t the traces of
// repeated squares, each scaled to 1, log of the largest <= log t0 + log(t1) / 2 + log(t2) / 4 + ..., less than log(n) / 2^SQUARES above it.
nrg_node nrg_spectral_project(nrg_graph *g, const nrg_domain *d, nrg_node w) {
    nrg_node m = matrix(g, w), trace = square_sum(g, m), sum = nrg_log(g, trace);
    nrg_shape s = nrg_graph_node(g, m)->shape;
    if (s.rank != 2) return w; // a bad node
    bool wide = s.dim[1] > s.dim[0];
    nrg_node a = nrg_div(g, nrg_matmul(g, m, m, !wide, wide, 0), trace);
    double share = 0.5;
    for (int i = 1; i <= SQUARES; i++, share /= 2) {
        trace = square_sum(g, a);
        sum = nrg_add(g, sum, nrg_mul(g, nrg_log(g, trace), num(g, share)));
        if (i < SQUARES) a = nrg_div(g, nrg_matmul(g, a, a, false, false, 0), trace);
    }
    return bounded(g, d, w, nrg_exp(g, nrg_mul(g, sum, num(g, 0.5))));
}

static nrg_node unit(nrg_graph *g, nrg_node v) {
    return nrg_div(g, v, nrg_sqrt(g, nrg_add(g, nrg_sum_all(g, nrg_square(g, v)), num(g, 1e-30))));
}

// Some vector in no particular direction: the fractional parts of multiples of the golden ratio, less a half.
static nrg_node somewhere(nrg_graph *g, int64_t n) {
    nrg_node x = nrg_mul(g, nrg_add(g, nrg_iota(g, n), num(g, 1)), num(g, 0.6180339887));
    return nrg_reshape(g, unit(g, nrg_sub(g, nrg_sub(g, x, nrg_floor(g, x)), num(g, 0.5))), nrg_shape_of(2, (int64_t[]){n, 1}));
}

// A thousandth of another direction at each step, so that the iteration leaves a vector that is no longer that of the largest value.
nrg_status nrg_spectral_step(nrg_trainer *t, nrg_program *p, uint32_t param, nrg_node w, nrg_node *out) {
    nrg_graph *g = p->g;
    const nrg_param *q = &t->m->params.at[param];
    nrg_node m = matrix(g, w);
    int64_t n = nrg_graph_node(g, m)->shape.dim[1];
    void *data;
    const char *name = nrg_arena_print(&t->arena, "spectral:%s", q->name);
    if (!name) return NRG_E098;
    TRY(nrg_store_make(t->store, name, n, &data));
    TRY(NRG_PUSH(&t->arena, t->states, ((nrg_state){name, NULL, n})));
    nrg_node kept = nrg_input(g, name, 0, nrg_shape_of(2, (int64_t[]){n, 1})), v = nrg_add(g, kept, nrg_mul(g, somewhere(g, n), num(g, 1e-3))), u;
    for (int i = 0; i < ROUNDS; i++) {
        u = unit(g, nrg_matmul(g, m, unit(g, v), false, false, 0));
        v = nrg_matmul(g, m, u, true, false, 0);
    }
    nrg_node norm = nrg_sqrt(g, nrg_sum_all(g, nrg_square(g, v)));
    TRY(nrg_update_put(t, kept, unit(g, v)));
    *out = bounded(g, &q->domain, w, norm);
    return nrg_graph_check(g);
}
