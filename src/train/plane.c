// A loss as a function of two energies, through the graph: atoms become inputs, slopes come from nrg_grad.
#include "train/verdict.h"
#include "exec/exec.h"
#include <string.h>

static bool has_atom(const nrg_expr *e) {
    if (!e) return false;
    if (e->kind == NRG_X_ATOM) return true;
    for (uint32_t i = 0; i < e->n; i++)
        if (has_atom(e->kid[i])) return true;
    return false;
}

static bool sum_of(const nrg_expr *e) {
    return e->kind == NRG_X_BINARY && (nrg_same(e->op, "+") || nrg_same(e->op, "-"));
}

static bool constant(const nrg_model *m, const nrg_expr *e) {
    if (e->kind == NRG_X_NUMBER) return true;
    if (e->kind == NRG_X_NAME) return nrg_model_hyper(m, e->text) >= 0;
    if (e->kind != NRG_X_UNARY && e->kind != NRG_X_BINARY) return false;
    for (uint32_t i = 0; i < e->n; i++)
        if (!constant(m, e->kid[i])) return false;
    return true;
}

static bool square_of_atom(const nrg_expr *e) {
    return e->kind == NRG_X_BINARY && nrg_same(e->op, "^") && e->kid[0]->kind == NRG_X_ATOM && e->kid[1]->kind == NRG_X_NUMBER && e->kid[1]->number == 2;
}

// c (pos^2 + free^2), as energy_l2 is: it keeps energies near zero, right and wrong ones alike.
static bool keeps_small(const nrg_model *m, const nrg_expr *e) {
    if (e->kind != NRG_X_BINARY) return false;
    if (nrg_same(e->op, "*")) return (constant(m, e->kid[0]) && keeps_small(m, e->kid[1])) || (constant(m, e->kid[1]) && keeps_small(m, e->kid[0]));
    return nrg_same(e->op, "+") && square_of_atom(e->kid[0]) && square_of_atom(e->kid[1]);
}

// Regularisers, terms without an energy that read weights and those that keep all energies small, do not belong to the plane.
static nrg_status add_terms(nrg_plane *p, const nrg_expr *e, double sign, nrg_node *sum) {
    if (keeps_small(nrg_scope_model(p->scope), e) || (!has_atom(e) && !constant(nrg_scope_model(p->scope), e))) return NRG_OK;
    if (sum_of(e)) {
        TRY(add_terms(p, e->kid[0], sign, sum));
        return add_terms(p, e->kid[1], nrg_same(e->op, "-") ? -sign : sign, sum);
    }
    nrg_value v;
    TRY(nrg_eval(p->scope, e, &v));
    nrg_node x = nrg_mul(p->g, v.node, nrg_const(p->g, sign));
    *sum = sum->i ? nrg_add(p->g, *sum, x) : x;
    return NRG_OK;
}

// free = -1/beta log(exp(-beta pos) + exp(-beta neg)) = pos - softplus(beta (pos - neg)) / beta
static nrg_node two_free(nrg_graph *g, nrg_node pos, nrg_node neg, nrg_node beta) {
    return nrg_sub(g, pos, nrg_div(g, nrg_softplus(g, nrg_mul(g, beta, nrg_sub(g, pos, neg))), beta));
}

