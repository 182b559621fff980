// Laws of sampling: moments of known densities, bounds, temperature, sameness. Every chain gives one draw after its warm-up, so
// that draws are independent and errors are exact: each check is at 4.5 standard errors, about 7e-6 false alarms a check and
// below 1e-3 for the whole file, had the seeds not been fixed.
#include "laws_help.h"

// ---- temperature and bias of Langevin

#define NORMAL "predict x : real\nenergy E(x) = 0.5 * sq(x)\nsample x by "

// With step h the chain is x' = (1 - h/2) x + sqrt(h) n: its variance v = (1 - h/2)^2 v + h gives v (h - h^2/4) = h, so
// v = 1 / (1 - h/4) exactly.
static void langevin_has_the_variance_of_its_step(void **state) {
    (void)state;
    gaussian("step 0.1", NORMAL "langevin(steps=200, step=0.1)", NRG_F64, 0, 1 / (1 - 0.1 / 4));
    gaussian("step 1", NORMAL "langevin(steps=60, step=1)", NRG_F32, 0, 1 / (1 - 1.0 / 4));
    gaussian("step 2", NORMAL "langevin(steps=60, step=2)", NRG_F64, 0, 2);
}

// x - e grad + N(0, e), as it is often written, is step = 2e with noise^2 = e: v = e / (2e - e^2) = 1 / (2 - e), about one half.
static void wrong_form_has_half_the_variance(void **state) {
    (void)state;
    fixture f = load(NORMAL "langevin(steps=300, step=0.1, noise=0.22360679774997896)", NRG_F64); // e = 0.05
    nrg_draws d = drawn(&f, "x", "", 1, CHAINS, 1, -1);
    double v = 1 / (2 - 0.05);
    matches("wrong form", d.value[0], CHAINS, 1, 0, v, 3 * v * v);
    assert_true(fabs(d.temperature - 0.5) < 1e-12);
    nrg_draws_free(&d);
    drop(&f);
}

static void noise_says_the_temperature(void **state) {
    (void)state;
    static const struct { const char *by; double T; } rows[] = {
        {"langevin(step=1, noise=0.01)", 1e-4}, {"langevin(step=0.3)", 1}, {"mala", 1}, {"hmc", 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200];
        snprintf(text, sizeof text, "%s%s", NORMAL, rows[i].by);
        fixture f = load(text, NRG_F64);
        nrg_draws d = drawn(&f, "x", "", 1, 2, 1, 5);
        assert_true(fabs(d.temperature - rows[i].T) < 1e-9);
        nrg_draws_free(&d);
        drop(&f);
    }
    fixture f = load(NORMAL "langevin(step=1, clip=0.1)", NRG_F64);
    nrg_draws d = drawn(&f, "x", "", 1, 2, 1, 5);
    assert_true(isnan(d.temperature)); // nothing is known of a clipped drift
    nrg_draws_free(&d);
    drop(&f);
}

static void beta_divides_the_variance(void **state) {
    (void)state;
    static const char *const by[] = {"langevin(steps=400, step=0.02)", "mala(steps=200)", "hmc(steps=100)"};
    static const double bias[] = {1 / (1 - 0.02 * 2 / 4), 1, 1}; // the step in units of the variance
    for (int i = 0; i < 3; i++) {
        char text[200];
        snprintf(text, sizeof text, "hyper beta = 2\n%s%s", NORMAL, by[i]);
        gaussian(by[i], text, NRG_F64, 0, 0.5 * bias[i]);
    }
}

// A schedule runs over the warm-up and ends at its last value.
static void schedules_end_at_their_last_value(void **state) {
    (void)state;
    fixture f = load(NORMAL "langevin(steps=200, step=1 -> 0.2)", NRG_F64);
    nrg_draws d = drawn(&f, "x", "", 1, CHAINS, 1, 400);
    assert_true(fabs(d.step - 0.2) < 1e-12);
    double v = 1 / (1 - 0.2 / 4); // the last steps are nearly 0.2; what the larger ones before add is far below the error
    within("schedule: variance", moments_of(d.value[0], CHAINS, 1).var, v, v * sqrt(2.0 / CHAINS));
    nrg_draws_free(&d);
    drop(&f);
}

// ---- exact samplers

