// Optimisers, data, hidden parts, questions, expectations and reports.
#include "lang/inside.h"

// ---- optimize ----

// Modules in the order of the text, then weights.
static nrg_status nothing_called(checker *k, const stmt *s, uint32_t i) {
    const nrg_model *m = k->m;
    nrg_status st =
        nrg_fail(k->c, NRG_E045, s->spans[i], "nothing to optimize is called '%s'", s->names[i]);
    nrg_text t = nrg_text_make(k->c);
    for (uint32_t j = 0; j < m->modules.n; j++) nrg_text_put(&t, " %s", m->modules.at[j].name);
    for (uint32_t j = 0; j < m->vars.n; j++)
        if (m->vars.at[j].role == NRG_WEIGHT) nrg_text_put(&t, " %s", m->vars.at[j].name);
    for (uint32_t j = 0; j < m->uses.n; j++) nrg_text_put(&t, " %s", m->uses.at[j].name);
    if (t.at) nrg_fact(k->c, "modules and weights:%s", t.at);
    nrg_text_free(&t);
    nrg_help(k->c, "name one of them, or write optimize by ... for all the rest");
    return st;
}

static nrg_status optimized_twice(checker *k, const stmt *s) {
    for (uint32_t i = 0; i < k->m->optimizes.n; i++) {
        const nrg_optimize *o = &k->m->optimizes.at[i];
        if (o->n == 0 && s->n == 0) {
            nrg_status st = nrg_fail(k->c, NRG_E010, s->span,
                                     "the rest of the weights has an optimize statement already");
            nrg_help(k->c, "name what this one is for: optimize G by ...");
            return st;
        }
        for (uint32_t a = 0; a < o->n; a++)
            for (uint32_t b = 0; b < s->n; b++)
                if (nrg_same(o->names[a], s->names[b]))
                    return nrg_fail(k->c, NRG_E010, s->spans[b],
                                    "'%s' has an optimize statement already", s->names[b]);
    }
    return NRG_OK;
}

nrg_status nrg_optimize_declare(checker *k, stmt *s) {
    nrg_model *m = k->m;
    nrg_optimize o = {
        .names = s->names, .spans = s->spans, .n = s->n, .by = s->by, .span = s->span};
    for (uint32_t i = 0; i < s->n; i++) {
        int32_t at;
        name_kind kind = nrg_names_find(k, s->names[i], &at);
        bool weights = kind == N_MODULE || kind == N_USE ||
                       (kind == N_VAR && m->vars.at[at].role == NRG_WEIGHT);
        if (!weights) return nothing_called(k, s, i);
    }
    TRY(optimized_twice(k, s));
    const nrg_expr *head = s->by->kind == NRG_X_CALL ? s->by->kid[0] : s->by;
    const char *name = head->kind == NRG_X_NAME ? head->text : nrg_source_part(k, head);
    const nrg_optimizer_row *row = nrg_optimizer_find(name, &o.method);
    if (!row) return nrg_names_unknown(k, "optimiser", name, head->span, 1u << N_OPTIMIZER);
    TRY(nrg_check_args(k, s->by, row->args, row->name, 0, 0));
    return NRG_PUSH(&m->arena, m->optimizes, o);
}

// ---- data, hide, questions ----

static nrg_status data(checker *k, stmt *s) {
    nrg_data_stmt d = {
        .names = s->names, .spans = s->spans, .n = s->n, .expr = s->expr, .span = s->span};
    for (uint32_t i = 0; i < s->n; i++) {
        int32_t v = nrg_model_var(k->m, s->names[i]);
        if (nrg_same(s->names[i], "weight") || (v >= 0 && k->m->vars.at[v].role != NRG_WEIGHT))
            continue;
        nrg_status st =
            nrg_fail(k->c, NRG_E048, s->spans[i],
                     "data binds '%s', which is not a variable of this model", s->names[i]);
        nrg_fact(k->c, "variables: %s", nrg_names_var(k, ~nrg_model_role(k->m, NRG_WEIGHT), " "));
        nrg_help(k->c, "declare it with given or predict, or bind one of the variables");
        return st;
    }
    for (uint32_t i = 0; i < k->m->datas.n; i++)
        for (uint32_t a = 0; a < k->m->datas.at[i].n; a++)
            for (uint32_t b = 0; b < s->n; b++)
                if (nrg_same(k->m->datas.at[i].names[a], s->names[b]))
                    return nrg_fail(k->c, NRG_E010, s->spans[b], "'%s' is bound already",
                                    s->names[b]);
    TRY(nrg_resolve(k, s->expr, SEE_VARS | SEE_WORDS));
    return NRG_PUSH(&k->m->arena, k->m->datas, d);
}

static nrg_status find_var(checker *k, const char *name, nrg_span span, int32_t *out) {
    *out = nrg_model_var(k->m, name);
    if (*out < 0) return nrg_names_unknown(k, "variable", name, span, 1u << N_VAR);
    if (k->m->vars.at[*out].role != NRG_WEIGHT) return NRG_OK;
    nrg_status st =
        nrg_fail(k->c, NRG_E025, span, "'%s' is a weight: weights are learned, not inferred", name);
    nrg_help(k->c, "name one of the variables: %s",
             nrg_names_var(k, ~nrg_model_role(k->m, NRG_WEIGHT), " "));
    return st;
}

