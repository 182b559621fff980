// How large an expression becomes when lets and modules are unfolded. Text can double with every line;
// evaluation must not.
#include "lang/inside.h"

enum { MOST_SIZE = 20000, MOST_LEVELS = 380 };

static nrg_bulk weight(const checker *k, const nrg_expr *e);

static void add(nrg_bulk *w, nrg_bulk kid, double times) {
    w->size += times * kid.size;
    if (kid.levels + 1 > w->levels) w->levels = kid.levels + 1;
}

static nrg_bulk name(const checker *k, const char *s) {
    nrg_bulk w = {1, 1};
    for (uint32_t i = 0; i < k->locals.n; i++)
        if (nrg_same(k->locals.at[i], s)) return w;
    int32_t at = nrg_model_let(k->m, s);
    if (at >= 0 && (uint32_t)at < k->let_weights.n) add(&w, k->let_weights.at[at], 1);
    at = nrg_model_module(k->m, s);
    if (at >= 0 && (uint32_t)at < k->module_weights.n) add(&w, k->module_weights.at[at], 1);
    return w;
}

// repeat(n, M) stands for n copies.
static double copies(const checker *k, const nrg_expr *e) {
    double n = 1;
    bool repeat = e->kind == NRG_X_CALL && e->kid[0]->kind == NRG_X_NAME &&
                  nrg_same(e->kid[0]->text, "repeat") && e->n > 2;
    if (!repeat || e->kid[1]->kind == NRG_X_CALL) return 1;
    if (e->kid[1]->kind == NRG_X_NUMBER)
        n = e->kid[1]->number;
    else if (e->kid[1]->kind == NRG_X_NAME) {
        int32_t d = nrg_model_dim(k->m, e->kid[1]->text),
                h = nrg_model_hyper(k->m, e->kid[1]->text);
        if (d >= 0) n = (double)k->m->dims.at[d].size;
        if (h >= 0) n = k->m->hypers.at[h].from;
    }
    return n > 1 ? n : 1;
}

static nrg_bulk weight(const checker *k, const nrg_expr *e) {
    if (e->kind == NRG_X_NAME) return name(k, e->text);
    nrg_bulk w = {1, 1};
    double times = copies(k, e);
    for (uint32_t i = 0; i < e->n; i++)
        if (e->kid[i]) add(&w, weight(k, e->kid[i]), times);
    for (uint32_t i = 0; i < e->binders; i++) add(&w, weight(k, e->binder[i].over), 1);
    return w;
}

nrg_status nrg_weigh(checker *k, const nrg_expr *e, nrg_span at, nrg_bulk *out) {
    nrg_bulk w = weight(k, e);
    if (out) *out = w;
    if (w.size <= MOST_SIZE && w.levels <= MOST_LEVELS) return NRG_OK;
    nrg_status s =
        w.size > MOST_SIZE
            ? nrg_fail(k->c, NRG_E002, at,
                       "this unfolds to %.3g operations; at most %d are possible", w.size,
                       MOST_SIZE)
            : nrg_fail(k->c, NRG_E002, at, "this unfolds to %u levels; at most %d are possible",
                       w.levels, MOST_LEVELS);
    nrg_help(k->c, "name what is used twice: each use of a let or module counts again");
    return s;
}
