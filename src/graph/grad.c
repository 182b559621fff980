// Reverse mode over the rows of the table. A rule vjp_<word> gets the adjoint of a node, which has the node's leads and
// shape, and adds to the adjoints of its inputs. It emits table ops only, so it can be differentiated again.
#include "graph/inside.h"
#include <string.h>

typedef struct {
    nrg_graph *g;
    nrg_node *adj; // adjoint of each node, bad: none yet
    bool *needs;   // does a gradient flow through the node?
    nrg_node y, d; // the node at hand and its adjoint
    nrg_node a, b, c;
    nrg_node_info x; // of y
    uint32_t n;      // nodes when the pass began
} pass;

static bool needs(const pass *p, nrg_node n) { return n.i && n.i < p->n && p->needs[n.i]; }

// x = f * rest, where rest may have two factors.
static bool has_factor(const pass *p, nrg_node x, nrg_node f, nrg_node rest[2]) {
    const nrg_node_info *v = nrg_graph_node(p->g, x);
    rest[1] = NRG_BAD;
    for (int i = 0; v->op == NRG_OP_mul && i < 2; i++) {
        const nrg_node_info *u = nrg_graph_node(p->g, v->in[i]);
        rest[0] = v->in[!i];
        if (v->in[i].i == f.i) return true;
        for (int k = 0; u->op == NRG_OP_mul && k < 2; k++)
            if (u->in[k].i == f.i) return rest[1] = u->in[!k], true;
    }
    return false;
}

static nrg_node product(const pass *p, const nrg_node f[2]) { return f[1].i ? nrg_mul(p->g, f[0], f[1]) : f[0]; }

// a + b. Where both are f times something, the slopes are added before f is there: of x * sigmoid(x), say, going forth, so that only
// their sum is kept for the way back.
static nrg_node together(const pass *p, nrg_node a, nrg_node b) {
    nrg_node_info v = *nrg_graph_node(p->g, a);
    for (int i = 0; v.op == NRG_OP_mul && i < 2; i++) {
        const nrg_node_info *f = nrg_graph_node(p->g, v.in[i]);
        nrg_node rest[2];
        if (v.in[i].i < p->n || f->leads != v.leads || !nrg_shape_same(&f->shape, &v.shape)) continue;
        if (has_factor(p, b, v.in[i], rest)) return nrg_mul(p->g, v.in[i], nrg_add(p->g, v.in[!i], product(p, rest)));
    }
    return nrg_add(p->g, a, b);
}

// Adds d to the adjoint of input n, summed or expanded to exactly the leads and shape of n.
static void give(pass *p, nrg_node n, nrg_node d) {
    if (!needs(p, n)) return;
    nrg_leads leads = nrg_graph_node(p->g, n)->leads;
    nrg_shape s = nrg_graph_node(p->g, n)->shape;
    d = nrg_fit(p->g, d, leads, &s);
    p->adj[n.i] = p->adj[n.i].i ? together(p, p->adj[n.i], d) : d;
}

static nrg_leads leads_of(const pass *p, nrg_node n) { return nrg_graph_node(p->g, n)->leads; }
static nrg_shape shape_of(const pass *p, nrg_node n) { return nrg_graph_node(p->g, n)->shape; }
static nrg_node num(const pass *p, double v) { return nrg_const(p->g, v); }

// ---- elementwise