static nrg_status hide(checker *k, stmt *s) {
    static const struct {
        const char *name, *args;
    } rows[] = {{"random", "p keep swap"}, {"noise", "sd"}, {"box", "height width"}};
    nrg_hide h = {.by = s->by, .span = s->spans[0]};
    TRY(find_var(k, s->names[0], s->spans[0], &h.var));
    for (uint32_t i = 0; i < k->m->hides.n; i++)
        if (k->m->hides.at[i].var == h.var)
            return nrg_fail(k->c, NRG_E010, h.span, "'%s' is hidden already", s->names[0]);
    const nrg_expr *head = s->by->kind == NRG_X_CALL ? s->by->kid[0] : s->by;
    const char *list[3], *name = head->kind == NRG_X_NAME ? head->text : nrg_source_part(k, head);
    for (int i = 0; i < 3; i++) {
        list[i] = rows[i].name;
        if (!nrg_same(rows[i].name, name)) continue;
        TRY(nrg_check_args(k, s->by, rows[i].args, name, 0, 0));
        return NRG_PUSH(&k->m->arena, k->m->hides, h);
    }
    const char *near = nrg_nearest(name, list, 3);
    nrg_status st = nrg_fail(k->c, NRG_E011, head->span, "unknown way to hide '%s'", name);
    nrg_fact(k->c, "ways: random(15%%, keep=10%%, swap=10%%) noise(0.3) box(8, 8)");
    if (near) nrg_help(k->c, "did you mean '%s'?", near);
    return st;
}

static nrg_status answer(checker *k, stmt *s) {
    nrg_answer_stmt a = {.span = s->span};
    a.question = nrg_same(s->word, "best")   ? NRG_BEST
                 : nrg_same(s->word, "rank") ? NRG_RANK
                                             : NRG_DIST;
    TRY(find_var(k, s->names[0], s->spans[0], &a.var));
    for (uint32_t i = 0; i < s->givens; i++) {
        int32_t v;
        TRY(find_var(k, s->given[i], s->given_spans[i], &v));
        a.given |= (nrg_vars)1 << v;
    }
    return NRG_PUSH(&k->m->arena, k->m->answers, a);
}

// ---- reports ----

static const char *const metrics[] = {
    "error", "accuracy", "f1",      "mse",    "mae",        "rmse",
    "r2",    "auc",      "nll",     "energy", "perplexity", "reconstruction",
    "log_z", "hamming",  "inertia", "bits",   NULL};

static nrg_status metric(checker *k, const nrg_expr *e) {
    const nrg_expr *head = e->kind == NRG_X_CALL ? e->kid[0] : e;
    if (head->kind != NRG_X_NAME || nrg_names_find(k, head->text, NULL) != N_NONE) {
        if (head->kind != NRG_X_NAME || !nrg_in_list(metrics, head->text))
            return nrg_resolve(k, e, SEE_VARS | SEE_ENERGY);
    }
    if (!nrg_in_list(metrics, head->text)) {
        const char *near =
            nrg_nearest(head->text, metrics, (int)(sizeof metrics / sizeof *metrics) - 1);
        nrg_status st =
            nrg_names_unknown(k, "metric", head->text, head->span, near ? 0 : 1u << N_LET);
        if (near && !nrg_names_lost(k, head->text)) nrg_help(k->c, "did you mean '%s'?", near);
        return st;
    }
    for (uint32_t i = 1; e->kind == NRG_X_CALL && i < e->n; i++) {
        const nrg_expr *a = e->kid[i];
        if (e->names && e->names[i]) continue; // method=ais
        for (uint32_t j = 0; j < (a->kind == NRG_X_COND ? a->n : 1); j++) {
            const nrg_expr *v = a->kind == NRG_X_COND ? a->kid[j] : a;
            if (v->kind == NRG_X_NAME && nrg_model_var(k->m, v->text) >= 0) continue;
            if (v->kind == NRG_X_NAME)
                return nrg_names_unknown(k, "variable", v->text, v->span, 1u << N_VAR);
            nrg_status st = nrg_fail(k->c, NRG_E044, v->span,
                                     "%s takes the names of variables, but %s is an expression",
                                     head->text, nrg_source_part(k, v));
            nrg_help(k->c, "name one of: %s", nrg_names_var(k, k->m->energy.vars, " "));
            return st;
        }
    }
    return NRG_OK;
}

// What is expected: comparisons of numbers and metrics, joined by and, or, not.
static nrg_status expectation(checker *k, const nrg_expr *e) {
    const nrg_expr *head = e->kind == NRG_X_CALL ? e->kid[0] : e;
    if (e->kind == NRG_X_UNARY || e->kind == NRG_X_BINARY) {
        for (uint32_t i = 0; i < e->n; i++) TRY(expectation(k, e->kid[i]));
        return NRG_OK;
    }
    if (e->kind == NRG_X_CALL && head->kind == NRG_X_NAME && nrg_in_list(metrics, head->text)) return metric(k, e);
    return nrg_resolve(k, e, SEE_VARS | SEE_WORDS | SEE_ENERGY);
}

nrg_status nrg_bind_declare(checker *k, stmt *s) {
    nrg_expr_stmt e = {.expr = s->expr, .span = s->span};
    switch (s->key) {
    case K_DATA: return data(k, s);
    case K_HIDE: return hide(k, s);
    case K_ANSWER: return answer(k, s);
    case K_REPORT: TRY(metric(k, s->expr)); return NRG_PUSH(&k->m->arena, k->m->reports, e);
    default:
        TRY(expectation(k, s->expr));
        return NRG_PUSH(&k->m->arena, k->m->expects, e);
    }
}
