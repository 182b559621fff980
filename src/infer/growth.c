// Far away along rays: does the energy grow fast enough for exp(-beta E) to have a finite sum over an unbounded
// real variable, and does it go on falling beyond an answer? Over d numbers the sum is finite when beta E outgrows
// d log r along every ray.
#include "infer/ask.h"
#include <math.h>
#include <string.h>

enum {
    ROWS = 4,
    RADII = 4,
    AXES = 32,
    PAIRED = 6,
    RANDOM = 24
}; // samples; distances; numbers with rays of their own; with rays of pairs
static const double FAR = 1 << 20; // the first distance; each further one is twice the last

static bool closed(const nrg_domain *d) {
    return d->kind > NRG_DOM_RANGE || (d->kind == NRG_DOM_RANGE && !isinf(d->lo) && !isinf(d->hi));
}

// ---- rays

// Ray k: the axes both ways, the diagonals of pairs of few axes, random ones; false past the end. Open sides of the domain only.
static bool ray(const nrg_domain *d, int64_t k, int64_t width, uint64_t seed, double *u) {
    int64_t axes = width < AXES ? 2 * width : 2 * AXES,
            pairs = width <= PAIRED ? 2 * width * (width - 1) : 0;
    double norm = 0;
    memset(u, 0, (size_t)width * sizeof *u);
    if (k < axes) {
        u[k / 2] = k % 2 ? -1 : 1;
    } else if ((k -= axes) < pairs) {
        int64_t a = 0, b = k / 4;
        while (b >= width - 1 - a) b -= width - 1 - a, a++;
        u[a] = k % 2 ? -1 : 1;
        u[a + 1 + b] = k / 2 % 2 ? -1 : 1;
    } else if ((k -= pairs) < (width > 1 ? RANDOM : 0)) {
        for (int64_t e = 0; e < width; e++)
            u[e] = nrg_random_normal(seed, NRG_FOR_NOISE, (uint64_t)k, 1, (uint32_t)e);
    } else {
        return false;
    }
    for (int64_t e = 0; e < width; e++) {
        if (d->kind == NRG_DOM_RANGE && !isinf(d->lo)) u[e] = fabs(u[e]);
        if (d->kind == NRG_DOM_RANGE && !isinf(d->hi)) u[e] = -fabs(u[e]);
        norm += u[e] * u[e];
    }
    for (int64_t e = 0; e < width; e++) u[e] /= sqrt(norm);
    return true;
}

typedef struct {
    double *u, *at, *F; // [rays, width], [rays, rows, RADII, width], [rays, rows, RADII]
    int64_t *row;       // [rays, rows, RADII]
    int64_t rays, rows, width;
} rays;

static nrg_status rays_make(nrg_arena *a, const nrg_var *var, int64_t n, int64_t width, rays *r) {
    const nrg_domain *d = &var->domain;
    double base = d->kind != NRG_DOM_RANGE ? 0 : !isinf(d->lo) ? d->lo : !isinf(d->hi) ? d->hi : 0;
    *r = (rays){.rows = n < ROWS ? n : ROWS, .width = width};
    int64_t most = 2 * AXES + 2 * PAIRED * PAIRED + RANDOM, all = most * r->rows * RADII;
    r->u = NRG_NEWS(a, double, (most + 1) * width + 1);
    r->at = NRG_NEWS(a, double, all *width + 1);
    r->F = NRG_NEWS(a, double, all + 1);
    r->row = NRG_NEWS(a, int64_t, all + 1);
    if (!r->u || !r->at || !r->F || !r->row) return NRG_E098;
    for (int64_t k = 0, i = 0; ray(d, k, width, 0, r->u + k * width); k++, r->rays++)
        for (int64_t row = 0; row < r->rows; row++)
            for (int64_t j = 0; j < RADII; j++, i++) {
                r->row[i] = row;
                for (int64_t e = 0; e < width; e++)
                    r->at[i * width + e] = base + ldexp(FAR, (int)j) * r->u[k * width + e];
            }
    return NRG_OK;
}

// Growth of beta E for each unit of log r over the last doubling; a ray with an energy that is not a number tells nothing.
static double growth(const double *F, double beta) {
    for (int j = 0; j < RADII; j++)
        if (isnan(F[j])) return INFINITY;
    if (F[RADII - 1] > 0 && isinf(F[RADII - 1])) return INFINITY;
    if (isinf(F[RADII - 1]) || isinf(F[RADII - 2])) return -INFINITY;
    return beta * (F[RADII - 1] - F[RADII - 2]) / log(2);
}

static void where(const nrg_var *var, const rays *r, int64_t k, nrg_text *out) {
    const double *u = r->u + k * r->width;
    if (r->width == 1) {
        nrg_text_put(out, "%s = %sr", var->name, u[0] < 0 ? "-" : "");
        return;
    }
    nrg_text_put(out, "%s = r (", var->name);
    for (int64_t e = 0; e < r->width && e < 8; e++)
        nrg_text_put(out, "%s%.3g", e ? ", " : "", u[e]);
    nrg_text_put(out, "%s)", r->width > 8 ? ", ..." : "");
}

