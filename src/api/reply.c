// Answers as tables: csv, json, npz.
#include "api/api.h"
#include <math.h>
#include <string.h>

static void put_number(nrg_text *t, double v, nrg_form form) {
    if (isfinite(v))
        nrg_text_put(t, "%.9g", v);
    else if (form == NRG_AS_JSON)
        nrg_text_put(t, "null");
    else if (isinf(v))
        nrg_text_put(t, v > 0 ? "inf" : "-inf");
}

static void put_word(nrg_text *t, const char *s, nrg_form form) {
    if (form == NRG_AS_JSON) {
        nrg_text_json(t, s);
        return;
    }
    if (!strpbrk(s, ",\"\n")) {
        nrg_text_put(t, "%s", s);
        return;
    }
    nrg_text_put(t, "\"");
    for (; *s; s++) nrg_text_put(t, *s == '"' ? "\"\"" : "%c", *s);
    nrg_text_put(t, "\"");
}

void nrg_api_cell(nrg_text *t, const char *const *labels, int64_t n, double v, nrg_form form) {
    if (labels && v >= 0 && v < (double)n)
        put_word(t, labels[(int64_t)v], form);
    else
        put_number(t, v, form);
}

// One number of an answer: a label where there are labels.
static void put_cell(nrg_text *t, const nrg_reply *r, double v, nrg_form form) { nrg_api_cell(t, r->labels, r->labels_n, v, form); }

// An answer of several numbers: in csv separated by blanks, so that it stays one column.
static void put_answer(nrg_text *t, const nrg_reply *r, const double *v, nrg_form form) {
    bool none = !v || isnan(v[0]);
    if (none && form == NRG_AS_JSON) nrg_text_put(t, "null");
    if (none) return;
    if (r->width == 1 && r->rank == 0) {
        put_cell(t, r, v[0], form);
        return;
    }
    if (form == NRG_AS_JSON) nrg_text_put(t, "[");
    for (int64_t i = 0; i < r->width; i++) {
        if (i) nrg_text_put(t, form == NRG_AS_JSON ? ", " : " ");
        put_cell(t, r, v[i], form);
    }
    if (form == NRG_AS_JSON) nrg_text_put(t, "]");
}

static void key(nrg_text *t, const char *name, nrg_form form, bool first) {
    if (!first) nrg_text_put(t, form == NRG_AS_JSON ? ", " : ",");
    if (form == NRG_AS_JSON) nrg_text_put(t, "\"%s\": ", name);
}

static void open_row(nrg_text *t, nrg_form form) {
    if (form == NRG_AS_JSON) nrg_text_put(t, "{");
}

static void close_row(nrg_text *t, nrg_form form) {
    nrg_text_put(t, form == NRG_AS_JSON ? "}\n" : "\n");
}

static const char *status_of(const nrg_reply *r, int64_t i) {
    return r->status && r->status[i] ? r->status[i] : "";
}

static void put_best(nrg_text *t, const nrg_reply *r, int64_t i, nrg_form form) {
    open_row(t, form);
    key(t, "sample", form, true);
    nrg_text_put(t, "%lld", (long long)i);
    key(t, "answer", form, false);
    put_answer(t, r, r->value + i * r->width, form);
    key(t, "energy", form, false);
    put_number(t, r->energy[i], form);
    key(t, "runner_up", form, false);
    put_answer(t, r, r->runner_up ? r->runner_up + i * r->width : NULL, form);
    key(t, "runner_up_energy", form, false);
    put_number(t, r->runner_up_energy ? r->runner_up_energy[i] : NAN, form);
    key(t, "status", form, false);
    put_word(t, status_of(r, i), form);
    close_row(t, form);
}

static void put_rank(nrg_text *t, const nrg_reply *r, int64_t i, nrg_form form) {
    for (int64_t k = 0; k < r->choices; k++) {
        int64_t at = i * r->choices + k;
        if (isnan(r->energy[at])) break; // fewer minima than asked for
        open_row(t, form);
        key(t, "sample", form, true);
        nrg_text_put(t, "%lld", (long long)i);
        key(t, "place", form, false);
        nrg_text_put(t, "%lld", (long long)k + 1);
        key(t, "answer", form, false);
        put_answer(t, r, r->value + at * r->width, form);
        key(t, "energy", form, false);
        put_number(t, r->energy[at], form);
        key(t, "status", form, false);
        put_word(t, status_of(r, i), form);
        close_row(t, form);
    }
}

// A finite variable: one column a value. Anything else: one row a value.
static bool wide(const nrg_reply *r) {
    return r->width == 1 && r->choices <= 256 && r->labels_n > 0;
}

static void put_dist_rows(nrg_text *t, const nrg_reply *r, int64_t i, nrg_form form) {
    for (int64_t k = 0; k < r->choices; k++) {
        open_row(t, form);
        key(t, "sample", form, true);
        nrg_text_put(t, "%lld", (long long)i);
        key(t, "answer", form, false);
        put_answer(t, r, r->value + k * r->width, form);
        key(t, "p", form, false);
        put_number(t, r->p ? r->p[i * r->choices + k] : NAN, form);
        key(t, "energy", form, false);
        put_number(t, r->energy ? r->energy[i * r->choices + k] : NAN, form);
        key(t, "status", form, false);
        put_word(t, status_of(r, i), form);
        close_row(t, form);
    }
}

