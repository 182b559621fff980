// The learn statements over one batch: atoms by inference, loss expressions over them, regularisers once.
#include "train/against.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

nrg_vars nrg_loss_data(const nrg_model *m) {
    nrg_vars need = 0;
    for (uint32_t i = 0; i < m->learns.n; i++) {
        const nrg_learn *l = &m->learns.at[i];
        for (uint32_t k = 0; k < l->atoms.n; k++) need |= l->atoms.at[k].data;
        for (uint32_t k = 0; k < l->atoms.n; k++)
            if (l->atoms.at[k].kind == NRG_NEG) need |= l->atoms.at[k].over;
        need |= nrg_expr_vars(m, l->expr);
    }
    return need & ~nrg_model_role(m, NRG_LATENT) & ~nrg_model_role(m, NRG_WEIGHT);
}

nrg_status nrg_loss_clock(const nrg_model *m, nrg_store *store, double t) {
    char name[256];
    for (uint32_t i = 0; i < m->hypers.n; i++) {
        const nrg_hyper *h = &m->hypers.at[i];
        if (!h->scheduled) continue;
        double v = h->geometric ? h->from * pow(h->to / h->from, t) : h->from + (h->to - h->from) * t;
        snprintf(name, sizeof name, "hyper:%s", h->name);
        TRY(nrg_number_set(store, name, v));
    }
    return nrg_against_clock(m, store, t);
}

// ---- atoms ---------------------------------------------------------------------------------------------------

// Variables with both verbs that are not at the data: a likelihood sums over them in its pos as it does in its free.
static nrg_verb verb_of(const nrg_learn *l, const nrg_atom *pos) {
    for (uint32_t i = 0; i < l->atoms.n; i++) {
        const nrg_atom *a = &l->atoms.at[i];
        if (a->kind == NRG_FREE && (a->data | a->over) == pos->data) return NRG_MARGINALIZE;
    }
    return NRG_MINIMIZE;
}

static nrg_status out_of_reach(nrg_model *m, const nrg_learn *l) {
    nrg_status s = nrg_fail(m->ctx, NRG_E071, l->span, "this optimiser needs the loss itself, and draws give only its gradient");
    nrg_help(m->ctx, "optimize by sgd or adam");
    return s;
}

// The free energy where it cannot be summed: F at draws, or their level in a pass that does not draw.
static nrg_status at_draws(nrg_program *p, const nrg_bound *b, nrg_model *m, nrg_store *store, uint32_t learn, const nrg_atom *a, nrg_node *out) {
    nrg_drawing *d;
    if (p->draws_mode == NRG_DRAWS_NONE) return out_of_reach(m, &m->learns.at[learn]);
    if (nrg_proposed(m, a)) return nrg_proposal_energy(p, learn, a, out);
    if (p->draws_mode == NRG_DRAWS_LEVEL) return nrg_draws_level(p, store, out);
    TRY(nrg_draws_open(p, b, store, learn, a, 1, &d));
    TRY(nrg_draws_energy(p, d, out));
    d->sum = nrg_reduce(p->g, NRG_OP_sum, *out, 0, NRG_SAMPLE, false);
    return nrg_graph_check(p->g);
}

static nrg_status atom(nrg_program *p, nrg_model *m, uint32_t learn, const nrg_atom *a, bool held, nrg_node *out) {
    switch (a->kind) {
    case NRG_POS:
        return held ? nrg_infer_surrogate(p->inf, a->data, out)
                    : nrg_infer_energy(p->inf, a->data, 0, verb_of(&m->learns.at[learn], a), out, NULL);
    case NRG_LOWEST: return nrg_infer_energy(p->inf, a->data, a->over, NRG_MINIMIZE, out, NULL);
    case NRG_FREE: return nrg_infer_energy(p->inf, a->data, a->over, NRG_MARGINALIZE, out, NULL);
    case NRG_NEG:
    case NRG_COUNT: break; // against.c
    default: break;        // criteria.c
    }
    return NRG_OK;
}

// Latents and answers must not stay bound from one atom to the next: each atom starts from the data.
static nrg_status fresh(nrg_program *p, const nrg_bound *b, nrg_model *m) {
    for (uint32_t v = 0; v < m->vars.n; v++) nrg_scope_bind(p->scope, (int32_t)v, NRG_BAD);
    TRY(nrg_bound_nodes(b, p->scope));
    return nrg_bound_hide(b, p->scope);
}

