// An inference: groups of variables eliminated one inside the other while a graph is built, and the loops that must run before it.
#include "infer/inside.h"
#include <math.h>
#include <string.h>

// ---- the table of methods: the built rows of methods.def, one file each
#define ROW_true(name) extern const nrg_method_impl nrg_infer_##name;
#define ROW_false(name)
#define NRG_METHOD(name, verbs, domain, built, args, doc) ROW_##built(name)
#include "model/methods.def"
#undef ROW_true
#undef ROW_false
#define ROW_true(name) &nrg_infer_##name,
#define ROW_false(name) NULL,
static const nrg_method_impl *const impls[NRG_BY_COUNT] = {NULL,
#define NRG_METHOD(name, verbs, domain, built, args, doc) ROW_##built(name)
#include "model/methods.def"
};
#undef ROW_true
#undef ROW_false

const nrg_method_impl *nrg_method_impl_get(nrg_method m) { return (unsigned)m < NRG_BY_COUNT ? impls[m] : NULL; }

nrg_status nrg_inference_new(nrg_ctx *c, nrg_scope *s, const nrg_infer_options *o, nrg_inference **out) {
    nrg_arena arena = nrg_arena_make(c);
    nrg_inference *i = NRG_NEW(&arena, nrg_inference);
    *out = NULL;
    if (!i) {
        nrg_arena_free(&arena);
        return NRG_E098;
    }
    i->ctx = c;
    i->arena = arena;
    i->scope = s;
    i->graph = nrg_scope_graph(s);
    i->model = nrg_scope_model(s);
    if (o) i->options = *o;
    if (i->options.threads < 1) i->options.threads = 1;
    if (i->options.batch < 1) i->options.batch = 1;
    if (!i->options.memory) i->options.memory = (size_t)64 << 20;
    *out = i;
    return NRG_OK;
}

void nrg_inference_free(nrg_inference *i) {
    if (!i) return;
    for (uint32_t k = 0; k < i->loops.n; k++) {
        nrg_loop *l = i->loops.at[k];
        if (l->impl->drop) l->impl->drop(i, l);
        nrg_loop_clear(i, l);
    }
    nrg_arena arena = i->arena;
    nrg_arena_free(&arena);
}

nrg_status nrg_inference_go(nrg_inference *i, nrg_store *store, int64_t n, uint64_t seed, uint32_t step) {
    for (uint32_t k = 0; k < i->loops.n; k++) TRY(i->loops.at[k]->impl->step(i, i->loops.at[k], store, n, seed, step));
    return NRG_OK;
}

bool nrg_inference_loops(const nrg_inference *i) { return i->loops.n > 0; }

void nrg_inference_print(const nrg_inference *i, nrg_text *out) {
    for (uint32_t k = 0; k < i->said.n; k++) nrg_text_put(out, "%s\n", i->said.at[k]);
}

// ---- helpers

void nrg_vars_print(const nrg_model *m, nrg_vars vars, nrg_text *out) {
    const char *gap = "";
    for (uint32_t v = 0; v < m->vars.n; v++) {
        if (!(vars >> v & 1)) continue;
        nrg_text_put(out, "%s%s", gap, m->vars.at[v].name);
        gap = ", ";
    }
}

nrg_node nrg_filled(nrg_graph *g, double value, nrg_shape s, nrg_leads leads) {
    return nrg_expand(g, nrg_const(g, value), s, leads);
}

nrg_shape nrg_var_event(nrg_inference *i, int32_t v, nrg_status *status) {
    nrg_shape s = {0};
    nrg_status st = nrg_var_shape(i->model, v, &s);
    if (st != NRG_OK && *status == NRG_OK) *status = st;
    return s;
}

bool nrg_var_ragged(const nrg_model *m, int32_t v) {
    nrg_type t;
    if (nrg_var_type(m, v, &t) != NRG_OK) return false;
    for (int32_t a = 0; a < t.rank; a++)
        if (t.axis[a].dim >= 0 && m->dims.at[t.axis[a].dim].ragged) return true;
    return false;
}

