// Limited-memory BFGS as a step graph (Nocedal 1980): every step evaluates energy and gradient once, at a trial point, and moves a
// small state machine with selects. Per problem: a line search by bisection for the weak Wolfe conditions (Lewis, Overton 2013),
// then the two-loop recursion. Bounded variables: trial points are projected, numbers held at a bound leave the direction, and only
// sufficient decrease is asked for. Nothing waits for another problem, so samples run side by side.
#include "infer/inside.h"
#include <math.h>
#include <string.h>

// Given f and its gradients at the state inputs x (the trial points), `assemble` adds updates for x and for its own states, named
// "<prefix>:<field>". One run of the updates is one evaluation; before the first all states are zero, and x is at the start.
// Stop when `done` (a state) is not 0: 1 converged, 2 no further progress. The best point is in the states `best`, not in x, until done.
enum { PARTS = 256 };
typedef struct {
    nrg_leads leads;   // NRG_SAMPLE: each sample its own problem; 0: one problem
    const nrg_node *x; // n inputs with these leads
    int n;
    nrg_node f;               // with these leads, no event axes
    const nrg_node *gradient; // n, shapes of x
    const nrg_domain *domain; // n (ranges, simplex, sphere), or NULL: unbounded
    int history;              // 0: 10
    double tol;               // converged: largest |projected gradient| <= tol max(1, |f|)
    const char *prefix;
} lbfgs_spec;
typedef struct {
    const char *name;
    int64_t count;
} lbfgs_state; // count: numbers a sample
typedef struct {
    nrg_update *update; // for nrg_plan_spec
    int updates;
    lbfgs_state *state;
    int states;
    const char *done, *f; // states: see above; energy at the best point
    const char **best;    // n states: the best points
} lbfgs;

static const double ARMIJO = 1e-4,
                    WOLFE = 0.9; // sufficient decrease and curvature, the usual constants
enum {
    PATIENT = 20,
    GIVE_UP = 40,
    HISTORY = 10
}; // trials: then curvature is waived; then the memory is dropped

typedef struct {
    nrg_graph *g;
    nrg_arena *arena;
    const lbfgs_spec *spec;
    lbfgs *out;
    nrg_node run; // 1 while not done
    nrg_status status;
} build;

static nrg_node state(build *b, const char *field, int j, nrg_shape s, const char **name) {
    nrg_graph *g = b->g;
    lbfgs *o = b->out;
    const char *n = j < 0 ? nrg_arena_print(b->arena, "%s:%s", b->spec->prefix, field)
                          : nrg_arena_print(b->arena, "%s:%s:%d", b->spec->prefix, field, j);
    if (!n) return b->status = NRG_E098, NRG_BAD;
    o->state[o->states].name = n;
    o->state[o->states++].count = nrg_shape_count(&s) * nrg_leads_count(g, b->spec->leads);
    if (name) *name = n;
    return nrg_input(g, n, b->spec->leads, s);
}

// The state becomes `value` while its problem is running.
static void become(build *b, nrg_node st, nrg_node value) {
    nrg_node kept = nrg_select(b->g, b->run, value, st);
    b->out->update[b->out->updates++] = (nrg_update){st, nrg_spread(b->g, kept, b->spec->leads)};
}

static nrg_node number(build *b, double x) { return nrg_const(b->g, x); }
static nrg_node yes(build *b, nrg_node a, nrg_node c) { return nrg_mul(b->g, a, c); }     // and
static nrg_node no(build *b, nrg_node a) { return nrg_sub(b->g, nrg_const(b->g, 1), a); } // not
static nrg_node either(build *b, nrg_node a, nrg_node c) { return nrg_max(b->g, a, c); }  // or
static nrg_node under(build *b, nrg_node x, double at) {
    return nrg_lt(b->g, x, number(b, at));
} // x < at

// Sum over all variables of the dot product of two lists.
static nrg_node dot(build *b, const nrg_node *x, const nrg_node *y) {
    nrg_node s = nrg_sum_all(b->g, nrg_mul(b->g, x[0], y[0]));
    for (int j = 1; j < b->spec->n; j++)
        s = nrg_add(b->g, s, nrg_sum_all(b->g, nrg_mul(b->g, x[j], y[j])));
    return s;
}

