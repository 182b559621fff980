// Named buffers. Every graph of a run binds its inputs by name, so that all graphs share data, weights and inner results.
#include "infer/inside.h"
#include <string.h>

typedef struct {
    const char *name;
    nrg_buffer buffer;
    size_t own; // bytes of our own memory behind the buffer, 0: lent
    void *raw;  // where that begins: the buffer begins with a line of the cache, so that registers of 64 bytes never lie in two
} entry;
enum { LINE = 64 };

struct nrg_store {
    nrg_ctx *ctx;
    nrg_arena arena;
    nrg_dtype type;
    NRG_LIST(entry) entries;
    uint32_t *guess; // by where a name lies: the entry that it was last time
};
enum { GUESSES = 64 };

nrg_status nrg_store_new(nrg_ctx *c, nrg_dtype type, nrg_store **out) {
    nrg_arena arena = nrg_arena_make(c);
    nrg_store *s = NRG_NEW(&arena, nrg_store);
    uint32_t *guess = NRG_NEWS(&arena, uint32_t, GUESSES);
    *out = NULL;
    if (!s || !guess) {
        nrg_arena_free(&arena);
        return NRG_E098;
    }
    s->ctx = c;
    s->guess = guess;
    s->arena = arena;
    s->type = type;
    *out = s;
    return NRG_OK;
}

static void forget(nrg_store *s, entry *e) {
    if (e->own) nrg_mem(s->ctx, e->raw, e->own + LINE, 0);
    e->own = 0;
    e->buffer = (nrg_buffer){0};
}

void nrg_store_free(nrg_store *s) {
    if (!s) return;
    for (uint32_t i = 0; i < s->entries.n; i++) forget(s, &s->entries.at[i]);
    nrg_arena arena = s->arena;
    nrg_arena_free(&arena);
}

nrg_dtype nrg_store_type(const nrg_store *s) { return s->type; }

static entry *find(const nrg_store *s, const char *name) {
    uint32_t *guess = &s->guess[(uintptr_t)name / 8 % GUESSES];
    if (*guess < s->entries.n && strcmp(s->entries.at[*guess].name, name) == 0) return &s->entries.at[*guess];
    for (uint32_t i = 0; i < s->entries.n; i++)
        if (strcmp(s->entries.at[i].name, name) == 0) return &s->entries.at[*guess = i];
    return NULL;
}

static entry *need(nrg_store *s, const char *name) {
    entry *e = find(s, name);
    if (e) return e;
    entry fresh = {.name = nrg_arena_copy(&s->arena, name, strlen(name))};
    if (!fresh.name || NRG_PUSH(&s->arena, s->entries, fresh) != NRG_OK) return NULL;
    return &s->entries.at[s->entries.n - 1];
}

nrg_status nrg_store_put(nrg_store *s, const char *name, nrg_buffer b) {
    entry *e = need(s, name);
    if (!e) return NRG_E098;
    forget(s, e);
    e->buffer = b;
    return NRG_OK;
}

nrg_status nrg_store_make(nrg_store *s, const char *name, int64_t count, void **data) {
    entry *e = need(s, name);
    size_t bytes = (size_t)(count < 1 ? 1 : count) * nrg_dtype_size(s->type);
    *data = NULL;
    if (!e) return NRG_E098;
    if (e->own < bytes) {
        char *p = nrg_mem(s->ctx, NULL, 0, bytes + LINE);
        if (!p) return NRG_E098;
        forget(s, e);
        e->own = bytes;
        e->raw = p;
        e->buffer.data = p + (LINE - (uintptr_t)p % LINE) % LINE;
    }
    e->buffer.type = s->type == NRG_F64 ? NRG_BUF_F64 : NRG_BUF_F32;
    e->buffer.rows = NULL;
    memset(e->buffer.data, 0, bytes);
    *data = e->buffer.data;
    return NRG_OK;
}

const nrg_buffer *nrg_store_get(const nrg_store *s, const char *name) {
    const entry *e = find(s, name);
    return e ? &e->buffer : NULL;
}

void nrg_store_fill(const nrg_store *s, void *data, int64_t n, double value) {
    for (int64_t i = 0; i < n; i++) {
        if (s->type == NRG_F64)
            ((double *)data)[i] = value;
        else
            ((float *)data)[i] = (float)value;
    }
}

