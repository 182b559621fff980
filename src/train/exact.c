// optimize by exact: closed forms found by structure. With latents held at their best values, or their probabilities
// held (expectation-maximisation), the loss is quadratic in a block of weights: w = w - H^-1 g in one round; or it is a
// p - b log p in every number: p = b / a, on a simplex p = b / (a + t). Lloyd, alternating least squares, normal
// equations and EM are this.
#include "train/exact.h"
#include <math.h>
#include <string.h>

enum { COUPLED_MOST = 4096, DIRECTIONS_MOST = 64 }; // unknowns of a system; directions a pass takes

typedef struct {
    NRG_LIST(nrg_exact_block) blocks;
    double *meta; // by META_ below
    bool fresh;   // what is held belongs to the weights at hand
    nrg_moments *moments; // stand for the data, or NULL
    nrg_ahead ahead;      // n 0: rounds are not looked ahead of
    bool along;           // the pass for the loss has what the next round needs: gradient, then curvature
    double *from, *to;    // [n] weights before and after a round
    bool begin;           // where rounds begin is ours to choose: there are as many as change anything
} exact;

enum { META_ROUNDS, META_LOSS, META_CALM, META_PUSHED, META_KEPT, META_COUNT }; // loss: after the last round; calm: rounds that changed nothing

// ---- structure ---------------------------------------------------------------------------------------------------

// The loss of one sample and the regularisers in one node, with latents held.
static nrg_status objective(nrg_trainer *t, nrg_program *p, nrg_dtype type, nrg_loss *l, nrg_node *y) {
    nrg_infer_options o = {.threads = t->o.threads, .batch = t->rows_n < NRG_CHUNK ? t->rows_n : NRG_CHUNK};
    TRY(nrg_program_new(t->m, type, &o, p));
    TRY(nrg_loss_build(p, t->bound, t->store, true, l));
    *y = l->sample.i ? nrg_add(p->g, l->sample, l->once) : l->once;
    return nrg_graph_check(p->g);
}

static uint32_t stops(nrg_program *p, nrg_node *at) {
    uint32_t n = 0;
    for (uint32_t i = 1; i <= nrg_graph_size(p->g); i++)
        if (nrg_graph_node(p->g, (nrg_node){i})->op == NRG_OP_stop) at[n++] = (nrg_node){i};
    return n;
}

// What is held becomes an input: to the structure it is a constant, wherever it came from.
static nrg_status constants(nrg_program *p, nrg_node *y) {
    uint32_t size = nrg_graph_size(p->g);
    nrg_node *stop = NRG_NEWS(&p->arena, nrg_node, size + 1), *by = NRG_NEWS(&p->arena, nrg_node, size + 1);
    if (!stop || !by) return NRG_E098;
    uint32_t n = stops(p, stop);
    for (uint32_t i = 0; i < n; i++) {
        char name[32];
        const nrg_node_info *info = nrg_graph_node(p->g, stop[i]);
        snprintf(name, sizeof name, "held:%u", i);
        by[i] = nrg_input(p->g, name, info->leads, info->shape);
    }
    *y = nrg_graph_copy(p->g, p->g, *y, stop, by, (int)n);
    return nrg_graph_check(p->g);
}

static int64_t size_of(const nrg_trainer *t, uint32_t param) { return nrg_shape_count(&t->m->params.at[param].shape); }

// Weights together as rows of a common width: their last axis, where all agree, else 1.
static int64_t common_width(const nrg_trainer *t, const uint32_t *param, uint32_t n) {
    int64_t width = 0;
    for (uint32_t i = 0; i < n; i++) {
        const nrg_shape *s = &t->m->params.at[param[i]].shape;
        int64_t last = s->rank ? s->dim[s->rank - 1] : 1;
        if (last == 0 || (i && last != width)) return 1;
        width = last;
    }
    return width;
}

// Attributes of y in all these weights together, laid as rows [size / width, width].
static nrg_status jointly(nrg_trainer *t, nrg_program *p, nrg_node y, const uint32_t *param, uint32_t n,
                          nrg_attr *out) {
    int64_t width = common_width(t, param, n), total = 0, at = 0;
    for (uint32_t i = 0; i < n; i++) total += size_of(t, param[i]);
    char name[40];
    snprintf(name, sizeof name, "%sjoint:%u", NRG_HOLE, nrg_graph_size(p->g));
    nrg_node v = nrg_input(p->g, name, 0, nrg_shape_of(2, (int64_t[]){total / width, width}));
    nrg_node *from = NRG_NEWS(&p->arena, nrg_node, n + 1), *by = NRG_NEWS(&p->arena, nrg_node, n + 1);
    if (!from || !by) return NRG_E098;
    for (uint32_t i = 0; i < n; i++) {
        int64_t rows = size_of(t, param[i]) / width;
        from[i] = nrg_scope_param(p->scope, param[i]);
        by[i] = nrg_reshape(p->g, nrg_slice(p->g, v, 0, at, rows, 1), t->m->params.at[param[i]].shape);
        at += rows;
    }
    nrg_node joint = nrg_graph_copy(p->g, p->g, y, from, by, (int)n);
    TRY(nrg_graph_check(p->g));
    return nrg_attr_of(p->g, joint, v, out);
}

