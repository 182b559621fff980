// The energy as a list of terms: sums over binders are distributed over + and -, products with plain factors pulled out,
// lets followed by name. Everything that finds structure reads this list.
#include "model/model.h"
#include <string.h>

enum {
    MOST_TERMS = 4096
}; // distributing sums multiplies terms; beyond this the last level stays whole

typedef struct {
    double sign;
    nrg_expr **factor;
    uint32_t factors;
    nrg_binder *binder;
    uint32_t binders;
    nrg_expr *guard;
} around;

static nrg_status push(nrg_model *m, const around *a, nrg_expr *body) {
    nrg_term t = {.sign = a->sign,
                  .factor = a->factor,
                  .factors = a->factors,
                  .binder = a->binder,
                  .binders = a->binders,
                  .guard = a->guard,
                  .body = body,
                  .span = body->span};
    return NRG_PUSH(&m->arena, m->energy.terms, t);
}

// A number, hyper, dim, weight, or a product, quotient, power or elementary function of such: one number that reads no variable
// and no index. Weights must be single numbers.
static bool plain(const nrg_model *m, const nrg_expr *e) {
    switch (e->kind) {
    case NRG_X_NUMBER: return true;
    case NRG_X_NAME: {
        if (nrg_model_hyper(m, e->text) >= 0 || nrg_model_dim(m, e->text) >= 0) return true;
        int32_t v = nrg_model_var(m, e->text);
        return v >= 0 && m->vars.at[v].role == NRG_WEIGHT && m->vars.at[v].rank == 0;
    }
    case NRG_X_UNARY: return e->op[0] == '-' && plain(m, e->kid[0]);
    case NRG_X_BINARY:
        return strchr("+-*/^", e->op[0]) && plain(m, e->kid[0]) && plain(m, e->kid[1]);
    case NRG_X_CALL:
        if (e->n != 2 || e->kid[0]->kind != NRG_X_NAME || nrg_model_module(m, e->kid[0]->text) >= 0)
            return false;
        for (const char *const *f =
                 (const char *const[]){"exp", "log", "sqrt", "softplus", "sigmoid", "tanh", NULL};
             *f; f++)
            if (nrg_same(*f, e->kid[0]->text)) return plain(m, e->kid[1]);
        return false;
    default: return false;
    }
}

static nrg_status with_factor(nrg_model *m, const around *a, nrg_expr *f, around *out) {
    *out = *a;
    if (f->kind == NRG_X_UNARY && f->op[0] == '-') {
        out->sign = -out->sign;
        f = f->kid[0];
    }
    out->factor = NRG_NEWS(&m->arena, nrg_expr *, a->factors + 1);
    if (!out->factor) return NRG_E098;
    if (a->factors) memcpy(out->factor, a->factor, a->factors * sizeof *a->factor);
    out->factor[out->factors++] = f;
    return NRG_OK;
}

static nrg_status with_binders(nrg_model *m, const around *a, const nrg_expr *sum, around *out) {
    *out = *a;
    out->binders = a->binders + sum->binders;
    out->binder = NRG_NEWS(&m->arena, nrg_binder, out->binders);
    if (!out->binder) return NRG_E098;
    if (a->binders) memcpy(out->binder, a->binder, a->binders * sizeof *a->binder);
    memcpy(out->binder + a->binders, sum->binder, sum->binders * sizeof *sum->binder);
    if (!sum->kid[1]) return NRG_OK;
    out->guard = sum->kid[1];
    if (!a->guard) return NRG_OK;
    nrg_expr *both = nrg_expr_new(m, NRG_X_BINARY, 2, sum->kid[1]->span);
    if (!both) return NRG_E098;
    both->op = "and";
    both->kid[0] = a->guard;
    both->kid[1] = sum->kid[1];
    out->guard = both;
    return NRG_OK;
}

static nrg_status split(nrg_model *m, const around *a, nrg_expr *e);

