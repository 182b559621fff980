// The processor executor against ref: every row of ops.def, in both types, with any slice size and any threads.
#include "plan/steps.h"
#include "exec/cpu/cpu.h"
#include "table/cases.h"
#include "table/cases.c"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void say(nrg_ctx *c) {
    for (int i = 0; i < nrg_diag_count(c); i++) print_message("%s\n", nrg_diag_get(c, i)->message);
}

static nrg_ctx *C; // of the test at hand

static void check(nrg_status s, const char *what) {
    if (s == NRG_OK) return;
    say(C);
    fail_msg("%s: %s", what, nrg_status_name(s));
}
#define GO(call) check(call, #call)

static int setup(void **state) {
    (void)state;
    C = nrg_ctx_new(NULL, NULL);
    return C ? 0 : 1;
}
static int teardown(void **state) {
    (void)state;
    size_t used = nrg_mem_used(C);
    (void)used;
    nrg_ctx_free(C);
    return 0;
}

// ---- the table

typedef struct {
    int failed, cases;
} table_state;

enum { GUARD = 16 }; // numbers before and after an output that must stay as they are

static double *as_doubles(const void *p, nrg_dtype type, int64_t n) {
    double *d = malloc(((size_t)n + 1) * sizeof *d);
    for (int64_t i = 0; i < n; i++) d[i] = type == NRG_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
    return d;
}

static void *as_type(const double *d, nrg_dtype type, int64_t n) {
    void *p = malloc(((size_t)n + 1) * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        if (type == NRG_F64) ((double *)p)[i] = d[i];
        else ((float *)p)[i] = (float)d[i];
    }
    return p;
}

static bool close_enough(double x, double y, double tol) {
    if (isnan(x) || isnan(y)) return isnan(x) && isnan(y);
    if (isinf(x) || isinf(y)) return x == y;
    return fabs(x - y) <= tol * (1 + fabs(y));
}

// Plans and runs node y of a case, returns its numbers; guards are checked.
static double *run_case_plan(const test_case *t, nrg_dtype type, int64_t slice, int threads, int64_t n, nrg_cpu_level level) {
    size_t real = type == NRG_F64 ? 8 : 4;
    nrg_plan *p;
    nrg_run *r;
    nrg_plan_spec spec = {.graph = t->g, .outputs = &t->y, .outputs_n = 1, .batch = n, .slice = slice};
    void *in[CASE_INPUTS] = {0};
    GO(nrg_plan_make(C, &spec, &p));
    GO(nrg_run_new(C, p, threads, &r));
    nrg_run_level(r, level);
    for (int i = 0; i < t->inputs; i++) {
        in[i] = as_type(t->value[i], type, t->count[i]);
        nrg_run_bind(r, t->in[i], (nrg_buffer){in[i], type == NRG_F64 ? NRG_BUF_F64 : NRG_BUF_F32, NULL});
    }
    size_t bytes = ((size_t)t->y_count + 2 * GUARD) * real;
    char *out = malloc(bytes);
    memset(out, 0x5a, bytes);
    nrg_run_output(r, 0, out + GUARD * real);
    GO(nrg_run_go(r, n, 1, 7, 3));
    for (size_t i = 0; i < GUARD * real; i++) {
        assert_int_equal(out[i], 0x5a);
        assert_int_equal(out[bytes - 1 - i], 0x5a);
    }
    double *d = as_doubles(out + GUARD * real, type, t->y_count);
    free(out);
    for (int i = 0; i < t->inputs; i++) free(in[i]);
    nrg_run_free(r);
    nrg_plan_free(p);
    return d;
}

static void one_case(const test_case *t, void *ud) {
    table_state *s = ud;
    nrg_dtype type = nrg_graph_type(t->g);
    double *want = malloc(((size_t)t->y_count + 1) * sizeof *want), *results[1] = {want};
    if (type == NRG_F32)
        for (int i = 0; i < t->inputs; i++)
            for (int64_t j = 0; j < t->count[i]; j++) t->value[i][j] = (double)(float)t->value[i][j];
    GO(nrg_ref_eval(C, t->g, t->n, (const double *const *)t->value, 7, 3, &t->y, 1, results));
    static const int64_t slices[] = {0, 1, 3};
    for (int k = 0; k < 3; k++) {
        double *got = run_case_plan(t, type, slices[k], k + 1, t->n, NRG_CPU_BEST), tol = type == NRG_F64 ? 1e-9 : 2e-4;
        for (int64_t i = 0; i < t->y_count; i++)
            if (!close_enough(got[i], want[i], tol)) {
                print_message("%s, slice %d: number %d is %.9g, ref has %.9g\n", t->name, (int)slices[k], (int)i, got[i], want[i]);
                s->failed++;
                break;
            }
        free(got);
    }
    s->cases++;
    free(want);
}

static void table(nrg_dtype type) {
    table_state s = {0};
    cases_each(C, NRG_OP_bad, type, one_case, &s);
    print_message("%d cases\n", s.cases);
    assert_true(s.cases > 100);
    assert_int_equal(s.failed, 0);
}
static void table_f64(void **state) { (void)state; table(NRG_F64); }
static void table_f32(void **state) { (void)state; table(NRG_F32); }

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(table_f64, setup, teardown),
        cmocka_unit_test_setup_teardown(table_f32, setup, teardown),
    };
    return cmocka_run_group_tests_name("exec", tests, NULL, NULL);
}
