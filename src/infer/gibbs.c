// Gibbs sampling: numbers drawn from their conditional given the rest, exactly. What the energy couples decides how: numbers of one
// variable that do not meet are one block (a Boltzmann machine between layers); else they are coloured, and the colours take turns
// (a grid); else they go site by site. Reals need an energy that is quadratic in them with a diagonal second derivative.
#include "infer/sampler.h"
#include "infer/sites.h"
#include <math.h>

enum { SITES = 64 }; // of one variable in one step: more would be a large graph

static nrg_node num(nrg_sampler *s, double v) { return nrg_const(s->graph, v); }
static const nrg_var *var_of(const nrg_sampler *s, int j) { return &s->model->vars.at[s->var[j]]; }

// ---- does it fit

static nrg_status unlisted(nrg_sampler *s, const nrg_sampler_part *p, int j) {
    const char *name = var_of(s, j)->name;
    nrg_status st = nrg_fail(s->model->ctx, NRG_E026, p->stmt.by_span, "gibbs lists the values of a number, but %s has no bounds", name);
    nrg_help(s->model->ctx, "bound it: %s : int in 0..9, or draw it by metropolis", name);
    return st;
}

static nrg_status fits_real(nrg_sampler *s, const nrg_sampler_part *p, int j) {
    const nrg_var *var = var_of(s, j);
    nrg_attr attr;
    TRY(nrg_attr_of(s->graph, s->U, s->x[j], &attr));
    bool apart = attr.separable == (1u << s->shape[j].rank) - 1, open = isinf(var->domain.lo) && isinf(var->domain.hi);
    if (var->domain.kind != NRG_DOM_RANGE) open = true;
    const char *why = !open ? "it has bounds" : attr.degree > 2 || !attr.smooth ? "the energy is not quadratic in it"
                    : !apart ? "its numbers are coupled" : NULL;
    if (!why) return NRG_OK;
    nrg_status st = nrg_fail(s->model->ctx, NRG_E026, p->stmt.by_span, "gibbs cannot draw the real %s: %s", var->name, why);
    nrg_help(s->model->ctx, "give it a statement of its own: sample %s by hmc", var->name);
    return st;
}

static nrg_status fits(nrg_sampler *s, const nrg_sampler_part *p) {
    for (int j = p->first; j < p->first + p->n; j++)
        if (var_of(s, j)->elem == NRG_REAL) TRY(fits_real(s, p, j));
        else if (nrg_finite_choices(s->model, s->var[j]) < 1) return unlisted(s, p, j);
    return NRG_OK;
}

// ---- draws from conditionals

// Uniform numbers for draws of n sites.
static nrg_node noise_of(nrg_sampler *s, int64_t values, int64_t n) {
    int64_t dim[2] = {values, n};
    return nrg_sampler_random(s, NRG_RANDOM_UNIFORM, values == 2 ? nrg_shape_of(1, &n) : nrg_shape_of(2, dim));
}

// One of two values, by one comparison; gap: by how much the second lies lower.
static nrg_node draw_of_two(nrg_sampler *s, nrg_node u, nrg_node gap) {
    return nrg_lt(s->graph, u, nrg_sigmoid(s->graph, gap));
}

// Digits [n] drawn from exp(-D) over the values along `lead`, by Gumbel's noise.
static nrg_node draw(nrg_sampler *s, nrg_node u, nrg_node D, nrg_leads lead, int64_t values, int64_t n) {
    nrg_graph *g = s->graph;
    D = nrg_spread(g, D, lead);
    if (values == 1) return nrg_filled(g, 0, nrg_shape_of(1, &n), NRG_SAMPLE);
    nrg_node noise = nrg_log(g, nrg_neg(g, nrg_log(g, nrg_lift(g, u, 0, lead)))); // u = 0: never that value
    return nrg_reduce(g, NRG_OP_argmin, nrg_add(g, D, noise), 0, lead, false);
}

