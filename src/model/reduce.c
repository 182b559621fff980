// Comprehensions: sum(t in T: body) makes the index a leading axis and reduces over it. Edge sets become groups of such
// axes; what lies beyond a sample's length, or fails the `where`, counts as the reduction's identity.
#include "model/inside.h"

#include <math.h>
#include <string.h>

enum { MAX_LEADS = 12, MAX_GROUPS = 4 };

// One part of what a binder runs over: a box of leading axes, what its names stand for, which places count.
typedef struct {
    nrg_leads lead[2];
    int leads;
    nrg_local at[NRG_MAX_RANK];
    int names;
    nrg_node guard; // bad: all
} group;

typedef enum { SUM, MEAN, PROD, MAX, MIN, LSE, SOFTMIN, EACH, ARGMIN, ARGMAX, NONE } kind;
static const struct {
    const char *name;
    kind kind;
    nrg_op op;
    double identity;
} kinds[] = {
    {"sum", SUM, NRG_OP_sum, 0},
    {"mean", MEAN, NRG_OP_sum, 0},
    {"prod", PROD, NRG_OP_prod, 1},
    {"max", MAX, NRG_OP_rmax, -INFINITY},
    {"min", MIN, NRG_OP_rmin, INFINITY},
    {"logsumexp", LSE, NRG_OP_lse, -INFINITY},
    {"softmin", SOFTMIN, NRG_OP_lse, -INFINITY},
    {"each", EACH, NRG_OP_bad, 0},
    {"argmin", ARGMIN, NRG_OP_argmin, INFINITY},
    {"argmax", ARGMAX, NRG_OP_argmax, -INFINITY},
};

typedef struct {
    nrg_scope *s;
    const nrg_expr *e;
    kind kind;
    nrg_op op;
    double identity;
    nrg_leads all;              // of the binders entered so far
    nrg_leads order[MAX_LEADS]; // in the order of the binders
    int leads;
    nrg_node guard;
    nrg_type type; // of the body
    nrg_node total[64], count[64];
    int n;
} job;

// ---- leading axes, used again when they are free

nrg_status nrg_lead_get(nrg_scope *s, const char *name, int64_t n, nrg_leads *out) {
    for (uint32_t i = 0; i < s->pool.n; i++) {
        nrg_pooled *p = &s->pool.at[i];
        if (p->busy || p->n != n) continue;
        p->busy = true;
        *out = p->lead;
        return NRG_OK;
    }
    *out = nrg_lead_new(s->g, name, n);
    if (!*out) return nrg_graph_check(s->g); // says why
    return NRG_PUSH(&s->arena, s->pool, ((nrg_pooled){*out, n, true}));
}

void nrg_lead_give(nrg_scope *s, nrg_leads lead) {
    for (uint32_t i = 0; i < s->pool.n; i++)
        if (s->pool.at[i].lead == lead) s->pool.at[i].busy = false;
}

// ---- what an index runs over

// The index start + place along lead, a category of dim.
static void index_make(nrg_scope *s, int32_t dim, nrg_leads lead, int64_t start, nrg_value *out) {
    nrg_node node = nrg_iota_lead(s->g, lead);
    if (start) node = nrg_add(s->g, node, nrg_const(s->g, (double)start));
    *out = (nrg_value){(nrg_type){.elem = NRG_CATEGORY, .dim = dim}, node};
}

static nrg_node both(nrg_scope *s, nrg_node a, nrg_node b) {
    return !a.i ? b : !b.i ? a : nrg_mul(s->g, a, b);
}

// Places of a ragged dim count below the sample's length.
static nrg_status within(nrg_scope *s, const nrg_value *i, nrg_node *guard) {
    if (!s->m->dims.at[i->type.dim].ragged) return NRG_OK;
    nrg_node len;
    TRY(nrg_dim_length(s, i->type.dim, &len));
    *guard = both(s, *guard, nrg_lt(s->g, i->node, len));
    return NRG_OK;
}

static nrg_status group_lead(nrg_scope *s, group *g, int32_t dim, int64_t n) {
    TRY(nrg_lead_get(s, s->m->dims.at[dim].name, n < 0 ? 0 : n, &g->lead[g->leads]));
    g->leads++;
    return NRG_OK;
}

