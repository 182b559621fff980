// A small world of random expressions for tests of sums: leaves with some of three leading axes, of known numbers.
#ifndef TEST_LEAVES_H
#define TEST_LEAVES_H

#include "exec/exec.h"
#include "graph/inside.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { LEAVES = 8, SAMPLES = 3, EVENT = 2, ROOM = SAMPLES * 8 * EVENT * EVENT };
#define GO(x) assert_int_equal(x, NRG_OK)

typedef struct {
    nrg_ctx *c;
    nrg_graph *g;
    nrg_leads lead[3]; // of 3 samples, 2 and 4
    nrg_node leaf[LEAVES];
    double *value[LEAVES];
    uint32_t seed;
} world;

static inline uint32_t draw(world *w, uint32_t n) {
    w->seed = w->seed * 1664525u + 1013904223u;
    return (w->seed >> 8) % n;
}

static inline int64_t numbers(const world *w, nrg_node x) {
    return nrg_node_count(w->g, x) * (nrg_graph_node(w->g, x)->leads & NRG_SAMPLE ? SAMPLES : 1);
}

typedef struct {
    nrg_leads leads;
    nrg_shape shape;
} kind;

// of: what the next leaf is.
static inline void begin(world *w, uint32_t seed, kind (*of)(world *w)) {
    *w = (world){.c = nrg_ctx_new(NULL, NULL), .seed = seed * 7919u + 1};
    GO(nrg_graph_new(w->c, NRG_F64, &w->g));
    w->lead[0] = NRG_SAMPLE, w->lead[1] = nrg_lead_new(w->g, "a", 2), w->lead[2] = nrg_lead_new(w->g, "b", 4);
    for (int i = 0; i < LEAVES; i++) {
        char name[] = "v0";
        name[1] = (char)('0' + i);
        kind leaf = of(w);
        w->leaf[i] = nrg_input(w->g, name, leaf.leads, leaf.shape);
        int64_t n = numbers(w, w->leaf[i]);
        assert_non_null(w->value[i] = malloc((size_t)n * sizeof(double)));
        for (int64_t k = 0; k < n; k++) w->value[i][k] = 0.5 + draw(w, 1000) / 1000.0;
    }
}

static inline void end(world *w) {
    for (int i = 0; i < LEAVES; i++) free(w->value[i]);
    nrg_graph_free(w->g);
    nrg_ctx_free(w->c);
}

static inline nrg_node leaf(world *w) { return w->leaf[draw(w, LEAVES)]; }

// Adds the numbers of x over leading and event axes; magnitude: the same of their absolute values.
static inline void add_up(const world *w, nrg_node x, nrg_leads gone, uint32_t axes, const double *from, double *to, double *magnitude) {
    const nrg_node_info *v = nrg_graph_node(w->g, x);
    int64_t n[5] = {1, 1, 1, 1, 1}, stride[5] = {0}, step = 1, all = 1;
    bool kept[5];
    for (int k = 0; k < 3; k++) {
        if (v->leads & w->lead[k]) n[k] = k ? nrg_lead_extent(w->g, w->lead[k]) : SAMPLES;
        kept[k] = !(gone & w->lead[k]);
    }
    for (int k = 0; k < v->shape.rank; k++) n[3 + k] = v->shape.dim[k];
    for (int k = 0; k < 2; k++) kept[3 + k] = !(axes >> k & 1);
    for (int k = 4; k >= 0; k--) {
        if (kept[k]) stride[k] = step, step *= n[k];
        all *= n[k];
    }
    memset(to, 0, (size_t)step * sizeof *to), memset(magnitude, 0, (size_t)step * sizeof *magnitude);
    for (int64_t i = 0; i < all; i++) {
        int64_t at = 0, left = i;
        for (int k = 4; k >= 0; left /= n[k--]) at += left % n[k] * stride[k];
        to[at] += from[i], magnitude[at] += fabs(from[i]);
    }
}
#endif
