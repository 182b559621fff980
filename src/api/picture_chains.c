// Pictures and tables of chains, draw by draw: traces, and how long draws remember each other.
#include "api/api.h"
#include "infer/sample.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRACED = 5, CHAINS = 16, SLOWEST = 6, LAGS = 20, MOST_LAGS = 200 };
static const int told[] = {1, 2, 5, 10, 20, 50}; // lags of the table

// One number of every draw.
typedef struct {
    const nrg_array *of;
    int64_t entry;
    const char *name;
    double time; // of its autocorrelations; NaN: it does not vary
    double *rho; // of the row of the data where it is longest
} number;

typedef struct {
    nrg_ctx *ctx;
    nrg_arena arena;
    const nrg_table *draws;
    NRG_LIST(number) all;
} chains_look;

static nrg_status add(chains_look *l, const nrg_array *a) {
    if (a->offsets) return nrg_fail(l->ctx, NRG_E071, NRG_NOWHERE, "draws of different lengths (%s) cannot be drawn", a->name);
    for (int64_t k = 0; k < nrg_array_width(a); k++) {
        const char *name = a->rank > 1 ? nrg_arena_print(&l->arena, "%s[%lld]", a->name, (long long)k) : a->name;
        if (!name) return NRG_E098;
        TRY(NRG_PUSH(&l->arena, l->all, ((number){.of = a, .entry = k, .name = name, .time = NAN})));
    }
    return NRG_OK;
}

// The numbers of one variable, or of all of them, then the energy.
static nrg_status gather(chains_look *l, const char *var) {
    const char *names[64];
    int n = 0;
    if (nrg_table_rows(l->draws) < 1) return nrg_fail(l->ctx, NRG_E054, NRG_NOWHERE, "there are no draws");
    for (int i = 0; i < nrg_table_count(l->draws); i++) {
        const nrg_array *a = nrg_table_at(l->draws, i);
        if (!strcmp(a->name, "energy") || !strcmp(a->name, "chain") || !strcmp(a->name, "draw")) continue;
        if (n < 64) names[n++] = a->name;
        if (!var || !strcmp(a->name, var)) TRY(add(l, a));
    }
    const nrg_array *energy = nrg_table_find(l->draws, "energy");
    if (!l->all.n) {
        const char *near = var ? nrg_nearest(var, names, n) : NULL;
        nrg_fail(l->ctx, var ? NRG_E011 : NRG_E054, NRG_NOWHERE, var ? "the draws have no variable '%s'" : "there are no draws of a variable", var);
        if (near) nrg_help(l->ctx, "did you mean '%s'?", near);
        return var ? NRG_E011 : NRG_E054;
    }
    return energy && nrg_array_width(energy) == 1 ? add(l, energy) : NRG_OK;
}

// ---- where each draw stands

typedef struct {
    int64_t chains, draws;
    int64_t *chain, *draw; // of each row of the table; -1: of another row of the data
} places;

