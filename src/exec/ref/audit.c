// Structure claims tried at random points, by differences of values only: a claim is about y as a function of v, so it is
// tried without the derivatives that it is used to choose.
#include "exec/exec.h"
#include <math.h>
#include <string.h>

typedef struct {
    nrg_ctx *ctx;
    const nrg_graph *g;
    int64_t n;
    nrg_node y, v;
    const nrg_attr *claim;
    uint64_t seed;
    uint32_t draw;
    const double **inputs;
    double *x, *base, *d, *e; // v as evaluated; its base point; two directions
    double *f[5];             // values of y
    int64_t vn, yn;
} audit;

static double normal(audit *a) {
    return nrg_random_normal(a->seed, NRG_FOR_NOISE, 0, 0, a->draw++);
}
static double uniform(audit *a) {
    return nrg_random_uniform(a->seed, NRG_FOR_NOISE, 1, 0, a->draw++);
}

static nrg_status at(audit *a, double s, double t, double *y) { // y at base + s d + t e
    double *r[1] = {y};
    for (int64_t i = 0; i < a->vn; i++) a->x[i] = a->base[i] + s * a->d[i] + t * a->e[i];
    return nrg_ref_eval(a->ctx, a->g, a->n, a->inputs, a->seed, 0, &a->y, 1, r);
}

static void point(audit *a) {
    for (int64_t i = 0; i < a->vn; i++) {
        a->base[i] = a->claim->log_affine ? 0.5 + uniform(a) : normal(a);
        a->d[i] = a->claim->log_affine ? 0.1 * uniform(a) : normal(a);
        a->e[i] = 0;
    }
}

static nrg_status failed(audit *a, const char *what, double by) {
    return nrg_fail(a->ctx, NRG_E099, nrg_graph_node(a->g, a->y)->span,
                    "a structure claim is false: %s, off by %.3g of its size", what, by);
}

// |sum of w f| against |w| |f|: differences of order k of a polynomial of degree below k vanish but for rounding.
static nrg_status vanishes(audit *a, const double *w, int terms, const char *what) {
    for (int64_t i = 0; i < a->yn; i++) {
        double sum = 0, size = 1e-6;
        for (int k = 0; k < terms; k++) sum += w[k] * a->f[k][i], size += fabs(w[k] * a->f[k][i]);
        if (isfinite(sum) && fabs(sum) > 1e-7 * size) return failed(a, what, fabs(sum) / size);
    }
    return NRG_OK;
}

static nrg_status degree(audit *a) {
    static const double w[3][4] = {{-1, 1}, {1, -2, 1}, {-1, 3, -3, 1}};
    static const char *const what[3] = {"constant", "affine", "quadratic"};
    int k = a->claim->degree;
    if (k < 0 || k > 2) return NRG_OK;
    point(a);
    for (int t = 0; t < k + 2; t++) TRY(at(a, t, 0, a->f[t]));
    return vanishes(a, w[k], k + 2, what[k]);
}

// Position along axis `axis` of number i of v (leading axes and samples count as parts of the number's place).
static int64_t position(const audit *a, int64_t i, int axis) {
    const nrg_shape *s = &nrg_graph_node(a->g, a->v)->shape;
    for (int k = s->rank - 1; k > axis; k--) i /= s->dim[k];
    return i % s->dim[axis];
}

// Moving one position and moving another one add up.
static nrg_status separable(audit *a, int axis) {
    static const double w[4] = {1, -1, -1, 1};
    int64_t size = nrg_graph_node(a->g, a->v)->shape.dim[axis];
    if (size < 2) return NRG_OK;
    point(a);
    int64_t p = (int64_t)(uniform(a) * (double)size),
            q = (p + 1 + (int64_t)(uniform(a) * (double)(size - 1))) % size;
    for (int64_t i = 0; i < a->vn; i++) {
        a->e[i] = position(a, i, axis) == q ? a->d[i] : 0;
        if (position(a, i, axis) != p) a->d[i] = 0;
    }
    for (int k = 0; k < 4; k++) TRY(at(a, k & 1, k >> 1, a->f[k]));
    return vanishes(a, w, 4, "separable");
}

// Is there a row between v and y that leaves all bounds somewhere? On a line a pole looks like a kink.
static bool has_pole(const audit *a) {
    for (uint32_t i = 1; i <= a->y.i; i++) {
        const nrg_node_info *x = nrg_graph_node(a->g, (nrg_node){i});
        nrg_op op = x->op;
        bool pole = op == NRG_OP_log || op == NRG_OP_recip || op == NRG_OP_pow ||
                    op == NRG_OP_div || (op >= NRG_OP_chol && op <= NRG_OP_logdet);
        nrg_node from = op == NRG_OP_div ? x->in[1] : x->in[0];
        if (pole && nrg_depends(a->g, from, a->v) && nrg_depends(a->g, a->y, (nrg_node){i}))
            return true;
    }
    return false;
}

