// Layers against plain loops; whose weights they are; what resolving a model makes; refused memory.
#include "world.h"

enum { N = 2 };

// ---- plain loops

// x [C, h, w], f [F, C, k, k], answer [F, ...] at stride s with `before` zeros in front.
static double response(const double *x, int C, int h, int w, const double *f, int k, int s, int before, int i, int j) {
    double sum = 0;
    for (int c = 0; c < C; c++)
        for (int a = 0; a < k; a++)
            for (int b = 0; b < k; b++) {
                int y = i * s + a - before, z = j * s + b - before;
                if (y >= 0 && z >= 0 && y < h && z < w) sum += x[(c * h + y) * w + z] * f[(c * k + a) * k + b];
            }
    return sum;
}

typedef struct { const char *layer, *type; int F, k, s, before, h, w; } conv_row;

static void convolutions(void **state) {
    (void)state;
    enum { C = 2, H = 6, W = 7 };
    static const conv_row rows[] = {
        {"conv(3, 3)", "real[3, H, W]", 3, 3, 1, 1, 6, 7},          {"conv(C, 5)", "real[C, H, W]", 2, 5, 1, 2, 6, 7},
        {"conv(3, 1)", "real[3, H, W]", 3, 1, 1, 0, 6, 7},          {"conv(3, 2)", "real[3, H, W]", 3, 2, 1, 0, 6, 7},
        {"conv(3, 4)", "real[3, H, W]", 3, 4, 1, 1, 6, 7},          {"conv(3, 3, stride=2)", "real[3, 3, 4]", 3, 3, 2, 1, 3, 4},
        {"conv(3, 4, stride=2)", "real[3, 3, 3]", 3, 4, 2, 1, 3, 3}, {"conv(3, 3, pad=0)", "real[3, 4, 5]", 3, 3, 1, 0, 4, 5},
        {"conv(3, 3, 2, 2)", "real[3, 4, 5]", 3, 3, 2, 2, 4, 5},
    };
    for (size_t n = 0; n < sizeof rows / sizeof *rows; n++) {
        const conv_row *q = &rows[n];
        char text[300];
        snprintf(text, sizeof text, "dim C = 2, H = 6, W = 7\ngiven x : real[C, H, W]\nmodule f = %s\nlet r = f(x)\n", q->layer);
        world w = world_open(text, "x", N);
        nrg_value v;
        int64_t count;
        double *r = world_value(&w, "r", &v, &count), *x = world_find(&w, "x"), *f = world_find(&w, "f.0.weight"), *b = world_find(&w, "f.0.bias");
        same_type(&w, &v.type, q->type, q->layer);
        assert_int_equal(count, N * q->F * q->h * q->w);
        for (int64_t i = 0; i < count; i++) {
            int j = (int)(i % q->w), row = (int)(i / q->w % q->h), o = (int)(i / q->w / q->h % q->F), s = (int)(i / q->w / q->h / q->F);
            double want = b[o] + response(x + s * C * H * W, C, H, W, f + o * C * q->k * q->k, q->k, q->s, q->before, row, j);
            if (!near(r[i], want, 1e-12)) print_message("%s at %d\n", q->layer, (int)i);
            assert_true(near(r[i], want, 1e-12));
        }
        free(r);
        world_close(&w);
    }
}

