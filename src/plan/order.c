// Which nodes are needed, and in which phase each one is computed.
//
//   The level of a node is the phase that has its value: even without the sample axis (once), odd with it (slices). A sum
//   over the sample axis takes part in slices phase p and has its value in the once phase p + 1.
#include "plan/steps.h"

int nrg_plan_arity(nrg_op op) { return nrg_op_get(op)->arity; }

bool nrg_plan_elementwise(nrg_op op) {
    return (op >= NRG_OP_neg && op <= NRG_OP_cos) || (op >= NRG_OP_add && op <= NRG_OP_select);
}

bool nrg_plan_barrier(const nrg_node_info *v, const nrg_graph *g) {
    if (v->leads & NRG_SAMPLE) return false;
    for (int i = 0; i < nrg_plan_arity(v->op); i++)
        if (nrg_graph_node(g, v->in[i])->leads & NRG_SAMPLE) return true;
    return false;
}

// The phase that has the value. Slices phases are odd: work on samples waits for the slices phase after what it reads.
static int level_of(const nrg_planner *w, const nrg_node_info *v) {
    bool sample = v->leads & NRG_SAMPLE, barrier = nrg_plan_barrier(v, w->p->graph);
    int level = sample || barrier ? 1 : 0;
    for (int i = 0; i < nrg_plan_arity(v->op); i++) {
        int l = w->level[v->in[i].i];
        if ((sample || barrier) && !(l & 1)) l++;
        if (l > level) level = l;
    }
    return barrier ? level + 1 : level;
}

static nrg_status mark(nrg_planner *w, const nrg_node *roots, int n) {
    for (int i = 0; i < n; i++) {
        if (!roots[i].i || roots[i].i > nrg_graph_size(w->p->graph))
            return nrg_fail(w->p->ctx, NRG_E099, NRG_NOWHERE, "a plan was asked for a node that the graph does not have");
        w->used[roots[i].i] = w->solid[roots[i].i] = true;
    }
    return NRG_OK;
}

// An elementwise value without samples is made as late as its first reader: then both are one pass.
static nrg_status sink(nrg_planner *w, uint32_t n) {
    nrg_arena a = nrg_arena_make(w->p->ctx);
    int *first = NRG_NEWS(&a, int, n + 1); // level of the first reader, 0: none yet
    for (uint32_t i = n; first && i > 0; i--) {
        const nrg_node_info *v = nrg_graph_node(w->p->graph, (nrg_node){i});
        if (!w->used[i]) continue;
        bool even = !(w->level[i] & 1) && !(first[i] & 1);
        if (even && nrg_plan_elementwise(v->op) && !w->solid[i] && first[i] > w->level[i]) w->level[i] = first[i];
        int level = nrg_plan_barrier(v, w->p->graph) ? w->level[i] - 1 : w->level[i];
        for (int k = 0; k < nrg_plan_arity(v->op); k++) {
            int *f = &first[v->in[k].i];
            if (!*f || level < *f) *f = level ? level : 1; // readers at level 0 forbid it, as slices do
        }
    }
    nrg_arena_free(&a);
    return first ? NRG_OK : NRG_E098;
}

nrg_status nrg_plan_order(nrg_planner *w) {
    nrg_plan *p = w->p;
    TRY(mark(w, p->outputs, p->outputs_n));
    for (int i = 0; i < p->updates_n; i++) TRY(mark(w, &p->updates[i].value, 1));
    uint32_t n = nrg_graph_size(p->graph);
    for (uint32_t i = n; i > 0; i--) {
        if (!w->used[i]) continue;
        const nrg_node_info *v = nrg_graph_node(p->graph, (nrg_node){i});
        if (v->op == NRG_OP_bad) return nrg_fail(p->ctx, NRG_E099, v->span, "a plan was asked for a bad node");
        for (int k = 0; k < nrg_plan_arity(v->op); k++) w->used[v->in[k].i] = true;
    }
    for (uint32_t i = 1; i <= n; i++)
        if (w->used[i]) w->level[i] = level_of(w, nrg_graph_node(p->graph, (nrg_node){i}));
    return sink(w, n);
}
