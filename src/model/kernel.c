// Kernel machines: a layer with one bump for each training sample, and the norm of its functions. The centres lie among the
// weights, so that a saved model answers alone, but nothing trains them.
#include "model/inside.h"

#include <string.h>

enum { TILE = 2048 }; // rows of the kernel matrix that rkhs holds at a time

// exp(-gamma |x - c|^2) for all rows of x [m, n] and of c [k, n]: [m, k]. Both are moved by the mean of c first, so that
// far from zero no digits are lost.
static nrg_node bumps(nrg_graph *g, nrg_node x, nrg_node c, nrg_node gamma) {
    int64_t k = nrg_graph_node(g, c)->shape.dim[0];
    nrg_node mean = nrg_mul(g, nrg_reduce(g, NRG_OP_sum, c, 1, 0, true), nrg_const(g, 1 / (double)(k > 0 ? k : 1)));
    x = nrg_sub(g, x, mean);
    c = nrg_sub(g, c, mean);
    nrg_node xx = nrg_reduce(g, NRG_OP_sum, nrg_square(g, x), 2, 0, true);
    nrg_node cc = nrg_transpose(g, nrg_reduce(g, NRG_OP_sum, nrg_square(g, c), 2, 0, true));
    nrg_node xc = nrg_matmul(g, x, c, false, true, 0);
    nrg_node far = nrg_sub(g, nrg_add(g, xx, cc), nrg_mul(g, nrg_const(g, 2), xc));
    return nrg_exp(g, nrg_mul(g, nrg_neg(g, gamma), far));
}

// Rows of n numbers each: [1, n] of one input, [k, n] of the centres.
static nrg_node flat(nrg_graph *g, nrg_node a, int64_t rows) {
    int64_t all = nrg_node_count(g, a);
    return nrg_reshape(g, a, nrg_shape_of(2, (int64_t[]){rows, rows > 0 ? all / rows : all}));
}

static nrg_status width_of(nrg_call *c, nrg_node *gamma) {
    const nrg_expr *e = nrg_call_find(c, "gamma");
    nrg_value v;
    *gamma = nrg_const(c->s->g, 1);
    if (!e) return NRG_OK;
    TRY(nrg_value_of(c->s, e, &v));
    TRY(nrg_need_number(c->s, e, "gamma", &v));
    if (v.type.rank)
        return nrg_fail(c->s->c, NRG_E037, e->span, "gamma of kernel is one number, but this is %s",
                        nrg_type_text(c->s, &v.type));
    *gamma = v.node;
    return NRG_OK;
}

static nrg_status shape_known(nrg_call *c) {
    const nrg_expr *e = nrg_call_find(c, "shape");
    if (e && e->kind == NRG_X_NAME && nrg_same(e->text, "gaussian")) return NRG_OK;
    nrg_status st = nrg_fail(c->s->c, NRG_E037, e ? e->span : c->at->span, "kernel knows one shape of bumps: gaussian");
    nrg_help(c->s->c, "kernel(gaussian, gamma=0.5) is exp(-gamma |x - centre|^2)");
    return st;
}

// The variable whose rows are the centres: the layer's input must be that variable itself, with axes of one size.
static nrg_status centred_on(nrg_call *c, const nrg_value *x, int32_t *var) {
    nrg_scope *s = c->s;
    *var = -1;
    for (uint32_t i = 0; i < s->m->vars.n && *var < 0; i++)
        if (s->m->vars.at[i].role != NRG_WEIGHT && s->bound[i].i && s->bound[i].i == x->node.i) *var = (int32_t)i;
    for (int i = 0; i < x->type.rank; i++) {
        int32_t d = x->type.axis[i].dim;
        if (d >= 0 && s->m->dims.at[d].ragged) return nrg_call_layer_axes(c, "an input of one size", x);
    }
    if (*var >= 0 || s->check) return NRG_OK;
    nrg_status st = nrg_fail(s->c, NRG_E041, c->at->span,
                             "the centres of kernel are rows of the data, but its input is not a variable");
    nrg_help(s->c, "apply the module to a variable, k(x), or learn centres: weight C : real[K, D] init samples(x)");
    return st;
}

static nrg_status no_rows(nrg_call *c) {
    nrg_status st = nrg_fail(c->s->c, NRG_E050, c->at->span, "kernel has one bump for each training row, and there are none yet");
    nrg_help(c->s->c, "nrg train MODEL --data FILE -o RUN, then ask RUN");
    return st;
}

static nrg_status centres(nrg_call *c, const nrg_value *x, nrg_node *out) {
    nrg_scope *s = c->s;
    if (s->m->rows == 0 && !s->check) return no_rows(c);
    if (x->type.rank == NRG_MAX_RANK)
        return nrg_fail(s->c, NRG_E037, c->at->span, "kernel takes at most %d axes", NRG_MAX_RANK - 1);
    nrg_type t = {.elem = NRG_REAL, .dim = -1, .rank = x->type.rank + 1};
    t.axis[0] = nrg_axis_sized(s->m->rows ? s->m->rows : -1);
    memcpy(t.axis + 1, x->type.axis, (size_t)x->type.rank * sizeof *t.axis);
    int32_t var = -1;
    if (!nrg_weights_found(c, "centre")) TRY(centred_on(c, x, &var));
    return nrg_weights_rows(c, &(nrg_weights){.what = "centre", .type = t, .init = NRG_INIT_SAMPLES}, var, out);
}