// Sequences of length 3 and 5: nothing enters from beyond the length.
static void sequences(void **state) {
    (void)state;
    enum { T = 5, D = 3, F = 2 };
    for (int k = 1; k <= 4; k++) {
        char text[300];
        snprintf(text, sizeof text, "dim T = ..5, D = 3, F = 2\ngiven x : real[T, D]\nmodule f = conv1(F, %d)\nlet r = f(x)\nlet m = x | meanpool\nlet p = x | pool\n", k);
        world w = world_open(text, "x", N);
        world_give(&w, "length:T", N, (double[]){3, 5});
        nrg_value v;
        int64_t count;
        double *r = world_value(&w, "r", &v, &count), *x = world_find(&w, "x"), *f = world_find(&w, "f.0.weight"), *b = world_find(&w, "f.0.bias");
        same_type(&w, &v.type, "real[T, F]", text);
        for (int s = 0; s < N; s++)
            for (int t = 0, len = s ? 5 : 3; t < len; t++)
                for (int o = 0; o < F; o++) {
                    double want = b[o];
                    for (int a = 0; a < k; a++)
                        for (int d = 0; d < D; d++) {
                            int at = t + a - (k - 1) / 2;
                            if (at >= 0 && at < len) want += x[(s * T + at) * D + d] * f[(o * D + d) * k + a];
                        }
                    assert_true(near(r[(s * T + t) * F + o], want, 1e-12));
                }
        free(r);
        double *m = world_numbers(&w, "m"), *p = world_numbers(&w, "p");
        for (int s = 0; s < N; s++)
            for (int d = 0; d < D; d++) {
                double sum = 0, most = -INFINITY;
                for (int t = 0, len = s ? 5 : 3; t < len; t++) {
                    double e = x[(s * T + t) * D + d];
                    sum += e / len, most = e > most ? e : most;
                }
                assert_true(near(m[s * D + d], sum, 1e-12) && near(p[s * D + d], most, 0));
            }
        free(m);
        free(p);
        world_close(&w);
    }
}

static void pooling(void **state) {
    (void)state;
    enum { C = 2, H = 5, W = 6 };
    world w = world_open("dim C = 2, H = 5, W = 6\ngiven x : real[C, H, W]\ngiven s : real[H, W]\nlet a = x | pool(2)\nlet b = x | meanpool(2)\n"
                         "let g = x | meanpool\nlet h = pool(x)\nlet i = s | pool(2)\n", "x, s", 1);
    nrg_value v;
    int64_t count;
    double *a = world_value(&w, "a", &v, &count), *b = world_numbers(&w, "b"), *g = world_numbers(&w, "g"), *h = world_numbers(&w, "h");
    double *x = world_find(&w, "x");
    same_type(&w, &v.type, "real[C, 2, 3]", "pool(2)");
    for (int c = 0; c < C; c++) {
        double sum = 0, most = -INFINITY;
        for (int k = 0; k < H * W; k++) sum += x[c * H * W + k] / (H * W), most = fmax(most, x[c * H * W + k]);
        assert_true(near(g[c], sum, 1e-12) && near(h[c], most, 0));
        for (int k = 0; k < 6; k++) {
            const double *p = x + c * H * W + k / 3 * 2 * W + k % 3 * 2;
            assert_true(near(a[c * 6 + k], fmax(fmax(p[0], p[1]), fmax(p[W], p[W + 1])), 0));
            assert_true(near(b[c * 6 + k], (p[0] + p[1] + p[W] + p[W + 1]) / 4, 1e-12));
        }
    }
    double *i = world_value(&w, "i", &v, &count), *s = world_find(&w, "s");
    same_type(&w, &v.type, "real[2, W]", "pool(2) of a sequence");
    for (int k = 0; k < 2 * W; k++) assert_true(near(i[k], fmax(s[k / W * 2 * W + k % W], s[(k / W * 2 + 1) * W + k % W]), 0));
    free(a), free(b), free(g), free(h), free(i);
    world_close(&w);
}

