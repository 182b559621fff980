// Densities with a known normaliser: where annealing towards a model begins.
#include "infer/logz.h"
#include "infer/inside.h"
#include <math.h>

enum { NRG_FOR_BASE = NRG_FOR_SPLIT + 1 }; // a stream of random numbers of its own; those in graphs lie 16 and more above
static const double WIDER = 1.2; // than the draws that it was fitted to: they may not have seen everything

static const nrg_var *var_of(const nrg_base *b, int j) { return &b->model->vars.at[b->var[j]]; }
static double at(const nrg_store *s, const char *name, int64_t i) { return nrg_store_number(nrg_store_type(s), nrg_store_get(s, name)->data, i); }

static void put(nrg_dtype type, void *data, int64_t i, double x) {
    if (type == NRG_F64) ((double *)data)[i] = x;
    else ((float *)data)[i] = (float)x;
}

// 0: real, 2: two values, n: others
static double choices_of(const nrg_base *b, int j) { return var_of(b, j)->elem == NRG_REAL ? 0 : nrg_finite_choices(b->model, b->var[j]); }

static double digit_of(const nrg_base *b, int j, double x) {
    double zero = nrg_finite_number(b->model, b->var[j], 0);
    return (x - zero) / (nrg_finite_number(b->model, b->var[j], 1) - zero);
}

nrg_status nrg_base_open(nrg_base *b, nrg_arena *a, nrg_model *m, nrg_store *store, const nrg_chains *c, int64_t rows, int64_t each) {
    *b = (nrg_base){.model = m, .store = store, .rows = rows, .each = each};
    b->n = nrg_chains_vars(c, b->var);
    b->log_z = NRG_NEWS(a, double, rows);
    for (int j = 0; j < b->n; j++) {
        b->width[j] = nrg_chains_state_at(c, j)->count;
        b->a[j] = NRG_NEWS(a, double, rows * b->width[j] + 1);
        b->b[j] = NRG_NEWS(a, double, rows * b->width[j] + 1);
        if (!b->a[j] || !b->b[j]) return NRG_E098;
    }
    return b->log_z ? NRG_OK : NRG_E098;
}

void nrg_base_see(nrg_base *b, const nrg_chains *c) {
    for (int j = 0; j < b->n; j++) {
        double choices = choices_of(b, j);
        const char *name = nrg_chains_state_at(c, j)->name;
        for (int64_t i = 0; i < b->rows * b->each; i++)
            for (int64_t w = 0; w < b->width[j]; w++) {
                double x = at(b->store, name, i * b->width[j] + w);
                if (choices == 2) x = digit_of(b, j, x);
                b->a[j][i / b->each * b->width[j] + w] += x;
                b->b[j][i / b->each * b->width[j] + w] += x * x;
            }
    }
}

// ---- the fit

static double below(double z) { return 0.5 * erfc(-z * 0.70710678118654752); }

// Shares of a normal density below the lower wall and below the upper one.
static void cut(const nrg_domain *d, double mean, double sd, double *low, double *high) {
    *low = d->kind == NRG_DOM_RANGE && !isinf(d->lo) ? below((d->lo - mean) / sd) : 0;
    *high = d->kind == NRG_DOM_RANGE && !isinf(d->hi) ? below((d->hi - mean) / sd) : 1;
}

static double fit_one(const nrg_base *b, int j, double n, double *x, double *y) {
    double choices = choices_of(b, j), mean = *x / n, low, high;
    if (choices == 2) {
        double rate = (*x + 1) / (n + 2);
        *x = log(rate), *y = log1p(-rate);
        return 0;
    }
    if (choices > 0) {
        *x = *y = 0;
        return log(choices);
    }
    double var = *y / n - mean * mean, floor = 1e-12 * (1 + mean * mean);
    *x = mean;
    *y = WIDER * sqrt(var > floor ? var : floor);
    cut(&var_of(b, j)->domain, *x, *y, &low, &high);
    return log(*y * (high - low)) + 0.91893853320467274; // log sqrt(2 pi)
}

