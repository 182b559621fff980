// Declarations in the order of the text: dims, hyper-parameters, variables, modules, lets, used models.
#include "lang/inside.h"
#include <math.h>
#include <string.h>

// Names in a constant expression are dims (and hyper-parameters where `hypers`), all declared before.
static nrg_status constant(checker *k, const nrg_expr *e, bool hypers, nrg_status code,
                           const char *what) {
    if (e->kind == NRG_X_NAME) {
        int32_t at;
        name_kind kind = nrg_names_find(k, e->text, &at);
        if (kind == N_DIM || (hypers && (kind == N_HYPER || nrg_same(e->text, "N")))) return NRG_OK;
        if (kind == N_NONE)
            return nrg_names_unknown(k, hypers ? "name" : "dim", e->text, e->span,
                                     1u << N_DIM | (hypers ? 1u << N_HYPER : 0));
        static const char *const kinds[] = {
            "",         "a dim",   "a hyper-parameter", "a variable",
            "a module", "a let",   "a used model",      "the energy",
            "an index", "a layer", "a function",        "",
            "",         ""};
        nrg_status s =
            nrg_fail(k->c, code, e->span, "%s, but '%s' is %s", what, e->text, kinds[kind]);
        if (!hypers)
            nrg_help(k->c, "declare a dim: dim %s = ...", nrg_same(e->text, "K") ? "M" : "K");
        return s;
    }
    bool sum = e->kind == NRG_X_BINARY && strchr("+-*/^", e->op[0]);
    bool minus = e->kind == NRG_X_UNARY && e->op[0] == '-';
    bool call = e->kind == NRG_X_CALL && hypers;
    if (e->kind != NRG_X_NUMBER && !sum && !minus && !call)
        return nrg_fail(k->c, code, e->span, "%s", what);
    for (uint32_t i = call ? 1 : 0; i < e->n; i++) TRY(constant(k, e->kid[i], hypers, code, what));
    return NRG_OK;
}

static bool sizes_known(const nrg_model *m, const nrg_expr *e) {
    if (e->kind == NRG_X_NAME) {
        int32_t d = nrg_model_dim(m, e->text);
        return d < 0 || m->dims.at[d].size >= 0;
    }
    for (uint32_t i = 0; i < e->n; i++)
        if (e->kid[i] && !sizes_known(m, e->kid[i])) return false;
    return true;
}

// ---- dims ----

static nrg_status whole(checker *k, const nrg_expr *e, const char *name, double x, int64_t *size) {
    if (x >= 1 && x <= 4e9 && floor(x) == x) return *size = (int64_t)x, NRG_OK;
    return nrg_fail(k->c, NRG_E012, e->span,
                    "the size of %s must be a whole number from 1 on, not %g", name, x);
}

static nrg_status same_labels(checker *k, const stmt *s) {
    for (uint32_t i = 0; i < s->nlabels; i++)
        for (uint32_t j = 0; j < i; j++)
            if (nrg_same(s->labels[i], s->labels[j]))
                return nrg_fail(k->c, NRG_E010, s->spans[0], "%s has the label '%s' twice",
                                s->names[0], s->labels[i]);
    return NRG_OK;
}

static nrg_status dim(checker *k, stmt *s) {
    nrg_dim d = {.name = s->names[0], .span = s->spans[0], .ragged = s->ragged, .size = -1};
    bool set = false;
    TRY(nrg_names_declare(k, d.name, d.span, false));
    if (s->nlabels) {
        TRY(same_labels(k, s));
        d.labels = s->labels;
        d.size = s->nlabels;
        d.fixed = true;
    } else if (s->expr) {
        double x;
        TRY(constant(k, s->expr, false, NRG_E012, "the size of a dim is made of numbers and dims"));
        d.fixed = true;
        d.extent = s->expr->kind == NRG_X_NUMBER ? NULL : s->expr;
        if (sizes_known(k->m, s->expr)) {
            TRY(nrg_eval_number(k->m, s->expr, &x));
            TRY(whole(k, s->expr, d.name, x, &d.size));
        }
    }
    int64_t size = d.size;
    // A wrong size is told once: the dim stands as it is written, so that what uses it is not wrong too.
    if (nrg_override_size(k, d.name, &size, &set) == NRG_E098) return NRG_E098;
    if (set && d.labels && size != d.size) {
        nrg_fail(k->c, NRG_E013, NRG_NOWHERE, "--set %s=%lld: %s has %lld labels in the model",
                 d.name, (long long)size, d.name, (long long)d.size);
        set = false;
    }
    if (set) d.size = size, d.fixed = true, d.extent = NULL;
    return NRG_PUSH(&k->m->arena, k->m->dims, d);
}

