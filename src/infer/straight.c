// Answers straight out of one graph: the lowest point, in closed form or by descent, or the Gaussian of a quadratic
// energy, whose mean is the lowest point and whose covariance is inv(H) / beta.
#include "infer/ask.h"
#include <math.h>
#include <string.h>

enum { PIECE = 1024, OUTPUTS = 3 }; // samples a run; energy, answer, variance

static nrg_status keep_how(nrg_asking *a, nrg_answers *out) {
    if (!a->how) {
        nrg_text said = nrg_text_make(a->model->ctx);
        nrg_inference_list(a->inference, &said);
        a->how = said.bad ? NULL : nrg_arena_copy(&a->inference->arena, said.at ? said.at : "", said.n);
        nrg_text_free(&said);
    }
    out->how = a->how ? nrg_arena_copy(&out->arena, a->how, strlen(a->how)) : NULL;
    return out->how ? NRG_OK : NRG_E098;
}

static nrg_status finite_all(nrg_model *m, const nrg_ask_spec *spec, const double *x, int64_t count,
                             int64_t width) {
    for (int64_t i = 0; i < count; i++) {
        if (isfinite(x[i])) continue;
        nrg_status s = nrg_fail(m->ctx, NRG_E080, m->vars.at[spec->var].span,
                                "the answer for %s at sample %lld is not a number",
                                m->vars.at[spec->var].name, (long long)(i / (width ? width : 1)));
        nrg_help(m->ctx,
                 "in closed form this means that the energy has no single lowest point in %s",
                 m->vars.at[spec->var].name);
        return s;
    }
    return NRG_OK;
}

// The search starts where the data hold the asked variable.
static nrg_status from_data(nrg_asking *a, nrg_chain *c) {
    nrg_expr *data = NRG_NEW(&a->inference->arena, nrg_expr);
    if (!data) return NRG_E098;
    *data = (nrg_expr){.kind = NRG_X_NAME, .text = "data", .height = 1};
    if (c->at[0].vars != (nrg_vars)1 << a->spec->var) {
        nrg_status s = nrg_fail(a->model->ctx, NRG_E071, c->at[0].stmt.span,
                                "several minima of variables that are minimised together");
        nrg_help(a->model->ctx, "give the others, or write a minimize statement for each");
        return s;
    }
    c->at[0].stmt.method = NRG_BY_lbfgs;
    c->at[0].stmt.by = NULL;
    c->at[0].stmt.from = data;
    return NRG_OK;
}

static nrg_status build(nrg_asking *a, int outputs) {
    const nrg_ask_spec *spec = a->spec;
    nrg_chain *c = NRG_NEW(&a->inference->arena, nrg_chain);
    nrg_node out[OUTPUTS] = {NRG_BAD, NRG_BAD, NRG_BAD};
    if (!c) return NRG_E098;
    TRY(nrg_chain_make(a->inference, spec->given, (nrg_vars)1 << spec->var,
                       spec->question == NRG_DIST ? NRG_MARGINALIZE : NRG_MINIMIZE, 0, c));
    if (spec->from_data) TRY(from_data(a, c));
    nrg_asking_rate(a, c);
    TRY(nrg_chain_energy(c, 0, &out[0])); // of dist: the free energy
    out[1] = c->best[spec->var];
    if (spec->question == NRG_DIST) TRY(nrg_exact_variance(c, 0, spec->var, &out[2]));
    for (int k = 0; k < outputs; k++) out[k] = nrg_spread(a->graph, out[k], NRG_SAMPLE);
    return nrg_asking_plan(a, out, outputs);
}

// Room for the results; to[k] is where output k goes.
static nrg_status room(nrg_answers *o, bool dist, double *to[OUTPUTS]) {
    int64_t numbers = o->n * o->width + 1;
    for (int k = 0; k < OUTPUTS; k++)
        if (!(to[k] = NRG_NEWS(&o->arena, double, k ? numbers : o->n + 1))) return NRG_E098;
    if (dist) {
        o->free = to[0], o->mean = to[1], o->variance = to[2];
        return NRG_OK;
    }
    o->choices = 1;
    o->energy = to[0], o->value = to[1], o->runner_up = to[2];
    o->runner_up_energy = NRG_NEWS(&o->arena, double, o->n + 1);
    if (!o->runner_up_energy) return NRG_E098;
    for (int64_t i = 0; i < o->n; i++) o->runner_up_energy[i] = NAN;
    for (int64_t i = 0; i < numbers; i++) o->runner_up[i] = NAN;
    return NRG_OK;
}

