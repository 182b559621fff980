// Learn statements: library losses become expressions over atoms (pos, neg, lowest, free), each with the
// variables it holds at the data and those it ranges over. Then: does every atom have a source? (E044, E047,
// E049)
#include "lang/inside.h"
#include <string.h>

typedef struct {
    checker *k;
    nrg_learn *l;
    nrg_span span;        // of the loss that is being expanded
    const nrg_expr *call; // its call, for arguments; NULL outside a row
    const char *args;     // its row's arguments
    bool named;           // they go by their names only: the places are those of variables
    nrg_vars on, given;   // nll(on | given)
} expansion;

static nrg_expr *expand(expansion *x, const nrg_expr *e);

static nrg_vars not_latent(const nrg_model *m) {
    return m->energy.vars & ~nrg_model_role(m, NRG_LATENT);
}

static bool same_atom(const nrg_atom *a, const nrg_atom *b) {
    return a->kind == b->kind && a->data == b->data && a->over == b->over && !a->arg && !b->arg;
}

static nrg_expr *atom(expansion *x, nrg_atom_kind kind, const nrg_expr *arg) {
    nrg_model *m = x->k->m;
    bool at_data = kind == NRG_POS || kind > NRG_COUNT;
    nrg_atom a = {.kind = kind, .data = at_data ? x->on | x->given : x->given, .over = kind == NRG_POS ? 0 : x->on, .arg = arg};
    uint32_t i = 0;
    while (i < x->l->atoms.n && !same_atom(&x->l->atoms.at[i], &a)) i++;
    if (i == x->l->atoms.n && NRG_PUSH(&m->arena, x->l->atoms, a)) return NULL;
    nrg_expr *e = nrg_expr_new(m, NRG_X_ATOM, 0, x->span);
    if (e) e->number = i;
    return e;
}

static nrg_expr *copy(expansion *x, const nrg_expr *e) {
    nrg_expr *n = nrg_expr_new(x->k->m, e->kind, e->n, e->span.file ? e->span : x->span);
    if (!n) return NULL;
    uint32_t id = n->id;
    nrg_expr **kid = n->kid;
    *n = *e;
    n->id = id;
    n->kid = kid;
    if (!e->span.file) n->span = n->at = x->span;
    for (uint32_t i = 0; i < e->n; i++) {
        if (!e->kid[i]) continue;
        if (!(n->kid[i] = expand(x, e->kid[i]))) return NULL;
        if (n->kid[i]->height >= n->height) n->height = n->kid[i]->height + 1;
    }
    return n;
}

// Those of criteria are words of the table's rows only.
static int atom_kind(const expansion *x, const char *s) {
    for (int i = 0; i < (x->args ? NRG_ATOM_COUNT : NRG_COUNT + 1); i++)
        if (nrg_same(nrg_atom_names[i], s)) return i;
    return -1;
}

// The value of argument `name` of the row being expanded: as given, else its default.
static nrg_expr *argument(expansion *x, const char *name, bool *is) {
    char word[40];
    const char *value;
    int n;
    *is = false;
    for (int i = 0; x->args && nrg_arg_at(x->args, i, word, sizeof word, &value, &n); i++) {
        if (!nrg_same(word, name)) continue;
        *is = true;
        const nrg_expr *given = nrg_call_arg(x->call, name, x->named ? NRG_MAX_HEIGHT : i);
        char *text =
            given ? NULL
                  : nrg_arena_copy(&x->k->m->arena, value ? value : "0", value ? (size_t)n : 1);
        expansion user = {.k = x->k, .l = x->l, .span = x->span, .on = x->on, .given = x->given};
        const nrg_expr *e = given ? given : text ? nrg_parse_row(x->k->m, text) : NULL;
        return e ? expand(&user, e) : NULL;
    }
    return NULL;
}

// ---- nll(A | B) ----

static nrg_status cond_error(checker *k, const nrg_expr *call, const nrg_expr *arg) {
    const char *name = call->kid[0]->text;
    const char *text = nrg_source_part(k, arg);
    bool named = arg->kind == NRG_X_NAME;
    int32_t v = named ? nrg_model_var(k->m, text) : -1;
    if (named && v < 0 && nrg_names_find(k, text, NULL) == N_NONE)
        return nrg_names_unknown(k, "variable", text, arg->span, 1u << N_VAR);
    if (v >= 0 && k->m->vars.at[v].role == NRG_WEIGHT)
        nrg_fail(k->c, NRG_E044, arg->span, "%s takes the names of variables, but '%s' is a weight",
                 name, text);
    else if (v >= 0)
        nrg_fail(k->c, NRG_E044, arg->span, "%s cannot stand for '%s': the energy does not list it",
                 name, text);
    else
        nrg_fail(k->c, NRG_E044, arg->span, "%s takes the names of variables, but %s is %s", name,
                 text, named ? "not one" : "an expression");
    nrg_fact(k->c, "%s reads the energy by itself; nothing else needs to be named", name);
    nrg_vars all = k->m->energy.vars, predict = all & nrg_model_role(k->m, NRG_PREDICT),
             given = all & nrg_model_role(k->m, NRG_GIVEN);
    if (predict && given)
        nrg_help(k->c, "write %s(%s | %s), or %s alone, which means the same", name,
                 nrg_names_var(k, predict, ", "), nrg_names_var(k, given, ", "), name);
    else
        nrg_help(k->c, "write %s alone", name);
    return NRG_E044;
}

