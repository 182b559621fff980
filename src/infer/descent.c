// What gradient and lbfgs share: per-sample states, start values, projection onto domains, the loop, the best of several starts.
#include "infer/inside.h"
#include <math.h>
#include <string.h>

enum { CHUNK = 20 }; // steps between looks at whether all samples have converged

static bool boxed(const nrg_domain *d) {
    return d->kind == NRG_DOM_RANGE && (!isinf(d->lo) || !isinf(d->hi));
}

nrg_status nrg_descent_applies(nrg_chain *c, int k) {
    nrg_inference *i = c->i;
    nrg_group *gr = &c->at[k];
    nrg_span at = gr->stmt.by_span.file ? gr->stmt.by_span : gr->stmt.span;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!(gr->vars >> v & 1)) continue;
        const nrg_var *var = &i->model->vars.at[v];
        if (var->elem != NRG_REAL) {
            nrg_status s =
                nrg_fail(i->ctx, NRG_E026, at,
                         "descent needs a continuous variable, but '%s' is not real", var->name);
            nrg_help(i->ctx, "for a discrete variable use exhaustive");
            return s;
        }
        if (var->domain.kind > NRG_DOM_SPHERE)
            return nrg_fail(
                i->ctx, NRG_E071, var->domain.span,
                "descent inside the domain of %s (built are ranges, simplex and sphere)",
                var->name);
    }
    if (gr->verb != NRG_MARGINALIZE) return NRG_OK;
    return nrg_fail(i->ctx, NRG_E026, at, "descent finds a minimum and cannot marginalize");
}

// ---- projection

// The nearest point of the simplex is max(x - t, 0) with the t that makes the sum 1; Newton's steps from the left reach it, each
// dropping at least one number, so that a few more than the usual count suffice; the last division mends rounding.
static nrg_node onto_simplex(nrg_graph *g, nrg_node x) {
    const nrg_shape *s = &nrg_graph_node(g, x)->shape;
    uint32_t last = 1u << (s->rank - 1);
    int64_t n = s->dim[s->rank - 1];
    nrg_node one = nrg_const(g, 1);
    nrg_node t = nrg_mul(g, nrg_sub(g, nrg_reduce(g, NRG_OP_sum, x, last, 0, true), one),
                         nrg_const(g, 1 / (double)n));
    for (int64_t k = 0; k < (n < 24 ? n : 24); k++) {
        nrg_node above = nrg_sub(g, x, t);
        nrg_node over =
            nrg_sub(g, nrg_reduce(g, NRG_OP_sum, nrg_relu(g, above), last, 0, true), one);
        nrg_node count =
            nrg_max(g, nrg_reduce(g, NRG_OP_sum, nrg_step(g, above), last, 0, true), one);
        t = nrg_add(g, t, nrg_div(g, over, count));
    }
    nrg_node p = nrg_relu(g, nrg_sub(g, x, t));
    return nrg_div(g, p, nrg_reduce(g, NRG_OP_sum, p, last, 0, true));
}

static nrg_node onto_sphere(nrg_graph *g, nrg_node x) {
    uint32_t last = 1u << (nrg_graph_node(g, x)->shape.rank - 1);
    nrg_node norm = nrg_sqrt(g, nrg_reduce(g, NRG_OP_sum, nrg_square(g, x), last, 0, true));
    return nrg_div(g, x, nrg_max(g, norm, nrg_const(g, 1e-30)));
}

nrg_node nrg_project(nrg_graph *g, const nrg_domain *d, nrg_node x) {
    if (d->kind == NRG_DOM_RANGE && !isinf(d->lo)) x = nrg_max(g, x, nrg_const(g, d->lo));
    if (d->kind == NRG_DOM_RANGE && !isinf(d->hi)) x = nrg_min(g, x, nrg_const(g, d->hi));
    if (d->kind == NRG_DOM_SIMPLEX && nrg_graph_node(g, x)->shape.rank) x = onto_simplex(g, x);
    if (d->kind == NRG_DOM_SPHERE && nrg_graph_node(g, x)->shape.rank) x = onto_sphere(g, x);
    return x;
}

// ---- start values

