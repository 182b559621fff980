// The no-U-turn sampler (Hoffman and Gelman 2014) with multinomial weights (Betancourt 2017), without recursion: the leaves of a
// subtree come one after the other, and momenta at the left edges of its own subtrees are kept, one for each depth (Phan, Pradhan
// and Jankowiak 2019). One run of the step graph is one leapfrog step of every chain, each in a tree of its own: who has ended a
// trajectory begins the next, so none waits for its neighbours until all have taken the steps that were asked for.
#include "infer/sampler.h"
#include <math.h>

enum { MOST_DEPTH = 12, DEPTH = 10 };
static const double DIVERGED = 1000, LIGHT = -1e30; // log weight of what is not finite

// A point: place, momentum and gradient as flat vectors, energy.
typedef struct {
    nrg_node x, p, grad, U;
} point;

typedef struct {
    nrg_sampler *s;
    nrg_sampler_part *part;
    nrg_graph *g;
    nrg_tuner tune;
    nrg_node active; // 1: steps are left to take
    int depth;
    int64_t size;    // numbers of all variables
    nrg_shape flat, none;
    nrg_node scale;  // flat; bad: 1
} tree;

// What a chain keeps.
typedef struct {
    nrg_node left, stale, leaf, level, way, H0, alpha, leaps;
    point end[2];                 // of the tree: before, after
    point best, sub;              // proposals of tree and subtree; best.x is the variables themselves
    nrg_node weight, sub_weight;  // logarithms
    nrg_node sum, sub_sum;        // of momenta
    nrg_node edge_p, edge_sum;    // [depth, size]
} memory;

static nrg_node num(const tree *t, double v) { return nrg_const(t->g, v); }
static nrg_node either(const tree *t, nrg_node when, nrg_node a, nrg_node b) { return nrg_select(t->g, when, a, b); }
static nrg_node both(const tree *t, nrg_node a, nrg_node b) { return nrg_mul(t->g, a, b); }
static nrg_node no(const tree *t, nrg_node a) { return nrg_sub(t->g, num(t, 1), a); }
static nrg_node any(const tree *t, nrg_node a, nrg_node b) { return nrg_max(t->g, a, b); }
static nrg_node state(const tree *t, const char *name, nrg_shape shape, double first) {
    return nrg_sampler_state_new(t->s, name, shape, nrg_filled(t->g, first, shape, NRG_SAMPLE));
}
static void keep(const tree *t, nrg_node state, nrg_node value) { nrg_sampler_update(t->s, state, either(t, t->active, value, state)); }
static nrg_node dot(const tree *t, nrg_node a, nrg_node b) { // along the last axis
    int32_t rank = nrg_graph_node(t->g, a)->shape.rank;
    return rank ? nrg_reduce(t->g, NRG_OP_sum, nrg_mul(t->g, a, b), 1u << (rank - 1), 0, false) : NRG_BAD; // bad: without memory
}
static nrg_node log_add(const tree *t, nrg_node a, nrg_node b) {
    nrg_node top = nrg_max(t->g, a, b), low = nrg_min(t->g, a, b);
    return nrg_add(t->g, top, nrg_softplus(t->g, nrg_sub(t->g, low, top)));
}

// ---- variables as one flat vector

static nrg_node flatten(const tree *t, const nrg_node *x) {
    nrg_node out = NRG_BAD;
    for (int j = t->part->first; j < t->part->first + t->part->n; j++) {
        int64_t n = nrg_shape_count(&t->s->shape[j]);
        nrg_node one = nrg_reshape(t->g, nrg_spread(t->g, x[j], NRG_SAMPLE), nrg_shape_of(1, &n));
        out = out.i ? nrg_concat(t->g, out, one, 0) : one;
    }
    return out;
}

