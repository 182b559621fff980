// What names mean, and what to say when they mean nothing. One flat name space; a user's name hides a built-in
// one.
#include "lang/inside.h"
#include <string.h>

static const char *const reserved[] = {"pos",  "neg",  "offender", "lowest",
                                       "free", "negatives", "beta", "N", NULL};
static const char *const meanings[] = {
    "the energy at the data",           "the energy at the wrong answers",
    "the most offending wrong answer",  "the lowest energy over all answers",
    "the free energy over all answers", "how many wrong answers a row has", "the inverse temperature; hyper beta = ... sets it",
    "the number of training rows"};

name_kind nrg_names_find(const checker *k, const char *name, int32_t *at) {
    const nrg_model *m = k->m;
    int32_t i;
    if (at) *at = -1;
    for (uint32_t j = 0; j < k->locals.n; j++)
        if (nrg_same(k->locals.at[j], name)) return N_LOCAL;
    name_kind found = (i = nrg_model_dim(m, name)) >= 0      ? N_DIM
                      : (i = nrg_model_hyper(m, name)) >= 0  ? N_HYPER
                      : (i = nrg_model_var(m, name)) >= 0    ? N_VAR
                      : (i = nrg_model_module(m, name)) >= 0 ? N_MODULE
                      : (i = nrg_model_let(m, name)) >= 0    ? N_LET
                                                             : N_NONE;
    for (uint32_t j = 0; j < m->uses.n && !found; j++)
        if (nrg_same(m->uses.at[j].name, name)) i = (int32_t)j, found = N_USE;
    if (!found && nrg_same(m->energy.name, name)) found = N_ENERGY;
    if (at) *at = i;
    if (found) return found;
    return nrg_in_list(nrg_layer_names, name)      ? N_LAYER
           : nrg_in_list(nrg_function_names, name) ? N_FUNCTION
                                                   : N_NONE;
}

static nrg_span place_of(const checker *k, name_kind kind, const char *name, int32_t at) {
    const nrg_model *m = k->m;
    switch (kind) {
    case N_DIM: return m->dims.at[at].span;
    case N_HYPER: return m->hypers.at[at].span;
    case N_VAR: return m->vars.at[at].span;
    case N_MODULE: return m->modules.at[at].span;
    case N_LET: return m->lets.at[at].span;
    case N_USE: return m->uses.at[at].span;
    case N_ENERGY: return m->energy.span;
    default: return (void)name, NRG_NOWHERE;
    }
}

static bool was_local(const checker *k, const char *name) {
    for (uint32_t i = 0; i < k->letters.n; i++)
        if (nrg_same(k->letters.at[i], name)) return true;
    return false;
}

nrg_status nrg_names_local(checker *k, const char *name) {
    if (!was_local(k, name)) TRY(NRG_PUSH(&k->m->arena, k->letters, name));
    return NRG_PUSH(&k->m->arena, k->locals, name);
}

nrg_status nrg_names_declare(checker *k, const char *name, nrg_span span, bool hyper) {
    static const char *const kinds[] = {
        "", "dim", "hyper-parameter", "variable", "module", "let", "used model", "energy", "index"};
    int32_t at;
    for (int i = 0; reserved[i]; i++) {
        if (!nrg_same(reserved[i], name) || (hyper && nrg_same(name, "beta"))) continue;
        nrg_status s =
            nrg_fail(k->c, NRG_E016, span, "'%s' is a reserved name: %s", name, meanings[i]);
        nrg_help(k->c, "pick another name");
        return s;
    }
    if (was_local(k, name)) {
        nrg_status s =
            nrg_fail(k->c, NRG_E014, span,
                     "'%s' is an index or parameter further up; nothing may be hidden", name);
        nrg_help(k->c, "pick another name");
        return s;
    }
    name_kind kind = nrg_names_find(k, name, &at);
    if (kind == N_LAYER || kind == N_FUNCTION) {
        nrg_warn(k->c, NRG_W102, span, "'%s' hides the built-in %s of that name", name,
                 kind == N_LAYER ? "layer" : "function");
        return NRG_OK;
    }
    if (!kind) return NRG_OK;
    int line, col;
    nrg_source_place(k->c, place_of(k, kind, name, at), &line, &col);
    nrg_status s =
        nrg_fail(k->c, NRG_E010, span, "'%s' is already the name of a %s", name, kinds[kind]);
    if (line) nrg_fact(k->c, "declared in line %d", line);
    nrg_help(k->c, "pick another name");
    return s;
}

// ---- suggestions ----

typedef NRG_LIST(const char *) words;

static void put_list(checker *k, words *w, const char *const *list) {
    for (; *list; list++)
        if (NRG_PUSH(&k->m->arena, *w, *list)) return; // a suggestion less
}

#define PUT_NAMES(bit, list)                                                                       \
    for (uint32_t i = 0; (kinds >> (bit)&1) && i < m->list.n; i++)                                 \
        if (NRG_PUSH(&k->m->arena, w, m->list.at[i].name)) break

