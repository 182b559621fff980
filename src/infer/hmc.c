// Hamiltonian Monte Carlo: a fixed number of leapfrog steps from a fresh normal momentum, then a Metropolis test. Without a
// written step each chain adapts its own during the first half of the warm-up by dual averaging (Hoffman and Gelman 2014,
// section 3.2), in the graph, so that a chain does not depend on its neighbours; in the second half it forgets the adapting,
// whose steps depend on where the chain has been and draw from a density that is a little too narrow.
#include "infer/sampler.h"
#include <math.h>

enum { MOST_LEAPS = 256 };
static const double FIRST = 0.1, GAMMA = 0.05, DELAY = 10, KAPPA = 0.75, DIVERGED = 1000;

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

static void kick(nrg_sampler *s, const nrg_sampler_part *p, point *a, nrg_node time) {
    nrg_graph *g = s->graph;
    for (int j = p->first; j < p->first + p->n; j++) a->p[j] = nrg_sub(g, a->p[j], nrg_mul(g, time, a->grad[j]));
}

static void drift(nrg_sampler *s, const nrg_sampler_part *p, point *a, nrg_node time) {
    nrg_graph *g = s->graph;
    for (int j = p->first; j < p->first + p->n; j++) {
        nrg_node flip = NRG_BAD;
        const nrg_domain *d = &s->model->vars.at[s->var[j]].domain;
        a->x[j] = nrg_reflect(g, d, nrg_add(g, a->x[j], nrg_mul(g, time, a->p[j])), &flip);
        if (flip.i) a->p[j] = nrg_mul(g, a->p[j], flip);
    }
    for (int j = p->first; j < p->first + p->n; j++) a->grad[j] = nrg_sampler_at(s, s->grad[j], a->x);
}

// Leapfrog: half a kick, then drifts and kicks, the last kick a half.
static void travel(nrg_sampler *s, const nrg_sampler_part *p, point *a, nrg_node time, int64_t leaps) {
    nrg_node half = nrg_mul(s->graph, time, num(s, 0.5));
    kick(s, p, a, half);
    for (int64_t l = 0; l < leaps; l++) {
        drift(s, p, a, time);
        kick(s, p, a, l + 1 < leaps ? time : half);
    }
    a->U = nrg_sampler_at(s, s->U, a->x);
}

// One update of dual averaging from the acceptance `alpha` of step number t (from 1): the logarithm of the step size.
static nrg_node adapt(nrg_sampler *s, const nrg_trajectory *tr, nrg_node t, nrg_node alpha, nrg_node warm) {
    nrg_graph *g = s->graph;
    nrg_shape one = {0};
    nrg_node mean = nrg_sampler_state_new(s, "logmean", one, num(s, log(FIRST))),
             error = nrg_sampler_state_new(s, "error", one, num(s, 0));
    nrg_node share = nrg_recip(g, nrg_add(g, t, num(s, DELAY)));
    nrg_node miss = nrg_add(g, nrg_mul(g, nrg_sub(g, num(s, 1), share), error),
                            nrg_mul(g, share, nrg_sub(g, num(s, tr->target), alpha)));
    nrg_node next = nrg_sub(g, num(s, log(10 * FIRST)), nrg_mul(g, nrg_mul(g, nrg_sqrt(g, t), num(s, 1 / GAMMA)), miss));
    nrg_node weight = nrg_pow(g, t, num(s, -KAPPA));
    nrg_node average = nrg_add(g, nrg_mul(g, weight, next), nrg_mul(g, nrg_sub(g, num(s, 1), weight), mean));
    average = nrg_select(g, warm, average, mean);
    nrg_sampler_update(s, error, nrg_select(g, warm, miss, error));
    nrg_sampler_update(s, mean, average);
    nrg_node on = nrg_lt(g, t, num(s, (double)(s->warmup / 2))); // the step after this one still adapts
    return nrg_exp(g, nrg_select(g, on, next, average));
}

// Sums over the steps after the warm-up.
static void keep_score(nrg_sampler *s, nrg_sampler_part *p, nrg_node late, nrg_node alpha, nrg_node dH) {
    nrg_graph *g = s->graph;
    nrg_shape one = {0};
    nrg_node taken = nrg_sampler_state_new(s, "accepted", one, num(s, 0));
    p->accepted = nrg_sampler_last(s);
    nrg_node lost = nrg_sampler_state_new(s, "diverged", one, num(s, 0));
    p->diverged = nrg_sampler_last(s);
    // dH <= DIVERGED is 0 for what is not a number, too.
    nrg_node fell = nrg_sub(g, num(s, 1), nrg_le(g, dH, num(s, DIVERGED)));
    nrg_sampler_update(s, taken, nrg_add(g, taken, nrg_mul(g, late, alpha)));
    nrg_sampler_update(s, lost, nrg_add(g, lost, nrg_mul(g, late, fell)));
}

