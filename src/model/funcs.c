// Functions of each number, and functions that reduce axes. The tables functions.def and rows.c lead here.
#include "model/inside.h"

#include <math.h>
#include <string.h>

// ---- of each number

typedef nrg_node (*unary)(nrg_graph *g, nrg_node a);

static nrg_status of_each(nrg_call *c, nrg_value *out, unary f) {
    nrg_value x;
    TRY(nrg_call_input(c, 0, &x));
    *out = nrg_value_real(x.type, f(c->s->g, x.node));
    return NRG_OK;
}

static nrg_node swish(nrg_graph *g, nrg_node x) {
    return nrg_mul(g, x, nrg_sigmoid(g, x));
}

static nrg_node gelu(nrg_graph *g, nrg_node x) {
    nrg_node cube = nrg_mul(g, nrg_square(g, x), x);
    nrg_node in = nrg_add(g, x, nrg_mul(g, nrg_const(g, 0.044715), cube));
    nrg_node t = nrg_tanh(g, nrg_mul(g, nrg_const(g, sqrt(2 / 3.14159265358979323846)), in));
    return nrg_mul(g, nrg_mul(g, nrg_const(g, 0.5), x), nrg_add(g, nrg_const(g, 1), t));
}

static nrg_node elu(nrg_graph *g, nrg_node x) {
    nrg_node zero = nrg_const(g, 0), low = nrg_exp(g, nrg_min(g, x, zero));
    return nrg_select(g, nrg_lt(g, zero, x), x, nrg_sub(g, low, nrg_const(g, 1)));
}

#define OF_EACH(name, f)                                                                                               \
    CALLED(name) {                                                                                                     \
        return of_each(c, out, f);                                                                                     \
    }
OF_EACH(exp, nrg_exp)
OF_EACH(log, nrg_log)
OF_EACH(sqrt, nrg_sqrt)
OF_EACH(abs, nrg_abs)
OF_EACH(sign, nrg_sign)
OF_EACH(floor, nrg_floor)
OF_EACH(sin, nrg_sin)
OF_EACH(cos, nrg_cos)
OF_EACH(tanh, nrg_tanh)
OF_EACH(sigmoid, nrg_sigmoid)
OF_EACH(softplus, nrg_softplus)
OF_EACH(relu, nrg_relu)
OF_EACH(swish, swish)
OF_EACH(gelu, gelu)
OF_EACH(elu, elu)

CALLED(leaky) {
    nrg_graph *g = c->s->g;
    double slope;
    TRY(nrg_call_number(c, "slope", 0.01, &slope));
    TRY(nrg_call_input(c, 0, out));
    nrg_node low = nrg_mul(g, nrg_const(g, slope), nrg_relu(g, nrg_neg(g, out->node)));
    *out = nrg_value_real(out->type, nrg_sub(g, nrg_relu(g, out->node), low));
    return NRG_OK;
}

CALLED(stop) { // categories may be held too
    TRY(nrg_call_value(c, 0, out));
    out->node = nrg_stop(c->s->g, out->node);
    return NRG_OK;
}

static nrg_status two(nrg_call *c, nrg_value *a, nrg_value *b, nrg_type *t) {
    TRY(nrg_call_input(c, 0, a));
    TRY(nrg_call_input(c, 1, b));
    return nrg_value_align(c->s, c->at->span, c->row->name, a, b, t);
}

CALLED(clamp) {
    nrg_graph *g = c->s->g;
    nrg_value lo, hi, x;
    nrg_type t;
    TRY(nrg_call_input(c, 0, &x));
    TRY(nrg_call_input(c, 1, &lo));
    TRY(nrg_call_input(c, 2, &hi));
    TRY(nrg_value_align(c->s, c->at->span, "clamp", &x, &lo, &t));
    x = nrg_value_real(t, nrg_max(g, x.node, lo.node));
    TRY(nrg_value_align(c->s, c->at->span, "clamp", &x, &hi, &t));
    *out = nrg_value_real(t, nrg_min(g, x.node, hi.node));
    return NRG_OK;
}

