// Normal equations: second derivatives by passes over the data, many directions in each, then Cholesky in double on the
// host. Systems that share one matrix (columns of a linear layer under squared error) are found by comparing; it is
// then made once, and every system carries another of its columns through the data.
#include "train/exact.h"
#include <math.h>
#include <string.h>

typedef struct {
    double *H, *L, *out; // [systems, B, B]; factor of one; what a pass gave: [many, n]
    double *scale, *v;   // [B]; directions [many, n]
    double *d, *r;       // [B, SIDES] each: steps, residuals
    bool shared;
    size_t bytes, H_bytes;
} room;

enum { SIDES = 32 }; // systems with one matrix that are solved side by side

static void leave(nrg_trainer *t, room *r) {
    if (r->out) nrg_mem(t->ctx, r->out, r->bytes, 0);
    if (r->L) nrg_mem(t->ctx, r->L, r->H_bytes, 0);
}

static nrg_status enter(nrg_trainer *t, const nrg_exact_block *b, room *r) {
    int64_t wide = b->many * b->n;
    r->bytes = (size_t)(2 * wide + (1 + 2 * SIDES) * b->B + 1) * sizeof(double);
    if (!(r->out = nrg_mem(t->ctx, NULL, 0, r->bytes))) return NRG_E098;
    r->v = r->out + wide;
    r->scale = r->v + wide;
    r->d = r->scale + b->B;
    r->r = r->d + SIDES * b->B;
    return NRG_OK;
}

// Puts v [many, n] into the store, weight by weight, takes a pass, and reorders what it gave into out [many, n].
static nrg_status along(nrg_trainer *t, nrg_exact_block *b, room *r) {
    int64_t from = 0;
    for (uint32_t i = 0; i < b->params; i++) {
        const nrg_param *q = &t->m->params.at[b->param[i]];
        int64_t n = nrg_shape_count(&q->shape);
        const char *name = nrg_exact_direction(&b->second.arena, q);
        if (!name) return NRG_E098;
        void *data;
        TRY(nrg_store_make(t->store, name, b->many * n, &data));
        for (int64_t c = 0; c < b->many; c++)
            for (int64_t k = 0; k < n; k++) {
                double x = r->v[c * b->n + from + k];
                if (t->type == NRG_F64) ((double *)data)[c * n + k] = x;
                else ((float *)data)[c * n + k] = (float)x;
            }
        from += n;
    }
    return nrg_exact_pass(t, b->moments, &b->second, r->out, b->many * b->n);
}

// Place of number k in row c of what a pass gave: weights lie one after the other, each as [many, its numbers].
static int64_t place(const nrg_trainer *t, const nrg_exact_block *b, int64_t c, int64_t k) {
    int64_t from = 0;
    for (uint32_t i = 0; i < b->params; i++) {
        int64_t n = nrg_shape_count(&t->m->params.at[b->param[i]].shape);
        if (k < from + n) return from * b->many + c * n + k - from;
        from += n;
    }
    return 0;
}

// Column of row c of a pass in system s: shared systems carry different columns, others the same. Row 0 of a probing pass carries none.
static int64_t column(const nrg_exact_block *b, const room *r, int64_t first, bool probe, int64_t c, int64_t s) {
    if (probe && c == 0) return -1;
    return first + (c - probe) * (r->shared ? b->S : 1) + (r->shared ? s : 0);
}

// A pass with columns from `first` on. A probe sends one random direction through every system besides.
static nrg_status columns(nrg_trainer *t, nrg_exact_block *b, room *r, int64_t first, bool probe) {
    int64_t B = b->B;
    memset(r->v, 0, (size_t)(b->many * b->n) * sizeof(double));
    for (int64_t i = 0; i < B && probe; i++) {
        double x = nrg_random_normal(t->o.seed, NRG_FOR_DATA, 0, 0, (uint32_t)i);
        for (int64_t s = 0; s < b->S; s++) r->v[b->at[s * B + i]] = x;
    }
    for (int64_t c = 0; c < b->many; c++)
        for (int64_t s = 0; s < b->S; s++) {
            int64_t j = column(b, r, first, probe, c, s);
            if (j >= 0 && j < B) r->v[c * b->n + b->at[s * B + j]] = 1;
        }
    return along(t, b, r);
}

