// lang: tokens, binding strength, line ends, spans, the command line's changes, losses over atoms, terms, and print-load-print.
#include "lang/inside.h"
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static nrg_ctx *c;

static int setup(void **state) {
    (void)state;
    c = nrg_ctx_new(NULL, NULL);
    return c ? 0 : 1;
}

static int teardown(void **state) {
    (void)state;
    nrg_ctx_free(c);
    return 0;
}

static nrg_model *load_with(const char *text, const nrg_overrides *o) {
    nrg_model *m = NULL;
    nrg_status s = nrg_lang_load(c, "t.nrg", text, strlen(text), o, &m);
    if (s) {
        nrg_text t = nrg_text_make(c);
        for (int i = 0; i < nrg_diag_count(c); i++) nrg_diag_print(c, i, &t);
        print_error("%s\n", t.at ? t.at : "");
        nrg_text_free(&t);
    }
    return m;
}

static nrg_model *load(const char *text) { return load_with(text, NULL); }

static void refused(const char *text, const nrg_overrides *o, nrg_status want, int line, int col) {
    nrg_model *m = NULL;
    nrg_diag_clear(c);
    assert_int_equal(nrg_lang_load(c, "t.nrg", text, strlen(text), o, &m), want);
    assert_null(m);
    assert_true(nrg_diag_count(c) > 0);
    assert_int_equal(nrg_diag_get(c, 0)->line, line);
    assert_int_equal(nrg_diag_get(c, 0)->col, col);
    nrg_diag_clear(c);
}

// ---- tokens ----

static void lexed(const char *text, const char *want) {
    nrg_arena a = nrg_arena_make(c);
    token_list v = {0};
    nrg_text t = nrg_text_make(c);
    assert_int_equal(nrg_lex(&a, 1, text, strlen(text), &v), NRG_OK);
    for (uint32_t i = 0; i < v.n && v.at[i].kind != T_END; i++) {
        const token *k = &v.at[i];
        if (k->kind == T_NUMBER)
            nrg_text_put(&t, "<%.17g>", k->number);
        else if (k->kind == T_STRING)
            nrg_text_put(&t, "\"%s\"", k->text);
        else if (k->kind == T_LINE)
            nrg_text_put(&t, ";");
        else if (k->kind == T_BAD)
            nrg_text_put(&t, "?");
        else if (k->kind == T_OPEN)
            nrg_text_put(&t, "!%s", k->text);
        else
            nrg_text_put(&t, "%s ", k->text);
    }
    assert_string_equal(t.at, want);
    nrg_text_free(&t);
    nrg_arena_free(&a);
}

static void tokens(void **state) {
    (void)state;
    lexed("0..1", "<0>.. <1>;");
    lexed("0.5..1.5", "<0.5>.. <1.5>;");
    lexed("10_000 5% 1e-3 2.5E2 7e", "<10000><0.050000000000000003><0.001><250><7>e ;");
    lexed("a->b a>=b a'", "a -> b a >= b a ' ;");
    lexed("\"a b\\\"\" # note", "\"a b\"\";");
    lexed("\xce\xbb_1 = \xce\xb2", "\xce\xbb_1 = \xce\xb2 ;");
    lexed("\xe2\x82\xac x $", "?x ?;");
    lexed("\"abc\nx", "!\"abc ;x ;");
    lexed("1e999", "?;");
    lexed("", ";");
}

static void line_ends(void **state) {
    (void)state;
    lexed("a = b\nc", "a = b ;c ;");
    lexed("a = f(b,\n  c)\nd", "a = f ( b , c ) ;d ;");
    lexed("a = b |\n c\n# note\n\n  + d\ne", "a = b | c + d ;e ;");
    lexed("learn a\n  against b\nlearn c", "learn a against b ;learn c ;");
    lexed("sample a by b\n\n  from c", "sample a by b from c ;");
    lexed("a in 0..\nb", "a in <0>.. ;b ;");
    lexed("\r\na\r\n\r\nb\r\n", "a ;b ;");
    // an open bracket ends where a statement surely begins, and a variable called `data` is no statement
    lexed("given x : real[D\npredict y : real", "given x : real [ D ![;predict y : real ;");
    lexed("f(a,\n data, b)", "f ( a , data , b ) ;");
}

