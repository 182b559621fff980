// Runs a plan: phases in order, slices over threads, lanes and blocks for sums over samples.
//
//   A lane's slices are one part of a job: whoever takes the part does them in order, so that what is added to a lane, and
//   in which order, does not depend on the number of threads. Deferred products end a block of slices; threads share their rows.
//
//   Some neighbouring slices, a STRETCH, may go through the steps together, to read large weights once for all of them. Only
//   steps that add into lanes take its slices one by one, so results do not depend on how wide stretches are.
#include "exec/cpu/cpu.h"
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

// Denormal numbers make products up to 200 times slower. They are flushed while a run works, in every thread.
static unsigned flush_on(void) {
#if defined(__SSE2__)
    unsigned old = _mm_getcsr();
    _mm_setcsr(old | 0x8040u); // flush results to zero, take denormal operands as zero
    return old;
#else
    return 0;
#endif
}
static void flush_back(unsigned old) {
#if defined(__SSE2__)
    _mm_setcsr(old);
#else
    (void)old;
#endif
}

static char *align64(void *p) { return (char *)(((uintptr_t)p + 63) & ~(uintptr_t)63); }

static nrg_status room(nrg_run *r, int which, size_t size, char **at) {
    size += 64;
    if (r->raw_size[which] < size) {
        if (r->raw[which]) nrg_mem(r->ctx, r->raw[which], r->raw_size[which], 0); // nothing in it is kept
        r->raw_size[which] = 0;
        r->raw[which] = nrg_mem(r->ctx, NULL, 0, size);
        if (!r->raw[which]) return NRG_E098;
        r->raw_size[which] = size;
    }
    *at = align64(r->raw[which]);
    return NRG_OK;
}

// Small tables of a run, in one arena-like block: slots, outputs, tasks, base pointers, inputs to gather by phase.
static nrg_status tables(nrg_run *r) {
    const nrg_plan *p = r->p;
    size_t slots = (p->slots + 1) * sizeof *r->in, outs = ((size_t)p->outputs_n + 1) * sizeof *r->out,
           tasks = (size_t)r->threads * sizeof *r->tasks, bases = (size_t)r->threads * p->bufs.n * sizeof *r->bases,
           at = (p->phases + 1) * sizeof *r->gather_at, list = ((size_t)p->phases * p->slots + 1) * sizeof *r->gather,
           placed = p->bufs.n * sizeof *r->placed, states = p->slots + 1;
    size_t size = slots + outs + tasks + bases + at + list + placed + states + 64;
    char *q = nrg_mem(r->ctx, NULL, 0, size);
    if (!q) return NRG_E098;
    memset(q, 0, size);
    r->tables = q, r->tables_size = size;
    r->in = (nrg_bound *)q, q += slots;
    r->out = (void **)q, q += outs;
    r->tasks = (nrg_task *)q, q += tasks;
    r->bases = (char **)q, q += bases;
    r->gather_at = (uint32_t *)q, q += at;
    r->gather = (uint32_t *)q, q += list;
    r->placed = (uint32_t *)q, q += placed;
    r->state = (bool *)q;
    return NRG_OK;
}

static void gather_lists(nrg_run *r) {
    const nrg_plan *p = r->p;
    uint32_t n = 0;
    for (uint32_t f = 0; f < p->phases; f++) {
        r->gather_at[f] = n;
        for (uint32_t i = p->phase_at[f]; (f & 1) && i < p->phase_at[f + 1]; i++)
            for (int k = 0; k < p->steps.at[i].reads_n; k++) {
                uint32_t b = p->steps.at[i].reads[k], seen = r->gather_at[f];
                if (p->bufs.at[b].place != NRG_AT_INPUT || !p->bufs.at[b].sample) continue;
                while (seen < n && r->gather[seen] != b) seen++;
                if (seen == n) r->gather[n++] = b;
            }
    }
    r->gather_at[p->phases] = n;
}

static nrg_status listen(nrg_run *r) {
    const nrg_plan *p = r->p;
    r->heard = nrg_spent_heard(r->ctx);
    if (!r->heard) return NRG_OK;
    r->threads = 1;
    TRY(nrg_spent_new(r->ctx, p->steps.n, &r->spent));
    for (uint32_t i = 0; i < p->steps.n; i++) {
        nrg_spent *e = nrg_spent_at(r->ctx, r->spent + i);
        e->what = nrg_plan_step_name(p->steps.at[i].kind);
        e->at = nrg_graph_node(p->graph, p->steps.at[i].node)->span;
    }
    return NRG_OK;
}

