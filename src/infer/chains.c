// Chains: the sample statements as parts of one step graph, the chains' states and starts, plans for start, step and look.
#include "infer/sampler.h"
#include <math.h>
#include <string.h>

enum { STEPS = 1000, CHUNK = 8, STARTS = 100 }; // of warm-up, unless told; runs of the graph between two looks at who is done; tries

nrg_status nrg_sampler_eliminates(nrg_chain *c, int k) {
    return nrg_fail(c->i->ctx, NRG_E026, c->at[k].stmt.by_span, "a sampler draws values and eliminates no variable");
}

extern const nrg_sampler_impl nrg_sampler_gibbs, nrg_sampler_gwg, nrg_sampler_metropolis;
extern const nrg_sampler_impl nrg_sampler_langevin, nrg_sampler_underdamped, nrg_sampler_mala, nrg_sampler_hmc, nrg_sampler_nuts;
const nrg_sampler_impl *nrg_sampler_impl_get(nrg_method m) {
    static const nrg_sampler_impl *const rows[NRG_BY_COUNT] = {
        [NRG_BY_langevin] = &nrg_sampler_langevin,
        [NRG_BY_underdamped] = &nrg_sampler_underdamped,
        [NRG_BY_mala] = &nrg_sampler_mala,
        [NRG_BY_hmc] = &nrg_sampler_hmc,
        [NRG_BY_gibbs] = &nrg_sampler_gibbs,
        [NRG_BY_gwg] = &nrg_sampler_gwg,
        [NRG_BY_metropolis] = &nrg_sampler_metropolis,
        [NRG_BY_nuts] = &nrg_sampler_nuts,
    };
    return m < NRG_BY_COUNT ? rows[m] : NULL;
}

// ---- what methods are made of

nrg_node nrg_sampler_state_new(nrg_sampler *s, const char *name, nrg_shape shape, nrg_node first) {
    const char *full = s->at < 0 ? nrg_arena_print(&s->arena, "%s:%s", s->spec.prefix, name)
                                 : nrg_arena_print(&s->arena, "%s:%d:%s", s->spec.prefix, s->at, name);
    if (!full || NRG_PUSH(&s->arena, s->states, ((nrg_chains_state){full, nrg_shape_count(&shape)})) != NRG_OK)
        return nrg_graph_bad(s->graph, NRG_E098, "out of memory");
    if (s->firsts == NRG_SAMPLER_UPDATES) return nrg_graph_bad(s->graph, NRG_E071, "a sampler with more than %d states", NRG_SAMPLER_UPDATES);
    nrg_node x = nrg_input(s->graph, full, NRG_SAMPLE, shape);
    s->first[s->firsts++] = (nrg_update){x, nrg_spread(s->graph, first, NRG_SAMPLE)};
    return x;
}

nrg_node nrg_sampler_long(nrg_sampler *s, double most) {
    nrg_node left = nrg_sampler_state_new(s, "left", (nrg_shape){0}, nrg_const(s->graph, 0));
    s->left = nrg_sampler_last(s);
    s->runs = (int64_t)most;
    return left;
}

const char *nrg_sampler_last(const nrg_sampler *s) { return s->states.n ? s->states.at[s->states.n - 1].name : NULL; }

void nrg_sampler_update(nrg_sampler *s, nrg_node state, nrg_node value) {
    if (s->ups == NRG_SAMPLER_UPDATES) nrg_graph_bad(s->graph, NRG_E071, "a sampler with more than %d states", NRG_SAMPLER_UPDATES);
    else s->up[s->ups++] = (nrg_update){state, nrg_spread(s->graph, value, NRG_SAMPLE)};
}

nrg_node nrg_sampler_random(nrg_sampler *s, nrg_random_kind kind, nrg_shape shape) {
    return nrg_random(s->graph, s->id, kind, NRG_FOR_SAMPLE + 16u * ++s->randoms, shape);
}

nrg_node nrg_sampler_at(nrg_sampler *s, nrg_node y, const nrg_node *x) {
    return nrg_graph_copy(s->graph, s->graph, y, s->x, x, s->n);
}

static bool differentiable(const nrg_sampler *s, int j) {
    nrg_elem e = s->model->vars.at[s->var[j]].elem;
    return e == NRG_REAL || e == NRG_BIT || e == NRG_SIGN;
}

