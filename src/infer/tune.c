// What trajectories learn in the first half of the warm-up, each chain for itself, in the graph, so that a chain does not depend
// on its neighbours: the step size by dual averaging (Hoffman and Gelman 2014, section 3.2), and a scale for every number by
// Welford's variance over windows that double, shrunk as in Stan (reference manual, "HMC algorithm parameters"); each new scale
// starts the averaging again. In the second half a chain forgets the adapting, whose steps depend on where it has been and draw
// from a density that is a little too narrow.
#include "infer/sampler.h"
#include <math.h>

enum { FAST_FIRST = 75, WINDOW = 25, FAST_LAST = 50, LEAST = 20, WINDOWS = 32 };
static const double FIRST = 0.1, GAMMA = 0.05, DELAY = 10, KAPPA = 0.75, DIVERGED = 1000;

static nrg_node num(nrg_sampler *s, double v) { return nrg_const(s->graph, v); }
static nrg_node either(nrg_sampler *s, nrg_node when, nrg_node a, nrg_node b) { return nrg_select(s->graph, when, a, b); }
static nrg_node both(nrg_sampler *s, nrg_node a, nrg_node b) { return nrg_mul(s->graph, a, b); }

// ---- windows: numbers of the steps (from 1) before the first and at the end of each

typedef struct {
    double open, end[WINDOWS];
    int n;
} windows;

static windows cut(int64_t steps) {
    double first = FAST_FIRST, last = FAST_LAST, size = WINDOW, all = (double)steps;
    windows w = {0};
    if (steps < LEAST) return w;
    if (first + size + last > all) {
        first = floor(0.15 * all), last = floor(0.1 * all);
        size = all - first - last;
    }
    w.open = first;
    for (double end = first + size; w.n < WINDOWS; size *= 2, end += size) {
        if (end + 2 * size > all - last) end = all - last; // the next would not fit
        w.end[w.n++] = end;
        if (end == all - last) break;
    }
    return w;
}

static nrg_node among(nrg_sampler *s, nrg_node t, const windows *w) {
    nrg_node any = num(s, 0);
    for (int i = 0; i < w->n; i++) any = nrg_add(s->graph, any, nrg_eq(s->graph, t, num(s, w->end[i])));
    return any;
}

// ---- scales

static nrg_node per_var(nrg_sampler *s, int j, const char *what, double first) {
    char name[200];
    snprintf(name, sizeof name, "%s:%s", what, s->model->vars.at[s->var[j]].name);
    return nrg_sampler_state_new(s, name, s->shape[j], nrg_filled(s->graph, first, s->shape[j], NRG_SAMPLE));
}

// Welford: n numbers seen with this one, their mean and sum of squares; at the end of a window they become a scale.
static void learn_scale(nrg_sampler *s, int j, nrg_tuner *t, nrg_node x, nrg_node n, nrg_node in, nrg_node end) {
    nrg_graph *g = s->graph;
    nrg_node mean = per_var(s, j, "mean", 0), sum = per_var(s, j, "spread", 0), zero = num(s, 0);
    nrg_node off = nrg_sub(g, x, mean), moved = nrg_add(g, mean, nrg_div(g, off, nrg_max(g, n, num(s, 1))));
    nrg_node total = nrg_add(g, sum, nrg_mul(g, off, nrg_sub(g, x, moved)));
    nrg_node share = nrg_recip(g, nrg_add(g, n, num(s, 5)));
    nrg_node var = nrg_div(g, total, nrg_max(g, nrg_sub(g, n, num(s, 1)), num(s, 1)));
    var = nrg_add(g, nrg_mul(g, nrg_mul(g, n, share), var), nrg_mul(g, num(s, 5e-3), share));
    nrg_sampler_update(s, t->scale[j], either(s, end, nrg_sqrt(g, var), t->scale[j]));
    nrg_sampler_update(s, mean, either(s, end, zero, either(s, in, moved, mean)));
    nrg_sampler_update(s, sum, either(s, end, zero, either(s, in, total, sum)));
}

