// Loops unfolded in time: scan, and the layers rnn, gru and lstm along the first axis. Each place is a few nodes of its own, so
// gradients pass through time like through any graph. A place reads only what lies before it: what the padding of a ragged
// axis holds never reaches a place within the sample's length.
#include "model/inside.h"

#include <math.h>

// What steps have been made, in order, one under the other: neighbours first, so that copies grow with n log n.
static nrg_node stacked(nrg_graph *g, const nrg_node *at, int64_t n) {
    if (n == 1) return at[0];
    return nrg_concat(g, stacked(g, at, n / 2), stacked(g, at + n / 2, n - n / 2), 0);
}

static nrg_status no_places(nrg_call *c, const nrg_value *u) {
    return nrg_fail(c->s->c, NRG_E041, c->at->span, "%s needs at least one place along its first axis, but its input is %s",
                    c->row->name, nrg_type_text(c->s, &u->type));
}

static nrg_status guessed(nrg_call *c, const nrg_type *t, nrg_value *out) {
    *out = nrg_value_real(*t, NRG_BAD);
    out->node = nrg_stand_in(c->s, &out->type);
    return NRG_OK;
}

// ---- scan(G, s0, u): the states s = G(s, u) along the first axis of u

static nrg_status module_of(nrg_call *c, const nrg_expr *e) {
    int32_t k = e && e->kind == NRG_X_NAME ? nrg_model_module(c->s->m, e->text) : -1;
    if (k >= 0 ? c->s->m->modules.at[k].n == 2 : e && nrg_use_of(c->s, e)) return NRG_OK;
    nrg_status st = nrg_fail(c->s->c, NRG_E042, nrg_call_span(c, 0),
                             "scan takes the name of a module of two inputs, the state and what comes in");
    nrg_help(c->s->c, "module G(s, u) = ...   then scan(G, s0, u)");
    return st;
}

static bool same_axes(const nrg_type *a, const nrg_type *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (nrg_axis_fit(&a->axis[i], &b->axis[i]) == NRG_UNFIT) return false;
    return true;
}

static nrg_status step(nrg_call *c, const nrg_expr *e, const nrg_value *u, int64_t t, nrg_value *s) {
    nrg_graph *g = c->s->g;
    nrg_value in[2] = {*s, *u};
    nrg_type_drop(&in[1].type, 0);
    nrg_shape h = nrg_graph_node(g, u->node)->shape, one = {.rank = h.rank - 1};
    for (int i = 1; i < h.rank; i++) one.dim[i - 1] = h.dim[i];
    in[1].node = nrg_reshape(g, nrg_slice(g, u->node, 0, t, 1, 1), one);
    nrg_value next;
    TRY(nrg_value_apply(c->s, e, in, 2, &next));
    if (next.type.elem == NRG_CATEGORY || !same_axes(&next.type, &s->type)) {
        nrg_status st =
            nrg_fail(c->s->c, NRG_E037, nrg_call_span(c, 0), "module %s turns the state %s into %s",
                     nrg_expr_text(c->s, e), nrg_type_text(c->s, &s->type), nrg_type_text(c->s, &next.type));
        nrg_help(c->s->c, "a state keeps its axes from place to place");
        return st;
    }
    s->node = next.node;
    return NRG_OK;
}

CALLED(scan) {
    nrg_scope *s = c->s;
    nrg_value state, u;
    const nrg_expr *e = nrg_call_expr(c, 0);
    TRY(module_of(c, e));
    const nrg_use *used = nrg_use_of(s, e);
    TRY(nrg_call_input(c, 1, &state));
    TRY(nrg_call_value(c, 2, &u));
    if (!u.type.rank || state.type.rank == NRG_MAX_RANK)
        return nrg_fail(s->c, NRG_E037, nrg_call_span(c, 2),
                        "scan runs along the first axis of its inputs, but they are %s", nrg_type_text(s, &u.type));
    state = nrg_value_real(state.type, state.node);
    nrg_type t = {.elem = NRG_REAL, .dim = -1, .rank = state.type.rank + 1};
    t.axis[0] = u.type.axis[0];
    for (int i = 0; i < state.type.rank; i++) t.axis[i + 1] = state.type.axis[i];
    if (s->check) { // one place tells the kinds
        if (!used || used->model) TRY(step(c, e, &u, 0, &state));
        return guessed(c, &t, out);
    }
    int64_t n = t.axis[0].size;
    if (n < 1) return no_places(c, &u);
    nrg_node *at = NRG_NEWS(&s->arena, nrg_node, n);
    if (!at) return NRG_E098;
    for (int64_t i = 0; i < n; i++) {
        TRY(step(c, e, &u, i, &state));
        nrg_shape h = nrg_graph_node(s->g, state.node)->shape, row = {.rank = h.rank + 1, .dim = {1}};
        for (int a = 0; a < h.rank; a++) row.dim[a + 1] = h.dim[a];
        at[i] = nrg_reshape(s->g, state.node, row);
    }
    *out = nrg_value_real(t, stacked(s->g, at, n));
    return NRG_OK;
}

// ---- rnn, gru, lstm: [place, channel] to [place, size]. Weights [in, gates * size], [size, gates * size] and a bias, all
// uniform in +-1/sqrt(size); the first state is zero.

typedef struct {
    nrg_graph *g;
    nrg_node u, bias; // recurrent weights; gru: bias of the candidate's recurrent part
    int64_t n;
} unit;