nrg_status nrg_sampler_gradient(nrg_sampler *s, int j, nrg_node *out) {
    nrg_node x[NRG_MAX_VARS] = {{0}}, grad[NRG_MAX_VARS];
    int place[NRG_MAX_VARS], n = 0;
    if (!s->has_grad) {
        for (int k = 0; k < s->n; k++)
            if (differentiable(s, k)) place[n] = k, x[n++] = s->x[k];
        TRY(nrg_grad(s->graph, s->U, NRG_BAD, x, n, grad));
        for (int k = 0; k < n; k++) s->grad[place[k]] = nrg_spread(s->graph, grad[k], NRG_SAMPLE);
        s->has_grad = true;
    }
    *out = s->grad[j];
    TRY(nrg_graph_check(s->graph));
    if (!out->i) return nrg_fail(s->model->ctx, NRG_E099, NRG_NOWHERE, "a gradient with respect to a variable that has none");
    return NRG_OK;
}

// Between two walls the path is a triangle wave of period twice their distance; one wall is a mirror.
nrg_node nrg_reflect(nrg_graph *g, const nrg_domain *d, nrg_node x, nrg_node *flip) {
    bool lo = d->kind == NRG_DOM_RANGE && !isinf(d->lo), hi = d->kind == NRG_DOM_RANGE && !isinf(d->hi);
    nrg_node zero = nrg_const(g, 0), one = nrg_const(g, 1), turned;
    if (!lo && !hi) return x;
    if (lo && hi) {
        double width = d->hi - d->lo;
        nrg_node t = nrg_mul(g, nrg_sub(g, x, nrg_const(g, d->lo)), nrg_const(g, 0.5 / width)); // in periods
        t = nrg_sub(g, t, nrg_floor(g, t));
        turned = nrg_lt(g, nrg_const(g, 0.5), t);
        nrg_node along = nrg_min(g, t, nrg_sub(g, one, t));
        // Inside nothing is rounded: x stays as it is.
        nrg_node in = nrg_mul(g, nrg_le(g, nrg_const(g, d->lo), x), nrg_le(g, x, nrg_const(g, d->hi)));
        nrg_node folded = nrg_add(g, nrg_const(g, d->lo), nrg_mul(g, along, nrg_const(g, 2 * width)));
        turned = nrg_select(g, in, zero, turned);
        x = nrg_select(g, in, x, folded);
    } else {
        nrg_node wall = nrg_const(g, lo ? d->lo : d->hi), past = nrg_sub(g, x, wall);
        turned = lo ? nrg_lt(g, past, zero) : nrg_lt(g, zero, past);
        x = nrg_select(g, turned, nrg_sub(g, wall, past), x);
    }
    if (flip) *flip = nrg_select(g, turned, nrg_const(g, -1), one);
    return nrg_project(g, d, x); // rounding may pass a wall
}

// ---- parts: which statement moves which variable

static nrg_status unbuilt(nrg_model *m, nrg_span at, const char *what, const char *name) {
    nrg_text t = nrg_text_make(m->ctx);
    for (int k = 0; k < NRG_BY_COUNT; k++) {
        const nrg_sampler_impl *impl = nrg_sampler_impl_get((nrg_method)k);
        if (impl) nrg_text_put(&t, "%s%s", t.n ? ", " : "", impl->name);
    }
    nrg_status s = nrg_fail(m->ctx, NRG_E071, at, "drawing %s %s is not built yet", what, name);
    nrg_help(m->ctx, "built are %s", t.at ? t.at : "");
    nrg_text_free(&t);
    return s;
}

// What to write instead: the same set as the image of free numbers, or as a term of the energy.
static nrg_status no_domain(nrg_model *m, const nrg_var *var) {
    nrg_status s = nrg_fail(m->ctx, NRG_E071, var->domain.span, "drawing inside the domain of %s is not built yet", var->name);
    if (var->elem != NRG_REAL) nrg_help(m->ctx, "declare %s without the domain, and add what it forbids to the energy: forbid(...); draw by metropolis", var->name);
    else nrg_help(m->ctx, "draw free numbers u and write %s of u in the energy (softmax(u), unit(u)), with minus the logarithm of how it stretches volumes", var->name);
    return s;
}

static nrg_status no_end(nrg_model *m, const nrg_var *var) {
    nrg_status s = nrg_fail(m->ctx, NRG_E071, var->span, "drawing %s, a whole number without bounds, is not built yet", var->name);
    nrg_help(m->ctx, "bound it:  %s : int in 0..100", var->name);
    return s;
}