// Memory of each thread, for stretches of so many slices.
static nrg_status desks(nrg_run *r, int64_t wide) {
    size_t own = (size_t)wide * r->p->thread, each = own + r->p->scratch;
    char *mem;
    TRY(room(r, 3, each * (size_t)r->threads, &mem));
    r->wide = wide;
    for (int i = 0; i < r->threads; i++) {
        r->tasks[i].mem = mem + each * (size_t)i;
        r->tasks[i].scratch = r->tasks[i].mem + own;
    }
    return NRG_OK;
}

// The buffers that steps use: first those with a row for each sample.
static void list_buffers(nrg_run *r) {
    const nrg_plan *p = r->p;
    for (int moving = 1; moving >= 0; moving--) {
        for (uint32_t i = 1; i < p->bufs.n; i++) {
            const nrg_plan_buf *b = &p->bufs.at[i];
            bool once = b->place == NRG_AT_ONCE || b->place == NRG_AT_LANES || (b->place == NRG_AT_INPUT && !b->sample);
            if (b->last >= 0 && once != moving) r->placed[r->placed_n++] = i;
        }
        if (moving) r->moving_n = r->placed_n;
    }
}

// Operations and numbers written, in all and a sample: what a run has to do, more or less.
static void weigh(nrg_run *r) {
    const nrg_plan *p = r->p;
    for (uint32_t i = 0; i < p->steps.n; i++) {
        const nrg_work *s = &p->steps.at[i];
        double *to = s->phase & 1 ? &r->each : &r->fixed;
        *to += s->flops;
        for (int k = 0; k < s->writes_n; k++) *to += (double)p->bufs.at[s->writes[k]].count;
    }
}

nrg_status nrg_run_new(nrg_ctx *c, const nrg_plan *p, int threads, nrg_run **out) {
    *out = NULL;
    nrg_run *r = nrg_mem(c, NULL, 0, sizeof *r);
    if (!r) return NRG_E098;
    memset(r, 0, sizeof *r);
    r->ctx = c, r->p = p, r->threads = threads < 1 ? 1 : threads > NRG_LANES ? NRG_LANES : threads;
    r->k = nrg_cpu_kernels(NRG_CPU_BEST);
    r->coarse = nrg_cpu_coarse(NRG_CPU_BEST);
    if (nrg_dtype_bf16(p->type)) r->tiles = nrg_cpu_tiles(r->k, NRG_CPU_BEST);
    nrg_status s = listen(r);
    if (s == NRG_OK) s = tables(r);
    if (s == NRG_OK) s = nrg_team_new(c, r->threads, &r->team);
    if (s == NRG_OK) s = room(r, 0, p->once, &r->once);
    if (s == NRG_OK) s = desks(r, 1);
    if (s != NRG_OK) {
        nrg_run_free(r);
        return s;
    }
    for (int i = 0; i < r->threads; i++) {
        nrg_task *t = &r->tasks[i];
        t->run = r, t->base = r->bases + (size_t)i * p->bufs.n, t->parts = 1;
    }
    for (int i = 0; i < p->updates_n; i++) r->state[nrg_graph_node(p->graph, p->updates[i].state)->par.input.slot] = true;
    gather_lists(r);
    list_buffers(r);
    weigh(r);
    *out = r;
    return NRG_OK;
}

void nrg_run_free(nrg_run *r) {
    if (!r) return;
    nrg_team_free(r->team);
    for (uint32_t i = 0; r->in && i < r->p->slots; i++)
        if (r->in[i].converted) nrg_mem(r->ctx, r->in[i].converted, r->in[i].size, 0);
    for (int i = 0; i < 4; i++)
        if (r->raw[i]) nrg_mem(r->ctx, r->raw[i], r->raw_size[i], 0);
    if (r->kept) nrg_mem(r->ctx, r->kept, r->kept_size, 0);
    if (r->tables) nrg_mem(r->ctx, r->tables, r->tables_size, 0);
    nrg_mem(r->ctx, r, sizeof *r, 0);
}

void nrg_run_level(nrg_run *r, nrg_cpu_level level) {
    if (nrg_cpu_kernels(level)) r->k = nrg_cpu_kernels(level);
    if (nrg_cpu_coarse(level)) r->coarse = nrg_cpu_coarse(level);
    if (nrg_cpu_tiles(r->k, level)) r->tiles = nrg_cpu_tiles(r->k, level);
}

