// Closed form where the energy is of degree 2 in the variable: z* = -H^-1 g, by division where H is diagonal, else by Cholesky.
// Summed out: F = E(z*) + log det(beta H / 2 pi) / (2 beta), the Gaussian integral.
#include "infer/inside.h"
#include <math.h>

static const double PI = 3.14159265358979323846;
enum { COUPLED_MOST = 1024 }; // a dense factor of more numbers belongs to an iterative method

static nrg_status unfit(nrg_chain *c, int k, const nrg_quad *q) {
    nrg_inference *i = c->i;
    nrg_group *gr = &c->at[k];
    nrg_text t = nrg_text_make(i->ctx);
    nrg_vars_print(i->model, gr->vars, &t);
    nrg_status s =
        nrg_fail(i->ctx, NRG_E026, gr->stmt.by_span.file ? gr->stmt.by_span : gr->stmt.span,
                 "exact needs an energy that is quadratic in %s%s", t.at ? t.at : "the variable",
                 q->attr.smooth ? "" : "; it has kinks or steps");
    nrg_span term = {0};
    if (nrg_fault_term(i, gr->vars, &term) && term.file) {
        int line = 0, col = 0;
        nrg_source_place(i->ctx, term, &line, &col);
        nrg_fact(i->ctx, "the term at line %d, column %d is not", line, col);
    }
    nrg_help(i->ctx, "use gradient, lbfgs, or grid(points=...) for up to three bounded reals");
    nrg_text_free(&t);
    return s;
}

static nrg_status domain_fits(nrg_inference *i, const nrg_group *gr, const nrg_quad *q, int32_t v) {
    const nrg_var *var = &i->model->vars.at[v];
    nrg_span at = gr->stmt.by_span.file ? gr->stmt.by_span : gr->stmt.span;
    nrg_status s;
    if (var->elem != NRG_REAL) {
        s = nrg_fail(i->ctx, NRG_E026, at, "exact needs real numbers, but '%s' is not real",
                     var->name);
        nrg_help(i->ctx, "for a discrete variable use exhaustive");
        return s;
    }
    if (nrg_var_ragged(i->model, v))
        return nrg_fail(i->ctx, NRG_E071, at, "exact for the ragged array %s", var->name);
    bool box =
        var->domain.kind == NRG_DOM_RANGE && (!isinf(var->domain.lo) || !isinf(var->domain.hi));
    if (var->domain.kind == NRG_DOM_ALL || (var->domain.kind == NRG_DOM_RANGE && !box))
        return NRG_OK;
    if (box && gr->verb == NRG_MINIMIZE && (q->attr.separable & 1) &&
        !(gr->vars & (gr->vars - 1)) && q->size == 1)
        return NRG_OK;
    s = nrg_fail(i->ctx, NRG_E026, at, "exact does not keep %s inside its domain", var->name);
    nrg_help(i->ctx, gr->verb == NRG_MINIMIZE ? "use lbfgs or gradient" : "use grid(points=...)");
    return s;
}

// The structure is checked where it is used: make builds the attributes anyway.
static nrg_status applies(nrg_chain *c, int k) {
    (void)c, (void)k;
    return NRG_OK;
}

static nrg_status check(nrg_chain *c, int k, const nrg_quad *q) {
    if (q->attr.degree > 2 || !q->attr.smooth) return unfit(c, k, q);
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (c->at[k].vars >> v & 1) TRY(domain_fits(c->i, &c->at[k], q, v));
    if (q->size <= COUPLED_MOST) return NRG_OK;
    nrg_status s =
        nrg_fail(c->i->ctx, NRG_E071, c->at[k].stmt.span,
                 "exact with %lld coupled numbers, more than %d", (long long)q->size, COUPLED_MOST);
    nrg_help(c->i->ctx, "use lbfgs");
    return s;
}

// [S, a, b] -> [a, b] with S as a leading axis, or without S when it is 1.
static nrg_node rows_apart(nrg_graph *g, nrg_node x, nrg_leads block) {
    if (block) return nrg_lift(g, x, 0, block);
    return nrg_reshape(g, x, nrg_shape_of(2, nrg_graph_node(g, x)->shape.dim + 1));
}

// Diagonal of the inverse of H, [S, B].
static nrg_node inverse_diagonal(nrg_graph *g, const nrg_quad *q) {
    int64_t flat[2] = {q->blocks, q->size}, column[2] = {q->size, 1};
    if (q->size == 1) return nrg_reshape(g, nrg_recip(g, q->H), nrg_shape_of(2, flat));
    nrg_leads block = q->blocks > 1 ? nrg_lead_new(g, "block", q->blocks) : 0;
    nrg_node inverse = nrg_inv(g, rows_apart(g, q->H, block));
    nrg_node eye = nrg_eq(g, nrg_iota(g, q->size),
                          nrg_reshape(g, nrg_iota(g, q->size), nrg_shape_of(2, column)));
    nrg_node diagonal = nrg_reduce(g, NRG_OP_sum, nrg_mul(g, inverse, eye), 1u << 1, 0, false);
    return nrg_reshape(g, block ? nrg_lower(g, diagonal, block, 0) : diagonal,
                       nrg_shape_of(2, flat));
}

nrg_status nrg_exact_variance(nrg_chain *c, int k, int32_t var, nrg_node *out) {
    nrg_inference *i = c->i;
    nrg_node value[NRG_MAX_VARS] = {{0}};
    nrg_quad q;
    TRY(nrg_quad_make(c, k, &q));
    nrg_node v =
        nrg_mul(i->graph, inverse_diagonal(i->graph, &q), nrg_const(i->graph, 1 / i->model->beta));
    nrg_quad_split(i, &q, v, value);
    *out = value[var];
    return nrg_graph_check(i->graph);
}

