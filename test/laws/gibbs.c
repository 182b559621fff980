// Laws of drawing discrete variables: histograms of all joint values against enumeration, moments of mixed models, sameness, wrong
// inputs. Every chain gives one draw, so draws are independent; chi-square is taken to a normal number (Wilson and Hilferty) and
// each check is at 4.5 standard errors: about 3e-6 false alarms a check, below 1e-3 for the file, had the seeds not been fixed.
#include "infer/inside.h"
#include "infer/sample.h"
#include "infer_help.h"
#include "refuse.h"

enum { CHAINS = 3000, STATES = 4096 };
static const double FAR = 4.5;

static nrg_draws drawn(fixture *f, nrg_vars vars, nrg_vars given, int64_t rows, int64_t chains, int64_t warmup) {
    nrg_sample_spec spec = {.vars = vars, .given = given, .rows = rows, .chains = chains, .draws = 1, .warmup = warmup, .every = 1, .seed = 7, .threads = 2};
    nrg_draws d;
    ok(f, nrg_sample(f->m, f->s, &spec, &d));
    return d;
}

static void within(const char *what, double found, double truth, double error) {
    double z = (found - truth) / error;
    print_message("%-44s %10.5f, truth %10.5f, z = %5.2f\n", what, found, truth, z);
    if (!(fabs(z) < FAR)) fail_msg("%s is off", what);
}

// Chi-square of counts against probabilities, rare values together, as a number that is nearly standard normal.
static void fair(const char *what, const int64_t *count, const double *p, int64_t states, int64_t n) {
    double chi = 0, rest_p = 0, rest = 0, bins = 0;
    for (int64_t k = 0; k < states; k++) {
        double e = p[k] * (double)n;
        if (e < 8) rest_p += p[k], rest += (double)count[k];
        else chi += ((double)count[k] - e) * ((double)count[k] - e) / e, bins++;
    }
    if (rest_p * (double)n >= 8) chi += (rest - rest_p * (double)n) * (rest - rest_p * (double)n) / (rest_p * (double)n), bins++;
    else assert_true(rest < 40);
    double df = bins - 1, z = (cbrt(chi / df) - (1 - 2 / (9 * df))) / sqrt(2 / (9 * df));
    assert_true(bins >= 2);
    print_message("%-44s chi2 %8.2f of %4.0f, z = %5.2f\n", what, chi, df, z);
    if (!(z < FAR)) fail_msg("%s: the histogram is off", what);
}

typedef struct {
    int n;
    int32_t var[NRG_MAX_VARS];
    int64_t width[NRG_MAX_VARS], states;
    double choices[NRG_MAX_VARS], *energy, *p;
} space;

// Energies of all joint values of the named variables (one letter each), the rest by the model's own verbs.
static space enumerate(const char *text, nrg_dtype type, const char *names) {
    space s = {.states = 1};
    fixture f = load(text, type);
    nrg_vars all = 0;
    for (const char *c = names; *c; c++) {
        char one[2] = {*c, 0};
        nrg_shape shape;
        int32_t v = s.var[s.n] = var(&f, one);
        ok(&f, nrg_var_shape(f.m, v, &shape));
        s.width[s.n] = nrg_shape_count(&shape);
        s.choices[s.n] = nrg_finite_choices(f.m, v);
        for (int64_t w = 0; w < s.width[s.n]; w++) s.states *= (int64_t)s.choices[s.n];
        all |= (nrg_vars)1 << v;
        s.n++;
    }
    assert_true(s.states <= STATES);
    s.energy = calloc((size_t)s.states, sizeof *s.energy);
    s.p = calloc((size_t)s.states, sizeof *s.p);
    int64_t stride = 1;
    for (int j = 0; j < s.n; j++) {
        double *x = calloc((size_t)(s.states * s.width[j]), sizeof *x);
        for (int64_t w = 0; w < s.width[j]; w++, stride *= (int64_t)s.choices[j])
            for (int64_t k = 0; k < s.states; k++)
                x[k * s.width[j] + w] = nrg_finite_number(f.m, s.var[j], (double)(k / stride % (int64_t)s.choices[j]));
        put_numbers(&f, f.m->vars.at[s.var[j]].name, x, s.states * s.width[j]);
        free(x);
    }
    ok(&f, nrg_energy_of(f.m, f.s, all, s.states, 1, s.energy));
    double Z = 0, low = INFINITY;
    for (int64_t k = 0; k < s.states; k++) low = fmin(low, s.energy[k]);
    for (int64_t k = 0; k < s.states; k++) Z += s.p[k] = exp(-f.m->beta * (s.energy[k] - low));
    for (int64_t k = 0; k < s.states; k++) s.p[k] /= Z;
    drop(&f);
    return s;
}

