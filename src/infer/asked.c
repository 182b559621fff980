// Questions asked before: graph, plan and run of each stay with the model, for the next time the same is asked of other rows.
#include "infer/ask.h"
#include <stddef.h>
#include <string.h>

enum { ASKED_MOST = 8 };

// What a graph was made from. Bytes are compared, so all of it is set to zero first.
typedef struct {
    const nrg_model *model;
    double beta;
    nrg_vars given, seen;
    uint64_t sizes; // of dims, hyper-parameters and weights
    size_t memory;
    int64_t piece;
    int32_t var, question, verb, threads, type, from_data;
} key;

typedef struct {
    key key;
    nrg_asking a;
    uint64_t last; // when it was asked; 0: free
} kept;

struct nrg_asked {
    nrg_ctx *ctx;
    kept at[ASKED_MOST];
    uint64_t clock;
};

nrg_status nrg_asked_new(nrg_ctx *c, nrg_asked **out) {
    if (!(*out = nrg_mem(c, NULL, 0, sizeof **out))) return NRG_E098;
    memset(*out, 0, sizeof **out);
    (*out)->ctx = c;
    return NRG_OK;
}

static void drop(kept *k) {
    if (k->last) nrg_asking_close(&k->a);
    k->last = 0;
}

void nrg_asked_clear(nrg_asked *k) {
    for (int i = 0; k && i < ASKED_MOST; i++) drop(&k->at[i]);
}

void nrg_asked_free(nrg_asked *k) {
    if (!k) return;
    nrg_asked_clear(k);
    nrg_mem(k->ctx, k, sizeof *k, 0);
}

static uint64_t mix(uint64_t h, uint64_t x) { return (h ^ x) * 0x9e3779b97f4a7c15u + (h >> 29); }

static uint64_t sizes_of(const nrg_model *m) {
    uint64_t h = 1, bits;
    for (uint32_t i = 0; i < m->dims.n; i++) h = mix(h, (uint64_t)m->dims.at[i].size);
    for (uint32_t i = 0; i < m->hypers.n; i++) {
        memcpy(&bits, &m->hypers.at[i].to, sizeof bits);
        h = mix(h, bits);
    }
    for (uint32_t i = 0; i < m->params.n; i++) h = mix(h, (uint64_t)nrg_shape_count(&m->params.at[i].shape));
    return h;
}

static void key_of(const nrg_model *m, const nrg_store *store, const nrg_ask_spec *spec, nrg_verb verb, int64_t piece, key *k) {
    memset(k, 0, sizeof *k);
    k->model = m;
    k->beta = m->beta;
    k->given = spec->given;
    k->seen = spec->seen;
    k->sizes = sizes_of(m);
    k->memory = spec->memory;
    k->piece = piece;
    k->var = spec->var;
    k->question = (int32_t)spec->question;
    k->verb = (int32_t)verb;
    k->threads = spec->threads;
    k->type = (int32_t)nrg_store_type(store);
    k->from_data = spec->from_data;
}

// An energy in C may build another graph each time; a message is said each time.
static bool keeps(const nrg_model *m, const nrg_ask_spec *spec) { return spec->asked && !m->energy.fn; }

nrg_status nrg_asked_find(nrg_asking *own, nrg_model *m, const nrg_store *store, const nrg_ask_spec *spec, nrg_verb verb, int64_t piece,
                          nrg_asking **out) {
    key k;
    kept *free = NULL;
    *out = own;
    if (!keeps(m, spec)) return nrg_asking_open(own, m, store, spec, piece);
    key_of(m, store, spec, verb, piece, &k);
    for (int i = 0; i < ASKED_MOST; i++) {
        kept *e = &spec->asked->at[i];
        if (e->last && memcmp(&e->key, &k, sizeof k) == 0) {
            e->last = ++spec->asked->clock;
            e->a.from = store;
            e->a.spec = spec;
            *out = &e->a;
            return NRG_OK;
        }
        if (!free || e->last < free->last) free = e;
    }
    drop(free);
    free->key = k;
    free->last = ++spec->asked->clock;
    *out = &free->a;
    int said = nrg_diag_count(m->ctx);
    nrg_status s = nrg_asking_open(&free->a, m, store, spec, piece);
    free->a.kept = true;
    free->a.said = said;
    return s;
}

void nrg_asked_done(nrg_asking *a, nrg_status s) {
    if (!a->kept) {
        nrg_asking_close(a);
        return;
    }
    bool fresh = !a->planned;
    a->planned = a->plan != NULL;
    if (s == NRG_OK && !(fresh && nrg_diag_count(a->model->ctx) != a->said)) return;
    kept *k = (kept *)(void *)((char *)a - offsetof(kept, a));
    drop(k);
}
