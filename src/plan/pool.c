// Gradients of extremes over small windows, as of pooling: each number goes to the place of the extreme in its window, zeros to the
// others. That is one step, in which neither places nor comparisons are made:
//
//     select(place of a term == argmax(x), d, 0)
#include "plan/steps.h"

typedef struct {
    nrg_node x, d, first, wins; // first: argmax or argmin of x; wins: the comparison
} parts;

static const nrg_node_info *info(const nrg_planner *w, nrg_node n) { return nrg_graph_node(w->p->graph, n); }

// n as a sum of whole numbers times places along axes of a space of `rank`, aligned right: adds them to `times`.
static bool places(const nrg_planner *w, nrg_node n, int rank, double each, double *times) {
    const nrg_node_info *v = info(w, n), *u = v->op == NRG_OP_reshape ? info(w, v->in[0]) : v;
    double c;
    int axis = -1;
    if (nrg_plan_constant(w, n, &c)) return c == 0;
    if (v->op == NRG_OP_add) return places(w, v->in[0], rank, each, times) && places(w, v->in[1], rank, each, times);
    for (int i = 0; v->op == NRG_OP_mul && i < 2; i++)
        if (nrg_plan_constant(w, v->in[i], &c)) return places(w, v->in[!i], rank, each * c, times);
    if (u->op != NRG_OP_iota || u->leads) return false;
    for (int i = 0; i < v->shape.rank; i++)
        if (v->shape.dim[i] != 1) axis = i - v->shape.rank + rank;
    if (axis >= 0) times[axis] += each;
    return true;
}

// What lies behind movements that change neither the order of numbers nor, but by repeating them, their count.
static nrg_node behind(const nrg_planner *w, nrg_node n) {
    while (info(w, n)->op == NRG_OP_reshape || info(w, n)->op == NRG_OP_expand) n = info(w, n)->in[0];
    return n;
}

// Does n, aligned right with the space, vary along none of these axes, and have all others?
static bool kept_only(const nrg_node_info *n, const nrg_node_info *space, uint32_t gone) {
    if (n->leads != space->leads || n->shape.rank != space->shape.rank) return false;
    for (int i = 0; i < space->shape.rank; i++)
        if (n->shape.dim[i] != (gone >> i & 1 ? 1 : space->shape.dim[i])) return false;
    return true;
}

// The operand of the comparison `eq` that is the place of the extreme, repeated; the other is the place of each term.
static bool wins(const nrg_planner *w, const nrg_node_info *s, const nrg_node_info *eq, int k, parts *p) {
    nrg_node n = eq->in[k];
    while (info(w, n)->op == NRG_OP_expand) n = info(w, n)->in[0];
    p->first = behind(w, n);
    const nrg_node_info *f = info(w, p->first);
    if ((f->op != NRG_OP_argmax && f->op != NRG_OP_argmin) || f->par.reduce.leads) return false;
    uint32_t gone = f->par.reduce.axes;
    double times[NRG_MAX_RANK] = {0}, step = 1;
    p->x = f->in[0];
    if (!nrg_plan_same_space(info(w, p->x), s) || !kept_only(info(w, n), s, gone) || info(w, eq->in[!k])->leads) return false;
    if (!places(w, eq->in[!k], s->shape.rank, 1, times)) return false;
    for (int i = s->shape.rank - 1; i >= 0; i--) {
        if (times[i] != (gone >> i & 1 && s->shape.dim[i] != 1 ? step : 0)) return false;
        if (gone >> i & 1) step *= (double)s->shape.dim[i];
    }
    while (info(w, p->d)->op == NRG_OP_expand) p->d = info(w, p->d)->in[0];
    return step > 0 && step <= NRG_WINDOW && kept_only(info(w, p->d), s, gone);
}

static bool parts_of(const nrg_planner *w, nrg_node n, parts *p) {
    const nrg_node_info *s = info(w, n);
    double zero;
    if (s->op != NRG_OP_select || !nrg_plan_constant(w, s->in[2], &zero) || zero != 0) return false;
    const nrg_node_info *eq = info(w, s->in[0]);
    p->wins = s->in[0], p->d = s->in[1];
    return eq->op == NRG_OP_eq && nrg_plan_same_space(eq, s) && (wins(w, s, eq, 0, p) || wins(w, s, eq, 1, p));
}

// readers: of each node. Only comparisons and places that nothing else reads are not made.
void nrg_plan_find_pools(nrg_planner *w, const uint32_t *readers) {
    for (uint32_t i = 1; i <= nrg_graph_size(w->p->graph); i++) {
        parts p;
        if (!w->used[i] || w->solid[i] || !parts_of(w, (nrg_node){i}, &p)) continue;
        w->pooled[i] = true;
        bool own = readers[p.wins.i] == 1 && !w->solid[p.wins.i];
        w->alone[p.wins.i] = own;
        for (nrg_node n = p.first; own && n.i < p.wins.i; n.i++) // movements lie between
            if (behind(w, n).i == p.first.i && w->used[n.i]) own = readers[n.i] == 1 && !w->solid[n.i];
        w->alone[p.first.i] = own;
    }
}

nrg_status nrg_plan_pool(nrg_planner *w, nrg_node n) {
    const nrg_node_info *s = info(w, n);
    nrg_pool_step *d = NRG_NEW(&w->p->arena, nrg_pool_step);
    nrg_view *x, *z, *y;
    parts p;
    if (!d || !parts_of(w, n, &p)) return NRG_E098;
    TRY(nrg_plan_view(w, p.x, &x));
    TRY(nrg_plan_view(w, p.d, &z));
    TRY(nrg_plan_buffer(w, n, &y));
    d->op = info(w, p.first)->op, d->a = (nrg_at){x->buf, x->offset}, d->b = (nrg_at){z->buf, z->offset}, d->buf = y->buf;
    for (int i = 0; i < NRG_MAX_LEADS; i++)
        if (s->leads >> i & 1)
            TRY(nrg_plan_put_dim(w, &d->kept, nrg_lead_extent(w->p->graph, 1u << i), x->lead[i], z->lead[i], y->lead[i]));
    for (int i = 0; i < s->shape.rank; i++) {
        bool gone = info(w, p.first)->par.reduce.axes >> i & 1;
        TRY(nrg_plan_put_dim(w, gone ? &d->gone : &d->kept, s->shape.dim[i], x->event[i], gone ? 0 : z->event[i], y->event[i]));
    }
    uint32_t reads[2] = {d->a.buf, d->b.buf};
    return nrg_plan_step(w, NRG_STEP_pool, n, (uint32_t)w->level[n.i], d, reads, 2, &d->buf, 1, (double)nrg_node_count(w->p->graph, n));
}
