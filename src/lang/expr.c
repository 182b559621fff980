// Expressions by recursive descent, one function a level of binding strength. A level returns NULL after an
// error.
#include "lang/parser.h"
#include <string.h>

enum { MOST_DEPTH = 120 }; // of brackets and prefixes; deeper text is hostile

static nrg_expr *made(parser *p, nrg_expr *e) {
    if (!nrg_p_check(p, e)) return NULL;
    for (uint32_t i = 0; i < e->n; i++)
        if (e->kid[i] && e->kid[i]->height >= e->height) e->height = e->kid[i]->height + 1;
    for (uint32_t i = 0; i < e->binders; i++)
        if (e->binder[i].over->height >= e->height) e->height = e->binder[i].over->height + 1;
    if (e->height <= NRG_MAX_HEIGHT) return e;
    if (!p->failed) {
        nrg_fail(p->c, NRG_E002, e->at, "this expression has more than %d levels", NRG_MAX_HEIGHT);
        nrg_help(p->c, "name a part of it with let or module");
    }
    p->failed = true;
    return NULL;
}

static nrg_expr *node(parser *p, nrg_expr_kind kind, uint32_t kids, nrg_span span) {
    return nrg_p_check(p, nrg_expr_new(p->m, kind, kids, span));
}

static nrg_expr *two(parser *p, nrg_expr_kind kind, const char *op, nrg_span at, nrg_expr *a,
                     nrg_expr *b) {
    if (!a || !b) return NULL;
    nrg_expr *e = node(p, kind, 2, nrg_p_join(a->span, b->span));
    if (!e) return NULL;
    e->op = op;
    e->at = at;
    e->kid[0] = a;
    e->kid[1] = b;
    return made(p, e);
}

static bool enter(parser *p) {
    if (p->depth++ < MOST_DEPTH) return true;
    if (!p->failed)
        nrg_fail(p->c, NRG_E002, nrg_p_now(p)->span, "brackets are nested more than %d deep",
                 MOST_DEPTH);
    p->failed = true;
    return false;
}

bool nrg_p_no_arrow(parser *p) {
    if (p->failed) return false;
    if (!nrg_p_at(p, "->")) return true;
    nrg_fail(p->c, NRG_E007, nrg_p_now(p)->span,
             "'->' makes a schedule; it may stand only in a hyper default or a named argument of a "
             "method");
    nrg_help(p->c, "declare it, e.g. hyper rate = 1e-3 -> 1e-5, and use the name here");
    p->failed = true;
    return false;
}

// ---- arguments ----

typedef NRG_LIST(nrg_expr *) expr_list;

static nrg_status push_arg(parser *p, expr_list *v, name_list *names, nrg_expr *e,
                           const char *name) {
    if (!e) return NRG_E002;
    if (NRG_PUSH(&p->m->arena, *v, e) || NRG_PUSH(&p->m->arena, *names, name)) {
        p->refused = p->failed = true;
        return NRG_E098;
    }
    return NRG_OK;
}

// One argument; false after an error.
static bool arg(parser *p, expr_list *v, name_list *names) {
    const token *t = nrg_p_now(p), *next = nrg_p_next(p, 1);
    const char *name = NULL;
    nrg_expr *e;
    if (t->kind == T_NAME && next->kind == T_MARK && nrg_same(next->text, "=")) {
        name = t->text;
        p->at += 2;
        e = p->schedules ? nrg_p_schedule(p) : nrg_p_expr(p);
    } else
        e = nrg_p_expr(p);
    return nrg_p_no_arrow(p) && push_arg(p, v, names, e, name) == NRG_OK;
}

// A call or index over the collected arguments, kid 0 being the base.
static nrg_expr *apply(parser *p, nrg_expr_kind kind, nrg_expr *base, const expr_list *v,
                       const name_list *names, nrg_span end) {
    nrg_expr *e = node(p, kind, v->n + 1, nrg_p_join(base->span, end));
    if (!e) return NULL;
    e->at = base->kind == NRG_X_MEMBER ? base->at : base->span;
    e->kid[0] = base;
    bool named = false;
    for (uint32_t i = 0; i < v->n; i++) {
        e->kid[i + 1] = v->at[i];
        named |= names->at[i] != NULL;
    }
    if (named) {
        e->names = nrg_p_check(p, NRG_NEWS(&p->m->arena, const char *, v->n + 1));
        if (!e->names) return NULL;
        for (uint32_t i = 0; i < v->n; i++) e->names[i + 1] = names->at[i];
    }
    return made(p, e);
}

