// Questions: which way an asked variable is answered. The asked one is free, those given are held, all others are eliminated by
// their own verbs. Also plain energies, with latents eliminated.
#include "infer/ask.h"
#include <math.h>
#include <string.h>

enum { PIECE = 1024 }; // samples a run where answers come straight out of the graph

void nrg_answers_free(nrg_answers *a) {
    if (a) nrg_arena_free(&a->arena);
}

// ---- straight out of the graph: exact, gradient, lbfgs

static nrg_status keep_how(nrg_asking *a, nrg_answers *out) {
    nrg_text said = nrg_text_make(a->model->ctx);
    nrg_inference_list(a->inference, &said);
    out->how = said.bad ? NULL : nrg_arena_copy(&out->arena, said.at ? said.at : "", said.n);
    nrg_text_free(&said);
    return out->how ? NRG_OK : NRG_E098;
}

// Runs all pieces; outputs[k] has `width[k]` numbers a sample and goes, as double, to to[k].
static nrg_status run_pieces(nrg_asking *a, int64_t total, int outputs, const int64_t *width,
                             double *const *to, const char **status) {
    nrg_dtype type = nrg_store_type(a->from);
    void *raw[4] = {NULL};
    for (int k = 0; k < outputs; k++)
        if (!(raw[k] = nrg_arena_get(&a->inference->arena,
                                     (size_t)(a->piece * width[k] + 1) * nrg_dtype_size(type))))
            return NRG_E098;
    for (int64_t row = 0; row < total; row += a->piece) {
        int64_t n = total - row < a->piece ? total - row : a->piece;
        TRY(nrg_asking_view(a, row));
        for (int k = 0; k < outputs; k++) nrg_run_output(a->run, k, raw[k]);
        TRY(nrg_asking_go(a, n));
        if (status) nrg_asking_marks(a, n, status + row);
        for (int k = 0; k < outputs; k++)
            for (int64_t i = 0; i < n * width[k]; i++)
                to[k][row * width[k] + i] = nrg_store_number(type, raw[k], i);
    }
    return NRG_OK;
}

static nrg_status finite_all(nrg_model *m, const nrg_ask_spec *spec, const double *x, int64_t count,
                             int64_t width) {
    for (int64_t i = 0; i < count; i++) {
        if (isfinite(x[i])) continue;
        nrg_status s = nrg_fail(m->ctx, NRG_E080, m->vars.at[spec->var].span,
                                "the answer for %s at sample %lld is not a number",
                                m->vars.at[spec->var].name, (long long)(i / width));
        nrg_help(m->ctx,
                 "in closed form this means that the energy has no single lowest point in %s",
                 m->vars.at[spec->var].name);
        return s;
    }
    return NRG_OK;
}

static nrg_status direct_build(nrg_asking *a, nrg_shape *shape) {
    nrg_chain *c = NRG_NEW(&a->inference->arena, nrg_chain);
    nrg_vars one = (nrg_vars)1 << a->spec->var;
    nrg_node out[2] = {NRG_BAD, NRG_BAD};
    if (!c) return NRG_E098;
    TRY(nrg_var_shape(a->model, a->spec->var, shape));
    TRY(nrg_chain_make(a->inference, a->spec->given, one, NRG_MINIMIZE, 0, c));
    nrg_asking_rate(a, c);
    TRY(nrg_chain_energy(c, 0, &out[0]));
    out[0] = nrg_spread(a->graph, out[0], NRG_SAMPLE);
    out[1] = nrg_spread(a->graph, c->best[a->spec->var], NRG_SAMPLE);
    return nrg_asking_plan(a, out, 2);
}