// Is there a second derivative between the last of these weights and one before it?
static nrg_status coupled(nrg_program *p, nrg_node y, const uint32_t *param, uint32_t n, bool *yes) {
    nrg_node *w = NRG_NEWS(&p->arena, nrg_node, n + 1), *d = NRG_NEWS(&p->arena, nrg_node, n + 1);
    if (!w || !d) return NRG_E098;
    for (uint32_t i = 0; i < n; i++) w[i] = nrg_scope_param(p->scope, param[i]);
    TRY(nrg_grad(p->g, y, NRG_BAD, w, (int)n - 1, d));
    *yes = false;
    for (uint32_t i = 0; i + 1 < n; i++) *yes = *yes || nrg_depends(p->g, d[i], w[n - 1]);
    return NRG_OK;
}

static nrg_status unfit(nrg_trainer *t, const nrg_team *gr, const nrg_param *p) {
    nrg_status s = nrg_fail(t->ctx, NRG_E026, gr->stmt->span, "optimize by exact has no closed form for %s", p->name);
    nrg_fact(t->ctx, "with latents held the loss must be quadratic in it, or a p - b log p in each number");
    nrg_help(t->ctx, "optimize %s by adam(...), or by lbfgs", p->owner);
    return s;
}

// Places of the numbers of a block: axes that no second derivative couples make independent systems.
static nrg_status layout(nrg_trainer *t, nrg_exact_block *b, nrg_shape s, uint32_t separable) {
    b->S = b->B = 1;
    for (int k = 0; k < s.rank; k++) *(separable >> k & 1 ? &b->S : &b->B) *= s.dim[k];
    if (!(b->at = NRG_NEWS(&t->arena, int64_t, b->n + 1))) return NRG_E098;
    for (int64_t i = 0; i < b->n; i++) {
        int64_t left = i, S = 1, B = 1, sys = 0, row = 0;
        for (int k = s.rank - 1; k >= 0; k--) {
            int64_t at = left % s.dim[k];
            left /= s.dim[k];
            if (separable >> k & 1) sys += at * S, S *= s.dim[k];
            else row += at * B, B *= s.dim[k];
        }
        b->at[sys * b->B + row] = i;
    }
    return NRG_OK;
}

static nrg_status push(nrg_trainer *t, exact *e, const uint32_t *param, uint32_t n, bool logs, uint32_t separable) {
    nrg_exact_block b = {.params = n, .logs = logs, .param = NRG_NEWS(&t->arena, uint32_t, n + 1)};
    if (!b.param) return NRG_E098;
    for (uint32_t i = 0; i < n; i++) b.param[i] = param[i], b.n += size_of(t, param[i]);
    int64_t width = common_width(t, param, n);
    nrg_shape s = n == 1 ? t->m->params.at[param[0]].shape : nrg_shape_of(2, (int64_t[]){b.n / width, width});
    TRY(layout(t, &b, s, logs ? ~0u : separable));
    return NRG_PUSH(&t->arena, e->blocks, b);
}

static uint32_t axes_apart(const nrg_attr *a) { return a->separable | (a->picked ? 1u : 0u); }

// Joins to param[0..n) those of rest[0..left) that second derivatives couple with them and that stay quadratic
// together. What is joined moves to the front part; a is then the attributes of all.
static nrg_status join(nrg_trainer *t, nrg_program *p, nrg_node y, uint32_t *param, uint32_t all, uint32_t *n,
                       nrg_attr *a) {
    for (uint32_t i = *n; i < all; i++) {
        uint32_t own = param[i];
        nrg_attr more;
        bool yes;
        param[i] = param[*n];
        param[*n] = own;
        TRY(coupled(p, y, param, *n + 1, &yes));
        if (yes) TRY(jointly(t, p, y, param, *n + 1, &more));
        if (yes && more.degree <= 2 && more.smooth) {
            *a = more;
            i = (*n)++; // those passed over may be coupled with this one
            continue;
        }
        param[*n] = param[i];
        param[i] = own;
    }
    return NRG_OK;
}

static nrg_status quadratic(nrg_trainer *t, nrg_program *p, nrg_node y, exact *e, uint32_t *param, uint32_t all) {
    for (uint32_t done = 0, n; done < all; done += n) {
        nrg_attr a;
        TRY(nrg_attr_of(p->g, y, nrg_scope_param(p->scope, param[done]), &a));
        n = 1;
        TRY(join(t, p, y, param + done, all - done, &n, &a));
        TRY(push(t, e, param + done, n, false, n == 1 ? axes_apart(&a) : a.separable & 2));
    }
    return NRG_OK;
}

