// F along some numbers of the variables, all else held as in a row of the data: what landscapes and slices draw.
#include "api/picture.h"
#include "infer/inside.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

double nrg_sweep_at(const nrg_sweep *s, int64_t i) {
    return s->n > 1 ? s->lo + (s->hi - s->lo) * (double)i / (double)(s->n - 1) : s->lo;
}

// "x" or "x[3]"; entry is -1 without brackets, -2 where they hold no number.
static void read_name(const char *text, char *var, size_t room, int64_t *entry) {
    const char *bracket = strchr(text, '[');
    char *end;
    *entry = -1;
    snprintf(var, room, "%.*s", (int)(bracket ? bracket - text : (ptrdiff_t)strlen(text)), text);
    if (!bracket) return;
    errno = 0;
    *entry = strtoll(bracket + 1, &end, 10);
    if (errno || end == bracket + 1 || *end != ']' || end[1] || *entry < 0) *entry = -2;
}

static void values_of(const nrg_model *k, const nrg_var *v, nrg_sweep *s) {
    s->finite = v->elem != NRG_REAL && v->elem != NRG_INT;
    if (!s->finite) return;
    s->lo = v->elem == NRG_SIGN ? -1 : 0;
    s->n = v->elem == NRG_CATEGORY ? k->dims.at[v->category].size : 2;
    s->hi = v->elem == NRG_CATEGORY ? (double)s->n - 1 : 1;
}

nrg_status nrg_sweep_find(nrg_ebm *m, const char *name, const char *what, nrg_sweep *out) {
    char var[128];
    nrg_shape shape;
    int64_t entry;
    read_name(name, var, sizeof var, &entry);
    *out = (nrg_sweep){0};
    TRY(nrg_api_var(m, var, &out->var));
    const nrg_var *v = &m->model->vars.at[out->var];
    if (v->role == NRG_WEIGHT || v->role == NRG_LATENT || !(m->model->energy.vars >> out->var & 1))
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "a %s is over given or predicted variables, and '%s' is neither",
                        what, var);
    TRY(nrg_var_shape(m->model, out->var, &shape));
    int64_t count = nrg_shape_count(&shape);
    if (entry == -2 || entry >= count || (entry == -1 && count != 1)) {
        nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "'%s' has %lld numbers: say which", var, (long long)count);
        nrg_help(m->ctx, count > 1 ? "%s[0] ... %s[%lld]" : "%s", var, var, (long long)count - 1);
        return NRG_E090;
    }
    out->entry = entry < 0 ? 0 : entry;
    values_of(m->model, v, out);
    return NRG_OK;
}

nrg_status nrg_sweep_data(nrg_ebm *m, const nrg_values *v, const nrg_sweep *s, const int64_t *rows, int64_t n,
                          double *to) {
    nrg_shape shape;
    TRY(nrg_var_shape(m->model, s->var, &shape));
    int64_t w = nrg_shape_count(&shape);
    size_t bytes = (size_t)(n * w + 1) * sizeof(double);
    double *all = nrg_mem(m->ctx, NULL, 0, bytes);
    nrg_status st = all ? nrg_bound_numbers(v->bound, m->store, s->var, rows, n, all) : NRG_E098;
    for (int64_t i = 0; i < n && st == NRG_OK; i++) to[i] = all[i * w + s->entry];
    if (all) nrg_mem(m->ctx, all, bytes, 0);
    return st;
}

// The range of the data, a little wider; false when there are none.
static nrg_status seen(nrg_ebm *m, const nrg_values *v, nrg_sweep *s, bool *any) {
    double least = INFINITY, most = -INFINITY;
    size_t bytes = (size_t)(v->rows + 1) * sizeof(double);
    *any = false;
    if (v->rows == 0 || !(v->vars >> s->var & 1)) return NRG_OK;
    double *x = nrg_mem(m->ctx, NULL, 0, bytes);
    nrg_status st = x ? nrg_sweep_data(m, v, s, NULL, v->rows, x) : NRG_E098;
    for (int64_t i = 0; i < v->rows && st == NRG_OK; i++) {
        least = fmin(least, x[i]);
        most = fmax(most, x[i]);
    }
    if (x) nrg_mem(m->ctx, x, bytes, 0);
    double margin = most > least ? 0.15 * (most - least) : 1;
    *any = isfinite(least) && isfinite(most);
    if (*any) s->lo = least - margin, s->hi = most + margin;
    return st;
}