// H = [2 0.8; 0.8 1]: inverse [1 -0.8; -0.8 2] / 1.36.
static void correlated_pair(const char *by, nrg_dtype type) {
    char text[400];
    snprintf(text, sizeof text, "dim D = 2\npredict x : real[D]\nenergy E(x) = sq(x[first(D)] - 1) + 0.5 * sq(x[last(D)] + 2) "
                                "+ 0.8 * (x[first(D)] - 1) * (x[last(D)] + 2)\nsample x by %s", by);
    fixture f = load(text, type);
    nrg_draws d = drawn(&f, "x", "", 1, CHAINS, 1, -1);
    double a = 1 / 1.36, b = 2 / 1.36, c = -0.8 / 1.36, sum = 0, n = CHAINS;
    matches(by, d.value[0], CHAINS, 2, 1, a, 3 * a * a);
    matches(by, d.value[0] + 1, CHAINS, 2, -2, b, 3 * b * b);
    for (int i = 0; i < CHAINS; i++) sum += (d.value[0][2 * i] - 1) * (d.value[0][2 * i + 1] + 2);
    within("covariance", sum / n, c, sqrt((a * b + c * c) / n));
    nrg_draws_free(&d);
    drop(&f);
}

static void correlated_gaussians(void **state) {
    (void)state;
    correlated_pair("hmc(steps=120)", NRG_F64);
    correlated_pair("hmc(steps=60, step=0.5, leapfrog=3)", NRG_F32);
    correlated_pair("mala(steps=400)", NRG_F64);
    correlated_pair("mala(steps=200, step=0.5)", NRG_F32);
}

static double well(double x) { return (x * x - 1) * (x * x - 1) + 0.3 * x; }

#define WELL "predict x : real\nenergy E(x) = sq(sq(x) - 1) + 0.3 * x\n"
static void double_well(void **state) {
    (void)state;
    density(WELL "sample x by hmc(steps=200)", well, -5, 5);
    density(WELL "sample x by mala(steps=600)", well, -5, 5);
}

static double flat(double x) { return 0 * x; }
static double slope(double x) { return 0.5 * (x - 1) * (x - 1); }

// Uniform and truncated normal: the walls reflect. Langevin's bias is far below the error at these steps.
static void bounded_densities(void **state) {
    (void)state;
    density("predict x : real in -1..2\nenergy E(x) = 0 * x\nsample x by langevin(steps=100, step=0.5)", flat, -1, 2);
    density("predict x : real in -1..2\nenergy E(x) = 0 * x\nsample x by hmc(steps=30, step=0.7, leapfrog=2)", flat, -1, 2);
    density("predict x : real in 0..2\nenergy E(x) = 0.5 * sq(x - 1)\nsample x by hmc(steps=100)", slope, 0, 2);
    density("predict x : real in 0.5..1.5\nenergy E(x) = 0.5 * sq(x - 1)\nsample x by mala(steps=100, step=0.5)", slope, 0.5, 1.5);
    density("predict x : real in 0..\nenergy E(x) = 0.5 * sq(x - 1)\nsample x by hmc(steps=120)", slope, 0, 12);
    density("predict x : real in 0..2\nenergy E(x) = 0.5 * sq(x - 1)\nsample x by langevin(steps=1200, step=0.005)", slope, 0, 2);
}

// A mixture as a latent that is summed out: -log(exp(-(x-2)^2/2) + exp(-(x+2)^2/2) / 2).
static double two(double x) { return -log(exp(-0.5 * (x - 2) * (x - 2)) + 0.5 * exp(-0.5 * (x + 2) * (x + 2))); }

static void a_mixture_with_its_latent_summed_out(void **state) {
    (void)state;
    density("predict x : real\nlatent z : bit\nenergy E(x, z) = 0.5 * sq(x - 2 + 4 * z) + log(2) * z\nmarginalize z\n"
            "sample x by hmc(steps=300)", two, -10, 10);
}

// A latent that is minimised step by step: F(x) = x^2 / 2 again, and Langevin follows its loop.
static void an_inner_loop_follows_the_chains(void **state) {
    (void)state;
    gaussian("inner loop", "predict x : real\nlatent z : real\nenergy E(x, z) = 0.5 * sq(x) + 0.5 * sq(z - x)\n"
             "minimize z by gradient(steps=30, lr=0.7)\nsample x by langevin(steps=40, step=0.5)", NRG_F64, 0, 1 / (1 - 0.5 / 4));
}

// Drawn with the others, a latent is one more variable.
static void latents_can_be_drawn(void **state) {
    (void)state;
    fixture f = load("predict x : real\nlatent z : real\nenergy E(x, z) = 0.5 * sq(z) + 2 * sq(x - z)\nmarginalize z\nsample x, z by hmc(steps=100)", NRG_F64);
    nrg_draws d = drawn(&f, "xz", "", 1, CHAINS, 1, -1);
    assert_int_equal(d.n, 2);
    matches("x with its latent", d.value[0], CHAINS, 1, 0, 1.25, 3 * 1.25 * 1.25);
    matches("the latent", d.value[1], CHAINS, 1, 0, 1, 3);
    nrg_draws_free(&d);
    drop(&f);
}