static nrg_status check_var(nrg_sampler *s, int32_t v) {
    nrg_model *m = s->model;
    const nrg_var *var = &m->vars.at[v];
    if (!(m->energy.vars >> v & 1) || var->role == NRG_WEIGHT)
        return nrg_fail(m->ctx, NRG_E060, var->span, "%s is not a variable that the energy leaves open", var->name);
    if (var->domain.kind > NRG_DOM_RANGE) return no_domain(m, var);
    if (nrg_var_ragged(m, v)) return unbuilt(m, var->span, "arrays of several lengths:", var->name);
    return NRG_OK;
}

static nrg_status fits_reals(nrg_sampler *s, const nrg_sampler_part *p) {
    for (int j = p->first; j < p->first + p->n; j++) {
        const nrg_var *var = &s->model->vars.at[s->var[j]];
        if (var->elem == NRG_REAL) continue;
        nrg_status st = nrg_fail(s->model->ctx, NRG_E026, p->stmt.by_span, "%s moves reals, but '%s' is not one", p->impl->name, var->name);
        nrg_help(s->model->ctx, "give the discrete variable a statement of its own: sample %s by gibbs", var->name);
        return st;
    }
    return NRG_OK;
}

static nrg_status put_part(nrg_sampler *s, const nrg_infer_stmt *st, nrg_vars vars) {
    if (s->parts == NRG_SAMPLER_PARTS) return unbuilt(s->model, st->span, "by more than", "sixteen statements at once");
    nrg_sampler_part *p = &s->part[s->parts++];
    *p = (nrg_sampler_part){.stmt = *st, .first = s->n, .temperature = 1};
    p->impl = nrg_proposes(st) ? &nrg_sampler_proposal : nrg_sampler_impl_get(st->method);
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (vars >> v & 1) s->var[s->n++] = v, p->n++;
    if (p->impl) return NRG_OK;
    const nrg_method_row *row = st->method == NRG_BY_NONE ? NULL : nrg_method_get(st->method);
    return unbuilt(s->model, st->by_span, row ? "by" : "by a module", row ? row->name : "(a proposer)");
}

// The statements in their order, each with those of its variables that are drawn; then what no statement names, by kind.
static nrg_status make_parts(nrg_sampler *s) {
    nrg_model *m = s->model;
    nrg_vars left = s->spec.vars, kinds[2] = {0, 0};
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (left >> v & 1) TRY(check_var(s, v));
    for (uint32_t i = 0; i < m->infers.n; i++) {
        nrg_infer_stmt st = m->infers.at[i];
        if (st.verb != NRG_SAMPLE_VERB || !(st.vars & left)) continue;
        if (!st.by) TRY(nrg_infer_choose(m, &st));
        TRY(put_part(s, &st, st.vars & left));
        left &= ~st.vars;
    }
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (left >> v & 1) kinds[m->vars.at[v].elem != NRG_REAL] |= (nrg_vars)1 << v;
    for (int k = 0; k < 2; k++) {
        nrg_infer_stmt st = {.verb = NRG_SAMPLE_VERB, .vars = kinds[k]};
        if (!kinds[k]) continue;
        TRY(nrg_infer_choose(m, &st));
        TRY(put_part(s, &st, kinds[k]));
    }
    if (!s->n) return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "no variable is to be drawn");
    return NRG_OK;
}

// ---- starts