static nrg_status cond_sets(expansion *x, const nrg_expr *call) {
    const nrg_model *m = x->k->m;
    const nrg_expr *c = call->kind == NRG_X_CALL && call->n > 1 && call->kid[1]->kind == NRG_X_COND
                            ? call->kid[1]
                            : NULL;
    if (!c) return NRG_OK; // the defaults stand
    nrg_vars sets[2] = {0, 0};
    for (uint32_t i = 0; i < c->n; i++) {
        int32_t v = c->kid[i]->kind == NRG_X_NAME ? nrg_model_var(m, c->kid[i]->text) : -1;
        if (v < 0 || !(not_latent(m) >> v & 1)) {
            if (v < 0 || m->vars.at[v].role != NRG_LATENT) return cond_error(x->k, call, c->kid[i]);
            return nrg_fail(x->k->c, NRG_E044, c->kid[i]->span,
                            "'%s' is a latent: it is not in the data, so it has no likelihood",
                            m->vars.at[v].name);
        }
        if ((sets[0] | sets[1]) >> v & 1)
            return nrg_fail(x->k->c, NRG_E044, c->kid[i]->span, "'%s' is named twice",
                            m->vars.at[v].name);
        sets[i >= c->split] |= (nrg_vars)1 << v;
    }
    x->on = sets[0];
    x->given = c->split < c->n ? sets[1] : x->given & ~sets[0];
    return NRG_OK;
}

// ---- the tree ----

// What follows the variables in the brackets of a loss such as denoising(x, sd=0.1). beta and the like belong to the file.
static nrg_status named_args(checker *k, const nrg_expr *e, const nrg_loss_row *row) {
    char word[40];
    const char *value;
    int n;
    for (uint32_t j = 1; e->kind == NRG_X_CALL && j < e->n; j++) {
        const char *its = e->names ? e->names[j] : NULL;
        bool is = e->kid[j]->kind == NRG_X_COND;
        for (int i = 0; its && nrg_arg_at(row->args + 4, i, word, sizeof word, &value, &n); i++) is = is || nrg_same(word, its);
        if (is) continue;
        nrg_status s = nrg_fail(k->c, NRG_E011, e->kid[j]->span, "unknown argument '%s' of %s", its ? its : "?", row->name);
        if (row->args[4]) nrg_fact(k->c, "arguments:%s", row->args + 4);
        return s;
    }
    return NRG_OK;
}

// A library loss by name, with or without arguments.
static nrg_expr *library(expansion *x, const nrg_expr *e, const nrg_loss_row *row) {
    checker *k = x->k;
    const nrg_expr *head = e->kind == NRG_X_CALL ? e->kid[0] : e;
    bool cond = strncmp(row->args, "cond", 4) == 0;
    expansion in = {.k = k,
                    .l = x->l,
                    .span = head->span,
                    .call = e,
                    .args = cond ? row->args + 4 : row->args,
                    .named = cond,
                    .on = x->on,
                    .given = x->given};
    if (cond && (cond_sets(&in, e) || named_args(k, e, row))) return NULL;
    if (!cond && nrg_check_args(k, e, row->args, row->name, 0, SEE_VARS | SEE_ATOMS)) return NULL;
    nrg_expr *body = nrg_parse_row(k->m, row->expr);
    return body ? expand(&in, body) : NULL;
}

static nrg_expr *expand(expansion *x, const nrg_expr *e) {
    const nrg_expr *head = e->kind == NRG_X_CALL ? e->kid[0] : e;
    if (head->kind == NRG_X_NAME) {
        bool is, user = x->args ? false
                                : nrg_names_find(x->k, head->text, NULL) != N_NONE &&
                                      nrg_names_find(x->k, head->text, NULL) < N_LAYER;
        nrg_expr *a = e == head ? argument(x, head->text, &is) : (is = false, NULL);
        if (is) return a;
        int kind = user ? -1 : atom_kind(x, head->text);
        if (e == head && kind >= 0) return atom(x, (nrg_atom_kind)kind, NULL);
        if (kind > NRG_COUNT && e->n == 2) {
            const nrg_expr *arg = expand(x, e->kid[1]);
            return arg ? atom(x, (nrg_atom_kind)kind, arg) : NULL;
        }
        const nrg_loss_row *row = user || x->args ? NULL : nrg_loss_find(head->text);
        if (row) return library(x, e, row);
    }
    return copy(x, e);
}

