// A module as the picker of wrong answers: `sample y by G(normal(L))`. It is trained to lower E at what it proposes while E's weights are
// held, and E is raised there while the proposal is held (Goodfellow et al. 2014, as energies: Zhao et al. 2017).
#include "train/against.h"
#include "infer/sample.h"
#include <math.h>

typedef struct {
    nrg_program *p;
    uint32_t use; // keeps the numbers of several calls apart
} source;

static nrg_node noise(void *ud, bool normal, nrg_shape shape) {
    source *s = ud;
    nrg_node ids = nrg_input(s->p->g, "train:id", NRG_SAMPLE, nrg_shape_of(0, NULL));
    return nrg_random(s->p->g, ids, normal ? NRG_RANDOM_NORMAL : NRG_RANDOM_UNIFORM, NRG_FOR_NOISE + 16u * (++s->use) + (1u << 25), shape);
}

static const nrg_infer_stmt *proposer(const nrg_model *m, nrg_vars over) {
    for (uint32_t i = 0; i < m->infers.n; i++) {
        const nrg_infer_stmt *st = &m->infers.at[i];
        if (st->verb == NRG_SAMPLE_VERB && st->vars == over && nrg_proposes(st)) return st;
    }
    return NULL;
}

bool nrg_proposed(const nrg_model *m, const nrg_atom *a) { return proposer(m, a->over) != NULL; }

bool nrg_proposers(const nrg_model *m) {
    for (uint32_t i = 0; i < m->infers.n; i++)
        if (m->infers.at[i].verb == NRG_SAMPLE_VERB && nrg_proposes(&m->infers.at[i])) return true;
    return false;
}

static bool names(const nrg_expr *e, const char *owner) {
    if (!e) return false;
    if (e->kind == NRG_X_NAME && nrg_same(e->text, owner)) return true;
    for (uint32_t i = 0; i < e->n; i++)
        if (names(e->kid[i], owner)) return true;
    return false;
}

// The one variable of an atom that a module proposes.
static int32_t asked(const nrg_atom *a) {
    int32_t v = 0;
    while (!(a->over >> v & 1)) v++;
    return v;
}

static nrg_status energy_at(nrg_program *p, const nrg_atom *a, int32_t v, nrg_node y, nrg_node *F) {
    nrg_scope_bind(p->scope, v, y);
    for (int32_t k = 0; k < (int32_t)nrg_scope_model(p->scope)->vars.n; k++)
        if (!((a->data | a->over) >> k & 1)) nrg_scope_bind(p->scope, k, NRG_BAD);
    return nrg_infer_energy(p->inf, a->data | a->over, 0, NRG_MINIMIZE, F, NULL);
}

// F - stop(F) at the proposal, E's weights held: 0, with the gradient of F through the proposal.
static nrg_status drive(nrg_program *p, const nrg_infer_stmt *st, const nrg_atom *a, int32_t v, nrg_node y, nrg_node *out) {
    nrg_model *m = nrg_scope_model(p->scope);
    nrg_node F, *from = NRG_NEWS(&p->arena, nrg_node, m->params.n + 1), *by = NRG_NEWS(&p->arena, nrg_node, m->params.n + 1);
    int n = 0;
    if (!from || !by) return NRG_E098;
    TRY(energy_at(p, a, v, y, &F));
    for (uint32_t i = 0; i < m->params.n; i++) {
        if (names(st->by, m->params.at[i].owner)) continue;
        from[n] = nrg_scope_param(p->scope, i);
        by[n] = nrg_stop(p->g, from[n]);
        n++;
    }
    F = nrg_graph_copy(p->g, p->g, F, from, by, n);
    *out = nrg_sub(p->g, F, nrg_stop(p->g, F));
    return nrg_graph_check(p->g);
}

