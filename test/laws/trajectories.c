// Laws of trajectories: scales learned for each number, kinetic Langevin. One draw a chain, so that draws are independent; each
// check is at 4.5 standard errors, about 7e-6 false alarms a check and below 1e-3 for the whole file, had the seeds not been fixed.
#include "laws_help.h"

#define NORMAL "predict x : real\nenergy E(x) = 0.5 * sq(x)\nsample x by "
static double well(double x) { return (x * x - 1) * (x * x - 1) + 0.3 * x; }
static double slope(double x) { return 0.5 * (x - 1) * (x - 1); }

// Standard deviations 0.5 and 5, for what goes as far as it must with any step.
#define MILD "dim D = 2\npredict x : real[D]\nenergy E(x) = 2 * sq(x[first(D)] - 1) + 0.02 * sq(x[last(D)])\nsample x by "
#define UNEQUAL "dim D = 2\npredict x : real[D]\nenergy E(x) = 5000 * sq(x[first(D)] - 1) + 0.00005 * sq(x[last(D)])\nsample x by "

// Standard deviations 0.01 and 100: one step for both would have to go ten thousand steps to cross.
static void unequal(const char *text, int64_t chains, double small, double large) {
    fixture f = load(text, NRG_F64);
    nrg_draws d = drawn(&f, "x", "", 1, chains, 1, -1);
    matches("narrow", d.value[0], chains, 2, 1, small, 3 * small * small);
    matches("wide", d.value[0] + 1, chains, 2, 0, large, 3 * large * large);
    assert_true(d.acceptance > 0.7 && d.step > 0.4);
    nrg_draws_free(&d);
    drop(&f);
}

static void scales_are_learned(void **state) {
    (void)state;
    unequal(UNEQUAL "hmc(steps=700)", CHAINS, 1e-4, 1e4);
    unequal(MILD "nuts(steps=120)", 300, 0.25, 25);
}

// Windows open and close within a warm-up of 120 steps; a chain learns from itself alone.
static void alone(const char *text, int64_t chains) {
    fixture f = load(text, NRG_F32);
    nrg_sample_spec spec = {.vars = set(&f, "x"), .rows = 1, .chains = chains, .draws = 2, .warmup = 120, .every = 2, .seed = 3, .threads = 1};
    nrg_draws one, other;
    ok(&f, nrg_sample(f.m, f.s, &spec, &one));
    spec.threads = 3;
    ok(&f, nrg_sample(f.m, f.s, &spec, &other));
    assert_memory_equal(one.value[0], other.value[0], (size_t)chains * 2 * 2 * sizeof(double));
    nrg_draws_free(&other);
    spec.chains = 1;
    spec.first = chains - 5;
    ok(&f, nrg_sample(f.m, f.s, &spec, &other));
    assert_memory_equal(one.value[0] + (chains - 5) * 4, other.value[0], 4 * sizeof(double));
    nrg_draws_free(&other);
    nrg_draws_free(&one);
    drop(&f);
}

static void learning_does_not_see_neighbours(void **state) {
    (void)state;
    alone(UNEQUAL "hmc", 300);
    alone(MILD "nuts", 60);
}

// ---- no U-turns

#define WELL "predict x : real\nenergy E(x) = sq(sq(x) - 1) + 0.3 * x\nsample x by "

static void nuts_draws_from_the_density(void **state) {
    (void)state;
    few = 600; // trajectories take a while
    gaussian("nuts, step 0.5", NORMAL "nuts(steps=30, step=0.5)", NRG_F64, 0, 1);
    gaussian("nuts, depth 2", NORMAL "nuts(steps=40, step=0.3, depth=2)", NRG_F32, 0, 1);
    density(WELL "nuts(steps=60)", well, -5, 5);
    density("predict x : real in 0..2\nenergy E(x) = 0.5 * sq(x - 1)\nsample x by nuts(steps=60)", slope, 0, 2);
    fixture f = load("predict x : real\nlatent z : real\nenergy E(x, z) = 0.5 * sq(z) + 2 * sq(x - z)\nmarginalize z\nsample x, z by nuts(steps=60)", NRG_F64);
    nrg_draws d = drawn(&f, "xz", "", 1, few, 1, -1);
    matches("two variables", d.value[0], few, 1, 0, 1.25, 3 * 1.25 * 1.25);
    matches("the other", d.value[1], few, 1, 0, 1, 3);
    nrg_draws_free(&d);
    drop(&f);
    few = CHAINS;
}

// In ten dimensions one trajectory is nearly independent of the one before.
static void a_trajectory_goes_far(void **state) {
    (void)state;
    fixture f = load("dim D = 10\npredict x : real[D]\nenergy E(x) = 0.5 * sq(x)\nsample x by nuts", NRG_F64);
    nrg_sample_spec spec = {.vars = set(&f, "x"), .rows = 1, .chains = 4, .draws = 500, .warmup = 300, .every = 1, .seed = 3, .threads = 1};
    nrg_draws d;
    ok(&f, nrg_sample(f.m, f.s, &spec, &d));
    print_message("acceptance %.3f, bulk ESS %.0f of 2000\n", d.acceptance, d.health[0][0].bulk);
    assert_true(d.health[0][0].bulk > 1000 && d.health[0][0].rhat < 1.02 && d.diverged == 0);
    assert_true(d.acceptance > 0.7 && d.acceptance < 0.98);
    nrg_draws_free(&d);
    drop(&f);
}

static void nuts_stands_alone(void **state) {
    (void)state;
    fixture f = load("predict x, y : real\nenergy E(x, y) = sq(x - y) + sq(y)\nsample x by nuts\nsample y by hmc", NRG_F64);
    nrg_sample_spec spec = {.vars = set(&f, "x") | set(&f, "y"), .rows = 1, .chains = 2, .draws = 1, .warmup = 5, .threads = 1};
    nrg_draws d;
    assert_int_equal(nrg_sample(f.m, f.s, &spec, &d), NRG_E071);
    nrg_draws_free(&d);
    drop(&f);
}

// ---- kinetic Langevin


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

// Elsewhere the bias is of order step^2: at these steps far below the error.
static void other_densities(void **state) {
    (void)state;
    density("predict x : real\nenergy E(x) = sq(sq(x) - 1) + 0.3 * x\nsample x by underdamped(steps=1500, step=0.1, friction=0.5)", well, -5, 5);
    density("predict x : real in 0..2\nenergy E(x) = 0.5 * sq(x - 1)\nsample x by underdamped(steps=400, step=0.05, friction=2)", slope, 0, 2);
}

static void wrong_settings_are_told(void **state) {
    (void)state;
    refused(NORMAL "underdamped(step=0)", NRG_E013, "positive");
    refused(NORMAL "nuts(depth=0)", NRG_E013, "depth");
    refused(NORMAL "underdamped(friction=-1)", NRG_E013, "positive");
    refused(NORMAL "underdamped(steps=2000, step=2.5)", NRG_E080, "ran away");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales_are_learned),
        cmocka_unit_test(learning_does_not_see_neighbours),
        cmocka_unit_test(nuts_draws_from_the_density),
        cmocka_unit_test(a_trajectory_goes_far),
        cmocka_unit_test(nuts_stands_alone),
        cmocka_unit_test(positions_of_a_gaussian_have_no_bias),
        cmocka_unit_test(other_densities),
        cmocka_unit_test(wrong_settings_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
