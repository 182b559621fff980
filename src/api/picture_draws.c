// Pictures of draws: points, histograms, tiles.
#include "api/picture.h"
#include <math.h>
#include <string.h>

enum { PANELS = 12, BINS = 60, TILES = 400 };

// One number of each draw, and of each row of the data.
typedef struct {
    const char *name;
    double *draw, *data; // data: NULL: none
    int64_t draws, rows;
    const char *const *labels; // of a category
    int64_t labels_n;
} column;

typedef struct {
    nrg_ctx *ctx;
    nrg_arena arena;
    const nrg_table *draws, *data;
    const nrg_array *var; // of a look at one variable, or the only one
    column col[PANELS];
    int n, more; // columns shown; numbers left out
} look;

// ---- what is there

static bool is_place(const char *name) {
    return !strcmp(name, "energy") || !strcmp(name, "chain") || !strcmp(name, "draw");
}

static int64_t width_of(const nrg_array *a) { return nrg_array_width(a); }

static nrg_status numbers(look *l, const nrg_array *a, int64_t k, double **out) {
    int64_t w = width_of(a), n = a->dim[0];
    if (!(*out = NRG_NEWS(&l->arena, double, n + 1))) return NRG_E098;
    for (int64_t i = 0; i < n; i++) (*out)[i] = nrg_array_missing(a, i * w + k) ? NAN : nrg_array_value(a, i * w + k);
    return NRG_OK;
}

// The data's array of the same name; one of another width is a mistake.
static nrg_status partner(look *l, const nrg_array *a, const nrg_array **out) {
    *out = l->data ? nrg_table_find(l->data, a->name) : NULL;
    if (!*out) return NRG_OK;
    if (!(*out)->offsets && width_of(*out) == width_of(a)) return NRG_OK;
    return nrg_fail(l->ctx, NRG_E050, NRG_NOWHERE, "%s has %lld numbers a draw, but %lld a row in the data", a->name,
                    (long long)width_of(a), (long long)width_of(*out));
}

static nrg_status add(look *l, const nrg_array *a) {
    const nrg_array *same;
    TRY(partner(l, a, &same));
    for (int64_t k = 0; k < width_of(a); k++) {
        if (l->n == PANELS) {
            l->more++;
            continue;
        }
        column *c = &l->col[l->n++];
        c->name = a->rank > 1 ? nrg_arena_print(&l->arena, "%s[%lld]", a->name, (long long)k) : a->name;
        c->draws = a->dim[0];
        c->labels = a->labels, c->labels_n = a->labels ? a->labels_n : 0;
        if (!c->name) return NRG_E098;
        TRY(numbers(l, a, k, &c->draw));
        if (!same) continue;
        c->rows = same->dim[0];
        TRY(numbers(l, same, k, &c->data));
    }
    return NRG_OK;
}

static nrg_status unknown(look *l, const char *name) {
    const char *names[64];
    int n = 0;
    for (int i = 0; i < nrg_table_count(l->draws) && n < 64; i++) names[n++] = nrg_table_at(l->draws, i)->name;
    const char *near = nrg_nearest(name, names, n);
    nrg_fail(l->ctx, NRG_E011, NRG_NOWHERE, "the draws have no variable '%s'", name);
    if (near) nrg_help(l->ctx, "did you mean '%s'?", near);
    return NRG_E011;
}

static nrg_status gather(look *l, const char *name) {
    int vars = 0;
    if (nrg_table_rows(l->draws) < 1) return nrg_fail(l->ctx, NRG_E054, NRG_NOWHERE, "there are no draws");
    if (name && !nrg_table_find(l->draws, name)) return unknown(l, name);
    for (int i = 0; i < nrg_table_count(l->draws); i++) {
        const nrg_array *a = nrg_table_at(l->draws, i);
        if (name ? strcmp(a->name, name) != 0 : is_place(a->name)) continue;
        if (a->offsets)
            return nrg_fail(l->ctx, NRG_E071, NRG_NOWHERE, "draws of different lengths (%s) cannot be drawn", a->name);
        l->var = vars++ ? NULL : a;
        TRY(add(l, a));
    }
    if (vars == 0) return nrg_fail(l->ctx, NRG_E054, NRG_NOWHERE, "there are no draws of a variable");
    return NRG_OK;
}

// ---- tiles

