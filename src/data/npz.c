// Zip of .npy files. Stored members stay where they lie in the mapped file; compressed ones are expanded by libzip.
#include "data/data.h"
#include <string.h>
#include <zip.h>

enum { RATIO_MOST = 1040 }; // deflate gives at most 1032 bytes for one

static uint64_t number(const unsigned char *p, int bytes) { // little-endian
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

// ---- where a stored member lies: libzip does not say, so the central directory is walked (PKWARE APPNOTE 4.3) ----

typedef struct {
    const unsigned char *p;
    size_t n;
    uint64_t at; // the next record of the central directory; n: none
} walk;

static bool has(const walk *w, uint64_t at, uint64_t bytes, const char *mark) {
    return at <= w->n && w->n - at >= bytes && memcmp(w->p + at, mark, 4) == 0;
}

static walk walk_start(const unsigned char *p, size_t n) {
    walk w = {p, n, n};
    for (size_t back = 22; back <= n && back < 22 + 65536; back++) {
        uint64_t end = n - back, far;
        if (!has(&w, end, 22, "PK\5\6")) continue;
        w.at = number(p + end + 16, 4);
        if (end >= 20 && has(&w, end - 20, 20, "PK\6\7") && (far = number(p + end - 12, 8), has(&w, far, 56, "PK\6\6")))
            w.at = number(p + far + 48, 8);
        break;
    }
    return w;
}

// Large sizes stand in extra field 1, only those whose 32-bit place is full of ones.
static void extras(const unsigned char *p, size_t n, uint64_t *size, uint64_t *packed, uint64_t *local) {
    uint64_t *want[3] = {size, packed, local};
    for (size_t at = 0; at + 4 <= n;) {
        size_t id = number(p + at, 2), len = number(p + at + 2, 2), from = at + 4;
        if (len > n - from) return;
        for (int i = 0; id == 1 && i < 3; i++)
            if (*want[i] == 0xffffffff && len >= 8) *want[i] = number(p + from, 8), from += 8, len -= 8;
        at += 4 + number(p + at + 2, 2);
    }
}

// The next member; *data is NULL unless its bytes lie there as they are.
static bool walk_next(walk *w, const char **name, size_t *name_n, const unsigned char **data, uint64_t *size) {
    if (!has(w, w->at, 46, "PK\1\2")) return false;
    const unsigned char *p = w->p + w->at;
    size_t name_len = number(p + 28, 2), extra = number(p + 30, 2), comment = number(p + 32, 2);
    if (w->n - w->at < 46 + name_len + extra + comment) return false;
    uint64_t packed = number(p + 20, 4), local = number(p + 42, 4);
    *size = number(p + 24, 4);
    extras(p + 46 + name_len, extra, size, &packed, &local);
    *name = (const char *)p + 46;
    *name_n = name_len;
    *data = NULL;
    bool stored = number(p + 10, 2) == 0 && (number(p + 8, 2) & 1) == 0 && packed == *size;
    if (stored && has(w, local, 30, "PK\3\4")) {
        uint64_t start = local + 30 + number(w->p + local + 26, 2) + number(w->p + local + 28, 2);
        if (start <= w->n && w->n - start >= *size) *data = w->p + start;
    }
    w->at += 46 + name_len + extra + comment;
    return true;
}

// ---- members ----

typedef struct {
    nrg_reading *in;
    zip_t *zip;
    unsigned char *at; // the whole file
    size_t n;
    walk walk;
    uint64_t taken; // bytes of arrays so far: stored members cannot overlap, so they never exceed the file
    int found;
} archive;

static nrg_status bad(nrg_reading *in, const char *member, const char *what) {
    return nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE, "%s: member '%s': %s", in->file, member, what);
}

static nrg_status expand(archive *a, uint64_t i, const zip_stat_t *st, nrg_blob *out) {
    nrg_reading *in = a->in;
    *out = (nrg_blob){.ctx = in->ctx};
    if (st->comp_size > a->n || st->size / RATIO_MOST > st->comp_size || st->size > PTRDIFF_MAX)
        return bad(in, st->name, "its sizes are impossible");
    zip_file_t *f = zip_fopen_index(a->zip, i, 0);
    if (!f) return bad(in, st->name, zip_strerror(a->zip));
    size_t cap = st->size ? (size_t)st->size : 1;
    out->at = nrg_mem(in->ctx, NULL, 0, cap);
    if (out->at) out->cap = cap;
    nrg_status s = out->at ? NRG_OK : NRG_E098;
    while (s == NRG_OK && out->n < st->size) {
        zip_int64_t did = zip_fread(f, out->at + out->n, st->size - out->n);
        if (did <= 0)
            s = bad(in, st->name, did < 0 ? zip_file_strerror(f) : "it ends too early");
        else
            out->n += (size_t)did;
    }
    char more;
    if (s == NRG_OK && zip_fread(f, &more, 1) != 0)
        s = bad(in, st->name, "its checksum or its size is wrong"); // checks the CRC
    zip_fclose(f);
    if (s != NRG_OK) nrg_blob_free(out);
    return s;
}