// Reals: normal numbers, or uniform ones between two walls unless `sd` is written: noise(0.1), buffer(500, sd=0.1). Others: each value
// is as likely. Every chain its own.
static nrg_status from_noise(nrg_sampler *s, int j, const nrg_expr *from) {
    nrg_graph *g = s->graph;
    const nrg_domain *d = &s->model->vars.at[s->var[j]].domain;
    const nrg_expr *e = from && from->kind == NRG_X_CALL ? nrg_call_arg(from, "sd", nrg_word_is(from, "noise") ? 0 : 2) : NULL;
    bool real = s->model->vars.at[s->var[j]].elem == NRG_REAL;
    bool closed = d->kind == NRG_DOM_RANGE && !isinf(d->lo) && !isinf(d->hi) && !e;
    double sd = 1, choices = real ? 0 : nrg_finite_choices(s->model, s->var[j]);
    if (e) TRY(nrg_eval_schedule(s->model, e, 1, &sd));
    if (!real && choices < 1) return no_end(s->model, &s->model->vars.at[s->var[j]]);
    nrg_node r = nrg_sampler_random(s, closed || !real ? NRG_RANDOM_UNIFORM : NRG_RANDOM_NORMAL, s->shape[j]);
    if (!real) {
        nrg_node digit = nrg_min(g, nrg_floor(g, nrg_mul(g, r, nrg_const(g, choices))), nrg_const(g, choices - 1));
        double zero = nrg_finite_number(s->model, s->var[j], 0), unit = nrg_finite_number(s->model, s->var[j], 1) - zero;
        s->x0[j] = nrg_add(g, nrg_mul(g, digit, nrg_const(g, unit)), nrg_const(g, zero));
    } else
        s->x0[j] = closed ? nrg_add(g, nrg_mul(g, r, nrg_const(g, d->hi - d->lo)), nrg_const(g, d->lo))
                          : nrg_reflect(g, d, nrg_mul(g, r, nrg_const(g, sd)), NULL);
    return nrg_graph_check(g);
}

// Where the chain stood, unless it is to start again.
static nrg_status from_kept(nrg_sampler *s, int j) {
    const char *kept = nrg_arena_print(&s->arena, "%s:kept:%s", s->spec.prefix, s->model->vars.at[s->var[j]].name),
               *again = nrg_arena_print(&s->arena, "%s:again", s->spec.prefix);
    if (!kept || !again) return NRG_E098;
    nrg_node old = nrg_input(s->graph, kept, NRG_SAMPLE, s->shape[j]), anew = nrg_input(s->graph, again, NRG_SAMPLE, (nrg_shape){0});
    s->x0[j] = nrg_select(s->graph, anew, s->x0[j], old);
    return nrg_graph_check(s->graph);
}

// A module's guess, from fresh noise for every chain where it asks for some: from G(normal(8)).
static nrg_status from_module(nrg_sampler *s, const nrg_sampler_part *p, int j, const nrg_expr *from) {
    nrg_group gr = {.vars = s->spec.vars, .verb = NRG_SAMPLE_VERB, .stmt = p->stmt};
    gr.stmt.from = (nrg_expr *)from; // it is only read
    nrg_sampler_noise(s, true);
    nrg_status st = nrg_descent_start(s->inference, &gr, s->var[j], NRG_SAMPLE, 0, &s->x0[j]);
    nrg_sampler_noise(s, false);
    return st;
}

static nrg_status start_of(nrg_sampler *s, const nrg_sampler_part *p, int j) {
    const nrg_expr *from = s->spec.from ? s->spec.from : p->stmt.from;
    nrg_model *m = s->model;
    int32_t v = s->var[j];
    nrg_node bound = nrg_scope_bound(s->scope, v); // its data, where there are any
    const nrg_expr *anew = from && from->kind == NRG_X_CALL && nrg_word_is(from, "buffer") ? nrg_call_arg(from, "start", 5) : NULL;
    if (!from || nrg_word_is(from, "noise") || nrg_word_is(from, "buffer")) {
        TRY(anew ? from_module(s, p, j, anew) : from_noise(s, j, from));
        return s->spec.kept ? from_kept(s, j) : NRG_OK;
    }
    if (nrg_word_is(from, "data")) {
        if (bound.i) return s->x0[j] = bound, NRG_OK;
        if (m->vars.at[v].role == NRG_LATENT) return from_noise(s, j, NULL);
        nrg_status st = nrg_fail(m->ctx, NRG_E051, from->span, "the chains of %s start at the data, and there are none for it", m->vars.at[v].name);
        nrg_help(m->ctx, "--data FILE with %s, or start from noise: --stmt 'sample %s by ... from noise'", m->vars.at[v].name, m->vars.at[v].name);
        return st;
    }
    return from_module(s, p, j, from);
}

// ---- graph and plans

// What is held, and the data of what is drawn (they may be starts).
static nrg_status bind_held(nrg_sampler *s) {
    nrg_model *m = s->model;
    nrg_vars seen = (s->spec.given | s->spec.vars) & m->energy.vars & ~nrg_model_role(m, NRG_WEIGHT);
    if (s->spec.bind) return s->spec.bind(s->spec.ud, s->scope);
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        nrg_shape shape;
        if (!(seen >> v & 1) || ((s->spec.vars >> v & 1) && !nrg_store_get(s->store, m->vars.at[v].name))) continue;
        TRY(nrg_var_shape(m, v, &shape));
        nrg_scope_bind(s->scope, v, nrg_input(s->graph, m->vars.at[v].name, NRG_SAMPLE, shape));
    }
    return nrg_graph_check(s->graph);
}

