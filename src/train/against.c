// Wrong answers: what `against` stands for in a loss. A source says which they are; their energies, the average of a loss over several,
// and rows without any are the same for all sources.
#include "train/against.h"
#include <math.h>
#include <string.h>

typedef struct {
    const char *name;
    nrg_point_fn make; // NULL: not built
} point;
#define ROW_true(name) nrg_point_##name
#define ROW_false(name) NULL
static const point points[] = {
#define NRG_POINT(name, args, built, doc) {#name, ROW_##built(name)},
#include "model/points.def"
};

// ---- which --------------------------------------------------------------------------------------------------

static const char *source(const nrg_learn *l) {
    const nrg_expr *e = l->against;
    if (e && e->kind == NRG_X_CALL) e = e->kid[0];
    return !e ? "offender" : e->kind == NRG_X_NAME ? e->text : "";
}

static bool compares(const nrg_learn *l) {
    for (uint32_t k = 0; k < l->atoms.n; k++)
        if (l->atoms.at[k].kind == NRG_NEG) return true;
    return false;
}

static nrg_status unbuilt(const nrg_model *m, const nrg_learn *l) {
    nrg_text t = nrg_text_make(m->ctx);
    if (l->against) nrg_expr_print(m, l->against, &t);
    nrg_status s = nrg_fail(m->ctx, NRG_E071, l->against ? l->against->span : l->span, "against %s is not supported yet",
                            t.bad || !t.at ? "this" : t.at);
    nrg_text_free(&t);
    nrg_help(m->ctx, "built are offender, batch, noise, sample, queue(n), data(y=column) and rows(condition)");
    return s;
}

bool nrg_against_needs(const nrg_learn *l, const nrg_atom *a) {
    return a->kind == NRG_NEG || (a->kind == NRG_FREE && l->against);
}

static bool batched(const nrg_model *m) {
    for (uint32_t i = 0; i < m->learns.n; i++)
        if (nrg_same(source(&m->learns.at[i]), "batch")) return true;
    return false;
}

bool nrg_against_batch(const nrg_model *m) { return batched(m); }

bool nrg_against_noise(const nrg_model *m) {
    for (uint32_t i = 0; i < m->learns.n; i++)
        if (nrg_same(source(&m->learns.at[i]), "noise") || nrg_same(source(&m->learns.at[i]), "queue")) return true;
    return false;
}

nrg_status nrg_against_clock(const nrg_model *m, nrg_store *store, double t) {
    char name[64];
    for (uint32_t i = 0; i < m->learns.n; i++) {
        if (!compares(&m->learns.at[i]) || !nrg_same(source(&m->learns.at[i]), "offender")) continue;
        const nrg_expr *r = nrg_call_arg(m->learns.at[i].against, "outside", 0);
        double v = 0;
        if (r) TRY(nrg_eval_schedule(m, r, t, &v));
        nrg_offender_radius(i, name, sizeof name);
        TRY(nrg_number_set(store, name, v));
    }
    return NRG_OK;
}

// ---- energies -----------------------------------------------------------------------------------------------

static nrg_status energies(nrg_wrong *w) {
    nrg_scope *s = w->p->scope;
    nrg_graph *g = w->p->g;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (w->a->over >> v & 1) nrg_scope_bind(s, v, w->value[v]);
    TRY(nrg_infer_energy(w->p->inf, w->a->data | w->a->over, 0, NRG_MINIMIZE, &w->F, NULL));
    nrg_leads more = w->lead & ~nrg_graph_node(g, w->F)->leads;
    if (more) w->F = nrg_expand(g, w->F, (nrg_shape){0}, more); // the energy ignores the answers
    if (w->drive.i) w->F = nrg_sub(g, w->F, w->drive);
    if (w->level.i) w->F = w->level;
    w->count = w->lead ? nrg_reduce(g, NRG_OP_sum, w->valid, 0, w->lead, false) : nrg_const(g, 1);
    if (w->drawing) w->drawing->sum = nrg_reduce(g, NRG_OP_sum, nrg_against_mean(w, w->F), 0, NRG_SAMPLE, false);
    return nrg_graph_check(g);
}

nrg_status nrg_against_make(nrg_wrong *w) {
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        if (!nrg_same(points[i].name, source(w->l))) continue;
        if (!points[i].make) break;
        TRY(points[i].make(w));
        return energies(w);
    }
    return unbuilt(w->m, w->l);
}