// Place of an argument among those of the method's row.
static int place_of(nrg_method method, const char *name) {
    const nrg_method_row *row = nrg_method_get(method);
    size_t n = strlen(name);
    int place = 0;
    for (const char *p = row ? row->args : ""; *p; place++) {
        size_t w = strcspn(p, " ");
        if (w == n && strncmp(p, name, n) == 0) return place;
        p += w;
        while (*p == ' ') p++;
    }
    return -1;
}

static bool is_word(nrg_method method, const char *name) { return place_of(method, name) >= 0; }

double nrg_method_arg(const nrg_model *m, const nrg_infer_stmt *st, const char *name, double otherwise, nrg_status *status) {
    const nrg_expr *e = st->by && st->by->kind == NRG_X_CALL ? nrg_call_arg(st->by, name, place_of(st->method, name)) : NULL;
    double value = otherwise;
    if (!e || (e->kind == NRG_X_NAME && !nrg_call_arg(st->by, name, -1) && is_word(st->method, e->text))) return otherwise;
    nrg_status s = e->kind == NRG_X_SCHEDULE || e->kind == NRG_X_CALL ? nrg_eval_schedule(m, e, 1, &value) : nrg_eval_number(m, e, &value);
    if (s != NRG_OK && *status == NRG_OK) *status = s;
    return value;
}

bool nrg_method_word(const nrg_infer_stmt *st, const char *name) {
    if (!st->by || st->by->kind != NRG_X_CALL) return false;
    for (uint32_t k = 1; k < st->by->n; k++)
        if (st->by->kid[k]->kind == NRG_X_NAME && !(st->by->names && st->by->names[k]) && nrg_same(st->by->kid[k]->text, name)) return true;
    return false;
}

const char *nrg_loop_name(nrg_inference *i, const char *kind, nrg_vars vars) {
    nrg_inference *top = i;
    while (top->outer) top = top->outer;
    nrg_text t = nrg_text_make(i->ctx);
    nrg_vars_print(i->model, vars, &t);
    const char *name = t.bad ? NULL : nrg_arena_print(&i->arena, "%s:%s:%u", kind, t.at ? t.at : "", ++top->names);
    nrg_text_free(&t);
    return name;
}

// ---- leading axes of an inner graph

nrg_leads nrg_leads_known(const nrg_graph *g) {
    nrg_leads all = NRG_SAMPLE;
    for (int b = 1; b < NRG_MAX_LEADS; b++) {
        nrg_leads one = (nrg_leads)1 << b;
        if (nrg_lead_extent(g, one) < 0) break;
        all |= one;
    }
    return all;
}

nrg_status nrg_leads_match(nrg_graph *to, const nrg_graph *from) {
    for (int b = 1; b < NRG_MAX_LEADS; b++) {
        nrg_leads one = (nrg_leads)1 << b;
        int64_t extent = nrg_lead_extent(from, one);
        if (extent < 0) break;
        if (nrg_lead_extent(to, one) >= 0) continue;
        if (nrg_lead_new(to, nrg_lead_name(from, one), extent) != one)
            return nrg_fail(nrg_graph_ctx(to), NRG_E099, NRG_NOWHERE, "the leading axes of an inner graph do not line up");
    }
    return NRG_OK;
}

int64_t nrg_leads_count(const nrg_graph *g, nrg_leads leads) {
    int64_t n = 1;
    for (int b = 1; b < NRG_MAX_LEADS; b++)
        if (leads >> b & 1) n *= nrg_lead_extent(g, (nrg_leads)1 << b);
    return n;
}

nrg_node nrg_spread(nrg_graph *g, nrg_node x, nrg_leads leads) {
    const nrg_node_info *info = nrg_graph_node(g, x);
    return leads & ~info->leads ? nrg_expand(g, x, info->shape, leads & ~info->leads) : x;
}

