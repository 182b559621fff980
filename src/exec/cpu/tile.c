// Fused elementwise steps: a small interpreter over tiles. One dispatch is paid for each operation and tile of up to
// NRG_TILE numbers, so intermediates stay in the first-level cache.
#include "exec/cpu/cpu.h"
#include <math.h>
#include <string.h>

enum { SHORT = 64 }; // rows of fewer numbers are copied many at a time

typedef struct {
    nrg_task *t;
    const nrg_tile *d;
    const nrg_tile_fn *fn;               // by operation
    size_t real;
    int64_t tile;                        // numbers of a tile, at most
    bool repeats;                        // tiles are whole rows: an operand that is one row lies in its register
    char *at[NRG_TILE_LEAVES + 2 * NRG_TILE_OPS]; // where each operand of the tile at hand lies
    char *regs;
} machine;

static void copy_run(size_t real, char *to, const char *from, int64_t n, int64_t stride) {
    if (stride == 1 && n >= 8) {
        memcpy(to, from, (size_t)n * real);
    } else if (real == sizeof(float)) {
        float *o = (float *)to;
        const float *x = (const float *)from;
        if (stride == 0) for (int64_t i = 0; i < n; i++) o[i] = *x;
        else for (int64_t i = 0; i < n; i++) o[i] = x[i * stride];
    } else {
        double *o = (double *)to;
        const double *x = (const double *)from;
        if (stride == 0) for (int64_t i = 0; i < n; i++) o[i] = *x;
        else for (int64_t i = 0; i < n; i++) o[i] = x[i * stride];
    }
}

// Many rows of few numbers, as of windows.
#define SHORT_ROWS(type, n)                                                                                            \
    for (int64_t i = 0; i < rows; i++)                                                                                 \
        for (int64_t j = 0; j < (n); j++) ((type *)to)[i * (n) + j] = ((const type *)from)[i * row_step + j * step];
#define CASES(type)                                                                                                    \
    if (n == 2 && row_step == 1 && step == 0)                                                                          \
        for (int64_t i = 0; i < rows; i++) ((type *)to)[2 * i] = ((type *)to)[2 * i + 1] = ((const type *)from)[i];    \
    else if (n == 2) SHORT_ROWS(type, 2)                                                                               \
    else if (n == 3) SHORT_ROWS(type, 3)                                                                               \
    else if (step == 0)                                                                                                \
        for (int64_t i = 0; i < rows; i++)                                                                             \
            for (int64_t j = 0; j < n; j++) ((type *)to)[i * n + j] = ((const type *)from)[i * row_step];              \
    else SHORT_ROWS(type, n)
static void copy_rows(size_t real, char *to, const char *from, int64_t rows, int64_t row_step, int64_t n, int64_t step) {
    if (real == sizeof(float)) {
        CASES(float)
    } else {
        CASES(double)
    }
}
#undef CASES
#undef SHORT_ROWS

static int64_t place(const nrg_tile *d, const nrg_tile_leaf *l, int64_t index, int64_t *i) { // offset of a number of the space
    int64_t at = 0;
    for (int k = d->rank - 1; k >= 0; k--) {
        i[k] = index % d->dim[k];
        at += i[k] * l->stride[k];
        index /= d->dim[k];
    }
    return at + index * l->sample;
}

// A strided leaf: in place when the tile is a piece of one row that lies side by side, else copied into its register.
static char *load(machine *m, int k, int64_t from, int64_t n) {
    const nrg_tile *d = m->d;
    const nrg_tile_leaf *l = &d->leaves[k];
    const char *base = m->t->base[l->at.buf] + l->at.offset * (int64_t)m->real;
    char *reg = m->regs + (size_t)k * NRG_TILE * m->real;
    if (l->kind == NRG_LEAF_DIRECT) return (char *)base + from * (int64_t)m->real;
    int64_t i[NRG_PLAN_RANK], at = place(d, l, from, i), last = d->rank - 1;
    if (last < 0) { // one number a sample
        copy_run(m->real, reg, base + at * (int64_t)m->real, n, l->sample);
        return reg;
    }
    for (int64_t done = 0, left; done < n; done += left) {
        int64_t inner = last, rows = 0;
        if (d->dim[last] < SHORT && last > 0 && i[last] == 0) { // as many whole rows as there are
            rows = d->dim[last - 1] - i[last - 1];
            if (rows > (n - done) / d->dim[last]) rows = (n - done) / d->dim[last];
        }
        if (rows > 0) {
            left = rows * d->dim[last], inner = last - 1;
            copy_rows(m->real, reg + done * (int64_t)m->real, base + at * (int64_t)m->real, rows, l->stride[inner], d->dim[last], l->stride[last]);
            i[inner] += rows, at += rows * l->stride[inner];
        } else {
            left = d->dim[last] - i[last] < n - done ? d->dim[last] - i[last] : n - done;
            if (l->stride[last] == 1 && left == n) return (char *)base + at * (int64_t)m->real;
            copy_run(m->real, reg + done * (int64_t)m->real, base + at * (int64_t)m->real, left, l->stride[last]);
            i[last] += left, at += left * l->stride[last];
        }
        for (int64_t r = inner; r >= 0 && i[r] == d->dim[r]; r--) { // to the next row
            at += (r ? l->stride[r - 1] : l->sample) - i[r] * l->stride[r];
            i[r] = 0;
            if (r) i[r - 1]++;
        }
    }
    return reg;
}