static nrg_status direct(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                         nrg_answers *out) {
    nrg_asking a;
    nrg_shape shape = {0};
    nrg_status s = nrg_asking_open(&a, m, store, spec, spec->n < PIECE ? spec->n : PIECE);
    if (s == NRG_OK) s = direct_build(&a, &shape);
    out->width = nrg_shape_count(&shape);
    out->choices = 1;
    int64_t width[2] = {1, out->width};
    out->energy = NRG_NEWS(&out->arena, double, out->n + 1);
    out->value = NRG_NEWS(&out->arena, double, out->n * out->width + 1);
    out->runner_up = NRG_NEWS(&out->arena, double, out->n * out->width + 1);
    out->runner_up_energy = NRG_NEWS(&out->arena, double, out->n + 1);
    if (!out->energy || !out->value || !out->runner_up || !out->runner_up_energy)
        s = s != NRG_OK ? s : NRG_E098;
    double *to[2] = {out->energy, out->value};
    if (s == NRG_OK) s = run_pieces(&a, out->n, 2, width, to, out->status);
    if (s == NRG_OK)
        s = finite_all(m, spec, out->value, out->n * out->width, width[1] ? width[1] : 1);
    for (int64_t i = 0; s == NRG_OK && i < out->n; i++) out->runner_up_energy[i] = NAN;
    for (int64_t i = 0; s == NRG_OK && i < out->n * out->width; i++) out->runner_up[i] = NAN;
    if (s == NRG_OK) s = keep_how(&a, out);
    nrg_asking_close(&a);
    return s;
}

// ---- a Gaussian: quadratic energy, so that the conditional's mean is z* and its covariance inv(H) / beta

static nrg_status gaussian_build(nrg_asking *a, nrg_shape *shape) {
    nrg_chain *c = NRG_NEW(&a->inference->arena, nrg_chain);
    nrg_vars one = (nrg_vars)1 << a->spec->var;
    nrg_node out[3] = {NRG_BAD, NRG_BAD, NRG_BAD};
    if (!c) return NRG_E098;
    TRY(nrg_var_shape(a->model, a->spec->var, shape));
    TRY(nrg_chain_make(a->inference, a->spec->given, one, NRG_MARGINALIZE, 0, c));
    nrg_asking_rate(a, c);
    TRY(nrg_chain_energy(c, 0, &out[0])); // the free energy
    out[1] = c->best[a->spec->var];
    TRY(nrg_exact_variance(c, 0, a->spec->var, &out[2]));
    for (int k = 0; k < 3; k++) out[k] = nrg_spread(a->graph, out[k], NRG_SAMPLE);
    return nrg_asking_plan(a, out, 3);
}

static nrg_status gaussian(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                           nrg_answers *out) {
    nrg_asking a;
    nrg_shape shape = {0};
    nrg_status s = nrg_asking_open(&a, m, store, spec, spec->n < PIECE ? spec->n : PIECE);
    if (s == NRG_OK) s = gaussian_build(&a, &shape);
    out->width = nrg_shape_count(&shape);
    int64_t width[3] = {1, out->width, out->width};
    out->free = NRG_NEWS(&out->arena, double, out->n + 1);
    out->mean = NRG_NEWS(&out->arena, double, out->n * out->width + 1);
    out->variance = NRG_NEWS(&out->arena, double, out->n * out->width + 1);
    if (!out->free || !out->mean || !out->variance) s = s != NRG_OK ? s : NRG_E098;
    double *to[3] = {out->free, out->mean, out->variance};
    if (s == NRG_OK) s = run_pieces(&a, out->n, 3, width, to, out->status);
    if (s == NRG_OK)
        s = finite_all(m, spec, out->variance, out->n * out->width, width[1] ? width[1] : 1);
    if (s == NRG_OK) s = keep_how(&a, out);
    nrg_asking_close(&a);
    return s;
}

// ---- which way

// The statement that answers, or one chosen.
static nrg_status statement(nrg_model *m, int32_t v, nrg_verb verb, nrg_infer_stmt *st) {
    const nrg_infer_stmt *own = nrg_model_infer(m, verb, v);
    *st = own ? *own : (nrg_infer_stmt){.verb = verb};
    st->vars = (nrg_vars)1 << v;
    return !st->by && (st->method == NRG_BY_NONE || !st->written) ? nrg_infer_choose(m, st)
                                                                  : NRG_OK;
}

static bool has_grid(const nrg_model *m, int32_t v) {
    const nrg_infer_stmt *lo = nrg_model_infer(m, NRG_MINIMIZE, v),
                         *sum = nrg_model_infer(m, NRG_MARGINALIZE, v);
    return (lo && lo->method == NRG_BY_grid) || (sum && sum->method == NRG_BY_grid);
}