// One place: what comes in [1, gates * size], the state before, and for lstm the cell, which is replaced.
typedef nrg_node (*advance)(const unit *r, nrg_node in, nrg_node h, nrg_node *cell);

static nrg_node gate(const unit *r, nrg_node a, int k) {
    return nrg_slice(r->g, a, 1, k * r->n, r->n, 1);
}

static nrg_node recurrent(const unit *r, nrg_node h) {
    return nrg_matmul(r->g, h, r->u, false, false, 0);
}

static nrg_node rnn_step(const unit *r, nrg_node in, nrg_node h, nrg_node *cell) {
    (void)cell;
    return nrg_tanh(r->g, nrg_add(r->g, in, recurrent(r, h)));
}

static nrg_node gru_step(const unit *r, nrg_node in, nrg_node h, nrg_node *cell) {
    nrg_graph *g = r->g;
    (void)cell;
    nrg_node back = recurrent(r, h);
    nrg_node reset = nrg_sigmoid(g, nrg_add(g, gate(r, in, 0), gate(r, back, 0)));
    nrg_node keep = nrg_sigmoid(g, nrg_add(g, gate(r, in, 1), gate(r, back, 1)));
    nrg_node was = nrg_mul(g, reset, nrg_add(g, gate(r, back, 2), r->bias));
    nrg_node next = nrg_tanh(g, nrg_add(g, gate(r, in, 2), was));
    return nrg_add(g, next, nrg_mul(g, keep, nrg_sub(g, h, next)));
}

static nrg_node lstm_step(const unit *r, nrg_node in, nrg_node h, nrg_node *cell) {
    nrg_graph *g = r->g;
    nrg_node a = nrg_add(g, in, recurrent(r, h));
    nrg_node enter = nrg_sigmoid(g, gate(r, a, 0)), keep = nrg_sigmoid(g, gate(r, a, 1));
    nrg_node next = nrg_tanh(g, gate(r, a, 2)), show = nrg_sigmoid(g, gate(r, a, 3));
    *cell = nrg_add(g, nrg_mul(g, keep, *cell), nrg_mul(g, enter, next));
    return nrg_mul(g, show, nrg_tanh(g, *cell));
}

static nrg_status weights(nrg_call *c, const nrg_axis *from, const nrg_axis *to, int gates, bool inner, unit *r,
                          nrg_node *w, nrg_node *b) {
    double scale = 1 / sqrt((double)(r->n > 0 ? r->n : 1));
    nrg_axis all = nrg_axis_sized(to->size < 0 ? -1 : gates * r->n);
    if (gates == 1) all = *to;
    nrg_type in = nrg_type_of(NRG_REAL, 2, (nrg_axis[]){*from, all});
    nrg_type back = nrg_type_of(NRG_REAL, 2, (nrg_axis[]){*to, all});
    TRY(nrg_weights_make(c, &(nrg_weights){.what = "weight", .type = in, .init = NRG_INIT_UNIFORM, .scale = scale}, w));
    TRY(nrg_weights_make(
        c, &(nrg_weights){.what = "recurrent", .type = back, .init = NRG_INIT_UNIFORM, .scale = scale}, &r->u));
    nrg_weights bias = {.what = "bias", .type = nrg_type_of(NRG_REAL, 1, &all), .init = NRG_INIT_UNIFORM,
                        .scale = scale, .bias = true};
    TRY(nrg_weights_make(c, &bias, b));
    bias.what = "inner";
    bias.type = nrg_type_of(NRG_REAL, 1, to);
    return inner ? nrg_weights_make(c, &bias, &r->bias) : NRG_OK;
}

static nrg_status along(nrg_call *c, int gates, bool inner, advance step_of, nrg_value *out) {
    nrg_graph *g = c->s->g;
    nrg_value x;
    nrg_axis to;
    nrg_node w, b;
    unit r = {.g = g};
    TRY(nrg_call_input(c, 0, &x));
    if (x.type.rank != 2) return nrg_call_layer_axes(c, "a sequence [place, channel]", &x);
    TRY(nrg_call_axis(c, "size", &to));
    TRY(nrg_size_known(c->s, c->at->span, &to, &r.n));
    TRY(weights(c, &x.type.axis[1], &to, gates, inner, &r, &w, &b));
    nrg_type t = nrg_type_of(NRG_REAL, 2, (nrg_axis[]){x.type.axis[0], to});
    if (c->s->check) return guessed(c, &t, out);
    int64_t n = t.axis[0].size;
    if (n < 1 || r.n < 1) return no_places(c, &x);
    nrg_node *at = NRG_NEWS(&c->s->arena, nrg_node, n);
    if (!at) return NRG_E098;
    nrg_node in = nrg_add(g, nrg_matmul(g, nrg_value_masked(c->s, &x, 3, 0), w, false, false, 0), b);
    nrg_node zero = nrg_expand(g, nrg_const(g, 0), nrg_shape_of(2, (int64_t[]){1, r.n}), 0), h = zero, cell = zero;
    for (int64_t i = 0; i < n; i++) at[i] = h = step_of(&r, nrg_slice(g, in, 0, i, 1, 1), h, &cell);
    *out = nrg_value_real(t, stacked(g, at, n));
    return NRG_OK;
}

CALLED(rnn) {
    return along(c, 1, false, rnn_step, out);
}

CALLED(gru) { // r, z, candidate: h = (1 - z) tanh(x W + b + r * (h U + inner)) + z h
    return along(c, 3, true, gru_step, out);
}

CALLED(lstm) { // enter, keep, candidate, show
    return along(c, 4, false, lstm_step, out);
}
