// Distances: sums of (weighed) squared differences whose two sides have axes of their own are steps, so that nothing of the
// size of rows x columns x terms is made. Where only the least of them is read, not even rows x columns.
//
//     sum over red of w * (a - b)^2       rows: axes of a alone     cols: of b or w, not of a     loop: of both
#include "plan/steps.h"
#include <string.h>

typedef struct {
    nrg_node a, b, w;          // w: 0 where all weights are one
    uint32_t mul, square, sub; // what the sum is made of
} parts;

// One axis of what is summed: whose it is, and where it lies.
typedef struct {
    int lead, event; // one of them, else -1
    int64_t n;       // -1: samples
    bool a, b, w, gone;
} axis;
typedef struct {
    int n;
    axis at[NRG_MAX_LEADS + NRG_MAX_RANK];
    nrg_node sum, in;
} axes;

static const nrg_node_info *info(const nrg_planner *w, nrg_node n) { return nrg_graph_node(w->p->graph, n); }

static bool squared(const nrg_planner *w, nrg_node n, parts *p) {
    const nrg_node_info *s = info(w, n);
    if (s->op != NRG_OP_square && !(s->op == NRG_OP_mul && s->in[0].i == s->in[1].i)) return false;
    const nrg_node_info *d = info(w, s->in[0]);
    if (d->op != NRG_OP_sub) return false;
    p->square = n.i, p->sub = s->in[0].i, p->a = d->in[0], p->b = d->in[1];
    return true;
}

static bool parts_of(const nrg_planner *w, nrg_node n, parts *p) {
    const nrg_node_info *v = info(w, n);
    *p = (parts){0};
    if (v->op != NRG_OP_sum) return false;
    if (squared(w, v->in[0], p)) return true;
    const nrg_node_info *m = info(w, v->in[0]);
    if (m->op != NRG_OP_mul) return false;
    p->mul = v->in[0].i;
    for (int i = 0; i < 2; i++) {
        p->w = m->in[1 - i];
        if (squared(w, m->in[i], p)) return true;
    }
    return false;
}

// Does node o, aligned right, vary along event axis i of `rank`?
static bool varies(const nrg_node_info *o, int rank, int i) {
    int j = i - rank + o->shape.rank;
    return j >= 0 && o->shape.dim[j] != 1;
}

static void axes_of(const nrg_planner *w, nrg_node n, const parts *p, axes *x) {
    const nrg_node_info *v = info(w, n), *s = info(w, v->in[0]), *a = info(w, p->a), *b = info(w, p->b), *q = info(w, p->w);
    bool weighed = p->w.i;
    *x = (axes){.sum = n, .in = v->in[0]};
    for (int i = 0; i < NRG_MAX_LEADS; i++)
        if (s->leads >> i & 1)
            x->at[x->n++] = (axis){i, -1, nrg_lead_extent(w->p->graph, 1u << i), a->leads >> i & 1, b->leads >> i & 1,
                                   weighed && (q->leads >> i & 1), v->par.reduce.leads >> i & 1};
    for (int i = 0; i < s->shape.rank; i++)
        x->at[x->n++] = (axis){-1, i, s->shape.dim[i], varies(a, s->shape.rank, i), varies(b, s->shape.rank, i),
                               weighed && varies(q, s->shape.rank, i), v->par.reduce.axes >> i & 1};
}

static bool is_row(const axis *x) { return !x->gone && x->a && !x->b && !x->w; }
static bool is_col(const axis *x) { return !x->gone && !x->a && (x->b || x->w); }

static void swap_sides(parts *p, axes *x) {
    nrg_node t = p->a;
    p->a = p->b, p->b = t;
    for (int i = 0; i < x->n; i++) {
        bool a = x->at[i].a;
        x->at[i].a = x->at[i].b, x->at[i].b = a;
    }
}

