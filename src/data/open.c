// What --data takes: splits NAME=FILE:PART, opens the file, asks the readers in turn.
#include "data/data.h"
#include <string.h>

static const nrg_reader readers[] = {
#define NRG_READER(name, doc) {#name, doc, nrg_##name##_applies, nrg_##name##_read},
#include "data/readers.def"
};
enum { NREADERS = sizeof readers / sizeof *readers };

// ---- names and extensions ----

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// The extension in lower case, without the dot and without .gz; "train-images-idx3-ubyte.gz" has none.
static const char *extension(nrg_arena *a, const char *path) {
    const char *base = base_name(path), *dot;
    char *s = nrg_arena_copy(a, base, strlen(base));
    if (!s) return NULL;
    for (char *p = s; *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a');
    size_t n = strlen(s);
    if (n > 3 && strcmp(s + n - 3, ".gz") == 0) s[n - 3] = 0;
    dot = strrchr(s, '.');
    return dot ? dot + 1 : "";
}

static const char *stem(nrg_arena *a, const char *path) {
    const char *base = base_name(path);
    return nrg_name_clean(a, base, strcspn(base, "."));
}

static bool is_text(const nrg_blob *b) {
    size_t n = b->n < 4096 ? b->n : 4096;
    return n == 0 || !memchr(b->at, 0, n);
}

// ---- reading ----

static nrg_status read_blob(nrg_table *t, const char *file, const char *name, const char *part, nrg_blob *b) {
    nrg_arena *a = nrg_table_arena(t);
    nrg_reading in = {.table = t,
                    .ctx = nrg_table_ctx(t),
                    .file = nrg_arena_copy(a, file, strlen(file)),
                    .stem = stem(a, file),
                    .name = name,
                    .part = part,
                    .blob = b,
                    .text = is_text(b),
                    .ext = extension(a, file)};
    if (!in.file || !in.stem || !in.ext) return NRG_E098;
    if (b->n == 0) return nrg_fail(in.ctx, NRG_E054, NRG_NOWHERE, "%s: the file is empty", file);
    for (int i = 0; i < NREADERS; i++)
        if (readers[i].applies(&in)) return readers[i].read(&in);
    return nrg_fail(in.ctx, NRG_E054, NRG_NOWHERE, "%s: no reader knows this format", file);
}

nrg_status nrg_data_read(nrg_table *t, const char *file, const void *bytes, size_t n, const char *name,
                         const char *part) {
    nrg_blob b;
    TRY(nrg_blob_copy(nrg_table_ctx(t), file, bytes, n, &b));
    nrg_status s = read_blob(t, file, name, part, &b);
    nrg_blob_free(&b);
    return s;
}

// ---- NAME=FILE:PART ----

static bool is_name(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        bool letter = (p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z') || p[i] == '_' || (p[i] & 0x80);
        if (!letter && (i == 0 || p[i] < '0' || p[i] > '9')) return false;
    }
    return n > 0;
}

typedef struct {
    const char *name, *file, *part;
} spec;

// A file of the very name wins over a split, so that odd file names work.
static nrg_status split(nrg_arena *a, const char *text, spec *out) {
    *out = (spec){.file = text};
    const char *equals = strchr(text, '=');
    if (nrg_file_exists(text)) return NRG_OK;
    if (equals && is_name(text, (size_t)(equals - text))) {
        out->name = nrg_arena_copy(a, text, (size_t)(equals - text));
        out->file = equals + 1;
        if (!out->name) return NRG_E098;
    }
    const char *colon = strrchr(out->file, ':');
    if (!colon || colon == out->file || !colon[1] || nrg_file_exists(out->file)) return NRG_OK;
    out->part = colon + 1;
    out->file = nrg_arena_copy(a, out->file, (size_t)(colon - out->file));
    return out->file ? NRG_OK : NRG_E098;
}

nrg_status nrg_data_open(nrg_table *t, const char *text) {
    spec s;
    nrg_blob b;
    TRY(split(nrg_table_arena(t), text, &s));
    if (!*s.file) return nrg_fail(nrg_table_ctx(t), NRG_E090, NRG_NOWHERE, "--data '%s' names no file", text);
    TRY(nrg_blob_open(nrg_table_ctx(t), s.file, &b));
    nrg_status r = read_blob(t, s.file, s.name, s.part, &b);
    nrg_blob_free(&b);
    return r;
}

nrg_status nrg_data_load(nrg_ctx *c, const char *const *specs, int n, nrg_table **out) {
    nrg_table *t;
    TRY(nrg_table_new(c, &t));
    nrg_status s = NRG_OK;
    for (int i = 0; i < n && s == NRG_OK; i++) s = nrg_data_open(t, specs[i]);
    if (s == NRG_OK) s = nrg_table_check(t);
    if (s == NRG_OK)
        *out = t;
    else
        nrg_table_free(t);
    return s;
}
