// One node -> steps: everything but products, convolutions and fused groups.
#include "plan/steps.h"
#include <string.h>

static const nrg_node_info *info(const nrg_planner *w, nrg_node n) { return nrg_graph_node(w->p->graph, n); }
static nrg_at at(const nrg_view *x) { return (nrg_at){x->buf, x->offset}; }

nrg_status nrg_plan_step(nrg_planner *w, nrg_step_kind kind, nrg_node n, uint32_t phase, const void *detail, const uint32_t *reads,
                         int reads_n, const uint32_t *writes, int writes_n, double flops) {
    nrg_arena *a = &w->p->arena;
    nrg_work s = {.kind = kind, .phase = phase, .node = n, .detail = detail, .reads_n = reads_n, .writes_n = writes_n, .flops = flops};
    s.reads = NRG_NEWS(a, uint32_t, reads_n + 1);
    s.writes = NRG_NEWS(a, uint32_t, writes_n + 1);
    if (!s.reads || !s.writes) return NRG_E098;
    for (int i = 0; i < reads_n; i++) s.reads[i] = reads[i];
    for (int i = 0; i < writes_n; i++) s.writes[i] = writes[i];
    return NRG_PUSH(a, w->p->steps, s);
}

// Phase of the work for node n: a sum over samples works one phase before its value is there.
static uint32_t work_phase(const nrg_planner *w, nrg_node n) {
    uint32_t level = (uint32_t)w->level[n.i];
    return nrg_plan_barrier(info(w, n), w->p->graph) ? level - 1 : level;
}

// A buffer of partial sums for barrier node n, and the step that adds them up.
nrg_status nrg_plan_lanes(nrg_planner *w, nrg_node n, nrg_op op, bool wide, uint32_t *buf) {
    nrg_view *x;
    nrg_plan *p = w->p;
    nrg_combine_step *d = NRG_NEW(&p->arena, nrg_combine_step);
    if (!d) return NRG_E098;
    bool index = op == NRG_OP_argmax || op == NRG_OP_argmin;
    nrg_plan_buf b = {.place = NRG_AT_LANES, .wide = wide, .count = nrg_node_count(p->graph, n) * (index ? 2 : 1), .node = n,
                      .phase = work_phase(w, n)};
    *buf = p->bufs.n;
    TRY(NRG_PUSH(&p->arena, p->bufs, b));
    TRY(nrg_plan_buffer(w, n, &x));
    *d = (nrg_combine_step){op, *buf, x->buf, wide, 0};
    return nrg_plan_step(w, NRG_STEP_combine, n, (uint32_t)w->level[n.i], d, buf, 1, &d->to, 1, 0);
}

static nrg_status reduce(nrg_planner *w, nrg_node n) {
    const nrg_node_info *v = info(w, n), *a = info(w, v->in[0]);
    nrg_reduce_step *d = NRG_NEW(&w->p->arena, nrg_reduce_step);
    nrg_view *x, *y;
    if (!d) return NRG_E098;
    TRY(nrg_plan_view(w, v->in[0], &x));
    d->op = v->op;
    d->a = at(x);
    d->index = v->op == NRG_OP_argmax || v->op == NRG_OP_argmin;
    bool barrier = d->lanes = nrg_plan_barrier(v, w->p->graph);
    uint32_t phase = work_phase(w, n);
    if (!barrier) {
        TRY(nrg_plan_buffer(w, n, &y));
        d->buf = y->buf;
    }
    // Strides of the target: row-major over what is kept.
    int64_t c[NRG_MAX_LEADS + NRG_MAX_RANK], stride = 1;
    for (int i = a->shape.rank - 1; i >= 0; i--) {
        c[NRG_MAX_LEADS + i] = stride;
        if (!(v->par.reduce.axes >> i & 1)) stride *= a->shape.dim[i];
    }
    for (int i = NRG_MAX_LEADS - 1; i >= 0; i--) {
        c[i] = stride;
        if (i && (v->leads >> i & 1)) stride *= nrg_lead_extent(w->p->graph, 1u << i);
    }
    for (int i = 0; i < NRG_MAX_LEADS; i++) {
        if (!(a->leads >> i & 1)) continue;
        bool gone = v->par.reduce.leads >> i & 1;
        int64_t ext = nrg_lead_extent(w->p->graph, 1u << i);
        TRY(nrg_plan_put_dim(w, gone ? &d->gone : &d->kept, ext, x->lead[i], 0, gone ? 0 : c[i]));
    }
    for (int i = 0; i < a->shape.rank; i++) {
        bool gone = v->par.reduce.axes >> i & 1;
        TRY(nrg_plan_put_dim(w, gone ? &d->gone : &d->kept, a->shape.dim[i], x->event[i], 0, gone ? 0 : c[NRG_MAX_LEADS + i]));
    }
    double flops = (double)nrg_node_count(w->p->graph, v->in[0]);
    uint32_t lanes = 0;
    if (barrier) {
        // The step of the lanes must come before the step that adds them; phases keep that order.
        TRY(nrg_plan_lanes(w, n, v->op, true, &lanes));
        d->buf = lanes;
    }
    return nrg_plan_step(w, NRG_STEP_reduce, n, phase, d, &d->a.buf, 1, &d->buf, 1, flops);
}

