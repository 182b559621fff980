// Matrix products and distances as steps: which axes are rows, columns, summed or looped over, what is packed once,
// and how a sum over samples is kept (DESIGN.md section 5, weight gradients).
#include "plan/steps.h"
#include <string.h>

static const nrg_node_info *info(const nrg_planner *w, nrg_node n) { return nrg_graph_node(w->p->graph, n); }
static nrg_at at(const nrg_view *x) { return (nrg_at){x->buf, x->offset}; }

static bool has_sample(const nrg_dims *d) {
    for (int i = 0; i < d->n; i++)
        if (d->at[i].n < 0) return true;
    return false;
}

static void swap_ab(nrg_dims *d) {
    for (int i = 0; i < d->n; i++) {
        int64_t t = d->at[i].a;
        d->at[i].a = d->at[i].b;
        d->at[i].b = t;
    }
}

// The right side is packed in panels, once where it has no samples; so the side with samples becomes the left one.
static void swap_sides(nrg_matmul_step *d) {
    nrg_at a = d->a;
    nrg_dims rows = d->rows;
    d->a = d->b, d->b = a;
    d->rows = d->cols, d->cols = rows;
    swap_ab(&d->rows), swap_ab(&d->cols), swap_ab(&d->loop), swap_ab(&d->red);
}

static bool same_dims(const nrg_dims *x, const nrg_dims *y) {
    if (x->n != y->n) return false;
    for (int i = 0; i < x->n; i++)
        if (x->at[i].n != y->at[i].n || x->at[i].b != y->at[i].b) return false;
    return true;
}

// Packs the right side where it is made, once for all products that read it in the same way; one with samples slice by slice.
nrg_status nrg_plan_pack(nrg_planner *w, nrg_node n, nrg_at b, const nrg_dims *loop, const nrg_dims *cols, const nrg_dims *red, uint32_t *buf,
                         int64_t *panel) {
    nrg_plan *p = w->p;
    bool sample = has_sample(loop);
    uint32_t phase = sample ? (uint32_t)w->level[n.i] : p->bufs.at[b.buf].phase;
    int64_t unit = 64 / (int64_t)p->real, columns = (int64_t)nrg_plan_count(cols);
    bool tiles = nrg_dtype_bf16(p->type) && info(w, n)->op == NRG_OP_matmul;
    *panel = (columns + unit - 1) / unit * unit * (int64_t)nrg_plan_count(red); // whole panels of 256 bytes a row, the last rounded up to 64 bytes
    if (tiles) *panel = (columns + 15) / 16 * (((int64_t)nrg_plan_count(red) + 31) / 32) * (p->type == NRG_BF16X3 ? 512 : 256);
    for (uint32_t i = 0; i < w->pack_list.n; i++) {
        nrg_pack_step *o = w->pack_list.at[i];
        if (o->tiles != tiles || o->b.buf != b.buf || o->b.offset != b.offset || p->bufs.at[o->buf].phase != phase) continue;
        if (!same_dims(&o->loop, loop) || !same_dims(&o->cols, cols) || !same_dims(&o->red, red)) continue;
        *buf = o->buf;
        p->bufs.at[o->buf].spare = false;
        return NRG_OK;
    }
    nrg_pack_step *o = NRG_NEW(&p->arena, nrg_pack_step);
    if (!o) return NRG_E098;
    nrg_plan_buf packed = {.place = sample ? NRG_AT_SLICE : NRG_AT_ONCE, .sample = sample, .count = *panel * (int64_t)nrg_plan_count(loop), .node = n,
                           .phase = phase};
    packed.spare = !tiles && !sample && packed.count >= NRG_SPARE && p->bufs.at[b.buf].place == NRG_AT_INPUT && info(w, n)->op == NRG_OP_matmul;
    *o = (nrg_pack_step){b, *loop, *cols, *red, p->bufs.n, tiles};
    TRY(NRG_PUSH(&p->arena, p->bufs, packed));
    TRY(NRG_PUSH(&p->arena, w->pack_list, o));
    *buf = o->buf;
    return nrg_plan_step(w, NRG_STEP_pack, n, phase, o, &o->b.buf, 1, &o->buf, 1, 0);
}

