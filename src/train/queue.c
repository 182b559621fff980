// against queue(n): the answers of the last n rows that were learned from are wrong answers for every row of the batch (He et al. 2020).
// The answers themselves are kept, not codes of them: the energy is that of the weights of now.
#include "infer/inside.h"
#include "train/against.h"
#include <math.h>
#include <string.h>

enum { MOST = 1 << 22 }; // the numbers of rows and places are exact in float32

static nrg_status size_of(const nrg_wrong *w, int64_t *out) {
    const nrg_expr *e = nrg_call_arg(w->l->against, "n", 0);
    double n = 0;
    if (e) TRY(nrg_eval_number(w->m, e, &n));
    *out = (int64_t)n;
    if (e && n >= 1 && n <= MOST && n == floor(n)) return NRG_OK;
    nrg_status s = nrg_fail(w->m->ctx, NRG_E013, w->l->against->span, e ? "queue(%.6g)" : "queue does not say how many rows it keeps", n);
    nrg_help(w->m->ctx, "queue(4096): a whole number from 1 to %d", MOST);
    return s;
}

static nrg_status ring(const nrg_wrong *w, const char *name, int64_t count) {
    void *data;
    const nrg_buffer *b = nrg_store_get(w->store, name); // that of the steps serves validation too
    return b ? NRG_OK : nrg_store_make(w->store, name, count, &data);
}

static nrg_status asked(nrg_wrong *w, nrg_queue *q, int32_t v) {
    const char *name = w->m->vars.at[v].name;
    int i = q->n++;
    nrg_shape s = nrg_graph_node(w->p->g, q->truth[i] = nrg_scope_bound(w->p->scope, v))->shape;
    q->count[i] = nrg_shape_count(&s);
    q->ring[i] = nrg_arena_print(&w->p->arena, "queue:%u:%s", w->learn, name);
    q->last[i] = nrg_arena_print(&w->p->arena, "queue:%u:last:%s", w->learn, name);
    if (!q->ring[i] || !q->last[i]) return NRG_E098;
    TRY(ring(w, q->ring[i], q->size * q->count[i]));
    w->value[v] = nrg_input(w->p->g, q->ring[i], w->lead, s);
    return nrg_graph_check(w->p->g);
}

nrg_status nrg_point_queue(nrg_wrong *w) {
    nrg_graph *g = w->p->g;
    nrg_queue *q = NRG_NEW(&w->p->arena, nrg_queue);
    if (!q) return NRG_E098;
    TRY(nrg_against_minibatch(w, "queue"));
    TRY(size_of(w, &q->size));
    w->lead = nrg_lead_new(g, "earlier row", q->size);
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (w->a->over >> v & 1) TRY(asked(w, q, v));
    if (!(q->rows = nrg_arena_print(&w->p->arena, "queue:%u:rows", w->learn))) return NRG_E098;
    TRY(ring(w, q->rows, q->size + 1));
    nrg_node row = nrg_input(g, q->rows, w->lead, (nrg_shape){0}), own = nrg_input(g, "train:id", NRG_SAMPLE, (nrg_shape){0});
    nrg_node same = nrg_eq(g, row, nrg_add(g, own, nrg_const(g, 1))), there = nrg_lt(g, nrg_const(g, 0), row);
    w->valid = nrg_mul(g, nrg_select(g, same, nrg_const(g, 0), there), nrg_against_differs(w));
    if (w->p->draws_mode == NRG_DRAWS_LIVE) TRY(NRG_PUSH(&w->p->arena, w->p->queues, q));
    return nrg_infer_say(w->p->inf, "wrong answers: the last %lld rows", (long long)q->size);
}

// ---- beside the steps

nrg_status nrg_queues_open(nrg_trainer *t, nrg_program *p) {
    void *data;
    for (uint32_t k = 0; k < p->queues.n; k++) {
        nrg_queue *q = p->queues.at[k];
        for (int i = 0; i < q->n; i++) {
            nrg_shape s = nrg_graph_node(p->g, q->truth[i])->shape;
            TRY(nrg_store_make(t->store, q->last[i], p->batch * q->count[i], &data));
            TRY(nrg_update_put(t, nrg_input(p->g, q->last[i], NRG_SAMPLE, s), nrg_spread(p->g, q->truth[i], NRG_SAMPLE)));
            TRY(NRG_PUSH(&t->arena, t->states, ((nrg_state){q->ring[i], NULL, q->size * q->count[i]})));
        }
        TRY(NRG_PUSH(&t->arena, t->states, ((nrg_state){q->rows, NULL, q->size + 1})));
    }
    return nrg_graph_check(p->g);
}

static void put(const nrg_store *s, void *data, int64_t i, double v) {
    if (nrg_store_type(s) == NRG_F64) ((double *)data)[i] = v;
    else ((float *)data)[i] = (float)v;
}

static void push(nrg_trainer *t, const nrg_queue *q, const int64_t *rows, int64_t n) {
    void *numbers = nrg_store_get(t->store, q->rows)->data;
    size_t size = nrg_dtype_size(t->type);
    int64_t at = (int64_t)nrg_store_number(t->type, numbers, q->size);
    for (int64_t k = 0; k < n; k++, at = (at + 1) % q->size) {
        for (int i = 0; i < q->n; i++) {
            size_t bytes = (size_t)q->count[i] * size;
            char *to = nrg_store_get(t->store, q->ring[i])->data, *from = nrg_store_get(t->store, q->last[i])->data;
            memcpy(to + (size_t)at * bytes, from + (size_t)k * bytes, bytes);
        }
        put(t->store, numbers, at, (double)rows[k] + 1);
    }
    put(t->store, numbers, q->size, (double)at);
}

void nrg_queues_push(nrg_trainer *t, const nrg_program *p, const int64_t *rows, int64_t n) {
    for (uint32_t k = 0; k < p->queues.n; k++) push(t, p->queues.at[k], rows, n);
}
