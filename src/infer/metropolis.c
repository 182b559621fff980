// Random-walk Metropolis: all reals of the statement take one normal step, then one of its other numbers, at random, takes a value at
// random; a test each. No gradient is needed. The normal step is adapted unless it is written.
#include "infer/sampler.h"
#include "infer/sites.h"

static const double TARGET = 0.3; // between 0.44 for one number and 0.234 for many (Roberts, Gelman, Gilks 1997)

static const nrg_var *var_of(const nrg_sampler *s, int j) { return &s->model->vars.at[s->var[j]]; }
static bool real(const nrg_sampler *s, int j) { return var_of(s, j)->elem == NRG_REAL; }

static nrg_status fits(nrg_sampler *s, const nrg_sampler_part *p) {
    for (int j = p->first; j < p->first + p->n; j++) {
        if (real(s, j) || nrg_finite_choices(s->model, s->var[j]) >= 1) continue;
        nrg_status st = nrg_fail(s->model->ctx, NRG_E071, p->stmt.by_span, "metropolis over the unbounded %s is not built yet", var_of(s, j)->name);
        nrg_help(s->model->ctx, "bound it: %s : int in 0..100", var_of(s, j)->name);
        return st;
    }
    return NRG_OK;
}

// Probability of taking `to`, and the test; now[j] moves or stays, bit for bit.
static nrg_node test(nrg_sampler *s, const nrg_node *to) {
    nrg_graph *g = s->graph;
    nrg_node gain = nrg_sub(g, nrg_sampler_at(s, s->U, s->now), nrg_sampler_at(s, s->U, to));
    nrg_node alpha = nrg_exp(g, nrg_min(g, gain, nrg_const(g, 0)));
    alpha = nrg_select(g, nrg_le(g, nrg_const(g, 0), alpha), alpha, nrg_const(g, 0)); // not a number: stay
    nrg_node take = nrg_lt(g, nrg_sampler_random(s, NRG_RANDOM_UNIFORM, (nrg_shape){0}), alpha);
    for (int j = 0; j < s->n; j++)
        if (to[j].i != s->now[j].i) s->now[j] = nrg_select(g, take, to[j], s->now[j]);
    return alpha;
}

static nrg_status walk(nrg_sampler *s, nrg_sampler_part *p, bool pure, nrg_node *alpha, nrg_tuner *t) {
    nrg_status st = NRG_OK;
    nrg_node to[NRG_MAX_VARS];
    double step = nrg_method_arg(s->model, &p->stmt, "step", 0, &st);
    TRY(st);
    if (step < 0) return nrg_fail(s->model->ctx, NRG_E013, p->stmt.by_span, "step of metropolis is %.6g: it must be positive", step);
    nrg_tuning how = {.step = step, .target = TARGET, .scaled = pure};
    TRY(nrg_tune_open(s, p, &how, t));
    for (int j = 0; j < s->n; j++) to[j] = s->now[j];
    for (int j = p->first; j < p->first + p->n; j++) {
        if (!real(s, j)) continue;
        nrg_node noise = nrg_mul(s->graph, t->size, nrg_sampler_random(s, NRG_RANDOM_NORMAL, s->shape[j]));
        noise = nrg_tune_scaled(s, t, j, noise);
        to[j] = nrg_reflect(s->graph, &var_of(s, j)->domain, nrg_add(s->graph, s->now[j], noise), NULL);
    }
    *alpha = test(s, to);
    return nrg_graph_check(s->graph);
}

static nrg_node whole(nrg_sampler *s, double choices) { // 0 .. choices - 1, as likely
    nrg_graph *g = s->graph;
    nrg_node u = nrg_sampler_random(s, NRG_RANDOM_UNIFORM, (nrg_shape){0});
    return nrg_min(g, nrg_floor(g, nrg_mul(g, u, nrg_const(g, choices))), nrg_const(g, choices - 1));
}

// One number of all discrete ones: another value, each as likely.
static nrg_status change(nrg_sampler *s, nrg_sampler_part *p, nrg_node *alpha) {
    nrg_graph *g = s->graph;
    nrg_node to[NRG_MAX_VARS];
    int64_t total = 0, at = 0;
    for (int j = 0; j < s->n; j++) to[j] = s->now[j];
    for (int j = p->first; j < p->first + p->n; j++) total += real(s, j) ? 0 : nrg_shape_count(&s->shape[j]);
    nrg_node site = whole(s, (double)total);
    for (int j = p->first; j < p->first + p->n; j++) {
        if (real(s, j)) continue;
        int64_t n = nrg_shape_count(&s->shape[j]);
        double choices = nrg_finite_choices(s->model, s->var[j]), zero = nrg_finite_number(s->model, s->var[j], 0),
               unit = nrg_finite_number(s->model, s->var[j], 1) - zero;
        nrg_node here = nrg_reshape(g, nrg_eq(g, nrg_add(g, nrg_iota(g, n), nrg_const(g, (double)at)), site), s->shape[j]);
        at += n;
        if (choices < 2) continue;
        nrg_node digit = nrg_mul(g, nrg_sub(g, s->now[j], nrg_const(g, zero)), nrg_const(g, 1 / unit));
        digit = nrg_add(g, digit, nrg_add(g, whole(s, choices - 1), nrg_const(g, 1)));
        digit = nrg_select(g, nrg_lt(g, digit, nrg_const(g, choices)), digit, nrg_sub(g, digit, nrg_const(g, choices)));
        to[j] = nrg_select(g, here, nrg_finite_value(g, s->model, s->var[j], digit, s->shape[j]), s->now[j]);
    }
    *alpha = test(s, to);
    return nrg_graph_check(g);
}

static nrg_status build(nrg_sampler *s, nrg_sampler_part *p) {
    int64_t reals = 0, others = 0;
    nrg_node walked = NRG_BAD, changed = NRG_BAD;
    nrg_tuner t;
    for (int j = p->first; j < p->first + p->n; j++) *(real(s, j) ? &reals : &others) += nrg_shape_count(&s->shape[j]);
    if (reals) TRY(walk(s, p, !others, &walked, &t));
    if (others) TRY(change(s, p, &changed));
    if (reals && others) p->note = "a step of the reals, then one changed number; acceptance is that of the step";
    else if (others) p->note = "one changed number a step";
    if (reals) return nrg_tune_close(s, p, &t, s->now, NRG_BAD, walked, nrg_const(s->graph, 0));
    return others ? nrg_score_keep(s, p, changed) : NRG_OK;
}

const nrg_sampler_impl nrg_sampler_metropolis = {.name = "metropolis", .fits = fits, .build = build};
const nrg_method_impl nrg_infer_metropolis = {"metropolis", nrg_sampler_eliminates, NULL, NULL, NULL, NULL};