// The row of each sample's index, NaN where there is none such: in place when the tile is a piece of one that lies side by side.
static char *picked(machine *m, int k, int64_t from, int64_t n) {
    const nrg_tile *d = m->d;
    const nrg_tile_leaf *l = &d->leaves[k];
    const char *base = m->t->base[l->at.buf] + l->at.offset * (int64_t)m->real;
    const char *index = m->t->base[l->index.buf] + l->index.offset * (int64_t)m->real;
    char *reg = m->regs + (size_t)k * NRG_TILE * m->real;
    int last = d->rank - 1;
    for (int64_t done = 0, left; done < n; done += left) {
        int64_t i[NRG_PLAN_RANK], at = place(d, l, from + done, i), sample = (from + done) / d->count * l->each;
        double r = m->real == sizeof(float) ? (double)((const float *)index)[sample] : ((const double *)index)[sample];
        left = d->dim[last] - i[last] < n - done ? d->dim[last] - i[last] : n - done;
        char *to = reg + done * (int64_t)m->real;
        if (!(r >= 0 && r < (double)l->rows)) {
            float x = NAN;
            double y = NAN;
            copy_run(m->real, to, m->real == sizeof x ? (const char *)&x : (const char *)&y, left, 0);
            continue;
        }
        const char *row = base + ((int64_t)r * l->row + at) * (int64_t)m->real;
        if (left == n && l->stride[last] == 1) return (char *)row;
        copy_run(m->real, to, row, left, l->stride[last]);
    }
    return reg;
}

static char *leaf_register(const machine *m, int k) { return m->regs + (size_t)k * NRG_TILE * m->real; }

// As many rows as a tile has: each time twice what is there.
static void repeat_row(const machine *m, char *reg, const char *from, int64_t row) {
    size_t size = (size_t)m->tile * m->real, have = (size_t)row * m->real;
    memcpy(reg, from, have);
    for (size_t n; have < size; have += n) {
        n = have < size - have ? have : size - have;
        memcpy(reg + have, reg, n);
    }
}

// Operands that are the same for all tiles: numbers, and the row that is repeated. What lies as the space does begins at `from`.
static void begin(machine *m, int64_t from) {
    const nrg_tile *d = m->d;
    int64_t row = d->rank ? d->dim[d->rank - 1] : 1;
    for (int k = 0; k < d->leaves_n; k++) {
        const nrg_tile_leaf *l = &d->leaves[k];
        char *reg = m->at[k] = leaf_register(m, k);
        if (l->kind == NRG_LEAF_CONST) {
            float x = (float)l->value;
            copy_run(m->real, reg, m->real == sizeof x ? (const char *)&x : (const char *)&l->value, m->tile, 0);
            continue;
        }
        char *base = m->t->base[l->at.buf] + l->at.offset * (int64_t)m->real;
        if (l->kind == NRG_LEAF_DIRECT) m->at[k] = base + from * (int64_t)m->real;
        else if (l->kind == NRG_LEAF_ONE && m->tile > 1) copy_run(m->real, reg, base, m->tile, 0);
        else if (l->kind == NRG_LEAF_ROW && m->repeats && row < m->tile) repeat_row(m, reg, base, row);
        else m->at[k] = base;
    }
    for (int i = 0; i < d->regs; i++) m->at[d->leaves_n + i] = leaf_register(m, d->leaves_n + i);
    for (int k = 0; k < d->outs_n; k++) m->at[d->leaves_n + d->regs + k] = m->t->base[d->outs[k]] + from * (int64_t)m->real;
}

static bool strided(const machine *m, const nrg_tile_leaf *l) {
    return l->kind == NRG_LEAF_ROWS || (l->kind == NRG_LEAF_ROW && !m->repeats);
}

static void one(machine *m, int64_t from, int64_t n) {
    const nrg_tile *d = m->d;
    for (int k = 0; k < d->leaves_n; k++)
        if (d->leaves[k].kind == NRG_LEAF_PICKED) m->at[k] = picked(m, k, from, n);
        else if (strided(m, &d->leaves[k])) m->at[k] = load(m, k, from, n);
    for (int i = 0; i < d->ops_n; i++) {
        const nrg_tile_op *o = &d->ops[i];
        m->fn[o->op](n, m->at[o->out], m->at[o->a], m->at[o->b], m->at[o->c]);
    }
}

