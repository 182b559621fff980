// The picture of a run: losses above, energies below, over epochs.
#include "api/api.h"
#include <math.h>

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

static nrg_status curves(nrg_arena *a, const nrg_table *t, const char *const *names, const double *x, nrg_curve *to,
                         int *n) {
    *n = 0;
    for (; *names; names++) {
        double *y;
        TRY(column(a, t, *names, &y));
        if (y) to[(*n)++] = (nrg_curve){.name = *names, .x = x, .y = y, .n = nrg_table_rows(t)};
    }
    return NRG_OK;
}

static nrg_status draw_loss(nrg_ctx *c, nrg_arena *a, const nrg_table *t, const char *run, const char *title, const char *path) {
    static const char *const above[] = {"loss", "valid_loss", NULL};
    static const char *const below[] = {"pos", "neg", "free", NULL};
    nrg_curve loss[4], energy[4];
    int n[2];
    double *x;
    TRY(column(a, t, "epoch", &x));
    if (!x) {
        TRY(column(a, t, "step", &x));
        if (!x) return nrg_fail(c, NRG_E054, NRG_NOWHERE, "%s/log.csv has neither an epoch nor a step column", run);
    }
    TRY(curves(a, t, above, x, loss, &n[0]));
    TRY(curves(a, t, below, x, energy, &n[1]));
    if (n[0] == 0) return nrg_fail(c, NRG_E054, NRG_NOWHERE, "%s/log.csv has no losses yet", run);
    const nrg_panel both[2] = {{{.title = title ? title : run, .x = "epoch", .y = "loss"}, loss, n[0]},
                               {{.x = "epoch", .y = "energy (low = good)"}, energy, n[1]}};
    return nrg_plot_panels(c, path, both, 2, 1);
}

nrg_status nrg_plot_loss(nrg_ctx *c, const char *run, const char *title, const char *path) {
    nrg_text name = nrg_text_make(c);
    nrg_table *t = NULL;
    nrg_arena a = nrg_arena_make(c);
    nrg_text_put(&name, "%s/log.csv", run);
    nrg_status s = nrg_text_end(&name);
    const char *spec = name.at;
    if (s == NRG_OK) s = nrg_data_load(c, &spec, 1, &t);
    if (s == NRG_OK) s = draw_loss(c, &a, t, run, title, path);
    nrg_table_free(t);
    nrg_arena_free(&a);
    nrg_text_free(&name);
    return s;
}
