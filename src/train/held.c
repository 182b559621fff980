// What closed forms hold while weights move: best latents, or probabilities. They are the same for all blocks of a round, and
// the pass that takes the loss has them at hand: it writes them for all rows, and every other pass of the round reads them.
#include "train/inside.h"

static const double MOST = (double)(1 << 30); // bytes that they may take; beyond, each pass makes its own

struct nrg_held {
    uint32_t n;
    void **data;
    size_t *bytes;
};

static const char *name_of(nrg_arena *a, uint32_t k) { return nrg_arena_print(a, "held:rows:%u", k); }

// What `sample` holds for each sample, in the order in which it was built. Equal programs give equal lists.
static nrg_status list(nrg_program *p, nrg_node sample, nrg_node **out, uint32_t *n) {
    uint32_t size = nrg_graph_size(p->g);
    *out = NRG_NEWS(&p->arena, nrg_node, size + 1);
    *n = 0;
    if (!*out) return NRG_E098;
    for (uint32_t i = 1; i <= size; i++) {
        nrg_node at = {i};
        const nrg_node_info *v = nrg_graph_node(p->g, at);
        if (v->op == NRG_OP_stop && (v->leads & NRG_SAMPLE) && nrg_depends(p->g, sample, at)) (*out)[(*n)++] = at;
    }
    return NRG_OK;
}

void nrg_held_free(nrg_trainer *t) {
    for (uint32_t k = 0; t->held && k < t->held->n; k++)
        if (t->held->data[k]) nrg_mem(t->ctx, t->held->data[k], t->held->bytes[k], 0);
    t->held = NULL;
}

static int64_t rows_of(const nrg_trainer *t) {
    int64_t most = 0;
    for (int64_t i = 0; i < t->rows_n; i++) most = t->rows[i] >= most ? t->rows[i] + 1 : most;
    return most;
}

nrg_status nrg_held_make(nrg_trainer *t, nrg_program *p, nrg_node sample) {
    nrg_node *at;
    uint32_t n;
    double rows = (double)rows_of(t), all = 0;
    size_t real = nrg_dtype_size(t->type);
    if (t->held) return NRG_OK;
    TRY(list(p, sample, &at, &n));
    for (uint32_t k = 0; k < n; k++) all += rows * (double)nrg_node_count(p->g, at[k]) * (double)real;
    if (!n || all > MOST) return NRG_OK;
    nrg_held *h = NRG_NEW(&t->arena, nrg_held);
    if (!h) return NRG_E098;
    h->data = NRG_NEWS(&t->arena, void *, n), h->bytes = NRG_NEWS(&t->arena, size_t, n);
    if (!h->data || !h->bytes) return NRG_E098;
    t->held = h;
    for (h->n = 0; h->n < n; h->n++) {
        size_t bytes = (size_t)rows * (size_t)nrg_node_count(p->g, at[h->n]) * real;
        h->bytes[h->n] = bytes ? bytes : 1;
        if (!(h->data[h->n] = nrg_mem(t->ctx, NULL, 0, h->bytes[h->n]))) return NRG_E098;
    }
    return NRG_OK;
}

static nrg_status inputs(nrg_program *p, const nrg_node *at, uint32_t n, nrg_node *in) {
    for (uint32_t k = 0; k < n; k++) {
        const nrg_node_info v = *nrg_graph_node(p->g, at[k]);
        const char *name = name_of(&p->arena, k);
        if (!name) return NRG_E098;
        in[k] = nrg_input(p->g, name, v.leads, v.shape);
    }
    return nrg_graph_check(p->g);
}

nrg_status nrg_held_read(nrg_program *p, nrg_node *sample) {
    nrg_node *at, *in;
    uint32_t n;
    TRY(list(p, *sample, &at, &n));
    if (!(in = NRG_NEWS(&p->arena, nrg_node, n + 1))) return NRG_E098;
    TRY(inputs(p, at, n, in));
    *sample = nrg_graph_copy(p->g, p->g, *sample, at, in, (int)n);
    return nrg_graph_check(p->g);
}

nrg_status nrg_held_write(nrg_program *p, nrg_node sample, nrg_update **out, int *count) {
    nrg_node *at, *in;
    uint32_t n;
    TRY(list(p, sample, &at, &n));
    in = NRG_NEWS(&p->arena, nrg_node, n + 1);
    *out = NRG_NEWS(&p->arena, nrg_update, n + 1);
    if (!in || !*out) return NRG_E098;
    TRY(inputs(p, at, n, in));
    for (uint32_t k = 0; k < n; k++) (*out)[k] = (nrg_update){in[k], at[k]};
    *count = (int)n;
    return NRG_OK;
}

nrg_status nrg_held_rows(nrg_trainer *t, const int64_t *rows) {
    for (uint32_t k = 0; t->held && k < t->held->n; k++) {
        char name[32];
        snprintf(name, sizeof name, "held:rows:%u", k);
        TRY(nrg_store_put(t->store, name, (nrg_buffer){t->held->data[k], t->type == NRG_F64 ? NRG_BUF_F64 : NRG_BUF_F32, rows}));
    }
    return NRG_OK;
}