nrg_status nrg_base_fit(nrg_base *b, int64_t seen) {
    char name[200];
    nrg_dtype type = nrg_store_type(b->store);
    for (int64_t r = 0; r < b->rows; r++) b->log_z[r] = 0;
    for (int j = 0; j < b->n; j++) {
        for (int64_t i = 0; i < b->rows * b->width[j]; i++)
            b->log_z[i / b->width[j]] += fit_one(b, j, (double)seen, &b->a[j][i], &b->b[j][i]);
        for (int k = 0; k < 2; k++) {
            void *data;
            snprintf(name, sizeof name, "base:%c:%s", "ab"[k], var_of(b, j)->name);
            TRY(nrg_store_make(b->store, name, b->rows * b->each * b->width[j], &data));
            for (int64_t i = 0; i < b->rows * b->each * b->width[j]; i++) {
                int64_t from = i / b->width[j] / b->each * b->width[j] + i % b->width[j];
                put(type, data, i, k ? b->b[j][from] : b->a[j][from]);
            }
        }
    }
    return NRG_OK;
}

// ---- as an energy, and drawn from

static nrg_node energy_of(const nrg_base *b, int j, nrg_graph *g, nrg_node x, nrg_node p, nrg_node q) {
    double choices = choices_of(b, j), zero;
    if (choices == 0) return nrg_mul(g, nrg_sum_all(g, nrg_square(g, nrg_div(g, nrg_sub(g, x, p), q))), nrg_const(g, 0.5));
    if (choices != 2) return nrg_const(g, 0);
    zero = nrg_finite_number(b->model, b->var[j], 0);
    nrg_node digit = nrg_mul(g, nrg_sub(g, x, nrg_const(g, zero)), nrg_const(g, 1 / (nrg_finite_number(b->model, b->var[j], 1) - zero)));
    nrg_node log_p = nrg_add(g, nrg_mul(g, digit, p), nrg_mul(g, nrg_sub(g, nrg_const(g, 1), digit), q));
    return nrg_neg(g, nrg_sum_all(g, log_p));
}

nrg_status nrg_base_node(void *base, nrg_graph *g, const int32_t *var, const nrg_node *x, int n, nrg_node *U0) {
    const nrg_base *b = base;
    char name[200];
    *U0 = nrg_const(g, 0);
    for (int j = 0; j < n && j < b->n; j++) {
        nrg_node known[2];
        nrg_shape shape;
        TRY(nrg_var_shape(b->model, var[j], &shape));
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof name, "base:%c:%s", "ab"[k], var_of(b, j)->name);
            known[k] = nrg_input(g, name, NRG_SAMPLE, shape);
        }
        *U0 = nrg_add(g, *U0, energy_of(b, j, g, x[j], known[0], known[1]));
    }
    return nrg_graph_check(g);
}

static double draw_one(const nrg_base *b, int j, double p, double q, double u) {
    const nrg_domain *d = &var_of(b, j)->domain;
    double choices = choices_of(b, j), low, high;
    if (choices > 0) {
        double digit = choices == 2 ? u < exp(p) : fmin(floor(u * choices), choices - 1);
        return nrg_finite_number(b->model, b->var[j], digit);
    }
    cut(d, p, q, &low, &high);
    double x = p + q * nrg_normal_quantile(low + (u > 0 ? u : 0x1p-54) * (high - low));
    return d->kind == NRG_DOM_RANGE ? fmax(d->lo, fmin(d->hi, x)) : x;
}

void nrg_base_draw(const nrg_base *b, const nrg_chains *c, uint64_t seed, uint32_t step) {
    nrg_dtype type = nrg_store_type(b->store);
    uint32_t place = 0;
    for (int j = 0; j < b->n; place += (uint32_t)b->width[j++]) {
        void *data = nrg_store_get(b->store, nrg_chains_state_at(c, j)->name)->data;
        for (int64_t i = 0; i < b->rows * b->each; i++)
            for (int64_t w = 0; w < b->width[j]; w++) {
                int64_t from = i / b->each * b->width[j] + w;
                double u = nrg_random_wide(seed, NRG_FOR_BASE, (uint64_t)i, step, place + (uint32_t)w);
                put(type, data, i * b->width[j] + w, draw_one(b, j, b->a[j][from], b->b[j][from], u));
            }
    }
}
