// Training against answers that do not come from here: least squares by Householder in long double, Newton's optimum, Lloyd's
// algorithm, singular vectors by Jacobi, and scikit-learn's figures (1.9.1) from stated starts.
#include "unit/training.h"

typedef long double wide;

static bool have(const char *path) {
    if (nrg_file_exists(path)) return true;
    print_message("skipped: %s is not there\n", path);
    return false;
}

// Columns 0..width-1 of a table of numbers as array `name`, and column `width` as `target` (NULL: left out).
static void load(house *h, const char *path, int width, const char *name, const char *target) {
    char a[400], b[400];
    const char *specs[] = {a, b};
    nrg_table_free(h->table);
    h->table = NULL;
    snprintf(a, sizeof a, "%s=%s:0..%d", name, path, width - 1);
    snprintf(b, sizeof b, "%s=%s:%d", target ? target : "", path, width);
    MUST(h, nrg_data_load(h->c, specs, target ? 2 : 1, &h->table));
}

static double *numbers(const house *h, const char *name, int64_t *n, int64_t *width) {
    const nrg_array *a = nrg_table_find(h->table, name);
    assert_non_null(a);
    *n = a->samples;
    *width = nrg_array_width(a);
    double *to = malloc((size_t)(*n * *width) * sizeof *to);
    for (int64_t i = 0; i < *n * *width; i++) to[i] = nrg_array_value(a, i);
    return to;
}

// ---- least squares -----------------------------------------------------------------------------------------------

// min |A w - b| by Householder reflections; a column that depends on those before it gets 0. A: [n, k] and b are destroyed.
static void least_squares(wide *A, wide *b, int64_t n, int64_t k, wide *w) {
    int64_t row[128], r = 0;
    for (int64_t j = 0; j < k; j++) {
        wide norm = 0, size = 0;
        for (int64_t i = 0; i < n; i++) size += A[i * k + j] * A[i * k + j];
        for (int64_t i = r; i < n; i++) norm += A[i * k + j] * A[i * k + j];
        row[j] = -1;
        if (norm <= 1e-24L * size) continue;
        row[j] = r;
        norm = A[r * k + j] > 0 ? -sqrtl(norm) : sqrtl(norm);
        wide tail = -norm * (A[r * k + j] - norm);
        A[r * k + j] -= norm;
        for (int64_t c = j + 1; c <= k; c++) {
            wide dot = 0;
            for (int64_t i = r; i < n; i++) dot += A[i * k + j] * (c < k ? A[i * k + c] : b[i]);
            for (int64_t i = r; i < n; i++) *(c < k ? &A[i * k + c] : &b[i]) -= dot / tail * A[i * k + j];
        }
        A[r++ * k + j] = norm;
    }
    for (int64_t j = k - 1; j >= 0; j--) {
        w[j] = 0;
        if (row[j] < 0) continue;
        wide s = b[row[j]];
        for (int64_t c = j + 1; c < k; c++) s -= A[row[j] * k + c] * w[c];
        w[j] = s / A[row[j] * k + j];
    }
}

static void one_table(const char *name, int features, bool full_rank) {
    char path[300];
    snprintf(path, sizeof path, DATA "uci_regression/%s/data.csv", name);
    if (!have(path)) return;
    house h;
    house_open(&h);
    load(&h, path, features, "x", "y");
    house_model(&h, ROOT "examples/regression.nrg", NULL);
    nrg_train_options o = {.seed = 3, .threads = 2, .f64 = true};
    house_train(&h, &o);
    int64_t n, d, one;
    double *x = numbers(&h, "x", &n, &d), *y = numbers(&h, "y", &n, &one), *w = house_f64(&h, "G.0.weight"),
           *bias = house_f64(&h, "G.0.bias");
    int64_t k = d + 1;
    wide *A = malloc((size_t)(n * k) * sizeof *A), *b = malloc((size_t)n * sizeof *b), best[32];
    // columns are centred, so that the test's own answer is good to more digits than asked for
    wide mean[32] = {0}, middle = 0;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < d; j++) mean[j] += x[i * d + j] / (wide)n;
        middle += y[i] / (wide)n;
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < d; j++) A[i * d + j] = x[i * d + j] - mean[j];
        b[i] = y[i] - middle;
    }
    least_squares(A, b, n, d, best);
    best[d] = middle;
    for (int64_t j = 0; j < d; j++) best[d] -= best[j] * mean[j];
    wide worst = 0, off = 0, largest = 0;
    for (int64_t i = 0; i < n; i++) {
        wide p = best[d], q = bias[0];
        for (int64_t j = 0; j < d; j++) p += best[j] * x[i * d + j], q += (wide)w[j] * x[i * d + j];
        worst = fmaxl(worst, fabsl(p - q));
        largest = fmaxl(largest, fabsl(p));
    }
    for (int64_t j = 0; j < d; j++) off = fmaxl(off, fabsl(w[j] - best[j]) / fmaxl(1, fabsl(best[j])));
    print_message("%s: fitted values differ by %.2Lg of %.3Lg, weights by %.2Lg, %d rounds\n", name, worst, largest,
                  off, h.epochs);
    assert_true(worst <= 1e-8L * fmaxl(1, largest));
    if (full_rank) assert_true(off <= 1e-8L);
    free(x), free(y), free(A), free(b);
    house_close(&h);
}