static void see(nrg_program *p, const nrg_atom *a, nrg_node node, bool draws, nrg_loss *out) {
    static const int place[] = {
        [NRG_POS] = NRG_SEEN_POS, [NRG_NEG] = NRG_SEEN_NEG, [NRG_LOWEST] = NRG_SEEN_FREE, [NRG_FREE] = NRG_SEEN_FREE, [NRG_COUNT] = NRG_SEEN_NEG};
    if (a->kind > NRG_COUNT) return;
    nrg_node *to = &out->seen[draws ? NRG_SEEN_NEG : place[a->kind]];
    if (!to->i && nrg_graph_node(p->g, node)->leads == NRG_SAMPLE)
        *to = nrg_reduce(p->g, NRG_OP_sum, node, 0, NRG_SAMPLE, false);
}

// pos of the variables that a draw stands for takes the place of another pos that was seen first: nll(y | x) + nll(x).
static void see_beside(nrg_program *p, const nrg_learn *l, const nrg_atom *free, const nrg_node *atoms, nrg_loss *out) {
    for (uint32_t k = 0; k < l->atoms.n; k++) {
        if (l->atoms.at[k].kind != NRG_POS || l->atoms.at[k].data != (free->data | free->over)) continue;
        if (nrg_graph_node(p->g, atoms[k])->leads != NRG_SAMPLE) continue;
        out->seen[NRG_SEEN_POS] = nrg_reduce(p->g, NRG_OP_sum, atoms[k], 0, NRG_SAMPLE, false);
    }
}

static nrg_node plus(nrg_graph *g, nrg_node a, nrg_node b) { return a.i ? nrg_add(g, a, b) : b; }

typedef struct {
    nrg_wrong *at;
    uint32_t n;
} wrongs;

static bool constant(const nrg_model *m, const nrg_expr *e) {
    return e->kind == NRG_X_NUMBER || (e->kind == NRG_X_NAME && nrg_model_hyper(m, e->text) >= 0);
}

// Adds factor * e: sums are taken apart, so that what has no samples in it stays out of the pass over them, and so that a term without
// wrong answers is not averaged over them.
static nrg_status add_terms(nrg_program *p, const wrongs *w, const nrg_expr *e, nrg_node factor, nrg_loss *out) {
    if (e->kind == NRG_X_BINARY && (nrg_same(e->op, "+") || nrg_same(e->op, "-"))) {
        TRY(add_terms(p, w, e->kid[0], factor, out));
        return add_terms(p, w, e->kid[1], nrg_same(e->op, "-") ? nrg_neg(p->g, factor) : factor, out);
    }
    for (uint32_t i = 0; i < 2 && e->kind == NRG_X_BINARY && nrg_same(e->op, "*"); i++) {
        nrg_value times;
        if (!constant(nrg_scope_model(p->scope), e->kid[i])) continue;
        TRY(nrg_eval(p->scope, e->kid[i], &times));
        return add_terms(p, w, e->kid[1 - i], nrg_mul(p->g, factor, times.node), out);
    }
    nrg_value v;
    TRY(nrg_eval(p->scope, e, &v));
    const nrg_node_info *info = nrg_graph_node(p->g, v.node);
    nrg_ctx *c = nrg_graph_ctx(p->g);
    if (nrg_shape_count(&info->shape) != 1) {
        nrg_status s = nrg_fail(c, NRG_E022, e->span, "a loss must be one number per sample");
        nrg_help(c, "reduce it: sum(...), sq(...), mean(...)");
        return s;
    }
    nrg_node x = nrg_mul(p->g, nrg_reshape(p->g, v.node, nrg_shape_of(0, NULL)), factor);
    TRY(nrg_against_term(w->at, w->n, e, &x));
    if (nrg_graph_node(p->g, x)->leads & NRG_SAMPLE) out->sample = plus(p->g, out->sample, x);
    else out->once = plus(p->g, out->once, x);
    return NRG_OK;
}

// The atoms that need wrong answers, once the others are known; then asked variables stand for these.
static nrg_status against(nrg_program *p, const nrg_bound *b, nrg_store *store, uint32_t learn, nrg_node *atoms, wrongs *out, nrg_loss *loss) {
    nrg_model *m = nrg_scope_model(p->scope);
    const nrg_learn *l = &m->learns.at[learn];
    if (!(out->at = NRG_NEWS(&p->arena, nrg_wrong, l->atoms.n + 1))) return NRG_E098;
    for (uint32_t k = 0; k < l->atoms.n; k++) {
        const nrg_atom *a = &l->atoms.at[k];
        nrg_wrong *w = &out->at[out->n];
        if (!nrg_against_needs(l, a)) continue;
        TRY(fresh(p, b, m));
        nrg_graph_span(p->g, l->span);
        *w = (nrg_wrong){.p = p, .b = b, .m = m, .store = store, .learn = learn, .atom = k, .l = l, .a = a, .atoms = atoms};
        TRY(nrg_against_make(w));
        if (p->judge) {
            TRY(fresh(p, b, m));
            TRY(nrg_offender_judge(w));
        }
        if (a->kind == NRG_FREE) TRY(nrg_against_free(w, &atoms[k]));
        else atoms[k] = w->F, out->n++;
        see(p, a, a->kind == NRG_FREE ? atoms[k] : nrg_against_mean(w, w->F), false, loss);
    }
    for (uint32_t k = 0; k < l->atoms.n; k++) {
        if (l->atoms.at[k].kind != NRG_COUNT) continue;
        atoms[k] = nrg_const(p->g, 1);
        for (uint32_t i = 0; i < out->n; i++)
            if (out->at[i].a->over == l->atoms.at[k].over) atoms[k] = out->at[i].count;
    }
    TRY(fresh(p, b, m));
    for (uint32_t i = 0; i < out->n; i++) TRY(nrg_against_names(&out->at[i]));
    return NRG_OK;
}