static void dense(void **state) {
    (void)state;
    world w = world_open("dim T = 3, D = 4, K = 2, V = 5\ngiven x : real[T, D]\ngiven s : real\ngiven c : V[T]\n"
                         "module f = linear(K)\nmodule o = linear(1)\nmodule one = linear(K)\nmodule e = embed(K)\nmodule n = layernorm\nmodule p = position\n"
                         "module g(a, b) = embed(b, K) | concat(linear(a, K))\n"
                         "let lf = f(x)\nlet lo = o(x)\nlet ls = one(s)\nlet le = e(c)\nlet ln = n(x)\nlet lp = p(x)\nlet lg = g(x, c)\n"
                         "let lz = each(t in T: f(x[t])) - f(x)\n", "x, s, c", N);
    world_give(&w, "c", 3 * N, (double[]){0, 4, 2, 1, 1, 3});
    nrg_value v;
    int64_t count;
    double *r = world_value(&w, "lf", &v, &count), *x = world_find(&w, "x"), *W = world_find(&w, "f.0.weight"), *b = world_find(&w, "f.0.bias");
    same_type(&w, &v.type, "real[T, K]", "linear(K)");
    for (int i = 0; i < N * 3 * 2; i++) {
        double want = b[i % 2];
        for (int d = 0; d < 4; d++) want += x[i / 2 * 4 + d] * W[d * 2 + i % 2];
        assert_true(near(r[i], want, 1e-12));
    }
    free(r);
    r = world_value(&w, "lo", &v, &count);
    same_type(&w, &v.type, "real[T]", "linear(1)");
    free(r);
    r = world_value(&w, "ls", &v, &count);
    same_type(&w, &v.type, "real[K]", "linear of a number");
    assert_true(near(r[1], world_find(&w, "s")[0] * world_find(&w, "one.0.weight")[1] + world_find(&w, "one.0.bias")[1], 1e-12));
    free(r);
    r = world_value(&w, "le", &v, &count);
    same_type(&w, &v.type, "real[T, K]", "embed");
    assert_true(r[2] == world_find(&w, "e.0.weight")[8] && r[3] == world_find(&w, "e.0.weight")[9]);
    free(r);
    r = world_numbers(&w, "lz");
    for (int i = 0; i < 12; i++) assert_true(near(r[i], 0, 1e-13));
    free(r);
    r = world_value(&w, "lg", &v, &count);
    same_type(&w, &v.type, "real[T, 4]", "layers applied where they stand");
    free(r);
    r = world_value(&w, "ln", &v, &count);
    double *gain = world_find(&w, "n.0.gain"), *bias = world_find(&w, "n.0.bias");
    for (int i = 0; i < N * 3; i++) {
        double mean = 0, var = 0;
        for (int d = 0; d < 4; d++) mean += x[i * 4 + d] / 4;
        for (int d = 0; d < 4; d++) var += (x[i * 4 + d] - mean) * (x[i * 4 + d] - mean) / 4;
        for (int d = 0; d < 4; d++) assert_true(near(r[i * 4 + d], (x[i * 4 + d] - mean) / sqrt(var + 1e-5) * gain[d] + bias[d], 1e-12));
    }
    free(r);
    r = world_numbers(&w, "lp");
    for (int i = 0; i < 12; i++) assert_true(near(r[i], x[i] + world_find(&w, "p.0.weight")[i], 0));
    free(r);
    world_close(&w);
}

// ---- whose weights

static const char *const shared =
    "dim D = 4, V = 3\ngiven x : real[D]\npredict y : real[D]\nlatent z : real[2] in 0..\n"
    "weight W : real[D, 2] in unit_columns init uniform(0.3)\nweight b : real init 2\nweight c : real[D] init 0\nweight d : real[V, D] init samples(y)\n"
    "module G = linear(5) | tanh | linear(D)\nmodule K = ema(G, 0.99)\nmodule L = copy(G)\nmodule R = linear(D) | repeat(2, linear(D) | tanh | linear(D)) | G\n"
    "module S = repeat(2, G)\nmodule enc = linear(2)\nmodule unused = linear(7)\n"
    "energy E(x, y, z) = sq(G(x) - G(y)) + sq(K(x) - L(y)) + sq(R(x) - S(y)) + sq(y - W @ z) * b + dot(c, y) + sq(d @ y)\n"
    "minimize z by gradient(steps=3) from enc(y)\n";

