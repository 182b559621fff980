// Tables: arrays by name, with the memory behind them; ragged arrays from offsets; equal numbers of samples.
#include "data/data.h"
#include <string.h>
#include <zlib.h>

struct nrg_table {
    nrg_ctx *ctx;
    nrg_arena arena;
    struct {
        nrg_array **at;
        uint32_t n, cap;
    } arrays;
    struct {
        nrg_blob *at;
        uint32_t n, cap;
    } blobs;
};

nrg_status nrg_table_new(nrg_ctx *c, nrg_table **out) {
    nrg_table *t = nrg_mem(c, NULL, 0, sizeof *t);
    if (!t) return NRG_E098;
    *t = (nrg_table){.ctx = c, .arena = nrg_arena_make(c)};
    *out = t;
    return NRG_OK;
}

void nrg_table_free(nrg_table *t) {
    if (!t) return;
    for (uint32_t i = 0; i < t->blobs.n; i++) nrg_blob_free(&t->blobs.at[i]);
    nrg_arena_free(&t->arena);
    nrg_mem(t->ctx, t, sizeof *t, 0);
}

nrg_ctx *nrg_table_ctx(const nrg_table *t) { return t->ctx; }
nrg_arena *nrg_table_arena(nrg_table *t) { return &t->arena; }
int nrg_table_count(const nrg_table *t) { return (int)t->arrays.n; }
const nrg_array *nrg_table_at(const nrg_table *t, int i) { return t->arrays.at[i]; }
int64_t nrg_table_rows(const nrg_table *t) { return t->arrays.n ? t->arrays.at[0]->samples : 0; }

static nrg_array *find(const nrg_table *t, const char *name) {
    for (uint32_t i = 0; i < t->arrays.n; i++)
        if (strcmp(t->arrays.at[i]->name, name) == 0) return t->arrays.at[i];
    return NULL;
}

const nrg_array *nrg_table_find(const nrg_table *t, const char *name) { return find(t, name); }

nrg_status nrg_table_keep(nrg_table *t, nrg_blob *b) {
    TRY(NRG_PUSH(&t->arena, t->blobs, *b));
    *b = (nrg_blob){.ctx = b->ctx};
    return NRG_OK;
}

static nrg_status copy_labels(nrg_table *t, nrg_array *a) {
    const char **labels = NRG_NEWS(&t->arena, const char *, a->labels_n);
    if (!labels) return NRG_E098;
    for (int64_t i = 0; i < a->labels_n; i++) {
        labels[i] = nrg_arena_copy(&t->arena, a->labels[i], strlen(a->labels[i]));
        if (!labels[i]) return NRG_E098;
    }
    a->labels = labels;
    return NRG_OK;
}

// What a caller's array must hold before anybody reads its cells. NULL, or what is wrong.
static const char *fault(const nrg_array *a) {
    int64_t cells;
    if ((unsigned)a->type >= NRG_CELL_COUNT) return "its type of cells is unknown";
    if (a->rank < 1 || a->rank > NRG_ARRAY_RANK) return "it must have 1 to 8 axes";
    if (!nrg_product(a->dim, a->rank, &cells)) return "its shape is negative or impossibly large";
    if (cells > 0 && !a->data) return "it has no data";
    if (!a->offsets) return NULL;
    if (a->samples < 0 || a->offsets[0] != 0 || a->offsets[a->samples] != a->dim[0])
        return "its offsets do not span its items";
    for (int64_t i = 0; i < a->samples; i++)
        if (a->offsets[i] > a->offsets[i + 1]) return "its offsets fall";
    return NULL;
}