// Columns of this assignment of sides; 0 where it does not fit: columns are packed, so samples must not be among them.
static double fits(const axes *x) {
    double rows = 0, cols = 1;
    bool any = false;
    for (int i = 0; i < x->n; i++) {
        if (is_row(&x->at[i]) && x->at[i].n != 1) rows = 1;
        if (is_col(&x->at[i]) && x->at[i].n != 1) any = true, cols *= (double)x->at[i].n;
        if (is_col(&x->at[i]) && x->at[i].n < 0) return 0;
        if (x->at[i].n == 0) return 0;
        if (x->at[i].gone && x->at[i].n < 0) return 0;
    }
    return rows && any ? cols : 0;
}

// A sum over samples alone of w (a - b)^2, where a and w have samples and no other axis in common, and b has none.
static bool is_spread(const axes *x) {
    bool rows = false, cols = false;
    for (int i = 0; i < x->n; i++) {
        const axis *o = &x->at[i];
        if (o->gone != (o->n < 0) || o->n == 0 || (o->gone ? !o->a || !o->w || o->b : o->a && o->w && o->n != 1)) return false;
        rows = rows || (o->w && !o->a && o->n > 1), cols = cols || (o->a && !o->w && o->n > 1);
        if (!o->gone && !o->a && !o->w && o->n != 1) return false;
    }
    return rows && cols;
}

static bool distance_of(const nrg_planner *w, nrg_node n, parts *p, axes *x) {
    if (!parts_of(w, n, p)) return false;
    axes_of(w, n, p, x);
    if (nrg_plan_barrier(info(w, n), w->p->graph)) {
        if (is_spread(x)) return true;
        swap_sides(p, x);
        return is_spread(x);
    }
    double here = fits(x);
    swap_sides(p, x);
    double there = fits(x);
    if (here >= there) swap_sides(p, x);
    return here > 0 || there > 0;
}

// ---- finding them

static bool same_reduction(const nrg_node_info *a, const nrg_node_info *b) {
    return a->par.reduce.axes == b->par.reduce.axes && a->par.reduce.leads == b->par.reduce.leads;
}

// Event axis i of the summed node among those of the sum.
static int kept_axis(const nrg_node_info *sum, int i) {
    int at = i;
    for (int k = 0; k < i && !sum->par.reduce.keep; k++) at -= sum->par.reduce.axes >> k & 1;
    return at;
}

// Does the reduction r of a distance go over just its columns, on a packed side that is the same for all samples?
static bool over_columns(const nrg_planner *w, const nrg_node_info *r, const axes *x) {
    const nrg_node_info *sum = info(w, x->sum);
    double cols = 1;
    for (int i = 0; i < x->n; i++) {
        const axis *o = &x->at[i];
        bool gone = o->lead >= 0 ? r->par.reduce.leads >> o->lead & 1 : r->par.reduce.axes >> kept_axis(sum, o->event) & 1;
        if (o->w || (o->n < 0 && o->b)) return false;
        if (!o->gone && o->n != 1 && gone != is_col(o)) return false;
        if (is_col(o)) cols *= (double)o->n;
    }
    return cols > 1 && cols <= NRG_NEAR_MOST;
}

// Reads of each node by nodes that are made.
static void count_readers(const nrg_planner *w, uint32_t *readers) {
    for (uint32_t i = 1; i <= nrg_graph_size(w->p->graph); i++) {
        const nrg_node_info *v = info(w, (nrg_node){i});
        for (int k = 0; w->used[i] && k < nrg_plan_arity(v->op); k++) {
            bool again = false;
            for (int q = 0; q < k; q++) again = again || v->in[q].i == v->in[k].i;
            readers[v->in[k].i] += !again;
        }
    }
}

static void solid(nrg_planner *w, nrg_node n) {
    while (nrg_plan_movement(info(w, n)->op)) n = info(w, n)->in[0];
    w->solid[n.i] = true;
}