static void split(const tree *t, nrg_node flat, nrg_node *x) {
    int64_t at = 0;
    for (int j = t->part->first; j < t->part->first + t->part->n; j++) {
        int64_t n = nrg_shape_count(&t->s->shape[j]);
        x[j] = nrg_reshape(t->g, t->part->n > 1 ? nrg_slice(t->g, flat, 0, at, n, 1) : flat, t->s->shape[j]);
        at += n;
    }
}

static nrg_node scaled(const tree *t, nrg_node x) { return t->scale.i ? nrg_mul(t->g, t->scale, x) : x; }

// Walls turn the path, and the momentum with it.
static void reflect(const tree *t, point *a) {
    nrg_node x[NRG_MAX_VARS], flip[NRG_MAX_VARS];
    bool walls = false;
    split(t, a->x, x);
    for (int j = t->part->first; j < t->part->first + t->part->n; j++) {
        nrg_node turned = NRG_BAD;
        x[j] = nrg_reflect(t->g, &t->s->model->vars.at[t->s->var[j]].domain, x[j], &turned);
        flip[j] = turned.i ? turned : nrg_filled(t->g, 1, t->s->shape[j], NRG_SAMPLE);
        walls = walls || turned.i;
    }
    if (!walls) return;
    a->x = flatten(t, x);
    a->p = nrg_mul(t->g, a->p, flatten(t, flip));
}

static nrg_status look(const tree *t, point *a) {
    nrg_node x[NRG_MAX_VARS], grad[NRG_MAX_VARS];
    split(t, a->x, x);
    for (int j = 0; j < t->s->n; j++) {
        TRY(nrg_sampler_gradient(t->s, j, &grad[j]));
        grad[j] = nrg_sampler_at(t->s, grad[j], x);
    }
    a->grad = flatten(t, grad);
    a->U = nrg_spread(t->g, nrg_sampler_at(t->s, t->s->U, x), NRG_SAMPLE);
    return nrg_graph_check(t->g);
}

static nrg_node total(const tree *t, const point *a) { return nrg_add(t->g, a->U, nrg_mul(t->g, dot(t, a->p, a->p), num(t, 0.5))); }

// ---- U-turns

// Between momenta a and b, with the sum of all from one to the other: does either point back?
static nrg_node turns(const tree *t, nrg_node a, nrg_node b, nrg_node sum) {
    nrg_graph *g = t->g;
    nrg_node inner = nrg_sub(g, sum, nrg_mul(g, nrg_add(g, a, b), num(t, 0.5)));
    return any(t, nrg_le(g, dot(t, inner, a), num(t, 0)), nrg_le(g, dot(t, inner, b), num(t, 0)));
}

static nrg_node powers(const tree *t, double first) { // [depth]: first, first / 2, ...
    nrg_node out = NRG_BAD;
    int64_t one = 1;
    for (int i = 0; i < t->depth; i++) {
        nrg_node x = nrg_reshape(t->g, num(t, ldexp(first, -i)), nrg_shape_of(1, &one));
        out = out.i ? nrg_concat(t->g, out, x, 0) : x;
    }
    return out;
}

// Leaf number n: where its momentum is kept when n is even; which edges close with it when n is odd (a range of places).
static void places(const tree *t, nrg_node n, nrg_node *even, nrg_node *at, nrg_node *lowest) {
    nrg_graph *g = t->g;
    nrg_node whole = nrg_floor(g, nrg_mul(g, n, powers(t, 0.5)));           // n >> 1, n >> 2, ...
    nrg_node bits = nrg_sub(g, whole, nrg_mul(g, nrg_floor(g, nrg_mul(g, n, powers(t, 0.25))), num(t, 2)));
    nrg_node next = nrg_mul(g, nrg_add(g, n, num(t, 1)), powers(t, 0.5));
    *at = nrg_sum_all(g, bits);
    *lowest = nrg_sub(g, nrg_add(g, *at, num(t, 1)), nrg_sum_all(g, nrg_eq(g, next, nrg_floor(g, next)))); // less trailing ones of n
    nrg_node half = nrg_mul(g, n, num(t, 0.5));
    *even = nrg_eq(g, half, nrg_floor(g, half));
}

