// Structure of every node with respect to one node v, by the rules degree_<word> of the table. Sound: what is claimed holds.
//
// For each event axis i of v a node knows WHERE its numbers find their position along i: nowhere (it does not depend on
// v), at the same position of one of its own event axes (counted from the right) or leading axes, at some single position,
// or at many. What is computed elementwise from numbers that read a single position keeps positions apart.
#include "graph/inside.h"
#include <string.h>

typedef enum { FREE, EVENT, LEAD, SOME, MANY } kind;
typedef struct {
    kind kind;
    int at; // event axis from the right, or number of the leading axis
} where;

typedef struct {
    int degree; // 0..3
    bool depends;
    bool smooth;
    bool separable[NRG_MAX_RANK];
    where pos[NRG_MAX_RANK]; // by event axis of v
    bool rows;               // every path from v passes a take of v's own rows
    bool pure;               // every number is one of v's numbers
    bool log_affine;         // affine in (v, log v)
} state;

typedef struct {
    const nrg_graph *g;
    nrg_node v, y;
    int axes; // event axes of v
    const nrg_node_info *x;
    const state *in[3];
    const nrg_node_info *of[3]; // the inputs
    state s;                    // result
} rule;

static const state constant = {.smooth = true,
                               .rows = true,
                               .log_affine = true,
                               .separable = {true, true, true, true, true, true, true, true}};

static where many(void) { return (where){MANY, 0}; }
static where some(void) { return (where){SOME, 0}; }

// Positions of a number that reads both.
static where join(where a, where b) {
    if (a.kind == FREE) return b;
    if (b.kind == FREE) return a;
    if (a.kind == b.kind && a.at == b.at && (a.kind == EVENT || a.kind == LEAD)) return a;
    return many();
}

// Positions of a list whose numbers read the one or the other.
static where either(where a, where b) {
    where j = join(a, b);
    return j.kind == MANY && a.kind != MANY && b.kind != MANY ? some() : j;
}

// ---- what all rules share

// a and b added: the worse of both.
static void merge(rule *r, const state *b) {
    state *s = &r->s;
    if (b->degree > s->degree) s->degree = b->degree;
    s->depends = s->depends || b->depends;
    s->smooth = s->smooth && b->smooth;
    s->rows = s->rows && b->rows;
    s->pure = false;
    s->log_affine = s->log_affine && b->log_affine;
    for (int i = 0; i < r->axes; i++) {
        s->separable[i] = s->separable[i] && b->separable[i];
        s->pos[i] = join(s->pos[i], b->pos[i]);
    }
}

// A function that is not linear of numbers at the positions in s: couples what a number reads.
static void curve(rule *r, bool smooth) {
    state *s = &r->s;
    if (!s->depends) return;
    s->degree = 3;
    s->smooth = s->smooth && smooth;
    s->pure = s->log_affine = false;
    for (int i = 0; i < r->axes; i++) s->separable[i] = s->pos[i].kind != MANY;
}

// Nothing is known but whether it depends on v.
static void unknown(rule *r) {
    for (int i = 0; i < r->axes; i++) r->s.pos[i] = r->s.depends ? many() : r->s.pos[i];
    curve(r, false);
}

// ---- positions after a movement

static int right(const nrg_node_info *x, int axis) { return x->shape.rank - 1 - axis; }

static where after_reduce(const rule *r, where p) {
    uint32_t axes = r->x->par.reduce.axes;
    if (p.kind == LEAD && (r->x->par.reduce.leads >> p.at & 1)) return many();
    if (p.kind == SOME && (axes || r->x->par.reduce.leads)) return many();
    if (p.kind != EVENT) return p;
    int axis = right(r->of[0], p.at), gone = 0;
    if (axes >> axis & 1) return many();
    for (int i = axis + 1; i < r->of[0]->shape.rank; i++) gone += axes >> i & 1;
    return (where){EVENT, r->x->par.reduce.keep ? p.at : p.at - gone};
}

