// Tables to files: .npz and .npy for programs, .csv and .tsv for people. Ragged arrays become a flat array and its
// offsets.
#include "data/data.h"
#include <math.h>
#include <string.h>
#include <zip.h>

static nrg_status bad(const nrg_table *t, const char *path, const char *what) {
    return nrg_fail(nrg_table_ctx(t), NRG_E092, NRG_NOWHERE, "cannot write %s: %s", path, what);
}

static size_t bytes_of(const nrg_array *a) { return (size_t)nrg_array_cells(a) * nrg_cell_size(a->type); }

// An array as .npy: its head and its cells. Both live in the arena, or are the array's own.
static nrg_status npy_parts(nrg_arena *arena, const nrg_array *a, nrg_part *head, nrg_part *cells) {
    int64_t chars = 0;
    void *data = a->data;
    size_t bytes = bytes_of(a);
    if (a->labels) TRY(nrg_texts_write(arena, a, &chars, &data, &bytes));
    nrg_text t = nrg_text_make(arena->ctx);
    nrg_npy_head(a, chars, &t);
    *head = (nrg_part){t.bad ? NULL : nrg_arena_copy(arena, t.at, t.n), t.n};
    *cells = (nrg_part){data, bytes};
    nrg_text_free(&t);
    return head->at ? NRG_OK : NRG_E098;
}

// ---- npy ----

static nrg_status write_npy(const nrg_table *t, const char *path) {
    if (nrg_table_count(t) != 1) return bad(t, path, "an .npy holds one array; write an .npz");
    if (nrg_table_at(t, 0)->offsets) return bad(t, path, "a ragged array needs an .npz, with its offsets");
    nrg_arena arena = nrg_arena_make(nrg_table_ctx(t));
    nrg_part parts[2];
    nrg_status s = npy_parts(&arena, nrg_table_at(t, 0), &parts[0], &parts[1]);
    if (s == NRG_OK) s = nrg_file_write_parts(nrg_table_ctx(t), path, parts, 2);
    nrg_arena_free(&arena);
    return s;
}

// ---- npz ----

typedef struct {
    zip_t *zip;
    const nrg_table *table;
    const char *path;
    nrg_arena arena;
    uint64_t at; // where the next member will start
} archive;

// Fills the local header up (30 bytes, name, extra field) so that cells start at a multiple of 64 and can be mapped.
// Were libzip to add a field of its own, only that would be lost. 0x6d70 is free for the use of programs.
static bool align(archive *w, zip_uint64_t i, size_t name_n, size_t size) {
    static const zip_uint8_t zeros[64] = {0};
    uint64_t start = w->at + 30 + name_n + 4; // 4: the extra field's own head
    zip_uint16_t fill = (zip_uint16_t)((64 - start % 64) % 64);
    w->at = start + fill + size;
    return zip_file_extra_field_set(w->zip, i, 0x6d70, ZIP_EXTRA_FIELD_NEW, zeros, fill, ZIP_FL_LOCAL) == 0;
}

