// Indexing: a[i, j] and labels (Tag.B). An index is a category of the axis it picks from.
#include "model/inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Is the index start + place along one leading axis? Gives that axis, 0 when not.
static nrg_leads along(const nrg_scope *s, nrg_node index, int64_t *start) {
    const nrg_node_info *n = nrg_graph_node(s->g, index);
    double x = 0;
    for (int k = 0; k < 2 && n->op == NRG_OP_add; k++)
        if (nrg_node_number(s, n->in[k], &x)) n = nrg_graph_node(s->g, n->in[!k]);
    *start = (int64_t)x;
    return n->op == NRG_OP_iota && x >= 0 && x < 1e12 ? n->par.iota.lead : 0;
}

// a with event axis `axis` moved to the front.
static nrg_node to_front(nrg_scope *s, nrg_node a, int rank, int axis) {
    int32_t order[NRG_MAX_RANK] = {axis};
    for (int i = 0, k = 1; i < rank; i++)
        if (i != axis) order[k++] = i;
    return axis ? nrg_permute(s->g, a, order) : a;
}

// Places along a lead: a cut of the axis becomes that lead, and no number is moved. Otherwise rows are taken.
static nrg_node pick(nrg_scope *s, nrg_node a, int rank, int axis, const nrg_value *i) {
    int64_t start;
    nrg_leads lead = along(s, i->node, &start);
    nrg_node_info n = *nrg_graph_node(s->g, a);
    int64_t count = lead ? nrg_lead_extent(s->g, lead) : 0;
    if (lead && lead != NRG_SAMPLE && n.shape.rank == rank && !(n.leads & lead) && start + count <= n.shape.dim[axis]) {
        if (start || count != n.shape.dim[axis]) a = nrg_slice(s->g, a, axis, start, count, 1);
        return nrg_lift(s->g, a, axis, lead);
    }
    int ir = i->type.rank;
    nrg_node r = nrg_take(s->g, to_front(s, a, rank, axis), i->node);
    if (!ir || !axis) return r;
    int32_t order[NRG_MAX_RANK]; // [i..., before, after] to [before, i..., after]
    for (int k = 0; k < rank - 1 + ir; k++) order[k] = k < axis ? ir + k : k < axis + ir ? k - axis : k;
    return nrg_permute(s->g, r, order);
}

nrg_status nrg_value_pick(nrg_scope *s, nrg_value *a, int axis, const nrg_value *i) {
    int rank = a->type.rank, ir = i->type.rank;
    if (rank - 1 + ir > NRG_MAX_RANK)
        return nrg_fail(s->c, NRG_E036, s->span, "more than %d axes would come out of this", NRG_MAX_RANK);
    a->node = pick(s, a->node, rank, axis, i);
    nrg_type t = a->type;
    t.rank = rank - 1 + ir;
    for (int k = 0; k < t.rank; k++)
        t.axis[k] = k < axis ? a->type.axis[k] : k < axis + ir ? i->type.axis[k - axis] : a->type.axis[k - ir + 1];
    a->type = t;
    return nrg_value_settle(s, a);
}

// ---- errors

static const char *place_words(nrg_scope *s, const nrg_axis *a) {
    const char *r = a->dim >= 0 ? nrg_arena_print(&s->arena, "a %s", nrg_axis_text(s, a))
                                : nrg_arena_print(&s->arena, "an index of size %s", nrg_axis_text(s, a));
    return r ? r : "an index";
}

static const char *found_words(nrg_scope *s, const nrg_expr *e, const nrg_value *v) {
    const char *r = nrg_type_text(s, &v->type);
    if (e->kind == NRG_X_NUMBER) return "a number";
    return nrg_arena_print(&s->arena, v->type.elem == NRG_CATEGORY ? "a %s" : "%s", r);
}

static nrg_status wrong_index(nrg_scope *s, const nrg_expr *e, uint32_t k, const nrg_type *base, int axis,
                              const nrg_value *i) {
    const nrg_expr *arg = e->kid[k];
    const char *found = found_words(s, arg, i), *shown = nrg_expr_text(s, arg);
    nrg_status st =
        nrg_fail(s->c, NRG_E036, arg->span, "index %u of %s must be %s, but %s is %s", k, nrg_expr_text(s, e->kid[0]),
                 place_words(s, &base->axis[axis]), shown, found ? found : "something else");
    nrg_fact(s->c, "%s : %s", nrg_expr_text(s, e->kid[0]), nrg_type_text(s, base));
    if (arg->kind != NRG_X_NUMBER) nrg_fact(s->c, "%s : %s", shown, nrg_type_text(s, &i->type));
    if (i->type.elem != NRG_CATEGORY) {
        nrg_help(s->c, "an index is a discrete variable or comes from `in`: sum(i in ...: ...); first(D) and last(D) "
                       "are places too");
        return st;
    }
    for (int j = 0; j < base->rank; j++)
        if (j != axis && base->axis[j].dim == i->type.dim && i->type.dim >= 0) {
            nrg_type one = {.elem = NRG_CATEGORY, .dim = i->type.dim};
            nrg_help(s->c, "%s is axis %d; are the indices swapped?", nrg_type_text(s, &one), j + 1);
            return st;
        }
    nrg_help(s->c, "an index must be a category of the axis it picks from");
    return st;
}