static void learn_scales(nrg_sampler *s, const nrg_sampler_part *p, nrg_tuner *t, const windows *w, const nrg_node *x, nrg_node done,
                         nrg_node end) {
    nrg_graph *g = s->graph;
    nrg_node seen = nrg_sampler_state_new(s, "seen", (nrg_shape){0}, num(s, 0)), n = nrg_add(g, seen, num(s, 1));
    nrg_node in = both(s, nrg_lt(g, num(s, w->open), t->now), nrg_le(g, t->now, num(s, w->end[w->n - 1])));
    in = both(s, in, done);
    for (int j = p->first; j < p->first + p->n; j++) learn_scale(s, j, t, x[j], n, in, end);
    nrg_sampler_update(s, seen, either(s, end, num(s, 0), either(s, in, n, seen)));
}

// ---- step size

// Between walls, where the energy hardly slopes, steps of any size are taken: several widths are enough. Else there is no bound.
static double longest(const nrg_sampler *s, const nrg_sampler_part *p) {
    double width = 0;
    for (int j = p->first; j < p->first + p->n; j++) {
        const nrg_var *v = &s->model->vars.at[s->var[j]];
        const nrg_domain *d = &v->domain;
        if (v->elem == NRG_REAL) width = fmax(width, d->kind == NRG_DOM_RANGE ? d->hi - d->lo : INFINITY);
    }
    return 4 * width;
}

// From the acceptance `alpha` of a step that is done: the step size of the next.
static nrg_node learn_step(nrg_sampler *s, const nrg_sampler_part *p, nrg_tuner *t, nrg_node alpha, nrg_node done, nrg_node end) {
    nrg_graph *g = s->graph;
    nrg_shape one = {0};
    nrg_node mean = nrg_sampler_state_new(s, "logmean", one, num(s, log(FIRST))),
             error = nrg_sampler_state_new(s, "error", one, num(s, 0)), count = nrg_sampler_state_new(s, "tuned", one, num(s, 0)),
             aim = nrg_sampler_state_new(s, "aim", one, num(s, log(10 * FIRST)));
    nrg_node n = nrg_add(g, count, num(s, 1)), share = nrg_recip(g, nrg_add(g, n, num(s, DELAY)));
    nrg_node miss = nrg_add(g, nrg_mul(g, nrg_sub(g, num(s, 1), share), error),
                            nrg_mul(g, share, nrg_sub(g, num(s, t->how.target), alpha)));
    nrg_node next = nrg_sub(g, aim, nrg_mul(g, nrg_mul(g, nrg_sqrt(g, n), num(s, 1 / GAMMA)), miss));
    double most = longest(s, p);
    if (isfinite(most) && most > 0) next = nrg_min(g, next, num(s, log(most)));
    nrg_node weight = nrg_pow(g, n, num(s, -KAPPA));
    nrg_node average = nrg_add(g, nrg_mul(g, weight, next), nrg_mul(g, nrg_sub(g, num(s, 1), weight), mean));
    nrg_node on = both(s, t->warm, done), zero = num(s, 0);
    average = either(s, on, average, mean);
    nrg_sampler_update(s, count, either(s, end, zero, either(s, on, n, count)));
    nrg_sampler_update(s, error, either(s, end, zero, either(s, on, miss, error)));
    nrg_sampler_update(s, aim, either(s, end, nrg_add(g, average, num(s, log(10))), aim));
    nrg_sampler_update(s, mean, average);
    // The step after a window's end takes the average so far, as does every step after the last that adapts.
    nrg_node more = both(s, nrg_lt(g, t->now, num(s, (double)(s->warmup / 2))), nrg_sub(g, num(s, 1), end));
    return either(s, done, nrg_exp(g, either(s, more, next, average)), t->size);
}

// ---- the two halves of a build

