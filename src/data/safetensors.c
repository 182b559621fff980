// safetensors: 8 bytes of header length (little-endian), a JSON header, raw little-endian cells. Nothing in it is run.
//   {"__metadata__": {"key": "text"}, "W": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]}}
// The reader accepts only files whose tensors fill the bytes without holes or overlaps, as the format asks.
#include "data/data.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_MOST = 100 << 20 }; // the limit of the format's own reader

struct nrg_tensors {
    nrg_ctx *ctx;
    nrg_arena arena;
    nrg_blob blob;
    const char *file;
    nrg_tensor *at;
    nrg_meta *meta;
    size_t n, meta_n;
};

static const char *const names[NRG_CELL_COUNT] = {"F32", "F64", "U8", "I8", "I16", "I32", "I64", "U16", "U32", "BOOL"};

// ---- writing ----

static const nrg_tensor *largest_first(const nrg_tensor *t, int n, size_t size, int from) {
    for (int i = from; i < n; i++)
        if (nrg_cell_size(t[i].type) == size) return &t[i];
    return NULL;
}

static size_t bytes_of(const nrg_tensor *t) {
    size_t n = nrg_cell_size(t->type);
    for (int i = 0; i < t->rank; i++) n *= (size_t)t->dim[i];
    return n;
}

static void write_meta(const nrg_meta *meta, int n, nrg_text *out) {
    nrg_text_put(out, "\"__metadata__\":{");
    for (int i = 0; i < n; i++) {
        if (i) nrg_text_put(out, ",");
        nrg_text_json(out, meta[i].key);
        nrg_text_put(out, ":");
        nrg_text_json(out, meta[i].value);
    }
    nrg_text_put(out, "}");
}

static void write_tensor(const nrg_tensor *t, size_t at, nrg_text *out) {
    nrg_text_put(out, ",\n");
    nrg_text_json(out, t->name);
    nrg_text_put(out, ":{\"dtype\":\"%s\",\"shape\":[", names[t->type]);
    for (int i = 0; i < t->rank; i++) nrg_text_put(out, "%s%lld", i ? "," : "", (long long)t->dim[i]);
    nrg_text_put(out, "],\"data_offsets\":[%zu,%zu]}", at, at + bytes_of(t));
}

nrg_status nrg_tensors_write(nrg_ctx *c, const char *path, const nrg_tensor *t, int n, const nrg_meta *meta,
                             int meta_n) {
    nrg_text head = nrg_text_make(c);
    nrg_arena arena = nrg_arena_make(c);
    nrg_part *parts = NRG_NEWS(&arena, nrg_part, n + 2);
    nrg_text_put(&head, "{");
    write_meta(meta, meta_n, &head);
    size_t at = 0, k = 2;
    for (size_t size = 8; size >= 1 && parts; size /= 2) // large cells first: all are aligned without padding
        for (const nrg_tensor *one = t; (one = largest_first(t, n, size, (int)(one - t))); one++) {
            write_tensor(one, at, &head);
            at += bytes_of(one);
            parts[k++] = (nrg_part){one->data, bytes_of(one)};
        }
    nrg_text_put(&head, "}");
    while (head.n % 8 && !head.bad) nrg_text_put(&head, " ");
    nrg_status s = parts && !head.bad ? NRG_OK : NRG_E098;
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)head.n >> 8 * i);
    if (s == NRG_OK) {
        parts[0] = (nrg_part){length, 8};
        parts[1] = (nrg_part){head.at, head.n};
        s = nrg_file_write_parts(c, path, parts, k);
    }
    nrg_arena_free(&arena);
    nrg_text_free(&head);
    return s;
}

// ---- reading ----

static nrg_status bad(nrg_tensors *t, const char *name, const char *what) {
    nrg_fail(t->ctx, NRG_E054, NRG_NOWHERE, "%s: as safetensors: %s%s%s", t->file,
             name ? nrg_snip(name, strlen(name)).at : "", name ? " " : "", what);
    return NRG_E054;
}

static bool whole(const json_t *j, int64_t *out) {
    if (!json_is_integer(j) || json_integer_value(j) < 0) return false;
    *out = json_integer_value(j);
    return true;
}

