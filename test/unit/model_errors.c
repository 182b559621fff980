// Every type error: code and place. A caret `^` stands in the text before the character that the message must point at.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lang/lang.h"

typedef struct {
    nrg_status status;
    const char *text, *says, *fact, *help; // parts of the message, or NULL
} row;

#define CRF "dim T = ..100, Vocab = 20, Tag = {B, I, O}\ngiven w : Vocab[T]\npredict tag : Tag[T]\nmodule f = embed(8) | linear(Tag)\n"
#define PLAIN "dim D, H = 7, W = 7, K = 4, Class = {a, b, c}\ngiven x : real[D]\npredict y : Class\nmodule G = linear(Class)\nmodule two(p, q) = concat(p, q)\n"

static const row rows[] = {
    {NRG_E022, PLAIN "energy ^E(x, y) = -G(x)\n", "is real[Class]", "y : Class is listed but not used", "(...)[y]"},
    {NRG_E022, PLAIN "energy ^E(x, y) = x * G(x)[y]\n", "is real[D]", NULL, "sq("},
    {NRG_E022, PLAIN "energy ^E(x, y) = y\n", "is Class", NULL, NULL},
    {NRG_E031, PLAIN "energy E(x, y) = G(x)[y] + sum(^G)\n", "module 'G' is not applied", NULL, "G(...)"},
    {NRG_E031, PLAIN "energy E(x, y) = G(x)[y] + ^tanh\n", "function 'tanh'", NULL, NULL},
    {NRG_E032, CRF "energy E(w, tag) = sum(t in T: w[t] ^== tag[t])\n", "compares a Vocab with a Tag", "left  : Vocab", NULL},
    {NRG_E033, PLAIN "energy E(x, y) = sq(^y - G(x))\n", "a Class is a category, not a number; '-'", NULL, "W[..]"},
    {NRG_E033, PLAIN "energy E(x, y) = sq(G(x) * ^y)\n", "'*'", NULL, NULL},
    {NRG_E033, PLAIN "energy E(x, y) = sum(exp(^y)) + sum(x)\n", "'exp'", NULL, NULL},
    {NRG_E033, PLAIN "energy E(x, y) = sum(x) + (^y < 2)\n", "'<'", NULL, "Class.a"},
    {NRG_E033, PLAIN "energy E(x, y) = sum(x) + sum(k in K: ^y)\n", "'sum'", NULL, NULL},
    {NRG_E034, "dim H = 3, W = 3\ngiven a : real[H]\npredict b : real[W]\nenergy E(a, b) = sq(a ^- b)\n", "'-' cannot combine real[H] with real[W]",
     "left  : real[H]", "the same size but are different dims (H, W)"},
    {NRG_E034, "dim H = 3\ngiven a : real[H]\npredict b : real[4]\nenergy E(a, b) = sq(a ^+ b)\n", "real[H] with real[4]", "right : real[4]", NULL},
    {NRG_E034, "dim H, W\ngiven a : real[H, W]\npredict b : real[W, H]\nenergy E(a, b) = dot(a ^- b', a) + sq(a ^- b)\n", "real[W, H]", NULL, NULL},
    {NRG_E034, "dim H, W\ngiven a : real[H]\npredict b : real[W]\nenergy E(a, b) = sum(^max(a, b))\n", "'max'", NULL, NULL},
    {NRG_E035, "dim D = 5, K = 6\npredict y : real[D]\nlatent z : real[K]\nweight W : real[K, D]\nenergy E(y, z) = sq(y - W ^@ z)\nminimize z\n",
     "last axis of the left (D) and the first of the right (K)", "left  : real[K, D]", "W' @ z"},
    {NRG_E035, "dim D = 5, K = 6\npredict y : real[D]\nlatent z : real[K]\nweight W : real[K, D]\nenergy E(y, z) = sq(z - y ^@ W)\nminimize z\n", NULL,
     "right : real[K, D]", "y @ W'"},
    {NRG_E035, "dim D = 5\npredict y : real[D]\nenergy E(y) = sum(y ^@ 3)\n", "the right has none", NULL, "*"},
    {NRG_E036, CRF "energy E(w, tag) = sum(t in T: f(w)[^tag[t], t])\n", "index 1 of f(w) must be a T, but tag[t] is a Tag", "f(w) : real[T, Tag]",
     "Tag is axis 2; are the indices swapped?"},
    {NRG_E036, CRF "energy E(w, tag) = sum(t in T: f(w)[t, ^t])\n", "index 2 of f(w) must be a Tag", NULL, "T is axis 1"},
    {NRG_E036, CRF "energy E(w, tag) = sum(t in T: f(w)[t, tag[t], ^t])\n", "has 2 axes, but 3 indices", NULL, NULL},
    {NRG_E036, CRF "energy E(w, tag) = sum(t in T: f(w)[^0, tag[t]])\n", "must be a T, but 0 is a number", NULL, "first(D)"},
    {NRG_E036, CRF "energy E(w, tag) = sum(t in T: f(w)[^exp(1), tag[t]])\n", "exp(1)", NULL, NULL},
    {NRG_E037, PLAIN "energy E(x, y) = sum(^two(x)) + G(x)[y]\n", "takes 2 inputs (p, q), but gets 1", NULL, NULL},
    {NRG_E037, PLAIN "energy E(x, y) = sum(^exp()) + G(x)[y]\n", "exp needs 'x'", NULL, NULL},
    {NRG_E037, PLAIN "energy E(x, y) = sum(exp(x, ^x)) + G(x)[y]\n", "takes one", NULL, NULL},
    {NRG_E037, PLAIN "energy E(x, y) = sum(x, ^x) + G(x)[y]\n", "takes one", NULL, NULL},
    {NRG_E037, PLAIN "energy E(x, y) = sum(max(x, x, ^x)) + G(x)[y]\n", "takes fewer", NULL, NULL},
    {NRG_E037, PLAIN "energy E(x, y) = sum(leaky(x, slop=^3)) + G(x)[y]\n", "no argument 'slop'", NULL, NULL},
    {NRG_E037, PLAIN "energy E(x, y) = sum(x, over=^K) + G(x)[y]\n", "not an axis", "input : real[D]", NULL},
    {NRG_E037, PLAIN "energy E(x, y) = sum(G(x)^') + G(x)[y]\n", "swaps the last two axes", NULL, NULL},
    {NRG_E037, PLAIN "energy E(x, y) = sum(d in D where ^x: 1) + G(x)[y]\n", "one condition", NULL, NULL},
    {NRG_E037, PLAIN "energy E(x, y) = (^sum(x) and x == x)[y]\n", "a condition is needed", NULL, NULL},
    {NRG_E037, "dim H = 4\ngiven x : real[H]\nmodule f = ^reshape(3, 2)\nenergy E(x) = sum(f(x))\n", "real[H] has 4 and real[3, 2] has 6", NULL, NULL},
    {NRG_E037, "given x : real[4]\ngiven y : real[5]\nmodule G = ^linear(3)\nenergy E(x, y) = sum(G(x) - G(y))\n", "weights real[4, 3], but this input asks for real[5, 3]",
     NULL, "copy(G)"},
    {NRG_E038, PLAIN "energy E(x, y) = G(x)[y] + sq(^linear(H)(x))\n", "layer 'linear' owns weights, so it must live in a module", NULL,
     "module G = linear(...)   then G(x)"},
    {NRG_E038, PLAIN "energy E(x, y) = G(x)[y] + sq(x | ^linear(H))\n", "'linear'", NULL, NULL},
    {NRG_E038, PLAIN "energy E(x, y) = G(x)[y] + sum(^copy(G)(x))\n", "'copy'", NULL, NULL},
    {NRG_E039, PLAIN "energy E(x, y) = G(x)[y] + sum(x | ^3)\n", "is not a layer", NULL, NULL},
    {NRG_E039, PLAIN "energy E(x, y) = G(x)[y] + sum(x | ^x)\n", "x is not a layer", NULL, NULL},
    {NRG_E040, PLAIN "module e = ^embed(3)\nenergy E(x, y) = G(x)[y] + sum(e(x))\n", "its input is real[D]", NULL, "linear"},
    {NRG_E041, "dim D = 784\npredict x : real[D]\nmodule f = ^conv(16, 3) | relu | flatten | linear(1)\nenergy E(x) = f(x)\n",
     "conv needs an image [channel, height, width], but its input is real[D]", NULL, NULL},
    {NRG_E041, "predict x : real[1, 3, 3]\nmodule f = ^conv(16, 5, pad=0) | flatten | linear(1)\nenergy E(x) = f(x)\n", "larger", NULL, NULL},
    {NRG_E041, PLAIN "module e = ^conv1(3, 3)\nenergy E(x, y) = G(x)[y] + sum(e(x))\n", "a sequence [place, channel]", NULL, NULL},
    {NRG_E041, PLAIN "module e = ^pool(2)\nenergy E(x, y) = G(x)[y] + sum(e(x))\n", "pool needs", NULL, NULL},
    {NRG_E042, PLAIN "module e = ema(^H, 0.9)\nenergy E(x, y) = G(x)[y] + sum(e(x))\n", "ema takes the name of a module", NULL, NULL},
    {NRG_E042, PLAIN "module e = copy(^relu)\nenergy E(x, y) = G(x)[y] + sum(e(x))\n", "copy takes", NULL, NULL},
    {NRG_E043, "dim V = ..20\npredict s : sign[V]\nweight J : real[V, V]\nenergy E(s) = -sum(J ^* s)\n",
     "'*' cannot tell which V is meant: sign[V] fits real[V, V] in 2 ways", "left  : real[V, V]", "each(i in V, j in V: J[i, j] * s[j])"},
    {NRG_E043, "predict s : real[3]\nweight J : real[3, 3]\nenergy E(s) = sum(s ^+ J)\n", "fits real[3, 3] in 2 ways", NULL, NULL},
    {NRG_E043, "dim V = 3\nweight J : real[V, V]\npredict s : real[V]\nenergy E(s) = sum(s) + sum(sum(J, over=^V))\n", "more than one axis", NULL, NULL},
    {NRG_E018, CRF "energy E(w, tag) = sum(^t in chain(T): f(w)[t, tag[t]])\n", "gives 2 indices, but 1 is named", NULL, NULL},
    {NRG_E018, CRF "energy E(w, tag) = sum((^s, t) in T: f(w)[t, tag[t]])\n", "gives 1 index, but 2 are named", NULL, NULL},
    {NRG_E015, CRF "energy E(w, tag) = sum(t in ^tag: f(w)[t, tag[t]])\n", "cannot run over", NULL, NULL},
    {NRG_E019, CRF "energy E(w, tag) = sum(each((s, t) in ^chain(T): f(w)[t, tag[t]]))\n", "each runs over dims", NULL, NULL},
    {NRG_E019, CRF "energy E(w, tag) = sum(t in T: f(w)[argmin(s in T: ^f(w)[s]), tag[t]])\n", "one number for each index", NULL, NULL},
};