static nrg_node column(const tree *t, nrg_node x) { // [depth] -> [depth, 1]
    int64_t dim[2] = {t->depth, 1};
    return nrg_reshape(t->g, x, nrg_shape_of(2, dim));
}

// Keeps the edge, or looks whether a subtree that closes here has turned.
static nrg_node check_edges(const tree *t, const memory *m, nrg_node p, nrg_node sum) {
    nrg_graph *g = t->g;
    nrg_node even, at, lowest, place = nrg_iota(g, t->depth);
    places(t, m->leaf, &even, &at, &lowest);
    nrg_node here = column(t, both(t, nrg_eq(g, place, at), even));
    nrg_node closes = both(t, both(t, nrg_le(g, lowest, place), nrg_le(g, place, at)), no(t, even));
    nrg_node span = nrg_add(g, nrg_sub(g, sum, m->edge_sum), m->edge_p);
    nrg_node turned = both(t, turns(t, m->edge_p, p, span), closes);
    keep(t, m->edge_p, either(t, here, p, m->edge_p));
    keep(t, m->edge_sum, either(t, here, sum, m->edge_sum));
    return nrg_reduce(g, NRG_OP_rmax, turned, 1, 0, false);
}

// ---- one leapfrog step

static point at_end(const tree *t, const memory *m) {
    nrg_node after = nrg_lt(t->g, num(t, 0), m->way);
    const point *a = m->end;
    return (point){either(t, after, a[1].x, a[0].x), either(t, after, a[1].p, a[0].p), either(t, after, a[1].grad, a[0].grad), NRG_BAD};
}

static nrg_status leap(const tree *t, const memory *m, point *a) {
    nrg_graph *g = t->g;
    nrg_node time = nrg_mul(g, t->tune.size, m->way), half = nrg_mul(g, time, num(t, 0.5));
    *a = at_end(t, m);
    a->p = nrg_sub(g, a->p, nrg_mul(g, half, scaled(t, a->grad)));
    a->x = nrg_add(g, a->x, nrg_mul(g, time, scaled(t, a->p)));
    reflect(t, a);
    a->x = either(t, m->stale, m->best.x, a->x); // energy and gradient are not known there yet
    TRY(look(t, a));
    a->p = nrg_sub(g, a->p, nrg_mul(g, half, scaled(t, a->grad)));
    return NRG_OK;
}

static point choose(const tree *t, nrg_node when, const point *a, const point *b) {
    return (point){either(t, when, a->x, b->x), NRG_BAD, either(t, when, a->grad, b->grad), either(t, when, a->U, b->U)};
}

static void keep_ends(const tree *t, const memory *m, const point *now, nrg_node begin, const point *first) {
    for (int e = 0; e < 2; e++) {
        nrg_node mine = e ? nrg_lt(t->g, num(t, 0), m->way) : nrg_lt(t->g, m->way, num(t, 0));
        keep(t, m->end[e].x, either(t, begin, first->x, either(t, mine, now->x, m->end[e].x)));
        keep(t, m->end[e].p, either(t, begin, first->p, either(t, mine, now->p, m->end[e].p)));
        keep(t, m->end[e].grad, either(t, begin, first->grad, either(t, mine, now->grad, m->end[e].grad)));
    }
}

static nrg_node edge(const tree *t, const memory *m, const point *now, int e) { // momentum at an end of the tree after this leaf
    nrg_node mine = e ? nrg_lt(t->g, num(t, 0), m->way) : nrg_lt(t->g, m->way, num(t, 0));
    return either(t, mine, now->p, m->end[e].p);
}

static nrg_node uniform(const tree *t) { return nrg_sampler_random(t->s, NRG_RANDOM_UNIFORM, t->none); }