static nrg_status find_places(chains_look *l, int64_t row, places *p) {
    const nrg_array *chain = nrg_table_find(l->draws, "chain"), *draw = nrg_table_find(l->draws, "draw");
    int64_t n = nrg_table_rows(l->draws), at = -1;
    if (!chain || !draw || nrg_array_width(chain) != 1 || nrg_array_width(draw) != 1) {
        nrg_fail(l->ctx, NRG_E051, NRG_NOWHERE, "what chains do draw by draw needs the arrays chain and draw");
        nrg_help(l->ctx, "nrg sample MODEL -o draws.npz writes them");
        return NRG_E051;
    }
    *p = (places){.chain = NRG_NEWS(&l->arena, int64_t, n + 1), .draw = NRG_NEWS(&l->arena, int64_t, n + 1)};
    if (!p->chain || !p->draw) return NRG_E098;
    for (int64_t i = 0; i < n; i++) {
        double c = nrg_array_value(chain, i), d = nrg_array_value(draw, i);
        if (!(c >= 0 && c < 1e6 && d >= 0 && d < 1e9 && c == floor(c) && d == floor(d)))
            return nrg_fail(l->ctx, NRG_E055, NRG_NOWHERE, "row %lld: chain %g, draw %g are no places", (long long)i, c,
                            d);
        at += (c == 0 && d == 0) || i == 0; // the draws of one row follow each other
        p->chain[i] = at == row ? (int64_t)c : -1;
        p->draw[i] = (int64_t)d;
        if (at != row) continue;
        if ((int64_t)c + 1 > p->chains) p->chains = (int64_t)c + 1;
        if ((int64_t)d + 1 > p->draws) p->draws = (int64_t)d + 1;
    }
    if (p->chains == 0)
        return nrg_fail(l->ctx, NRG_E090, NRG_NOWHERE, "no row %lld: these are draws for %lld rows", (long long)row,
                        (long long)at + 1);
    if (p->chains * p->draws > 4 * n + 64)
        return nrg_fail(l->ctx, NRG_E055, NRG_NOWHERE, "most draws of %lld chains of %lld are missing",
                        (long long)p->chains, (long long)p->draws);
    return NRG_OK;
}

// [chains, draws] of a number from the rows of the table; *whole: the draws that every chain has.
static nrg_status arrange(chains_look *l, const places *p, const number *v, double **out, int64_t *whole) {
    int64_t cells = p->chains * p->draws, n = nrg_table_rows(l->draws), width = nrg_array_width(v->of);
    if (!(*out = NRG_NEWS(&l->arena, double, cells + 1))) return NRG_E098;
    for (int64_t i = 0; i < cells; i++) (*out)[i] = NAN;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i * width + v->entry;
        if (p->chain[i] >= 0 && !nrg_array_missing(v->of, at)) (*out)[p->chain[i] * p->draws + p->draw[i]] = nrg_array_value(v->of, at);
    }
    *whole = p->draws;
    for (int64_t c = 0; c < p->chains; c++)
        for (int64_t d = 0; d < *whole; d++)
            if (!isfinite((*out)[c * p->draws + d])) *whole = d;
    return NRG_OK;
}

// Only the draws that every chain has: [chains, whole].
static nrg_status trim(chains_look *l, const places *p, const double *at, int64_t whole, double **out) {
    if (!(*out = NRG_NEWS(&l->arena, double, p->chains * whole + 1))) return NRG_E098;
    for (int64_t c = 0; c < p->chains; c++) memcpy(*out + c * whole, at + c * p->draws, (size_t)whole * sizeof **out);
    return NRG_OK;
}

// ---- traces

// "x[0]   R-hat 1.01   ESS 230"
static nrg_status trace(chains_look *l, const places *p, const number *v, const double *x, nrg_panel *out) {
    double *at, *full;
    int64_t whole;
    nrg_health h = {NAN, NAN, NAN, NAN};
    int shown = (int)(p->chains < CHAINS ? p->chains : CHAINS);
    nrg_curve *curve = NRG_NEWS(&l->arena, nrg_curve, shown);
    if (!curve) return NRG_E098;
    TRY(arrange(l, p, v, &at, &whole));
    TRY(trim(l, p, at, whole, &full));
    if (whole >= 4) TRY(nrg_health_of(l->ctx, full, p->chains, whole, &h));
    const char *title = isfinite(h.rhat) ? nrg_arena_print(&l->arena, "%s   R-hat %.3f   ESS %.0f", v->name, h.rhat, h.bulk) : v->name;
    for (int c = 0; c < shown; c++) curve[c] = (nrg_curve){.x = x, .y = at + c * p->draws, .n = p->draws, .colour = c % 7 + 1};
    *out = (nrg_panel){{.title = title, .x = "draw", .y = v->name}, curve, shown};
    return title ? NRG_OK : NRG_E098;
}

static nrg_status count_up(chains_look *l, int64_t n, double **x) {
    if (!(*x = NRG_NEWS(&l->arena, double, n + 1))) return NRG_E098;
    for (int64_t i = 0; i < n; i++) (*x)[i] = (double)i;
    return NRG_OK;
}