nrg_leads nrg_leads_bound(nrg_inference *i, nrg_vars vars) {
    nrg_leads leads = 0;
    for (uint32_t v = 0; v < i->model->vars.n; v++)
        if (!(vars >> v & 1)) leads |= nrg_graph_node(i->graph, nrg_scope_bound(i->scope, (int32_t)v))->leads;
    for (uint32_t d = 0; d < i->model->dims.n; d++)
        if (i->model->dims.at[d].ragged) leads |= NRG_SAMPLE; // lengths are the sample's own
    return leads;
}

// ---- loops

void nrg_loop_clear(nrg_inference *i, nrg_loop *l) {
    (void)i;
    nrg_run_free(l->run);
    nrg_run_free(l->first);
    nrg_plan_free(l->plan);
    nrg_plan_free(l->start);
    nrg_inference_free(l->inner);
    nrg_scope_free(l->scope);
    nrg_graph_free(l->graph);
    l->run = l->first = NULL;
    l->plan = l->start = NULL;
    l->inner = NULL;
    l->scope = NULL;
    l->graph = NULL;
}

nrg_status nrg_loop_fill(nrg_inference *i, nrg_loop *l) {
    TRY(nrg_graph_new(i->ctx, nrg_graph_type(i->graph), &l->graph));
    TRY(nrg_leads_match(l->graph, i->graph));
    TRY(nrg_scope_new(i->model, l->graph, &l->scope));
    TRY(nrg_inference_new(i->ctx, l->scope, &i->options, &l->inner));
    l->inner->outer = i;
    for (uint32_t v = 0; v < i->model->vars.n; v++) {
        nrg_node bound = nrg_scope_bound(i->scope, (int32_t)v);
        nrg_node seen, hidden;
        if (bound.i) nrg_scope_bind(l->scope, (int32_t)v, nrg_graph_copy(l->graph, i->graph, bound, NULL, NULL, 0));
        nrg_scope_hid(i->scope, (int32_t)v, &seen, &hidden);
        if (seen.i) seen = nrg_graph_copy(l->graph, i->graph, seen, NULL, NULL, 0);
        if (hidden.i) hidden = nrg_graph_copy(l->graph, i->graph, hidden, NULL, NULL, 0);
        nrg_scope_hide(l->scope, (int32_t)v, seen, hidden);
    }
    return nrg_graph_check(l->graph);
}

nrg_status nrg_loop_new(nrg_inference *i, const nrg_method_impl *impl, nrg_loop **out) {
    *out = NULL;
    if (i->holes) {
        nrg_status s = nrg_fail(i->ctx, NRG_E071, NRG_NOWHERE, "%s inside a closed form or an unrolled descent", impl->name);
        nrg_help(i->ctx, "infer the two variables in one statement, or the outer one by gradient(...) or exhaustive");
        return s;
    }
    nrg_loop *l = NRG_NEW(&i->arena, nrg_loop);
    if (!l) return NRG_E098;
    l->impl = impl;
    if (NRG_PUSH(&i->arena, i->loops, l) != NRG_OK) return NRG_E098; // owned from here on
    *out = l;
    return nrg_loop_fill(i, l);
}

// ---- chains of groups

static nrg_status no_verb(nrg_inference *i, int32_t v) {
    const nrg_var *var = &i->model->vars.at[v];
    if (var->role == NRG_LATENT) {
        nrg_status s = nrg_fail(i->ctx, NRG_E028, var->span, "latent %s has no verb", var->name);
        nrg_help(i->ctx, "minimize %s, or marginalize %s", var->name, var->name);
        return s;
    }
    nrg_status s = nrg_fail(i->ctx, NRG_E060, var->span, "%s is neither held nor eliminated: the model has no minimize or marginalize for it",
                            var->name);
    nrg_help(i->ctx, "give %s, or add   minimize %s", var->name, var->name);
    return s;
}