// energy_l2 at the data and at the draws of one atom, by a weight that is zero until --rescue asks for it.
static void remedy(nrg_program *p, const nrg_learn *l, uint32_t free, const nrg_node *atoms, nrg_loss *out) {
    nrg_node squares = nrg_square(p->g, atoms[free]), weight = nrg_input(p->g, "remedy:l2", 0, nrg_shape_of(0, NULL));
    for (uint32_t k = 0; k < l->atoms.n; k++)
        if (l->atoms.at[k].kind == NRG_POS && l->atoms.at[k].data == (l->atoms.at[free].data | l->atoms.at[free].over))
            squares = nrg_add(p->g, squares, nrg_square(p->g, atoms[k]));
    if (nrg_graph_node(p->g, squares)->leads == NRG_SAMPLE) out->sample = plus(p->g, out->sample, nrg_mul(p->g, squares, weight));
}

static nrg_status one(nrg_program *p, const nrg_bound *b, nrg_model *m, nrg_store *store, uint32_t i, bool held, nrg_loss *out) {
    const nrg_learn *l = &m->learns.at[i];
    nrg_node *atoms = NRG_NEWS(&p->arena, nrg_node, l->atoms.n + 1);
    if (!atoms) return NRG_E098;
    wrongs w = {0};
    for (uint32_t k = 0; k < l->atoms.n; k++) {
        if (nrg_against_needs(l, &l->atoms.at[k]) || l->atoms.at[k].kind == NRG_COUNT) continue;
        TRY(fresh(p, b, m));
        nrg_graph_span(p->g, l->span);
        bool draws = nrg_draws_wanted(m, &l->atoms.at[k]);
        if (l->atoms.at[k].kind > NRG_COUNT) TRY(nrg_criterion(p, b, store, i, &l->atoms.at[k], &atoms[k]));
        else if (draws) TRY(at_draws(p, b, m, store, i, &l->atoms.at[k], &atoms[k]));
        else TRY(atom(p, m, i, &l->atoms.at[k], held, &atoms[k]));
        see(p, &l->atoms.at[k], atoms[k], draws && l->atoms.at[k].kind == NRG_FREE, out);
    }
    for (uint32_t k = 0; k < l->atoms.n; k++) { // what the draws are compared with is the data of the same atom
        if (!nrg_draws_wanted(m, &l->atoms.at[k]) || l->atoms.at[k].kind != NRG_FREE) continue;
        see_beside(p, l, &l->atoms.at[k], atoms, out);
        if (p->remedies) remedy(p, l, k, atoms, out);
    }
    TRY(against(p, b, store, i, atoms, &w, out));
    int before = nrg_diag_errors(m->ctx);
    nrg_scope_atoms(p->scope, atoms, l->atoms.n);
    if (nrg_diag_errors(m->ctx) != before) return NRG_E098; // it cannot say so itself
    nrg_graph_span(p->g, l->span);
    return add_terms(p, &w, l->expr, nrg_const(p->g, 1), out);
}

nrg_status nrg_loss_build(nrg_program *p, const nrg_bound *b, nrg_store *store, bool held, nrg_loss *out) {
    nrg_model *m = nrg_scope_model(p->scope);
    *out = (nrg_loss){0};
    TRY(nrg_loss_clock(m, store, 0));
    for (uint32_t i = 0; i < m->learns.n; i++) TRY(one(p, b, m, store, i, held, out));
    if (out->sample.i) {
        out->sample = nrg_mul(p->g, out->sample, nrg_bound_weight(b, p->scope));
        out->sum = nrg_reduce(p->g, NRG_OP_sum, out->sample, 0, NRG_SAMPLE, false);
    } else out->sum = nrg_const(p->g, 0);
    if (!out->once.i) out->once = nrg_const(p->g, 0);
    return nrg_graph_check(p->g);
}