// An axis keeps its place in a reshape when its size and the product of the sizes to its right stay.
static where after_reshape(const rule *r, where p) {
    const nrg_shape *from = &r->of[0]->shape, *to = &r->x->shape;
    int64_t size = 1, over = 1;
    if (p.kind != EVENT) return p;
    for (int k = 0; k < p.at; k++) size *= from->dim[from->rank - 1 - k];
    for (int k = 0; k < to->rank; k++) {
        int64_t d = to->dim[to->rank - 1 - k];
        if (over == size && d == from->dim[from->rank - 1 - p.at]) return (where){EVENT, k};
        over *= d;
    }
    return some();
}

static where after_permute(const rule *r, where p) {
    if (p.kind != EVENT) return p;
    for (int i = 0; i < r->x->shape.rank; i++)
        if (r->x->par.perm.order[i] == right(r->of[0], p.at)) return (where){EVENT, right(r->x, i)};
    return some();
}

static where after_slice(const rule *r, where p) {
    bool here = p.kind == EVENT && right(r->of[0], p.at) == r->x->par.slice.axis;
    return here && (r->x->par.slice.start != 0 || r->x->par.slice.step != 1) ? some() : p;
}

static where after_pad(const rule *r, where p) {
    bool here = p.kind == EVENT && right(r->of[0], p.at) == r->x->par.pad.axis;
    return here && r->x->par.pad.before != 0 ? some() : p;
}

static int number(nrg_leads one) {
    int i = 0;
    while (one > 1) one >>= 1, i++;
    return i;
}

static where after_lift(const rule *r, where p) {
    int cut = right(r->of[0], r->x->par.lift.axis);
    if (p.kind != EVENT) return p;
    if (p.at == cut) return (where){LEAD, number(r->x->par.lift.lead)};
    return (where){EVENT, p.at > cut ? p.at - 1 : p.at};
}

static where after_lower(const rule *r, where p) {
    int cut = right(r->x, r->x->par.lift.axis);
    if (p.kind == LEAD && p.at == number(r->x->par.lift.lead)) return (where){EVENT, cut};
    if (p.kind != EVENT) return p;
    return (where){EVENT, p.at >= cut ? p.at + 1 : p.at};
}

static where after_move(const rule *r, where p) {
    switch (r->x->op) {
    case NRG_OP_reshape: return after_reshape(r, p);
    case NRG_OP_permute: return after_permute(r, p);
    case NRG_OP_slice: return after_slice(r, p);
    case NRG_OP_pad: return after_pad(r, p);
    case NRG_OP_lift: return after_lift(r, p);
    case NRG_OP_lower: return after_lower(r, p);
    default: return p; // expand: aligned right
    }
}

// ---- rules

static void degree_leaf(rule *r) { // random: a step function of its stream ids
    if (r->in[0]) r->s = *r->in[0];
    unknown(r);
}
static void degree_stop(rule *r) { // its value still moves with v, so it is worth nothing
    r->s = *r->in[0];
    unknown(r);
}
static void degree_linear(rule *r) {
    r->s = *r->in[0];
    r->s.pure = false;
}
static void degree_kink(rule *r) {
    r->s = *r->in[0];
    curve(r, false);
}
static void degree_step(rule *r) { degree_kink(r); }
static void degree_curve(rule *r) {
    r->s = *r->in[0];
    curve(r, true);
}
static void degree_log(rule *r) {
    r->s = *r->in[0];
    curve(r, true);
    r->s.log_affine = !r->s.depends || r->in[0]->pure;
}
static void degree_square(rule *r) {
    int degree = r->in[0]->degree;
    r->s = *r->in[0];
    curve(r, true);
    if (degree == 1) r->s.degree = 2;
}
static void degree_add(rule *r) {
    r->s = *r->in[0];
    merge(r, r->in[1]);
    for (int i = 0; i < r->axes; i++) r->s.pos[i] = join(r->in[0]->pos[i], r->in[1]->pos[i]);
}

