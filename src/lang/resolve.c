// Names inside expressions: every name must mean something where it stands, and nothing may be hidden (E011,
// E014).
#include "lang/inside.h"
#include <stdlib.h>
#include <string.h>

static const char *const atoms[] = {"pos", "neg", "lowest", "free", "negatives", NULL};
static const char *const always[] = {"N", "beta", "data", "noise", NULL};
static const char *const of_modules[] = {"ema", "copy", "repeat", NULL};
static const char *const edge_sets[] = {"chain", "ring",    "complete", "grid4",
                                        "grid8", "windows", "span",     NULL};
static const char *const reductions[] = {"sum",     "max",  "min",    "mean",   "prod", "logsumexp",
                                         "softmin", "each", "argmin", "argmax", NULL};
static const char *const data_words[] = {"whiten",    "standardise", "standardize", "augment",
                                         "skipgrams", "reshape",     "rows",        NULL};
static const char *const loss_words[] = {
    "infonce", "l2", "l1", "rkhs", "hamming", NULL};

static nrg_status name(checker *k, const nrg_expr *e, unsigned see) {
    int32_t at;
    name_kind kind = nrg_names_find(k, e->text, &at);
    if (kind == N_VAR && !(see & SEE_VARS) && k->m->vars.at[at].role != NRG_WEIGHT) {
        nrg_status s = nrg_fail(k->c, NRG_E011, e->span, "module %s cannot see the variable '%s'",
                                k->module ? k->module : "here", e->text);
        nrg_help(k->c, "modules are closed: pass it in, module %s(v) = ... and %s(%s)",
                 k->module ? k->module : "G", k->module ? k->module : "G", e->text);
        return s;
    }
    if (kind == N_LET && k->module) {
        nrg_status s = nrg_fail(k->c, NRG_E011, e->span, "module %s cannot see the let '%s'",
                                k->module, e->text);
        nrg_help(
            k->c,
            "modules are closed: they see parameters, dims, hyper-parameters, weights and modules");
        return s;
    }
    if (kind == N_ENERGY && !(see & SEE_ENERGY)) {
        nrg_status s =
            nrg_fail(k->c, NRG_E011, e->span, "the energy '%s' has no value here", e->text);
        nrg_help(k->c, "helpers of an energy are `let` and `module`");
        return s;
    }
    if (kind) return NRG_OK;
    if ((see & SEE_WORDS) || nrg_in_list(always, e->text)) return NRG_OK;
    if ((see & SEE_ATOMS) && nrg_in_list(atoms, e->text)) return NRG_OK;
    if ((see & SEE_LOSSES) && (nrg_loss_find(e->text) || nrg_in_list(loss_words, e->text)))
        return NRG_OK;
    if (see & SEE_LOSSES)
        return nrg_names_unknown(k, "loss", e->text, e->span, 1u << N_LOSS | ANY_VALUE);
    return nrg_names_unknown(k, "name", e->text, e->span, ANY_VALUE | ANY_CALL);
}

static nrg_status kids(checker *k, const nrg_expr *e, uint32_t from, unsigned see) {
    for (uint32_t i = from; i < e->n; i++)
        if (e->kid[i]) TRY(nrg_resolve(k, e->kid[i], see));
    return NRG_OK;
}

static nrg_status callee(checker *k, const nrg_expr *e, unsigned see) {
    int32_t at;
    if (e->kind != NRG_X_NAME) return nrg_resolve(k, e, see);
    name_kind kind = nrg_names_find(k, e->text, &at);
    if (kind == N_ENERGY && !(see & SEE_ENERGY)) return name(k, e, see);
    if (kind || nrg_in_list(of_modules, e->text) || nrg_in_list(reductions, e->text) ||
        nrg_in_list(edge_sets, e->text))
        return NRG_OK;
    if ((see & SEE_WORDS) && nrg_in_list(data_words, e->text)) return NRG_OK;
    if ((see & SEE_LOSSES) && (nrg_loss_find(e->text) || nrg_in_list(loss_words, e->text)))
        return NRG_OK;
    if (see & SEE_LOSSES)
        return nrg_names_unknown(k, "loss", e->text, e->span, 1u << N_LOSS | ANY_CALL);
    return nrg_names_unknown(k, "function", e->text, e->span, ANY_CALL);
}

