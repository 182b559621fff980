// Shows a plan: phases, steps with the operations they do, bytes, floating-point operations, lines of the model.
#include "plan/steps.h"

static const char *const kinds[] = {"tile", "move", "fill", "iota", "random", "reduce", "pool", "pack", "matmul", "filters", "conv", "distance",
                                    "centre", "nearest", "spread", "take", "put", "dense", "trisolve", "combine", "output", "update"};
static const char *const places[] = {"input", "once", "slice", "batch", "lanes", "block"};

const char *nrg_plan_step_name(nrg_step_kind kind) { return kinds[kind]; }

static void put_buf(const nrg_plan *p, uint32_t i, nrg_text *out) {
    const nrg_plan_buf *b = &p->bufs.at[i];
    if (b->place == NRG_AT_INPUT) {
        const char *name = nrg_input_name(p->graph, b->slot);
        nrg_text_put(out, " %s", name ? name : "?");
    } else nrg_text_put(out, " %s.%u", places[b->place], i);
}

static void put_step(const nrg_plan *p, const nrg_work *s, nrg_text *out) {
    int line = 0, col = 0;
    nrg_text_put(out, "  %-8s", kinds[s->kind]);
    for (int i = 0; i < s->writes_n; i++) put_buf(p, s->writes[i], out);
    if (s->kind == NRG_STEP_output || s->kind == NRG_STEP_update)
        nrg_text_put(out, " %d", ((const nrg_out_step *)s->detail)->i);
    nrg_text_put(out, " <-");
    for (int i = 0; i < s->reads_n; i++) put_buf(p, s->reads[i], out);
    if (s->kind == NRG_STEP_fill) nrg_text_put(out, " %g", ((const nrg_fill *)s->detail)->value);
    if (s->kind == NRG_STEP_tile) {
        const nrg_tile *t = s->detail;
        nrg_text_put(out, "  (");
        for (int i = 0; i < t->ops_n; i++) nrg_text_put(out, "%s%s", i ? " " : "", nrg_op_get(t->ops[i].op)->name);
        nrg_text_put(out, "%s)", t->sums_n ? ", sum" : "");
    } else if (s->kind == NRG_STEP_distance && ((const nrg_distance_step *)s->detail)->weights) nrg_text_put(out, "  (weighed)");
    else if (s->kind == NRG_STEP_reduce) nrg_text_put(out, "  (%s)", nrg_op_get(((const nrg_reduce_step *)s->detail)->op)->name);
    if (s->kind == NRG_STEP_matmul && ((const nrg_matmul_step *)s->detail)->mirror) nrg_text_put(out, "  (symmetric)");
    if (s->kind == NRG_STEP_matmul && ((const nrg_matmul_step *)s->detail)->onto) nrg_text_put(out, "  (added)");
    if (s->deferred) nrg_text_put(out, "  after the slices of a block");
    if (s->flops > 0) nrg_text_put(out, "  %.4g flop%s", s->flops, s->phase & 1 ? " a sample" : "");
    nrg_source_place(p->ctx, nrg_graph_node(p->graph, s->node)->span, &line, &col);
    if (line) nrg_text_put(out, "  line %d", line);
    nrg_text_put(out, "\n");
}

void nrg_plan_print(const nrg_plan *p, nrg_text *out) {
    nrg_text_put(out, "plan: %u steps, %u phases, slices of %lld samples, usual batch %lld%s%s%s\n", p->steps.n, p->phases,
                 (long long)p->slice, (long long)p->batch, p->inside ? ", repeats inside a slice" : "", nrg_dtype_bf16(p->type) ? ", products " : "",
                 nrg_dtype_bf16(p->type) ? nrg_dtype_name(p->type) : "");
    nrg_text_put(out, "bytes: once %zu, a thread %zu + %zu scratch, a sample kept %zu, a sample of a block of %lld %zu\n", p->once, p->thread,
                 p->scratch, p->batch_row, (long long)p->block, p->block_row);
    for (uint32_t f = 0; f < p->phases; f++) {
        if (p->phase_at[f] == p->phase_at[f + 1]) continue;
        nrg_text_put(out, "phase %u, %s:\n", f, f & 1 ? "slices" : "once");
        for (uint32_t i = p->phase_at[f]; i < p->phase_at[f + 1]; i++) put_step(p, &p->steps.at[i], out);
    }
}