CALLED(kernel) {
    nrg_graph *g = c->s->g;
    nrg_value x;
    nrg_node gamma, mid;
    TRY(nrg_call_input(c, 0, &x));
    TRY(shape_known(c));
    TRY(width_of(c, &gamma));
    TRY(centres(c, &x, &mid));
    int64_t k = nrg_graph_node(g, mid)->shape.dim[0];
    nrg_type t = nrg_type_of(NRG_REAL, 1, (nrg_axis[]){nrg_axis_sized(c->s->m->rows ? c->s->m->rows : -1)});
    *out = nrg_value_real(t, bumps(g, flat(g, x.node, 1), flat(g, mid, k), gamma));
    out->node = nrg_reshape(g, out->node, nrg_shape_of(1, &k));
    return NRG_OK;
}

// ---- rkhs(k): c' K c of k = kernel(...) | linear(...), summed over outputs; biases are free

static nrg_status no_machine(nrg_call *c) {
    nrg_status st = nrg_fail(c->s->c, NRG_E037, nrg_call_span(c, 0), "rkhs takes a module kernel(...) | linear(...)");
    nrg_help(c->s->c, "module k = kernel(gaussian, gamma=0.5) | linear(1)");
    return st;
}

static const nrg_expr *layer_call(const nrg_expr *e, const char *name) {
    bool is = e->kind == NRG_X_CALL && e->kid[0]->kind == NRG_X_NAME && nrg_same(e->kid[0]->text, name);
    return is ? e : NULL;
}

static int64_t param_of(const nrg_model *m, const char *owner, const char *what) {
    for (uint32_t i = 0; i < m->params.n; i++) {
        const char *dot = strrchr(m->params.at[i].name, '.');
        if (nrg_same(m->params.at[i].owner, owner) && dot && nrg_same(dot + 1, what)) return i;
    }
    return -1;
}

// Matrices larger than a tile are made tile by tile and forgotten: the quadratic form is c'v with v = K c held fixed, and so
// that its gradient is right (K is symmetric: 2 v) the half of it that moves counts twice.
static nrg_node form(nrg_graph *g, nrg_node mid, nrg_node w, nrg_node gamma) {
    int64_t n = nrg_graph_node(g, mid)->shape.dim[0];
    if (n <= TILE) return nrg_sum_all(g, nrg_mul(g, w, nrg_matmul(g, bumps(g, mid, mid, gamma), w, false, false, 0)));
    nrg_node total = nrg_const(g, 0);
    for (int64_t at = 0; at < n; at += TILE) {
        int64_t rows = n - at < TILE ? n - at : TILE;
        nrg_node part = nrg_transpose(g, bumps(g, mid, nrg_slice(g, mid, 0, at, rows, 1), gamma));
        nrg_node v = nrg_stop(g, nrg_matmul(g, part, w, false, false, 0));
        total = nrg_add(g, total, nrg_sum_all(g, nrg_mul(g, nrg_slice(g, w, 0, at, rows, 1), v)));
    }
    return nrg_sub(g, nrg_mul(g, nrg_const(g, 2), total), nrg_stop(g, total));
}

CALLED(rkhs) {
    nrg_scope *s = c->s;
    const nrg_expr *e = nrg_call_expr(c, 0);
    int32_t k = e && e->kind == NRG_X_NAME ? nrg_model_module(s->m, e->text) : -1;
    const nrg_expr *body = k >= 0 ? s->m->modules.at[k].body : NULL;
    const nrg_expr *bump = body && body->kind == NRG_X_PIPE ? layer_call(body->kid[0], "kernel") : NULL;
    if (!bump || !layer_call(body->kid[1], "linear")) return no_machine(c);
    int64_t mid = param_of(s->m, e->text, "centre"), w = param_of(s->m, e->text, "weight");
    *out = (nrg_value){nrg_type_of(NRG_REAL, 0, NULL), nrg_const(s->g, 0)};
    if (mid < 0 || w < 0) {
        if (s->check) return NRG_OK;
        nrg_status st = nrg_fail(s->c, NRG_E037, e->span, "module %s has no weights", e->text);
        nrg_help(s->c, "is it used by the energy?");
        return st;
    }
    nrg_call inner = {.s = s, .row = c->row, .e = bump, .at = bump->kid[0]};
    nrg_node gamma, centre = nrg_scope_param(s, (uint32_t)mid);
    bool layer;
    inner.row = nrg_row_find("kernel", &layer);
    inner.ins = 1; // as in a pipe: the arguments written come after the input
    TRY(width_of(&inner, &gamma));
    if (s->check) return NRG_OK;
    centre = flat(s->g, centre, nrg_graph_node(s->g, centre)->shape.dim[0]);
    out->node = form(s->g, centre, nrg_scope_param(s, (uint32_t)w), gamma);
    return NRG_OK;
}