static void vjp_zero(pass *p) { (void)p; }
static void vjp_neg(pass *p) { give(p, p->a, nrg_neg(p->g, p->d)); }
static void vjp_abs(pass *p) { give(p, p->a, nrg_mul(p->g, p->d, nrg_sign(p->g, p->a))); }
static void vjp_exp(pass *p) { give(p, p->a, nrg_mul(p->g, p->d, p->y)); }
static void vjp_log(pass *p) { give(p, p->a, nrg_div(p->g, p->d, p->a)); }
static void vjp_sqrt(pass *p) {
    give(p, p->a, nrg_div(p->g, nrg_mul(p->g, p->d, num(p, 0.5)), p->y));
}
static void vjp_square(pass *p) {
    give(p, p->a, nrg_mul(p->g, p->d, nrg_mul(p->g, num(p, 2), p->a)));
}
static void vjp_recip(pass *p) {
    give(p, p->a, nrg_neg(p->g, nrg_mul(p->g, p->d, nrg_square(p->g, p->y))));
}
static void vjp_tanh(pass *p) {
    give(p, p->a, nrg_mul(p->g, p->d, nrg_sub(p->g, num(p, 1), nrg_square(p->g, p->y))));
}
static void vjp_sigmoid(pass *p) {
    give(p, p->a, nrg_mul(p->g, p->d, nrg_mul(p->g, p->y, nrg_sub(p->g, num(p, 1), p->y))));
}
static void vjp_softplus(pass *p) { give(p, p->a, nrg_mul(p->g, p->d, nrg_sigmoid(p->g, p->a))); }
static void vjp_relu(pass *p) { give(p, p->a, nrg_mul(p->g, p->d, nrg_step(p->g, p->a))); }
static void vjp_sin(pass *p) { give(p, p->a, nrg_mul(p->g, p->d, nrg_cos(p->g, p->a))); }
static void vjp_cos(pass *p) {
    give(p, p->a, nrg_neg(p->g, nrg_mul(p->g, p->d, nrg_sin(p->g, p->a))));
}

static void vjp_add(pass *p) { give(p, p->a, p->d), give(p, p->b, p->d); }
static void vjp_sub(pass *p) {
    give(p, p->a, p->d);
    if (needs(p, p->b)) give(p, p->b, nrg_neg(p->g, p->d));
}
// x sigmoid(x): both ways to x together take fewer operations, none of which waits for d but the last.
static bool swish(pass *p, nrg_node x, nrg_node s) {
    const nrg_node_info *v = nrg_graph_node(p->g, s);
    if (v->op != NRG_OP_sigmoid || v->in[0].i != x.i) return false;
    nrg_node slope = nrg_add(p->g, s, nrg_mul(p->g, p->y, nrg_sub(p->g, num(p, 1), s)));
    give(p, x, nrg_mul(p->g, p->d, slope));
    return true;
}
static void vjp_mul(pass *p) {
    if (swish(p, p->a, p->b) || swish(p, p->b, p->a)) return;
    if (needs(p, p->a)) give(p, p->a, nrg_mul(p->g, p->d, p->b));
    if (needs(p, p->b)) give(p, p->b, nrg_mul(p->g, p->d, p->a));
}
static void vjp_div(pass *p) {
    nrg_node q = nrg_div(p->g, p->d, p->b);
    if (needs(p, p->a)) give(p, p->a, q);
    if (needs(p, p->b)) give(p, p->b, nrg_neg(p->g, nrg_mul(p->g, q, p->y)));
}
static void vjp_pow(pass *p) {
    if (needs(p, p->a)) {
        nrg_node less = nrg_pow(p->g, p->a, nrg_sub(p->g, p->b, num(p, 1)));
        give(p, p->a, nrg_mul(p->g, p->d, nrg_mul(p->g, p->b, less)));
    }
    if (needs(p, p->b))
        give(p, p->b, nrg_mul(p->g, p->d, nrg_mul(p->g, p->y, nrg_log(p->g, p->a))));
}

// where: 1 where the result is a.
static void share(pass *p, nrg_node where, nrg_node a, nrg_node b) {
    if (needs(p, a)) give(p, a, nrg_select(p->g, where, p->d, num(p, 0)));
    if (needs(p, b)) give(p, b, nrg_select(p->g, where, num(p, 0), p->d));
}
static void vjp_max(pass *p) { share(p, nrg_le(p->g, p->b, p->a), p->a, p->b); }
static void vjp_min(pass *p) { share(p, nrg_le(p->g, p->a, p->b), p->a, p->b); }
static void vjp_select(pass *p) { share(p, p->a, p->b, p->c); }

// ---- reductions

