// Pictures of runs and models: loss curves, landscapes, weights.
#include "api/api.h"
#include "infer/inside.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- loss ----

static nrg_status column(nrg_arena *a, const nrg_table *t, const char *name, double **out) {
    const nrg_array *c = nrg_table_find(t, name);
    int64_t n = nrg_table_rows(t);
    *out = NULL;
    if (!c) return NRG_OK;
    if (!(*out = NRG_NEWS(a, double, n + 1))) return NRG_E098;
    bool any = false;
    for (int64_t i = 0; i < n; i++) {
        (*out)[i] = nrg_array_missing(c, i) ? NAN : nrg_array_value(c, i);
        any = any || isfinite((*out)[i]);
    }
    if (!any) *out = NULL; // a column that this run has no use for
    return NRG_OK;
}

static nrg_status curves(nrg_arena *a, const nrg_table *t, const char *const *names,
                         const double *x, nrg_curve *to, int *n) {
    *n = 0;
    for (; *names; names++) {
        double *y;
        TRY(column(a, t, *names, &y));
        if (y) to[(*n)++] = (nrg_curve){.name = *names, .x = x, .y = y, .n = nrg_table_rows(t)};
    }
    return NRG_OK;
}

static nrg_status draw_loss(nrg_ctx *c, nrg_arena *a, const nrg_table *t, const char *run,
                            const char *path) {
    static const char *const above[] = {"loss", "valid_loss", NULL}, *const below[] = {"pos", "neg",
                                                                                       "free",
                                                                                       NULL};
    nrg_curve loss[4], energy[4];
    int n[2];
    double *x;
    TRY(column(a, t, "epoch", &x));
    if (!x) {
        TRY(column(a, t, "step", &x));
        if (!x)
            return nrg_fail(c, NRG_E054, NRG_NOWHERE,
                            "%s/log.csv has neither an epoch nor a step column", run);
    }
    TRY(curves(a, t, above, x, loss, &n[0]));
    TRY(curves(a, t, below, x, energy, &n[1]));
    if (n[0] == 0) return nrg_fail(c, NRG_E054, NRG_NOWHERE, "%s/log.csv has no losses yet", run);
    nrg_plot_axes axes[2] = {{run, "epoch", "loss", false},
                             {NULL, "epoch", "energy (low = good)", false}};
    const nrg_curve *const both[2] = {loss, energy};
    return nrg_plot_panels(c, path, axes, both, n);
}

nrg_status nrg_plot_loss(nrg_ctx *c, const char *run, const char *path) {
    nrg_text name = nrg_text_make(c);
    nrg_table *t = NULL;
    nrg_arena a = nrg_arena_make(c);
    nrg_text_put(&name, "%s/log.csv", run);
    nrg_status s = nrg_text_end(&name);
    const char *spec = name.at;
    if (s == NRG_OK) s = nrg_data_load(c, &spec, 1, &t);
    if (s == NRG_OK) s = draw_loss(c, &a, t, run, path);
    nrg_table_free(t);
    nrg_arena_free(&a);
    nrg_text_free(&name);
    return s;
}

// ---- landscape ----

typedef struct {
    int32_t var;
    int64_t entry; // of the event, row-major
    double lo, hi;
} axis;

// "y" or "x[1]": a real variable and one of its numbers.
static nrg_status find_axis(nrg_ebm *m, const char *name, axis *out) {
    char var[128];
    nrg_shape shape;
    const char *bracket = strchr(name, '[');
    size_t n = bracket ? (size_t)(bracket - name) : strlen(name);
    snprintf(var, sizeof var, "%.*s", (int)n, name);
    TRY(nrg_api_var(m, var, &out->var));
    const nrg_var *v = &m->model->vars.at[out->var];
    if (v->role == NRG_WEIGHT || v->role == NRG_LATENT)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE,
                        "a landscape is over given or predicted variables, and '%s' is neither",
                        var);
    if (v->elem == NRG_CATEGORY)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE,
                        "'%s' is a category: a landscape needs real numbers", var);
    TRY(nrg_var_shape(m->model, out->var, &shape));
    out->entry = bracket ? strtoll(bracket + 1, NULL, 10) : 0;
    int64_t count = nrg_shape_count(&shape);
    if (out->entry < 0 || out->entry >= count || (!bracket && count != 1)) {
        nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "'%s' has %lld numbers: say which", var,
                 (long long)count);
        nrg_help(m->ctx, "%s[0] %s[1]", var, var);
        return NRG_E090;
    }
    return NRG_OK;
}

