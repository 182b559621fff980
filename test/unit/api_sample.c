// Drawing through the public interface: layout of the reply, one chain alone, memory that is refused anywhere.
#include "nrg.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char TEXT[] = "dim D = 3\ngiven x : real\npredict y : real[D]\nenergy E(x, y) = 0.5 * sq(y - x)\nsample y by mala(steps=40)\n";

typedef struct {
    long left; // allocations until one is refused; < 0: none is
} budget;

static void *limited(void *ud, void *p, size_t old, size_t size) {
    budget *b = ud;
    (void)old;
    if (size == 0) {
        free(p);
        return NULL;
    }
    if (b->left == 0) return NULL;
    if (b->left > 0) b->left--;
    return realloc(p, size);
}

static nrg_status sample(nrg_ctx *c, const nrg_sample_options *o, int64_t rows, nrg_samples **out) {
    static const double x[] = {-4, 0, 4};
    nrg_ebm *m = NULL;
    nrg_table *t = NULL;
    *out = NULL;
    nrg_status s = nrg_ebm_load_text(c, "t.nrg", TEXT, strlen(TEXT), &(nrg_options){.threads = 2, .seed = 3}, &m);
    if (s == NRG_OK) s = nrg_table_new(c, &t);
    if (s == NRG_OK) s = nrg_table_put(t, "x", NRG_CELL_F64, 1, &rows, x);
    if (s == NRG_OK) s = nrg_ebm_sample(m, t, o, out);
    nrg_table_free(t);
    nrg_ebm_free(m);
    return s;
}

static void layout_of_the_reply(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_samples *r, *one;
    const char *text;
    assert_int_equal(sample(c, &(nrg_sample_options){.n = 70, .chains = 8}, 3, &r), NRG_OK);
    assert_int_equal(r->rows, 3);
    assert_int_equal(r->chains, 8);
    assert_int_equal(r->draws, 9);
    assert_int_equal(r->n, 70);
    assert_int_equal(r->vars, 1);
    assert_string_equal(r->var[0].name, "y");
    assert_int_equal(r->var[0].width, 3);
    assert_true(r->acceptance > 0.3 && r->acceptance < 0.9 && r->temperature == 1 && r->warmup == 40);
    for (int64_t i = 0; i < 3 * 8 * 9; i++) {
        double E = 0, x = i / 72 == 0 ? -4 : i / 72 == 1 ? 0 : 4;
        for (int k = 0; k < 3; k++) E += 0.5 * pow(r->var[0].value[3 * i + k] - x, 2);
        assert_true(fabs(r->energy[i] - E) < 1e-4 * (1 + E));
    }
    assert_int_equal(nrg_samples_text(r, NRG_AS_CSV, &text), NRG_OK);
    int lines = 0;
    for (const char *p = text; *p; p++) lines += *p == '\n';
    assert_int_equal(lines, 1 + 3 * 70);
    // Chain 5 of row 1 is number 13 of all; drawn alone it depends on x of its own row only: row 1 has x = 0, the first -4.
    assert_int_equal(sample(c, &(nrg_sample_options){.n = 9, .chains = 1, .first = 5}, 1, &one), NRG_OK);
    assert_memory_equal(one->var[0].value, r->var[0].value + 5 * 9 * 3, 9 * 3 * sizeof(double));
    nrg_samples_free(one);
    nrg_samples_free(r);
    nrg_ctx_free(c);
}

static void memory_may_be_refused_anywhere(void **state) {
    (void)state;
    bool done = false;
    int refusals = 0;
    for (long left = 0; !done; left += left < 200 ? 1 : 13) {
        budget b = {left};
        nrg_ctx *c = nrg_ctx_new(limited, &b);
        nrg_samples *r;
        if (!c) continue;
        nrg_status s = sample(c, &(nrg_sample_options){.n = 8, .chains = 2, .warmup = 2, .every = 1}, 2, &r);
        assert_true(s == NRG_OK || s == NRG_E098);
        done = s == NRG_OK;
        refusals += !done;
        nrg_samples_free(r);
        nrg_ctx_free(c);
    }
    assert_true(refusals > 50);
}

static void mistakes(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_samples *r;
    const char *x = "x", *bad = "yy";
    assert_int_equal(sample(c, &(nrg_sample_options){.vars = &bad, .vars_n = 1}, 1, &r), NRG_E011);
    assert_null(r);
    assert_int_equal(sample(c, &(nrg_sample_options){.n = 100, .chains = 1, .steps = 9}, 1, &r), NRG_E090);
    assert_int_equal(sample(c, &(nrg_sample_options){.vars = &x, .vars_n = 1}, 1, &r), NRG_OK); // y has no verb: it is drawn beside
    assert_int_equal(r->vars, 1);
    assert_string_equal(r->var[0].name, "x");
    nrg_samples_free(r);
    assert_int_equal(sample(c, NULL, 1, &r), NRG_OK);
    nrg_samples_free(r);
    nrg_ctx_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_of_the_reply),
        cmocka_unit_test(memory_may_be_refused_anywhere),
        cmocka_unit_test(mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