static nrg_status advance(tree *t, memory *m) {
    nrg_graph *g = t->g;
    point now;
    TRY(leap(t, m, &now));
    nrg_node dH = nrg_sub(g, total(t, &now), m->H0), sane = nrg_le(g, nrg_abs(g, dH), num(t, 1e30)), zero = num(t, 0);
    nrg_node fell = no(t, nrg_le(g, dH, num(t, DIVERGED))), first = nrg_eq(g, m->leaf, zero);
    nrg_node w = either(t, sane, nrg_neg(g, dH), num(t, LIGHT));
    nrg_node alpha = nrg_add(g, m->alpha, nrg_exp(g, nrg_min(g, w, zero))), leaps = nrg_add(g, m->leaps, num(t, 1));
    // the subtree takes the leaf in, and as its proposal with the share of its weight
    nrg_node sub_w = either(t, first, w, log_add(t, m->sub_weight, w));
    nrg_node sub_sum = nrg_add(g, now.p, either(t, first, zero, m->sub_sum));
    point sub = choose(t, any(t, first, nrg_lt(g, uniform(t), nrg_exp(g, nrg_sub(g, w, sub_w)))), &now, &m->sub);
    nrg_node fail = any(t, fell, check_edges(t, m, now.p, sub_sum));
    // the tree takes the whole subtree in, and its proposal by the ratio of weights
    nrg_node count = nrg_add(g, m->leaf, num(t, 1)), full = num(t, 0);
    for (int i = 0; i < t->depth; i++) full = nrg_add(g, full, both(t, nrg_eq(g, m->level, num(t, i)), nrg_eq(g, count, num(t, ldexp(1, i)))));
    nrg_node joined = both(t, full, no(t, fail));
    nrg_node swap = both(t, joined, nrg_lt(g, uniform(t), nrg_exp(g, nrg_min(g, nrg_sub(g, sub_w, m->weight), zero))));
    point best = choose(t, swap, &sub, &m->best);
    nrg_node sum = nrg_add(g, m->sum, sub_sum), level = nrg_add(g, m->level, num(t, 1));
    nrg_node end = any(t, turns(t, edge(t, m, &now, 0), edge(t, m, &now, 1), sum), nrg_le(g, num(t, t->depth), level));
    nrg_node fresh = no(t, m->stale), done = both(t, both(t, any(t, fail, both(t, joined, end)), fresh), t->active);
    // the next trajectory: from the proposal, or from where the chain was put
    bool kept = !t->s->spec.heated;
    nrg_node begin = kept ? any(t, m->stale, done) : m->stale;
    best = choose(t, m->stale, &now, &best);
    point begun = best;
    begun.p = nrg_sampler_random(t->s, NRG_RANDOM_NORMAL, t->flat);
    nrg_node again = any(t, begin, done);
    keep_ends(t, m, &now, begin, &begun);
    keep(t, m->stale, kept ? zero : done);
    keep(t, m->left, nrg_sub(g, m->left, done));
    keep(t, m->leaf, either(t, any(t, again, joined), zero, count));
    keep(t, m->level, either(t, again, zero, either(t, joined, level, m->level)));
    keep(t, m->way, either(t, any(t, again, joined), either(t, nrg_lt(g, uniform(t), num(t, 0.5)), num(t, -1), num(t, 1)), m->way));
    keep(t, m->H0, either(t, begin, total(t, &begun), m->H0));
    keep(t, m->weight, either(t, again, zero, either(t, joined, log_add(t, m->weight, sub_w), m->weight)));
    keep(t, m->sum, either(t, begin, begun.p, either(t, joined, sum, m->sum)));
    keep(t, m->sub_weight, sub_w);
    keep(t, m->sub_sum, sub_sum);
    keep(t, m->sub.x, sub.x), keep(t, m->sub.grad, sub.grad), keep(t, m->sub.U, sub.U);
    keep(t, m->best.grad, best.grad), keep(t, m->best.U, best.U);
    keep(t, m->alpha, either(t, again, zero, alpha));
    keep(t, m->leaps, either(t, again, zero, leaps));
    split(t, either(t, t->active, best.x, m->best.x), t->s->now);
    return nrg_tune_close(t->s, t->part, &t->tune, t->s->now, done, nrg_div(g, alpha, leaps), dH);
}