// ---- to fewer axes

static uint32_t every(const nrg_type *t) {
    return (1u << t->rank) - 1;
}

// The axes that a reduction takes: `over`, or all.
static nrg_status over_or_all(nrg_call *c, const nrg_type *t, uint32_t *axes) {
    int axis;
    TRY(nrg_call_over(c, t, -1, &axis));
    *axes = axis < 0 ? every(t) : 1u << axis;
    return NRG_OK;
}

static nrg_status reduced(nrg_call *c, nrg_op op, nrg_value *x, nrg_value *out) {
    uint32_t axes;
    TRY(over_or_all(c, &x->type, &axes));
    *out = *x;
    return nrg_value_reduce(c->s, out, op, axes);
}

static nrg_status reduce_first(nrg_call *c, nrg_op op, nrg_value *out) {
    nrg_value x;
    TRY(nrg_call_input(c, 0, &x));
    return reduced(c, op, &x, out);
}

CALLED(sum) {
    return reduce_first(c, NRG_OP_sum, out);
}

CALLED(prod) {
    return reduce_first(c, NRG_OP_prod, out);
}

CALLED(mean) {
    nrg_scope *s = c->s;
    nrg_value x;
    uint32_t axes;
    TRY(nrg_call_input(c, 0, &x));
    TRY(over_or_all(c, &x.type, &axes));
    nrg_node n = nrg_const(s->g, 1);
    for (int i = 0; i < x.type.rank; i++) {
        if (!(axes >> i & 1)) continue;
        nrg_node k;
        int64_t size;
        if (x.type.axis[i].dim >= 0) {
            TRY(nrg_dim_length(s, x.type.axis[i].dim, &k));
        } else {
            TRY(nrg_size_known(s, c->at->span, &x.type.axis[i], &size));
            k = nrg_const(s->g, (double)size);
        }
        n = nrg_mul(s->g, n, k);
    }
    *out = x;
    TRY(nrg_value_reduce(s, out, NRG_OP_sum, axes));
    out->node = nrg_div(s->g, out->node, nrg_max(s->g, n, nrg_const(s->g, 1))); // the mean of nothing is 0
    return NRG_OK;
}

static nrg_status extreme(nrg_call *c, nrg_op op, nrg_node (*f)(nrg_graph *, nrg_node, nrg_node), nrg_value *out) {
    if (nrg_call_count(c) < 2) return reduce_first(c, op, out);
    nrg_value a, b;
    nrg_type t;
    TRY(two(c, &a, &b, &t));
    *out = nrg_value_real(t, f(c->s->g, a.node, b.node));
    return NRG_OK;
}

CALLED(max) {
    return extreme(c, NRG_OP_rmax, nrg_max, out);
}

CALLED(min) {
    return extreme(c, NRG_OP_rmin, nrg_min, out);
}

// Weights of a module or weight variable named by the argument: sum of f over them, biases left out.
static nrg_status of_weights(nrg_call *c, const char *owner, unary f, nrg_value *out) {
    nrg_scope *s = c->s;
    nrg_node total = nrg_const(s->g, 0);
    bool any = false;
    for (uint32_t i = 0; i < s->m->params.n; i++) {
        const nrg_param *p = &s->m->params.at[i];
        if (!nrg_same(p->owner, owner) || p->bias || p->fixed || p->average_of >= 0) continue;
        any = true;
        total = nrg_add(s->g, total, nrg_sum_all(s->g, f(s->g, nrg_scope_param(s, i))));
    }
    *out = (nrg_value){nrg_type_of(NRG_REAL, 0, NULL), total};
    if (any || s->check) return NRG_OK;
    nrg_status st = nrg_fail(s->c, NRG_E037, nrg_call_span(c, 0), "%s has no weights that are trained", owner);
    nrg_help(s->c, "is it used by the energy? a used model is trained where `optimize` names it");
    return st;
}

