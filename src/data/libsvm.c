// Sparse rows, `label index:value index:value ... # comment` (LIBSVM, SVMlight), to dense arrays `x` [N, D] and `y`.
// Indices count from 1 and rise. `1,5,7 3:1` has several labels: then y is ragged.
#include "data/data.h"
#include <math.h>
#include <string.h>

// A file of few bytes may name a feature of huge number: dense cells are limited by the bytes that justify them.
enum { CELLS_PER_BYTE = 1024, CELLS_FREE = 1 << 20 };
static const int64_t CELLS_MOST = (int64_t)1 << 31;

typedef struct {
    const char *p, *end; // of the file
    int64_t line;
    const char *row, *row_end; // what is left of the line
} lines;

typedef struct {
    nrg_reading *in;
    int64_t rows, labels, features, most_features;
    bool several, whole, texts; // labels: some row has not exactly one; all are integers; some are no numbers
    // the second pass fills these
    float *x;
    double *y;
    int64_t *offsets;
    int64_t row, label;
    nrg_labels *words;
} reader;

static bool space(char ch) { return ch == ' ' || ch == '\t' || ch == '\r'; }

// The next line that holds something.
static bool next_line(lines *l) {
    while (l->p < l->end) {
        const char *nl = memchr(l->p, '\n', (size_t)(l->end - l->p)), *stop = nl ? nl : l->end;
        l->row = l->p;
        l->p = nl ? nl + 1 : l->end;
        l->line++;
        const char *hash = memchr(l->row, '#', (size_t)(stop - l->row));
        l->row_end = hash ? hash : stop;
        for (const char *q = l->row; q < l->row_end; q++)
            if (!space(*q)) return true;
    }
    return false;
}

static bool next_word(lines *l, const char **at, size_t *n) {
    while (l->row < l->row_end && space(*l->row)) l->row++;
    *at = l->row;
    while (l->row < l->row_end && !space(*l->row)) l->row++;
    *n = (size_t)(l->row - *at);
    return *n > 0;
}

static nrg_status bad(reader *r, const lines *l, const char *at, size_t n, const char *expected) {
    return nrg_fail(r->in->ctx, NRG_E054, NRG_NOWHERE, "%s: line %lld, column %lld is %s, expected %s", r->in->file,
                    (long long)l->line, (long long)(at - l->row) + 1, nrg_snip(at, n).at, expected);
}

// One label: noted in the first pass, stored in the second.
static nrg_status one_label(reader *r, const lines *l, const char *at, size_t n) {
    double v = 0;
    int64_t i;
    if (n == 0) return bad(r, l, at, n, "a label");
    bool number = nrg_number(at, n, &v) && isfinite(v);
    if (!nrg_integer(at, n, &i) && !(number && v == floor(v) && fabs(v) < 1e15)) r->whole = false;
    if (!number) r->texts = true;
    if (r->words) {
        int64_t k = nrg_labels_put(r->words, at, n);
        if (k < 0) return NRG_E098;
        v = (double)k;
    }
    if (r->y) r->y[r->label] = v;
    r->label++;
    return NRG_OK;
}

static nrg_status labels(reader *r, const lines *l, const char *at, size_t n) {
    int64_t before = r->label;
    const char *end = at + n;
    for (const char *comma = at; comma <= end; at = comma + 1) {
        comma = memchr(at, ',', (size_t)(end - at));
        if (!comma) comma = end;
        TRY(one_label(r, l, at, (size_t)(comma - at)));
        if (comma == end) break;
    }
    if (r->label != before + 1) r->several = true;
    return NRG_OK;
}

static nrg_status feature(reader *r, const lines *l, const char *at, size_t n, int64_t *last) {
    const char *colon = memchr(at, ':', n);
    int64_t i;
    double v;
    if (!colon || !nrg_integer(at, (size_t)(colon - at), &i)) return bad(r, l, at, n, "index:value");
    if (i < 1) {
        bad(r, l, at, n, "an index of at least 1");
        nrg_help(r->in->ctx, "features count from 1 in this format: add 1 to every index");
        return NRG_E054;
    }
    if (i <= *last) return bad(r, l, at, n, "an index above the one before");
    if (!nrg_number(colon + 1, n - (size_t)(colon - at) - 1, &v))
        return bad(r, l, at, n, "index:value with a number as value");
    *last = i;
    if (i > r->features) r->features = i;
    if (r->x && i <= r->most_features) r->x[r->row * r->most_features + i - 1] = (float)v;
    return NRG_OK;
}

// A row may start with no label at all: then its set of labels is empty.
static nrg_status read_row(reader *r, lines *l) {
    const lines whole = *l; // columns in messages count from the line's start
    const char *at;
    size_t n;
    int64_t last = 0;
    next_word(l, &at, &n);
    if (memchr(at, ':', n))
        r->several = true, l->row = at;
    else
        TRY(labels(r, &whole, at, n));
    while (next_word(l, &at, &n)) TRY(feature(r, &whole, at, n, &last));
    r->row++;
    if (r->offsets) r->offsets[r->row] = r->label;
    return NRG_OK;
}

