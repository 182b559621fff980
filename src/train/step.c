// The minibatch step as one plan: forward, backward, global norm, clipping, optimisers, projections, averages. A step whose gradient is
// not finite leaves weights and states as they were, so that the last good state is at hand when the run stops.
#include "train/inside.h"
#include <math.h>
#include <string.h>
#include <stdio.h>

// Where an output lies: {sum, once, norm, seen...}
enum { OUT_SUM, OUT_ONCE, OUT_NORM, OUT_SEEN };

typedef struct {
    uint32_t *param; // of all minibatch teams
    nrg_team **team;
    nrg_node *w, *grad;
    uint32_t n;
    nrg_node norm, finite;
} batch;

static nrg_status list(nrg_trainer *t, nrg_program *p, batch *b) {
    b->param = NRG_NEWS(&p->arena, uint32_t, t->m->params.n + 1);
    b->team = NRG_NEWS(&p->arena, nrg_team *, t->m->params.n + 1);
    b->w = NRG_NEWS(&p->arena, nrg_node, t->m->params.n + 1);
    b->grad = NRG_NEWS(&p->arena, nrg_node, t->m->params.n + 1);
    if (!b->param || !b->team || !b->w || !b->grad) return NRG_E098;
    for (uint32_t k = 0; k < t->teams.n; k++) {
        nrg_team *gr = &t->teams.at[k];
        if (gr->way->whole) continue;
        for (uint32_t i = 0; i < gr->params; i++) {
            b->param[b->n] = gr->param[i];
            b->team[b->n] = gr;
            b->w[b->n++] = nrg_scope_param(p->scope, gr->param[i]);
        }
    }
    return NRG_OK;
}

// Gradients of mean + regularisers: that of the sum over samples first, scaled after the barrier, so that one pass serves.
static nrg_status gradients(nrg_program *p, const nrg_loss *l, batch *b) {
    nrg_node *once = NRG_NEWS(&p->arena, nrg_node, b->n + 1);
    nrg_node scale = nrg_input(p->g, "train:scale", 0, nrg_shape_of(0, NULL));
    if (!once) return NRG_E098;
    if (l->sample.i) TRY(nrg_grad(p->g, l->sample, NRG_BAD, b->w, (int)b->n, b->grad));
    TRY(nrg_grad(p->g, l->once, NRG_BAD, b->w, (int)b->n, once));
    for (uint32_t i = 0; i < b->n; i++) {
        nrg_node g = l->sample.i ? nrg_mul(p->g, b->grad[i], scale) : nrg_const(p->g, 0);
        b->grad[i] = nrg_add(p->g, g, once[i]);
    }
    return NRG_OK;
}

static void measure(nrg_program *p, batch *b) {
    nrg_node sum = nrg_const(p->g, 0);
    for (uint32_t i = 0; i < b->n; i++) sum = nrg_add(p->g, sum, nrg_sum_all(p->g, nrg_square(p->g, b->grad[i])));
    b->norm = nrg_sqrt(p->g, sum);
    b->finite = nrg_lt(p->g, b->norm, nrg_const(p->g, INFINITY)); // 0 for NaN as well
}

static nrg_node clipped(nrg_program *p, const batch *b, uint32_t i) {
    double clip = b->team[i]->clip;
    if (clip <= 0 && !p->remedies) return b->grad[i];
    nrg_node most = p->remedies ? nrg_input(p->g, "remedy:clip", 0, nrg_shape_of(0, NULL)) : nrg_const(p->g, clip);
    if (p->remedies && clip > 0) most = nrg_min(p->g, most, nrg_const(p->g, clip));
    nrg_node over = nrg_div(p->g, most, nrg_max(p->g, b->norm, most));
    return nrg_mul(p->g, b->grad[i], over);
}

static int32_t place_of(const batch *b, int32_t param) {
    for (uint32_t i = 0; i < b->n; i++)
        if ((int32_t)b->param[i] == param) return (int32_t)i;
    return -1;
}