static nrg_status add(nrg_table *t, const nrg_array *from, nrg_array **out) {
    if (!from->name || !*from->name) return nrg_fail(t->ctx, NRG_E054, NRG_NOWHERE, "an array without a name");
    const char *wrong = fault(from);
    if (wrong) return nrg_fail(t->ctx, NRG_E054, NRG_NOWHERE, "array '%s': %s", from->name, wrong);
    const nrg_array *taken = find(t, from->name);
    const char *file = from->file ? from->file : "memory";
    if (taken) {
        nrg_fail(t->ctx, NRG_E090, NRG_NOWHERE, "two arrays are called '%s'", from->name);
        nrg_fact(t->ctx, "one is in %s, one in %s", taken->file, file);
        nrg_help(t->ctx, "name one of them: --data NAME=%s", file);
        return NRG_E090;
    }
    nrg_array *a = NRG_NEW(&t->arena, nrg_array);
    if (!a) return NRG_E098;
    *a = *from;
    a->name = nrg_arena_copy(&t->arena, from->name, strlen(from->name));
    a->file = nrg_arena_copy(&t->arena, file, strlen(file));
    if (!a->offsets) a->samples = a->dim[0];
    if (!a->name || !a->file) return NRG_E098;
    if (a->labels) TRY(copy_labels(t, a));
    *out = a;
    return NRG_PUSH(&t->arena, t->arrays, a);
}

nrg_status nrg_table_add(nrg_table *t, const nrg_array *a) {
    nrg_array *made;
    return add(t, a, &made);
}

nrg_status nrg_table_make(nrg_table *t, const char *name, nrg_cell type, int32_t rank, const int64_t *dim,
                          nrg_array **out) {
    nrg_array a = {.name = name, .type = type, .rank = rank};
    memcpy(a.dim, dim, (size_t)rank * sizeof *dim);
    int64_t bytes;
    if (!nrg_product(dim, rank, &bytes) || !nrg_times(bytes, (int64_t)nrg_cell_size(type), &bytes))
        return nrg_fail(t->ctx, NRG_E098, NRG_NOWHERE, "array '%s' is too large for the memory of any machine", name);
    a.data = nrg_arena_get(&t->arena, (size_t)bytes);
    return a.data ? add(t, &a, out) : NRG_E098;
}

// ---- ragged arrays ----

// The name of the array that `name` holds the offsets of: "" for all that fit, NULL when it holds none.
static nrg_status offsets_of(nrg_table *t, const char *name, const char **out) {
    size_t n = strlen(name), tail = strlen("offsets");
    *out = strcmp(name, "offsets") == 0 ? "" : NULL;
    if (n < tail + 2 || strcmp(name + n - tail, "offsets") != 0 || name[n - tail - 1] != '_') return NRG_OK;
    *out = nrg_arena_copy(&t->arena, name, n - tail - 1);
    return *out ? NRG_OK : NRG_E098;
}

static bool whole_numbers(const nrg_array *a) {
    return a->type != NRG_CELL_F32 && a->type != NRG_CELL_F64 && !a->labels;
}

// Offsets as int64: 0 first, never falling.
static nrg_status read_offsets(nrg_table *t, const nrg_array *o, const int64_t **out) {
    nrg_ctx *c = t->ctx;
    if (o->rank != 1 || o->dim[0] < 1 || !whole_numbers(o))
        return nrg_fail(c, NRG_E054, NRG_NOWHERE, "%s: offsets '%s' must be whole numbers [samples + 1]", o->file,
                        o->name);
    int64_t *at = NRG_NEWS(&t->arena, int64_t, o->dim[0]);
    if (!at) return NRG_E098;
    for (int64_t i = 0; i < o->dim[0]; i++) {
        at[i] = (int64_t)nrg_array_value(o, i);
        int64_t least = i ? at[i - 1] : 0;
        if (at[i] < least || (i == 0 && at[i] != 0))
            return nrg_fail(c, NRG_E054, NRG_NOWHERE, "%s: %s[%lld] is %lld, expected %s%lld", o->file, o->name,
                            (long long)i, (long long)at[i], i ? "at least " : "", (long long)least);
    }
    *out = at;
    return NRG_OK;
}