// The verb by which a variable that is not asked for is eliminated. With both verbs `like` decides.
static nrg_status own_verb(nrg_inference *i, int32_t v, nrg_verb like, nrg_verb *out) {
    bool lo = nrg_model_infer(i->model, NRG_MINIMIZE, v) != NULL, sum = nrg_model_infer(i->model, NRG_MARGINALIZE, v) != NULL;
    if (!lo && !sum) return no_verb(i, v);
    *out = lo && sum ? like : lo ? NRG_MINIMIZE : NRG_MARGINALIZE;
    return NRG_OK;
}

static nrg_status unbuilt(nrg_inference *i, const nrg_infer_stmt *st) {
    const nrg_method_row *row = nrg_method_get(st->method);
    nrg_status s = nrg_fail(i->ctx, NRG_E071, st->by_span, "the inference method %s is not built yet", row ? row->name : "asked for");
    nrg_help(i->ctx, "built are exact, exhaustive, grid, gradient and lbfgs");
    return s;
}

static nrg_status fill_stmt(nrg_inference *i, nrg_group *gr) {
    nrg_infer_stmt *st = &gr->stmt;
    st->vars = gr->vars;
    st->verb = gr->verb;
    if (st->method == NRG_BY_NONE && st->by) {
        nrg_status s = nrg_fail(i->ctx, NRG_E071, st->by_span, "a module after `by` (amortised inference) is not built yet");
        nrg_help(i->ctx, "use exact, exhaustive, grid, gradient or lbfgs");
        return s;
    }
    if (st->method == NRG_BY_NONE || !st->written) TRY(nrg_infer_choose(i->model, st));
    return nrg_method_impl_get(st->method) ? NRG_OK : unbuilt(i, st);
}

static nrg_status put_var(nrg_chain *c, int32_t v, nrg_verb verb, bool first) {
    nrg_model *m = c->i->model;
    const nrg_infer_stmt *st = nrg_model_infer(m, verb, v);
    for (int k = 0; k < c->n; k++) {
        bool same = st ? c->at[k].stmt.span.start == st->span.start && c->at[k].stmt.span.file == st->span.file && c->at[k].stmt.vars == st->vars : first && !c->at[k].stmt.vars;
        if (c->at[k].verb != verb || !same) continue;
        c->at[k].vars |= (nrg_vars)1 << v;
        return NRG_OK;
    }
    nrg_group *gr = &c->at[c->n++];
    *gr = (nrg_group){.vars = (nrg_vars)1 << v, .verb = verb};
    if (st) gr->stmt = *st;
    return NRG_OK;
}

// Neighbouring groups in closed form under one verb become one: their variables may be coupled.
static void merge_exact(nrg_chain *c) {
    int n = 0;
    for (int k = 0; k < c->n; k++) {
        nrg_group *last = n ? &c->at[n - 1] : NULL, *gr = &c->at[k];
        if (last && last->verb == gr->verb && last->stmt.method == NRG_BY_exact && gr->stmt.method == NRG_BY_exact) {
            last->vars |= gr->vars;
            last->stmt.vars = last->vars;
        } else {
            c->at[n++] = *gr;
        }
    }
    c->n = n;
}

// A closed form chosen from the energy alone does not hold above variables that are still to be eliminated.
static void soften(nrg_chain *c) {
    for (int k = 0; k + 1 < c->n; k++) {
        nrg_infer_stmt *st = &c->at[k].stmt;
        if (st->written || st->method != NRG_BY_exact || st->verb != NRG_MINIMIZE) continue;
        st->method = NRG_BY_lbfgs;
        st->reason = "smooth pieces once the others are eliminated";
    }
}

