// Expressions to typed nodes: names, arithmetic, comparisons, pipes. One evaluation finds the type and builds the node.
#include "model/inside.h"

#include <math.h>
#include <string.h>

// ---- names

static nrg_status var_value(nrg_scope *s, const nrg_expr *e, int32_t v, nrg_value *out) {
    const nrg_var *d = &s->m->vars.at[v];
    if (d->role == NRG_WEIGHT && !s->bound[v].i) return nrg_weight_var(s, v, out);
    if (s->own.root && d->role != NRG_WEIGHT) {
        nrg_status st = nrg_fail(s->c, NRG_E011, e->span, "module %s cannot see variable '%s'", s->own.owner, d->name);
        nrg_help(s->c, "modules are closed: give '%s' as an input of the module", d->name);
        return st;
    }
    TRY(nrg_var_type(s->m, v, &out->type));
    out->node = s->bound[v];
    if (out->node.i) return NRG_OK;
    if (s->check) return out->node = nrg_stand_in(s, &out->type), NRG_OK;
    TRY(nrg_graph_check(s->g)); // what should have been bound may have failed to be built
    return nrg_fail(s->c, NRG_E099, e->span, "variable '%s' has no value here", d->name);
}

static nrg_status hyper_value(nrg_scope *s, const nrg_hyper *h, nrg_value *out) {
    if (!h->scheduled || s->use) return *out = nrg_value_number(s, h->to), NRG_OK; // a used model was trained: the end value holds
    const char *name = nrg_arena_print(&s->arena, "hyper:%s", h->name);
    if (!name) return NRG_E098;
    out->type = nrg_type_of(NRG_REAL, 0, NULL);
    out->node = nrg_input(s->g, name, 0, nrg_shape_of(0, NULL));
    return NRG_OK;
}

// Lets belong to the file: they see no index and own no module's weights.
static nrg_status let_value(nrg_scope *s, const nrg_let *l, nrg_value *out) {
    uint32_t floor = s->floor;
    nrg_owner own = s->own;
    s->floor = s->locals.n;
    s->own = (nrg_owner){0};
    nrg_status st = nrg_value_of(s, l->body, out);
    s->floor = floor;
    s->own = own;
    return st;
}

static nrg_status unknown_name(nrg_scope *s, const nrg_expr *e) {
    const nrg_model *m = s->m;
    uint32_t room = m->vars.n + m->dims.n + m->hypers.n + m->lets.n + s->locals.n + s->names.n;
    const char **w = NRG_NEWS(&s->arena, const char *, room + 1);
    int n = 0;
    if (!w) return NRG_E098;
    for (uint32_t i = 0; i < m->vars.n; i++) w[n++] = m->vars.at[i].name;
    for (uint32_t i = 0; i < m->dims.n; i++) w[n++] = m->dims.at[i].name;
    for (uint32_t i = 0; i < m->hypers.n; i++) w[n++] = m->hypers.at[i].name;
    for (uint32_t i = 0; i < m->lets.n; i++) w[n++] = m->lets.at[i].name;
    for (uint32_t i = s->floor; i < s->locals.n; i++) w[n++] = s->locals.at[i].name;
    for (uint32_t i = 0; i < s->names.n; i++) w[n++] = s->names.at[i].name;
    nrg_status st = nrg_fail(s->c, NRG_E011, e->span, "unknown name '%s'", e->text);
    const char *near = nrg_nearest(e->text, w, n);
    if (near) nrg_help(s->c, "did you mean '%s'?", near);
    return st;
}

static nrg_status module_bare(nrg_scope *s, const nrg_expr *e, const char *kind, const char *inputs) {
    nrg_status st = nrg_fail(s->c, NRG_E031, e->span, "%s '%s' is not applied to anything", kind, e->text);
    nrg_help(s->c, "write its inputs: %s(%s)", e->text, inputs);
    return st;
}