// `names` neighbours in a row along one dim: a dim itself (1), chain (2), windows (any).
static nrg_status runs(nrg_scope *s, int32_t dim, int64_t n, int names, group *g) {
    TRY(group_lead(s, g, dim, n - names + 1));
    for (int k = 0; k < names; k++) {
        g->at[k].n = 1;
        index_make(s, dim, g->lead[0], k, &g->at[k].v[0]);
    }
    g->names = names;
    return within(s, &g->at[names - 1].v[0], &g->guard);
}

// The edge that closes a ring: from the last place to the first.
static nrg_status closing(nrg_scope *s, int32_t dim, group *g) {
    nrg_node len;
    TRY(nrg_dim_length(s, dim, &len));
    nrg_type t = {.elem = NRG_CATEGORY, .dim = dim};
    nrg_node last = nrg_max(s->g, nrg_sub(s->g, len, nrg_const(s->g, 1)), nrg_const(s->g, 0));
    g->at[0] = (nrg_local){.v = {{t, last}}, .n = 1};
    g->at[1] = (nrg_local){.v = {{t, nrg_const(s->g, 0)}}, .n = 1};
    g->names = 2;
    if (s->m->dims.at[dim].ragged) g->guard = nrg_lt(s->g, nrg_const(s->g, 0), len); // no place, no edge
    return NRG_OK;
}

// All pairs i < j.
static nrg_status pairs(nrg_scope *s, int32_t dim, int64_t n, group *g) {
    for (int k = 0; k < 2; k++) {
        TRY(group_lead(s, g, dim, n));
        g->at[k].n = 1;
        index_make(s, dim, g->lead[k], 0, &g->at[k].v[0]);
    }
    g->names = 2;
    g->guard = nrg_lt(s->g, g->at[0].v[0].node, g->at[1].v[0].node);
    return within(s, &g->at[1].v[0], &g->guard);
}

// Neighbouring cells of a grid: p at (i + pi, j + pj), q at (i + qi, j + qj) of an (h - di) x (w - dj) box.
static nrg_status cells(nrg_scope *s, const int32_t *dim, const int64_t *n, const int *p, const int *q, group *g) {
    for (int a = 0; a < 2; a++) TRY(group_lead(s, g, dim[a], n[a] - (p[a] != q[a])));
    for (int a = 0; a < 2; a++) {
        index_make(s, dim[a], g->lead[a], p[a], &g->at[0].v[a]);
        index_make(s, dim[a], g->lead[a], q[a], &g->at[1].v[a]);
        TRY(within(s, p[a] > q[a] ? &g->at[0].v[a] : &g->at[1].v[a], &g->guard));
    }
    g->at[0].n = g->at[1].n = g->names = 2;
    return NRG_OK;
}

static nrg_status no_set(nrg_scope *s, const nrg_expr *over) {
    nrg_status st = nrg_fail(s->c, NRG_E015, over->span, "an index cannot run over %s", nrg_expr_text(s, over));
    nrg_help(s->c, "use a dim, chain(T), ring(T), complete(V), grid4(H, W), grid8(H, W), windows(T, n) or span(i, j)");
    return st;
}

static nrg_status dim_arg(nrg_scope *s, const nrg_expr *over, uint32_t k, int32_t *dim, int64_t *n) {
    *dim = k < over->n && over->kid[k]->kind == NRG_X_NAME ? nrg_model_dim(s->m, over->kid[k]->text) : -1;
    if (*dim < 0) return no_set(s, over);
    nrg_axis a = nrg_axis_dim(s->m, *dim);
    return nrg_size_known(s, over->span, &a, n);
}

static nrg_status grid_groups(nrg_scope *s, const nrg_expr *over, bool eight, group *g, int *n) {
    static const int p[4][2] = {{0, 0}, {0, 0}, {0, 0}, {0, 1}}, q[4][2] = {{0, 1}, {1, 0}, {1, 1}, {1, 0}};
    int32_t dim[2];
    int64_t size[2];
    if (over->n != 3) return no_set(s, over);
    for (uint32_t a = 0; a < 2; a++) TRY(dim_arg(s, over, a + 1, &dim[a], &size[a]));
    *n = eight ? 4 : 2;
    for (int k = 0; k < *n; k++) TRY(cells(s, dim, size, p[k], q[k], &g[k]));
    return NRG_OK;
}