// Descents of the asked variable, each step an energy; in the end, and in closed form, one for each answer.
static int64_t count_energies(const nrg_asking *a) {
    int64_t count = a->spec->n;
    for (uint32_t k = 0; k < a->inference->loops.n; k++)
        if (a->inference->loops.at[k]->over >> a->spec->var & 1)
            count += a->inference->loops.at[k]->looks;
    return count;
}

static nrg_status answer(nrg_asking *a, nrg_model *m, const nrg_ask_spec *spec,
                         nrg_answers *out) {
    nrg_shape shape = {0};
    double *to[OUTPUTS];
    bool dist = spec->question == NRG_DIST;
    TRY(nrg_var_shape(m, spec->var, &shape));
    out->width = nrg_shape_count(&shape);
    int64_t width[OUTPUTS] = {1, out->width, out->width};
    if (!a->run) TRY(build(a, dist ? 3 : 2));
    TRY(room(out, dist, to));
    TRY(nrg_asking_pieces(a, dist ? 3 : 2, width, to, out->status));
    TRY(finite_all(m, spec, to[dist ? 2 : 1], out->n * out->width, out->width));
    out->energies = count_energies(a);
    return keep_how(a, out);
}

nrg_status nrg_ask_straight(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                            nrg_answers *out) {
    nrg_asking own = {0}, *a;
    nrg_verb verb = spec->question == NRG_DIST ? NRG_MARGINALIZE : NRG_MINIMIZE;
    nrg_status s = nrg_asked_find(&own, m, store, spec, verb, spec->n < PIECE ? spec->n : PIECE, &a);
    if (s == NRG_OK) s = answer(a, m, spec, out);
    nrg_asked_done(a, s);
    return s;
}

static nrg_status plain(nrg_asking *a, nrg_vars data, nrg_verb verb) {
    nrg_node F;
    TRY(nrg_infer_energy(a->inference, data, 0, verb, &F, NULL));
    F = nrg_spread(a->graph, F, NRG_SAMPLE);
    return nrg_asking_plan(a, &F, 1);
}

nrg_status nrg_energies_asked(nrg_model *m, nrg_store *store, nrg_asked *k, nrg_vars data, nrg_verb verb, int64_t n, int threads,
                              double *energy) {
    nrg_asking own = {0}, *a;
    nrg_ask_spec spec = {.var = -1, .given = data, .n = n, .threads = threads, .asked = k};
    int64_t one = 1;
    nrg_status s = nrg_asked_find(&own, m, store, &spec, verb, n < PIECE ? n : PIECE, &a);
    if (s == NRG_OK && !a->run) s = plain(a, data, verb);
    if (s == NRG_OK) s = nrg_asking_pieces(a, 1, &one, &energy, NULL);
    nrg_asked_done(a, s);
    return s;
}

nrg_status nrg_energies_at(nrg_model *m, nrg_store *store, nrg_vars data, nrg_verb verb, int64_t n, int threads, double *energy) {
    return nrg_energies_asked(m, store, NULL, data, verb, n, threads, energy);
}

nrg_status nrg_energies_of(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                           const int64_t *row, const double *at, int64_t n, int64_t width,
                           double *F) {
    nrg_store *rows = NULL;
    nrg_vars held = spec->given | (nrg_vars)1 << spec->var;
    nrg_verb verb = spec->question == NRG_DIST ? NRG_MARGINALIZE : NRG_MINIMIZE;
    nrg_status s = nrg_asking_values(m, store, spec, row, at, n, width, &rows);
    if (s == NRG_OK) s = nrg_energies_at(m, rows, held, verb, n, spec->threads, F);
    nrg_store_free(rows);
    return s;
}
