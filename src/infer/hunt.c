// The lowest answers outside a sphere around the right one, by projected descent from several starts: approximate. A start moves along
// its own slope by a length that grows while the cost falls and shrinks when it would rise, so nothing needs to be tuned; half of the
// starts lie around the sphere, half in the domain.
#include "infer/inside.h"
#include <math.h>

typedef struct {
    nrg_leads leads, starts;
    int64_t steps;
    int n;
    int32_t var[NRG_MAX_VARS];
    const char *at[NRG_MAX_VARS], *trial[NRG_MAX_VARS], *slope[NRG_MAX_VARS]; // best so far; looked at next; gradient at the best
    int64_t count[NRG_MAX_VARS];
    nrg_node truth[NRG_MAX_VARS]; // in the loop's graph
    nrg_node radius;
    const char *cost, *length; // at the best; of the next move
} hunt;

// ---- outside the sphere

static nrg_node distance(nrg_graph *g, const hunt *h, const nrg_node *x) {
    nrg_node sum = nrg_const(g, 0);
    for (int k = 0; k < h->n; k++) sum = nrg_add(g, sum, nrg_sum_all(g, nrg_square(g, nrg_sub(g, x[k], h->truth[k]))));
    return nrg_sqrt(g, sum);
}

static void project(nrg_inference *in, const hunt *h, nrg_node *x) {
    nrg_graph *g = in->graph;
    for (int k = 0; k < h->n; k++) x[k] = nrg_project(g, &in->model->vars.at[h->var[k]].domain, x[k]);
    nrg_node far = nrg_max(g, distance(g, h, x), nrg_const(g, 1e-20));
    nrg_node rim = nrg_mul(g, h->radius, nrg_const(g, 1 + 1e-5)); // rounding must not put it inside
    nrg_node out = nrg_max(g, nrg_div(g, rim, far), nrg_const(g, 1));
    for (int k = 0; k < h->n; k++) {
        x[k] = nrg_add(g, h->truth[k], nrg_mul(g, nrg_sub(g, x[k], h->truth[k]), out));
        x[k] = nrg_project(g, &in->model->vars.at[h->var[k]].domain, x[k]);
    }
}

// ---- starts

static nrg_node draw(nrg_inference *in, const hunt *h, nrg_random_kind kind, int k, uint32_t what, nrg_shape s) {
    uint32_t purpose = NRG_FOR_DATA + 16u * (4u * (uint32_t)(h->var[k] + 1) + what);
    return nrg_random(in->graph, nrg_iota_lead(in->graph, h->starts), kind, purpose, s);
}

static nrg_node fraction(nrg_graph *g, nrg_node x) { return nrg_sub(g, x, nrg_floor(g, x)); }

// Even over the box whatever the number of starts: multiples of irrational numbers, one for each coordinate, from a random place.
static nrg_node even(nrg_inference *in, const hunt *h, int k, nrg_shape s) {
    nrg_graph *g = in->graph;
    const nrg_domain *d = &in->model->vars.at[h->var[k]].domain;
    nrg_node place = nrg_add(g, nrg_iota(g, nrg_shape_count(&s)), nrg_const(g, 1 + 7 * k));
    nrg_node pace = nrg_reshape(g, fraction(g, nrg_mul(g, place, nrg_const(g, 0.61803398875))), s);
    uint32_t purpose = NRG_FOR_DATA + 16u * (4u * (uint32_t)(h->var[k] + 1) + 2);
    nrg_node from = nrg_random(g, nrg_const(g, 0), NRG_RANDOM_UNIFORM, purpose, s);
    nrg_node at = fraction(g, nrg_add(g, nrg_mul(g, nrg_iota_lead(g, h->starts), pace), from));
    return nrg_add(g, nrg_mul(g, at, nrg_const(g, d->hi - d->lo)), nrg_const(g, d->lo));
}