static nrg_status too_many(nrg_scope *s, const nrg_expr *e, uint32_t given, const nrg_type *base, nrg_span at) {
    const char *shown = nrg_expr_text(s, e->kid[0]);
    nrg_status st = nrg_fail(s->c, NRG_E036, at, "%s has %d %s, but %u %s given", shown, base->rank,
                             base->rank == 1 ? "axis" : "axes", given, given == 1 ? "index is" : "indices are");
    nrg_fact(s->c, "%s : %s", shown, nrg_type_text(s, base));
    return st;
}

// ---- a[...]

static bool index_fits(const nrg_scope *s, const nrg_axis *axis, const nrg_value *i) {
    if (i->type.elem != NRG_CATEGORY) return false;
    if (axis->dim >= 0 && i->type.dim >= 0) return axis->dim == i->type.dim;
    nrg_axis its = i->type.dim >= 0 ? nrg_axis_dim(s->m, i->type.dim) : nrg_axis_sized(-1);
    return nrg_axis_fit(axis, &its) != NRG_UNFIT;
}

static const nrg_local *cell_of(const nrg_scope *s, const nrg_expr *e) {
    if (e->kind != NRG_X_NAME) return NULL;
    for (uint32_t k = s->locals.n; k-- > s->floor;)
        if (s->locals.at[k].n > 1 && nrg_same(s->locals.at[k].name, e->text)) return &s->locals.at[k];
    return NULL;
}

typedef struct {
    nrg_value at[NRG_MAX_RANK];
    uint32_t kid[NRG_MAX_RANK];
    int n;
} indices;

static nrg_status gather(nrg_scope *s, const nrg_expr *e, const nrg_type *base, indices *is) {
    is->n = 0;
    for (uint32_t k = 1; k < e->n; k++) {
        const nrg_local *cell = cell_of(s, e->kid[k]);
        int more = cell ? cell->n : 1;
        if (is->n + more > base->rank) return too_many(s, e, (uint32_t)(is->n + more), base, e->kid[k]->span);
        for (int j = 0; j < more; j++, is->n++) {
            is->kid[is->n] = k;
            if (cell)
                is->at[is->n] = cell->v[j];
            else
                TRY(nrg_value_of(s, e->kid[k], &is->at[is->n]));
        }
    }
    return NRG_OK;
}

nrg_status nrg_value_index(nrg_scope *s, const nrg_expr *e, nrg_value *out) {
    nrg_value a;
    indices is;
    TRY(nrg_value_of(s, e->kid[0], &a));
    nrg_type base = a.type;
    TRY(gather(s, e, &base, &is));
    for (int k = 0; k < is.n; k++)
        if (!index_fits(s, &base.axis[k], &is.at[k])) return wrong_index(s, e, is.kid[k], &base, k, &is.at[k]);
    for (int k = 0, axis = 0; k < is.n; k++) {
        TRY(nrg_value_pick(s, &a, axis, &is.at[k]));
        axis += is.at[k].type.rank;
    }
    *out = a;
    return NRG_OK;
}

// ---- a.b

static nrg_status label_value(nrg_scope *s, const nrg_expr *e, int32_t dim, nrg_value *out) {
    const nrg_dim *d = &s->m->dims.at[dim];
    for (int64_t i = 0; d->labels && i < d->size; i++)
        if (nrg_same(d->labels[i], e->text)) {
            out->type = (nrg_type){.elem = NRG_CATEGORY, .dim = dim};
            out->node = nrg_const(s->g, (double)i);
            return NRG_OK;
        }
    char *end;
    double place = d->labels ? -1 : nrg_strtod(e->text, &end); // an unlabelled dim's places are numbers: Class.3
    if (!d->labels && *e->text && !*end && place >= 0 && place == floor(place) &&
        (d->size < 0 || place < (double)d->size)) {
        out->type = (nrg_type){.elem = NRG_CATEGORY, .dim = dim};
        out->node = nrg_const(s->g, place);
        return NRG_OK;
    }
    nrg_status st = nrg_fail(s->c, NRG_E011, e->at, "%s has no label '%s'", d->name, e->text);
    const char *near = d->labels ? nrg_nearest(e->text, d->labels, (int)d->size) : NULL;
    if (near)
        nrg_help(s->c, "did you mean '%s'?", near);
    else if (!d->labels)
        nrg_help(s->c, "declare its labels: dim %s = {%s, ...}", d->name, e->text);
    return st;
}

nrg_status nrg_value_member(nrg_scope *s, const nrg_expr *e, nrg_value *out) {
    const nrg_expr *of = e->kid[0];
    int32_t dim = of->kind == NRG_X_NAME ? nrg_model_dim(s->m, of->text) : -1;
    if (dim >= 0) return label_value(s, e, dim, out);
    if (nrg_use_of(s, e)) {
        nrg_status st = nrg_fail(s->c, NRG_E031, e->span, "%s is not applied to anything", nrg_expr_text(s, e));
        nrg_help(s->c, "write its inputs: %s(...)", nrg_expr_text(s, e));
        return st;
    }
    nrg_status st =
        nrg_fail(s->c, NRG_E011, e->span, "only dims and used models have members, not %s", nrg_expr_text(s, of));
    nrg_help(s->c, "a label is written with its dim: Tag.B");
    return st;
}