// A result of the reduction, repeated over what was reduced.
static nrg_node spread(pass *p, nrg_node r) {
    nrg_shape s = shape_of(p, p->a), kept = s;
    for (int i = 0; i < s.rank; i++)
        if (p->x.par.reduce.axes >> i & 1) kept.dim[i] = 1;
    return nrg_expand(p->g, nrg_reshape(p->g, r, kept), s, leads_of(p, p->a));
}

static void vjp_sum(pass *p) { give(p, p->a, spread(p, p->d)); }

// Product of the others. Entries that are zero are counted, so that one zero alone still gets its gradient.
static void vjp_prod(pass *p) {
    nrg_graph *g = p->g;
    uint32_t axes = p->x.par.reduce.axes;
    nrg_leads leads = p->x.par.reduce.leads;
    nrg_node zero = nrg_eq(g, p->a, num(p, 0)), safe = nrg_select(g, zero, num(p, 1), p->a);
    nrg_node zeros = spread(p, nrg_reduce(g, NRG_OP_sum, zero, axes, leads, false));
    nrg_node rest = spread(p, nrg_reduce(g, NRG_OP_prod, safe, axes, leads, false));
    nrg_node others = nrg_sub(g, zeros, zero); // zeros among the others
    nrg_node d = nrg_select(g, nrg_eq(g, others, num(p, 0)), nrg_div(g, rest, safe), num(p, 0));
    give(p, p->a, nrg_mul(g, spread(p, p->d), d));
}

// Row-major position of each entry over the reduced axes, leading axes first.
static nrg_node positions(pass *p) {
    nrg_shape s = shape_of(p, p->a);
    nrg_node at = num(p, 0);
    int64_t times = 1;
    for (int i = s.rank - 1; i >= 0; i--) {
        nrg_shape one = nrg_shape_of(s.rank, (int64_t[NRG_MAX_RANK]){1, 1, 1, 1, 1, 1, 1, 1});
        if (!(p->x.par.reduce.axes >> i & 1)) continue;
        one.dim[i] = s.dim[i];
        nrg_node steps = nrg_reshape(p->g, nrg_iota(p->g, s.dim[i]), one);
        at = nrg_add(p->g, at, nrg_mul(p->g, steps, num(p, (double)times)));
        times *= s.dim[i];
    }
    for (int i = NRG_MAX_LEADS - 1; i >= 0; i--) {
        nrg_leads lead = (nrg_leads)1 << i;
        if (!(p->x.par.reduce.leads & lead)) continue;
        at = nrg_add(p->g, at, nrg_mul(p->g, nrg_iota_lead(p->g, lead), num(p, (double)times)));
        if (i > 0) times *= nrg_lead_extent(p->g, lead);
    }
    return at;
}

static void vjp_rmax(pass *p) {
    nrg_op arg = p->x.op == NRG_OP_rmax ? NRG_OP_argmax : NRG_OP_argmin;
    nrg_node first =
        nrg_reduce(p->g, arg, p->a, p->x.par.reduce.axes, p->x.par.reduce.leads, false);
    nrg_node wins = nrg_eq(p->g, positions(p), spread(p, first));
    give(p, p->a, nrg_select(p->g, wins, spread(p, p->d), num(p, 0)));
}

static void vjp_lse(pass *p) {
    nrg_node share_of = nrg_exp(p->g, nrg_sub(p->g, p->a, spread(p, p->y)));
    give(p, p->a, nrg_mul(p->g, spread(p, p->d), share_of));
}

// ---- movement

static void vjp_reshape(pass *p) { give(p, p->a, nrg_reshape(p->g, p->d, shape_of(p, p->a))); }
static void vjp_expand(pass *p) { give(p, p->a, p->d); }

static void vjp_permute(pass *p) {
    int32_t back[NRG_MAX_RANK] = {0};
    for (int i = 0; i < p->x.shape.rank; i++) back[p->x.par.perm.order[i]] = i;
    give(p, p->a, nrg_permute(p->g, p->d, back));
}

