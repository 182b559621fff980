// Unadjusted Langevin: x <- x - (step / 2) grad(beta E) + N(0, noise^2), by default noise^2 = step; walls reflect.
//
// With step h small this samples exp(-beta E / T), T = noise^2 / h; for a finite h the answer is biased: on E = x^2 / 2 the
// stationary variance v solves v = (1 - h/2)^2 v + h, so v = 1 / (1 - h/4). The form x - e grad + N(0, e), which is often
// written, is h = 2e with noise^2 = e: temperature one half.
#include "infer/sampler.h"
#include <math.h>

// The value of a schedule at a clock that runs from 0 to 1 (gradient.c has the same for its rate): constant, linear, geometric.
static nrg_status along(nrg_sampler *s, const nrg_expr *e, double otherwise, nrg_node clock, nrg_node *out, double *last) {
    nrg_graph *g = s->graph;
    double a = otherwise, half = otherwise, b = otherwise;
    if (e) {
        TRY(nrg_eval_schedule(s->model, e, 0, &a));
        TRY(nrg_eval_schedule(s->model, e, 0.5, &half));
        TRY(nrg_eval_schedule(s->model, e, 1, &b));
    }
    *last = b;
    if (a == b) *out = nrg_const(g, a);
    else if (fabs(half - 0.5 * (a + b)) <= 1e-9 * fabs(a + b))
        *out = nrg_add(g, nrg_const(g, a), nrg_mul(g, clock, nrg_const(g, b - a)));
    else *out = nrg_mul(g, nrg_const(g, a), nrg_exp(g, nrg_mul(g, clock, nrg_const(g, log(b / a)))));
    return NRG_OK;
}

static nrg_status positive(nrg_sampler *s, const nrg_sampler_part *p, const char *what, double x, bool zero) {
    if (x > 0 || (zero && x == 0)) return NRG_OK;
    return nrg_fail(s->model->ctx, NRG_E013, p->stmt.by_span, "%s of langevin is %.6g: it must be positive", what, x);
}

typedef struct {
    nrg_node step, noise, clip;
} knobs;

// Schedules run over the warm-up and then keep their last value.
static nrg_status read_knobs(nrg_sampler *s, nrg_sampler_part *p, knobs *k) {
    nrg_graph *g = s->graph;
    const nrg_expr *by = p->stmt.by && p->stmt.by->kind == NRG_X_CALL ? p->stmt.by : NULL;
    const nrg_expr *step = by ? nrg_call_arg(by, "step", 1) : NULL, *noise = by ? nrg_call_arg(by, "noise", 2) : NULL,
                   *clip = by ? nrg_call_arg(by, "clip", 3) : NULL;
    double h, sd, most;
    nrg_node t = nrg_sampler_state_new(s, "clock", (nrg_shape){0}, nrg_const(g, 0));
    nrg_sampler_update(s, t, nrg_add(g, t, nrg_const(g, 1)));
    double span = s->warmup > 1 ? (double)(s->warmup - 1) : 1;
    nrg_node clock = nrg_min(g, nrg_mul(g, t, nrg_const(g, 1 / span)), nrg_const(g, 1));
    TRY(along(s, step, 0.01, clock, &k->step, &h));
    TRY(positive(s, p, "step", h, false));
    k->noise = nrg_sqrt(g, k->step);
    sd = sqrt(h);
    if (noise) TRY(along(s, noise, 0, clock, &k->noise, &sd));
    TRY(positive(s, p, "noise", sd, true));
    k->clip = NRG_BAD;
    if (clip) TRY(along(s, clip, 0, clock, &k->clip, &most));
    if (clip) TRY(positive(s, p, "clip", most, false));
    p->temperature = clip ? NAN : sd * sd / h;
    p->biased = true;
    return NRG_OK;
}

static nrg_status build(nrg_sampler *s, nrg_sampler_part *p) {
    nrg_graph *g = s->graph;
    knobs k;
    nrg_node move[NRG_MAX_VARS];
    TRY(read_knobs(s, p, &k));
    nrg_node size = nrg_sampler_state_new(s, "step", (nrg_shape){0}, k.step);
    nrg_sampler_update(s, size, k.step);
    p->size = nrg_sampler_last(s);
    for (int j = p->first; j < p->first + p->n; j++) {
        const nrg_domain *d = &s->model->vars.at[s->var[j]].domain;
        nrg_node v;
        TRY(nrg_sampler_gradient(s, j, &v));
        v = nrg_sampler_at(s, v, s->now);
        if (k.clip.i) v = nrg_max(g, nrg_neg(g, k.clip), nrg_min(g, v, k.clip));
        nrg_node drift = nrg_mul(g, nrg_mul(g, k.step, nrg_const(g, 0.5)), v);
        nrg_node noise = nrg_mul(g, k.noise, nrg_sampler_random(s, NRG_RANDOM_NORMAL, s->shape[j]));
        move[j] = nrg_reflect(g, d, nrg_add(g, nrg_sub(g, s->now[j], drift), noise), NULL);
    }
    for (int j = p->first; j < p->first + p->n; j++) s->now[j] = move[j];
    return nrg_graph_check(g);
}

const nrg_sampler_impl nrg_sampler_langevin = {"langevin", true, NULL, build};
const nrg_method_impl nrg_infer_langevin = {"langevin", nrg_sampler_eliminates, NULL, NULL, NULL, NULL};