// Of a module, or of a used model that is trained on.
static bool module_name(const nrg_call *c, const char **name) {
    const nrg_expr *e = nrg_call_expr(c, 0);
    const nrg_model *m = c->s->m;
    bool found = e && e->kind == NRG_X_NAME && nrg_model_module(m, e->text) >= 0;
    for (uint32_t i = 0; e && e->kind == NRG_X_NAME && i < m->uses.n; i++) found = found || nrg_same(m->uses.at[i].name, e->text);
    if (found) *name = e->text;
    return found;
}

static nrg_status sum_of(nrg_call *c, unary f, nrg_value *out) {
    nrg_value x;
    TRY(nrg_call_input(c, 0, &x));
    x.node = nrg_value_masked(c->s, &x, every(&x.type), 0); // before f: what lies in the padding may overflow
    x.node = f(c->s->g, x.node);
    return reduced(c, NRG_OP_sum, &x, out);
}

CALLED(sq) {
    return sum_of(c, nrg_square, out);
}

CALLED(l1) {
    const char *m;
    return module_name(c, &m) ? of_weights(c, m, nrg_abs, out) : sum_of(c, nrg_abs, out);
}

CALLED(l2) {
    const char *m;
    return module_name(c, &m) ? of_weights(c, m, nrg_square, out) : sum_of(c, nrg_square, out);
}

// sqrt with gradient 0 at 0, so that two equal points are no trouble.
static nrg_node root(nrg_graph *g, nrg_node x) {
    nrg_node zero = nrg_const(g, 0), far = nrg_lt(g, zero, x);
    return nrg_select(g, far, nrg_sqrt(g, nrg_select(g, far, x, nrg_const(g, 1))), zero);
}

CALLED(norm) {
    TRY(sum_of(c, nrg_square, out));
    out->node = root(c->s->g, out->node);
    return NRG_OK;
}

CALLED(dot) {
    nrg_value a, b;
    nrg_type t;
    TRY(two(c, &a, &b, &t));
    a = nrg_value_real(t, nrg_mul(c->s->g, a.node, b.node));
    TRY(nrg_value_settle(c->s, &a));
    return reduced(c, NRG_OP_sum, &a, out);
}

// ---- along one axis, the last unless `over` says otherwise

static nrg_status along(nrg_call *c, nrg_value *x, int *axis) {
    TRY(nrg_call_input(c, 0, x));
    TRY(nrg_call_over(c, &x->type, x->type.rank - 1, axis));
    if (*axis >= 0) return NRG_OK;
    return nrg_fail(c->s->c, NRG_E037, nrg_call_span(c, 0), "%s needs a vector, but its input is one number",
                    c->row->name);
}

CALLED(logsumexp) {
    nrg_value x;
    int axis;
    TRY(along(c, &x, &axis));
    *out = x;
    return nrg_value_reduce(c->s, out, NRG_OP_lse, 1u << axis);
}

// Log of the sum of exponentials with its axis kept; finite where a sample has no place at all, so that no NaN is made.
static nrg_node normaliser(nrg_call *c, const nrg_value *x, int axis, nrg_node in) {
    nrg_graph *g = c->s->g;
    nrg_node z = nrg_reduce(g, NRG_OP_lse, in, 1u << axis, 0, true);
    return in.i == x->node.i ? z : nrg_max(g, z, nrg_const(g, -1e30));
}

CALLED(logsoftmax) {
    nrg_value x;
    int axis;
    TRY(along(c, &x, &axis));
    nrg_node in = nrg_value_masked(c->s, &x, 1u << axis, -INFINITY);
    *out = nrg_value_real(x.type, nrg_sub(c->s->g, x.node, normaliser(c, &x, axis, in)));
    return NRG_OK;
}

