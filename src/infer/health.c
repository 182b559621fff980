// How far draws of several chains can be trusted: rank-normalised split R-hat, bulk and tail effective sample size.
// Vehtari, Gelman, Simpson, Carpenter, Buerkner, "Rank-normalization, folding, and localization: an improved R-hat" (2021);
// sums of autocorrelations by Geyer's initial monotone sequence (1992). Autocorrelations lag by lag.
#include "infer/sample.h"
#include <math.h>
#include <stdlib.h>

typedef struct {
    double *z;      // [m, n]: halves of chains
    int64_t m, n;
} halves;

// Acklam's rational approximation refined by one step of Halley's method: about 1e-15 relative.
double nrg_normal_quantile(double p) {
    static const double a[] = {-39.69683028665376, 220.9460984245205, -275.9285104469687, 138.3577518672690, -30.66479806614716,
                               2.506628277459239},
                        b[] = {-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572},
                        c[] = {-0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734,
                               4.374664141464968, 2.938163982698783},
                        d[] = {0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416};
    double x;
    if (!(p > 0 && p < 1)) return p == 0 ? -INFINITY : p == 1 ? INFINITY : NAN;
    if (p < 0.02425 || p > 1 - 0.02425) {
        double q = sqrt(-2 * log(p < 0.5 ? p : 1 - p));
        x = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) / ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
        if (p > 0.5) x = -x;
    } else {
        double q = p - 0.5, r = q * q;
        x = (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
            (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
    }
    double e = 0.5 * erfc(-x * 0.70710678118654752) - p, u = e * 2.50662827463100050 * exp(0.5 * x * x);
    return x - u / (1 + 0.5 * x * u);
}

// ---- ranks

typedef struct {
    double x;
    int64_t at;
} place;

static int by_value(const void *a, const void *b) {
    double x = ((const place *)a)->x, y = ((const place *)b)->x;
    return (x > y) - (x < y);
}

// Normal scores of ranks; equal values share the mean of their ranks.
static void normalise(double *z, int64_t n, place *room) {
    for (int64_t i = 0; i < n; i++) room[i] = (place){z[i], i};
    qsort(room, (size_t)n, sizeof *room, by_value);
    for (int64_t i = 0, j; i < n; i = j) {
        for (j = i; j < n && room[j].x == room[i].x; j++) {}
        double rank = 0.5 * (double)(i + 1 + j);
        double score = nrg_normal_quantile((rank - 0.375) / ((double)n + 0.25));
        for (int64_t k = i; k < j; k++) z[room[k].at] = score;
    }
}

// The quantile by linear interpolation between order statistics (R's type 7).
static double quantile(const place *sorted, int64_t n, double p) {
    double at = p * (double)(n - 1);
    int64_t i = (int64_t)at;
    return i + 1 < n ? sorted[i].x + (at - (double)i) * (sorted[i + 1].x - sorted[i].x) : sorted[n - 1].x;
}

// ---- moments of halves

static double mean(const double *x, int64_t n) {
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += x[i];
    return s / (double)n;
}

static double variance(const double *x, int64_t n) {
    double a = mean(x, n), s = 0;
    bool varies = false; // rounding is no variance
    for (int64_t i = 0; i < n; i++) s += (x[i] - a) * (x[i] - a), varies = varies || x[i] != x[0];
    if (!varies) return 0;
    return s / (double)(n - 1);
}

// Mean within-chain variance and variance of the chains' means; W and B / n of the paper.
static void parts(const halves *h, double *within, double *between) {
    double sum = 0, all = mean(h->z, h->m * h->n), s = 0;
    for (int64_t c = 0; c < h->m; c++) {
        double a = mean(h->z + c * h->n, h->n);
        sum += variance(h->z + c * h->n, h->n);
        s += (a - all) * (a - all);
    }
    *within = sum / (double)h->m;
    *between = s / (double)(h->m - 1);
}

static double rhat(const halves *h) {
    double W, B;
    parts(h, &W, &B);
    double n = (double)h->n;
    if (W == 0) return B == 0 ? NAN : INFINITY;
    return sqrt(((n - 1) / n * W + B) / W);
}

// ---- effective sample size

// Mean over chains of the autocovariance at a lag, divided by n.
static double covariance(const halves *h, const double *means, int64_t lag) {
    double s = 0;
    for (int64_t c = 0; c < h->m; c++) {
        const double *x = h->z + c * h->n;
        for (int64_t i = 0; i + lag < h->n; i++) s += (x[i] - means[c]) * (x[i + lag] - means[c]);
    }
    return s / (double)(h->n * h->m);
}

// Pairs of neighbouring autocorrelations are positive and fall: the sum stops at the first pair that is not, and each pair is at
// most the one before.
static double effective(const halves *h, double *means) {
    double W, B, n = (double)h->n, total = n * (double)h->m;
    parts(h, &W, &B);
    double whole = W * (n - 1) / n + B;
    if (whole == 0) return NAN;
    for (int64_t c = 0; c < h->m; c++) means[c] = mean(h->z + c * h->n, h->n);
    double tau = -1, last = INFINITY, tail = 0;
    for (int64_t t = 0; t + 1 < h->n - 1; t += 2) {
        double even = t == 0 ? 1 : 1 - (W - covariance(h, means, t)) / whole, odd = 1 - (W - covariance(h, means, t + 1)) / whole;
        tail = even > 0 ? even : 0;
        if (even + odd <= 0) break;
        last = fmin(last, even + odd);
        tau += 2 * last;
        tail = 0;
    }
    tau += tail; // the even one of the pair that was left out makes estimates of alternating chains better
    return total / fmax(tau, 1 / log10(total));
}

// ---- autocorrelations

nrg_status nrg_autocorrelation_of(nrg_ctx *c, const double *draws, int64_t chains, int64_t n, int64_t lags, double *rho, double *time) {
    halves h = {.z = (double *)(size_t)draws, .m = chains, .n = n};
    nrg_arena a = nrg_arena_make(c);
    double *means = NRG_NEWS(&a, double, chains), all = mean(draws, chains * n), last = INFINITY;
    for (int64_t k = 0; k <= lags; k++) rho[k] = NAN;
    *time = NAN;
    if (!means) return NRG_E098;
    for (int64_t i = 0; i < chains; i++) means[i] = all;
    double whole = covariance(&h, means, 0);
    for (int64_t k = 0; k <= lags && whole > 0; k++) rho[k] = k < n ? covariance(&h, means, k) / whole : NAN;
    if (whole > 0) *time = -1;
    for (int64_t k = 0; k + 1 < n && whole > 0; k += 2) {
        double even = k <= lags ? rho[k] : covariance(&h, means, k) / whole, odd = k < lags ? rho[k + 1] : covariance(&h, means, k + 1) / whole;
        if (even + odd <= 0) break;
        last = fmin(last, even + odd);
        *time += 2 * last;
    }
    nrg_arena_free(&a);
    return NRG_OK;
}

// ---- all of them

static void split(const double *draws, int64_t chains, int64_t n, halves *h) {
    for (int64_t c = 0; c < chains; c++)
        for (int half = 0; half < 2; half++)
            for (int64_t i = 0; i < h->n; i++) h->z[(2 * c + half) * h->n + i] = draws[c * n + (half ? n - h->n : 0) + i];
}

static void below(const double *draws, int64_t chains, int64_t n, double q, halves *h) {
    split(draws, chains, n, h);
    for (int64_t i = 0; i < h->m * h->n; i++) h->z[i] = h->z[i] <= q;
}

nrg_status nrg_health_of(nrg_ctx *c, const double *draws, int64_t chains, int64_t n, nrg_health *out) {
    halves h = {.m = 2 * chains, .n = n / 2};
    int64_t count = h.m * h.n, all = chains * n;
    *out = (nrg_health){NAN, NAN, NAN, NAN};
    for (int64_t i = 0; i < all; i++)
        if (!isfinite(draws[i])) return NRG_OK;
    if (chains < 1 || n < 4) return NRG_OK;
    nrg_arena a = nrg_arena_make(c);
    h.z = NRG_NEWS(&a, double, count);
    place *sorted = NRG_NEWS(&a, place, all);
    double *means = NRG_NEWS(&a, double, h.m);
    if (!h.z || !sorted || !means) {
        nrg_arena_free(&a);
        return NRG_E098;
    }
    split(draws, chains, n, &h);
    out->mean = effective(&h, means);
    normalise(h.z, count, sorted);
    out->rhat = rhat(&h);
    out->bulk = effective(&h, means);
    for (int64_t i = 0; i < all; i++) sorted[i] = (place){draws[i], i};
    qsort(sorted, (size_t)all, sizeof *sorted, by_value);
    double median = quantile(sorted, all, 0.5), low = quantile(sorted, all, 0.05), high = quantile(sorted, all, 0.95);
    below(draws, chains, n, low, &h);
    double tail = effective(&h, means);
    below(draws, chains, n, high, &h);
    out->tail = fmin(tail, effective(&h, means));
    split(draws, chains, n, &h);
    for (int64_t i = 0; i < count; i++) h.z[i] = fabs(h.z[i] - median);
    normalise(h.z, count, sorted);
    out->rhat = fmax(out->rhat, rhat(&h));
    nrg_arena_free(&a);
    return NRG_OK;
}
