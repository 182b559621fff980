// against offender: the wrong answer that costs most. Where the loss reads the answer itself (a margin that depends on it), that is the
// one with the largest loss, which for a margin loss is argmin of E - margin(y); else the one with the lowest energy. Finite answers and
// grids are compared exhaustively, other reals are searched by descent.
#include "train/against.h"
#include <math.h>

enum { STARTS = 16, STEPS = 20, HARDER = 4 }; // of a descent, unless told; what a dense search multiplies both by
#define CLEAR 1e-3 // share of 1 + |cost| by which a miss must be worse
#define TIE 1e-6 // the energy decides between answers of equal loss, such as those beyond the margin

void nrg_offender_radius(uint32_t learn, char *to, size_t n) { snprintf(to, n, "against:%u:outside", learn); }

static bool varies(const nrg_wrong *w) { return nrg_expr_vars(w->m, w->l->expr) & w->a->over; }

// The loss with the energy F of a wrong answer that is bound in the scope; other atoms from `outer`.
static nrg_status loss_at(nrg_wrong *w, nrg_scope *s, const nrg_graph *outer, nrg_node F, nrg_node *cost) {
    nrg_graph *g = nrg_scope_graph(s);
    nrg_node *atoms = NRG_NEWS(&w->p->arena, nrg_node, w->l->atoms.n + 1);
    nrg_value v;
    if (!atoms) return NRG_E098;
    for (uint32_t k = 0; k < w->l->atoms.n; k++) {
        atoms[k] = nrg_const(g, w->l->atoms.at[k].kind == NRG_COUNT);
        if (k == w->atom) atoms[k] = F;
        else if (w->atoms[k].i) atoms[k] = outer == g ? w->atoms[k] : nrg_graph_copy(g, outer, w->atoms[k], NULL, NULL, 0);
    }
    nrg_scope_atoms(s, atoms, w->l->atoms.n);
    TRY(nrg_eval(s, w->l->expr, &v));
    nrg_node loss = nrg_reshape(g, v.node, nrg_shape_of(0, NULL));
    *cost = nrg_sub(g, nrg_mul(g, F, nrg_const(g, TIE)), loss);
    return nrg_graph_check(g);
}

static nrg_status name_data(const nrg_wrong *w, nrg_scope *s, const nrg_node *truth) {
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        char name[256];
        nrg_type type;
        if (!(w->a->over >> v & 1)) continue;
        TRY(nrg_var_type(w->m, v, &type));
        snprintf(name, sizeof name, "data:%s", w->m->vars.at[v].name);
        TRY(nrg_scope_name(s, name, type, truth[v]));
    }
    return NRG_OK;
}

// ---- exhaustively -------------------------------------------------------------------------------------------

// 1 where the candidate is not a wrong answer: equal to the data, or closer than `outside` for reals.
static nrg_node forbidden(const nrg_wrong *w, const nrg_node *candidate, const nrg_node *truth) {
    nrg_graph *g = w->p->g;
    nrg_node far = nrg_const(g, 0);
    bool real = false;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!(w->a->over >> v & 1)) continue;
        far = nrg_add(g, far, nrg_sum_all(g, nrg_square(g, nrg_sub(g, candidate[v], truth[v]))));
        real = real || w->m->vars.at[v].elem == NRG_REAL;
    }
    char name[64];
    nrg_offender_radius(w->learn, name, sizeof name);
    if (!real) return nrg_eq(g, far, nrg_const(g, 0));
    return nrg_le(g, far, nrg_square(g, nrg_input(g, name, 0, nrg_shape_of(0, NULL))));
}

static nrg_status listed(nrg_wrong *w, const nrg_node *truth) {
    nrg_graph *g = w->p->g;
    nrg_scope *s = w->p->scope;
    nrg_node candidate[NRG_MAX_VARS] = {{0}}, cost;
    nrg_leads lead;
    TRY(nrg_infer_candidates(w->p->inf, w->a->data & ~w->a->over, w->a->over, &cost, &lead, candidate));
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (w->a->over >> v & 1) nrg_scope_bind(s, v, candidate[v]);
    TRY(name_data(w, s, truth));
    if (varies(w)) TRY(loss_at(w, s, g, cost, &cost));
    cost = nrg_select(g, forbidden(w, candidate, truth), nrg_const(g, INFINITY), cost);
    nrg_node index = nrg_reduce(g, NRG_OP_argmin, cost, 0, lead, false);
    w->cost = nrg_reduce(g, NRG_OP_rmin, cost, 0, lead, false);
    w->valid = nrg_lt(g, w->cost, nrg_const(g, INFINITY));
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (w->a->over >> v & 1) w->value[v] = nrg_stop(g, nrg_take(g, nrg_lower(g, candidate[v], lead, 0), index));
    return nrg_graph_check(g);
}