static nrg_status call(checker *k, const nrg_expr *e, unsigned see) {
    TRY(callee(k, e->kid[0], see));
    bool layer =
        e->kid[0]->kind == NRG_X_NAME && nrg_names_find(k, e->kid[0]->text, NULL) == N_LAYER;
    unsigned inner = see & ~(unsigned)SEE_LOSSES;
    for (uint32_t i = 1; i < e->n; i++) {
        bool named = e->names && e->names[i];
        // Options of layers are words: kernel(gaussian), pad=same.
        bool word = layer && e->kid[i]->kind == NRG_X_NAME &&
                    (named || nrg_same(e->kid[0]->text, "kernel"));
        TRY(nrg_resolve(k, e->kid[i], word ? inner | SEE_WORDS : inner));
    }
    return NRG_OK;
}

// young.E, world.g: known only once that model was read.
static nrg_status used(checker *k, const nrg_expr *e, const nrg_use *u) {
    if (!u->model || nrg_same(u->model->energy.name, e->text) || nrg_model_module(u->model, e->text) >= 0)
        return NRG_OK;
    nrg_status s =
        nrg_fail(k->c, NRG_E011, e->at, "model %s has no energy or module '%s'", u->name, e->text);
    nrg_text t = nrg_text_make(k->c);
    if (u->model->energy.name) nrg_text_put(&t, " %s", u->model->energy.name);
    for (uint32_t i = 0; i < u->model->modules.n; i++)
        nrg_text_put(&t, " %s", u->model->modules.at[i].name);
    if (t.at) nrg_fact(k->c, "it has:%s", t.at);
    nrg_text_free(&t);
    return s;
}

static nrg_status member(checker *k, const nrg_expr *e, unsigned see) {
    int32_t at;
    const nrg_expr *of = e->kid[0];
    if (of->kind == NRG_X_NAME && nrg_names_find(k, of->text, &at) == N_USE)
        return used(k, e, &k->m->uses.at[at]);
    if (of->kind != NRG_X_NAME || nrg_names_find(k, of->text, &at) != N_DIM)
        return nrg_resolve(k, of, see);
    const nrg_dim *d = &k->m->dims.at[at];
    if (!d->labels) return NRG_OK; // numbers; the evaluator knows their range
    for (int64_t i = 0; i < d->size; i++)
        if (nrg_same(d->labels[i], e->text)) return NRG_OK;
    nrg_status s = nrg_fail(k->c, NRG_E011, e->at, "%s has no label '%s'", d->name, e->text);
    const char *near = nrg_nearest(e->text, d->labels, (int)d->size);
    if (near) nrg_help(k->c, "did you mean '%s'?", near);
    return s;
}

static nrg_status over(checker *k, const nrg_expr *e, unsigned see) {
    if (e->kind == NRG_X_NAME && !nrg_names_find(k, e->text, NULL))
        return nrg_names_unknown(k, "dim", e->text, e->span, ANY_VALUE);
    if (e->kind != NRG_X_CALL || e->kid[0]->kind != NRG_X_NAME) return nrg_resolve(k, e, see);
    if (!nrg_in_list(edge_sets, e->kid[0]->text)) {
        const char *near = nrg_nearest(e->kid[0]->text, edge_sets, 7);
        nrg_status s = nrg_fail(k->c, NRG_E015, e->kid[0]->span, "an index cannot run over %s(...)",
                                e->kid[0]->text);
        nrg_fact(k->c, "edge sets: chain ring complete grid4 grid8 windows span");
        if (near) nrg_help(k->c, "did you mean '%s'?", near);
        return s;
    }
    return kids(k, e, 1, see);
}

static nrg_status hides(checker *k, const char *name, nrg_span span) {
    int32_t at;
    if (nrg_in_list(atoms, name)) return nrg_names_declare(k, name, span, false);
    name_kind kind = nrg_names_find(k, name, &at);
    if (kind == N_NONE || kind == N_LAYER || kind == N_FUNCTION) return NRG_OK;
    nrg_status s = nrg_fail(k->c, NRG_E014, span, "index '%s' hides an earlier '%s'", name, name);
    nrg_help(k->c, "pick another letter");
    return s;
}

static nrg_status reduce(checker *k, const nrg_expr *e, unsigned see) {
    uint32_t mark = k->locals.n;
    if (!nrg_in_list(reductions, e->text)) {
        const char *near = nrg_nearest(e->text, reductions, 10);
        nrg_status s = nrg_fail(k->c, NRG_E011, e->at, "unknown reduction '%s'", e->text);
        if (near) nrg_help(k->c, "did you mean '%s'?", near);
        return s;
    }
    nrg_status s = NRG_OK;
    for (uint32_t i = 0; i < e->binders && s == NRG_OK; i++) {
        const nrg_binder *b = &e->binder[i];
        s = over(k, b->over, see);
        for (uint32_t j = 0; j < b->n && s == NRG_OK; j++) {
            s = hides(k, b->names[j], b->spans[j]);
            if (s == NRG_OK) s = nrg_names_local(k, b->names[j]);
        }
    }
    if (s == NRG_OK && e->kid[1]) s = nrg_resolve(k, e->kid[1], see);
    if (s == NRG_OK) s = nrg_resolve(k, e->kid[0], see);
    k->locals.n = mark;
    return s;
}