// ( args ) or [ args ] after base. Calls may be empty.
static nrg_expr *call(parser *p, nrg_expr *base, nrg_expr_kind kind) {
    const char *close = kind == NRG_X_CALL ? ")" : "]";
    expr_list v = {0};
    name_list names = {0};
    p->at++;
    if (kind != NRG_X_CALL || !nrg_p_at(p, close)) {
        do
            if (!arg(p, &v, &names)) return NULL;
        while (nrg_p_take(p, ","));
    }
    nrg_span end = nrg_p_now(p)->span;
    if (!nrg_p_need(p, close, kind == NRG_X_CALL ? "',' or ')'" : "',' or ']'")) return NULL;
    return apply(p, kind, base, &v, &names, end);
}

// names [ | names ] { , name = value }: the arguments of nll and the like, kept as one COND.
static nrg_expr *conditional(parser *p, nrg_expr *base, bool always) {
    expr_list v = {0}, rest = {0};
    name_list none = {0}, names = {0};
    uint32_t split = 0;
    bool bar = false;
    p->at++;
    while (!nrg_p_at(p, ")")) {
        bool named = nrg_p_now(p)->kind == T_NAME && nrg_p_next(p, 1)->kind == T_MARK &&
                     nrg_same(nrg_p_next(p, 1)->text, "=");
        if (named ? !arg(p, &rest, &names) : !nrg_p_no_arrow(p)) return NULL;
        if (!named) {
            uint32_t at = p->at;
            nrg_expr *e = nrg_p_additive(p);
            if (e && !nrg_p_at(p, "|") && !nrg_p_at(p, ",") &&
                !nrg_p_at(p, ")")) { // a comparison or the like: read it whole
                p->at = at;
                e = nrg_p_expr(p);
            }
            if (push_arg(p, &v, &none, e, NULL)) return NULL;
        }
        if (nrg_p_at(p, "|") && !bar && !named) {
            bar = true;
            split = v.n;
            p->at++;
        } else if (!nrg_p_take(p, ","))
            break;
    }
    nrg_span end = nrg_p_now(p)->span;
    if (!nrg_p_need(p, ")", "',' '|' or ')'")) return NULL;
    if (bar && v.n == split) {
        p->at--;
        nrg_p_unexpected(p, "the name of a variable after '|'");
        return NULL;
    }
    if (!always && !bar) { // a metric without a bar: plain arguments
        for (uint32_t i = 0; i < rest.n; i++)
            if (push_arg(p, &v, &none, rest.at[i], names.at[i])) return NULL;
        return apply(p, NRG_X_CALL, base, &v, &none, end);
    }
    if (v.n) {
        nrg_expr *e = node(p, NRG_X_COND, v.n, nrg_p_join(v.at[0]->span, v.at[v.n - 1]->span));
        if (!e) return NULL;
        for (uint32_t i = 0; i < v.n; i++) e->kid[i] = v.at[i];
        e->split = bar ? split : v.n;
        expr_list all = {0};
        name_list alln = {0};
        if (push_arg(p, &all, &alln, made(p, e), NULL)) return NULL;
        for (uint32_t i = 0; i < rest.n; i++)
            if (push_arg(p, &all, &alln, rest.at[i], names.at[i])) return NULL;
        return apply(p, NRG_X_CALL, base, &all, &alln, end);
    }
    return apply(p, NRG_X_CALL, base, &rest, &names, end);
}

// ---- reductions ----

