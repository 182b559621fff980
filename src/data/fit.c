// Constants of fitted transforms: mean and standard deviation, and ZCA whitening.
#include "data/data.h"
#include <math.h>
#include <string.h>

// ---- moments ----

// mean [D] and, unless NULL, var [D], over the rows of `a`; n [D] is scratch: cells that are there.
static void moments(const nrg_array *a, int64_t D, double *mean, double *var, double *n) {
    memset(mean, 0, (size_t)D * sizeof *mean);
    memset(n, 0, (size_t)D * sizeof *n);
    for (int64_t i = 0; i < a->dim[0]; i++)
        for (int64_t k = 0; k < D; k++)
            if (!nrg_array_missing(a, i * D + k)) mean[k] += nrg_array_value(a, i * D + k), n[k] += 1;
    for (int64_t k = 0; k < D; k++) mean[k] = n[k] > 0 ? mean[k] / n[k] : 0;
    if (!var) return;
    memset(var, 0, (size_t)D * sizeof *var);
    for (int64_t i = 0; i < a->dim[0]; i++)
        for (int64_t k = 0; k < D; k++) {
            if (nrg_array_missing(a, i * D + k)) continue;
            double d = nrg_array_value(a, i * D + k) - mean[k];
            var[k] += d * d;
        }
    for (int64_t k = 0; k < D; k++) var[k] = n[k] > 0 ? var[k] / n[k] : 0;
}

static nrg_status check(nrg_ctx *c, const nrg_array *a, const double *mean, int64_t D) {
    for (int64_t k = 0; k < D; k++)
        if (!isfinite(mean[k]))
            return nrg_fail(c, NRG_E055, NRG_NOWHERE,
                            "'%s' holds infinite values in column %lld, so it cannot be standardised", a->name,
                            (long long)k);
    return NRG_OK;
}

nrg_status nrg_fit_standardise(nrg_ctx *c, const nrg_array *a, double *mean, double *sd) {
    int64_t D = nrg_array_width(a);
    nrg_arena work = nrg_arena_make(c);
    double *n = NRG_NEWS(&work, double, D);
    if (n) moments(a, D, mean, sd, n);
    nrg_arena_free(&work);
    if (!n) return NRG_E098;
    TRY(check(c, a, mean, D));
    for (int64_t k = 0; k < D; k++) {
        // what rounding alone makes of a constant is no spread
        bool flat = sd[k] <= 1e-28 * mean[k] * mean[k];
        sd[k] = flat ? 1 : sqrt(sd[k]);
    }
    return NRG_OK;
}

// ---- whitening ----

// C [D, D]: covariance of the rows; missing cells hold the mean. `row` [BLOCK, D] is scratch.
enum { BLOCK = 16 };

static void covariance(const nrg_array *a, int64_t D, const double *mean, double *row, double *C) {
    memset(C, 0, (size_t)(D * D) * sizeof *C);
    for (int64_t i0 = 0; i0 < a->dim[0]; i0 += BLOCK) {
        int64_t rows = a->dim[0] - i0 < BLOCK ? a->dim[0] - i0 : BLOCK;
        for (int64_t j = 0; j < rows * D; j++) {
            int64_t cell = i0 * D + j;
            row[j] = nrg_array_missing(a, cell) ? 0 : nrg_array_value(a, cell) - mean[j % D];
        }
        for (int64_t p = 0; p < D; p++)
            for (int64_t r = 0; r < rows; r++) {
                double v = row[r * D + p];
                for (int64_t q = p; q < D; q++) C[p * D + q] += v * row[r * D + q];
            }
    }
    for (int64_t p = 0; p < D; p++)
        for (int64_t q = p; q < D; q++) C[q * D + p] = C[p * D + q] /= (double)a->dim[0];
}

