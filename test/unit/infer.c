// The room's parts: the store, choices of methods, questions, refusals, closed-form steps for weights.
#include "infer_help.h"

static void store_lends_and_owns(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_store *s;
    void *p, *q;
    double lent[2] = {1, 2};
    assert_int_equal(nrg_store_new(c, NRG_F64, &s), NRG_OK);
    assert_null(nrg_store_get(s, "a"));
    assert_int_equal(nrg_store_make(s, "a", 3, &p), NRG_OK);
    ((double *)p)[2] = 7;
    assert_int_equal(nrg_store_make(s, "a", 2, &q), NRG_OK);
    assert_ptr_equal(p, q); // grow-only
    assert_true(((double *)q)[1] == 0);
    assert_int_equal(nrg_store_make(s, "a", 300, &q), NRG_OK);
    assert_int_equal(nrg_store_put(s, "a", (nrg_buffer){lent, NRG_BUF_F64, NULL}), NRG_OK);
    assert_ptr_equal(nrg_store_get(s, "a")->data, lent);
    nrg_store_free(s);
    assert_int_equal(nrg_diag_count(c), 0);
    nrg_ctx_free(c);
}

static void a_missing_input_is_named(void **state) {
    (void)state;
    fixture f =
        load("given x : real\npredict y : real\nenergy E(x, y) = (y - x)^2\nminimize y by exact\n",
             NRG_F64);
    double e[1];
    assert_int_equal(nrg_energy_of(f.m, f.s, set(&f, "x") | set(&f, "y"), 1, 1, e), NRG_E099);
    assert_non_null(strstr(nrg_diag_get(f.c, 0)->message, "x"));
    drop(&f);
}

// ---- choices

static void expect_choice(const char *text, const char *name, nrg_verb verb, nrg_method method) {
    fixture f = load(text, NRG_F64);
    nrg_infer_stmt st = {.verb = verb, .vars = set(&f, name)};
    ok(&f, nrg_infer_choose(f.m, &st));
    assert_int_equal(st.method, method);
    assert_non_null(st.reason);
    drop(&f);
}

static void methods_follow_structure(void **state) {
    (void)state;
    expect_choice("dim K = 5\npredict y : K\nweight W : real[K]\nenergy E(y) = W[y]\n", "y",
                  NRG_MINIMIZE, NRG_BY_exhaustive);
    expect_choice("predict y : real[3]\nweight W : real[3]\nenergy E(y) = sq(y - W)\n", "y",
                  NRG_MINIMIZE, NRG_BY_exact);
    expect_choice("predict y : real[3]\nweight W : real[3]\nenergy E(y) = sq(y - W)\n", "y",
                  NRG_MARGINALIZE, NRG_BY_exact);
    expect_choice("predict y : real[3]\nenergy E(y) = sum(exp(y) - y)\n", "y", NRG_MINIMIZE,
                  NRG_BY_lbfgs);
    expect_choice("predict y : real[3]\nenergy E(y) = sq(y)\nminimize y\n", "y", NRG_MINIMIZE,
                  NRG_BY_exact);
    expect_choice("predict y : real[3]\nenergy E(y) = l1(y) + sq(y)\n", "y", NRG_MINIMIZE,
                  NRG_BY_gradient);
    expect_choice("predict y : real in -1..1\nenergy E(y) = y^4 - y\n", "y", NRG_MINIMIZE,
                  NRG_BY_grid);
    expect_choice("predict y : real[2] in -1..1\nenergy E(y) = sum(y^4 - y)\n", "y",
                  NRG_MARGINALIZE, NRG_BY_grid);
}

static void expect_refusal(const char *text, nrg_status status, const char *word) {
    fixture f = load(text, NRG_F64);
    nrg_ask_spec spec = {
        .question = NRG_BEST, .var = var(&f, "y"), .n = 1, .threads = 1, .anyway = true};
    nrg_answers a;
    nrg_status got = nrg_ask(f.m, f.s, &spec, &a);
    if (got != status) print_message("%s", text), show(f.c);
    assert_int_equal(got, status);
    bool found = false;
    for (int i = 0; i < nrg_diag_count(f.c); i++) {
        const nrg_diag *d = nrg_diag_get(f.c, i);
        found =
            found || strstr(d->message, word) || strstr(d->facts, word) || strstr(d->help, word);
    }
    if (!found) show(f.c);
    assert_true(found);
    nrg_answers_free(&a);
    drop(&f);
}

