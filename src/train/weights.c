// Weights: made by their init rules, saved with the model text and what the data decided, loaded back.
#include "train/inside.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

// ---- init --------------------------------------------------------------------------------------------------------

static int32_t sampled(const nrg_model *m, const nrg_expr *e) {
    if (!e || e->kind != NRG_X_CALL || e->n < 2 || e->kid[1]->kind != NRG_X_NAME) return -1;
    return nrg_model_var(m, e->kid[1]->text);
}

// The training rows that weights may start from.
typedef struct { const nrg_bound *data; const int64_t *row; int64_t n; } source; // row NULL: all n

// init samples(y): distinct rows of the data, drawn by counter; fixed centres: all of them in their order.
static nrg_status from_samples(nrg_model *m, nrg_store *s, const source *from, uint32_t at, uint64_t seed, double *to) {
    const nrg_param *p = &m->params.at[at];
    const nrg_bound *data = from->data;
    int32_t var = p->fixed ? p->rows_of : sampled(m, p->init_expr);
    if (var < 0 || !data)
        return nrg_fail(m->ctx, NRG_E051, p->span, "%s starts from samples of the data, but there are none", p->name);
    int64_t n = from->n, rows = p->shape.rank ? p->shape.dim[0] : 1,
            width = nrg_shape_count(&p->shape) / (rows ? rows : 1);
    nrg_shape one;
    TRY(nrg_var_shape(m, var, &one));
    if (width != nrg_shape_count(&one) || n < rows) {
        nrg_status st =
            nrg_fail(m->ctx, NRG_E050, p->span, "%s cannot start from samples(%s)", p->name, m->vars.at[var].name);
        nrg_fact(m->ctx, "it needs %lld samples of %lld numbers; the data have %lld of %lld", (long long)rows,
                 (long long)width, (long long)n, (long long)nrg_shape_count(&one));
        return st;
    }
    size_t bytes = (size_t)(n + 1) * sizeof(int64_t);
    int64_t *order = nrg_mem(m->ctx, NULL, 0, bytes);
    if (!order) return NRG_E098;
    if (!p->fixed) nrg_random_shuffle(seed, NRG_FOR_INIT, at, order, n);
    for (int64_t i = 0; i < n; i++) {
        if (p->fixed) order[i] = i;
        if (from->row) order[i] = from->row[order[i]];
    }
    nrg_status st = nrg_bound_numbers(data, s, var, order, rows, to);
    nrg_mem(m->ctx, order, bytes, 0);
    return st;
}

static nrg_status draw(nrg_model *m, nrg_store *s, const source *data, uint32_t at, uint64_t seed, double *to) {
    const nrg_param *p = &m->params.at[at];
    int64_t n = nrg_shape_count(&p->shape);
    if (p->values) return memcpy(to, p->values, (size_t)n * sizeof *to), NRG_OK;
    for (int64_t i = 0; i < n; i++) {
        double x = 0;
        if (p->init == NRG_INIT_CONSTANT) x = p->scale;
        if (p->init == NRG_INIT_NORMAL) x = p->scale * nrg_random_normal(seed, NRG_FOR_INIT, at, 0, (uint32_t)i);
        if (p->init == NRG_INIT_UNIFORM)
            x = p->scale * (2 * nrg_random_uniform(seed, NRG_FOR_INIT, at, 0, (uint32_t)i) - 1);
        to[i] = x;
    }
    return p->init == NRG_INIT_SAMPLES ? from_samples(m, s, data, at, seed, to) : NRG_OK;
}

static nrg_status put_param(nrg_model *m, nrg_store *s, uint32_t at, const double *from) {
    const nrg_param *p = &m->params.at[at];
    void *data;
    TRY(nrg_store_make(s, p->name, nrg_shape_count(&p->shape), &data));
    nrg_numbers_put(nrg_store_get(s, p->name), from, nrg_shape_count(&p->shape));
    return NRG_OK;
}

