// Groups of elementwise nodes that become one step each, and the order in which steps are made.
//
//   Nodes of equal leading axes, shape and phase join when one reads the other and no path leads out of the group and back
//   into it. Smaller operands are broadcast while they are loaded.
//
//   A cheap value that only one other group reads is not kept but made again there: a new weight is computed from its
//   gradient where the norm of all gradients is known. The sum of all numbers of a member is made while they are at hand.
#include "plan/steps.h"
#include <string.h>

typedef struct {
    nrg_planner *w;
    uint32_t *next;   // next member of the same group (a ring)
    uint32_t *seen;   // stamps of the search
    uint32_t *stack;
    uint32_t stamp;
    int *members, *leaves, *sums, *level; // by group
} fuser;

static const nrg_node_info *info(const nrg_planner *w, uint32_t n) { return nrg_graph_node(w->p->graph, (nrg_node){n}); }

static void push(fuser *f, uint32_t *top, uint32_t n) {
    if (f->seen[n] == f->stamp) return;
    f->seen[n] = f->stamp;
    f->stack[(*top)++] = n;
}

// Does anything on the stack depend on group G? Groups met on the way count as a whole.
static bool reaches(fuser *f, uint32_t top, uint32_t G) {
    while (top) {
        uint32_t n = f->stack[--top], H = f->w->group[n];
        if (H == G) return true;
        if (f->w->level[n] < f->level[G]) continue;
        const nrg_node_info *v = info(f->w, n);
        for (int i = 0; i < nrg_plan_arity(v->op); i++) push(f, &top, v->in[i].i);
        if (H)
            for (uint32_t m = f->next[n]; m != n; m = f->next[m]) push(f, &top, m);
    }
    return false;
}

// May v (already known to read a member of G) become a member? Not if another operand depends on G from outside.
static bool may_join(fuser *f, uint32_t n, uint32_t G, int *leaves) {
    const nrg_node_info *v = info(f->w, n);
    uint32_t top = 0;
    f->stamp++;
    *leaves = 0;
    for (int i = 0; i < nrg_plan_arity(v->op); i++)
        if (f->w->group[v->in[i].i] != G) {
            push(f, &top, v->in[i].i);
            (*leaves)++;
        }
    return f->members[G] < NRG_TILE_OPS && f->leaves[G] + *leaves <= NRG_TILE_LEAVES && !reaches(f, top, G);
}

// Does a member of group A depend on group B through nodes outside both?
static bool detour(fuser *f, uint32_t a, uint32_t A, uint32_t B) {
    uint32_t top = 0, m = a;
    f->stamp++;
    do {
        const nrg_node_info *v = info(f->w, m);
        for (int i = 0; i < nrg_plan_arity(v->op); i++) {
            uint32_t o = v->in[i].i;
            if (f->w->group[o] != A && f->w->group[o] != B) push(f, &top, o);
        }
        m = f->next[m];
    } while (m != a);
    return reaches(f, top, B);
}

static void merge(fuser *f, uint32_t n, uint32_t o) {
    nrg_planner *w = f->w;
    uint32_t G = w->group[n], H = w->group[o];
    if (f->members[G] + f->members[H] > NRG_TILE_OPS || f->leaves[G] + f->leaves[H] > NRG_TILE_LEAVES) return;
    if (detour(f, n, G, H) || detour(f, o, H, G)) return;
    f->members[G] += f->members[H];
    f->leaves[G] += f->leaves[H];
    for (uint32_t m = f->next[o]; w->group[m] != G; m = f->next[m]) w->group[m] = G;
    uint32_t t = f->next[n];
    f->next[n] = f->next[o];
    f->next[o] = t;
}

