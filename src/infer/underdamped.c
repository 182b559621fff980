// Kinetic Langevin dynamics, dx = v dt, dv = -grad(beta E) dt - friction v dt + sqrt(2 friction) dW, by the splitting BAOAB
// (Leimkuhler and Matthews 2013): kick, half a drift, exact friction and noise, half a drift, kick. Two kicks that meet are one,
// so a step takes one gradient. Noise and friction belong together, so the temperature is 1 for every step and friction; positions
// of a quadratic energy have no bias at all below the limit of stability (step < 2 standard deviations), others one of order step^2.
#include "infer/sampler.h"
#include <math.h>

static nrg_status positive(nrg_sampler *s, const nrg_sampler_part *p, const char *what, double x) {
    if (x > 0) return NRG_OK;
    return nrg_fail(s->model->ctx, NRG_E013, p->stmt.by_span, "%s of underdamped is %.6g: it must be positive", what, x);
}

static nrg_node velocity(nrg_sampler *s, int j) {
    char name[200];
    snprintf(name, sizeof name, "velocity:%s", s->model->vars.at[s->var[j]].name);
    return nrg_sampler_state_new(s, name, s->shape[j], nrg_sampler_random(s, NRG_RANDOM_NORMAL, s->shape[j]));
}

static void drift(nrg_sampler *s, int j, double time, nrg_node *x, nrg_node *v) {
    nrg_graph *g = s->graph;
    nrg_node flip = NRG_BAD;
    *x = nrg_reflect(g, &s->model->vars.at[s->var[j]].domain, nrg_add(g, *x, nrg_mul(g, *v, nrg_const(g, time))), &flip);
    if (flip.i) *v = nrg_mul(g, *v, flip);
}

static nrg_status build(nrg_sampler *s, nrg_sampler_part *p) {
    nrg_graph *g = s->graph;
    nrg_status st = NRG_OK;
    double h = nrg_method_arg(s->model, &p->stmt, "step", 0.1, &st), friction = nrg_method_arg(s->model, &p->stmt, "friction", 1, &st);
    double keep = exp(-friction * h), fresh = sqrt(-expm1(-2 * friction * h));
    nrg_node move[NRG_MAX_VARS];
    TRY(st);
    TRY(positive(s, p, "step", h));
    TRY(positive(s, p, "friction", friction));
    nrg_node size = nrg_sampler_state_new(s, "step", (nrg_shape){0}, nrg_const(g, h));
    nrg_sampler_update(s, size, size);
    p->size = nrg_sampler_last(s);
    for (int j = p->first; j < p->first + p->n; j++) {
        nrg_node state = velocity(s, j), v = state, grad;
        TRY(nrg_sampler_gradient(s, j, &grad));
        v = nrg_sub(g, v, nrg_mul(g, nrg_sampler_at(s, grad, s->now), nrg_const(g, h)));
        move[j] = s->now[j];
        drift(s, j, h / 2, &move[j], &v);
        nrg_node noise = nrg_mul(g, nrg_sampler_random(s, NRG_RANDOM_NORMAL, s->shape[j]), nrg_const(g, fresh));
        v = nrg_add(g, nrg_mul(g, v, nrg_const(g, keep)), noise);
        drift(s, j, h / 2, &move[j], &v);
        nrg_sampler_update(s, state, v);
    }
    for (int j = p->first; j < p->first + p->n; j++) s->now[j] = move[j];
    p->temperature = 1;
    p->biased = true;
    return nrg_graph_check(g);
}

const nrg_sampler_impl nrg_sampler_underdamped = {"underdamped", true, NULL, build};
const nrg_method_impl nrg_infer_underdamped = {"underdamped", nrg_sampler_eliminates, NULL, NULL, NULL, NULL};