static nrg_node entry(build *b, nrg_node history, int64_t i) { // [m, e...] -> [e...]
    nrg_shape s = nrg_graph_node(b->g, history)->shape;
    if (s.rank < 1) return NRG_BAD; // what is built on bad is bad
    for (int a = 1; a < s.rank; a++) s.dim[a - 1] = s.dim[a];
    s.rank--;
    s.dim[s.rank] = 0;
    return nrg_reshape(b->g, nrg_slice(b->g, history, 0, i, 1, 1), s);
}

// The newest in front, the oldest falls out.
static nrg_node shift(build *b, nrg_node history, nrg_node newest) {
    nrg_graph *g = b->g;
    nrg_shape one = nrg_graph_node(g, history)->shape;
    int64_t m = one.dim[0];
    one.dim[0] = 1;
    nrg_node first = nrg_reshape(g, nrg_spread(g, newest, b->spec->leads), one);
    return m == 1 ? first : nrg_concat(g, first, nrg_slice(g, history, 0, 0, m - 1, 1), 0);
}

typedef nrg_node list[PARTS];

// r = H q from the history; entries without one have rho = 0 and change nothing.
static void two_loop(build *b, nrg_node *q, nrg_node *S, nrg_node *Y, nrg_node rho,
                     nrg_node scale) {
    nrg_graph *g = b->g;
    int n = b->spec->n, m = b->spec->history;
    nrg_node a[64];
    list s = {{0}}, y = {{0}};
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) s[j] = entry(b, S[j], i), y[j] = entry(b, Y[j], i);
        a[i] = nrg_mul(g, entry(b, rho, i), dot(b, s, q));
        for (int j = 0; j < n; j++) q[j] = nrg_sub(g, q[j], nrg_mul(g, a[i], y[j]));
    }
    for (int j = 0; j < n; j++) q[j] = nrg_mul(g, q[j], scale);
    for (int i = m - 1; i >= 0; i--) {
        for (int j = 0; j < n; j++) s[j] = entry(b, S[j], i), y[j] = entry(b, Y[j], i);
        nrg_node back = nrg_sub(g, a[i], nrg_mul(g, entry(b, rho, i), dot(b, y, q)));
        for (int j = 0; j < n; j++) q[j] = nrg_add(g, q[j], nrg_mul(g, s[j], back));
    }
}

static nrg_node onto(build *b, int j, nrg_node x) {
    return b->spec->domain ? nrg_project(b->g, &b->spec->domain[j], x) : x;
}

// The gradient without numbers that a bound holds.
static nrg_node loose(build *b, int j, nrg_node x, nrg_node d) {
    nrg_graph *g = b->g;
    const nrg_domain *dom = b->spec->domain ? &b->spec->domain[j] : NULL;
    if (!dom || dom->kind != NRG_DOM_RANGE) return d;
    nrg_node zero = number(b, 0);
    if (!isinf(dom->lo))
        d = nrg_select(g, yes(b, nrg_le(g, x, number(b, dom->lo)), nrg_lt(g, zero, d)), zero, d);
    if (!isinf(dom->hi))
        d = nrg_select(g, yes(b, nrg_le(g, number(b, dom->hi), x), nrg_lt(g, d, zero)), zero, d);
    return d;
}

static nrg_node largest(nrg_graph *g, nrg_node x) {
    return nrg_reduce(g, NRG_OP_rmax, nrg_abs(g, x), (1u << nrg_graph_node(g, x)->shape.rank) - 1,
                      0, false);
}

static bool bounded(const lbfgs_spec *spec) {
    for (int j = 0; spec->domain && j < spec->n; j++) {
        const nrg_domain *d = &spec->domain[j];
        if (d->kind != NRG_DOM_ALL && (d->kind != NRG_DOM_RANGE || !isinf(d->lo) || !isinf(d->hi)))
            return true;
    }
    return false;
}

// The states of one problem and what this step makes of them.
typedef struct {
    nrg_node age, f, slope, alpha, lo, hi, tries, done, rho;
    list base, grad, dir, S, Y;
} machine;