static nrg_status make_ragged(nrg_table *t, nrg_array *a, const nrg_array *o, const int64_t *at) {
    int64_t last = at[o->dim[0] - 1];
    if (last != a->dim[0])
        return nrg_fail(t->ctx, NRG_E056, NRG_NOWHERE, "'%s' has %lld items, but the last of '%s' is %lld", a->name,
                        (long long)a->dim[0], o->name, (long long)last);
    a->offsets = at;
    a->samples = o->dim[0] - 1;
    return NRG_OK;
}

static nrg_status use_offsets(nrg_table *t, const nrg_array *o, const char *target, bool *used) {
    nrg_array *one = *target ? find(t, target) : NULL;
    *used = false;
    if (*target && (!one || one->offsets)) return NRG_OK; // an array that only happens to be called so
    const int64_t *at = NULL;
    TRY(read_offsets(t, o, &at));
    int64_t last = at[o->dim[0] - 1];
    *used = true;
    if (one) return make_ragged(t, one, o, at);
    if (last == o->dim[0] - 1) {
        nrg_fail(t->ctx, NRG_E056, NRG_NOWHERE,
                 "'offsets' fits flat arrays and arrays of samples alike: both have %lld rows", (long long)last);
        nrg_help(t->ctx, "call it NAME_offsets after the flat array");
        return NRG_E056;
    }
    for (uint32_t i = 0; i < t->arrays.n; i++) {
        nrg_array *a = t->arrays.at[i];
        if (a != o && !a->offsets && a->dim[0] == last) TRY(make_ragged(t, a, o, at));
    }
    return NRG_OK;
}

static nrg_status ragged(nrg_table *t) {
    for (uint32_t i = 0; i < t->arrays.n;) {
        const char *target;
        bool used = false;
        TRY(offsets_of(t, t->arrays.at[i]->name, &target));
        if (target) TRY(use_offsets(t, t->arrays.at[i], target, &used));
        if (used)
            memmove(t->arrays.at + i, t->arrays.at + i + 1, (--t->arrays.n - i) * sizeof *t->arrays.at);
        else
            i++;
    }
    return NRG_OK;
}

nrg_status nrg_table_check(nrg_table *t) {
    TRY(ragged(t));
    for (uint32_t i = 1; i < t->arrays.n; i++) {
        const nrg_array *a = t->arrays.at[0], *b = t->arrays.at[i];
        if (a->samples == b->samples) continue;
        nrg_fail(t->ctx, NRG_E056, NRG_NOWHERE, "'%s' has %lld samples, but '%s' has %lld", a->name,
                 (long long)a->samples, b->name, (long long)b->samples);
        nrg_fact(t->ctx, "%s : %s", a->name, a->file);
        nrg_fact(t->ctx, "%s : %s", b->name, b->file);
        nrg_help(t->ctx, "all arrays of one data set have one row per sample; take the files of one split");
        return NRG_E056;
    }
    return NRG_OK;
}

// ---- hash ----

static uint64_t mix(uint64_t h, const void *p, size_t n) {
    uint64_t crc = crc32_z(0, p, n);
    h ^= crc + n * 0x9E3779B97F4A7C15u;
    h *= 0xff51afd7ed558ccdu;
    return h ^ h >> 33;
}

uint64_t nrg_table_hash(const nrg_table *t) {
    uint64_t h = t->arrays.n;
    for (uint32_t i = 0; i < t->arrays.n; i++) {
        const nrg_array *a = t->arrays.at[i];
        h = mix(h, a->name, strlen(a->name));
        h = mix(h, a->dim, (size_t)a->rank * sizeof *a->dim);
        h = mix(h, a->data, (size_t)nrg_array_cells(a) * nrg_cell_size(a->type)) + a->type;
        if (a->offsets) h = mix(h, a->offsets, (size_t)(a->samples + 1) * sizeof *a->offsets);
    }
    return h;
}