static nrg_status start(nrg_inference *in, const hunt *h, nrg_node *x) {
    nrg_graph *g = in->graph;
    nrg_node first = nrg_lt(g, nrg_iota_lead(g, h->starts), nrg_const(g, 0.5 * (double)nrg_lead_extent(g, h->starts)));
    nrg_node way[NRG_MAX_VARS], sum = nrg_const(g, 1e-20);
    nrg_status st = NRG_OK;
    for (int k = 0; k < h->n; k++) {
        way[k] = draw(in, h, NRG_RANDOM_NORMAL, k, 0, nrg_var_event(in, h->var[k], &st));
        sum = nrg_add(g, sum, nrg_sum_all(g, nrg_square(g, way[k])));
    }
    nrg_node far = nrg_add(g, nrg_mul(g, draw(in, h, NRG_RANDOM_UNIFORM, 0, 1, (nrg_shape){0}), nrg_const(g, 2)), nrg_const(g, 1));
    nrg_node scale = nrg_div(g, nrg_mul(g, h->radius, far), nrg_sqrt(g, sum));
    for (int k = 0; k < h->n; k++) {
        const nrg_domain *d = &in->model->vars.at[h->var[k]].domain;
        bool box = d->kind == NRG_DOM_RANGE && !isinf(d->lo) && !isinf(d->hi);
        nrg_node near = nrg_add(g, h->truth[k], nrg_mul(g, way[k], scale)), wide;
        if (box) wide = even(in, h, k, nrg_var_event(in, h->var[k], &st));
        else wide = nrg_add(g, h->truth[k], draw(in, h, NRG_RANDOM_NORMAL, k, 2, nrg_var_event(in, h->var[k], &st)));
        x[k] = nrg_spread(g, nrg_select(g, first, near, wide), h->leads | h->starts);
    }
    project(in, h, x);
    return st;
}

// ---- the loop

static nrg_status names(nrg_inference *i, hunt *h, nrg_vars over) {
    nrg_status st = NRG_OK;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!(over >> v & 1)) continue;
        nrg_vars one = (nrg_vars)1 << v;
        nrg_shape s = nrg_var_event(i, v, &st);
        TRY(st);
        h->var[h->n] = v;
        h->count[h->n] = nrg_shape_count(&s);
        h->at[h->n] = nrg_loop_name(i, "offender", one);
        h->trial[h->n] = nrg_loop_name(i, "trial", one);
        h->slope[h->n] = nrg_loop_name(i, "slope", one);
        if (!h->at[h->n] || !h->trial[h->n] || !h->slope[h->n]) return NRG_E098;
        h->n++;
    }
    h->cost = nrg_loop_name(i, "cost", over);
    h->length = nrg_loop_name(i, "length", over);
    return h->cost && h->length ? NRG_OK : NRG_E098;
}

// The cost and its slopes at the trials. Where the sphere is entered the cost is infinite.
static nrg_status look(nrg_loop *l, const hunt *h, const nrg_hunt *spec, const nrg_graph *outer, const nrg_node *x, nrg_node *cost, nrg_node *slope) {
    nrg_inference *in = l->inner;
    nrg_graph *g = l->graph;
    nrg_chain *c = NRG_NEW(&in->arena, nrg_chain);
    nrg_node F;
    if (!c) return NRG_E098;
    for (int k = 0; k < h->n; k++) nrg_scope_bind(in->scope, h->var[k], x[k]);
    TRY(nrg_chain_make(in, spec->data, 0, NRG_MINIMIZE, spec->over, c));
    TRY(nrg_chain_energy(c, 0, &F));
    for (int k = 0; k < h->n; k++) nrg_scope_bind(in->scope, h->var[k], x[k]);
    *cost = F;
    if (spec->cost) TRY(spec->cost(spec->ud, in->scope, outer, F, cost));
    *cost = nrg_spread(g, *cost, h->leads | h->starts);
    TRY(nrg_grad(g, *cost, NRG_BAD, x, h->n, slope));
    nrg_node inside = nrg_lt(g, distance(g, h, x), h->radius);
    *cost = nrg_select(g, inside, nrg_const(g, INFINITY), *cost);
    return nrg_graph_check(g);
}

static void put(nrg_graph *g, nrg_update *up, int *n, nrg_node state, nrg_node value) {
    up[(*n)++] = (nrg_update){state, nrg_spread(g, value, nrg_graph_node(g, state)->leads)};
}

