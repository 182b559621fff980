// Fused elementwise steps: a small interpreter over tiles. One dispatch is paid for each operation and tile of up to
// NRG_TILE numbers, so intermediates stay in the first-level cache.
#include "exec/cpu/cpu.h"
#include <string.h>

typedef struct {
    nrg_task *t;
    const nrg_tile *d;
    nrg_tile_fn fn[NRG_TILE_OPS];
    size_t real;
    int64_t tile;                        // the most numbers of a tile
    char *at[NRG_TILE_LEAVES + 2 * NRG_TILE_OPS]; // where each operand of the tile at hand lies
    char *regs;
    double sum[NRG_TILE_SUMS][16];
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
        left = d->dim[last] - i[last] < n - done ? d->dim[last] - i[last] : n - done;
        if (l->stride[last] == 1 && left == n) return (char *)base + at * (int64_t)m->real;
        copy_run(m->real, reg + done * (int64_t)m->real, base + at * (int64_t)m->real, left, l->stride[last]);
        i[last] += left, at += left * l->stride[last];
        for (int64_t r = last; r >= 0 && i[r] == d->dim[r]; r--) { // to the next row
            at += (r ? l->stride[r - 1] : l->sample) - i[r] * l->stride[r];
            i[r] = 0;
            if (r) i[r - 1]++;
        }
    }
    return reg;
}

// Operands that are one number fill their registers once.
static void numbers(machine *m) {
    for (int k = 0; k < m->d->leaves_n; k++) {
        const nrg_tile_leaf *l = &m->d->leaves[k];
        char *reg = m->regs + (size_t)k * NRG_TILE * m->real;
        if (l->kind != NRG_LEAF_CONST && l->kind != NRG_LEAF_ONE) continue;
        m->at[k] = reg;
        float x = (float)l->value;
        const void *from = m->real == sizeof(float) ? (const void *)&x : &l->value;
        if (l->kind == NRG_LEAF_ONE) from = m->t->base[l->at.buf] + l->at.offset * (int64_t)m->real;
        copy_run(m->real, reg, from, m->tile, 0);
    }
}

static void one(machine *m, int64_t from, int64_t n) {
    const nrg_tile *d = m->d;
    int out = d->leaves_n + d->regs;
    for (int k = 0; k < d->leaves_n; k++)
        if (d->leaves[k].kind == NRG_LEAF_DIRECT || d->leaves[k].kind == NRG_LEAF_ROWS) m->at[k] = load(m, k, from, n);
    for (int k = 0; k < d->outs_n; k++) m->at[out + k] = m->t->base[d->outs[k]] + from * (int64_t)m->real;
    for (int i = 0; i < d->ops_n; i++) {
        const nrg_tile_op *o = &d->ops[i];
        m->fn[i](n, m->at[o->out], m->at[o->a], m->at[o->b], m->at[o->c]);
    }
}

// Adds the tile at hand to its sums; at the end of a run (number `run`) they are put down.
static void add_up(machine *m, int64_t n, int64_t run) {
    for (int k = 0; k < m->d->sums_n; k++) {
        const char *x = m->at[m->d->sums[k].a];
        if (m->real == sizeof(float)) m->t->k->sum_f32(n, (const float *)x, m->sum[k]);
        else m->t->k->sum_f64(n, (const double *)x, m->sum[k]);
        if (run < 0) continue;
        ((double *)m->t->base[m->d->sums[k].buf])[run] = nrg_cpu_tree(m->sum[k]);
        memset(m->sum[k], 0, sizeof m->sum[k]);
    }
}

void nrg_cpu_tile(nrg_task *t, const nrg_tile *d) {
    machine m = {.t = t, .d = d, .real = t->run->p->real, .regs = t->scratch};
    int64_t total = d->count * (d->sample ? t->rows : 1);
    bool rows = false;
    for (int i = 0; i < d->ops_n; i++)
        m.fn[i] = t->run->p->type == NRG_F64 ? t->k->tile_f64[d->ops[i].op] : t->k->tile_f32[d->ops[i].op];
    for (int i = 0; i < d->regs; i++) m.at[d->leaves_n + i] = m.regs + (size_t)(d->leaves_n + i) * NRG_TILE * m.real;
    for (int k = 0; k < d->leaves_n; k++) rows = rows || d->leaves[k].kind == NRG_LEAF_ROWS;
    m.tile = total < NRG_TILE ? total : NRG_TILE;
    numbers(&m);
    // Threads share a step in whole tiles, or runs of a sum. Tiles end with the rows where rows are long enough.
    int64_t inner = d->rank ? d->dim[d->rank - 1] : 1, unit = d->sums_n ? NRG_RUN : NRG_TILE, units = (total + unit - 1) / unit;
    if (!rows || inner < NRG_TILE / 4) inner = total;
    int64_t from = units * t->part / t->parts * unit, to = units * (t->part + 1) / t->parts * unit;
    if (to > total) to = total;
    while (from < to) {
        int64_t n = inner - from % inner, left = unit - from % unit;
        if (n > NRG_TILE) n = NRG_TILE;
        if (n > to - from) n = to - from;
        if (d->sums_n && n > left) n = left;
        one(&m, from, n);
        from += n;
        if (d->sums_n) add_up(&m, n, from % unit == 0 || from == to ? (from - 1) / unit : -1);
    }
}