static nrg_status name_value(nrg_scope *s, const nrg_expr *e, nrg_value *out) {
    nrg_model *m = s->m;
    int32_t i;
    for (uint32_t k = s->names.n; k-- > 0;)
        if (nrg_same(s->names.at[k].name, e->text)) return *out = s->names.at[k].v, NRG_OK;
    for (uint32_t k = s->locals.n; k-- > s->floor;) {
        const nrg_local *l = &s->locals.at[k];
        if (!nrg_same(l->name, e->text)) continue;
        if (l->n == 1) return *out = l->v[0], NRG_OK;
        return nrg_fail(s->c, NRG_E036, e->span, "'%s' is a cell of a grid: it can only index", e->text);
    }
    if ((i = nrg_model_var(m, e->text)) >= 0) return var_value(s, e, i, out);
    if ((i = nrg_model_let(m, e->text)) >= 0 && !s->own.root) return let_value(s, &m->lets.at[i], out);
    if ((i = nrg_model_hyper(m, e->text)) >= 0) return hyper_value(s, &m->hypers.at[i], out);
    out->type = nrg_type_of(NRG_REAL, 0, NULL);
    if ((i = nrg_model_dim(m, e->text)) >= 0) return nrg_dim_length(s, i, &out->node);
    if (nrg_model_module(m, e->text) >= 0) return module_bare(s, e, "module", "...");
    if (m->energy.name && nrg_same(m->energy.name, e->text)) return nrg_eval_energy(s, &out->node);
    if (nrg_same(e->text, "beta")) return *out = nrg_value_number(s, m->beta), NRG_OK;
    if (nrg_same(e->text, "N")) return *out = nrg_value_number(s, m->rows ? (double)m->rows : 1), NRG_OK;
    bool layer;
    if (nrg_row_find(e->text, &layer)) return module_bare(s, e, layer ? "layer" : "function", "...");
    return unknown_name(s, e);
}

// ---- elementwise operators

nrg_status nrg_need_number(nrg_scope *s, const nrg_expr *at, const char *op, const nrg_value *v) {
    if (v->type.elem != NRG_CATEGORY) return NRG_OK;
    nrg_type t = v->type;
    t.rank = 0;
    nrg_status st = nrg_fail(s->c, NRG_E033, at->span, "a %s is a category, not a number; '%s' has no meaning on it",
                             nrg_type_text(s, &t), op);
    nrg_help(s->c, "index with it (W[..]) or use embed(...)");
    return st;
}

// small's axes at `place` among big's: size-1 axes between, so that the graph broadcasts.
static nrg_node spread(nrg_scope *s, const nrg_value *small, int rank, const int32_t *place) {
    const nrg_shape *h = &nrg_graph_node(s->g, small->node)->shape;
    if (small->type.rank == 0 || small->type.rank == rank || h->rank != small->type.rank) return small->node;
    nrg_shape r = {.rank = rank};
    for (int i = 0; i < rank; i++) r.dim[i] = 1;
    for (int i = 0; i < h->rank; i++) r.dim[place[i]] = h->dim[i];
    return nrg_reshape(s->g, small->node, r);
}

static nrg_status no_fit(nrg_scope *s, nrg_span at, const char *op, const nrg_type *a, const nrg_type *b) {
    const char *ta = nrg_type_text(s, a), *tb = nrg_type_text(s, b);
    nrg_status st = nrg_fail(s->c, NRG_E034, at, "'%s' cannot combine %s with %s", op, ta, tb);
    nrg_fact(s->c, "left  : %s", ta);
    nrg_fact(s->c, "right : %s", tb);
    for (int i = 0; i < a->rank && a->rank == b->rank; i++) {
        const nrg_axis *x = &a->axis[i], *y = &b->axis[i];
        if (x->dim >= 0 && y->dim >= 0 && x->dim != y->dim && x->size == y->size && x->size >= 0) {
            nrg_help(s->c,
                     "the two axes have the same size but are different dims (%s, %s); rename one if they are the same "
                     "thing",
                     nrg_axis_text(s, x), nrg_axis_text(s, y));
            return st;
        }
    }
    nrg_help(s->c, "axes match by name, else by size; every axis of one side must be found, in order, on the other");
    return st;
}

static nrg_status many_fits(nrg_scope *s, nrg_span at, const char *op, const nrg_type *a, const nrg_type *b, bool turn,
                            int ways, const int32_t *place) {
    const nrg_type *small = turn ? b : a, *big = turn ? a : b;
    const char *st = nrg_type_text(s, small), *bt = nrg_type_text(s, big);
    nrg_status r = nrg_fail(s->c, NRG_E043, at, "'%s' cannot tell which %s is meant: %s fits %s in %d ways", op,
                            nrg_axis_text(s, &big->axis[place[0]]), st, bt, ways);
    nrg_fact(s->c, "left  : %s", nrg_type_text(s, a));
    nrg_fact(s->c, "right : %s", nrg_type_text(s, b));
    if (big->rank == 2 && small->rank == 1 && big->axis[0].dim >= 0 && big->axis[0].dim == big->axis[1].dim) {
        const char *v = s->m->dims.at[big->axis[0].dim].name;
        nrg_help(s->c, "say it with indices: each(i in %s, j in %s: %s[i, j] %s %s[j])", v, v, turn ? "J" : "s", op,
                 turn ? "s" : "J");
    } else {
        nrg_help(s->c, "say it with indices: each(i in ..., j in ...: ...)");
    }
    return r;
}