static nrg_status plans(nrg_inference *i, nrg_loop *l, const nrg_update *first, int firsts, const nrg_update *up, int n) {
    nrg_plan_spec spec = {.graph = l->graph, .updates = first, .updates_n = firsts, .batch = i->options.batch};
    TRY(nrg_graph_check(l->graph));
    TRY(nrg_plan_make(i->ctx, &spec, &l->start));
    spec.updates = up;
    spec.updates_n = n;
    TRY(nrg_plan_make(i->ctx, &spec, &l->plan));
    TRY(nrg_run_new(i->ctx, l->start, i->options.threads, &l->first));
    return nrg_run_new(i->ctx, l->plan, i->options.threads, &l->run);
}

static nrg_status build(nrg_inference *i, nrg_loop *l, hunt *h, const nrg_hunt *spec) {
    nrg_graph *g = l->graph;
    nrg_leads leads = h->leads | h->starts;
    nrg_node at[NRG_MAX_VARS], x[NRG_MAX_VARS], old[NRG_MAX_VARS], slope[NRG_MAX_VARS], begin[NRG_MAX_VARS], next[NRG_MAX_VARS], now;
    nrg_node cost = nrg_input(g, h->cost, leads, (nrg_shape){0}), length = nrg_input(g, h->length, leads, (nrg_shape){0});
    nrg_update up[3 * NRG_MAX_VARS + 2], first[3 * NRG_MAX_VARS + 2];
    int n = 0, firsts = 0;
    for (int k = 0; k < h->n; k++) {
        nrg_shape s = nrg_graph_node(g, h->truth[k])->shape;
        at[k] = nrg_input(g, h->at[k], leads, s);
        x[k] = nrg_input(g, h->trial[k], leads, s);
        old[k] = nrg_input(g, h->slope[k], leads, s);
    }
    TRY(look(l, h, spec, i->graph, x, &now, slope));
    nrg_node better = nrg_lt(g, now, cost), sum = nrg_const(g, 1e-30);
    nrg_node move = nrg_mul(g, length, nrg_select(g, better, nrg_const(g, 1.3), nrg_const(g, 0.5)));
    for (int k = 0; k < h->n; k++) {
        slope[k] = nrg_select(g, better, slope[k], old[k]);
        sum = nrg_add(g, sum, nrg_sum_all(g, nrg_square(g, slope[k])));
    }
    nrg_node per = nrg_div(g, move, nrg_sqrt(g, sum));
    for (int k = 0; k < h->n; k++) {
        nrg_node best = nrg_select(g, better, x[k], at[k]);
        put(g, up, &n, at[k], best);
        put(g, up, &n, old[k], slope[k]);
        next[k] = nrg_sub(g, best, nrg_mul(g, per, slope[k]));
    }
    project(l->inner, h, next);
    for (int k = 0; k < h->n; k++) put(g, up, &n, x[k], next[k]);
    put(g, up, &n, cost, nrg_select(g, better, now, cost));
    put(g, up, &n, length, move);
    TRY(start(l->inner, h, begin));
    for (int k = 0; k < h->n; k++) {
        put(g, first, &firsts, at[k], begin[k]);
        put(g, first, &firsts, x[k], begin[k]);
    }
    put(g, first, &firsts, cost, nrg_const(g, INFINITY));
    put(g, first, &firsts, length, nrg_max(g, h->radius, nrg_const(g, 0.01)));
    return plans(i, l, first, firsts, up, n);
}

