// F over two numbers as a landscape, and pages of pictures.
#include "api/picture.h"

typedef struct {
    nrg_arena arena;
    nrg_sweep at[2];
    double *px, *py, *z; // the data's own places; F
    int64_t points;
} landscape;

enum { FEW = 2000 }; // more dots than that hide the picture

static nrg_status data_points(nrg_ebm *m, const nrg_values *v, landscape *p) {
    nrg_vars both = (nrg_vars)1 << p->at[0].var | (nrg_vars)1 << p->at[1].var;
    if ((v->vars & both) != both) return NRG_OK;
    p->points = v->rows < FEW ? v->rows : FEW;
    p->px = NRG_NEWS(&p->arena, double, p->points + 1);
    p->py = NRG_NEWS(&p->arena, double, p->points + 1);
    if (!p->px || !p->py) return NRG_E098;
    TRY(nrg_sweep_data(m, v, &p->at[0], NULL, p->points, p->px));
    return nrg_sweep_data(m, v, &p->at[1], NULL, p->points, p->py);
}

static nrg_status find(nrg_ebm *m, const char *name, nrg_sweep *out) {
    TRY(nrg_sweep_find(m, name, "landscape", out));
    if (m->model->vars.at[out->var].elem != NRG_CATEGORY) return NRG_OK;
    nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "'%s' is a category: a landscape needs real numbers", name);
    nrg_help(m->ctx, "nrg plot slice MODEL %s draws its energies as bars", name);
    return NRG_E090;
}

static nrg_status draw(nrg_ebm *m, const nrg_table *data, const nrg_values *v, const nrg_landscape *l, landscape *p,
                       const char *path) {
    nrg_sweep *x = &p->at[0], *y = &p->at[1];
    TRY(find(m, l->x, x));
    TRY(find(m, l->y, y));
    if (x->var == y->var && x->entry == y->entry)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "a landscape needs two different numbers, not '%s' twice", l->x);
    TRY(nrg_picture_row(m, v, l->row));
    TRY(nrg_sweep_range(m, v, l->x0, l->x1, x));
    TRY(nrg_sweep_range(m, v, l->y0, l->y1, y));
    if (l->x0 < l->x1 && x->finite) x->lo = l->x0, x->hi = l->x1;
    if (l->y0 < l->y1 && y->finite) y->lo = l->y0, y->hi = l->y1;
    x->n = y->n = l->points > 1 ? l->points < 2000 ? l->points : 2000 : 100;
    TRY(data_points(m, v, p));
    if (!(p->z = NRG_NEWS(&p->arena, double, x->n * y->n))) return NRG_E098;
    TRY(nrg_sweep_energies(m, data, v, l->row, p->at, 2, p->z));
    const double *arrows = NULL;
    int64_t each = l->arrows < 200 ? l->arrows : 200;
    if (each > 0) TRY(nrg_field_arrows(m, data, v, l->row, p->at, each, &p->arena, &arrows));
    nrg_plot_axes axes = {.title = l->title, .x = l->x, .y = l->y};
    nrg_field f = {p->z, (int)x->n, (int)y->n, x->lo, x->hi, y->lo, y->hi, NULL, l->z0, l->z1, arrows, arrows ? each * each : 0};
    nrg_curve points = {.x = p->px, .y = p->py, .n = p->px ? p->points : 0, .style = NRG_POINTS};
    return nrg_plot_field(m->ctx, path, &axes, &f, &points);
}

nrg_status nrg_plot_landscape(nrg_ebm *m, const nrg_table *data, const nrg_landscape *l, const char *path) {
    nrg_values v;
    landscape p = {.arena = nrg_arena_make(m->ctx)};
    nrg_status s = nrg_values_make(m, data, nrg_api_found(m, data, nrg_api_visible(m)), &v);
    if (s == NRG_OK) {
        s = draw(m, data, &v, l, &p, path);
        nrg_values_free(&v);
    }
    nrg_arena_free(&p.arena);
    return s;
}

nrg_status nrg_plot_panels_page(nrg_ctx *c, const char *const *pictures, int n, int across, const char *path) {
    return nrg_plot_page(c, pictures, n, across, path);
}