static void store(const nrg_trainer *t, const nrg_exact_block *b, const room *r, double *H, int64_t first, bool probe) {
    int64_t B = b->B;
    for (int64_t c = 0; c < b->many; c++)
        for (int64_t s = 0; s < b->S; s++) {
            int64_t j = column(b, r, first, probe, c, s);
            double *to = H + (r->shared ? 0 : s * B * B);
            for (int64_t i = 0; i < B && j >= 0 && j < B; i++) to[i * B + j] = r->out[place(t, b, c, b->at[s * B + i])];
        }
}

// Do all systems have one matrix? The same direction was sent through each, and what came back is compared: directions
// whose images under two different matrices agree have no volume.
static bool same(const nrg_trainer *t, const nrg_exact_block *b, const room *r) {
    double close = nrg_graph_type(b->second.g) == NRG_F64 ? 1e-12 : 1e-5, off = 0, size = 0;
    for (int64_t i = 0; i < b->B; i++) {
        double one = r->out[place(t, b, 0, b->at[i])];
        for (int64_t s = 1; s < b->S; s++) off = fmax(off, fabs(r->out[place(t, b, 0, b->at[s * b->B + i])] - one));
        size = fmax(size, fabs(one));
    }
    return off <= close * size;
}

static nrg_status matrices(nrg_trainer *t, nrg_exact_block *b, room *r) {
    int64_t B = b->B, first = 0;
    r->shared = b->S > 1 && B > 1;
    if (r->shared) TRY(columns(t, b, r, 0, true));
    r->shared = r->shared && same(t, b, r);
    r->H_bytes = (size_t)(((r->shared ? 1 : b->S) + 1) * B * B + 1) * sizeof(double);
    if (!(r->L = nrg_mem(t->ctx, NULL, 0, r->H_bytes))) return NRG_E098;
    r->H = r->L + B * B;
    if (r->shared) {
        store(t, b, r, r->H, 0, true);
        first = (b->many - 1) * b->S;
    }
    for (; first < B; first += b->many * (r->shared ? b->S : 1)) {
        TRY(columns(t, b, r, first, false));
        store(t, b, r, r->H, first, false);
    }
    return NRG_OK;
}

// ---- Cholesky: H d = g for a symmetric H [B, B] that may be singular; numbers without curvature of their own stay.

// Scaled to a unit diagonal first, so that units of the data do not matter.
static void factor(const double *H, double *L, double *scale, int64_t B) {
    for (int64_t i = 0; i < B; i++) scale[i] = H[i * B + i] > 0 ? 1 / sqrt(H[i * B + i]) : 0;
    for (int64_t i = 0; i < B; i++)
        for (int64_t j = 0; j <= i; j++) L[i * B + j] = 0.5 * (H[i * B + j] + H[j * B + i]) * scale[i] * scale[j];
    for (int64_t i = 0; i < B; i++) { // row by row
        double *Li = L + i * B;
        for (int64_t j = 0; j <= i; j++) {
            const double *Lj = L + j * B;
            double s = Li[j];
            for (int64_t k = 0; k < j; k++) s -= Li[k] * Lj[k];
            if (j < i) Li[j] = Lj[j] > 0 ? s / Lj[j] : 0;
            else Li[j] = s > 1e-11 ? sqrt(s) : 0; // below: depends on the numbers before it
        }
    }
}

// Rows of n numbers, one a system.
static void row_out(double *restrict x, const double *restrict from, double by, int64_t n) {
    for (int64_t c = 0; c < n; c++) x[c] -= by * from[c];
}