static void forget(space *s) {
    free(s->energy);
    free(s->p);
}

// Histogram of the drawn joint values of the space's variables.
static void tally(const fixture *f, const space *s, const nrg_draws *d, int64_t *count) {
    memset(count, 0, (size_t)s->states * sizeof *count);
    for (int64_t i = 0; i < CHAINS; i++) {
        int64_t k = 0, stride = 1;
        for (int j = 0; j < s->n; j++) {
            int at = 0;
            while (d->var[at] != s->var[j]) at++;
            for (int64_t w = 0; w < s->width[j]; w++, stride *= (int64_t)s->choices[j]) {
                double zero = nrg_finite_number(f->m, s->var[j], 0), unit = nrg_finite_number(f->m, s->var[j], 1) - zero;
                double digit = (d->value[at][i * s->width[j] + w] - zero) / unit;
                assert_true(digit == floor(digit) && digit >= 0 && digit < s->choices[j]);
                k += (int64_t)digit * stride;
            }
        }
        count[k]++;
    }
}

// text: with %s for the method. how: words that the method must say about itself.
static void exact(const char *text, const char *by, nrg_dtype type, const char *names, int64_t warmup, const char *how) {
    static int64_t count[STATES];
    char full[2000], line[100];
    snprintf(full, sizeof full, text, by);
    space s = enumerate(full, type, names);
    fixture f = load(full, type);
    nrg_vars vars = 0;
    for (int j = 0; j < s.n; j++) vars |= (nrg_vars)1 << s.var[j];
    nrg_draws d = drawn(&f, vars, 0, 1, CHAINS, warmup);
    if (!strstr(d.how, how)) fail_msg("it says \"%s\", not \"%s\"", d.how, how);
    tally(&f, &s, &d, count);
    snprintf(line, sizeof line, "%s: %s", by, how);
    fair(line, count, s.p, s.states, CHAINS);
    nrg_draws_free(&d);
    drop(&f);
    forget(&s);
}

// ---- models

#define ISING "dim H = 3, W = 3\nhyper beta = 0.8\npredict s : sign[H, W]\nweight a : real[H, W]\n" \
    "energy E(s) = -0.5 * sum((p, q) in grid4(H, W): s[p] * s[q]) - 0.3 * sum(i in H, j in W: a[i, j] * s[i, j])\nsample s by %s"
#define RING "dim T = 7\npredict s : bit[T]\nweight a : real[T]\nenergy E(s) = sum((p, q) in ring(T): s[p] * s[q]) - dot(a, s)\nsample s by %s"
#define RBM "dim V = 5, H = 3\npredict v : bit[V]\nlatent h : bit[H]\nweight W : real[V, H]\nweight b : real[V]\n" \
    "energy E(v, h) = -dot(v, b) - dot(v, W @ h)\nmarginalize h\nsample v, h by %s"
#define DBM "dim V = 4, H = 3, G = 2\npredict v : bit[V]\nlatent h : sign[H]\nlatent g : bit[G]\nweight W : real[V, H]\nweight U : real[H, G]\n" \
    "energy E(v, h, g) = -dot(v, W @ h) - dot(h, U @ g)\nmarginalize h, g by exhaustive\nsample v, h, g by %s"
#define DENSE "dim D = 9\npredict s : sign[D]\nweight J : real[D, D]\nenergy E(s) = -0.2 * dot(s, J @ s) - 0.1 * sum(s)\nsample s by %s"
#define POTTS "dim H = 2, W = 3, K = 3\npredict z : K[H, W]\nweight u : real[K]\n" \
    "energy E(z) = 0.9 * sum((p, q) in grid4(H, W): z[p] != z[q]) + 0.5 * sum(i in H, j in W: u[z[i, j]])\nsample z by %s"
#define TABLE "dim T = 4, K = 4\npredict z : K[T]\nweight A : real[K, K]\nenergy E(z) = sum((a, b) in chain(T): A[z[a], z[b]])\nsample z by %s"
#define COUNTS "dim D = 3\npredict n : int[D] in -1..3\nenergy E(n) = 0.2 * sq(sum(n) - 2) + 0.3 * sum(sq(n))\nsample n by %s"
#define CURVED "dim D = 7\npredict s : bit[D]\nweight w : real[D]\nenergy E(s) = 0.7 * sq(dot(w, s) - 1) - 0.2 * sum(s)\nsample s by %s"