// span(i, j): the places from i to j, both included.
static nrg_status span_group(nrg_scope *s, const nrg_expr *over, group *g) {
    nrg_value end[2];
    if (over->n != 3) return no_set(s, over);
    for (uint32_t k = 0; k < 2; k++) {
        TRY(nrg_value_of(s, over->kid[k + 1], &end[k]));
        if (end[k].type.elem != NRG_CATEGORY || end[k].type.rank || end[k].type.dim < 0) return no_set(s, over);
    }
    if (end[0].type.dim != end[1].type.dim) return no_set(s, over);
    int32_t dim = end[0].type.dim;
    nrg_axis a = nrg_axis_dim(s->m, dim);
    int64_t n;
    TRY(nrg_size_known(s, over->span, &a, &n));
    TRY(runs(s, dim, n, 1, g));
    nrg_node t = g->at[0].v[0].node;
    g->guard = both(s, g->guard, nrg_mul(s->g, nrg_le(s->g, end[0].node, t), nrg_le(s->g, t, end[1].node)));
    return NRG_OK;
}

// Segments, trees, paths: their algorithms come with factor graphs; a check needs only the kinds of the indices.
static nrg_status iterable(nrg_scope *s, const nrg_expr *over, const nrg_var *v, bool chain, group *g) {
    nrg_domain_kind d = v->domain.kind;
    bool segments = d == NRG_DOM_SEGMENTS, pairs_of = d >= NRG_DOM_MONOTONE && d <= NRG_DOM_PATH;
    if (!(segments || pairs_of) || v->rank < 1 || (chain && !segments)) return no_set(s, over);
    if (!nrg_stands_in(s)) return nrg_missing(s, over->span, "a sum over the parts of", v->name);
    nrg_axis first;
    TRY(nrg_axis_of(s->m, v->axes[0], &first));
    g->names = segments && !chain ? 3 : 2;
    for (int k = 0; k < g->names; k++) {
        nrg_type t = {.elem = NRG_CATEGORY, .dim = chain || k == 2 ? v->category : first.dim};
        g->at[k] = (nrg_local){.v = {{t, nrg_stand_in(s, &t)}}, .n = 1};
    }
    return NRG_OK;
}

static const nrg_var *variable_named(const nrg_scope *s, const nrg_expr *e) {
    int32_t v = e->kind == NRG_X_NAME ? nrg_model_var(s->m, e->text) : -1;
    return v >= 0 ? &s->m->vars.at[v] : NULL;
}

static nrg_status edge_groups(nrg_scope *s, const nrg_expr *over, group *g, int *n) {
    const char *name = over->kid[0]->kind == NRG_X_NAME ? over->kid[0]->text : "";
    int32_t dim;
    int64_t size;
    if (nrg_same(name, "grid4") || nrg_same(name, "grid8")) return grid_groups(s, over, name[4] == '8', g, n);
    if (nrg_same(name, "span")) return span_group(s, over, g);
    bool windows = nrg_same(name, "windows"), ring = nrg_same(name, "ring"), chain = nrg_same(name, "chain");
    if (!windows && !ring && !chain && !nrg_same(name, "complete")) return no_set(s, over);
    if (over->n != (windows ? 3 : 2)) return no_set(s, over);
    const nrg_var *v = variable_named(s, over->kid[1]);
    if (chain && v) return iterable(s, over, v, true, g);
    TRY(dim_arg(s, over, 1, &dim, &size));
    if (windows) {
        double width;
        TRY(nrg_eval_number(s->m, over->kid[2], &width));
        if (!(width >= 1 && width <= NRG_MAX_RANK && width == floor(width)))
            return nrg_fail(s->c, NRG_E015, over->kid[2]->span, "windows take 1 to %d places, not %g", NRG_MAX_RANK,
                            width);
        return runs(s, dim, size, (int)width, g);
    }
    if (nrg_same(name, "complete")) return pairs(s, dim, size, g);
    *n = ring ? 2 : 1;
    TRY(runs(s, dim, size, 2, &g[0]));
    return ring ? closing(s, dim, &g[1]) : NRG_OK;
}