// Solves, and gives log det H. NaN where H is not positive definite, so that it shows.
static void solve(nrg_graph *g, const nrg_quad *q, nrg_node *z, nrg_node *logdet) {
    nrg_node down = nrg_neg(g, q->g);
    if (q->size == 1) {
        int64_t dim[2] = {q->blocks, 1};
        nrg_node h = nrg_select(g, nrg_lt(g, nrg_const(g, 0), q->H), q->H, nrg_const(g, NAN));
        *z = nrg_div(g, down, nrg_reshape(g, h, nrg_shape_of(2, dim)));
        *logdet = nrg_sum_all(g, nrg_log(g, h));
        return;
    }
    // Matrices are factored one a position of a leading axis.
    int64_t col[3] = {q->blocks, q->size, 1}, flat[2] = {q->blocks, q->size};
    nrg_leads block = q->blocks > 1 ? nrg_lead_new(g, "block", q->blocks) : 0;
    nrg_node H = rows_apart(g, q->H, block),
             b = rows_apart(g, nrg_reshape(g, down, nrg_shape_of(3, col)), block);
    nrg_node L = nrg_chol(g, H), x;
    nrg_node eye = nrg_eq(g, nrg_iota(g, q->size),
                          nrg_reshape(g, nrg_iota(g, q->size), nrg_shape_of(2, col + 1)));
    if (!block && !nrg_graph_node(g, H)->leads) { // one matrix for all: its factor is inverted once, and the samples are rows of two products
        int64_t row[2] = {1, q->size};
        nrg_node inverse = nrg_trisolve(g, L, eye, false);
        x = nrg_matmul(g, nrg_matmul(g, nrg_reshape(g, down, nrg_shape_of(2, row)), inverse, false, true, 0), inverse, false, false, 0);
    } else x = nrg_trisolve(g, L, nrg_trisolve(g, L, b, false), true);
    *z = nrg_reshape(g, block ? nrg_lower(g, x, block, 0) : x, nrg_shape_of(2, flat));
    nrg_node diagonal = nrg_select(g, eye, L, nrg_const(g, 1)); // log 1 = 0 off the diagonal
    nrg_node each = nrg_mul(g, nrg_const(g, 2), nrg_sum_all(g, nrg_log(g, diagonal)));
    *logdet = block ? nrg_reduce(g, NRG_OP_sum, each, 0, block, false) : each;
}

static void clamp_box(nrg_inference *i, nrg_vars vars, nrg_node *value) {
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!(vars >> v & 1)) continue;
        const nrg_domain *d = &i->model->vars.at[v].domain;
        if (d->kind != NRG_DOM_RANGE) continue;
        if (!isinf(d->lo)) value[v] = nrg_max(i->graph, value[v], nrg_const(i->graph, d->lo));
        if (!isinf(d->hi)) value[v] = nrg_min(i->graph, value[v], nrg_const(i->graph, d->hi));
    }
}

// The expected quadratic part under the Gaussian: tr(H inv(beta H)) / 2 with the inverse held, for expectation-maximisation.
static nrg_node spread_term(nrg_inference *i, const nrg_quad *q) {
    nrg_graph *g = i->graph;
    nrg_leads block = q->size > 1 && q->blocks > 1 ? nrg_lead_new(g, "block", q->blocks) : 0;
    nrg_node H = q->size > 1 ? rows_apart(g, q->H, block) : q->H;
    nrg_node cover = nrg_stop(g, q->size == 1 ? nrg_recip(g, H) : nrg_inv(g, H));
    nrg_node each = nrg_sum_all(g, nrg_mul(g, H, cover));
    if (block) each = nrg_reduce(g, NRG_OP_sum, each, 0, block, false);
    return nrg_mul(g, each, nrg_const(g, 0.5 / i->model->beta));
}

static nrg_status make(nrg_chain *c, int k, nrg_node *F) {
    nrg_inference *i = c->i;
    nrg_graph *g = i->graph;
    nrg_group *gr = &c->at[k];
    nrg_node value[NRG_MAX_VARS] = {{0}}, z = NRG_BAD, logdet = NRG_BAD, E = NRG_BAD;
    double beta = i->model->beta;
    nrg_quad q;
    TRY(nrg_quad_attr(c, k, &q));
    TRY(check(c, k, &q));
    TRY(nrg_quad_make(c, k, &q));
    TRY(check(c, k, &q));
    solve(g, &q, &z, &logdet);
    nrg_quad_split(i, &q, nrg_stop(g, z), value);
    clamp_box(i, gr->vars, value);
    nrg_bind_all(i, gr->vars, value, true, c->best);
    TRY(nrg_chain_energy(c, k + 1, &E));
    *F = E;
    if (gr->verb != NRG_MARGINALIZE) return nrg_graph_check(g);
    double d = (double)(q.blocks * q.size);
    nrg_node volume = nrg_add(g, logdet, nrg_const(g, d * log(beta / (2 * PI))));
    *F = nrg_add(g, E,
                 i->surrogate ? spread_term(i, &q) : nrg_mul(g, volume, nrg_const(g, 0.5 / beta)));
    return nrg_graph_check(g);
}

static void print(nrg_chain *c, int k, nrg_text *out) {
    (void)c, (void)k;
    nrg_text_put(out, "quadratic, closed form");
}

const nrg_method_impl nrg_infer_exact = {"exact", applies, make, NULL, print, NULL};