// ---- hyper-parameters ----

static nrg_status range_of(checker *k, const nrg_expr *r, double *lo, double *hi) {
    *lo = -INFINITY;
    *hi = INFINITY;
    double *end[2] = {lo, hi};
    for (int i = 0; r && i < 2; i++) {
        if (!r->kid[i]) continue;
        TRY(constant(k, r->kid[i], true, NRG_E013, "the ends of a range are numbers"));
        TRY(nrg_eval_number(k->m, r->kid[i], end[i]));
    }
    if (*lo > *hi) return nrg_fail(k->c, NRG_E013, r->span, "the range %g..%g is empty", *lo, *hi);
    return NRG_OK;
}

static nrg_status schedule(checker *k, const nrg_expr *e, nrg_hyper *h) {
    TRY(constant(k, e->kind == NRG_X_SCHEDULE ? e->kid[0] : e, true, NRG_E013,
                 "the value of a hyper-parameter is a number"));
    if (e->kind == NRG_X_SCHEDULE)
        TRY(constant(k, e->kid[1], true, NRG_E013, "the value of a hyper-parameter is a number"));
    h->geometric = e->kind == NRG_X_CALL && nrg_same(e->kid[0]->text, "geometric");
    TRY(nrg_eval_schedule(k->m, e, 0, &h->from));
    TRY(nrg_eval_schedule(k->m, e, 1, &h->to));
    h->scheduled = h->geometric || e->kind == NRG_X_SCHEDULE;
    return NRG_OK;
}

static nrg_status hyper(checker *k, stmt *s) {
    nrg_hyper h = {.name = s->names[0], .span = s->spans[0]};
    TRY(nrg_names_declare(k, h.name, h.span, true));
    TRY(schedule(k, s->expr, &h));
    TRY(range_of(k, s->range, &h.lo, &h.hi));
    for (int i = 0; i < 2; i++) {
        double x = i ? h.to : h.from;
        if (x >= h.lo && x <= h.hi) continue;
        char lo[32] = "", hi[32] = "";
        if (isfinite(h.lo)) nrg_print(lo, sizeof lo, "%g", h.lo);
        if (isfinite(h.hi)) nrg_print(hi, sizeof hi, "%g", h.hi);
        return nrg_fail(k->c, NRG_E013, s->expr->span,
                        "hyper-parameter '%s' = %g is outside its range %s..%s", h.name, x, lo, hi);
    }
    TRY(nrg_override_hyper(k, &h));
    if (nrg_same(h.name, "beta")) {
        if (!(h.from > 0 && h.to > 0)) {
            nrg_fail(k->c, NRG_E013, s->expr->span, "beta is %g: the scale of the energies is above 0", h.from > 0 ? h.to : h.from);
            return nrg_help(k->c, "beta near 0 makes all answers alike, a large one the lowest certain"), NRG_E013;
        }
        k->m->beta = h.from;
    }
    return NRG_PUSH(&k->m->arena, k->m->hypers, h);
}

// ---- variables ----

static nrg_status element(checker *k, const stmt *s, nrg_var *v) {
    static const char *const elements[] = {"real", "bit", "sign", "int", NULL};
    v->category = -1;
    for (int i = 0; elements[i]; i++)
        if (nrg_same(elements[i], s->word)) return v->elem = (nrg_elem)i, NRG_OK;
    v->elem = NRG_CATEGORY;
    v->category = nrg_model_dim(k->m, s->word);
    if (v->category >= 0) return NRG_OK;
    const char *near = nrg_nearest(s->word, elements, 4);
    nrg_status st = nrg_names_unknown(k, "type", s->word, s->word_span, near ? 0 : 1u << N_DIM);
    if (nrg_names_lost(k, s->word)) return st; // nothing was said, so nothing is added
    if (near)
        nrg_help(k->c, "did you mean '%s'?", near);
    else
        nrg_fact(k->c, "types: real bit sign int, or a dim for its categories");
    return st;
}