// The first numbers, and the energy.
static nrg_status draw_traces(chains_look *l, const nrg_look *o, const char *path) {
    places p;
    nrg_panel panels[TRACED + 1];
    bool energy = nrg_same(l->all.at[l->all.n - 1].name, "energy");
    int most = TRACED + energy, all = (int)l->all.n, n = all < most ? all : most;
    double *x;
    TRY(find_places(l, o->row, &p));
    TRY(count_up(l, p.draws, &x));
    for (int i = 0; i < n; i++) TRY(trace(l, &p, &l->all.at[energy && i == n - 1 ? all - 1 : i], x, &panels[i]));
    if (o->title && !(panels[0].axes.title = nrg_arena_print(&l->arena, "%s: %s", o->title, panels[0].axes.title))) return NRG_E098;
    return nrg_plot_panels(l->ctx, path, panels, n, n > 3 ? 2 : 1);
}

static nrg_status with(nrg_ctx *c, const nrg_table *draws, const nrg_look *o, const char *path,
                       nrg_status (*draw)(chains_look *, const nrg_look *, const char *)) {
    static const nrg_look none;
    chains_look l = {.ctx = c, .arena = nrg_arena_make(c), .draws = draws};
    if (!o) o = &none;
    nrg_status s = gather(&l, o->var);
    if (s == NRG_OK) s = draw(&l, o, path);
    nrg_arena_free(&l.arena);
    return s;
}

nrg_status nrg_plot_traces(nrg_ctx *c, const nrg_table *draws, const nrg_look *o, const char *path) { return with(c, draws, o, path, draw_traces); }

// ---- autocorrelations

static int slower(const void *a, const void *b) {
    const number *x = a, *y = b;
    if (isnan(x->time) != isnan(y->time)) return isnan(x->time) ? 1 : -1;
    if (x->time != y->time && !isnan(x->time)) return x->time < y->time ? 1 : -1;
    return x->of != y->of ? (x->of > y->of) - (x->of < y->of) : (x->entry > y->entry) - (x->entry < y->entry);
}

// Of every number at lags from 0; the slowest first, what does not vary last.
static nrg_status measure(chains_look *l, const places *p, int64_t lags) {
    for (uint32_t i = 0; i < l->all.n; i++) {
        number *v = &l->all.at[i];
        double *at, *full, time, *rho = NRG_NEWS(&l->arena, double, lags + 1);
        int64_t whole;
        if (!rho) return NRG_E098;
        TRY(arrange(l, p, v, &at, &whole));
        TRY(trim(l, p, at, whole, &full));
        TRY(nrg_autocorrelation_of(l->ctx, full, p->chains, whole, lags, rho, &time));
        if (!v->rho || time > v->time || isnan(v->time)) v->rho = rho, v->time = time;
    }
    return NRG_OK;
}

static void sort(chains_look *l) { qsort(l->all.at, l->all.n, sizeof *l->all.at, slower); }

// Bars over a grey band, within which independent draws stay at 19 lags of 20.
static nrg_status bars(chains_look *l, const places *p, const number *v, const double *x, int64_t lags, nrg_panel *out) {
    nrg_curve *c = NRG_NEWS(&l->arena, nrg_curve, 3);
    double *band = NRG_NEWS(&l->arena, double, 2 * (lags + 1)), least = 0, chance = 1.96 / sqrt((double)(p->chains * p->draws));
    if (!c || !band) return NRG_E098;
    for (int64_t k = 0; k <= lags; k++) least = fmin(least, v->rho[k]), band[k] = chance, band[lags + 1 + k] = -chance;
    for (int k = 0; k < 2; k++)
        c[k] = (nrg_curve){.x = x, .y = band + k * (lags + 1), .n = lags + 1, .style = NRG_BARS, .width = 1, .colour = 8};
    c[2] = (nrg_curve){.x = x, .y = v->rho, .n = lags + 1, .style = NRG_BARS, .width = 0.5, .colour = 1};
    const char *title = nrg_arena_print(&l->arena, "%s   time %.3g", v->name, v->time);
    *out = (nrg_panel){{.title = title, .x = "lag in draws", .y = "autocorrelation", .x0 = -0.5, .x1 = (double)lags + 0.5,
                        .y0 = least < -0.25 ? -1 : -0.25, .y1 = 1}, c, 3};
    return title ? NRG_OK : NRG_E098;
}

