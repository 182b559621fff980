// Layers with weights, each a composition of graph operations. A weight is [in, out], a filter [out, in, rows, columns].
#include "model/inside.h"

#include <math.h>
#include <string.h>

// ---- linear

// The literal 1 as size drops the axis.
static bool literal_one(const nrg_call *c) {
    const nrg_expr *e = nrg_call_find(c, "size");
    return e && e->kind == NRG_X_NUMBER && e->number == 1;
}

static double near_zero(int64_t fan_in) {
    return 1 / sqrt((double)(fan_in > 0 ? fan_in : 1));
}

nrg_status nrg_call_spectral(nrg_call *c, double *out) {
    TRY(nrg_call_number(c, "spectral", 0, out));
    if (!nrg_call_find(c, "spectral") || (*out > 0 && *out < INFINITY)) return NRG_OK;
    nrg_status st = nrg_fail(c->s->c, NRG_E013, c->at->span, "spectral of %s is %.6g", c->row->name, *out);
    nrg_help(c->s->c, "it bounds the largest singular value of the weight: a number above 0, such as 1");
    return st;
}

CALLED(linear) {
    nrg_scope *s = c->s;
    nrg_graph *g = s->g;
    nrg_value x;
    nrg_axis to;
    int64_t in, n;
    TRY(nrg_call_input(c, 0, &x));
    TRY(nrg_call_axis(c, "size", &to));
    TRY(nrg_size_known(s, c->at->span, &to, &n));
    if (!x.type.rank) { // a number is a vector of one
        x.type.axis[x.type.rank++] = nrg_axis_sized(1);
        x.node = nrg_reshape(g, x.node, nrg_shape_of(1, (int64_t[]){1}));
    }
    int r = x.type.rank;
    nrg_axis from = x.type.axis[r - 1];
    TRY(nrg_size_known(s, c->at->span, &from, &in));
    nrg_node w, b;
    double bound;
    TRY(nrg_call_spectral(c, &bound));
    x.node = nrg_value_masked(s, &x, 1u << (r - 1), 0);
    TRY(nrg_weights_make(c,
                         &(nrg_weights){"weight", nrg_type_of(NRG_REAL, 2, (nrg_axis[]){from, to}), NRG_INIT_UNIFORM,
                                        near_zero(in), false, bound},
                         &w));
    TRY(nrg_weights_make(
        c, &(nrg_weights){"bias", nrg_type_of(NRG_REAL, 1, &to), NRG_INIT_UNIFORM, near_zero(in), true, 0}, &b));
    nrg_shape h = nrg_graph_node(g, x.node)->shape;
    nrg_node y = nrg_matmul(g, nrg_rows(g, x.node), w, false, false, 0);
    *out = nrg_value_real(x.type, NRG_BAD);
    out->type.axis[r - 1] = to;
    if (h.rank) h.dim[h.rank - 1] = n;
    if (literal_one(c)) {
        out->type.rank--, h.rank -= h.rank > 0;
        b = nrg_reshape(g, b, nrg_shape_of(0, NULL));
    }
    out->node = nrg_add(g, nrg_reshape(g, y, h), b); // in the answer's shape, so that one pass adds it and goes on from there
    return NRG_OK;
}

// ---- embed

CALLED(embed) {
    nrg_scope *s = c->s;
    nrg_value y;
    nrg_axis to;
    TRY(nrg_call_value(c, 0, &y));
    TRY(nrg_call_axis(c, "size", &to));
    if (y.type.elem != NRG_CATEGORY || y.type.dim < 0) {
        nrg_status st = nrg_fail(s->c, NRG_E040, c->at->span, "embed looks up rows by category, but its input is %s",
                                 nrg_type_text(s, &y.type));
        nrg_help(s->c, "for numbers use linear(...)");
        return st;
    }
    if (y.type.rank == NRG_MAX_RANK)
        return nrg_fail(s->c, NRG_E037, c->at->span, "embed would make more than %d axes", NRG_MAX_RANK);
    nrg_axis rows = nrg_axis_dim(s->m, y.type.dim);
    nrg_node w;
    TRY(nrg_weights_make(
        c, &(nrg_weights){"weight", nrg_type_of(NRG_REAL, 2, (nrg_axis[]){rows, to}), NRG_INIT_NORMAL, 1, false, 0}, &w));
    *out = nrg_value_real(y.type, nrg_take(s->g, w, y.node));
    out->type.axis[out->type.rank++] = to;
    return NRG_OK;
}

// ---- convolutions

typedef struct {
    nrg_axis filters;
    int64_t size, stride, pad, after; // after: zeros more at the end, so that an even filter keeps the size at stride 1
} filter;