nrg_status nrg_resolve(checker *k, const nrg_expr *e, unsigned see) {
    switch (e->kind) {
    case NRG_X_NAME: return name(k, e, see);
    case NRG_X_CALL: return call(k, e, see);
    case NRG_X_MEMBER: return member(k, e, see);
    case NRG_X_REDUCE: return reduce(k, e, see & ~(unsigned)SEE_LOSSES);
    case NRG_X_PIPE:
        TRY(nrg_resolve(k, e->kid[0], see));
        return e->kid[1]->kind == NRG_X_NAME ? callee(k, e->kid[1], see)
                                             : nrg_resolve(k, e->kid[1], see);
    default: return kids(k, e, 0, see);
    }
}

// ---- arguments against a row of a table ----

bool nrg_arg_at(const char *args, int i, char *name, size_t size, const char **value,
                int *value_n) {
    const char *p = args;
    for (;; i--) {
        p += strspn(p, " ");
        size_t n = strcspn(p, " ");
        if (n == 0) return false;
        if (i == 0) {
            size_t word = strcspn(p, "= ");
            snprintf(name, size, "%.*s", (int)word, p);
            *value = word < n ? p + word + 1 : NULL;
            *value_n = word < n ? (int)(n - word - 1) : 0;
            return true;
        }
        p += n;
    }
}

static bool row_has(const char *args, const char *name) {
    char word[40];
    const char *value;
    int n;
    for (int i = 0; nrg_arg_at(args, i, word, sizeof word, &value, &n); i++)
        if (nrg_same(word, name)) return true;
    return false;
}

// The name before `=` of a named argument, for the caret.
static nrg_span name_before(const checker *k, nrg_span value, const char *name) {
    size_t n, len = strlen(name), at = value.start;
    const char *text = nrg_source_text(k->c, value.file, &n);
    if (!text || at > n) return value;
    while (at > 0 && (text[at - 1] == ' ' || text[at - 1] == '(' || text[at - 1] == '=')) at--;
    if (at < len || memcmp(text + at - len, name, len) != 0) return value;
    return (nrg_span){value.file, (uint32_t)(at - len), (uint32_t)at};
}

static nrg_status wrong_arg(checker *k, nrg_span at, const char *arg, const char *args,
                            const char *name) {
    const char *list[24];
    char word[24][40];
    int n = 0, value_n;
    const char *value;
    while (n < 24 && nrg_arg_at(args, n, word[n], sizeof word[n], &value, &value_n))
        list[n] = word[n], n++;
    nrg_status s = nrg_fail(k->c, NRG_E011, at, "unknown argument '%s' of %s", arg, name);
    nrg_text t = nrg_text_make(k->c);
    for (int i = 0; i < n; i++) nrg_text_put(&t, " %s", list[i]);
    if (n && t.at) nrg_fact(k->c, "arguments:%s", t.at);
    if (!n) nrg_fact(k->c, "%s takes no arguments", name);
    nrg_text_free(&t);
    const char *near = nrg_nearest(arg, list, n);
    if (near) nrg_help(k->c, "did you mean '%s'?", near);
    return s;
}

nrg_status nrg_check_args(checker *k, const nrg_expr *call, const char *args, const char *name,
                          uint32_t free, unsigned see) {
    if (call->kind != NRG_X_CALL) return NRG_OK;
    uint32_t unnamed = 0, most = free;
    char word[40];
    const char *value;
    int n;
    for (int i = 0; nrg_arg_at(args, i, word, sizeof word, &value, &n); i++) most++;
    for (uint32_t i = 1; i < call->n; i++) {
        const nrg_expr *a = call->kid[i];
        const char *its = call->names ? call->names[i] : NULL;
        if (its && !row_has(args, its))
            return wrong_arg(k, name_before(k, a->span, its), its, args, name);
        if (!its && a->kind == NRG_X_NAME && row_has(args, a->text) &&
            !nrg_names_find(k, a->text, NULL))
            continue; // a flag: unroll
        if (!its && unnamed++ >= most) {
            nrg_status s = nrg_fail(k->c, NRG_E037, a->span, "%s takes at most %u argument%s", name,
                                    most, most == 1 ? "" : "s");
            if (*args) nrg_fact(k->c, "arguments: %s", args);
            return s;
        }
        TRY(nrg_resolve(k, a, see));
    }
    return NRG_OK;
}