// Three numbers in a term, one number twice in a term, sums of numbers inside of a function.
#define WINDOWS "dim T = 7\npredict s : sign[T]\nenergy E(s) = sum((p, q, r) in windows(T, 3): 0.4 * s[p] * s[q] * s[r] + softplus(s[p] + 2 * s[r])) " \
    "+ sum(t in T: 0.2 * s[t] * exp(0.4 * s[t]))\nsample s by %s"
#define ROWS "dim H = 3, W = 3\npredict s : bit[H, W]\nweight a : real[W]\n" \
    "energy E(s) = sum(i in H: exp(0.3 * sum(j in W: s[i, j]))) - 0.5 * sum(i in H: sq(sum(j in W: a[j] * s[i, j])))\nsample s by %s"

static void gibbs_draws_all_joint_values(void **state) {
    (void)state;
    exact(ISING, "gibbs", NRG_F64, "s", 40, "2 colours");
    exact(RING, "gibbs", NRG_F32, "s", 60, "3 colours");
    exact(RBM, "gibbs", NRG_F64, "vh", 150, "blocks h | v");
    exact(RBM, "gibbs", NRG_F32, "v", 40, "site by site, 2 values"); // its latent summed out: numbers of v meet
    exact(DBM, "gibbs", NRG_F64, "vhg", 200, "blocks h | g | v");
    exact(DENSE, "gibbs", NRG_F32, "s", 60, "site by site, 2 values");
    exact(POTTS, "gibbs", NRG_F64, "z", 60, "2 colours");
    exact(TABLE, "gibbs", NRG_F32, "z", 60, "2 colours");
    exact(WINDOWS, "gibbs", NRG_F64, "s", 60, "3 colours");
    exact(ROWS, "gibbs", NRG_F32, "s", 60, "3 colours");
    exact(COUNTS, "gibbs", NRG_F64, "n", 30, "site by site, 5 values");
    exact(CURVED, "gibbs", NRG_F64, "s", 30, "site by site, 2 values");
}

static void tests_of_acceptance_draw_all_joint_values(void **state) {
    (void)state;
    exact(ISING, "gwg", NRG_F64, "s", 150, "gwg");
    exact(DENSE, "gwg", NRG_F32, "s", 150, "gwg");
    exact(RBM, "gwg", NRG_F64, "vh", 300, "gwg");
    exact(CURVED, "gwg", NRG_F64, "s", 100, "gwg");
    exact(POTTS, "metropolis", NRG_F64, "z", 200, "one changed number");
    exact(ISING, "metropolis", NRG_F32, "s", 300, "one changed number");
    exact(COUNTS, "metropolis", NRG_F64, "n", 200, "one changed number");
}

// ---- reals

static void moments(const char *what, const double *x, int64_t gap, double mean, double spread, double fourth) {
    char line[100];
    double m = 0, v = 0, n = CHAINS;
    for (int i = 0; i < CHAINS; i++) m += x[i * gap] / n;
    for (int i = 0; i < CHAINS; i++) v += (x[i * gap] - m) * (x[i * gap] - m) / (n - 1);
    snprintf(line, sizeof line, "%s: mean", what);
    within(line, m, mean, sqrt(spread / n));
    snprintf(line, sizeof line, "%s: variance", what);
    within(line, v, spread, sqrt((fourth - spread * spread) / n));
}

// Mean and central moments of a mixture of normals of one variance.
static void mixture(const double *p, const double *mu, int n, double own, double *mean, double *all, double *fourth) {
    *mean = *all = *fourth = 0;
    for (int k = 0; k < n; k++) *mean += p[k] * mu[k];
    for (int k = 0; k < n; k++) {
        double d = mu[k] - *mean;
        *all += p[k] * (own + d * d);
        *fourth += p[k] * (3 * own * own + 6 * own * d * d + d * d * d * d);
    }
}

// Gaussian visible units: E = sum (v - b)^2 / 2 - v.W h, so v given h is normal around b + W h, and both are drawn exactly.
#define GAUSSIAN_RBM "dim V = 3, H = 3\nhyper beta = 1.3\npredict v : real[V]\nlatent h : bit[H]\nweight W : real[V, H]\nweight b : real[V]\n" \
    "energy E(v, h) = 0.5 * sq(v - b) - dot(v, W @ h)\nmarginalize v by exact\nmarginalize h\nsample v, h by %s"
