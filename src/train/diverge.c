// A number that is no longer finite: which node was the first, and which line of the model it came from.
#include "train/inside.h"
#include <float.h>
#include <math.h>

enum { MOST = 1 << 25 }; // doubles that the search may take: 256 MiB

static bool gone(const nrg_program *p, double x) {
    return !isfinite(x) || (nrg_graph_type(p->g) != NRG_F64 && fabs(x) > (double)FLT_MAX);
}

static int64_t cells(const nrg_graph *g, nrg_node n, int64_t samples) {
    return nrg_node_count(g, n) * (nrg_graph_node(g, n)->leads & NRG_SAMPLE ? samples : 1);
}

// 0 fine, 1 infinite, 2 not a number
static int state(const nrg_program *p, const double *x, int64_t n) {
    int worst = 0;
    for (int64_t i = 0; i < n && worst < 2; i++) {
        if (isnan(x[i])) worst = 2;
        else if (gone(p, x[i])) worst = 1;
    }
    return worst;
}

// The first node, in order of computation, that is worse than everything it was made from.
static nrg_node first(const nrg_program *p, double *const *value, int64_t n, int least) {
    for (uint32_t i = 1; i <= nrg_graph_size(p->g); i++) {
        const nrg_node_info *info = nrg_graph_node(p->g, (nrg_node){i});
        if (info->op == NRG_OP_const || state(p, value[i - 1], cells(p->g, (nrg_node){i}, n)) < least) continue;
        bool fresh = true;
        for (int k = 0; k < nrg_op_get(info->op)->arity; k++)
            fresh = fresh && state(p, value[info->in[k].i - 1], cells(p->g, info->in[k], n)) < least;
        if (fresh) return (nrg_node){i};
    }
    return NRG_BAD;
}

static void load_input(const nrg_store *store, const nrg_graph *g, uint32_t slot, int64_t n, double *to) {
    const nrg_buffer *b = nrg_store_get(store, nrg_input_name(g, slot));
    int64_t width = nrg_node_count(g, nrg_input_at(g, slot));
    bool rows = nrg_graph_node(g, nrg_input_at(g, slot))->leads & NRG_SAMPLE;
    if (!b) return;
    nrg_array view = {.type = (nrg_cell)b->type, .rank = 1, .data = b->data};
    for (int64_t i = 0; i < (rows ? n : 1); i++)
        for (int64_t j = 0; j < width; j++)
            to[i * width + j] = nrg_array_value(&view, (rows && b->rows ? b->rows[i] : i) * width + j);
}

// Runs the graph again by the reference executor. A search that cannot be made finds nothing; it never fails the caller.
static nrg_node search(nrg_trainer *t, nrg_program *p, int64_t n) {
    uint32_t size = nrg_graph_size(p->g), slots = nrg_input_count(p->g);
    nrg_arena a = nrg_arena_make(t->ctx);
    int64_t total = 0;
    nrg_node found = NRG_BAD, *nodes = NRG_NEWS(&a, nrg_node, size + 1);
    double **value = NRG_NEWS(&a, double *, size + 1), **input = NRG_NEWS(&a, double *, slots + 1);
    for (uint32_t i = 1; i <= size; i++) total += cells(p->g, (nrg_node){i}, n);
    bool room = nodes && value && input && total < MOST;
    for (uint32_t i = 0; i < size && room; i++) {
        nodes[i] = (nrg_node){i + 1};
        room = (value[i] = NRG_NEWS(&a, double, cells(p->g, nodes[i], n) + 1)) != NULL;
    }
    for (uint32_t i = 0; i < slots && room; i++) {
        room = (input[i] = NRG_NEWS(&a, double, cells(p->g, nrg_input_at(p->g, i), n) + 1)) != NULL;
        if (room) load_input(t->store, p->g, i, n, input[i]);
    }
    if (room && nrg_ref_eval(t->ctx, p->g, n, (const double *const *)input, t->o.seed, (uint32_t)t->total, nodes,
                             (int)size, value) == NRG_OK) {
        found = first(p, value, n, 2);
        if (!found.i) found = first(p, value, n, 1);
    }
    nrg_arena_free(&a);
    return found;
}

nrg_status nrg_diverged(nrg_trainer *t, nrg_program *p, int64_t n) {
    nrg_node at = search(t, p, n);
    const nrg_node_info *info = nrg_graph_node(p->g, at);
    int line = 0, col = 0;
    nrg_source_place(t->ctx, info->span, &line, &col);
    nrg_status s = nrg_fail(t->ctx, NRG_E080, at.i ? info->span : NRG_NOWHERE,
                            "stopped: the loss is no longer finite at step %lld (epoch %lld)", (long long)t->total + 1,
                            (long long)t->epoch + 1);
    if (at.i && line) nrg_fact(t->ctx, "first in `%s`, line %d of the model", nrg_op_get(info->op)->name, line);
    else if (at.i) nrg_fact(t->ctx, "first in `%s`", nrg_op_get(info->op)->name);
    if (t->sums.weight > 0)
        nrg_fact(t->ctx, "this epoch before it: loss %.4g, |g| %.4g", t->sums.loss / t->sums.weight,
                 t->sums.norm / t->sums.weight);
    if (t->o.out) nrg_fact(t->ctx, "%s/weights.safetensors holds the weights before this step", t->o.out);
    else nrg_fact(t->ctx, "the weights are those before this step");
    nrg_help(t->ctx, "lower the learning rate, or clip gradients (clip=1), or bound the energy");
    return s;
}
