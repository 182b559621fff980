// A group of elementwise nodes -> one fused step: leaves with their strides over the common space, a register program.
#include "plan/steps.h"
#include <string.h>

typedef struct {
    nrg_planner *w;
    nrg_node member[NRG_TILE_OPS];
    bool copy[NRG_TILE_OPS]; // made again here: kept elsewhere, or nowhere
    nrg_node sum[NRG_TILE_SUMS];
    int n;
    nrg_node leaf_node[NRG_TILE_LEAVES];
    int full;                                            // axes of the space before merging, without the sample axis
    int64_t dim[NRG_MAX_LEADS + NRG_MAX_RANK];
    int64_t stride[NRG_TILE_LEAVES][NRG_MAX_LEADS + NRG_MAX_RANK];
    int64_t sample[NRG_TILE_LEAVES];
    nrg_tile *t;
} maker;

static const nrg_node_info *info(const nrg_planner *w, nrg_node n) { return nrg_graph_node(w->p->graph, n); }

static int find(const maker *m, nrg_node n) {
    for (int i = 0; i < m->t->leaves_n; i++)
        if (m->leaf_node[i].i == n.i) return i;
    return -1;
}

// Rows by index are read where they lie: strides are those of a row.
static nrg_status picked(maker *m, nrg_node n, nrg_tile_leaf *l, int64_t *stride) {
    const nrg_node_info *s = info(m->w, m->member[0]), *v = info(m->w, n), *a = info(m->w, v->in[0]);
    nrg_view *x, *z;
    TRY(nrg_plan_view(m->w, v->in[1], &z));
    TRY(nrg_plan_view(m->w, v->in[0], &x));
    *l = (nrg_tile_leaf){.kind = NRG_LEAF_PICKED, .at = {x->buf, x->offset}, .index = {z->buf, z->offset}, .rows = a->shape.dim[0],
                         .row = x->event[0], .each = z->lead[0]};
    for (int i = 0; i < s->shape.rank; i++) stride[i] = s->shape.dim[i] == 1 ? 0 : x->event[i + 1];
    return NRG_OK;
}

// Strides of leaf k over the axes of the space: leading axes by identity, event axes from the right.
static nrg_status leaf(maker *m, nrg_node n) {
    const nrg_node_info *s = info(m->w, m->member[0]), *v = info(m->w, n);
    int k = m->t->leaves_n, at = 0;
    nrg_view *x;
    if (k == NRG_TILE_LEAVES) return nrg_fail(m->w->p->ctx, NRG_E099, v->span, "a fused step has too many operands");
    nrg_tile_leaf *l = &m->t->leaves[k];
    m->leaf_node[k] = n;
    m->t->leaves_n++;
    if (nrg_plan_constant(m->w, n, &l->value)) {
        l->kind = NRG_LEAF_CONST;
        return NRG_OK;
    }
    if (m->w->picked[n.i]) return picked(m, n, l, m->stride[k]);
    TRY(nrg_plan_view(m->w, n, &x));
    l->kind = NRG_LEAF_ROWS;
    l->at = (nrg_at){x->buf, x->offset};
    l->sample = m->sample[k] = v->leads & NRG_SAMPLE ? x->lead[0] : 0;
    for (int i = 1; i < NRG_MAX_LEADS; i++)
        if (s->leads >> i & 1) m->stride[k][at++] = v->leads >> i & 1 ? x->lead[i] : 0;
    for (int i = 0; i < s->shape.rank; i++) {
        int j = i - s->shape.rank + v->shape.rank;
        m->stride[k][at++] = j < 0 || v->shape.dim[j] == 1 ? 0 : x->event[j];
    }
    return NRG_OK;
}

static void space(maker *m) {
    const nrg_node_info *s = info(m->w, m->member[0]);
    m->t->sample = s->leads & NRG_SAMPLE;
    m->t->count = nrg_node_count(m->w->p->graph, m->member[0]);
    for (int i = 1; i < NRG_MAX_LEADS; i++)
        if (s->leads >> i & 1) m->dim[m->full++] = nrg_lead_extent(m->w->p->graph, 1u << i);
    for (int i = 0; i < s->shape.rank; i++) m->dim[m->full++] = s->shape.dim[i];
}