static nrg_status make_starts(nrg_sampler *s) {
    char name[200];
    s->at = -1;
    for (int k = 0; k < s->parts; k++)
        for (int j = s->part[k].first; j < s->part[k].first + s->part[k].n; j++) {
            TRY(nrg_var_shape(s->model, s->var[j], &s->shape[j]));
            TRY(start_of(s, &s->part[k], j));
            snprintf(name, sizeof name, "at:%s", s->model->vars.at[s->var[j]].name);
            s->now[j] = s->x[j] = nrg_sampler_state_new(s, name, s->shape[j], nrg_spread(s->graph, s->x0[j], NRG_SAMPLE));
            TRY(nrg_graph_check(s->graph)); // a refused state has no first value
            s->x0[j] = s->first[s->firsts - 1].value;
        }
    return nrg_graph_check(s->graph);
}

static nrg_status energy(nrg_sampler *s) {
    nrg_graph *g = s->graph;
    nrg_node F;
    for (int j = 0; j < s->n; j++) nrg_scope_bind(s->scope, s->var[j], s->x[j]);
    TRY(nrg_infer_energy(s->inference, s->spec.given | s->spec.vars, 0, NRG_MARGINALIZE, &F, NULL));
    for (int k = 0; k < s->parts && nrg_inference_loops(s->inference); k++) {
        if (s->part[k].impl->loops && s->parts == 1) continue;
        nrg_status st = nrg_fail(s->model->ctx, NRG_E071, s->part[k].stmt.by_span,
                                 "%s over an energy whose other variables are eliminated step by step is not built yet", s->part[k].impl->name);
        nrg_help(s->model->ctx, "draw by langevin, or draw the other variables as well");
        return st;
    }
    s->U = s->plain = nrg_mul(g, nrg_spread(g, F, NRG_SAMPLE), nrg_const(g, s->model->beta));
    if (s->spec.heated) {
        nrg_node heat = nrg_input(g, s->heat_name, NRG_SAMPLE, (nrg_shape){0});
        s->U = nrg_mul(g, s->plain, heat);
        if (s->spec.base) {
            TRY(s->spec.base(s->spec.ud, g, s->var, s->x, s->n, &s->base));
            s->base = nrg_spread(g, s->base, NRG_SAMPLE);
            s->U = nrg_add(g, s->U, nrg_mul(g, s->base, nrg_sub(g, nrg_const(g, 1), heat)));
        }
    }
    return nrg_graph_check(g);
}

static nrg_status build(nrg_sampler *s) {
    nrg_status st = NRG_OK;
    double steps = nrg_method_arg(s->model, &s->part[0].stmt, "steps", STEPS, &st);
    TRY(st);
    s->warmup = s->spec.warmup >= 0 ? s->spec.warmup : (int64_t)steps;
    s->id = nrg_input(s->graph, s->id_name, NRG_SAMPLE, (nrg_shape){0});
    TRY(make_starts(s));
    TRY(energy(s));
    for (s->at = 0; s->at < s->parts; s->at++) {
        nrg_sampler_part *p = &s->part[s->at];
        TRY(p->impl->fits ? p->impl->fits(s, p) : fits_reals(s, p));
        TRY(p->impl->build(s, p));
        TRY(nrg_graph_check(s->graph));
    }
    for (int j = 0; j < s->n; j++) nrg_sampler_update(s, s->x[j], s->now[j]);
    return nrg_graph_check(s->graph);
}

static nrg_status plan(nrg_sampler *s) {
    nrg_ctx *c = s->model->ctx;
    int threads = s->spec.threads < 1 ? 1 : s->spec.threads;
    nrg_plan_spec spec = {.graph = s->graph, .updates = s->first, .updates_n = s->firsts, .batch = s->spec.lanes};
    TRY(nrg_plan_make(c, &spec, &s->start));
    spec.updates = s->up;
    spec.updates_n = s->ups;
    TRY(nrg_plan_make(c, &spec, &s->step));
    nrg_node seen[2] = {s->plain, s->base};
    spec = (nrg_plan_spec){.graph = s->graph, .outputs = seen, .outputs_n = s->base.i ? 2 : 1, .batch = s->spec.lanes};
    TRY(nrg_plan_make(c, &spec, &s->look));
    TRY(nrg_run_new(c, s->start, threads, &s->run_start));
    TRY(nrg_run_new(c, s->step, threads, &s->run_step));
    return nrg_run_new(c, s->look, threads, &s->run_look);
}