// Least distances and their places: both readers of a distance, or the one that it has.
static void find_nearest(nrg_planner *w, const uint32_t *readers) {
    uint32_t n = nrg_graph_size(w->p->graph);
    for (uint32_t i = 1; i <= n; i++) {
        const nrg_node_info *r = info(w, (nrg_node){i});
        parts p;
        axes x;
        if (!w->used[i] || (r->op != NRG_OP_argmin && r->op != NRG_OP_rmin)) continue;
        uint32_t s = r->in[0].i;
        if (!w->distance[s] || w->solid[s] || !distance_of(w, r->in[0], &p, &x) || !over_columns(w, r, &x)) continue;
        uint32_t *own = r->op == NRG_OP_argmin ? &w->nearest_index[s] : &w->nearest_value[s];
        uint32_t other = r->op == NRG_OP_argmin ? w->nearest_value[s] : w->nearest_index[s];
        if (!*own && (!other || same_reduction(r, info(w, (nrg_node){other})))) *own = i;
    }
    for (uint32_t s = 1; s <= n; s++)
        w->alone[s] = readers[s] > 0 && readers[s] == (uint32_t)((w->nearest_index[s] > 0) + (w->nearest_value[s] > 0));
}

// taken: reads of a part by distances and their parts; child: the next part.
void nrg_plan_find_distances(nrg_planner *w, uint32_t *readers, uint32_t *taken, uint32_t *child) {
    uint32_t n = nrg_graph_size(w->p->graph);
    count_readers(w, readers);
    for (uint32_t i = 1; i <= n; i++) {
        parts p;
        axes x;
        if (!w->used[i] || !distance_of(w, (nrg_node){i}, &p, &x)) continue;
        w->distance[i] = true;
        taken[info(w, (nrg_node){i})->in[0].i]++;
        solid(w, p.a), solid(w, p.b);
        if (p.w.i) solid(w, p.w);
        if (p.mul) child[p.mul] = p.square;
        child[p.square] = p.sub;
    }
    find_nearest(w, readers);
    for (uint32_t i = n; i > 0; i--) // readers come before what they read
        if (w->used[i] && taken[i] && taken[i] == readers[i] && !w->solid[i]) {
            w->alone[i] = true;
            taken[child[i]]++;
        }
    taken[0] = 0;
    memset(child, 0, (n + 1) * sizeof *child);
}

// ---- steps

// Strides of a view along an axis.
static int64_t stride(const nrg_planner *w, nrg_node n, const nrg_view *v, int rank, const axis *x, bool has) {
    if (!has) return 0;
    return x->lead >= 0 ? v->lead[x->lead] : v->event[x->event - rank + info(w, n)->shape.rank];
}

// Strides of the result along the axes: row-major over what is kept of them, as in a buffer of its own.
static void results(const nrg_planner *w, nrg_node n, const axes *x, int64_t *c) {
    const nrg_node_info *v = info(w, n);
    const nrg_shape *s = &info(w, x->in)->shape;
    int64_t step = 1;
    for (int i = x->n - 1; i >= 0; i--) {
        const axis *o = &x->at[i];
        bool kept = !o->gone && (n.i == x->sum.i || !is_col(o));
        if (o->lead >= 0) continue;
        c[i] = kept ? step : 0;
        if (kept) step *= s->dim[o->event];
    }
    for (int i = x->n - 1; i >= 0; i--) {
        const axis *o = &x->at[i];
        if (o->lead <= 0) continue;
        bool kept = v->leads >> o->lead & 1;
        c[i] = kept ? step : 0;
        if (kept) step *= o->n;
    }
    if (x->n && x->at[0].lead == 0) c[0] = v->leads & NRG_SAMPLE ? step : 0;
}

typedef struct {
    nrg_at a, b, w;
    nrg_dims loop, rows, cols, red;    // strides of a, b and the result
    nrg_dims wloop, wcols, wred;       // of the weights
} layout;