// ---- by descent ---------------------------------------------------------------------------------------------

static nrg_status cost_of(void *ud, nrg_scope *s, const nrg_graph *outer, nrg_node F, nrg_node *cost) {
    nrg_wrong *w = ud;
    nrg_node truth[NRG_MAX_VARS] = {{0}};
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!(w->a->over >> v & 1)) continue;
        truth[v] = nrg_graph_copy(nrg_scope_graph(s), outer, nrg_scope_bound(w->p->scope, v), NULL, NULL, 0);
    }
    TRY(name_data(w, s, truth));
    return loss_at(w, s, outer, F, cost);
}

static nrg_status option(const nrg_wrong *w, const char *name, int place, int64_t otherwise, int64_t most, int64_t *out) {
    const nrg_expr *e = nrg_call_arg(w->l->against, name, place);
    double v = (double)otherwise;
    if (e) TRY(nrg_eval_number(w->m, e, &v));
    if (!(v >= 1 && v <= (double)most && v == floor(v)))
        return nrg_fail(w->m->ctx, NRG_E013, e->span, "%s of offender is %.6g: whole numbers from 1 to %lld are possible", name, v, (long long)most);
    *out = (int64_t)v * (w->dense ? HARDER : 1);
    return NRG_OK;
}

static nrg_status searched(nrg_wrong *w) {
    char name[64];
    nrg_offender_radius(w->learn, name, sizeof name);
    nrg_hunt spec = {.data = w->a->data & ~w->a->over, .over = w->a->over, .outside = name, .ud = w, .cost = varies(w) ? cost_of : NULL};
    TRY(option(w, "starts", 1, STARTS, 1000, &spec.starts));
    TRY(option(w, "steps", 2, STEPS, 100000, &spec.steps));
    return nrg_infer_hunt(w->p->inf, &spec, w->value, &w->valid, &w->cost);
}

bool nrg_offender_near(const nrg_wrong *w) { return !nrg_infer_listable(w->p->inf, w->a->over, w->dense); }

// Missed: the denser search found an answer that costs clearly less (costs are minimised).
nrg_status nrg_offender_judge(nrg_wrong *w) {
    nrg_graph *g = w->p->g;
    nrg_wrong dense = *w;
    if (!w->cost.i || !nrg_offender_near(w)) return NRG_OK;
    dense.dense = true;
    TRY(nrg_point_offender(&dense));
    nrg_node found = nrg_min(g, w->cost, nrg_const(g, 1e30)); // none found at all
    nrg_node clear = nrg_mul(g, nrg_add(g, nrg_abs(g, found), nrg_const(g, 1)), nrg_const(g, CLEAR));
    nrg_node missed = nrg_lt(g, dense.cost, nrg_sub(g, found, clear));
    missed = nrg_reduce(g, NRG_OP_sum, nrg_graph_node(g, missed)->leads & NRG_SAMPLE ? missed : nrg_expand(g, missed, nrg_shape_of(0, NULL), NRG_SAMPLE), 0, NRG_SAMPLE, false);
    w->p->missed = w->p->missed.i ? nrg_add(g, w->p->missed, missed) : missed;
    w->p->searches++;
    return nrg_graph_check(g);
}

nrg_status nrg_point_offender(nrg_wrong *w) {
    nrg_node truth[NRG_MAX_VARS] = {{0}};
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) truth[v] = nrg_scope_bound(w->p->scope, v);
    nrg_status st = nrg_offender_near(w) ? searched(w) : listed(w, truth);
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (w->a->over >> v & 1) nrg_scope_bind(w->p->scope, v, truth[v]);
    return st;
}
