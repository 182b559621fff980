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
static const nrg_method_impl *const impls[NRG_BY_COUNT] = {
    NULL,
#define NRG_METHOD(name, verbs, domain, built, args, doc) ROW_##built(name)
#include "model/methods.def"
};
#undef ROW_true
#undef ROW_false

const nrg_method_impl *nrg_method_impl_get(nrg_method m) {
    return (unsigned)m < NRG_BY_COUNT ? impls[m] : NULL;
}

nrg_status nrg_inference_new(nrg_ctx *c, nrg_scope *s, const nrg_infer_options *o,
                             nrg_inference **out) {
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

nrg_status nrg_inference_go(nrg_inference *i, nrg_store *store, int64_t n, uint64_t seed,
                            uint32_t step) {
    for (uint32_t k = 0; k < i->loops.n; k++)
        TRY(i->loops.at[k]->impl->step(i, i->loops.at[k], store, n, seed, step));
    return NRG_OK;
}

bool nrg_inference_loops(const nrg_inference *i) { return i->loops.n > 0; }

void nrg_inference_print(const nrg_inference *i, nrg_text *out) {
    for (uint32_t k = 0; k < i->said.n; k++) nrg_text_put(out, "%s\n", i->said.at[k]);
}

void nrg_inference_list(const nrg_inference *i, nrg_text *out) {
    for (uint32_t k = 0; k < i->said.n; k++)
        nrg_text_put(out, "%s%s", out->n ? "; " : "", i->said.at[k]);
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

const char *nrg_loop_name(nrg_inference *i, const char *kind, nrg_vars vars) {
    nrg_inference *top = i;
    while (top->outer) top = top->outer;
    nrg_text t = nrg_text_make(i->ctx);
    nrg_vars_print(i->model, vars, &t);
    const char *name =
        t.bad ? NULL : nrg_arena_print(&i->arena, "%s:%s:%u", kind, t.at ? t.at : "", ++top->names);
    nrg_text_free(&t);
    return name;
}

// What a chain of an energy bound before it leaves behind is unbound again, so that the scope can be used for another.
static void unbind(nrg_chain *c) {
    for (int k = 0; k < c->n; k++)
        for (int v = 0; v < NRG_MAX_VARS; v++)
            if (c->at[k].vars >> v & 1) nrg_scope_bind(c->i->scope, v, NRG_BAD);
}

nrg_status nrg_infer_energy(nrg_inference *i, nrg_vars data, nrg_vars over, nrg_verb verb,
                            nrg_node *F, nrg_node *best) {
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
    const nrg_infer_stmt *lo = nrg_model_infer(i->model, NRG_MINIMIZE, v),
                         *sum = nrg_model_infer(i->model, NRG_MARGINALIZE, v);
    if (lo && lo->method == by)
        gr.stmt = *lo;
    else if (sum && sum->method == by)
        gr.stmt = *sum;
    gr.stmt.method = by;
    return gr;
}

nrg_status nrg_infer_list(nrg_inference *i, int32_t v, nrg_group *gr, int64_t *count,
                          double *log_cell) {
    nrg_status st = NRG_OK;
    const nrg_var *var = &i->model->vars.at[v];
    double n = nrg_finite_count(i, (nrg_vars)1 << v);
    *gr = listing(i, v);
    *log_cell = 0;
    if (gr->stmt.method == NRG_BY_grid && var->elem == NRG_REAL) {
        *count = nrg_grid_count(i, gr, log_cell, &st);
        return st;
    }
    double limit = fmin(4e6, nrg_method_arg(i->model, &gr->stmt, "limit", 1e6,
                                            &st)); // an index must stay exact in float32
    if (st != NRG_OK) return st;
    if (n >= 1 && n <= limit) return *count = (int64_t)n, NRG_OK;
    const nrg_infer_stmt *own = nrg_model_infer(i->model, NRG_MINIMIZE, v);
    if (!own) own = nrg_model_infer(i->model, NRG_MARGINALIZE, v);
    if (own && own->method != NRG_BY_NONE && !nrg_method_impl_get(own->method))
        return nrg_infer_unbuilt(i, own);
    st = nrg_fail(i->ctx, NRG_E026, var->span,
                  "the values of %s cannot be listed: %.6g of them, and the limit is %.6g",
                  var->name, n, limit);
    nrg_help(i->ctx,
             "name the candidates (--among), or raise the limit: minimize %s by "
             "exhaustive(limit=4000000)",
             var->name);
    return st;
}

// The values of one variable, or of several together: all of them where all are finite, else grid points.
static nrg_status list_together(nrg_inference *i, nrg_vars vars, nrg_group *gr, int64_t *count) {
    nrg_status st = NRG_OK;
    int32_t v = 0;
    double log_cell, n = nrg_finite_count(i, vars);
    while (!(vars >> v & 1)) v++;
    if (vars == (nrg_vars)1 << v) return nrg_infer_list(i, v, gr, count, &log_cell);
    *gr = listing(i, v);
    gr->vars = vars;
    if (n >= 1 && n <= 1e6) return *count = (int64_t)n, NRG_OK;
    const nrg_var *var = &i->model->vars.at[v];
    if (n >= 1) {
        st = nrg_fail(i->ctx, NRG_E026, var->span, "%s and the others have %.6g values together, and the limit is 1e+06",
                      var->name, n);
        nrg_help(i->ctx, "compare fewer variables at once, or draw wrong answers: against batch");
        return st;
    }
    gr->stmt.method = NRG_BY_grid;
    *count = nrg_grid_count(i, gr, &log_cell, &st);
    return st;
}

nrg_status nrg_infer_candidates(nrg_inference *i, nrg_vars data, nrg_vars over, nrg_node *F,
                                nrg_leads *lead, nrg_node *value) {
    nrg_chain *c = NRG_NEW(&i->arena, nrg_chain);
    nrg_group gr;
    int64_t count;
    nrg_text name = nrg_text_make(i->ctx);
    nrg_vars_print(i->model, over, &name);
    if (!c || name.bad) {
        nrg_text_free(&name);
        return NRG_E098;
    }
    nrg_status st = list_together(i, over, &gr, &count);
    if (st == NRG_OK) *lead = nrg_lead_new(i->graph, name.at, count);
    nrg_text_free(&name);
    TRY(st);
    TRY(nrg_group_decode(i, &gr, nrg_iota_lead(i->graph, *lead), value));
    nrg_bind_all(i, over, value, false, NULL);
    TRY(nrg_chain_make(i, data, 0, NRG_MINIMIZE, over, c));
    TRY(nrg_chain_energy(c, 0, F));
    if (!(nrg_graph_node(i->graph, *F)->leads & *lead))
        *F = nrg_expand(i->graph, *F, (nrg_shape){0}, *lead); // the energy ignores them
    if (nrg_tile_estimate(i, *F, *lead, false) > NRG_IN_GRAPH * i->options.memory) {
        st = nrg_fail(i->ctx, NRG_E071, i->model->energy.span,
                      "the energies of all %lld answers at once do not fit into memory", (long long)count);
        nrg_help(i->ctx, "use a smaller domain, or a loss without `against`");
        return st;
    }
    TRY(nrg_infer_say(i, "wrong answers: all %lld %s, exact", (long long)count,
                      gr.stmt.method == NRG_BY_grid ? "grid points" : "values"));
    unbind(c);
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (over >> v & 1) nrg_scope_bind(i->scope, v, NRG_BAD);
    return nrg_graph_check(i->graph);
}
