// Models for tests of inference: text, seeded weights in double, data, brute force.
#ifndef NRG_TEST_INFER_HELP_H
#define NRG_TEST_INFER_HELP_H

#include "infer/infer.h"
#include "lang/lang.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef struct {
    nrg_ctx *c;
    nrg_model *m;
    nrg_store *s;
    nrg_dtype type;
} fixture;

static void show(nrg_ctx *c) {
    for (int i = 0; i < nrg_diag_count(c); i++) {
        nrg_text t = nrg_text_make(c);
        nrg_diag_print(c, i, &t);
        print_message("%s\n", t.at ? t.at : "");
        nrg_text_free(&t);
    }
    nrg_diag_clear(c);
}

static void ok(fixture *f, nrg_status s) {
    if (s != NRG_OK) show(f->c);
    assert_int_equal(s, NRG_OK);
}

static void put_numbers(fixture *f, const char *name, const double *x, int64_t n) {
    void *to;
    ok(f, nrg_store_make(f->s, name, n, &to));
    for (int64_t i = 0; i < n; i++) {
        if (f->type == NRG_F64) ((double *)to)[i] = x[i];
        else ((float *)to)[i] = (float)x[i];
    }
}

static void put_random(fixture *f, const char *name, int64_t n, uint32_t id) {
    double *x = calloc((size_t)n + 1, sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = nrg_random_normal(11, 99, id, 0, (uint32_t)i);
    put_numbers(f, name, x, n);
    free(x);
}

// Loads a model; weights get seeded normal numbers.
static fixture load(const char *text, nrg_dtype type) {
    fixture f = {.c = nrg_ctx_new(NULL, NULL), .type = type};
    nrg_status s = nrg_lang_load(f.c, "test.nrg", text, strlen(text), NULL, &f.m);
    if (s != NRG_OK) show(f.c);
    assert_int_equal(s, NRG_OK);
    ok(&f, nrg_store_new(f.c, type, &f.s));
    ok(&f, nrg_model_resolve(f.m, type));
    for (uint32_t p = 0; p < f.m->params.n; p++) put_random(&f, f.m->params.at[p].name, nrg_shape_count(&f.m->params.at[p].shape), p + 1);
    return f;
}

static void drop(fixture *f) {
    nrg_store_free(f->s);
    nrg_model_free(f->m);
    nrg_ctx_free(f->c);
}

static int32_t var(const fixture *f, const char *name) { return nrg_model_var(f->m, name); }
static nrg_vars set(const fixture *f, const char *name) { return (nrg_vars)1 << nrg_model_var(f->m, name); }

__attribute__((unused)) static const double *numbers(const fixture *f, const char *name) { return nrg_store_get(f->s, name)->data; }

__attribute__((unused)) static nrg_answers ask(fixture *f, nrg_question q, const char *name, nrg_vars given, int64_t n, int threads, size_t memory) {
    nrg_ask_spec spec = {.question = q, .var = var(f, name), .given = given, .n = n, .threads = threads, .seed = 5, .memory = memory, .anyway = true};
    nrg_answers a;
    nrg_status s = nrg_ask(f->m, f->s, &spec, &a);
    if (s != NRG_E081) ok(f, s); // not converged: the answers are there
    return a;
}
#endif