const char *nrg_names_near(checker *k, const char *name, unsigned kinds) {
    const nrg_model *m = k->m;
    words w = {0};
    PUT_NAMES(N_DIM, dims);
    PUT_NAMES(N_HYPER, hypers);
    PUT_NAMES(N_VAR, vars);
    PUT_NAMES(N_MODULE, modules);
    PUT_NAMES(N_LET, lets);
    PUT_NAMES(N_USE, uses);
    for (uint32_t i = 0; (kinds >> N_LOCAL & 1) && i < k->locals.n; i++)
        if (NRG_PUSH(&k->m->arena, w, k->locals.at[i])) break;
    if (kinds >> N_LAYER & 1) put_list(k, &w, nrg_layer_names);
    if (kinds >> N_FUNCTION & 1) put_list(k, &w, nrg_function_names);
    if (kinds >> N_LOSS & 1) put_list(k, &w, nrg_loss_names);
    if (kinds >> N_METHOD & 1) put_list(k, &w, nrg_method_names);
    if (kinds >> N_OPTIMIZER & 1) put_list(k, &w, nrg_optimizer_names);
    return nrg_nearest(name, w.at, (int)w.n);
}

bool nrg_names_lost(const checker *k, const char *name) {
    for (uint32_t i = 0; i < k->lost.n; i++)
        if (nrg_same(k->lost.at[i], name)) return true;
    return false;
}

// The tables that are short enough to be told whole, where nothing in them is near.
static void list_all(checker *k, unsigned kinds) {
    const char *const *list = kinds >> N_LOSS & 1        ? nrg_loss_names
                              : kinds >> N_OPTIMIZER & 1 ? nrg_optimizer_names
                                                         : NULL;
    if (!list) return;
    nrg_text t = nrg_text_make(k->c);
    for (int i = 0; list[i]; i++) nrg_text_put(&t, " %s", list[i]);
    if (nrg_text_end(&t) == NRG_OK) nrg_fact(k->c, "known:%s", t.at);
    nrg_text_free(&t);
}

nrg_status nrg_names_unknown(checker *k, const char *kind, const char *name, nrg_span span,
                             unsigned kinds) {
    if (nrg_names_lost(k, name)) return NRG_E011;
    nrg_status s = nrg_fail(k->c, NRG_E011, span, "unknown %s '%s'", kind, name);
    const char *near = nrg_names_near(k, name, kinds);
    if (near) nrg_help(k->c, "did you mean '%s'?", near);
    for (uint32_t i = 0; i < k->list.n && !near; i++) // declared, but later
        for (uint32_t j = 0; j < k->list.at[i].n && k->list.at[i].key <= K_LET; j++)
            if (nrg_same(k->list.at[i].names[j], name))
                return nrg_help(k->c, "'%s' is declared further down; move its line up", name), s;
    if (!near) list_all(k, kinds);
    return s;
}

nrg_status nrg_names_lose(checker *k, const stmt *s) {
    for (uint32_t i = 0; i < s->n; i++) TRY(NRG_PUSH(&k->m->arena, k->lost, s->names[i]));
    return NRG_OK;
}

// ---- texts for messages, in the arena ----

static const char *keep(checker *k, nrg_text *t) {
    const char *s = t->bad || !t->at ? "" : nrg_arena_copy(&k->m->arena, t->at, t->n);
    nrg_text_free(t);
    return s ? s : "";
}

const char *nrg_names_var(const checker *k, nrg_vars set, const char *between) {
    nrg_text t = nrg_text_make(k->c);
    for (uint32_t i = 0; i < k->m->vars.n; i++)
        if (set >> i & 1) nrg_text_put(&t, "%s%s", t.n ? between : "", k->m->vars.at[i].name);
    return keep((checker *)(uintptr_t)k, &t);
}

const char *nrg_var_text(checker *k, int32_t var) {
    static const char *const elements[] = {"real", "bit", "sign", "int"};
    const nrg_var *v = &k->m->vars.at[var];
    nrg_text t = nrg_text_make(k->c);
    nrg_text_put(&t, "%s",
                 v->elem == NRG_CATEGORY ? k->m->dims.at[v->category].name : elements[v->elem]);
    for (uint32_t i = 0; i < v->rank; i++) {
        nrg_text_put(&t, i ? ", " : "[");
        nrg_expr_print(k->m, v->axes[i], &t);
    }
    if (v->rank) nrg_text_put(&t, "]");
    return keep(k, &t);
}

const char *nrg_source_part(checker *k, const nrg_expr *e) {
    size_t n;
    const char *text = nrg_source_text(k->c, e->span.file, &n);
    if (text && e->span.end <= n && e->span.end - e->span.start < 60) {
        const char *s =
            nrg_arena_copy(&k->m->arena, text + e->span.start, e->span.end - e->span.start);
        return s ? s : "";
    }
    nrg_text t = nrg_text_make(k->c);
    nrg_expr_print(k->m, e, &t);
    return keep(k, &t);
}