static nrg_status lay(nrg_planner *w, nrg_node n, const parts *p, const axes *x, layout *l) {
    int64_t c[NRG_MAX_LEADS + NRG_MAX_RANK] = {0};
    int rank = info(w, x->in)->shape.rank;
    nrg_view *a, *b, *q = NULL;
    TRY(nrg_plan_view(w, p->a, &a));
    TRY(nrg_plan_view(w, p->b, &b));
    if (p->w.i) TRY(nrg_plan_view(w, p->w, &q));
    TRY(nrg_plan_view(w, p->a, &a)); // a copy that another side asked for serves all
    TRY(nrg_plan_view(w, p->b, &b));
    *l = (layout){.a = {a->buf, a->offset}, .b = {b->buf, b->offset}};
    if (q) l->w = (nrg_at){q->buf, q->offset};
    results(w, n, x, c);
    for (int i = 0; i < x->n; i++) {
        const axis *o = &x->at[i];
        if (o->n == 1) continue;
        int64_t sa = stride(w, p->a, a, rank, o, o->a), sb = stride(w, p->b, b, rank, o, o->b), sw = q ? stride(w, p->w, q, rank, o, o->w) : 0;
        nrg_dims *to = o->gone ? &l->red : is_row(o) ? &l->rows : is_col(o) ? &l->cols : &l->loop;
        nrg_dims *wto = o->gone ? &l->wred : is_row(o) ? NULL : is_col(o) ? &l->wcols : &l->wloop;
        TRY(nrg_plan_put_dim(w, to, o->n, sa, sb, c[i]));
        if (q && wto) TRY(nrg_plan_put_dim(w, wto, o->n, 0, sw, 0));
    }
    return NRG_OK;
}

static double terms(const layout *l) { return nrg_plan_count(&l->loop) * nrg_plan_count(&l->rows) * nrg_plan_count(&l->cols) * nrg_plan_count(&l->red); }

static nrg_status sum_over_samples(nrg_planner *w, nrg_node n, const parts *p, const axes *x) {
    nrg_spread_step *d = NRG_NEW(&w->p->arena, nrg_spread_step);
    int64_t c[NRG_MAX_LEADS + NRG_MAX_RANK] = {0};
    int rank = info(w, x->in)->shape.rank;
    double terms = 1;
    nrg_view *a, *b, *q, *y;
    if (!d) return NRG_E098;
    TRY(nrg_plan_view(w, p->b, &b));
    TRY(nrg_plan_keep(w, p->a, &a));
    TRY(nrg_plan_keep(w, p->w, &q));
    TRY(nrg_plan_keep(w, p->a, &a));
    TRY(nrg_plan_buffer(w, n, &y));
    *d = (nrg_spread_step){.a = {a->buf, a->offset}, .b = {b->buf, b->offset}, .w = {q->buf, q->offset}, .c = {y->buf, 0}, .a_row = a->lead[0],
                           .w_row = q->lead[0]};
    results(w, n, x, c);
    for (int i = 0; i < x->n; i++) {
        const axis *o = &x->at[i];
        if (o->gone || o->n == 1) continue;
        terms *= (double)o->n;
        int64_t sb = stride(w, p->b, b, rank, o, o->b);
        if (o->w) TRY(nrg_plan_put_dim(w, &d->rows, o->n, stride(w, p->w, q, rank, o, true), sb, c[i]));
        else TRY(nrg_plan_put_dim(w, &d->cols, o->n, stride(w, p->a, a, rank, o, true), sb, c[i]));
    }
    uint32_t reads[3] = {d->a.buf, d->b.buf, d->w.buf};
    TRY(nrg_plan_step(w, NRG_STEP_spread, n, (uint32_t)w->level[n.i] - 1, d, reads, 3, &d->c.buf, 1, 4 * terms));
    w->p->steps.at[w->p->steps.n - 1].deferred = true;
    return NRG_OK;
}