// Without kinks the second difference at a point falls with the square of the step; at a kink it falls with the step.
// Only kinks that the line crosses can be seen, and nothing where there are poles.
static nrg_status smooth(audit *a) {
    double worst[2] = {0, 0}, size = 1e-6;
    if (!a->claim->smooth || has_pole(a)) return NRG_OK;
    point(a);
    for (int fine = 0; fine < 2; fine++) {
        int steps = fine ? 128 : 64;
        double h = 0.25 / steps;
        for (int t = 0; t <= steps + 1; t++) {
            TRY(at(a, h * t, 0, a->f[t % 3]));
            for (int64_t i = 0; i < a->yn && t >= 2; i++) {
                double dd = a->f[t % 3][i] - 2 * a->f[(t + 2) % 3][i] + a->f[(t + 1) % 3][i];
                if (!isfinite(dd)) return NRG_OK;
                if (fabs(dd) > worst[fine]) worst[fine] = fabs(dd);
                if (fabs(a->f[t % 3][i]) > size) size = fabs(a->f[t % 3][i]);
            }
        }
    }
    bool seen = worst[1] > 1e-9 * size && worst[1] > worst[0] / 2.6;
    return seen ? failed(a, "smooth", worst[1] / size) : NRG_OK;
}

// Along one number x of v: y = a + b x + c log x, so four points fix a vanishing combination.
static nrg_status log_affine(audit *a) {
    if (!a->claim->log_affine || a->vn == 0) return NRG_OK;
    point(a);
    int64_t i = (int64_t)(uniform(a) * (double)a->vn);
    memset(a->d, 0, sizeof(double) * (size_t)a->vn);
    a->d[i] = a->base[i];
    for (int t = 0; t < 4; t++) TRY(at(a, t, 0, a->f[t])); // at 1, 2, 3 and 4 times the base
    // w with sum w = sum w t = sum w log t = 0, t = 1..4
    double l2 = log(2), l3 = log(3), l4 = log(4);
    double w3 = 1, w2 = -(l4 - 3 * l2) / (l3 - 2 * l2) * w3, w1 = -2 * w2 - 3 * w3,
           w0 = -w1 - w2 - w3;
    return vanishes(a, (double[]){w0, w1, w2, w3}, 4, "affine in v and log v");
}

static nrg_status all_claims(audit *a, int points) {
    const nrg_shape *s = &nrg_graph_node(a->g, a->v)->shape;
    for (int k = 0; k < points; k++) {
        TRY(degree(a));
        TRY(smooth(a));
        TRY(log_affine(a));
        for (int i = 0; i < s->rank; i++)
            if (a->claim->separable >> i & 1) TRY(separable(a, i));
    }
    return NRG_OK;
}

static int64_t total(const audit *a, nrg_node x) {
    return nrg_node_count(a->g, x) * (nrg_graph_node(a->g, x)->leads & NRG_SAMPLE ? a->n : 1);
}

nrg_status nrg_attr_audit(nrg_ctx *c, const nrg_graph *g, int64_t n, const double *const *inputs,
                          nrg_node y, nrg_node v, const nrg_attr *claim, uint64_t seed,
                          int points) {
    const nrg_node_info *x = nrg_graph_node(g, v);
    audit a = {.ctx = c, .g = g, .n = n, .y = y, .v = v, .claim = claim, .seed = seed};
    if (x->op != NRG_OP_input || !y.i || y.i > nrg_graph_size(g))
        return nrg_fail(c, NRG_E099, NRG_NOWHERE, "an audit is of a node with respect to an input");
    nrg_arena scratch = nrg_arena_make(c);
    uint32_t slots = nrg_input_count(g);
    a.vn = total(&a, v), a.yn = total(&a, y);
    double *all = NRG_NEWS(&scratch, double, 4 * a.vn + 5 * a.yn + 1);
    a.inputs = (const double **)NRG_NEWS(&scratch, double *, slots);
    nrg_status s = NRG_E098;
    if (all && a.inputs) {
        a.x = all, a.base = all + a.vn, a.d = all + 2 * a.vn, a.e = all + 3 * a.vn;
        for (int k = 0; k < 5; k++) a.f[k] = all + 4 * a.vn + k * a.yn;
        for (uint32_t k = 0; k < slots; k++) a.inputs[k] = k == x->par.input.slot ? a.x : inputs[k];
        s = all_claims(&a, points);
    }
    nrg_arena_free(&scratch);
    return s;
}
