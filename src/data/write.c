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

// ---- npy ----

static nrg_status write_npy(const nrg_table *t, const char *path) {
    if (nrg_table_count(t) != 1) return bad(t, path, "an .npy holds one array; write an .npz");
    const nrg_array *a = nrg_table_at(t, 0);
    if (a->offsets) return bad(t, path, "a ragged array needs an .npz, with its offsets");
    nrg_text head = nrg_text_make(nrg_table_ctx(t));
    nrg_npy_head(a, &head);
    nrg_part parts[2] = {{head.at, head.n}, {a->data, bytes_of(a)}};
    nrg_status s = nrg_text_end(&head);
    if (s == NRG_OK) s = nrg_file_write_parts(nrg_table_ctx(t), path, parts, 2);
    nrg_text_free(&head);
    return s;
}

// ---- npz ----

// Adds `a` as member NAME.npy. Its bytes are lent until the archive is closed, its head lives in the arena.
static nrg_status put_member(zip_t *zip, const nrg_table *t, const char *path, nrg_arena *arena, const nrg_array *a) {
    nrg_text head = nrg_text_make(nrg_table_ctx(t));
    nrg_npy_head(a, &head);
    char *copy = head.bad ? NULL : nrg_arena_copy(arena, head.at, head.n);
    zip_buffer_fragment_t *part = NRG_NEWS(arena, zip_buffer_fragment_t, 2);
    char *name = nrg_arena_print(arena, "%s.npy", a->name);
    size_t head_n = head.n;
    nrg_text_free(&head);
    if (!copy || !part || !name) return NRG_E098;
    part[0] = (zip_buffer_fragment_t){(zip_uint8_t *)copy, head_n};
    part[1] = (zip_buffer_fragment_t){a->data, bytes_of(a)};
    zip_source_t *src = zip_source_buffer_fragment(zip, part, part[1].length ? 2 : 1, 0);
    if (!src) return bad(t, path, zip_strerror(zip));
    zip_int64_t i = zip_file_add(zip, name, src, ZIP_FL_ENC_UTF_8);
    if (i < 0) {
        zip_source_free(src);
        return bad(t, path, zip_strerror(zip));
    }
    // Stored, so that readers can map it; a fixed date, so that equal data give equal files.
    if (zip_set_file_compression(zip, (zip_uint64_t)i, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(zip, (zip_uint64_t)i, 0, 1 << 5 | 1, 0) != 0)
        return bad(t, path, zip_strerror(zip));
    return NRG_OK;
}

static nrg_status put_members(zip_t *zip, const nrg_table *t, const char *path, nrg_arena *arena) {
    for (int i = 0; i < nrg_table_count(t); i++) {
        const nrg_array *a = nrg_table_at(t, i);
        TRY(put_member(zip, t, path, arena, a));
        if (!a->offsets) continue;
        nrg_array o = {.name = nrg_arena_print(arena, "%s_offsets", a->name),
                       .type = NRG_CELL_I64,
                       .rank = 1,
                       .dim = {a->samples + 1},
                       .data = (void *)(uintptr_t)a->offsets};
        if (!o.name) return NRG_E098;
        TRY(put_member(zip, t, path, arena, &o));
    }
    return NRG_OK;
}

// libzip writes to a temporary in the same folder and renames it.
static nrg_status write_npz(const nrg_table *t, const char *path) {
    zip_error_t e;
    int code = 0;
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    if (!zip) {
        zip_error_init_with_code(&e, code);
        nrg_status s = bad(t, path, zip_error_strerror(&e));
        zip_error_fini(&e);
        return s;
    }
    nrg_arena arena = nrg_arena_make(nrg_table_ctx(t));
    nrg_status s = put_members(zip, t, path, &arena);
    if (s == NRG_OK && zip_close(zip) != 0)
        s = bad(t, path, zip_strerror(zip));
    else if (s == NRG_OK)
        zip = NULL;
    if (zip) zip_discard(zip);
    nrg_arena_free(&arena);
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
