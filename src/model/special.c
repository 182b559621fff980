// Functions that read names rather than values: places of dims, hidden parts, derivatives, fitted transforms, draws.
#include "model/inside.h"

#include <string.h>

static int32_t var_named(const nrg_call *c, int place) {
    const nrg_expr *e = nrg_call_expr(c, place);
    return e && e->kind == NRG_X_NAME ? nrg_model_var(c->s->m, e->text) : -1;
}

// ---- places

static nrg_status end_place(nrg_call *c, bool last, nrg_value *out) {
    nrg_scope *s = c->s;
    nrg_graph *g = s->g;
    const nrg_expr *e = nrg_call_expr(c, 0);
    int32_t dim = e && e->kind == NRG_X_NAME ? nrg_model_dim(s->m, e->text) : -1;
    nrg_node end = nrg_const(g, 0), one = nrg_const(g, 1);
    if (dim >= 0) {
        if (last) TRY(nrg_dim_length(s, dim, &end));
        out->type = (nrg_type){.elem = NRG_CATEGORY, .dim = dim};
        out->node = last ? nrg_sub(g, end, one) : end;
        return NRG_OK;
    }
    nrg_value t;
    TRY(nrg_call_value(c, 0, &t));
    if (t.type.elem != NRG_CATEGORY || t.type.dim < 0)
        return nrg_fail(s->c, NRG_E037, nrg_call_span(c, 0), "%s needs an index or a dim, but this is %s", c->row->name,
                        nrg_type_text(s, &t.type));
    if (last) {
        TRY(nrg_dim_length(s, t.type.dim, &end));
        end = nrg_sub(g, end, one);
    }
    *out = nrg_value_real(t.type, nrg_eq(g, t.node, end));
    out->type.elem = NRG_TRUTH;
    return NRG_OK;
}

CALLED(first) {
    return end_place(c, false, out);
}

CALLED(last) {
    return end_place(c, true, out);
}

// ---- hidden parts. When nothing is hidden, all is seen.

static nrg_status hidden_var(nrg_call *c, int32_t *v, nrg_type *t) {
    *v = var_named(c, 0);
    if (*v >= 0) return nrg_var_type(c->s->m, *v, t);
    nrg_status st = nrg_fail(c->s->c, NRG_E037, nrg_call_span(c, 0), "%s takes the name of a variable", c->row->name);
    nrg_help(c->s->c, "%s(v), with a line: hide v by ...", c->row->name);
    return st;
}

CALLED(seen) {
    int32_t v;
    TRY(hidden_var(c, &v, &out->type));
    out->node = c->s->seen[v];
    return out->node.i ? NRG_OK : nrg_call_value(c, 0, out);
}

CALLED(hidden) {
    int32_t v;
    TRY(hidden_var(c, &v, &out->type));
    out->type.elem = NRG_TRUTH;
    out->type.dim = -1;
    out->node = c->s->hidden[v];
    if (!out->node.i && c->s->check) out->node = nrg_stand_in(c->s, &out->type);
    if (!out->node.i) out->node = nrg_expand(c->s->g, nrg_const(c->s->g, 0), nrg_scope_shape(c->s, &out->type), 0);
    return NRG_OK;
}

// ---- derivatives

// What a derivative is taken for: a variable, a local, or anything else by its node. `more` leading axes are added to it
// while e is evaluated again, so that each of their positions has a derivative of its own.
typedef struct {
    int32_t var;   // -1: none
    int64_t local; // its place among the locals, -1: none
    nrg_value v;
} target;

static nrg_status target_of(nrg_call *c, target *t) {
    nrg_scope *s = c->s;
    const nrg_expr *e = nrg_call_expr(c, 1);
    if (c->ins)
        return nrg_fail(s->c, NRG_E037, c->at->span, "%s stands before its inputs: %s(e, v)", c->row->name, c->row->name);
    TRY(nrg_call_input(c, 1, &t->v));
    t->var = var_named(c, 1);
    t->local = -1;
    for (uint32_t k = s->locals.n; e && e->kind == NRG_X_NAME && k-- > s->floor;)
        if (t->local < 0 && nrg_same(s->locals.at[k].name, e->text)) t->local = k;
    return NRG_OK;
}