nrg_status nrg_weights_init(nrg_model *m, nrg_store *s, const nrg_bound *data, const int64_t *rows, int64_t n, uint64_t seed) {
    source from = {data, rows, rows ? n : data ? nrg_bound_rows(data) : 0};
    for (int averages = 0; averages < 2; averages++) // what is averaged first, then its average, which starts as a copy
        for (uint32_t i = 0; i < m->params.n; i++) {
            const nrg_param *p = &m->params.at[i];
            if ((p->average_of >= 0) != (averages == 1)) continue;
            if (p->fixed && nrg_store_get(s, p->name)) continue; // training rows stay what they are
            size_t bytes = (size_t)(nrg_shape_count(&p->shape) + 1) * sizeof(double);
            double *to = nrg_mem(m->ctx, NULL, 0, bytes);
            if (!to) return NRG_E098;
            nrg_status st = NRG_OK;
            if (averages && !p->values)
                nrg_numbers_get(nrg_store_get(s, m->params.at[p->average_of].name), to, nrg_shape_count(&p->shape));
            else st = draw(m, s, &from, i, seed, to);
            if (st == NRG_OK) st = put_param(m, s, i, to);
            nrg_mem(m->ctx, to, bytes, 0);
            TRY(st);
        }
    return nrg_weights_project(m, s);
}

// ---- saving ------------------------------------------------------------------------------------------------------

void nrg_machine(nrg_text *out) {
    struct utsname u;
    nrg_text_put(out, "%s", uname(&u) == 0 ? u.machine : "unknown");
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("avx2")) nrg_text_put(out, " avx2");
    if (__builtin_cpu_supports("avx512f")) nrg_text_put(out, " avx512f");
#endif
}

static void put_dims(const nrg_model *m, nrg_text *dims, nrg_text *labels) {
    for (uint32_t i = 0; i < m->dims.n; i++) {
        const nrg_dim *d = &m->dims.at[i];
        nrg_text_put(dims, "%s%s=%lld", dims->n ? " " : "", d->name, (long long)d->size);
        if (!d->labels || d->size < 0) continue;
        nrg_text_put(labels, "%s%s", labels->n ? "\n" : "", d->name);
        for (int64_t k = 0; k < d->size; k++) nrg_text_put(labels, "\t%s", d->labels[k]);
    }
}

// Fitted transforms that data statements name: their constants go with the weights.
typedef struct { nrg_tensor *at; int n; const nrg_store *store; nrg_arena *arena; } list;

static nrg_status put_tensor(list *l, const char *name, int32_t rank, const int64_t *dim) {
    const nrg_buffer *b = nrg_store_get(l->store, name);
    if (!b) return NRG_OK;
    nrg_tensor t = {
        .name = name, .type = b->type == NRG_BUF_F64 ? NRG_CELL_F64 : NRG_CELL_F32, .rank = rank, .data = b->data};
    for (int32_t i = 0; i < rank; i++) t.dim[i] = dim[i];
    l->at[l->n++] = t;
    return NRG_OK;
}

enum { MAX_TRANSFORMS = 64 };

static nrg_status put_transforms(list *l, const nrg_expr *e) {
    if (!e) return NRG_OK;
    if (e->kind == NRG_X_CALL && e->kid[0]->kind == NRG_X_NAME && e->n > 1 && e->kid[1]->kind == NRG_X_NAME) {
        bool white = nrg_same(e->kid[0]->text, "whiten");
        const char *f = white ? "whiten" : "standardise", *a = e->kid[1]->text;
        bool fits = white || nrg_same(e->kid[0]->text, "standardise") || nrg_same(e->kid[0]->text, "standardize");
        const char *width = nrg_arena_print(l->arena, "%s:%s:width", f, a),
                   *mean = nrg_arena_print(l->arena, "%s:%s:mean", f, a);
        const char *scale = nrg_arena_print(l->arena, "%s:%s:%s", f, a, white ? "matrix" : "sd");
        if (!width || !mean || !scale) return NRG_E098;
        const nrg_buffer *b = fits ? nrg_store_get(l->store, width) : NULL;
        for (int i = 0; i < l->n && b; i++)
            if (nrg_same(l->at[i].name, mean)) b = NULL;
        if (b && l->n < MAX_TRANSFORMS - 2) {
            double n;
            nrg_numbers_get(b, &n, 1);
            int64_t dim[2] = {(int64_t)n, (int64_t)n};
            TRY(put_tensor(l, mean, 1, dim));
            TRY(put_tensor(l, scale, white ? 2 : 1, dim));
        }
    }
    for (uint32_t i = 0; i < e->n; i++) TRY(put_transforms(l, e->kid[i]));
    return NRG_OK;
}