static void place(fuser *f, uint32_t n) {
    nrg_planner *w = f->w;
    const nrg_node_info *v = info(w, n);
    int leaves = 0, arity = nrg_plan_arity(v->op);
    uint32_t fresh = ++w->groups;
    f->next[n] = n;
    f->level[fresh] = w->level[n];
    for (int i = 0; i < arity; i++) {
        uint32_t o = v->in[i].i, G = w->group[o];
        if (!G || G == w->group[n] || w->level[o] != w->level[n] || !nrg_plan_same_space(v, info(w, o))) continue;
        if (w->group[n]) {
            merge(f, n, o);
            continue;
        }
        if (!may_join(f, n, G, &leaves)) continue;
        w->group[n] = G;
        f->members[G]++;
        f->leaves[G] += leaves;
        f->next[n] = f->next[o];
        f->next[o] = n;
    }
    if (w->group[n]) return;
    w->group[n] = fresh;
    f->members[fresh] = 1;
    f->leaves[fresh] = arity;
}

// Groups without samples that read the same value of a third one become one: all that becomes of a gradient is one pass.
static void join_readers(fuser *f, uint32_t *reader) {
    nrg_planner *w = f->w;
    for (uint32_t i = 1; i <= nrg_graph_size(w->p->graph); i++) {
        const nrg_node_info *v = info(w, i);
        if (!w->used[i] || !w->group[i] || (w->level[i] & 1)) continue;
        for (int k = 0; k < nrg_plan_arity(v->op); k++) {
            uint32_t o = v->in[k].i, G = w->group[o];
            if (!G || G == w->group[i] || w->level[o] != w->level[i] || !nrg_plan_same_space(v, info(w, o))) continue;
            if (reader[G] && w->group[reader[G]] != w->group[i] && w->group[reader[G]] != G) merge(f, reader[G], i);
            else reader[G] = i;
        }
    }
    memset(reader, 0, (nrg_graph_size(w->p->graph) + 1) * sizeof *reader);
}

// Emits the unit of n after everything that it reads.
static void emit(fuser *f, uint32_t n) {
    nrg_planner *w = f->w;
    uint32_t m = n;
    if (f->seen[n]) return;
    do {
        f->seen[m] = 1;
        m = w->group[n] ? f->next[m] : n;
    } while (m != n);
    uint32_t last = n;
    do {
        const nrg_node_info *v = info(w, m);
        for (int i = 0; i < nrg_plan_arity(v->op); i++) emit(f, v->in[i].i);
        if (m > last) last = m;
        m = w->group[n] ? f->next[m] : n;
    } while (m != n);
    w->order[w->order_n++] = last;
}

// ---- values made again

static bool cheap(nrg_op op) {
    switch (op) {
    case NRG_OP_exp: case NRG_OP_log: case NRG_OP_tanh: case NRG_OP_sigmoid: case NRG_OP_softplus: case NRG_OP_sin: case NRG_OP_cos:
    case NRG_OP_pow: return false;
    default: return true;
    }
}

static bool has_copy(const nrg_planner *w, uint32_t group, uint32_t n) {
    for (uint32_t i = w->copies.n; i > 0; i--)
        if (w->copies.at[i - 1].group == group && w->copies.at[i - 1].node == n) return true;
    return false;
}

static bool reads(const nrg_planner *w, uint32_t i, uint32_t n) {
    const nrg_node_info *v = info(w, i);
    for (int k = 0; k < nrg_plan_arity(v->op); k++)
        if (v->in[k].i == n) return true;
    return false;
}

// Does the group of node h, or what it makes again, read n?
static bool group_reads(const fuser *f, uint32_t h, uint32_t n) {
    const nrg_planner *w = f->w;
    bool any = reads(w, h, n);
    for (uint32_t m = f->next[h]; m != h && !any; m = f->next[m]) any = reads(w, m, n);
    for (uint32_t i = 0; i < w->copies.n && !any; i++) any = w->copies.at[i].group == w->group[h] && reads(w, w->copies.at[i].node, n);
    return any;
}