// x with variable j at a candidate (or all along a leading axis), where `here` is 1 (bad: everywhere).
static void at_candidate(nrg_sampler *s, int j, nrg_node digit, nrg_node here, nrg_node *by) {
    nrg_graph *g = s->graph;
    for (int k = 0; k < s->n; k++) by[k] = s->now[k];
    by[j] = nrg_finite_value(g, s->model, s->var[j], digit, s->shape[j]);
    if (here.i) by[j] = nrg_select(g, here, by[j], s->now[j]);
}

static void take(nrg_sampler *s, int j, nrg_node digit, nrg_node here) {
    nrg_node x = nrg_finite_value(s->graph, s->model, s->var[j], digit, s->shape[j]);
    s->now[j] = here.i ? nrg_select(s->graph, here, x, s->now[j]) : x;
}

// Colours as an array in the store, so that the graph is the same for any number of sites.
static nrg_status colours_of(nrg_sampler *s, int j, const nrg_sites *t, nrg_node *out) {
    void *data;
    const char *name = nrg_arena_print(&s->arena, "%s:%d:colour:%s", s->spec.prefix, s->at, var_of(s, j)->name);
    if (!name) return NRG_E098;
    TRY(nrg_store_make(s->store, name, t->count, &data));
    for (int64_t k = 0; k < t->count; k++)
        if (nrg_store_type(s->store) == NRG_F64) ((double *)data)[k] = t->colour[k];
        else ((float *)data)[k] = (float)t->colour[k];
    *out = nrg_input(s->graph, name, 0, nrg_shape_of(1, &t->count));
    return nrg_graph_check(s->graph);
}

static nrg_status by_colours(nrg_sampler *s, int j, const nrg_sites *t, nrg_leads lead, int64_t values) {
    nrg_graph *g = s->graph;
    nrg_node colour = NRG_BAD, u = noise_of(s, values, t->count); // a site is drawn once
    if (t->colours > 1) TRY(colours_of(s, j, t, &colour));
    for (int c = 0; c < t->colours; c++) {
        nrg_node by[NRG_MAX_VARS], less[NRG_MAX_VARS], mask = colour.i ? nrg_eq(g, colour, num(s, c)) : NRG_BAD;
        nrg_node here = mask.i ? nrg_reshape(g, mask, s->shape[j]) : NRG_BAD;
        at_candidate(s, j, values == 2 ? num(s, 0) : nrg_iota_lead(g, lead), here, by);
        at_candidate(s, j, num(s, 1), here, less);
        nrg_node D = nrg_sites_energies(t, mask, s->x, by, values == 2 ? less : NULL, s->n);
        take(s, j, values == 2 ? draw_of_two(s, u, D) : draw(s, u, D, lead, values, t->count), here);
    }
    return nrg_graph_check(g);
}

// A clock walks over the sites, some at each step.
static nrg_status by_sites(nrg_sampler *s, int j, int64_t count, int64_t each, nrg_leads lead, int64_t values) {
    nrg_graph *g = s->graph;
    char name[200];
    int64_t one = 1;
    snprintf(name, sizeof name, "site:%s", var_of(s, j)->name);
    nrg_node first = each < count ? nrg_sampler_state_new(s, name, (nrg_shape){0}, num(s, 0)) : num(s, 0);
    for (int64_t k = 0; k < each; k++) {
        nrg_node by[NRG_MAX_VARS], t = nrg_add(g, first, num(s, (double)k));
        t = nrg_select(g, nrg_lt(g, t, num(s, (double)count)), t, nrg_sub(g, t, num(s, (double)count)));
        nrg_node here = nrg_reshape(g, nrg_eq(g, nrg_iota(g, count), t), s->shape[j]);
        nrg_node D[2];
        for (int d = 0; d < (values == 2 ? 2 : 1); d++) {
            at_candidate(s, j, values == 2 ? num(s, d) : nrg_iota_lead(g, lead), here, by);
            D[d] = nrg_reshape(g, nrg_sampler_at(s, s->U, by), nrg_shape_of(1, &one));
        }
        nrg_node u = noise_of(s, values, 1), digit = values == 2 ? draw_of_two(s, u, nrg_sub(g, D[0], D[1])) : draw(s, u, D[0], lead, values, 1);
        take(s, j, nrg_sum_all(g, digit), here);
    }
    if (each == count) return nrg_graph_check(g);
    nrg_node next = nrg_add(g, first, num(s, (double)each));
    nrg_sampler_update(s, first, nrg_select(g, nrg_lt(g, next, num(s, (double)count)), next, nrg_sub(g, next, num(s, (double)count))));
    return nrg_graph_check(g);
}