static nrg_status say(nrg_inference *i, nrg_chain *c, int k) {
    static const char *const verbs[] = {"minimize", "marginalize", "sample"};
    nrg_group *gr = &c->at[k];
    nrg_text t = nrg_text_make(i->ctx), why = nrg_text_make(i->ctx);
    const nrg_method_impl *impl = nrg_method_impl_get(gr->stmt.method);
    nrg_text_put(&t, "%s ", verbs[gr->verb]);
    nrg_vars_print(i->model, gr->vars, &t);
    nrg_text_put(&t, " by %s", impl->name);
    if (impl->print) impl->print(c, k, &why);
    if (!gr->stmt.written && gr->stmt.reason) nrg_text_put(&t, "   (chosen: %s%s%s)", gr->stmt.reason, why.n ? "; " : "", why.n ? why.at : "");
    else if (why.n) nrg_text_put(&t, "   (%s)", why.at);
    nrg_status s = t.bad || why.bad ? NRG_E098 : NRG_OK;
    for (uint32_t j = 0; s == NRG_OK && j < i->said.n; j++)
        if (strcmp(i->said.at[j], t.at) == 0) goto done; // said before
    if (s == NRG_OK) {
        const char *line = nrg_arena_copy(&i->arena, t.at, t.n);
        s = line ? NRG_PUSH(&i->arena, i->said, line) : NRG_E098;
    }
done:
    nrg_text_free(&t);
    nrg_text_free(&why);
    return s;
}

nrg_status nrg_infer_say(nrg_inference *i, const char *fmt, ...) {
    va_list ap;
    char line[200];
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    while (i->outer) i = i->outer;
    for (uint32_t j = 0; j < i->said.n; j++)
        if (strcmp(i->said.at[j], line) == 0) return NRG_OK;
    const char *own = nrg_arena_copy(&i->arena, line, strlen(line));
    return own ? NRG_PUSH(&i->arena, i->said, own) : NRG_E098;
}

nrg_status nrg_chain_make(nrg_inference *i, nrg_vars data, nrg_vars over, nrg_verb verb, nrg_vars keep, nrg_chain *c) {
    nrg_model *m = i->model;
    nrg_vars open = m->energy.vars & ~data & ~keep & ~nrg_model_role(m, NRG_WEIGHT);
    memset(c, 0, sizeof *c);
    c->i = i;
    for (int pass = 0; pass < 3; pass++) { // asked for, other answers, latents
        for (uint32_t v = 0; v < m->vars.n; v++) {
            nrg_vars one = (nrg_vars)1 << v;
            nrg_verb vb = verb;
            int rank = over & one ? 0 : m->vars.at[v].role == NRG_LATENT ? 2 : 1;
            if (!(open & one) || rank != pass) continue;
            if (rank) TRY(own_verb(i, (int32_t)v, verb, &vb));
            TRY(put_var(c, (int32_t)v, vb, rank == 0));
        }
    }
    for (int k = 0; k < c->n; k++) TRY(fill_stmt(i, &c->at[k]));
    merge_exact(c);
    soften(c);
    for (int k = 0; k < c->n; k++) TRY(say(i, c, k));
    return NRG_OK;
}

nrg_status nrg_chain_energy(nrg_chain *c, int k, nrg_node *F) {
    if (k == c->n) return nrg_eval_energy(c->i->scope, F);
    const nrg_method_impl *impl = nrg_method_impl_get(c->at[k].stmt.method);
    if (impl->applies) TRY(impl->applies(c, k));
    return impl->make(c, k, F);
}

// What a chain of an energy bound before it leaves behind is unbound again, so that the scope can be used for another.
static void unbind(nrg_chain *c) {
    for (int k = 0; k < c->n; k++)
        for (int v = 0; v < NRG_MAX_VARS; v++)
            if (c->at[k].vars >> v & 1) nrg_scope_bind(c->i->scope, v, NRG_BAD);
}

nrg_status nrg_infer_energy(nrg_inference *i, nrg_vars data, nrg_vars over, nrg_verb verb, nrg_node *F, nrg_node *best) {
    nrg_chain *c = NRG_NEW(&i->arena, nrg_chain);
    if (!c) return NRG_E098;
    TRY(nrg_chain_make(i, data, over & ~data, verb, 0, c));
    TRY(nrg_chain_energy(c, 0, F));
    if (best) memcpy(best, c->best, sizeof c->best);
    unbind(c);
    return nrg_graph_check(i->graph);
}

