// Data as the energy sees them: for each variable a buffer in the store under the variable's name.
#include "api/api.h"
#include <string.h>

nrg_vars nrg_api_visible(const nrg_ebm *m) {
    const nrg_model *k = m->model;
    return k->energy.vars & (nrg_model_role(k, NRG_GIVEN) | nrg_model_role(k, NRG_PREDICT));
}

static bool mapped(const nrg_ebm *m, const char *var) {
    size_t n = strlen(var);
    for (int i = 0; i < m->maps_n; i++)
        if (strncmp(m->maps[i], var, n) == 0 && m->maps[i][n] == '=') return true;
    return false;
}

// Does every array that a data statement reads lie in the table? Names that are no arrays (dims, functions) do not count.
static bool arrays_there(const nrg_model *k, const nrg_expr *e, const nrg_table *t, bool *any) {
    if (!e) return true;
    if (e->kind == NRG_X_NAME) {
        if (nrg_table_find(t, e->text)) return *any = true;
        return nrg_model_dim(k, e->text) >= 0 || nrg_model_hyper(k, e->text) >= 0 ||
               nrg_model_module(k, e->text) >= 0;
    }
    for (uint32_t i = e->kind == NRG_X_CALL ? 1 : 0; i < e->n; i++)
        if (!arrays_there(k, e->kid[i], t, any)) return false;
    return true;
}

static bool found(const nrg_ebm *m, const nrg_table *t, const char *var) {
    const nrg_model *k = m->model;
    if (mapped(m, var)) return true;
    for (uint32_t i = 0; i < k->datas.n; i++)
        for (uint32_t j = 0; j < k->datas.at[i].n; j++) {
            bool any = false;
            if (nrg_same(k->datas.at[i].names[j], var) &&
                arrays_there(k, k->datas.at[i].expr, t, &any) && any)
                return true;
        }
    char given[256];
    snprintf(given, sizeof given, "given:%s", var);
    return nrg_table_find(t, var) != NULL || nrg_table_find(t, given) != NULL;
}

nrg_vars nrg_api_found(const nrg_ebm *m, const nrg_table *t, nrg_vars among) {
    nrg_vars out = 0;
    for (int32_t v = 0; v < (int32_t)m->model->vars.n; v++)
        if ((among >> v & 1) && t && found(m, t, m->model->vars.at[v].name))
            out |= (nrg_vars)1 << v;
    return out;
}

// A map of the options serves when its variable is needed or its array is there: asking takes fewer arrays than training.
static bool serves(const nrg_ebm *m, const nrg_table *t, nrg_vars need, const char *map) {
    const nrg_model *k = m->model;
    const char *eq = strchr(map, '=');
    for (int32_t v = 0; eq && v < (int32_t)k->vars.n; v++)
        if ((need >> v & 1) && strlen(k->vars.at[v].name) == (size_t)(eq - map) &&
            !strncmp(map, k->vars.at[v].name, (size_t)(eq - map)))
            return true;
    size_t n = eq ? strcspn(eq + 1, "-+") : 0;
    for (int i = 0; eq && i < nrg_table_count(t); i++)
        if (strlen(nrg_table_at(t, i)->name) == n && !strncmp(nrg_table_at(t, i)->name, eq + 1, n))
            return true;
    return !eq; // so that a malformed one is reported
}

static nrg_status maps_for(nrg_ebm *m, nrg_arena *a, const nrg_table *t, nrg_vars need,
                           nrg_bind_spec *spec) {
    if (m->maps_n == 0) return NRG_OK;
    const char **maps = NRG_NEWS(a, const char *, m->maps_n + 1);
    if (!maps) return NRG_E098;
    for (int i = 0; i < m->maps_n; i++)
        if (serves(m, t, need, m->maps[i])) maps[spec->maps_n++] = m->maps[i];
    spec->maps = maps;
    return NRG_OK;
}

static nrg_status bind(nrg_ebm *m, const nrg_table *t, nrg_vars need, bool fit, nrg_bound **out) {
    nrg_bind_spec spec = {.need = need, .fit = fit, .threads = m->threads};
    nrg_arena *a = &m->arena; // the bound data may look at the maps later
    TRY(maps_for(m, a, t, need, &spec));
    return nrg_bind_data(m->model, t, m->store, &spec, out);
}

