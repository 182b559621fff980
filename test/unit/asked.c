// What was made for a question is kept with the model: an answer has the same bits as that of a model that was never asked before, whatever
// was asked in between, and a refused request is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <nrg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "refuse.h"

static const char text[] = "predict  x : real[5]\n"
                           "predict  y : real[3]\n"
                           "predict  s : bit[2]\n"
                           "weight   W : real[3, 5] init normal(0.5)\n"
                           "weight   V : real[2, 3] init normal(0.5)\n"
                           "energy   E(x, y, s) = 0.5 * sq(x - y @ W) + 0.5 * sq(y) + 0.05 * sum(y^4) + dot(s @ V, y)\n"
                           "minimize s by exhaustive\n"
                           "minimize x by exact\n";
static const char code[] = "predict  x : real[5]\npredict  y : real[3]\nweight   W : real[3, 5] init normal(0.5)\n"
                           "energy   E(x, y) = 0.5 * sq(x - y @ W) + 0.5 * sq(y)\nminimize y by exact\nmarginalize y by exact\n";

enum { MOST = 6000 };
static double numbers[MOST], bits[MOST];

static nrg_table *table(nrg_ctx *c, const char *with, int64_t rows, int from) {
    nrg_table *t;
    assert_int_equal(nrg_table_new(c, &t), NRG_OK);
    for (const char *v = with; *v; v++) {
        int64_t wide = *v == 'x' ? 5 : *v == 'y' ? 3 : 2, dim[2] = {rows, wide};
        const char name[2] = {*v, 0};
        assert_true(rows * wide + from <= MOST);
        assert_int_equal(nrg_table_put(t, name, NRG_CELL_F64, 2, dim, (*v == 's' ? bits : numbers) + from), NRG_OK);
    }
    return t;
}

static nrg_ebm *model(nrg_ctx *c, const char *what) {
    nrg_options o = {0};
    nrg_ebm *m = NULL;
    o.threads = 1;
    return nrg_ebm_load_text(c, "m.nrg", what, strlen(what), &o, &m) == NRG_OK ? m : NULL;
}

static void shift_weights(nrg_ebm *m, double by) {
    for (int i = 0; i < nrg_ebm_weights(m); i++) {
        nrg_weight_info w;
        double v[64];
        assert_int_equal(nrg_ebm_weight(m, i, &w), NRG_OK);
        assert_true(w.count <= 64);
        for (int64_t k = 0; k < w.count; k++) v[k] = 0.3 * sin((double)k + by);
        assert_int_equal(nrg_ebm_weight_set(m, i, v), NRG_OK);
    }
}

// What a model answers: all its numbers one after the other.
typedef struct {
    nrg_question question;
    const char *var, *with;
    int64_t rows;
    int from;
} query;

static int64_t answer(nrg_ebm *m, query q, double *to) {
    nrg_table *t = table(nrg_ebm_ctx(m), q.with, q.rows, q.from);
    int64_t n = 0;
    if (!q.var) {
        assert_int_equal(nrg_ebm_energy(m, t, to), NRG_OK);
        n = q.rows;
    } else {
        nrg_ask_options o = {.question = q.question, .var = q.var, .anyway = true};
        nrg_reply *r;
        nrg_status s = nrg_ebm_ask(m, t, &o, &r);
        char said[2000] = "";
        if (s != NRG_OK) nrg_diag_text(nrg_ebm_ctx(m), nrg_diag_count(nrg_ebm_ctx(m)) - 1, said, sizeof said);
        if (s != NRG_OK) fail_msg("%s given %s: %s", q.var, q.with, said);
        if (r->value)
            for (int64_t i = 0; i < r->n * r->width; i++) to[n++] = r->value[i];
        if (r->mean)
            for (int64_t i = 0; i < r->n * r->width; i++) to[n++] = r->mean[i], to[n++] = r->variance[i];
        if (r->free)
            for (int64_t i = 0; i < r->n; i++) to[n++] = r->free[i];
        if (r->energy)
            for (int64_t i = 0; i < r->n; i++) to[n++] = r->energy[i];
        to[n++] = (double)strlen(r->how) + (double)r->status[0][0];
        nrg_reply_free(r);
    }
    nrg_table_free(t);
    return n;
}

static void must_be_fresh(nrg_ebm *m, const char *what, double by, query q) {
    static double a[4 * MOST], b[4 * MOST];
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_ebm *fresh = model(c, what);
    nrg_table *t = table(c, q.with, 1, 0);
    assert_int_equal(nrg_ebm_start(fresh, t), NRG_OK);
    nrg_table_free(t);
    shift_weights(fresh, by);
    int64_t n = answer(m, q, a);
    assert_int_equal(n, answer(fresh, q, b));
    assert_memory_equal(a, b, (size_t)n * sizeof *a);
    nrg_ebm_free(fresh);
    nrg_ctx_free(c);
}