static nrg_status binder_groups(nrg_scope *s, const nrg_binder *b, group *g, int *n) {
    const nrg_expr *over = b->over;
    memset(g, 0, MAX_GROUPS * sizeof *g);
    *n = 1;
    nrg_status st = NRG_OK;
    const nrg_var *v = variable_named(s, over);
    if (v) {
        st = iterable(s, over, v, false, g);
    } else if (over->kind == NRG_X_CALL) {
        st = edge_groups(s, over, g, n);
    } else {
        int32_t dim = over->kind == NRG_X_NAME ? nrg_model_dim(s->m, over->text) : -1;
        if (dim < 0) return no_set(s, over);
        nrg_axis a = nrg_axis_dim(s->m, dim);
        int64_t size;
        TRY(nrg_size_known(s, over->span, &a, &size));
        st = runs(s, dim, size, 1, g);
    }
    TRY(st);
    if ((uint32_t)g->names == b->n) return NRG_OK;
    st =
        nrg_fail(s->c, NRG_E018, b->spans ? b->spans[0] : over->span, "%s gives %d %s, but %u %s named",
                 nrg_expr_text(s, over), g->names, g->names == 1 ? "index" : "indices", b->n, b->n == 1 ? "is" : "are");
    return st;
}

// ---- bodies

static nrg_node filled(job *j, nrg_value *v, nrg_node guard) {
    nrg_graph *g = j->s->g;
    nrg_node n = v->node;
    if (guard.i) n = nrg_select(g, guard, n, nrg_const(g, j->identity));
    nrg_leads missing = j->all & ~nrg_graph_node(g, n)->leads;
    return missing && n.i ? nrg_expand(g, n, nrg_graph_node(g, n)->shape, missing) : n;
}

static void counted(job *j, nrg_node guard, nrg_node *out) {
    nrg_value one = nrg_value_number(j->s, 1);
    double identity = j->identity;
    j->identity = 0;
    *out = filled(j, &one, guard);
    if (j->all) *out = nrg_reduce(j->s->g, NRG_OP_sum, *out, 0, j->all, false);
    j->identity = identity;
}

static nrg_status guard_of(job *j, nrg_node *guard) {
    const nrg_expr *where = j->e->n > 1 ? j->e->kid[1] : NULL;
    *guard = j->guard;
    if (!where) return NRG_OK;
    nrg_value w;
    TRY(nrg_value_of(j->s, where, &w));
    if (w.type.rank || (w.type.elem != NRG_TRUTH && w.type.elem != NRG_BIT)) {
        nrg_status st = nrg_fail(j->s->c, NRG_E037, where->span, "`where` needs one condition, but %s is %s",
                                 nrg_expr_text(j->s, where), nrg_type_text(j->s, &w.type));
        nrg_help(j->s->c, "compare: == != < <= > >=");
        return st;
    }
    *guard = both(j->s, *guard, w.node);
    return NRG_OK;
}

static nrg_status body(job *j) {
    nrg_scope *s = j->s;
    nrg_value v;
    nrg_node guard;
    TRY(nrg_value_of(s, j->e->kid[0], &v));
    TRY(guard_of(j, &guard));
    if (j->kind != EACH) TRY(nrg_need_number(s, j->e->kid[0], j->e->text, &v));
    if ((j->kind == ARGMIN || j->kind == ARGMAX) && v.type.rank)
        return nrg_fail(s->c, NRG_E019, j->e->kid[0]->span, "%s needs one number for each index, but its body is %s",
                        j->e->text, nrg_type_text(s, &v.type));
    if (j->n == (int)(sizeof j->total / sizeof *j->total))
        return nrg_fail(s->c, NRG_E071, j->e->span, "so many edge sets in one %s are not supported", j->e->text);
    j->type = v.type;
    if (j->kind == SOFTMIN) v.node = nrg_neg(s->g, v.node);
    if (j->kind == EACH && !(j->e->n > 1 && j->e->kid[1]))
        guard = NRG_BAD; // padding stays: who reduces later leaves it out
    nrg_node n = filled(j, &v, guard);
    if (j->kind == MEAN) counted(j, guard, &j->count[j->n]);
    if (j->kind == EACH) {
        for (int k = 0; k < j->leads; k++) n = nrg_lower(s->g, n, j->order[k], k);
    } else if (j->all) {
        n = nrg_reduce(s->g, j->op, n, 0, j->all, false);
    }
    j->total[j->n++] = n;
    return NRG_OK;
}