// Puts n and what it reads in its own group into the group of node h. At most one operand as large as n may be new to it: then
// no more is read than before, and n is not written.
static nrg_status make_again(fuser *f, uint32_t n, uint32_t h) {
    nrg_planner *w = f->w;
    uint32_t top = 0, G = w->group[n], H = w->group[h], from = w->copies.n;
    int fresh = 0, leaves = 0, members = 0;
    bool fits = true;
    f->stamp++;
    push(f, &top, n);
    while (top && fits) {
        uint32_t m = f->stack[--top];
        const nrg_node_info *v = info(w, m);
        if (w->group[m] != G) {
            leaves++;
            if (nrg_node_count(w->p->graph, (nrg_node){m}) > 1 && nrg_plan_same_space(v, info(w, n)) && !group_reads(f, h, m)) fresh++;
            continue;
        }
        if (has_copy(w, H, m)) continue;
        members++;
        fits = cheap(v->op) && members + f->members[H] <= NRG_TILE_OPS && fresh < 2;
        TRY(NRG_PUSH(&w->p->arena, w->copies, ((nrg_copy){H, m})));
        for (int i = 0; i < nrg_plan_arity(v->op); i++) push(f, &top, v->in[i].i);
    }
    if (!fits || fresh > 1 || leaves + f->leaves[H] > NRG_TILE_LEAVES) {
        w->copies.n = from;
        return NRG_OK;
    }
    f->members[H] += members;
    f->leaves[H] += leaves;
    return NRG_OK;
}

// A sum of all numbers, or of all those of a sample.
static bool whole_sum(const nrg_planner *w, uint32_t n) {
    const nrg_node_info *v = info(w, n), *a = info(w, v->in[0].i);
    if (v->op != NRG_OP_sum || !w->group[v->in[0].i] || w->level[v->in[0].i] != w->level[n] || v->leads != a->leads) return false;
    if (nrg_node_count(w->p->graph, (nrg_node){n}) != 1) return false;
    return w->level[n] & 1 ? v->leads == NRG_SAMPLE && nrg_node_count(w->p->graph, v->in[0]) >= NRG_LONG : !v->leads;
}

// Rows by index, one a sample, of what all samples share.
static bool may_pick(const nrg_planner *w, uint32_t n) {
    const nrg_node_info *v = info(w, n), *a = info(w, v->in[0].i), *b = info(w, v->in[1].i);
    return v->op == NRG_OP_take && v->leads == NRG_SAMPLE && !a->leads && b->leads == NRG_SAMPLE && !b->shape.rank &&
           nrg_node_count(w->p->graph, (nrg_node){n}) >= NRG_LONG;
}

// Where fused steps of the same space are all that reads them.
static void find_picked(nrg_planner *w) {
    uint32_t n = nrg_graph_size(w->p->graph);
    for (uint32_t i = 1; i <= n; i++) w->picked[i] = w->used[i] && may_pick(w, i) && !w->solid[i];
    for (uint32_t i = 1; i <= n; i++) {
        const nrg_node_info *v = info(w, i);
        for (int k = 0; w->used[i] && k < nrg_plan_arity(v->op); k++)
            if (w->picked[v->in[k].i] && (!w->group[i] || !nrg_plan_same_space(v, info(w, v->in[k].i)))) w->picked[v->in[k].i] = false;
    }
}

