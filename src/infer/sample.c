// Drawing: the statement, the chains' states and starts, plans for start, step and look, the loop over draws.
#include "infer/sampler.h"
#include <math.h>
#include <string.h>

enum { STEPS = 1000, EVERY = 10, LOOKED_AT = 64 }; // warm-up and thinning unless told; numbers of a variable whose health is told

void nrg_draws_free(nrg_draws *d) {
    if (d) nrg_arena_free(&d->arena);
}

nrg_status nrg_sampler_eliminates(nrg_chain *c, int k) {
    return nrg_fail(c->i->ctx, NRG_E026, c->at[k].stmt.by_span, "a sampler draws values and eliminates no variable");
}

// ---- what methods are made of

nrg_node nrg_sampler_state_new(nrg_sampler *s, const char *name, nrg_shape shape, nrg_node first) {
    const char *full = nrg_arena_print(&s->arena, "chain:%s", name);
    if (!full || NRG_PUSH(&s->arena, s->states, ((nrg_sampler_state){full, nrg_shape_count(&shape)})) != NRG_OK)
        return nrg_graph_bad(s->graph, NRG_E098, "out of memory");
    nrg_node x = nrg_input(s->graph, full, NRG_SAMPLE, shape);
    s->first[s->firsts++] = (nrg_update){x, nrg_spread(s->graph, first, NRG_SAMPLE)};
    return x;
}

void nrg_sampler_update(nrg_sampler *s, nrg_node state, nrg_node value) {
    s->up[s->ups++] = (nrg_update){state, nrg_spread(s->graph, value, NRG_SAMPLE)};
}

nrg_node nrg_sampler_random(nrg_sampler *s, nrg_random_kind kind, int32_t v, nrg_shape shape) {
    uint32_t place = v < 0 ? NRG_MAX_VARS + (uint32_t)-v : (uint32_t)v;
    return nrg_random(s->graph, s->id, kind, NRG_FOR_SAMPLE + 16u * (place + 1), shape);
}