nrg_status nrg_value_align(nrg_scope *s, nrg_span at, const char *op, nrg_value *a, nrg_value *b, nrg_type *t) {
    bool turn = b->type.rank < a->type.rank; // b is the smaller
    nrg_value *small = turn ? b : a, *big = turn ? a : b;
    int32_t place[NRG_MAX_RANK] = {0};
    int maybe, sure = nrg_type_place(&small->type, &big->type, place, &maybe);
    if (sure == 0 && maybe == 0) return no_fit(s, at, op, &a->type, &b->type);
    if (sure > 1) return many_fits(s, at, op, &a->type, &b->type, turn, sure, place);
    *t = big->type;
    for (int i = 0; i < small->type.rank; i++) {
        nrg_axis *x = &t->axis[place[i]];
        const nrg_axis *y = &small->type.axis[i];
        if (x->dim < 0 && (y->dim >= 0 || x->size < 0)) *x = *y;
    }
    small->node = spread(s, small, big->type.rank, place);
    return NRG_OK;
}

static nrg_node power(nrg_scope *s, nrg_node a, nrg_node b) {
    double p;
    if (!nrg_node_number(s, b, &p)) return nrg_pow(s->g, a, b);
    if (p == 1) return a;
    if (p == 2) return nrg_square(s->g, a);
    if (p == 3) return nrg_mul(s->g, nrg_square(s->g, a), a);
    if (p == 4) return nrg_square(s->g, nrg_square(s->g, a));
    if (p == 0.5) return nrg_sqrt(s->g, a);
    if (p == -1) return nrg_recip(s->g, a);
    return nrg_pow(s->g, a, b);
}

static nrg_status arithmetic(nrg_scope *s, const nrg_expr *e, nrg_value *a, nrg_value *b, nrg_value *out) {
    TRY(nrg_need_number(s, e->kid[0], e->op, a));
    TRY(nrg_need_number(s, e->kid[1], e->op, b));
    nrg_type t;
    TRY(nrg_value_align(s, e->at, e->op, a, b, &t));
    nrg_node n = e->op[0] == '+'   ? nrg_add(s->g, a->node, b->node)
                 : e->op[0] == '-' ? nrg_sub(s->g, a->node, b->node)
                 : e->op[0] == '*' ? nrg_mul(s->g, a->node, b->node)
                 : e->op[0] == '/' ? nrg_div(s->g, a->node, b->node)
                                   : power(s, a->node, b->node);
    *out = nrg_value_real(t, n);
    return NRG_OK;
}

// Categories compare with categories of the same dim; an unlabelled dim's places are ordered and have numbers.
static nrg_status may_compare(nrg_scope *s, const nrg_expr *e, const nrg_value *a, const nrg_value *b) {
    bool ca = a->type.elem == NRG_CATEGORY, cb = b->type.elem == NRG_CATEGORY,
         order = e->op[0] == '<' || e->op[0] == '>';
    if (!ca && !cb) return NRG_OK;
    if (ca && cb && a->type.dim != b->type.dim) {
        nrg_type ta = nrg_type_of(NRG_CATEGORY, 0, NULL), tb = ta;
        ta.dim = a->type.dim, tb.dim = b->type.dim;
        nrg_status st = nrg_fail(s->c, NRG_E032, e->at, "'%s' compares a %s with a %s", e->op, nrg_type_text(s, &ta),
                                 nrg_type_text(s, &tb));
        nrg_fact(s->c, "left  : %s", nrg_type_text(s, &a->type));
        nrg_fact(s->c, "right : %s", nrg_type_text(s, &b->type));
        nrg_help(s->c, "compare categories of one dim");
        return st;
    }
    int32_t d = ca ? a->type.dim : b->type.dim;
    bool labels = d >= 0 && s->m->dims.at[d].labels;
    double x;
    if (ca && cb && !(order && labels)) return NRG_OK;
    if (!labels && nrg_node_number(s, ca ? b->node : a->node, &x) && x == floor(x)) return NRG_OK;
    nrg_status st = nrg_need_number(s, e->kid[ca ? 0 : 1], e->op, ca ? a : b);
    if (labels) nrg_help(s->c, "compare with a label: == %s.%s", s->m->dims.at[d].name, s->m->dims.at[d].labels[0]);
    return st;
}