// With a step, zeros go between the entries: [pre, n, post] -> [pre, n, step, post] -> [pre, n * step, post].
static void vjp_slice(pass *p) {
    int axis = p->x.par.slice.axis;
    nrg_shape s = shape_of(p, p->a), t = p->x.shape;
    int64_t n = t.dim[axis], step = p->x.par.slice.step, start = p->x.par.slice.start,
            size = s.dim[axis];
    nrg_node d = p->d;
    if (step > 1 && n > 0) {
        int64_t pre = 1, post = 1, reach = (n - 1) * step + 1;
        for (int i = 0; i < t.rank; i++) *(i < axis ? &pre : &post) *= i == axis ? 1 : t.dim[i];
        d = nrg_reshape(p->g, d, nrg_shape_of(4, (int64_t[]){pre, n, 1, post}));
        d = nrg_reshape(p->g, nrg_pad(p->g, d, 2, 0, step - 1),
                        nrg_shape_of(3, (int64_t[]){pre, n * step, post}));
        t.dim[axis] = reach;
        d = nrg_reshape(p->g, nrg_slice(p->g, d, 1, 0, reach, 1), t);
        n = reach;
    }
    give(p, p->a, nrg_pad(p->g, d, axis, start, size - start - n));
}

static void vjp_pad(pass *p) {
    int axis = p->x.par.pad.axis;
    give(p, p->a, nrg_slice(p->g, p->d, axis, p->x.par.pad.before, shape_of(p, p->a).dim[axis], 1));
}

static void vjp_concat(pass *p) {
    int axis = p->x.par.axis.axis;
    int64_t n = shape_of(p, p->a).dim[axis], m = shape_of(p, p->b).dim[axis];
    if (needs(p, p->a)) give(p, p->a, nrg_slice(p->g, p->d, axis, 0, n, 1));
    if (needs(p, p->b)) give(p, p->b, nrg_slice(p->g, p->d, axis, n, m, 1));
}

static void vjp_lift(pass *p) {
    give(p, p->a, nrg_lower(p->g, p->d, p->x.par.lift.lead, p->x.par.lift.axis));
}
static void vjp_lower(pass *p) {
    give(p, p->a, nrg_lift(p->g, p->d, p->x.par.lift.axis, p->x.par.lift.lead));
}

// ---- indexing

static void vjp_take(pass *p) {
    if (!needs(p, p->a)) return;
    nrg_leads extra = p->x.leads & ~leads_of(p, p->a);
    give(p, p->a, nrg_put(p->g, p->b, p->d, shape_of(p, p->a).dim[0], extra));
}

// Rows outside 0..n-1 were left out, so their gradient is 0.
static void vjp_put(pass *p) {
    if (!needs(p, p->b)) return;
    nrg_graph *g = p->g;
    nrg_shape s = shape_of(p, p->a);
    int64_t n = p->x.par.index.n;
    nrg_node row = nrg_floor(g, nrg_add(g, p->a, num(p, 0.5)));
    nrg_node in = nrg_mul(g, nrg_le(g, num(p, 0), row), nrg_lt(g, row, num(p, (double)n)));
    double same;
    nrg_node rows = nrg_is_const(g, p->d, &same) ? num(p, same)
                                                 : nrg_take(g, p->d, nrg_max(g, nrg_min(g, row, num(p, (double)n - 1)), num(p, 0)));
    for (int k = shape_of(p, p->b).rank - s.rank; k > 0 && s.rank < NRG_MAX_RANK; k--)
        s.dim[s.rank++] = 1;
    give(p, p->b, nrg_select(g, nrg_reshape(g, in, s), rows, num(p, 0)));
}

// ---- linear algebra: every sum over leading axes happens inside the product

static nrg_leads extra(pass *p, nrg_node other, nrg_node to) {
    return (p->x.leads | leads_of(p, other)) & ~leads_of(p, to);
}