static void gaussian_visible_units(void **state) {
    (void)state;
    static int64_t count[STATES];
    static const char *const by[] = {"gibbs", "metropolis(step=0.8)"};
    for (int k = 0; k < 2; k++) {
        char text[1000];
        snprintf(text, sizeof text, GAUSSIAN_RBM, by[k]);
        space s = enumerate(text, NRG_F64, "h"); // v summed out
        fixture f = load(text, NRG_F64);
        const double *W = numbers(&f, "W"), *b = numbers(&f, "b");
        nrg_draws d = drawn(&f, set(&f, "v") | set(&f, "h"), 0, 1, CHAINS, k ? 400 : 60);
        assert_non_null(strstr(d.how, k ? "a step of the reals" : "blocks h | v"));
        tally(&f, &s, &d, count);
        fair(by[k], count, s.p, s.states, CHAINS);
        for (int i = 0; i < 3; i++) {
            double mu[8], mean, spread, fourth;
            for (int j = 0; j < 8; j++) mu[j] = b[i] + (j & 1 ? W[3 * i] : 0) + (j & 2 ? W[3 * i + 1] : 0) + (j & 4 ? W[3 * i + 2] : 0);
            mixture(s.p, mu, 8, 1 / 1.3, &mean, &spread, &fourth);
            moments(by[k], d.value[0] + i, 3, mean, spread, fourth);
        }
        nrg_draws_free(&d);
        drop(&f);
        forget(&s);
    }
}

// A mixture of three normals: z and x take turns, or move together.
#define MIXTURE "dim K = 3\npredict x : real\npredict z : K\nweight m : real[K]\nweight a : real[K]\nenergy E(x, z) = 0.5 * sq(x - m[z]) + 0.5 * a[z]\nmarginalize x by exact\n"
static void mixed_statements_take_turns(void **state) {
    (void)state;
    static int64_t count[STATES];
    static const char *const how[] = {"sample z by gibbs\nsample x by hmc", "sample z by gibbs\nsample x by gibbs", "sample z, x by metropolis", "", "sample x, z"};
    static const char *const said[] = {"sample x by hmc", "normal, all at once", "metropolis", "few sets of numbers", "metropolis   (chosen: not all of it is finite"};
    static const int64_t steps[] = {150, 60, 400, 150, 400};
    for (int k = 0; k < 5; k++) {
        char text[1000];
        double mean, spread, fourth;
        snprintf(text, sizeof text, "%s%s", MIXTURE, how[k]);
        space s = enumerate(text, NRG_F64, "z");
        fixture f = load(text, NRG_F64);
        nrg_draws d = drawn(&f, set(&f, "x") | set(&f, "z"), 0, 1, CHAINS, steps[k]);
        if (!strstr(d.how, said[k])) fail_msg("it says \"%s\", not \"%s\"", d.how, said[k]);
        if (k == 2) assert_true(d.acceptance > 0.1 && d.acceptance < 0.7 && d.step > 0);
        tally(&f, &s, &d, count);
        fair(said[k], count, s.p, s.states, CHAINS);
        mixture(s.p, numbers(&f, "m"), 3, 1, &mean, &spread, &fourth);
        moments(said[k], d.value[d.var[0] == var(&f, "x") ? 0 : 1], 1, mean, spread, fourth);
        nrg_draws_free(&d);
        drop(&f);
        forget(&s);
    }
}

static void random_walks_of_reals(void **state) {
    (void)state;
    static const char *const by[] = {"metropolis", "metropolis(step=1.5)"};
    for (int k = 0; k < 2; k++) {
        char text[300];
        snprintf(text, sizeof text, "dim D = 2\npredict x : real[D] in 0..\nenergy E(x) = 0.5 * sq(x[first(D)]) + 8 * sq(x[last(D)])\nsample x by %s", by[k]);
        fixture f = load(text, NRG_F64);
        nrg_draws d = drawn(&f, set(&f, "x"), 0, 1, CHAINS, 500);
        for (int i = 0; i < 2; i++) { // half a normal of variance s^2: mean s sqrt(2 / pi)
            double sd = i ? 0.25 : 1, mean = sd * 0.7978845608028654, v = sd * sd - mean * mean, fourth = 0;
            for (int g = 0; g < 40000; g++) { // fourth central moment by the rectangle rule
                double x = (g + 0.5) / 4000 * sd;
                fourth += pow(x - mean, 4) * 0.7978845608028654 * exp(-0.5 * x * x / sd / sd) / 4000;
            }
            moments(by[k], d.value[0] + i, 2, mean, v, fourth);
        }
        if (!k) assert_true(d.acceptance > 0.2 && d.acceptance < 0.45);
        nrg_draws_free(&d);
        drop(&f);
    }
}

