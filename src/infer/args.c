// Arguments of a written method, by name or by place.
#include "infer/inside.h"
#include <string.h>

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

double nrg_method_arg(const nrg_model *m, const nrg_infer_stmt *st, const char *name,
                      double otherwise, nrg_status *status) {
    const nrg_expr *e = st->by && st->by->kind == NRG_X_CALL
                            ? nrg_call_arg(st->by, name, place_of(st->method, name))
                            : NULL;
    double value = otherwise;
    if (!e ||
        (e->kind == NRG_X_NAME && !nrg_call_arg(st->by, name, -1) && is_word(st->method, e->text)))
        return otherwise;
    nrg_status s = e->kind == NRG_X_SCHEDULE || e->kind == NRG_X_CALL
                       ? nrg_eval_schedule(m, e, 1, &value)
                       : nrg_eval_number(m, e, &value);
    if (s != NRG_OK && *status == NRG_OK) *status = s;
    return value;
}

bool nrg_method_word(const nrg_infer_stmt *st, const char *name) {
    if (!st->by || st->by->kind != NRG_X_CALL) return false;
    for (uint32_t k = 1; k < st->by->n; k++)
        if (st->by->kid[k]->kind == NRG_X_NAME && !(st->by->names && st->by->names[k]) &&
            nrg_same(st->by->kid[k]->text, name))
            return true;
    return false;
}
