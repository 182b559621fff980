// The noun: its life, look-ups by name, and new expressions. All lists live in the model's arena.
#include "model/model.h"
#include <math.h>
#include <string.h>

nrg_status nrg_model_new(nrg_ctx *c, nrg_model **out) {
    *out = NULL;
    nrg_model *m = nrg_mem(c, NULL, 0, sizeof *m);
    if (!m) return NRG_E098;
    memset(m, 0, sizeof *m);
    m->ctx = c;
    m->arena = nrg_arena_make(c);
    m->beta = 1;
    *out = m;
    return NRG_OK;
}

void nrg_model_free(nrg_model *m) {
    if (!m) return;
    // A used model that lends its memory to no one else is freed with its user.
    for (uint32_t i = 0; i < m->uses.n; i++)
        nrg_model_free(m->uses.at[i].model);
    nrg_arena_free(&m->arena);
    nrg_mem(m->ctx, m, sizeof *m, 0);
}

#define FIND(list)                                                                                 \
    for (uint32_t i = 0; i < m->list.n; i++)                                                       \
        if (nrg_same(m->list.at[i].name, name)) return (int32_t)i;                                 \
    return -1

int32_t nrg_model_dim(const nrg_model *m, const char *name) { FIND(dims); }
int32_t nrg_model_var(const nrg_model *m, const char *name) { FIND(vars); }
int32_t nrg_model_hyper(const nrg_model *m, const char *name) { FIND(hypers); }
int32_t nrg_model_module(const nrg_model *m, const char *name) { FIND(modules); }
int32_t nrg_model_let(const nrg_model *m, const char *name) { FIND(lets); }

nrg_vars nrg_model_role(const nrg_model *m, nrg_role role) {
    nrg_vars set = 0;
    for (uint32_t i = 0; i < m->vars.n; i++)
        if (m->vars.at[i].role == role) set |= (nrg_vars)1 << i;
    return set;
}

nrg_status nrg_model_beta(nrg_model *m, double beta, nrg_vars calibrated) {
    int32_t i = nrg_model_hyper(m, "beta");
    if (i < 0) {
        nrg_hyper h = {.name = "beta", .lo = -INFINITY, .hi = INFINITY};
        TRY(NRG_PUSH(&m->arena, m->hypers, h));
        i = (int32_t)m->hypers.n - 1;
    }
    nrg_hyper *h = &m->hypers.at[i];
    h->from = h->to = m->beta = beta;
    h->scheduled = h->geometric = false;
    h->lo = fmin(h->lo, beta);
    h->hi = fmax(h->hi, beta);
    m->calibrated = calibrated;
    return NRG_OK;
}

bool nrg_proposes(const nrg_infer_stmt *st) { return st->by && st->method == NRG_BY_NONE; }

bool nrg_word_is(const nrg_expr *e, const char *word) {
    if (e && e->kind == NRG_X_CALL) e = e->kid[0];
    return e && e->kind == NRG_X_NAME && nrg_same(e->text, word);
}

const nrg_infer_stmt *nrg_model_infer(const nrg_model *m, nrg_verb verb, int32_t var) {
    for (uint32_t i = 0; i < m->infers.n && var >= 0; i++) {
        const nrg_infer_stmt *st = &m->infers.at[i];
        if (st->verb == verb && (st->vars >> var & 1)) return st;
    }
    return NULL;
}

nrg_expr *nrg_expr_new(nrg_model *m, nrg_expr_kind kind, uint32_t kids, nrg_span span) {
    nrg_expr *e = NRG_NEW(&m->arena, nrg_expr);
    if (!e) return NULL;
    if (kids && !(e->kid = NRG_NEWS(&m->arena, nrg_expr *, kids))) return NULL;
    e->kind = kind;
    e->id = m->exprs++;
    e->n = kids;
    e->height = 1;
    e->span = e->at = span;
    return e;
}