static nrg_status axes(checker *k, const stmt *s) {
    if (s->rank > NRG_MAX_RANK)
        return nrg_fail(k->c, NRG_E012, s->word_span, "'%s' has %u axes; at most %d are possible",
                        s->names[0], s->rank, NRG_MAX_RANK);
    for (uint32_t i = 0; i < s->rank; i++) {
        TRY(constant(k, s->axes[i], false, NRG_E012,
                     "an axis is a dim, a number, or sums and products of them"));
        double x;
        int64_t size;
        if (!sizes_known(k->m, s->axes[i])) continue;
        TRY(nrg_eval_number(k->m, s->axes[i], &x));
        TRY(whole(k, s->axes[i], "an axis", x, &size));
    }
    return NRG_OK;
}

static const struct {
    const char *name;
    nrg_domain_kind kind;
} domains[] = {{"simplex", NRG_DOM_SIMPLEX},
               {"sphere", NRG_DOM_SPHERE},
               {"unit_columns", NRG_DOM_UNIT_COLUMNS},
               {"orthonormal", NRG_DOM_ORTHONORMAL},
               {"symmetric", NRG_DOM_SYMMETRIC},
               {"spectral", NRG_DOM_SPECTRAL},
               {"segments", NRG_DOM_SEGMENTS},
               {"monotone", NRG_DOM_MONOTONE},
               {"tree", NRG_DOM_TREE},
               {"projective", NRG_DOM_PROJECTIVE},
               {"permutation", NRG_DOM_PERMUTATION},
               {"path", NRG_DOM_PATH}};
enum { DOMAINS = sizeof domains / sizeof *domains };

static nrg_status unknown_domain(checker *k, const stmt *s) {
    const char *list[DOMAINS];
    for (int i = 0; i < DOMAINS; i++) list[i] = domains[i].name;
    nrg_status st = nrg_fail(k->c, NRG_E011, s->domain_span, "unknown domain '%s'", s->domain);
    const char *near = nrg_nearest(s->domain, list, DOMAINS);
    nrg_fact(k->c, "domains: a..b simplex sphere unit_columns orthonormal symmetric spectral segments "
                   "monotone tree projective permutation path");
    if (near) nrg_help(k->c, "did you mean '%s'?", near);
    return st;
}

static nrg_status spectral(checker *k, const stmt *s, nrg_var *v) {
    if (!s->range) v->domain.hi = 1;
    if (v->role == NRG_WEIGHT && v->elem == NRG_REAL && v->rank >= 2 && isinf(v->domain.lo) && v->domain.hi > 0 && isfinite(v->domain.hi)) return NRG_OK;
    nrg_status st = nrg_fail(k->c, NRG_E017, s->domain_span, "spectral bounds the largest singular value of a weight, and '%s' is not such an array", v->name);
    nrg_help(k->c, "weight W : real[A, B] in spectral(1): two axes at least, a number above 0");
    return st;
}

static nrg_status domain(checker *k, const stmt *s, nrg_var *v) {
    v->domain = (nrg_domain){
        .lo = -INFINITY, .hi = INFINITY, .span = s->domain_span, .args = s->given, .n = s->givens};
    TRY(range_of(k, s->range, &v->domain.lo, &v->domain.hi));
    if (!s->domain) return v->domain.kind = s->range ? NRG_DOM_RANGE : NRG_DOM_ALL, NRG_OK;
    int i = 0;
    while (i < DOMAINS && !nrg_same(domains[i].name, s->domain)) i++;
    if (i == DOMAINS) return unknown_domain(k, s);
    v->domain.kind = domains[i].kind;
    for (uint32_t j = 0; j < s->givens; j++)
        if (nrg_model_var(k->m, s->given[j]) < 0)
            return nrg_names_unknown(k, "variable", s->given[j], s->given_spans[j], 1u << N_VAR);
    if (v->domain.kind == NRG_DOM_SPECTRAL) return spectral(k, s, v);
    if (v->domain.kind < NRG_DOM_SEGMENTS || (v->elem == NRG_CATEGORY && v->rank > 0))
        return NRG_OK;
    nrg_status st = nrg_fail(k->c, NRG_E017, s->domain_span,
                             "%s needs an array of categories, but '%s' is %s%s", s->domain,
                             v->name, s->word, v->rank ? "[...]" : "");
    nrg_help(k->c, "for instance Tag[T]: one category for each place");
    return st;
}

