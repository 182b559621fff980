// Drawing by a module: `sample y by G(normal(L))` computes G at fresh noise, whatever y was. What it draws from is what G has learned,
// which need not be exp(-beta E).
#include "infer/sampler.h"
#include <math.h>

static nrg_node noise(void *ud, bool normal, nrg_shape shape) {
    return nrg_sampler_random(ud, normal ? NRG_RANDOM_NORMAL : NRG_RANDOM_UNIFORM, shape);
}

void nrg_sampler_noise(nrg_sampler *s, bool on) { nrg_scope_noise(s->scope, on ? noise : NULL, on ? s : NULL); }

static nrg_status fits(nrg_sampler *s, const nrg_sampler_part *p) {
    if (p->n == 1) return NRG_OK;
    nrg_status st = nrg_fail(s->model->ctx, NRG_E026, p->stmt.by_span, "a module proposes one variable, and %d are named here", p->n);
    nrg_help(s->model->ctx, "give each its own statement: sample y by G(normal(10))");
    return st;
}

static nrg_status build(nrg_sampler *s, nrg_sampler_part *p) {
    nrg_value v;
    int j = p->first;
    for (int k = 0; k < s->n; k++) nrg_scope_bind(s->scope, s->var[k], s->now[k]);
    nrg_sampler_noise(s, true);
    nrg_status st = nrg_eval(s->scope, p->stmt.by, &v);
    nrg_sampler_noise(s, false);
    for (int k = 0; k < s->n; k++) nrg_scope_bind(s->scope, s->var[k], s->x[k]);
    TRY(st);
    TRY(nrg_proposal_fits(s->model, s->var[j], p->stmt.by, s->graph, v.node));
    s->now[j] = v.node;
    p->temperature = NAN;
    p->fresh = true;
    return nrg_graph_check(s->graph);
}

nrg_status nrg_proposal_fits(nrg_model *m, int32_t v, const nrg_expr *by, const nrg_graph *g, nrg_node x) {
    nrg_shape want;
    const nrg_shape *is = &nrg_graph_node(g, x)->shape;
    TRY(nrg_graph_check(g));
    TRY(nrg_var_shape(m, v, &want));
    bool same = is->rank == want.rank;
    for (int i = 0; same && i < want.rank; i++) same = is->dim[i] == want.dim[i];
    if (same) return NRG_OK;
    nrg_status st = nrg_fail(m->ctx, NRG_E037, by->span, "this gives %lld numbers in %d axes, but %s has %lld in %d",
                             (long long)nrg_shape_count(is), is->rank, m->vars.at[v].name, (long long)nrg_shape_count(&want), want.rank);
    nrg_help(m->ctx, "end the module with reshape(...), or change its last layer");
    return st;
}

const nrg_sampler_impl nrg_sampler_proposal = {.name = "a module", .loops = true, .fits = fits, .build = build};