// Positions of the operands of a product, in the index space of the product: EVENT axes there are numbered so that
// equal numbers mean equal indices; `out` says where that index is in the result, or that it is summed.
typedef struct {
    where a[NRG_MAX_RANK], b[NRG_MAX_RANK];
} pair;

static bool summed(const rule *r, int lead) {
    nrg_leads leads = 0;
    if (r->x->op == NRG_OP_matmul) leads = r->x->par.matmul.leads;
    if (r->x->op == NRG_OP_convw) leads = r->x->par.conv.leads;
    return leads >> lead & 1;
}

// Indices of the product: 0 the last, 1 the last but one axis of the result, 2 the summed one.
static where in_matmul(where p, bool transposed, int own) {
    if (p.kind != EVENT) return p;
    bool last = (p.at == 0) != transposed; // the last axis after transposing
    return (where){EVENT, own == 1 ? (last ? 2 : 1) : (last ? 0 : 2)};
}

// Convolutions mix everything but one axis: the filters' own, counted from the left in [F, C, h, w].
static where in_conv(const rule *r, where p, int side) {
    if (p.kind != EVENT) return p;
    if (r->x->op == NRG_OP_conv && side == 1 && p.at == 3)
        return (where){EVENT, 2}; // F of the filters -> F of the answer
    if (r->x->op == NRG_OP_convx && side == 1 && p.at == 2)
        return (where){EVENT, 2}; // C -> C of the image
    if (r->x->op == NRG_OP_convw && p.at == 2)
        return (where){EVENT, side ? 3 : 2}; // C of the image, F of the answer
    return many();
}

static pair operands(const rule *r) {
    pair q;
    bool matmul = r->x->op == NRG_OP_matmul,
         conv = r->x->op >= NRG_OP_conv && r->x->op <= NRG_OP_convw;
    for (int i = 0; i < r->axes; i++) {
        q.a[i] = r->in[0]->pos[i], q.b[i] = r->in[1]->pos[i];
        if (matmul)
            q.a[i] = in_matmul(q.a[i], r->x->par.matmul.ta, 1),
            q.b[i] = in_matmul(q.b[i], r->x->par.matmul.tb, 0);
        if (conv) q.a[i] = in_conv(r, q.a[i], 0), q.b[i] = in_conv(r, q.b[i], 1);
    }
    return q;
}

static where after_product(const rule *r, where p) {
    bool sums = r->x->op == NRG_OP_matmul || (r->x->op >= NRG_OP_conv && r->x->op <= NRG_OP_convw);
    if (p.kind == LEAD && summed(r, p.at)) return many();
    if (p.kind == SOME && sums) return many();
    if (p.kind == EVENT && r->x->op == NRG_OP_matmul && p.at == 2) return many();
    return p;
}

static void degree_mul(rule *r) {
    const state *a = r->in[0], *b = r->in[1];
    pair q = operands(r);
    bool both = a->depends && b->depends,
         same = r->x->in[0].i == r->x->in[1].i && r->x->op == NRG_OP_mul;
    r->s = *a;
    merge(r, b);
    r->s.degree = a->degree + b->degree > 3 ? 3 : a->degree + b->degree;
    r->s.log_affine = r->s.log_affine && !both;
    for (int i = 0; i < r->axes; i++) {
        where p = same ? q.a[i] : join(q.a[i], q.b[i]);
        if (both) r->s.separable[i] = p.kind != MANY;
        r->s.pos[i] = after_product(r, p);
    }
}

static void degree_div(rule *r) {
    bool free_below = !r->in[1]->depends;
    degree_add(r);
    if (!free_below) curve(r, true);
}

static bool whole_power(const rule *r) {
    double v;
    return nrg_is_const(r->g, r->x->in[1], &v) && v >= 0 && v == (double)(int64_t)v && v < 1e6;
}
static void degree_curve2(rule *r) {
    degree_add(r);
    curve(r, whole_power(r));
}
static void degree_kink2(rule *r) {
    degree_add(r);
    curve(r, false);
}
static void degree_step2(rule *r) { degree_kink2(r); }
static void degree_select(rule *r) {
    bool free_choice = !r->in[0]->depends;
    r->s = *r->in[1];
    merge(r, r->in[2]);
    merge(r, r->in[0]);
    if (!free_choice) curve(r, false);
}