static nrg_status comparison(nrg_scope *s, const nrg_expr *e, nrg_value *a, nrg_value *b, nrg_value *out) {
    TRY(may_compare(s, e, a, b));
    nrg_type t;
    TRY(nrg_value_align(s, e->at, e->op, a, b, &t));
    nrg_graph *g = s->g;
    bool less = e->op[0] == '<' || e->op[0] == '>', turn = e->op[0] == '>', equal = e->op[1] == '=';
    nrg_node x = turn ? b->node : a->node, y = turn ? a->node : b->node;
    nrg_node n = !less ? nrg_eq(g, x, y) : equal ? nrg_le(g, x, y) : nrg_lt(g, x, y);
    if (e->op[0] == '!') n = nrg_sub(g, nrg_const(g, 1), n);
    *out = nrg_value_real(t, n);
    out->type.elem = NRG_TRUTH;
    return NRG_OK;
}

static nrg_status need_truth(nrg_scope *s, const nrg_expr *e, const nrg_value *v) {
    if (v->type.elem == NRG_TRUTH || v->type.elem == NRG_BIT) return NRG_OK;
    nrg_status st = nrg_fail(s->c, NRG_E037, e->span, "%s is %s, but a condition is needed here", nrg_expr_text(s, e),
                             nrg_type_text(s, &v->type));
    nrg_help(s->c, "compare it: == != < <= > >=");
    return st;
}

static nrg_status logic(nrg_scope *s, const nrg_expr *e, nrg_value *a, nrg_value *b, nrg_value *out) {
    TRY(need_truth(s, e->kid[0], a));
    TRY(need_truth(s, e->kid[1], b));
    nrg_type t;
    TRY(nrg_value_align(s, e->at, e->op, a, b, &t));
    *out = nrg_value_real(t, e->op[0] == 'a' ? nrg_mul(s->g, a->node, b->node) : nrg_max(s->g, a->node, b->node));
    out->type.elem = NRG_TRUTH;
    return NRG_OK;
}

static nrg_status binary_value(nrg_scope *s, const nrg_expr *e, nrg_value *out) {
    nrg_value a, b;
    TRY(nrg_value_of(s, e->kid[0], &a));
    TRY(nrg_value_of(s, e->kid[1], &b));
    if (e->op[0] == '@') return nrg_value_product(s, e, &a, &b, out);
    if (strchr("=!<>", e->op[0])) return comparison(s, e, &a, &b, out);
    if (e->op[0] == 'a' || e->op[0] == 'o') return logic(s, e, &a, &b, out);
    return arithmetic(s, e, &a, &b, out);
}

static nrg_status unary_value(nrg_scope *s, const nrg_expr *e, nrg_value *out) {
    nrg_value a;
    TRY(nrg_value_of(s, e->kid[0], &a));
    if (e->op[0] == 'n') {
        TRY(need_truth(s, e->kid[0], &a));
        *out = (nrg_value){a.type, nrg_sub(s->g, nrg_const(s->g, 1), a.node)};
        out->type.elem = NRG_TRUTH;
        return NRG_OK;
    }
    TRY(nrg_need_number(s, e->kid[0], e->op, &a));
    *out = nrg_value_real(a.type, nrg_neg(s->g, a.node));
    return NRG_OK;
}

static nrg_status transpose_value(nrg_scope *s, const nrg_expr *e, nrg_value *out) {
    nrg_value a;
    TRY(nrg_value_of(s, e->kid[0], &a));
    int r = a.type.rank;
    if (r < 2) {
        nrg_status st = nrg_fail(s->c, NRG_E037, e->at, "' swaps the last two axes, but %s is %s",
                                 nrg_expr_text(s, e->kid[0]), nrg_type_text(s, &a.type));
        nrg_help(s->c, "a vector needs no transposing: leave out the '");
        return st;
    }
    *out = a;
    out->type.axis[r - 1] = a.type.axis[r - 2];
    out->type.axis[r - 2] = a.type.axis[r - 1];
    out->node = nrg_transpose(s->g, a.node);
    return NRG_OK;
}

static nrg_status atom_value(nrg_scope *s, const nrg_expr *e, nrg_value *out) {
    uint32_t i = (uint32_t)e->number;
    out->type = nrg_type_of(NRG_REAL, 0, NULL);
    if (i < s->atoms.n) {
        const nrg_shape *shape = &nrg_graph_node(s->g, s->atoms.at[i])->shape; // of criteria: a vector
        nrg_axis axis[NRG_MAX_RANK];
        for (int32_t k = 0; k < shape->rank; k++) axis[k] = (nrg_axis){.dim = -1, .size = shape->dim[k]};
        out->type = nrg_type_of(NRG_REAL, shape->rank, axis);
        return out->node = s->atoms.at[i], NRG_OK;
    }
    if (s->check) return out->node = nrg_stand_in(s, &out->type), NRG_OK;
    TRY(nrg_graph_check(s->g));
    return nrg_fail(s->c, NRG_E099, e->span, "this part of a loss has no value here");
}

