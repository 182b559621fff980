// L-BFGS over the full set (Nocedal 1980): one step an epoch, line search by the weak Wolfe conditions. A kink may leave no
// point flat enough for the strong ones; with the weak ones the method also serves hinges (Lewis, Overton 2013). On the host
// in double: one vector of weights and few scalars, while every loss and gradient is a pass of the planned graph.
#include "train/inside.h"
#include <math.h>
#include <string.h>

enum { F, COUNT, HEAD, KNOWN, META }; // of meta
typedef struct {
    int64_t n, m;
    double *w, *g, *d, *start, *before, *S, *Y, *alpha, *meta; // S, Y: [m, n]
    nrg_program pass;
} lbfgs;

static double dot(const double *a, const double *b, int64_t n) {
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += a[i] * b[i];
    return s;
}

static double largest(const double *a, int64_t n) {
    double s = 0;
    for (int64_t i = 0; i < n; i++) s = fmax(s, fabs(a[i]));
    return s;
}

static nrg_status make(nrg_trainer *t, nrg_team *gr) {
    lbfgs *l = NRG_NEW(&t->arena, lbfgs);
    if (!l) return NRG_E098;
    gr->own = l;
    l->n = gr->size;
    l->m = gr->history < 1 ? 1 : gr->history;
    double **all[] = {&l->w, &l->g, &l->d, &l->start, &l->before};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!(*all[i] = NRG_NEWS(&t->arena, double, l->n + 1))) return NRG_E098;
    l->S = NRG_NEWS(&t->arena, double, l->n * l->m + 1);
    l->Y = NRG_NEWS(&t->arena, double, l->n * l->m + 1);
    l->alpha = NRG_NEWS(&t->arena, double, l->m);
    l->meta = NRG_NEWS(&t->arena, double, META);
    if (!l->S || !l->Y || !l->alpha || !l->meta) return NRG_E098;
    static const char *const names[] = {"g", "S", "Y", "meta"};
    double *at[] = {l->g, l->S, l->Y, l->meta};
    int64_t n[] = {l->n, l->n * l->m, l->n * l->m, META};
    for (int i = 0; i < 4; i++) {
        const char *name = nrg_arena_print(&t->arena, "opt:lbfgs:%s:%d", names[i], (int)gr->order);
        if (!name) return NRG_E098;
        TRY(nrg_state_own(t, name, at[i], n[i]));
    }
    return NRG_OK;
}

// Loss and gradient at start + a d, as the store's precision holds it.
static nrg_status at_step(nrg_trainer *t, nrg_team *gr, double a, double *f, double *slope) {
    lbfgs *l = gr->own;
    for (int64_t i = 0; i < l->n; i++) l->w[i] = l->start[i] + a * l->d[i];
    nrg_team_put(t, gr, l->w);
    TRY(nrg_pass_grad(t, gr, &l->pass, f, l->g));
    *slope = dot(l->g, l->d, l->n);
    return NRG_OK;
}

// -H g by the two-loop recursion.
static void direction(lbfgs *l) {
    int64_t count = (int64_t)l->meta[COUNT], head = (int64_t)l->meta[HEAD];
    for (int64_t i = 0; i < l->n; i++) l->d[i] = -l->g[i];
    for (int64_t k = 0; k < count; k++) {
        int64_t j = (head - 1 - k + 2 * l->m) % l->m;
        const double *s = l->S + j * l->n, *y = l->Y + j * l->n;
        l->alpha[j] = dot(s, l->d, l->n) / dot(s, y, l->n);
        for (int64_t i = 0; i < l->n; i++) l->d[i] -= l->alpha[j] * y[i];
    }
    int64_t newest = (head - 1 + l->m) % l->m;
    if (count) {
        const double *s = l->S + newest * l->n, *y = l->Y + newest * l->n;
        double gamma = dot(s, y, l->n) / dot(y, y, l->n);
        for (int64_t i = 0; i < l->n; i++) l->d[i] *= gamma;
    }
    for (int64_t k = count - 1; k >= 0; k--) {
        int64_t j = (head - 1 - k + 2 * l->m) % l->m;
        const double *s = l->S + j * l->n, *y = l->Y + j * l->n;
        double b = dot(y, l->d, l->n) / dot(s, y, l->n);
        for (int64_t i = 0; i < l->n; i++) l->d[i] += (l->alpha[j] - b) * s[i];
    }
}

typedef struct { double a, f, slope; } point;

// Minimiser of the cubic through two points with slopes, kept inside the middle eight tenths of the interval.
static double cubic(const point *p, const point *q) {
    double lo = fmin(p->a, q->a), hi = fmax(p->a, q->a), room = 0.1 * (hi - lo);
    double d1 = p->slope + q->slope - 3 * (p->f - q->f) / (p->a - q->a), under = d1 * d1 - p->slope * q->slope;
    double a = 0.5 * (lo + hi);
    if (isfinite(under) && under >= 0) {
        double d2 = copysign(sqrt(under), q->a - p->a);
        double best = q->a - (q->a - p->a) * (q->slope + d2 - d1) / (q->slope - p->slope + 2 * d2);
        if (isfinite(best)) a = best;
    }
    return fmin(fmax(a, lo + room), hi - room);
}