static nrg_status make_states(nrg_sampler *s) {
    void *data;
    for (uint32_t k = 0; k < s->states.n; k++) TRY(nrg_store_make(s->store, s->states.at[k].name, s->states.at[k].count * s->spec.lanes, &data));
    if (s->spec.heated) {
        TRY(nrg_store_make(s->store, s->heat_name, s->spec.lanes, &data));
        nrg_store_fill(s->store, data, s->spec.lanes, 1);
    }
    return nrg_chains_ids(s, NULL, 0, s->spec.lanes);
}

static nrg_status make(nrg_sampler *s) {
    nrg_model *m = s->model;
    nrg_infer_options o = {.threads = s->spec.threads, .batch = s->spec.lanes};
    s->id_name = nrg_arena_print(&s->arena, "%s:id", s->spec.prefix);
    s->heat_name = nrg_arena_print(&s->arena, "%s:heat", s->spec.prefix);
    if (!s->id_name || !s->heat_name) return NRG_E098;
    TRY(nrg_graph_new(m->ctx, s->spec.products == NRG_PRODUCTS_FULL ? nrg_store_type(s->store) : nrg_dtype_of(false, s->spec.products), &s->graph));
    TRY(nrg_scope_new(m, s->graph, &s->scope));
    TRY(nrg_inference_new(m->ctx, s->scope, &o, &s->inference));
    TRY(bind_held(s));
    TRY(make_parts(s));
    TRY(build(s));
    TRY(plan(s));
    return make_states(s);
}

nrg_status nrg_chains_open(nrg_model *m, nrg_store *store, const nrg_chains_spec *spec, nrg_chains **out) {
    nrg_sampler *s = nrg_mem(m->ctx, NULL, 0, sizeof *s);
    *out = NULL;
    if (!s) return NRG_E098;
    *s = (nrg_sampler){.model = m, .store = store, .spec = *spec, .arena = nrg_arena_make(m->ctx)};
    if (!s->spec.prefix) s->spec.prefix = "chain";
    nrg_status st = make(s);
    if (st == NRG_OK) *out = s;
    else nrg_chains_free(s);
    return st;
}

void nrg_chains_free(nrg_chains *s) {
    if (!s) return;
    nrg_run_free(s->run_start);
    nrg_run_free(s->run_step);
    nrg_run_free(s->run_look);
    nrg_plan_free(s->start);
    nrg_plan_free(s->step);
    nrg_plan_free(s->look);
    nrg_inference_free(s->inference);
    nrg_scope_free(s->scope);
    nrg_graph_free(s->graph);
    nrg_ctx *c = s->model->ctx;
    nrg_arena_free(&s->arena);
    nrg_mem(c, s, sizeof *s, 0);
}

// ---- running

nrg_status nrg_chains_ids(nrg_chains *s, const int64_t *id, int64_t first, int64_t n) {
    void *data;
    TRY(nrg_store_make(s->store, s->id_name, n, &data));
    for (int64_t i = 0; i < n; i++) {
        int64_t one = id ? id[i] : first + i;
        if (nrg_store_type(s->store) == NRG_F64) ((double *)data)[i] = (double)one;
        else ((float *)data)[i] = (float)one;
    }
    return NRG_OK;
}

// Results of inner loops are not there yet when chains start, and starts do not read them.
nrg_status nrg_chains_start(nrg_chains *s, int64_t n, uint64_t seed, uint32_t step) {
    nrg_store_bind_known(s->store, s->graph, s->run_start);
    return nrg_run_go(s->run_start, n, 1, seed, step);
}

// Of chains [0, n) those whose energy is not finite; with `mark`, which.
static nrg_status lost(nrg_chains *s, int64_t n, uint64_t seed, void *energy, bool *mark, int64_t *count) {
    *count = 0;
    TRY(nrg_chains_look(s, n, seed, 0, energy, s->base.i ? (char *)energy + (size_t)n * sizeof(double) : NULL));
    for (int64_t i = 0; i < n; i++) *count += mark[i] = !isfinite(nrg_store_number(nrg_store_type(s->store), energy, i));
    return NRG_OK;
}

