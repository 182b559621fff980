// Points in place of the data: what training finds must not depend on whether the rows stand there themselves (few rows) or their moments
// do (the same rows many times over), and must be what algebra says.
#include "unit/training.h"
#include <stdio.h>
#include <unistd.h>

enum { D = 6, ROWS = 12, TIMES = 5 }; // 12 rows are too few for moments of 6 numbers, 60 are not

static void fill(double *x, int64_t rows, int64_t width, uint64_t id) {
    for (int64_t i = 0; i < rows * width; i++)
        x[i] = draw(id, i) * (double)(1 + i % width) + 0.3 * draw(id + 1, i / width) + 2 * (double)(i % width == 1);
}

// The rows of `from` so many times.
static void repeat(double *to, const double *from, int64_t rows, int64_t width) {
    for (int k = 0; k < TIMES; k++) memcpy(to + k * rows * width, from, (size_t)(rows * width) * sizeof *to);
}

static bool by_moments(const house *h) {
    nrg_text t = nrg_text_make(h->c);
    nrg_trainer_plan(h->t, &t);
    bool yes = t.at && strstr(t.at, "one pass over the data");
    nrg_text_free(&t);
    return yes;
}

// ---- rows that repeat change nothing -----------------------------------------------------------------------------

static const struct {
    const char *name, *text;
    const char *weight[3];
} models[] = {
    {"components with an offset",
     "dim D, K = 2\npredict y : real[D]\nlatent z : real[K]\nweight b : real[D]\nweight W : real[K, D] in orthonormal init normal(1)\n"
     "energy E(y, z) = sq(y - b - z @ W)\nminimize z by exact\nlearn energy\noptimize by exact(rounds=6)\n",
     {"b", "W"}},
    {"ridge codes, bases in columns",
     "dim D, K = 3\npredict y : real[D]\nlatent z : real[K]\nweight W : real[D, K] init normal(1)\n"
     "energy E(y, z) = sq(y - W @ z) + 0.3 * sq(z)\nminimize z by exact\nlearn energy + 0.1 * l2(W)\noptimize by exact(rounds=6)\n",
     {"W"}},
    {"factors, their noise learned",
     "dim D, K = 2\npredict y : real[D]\nlatent z : real[K]\nweight W : real[K, D] init normal(1)\nweight p : real[D] in 0.. init 1\n"
     "energy E(y, z) = 0.5 * sum(d in D: p[d] * (y - z @ W)[d]^2 - log(p[d])) + 0.5 * sq(z)\n"
     "marginalize z by exact\nlearn energy\noptimize by exact(rounds=6)\n",
     {"W", "p"}},
    {"regression on features",
     "dim D\npredict y : real[D]\nmodule G = linear(1)\nenergy E(y) = (sq(y) - G(sin(y)))^2\nlearn energy\noptimize by exact(rounds=2)\n",
     {"G.0.weight", "G.0.bias"}},
    {"data scaled and weighed",
     "dim D, K = 2\npredict y : real[D]\nlatent z : real[K]\nweight W : real[K, D] init normal(1)\n"
     "energy E(y, z) = sq(y - z @ W) + sq(z)\nminimize z by exact\nlearn energy\noptimize by exact(rounds=5)\n"
     "data y = 0.5 * table - 1, weight = w\n",
     {"W"}},
};

static double *trained(house *h, const char *text, int times, bool f64) {
    double x[ROWS * D], w[ROWS];
    fill(x, ROWS, D, 5);
    for (int i = 0; i < ROWS; i++) w[i] = 0.5 + draw(9, i) * draw(9, i);
    house_open(h);
    const char *name = strstr(text, "table") ? "table" : "y";
    double *to = house_array(h, name, ROWS * times, D), *weights = strstr(text, "weight = w") ? house_array(h, "w", ROWS * times, 0) : NULL;
    if (times > 1) repeat(to, x, ROWS, D);
    else memcpy(to, x, sizeof x);
    for (int k = 0; k < times && weights; k++) memcpy(weights + k * ROWS, w, sizeof w);
    house_text(h, text);
    nrg_train_options o = {.seed = 3, .threads = 1, .f64 = f64};
    house_train(h, &o);
    assert_true(by_moments(h) == (times > 1));
    return to;
}