// Buffers without samples: where they lie does not change while a run works.
static void place_values(nrg_run *r) {
    const nrg_plan *p = r->p;
    for (uint32_t k = r->moving_n; k < r->placed_n; k++) {
        uint32_t i = r->placed[k];
        const nrg_plan_buf *b = &p->bufs.at[i];
        const nrg_bound *in = b->place == NRG_AT_INPUT ? &r->in[b->slot] : NULL;
        char *at = !in ? r->once + b->offset : in->converted && !in->same ? in->converted : in->b.data;
        for (int j = 0; j < r->hands; j++) r->tasks[j].base[i] = at;
    }
}

// Where rows lie for the samples at hand. A deferred step sees the whole block: its first sample is the block's.
static void place_rows(nrg_task *t) {
    nrg_run *r = t->run;
    const nrg_plan *p = r->p;
    size_t block_rows = (size_t)nrg_plan_rows(r->n < p->block ? r->n : p->block), rows = (size_t)nrg_plan_rows(r->n);
    size_t first = (size_t)t->first, in_block = (size_t)(t->first - r->block0), wide = (size_t)r->wide, skip = (size_t)t->skip;
    for (uint32_t k = 0; k < r->moving_n; k++) {
        uint32_t i = r->placed[k];
        const nrg_plan_buf *b = &p->bufs.at[i];
        size_t row = (size_t)b->count * p->real;
        const nrg_bound *in = b->place == NRG_AT_INPUT ? &r->in[b->slot] : NULL;
        if (in && in->direct) t->base[i] = (char *)in->b.data + first * row;
        else if (b->place == NRG_AT_BATCH) t->base[i] = r->batch + b->offset * rows + first * row;
        else if (b->place == NRG_AT_BLOCK || (in && b->block)) t->base[i] = r->block + b->offset * block_rows + in_block * row;
        else t->base[i] = t->mem + b->offset * wide + skip * row;
    }
}

static void work(nrg_task *t, const nrg_work *s) {
    int64_t slices = (t->run->n + t->run->p->slice - 1) / t->run->p->slice;
    switch (s->kind) {
    case NRG_STEP_tile: nrg_cpu_tile(t, s->detail); break;
    case NRG_STEP_move: nrg_cpu_move(t, s->detail); break;
    case NRG_STEP_fill: nrg_cpu_fill(t, s->detail); break;
    case NRG_STEP_iota: nrg_cpu_iota(t, s->detail); break;
    case NRG_STEP_random: nrg_cpu_random(t, s->detail); break;
    case NRG_STEP_reduce: nrg_cpu_reduce(t, s->detail); break;
    case NRG_STEP_pool: nrg_cpu_pool(t, s->detail); break;
    case NRG_STEP_pack: nrg_cpu_pack(t, s->detail); break;
    case NRG_STEP_matmul: nrg_cpu_matmul(t, s->detail); break;
    case NRG_STEP_filters: nrg_cpu_filters(t, s->detail); break;
    case NRG_STEP_conv: nrg_cpu_conv(t, s->detail); break;
    case NRG_STEP_distance: nrg_cpu_distance(t, s->detail); break;
    case NRG_STEP_centre: nrg_cpu_centre(t, s->detail); break;
    case NRG_STEP_spread: nrg_cpu_spread(t, s->detail); break;
    case NRG_STEP_nearest: nrg_cpu_nearest(t, s->detail); break;
    case NRG_STEP_take: nrg_cpu_take(t, s->detail); break;
    case NRG_STEP_put: nrg_cpu_put(t, s->detail); break;
    case NRG_STEP_dense: nrg_cpu_dense(t, s->detail); break;
    case NRG_STEP_trisolve: nrg_cpu_trisolve(t, s->detail); break;
    case NRG_STEP_combine: nrg_cpu_combine(t, s->detail, slices < NRG_LANES ? (int)slices : NRG_LANES); break;
    case NRG_STEP_output: nrg_cpu_output(t, s->detail); break;
    case NRG_STEP_update: nrg_cpu_update(t, s->detail); break;
    }
}

// Processor time, which other work on the machine does not disturb.
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double bytes_of(const nrg_plan *p, const nrg_work *s, double rows) {
    double sum = 0;
    for (int i = 0; i < s->reads_n + s->writes_n; i++) {
        const nrg_plan_buf *b = &p->bufs.at[i < s->reads_n ? s->reads[i] : s->writes[i - s->reads_n]];
        sum += (double)b->count * (double)p->real * (b->sample ? rows : 1);
    }
    return sum;
}