static void vjp_matmul(pass *p) {
    bool ta = p->x.par.matmul.ta, tb = p->x.par.matmul.tb;
    nrg_leads la = extra(p, p->b, p->a), lb = extra(p, p->a, p->b);
    if (needs(p, p->a))
        give(p, p->a,
             ta ? nrg_matmul(p->g, p->b, p->d, tb, true, la)
                : nrg_matmul(p->g, p->d, p->b, false, !tb, la));
    if (needs(p, p->b))
        give(p, p->b,
             tb ? nrg_matmul(p->g, p->d, p->a, true, ta, lb)
                : nrg_matmul(p->g, p->a, p->d, !ta, false, lb));
}

static nrg_node back_image(pass *p, nrg_node dy, nrg_node filters, nrg_node image) {
    nrg_shape s = shape_of(p, image);
    return nrg_convx(p->g, dy, filters, p->x.par.conv.stride, p->x.par.conv.pad_h,
                     p->x.par.conv.pad_w, s.dim[1], s.dim[2]);
}

static nrg_node back_filters(pass *p, nrg_node image, nrg_node dy, nrg_node filters) {
    nrg_shape s = shape_of(p, filters);
    nrg_leads sum = (leads_of(p, image) | leads_of(p, dy)) & ~leads_of(p, filters);
    return nrg_convw(p->g, image, dy, p->x.par.conv.stride, p->x.par.conv.pad_h,
                     p->x.par.conv.pad_w, s.dim[2], s.dim[3], sum);
}

static nrg_node forward(pass *p, nrg_node image, nrg_node filters) {
    return nrg_conv(p->g, image, filters, p->x.par.conv.stride, p->x.par.conv.pad_h,
                    p->x.par.conv.pad_w);
}

static void vjp_conv(pass *p) {
    if (needs(p, p->a)) give(p, p->a, back_image(p, p->d, p->b, p->a));
    if (needs(p, p->b)) give(p, p->b, back_filters(p, p->a, p->d, p->b));
}
static void vjp_convx(pass *p) { // a: dy, b: filters, d: as the image
    if (needs(p, p->a)) give(p, p->a, forward(p, p->d, p->b));
    if (needs(p, p->b)) give(p, p->b, back_filters(p, p->d, p->a, p->b));
}
static void vjp_convw(pass *p) { // a: image, b: dy, d: as the filters
    if (needs(p, p->a)) give(p, p->a, back_image(p, p->b, p->d, p->a));
    if (needs(p, p->b)) give(p, p->b, forward(p, p->a, p->d));
}

// [n, n] with 1 below the diagonal, `on` on it and 0 above.
static nrg_node lower_mask(pass *p, int64_t n, double on) {
    nrg_node k = nrg_iota(p->g, n), row = nrg_reshape(p->g, k, nrg_shape_of(2, (int64_t[]){n, 1}));
    return nrg_add(p->g, nrg_lt(p->g, k, row), nrg_mul(p->g, nrg_eq(p->g, k, row), num(p, on)));
}

// chol reads the lower triangle. With P = half-lower(L' dL) and S = inv(L)' P inv(L): dA = half-lower(S + S').
// Iain Murray, Differentiation of the Cholesky decomposition, 2016, equation 9 (unblocked form).
static void vjp_chol(pass *p) {
    nrg_graph *g = p->g;
    nrg_node half = lower_mask(p, p->x.shape.dim[0], 0.5);
    nrg_node P = nrg_mul(g, nrg_matmul(g, p->y, p->d, true, false, 0), half);
    nrg_node left = nrg_trisolve(g, p->y, P, true);
    nrg_node S = nrg_trisolve(g, p->y, nrg_transpose(g, left),
                              true); // transposed, which S + S' does not see
    give(p, p->a, nrg_mul(g, nrg_add(g, S, nrg_transpose(g, S)), half));
}

