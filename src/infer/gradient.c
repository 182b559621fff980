// Gradient descent with momentum: x <- P(x - lr v), v <- momentum v + dE/dx, every sample for itself; P projects onto the domain.
// `unroll` builds the steps into the outer graph, so that derivatives pass through them.
#include "infer/inside.h"
#include <math.h>

// lr at the method's own clock t = step / (steps - 1): a constant, linear a -> b, or geometric (a ratio at the middle tells).
static nrg_status rate(nrg_chain *c, int k, int64_t steps, nrg_graph *g, nrg_node t, nrg_node *lr) {
    const nrg_infer_stmt *st = &c->at[k].stmt;
    double a = 0.1, half = 0.1, b = 0.1;
    const nrg_expr *e = st->by && st->by->kind == NRG_X_CALL ? nrg_call_arg(st->by, "lr", 1) : NULL;
    if (e && !(e->kind == NRG_X_NAME && nrg_same(e->text, "unroll"))) {
        TRY(nrg_eval_schedule(c->i->model, e, 0, &a));
        TRY(nrg_eval_schedule(c->i->model, e, 0.5, &half));
        TRY(nrg_eval_schedule(c->i->model, e, 1, &b));
    }
    if (a == b) {
        *lr = nrg_const(g, a);
        return NRG_OK;
    }
    nrg_node clock = nrg_mul(g, t, nrg_const(g, 1 / (double)(steps > 1 ? steps - 1 : 1)));
    if (fabs(half - 0.5 * (a + b)) <= 1e-9 * fabs(a + b))
        *lr = nrg_add(g, nrg_const(g, a), nrg_mul(g, clock, nrg_const(g, b - a)));
    else
        *lr = nrg_mul(g, nrg_const(g, a), nrg_exp(g, nrg_mul(g, clock, nrg_const(g, log(b / a)))));
    return NRG_OK;
}

typedef struct {
    double momentum, tol;
} knobs;

static nrg_status read_knobs(nrg_chain *c, int k, knobs *out) {
    nrg_status st = NRG_OK;
    out->momentum = nrg_method_arg(c->i->model, &c->at[k].stmt, "momentum", 0, &st);
    out->tol = nrg_method_arg(c->i->model, &c->at[k].stmt, "tol", 1e-6, &st);
    return st;
}

static nrg_node largest(nrg_graph *g, nrg_node x) {
    uint32_t all = (1u << nrg_graph_node(g, x)->shape.rank) - 1;
    return nrg_reduce(g, NRG_OP_rmax, nrg_abs(g, x), all, 0, false);
}

// One step for every state. Converged samples stay where they are, bit for bit.
static nrg_status build(nrg_chain *c, int k, nrg_descent *d) {
    nrg_graph *g = d->loop->graph;
    nrg_leads leads = d->leads | d->starts;
    nrg_update up[2 * NRG_MAX_VARS + 2];
    nrg_node grad[NRG_MAX_VARS], E, lr, move = nrg_const(g, 0);
    knobs kn;
    int n = 0;
    TRY(read_knobs(c, k, &kn));
    const char *clock = nrg_loop_name(c->i, "clock", c->at[k].vars);
    if (!clock) return NRG_E098;
    TRY(nrg_descent_extra(c->i, d, clock, nrg_leads_count(c->i->graph, leads)));
    nrg_node t = nrg_input(g, clock, leads, (nrg_shape){0}),
             done = nrg_input(g, d->done, leads, (nrg_shape){0});
    TRY(nrg_descent_look(c, k, d, &E, grad));
    TRY(rate(c, k, d->steps, g, t, &lr));
    for (int j = 0; j < d->n; j++) {
        const nrg_domain *dom = &c->i->model->vars.at[d->var[j]].domain;
        nrg_node v = grad[j];
        if (kn.momentum != 0) {
            const char *name = nrg_loop_name(c->i, "speed", (nrg_vars)1 << d->var[j]);
            if (!name) return NRG_E098;
            TRY(nrg_descent_extra(c->i, d, name, d->count[j]));
            nrg_node old = nrg_input(g, name, leads, nrg_graph_node(g, d->x[j])->shape);
            v = nrg_add(g, nrg_mul(g, old, nrg_const(g, kn.momentum)), v);
            up[n++] = (nrg_update){old, nrg_spread(g, v, leads)};
        }
        nrg_node to = nrg_project(g, dom, nrg_sub(g, d->x[j], nrg_mul(g, lr, v)));
        nrg_node plain =
            nrg_project(g, dom, nrg_sub(g, d->x[j], grad[j])); // |P(x - g) - x| is 0 at a minimum
        move = nrg_max(g, move, largest(g, nrg_sub(g, plain, d->x[j])));
        up[n++] = (nrg_update){d->x[j], nrg_spread(g, nrg_select(g, done, d->x[j], to), leads)};
    }
    up[n++] = (nrg_update){
        done, nrg_spread(g, nrg_max(g, done, nrg_le(g, move, nrg_const(g, kn.tol))), leads)};
    up[n++] = (nrg_update){t, nrg_add(g, t, nrg_const(g, 1))};
    return nrg_descent_close(c, k, d, up, n);
}

