// Expressions back as text of the language, with no more parentheses than needed.
#include "model/model.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// Binding strength, loosest first; the same order as the grammar.
enum { PIPE, LOGIC, NOT, COMPARE, SUM, PRODUCT, MINUS, POSTFIX };

static int strength_of(const char *op) {
    switch (op[0]) {
    case '+': return SUM;
    case '-': return SUM;
    case '*':
    case '/':
    case '@': return PRODUCT;
    case '^': return MINUS;
    case 'a':
    case 'o': return LOGIC;
    default: return COMPARE;
    }
}

static int strength(const nrg_expr *e) {
    switch (e->kind) {
    case NRG_X_SCHEDULE: return PIPE - 1;
    case NRG_X_PIPE: return PIPE;
    case NRG_X_UNARY: return e->op[0] == 'n' ? NOT : MINUS;
    case NRG_X_BINARY: return strength_of(e->op);
    case NRG_X_RANGE: return COMPARE;
    case NRG_X_NUMBER: return e->number < 0 ? MINUS : POSTFIX;
    default: return POSTFIX;
    }
}

// Shortest decimal that reads back as the same number.
static void number(double v, nrg_text *out) {
    char b[40];
    for (int digits = 1; digits <= 17; digits++) {
        nrg_print(b, sizeof b, "%.*g", digits, v);
        if (nrg_strtod(b, NULL) == v) break;
    }
    if (fabs(v) >= 1 && fabs(v) < 1e15 && floor(v) == v) nrg_print(b, sizeof b, "%.0f", v);
    nrg_text_put(out, "%s", b);
}

static void show(const nrg_model *m, const nrg_expr *e, nrg_text *out);

static void inside(const nrg_model *m, const nrg_expr *e, int least, nrg_text *out) {
    bool brackets = strength(e) < least;
    if (brackets) nrg_text_put(out, "(");
    show(m, e, out);
    if (brackets) nrg_text_put(out, ")");
}

static void quoted(const char *s, nrg_text *out) {
    nrg_text_put(out, "\"");
    for (; *s; s++) nrg_text_put(out, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
    nrg_text_put(out, "\"");
}

static void args(const nrg_model *m, const nrg_expr *e, nrg_text *out) {
    for (uint32_t i = 1; i < e->n; i++) {
        if (i > 1) nrg_text_put(out, ", ");
        if (e->names && e->names[i]) nrg_text_put(out, "%s=", e->names[i]);
        show(m, e->kid[i], out);
    }
}

static void binary(const nrg_model *m, const nrg_expr *e, nrg_text *out) {
    int s = strength(e);
    if (e->op[0] ==
        '^') { // binds its left side tighter than a minus, and its right side may be a power
        inside(m, e->kid[0], POSTFIX, out);
        nrg_text_put(out, "^");
        inside(m, e->kid[1], MINUS, out);
        return;
    }
    const nrg_expr *a = e->kid[0];
    // `and` after `or` needs parentheses, and comparisons do not chain
    bool mixed =
        s == LOGIC && a->kind == NRG_X_BINARY && strength(a) == LOGIC && a->op[0] != e->op[0];
    inside(m, a, mixed || s == COMPARE ? s + 1 : s, out);
    nrg_text_put(out, " %s ", e->op);
    inside(m, e->kid[1], s + 1, out);
}

static void reduce(const nrg_model *m, const nrg_expr *e, nrg_text *out) {
    nrg_text_put(out, "%s(", e->text);
    for (uint32_t i = 0; i < e->binders; i++) {
        const nrg_binder *b = &e->binder[i];
        if (i) nrg_text_put(out, ", ");
        if (b->n > 1) nrg_text_put(out, "(");
        for (uint32_t k = 0; k < b->n; k++) nrg_text_put(out, k ? ", %s" : "%s", b->names[k]);
        nrg_text_put(out, b->n > 1 ? ") in " : " in ");
        inside(m, b->over, POSTFIX, out);
    }
    if (e->kid[1]) {
        nrg_text_put(out, " where ");
        inside(m, e->kid[1], LOGIC, out);
    }
    nrg_text_put(out, ": ");
    show(m, e->kid[0], out);
    nrg_text_put(out, ")");
}

static void cond(const nrg_model *m, const nrg_expr *e, nrg_text *out) {
    for (uint32_t i = 0; i < e->n; i++) {
        nrg_text_put(out, i == 0 ? "" : i == e->split ? " | " : ", ");
        show(m, e->kid[i], out);
    }
}

static void show(const nrg_model *m, const nrg_expr *e, nrg_text *out) {
    switch (e->kind) {
    case NRG_X_NUMBER: number(e->number, out); break;
    case NRG_X_STRING: quoted(e->text, out); break;
    case NRG_X_NAME: nrg_text_put(out, "%s", e->text); break;
    case NRG_X_UNARY:
        nrg_text_put(out, e->op[0] == 'n' ? "not " : "-");
        inside(m, e->kid[0], e->op[0] == 'n' ? COMPARE : MINUS, out);
        break;
    case NRG_X_BINARY: binary(m, e, out); break;
    case NRG_X_PIPE:
        inside(m, e->kid[0], PIPE, out);
        nrg_text_put(out, " | ");
        inside(m, e->kid[1], LOGIC, out);
        break;
    case NRG_X_CALL:
        inside(m, e->kid[0], POSTFIX, out);
        nrg_text_put(out, "(");
        args(m, e, out);
        nrg_text_put(out, ")");
        break;
    case NRG_X_INDEX:
        inside(m, e->kid[0], POSTFIX, out);
        nrg_text_put(out, "[");
        args(m, e, out);
        nrg_text_put(out, "]");
        break;
    case NRG_X_TRANSPOSE:
        inside(m, e->kid[0], POSTFIX, out);
        nrg_text_put(out, "'");
        break;
    case NRG_X_MEMBER:
        inside(m, e->kid[0], POSTFIX, out);
        nrg_text_put(out, ".%s", e->text);
        break;
    case NRG_X_REDUCE: reduce(m, e, out); break;
    case NRG_X_SCHEDULE:
        show(m, e->kid[0], out);
        nrg_text_put(out, " -> ");
        show(m, e->kid[1], out);
        break;
    case NRG_X_RANGE:
        if (e->kid[0]) inside(m, e->kid[0], SUM, out);
        nrg_text_put(out, "..");
        if (e->kid[1]) inside(m, e->kid[1], SUM, out);
        break;
    case NRG_X_COND: cond(m, e, out); break;
    case NRG_X_ATOM: nrg_text_put(out, "#%d", (int)e->number); break;
    }
}

void nrg_expr_print(const nrg_model *m, const nrg_expr *e, nrg_text *out) {
    if (e) show(m, e, out);
}