// ---- expressions ----

// Fully bracketed, so that binding shows.
static void brackets(const nrg_model *m, const nrg_expr *e, nrg_text *t) {
    if (e->kind == NRG_X_BINARY || e->kind == NRG_X_PIPE) {
        nrg_text_put(t, "(");
        brackets(m, e->kid[0], t);
        nrg_text_put(t, "%s", e->kind == NRG_X_PIPE ? "|" : e->op);
        brackets(m, e->kid[1], t);
        nrg_text_put(t, ")");
    } else if (e->kind == NRG_X_UNARY) {
        nrg_text_put(t, "(%s ", e->op);
        brackets(m, e->kid[0], t);
        nrg_text_put(t, ")");
    } else
        nrg_expr_print(m, e, t);
}

static void binds(const char *text, const char *want) {
    nrg_model *m;
    assert_int_equal(nrg_model_new(c, &m), NRG_OK);
    nrg_expr *e = nrg_parse_row(m, text);
    nrg_text t = nrg_text_make(c), again = nrg_text_make(c), twice = nrg_text_make(c);
    assert_non_null(e);
    brackets(m, e, &t);
    assert_string_equal(t.at, want);
    nrg_expr_print(m, e, &again); // and printing with few parentheses keeps the tree
    e = nrg_parse_row(m, again.at);
    assert_non_null(e);
    brackets(m, e, &twice);
    assert_string_equal(twice.at, want);
    nrg_text_free(&t);
    nrg_text_free(&again);
    nrg_text_free(&twice);
    nrg_model_free(m);
}

static void binding(void **state) {
    (void)state;
    binds("a + b * c - d", "((a+(b*c))-d)");
    binds("a - (b - c)", "(a-(b-c))");
    binds("-a^2", "(- (a^2))");
    binds("(-a)^2", "((- a)^2)");
    binds("a^b^c", "(a^(b^c))");
    binds("a^-b", "(a^(- b))");
    binds("-a * b", "((- a)*b)");
    binds("a | b | c + d", "((a|b)|(c+d))");
    binds("a | (b | c)", "(a|(b|c))");
    binds("not a == b", "(not (a==b))");
}

static void binding_words(void **state) {
    (void)state;
    binds("a == b and c < d and e", "(((a==b)and(c<d))ande)");
    binds("a or (b and c)", "(aor(bandc))");
    binds("(a | b) + c", "((a|b)+c)");
    binds("W @ z' @ f(x)[i, j]", "((W@z')@f(x)[i, j])");
    binds("a / b / c * d", "(((a/b)/c)*d)");
    binds("sum(i in T where a < b: x[i]) + 1", "(sum(i in T where a < b: x[i])+1)");
    binds("sum((i, j) in chain(T), k in K: x)", "sum((i, j) in chain(T), k in K: x)");
    binds("sum(x in (a | b): y)", "sum(x in (a | b): y)");
    binds("f(a, k=2).g.3", "f(a, k=2).g.3");
}

#ifdef NRG_STRESS
enum { DEEP = 2000 }; // lists grow one by one in that build
#else
enum { DEEP = 100000 };
#endif

static void deep_text_is_refused(void **state) {
    (void)state;
    nrg_text t = nrg_text_make(c);
    nrg_text_put(&t, "given x : real\nenergy E(x) = ");
    for (int i = 0; i < DEEP; i++) nrg_text_put(&t, "(");
    refused(t.at, NULL, NRG_E002, 2, 135);
    t.n = 0;
    nrg_text_put(&t, "given x : real\nenergy E(x) = x");
    for (int i = 0; i < DEEP; i++) nrg_text_put(&t, "+x");
    nrg_model *m;
    assert_int_equal(nrg_lang_load(c, "t.nrg", t.at, t.n, NULL, &m), NRG_E002);
    t.n = 0;
    nrg_text_put(&t, "given x : real\nenergy E(x) = ");
    for (int i = 0; i < DEEP; i++) nrg_text_put(&t, "-");
    assert_int_equal(nrg_lang_load(c, "t.nrg", t.at, t.n, NULL, &m), NRG_E002);
    nrg_text_free(&t);
}