// Finds sums of members, and for each member the one group beside its own that reads it, by a node of it.
static nrg_status save_values(fuser *f, uint32_t *reader) {
    nrg_planner *w = f->w;
    const uint32_t many = UINT32_MAX, n = nrg_graph_size(w->p->graph);
    for (uint32_t i = 1; i <= n; i++) {
        const nrg_node_info *v = info(w, i);
        if (!w->used[i]) continue;
        if (whole_sum(w, i) && !w->sum_of[v->in[0].i] && f->sums[w->group[v->in[0].i]] < NRG_TILE_SUMS) {
            w->sum_of[v->in[0].i] = i;
            f->sums[w->group[v->in[0].i]]++;
            continue;
        }
        for (int k = 0; k < nrg_plan_arity(v->op); k++) {
            uint32_t o = v->in[k].i;
            if (!w->group[o] || w->group[o] == w->group[i]) continue;
            bool fits = w->group[i] && w->level[o] == w->level[i] && nrg_plan_same_space(v, info(w, o)) && (!reader[o] || reader[o] == i ||
                        (reader[o] != many && w->group[reader[o]] == w->group[i]));
            reader[o] = fits ? i : many;
        }
    }
    for (uint32_t i = 1; i <= n; i++)
        if (w->used[i] && reader[i] && reader[i] != many && !w->solid[i]) TRY(make_again(f, i, reader[i]));
    return NRG_OK;
}

// What is read from outside its group gets a buffer.
static void solidify(fuser *f, uint32_t n, uint32_t group) {
    const nrg_node_info *v = info(f->w, n);
    for (int k = 0; k < nrg_plan_arity(v->op); k++) {
        uint32_t o = v->in[k].i;
        if (f->w->sum_of[o] == n || (group && (f->w->group[o] == group || has_copy(f->w, group, o)))) continue;
        f->w->solid[o] = true;
    }
}

// The members of each group that something still needs.
static void list_members(fuser *f, uint32_t *needed) {
    nrg_planner *w = f->w;
    for (uint32_t i = nrg_graph_size(w->p->graph); i > 0; i--) {
        if (!w->used[i] || !w->group[i] || (!w->solid[i] && !w->sum_of[i] && !needed[i])) continue;
        const nrg_node_info *v = info(w, i);
        for (int k = 0; k < nrg_plan_arity(v->op); k++)
            if (w->group[v->in[k].i] == w->group[i]) needed[v->in[k].i] = 1;
        w->group_next[i] = w->group_first[w->group[i]];
        w->group_first[w->group[i]] = i;
    }
}

static nrg_status fuse(fuser *f, uint32_t *marks) {
    nrg_planner *w = f->w;
    uint32_t n = nrg_graph_size(w->p->graph);
    nrg_plan_find_distances(w, marks, f->next, f->stack);
    nrg_plan_find_pools(w, marks);
    memset(marks, 0, (n + 1) * sizeof *marks);
    memset(f->next, 0, (n + 1) * sizeof *f->next);
    for (uint32_t i = 1; i <= n; i++)
        if (w->used[i] && nrg_plan_elementwise(info(w, i)->op) && !w->alone[i] && !w->pooled[i] && !w->joint[i]) place(f, i);
    join_readers(f, marks);
    find_picked(w);
    TRY(save_values(f, marks));
    memset(f->seen, 0, (n + 1) * sizeof *f->seen);
    for (uint32_t i = 1; i <= n; i++)
        if (w->used[i]) emit(f, i);
    for (uint32_t i = 1; i <= n; i++)
        if (w->used[i]) solidify(f, i, w->group[i]);
    for (uint32_t i = 0; i < w->copies.n; i++) solidify(f, w->copies.at[i].node, w->copies.at[i].group);
    memset(marks, 0, (n + 1) * sizeof *marks);
    list_members(f, marks);
    return NRG_OK;
}

nrg_status nrg_plan_fuse(nrg_planner *w) {
    uint32_t n = nrg_graph_size(w->p->graph);
    nrg_arena arena = nrg_arena_make(w->p->ctx);
    uint32_t *block = NRG_NEWS(&arena, uint32_t, 4 * (n + 1));
    int *ints = NRG_NEWS(&arena, int, 4 * (n + 2));
    nrg_status s = NRG_E098;
    if (block && ints) {
        fuser f = {w, block, block + n + 1, block + 2 * (n + 1), 0, ints, ints + n + 2, ints + 2 * (n + 2), ints + 3 * (n + 2)};
        s = fuse(&f, block + 3 * (n + 1));
    }
    nrg_arena_free(&arena);
    return s;
}