static nrg_status tensors(const nrg_model *m, list *l, const nrg_tensor *extra, int extra_n) {
    for (uint32_t i = 0; i < m->datas.n; i++) TRY(put_transforms(l, m->datas.at[i].expr));
    for (uint32_t i = 0; i < m->params.n; i++)
        TRY(put_tensor(l, m->params.at[i].name, m->params.at[i].shape.rank, m->params.at[i].shape.dim));
    for (int i = 0; i < extra_n; i++) l->at[l->n++] = extra[i];
    return NRG_OK;
}

// Texts and sizes of used models go with the weights, so that a run needs no other file: "use:young", "dims:young", "labels:young",
// "rows:young", and "use:young:face" of what is used there.
typedef NRG_LIST(nrg_meta) metas;

static nrg_status put_meta(metas *l, nrg_arena *a, const char *what, const char *name, const char *value) {
    const char *key = nrg_arena_print(a, "%s:%s", what, name), *copy = value ? nrg_arena_copy(a, value, strlen(value)) : "";
    return key && copy ? NRG_PUSH(a, *l, ((nrg_meta){key, copy})) : NRG_E098;
}

static nrg_status put_uses(const nrg_model *m, const char *in, nrg_arena *a, metas *l) {
    for (uint32_t i = 0; i < m->uses.n; i++) {
        const nrg_model *u = m->uses.at[i].model;
        const char *name = nrg_arena_print(a, "%s%s%s", in, *in ? ":" : "", m->uses.at[i].name);
        if (!name) return NRG_E098;
        if (!u) continue;
        nrg_text dims = nrg_text_make(m->ctx), labels = nrg_text_make(m->ctx);
        char rows[32];
        snprintf(rows, sizeof rows, "%lld", (long long)u->rows);
        put_dims(u, &dims, &labels);
        nrg_status s = dims.bad || labels.bad ? NRG_E098 : put_meta(l, a, "use", name, nrg_source_text(m->ctx, u->file, NULL));
        if (s == NRG_OK) s = put_meta(l, a, "dims", name, dims.at);
        if (s == NRG_OK) s = put_meta(l, a, "labels", name, labels.at);
        if (s == NRG_OK) s = put_meta(l, a, "rows", name, rows);
        nrg_text_free(&dims);
        nrg_text_free(&labels);
        if (s == NRG_OK) s = put_uses(u, name, a, l);
        TRY(s);
    }
    return NRG_OK;
}

nrg_status nrg_weights_save_as(const nrg_model *m, const nrg_store *store, const char *text, const char *path,
                               const nrg_meta *more, int more_n, const nrg_tensor *extra, int extra_n) {
    nrg_arena arena = nrg_arena_make(m->ctx);
    nrg_text dims = nrg_text_make(m->ctx), labels = nrg_text_make(m->ctx), machine = nrg_text_make(m->ctx);
    list l = {.store = store,
              .arena = &arena,
              .at = NRG_NEWS(&arena, nrg_tensor, m->params.n + (uint32_t)extra_n + MAX_TRANSFORMS)};
    metas meta = {0};
    const char *beta = nrg_arena_print(&arena, "%.17g", m->beta),
               *rows = nrg_arena_print(&arena, "%lld", (long long)m->rows);
    put_dims(m, &dims, &labels);
    nrg_machine(&machine);
    if (!text) text = nrg_source_text(m->ctx, m->file, NULL);
    nrg_status s = l.at && beta && rows && !dims.bad && !labels.bad && !machine.bad ? NRG_OK : NRG_E098;
    if (s == NRG_OK) s = tensors(m, &l, extra, extra_n);
    if (s == NRG_OK) {
        const nrg_meta own[] = {{"format", "nrg"},
                                {"model", text ? text : ""},
                                {"dims", dims.n ? dims.at : ""},
                                {"labels", labels.n ? labels.at : ""},
                                {"beta", beta},
                                {"version", NRG_VERSION},
                                {"machine", machine.at}};
        for (int i = 0; i < 7 && s == NRG_OK; i++) s = NRG_PUSH(&arena, meta, own[i]);
        for (int i = 0; i < more_n && s == NRG_OK; i++) s = NRG_PUSH(&arena, meta, more[i]);
        if (s == NRG_OK) s = put_uses(m, "", &arena, &meta);
        if (s == NRG_OK) s = nrg_tensors_write(m->ctx, path, l.at, l.n, meta.at, (int)meta.n);
    }
    nrg_text_free(&dims);
    nrg_text_free(&labels);
    nrg_text_free(&machine);
    nrg_arena_free(&arena);
    return s;
}

