// Candidates in tiles: an inner graph sees T candidates at a time, its state keeps the running minimum and its index, or the
// running maximum m and sum s = sum exp(-beta E - m). Memory is bounded by the tile; results lie in the store.
#include "infer/inside.h"
#include <math.h>
#include <string.h>

typedef struct {
    int64_t count, tile;
    const char *place, *a, *b; // first candidate of the tile; (least energy, its index) or (m, s)
    bool min;
    int64_t width; // numbers a sample in a and b
    bool samples;
} tiles;

// Bytes of the widest nodes that carry the candidate axis: three alive at once going forward, all of them for a gradient. Counted for
// one sample and one thread, so that the choice, and with it the bits, depends on the model alone.
size_t nrg_tile_estimate(const nrg_inference *i, nrg_node E, nrg_leads lead, bool gradient) {
    const nrg_graph *g = i->graph;
    size_t most = 0, all = 0, one = nrg_dtype_size(nrg_graph_type(g));
    uint8_t *seen = nrg_mem(i->ctx, NULL, 0, E.i + 1u);
    if (!seen) return 0;
    memset(seen, 0, E.i + 1u);
    seen[E.i] = 1;
    for (uint32_t n = E.i; n > 0; n--) {
        const nrg_node_info *x = nrg_graph_node(g, (nrg_node){n});
        if (!seen[n]) continue;
        for (int k = 0; k < 3; k++) seen[x->in[k].i] = 1;
        if (!(x->leads & lead) || x->op == NRG_OP_expand) continue;
        size_t bytes = (size_t)nrg_node_count(g, (nrg_node){n}) * one;
        if (bytes > most) most = bytes;
        all += bytes;
    }
    nrg_mem(i->ctx, seen, E.i + 1u, 0);
    return gradient ? all : 3 * most;
}

// The states of the tile's graph: nodes to read, and what they become.
typedef struct {
    nrg_update at[3];
    int n;
} states;

static void put(nrg_graph *g, states *s, nrg_node state, nrg_node value) {
    s->at[s->n++] = (nrg_update){state, nrg_spread(g, value, nrg_graph_node(g, state)->leads)};
}

static nrg_status build(nrg_chain *c, int k, nrg_loop *l, nrg_leads leads, states *s) {
    tiles *t = l->own;
    nrg_graph *g = l->graph;
    nrg_chain *in = NRG_NEW(&l->inner->arena, nrg_chain);
    nrg_node value[NRG_MAX_VARS] = {{0}}, E = NRG_BAD;
    if (!in) return NRG_E098;
    *in = *c;
    in->i = l->inner;
    nrg_leads lead = nrg_lead_new(g, "tile", t->tile);
    nrg_node place = nrg_input(g, t->place, 0, (nrg_shape){0});
    nrg_node index = nrg_add(g, place, nrg_iota_lead(g, lead));
    TRY(nrg_group_decode(l->inner, &c->at[k], index, value));
    nrg_bind_all(l->inner, c->at[k].vars, value, false, NULL);
    TRY(nrg_chain_energy(in, k + 1, &E));
    E = nrg_select(g, nrg_lt(g, index, nrg_const(g, (double)t->count)), E, nrg_const(g, INFINITY));
    nrg_node a = nrg_input(g, t->a, leads, (nrg_shape){0}),
             b = nrg_input(g, t->b, leads, (nrg_shape){0});
    if (t->min) {
        nrg_node least = nrg_reduce(g, NRG_OP_rmin, E, 0, lead, false),
                 where = nrg_reduce(g, NRG_OP_argmin, E, 0, lead, false);
        nrg_node less = nrg_lt(g, least, a);
        put(g, s, a, nrg_select(g, less, least, a));
        put(g, s, b, nrg_select(g, less, nrg_add(g, place, where), b));
    } else {
        nrg_node cold = nrg_mul(g, E, nrg_const(g, -l->inner->model->beta));
        nrg_node m = nrg_max(g, a, nrg_reduce(g, NRG_OP_rmax, cold, 0, lead, false));
        nrg_node part = nrg_reduce(g, NRG_OP_sum, nrg_exp(g, nrg_sub(g, cold, m)), 0, lead, false);
        put(g, s, a, m);
        put(g, s, b, nrg_add(g, nrg_mul(g, b, nrg_exp(g, nrg_sub(g, a, m))), part));
    }
    put(g, s, place, nrg_add(g, place, nrg_const(g, (double)t->tile)));
    return nrg_graph_check(g);
}

// A slice of samples on one thread may take a quarter of the memory: four threads fill it. Neither batch nor threads enter, because
// sums over candidates are taken tile by tile and must not depend on them.
bool nrg_tile_fits(const nrg_plan *p, size_t memory) {
    return nrg_plan_bytes(p, nrg_plan_slice(p), 1) <= memory / 4;
}