static nrg_status updates(nrg_trainer *t, nrg_program *p, batch *b) {
    nrg_node *next = NRG_NEWS(&p->arena, nrg_node, b->n + 1);
    if (!next) return NRG_E098;
    for (uint32_t i = 0; i < b->n; i++) {
        TRY(b->team[i]->way->step(t, b->team[i], p->g, b->param[i], b->w[i], clipped(p, b, i), &next[i]));
        if (t->m->params.at[b->param[i]].domain.kind == NRG_DOM_SPECTRAL) TRY(nrg_spectral_step(t, p, b->param[i], next[i], &next[i]));
        else next[i] = nrg_weight_project(p->g, &t->m->params.at[b->param[i]], next[i]);
        TRY(nrg_update_put(t, b->w[i], next[i]));
    }
    for (uint32_t i = 0; i < t->m->params.n; i++) {
        const nrg_param *a = &t->m->params.at[i];
        int32_t k = a->average_of < 0 ? -1 : place_of(b, a->average_of);
        if (k < 0) continue;
        nrg_node old = nrg_scope_param(p->scope, i);
        nrg_node mean = nrg_add(p->g, nrg_mul(p->g, old, nrg_const(p->g, a->decay)),
                                nrg_mul(p->g, next[k], nrg_const(p->g, 1 - a->decay)));
        TRY(nrg_update_put(t, old, mean));
    }
    for (uint32_t i = 0; i < t->updates.n; i++) {
        nrg_update *u = &t->updates.at[i];
        u->value = nrg_select(p->g, b->finite, u->value, u->state);
    }
    return NRG_OK;
}

// Where the chains that move within the step stand.
static nrg_status moves(nrg_trainer *t, const nrg_program *p) {
    for (uint32_t i = 0; i < p->draws.n; i++) {
        const nrg_drawing *d = p->draws.at[i];
        for (int k = 0; d->within && nrg_chains_state_at(d->chains, k); k++) TRY(nrg_update_put(t, d->within[k].state, d->within[k].value));
    }
    return NRG_OK;
}

// What a pass beside minibatch steps sees differs from what they see: draws have no energy of their own there.
static int outputs(nrg_trainer *t, nrg_program *p, const nrg_loss *l, nrg_node *out) {
    int n = OUT_SEEN;
    out[OUT_SUM] = l->sum;
    out[OUT_ONCE] = l->once;
    for (int i = 0; i < NRG_SEEN_COUNT; i++) {
        p->seen[i] = l->seen[i].i != 0;
        if (p->seen[i]) out[n++] = l->seen[i];
        if (p == &t->step || !t->step.g) t->seen[i] = p->seen[i];
    }
    for (uint32_t i = 0; i < p->draws.n; i++) out[n++] = p->draws.at[i]->sum;
    return n;
}

// The chains that are kept from step to step belong to what a resumed run needs.
static nrg_status keep_buffers(nrg_trainer *t, nrg_program *p) {
    if (p->draws.n > NRG_SOURCES) return nrg_fail(t->ctx, NRG_E071, NRG_NOWHERE, "more than %d losses that draw", NRG_SOURCES);
    for (uint32_t k = 0; k < p->draws.n; k++) {
        nrg_drawing *d = p->draws.at[k];
        const char *age = nrg_arena_print(&t->arena, "age:%s", d->prefix), *pace = nrg_arena_print(&t->arena, "pace:%s", d->prefix),
                   *noted = nrg_arena_print(&t->arena, "noted:%s", d->prefix);
        int64_t kept = d->slots * d->ladder.levels;
        if (!age || !pace || !noted) return NRG_E098;
        for (int i = 0; i < d->n && d->slots; i++)
            TRY(NRG_PUSH(&t->arena, t->states, ((nrg_state){d->slot[i], NULL, nrg_chains_state_at(d->chains, i)->count * kept})));
        if (d->slots) TRY(nrg_state_own(t, age, d->age, kept));
        if (d->noted) TRY(nrg_state_own(t, noted, d->noted, d->noted_n));
        if (d->pace.n) TRY(nrg_state_own(t, pace, d->pace.own, d->pace.n));
    }
    return NRG_OK;
}

