// Chains as a part of another graph: nodes for where a fixed number of steps leads, so that what reads the draws is planned together with
// what draws them. The step graph of the chains is copied, a step after the other.
#include "infer/sampler.h"

// Nodes of all steps. What a program and its chains share is the same for any number of steps, and the chains then draw in slices that suit
// the program's gradients: from about twenty steps of a convolution on they are faster alone.
enum { MOST = 1500 };

bool nrg_chains_unrolls(const nrg_chains *s, const nrg_graph *to, int64_t steps) {
    bool plain = !s->left && !s->spec.heated && !nrg_inference_loops(s->inference);
    return plain && nrg_graph_type(to) == nrg_graph_type(s->graph) && (double)steps * nrg_graph_size(s->graph) <= MOST;
}

typedef struct {
    const nrg_chains *s;
    nrg_graph *to;
    uint32_t every;
    nrg_node *from, *by; // states, then random numbers
    int n;
} unrolling;

static nrg_node copy(const unrolling *u, nrg_node y) { return nrg_graph_copy(u->to, u->s->graph, y, u->from, u->by, u->n); }

// The random numbers of a step: those that the chains would have by themselves.
static void renew(unrolling *u, uint32_t after) {
    for (int k = u->s->firsts; k < u->n; k++) {
        const nrg_node_info *x = nrg_graph_node(u->s->graph, u->from[k]);
        nrg_node ids = nrg_graph_copy(u->to, u->s->graph, x->in[0], NULL, NULL, 0);
        u->by[k] = nrg_random_at(u->to, ids, (nrg_random_kind)x->par.random.kind, x->par.random.purpose, x->par.random.shape, u->every, after);
    }
}

static nrg_status room(unrolling *u, nrg_arena *a) {
    uint32_t size = nrg_graph_size(u->s->graph);
    u->from = NRG_NEWS(a, nrg_node, u->s->firsts + size + 1);
    u->by = NRG_NEWS(a, nrg_node, u->s->firsts + size + 1);
    if (!u->from || !u->by) return NRG_E098;
    for (int k = 0; k < u->s->firsts; k++) u->from[u->n++] = u->s->first[k].state;
    for (uint32_t i = 1; i <= size; i++)
        if (nrg_graph_node(u->s->graph, (nrg_node){i})->op == NRG_OP_random) u->from[u->n++] = (nrg_node){i};
    return NRG_OK;
}

static nrg_node next_of(const nrg_chains *s, int k) {
    for (int i = 0; i < s->ups; i++)
        if (s->up[i].state.i == s->first[k].state.i) return s->up[i].value;
    return s->first[k].state;
}

static nrg_status unroll(unrolling *u, int64_t steps, nrg_node *now) {
    const nrg_chains *s = u->s;
    for (int k = 0; k < s->firsts; k++) // nothing is known of the states where chains start, and nothing is read
        u->by[k] = nrg_filled(u->to, 0, nrg_graph_node(s->graph, s->first[k].state)->shape, NRG_SAMPLE);
    for (int64_t t = 0; t <= steps; t++) {
        renew(u, u->every + (uint32_t)t);
        for (int k = 0; k < s->firsts; k++) now[k] = copy(u, t ? next_of(s, k) : s->first[k].value);
        for (int k = 0; k < s->firsts; k++) u->by[k] = now[k];
    }
    return nrg_graph_check(u->to);
}

nrg_status nrg_chains_unroll(nrg_chains *s, nrg_graph *to, int64_t steps, uint32_t every, nrg_update **out) {
    nrg_arena tmp = nrg_arena_make(s->model->ctx);
    unrolling u = {.s = s, .to = to, .every = every};
    nrg_node *now = NRG_NEWS(&tmp, nrg_node, s->firsts + 1);
    *out = NRG_NEWS(&s->arena, nrg_update, s->firsts + 1);
    nrg_status st = now && *out ? room(&u, &tmp) : NRG_E098;
    if (st == NRG_OK) st = unroll(&u, steps, now);
    for (int k = 0; st == NRG_OK && k < s->firsts; k++)
        (*out)[k] = (nrg_update){nrg_input(to, s->states.at[k].name, NRG_SAMPLE, nrg_graph_node(s->graph, s->first[k].state)->shape), now[k]};
    nrg_arena_free(&tmp);
    return st == NRG_OK ? nrg_graph_check(to) : st;
}