static nrg_status again(nrg_call *c, target *t, nrg_leads more, nrg_value *e, nrg_node *v) {
    nrg_scope *s = c->s;
    *v = nrg_expand(s->g, t->v.node, nrg_graph_node(s->g, t->v.node)->shape, more);
    nrg_node bound = t->var >= 0 ? s->bound[t->var] : NRG_BAD;
    if (t->local >= 0) s->locals.at[t->local].v[0].node = *v;
    else if (t->var >= 0) s->bound[t->var] = *v;
    nrg_status st = nrg_call_value(c, 0, e);
    if (t->local >= 0) s->locals.at[t->local].v[0] = t->v;
    else if (t->var >= 0) s->bound[t->var] = bound;
    return st;
}

static nrg_leads leads_of(const nrg_scope *s, nrg_node n) {
    return nrg_graph_node(s->g, n)->leads;
}

CALLED(grad) {
    nrg_scope *s = c->s;
    nrg_value e;
    target t;
    TRY(target_of(c, &t));
    TRY(nrg_call_input(c, 0, &e));
    nrg_node v = t.v.node;
    nrg_leads more = leads_of(s, e.node) & ~leads_of(s, v);
    if (more && (t.local >= 0 || t.var >= 0)) TRY(again(c, &t, more, &e, &v));
    TRY(nrg_grad(s->g, e.node, NRG_BAD, &v, 1, &out->node));
    *out = nrg_value_real(t.v.type, out->node);
    return NRG_OK;
}

CALLED(jacobian) {
    nrg_scope *s = c->s;
    nrg_graph *g = s->g;
    nrg_value e;
    target t;
    TRY(target_of(c, &t));
    TRY(nrg_call_input(c, 0, &e));
    if (e.type.rank + t.v.type.rank > NRG_MAX_RANK)
        return nrg_fail(s->c, NRG_E037, c->at->span, "jacobian would make more than %d axes", NRG_MAX_RANK);
    if (t.local < 0 && t.var < 0)
        return nrg_fail(s->c, NRG_E037, nrg_call_span(c, 1),
                        "jacobian needs the name of a variable or an input of the module");
    nrg_type type = nrg_type_of(NRG_REAL, e.type.rank, e.type.axis);
    for (int i = 0; i < t.v.type.rank; i++) type.axis[type.rank++] = t.v.type.axis[i];
    nrg_shape h = nrg_graph_node(g, e.node)->shape, hv = nrg_graph_node(g, t.v.node)->shape;
    int64_t n = nrg_shape_count(&h);
    nrg_leads row, more = leads_of(s, e.node) & ~leads_of(s, t.v.node);
    TRY(nrg_lead_get(s, "row", n, &row));
    nrg_node v, dv = NRG_BAD;
    nrg_status st = again(c, &t, more | row, &e, &v);
    if (st == NRG_OK) { // row k of the new axis asks for the derivative of number k
        nrg_node pick = nrg_reshape(g, nrg_eq(g, nrg_iota(g, n), nrg_iota_lead(g, row)), h);
        st = nrg_grad(g, e.node, pick, &v, 1, &dv);
    }
    nrg_lead_give(s, row);
    TRY(st);
    for (int i = 0; i < hv.rank; i++) h.dim[h.rank++] = hv.dim[i];
    *out = (nrg_value){type, nrg_reshape(g, nrg_lower(g, dv, row, 0), h)};
    return NRG_OK;
}

// ---- fitted transforms: their constants are inputs, bound by whoever fitted them

static const char *first_name(const nrg_expr *e) {
    if (!e) return NULL;
    if (e->kind == NRG_X_NAME) return e->text;
    const char *r = NULL;
    for (uint32_t k = e->kind == NRG_X_CALL ? 1 : 0; k < e->n && !r; k++) r = first_name(e->kid[k]);
    return r;
}

