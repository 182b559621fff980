// Images and sequences: pooling, and motion by whole pixels and by angles. An image's last two axes are rows and columns.
#include "model/inside.h"

#include <math.h>
#include <string.h>

// ---- pooling

static bool sequence(const nrg_value *x) {
    return x->type.rank == 2;
}

static nrg_status pool_all(nrg_call *c, nrg_value *x, nrg_op op, nrg_value *out) {
    nrg_scope *s = c->s;
    uint32_t axes = sequence(x) ? 1u : 6u;
    nrg_node n = nrg_const(s->g, 1);
    for (int i = 0; i < x->type.rank; i++) {
        const nrg_axis *a = &x->type.axis[i];
        nrg_node k = nrg_const(s->g, a->size < 0 ? NRG_GUESS : (double)a->size);
        if (axes >> i & 1 && a->dim >= 0) TRY(nrg_dim_length(s, a->dim, &k));
        if (axes >> i & 1) n = nrg_mul(s->g, n, k);
    }
    *out = *x;
    TRY(nrg_value_reduce(s, out, op, axes));
    if (op == NRG_OP_sum) out->node = nrg_div(s->g, out->node, nrg_max(s->g, n, nrg_const(s->g, 1)));
    return NRG_OK;
}

// Axis `axis` in blocks of k: [.., n, ..] to [.., n / k, k, ..]; what is left over at the end is dropped.
static nrg_node blocks(nrg_graph *g, nrg_node x, int axis, int64_t k) {
    nrg_shape h = nrg_graph_node(g, x)->shape;
    if (h.rank == NRG_MAX_RANK || axis >= h.rank) return NRG_BAD;
    int64_t n = h.dim[axis] / k;
    if (n * k != h.dim[axis]) x = nrg_slice(g, x, axis, 0, n * k, 1);
    for (int i = h.rank++; i > axis; i--) h.dim[i] = h.dim[i - 1];
    h.dim[axis] = n;
    h.dim[axis + 1] = k;
    return nrg_reshape(g, x, h);
}

static nrg_axis fewer(const nrg_axis *a, int64_t k) {
    return nrg_axis_sized(a->size < 0 ? -1 : a->size / k);
}

static nrg_status pooled(nrg_call *c, nrg_op op, nrg_value *out) {
    nrg_scope *s = c->s;
    nrg_value x;
    int64_t k;
    TRY(nrg_call_input(c, 0, &x));
    if (x.type.rank != 3 && x.type.rank != 2)
        return nrg_call_layer_axes(c, "an image [channel, height, width] or a sequence [place, channel]", &x);
    TRY(nrg_call_size(c, "size", 0, &k));
    if (!nrg_call_find(c, "size")) return pool_all(c, &x, op, out);
    if (k < 1) return nrg_fail(s->c, NRG_E037, c->at->span, "%s needs a size of at least 1", c->row->name);
    if (k == 1) return *out = x, NRG_OK;
    *out = nrg_value_real(x.type, x.node);
    double none = op == NRG_OP_sum ? 0 : -INFINITY, cells = (double)k;
    if (sequence(&x)) {
        int32_t d = x.type.axis[0].dim;
        if (d >= 0 && s->m->dims.at[d].ragged)
            return nrg_fail(s->c, NRG_E041, c->at->span,
                            "%s of runs needs a fixed length, but %s is ragged; without a size it takes all",
                            c->row->name, s->m->dims.at[d].name);
        out->type.axis[0] = fewer(&x.type.axis[0], k);
        out->node = nrg_reduce(s->g, op, blocks(s->g, x.node, 0, k), 2, 0, false);
    } else {
        x.node = nrg_value_masked(s, &x, 6, none);
        for (int i = 1; i < 3; i++) out->type.axis[i] = fewer(&x.type.axis[i], k);
        out->node = nrg_reduce(s->g, op, blocks(s->g, blocks(s->g, x.node, 2, k), 1, k), 4 | 16, 0, false);
        cells *= (double)k;
    }
    if (op == NRG_OP_sum) out->node = nrg_mul(s->g, out->node, nrg_const(s->g, 1 / cells));
    return NRG_OK;
}

CALLED(pool) {
    return pooled(c, NRG_OP_rmax, out);
}

CALLED(meanpool) {
    return pooled(c, NRG_OP_sum, out);
}

// ---- motion

static nrg_status image_input(nrg_call *c, nrg_value *x) {
    TRY(nrg_call_input(c, 0, x));
    if (x->type.rank >= 2) return NRG_OK;
    return nrg_fail(c->s->c, NRG_E037, nrg_call_span(c, 0),
                    "%s needs an image, whose last two axes are rows and columns, but its input is %s", c->row->name,
                    nrg_type_text(c->s, &x->type));
}

static nrg_status category_input(nrg_call *c, int place, nrg_value *v, int64_t *n) {
    nrg_scope *s = c->s;
    TRY(nrg_call_value(c, place, v));
    if (v->type.elem != NRG_CATEGORY || v->type.rank || v->type.dim < 0) {
        nrg_status st = nrg_fail(s->c, NRG_E037, nrg_call_span(c, place), "%s moves by a category, but this is %s",
                                 c->row->name, nrg_type_text(s, &v->type));
        nrg_help(s->c, "declare a dim and a variable: dim Shift = 9 and latent u : Shift");
        return st;
    }
    nrg_axis a = nrg_axis_dim(s->m, v->type.dim);
    return nrg_size_known(s, c->at->span, &a, n);
}

