// Loops that run before a graph does: inner graphs with the outer one's leading axes and variables.
#include "infer/inside.h"

// ---- leading axes of an inner graph

nrg_status nrg_leads_match(nrg_graph *to, const nrg_graph *from) {
    for (int b = 1; b < NRG_MAX_LEADS; b++) {
        nrg_leads one = (nrg_leads)1 << b;
        int64_t extent = nrg_lead_extent(from, one);
        if (extent < 0) break;
        if (nrg_lead_extent(to, one) >= 0) continue;
        if (nrg_lead_new(to, nrg_lead_name(from, one), extent) != one)
            return nrg_fail(nrg_graph_ctx(to), NRG_E099, NRG_NOWHERE,
                            "the leading axes of an inner graph do not line up");
    }
    return NRG_OK;
}

int64_t nrg_leads_count(const nrg_graph *g, nrg_leads leads) {
    int64_t n = 1;
    for (int b = 1; b < NRG_MAX_LEADS; b++)
        if (leads >> b & 1) n *= nrg_lead_extent(g, (nrg_leads)1 << b);
    return n;
}

nrg_node nrg_spread(nrg_graph *g, nrg_node x, nrg_leads leads) {
    const nrg_node_info *info = nrg_graph_node(g, x);
    return leads & ~info->leads ? nrg_expand(g, x, info->shape, leads & ~info->leads) : x;
}

nrg_leads nrg_leads_bound(nrg_inference *i, nrg_vars vars) {
    nrg_leads leads = 0;
    for (uint32_t v = 0; v < i->model->vars.n; v++)
        if (!(vars >> v & 1))
            leads |= nrg_graph_node(i->graph, nrg_scope_bound(i->scope, (int32_t)v))->leads;
    for (uint32_t d = 0; d < i->model->dims.n; d++)
        if (i->model->dims.at[d].ragged) leads |= NRG_SAMPLE; // lengths are the sample's own
    return leads;
}

// ---- loops

void nrg_loop_clear(nrg_inference *i, nrg_loop *l) {
    (void)i;
    nrg_run_free(l->run);
    nrg_run_free(l->first);
    nrg_plan_free(l->plan);
    nrg_plan_free(l->start);
    nrg_inference_free(l->inner);
    nrg_scope_free(l->scope);
    nrg_graph_free(l->graph);
    l->run = l->first = NULL;
    l->plan = l->start = NULL;
    l->inner = NULL;
    l->scope = NULL;
    l->graph = NULL;
}

nrg_status nrg_loop_fill(nrg_inference *i, nrg_loop *l) {
    TRY(nrg_graph_new(i->ctx, nrg_graph_type(i->graph), &l->graph));
    TRY(nrg_leads_match(l->graph, i->graph));
    TRY(nrg_scope_new(i->model, l->graph, &l->scope));
    TRY(nrg_inference_new(i->ctx, l->scope, &i->options, &l->inner));
    l->inner->outer = i;
    for (uint32_t v = 0; v < i->model->vars.n; v++) {
        nrg_node bound = nrg_scope_bound(i->scope, (int32_t)v);
        nrg_node seen, hidden;
        if (bound.i)
            nrg_scope_bind(l->scope, (int32_t)v,
                           nrg_graph_copy(l->graph, i->graph, bound, NULL, NULL, 0));
        nrg_scope_hid(i->scope, (int32_t)v, &seen, &hidden);
        if (seen.i) seen = nrg_graph_copy(l->graph, i->graph, seen, NULL, NULL, 0);
        if (hidden.i) hidden = nrg_graph_copy(l->graph, i->graph, hidden, NULL, NULL, 0);
        nrg_scope_hide(l->scope, (int32_t)v, seen, hidden);
    }
    return nrg_graph_check(l->graph);
}

nrg_status nrg_loop_new(nrg_inference *i, const nrg_method_impl *impl, nrg_loop **out) {
    *out = NULL;
    if (i->holes) {
        nrg_status s = nrg_fail(i->ctx, NRG_E071, NRG_NOWHERE,
                                "%s inside a closed form or an unrolled descent", impl->name);
        nrg_help(i->ctx, "infer the two variables in one statement, or the outer one by "
                         "gradient(...) or exhaustive");
        return s;
    }
    nrg_loop *l = NRG_NEW(&i->arena, nrg_loop);
    if (!l) return NRG_E098;
    l->impl = impl;
    if (NRG_PUSH(&i->arena, i->loops, l) != NRG_OK) return NRG_E098; // owned from here on
    *out = l;
    return nrg_loop_fill(i, l);
}