static nrg_status random_step(nrg_planner *w, nrg_node n) {
    const nrg_node_info *v = info(w, n), *a = info(w, v->in[0]);
    nrg_random_step *d = NRG_NEW(&w->p->arena, nrg_random_step);
    nrg_view *x, *y;
    if (!d) return NRG_E098;
    TRY(nrg_plan_view(w, v->in[0], &x));
    TRY(nrg_plan_buffer(w, n, &y));
    d->ids = at(x);
    d->kind = v->par.random.kind;
    d->purpose = v->par.random.purpose;
    d->every = v->par.random.every, d->after = v->par.random.after;
    d->buf = y->buf;
    // One stream for each number of ids; the shape of the draw is what follows.
    d->count = nrg_shape_count(&v->par.random.shape);
    for (int i = 0; i < NRG_MAX_LEADS; i++)
        if (v->leads >> i & 1) TRY(nrg_plan_put_dim(w, &d->leads, nrg_lead_extent(w->p->graph, 1u << i), x->lead[i], 0, y->lead[i]));
    for (int i = 0; i < a->shape.rank; i++) TRY(nrg_plan_put_dim(w, &d->leads, a->shape.dim[i], x->event[i], 0, y->event[i]));
    return nrg_plan_step(w, NRG_STEP_random, n, (uint32_t)w->level[n.i], d, &d->ids.buf, 1, &d->buf, 1, 0);
}

static nrg_status iota(nrg_planner *w, nrg_node n) {
    const nrg_node_info *v = info(w, n);
    nrg_iota_step *d = NRG_NEW(&w->p->arena, nrg_iota_step);
    nrg_view *y;
    if (!d) return NRG_E098;
    TRY(nrg_plan_buffer(w, n, &y));
    *d = (nrg_iota_step){v->leads & NRG_SAMPLE, nrg_node_count(w->p->graph, n), y->buf};
    return nrg_plan_step(w, NRG_STEP_iota, n, (uint32_t)w->level[n.i], d, NULL, 0, &d->buf, 1, 0);
}

// Copies the view of input k into the target with the strides of `y`, from number `start` on.
static nrg_status part(nrg_planner *w, nrg_node n, int k, const nrg_view *y, int64_t start, bool zero) {
    const nrg_node_info *v = info(w, n), *a = info(w, v->in[k]);
    nrg_move *d = NRG_NEW(&w->p->arena, nrg_move);
    nrg_view *x;
    if (!d) return NRG_E098;
    TRY(nrg_plan_view(w, v->in[k], &x));
    d->a = at(x);
    d->c = (nrg_at){y->buf, start};
    d->zero = zero;
    for (int i = 0; i < NRG_MAX_LEADS; i++)
        if (v->leads >> i & 1) {
            int64_t s = a->leads >> i & 1 ? x->lead[i] : 0;
            TRY(nrg_plan_put_dim(w, &d->dims, nrg_lead_extent(w->p->graph, 1u << i), s, 0, y->lead[i]));
        }
    for (int i = 0; i < a->shape.rank; i++) TRY(nrg_plan_put_dim(w, &d->dims, a->shape.dim[i], x->event[i], 0, y->event[i]));
    return nrg_plan_step(w, NRG_STEP_move, n, (uint32_t)w->level[n.i], d, &d->a.buf, 1, &d->c.buf, 1, 0);
}

static nrg_status pad(nrg_planner *w, nrg_node n) {
    const nrg_node_info *v = info(w, n);
    nrg_view *x, *y;
    TRY(nrg_plan_view(w, v->in[0], &x)); // made first, so that its steps come first
    TRY(nrg_plan_buffer(w, n, &y));
    return part(w, n, 0, y, v->par.pad.before * y->event[v->par.pad.axis], true);
}

static nrg_status concat(nrg_planner *w, nrg_node n) {
    const nrg_node_info *v = info(w, n), *a = info(w, v->in[0]);
    nrg_view *x, *y;
    int axis = v->par.axis.axis;
    TRY(nrg_plan_view(w, v->in[0], &x));
    TRY(nrg_plan_view(w, v->in[1], &x));
    TRY(nrg_plan_buffer(w, n, &y));
    TRY(part(w, n, 0, y, 0, false));
    return part(w, n, 1, y, a->shape.dim[axis] * y->event[axis], false);
}

