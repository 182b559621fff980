// Finite variables whose numbers are independent given the rest: each number is minimised or summed out on its own, so that 2^500
// values cost a thousand. F = rest + sum over numbers of min, or -1/beta log sum exp(-beta .), over the values of one.
#include "infer/sites.h"

enum { MOST_VALUES = 4000000 };

nrg_status nrg_sites_apart(nrg_arena *a, nrg_graph *g, nrg_node E, const nrg_node *v, int n, nrg_sites *out, bool *fits) {
    *fits = true;
    for (int k = 0; k < n && *fits; k++) {
        TRY(nrg_sites_find(a, g, E, v[k], 1, &out[k]));
        *fits = out[k].colours == 1 || !out[k].count;
        for (int p = 0; p < out[k].parts; p++)
            for (int o = 0; o < n; o++)
                if (o != k && (nrg_depends(g, out[k].part[p], v[o]) || nrg_depends(g, out[k].weight[p], v[o]))) *fits = false;
        E = out[k].rest;
    }
    return nrg_graph_check(g);
}

nrg_node nrg_finite_value(nrg_graph *g, const nrg_model *m, int32_t v, nrg_node digit, nrg_shape shape) {
    double zero = nrg_finite_number(m, v, 0), unit = nrg_finite_number(m, v, 1) - zero;
    nrg_node x = nrg_graph_node(g, digit)->shape.rank ? nrg_reshape(g, digit, shape) : nrg_expand(g, digit, shape, 0);
    return nrg_add(g, nrg_mul(g, x, nrg_const(g, unit)), nrg_const(g, zero));
}

typedef struct {
    int n;
    int32_t var[NRG_MAX_VARS];
    nrg_node hole[NRG_MAX_VARS];
    nrg_sites site[NRG_MAX_VARS];
} work;

static nrg_span place(const nrg_group *gr) { return gr->stmt.by_span.file ? gr->stmt.by_span : gr->stmt.span; }

static nrg_status applies(nrg_chain *c, int k) {
    nrg_inference *i = c->i;
    const nrg_group *gr = &c->at[k];
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!(gr->vars >> v & 1)) continue;
        const nrg_var *var = &i->model->vars.at[v];
        double choices = nrg_finite_choices(i->model, v);
        if (choices < 1) {
            nrg_status s = nrg_fail(i->ctx, NRG_E026, place(gr), "factors needs a finite domain, but '%s' has none", var->name);
            nrg_help(i->ctx, "for reals use exact, which needs no independence");
            return s;
        }
        if (choices > MOST_VALUES)
            return nrg_fail(i->ctx, NRG_E026, place(gr), "factors over %.6g values of one number of %s, more than %d", choices, var->name, MOST_VALUES);
        if (nrg_var_ragged(i->model, v)) {
            nrg_status s = nrg_fail(i->ctx, NRG_E071, place(gr), "factors over the ragged array %s is not built yet", var->name);
            nrg_help(i->ctx, "give the dim one size for all samples");
            return s;
        }
    }
    return NRG_OK;
}

static nrg_status coupled(nrg_chain *c, const nrg_group *gr) {
    nrg_inference *i = c->i;
    nrg_text t = nrg_text_make(i->ctx);
    nrg_vars_print(i->model, gr->vars, &t);
    nrg_status s = nrg_fail(i->ctx, NRG_E026, place(gr), "factors needs the numbers of %s to be independent given the rest, but some meet in one term",
                            t.at ? t.at : "the variable");
    nrg_help(i->ctx, "use exhaustive where there are few values; draw by gibbs; or write the term as a sum over single numbers");
    nrg_text_free(&t);
    return s;
}

static nrg_status open_holes(nrg_chain *c, int k, work *w, nrg_node *E) {
    nrg_inference *i = c->i;
    nrg_status st = NRG_OK;
    nrg_node value[NRG_MAX_VARS] = {{0}};
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!(c->at[k].vars >> v & 1)) continue;
        const char *name = nrg_loop_name(i, "hole", (nrg_vars)1 << v);
        nrg_shape shape = nrg_var_event(i, v, &st);
        if (!name || st != NRG_OK) return name ? st : NRG_E098;
        w->var[w->n] = v;
        value[v] = w->hole[w->n++] = nrg_input(i->graph, name, 0, shape);
    }
    nrg_bind_all(i, c->at[k].vars, value, false, NULL);
    i->holes++;
    st = nrg_chain_energy(c, k + 1, E);
    i->holes--;
    return st == NRG_OK ? nrg_graph_check(i->graph) : st;
}