nrg_node nrg_sampler_at(nrg_sampler *s, nrg_node y, const nrg_node *x) {
    return nrg_graph_copy(s->graph, s->graph, y, s->x, x, s->n);
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

// ---- the statement

static const nrg_sampler_impl *impl_of(nrg_method by) {
    return by == NRG_BY_langevin ? &nrg_sampler_langevin
           : by == NRG_BY_mala   ? &nrg_sampler_mala
           : by == NRG_BY_hmc    ? &nrg_sampler_hmc
                                 : NULL;
}

static nrg_status unbuilt(nrg_model *m, nrg_span at, const char *what, const char *name) {
    nrg_status s = nrg_fail(m->ctx, NRG_E071, at, "drawing %s %s is not built yet", what, name);
    nrg_help(m->ctx, "built are langevin, mala and hmc, for real variables");
    return s;
}

static nrg_status check_var(nrg_sampler *s, int32_t v) {
    nrg_model *m = s->model;
    const nrg_var *var = &m->vars.at[v];
    if (!(m->energy.vars >> v & 1) || var->role == NRG_WEIGHT)
        return nrg_fail(m->ctx, NRG_E060, var->span, "%s is not a variable that the energy leaves open", var->name);
    if (var->elem != NRG_REAL) return unbuilt(m, var->span, "values of a discrete variable:", var->name);
    if (var->domain.kind > NRG_DOM_RANGE) return unbuilt(m, var->domain.span, "inside the domain of", var->name);
    if (nrg_var_ragged(m, v)) return unbuilt(m, var->span, "arrays of several lengths:", var->name);
    return NRG_OK;
}

// The statement of the first variable that has one; the others must agree with it.
static nrg_status statement(nrg_sampler *s) {
    nrg_model *m = s->model;
    const nrg_infer_stmt *one = NULL;
    for (int j = 0; j < s->n; j++) {
        const nrg_infer_stmt *st = nrg_model_infer(m, NRG_SAMPLE_VERB, s->var[j]);
        TRY(check_var(s, s->var[j]));
        if (!st) continue;
        if (one && one->span.start != st->span.start) {
            nrg_status bad = nrg_fail(m->ctx, NRG_E071, st->span, "variables of two sample statements cannot be drawn together yet");
            nrg_help(m->ctx, "name them in one statement: sample x, y by hmc");
            return bad;
        }
        one = st;
    }
    s->stmt = one ? *one : (nrg_infer_stmt){.verb = NRG_SAMPLE_VERB};
    if (!s->stmt.by) {
        s->stmt.method = NRG_BY_hmc;
        s->stmt.reason = "reals";
    }
    if (impl_of(s->stmt.method)) return NRG_OK;
    const nrg_method_row *row = s->stmt.method == NRG_BY_NONE ? NULL : nrg_method_get(s->stmt.method);
    return unbuilt(m, s->stmt.by_span, row ? "by" : "by a module", row ? row->name : "(a proposer)");
}

// ---- data and weights as the chains see them

static nrg_status see_rows(nrg_sampler *s, const char *name, const int64_t *row_of) {
    const nrg_buffer *b = nrg_store_get(s->store, name);
    if (!b) return NRG_OK;
    nrg_buffer seen = *b;
    int64_t *rows = NRG_NEWS(&s->arena, int64_t, s->lanes + 1);
    if (!rows) return NRG_E098;
    for (int64_t i = 0; i < s->lanes; i++) rows[i] = b->rows ? b->rows[row_of[i]] : row_of[i];
    seen.rows = rows;
    return nrg_store_put(s->store, name, seen);
}

static nrg_status open_store(nrg_sampler *s, const nrg_store *from) {
    char name[256];
    nrg_model *m = s->model;
    TRY(nrg_store_new(m->ctx, nrg_store_type(from), &s->store));
    TRY(nrg_store_share(from, s->store));
    TRY(nrg_store_hypers(m, s->store));
    int64_t *row_of = NRG_NEWS(&s->arena, int64_t, s->lanes + 1);
    if (!row_of) return NRG_E098;
    for (int64_t i = 0; i < s->lanes; i++) row_of[i] = i / s->spec->chains;
    for (uint32_t v = 0; v < m->vars.n; v++)
        if (m->vars.at[v].role != NRG_WEIGHT) TRY(see_rows(s, m->vars.at[v].name, row_of));
    for (uint32_t d = 0; d < m->dims.n; d++) {
        snprintf(name, sizeof name, "length:%s", m->dims.at[d].name);
        TRY(see_rows(s, name, row_of));
    }
    return NRG_OK;
}

static nrg_status make_states(nrg_sampler *s) {
    void *data;
    nrg_dtype type = nrg_store_type(s->store);
    for (uint32_t k = 0; k < s->states.n; k++) TRY(nrg_store_make(s->store, s->states.at[k].name, s->states.at[k].count * s->lanes, &data));
    TRY(nrg_store_make(s->store, "chain:id", s->lanes, &data));
    for (int64_t i = 0; i < s->lanes; i++) {
        if (type == NRG_F64) ((double *)data)[i] = (double)(s->spec->first + i);
        else ((float *)data)[i] = (float)(s->spec->first + i);
    }
    return NRG_OK;
}

// ---- starts

static bool word_is(const nrg_expr *from, const char *word) {
    if (from && from->kind == NRG_X_CALL) from = from->kid[0];
    return from && from->kind == NRG_X_NAME && nrg_same(from->text, word);
}

// Normal numbers, or uniform ones between two walls; every chain its own.
static nrg_status from_noise(nrg_sampler *s, int j) {
    nrg_graph *g = s->graph;
    const nrg_domain *d = &s->model->vars.at[s->var[j]].domain;
    const nrg_expr *e = s->stmt.from ? nrg_call_arg(s->stmt.from, "sd", 0) : NULL;
    bool closed = d->kind == NRG_DOM_RANGE && !isinf(d->lo) && !isinf(d->hi);
    double sd = 1;
    if (e) TRY(nrg_eval_schedule(s->model, e, 1, &sd));
    nrg_node r = nrg_sampler_random(s, closed ? NRG_RANDOM_UNIFORM : NRG_RANDOM_NORMAL, s->var[j], s->shape[j]);
    s->x0[j] = closed ? nrg_add(g, nrg_mul(g, r, nrg_const(g, d->hi - d->lo)), nrg_const(g, d->lo))
                      : nrg_reflect(g, d, nrg_mul(g, r, nrg_const(g, sd)), NULL);
    return nrg_graph_check(g);
}

static nrg_status start_of(nrg_sampler *s, int j) {
    const nrg_expr *from = s->stmt.from;
    nrg_model *m = s->model;
    if (!from || word_is(from, "noise")) return from_noise(s, j);
    if (word_is(from, "data") && !nrg_store_get(s->store, m->vars.at[s->var[j]].name)) {
        nrg_status st = nrg_fail(m->ctx, NRG_E051, from->span, "the chains of %s start at the data, and there are none for it",
                                 m->vars.at[s->var[j]].name);
        nrg_help(m->ctx, "give data with %s, or start from noise", m->vars.at[s->var[j]].name);
        return st;
    }
    nrg_group gr = {.vars = s->spec->vars, .verb = NRG_SAMPLE_VERB, .stmt = s->stmt};
    return nrg_descent_start(s->inference, &gr, s->var[j], NRG_SAMPLE, 0, &s->x0[j]);
}

// ---- graph and plans

static nrg_status bind_vars(nrg_sampler *s) {
    char name[200];
    nrg_model *m = s->model;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        nrg_shape shape;
        if (!((s->spec->given | s->spec->vars) & m->energy.vars & ~nrg_model_role(m, NRG_WEIGHT) & (nrg_vars)1 << v)) continue;
        TRY(nrg_var_shape(m, v, &shape));
        if (!(s->spec->vars >> v & 1)) {
            nrg_scope_bind(s->scope, v, nrg_input(s->graph, m->vars.at[v].name, NRG_SAMPLE, shape));
            continue;
        }
        snprintf(name, sizeof name, "chain:at:%s", m->vars.at[v].name);
        s->var[s->n] = v;
        s->shape[s->n] = shape;
        s->x[s->n] = nrg_input(s->graph, nrg_arena_print(&s->arena, "%s", name), NRG_SAMPLE, shape);
        nrg_scope_bind(s->scope, v, s->x[s->n++]);
    }
    return nrg_graph_check(s->graph);
}

