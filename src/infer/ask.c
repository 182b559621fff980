// Questions: which way an asked variable is answered. The asked one is free, those given are held, all others are eliminated by
// their own verbs. Also plain energies, with latents eliminated.
#include "infer/ask.h"
#include <math.h>
#include <string.h>

enum { MINIMA_MOST = 1000 };

void nrg_answers_free(nrg_answers *a) {
    if (a) nrg_arena_free(&a->arena);
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
                                        : nrg_ask_straight(m, store, spec, out);
    }
    if (has_grid(m, spec->var)) return nrg_ask_listing(m, store, spec, out);
    if (spec->question == NRG_DIST) {
        TRY(statement(m, spec->var, NRG_MARGINALIZE, &st));
        if (st.method == NRG_BY_exact) return nrg_ask_straight(m, store, spec, out);
        if (st.method == NRG_BY_grid) return nrg_ask_listing(m, store, spec, out);
    }
    nrg_status s = nrg_fail(m->ctx, NRG_E026, var->span, "%s %s needs candidates: %s is real",
                            spec->question == NRG_RANK ? "rank" : "dist", var->name, var->name);
    nrg_help(m->ctx, "name them with --among or --data, or add   minimize %s by grid(points=100)",
             var->name);
    return s;
}

// ---- what must be said of the answers; they are there all the same

static nrg_status unsettled(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                            nrg_answers *a) {
    const char *name = m->vars.at[spec->var].name;
    int64_t count = 0, fallen;
    TRY(nrg_growth_falls(m, store, spec, a, &fallen));
    for (int64_t i = 0; i < a->n; i++)
        count += a->status[i] && strcmp(a->status[i], "max_steps") == 0;
    if (!count) return NRG_OK;
    nrg_status s = nrg_fail(m->ctx, NRG_E081, NRG_NOWHERE,
                            "inference did not converge for %lld of %lld samples", (long long)count,
                            (long long)a->n);
    nrg_fact(m->ctx, "asked for %s; %s", name, a->how ? a->how : "");
    if (fallen) {
        nrg_fact(m->ctx,
                 "for %lld of them the energy goes on falling beyond the answer: it seems to have "
                 "no lowest point in %s",
                 (long long)fallen, name);
        nrg_help(m->ctx, "bound %s, or add a term that grows, such as 1e-3 * sq(%s)", name, name);
    } else {
        nrg_help(m->ctx, "raise steps, or use lbfgs; the answers are given as they are");
    }
    return s;
}

// An infinite energy means that every value is forbidden.
static nrg_status forbidden(nrg_model *m, const nrg_ask_spec *spec, const nrg_answers *a) {
    const char *name = m->vars.at[spec->var].name;
    int64_t count = 0, first = -1;
    for (int64_t i = 0; i < a->n; i++) {
        double lowest = a->free                       ? a->free[i]
                        : a->energy && a->choices > 0 ? a->energy[i * a->choices]
                                                      : 0;
        if (!isinf(lowest)) continue;
        if (!count++) first = i;
    }
    if (!count) return NRG_OK;
    nrg_status s =
        nrg_fail(m->ctx, NRG_E061, NRG_NOWHERE,
                 "no value of %s is allowed for %lld of %lld samples: every energy is infinite",
                 name, (long long)count, (long long)a->n);
    nrg_fact(m->ctx, "the first is sample %lld", (long long)first);
    nrg_help(m->ctx, "look at forbid(...), at log and division, and at what is given");
    return s;
}

// ---- a question

static nrg_status check(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec) {
    const nrg_var *var = &m->vars.at[spec->var];
    if (!(m->energy.vars >> spec->var & 1))
        return nrg_fail(m->ctx, NRG_E060, var->span, "%s is not a variable of the energy",
                        var->name);
    if (spec->n < 0)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "a question about %lld samples",
                        (long long)spec->n);
    if (spec->minima > MINIMA_MOST)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "%d minima, but at most %d", spec->minima,
                        MINIMA_MOST);
    if (spec->anyway) return NRG_OK;
    if (spec->question == NRG_DIST && !spec->among) TRY(nrg_growth_refused(m, store, spec));
    return nrg_question_allowed(m, spec->question, spec->var, spec->given);
}

static nrg_status answer(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                         nrg_answers *out) {
    bool list = spec->among || m->vars.at[spec->var].elem != NRG_REAL;
    nrg_infer_stmt st;
    out->status = NRG_NEWS(&out->arena, const char *, spec->n + 1);
    if (!out->status) return NRG_E098;
    if (spec->question == NRG_BEST && spec->minima > 0) {
        TRY(statement(m, spec->var, NRG_MINIMIZE, &st));
        return nrg_ask_minima(m, store, spec, &st, out);
    }
    return list ? nrg_ask_listing(m, store, spec, out) : ask_real(m, store, spec, out);
}

nrg_status nrg_ask(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec, nrg_answers *out) {
    *out = (nrg_answers){.arena = nrg_arena_make(m->ctx), .n = spec->n};
    TRY(check(m, store, spec));
    nrg_status s = answer(m, store, spec, out);
    if (s != NRG_OK) {
        nrg_answers_free(out);
        *out = (nrg_answers){.arena = nrg_arena_make(m->ctx)};
        return s;
    }
    TRY(unsettled(m, store, spec, out));
    return forbidden(m, spec, out);
}

// ---- energies

nrg_status nrg_energy_of(nrg_model *m, nrg_store *store, nrg_vars data, int64_t n, int threads, double *energy) {
    return nrg_energy_asked(m, store, NULL, data, n, threads, energy);
}

nrg_status nrg_energy_asked(nrg_model *m, nrg_store *store, nrg_asked *k, nrg_vars data, int64_t n, int threads, double *energy) {
    TRY(nrg_energies_asked(m, store, k, data, NRG_MINIMIZE, n, threads, energy));
    for (int64_t i = 0; i < n; i++) {
        if (!isnan(energy[i])) continue;
        nrg_status s = nrg_fail(m->ctx, NRG_E080, NRG_NOWHERE,
                                "the energy of sample %lld is not a number", (long long)i);
        nrg_help(m->ctx, "look at the weights and at the data: log of a negative number, 0 / 0, or "
                         "a run that diverged");
        return s;
    }
    return NRG_OK;
}