// ---- spans ----

static void at(const char *text, nrg_span s, const char *want) {
    assert_int_equal(s.end - s.start, strlen(want));
    assert_memory_equal(text + s.start, want, strlen(want));
}

static void spans(void **state) {
    (void)state;
    const char *text = "dim D\ngiven x : real[D]\nmodule f = linear(D) | relu\nenergy E(x) = "
                       "sq(f(x) - 2 * x)\nlearn energy\n";
    nrg_model *m = load(text);
    assert_non_null(m);
    const nrg_expr *sq = m->energy.body, *minus = sq->kid[1];
    at(text, m->energy.span, "E");
    at(text, sq->span, "sq(f(x) - 2 * x)");
    at(text, sq->at, "sq");
    at(text, minus->span, "f(x) - 2 * x");
    at(text, minus->at, "-");
    at(text, minus->kid[0]->span, "f(x)");
    at(text, m->modules.at[0].body->at, "|");
    at(text, m->modules.at[0].span, "f");
    at(text, m->vars.at[0].span, "x");
    at(text, m->learns.at[0].span, "energy");
    nrg_model_free(m);
}

// ---- declarations ----

static void declarations(void **state) {
    (void)state;
    nrg_model *m = load("dim D, T = ..10, C = {red, \"dark blue\", 3}, M = 2 * 5, Q = 2 * D\n"
                        "hyper a = 5%, b = 1 -> 0.5 in 0..1, beta = 2, g = geometric(1, 0.01)\n"
                        "given x : real[D, 4] in -1..1\npredict y, w : C[T] in "
                        "segments(2..5)\nweight W : real[M, Q] init normal(0.1)\n");
    assert_non_null(m);
    assert_int_equal(m->dims.n, 5);
    assert_int_equal(m->dims.at[0].size, -1);
    assert_true(m->dims.at[1].ragged && m->dims.at[1].size == 10);
    assert_int_equal(m->dims.at[2].size, 3);
    assert_string_equal(m->dims.at[2].labels[1], "dark blue");
    assert_int_equal(m->dims.at[3].size, 10);
    assert_int_equal(m->dims.at[4].size, -1);
    assert_true(fabs(m->hypers.at[0].from - 0.05) < 1e-15);
    assert_true(m->hypers.at[1].scheduled && m->hypers.at[1].to == 0.5 && m->hypers.at[1].hi == 1 &&
                m->hypers.at[1].lo == 0);
    assert_true(m->beta == 2);
    assert_true(m->hypers.at[3].geometric);
    assert_int_equal(m->vars.at[0].domain.kind, NRG_DOM_RANGE);
    assert_true(m->vars.at[0].domain.lo == -1 && m->vars.at[0].domain.hi == 1);
    assert_int_equal(m->vars.at[2].category, 2);
    assert_int_equal(m->vars.at[2].domain.kind, NRG_DOM_SEGMENTS);
    assert_true(m->vars.at[2].domain.lo == 2 && m->vars.at[2].domain.hi == 5);
    double v;
    m->dims.at[0].size = 7;
    assert_int_equal(nrg_eval_number(m, m->vars.at[3].axes[1], &v), NRG_OK);
    assert_true(v == 14);
    nrg_model_free(m);
}