static nrg_status filter_of(nrg_call *c, filter *f) {
    TRY(nrg_call_axis(c, "filters", &f->filters));
    TRY(nrg_call_size(c, "size", 1, &f->size));
    TRY(nrg_call_size(c, "stride", 1, &f->stride));
    TRY(nrg_call_size(c, "pad", -1, &f->pad));
    if (f->size < 1 || f->stride < 1 || f->size > 1 << 20 || f->stride > 1 << 20 || f->pad > 1 << 20)
        return nrg_fail(c->s->c, NRG_E037, c->at->span, "%s needs a size and a stride of at least 1", c->row->name);
    f->after = f->pad < 0 && f->stride == 1 && f->size % 2 == 0;
    if (f->pad < 0) f->pad = (f->size - 1) / 2;
    return NRG_OK;
}

// The answer's axis: the same when its size is kept, of size -1 when not known; E041 when the filter is larger.
static nrg_status answer_axis(nrg_call *c, const filter *f, const nrg_value *x, nrg_axis *a) {
    int64_t grown = f->after + 2 * f->pad - f->size;
    if (f->stride == 1 && grown == -1) return NRG_OK;
    if (a->size < 0) return *a = nrg_axis_sized(-1), NRG_OK;
    if (a->size + grown < 0)
        return nrg_fail(c->s->c, NRG_E041, c->at->span, "a filter of %lld is larger than its input %s",
                        (long long)f->size, nrg_type_text(c->s, &x->type));
    *a = nrg_axis_sized((a->size + grown) / f->stride + 1);
    return NRG_OK;
}

static nrg_status filter_weights(nrg_call *c, const filter *f, const nrg_axis *channels, int axes, nrg_node *w,
                                 nrg_node *b) {
    int64_t fan;
    nrg_axis k = nrg_axis_sized(f->size);
    TRY(nrg_size_known(c->s, c->at->span, channels, &fan));
    for (int i = 0; i < axes && fan < INT64_C(1) << 40; i++) fan *= f->size; // size is at most 2^20
    nrg_type t = nrg_type_of(NRG_REAL, 2 + axes, (nrg_axis[]){f->filters, *channels, k, k});
    double bound;
    TRY(nrg_call_spectral(c, &bound));
    TRY(nrg_weights_make(c, &(nrg_weights){"weight", t, NRG_INIT_UNIFORM, near_zero(fan), false, bound}, w));
    return nrg_weights_make(
        c, &(nrg_weights){"bias", nrg_type_of(NRG_REAL, 1, &f->filters), NRG_INIT_UNIFORM, near_zero(fan), true, 0}, b);
}

static nrg_node with_zeros(nrg_graph *g, nrg_node x, int axis, int64_t before, int64_t after) {
    return before || after ? nrg_pad(g, x, axis, before, after) : x;
}

CALLED(conv) {
    nrg_graph *g = c->s->g;
    nrg_value x;
    filter f;
    nrg_node w, b;
    TRY(nrg_call_value(c, 0, &x));
    if (x.type.rank != 3) {
        nrg_status st = nrg_call_layer_axes(c, "an image [channel, height, width]", &x);
        if (x.type.rank == 2) nrg_help(c->s->c, "an image of one channel: reshape(1, ...) | %s(...)", c->row->name);
        return st;
    }
    TRY(nrg_call_input(c, 0, &x));
    TRY(filter_of(c, &f));
    *out = nrg_value_real(x.type, NRG_BAD);
    for (int i = 1; i < 3; i++) TRY(answer_axis(c, &f, &x, &out->type.axis[i]));
    out->type.axis[0] = f.filters;
    TRY(filter_weights(c, &f, &x.type.axis[0], 2, &w, &b));
    x.node = nrg_value_masked(c->s, &x, 6, 0);
    for (int i = 1; i < 3; i++) x.node = with_zeros(g, x.node, i, 0, f.after);
    nrg_node y = nrg_conv(g, x.node, w, (int)f.stride, (int)f.pad, (int)f.pad);
    int64_t n = nrg_graph_node(g, b)->shape.dim[0];
    out->node = nrg_add(g, y, nrg_reshape(g, b, nrg_shape_of(3, (int64_t[]){n, 1, 1})));
    return NRG_OK;
}

// A sequence [place, channel] is an image [channel, place, 1].
CALLED(conv1) {
    nrg_graph *g = c->s->g;
    nrg_value x;
    filter f;
    nrg_node w, b;
    TRY(nrg_call_value(c, 0, &x));
    if (x.type.rank != 2) return nrg_call_layer_axes(c, "a sequence [place, channel]", &x);
    TRY(nrg_call_input(c, 0, &x));
    TRY(filter_of(c, &f));
    int32_t d = x.type.axis[0].dim;
    if (f.stride > 1 && d >= 0 && c->s->m->dims.at[d].ragged)
        return nrg_fail(c->s->c, NRG_E041, c->at->span, "conv1 with a stride needs a fixed length, but %s is ragged",
                        c->s->m->dims.at[d].name);
    *out = nrg_value_real(x.type, NRG_BAD);
    TRY(answer_axis(c, &f, &x, &out->type.axis[0]));
    out->type.axis[1] = f.filters;
    TRY(filter_weights(c, &f, &x.type.axis[1], 1, &w, &b));
    nrg_node in = nrg_transpose(g, with_zeros(g, nrg_value_masked(c->s, &x, 1, 0), 0, f.pad, f.pad + f.after));
    nrg_shape h = nrg_graph_node(g, in)->shape, k = nrg_graph_node(g, w)->shape;
    if (h.rank != 2 || k.rank != 3) return NRG_OK;
    h.dim[h.rank++] = 1;
    k.dim[k.rank++] = 1;
    nrg_node y = nrg_conv(g, nrg_reshape(g, in, h), nrg_reshape(g, w, k), (int)f.stride, 0, 0);
    h = nrg_graph_node(g, y)->shape;
    if (f.stride > 1 && h.rank == 3) { // the stride counts for both axes; the second has one place
        h.dim[2] = 1;
    }
    y = nrg_reshape(g, y, nrg_shape_of(2, (int64_t[]){h.dim[0], h.dim[1]}));
    out->node = nrg_add(g, nrg_transpose(g, y), b);
    return NRG_OK;
}

