// The rows of a batch as candidates for each other: what has the sample axis is copied to buffers before the graph runs and read
// there along an axis of its own. The copies are data: no gradient passes to them.
#include "infer/inside.h"

typedef struct {
    int64_t rows; // extent of the axis
    int n;
    const char *name[NRG_MAX_VARS], *place, *many; // copies; a row's own place; how many rows there are
    int64_t count[NRG_MAX_VARS];
} spread;

static nrg_status step(nrg_inference *i, nrg_loop *l, nrg_store *s, int64_t n, uint64_t seed, uint32_t at) {
    const spread *w = l->own;
    void *data;
    if (n > w->rows)
        return nrg_fail(i->ctx, NRG_E099, NRG_NOWHERE, "a batch of %lld rows where %lld were expected", (long long)n, (long long)w->rows);
    for (int k = 0; k < w->n; k++) TRY(nrg_store_make(s, w->name[k], w->count[k] * w->rows, &data));
    TRY(nrg_store_make(s, w->many, 1, &data));
    nrg_store_fill(s, data, 1, (double)n);
    TRY(nrg_store_make(s, w->place, n, &data));
    for (int64_t r = 0; r < n; r++) nrg_store_fill(s, (char *)data + (size_t)r * nrg_dtype_size(nrg_store_type(s)), 1, (double)r);
    TRY(nrg_store_bind(s, l->graph, l->run));
    return nrg_run_go(l->run, n, 1, seed, at);
}

static const nrg_method_impl copies = {.name = "batch", .step = step};

static nrg_status build(nrg_inference *i, nrg_loop *l, const spread *w, const nrg_node *x) {
    nrg_update up[NRG_MAX_VARS];
    for (int k = 0; k < w->n; k++) {
        nrg_node value = nrg_graph_copy(l->graph, i->graph, x[k], NULL, NULL, 0);
        up[k].state = nrg_input(l->graph, w->name[k], NRG_SAMPLE, nrg_graph_node(i->graph, x[k])->shape);
        up[k].value = nrg_spread(l->graph, value, NRG_SAMPLE);
    }
    TRY(nrg_graph_check(l->graph));
    nrg_plan_spec spec = {.graph = l->graph, .updates = up, .updates_n = w->n, .batch = i->options.batch};
    TRY(nrg_plan_make(i->ctx, &spec, &l->plan));
    return nrg_run_new(i->ctx, l->plan, i->options.threads, &l->run);
}

nrg_status nrg_infer_batch(nrg_inference *i, const nrg_node *x, int n, nrg_node *out, nrg_leads *lead, nrg_node *other) {
    nrg_graph *g = i->graph;
    nrg_loop *l;
    spread *w = NRG_NEW(&i->arena, spread);
    if (!w) return NRG_E098;
    TRY(nrg_loop_new(i, &copies, &l));
    *w = (spread){.rows = i->options.batch, .n = n, .place = nrg_loop_name(i, "place", 0), .many = nrg_loop_name(i, "rows", 0)};
    l->own = w;
    *lead = nrg_lead_new(g, "other row", w->rows);
    for (int k = 0; k < n; k++) {
        nrg_shape s = nrg_graph_node(g, x[k])->shape;
        if (!(w->name[k] = nrg_loop_name(i, "copy", 0))) return NRG_E098;
        w->count[k] = nrg_shape_count(&s);
        out[k] = nrg_input(g, w->name[k], *lead, s);
    }
    if (!w->place || !w->many) return NRG_E098;
    TRY(build(i, l, w, x));
    nrg_node at = nrg_iota_lead(g, *lead), place = nrg_input(g, w->place, NRG_SAMPLE, (nrg_shape){0}),
             many = nrg_input(g, w->many, 0, (nrg_shape){0});
    *other = nrg_select(g, nrg_eq(g, at, place), nrg_const(g, 0), nrg_lt(g, at, many));
    return nrg_graph_check(g);
}