static nrg_status add_lead(nrg_planner *w, nrg_dims *d, int i, nrg_leads a, const nrg_view *x, nrg_leads b, const nrg_view *z, int64_t c) {
    int64_t ext = nrg_lead_extent(w->p->graph, 1u << i);
    return nrg_plan_put_dim(w, d, ext, a >> i & 1 ? x->lead[i] : 0, b >> i & 1 ? z->lead[i] : 0, c);
}

static nrg_status take(nrg_planner *w, nrg_node n) {
    const nrg_node_info *v = info(w, n), *a = info(w, v->in[0]), *b = info(w, v->in[1]);
    nrg_take_step *d = NRG_NEW(&w->p->arena, nrg_take_step);
    nrg_view *x, *z, *y;
    if (!d) return NRG_E098;
    TRY(nrg_plan_view(w, v->in[0], &x));
    TRY(nrg_plan_view(w, v->in[1], &z));
    TRY(nrg_plan_buffer(w, n, &y));
    d->a = at(x), d->b = at(z), d->buf = y->buf;
    d->n = a->shape.dim[0], d->a_row = x->event[0];
    for (int i = 0; i < NRG_MAX_LEADS; i++)
        if (v->leads >> i & 1) TRY(add_lead(w, &d->dims, i, a->leads, x, b->leads, z, y->lead[i]));
    for (int i = 0; i < b->shape.rank; i++) TRY(nrg_plan_put_dim(w, &d->dims, b->shape.dim[i], 0, z->event[i], y->event[i]));
    for (int i = 1; i < a->shape.rank; i++)
        TRY(nrg_plan_put_dim(w, &d->inner, a->shape.dim[i], x->event[i], 0, y->event[b->shape.rank + i - 1]));
    uint32_t reads[2] = {d->a.buf, d->b.buf};
    return nrg_plan_step(w, NRG_STEP_take, n, (uint32_t)w->level[n.i], d, reads, 2, &d->buf, 1, 0);
}

// The value of node n for a step that runs after the slices of a block: kept for the whole block.
nrg_status nrg_plan_keep(nrg_planner *w, nrg_node n, nrg_view **out) {
    nrg_plan *p = w->p;
    TRY(nrg_plan_view(w, n, out));
    nrg_plan_buf *b = &p->bufs.at[(*out)->buf];
    if (b->place == NRG_AT_INPUT && b->sample)
        for (int i = 0; i < p->updates_n; i++)
            if (info(w, p->updates[i].state)->par.input.slot == b->slot) { // slices overwrite it before the block ends
                nrg_view src = **out;
                TRY(nrg_plan_copy(w, n, &src, out));
                b = &p->bufs.at[(*out)->buf];
                break;
            }
    if (b->place == NRG_AT_SLICE) b->place = NRG_AT_BLOCK;
    return NRG_OK;
}

static nrg_status put(nrg_planner *w, nrg_node n) {
    const nrg_node_info *v = info(w, n), *b = info(w, v->in[0]), *a = info(w, v->in[1]); // b: index, a: rows
    nrg_take_step *d = NRG_NEW(&w->p->arena, nrg_take_step);
    nrg_view *x, *z, *y;
    if (!d) return NRG_E098;
    d->deferred = nrg_plan_barrier(v, w->p->graph);
    TRY((d->deferred ? nrg_plan_keep : nrg_plan_view)(w, v->in[0], &z));
    TRY((d->deferred ? nrg_plan_keep : nrg_plan_view)(w, v->in[1], &x));
    TRY((d->deferred ? nrg_plan_keep : nrg_plan_view)(w, v->in[0], &z));
    TRY(nrg_plan_buffer(w, n, &y));
    d->a = at(x), d->b = at(z), d->buf = y->buf;
    d->n = v->par.index.n, d->a_row = y->event[0], d->count = nrg_node_count(w->p->graph, n);
    nrg_leads all = a->leads | b->leads;
    for (int i = 0; i < NRG_MAX_LEADS; i++)
        if (all >> i & 1) TRY(add_lead(w, &d->dims, i, a->leads, x, b->leads, z, v->leads >> i & 1 ? y->lead[i] : 0));
    int rank = v->par.index.rank;
    for (int i = 0; i < rank; i++) {
        int64_t ext = b->shape.dim[i];
        TRY(nrg_plan_put_dim(w, &d->dims, ext, x->event[i], z->event[i], 0));
    }
    for (int i = rank; i < a->shape.rank; i++)
        TRY(nrg_plan_put_dim(w, &d->inner, a->shape.dim[i], x->event[i], 0, y->event[i - rank + 1]));
    uint32_t reads[2] = {d->a.buf, d->b.buf};
    TRY(nrg_plan_step(w, NRG_STEP_put, n, work_phase(w, n), d, reads, 2, &d->buf, 1, 0));
    w->p->steps.at[w->p->steps.n - 1].deferred = d->deferred;
    return NRG_OK;
}