// Range: what was asked, else the data with a margin, else the domain, else -1..1.
static void find_range(nrg_ebm *m, const nrg_values *v, double lo, double hi, axis *a) {
    const nrg_domain *d = &m->model->vars.at[a->var].domain;
    const nrg_buffer *b = nrg_store_get(m->store, m->model->vars.at[a->var].name);
    nrg_shape shape;
    a->lo = lo;
    a->hi = hi;
    if (lo < hi) return;
    a->lo = -1;
    a->hi = 1;
    bool closed = d->kind == NRG_DOM_RANGE && isfinite(d->lo) && isfinite(d->hi);
    if (closed) a->lo = d->lo, a->hi = d->hi;
    if (closed || !b || v->rows == 0 || !(v->vars >> a->var & 1) ||
        nrg_var_shape(m->model, a->var, &shape) != NRG_OK)
        return;
    nrg_array view = {.type = (nrg_cell)b->type, .data = b->data};
    double least = INFINITY, most = -INFINITY;
    for (int64_t i = 0; i < v->rows; i++) {
        double x = nrg_array_value(&view, i * nrg_shape_count(&shape) + a->entry);
        least = fmin(least, x);
        most = fmax(most, x);
    }
    double margin = most > least ? 0.15 * (most - least) : 1;
    if (isfinite(least) && isfinite(most)) a->lo = least - margin, a->hi = most + margin;
    if (d->kind == NRG_DOM_RANGE) a->lo = fmax(a->lo, d->lo), a->hi = fmin(a->hi, d->hi);
}

typedef struct {
    nrg_arena arena;
    double *px, *py; // the data's own places
    double *z;
    int n;
    axis x, y;
    int64_t rows;
} picture;

static nrg_status data_points(nrg_ebm *m, const nrg_values *v, picture *p) {
    nrg_vars both = (nrg_vars)1 << p->x.var | (nrg_vars)1 << p->y.var;
    if ((v->vars & both) != both) return NRG_OK;
    p->rows = v->rows < 2000 ? v->rows : 2000; // more dots than that hide the picture
    p->px = NRG_NEWS(&p->arena, double, p->rows + 1);
    p->py = NRG_NEWS(&p->arena, double, p->rows + 1);
    if (!p->px || !p->py) return NRG_E098;
    const axis *ax[2] = {&p->x, &p->y};
    double *to[2] = {p->px, p->py};
    for (int k = 0; k < 2; k++) {
        nrg_shape shape;
        TRY(nrg_var_shape(m->model, ax[k]->var, &shape));
        const nrg_buffer *b = nrg_store_get(m->store, m->model->vars.at[ax[k]->var].name);
        nrg_array view = {.type = (nrg_cell)b->type, .data = b->data};
        for (int64_t i = 0; i < p->rows; i++)
            to[k][i] = nrg_array_value(&view, i * nrg_shape_count(&shape) + ax[k]->entry);
    }
    return NRG_OK;
}

// What the picture holds: its axes, the given variables, and what was given by hand. The other predicted ones are eliminated.
static nrg_vars held(const nrg_ebm *m, const nrg_table *data, const picture *p) {
    nrg_vars out = (nrg_vars)1 << p->x.var | (nrg_vars)1 << p->y.var |
                   (nrg_api_visible(m) & nrg_model_role(m->model, NRG_GIVEN));
    for (int32_t v = 0; data && v < (int32_t)m->model->vars.n; v++) {
        char name[256];
        snprintf(name, sizeof name, "given:%s", m->model->vars.at[v].name);
        if (nrg_table_find(data, name)) out |= (nrg_vars)1 << v;
    }
    return out;
}

// Fills the store with n * n rows: the two entries run over the grid, the rest stays as in row `row` of the data.
static nrg_status grid_rows(nrg_ebm *m, const nrg_values *v, nrg_vars visible, int64_t row,
                            picture *p) {
    int64_t cells = (int64_t)p->n * p->n;
    for (int32_t i = 0; i < (int32_t)m->model->vars.n; i++) {
        nrg_shape shape;
        if (!(visible >> i & 1)) continue;
        TRY(nrg_var_shape(m->model, i, &shape));
        int64_t w = nrg_shape_count(&shape);
        const char *name = m->model->vars.at[i].name;
        const nrg_buffer *b = (v->vars >> i & 1) ? nrg_store_get(m->store, name) : NULL;
        if (!b && i != p->x.var && i != p->y.var) {
            nrg_fail(m->ctx, NRG_E051, NRG_NOWHERE,
                     "no value for %s, which the landscape holds fixed", name);
            nrg_help(m->ctx, "--data with an array %s, or --given %s=...", name, name);
            return NRG_E051;
        }
        double *rows = NRG_NEWS(&p->arena, double, cells *w + 1);
        if (!rows) return NRG_E098;
        nrg_array view = {.type = b ? (nrg_cell)b->type : NRG_CELL_F64, .data = b ? b->data : NULL};
        int64_t from = b && row < v->rows ? row * w : 0;
        for (int64_t c = 0; c < cells; c++) {
            for (int64_t k = 0; k < w; k++)
                rows[c * w + k] = b ? nrg_array_value(&view, from + k) : 0;
            if (i == p->x.var)
                rows[c * w + p->x.entry] =
                    p->x.lo + (p->x.hi - p->x.lo) * (double)(c % p->n) / (p->n - 1);
            if (i == p->y.var)
                rows[c * w + p->y.entry] =
                    p->y.lo + (p->y.hi - p->y.lo) * (double)(c / p->n) / (p->n - 1);
        }
        TRY(nrg_store_put(m->store, name, (nrg_buffer){.data = rows, .type = NRG_BUF_F64}));
    }
    return NRG_OK;
}