nrg_status nrg_weights_save(const nrg_model *m, const nrg_store *store, const char *model_text, const char *path) {
    char rows[32];
    nrg_text fitted = nrg_text_make(m->ctx);
    snprintf(rows, sizeof rows, "%lld", (long long)m->rows);
    for (uint32_t v = 0; v < m->vars.n; v++)
        if (m->calibrated >> v & 1) nrg_text_put(&fitted, "%s%s", fitted.n ? " " : "", m->vars.at[v].name);
    nrg_meta more[] = {{"rows", rows}, {"calibrated", fitted.n ? fitted.at : ""}};
    nrg_status s = fitted.bad ? NRG_E098 : nrg_weights_save_as(m, store, model_text, path, more, fitted.n ? 2 : 1, NULL, 0);
    nrg_text_free(&fitted);
    return s;
}

// ---- loading -----------------------------------------------------------------------------------------------------

struct nrg_weights {
    nrg_ctx *ctx;
    nrg_tensors *file;
    char *path;
    nrg_arena arena;
};

static nrg_status choose(nrg_ctx *c, nrg_arena *a, const char *path, bool best, char **out) {
    static const char *const names[] = {"best.safetensors", "weights.safetensors"};
    char *folder = nrg_arena_print(a, "%s/.", path);
    if (!folder) return NRG_E098;
    if (!nrg_file_exists(folder)) return *out = nrg_arena_print(a, "%s", path), *out ? NRG_OK : NRG_E098;
    for (int i = best ? 0 : 1; i < 2; i++) {
        *out = nrg_arena_print(a, "%s%s%s", path, *path && path[strlen(path) - 1] == '/' ? "" : "/", names[i]);
        if (!*out) return NRG_E098;
        if (nrg_file_exists(*out)) return NRG_OK;
    }
    nrg_status s = nrg_fail(c, NRG_E053, NRG_NOWHERE, "%s holds no weights", path);
    nrg_help(c, "a run directory holds weights.safetensors once nrg train has made a checkpoint");
    return s;
}

nrg_status nrg_weights_open(nrg_ctx *c, const char *path, bool best, nrg_weights **out) {
    nrg_arena arena = nrg_arena_make(c);
    nrg_weights *w = NRG_NEW(&arena, nrg_weights);
    *out = NULL;
    nrg_status s = w ? choose(c, &arena, path, best, &w->path) : NRG_E098;
    if (s == NRG_OK) s = nrg_tensors_open(c, w->path, &w->file);
    if (s != NRG_OK) return nrg_arena_free(&arena), s;
    w->ctx = c;
    w->arena = arena;
    *out = w;
    return NRG_OK;
}

void nrg_weights_free(nrg_weights *w) {
    if (!w) return;
    nrg_tensors_free(w->file);
    nrg_arena arena = w->arena;
    nrg_arena_free(&arena);
}

const char *nrg_weights_meta(const nrg_weights *w, const char *key) { return nrg_tensors_meta(w->file, key); }

const char *nrg_weights_text(const nrg_weights *w) {
    const char *text = nrg_weights_meta(w, "model");
    return text && *text ? text : NULL;
}

static bool constants(const char *name) {
    return strncmp(name, "standardise:", 12) == 0 || strncmp(name, "whiten:", 7) == 0;
}