static void open_states(build *b, machine *s) {
    const lbfgs_spec *spec = b->spec;
    nrg_shape none = {0}, past = {0};
    past.rank = 1;
    past.dim[0] = spec->history;
    s->done = state(b, "done", -1, none, &b->out->done);
    s->age = state(b, "age", -1, none, NULL);
    s->f = state(b, "f", -1, none, &b->out->f);
    s->slope = state(b, "slope", -1, none, NULL);
    s->alpha = state(b, "alpha", -1, none, NULL);
    s->lo = state(b, "lo", -1, none, NULL);
    s->hi = state(b, "hi", -1, none, NULL); // 0: no upper end yet
    s->tries = state(b, "tries", -1, none, NULL);
    s->rho = state(b, "rho", -1, past, NULL);
    for (int j = 0; j < spec->n; j++) {
        nrg_shape x = nrg_graph_node(b->g, spec->x[j])->shape, h = {.rank = x.rank + 1};
        h.dim[0] = spec->history;
        memcpy(h.dim + 1, x.dim, (size_t)x.rank * sizeof *x.dim);
        s->base[j] = state(b, "base", j, x, &b->out->best[j]);
        s->grad[j] = state(b, "gradient", j, x, NULL);
        s->dir[j] = state(b, "direction", j, x, NULL);
        s->S[j] = state(b, "s", j, h, NULL);
        s->Y[j] = state(b, "y", j, h, NULL);
    }
}

// What the trial point says about the line search.
typedef struct {
    nrg_node accept, reset, stuck, less; // less: sufficient decrease
} verdict;

static verdict judge(build *b, const machine *s, const nrg_node *step) {
    nrg_graph *g = b->g;
    const lbfgs_spec *spec = b->spec;
    nrg_node first = nrg_eq(g, s->age, number(b, 0)), bound;
    double eps =
        nrg_graph_type(g) == NRG_F64 ? 4e-16 : 2e-7; // differences below rounding count as none; as `tol`, against max(1, |f|)
    bound = nrg_add(g, s->f, nrg_mul(g, number(b, ARMIJO), dot(b, s->grad, step)));
    verdict v;
    v.less = nrg_le(g, spec->f, nrg_add(g, bound, nrg_mul(g, number(b, eps), nrg_max(g, nrg_abs(g, s->f), number(b, 1)))));
    nrg_node curved = bounded(spec) ? number(b, 1)
                                    : nrg_le(g, nrg_mul(g, number(b, WOLFE), s->slope),
                                             dot(b, spec->gradient, s->dir));
    nrg_node late = no(b, under(b, s->tries, PATIENT));
    v.accept = either(b, first, yes(b, v.less, either(b, curved, late)));
    nrg_node fail = yes(b, no(b, v.accept), no(b, under(b, s->tries, GIVE_UP)));
    nrg_node empty = nrg_eq(g, entry(b, s->rho, 0), number(b, 0));
    v.stuck = yes(b, fail, empty);
    v.reset = yes(b, fail, no(b, empty));
    return v;
}