static void regression_is_least_squares(void **state) {
    (void)state;
    one_table("boston", 13, true);
    one_table("concrete", 8, true);
    one_table("yacht", 6, true);
    one_table("energy", 8, false); // one feature is a sum of two others
    one_table("wine_quality_red", 11, true);
}

// ---- many unknowns, many outputs ---------------------------------------------------------------------------------

enum { ROWS = 300, WIDE = 60, OUTS = 7 };

static void planned(house *h, const char *words) {
    nrg_text t = nrg_text_make(h->c);
    nrg_trainer_plan(h->t, &t);
    if (!strstr(t.at, words)) print_message("%s\n", t.at);
    assert_non_null(strstr(t.at, words));
    nrg_text_free(&t);
}

// Fitted values of output m by least squares on [x 1] with row weights s (NULL: 1).
static void fitted(const double *x, const double *y, const double *s, int n, int d, int outputs, int m, wide *out) {
    wide *A = malloc((size_t)(n * (d + 1)) * sizeof *A), *b = malloc((size_t)n * sizeof *b), w[128];
    for (int i = 0; i < n; i++) {
        wide root = s ? sqrtl(s[i * outputs + m]) : 1;
        for (int j = 0; j <= d; j++) A[i * (d + 1) + j] = root * (j < d ? x[i * d + j] : 1);
        b[i] = root * y[i * outputs + m];
    }
    least_squares(A, b, n, d + 1, w);
    for (int i = 0; i < n; i++) {
        out[i] = w[d];
        for (int j = 0; j < d; j++) out[i] += w[j] * x[i * d + j];
    }
    free(A), free(b);
}

static void xy(house *h, double **x, double **y, int d, int outputs) {
    house_open(h);
    *x = house_array(h, "x", ROWS, d);
    *y = house_array(h, "y", ROWS, outputs);
    for (int i = 0; i < ROWS * d; i++) (*x)[i] = draw(21, i) + (i % d == 3 ? 40 : 0); // one column far from 0
    for (int i = 0; i < ROWS * outputs; i++) (*y)[i] = draw(22, i) + (*x)[i / outputs * d];
}

static double far(house *h, const double *x, const double *y, const double *s, int d, int outputs) {
    double *w = house_f64(h, "G.0.weight"), *bias = house_f64(h, "G.0.bias");
    wide own[ROWS], worst = 0;
    for (int m = 0; m < outputs; m++) {
        fitted(x, y, s, ROWS, d, outputs, m, own);
        for (int i = 0; i < ROWS; i++) {
            wide p = bias[m];
            for (int j = 0; j < d; j++) p += (wide)w[j * outputs + m] * x[i * d + j];
            worst = fmaxl(worst, fabsl(p - own[i]));
        }
    }
    return (double)worst;
}