// Neighbouring axes become one where every leaf allows it.
static nrg_status merge(maker *m) {
    nrg_tile *t = m->t;
    for (int i = 0; i < m->full; i++) {
        if (m->dim[i] == 1) continue;
        bool joins = t->rank > 0;
        for (int k = 0; joins && k < t->leaves_n; k++)
            joins = t->leaves[k].kind == NRG_LEAF_CONST || t->leaves[k].stride[t->rank - 1] == m->stride[k][i] * m->dim[i];
        if (!joins && t->rank == NRG_PLAN_RANK)
            return nrg_fail(m->w->p->ctx, NRG_E071, NRG_NOWHERE, "an operation over more than %d axes", NRG_PLAN_RANK);
        int at = joins ? t->rank - 1 : t->rank++;
        t->dim[at] = joins ? t->dim[at] * m->dim[i] : m->dim[i];
        for (int k = 0; k < t->leaves_n; k++) t->leaves[k].stride[at] = m->stride[k][i];
    }
    for (int k = 0; k < t->leaves_n; k++) {
        nrg_tile_leaf *l = &t->leaves[k];
        if (l->kind == NRG_LEAF_CONST || l->kind == NRG_LEAF_PICKED) continue;
        int64_t stride = 1;
        bool direct = true, one = !l->sample, row = one && t->rank > 0 && l->stride[t->rank - 1] == 1;
        for (int i = t->rank - 1; i >= 0; i--) {
            if (l->stride[i] != stride) direct = false;
            if (l->stride[i]) one = false;
            if (l->stride[i] && i < t->rank - 1) row = false;
            stride *= t->dim[i];
        }
        if (one && (t->rank || t->sample)) l->kind = NRG_LEAF_ONE;
        else if (direct && (!t->sample || l->sample == t->count)) l->kind = NRG_LEAF_DIRECT;
        else if (row) l->kind = NRG_LEAF_ROW;
    }
    return NRG_OK;
}

static int member_index(const maker *m, nrg_node n) {
    for (int i = 0; i < m->n; i++)
        if (m->member[i].i == n.i) return i;
    return -1;
}

// A buffer for the partial sums of member i, which lie in operand `place`.
static nrg_status add_sum(maker *m, int i, uint16_t place) {
    nrg_plan *p = m->w->p;
    nrg_plan_buf b = {.place = NRG_AT_ONCE, .wide = true, .count = (m->t->count + NRG_RUN - 1) / NRG_RUN, .node = m->member[i],
                      .phase = (uint32_t)m->w->level[m->member[i].i]};
    m->sum[m->t->sums_n] = (nrg_node){m->w->sum_of[m->member[i].i]};
    m->t->sums[m->t->sums_n].a = place;
    m->t->sums[m->t->sums_n].whole = m->t->sample || b.count == 1;
    if (m->t->sums[m->t->sums_n].whole) {
        nrg_view *x;
        TRY(nrg_plan_buffer(m->w, m->sum[m->t->sums_n], &x));
        m->t->sums[m->t->sums_n++].buf = x->buf;
        return NRG_OK;
    }
    m->t->sums[m->t->sums_n++].buf = p->bufs.n;
    return NRG_PUSH(&p->arena, p->bufs, b);
}

// Registers by last use; a value that others read goes straight to its buffer. Numbers of registers and outputs are
// offset once their counts are known.
static nrg_status program(maker *m, const int *last) {
    nrg_tile *t = m->t;
    int16_t place[NRG_TILE_OPS]; // >= 0: register; < 0: output -1 - place
    int owner[NRG_TILE_OPS];     // member in a register, -1: free
    for (int i = 0; i < NRG_TILE_OPS; i++) owner[i] = -1;
    for (int i = 0; i < m->n; i++) {
        const nrg_node_info *v = info(m->w, m->member[i]);
        nrg_tile_op *o = &t->ops[i];
        uint16_t in[3] = {0, 0, 0};
        for (int k = 0; k < nrg_plan_arity(v->op); k++) {
            int j = member_index(m, v->in[k]);
            in[k] = (uint16_t)(j < 0 ? find(m, v->in[k]) : place[j] < 0 ? 0x8000 + (-1 - place[j]) : 0x4000 + place[j]);
        }
        for (int r = 0; r < t->regs; r++)
            if (owner[r] >= 0 && last[owner[r]] <= i) owner[r] = -1;
        o->op = v->op, o->a = in[0], o->b = in[1], o->c = in[2];
        if (m->w->solid[m->member[i].i] && !m->copy[i]) {
            nrg_view *y;
            TRY(nrg_plan_buffer(m->w, m->member[i], &y));
            place[i] = (int16_t)(-1 - t->outs_n);
            o->out = (uint16_t)(0x8000 + t->outs_n);
            t->outs[t->outs_n++] = y->buf;
        } else {
            int r = 0;
            while (r < t->regs && owner[r] >= 0) r++;
            if (r == t->regs) t->regs++;
            owner[r] = i;
            place[i] = (int16_t)r;
            o->out = (uint16_t)(0x4000 + r);
        }
        if (m->w->sum_of[m->member[i].i] && !m->copy[i]) TRY(add_sum(m, i, o->out));
    }
    t->ops_n = m->n;
    return NRG_OK;
}