static nrg_status step(nrg_inference *i, nrg_loop *l, nrg_store *s, int64_t n, uint64_t seed, uint32_t at) {
    const hunt *h = l->own;
    int64_t many = nrg_leads_count(i->graph, h->leads | h->starts) * (h->leads & NRG_SAMPLE ? n : 1);
    bool deep = nrg_inference_loops(l->inner);
    void *data;
    for (int k = 0; k < h->n; k++) {
        TRY(nrg_store_make(s, h->at[k], h->count[k] * many, &data));
        TRY(nrg_store_make(s, h->trial[k], h->count[k] * many, &data));
        TRY(nrg_store_make(s, h->slope[k], h->count[k] * many, &data));
    }
    TRY(nrg_store_make(s, h->cost, many, &data));
    TRY(nrg_store_make(s, h->length, many, &data));
    nrg_store_bind_known(s, l->graph, l->first);
    TRY(nrg_run_go(l->first, n, 1, seed, at));
    if (!deep) {
        TRY(nrg_store_bind(s, l->graph, l->run));
        return nrg_run_go(l->run, n, h->steps + 1, seed, at);
    }
    for (int64_t t = 0; t <= h->steps; t++) {
        TRY(nrg_inference_go(l->inner, s, n, seed, at));
        TRY(nrg_store_bind(s, l->graph, l->run));
        TRY(nrg_run_go(l->run, n, 1, seed, at));
    }
    return NRG_OK;
}

static const nrg_method_impl impl = {.name = "descent outside a sphere", .step = step};

// The best start of each sample, in the outer graph.
static nrg_status result(nrg_inference *i, const hunt *h, nrg_node *value, nrg_node *found, nrg_node *cost) {
    nrg_graph *g = i->graph;
    nrg_leads leads = h->leads | h->starts;
    nrg_node all = nrg_input(g, h->cost, leads, (nrg_shape){0});
    nrg_node index = nrg_reduce(g, NRG_OP_argmin, all, 0, h->starts, false);
    *cost = nrg_reduce(g, NRG_OP_rmin, all, 0, h->starts, false);
    *found = nrg_lt(g, *cost, nrg_const(g, INFINITY));
    for (int k = 0; k < h->n; k++) {
        nrg_status st = NRG_OK;
        nrg_node x = nrg_input(g, h->at[k], leads, nrg_var_event(i, h->var[k], &st));
        TRY(st);
        value[h->var[k]] = nrg_stop(g, nrg_take(g, nrg_lower(g, x, h->starts, 0), index));
    }
    return nrg_graph_check(g);
}

bool nrg_infer_listable(const nrg_inference *i, nrg_vars over, bool any) {
    int64_t numbers = 0;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        const nrg_var *var = &i->model->vars.at[v];
        const nrg_infer_stmt *st = nrg_model_infer(i->model, NRG_MINIMIZE, v);
        const nrg_domain *d = &var->domain;
        nrg_shape s;
        if (!(over >> v & 1) || var->elem != NRG_REAL) continue;
        if (nrg_var_shape(i->model, v, &s) != NRG_OK || d->kind != NRG_DOM_RANGE || isinf(d->lo) || isinf(d->hi)) return false;
        bool descent = st && st->written && (st->method == NRG_BY_gradient || st->method == NRG_BY_lbfgs);
        if (descent && !any) return false;
        numbers += nrg_shape_count(&s);
    }
    return numbers <= (any ? 2 : 3);
}

nrg_status nrg_infer_hunt(nrg_inference *i, const nrg_hunt *spec, nrg_node *value, nrg_node *found, nrg_node *cost) {
    nrg_loop *l;
    hunt *h = NRG_NEW(&i->arena, hunt);
    if (!h) return NRG_E098;
    h->steps = spec->steps;
    h->starts = nrg_lead_new(i->graph, "start", spec->starts);
    TRY(names(i, h, spec->over));
    for (int k = 0; k < h->n; k++) h->leads |= nrg_graph_node(i->graph, nrg_scope_bound(i->scope, h->var[k]))->leads;
    h->leads |= nrg_leads_bound(i, spec->over | ~spec->data);
    TRY(nrg_loop_new(i, &impl, &l));
    l->own = h;
    for (int k = 0; k < h->n; k++) h->truth[k] = nrg_scope_bound(l->scope, h->var[k]);
    h->radius = nrg_input(l->graph, spec->outside, 0, (nrg_shape){0});
    TRY(build(i, l, h, spec));
    TRY(result(i, h, value, found, cost));
    return nrg_infer_say(i, "wrong answers: descent from %lld starts, %lld steps, approximate", (long long)spec->starts, (long long)spec->steps);
}
