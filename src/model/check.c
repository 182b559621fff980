// Evaluation for its side effects: type errors found with guessed sizes, weights made; and which variables are read.
#include "model/inside.h"

#include <string.h>

// ---- variables read

static nrg_vars vars_of(const nrg_model *m, const nrg_expr *e, int depth);

static nrg_vars name_vars(const nrg_model *m, const char *name, int depth) {
    int32_t i;
    if ((i = nrg_model_var(m, name)) >= 0) return (nrg_vars)1 << i;
    if ((i = nrg_model_let(m, name)) >= 0) return vars_of(m, m->lets.at[i].body, depth + 1);
    if ((i = nrg_model_module(m, name)) >= 0) return vars_of(m, m->modules.at[i].body, depth + 1);
    if (!m->energy.name || !nrg_same(m->energy.name, name)) return 0;
    return m->energy.body ? vars_of(m, m->energy.body, depth + 1) : m->energy.vars;
}

static nrg_vars vars_of(const nrg_model *m, const nrg_expr *e, int depth) {
    if (!e || depth > NRG_MAX_DEPTH) return 0;
    if (e->kind == NRG_X_NAME) return name_vars(m, e->text, depth);
    nrg_vars set = 0;
    for (uint32_t k = 0; k < e->n; k++) set |= vars_of(m, e->kid[k], depth + 1);
    for (uint32_t k = 0; k < e->binders; k++) set |= vars_of(m, e->binder[k].over, depth + 1);
    return set;
}

nrg_vars nrg_expr_vars(const nrg_model *m, const nrg_expr *e) {
    return vars_of(m, e, 0);
}

// ---- modules named in statements

// Evaluates every application of a module inside e: the encoders and generators of by, from and learn.
static nrg_status applied(nrg_scope *s, const nrg_expr *e) {
    if (!e) return NRG_OK;
    bool call = e->kind == NRG_X_CALL && e->kid[0]->kind == NRG_X_NAME && nrg_model_module(s->m, e->kid[0]->text) >= 0;
    if (call && e->n > 1) {
        bool atoms = false; // a loss of the user's own reads pos and neg, not variables
        for (uint32_t k = 1; k < e->n; k++) {
            const char *t = e->kid[k]->kind == NRG_X_NAME ? e->kid[k]->text : "";
            atoms |= e->kid[k]->kind == NRG_X_ATOM || nrg_same(t, "pos") || nrg_same(t, "neg") ||
                     nrg_same(t, "lowest") || nrg_same(t, "free") || nrg_same(t, "negatives");
        }
        nrg_value v;
        return atoms ? NRG_OK : nrg_eval(s, e, &v);
    }
    for (uint32_t k = 0; k < e->n; k++) TRY(applied(s, e->kid[k]));
    return NRG_OK;
}

static nrg_status inputs_bind(nrg_scope *s, bool guess) {
    nrg_model *m = s->m;
    for (uint32_t i = 0; i < m->vars.n; i++) {
        nrg_type t;
        if (m->vars.at[i].role == NRG_WEIGHT) continue;
        TRY(nrg_var_type(m, (int32_t)i, &t));
        nrg_shape h = nrg_scope_shape(s, &t);
        if (!guess) TRY(nrg_var_shape(m, (int32_t)i, &h));
        nrg_scope_bind(s, (int32_t)i, nrg_input(s->g, m->vars.at[i].name, NRG_SAMPLE, h));
    }
    return NRG_OK;
}

// ---- making all weights

static nrg_status resolve_all(nrg_scope *s) {
    nrg_model *m = s->m;
    nrg_node e;
    TRY(inputs_bind(s, false));
    if (m->energy.body || m->energy.fn) TRY(nrg_eval_energy(s, &e));
    s->noise = true;
    for (uint32_t i = 0; i < m->infers.n; i++) {
        TRY(applied(s, m->infers.at[i].by));
        TRY(applied(s, m->infers.at[i].from));
    }
    for (uint32_t i = 0; i < m->learns.n; i++)
        TRY(applied(s, m->learns.at[i].written ? m->learns.at[i].written : m->learns.at[i].expr));
    for (uint32_t i = 0; i < m->vars.n; i++) {
        nrg_value v;
        if (m->vars.at[i].role == NRG_WEIGHT) TRY(nrg_weight_var(s, (int32_t)i, &v));
    }
    return NRG_OK;
}