static nrg_node middle(nrg_graph *g, const nrg_domain *d, nrg_shape s, nrg_leads leads) {
    double at = 0;
    if (boxed(d))
        at = isinf(d->lo) ? fmin(0, d->hi) : isinf(d->hi) ? fmax(0, d->lo) : 0.5 * (d->lo + d->hi);
    if (d->kind == NRG_DOM_SIMPLEX && s.rank) at = 1 / (double)s.dim[s.rank - 1];
    if (d->kind == NRG_DOM_SPHERE && s.rank) at = 1 / sqrt((double)s.dim[s.rank - 1]);
    return nrg_filled(g, at, s, leads);
}

// Random numbers by start, the same for every question: an answer does not depend on the batch it came in.
static nrg_node noise(nrg_graph *g, const nrg_domain *d, nrg_shape s, nrg_leads starts, int32_t v,
                      double sd) {
    nrg_node ids = starts ? nrg_iota_lead(g, starts) : nrg_const(g, 0);
    bool closed = d->kind == NRG_DOM_RANGE && !isinf(d->lo) && !isinf(d->hi);
    nrg_node r = nrg_random(g, ids, closed ? NRG_RANDOM_UNIFORM : NRG_RANDOM_NORMAL,
                            NRG_FOR_NOISE + 16u * (uint32_t)(v + 1), s);
    if (closed)
        r = nrg_add(g, nrg_mul(g, r, nrg_const(g, d->hi - d->lo)), nrg_const(g, d->lo));
    else
        r = nrg_mul(g, r, nrg_const(g, sd));
    return nrg_project(g, d, r);
}

// Is the start `word` or word(...)?
static bool starts_from(const nrg_expr *from, const char *word) {
    if (from && from->kind == NRG_X_CALL) from = from->kid[0];
    return from && from->kind == NRG_X_NAME && nrg_same(from->text, word);
}

static nrg_status from_expr(nrg_inference *in, const nrg_expr *from, int32_t v, nrg_shape s,
                            nrg_node *x) {
    nrg_value at;
    if (starts_from(from, "memory") || starts_from(from, "buffer")) {
        nrg_status st = nrg_fail(in->ctx, NRG_E071, from->span,
                                 "starting from a memory or a buffer is not built yet");
        nrg_help(in->ctx, "from data, from noise, or from a module such as enc(x)");
        return st;
    }
    if (starts_from(from, "data")) {
        *x = nrg_input(in->graph, in->model->vars.at[v].name, NRG_SAMPLE, s);
        return NRG_OK;
    }
    TRY(nrg_eval(in->scope, from, &at));
    *x = nrg_project(in->graph, &in->model->vars.at[v].domain, nrg_stop(in->graph, at.node));
    const nrg_shape *found = &nrg_graph_node(in->graph, *x)->shape;
    if (found->rank == 0 && s.rank)
        *x = nrg_expand(in->graph, *x, s, 0);
    else if (memcmp(found->dim, s.dim, (size_t)s.rank * sizeof *s.dim) != 0 ||
             found->rank != s.rank)
        return nrg_fail(in->ctx, NRG_E037, from->span, "the start does not have the shape of %s",
                        in->model->vars.at[v].name);
    return NRG_OK;
}

nrg_status nrg_descent_start(nrg_inference *in, const nrg_group *gr, int32_t v, nrg_leads leads,
                             nrg_leads starts, nrg_node *x) {
    nrg_status st = NRG_OK;
    nrg_graph *g = in->graph;
    const nrg_domain *d = &in->model->vars.at[v].domain;
    nrg_shape s = nrg_var_event(in, v, &st);
    const nrg_expr *from = gr->stmt.from;
    bool random = starts_from(from, "noise");
    double sd = 1;
    const nrg_expr *spread = random ? nrg_call_arg(from, "sd", 0) : NULL;
    if (spread) TRY(nrg_eval_schedule(in->model, spread, 1, &sd));
    TRY(st);
    nrg_node first = middle(g, d, s, 0);
    if (from && !random) TRY(from_expr(in, from, v, s, &first));
    if (random || starts) {
        nrg_node any = noise(g, d, s, starts, v, sd);
        nrg_node zeroth = starts ? nrg_eq(g, nrg_iota_lead(g, starts), nrg_const(g, 0)) : NRG_BAD;
        first =
            random ? any : nrg_select(g, zeroth, first, any); // the first start is the given one
    }
    *x = nrg_spread(g, first, leads | starts);
    return nrg_graph_check(g);
}

// ---- the loop

