// Where the numbers of a node lie. Movement operations only change strides; a reshape that cannot be said in strides
// copies its input first.
#include "plan/steps.h"

static const nrg_node_info *info(const nrg_planner *w, nrg_node n) { return nrg_graph_node(w->p->graph, n); }

bool nrg_plan_movement(nrg_op op) {
    return op == NRG_OP_stop || op == NRG_OP_reshape || op == NRG_OP_permute || op == NRG_OP_expand || op == NRG_OP_slice ||
           op == NRG_OP_lift || op == NRG_OP_lower;
}

// Row-major strides of a node in a buffer of its own.
static void own_strides(const nrg_planner *w, const nrg_node_info *v, nrg_view *x) {
    int64_t stride = 1;
    for (int i = v->shape.rank - 1; i >= 0; i--) {
        x->event[i] = stride;
        stride *= v->shape.dim[i];
    }
    for (int i = NRG_MAX_LEADS - 1; i > 0; i--)
        if (v->leads >> i & 1) {
            x->lead[i] = stride;
            stride *= nrg_lead_extent(w->p->graph, 1u << i);
        }
    x->lead[0] = v->leads & NRG_SAMPLE ? stride : 0;
}

nrg_status nrg_plan_buffer(nrg_planner *w, nrg_node n, nrg_view **out) {
    nrg_plan *p = w->p;
    const nrg_node_info *v = info(w, n);
    nrg_view *x = NRG_NEW(&p->arena, nrg_view);
    if (!x) return NRG_E098;
    own_strides(w, v, x);
    nrg_plan_buf b = {.place = v->leads & NRG_SAMPLE ? NRG_AT_SLICE : NRG_AT_ONCE, .sample = v->leads & NRG_SAMPLE,
                      .count = nrg_node_count(p->graph, n), .node = n, .phase = (uint32_t)w->level[n.i]};
    x->buf = p->bufs.n;
    TRY(NRG_PUSH(&p->arena, p->bufs, b));
    w->views[n.i] = x;
    *out = x;
    return NRG_OK;
}

static nrg_status input(nrg_planner *w, nrg_node n, nrg_view **out) {
    const nrg_node_info *v = info(w, n);
    TRY(nrg_plan_buffer(w, n, out));
    nrg_plan_buf *b = &w->p->bufs.at[(*out)->buf];
    b->place = NRG_AT_INPUT;
    b->slot = v->par.input.slot;
    w->p->slot_buf[b->slot] = (*out)->buf;
    return NRG_OK;
}

static nrg_status constant(nrg_planner *w, nrg_node n, nrg_view **out) {
    TRY(nrg_plan_buffer(w, n, out));
    nrg_fill *f = NRG_NEW(&w->p->arena, nrg_fill);
    if (!f) return NRG_E098;
    f->value = info(w, n)->par.scalar.value;
    f->buf = (*out)->buf;
    return nrg_plan_step(w, NRG_STEP_fill, n, 0, f, NULL, 0, &f->buf, 1, 0);
}

nrg_status nrg_plan_put_dim(nrg_planner *w, nrg_dims *d, int64_t n, int64_t a, int64_t b, int64_t c) {
    if (n == 1) return NRG_OK;
    if (d->n) { // one axis with its neighbour when all strides agree
        nrg_dim *l = &d->at[d->n - 1];
        if (n >= 0 && l->n >= 0 && l->a == a * n && l->b == b * n && l->c == c * n) {
            *l = (nrg_dim){l->n * n, a, b, c};
            return NRG_OK;
        }
    }
    if (d->n == NRG_PLAN_RANK)
        return nrg_fail(w->p->ctx, NRG_E071, NRG_NOWHERE, "an operation over more than %d axes", NRG_PLAN_RANK);
    d->at[d->n++] = (nrg_dim){n, a, b, c};
    return NRG_OK;
}

// Copies a view of node n into a buffer of its own.
nrg_status nrg_plan_copy(nrg_planner *w, nrg_node n, const nrg_view *from, nrg_view **out) {
    const nrg_node_info *v = info(w, n);
    nrg_view src = *from;
    nrg_move *m = NRG_NEW(&w->p->arena, nrg_move);
    if (!m) return NRG_E098;
    TRY(nrg_plan_buffer(w, n, out));
    nrg_view *x = *out;
    if (v->leads & NRG_SAMPLE) TRY(nrg_plan_put_dim(w, &m->dims, -1, src.lead[0], 0, x->lead[0]));
    for (int i = 1; i < NRG_MAX_LEADS; i++)
        if (v->leads >> i & 1)
            TRY(nrg_plan_put_dim(w, &m->dims, nrg_lead_extent(w->p->graph, 1u << i), src.lead[i], 0, x->lead[i]));
    for (int i = 0; i < v->shape.rank; i++) TRY(nrg_plan_put_dim(w, &m->dims, v->shape.dim[i], src.event[i], 0, x->event[i]));
    m->a = (nrg_at){src.buf, src.offset};
    m->c = (nrg_at){x->buf, 0};
    return nrg_plan_step(w, NRG_STEP_move, n, (uint32_t)w->level[n.i], m, &m->a.buf, 1, &m->c.buf, 1, 0);
}