// Chains that stand well keep their states. *moved: whether another start is another place at all.
static nrg_status start_again(nrg_chains *s, int64_t n, uint64_t seed, uint32_t step, const bool *mark, nrg_arena *a, bool *moved) {
    size_t size = nrg_dtype_size(nrg_store_type(s->store));
    char **was = NRG_NEWS(a, char *, s->states.n + 1);
    if (!was) return NRG_E098;
    for (uint32_t k = 0; k < s->states.n; k++) {
        size_t bytes = (size_t)(s->states.at[k].count * n) * size;
        if (!(was[k] = nrg_arena_get(a, bytes + 1))) return NRG_E098;
        memcpy(was[k], nrg_store_get(s->store, s->states.at[k].name)->data, bytes);
    }
    TRY(nrg_chains_start(s, n, seed, step));
    *moved = false;
    for (uint32_t k = 0; k < s->states.n; k++) {
        size_t each = (size_t)s->states.at[k].count * size;
        char *now = nrg_store_get(s->store, s->states.at[k].name)->data;
        for (int64_t i = 0; i < n; i++) {
            if (mark[i]) *moved = *moved || memcmp(now + (size_t)i * each, was[k] + (size_t)i * each, each) != 0;
            else memcpy(now + (size_t)i * each, was[k] + (size_t)i * each, each);
        }
    }
    return NRG_OK;
}

nrg_status nrg_chains_start_well(nrg_chains *s, int64_t n, uint64_t seed, uint32_t step) {
    nrg_arena a = nrg_arena_make(s->model->ctx);
    bool *mark = NRG_NEWS(&a, bool, n + 1), moved = true;
    void *energy = NRG_NEWS(&a, double, 2 * n + 1);
    int64_t count = 0;
    nrg_status st = mark && energy ? nrg_chains_start(s, n, seed, step) : NRG_E098;
    if (st == NRG_OK) st = lost(s, n, seed, energy, mark, &count);
    for (uint32_t k = 1; k <= STARTS && st == NRG_OK && count > 0 && moved; k++) {
        nrg_arena kept = nrg_arena_make(s->model->ctx);
        st = start_again(s, n, seed, UINT32_MAX - k, mark, &kept, &moved);
        nrg_arena_free(&kept);
        if (st == NRG_OK) st = lost(s, n, seed, energy, mark, &count);
    }
    nrg_arena_free(&a);
    return st;
}

int64_t nrg_chains_numbers(const nrg_chains *s, int64_t steps) { return s->left ? steps * s->runs + CHUNK : steps; }

// Chains whose steps are of several runs: until each has taken its steps. Numbers of runs are set aside for all that a step may
// take, so that a chain's random numbers do not depend on how long its neighbours take.
static nrg_status go_long(nrg_chains *s, int64_t n, int64_t steps, uint64_t seed, uint32_t *at) {
    nrg_buffer *left = (nrg_buffer *)(size_t)nrg_store_get(s->store, s->left);
    double most = (double)steps * (double)s->runs;
    bool more = steps > 0;
    if (*at + most > 4e9)
        return nrg_fail(s->model->ctx, NRG_E090, NRG_NOWHERE, "%lld steps of up to %lld runs are more than can be counted", (long long)steps, (long long)s->runs);
    nrg_store_fill(s->store, left->data, n, (double)steps);
    TRY(nrg_store_bind(s->store, s->graph, s->run_step));
    for (int64_t run = 0; more && run < steps * s->runs; run += CHUNK) {
        TRY(nrg_run_go(s->run_step, n, CHUNK, seed, *at + (uint32_t)run));
        more = false;
        for (int64_t i = 0; i < n && !more; i++) more = nrg_store_number(nrg_store_type(s->store), left->data, i) > 0;
    }
    *at += (uint32_t)most + CHUNK;
    return NRG_OK;
}

// Inner loops follow the chains step by step.
nrg_status nrg_chains_go(nrg_chains *s, int64_t n, int64_t steps, uint64_t seed, uint32_t *at) {
    bool deep = nrg_inference_loops(s->inference);
    if (s->left) return go_long(s, n, steps, seed, at);
    for (int64_t t = 0; t < steps; t += deep ? 1 : steps) {
        if (deep) TRY(nrg_inference_go(s->inference, s->store, n, seed, *at));
        TRY(nrg_store_bind(s->store, s->graph, s->run_step));
        TRY(nrg_run_go(s->run_step, n, deep ? 1 : steps, seed, *at));
        *at += (uint32_t)(deep ? 1 : steps);
    }
    return NRG_OK;
}