static void repeated_rows_change_nothing(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof models / sizeof *models; k++) {
        house few, many;
        char text[800], *at;
        snprintf(text, sizeof text, "%s", models[k].text);
        if ((at = strstr(text, "rounds="))) at[7] = '1'; // without looking ahead both take the same path
        trained(&few, text, 1, true);
        trained(&many, text, TIMES, true);
        double worst = fabs(few.losses[0] - many.losses[0]) / fabs(few.losses[0]);
        for (int i = 0; i < 3 && models[k].weight[i]; i++) {
            const double *a = house_f64(&few, models[k].weight[i]), *b = house_f64(&many, models[k].weight[i]);
            uint32_t j = 0;
            while (strcmp(few.m->params.at[j].name, models[k].weight[i])) j++;
            for (int64_t n = 0; n < nrg_shape_count(&few.m->params.at[j].shape); n++)
                worst = fmax(worst, fabs(a[n] - b[n]) / fmax(1, fabs(a[n])));
        }
        print_message("%s: one round differs by %.2g\n", models[k].name, worst);
        assert_true(worst <= 1e-10);
        house_close(&few), house_close(&many);
    }
}

// Looking ahead may not be worse than plain rounds, and losses never rise.
static void losses_fall(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof models / sizeof *models; k++) {
        house h;
        trained(&h, models[k].text, TIMES, true);
        for (int i = 1; i < h.epochs; i++) assert_true(h.losses[i] <= h.losses[i - 1] + 1e-12 * fabs(h.losses[i - 1]));
        house_close(&h);
    }
}

// ---- algebra -----------------------------------------------------------------------------------------------------

// Eigenvalues of a symmetric matrix by Jacobi's rotations; A becomes diagonal.
static void jacobi(double *A, int n) {
    for (int sweep = 0; sweep < 60; sweep++)
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++) {
                double off = A[p * n + q], theta = (A[q * n + q] - A[p * n + p]) / (2 * off);
                if (fabs(off) < 1e-300) continue;
                double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1)), c = 1 / sqrt(t * t + 1), s = t * c;
                for (int i = 0; i < n; i++) {
                    double a = A[i * n + p], b = A[i * n + q];
                    A[i * n + p] = c * a - s * b, A[i * n + q] = s * a + c * b;
                }
                for (int i = 0; i < n; i++) {
                    double a = A[p * n + i], b = A[q * n + i];
                    A[p * n + i] = c * a - s * b, A[q * n + i] = s * a + c * b;
                }
            }
}

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The loss of principal components is the sum of the smallest eigenvalues of the covariance. `far` away from zero, and with a number that
// is the sum of two others, so that the covariance is singular.
static void components(double far, bool f64, double close, int rounds, int most) {
    enum { N = 400, WIDE = 9, KEEP = 3 };
    house h;
    house_open(&h);
    double *y = house_array(&h, "y", N, WIDE), C[WIDE * WIDE] = {0}, mean[WIDE] = {0}, value[WIDE], least = 0;
    fill(y, N, WIDE, 21);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < WIDE; j++) y[i * WIDE + j] += far;
        y[i * WIDE + 8] = y[i * WIDE] + y[i * WIDE + 1];
        for (int j = 0; j < WIDE; j++) mean[j] += y[i * WIDE + j] / N;
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < WIDE; j++)
            for (int k = 0; k < WIDE; k++) C[j * WIDE + k] += (y[i * WIDE + j] - mean[j]) * (y[i * WIDE + k] - mean[k]) / N;
    jacobi(C, WIDE);
    for (int j = 0; j < WIDE; j++) value[j] = C[j * WIDE + j];
    qsort(value, WIDE, sizeof *value, rising);
    for (int j = 0; j < WIDE - KEEP; j++) least += value[j];
    char text[400];
    int n = snprintf(text, sizeof text, "dim D, K = 3\npredict y : real[D]\nlatent z : real[K]\nweight b : real[D]\n"
                     "weight W : real[K, D] in orthonormal init normal(1)\nenergy E(y, z) = sq(y - b - z @ W)\nminimize z by exact\n"
                     "learn energy\noptimize by exact");
    if (rounds) snprintf(text + n, sizeof text - (size_t)n, "(rounds=%d)", rounds);
    strcat(text, "\n");
    house_text(&h, text);
    nrg_train_options o = {.seed = 1, .threads = 2, .f64 = f64};
    house_train(&h, &o);
    assert_true(by_moments(&h));
    double got = h.losses[h.epochs - 1];
    print_message("components %g from zero: loss %.12g, eigenvalues %.12g, %d rounds\n", far, got, least, h.epochs);
    assert_true(fabs(got - least) <= close * least);
    assert_true(h.epochs <= most);
    house_close(&h);
}