static void owners(void **state) {
    (void)state;
    static const char *const names[] = {
        "G.0.weight", "G.0.bias", "G.1.weight", "G.1.bias", "K.0.weight", "K.0.bias", "K.1.weight", "K.1.bias", "L.0.weight", "L.0.bias",
        "L.1.weight", "L.1.bias", "R.0.weight", "R.0.bias", "R.1.0.0.weight", "R.1.0.0.bias", "R.1.0.1.weight", "R.1.0.1.bias",
        "R.1.1.0.weight", "R.1.1.0.bias", "R.1.1.1.weight", "R.1.1.1.bias", "S.0.0.G.0.weight", "S.0.0.G.0.bias", "S.0.0.G.1.weight",
        "S.0.0.G.1.bias", "S.0.1.G.0.weight", "S.0.1.G.0.bias", "S.0.1.G.1.weight", "S.0.1.G.1.bias", "W", "b", "c", "d",
        "enc.0.weight", "enc.0.bias"};
    enum { NAMES = sizeof names / sizeof *names };
    world w = world_open(shared, NULL, N);
    assert_int_equal(nrg_model_resolve(w.m, NRG_F32), NRG_OK);
    uint32_t before = w.m->params.n;
    assert_int_equal(nrg_model_resolve(w.m, NRG_F32), NRG_OK); // once more changes nothing
    assert_int_equal(w.m->params.n, before);
    assert_int_equal(before, NAMES);
    for (int i = 0; i < NAMES; i++) {
        const nrg_param *p = NULL;
        for (uint32_t k = 0; k < w.m->params.n; k++)
            if (nrg_same(w.m->params.at[k].name, names[i])) p = &w.m->params.at[k];
        if (!p) print_message("no %s\n", names[i]);
        assert_non_null(p);
        assert_true(strncmp(p->owner, names[i], strlen(p->owner)) == 0);
        assert_int_equal(p->bias, strstr(names[i], "bias") != NULL);
        if (names[i][0] == 'K') {
            assert_true(p->average_of >= 0 && p->decay == 0.99);
            assert_string_equal(w.m->params.at[p->average_of].name + 1, names[i] + 1);
            assert_string_equal(w.m->params.at[p->average_of].owner, "G");
        } else {
            assert_int_equal(p->average_of, -1);
        }
    }
    world_close(&w);
}

#define PARAM(text) (&w.m->params.at[param_at(w.m, text)])
static uint32_t param_at(const nrg_model *m, const char *name) {
    for (uint32_t k = 0; k < m->params.n; k++)
        if (nrg_same(m->params.at[k].name, name)) return k;
    fail_msg("no %s", name);
    return 0;
}

// Averages follow copies and repetitions inside what they average; what it shares is averaged under the average's own name.
static void averages_within(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"K.0.weight", "G.0.weight"}, {"K.1.0.M.0.weight", "G.1.0.M.0.weight"}, {"K.1.1.M.0.weight", "G.1.1.M.0.weight"},
                                           {"K.2.0.weight", "G.2.0.weight"}, {"K.S.0.weight", "S.0.weight"}};
    world w = world_open("dim D = 3\ngiven x : real[D]\nmodule M = linear(D)\nmodule S = linear(D)\nmodule C = linear(D)\n"
                         "module G(a) = linear(a, D) | repeat(2, M) | copy(C) | S\nmodule K = ema(G, 0.9)\nenergy E(x) = dot(K(x), x)\n", NULL, 1);
    assert_int_equal(nrg_model_resolve(w.m, NRG_F32), NRG_OK);
    assert_int_equal(w.m->params.n, 20); // five layers, two arrays each, and what they average
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const nrg_param *p = &w.m->params.at[param_at(w.m, pairs[i][0])];
        assert_true(p->average_of == (int32_t)param_at(w.m, pairs[i][1]) && p->decay == 0.9);
        assert_string_equal(p->owner, "K");
    }
    assert_string_equal(w.m->params.at[param_at(w.m, "S.0.weight")].owner, "S");
    world_close(&w);
}

static void starts(void **state) {
    (void)state;
    world w = world_open(shared, NULL, N);
    assert_int_equal(nrg_model_resolve(w.m, NRG_F64), NRG_OK);
    const nrg_param *p = PARAM("W");
    assert_true(p->init == NRG_INIT_UNIFORM && p->scale == 0.3 && p->domain.kind == NRG_DOM_UNIT_COLUMNS && p->var >= 0);
    p = PARAM("b");
    assert_true(p->init == NRG_INIT_CONSTANT && p->scale == 2 && p->shape.rank == 0);
    assert_true(PARAM("c")->init == NRG_INIT_ZERO);
    p = PARAM("d");
    assert_true(p->init == NRG_INIT_SAMPLES && p->init_expr && p->shape.dim[0] == 3);
    p = PARAM("G.0.weight");
    assert_true(p->init == NRG_INIT_UNIFORM && near(p->scale, 0.5, 1e-12) && p->shape.dim[0] == 4 && p->shape.dim[1] == 5 && p->var == -1);
    world_close(&w);
}

