// Hamiltonian Monte Carlo: a fixed number of leapfrog steps from a fresh normal momentum, then a Metropolis test. Without a
// written step each chain adapts its own, and a scale for each number (tune.c). A scale s is a mass 1 / s^2: momenta stay
// standard normal, and both kicks and drifts are multiplied by s.
#include "infer/sampler.h"
#include <math.h>

enum { MOST_LEAPS = 256 };

// x: of all variables; the rest: of the part's own.
typedef struct {
    nrg_node x[NRG_MAX_VARS], p[NRG_MAX_VARS], grad[NRG_MAX_VARS], U;
} point;

static nrg_node num(nrg_sampler *s, double v) { return nrg_const(s->graph, v); }

static nrg_node kinetic(nrg_sampler *s, const nrg_sampler_part *p, const point *a) {
    nrg_node sum = num(s, 0);
    for (int j = p->first; j < p->first + p->n; j++) sum = nrg_add(s->graph, sum, nrg_sum_all(s->graph, nrg_square(s->graph, a->p[j])));
    return nrg_mul(s->graph, sum, num(s, 0.5));
}

static void kick(nrg_sampler *s, const nrg_sampler_part *p, const nrg_tuner *t, point *a, nrg_node time) {
    nrg_graph *g = s->graph;
    for (int j = p->first; j < p->first + p->n; j++) a->p[j] = nrg_sub(g, a->p[j], nrg_mul(g, time, nrg_tune_scaled(s, t, j, a->grad[j])));
}

static void drift(nrg_sampler *s, const nrg_sampler_part *p, const nrg_tuner *t, point *a, nrg_node time) {
    nrg_graph *g = s->graph;
    for (int j = p->first; j < p->first + p->n; j++) {
        nrg_node flip = NRG_BAD;
        const nrg_domain *d = &s->model->vars.at[s->var[j]].domain;
        a->x[j] = nrg_reflect(g, d, nrg_add(g, a->x[j], nrg_mul(g, time, nrg_tune_scaled(s, t, j, a->p[j]))), &flip);
        if (flip.i) a->p[j] = nrg_mul(g, a->p[j], flip);
    }
    for (int j = p->first; j < p->first + p->n; j++) a->grad[j] = nrg_sampler_at(s, s->grad[j], a->x);
}

// Leapfrog: half a kick, then drifts and kicks, the last kick a half.
static void travel(nrg_sampler *s, const nrg_sampler_part *p, const nrg_tuner *t, point *a, nrg_node time, int64_t leaps) {
    nrg_node half = nrg_mul(s->graph, time, num(s, 0.5));
    kick(s, p, t, a, half);
    for (int64_t l = 0; l < leaps; l++) {
        drift(s, p, t, a, time);
        kick(s, p, t, a, l + 1 < leaps ? time : half);
    }
    a->U = nrg_sampler_at(s, s->U, a->x);
}

// A part of its own keeps energy and gradient for the next step; other parts, or another heat, would change them.
static bool keeps(const nrg_sampler *s) { return s->parts == 1 && !s->spec.heated; }

// Takes the end of the trajectory, or stays, bit for bit.
static void settle(nrg_sampler *s, const nrg_sampler_part *p, const point *from, const point *to, nrg_node take) {
    nrg_graph *g = s->graph;
    for (int j = p->first; j < p->first + p->n; j++) {
        s->now[j] = nrg_select(g, take, to->x[j], from->x[j]);
        if (keeps(s)) nrg_sampler_update(s, from->grad[j], nrg_select(g, take, to->grad[j], from->grad[j]));
    }
    if (keeps(s)) nrg_sampler_update(s, from->U, nrg_select(g, take, to->U, from->U));
}

// Energy and gradient where the chain is.
static nrg_status here(nrg_sampler *s, const nrg_sampler_part *p, point *a) {
    char name[160];
    for (int j = 0; j < s->n; j++) a->x[j] = s->now[j];
    for (int j = p->first; j < p->first + p->n; j++) {
        nrg_node grad;
        snprintf(name, sizeof name, "gradient:%s", s->model->vars.at[s->var[j]].name);
        TRY(nrg_sampler_gradient(s, j, &grad));
        a->grad[j] = !keeps(s) ? nrg_sampler_at(s, grad, s->now)
                               : nrg_sampler_state_new(s, name, s->shape[j], nrg_sampler_at(s, grad, s->x0));
        a->p[j] = nrg_sampler_random(s, NRG_RANDOM_NORMAL, s->shape[j]);
    }
    a->U = !keeps(s) ? nrg_sampler_at(s, s->U, s->now)
                     : nrg_sampler_state_new(s, "energy", (nrg_shape){0}, nrg_sampler_at(s, s->U, s->x0));
    return nrg_graph_check(s->graph);
}

nrg_status nrg_trajectory_build(nrg_sampler *s, nrg_sampler_part *p, const nrg_trajectory *tr) {
    nrg_graph *g = s->graph;
    nrg_shape one = {0};
    nrg_tuner tune;
    point from, to;
    TRY(here(s, p, &from));
    TRY(nrg_tune_open(s, p, &tr->tune, &tune));
    nrg_node time = tune.size;
    if (tr->jitter) {
        nrg_node u = nrg_sampler_random(s, NRG_RANDOM_UNIFORM, one);
        // A fixed time would return to its start on some energies; much longer steps would be unstable.
        time = nrg_mul(g, tune.size, nrg_add(g, nrg_mul(g, u, num(s, 0.5)), num(s, 0.6)));
    }
    to = from;
    travel(s, p, &tune, &to, time, tr->leaps);
    nrg_node dH = nrg_sub(g, nrg_add(g, to.U, kinetic(s, p, &to)), nrg_add(g, from.U, kinetic(s, p, &from)));
    nrg_node sane = nrg_le(g, nrg_abs(g, dH), num(s, 1e30)); // 0 for what is not a number
    nrg_node alpha = nrg_select(g, sane, nrg_exp(g, nrg_min(g, nrg_neg(g, dH), num(s, 0))), num(s, 0));
    nrg_node take = nrg_lt(g, nrg_sampler_random(s, NRG_RANDOM_UNIFORM, one), alpha);
    settle(s, p, &from, &to, take);
    p->temperature = 1;
    return nrg_tune_close(s, p, &tune, s->now, NRG_BAD, alpha, dH);
}

static nrg_status build(nrg_sampler *s, nrg_sampler_part *p) {
    nrg_status st = NRG_OK;
    nrg_trajectory t = {.tune = {.target = 0.8, .scaled = true}};
    t.leaps = (int64_t)nrg_method_arg(s->model, &p->stmt, "leapfrog", 10, &st);
    t.tune.step = nrg_method_arg(s->model, &p->stmt, "step", 0, &st);
    t.jitter = t.tune.step == 0;
    TRY(st);
    if (t.leaps < 1 || t.leaps > MOST_LEAPS)
        return nrg_fail(s->model->ctx, NRG_E013, p->stmt.by_span, "hmc takes 1 to %d leapfrog steps, not %lld", MOST_LEAPS, (long long)t.leaps);
    if (t.tune.step < 0) return nrg_fail(s->model->ctx, NRG_E013, p->stmt.by_span, "step of hmc is %.6g: it must be positive", t.tune.step);
    return nrg_trajectory_build(s, p, &t);
}

const nrg_sampler_impl nrg_sampler_hmc = {"hmc", false, NULL, build};
const nrg_method_impl nrg_infer_hmc = {"hmc", nrg_sampler_eliminates, NULL, NULL, NULL, NULL};
