// A small world for tests of evaluation: a model text whose lets are evaluated by the reference executor on given numbers.
#ifndef TEST_WORLD_H
#define TEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exec/exec.h"
#include "lang/lang.h"

enum { GIVEN = 64 };
typedef struct {
    nrg_ctx *c;
    nrg_model *m;
    nrg_graph *g;
    nrg_scope *s;
    int64_t n; // samples
    struct { char name[64]; double *at; } given[GIVEN];
    int count;
} world;

static inline void world_complain(const world *w) {
    for (int i = 0; i < nrg_diag_count(w->c); i++) {
        nrg_text t = nrg_text_make(w->c);
        nrg_diag_print(w->c, i, &t);
        print_message("%s\n", t.at ? t.at : "");
        nrg_text_free(&t);
    }
}

static inline nrg_node world_zero(void *ud, nrg_graph *g, const nrg_node *vars, int n) {
    (void)ud, (void)vars, (void)n;
    return nrg_const(g, 0);
}

// Binds every variable but weights to an input of its name with the sample axis.
static inline void world_graph(world *w) {
    nrg_scope_free(w->s);
    nrg_graph_free(w->g);
    assert_int_equal(nrg_graph_new(w->c, NRG_F64, &w->g), NRG_OK);
    assert_int_equal(nrg_scope_new(w->m, w->g, &w->s), NRG_OK);
    for (uint32_t i = 0; i < w->m->vars.n; i++) {
        nrg_shape h;
        if (w->m->vars.at[i].role == NRG_WEIGHT) continue;
        assert_int_equal(nrg_var_shape(w->m, (int32_t)i, &h), NRG_OK);
        nrg_scope_bind(w->s, (int32_t)i, nrg_input(w->g, w->m->vars.at[i].name, NRG_SAMPLE, h));
    }
}

// vars: the list of an energy given in C; NULL: the text has its own energy.
static inline world world_open(const char *text, const char *vars, int64_t n) {
    world w = {.c = nrg_ctx_new(NULL, NULL), .n = n};
    nrg_status st = vars ? nrg_lang_load_fn(w.c, "t.nrg", text, strlen(text), NULL, vars, world_zero, NULL, &w.m)
                         : nrg_lang_load(w.c, "t.nrg", text, strlen(text), NULL, &w.m);
    if (st != NRG_OK) world_complain(&w);
    assert_int_equal(st, NRG_OK);
    world_graph(&w);
    return w;
}

static inline void world_close(world *w) {
    for (int i = 0; i < w->count; i++) free(w->given[i].at);
    nrg_scope_free(w->s);
    nrg_graph_free(w->g);
    nrg_model_free(w->m);
    nrg_ctx_free(w->c);
}

static inline double *world_find(world *w, const char *name) {
    for (int i = 0; i < w->count; i++)
        if (!strcmp(w->given[i].name, name)) return w->given[i].at;
    return NULL;
}

static inline double *world_put(world *w, const char *name, int64_t count) {
    assert_true(w->count < GIVEN);
    double *at = calloc((size_t)(count > 0 ? count : 1), sizeof *at);
    assert_non_null(at);
    snprintf(w->given[w->count].name, sizeof w->given[w->count].name, "%s", name);
    w->given[w->count++].at = at;
    return at;
}

static inline void world_give(world *w, const char *name, int64_t count, const double *x) {
    double *at = world_find(w, name);
    if (!at) at = world_put(w, name, count);
    memcpy(at, x, (size_t)count * sizeof *x);
}

// The numbers of an input: what was given, else small numbers made from its name, the same at every call.
static inline double *world_input(world *w, uint32_t slot) {
    const char *name = nrg_input_name(w->g, slot);
    const nrg_node_info *i = nrg_graph_node(w->g, nrg_input_at(w->g, slot));
    double *at = world_find(w, name);
    if (at) return at;
    int64_t count = nrg_shape_count(&i->shape) * (i->leads & NRG_SAMPLE ? w->n : 1);
    at = world_put(w, name, count);
    uint64_t id = 5381;
    for (const char *p = name; *p; p++) id = id * 33 + (unsigned char)*p;
    for (int64_t k = 0; k < count; k++) at[k] = nrg_random_uniform(7, NRG_FOR_NOISE, id, 0, (uint32_t)k) - 0.5;
    return at;
}

// Runs nodes; results[i] has room for its numbers.
static inline void world_run(world *w, const nrg_node *nodes, int n, double *const *results) {
    uint32_t slots = nrg_input_count(w->g);
    const double **in = calloc(slots + 1, sizeof *in);
    assert_non_null(in);
    for (uint32_t i = 0; i < slots; i++) in[i] = world_input(w, i);
    nrg_status st = nrg_ref_eval(w->c, w->g, w->n, in, 1, 0, nodes, n, results);
    if (st != NRG_OK) world_complain(w);
    assert_int_equal(st, NRG_OK);
    free(in);
}

static inline nrg_value world_eval(world *w, const char *let) {
    nrg_value v;
    int32_t i = nrg_model_let(w->m, let);
    assert_true(i >= 0);
    nrg_status st = nrg_eval(w->s, w->m->lets.at[i].body, &v);
    if (st != NRG_OK) world_complain(w);
    assert_int_equal(st, NRG_OK);
    return v;
}

// The numbers of a let for every sample; *count: numbers in all. Free it.
static inline double *world_value(world *w, const char *let, nrg_value *v, int64_t *count) {
    *v = world_eval(w, let);
    const nrg_node_info *i = nrg_graph_node(w->g, v->node);
    *count = nrg_shape_count(&i->shape) * (i->leads & NRG_SAMPLE ? w->n : 1);
    double *r = calloc((size_t)*count + 1, sizeof *r);
    assert_non_null(r);
    world_run(w, &v->node, 1, &r);
    return r;
}

static inline double *world_numbers(world *w, const char *let) {
    nrg_value v;
    int64_t count;
    return world_value(w, let, &v, &count);
}

static inline bool near(double a, double b, double tol) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    if (isinf(a) || isinf(b)) return a == b;
    return fabs(a - b) <= tol * (1 + fabs(b));
}

static inline void same_type(world *w, const nrg_type *t, const char *want, const char *what) {
    nrg_text out = nrg_text_make(w->c);
    nrg_type_print(w->m, t, &out);
    if (!nrg_same(out.at, want)) print_message("%s: type %s, not %s\n", what, out.at ? out.at : "", want);
    assert_string_equal(out.at, want);
    nrg_text_free(&out);
}
#endif
