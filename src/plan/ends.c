// Outputs and updates of a plan: copies from where a value lies to where the caller wants it.
//
//   A state with the sample axis is written at the end of the last slices phase that reads it, slice by slice; one without it
//   at the end of the last phase. So every step of a repeat reads the old state.
#include "plan/steps.h"

static const nrg_node_info *info(const nrg_planner *w, nrg_node n) { return nrg_graph_node(w->p->graph, n); }

// Strides of view x against a row-major target with the leads and shape of `like`.
static nrg_status copy_dims(nrg_planner *w, const nrg_node_info *v, const nrg_view *x, const nrg_node_info *like, nrg_out_step *d) {
    int64_t c[NRG_MAX_LEADS + NRG_MAX_RANK], stride = 1;
    for (int i = like->shape.rank - 1; i >= 0; i--) {
        c[NRG_MAX_LEADS + i] = stride;
        stride *= like->shape.dim[i];
    }
    for (int i = NRG_MAX_LEADS - 1; i > 0; i--) {
        c[i] = stride;
        if (like->leads >> i & 1) stride *= nrg_lead_extent(w->p->graph, 1u << i);
    }
    d->count = stride;
    d->sample = like->leads & NRG_SAMPLE;
    d->a = (nrg_at){x->buf, x->offset};
    d->a_sample = v->leads & NRG_SAMPLE ? x->lead[0] : 0;
    for (int i = 1; i < NRG_MAX_LEADS; i++)
        if (like->leads >> i & 1)
            TRY(nrg_plan_put_dim(w, &d->dims, nrg_lead_extent(w->p->graph, 1u << i), v->leads >> i & 1 ? x->lead[i] : 0, 0, c[i]));
    for (int i = 0; i < like->shape.rank; i++)
        TRY(nrg_plan_put_dim(w, &d->dims, like->shape.dim[i], x->event[i], 0, c[NRG_MAX_LEADS + i]));
    return NRG_OK;
}

static nrg_status output(nrg_planner *w, int i) {
    nrg_node n = w->p->outputs[i];
    const nrg_node_info *v = info(w, n);
    nrg_out_step *d = NRG_NEW(&w->p->arena, nrg_out_step);
    nrg_view *x;
    if (!d) return NRG_E098;
    TRY(nrg_plan_view(w, n, &x));
    TRY(copy_dims(w, v, x, v, d));
    d->i = i;
    return nrg_plan_step(w, NRG_STEP_output, n, (uint32_t)w->level[n.i], d, &d->a.buf, 1, NULL, 0, 0);
}

static nrg_status check_update(nrg_planner *w, const nrg_node_info *s, const nrg_node_info *v) {
    bool fits = s->op == NRG_OP_input && !(v->leads & ~s->leads) && s->shape.rank == v->shape.rank;
    for (int i = 0; fits && i < s->shape.rank; i++) fits = s->shape.dim[i] == v->shape.dim[i];
    if (fits) return NRG_OK;
    return nrg_fail(w->p->ctx, NRG_E099, v->span, "an update needs an input node, and a value of its shape and leading axes");
}

// A value that lies in a state which is itself overwritten must be copied first: two states may change places.
static bool in_state(const nrg_plan *p, uint32_t buf) {
    if (p->bufs.at[buf].place != NRG_AT_INPUT) return false;
    for (int i = 0; i < p->updates_n; i++)
        if (nrg_graph_node(p->graph, p->updates[i].state)->par.input.slot == p->bufs.at[buf].slot) return true;
    return false;
}

static uint32_t last_read(const nrg_plan *p, uint32_t slot) {
    uint32_t last = 0;
    for (uint32_t i = 0; i < p->steps.n; i++)
        for (int k = 0; k < p->steps.at[i].reads_n; k++) {
            const nrg_plan_buf *b = &p->bufs.at[p->steps.at[i].reads[k]];
            if (b->place == NRG_AT_INPUT && b->slot == slot && p->steps.at[i].phase > last) last = p->steps.at[i].phase;
        }
    return last;
}

static nrg_status update_copy(nrg_planner *w, int i) {
    nrg_node n = w->p->updates[i].value;
    const nrg_node_info *s = info(w, w->p->updates[i].state), *v = info(w, n);
    nrg_view *x;
    TRY(check_update(w, s, v));
    TRY(nrg_plan_view(w, n, &x));
    if (!in_state(w->p, x->buf)) return NRG_OK;
    nrg_view src = *x;
    return nrg_plan_copy(w, n, &src, &x);
}

static nrg_status update(nrg_planner *w, int i, uint32_t final) {
    nrg_node n = w->p->updates[i].value;
    const nrg_node_info *s = info(w, w->p->updates[i].state), *v = info(w, n);
    nrg_out_step *d = NRG_NEW(&w->p->arena, nrg_out_step);
    nrg_view *x;
    if (!d) return NRG_E098;
    TRY(nrg_plan_view(w, n, &x));
    TRY(copy_dims(w, v, x, s, d));
    d->i = i;
    d->slot = s->par.input.slot;
    uint32_t phase = final;
    if (d->sample) {
        phase = (uint32_t)w->level[n.i] | 1u;
        uint32_t last = last_read(w->p, d->slot);
        if (last > phase) phase = last | 1u;
    }
    return nrg_plan_step(w, NRG_STEP_update, n, phase, d, &d->a.buf, 1, NULL, 0, 0);
}

nrg_status nrg_plan_ends(nrg_planner *w) {
    nrg_plan *p = w->p;
    for (int i = 0; i < p->outputs_n; i++) TRY(output(w, i));
    for (int i = 0; i < p->updates_n; i++) TRY(update_copy(w, i));
    uint32_t final = 0;
    for (uint32_t i = 0; i < p->steps.n; i++)
        if (p->steps.at[i].phase > final) final = p->steps.at[i].phase;
    final = (final + 1) & ~1u;
    for (int i = 0; i < p->updates_n; i++) TRY(update(w, i, final));
    return NRG_OK;
}