static nrg_status constant_input(nrg_call *c, const char *what, nrg_shape shape, nrg_node *out) {
    const char *array = first_name(nrg_call_expr(c, 0));
    const char *name = nrg_arena_print(&c->s->arena, "%s:%s:%s", c->row->name, array ? array : "", what);
    if (!name) return NRG_E098;
    *out = nrg_input(c->s->g, name, 0, shape);
    return NRG_OK;
}

CALLED(whiten) {
    nrg_graph *g = c->s->g;
    nrg_value x;
    nrg_node mean, matrix;
    TRY(nrg_call_input(c, 0, &x));
    nrg_shape h = nrg_graph_node(g, x.node)->shape;
    int64_t n = nrg_shape_count(&h);
    TRY(constant_input(c, "mean", nrg_shape_of(1, &n), &mean));
    TRY(constant_input(c, "matrix", nrg_shape_of(2, (int64_t[]){n, n}), &matrix));
    nrg_node row = nrg_sub(g, nrg_reshape(g, x.node, nrg_shape_of(1, &n)), mean);
    row = nrg_matmul(g, nrg_reshape(g, row, nrg_shape_of(2, (int64_t[]){1, n})), matrix, false, false, 0);
    *out = nrg_value_real(x.type, nrg_reshape(g, row, h));
    return NRG_OK;
}

CALLED(standardise) {
    nrg_graph *g = c->s->g;
    nrg_value x;
    nrg_node mean, scale;
    TRY(nrg_call_input(c, 0, &x));
    nrg_shape h = nrg_graph_node(g, x.node)->shape;
    TRY(constant_input(c, "mean", h, &mean));
    TRY(constant_input(c, "scale", h, &scale));
    *out = nrg_value_real(x.type, nrg_mul(g, nrg_sub(g, x.node, mean), scale));
    return NRG_OK;
}

// While types are checked and weights resolved nothing is drawn. What is no probability stays as it is: the check of data then finds it.
CALLED(bernoulli) {
    nrg_scope *s = c->s;
    nrg_value p;
    TRY(nrg_call_input(c, 0, &p));
    nrg_shape h = nrg_graph_node(s->g, p.node)->shape;
    *out = nrg_value_real(p.type, p.node);
    if (s->check || s->noise) return NRG_OK;
    if (s->noise_fn) {
        nrg_node fine = nrg_mul(s->g, nrg_le(s->g, nrg_const(s->g, 0), p.node), nrg_le(s->g, p.node, nrg_const(s->g, 1)));
        out->node = nrg_select(s->g, fine, nrg_lt(s->g, s->noise_fn(s->noise_ud, false, h), p.node), p.node);
        return NRG_OK;
    }
    nrg_status st = nrg_fail(s->c, NRG_E037, c->at->span, "bernoulli draws data, and this is no data statement");
    nrg_help(s->c, "write it there: data y = bernoulli(images / 255)");
    return st;
}

// ---- not built yet: their types, for checks

CALLED(augment) {
    return nrg_call_value(c, 0, out);
}

CALLED(skipgrams) {
    return nrg_call_value(c, 0, out);
}

static nrg_status noise(nrg_call *c, nrg_value *out) {
    nrg_scope *s = c->s;
    int n = nrg_call_count(c);
    if (n > NRG_MAX_RANK) return nrg_fail(s->c, NRG_E037, c->at->span, "at most %d axes are possible", NRG_MAX_RANK);
    out->type = (nrg_type){.elem = NRG_REAL, .dim = -1, .rank = n};
    for (int i = 0; i < n; i++) {
        const nrg_expr *e = nrg_call_expr(c, i);
        if (!e) return nrg_fail(s->c, NRG_E037, c->at->span, "%s takes axes only", c->row->name);
        TRY(nrg_axis_of(s->m, e, &out->type.axis[i]));
    }
    if (s->noise_fn && !s->check) out->node = s->noise_fn(s->noise_ud, nrg_same(c->row->name, "normal"), nrg_scope_shape(s, &out->type));
    else out->node = nrg_stand_in(s, &out->type);
    return NRG_OK;
}

CALLED(normal) {
    return noise(c, out);
}

CALLED(uniform) {
    return noise(c, out);
}