static uint16_t number(const nrg_tile *t, uint16_t x) {
    if (x & 0x8000) return (uint16_t)(t->leaves_n + t->regs + (x & 0x3fff));
    return x & 0x4000 ? (uint16_t)(t->leaves_n + (x & 0x3fff)) : x;
}

static nrg_status combine(maker *m, int k) {
    nrg_plan *p = m->w->p;
    nrg_view *x;
    nrg_combine_step *d = NRG_NEW(&p->arena, nrg_combine_step);
    if (!d) return NRG_E098;
    uint32_t from = m->t->sums[k].buf;
    TRY(nrg_plan_buffer(m->w, m->sum[k], &x));
    *d = (nrg_combine_step){NRG_OP_sum, from, x->buf, true, p->bufs.at[from].count};
    return nrg_plan_step(m->w, NRG_STEP_combine, m->sum[k], (uint32_t)m->w->level[m->sum[k].i], d, &d->from, 1, &d->to, 1, 0);
}

static nrg_status finish(maker *m) {
    nrg_tile *t = m->t;
    uint32_t reads[2 * NRG_TILE_LEAVES], writes[NRG_TILE_OPS + NRG_TILE_SUMS];
    int reads_n = 0, writes_n = 0;
    for (int k = 0; k < t->outs_n; k++) writes[writes_n++] = t->outs[k];
    for (int k = 0; k < t->sums_n; k++) {
        t->sums[k].a = number(t, t->sums[k].a);
        writes[writes_n++] = t->sums[k].buf;
    }
    for (int i = 0; i < t->ops_n; i++) {
        nrg_tile_op *o = &t->ops[i];
        o->out = number(t, o->out), o->a = number(t, o->a), o->b = number(t, o->b), o->c = number(t, o->c);
    }
    for (int k = 0; k < t->leaves_n; k++)
        if (t->leaves[k].kind != NRG_LEAF_CONST) reads[reads_n++] = t->leaves[k].at.buf;
    for (int k = 0; k < t->leaves_n; k++)
        if (t->leaves[k].kind == NRG_LEAF_PICKED) reads[reads_n++] = t->leaves[k].index.buf;
    nrg_node last = m->member[m->n - 1];
    TRY(nrg_plan_step(m->w, NRG_STEP_tile, last, (uint32_t)m->w->level[last.i], t, reads, reads_n, writes, writes_n,
                      (double)t->count * t->ops_n));
    for (int k = 0; k < t->sums_n; k++)
        if (!t->sums[k].whole) TRY(combine(m, k));
    return NRG_OK;
}

// Nodes of the group and those that it makes again, ascending.
static void members(maker *m, uint32_t group) {
    const nrg_planner *w = m->w;
    for (uint32_t i = w->group_first[group]; i && m->n < NRG_TILE_OPS; i = w->group_next[i]) m->member[m->n++] = (nrg_node){i};
    for (uint32_t i = 0; i < w->copies.n && m->n < NRG_TILE_OPS; i++) {
        int at = m->n;
        if (w->copies.at[i].group != group) continue;
        for (; at > 0 && m->member[at - 1].i > w->copies.at[i].node; at--) m->member[at] = m->member[at - 1], m->copy[at] = m->copy[at - 1];
        m->member[at] = (nrg_node){w->copies.at[i].node};
        m->copy[at] = true;
        m->n++;
    }
}

nrg_status nrg_plan_tile(nrg_planner *w, uint32_t group) {
    nrg_arena *a = &w->p->arena;
    maker *m = NRG_NEW(a, maker);
    int last[NRG_TILE_OPS];
    if (!m || !(m->t = NRG_NEW(a, nrg_tile))) return NRG_E098;
    nrg_tile *t = m->t;
    t->leaves = NRG_NEWS(a, nrg_tile_leaf, NRG_TILE_LEAVES);
    t->ops = NRG_NEWS(a, nrg_tile_op, NRG_TILE_OPS);
    t->outs = NRG_NEWS(a, uint32_t, NRG_TILE_OPS);
    if (!t->leaves || !t->ops || !t->outs) return NRG_E098;
    m->w = w;
    members(m, group);
    if (!m->n) return NRG_OK; // all of it is made elsewhere
    space(m);
    for (int i = 0; i < m->n; i++) {
        const nrg_node_info *v = info(w, m->member[i]);
        last[i] = w->sum_of[m->member[i].i] ? m->n : i; // summed when all operations of a tile are done
        for (int k = 0; k < nrg_plan_arity(v->op); k++) {
            int j = member_index(m, v->in[k]);
            if (j >= 0) last[j] = last[j] > i ? last[j] : i;
            else if (find(m, v->in[k]) < 0) TRY(leaf(m, v->in[k]));
        }
    }
    TRY(merge(m));
    TRY(program(m, last));
    return finish(m);
}