nrg_status nrg_infer_surrogate(nrg_inference *i, nrg_vars data, nrg_node *Q) {
    i->surrogate = true;
    nrg_status s = nrg_infer_energy(i, data, 0, NRG_MINIMIZE, Q, NULL);
    i->surrogate = false;
    return s;
}

// ---- all values of one variable

// The statement that lists the candidates of a variable: the first of the fitting method, else none.
static nrg_group listing(nrg_inference *i, int32_t v) {
    nrg_group gr = {.vars = (nrg_vars)1 << v};
    nrg_method by = nrg_finite_choices(i->model, v) >= 1 ? NRG_BY_exhaustive : NRG_BY_grid;
    const nrg_infer_stmt *lo = nrg_model_infer(i->model, NRG_MINIMIZE, v), *sum = nrg_model_infer(i->model, NRG_MARGINALIZE, v);
    if (lo && lo->method == by) gr.stmt = *lo;
    else if (sum && sum->method == by) gr.stmt = *sum;
    gr.stmt.method = by;
    return gr;
}

nrg_status nrg_infer_list(nrg_inference *i, int32_t v, nrg_group *gr, int64_t *count, double *log_cell) {
    nrg_status st = NRG_OK;
    const nrg_var *var = &i->model->vars.at[v];
    double n = nrg_finite_count(i, (nrg_vars)1 << v);
    *gr = listing(i, v);
    *log_cell = 0;
    if (gr->stmt.method == NRG_BY_grid && var->elem == NRG_REAL) {
        *count = nrg_grid_count(i, gr, log_cell, &st);
        return st;
    }
    double limit = fmin(4e6, nrg_method_arg(i->model, &gr->stmt, "limit", 1e6, &st)); // an index must stay exact in float32
    if (st != NRG_OK) return st;
    if (n >= 1 && n <= limit) return *count = (int64_t)n, NRG_OK;
    const nrg_infer_stmt *own = nrg_model_infer(i->model, NRG_MINIMIZE, v);
    if (!own) own = nrg_model_infer(i->model, NRG_MARGINALIZE, v);
    if (own && own->method != NRG_BY_NONE && !nrg_method_impl_get(own->method)) return unbuilt(i, own);
    st = nrg_fail(i->ctx, NRG_E026, var->span, "the values of %s cannot be listed: %.6g of them, and the limit is %.6g", var->name, n, limit);
    nrg_help(i->ctx, "name the candidates (--among), or raise the limit: minimize %s by exhaustive(limit=4000000)", var->name);
    return st;
}

nrg_status nrg_infer_candidates(nrg_inference *i, nrg_vars data, nrg_vars over, nrg_node *F, nrg_leads *lead, nrg_node *value) {
    int32_t v = 0;
    nrg_chain *c = NRG_NEW(&i->arena, nrg_chain);
    if (!c) return NRG_E098;
    if (!over || (over & (over - 1)))
        return nrg_fail(i->ctx, NRG_E071, NRG_NOWHERE, "candidates of several variables at once are not built yet");
    while (!(over >> v & 1)) v++;
    nrg_group gr;
    int64_t count;
    double log_cell;
    nrg_node values[NRG_MAX_VARS] = {{0}};
    TRY(nrg_infer_list(i, v, &gr, &count, &log_cell));
    *lead = nrg_lead_new(i->graph, i->model->vars.at[v].name, count);
    TRY(nrg_group_decode(i, &gr, nrg_iota_lead(i->graph, *lead), values));
    *value = values[v];
    nrg_scope_bind(i->scope, v, *value);
    TRY(nrg_chain_make(i, data, 0, NRG_MINIMIZE, over, c));
    TRY(nrg_chain_energy(c, 0, F));
    if (!(nrg_graph_node(i->graph, *F)->leads & *lead)) *F = nrg_expand(i->graph, *F, (nrg_shape){0}, *lead); // the energy ignores v
    unbind(c);
    nrg_scope_bind(i->scope, v, NRG_BAD);
    return nrg_graph_check(i->graph);
}