static nrg_status leads_of_product(nrg_planner *w, const nrg_node_info *v, nrg_matmul_step *d, const nrg_view *x, const nrg_view *z,
                                   const nrg_view *y) {
    nrg_leads la = info(w, v->in[0])->leads, lb = info(w, v->in[1])->leads;
    for (int i = 0; i < NRG_MAX_LEADS; i++) {
        bool a = la >> i & 1, b = lb >> i & 1;
        if (!a && !b) continue;
        bool gone = v->par.matmul.leads >> i & 1;
        nrg_dims *to = gone ? &d->red : a && b ? &d->loop : a ? &d->rows : &d->cols;
        TRY(nrg_plan_put_dim(w, to, nrg_lead_extent(w->p->graph, 1u << i), a ? x->lead[i] : 0, b ? z->lead[i] : 0, gone ? 0 : y->lead[i]));
    }
    return NRG_OK;
}

// A large target keeps both operands for a block of samples and makes one product of them; a small one has lanes.
static bool deferred(const nrg_plan *p, const nrg_matmul_step *d) {
    double rows = nrg_plan_count(&d->rows), cols = nrg_plan_count(&d->cols);
    double target = rows * cols * nrg_plan_count(&d->loop), kept = (rows + cols) * nrg_plan_count(&d->red);
    return target >= NRG_LARGE && (double)p->block * kept < NRG_LANES * target;
}

// Which side is the right one, whether it is packed beforehand, and the step itself.
static nrg_status product_step(nrg_planner *w, nrg_node n, nrg_matmul_step *d, bool left_sampled) {
    nrg_plan *p = w->p;
    bool sampled = w->level[n.i] & 1;
    if (sampled && !left_sampled && !has_sample(&d->loop)) swap_sides(d);
    else if (!sampled && nrg_plan_count(&d->cols) < 16 && nrg_plan_count(&d->rows) > nrg_plan_count(&d->cols)) swap_sides(d);
    const nrg_plan_buf *right = &p->bufs.at[d->b.buf];
    bool few = (double)p->batch * nrg_plan_count(&d->rows) * nrg_plan_count(&d->cols) <= 16; // results: they read it where it lies
    if (sampled && !few && !right->sample && !has_sample(&d->loop) && !has_sample(&d->cols) && !has_sample(&d->red))
        TRY(nrg_plan_pack(w, n, d->b, &d->loop, &d->cols, &d->red, &d->packed, &d->panel));
    uint32_t reads[3] = {d->a.buf, d->packed ? d->packed : d->b.buf, d->b.buf};
    double flops = (d->mirror ? 1 : 2) * nrg_plan_count(&d->rows) * nrg_plan_count(&d->cols) * nrg_plan_count(&d->red) * nrg_plan_count(&d->loop);
    uint32_t phase = (uint32_t)w->level[n.i] - (d->lanes || d->deferred ? 1 : 0);
    TRY(nrg_plan_step(w, NRG_STEP_matmul, n, phase, d, reads, d->packed && p->bufs.at[d->packed].spare ? 3 : 2, &d->c.buf, 1, flops));
    p->steps.at[p->steps.n - 1].deferred = d->deferred;
    return NRG_OK;
}

// What can be said before views are asked for: how the sum over samples, if it is one, is kept.
static nrg_status strategy(nrg_planner *w, nrg_node n, nrg_matmul_step *d) {
    const nrg_node_info *v = info(w, n), *a = info(w, v->in[0]), *b = info(w, v->in[1]);
    nrg_matmul_step sizes = {0};
    nrg_view none = {0};
    int ta = v->par.matmul.ta ? 1 : 0, tb = v->par.matmul.tb ? 1 : 0;
    TRY(leads_of_product(w, v, &sizes, &none, &none, &none));
    TRY(nrg_plan_put_dim(w, &sizes.rows, a->shape.dim[ta], 0, 1, 1));
    TRY(nrg_plan_put_dim(w, &sizes.cols, b->shape.dim[!tb], 1, 0, 1));
    TRY(nrg_plan_put_dim(w, &sizes.red, a->shape.dim[!ta], 1, 1, 0));
    d->deferred = nrg_plan_barrier(v, w->p->graph) && deferred(w->p, &sizes);
    d->lanes = nrg_plan_barrier(v, w->p->graph) && !d->deferred;
    return NRG_OK;
}

// ---- products over samples that are only added to each other, as gradients at data and at draws are: each adds to the first

static bool summand(const nrg_planner *w, nrg_node n, const uint32_t *readers) {
    const nrg_node_info *v = info(w, n);
    if (w->solid[n.i] || readers[n.i] != 1 || v->leads) return false;
    return w->joint[n.i] || (v->op == NRG_OP_matmul && v->in[0].i != v->in[1].i && nrg_plan_barrier(v, w->p->graph)); // mirrored ones lie alone
}

