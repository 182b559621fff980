// Labels to categories: texts by the dim's names, numbers as they are; a dim without a size takes both from the data.
#include "train/bind.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// "y has the value 10 at sample 4711, but Class = 10 labels are 0..9"
static nrg_status outside(const nrg_bound *b, int32_t var, const nrg_array *a, int64_t cell, const char *found,
                          int64_t shift) {
    const nrg_var *v = &b->m->vars.at[var];
    const nrg_dim *d = &b->m->dims.at[v->category];
    nrg_array_range r = nrg_array_scan(a);
    nrg_text place = nrg_text_make(b->ctx);
    nrg_shape shape = nrg_shape_of(a->offsets ? 0 : a->rank - 1, a->dim + 1);
    nrg_bind_place(&shape, cell, &place);
    nrg_status s = NRG_E052;
    if (d->size > 0)
        nrg_fail(b->ctx, s, v->span, "%s has the value %s at %s, but %s = %lld labels are 0..%lld", v->name, found,
                 place.bad ? "?" : place.at, d->name, (long long)d->size, (long long)d->size - 1);
    else // its size was to come from these data
        nrg_fail(b->ctx, s, v->span, "%s has the value %s at %s, but the labels of %s are whole numbers from 0, below 2147483647",
                 v->name, found, place.bad ? "?" : place.at, d->name);
    nrg_text_free(&place);
    if (d->labels && d->size > 0) nrg_fact(b->ctx, "%s is {%s .. %s}", d->name, d->labels[0], d->labels[d->size - 1]);
    if (!a->labels && r.lo + (double)shift == 1 && r.hi + (double)shift == (double)d->size)
        nrg_help(b->ctx, "labels are 0-based; --map '%s=%s-1' shifts them", v->name, a->name);
    else if (a->labels && d->labels) {
        const char *near = nrg_nearest(found, d->labels, (int)d->size);
        if (near) nrg_help(b->ctx, "the nearest label is %s", near);
        else nrg_help(b->ctx, "name the labels in the model: dim %s = {...}", d->name);
    } else nrg_help(b->ctx, "labels are 0-based numbers, or the names listed in dim %s = {...}", d->name);
    return s;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

// A dim without labels takes those of the array, in the order of the alphabet so that the order of the rows does not matter.
static nrg_status adopt(nrg_bound *b, nrg_dim *d, const nrg_array *a) {
    const char **names = NRG_NEWS(&b->m->arena, const char *, a->labels_n + 1);
    if (!names) return NRG_E098;
    for (int64_t i = 0; i < a->labels_n; i++)
        if (!(names[i] = nrg_arena_copy(&b->m->arena, a->labels[i], strlen(a->labels[i])))) return NRG_E098;
    qsort(names, (size_t)a->labels_n, sizeof *names, by_text);
    d->labels = names;
    d->size = a->labels_n;
    return NRG_OK;
}

static int64_t find(const nrg_dim *d, const char *text) {
    for (int64_t i = 0; i < d->size; i++)
        if (nrg_same(d->labels[i], text)) return i;
    return -1;
}

static nrg_status texts(nrg_bound *b, int32_t var, const nrg_array *a, int32_t *to) {
    nrg_dim *d = &b->m->dims.at[b->m->vars.at[var].category];
    int64_t *map = NRG_NEWS(&b->arena, int64_t, a->labels_n + 1);
    if (!map) return NRG_E098;
    if (!d->labels && (d->size < 0 || d->size == a->labels_n) && b->spec.fit) TRY(adopt(b, d, a));
    for (int64_t i = 0; i < a->labels_n; i++) map[i] = d->labels ? find(d, a->labels[i]) : i < d->size ? i : -1;
    if (!d->labels) {
        nrg_status s = nrg_fail(b->ctx, NRG_E052, b->m->vars.at[var].span,
                                "%s has %lld different labels, but %s = %lld has no names", a->name,
                                (long long)a->labels_n, d->name, (long long)d->size);
        nrg_help(b->ctx, "list the labels: dim %s = {%s, ...}, or leave its size out", d->name,
                 a->labels_n ? a->labels[0] : "a");
        return s;
    }
    for (int64_t i = 0, n = nrg_array_cells(a); i < n; i++) {
        if (nrg_array_missing(a, i)) {
            to[i] = -1;
            continue;
        }
        int64_t k = (int64_t)nrg_array_value(a, i);
        if (k < 0 || k >= a->labels_n) continue;
        if (map[k] < 0) return outside(b, var, a, i, a->labels[k], 0);
        to[i] = (int32_t)map[k];
    }
    return NRG_OK;
}

// Labels of the dim that are numbers but not 0..K-1 (dim Grade = {3, 4, 5}): values are found by them, not by position.
static bool by_value(const nrg_dim *d, double *value) {
    if (!d->labels) return false;
    bool plain = true;
    for (int64_t i = 0; i < d->size; i++) {
        if (!nrg_number(d->labels[i], strlen(d->labels[i]), &value[i])) return false;
        plain = plain && value[i] == (double)i;
    }
    return !plain;
}

static int64_t category(const nrg_dim *d, const double *value, double v) {
    if (value) {
        for (int64_t i = 0; i < d->size; i++)
            if (value[i] == v) return i;
        return -1;
    }
    return v == floor(v) && v >= 0 && v < (double)d->size ? (int64_t)v : -1;
}

static nrg_status numbers(nrg_bound *b, int32_t var, const nrg_array *a, int64_t shift, int32_t *to) {
    nrg_dim *d = &b->m->dims.at[b->m->vars.at[var].category];
    if (d->size < 0) {
        nrg_array_range r = nrg_array_scan(a);
        if (r.whole && r.lo <= r.hi && r.hi + (double)shift < 2147483647.0)
            d->size = (int64_t)(r.hi + (double)shift) + 1;
        else d->size = 0;
    }
    double *value = NRG_NEWS(&b->arena, double, d->size + 1);
    if (!value) return NRG_E098;
    if (!by_value(d, value)) value = NULL;
    for (int64_t i = 0, n = nrg_array_cells(a); i < n; i++) {
        if (nrg_array_missing(a, i)) {
            to[i] = -1;
            continue;
        }
        double v = nrg_array_value(a, i) + (double)shift;
        int64_t k = category(d, value, v);
        if (k < 0 && d->size == 0 && v >= 0 && v < 2147483647.0 && v == floor(v)) continue; // another cell is at fault
        if (k < 0) {
            char found[32];
            nrg_print(found, sizeof found, "%.10g", v);
            return outside(b, var, a, i, found, shift);
        }
        to[i] = (int32_t)k;
    }
    return NRG_OK;
}

static nrg_status no_gaps(const nrg_bound *b, int32_t var, const nrg_array *a, const int32_t *at) {
    if (!(b->spec.need >> var & 1)) return NRG_OK;
    for (int64_t i = 0, n = nrg_array_cells(a); i < n; i++) {
        if (at[i] >= 0) continue;
        nrg_text place = nrg_text_make(b->ctx);
        nrg_shape shape = nrg_shape_of(a->offsets ? 0 : a->rank - 1, a->dim + 1);
        nrg_bind_place(&shape, i, &place);
        nrg_status s = nrg_fail(b->ctx, NRG_E055, b->m->vars.at[var].span, "%s is missing at %s",
                                b->m->vars.at[var].name, place.bad ? "?" : place.at);
        nrg_text_free(&place);
        nrg_help(b->ctx, "drop the rows without a label, or fill them in");
        return s;
    }
    return NRG_OK;
}

nrg_status nrg_bind_labels(nrg_bound *b, int32_t var, const nrg_array *a, int64_t shift, nrg_buffer *out) {
    int32_t *to = NRG_NEWS(&b->arena, int32_t, nrg_array_cells(a) + 1);
    if (!to) return NRG_E098;
    TRY(a->labels ? texts(b, var, a, to) : numbers(b, var, a, shift, to));
    TRY(no_gaps(b, var, a, to));
    *out = (nrg_buffer){.data = to, .type = NRG_BUF_I32};
    return NRG_OK;
}