// data(y=column), rows(condition): what they name are arrays, known only with the data.
static nrg_status columns(checker *k, const nrg_expr *e, const char *name) {
    bool pairs = nrg_same(name, "rows"), call = e->kind == NRG_X_CALL && e->n > 1;
    for (uint32_t j = 1; call && j < e->n; j++) {
        const char *var = e->names ? e->names[j] : NULL;
        if (pairs && (var || e->n > 2)) call = false;
        if (!pairs && !var) call = false;
        if (!pairs && var && nrg_model_var(k->m, var) < 0)
            return nrg_names_unknown(k, "variable", var, e->kid[j]->span, 1u << N_VAR);
        if (call) TRY(nrg_resolve(k, e->kid[j], SEE_VARS | SEE_WORDS));
    }
    if (call) return NRG_OK;
    nrg_status s = nrg_fail(k->c, NRG_E037, e->span, pairs ? "rows takes one condition on an array"
                                                           : "data takes an array for each variable, with its name");
    nrg_help(k->c, pairs ? "write rows(similar == 0)" : "write data(y=COLUMN)");
    return s;
}

static nrg_status against(checker *k, const nrg_expr *e) {
    static const struct {
        const char *name, *args;
    } rows[] = {
#define NRG_POINT(name, args, built, doc) {#name, args},
#include "model/points.def"
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    const nrg_expr *head = e->kind == NRG_X_CALL ? e->kid[0] : e;
    const char *list[ROWS];
    for (int i = 0; i < ROWS; i++) {
        list[i] = rows[i].name;
        if (head->kind != NRG_X_NAME || !nrg_same(rows[i].name, head->text)) continue;
        if (nrg_same(rows[i].args, "...")) return columns(k, e, rows[i].name);
        return nrg_check_args(k, e, rows[i].args, rows[i].name, 0, SEE_VARS);
    }
    const char *name = head->kind == NRG_X_NAME ? head->text : nrg_source_part(k, head),
               *near = nrg_nearest(name, list, ROWS);
    nrg_status s =
        nrg_fail(k->c, NRG_E011, head->span, "unknown source of wrong answers '%s'", name);
    nrg_fact(k->c, "sources: offender(outside=r) batch noise(...) data(column=value) rows(condition) sample(k) queue(n)");
    if (near) nrg_help(k->c, "did you mean '%s'?", near);
    return s;
}

nrg_status nrg_learn_declare(checker *k, stmt *s) {
    nrg_model *m = k->m;
    nrg_learn l = {.written = s->expr, .against = s->from, .span = s->expr->span};
    TRY(nrg_resolve(k, s->expr, SEE_VARS | SEE_ATOMS | SEE_ENERGY | SEE_LOSSES));
    TRY(nrg_weigh(k, s->expr, s->expr->span, NULL));
    if (s->from) TRY(against(k, s->from));
    nrg_vars seen = not_latent(m);
    expansion x = {.k = k,
                   .l = &l,
                   .span = s->expr->span,
                   .on = seen & nrg_model_role(m, NRG_PREDICT),
                   .given = seen & nrg_model_role(m, NRG_GIVEN)};
    int before = nrg_diag_errors(k->c);
    l.expr = expand(&x, s->expr);
    if (!l.expr) return nrg_diag_errors(k->c) > before ? NRG_E011 : NRG_E098;
    return NRG_PUSH(&m->arena, m->learns, l);
}

// ---- sources ----

// The first name in the loss that needs what atom kind names, for the caret.
static nrg_span loss_place(const nrg_learn *l, uint32_t atom) {
    struct {
        const nrg_expr *at[NRG_MAX_HEIGHT + 1];
        int n;
    } stack = {.at = {l->expr}, .n = 1};
    while (stack.n) {
        const nrg_expr *e = stack.at[--stack.n];
        if (e->kind == NRG_X_ATOM && (uint32_t)e->number == atom) return e->span;
        for (uint32_t i = e->n; i-- > 0;)
            if (e->kid[i] && stack.n < NRG_MAX_HEIGHT) stack.at[stack.n++] = e->kid[i];
    }
    return l->span;
}

// Summed out by statements, or finite and small, so that a statement may be missing.
static bool summable(const nrg_model *m, nrg_vars set) {
    for (uint32_t i = 0; i < m->vars.n; i++)
        if ((set >> i & 1) && !nrg_model_infer(m, NRG_MARGINALIZE, (int32_t)i) &&
            !nrg_small_finite(m, (int32_t)i))
            return false;
    return true;
}

static bool sampled(const nrg_model *m, nrg_vars set) {
    nrg_vars latents = nrg_model_role(m, NRG_LATENT);
    for (uint32_t i = 0; i < m->infers.n; i++) {
        const nrg_infer_stmt *st = &m->infers.at[i];
        if (st->verb == NRG_SAMPLE_VERB && !(st->vars & ~(set | latents)) && !(set & ~st->vars))
            return true;
    }
    return false;
}

static void no_source(checker *k, const nrg_learn *l, uint32_t i) {
    const nrg_atom *a = &l->atoms.at[i];
    const char *names = nrg_names_var(k, a->over, ", ");
    bool real = false;
    for (uint32_t v = 0; v < k->m->vars.n; v++)
        real |= (a->over >> v & 1) && k->m->vars.at[v].elem == NRG_REAL;
    nrg_fail(k->c, NRG_E049, loss_place(l, i),
             "nll needs the free energy over all %s, and nothing says how to get it", names);
    nrg_fact(k->c, "sources, in order: against ..., marginalize %s, sample %s", names, names);
    nrg_help(k->c, real ? "add: sample %s by langevin(steps=60) from noise" : "add: marginalize %s",
             names);
}

static void nothing_over(checker *k, const nrg_learn *l, uint32_t i) {
    nrg_fail(k->c, NRG_E049, loss_place(l, i),
             "this loss compares answers, but the energy lists no predicted variable");
    nrg_help(k->c, "declare one with predict, or name what is compared: nll(x)");
}

// A schedule may not pass below 0 at either end.
static void radius(checker *k, const nrg_expr *r) {
    double v[2] = {0, 0};
    for (int i = 0; i < 2; i++)
        if (nrg_eval_schedule(k->m, r, i, &v[i]) != NRG_OK) return;
    double least = v[0] < v[1] ? v[0] : v[1];
    if (least >= 0) return;
    nrg_fail(k->c, NRG_E013, r->span, "the radius outside= is %.6g: a distance from the data is 0 or more", least);
    nrg_help(k->c, "write outside=%.6g", -least);
}

// Wrong answers that no part of the loss reads.
static void idle(checker *k, const nrg_learn *l) {
    bool read = !l->against;
    for (uint32_t i = 0; i < l->atoms.n; i++) read |= l->atoms.at[i].kind == NRG_NEG || l->atoms.at[i].kind == NRG_FREE;
    if (read || !l->atoms.n) return;
    nrg_fail(k->c, NRG_E049, l->against->span, "nothing in this loss reads wrong answers");
    nrg_help(k->c, "leave `against` out, or use a loss with neg: hinge(margin=1), square_square(m=1), nll");
}

static void offenders(checker *k, const nrg_learn *l, uint32_t i) {
    const nrg_atom *a = &l->atoms.at[i];
    const nrg_expr *by = l->against, *head = by && by->kind == NRG_X_CALL ? by->kid[0] : by;
    if (by && !(head->kind == NRG_X_NAME && nrg_same(head->text, "offender"))) return;
    const nrg_expr *r = by ? nrg_call_arg(by, "outside", 0) : NULL;
    if (r) {
        radius(k, r);
        return;
    }
    for (uint32_t v = 0; v < k->m->vars.n; v++) {
        if (!(a->over >> v & 1) || k->m->vars.at[v].elem != NRG_REAL) continue;
        const char *name = k->m->vars.at[v].name;
        nrg_fail(
            k->c, NRG_E047, by ? head->span : loss_place(l, i),
            "every neighbour of a real answer is a wrong answer: offender on '%s' needs outside=",
            name);
        nrg_fact(k->c, "%s : %s", name, nrg_var_text(k, (int32_t)v));
        if (by)
            nrg_help(
                k->c,
                "write offender(outside=0.1): answers closer than 0.1 to the data are not wrong");
        else
            nrg_help(k->c, "write against offender(outside=0.1): answers closer than 0.1 to the "
                           "data are not wrong");
        return;
    }
}

void nrg_learn_check(checker *k) {
    const nrg_model *m = k->m;
    for (uint32_t j = 0; j < m->learns.n; j++) {
        const nrg_learn *l = &m->learns.at[j];
        idle(k, l);
        for (uint32_t i = 0; i < l->atoms.n; i++) {
            const nrg_atom *a = &l->atoms.at[i];
            int before = nrg_diag_errors(k->c);
            if (a->kind != NRG_POS && !a->over) nothing_over(k, l, i);
            else if (a->kind == NRG_FREE && !l->against && !summable(m, a->over) && !sampled(m, a->over))
                no_source(k, l, i);
            if (a->kind == NRG_NEG) offenders(k, l, i);
            if (nrg_diag_errors(k->c) > before) break; // one message a statement
        }
    }
}