static nrg_status classify(nrg_trainer *t, nrg_team *gr, exact *e, nrg_program *p) {
    nrg_loss l;
    nrg_node y;
    uint32_t n = 0;
    TRY(objective(t, p, t->type, &l, &y));
    if (l.sample.i) TRY(nrg_held_make(t, p, l.sample));
    TRY(constants(p, &y));
    uint32_t *quad = NRG_NEWS(&p->arena, uint32_t, gr->params + 1);
    if (!quad) return NRG_E098;
    for (uint32_t i = 0; i < gr->params; i++) {
        nrg_attr a;
        TRY(nrg_attr_of(p->g, y, nrg_scope_param(p->scope, gr->param[i]), &a));
        if (a.degree == 0) continue;
        if (a.degree <= 2 && a.smooth) quad[n++] = gr->param[i];
        else if (!a.log_affine) return unfit(t, gr, &t->m->params.at[gr->param[i]]);
    }
    TRY(quadratic(t, p, y, e, quad, n));
    for (uint32_t i = 0; i < gr->params; i++) { // after the quadratic ones: variances follow the new means
        nrg_attr a;
        TRY(nrg_attr_of(p->g, y, nrg_scope_param(p->scope, gr->param[i]), &a));
        if (a.degree > 2 && a.log_affine) TRY(push(t, e, &gr->param[i], 1, true, ~0u));
    }
    for (uint32_t i = 0; i < e->blocks.n; i++) {
        const nrg_exact_block *b = &e->blocks.at[i];
        if (b->B <= COUPLED_MOST && b->n <= (int64_t)(1 << 26) / (b->B + 1)) continue;
        return nrg_fail(t->ctx, NRG_E071, gr->stmt->span, "optimize by exact with %lld coupled numbers",
                        (long long)b->B);
    }
    return NRG_OK;
}

// ---- programs ----------------------------------------------------------------------------------------------------

static const char *old_name(nrg_arena *a, const nrg_param *p) { return nrg_arena_print(a, "old:%s", p->name); }

// Everything held (best latents, probabilities) read from the weights as they were at the start of the round.
static nrg_status hold(nrg_trainer *t, nrg_team *gr, nrg_program *p, nrg_node *sample) {
    nrg_node *from = NRG_NEWS(&p->arena, nrg_node, gr->params + 1), *by = NRG_NEWS(&p->arena, nrg_node, gr->params + 1);
    uint32_t size = nrg_graph_size(p->g);
    nrg_node *stop = NRG_NEWS(&p->arena, nrg_node, size + 1), *old = NRG_NEWS(&p->arena, nrg_node, size + 1);
    if (!from || !by || !stop || !old) return NRG_E098;
    for (uint32_t i = 0; i < gr->params; i++) {
        const nrg_param *q = &t->m->params.at[gr->param[i]];
        const char *name = old_name(&p->arena, q);
        if (!name) return NRG_E098;
        from[i] = nrg_scope_param(p->scope, gr->param[i]);
        by[i] = nrg_input(p->g, name, 0, q->shape);
    }
    uint32_t n = stops(p, stop);
    for (uint32_t i = 0; i < n; i++) old[i] = nrg_graph_copy(p->g, p->g, stop[i], from, by, (int)gr->params);
    if (n) *sample = nrg_graph_copy(p->g, p->g, *sample, stop, old, (int)n);
    return nrg_graph_check(p->g);
}

const char *nrg_exact_direction(nrg_arena *a, const nrg_param *q) { return nrg_arena_print(a, "exact:v:%s", q->name); }

// f with the weights of a block replaced by holes that carry the axis `lead`; what is held stays.
static nrg_status with_holes(nrg_trainer *t, const nrg_exact_block *b, nrg_program *p, nrg_leads lead, nrg_node *f,
                             nrg_node *hole) {
    uint32_t size = nrg_graph_size(p->g);
    nrg_node *from = NRG_NEWS(&p->arena, nrg_node, size + b->params + 1), *by;
    if (!from) return NRG_E098;
    uint32_t n = stops(p, from);
    if (!(by = NRG_NEWS(&p->arena, nrg_node, n + b->params + 1))) return NRG_E098;
    memcpy(by, from, n * sizeof *by);
    for (uint32_t i = 0; i < b->params; i++) {
        char name[40];
        snprintf(name, sizeof name, "%sweight:%u", NRG_HOLE, i);
        hole[i] = nrg_input(p->g, name, lead, t->m->params.at[b->param[i]].shape);
        from[n + i] = nrg_scope_param(p->scope, b->param[i]);
        by[n + i] = hole[i];
    }
    *f = nrg_graph_copy(p->g, p->g, *f, from, by, (int)(n + b->params));
    return nrg_graph_check(p->g);
}