static nrg_status init(checker *k, const stmt *s, const nrg_var *v) {
    static const char *const words[] = {"samples", "normal", "uniform", NULL};
    const nrg_expr *e = s->expr;
    if (!e) return NRG_OK;
    if (v->role != NRG_WEIGHT) {
        nrg_status st = nrg_fail(k->c, NRG_E037, e->span,
                                 "only weights have an `init`, but '%s' is not a weight", v->name);
        nrg_help(k->c, "where inference starts is said by `from`: minimize %s by ... from ...",
                 v->name);
        return st;
    }
    if (e->kind != NRG_X_CALL || e->kid[0]->kind != NRG_X_NAME ||
        !nrg_in_list(words, e->kid[0]->text)) {
        if (e->kind == NRG_X_CALL && e->kid[0]->kind == NRG_X_NAME &&
            !nrg_same(e->kid[0]->text, "sqrt")) {
            const char *near = nrg_nearest(e->kid[0]->text, words, 3);
            nrg_status st = nrg_fail(k->c, NRG_E011, e->kid[0]->span, "unknown initial value '%s'",
                                     e->kid[0]->text);
            nrg_fact(k->c, "initial values: a number, normal(sd), uniform(a), samples(v)");
            if (near) nrg_help(k->c, "did you mean '%s'?", near);
            return st;
        }
        return constant(k, e, true, NRG_E037,
                        "an initial value is a number, normal(sd), uniform(a) or samples(v)");
    }
    bool samples = nrg_same(e->kid[0]->text, "samples");
    if (e->n != 2)
        return nrg_fail(k->c, NRG_E037, e->span, "%s takes one argument", e->kid[0]->text);
    if (!samples) return constant(k, e->kid[1], true, NRG_E037, "a number is needed here");
    const nrg_expr *of = e->kid[1];
    int32_t at = of->kind == NRG_X_NAME ? nrg_model_var(k->m, of->text) : -1;
    if (at >= 0 && k->m->vars.at[at].role != NRG_WEIGHT) return NRG_OK;
    return nrg_names_unknown(k, "variable", nrg_source_part(k, of), of->span, 1u << N_VAR);
}

static nrg_status variable(checker *k, stmt *s) {
    for (uint32_t i = 0; i < s->n; i++) {
        nrg_var v = {.name = s->names[i],
                     .span = s->spans[i],
                     .role = (nrg_role)(s->key - K_GIVEN),
                     .axes = s->axes,
                     .rank = s->rank,
                     .init = s->expr};
        TRY(nrg_names_declare(k, v.name, v.span, false));
        TRY(element(k, s, &v));
        TRY(axes(k, s));
        TRY(domain(k, s, &v));
        TRY(init(k, s, &v));
        if (k->m->vars.n >= NRG_MAX_VARS)
            return nrg_fail(k->c, NRG_E071, v.span, "more than %d variables and weights",
                            NRG_MAX_VARS);
        TRY(NRG_PUSH(&k->m->arena, k->m->vars, v));
    }
    return NRG_OK;
}

// ---- modules, lets, used models ----

