// Looking at arrays: types, values, ranges, and the lines that messages and `nrg data info` print.
#include "data/data.h"
#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} types[NRG_CELL_COUNT] = {
    [NRG_CELL_F32] = {"float32", 4}, [NRG_CELL_F64] = {"float64", 8}, [NRG_CELL_U8] = {"uint8", 1},
    [NRG_CELL_I8] = {"int8", 1},     [NRG_CELL_I16] = {"int16", 2},   [NRG_CELL_I32] = {"int32", 4},
    [NRG_CELL_I64] = {"int64", 8},   [NRG_CELL_U16] = {"uint16", 2},  [NRG_CELL_U32] = {"uint32", 4},
    [NRG_CELL_BOOL] = {"bool", 1}};

size_t nrg_cell_size(nrg_cell t) { return types[t].size; }
const char *nrg_cell_name(nrg_cell t) { return types[t].name; }

int64_t nrg_array_width(const nrg_array *a) {
    int64_t n = 1;
    for (int i = 1; i < a->rank; i++) n *= a->dim[i];
    return n;
}

int64_t nrg_array_cells(const nrg_array *a) { return a->dim[0] * nrg_array_width(a); }

double nrg_array_value(const nrg_array *a, int64_t i) {
    switch (a->type) {
    case NRG_CELL_F32: return (double)((const float *)a->data)[i];
    case NRG_CELL_F64: return ((const double *)a->data)[i];
    case NRG_CELL_I8: return ((const int8_t *)a->data)[i];
    case NRG_CELL_I16: return ((const int16_t *)a->data)[i];
    case NRG_CELL_I32: return ((const int32_t *)a->data)[i];
    case NRG_CELL_I64: return (double)((const int64_t *)a->data)[i];
    case NRG_CELL_U16: return ((const uint16_t *)a->data)[i];
    case NRG_CELL_U32: return ((const uint32_t *)a->data)[i];
    default: return ((const uint8_t *)a->data)[i];
    }
}

bool nrg_array_missing(const nrg_array *a, int64_t i) {
    return a->missing ? a->missing[i] : isnan(nrg_array_value(a, i));
}

nrg_array_range nrg_array_scan(const nrg_array *a) {
    nrg_array_range r = {INFINITY, -INFINITY, 0, 0, true};
    int64_t n = nrg_array_cells(a);
    if (a->type == NRG_CELL_U8 && !a->missing) { // pictures: by far the most cells
        const uint8_t *p = a->data;
        uint8_t lo = 255, hi = 0;
        for (int64_t i = 0; i < n; i++) lo = p[i] < lo ? p[i] : lo, hi = p[i] > hi ? p[i] : hi;
        return n ? (nrg_array_range){lo, hi, 0, 0, true} : r;
    }
    for (int64_t i = 0; i < n; i++) {
        double v = nrg_array_value(a, i);
        if (isnan(v) || (a->missing && a->missing[i])) {
            r.missing++;
            continue;
        }
        r.infinite += isinf(v) != 0;
        if (v != floor(v)) r.whole = false;
        if (v < r.lo) r.lo = v;
        if (v > r.hi) r.hi = v;
    }
    return r;
}

static void print_labels(const nrg_array *a, int64_t most, nrg_text *out) {
    nrg_text_put(out, "%lld label%s:", (long long)a->labels_n, a->labels_n == 1 ? "" : "s");
    for (int64_t i = 0; i < a->labels_n && i < most; i++) nrg_text_put(out, "%s %.40s", i ? "," : "", a->labels[i]);
    if (a->labels_n > most) nrg_text_put(out, ", ...");
}

static void print_shape(const nrg_array *a, nrg_text *out) {
    nrg_text_put(out, "%lld sample%s", (long long)a->samples, a->samples == 1 ? "" : "s");
    if (a->offsets) {
        int64_t lo = INT64_MAX, hi = 0;
        for (int64_t i = 0; i < a->samples; i++) {
            int64_t n = a->offsets[i + 1] - a->offsets[i];
            lo = n < lo ? n : lo;
            hi = n > hi ? n : hi;
        }
        nrg_text_put(out, " of %lld..%lld items", (long long)(a->samples ? lo : 0), (long long)hi);
    }
    for (int i = 1; i < a->rank; i++) nrg_text_put(out, "%s%lld", i > 1 ? " x " : " of ", (long long)a->dim[i]);
}

void nrg_array_print(const nrg_array *a, nrg_text *out) {
    nrg_array_range r = nrg_array_scan(a);
    nrg_text_put(out, "%s : ", a->name);
    print_shape(a, out);
    nrg_text_put(out, ", ");
    if (a->labels)
        print_labels(a, 3, out);
    else if (r.lo > r.hi)
        nrg_text_put(out, "%s", nrg_cell_name(a->type));
    else
        nrg_text_put(out, "%s %.6g..%.6g", nrg_cell_name(a->type), r.lo, r.hi);
    if (r.missing) nrg_text_put(out, ", %lld missing", (long long)r.missing);
    if (r.infinite) nrg_text_put(out, ", %lld infinite", (long long)r.infinite);
}

void nrg_table_print(const nrg_table *t, nrg_text *out) {
    for (int i = 0; i < nrg_table_count(t); i++) {
        nrg_array_print(nrg_table_at(t, i), out);
        nrg_text_put(out, "\n");
    }
}

void nrg_table_names(const nrg_table *t, nrg_text *out) {
    enum { MOST = 24 };
    int n = nrg_table_count(t);
    for (int i = 0; i < n && i < MOST; i++) nrg_text_put(out, "%s%s", i ? ", " : "", nrg_table_at(t, i)->name);
    if (n > MOST) nrg_text_put(out, " and %d more", n - MOST);
}