// A layer's columns and biases are M systems of D + 1 unknowns with one matrix.
static void layers_are_least_squares(void **state) {
    (void)state;
    house h;
    double *x, *y;
    xy(&h, &x, &y, WIDE, OUTS);
    house_model(&h, ROOT "examples/regression.nrg", NULL);
    nrg_train_options o = {.seed = 3, .threads = 2, .f64 = true};
    house_trainer(&h, &o);
    planned(&h, "quadratic, 7 systems of 61");
    house_train(&h, &o);
    double worst = far(&h, x, y, NULL, WIDE, OUTS);
    print_message("layer of %d x %d: fitted values differ by %.2g\n", WIDE, OUTS, worst);
    assert_true(worst <= 1e-11);
    double *w = house_f64(&h, "G.0.weight"), off = 0; // with float32 weights the sums are still doubles
    double *keep = malloc(WIDE * OUTS * sizeof *keep);
    memcpy(keep, w, WIDE * OUTS * sizeof *keep);
    o.f64 = false;
    house_train(&h, &o);
    const float *small = nrg_store_get(nrg_trainer_store(h.t), "G.0.weight")->data;
    for (int i = 0; i < WIDE * OUTS; i++) off = fmax(off, fabs((double)small[i] - keep[i]));
    print_message("layer in float32: weights differ by %.2g\n", off);
    assert_true(off <= 1.5e-7);
    free(keep);
    house_close(&h);
}

// Each output weighs samples in its own way: systems with matrices of their own.
static void weighed_layers_are_least_squares(void **state) {
    (void)state;
    house h;
    double *x, *y;
    xy(&h, &x, &y, 9, 4);
    double *s = house_array(&h, "s", ROWS, 4);
    for (int i = 0; i < ROWS * 4; i++) s[i] = 0.1 + draw(23, i) * draw(23, i);
    house_text(&h, "dim D, M\ngiven x : real[D]\ngiven s : real[M]\npredict y : real[M]\nmodule G = linear(M)\n"
                   "energy E(x, s, y) = 0.5 * sum(s * (y - G(x))^2)\nminimize y by lbfgs\nlearn energy\noptimize by exact\n");
    nrg_train_options o = {.seed = 3, .threads = 2, .f64 = true};
    house_train(&h, &o);
    planned(&h, "quadratic, 4 systems of 10");
    double worst = far(&h, x, y, s, 9, 4);
    print_message("weighed layer: fitted values differ by %.2g\n", worst);
    assert_true(worst <= 1e-11);
    house_close(&h);
}

// Two layers side by side are one block (with one bias too many); one after the other they take turns.
static void two_layers(void **state) {
    (void)state;
    static const char *const model[] = {
        "dim D, M\ngiven x : real[D]\npredict y : real[M]\nmodule G = linear(M)\nmodule R = linear(M)\n"
        "energy E(x, y) = 0.5 * sq(y - G(x) - R(0.5 * x^2))\nminimize y by exact\nlearn energy\noptimize by exact\n",
        "dim D, M\ngiven x : real[D]\npredict y : real[M]\nweight B : real[D, 3]\nweight A : real[3, M]\nweight c : real[M]\n"
        "energy E(x, y) = 0.5 * sq(y - x @ B @ A - c)\nminimize y by exact\nlearn energy\noptimize by exact(rounds=40)\n"};
    static const char *const plan[] = {"quadratic, 3 systems of 12", "c: quadratic"};
    for (int k = 0; k < 2; k++) {
        house h;
        double *x, *y, wants = 0;
        enum { d = 5, outputs = 3 };
        xy(&h, &x, &y, d, outputs);
        double *both = malloc(ROWS * 2 * d * sizeof *both);
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < 2 * d; j++) {
                double one = x[i * d + j % d];
                both[i * 2 * d + j] = j < d ? one : k ? 0 : 0.5 * one * one;
            }
        for (int m = 0; m < outputs; m++) {
            wide own[ROWS];
            fitted(both, y, NULL, ROWS, 2 * d, outputs, m, own);
            for (int i = 0; i < ROWS; i++) {
                double e = (double)(y[i * outputs + m] - own[i]);
                wants += 0.5 * e * e / ROWS;
            }
        }
        house_text(&h, model[k]);
        nrg_train_options o = {.seed = 3, .threads = 1, .f64 = true};
        house_train(&h, &o);
        planned(&h, plan[k]);
        double got = h.losses[h.epochs - 1];
        print_message("two layers: loss %.12g, least squares %.12g, %d rounds\n", got, wants, h.epochs);
        assert_true(fabs(got - wants) <= 1e-9 * wants);
        free(both);
        house_close(&h);
    }
}

// ---- logistic regression -----------------------------------------------------------------------------------------