// The text without its caret; *at: where it was.
static char *plain(const char *text, size_t *at) {
    const char *p = text + strlen(text);
    while (p > text && !(*p == '^' && p[1] != '2')) p--; // the last one marks
    char *t = malloc(strlen(text) + 1);
    *at = (size_t)(p - text);
    memcpy(t, text, *at);
    strcpy(t + *at, p + 1);
    return t;
}

static bool found(const char *part, const char *in) {
    return !part || strstr(in, part);
}

static void errors(void **state) {
    (void)state;
    bool all = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t at;
        char *text = plain(rows[i].text, &at);
        nrg_ctx *c = nrg_ctx_new(NULL, NULL);
        nrg_model *m;
        nrg_lang_load(c, "t.nrg", text, strlen(text), NULL, &m);
        const nrg_diag *d = NULL;
        for (int k = 0; k < nrg_diag_count(c) && !d; k++)
            if (nrg_diag_get(c, k)->severity == NRG_ERROR) d = nrg_diag_get(c, k);
        int line = 1, col = 1;
        for (size_t k = 0; k < at; k++) text[k] == '\n' ? (line++, col = 1) : col++;
        bool good = d && d->status == rows[i].status && d->line == line && d->col == col && found(rows[i].says, d->message) &&
                    found(rows[i].fact, d->facts) && found(rows[i].help, d->help);
        if (!good) {
            print_message("row %d wants %s at %d:%d\n%s", (int)i, nrg_status_name(rows[i].status), line, col, text);
            for (int k = 0; k < nrg_diag_count(c); k++) {
                nrg_text t = nrg_text_make(c);
                nrg_diag_print(c, k, &t);
                print_message("%s\n", t.at ? t.at : "");
                nrg_text_free(&t);
            }
        }
        all = all && good;
        if (m) nrg_model_free(m);
        nrg_ctx_free(c);
        free(text);
    }
    assert_true(all);
}