static nrg_status enter(job *j, uint32_t binder);

static nrg_status group_enter(job *j, uint32_t binder, const group *g) {
    nrg_scope *s = j->s;
    const nrg_binder *b = &j->e->binder[binder];
    uint32_t locals = s->locals.n;
    nrg_leads all = j->all;
    nrg_node guard = j->guard;
    int leads = j->leads;
    for (int k = 0; k < g->names; k++) {
        nrg_local l = g->at[k];
        l.name = b->names[k];
        TRY(NRG_PUSH(&s->arena, s->locals, l));
    }
    for (int k = 0; k < g->leads; k++) {
        if (j->leads == MAX_LEADS)
            return nrg_fail(s->c, NRG_E071, j->e->span, "more than %d indices in one %s", MAX_LEADS, j->e->text);
        j->order[j->leads++] = g->lead[k];
        j->all |= g->lead[k];
    }
    j->guard = both(s, guard, g->guard);
    nrg_status st = enter(j, binder + 1);
    s->locals.n = locals;
    j->all = all;
    j->leads = leads;
    j->guard = guard;
    return st;
}

// Runs the rest of the binders for every group of this one.
static nrg_status enter(job *j, uint32_t binder) {
    if (binder == j->e->binders) return body(j);
    group g[MAX_GROUPS];
    int n;
    uint32_t locals = j->s->locals.n;
    nrg_status st = binder_groups(j->s, &j->e->binder[binder], g, &n);
    for (int k = 0; k < n && st == NRG_OK; k++) st = group_enter(j, binder, &g[k]);
    for (int k = 0; k < MAX_GROUPS; k++)
        for (int i = 0; i < g[k].leads; i++) nrg_lead_give(j->s, g[k].lead[i]);
    j->s->locals.n = locals;
    return st;
}

// ---- results of several groups together

static nrg_node lse_join(nrg_scope *s, const nrg_node *x, int n) {
    nrg_node all = NRG_BAD;
    for (int k = 0; k < n; k++) {
        nrg_shape h = nrg_graph_node(s->g, x[k])->shape;
        if (h.rank == NRG_MAX_RANK) return NRG_BAD;
        for (int i = h.rank++; i > 0; i--) h.dim[i] = h.dim[i - 1];
        h.dim[0] = 1;
        nrg_node row = nrg_reshape(s->g, x[k], h);
        all = k ? nrg_concat(s->g, all, row, 0) : row;
    }
    return nrg_reduce(s->g, NRG_OP_lse, all, 1, 0, false);
}

static nrg_node join(job *j, const nrg_node *x) {
    nrg_graph *g = j->s->g;
    if (j->op == NRG_OP_lse && j->n > 1) return lse_join(j->s, x, j->n);
    nrg_node r = x[0];
    for (int k = 1; k < j->n; k++)
        r = j->op == NRG_OP_prod   ? nrg_mul(g, r, x[k])
            : j->op == NRG_OP_rmax ? nrg_max(g, r, x[k])
            : j->op == NRG_OP_rmin ? nrg_min(g, r, x[k])
                                   : nrg_add(g, r, x[k]);
    return r;
}

static nrg_status only_dims(job *j) {
    const nrg_expr *e = j->e;
    if (j->kind == EACH && e->binders > NRG_MAX_RANK)
        return nrg_fail(j->s->c, NRG_E019, e->span, "each has too many indices");
    for (uint32_t i = 0; i < e->binders; i++) {
        const nrg_expr *over = e->binder[i].over;
        bool dim = over->kind == NRG_X_NAME && nrg_model_dim(j->s->m, over->text) >= 0;
        if (dim && (j->kind == EACH || e->binders == 1)) continue;
        nrg_status st = nrg_fail(j->s->c, NRG_E019, over->span, "%s runs over %s, not over %s", e->text,
                                 j->kind == EACH ? "dims" : "one dim", nrg_expr_text(j->s, over));
        nrg_help(j->s->c, "write %s(k in K: ...) with a dim K", e->text);
        return st;
    }
    return NRG_OK;
}

