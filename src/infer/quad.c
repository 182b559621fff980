// An energy of degree 2 in joint variables v: E(v) = E(0) + g.v + v.H.v / 2. The gradient at 0 and the blocks of H are read off by
// differentiating once and twice; axes along which nothing is coupled (attributes) need one product for all positions.
#include "infer/inside.h"
#include <string.h>

static int64_t joint_count(nrg_inference *i, nrg_vars vars, nrg_status *st) {
    int64_t n = 0;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!(vars >> v & 1)) continue;
        nrg_shape s = nrg_var_event(i, v, st);
        n += nrg_shape_count(&s);
    }
    return n;
}

// One variable keeps its shape, several lie one after the other in a vector.
static nrg_status joint_shape(nrg_inference *i, nrg_vars vars, nrg_shape *out) {
    nrg_status st = NRG_OK;
    int64_t n = joint_count(i, vars, &st);
    int32_t v = 0;
    *out = nrg_shape_of(1, &n);
    while (!(vars >> v & 1)) v++;
    if (!(vars & (vars - 1))) *out = nrg_var_event(i, v, &st);
    return st;
}

static void split_joint(nrg_inference *i, nrg_vars vars, nrg_node joint, nrg_node *value) {
    int64_t at = 0;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        nrg_status st = NRG_OK;
        if (!(vars >> v & 1)) continue;
        nrg_shape s = nrg_var_event(i, v, &st);
        int64_t n = nrg_shape_count(&s);
        bool alone = !(vars & (vars - 1));
        value[v] =
            alone ? joint : nrg_reshape(i->graph, nrg_slice(i->graph, joint, 0, at, n, 1), s);
        at += n;
    }
}

// The energy with the joint variable at node z (its own shape).
static nrg_status energy_at(nrg_chain *c, int k, nrg_node z, nrg_node *E) {
    nrg_node value[NRG_MAX_VARS] = {{0}};
    split_joint(c->i, c->at[k].vars, z, value);
    nrg_bind_all(c->i, c->at[k].vars, value, false, NULL);
    c->i->holes++;
    nrg_status s = nrg_chain_energy(c, k + 1, E);
    c->i->holes--;
    return s;
}

static bool deeper_depends(nrg_chain *c, int k, nrg_node hole) {
    for (int j = k + 1; j < c->n; j++)
        for (int32_t v = 0; v < NRG_MAX_VARS; v++)
            if (c->at[j].vars >> v & 1 && c->best[v].i &&
                nrg_depends(c->i->graph, c->best[v], hole))
                return true;
    return false;
}

nrg_status nrg_quad_attr(nrg_chain *c, int k, nrg_quad *q) {
    nrg_inference *i = c->i;
    nrg_node E = NRG_BAD;
    const char *name = nrg_loop_name(i, "hole", c->at[k].vars);
    if (!name) return NRG_E098;
    memset(q, 0, sizeof *q);
    q->vars = c->at[k].vars;
    TRY(joint_shape(i, q->vars, &q->joint));
    nrg_node hole = nrg_input(i->graph, name, 0, q->joint);
    TRY(energy_at(c, k, hole, &E));
    TRY(nrg_graph_check(i->graph));
    TRY(nrg_attr_of(i->graph, E, hole, &q->attr));
    if (deeper_depends(c, k, hole))
        q->attr.degree = 3; // min over something deeper: not quadratic even where each piece is
    q->leads = nrg_graph_node(i->graph, E)->leads;
    return NRG_OK;
}

// Separable axes go first and become S, the others B: joint = permute back of [S axes, B axes].
static void cut_blocks(nrg_quad *q) {
    int n = 0;
    q->blocks = q->size = 1;
    for (int pass = 0; pass < 2; pass++) {
        for (int a = 0; a < q->joint.rank; a++) {
            bool apart = q->attr.separable >> a & 1;
            if (apart != (pass == 0)) continue;
            q->order[n++] = a;
            if (apart)
                q->blocks *= q->joint.dim[a];
            else
                q->size *= q->joint.dim[a];
        }
    }
}

static nrg_node from_blocks(nrg_graph *g, const nrg_quad *q, nrg_node z) {
    nrg_shape s = {.rank = q->joint.rank};
    int32_t back[NRG_MAX_RANK] = {0};
    for (int a = 0; a < s.rank; a++) s.dim[a] = q->joint.dim[q->order[a]], back[q->order[a]] = a;
    return nrg_permute(g, nrg_reshape(g, z, s), back);
}

void nrg_quad_split(nrg_inference *i, const nrg_quad *q, nrg_node z, nrg_node *value) {
    split_joint(i, q->vars, from_blocks(i->graph, q, z), value);
}

typedef struct {
    nrg_node hole, E;
} view;

// E as a function of a fresh hole [S, B] with the given leading axes.
static nrg_status look(nrg_chain *c, int k, nrg_quad *q, nrg_leads leads, view *out) {
    nrg_inference *i = c->i;
    int64_t dim[2] = {q->blocks, q->size};
    const char *name = nrg_loop_name(i, "hole", q->vars);
    if (!name) return NRG_E098;
    out->hole = nrg_input(i->graph, name, leads, nrg_shape_of(2, dim));
    TRY(energy_at(c, k, from_blocks(i->graph, q, out->hole), &out->E));
    return nrg_graph_check(i->graph);
}