static void row_by(double *x, double by, int64_t n) {
    for (int64_t c = 0; c < n; c++) x[c] *= by;
}

static void substitute(const double *L, const double *scale, double *x, int64_t B, int64_t n) {
    for (int64_t i = 0; i < B; i++) {
        row_by(x + i * n, scale[i], n);
        for (int64_t k = 0; k < i; k++) row_out(x + i * n, x + k * n, L[i * B + k], n);
        row_by(x + i * n, L[i * B + i] > 0 ? 1 / L[i * B + i] : 0, n);
    }
    for (int64_t i = B - 1; i >= 0; i--) {
        row_by(x + i * n, L[i * B + i] > 0 ? 1 / L[i * B + i] : 0, n);
        for (int64_t k = 0; k < i; k++) row_out(x + k * n, x + i * n, L[i * B + k], n);
    }
    for (int64_t i = 0; i < B; i++) row_by(x + i * n, scale[i], n);
}

// Systems s to s + n - 1, which share H.
static void solve(const nrg_exact_block *b, room *r, const double *H, int64_t s, int64_t n, const double *g, double *w) {
    int64_t B = b->B;
    const int64_t *at = b->at + s * B;
    for (int64_t c = 0; c < n; c++)
        for (int64_t i = 0; i < B; i++) r->d[i * n + c] = r->r[i * n + c] = g[at[c * B + i]];
    substitute(r->L, r->scale, r->d, B, n);
    for (int64_t i = 0; i < B && b->pure; i++) // one refinement against its own matrix; latents would move anyway
        for (int64_t k = 0; k < B; k++) row_out(r->r + i * n, r->d + k * n, H[i * B + k], n);
    if (b->pure) substitute(r->L, r->scale, r->r, B, n);
    for (int64_t c = 0; c < n; c++)
        for (int64_t i = 0; i < B; i++) w[at[c * B + i]] -= r->d[i * n + c] + (b->pure ? r->r[i * n + c] : 0);
}

static void step(const nrg_exact_block *b, room *r, const double *g, double *w) {
    int64_t together = r->shared ? SIDES : 1;
    for (int64_t s = 0; s < b->S; s += together) {
        const double *H = r->H + (r->shared ? 0 : s * b->B * b->B);
        if (s == 0 || !r->shared) factor(H, r->L, r->scale, b->B);
        solve(b, r, H, s, b->S - s < together ? b->S - s : together, g, w);
    }
}

// Where no latents move with the weights, the gradient at the new weights is what the solve left over: a second step
// with it takes back most of what squaring the condition number cost.
static nrg_status refine(nrg_trainer *t, nrg_exact_block *b, room *r, double *g, double *w) {
    nrg_exact_numbers(t, b, w, true);
    if (!b->pure || b->B < 2) return NRG_OK;
    TRY(nrg_exact_pass(t, NULL, b->moments ? &b->data : &b->first, g, b->n));
    step(b, r, g, w);
    nrg_exact_numbers(t, b, w, true);
    return NRG_OK;
}

nrg_status nrg_normal_step(nrg_trainer *t, nrg_exact_block *b, double *g, double *w) {
    room r = {0};
    nrg_status s = enter(t, b, &r);
    if (s == NRG_OK) s = matrices(t, b, &r);
    if (s == NRG_OK) {
        step(b, &r, g, w);
        s = refine(t, b, &r, g, w);
    }
    leave(t, &r);
    return s;
}

nrg_status nrg_normal_curvature(nrg_trainer *t, nrg_exact_block *b, double *h) {
    room r = {0};
    nrg_status s = enter(t, b, &r);
    if (s == NRG_OK) {
        for (int64_t i = 0; i < b->many * b->n; i++) r.v[i] = 1;
        s = along(t, b, &r);
    }
    for (int64_t i = 0; s == NRG_OK && i < b->n; i++) h[i] = r.out[place(t, b, 0, i)];
    leave(t, &r);
    return s;
}