// ---- conditions, sameness, choices, wrong inputs

// Conditions differ from row to row; a start at the data is left by the latents first.
static void each_row_has_its_own_condition(void **state) {
    (void)state;
    const char *text = "dim D = 2, K = 3\ngiven x : real\npredict z : K[D]\nweight A : real[K]\nenergy E(x, z) = x * sum(d in D: A[z[d]])\nsample z by gibbs";
    fixture f = load(text, NRG_F64);
    double x[2] = {-1, 2};
    put_numbers(&f, "x", x, 2);
    nrg_draws d = drawn(&f, set(&f, "z"), set(&f, "x"), 2, CHAINS, 1); // one step is exact: nothing is coupled
    const double *A = numbers(&f, "A");
    for (int r = 0; r < 2; r++) {
        int64_t count[9] = {0};
        double p[9], Z = 0;
        for (int k = 0; k < 9; k++) Z += p[k] = exp(-x[r] * (A[k / 3] + A[k % 3]));
        for (int k = 0; k < 9; k++) p[k] /= Z;
        for (int i = 0; i < CHAINS; i++) count[(int)(3 * d.value[0][2 * (r * CHAINS + i)] + d.value[0][2 * (r * CHAINS + i) + 1])]++;
        fair("given x", count, p, 9, CHAINS);
    }
    nrg_draws_free(&d);
    drop(&f);
}

static void threads_and_batches_change_no_bit(void **state) {
    (void)state;
    static const char *const texts[] = {ISING, DENSE, TABLE, COUNTS};
    static const char *const by[] = {"gibbs", "gwg", "metropolis", "gibbs"}, *const names[] = {"s", "s", "z", "n"};
    for (int k = 0; k < 4; k++) {
        char text[1000];
        snprintf(text, sizeof text, texts[k], by[k]);
        fixture f = load(text, k % 2 ? NRG_F64 : NRG_F32);
        nrg_sample_spec spec = {.vars = set(&f, names[k]), .rows = 1, .chains = 500, .draws = 2, .warmup = 15, .every = 2, .seed = 3, .threads = 1};
        nrg_draws one, other;
        ok(&f, nrg_sample(f.m, f.s, &spec, &one));
        size_t each = 2 * (size_t)one.width[0];
        spec.threads = 8;
        ok(&f, nrg_sample(f.m, f.s, &spec, &other));
        assert_memory_equal(one.value[0], other.value[0], 500 * each * sizeof(double));
        nrg_draws_free(&other);
        spec.chains = 1;
        spec.first = 413;
        ok(&f, nrg_sample(f.m, f.s, &spec, &other));
        assert_memory_equal(one.value[0] + 413 * each, other.value[0], each * sizeof(double));
        nrg_draws_free(&other);
        nrg_draws_free(&one);
        drop(&f);
    }
}

static void told(const char *text, const char *names, nrg_status want, const char *words) {
    fixture f = load(text, NRG_F64);
    nrg_vars vars = 0;
    for (const char *c = names; *c; c++) vars |= set(&f, (char[2]){*c, 0});
    nrg_sample_spec spec = {.vars = vars, .rows = 1, .chains = 2, .draws = 1, .warmup = 1, .threads = 1};
    nrg_draws d;
    nrg_status st = nrg_sample(f.m, f.s, &spec, &d);
    if (st != want) show(f.c);
    assert_int_equal(st, want);
    const char *found = st == NRG_OK ? d.how : nrg_diag_get(f.c, nrg_diag_count(f.c) - 1)->message;
    if (!strstr(found, words)) fail_msg("\"%s\" is not in \"%s\"", words, found);
    nrg_draws_free(&d);
    drop(&f);
}