// Second derivatives: one product per position inside a block, along the basis axis.
static nrg_status second(nrg_graph *g, const nrg_quad *q, view v, nrg_leads basis, nrg_node *H) {
    nrg_node d = NRG_BAD;
    TRY(nrg_grad(g, v.E, NRG_BAD, &v.hole, 1, &d));
    nrg_node along =
        basis ? nrg_eq(g, nrg_iota_lead(g, basis), nrg_iota(g, q->size)) : nrg_const(g, 1);
    nrg_node s = nrg_sum_all(g, nrg_mul(g, d, along));
    TRY(nrg_grad(g, s, NRG_BAD, &v.hole, 1, H));
    if (basis)
        *H = nrg_lower(g, *H, basis, 1); // [S, B', B]
    else
        *H = nrg_reshape(g, *H, nrg_shape_of(1, &q->blocks));
    return nrg_graph_check(g);
}

// Leading axes that a leaf below y really carries, `hole` apart. The others came from broadcasting only.
static nrg_leads leaf_leads(nrg_inference *i, nrg_node y, nrg_node hole, nrg_node *leaf,
                            int *leaves, nrg_leads drop) {
    const nrg_graph *g = i->graph;
    nrg_leads all = 0;
    int room = *leaves;
    uint8_t *seen = nrg_mem(i->ctx, NULL, 0, y.i + 1u);
    *leaves = 0;
    if (!seen) {
        nrg_graph_bad(i->graph, NRG_E098, "out of memory");
        return ~(nrg_leads)0;
    }
    memset(seen, 0, y.i + 1u);
    seen[y.i] = 1;
    for (uint32_t n = y.i; n > 0; n--) {
        const nrg_node_info *x = nrg_graph_node(g, (nrg_node){n});
        if (!seen[n] || n == hole.i) continue;
        for (int k = 0; k < 3; k++) seen[x->in[k].i] = 1;
        if (x->op != NRG_OP_input && x->op != NRG_OP_iota && x->op != NRG_OP_random &&
            x->op != NRG_OP_lift)
            continue;
        all |= x->leads;
        if (x->leads & drop && *leaves < room)
            leaf[(*leaves)++] = (nrg_node){n};
        else if (x->leads & drop)
            all |= drop; // more leaves than room: keep the axes
    }
    nrg_mem(i->ctx, seen, y.i + 1u, 0);
    return all;
}

// H again without the leading axes that only broadcasting gave it, so that one factorisation serves all samples: leaves with such
// axes are set to zero (H does not read them).
static nrg_status slim(nrg_chain *c, nrg_quad *q, view v, nrg_leads basis) {
    nrg_graph *g = c->i->graph;
    enum { ROOM = 64 };
    nrg_node from[ROOM + 1], by[ROOM + 1];
    int none = 0, leaves = ROOM;
    nrg_leads real = leaf_leads(c->i, q->H, v.hole, from, &none, 0) & q->leads,
              drop = q->leads & ~real;
    if (!drop) return NRG_OK;
    leaf_leads(c->i, v.E, v.hole, from, &leaves, drop);
    for (int a = 0; a < leaves; a++) {
        const nrg_node_info *x = nrg_graph_node(g, from[a]);
        by[a] = nrg_filled(g, 0, x->shape, x->leads & ~drop);
    }
    const char *name = nrg_loop_name(c->i, "hole", q->vars);
    int64_t dim[2] = {q->blocks, q->size};
    if (!name) return NRG_E098;
    view w = {nrg_input(g, name, real | basis, nrg_shape_of(2, dim)), NRG_BAD};
    from[leaves] = v.hole;
    by[leaves] = w.hole;
    w.E = nrg_graph_copy(g, g, v.E, from, by, leaves + 1);
    if (!w.E.i || nrg_graph_node(g, w.E)->leads & ~(real | basis))
        return NRG_OK; // an axis comes from elsewhere: keep what we have
    return second(g, q, w, basis, &q->H);
}

nrg_status nrg_quad_make(nrg_chain *c, int k, nrg_quad *q) {
    nrg_graph *g = c->i->graph;
    view v = {NRG_BAD, NRG_BAD};
    nrg_node d = NRG_BAD;
    TRY(nrg_quad_attr(c, k, q));
    cut_blocks(q);
    TRY(look(c, k, q, q->leads, &v));
    TRY(nrg_grad(g, v.E, NRG_BAD, &v.hole, 1, &d));
    int64_t dim[2] = {q->blocks, q->size};
    nrg_node zero = nrg_filled(g, 0, nrg_shape_of(2, dim), q->leads);
    q->g = nrg_graph_copy(g, g, d, &v.hole, &zero, 1);
    nrg_leads basis = q->size > 1 ? nrg_lead_new(g, "basis", q->size) : 0;
    if (basis) TRY(look(c, k, q, q->leads | basis, &v));
    TRY(second(g, q, v, basis, &q->H));
    TRY(slim(c, q, v, basis));
    // Degree 2: H does not read v; what is left of the hole is set to zero.
    zero = nrg_filled(g, 0, nrg_shape_of(2, dim), q->leads | basis);
    if (nrg_depends(g, q->H, v.hole)) q->H = nrg_graph_copy(g, g, q->H, &v.hole, &zero, 1);
    return nrg_graph_check(g);
}
