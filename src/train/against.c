// Wrong answers: what `against` draws for the atom `neg`.
#include "train/inside.h"
#include <math.h>

static nrg_status unbuilt(const nrg_model *m, const nrg_expr *e) {
    nrg_text t = nrg_text_make(m->ctx);
    nrg_expr_print(m, e, &t);
    nrg_status s =
        nrg_fail(m->ctx, NRG_E071, e->span, "against %s is not supported yet", t.bad || !t.at ? "this" : t.at);
    nrg_text_free(&t);
    nrg_help(m->ctx, "against offender works for finite answers, offender(outside=r) for reals on a grid");
    return s;
}

static bool offender(const nrg_expr *e) {
    if (!e) return true;
    if (e->kind == NRG_X_CALL) e = e->kid[0];
    return e->kind == NRG_X_NAME && nrg_same(e->text, "offender");
}

// 1 where the candidate is not a wrong answer: equal to the data, or closer than `outside` for reals.
static nrg_node forbidden(nrg_graph *g, nrg_node candidate, nrg_node truth, const char *sphere) {
    nrg_node gap = nrg_sub(g, candidate, truth);
    nrg_node far = nrg_sum_all(g, nrg_square(g, gap));
    if (!sphere) return nrg_eq(g, far, nrg_const(g, 0));
    return nrg_le(g, far, nrg_square(g, nrg_input(g, sphere, 0, nrg_shape_of(0, NULL))));
}

static int32_t only(nrg_vars v) {
    for (int32_t i = 0; i < NRG_MAX_VARS; i++)
        if (v == (nrg_vars)1 << i) return i;
    return -1;
}

static void sphere_name(uint32_t learn, char *to, size_t n) { snprintf(to, n, "against:%u:outside", learn); }

nrg_status nrg_against_energy(nrg_program *p, nrg_model *m, uint32_t learn, const nrg_atom *a, nrg_node *out) {
    const nrg_learn *l = &m->learns.at[learn];
    int32_t y = only(a->over);
    if (y < 0)
        return nrg_fail(m->ctx, NRG_E071, l->span,
                        "the most offending answer of several variables at once is not supported yet");
    if (nrg_expr_vars(m, l->expr) & a->over)
        return nrg_fail(m->ctx, NRG_E071, l->span, "a margin that depends on %s is not supported yet",
                        m->vars.at[y].name);
    nrg_node truth = nrg_scope_bound(p->scope, y), F, value;
    nrg_leads lead;
    TRY(nrg_infer_candidates(p->inf, a->data & ~a->over, a->over, &F, &lead, &value));
    nrg_scope_bind(p->scope, y, truth);
    char name[64];
    sphere_name(learn, name, sizeof name);
    bool real = m->vars.at[y].elem == NRG_REAL;
    nrg_node bad = forbidden(p->g, value, truth, real ? name : NULL);
    nrg_node rest = nrg_select(p->g, bad, nrg_const(p->g, INFINITY), F);
    *out = nrg_reduce(p->g, NRG_OP_rmin, rest, 0, lead, false);
    return NRG_OK;
}

nrg_status nrg_against_check(const nrg_model *m, const nrg_learn *l) {
    bool draws = false;
    for (uint32_t k = 0; k < l->atoms.n; k++) draws = draws || l->atoms.at[k].kind == NRG_NEG;
    if (l->against && (!draws || !offender(l->against))) return unbuilt(m, l->against); // nll against a set, for instance
    return NRG_OK;
}

nrg_status nrg_against_clock(const nrg_model *m, nrg_store *store, double t) {
    char name[64];
    for (uint32_t i = 0; i < m->learns.n; i++) {
        const nrg_expr *r = nrg_call_arg(m->learns.at[i].against, "outside", 0);
        double v = 0;
        if (r) TRY(nrg_eval_schedule(m, r, t, &v));
        sphere_name(i, name, sizeof name);
        TRY(nrg_number_set(store, name, v));
    }
    return NRG_OK;
}