// The history after this step, then the new direction at the new base.
static void turn(build *b, const machine *s, const verdict *v, const nrg_node *step, machine *to) {
    nrg_graph *g = b->g;
    const lbfgs_spec *spec = b->spec;
    list change, y0, free_grad, q;
    for (int j = 0; j < spec->n; j++) change[j] = nrg_sub(g, spec->gradient[j], s->grad[j]);
    nrg_node sy = dot(b, step, change), yy = dot(b, change, change);
    nrg_node keep = yes(b, yes(b, v->accept, nrg_lt(g, number(b, 0), s->age)),
                        nrg_lt(g, nrg_mul(g, number(b, 1e-10), yy), sy));
    nrg_node safe = nrg_select(g, keep, sy, number(b, 1));
    nrg_node rho = nrg_select(g, keep, shift(b, s->rho, nrg_recip(g, safe)), s->rho);
    to->rho = nrg_mul(g, rho, no(b, v->reset));
    for (int j = 0; j < spec->n; j++) {
        to->S[j] = nrg_select(g, keep, shift(b, s->S[j], step[j]), s->S[j]);
        to->Y[j] = nrg_select(g, keep, shift(b, s->Y[j], change[j]), s->Y[j]);
        to->base[j] = nrg_select(g, v->accept, spec->x[j], s->base[j]);
        to->grad[j] = nrg_select(g, v->accept, spec->gradient[j], s->grad[j]);
        free_grad[j] = loose(b, j, to->base[j], to->grad[j]);
        y0[j] = entry(b, to->Y[j], 0);
        q[j] = free_grad[j];
    }
    nrg_node newest = entry(b, to->rho, 0), has = nrg_lt(g, number(b, 0), newest),
             one = number(b, 1);
    nrg_node norm = nrg_sqrt(g, dot(b, free_grad, free_grad)),
             gentle = nrg_recip(g, nrg_max(g, norm, one));
    nrg_node scale = nrg_recip(
        g,
        nrg_select(g, has, nrg_mul(g, newest, nrg_max(g, dot(b, y0, y0), number(b, 1e-37))), one));
    two_loop(b, q, to->S, to->Y, to->rho, nrg_select(g, has, scale, gentle));
    for (int j = 0; j < spec->n; j++) q[j] = nrg_neg(g, loose(b, j, to->base[j], q[j]));
    nrg_node slope = dot(b, to->grad, q), down = nrg_lt(g, slope, number(b, 0));
    nrg_node renew = either(b, v->accept, v->reset);
    for (int j = 0; j < spec->n; j++) {
        nrg_node steepest = nrg_neg(g, nrg_mul(g, free_grad[j], gentle));
        to->dir[j] = nrg_select(g, renew, nrg_select(g, down, q[j], steepest), s->dir[j]);
    }
    to->slope = nrg_select(
        g, renew,
        nrg_select(g, down, slope, nrg_neg(g, nrg_mul(g, nrg_mul(g, norm, norm), gentle))),
        s->slope);
}

static void search(build *b, const machine *s, const verdict *v, machine *to) {
    nrg_graph *g = b->g;
    nrg_node renew = either(b, v->accept, v->reset), zero = number(b, 0), half = number(b, 0.5);
    nrg_node hi = nrg_select(g, v->less, s->hi, s->alpha),
             lo = nrg_select(g, v->less, s->alpha, s->lo);
    nrg_node open = nrg_eq(g, hi, zero);
    nrg_node next = nrg_select(g, open, nrg_mul(g, s->alpha, number(b, 2)),
                               nrg_mul(g, half, nrg_add(g, lo, hi)));
    to->alpha = nrg_select(g, renew, number(b, 1), next);
    to->lo = nrg_select(g, renew, zero, lo);
    to->hi = nrg_select(g, renew, zero, hi);
    to->tries = nrg_select(g, renew, zero, nrg_add(g, s->tries, number(b, 1)));
    to->f = nrg_select(g, v->accept, b->spec->f, s->f);
    to->age = nrg_add(g, s->age, v->accept);
}

// 1 when the projected gradient at the base is small against max(1, |f|).
static nrg_node settled(build *b, const machine *to) {
    nrg_graph *g = b->g;
    nrg_node most = number(b, 0);
    for (int j = 0; j < b->spec->n; j++) {
        nrg_node move =
            bounded(b->spec)
                ? nrg_sub(g, onto(b, j, nrg_sub(g, to->base[j], to->grad[j])), to->base[j])
                : to->grad[j];
        most = nrg_max(g, most, largest(g, move));
    }
    return nrg_le(g, most,
                  nrg_mul(g, number(b, b->spec->tol), nrg_max(g, nrg_abs(g, to->f), number(b, 1))));
}

static void write_states(build *b, const machine *s, const machine *to) {
    nrg_graph *g = b->g;
    const lbfgs_spec *spec = b->spec;
    become(b, s->done, to->done);
    become(b, s->age, to->age);
    become(b, s->f, to->f);
    become(b, s->slope, to->slope);
    become(b, s->alpha, to->alpha);
    become(b, s->lo, to->lo);
    become(b, s->hi, to->hi);
    become(b, s->tries, to->tries);
    become(b, s->rho, to->rho);
    for (int j = 0; j < spec->n; j++) {
        nrg_node trial = onto(b, j, nrg_add(g, to->base[j], nrg_mul(g, to->alpha, to->dir[j])));
        become(b, s->base[j], to->base[j]);
        become(b, s->grad[j], to->grad[j]);
        become(b, s->dir[j], to->dir[j]);
        become(b, s->S[j], to->S[j]);
        become(b, s->Y[j], to->Y[j]);
        become(b, spec->x[j], nrg_select(g, to->done, to->base[j], trial));
    }
}