// No gradient reaches an average; both sides of a siamese network reach their one set of weights.
static void averages(void **state) {
    (void)state;
    world w = world_open(shared, NULL, N);
    nrg_node e;
    assert_int_equal(nrg_eval_energy(w.s, &e), NRG_OK);
    nrg_node wrt[2] = {nrg_scope_param(w.s, param_at(w.m, "K.0.weight")), nrg_scope_param(w.s, param_at(w.m, "L.0.weight"))}, d[2];
    assert_int_equal(nrg_grad(w.g, e, NRG_BAD, wrt, 2, d), NRG_OK);
    double a[20], b[20], *r[2] = {a, b};
    world_run(&w, d, 2, r);
    double most = 0;
    for (int i = 0; i < 20; i++) assert_true(a[i] == 0), most = fmax(most, fabs(b[i]));
    assert_true(most > 1e-6);
    world_close(&w);
}

// ---- what is not built yet says so, by name and line

static void not_built(void **state) {
    (void)state;
    world w = world_open("dim T = ..5, V = 4\ngiven w : V[T]\nmodule f = embed(3)\n         | attention(2) | linear(1)\nenergy E(w) = sum(f(w))\n", NULL, 1);
    nrg_node e;
    assert_int_equal(nrg_eval_energy(w.s, &e), NRG_E071);
    const nrg_diag *d = nrg_diag_get(w.c, nrg_diag_count(w.c) - 1);
    assert_int_equal(d->line, 4);
    assert_non_null(strstr(d->message, "'attention'"));
    world_close(&w);
}

// ---- the lectures' models: every one checks, and every one whose parts are built gives an energy

static void models(void **state) {
    (void)state;
    static const char *const names[] = {"01_linear_regression", "02_classifier", "03_implicit_square", "04_kmeans", "05_pca", "06_sparse_coding",
                                        "09_rbm", "10_jem", "11_image_ebm", "12_crf", "13_joint_embedding", "16_invariant_objects", "17_video",
                                        "20_grid_mrf", "21_adversarial", "22_vqvae", "25_contractive", "26_denoising", "27_word_vectors"};
    static const char *const sets[] = {"D=6", "M=3", "H=8", "W=8", "Vocab=9", "K=4", "V=5"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[200];
        snprintf(path, sizeof path, NRG_ROOT "/models/%s.nrg", names[i]);
        world w = {.c = nrg_ctx_new(NULL, NULL), .n = 1};
        nrg_text t = nrg_text_make(w.c);
        assert_int_equal(nrg_file_read(w.c, path, &t), NRG_OK);
        const char *mine[7];
        nrg_overrides o = {.sets = mine};
        for (int k = 0; k < 7; k++) { // those that this file declares
            char word[16], *eq;
            snprintf(word, sizeof word, "%s", sets[k]);
            eq = strchr(word, '=');
            *eq = 0;
            const char *dims = strstr(t.at, "dim ");
            for (const char *p = dims; p && *p != '\n'; p++)
                if (strncmp(p, word, strlen(word)) == 0 && strchr(" ,=\n", p[strlen(word)]) && (p[-1] == ' ')) {
                    mine[o.sets_n++] = sets[k];
                    break;
                }
        }
        nrg_status st = nrg_lang_load(w.c, names[i], t.at, t.n, &o, &w.m);
        if (st != NRG_OK) world_complain(&w);
        assert_int_equal(st, NRG_OK);
        nrg_text_free(&t);
        st = nrg_model_resolve(w.m, NRG_F32);
        if (st != NRG_OK) world_complain(&w);
        assert_int_equal(st, NRG_OK);
        world_graph(&w);
        nrg_node e;
        st = nrg_eval_energy(w.s, &e);
        if (st != NRG_OK) world_complain(&w);
        assert_int_equal(st, NRG_OK);
        assert_int_equal(nrg_graph_node(w.g, e)->leads, NRG_SAMPLE);
        assert_int_equal(nrg_graph_check(w.g), NRG_OK);
        world_close(&w);
    }
}

