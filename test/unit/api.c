// The public API as a program outside sees it: errors, tables, weights, gradients against differences, refused memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <nrg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char text[] = "dim      D = 2, Class = {cat, dog, cow}\n"
                           "given    x : real[D]\n"
                           "predict  y : Class\n"
                           "module   G = linear(5) | tanh | linear(Class)\n"
                           "energy   E(x, y) = G(x)[y]\n"
                           "minimize    y by exhaustive\n"
                           "marginalize y by exhaustive\n"
                           "learn    nll\n"
                           "optimize by adam(lr=0.05, batch=4, epochs=2)\n"
                           "report   error(y), nll(y)\n"
                           "expect   error(y) <= 1 and not nll(y) < 0\n"
                           "expect   error(y) > 1\n";

static const double xs[6][2] = {{0, 1}, {1, 0}, {-1, 0.5}, {0.3, -2}, {2, 2}, {-1, -1}};
static const int64_t x_dim[2] = {6, 2}, y_dim[1] = {6};
static const int32_t ys[6] = {0, 1, 2, 0, 1, 2};

static nrg_table *rows(nrg_ctx *c) {
    nrg_table *t;
    assert_int_equal(nrg_table_new(c, &t), NRG_OK);
    assert_int_equal(nrg_table_put(t, "x", NRG_CELL_F64, 2, x_dim, xs), NRG_OK);
    assert_int_equal(nrg_table_put(t, "y", NRG_CELL_I32, 1, y_dim, ys), NRG_OK);
    assert_int_equal(nrg_table_check(t), NRG_OK);
    return t;
}

static nrg_ebm *model(nrg_ctx *c) {
    nrg_options o = {0};
    nrg_ebm *m;
    o.f64 = true;
    o.threads = 1;
    assert_int_equal(nrg_ebm_load_text(c, "m.nrg", text, strlen(text), &o, &m), NRG_OK);
    return m;
}

static void messages(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_ebm *m = NULL;
    char small[20], line[2000];
    static const char wrong[] = "givn x : real[3]\n";
    assert_int_equal(nrg_ebm_load_text(c, "w.nrg", wrong, strlen(wrong), NULL, &m), NRG_E005);
    assert_null(m);
    assert_true(nrg_diag_errors(c) >= 1);
    size_t n = nrg_diag_text(c, 0, small, sizeof small);
    assert_true(n > sizeof small && strlen(small) == sizeof small - 1);
    assert_true(nrg_diag_text(c, 0, line, sizeof line) == n);
    assert_non_null(strstr(line, "w.nrg:1:1: error[E005]"));
    assert_true(nrg_diag_json_text(c, 0, line, sizeof line) > 0 && line[0] == '{');
    assert_int_equal(nrg_ebm_load(c, "/nowhere/m.nrg", NULL, &m), NRG_E053);
    assert_int_equal(nrg_complain(c, NRG_E090, "mine", "do this"), NRG_E090);
    assert_string_equal(nrg_diag_get(c, nrg_diag_count(c) - 1)->help, "do this");
    nrg_ctx_free(c);
}

static void look(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_ebm *m = model(c);
    nrg_var_info v;
    const char *t;
    assert_int_equal(nrg_ebm_vars(m), 2);
    assert_int_equal(nrg_ebm_var(m, nrg_ebm_find(m, "y"), &v), NRG_OK);
    assert_true(v.elem == NRG_CATEGORY && v.labels_n == 3 && v.rank == 0 && v.role == NRG_PREDICT);
    assert_string_equal(v.labels[2], "cow");
    assert_int_equal(nrg_ebm_var(m, nrg_ebm_find(m, "x"), &v), NRG_OK);
    assert_true(v.rank == 1 && v.dim[0] == 2);
    assert_string_equal(v.axis[0], "D");
    assert_int_equal(nrg_ebm_find(m, "nothing"), -1);
    for (int k = NRG_SHOW_SUMMARY; k <= NRG_SHOW_AUDIT; k++) {
        assert_int_equal(nrg_ebm_text(m, (nrg_show)k, &t), NRG_OK);
        assert_true(strlen(t) > 20);
    }
    assert_int_equal(nrg_ebm_trainable(m), NRG_OK);
    assert_int_equal(nrg_ebm_answers(m, NRG_DIST, "y"), NRG_OK);
    assert_int_equal(nrg_ebm_answers(m, NRG_BEST, "x"), NRG_E060);
    assert_int_equal(nrg_ebm_answers(m, NRG_BEST, "z"), NRG_E011);
    nrg_ebm_free(m);
    nrg_ctx_free(c);
}