static void components_reach_the_eigenvalues(void **state) {
    (void)state;
    components(0, true, 1e-9, 300, 299);
    components(1e4, true, 1e-7, 300, 299);
    components(3, false, 1e-5, 300, 299);
    components(0, true, 1e-9, 0, 4); // begun with components, there is nothing left to do
    components(1e4, true, 1e-7, 0, 4);
    components(3, false, 1e-5, 0, 4);
}

// ---- what has no moments -----------------------------------------------------------------------------------------

static void others_read_the_data(void **state) {
    (void)state;
    static const char *const text[] = {
        // the nearest of two: not smooth in y
        "dim D, K = 2\npredict y : real[D]\nlatent z : K\nweight W : real[K, D] init samples(y)\nenergy E(y, z) = sq(y - W[z])\n"
        "minimize z\nlearn energy\noptimize by exact(rounds=2)\n",
        // of degree four in y, and the fourth power is not a feature: it meets a weight first
        "dim D\npredict y : real[D]\nweight a : real[D]\nenergy E(y) = sum(sq(y) * (y - a)^2)\nlearn energy\noptimize by exact(rounds=2)\n",
        // noise of its own in every row
        "dim D\npredict y : real[D]\nmodule G = linear(D)\nhide y by noise(0.3)\nenergy E(y) = sq(y - G(seen(y)))\nminimize y by exact\n"
        "learn energy\noptimize by exact(rounds=2)\n"};
    for (size_t k = 0; k < sizeof text / sizeof *text; k++) {
        house h;
        house_open(&h);
        fill(house_array(&h, "y", ROWS * TIMES, D), ROWS * TIMES, D, 5);
        house_text(&h, text[k]);
        nrg_train_options o = {.seed = 3, .threads = 1};
        house_trainer(&h, &o);
        if (k != 1) assert_false(by_moments(&h));
        house_close(&h);
    }
}

// ---- going on ----------------------------------------------------------------------------------------------------

typedef struct { int left; } patience;

static bool impatient(void *ud, const nrg_progress *p) {
    patience *s = ud;
    return !p->epoch_end || --s->left > 0;
}

static void remove_run(const char *dir) {
    static const char *const files[] = {"model.nrg", "run.json", "log.csv", "weights.safetensors", "best.safetensors", "state.safetensors"};
    char path[600];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        remove(path);
    }
    rmdir(dir);
}

static void an_interrupted_run_looks_ahead_as_before(void **state) {
    (void)state;
    const char *dir = NRG_BUILD "/test_moments_run";
    house straight, stopped;
    patience s = {4};
    remove_run(dir);
    trained(&straight, models[0].text, TIMES, false);
    house_open(&stopped);
    double x[ROWS * D];
    fill(x, ROWS, D, 5);
    repeat(house_array(&stopped, "y", ROWS * TIMES, D), x, ROWS, D);
    house_text(&stopped, models[0].text);
    nrg_train_options o = {.seed = 3, .threads = 1, .out = dir};
    house_trainer(&stopped, &o);
    assert_int_equal(nrg_trainer_go(stopped.t, impatient, &s), NRG_E093);
    nrg_diag_clear(stopped.c);
    o.resume = true;
    house_trainer(&stopped, &o);
    MUST(&stopped, nrg_trainer_go(stopped.t, NULL, NULL));
    const nrg_buffer *a = nrg_store_get(nrg_trainer_store(straight.t), "W"), *b = nrg_store_get(nrg_trainer_store(stopped.t), "W");
    assert_memory_equal(a->data, b->data, 2 * D * sizeof(float));
    house_close(&straight), house_close(&stopped);
    remove_run(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeated_rows_change_nothing), cmocka_unit_test(losses_fall),
        cmocka_unit_test(components_reach_the_eigenvalues), cmocka_unit_test(others_read_the_data),
        cmocka_unit_test(an_interrupted_run_looks_ahead_as_before)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
