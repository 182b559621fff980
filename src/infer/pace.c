// Step sizes and scales of chains that go on while their energy changes: negatives of a learning model. Within a run of the chains
// they are fixed, so that each run draws from its energy; between runs all chains of a heat together teach their step size (by their
// mean acceptance: Robbins and Monro 1951, Andrieu and Thoms 2008) and a scale for each number (their running variance, shrunk as in
// Stan). The gain does not fall to zero, as the energy does not stand still.
#include "infer/sampler.h"
#include <math.h>

static const double FIRST = 0.1, LEAST_GAIN = 0.2, LEAST_RATE = 0.05;

// What part k has learned: how many runs it saw, log step by heat, then means and mean squares of each number by heat.
typedef struct {
    const nrg_sampler_part *part;
    double *count, *log_step, *mean, *square;
    int64_t width; // numbers of its variables; 0: no scales
} lesson;

static int64_t width_of(const nrg_chains *s, const nrg_sampler_part *p) {
    int64_t n = 0;
    for (int j = p->first; p->scaled && j < p->first + p->n; j++) n += nrg_shape_count(&s->shape[j]);
    return n;
}

// The next part that learns, from `at` in the numbers and part *k on; false: there is none.
static bool next(const nrg_pace *p, int *k, int64_t *at, lesson *l) {
    const nrg_chains *s = p->chains;
    while (*k < s->parts && !(s->part[*k].target > 0)) ++*k;
    if (*k == s->parts) return false;
    *l = (lesson){.part = &s->part[*k], .width = width_of(s, &s->part[*k])};
    if (p->own) {
        l->count = p->own + *at;
        l->log_step = l->count + 1;
        l->mean = l->log_step + p->levels;
        l->square = l->mean + p->levels * l->width;
    }
    *at += 1 + p->levels * (1 + 2 * l->width);
    ++*k;
    return true;
}

static nrg_status lend(const nrg_pace *p, nrg_arena *a, const char *name, int64_t count, const int64_t *rows) {
    void *data = nrg_arena_get(a, (size_t)(count * p->levels + 1) * nrg_dtype_size(nrg_store_type(p->store)));
    if (!data) return NRG_E098;
    nrg_buffer b = {.data = data, .type = nrg_store_type(p->store) == NRG_F64 ? NRG_BUF_F64 : NRG_BUF_F32, .rows = rows};
    return nrg_store_put(p->store, name, b);
}

static const char *scale_of(const nrg_chains *s, const nrg_sampler_part *p, int j, char *to, size_t n) {
    nrg_print(to, n, "%s:%d:scale:%s", s->spec.prefix, (int)(p - s->part), s->model->vars.at[s->var[j]].name);
    return to;
}

nrg_status nrg_pace_open(nrg_chains *c, nrg_arena *a, int64_t lanes, int64_t levels, nrg_pace *out) {
    lesson l;
    char name[256];
    *out = (nrg_pace){.chains = c, .store = c->store, .levels = levels};
    for (int k = 0; next(out, &k, &out->n, &l);) {}
    if (!out->n) return NRG_OK;
    int64_t *rows = NRG_NEWS(a, int64_t, lanes + 1);
    if (!rows) return NRG_E098;
    for (int64_t i = 0; i < lanes; i++) rows[i] = i % levels;
    int64_t at = 0;
    for (int k = 0; next(out, &k, &at, &l);) {
        TRY(lend(out, a, l.part->size, 1, rows));
        for (int j = l.part->first; l.width && j < l.part->first + l.part->n; j++)
            TRY(lend(out, a, scale_of(c, l.part, j, name, sizeof name), nrg_shape_count(&c->shape[j]), rows));
    }
    if (!(out->own = NRG_NEWS(a, double, out->n))) return NRG_E098;
    return NRG_OK;
}

static void put(const nrg_pace *p, const char *name, int64_t i, double v) {
    void *data = nrg_store_get(p->store, name)->data;
    if (nrg_store_type(p->store) == NRG_F64) ((double *)data)[i] = v;
    else ((float *)data)[i] = (float)v;
}

