// Makes a plan: order, fusion, steps, phases, memory.
#include "plan/steps.h"
#include <string.h>

static nrg_status copy_spec(nrg_plan *p, const nrg_plan_spec *s) {
    p->outputs_n = s->outputs_n, p->updates_n = s->updates_n;
    p->outputs = NRG_NEWS(&p->arena, nrg_node, s->outputs_n + 1);
    p->updates = NRG_NEWS(&p->arena, nrg_update, s->updates_n + 1);
    p->slots = nrg_input_count(p->graph);
    p->slot_buf = NRG_NEWS(&p->arena, uint32_t, p->slots + 1);
    if (!p->outputs || !p->updates || !p->slot_buf) return NRG_E098;
    for (int i = 0; i < s->outputs_n; i++) p->outputs[i] = s->outputs[i];
    for (int i = 0; i < s->updates_n; i++) p->updates[i] = s->updates[i];
    nrg_plan_buf none = {0};
    return NRG_PUSH(&p->arena, p->bufs, none);
}

static nrg_status planner_make(nrg_planner *w, nrg_arena *a) {
    uint32_t n = nrg_graph_size(w->p->graph) + 1;
    w->used = NRG_NEWS(a, bool, n), w->solid = NRG_NEWS(a, bool, n), w->alone = NRG_NEWS(a, bool, n);
    w->distance = NRG_NEWS(a, bool, n), w->pooled = NRG_NEWS(a, bool, n);
    w->nearest_index = NRG_NEWS(a, uint32_t, n), w->nearest_value = NRG_NEWS(a, uint32_t, n);
    w->level = NRG_NEWS(a, int, n);
    w->group = NRG_NEWS(a, uint32_t, n), w->order = NRG_NEWS(a, uint32_t, n);
    w->group_first = NRG_NEWS(a, uint32_t, n + 1), w->group_next = NRG_NEWS(a, uint32_t, n);
    w->sum_of = NRG_NEWS(a, uint32_t, n);
    w->into = NRG_NEWS(a, uint32_t, n), w->joint = NRG_NEWS(a, bool, n);
    w->picked = NRG_NEWS(a, bool, n);
    w->views = NRG_NEWS(a, nrg_view *, n);
    bool whole = w->used && w->solid && w->alone && w->distance && w->pooled && w->nearest_index && w->nearest_value && w->sum_of && w->into && w->joint && w->picked &&
                 w->level && w->group && w->order && w->group_first && w->group_next && w->views;
    return whole ? NRG_OK : NRG_E098;
}

// Steps by phase, in their old order within one.
static nrg_status sort_steps(nrg_plan *p) {
    p->phases = 1;
    for (uint32_t i = 0; i < p->steps.n; i++)
        if (p->steps.at[i].phase >= p->phases) p->phases = p->steps.at[i].phase + 1;
    nrg_work *sorted = NRG_NEWS(&p->arena, nrg_work, p->steps.n + 1);
    p->phase_at = NRG_NEWS(&p->arena, uint32_t, p->phases + 1);
    p->phase_deferred = NRG_NEWS(&p->arena, bool, p->phases);
    if (!sorted || !p->phase_at || !p->phase_deferred) return NRG_E098;
    uint32_t at = 0;
    for (uint32_t f = 0; f < p->phases; f++) {
        p->phase_at[f] = at;
        for (int late = 0; late < 2; late++) // deferred steps end their phase
            for (uint32_t i = 0; i < p->steps.n; i++) {
                if (p->steps.at[i].phase != f || p->steps.at[i].deferred != late) continue;
                sorted[at++] = p->steps.at[i];
                if (late) p->phase_deferred[f] = true;
            }
    }
    p->phase_at[p->phases] = at;
    p->steps.at = sorted;
    return NRG_OK;
}