nrg_status nrg_chains_look(nrg_chains *s, int64_t n, uint64_t seed, uint32_t at, void *energy, void *base) {
    if (nrg_inference_loops(s->inference)) TRY(nrg_inference_go(s->inference, s->store, n, seed, at));
    TRY(nrg_store_bind(s->store, s->graph, s->run_look));
    nrg_run_output(s->run_look, 0, energy);
    if (s->base.i) nrg_run_output(s->run_look, 1, base);
    return nrg_run_go(s->run_look, n, 1, seed, at);
}

const char *nrg_chains_biased(const nrg_chains *s) {
    for (int k = 0; k < s->parts; k++)
        if (s->part[k].biased) return s->part[k].impl->name;
    return NULL;
}

bool nrg_chains_fresh(const nrg_chains *s) { return s->parts == 1 && s->part[0].fresh; }

int nrg_chains_vars(const nrg_chains *s, int32_t *var) {
    for (int j = 0; j < s->n; j++) var[j] = s->var[j];
    return s->n;
}

const nrg_chains_state *nrg_chains_state_at(const nrg_chains *s, int i) { return i < (int)s->states.n ? &s->states.at[i] : NULL; }

// ---- what is said about chains

nrg_status nrg_chains_print(const nrg_chains *s, nrg_text *out) {
    for (int k = 0; k < s->parts; k++) {
        const nrg_sampler_part *p = &s->part[k];
        nrg_vars vars = 0;
        for (int j = p->first; j < p->first + p->n; j++) vars |= (nrg_vars)1 << s->var[j];
        nrg_text_put(out, "%ssample ", k ? "   " : "");
        nrg_vars_print(s->model, vars, out);
        nrg_text_put(out, " by %s", p->impl->name);
        const char *reason = p->stmt.by ? NULL : p->stmt.reason;
        if (reason || p->note)
            nrg_text_put(out, "   (%s%s%s%s)", reason ? "chosen: " : "", reason ? reason : "", reason && p->note ? "; " : "", p->note ? p->note : "");
    }
    nrg_inference_list(s->inference, out);
    return out->bad ? NRG_E098 : NRG_OK;
}

nrg_status nrg_chains_plan_print(const nrg_chains *s, nrg_text *out) {
    TRY(nrg_chains_print(s, out));
    nrg_text_put(out, "\n");
    nrg_plan_print(s->step, out);
    return out->bad ? NRG_E098 : NRG_OK;
}

static double mean_of(const nrg_sampler *s, const char *name, int64_t n) {
    const nrg_buffer *b = name ? nrg_store_get(s->store, name) : NULL;
    double sum = 0;
    for (int64_t i = 0; b && i < n; i++) sum += nrg_store_number(nrg_store_type(s->store), b->data, b->rows ? b->rows[i] : i);
    return b && n > 0 ? sum / (double)n : NAN;
}

int64_t nrg_chains_diverged(const nrg_chains *s, int64_t lane) {
    int64_t n = 0;
    for (int k = 0; k < s->parts; k++) {
        const nrg_buffer *b = s->part[k].diverged ? nrg_store_get(s->store, s->part[k].diverged) : NULL;
        if (b) n += (int64_t)llround(nrg_store_number(nrg_store_type(s->store), b->data, b->rows ? b->rows[lane] : lane));
    }
    return n;
}

// Of several parts: the lowest acceptance, the first step size, all divergences, the temperature if it is the same for all.
void nrg_chains_score_of(const nrg_chains *s, int64_t n, int64_t steps, nrg_chains_score *out) {
    *out = (nrg_chains_score){NAN, NAN, s->part[0].temperature, 0};
    for (int k = 0; k < s->parts; k++) {
        const nrg_sampler_part *p = &s->part[k];
        double taken = p->accepted && steps > 0 ? mean_of(s, p->accepted, n) / (double)steps : NAN;
        if (isnan(out->acceptance) || taken < out->acceptance) out->acceptance = taken;
        if (isnan(out->step)) out->step = mean_of(s, p->size, n);
        if (p->diverged) out->diverged += (int64_t)llround(mean_of(s, p->diverged, n) * (double)n);
        if (p->temperature != out->temperature) out->temperature = NAN;
    }
}