static void schedules(void **state) {
    (void)state;
    nrg_model *m = load("hyper a = 2 -> 4, g = geometric(1, 0.01)\ngiven x : real\npredict y : "
                        "real\nenergy E(x, y) = sq(x - y)\n"
                        "minimize y by gradient(steps=10, lr=0.1 -> 0.3, unroll)\n");
    assert_non_null(m);
    const nrg_expr *by = m->infers.at[0].by, *lr = nrg_call_arg(by, "lr", 1);
    double v;
    assert_int_equal(nrg_eval_schedule(m, lr, 0.5, &v), NRG_OK);
    assert_true(fabs(v - 0.2) < 1e-12);
    assert_int_equal(nrg_eval_number(m, nrg_call_arg(by, "steps", 0), &v), NRG_OK);
    assert_true(v == 10);
    assert_string_equal(nrg_call_arg(by, "nothing", 0)->text,
                        "unroll"); // the first one without a name
    assert_null(nrg_call_arg(by, "nothing", 1));
    nrg_expr a = {.kind = NRG_X_NAME, .text = "a"}, g = {.kind = NRG_X_NAME, .text = "g"};
    assert_int_equal(nrg_eval_schedule(m, &a, 0.25, &v), NRG_OK);
    assert_true(v == 2.5);
    assert_int_equal(nrg_eval_schedule(m, &g, 0.5, &v), NRG_OK);
    assert_true(fabs(v - 0.1) < 1e-12);
    assert_int_equal(nrg_eval_schedule(m, &g, 2, &v), NRG_OK);
    assert_true(v == 0.01);
    nrg_model_free(m);
}

// ---- --set and --stmt ----

static const char *const small = "dim D = 3, K = 4\nhyper lambda = 0.5 in 0..1, r = 1\ngiven x : "
                                 "real[D]\npredict y : K\nweight W : real[K, D]\n"
                                 "energy E(x, y) = dot(x, W[y]) * lambda * r\nminimize y by "
                                 "exhaustive\nmarginalize y by exhaustive\n"
                                 "learn nll\noptimize by sgd(lr=0.1)\n";

static void sets(void **state) {
    (void)state;
    const char *good[] = {"K=20", "lambda=25%", "r=1 -> 3"}, *near[] = {"lamda=0.1"},
               *outside[] = {"lambda=7"}, *word[] = {"r=much"}, *half[] = {"K=1.5"},
               *bare[] = {"lambda"};
    nrg_model *m = load_with(small, &(nrg_overrides){.sets = good, .sets_n = 3});
    assert_non_null(m);
    assert_int_equal(m->dims.at[1].size, 20);
    assert_true(m->hypers.at[0].from == 0.25);
    assert_true(m->hypers.at[1].scheduled && m->hypers.at[1].to == 3);
    nrg_model_free(m);
    refused(small, &(nrg_overrides){.sets = near, .sets_n = 1}, NRG_E090, 0, 0);
    refused(small, &(nrg_overrides){.sets = outside, .sets_n = 1}, NRG_E013, 2, 7);
    refused(small, &(nrg_overrides){.sets = word, .sets_n = 1}, NRG_E090, 0, 0);
    refused(small, &(nrg_overrides){.sets = half, .sets_n = 1}, NRG_E013, 0, 0);
    refused(small, &(nrg_overrides){.sets = bare, .sets_n = 1}, NRG_E090, 0, 0);
}

static void statements(void **state) {
    (void)state;
    const char *replace[] = {"minimize y by exhaustive(limit=9)", "learn perceptron",
                             "optimize W by adam"},
               *wrong[] = {"minimize z"};
    nrg_model *m = load_with(small, &(nrg_overrides){.stmts = replace, .stmts_n = 3});
    assert_non_null(m);
    assert_int_equal(m->infers.n, 2);
    assert_non_null(nrg_call_arg(m->infers.at[0].by, "limit", 0));
    assert_int_equal(m->learns.n, 1);
    assert_string_equal(m->learns.at[0].written->text, "perceptron");
    assert_int_equal(m->optimizes.n, 2); // another set of weights: added
    nrg_model_free(m);
    nrg_model *none = NULL;
    nrg_diag_clear(c);
    assert_int_equal(nrg_lang_load(c, "t.nrg", small, strlen(small),
                                   &(nrg_overrides){.stmts = wrong, .stmts_n = 1}, &none),
                     NRG_E011);
    assert_string_equal(nrg_diag_get(c, 0)->file, "--stmt");
    assert_int_equal(nrg_diag_get(c, 0)->col, 10);
}

// ---- losses ----