double nrg_store_number(nrg_dtype type, const void *data, int64_t i) {
    return type == NRG_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

void nrg_store_bind_known(const nrg_store *s, const nrg_graph *g, nrg_run *r) {
    for (uint32_t i = 0; i < nrg_input_count(g); i++) {
        const entry *e = find(s, nrg_input_name(g, i));
        if (e) nrg_run_bind(r, nrg_input_at(g, i), e->buffer);
    }
}

nrg_status nrg_store_bind(const nrg_store *s, const nrg_graph *g, nrg_run *r) {
    for (uint32_t i = 0; i < nrg_input_count(g); i++) {
        const char *name = nrg_input_name(g, i);
        if (strncmp(name, NRG_HOLE, sizeof NRG_HOLE - 1) == 0)
            continue; // stood in while the graph was built; nothing reads it
        const entry *e = find(s, name);
        if (e) {
            nrg_run_bind(r, nrg_input_at(g, i), e->buffer);
            continue;
        }
        nrg_status st = nrg_fail(s->ctx, NRG_E099, NRG_NOWHERE,
                                 "nothing is bound to the input %s of a graph", name);
        nrg_fact(s->ctx, "bound are %u names", s->entries.n);
        nrg_help(s->ctx, "put the array into the store under this name before running");
        return st;
    }
    return NRG_OK;
}

// ---- views for a part of the rows

nrg_status nrg_store_share(const nrg_store *from, nrg_store *to) {
    for (uint32_t i = 0; i < from->entries.n; i++)
        TRY(nrg_store_put(to, from->entries.at[i].name, from->entries.at[i].buffer));
    return NRG_OK;
}

// `name` shows its rows in another order, with repetitions.
static nrg_status reorder(nrg_store *s, const char *name, const int64_t *row, int64_t n) {
    entry *e = find(s, name);
    if (!e || !e->buffer.data) return NRG_OK;
    int64_t *to = NRG_NEWS(&s->arena, int64_t, n + 1);
    if (!to) return NRG_E098;
    for (int64_t i = 0; i < n; i++) to[i] = e->buffer.rows ? e->buffer.rows[row[i]] : row[i];
    e->buffer.rows = to;
    return NRG_OK;
}

nrg_status nrg_store_rows(const nrg_model *m, const nrg_store *from, const int64_t *row, int64_t n,
                          nrg_store **out) {
    char name[256];
    TRY(nrg_store_new(from->ctx, from->type, out));
    TRY(nrg_store_share(from, *out));
    for (uint32_t v = 0; v < m->vars.n; v++)
        if (m->vars.at[v].role != NRG_WEIGHT) TRY(reorder(*out, m->vars.at[v].name, row, n));
    for (uint32_t d = 0; d < m->dims.n; d++) {
        snprintf(name, sizeof name, "length:%s", m->dims.at[d].name);
        TRY(reorder(*out, name, row, n));
    }
    return NRG_OK;
}

static size_t buffer_size(nrg_buf_type t) {
    switch (t) {
    case NRG_BUF_F32:
    case NRG_BUF_I32:
    case NRG_BUF_U32: return 4;
    case NRG_BUF_F64:
    case NRG_BUF_I64: return 8;
    case NRG_BUF_I16:
    case NRG_BUF_U16: return 2;
    default: return 1;
    }
}

nrg_status nrg_store_shift(nrg_store *s, const char *name, int64_t row, int64_t numbers) {
    entry *e = find(s, name);
    if (!e || e->own) return NRG_OK;
    if (e->buffer.rows)
        e->buffer.rows += row;
    else if (e->buffer.data)
        e->buffer.data =
            (char *)e->buffer.data + (size_t)(row * numbers) * buffer_size(e->buffer.type);
    return NRG_OK;
}

nrg_status nrg_store_hypers(const nrg_model *m, nrg_store *s) {
    char name[256];
    for (uint32_t i = 0; i < m->hypers.n; i++) {
        void *data;
        if (!m->hypers.at[i].scheduled) continue;
        snprintf(name, sizeof name, "hyper:%s", m->hypers.at[i].name);
        TRY(nrg_store_make(s, name, 1, &data));
        nrg_store_fill(s, data, 1, m->hypers.at[i].to);
    }
    return NRG_OK;
}