static nrg_status read_type(nrg_tensors *t, const char *name, const json_t *j, nrg_tensor *out) {
    const char *dtype = json_string_value(json_object_get(j, "dtype"));
    for (int i = 0; dtype && i < NRG_CELL_COUNT; i++)
        if (strcmp(dtype, names[i]) == 0) return out->type = (nrg_cell)i, NRG_OK;
    if (!dtype) return bad(t, name, "has no dtype");
    bad(t, name, "has a dtype that nrg does not read");
    nrg_fact(t->ctx, "found %s, expected one of F32 F64 U8 I8 I16 I32 I64 U16 U32 BOOL",
             nrg_snip(dtype, strlen(dtype)).at);
    return NRG_E054;
}

// One entry of the header; `most` bytes of cells follow it.
static nrg_status read_tensor(nrg_tensors *t, const char *name, const json_t *j, size_t most, nrg_tensor *out,
                              int64_t *from) {
    if (!json_is_object(j)) return bad(t, name, "is not described by an object");
    TRY(read_type(t, name, j, out));
    const json_t *shape = json_object_get(j, "shape"), *span = json_object_get(j, "data_offsets");
    if (!json_is_array(shape) || json_array_size(shape) > NRG_ARRAY_RANK)
        return bad(t, name, "has no shape of at most 8 axes");
    out->rank = (int32_t)json_array_size(shape);
    for (int i = 0; i < out->rank; i++)
        if (!whole(json_array_get(shape, (size_t)i), &out->dim[i]))
            return bad(t, name, "has a size that is not a whole number");
    int64_t to, cells, bytes;
    if (json_array_size(span) != 2 || !whole(json_array_get(span, 0), from) || !whole(json_array_get(span, 1), &to) ||
        *from > to)
        return bad(t, name, "has no two rising data_offsets");
    if (!nrg_product(out->dim, out->rank, &cells) || !nrg_times(cells, (int64_t)nrg_cell_size(out->type), &bytes))
        return bad(t, name, "has an impossibly large shape");
    if ((uint64_t)to > most) return bad(t, name, "ends after the end of the file");
    if (bytes != to - *from) return bad(t, name, "has a shape that does not fit its data_offsets");
    out->name = nrg_arena_copy(&t->arena, name, strlen(name));
    return out->name ? NRG_OK : NRG_E098;
}

static nrg_status read_meta(nrg_tensors *t, json_t *j) {
    const char *key;
    json_t *value;
    if (!json_is_object(j)) return bad(t, NULL, "__metadata__ is not an object");
    t->meta = NRG_NEWS(&t->arena, nrg_meta, json_object_size(j));
    if (!t->meta) return NRG_E098;
    json_object_foreach(j, key, value) {
        const char *text = json_string_value(value);
        if (!text) return bad(t, key, "of __metadata__ is not a text");
        nrg_meta m = {nrg_arena_copy(&t->arena, key, strlen(key)), nrg_arena_copy(&t->arena, text, strlen(text))};
        if (!m.key || !m.value) return NRG_E098;
        t->meta[t->meta_n++] = m;
    }
    return NRG_OK;
}

typedef struct {
    int64_t from, to;
} stretch;

static int by_start(const void *a, const void *b) {
    const stretch *p = a, *q = b;
    if (p->from != q->from) return p->from < q->from ? -1 : 1;
    return (p->to > q->to) - (p->to < q->to);
}

static nrg_status no_holes(nrg_tensors *t, stretch *at, size_t n, size_t most) {
    int64_t end = 0;
    qsort(at, n, sizeof *at, by_start);
    for (size_t i = 0; i < n; i++) {
        if (at[i].from != end)
            return bad(t, NULL, at[i].from < end ? "two tensors overlap" : "there is a hole between two tensors");
        end = at[i].to;
    }
    return (uint64_t)end == most ? NRG_OK : bad(t, NULL, "bytes are left over after the last tensor");
}

// Cells stay in the file's bytes when they are aligned there, as those of our own files are.
static nrg_status place(nrg_tensors *t, nrg_tensor *out, unsigned char *p) {
    size_t n = bytes_of(out);
    out->data = p;
    if ((uintptr_t)p % nrg_cell_size(out->type) == 0) return NRG_OK;
    out->data = nrg_arena_get(&t->arena, n);
    if (!out->data) return NRG_E098;
    memcpy(out->data, p, n);
    return NRG_OK;
}