nrg_status nrg_descent_open(nrg_chain *c, int k, nrg_descent **out) {
    nrg_inference *i = c->i;
    nrg_group *gr = &c->at[k];
    nrg_status st = NRG_OK;
    nrg_loop *l;
    nrg_descent *d = NRG_NEW(&i->arena, nrg_descent);
    *out = d;
    if (!d) return NRG_E098;
    double starts = nrg_method_arg(i->model, &gr->stmt, "starts", 1, &st);
    d->steps = (int64_t)nrg_method_arg(i->model, &gr->stmt, "steps",
                                       gr->stmt.method == NRG_BY_lbfgs ? 200 : 100, &st);
    TRY(st);
    d->leads = nrg_leads_bound(i, gr->vars);
    if (starts_from(gr->stmt.from, "data")) d->leads |= NRG_SAMPLE; // each sample its own start
    if (starts > 1) d->starts = nrg_lead_new(i->graph, "start", (int64_t)starts);
    TRY(nrg_loop_new(i, nrg_method_impl_get(gr->stmt.method), &l));
    l->own = d;
    l->over = gr->vars;
    d->loop = l;
    d->done = nrg_loop_name(i, "done", gr->vars);
    l->done = d->done;
    l->leads = d->leads | d->starts;
    if (!d->done) return NRG_E098;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!(gr->vars >> v & 1)) continue;
        nrg_shape s = nrg_var_event(i, v, &st);
        d->var[d->n] = v;
        d->name[d->n] = nrg_loop_name(i, "best", (nrg_vars)1 << v);
        d->count[d->n] = nrg_shape_count(&s) * nrg_leads_count(i->graph, d->leads | d->starts);
        if (!d->name[d->n] || st != NRG_OK) return st != NRG_OK ? st : NRG_E098;
        d->x[d->n] = nrg_input(l->graph, d->name[d->n], d->leads | d->starts, s);
        d->n++;
    }
    return nrg_graph_check(l->graph);
}

nrg_status nrg_descent_extra(nrg_inference *i, nrg_descent *d, const char *name, int64_t count) {
    return NRG_PUSH(&i->arena, d->extra, ((nrg_extra){name, count}));
}

// The energy and its gradients at the states.
nrg_status nrg_descent_look(nrg_chain *c, int k, nrg_descent *d, nrg_node *E, nrg_node *gradient) {
    nrg_inference *in = d->loop->inner;
    nrg_chain *deeper = NRG_NEW(&in->arena, nrg_chain);
    if (!deeper) return NRG_E098;
    *deeper = *c;
    deeper->i = in;
    for (int j = 0; j < d->n; j++) nrg_scope_bind(in->scope, d->var[j], d->x[j]);
    TRY(nrg_chain_energy(deeper, k + 1, E));
    *E = nrg_spread(in->graph, *E, d->leads | d->starts);
    if (nrg_graph_node(in->graph, *E)->leads != (d->leads | d->starts))
        return nrg_fail(in->ctx, NRG_E099, c->at[k].stmt.span,
                        "an energy has more leading axes than its variables");
    return nrg_grad(in->graph, *E, NRG_BAD, d->x, d->n, gradient);
}

nrg_status nrg_descent_close(nrg_chain *c, int k, nrg_descent *d, const nrg_update *update,
                             int updates) {
    nrg_inference *i = c->i;
    nrg_loop *l = d->loop;
    nrg_update first[NRG_MAX_VARS];
    for (int j = 0; j < d->n; j++) {
        first[j].state = d->x[j];
        TRY(nrg_descent_start(l->inner, &c->at[k], d->var[j], d->leads, d->starts,
                              &first[j].value));
    }
    TRY(nrg_graph_check(l->graph));
    nrg_plan_spec spec = {
        .graph = l->graph, .updates = first, .updates_n = d->n, .batch = i->options.batch};
    TRY(nrg_plan_make(i->ctx, &spec, &l->start));
    spec.updates = update;
    spec.updates_n = updates;
    TRY(nrg_plan_make(i->ctx, &spec, &l->plan));
    TRY(nrg_run_new(i->ctx, l->start, i->options.threads, &l->first));
    return nrg_run_new(i->ctx, l->plan, i->options.threads, &l->run);
}