nrg_dtype nrg_weights_type(const nrg_weights *w) {
    for (int i = 0; i < nrg_tensors_count(w->file); i++)
        if (nrg_tensors_at(w->file, i)->type == NRG_CELL_F64) return NRG_F64;
    return NRG_F32;
}

enum { MOST = 1 << 30 }; // no dim is larger: sizes from files must not overflow products

static nrg_status set_dim(nrg_model *m, const char *name, size_t n, int64_t size) {
    for (uint32_t i = 0; i < m->dims.n; i++) {
        nrg_dim *d = &m->dims.at[i];
        if (strlen(d->name) != n || strncmp(d->name, name, n) != 0) continue;
        if (d->size < 0) d->size = size;
        if (d->size == size || size < 0) return NRG_OK;
        nrg_status s = nrg_fail(m->ctx, NRG_E057, d->span, "%s = %lld, but the weights were made with %s = %lld",
                                d->name, (long long)d->size, d->name, (long long)size);
        nrg_help(m->ctx, "leave --set %s out, or train anew", d->name);
        return s;
    }
    return NRG_OK; // a dim that this model does not have
}

static nrg_status set_dims(nrg_model *m, const char *p) {
    while (p && *p) {
        size_t n = strcspn(p, "=");
        if (!p[n]) break;
        char *end;
        long long size = strtoll(p + n + 1, &end, 10);
        if (size > MOST)
            return nrg_fail(m->ctx, NRG_E057, NRG_NOWHERE, "the weights file claims a dim of size %lld", size);
        TRY(set_dim(m, p, n, (int64_t)size));
        p = *end == ' ' ? end + 1 : end;
        if (*end && *end != ' ') break;
    }
    return NRG_OK;
}

static nrg_status set_labels(nrg_model *m, const char *p) {
    while (p && *p) {
        size_t line = strcspn(p, "\n"), n = strcspn(p, "\t\n");
        char *name = nrg_arena_copy(&m->arena, p, n);
        int32_t dim = name ? nrg_model_dim(m, name) : -1;
        if (!name) return NRG_E098;
        nrg_dim *d = dim >= 0 ? &m->dims.at[dim] : NULL;
        if (d && !d->labels && d->size >= 0 && d->size < (int64_t)line) {
            const char **labels = NRG_NEWS(&m->arena, const char *, d->size + 1);
            int64_t k = 0;
            if (!labels) return NRG_E098;
            for (const char *q = p + n; q < p + line && k < d->size; k++) {
                size_t width = strcspn(q + 1, "\t\n");
                if (!(labels[k] = nrg_arena_copy(&m->arena, q + 1, width))) return NRG_E098;
                q += width + 1;
            }
            if (k == d->size) d->labels = labels;
        }
        p += line + (p[line] == '\n');
    }
    return NRG_OK;
}

// Variables whose scale was fitted, by name.
static void set_calibrated(nrg_model *m, const char *p) {
    for (; p && *p; p += *p == ' ') {
        size_t n = strcspn(p, " ");
        for (uint32_t v = 0; v < m->vars.n; v++)
            if (strlen(m->vars.at[v].name) == n && strncmp(m->vars.at[v].name, p, n) == 0)
                m->calibrated |= (nrg_vars)1 << v;
        p += n;
    }
}

static bool same_shape(const nrg_tensor *t, const nrg_shape *s) {
    if (t->rank != s->rank) return false;
    for (int i = 0; i < s->rank; i++)
        if (t->dim[i] != s->dim[i]) return false;
    return true;
}

// A stored array into the store under its name, in the store's precision.
nrg_status nrg_tensor_load(nrg_ctx *c, const nrg_tensor *t, nrg_store *store) {
    nrg_array view = {.type = t->type, .rank = 1, .data = t->data};
    int64_t n = 1;
    void *to;
    for (int i = 0; i < t->rank; i++) n *= t->dim[i];
    (void)c;
    TRY(nrg_store_make(store, t->name, n, &to));
    for (int64_t i = 0; i < n; i++) {
        double x = nrg_array_value(&view, i);
        if (nrg_store_type(store) == NRG_F64) ((double *)to)[i] = x;
        else ((float *)to)[i] = (float)x;
    }
    return NRG_OK;
}