static nrg_status all_rows(reader *r) {
    lines l = {.p = (const char *)r->in->blob->at, .end = (const char *)r->in->blob->at + r->in->blob->n};
    r->row = r->label = 0;
    while (next_line(&l)) {
        lines at = l;
        TRY(read_row(r, &at));
    }
    return NRG_OK;
}

// The part is `x`, `y` or a number of features; the shape must be one that the file justifies.
static nrg_status sizes(reader *r) {
    nrg_reading *in = r->in;
    int64_t want = r->features, cells;
    bool number = in->part && nrg_integer(in->part, strlen(in->part), &want);
    if (in->part && !number && strcmp(in->part, "x") != 0 && strcmp(in->part, "y") != 0)
        return nrg_fail(in->ctx, NRG_E090, NRG_NOWHERE, "%s: '%s' is neither x, y nor a number of features", in->file,
                        in->part);
    if (number && want < r->features)
        return nrg_fail(in->ctx, NRG_E050, NRG_NOWHERE, "%s: it has feature %lld, but %lld features were asked for",
                        in->file, (long long)r->features, (long long)want);
    if (in->name && (!in->part || number)) {
        nrg_fail(in->ctx, NRG_E090, NRG_NOWHERE, "%s has two arrays, x and y, so '%s' does not say which one it names",
                 in->file, in->name);
        nrg_help(in->ctx, "write %s=%s:x or %s=%s:y", in->name, in->file, in->name, in->file);
        return NRG_E090;
    }
    int64_t most =
        CELLS_FREE + (int64_t)(in->blob->n < (size_t)CELLS_MOST ? in->blob->n : (size_t)CELLS_MOST) * CELLS_PER_BYTE;
    if (!nrg_times(r->rows, want, &cells) || cells > CELLS_MOST || (!number && cells > most)) {
        nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE, "%s: %lld rows of %lld features are too many for a dense array",
                 in->file, (long long)r->rows, (long long)want);
        nrg_help(in->ctx, "check the largest index, or keep fewer features");
        return NRG_E054;
    }
    r->most_features = want;
    return NRG_OK;
}

static nrg_status add_y(reader *r, nrg_arena *arena, const char *name) {
    nrg_array a = {
        .name = name, .type = NRG_CELL_F64, .rank = 1, .dim = {r->labels}, .data = r->y, .file = r->in->file};
    if (r->whole || r->texts) {
        int64_t *y = NRG_NEWS(arena, int64_t, r->labels);
        if (!y) return NRG_E098;
        for (int64_t i = 0; i < r->labels; i++) y[i] = (int64_t)r->y[i];
        a.data = y;
        a.type = NRG_CELL_I64;
    }
    if (r->texts) a.labels = r->words->words.at, a.labels_n = r->words->words.n;
    if (r->several) a.offsets = r->offsets, a.samples = r->rows;
    return nrg_table_add(r->in->table, &a);
}

static nrg_status fill(reader *r) {
    nrg_reading *in = r->in;
    nrg_arena *arena = nrg_table_arena(in->table);
    bool both = !in->part || (strcmp(in->part, "x") != 0 && strcmp(in->part, "y") != 0);
    bool want_x = (both || *in->part == 'x') && r->most_features > 0, want_y = both || *in->part == 'y';
    nrg_labels words = nrg_labels_make(arena);
    if (want_x) r->x = NRG_NEWS(arena, float, r->rows * r->most_features);
    if (want_y) r->y = NRG_NEWS(arena, double, r->labels);
    if (r->several) r->offsets = NRG_NEWS(arena, int64_t, r->rows + 1);
    if ((want_x && !r->x) || (want_y && !r->y) || (r->several && !r->offsets)) return NRG_E098;
    if (r->texts) r->words = &words;
    TRY(all_rows(r));
    nrg_array x = {.name = in->name ? in->name : "x",
                   .type = NRG_CELL_F32,
                   .rank = 2,
                   .dim = {r->rows, r->most_features},
                   .data = r->x,
                   .file = in->file};
    if (want_x) TRY(nrg_table_add(in->table, &x));
    return want_y ? add_y(r, arena, in->name ? in->name : "y") : NRG_OK;
}

bool nrg_libsvm_applies(const nrg_reading *in) {
    if (strcmp(in->ext, "libsvm") == 0 || strcmp(in->ext, "svm") == 0 || strcmp(in->ext, "svmlight") == 0) return true;
    if (!in->text || strcmp(in->ext, "csv") == 0 || strcmp(in->ext, "tsv") == 0) return false;
    lines l = {.p = (const char *)in->blob->at, .end = (const char *)in->blob->at + in->blob->n};
    const char *at, *colon;
    size_t n;
    int64_t i;
    double v;
    if (!next_line(&l) || !next_word(&l, &at, &n) || !next_word(&l, &at, &n) || !(colon = memchr(at, ':', n)))
        return false;
    return nrg_integer(at, (size_t)(colon - at), &i) && nrg_number(colon + 1, n - (size_t)(colon - at) - 1, &v);
}

nrg_status nrg_libsvm_read(nrg_reading *in) {
    reader r = {.in = in, .whole = true};
    TRY(all_rows(&r));
    r.rows = r.row;
    r.labels = r.label;
    if (r.rows == 0) return nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE, "%s: no rows in it", in->file);
    TRY(sizes(&r));
    return fill(&r);
}