// Solves H s = g, H [n, n] positive definite.
static void cholesky_solve(double *H, double *g, int n) {
    for (int j = 0; j < n; j++)
        for (int i = j; i < n; i++) {
            double s = H[i * n + j];
            for (int k = 0; k < j; k++) s -= H[i * n + k] * H[j * n + k];
            H[i * n + j] = i == j ? sqrt(s) : s / H[j * n + j];
        }
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < i; k++) g[i] -= H[i * n + k] * g[k];
        g[i] /= H[i * n + i];
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++) g[i] -= H[k * n + i] * g[k];
        g[i] /= H[i * n + i];
    }
}

// Newton on mean(-log p) + penalty |W|^2 for p = softmax(-(x W + b)). theta: [d + 1, K], row d the biases, whose sum is held at 0.
static void newton(const double *x, const int *y, int n, int d, int K, double penalty, double *theta) {
    int m = (d + 1) * K;
    double *H = malloc((size_t)(m * m) * sizeof *H), *g = malloc((size_t)m * sizeof *g),
           *p = malloc((size_t)K * sizeof *p);
    for (int i = 0; i < m; i++) theta[i] = 0;
    for (int round = 0; round < 50; round++) {
        memset(H, 0, (size_t)(m * m) * sizeof *H);
        memset(g, 0, (size_t)m * sizeof *g);
        for (int i = 0; i < n; i++) {
            double z = 0;
            for (int k = 0; k < K; k++) {
                double s = theta[d * K + k];
                for (int j = 0; j < d; j++) s += x[i * d + j] * theta[j * K + k];
                p[k] = exp(-s);
                z += p[k];
            }
            for (int k = 0; k < K; k++) p[k] /= z;
            for (int a = 0; a <= d; a++)
                for (int k = 0; k < K; k++) {
                    double xa = a < d ? x[i * d + a] : 1;
                    g[a * K + k] += xa * ((y[i] == k) - p[k]) / n;
                    for (int c = 0; c <= d; c++)
                        for (int l = 0; l < K; l++)
                            H[(a * K + k) * m + c * K + l] +=
                                xa * (c < d ? x[i * d + c] : 1) * ((k == l) * p[k] - p[k] * p[l]) / n;
                }
        }
        for (int i = 0; i < d * K; i++) g[i] += 2 * penalty * theta[i], H[i * m + i] += 2 * penalty;
        for (int k = 0; k < K; k++)
            for (int l = 0; l < K; l++) H[(d * K + k) * m + d * K + l] += 1; // moves along equal biases change nothing
        cholesky_solve(H, g, m);
        for (int i = 0; i < m; i++) theta[i] -= g[i];
    }
    free(H), free(g), free(p);
}

static void logistic_is_the_optimum(void **state) {
    (void)state;
    enum { N = 240, D = 4, K = 3, M = (D + 1) * K };
    house h;
    house_open(&h);
    double *x = house_array(&h, "x", N, D), theta[M];
    uint8_t *label = house_bytes(&h, "y", N, 0);
    int y[N];
    for (int i = 0; i < N; i++) {
        label[i] = (uint8_t)(y[i] = i % K);
        for (int j = 0; j < D; j++) x[i * D + j] = 1.3 * draw(1, i * D + j) + (j == y[i]) + 0.5 * (j == 3 && y[i] == 1);
    }
    house_model(&h, ROOT "examples/logistic.nrg", NULL);
    nrg_train_options o = {.seed = 3, .threads = 1, .f64 = true};
    house_train(&h, &o);
    newton(x, y, N, D, K, 1e-3, theta);
    double *w = house_f64(&h, "G.0.weight"), *b = house_f64(&h, "G.0.bias"), worst = 0,
           shift = (b[0] + b[1] + b[2]) / 3;
    for (int i = 0; i < D * K; i++) worst = fmax(worst, fabs(w[i] - theta[i]));
    for (int k = 0; k < K; k++) worst = fmax(worst, fabs(b[k] - shift - theta[D * K + k]));
    print_message("logistic: weights differ from Newton's by %.2g after %d steps\n", worst, h.epochs);
    assert_true(worst <= 1e-6);
    assert_true(h.epochs < 200);
    house_close(&h);
}

// ---- k-means -----------------------------------------------------------------------------------------------------