// NAME ( NAME in   or   NAME ( ( NAME {, NAME} ) in
static bool is_reduction(const parser *p) {
    uint32_t i = 2;
    const token *open = nrg_p_next(p, 1);
    if (open->kind != T_MARK || !nrg_same(open->text, "(")) return false;
    bool inner = nrg_p_next(p, 2)->kind == T_MARK && nrg_same(nrg_p_next(p, 2)->text, "(");
    if (inner) i++;
    for (;; i += 2) {
        if (nrg_p_next(p, i)->kind != T_NAME) return false;
        const token *t = nrg_p_next(p, i + 1);
        if (!inner) return t->kind == T_NAME && nrg_same(t->text, "in");
        if (t->kind == T_MARK && nrg_same(t->text, ")")) break;
        if (t->kind != T_MARK || !nrg_same(t->text, ",")) return false;
    }
    const token *t = nrg_p_next(p, i + 2);
    return t->kind == T_NAME && nrg_same(t->text, "in");
}

static nrg_expr *postfix(parser *p);

static bool binder(parser *p, nrg_binder *b) {
    if (nrg_p_take(p, "(")) {
        if (!nrg_p_names(p, "an index", &b->names, &b->spans, &b->n) ||
            !nrg_p_need(p, ")", "',' or ')' after the indices"))
            return false;
    } else {
        const token *t = nrg_p_name(p, "an index");
        if (!t) return false;
        b->names = nrg_p_check(p, NRG_NEW(&p->m->arena, const char *));
        b->spans = nrg_p_check(p, NRG_NEW(&p->m->arena, nrg_span));
        if (!b->names || !b->spans) return false;
        b->names[0] = t->text;
        b->spans[0] = t->span;
        b->n = 1;
    }
    if (!nrg_p_take_word(p, "in")) {
        nrg_p_unexpected(p, "'in' after the index");
        return false;
    }
    return (b->over = postfix(p)) != NULL;
}

static void body_outside(parser *p, const token *head, nrg_span binders) {
    nrg_fail(p->c, NRG_E004, nrg_p_now(p)->span,
             "the body of %s goes inside its parentheses, after ':'", head->text);
    nrg_help(p->c, "write %s(%.*s: ...)", head->text, (int)(binders.end - binders.start),
             p->text + binders.start);
    p->failed = true;
}

static nrg_expr *reduction(parser *p) {
    const token *head = nrg_p_now(p);
    NRG_LIST(nrg_binder) v = {0};
    p->at += 2;
    nrg_span span = nrg_p_now(p)->span;
    do {
        nrg_binder b = {0};
        if (!binder(p, &b)) return NULL;
        if (NRG_PUSH(&p->m->arena, v, b)) return nrg_p_check(p, NULL);
    } while (nrg_p_take(p, ","));
    nrg_expr *guard = NULL;
    if (nrg_p_take_word(p, "where") && !(guard = nrg_p_expr(p))) return NULL;
    span.end = p->at ? p->v.at[p->at - 1].span.end : span.end;
    if (nrg_p_at(p, ")")) return body_outside(p, head, span), NULL;
    if (!nrg_p_need(p, ":", "':' before the body")) return NULL;
    nrg_expr *body = nrg_p_expr(p);
    if (!body || !nrg_p_no_arrow(p)) return NULL;
    nrg_span end = nrg_p_now(p)->span;
    if (!nrg_p_need(p, ")", "')' after the body")) return NULL;
    nrg_expr *e = node(p, NRG_X_REDUCE, 2, nrg_p_join(head->span, end));
    if (!e) return NULL;
    e->text = head->text;
    e->at = head->span;
    e->kid[0] = body;
    e->kid[1] = guard;
    e->binder = v.at;
    e->binders = v.n;
    return made(p, e);
}

// ---- levels ----

static nrg_expr *leaf(parser *p, nrg_expr_kind kind) {
    const token *t = nrg_p_now(p);
    nrg_expr *e = node(p, kind, 0, t->span);
    if (!e) return NULL;
    e->text = t->text;
    e->number = kind == NRG_X_NUMBER ? t->number : 0;
    p->at++;
    return e;
}