static void degree_sum(rule *r) {
    r->s = *r->in[0];
    r->s.pure = false;
    for (int i = 0; i < r->axes; i++) r->s.pos[i] = after_reduce(r, r->s.pos[i]);
}
static void degree_curvered(rule *r) {
    degree_sum(r);
    curve(r, true);
}
static void degree_kinkred(rule *r) {
    degree_sum(r);
    curve(r, false);
}
static void degree_stepred(rule *r) { degree_kinkred(r); }

static void degree_move(rule *r) {
    r->s = *r->in[0];
    if (r->x->op == NRG_OP_pad) {
        r->s.pure = false; // the zeros are not v's
        if (!r->s.depends) return;
    }
    for (int i = 0; i < r->axes; i++) r->s.pos[i] = after_move(r, r->s.pos[i]);
}

static void degree_concat(rule *r) {
    const state *a = r->in[0], *b = r->in[1];
    int cut = right(r->of[0], r->x->par.axis.axis);
    r->s = *a;
    merge(r, b);
    r->s.pure = a->pure && b->pure;
    for (int i = 0; i < r->axes; i++) {
        where p = a->pos[i], q = b->pos[i];
        if (q.kind == EVENT && q.at == cut) q = some(); // shifted
        r->s.pos[i] = p.kind == FREE ? q : q.kind == FREE ? p : either(p, q);
    }
}

static void degree_take(rule *r) {
    int first = r->of[0]->shape.rank - 1;
    r->s = *r->in[0];
    if (r->in[1]->depends) {
        merge(r, r->in[1]);
        r->s.rows = false;
        unknown(r);
        return;
    }
    if (r->x->in[0].i == r->v.i) r->s.rows = true;
    for (int i = 0; i < r->axes; i++)
        if (r->s.pos[i].kind == EVENT && r->s.pos[i].at == first) r->s.pos[i] = some();
}

static void degree_put(rule *r) {
    int inner = r->of[1]->shape.rank - r->of[0]->shape.rank; // event axes of a row
    r->s = *r->in[1];
    r->s.pure = false;
    if (r->in[0]->depends) {
        merge(r, r->in[0]);
        unknown(r);
        return;
    }
    for (int i = 0; i < r->axes; i++) {
        where p = r->s.pos[i];
        bool kept = p.kind == FREE || (p.kind == EVENT && p.at < inner) ||
                    (p.kind == LEAD && !(r->x->par.index.leads >> p.at & 1));
        if (!kept) r->s.pos[i] = many();
    }
}

static void mix_events(rule *r) { // numbers of a matrix meet, leading axes stay apart
    for (int i = 0; i < r->axes; i++)
        if (r->s.pos[i].kind == EVENT || r->s.pos[i].kind == SOME) r->s.pos[i] = many();
}
static void degree_dense(rule *r) {
    r->s = *r->in[0];
    mix_events(r);
    curve(r, true);
}
static void degree_dense2(rule *r) { // linear in the right side, column by column
    bool free_left = !r->in[0]->depends;
    r->s = *r->in[1];
    r->s.pure = false;
    for (int i = 0; free_left && i < r->axes; i++) {
        where p = r->s.pos[i];
        if (p.kind == SOME || (p.kind == EVENT && p.at != 0)) r->s.pos[i] = many();
    }
    if (free_left) return;
    merge(r, r->in[0]);
    mix_events(r);
    curve(r, true);
}

typedef void (*degree_fn)(rule *r);
static const degree_fn rules[NRG_OP_COUNT] = {
    NULL,
#define NRG_OP(name, arity, params, shape, vjp, degree, domain, doc) degree_##degree,
#include "graph/ops.def"
};