// A run that is listened to has one thread, so that times add up.
static void carry_out(nrg_task *t, const nrg_work *s) {
    nrg_run *r = t->run;
    if (!r->heard) {
        work(t, s);
        return;
    }
    nrg_spent *e = nrg_spent_at(r->ctx, r->spent + (uint32_t)(s - r->p->steps.at));
    double begin = now();
    work(t, s);
    e->seconds += now() - begin;
    e->flops += s->flops * (s->phase & 1 ? (double)t->rows : 1);
    e->bytes += bytes_of(r->p, s, (double)t->rows);
}

static bool in_lanes(const nrg_work *s) {
    switch (s->kind) {
    case NRG_STEP_reduce: return ((const nrg_reduce_step *)s->detail)->lanes;
    case NRG_STEP_matmul: return ((const nrg_matmul_step *)s->detail)->lanes;
    case NRG_STEP_conv: return ((const nrg_conv_step *)s->detail)->lanes;
    default: return false;
    }
}

// The samples of n slices from `index` on are at hand, in a stretch that begins with slice `begin`.
static void take_slices(nrg_task *t, int64_t begin, int64_t index, int64_t n) {
    int64_t slice = t->run->p->slice;
    t->first = index * slice;
    t->rows = t->run->n - t->first < n * slice ? t->run->n - t->first : n * slice;
    t->skip = (index - begin) * slice;
    t->lane = index % NRG_LANES;
    t->fresh = index < NRG_LANES;
    place_rows(t);
}

static void by_slices(nrg_task *t, const nrg_work *s, int64_t index, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        take_slices(t, index, index + i, 1);
        carry_out(t, s);
    }
    take_slices(t, index, index, n);
}

// n slices from `index` on through all steps of a phase but the deferred ones.
static void stretch(nrg_task *t, uint32_t phase, int64_t index, int64_t n, int64_t repeat) {
    nrg_run *r = t->run;
    const nrg_plan *p = r->p;
    uint32_t step = t->step;
    take_slices(t, index, index, n);
    for (int64_t k = 0; k < repeat; k++, t->step++) {
        for (uint32_t g = r->gather_at[phase]; g < r->gather_at[phase + 1]; g++) {
            const nrg_plan_buf *b = &p->bufs.at[r->gather[g]];
            if (!r->in[b->slot].direct && (k == 0 || r->state[b->slot])) nrg_cpu_gather(t, b, t->base[r->gather[g]]);
        }
        for (uint32_t i = p->phase_at[phase]; i < p->phase_at[phase + 1]; i++) {
            if (p->steps.at[i].deferred) continue;
            if (n > 1 && in_lanes(&p->steps.at[i])) by_slices(t, &p->steps.at[i], index, n);
            else carry_out(t, &p->steps.at[i]);
        }
    }
    t->step = step;
}

static void deferred(nrg_task *t, uint32_t phase, int64_t first, int64_t rows, int part, int parts) {
    const nrg_plan *p = t->run->p;
    t->first = first, t->rows = rows, t->skip = 0;
    t->fresh = first == 0;
    t->part = part, t->parts = parts;
    place_rows(t);
    for (uint32_t i = p->phase_at[phase]; i < p->phase_at[phase + 1]; i++)
        if (p->steps.at[i].deferred) carry_out(t, &p->steps.at[i]);
    t->part = 0, t->parts = 1;
}

// What the parts of a job share. from..to: the slices of a block.
typedef struct {
    nrg_run *r;
    uint32_t phase;
    int64_t repeat, from, to;
    int parts;
    const nrg_work *step;
    atomic_uint taken; // shares of a step that threads split
} job;

// The share of a worker, the same in every such step while nobody is late: what it wrote lies in its own cache.
static int own_share(job *j, int worker) {
    for (int i = worker;; i = (i + 1) % j->parts)
        if (!(atomic_fetch_or_explicit(&j->taken, 1u << i, memory_order_relaxed) >> i & 1)) return i;
}

static void lane_part(void *ud, int worker, int part) {
    const job *j = ud;
    int64_t wide = j->r->wide;
    for (int64_t s = j->from + part * wide; s < j->to; s += NRG_LANES)
        stretch(&j->r->tasks[worker], j->phase, s, j->to - s < wide ? j->to - s : wide, j->repeat);
}