static const query asked[] = {
    {NRG_BEST, "y", "xs", 1, 0}, {NRG_BEST, "y", "xs", 3, 1}, {NRG_BEST, "x", "ys", 2, 2}, {NRG_BEST, "y", "x", 2, 3},
    {NRG_BEST, "s", "xy", 2, 4}, {NRG_BEST, "s", "xy", 1, 5}, {NRG_BEST, "x", "ys", 1, 6},  {NRG_BEST, NULL, "xys", 3, 7},
    {NRG_BEST, NULL, "xys", 1, 8}, {NRG_BEST, "y", "xs", 2, 9}, {NRG_BEST, "x", "ys", 1, 0}, {NRG_BEST, "y", "xs", 4, 0}};
static const query gaussian[] = {{NRG_BEST, "y", "x", 1, 0}, {NRG_DIST, "y", "x", 1, 1}, {NRG_BEST, "y", "x", 1, 2},
                                 {NRG_DIST, "y", "x", 3, 3}, {NRG_BEST, "y", "x", 1100, 4}, {NRG_BEST, NULL, "xy", 2, 5}};

static nrg_ebm *started(nrg_ctx *c, const char *what, const char *with) {
    nrg_ebm *m = model(c, what);
    nrg_table *t = table(c, with, 1, 0);
    assert_non_null(m);
    assert_int_equal(nrg_ebm_start(m, t), NRG_OK);
    nrg_table_free(t);
    return m;
}

static void all(const char *what, const char *with, const query *q, int n) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL), *other = nrg_ctx_new(NULL, NULL);
    nrg_ebm *m = started(c, what, with), *twin = started(other, what, with);
    for (int round = 0; round < 3; round++) { // other weights in each
        shift_weights(m, round);
        shift_weights(twin, 10 + round);
        for (int i = 0; i < n; i++) {
            must_be_fresh(m, what, round, q[i]);
            must_be_fresh(m, what, round, q[i]);
            must_be_fresh(twin, what, 10 + round, q[i]);
        }
    }
    nrg_ebm_free(m), nrg_ebm_free(twin);
    nrg_ctx_free(c), nrg_ctx_free(other);
}

static void answers_are_fresh(void **state) {
    (void)state;
    all(text, "xys", asked, (int)(sizeof asked / sizeof *asked));
    all(code, "xy", gaussian, (int)(sizeof gaussian / sizeof *gaussian));
}

// One refused request after the other, while the same is asked again and again.
static void refused_requests_are_told(void **state) {
    (void)state;
    double want[64], got[64];
    long last = 0;
    for (long n = -1; n == -1 || n <= last; n += n < 60 ? 1 : 7) {
        quota q = {.left = -1};
        nrg_ctx *c = nrg_ctx_new(limited, &q);
        nrg_ebm *m = started(c, code, "xy");
        nrg_table *t = table(c, "x", 2, 0);
        nrg_ask_options o = {.question = NRG_BEST, .var = "y", .anyway = true};
        long before = 1000000;
        q.left = n < 0 ? before : n;
        for (int time = 0; time < 3; time++) {
            if (time == 2) q.left = n < 0 ? q.left : -1; // in the end there is memory again
            nrg_reply *r = NULL;
            nrg_status s = nrg_ebm_ask(m, t, &o, &r);
            assert_true(s == NRG_OK || s == NRG_E098);
            assert_true((s == NRG_OK) == (r != NULL));
            if (r) {
                for (int64_t i = 0; i < r->n * r->width; i++) (n < 0 ? want : got)[i] = r->value[i];
                if (n >= 0) assert_memory_equal(want, got, (size_t)(r->n * r->width) * sizeof *got);
                nrg_reply_free(r);
            } else assert_true(time < 2);
        }
        if (n < 0) last = before - q.left;
        nrg_table_free(t);
        nrg_ebm_free(m);
        nrg_ctx_free(c);
        assert_int_equal(q.live, 0);
    }
    print_message("%ld requests in three questions\n", last);
}

int main(void) {
    for (int i = 0; i < MOST; i++) numbers[i] = sin(1.7 * i) + 0.3 * cos(0.31 * i * i), bits[i] = i % 3 == 0;
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_are_fresh), cmocka_unit_test(refused_requests_are_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
