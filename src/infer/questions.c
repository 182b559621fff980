// Which questions a trained model can answer. A loss that E + g(x) leaves unchanged has never compared energies of different x.
#include "infer/inside.h"
#include <math.h>

// ---- how a loss moves when the same number is added to all its energies: 0 not at all, else it pins levels

typedef struct {
    const char **params;
    const double *moves;
    uint32_t n;
} env;

static double moves_of(const nrg_model *m, const nrg_expr *e, const env *in, int depth);

static double call_moves(const nrg_model *m, const nrg_expr *e, const env *in, int depth) {
    int32_t mod = e->kid[0]->kind == NRG_X_NAME ? nrg_model_module(m, e->kid[0]->text) : -1;
    double moves[16] = {0}, any = 0;
    for (uint32_t k = 1; k < e->n; k++) {
        double one = moves_of(m, e->kid[k], in, depth + 1);
        if (one != 0) any = NAN;
        if (k <= 16) moves[k - 1] = one;
    }
    if (mod < 0 || e->n > 17 || m->modules.at[mod].n != e->n - 1)
        return any; // a curve of what moves, moves
    const nrg_module *mm = &m->modules.at[mod];
    env inner = {mm->params, moves, mm->n};
    return moves_of(m, mm->body, &inner, depth + 1);
}

static double moves_of(const nrg_model *m, const nrg_expr *e, const env *in, int depth) {
    double a, b;
    if (!e || depth > 200) return 0;
    switch (e->kind) {
    case NRG_X_ATOM: return 1;
    case NRG_X_NAME:
        for (uint32_t k = 0; in && k < in->n; k++)
            if (nrg_same(in->params[k], e->text)) return in->moves[k];
        return 0;
    case NRG_X_UNARY: return -moves_of(m, e->kid[0], in, depth + 1);
    case NRG_X_BINARY:
        a = moves_of(m, e->kid[0], in, depth + 1);
        b = moves_of(m, e->kid[1], in, depth + 1);
        if (e->op[0] == '+') return a + b;
        if (e->op[0] == '-') return a - b;
        return a == 0 && b == 0 ? 0 : NAN;
    case NRG_X_CALL: return call_moves(m, e, in, depth);
    default:
        for (uint32_t k = 0; k < e->n; k++)
            if (moves_of(m, e->kid[k], in, depth + 1) != 0) return NAN;
        return 0;
    }
}

// ---- what one statement teaches about a variable

typedef enum {
    NOTHING,
    ORDER,
    DENSITY
} taught; // ORDER: lower is better; DENSITY: differences are log odds

static taught by_statement(const nrg_model *m, const nrg_learn *l, int32_t v) {
    nrg_vars one = (nrg_vars)1 << v;
    bool contrast = false, seen = false, absolute = moves_of(m, l->expr, NULL, 0) != 0;
    taught best = NOTHING;
    for (uint32_t k = 0; k < l->atoms.n; k++) {
        const nrg_atom *a = &l->atoms.at[k];
        if (a->kind != NRG_POS) contrast = true;
        if (a->data & one) seen = true;
        if (!(a->over & one) || a->kind == NRG_POS) continue;
        if (a->kind == NRG_FREE || a->kind > NRG_COUNT) return DENSITY;
        best = ORDER;
    }
    if (best != NOTHING || !seen || !absolute) return best;
    if (!contrast && m->vars.at[v].role == NRG_PREDICT && nrg_model_infer(m, NRG_MARGINALIZE, v))
        return DENSITY; // said to be a density
    return ORDER;       // levels were pinned where data and negatives were seen
}

static taught about(const nrg_model *m, int32_t v) {
    taught best = NOTHING;
    if (m->learns.n == 0) return DENSITY; // the energy is given, not trained
    if (m->vars.at[v].role == NRG_LATENT)
        return nrg_model_infer(m, NRG_MARGINALIZE, v) ? DENSITY : ORDER;
    for (uint32_t k = 0; k < m->learns.n; k++) {
        taught t = by_statement(m, &m->learns.at[k], v);
        if (t > best) best = t;
    }
    return best == ORDER && (m->calibrated >> v & 1) ? DENSITY : best;
}

// ---- the answer

static const char *const words[] = {"best", "rank", "dist"};

