// A program: graph, scope, inference, plan and run made and freed together; its outputs are read as doubles.
#include "train/inside.h"

nrg_status nrg_program_new(nrg_model *m, nrg_dtype type, const nrg_infer_options *o, nrg_program *out) {
    *out = (nrg_program){.arena = nrg_arena_make(m->ctx)};
    TRY(nrg_graph_new(m->ctx, type, &out->g));
    TRY(nrg_scope_new(m, out->g, &out->scope));
    return nrg_inference_new(m->ctx, out->scope, o, &out->inf);
}

nrg_status nrg_program_plan(nrg_program *p, nrg_node *outputs, int n, const nrg_update *updates, int updates_n,
                            int64_t batch, int threads) {
    nrg_ctx *c = nrg_graph_ctx(p->g);
    TRY(nrg_graph_check(p->g));
    p->outputs_n = n;
    p->outputs = NRG_NEWS(&p->arena, nrg_node, n + 1);
    p->offset = NRG_NEWS(&p->arena, int64_t, n + 1);
    if (!p->outputs || !p->offset) return NRG_E098;
    for (int i = 0; i < n; i++) {
        if (nrg_graph_node(p->g, outputs[i])->leads)
            return nrg_fail(c, NRG_E099, NRG_NOWHERE, "an output of a training program has leading axes");
        p->outputs[i] = outputs[i];
        p->offset[i + 1] = p->offset[i] + nrg_node_count(p->g, outputs[i]);
    }
    p->values = NRG_NEWS(&p->arena, double, p->offset[n] + 1);
    p->raw = nrg_graph_type(p->g) == NRG_F64 ? (void *)p->values : (void *)NRG_NEWS(&p->arena, float, p->offset[n] + 1);
    if (!p->values || !p->raw) return NRG_E098;
    nrg_plan_spec spec = {.graph = p->g,
                          .outputs = p->outputs,
                          .outputs_n = n,
                          .updates = updates,
                          .updates_n = updates_n,
                          .batch = batch};
    TRY(nrg_plan_make(c, &spec, &p->plan));
    TRY(nrg_run_new(c, p->plan, threads, &p->run));
    size_t size = nrg_graph_type(p->g) == NRG_F64 ? sizeof(double) : sizeof(float);
    for (int i = 0; i < n; i++) nrg_run_output(p->run, i, (char *)p->raw + (size_t)p->offset[i] * size);
    return NRG_OK;
}

nrg_status nrg_program_go(nrg_program *p, nrg_store *s, int64_t n, uint64_t seed, uint32_t step) {
    TRY(nrg_inference_go(p->inf, s, n, seed, step));
    TRY(nrg_store_bind(s, p->g, p->run));
    TRY(nrg_run_go(p->run, n, 1, seed, step));
    if (nrg_graph_type(p->g) != NRG_F64)
        for (int64_t i = 0; i < p->offset[p->outputs_n]; i++) p->values[i] = (double)((float *)p->raw)[i];
    return NRG_OK;
}

void nrg_program_free(nrg_program *p) {
    for (uint32_t i = 0; i < p->draws.n; i++) nrg_draws_close(p->draws.at[i]);
    nrg_run_free(p->run);
    nrg_plan_free(p->plan);
    nrg_inference_free(p->inf);
    nrg_scope_free(p->scope);
    nrg_graph_free(p->g);
    nrg_arena_free(&p->arena);
    *p = (nrg_program){0};
}
