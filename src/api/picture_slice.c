// F along one number, for some rows of the data: curves of a real variable, bars of a finite one. The data's own value
// and the lowest place are marked.
#include "api/picture.h"
#include <math.h>

enum { ROWS = 12, LINE = 400, BARS = 100 };

typedef struct {
    nrg_arena arena;
    nrg_sweep at;
    int64_t rows[ROWS];
    int n;         // rows
    double *x, *F; // [n, at.n]
    double mark_x[ROWS], mark_F[ROWS], low_x[ROWS], low_F[ROWS];
    bool marked;        // the data hold the variable
    const char **words; // of a finite variable's values
} slice;

// ---- numbers

// F at the data's own value: of the line between the two nearest places.
static double at_value(const nrg_sweep *s, const double *F, double value) {
    double place = s->n > 1 ? (value - s->lo) / (s->hi - s->lo) * (double)(s->n - 1) : 0;
    if (!(place >= -1e-9 && place <= (double)s->n - 1 + 1e-9)) return NAN;
    int64_t i = (int64_t)fmin(fmax(floor(place), 0), (double)s->n - 1), j = i + 1 < s->n ? i + 1 : i;
    double part = place - (double)i;
    return part < 1e-9 ? F[i] : F[i] + part * (F[j] - F[i]); // an infinite neighbour does not count
}

static void marks(slice *p, int r) {
    const double *F = p->F + r * p->at.n;
    int64_t best = 0;
    for (int64_t i = 1; i < p->at.n; i++)
        if (F[i] < F[best]) best = i;
    p->low_x[r] = nrg_sweep_at(&p->at, best);
    p->low_F[r] = F[best];
    p->mark_F[r] = p->marked ? at_value(&p->at, F, p->mark_x[r]) : NAN;
}

static nrg_status compute(nrg_ebm *m, const nrg_table *data, const nrg_values *v, slice *p) {
    p->x = NRG_NEWS(&p->arena, double, p->n * p->at.n + 1);
    p->F = NRG_NEWS(&p->arena, double, p->n * p->at.n + 1);
    if (!p->x || !p->F) return NRG_E098;
    p->marked = v->vars >> p->at.var & 1;
    if (p->marked) TRY(nrg_sweep_data(m, v, &p->at, p->rows, p->n, p->mark_x));
    for (int r = 0; r < p->n; r++) {
        TRY(nrg_sweep_energies(m, data, v, p->rows[r], &p->at, 1, p->F + r * p->at.n));
        for (int64_t i = 0; i < p->at.n; i++) p->x[r * p->at.n + i] = nrg_sweep_at(&p->at, i);
        marks(p, r);
    }
    return NRG_OK;
}

// ---- pictures

static const char *row_name(slice *p, int r) { return nrg_arena_print(&p->arena, "row %lld", (long long)p->rows[r]); }

static nrg_status draw_line(nrg_ebm *m, slice *p, const nrg_profile *o, const char *path) {
    nrg_curve c[ROWS + 2];
    int n = 0;
    for (int r = 0; r < p->n; r++, n++)
        c[n] = (nrg_curve){
            .name = p->n > 1 ? row_name(p, r) : NULL, .x = p->x + r * p->at.n, .y = p->F + r * p->at.n, .n = p->at.n};
    c[n++] = (nrg_curve){.name = "lowest", .x = p->low_x, .y = p->low_F, .n = p->n, .style = NRG_DISC, .colour = 7};
    if (p->marked)
        c[n++] = (nrg_curve){.name = "data", .x = p->mark_x, .y = p->mark_F, .n = p->n, .style = NRG_RING, .colour = 2};
    nrg_plot_axes axes = {.title = o->title, .x = o->var, .y = "F (low = good)"};
    return nrg_plot_curves(m->ctx, path, &axes, c, n);
}

// Words under the bars: labels, or numbers.
static nrg_status name_values(nrg_ebm *m, slice *p) {
    const nrg_var *v = &m->model->vars.at[p->at.var];
    const nrg_dim *d = v->elem == NRG_CATEGORY ? &m->model->dims.at[v->category] : NULL;
    if (!(p->words = NRG_NEWS(&p->arena, const char *, p->at.n))) return NRG_E098;
    for (int64_t i = 0; i < p->at.n; i++) {
        p->words[i] = d && d->labels ? d->labels[i] : nrg_arena_print(&p->arena, "%g", nrg_sweep_at(&p->at, i));
        if (!p->words[i]) return NRG_E098;
    }
    return NRG_OK;
}

