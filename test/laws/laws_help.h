// Draws against known densities: moments within so many standard errors. Shared by the laws of samplers.
#ifndef NRG_TEST_LAWS_HELP_H
#define NRG_TEST_LAWS_HELP_H

#include "infer/sample.h"
#include "infer_help.h"

#define ANY __attribute__((unused))
enum { CHAINS = 4000 };
ANY static int64_t few = CHAINS; // chains of `gaussian` and `density`
static const double FAR = 4.5;

ANY static nrg_draws drawn(fixture *f, const char *vars, const char *given, int64_t rows, int64_t chains, int64_t draws, int64_t warmup) {
    nrg_sample_spec spec = {.rows = rows, .chains = chains, .draws = draws, .warmup = warmup, .every = 5, .seed = 7, .threads = 2};
    char name[2] = {0};
    nrg_draws d;
    for (const char *p = vars; *p; p++) name[0] = *p, spec.vars |= set(f, name);
    for (const char *p = given; *p; p++) name[0] = *p, spec.given |= set(f, name);
    ok(f, nrg_sample(f->m, f->s, &spec, &d));
    return d;
}

ANY static void within(const char *what, double found, double truth, double error) {
    double z = (found - truth) / error;
    print_message("%-40s %10.5f, truth %10.5f, z = %5.2f\n", what, found, truth, z);
    if (!(fabs(z) < FAR)) fail_msg("%s is off", what);
}

typedef struct {
    double mean, var, third, fourth; // central
} moments;

ANY static moments moments_of(const double *x, int64_t n, int64_t gap) {
    moments m = {0};
    for (int64_t i = 0; i < n; i++) m.mean += x[i * gap] / (double)n;
    for (int64_t i = 0; i < n; i++) {
        double d = x[i * gap] - m.mean;
        m.var += d * d / (double)(n - 1);
        m.third += d * d * d / (double)n;
        m.fourth += d * d * d * d / (double)n;
    }
    return m;
}

// Mean and variance against the truth; the error of the variance from the fourth moment.
ANY static void matches(const char *what, const double *x, int64_t n, int64_t gap, double mean, double var, double fourth) {
    char line[80];
    moments m = moments_of(x, n, gap);
    snprintf(line, sizeof line, "%s: mean", what);
    within(line, m.mean, mean, sqrt(var / (double)n));
    snprintf(line, sizeof line, "%s: variance", what);
    within(line, m.var, var, sqrt((fourth - var * var) / (double)n));
}

ANY static void gaussian(const char *what, const char *text, nrg_dtype type, double mean, double var) {
    fixture f = load(text, type);
    nrg_draws d = drawn(&f, "x", "", 1, few, 1, -1);
    matches(what, d.value[0], few, 1, mean, var, 3 * var * var);
    nrg_draws_free(&d);
    drop(&f);
}

// Moments of exp(-E) on a grid: an independent truth for one dimension.
ANY static void truth_of(double (*E)(double), double lo, double hi, double *mean, double *var, double *fourth) {
    enum { N = 200000 };
    double Z = 0, m[3] = {0}, h = (hi - lo) / N;
    for (int i = 0; i < N; i++) {
        double x = lo + (i + 0.5) * h, p = exp(-E(x));
        Z += p;
        m[0] += p * x;
    }
    *mean = m[0] / Z;
    for (int i = 0; i < N; i++) {
        double x = lo + (i + 0.5) * h, p = exp(-E(x)), c = x - *mean;
        m[1] += p * c * c;
        m[2] += p * c * c * c * c;
    }
    *var = m[1] / Z;
    *fourth = m[2] / Z;
}

ANY static void density(const char *text, double (*E)(double), double lo, double hi) {
    double mean, var, fourth;
    fixture f = load(text, NRG_F64);
    truth_of(E, lo, hi, &mean, &var, &fourth);
    nrg_draws d = drawn(&f, "x", "", 1, few, 1, -1);
    for (int i = 0; i < few; i++) assert_true(d.value[0][i] >= lo && d.value[0][i] <= hi);
    matches(strrchr(text, '\n') + 1, d.value[0], few, 1, mean, var, fourth);
    nrg_draws_free(&d);
    drop(&f);
}

ANY static void refused(const char *text, nrg_status want, const char *words) {
    fixture f = load(text, NRG_F64);
    nrg_sample_spec spec = {.vars = set(&f, "x"), .rows = 1, .chains = 4, .draws = 1, .warmup = -1, .threads = 1};
    nrg_draws d;
    assert_int_equal(nrg_sample(f.m, f.s, &spec, &d), want);
    if (!strstr(nrg_diag_get(f.c, nrg_diag_count(f.c) - 1)->message, words)) show(f.c), fail();
    nrg_draws_free(&d);
    drop(&f);
}
#endif