// Two values: one difference a number, which is half the work of a list of two. *digit: 1 where the second is lower.
static nrg_node of_two(nrg_inference *i, const work *w, int n, nrg_verb verb, nrg_node *digit) {
    nrg_graph *g = i->graph;
    const nrg_sites *s = &w->site[n];
    nrg_node D[2];
    for (int d = 0; d < 2; d++) {
        nrg_node each = nrg_finite_value(g, i->model, w->var[n], nrg_const(g, d), s->shape);
        D[d] = nrg_sites_energies(s, NRG_BAD, &w->hole[n], &each, NULL, 1);
    }
    *digit = nrg_lt(g, D[1], D[0]);
    if (verb == NRG_MINIMIZE) return NRG_BAD;
    nrg_node gap = nrg_mul(g, nrg_sub(g, D[0], D[1]), nrg_const(g, i->model->beta));
    if (!i->surrogate) return nrg_sum_all(g, nrg_sub(g, D[0], nrg_mul(g, nrg_softplus(g, gap), nrg_const(g, 1 / i->model->beta))));
    nrg_node p = nrg_stop(g, nrg_sigmoid(g, gap));
    return nrg_sum_all(g, nrg_add(g, D[0], nrg_mul(g, p, nrg_sub(g, D[1], D[0]))));
}

static nrg_status build(nrg_chain *c, int k, work *w, nrg_node *F) {
    nrg_inference *i = c->i;
    nrg_graph *g = i->graph;
    nrg_group *gr = &c->at[k];
    nrg_node value[NRG_MAX_VARS] = {{0}}, E = NRG_BAD;
    bool fits;
    TRY(open_holes(c, k, w, &E));
    TRY(nrg_sites_apart(&i->arena, g, E, w->hole, w->n, w->site, &fits));
    if (!fits) return coupled(c, gr);
    *F = w->site[w->n - 1].rest;
    for (int n = 0; n < w->n; n++) {
        const nrg_sites *s = &w->site[n];
        int32_t v = w->var[n];
        if (nrg_finite_choices(i->model, v) == 2) {
            nrg_node digit, sum = of_two(i, w, n, gr->verb, &digit);
            if (gr->verb == NRG_MARGINALIZE) *F = nrg_add(g, *F, sum);
            else value[v] = nrg_finite_value(g, i->model, v, digit, s->shape);
            continue;
        }
        nrg_leads lead = nrg_candidate_lead(i, (nrg_vars)1 << v, (int64_t)nrg_finite_choices(i->model, v));
        nrg_node each = nrg_finite_value(g, i->model, v, nrg_iota_lead(g, lead), s->shape);
        nrg_node D = nrg_spread(g, nrg_sites_energies(s, NRG_BAD, &w->hole[n], &each, NULL, 1), lead);
        if (gr->verb == NRG_MARGINALIZE) *F = nrg_add(g, *F, nrg_sum_all(g, nrg_sum_out(i, D, lead)));
        else value[v] = nrg_finite_value(g, i->model, v, nrg_reduce(g, NRG_OP_argmin, D, 0, lead, false), s->shape);
    }
    if (gr->verb == NRG_MARGINALIZE) return nrg_graph_check(g);
    nrg_bind_all(i, gr->vars, value, true, c->best);
    return nrg_chain_energy(c, k + 1, F);
}

static nrg_status make(nrg_chain *c, int k, nrg_node *F) {
    work *w = NRG_NEW(&c->i->arena, work);
    return w ? build(c, k, w, F) : NRG_E098;
}

static void print(nrg_chain *c, int k, nrg_text *out) {
    int64_t n = 0;
    nrg_status st = NRG_OK;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!(c->at[k].vars >> v & 1)) continue;
        nrg_shape s = nrg_var_event(c->i, v, &st);
        n += nrg_shape_count(&s);
    }
    nrg_text_put(out, "%lld number%s, each on its own", (long long)n, n == 1 ? "" : "s");
}

const nrg_method_impl nrg_infer_factors = {"factors", applies, make, NULL, print, NULL};
