// Models: loading from a text, a callback or a file of weights; what they say about themselves.
#include "api/api.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static nrg_status copy_words(nrg_arena *a, const char *const *from, int n, const char ***out) {
    *out = n ? NRG_NEWS(a, const char *, n) : NULL;
    if (n && !*out) return NRG_E098;
    for (int i = 0; i < n; i++)
        if (!((*out)[i] = nrg_arena_copy(a, from[i], strlen(from[i])))) return NRG_E098;
    return NRG_OK;
}

static nrg_status no_double(nrg_ctx *c) {
    return nrg_fail(c, NRG_E094, NRG_NOWHERE, "bfloat16 products and double precision exclude each other");
}

// Products that would be slower than those of float32 are made only for who asks to see them.
static nrg_status products(nrg_ctx *c, const nrg_options *o) {
    if (!o || o->products == NRG_PRODUCTS_FULL) return NRG_OK;
    if (o->f64) return no_double(c);
    if (o->emulate || nrg_run_has_bf16()) return NRG_OK;
    const char *name = nrg_dtype_name(nrg_dtype_of(false, o->products));
    nrg_fail(c, NRG_E094, NRG_NOWHERE, "this processor has no matrix units for bfloat16 numbers (AMX): its bfloat16 products would be slower than float32 ones");
    nrg_help(c, "leave --%s out, or say --%s=emulate to see what it does to the answers", name, name);
    return NRG_E094;
}

static nrg_status make(nrg_ctx *c, const nrg_options *o, nrg_ebm **out) {
    *out = NULL;
    TRY(products(c, o));
    nrg_ebm *m = nrg_mem(c, NULL, 0, sizeof *m);
    if (!m) return NRG_E098;
    *m = (nrg_ebm){
        .ctx = c, .arena = nrg_arena_make(c), .said = nrg_text_make(c), .more = nrg_text_make(c)};
    m->threads = o && o->threads > 0 ? o->threads : nrg_cores();
    m->seed = o ? o->seed : 0;
    m->f64 = o && o->f64;
    m->products = o ? o->products : NRG_PRODUCTS_FULL;
    m->draws_only = o && o->draws_only;
    m->maps_n = o ? o->maps_n : 0;
    nrg_status s = o ? copy_words(&m->arena, o->maps, o->maps_n, &m->maps) : NRG_OK;
    if (s == NRG_OK) s = nrg_asked_new(c, &m->asked);
    if (s != NRG_OK) {
        nrg_ebm_free(m);
        return s;
    }
    *out = m;
    return NRG_OK;
}

void nrg_ebm_free(nrg_ebm *m) {
    if (!m) return;
    nrg_asked_free(m->asked);
    if (m->trainer)
        nrg_trainer_free(m->trainer);
    else if (m->store)
        nrg_store_free(m->store);
    if (m->model) nrg_model_free(m->model);
    nrg_text_free(&m->said);
    nrg_text_free(&m->more);
    nrg_arena_free(&m->arena);
    nrg_mem(m->ctx, m, sizeof *m, 0);
}

nrg_ctx *nrg_ebm_ctx(const nrg_ebm *m) { return m->ctx; }

static nrg_overrides overrides(const nrg_options *o) {
    nrg_overrides v = {.use = nrg_api_use};
    if (o) v.sets = o->sets, v.sets_n = o->sets_n, v.stmts = o->stmts, v.stmts_n = o->stmts_n;
    return v;
}

// Hands the model out, or frees it.
static nrg_status finish(nrg_ebm *m, nrg_status s, nrg_ebm **out) {
    if (s == NRG_OK)
        *out = m;
    else
        nrg_ebm_free(m);
    return s;
}

nrg_status nrg_ebm_load_text(nrg_ctx *c, const char *name, const char *text, size_t n,
                             const nrg_options *o, nrg_ebm **out) {
    nrg_ebm *m;
    nrg_overrides v = overrides(o);
    *out = NULL;
    TRY(make(c, o, &m));
    return finish(m, nrg_lang_load(c, name, text, n, &v, &m->model), out);
}

nrg_status nrg_ebm_load_fn(nrg_ctx *c, const char *name, const char *text, size_t n,
                           const nrg_options *o, const char *vars, nrg_energy_fn fn, void *ud,
                           nrg_ebm **out) {
    nrg_ebm *m;
    nrg_overrides v = overrides(o);
    *out = NULL;
    TRY(make(c, o, &m));
    return finish(m, nrg_lang_load_fn(c, name, text, n, &v, vars, fn, ud, &m->model), out);
}

// The model.nrg of a run shows what was trained: what is changed there changes nothing, and that is said.
static nrg_status compare_text(nrg_ebm *m, const char *run, const char *text) {
    char path[1000];
    nrg_text there = nrg_text_make(m->ctx);
    if ((size_t)snprintf(path, sizeof path, "%s/model.nrg", run) >= sizeof path || !nrg_file_exists(path)) return NRG_OK;
    nrg_status s = nrg_file_read(m->ctx, path, &there);
    size_t n = s == NRG_OK ? strlen(text) : 0, same = 0, line = 1;
    if (s == NRG_OK && (there.n != n || memcmp(there.at, text, n) != 0)) {
        for (; same < n && same < there.n && there.at[same] == text[same]; same++) line += text[same] == '\n';
        nrg_warn(m->ctx, NRG_W111, NRG_NOWHERE, "%s was changed at line %zu after training; the model inside the weights is used", path, line);
        nrg_help(m->ctx, "--set and --stmt change a trained model; nrg train %s --init %s -o NEW trains the changed text", path, run);
    }
    nrg_text_free(&there);
    return s;
}

