// Places and lifetimes of buffers, the size of a slice, and offsets in the blocks of memory of a run.
#include "plan/steps.h"
#include <string.h>

static size_t round64(size_t n) { return (n + 63) & ~(size_t)63; }
static int64_t power_above(int64_t n) {
    int64_t p = 1;
    while (p < n) p *= 2;
    return p;
}

static void lifetimes(nrg_plan *p) {
    for (uint32_t i = 0; i < p->bufs.n; i++) p->bufs.at[i].first = (int)p->steps.n, p->bufs.at[i].last = -1;
    for (int i = 0; i < (int)p->steps.n; i++) {
        const nrg_work *s = &p->steps.at[i];
        for (int k = 0; k < s->reads_n + s->writes_n; k++) {
            nrg_plan_buf *b = &p->bufs.at[k < s->reads_n ? s->reads[k] : s->writes[k - s->reads_n]];
            if (i < b->first) b->first = i;
            if (i > b->last) b->last = i;
            if (s->phase > b->last_phase) b->last_phase = s->phase;
            if (s->deferred && k < s->reads_n) b->block = true;
        }
    }
}

// Values read by a later slices phase are kept for all samples.
static void places(nrg_plan *p) {
    for (uint32_t i = 1; i < p->bufs.n; i++) {
        nrg_plan_buf *b = &p->bufs.at[i];
        if (b->last >= 0 && (b->place == NRG_AT_SLICE || b->place == NRG_AT_BLOCK) && b->last_phase > b->phase) b->place = NRG_AT_BATCH;
    }
}

// What a slices phase reads or sums up lives through the whole phase, because slices are at different steps of it.
static void whole_phases(nrg_plan *p) {
    for (uint32_t i = 1; i < p->bufs.n; i++) {
        nrg_plan_buf *b = &p->bufs.at[i];
        if (b->last < 0) continue;
        uint32_t f = p->steps.at[b->first].phase, l = p->steps.at[b->last].phase;
        if (b->place == NRG_AT_SLICE) continue;
        if (f & 1) b->first = (int)p->phase_at[f];
        if (l & 1) b->last = (int)p->phase_at[l + 1] - 1;
    }
}

static bool in_thread(const nrg_plan_buf *b) {
    return b->last >= 0 && (b->place == NRG_AT_SLICE || (b->place == NRG_AT_INPUT && b->sample && !b->block));
}
static bool in_once(const nrg_plan_buf *b) { return b->last >= 0 && (b->place == NRG_AT_ONCE || b->place == NRG_AT_LANES); }
static bool in_block(const nrg_plan_buf *b) {
    return b->last >= 0 && (b->place == NRG_AT_BLOCK || (b->place == NRG_AT_INPUT && b->sample && b->block));
}

static size_t bytes_of(const nrg_plan *p, const nrg_plan_buf *b, int64_t rows) {
    size_t real = b->wide ? sizeof(double) : p->real;
    return round64(real * (size_t)b->count * (size_t)(b->place == NRG_AT_LANES ? NRG_LANES : rows));
}

// Offsets by lifetime: in order of size, each buffer takes the lowest gap between those that live at the same time.
typedef struct {
    size_t size, at;
    int first, last;
    uint32_t buf;
} interval;

static void sort_by_size(interval *x, int n) { // shell sort: small, stable enough, no allocation
    for (int gap = n / 2; gap > 0; gap /= 2)
        for (int i = gap; i < n; i++) {
            interval t = x[i];
            int j = i;
            for (; j >= gap && (x[j - gap].size < t.size || (x[j - gap].size == t.size && x[j - gap].buf > t.buf)); j -= gap) x[j] = x[j - gap];
            x[j] = t;
        }
}

static void sort_by_place(interval *x, int n) {
    for (int i = 1; i < n; i++) {
        interval t = x[i];
        int j = i;
        for (; j > 0 && x[j - 1].at > t.at; j--) x[j] = x[j - 1];
        x[j] = t;
    }
}

static size_t lay(interval *x, int n, interval *busy) {
    size_t total = 0;
    sort_by_size(x, n);
    for (int i = 0; i < n; i++) {
        int busy_n = 0;
        for (int j = 0; j < i; j++)
            if (x[j].first <= x[i].last && x[i].first <= x[j].last) busy[busy_n++] = x[j];
        sort_by_place(busy, busy_n);
        size_t at = 0;
        for (int j = 0; j < busy_n; j++) {
            if (busy[j].at >= at + x[i].size) break;
            if (busy[j].at + busy[j].size > at) at = busy[j].at + busy[j].size;
        }
        x[i].at = at;
        if (at + x[i].size > total) total = at + x[i].size;
    }
    return total;
}