nrg_status nrg_sweep_range(nrg_ebm *m, const nrg_values *v, double lo, double hi, nrg_sweep *s) {
    const nrg_domain *d = &m->model->vars.at[s->var].domain;
    bool ranged = d->kind == NRG_DOM_RANGE, any = false;
    if (s->finite) return NRG_OK;
    s->lo = lo;
    s->hi = hi;
    if (lo < hi) return NRG_OK;
    s->lo = ranged && isfinite(d->lo) ? d->lo : -1;
    s->hi = ranged && isfinite(d->hi) ? d->hi : 1;
    if (ranged && isfinite(d->lo) && isfinite(d->hi)) return NRG_OK;
    if (!(s->lo < s->hi)) s->hi = s->lo + 1;
    TRY(seen(m, v, s, &any));
    if (any && ranged) s->lo = fmax(s->lo, d->lo), s->hi = fmin(s->hi, d->hi);
    return NRG_OK;
}

static bool swept(const nrg_sweep *s, int n, int32_t var) {
    for (int k = 0; k < n; k++)
        if (s[k].var == var) return true;
    return false;
}

static nrg_vars held(const nrg_ebm *m, const nrg_table *data, const nrg_sweep *s, int n) {
    nrg_vars out = nrg_api_visible(m) & nrg_model_role(m->model, NRG_GIVEN);
    for (int32_t v = 0; v < (int32_t)m->model->vars.n; v++) {
        char name[256];
        snprintf(name, sizeof name, "given:%s", m->model->vars.at[v].name);
        if (swept(s, n, v) || (data && nrg_table_find(data, name))) out |= (nrg_vars)1 << v;
    }
    return out;
}

// The values of one variable at all places: its row of the data, with what is swept written over it.
static nrg_status fill(nrg_ebm *m, const nrg_values *v, int32_t var, int64_t row, const nrg_sweep *s, int n,
                       int64_t places, double *to) {
    nrg_shape shape;
    const char *name = m->model->vars.at[var].name;
    TRY(nrg_var_shape(m->model, var, &shape));
    int64_t w = nrg_shape_count(&shape);
    if (v->vars >> var & 1) {
        TRY(nrg_bound_numbers(v->bound, m->store, var, &row, 1, to));
    } else if (!swept(s, n, var)) {
        nrg_fail(m->ctx, NRG_E051, NRG_NOWHERE, "no value for %s, which the picture holds fixed", name);
        nrg_help(m->ctx, "--data with an array %s, or --given %s=...", name, name);
        return NRG_E051;
    }
    for (int64_t c = 1; c < places; c++) memcpy(to + c * w, to, (size_t)w * sizeof *to);
    for (int64_t c = 0, step = 1; c < n; step *= s[c++].n)
        for (int64_t i = 0; s[c].var == var && i < places; i++)
            to[i * w + s[c].entry] = nrg_sweep_at(&s[c], i / step % s[c].n);
    return nrg_store_put(m->store, name, (nrg_buffer){.data = to, .type = NRG_BUF_F64});
}

nrg_status nrg_picture_row(nrg_ebm *m, const nrg_values *v, int64_t row) {
    if (row >= 0 && row < (v->rows > 0 ? v->rows : 1)) return NRG_OK;
    if (v->rows == 0) return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "no row %lld: there are no data", (long long)row);
    nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "no row %lld: the data have %lld rows", (long long)row, (long long)v->rows);
    nrg_help(m->ctx, "rows count from 0: the last one is %lld", (long long)v->rows - 1);
    return NRG_E090;
}

nrg_status nrg_sweep_energies(nrg_ebm *m, const nrg_table *data, const nrg_values *v, int64_t row, const nrg_sweep *s,
                              int n, double *F) {
    nrg_arena a = nrg_arena_make(m->ctx);
    nrg_vars fixed = held(m, data, s, n);
    int64_t places = 1;
    for (int k = 0; k < n; k++) places *= s[k].n;
    nrg_status st = nrg_picture_row(m, v, row);
    for (int32_t i = 0; i < (int32_t)m->model->vars.n && st == NRG_OK; i++) {
        nrg_shape shape;
        if (!(fixed >> i & 1)) continue;
        st = nrg_var_shape(m->model, i, &shape);
        double *to = st == NRG_OK ? NRG_NEWS(&a, double, places *nrg_shape_count(&shape) + 1) : NULL;
        if (st == NRG_OK) st = to ? fill(m, v, i, row, s, n, places, to) : NRG_E098;
    }
    if (st == NRG_OK) st = nrg_energy_of(m->model, m->store, fixed, places, m->threads, F);
    // The values lived here only: the store goes back to the rows of the data.
    if (v->bound) {
        nrg_status again = nrg_bound_values(v->bound, m->store, v->vars, NULL, v->rows);
        if (st == NRG_OK) st = again;
    }
    nrg_arena_free(&a);
    return st;
}