// Repeats may run inside each slice when nothing but slices changes from one to the next.
static bool repeats_inside(const nrg_plan *p) {
    if (p->phases > 2) return false;
    for (uint32_t i = 0; i < p->steps.n; i++) {
        const nrg_work *s = &p->steps.at[i];
        if (s->deferred || s->kind == NRG_STEP_combine) return false;
        if (!(s->phase & 1) && (s->kind == NRG_STEP_random || s->kind == NRG_STEP_update)) return false;
    }
    return true;
}

static nrg_status make(nrg_planner *w, const nrg_plan_spec *spec) {
    nrg_plan *p = w->p;
    TRY(copy_spec(p, spec));
    TRY(nrg_plan_order(w));
    TRY(nrg_plan_find_joint(w));
    TRY(nrg_plan_fuse(w));
    for (uint32_t i = 0; i < w->order_n; i++) TRY(nrg_plan_lower(w, (nrg_node){w->order[i]}));
    TRY(nrg_plan_ends(w));
    TRY(sort_steps(p));
    p->inside = repeats_inside(p); // before updates are dropped: an update that is not per slice forbids it
    nrg_plan_direct(p);
    return nrg_plan_memory(p, spec);
}

nrg_status nrg_plan_make(nrg_ctx *c, const nrg_plan_spec *spec, nrg_plan **out) {
    *out = NULL;
    TRY(nrg_graph_check(spec->graph));
    nrg_plan *p = nrg_mem(c, NULL, 0, sizeof *p);
    if (!p) return NRG_E098;
    memset(p, 0, sizeof *p);
    p->ctx = c, p->graph = spec->graph, p->arena = nrg_arena_make(c);
    p->type = nrg_graph_type(spec->graph);
    p->real = p->type == NRG_F64 ? sizeof(double) : sizeof(float);
    p->batch = spec->batch;
    p->block = spec->batch < 1 ? 256 : spec->batch > NRG_BLOCK ? NRG_BLOCK : spec->batch;
    nrg_arena work = nrg_arena_make(c);
    nrg_planner w = {.p = p};
    nrg_status s = planner_make(&w, &work);
    if (s == NRG_OK) s = make(&w, spec);
    nrg_arena_free(&work);
    if (s != NRG_OK) nrg_plan_free(p);
    else *out = p;
    return s;
}

void nrg_plan_free(nrg_plan *p) {
    if (!p) return;
    nrg_ctx *c = p->ctx;
    nrg_arena_free(&p->arena);
    nrg_mem(c, p, sizeof *p, 0);
}

int64_t nrg_plan_slice(const nrg_plan *p) { return p->slice; }

int64_t nrg_plan_rows(int64_t n) { return (n + 15) / 16 * 16; }

// Packed weights beyond the second-level cache are read from memory for every product, so as many rows as can share them:
// until their own values take as much. Small slices go together as well while a cache holds them: fewer calls for the same work.
int64_t nrg_plan_stretch(const nrg_plan *p, int64_t samples, int threads) {
    int64_t slices = (samples + p->slice - 1) / p->slice, n = 1;
    size_t most = p->streamed > NRG_CACHE / 2 ? p->streamed : NRG_CACHE / 2;
    while (n < NRG_LANES && 2 * n * threads <= slices && 2 * (size_t)n * p->thread <= most) n *= 2;
    return n;
}

size_t nrg_plan_bytes(const nrg_plan *p, int64_t samples, int threads) {
    int64_t block = samples < p->block ? samples : p->block;
    return p->once + (size_t)threads * ((size_t)nrg_plan_stretch(p, samples, threads) * p->thread + p->scratch) + p->batch_row * (size_t)nrg_plan_rows(samples) +
           p->block_row * (size_t)nrg_plan_rows(block);
}

double nrg_plan_flops(const nrg_plan *p, int64_t samples) {
    double sum = 0;
    for (uint32_t i = 0; i < p->steps.n; i++) sum += p->steps.at[i].flops * (p->steps.at[i].phase & 1 ? (double)samples : 1);
    return sum;
}
