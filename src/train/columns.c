// Arrays that `against` names: data(y=column), rows(condition). Categories go by the labels of their variable.
#include "train/against.h"
#include "train/bind.h"
#include <string.h>

static const char *name_of(nrg_arena *a, uint32_t learn, const char *var) { return nrg_arena_print(a, "against:%u:%s", learn, var); }

static bool called(const nrg_expr *e, const char *word) {
    return e && e->kind == NRG_X_CALL && e->kid[0]->kind == NRG_X_NAME && nrg_same(e->kid[0]->text, word);
}

static nrg_status sources(nrg_bound *b, const nrg_expr *e) {
    uint32_t at;
    if (e->kind == NRG_X_NAME && (nrg_model_dim(b->m, e->text) >= 0 || nrg_model_hyper(b->m, e->text) >= 0)) return NRG_OK;
    if (e->kind == NRG_X_NAME) return nrg_bind_source(b, e->text, e->span, &at);
    for (uint32_t i = e->kind == NRG_X_CALL ? 1 : 0; i < e->n; i++)
        if (e->kid[i]) TRY(sources(b, e->kid[i]));
    return NRG_OK;
}

static nrg_status labels(nrg_bound *b, uint32_t learn, int32_t var, const nrg_expr *e) {
    nrg_source s = {.input = name_of(&b->arena, learn, b->m->vars.at[var].name), .lead = -1};
    int64_t shift = 0;
    if (!s.input) return NRG_E098;
    if (e->kind != NRG_X_NAME) {
        nrg_status st = nrg_fail(b->ctx, NRG_E050, e->span, "wrong answers of the category %s come from an array, not from an expression",
                                 b->m->vars.at[var].name);
        nrg_help(b->ctx, "name the array: data(%s=COLUMN)", b->m->vars.at[var].name);
        return st;
    }
    s.array = nrg_bind_look(b, e->text, &shift);
    uint32_t at;
    if (!s.array) return nrg_bind_source(b, e->text, e->span, &at); // says what is there
    if (s.array->offsets || s.array->rank - 1 > NRG_MAX_RANK)
        return nrg_fail(b->ctx, NRG_E050, e->span, "the array %s cannot hold wrong answers: its rows have different lengths", e->text);
    s.shape = nrg_shape_of(s.array->rank - 1, s.array->dim + 1);
    TRY(nrg_bind_labels(b, var, s.array, shift, &s.buf));
    return NRG_PUSH(&b->arena, b->sources, s);
}

static nrg_status one(nrg_bound *b, uint32_t learn, const nrg_expr *e) {
    for (uint32_t i = 1; i < e->n; i++) {
        int32_t var = called(e, "data") && e->names && e->names[i] ? nrg_model_var(b->m, e->names[i]) : -1;
        if (!b->spec.fit && !nrg_bind_present(b, e->kid[i])) continue; // answering needs no wrong answers
        if (var >= 0 && b->m->vars.at[var].elem == NRG_CATEGORY) TRY(labels(b, learn, var, e->kid[i]));
        else TRY(sources(b, e->kid[i]));
    }
    return NRG_OK;
}

nrg_status nrg_bind_columns(nrg_bound *b) {
    for (uint32_t i = 0; i < b->m->learns.n; i++) {
        const nrg_expr *e = b->m->learns.at[i].against;
        if (called(e, "data") || called(e, "rows")) TRY(one(b, i, e));
    }
    return NRG_OK;
}

nrg_status nrg_bound_wrong(const nrg_bound *b, nrg_scope *s, uint32_t learn, int32_t var, const nrg_expr *e, nrg_node *out) {
    if (b->m->vars.at[var].elem != NRG_CATEGORY) return nrg_bound_eval(b, s, e, out);
    char name[256];
    snprintf(name, sizeof name, "against:%u:%s", learn, b->m->vars.at[var].name);
    for (uint32_t i = 0; i < b->sources.n; i++)
        if (nrg_same(b->sources.at[i].input, name)) {
            *out = nrg_input(nrg_scope_graph(s), name, NRG_SAMPLE, b->sources.at[i].shape);
            return NRG_OK;
        }
    return nrg_fail(b->ctx, NRG_E051, e->span, "no array for the wrong answers of %s in %s", b->m->vars.at[var].name, nrg_bind_file(b));
}