static double lloyd(const double *y, int64_t n, int64_t d, double *W, int64_t K, int rounds) {
    double *sum = malloc((size_t)(K * d) * sizeof *sum), inertia = 0;
    int64_t *count = malloc((size_t)K * sizeof *count);
    for (int r = 0; r <= rounds; r++) {
        memset(sum, 0, (size_t)(K * d) * sizeof *sum);
        memset(count, 0, (size_t)K * sizeof *count);
        inertia = 0;
        for (int64_t i = 0; i < n; i++) {
            int64_t best = 0;
            double least = INFINITY;
            for (int64_t k = 0; k < K; k++) {
                double s = 0;
                for (int64_t j = 0; j < d; j++) s += (y[i * d + j] - W[k * d + j]) * (y[i * d + j] - W[k * d + j]);
                if (s < least) least = s, best = k;
            }
            inertia += least;
            count[best]++;
            for (int64_t j = 0; j < d; j++) sum[best * d + j] += y[i * d + j];
        }
        for (int64_t k = 0; k < K && r < rounds; k++)
            for (int64_t j = 0; j < d && count[k]; j++) W[k * d + j] = sum[k * d + j] / (double)count[k];
    }
    free(sum), free(count);
    return inertia;
}

static void monotone(const house *h) {
    for (int i = 1; i < h->epochs; i++) assert_true(h->losses[i] <= h->losses[i - 1] + 1e-12 * fabs(h->losses[i]));
}

static void kmeans_is_lloyd(void **state) {
    (void)state;
    const char *path = DATA "optdigits/optdigits.tra.csv.gz";
    if (!have(path)) return;
    house h;
    house_open(&h);
    load(&h, path, 64, "y", NULL);
    house_model(&h, ROOT "examples/kmeans.nrg", NULL);
    nrg_train_options o = {.seed = 3, .threads = 2, .f64 = true};
    house_trainer(&h, &o);
    int64_t n, d;
    double *y = numbers(&h, "y", &n, &d), *W = house_f64(&h, "W"), own[640];
    memcpy(W, y, 640 * sizeof *W); // the start: rows 0 to 9
    memcpy(own, y, sizeof own);
    MUST(&h, nrg_trainer_go(h.t, house_watch, &h));
    double inertia = h.losses[h.epochs - 1] * (double)n, theirs = lloyd(y, n, d, own, 10, h.epochs);
    print_message("k-means: inertia %.6f, Lloyd %.6f, scikit-learn 2545388.379267, %d rounds\n", inertia, theirs,
                  h.epochs);
    assert_true(fabs(inertia - theirs) <= 1e-9 * theirs);
    // scikit-learn 1.9.1: KMeans(10, init=rows 0..9, n_init=1, tol=0, algorithm="lloyd") on the 64 pixels of optdigits.tra
    assert_true(fabs(inertia - 2545388.379267190) <= 1e-5 * 2545388.0);
    monotone(&h);
    free(y);
    house_close(&h);
}

// ---- principal components ----------------------------------------------------------------------------------------

// Eigenvectors of a symmetric A [n, n] by Jacobi rotations; rows of V.
static void jacobi(double *A, double *V, int n) {
    for (int i = 0; i < n * n; i++) V[i] = i % (n + 1) == 0;
    for (int sweep = 0; sweep < 60; sweep++)
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++) {
                if (A[p * n + q] == 0) continue;
                double a = 0.5 * (A[q * n + q] - A[p * n + p]) / A[p * n + q],
                       t = (a >= 0 ? 1 : -1) / (fabs(a) + sqrt(a * a + 1));
                double c = 1 / sqrt(t * t + 1), s = t * c;
                for (int i = 0; i < n; i++) {
                    double x = A[p * n + i], y = A[q * n + i];
                    A[p * n + i] = c * x - s * y, A[q * n + i] = s * x + c * y;
                    x = V[p * n + i], y = V[q * n + i];
                    V[p * n + i] = c * x - s * y, V[q * n + i] = s * x + c * y;
                }
                for (int i = 0; i < n; i++) {
                    double x = A[i * n + p], y = A[i * n + q];
                    A[i * n + p] = c * x - s * y, A[i * n + q] = s * x + c * y;
                }
            }
}