static void printed(const nrg_model *m, const nrg_expr *e, const char *want) {
    nrg_text t = nrg_text_make(c);
    nrg_expr_print(m, e, &t);
    assert_string_equal(t.at, want);
    nrg_text_free(&t);
}

static nrg_model *with_learn(const char *learn) {
    const char *stmts[] = {learn};
    nrg_model *m = load_with(small, &(nrg_overrides){.stmts = stmts, .stmts_n = 1});
    assert_non_null(m);
    return m;
}

static void losses(void **state) {
    (void)state;
    enum { X = 1, Y = 2 };
    nrg_model *m = with_learn("learn nll + 1e-3 * l2(W)");
    printed(m, m->learns.at[0].expr, "beta * (#0 - #1) + 0.001 * l2(W)");
    const nrg_atom *a = m->learns.at[0].atoms.at;
    assert_true(a[0].kind == NRG_POS && a[0].data == (X | Y) && a[0].over == 0);
    assert_true(a[1].kind == NRG_FREE && a[1].data == X && a[1].over == Y);
    nrg_model_free(m);
    m = with_learn("learn nll(y | x) + nll(y)"); // the same twice: atoms are shared
    assert_int_equal(m->learns.at[0].atoms.n, 2);
    nrg_model_free(m);
    m = with_learn("learn hinge(margin=2 * r) + hinge(3) + hinge against offender");
    printed(m, m->learns.at[0].expr,
            "max(0, 2 * r + #0 - #1) + max(0, 3 + #0 - #1) + max(0, 1 + #0 - #1)");
    assert_int_equal(m->learns.at[0].atoms.n, 2);
    a = m->learns.at[0].atoms.at;
    assert_true(a[1].kind == NRG_NEG && a[1].data == X && a[1].over == Y);
    nrg_model_free(m);
    m = with_learn("learn max(0, 1 + pos - lowest)^2");
    printed(m, m->learns.at[0].expr, "max(0, 1 + #0 - #1)^2");
    assert_int_equal(m->learns.at[0].atoms.at[1].kind, NRG_LOWEST);
    nrg_model_free(m);
}

static void own_losses(void **state) {
    (void)state;
    nrg_model *m = load("dim D\ngiven x : real[D]\npredict y : bit\nmodule f = linear(1)\nmodule "
                        "mine(p, n) = max(0, 1 + p - n)^2\n"
                        "energy E(x, y) = y * f(x)\nminimize y\nlearn mine(pos, neg) against "
                        "offender\noptimize by sgd\n");
    assert_non_null(m);
    printed(m, m->learns.at[0].expr, "mine(#0, #1)");
    assert_int_equal(m->infers.at[0].method, NRG_BY_exhaustive);
    assert_false(m->infers.at[0].written);
    assert_string_equal(m->infers.at[0].reason, "finite and small");
    nrg_model_free(m);
}

// Two roles: nll(x) of a given variable holds nothing at the data.
static void joint(void **state) {
    (void)state;
    nrg_model *m = load("dim D, K = 3\ngiven x : real[D]\npredict y : K\nmodule f = "
                        "linear(K)\nenergy E(x, y) = -f(x)[y]\nminimize y\nmarginalize y\n"
                        "sample x by langevin(steps=5) from noise\nlearn nll(y | x) + nll(x)\n");
    assert_non_null(m);
    assert_int_equal(m->learns.at[0].atoms.n, 4);
    assert_true(m->learns.at[0].atoms.at[3].data == 0 && m->learns.at[0].atoms.at[3].over == 1);
    nrg_model_free(m);
}

// ---- terms ----

static void terms(void **state) {
    (void)state;
    nrg_model *m =
        load("dim T = 4\nhyper lambda = 2\ngiven x : real[T]\npredict y : bit[T]\nweight c : "
             "real\nlet d = sq(x) - l1(x)\n"
             "energy E(x, y) = -0.5 * lambda * sum(t in T: x[t] - 3 * y[t]) + exp(c) * d / 4\n");
    static const char *const want[] = {"x[t]", "y[t]", "sq(x)", "l1(x)"};
    static const double sign[] = {-1, 1, 1, -1};
    static const uint32_t factors[] = {2, 3, 2, 2}, binders[] = {1, 1, 0, 0};
    assert_non_null(m);
    assert_int_equal(m->energy.terms.n, 4);
    for (uint32_t i = 0; i < 4; i++) {
        const nrg_term *t = &m->energy.terms.at[i];
        printed(m, t->body, want[i]);
        assert_true(t->sign == sign[i]);
        assert_int_equal(t->factors, factors[i]);
        assert_int_equal(t->binders, binders[i]);
    }
    nrg_model_free(m);
}