// out[i]: second derivatives of f along `many` directions at once, [many, numbers of weight i]. lead 0: along ones.
static nrg_status second(nrg_trainer *t, const nrg_exact_block *b, nrg_program *p, nrg_leads lead, nrg_node f,
                         nrg_node *out) {
    nrg_graph *g = p->g;
    nrg_node *hole = NRG_NEWS(&p->arena, nrg_node, b->params + 1), *d = NRG_NEWS(&p->arena, nrg_node, b->params + 1);
    nrg_node *here = NRG_NEWS(&p->arena, nrg_node, b->params + 1), along = nrg_const(g, 0);
    if (!hole || !d || !here) return NRG_E098;
    TRY(with_holes(t, b, p, lead, &f, hole));
    TRY(nrg_grad(g, f, NRG_BAD, hole, (int)b->params, d));
    for (uint32_t i = 0; i < b->params; i++) {
        const nrg_param *q = &t->m->params.at[b->param[i]];
        const char *name = nrg_exact_direction(&p->arena, q);
        if (!name) return NRG_E098;
        along = nrg_add(g, along, nrg_sum_all(g, lead ? nrg_mul(g, d[i], nrg_input(g, name, lead, q->shape)) : d[i]));
        here[i] = nrg_expand(g, nrg_scope_param(p->scope, b->param[i]), q->shape, lead);
    }
    TRY(nrg_grad(g, along, NRG_BAD, hole, (int)b->params, d));
    for (uint32_t i = 0; i < b->params; i++) {
        int64_t n = size_of(t, b->param[i]);
        nrg_node x = nrg_graph_copy(g, g, d[i], hole, here, (int)b->params);
        out[i] = nrg_reshape(g, nrg_sums_apart(g, x), nrg_shape_of(1, &n));
        if (lead) out[i] = nrg_lower(g, out[i], lead, 0);
    }
    return nrg_graph_check(g);
}

static int64_t rows_at_once(const nrg_trainer *t, const nrg_moments *m) {
    if (m) return m->points;
    return t->rows_n < NRG_CHUNK ? t->rows_n : NRG_CHUNK;
}

// m: the moments whose points stand for the data, or NULL.
static nrg_status derivatives(nrg_trainer *t, nrg_team *gr, exact *e, nrg_exact_block *b, const nrg_moments *m, nrg_program *p, bool twice) {
    nrg_loss l;
    nrg_node y;
    // no latents: nothing is kept in the store's type, and double costs little beside what normal equations lose
    TRY(objective(t, p, m ? nrg_moments_type(t, m) : b->pure ? NRG_F64 : t->type, &l, &y));
    if (m && l.sample.i) TRY(nrg_moments_swap(t, m, p, &l.sample));
    if ((t->held || b->given) && l.sample.i) TRY(nrg_held_read(p, &l.sample));
    else if (e->blocks.n > 1 && l.sample.i) TRY(hold(t, gr, p, &l.sample));
    nrg_node *w = NRG_NEWS(&p->arena, nrg_node, b->params + 1), *out = NRG_NEWS(&p->arena, nrg_node, 2 * b->params + NRG_MOMENTS_OUT);
    if (!w || !out) return NRG_E098;
    nrg_leads lead = twice ? nrg_lead_new(p->g, "direction", b->many) : 0;
    for (uint32_t i = 0; i < b->params; i++) w[i] = nrg_scope_param(p->scope, b->param[i]);
    for (int part = 0; part < 2; part++) { // the sum over samples, then the regularisers
        nrg_node f = part ? l.once : l.sample.i ? l.sample : l.sum, *to = out + (uint32_t)part * b->params;
        if (twice) TRY(second(t, b, p, lead, f, to));
        else TRY(nrg_grad(p->g, f, NRG_BAD, w, (int)b->params, to));
    }
    int more = 0;
    if (m && !twice && b->where) TRY(nrg_moments_outputs(t, e->moments, p, out + 2 * b->params, &more));
    return nrg_program_plan(p, out, 2 * (int)b->params + more, NULL, 0, rows_at_once(t, m), t->o.threads);
}

// Gradient and curvature of a block of systems of one unknown, of the sum over samples, then of the regularisers.
static nrg_status alongside(nrg_trainer *t, void *own, nrg_program *p, const nrg_loss *l, nrg_node *out) {
    const nrg_exact_block *b = own;
    nrg_node *w = NRG_NEWS(&p->arena, nrg_node, b->params + 1);
    if (!w) return NRG_E098;
    for (uint32_t i = 0; i < b->params; i++) w[i] = nrg_scope_param(p->scope, b->param[i]);
    for (int part = 0; part < 2; part++, out += 2 * b->params) {
        TRY(nrg_grad(p->g, part ? l->once : l->sample, NRG_BAD, w, (int)b->params, out));
        TRY(second(t, b, p, 0, part ? l->once : l->sample, out + b->params));
    }
    return NRG_OK;
}