static nrg_status each_type(job *j, nrg_type *t) {
    const nrg_expr *e = j->e;
    if ((int)e->binders + j->type.rank > NRG_MAX_RANK)
        return nrg_fail(j->s->c, NRG_E019, e->span, "each would make more than %d axes", NRG_MAX_RANK);
    *t = j->type;
    t->rank = (int32_t)e->binders + j->type.rank;
    for (int k = 0; k < j->type.rank; k++) t->axis[(int)e->binders + k] = j->type.axis[k];
    for (uint32_t k = 0; k < e->binders; k++)
        t->axis[k] = nrg_axis_dim(j->s->m, nrg_model_dim(j->s->m, e->binder[k].over->text));
    return NRG_OK;
}

static nrg_status finish(job *j, nrg_value *out) {
    nrg_graph *g = j->s->g;
    out->node = join(j, j->total);
    out->type = j->type;
    if (j->kind == EACH) return each_type(j, &out->type);
    if (j->kind == MEAN)
        out->node = nrg_div(g, out->node, nrg_max(g, join(j, j->count), nrg_const(g, 1))); // of nothing: 0
    if (j->kind == SOFTMIN) out->node = nrg_neg(g, out->node);
    out->type.elem = NRG_REAL;
    if (j->kind == ARGMIN || j->kind == ARGMAX) {
        out->type.elem = NRG_CATEGORY;
        out->type.dim = nrg_model_dim(j->s->m, j->e->binder[0].over->text);
    }
    return NRG_OK;
}

nrg_status nrg_value_reduction(nrg_scope *s, const nrg_expr *e, nrg_value *out) {
    job j = {.s = s, .e = e, .kind = NONE, .guard = NRG_BAD};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (nrg_same(kinds[i].name, e->text))
            j.kind = kinds[i].kind, j.op = kinds[i].op, j.identity = kinds[i].identity;
    if (j.kind == NONE) {
        nrg_status st = nrg_fail(s->c, NRG_E011, e->at, "unknown reduction '%s'", e->text);
        nrg_help(s->c, "there are: sum mean prod max min logsumexp softmin each argmin argmax");
        return st;
    }
    if (j.kind == EACH || j.kind == ARGMIN || j.kind == ARGMAX) TRY(only_dims(&j));
    TRY(enter(&j, 0));
    return finish(&j, out);
}

// ---- event axes

nrg_node nrg_value_masked(nrg_scope *s, const nrg_value *v, uint32_t axes, double instead) {
    nrg_node n = v->node;
    for (int i = 0; i < v->type.rank; i++) {
        int32_t d = v->type.axis[i].dim;
        if (!(axes >> i & 1) || d < 0 || !s->m->dims.at[d].ragged || !n.i) continue;
        const nrg_shape *h = &nrg_graph_node(s->g, n)->shape;
        if (h->rank != v->type.rank) return NRG_BAD;
        nrg_node len;
        if (nrg_dim_length(s, d, &len) != NRG_OK) return NRG_BAD;
        nrg_shape col = {.rank = v->type.rank - i, .dim = {h->dim[i]}};
        for (int k = 1; k < col.rank; k++) col.dim[k] = 1;
        nrg_node in = nrg_reshape(s->g, nrg_lt(s->g, nrg_iota(s->g, h->dim[i]), len), col);
        n = nrg_select(s->g, in, n, nrg_const(s->g, instead));
    }
    return n;
}

nrg_status nrg_value_reduce(nrg_scope *s, nrg_value *v, nrg_op op, uint32_t axes) {
    double identity = op == NRG_OP_prod                          ? 1
                      : op == NRG_OP_sum                         ? 0
                      : op == NRG_OP_rmin || op == NRG_OP_argmin ? INFINITY
                                                                 : -INFINITY;
    nrg_node n = nrg_value_masked(s, v, axes, identity);
    v->node = axes ? nrg_reduce(s->g, op, n, axes, 0, false) : n;
    for (int i = v->type.rank; i-- > 0;)
        if (axes >> i & 1) nrg_type_drop(&v->type, i);
    v->type.elem = NRG_REAL;
    return nrg_value_settle(s, v);
}