// Sizes that only data will tell are never guessed into an error.
static void unknown_sizes(void **state) {
    (void)state;
    static const char *const texts[] = {
        "dim D, M, K\ngiven x : real[D]\npredict y : real[M]\nmodule G = linear(M)\nenergy E(x, y) = sq(y - G(x))\n",
        "dim C, H, W\npredict x : real[C, H, W]\nmodule f = conv(8, 3, stride=2) | pool(2) | flatten | linear(10) | relu | linear(1)\nenergy E(x) = f(x)\n",
        "dim H, W\npredict x : real[H, W]\nmodule f = flatten | linear(H * W) | reshape(H, W)\nenergy E(x) = sq(x - f(x))\n",
        "dim H, W\npredict x : real[H, W]\nmodule f = flatten | linear(3)\nweight b : real[5]\nenergy E(x) = sum(f(x)) + sum(flatten(x) + concat(b, b))\n",
        "dim D, V\ngiven x : real[D]\npredict y : real[V]\nmodule G = linear(7)\nenergy E(x, y) = sq(G(x) - G(y))\n",
        "dim H, W\ngiven x : bit[H, W]\npredict y : bit[H, W]\nenergy E(x, y) = sum((p, q) in grid8(H, W): y[p] != y[q]) + sum(x != y)\n",
        "dim V, D = 3\ngiven c : V\npredict w : V\nweight U : real[V, D]\nenergy E(c, w) = -dot(U[c], U[w]) + sum((a, b) in ring(V): dot(U[a], U[b]))\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        nrg_ctx *c = nrg_ctx_new(NULL, NULL);
        nrg_model *m;
        nrg_status st = nrg_lang_load(c, "t.nrg", texts[i], strlen(texts[i]), NULL, &m);
        for (int k = 0; st != NRG_OK && k < nrg_diag_count(c); k++) print_message("%s\n%s\n", texts[i], nrg_diag_get(c, k)->message);
        assert_int_equal(st, NRG_OK);
        assert_int_equal(m->params.n, 0);
        nrg_model_free(m);
        nrg_ctx_free(c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(errors), cmocka_unit_test(unknown_sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