nrg_node nrg_against_mean(const nrg_wrong *w, nrg_node x) {
    nrg_graph *g = w->p->g;
    x = nrg_select(g, w->valid, x, nrg_const(g, 0));
    if (!w->lead) return x;
    x = nrg_reduce(g, NRG_OP_sum, x, 0, w->lead, false);
    return nrg_div(g, x, nrg_max(g, w->count, nrg_const(g, 1)));
}

// -1/beta log(exp(-beta pos) + sum over the set of exp(-beta F)); a set without members leaves pos.
nrg_status nrg_against_free(nrg_wrong *w, nrg_node *out) {
    nrg_graph *g = w->p->g;
    nrg_node pos = NRG_BAD, beta = nrg_const(g, -w->m->beta);
    if (w->pairs) {
        nrg_status s = nrg_fail(w->m->ctx, NRG_E049, w->l->against->span, "with rows(...) a row has no right answer beside its wrong one to be weighed with");
        nrg_help(w->m->ctx, "use a loss that adds a part for each, such as square_square, or nll against batch");
        return s;
    }
    for (uint32_t k = 0; k < w->l->atoms.n && !pos.i; k++) {
        const nrg_atom *a = &w->l->atoms.at[k];
        if (a->kind == NRG_POS && a->data == (w->a->data | w->a->over)) pos = w->atoms[k];
    }
    if (!pos.i)
        return nrg_fail(w->m->ctx, NRG_E071, w->l->span, "free against a set, in a loss that does not read pos");
    nrg_node right = nrg_mul(g, pos, beta), set = nrg_select(g, w->valid, nrg_mul(g, w->F, beta), nrg_const(g, -1e30));
    if (w->lead) set = nrg_reduce(g, NRG_OP_lse, set, 0, w->lead, false);
    nrg_node all = nrg_add(g, right, nrg_softplus(g, nrg_sub(g, set, right)));
    *out = nrg_mul(g, all, nrg_const(g, -1 / w->m->beta));
    return nrg_graph_check(g);
}

// ---- in the loss --------------------------------------------------------------------------------------------

// hamming(v) compares the wrong answer with the data.
nrg_status nrg_against_names(const nrg_wrong *w) {
    nrg_scope *s = w->p->scope;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        char name[256];
        nrg_type type;
        if (!(w->a->over >> v & 1)) continue;
        TRY(nrg_var_type(w->m, v, &type));
        snprintf(name, sizeof name, "data:%s", w->m->vars.at[v].name);
        TRY(nrg_scope_name(s, name, type, nrg_scope_bound(s, v)));
        if (w->value[v].i) nrg_scope_bind(s, v, w->value[v]);
    }
    return NRG_OK;
}

static bool reads(const nrg_learn *l, const nrg_expr *e, nrg_atom_kind kind, int64_t atom) {
    if (!e) return false;
    if (e->kind == NRG_X_ATOM) return atom >= 0 ? e->number == (double)atom : l->atoms.at[(uint32_t)e->number].kind == kind;
    for (uint32_t i = 0; i < e->n; i++)
        if (reads(l, e->kid[i], kind, atom)) return true;
    return false;
}

static nrg_status together(const nrg_wrong *w) {
    nrg_status s = nrg_fail(w->m->ctx, NRG_E049, w->l->span, "with rows(...) a row has pos or neg, and this loss compares the two");
    nrg_help(w->m->ctx, "use a loss that adds a part for each: square_square, square_exp, simple or logistic");
    return s;
}

nrg_status nrg_against_term(const nrg_wrong *w, uint32_t n, const nrg_expr *e, nrg_node *x) {
    for (uint32_t i = 0; i < n; i++) {
        nrg_graph *g = w[i].p->g;
        bool neg = reads(w[i].l, e, NRG_NEG, w[i].atom), pos = reads(w[i].l, e, NRG_POS, -1),
             varies = nrg_expr_vars(w[i].m, e) & w[i].a->over;
        if (w[i].pairs && neg && pos) return together(&w[i]);
        if (neg || (varies && w[i].lead)) *x = nrg_against_mean(&w[i], *x);
        else if (w[i].pairs && pos) *x = nrg_select(g, w[i].valid, nrg_const(g, 0), *x);
    }
    return NRG_OK;
}
