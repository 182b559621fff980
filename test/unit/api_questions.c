// Questions through nrg.h: a fitted scale that survives saving, several minima, checks without data; memory refused anywhere.
#include "nrg.h"
#include "refuse.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const char MODEL[] = "dim Y = 2\ngiven x : real\npredict y : Y\nweight W : real[Y]\nenergy "
                            "E(x, y) = x * W[y]\nminimize y\nmarginalize y\n"
                            "learn hinge against offender\noptimize by adam\n";
static const char WELLS[] = "given x : real\npredict y : real in -2..2\nenergy E(x, y) = (y^2 - "
                            "1)^2 + x * y\nminimize y by grid(points=40)\n";
enum { ROWS = 8 };
static const double X[ROWS] = {1, 2, 1, 2, 1, 2, 1, 2};
static const int64_t Y[ROWS] = {0, 0, 0, 1, 0, 0, 1, 0}; // two of eight against the energy

static nrg_status table_of(nrg_ctx *c, nrg_table **t) {
    int64_t n = ROWS;
    nrg_status s = nrg_table_new(c, t);
    if (s == NRG_OK) s = nrg_table_put(*t, "x", NRG_CELL_F64, 1, &n, X);
    if (s == NRG_OK) s = nrg_table_put(*t, "y", NRG_CELL_I64, 1, &n, Y);
    return s;
}

static nrg_status load(nrg_ctx *c, const char *text, nrg_ebm **m) {
    nrg_options o = {.f64 = true, .threads = 1};
    return nrg_ebm_load_text(c, "m", text, strlen(text), &o, m);
}

// W = (0, 1): with likelihood s over x in {1, 2}, the slope sum x (p_1 - y) is 0.
static nrg_status fitted(nrg_ctx *c, nrg_ebm **m, nrg_table **t, nrg_calibration *k) {
    const double W[2] = {0, 1};
    nrg_status s = load(c, MODEL, m);
    if (s == NRG_OK) s = table_of(c, t);
    if (s == NRG_OK) s = nrg_ebm_start(*m, *t);
    if (s == NRG_OK) s = nrg_ebm_weight_set(*m, 0, W);
    return s == NRG_OK ? nrg_ebm_calibrate(*m, *t, "y", k) : s;
}

static void a_scale_is_kept(void **state) {
    (void)state;
    char path[64];
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_ebm *m = NULL, *again = NULL;
    nrg_table *t = NULL;
    nrg_reply *r = NULL;
    nrg_calibration k;
    snprintf(path, sizeof path, "/tmp/nrg-scale-%ld.nrgm", (long)getpid());
    assert_int_equal(fitted(c, &m, &t, &k), NRG_OK);
    double slope = 0;
    for (int i = 0; i < ROWS; i++) slope += X[i] * (1 / (1 + exp(k.beta[1] * X[i])) - (double)Y[i]);
    assert_true(fabs(slope) < 1e-5);
    assert_int_equal(k.rows, ROWS);
    assert_int_equal(nrg_ebm_answers(m, NRG_DIST, "y"), NRG_OK);
    assert_int_equal(nrg_ebm_save(m, path), NRG_OK);
    assert_int_equal(nrg_ebm_load(c, path, NULL, &again), NRG_OK);
    nrg_ask_options o = {.question = NRG_DIST, .var = "y"};
    assert_int_equal(nrg_ebm_ask(again, t, &o, &r), NRG_OK);
    for (int i = 0; i < ROWS; i++)
        assert_true(fabs(r->p[2 * i + 1] - 1 / (1 + exp(k.beta[1] * X[i]))) < 1e-12);
    assert_int_equal(r->energies, 2 * ROWS);
    remove(path);
    nrg_reply_free(r);
    nrg_ebm_free(again);
    nrg_ebm_free(m);
    nrg_table_free(t);
    nrg_ctx_free(c);
}

static nrg_status wells(nrg_ctx *c, nrg_reply **r) {
    nrg_ebm *m = NULL;
    nrg_table *t = NULL;
    nrg_ask_options o = {.question = NRG_BEST, .var = "y", .minima = 3};
    nrg_status s = load(c, WELLS, &m);
    if (s == NRG_OK) s = table_of(c, &t);
    const char *const given[] = {"x"};
    o.given = given, o.given_n = 1;
    if (s == NRG_OK) s = nrg_ebm_check(m);
    if (s == NRG_OK) s = nrg_ebm_ask(m, t, &o, r);
    nrg_table_free(t);
    nrg_ebm_free(m);
    return s;
}

static void minima_are_a_ranking(void **state) {
    (void)state;
    const char *text;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_reply *r = NULL;
    assert_int_equal(wells(c, &r), NRG_OK);
    assert_int_equal(r->question, NRG_RANK);
    assert_int_equal(r->choices, 3);
    for (int i = 0; i < ROWS; i++) {
        double y = r->value[3 * i];
        assert_true(y < -1 && fabs(4 * y * (y * y - 1) + X[i]) < 1e-6);
        assert_int_equal(isnan(r->energy[3 * i + 1]) != 0,
                         X[i] > 8 / sqrt(27)); // from there on the right valley is gone
        assert_true(isnan(r->energy[3 * i + 2]));
    }
    assert_int_equal(nrg_reply_text(r, NRG_AS_CSV, &text), NRG_OK);
    assert_null(strstr(text, ",,"));
    nrg_reply_free(r);
    nrg_ctx_free(c);
}

static nrg_status story(nrg_ctx *c, int which) {
    nrg_ebm *m = NULL;
    nrg_table *t = NULL;
    nrg_reply *r = NULL;
    nrg_calibration k;
    nrg_status s = which ? wells(c, &r) : fitted(c, &m, &t, &k);
    nrg_reply_free(r);
    nrg_ebm_free(m);
    nrg_table_free(t);
    return s;
}

static void memory_may_be_refused_anywhere(void **state) {
    (void)state;
    for (int which = 0; which < 2; which++) {
        nrg_status s = NRG_E098;
        for (long n = 0; s != NRG_OK; n += n < 60 ? 1 : n / 5) {
            quota q = {.left = n};
            nrg_ctx *c = nrg_ctx_new(limited, &q);
            s = c ? story(c, which) : NRG_E098;
            if (s != NRG_OK && s != NRG_E098)
                print_message("request %ld of story %d: status %d\n", n, which, s);
            assert_true(s == NRG_OK || s == NRG_E098);
            nrg_ctx_free(c);
            assert_int_equal(q.live, 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_scale_is_kept),
                                       cmocka_unit_test(minima_are_a_ranking),
                                       cmocka_unit_test(memory_may_be_refused_anywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
