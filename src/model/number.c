// Constant expressions (axes, extents, arguments of methods), schedules, and arguments of calls.
#include "model/model.h"
#include <math.h>

const nrg_expr *nrg_call_arg(const nrg_expr *call, const char *name, int place) {
    if (!call || call->kind != NRG_X_CALL) return NULL;
    int at = 0;
    for (uint32_t i = 1; i < call->n; i++) {
        const char *its = call->names ? call->names[i] : NULL;
        if (its ? nrg_same(its, name) : at++ == place) return call->kid[i];
    }
    return NULL;
}

static nrg_status no_number(const nrg_model *m, const nrg_expr *e) {
    nrg_text t = nrg_text_make(m->ctx);
    nrg_expr_print(m, e, &t);
    nrg_status s = nrg_text_end(&t);
    if (s == NRG_OK)
        s = nrg_fail(m->ctx, NRG_E037, e->span, "a number is needed here, but %s is not one",
                     t.at ? t.at : "it");
    nrg_text_free(&t);
    nrg_help(m->ctx, "numbers, dims and hyper-parameters make numbers");
    return s;
}

static nrg_status name_number(const nrg_model *m, const nrg_expr *e, double *out) {
    int32_t i = nrg_model_dim(m, e->text);
    if (i >= 0) {
        const nrg_dim *d = &m->dims.at[i];
        if (d->size >= 0) return *out = (double)d->size, NRG_OK;
        if (d->extent)
            return nrg_eval_number(m, d->extent, out); // reads earlier dims only, so this ends
        nrg_status s = nrg_fail(m->ctx, NRG_E050, e->span,
                                "the size of %s is not known before data are seen", d->name);
        nrg_help(m->ctx, "declare it, dim %s = ..., or --set %s=...", d->name, d->name);
        return s;
    }
    i = nrg_model_hyper(m, e->text);
    if (i >= 0) return *out = m->hypers.at[i].from, NRG_OK;
    if (nrg_same(e->text, "N") && m->rows > 0) return *out = (double)m->rows, NRG_OK;
    if (nrg_same(e->text, "beta")) return *out = m->beta, NRG_OK;
    return no_number(m, e);
}

static nrg_status call_number(const nrg_model *m, const nrg_expr *e, double *out) {
    static const struct {
        const char *name;
        double (*fn)(double);
    } unary[] = {{"exp", exp},  {"log", log},     {"sqrt", sqrt},
                 {"abs", fabs}, {"floor", floor}, {"ceil", ceil}};
    const char *name = e->kid[0]->kind == NRG_X_NAME ? e->kid[0]->text : NULL;
    double a, b;
    for (size_t i = 0; i < sizeof unary / sizeof *unary && e->n == 2; i++) {
        if (!nrg_same(unary[i].name, name)) continue;
        TRY(nrg_eval_number(m, e->kid[1], &a));
        return *out = unary[i].fn(a), NRG_OK;
    }
    bool most = nrg_same(name, "max");
    if (e->n != 3 || !(most || nrg_same(name, "min") || nrg_same(name, "geometric")))
        return no_number(m, e);
    TRY(nrg_eval_number(m, e->kid[1], &a));
    TRY(nrg_eval_number(m, e->kid[2], &b));
    *out = nrg_same(name, "geometric") ? a : most ? fmax(a, b) : fmin(a, b);
    return NRG_OK;
}

static nrg_status binary_number(const nrg_model *m, const nrg_expr *e, double *out) {
    double a, b;
    TRY(nrg_eval_number(m, e->kid[0], &a));
    TRY(nrg_eval_number(m, e->kid[1], &b));
    if (nrg_same(e->op, "+"))
        *out = a + b;
    else if (nrg_same(e->op, "-"))
        *out = a - b;
    else if (nrg_same(e->op, "*"))
        *out = a * b;
    else if (nrg_same(e->op, "/"))
        *out = a / b;
    else if (nrg_same(e->op, "^"))
        *out = pow(a, b);
    else
        return no_number(m, e);
    return NRG_OK;
}

nrg_status nrg_eval_number(const nrg_model *m, const nrg_expr *e, double *out) {
    switch (e->kind) {
    case NRG_X_NUMBER: return *out = e->number, NRG_OK;
    case NRG_X_NAME: return name_number(m, e, out);
    case NRG_X_BINARY: return binary_number(m, e, out);
    case NRG_X_CALL: return call_number(m, e, out);
    case NRG_X_SCHEDULE: return nrg_eval_number(m, e->kid[0], out);
    case NRG_X_UNARY:
        if (!nrg_same(e->op, "-")) return no_number(m, e);
        TRY(nrg_eval_number(m, e->kid[0], out));
        return *out = -*out, NRG_OK;
    default: return no_number(m, e);
    }
}

static double between(double from, double to, double t, bool geometric) {
    if (t <= 0) return from;
    if (t >= 1) return to;
    return geometric ? from * pow(to / from, t) : from + (to - from) * t;
}

nrg_status nrg_eval_schedule(const nrg_model *m, const nrg_expr *e, double t, double *out) {
    double a, b;
    bool geometric = e->kind == NRG_X_CALL && e->n == 3 && nrg_same(e->kid[0]->text, "geometric");
    if (e->kind == NRG_X_NAME) {
        int32_t i = nrg_model_hyper(m, e->text);
        if (i < 0) return nrg_eval_number(m, e, out);
        const nrg_hyper *h = &m->hypers.at[i];
        return *out = between(h->from, h->to, h->scheduled ? t : 0, h->geometric), NRG_OK;
    }
    if (e->kind != NRG_X_SCHEDULE && !geometric) return nrg_eval_number(m, e, out);
    TRY(nrg_eval_number(m, e->kid[geometric ? 1 : 0], &a));
    TRY(nrg_eval_number(m, e->kid[geometric ? 2 : 1], &b));
    return *out = between(a, b, t, geometric), NRG_OK;
}
