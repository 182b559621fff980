// Candidates along a leading axis: min (then the energy again at the minimiser, so that its gradient is the envelope's) or
// log-sum-exp. Candidates that would not fit into memory go through tiles.c.
#include "infer/inside.h"
#include <math.h>

nrg_status nrg_group_decode(nrg_inference *i, const nrg_group *gr, nrg_node index,
                            nrg_node *value) {
    if (gr->stmt.method == NRG_BY_grid) return nrg_grid_decode(i, gr, index, value);
    return nrg_finite_decode(i, gr->vars, index, value);
}

// The energy at candidate `index`: deeper minimisers are picked out of theirs where all deeper groups were minimised.
nrg_status nrg_at_minimum(nrg_chain *c, int k, nrg_leads lead, nrg_node index, nrg_node *F) {
    nrg_inference *i = c->i;
    for (int j = k + 1; j < c->n; j++)
        if (c->at[j].verb != NRG_MINIMIZE) return nrg_chain_energy(c, k + 1, F);
    for (int j = k + 1; j < c->n; j++) {
        for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
            if (!(c->at[j].vars >> v & 1)) continue;
            nrg_node x = c->best[v];
            if (nrg_graph_node(i->graph, x)->leads & lead)
                x = nrg_stop(i->graph, nrg_take(i->graph, nrg_lower(i->graph, x, lead, 0), index));
            nrg_scope_bind(i->scope, v, x);
            c->best[v] = x;
        }
    }
    return nrg_eval_energy(i->scope, F);
}

static nrg_status minimise(nrg_chain *c, int k, nrg_node E, nrg_leads lead, nrg_node *F) {
    nrg_inference *i = c->i;
    nrg_node value[NRG_MAX_VARS] = {{0}};
    nrg_node index = nrg_reduce(i->graph, NRG_OP_argmin, E, 0, lead, false);
    TRY(nrg_group_decode(i, &c->at[k], index, value));
    nrg_bind_all(i, c->at[k].vars, value, true, c->best);
    return nrg_at_minimum(c, k, lead, index, F);
}

nrg_node nrg_sum_out(nrg_inference *i, nrg_node E, nrg_leads lead) {
    nrg_graph *g = i->graph;
    nrg_node cold = nrg_mul(g, E, nrg_const(g, -i->model->beta));
    nrg_node log_z = nrg_reduce(g, NRG_OP_lse, cold, 0, lead, false);
    if (!i->surrogate) return nrg_mul(g, log_z, nrg_const(g, -1 / i->model->beta));
    nrg_node p = nrg_stop(g, nrg_exp(g, nrg_sub(g, cold, log_z)));
    return nrg_reduce(g, NRG_OP_sum, nrg_mul(g, p, E), 0, lead, false);
}

static nrg_status tiled(nrg_chain *c, int k, int64_t count, nrg_node *F) {
    nrg_inference *i = c->i;
    nrg_node value[NRG_MAX_VARS] = {{0}}, index = NRG_BAD;
    TRY(nrg_tiles_make(c, k, count, &index, F));
    if (c->at[k].verb == NRG_MARGINALIZE) return NRG_OK;
    TRY(nrg_group_decode(i, &c->at[k], index, value));
    nrg_bind_all(i, c->at[k].vars, value, true, c->best);
    return nrg_chain_energy(c, k + 1, F);
}

nrg_leads nrg_candidate_lead(nrg_inference *i, nrg_vars vars, int64_t count) {
    for (uint32_t k = 0; k < i->axes.n; k++)
        if (i->axes.at[k].vars == vars && i->axes.at[k].count == count) return i->axes.at[k].lead;
    nrg_leads lead = nrg_lead_new(i->graph, "candidate", count);
    nrg_candidate_axis own = {vars, count, lead};
    if (lead && NRG_PUSH(&i->arena, i->axes, own) != NRG_OK) nrg_graph_bad(i->graph, NRG_E098, "out of memory");
    return lead;
}

nrg_status nrg_candidates_make(nrg_chain *c, int k, int64_t count, nrg_node *F) {
    nrg_inference *i = c->i;
    nrg_group *gr = &c->at[k];
    nrg_graph *g = i->graph;
    nrg_node value[NRG_MAX_VARS] = {{0}}, E = NRG_BAD;
    uint32_t loops = i->loops.n;
    nrg_leads lead = nrg_candidate_lead(i, gr->vars, count);
    TRY(nrg_group_decode(i, gr, nrg_iota_lead(g, lead), value));
    nrg_bind_all(i, gr->vars, value, false, NULL);
    TRY(nrg_chain_energy(c, k + 1, &E));
    if (!(nrg_graph_node(g, E)->leads & lead))
        E = nrg_expand(g, E, (nrg_shape){0}, lead); // the energy ignores the variable
    // Sums that a gradient goes through stay in the graph as long as they can.
    bool through = gr->verb == NRG_MARGINALIZE && !i->options.values_only;
    size_t most = i->options.memory * (through ? NRG_IN_GRAPH : 1);
    if (!i->holes && i->loops.n == loops && nrg_tile_estimate(i, E, lead, through) > most)
        return tiled(c, k, count, F);
    if (gr->verb == NRG_MINIMIZE) return minimise(c, k, E, lead, F);
    *F = nrg_sum_out(i, E, lead);
    return NRG_OK;
}