static void pca_spans_the_singular_vectors(void **state) {
    (void)state;
    const char *path = DATA "uci_tables/wine.csv";
    enum { D = 13 };
    if (!have(path)) return;
    house h;
    house_open(&h);
    load(&h, path, D, "table", NULL);
    house_model(&h, ROOT "examples/pca.nrg", NULL);
    nrg_train_options o = {.seed = 3, .threads = 1, .f64 = true};
    house_train(&h, &o);
    int64_t n, d;
    double *x = numbers(&h, "table", &n, &d), A[D * D] = {0}, V[D * D], mean[D] = {0}, sd[D] = {0},
           *W = house_f64(&h, "W");
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < D; j++) mean[j] += x[i * D + j] / (double)n;
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < D; j++) sd[j] += (x[i * D + j] - mean[j]) * (x[i * D + j] - mean[j]) / (double)n;
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < D; j++)
            for (int k = 0; k < D; k++)
                A[j * D + k] += (x[i * D + j] - mean[j]) * (x[i * D + k] - mean[k]) / sqrt(sd[j] * sd[k]);
    jacobi(A, V, D);
    int first = 0, second = -1;
    for (int j = 1; j < D; j++)
        if (A[j * D + j] > A[first * D + first]) first = j;
    for (int j = 0; j < D; j++)
        if (j != first && (second < 0 || A[j * D + j] > A[second * D + second])) second = j;
    double worst = 0; // what of W lies outside the subspace; W has orthonormal rows
    for (int k = 0; k < 2; k++) {
        double a = 0, b = 0, out = 0;
        for (int j = 0; j < D; j++) a += W[k * D + j] * V[first * D + j], b += W[k * D + j] * V[second * D + j];
        for (int j = 0; j < D; j++) {
            double r = W[k * D + j] - a * V[first * D + j] - b * V[second * D + j];
            out += r * r;
        }
        worst = fmax(worst, sqrt(out));
    }
    double dot = 0, one = 0;
    for (int j = 0; j < D; j++) dot += W[j] * W[D + j], one += W[j] * W[j];
    print_message("pca: %.2g of a basis vector lies outside the subspace, %d rounds\n", worst, h.epochs);
    assert_true(worst <= 1e-6);
    assert_true(fabs(dot) <= 1e-12 && fabs(one - 1) <= 1e-12);
    free(x);
    house_close(&h);
}

// ---- Gaussian mixture --------------------------------------------------------------------------------------------

static void mixture_is_em(void **state) {
    (void)state;
    const char *path = DATA "uci_tables/iris.csv";
    if (!have(path)) return;
    house h;
    house_open(&h);
    load(&h, path, 4, "y", NULL);
    house_model(&h, ROOT "examples/mixture.nrg", NULL);
    nrg_train_options o = {.seed = 3, .threads = 1, .f64 = true};
    house_trainer(&h, &o);
    int64_t n, d;
    double *y = numbers(&h, "y", &n, &d), *M = house_f64(&h, "M"), *w = house_f64(&h, "w");
    for (int k = 0; k < 3; k++) {
        memcpy(M + 4 * k, y + 4 * 50 * k, 4 * sizeof *M); // the start: rows 0, 50, 100; precisions 1; weights 1/3
        assert_true(fabs(w[k] - 1.0 / 3) < 1e-12);
    }
    MUST(&h, nrg_trainer_go(h.t, house_watch, &h));
    // scikit-learn 1.9.1: GaussianMixture(3, "diag", tol=1e-12, reg_covar=0, means_init=rows 0, 50, 100, weights_init=1/3,
    // precisions_init=1).score on iris, after 1, 2, 5, 10 rounds and at the end
    const struct { int round; double score; } theirs[] = {
        {1, -2.759228334849}, {2, -2.103585520500}, {5, -2.055384298749}, {10, -2.055022358856}, {0, -2.054995780059}};
    for (int i = 0; i < 5; i++) {
        int round = theirs[i].round ? theirs[i].round : h.epochs;
        assert_true(round <= h.epochs);
        print_message("mixture: round %d log-likelihood %.9f, scikit-learn %.9f\n", round, -h.losses[round - 1],
                      theirs[i].score);
        assert_true(fabs(-h.losses[round - 1] - theirs[i].score) <= 1e-5);
    }
    monotone(&h);
    free(y);
    house_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regression_is_least_squares),
        cmocka_unit_test(layers_are_least_squares),
        cmocka_unit_test(weighed_layers_are_least_squares),
        cmocka_unit_test(two_layers),
        cmocka_unit_test(logistic_is_the_optimum),
        cmocka_unit_test(kmeans_is_lloyd),
        cmocka_unit_test(pca_spans_the_singular_vectors),
        cmocka_unit_test(mixture_is_em),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
