// Weights in and out.
#include "api/api.h"
#include "infer/inside.h"

int nrg_ebm_weights(const nrg_ebm *m) { return m->started ? (int)m->model->params.n : 0; }

static nrg_status param(nrg_ebm *m, int i, const nrg_param **out) {
    if (i < 0 || i >= nrg_ebm_weights(m))
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "weight %d of %d", i, nrg_ebm_weights(m));
    *out = &m->model->params.at[i];
    return NRG_OK;
}

nrg_status nrg_ebm_weight(nrg_ebm *m, int i, nrg_weight_info *out) {
    const nrg_param *p = NULL;
    TRY(param(m, i, &p));
    *out = (nrg_weight_info){.name = p->name,
                             .owner = p->owner,
                             .rank = p->shape.rank,
                             .count = nrg_shape_count(&p->shape)};
    for (int a = 0; a < p->shape.rank; a++) out->dim[a] = p->shape.dim[a];
    return NRG_OK;
}

nrg_status nrg_ebm_weight_find(nrg_ebm *m, const char *name, int *i) {
    enum { NAMES = 512 };
    const char *names[NAMES];
    int n = 0, all = nrg_ebm_weights(m);
    for (*i = 0; *i < all; (*i)++) {
        if (nrg_same(m->model->params.at[*i].name, name)) return NRG_OK;
        if (n < NAMES) names[n++] = m->model->params.at[*i].name;
    }
    // The name of a module or variable means its first array.
    for (*i = 0; *i < all; (*i)++)
        if (nrg_same(m->model->params.at[*i].owner, name)) return NRG_OK;
    const char *near = nrg_nearest(name, names, n);
    nrg_fail(m->ctx, NRG_E011, NRG_NOWHERE, "unknown weight '%s'", name);
    if (all == 0) nrg_fact(m->ctx, "the model has no weights yet");
    for (int k = 0; k < n && k < 8; k++) nrg_fact(m->ctx, "%s", names[k]);
    if (near) nrg_help(m->ctx, "did you mean '%s'?", near);
    return NRG_E011;
}

nrg_status nrg_ebm_weight_data(nrg_ebm *m, int i, nrg_cell *type, void **data) {
    const nrg_param *p = NULL;
    TRY(param(m, i, &p));
    const nrg_buffer *b = nrg_store_get(m->store, p->name);
    if (!b)
        return nrg_fail(m->ctx, NRG_E099, NRG_NOWHERE, "no numbers for the weight '%s'", p->name);
    *type = b->type == NRG_BUF_F64 ? NRG_CELL_F64 : NRG_CELL_F32;
    *data = b->data;
    return NRG_OK;
}

nrg_status nrg_ebm_weight_get(nrg_ebm *m, int i, double *to) {
    nrg_cell type;
    void *data;
    TRY(nrg_ebm_weight_data(m, i, &type, &data));
    int64_t n = nrg_shape_count(&m->model->params.at[i].shape);
    for (int64_t k = 0; k < n; k++)
        to[k] = nrg_store_number(type == NRG_CELL_F64 ? NRG_F64 : NRG_F32, data, k);
    return NRG_OK;
}

nrg_status nrg_ebm_weight_set(nrg_ebm *m, int i, const double *from) {
    nrg_cell type;
    void *data;
    TRY(nrg_ebm_weight_data(m, i, &type, &data));
    int64_t n = nrg_shape_count(&m->model->params.at[i].shape);
    for (int64_t k = 0; k < n; k++) {
        if (type == NRG_CELL_F64)
            ((double *)data)[k] = from[k];
        else
            ((float *)data)[k] = (float)from[k];
    }
    return NRG_OK;
}

nrg_status nrg_ebm_save(nrg_ebm *m, const char *path) {
    TRY(nrg_api_ready(m, NULL));
    nrg_api_clear(&m->more);
    nrg_lang_print(m->model, &m->more);
    TRY(nrg_text_end(&m->more));
    return nrg_weights_save(m->model, m->store, m->more.at, path);
}

nrg_status nrg_ebm_weights_from(nrg_ebm *m, const char *path) {
    TRY(nrg_api_ready(m, NULL));
    return nrg_weights_from(m->model, m->store, path);
}