// ---- states

static point point_new(const tree *t, const char *name, bool x, bool p) {
    char full[32];
    point a = {0};
    snprintf(full, sizeof full, "%s:x", name);
    if (x) a.x = state(t, full, t->flat, 0);
    snprintf(full, sizeof full, "%s:p", name);
    if (p) a.p = state(t, full, t->flat, 0);
    snprintf(full, sizeof full, "%s:grad", name);
    a.grad = state(t, full, t->flat, 0);
    snprintf(full, sizeof full, "%s:U", name);
    if (!p) a.U = state(t, full, t->none, 0);
    return a;
}

static memory remember(const tree *t) {
    int64_t dim[2] = {t->depth, t->size};
    nrg_shape edges = nrg_shape_of(2, dim);
    memory m = {.stale = state(t, "stale", t->none, 1), .leaf = state(t, "leaf", t->none, 0), .level = state(t, "level", t->none, 0),
                .way = state(t, "way", t->none, 1), .H0 = state(t, "H0", t->none, 0), .alpha = state(t, "alpha", t->none, 0),
                .leaps = state(t, "leaps", t->none, 0), .weight = state(t, "weight", t->none, 0),
                .sub_weight = state(t, "subweight", t->none, 0), .sum = state(t, "sum", t->flat, 0),
                .sub_sum = state(t, "subsum", t->flat, 0), .edge_p = state(t, "edges", edges, 0), .edge_sum = state(t, "edgesums", edges, 0)};
    m.end[0] = point_new(t, "before", true, true), m.end[1] = point_new(t, "after", true, true);
    m.best = point_new(t, "best", false, false), m.sub = point_new(t, "sub", true, false);
    m.best.x = flatten(t, t->s->now);
    return m;
}

static nrg_status build(nrg_sampler *s, nrg_sampler_part *p) {
    nrg_status st = NRG_OK;
    nrg_tuning how = {.target = 0.8, .scaled = true};
    tree t = {.s = s, .part = p, .g = s->graph};
    double depth = nrg_method_arg(s->model, &p->stmt, "depth", DEPTH, &st);
    how.step = nrg_method_arg(s->model, &p->stmt, "step", 0, &st);
    TRY(st);
    if (depth < 1 || depth > MOST_DEPTH || depth != floor(depth))
        return nrg_fail(s->model->ctx, NRG_E013, p->stmt.by_span, "depth of nuts is %.6g: a whole number from 1 to %d", depth, MOST_DEPTH);
    if (how.step < 0) return nrg_fail(s->model->ctx, NRG_E013, p->stmt.by_span, "step of nuts is %.6g: it must be positive", how.step);
    if (s->parts > 1) {
        nrg_fail(s->model->ctx, NRG_E071, p->stmt.by_span, "nuts beside other sample statements is not built yet");
        nrg_help(s->model->ctx, "draw the reals by hmc, or all of them in one statement");
        return NRG_E071;
    }
    t.depth = (int)depth;
    for (int j = p->first; j < p->first + p->n; j++) t.size += nrg_shape_count(&s->shape[j]);
    t.flat = nrg_shape_of(1, &t.size);
    nrg_node left = nrg_sampler_long(s, ldexp(1, t.depth));
    t.active = nrg_lt(s->graph, num(&t, 0), left);
    TRY(nrg_tune_open(s, p, &how, &t.tune));
    if (t.tune.scale[p->first].i) t.scale = flatten(&t, t.tune.scale);
    memory m = remember(&t);
    m.left = left;
    TRY(nrg_graph_check(s->graph));
    p->temperature = 1;
    return advance(&t, &m);
}

const nrg_sampler_impl nrg_sampler_nuts = {"nuts", false, NULL, build};
const nrg_method_impl nrg_infer_nuts = {"nuts", nrg_sampler_eliminates, NULL, NULL, NULL, NULL};