// The dist of a real in closed form: a Gaussian a sample.
static void put_gaussian(nrg_text *t, const nrg_reply *r, int64_t i, nrg_form form) {
    open_row(t, form);
    key(t, "sample", form, true);
    nrg_text_put(t, "%lld", (long long)i);
    key(t, "mean", form, false);
    put_answer(t, r, r->mean + i * r->width, form);
    key(t, "variance", form, false);
    put_answer(t, r, r->variance + i * r->width, form);
    key(t, "free", form, false);
    put_number(t, r->free ? r->free[i] : NAN, form);
    key(t, "status", form, false);
    put_word(t, status_of(r, i), form);
    close_row(t, form);
}

static void put_dist(nrg_text *t, const nrg_reply *r, int64_t i, nrg_form form) {
    if (r->mean) {
        put_gaussian(t, r, i, form);
        return;
    }
    if (!wide(r)) {
        put_dist_rows(t, r, i, form);
        return;
    }
    open_row(t, form);
    key(t, "sample", form, true);
    nrg_text_put(t, "%lld", (long long)i);
    for (int64_t k = 0; k < r->choices; k++) {
        nrg_text_put(t, form == NRG_AS_JSON ? ", " : ",");
        if (form == NRG_AS_JSON) {
            if (r->labels)
                put_cell(t, r, r->value[k], form);
            else
                nrg_text_put(t, "\"%.9g\"", r->value[k]); // keys are strings
            nrg_text_put(t, ": ");
        }
        put_number(t, r->p ? r->p[i * r->choices + k] : NAN, form);
    }
    key(t, "free", form, false);
    put_number(t, r->free ? r->free[i] : NAN, form);
    key(t, "status", form, false);
    put_word(t, status_of(r, i), form);
    close_row(t, form);
}

static void put_header(nrg_text *t, const nrg_reply *r) {
    if (r->question == NRG_BEST)
        nrg_text_put(t, "sample,answer,energy,runner_up,runner_up_energy,status\n");
    else if (r->question == NRG_RANK)
        nrg_text_put(t, "sample,place,answer,energy,status\n");
    else if (r->mean)
        nrg_text_put(t, "sample,mean,variance,free,status\n");
    else if (!wide(r))
        nrg_text_put(t, "sample,answer,p,energy,status\n");
    else {
        nrg_text_put(t, "sample");
        for (int64_t k = 0; k < r->choices; k++) {
            nrg_text_put(t, ",");
            put_cell(t, r, r->value[k], NRG_AS_CSV);
        }
        nrg_text_put(t, ",free,status\n");
    }
}

nrg_status nrg_reply_text(nrg_reply *r, nrg_form form, const char **text) {
    nrg_text *t = nrg_reply_said(r);
    nrg_api_clear(t);
    if (form == NRG_AS_CSV) put_header(t, r);
    for (int64_t i = 0; i < r->n; i++) {
        if (r->question == NRG_BEST)
            put_best(t, r, i, form);
        else if (r->question == NRG_RANK)
            put_rank(t, r, i, form);
        else
            put_dist(t, r, i, form);
    }
    *text = t->at ? t->at : "";
    return nrg_text_end(t);
}

// ---- npz: arrays as they are ----

static nrg_status add(nrg_table *t, const char *name, const double *data, int rank,
                      const int64_t *dim) {
    return data ? nrg_table_put(t, name, NRG_CELL_F64, rank, dim, data) : NRG_OK;
}

// The values of a distribution, which all samples share, once for each: arrays of one file have one row a sample.
static nrg_status add_values(const nrg_reply *r, nrg_table *t, const int64_t *dim) {
    nrg_array *a;
    int64_t each = r->choices * r->width;
    if (wide(r)) return NRG_OK; // categories: their place is their value
    TRY(nrg_table_make(t, "values", NRG_CELL_F64, 3, dim, &a));
    for (int64_t i = 0; i < r->n; i++)
        memcpy((double *)a->data + i * each, r->value, (size_t)each * sizeof(double));
    return NRG_OK;
}

static nrg_status save_npz(const nrg_reply *r, nrg_table *t, const char *path) {
    int64_t each[2] = {r->n, r->width}, ranked[3] = {r->n, r->choices, r->width},
            table[2] = {r->n, r->choices};
    bool one = r->question == NRG_BEST;
    if (one)
        TRY(add(t, "answer", r->value, 2, each));
    else if (r->question == NRG_RANK)
        TRY(add(t, "answer", r->value, 3, ranked));
    else
        TRY(add_values(r, t, ranked));
    TRY(add(t, "energy", r->energy, one ? 1 : 2, table));
    TRY(add(t, "p", r->p, 2, table));
    TRY(add(t, "mean", r->mean, 2, each));
    TRY(add(t, "variance", r->variance, 2, each));
    TRY(add(t, "free", r->free, 1, each));
    if (one) TRY(add(t, "runner_up", r->runner_up, 2, each));
    if (one) TRY(add(t, "runner_up_energy", r->runner_up_energy, 1, each));
    return nrg_data_write(t, path);
}

nrg_status nrg_reply_save(nrg_reply *r, const char *path) {
    nrg_ctx *c = nrg_reply_ctx(r);
    const char *text;
    nrg_table *t;
    if (nrg_ends(path, ".npz")) {
        TRY(nrg_table_new(c, &t));
        nrg_status s = save_npz(r, t, path);
        nrg_table_free(t);
        return s;
    }
    if (!nrg_ends(path, ".csv") && !nrg_ends(path, ".json")) {
        nrg_fail(c, NRG_E090, NRG_NOWHERE, "answers are written as .csv, .json or .npz, not %s",
                 path);
        nrg_help(c, "-o answers.csv");
        return NRG_E090;
    }
    TRY(nrg_reply_text(r, nrg_ends(path, ".json") ? NRG_AS_JSON : NRG_AS_CSV, &text));
    return nrg_file_write(c, path, text, strlen(text));
}