static nrg_status read_entries(nrg_tensors *t, json_t *head, unsigned char *cells, size_t most) {
    const char *key;
    json_t *value;
    stretch *at = NRG_NEWS(&t->arena, stretch, json_object_size(head));
    t->at = NRG_NEWS(&t->arena, nrg_tensor, json_object_size(head));
    if (!t->at || !at) return NRG_E098;
    json_object_foreach(head, key, value) {
        if (strcmp(key, "__metadata__") == 0) {
            TRY(read_meta(t, value));
            continue;
        }
        nrg_tensor *one = &t->at[t->n];
        int64_t from = 0;
        TRY(read_tensor(t, key, value, most, one, &from));
        at[t->n++] = (stretch){from, from + (int64_t)bytes_of(one)};
        TRY(place(t, one, cells + from));
    }
    return no_holes(t, at, t->n, most);
}

static nrg_status read_head(nrg_tensors *t) {
    unsigned char *p = t->blob.at;
    uint64_t n = 0;
    if (t->blob.n < 8) return bad(t, NULL, "the file is shorter than 8 bytes");
    for (int i = 7; i >= 0; i--) n = n << 8 | p[i];
    if (n > HEAD_MOST || n > t->blob.n - 8) return bad(t, NULL, "the header is longer than the file or than 100 MiB");
    if (n < 2 || p[8] != '{') return bad(t, NULL, "the header does not start with {");
    json_error_t e;
    json_t *head = json_loadb((const char *)p + 8, (size_t)n, JSON_REJECT_DUPLICATES, &e);
    if (!head) {
        bad(t, NULL, "the header is not JSON");
        nrg_fact(t->ctx, "at byte %d: %s", e.position + 8, nrg_snip(e.text, strlen(e.text)).at);
        return NRG_E054;
    }
    nrg_status s = read_entries(t, head, p + 8 + n, t->blob.n - 8 - (size_t)n);
    json_decref(head);
    return s;
}

// Takes the blob over.
static nrg_status read_blob(nrg_ctx *c, const char *file, nrg_blob *b, nrg_tensors **out) {
    nrg_tensors *t = nrg_mem(c, NULL, 0, sizeof *t);
    if (!t) {
        nrg_blob_free(b);
        return NRG_E098;
    }
    *t = (nrg_tensors){.ctx = c, .arena = nrg_arena_make(c), .blob = *b};
    t->file = nrg_arena_copy(&t->arena, file, strlen(file));
    nrg_status s = t->file ? read_head(t) : NRG_E098;
    if (s == NRG_OK)
        *out = t;
    else
        nrg_tensors_free(t);
    return s;
}

// Weights are read, not mapped: the file may be replaced or cut while they are in use.
nrg_status nrg_tensors_open(nrg_ctx *c, const char *path, nrg_tensors **out) {
    nrg_text t = nrg_text_make(c);
    nrg_blob b = {.ctx = c};
    nrg_status s = nrg_file_read(c, path, &t);
    if (s == NRG_OK)
        b = (nrg_blob){.ctx = c, .at = (unsigned char *)t.at, .n = t.n, .cap = t.cap}; // same memory, new owner
    else
        nrg_text_free(&t);
    return s == NRG_OK ? read_blob(c, path, &b, out) : s;
}

nrg_status nrg_tensors_read(nrg_ctx *c, const char *file, const void *bytes, size_t n, nrg_tensors **out) {
    nrg_blob b = {.ctx = c, .at = nrg_mem(c, NULL, 0, n ? n : 1), .n = n, .cap = n ? n : 1};
    if (!b.at) return NRG_E098;
    if (n) memcpy(b.at, bytes, n);
    return read_blob(c, file, &b, out);
}

void nrg_tensors_free(nrg_tensors *t) {
    if (!t) return;
    nrg_ctx *c = t->ctx;
    nrg_blob_free(&t->blob);
    nrg_arena_free(&t->arena);
    nrg_mem(c, t, sizeof *t, 0);
}

int nrg_tensors_count(const nrg_tensors *t) { return (int)t->n; }
const nrg_tensor *nrg_tensors_at(const nrg_tensors *t, int i) { return &t->at[i]; }
const nrg_meta *nrg_tensors_meta_at(const nrg_tensors *t, int i) {
    return i >= 0 && (size_t)i < t->meta_n ? &t->meta[i] : NULL;
}

const nrg_tensor *nrg_tensors_find(const nrg_tensors *t, const char *name) {
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->at[i].name, name) == 0) return &t->at[i];
    return NULL;
}

const char *nrg_tensors_meta(const nrg_tensors *t, const char *key) {
    for (size_t i = 0; i < t->meta_n; i++)
        if (strcmp(t->meta[i].key, key) == 0) return t->meta[i].value;
    return NULL;
}