// ---- steps inside the outer graph

static nrg_status unrolled(nrg_chain *c, int k, nrg_node *F) {
    nrg_inference *i = c->i;
    nrg_graph *g = i->graph;
    nrg_group *gr = &c->at[k];
    nrg_leads leads = nrg_leads_bound(i, gr->vars);
    nrg_node hole[NRG_MAX_VARS], x[NRG_MAX_VARS], v[NRG_MAX_VARS], grad[NRG_MAX_VARS], E = NRG_BAD,
                                                                                       lr;
    int32_t var[NRG_MAX_VARS];
    knobs kn;
    nrg_status st = NRG_OK;
    int n = 0;
    int64_t steps = (int64_t)nrg_method_arg(i->model, &gr->stmt, "steps", 10, &st);
    TRY(st);
    TRY(read_knobs(c, k, &kn));
    for (int32_t w = 0; w < NRG_MAX_VARS; w++) {
        if (!(gr->vars >> w & 1)) continue;
        const char *name = nrg_loop_name(i, "hole", (nrg_vars)1 << w);
        if (!name) return NRG_E098;
        TRY(nrg_descent_start(i, gr, w, leads, 0, &x[n]));
        hole[n] = nrg_input(g, name, leads, nrg_graph_node(g, x[n])->shape);
        nrg_scope_bind(i->scope, w, hole[n]);
        v[n] = nrg_const(g, 0);
        var[n++] = w;
    }
    i->holes++;
    st = nrg_chain_energy(c, k + 1, &E);
    i->holes--;
    TRY(st);
    TRY(nrg_grad(g, E, NRG_BAD, hole, n, grad));
    for (int64_t t = 0; t < steps; t++) {
        nrg_node next[NRG_MAX_VARS];
        TRY(rate(c, k, steps, g, nrg_const(g, (double)t), &lr));
        for (int j = 0; j < n; j++) {
            nrg_node at = nrg_graph_copy(g, g, grad[j], hole, x, n);
            v[j] = nrg_add(g, nrg_mul(g, v[j], nrg_const(g, kn.momentum)), at);
            next[j] = nrg_project(g, &i->model->vars.at[var[j]].domain,
                                  nrg_sub(g, x[j], nrg_mul(g, lr, v[j])));
        }
        for (int j = 0; j < n; j++) x[j] = next[j];
    }
    for (int j = 0; j < n; j++) {
        nrg_scope_bind(i->scope, var[j], x[j]);
        c->best[var[j]] = x[j];
    }
    return nrg_chain_energy(c, k + 1, F);
}

static nrg_status make(nrg_chain *c, int k, nrg_node *F) {
    nrg_descent *d;
    if (nrg_method_word(&c->at[k].stmt, "unroll")) return unrolled(c, k, F);
    TRY(nrg_descent_open(c, k, &d));
    TRY(build(c, k, d));
    return nrg_descent_result(c, k, d, F);
}

const nrg_method_impl nrg_infer_gradient = {"gradient",       nrg_descent_applies, make,
                                            nrg_descent_step, nrg_descent_print,   NULL};