// Image axis `axis` moved by category k of n: out[i] = in[i - (k - (n-1)/2)], zeros where there is none.
static nrg_node moved(nrg_scope *s, nrg_node x, int axis, nrg_node k, int64_t n) {
    nrg_graph *g = s->g;
    nrg_shape h = nrg_graph_node(g, x)->shape;
    int64_t back = (n - 1) / 2, size = h.dim[axis];
    int32_t to[NRG_MAX_RANK], from[NRG_MAX_RANK];
    for (int i = 0, q = 1; i < h.rank; i++) to[i == axis ? 0 : q++] = i;
    for (int i = 0; i < h.rank; i++) from[to[i]] = i;
    x = nrg_pad(g, nrg_permute(g, x, to), 0, n - 1 - back, back);
    // Row i of the result is row i + (n-1-back) + back - k = i + n - 1 - k of the padded image.
    nrg_node rows = nrg_sub(g, nrg_add(g, nrg_iota(g, size), nrg_const(g, (double)(n - 1))), k);
    return nrg_permute(g, nrg_take(g, x, rows), from);
}

CALLED(shift) {
    nrg_value x, k[2];
    int64_t n[2];
    TRY(image_input(c, &x));
    for (int i = 0; i < 2; i++) TRY(category_input(c, i + 1, &k[i], &n[i]));
    nrg_node m = x.node;
    for (int i = 0; i < 2; i++) m = moved(c->s, m, x.type.rank - 2 + i, k[i].node, n[i]);
    *out = nrg_value_real(x.type, m);
    return NRG_OK;
}

typedef struct {
    int64_t h, w;
    nrg_node i, j;   // where each pixel comes from
    nrg_node fi, fj; // whole parts
} source;

// One of the four pixels around the source: its number, and its weight (zero outside). Pixels are one axis of h * w.
static nrg_node tap(nrg_graph *g, nrg_node pixels, const source *o, int di, int dj) {
    nrg_node one = nrg_const(g, 1), zero = nrg_const(g, 0);
    nrg_node i = nrg_add(g, o->fi, nrg_const(g, di)), j = nrg_add(g, o->fj, nrg_const(g, dj));
    nrg_node wi = nrg_sub(g, one, nrg_abs(g, nrg_sub(g, o->i, i))),
             wj = nrg_sub(g, one, nrg_abs(g, nrg_sub(g, o->j, j)));
    nrg_node last_i = nrg_const(g, (double)(o->h - 1)), last_j = nrg_const(g, (double)(o->w - 1));
    nrg_node in = nrg_mul(g, nrg_mul(g, nrg_le(g, zero, i), nrg_le(g, i, last_i)),
                          nrg_mul(g, nrg_le(g, zero, j), nrg_le(g, j, last_j)));
    nrg_node ci = nrg_max(g, zero, nrg_min(g, i, last_i)), cj = nrg_max(g, zero, nrg_min(g, j, last_j));
    nrg_node at = nrg_add(g, nrg_mul(g, ci, nrg_const(g, (double)o->w)), cj),
             weight = nrg_mul(g, in, nrg_mul(g, wi, wj));
    weight = nrg_reshape(g, weight, nrg_shape_of(2, (int64_t[]){o->h * o->w, 1}));
    return nrg_mul(g, nrg_take(g, pixels, at), weight);
}

// Turned anticlockwise as seen, rows growing downwards: a pixel comes from the place turned clockwise.
static source turned(nrg_graph *g, int64_t h, int64_t w, nrg_node angle) {
    nrg_node p = nrg_iota(g, h * w), columns = nrg_const(g, (double)w);
    nrg_node row = nrg_floor(g, nrg_div(g, nrg_add(g, p, nrg_const(g, 0.5)), columns));
    nrg_node col = nrg_sub(g, p, nrg_mul(g, row, columns));
    nrg_node ci = nrg_const(g, (double)(h - 1) / 2), cj = nrg_const(g, (double)(w - 1) / 2);
    nrg_node dy = nrg_sub(g, row, ci), dx = nrg_sub(g, col, cj), cs = nrg_cos(g, angle), sn = nrg_sin(g, angle);
    source o = {.h = h, .w = w};
    o.i = nrg_add(g, ci, nrg_add(g, nrg_mul(g, dx, sn), nrg_mul(g, dy, cs)));
    o.j = nrg_add(g, cj, nrg_sub(g, nrg_mul(g, dx, cs), nrg_mul(g, dy, sn)));
    o.fi = nrg_floor(g, o.i);
    o.fj = nrg_floor(g, o.j);
    return o;
}

CALLED(rotate) {
    nrg_graph *g = c->s->g;
    nrg_value x, a;
    int64_t n;
    TRY(image_input(c, &x));
    TRY(category_input(c, 1, &a, &n));
    nrg_shape h = nrg_graph_node(g, x.node)->shape;
    if (h.rank != x.type.rank) return *out = nrg_value_real(x.type, NRG_BAD), NRG_OK;
    int64_t rows = h.dim[h.rank - 2], cols = h.dim[h.rank - 1], rest = 1;
    for (int i = 0; i + 2 < h.rank; i++) rest *= h.dim[i];
    nrg_node angle = nrg_mul(g, a.node, nrg_const(g, 2 * 3.14159265358979323846 / (double)n));
    source o = turned(g, rows, cols, angle);
    nrg_node pixels = nrg_transpose(g, nrg_reshape(g, x.node, nrg_shape_of(2, (int64_t[]){rest, rows * cols})));
    nrg_node sum = nrg_add(g, nrg_add(g, tap(g, pixels, &o, 0, 0), tap(g, pixels, &o, 0, 1)),
                           nrg_add(g, tap(g, pixels, &o, 1, 0), tap(g, pixels, &o, 1, 1)));
    *out = nrg_value_real(x.type, nrg_reshape(g, nrg_transpose(g, sum), h));
    return NRG_OK;
}