// The terms add up to the energy: checked by value in test/laws; here, that a let is not inlined under an index of the same letter.
static void terms_keep_letters_apart(void **state) {
    (void)state;
    nrg_model *m = load("dim T = 4\ngiven x : real[T]\nlet a = sum(t in T: x[t])\nenergy E(x) = "
                        "sum(t in T: a * x[t])\n");
    assert_non_null(m);
    assert_int_equal(m->energy.terms.n, 1);
    printed(m, m->energy.terms.at[0].body, "a * x[t]");
    nrg_model_free(m);
}

// ---- an energy given in C ----

static nrg_node nothing(void *ud, nrg_graph *g, const nrg_node *vars, int n) {
    (void)ud, (void)n;
    return nrg_sum_all(g, vars[0]);
}

static void callback(void **state) {
    (void)state;
    nrg_model *m = NULL;
    const char *text =
        "dim D = 3\ngiven x : real[D]\npredict y : bit\nminimize y\nlearn perceptron\n";
    assert_int_equal(
        nrg_lang_load_fn(c, "t.nrg", text, strlen(text), NULL, "x, y", nothing, NULL, &m), NRG_OK);
    assert_int_equal(m->energy.n, 2);
    assert_int_equal(m->energy.vars, 3);
    assert_int_equal(m->learns.at[0].atoms.at[0].data, 3);
    nrg_model_free(m);
    assert_int_equal(
        nrg_lang_load_fn(c, "t.nrg", text, strlen(text), NULL, "x, z", nothing, NULL, &m),
        NRG_E011);
}

// ---- round trip ----

static void round_trip(void **state) {
    (void)state;
    DIR *d = opendir(NRG_ROOT "/models");
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        if (len < 5 || strcmp(e->d_name + len - 4, ".nrg") != 0) continue;
        char path[1024];
        snprintf(path, sizeof path, "%s/models/%s", NRG_ROOT, e->d_name);
        nrg_text text = nrg_text_make(c), one = nrg_text_make(c), two = nrg_text_make(c),
                 shown = nrg_text_make(c);
        assert_int_equal(nrg_file_read(c, path, &text), NRG_OK);
        nrg_model *a = load(text.at), *b;
        assert_non_null(a);
        nrg_lang_print(a, &one);
        nrg_lang_show(a, &shown);
        b = load(one.at);
        assert_non_null(b);
        nrg_lang_print(b, &two);
        assert_string_equal(one.at, two.at);
        assert_true(shown.n > 50 && shown.n < 4000);
        assert_int_equal(a->vars.n, b->vars.n);
        assert_int_equal(a->energy.terms.n, b->energy.terms.n);
        nrg_model_free(a);
        nrg_model_free(b);
        nrg_text_free(&text);
        nrg_text_free(&one);
        nrg_text_free(&two);
        nrg_text_free(&shown);
        n++;
    }
    closedir(d);
    assert_true(n >= 28);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens),
        cmocka_unit_test(line_ends),
        cmocka_unit_test(binding),
        cmocka_unit_test(binding_words),
        cmocka_unit_test(deep_text_is_refused),
        cmocka_unit_test(spans),
        cmocka_unit_test(declarations),
        cmocka_unit_test(schedules),
        cmocka_unit_test(sets),
        cmocka_unit_test(statements),
        cmocka_unit_test(losses),
        cmocka_unit_test(own_losses),
        cmocka_unit_test(joint),
        cmocka_unit_test(terms),
        cmocka_unit_test(terms_keep_letters_apart),
        cmocka_unit_test(callback),
        cmocka_unit_test(round_trip),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