// Takes the end of the trajectory, or stays, bit for bit. A part of its own keeps energy and gradient for the next step.
static void settle(nrg_sampler *s, const nrg_sampler_part *p, const point *from, const point *to, nrg_node take) {
    nrg_graph *g = s->graph;
    for (int j = p->first; j < p->first + p->n; j++) {
        s->now[j] = nrg_select(g, take, to->x[j], from->x[j]);
        if (s->parts == 1) nrg_sampler_update(s, from->grad[j], nrg_select(g, take, to->grad[j], from->grad[j]));
    }
    if (s->parts == 1) nrg_sampler_update(s, from->U, nrg_select(g, take, to->U, from->U));
}

// Energy and gradient where the chain is: kept from the step before, unless other parts have moved since.
static nrg_status here(nrg_sampler *s, const nrg_sampler_part *p, point *a) {
    char name[160];
    for (int j = 0; j < s->n; j++) a->x[j] = s->now[j];
    for (int j = p->first; j < p->first + p->n; j++) {
        nrg_node grad;
        snprintf(name, sizeof name, "gradient:%s", s->model->vars.at[s->var[j]].name);
        TRY(nrg_sampler_gradient(s, j, &grad));
        a->grad[j] = s->parts > 1 ? nrg_sampler_at(s, grad, s->now)
                                  : nrg_sampler_state_new(s, name, s->shape[j], nrg_sampler_at(s, grad, s->x0));
        a->p[j] = nrg_sampler_random(s, NRG_RANDOM_NORMAL, s->shape[j]);
    }
    a->U = s->parts > 1 ? nrg_sampler_at(s, s->U, s->now)
                        : nrg_sampler_state_new(s, "energy", (nrg_shape){0}, nrg_sampler_at(s, s->U, s->x0));
    return nrg_graph_check(s->graph);
}

nrg_status nrg_trajectory_build(nrg_sampler *s, nrg_sampler_part *p, const nrg_trajectory *tr) {
    nrg_graph *g = s->graph;
    nrg_shape one = {0};
    point from, to;
    TRY(here(s, p, &from));
    nrg_node clock = nrg_sampler_state_new(s, "clock", one, num(s, 0)), t = nrg_add(g, clock, num(s, 1));
    nrg_node warm = nrg_lt(g, clock, num(s, (double)(s->warmup / 2))), late = nrg_le(g, num(s, (double)s->spec.scored), clock);
    nrg_node size = nrg_sampler_state_new(s, "step", one, num(s, tr->step > 0 ? tr->step : FIRST)), time = size;
    p->size = nrg_sampler_last(s);
    if (tr->jitter) {
        nrg_node u = nrg_sampler_random(s, NRG_RANDOM_UNIFORM, one);
        // A fixed time would return to its start on some energies; much longer steps would be unstable.
        time = nrg_mul(g, size, nrg_add(g, nrg_mul(g, u, num(s, 0.5)), num(s, 0.6)));
    }
    to = from;
    travel(s, p, &to, time, tr->leaps);
    nrg_node dH = nrg_sub(g, nrg_add(g, to.U, kinetic(s, p, &to)), nrg_add(g, from.U, kinetic(s, p, &from)));
    nrg_node sane = nrg_le(g, nrg_abs(g, dH), num(s, 1e30)); // 0 for what is not a number
    nrg_node alpha = nrg_select(g, sane, nrg_exp(g, nrg_min(g, nrg_neg(g, dH), num(s, 0))), num(s, 0));
    nrg_node take = nrg_lt(g, nrg_sampler_random(s, NRG_RANDOM_UNIFORM, one), alpha);
    settle(s, p, &from, &to, take);
    keep_score(s, p, late, alpha, dH);
    nrg_sampler_update(s, clock, t);
    nrg_sampler_update(s, size, tr->step > 0 ? size : adapt(s, tr, t, alpha, warm));
    p->temperature = 1;
    return nrg_graph_check(g);
}

static nrg_status build(nrg_sampler *s, nrg_sampler_part *p) {
    nrg_status st = NRG_OK;
    nrg_trajectory t = {.target = 0.8};
    t.leaps = (int64_t)nrg_method_arg(s->model, &p->stmt, "leapfrog", 10, &st);
    t.step = nrg_method_arg(s->model, &p->stmt, "step", 0, &st);
    t.jitter = t.step == 0;
    TRY(st);
    if (t.leaps < 1 || t.leaps > MOST_LEAPS)
        return nrg_fail(s->model->ctx, NRG_E013, p->stmt.by_span, "hmc takes 1 to %d leapfrog steps, not %lld", MOST_LEAPS, (long long)t.leaps);
    if (t.step < 0) return nrg_fail(s->model->ctx, NRG_E013, p->stmt.by_span, "step of hmc is %.6g: it must be positive", t.step);
    return nrg_trajectory_build(s, p, &t);
}

const nrg_sampler_impl nrg_sampler_hmc = {"hmc", false, NULL, build};
const nrg_method_impl nrg_infer_hmc = {"hmc", nrg_sampler_eliminates, NULL, NULL, NULL, NULL};