// p.p, q.q and p.q; four sums each, which the compiler keeps in vectors, added in one fixed order.
static void products(const double *p, const double *q, int64_t n, double out[3]) {
    double a[4] = {0}, b[4] = {0}, g[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) {
            a[k] += p[i + k] * p[i + k];
            b[k] += q[i + k] * q[i + k];
            g[k] += p[i + k] * q[i + k];
        }
    for (; i < n; i++) a[0] += p[i] * p[i], b[0] += q[i] * q[i], g[0] += p[i] * q[i];
    out[0] = (a[0] + a[1]) + (a[2] + a[3]);
    out[1] = (b[0] + b[1]) + (b[2] + b[3]);
    out[2] = (g[0] + g[1]) + (g[2] + g[3]);
}

// Rotates rows p and q of B so that they become orthogonal; false when they were.
static bool rotate(double *restrict p, double *restrict q, int64_t D, double tiny) {
    double s[3];
    products(p, q, D, s);
    double a = s[0], b = s[1], g = s[2];
    if (fabs(g) <= 1e-14 * sqrt(a * b) || a * b <= tiny * tiny) return false;
    double zeta = (b - a) / (2 * g), t = (zeta < 0 ? -1 : 1) / (fabs(zeta) + sqrt(1 + zeta * zeta));
    double cs = 1 / sqrt(1 + t * t), sn = cs * t;
    for (int64_t i = 0; i < D; i++) {
        double u = p[i], v = q[i];
        p[i] = cs * u - sn * v;
        q[i] = sn * u + cs * v;
    }
    return true;
}

// One-sided Jacobi (Hestenes 1958) on a symmetric matrix: its rows become eigenvalue * eigenvector.
static void diagonalise(double *B, int64_t D, double trace) {
    double tiny = 1e-30 * trace * trace; // squared norms below this belong to eigenvalue zero
    bool moved = true;
    for (int sweep = 0; sweep < 60 && moved; sweep++) {
        moved = false;
        for (int64_t p = 0; p < D; p++)
            for (int64_t q = p + 1; q < D; q++) moved |= rotate(B + p * D, B + q * D, D, tiny);
    }
}

// sum of f(l) u u' with f(l) = (l + eps)^(-1/2). Directions of eigenvalue zero are not known one by one, only together:
// all of space has f(0), and each known direction is corrected by f(l) - f(0). With eps = 0 they are left out.
static void inverse_root(const double *B, int64_t D, double eps, double zero, double *M) {
    double base = eps > 0 ? 1 / sqrt(eps) : 0;
    memset(M, 0, (size_t)(D * D) * sizeof *M);
    for (int64_t k = 0; k < D; k++) M[k * D + k] = base;
    for (int64_t k = 0; k < D; k++) {
        const double *u = B + k * D;
        double s[3];
        products(u, u, D, s);
        double l = sqrt(s[0]);
        if (l <= zero) continue;
        double f = (1 / sqrt(l + eps) - base) / (l * l);
        for (int64_t p = 0; p < D; p++)
            for (int64_t q = 0; q < D; q++) M[p * D + q] += f * u[p] * u[q];
    }
}

nrg_status nrg_fit_whiten(nrg_ctx *c, const nrg_array *a, double ridge, double *mean, double *matrix) {
    int64_t D = nrg_array_width(a);
    nrg_arena work = nrg_arena_make(c);
    double *B = NRG_NEWS(&work, double, D *D), *row = NRG_NEWS(&work, double, D *BLOCK),
           *n = NRG_NEWS(&work, double, D);
    nrg_status s = B && row && n ? NRG_OK : NRG_E098;
    if (s == NRG_OK) moments(a, D, mean, NULL, n);
    if (s == NRG_OK) s = check(c, a, mean, D);
    if (s == NRG_OK) {
        covariance(a, D, mean, row, B);
        double trace = 0;
        for (int64_t k = 0; k < D; k++) trace += B[k * D + k];
        diagonalise(B, D, trace);
        inverse_root(B, D, ridge * trace / (double)D, 1e-13 * trace, matrix);
    }
    nrg_arena_free(&work);
    return s;
}
