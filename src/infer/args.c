// Arguments of a written method, by name or by place.
#include "infer/inside.h"
#include <math.h>
#include <stdio.h>
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

// What an argument may be; `below`: the upper end itself is outside.
static const struct limits {
    const char *name;
    double least, most;
    bool whole, below;
    const char *help;
} limits[] = {
    {"steps", 1, 1e9, true, false, "a whole number from 1 to 1e9"},
    {"starts", 1, 1e6, true, false, "a whole number from 1 to 1e6"},
    {"history", 1, 1000, true, false, "a whole number from 1 to 1000"},
    {"points", 1, INFINITY, true, true, "a whole number from 1"},
    {"leapfrog", 1, 1e6, true, false, "a whole number from 1 to 1e6"},
    {"momentum", 0, 1, false, true, "a number from 0, below 1"},
    {"tol", 0, INFINITY, false, true, "a number from 0"},
};

static nrg_status check(const nrg_model *m, const nrg_infer_stmt *st, const nrg_expr *e, const char *name, double x) {
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const struct limits *l = &limits[i];
        if (strcmp(l->name, name) != 0) continue;
        if (x >= l->least && (l->below ? x < l->most : x <= l->most) && (!l->whole || x == floor(x))) return NRG_OK;
        const nrg_method_row *row = nrg_method_get(st->method);
        int last = nrg_diag_count(m->ctx) - 1;
        nrg_span told = nrg_diag_span(m->ctx, last);
        if (last >= 0 && nrg_diag_get(m->ctx, last)->status == NRG_E013 && told.start == e->at.start) return NRG_E013; // said already
        nrg_fail(m->ctx, NRG_E013, e->at.start < e->at.end ? e->at : st->span, "%s of %s is %g", name,
                 row ? row->name : "this method", x);
        nrg_help(m->ctx, "%s is %s", name, l->help);
        return NRG_E013;
    }
    return NRG_OK;
}

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
    if (s == NRG_OK) s = check(m, st, e, name, value);
    if (s != NRG_OK && *status == NRG_OK) *status = s;
    return s == NRG_OK ? value : otherwise;
}

nrg_status nrg_method_check(nrg_model *m) {
    for (uint32_t k = 0; k < m->infers.n; k++) {
        const nrg_infer_stmt *st = &m->infers.at[k];
        const nrg_method_row *row = st->written && st->method != NRG_BY_NONE ? nrg_method_get(st->method) : NULL;
        for (const char *p = row && row->built ? row->args : ""; *p;) {
            char name[64];
            nrg_status s = NRG_OK;
            size_t n = strcspn(p, " ");
            snprintf(name, sizeof name, "%.*s", (int)n, p);
            nrg_method_arg(m, st, name, 0, &s);
            TRY(s);
            for (p += n; *p == ' ';) p++;
        }
    }
    return NRG_OK;
}

bool nrg_method_word(const nrg_infer_stmt *st, const char *name) {
    if (!st->by || st->by->kind != NRG_X_CALL) return false;
    for (uint32_t k = 1; k < st->by->n; k++)
        if (st->by->kid[k]->kind == NRG_X_NAME && !(st->by->names && st->by->names[k]) &&
            nrg_same(st->by->kid[k]->text, name))
            return true;
    return false;
}
