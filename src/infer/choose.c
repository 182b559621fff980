// The method for a statement: chosen from the domain and the structure of the energy where `by` was left out, with the reason.
#include "infer/sites.h"
#include <math.h>

enum { SWEEP = 1024 }; // most numbers that are drawn one by one unless told

// ---- a look at the structure: the energy with every variable as an input
typedef struct {
    nrg_graph *graph;
    nrg_scope *scope;
    nrg_node hole[NRG_MAX_VARS];
} look;

static void close_look(look *l) {
    nrg_scope_free(l->scope);
    nrg_graph_free(l->graph);
}

static nrg_status open_look(nrg_model *m, look *l) {
    char name[200];
    *l = (look){0};
    TRY(nrg_graph_new(m->ctx, NRG_F64, &l->graph));
    TRY(nrg_scope_new(m, l->graph, &l->scope));
    for (uint32_t v = 0; v < m->vars.n; v++) {
        nrg_shape s;
        if (!(m->energy.vars >> v & 1) || m->vars.at[v].role == NRG_WEIGHT) continue;
        TRY(nrg_var_shape(m, (int32_t)v, &s));
        snprintf(name, sizeof name, "%s%s", NRG_HOLE, m->vars.at[v].name);
        l->hole[v] = nrg_input(l->graph, name, NRG_SAMPLE, s);
        nrg_scope_bind(l->scope, (int32_t)v, l->hole[v]);
    }
    return NRG_OK;
}

static nrg_status attr_in(nrg_model *m, nrg_vars vars, const nrg_expr *part, nrg_attr *out,
                          bool *smooth, int *degree) {
    look l;
    nrg_value E = {0};
    *degree = 0;
    *smooth = true;
    nrg_status s = open_look(m, &l);
    if (s == NRG_OK) s = part ? nrg_eval(l.scope, part, &E) : nrg_eval_energy(l.scope, &E.node);
    if (s == NRG_OK) s = nrg_graph_check(l.graph);
    for (int32_t v = 0; s == NRG_OK && v < NRG_MAX_VARS; v++) {
        if (!(vars >> v & 1) || !l.hole[v].i) continue;
        s = nrg_attr_of(l.graph, E.node, l.hole[v], out);
        if (out->degree > *degree) *degree = out->degree;
        *smooth = *smooth && out->smooth;
    }
    close_look(&l);
    return s;
}

bool nrg_fault_term(nrg_inference *i, nrg_vars vars, nrg_span *at) {
    nrg_model *m = i->model;
    for (uint32_t t = 0; t < m->energy.terms.n; t++) {
        const nrg_term *term = &m->energy.terms.at[t];
        nrg_attr attr;
        bool smooth;
        int degree;
        if (term->binders) continue; // its body needs indices
        if (attr_in(m, vars, term->body, &attr, &smooth, &degree) != NRG_OK) return false;
        if (degree <= 2 && smooth) continue;
        *at = term->span;
        return true;
    }
    return false;
}

// Are all numbers of these variables independent given the rest?
static nrg_status apart_in(nrg_model *m, nrg_vars vars, bool *fits) {
    look l;
    nrg_node E = NRG_BAD, hole[NRG_MAX_VARS];
    nrg_arena tmp = nrg_arena_make(m->ctx);
    nrg_sites *site = NRG_NEWS(&tmp, nrg_sites, NRG_MAX_VARS);
    int n = 0;
    nrg_status s = open_look(m, &l);
    if (s == NRG_OK && !site) s = NRG_E098;
    if (s == NRG_OK) s = nrg_eval_energy(l.scope, &E);
    for (int32_t v = 0; s == NRG_OK && v < NRG_MAX_VARS; v++)
        if (vars >> v & 1 && l.hole[v].i) hole[n++] = l.hole[v];
    *fits = false;
    if (s == NRG_OK && n) s = nrg_sites_apart(&tmp, l.graph, E, hole, n, site, fits);
    close_look(&l);
    nrg_arena_free(&tmp);
    return s;
}