static nrg_status energy(nrg_sampler *s, const nrg_sampler_impl *impl) {
    nrg_graph *g = s->graph;
    nrg_node F;
    TRY(nrg_infer_energy(s->inference, s->spec->given | s->spec->vars, 0, NRG_MARGINALIZE, &F, NULL));
    if (nrg_inference_loops(s->inference) && !impl->loops) {
        nrg_status st = nrg_fail(s->model->ctx, NRG_E071, s->stmt.by_span,
                                 "%s over an energy whose other variables are eliminated step by step is not built yet", impl->name);
        nrg_help(s->model->ctx, "draw by langevin, or draw the other variables as well");
        return st;
    }
    s->U = nrg_mul(g, nrg_spread(g, F, NRG_SAMPLE), nrg_const(g, s->model->beta));
    TRY(nrg_grad(g, s->U, NRG_BAD, s->x, s->n, s->grad));
    for (int j = 0; j < s->n; j++) {
        s->grad[j] = nrg_spread(g, s->grad[j], NRG_SAMPLE);
        nrg_scope_bind(s->scope, s->var[j], NRG_BAD); // a start may be computed from the given ones only
    }
    return nrg_graph_check(g);
}

static nrg_status build(nrg_sampler *s) {
    const nrg_sampler_impl *impl = impl_of(s->stmt.method);
    char name[200];
    nrg_status st = NRG_OK;
    double steps = nrg_method_arg(s->model, &s->stmt, "steps", STEPS, &st);
    TRY(st);
    s->warmup = s->spec->warmup >= 0 ? s->spec->warmup : (int64_t)steps;
    s->scored = s->spec->draws > 1 ? s->warmup : s->warmup / 2; // with one draw a chain nothing follows the warm-up
    TRY(energy(s, impl));
    s->id = nrg_input(s->graph, "chain:id", NRG_SAMPLE, (nrg_shape){0});
    for (int j = 0; j < s->n; j++) {
        TRY(start_of(s, j));
        s->x0[j] = nrg_spread(s->graph, s->x0[j], NRG_SAMPLE);
        snprintf(name, sizeof name, "at:%s", s->model->vars.at[s->var[j]].name);
        nrg_node x = nrg_sampler_state_new(s, name, s->shape[j], s->x0[j]);
        if (x.i != s->x[j].i) return nrg_fail(s->model->ctx, NRG_E099, NRG_NOWHERE, "the states of %s do not line up", name);
    }
    return impl->build(s);
}