// Read from the store, where they stay as they are through a run: pace.c learns them between runs.
static nrg_status paced(nrg_sampler *s, nrg_sampler_part *p, nrg_tuner *t) {
    nrg_graph *g = s->graph;
    if (!(p->size = nrg_arena_print(&s->arena, "%s:%d:size", s->spec.prefix, s->at))) return NRG_E098;
    t->size = nrg_input(g, p->size, NRG_SAMPLE, (nrg_shape){0});
    p->target = t->how.target;
    p->longest = longest(s, p);
    p->scaled = t->how.scaled;
    for (int j = p->first; p->scaled && j < p->first + p->n; j++) {
        const char *name = nrg_arena_print(&s->arena, "%s:%d:scale:%s", s->spec.prefix, s->at, s->model->vars.at[s->var[j]].name);
        if (!name) return NRG_E098;
        t->scale[j] = nrg_input(g, name, NRG_SAMPLE, s->shape[j]);
    }
    return nrg_graph_check(g);
}

nrg_status nrg_tune_open(nrg_sampler *s, nrg_sampler_part *p, const nrg_tuning *how, nrg_tuner *t) {
    nrg_graph *g = s->graph;
    nrg_shape one = {0};
    *t = (nrg_tuner){.how = *how};
    t->clock = nrg_sampler_state_new(s, "clock", one, num(s, 0));
    t->now = nrg_add(g, t->clock, num(s, 1));
    t->warm = nrg_lt(g, t->clock, num(s, (double)(s->warmup / 2)));
    t->late = nrg_le(g, num(s, (double)s->spec.scored), t->clock);
    if (s->spec.paced && how->step <= 0) return paced(s, p, t);
    t->size = nrg_sampler_state_new(s, "step", one, num(s, how->step > 0 ? how->step : FIRST));
    p->size = nrg_sampler_last(s);
    bool scaled = how->step <= 0 && how->scaled && cut(s->warmup / 2).n;
    for (int j = p->first; scaled && j < p->first + p->n; j++) t->scale[j] = per_var(s, j, "scale", 1);
    return nrg_graph_check(g);
}

nrg_node nrg_tune_scaled(nrg_sampler *s, const nrg_tuner *t, int j, nrg_node x) {
    return t->scale[j].i ? nrg_mul(s->graph, t->scale[j], x) : x;
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

nrg_status nrg_tune_close(nrg_sampler *s, nrg_sampler_part *p, nrg_tuner *t, const nrg_node *x, nrg_node done, nrg_node alpha, nrg_node dH) {
    nrg_graph *g = s->graph;
    windows w = cut(s->warmup / 2);
    if (!done.i) done = num(s, 1);
    keep_score(s, p, both(s, t->late, done), alpha, dH);
    nrg_sampler_update(s, t->clock, either(s, done, t->now, t->clock));
    if (p->target > 0) return nrg_graph_check(g);
    if (t->how.step > 0) {
        nrg_sampler_update(s, t->size, t->size);
        return nrg_graph_check(g);
    }
    bool scaled = t->scale[p->first].i != 0;
    nrg_node end = scaled ? both(s, among(s, t->now, &w), done) : num(s, 0);
    if (scaled) learn_scales(s, p, t, &w, x, done, end);
    nrg_sampler_update(s, t->size, learn_step(s, p, t, alpha, done, end));
    return nrg_graph_check(g);
}

nrg_status nrg_score_keep(nrg_sampler *s, nrg_sampler_part *p, nrg_node alpha) {
    nrg_graph *g = s->graph;
    nrg_shape one = {0};
    nrg_node clock = nrg_sampler_state_new(s, "clock", one, num(s, 0)), taken = nrg_sampler_state_new(s, "accepted", one, num(s, 0));
    p->accepted = nrg_sampler_last(s);
    nrg_node late = nrg_le(g, num(s, (double)s->spec.scored), clock);
    alpha = nrg_select(g, nrg_le(g, num(s, 0), alpha), alpha, num(s, 0)); // not a number: nothing was taken
    nrg_sampler_update(s, taken, nrg_add(g, taken, nrg_mul(g, late, alpha)));
    nrg_sampler_update(s, clock, nrg_add(g, clock, num(s, 1)));
    return nrg_graph_check(g);
}