// An image by its axes, by what was asked, or a vector of square length.
static bool as_image(const look *l, const nrg_look *o, nrg_tiles *t) {
    const nrg_array *a = l->var;
    if (!a) return false;
    int64_t w = width_of(a), side = (int64_t)lround(sqrt((double)w));
    t->channels = 1;
    if (o->h > 0 && o->w > 0) {
        t->h = o->h, t->w = o->w;
        t->channels = w == 3 * (int64_t)o->h * o->w ? 3 : 1;
    } else if (a->rank >= 3 && a->rank <= 4 && (a->rank == 3 || a->dim[1] == 1 || a->dim[1] == 3)) {
        t->channels = a->rank == 4 ? (int)a->dim[1] : 1;
        t->h = (int)a->dim[a->rank - 2];
        t->w = (int)a->dim[a->rank - 1];
    } else if (side >= 4 && side * side == w)
        t->h = t->w = (int)side;
    else
        return false;
    return true;
}

static nrg_status draw_tiles(look *l, nrg_tiles *t, const char *path) {
    int64_t w = width_of(l->var);
    if ((int64_t)t->h * t->w * t->channels != w)
        return nrg_fail(l->ctx, NRG_E090, NRG_NOWHERE, "tiles of %d x %d do not fit %s, which has %lld numbers", t->h,
                        t->w, l->var->name, (long long)w);
    t->n = l->var->dim[0] < TILES ? l->var->dim[0] : TILES;
    double *a = NRG_NEWS(&l->arena, double, t->n *w + 1);
    if (!a) return NRG_E098;
    for (int64_t i = 0; i < t->n * w; i++) a[i] = nrg_array_value(l->var, i);
    t->a = a;
    return nrg_plot_tiles(l->ctx, path, t);
}

// ---- points

static nrg_status draw_points(look *l, const nrg_look *o, const char *path) {
    nrg_curve c[2];
    int n = 0;
    const column *x = &l->col[0], *y = &l->col[1];
    if (x->data && y->data)
        c[n++] =
            (nrg_curve){.name = "data", .x = x->data, .y = y->data, .n = x->rows, .style = NRG_POINTS, .colour = 8};
    c[n++] = (nrg_curve){.name = "draws", .x = x->draw, .y = y->draw, .n = x->draws, .style = NRG_POINTS, .colour = 1};
    nrg_plot_axes axes = {.title = o->title, .x = x->name, .y = y->name, .same = l->var != NULL};
    return nrg_plot_curves(l->ctx, path, &axes, c, n);
}

// ---- histograms

typedef struct {
    double lo, width;
    int n;
    double *x, *draws, *data; // [n + 2]: an empty bin on either side closes the outline
} histogram;

static void range_of(const double *a, int64_t n, double *lo, double *hi, bool *whole) {
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(a[i])) continue;
        *lo = fmin(*lo, a[i]);
        *hi = fmax(*hi, a[i]);
        *whole = *whole && a[i] == floor(a[i]);
    }
}

static void count(const histogram *h, const double *a, int64_t n, double *to) {
    double all = 0;
    for (int64_t i = 0; i < n; i++) all += isfinite(a[i]);
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(a[i])) continue;
        int k = (int)fmin(fmax(floor((a[i] - h->lo) / h->width), 0), h->n - 1);
        to[k + 1] += 1 / (all * h->width);
    }
}

// Bins one wide where all numbers are whole, else about twice the cube root of their number.
static nrg_status make_histogram(look *l, const column *c, histogram *h) {
    double lo = INFINITY, hi = -INFINITY;
    bool whole = true;
    range_of(c->draw, c->draws, &lo, &hi, &whole);
    if (c->data) range_of(c->data, c->rows, &lo, &hi, &whole);
    if (!(lo <= hi)) return nrg_fail(l->ctx, NRG_E080, NRG_NOWHERE, "no draw of %s is a finite number", c->name);
    whole = whole && hi - lo < BINS;
    h->n = whole ? (int)(hi - lo) + 1 : (int)fmin(fmax(ceil(2 * cbrt((double)c->draws)), 10), BINS);
    h->lo = whole ? lo - 0.5 : lo;
    h->width = whole ? 1 : hi > lo ? (hi - lo) / h->n : 1;
    h->x = NRG_NEWS(&l->arena, double, h->n + 2);
    h->draws = NRG_NEWS(&l->arena, double, h->n + 2);
    h->data = NRG_NEWS(&l->arena, double, h->n + 2);
    if (!h->x || !h->draws || !h->data) return NRG_E098;
    for (int i = 0; i < h->n + 2; i++) h->x[i] = h->lo + (i - 0.5) * h->width;
    count(h, c->draw, c->draws, h->draws);
    if (c->data) count(h, c->data, c->rows, h->data);
    return NRG_OK;
}

