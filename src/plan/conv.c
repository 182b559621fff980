// Convolutions as steps: images [C,H,W], filters [F,C,h,w], and the picture with a border of zeros that each of the three reads.
#include "plan/steps.h"

static const nrg_node_info *info(const nrg_planner *w, nrg_node n) { return nrg_graph_node(w->p->graph, n); }
static nrg_at at(const nrg_view *x) { return (nrg_at){x->buf, x->offset}; }

// Convolutions read whole images and filters: those axes must lie row-major.
static nrg_status solid_event(nrg_planner *w, nrg_node n, nrg_view **out) {
    const nrg_node_info *v = info(w, n);
    int64_t stride = 1;
    bool whole = true;
    TRY(nrg_plan_view(w, n, out));
    for (int i = v->shape.rank - 1; i >= 0; i--) {
        if (v->shape.dim[i] != 1 && (*out)->event[i] != stride) whole = false;
        stride *= v->shape.dim[i];
    }
    nrg_view src = **out;
    return whole ? NRG_OK : nrg_plan_copy(w, n, &src, out);
}

static void conv_sizes(const nrg_node_info *v, const nrg_node_info *a, const nrg_node_info *b, nrg_conv_step *d) {
    const int64_t *image = v->op == NRG_OP_convx ? v->shape.dim : a->shape.dim;
    const int64_t *filter = v->op == NRG_OP_convw ? v->shape.dim : b->shape.dim;
    const int64_t *answer = v->op == NRG_OP_conv ? v->shape.dim : v->op == NRG_OP_convx ? a->shape.dim : b->shape.dim;
    d->C = image[0], d->H = image[1], d->W = image[2];
    d->F = filter[0], d->h = filter[2], d->w = filter[3];
    d->P = answer[1], d->Q = answer[2];
    d->stride = v->par.conv.stride, d->pad_h = v->par.conv.pad_h, d->pad_w = v->par.conv.pad_w;
}

// Few filters fill registers worse than the positions of a row do. Those of products lie side by side only with stride 1.
static bool thin(const nrg_plan *p, const nrg_conv_step *d) {
    int64_t unit = 64 / (int64_t)p->real;
    if (d->op == NRG_OP_convx || d->stride != 1 || 2 * d->F > unit || !d->F || !d->C || d->P < 1 || d->Q < 1 || d->h * d->w > NRG_CONV_TERMS) return false;
    int64_t wide = d->op == NRG_OP_conv ? d->Q + d->w - 1 : (d->Q + unit - 1) / unit * unit; // numbers worked on for each row
    return 5 * d->F * wide < 4 * unit * d->Q;
}

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// The picture that is read: the image, or for convx the answer, whose taps go backwards.
static void conv_grid(nrg_conv_step *d) {
    int64_t s = d->stride, down = d->h > 0 ? (d->h - 1) / s : 0, right = d->w > 0 ? (d->w - 1) / s : 0; // steps of a filter
    nrg_grid *g = &d->grid;
    if (d->op == NRG_OP_convx)
        *g = (nrg_grid){.planes = d->F, .H = d->P, .W = d->Q, .top = down, .left = right,
                        .h = (d->H - 1 + d->pad_h) / s + 1 + down, .w = (d->W - 1 + d->pad_w) / s + 1 + right};
    else
        *g = (nrg_grid){.planes = d->C, .H = d->H, .W = d->W, .top = d->pad_h, .left = d->pad_w, .h = (d->P - 1) * s + d->h,
                        .w = (d->Q - 1) * s + d->w};
    bool many = g->planes >= NRG_CONV_PLANES && !d->few && !d->thin; // not copied: taps beyond the border are left out instead
    g->whole = many || ((!d->thin || d->op == NRG_OP_convw) && !g->top && !g->left && g->h <= g->H && g->w <= g->W);
    if (g->whole) g->h = g->H, g->w = g->W, g->top = g->left = 0;
    g->plane = g->h * g->w, g->size = g->planes * g->plane;
}

// Columns of the products, and what they need beside their operands.
static void conv_room(const nrg_plan *p, nrg_conv_step *d) {
    int64_t unit = 64 / (int64_t)p->real, s = d->stride;
    bool back = d->op == NRG_OP_convx;
    d->cols = back ? d->C : d->F;
    d->wide = (d->cols + unit - 1) / unit * unit;
    d->pictures = d->grid.whole ? 0 : most(NRG_CONV_ROOM, d->grid.size);
    d->rows = d->op == NRG_OP_convw ? NRG_CONV_TERMS * d->wide : most(NRG_CONV_ROOM, back ? s * d->W * d->wide : d->Q * d->wide);
    d->filters = d->op == NRG_OP_convw ? 12 * 4 * unit : d->h * d->w * (back ? d->F : d->C) * d->wide;
    if (d->few) {
        d->pictures = d->C * s * s * (d->P + d->grid.top) * (d->Q + d->grid.left);
        d->rows = most(NRG_CONV_ROOM, d->C * d->h * d->w * (d->Q + unit));
        d->filters = d->F * 4 * unit; // the last columns of the answer
    }
    if (d->thin && !d->grid.whole) d->pictures += unit;
    if (d->thin && d->op == NRG_OP_conv) {
        d->rows = d->F * most(NRG_CONV_ROOM / d->F, 4 * unit + d->grid.w), d->filters = 0;
    }
    d->pictures = (d->pictures + unit - 1) / unit * unit, d->rows = (d->rows + unit - 1) / unit * unit;
}