static nrg_status plan(nrg_sampler *s) {
    nrg_ctx *c = s->model->ctx;
    int threads = s->spec->threads < 1 ? 1 : s->spec->threads;
    TRY(nrg_graph_check(s->graph));
    nrg_plan_spec spec = {.graph = s->graph, .updates = s->first, .updates_n = s->firsts, .batch = s->lanes};
    TRY(nrg_plan_make(c, &spec, &s->start));
    spec.updates = s->up;
    spec.updates_n = s->ups;
    TRY(nrg_plan_make(c, &spec, &s->step));
    spec = (nrg_plan_spec){.graph = s->graph, .outputs = &s->U, .outputs_n = 1, .batch = s->lanes};
    TRY(nrg_plan_make(c, &spec, &s->look));
    TRY(nrg_run_new(c, s->start, threads, &s->run_start));
    TRY(nrg_run_new(c, s->step, threads, &s->run_step));
    return nrg_run_new(c, s->look, threads, &s->run_look);
}

static nrg_status sampler_open(nrg_sampler *s, nrg_model *m, const nrg_store *from, const nrg_sample_spec *spec) {
    nrg_infer_options o = {.threads = spec->threads, .batch = spec->rows * spec->chains};
    *s = (nrg_sampler){.model = m, .spec = spec, .arena = nrg_arena_make(m->ctx), .lanes = spec->rows * spec->chains};
    TRY(open_store(s, from));
    TRY(nrg_graph_new(m->ctx, nrg_store_type(from), &s->graph));
    TRY(nrg_scope_new(m, s->graph, &s->scope));
    TRY(nrg_inference_new(m->ctx, s->scope, &o, &s->inference));
    TRY(bind_vars(s));
    if (!s->n) return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "no variable is to be drawn");
    TRY(statement(s));
    TRY(build(s));
    TRY(plan(s));
    return make_states(s);
}

static void sampler_close(nrg_sampler *s) {
    nrg_run_free(s->run_start);
    nrg_run_free(s->run_step);
    nrg_run_free(s->run_look);
    nrg_plan_free(s->start);
    nrg_plan_free(s->step);
    nrg_plan_free(s->look);
    nrg_inference_free(s->inference);
    nrg_scope_free(s->scope);
    nrg_graph_free(s->graph);
    nrg_store_free(s->store);
    nrg_arena_free(&s->arena);
}

// ---- steps and draws

// Steps are numbered from 1: the starts have used 0. Inner loops follow the chains step by step.
static nrg_status advance(nrg_sampler *s, int64_t steps, uint32_t *at) {
    const nrg_sample_spec *spec = s->spec;
    bool deep = nrg_inference_loops(s->inference);
    for (int64_t t = 0; t < steps; t += deep ? 1 : steps) {
        if (deep) TRY(nrg_inference_go(s->inference, s->store, s->lanes, spec->seed, *at));
        TRY(nrg_store_bind(s->store, s->graph, s->run_step));
        TRY(nrg_run_go(s->run_step, s->lanes, deep ? 1 : steps, spec->seed, *at));
        *at += (uint32_t)(deep ? 1 : steps);
    }
    return NRG_OK;
}

static nrg_status lost(nrg_sampler *s, int64_t lane, const char *what) {
    nrg_status st = nrg_fail(s->model->ctx, NRG_E080, s->stmt.by_span.file ? s->stmt.by_span : s->model->energy.span,
                             "%s of chain %lld is no longer a number: the sampler ran away", what, (long long)lane);
    nrg_help(s->model->ctx, "use a smaller step, mala or hmc (which refuse such steps), or a bounded variable");
    return st;
}