// dF/dx and dF/dW against central differences.
static void gradients(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_ebm *m = model(c);
    nrg_table *t = rows(c);
    double E[6], g[12], w[64], gw[64], h = 1e-5;
    int64_t n;
    int at;
    assert_int_equal(nrg_ebm_start(m, t), NRG_OK);
    assert_int_equal(nrg_ebm_weights(m), 4);
    assert_int_equal(nrg_ebm_gradient(m, t, "x", g, &n), NRG_OK);
    assert_int_equal(n, 12);
    for (int d = 0; d < 2; d++) {
        double moved[6][2], up[6], down[6];
        for (int s = -1; s <= 1; s += 2) {
            memcpy(moved, xs, sizeof xs);
            for (int i = 0; i < 6; i++) moved[i][d] += s * h;
            nrg_table *q;
            nrg_table_new(c, &q);
            nrg_table_put(q, "x", NRG_CELL_F64, 2, x_dim, moved);
            nrg_table_put(q, "y", NRG_CELL_I32, 1, y_dim, ys);
            assert_int_equal(nrg_ebm_energy(m, q, s > 0 ? up : down), NRG_OK);
            nrg_table_free(q);
        }
        for (int i = 0; i < 6; i++)
            assert_true(fabs((up[i] - down[i]) / (2 * h) - g[2 * i + d]) < 1e-8);
    }
    assert_int_equal(nrg_ebm_weight_find(m, "G.0.weight", &at), NRG_OK);
    assert_int_equal(nrg_ebm_gradient(m, t, "G.0.weight", gw, &n), NRG_OK);
    assert_int_equal(n, 10);
    assert_int_equal(nrg_ebm_weight_get(m, at, w), NRG_OK);
    for (int k = 0; k < 10; k++) {
        double mean[2] = {0, 0}, kept = w[k];
        for (int s = 0; s < 2; s++) {
            w[k] = kept + (s ? h : -h);
            assert_int_equal(nrg_ebm_weight_set(m, at, w), NRG_OK);
            assert_int_equal(nrg_ebm_energy(m, t, E), NRG_OK);
            for (int i = 0; i < 6; i++) mean[s] += E[i] / 6;
        }
        w[k] = kept;
        assert_true(fabs((mean[1] - mean[0]) / (2 * h) - gw[k]) < 1e-8);
    }
    assert_int_equal(nrg_ebm_gradient(m, t, "y", g, &n), NRG_E033);
    assert_int_equal(nrg_ebm_gradient(m, t, "G.9", g, &n), NRG_E011);
    nrg_table_free(t);
    nrg_ebm_free(m);
    nrg_ctx_free(c);
}