static state of_v(const rule *r) {
    state s = constant;
    s.degree = 1;
    s.depends = s.pure = true;
    s.rows = false;
    for (int i = 0; i < r->axes; i++) s.pos[i] = (where){EVENT, r->axes - 1 - i};
    return s;
}

// A slice of one entry may be broadcast later, so it is not aligned with v any more.
static void unalign(rule *r) {
    const nrg_shape *v = &nrg_graph_node(r->g, r->v)->shape, *x = &r->x->shape;
    for (int i = 0; i < r->axes; i++) {
        where *p = &r->s.pos[i];
        if (p->kind == EVENT && v->dim[i] != 1 && x->dim[x->rank - 1 - p->at] == 1) *p = some();
    }
}

static void walk(rule *r, state *all) {
    for (uint32_t i = 1; i <= r->y.i; i++) {
        r->x = nrg_graph_node(r->g, (nrg_node){i});
        bool depends = false;
        for (int k = 0; k < 3; k++) {
            r->in[k] = r->x->in[k].i ? &all[r->x->in[k].i] : NULL;
            r->of[k] = nrg_graph_node(r->g, r->x->in[k]);
            depends = depends || (r->in[k] && r->in[k]->depends);
        }
        r->s = constant;
        if (i == r->v.i)
            r->s = of_v(r);
        else if (depends)
            rules[r->x->op](r), unalign(r);
        if (depends && r->x->op != NRG_OP_take && i != r->v.i)
            for (int k = 0; k < 3; k++) // v itself read other than by its rows
                if (r->x->in[k].i == r->v.i) r->s.rows = false;
        all[i] = r->s;
    }
}

static state *states(const nrg_graph *g, nrg_node y, nrg_node v, nrg_arena *scratch) {
    rule r = {.g = g, .v = v, .y = y, .axes = nrg_graph_node(g, v)->shape.rank};
    state *all = NRG_NEWS(scratch, state, y.i + 1);
    if (all) walk(&r, all);
    return all;
}

nrg_status nrg_attr_of(const nrg_graph *g, nrg_node y, nrg_node v, nrg_attr *out) {
    *out = (nrg_attr){.degree = 3};
    if (!y.i || y.i > nrg_graph_size(g) || !v.i || v.i > nrg_graph_size(g)) {
        TRY(nrg_graph_check(g)); // why a node is bad, for instance refused memory
        return nrg_fail(g->ctx, NRG_E099, NRG_NOWHERE,
                        "attributes of a bad node, or with respect to one");
    }
    nrg_arena scratch = nrg_arena_make(g->ctx);
    state *all = states(g, y, v, &scratch);
    if (all) {
        const state *s = &all[y.i];
        const nrg_shape *shape = &nrg_graph_node(g, v)->shape;
        out->degree = s->degree;
        out->smooth = s->smooth;
        out->log_affine = s->log_affine;
        for (int i = 0; i < shape->rank; i++)
            if (s->separable[i] || shape->dim[i] <= 1) out->separable |= 1u << i;
        out->picked = s->depends && s->rows && shape->rank > 0 && (out->separable & 1u);
    }
    nrg_arena_free(&scratch);
    return all ? NRG_OK : NRG_E098;
}

bool nrg_depends(const nrg_graph *g, nrg_node y, nrg_node v) {
    if (!y.i || y.i > nrg_graph_size(g) || v.i > y.i || !v.i) return false;
    nrg_arena scratch = nrg_arena_make(g->ctx);
    bool *d = NRG_NEWS(&scratch, bool, y.i + 1),
         answer = true; // without memory: claim nothing, it may depend
    if (d) {
        d[v.i] = true;
        for (uint32_t i = v.i + 1; i <= y.i; i++)
            for (int k = 0; k < 3; k++) d[i] = d[i] || d[nrg_graph_node(g, (nrg_node){i})->in[k].i];
        answer = d[y.i];
    }
    nrg_arena_free(&scratch);
    return answer;
}