nrg_status nrg_step_build(nrg_trainer *t) {
    nrg_program *p = &t->step;
    nrg_infer_options o = {.threads = t->o.threads, .batch = t->batch};
    nrg_node out[OUT_SEEN + NRG_SEEN_COUNT + NRG_SOURCES];
    nrg_loss l;
    batch b = {0};
    TRY(nrg_program_new(t->m, t->type, &o, p));
    p->draws_mode = NRG_DRAWS_LIVE;
    p->batch = t->batch;
    p->threads = t->o.threads;
    p->drawn = t->o.draws_only ? t->o.products : NRG_PRODUCTS_FULL;
    p->remedies = t->o.rescue;
    TRY(nrg_loss_build(p, t->bound, t->store, false, &l));
    TRY(keep_buffers(t, p));
    TRY(list(t, p, &b));
    TRY(gradients(p, &l, &b));
    measure(p, &b);
    t->updates.n = 0;
    TRY(nrg_queues_open(t, p));
    TRY(updates(t, p, &b));
    TRY(moves(t, p));
    int n = outputs(t, p, &l, out);
    out[OUT_NORM] = b.norm;
    return nrg_program_plan(p, out, n, t->updates.at, (int)t->updates.n, t->batch, t->o.threads);
}

static double mean_weight(const nrg_trainer *t, const nrg_bound *b) { return b == t->bound ? t->mean_weight : 1; }

// Energy of the draws less that of the data, per sample of the batch.
static double gap(const nrg_program *p, int64_t n) {
    const double *seen = p->values + OUT_SEEN;
    if (!p->seen[NRG_SEEN_POS] || !(p->seen[NRG_SEEN_NEG] || p->seen[NRG_SEEN_FREE])) return 0;
    return (p->seen[NRG_SEEN_NEG] ? seen[1] - seen[0] : seen[0] - seen[1]) / (double)n;
}

nrg_status nrg_step_go(nrg_trainer *t, const int64_t *rows, int64_t n) {
    nrg_program *p = &t->step;
    double scale = 1 / ((double)n * mean_weight(t, t->bound)),
           clock = (double)t->total / (double)(t->epochs * t->steps);
    TRY(nrg_bound_rows_set(t->bound, t->store, rows));
    TRY(nrg_number_set(t->store, "train:scale", scale));
    TRY(nrg_loss_clock(t->m, t->store, clock));
    if (p->remedies) TRY(nrg_remedies_set(t));
    for (uint32_t k = 0; k < t->teams.n; k++) {
        nrg_team *gr = &t->teams.at[k];
        if (gr->way->whole) continue;
        TRY(nrg_team_lr(t, gr, clock));
        TRY(gr->way->clock(t, gr, t->total));
    }
    for (uint32_t i = 0; i < p->draws.n; i++) TRY(nrg_draws_go(t->m, p->draws.at[i], t->store, rows, n, t->o.seed, t->total));
    TRY(nrg_program_go(p, t->store, n, t->o.seed, (uint32_t)t->total));
    for (uint32_t i = 0; i < p->draws.n; i++) TRY(nrg_draws_took(t->m, p->draws.at[i], t->store, t->total));
    double loss = p->values[OUT_SUM] * scale + p->values[OUT_ONCE], norm = p->values[OUT_NORM];
    if (!isfinite(loss) || !isfinite(norm)) return nrg_diverged(t, p, n);
    t->sums.loss += loss * (double)n;
    t->sums.norm += norm * (double)n;
    if (t->total == 0) t->slope = norm;
    t->sums.weight += (double)n;
    int k = OUT_SEEN;
    for (int i = 0; i < NRG_SEEN_COUNT; i++)
        if (p->seen[i]) t->sums.seen[i] += p->values[k++];
    for (uint32_t i = 0; i < p->draws.n; i++) t->sums.level[i] += p->values[k++];
    nrg_watch_step(t);
    nrg_queues_push(t, p, rows, n);
    return p->draws.n ? nrg_watch_gap(t, gap(p, n)) : NRG_OK;
}

// ---- passes over many rows, for validation and whole-set methods ------------------------------------------------

// Rows that are compared with each other come in batches as in training.
static int64_t chunk(const nrg_trainer *t) { return nrg_against_batch(t->m) ? t->batch : NRG_CHUNK; }

static bool has_more(const nrg_trainer *t, const nrg_program *p) { return t->along.build && p == &t->value; }

