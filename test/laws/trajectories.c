// Laws of trajectories: scales learned for each number, kinetic Langevin. One draw a chain, so that draws are independent; each
// check is at 4.5 standard errors, about 7e-6 false alarms a check and below 1e-3 for the whole file, had the seeds not been fixed.
#include "laws_help.h"

#define UNEQUAL "dim D = 2\npredict x : real[D]\nenergy E(x) = 5000 * sq(x[first(D)] - 1) + 0.00005 * sq(x[last(D)])\nsample x by "

// Standard deviations 0.01 and 100: one step for both would have to go ten thousand steps to cross.
static void scales_are_learned(void **state) {
    (void)state;
    fixture f = load(UNEQUAL "hmc(steps=700)", NRG_F64);
    nrg_draws d = drawn(&f, "x", "", 1, CHAINS, 1, -1);
    matches("narrow", d.value[0], CHAINS, 2, 1, 1e-4, 3e-8);
    matches("wide", d.value[0] + 1, CHAINS, 2, 0, 1e4, 3e8);
    assert_true(d.acceptance > 0.7 && d.step > 0.4);
    nrg_draws_free(&d);
    drop(&f);
}

// Windows open and close within a warm-up of 120 steps; a chain learns from itself alone.
static void learning_does_not_see_neighbours(void **state) {
    (void)state;
    fixture f = load(UNEQUAL "hmc", NRG_F32);
    nrg_sample_spec spec = {.vars = set(&f, "x"), .rows = 1, .chains = 300, .draws = 2, .warmup = 120, .every = 2, .seed = 3, .threads = 1};
    nrg_draws one, other;
    ok(&f, nrg_sample(f.m, f.s, &spec, &one));
    spec.threads = 3;
    ok(&f, nrg_sample(f.m, f.s, &spec, &other));
    assert_memory_equal(one.value[0], other.value[0], 300 * 2 * 2 * sizeof(double));
    nrg_draws_free(&other);
    spec.chains = 1;
    spec.first = 217;
    ok(&f, nrg_sample(f.m, f.s, &spec, &other));
    assert_memory_equal(one.value[0] + 217 * 4, other.value[0], 4 * sizeof(double));
    nrg_draws_free(&other);
    nrg_draws_free(&one);
    drop(&f);
}

// ---- kinetic Langevin

#define NORMAL "predict x : real\nenergy E(x) = 0.5 * sq(x)\nsample x by "

// The splitting BAOAB has the right variance of positions on quadratic energies at any stable step: no bias to allow for.
static void positions_of_a_gaussian_have_no_bias(void **state) {
    (void)state;
    static const char *const by[] = {"underdamped(steps=60, step=1)", "underdamped(steps=120, step=1.5, friction=0.5)",
                                     "underdamped(steps=300, step=0.2, friction=3)"};
    for (int i = 0; i < 3; i++) {
        char text[200];
        snprintf(text, sizeof text, "%s%s", NORMAL, by[i]);
        gaussian(by[i], text, i == 1 ? NRG_F32 : NRG_F64, 0, 1);
        snprintf(text, sizeof text, "hyper beta = 4\npredict x : real\nenergy E(x) = 0.5 * sq(x)\nsample x by %s", by[2]);
        if (i == 2) gaussian("beta 4", text, NRG_F64, 0, 0.25);
    }
}

static double well(double x) { return (x * x - 1) * (x * x - 1) + 0.3 * x; }
static double slope(double x) { return 0.5 * (x - 1) * (x - 1); }

// Elsewhere the bias is of order step^2: at these steps far below the error.
static void other_densities(void **state) {
    (void)state;
    density("predict x : real\nenergy E(x) = sq(sq(x) - 1) + 0.3 * x\nsample x by underdamped(steps=1500, step=0.1, friction=0.5)", well, -5, 5);
    density("predict x : real in 0..2\nenergy E(x) = 0.5 * sq(x - 1)\nsample x by underdamped(steps=400, step=0.05, friction=2)", slope, 0, 2);
}

static void wrong_settings_are_told(void **state) {
    (void)state;
    refused(NORMAL "underdamped(step=0)", NRG_E013, "positive");
    refused(NORMAL "underdamped(friction=-1)", NRG_E013, "positive");
    refused(NORMAL "underdamped(steps=2000, step=2.5)", NRG_E080, "ran away");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales_are_learned),
        cmocka_unit_test(learning_does_not_see_neighbours),
        cmocka_unit_test(positions_of_a_gaussian_have_no_bias),
        cmocka_unit_test(other_densities),
        cmocka_unit_test(wrong_settings_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
