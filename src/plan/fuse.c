// Groups of elementwise nodes that become one step each, and the order in which steps are made.
//
//   Nodes of equal leading axes, shape and phase join when one reads the other and no path leads out of the group and back
//   into it. Smaller operands are broadcast while they are loaded.
#include "plan/steps.h"
#include <string.h>

typedef struct {
    nrg_planner *w;
    uint32_t *next;   // next member of the same group (a ring)
    uint32_t *seen;   // stamps of the search
    uint32_t *stack;
    uint32_t stamp;
    int *members, *leaves; // by group
    int *level;            // by group
} fuser;

static const nrg_node_info *info(const nrg_planner *w, uint32_t n) { return nrg_graph_node(w->p->graph, (nrg_node){n}); }

static bool same_space(const nrg_node_info *a, const nrg_node_info *b) {
    if (a->leads != b->leads || a->shape.rank != b->shape.rank) return false;
    for (int i = 0; i < a->shape.rank; i++)
        if (a->shape.dim[i] != b->shape.dim[i]) return false;
    return true;
}

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
        if (!G || G == w->group[n] || w->level[o] != w->level[n] || !same_space(v, info(w, o))) continue;
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

nrg_status nrg_plan_fuse(nrg_planner *w) {
    uint32_t n = nrg_graph_size(w->p->graph);
    nrg_arena arena = nrg_arena_make(w->p->ctx);
    uint32_t *block = NRG_NEWS(&arena, uint32_t, 3 * (n + 1));
    int *ints = NRG_NEWS(&arena, int, 3 * (n + 2));
    if (!block || !ints) {
        nrg_arena_free(&arena);
        return NRG_E098;
    }
    fuser f = {w, block, block + n + 1, block + 2 * (n + 1), 0, ints, ints + n + 2, ints + 2 * (n + 2)};
    for (uint32_t i = 1; i <= n; i++)
        if (w->used[i] && nrg_plan_elementwise(info(w, i)->op)) place(&f, i);
    memset(f.seen, 0, (n + 1) * sizeof *f.seen);
    for (uint32_t i = 1; i <= n; i++)
        if (w->used[i]) emit(&f, i);
    for (uint32_t i = 1; i <= n; i++) {
        if (!w->used[i]) continue;
        const nrg_node_info *v = info(w, i);
        for (int k = 0; k < nrg_plan_arity(v->op); k++) {
            uint32_t o = v->in[k].i;
            if (!w->group[o] || w->group[o] != w->group[i]) w->solid[o] = true;
        }
    }
    for (uint32_t i = n; i > 0; i--)
        if (w->used[i] && w->group[i]) {
            w->group_next[i] = w->group_first[w->group[i]];
            w->group_first[w->group[i]] = i;
        }
    nrg_arena_free(&arena);
    return NRG_OK;
}