// Sums of the size of the weights, which cost as much as many rows, come at the end of more rows at once where these take no more memory.
static int64_t chunk_of(const nrg_trainer *t, const nrg_program *p) {
    int64_t some = chunk(t), many = 8 * some;
    if (!has_more(t, p) || nrg_against_batch(t->m) || nrg_inference_loops(p->inf)) return some;
    return nrg_plan_bytes(p->plan, many, t->o.threads) > nrg_plan_bytes(p->plan, some, t->o.threads) ? some : many;
}

// Adds the outputs from `first` on of a pass in chunks into sum. once: the regularisers of the last chunk.
static nrg_status pass(nrg_trainer *t, nrg_program *p, const nrg_bound *b, const int64_t *rows, int64_t n,
                       double *sum) {
    int64_t width = p->offset[p->outputs_n];
    for (int64_t i = 0; i < width; i++) sum[i] = 0;
    int64_t most = chunk_of(t, p);
    for (int64_t at = 0; at < n || at == 0; at += most) {
        int64_t many = n - at < most ? n - at : most;
        TRY(nrg_bound_rows_set(b, t->store, rows + at));
        TRY(nrg_held_rows(t, rows + at));
        TRY(nrg_program_go(p, t->store, many, t->o.seed, (uint32_t)t->total));
        for (int64_t i = 0; i < width; i++) sum[i] += p->values[i];
        if (n == 0) break;
    }
    return NRG_OK;
}

static nrg_status clock_now(nrg_trainer *t) {
    return nrg_loss_clock(t->m, t->store, t->epochs > 0 ? (double)t->epoch / (double)t->epochs : 0);
}

nrg_status nrg_value_build(nrg_trainer *t, nrg_program *p, const nrg_bound *b, int64_t n) {
    int64_t most = chunk(t);
    bool held = t->held && p == &t->value, along = has_more(t, p);
    nrg_infer_options o = {.threads = t->o.threads, .batch = n < most ? n : most, .values_only = !held && !along};
    nrg_node *more = NULL, *out = NULL;
    nrg_update *writes = NULL;
    nrg_loss l;
    int writes_n = 0;
    TRY(nrg_program_new(t->m, t->type, &o, p));
    int more_n = along ? 2 * t->along.outputs : 0;
    out = NRG_NEWS(&p->arena, nrg_node, OUT_SEEN + NRG_SEEN_COUNT + more_n), more = NRG_NEWS(&p->arena, nrg_node, more_n + 1);
    if (!out || !more) return NRG_E098;
    if (held || along) TRY(nrg_loss_build(p, b, t->store, true, &l)); // first, so that this part of the graph is what closed forms build
    if (held) TRY(nrg_held_write(p, l.sample, &writes, &writes_n));
    if (along) TRY(t->along.build(t, t->along.own, p, &l, more));
    p->draws_mode = NRG_DRAWS_LEVEL;
    TRY(nrg_loss_build(p, b, t->store, false, &l));
    int count = outputs(t, p, &l, out);
    out[OUT_NORM] = nrg_const(p->g, 0);
    if (more_n) memcpy(out + count, more, (size_t)more_n * sizeof *out);
    TRY(nrg_program_plan(p, out, count + more_n, writes, writes_n, o.batch, t->o.threads));
    if (along && !(t->along.sum = NRG_NEWS(&t->arena, double, p->offset[p->outputs_n]))) return NRG_E098;
    return NRG_OK;
}

// What the draws of the last epoch had for an energy stands for `free` in a pass that does not draw.
static nrg_status levels(nrg_trainer *t) {
    char name[64];
    for (uint32_t i = 0; i < t->step.draws.n; i++) {
        snprintf(name, sizeof name, "level:%u", i);
        TRY(nrg_number_set(t->store, name, t->step.draws.at[i]->level));
    }
    return NRG_OK;
}