static void questions(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_ebm *m = model(c);
    nrg_table *t = rows(c);
    nrg_ask_options o = {NRG_DIST, "y", NULL, 0, 0, NULL, 0, 0, false, 0};
    nrg_reply *r;
    const char *csv;
    assert_int_equal(nrg_ebm_train(m, t, NULL, NULL, NULL), NRG_OK);
    assert_int_equal(nrg_ebm_ask(m, t, &o, &r), NRG_OK);
    assert_true(r->n == 6 && r->choices == 3 && r->width == 1 && r->p);
    for (int i = 0; i < 6; i++) { // p = exp(-E) / sum exp(-E)
        double Z = 0;
        for (int k = 0; k < 3; k++) Z += exp(-r->energy[3 * i + k]);
        for (int k = 0; k < 3; k++)
            assert_true(fabs(exp(-r->energy[3 * i + k]) / Z - r->p[3 * i + k]) < 1e-12);
    }
    assert_int_equal(nrg_reply_text(r, NRG_AS_CSV, &csv), NRG_OK);
    assert_true(strncmp(csv, "sample,cat,dog,cow,free,status\n0,", 33) == 0);
    assert_int_equal(nrg_reply_text(r, NRG_AS_JSON, &csv), NRG_OK);
    assert_true(strncmp(csv, "{\"sample\": 0, \"cat\": ", 21) == 0);
    assert_int_equal(nrg_reply_save(r, "answers.gif"), NRG_E090);
    nrg_reply_free(r);
    o.question = NRG_RANK;
    o.top = 2;
    assert_int_equal(nrg_ebm_ask(m, t, &o, &r), NRG_OK);
    assert_true(r->choices == 2 && r->energy[0] <= r->energy[1]);
    nrg_reply_free(r);
    o.var = "x";
    assert_int_equal(nrg_ebm_ask(m, t, &o, &r), NRG_E060);
    assert_null(r);
    o.var = "y";
    const char *given[] = {"y"};
    o.given = given;
    o.given_n = 1;
    assert_int_equal(nrg_ebm_ask(m, t, &o, &r), NRG_E090);
    nrg_table_free(t);
    nrg_ebm_free(m);
    nrg_ctx_free(c);
}

static void expectations(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_ebm *m = model(c);
    nrg_table *t = rows(c);
    const char *said, *header, *row;
    int verdict;
    assert_int_equal(nrg_ebm_start(m, t), NRG_OK);
    assert_int_equal(nrg_ebm_report(m, t, &header, &row), NRG_OK);
    assert_non_null(strstr(header, "error(y)"));
    assert_int_equal(nrg_ebm_expects(m), 2);
    assert_int_equal(nrg_ebm_expect(m, t, 0, &verdict, &said), NRG_OK);
    assert_int_equal(verdict, 1);
    assert_int_equal(nrg_ebm_expect(m, t, 1, &verdict, &said), NRG_OK);
    assert_int_equal(verdict, 0);
    assert_int_equal(nrg_ebm_expect(m, t, 2, &verdict, &said), NRG_E090);
    nrg_table_free(t);
    nrg_ebm_free(m);
    nrg_ctx_free(c);
}

static void saved(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_ebm *m = model(c), *again;
    nrg_table *t = rows(c);
    char path[600];
    double a[6], b[6];
    snprintf(path, sizeof path, "%s/api_saved.safetensors", NRG_BUILD);
    remove(path);
    assert_int_equal(nrg_ebm_start(m, t), NRG_OK);
    assert_int_equal(nrg_ebm_save(m, path), NRG_OK);
    assert_int_equal(nrg_ebm_load(c, path, NULL, &again), NRG_OK);
    assert_true(nrg_ebm_trained(again));
    assert_int_equal(nrg_ebm_energy(m, t, a), NRG_OK);
    assert_int_equal(nrg_ebm_energy(again, t, b), NRG_OK);
    assert_memory_equal(a, b, sizeof a);
    remove(path);
    nrg_ebm_free(again);
    nrg_table_free(t);
    nrg_ebm_free(m);
    nrg_ctx_free(c);
}

// ---- an energy in C, with a module and a weight of the text: the same numbers as the language gives ----

static nrg_node energy(void *ud, nrg_graph *g, const nrg_node *v, int n) {
    (void)ud;
    (void)n;
    nrg_node s = nrg_weight_node(g, "s"),
             Gx = nrg_apply_module(g, "G", &v[0],
                                   1); // in the order of the text: so start the weights
    return nrg_sum_squares(g, nrg_sub(g, v[1], nrg_mul(g, s, Gx)));
}