static nrg_status read_member(archive *a, uint64_t i, const zip_stat_t *st, const unsigned char *stored,
                              const char *name) {
    nrg_reading *in = a->in;
    bool skip = false;
    a->taken += st->size;
    if (a->taken / RATIO_MOST > a->n) return bad(in, st->name, "the members together are impossibly large");
    unsigned char *at = a->at + (stored ? stored - a->at : 0);
    size_t n = (size_t)st->size;
    if (!stored) {
        nrg_blob b;
        TRY(expand(a, i, st, &b));
        at = b.at;
        n = b.n;
        nrg_status s = nrg_table_keep(in->table, &b);
        nrg_blob_free(&b); // kept: nothing left to free
        if (s != NRG_OK) return s;
    }
    TRY(nrg_npy_parse(in, name, at, n, true, &skip));
    a->found += !skip;
    return NRG_OK;
}

static bool npy_name(const char *name, size_t *n) {
    *n = strlen(name);
    if (*n < 5 || strcmp(name + *n - 4, ".npy") != 0) return false;
    *n -= 4;
    return true;
}

static nrg_status member(archive *a, uint64_t i) {
    nrg_reading *in = a->in;
    zip_stat_t st;
    size_t n, walk_n = 0;
    const char *walk_name = "";
    const unsigned char *stored = NULL;
    uint64_t size = 0;
    bool walked = walk_next(&a->walk, &walk_name, &walk_n, &stored, &size);
    if (zip_stat_index(a->zip, i, ZIP_FL_ENC_RAW, &st) != 0) return bad(in, "?", zip_strerror(a->zip));
    zip_uint64_t need = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
    if ((st.valid & need) != need || !npy_name(st.name, &n)) return NRG_OK; // not an array
    if (!walked || walk_n != n + 4 || memcmp(walk_name, st.name, n) != 0 || size != st.size) stored = NULL;
    if (in->part && (strlen(in->part) != n || memcmp(in->part, st.name, n) != 0)) return NRG_OK;
    const char *name = in->name ? in->name : nrg_arena_copy(nrg_table_arena(in->table), st.name, n);
    return name ? read_member(a, i, &st, stored, name) : NRG_E098;
}

static nrg_status no_such_part(archive *a) {
    nrg_reading *in = a->in;
    nrg_fail(in->ctx, NRG_E051, NRG_NOWHERE, "%s: no array '%s' in it", in->file, in->part);
    for (zip_int64_t i = 0; i < zip_get_num_entries(a->zip, 0) && i < 20; i++) {
        const char *name = zip_get_name(a->zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        nrg_fact(in->ctx, "member: %s", name ? nrg_snip(name, strlen(name)).at : "?");
    }
    return NRG_E051;
}

static nrg_status members(archive *a) {
    nrg_reading *in = a->in;
    zip_int64_t n = zip_get_num_entries(a->zip, 0), arrays = 0;
    for (zip_int64_t i = 0; i < n; i++) {
        const char *name = zip_get_name(a->zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        size_t len;
        arrays += name && npy_name(name, &len);
    }
    if (in->name && !in->part && arrays != 1) {
        nrg_fail(in->ctx, NRG_E090, NRG_NOWHERE, "%s has %lld arrays, so '%s' does not say which one it names",
                 in->file, (long long)arrays, in->name);
        nrg_help(in->ctx, "write %s=%s:MEMBER", in->name, in->file);
        return NRG_E090;
    }
    for (zip_int64_t i = 0; i < n; i++) TRY(member(a, (uint64_t)i));
    if (in->part && a->found == 0) return no_such_part(a);
    return a->found ? NRG_OK : nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE, "%s: no arrays in it", in->file);
}

bool nrg_npz_applies(const nrg_reading *in) {
    bool mark = in->blob->n >= 4 && (memcmp(in->blob->at, "PK\3\4", 4) == 0 || memcmp(in->blob->at, "PK\5\6", 4) == 0);
    return mark || strcmp(in->ext, "npz") == 0;
}

nrg_status nrg_npz_read(nrg_reading *in) {
    archive a = {.in = in, .at = in->blob->at, .n = in->blob->n, .walk = walk_start(in->blob->at, in->blob->n)};
    TRY(nrg_table_keep(in->table, in->blob)); // arrays may point into it
    zip_error_t e;
    zip_error_init(&e);
    zip_source_t *src = zip_source_buffer_create(a.at, a.n, 0, &e);
    a.zip = src ? zip_open_from_source(src, ZIP_RDONLY, &e) : NULL;
    nrg_status s;
    if (a.zip) {
        s = members(&a);
        zip_discard(a.zip); // frees src
    } else {
        s = nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE, "%s: cannot be read as .npz: %s", in->file,
                     zip_error_strerror(&e));
        if (src) zip_source_free(src);
    }
    zip_error_fini(&e);
    return s;
}