// Weak Wolfe: enough decrease, and a slope that has risen enough. *found false: no progress within the precision.
static nrg_status search(nrg_trainer *t, nrg_team *gr, double f0, double slope0, double first, point *out,
                         bool *found) {
    const double c1 = 1e-4, c2 = 0.9;
    point last = {0, f0, slope0}, lo = last, hi = last, now = {first, 0, 0};
    bool zoom = false;
    *found = false;
    for (int i = 0; i < 40; i++) {
        TRY(at_step(t, gr, now.a, &now.f, &now.slope));
        bool bad = !isfinite(now.f) || now.f > f0 + c1 * now.a * slope0 || (i && !zoom && now.f >= last.f) ||
                   (zoom && now.f >= lo.f);
        if (!bad && now.slope >= c2 * slope0) return *out = now, *found = true, NRG_OK;
        if (!zoom) {
            if (bad) lo = last, hi = now, zoom = true;
            else if (now.slope >= 0) lo = now, hi = last, zoom = true;
        } else if (bad) hi = now;
        else {
            if (now.slope * (hi.a - lo.a) >= 0) hi = lo;
            lo = now;
        }
        last = now;
        if (zoom && fabs(hi.a - lo.a) < 1e-16 * fmax(1, fabs(lo.a))) break;
        now.a = !zoom ? 2 * now.a : isfinite(hi.f) && isfinite(hi.slope) ? cubic(&lo, &hi) : 0.5 * (lo.a + hi.a);
    }
    if (lo.a == 0) return NRG_OK;
    TRY(at_step(t, gr, lo.a, &lo.f, &lo.slope)); // the best so far: lower, though not flat enough
    *out = lo;
    *found = true;
    return NRG_OK;
}

static void remember(lbfgs *l) {
    int64_t head = (int64_t)l->meta[HEAD];
    double *s = l->S + head * l->n, *y = l->Y + head * l->n;
    for (int64_t i = 0; i < l->n; i++) {
        s[i] = l->w[i] - l->start[i];
        y[i] = l->g[i] - l->before[i];
    }
    if (dot(s, y, l->n) <= 1e-12 * dot(y, y, l->n)) return; // no curvature to learn from
    l->meta[HEAD] = (double)((head + 1) % l->m);
    if (l->meta[COUNT] < (double)l->m) l->meta[COUNT] += 1;
}

static bool bounded(const nrg_trainer *t, const nrg_team *gr) {
    for (uint32_t i = 0; i < gr->params; i++)
        if (t->m->params.at[gr->param[i]].domain.kind != NRG_DOM_ALL) return true;
    return false;
}

// After a projection the history says nothing about the surface any more.
static nrg_status project(nrg_trainer *t, nrg_team *gr, double *f) {
    lbfgs *l = gr->own;
    TRY(nrg_team_project(t, gr));
    memcpy(l->before, l->w, (size_t)l->n * sizeof *l->w);
    nrg_team_get(t, gr, l->w);
    if (memcmp(l->before, l->w, (size_t)l->n * sizeof *l->w) == 0) return NRG_OK;
    l->meta[COUNT] = 0;
    return nrg_pass_grad(t, gr, &l->pass, f, l->g);
}

static nrg_status advance(nrg_trainer *t, nrg_team *gr) {
    lbfgs *l = gr->own;
    double f = l->meta[F], size = (double)l->n * sizeof *l->w;
    point p;
    bool found;
    direction(l);
    double slope = dot(l->g, l->d, l->n);
    if (!(slope < 0)) { // the history has gone stale: start again downhill
        l->meta[COUNT] = 0;
        direction(l);
        slope = dot(l->g, l->d, l->n);
    }
    memcpy(l->start, l->w, (size_t)size);
    memcpy(l->before, l->g, (size_t)size);
    double first = l->meta[COUNT] > 0 ? 1 : 1 / fmax(1, sqrt(dot(l->g, l->g, l->n)));
    TRY(search(t, gr, f, slope, first, &p, &found));
    if (!found) {
        memcpy(l->w, l->start, (size_t)size);
        memcpy(l->g, l->before, (size_t)size);
        nrg_team_put(t, gr, l->w);
        gr->done = l->meta[COUNT] == 0; // try once more along the gradient itself
        l->meta[COUNT] = 0;
        return NRG_OK;
    }
    remember(l);
    f = p.f;
    if (bounded(t, gr)) TRY(project(t, gr, &f));
    l->meta[F] = f;
    return NRG_OK;
}

static nrg_status once(nrg_trainer *t, nrg_team *gr) {
    lbfgs *l = gr->own;
    nrg_team_get(t, gr, l->w);
    if (l->meta[KNOWN] == 0 || t->teams.n > 1) { // others move weights between our rounds
        TRY(nrg_pass_grad(t, gr, &l->pass, &l->meta[F], l->g));
        if (!isfinite(l->meta[F])) return nrg_diverged(t, &l->pass, t->rows_n < NRG_CHUNK ? t->rows_n : NRG_CHUNK);
        l->meta[KNOWN] = 1;
    }
    if (largest(l->g, l->n) <= gr->tol * fmax(1, largest(l->w, l->n))) gr->done = true;
    else TRY(advance(t, gr));
    t->sums.loss = l->meta[F];
    t->sums.norm = sqrt(dot(l->g, l->g, l->n));
    return NRG_OK;
}

static void drop(nrg_trainer *t, nrg_team *gr) {
    (void)t;
    if (gr->own) nrg_program_free(&((lbfgs *)gr->own)->pass);
}

const nrg_optim nrg_optim_lbfgs = {"lbfgs", true, make, NULL, NULL, once, NULL, drop};