static void callback(void **state) {
    (void)state;
    static const char head[] =
        "dim D = 2, M = 2\ngiven x : real[D]\npredict y : real[M]\nweight s : real init 0.5\n"
        "module G = linear(3) | tanh | linear(M)\n";
    static const char tail[] =
        "minimize y by exact\nlearn energy\noptimize by adam(epochs=2, batch=3)\n";
    static const char body[] = "energy E(x, y) = sq(y - s * G(x))\n";
    char whole[1000], parts[1000];
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_ebm *a, *b;
    nrg_table *t;
    double E[2][6];
    nrg_options o = {0};
    o.f64 = true;
    o.seed = 4;
    snprintf(parts, sizeof parts, "%s%s", head, tail);
    snprintf(whole, sizeof whole, "%s%s%s", head, body, tail);
    assert_int_equal(nrg_ebm_load_fn(c, "c", parts, strlen(parts), &o, "x, y", energy, NULL, &a),
                     NRG_OK);
    assert_int_equal(nrg_ebm_load_text(c, "t", whole, strlen(whole), &o, &b), NRG_OK);
    nrg_table_new(c, &t);
    nrg_table_put(t, "x", NRG_CELL_F64, 2, x_dim, xs);
    nrg_table_put(t, "y", NRG_CELL_F64, 2, x_dim, xs);
    assert_int_equal(nrg_ebm_train(a, t, NULL, NULL, NULL), NRG_OK);
    assert_int_equal(nrg_ebm_train(b, t, NULL, NULL, NULL), NRG_OK);
    assert_int_equal(nrg_ebm_weights(a), nrg_ebm_weights(b));
    assert_int_equal(nrg_ebm_energy(a, t, E[0]), NRG_OK);
    assert_int_equal(nrg_ebm_energy(b, t, E[1]), NRG_OK);
    for (int i = 0; i < 6; i++) assert_true(fabs(E[0][i] - E[1][i]) < 1e-12);
    nrg_table_free(t);
    nrg_ebm_free(a);
    nrg_ebm_free(b);
    nrg_ctx_free(c);
}

// ---- the n-th allocation refused, from loading to an answer ----

static void *stingy(void *ud, void *p, size_t old, size_t size) {
    (void)old;
    if (size == 0) return free(p), NULL;
    if ((*(long *)ud)-- <= 0) return NULL;
    return realloc(p, size);
}

static nrg_status whole_way(nrg_ctx *c) {
    nrg_options o = {0};
    nrg_ebm *m = NULL;
    nrg_table *t = NULL;
    nrg_reply *r = NULL;
    nrg_ask_options q = {NRG_BEST, "y", NULL, 0, 0, NULL, 0, 0, false, 0};
    o.threads = 1;
    nrg_status s = nrg_ebm_load_text(c, "m.nrg", text, strlen(text), &o, &m);
    if (s == NRG_OK) s = nrg_table_new(c, &t);
    if (s == NRG_OK) s = nrg_table_put(t, "x", NRG_CELL_F64, 2, x_dim, xs);
    if (s == NRG_OK) s = nrg_table_put(t, "y", NRG_CELL_I32, 1, y_dim, ys);
    if (s == NRG_OK) s = nrg_ebm_train(m, t, NULL, NULL, NULL);
    if (s == NRG_OK) s = nrg_ebm_ask(m, t, &q, &r);
    nrg_reply_free(r);
    nrg_table_free(t);
    nrg_ebm_free(m);
    return s;
}

static void refused(void **state) {
    (void)state;
    long step = 1;
    for (long n = 0;; n += step) {
        long left = n;
        nrg_ctx *c = nrg_ctx_new(stingy, &left);
        if (!c) continue;
        nrg_status s = whole_way(c);
        assert_true(s == NRG_OK || s == NRG_E098);
        nrg_ctx_free(c);
        if (s == NRG_OK) break;
        step = n > 200 ? 1 + n / 60 : 1; // every early one, then a sample of them
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(messages),     cmocka_unit_test(look),
                                       cmocka_unit_test(gradients),    cmocka_unit_test(questions),
                                       cmocka_unit_test(expectations), cmocka_unit_test(saved),
                                       cmocka_unit_test(callback),     cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