// The outer graph reads the result; of several starts the lowest is kept.
nrg_status nrg_descent_result(nrg_chain *c, int k, nrg_descent *d, nrg_node *F) {
    nrg_inference *i = c->i;
    nrg_graph *g = i->graph;
    nrg_node x[NRG_MAX_VARS], E = NRG_BAD;
    for (int j = 0; j < d->n; j++) {
        nrg_node seen = d->x[j];
        x[j] = nrg_input(g, d->result[j] ? d->result[j] : d->name[j], d->leads | d->starts,
                         nrg_graph_node(d->loop->graph, seen)->shape);
        nrg_scope_bind(i->scope, d->var[j], nrg_stop(g, x[j]));
        c->best[d->var[j]] = nrg_stop(g, x[j]);
    }
    TRY(nrg_chain_energy(c, k + 1, &E));
    *F = E;
    if (!d->starts) return nrg_graph_check(g);
    E = nrg_spread(g, E, d->starts);
    nrg_node index = nrg_reduce(g, NRG_OP_argmin, E, 0, d->starts, false);
    for (int j = 0; j < d->n; j++) {
        nrg_node one = nrg_stop(g, nrg_take(g, nrg_lower(g, x[j], d->starts, 0), index));
        nrg_scope_bind(i->scope, d->var[j], one);
        c->best[d->var[j]] = one;
    }
    return nrg_at_minimum(c, k, d->starts, index, F);
}

static bool all_done(nrg_store *s, const nrg_descent *d, int64_t n) {
    const nrg_buffer *b = nrg_store_get(s, d->done);
    for (int64_t j = 0; j < n; j++)
        if (nrg_store_number(nrg_store_type(s), b->data, j) == 0) return false;
    return true;
}

static nrg_status finite_states(nrg_inference *i, const nrg_loop *l, nrg_store *s, int64_t rows) {
    const nrg_descent *d = l->own;
    for (int j = 0; j < d->n; j++) {
        const nrg_buffer *b = nrg_store_get(s, d->result[j] ? d->result[j] : d->name[j]);
        for (int64_t e = 0; e < d->count[j] * rows; e++) {
            if (isfinite(nrg_store_number(nrg_store_type(s), b->data, e))) continue;
            nrg_status st = nrg_fail(i->ctx, NRG_E080, i->model->vars.at[d->var[j]].span,
                                     "%s is no longer finite in its inference by %s",
                                     i->model->vars.at[d->var[j]].name, l->impl->name);
            nrg_help(i->ctx, "use a smaller lr, lbfgs, or bound the variable");
            return st;
        }
    }
    return NRG_OK;
}

nrg_status nrg_descent_step(nrg_inference *i, nrg_loop *l, nrg_store *s, int64_t n, uint64_t seed,
                            uint32_t step) {
    nrg_descent *d = l->own;
    int64_t rows = d->leads & NRG_SAMPLE ? n : 1,
            problems = rows * nrg_leads_count(i->graph, d->leads | d->starts);
    void *data;
    TRY(nrg_store_make(s, d->done, problems, &data));
    for (int j = 0; j < d->n; j++) TRY(nrg_store_make(s, d->name[j], d->count[j] * rows, &data));
    for (uint32_t j = 0; j < d->extra.n; j++)
        TRY(nrg_store_make(s, d->extra.at[j].name, d->extra.at[j].count * rows, &data));
    nrg_store_bind_known(
        s, l->graph,
        l->first); // results of deeper loops are not there yet, and starts do not read them
    TRY(nrg_run_go(l->first, n, 1, seed, 0));
    bool deep = nrg_inference_loops(l->inner);
    for (int64_t t = 0; t < d->steps; t += deep ? 1 : CHUNK) {
        if (deep) TRY(nrg_inference_go(l->inner, s, n, seed, step));
        if (deep || t == 0) TRY(nrg_store_bind(s, l->graph, l->run));
        int64_t steps = deep ? 1 : d->steps - t < CHUNK ? d->steps - t : CHUNK;
        TRY(nrg_run_go(l->run, n, steps, seed, (uint32_t)t));
        l->looks += steps * problems;
        if (all_done(s, d, problems)) break;
    }
    return finite_states(i, l, s, rows);
}

void nrg_descent_print(nrg_chain *c, int k, nrg_text *out) {
    nrg_status st = NRG_OK;
    const nrg_group *gr = &c->at[k];
    double steps = nrg_method_arg(c->i->model, &gr->stmt, "steps",
                                  gr->stmt.method == NRG_BY_lbfgs ? 200 : 100, &st);
    double starts = nrg_method_arg(c->i->model, &gr->stmt, "starts", 1, &st);
    nrg_text_put(out, "%.0f steps", steps);
    if (starts > 1) nrg_text_put(out, ", best of %.0f starts", starts);
    if (nrg_method_word(&gr->stmt, "unroll")) nrg_text_put(out, ", unrolled");
}