static void vjp_trisolve(pass *p) {
    nrg_graph *g = p->g;
    bool t = p->x.par.tri.transpose;
    nrg_node db = nrg_trisolve(g, p->a, p->d, !t);
    give(p, p->b, db);
    if (!needs(p, p->a)) return;
    nrg_leads sum = p->x.leads & ~leads_of(p, p->a);
    nrg_node dl =
        t ? nrg_matmul(g, p->y, db, false, true, sum) : nrg_matmul(g, db, p->y, false, true, sum);
    give(p, p->a, nrg_neg(g, nrg_mul(g, dl, lower_mask(p, shape_of(p, p->a).dim[0], 1))));
}

static void vjp_inv(pass *p) {
    nrg_node right = nrg_matmul(p->g, p->d, p->y, false, true, 0);
    give(p, p->a, nrg_neg(p->g, nrg_matmul(p->g, p->y, right, true, false, 0)));
}

static void vjp_logdet(pass *p) {
    nrg_node one = nrg_reshape(p->g, p->d, nrg_shape_of(2, (int64_t[]){1, 1}));
    give(p, p->a, nrg_mul(p->g, one, nrg_transpose(p->g, nrg_inv(p->g, p->a))));
}

typedef void (*vjp_fn)(pass *p);
static const vjp_fn rules[NRG_OP_COUNT] = {
    vjp_zero,
#define NRG_OP(name, arity, params, shape, vjp, degree, domain, doc) vjp_##vjp,
#include "graph/ops.def"
};

// A gradient flows through a node when one of `wrt` is below it and no row on the way has derivative zero.
static void mark(pass *p, const nrg_node *wrt, int n) {
    for (int i = 0; i < n; i++)
        if (wrt[i].i < p->n) p->needs[wrt[i].i] = true;
    for (uint32_t i = 1; i < p->n; i++) {
        const nrg_node_info *x = nrg_graph_node(p->g, (nrg_node){i});
        if (rules[x->op] == vjp_zero) continue;
        for (int k = 0; k < 3; k++) p->needs[i] = p->needs[i] || needs(p, x->in[k]);
    }
}

static void sweep(pass *p) {
    nrg_span before = p->g->span;
    for (uint32_t i = p->n - 1; i > 0; i--) {
        if (!p->adj[i].i) continue;
        p->y.i = i;
        p->d = p->adj[i];
        p->x = *nrg_graph_node(p->g, p->y);
        p->a = p->x.in[0], p->b = p->x.in[1], p->c = p->x.in[2];
        p->g->span = p->x.span; // a gradient belongs to the place of what it differentiates
        rules[p->x.op](p);
    }
    p->g->span = before;
}

nrg_status nrg_grad(nrg_graph *g, nrg_node y, nrg_node seed, const nrg_node *wrt, int n,
                    nrg_node *gradients) {
    for (int i = 0; i < n; i++) gradients[i] = NRG_BAD;
    bool fair = y.i && y.i <= nrg_graph_size(g);
    for (int i = 0; i < n; i++) fair = fair && wrt[i].i && wrt[i].i <= nrg_graph_size(g);
    if (!fair) nrg_graph_bad(g, NRG_E099, "the gradient of a bad node, or with respect to one");
    if (!fair || g->cause != NRG_OK) return nrg_graph_cause(g);
    pass p = {.g = g, .n = y.i + 1};
    nrg_arena scratch = nrg_arena_make(g->ctx);
    p.adj = NRG_NEWS(&scratch, nrg_node, p.n);
    p.needs = NRG_NEWS(&scratch, bool, p.n);
    if (!p.adj || !p.needs) {
        nrg_arena_free(&scratch);
        return NRG_E098;
    }
    mark(&p, wrt, n);
    give(&p, y, seed.i ? seed : nrg_const(g, 1));
    sweep(&p);
    for (int i = 0; i < n; i++) {
        nrg_leads leads = nrg_graph_node(g, wrt[i])->leads;
        nrg_shape s = nrg_graph_node(g, wrt[i])->shape;
        bool found = wrt[i].i < p.n && p.adj[wrt[i].i].i;
        gradients[i] = found ? p.adj[wrt[i].i] : nrg_full(g, 0, leads, &s);
    }
    nrg_arena_free(&scratch);
    return nrg_graph_cause(g);
}
