// optimize by exact: closed forms found by structure. With latents held at their best values, or their probabilities held
// (expectation-maximisation), the loss is quadratic in a block of weights: w = w - H^-1 g in one round; or it is a p - b log p in
// every number: p = b / a, on a simplex p = b / (a + t). Lloyd, alternating least squares, normal equations and EM are this.
#include "train/inside.h"
#include <math.h>
#include <string.h>

typedef struct {
    uint32_t *param, params;
    bool logs;               // a p - b log p
    int64_t n, S, B;         // numbers; independent systems of B unknowns each
    int64_t *sys, *row;      // of number i: its system and its place there
    nrg_program first, rest; // {sum, once, g...}; {Hv...}
} block;

typedef struct {
    NRG_LIST(block) blocks;
    double *meta; // loss after the last round
} exact;

// ---- structure ---------------------------------------------------------------------------------------------------

// The loss of one sample and the regularisers in one node, with latents held.
static nrg_status objective(nrg_trainer *t, nrg_program *p, nrg_loss *l, nrg_node *y) {
    nrg_infer_options o = {.threads = t->o.threads, .batch = t->rows_n < NRG_CHUNK ? t->rows_n : NRG_CHUNK};
    TRY(nrg_program_new(t->m, t->type, &o, p));
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

// Is y of degree 2 in all these weights together?
static nrg_status jointly(nrg_trainer *t, nrg_program *p, nrg_node y, const uint32_t *param, uint32_t n, bool *yes) {
    int64_t total = 0, at = 0;
    for (uint32_t i = 0; i < n; i++) total += size_of(t, param[i]);
    nrg_node v = nrg_input(p->g, "exact:joint", 0, nrg_shape_of(1, &total));
    nrg_node *from = NRG_NEWS(&p->arena, nrg_node, n + 1), *by = NRG_NEWS(&p->arena, nrg_node, n + 1);
    if (!from || !by) return NRG_E098;
    for (uint32_t i = 0; i < n; i++) {
        const nrg_param *q = &t->m->params.at[param[i]];
        from[i] = nrg_scope_param(p->scope, param[i]);
        by[i] = nrg_reshape(p->g, nrg_slice(p->g, v, 0, at, size_of(t, param[i]), 1), q->shape);
        at += size_of(t, param[i]);
    }
    nrg_attr a;
    TRY(nrg_attr_of(p->g, nrg_graph_copy(p->g, p->g, y, from, by, (int)n), v, &a));
    *yes = a.degree <= 2 && a.smooth;
    return NRG_OK;
}

static nrg_status unfit(nrg_trainer *t, const nrg_team *gr, const nrg_param *p) {
    nrg_status s = nrg_fail(t->ctx, NRG_E026, gr->stmt->span, "optimize by exact has no closed form for %s", p->name);
    nrg_fact(t->ctx, "with latents held the loss must be quadratic in it, or a p - b log p in each number");
    nrg_help(t->ctx, "optimize %s by adam(...), or by lbfgs", p->owner);
    return s;
}

// Places of the numbers of a block: axes that no second derivative couples make independent systems.
static nrg_status layout(nrg_trainer *t, block *b, uint32_t separable) {
    b->sys = NRG_NEWS(&t->arena, int64_t, b->n + 1);
    b->row = NRG_NEWS(&t->arena, int64_t, b->n + 1);
    if (!b->sys || !b->row) return NRG_E098;
    b->S = b->B = 1;
    if (b->params > 1) separable = 0;
    const nrg_shape *s = &t->m->params.at[b->param[0]].shape;
    for (int64_t i = 0; i < b->n; i++) {
        int64_t left = i, S = 1, B = 1;
        if (b->params > 1 || s->rank == 0) {
            b->row[i] = i;
            B = b->n;
        } else {
            for (int k = s->rank - 1; k >= 0; k--) {
                int64_t at = left % s->dim[k];
                left /= s->dim[k];
                if (separable >> k & 1) b->sys[i] += at * S, S *= s->dim[k];
                else b->row[i] += at * B, B *= s->dim[k];
            }
        }
        b->S = S;
        b->B = B;
    }
    return NRG_OK;
}

static nrg_status push(nrg_trainer *t, exact *e, const uint32_t *param, uint32_t n, bool logs, uint32_t separable) {
    block b = {.params = n, .logs = logs, .param = NRG_NEWS(&t->arena, uint32_t, n + 1)};
    if (!b.param) return NRG_E098;
    for (uint32_t i = 0; i < n; i++) b.param[i] = param[i], b.n += size_of(t, param[i]);
    TRY(layout(t, &b, logs ? ~0u : separable));
    return NRG_PUSH(&t->arena, e->blocks, b);
}

static uint32_t axes_apart(const nrg_attr *a) { return a->separable | (a->picked ? 1u : 0u); }

// Weights that are quadratic are joined into as few blocks as stay quadratic; one weight alone keeps its independent axes.
static nrg_status quadratic(nrg_trainer *t, nrg_program *p, nrg_node y, exact *e, uint32_t *param, nrg_attr *attr,
                            uint32_t n) {
    for (uint32_t i = 0; i < n;) {
        uint32_t many = 1;
        for (; i + many < n; many++) {
            bool yes = false;
            TRY(jointly(t, p, y, param + i, many + 1, &yes));
            if (!yes) break;
        }
        TRY(push(t, e, param + i, many, false, many == 1 ? axes_apart(&attr[i]) : 0));
        i += many;
    }
    return NRG_OK;
}

static nrg_status classify(nrg_trainer *t, nrg_team *gr, exact *e, nrg_program *p) {
    nrg_loss l;
    nrg_node y;
    uint32_t n = 0;
    TRY(objective(t, p, &l, &y));
    TRY(constants(p, &y));
    uint32_t *quad = NRG_NEWS(&p->arena, uint32_t, gr->params + 1);
    nrg_attr *attr = NRG_NEWS(&p->arena, nrg_attr, gr->params + 1);
    if (!quad || !attr) return NRG_E098;
    for (uint32_t i = 0; i < gr->params; i++) {
        nrg_attr a;
        TRY(nrg_attr_of(p->g, y, nrg_scope_param(p->scope, gr->param[i]), &a));
        if (a.degree == 0) continue;
        if (a.degree <= 2 && a.smooth) quad[n] = gr->param[i], attr[n++] = a;
        else if (!a.log_affine) return unfit(t, gr, &t->m->params.at[gr->param[i]]);
    }
    TRY(quadratic(t, p, y, e, quad, attr, n));
    for (uint32_t i = 0; i < gr->params; i++) { // after the quadratic ones: variances follow the new means
        nrg_attr a;
        TRY(nrg_attr_of(p->g, y, nrg_scope_param(p->scope, gr->param[i]), &a));
        if (a.degree > 2 && a.log_affine) TRY(push(t, e, &gr->param[i], 1, true, ~0u));
    }
    for (uint32_t i = 0; i < e->blocks.n; i++) {
        const block *b = &e->blocks.at[i];
        if (b->B <= 4096 && b->S * b->B <= (int64_t)(1 << 26) / b->B) continue;
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

static nrg_status derivatives(nrg_trainer *t, nrg_team *gr, exact *e, block *b, nrg_program *p, bool second) {
    nrg_loss l;
    nrg_node y;
    TRY(objective(t, p, &l, &y));
    if (e->blocks.n > 1 && l.sample.i) TRY(hold(t, gr, p, &l.sample));
    nrg_node *w = NRG_NEWS(&p->arena, nrg_node, b->params + 1), *out = NRG_NEWS(&p->arena, nrg_node, 2 * b->params + 2);
    nrg_node *g = NRG_NEWS(&p->arena, nrg_node, b->params + 1);
    if (!w || !out || !g) return NRG_E098;
    for (uint32_t i = 0; i < b->params; i++) w[i] = nrg_scope_param(p->scope, b->param[i]);
    for (int part = 0; part < 2; part++) { // the sum over samples, then the regularisers
        nrg_node f = part ? l.once : l.sample.i ? l.sample : l.sum, *to = out + (uint32_t)part * b->params;
        TRY(nrg_grad(p->g, f, NRG_BAD, w, (int)b->params, second ? g : to));
        if (!second) continue;
        nrg_node along = nrg_const(p->g, 0);
        for (uint32_t i = 0; i < b->params; i++) {
            const nrg_param *q = &t->m->params.at[b->param[i]];
            const char *name = nrg_arena_print(&p->arena, "exact:v:%s", q->name);
            if (!name) return NRG_E098;
            along = nrg_add(p->g, along, nrg_sum_all(p->g, nrg_mul(p->g, g[i], nrg_input(p->g, name, 0, q->shape))));
        }
        TRY(nrg_grad(p->g, along, NRG_BAD, w, (int)b->params, to));
    }
    int64_t batch = t->rows_n < NRG_CHUNK ? t->rows_n : NRG_CHUNK;
    return nrg_program_plan(p, out, 2 * (int)b->params, NULL, 0, batch, t->o.threads);
}

// One pass over the training rows; to: [n], mean over samples plus the regularisers' part.
static nrg_status pass(nrg_trainer *t, block *b, nrg_program *p, double *to) {
    double scale = 1 / ((double)t->rows_n * t->mean_weight);
    for (int64_t i = 0; i < b->n; i++) to[i] = 0;
    for (int64_t at = 0; at < t->rows_n; at += NRG_CHUNK) {
        int64_t many = t->rows_n - at < NRG_CHUNK ? t->rows_n - at : NRG_CHUNK;
        TRY(nrg_bound_rows_set(t->bound, t->store, t->rows + at));
        TRY(nrg_program_go(p, t->store, many, t->o.seed, (uint32_t)t->total));
        for (int64_t i = 0; i < b->n; i++) to[i] += p->values[i];
    }
    for (int64_t i = 0; i < b->n; i++) to[i] = to[i] * scale + p->values[b->n + i];
    return NRG_OK;
}

// ---- solving -----------------------------------------------------------------------------------------------------

// H d = g in place of g, for a symmetric H [B, B] that may be singular: numbers without curvature of their own stay as they are.
// Scaled to a unit diagonal first, so that units of the data do not matter.
static void solve(double *H, double *g, double *scale, int64_t B) {
    for (int64_t i = 0; i < B; i++) scale[i] = H[i * B + i] > 0 ? 1 / sqrt(H[i * B + i]) : 0;
    for (int64_t i = 0; i < B; i++) {
        g[i] *= scale[i];
        for (int64_t j = 0; j < B; j++) H[i * B + j] *= scale[i] * scale[j];
    }
    for (int64_t j = 0; j < B; j++) {
        double *Lj = H + j * B, d = Lj[j];
        for (int64_t k = 0; k < j; k++) d -= Lj[k] * Lj[k];
        Lj[j] = d > 1e-11 ? sqrt(d) : 0; // below: depends on the numbers before it
        for (int64_t i = j + 1; i < B; i++) {
            double *Li = H + i * B, s = Li[j];
            for (int64_t k = 0; k < j; k++) s -= Li[k] * Lj[k];
            Li[j] = Lj[j] > 0 ? s / Lj[j] : 0;
        }
    }
    for (int64_t i = 0; i < B; i++) {
        double s = g[i];
        for (int64_t k = 0; k < i; k++) s -= H[i * B + k] * g[k];
        g[i] = H[i * B + i] > 0 ? s / H[i * B + i] : 0;
    }
    for (int64_t i = B - 1; i >= 0; i--) {
        double s = g[i];
        for (int64_t k = i + 1; k < B; k++) s -= H[k * B + i] * g[k];
        g[i] = H[i * B + i] > 0 ? s / H[i * B + i] : 0;
    }
    for (int64_t i = 0; i < B; i++) g[i] *= scale[i];
}

static nrg_status solve_all(nrg_trainer *t, const block *b, double *H, const double *g, double *w) {
    size_t bytes = (size_t)(2 * b->B + 2) * sizeof(double);
    double *part = nrg_mem(t->ctx, NULL, 0, bytes);
    int64_t *at = nrg_mem(t->ctx, NULL, 0, (size_t)(b->n + 1) * sizeof *at);
    if (part && at) {
        for (int64_t i = 0; i < b->n; i++) at[b->sys[i] * b->B + b->row[i]] = i;
        for (int64_t s = 0; s < b->S; s++) {
            for (int64_t i = 0; i < b->B; i++) part[i] = g[at[s * b->B + i]];
            solve(H + s * b->B * b->B, part, part + b->B, b->B);
            for (int64_t i = 0; i < b->B; i++) w[at[s * b->B + i]] -= part[i];
        }
    }
    nrg_status st = part && at ? NRG_OK : NRG_E098;
    if (part) nrg_mem(t->ctx, part, bytes, 0);
    if (at) nrg_mem(t->ctx, at, (size_t)(b->n + 1) * sizeof *at, 0);
    return st;
}

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

static void block_numbers(nrg_trainer *t, const block *b, double *w, bool put) {
    nrg_team part = {.param = b->param, .params = b->params};
    if (put) nrg_team_put(t, &part, w);
    else nrg_team_get(t, &part, w);
}

static nrg_status directions(nrg_trainer *t, const block *b, int64_t row) {
    int64_t at = 0;
    for (uint32_t i = 0; i < b->params; i++) {
        const nrg_param *q = &t->m->params.at[b->param[i]];
        char name[300];
        void *data;
        int64_t n = nrg_shape_count(&q->shape);
        snprintf(name, sizeof name, "exact:v:%s", q->name);
        TRY(nrg_store_make(t->store, name, n, &data));
        for (int64_t k = 0; k < n; k++, at++) {
            if (b->row[at] != row) continue;
            if (t->type == NRG_F64) ((double *)data)[k] = 1;
            else ((float *)data)[k] = 1;
        }
    }
    return NRG_OK;
}

// Columns of the Hessian, one pass each: a direction is 1 at one place of every independent system.
static nrg_status hessian(nrg_trainer *t, block *b, double *H, double *column) {
    for (int64_t r = 0; r < b->B; r++) {
        TRY(directions(t, b, r));
        TRY(pass(t, b, &b->rest, column));
        for (int64_t i = 0; i < b->n; i++) H[(b->sys[i] * b->B + b->row[i]) * b->B + r] = column[i];
    }
    return NRG_OK;
}

static nrg_status improve(nrg_trainer *t, nrg_team *gr, exact *e, block *b) {
    if (!b->first.run) TRY(derivatives(t, gr, e, b, &b->first, false));
    if (!b->rest.run) TRY(derivatives(t, gr, e, b, &b->rest, true));
    size_t bytes = (size_t)(4 * b->n + b->n * b->B + 1) * sizeof(double);
    double *g = nrg_mem(t->ctx, NULL, 0, bytes), *w = g ? g + b->n : NULL, *scratch = g ? g + 2 * b->n : NULL,
           *H = g ? g + 4 * b->n : NULL;
    if (!g) return NRG_E098;
    block_numbers(t, b, w, false);
    nrg_status s = pass(t, b, &b->first, g);
    if (s == NRG_OK) s = hessian(t, b, H, scratch);
    if (s == NRG_OK && b->logs) logs(&t->m->params.at[b->param[0]], g, H, w, scratch, b->n);
    else if (s == NRG_OK) s = solve_all(t, b, H, g, w);
    if (s == NRG_OK) block_numbers(t, b, w, true);
    nrg_mem(t->ctx, g, bytes, 0);
    nrg_team part = {.param = b->param, .params = b->params};
    return s == NRG_OK ? nrg_team_project(t, &part) : s;
}

// ---- the five words ----------------------------------------------------------------------------------------------

static nrg_status make(nrg_trainer *t, nrg_team *gr) {
    exact *e = NRG_NEW(&t->arena, exact);
    nrg_program p = {0};
    if (!e || !(e->meta = NRG_NEWS(&t->arena, double, 2))) return NRG_E098;
    gr->own = e;
    nrg_status s = classify(t, gr, e, &p);
    nrg_program_free(&p);
    TRY(s);
    const char *name = nrg_arena_print(&t->arena, "opt:exact:%d", (int)gr->order);
    return name ? nrg_state_own(t, name, e->meta, 2) : NRG_E098;
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

// meta: {rounds done, loss after the last one}
static nrg_status once(nrg_trainer *t, nrg_team *gr) {
    exact *e = gr->own;
    double loss;
    TRY(remember(t, gr));
    for (uint32_t i = 0; i < e->blocks.n; i++) TRY(improve(t, gr, e, &e->blocks.at[i]));
    TRY(nrg_pass_loss(t, &t->value, t->bound, t->rows, t->rows_n, &loss));
    if (!isfinite(loss)) return nrg_diverged(t, &t->value, t->rows_n < NRG_CHUNK ? t->rows_n : NRG_CHUNK);
    if (e->meta[0] > 0 && t->teams.n == 1 && e->meta[1] - loss <= gr->tol * fmax(1, fabs(loss))) gr->done = true;
    e->meta[0] += 1;
    e->meta[1] = loss;
    t->sums.loss = loss;
    t->sums.norm = 0;
    return NRG_OK;
}

// "W in closed form (640 numbers, each on its own)"
static void print(const nrg_trainer *t, const nrg_team *gr, nrg_text *out) {
    const exact *e = gr->own;
    for (uint32_t i = 0; i < e->blocks.n; i++) {
        const block *b = &e->blocks.at[i];
        nrg_text_put(out, i ? "; " : "   (");
        for (uint32_t k = 0; k < b->params; k++)
            nrg_text_put(out, "%s%s", k ? " + " : "", t->m->params.at[b->param[k]].name);
        if (b->logs) nrg_text_put(out, ": a p - b log p in each of %lld numbers", (long long)b->n);
        else if (b->B == 1) nrg_text_put(out, ": quadratic in each of %lld numbers", (long long)b->n);
        else if (b->S == 1) nrg_text_put(out, ": quadratic in %lld numbers together", (long long)b->n);
        else nrg_text_put(out, ": quadratic, %lld systems of %lld", (long long)b->S, (long long)b->B);
    }
    if (e->blocks.n) nrg_text_put(out, ")");
}

static void drop(nrg_trainer *t, nrg_team *gr) {
    exact *e = gr->own;
    (void)t;
    for (uint32_t i = 0; e && i < e->blocks.n; i++) {
        nrg_program_free(&e->blocks.at[i].first);
        nrg_program_free(&e->blocks.at[i].rest);
    }
}

const nrg_optim nrg_optim_exact = {"exact", true, make, NULL, NULL, once, print, drop};