CALLED(softmax) {
    nrg_value x;
    int axis;
    TRY(along(c, &x, &axis));
    nrg_graph *g = c->s->g;
    nrg_node in = nrg_value_masked(c->s, &x, 1u << axis, -INFINITY);
    *out = nrg_value_real(x.type, nrg_exp(g, nrg_sub(g, in, normaliser(c, &x, axis, in))));
    return NRG_OK;
}

static nrg_node over_length(nrg_graph *g, nrg_node x, uint32_t axes, nrg_node masked) {
    nrg_node n = root(g, nrg_reduce(g, NRG_OP_sum, nrg_square(g, masked), axes, 0, true));
    return nrg_div(g, x, nrg_max(g, n, nrg_const(g, 1e-12)));
}

CALLED(unit) {
    nrg_value x;
    int axis;
    TRY(along(c, &x, &axis));
    nrg_node in = nrg_value_masked(c->s, &x, 1u << axis, 0);
    *out = nrg_value_real(x.type, over_length(c->s->g, x.node, 1u << axis, in));
    return NRG_OK;
}

CALLED(softmin) {
    nrg_graph *g = c->s->g;
    int n = nrg_call_count(c), axis;
    nrg_value x;
    if (n == 1) {
        TRY(along(c, &x, &axis));
        *out = nrg_value_real(x.type, nrg_neg(g, x.node));
        TRY(nrg_value_reduce(c->s, out, NRG_OP_lse, 1u << axis));
        out->node = nrg_neg(g, out->node);
        return NRG_OK;
    }
    TRY(nrg_call_input(c, 0, out));
    for (int k = 1; k < n; k++) { // log(e^-a + e^-b) = max(-a, -b) + log(1 + e^-|a - b|)
        nrg_type t;
        TRY(nrg_call_input(c, k, &x));
        TRY(nrg_value_align(c->s, c->at->span, "softmin", out, &x, &t));
        nrg_node gap = nrg_abs(g, nrg_sub(g, out->node, x.node));
        nrg_node low = nrg_min(g, out->node, x.node);
        *out = nrg_value_real(t, nrg_sub(g, low, nrg_softplus(g, nrg_neg(g, gap))));
        TRY(nrg_value_settle(c->s, out));
    }
    return NRG_OK;
}

CALLED(len) {
    const nrg_expr *e = nrg_call_expr(c, 0);
    int32_t dim = e && e->kind == NRG_X_NAME ? nrg_model_dim(c->s->m, e->text) : -1;
    nrg_value x = {.type = {.rank = 1}};
    if (dim < 0) {
        TRY(nrg_call_value(c, 0, &x));
        if (!x.type.rank) return nrg_fail(c->s->c, NRG_E037, nrg_call_span(c, 0), "len needs a dim or an array");
        dim = x.type.axis[0].dim;
    }
    out->type = nrg_type_of(NRG_REAL, 0, NULL);
    if (dim >= 0) return nrg_dim_length(c->s, dim, &out->node);
    int64_t n;
    TRY(nrg_size_known(c->s, c->at->span, &x.type.axis[0], &n));
    out->node = nrg_const(c->s->g, (double)n);
    return NRG_OK;
}

// ---- probabilities and constraints

CALLED(bce) {
    nrg_graph *g = c->s->g;
    nrg_value y, p;
    nrg_type t;
    TRY(nrg_call_input(c, 0, &y));
    TRY(nrg_call_input(c, 1, &p));
    const nrg_node_info *i = nrg_graph_node(g, p.node);
    bool logit = i->op == NRG_OP_sigmoid;
    if (logit) p.node = i->in[0]; // softplus(a) - y a: no logarithm of a rounded probability
    TRY(nrg_value_align(c->s, c->at->span, "bce", &y, &p, &t));
    nrg_node one = nrg_const(g, 1), e;
    if (logit) {
        e = nrg_sub(g, nrg_softplus(g, p.node), nrg_mul(g, y.node, p.node));
    } else {
        nrg_node q = nrg_min(g, nrg_max(g, p.node, nrg_const(g, 1e-7)), nrg_const(g, 1 - 1e-7));
        nrg_node no = nrg_mul(g, nrg_sub(g, one, y.node), nrg_log(g, nrg_sub(g, one, q)));
        e = nrg_neg(g, nrg_add(g, nrg_mul(g, y.node, nrg_log(g, q)), no));
    }
    *out = nrg_value_real(t, e);
    TRY(nrg_value_settle(c->s, out));
    return nrg_value_reduce(c->s, out, NRG_OP_sum, every(&t));
}