// Then the weights at hand, and what is held for them, need no passes of their own.
static nrg_status prepare_along(nrg_trainer *t, exact *e) {
    nrg_exact_block *b = e->blocks.at;
    if (!t->held || e->moments || e->blocks.n != 1 || b->B != 1 || t->teams.n != 1) return NRG_OK;
    t->along = (nrg_along){.build = alongside, .own = b, .outputs = 2 * (int)b->params, .n = 2 * b->n};
    if (!(t->along.mean = NRG_NEWS(&t->arena, double, 2 * b->n))) return NRG_E098;
    e->along = true;
    nrg_held_free(t);
    return NRG_OK;
}

static void means(const nrg_moments *m, const nrg_program *p, double *to, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] = p->values[i] / (double)m->points + p->values[n + i];
}

nrg_status nrg_exact_pass(nrg_trainer *t, const nrg_moments *m, nrg_program *p, double *to, int64_t n) {
    double scale = 1 / ((double)t->rows_n * t->mean_weight);
    if (m) {
        TRY(nrg_program_go(p, t->store, m->points, t->o.seed, (uint32_t)t->total));
        means(m, p, to, n);
        return NRG_OK;
    }
    for (int64_t i = 0; i < n; i++) to[i] = 0;
    for (int64_t at = 0; at < t->rows_n; at += NRG_CHUNK) {
        int64_t many = t->rows_n - at < NRG_CHUNK ? t->rows_n - at : NRG_CHUNK;
        TRY(nrg_bound_rows_set(t->bound, t->store, t->rows + at));
        TRY(nrg_held_rows(t, t->rows + at));
        TRY(nrg_program_go(p, t->store, many, t->o.seed, (uint32_t)t->total));
        for (int64_t i = 0; i < n; i++) to[i] += p->values[i];
    }
    for (int64_t i = 0; i < n; i++) to[i] = to[i] * scale + p->values[n + i];
    return NRG_OK;
}

// ---- rounds ------------------------------------------------------------------------------------------------------

// p = b / (a + t) with a row sum of one: the sum falls with t, so bisection finds it.
static void on_simplex(double *a, double *bb, double *w, int64_t n) {
    double lo = INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) sum += bb[i], lo = bb[i] > 0 ? fmin(lo, a[i]) : lo;
    if (!(sum > 0)) return;
    double left = -lo, right = sum - lo; // at `right` every part is at most b / sum
    for (int k = 0; k < 200; k++) {
        double mid = 0.5 * (left + right), s = 0;
        for (int64_t i = 0; i < n; i++) s += bb[i] > 0 ? bb[i] / (a[i] + mid) : 0;
        if (s > 1) left = mid;
        else right = mid;
    }
    double s = 0;
    for (int64_t i = 0; i < n; i++) w[i] = bb[i] > 0 ? bb[i] / (a[i] + right) : 0, s += w[i];
    for (int64_t i = 0; i < n; i++) w[i] /= s;
}