// ---- normalisation and places

CALLED(layernorm) {
    nrg_graph *g = c->s->g;
    nrg_value x;
    nrg_node gain, bias;
    TRY(nrg_call_input(c, 0, &x));
    if (!x.type.rank) return nrg_call_layer_axes(c, "a vector", &x);
    int last = x.type.rank - 1;
    uint32_t bit = 1u << last;
    nrg_axis a = x.type.axis[last];
    int64_t n;
    TRY(nrg_size_known(c->s, c->at->span, &a, &n));
    TRY(nrg_weights_make(c, &(nrg_weights){"gain", nrg_type_of(NRG_REAL, 1, &a), NRG_INIT_CONSTANT, 1, true, 0}, &gain));
    TRY(nrg_weights_make(c, &(nrg_weights){"bias", nrg_type_of(NRG_REAL, 1, &a), NRG_INIT_ZERO, 0, true, 0}, &bias));
    nrg_node part = nrg_const(g, 1 / (double)n);
    nrg_node mean = nrg_mul(g, nrg_reduce(g, NRG_OP_sum, x.node, bit, 0, true), part), d = nrg_sub(g, x.node, mean);
    nrg_node var = nrg_mul(g, nrg_reduce(g, NRG_OP_sum, nrg_square(g, d), bit, 0, true), part);
    nrg_node y = nrg_div(g, d, nrg_sqrt(g, nrg_add(g, var, nrg_const(g, 1e-5))));
    *out = nrg_value_real(x.type, nrg_add(g, nrg_mul(g, y, gain), bias));
    return NRG_OK;
}

CALLED(position) {
    nrg_value x;
    nrg_node w;
    TRY(nrg_call_input(c, 0, &x));
    if (x.type.rank != 2) return nrg_call_layer_axes(c, "a sequence [place, channel]", &x);
    TRY(nrg_weights_make(
        c, &(nrg_weights){"weight", nrg_type_of(NRG_REAL, 2, x.type.axis), NRG_INIT_NORMAL, 0.02, false, 0}, &w));
    *out = nrg_value_real(x.type, nrg_add(c->s->g, x.node, w));
    return NRG_OK;
}

// ---- not built yet: what they need and the types they give, for checks

static nrg_status guessed(nrg_call *c, const nrg_type *t, nrg_value *out) {
    *out = nrg_value_real(*t, NRG_BAD);
    out->node = nrg_stand_in(c->s, &out->type);
    return NRG_OK;
}

// [place, channel] to the same.
static nrg_status along_places(nrg_call *c, nrg_value *out) {
    nrg_value x;
    TRY(nrg_call_input(c, 0, &x));
    if (x.type.rank != 2) return nrg_call_layer_axes(c, "a sequence [place, channel]", &x);
    return guessed(c, &x.type, out);
}

CALLED(attention) {
    return along_places(c, out);
}

CALLED(transformer) {
    return along_places(c, out);
}

CALLED(gnn) {
    nrg_value h, edges;
    TRY(nrg_call_input(c, 0, &h));
    TRY(nrg_call_value(c, 1, &edges));
    if (h.type.rank != 2) return nrg_call_layer_axes(c, "nodes [node, channel]", &h);
    if (edges.type.rank < 2) return nrg_call_layer_axes(c, "edges [node, node]", &edges);
    return guessed(c, &h.type, out);
}

// A vector to a vector of `size`.
static nrg_status vector_to(nrg_call *c, const nrg_axis *to, nrg_value *out) {
    nrg_value x;
    TRY(nrg_call_input(c, 0, &x));
    if (!x.type.rank) return nrg_call_layer_axes(c, "a vector", &x);
    x.type.axis[x.type.rank - 1] = *to;
    return guessed(c, &x.type, out);
}

CALLED(lista) {
    nrg_axis to;
    TRY(nrg_call_axis(c, "size", &to));
    return vector_to(c, &to, out);
}

CALLED(gaussian) {
    nrg_axis to;
    TRY(nrg_call_axis(c, "size", &to));
    return vector_to(c, &to, out);
}

CALLED(variational) {
    nrg_value x;
    TRY(nrg_call_input(c, 0, &x));
    return guessed(c, &x.type, out);
}