nrg_status nrg_plan_distance(nrg_planner *w, nrg_node n) {
    nrg_distance_step *d = NRG_NEW(&w->p->arena, nrg_distance_step);
    parts p;
    axes x;
    layout l;
    nrg_view *y;
    if (!d) return NRG_E098;
    distance_of(w, n, &p, &x);
    if (nrg_plan_barrier(info(w, n), w->p->graph)) return sum_over_samples(w, n, &p, &x);
    TRY(lay(w, n, &p, &x, &l));
    TRY(nrg_plan_buffer(w, n, &y));
    *d = (nrg_distance_step){.a = l.a, .c = {y->buf, 0}, .loop = l.loop, .rows = l.rows, .cols = l.cols, .red = l.red};
    TRY(nrg_plan_pack(w, n, l.b, &l.loop, &l.cols, &l.red, &d->packed, &d->panel));
    if (p.w.i) TRY(nrg_plan_pack(w, n, l.w, &l.wloop, &l.wcols, &l.wred, &d->weights, &d->panel));
    uint32_t reads[3] = {l.a.buf, d->packed, d->weights};
    return nrg_plan_step(w, NRG_STEP_distance, n, (uint32_t)w->level[n.i], d, reads, d->weights ? 3 : 2, &d->c.buf, 1,
                         (d->weights ? 4 : 3) * terms(&l));
}

static nrg_status centre(nrg_planner *w, nrg_node n, uint32_t packed, int64_t panel, const layout *l, uint32_t *buf, int64_t *size) {
    nrg_plan *p = w->p;
    nrg_centre_step *o = NRG_NEW(&p->arena, nrg_centre_step);
    if (!o) return NRG_E098;
    *o = (nrg_centre_step){packed, p->bufs.n, (int64_t)nrg_plan_count(&l->cols), (int64_t)nrg_plan_count(&l->red), (int64_t)nrg_plan_count(&l->loop), panel, 0};
    *size = o->size = NRG_CENTRE_SIZE(o->n, o->k, (int64_t)p->real);
    *buf = o->buf;
    nrg_plan_buf b = {.place = NRG_AT_ONCE, .count = o->size * o->loops, .node = n, .phase = p->bufs.at[packed].phase};
    TRY(NRG_PUSH(&p->arena, p->bufs, b));
    return nrg_plan_step(w, NRG_STEP_centre, n, b.phase, o, &o->from, 1, &o->buf, 1, 0);
}

nrg_status nrg_plan_nearest(nrg_planner *w, nrg_node n) {
    nrg_node s = info(w, n)->in[0], index = {w->nearest_index[s.i]}, value = {w->nearest_value[s.i]};
    nrg_nearest_step *d = NRG_NEW(&w->p->arena, nrg_nearest_step);
    parts p;
    axes x;
    layout l;
    nrg_view *y;
    if (w->views[n.i]) return NRG_OK; // made with the other one
    if (!d) return NRG_E098;
    distance_of(w, s, &p, &x);
    TRY(lay(w, n, &p, &x, &l));
    *d = (nrg_nearest_step){.a = l.a, .loop = l.loop, .rows = l.rows, .cols = l.cols, .red = l.red};
    if (index.i) {
        TRY(nrg_plan_buffer(w, index, &y));
        d->index = y->buf;
    }
    if (value.i) {
        TRY(nrg_plan_buffer(w, value, &y));
        d->value = y->buf;
    }
    TRY(nrg_plan_pack(w, n, l.b, &l.loop, &l.cols, &l.red, &d->packed, &d->panel));
    TRY(centre(w, n, d->packed, d->panel, &l, &d->centred, &d->size));
    uint32_t reads[3] = {l.a.buf, d->packed, d->centred}, writes[2] = {d->index ? d->index : d->value, d->value};
    return nrg_plan_step(w, NRG_STEP_nearest, n, (uint32_t)w->level[n.i], d, reads, 3, writes, index.i && value.i ? 2 : 1, 2 * terms(&l));
}