static nrg_expr *primary(parser *p) {
    const token *t = nrg_p_now(p);
    if (t->kind == T_NUMBER) return leaf(p, NRG_X_NUMBER);
    if (t->kind == T_STRING) return leaf(p, NRG_X_STRING);
    if (t->kind == T_NAME && !nrg_joining_word(t->text))
        return is_reduction(p) ? reduction(p) : leaf(p, NRG_X_NAME);
    if (!nrg_p_at(p, "(")) {
        nrg_p_unexpected(p, "an expression");
        return NULL;
    }
    p->at++;
    nrg_expr *e = nrg_p_expr(p);
    if (!e || !nrg_p_no_arrow(p)) return NULL;
    nrg_span whole = nrg_p_join(t->span, nrg_p_now(p)->span);
    if (!nrg_p_need(p, ")", "')'")) return NULL;
    e->span = whole;
    return e;
}

static bool takes_condition(const parser *p, const nrg_expr *base, bool *always) {
    static const char *const metrics[] = {"error", "log_z",  "accuracy",       "f1", "mse",
                                          "mae",   "energy", "reconstruction", NULL};
    if (base->kind != NRG_X_NAME || (p->key != K_LEARN && p->key != K_REPORT && p->key != K_EXPECT))
        return false;
    const nrg_loss_row *row = nrg_loss_find(base->text);
    *always = row && strncmp(row->args, "cond", 4) == 0;
    return *always || (p->key != K_LEARN && nrg_in_list(metrics, base->text));
}

static nrg_expr *member(parser *p, nrg_expr *base) {
    p->at++;
    const token *t = nrg_p_now(p);
    if (t->kind != T_NAME && t->kind != T_NUMBER) {
        nrg_p_unexpected(p, "a name after '.'");
        return NULL;
    }
    nrg_expr *e = node(p, NRG_X_MEMBER, 1, nrg_p_join(base->span, t->span));
    if (!e) return NULL;
    e->text = t->text;
    e->at = t->span;
    e->kid[0] = base;
    p->at++;
    return made(p, e);
}

static nrg_expr *postfix(parser *p) {
    nrg_expr *e = primary(p);
    while (e && !p->failed) {
        bool always = false;
        if (nrg_p_at(p, "("))
            e = takes_condition(p, e, &always) ? conditional(p, e, always) : call(p, e, NRG_X_CALL);
        else if (nrg_p_at(p, "["))
            e = call(p, e, NRG_X_INDEX);
        else if (nrg_p_at(p, "."))
            e = member(p, e);
        else if (nrg_p_at(p, "'")) {
            nrg_expr *t = node(p, NRG_X_TRANSPOSE, 1, nrg_p_join(e->span, nrg_p_now(p)->span));
            if (!t) return NULL;
            t->at = nrg_p_now(p)->span;
            t->kid[0] = e;
            p->at++;
            e = made(p, t);
        } else
            return e;
    }
    return p->failed ? NULL : e;
}

static nrg_expr *prefix(parser *p, const char *op, nrg_expr *(*level)(parser *)) {
    nrg_span at = nrg_p_now(p)->span;
    p->at++;
    nrg_expr *kid = enter(p) ? level(p) : NULL;
    p->depth--;
    if (!kid) return NULL;
    nrg_expr *e = node(p, NRG_X_UNARY, 1, nrg_p_join(at, kid->span));
    if (!e) return NULL;
    e->op = op;
    e->at = at;
    e->kid[0] = kid;
    return made(p, e);
}

static nrg_expr *unary(parser *p) {
    if (nrg_p_at(p, "-")) return prefix(p, "-", unary);
    nrg_expr *e = postfix(p);
    if (!e || !nrg_p_at(p, "^")) return e;
    nrg_span at = nrg_p_now(p)->span;
    p->at++;
    nrg_expr *power = enter(p) ? unary(p) : NULL;
    p->depth--;
    return two(p, NRG_X_BINARY, "^", at, e, power);
}

// Left-associative levels: operands of `next`, joined by any of `ops`.
static nrg_expr *chain(parser *p, const char *const *ops, nrg_expr *(*next)(parser *)) {
    nrg_expr *e = next(p);
    while (e && nrg_p_now(p)->kind == T_MARK && nrg_in_list(ops, nrg_p_now(p)->text)) {
        const token *t = nrg_p_now(p);
        p->at++;
        e = two(p, NRG_X_BINARY, t->text, t->span, e, next(p));
    }
    return e;
}