static nrg_status record(nrg_sampler *s, nrg_draws *out, int64_t draw, uint32_t at, void *raw) {
    nrg_dtype type = nrg_store_type(s->store);
    if (nrg_inference_loops(s->inference)) TRY(nrg_inference_go(s->inference, s->store, s->lanes, s->spec->seed, at));
    TRY(nrg_store_bind(s->store, s->graph, s->run_look));
    nrg_run_output(s->run_look, 0, raw);
    TRY(nrg_run_go(s->run_look, s->lanes, 1, s->spec->seed, at));
    for (int j = 0; j < s->n; j++) {
        const nrg_buffer *b = nrg_store_get(s->store, s->states.at[j].name);
        for (int64_t i = 0; i < s->lanes; i++)
            for (int64_t w = 0; w < out->width[j]; w++) {
                double x = nrg_store_number(type, b->data, i * out->width[j] + w);
                if (!isfinite(x)) return lost(s, i, s->model->vars.at[s->var[j]].name);
                out->value[j][(i * s->spec->draws + draw) * out->width[j] + w] = x;
            }
    }
    for (int64_t i = 0; i < s->lanes; i++) {
        double E = nrg_store_number(type, raw, i) / s->model->beta;
        if (isnan(E)) return lost(s, i, "the energy");
        out->energy[i * s->spec->draws + draw] = E;
    }
    return NRG_OK;
}

static nrg_status room(nrg_sampler *s, nrg_draws *out) {
    out->n = s->n;
    out->energy = NRG_NEWS(&out->arena, double, s->lanes * s->spec->draws + 1);
    for (int j = 0; j < s->n; j++) {
        out->var[j] = s->var[j];
        out->width[j] = nrg_shape_count(&s->shape[j]);
        if ((double)s->lanes * (double)s->spec->draws * (double)out->width[j] > 1e12)
            return nrg_fail(s->model->ctx, NRG_E090, NRG_NOWHERE, "%lld chains of %lld draws do not fit into memory",
                            (long long)s->lanes, (long long)s->spec->draws);
        out->value[j] = NRG_NEWS(&out->arena, double, s->lanes * s->spec->draws * out->width[j] + 1);
        out->health[j] = NRG_NEWS(&out->arena, nrg_health, out->width[j] + 1);
        if (!out->value[j] || !out->health[j]) return NRG_E098;
    }
    return out->energy ? NRG_OK : NRG_E098;
}

// ---- what is said about the draws

static double mean_of(nrg_sampler *s, const char *name) {
    const nrg_buffer *b = name ? nrg_store_get(s->store, name) : NULL;
    double sum = 0;
    for (int64_t i = 0; b && i < s->lanes; i++) sum += nrg_store_number(nrg_store_type(s->store), b->data, i);
    return b ? sum / (double)s->lanes : NAN;
}

static double worse(double a, double b, bool high) { return isnan(a) ? b : isnan(b) ? a : high ? fmax(a, b) : fmin(a, b); }

// The worst over rows of one number: from[chain, draw] at stride `width`.
static nrg_status look_at(nrg_sampler *s, const double *from, int64_t width, double *room, nrg_health *out) {
    int64_t each = s->spec->chains * s->spec->draws;
    *out = (nrg_health){NAN, NAN, NAN};
    for (int64_t r = 0; r < s->spec->rows; r++) {
        nrg_health h;
        for (int64_t i = 0; i < each; i++) room[i] = from[(r * each + i) * width];
        TRY(nrg_health_of(s->model->ctx, room, s->spec->chains, s->spec->draws, &h));
        *out = (nrg_health){worse(out->rhat, h.rhat, true), worse(out->bulk, h.bulk, false), worse(out->tail, h.tail, false)};
    }
    return NRG_OK;
}

