// Rounds looked ahead of: from the last few rounds x -> g(x), the mixture whose step g(x) - x is the shortest (Anderson 1965). Near the
// end rounds are nearly linear, and then this takes as many as conjugate gradients would, not as many as plain repetition.
#include "train/exact.h"
#include <string.h>

enum { AHEAD_OLDER = NRG_AHEAD_KEPT - 1 };

static double *slot(const nrg_ahead *a, double *of, int64_t back) { return of + ((int64_t)*a->rounds - 1 - back) % NRG_AHEAD_KEPT * a->n; }

void nrg_ahead_push(nrg_ahead *a, const double *x, const double *g) {
    if (++*a->rounds > 1e9) *a->rounds = 1e9;
    if (*a->kept < NRG_AHEAD_KEPT) ++*a->kept;
    double *to = slot(a, a->g, 0), *step = slot(a, a->step, 0);
    memcpy(to, g, (size_t)a->n * sizeof *g);
    for (int64_t i = 0; i < a->n; i++) step[i] = g[i] - x[i];
}

void nrg_ahead_forget(nrg_ahead *a) { *a->kept = *a->kept > 1 ? 1 : *a->kept; }

// Solves the small symmetric system in place; false: it is singular.
static bool small(double A[AHEAD_OLDER][AHEAD_OLDER], double *b, int n) {
    for (int i = 0; i < n; i++) {
        if (!(A[i][i] > 0)) return false;
        for (int k = i + 1; k < n; k++) {
            double by = A[k][i] / A[i][i];
            for (int j = i; j < n; j++) A[k][j] -= by * A[i][j];
            b[k] -= by * b[i];
        }
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int j = i + 1; j < n; j++) b[i] -= A[i][j] * b[j];
        b[i] /= A[i][i];
    }
    return true;
}

bool nrg_ahead_guess(const nrg_ahead *a, double *to) {
    int older = (int)*a->kept - 1;
    double A[AHEAD_OLDER][AHEAD_OLDER] = {{0}}, share[AHEAD_OLDER] = {0}, trace = 0;
    if (older < 1) return false;
    const double *now = slot(a, a->step, 0), *g = slot(a, a->g, 0);
    for (int i = 0; i < older; i++) {
        const double *p = slot(a, a->step, i + 1);
        for (int64_t k = 0; k < a->n; k++) share[i] += (now[k] - p[k]) * now[k];
        for (int j = 0; j <= i; j++) {
            const double *q = slot(a, a->step, j + 1);
            double sum = 0;
            for (int64_t k = 0; k < a->n; k++) sum += (now[k] - p[k]) * (now[k] - q[k]);
            A[i][j] = A[j][i] = sum;
        }
        trace += A[i][i];
    }
    for (int i = 0; i < older; i++) A[i][i] += 1e-12 * trace;
    if (!small(A, share, older)) return false;
    memcpy(to, g, (size_t)a->n * sizeof *to);
    for (int i = 0; i < older; i++) {
        const double *p = slot(a, a->g, i + 1);
        for (int64_t k = 0; k < a->n; k++) to[k] -= share[i] * (g[k] - p[k]);
    }
    return true;
}
