// Samplers over energies whose products come from bfloat16 numbers: Gaussians and double wells behind a matrix, moments against the truth.
// A draw is turned back, so that its numbers are independent and of known law. Each check is at 4.5 standard errors: 7e-6 false alarms a
// check, about 3e-3 for the file, had the seeds not been fixed.
#include "laws_help.h"

enum { D = 20, LOTS = 2500 };

// A = diag(s) Q, Q = I - 2 w w' / (w' w): z = Q x has independent numbers.
typedef struct {
    double w[D], s[D], A[D * D];
} turned;

static turned turned_make(void) {
    turned t;
    double ww = 0;
    for (int i = 0; i < D; i++) t.w[i] = sin(i + 1.0), t.s[i] = 0.7 + 0.6 * i / (D - 1), ww += t.w[i] * t.w[i];
    for (int i = 0; i < D; i++)
        for (int k = 0; k < D; k++) t.A[i * D + k] = t.s[i] * ((i == k) - 2 * t.w[i] * t.w[k] / ww);
    return t;
}

static double *u_of(const turned *t, const double *x) { // A x, draw by draw
    double *u = malloc(LOTS * D * sizeof *u);
    for (int64_t r = 0; r < LOTS; r++)
        for (int i = 0; i < D; i++) {
            u[r * D + i] = 0;
            for (int k = 0; k < D; k++) u[r * D + i] += t->A[i * D + k] * x[r * D + k];
        }
    return u;
}

static double well(double x) { return 0.5 * (x * x - 1) * (x * x - 1) + 0.3 * x; }

typedef struct {
    const char *by;
    double step; // of Langevin, 0: no bias
} way;

// Moments of every number; energies are those of the draws to the precision of the products.
static double laws_hold(const char *energy, const way *w, nrg_dtype type, bool wells) {
    char text[300];
    double mean = 0, var = 1, fourth = 3, off = 0;
    turned t = turned_make();
    snprintf(text, sizeof text, "dim D = 20\npredict x : real[D]\nweight A : real[D, D]\n%s\nsample x by %s", energy, w->by);
    fixture f = load(text, type);
    put_numbers(&f, "A", t.A, D * D);
    nrg_draws d = drawn(&f, "x", "", 1, LOTS, 1, -1);
    double *u = u_of(&t, d.value[0]);
    if (wells) truth_of(well, -5, 5, &mean, &var, &fourth);
    for (int i = 0; i < D; i++) {
        double v = w->step > 0 ? var / (1 - w->step * t.s[i] * t.s[i] / 4) : var;
        matches(w->by, u + i, LOTS, D, mean, v, wells ? fourth : 3 * v * v);
    }
    for (int64_t r = 0; r < LOTS; r++) {
        double E = 0;
        for (int i = 0; i < D; i++) E += wells ? well(u[r * D + i]) : 0.5 * u[r * D + i] * u[r * D + i];
        off = fmax(off, fabs(d.energy[r] - E) / (1 + fabs(E)));
    }
    print_message("%s %s: acceptance %.4f, energies at most %.1e off\n", nrg_dtype_name(type), w->by, d.acceptance, off);
    assert_true(off < (type == NRG_BF16 ? 0.1 : 3e-4)); // of sums of fourth powers
    double acceptance = d.acceptance;
    free(u);
    nrg_draws_free(&d);
    drop(&f);
    return acceptance;
}

static void each(const char *energy, const way *ways, int n, bool wells) {
    for (int i = 0; i < n; i++) {
        double full = laws_hold(energy, &ways[i], NRG_F32, wells);
        for (int type = NRG_BF16X3; type <= NRG_BF16; type++) {
            double found = laws_hold(energy, &ways[i], (nrg_dtype)type, wells);
            if (ways[i].step == 0) assert_true(fabs(found - full) < (type == NRG_BF16 ? 0.02 : 0.003));
        }
    }
}

static void gaussians(void **state) {
    (void)state;
    static const way ways[] = {{"hmc(steps=30, step=0.5, leapfrog=4)", 0}, {"mala(steps=150, step=0.5)", 0}, {"langevin(steps=150, step=0.2)", 0.2}};
    each("energy E(x) = 0.5 * sq(A @ x)", ways, 3, false);
}

static void double_wells(void **state) {
    (void)state;
    static const way ways[] = {{"hmc(steps=120, step=0.2, leapfrog=8)", 0}, {"mala(steps=1000, step=0.08)", 0}};
    each("energy E(x) = 0.5 * sum(((A @ x) * (A @ x) - 1)^2) + 0.3 * sum(A @ x)", ways, 2, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gaussians), cmocka_unit_test(double_wells)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