static nrg_status propose(nrg_program *p, uint32_t learn, const nrg_atom *a, nrg_node *y, nrg_node *force) {
    nrg_model *m = nrg_scope_model(p->scope);
    const nrg_infer_stmt *st = proposer(m, a->over);
    nrg_value value;
    int32_t v = asked(a);
    source s = {p, 64 * learn};
    nrg_scope_noise(p->scope, noise, &s);
    nrg_status status = nrg_eval(p->scope, st->by, &value);
    nrg_scope_noise(p->scope, NULL, NULL);
    TRY(status);
    TRY(nrg_proposal_fits(m, v, st->by, p->g, value.node));
    TRY(drive(p, st, a, v, value.node, force));
    *y = nrg_stop(p->g, value.node);
    return nrg_infer_say(p->inf, "wrong answers for %s: a module, trained to lower E where it points", m->vars.at[v].name);
}

// In place of `free`: F at the proposal.
nrg_status nrg_proposal_energy(nrg_program *p, uint32_t learn, const nrg_atom *a, nrg_node *out) {
    nrg_node y, force;
    TRY(propose(p, learn, a, &y, &force));
    TRY(energy_at(p, a, asked(a), y, out));
    *out = nrg_sub(p->g, *out, force);
    return nrg_graph_check(p->g);
}

// k draws a row lie along an axis of their own.
static nrg_status spread(nrg_wrong *w, const nrg_drawing *d, int64_t k) {
    nrg_graph *g = w->p->g;
    w->lead = k > 1 ? nrg_lead_new(g, "draw", k) : 0;
    for (int i = 0; i < d->n; i++) {
        nrg_shape s, all = {.rank = 1, .dim = {k}};
        if (!(w->a->over >> d->var[i] & 1)) continue;
        TRY(nrg_var_shape(w->m, d->var[i], &s));
        for (int j = 0; j < s.rank && k > 1; j++) all.dim[all.rank++] = s.dim[j];
        nrg_node x = nrg_draws_place(w->p, d, i, k > 1 ? all : s);
        w->value[d->var[i]] = k > 1 ? nrg_lift(g, x, 0, w->lead) : x;
    }
    if (k > 1) w->valid = nrg_expand(g, w->valid, (nrg_shape){0}, w->lead);
    return nrg_graph_check(g);
}

// In a pass that does not draw: the energy that the draws of the last epoch had, at no answer in particular.
static nrg_status no_draws(nrg_wrong *w) {
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (w->a->over >> v & 1) w->value[v] = nrg_scope_bound(w->p->scope, v);
    return nrg_draws_level(w->p, w->store, &w->level);
}

// against sample: the draws are wrong answers.
nrg_status nrg_point_sample(nrg_wrong *w) {
    const nrg_expr *k = w->l->against->kind == NRG_X_CALL ? nrg_call_arg(w->l->against, "k", 0) : NULL;
    double many = 1;
    if (k) TRY(nrg_eval_number(w->m, k, &many));
    if (!(many >= 1 && many <= 4096 && many == floor(many)))
        return nrg_fail(w->m->ctx, NRG_E013, k->span, "against sample(%.6g): 1 to 4096 draws a row are possible", many);
    w->valid = nrg_const(w->p->g, 1);
    if (nrg_proposed(w->m, w->a)) {
        if (many == 1) return propose(w->p, w->learn, w->a, &w->value[asked(w->a)], &w->drive);
        nrg_status s = nrg_fail(w->m->ctx, NRG_E071, k->span, "against sample(%.6g): several proposals of a module for a row are not built", many);
        nrg_help(w->m->ctx, "write sample(1), and a larger batch");
        return s;
    }
    if (w->p->draws_mode == NRG_DRAWS_NONE) {
        nrg_status s = nrg_fail(w->m->ctx, NRG_E071, w->l->against->span, "draws by chains are made beside minibatch steps only");
        nrg_help(w->m->ctx, "optimize by sgd or adam");
        return s;
    }
    if (w->p->draws_mode == NRG_DRAWS_LEVEL) return no_draws(w);
    TRY(nrg_draws_open(w->p, w->b, w->store, w->learn, w->a, (int64_t)many, &w->drawing));
    return spread(w, w->drawing, (int64_t)many);
}
