// `expect` statements: comparisons of numbers and metrics, joined by and, or, not.
#include "api/api.h"
#include "infer/inside.h"
#include <math.h>
#include <string.h>

typedef struct {
    nrg_ebm *m;
    const nrg_values *v;
    nrg_text *said;
    const nrg_expr *odd; // what cannot be checked, or NULL
} checker;

// The value of one metric: the report of a model that reports only this.
static nrg_status metric(checker *c, const nrg_expr *e, double *out) {
    *out = NAN;
    if (!c->v->bound) {
        nrg_status s = nrg_fail(c->m->ctx, NRG_E051, e->span, "this expectation is about data, and there are none");
        nrg_help(c->m->ctx, "nrg test MODEL --data FILE");
        return s;
    }
    nrg_model *k = c->m->model;
    nrg_expr_stmt one = {.expr = (nrg_expr *)(size_t)e, .span = e->span};
    nrg_text header = nrg_text_make(c->m->ctx), row = nrg_text_make(c->m->ctx);
    nrg_expr_stmt *at = k->reports.at;
    uint32_t n = k->reports.n;
    k->reports.at = &one;
    k->reports.n = 1;
    nrg_status s = nrg_report(k, c->m->store, c->v->bound, c->m->threads, &header, &row);
    k->reports.at = at;
    k->reports.n = n;
    if (s == NRG_OK && row.at) nrg_number(row.at, strcspn(row.at, ",\r\n"), out);
    nrg_text_free(&header);
    nrg_text_free(&row);
    return s;
}

static bool has_metric(const nrg_model *k, const nrg_expr *e) {
    if (!e) return false;
    if (e->kind == NRG_X_CALL) return true;
    if (e->kind == NRG_X_NAME)
        return nrg_model_dim(k, e->text) < 0 && nrg_model_hyper(k, e->text) < 0;
    for (uint32_t i = 0; i < e->n; i++)
        if (has_metric(k, e->kid[i])) return true;
    return false;
}

static nrg_status number(checker *c, const nrg_expr *e, double *out) {
    double a, b;
    if (!has_metric(c->m->model, e)) return nrg_eval_number(c->m->model, e, out);
    if (e->kind == NRG_X_CALL || e->kind == NRG_X_NAME) return metric(c, e, out);
    if (e->kind == NRG_X_UNARY && nrg_same(e->op, "-")) {
        TRY(number(c, e->kid[0], &a));
        *out = -a;
        return NRG_OK;
    }
    if (e->kind != NRG_X_BINARY || !strchr("+-*/", e->op[0]) || e->op[1]) {
        c->odd = e;
        *out = NAN;
        return NRG_OK;
    }
    TRY(number(c, e->kid[0], &a));
    TRY(number(c, e->kid[1], &b));
    *out = *e->op == '+' ? a + b : *e->op == '-' ? a - b : *e->op == '*' ? a * b : a / b;
    return NRG_OK;
}

static bool relation(const char *op, double a, double b) {
    if (nrg_same(op, "<")) return a < b;
    if (nrg_same(op, "<=")) return a <= b;
    if (nrg_same(op, ">")) return a > b;
    if (nrg_same(op, ">=")) return a >= b;
    return nrg_same(op, "==") ? a == b : a != b;
}

// As training sees it at its end (W106), on the rows of these data.
static nrg_status collapsed(checker *c, const nrg_expr *e, bool *out) {
    nrg_collapse found;
    if (!c->v->bound) {
        c->odd = e;
        return NRG_OK;
    }
    TRY(nrg_collapse_measure(c->m->model, c->m->store, c->v->bound, NULL, c->v->rows, c->m->threads, &found));
    if (!found.known) c->odd = e;
    else
        nrg_text_put(c->said, "%sright and wrong answers differ by %.3g in energy, at fresh weights by %.3g", c->said->n ? ", " : "",
                     found.spread, found.fresh);
    *out = found.collapsed;
    return NRG_OK;
}

static bool is_relation(const char *op) { return op && strchr("<>=!", *op) != NULL; }

static nrg_status truth(checker *c, const nrg_expr *e, bool *out) {
    bool a = false, b = false;
    *out = false;
    if (e->kind == NRG_X_UNARY && nrg_same(e->op, "not")) {
        TRY(truth(c, e->kid[0], &a));
        *out = !a;
        return NRG_OK;
    }
    if (e->kind == NRG_X_BINARY && (nrg_same(e->op, "and") || nrg_same(e->op, "or"))) {
        TRY(truth(c, e->kid[0], &a));
        TRY(truth(c, e->kid[1], &b));
        *out = e->op[0] == 'a' ? a && b : a || b;
        return NRG_OK;
    }
    if (e->kind == NRG_X_BINARY && is_relation(e->op)) {
        double x, y;
        TRY(number(c, e->kid[0], &x));
        TRY(number(c, e->kid[1], &y));
        *out = relation(e->op, x, y);
        nrg_text_put(c->said, "%s%.9g %s %.9g", c->said->n ? ", " : "", x, e->op, y);
        return NRG_OK;
    }
    if (e->kind == NRG_X_NAME && nrg_same(e->text, "collapsed")) return collapsed(c, e, out);
    c->odd = e;
    return NRG_OK;
}

int nrg_ebm_expects(const nrg_ebm *m) { return (int)m->model->expects.n; }

nrg_status nrg_ebm_expect(nrg_ebm *m, const nrg_table *data, int i, int *verdict,
                          const char **text) {
    nrg_values v;
    bool holds;
    *text = "";
    if (i < 0 || i >= nrg_ebm_expects(m))
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "expectation %d of %d", i,
                        nrg_ebm_expects(m));
    const nrg_expr *e = m->model->expects.at[i].expr;
    TRY(nrg_values_make(m, data, data ? nrg_api_visible(m) : 0, &v));
    nrg_api_clear(&m->said);
    nrg_api_clear(&m->more);
    checker c = {.m = m, .v = &v, .said = &m->more};
    nrg_status s = truth(&c, e, &holds);
    nrg_values_free(&v);
    nrg_expr_print(m->model, e, &m->said);
    *verdict = c.odd ? -1 : holds;
    if (c.odd) {
        bool flat = c.odd->kind == NRG_X_NAME && nrg_same(c.odd->text, "collapsed");
        nrg_text_put(&m->said, "   (cannot be checked: '");
        nrg_expr_print(m->model, c.odd, &m->said);
        nrg_text_put(&m->said, flat ? "' needs data with right answers, so that wrong ones can be tried)"
                                    : "' is not a number or a comparison)");
    } else if (m->more.n) {
        nrg_text_put(&m->said, "   (%s)", m->more.at);
    }
    TRY(s);
    return nrg_api_text(m, text);
}