static void tell(const nrg_model *m, const nrg_var *var, const rays *r, int64_t worst, double slope,
                 nrg_text *out) {
    const double *F = r->F + worst * RADII;
    double flat = 1e-6 * fmax(1, fabs(F[RADII - 1]));
    nrg_text_put(out, "at sample %lld, along ", (long long)(worst % r->rows));
    where(var, r, worst / r->rows, out);
    if (slope > flat)
        nrg_text_put(out, ", %sE grows only like %.3g log r, and more than %lld log r is needed",
                     m->beta == 1 ? "" : "beta ", slope, (long long)r->width);
    else
        nrg_text_put(out, ", E %s", slope < -flat ? "falls" : "levels off");
    nrg_text_put(out, ":");
    for (int j = 0; j < RADII; j++)
        nrg_text_put(out, "%s %.7g at r = %.0f", j ? "," : "", F[j], ldexp(FAR, j));
}

nrg_status nrg_growth_check(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                            bool *diverges, nrg_text *said) {
    const nrg_var *var = &m->vars.at[spec->var];
    nrg_arena arena = nrg_arena_make(m->ctx);
    nrg_shape shape;
    rays r;
    *diverges = false;
    if (var->elem != NRG_REAL || closed(&var->domain) || spec->n < 1) return NRG_OK;
    TRY(nrg_var_shape(m, spec->var, &shape));
    if (nrg_shape_count(&shape) < 1) return NRG_OK;
    nrg_status s = rays_make(&arena, var, spec->n, nrg_shape_count(&shape), &r);
    if (s == NRG_OK)
        s = nrg_energies_of(m, store, spec, r.row, r.at, r.rays * r.rows * RADII, r.width, r.F);
    double least = INFINITY;
    int64_t worst = 0;
    for (int64_t i = 0; s == NRG_OK && i < r.rays * r.rows; i++) {
        double g = growth(r.F + i * RADII, m->beta);
        if (g < least) least = g, worst = i;
    }
    *diverges = s == NRG_OK && least <= (double)nrg_shape_count(&shape);
    if (*diverges) tell(m, var, &r, worst, least, said);
    nrg_arena_free(&arena);
    return s == NRG_OK && said->bad ? NRG_E098 : s;
}

nrg_status nrg_growth_refused(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec) {
    const char *name = m->vars.at[spec->var].name;
    nrg_text said = nrg_text_make(m->ctx);
    bool diverges;
    nrg_status s = nrg_growth_check(m, store, spec, &diverges, &said);
    if (s == NRG_OK && diverges) {
        s = nrg_fail(m->ctx, NRG_E060, m->vars.at[spec->var].span,
                     "dist %s cannot be answered: exp(-beta E) has no finite sum over all %s", name,
                     name);
        nrg_fact(m->ctx, "%s", said.at);
        nrg_fact(m->ctx, "best %s, and rank %s among candidates, need no sum", name, name);
        nrg_help(m->ctx, "bound it:  %s : real in LO..HI;   or --among, or --anyway", name);
    }
    nrg_text_free(&said);
    return s;
}

// ---- beyond an answer

static const double beyond[] = {1, 1.1, 2, 4, 8}; // times the answer
enum {
    BEYOND = sizeof beyond / sizeof *beyond,
    LARGE = 100
}; // answers below LARGE are never this far from home

static bool suspect(const nrg_answers *a, int64_t i) {
    double size = 0;
    if (strcmp(a->status[i], "exact") == 0) return false;
    for (int64_t e = 0; e < a->width; e++) size = fmax(size, fabs(a->value[i * a->width + e]));
    return size >= LARGE;
}

static bool falls(const double *F) {
    for (int j = 1; j < BEYOND; j++)
        if (!(F[j] < F[j - 1])) return false;
    return F[0] - F[BEYOND - 1] > 1e-3 * fmax(1, fabs(F[0]));
}

nrg_status nrg_growth_falls(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                            nrg_answers *a, int64_t *fallen) {
    const nrg_var *var = &m->vars.at[spec->var];
    int64_t n = 0, w = a->width;
    *fallen = 0;
    if (spec->question != NRG_BEST || spec->minima || spec->among || var->elem != NRG_REAL ||
        closed(&var->domain))
        return NRG_OK;
    for (int64_t i = 0; i < a->n; i++) n += suspect(a, i);
    if (n == 0) return NRG_OK;
    int64_t *row = NRG_NEWS(&a->arena, int64_t, n * BEYOND);
    double *at = NRG_NEWS(&a->arena, double, n *BEYOND *w),
           *F = NRG_NEWS(&a->arena, double, n *BEYOND);
    if (!row || !at || !F) return NRG_E098;
    for (int64_t i = 0, k = 0; i < a->n; i++)
        for (int j = 0; suspect(a, i) && j < BEYOND; j++, k++) {
            row[k] = i;
            for (int64_t e = 0; e < w; e++) at[k * w + e] = beyond[j] * a->value[i * w + e];
        }
    TRY(nrg_energies_of(m, store, spec, row, at, n * BEYOND, w, F));
    for (int64_t k = 0; k < n; k++)
        if (falls(F + k * BEYOND)) a->status[row[k * BEYOND]] = "max_steps", ++*fallen;
    return NRG_OK;
}