// From gradient a - b / p and curvature b / p^2.
static void logs(const nrg_param *q, const double *g, const double *h, double *w, double *scratch, int64_t n) {
    double *a = scratch, *b = scratch + n;
    for (int64_t i = 0; i < n; i++) {
        b[i] = w[i] * w[i] * h[i];
        a[i] = w[i] > 0 ? g[i] + b[i] / w[i] : g[i];
    }
    if (q->domain.kind == NRG_DOM_SIMPLEX && q->shape.rank) {
        int64_t row = q->shape.dim[q->shape.rank - 1];
        for (int64_t i = 0; i + row <= n && row > 0; i += row) on_simplex(a + i, b + i, w + i, row);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        if (a[i] > 0 && b[i] > 0) w[i] = b[i] / a[i];
}

void nrg_exact_numbers(nrg_trainer *t, const nrg_exact_block *b, double *w, bool put) {
    nrg_team part = {.param = b->param, .params = b->params};
    if (put) nrg_team_put(t, &part, w);
    else nrg_team_get(t, &part, w);
}

// Directions a pass takes: as many as there are, within bounds of memory. Where systems may share a matrix one more looks whether they do,
// and the others serve all systems at once.
static int64_t directions(const nrg_trainer *t, const nrg_exact_block *b) {
    int64_t room = ((int64_t)1 << 25) / (rows_at_once(t, b->moments) * b->n + 1);
    int64_t want = b->S > 1 && b->B > 1 ? 1 + (b->B + b->S - 1) / b->S : b->B;
    int64_t most = want < DIRECTIONS_MOST ? want : DIRECTIONS_MOST, least = most < 2 ? 1 : 2;
    return room < least ? least : room < most ? room : most;
}

static nrg_status prepare(nrg_trainer *t, nrg_team *gr, exact *e, nrg_exact_block *b) {
    if (b->first.run && b->second.run) return NRG_OK;
    b->moments = e->moments;
    b->many = directions(t, b);
    if (e->blocks.n == 1 && b->moments && !b->logs && !(b->where = NRG_NEWS(&t->arena, double, b->n))) return NRG_E098;
    TRY(derivatives(t, gr, e, b, b->moments, &b->first, false));
    bool pure = !b->logs;
    for (uint32_t i = 1; i <= nrg_graph_size(b->first.g); i++)
        if (nrg_graph_node(b->first.g, (nrg_node){i})->op == NRG_OP_stop) pure = false;
    b->pure = pure;
    if (pure && t->type != NRG_F64 && !b->moments) {
        nrg_program_free(&b->first);
        TRY(derivatives(t, gr, e, b, NULL, &b->first, false));
    }
    if (pure && b->moments && b->B > 1) TRY(derivatives(t, gr, e, b, NULL, &b->data, false));
    return derivatives(t, gr, e, b, b->moments, &b->second, true);
}

// The gradient g at the weights w of a block; not computed again where it is known.
static nrg_status slope(nrg_trainer *t, nrg_exact_block *b, const double *w, double *g) {
    size_t bytes = (size_t)b->n * sizeof *w;
    if (b->known && memcmp(w, b->where, bytes) == 0) means(b->moments, &b->first, g, b->n);
    else TRY(nrg_exact_pass(t, b->moments, &b->first, g, b->n));
    b->known = b->where != NULL;
    if (b->known) memcpy(b->where, w, bytes);
    return NRG_OK;
}

// The loss after a round. With moments its gradient, which the next round begins with, comes along.
static nrg_status loss_now(nrg_trainer *t, exact *e, double *loss) {
    nrg_exact_block *b = e->blocks.n == 1 ? e->blocks.at : NULL;
    if (!e->moments) return nrg_pass_loss(t, &t->value, t->bound, t->rows, t->rows_n, loss);
    TRY(nrg_loss_clock(t->m, t->store, t->epochs > 0 ? (double)t->epoch / (double)t->epochs : 0));
    if (!b || !b->where) return nrg_moments_loss(t, e->moments, loss);
    size_t bytes = (size_t)(2 * b->n + 1) * sizeof(double);
    double *w = nrg_mem(t->ctx, NULL, 0, bytes);
    if (!w) return NRG_E098;
    nrg_exact_numbers(t, b, w, false);
    nrg_status s = slope(t, b, w, w + b->n);
    if (s == NRG_OK) *loss = nrg_moments_read(t, e->moments, b->first.values + 2 * b->n);
    nrg_mem(t->ctx, w, bytes, 0);
    return s;
}

// Numbers without curvature stay.
static void apart(const double *g, const double *h, double *w, int64_t n) {
    for (int64_t i = 0; i < n; i++) w[i] -= h[i] > 0 ? g[i] / h[i] : 0;
}

static nrg_status improve(nrg_trainer *t, nrg_team *gr, exact *e, nrg_exact_block *b) {
    if (!e->along) TRY(prepare(t, gr, e, b));
    size_t bytes = (size_t)(5 * b->n + 1) * sizeof(double);
    double *g = nrg_mem(t->ctx, NULL, 0, bytes);
    if (!g) return NRG_E098;
    double *w = g + b->n, *h = g + 2 * b->n, *scratch = g + 3 * b->n;
    nrg_exact_numbers(t, b, w, false);
    if (e->along) memcpy(g, t->along.mean, (size_t)b->n * sizeof *g), memcpy(h, t->along.mean + b->n, (size_t)b->n * sizeof *h);
    nrg_status s = e->along ? NRG_OK : slope(t, b, w, g);
    if (s == NRG_OK && b->logs && !e->along) s = nrg_normal_curvature(t, b, h);
    if (s == NRG_OK && b->logs) logs(&t->m->params.at[b->param[0]], g, h, w, scratch, b->n);
    else if (s == NRG_OK && e->along) apart(g, h, w, b->n);
    if (s == NRG_OK && (b->logs || e->along)) nrg_exact_numbers(t, b, w, true);
    else if (s == NRG_OK) s = nrg_normal_step(t, b, g, w);
    nrg_mem(t->ctx, g, bytes, 0);
    nrg_team part = {.param = b->param, .params = b->params};
    return s == NRG_OK ? nrg_team_project(t, &part) : s;
}

// ---- the five words ----------------------------------------------------------------------------------------------

enum { ROUNDS_MOST = 1000 };

// Rounds cost little here: unless it is written how many or how exactly, there are as many as change anything.
static nrg_status to_the_end(nrg_trainer *t, nrg_team *gr, exact *e) {
    double x;
    bool rounds, tol;
    TRY(nrg_team_number(t, gr, "rounds", &x, &rounds));
    TRY(nrg_team_number(t, gr, "tol", &x, &tol));
    if (!rounds) t->epochs = gr->epochs = ROUNDS_MOST;
    e->begin = !rounds;
    if (!rounds && !tol) gr->tol = 1e-9;
    return NRG_OK;
}

// Rounds follow each other smoothly where latents have closed forms and nothing else moves the weights.
static nrg_status prepare_ahead(nrg_trainer *t, nrg_team *gr, exact *e) {
    const nrg_exact_block *b = e->blocks.at;
    if (!e->moments || e->moments->still || e->blocks.n != 1 || b->logs || t->teams.n != 1) return NRG_OK;
    int64_t kept = NRG_AHEAD_KEPT * b->n;
    nrg_ahead a = {.n = b->n, .rounds = e->meta + META_PUSHED, .kept = e->meta + META_KEPT};
    const char *g = nrg_arena_print(&t->arena, "opt:exact:%d:ends", (int)gr->order);
    const char *step = nrg_arena_print(&t->arena, "opt:exact:%d:steps", (int)gr->order);
    a.g = NRG_NEWS(&t->arena, double, kept);
    a.step = NRG_NEWS(&t->arena, double, kept);
    e->from = NRG_NEWS(&t->arena, double, b->n);
    e->to = NRG_NEWS(&t->arena, double, b->n);
    if (!g || !step || !a.g || !a.step || !e->from || !e->to) return NRG_E098;
    e->ahead = a;
    TRY(to_the_end(t, gr, e));
    TRY(nrg_state_own(t, g, a.g, kept));
    return nrg_state_own(t, step, a.step, kept);
}

static nrg_status make(nrg_trainer *t, nrg_team *gr) {
    exact *e = NRG_NEW(&t->arena, exact);
    nrg_program p = {0};
    if (!e || !(e->meta = NRG_NEWS(&t->arena, double, META_COUNT))) return NRG_E098;
    gr->own = e;
    nrg_status s = classify(t, gr, e, &p);
    nrg_program_free(&p);
    TRY(s);
    if (e->blocks.n) TRY(nrg_moments_find(t, &e->moments));
    if (e->moments) {
        nrg_held_free(t); // a few points have it at hand
        t->seen_rows = e->moments->from[e->moments->atoms] + 1;
    }
    TRY(prepare_along(t, e));
    const char *name = nrg_arena_print(&t->arena, "opt:exact:%d", (int)gr->order);
    if (!name) return NRG_E098;
    TRY(nrg_state_own(t, name, e->meta, META_COUNT));
    return prepare_ahead(t, gr, e);
}

static nrg_status remember(nrg_trainer *t, const nrg_team *gr) {
    for (uint32_t i = 0; i < gr->params; i++) {
        const nrg_param *q = &t->m->params.at[gr->param[i]];
        int64_t n = nrg_shape_count(&q->shape);
        char name[300];
        void *data;
        snprintf(name, sizeof name, "old:%s", q->name);
        TRY(nrg_store_make(t->store, name, n, &data));
        memcpy(data, nrg_store_get(t->store, q->name)->data,
               (size_t)n * (t->type == NRG_F64 ? sizeof(double) : sizeof(float)));
    }
    return NRG_OK;
}

static nrg_status put_projected(nrg_trainer *t, nrg_team *gr, const nrg_exact_block *b, double *w) {
    nrg_exact_numbers(t, b, w, true);
    return nrg_team_project(t, gr);
}

// The weights that are best for principal components as codes, in w.
static nrg_status principal(nrg_trainer *t, nrg_team *gr, exact *e, double *w, bool *made) {
    nrg_exact_block b = e->blocks.at[0];
    nrg_program p = {0};
    nrg_loss l;
    nrg_node y;
    b.given = true, b.where = NULL, b.first = b.second = b.data = (nrg_program){0};
    *made = false;
    double *g = nrg_mem(t->ctx, NULL, 0, (size_t)(b.n + 1) * sizeof *g);
    nrg_status s = g ? objective(t, &p, nrg_moments_type(t, e->moments), &l, &y) : NRG_E098;
    if (s == NRG_OK) s = nrg_moments_swap(t, e->moments, &p, &l.sample);
    if (s == NRG_OK) s = nrg_principal_codes(t, e->moments, &p, l.sample, made);
    if (s == NRG_OK && *made) s = derivatives(t, gr, e, &b, b.moments, &b.first, false);
    if (s == NRG_OK && *made) s = derivatives(t, gr, e, &b, b.moments, &b.second, true);
    if (s == NRG_OK && *made) s = nrg_exact_pass(t, b.moments, &b.first, g, b.n);
    if (s == NRG_OK && *made) s = nrg_normal_step(t, &b, g, w);
    nrg_program_free(&p);
    nrg_program_free(&b.first);
    nrg_program_free(&b.second);
    nrg_principal_free(e->moments);
    if (g) nrg_mem(t->ctx, g, (size_t)(b.n + 1) * sizeof *g, 0);
    return s;
}

// Before the first round: components are where rounds begin, unless the weights at hand are as good.
static nrg_status start(nrg_trainer *t, nrg_team *gr, exact *e) {
    nrg_exact_block *b = e->blocks.at;
    double before, after;
    bool made;
    TRY(prepare(t, gr, e, b));
    if (b->pure) return NRG_OK;
    TRY(loss_now(t, e, &before));
    nrg_exact_numbers(t, b, e->from, false);
    memcpy(e->to, e->from, (size_t)b->n * sizeof *e->to);
    TRY(principal(t, gr, e, e->to, &made));
    if (!made) return NRG_OK;
    TRY(put_projected(t, gr, b, e->to));
    TRY(loss_now(t, e, &after));
    if (!(after < before)) nrg_exact_numbers(t, b, e->from, true);
    return NRG_OK;
}

// One round, and a look ahead where it lowers the loss.
static nrg_status ahead(nrg_trainer *t, nrg_team *gr, exact *e, double *loss) {
    nrg_exact_block *b = e->blocks.at;
    double before = e->meta[META_LOSS];
    if (e->begin && e->meta[META_ROUNDS] == 0) TRY(start(t, gr, e));
    nrg_exact_numbers(t, b, e->from, false);
    TRY(improve(t, gr, e, b));
    nrg_exact_numbers(t, b, e->to, false);
    nrg_ahead_push(&e->ahead, e->from, e->to);
    if (e->meta[META_ROUNDS] > 0 && nrg_ahead_guess(&e->ahead, e->from)) {
        TRY(put_projected(t, gr, b, e->from));
        TRY(loss_now(t, e, loss));
        if (*loss < before) return NRG_OK;
        nrg_ahead_forget(&e->ahead);
        nrg_exact_numbers(t, b, e->to, true);
    }
    return loss_now(t, e, loss);
}

// A round that changes nothing ends the rounds; looking ahead, one of them may be bad luck.
static bool ended(const nrg_trainer *t, const nrg_team *gr, exact *e, double loss) {
    double fall = e->meta[META_LOSS] - loss;
    bool calm = e->meta[META_ROUNDS] > 0 && t->teams.n == 1 && fall <= gr->tol * fabs(loss);
    e->meta[META_CALM] = calm ? e->meta[META_CALM] + 1 : 0;
    return e->meta[META_CALM] > (e->ahead.n > 0);
}

static nrg_status once(nrg_trainer *t, nrg_team *gr) {
    exact *e = gr->own;
    double loss;
    TRY(remember(t, gr));
    if (e->moments) TRY(nrg_moments_make(t, e->moments));
    else if ((t->held || e->along) && !e->fresh) TRY(nrg_pass_loss(t, &t->value, t->bound, t->rows, t->rows_n, &loss));
    if (e->ahead.n) TRY(ahead(t, gr, e, &loss));
    for (uint32_t i = 0; i < e->blocks.n && !e->ahead.n; i++) TRY(improve(t, gr, e, &e->blocks.at[i]));
    if (!e->ahead.n) TRY(loss_now(t, e, &loss));
    if (!isfinite(loss)) return nrg_diverged(t, &t->value, t->rows_n < NRG_CHUNK ? t->rows_n : NRG_CHUNK);
    gr->done = ended(t, gr, e, loss);
    e->meta[META_ROUNDS] += 1;
    e->meta[META_LOSS] = loss;
    e->fresh = t->teams.n == 1;
    t->sums.loss = loss;
    t->sums.norm = 0;
    return NRG_OK;
}

// "W in closed form (640 numbers, each on its own)"
static void print(const nrg_trainer *t, const nrg_team *gr, nrg_text *out) {
    const exact *e = gr->own;
    for (uint32_t i = 0; i < e->blocks.n; i++) {
        const nrg_exact_block *b = &e->blocks.at[i];
        nrg_text_put(out, i ? "; " : "   (");
        for (uint32_t k = 0; k < b->params; k++)
            nrg_text_put(out, "%s%s", k ? " + " : "", t->m->params.at[b->param[k]].name);
        if (b->logs) nrg_text_put(out, ": a p - b log p in each of %lld numbers", (long long)b->n);
        else if (b->B == 1) nrg_text_put(out, ": quadratic in each of %lld numbers", (long long)b->n);
        else if (b->S == 1) nrg_text_put(out, ": quadratic in %lld numbers together", (long long)b->n);
        else nrg_text_put(out, ": quadratic, %lld systems of %lld", (long long)b->S, (long long)b->B);
    }
    if (e->blocks.n) nrg_text_put(out, ")");
    if (!e->moments) return;
    nrg_text_put(out, "   one pass over the data: mean and products of %lld numbers stand for it",
                 (long long)e->moments->from[e->moments->atoms]);
}

static void drop(nrg_trainer *t, nrg_team *gr) {
    exact *e = gr->own;
    (void)t;
    for (uint32_t i = 0; e && i < e->blocks.n; i++) {
        nrg_program_free(&e->blocks.at[i].first);
        nrg_program_free(&e->blocks.at[i].second);
        nrg_program_free(&e->blocks.at[i].data);
    }
    if (e) nrg_moments_free(e->moments);
}

const nrg_optim nrg_optim_exact = {"exact", true, make, NULL, NULL, once, print, drop};