static nrg_expr *product(parser *p) {
    return chain(p, (const char *const[]){"*", "/", "@", NULL}, unary);
}
nrg_expr *nrg_p_additive(parser *p) {
    return chain(p, (const char *const[]){"+", "-", NULL}, product);
}

static nrg_expr *compare(parser *p) {
    static const char *const relations[] = {"==", "!=", "<", "<=", ">", ">=", NULL};
    nrg_expr *e = nrg_p_additive(p);
    const token *t = nrg_p_now(p);
    if (!e || t->kind != T_MARK || !nrg_in_list(relations, t->text)) return e;
    p->at++;
    return two(p, NRG_X_BINARY, t->text, t->span, e, nrg_p_additive(p));
}

static nrg_expr *negation(parser *p) {
    return nrg_p_word(p, "not") ? prefix(p, "not", compare) : compare(p);
}

static nrg_expr *logic(parser *p) {
    nrg_expr *e = negation(p);
    const char *first = NULL;
    while (e && (nrg_p_word(p, "and") || nrg_p_word(p, "or"))) {
        const token *t = nrg_p_now(p);
        const char *op = nrg_same(t->text, "and") ? "and" : "or";
        if (first && !nrg_same(first, op)) {
            nrg_fail(p->c, NRG_E006, t->span, "'%s' after '%s' needs parentheses", op, first);
            nrg_help(p->c, "put parentheses around one of the two, e.g. a or (b and c)");
            p->failed = true;
            return NULL;
        }
        first = op;
        p->at++;
        e = two(p, NRG_X_BINARY, op, t->span, e, negation(p));
    }
    return e;
}

nrg_expr *nrg_p_expr(parser *p) {
    nrg_expr *e = enter(p) ? logic(p) : NULL;
    while (e && nrg_p_at(p, "|")) {
        nrg_span at = nrg_p_now(p)->span;
        p->at++;
        e = two(p, NRG_X_PIPE, "|", at, e, logic(p));
    }
    p->depth--;
    return e;
}

nrg_expr *nrg_p_schedule(parser *p) {
    nrg_expr *e = nrg_p_expr(p);
    if (!e || !nrg_p_at(p, "->")) return e;
    nrg_span at = nrg_p_now(p)->span;
    p->at++;
    return two(p, NRG_X_SCHEDULE, "->", at, e, nrg_p_expr(p));
}

static bool starts_operand(const parser *p) {
    const token *t = nrg_p_now(p);
    return t->kind == T_NUMBER || (t->kind == T_NAME && !nrg_joining_word(t->text)) ||
           nrg_p_at(p, "(") || nrg_p_at(p, "-");
}

static nrg_expr *range_after(parser *p, nrg_span start, nrg_expr *lo, bool bound) {
    nrg_expr *hi = NULL;
    nrg_span at = nrg_p_now(p)->span;
    if (bound && lo && !nrg_p_at(p, "..")) hi = lo, lo = NULL;
    else if (!nrg_p_need(p, "..", "'..' of a range")) return NULL;
    else if (starts_operand(p) && !(hi = nrg_p_additive(p))) return NULL;
    nrg_expr *e = node(p, NRG_X_RANGE, 2, nrg_p_join(start, hi ? hi->span : at));
    if (!e) return NULL;
    e->at = at;
    e->kid[0] = lo;
    e->kid[1] = hi;
    return made(p, e);
}

static nrg_expr *range(parser *p, bool bound) {
    nrg_span start = nrg_p_now(p)->span;
    nrg_expr *lo = NULL;
    if (!nrg_p_at(p, "..") && !(lo = nrg_p_additive(p))) return NULL;
    return range_after(p, start, lo, bound);
}

nrg_expr *nrg_p_range(parser *p) { return range(p, false); }
nrg_expr *nrg_p_bound(parser *p) { return range(p, true); }