static void deferred_part(void *ud, int worker, int part) {
    job *j = ud;
    (void)part;
    int64_t slice = j->r->p->slice, first = j->from * slice, end = j->to * slice < j->r->n ? j->to * slice : j->r->n;
    deferred(&j->r->tasks[worker], j->phase, first, end - first, own_share(j, worker), j->parts);
}

static void slices(nrg_run *r, uint32_t phase, int64_t repeat) {
    const nrg_plan *p = r->p;
    bool ends = p->phase_deferred[phase];
    int64_t count = (r->n + p->slice - 1) / p->slice, per_block = ends ? p->block / p->slice : count;
    job j = {.r = r, .phase = phase, .repeat = repeat, .parts = r->hands};
    do {
        j.to = j.from + per_block < count ? j.from + per_block : count;
        r->block0 = j.from * p->slice;
        int64_t lanes = j.to - j.from < NRG_LANES ? j.to - j.from : NRG_LANES;
        nrg_team_go(r->hands > 1 ? r->team : NULL, lane_part, &j, (int)((lanes + r->wide - 1) / r->wide));
        atomic_store_explicit(&j.taken, 0, memory_order_relaxed);
        if (ends) nrg_team_go(r->hands > 1 ? r->team : NULL, deferred_part, &j, j.parts);
        j.from = j.to;
    } while (j.from < count);
}

// Steps worth a fork when they run once.
static bool shared(const nrg_plan *p, const nrg_work *s) {
    if (s->kind == NRG_STEP_tile) return ((const nrg_tile *)s->detail)->count >= 32768;
    if (s->kind == NRG_STEP_matmul || s->kind == NRG_STEP_distance || s->kind == NRG_STEP_nearest) return s->flops >= 4e6;
    if (s->kind == NRG_STEP_pack) return p->bufs.at[s->writes[0]].count >= 32768;
    return s->kind == NRG_STEP_combine && p->bufs.at[s->reads[0]].count >= 16384;
}

static void once_part(void *ud, int worker, int part) {
    job *j = ud;
    nrg_task *t = &j->r->tasks[worker];
    (void)part;
    t->part = own_share(j, worker), t->parts = j->parts;
    carry_out(t, j->step);
    t->part = 0, t->parts = 1;
}

static void once(nrg_run *r, uint32_t phase) {
    const nrg_plan *p = r->p;
    for (int i = 0; i < r->hands; i++) r->tasks[i].first = 0, r->tasks[i].rows = 0, r->tasks[i].skip = 0;
    for (uint32_t i = p->phase_at[phase]; i < p->phase_at[phase + 1]; i++) {
        const nrg_work *s = &p->steps.at[i];
        if (s->kind == NRG_STEP_pack && !nrg_cpu_packed(r, s->writes[0])) continue;
        if (r->hands == 1 || !shared(p, s)) {
            carry_out(&r->tasks[0], s);
            continue;
        }
        job j = {.r = r, .phase = phase, .parts = r->hands, .step = s};
        nrg_team_go(r->hands > 1 ? r->team : NULL, once_part, &j, j.parts);
    }
}

nrg_status nrg_run_go(nrg_run *r, int64_t n, int64_t repeat, uint64_t seed, uint32_t step) {
    const nrg_plan *p = r->p;
    r->n = n < 0 ? 0 : n;
    r->hands = r->fixed + r->each * (double)r->n * (double)repeat < NRG_LITTLE ? 1 : r->threads;
    TRY(nrg_cpu_inputs(r));
    TRY(desks(r, nrg_plan_stretch(p, r->n, r->hands)));
    r->sparing = !r->kept && (r->n + p->slice * r->wide - 1) / (p->slice * r->wide) * repeat <= 2;
    TRY(room(r, 1, p->batch_row * (size_t)nrg_plan_rows(r->n), &r->batch));
    TRY(room(r, 2, p->block_row * (size_t)nrg_plan_rows(r->n < p->block ? r->n : p->block), &r->block));
    place_values(r);
    int64_t outer = p->inside ? (repeat > 0) : repeat, inner = p->inside ? repeat : 1;
    unsigned old = flush_on();
    for (int64_t k = 0; k < outer; k++) {
        for (int i = 0; i < r->hands; i++) {
            nrg_task *t = &r->tasks[i];
            t->k = r->k, t->seed = seed, t->step = step + (uint32_t)k;
        }
        for (uint32_t f = 0; f < p->phases; f++) {
            if (f & 1) slices(r, f, inner);
            else if (f > 0 || !nrg_cpu_kept(r)) once(r, f);
        }
    }
    flush_back(old);
    return NRG_OK;
}