static void next(machine *m, int64_t n) {
    const nrg_tile *d = m->d;
    for (int k = 0; k < d->leaves_n; k++)
        if (d->leaves[k].kind == NRG_LEAF_DIRECT) m->at[k] += n * (int64_t)m->real;
    for (int k = d->leaves_n + d->regs; k < d->leaves_n + d->regs + d->outs_n; k++) m->at[k] += n * (int64_t)m->real;
}

// Adds the tile at hand to its sums; at the end of a run (number `run`) they are put down.
static void add_up(machine *m, double sum[NRG_TILE_SUMS][16], int64_t n, int64_t run) {
    for (int k = 0; k < m->d->sums_n; k++) {
        const char *x = m->at[m->d->sums[k].a];
        if (m->real == sizeof(float)) m->t->k->sum_f32(n, (const float *)x, sum[k]);
        else m->t->k->sum_f64(n, (const double *)x, sum[k]);
        if (run < 0) continue;
        char *to = m->t->base[m->d->sums[k].buf];
        double total = nrg_cpu_tree(sum[k]);
        if (m->d->sums[k].whole && m->real == sizeof(float)) ((float *)to)[run] = (float)total;
        else ((double *)to)[run] = total;
        memset(sum[k], 0, sizeof sum[k]);
    }
}

// In runs of numbers whose sums are kept, or sample by sample. Tiles end with the rows where rows are long enough.
static void with_sums(machine *m, int64_t row, int64_t from, int64_t to) {
    double sum[NRG_TILE_SUMS][16];
    int64_t length = m->d->sample ? m->d->count : NRG_RUN;
    for (int k = 0; k < m->d->sums_n; k++) memset(sum[k], 0, sizeof sum[k]);
    while (from < to) {
        int64_t n = row - from % row, left = length - from % length;
        if (n > NRG_TILE) n = NRG_TILE;
        if (n > left) n = left;
        if (n > to - from) n = to - from;
        one(m, from, n);
        from += n;
        add_up(m, sum, n, from % length == 0 || from == to ? (from - 1) / length : -1);
        next(m, n);
    }
}

static void without_sums(machine *m, int64_t row, int64_t from, int64_t to) {
    while (from < to) {
        int64_t n = row < to ? row - from % row : m->tile;
        if (n > m->tile) n = m->tile;
        if (n > to - from) n = to - from;
        one(m, from, n);
        next(m, n);
        from += n;
    }
}

static void share(const nrg_task *t, int64_t unit, int64_t total, int64_t *from, int64_t *to) {
    int64_t units = total ? (total + unit - 1) / unit : 0;
    *from = units * t->part / t->parts * unit, *to = units * (t->part + 1) / t->parts * unit;
    if (*to > total) *to = total;
}

void nrg_cpu_tile(nrg_task *t, const nrg_tile *d) {
    const nrg_plan *p = t->run->p;
    machine m;
    m.t = t, m.d = d, m.real = p->real, m.regs = t->scratch;
    m.fn = p->type == NRG_F64 ? t->k->tile_f64 : t->k->tile_f32;
    bool rows = false, row = false;
    for (int k = 0; k < d->leaves_n; k++) {
        row |= d->leaves[k].kind == NRG_LEAF_ROW;
        rows |= d->leaves[k].kind == NRG_LEAF_ROWS && d->rank && d->leaves[k].stride[d->rank - 1]; // one number a row is copied anyhow
        rows |= d->leaves[k].kind == NRG_LEAF_PICKED;
    }
    int64_t total = d->count * (d->sample ? t->rows : 1), inner = d->rank ? d->dim[d->rank - 1] : 1;
    // Operands that are strided lie in place where tiles end with rows; the one row that repeats, where tiles are whole rows.
    bool by_rows = (rows || row) && inner >= NRG_TILE / 4;
    m.repeats = row && !d->sums_n && (by_rows && rows ? inner <= NRG_TILE : inner > 0 && inner <= NRG_TILE);
    m.tile = NRG_TILE;
    if (m.repeats && !rows) m.tile = NRG_TILE / inner * inner, by_rows = false;
    else if (m.repeats && by_rows) m.tile = inner;
    else if (m.repeats) m.repeats = false;
    if (total < m.tile) m.tile = total;
    // Threads share a step in whole tiles, or runs of a sum.
    int64_t from = 0, to = total;
    if (t->parts > 1) share(t, d->sums_n ? NRG_RUN : m.tile, total, &from, &to);
    if (from >= to) return;
    begin(&m, from);
    if (d->sums_n) with_sums(&m, by_rows ? inner : to, from, to);
    else without_sums(&m, by_rows ? inner : to, from, to);
}