static nrg_status alike(nrg_planner *w, nrg_node a, nrg_node b, bool *out) {
    nrg_matmul_step x = {0}, y = {0};
    const nrg_node_info *s = info(w, a), *t = info(w, b);
    *out = s->shape.dim[0] == t->shape.dim[0] && s->shape.dim[1] == t->shape.dim[1] && w->level[a.i] == w->level[b.i];
    while (w->joint[a.i]) a = info(w, a)->in[0];
    while (w->joint[b.i]) b = info(w, b)->in[0];
    TRY(strategy(w, a, &x));
    TRY(strategy(w, b, &y));
    *out = *out && x.deferred == y.deferred;
    return NRG_OK;
}

static nrg_status find_joint(nrg_planner *w, uint32_t *readers) {
    uint32_t n = nrg_graph_size(w->p->graph);
    for (uint32_t i = 1; i <= n; i++)
        for (int k = 0; w->used[i] && k < nrg_plan_arity(info(w, (nrg_node){i})->op); k++) readers[info(w, (nrg_node){i})->in[k].i]++;
    for (uint32_t i = 1; i <= n; i++) {
        const nrg_node_info *v = info(w, (nrg_node){i});
        if (!w->used[i] || v->op != NRG_OP_add || !summand(w, v->in[0], readers) || !summand(w, v->in[1], readers)) continue;
        TRY(alike(w, v->in[0], v->in[1], &w->joint[i]));
        if (w->joint[i]) w->into[v->in[0].i] = w->into[v->in[1].i] = i;
    }
    return NRG_OK;
}

nrg_status nrg_plan_find_joint(nrg_planner *w) {
    nrg_arena tmp = nrg_arena_make(w->p->ctx);
    uint32_t *readers = NRG_NEWS(&tmp, uint32_t, nrg_graph_size(w->p->graph) + 1);
    nrg_status s = readers ? find_joint(w, readers) : NRG_E098;
    nrg_arena_free(&tmp);
    return s;
}

// The partial sums that become the value in `buf`.
static uint32_t lanes_of(const nrg_plan *p, uint32_t buf) {
    for (uint32_t i = 0; i < p->steps.n; i++) {
        const nrg_combine_step *d = p->steps.at[i].detail;
        if (p->steps.at[i].kind == NRG_STEP_combine && d->to == buf) return d->from;
    }
    return 0;
}

// Where the result goes: a place of its own, or that of the first product of its sum.
static nrg_status target(nrg_planner *w, nrg_node n, nrg_matmul_step *d, nrg_view **y) {
    uint32_t sum = n.i, lanes = 0;
    while (w->into[sum]) sum = w->into[sum];
    *y = w->views[sum];
    d->onto = *y != NULL;
    if (d->onto && d->lanes) lanes = lanes_of(w->p, (*y)->buf);
    else if (d->lanes) {
        TRY(nrg_plan_lanes(w, n, NRG_OP_sum, false, &lanes));
        *y = w->views[n.i];
    } else if (!d->onto) TRY(nrg_plan_buffer(w, n, y));
    w->views[sum] = *y;
    d->c = (nrg_at){lanes ? lanes : (*y)->buf, 0};
    return NRG_OK;
}

nrg_status nrg_plan_product(nrg_planner *w, nrg_node n) {
    nrg_plan *p = w->p;
    const nrg_node_info *v = info(w, n), *a = info(w, v->in[0]), *b = info(w, v->in[1]);
    nrg_matmul_step *d = NRG_NEW(&p->arena, nrg_matmul_step);
    nrg_view *x, *z, *y;
    if (!d) return NRG_E098;
    int ta = v->par.matmul.ta ? 1 : 0, tb = v->par.matmul.tb ? 1 : 0;
    TRY(strategy(w, n, d));
    TRY((d->deferred ? nrg_plan_keep : nrg_plan_view)(w, v->in[0], &x));
    TRY((d->deferred ? nrg_plan_keep : nrg_plan_view)(w, v->in[1], &z));
    if (v->in[0].i == v->in[1].i) x = z;
    TRY(target(w, n, d, &y));
    d->a = at(x), d->b = at(z);
    TRY(leads_of_product(w, v, d, x, z, y));
    TRY(nrg_plan_put_dim(w, &d->rows, a->shape.dim[ta], x->event[ta], 0, y->event[0]));
    TRY(nrg_plan_put_dim(w, &d->cols, b->shape.dim[!tb], 0, z->event[!tb], y->event[1]));
    TRY(nrg_plan_put_dim(w, &d->red, a->shape.dim[!ta], x->event[!ta], z->event[tb], 0));
    d->mirror = v->in[0].i == v->in[1].i && ta != tb && !d->lanes && d->rows.n == 1 && d->cols.n == 1;
    return product_step(w, n, d, a->leads & NRG_SAMPLE);
}