static nrg_status layout(nrg_plan *p, bool (*member)(const nrg_plan_buf *), int64_t rows, size_t *total) {
    nrg_arena a = nrg_arena_make(p->ctx);
    interval *x = NRG_NEWS(&a, interval, 2 * p->bufs.n);
    int n = 0;
    if (!x) {
        nrg_arena_free(&a);
        return NRG_E098;
    }
    for (uint32_t i = 1; i < p->bufs.n; i++)
        if (member(&p->bufs.at[i]) && !p->bufs.at[i].over)
            x[n++] = (interval){bytes_of(p, &p->bufs.at[i], rows), 0, p->bufs.at[i].first, p->bufs.at[i].last, i};
    *total = lay(x, n, x + p->bufs.n);
    for (int i = 0; i < n; i++) p->bufs.at[x[i].buf].offset = x[i].at;
    for (uint32_t i = 1; i < p->bufs.n; i++)
        if (p->bufs.at[i].over && member(&p->bufs.at[i])) p->bufs.at[i].offset = p->bufs.at[p->bufs.at[i].over].offset;
    nrg_arena_free(&a);
    return NRG_OK;
}

// The most bytes a sample has alive at once.
static double live_bytes(const nrg_plan *p) {
    double most = 1;
    for (int i = 0; i < (int)p->steps.n; i++) {
        double live = 0;
        if (!(p->steps.at[i].phase & 1)) continue;
        for (uint32_t k = 1; k < p->bufs.n; k++) {
            const nrg_plan_buf *b = &p->bufs.at[k];
            if ((in_thread(b) || in_block(b)) && !b->over && b->first <= i && i <= b->last) live += (double)p->real * (double)b->count;
        }
        if (live > most) most = live;
    }
    return most;
}

// From shapes and the usual batch only: a power of two with about 1 MiB of live values, or a fourth of the batch, so that threads get equal
// parts, where that leaves 16 rows for the products.
static int64_t slice_size(const nrg_plan *p) {
    double fit = 1048576.0 / live_bytes(p);
    int64_t n = 256, batch = p->batch > 0 ? p->batch : 256;
    while (n > 1 && (double)n > fit) n /= 2;
    int64_t cut = (batch + 3) / 4;
    if (cut < 16) cut = 16;
    if (n > cut) n = cut;
    if (n > power_above(batch)) n = power_above(batch);
    return n;
}

static size_t scratch_size(const nrg_plan *p) {
    size_t most = NRG_SCRATCH_FLOATS * p->real;
    if (nrg_dtype_bf16(p->type) && most < NRG_BF16_BYTES) most = NRG_BF16_BYTES;
    for (uint32_t i = 0; i < p->steps.n; i++) {
        const nrg_work *s = &p->steps.at[i];
        if (s->kind == NRG_STEP_conv) {
            const nrg_conv_step *d = s->detail;
            size_t one = (size_t)(d->pictures + d->rows + d->filters) * p->real;
            if (one > most) most = one;
        }
        if (s->kind == NRG_STEP_nearest || s->kind == NRG_STEP_centre) { // a row of bytes at least
            const nrg_nearest_step *near = s->detail;
            const nrg_centre_step *centre = s->detail;
            size_t k = s->kind == NRG_STEP_centre ? (size_t)centre->k : (size_t)nrg_plan_count(&near->red), one = (NRG_SCRATCH_FLOATS + k) * p->real;
            if (one > most) most = one;
        }
        if (s->kind != NRG_STEP_dense && s->kind != NRG_STEP_trisolve) continue;
        const nrg_dense_step *d = s->detail;
        size_t need = (size_t)(d->n * d->n + d->n * d->m) * p->real + (size_t)d->n * 16 + 4096;
        if (need > most) most = need;
    }
    return round64(most);
}

static size_t streamed(const nrg_plan *p) {
    size_t sum = 0;
    for (uint32_t i = 0; i < p->steps.n; i++) {
        const nrg_matmul_step *d = p->steps.at[i].detail;
        if (p->steps.at[i].kind == NRG_STEP_matmul && d->packed) sum += bytes_of(p, &p->bufs.at[d->packed], 1);
    }
    return sum > NRG_CACHE ? sum : 0;
}

nrg_status nrg_plan_memory(nrg_plan *p, const nrg_plan_spec *spec) {
    lifetimes(p);
    places(p);
    nrg_plan_share(p);
    whole_phases(p);
    p->slice = spec->slice > 0 ? spec->slice : slice_size(p);
    p->block = (p->block + p->slice - 1) / p->slice * p->slice;
    TRY(layout(p, in_once, 1, &p->once));
    TRY(layout(p, in_thread, p->slice, &p->thread));
    for (uint32_t i = 1; i < p->bufs.n; i++) {
        nrg_plan_buf *b = &p->bufs.at[i];
        bool batch = b->last >= 0 && b->place == NRG_AT_BATCH;
        if (!batch && !in_block(b)) continue;
        size_t *row = batch ? &p->batch_row : &p->block_row;
        b->offset = *row;
        *row += (size_t)b->count * p->real;
    }
    p->scratch = scratch_size(p);
    p->streamed = streamed(p);
    return NRG_OK;
}