// Halves the tile until the plan fits.
static nrg_status fit(nrg_chain *c, int k, nrg_loop *l, nrg_leads leads) {
    nrg_inference *i = c->i;
    tiles *t = l->own;
    for (;;) {
        states s = {.n = 0};
        TRY(build(c, k, l, leads, &s));
        nrg_plan_spec spec = {
            .graph = l->graph, .updates = s.at, .updates_n = s.n, .batch = i->options.batch};
        TRY(nrg_plan_make(i->ctx, &spec, &l->plan));
        if (t->tile <= 1 || nrg_tile_fits(l->plan, i->options.memory)) break;
        t->tile = (t->tile + 1) / 2;
        nrg_loop_clear(i, l);
        TRY(nrg_loop_fill(i, l));
    }
    return nrg_run_new(i->ctx, l->plan, i->options.threads, &l->run);
}

static nrg_status no_gradient(nrg_inference *i, const nrg_group *gr, int64_t count) {
    if (i->options.values_only && !i->surrogate) return NRG_OK;
    nrg_status s = nrg_fail(i->ctx, NRG_E071, gr->stmt.span,
                            "summing over %lld candidates does not fit into %zu bytes, and a "
                            "gradient through tiles is not built yet",
                            (long long)count, i->options.memory);
    nrg_help(i->ctx, "minimize instead of marginalize, use fewer candidates, or allow more memory");
    return s;
}

nrg_status nrg_tiles_make(nrg_chain *c, int k, int64_t count, nrg_node *index,
                          nrg_node *free_energy) {
    nrg_inference *i = c->i;
    nrg_group *gr = &c->at[k];
    nrg_graph *g = i->graph;
    nrg_loop *l;
    nrg_leads leads = nrg_leads_bound(i, gr->vars);
    if (gr->verb == NRG_MARGINALIZE) TRY(no_gradient(i, gr, count));
    TRY(nrg_loop_new(i, nrg_method_impl_get(gr->stmt.method), &l));
    tiles *t = NRG_NEW(&i->arena, tiles);
    if (!t) return NRG_E098;
    *t = (tiles){.count = count,
                 .tile = count,
                 .min = gr->verb == NRG_MINIMIZE,
                 .width = nrg_leads_count(g, leads)};
    t->samples = leads & NRG_SAMPLE;
    t->place = nrg_loop_name(i, "tile", gr->vars);
    t->a = nrg_loop_name(i, t->min ? "least" : "top", gr->vars);
    t->b = nrg_loop_name(i, t->min ? "best" : "sum", gr->vars);
    if (!t->place || !t->a || !t->b) return NRG_E098;
    l->own = t;
    if (t->tile > 1024) t->tile = 1024;
    TRY(fit(c, k, l, leads));
    TRY(nrg_infer_say(i, "%lld candidates in tiles of %lld", (long long)count, (long long)t->tile));
    nrg_node a = nrg_input(g, t->a, leads, (nrg_shape){0}),
             b = nrg_input(g, t->b, leads, (nrg_shape){0});
    if (t->min)
        *index = b;
    else
        *free_energy = nrg_mul(g, nrg_add(g, a, nrg_log(g, b)), nrg_const(g, -1 / i->model->beta));
    return nrg_graph_check(g);
}

nrg_status nrg_tiles_step(nrg_inference *i, nrg_loop *l, nrg_store *s, int64_t n, uint64_t seed,
                          uint32_t step) {
    tiles *t = l->own;
    int64_t tiles_n = (t->count + t->tile - 1) / t->tile, width = t->width * (t->samples ? n : 1);
    void *place, *a, *b;
    (void)i;
    TRY(nrg_store_make(s, t->place, 1, &place));
    TRY(nrg_store_make(s, t->a, width, &a));
    TRY(nrg_store_make(s, t->b, width, &b));
    nrg_store_fill(s, a, width, t->min ? INFINITY : -1e30);
    TRY(nrg_store_bind(s, l->graph, l->run));
    if (!nrg_inference_loops(l->inner)) return nrg_run_go(l->run, n, tiles_n, seed, step);
    for (int64_t j = 0; j < tiles_n; j++) {
        TRY(nrg_inference_go(l->inner, s, n, seed, step));
        TRY(nrg_store_bind(s, l->graph, l->run)); // inner loops may have made their buffers anew
        TRY(nrg_run_go(l->run, n, 1, seed, step));
    }
    return NRG_OK;
}

void nrg_tiles_drop(nrg_inference *i, nrg_loop *l) { (void)i, (void)l; }