static nrg_status build(nrg_plane *p, nrg_model *m, const nrg_learn *l) {
    nrg_shape one = nrg_shape_of(0, NULL);
    nrg_node pos = nrg_input(p->g, "plane:pos", NRG_SAMPLE, one), neg = nrg_input(p->g, "plane:neg", NRG_SAMPLE, one);
    nrg_node beta = nrg_const(p->g, m->beta), sum = NRG_BAD;
    nrg_node *atoms = NRG_NEWS(&p->arena, nrg_node, l->atoms.n + 1);
    if (!atoms) return NRG_E098;
    for (uint32_t k = 0; k < l->atoms.n; k++) switch (l->atoms.at[k].kind) {
        case NRG_POS: atoms[k] = pos; break;
        case NRG_NEG: atoms[k] = neg; break;
        case NRG_LOWEST: atoms[k] = nrg_min(p->g, pos, neg); break;
        case NRG_FREE: atoms[k] = two_free(p->g, pos, neg, beta); break;
        case NRG_COUNT: atoms[k] = nrg_const(p->g, 1); break;
        default: return nrg_fail(m->ctx, NRG_E071, l->span, "a criterion that reads more than energies has no plane");
        }
    nrg_scope_atoms(p->scope, atoms, l->atoms.n);
    TRY(add_terms(p, l->expr, 1, &sum));
    if (!sum.i) sum = nrg_const(p->g, 0);
    // The sample axis reaches the value even where the loss is constant.
    nrg_node zero = nrg_mul(p->g, nrg_sub(p->g, nrg_eq(p->g, pos, pos), nrg_const(p->g, 1)), neg);
    p->out[0] = nrg_add(p->g, sum, zero);
    nrg_node wrt[2] = {pos, neg};
    TRY(nrg_grad(p->g, p->out[0], NRG_BAD, wrt, 2, &p->out[1]));
    return nrg_graph_check(p->g);
}

static nrg_status bind(nrg_plane *p, const nrg_model *m, nrg_span at) {
    p->slots = nrg_input_count(p->g);
    p->inputs = NRG_NEWS(&p->arena, const double *, p->slots + 1);
    p->numbers = NRG_NEWS(&p->arena, double, p->slots + 1);
    if (!p->inputs || !p->numbers) return NRG_E098;
    p->pos = p->neg = -1;
    for (uint32_t i = 0; i < p->slots; i++) {
        const char *name = nrg_input_name(p->g, i);
        p->inputs[i] = &p->numbers[i];
        if (nrg_same(name, "plane:pos")) p->pos = (int32_t)i;
        if (nrg_same(name, "plane:neg")) p->neg = (int32_t)i;
        int32_t h = strncmp(name, "hyper:", 6) == 0 ? nrg_model_hyper(m, name + 6) : -1;
        if (h >= 0) p->numbers[i] = m->hypers.at[h].from;
        else if (p->pos != (int32_t)i && p->neg != (int32_t)i)
            return nrg_fail(m->ctx, NRG_E071, at, "a loss that multiplies an energy with '%s' has no single plane", name);
    }
    return NRG_OK;
}

nrg_status nrg_plane_new(nrg_model *m, uint32_t learn, nrg_plane *out) {
    const nrg_learn *l = &m->learns.at[learn];
    *out = (nrg_plane){.ctx = m->ctx, .arena = nrg_arena_make(m->ctx)};
    nrg_vars data = nrg_expr_vars(m, l->expr) & ~nrg_model_role(m, NRG_WEIGHT);
    nrg_status s = NRG_OK;
    if (data)
        s = nrg_fail(m->ctx, NRG_E071, l->span, "a loss that reads variables beside the energies has no single plane");
    if (s == NRG_OK) s = nrg_graph_new(m->ctx, NRG_F64, &out->g);
    if (s == NRG_OK) s = nrg_scope_new(m, out->g, &out->scope);
    if (s == NRG_OK) s = build(out, m, l);
    if (s == NRG_OK) s = bind(out, m, l->span);
    if (s != NRG_OK) nrg_plane_free(out);
    return s;
}

void nrg_plane_free(nrg_plane *p) {
    if (p->scope) nrg_scope_free(p->scope);
    if (p->g) nrg_graph_free(p->g);
    nrg_arena_free(&p->arena);
    p->scope = NULL;
    p->g = NULL;
}

nrg_status nrg_plane_eval(const nrg_plane *p, int64_t n, const double *pos, const double *neg, double *value, double *dpos,
                          double *dneg) {
    double *results[3] = {value, dpos, dneg};
    if (p->pos >= 0) p->inputs[p->pos] = pos;
    if (p->neg >= 0) p->inputs[p->neg] = neg;
    return nrg_ref_eval(p->ctx, p->g, n, p->inputs, 1, 0, p->out, 3, results);
}
