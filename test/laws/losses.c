// The lectures' table of losses and margins, rebuilt from the numbers; slopes against closed forms; printed errors fail.
#include "nrg.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static nrg_ctx *ctx;

static int setup(void **state) {
    (void)state;
    ctx = nrg_ctx_new(NULL, NULL);
    return ctx == NULL;
}
static int teardown(void **state) {
    (void)state;
    nrg_ctx_free(ctx);
    return 0;
}

static nrg_verdict check(const char *loss, const char *set) {
    nrg_verdict v = {0};
    assert_int_equal(nrg_loss_check(ctx, loss, &set, set != NULL, &v), NRG_OK);
    return v;
}

typedef struct {
    const char *name;
    nrg_margin kind;
    double margin;
    bool contrastive, differences, sound;
} row;
// The table of the lectures; logistic, simple and the relative form of LVQ2 stand beside it.
static const row table[] = {
    {"energy", NRG_MARGIN_NONE, 0, false, false, false},      {"perceptron", NRG_MARGIN_ZERO, 0, true, true, false},
    {"nll", NRG_MARGIN_SOME, 0, true, true, true},            {"mee", NRG_MARGIN_SOME, 0, true, true, true},
    {"hinge", NRG_MARGIN_FINITE, 1, true, true, true},        {"log_loss", NRG_MARGIN_SOME, 0, true, true, true},
    {"lvq2", NRG_MARGIN_ZERO, 0, true, true, false},          {"lvq2_relative", NRG_MARGIN_ZERO, 0, true, false, false},
    {"mce", NRG_MARGIN_SOME, 0, true, true, true},            {"square_square", NRG_MARGIN_FINITE, 1, true, false, true},
    {"square_exp", NRG_MARGIN_SOME, 0, true, false, true},    {"simple", NRG_MARGIN_FINITE, 1, true, false, true},
    {"logistic", NRG_MARGIN_SOME, 0, true, false, true},
};
enum { ROWS = sizeof table / sizeof *table };

static void the_table_is_the_lectures(void **state) {
    (void)state;
    const char *name, *formula, *doc;
    for (int i = 0; i < ROWS; i++) {
        assert_true(nrg_loss_row_at(i, &name, &formula, &doc));
        assert_string_equal(name, table[i].name); // a new row needs its line above
        nrg_verdict v = check(name, NULL);
        print_message("%-14s kind %d margin %g contrastive %d differences %d: %s\n", name, v.kind, v.margin, v.contrastive,
                      v.differences, v.words);
        assert_int_equal(v.kind, table[i].kind);
        assert_true(fabs(v.margin - table[i].margin) < 1e-6);
        assert_int_equal(v.contrastive, table[i].contrastive);
        assert_int_equal(v.differences, table[i].differences);
        assert_int_equal(v.sound, table[i].sound);
    }
    assert_false(nrg_loss_row_at(ROWS, &name, &formula, &doc));
}

static void margins_follow_their_parameter(void **state) {
    (void)state;
    static const struct {
        const char *loss, *set;
        double margin;
    } cases[] = {{"hinge", "margin=0.25", 0.25}, {"hinge", "margin=7", 7}, {"square_square", "m=2.5", 2.5}, {"simple", "m=10", 10}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nrg_verdict v = check(cases[i].loss, cases[i].set);
        assert_int_equal(v.kind, NRG_MARGIN_FINITE);
        assert_true(fabs(v.margin - cases[i].margin) < 1e-6);
    }
    assert_int_equal(check("nll", "beta=100").kind, NRG_MARGIN_SOME); // its slope leaves the doubles at a gap of 7
    assert_true(check("lvq2", NULL).dead); // beyond M nothing pulls
    assert_false(check("hinge", NULL).dead);
}

static void printed_errors_fail(void **state) {
    (void)state;
    static const struct {
        const char *loss;
        double slope; // dL/dneg at pos = 0.3, neg = 0.6, m = 1
    } forms[] = {{"pos^2 - max(0, m - neg)^2", 0.8},   // E2: the table
                 {"pos^2 + min(0, m - neg)^2", 0},     // E1
                 {"pos^2 - max(0, m - neg^2)", 1.2}};  // E2: the slide of the demonstration
    for (int i = 0; i < 3; i++) {
        nrg_verdict v = check(forms[i].loss, NULL);
        assert_false(v.sound);
        assert_true(v.pulls_wrong);
        assert_false(v.contrastive);
        assert_int_equal(v.kind, NRG_MARGIN_NONE);
        assert_string_equal(v.words, "pulls wrong answers down");
        double p = 0.3, n = 0.6, l, a, b;
        assert_int_equal(nrg_loss_values(ctx, forms[i].loss, NULL, 0, 1, &p, &n, &l, &a, &b), NRG_OK);
        assert_true(fabs(a - 0.6) < 1e-12 && fabs(b - forms[i].slope) < 1e-12);
    }
    assert_string_equal(check("neg - pos", NULL).words, "pulls wrong answers down");
    assert_string_equal(check("-pos - neg", NULL).words, "pushes right answers up");
    assert_string_equal(check("(pos - lowest)^2", NULL).words, "zero margin");
}