static void choices_and_misfits_are_told(void **state) {
    (void)state;
    told("dim D = 900\npredict s : sign[D]\nenergy E(s) = sum((a, b) in chain(D): s[a] * s[b])", "s", NRG_OK, "2 colours");
    told("dim D = 12\npredict s : sign[D]\nweight J : real[D, D]\nenergy E(s) = dot(s, J @ s)", "s", NRG_OK, "few discrete numbers");
    told("dim D = 90\npredict s : sign[D]\nweight J : real[D, D]\nenergy E(s) = dot(s, J @ s)\nsample s by gibbs", "s", NRG_OK, "64 of 90 sites a step");
    told("dim D = 1100\npredict s : sign[D]\nenergy E(s) = sq(sum(s))", "s", NRG_OK, "gwg   (chosen: many bits that meet");
    told("dim D = 1100\npredict s : int[D] in 0..2\nenergy E(s) = sq(sum(s))", "s", NRG_OK, "metropolis   (chosen: many discrete numbers that meet");
    told("predict s : bit\nenergy E(s) = s", "s", NRG_OK, "gibbs");
    told("predict n : int in 0..\nenergy E(n) = n\nsample n by gibbs", "n", NRG_E071, "a whole number without bounds");
    told("predict x : real\nenergy E(x) = sq(sq(x))\nsample x by gibbs", "x", NRG_E026, "not quadratic");
    told("dim D = 2\npredict x : real[D]\nenergy E(x) = sq(sum(x))\nsample x by gibbs", "x", NRG_E026, "coupled");
    told("predict x : real in 0..1\nenergy E(x) = sq(x)\nsample x by gibbs", "x", NRG_E026, "bounds");
    told("predict x : real\nenergy E(x) = sq(x)\nsample x by metropolis(step=-1)", "x", NRG_E013, "positive");
}

// The n-th request for memory is refused: a status, nothing leaks; what is drawn otherwise is the same.
static int refused_at(const char *text, long n, double *first) {
    quota q = {.left = n};
    nrg_ctx *c = nrg_ctx_new(limited, &q);
    nrg_model *m = NULL;
    nrg_store *store = NULL;
    nrg_draws d = {0};
    nrg_sample_spec spec = {.rows = 1, .chains = 2, .draws = 2, .warmup = 2, .every = 1, .threads = 1};
    nrg_status st = c ? nrg_lang_load(c, "test.nrg", text, strlen(text), NULL, &m) : NRG_E098;
    if (st == NRG_OK) st = nrg_store_new(c, NRG_F64, &store);
    if (st == NRG_OK) st = nrg_model_resolve(m, NRG_F64);
    if (st == NRG_OK) spec.vars = (nrg_vars)1 << nrg_model_var(m, "s");
    if (st == NRG_OK) st = nrg_sample(m, store, &spec, &d);
    bool short_of = q.left == 0;
    if (st == NRG_OK) {
        if (isnan(*first)) *first = d.value[0][1] + 2 * d.value[0][2];
        assert_true(*first == d.value[0][1] + 2 * d.value[0][2]);
    } else if (st != NRG_E098 || !short_of) fail_msg("%ld requests: %s", n, nrg_status_name(st));
    nrg_draws_free(&d);
    nrg_store_free(store);
    nrg_model_free(m);
    nrg_ctx_free(c);
    assert_int_equal(q.live, 0);
    return short_of;
}

static void refused_memory_is_told(void **state) {
    (void)state;
    static const char *const texts[] = {
        "dim H = 3, W = 2\npredict s : sign[H, W]\nenergy E(s) = sum((p, q) in grid4(H, W): s[p] * s[q])",
        "dim D = 3\npredict s : bit[D]\nlatent h : bit[D]\nenergy E(s, h) = dot(s, h)\nmarginalize h\nsample s by gwg",
        "dim D = 3\npredict s : int[D] in 0..2\nlatent h : bit[D]\nenergy E(s, h) = sum(s) * sum(h)\nmarginalize h by factors\nsample s by metropolis",
        "dim D = 3\npredict s : sign[D]\nenergy E(s) = sq(sum(s))\nsample s by gibbs"};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        double first = NAN;
        int tries = 0;
        refused_at(texts[k], -1, &first);
        for (long n = 0; refused_at(texts[k], n, &first); n++) tries++;
        print_message("%d requests refused, one by one\n", tries);
        assert_true(tries > 40);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gibbs_draws_all_joint_values),
        cmocka_unit_test(tests_of_acceptance_draw_all_joint_values),
        cmocka_unit_test(gaussian_visible_units),
        cmocka_unit_test(mixed_statements_take_turns),
        cmocka_unit_test(random_walks_of_reals),
        cmocka_unit_test(each_row_has_its_own_condition),
        cmocka_unit_test(threads_and_batches_change_no_bit),
        cmocka_unit_test(choices_and_misfits_are_told),
        cmocka_unit_test(refused_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