// Adds `a` as member NAME.npy. Its bytes are lent until the archive is closed, its head lives in the arena.
static nrg_status put_member(archive *w, const nrg_array *a) {
    nrg_part head, cells;
    TRY(npy_parts(&w->arena, a, &head, &cells));
    zip_buffer_fragment_t *part = NRG_NEWS(&w->arena, zip_buffer_fragment_t, 2);
    char *name = nrg_arena_print(&w->arena, "%s.npy", a->name);
    if (!part || !name) return NRG_E098;
    part[0] = (zip_buffer_fragment_t){(zip_uint8_t *)(uintptr_t)head.at, head.n};
    part[1] = (zip_buffer_fragment_t){(zip_uint8_t *)(uintptr_t)cells.at, cells.n};
    zip_source_t *src = zip_source_buffer_fragment(w->zip, part, part[1].length ? 2 : 1, 0);
    zip_int64_t at = src ? zip_file_add(w->zip, name, src, ZIP_FL_ENC_UTF_8) : -1;
    if (src && at < 0) zip_source_free(src);
    zip_uint64_t i = (zip_uint64_t)at;
    // Stored, so that readers can map it; a fixed date, so that equal data give equal files.
    if (at < 0 || zip_set_file_compression(w->zip, i, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(w->zip, i, 0, 1 << 5 | 1, 0) != 0 || !align(w, i, strlen(name), head.n + cells.n))
        return bad(w->table, w->path, zip_strerror(w->zip));
    return NRG_OK;
}

static nrg_status put_members(archive *w) {
    for (int i = 0; i < nrg_table_count(w->table); i++) {
        const nrg_array *a = nrg_table_at(w->table, i);
        TRY(put_member(w, a));
        if (!a->offsets) continue;
        nrg_array o = {.type = NRG_CELL_I64, .rank = 1, .dim = {a->samples + 1}, .data = (void *)(uintptr_t)a->offsets};
        o.name = nrg_arena_print(&w->arena, "%s_offsets", a->name);
        if (!o.name) return NRG_E098;
        TRY(put_member(w, &o));
    }
    return NRG_OK;
}

// libzip writes to a temporary in the same folder and renames it.
static nrg_status write_npz(const nrg_table *t, const char *path) {
    zip_error_t e;
    int code = 0;
    archive w = {.table = t, .path = path, .arena = nrg_arena_make(nrg_table_ctx(t))};
    w.zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    if (!w.zip) {
        zip_error_init_with_code(&e, code);
        nrg_status s = bad(t, path, zip_error_strerror(&e));
        zip_error_fini(&e);
        return s;
    }
    nrg_status s = put_members(&w);
    if (s == NRG_OK && zip_close(w.zip) != 0)
        s = bad(t, path, zip_strerror(w.zip));
    else if (s == NRG_OK)
        w.zip = NULL;
    if (w.zip) zip_discard(w.zip);
    nrg_arena_free(&w.arena);
    return s;
}

// ---- csv ----

static void put_text(const char *s, char delim, nrg_text *out) {
    bool plain = *s && !strpbrk(s, "\"\r\n ") && !strchr(s, delim);
    if (plain) {
        nrg_text_put(out, "%s", s);
        return;
    }
    nrg_text_put(out, "\"");
    for (; *s; s++) nrg_text_put(out, *s == '"' ? "\"\"" : "%c", *s);
    nrg_text_put(out, "\"");
}

// Enough digits to read the same number back.
static void put_cell(const nrg_array *a, int64_t i, char delim, nrg_text *out) {
    if (nrg_array_missing(a, i)) return; // an empty cell
    double v = nrg_array_value(a, i);
    if (a->labels && v >= 0 && v < (double)a->labels_n)
        put_text(a->labels[(int64_t)v], delim, out);
    else if (a->type == NRG_CELL_I64)
        nrg_text_put(out, "%lld", (long long)((const int64_t *)a->data)[i]);
    else if (a->type == NRG_CELL_F64)
        nrg_text_put(out, "%.17g", v);
    else
        nrg_text_put(out, "%.9g", v);
}

static void put_names(const nrg_table *t, char delim, nrg_text *out) {
    for (int i = 0, first = 1; i < nrg_table_count(t); i++) {
        const nrg_array *a = nrg_table_at(t, i);
        for (int64_t k = 0; k < nrg_array_width(a); k++, first = 0) {
            if (!first) nrg_text_put(out, "%c", delim);
            put_text(a->name, delim, out);
            if (a->rank > 1) nrg_text_put(out, "_%lld", (long long)k);
        }
    }
    nrg_text_put(out, "\n");
}

static nrg_status write_csv(const nrg_table *t, const char *path, char delim) {
    nrg_text out = nrg_text_make(nrg_table_ctx(t));
    for (int i = 0; i < nrg_table_count(t); i++)
        if (nrg_table_at(t, i)->offsets) return bad(t, path, "a ragged array does not fit a table; write an .npz");
    put_names(t, delim, &out);
    for (int64_t row = 0; row < nrg_table_rows(t) && !out.bad; row++) {
        for (int i = 0, first = 1; i < nrg_table_count(t); i++) {
            const nrg_array *a = nrg_table_at(t, i);
            int64_t w = nrg_array_width(a);
            for (int64_t k = 0; k < w; k++, first = 0) {
                if (!first) nrg_text_put(&out, "%c", delim);
                put_cell(a, row * w + k, delim, &out);
            }
        }
        nrg_text_put(&out, "\n");
    }
    nrg_status s = nrg_text_end(&out);
    if (s == NRG_OK) s = nrg_file_write(nrg_table_ctx(t), path, out.at, out.n);
    nrg_text_free(&out);
    return s;
}

static bool ends(const char *path, const char *with) {
    size_t n = strlen(path), m = strlen(with);
    return n > m && strcmp(path + n - m, with) == 0;
}

nrg_status nrg_data_write(const nrg_table *t, const char *path) {
    if (ends(path, ".npz")) return write_npz(t, path);
    if (ends(path, ".npy")) return write_npy(t, path);
    if (ends(path, ".csv")) return write_csv(t, path, ',');
    if (ends(path, ".tsv")) return write_csv(t, path, '\t');
    nrg_fail(nrg_table_ctx(t), NRG_E092, NRG_NOWHERE, "cannot write %s: the extension says no known format", path);
    nrg_help(nrg_table_ctx(t), "end it in .npz, .npy, .csv or .tsv");
    return NRG_E092;
}
