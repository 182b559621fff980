// What tests of the executor share: a context for each test, statuses with their messages, numbers of a type.
#ifndef TEST_RUNS_H
#define TEST_RUNS_H

#include "plan/steps.h"
#include "exec/cpu/cpu.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static nrg_ctx *C; // of the test at hand

static inline int setup(void **state) {
    (void)state;
    C = nrg_ctx_new(NULL, NULL);
    return C ? 0 : 1;
}
static inline int teardown(void **state) {
    (void)state;
    nrg_ctx_free(C);
    return 0;
}

static inline void check(nrg_status s, const char *what) {
    if (s == NRG_OK) return;
    for (int i = 0; i < nrg_diag_count(C); i++) print_message("%s\n", nrg_diag_get(C, i)->message);
    fail_msg("%s: %s", what, nrg_status_name(s));
}
#define GO(call) check(call, #call)

static inline double noise(uint32_t *s) { // in [-1, 1), exact in float
    *s = *s * 1664525u + 1013904223u;
    return (double)(*s >> 8) * 0x1p-23 - 1;
}

static inline nrg_buf_type buffer_type(nrg_dtype type) { return type == NRG_F64 ? NRG_BUF_F64 : NRG_BUF_F32; }

// Numbers as a graph of this type has them, and as doubles again.
static inline void *typed(nrg_dtype type, const double *v, int64_t n) {
    void *p = malloc(((size_t)n + 1) * sizeof(double));
    assert_non_null(p);
    for (int64_t i = 0; i < n; i++)
        if (type == NRG_F64) ((double *)p)[i] = v[i];
        else ((float *)p)[i] = (float)v[i];
    return p;
}
static inline double typed_at(nrg_dtype type, const void *p, int64_t i) {
    return type == NRG_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}
#endif