// Weights of used models were trained there.
static bool untrained(const nrg_model *m) {
    for (uint32_t i = 0; i < m->params.n; i++)
        if (!m->params.at[i].values) return true;
    return false;
}

nrg_status nrg_values_make(nrg_ebm *m, const nrg_table *t, nrg_vars need, nrg_values *out) {
    bool fresh = !m->started;
    *out = (nrg_values){0};
    TRY(nrg_api_ready(m, t));
    if (fresh && untrained(m->model))
        nrg_warn(m->ctx, NRG_W104, NRG_NOWHERE, "the model has not been trained: these are its first weights, seed %llu",
                 (unsigned long long)m->seed);
    if (!t) return NRG_OK;
    nrg_status s = bind(m, t, need, false, &out->bound);
    if (s == NRG_OK) {
        out->rows = nrg_bound_rows(out->bound);
        out->vars = nrg_bound_vars(out->bound);
        s = nrg_bound_values(out->bound, m->store, out->vars, NULL, out->rows);
    }
    if (s != NRG_OK) nrg_values_free(out);
    return s;
}

void nrg_values_free(nrg_values *v) {
    nrg_bound_free(v->bound);
    *v = (nrg_values){0};
}

static nrg_status sizes_known(nrg_ebm *m) {
    for (uint32_t i = 0; i < m->model->dims.n; i++)
        if (m->model->dims.at[i].size < 0) {
            nrg_fail(m->ctx, NRG_E050, m->model->dims.at[i].span, "the size of '%s' is not known",
                     m->model->dims.at[i].name);
            nrg_help(m->ctx, "give data, or --set %s=...", m->model->dims.at[i].name);
            return NRG_E050;
        }
    return NRG_OK;
}

// A model that was never trained: sizes from the data when there are any, first values by its rules.
nrg_status nrg_api_ready(nrg_ebm *m, const nrg_table *t) {
    nrg_bound *b = NULL;
    if (m->started) return NRG_OK;
    nrg_dtype type = nrg_dtype_of(m->f64, m->products);
    if (!m->store) TRY(nrg_store_new(m->ctx, type, &m->store));
    nrg_vars whole = nrg_api_visible(m); // cells of the others may be missing
    for (uint32_t i = 0; i < m->model->hides.n; i++) whole &= ~((nrg_vars)1 << m->model->hides.at[i].var);
    if (t) TRY(bind(m, t, nrg_api_found(m, t, whole), true, &b));
    nrg_status s = sizes_known(m);
    if (s == NRG_OK) s = nrg_model_resolve(m->model, type);
    if (s == NRG_OK) s = nrg_weights_init(m->model, m->store, b, NULL, 0, m->seed);
    nrg_bound_free(b);
    m->started = s == NRG_OK;
    return s;
}

nrg_status nrg_ebm_start(nrg_ebm *m, const nrg_table *data) {
    m->started = m->started && m->store != NULL;
    return nrg_api_ready(m, data);
}

// One variable of the data as an array of its own.
static nrg_status add_values(nrg_ebm *m, const nrg_values *v, int32_t var, nrg_table *t) {
    nrg_array *a;
    nrg_shape shape;
    TRY(nrg_var_shape(m->model, var, &shape));
    int64_t dim[NRG_ARRAY_RANK] = {v->rows};
    for (int i = 0; i < shape.rank && i + 1 < NRG_ARRAY_RANK; i++) dim[i + 1] = shape.dim[i];
    TRY(nrg_table_make(t, m->model->vars.at[var].name, NRG_CELL_F64, shape.rank + 1, dim, &a));
    return nrg_bound_numbers(v->bound, m->store, var, NULL, v->rows, a->data);
}

nrg_status nrg_ebm_values(nrg_ebm *m, const nrg_table *data, nrg_table **out) {
    nrg_values v;
    nrg_table *t;
    nrg_vars there = nrg_api_found(m, data, nrg_api_visible(m));
    *out = NULL;
    TRY(nrg_table_new(m->ctx, &t));
    nrg_status s = nrg_values_make(m, data, there, &v);
    for (int32_t i = 0; i < (int32_t)m->model->vars.n && s == NRG_OK; i++)
        if (there >> i & 1) s = add_values(m, &v, i, t);
    nrg_values_free(&v);
    if (s == NRG_OK) *out = t;
    else nrg_table_free(t);
    return s;
}