// ---- nrg data info ----

static void print_cell(const nrg_array *a, int64_t i, nrg_text *out) {
    if (nrg_array_missing(a, i)) {
        nrg_text_put(out, "_");
        return;
    }
    double v = nrg_array_value(a, i);
    if (a->labels && v >= 0 && v < (double)a->labels_n)
        nrg_text_put(out, "%.40s", a->labels[(int64_t)v]);
    else
        nrg_text_put(out, "%.6g", v);
}

// One row: a cell, or up to 8 cells in brackets.
static void print_row(const nrg_array *a, int64_t row, nrg_text *out) {
    enum { MOST = 8 };
    int64_t w = nrg_array_width(a), from = row, to = row + 1;
    if (a->offsets) from = a->offsets[row], to = a->offsets[row + 1];
    int64_t n = (to - from) * w;
    bool one = !a->offsets && a->rank == 1;
    if (!one) nrg_text_put(out, "[");
    for (int64_t i = 0; i < n && i < MOST; i++) {
        if (i) nrg_text_put(out, " ");
        print_cell(a, from * w + i, out);
    }
    if (n > MOST) nrg_text_put(out, " ...");
    if (!one) nrg_text_put(out, "]");
}

// How often each of the first labels occurs.
static void print_counts(const nrg_array *a, nrg_text *out) {
    enum { MOST = 20 };
    int64_t count[MOST] = {0}, n = nrg_array_cells(a);
    for (int64_t i = 0; i < n; i++) {
        double v = nrg_array_value(a, i);
        if (v >= 0 && v < MOST) count[(int)v]++;
    }
    nrg_text_put(out, "labels of %s:", a->name);
    for (int64_t i = 0; i < a->labels_n && i < MOST; i++)
        nrg_text_put(out, "%s %.40s %lld", i ? "," : "", a->labels[i], (long long)count[i]);
    if (a->labels_n > MOST) nrg_text_put(out, " and %lld more", (long long)(a->labels_n - MOST));
    nrg_text_put(out, "\n");
}

void nrg_table_info(const nrg_table *t, int rows, nrg_text *out) {
    int n = nrg_table_count(t);
    nrg_text_put(out, "%d array%s, %lld samples\n", n, n == 1 ? "" : "s", (long long)nrg_table_rows(t));
    nrg_table_print(t, out);
    for (int i = 0; i < n; i++)
        if (nrg_table_at(t, i)->labels) print_counts(nrg_table_at(t, i), out);
    for (int64_t row = 0; row < rows && row < nrg_table_rows(t); row++) {
        nrg_text_put(out, "row %lld:", (long long)row);
        for (int i = 0; i < n; i++) {
            const nrg_array *a = nrg_table_at(t, i);
            if (row >= a->samples) continue;
            nrg_text_put(out, "%s %s ", i ? "," : "", a->name);
            print_row(a, row, out);
        }
        nrg_text_put(out, "\n");
    }
}

// ---- padded to ragged ----

static nrg_status read_lengths(nrg_table *t, const nrg_array *p, const nrg_array *l, int64_t *offsets) {
    nrg_ctx *c = nrg_table_ctx(t);
    if (p->rank < 2 || p->offsets)
        return nrg_fail(c, NRG_E050, NRG_NOWHERE, "'%s' is not a padded array [samples, length, ...]", p->name);
    if (l->rank != 1 || l->offsets || l->dim[0] != p->dim[0])
        return nrg_fail(c, NRG_E056, NRG_NOWHERE, "lengths '%s' has %lld samples, but '%s' has %lld", l->name,
                        (long long)l->dim[0], p->name, (long long)p->dim[0]);
    for (int64_t i = 0; i < p->dim[0]; i++) {
        double n = nrg_array_value(l, i);
        if (!(n >= 0) || n != floor(n) || n > (double)p->dim[1])
            return nrg_fail(c, NRG_E050, NRG_NOWHERE,
                            "length '%s' of sample %lld is %.6g, expected a whole number 0..%lld", l->name,
                            (long long)i, n, (long long)p->dim[1]);
        offsets[i + 1] = offsets[i] + (int64_t)n;
    }
    return NRG_OK;
}

nrg_status nrg_table_ragged(nrg_table *t, const nrg_array *p, const nrg_array *l, const char *name) {
    nrg_arena *arena = nrg_table_arena(t);
    int64_t *offsets = NRG_NEWS(arena, int64_t, p->dim[0] + 1);
    if (!offsets) return NRG_E098;
    TRY(read_lengths(t, p, l, offsets));
    nrg_array a = *p;
    a.name = name;
    a.rank = p->rank - 1;
    a.offsets = offsets;
    a.samples = p->dim[0];
    a.dim[0] = offsets[p->dim[0]];
    for (int i = 1; i < a.rank; i++) a.dim[i] = p->dim[i + 1];
    size_t size = nrg_cell_size(p->type), item = (size_t)nrg_array_width(&a), row = item * (size_t)p->dim[1];
    char *data = nrg_arena_get(arena, (size_t)a.dim[0] * item * size);
    uint8_t *missing = p->missing ? nrg_arena_get(arena, (size_t)a.dim[0] * item) : NULL;
    if (!data || (p->missing && !missing)) return NRG_E098;
    for (int64_t i = 0; i < a.samples; i++) {
        size_t n = (size_t)(offsets[i + 1] - offsets[i]) * item, to = (size_t)offsets[i] * item;
        if (n == 0) continue;
        memcpy(data + to * size, (const char *)p->data + (size_t)i * row * size, n * size);
        if (missing) memcpy(missing + to, p->missing + (size_t)i * row, n);
    }
    a.data = data;
    a.missing = missing;
    return nrg_table_add(t, &a);
}
