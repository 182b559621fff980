// Laws of tempering: two wells with a wall between them that no chain passes. One draw a chain; checks at 4.5 standard errors,
// 7e-6 false alarms each, had the seed not been fixed.
#include "laws_help.h"

// Weights 1/5 and 4/5, deviations 0.5; the wall is 32 high.
#define TWO "predict x : real\nenergy E(x) = softmin(2 * sq(x + 4) + log(4), 2 * sq(x - 4))\nsample x by "
enum { N = 1200 };

static nrg_draws ladders(fixture *f, int64_t levels, double anneal, int threads, int64_t n, int64_t first) {
    nrg_sample_spec spec = {.vars = set(f, "x"), .rows = 1, .chains = n, .draws = 1, .warmup = anneal > 0 ? 2000 : 500, .seed = 7, .threads = threads,
                            .levels = levels, .hottest = 0.03, .anneal = anneal, .first = first};
    nrg_draws d;
    ok(f, nrg_sample(f->m, f->s, &spec, &d));
    return d;
}

static double left(const nrg_draws *d, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += d->value[0][i] < 0;
    return sum / (double)n;
}

static void ladders_find_the_proportions(void **state) {
    (void)state;
    static const char *const by[] = {"hmc", "mala"};
    for (int k = 0; k < 2; k++) {
        char text[200];
        snprintf(text, sizeof text, "%s%s", TWO, by[k]);
        fixture f = load(text, NRG_F64);
        nrg_draws d = ladders(&f, 6, 0, 2, N, 0);
        within(by[k], left(&d, N), 0.2, sqrt(0.16 / N));
        double var = 0, n = 0;
        for (int i = 0; i < N; i++)
            if (d.value[0][i] > 0) var += (d.value[0][i] - 4) * (d.value[0][i] - 4), n++;
        within("variance on the right", var / n, 0.25, 0.25 * sqrt(2 / n));
        assert_true(d.swapped > 0.2 && d.swapped < 1);
        nrg_draws_free(&d);
        d = ladders(&f, 1, 0, 2, N, 0); // without: where they started, half on each side
        assert_true(fabs(left(&d, N) - 0.5) < 0.1 && isnan(d.swapped));
        nrg_draws_free(&d);
        drop(&f);
    }
}

// A ladder is one chain: its draws depend on its number alone.
static void ladders_do_not_see_each_other(void **state) {
    (void)state;
    fixture f = load(TWO "hmc", NRG_F32);
    nrg_draws one = ladders(&f, 4, 0, 1, 50, 0), two = ladders(&f, 4, 0, 3, 50, 0), alone = ladders(&f, 4, 0, 1, 1, 37);
    assert_memory_equal(one.value[0], two.value[0], 50 * sizeof(double));
    assert_memory_equal(one.value[0] + 37, alone.value[0], sizeof(double));
    nrg_draws_free(&one);
    nrg_draws_free(&two);
    nrg_draws_free(&alone);
    drop(&f);
}

// Two wells of depths 20 apart: where the wall can still be passed nearly all mass is on the right, and there annealed chains stay.
static void annealing_finds_the_deeper_well(void **state) {
    (void)state;
    fixture f = load("predict x : real\nenergy E(x) = softmin(2 * sq(x + 4) + 20, 2 * sq(x - 4))\nsample x by hmc(step=0.5)", NRG_F64);
    nrg_draws d = ladders(&f, 1, 0.03, 2, N, 0), plain = ladders(&f, 1, 0, 2, N, 0);
    print_message("on the left: %.3f annealed, %.3f not\n", left(&d, N), left(&plain, N));
    assert_true(left(&d, N) < 0.15 && left(&plain, N) > 0.2);
    nrg_draws_free(&d);
    nrg_draws_free(&plain);
    drop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ladders_find_the_proportions),
        cmocka_unit_test(ladders_do_not_see_each_other),
        cmocka_unit_test(annealing_finds_the_deeper_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
