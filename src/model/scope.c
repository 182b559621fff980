// The scope of an evaluation: one graph, the nodes bound to variables, what names stand for.
#include "model/inside.h"

#include <math.h>
#include <string.h>

nrg_status nrg_scope_new(nrg_model *m, nrg_graph *g, nrg_scope **out) {
    *out = NULL;
    nrg_scope *s = nrg_mem(m->ctx, NULL, 0, sizeof *s);
    if (!s) return NRG_E098;
    memset(s, 0, sizeof *s);
    s->m = s->root = m;
    s->inside = "";
    s->g = g;
    s->c = m->ctx;
    s->arena = nrg_arena_make(m->ctx);
    *out = s;
    return NRG_OK;
}

void nrg_scope_free(nrg_scope *s) {
    if (!s) return;
    nrg_arena_free(&s->arena);
    nrg_mem(s->c, s, sizeof *s, 0);
}

nrg_graph *nrg_scope_graph(const nrg_scope *s) {
    return s->g;
}

nrg_model *nrg_scope_model(const nrg_scope *s) {
    return s->m;
}

void nrg_scope_bind(nrg_scope *s, int32_t var, nrg_node node) {
    s->bound[var] = node;
}

nrg_node nrg_scope_bound(const nrg_scope *s, int32_t var) {
    return s->bound[var];
}

void nrg_scope_noise(nrg_scope *s, nrg_noise_fn fn, void *ud) {
    s->noise_fn = fn;
    s->noise_ud = ud;
}

void nrg_scope_hide(nrg_scope *s, int32_t var, nrg_node seen, nrg_node hidden) {
    s->seen[var] = seen;
    s->hidden[var] = hidden;
}

void nrg_scope_hid(const nrg_scope *s, int32_t var, nrg_node *seen, nrg_node *hidden) {
    *seen = s->seen[var];
    *hidden = s->hidden[var];
}

void nrg_scope_atoms(nrg_scope *s, const nrg_node *atoms, uint32_t n) {
    s->atoms.n = 0;
    for (uint32_t i = 0; i < n; i++)
        if (NRG_PUSH(&s->arena, s->atoms, atoms[i]) != NRG_OK) { // reported where the missing atom is read
            nrg_graph_bad(s->g, NRG_E098, "out of memory");
            return;
        }
}

nrg_status nrg_scope_name(nrg_scope *s, const char *name, nrg_type type, nrg_node node) {
    nrg_value v = {type, node};
    for (uint32_t i = 0; i < s->names.n; i++)
        if (nrg_same(s->names.at[i].name, name)) return s->names.at[i].v = v, NRG_OK;
    const char *own = nrg_arena_copy(&s->arena, name, strlen(name));
    if (!own) return NRG_E098;
    return NRG_PUSH(&s->arena, s->names, ((nrg_named){own, v}));
}

nrg_node nrg_scope_param(nrg_scope *s, uint32_t param) {
    const nrg_param *p = &s->root->params.at[param];
    return nrg_input(s->g, p->name, 0, p->shape);
}

// ---- sizes and stand-ins

bool nrg_stands_in(const nrg_scope *s) {
    return s->check;
}

nrg_shape nrg_scope_shape(nrg_scope *s, const nrg_type *t) {
    nrg_shape r = {.rank = t->rank};
    for (int i = 0; i < t->rank; i++) r.dim[i] = t->axis[i].size >= 0 || !s->check ? t->axis[i].size : NRG_GUESS;
    return r;
}

nrg_status nrg_size_known(nrg_scope *s, nrg_span at, const nrg_axis *a, int64_t *n) {
    *n = a->size >= 0 ? a->size : NRG_GUESS;
    if (a->size >= 0 || s->check) return NRG_OK;
    return nrg_fail(s->c, NRG_E099, at, "the size of %s is not known yet", nrg_axis_text(s, a));
}

nrg_node nrg_stand_in(nrg_scope *s, const nrg_type *t) {
    char name[32];
    snprintf(name, sizeof name, "guess:%u", ++s->guesses);
    return nrg_input(s->g, name, NRG_SAMPLE, nrg_scope_shape(s, t));
}

static bool agrees(const nrg_scope *s, const nrg_value *v) {
    const nrg_shape *h = &nrg_graph_node(s->g, v->node)->shape;
    if (!v->node.i || h->rank != v->type.rank) return false;
    for (int i = 0; i < h->rank; i++) {
        int64_t n = v->type.axis[i].size;
        if (n >= 0 ? n != h->dim[i] : !s->check) return false;
    }
    return true;
}

nrg_status nrg_value_settle(nrg_scope *s, nrg_value *v) {
    if (agrees(s, v)) return NRG_OK;
    if (s->check) {
        v->node = nrg_stand_in(s, &v->type);
        return NRG_OK;
    }
    if (v->node.i)
        return nrg_fail(s->c, NRG_E099, s->span, "a value of type %s was lowered to another shape",
                        nrg_type_text(s, &v->type));
    nrg_status st = nrg_graph_check(s->g);
    return st != NRG_OK ? st : nrg_fail(s->c, NRG_E099, s->span, "a value could not be lowered");
}

nrg_value nrg_value_number(nrg_scope *s, double x) {
    return (nrg_value){nrg_type_of(NRG_REAL, 0, NULL), nrg_const(s->g, x)};
}

nrg_value nrg_value_real(nrg_type t, nrg_node n) {
    t.elem = NRG_REAL;
    t.dim = -1;
    return (nrg_value){t, n};
}

bool nrg_node_number(const nrg_scope *s, nrg_node n, double *x) {
    const nrg_node_info *i = nrg_graph_node(s->g, n);
    if (i->op != NRG_OP_const) return false;
    *x = i->par.scalar.value;
    return true;
}

nrg_status nrg_dim_length(nrg_scope *s, int32_t dim, nrg_node *out) {
    const nrg_dim *d = &s->m->dims.at[dim];
    if (d->ragged) { // of a used model: the same name as outside
        char name[256];
        snprintf(name, sizeof name, "length:%s", d->name);
        *out = nrg_input(s->g, name, NRG_SAMPLE, nrg_shape_of(0, NULL));
        return NRG_OK;
    }
    nrg_axis a = nrg_axis_dim(s->m, dim);
    int64_t n;
    TRY(nrg_size_known(s, s->span, &a, &n));
    *out = nrg_const(s->g, (double)n);
    return NRG_OK;
}

nrg_status nrg_missing(nrg_scope *s, nrg_span at, const char *kind, const char *name) {
    return nrg_fail(s->c, NRG_E071, at, "%s '%s' is not supported yet", kind, name);
}