static nrg_status module(checker *k, stmt *s) {
    nrg_module g = {.name = s->names[0],
                    .span = s->spans[0],
                    .params = s->given,
                    .param_spans = s->given_spans,
                    .n = s->givens,
                    .body = s->expr};
    TRY(nrg_names_declare(k, g.name, g.span, false));
    k->locals.n = 0;
    for (uint32_t i = 0; i < s->givens; i++) {
        name_kind kind = nrg_names_find(k, s->given[i], NULL);
        if (kind != N_NONE && kind != N_LAYER && kind != N_FUNCTION) {
            nrg_status st =
                nrg_fail(k->c, NRG_E014, s->given_spans[i], "parameter '%s' hides an earlier '%s'",
                         s->given[i], s->given[i]);
            nrg_help(k->c, "pick another name");
            return st;
        }
        TRY(nrg_names_local(k, s->given[i]));
    }
    k->module = g.name;
    nrg_bulk w;
    nrg_status st = nrg_resolve(k, g.body, 0);
    if (st == NRG_OK) st = nrg_weigh(k, g.body, g.span, &w);
    k->module = NULL;
    k->locals.n = 0;
    TRY(st);
    TRY(NRG_PUSH(&k->m->arena, k->module_weights, w));
    return NRG_PUSH(&k->m->arena, k->m->modules, g);
}

static nrg_status let(checker *k, stmt *s) {
    nrg_let l = {.name = s->names[0], .span = s->spans[0], .body = s->expr};
    TRY(nrg_names_declare(k, l.name, l.span, false));
    TRY(nrg_resolve(k, l.body, SEE_VARS));
    nrg_bulk w;
    TRY(nrg_weigh(k, l.body, l.span, &w));
    TRY(NRG_PUSH(&k->m->arena, k->let_weights, w));
    return NRG_PUSH(&k->m->arena, k->m->lets, l);
}

// Paths in `use` start at the folder of the text that says it.
static const char *beside(checker *k, const char *path) {
    const char *slash = strrchr(k->file.file, '/');
    int folder = slash && path[0] != '/' ? (int)(slash - k->file.file) + 1 : 0;
    return nrg_arena_print(&k->m->arena, "%.*s%s", folder, k->file.file, path);
}

static nrg_status not_itself(checker *k, const stmt *s, const char *path) {
    int depth = 0;
    for (const nrg_using *up = &k->file; up; up = up->by, depth++)
        if (nrg_file_same(up->file, path)) return nrg_fail(k->c, NRG_E009, s->span, "%s uses itself", path);
    return depth <= MOST_USES ? NRG_OK : nrg_fail(k->c, NRG_E009, s->span, "more than %d models use one another", MOST_USES);
}

static nrg_status used_text(checker *k, const char *path, nrg_model **out) {
    nrg_overrides inner = {.use = k->o ? k->o->use : NULL, .by = &k->file};
    nrg_text t = nrg_text_make(k->c);
    nrg_status st = nrg_file_read(k->c, path, &t);
    if (st == NRG_OK) st = nrg_lang_load(k->c, path, t.at ? t.at : "", t.n, &inner, out);
    nrg_text_free(&t);
    return st;
}

static bool text_there(const char *path) {
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".nrg") == 0 && nrg_file_exists(path);
}

// Another model, with its weights when whoever loads this one can read them. One that is not there is missed when it is evaluated.
static nrg_status use(checker *k, stmt *s) {
    nrg_use u = {.name = s->names[0], .span = s->spans[0]};
    nrg_model *m = NULL;
    TRY(nrg_names_declare(k, u.name, u.span, false));
    const char *path = beside(k, u.path = s->word);
    if (!path) return NRG_E098;
    TRY(not_itself(k, s, path));
    if (k->o && k->o->use) TRY(k->o->use(k->o->use_ud, k->c, u.name, path, &k->file, &m));
    if (!m && text_there(path)) TRY(used_text(k, path, &m));
    u.model = m;
    nrg_status st = NRG_PUSH(&k->m->arena, k->m->uses, u);
    if (st) nrg_model_free(m);
    return st;
}

nrg_status nrg_declare(checker *k, stmt *s) {
    switch (s->key) {
    case K_DIM: return dim(k, s);
    case K_HYPER: return hyper(k, s);
    case K_MODULE: return module(k, s);
    case K_LET: return let(k, s);
    case K_USE: return use(k, s);
    default: return variable(k, s);
    }
}