// ---- the n-th allocation refused: a status, no leak

typedef struct { int64_t left; int64_t live; } quota;

static void *scarce(void *ud, void *p, size_t old, size_t size) {
    quota *q = ud;
    if (size == 0) {
        q->live -= p != NULL;
        free(p);
        return NULL;
    }
    if (q->left-- <= 0) return NULL;
    void *r = realloc(p, size);
    q->live += r && !p;
    (void)old;
    return r;
}

static nrg_status whole(nrg_ctx *c, const char *text) {
    nrg_model *m = NULL;
    nrg_graph *g = NULL;
    nrg_scope *s = NULL;
    nrg_node e;
    nrg_status st = nrg_lang_load(c, "t", text, strlen(text), NULL, &m);
    if (st == NRG_OK) st = nrg_model_resolve(m, NRG_F32);
    if (st == NRG_OK) st = nrg_graph_new(c, NRG_F32, &g);
    if (st == NRG_OK) st = nrg_scope_new(m, g, &s);
    for (uint32_t i = 0; st == NRG_OK && i < m->vars.n; i++) {
        nrg_shape h;
        if (m->vars.at[i].role == NRG_WEIGHT) continue;
        st = nrg_var_shape(m, (int32_t)i, &h);
        if (st == NRG_OK) nrg_scope_bind(s, (int32_t)i, nrg_input(g, m->vars.at[i].name, NRG_SAMPLE, h));
    }
    if (st == NRG_OK) st = nrg_eval_energy(s, &e);
    nrg_scope_free(s);
    nrg_graph_free(g);
    nrg_model_free(m);
    return st;
}

static void refused(void **state) {
    (void)state;
    static const char *const texts[] = {NULL,
        "dim T = ..4, V = 5, Tag = 3\ngiven w : V[T]\npredict tag : Tag[T]\nmodule f = embed(4) | conv1(3, 3) | tanh | linear(Tag)\n"
        "weight A : real[Tag, Tag]\nenergy E(w, tag) = sum(t in T: f(w)[t, tag[t]]) + sum((s, t) in ring(T): A[tag[s], tag[t]])\n"};
    for (int k = 0; k < 2; k++) {
        nrg_status st = NRG_E098;
        for (int64_t n = 0; st != NRG_OK; n++) {
            quota q = {.left = n};
            nrg_ctx *c = nrg_ctx_new(scarce, &q);
            st = c ? whole(c, k ? texts[k] : shared) : NRG_E098;
            if (st != NRG_OK && st != NRG_E098) print_message("refusal %d gives %s\n", (int)n, nrg_status_name(st));
            for (int i = 0; c && st != NRG_OK && st != NRG_E098 && i < nrg_diag_count(c); i++)
                print_message("%s %s\n", nrg_status_name(nrg_diag_get(c, i)->status), nrg_diag_get(c, i)->message);
            assert_true(st == NRG_OK || st == NRG_E098);
            nrg_ctx_free(c);
            assert_int_equal(q.live, 0);
            assert_true(n < 100000);
        }
    }
}

static void tables(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_text t = nrg_text_make(c);
    nrg_layers_print(&t);
    nrg_functions_print(&t);
    for (int i = 0; nrg_layer_names[i]; i++) assert_non_null(strstr(t.at, nrg_layer_names[i]));
    for (int i = 0; nrg_function_names[i]; i++) assert_non_null(strstr(t.at, nrg_function_names[i]));
    nrg_text_free(&t);
    nrg_ctx_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions), cmocka_unit_test(sequences), cmocka_unit_test(pooling), cmocka_unit_test(dense),
        cmocka_unit_test(owners),       cmocka_unit_test(starts),    cmocka_unit_test(averages), cmocka_unit_test(averages_within), cmocka_unit_test(not_built),
        cmocka_unit_test(models),       cmocka_unit_test(refused),   cmocka_unit_test(tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