CALLED(gauss) {
    nrg_graph *g = c->s->g;
    nrg_value x, mean, sd = nrg_value_number(c->s, 1);
    nrg_type t;
    TRY(nrg_call_input(c, 0, &x));
    TRY(nrg_call_input(c, 1, &mean));
    if (nrg_call_count(c) > 2) TRY(nrg_call_input(c, 2, &sd));
    TRY(nrg_value_align(c->s, c->at->span, "gauss", &x, &mean, &t));
    nrg_value d = nrg_value_real(t, nrg_sub(g, x.node, mean.node));
    TRY(nrg_value_settle(c->s, &d));
    TRY(nrg_value_align(c->s, c->at->span, "gauss", &d, &sd, &t));
    nrg_node half = nrg_mul(g, nrg_const(g, 0.5), nrg_square(g, nrg_div(g, d.node, sd.node)));
    nrg_node norm = nrg_add(g, nrg_log(g, sd.node), nrg_const(g, 0.91893853320467274178)); // log sqrt(2 pi)
    *out = nrg_value_real(t, nrg_add(g, half, norm));
    TRY(nrg_value_settle(c->s, out));
    return nrg_value_reduce(c->s, out, NRG_OP_sum, every(&t));
}

static nrg_status data_value(nrg_call *c, nrg_value *out) {
    nrg_scope *s = c->s;
    const nrg_expr *e = nrg_call_expr(c, 0);
    const char *name = e && e->kind == NRG_X_NAME ? nrg_arena_print(&s->arena, "data:%s", e->text) : NULL;
    for (uint32_t k = s->names.n; name && k-- > 0;)
        if (nrg_same(s->names.at[k].name, name)) return *out = s->names.at[k].v, NRG_OK;
    if (s->check && e) return nrg_value_of(s, e, out);
    return nrg_fail(s->c, NRG_E037, c->at->span,
                    "hamming of one variable compares with its data, and there are none here; give two inputs");
}

CALLED(hamming) {
    nrg_graph *g = c->s->g;
    nrg_value a, b;
    nrg_type t;
    TRY(nrg_call_value(c, 0, &a));
    TRY(nrg_call_count(c) > 1 ? nrg_call_value(c, 1, &b) : data_value(c, &b));
    if (a.type.elem == NRG_CATEGORY && b.type.elem == NRG_CATEGORY && a.type.dim != b.type.dim)
        return nrg_fail(c->s->c, NRG_E032, c->at->span, "hamming compares %s with %s", nrg_type_text(c->s, &a.type),
                        nrg_type_text(c->s, &b.type));
    TRY(nrg_value_align(c->s, c->at->span, "hamming", &a, &b, &t));
    *out = nrg_value_real(t, nrg_sub(g, nrg_const(g, 1), nrg_eq(g, a.node, b.node)));
    TRY(nrg_value_settle(c->s, out));
    return nrg_value_reduce(c->s, out, NRG_OP_sum, every(&t));
}

CALLED(forbid) {
    nrg_graph *g = c->s->g;
    nrg_value x;
    TRY(nrg_call_value(c, 0, &x));
    if (x.type.elem != NRG_TRUTH && x.type.elem != NRG_BIT)
        return nrg_fail(c->s->c, NRG_E037, nrg_call_span(c, 0), "forbid needs a condition, not %s",
                        nrg_type_text(c->s, &x.type));
    *out = nrg_value_real(x.type, nrg_select(g, x.node, nrg_const(g, INFINITY), nrg_const(g, 0)));
    return NRG_OK;
}