// Filters without samples become columns once, for all convolutions that read them in the same way.
static nrg_status filters_once(nrg_planner *w, nrg_node n, nrg_conv_step *d) {
    nrg_plan *p = w->p;
    if (d->op == NRG_OP_convw || d->few || d->thin || d->loop.n) return NRG_OK;
    for (uint32_t i = 0; i < p->steps.n; i++) {
        const nrg_filters_step *o = p->steps.at[i].detail;
        if (p->steps.at[i].kind != NRG_STEP_filters || o->b.buf != d->b.buf || o->b.offset != d->b.offset || o->conv->op != d->op ||
            (d->op == NRG_OP_convx && (o->conv->stride != d->stride || o->conv->pad_h != d->pad_h || o->conv->pad_w != d->pad_w ||
                                       o->conv->H != d->H || o->conv->W != d->W)))
            continue;
        d->packed = o->buf;
        return NRG_OK;
    }
    nrg_filters_step *o = NRG_NEW(&p->arena, nrg_filters_step);
    if (!o) return NRG_E098;
    nrg_plan_buf buf = {.place = NRG_AT_ONCE, .count = d->filters, .node = n, .phase = p->bufs.at[d->b.buf].phase};
    *o = (nrg_filters_step){d->b, d, p->bufs.n};
    TRY(NRG_PUSH(&p->arena, p->bufs, buf));
    d->packed = o->buf, d->filters = 0;
    return nrg_plan_step(w, NRG_STEP_filters, n, buf.phase, o, &o->b.buf, 1, &o->buf, 1, 0);
}

// Gradients to filters are made with the filters as the last axis, where the columns of the product lie side by side.
static void filters_last(const nrg_conv_step *d, nrg_view *y) {
    y->event[0] = 1, y->event[3] = d->F, y->event[2] = d->w * d->F, y->event[1] = d->h * d->w * d->F;
}

nrg_status nrg_plan_conv(nrg_planner *w, nrg_node n) {
    nrg_plan *p = w->p;
    const nrg_node_info *v = info(w, n), *a = info(w, v->in[0]), *b = info(w, v->in[1]);
    nrg_conv_step *d = NRG_NEW(&p->arena, nrg_conv_step);
    nrg_view *x, *z, *y;
    uint32_t lanes = 0;
    if (!d) return NRG_E098;
    bool barrier = d->lanes = nrg_plan_barrier(v, p->graph);
    TRY(solid_event(w, v->in[0], &x));
    TRY(solid_event(w, v->in[1], &z));
    if (v->in[0].i == v->in[1].i) x = z;
    if (barrier) {
        TRY(nrg_plan_lanes(w, n, NRG_OP_sum, false, &lanes));
        y = w->views[n.i];
    } else TRY(nrg_plan_buffer(w, n, &y));
    d->op = v->op, d->a = at(x), d->b = at(z), d->buf = lanes ? lanes : y->buf;
    conv_sizes(v, a, b, d);
    d->few = v->op == NRG_OP_convx && 2 * d->C <= 64 / (int64_t)p->real && d->F > 0;
    d->thin = thin(p, d);
    conv_grid(d);
    if (v->op == NRG_OP_convw) filters_last(d, y);
    for (int i = 0; i < NRG_MAX_LEADS; i++) {
        bool ia = a->leads >> i & 1, ib = b->leads >> i & 1, gone = v->op == NRG_OP_convw && (v->par.conv.leads >> i & 1);
        if (!ia && !ib) continue;
        bool inner = v->op == NRG_OP_convw ? gone : ia && !ib;
        TRY(nrg_plan_put_dim(w, inner ? &d->inner : &d->loop, nrg_lead_extent(w->p->graph, 1u << i), ia ? x->lead[i] : 0,
                             ib ? z->lead[i] : 0, gone ? 0 : y->lead[i]));
    }
    conv_room(p, d);
    TRY(filters_once(w, n, d));
    uint32_t reads[2] = {d->a.buf, d->packed ? d->packed : d->b.buf};
    double flops = 2 * (double)(d->C * d->h * d->w) * (double)(d->F * d->P * d->Q) * nrg_plan_count(&d->loop) * nrg_plan_count(&d->inner);
    return nrg_plan_step(w, NRG_STEP_conv, n, (uint32_t)w->level[n.i] - (barrier ? 1 : 0), d, reads, 2, &d->buf, 1, flops);
}