static nrg_status judge(nrg_sampler *s, nrg_draws *out) {
    double *tmp = NRG_NEWS(&s->arena, double, s->spec->chains * s->spec->draws + 1);
    if (!tmp) return NRG_E098;
    TRY(look_at(s, out->energy, 1, tmp, &out->energy_health));
    for (int j = 0; j < out->n; j++) {
        int64_t gap = out->width[j] > LOOKED_AT ? out->width[j] / LOOKED_AT : 1; // of many numbers some, evenly spread
        for (int64_t w = 0; w < out->width[j]; w++) {
            out->health[j][w] = (nrg_health){NAN, NAN, NAN};
            if (w % gap == 0) TRY(look_at(s, out->value[j] + w, out->width[j], tmp, &out->health[j][w]));
        }
    }
    int64_t steps = s->warmup + (s->spec->draws - 1) * s->spec->every - s->scored;
    out->warmup = s->warmup;
    out->acceptance = s->accepted && steps > 0 ? mean_of(s, s->accepted) / (double)steps : NAN;
    out->step = mean_of(s, s->size);
    out->diverged = s->diverged ? (int64_t)llround(mean_of(s, s->diverged) * (double)s->lanes) : 0;
    out->temperature = s->temperature;
    return NRG_OK;
}

static nrg_status say(nrg_sampler *s, nrg_draws *out) {
    nrg_text t = nrg_text_make(s->model->ctx);
    nrg_text_put(&t, "sample ");
    nrg_vars_print(s->model, s->spec->vars, &t);
    nrg_text_put(&t, " by %s", nrg_method_get(s->stmt.method)->name);
    if (s->stmt.reason && !s->stmt.by) nrg_text_put(&t, "   (chosen: %s)", s->stmt.reason);
    nrg_inference_list(s->inference, &t);
    out->how = t.bad ? NULL : nrg_arena_copy(&out->arena, t.at, t.n);
    nrg_text_free(&t);
    return out->how ? NRG_OK : NRG_E098;
}

static nrg_status draw(nrg_sampler *s, nrg_draws *out) {
    uint32_t at = 1;
    TRY(room(s, out));
    void *raw = nrg_arena_get(&s->arena, (size_t)(s->lanes + 1) * sizeof(double));
    if (!raw) return NRG_E098;
    nrg_store_bind_known(s->store, s->graph, s->run_start); // results of inner loops are not there yet, and starts do not read them
    TRY(nrg_run_go(s->run_start, s->lanes, 1, s->spec->seed, 0));
    TRY(advance(s, s->warmup, &at));
    for (int64_t d = 0; d < s->spec->draws; d++) {
        if (d) TRY(advance(s, s->spec->every, &at));
        TRY(record(s, out, d, at, raw));
    }
    TRY(judge(s, out));
    return say(s, out);
}

// Steps are counted in 32 bits; numbers of chains are exact in the type of the graph, else two chains would share their noise.
static nrg_status possible(nrg_model *m, const nrg_store *store, const nrg_sample_spec *p) {
    double lanes = (double)p->rows * (double)p->chains, most = nrg_store_type(store) == NRG_F64 ? 9e15 : 16777216;
    double steps = (double)(p->warmup < 0 ? 0 : p->warmup) + (double)p->every * (double)p->draws;
    if (p->rows < 1 || p->chains < 1 || p->draws < 1)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "%lld rows, %lld chains, %lld draws: at least one of each is needed",
                        (long long)p->rows, (long long)p->chains, (long long)p->draws);
    if (p->first < 0 || (double)p->first + lanes > most)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "%.0f chains from number %lld: their numbers must lie below %.0f", lanes,
                        (long long)p->first, most);
    if (steps > 4e9) return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "%.0f steps are more than can be counted", steps);
    if (lanes * (double)p->draws > 1e11)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "%.0f chains of %lld draws do not fit into memory", lanes, (long long)p->draws);
    return NRG_OK;
}

nrg_status nrg_sample(nrg_model *m, const nrg_store *store, const nrg_sample_spec *spec, nrg_draws *out) {
    nrg_sampler s;
    nrg_sample_spec full = *spec;
    *out = (nrg_draws){.arena = nrg_arena_make(m->ctx)};
    if (full.every < 1) full.every = EVERY;
    TRY(possible(m, store, &full));
    nrg_status st = sampler_open(&s, m, store, &full);
    if (st == NRG_OK) st = draw(&s, out);
    sampler_close(&s);
    if (st == NRG_OK) return st;
    nrg_draws_free(out);
    *out = (nrg_draws){.arena = nrg_arena_make(m->ctx)};
    return st;
}