// U = c + g x + h x^2 / 2 in each number: from the gradients at 0 and at 1.
static nrg_status by_gauss(nrg_sampler *s, int j) {
    nrg_graph *g = s->graph;
    nrg_node by[NRG_MAX_VARS], grad, at[2];
    TRY(nrg_sampler_gradient(s, j, &grad));
    for (int k = 0; k < s->n; k++) by[k] = s->now[k];
    for (int k = 0; k < 2; k++) {
        by[j] = nrg_filled(g, k, s->shape[j], NRG_SAMPLE);
        at[k] = nrg_sampler_at(s, grad, by);
    }
    nrg_node h = nrg_sub(g, at[1], at[0]), noise = nrg_sampler_random(s, NRG_RANDOM_NORMAL, s->shape[j]);
    s->now[j] = nrg_sub(g, nrg_mul(g, noise, nrg_recip(g, nrg_sqrt(g, h))), nrg_div(g, at[0], h));
    return nrg_graph_check(g);
}

// ---- one variable after the other, latents first: with the others at the data, they follow them

static nrg_status move(nrg_sampler *s, nrg_sampler_part *p, int j, nrg_text *note) {
    nrg_sites t;
    const char *name = var_of(s, j)->name, *bar = note->n ? " | " : "";
    bool alone = p->n == 1;
    if (var_of(s, j)->elem == NRG_REAL) {
        nrg_text_put(note, alone ? "normal, all at once" : "%s%s", bar, name);
        p->fresh = alone;
        return by_gauss(s, j);
    }
    double choices = nrg_finite_choices(s->model, s->var[j]);
    nrg_leads lead = nrg_lead_new(s->graph, "candidate", (int64_t)choices);
    TRY(nrg_graph_check(s->graph));
    TRY(nrg_sites_find(&s->arena, s->graph, s->U, s->x[j], NRG_GIBBS_COLOURS, &t));
    if (!t.count) return NRG_OK;
    p->fresh = alone && (t.count == 1 || (t.colours == 1 && t.colours < t.count));
    if (!alone) nrg_text_put(note, "%s%s", bar, name);
    const char *in = alone ? "" : " ";
    if (t.colours && t.count > 1 && t.colours < t.count) {
        if (t.colours > 1) nrg_text_put(note, "%s%s%d colours", in, alone ? "" : "in ", t.colours);
        else if (alone) nrg_text_put(note, "all at once");
        return by_colours(s, j, &t, lead, (int64_t)choices);
    }
    int64_t each = t.count < SITES ? t.count : SITES;
    if (t.count > 1 || alone) nrg_text_put(note, "%s%s, %.0f values", in, t.count > 1 ? "site by site" : "one number", choices);
    if (each < t.count) nrg_text_put(note, ", %lld of %lld sites a step", (long long)each, (long long)t.count);
    return by_sites(s, j, t.count, each, lead, (int64_t)choices);
}

static nrg_status build(nrg_sampler *s, nrg_sampler_part *p) {
    nrg_text note = nrg_text_make(s->model->ctx);
    nrg_status st = NRG_OK;
    for (int pass = 0; pass < 2; pass++)
        for (int j = p->first; st == NRG_OK && j < p->first + p->n; j++)
            if ((var_of(s, j)->role == NRG_LATENT) == (pass == 0)) st = move(s, p, j, &note);
    if (st == NRG_OK && note.n) p->note = nrg_arena_print(&s->arena, "%s%s", p->n > 1 ? "blocks " : "", note.at);
    if (st == NRG_OK && note.n && !p->note) st = NRG_E098;
    nrg_text_free(&note);
    return st;
}

const nrg_sampler_impl nrg_sampler_gibbs = {.name = "gibbs", .fits = fits, .build = build};
const nrg_method_impl nrg_infer_gibbs = {"gibbs", nrg_sampler_eliminates, NULL, NULL, NULL, NULL};