// The model text inside the file, then sizes and weights.
static nrg_status load_trained(nrg_ebm *m, const char *path, const nrg_options *o) {
    nrg_weights *w;
    nrg_overrides v = overrides(o);
    TRY(nrg_weights_open(m->ctx, path, !(o && o->last), &w));
    const char *text = nrg_weights_text(w);
    nrg_kept kept = {w, ""};
    nrg_status s = NRG_OK;
    v.use_ud = &kept;
    if (!text) {
        s = nrg_fail(m->ctx, NRG_E057, NRG_NOWHERE, "%s holds weights but no model", path);
        nrg_help(m->ctx, "give the model file and --init %s", path);
    }
    if (s == NRG_OK) s = compare_text(m, path, text);
    if (s == NRG_OK) s = nrg_lang_load(m->ctx, path, text, strlen(text), &v, &m->model);
    m->f64 = nrg_weights_type(w) == NRG_F64;
    if (s == NRG_OK && m->f64 && m->products != NRG_PRODUCTS_FULL) s = no_double(m->ctx);
    if (s == NRG_OK) s = nrg_store_new(m->ctx, nrg_dtype_of(m->f64, m->draws_only ? NRG_PRODUCTS_FULL : m->products), &m->store);
    if (s == NRG_OK) s = nrg_weights_apply(w, m->model, m->store);
    m->started = s == NRG_OK;
    nrg_weights_free(w);
    return s;
}

static nrg_status read_stdin(nrg_text *t) {
    char part[4096];
    for (size_t n; (n = fread(part, 1, sizeof part, stdin)) > 0;) nrg_text_bytes(t, part, n);
    nrg_text_bytes(t, "", 0);
    return nrg_text_end(t);
}

nrg_status nrg_ebm_load(nrg_ctx *c, const char *path, const nrg_options *o, nrg_ebm **out) {
    nrg_ebm *m;
    *out = NULL;
    if (strcmp(path, "-") != 0 &&
        nrg_api_trained(path)) {
        TRY(make(c, o, &m));
        return finish(m, load_trained(m, path, o), out);
    }
    nrg_text text = nrg_text_make(c);
    bool in = strcmp(path, "-") == 0;
    nrg_status s = in ? read_stdin(&text) : nrg_file_read(c, path, &text);
    if (s == NRG_OK) s = nrg_ebm_load_text(c, in ? "stdin" : path, text.at, text.n, o, out);
    nrg_text_free(&text);
    return s;
}

void nrg_api_clear(nrg_text *t) {
    t->n = 0;
    t->bad = false;
}

nrg_status nrg_api_text(nrg_ebm *m, const char **text) {
    TRY(nrg_text_end(&m->said));
    *text = m->said.at ? m->said.at : "";
    return NRG_OK;
}

nrg_status nrg_api_var(const nrg_ebm *m, const char *name, int32_t *out) {
    const char *names[NRG_MAX_VARS];
    *out = nrg_model_var(m->model, name);
    if (*out >= 0) return NRG_OK;
    int n = 0;
    for (uint32_t i = 0; i < m->model->vars.n && n < NRG_MAX_VARS; i++)
        names[n++] = m->model->vars.at[i].name;
    const char *near = nrg_nearest(name, names, n);
    nrg_fail(m->ctx, NRG_E011, NRG_NOWHERE, "unknown variable '%s'", name);
    if (near) nrg_help(m->ctx, "did you mean '%s'?", near);
    return NRG_E011;
}

// ---- what the model says about its variables ----

int nrg_ebm_vars(const nrg_ebm *m) { return (int)m->model->vars.n; }
int nrg_ebm_find(const nrg_ebm *m, const char *var) { return nrg_model_var(m->model, var); }

nrg_status nrg_ebm_var(nrg_ebm *m, int i, nrg_var_info *out) {
    const nrg_model *k = m->model;
    nrg_type t;
    if (i < 0 || i >= (int)k->vars.n)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "variable %d of %u", i, k->vars.n);
    const nrg_var *v = &k->vars.at[i];
    TRY(nrg_var_type(k, i, &t));
    *out = (nrg_var_info){.name = v->name, .role = v->role, .elem = v->elem, .rank = t.rank};
    for (int a = 0; a < t.rank; a++) {
        out->dim[a] = t.axis[a].size;
        out->axis[a] = t.axis[a].dim >= 0 ? k->dims.at[t.axis[a].dim].name : NULL;
    }
    if (v->category >= 0) {
        const nrg_dim *d = &k->dims.at[v->category];
        out->labels = d->labels;
        out->labels_n = d->size;
    }
    return NRG_OK;
}

bool nrg_ebm_hyper(const nrg_ebm *m, int i, nrg_hyper_info *out) {
    if (i < 0 || i >= (int)m->model->hypers.n) return false;
    const nrg_hyper *h = &m->model->hypers.at[i];
    *out = (nrg_hyper_info){h->name, h->from, h->to, h->lo, h->hi};
    return true;
}

bool nrg_ebm_trained(const nrg_ebm *m) { return m->started; }