static nrg_status load_params(nrg_model *m, nrg_store *store, const nrg_weights *w) {
    for (uint32_t i = 0; i < m->params.n; i++) {
        const nrg_param *p = &m->params.at[i];
        const nrg_tensor *t = nrg_tensors_find(w->file, p->name);
        if (t && same_shape(t, &p->shape)) {
            TRY(nrg_tensor_load(m->ctx, t, store));
            continue;
        }
        nrg_status s =
            nrg_fail(m->ctx, NRG_E057, p->span, t ? "%s of %s has another shape" : "%s is not among the weights of %s",
                     p->name, w->path);
        nrg_text line = nrg_text_make(m->ctx);
        for (int k = 0; k < p->shape.rank; k++)
            nrg_text_put(&line, "%s%lld", k ? " x " : "", (long long)p->shape.dim[k]);
        if (t) nrg_text_put(&line, ", found ");
        for (int k = 0; t && k < t->rank; k++) nrg_text_put(&line, "%s%lld", k ? " x " : "", (long long)t->dim[k]);
        if (!line.bad) nrg_fact(m->ctx, "needed: %s", line.n ? line.at : "one number");
        nrg_text_free(&line);
        nrg_help(m->ctx, "the file was written by another model; use the model stored with it");
        return s;
    }
    return NRG_OK;
}

nrg_status nrg_weights_sizes(const nrg_weights *w, const char *use, nrg_model *m) {
    char key[3][300];
    static const char *const what[] = {"dims", "labels", "rows"};
    for (int i = 0; i < 3; i++) snprintf(key[i], sizeof key[i], "%s%s%s", what[i], use ? ":" : "", use ? use : "");
    const char *rows = nrg_weights_meta(w, key[2]);
    TRY(set_dims(m, nrg_weights_meta(w, key[0])));
    TRY(set_labels(m, nrg_weights_meta(w, key[1])));
    if (rows && m->rows == 0) m->rows = strtoll(rows, NULL, 10);
    return NRG_OK;
}

nrg_status nrg_weights_apply(const nrg_weights *w, nrg_model *m, nrg_store *store) {
    TRY(nrg_weights_sizes(w, NULL, m));
    set_calibrated(m, nrg_weights_meta(w, "calibrated"));
    TRY(nrg_model_resolve(m, nrg_store_type(store)));
    TRY(load_params(m, store, w));
    for (int i = 0; i < nrg_tensors_count(w->file); i++) {
        const nrg_tensor *t = nrg_tensors_at(w->file, i);
        if (!constants(t->name)) continue;
        TRY(nrg_tensor_load(m->ctx, t, store));
        const char *colon = strrchr(t->name, ':');
        char name[300];
        if (t->rank != 1 || !nrg_same(colon, ":mean")) continue;
        snprintf(name, sizeof name, "%.*s:width", (int)(colon - t->name), t->name);
        TRY(nrg_number_set(store, name, (double)t->dim[0]));
    }
    return nrg_loss_clock(m, store, 1);
}

nrg_status nrg_weights_lend(const nrg_weights *w, nrg_model *m) {
    nrg_store *store;
    TRY(nrg_store_new(m->ctx, nrg_weights_type(w), &store));
    nrg_status s = nrg_weights_apply(w, m, store);
    for (uint32_t i = 0; i < m->params.n && s == NRG_OK; i++) {
        int64_t n = nrg_shape_count(&m->params.at[i].shape);
        double *values = NRG_NEWS(&m->arena, double, n + 1);
        if (values) nrg_numbers_get(nrg_store_get(store, m->params.at[i].name), values, n);
        else s = NRG_E098;
        m->params.at[i].values = values;
    }
    nrg_store_free(store);
    return s;
}

nrg_status nrg_weights_from(nrg_model *m, nrg_store *store, const char *path) {
    nrg_weights *w;
    TRY(nrg_weights_open(m->ctx, path, true, &w));
    nrg_status s = load_params(m, store, w);
    nrg_weights_free(w);
    return s;
}