static nrg_status ask_real(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                           nrg_answers *out) {
    nrg_infer_stmt st;
    const nrg_var *var = &m->vars.at[spec->var];
    if (spec->question == NRG_BEST) {
        TRY(statement(m, spec->var, NRG_MINIMIZE, &st));
        return st.method == NRG_BY_grid ? nrg_ask_listing(m, store, spec, out)
                                        : direct(m, store, spec, out);
    }
    if (has_grid(m, spec->var)) return nrg_ask_listing(m, store, spec, out);
    if (spec->question == NRG_DIST) {
        TRY(statement(m, spec->var, NRG_MARGINALIZE, &st));
        if (st.method == NRG_BY_exact) return gaussian(m, store, spec, out);
        if (st.method == NRG_BY_grid) return nrg_ask_listing(m, store, spec, out);
    }
    nrg_status s = nrg_fail(m->ctx, NRG_E026, var->span, "%s %s needs candidates: %s is real",
                            spec->question == NRG_RANK ? "rank" : "dist", var->name, var->name);
    nrg_help(m->ctx, "name them with --among or --data, or add   minimize %s by grid(points=100)",
             var->name);
    return s;
}

// Results are there; the status column says which of them are not minima yet.
static nrg_status unsettled(nrg_model *m, const nrg_ask_spec *spec, const nrg_answers *a) {
    int64_t count = 0;
    for (int64_t i = 0; i < a->n; i++)
        count += a->status[i] && strcmp(a->status[i], "max_steps") == 0;
    if (!count) return NRG_OK;
    nrg_status s = nrg_fail(m->ctx, NRG_E081, NRG_NOWHERE,
                            "inference did not converge for %lld of %lld samples", (long long)count,
                            (long long)a->n);
    nrg_fact(m->ctx, "asked for %s; %s", m->vars.at[spec->var].name, a->how ? a->how : "");
    nrg_help(m->ctx, "raise steps, or use lbfgs; the answers are given as they are");
    return s;
}

nrg_status nrg_ask(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec, nrg_answers *out) {
    *out = (nrg_answers){.arena = nrg_arena_make(m->ctx), .n = spec->n};
    if (!(m->energy.vars >> spec->var & 1))
        return nrg_fail(m->ctx, NRG_E060, m->vars.at[spec->var].span,
                        "%s is not a variable of the energy", m->vars.at[spec->var].name);
    if (spec->n < 0)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "a question about %lld samples",
                        (long long)spec->n);
    if (!spec->anyway) TRY(nrg_question_allowed(m, spec->question, spec->var, spec->given));
    nrg_status s = NRG_OK;
    out->status = NRG_NEWS(&out->arena, const char *, spec->n + 1);
    if (!out->status) s = NRG_E098;
    bool list = spec->among || m->vars.at[spec->var].elem != NRG_REAL;
    if (s == NRG_OK)
        s = list ? nrg_ask_listing(m, store, spec, out) : ask_real(m, store, spec, out);
    if (s != NRG_OK) {
        nrg_answers_free(out);
        *out = (nrg_answers){.arena = nrg_arena_make(m->ctx)};
        return s;
    }
    return unsettled(m, spec, out);
}

// ---- energies

nrg_status nrg_energy_of(nrg_model *m, nrg_store *store, nrg_vars data, int64_t n, int threads,
                         double *energy) {
    nrg_asking a;
    nrg_ask_spec spec = {.given = data, .n = n, .threads = threads};
    nrg_node F = NRG_BAD;
    int64_t one = 1;
    nrg_status s = nrg_asking_open(&a, m, store, &spec, n < PIECE ? n : PIECE);
    if (s == NRG_OK) s = nrg_infer_energy(a.inference, data, 0, NRG_MINIMIZE, &F, NULL);
    F = s == NRG_OK ? nrg_spread(a.graph, F, NRG_SAMPLE) : F;
    if (s == NRG_OK) s = nrg_asking_plan(&a, &F, 1);
    if (s == NRG_OK) s = run_pieces(&a, n, 1, &one, &energy, NULL);
    for (int64_t i = 0; s == NRG_OK && i < n; i++) {
        if (!isnan(energy[i])) continue;
        s = nrg_fail(m->ctx, NRG_E080, NRG_NOWHERE, "the energy of sample %lld is not a number",
                     (long long)i);
        nrg_help(m->ctx, "look at the weights and at the data: log of a negative number, 0 / 0, or "
                         "a run that diverged");
    }
    nrg_asking_close(&a);
    return s;
}
