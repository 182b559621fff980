// Pictures and reports through nrg.h with memory refused at any request: a status, no leak, no half page, no folder
// left behind. Without gnuplot on the way: that keeps one way short, and what it would draw is written all the same.
#include "refuse.h"
#include <setjmp.h>
#include <stdarg.h>
#include <dirent.h>
#include <nrg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { ROWS = 24, EVERY = 7 }; // every 7th request is refused after the first 60: neighbours tell the same story

static const char text[] = "dim D = 2, Class = {left, right}\ngiven x : real[D]\npredict y : Class\nmodule G = "
                           "linear(3) | tanh | linear(Class)\n"
                           "energy E(x, y) = G(x)[y]\nminimize y\nmarginalize y\nlearn nll\noptimize by adam(epochs=1, "
                           "batch=8)\nreport error(y)\n";
static const char bowl[] = "predict x : real[2]\nenergy E(x) = 0.5 * sum(x * x)\n";
static double x[ROWS][2];
static int32_t y[ROWS];
static char folder[512];

static const char *in(const char *name) {
    static char path[700];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static nrg_status table(nrg_ctx *c, nrg_table **t) {
    const int64_t wide[2] = {ROWS, 2}, n = ROWS;
    nrg_status s = nrg_table_new(c, t);
    if (s == NRG_OK) s = nrg_table_put(*t, "x", NRG_CELL_F64, 2, wide, x);
    if (s == NRG_OK) s = nrg_table_put(*t, "y", NRG_CELL_I32, 1, &n, y);
    return s == NRG_OK ? nrg_table_check(*t) : s;
}

static void train(void) {
    char run[700];
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_ebm *m;
    nrg_table *t;
    snprintf(run, sizeof run, "%s", in("run"));
    nrg_train_options o = {.out = run, .overwrite = true};
    assert_int_equal(nrg_ebm_load_text(c, "m", text, strlen(text), NULL, &m), NRG_OK);
    assert_int_equal(table(c, &t), NRG_OK);
    assert_int_equal(nrg_ebm_train(m, t, &o, NULL, NULL), NRG_OK);
    nrg_table_free(t);
    nrg_ebm_free(m);
    nrg_ctx_free(c);
}

static nrg_status report(nrg_ctx *c) {
    char run[700];
    nrg_table *t = NULL;
    snprintf(run, sizeof run, "%s", in("run"));
    nrg_options o = {.threads = 1};
    nrg_status s = table(c, &t);
    if (s == NRG_OK) s = nrg_report_page(c, run, &o, t, in("page.html"));
    nrg_table_free(t);
    return s;
}

static nrg_status slices(nrg_ctx *c) {
    char run[700];
    nrg_table *t = NULL;
    nrg_ebm *m = NULL;
    const int64_t rows[2] = {1, 3};
    nrg_profile bars = {.var = "y", .rows = rows, .rows_n = 2}, line = {.var = "x[1]", .points = 5};
    nrg_options o = {.threads = 1};
    snprintf(run, sizeof run, "%s", in("run"));
    nrg_status s = table(c, &t);
    if (s == NRG_OK) s = nrg_ebm_load(c, run, &o, &m);
    if (s == NRG_OK) s = nrg_plot_slice(m, t, &bars, in("bars.svg"));
    if (s == NRG_OK || s == NRG_E092) s = nrg_plot_slice(m, t, &line, in("line.svg"));
    if (s == NRG_OK || s == NRG_E092) s = nrg_plot_confusion(m, t, NULL, "t", in("confusion.svg"));
    nrg_ebm_free(m);
    nrg_table_free(t);
    return s;
}

static nrg_status draws(nrg_ctx *c) {
    nrg_ebm *m = NULL;
    nrg_samples *r = NULL;
    nrg_table *t = NULL, *seen = NULL, *drawn = NULL;
    nrg_options o = {.threads = 1};
    nrg_sample_options few = {.n = 8, .chains = 2, .warmup = 2, .every = 1};
    nrg_look look = {.title = "t"}, tiles = {.h = 1, .w = 2};
    nrg_status s = table(c, &t);
    if (s == NRG_OK) s = nrg_ebm_load_text(c, "b", bowl, strlen(bowl), &o, &m);
    if (s == NRG_OK) s = nrg_ebm_sample_rows(m, t, -1, &few, &r, &seen);
    if (s == NRG_OK) s = nrg_samples_table(r, &drawn);
    if (s == NRG_OK) s = nrg_plot_draws(c, drawn, seen, &tiles, in("tiles.png"));
    if (s == NRG_OK) s = nrg_plot_draws(c, drawn, seen, &look, in("draws.svg"));
    if (s == NRG_OK || s == NRG_E092) s = nrg_plot_traces(c, drawn, &look, in("traces.svg"));
    nrg_samples_free(r);
    nrg_table_free(drawn);
    nrg_table_free(seen);
    nrg_table_free(t);
    nrg_ebm_free(m);
    return s;
}

// Entries of a folder whose names start so.
static int count(const char *where, const char *start) {
    int n = 0;
    DIR *d = opendir(where);
    for (struct dirent *e; d && (e = readdir(d));) n += strncmp(e->d_name, start, strlen(start)) == 0;
    if (d) closedir(d);
    return n;
}

static void refuse(nrg_status (*way)(nrg_ctx *), nrg_status wanted) {
    int ways = 0;
    for (long n = 0;; n += n < 60 ? 1 : EVERY, ways++) {
        quota q = {.left = n};
        remove(in("page.html"));
        nrg_ctx *c = nrg_ctx_new(limited, &q);
        if (!c) continue;
        nrg_status s = way(c);
        assert_true(s == wanted || s == NRG_E098);
        assert_true(s == NRG_OK || nrg_diag_count(c) > 0);
        nrg_ctx_free(c);
        assert_int_equal(q.live, 0);
        assert_int_equal(count(folder, "nrg-page-"), 0);
        if (s == NRG_OK || (s == wanted && q.left > 0)) break; // nothing was refused
        assert_int_equal(access(in("page.html"), F_OK), -1);
    }
    assert_true(ways > 60); // one at a time, and then some
}

static void reports(void **state) {
    (void)state;
    refuse(report, NRG_OK);
    assert_int_equal(access(in("page.html"), F_OK), 0);
}

static void pictures(void **state) {
    (void)state;
    refuse(slices, NRG_E092); // gnuplot is not on the way
    refuse(draws, NRG_E092);
}

// No folder for pictures can be made: a message, no page.
static void nowhere(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    setenv("TMPDIR", "/nowhere/at/all", 1);
    assert_int_equal(report(c), NRG_E092);
    setenv("TMPDIR", folder, 1);
    nrg_ctx_free(c);
}

int main(void) {
    snprintf(folder, sizeof folder, "%s/refused", NRG_BUILD);
    if (mkdir(folder, 0777) != 0 && access(folder, W_OK) != 0) return 1;
    setenv("TMPDIR", folder, 1);
    setenv("PATH", "/nowhere", 1);
    for (int i = 0; i < ROWS; i++) x[i][0] = i % 5 - 2, x[i][1] = i % 7 / 3.0 - 1, y[i] = i % 2;
    train();
    const struct CMUnitTest tests[] = {cmocka_unit_test(reports), cmocka_unit_test(pictures),
                                       cmocka_unit_test(nowhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