nrg_status nrg_pass_loss(nrg_trainer *t, nrg_program *p, const nrg_bound *b, const int64_t *rows, int64_t n,
                         double *loss) {
    double few[OUT_SEEN + NRG_SEEN_COUNT];
    if (!p->run) TRY(nrg_value_build(t, p, b, n));
    int64_t most = chunk_of(t, p), chunks = n > 0 ? (n + most - 1) / most : 1;
    double *sum = has_more(t, p) ? t->along.sum : few;
    TRY(clock_now(t));
    TRY(levels(t));
    TRY(pass(t, p, b, rows, n, sum));
    double scale = n > 0 ? 1 / ((double)n * mean_weight(t, b)) : 0;
    *loss = sum[OUT_SUM] * scale + sum[OUT_ONCE] / (double)chunks;
    const double *more = sum + p->offset[p->outputs_n] - 2 * t->along.n;
    for (int64_t i = 0; i < t->along.n && sum != few; i++) t->along.mean[i] = more[i] * scale + more[t->along.n + i] / (double)chunks;
    if (b != t->bound) return NRG_OK;
    for (int i = 0, k = OUT_SEEN; i < NRG_SEEN_COUNT; i++)
        if (p->seen[i]) t->sums.seen[i] = sum[k++] / (double)n;
    return NRG_OK;
}

static nrg_status grad_build(nrg_trainer *t, nrg_team *gr, nrg_program *p) {
    nrg_infer_options o = {.threads = t->o.threads, .batch = t->rows_n < NRG_CHUNK ? t->rows_n : NRG_CHUNK};
    nrg_loss l;
    TRY(nrg_program_new(t->m, t->type, &o, p));
    TRY(nrg_loss_build(p, t->bound, t->store, false, &l));
    nrg_node *w = NRG_NEWS(&p->arena, nrg_node, gr->params + 1),
             *out = NRG_NEWS(&p->arena, nrg_node, 2 * gr->params + 8);
    if (!w || !out) return NRG_E098;
    for (uint32_t i = 0; i < gr->params; i++) w[i] = nrg_scope_param(p->scope, gr->param[i]);
    int seen = outputs(t, p, &l, out);
    out[OUT_NORM] = nrg_const(p->g, 0);
    if (l.sample.i) TRY(nrg_grad(p->g, l.sample, NRG_BAD, w, (int)gr->params, out + seen));
    else TRY(nrg_grad(p->g, l.sum, NRG_BAD, w, (int)gr->params, out + seen));
    TRY(nrg_grad(p->g, l.once, NRG_BAD, w, (int)gr->params, out + seen + gr->params));
    return nrg_program_plan(p, out, seen + 2 * (int)gr->params, NULL, 0, o.batch, t->o.threads);
}

nrg_status nrg_pass_grad(nrg_trainer *t, nrg_team *gr, nrg_program *p, double *loss, double *grad) {
    if (!p->run) TRY(grad_build(t, gr, p));
    int seen = p->outputs_n - 2 * (int)gr->params;
    int64_t width = p->offset[p->outputs_n], chunks = (t->rows_n + NRG_CHUNK - 1) / NRG_CHUNK;
    double *sum = nrg_mem(t->ctx, NULL, 0, (size_t)(width + 1) * sizeof *sum),
           *w = nrg_mem(t->ctx, NULL, 0, (size_t)(gr->size + 1) * sizeof *w);
    nrg_status s = sum && w ? clock_now(t) : NRG_E098;
    if (s == NRG_OK) s = pass(t, p, t->bound, t->rows, t->rows_n, sum);
    if (s == NRG_OK) {
        double scale = 1 / ((double)t->rows_n * t->mean_weight), half = 0;
        const double *samples = sum + p->offset[seen], *once = sum + p->offset[seen + (int)gr->params];
        nrg_team_get(t, gr, w);
        int64_t at = 0;
        for (uint32_t i = 0; i < gr->params; i++) {
            const nrg_param *q = &t->m->params.at[gr->param[i]];
            double decay = q->bias ? 0 : gr->decay;
            for (int64_t n = nrg_shape_count(&q->shape); n > 0; n--, at++) {
                grad[at] = samples[at] * scale + once[at] / (double)chunks + decay * w[at];
                half += 0.5 * decay * w[at] * w[at];
            }
        }
        *loss = sum[OUT_SUM] * scale + sum[OUT_ONCE] / (double)chunks + half;
        for (int i = 0, k = OUT_SEEN; i < NRG_SEEN_COUNT; i++)
            if (p->seen[i]) t->sums.seen[i] = sum[k++] / (double)t->rows_n;
    }
    if (sum) nrg_mem(t->ctx, sum, (size_t)(width + 1) * sizeof *sum, 0);
    if (w) nrg_mem(t->ctx, w, (size_t)(gr->size + 1) * sizeof *w, 0);
    return s;
}