// ---- conditions, sameness, failures

static void draws_given_x_follow_x(void **state) {
    (void)state;
    fixture f = load("given x : real\npredict y : real\nenergy E(x, y) = 2 * sq(y - 3 * x)\nsample y by hmc(steps=100)", NRG_F64);
    double x[3] = {-1, 0, 2};
    put_numbers(&f, "x", x, 3);
    nrg_draws d = drawn(&f, "y", "x", 3, CHAINS, 1, -1);
    for (int r = 0; r < 3; r++) matches("given x", d.value[0] + r * CHAINS, CHAINS, 1, 3 * x[r], 0.25, 3.0 / 16);
    nrg_draws_free(&d);
    drop(&f);
}

static void threads_and_batches_change_no_bit(void **state) {
    (void)state;
    static const char *const by[] = {"langevin(step=0.2)", "mala", "hmc"};
    for (int k = 0; k < 3; k++) {
        char text[300];
        snprintf(text, sizeof text, "dim D = 5\npredict x : real[D]\nweight A : real[D, D]\nenergy E(x) = sq(x) + softplus(dot(x, A @ x))\nsample x by %s", by[k]);
        fixture f = load(text, k == 1 ? NRG_F64 : NRG_F32);
        nrg_sample_spec spec = {.vars = set(&f, "x"), .rows = 1, .chains = 700, .draws = 3, .warmup = 20, .every = 2, .seed = 3, .threads = 1};
        nrg_draws one, other;
        ok(&f, nrg_sample(f.m, f.s, &spec, &one));
        for (int threads = 2; threads <= 8; threads *= 4) {
            spec.threads = threads;
            ok(&f, nrg_sample(f.m, f.s, &spec, &other));
            assert_memory_equal(one.value[0], other.value[0], 700 * 3 * 5 * sizeof(double));
            assert_memory_equal(one.energy, other.energy, 700 * 3 * sizeof(double));
            nrg_draws_free(&other);
        }
        spec.chains = 1;
        spec.first = 613;
        ok(&f, nrg_sample(f.m, f.s, &spec, &other));
        assert_memory_equal(one.value[0] + 613 * 15, other.value[0], 15 * sizeof(double));
        nrg_draws_free(&other);
        spec.seed = 4;
        ok(&f, nrg_sample(f.m, f.s, &spec, &other));
        assert_memory_not_equal(one.value[0] + 613 * 15, other.value[0], 15 * sizeof(double));
        nrg_draws_free(&other);
        nrg_draws_free(&one);
        drop(&f);
    }
}

// Chains that follow each other: the health says what is known of the process.
static void health_of_chains(void **state) {
    (void)state;
    fixture f = load(NORMAL "langevin(step=0.2)", NRG_F64);
    nrg_sample_spec spec = {.vars = set(&f, "x"), .rows = 1, .chains = 8, .draws = 2000, .warmup = 100, .every = 1, .seed = 3, .threads = 1};
    nrg_draws d;
    ok(&f, nrg_sample(f.m, f.s, &spec, &d));
    double rho = 1 - 0.2 / 2, n = 16000 * (1 - rho) / (1 + rho); // an autoregression
    assert_true(d.health[0][0].rhat < 1.02 && d.health[0][0].rhat > 0.99);
    assert_true(d.health[0][0].bulk > 0.75 * n && d.health[0][0].bulk < 1.3 * n);
    assert_true(isnan(d.acceptance));
    nrg_draws_free(&d);
    drop(&f);
    f = load(NORMAL "hmc", NRG_F64);
    spec.vars = set(&f, "x");
    spec.warmup = 300;
    ok(&f, nrg_sample(f.m, f.s, &spec, &d));
    assert_true(d.acceptance > 0.7 && d.acceptance < 0.98); // the step is learned anew after the last scale, in 50 steps: careful
    assert_true(d.health[0][0].bulk > 4000 && d.diverged == 0);
    nrg_draws_free(&d);
    drop(&f);
}

static void failures_are_told(void **state) {
    (void)state;
    refused(NORMAL "langevin(steps=2000, step=5)", NRG_E080, "ran away");
    refused("predict x : real\nenergy E(x) = -sq(sq(x))\nsample x by langevin(steps=500, step=1)", NRG_E080, "ran away");
    refused(NORMAL "langevin(step=0)", NRG_E013, "positive");
    refused(NORMAL "hmc(leapfrog=0)", NRG_E013, "leapfrog");
    refused(NORMAL "hmc(leapfrog=1000)", NRG_E013, "leapfrog");
    refused(NORMAL "mala(step=-1)", NRG_E013, "positive");
    refused("predict x : real\nlatent z : real\nenergy E(x, z) = sq(x) + sq(z - x)\nminimize z by gradient(steps=30)\nsample x by hmc", NRG_E071, "step by step");
    refused(NORMAL "hmc from data", NRG_E051, "start at the data");
    refused("predict x : int in 0..\nenergy E(x) = x\n", NRG_E071, "a whole number without bounds");
}