enum { WORDS = 12 }; // values that an axis names one by one

// Of few whole numbers each is a word under the axis, a label where it has one; bins then lie over 0, 1, ...
static nrg_status name_values(look *l, const column *c, histogram *h, nrg_plot_axes *axes) {
    bool whole = h->width == 1 && h->lo + 0.5 == floor(h->lo + 0.5);
    double first = h->lo + 0.5;
    if (!whole || h->n > WORDS) return NRG_OK;
    const char **words = NRG_NEWS(&l->arena, const char *, h->n);
    if (!words) return NRG_E098;
    for (int i = 0; i < h->n; i++) {
        int64_t at = (int64_t)first + i;
        words[i] = at >= 0 && at < c->labels_n ? c->labels[at] : nrg_arena_print(&l->arena, "%lld", (long long)at);
        if (!words[i]) return NRG_E098;
    }
    for (int i = 0; i < h->n + 2; i++) h->x[i] = i - 1;
    if (c->rows == 1 && c->data) c->data[0] -= first;
    axes->ticks = words, axes->ticks_n = h->n;
    axes->y = "share", axes->y0 = 0;
    for (int i = 0; i < h->n + 2; i++) axes->y1 = fmax(axes->y1, 1.08 * fmax(h->draws[i], h->data[i]));
    return NRG_OK;
}

static nrg_status draw_histograms(look *l, const nrg_look *o, const char *path) {
    nrg_panel panels[PANELS];
    for (int i = 0; i < l->n; i++) {
        histogram h = {0};
        const column *c = &l->col[i];
        nrg_curve *v = NRG_NEWS(&l->arena, nrg_curve, 2);
        if (!v) return NRG_E098;
        TRY(make_histogram(l, c, &h));
        int n = 0;
        if (c->rows == 1 && c->data) // a mark at its foot: one value is no histogram
            v[n++] =
                (nrg_curve){.name = "data", .x = c->data, .y = &h.draws[0], .n = 1, .style = NRG_DISC, .colour = 2};
        else if (c->data)
            v[n++] = (nrg_curve){
                .name = "data", .x = h.x, .y = h.data, .n = h.n + 2, .style = NRG_BARS, .width = h.width, .colour = 8};
        v[n++] = (nrg_curve){.name = c->data ? "draws" : NULL, .x = h.x, .y = h.draws, .n = h.n + 2, .style = NRG_STEPS, .colour = 1};
        const char *title = i == 0 ? o->title : NULL;
        if (i == 0 && l->more > 0 &&
            !(title = nrg_arena_print(&l->arena, "%s (%d more numbers)", title ? title : "", l->more)))
            return NRG_E098;
        panels[i] = (nrg_panel){{.title = title, .x = c->name, .y = "density"}, v, n};
        TRY(name_values(l, c, &h, &panels[i].axes));
    }
    return nrg_plot_panels(l->ctx, path, panels, l->n, l->n > 3 ? 3 : l->n);
}

nrg_status nrg_plot_draws(nrg_ctx *c, const nrg_table *draws, const nrg_table *data, const nrg_look *o,
                          const char *path) {
    static const nrg_look none;
    look l = {.ctx = c, .arena = nrg_arena_make(c), .draws = draws, .data = data};
    nrg_tiles t = {0};
    if (!o) o = &none;
    nrg_status s = gather(&l, o->var);
    if (s == NRG_OK) {
        if (as_image(&l, o, &t))
            s = draw_tiles(&l, &t, path);
        else if (o->h > 0)
            s = nrg_fail(c, NRG_E090, NRG_NOWHERE, "tiles are of one variable: say which");
        else if (l.n == 2 && l.more == 0)
            s = draw_points(&l, o, path);
        else
            s = draw_histograms(&l, o, path);
    }
    nrg_arena_free(&l.arena);
    return s;
}