enum { MOST_OPERANDS = 32 };

// Operands of a chain of `*`, left to right; what does not fit stays a product.
static uint32_t operands(nrg_expr *e, nrg_expr **out, uint32_t n) {
    bool times = e->kind == NRG_X_BINARY && e->op[0] == '*';
    if (!times || n + 2 > MOST_OPERANDS) return out[n] = e, n + 1;
    n = operands(e->kid[0], out, n);
    return out[n] = e->kid[1], n + 1;
}

static nrg_expr *binary(nrg_model *m, const char *op, nrg_expr *a, nrg_expr *b) {
    nrg_expr *e =
        nrg_expr_new(m, NRG_X_BINARY, 2, (nrg_span){a->span.file, a->span.start, b->span.end});
    if (!e) return NULL;
    e->op = op;
    e->kid[0] = a;
    e->kid[1] = b;
    e->height = 1 + (a->height > b->height ? a->height : b->height);
    return e;
}

// c * (x + y): plain operands become factors of both; the others stay one product.
static nrg_status split_product(nrg_model *m, const around *a, nrg_expr *e) {
    nrg_expr *part[MOST_OPERANDS + 1], *rest = NULL;
    uint32_t n = operands(e, part, 0), plains = 0;
    around b = *a;
    for (uint32_t i = 0; i < n; i++) plains += plain(m, part[i]);
    if (plains == 0 || plains == n) return push(m, a, e);
    for (uint32_t i = 0; i < n; i++) {
        if (plain(m, part[i])) {
            around old = b;
            TRY(with_factor(m, &old, part[i], &b));
        } else if (!rest)
            rest = part[i];
        else if (!(rest = binary(m, "*", rest, part[i])))
            return NRG_E098;
    }
    return split(m, &b, rest);
}

// x / c: the factor is 1 / c.
static nrg_status split_quotient(nrg_model *m, const around *a, nrg_expr *e) {
    if (!plain(m, e->kid[1]) || plain(m, e->kid[0])) return push(m, a, e);
    nrg_expr *one = nrg_expr_new(m, NRG_X_NUMBER, 0, e->at), *inverse;
    if (!one) return NRG_E098;
    one->number = 1;
    if (!(inverse = binary(m, "/", one, e->kid[1]))) return NRG_E098;
    around b;
    TRY(with_factor(m, a, inverse, &b));
    return split(m, &b, e->kid[0]);
}

static nrg_status split(nrg_model *m, const around *a, nrg_expr *e) {
    around b = *a;
    if (m->energy.terms.n >= MOST_TERMS) return push(m, a, e);
    if (e->kind == NRG_X_UNARY && e->op[0] == '-') {
        b.sign = -a->sign;
        return split(m, &b, e->kid[0]);
    }
    if (e->kind == NRG_X_BINARY && (e->op[0] == '+' || e->op[0] == '-')) {
        TRY(split(m, a, e->kid[0]));
        if (e->op[0] == '-') b.sign = -a->sign;
        return split(m, &b, e->kid[1]);
    }
    if (e->kind == NRG_X_BINARY && e->op[0] == '*') return split_product(m, a, e);
    if (e->kind == NRG_X_BINARY && e->op[0] == '/') return split_quotient(m, a, e);
    if (e->kind == NRG_X_REDUCE && nrg_same(e->text, "sum")) {
        TRY(with_binders(m, a, e, &b));
        return split(m, &b, e->kid[0]);
    }
    // Under binders a let stays a name: its own sums could use the same letters.
    int32_t let = e->kind == NRG_X_NAME && a->binders == 0 ? nrg_model_let(m, e->text) : -1;
    if (let >= 0) return split(m, a, m->lets.at[let].body);
    return push(m, a, e);
}

nrg_status nrg_model_terms(nrg_model *m) {
    m->energy.terms.n = 0;
    if (!m->energy.body) return NRG_OK;
    return split(m, &(around){.sign = 1}, m->energy.body);
}
