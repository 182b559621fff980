// Weights as small images.
#include "api/picture.h"

bool nrg_picture_image(const nrg_ebm *m, int64_t count, int *h, int *w, int *channels) {
    for (int32_t v = 0; v < (int32_t)m->model->vars.n; v++) {
        nrg_shape s;
        if (m->model->vars.at[v].role == NRG_WEIGHT || nrg_var_shape(m->model, v, &s) != NRG_OK) continue;
        if (s.rank < 2 || s.rank > 3 || nrg_shape_count(&s) != count) continue;
        *channels = s.rank == 3 ? (int)s.dim[0] : 1;
        *h = (int)s.dim[s.rank - 2];
        *w = (int)s.dim[s.rank - 1];
        return *channels == 1 || *channels == 3;
    }
    return false;
}

// Tiles of a weight: filters [f, c, h, w] as they are, matrices by rows (or columns when those are the images).
static nrg_status tiles(nrg_ebm *m, const nrg_param *p, double *a, double *turned, int h, int w, nrg_tiles *t) {
    const nrg_shape *s = &p->shape;
    int64_t count = nrg_shape_count(s), rows = s->rank > 1 ? s->dim[0] : 1;
    t->a = a;
    t->channels = 1;
    if (s->rank == 4) {
        t->channels = s->dim[1] == 3 ? 3 : 1;
        t->n = count / (s->dim[2] * s->dim[3] * t->channels);
        t->h = (int)s->dim[2];
        t->w = (int)s->dim[3];
        return NRG_OK;
    }
    int64_t width = rows ? count / rows : 0;
    bool columns = false;
    if (h > 0 && w > 0)
        columns = s->rank == 2 && width != (int64_t)h * w && rows == (int64_t)h * w;
    else if (!nrg_picture_image(m, width, &h, &w, &t->channels)) {
        columns = s->rank == 2 && nrg_picture_image(m, rows, &h, &w, &t->channels);
        // No image among the variables: the larger side is what the units look at.
        if (!columns && s->rank == 2 && rows > width && p->var < 0) columns = true;
        if (!columns || !nrg_picture_image(m, rows, &h, &w, &t->channels))
            nrg_tile_shape(columns ? rows : width, &h, &w);
    }
    t->n = columns ? width : rows;
    t->h = h;
    t->w = w;
    if ((int64_t)h * w * t->channels != (columns ? rows : width))
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "tiles of %d x %d do not fit the weight %s, %lld x %lld", h, w,
                        p->name, (long long)rows, (long long)width);
    if (!columns) return NRG_OK;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++) turned[j * rows + i] = a[i * width + j];
    t->a = turned;
    return NRG_OK;
}

nrg_status nrg_plot_weights(nrg_ebm *m, const char *weight, int h, int w, bool grey, const char *path) {
    int i;
    TRY(nrg_api_ready(m, NULL));
    TRY(nrg_ebm_weight_find(m, weight, &i));
    const nrg_param *p = &m->model->params.at[i];
    nrg_arena arena = nrg_arena_make(m->ctx);
    int64_t count = nrg_shape_count(&p->shape);
    double *a = NRG_NEWS(&arena, double, count + 1), *turned = NRG_NEWS(&arena, double, count + 1);
    nrg_tiles t = {.diverging = !grey};
    nrg_status s = a && turned ? nrg_ebm_weight_get(m, i, a) : NRG_E098;
    if (s == NRG_OK) s = tiles(m, p, a, turned, h, w, &t);
    if (s == NRG_OK) s = nrg_plot_tiles(m->ctx, path, &t);
    nrg_arena_free(&arena);
    return s;
}
