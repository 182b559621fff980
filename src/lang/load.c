// From text to a checked model: parse, apply the command line's changes, declare in order, then check in
// stages. A stage runs only when the ones before found nothing, so that no message is the echo of another.
#include "lang/inside.h"
#include <string.h>

static nrg_status one(checker *k, stmt *s) {
    switch (s->key) {
    case K_ENERGY: return nrg_energy_declare(k, s);
    case K_MINIMIZE:
    case K_MARGINALIZE:
    case K_SAMPLE: return nrg_infer_declare(k, s);
    case K_LEARN: return nrg_learn_declare(k, s);
    case K_OPTIMIZE: return nrg_optimize_declare(k, s);
    case K_HIDE:
    case K_DATA:
    case K_ANSWER:
    case K_EXPECT:
    case K_REPORT: return nrg_bind_declare(k, s);
    default: return nrg_declare(k, s);
    }
}

// The variables of an energy that is given in C: "x, y, z".
static nrg_status listed(checker *k, const char *vars) {
    nrg_model *m = k->m;
    for (const char *p = vars; *p;) {
        p += strspn(p, " ,\t");
        size_t n = strcspn(p, " ,\t");
        if (n == 0) break;
        const char *name = nrg_arena_copy(&m->arena, p, n);
        if (!name) return NRG_E098;
        int32_t v = nrg_model_var(m, name);
        if (v < 0) return nrg_names_unknown(k, "variable", name, NRG_NOWHERE, 1u << N_VAR);
        if (m->vars.at[v].role == NRG_WEIGHT)
            return nrg_fail(k->c, NRG_E021, NRG_NOWHERE,
                            "'%s' is a weight; an energy lists variables only", name);
        if (m->energy.vars >> v & 1)
            return nrg_fail(k->c, NRG_E010, NRG_NOWHERE, "the energy lists '%s' twice", name);
        m->energy.vars |= (nrg_vars)1 << v;
        m->energy.order[m->energy.n++] = v;
        p += n;
    }
    return NRG_OK;
}

static bool clean(const checker *k) { return nrg_diag_errors(k->c) == k->errors; }

// Runs over the statements; `learn` waits for the energy. After an error in a statement its other parts keep quiet.
static nrg_status statements(checker *k, bool learns) {
    uint32_t failed = UINT32_MAX;
    for (uint32_t i = 0; i < k->list.n && nrg_diag_errors(k->c) - k->errors < MOST_FAULTS; i++) {
        stmt *s = &k->list.at[i];
        if (s->dead || (s->key == K_LEARN) != learns) continue;
        nrg_status st = s->line == failed ? NRG_E011 : one(k, s);
        if (st == NRG_E098) return st;
        if (st == NRG_OK) continue;
        failed = s->line;
        TRY(nrg_names_lose(k, s));
    }
    return NRG_OK;
}

static nrg_status checks(checker *k) {
    nrg_energy_check(k);
    nrg_hide_check(k);
    if (!clean(k)) return NRG_OK;
    nrg_status s = nrg_model_check_types(k->m);
    if (s == NRG_E098 || !clean(k)) return s;
    nrg_energy_unused(k);
    nrg_infer_check(k);
    nrg_learn_check(k);
    if (!clean(k)) return NRG_OK;
    TRY(nrg_model_terms(k->m));
    nrg_warn_collapse(k);
    return NRG_OK;
}

// The first error of this load; nothing when there were only warnings.
static nrg_status verdict(const checker *k, int from) {
    for (int i = from; i < nrg_diag_count(k->c); i++)
        if (nrg_diag_get(k->c, i)->severity == NRG_ERROR) return nrg_diag_get(k->c, i)->status;
    return NRG_OK;
}

static nrg_status run(checker *k, const char *text, size_t n, const char *vars, nrg_energy_fn fn,
                      void *ud) {
    nrg_model *m = k->m;
    if (n >= UINT32_MAX)
        return nrg_fail(k->c, NRG_E002, NRG_NOWHERE, "%s is too large for a model", k->file.file);
    TRY(nrg_source_add(k->c, k->file.file, text, n, &m->file));
    TRY(nrg_parse(m, m->file, text, n, &k->list, &k->lost));
    TRY(nrg_override_statements(k));
    TRY(statements(k, false));
    if (fn) {
        m->energy.fn = fn;
        m->energy.ud = ud;
        nrg_status s = listed(k, vars);
        if (s == NRG_E098) return s;
        m->energy.name = m->energy.name ? m->energy.name : "E";
    }
    TRY(statements(k, true));
    nrg_override_rest(k);
    return clean(k) ? checks(k) : NRG_OK;
}

static nrg_status load(nrg_ctx *c, const char *name, const char *text, size_t n,
                       const nrg_overrides *o, const char *vars, nrg_energy_fn fn, void *ud,
                       nrg_model **out) {
    *out = NULL;
    checker k = {.c = c, .o = o, .file = {name, o ? o->by : NULL}, .errors = nrg_diag_errors(c)};
    int from = nrg_diag_count(c);
    TRY(nrg_model_new(c, &k.m));
    nrg_status s = NRG_OK;
    if (o && o->sets_n && !(k.set_used = NRG_NEWS(&k.m->arena, bool, o->sets_n))) s = NRG_E098;
    if (s == NRG_OK) s = run(&k, text, n, vars, fn, ud);
    if (s != NRG_E098) {
        nrg_status first = verdict(&k, from);
        if (first || s == NRG_OK) s = first;
    }
    if (s)
        nrg_model_free(k.m);
    else
        *out = k.m;
    return s;
}

nrg_status nrg_lang_load(nrg_ctx *c, const char *name, const char *text, size_t n,
                         const nrg_overrides *o, nrg_model **out) {
    return load(c, name, text, n, o, NULL, NULL, NULL, out);
}

nrg_status nrg_lang_load_fn(nrg_ctx *c, const char *name, const char *text, size_t n,
                            const nrg_overrides *o, const char *vars, nrg_energy_fn fn, void *ud,
                            nrg_model **out) {
    return load(c, name, text, n, o, vars, fn, ud, out);
}