static nrg_status pipe_value(nrg_scope *s, const nrg_expr *e, nrg_value *out) {
    nrg_value in;
    TRY(nrg_value_of(s, e->kid[0], &in));
    return nrg_value_apply(s, e->kid[1], &in, 1, out);
}

static nrg_status by_kind(nrg_scope *s, const nrg_expr *e, nrg_value *out) {
    switch (e->kind) {
    case NRG_X_NUMBER: return *out = nrg_value_number(s, e->number), NRG_OK;
    case NRG_X_NAME: return name_value(s, e, out);
    case NRG_X_UNARY: return unary_value(s, e, out);
    case NRG_X_BINARY: return binary_value(s, e, out);
    case NRG_X_PIPE: return pipe_value(s, e, out);
    case NRG_X_CALL: return nrg_value_call(s, e, out);
    case NRG_X_INDEX: return nrg_value_index(s, e, out);
    case NRG_X_TRANSPOSE: return transpose_value(s, e, out);
    case NRG_X_MEMBER: return nrg_value_member(s, e, out);
    case NRG_X_REDUCE: return nrg_value_reduction(s, e, out);
    case NRG_X_ATOM: return atom_value(s, e, out);
    case NRG_X_STRING:
    case NRG_X_SCHEDULE:
    case NRG_X_RANGE:
    case NRG_X_COND: break;
    }
    return nrg_fail(s->c, NRG_E037, e->span, "this has no value of its own here");
}

nrg_status nrg_value_of(nrg_scope *s, const nrg_expr *e, nrg_value *out) {
    nrg_span before = s->span;
    if (s->depth >= NRG_MAX_DEPTH) return nrg_fail(s->c, NRG_E037, e->span, "the expression is nested too deeply");
    s->depth++;
    s->span = e->span;
    nrg_graph_span(s->g, s->span);
    nrg_status st = by_kind(s, e, out);
    if (st == NRG_OK) st = nrg_value_settle(s, out);
    s->span = before;
    nrg_graph_span(s->g, before);
    s->depth--;
    return st;
}

// ---- the doors of the room

nrg_status nrg_eval(nrg_scope *s, const nrg_expr *e, nrg_value *out) {
    uint32_t locals = s->locals.n, floor = s->floor;
    s->floor = locals;
    nrg_status st = nrg_value_of(s, e, out);
    s->locals.n = locals;
    s->floor = floor;
    return st;
}

static nrg_status energy_fn(nrg_scope *s, nrg_node *out) {
    nrg_node in[NRG_MAX_VARS];
    for (int32_t i = 0; i < s->m->energy.n; i++) in[i] = s->bound[s->m->energy.order[i]];
    void *before = nrg_graph_owner(s->g);
    nrg_graph_owner_set(s->g, s); // nrg_weight_node and nrg_apply_module look there
    *out = s->m->energy.fn(s->m->energy.ud, s->g, in, s->m->energy.n);
    nrg_graph_owner_set(s->g, before);
    nrg_value v = {nrg_type_of(NRG_REAL, 0, NULL), *out};
    if (v.node.i && nrg_graph_node(s->g, v.node)->shape.rank)
        return nrg_fail(s->c, NRG_E022, s->m->energy.span, "the energy given in C is not one number per sample");
    TRY(nrg_value_settle(s, &v));
    *out = v.node;
    return NRG_OK;
}

nrg_status nrg_eval_energy(nrg_scope *s, nrg_node *out) {
    nrg_model *m = s->m;
    *out = NRG_BAD;
    if (m->energy.fn) return energy_fn(s, out);
    if (!m->energy.body) return nrg_fail(s->c, NRG_E099, NRG_NOWHERE, "the model has no energy");
    nrg_value v;
    nrg_owner own = s->own;
    s->own = (nrg_owner){0};
    nrg_status st = nrg_eval(s, m->energy.body, &v);
    s->own = own;
    TRY(st);
    if (v.type.rank || v.type.elem == NRG_CATEGORY) {
        st = nrg_fail(s->c, NRG_E022, m->energy.span, "energy %s is %s, but an energy must be one number per sample",
                      m->energy.name ? m->energy.name : "E", nrg_type_text(s, &v.type));
        return st;
    }
    *out = v.node;
    return NRG_OK;
}