static void misfits_are_refused(void **state) {
    (void)state;
    expect_refusal("predict y : real\nenergy E(y) = y^4\nminimize y by exact\n", NRG_E026,
                   "quadratic");
    expect_refusal("predict y : real\nenergy E(y) = y^2 + l1(y)\nminimize y by exact\n", NRG_E026,
                   "kinks");
    expect_refusal(
        "predict y : bit[10]\nenergy E(y) = sum(y)\nminimize y by exhaustive(limit=100)\n",
        NRG_E026, "limit");
    expect_refusal("predict y : real[2]\nenergy E(y) = -sq(y)\nminimize y by exact\n", NRG_E080,
                   "y");
    expect_refusal("predict y : bit[4]\ngiven x : bit\nenergy E(x, y) = sum(y) * x\nminimize y\n",
                   NRG_E060, "x");
}

// A gradient through a sum in tiles is refused; values alone go through.
static void tiled_sums_have_no_gradient(void **state) {
    (void)state;
    fixture f = load("given x : real\nlatent z : bit[6]\nweight W : real[6]\nenergy E(x, z) = x * "
                     "dot(W, z)\nmarginalize z by exhaustive\n",
                     NRG_F64);
    for (int values = 0; values < 2; values++) {
        nrg_graph *g;
        nrg_scope *s;
        nrg_inference *i;
        nrg_node F;
        nrg_infer_options o = {.threads = 1, .batch = 1, .memory = 1, .values_only = values};
        ok(&f, nrg_graph_new(f.c, NRG_F64, &g));
        ok(&f, nrg_scope_new(f.m, g, &s));
        ok(&f, nrg_inference_new(f.c, s, &o, &i));
        nrg_scope_bind(s, var(&f, "x"), nrg_input(g, "x", NRG_SAMPLE, nrg_shape_of(0, NULL)));
        assert_int_equal(nrg_infer_energy(i, set(&f, "x"), 0, NRG_MINIMIZE, &F, NULL),
                         values ? NRG_OK : NRG_E071);
        nrg_inference_free(i), nrg_scope_free(s), nrg_graph_free(g);
    }
    drop(&f);
}

// ---- questions

static void expect_answers(const char *text, const char *name, int best, int dist) {
    fixture f = load(text, NRG_F64);
    nrg_vars others = f.m->energy.vars & ~set(&f, name);
    assert_int_equal(nrg_question_allowed(f.m, NRG_BEST, var(&f, name), others),
                     best ? NRG_OK : NRG_E060);
    assert_int_equal(nrg_question_allowed(f.m, NRG_RANK, var(&f, name), others),
                     best ? NRG_OK : NRG_E060);
    assert_int_equal(nrg_question_allowed(f.m, NRG_DIST, var(&f, name), others),
                     dist ? NRG_OK : NRG_E060);
    drop(&f);
}

#define CLASSES                                                                                    \
    "dim D = 2, Class = 3\ngiven x : real[D]\npredict y : Class\nmodule G = "                      \
    "linear(Class)\nenergy E(x, y) = G(x)[y]\n"                                                    \
    "minimize y by exhaustive\nmarginalize y by exhaustive\noptimize by adam(lr=0.1)\n"
#define LINE                                                                                       \
    "dim D = 2\ngiven x : real[D]\npredict y : real\nmodule G = linear(1)\nenergy E(x, y) = 0.5 "  \
    "* (y - G(x))^2\nminimize y by exact\noptimize by exact\n"

static void training_decides_questions(void **state) {
    (void)state;
    expect_answers(CLASSES "learn nll\n", "y", 1, 1);
    expect_answers(CLASSES "learn nll\n", "x", 0, 0);
    expect_answers(CLASSES "learn nll + 1e-4 * l2(G)\n", "x", 0, 0);
    expect_answers(CLASSES "learn hinge(margin=1) against offender\n", "y", 1, 0);
    expect_answers(CLASSES "learn hinge(margin=1) against offender\n", "x", 0, 0);
    expect_answers(CLASSES "learn square_square(m=1) against offender\n", "x", 1, 0);
    expect_answers(CLASSES "learn mee\n", "y", 1, 1);
    expect_answers(LINE "learn energy\n", "y", 1, 0);
    expect_answers(LINE "learn energy\n", "x", 1, 0);
    expect_answers(CLASSES, "x", 1, 1); // an energy that was not trained is taken at its word
}