static nrg_status landscape(nrg_ebm *m, const nrg_table *data, const nrg_values *v,
                            const nrg_landscape *l, picture *p, const char *path) {
    TRY(find_axis(m, l->x, &p->x));
    TRY(find_axis(m, l->y, &p->y));
    if (p->x.var == p->y.var && p->x.entry == p->y.entry)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE,
                        "a landscape needs two different numbers, not '%s' twice", l->x);
    p->n = l->points > 1 ? l->points < 2000 ? l->points : 2000 : 100;
    find_range(m, v, l->x0, l->x1, &p->x);
    find_range(m, v, l->y0, l->y1, &p->y);
    TRY(data_points(m, v, p));
    nrg_vars fixed = held(m, data, p);
    TRY(grid_rows(m, v, fixed, l->row, p));
    if (!(p->z = NRG_NEWS(&p->arena, double, (int64_t)p->n * p->n))) return NRG_E098;
    TRY(nrg_energy_of(m->model, m->store, fixed, (int64_t)p->n * p->n, m->threads, p->z));
    nrg_plot_axes axes = {.title = l->title, .x = l->x, .y = l->y};
    nrg_field f = {p->z, p->n, p->n, p->x.lo, p->x.hi, p->y.lo, p->y.hi, NULL, l->z0, l->z1};
    nrg_curve points = {NULL, p->px, p->py, p->px ? p->rows : 0, true};
    return nrg_plot_field(m->ctx, path, &axes, &f, &points);
}

nrg_status nrg_plot_landscape(nrg_ebm *m, const nrg_table *data, const nrg_landscape *l,
                              const char *path) {
    nrg_values v;
    picture p = {.arena = nrg_arena_make(m->ctx)};
    nrg_status s = nrg_values_make(m, data, nrg_api_found(m, data, nrg_api_visible(m)), &v);
    if (s == NRG_OK) {
        s = landscape(m, data, &v, l, &p, path);
        nrg_values_free(&v);
    }
    nrg_arena_free(&p.arena);
    return s;
}

nrg_status nrg_plot_panels_page(nrg_ctx *c, const char *const *pictures, int n, int across,
                                const char *path) {
    return nrg_plot_page(c, pictures, n, across, path);
}

// ---- weights ----

// The image that the inputs of this matrix are: the last two or three axes of a given or predicted variable of that size.
static bool image_shape(const nrg_ebm *m, int64_t count, int *h, int *w, int *channels) {
    for (int32_t v = 0; v < (int32_t)m->model->vars.n; v++) {
        nrg_shape s;
        if (m->model->vars.at[v].role == NRG_WEIGHT || nrg_var_shape(m->model, v, &s) != NRG_OK)
            continue;
        if (s.rank < 2 || s.rank > 3 || nrg_shape_count(&s) != count) continue;
        *channels = s.rank == 3 ? (int)s.dim[0] : 1;
        *h = (int)s.dim[s.rank - 2];
        *w = (int)s.dim[s.rank - 1];
        return *channels == 1 || *channels == 3;
    }
    return false;
}

// Tiles of a weight: filters [f, c, h, w] as they are, matrices by rows (or columns when those are the images).
static nrg_status tiles(nrg_ebm *m, const nrg_param *p, double *a, double *turned, int h, int w,
                        nrg_tiles *t) {
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
    else if (!image_shape(m, width, &h, &w, &t->channels)) {
        columns = s->rank == 2 && image_shape(m, rows, &h, &w, &t->channels);
        // No image among the variables: the larger side is what the units look at.
        if (!columns && s->rank == 2 && rows > width && p->var < 0) columns = true;
        if (!columns || !image_shape(m, rows, &h, &w, &t->channels))
            nrg_tile_shape(columns ? rows : width, &h, &w);
    }
    t->n = columns ? width : rows;
    t->h = h;
    t->w = w;
    if ((int64_t)h * w * t->channels != (columns ? rows : width))
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE,
                        "tiles of %d x %d do not fit the weight %s, %lld x %lld", h, w, p->name,
                        (long long)rows, (long long)width);
    if (!columns) return NRG_OK;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++) turned[j * rows + i] = a[i * width + j];
    t->a = turned;
    return NRG_OK;
}

nrg_status nrg_plot_weights(nrg_ebm *m, const char *weight, int h, int w, bool grey,
                            const char *path) {
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