static nrg_status assemble(nrg_graph *g, nrg_arena *arena, const lbfgs_spec *given, lbfgs *out) {
    lbfgs_spec spec = *given;
    build b = {g, arena, &spec, out, NRG_BAD, NRG_OK};
    if (spec.history < 1) spec.history = HISTORY;
    if (spec.history > 64) spec.history = 64;
    memset(out, 0, sizeof *out);
    if (spec.n < 1 || spec.n > PARTS)
        return nrg_fail(nrg_graph_ctx(g), NRG_E071, NRG_NOWHERE,
                        "lbfgs over %d arrays, more than %d", spec.n, PARTS);
    int room = 9 + 6 * spec.n;
    out->update = NRG_NEWS(arena, nrg_update, room);
    out->state = NRG_NEWS(arena, lbfgs_state, room);
    out->best = NRG_NEWS(arena, const char *, spec.n);
    machine *s = NRG_NEW(arena, machine), *to = NRG_NEW(arena, machine);
    if (!out->update || !out->state || !out->best || !s || !to) return NRG_E098;
    spec.f = nrg_stop(g, spec.f);
    open_states(&b, s);
    if (b.status != NRG_OK) return b.status;
    b.run = nrg_eq(g, s->done, nrg_const(g, 0));
    list step;
    for (int j = 0; j < spec.n; j++) step[j] = nrg_sub(g, spec.x[j], s->base[j]);
    verdict v = judge(&b, s, step);
    turn(&b, s, &v, step, to);
    search(&b, s, &v, to);
    to->done =
        nrg_max(g, nrg_mul(g, v.accept, settled(&b, to)), nrg_mul(g, v.stuck, nrg_const(g, 2)));
    write_states(&b, s, to);
    return nrg_graph_check(g);
}

// ---- the inference method

static nrg_status make(nrg_chain *c, int k, nrg_node *F) {
    nrg_inference *i = c->i;
    nrg_descent *d;
    nrg_node grad[NRG_MAX_VARS], E;
    nrg_status st = NRG_OK;
    lbfgs machine_out;
    TRY(nrg_descent_open(c, k, &d));
    TRY(nrg_descent_look(c, k, d, &E, grad));
    nrg_domain domain[NRG_MAX_VARS];
    for (int j = 0; j < d->n; j++) domain[j] = i->model->vars.at[d->var[j]].domain;
    bool wide = nrg_graph_type(i->graph) == NRG_F64;
    lbfgs_spec spec = {.leads = d->leads | d->starts,
                       .x = d->x,
                       .n = d->n,
                       .f = E,
                       .gradient = grad,
                       .domain = domain};
    spec.history = (int)nrg_method_arg(i->model, &c->at[k].stmt, "history", HISTORY, &st);
    spec.tol = nrg_method_arg(i->model, &c->at[k].stmt, "tol", wide ? 1e-9 : 1e-5, &st);
    spec.prefix = nrg_loop_name(i, "lbfgs", c->at[k].vars);
    if (st != NRG_OK || !spec.prefix) return st != NRG_OK ? st : NRG_E098;
    TRY(assemble(d->loop->graph, &i->arena, &spec, &machine_out));
    for (int s = 0; s < machine_out.states; s++)
        TRY(nrg_descent_extra(i, d, machine_out.state[s].name, machine_out.state[s].count));
    for (int j = 0; j < d->n; j++) d->result[j] = machine_out.best[j];
    d->done = d->loop->done = machine_out.done;
    TRY(nrg_descent_close(c, k, d, machine_out.update, machine_out.updates));
    return nrg_descent_result(c, k, d, F);
}

const nrg_method_impl nrg_infer_lbfgs = {"lbfgs",          nrg_descent_applies, make,
                                         nrg_descent_step, nrg_descent_print,   NULL};