static bool sizes_known(const nrg_model *m) {
    for (uint32_t v = 0; v < m->vars.n; v++) {
        nrg_type t;
        if (nrg_var_type(m, (int32_t)v, &t) != NRG_OK) return false;
        for (int32_t a = 0; a < t.rank; a++)
            if (t.axis[a].size < 0) return false;
        if (m->vars.at[v].elem == NRG_CATEGORY && m->dims.at[m->vars.at[v].category].size < 0)
            return false;
    }
    return true;
}

// What all variables of a statement have in common.
typedef struct {
    bool finite, real, boxed, structured;
    double count; // values, when finite
    int64_t numbers;
} common;

static nrg_status survey(const nrg_model *m, nrg_vars vars, common *c) {
    *c = (common){.finite = true, .real = true, .boxed = true, .count = 1};
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        nrg_shape s;
        if (!(vars >> v & 1)) continue;
        const nrg_var *var = &m->vars.at[v];
        TRY(nrg_var_shape(m, v, &s));
        double choices = nrg_finite_choices(m, v);
        if (choices < 1)
            c->finite = false;
        else
            c->count *= pow(choices, (double)nrg_shape_count(&s));
        if (var->elem != NRG_REAL) c->real = false;
        if (var->domain.kind > NRG_DOM_RANGE && var->elem != NRG_REAL) c->structured = true;
        if (var->domain.kind != NRG_DOM_RANGE || isinf(var->domain.lo) || isinf(var->domain.hi))
            c->boxed = false;
        c->numbers += nrg_shape_count(&s);
    }
    return NRG_OK;
}

static nrg_status lost(nrg_model *m, const nrg_infer_stmt *st, nrg_status code, const char *why,
                       const char *help) {
    nrg_text t = nrg_text_make(m->ctx);
    nrg_vars_print(m, st->vars, &t);
    nrg_status s = nrg_fail(m->ctx, code, st->span, "no method for %s: %s", t.at ? t.at : "", why);
    nrg_help(m->ctx, "%s", help);
    nrg_text_free(&t);
    return s;
}

static nrg_status pick(nrg_infer_stmt *st, nrg_method method, const char *reason) {
    st->method = method;
    st->reason = reason;
    return NRG_OK;
}

static nrg_status choose_real(nrg_model *m, nrg_infer_stmt *st, const common *c) {
    nrg_attr attr;
    bool smooth, low = st->verb == NRG_MINIMIZE, box = false;
    int degree;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        const nrg_domain *d = st->vars >> v & 1 ? &m->vars.at[v].domain : NULL;
        if (d && (d->kind > NRG_DOM_RANGE ||
                  (d->kind == NRG_DOM_RANGE && (!isinf(d->lo) || !isinf(d->hi)))))
            box = true;
    }
    TRY(attr_in(m, st->vars, NULL, &attr, &smooth, &degree));
    if (degree <= 2 && smooth && !box)
        return pick(st, NRG_BY_exact, "the energy is quadratic in it");
    if (c->boxed && c->numbers <= (low ? 1 : 3)) return pick(st, NRG_BY_grid, "few bounded reals");
    if (low && smooth) return pick(st, NRG_BY_lbfgs, "smooth in reals");
    if (low) return pick(st, NRG_BY_gradient, "reals with kinks");
    return lost(m, st, NRG_E071,
                "summing over reals needs a quadratic energy, or at most three bounded ones",
                "minimize it, or bound its domain");
}

// Do the numbers of each variable fall into few sets that are independent given the rest?
static nrg_status coloured_in(nrg_model *m, nrg_vars vars, bool *fits) {
    look l;
    nrg_node E = NRG_BAD;
    nrg_arena tmp = nrg_arena_make(m->ctx);
    nrg_status s = open_look(m, &l);
    if (s == NRG_OK) s = nrg_eval_energy(l.scope, &E);
    *fits = true;
    for (int32_t v = 0; s == NRG_OK && *fits && v < NRG_MAX_VARS; v++) {
        nrg_sites t;
        if (!(vars >> v & 1) || !l.hole[v].i) continue;
        s = nrg_sites_find(&tmp, l.graph, E, l.hole[v], NRG_GIBBS_COLOURS, &t);
        *fits = s == NRG_OK && t.colours > 0;
    }
    close_look(&l);
    nrg_arena_free(&tmp);
    return s;
}

