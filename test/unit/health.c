// Health of chains against sequences whose truth is known.
#include "infer/sample.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

enum { CHAINS = 4, N = 4000, ALL = CHAINS * N };

static nrg_health health(const double *x, int64_t chains, int64_t n) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_health h;
    assert_int_equal(nrg_health_of(c, x, chains, n, &h), NRG_OK);
    nrg_ctx_free(c);
    return h;
}

static double normal(int64_t i) { return nrg_random_normal(5, 99, (uint64_t)(i / N), 0, (uint32_t)(i % N)); }

static double *autoregression(double rho, double shift) {
    double *x = calloc(ALL, sizeof *x);
    for (int64_t i = 0; i < ALL; i++) x[i] = i % N ? rho * x[i - 1] + sqrt(1 - rho * rho) * normal(i) : normal(i);
    for (int64_t i = 0; i < ALL; i++) x[i] += shift * (double)(i / N);
    return x;
}

static void near(double a, double b, double tol) {
    if (!(fabs(a - b) <= tol * fabs(b))) print_message("%.9g is not near %.9g\n", a, b);
    assert_true(fabs(a - b) <= tol * fabs(b));
}

static void quantiles(void **state) {
    (void)state;
    near(nrg_normal_quantile(0.975), 1.959963984540054, 1e-13);
    near(nrg_normal_quantile(0.001), -3.090232306167813, 1e-13);
    near(nrg_normal_quantile(1e-9), -5.997807015007773, 1e-12);
    assert_true(fabs(nrg_normal_quantile(0.5)) < 1e-15);
    for (double x = -5; x < 5; x += 0.37) assert_true(fabs(nrg_normal_quantile(0.5 * erfc(-x / sqrt(2))) - x) < 1e-9);
}

static void independent_draws(void **state) {
    (void)state;
    double *x = autoregression(0, 0);
    nrg_health h = health(x, CHAINS, N);
    near(h.rhat, 1, 0.002);
    near(h.bulk, ALL, 0.08);
    near(h.tail, ALL, 0.1);
    free(x);
}

// The autocorrelation time of an autoregression is (1 + rho) / (1 - rho).
static void correlated_draws(void **state) {
    (void)state;
    static const double rho[] = {0.5, 0.9, -0.5};
    for (int k = 0; k < 3; k++) {
        double *x = autoregression(rho[k], 0);
        nrg_health h = health(x, CHAINS, N);
        near(h.bulk, ALL * (1 - rho[k]) / (1 + rho[k]), 0.15);
        near(h.rhat, 1, 0.01);
        free(x);
    }
}

static void chains_that_disagree(void **state) {
    (void)state;
    double *x = autoregression(0, 1); // means 0, 1, 2, 3
    nrg_health h = health(x, CHAINS, N);
    assert_true(h.rhat > 1.4);
    assert_true(h.bulk < 20);
    for (int64_t i = 0; i < ALL; i++) x[i] = normal(i) * (i < ALL / 2 ? 1 : 5); // the same mean: only the folded ranks see it
    h = health(x, CHAINS, N);
    assert_true(h.rhat > 1.2);
    for (int64_t i = 0; i < ALL; i++) x[i] = normal(i) + 2 * (double)(i % N) / N; // a trend: the halves disagree
    h = health(x, 1, N);
    assert_true(h.rhat > 1.1);
    free(x);
}

// Ranks only: a monotone function changes nothing. Heavy tails are no trouble.
static void transformations(void **state) {
    (void)state;
    double *x = autoregression(0.5, 0);
    nrg_health a = health(x, CHAINS, N);
    for (int64_t i = 0; i < ALL; i++) x[i] = exp(3 * x[i]);
    nrg_health b = health(x, CHAINS, N);
    assert_true(a.bulk == b.bulk && a.tail == b.tail);
    free(x);
}

// Autocorrelations of an autoregression are powers of rho; their errors are near sqrt((1 + rho^2) / (1 - rho^2) / ALL), 0.024 at rho = 0.9.
static void autocorrelations(void **state) {
    (void)state;
    static const double rho[] = {0.5, 0.9, -0.5};
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    double got[31], time, first[5] = {1, 2, 3, 5, 4};
    for (int k = 0; k < 3; k++) {
        double *x = autoregression(rho[k], 0);
        assert_int_equal(nrg_autocorrelation_of(c, x, CHAINS, N, 30, got, &time), NRG_OK);
        for (int lag = 0; lag <= 30; lag++) assert_true(fabs(got[lag] - pow(rho[k], lag)) < 0.11); // 4.5 errors: by chance 1 in 1600 of all 93
        near(time, (1 + rho[k]) / (1 - rho[k]), 0.15);
        free(x);
    }
    double *x = autoregression(0, 1); // four chains apart: what they disagree about stays at every lag, 1.25 of 2.25
    assert_int_equal(nrg_autocorrelation_of(c, x, CHAINS, N, 30, got, &time), NRG_OK);
    near(got[30], 1.25 / 2.25, 0.05);
    free(x);
    assert_int_equal(nrg_autocorrelation_of(c, first, 1, 5, 5, got, &time), NRG_OK); // by hand: deviations -2 -1 0 2 1
    near(got[1], 0.4, 1e-12), near(got[2], -0.2, 1e-12), near(got[4], -0.2, 1e-12);
    assert_true(isnan(got[5]));
    double same[4] = {7, 7, 7, 7};
    assert_int_equal(nrg_autocorrelation_of(c, same, 1, 4, 2, got, &time), NRG_OK);
    assert_true(isnan(time) && isnan(got[0]));
    nrg_ctx_free(c);
}

static void odd_ones(void **state) {
    (void)state;
    double x[16] = {1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2};
    assert_true(isnan(health(x, 1, 3).rhat));
    assert_true(isnan(health(x, 1, 8).rhat) && isnan(health(x, 1, 8).bulk)); // a constant
    assert_true(isinf(health(x, 2, 8).rhat));                                // two that never move
    x[3] = NAN;
    assert_true(isnan(health(x, 2, 8).rhat));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles), cmocka_unit_test(independent_draws), cmocka_unit_test(correlated_draws),
        cmocka_unit_test(chains_that_disagree), cmocka_unit_test(transformations), cmocka_unit_test(autocorrelations),
        cmocka_unit_test(odd_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