// Strides of the event axes under another shape; false when they cannot be said.
static bool restride(const nrg_shape *from, const int64_t *fs, const nrg_shape *to, int64_t *ts) {
    int i = from->rank - 1, j = to->rank - 1;
    for (int k = 0; k <= j; k++) ts[k] = 0;
    while (j >= 0 && i >= 0) {
        // a run of input axes that are neighbours in memory
        if (from->dim[i] == 1) {
            i--;
            continue;
        }
        int64_t run = from->dim[i], stride = fs[i];
        int k = i - 1;
        for (; k >= 0 && (from->dim[k] == 1 || fs[k] == stride * run); k--) run *= from->dim[k];
        int64_t step = stride;
        while (j >= 0 && run > 1) {
            if (run % to->dim[j]) return false;
            ts[j] = step;
            step *= to->dim[j];
            run /= to->dim[j--];
        }
        if (run > 1) return false;
        i = k;
    }
    return true;
}

static nrg_status reshape(nrg_planner *w, nrg_node n, nrg_view *x) {
    const nrg_node_info *v = info(w, n), *a = info(w, v->in[0]);
    nrg_view src = *x, *copy;
    if (nrg_shape_count(&v->shape) == 0) return NRG_OK;
    if (restride(&a->shape, src.event, &v->shape, x->event)) return NRG_OK;
    TRY(nrg_plan_copy(w, v->in[0], &src, &copy)); // later readers of the input use the copy as well
    *x = *copy;
    restride(&a->shape, copy->event, &v->shape, x->event);
    return NRG_OK;
}

static void expand(const nrg_node_info *v, const nrg_node_info *a, nrg_view *x) {
    nrg_view src = *x;
    int shift = v->shape.rank - a->shape.rank;
    for (int i = 0; i < v->shape.rank; i++)
        x->event[i] = i < shift || a->shape.dim[i - shift] == 1 ? 0 : src.event[i - shift];
    for (int i = 0; i < NRG_MAX_LEADS; i++)
        if (!(a->leads >> i & 1)) x->lead[i] = 0;
}

static int bit_of(nrg_leads one) { return __builtin_ctz(one); }

static nrg_status movement(nrg_planner *w, nrg_node n, nrg_view *x) {
    const nrg_node_info *v = info(w, n), *a = info(w, v->in[0]);
    nrg_view src = *x;
    int axis = 0;
    switch (v->op) {
    case NRG_OP_reshape: return reshape(w, n, x);
    case NRG_OP_expand: expand(v, a, x); break;
    case NRG_OP_permute:
        for (int i = 0; i < v->shape.rank; i++) x->event[i] = src.event[v->par.perm.order[i]];
        break;
    case NRG_OP_slice:
        axis = v->par.slice.axis;
        x->offset += v->par.slice.start * src.event[axis];
        x->event[axis] *= v->par.slice.step;
        break;
    case NRG_OP_lift:
        axis = v->par.lift.axis;
        x->lead[bit_of(v->par.lift.lead)] = src.event[axis];
        for (int i = axis; i < v->shape.rank; i++) x->event[i] = src.event[i + 1];
        break;
    case NRG_OP_lower:
        axis = v->par.lift.axis;
        x->event[axis] = src.lead[bit_of(v->par.lift.lead)];
        x->lead[bit_of(v->par.lift.lead)] = 0;
        for (int i = axis + 1; i < v->shape.rank; i++) x->event[i] = src.event[i - 1];
        break;
    default: break;
    }
    return NRG_OK;
}

nrg_status nrg_plan_view(nrg_planner *w, nrg_node n, nrg_view **out) {
    const nrg_node_info *v = info(w, n);
    *out = w->views[n.i];
    if (*out) return NRG_OK;
    if (v->op == NRG_OP_input) return input(w, n, out);
    if (v->op == NRG_OP_const) return constant(w, n, out);
    if (!nrg_plan_movement(v->op)) return nrg_fail(w->p->ctx, NRG_E099, v->span, "the plan reads a node before it is made");
    nrg_view *src, *x = NRG_NEW(&w->p->arena, nrg_view);
    if (!x) return NRG_E098;
    TRY(nrg_plan_view(w, v->in[0], &src));
    *x = *src;
    TRY(movement(w, n, x));
    w->views[n.i] = *out = x;
    return NRG_OK;
}

bool nrg_plan_same_space(const nrg_node_info *a, const nrg_node_info *b) {
    if (a->leads != b->leads || a->shape.rank != b->shape.rank) return false;
    for (int i = 0; i < a->shape.rank; i++)
        if (a->shape.dim[i] != b->shape.dim[i]) return false;
    return true;
}

bool nrg_plan_constant(const nrg_planner *w, nrg_node n, double *value) {
    const nrg_node_info *v = info(w, n);
    while (nrg_plan_movement(v->op)) v = info(w, v->in[0]);
    *value = v->par.scalar.value;
    return v->op == NRG_OP_const;
}

double nrg_plan_count(const nrg_dims *d) {
    double n = 1;
    for (int i = 0; i < d->n; i++)
        if (d->at[i].n >= 0) n *= (double)d->at[i].n;
    return n;
}