nrg_status nrg_model_resolve(nrg_model *m, nrg_dtype type) {
    nrg_graph *g;
    nrg_scope *s;
    TRY(nrg_graph_new(m->ctx, type, &g));
    nrg_status st = nrg_scope_new(m, g, &s);
    if (st == NRG_OK) {
        st = resolve_all(s);
        nrg_scope_free(s);
    }
    nrg_graph_free(g);
    return st;
}

// ---- checking

static nrg_status not_one(nrg_scope *s, const nrg_value *v) {
    nrg_model *m = s->m;
    nrg_vars used = nrg_expr_vars(m, m->energy.body);
    nrg_status st =
        nrg_fail(s->c, NRG_E022, m->energy.span, "energy %s is %s, but an energy must be one number per sample",
                 m->energy.name, nrg_type_text(s, &v->type));
    int32_t pick = -1;
    for (int32_t i = 0; i < m->energy.n; i++) {
        int32_t var = m->energy.order[i];
        nrg_type t;
        if (used >> var & 1) continue;
        TRY(nrg_var_type(m, var, &t));
        nrg_fact(s->c, "%s : %s is listed but not used", m->vars.at[var].name, nrg_type_text(s, &t));
        if (t.elem == NRG_CATEGORY && v->type.rank && t.dim == v->type.axis[0].dim) pick = var;
    }
    if (pick >= 0)
        nrg_help(s->c, "pick the cost of %s with an index: (...)[%s]", m->vars.at[pick].name, m->vars.at[pick].name);
    else if (v->type.elem != NRG_CATEGORY)
        nrg_help(s->c, "reduce it: sq(...), l1(...), sum(...), or dot(a, b)");
    return st;
}

static void keep_first(nrg_status *first, nrg_status st) {
    if (*first == NRG_OK) *first = st;
}

static nrg_status check_energy(nrg_scope *s) {
    nrg_model *m = s->m;
    nrg_value v;
    if (m->energy.fn || !m->energy.body) return NRG_OK;
    TRY(nrg_eval(s, m->energy.body, &v));
    return v.type.rank || v.type.elem == NRG_CATEGORY ? not_one(s, &v) : NRG_OK;
}

// A let that an energy reads is checked there; the others here. One error a statement.
static bool reads_let(const nrg_model *m, const nrg_expr *e, const char *let, int depth) {
    if (!e || depth > NRG_MAX_DEPTH) return false;
    if (e->kind == NRG_X_NAME) {
        int32_t i = nrg_model_let(m, e->text);
        return i >= 0 && (nrg_same(e->text, let) || reads_let(m, m->lets.at[i].body, let, depth + 1));
    }
    for (uint32_t k = 0; k < e->n; k++)
        if (reads_let(m, e->kid[k], let, depth + 1)) return true;
    return false;
}

static nrg_status check_all(nrg_scope *s) {
    nrg_model *m = s->m;
    nrg_status first = NRG_OK;
    nrg_value v;
    TRY(inputs_bind(s, true));
    keep_first(&first, check_energy(s));
    for (uint32_t i = 0; i < m->lets.n; i++)
        if (!reads_let(m, m->energy.body, m->lets.at[i].name, 0))
            keep_first(&first, nrg_eval(s, m->lets.at[i].body, &v));
    for (uint32_t i = 0; i < m->infers.n; i++) {
        keep_first(&first, applied(s, m->infers.at[i].by));
        keep_first(&first, applied(s, m->infers.at[i].from));
    }
    for (uint32_t i = 0; i < m->learns.n; i++)
        keep_first(&first, applied(s, m->learns.at[i].written ? m->learns.at[i].written : m->learns.at[i].expr));
    for (uint32_t i = 0; i < m->vars.n; i++)
        if (m->vars.at[i].role == NRG_WEIGHT) keep_first(&first, nrg_weight_var(s, (int32_t)i, &v));
    return first;
}

nrg_status nrg_model_check_types(nrg_model *m) {
    nrg_graph *g;
    nrg_scope *s;
    uint32_t params = m->params.n;
    TRY(nrg_graph_new(m->ctx, NRG_F32, &g));
    nrg_status st = nrg_scope_new(m, g, &s);
    if (st == NRG_OK) {
        s->check = true;
        st = check_all(s);
        nrg_scope_free(s);
    }
    nrg_graph_free(g);
    m->params.n = params;
    return st;
}
