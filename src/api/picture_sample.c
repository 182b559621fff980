// Draws to be compared with data: which rows are held, which are looked at.
#include "api/picture.h"
#include <string.h>

enum { ROWS = 512 };

// Rows [first, first + n) of an array under another name.
static nrg_status copy_rows(nrg_table *t, const nrg_array *from, const char *name, int64_t first, int64_t n) {
    nrg_array *a;
    int64_t dim[NRG_ARRAY_RANK], w = nrg_array_width(from);
    memcpy(dim, from->dim, sizeof dim);
    dim[0] = n;
    TRY(nrg_table_make(t, name, NRG_CELL_F64, from->rank, dim, &a));
    memcpy(a->data, (const double *)from->data + first * w, (size_t)(n * w) * sizeof(double));
    return NRG_OK;
}

// Given variables, and those held by force, as "given:NAME"; the others as they are.
static nrg_status part(nrg_ebm *m, const nrg_table *data, const nrg_table *all, int64_t first, int64_t n,
                       nrg_table *held, nrg_table *seen) {
    for (int i = 0; i < nrg_table_count(all); i++) {
        const nrg_array *a = nrg_table_at(all, i);
        char name[256];
        snprintf(name, sizeof name, "given:%s", a->name);
        int32_t v = nrg_model_var(m->model, a->name);
        TRY(copy_rows(seen, a, a->name, first, n));
        if (m->model->vars.at[v].role == NRG_GIVEN || nrg_table_find(data, name))
            TRY(copy_rows(held, a, name, first, n));
    }
    return NRG_OK;
}

// How many numbers a draw has, by the predicted variables.
static int64_t numbers(nrg_ebm *m) {
    int64_t n = 0;
    for (int32_t v = 0; v < (int32_t)m->model->vars.n; v++) {
        nrg_shape s;
        if (nrg_model_role(m->model, NRG_PREDICT) >> v & 1)
            if (nrg_var_shape(m->model, v, &s) == NRG_OK) n += nrg_shape_count(&s);
    }
    return n;
}

static nrg_status draw(nrg_ebm *m, const nrg_table *data, const nrg_table *all, int64_t row,
                       const nrg_sample_options *o, nrg_table *held, nrg_table *seen, nrg_samples **out) {
    nrg_sample_options with = *o;
    int64_t rows = all ? nrg_table_rows(all) : 0, first = row > 0 ? row : 0;
    bool given = (nrg_api_visible(m) & nrg_model_role(m->model, NRG_GIVEN)) != 0;
    int64_t n = !given ? rows : row >= 0 ? 1 : rows < ROWS ? rows : ROWS;
    if (!given) first = 0;
    if (row >= 0 && given && row >= (rows > 0 ? rows : 1)) {
        nrg_values none = {.rows = rows};
        return nrg_picture_row(m, &none, row);
    }
    if (all) TRY(part(m, data, all, first, n, held, seen));
    bool several = nrg_table_count(held) > 0 && n > 1 && given;
    if (with.n == 0) with.n = several ? 1 : numbers(m) <= 12 ? 1000 : 64;
    return nrg_ebm_sample(m, nrg_table_count(held) ? held : NULL, &with, out);
}

nrg_status nrg_ebm_sample_rows(nrg_ebm *m, const nrg_table *data, int64_t row, const nrg_sample_options *o,
                               nrg_samples **out, nrg_table **seen) {
    static const nrg_sample_options none;
    nrg_table *all = NULL, *held = NULL, *same = NULL;
    *out = NULL;
    *seen = NULL;
    nrg_status s = nrg_api_ready(m, data);
    if (s == NRG_OK && data) s = nrg_ebm_values(m, data, &all);
    if (s == NRG_OK && all && nrg_table_count(all) == 0)
        s = nrg_fail(m->ctx, NRG_E051, NRG_NOWHERE, "the data hold none of the model's variables");
    if (s == NRG_OK) s = nrg_table_new(m->ctx, &held);
    if (s == NRG_OK) s = nrg_table_new(m->ctx, &same);
    if (s == NRG_OK) s = draw(m, data, all, row, o ? o : &none, held, same, out);
    if (s == NRG_OK && data) {
        *seen = same;
        same = NULL;
    }
    nrg_table_free(same);
    nrg_table_free(held);
    nrg_table_free(all);
    return s;
}