// Energies have no zero of their own: the range is that of the bars, and a little of each remains to be seen.
static void range_of(const slice *p, nrg_plot_axes *a) {
    double lo = INFINITY, hi = -INFINITY;
    for (int64_t i = 0; i < p->n * p->at.n; i++)
        if (isfinite(p->F[i])) lo = fmin(lo, p->F[i]), hi = fmax(hi, p->F[i]);
    double span = hi - lo;
    if (!(span > 0) || !isfinite(span)) return;
    a->y0 = lo > 0 ? fmax(0, lo - 0.3 * span) : lo - 0.1 * span;
    a->y1 = hi < 0 ? fmin(0, hi + 0.3 * span) : hi + 0.1 * span;
}

// Bars stand on the places 0, 1, ...; those of several rows side by side. Marks are moved to their bars.
static nrg_status draw_bars(nrg_ebm *m, slice *p, const nrg_profile *o, const char *path) {
    nrg_curve c[ROWS + 2];
    double width = 0.8 / p->n, unit = p->at.n > 1 ? (p->at.hi - p->at.lo) / (double)(p->at.n - 1) : 1;
    TRY(name_values(m, p));
    for (int r = 0; r < p->n; r++) {
        double shift = width * (r - 0.5 * (p->n - 1));
        for (int64_t i = 0; i < p->at.n; i++) p->x[r * p->at.n + i] = (double)i + shift;
        p->low_x[r] = (p->low_x[r] - p->at.lo) / unit + shift;
        p->mark_x[r] = (p->mark_x[r] - p->at.lo) / unit + shift;
        c[r] = (nrg_curve){.name = p->n > 1 ? row_name(p, r) : NULL,
                           .x = p->x + r * p->at.n,
                           .y = p->F + r * p->at.n,
                           .n = p->at.n,
                           .style = NRG_BARS,
                           .width = width,
                           .colour = p->n > 1 ? 0 : 6};
    }
    int n = p->n;
    c[n++] = (nrg_curve){.name = "lowest", .x = p->low_x, .y = p->low_F, .n = p->n, .style = NRG_DISC, .colour = 7};
    if (p->marked)
        c[n++] = (nrg_curve){.name = "data", .x = p->mark_x, .y = p->mark_F, .n = p->n, .style = NRG_RING, .colour = 2};
    nrg_plot_axes axes = {
        .title = o->title, .x = o->var, .y = "F (low = good)", .ticks = p->words, .ticks_n = (int)p->at.n};
    range_of(p, &axes);
    return nrg_plot_curves(m->ctx, path, &axes, c, n);
}

static nrg_status choose_rows(nrg_ebm *m, const nrg_values *v, const nrg_profile *o, slice *p) {
    if (o->rows_n > ROWS)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "a slice shows at most %d rows, not %d", ROWS, o->rows_n);
    p->n = o->rows_n > 0 ? o->rows_n : 1;
    for (int r = 0; r < p->n; r++) {
        p->rows[r] = o->rows_n > 0 ? o->rows[r] : 0;
        TRY(nrg_picture_row(m, v, p->rows[r]));
    }
    return NRG_OK;
}

static nrg_status draw(nrg_ebm *m, const nrg_table *data, const nrg_values *v, const nrg_profile *o, slice *p,
                       const char *path) {
    TRY(nrg_sweep_find(m, o->var, "slice", &p->at));
    TRY(choose_rows(m, v, o, p));
    if (!p->at.finite) {
        p->at.n = o->points > 1 ? o->points < 100000 ? o->points : 100000 : LINE;
        TRY(nrg_sweep_range(m, v, o->lo, o->hi, &p->at));
        TRY(compute(m, data, v, p));
        return draw_line(m, p, o, path);
    }
    if (p->at.n > BARS)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "'%s' has %lld values: bars for more than %d cannot be read",
                        o->var, (long long)p->at.n, BARS);
    TRY(compute(m, data, v, p));
    return draw_bars(m, p, o, path);
}

nrg_status nrg_plot_slice(nrg_ebm *m, const nrg_table *data, const nrg_profile *o, const char *path) {
    nrg_values v;
    slice p = {.arena = nrg_arena_make(m->ctx)};
    nrg_status s = nrg_values_make(m, data, nrg_api_found(m, data, nrg_api_visible(m)), &v);
    if (s == NRG_OK) {
        s = draw(m, data, &v, o, &p, path);
        nrg_values_free(&v);
    }
    nrg_arena_free(&p.arena);
    return s;
}