// Steps that are copied into another graph draw what the chains by themselves do, bit for bit.
static void same_draws_in_another_graph(const char *text, const char *vars) {
    enum { LANES = 20, STEPS = 3, RUN = 5 };
    fixture f = load(text, NRG_F32);
    nrg_chains_spec spec = {.lanes = LANES, .warmup = STEPS, .threads = 2};
    for (const char *p = vars; *p; p++) spec.vars |= set(&f, (char[]){*p, 0});
    nrg_chains *c;
    nrg_graph *g;
    nrg_update *up;
    nrg_plan *plan;
    nrg_run *run;
    void *want[16];
    int n = 0;
    ok(&f, nrg_chains_open(f.m, f.s, &spec, &c));
    uint32_t every = (uint32_t)nrg_chains_numbers(c, STEPS) + 1, at = (RUN + 1) * every + 1;
    ok(&f, nrg_chains_start(c, LANES, 7, (RUN + 1) * every));
    ok(&f, nrg_chains_go(c, LANES, STEPS, 7, &at));
    for (const nrg_chains_state *st; (st = nrg_chains_state_at(c, n)); n++) {
        size_t size = (size_t)(st->count * LANES) * sizeof(float);
        want[n] = malloc(size);
        memcpy(want[n], nrg_store_get(f.s, st->name)->data, size);
        memset(nrg_store_get(f.s, st->name)->data, 0, size);
    }
    ok(&f, nrg_graph_new(f.c, NRG_F32, &g));
    assert_true(nrg_chains_unrolls(c, g, STEPS) && !nrg_chains_unrolls(c, g, 1000000));
    ok(&f, nrg_chains_unroll(c, g, STEPS, every, &up));
    ok(&f, nrg_plan_make(f.c, &(nrg_plan_spec){.graph = g, .updates = up, .updates_n = n, .batch = LANES}, &plan));
    ok(&f, nrg_run_new(f.c, plan, 2, &run));
    ok(&f, nrg_store_bind(f.s, g, run));
    ok(&f, nrg_run_go(run, LANES, 1, 7, RUN));
    for (int k = 0; k < n; k++) {
        const nrg_chains_state *st = nrg_chains_state_at(c, k);
        assert_memory_equal(nrg_store_get(f.s, st->name)->data, want[k], (size_t)(st->count * LANES) * sizeof(float));
        free(want[k]);
    }
    nrg_run_free(run);
    nrg_plan_free(plan);
    nrg_graph_free(g);
    nrg_chains_free(c);
    drop(&f);
}

static void steps_within_another_graph(void **state) {
    (void)state;
    same_draws_in_another_graph("predict v : bit[6]\nlatent h : bit[4]\nweight W : real[6, 4]\nenergy E(v, h) = -dot(v, W @ h)\nsample v, h by gibbs\n", "vh");
    same_draws_in_another_graph("predict x : real[3]\nmodule f = linear(5) | tanh | linear(1)\nenergy E(x) = f(x) + sq(x)\nsample x by langevin(step=0.1)\n", "x");
    same_draws_in_another_graph("predict s : sign[5]\nweight J : real[5, 5]\nenergy E(s) = dot(s, J @ s)\nsample s by metropolis\n", "s");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_within_another_graph),
        cmocka_unit_test(langevin_has_the_variance_of_its_step),
        cmocka_unit_test(wrong_form_has_half_the_variance),
        cmocka_unit_test(noise_says_the_temperature),
        cmocka_unit_test(beta_divides_the_variance),
        cmocka_unit_test(schedules_end_at_their_last_value),
        cmocka_unit_test(correlated_gaussians),
        cmocka_unit_test(double_well),
        cmocka_unit_test(bounded_densities),
        cmocka_unit_test(a_mixture_with_its_latent_summed_out),
        cmocka_unit_test(an_inner_loop_follows_the_chains),
        cmocka_unit_test(latents_can_be_drawn),
        cmocka_unit_test(draws_given_x_follow_x),
        cmocka_unit_test(threads_and_batches_change_no_bit),
        cmocka_unit_test(health_of_chains),
        cmocka_unit_test(failures_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