// ---- closed forms, parameters 1 ----
static double sigma(double t) { return 1 / (1 + exp(-t)); }
static double plus(double t) { return t > 0 ? t : 0; }
static double softplus(double t) { return plus(t) + log1p(exp(-fabs(t))); }

static void closed(int i, double p, double n, double out[3]) {
    double d = p - n, s = sigma(d), on;
    switch (i) {
    case 0: out[0] = p, out[1] = 1, out[2] = 0; break;
    case 1: on = d > 0, out[0] = plus(d), out[1] = on, out[2] = -on; break;
    case 2:
    case 5: out[0] = softplus(d), out[1] = s, out[2] = -s; break;
    case 3: out[0] = s, out[1] = s * (1 - s), out[2] = -out[1]; break;
    case 4: on = 1 + d > 0, out[0] = plus(1 + d), out[1] = on, out[2] = -on; break;
    case 6: on = d > 0 && d < 1, out[0] = fmin(1, plus(d)), out[1] = on, out[2] = -on; break;
    case 7: on = d > 0 && d < n, out[0] = fmin(1, plus(d / n)), out[1] = on / n, out[2] = -on * p / (n * n); break;
    case 8: out[0] = s, out[1] = s * (1 - s), out[2] = -out[1]; break;
    case 9: out[0] = p * p + plus(1 - n) * plus(1 - n), out[1] = 2 * p, out[2] = -2 * plus(1 - n); break;
    case 10: out[0] = p * p + exp(-n), out[1] = 2 * p, out[2] = -exp(-n); break;
    case 11: out[0] = plus(p) + plus(1 - n), out[1] = 1, out[2] = n < 1 ? -1 : 0; break;
    case 12: out[0] = softplus(p) + softplus(-n), out[1] = sigma(p), out[2] = -sigma(-n); break;
    default: fail();
    }
}

static void values_and_slopes_are_the_closed_forms(void **state) {
    (void)state;
    enum { N = 49 };
    double p[N], n[N], l[N], a[N], b[N], want[3];
    for (int i = 0; i < N; i++) p[i] = 0.031 + 0.3713 * (i % 7), n[i] = 0.052 + 0.4177 * (i / 7);
    for (int r = 0; r < ROWS; r++) {
        assert_int_equal(nrg_loss_values(ctx, table[r].name, NULL, 0, N, p, n, l, a, b), NRG_OK);
        for (int i = 0; i < N; i++) {
            closed(r, p[i], n[i], want);
            if (fabs(l[i] - want[0]) > 1e-12 || fabs(a[i] - want[1]) > 1e-12 || fabs(b[i] - want[2]) > 1e-12)
                fail_msg("%s at (%g, %g): %.15g %.15g %.15g, expected %.15g %.15g %.15g", table[r].name, p[i], n[i], l[i], a[i],
                         b[i], want[0], want[1], want[2]);
        }
    }
}

static void bad_losses_are_refused(void **state) {
    (void)state;
    nrg_verdict v;
    assert_int_equal(nrg_loss_check(ctx, "pos +", NULL, 0, &v), NRG_E002);
    assert_int_equal(nrg_loss_check(ctx, "pos + q", NULL, 0, &v), NRG_E011);
    assert_int_equal(nrg_loss_check(ctx, "pos\nlearn neg", NULL, 0, &v), NRG_E090);
    assert_int_equal(nrg_loss_check(ctx, "w * pos", NULL, 0, &v), NRG_E071); // a weight has no value here
    const char *sets[] = {"wrong"};
    assert_int_not_equal(nrg_loss_check(ctx, "hinge", sets, 1, &v), NRG_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_the_lectures),   cmocka_unit_test(margins_follow_their_parameter),
        cmocka_unit_test(printed_errors_fail),         cmocka_unit_test(values_and_slopes_are_the_closed_forms),
        cmocka_unit_test(bad_losses_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