static nrg_status draw_lags(chains_look *l, const nrg_look *o, const char *path) {
    places p;
    nrg_panel panels[SLOWEST];
    double *x;
    int n = 0;
    TRY(find_places(l, o->row, &p));
    int64_t lags = p.draws - 1 < MOST_LAGS ? p.draws - 1 : MOST_LAGS;
    if (lags < 1) return nrg_fail(l->ctx, NRG_E054, NRG_NOWHERE, "one draw a chain says nothing about the next");
    TRY(measure(l, &p, lags));
    sort(l);
    while (n < SLOWEST && n < (int)l->all.n && isfinite(l->all.at[n].time)) n++;
    if (!n) return nrg_fail(l->ctx, NRG_E054, NRG_NOWHERE, "no number of the draws varies");
    double far = fmax(LAGS, 3 * ceil(l->all.at[0].time)); // by then the slowest has forgotten
    if (far < (double)lags) lags = (int64_t)far;
    TRY(count_up(l, lags + 1, &x));
    for (int i = 0; i < n; i++) TRY(bars(l, &p, &l->all.at[i], x, lags, &panels[i]));
    if (o->title && !(panels[0].axes.title = nrg_arena_print(&l->arena, "%s: %s", o->title, panels[0].axes.title))) return NRG_E098;
    return nrg_plot_panels(l->ctx, path, panels, n, n > 3 ? 2 : 1);
}

nrg_status nrg_plot_autocorrelation(nrg_ctx *c, const nrg_table *draws, const nrg_look *o, const char *path) {
    return with(c, draws, o, path, draw_lags);
}

static void put(nrg_text *t, const char *name, double x, bool json) {
    if (json) nrg_text_put(t, ", \"%s\": ", name);
    else nrg_text_put(t, ",");
    nrg_text_put(t, !isfinite(x) ? json ? "null" : "" : "%.4g", x);
}

static nrg_status list(chains_look *l, int64_t rows, int64_t draws, int64_t top, bool json, nrg_text *t) {
    enum { TOLD = sizeof told / sizeof *told };
    int shown = 0;
    while (shown < TOLD && told[shown] < draws) shown++;
    for (int64_t r = 0; r < rows; r++) {
        places p;
        TRY(find_places(l, r, &p));
        TRY(measure(l, &p, shown ? told[shown - 1] : 0));
    }
    sort(l);
    if (!json) nrg_text_put(t, "number,time");
    for (int k = 0; k < shown && !json; k++) nrg_text_put(t, ",lag%d", told[k]);
    if (!json) nrg_text_put(t, "\n");
    for (int64_t i = 0; i < (int64_t)l->all.n && (top < 1 || i < top); i++) {
        const number *v = &l->all.at[i];
        nrg_text_put(t, json ? "{\"number\": \"%s\"" : "%s", v->name);
        put(t, "time", v->time, json);
        for (int k = 0; k < shown; k++) {
            char name[20];
            snprintf(name, sizeof name, "lag%d", told[k]);
            put(t, name, v->rho[told[k]], json);
        }
        nrg_text_put(t, json ? "}\n" : "\n");
    }
    return NRG_OK;
}

nrg_status nrg_api_autocorrelation(nrg_ctx *c, const nrg_table *draws, int64_t rows, int64_t each, int64_t top, bool json, nrg_text *out) {
    chains_look l = {.ctx = c, .arena = nrg_arena_make(c), .draws = draws};
    nrg_status s = gather(&l, NULL);
    if (s == NRG_OK) s = list(&l, rows, each, top, json, out);
    nrg_arena_free(&l.arena);
    return s;
}