static nrg_status choose_sampler(nrg_model *m, nrg_infer_stmt *st, const common *c) {
    bool fits, binary = true;
    if (c->real) return pick(st, NRG_BY_hmc, "reals");
    if (!c->finite) return pick(st, NRG_BY_metropolis, "not all of it is finite");
    TRY(coloured_in(m, st->vars, &fits));
    if (fits) return pick(st, NRG_BY_gibbs, "few sets of numbers, each independent given the rest");
    if (c->numbers <= SWEEP) return pick(st, NRG_BY_gibbs, "few discrete numbers");
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (st->vars >> v & 1) binary = binary && (m->vars.at[v].elem == NRG_BIT || m->vars.at[v].elem == NRG_SIGN);
    if (binary) return pick(st, NRG_BY_gwg, "many bits that meet");
    return pick(st, NRG_BY_metropolis, "many discrete numbers that meet");
}

// A written method is checked against verb and domain; the structure of the energy is checked where nodes are built.
static nrg_status check_written(nrg_model *m, const nrg_infer_stmt *st, const common *c) {
    const nrg_method_row *row = nrg_method_get(st->method);
    nrg_span at = st->by_span.file ? st->by_span : st->span;
    char verb = "msd"[st->verb];
    bool has = false;
    for (const char *p = row->verbs; *p; p++) has = has || *p == verb;
    if (!has) {
        static const char *const words[] = {"minimize", "marginalize", "sample"};
        nrg_status s = nrg_fail(m->ctx, NRG_E026, at, "%s cannot %s", row->name, words[st->verb]);
        nrg_help(m->ctx, "leave `by` out to have a method chosen");
        return s;
    }
    if (!row->built) return NRG_OK; // said where it is to be used
    if (nrg_same(row->domain, "any")) return NRG_OK;
    bool discrete = nrg_same(row->domain, "finite") || nrg_same(row->domain, "factors") || nrg_same(row->domain, "binary");
    if (discrete ? c->finite : c->real) return NRG_OK;
    nrg_text t = nrg_text_make(m->ctx);
    nrg_vars_print(m, st->vars, &t);
    nrg_status s =
        discrete ? nrg_fail(m->ctx, NRG_E026, at, "%s needs a finite domain, but '%s' has none",
                            row->name, t.at ? t.at : "")
                 : nrg_fail(m->ctx, NRG_E026, at, "%s needs a continuous variable, but '%s' is not",
                            row->name, t.at ? t.at : "");
    nrg_help(m->ctx, discrete ? "use gradient, exact, or grid(points=...) for a few dimensions"
                              : "for a discrete variable use exhaustive");
    nrg_text_free(&t);
    return s;
}

nrg_status nrg_infer_choose(nrg_model *m, nrg_infer_stmt *st) {
    common c;
    if (!sizes_known(m)) return NRG_OK; // chosen when data have fixed the sizes
    TRY(survey(m, st->vars, &c));
    if (!st->written && !st->by)
        st->method = NRG_BY_NONE; // a choice by domain alone is made again by structure
    if (st->method != NRG_BY_NONE && st->written) return check_written(m, st, &c);
    if (st->by) return NRG_OK; // a module
    if (st->verb == NRG_SAMPLE_VERB) return choose_sampler(m, st, &c);
    if (c.structured)
        return lost(m, st, NRG_E071, "algorithms for combinatorial domains are not built yet",
                    "leave the domain out where the array is small");
    if (c.finite && c.numbers > 1) {
        bool apart;
        TRY(apart_in(m, st->vars, &apart));
        if (apart) return pick(st, NRG_BY_factors, "finite, its numbers independent given the rest");
    }
    if (c.finite && c.count <= 1e6) return pick(st, NRG_BY_exhaustive, "finite and small");
    if (c.finite)
        return lost(m, st, NRG_E071, "it has more than 1000000 values, and its numbers meet in the energy",
                    "make the domain smaller, or draw it by gibbs");
    if (c.real) return choose_real(m, st, &c);
    return lost(m, st, NRG_E026, "its variables are of different kinds",
                "write one statement for the finite and one for the real ones");
}