static double step_of(const lesson *l, int64_t level) { return *l->count > 0 ? exp(l->log_step[level]) : FIRST; }

// Few draws are shrunk towards 0.03, as Stan does.
static double scale_from(const lesson *l, int64_t k, double n) {
    double var = fmax(0, l->square[k] - l->mean[k] * l->mean[k]);
    return *l->count > 0 ? sqrt((n * var + 5e-3) / (n + 5)) : 1;
}

void nrg_pace_set(const nrg_pace *p) {
    const nrg_chains *s = p->chains;
    char name[256];
    int64_t at = 0;
    lesson l;
    for (int k = 0; p->n && next(p, &k, &at, &l);) {
        double seen = fmin(*l.count, 1 / LEAST_RATE) * (double)(s->spec.lanes / p->levels);
        for (int64_t v = 0; v < p->levels; v++) put(p, l.part->size, v, step_of(&l, v));
        int64_t first = 0;
        for (int j = l.part->first; l.width && j < l.part->first + l.part->n; j++) {
            int64_t n = nrg_shape_count(&s->shape[j]);
            scale_of(s, l.part, j, name, sizeof name);
            for (int64_t v = 0; v < p->levels; v++)
                for (int64_t i = 0; i < n; i++) put(p, name, v * n + i, scale_from(&l, v * l.width + first + i, seen));
            first += n;
        }
    }
}

static void learn_step(const nrg_pace *p, const lesson *l, int64_t n, int64_t steps) {
    const void *taken = nrg_store_get(p->store, l->part->accepted)->data;
    double gain = fmax(LEAST_GAIN, 2 / sqrt(*l->count));
    for (int64_t v = 0; v < p->levels; v++) {
        double sum = 0, of = 0;
        for (int64_t i = v; i < n; i += p->levels) sum += nrg_store_number(nrg_store_type(p->store), taken, i), of++;
        double alpha = of > 0 && isfinite(sum) ? sum / (of * (double)steps) : 0;
        if (*l->count == 1) l->log_step[v] = log(FIRST);
        l->log_step[v] += gain * (alpha - l->part->target);
        if (isfinite(l->part->longest) && l->part->longest > 0) l->log_step[v] = fmin(l->log_step[v], log(l->part->longest));
    }
}

static void learn_scales(const nrg_pace *p, const lesson *l, int64_t n) {
    const nrg_chains *s = p->chains;
    double rate = fmax(LEAST_RATE, 1 / *l->count);
    int64_t first = 0;
    for (int j = l->part->first; j < l->part->first + l->part->n; j++) {
        int64_t count = nrg_shape_count(&s->shape[j]);
        const void *x = nrg_store_get(p->store, s->states.at[j].name)->data;
        for (int64_t k = 0; k < p->levels * count; k++) {
            double sum = 0, sq = 0, of = 0;
            for (int64_t i = k / count; i < n; i += p->levels) {
                double one = nrg_store_number(nrg_store_type(p->store), x, i * count + k % count);
                if (isfinite(one)) sum += one, sq += one * one, of++;
            }
            int64_t to = k / count * l->width + first + k % count;
            if (of == 0) continue;
            l->mean[to] += rate * (sum / of - l->mean[to]);
            l->square[to] += rate * (sq / of - l->square[to]);
        }
        first += count;
    }
}

void nrg_pace_learn(const nrg_pace *p, int64_t n, int64_t steps) {
    int64_t at = 0;
    lesson l;
    for (int k = 0; p->n && next(p, &k, &at, &l);) {
        ++*l.count;
        learn_step(p, &l, n, steps);
        if (l.width) learn_scales(p, &l, n);
    }
}

double nrg_pace_step(const nrg_pace *p) {
    int64_t at = 0;
    int k = 0;
    lesson l;
    return p->n && next(p, &k, &at, &l) ? step_of(&l, 0) : NAN;
}
