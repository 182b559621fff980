// Small dense linear algebra in double on the host: semi-definite solves, and weights brought back into their domains.
#include "infer/inside.h"
#include <math.h>
#include <string.h>

// Factors A = L L' in place (lower triangle). A pivot that is nothing against its own diagonal belongs to a direction that the data do
// not determine: its row and column are left out (marked by a zero on the diagonal).
static void factor(double *A, int64_t n) {
    for (int64_t j = 0; j < n; j++) {
        double whole = A[j * n + j], d = whole;
        for (int64_t k = 0; k < j; k++) d -= A[j * n + k] * A[j * n + k];
        bool empty = !(d > whole * 1e-13 * (double)n) || !(whole > 0);
        double root = empty ? 0 : sqrt(d);
        for (int64_t i = j + 1; i < n; i++) {
            double x = A[i * n + j];
            for (int64_t k = 0; k < j; k++) x -= A[i * n + k] * A[j * n + k];
            A[i * n + j] = empty ? 0 : x / root;
        }
        A[j * n + j] = root;
    }
}

static void substitute(const double *L, int64_t n, double *b) {
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < i; k++) b[i] -= L[i * n + k] * b[k];
        b[i] = L[i * n + i] == 0 ? 0 : b[i] / L[i * n + i];
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        for (int64_t k = i + 1; k < n; k++) b[i] -= L[k * n + i] * b[k];
        b[i] = L[i * n + i] == 0 ? 0 : b[i] / L[i * n + i];
    }
}

// x = A^-1 b with one step of refinement; where A is singular, a solution that leaves undetermined numbers at 0.
// work: n * n + n numbers. A is kept.
void nrg_solve_block(const double *A, const double *b, int64_t n, double *work, double *x) {
    double *L = work, *r = work + n * n;
    memcpy(L, A, (size_t)(n * n) * sizeof *A);
    memcpy(x, b, (size_t)n * sizeof *b);
    factor(L, n);
    substitute(L, n, x);
    for (int64_t i = 0; i < n; i++) {
        r[i] = b[i];
        for (int64_t k = 0; k < n; k++) r[i] -= A[i * n + k] * x[k];
    }
    substitute(L, n, r);
    for (int64_t i = 0; i < n; i++) x[i] += r[i];
}

// ---- domains

static void clamp(const nrg_domain *d, int64_t n, double *w) {
    for (int64_t i = 0; i < n; i++) w[i] = w[i] < d->lo ? d->lo : w[i] > d->hi ? d->hi : w[i];
}

// The t with sum max(w - t, 0) = 1, by Newton's steps from the left: at most n of them.
static void onto_simplex(double *w, int64_t n) {
    double t = -1, sum = 0;
    for (int64_t i = 0; i < n; i++) t += w[i];
    t /= (double)n;
    for (int64_t k = 0; k <= n; k++) {
        double over = -1, count = 0;
        for (int64_t i = 0; i < n; i++)
            if (w[i] > t) over += w[i] - t, count++;
        if (count == 0 || !(over > 0)) break;
        t += over / count;
    }
    for (int64_t i = 0; i < n; i++) w[i] = w[i] > t ? w[i] - t : 0, sum += w[i];
    for (int64_t i = 0; i < n && sum > 0; i++) w[i] /= sum;
}

static void onto_unit(double *w, int64_t n, int64_t stride) {
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += w[i * stride] * w[i * stride];
    for (int64_t i = 0; i < n && s > 0; i++) w[i * stride] /= sqrt(s);
}

// Gram-Schmidt, twice for accuracy, over `n` vectors of `len` numbers: vector v is w[v * step + i * stride].
static void orthonormal(double *w, int64_t n, int64_t step, int64_t len, int64_t stride) {
    for (int64_t v = 0; v < n; v++) {
        double *a = w + v * step;
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t u = 0; u < v; u++) {
                const double *b = w + u * step;
                double dot = 0;
                for (int64_t i = 0; i < len; i++) dot += a[i * stride] * b[i * stride];
                for (int64_t i = 0; i < len; i++) a[i * stride] -= dot * b[i * stride];
            }
        }
        onto_unit(a, len, stride);
    }
}

static void symmetric(double *w, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) w[i * n + j] = w[j * n + i] = 0.5 * (w[i * n + j] + w[j * n + i]);
}

nrg_status nrg_domain_restore(nrg_ctx *c, const nrg_domain *d, const nrg_shape *s, double *w) {
    int64_t count = nrg_shape_count(s), last = s->rank ? s->dim[s->rank - 1] : 1, rows = last ? count / last : 0;
    bool matrix = s->rank == 2;
    switch (d->kind) {
    case NRG_DOM_ALL: return NRG_OK;
    case NRG_DOM_RANGE: clamp(d, count, w); return NRG_OK;
    case NRG_DOM_SIMPLEX:
        for (int64_t r = 0; r < rows; r++) onto_simplex(w + r * last, last);
        return NRG_OK;
    case NRG_DOM_SPHERE:
        for (int64_t r = 0; r < rows; r++) onto_unit(w + r * last, last, 1);
        return NRG_OK;
    case NRG_DOM_UNIT_COLUMNS:
        for (int64_t k = 0; k < last; k++) onto_unit(w + k, rows, last);
        return NRG_OK;
    case NRG_DOM_ORTHONORMAL:
        if (matrix && s->dim[0] <= s->dim[1]) orthonormal(w, s->dim[0], last, last, 1);
        else if (matrix) orthonormal(w, last, 1, s->dim[0], last);
        return NRG_OK;
    case NRG_DOM_SYMMETRIC:
        if (matrix && s->dim[0] == s->dim[1]) symmetric(w, last);
        return NRG_OK;
    default: return nrg_fail(c, NRG_E071, d->span, "weights in a combinatorial domain");
    }
}