static void list_answers(const nrg_model *m, nrg_text *t) {
    const char *gap = "";
    for (int32_t v = 0; v < (int32_t)m->vars.n; v++) {
        if (!(m->energy.vars >> v & 1) || m->vars.at[v].role == NRG_WEIGHT) continue;
        taught k = about(m, v);
        for (int q = 0; q < 3; q++) {
            if (q == 2 ? k != DENSITY : k == NOTHING) continue;
            nrg_text_put(t, "%s%s %s", gap, words[q], m->vars.at[v].name);
            gap = ", ";
        }
    }
}

static void losses(const nrg_model *m, nrg_text *t) {
    for (uint32_t k = 0; k < m->learns.n; k++) {
        if (k) nrg_text_put(t, " and ");
        nrg_expr_print(m, m->learns.at[k].written, t);
    }
}

static nrg_status refuse(const nrg_model *m, nrg_question q, int32_t asked, int32_t v, taught got, nrg_span at) {
    const char *name = m->vars.at[v].name, *y = m->vars.at[asked].name;
    nrg_text by = nrg_text_make(m->ctx), can = nrg_text_make(m->ctx);
    losses(m, &by);
    list_answers(m, &can);
    nrg_status s = nrg_fail(m->ctx, NRG_E060, at, "%s %s cannot be answered by this model",
                            words[q], y);
    if (v != asked)
        nrg_fact(m->ctx, "%s is not given, so energies of different %s would be compared", name,
                 name);
    if (got == NOTHING)
        nrg_fact(m->ctx,
                 "it was trained with %s: adding any function of %s to E leaves that loss "
                 "unchanged, so energies of different %s were never compared",
                 by.at ? by.at : "", name, name);
    else if (m->vars.at[v].role == NRG_LATENT)
        nrg_fact(m->ctx, "%s is minimized: its energies rank values, but were never log odds",
                 name);
    else
        nrg_fact(m->ctx,
                 "it was trained with %s: that orders the energies of different %s, but their "
                 "differences are not log odds",
                 by.at ? by.at : "", name);
    nrg_fact(m->ctx, "it can answer: %s", can.n ? can.at : "nothing");
    if (m->vars.at[v].role == NRG_LATENT)
        nrg_help(m->ctx, "marginalize %s, or --anyway for exp(-beta E)", name);
    else if (got == NOTHING)
        nrg_help(m->ctx, "learn %s + nll(%s), or --anyway for raw energies", by.at ? by.at : "nll",
                 name);
    else
        nrg_help(m->ctx,
                 "fit their scale to rows that were not trained on:  nrg calibrate %s MODEL --data FILE "
                 "-o OUT.nrgm;   or learn nll, or --anyway for exp(-beta E)",
                 y);
    nrg_text_free(&by);
    nrg_text_free(&can);
    return s;
}

static nrg_status allowed(const nrg_model *m, nrg_question q, int32_t var, nrg_vars given, nrg_span at) {
    taught got = about(m, var);
    if (q == NRG_DIST ? got != DENSITY : got == NOTHING) return refuse(m, q, var, var, got, at);
    for (int32_t v = 0; v < (int32_t)m->vars.n;
         v++) { // what is not given is minimised or summed out: it is compared too
        if (v == var || given >> v & 1 || !(m->energy.vars >> v & 1)) continue;
        if (m->vars.at[v].role == NRG_WEIGHT || m->vars.at[v].role == NRG_LATENT) continue;
        if (about(m, v) == NOTHING) return refuse(m, q, var, v, NOTHING, at);
    }
    return NRG_OK;
}

nrg_status nrg_question_allowed(const nrg_model *m, nrg_question q, int32_t var, nrg_vars given) {
    return allowed(m, q, var, given, NRG_NOWHERE);
}

nrg_status nrg_question_promises(const nrg_model *m) {
    nrg_vars seen = m->energy.vars & (nrg_model_role(m, NRG_GIVEN) | nrg_model_role(m, NRG_PREDICT));
    for (uint32_t i = 0; i < m->answers.n; i++) {
        const nrg_answer_stmt *a = &m->answers.at[i];
        TRY(allowed(m, a->question, a->var, (a->given ? a->given : seen) & ~((nrg_vars)1 << a->var), a->span));
    }
    return NRG_OK;
}