static void a_refusal_says_what_can_be_answered(void **state) {
    (void)state;
    fixture f = load(CLASSES "learn nll(y | x)\n", NRG_F64);
    nrg_diag_clear(f.c);
    assert_int_equal(nrg_question_allowed(f.m, NRG_DIST, var(&f, "x"), set(&f, "y")), NRG_E060);
    const nrg_diag *d = nrg_diag_get(f.c, nrg_diag_count(f.c) - 1);
    assert_string_equal(d->message, "dist x cannot be answered by this model");
    assert_non_null(strstr(d->facts, "nll(y | x)"));
    assert_non_null(strstr(d->facts, "it can answer: best y, rank y, dist y"));
    drop(&f);
}

// ---- refused memory: always a status, never a leak

typedef struct {
    int64_t left; // allocations before one is refused
    int64_t live;
} meter;

static void *metered(void *ud, void *p, size_t old, size_t size) {
    meter *m = ud;
    if (size == 0) {
        m->live -= (int64_t)old;
        free(p);
        return NULL;
    }
    if (m->left-- == 0) return NULL;
    void *q = realloc(p, size);
    if (q) m->live += (int64_t)size - (p ? (int64_t)old : 0);
    return q;
}

static nrg_status whole_story(nrg_ctx *c, const char *text) {
    nrg_model *m = NULL;
    nrg_store *s = NULL;
    void *to;
    nrg_status st = nrg_lang_load(c, "t", text, strlen(text), NULL, &m);
    if (st == NRG_OK) st = nrg_store_new(c, NRG_F64, &s);
    if (st == NRG_OK) st = nrg_model_resolve(m, NRG_F64);
    for (uint32_t p = 0; st == NRG_OK && p < m->params.n; p++)
        st = nrg_store_make(s, m->params.at[p].name, nrg_shape_count(&m->params.at[p].shape), &to);
    if (st == NRG_OK) st = nrg_store_make(s, "x", 2, &to);
    if (st == NRG_OK) {
        nrg_ask_spec spec = {.question = NRG_BEST,
                             .var = nrg_model_var(m, "y"),
                             .given = (nrg_vars)1 << nrg_model_var(m, "x"),
                             .n = 2,
                             .threads = 1,
                             .anyway = true,
                             .memory = 1};
        nrg_answers a;
        st = nrg_ask(m, s, &spec, &a);
        if (st == NRG_E081) st = NRG_OK; // three steps are few
        nrg_answers_free(&a);
    }
    nrg_store_free(s);
    nrg_model_free(m);
    return st;
}

static void memory_may_be_refused_anywhere(void **state) {
    (void)state;
    const char *texts[3] = {"dim K = 3\ngiven x : real\npredict y : K\nlatent z : bit[2]\nweight A "
                            ": real[K]\nenergy E(x, y, z) = A[y] * x + sum(z) * x\n"
                            "minimize y\nmarginalize z by exhaustive\n",
                            "given x : real\npredict y : real[2]\nweight A : real[2, 2]\nenergy "
                            "E(x, y) = sq(y) + sq(y @ A) - x * sum(y)\nminimize y by exact\n",
                            "given x : real\npredict y : real\nenergy E(x, y) = (y - x)^2 + "
                            "exp(y)\nminimize y by lbfgs(steps=3, history=2)\n"};
    for (int k = 0; k < 3; k++) {
        nrg_status st = NRG_E098;
        for (int64_t n = 0; st != NRG_OK; n += n < 40 ? 1 : 7) {
            meter m = {.left = n};
            nrg_ctx *c = nrg_ctx_new(metered, &m);
            st = c ? whole_story(c, texts[k]) : NRG_E098;
            if (st != NRG_OK && st != NRG_E098)
                print_message("allocation %lld of model %d: status %d\n", (long long)n, k, st),
                    show(c);
            assert_true(st == NRG_OK || st == NRG_E098);
            nrg_ctx_free(c);
            assert_int_equal(m.live, 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_lends_and_owns),
        cmocka_unit_test(a_missing_input_is_named),
        cmocka_unit_test(methods_follow_structure),
        cmocka_unit_test(misfits_are_refused),
        cmocka_unit_test(tiled_sums_have_no_gradient),
        cmocka_unit_test(training_decides_questions),
        cmocka_unit_test(a_refusal_says_what_can_be_answered),
        cmocka_unit_test(memory_may_be_refused_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