static nrg_status dense(nrg_planner *w, nrg_node n) {
    const nrg_node_info *v = info(w, n), *a = info(w, v->in[0]), *b = NULL;
    nrg_dense_step *d = NRG_NEW(&w->p->arena, nrg_dense_step);
    nrg_view *x, *z = NULL, *y;
    if (!d) return NRG_E098;
    TRY(nrg_plan_view(w, v->in[0], &x));
    d->op = v->op, d->a = at(x);
    int r = a->shape.rank;
    d->n = a->shape.dim[r - 1], d->a_row = x->event[r - 2], d->a_col = x->event[r - 1];
    uint32_t reads[2] = {x->buf, 0};
    int reads_n = 1, rb = 0;
    if (v->op == NRG_OP_trisolve) {
        b = info(w, v->in[1]);
        TRY(nrg_plan_view(w, v->in[1], &z));
        rb = b->shape.rank;
        d->b = at(z), d->m = b->shape.dim[rb - 1], d->b_row = z->event[rb - 2], d->b_col = z->event[rb - 1];
        d->transpose = v->par.tri.transpose;
        reads[reads_n++] = z->buf;
    }
    TRY(nrg_plan_buffer(w, n, &y));
    d->buf = y->buf;
    for (int i = 0; i < NRG_MAX_LEADS; i++)
        if (v->leads >> i & 1) TRY(add_lead(w, &d->dims, i, a->leads, x, b ? b->leads : 0, z ? z : x, y->lead[i]));
    int tail = v->op == NRG_OP_logdet ? 0 : 2;
    for (int i = 0; i < v->shape.rank - tail; i++) { // event axes before the matrices, aligned right
        int ia = i - (v->shape.rank - tail) + r - 2, ib = i - (v->shape.rank - tail) + rb - 2;
        int64_t sa = ia >= 0 && a->shape.dim[ia] > 1 ? x->event[ia] : 0, sb = b && ib >= 0 && b->shape.dim[ib] > 1 ? z->event[ib] : 0;
        TRY(nrg_plan_put_dim(w, &d->dims, v->shape.dim[i], sa, sb, y->event[i]));
    }
    double c = (double)d->n;
    return nrg_plan_step(w, v->op == NRG_OP_trisolve ? NRG_STEP_trisolve : NRG_STEP_dense, n, (uint32_t)w->level[n.i], d, reads, reads_n,
                         &d->buf, 1, c * c * c);
}

nrg_status nrg_plan_lower(nrg_planner *w, nrg_node n) {
    if (w->group[n.i]) return nrg_plan_tile(w, w->group[n.i]);
    switch (info(w, n)->op) {
    case NRG_OP_iota: return iota(w, n);
    case NRG_OP_random: return random_step(w, n);
    case NRG_OP_sum:
        if (w->sum_of[info(w, n)->in[0].i] == n.i) return NRG_OK; // made by a fused step
        return w->alone[n.i] ? NRG_OK : w->distance[n.i] ? nrg_plan_distance(w, n) : reduce(w, n);
    case NRG_OP_select: return w->pooled[n.i] ? nrg_plan_pool(w, n) : NRG_OK;
    case NRG_OP_rmin: case NRG_OP_argmin: if (w->alone[n.i]) return NRG_OK;
        return w->alone[info(w, n)->in[0].i] ? nrg_plan_nearest(w, n) : reduce(w, n);
    case NRG_OP_argmax: return w->alone[n.i] ? NRG_OK : reduce(w, n); // read by the gradient of a pool alone
    case NRG_OP_prod: case NRG_OP_rmax: case NRG_OP_lse: return reduce(w, n);
    case NRG_OP_pad: return pad(w, n);
    case NRG_OP_concat: return concat(w, n);
    case NRG_OP_take: return w->picked[n.i] ? NRG_OK : take(w, n);
    case NRG_OP_put: return put(w, n);
    case NRG_OP_matmul: return nrg_plan_product(w, n);
    case NRG_OP_conv: case NRG_OP_convx: case NRG_OP_convw: return nrg_plan_conv(w, n);
    case NRG_OP_chol: case NRG_OP_inv: case NRG_OP_logdet: case NRG_OP_trisolve: return dense(w, n);
    default: return NRG_OK; // inputs, constants and movement are resolved where they are read
    }
}
