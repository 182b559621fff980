// Which loss collapses with which architecture. Every row of the loss table is trained with each architecture of the lectures, and
// what nrg says at the end (W106) is compared with the surface itself, looked at here in another way: the depth of its valleys on a
// dense grid, against that of untrained weights. The table is that of docs/losses.md.
#include "unit/training.h"
#include "infer/inside.h"

typedef struct { const char *name, *args, *expr, *doc; } loss_row;
static const loss_row losses[] = {
#define NRG_LOSS(name, args, expr, doc) {#name, args, expr, doc},
#include "model/losses.def"
};
#ifdef __SANITIZE_ADDRESS__
enum { ALL = 0 }; // five times slower: the cells that the lectures decide
#else
enum { ALL = 1 };
#endif
enum { LOSSES = sizeof losses / sizeof *losses, ROWS = 120, SIDE = 41, FRESH = 3, CLASSES = 8 };

typedef struct { const char *name, *text; bool finite; int line, epochs; } design; // line: of the learn statement
#define SIDES "module G1 = linear(20) | tanh | linear(10)\nmodule G2 = linear(20) | tanh | linear(10)\n"
static const design designs[] = {
    {"A: abs(y - G(x))", "module G = linear(20) | tanh | linear(1)\nenergy E(x, y) = abs(y - G(x))\n", false, 7, 200},
    {"B: l1(G1(x) - G2(y))",
     SIDES "energy E(x, y) = l1(G1(x) - G2(y))\n", false, 8, 200},
    {"B: sq(G1(x) - G2(y))",
     SIDES "energy E(x, y) = sq(G1(x) - G2(y))\n", false, 8, 200},
    {"RBF: sq(G(x) - U[y])", "weight U : real[K, D] init normal(1)\nmodule G = linear(D)\n"
     "energy E(x, y) = sq(G(x) - U[y])\n", true, 9, 600},
};
enum { DESIGNS = sizeof designs / sizeof *designs };

// What the lectures decide: 1 collapses, 0 does not. "Demo 1", "Demo 2" to "Demo 4", "Other architectures that may collapse".
static const struct { const char *loss; int design, collapses; } lectures[] = {
    {"energy", 0, 0},        {"energy", 1, 1},     {"energy", 2, 1}, {"square_square", 1, 0}, {"square_square", 2, 0},
    {"nll", 1, 0},           {"nll", 2, 0},        {"energy", 3, 1}, {"perceptron", 3, 1},    {"square_square", 3, 0},
    {"nll", 3, 0},           {"hinge", 3, 0},
};

// Y = X^2 with a little noise (without it the two sides of B can agree exactly, and some valleys stay however small they get);
// for classes, eight clouds on a circle that overlap: where every answer can be right, the perceptron loss ends before it collapses.
static void data(house *h, const design *d) {
    double *x = house_array(h, "x", ROWS, d->finite ? 2 : 0), *y = house_array(h, "y", ROWS, 0);
    for (int i = 0; i < ROWS; i++) {
        double u = 2 * (i + 0.5) / ROWS - 1, angle = i % CLASSES * 2 * 3.14159265358979 / CLASSES;
        if (!d->finite) x[i] = u, y[i] = u * u + 0.1 * draw(1, i);
        else x[2 * i] = cos(angle) + 0.35 * draw(2, i), x[2 * i + 1] = sin(angle) + 0.35 * draw(3, i), y[i] = i % CLASSES;
    }
}

static void model(house *h, const loss_row *l, const design *d) {
    char text[1024];
    bool neg = strstr(l->expr, "neg") != NULL;
    const char *by = d->finite ? "exhaustive" : "grid(points=40)";
    const char *against = !neg ? "" : d->finite ? " against offender" : " against offender(outside=0.3)";
    snprintf(text, sizeof text, "%sgiven x : %s\npredict y : %s\n%sminimize y by %s\nmarginalize y by %s\nlearn %s%s\n"
             "optimize by adam(lr=0.02 -> 0.002, batch=20, epochs=%d)\n", d->finite ? "dim K = 8, D = 4\n" : "",
             d->finite ? "real[2]" : "real in -1..1", d->finite ? "K" : "real in -0.5..1.5", d->text, by, by, l->name, against, d->epochs);
    house_text(h, text);
}

// Mean over x of (mean over y - min over y) of F: how deep the valleys are. wrong: of the lowest answers, against always the best one.
static double depth(house *h, const design *d, nrg_store *weights, double *wrong) {
    int64_t ys = d->finite ? CLASSES : SIDE, xs = d->finite ? ROWS : SIDE, n = xs * ys;
    double *x = calloc((size_t)n * 2, sizeof *x), *y = calloc((size_t)n, sizeof *y), *F = calloc((size_t)n, sizeof *F), sum = 0;
    double *at = nrg_table_find(h->table, "x")->data, bad = 0, base = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t a = i / ys, b = i % ys;
        if (d->finite) x[2 * i] = at[2 * a], x[2 * i + 1] = at[2 * a + 1], y[i] = (double)b;
        else x[i] = 2.0 * (double)a / (SIDE - 1) - 1, y[i] = -0.2 + 1.4 * (double)b / (SIDE - 1);
    }
    nrg_store *view;
    MUST(h, nrg_store_new(h->c, nrg_store_type(weights), &view));
    MUST(h, nrg_store_share(weights, view));
    MUST(h, nrg_store_put(view, "x", (nrg_buffer){x, NRG_BUF_F64, NULL}));
    MUST(h, nrg_store_put(view, "y", (nrg_buffer){y, NRG_BUF_F64, NULL}));
    nrg_vars both = (nrg_vars)1 << nrg_model_var(h->m, "x") | (nrg_vars)1 << nrg_model_var(h->m, "y");
    MUST(h, nrg_energy_of(h->m, view, both, n, 1, F));
    for (int64_t a = 0; a < xs; a++) {
        double mean = 0, truth = d->finite ? (double)(a % CLASSES) : x[a * ys] * x[a * ys];
        int64_t low = a * ys;
        for (int64_t i = a * ys; i < (a + 1) * ys; i++) {
            mean += F[i] / (double)ys;
            if (F[i] < F[low]) low = i;
        }
        sum += (mean - F[low]) / (double)xs;
        bad += d->finite ? y[low] != truth : (y[low] - truth) * (y[low] - truth);
        base += d->finite ? truth != 0 : (truth - 0.35) * (truth - 0.35); // 0.35: the mean of x^2 on this grid
    }
    if (wrong) *wrong = bad / base;
    nrg_store_free(view);
    free(x), free(y), free(F);
    return sum;
}

static double fresh_depth(house *h, const design *d) {
    double sum = 0;
    for (uint64_t seed = 11; seed < 11 + FRESH; seed++) {
        nrg_store *s;
        MUST(h, nrg_store_new(h->c, NRG_F32, &s));
        MUST(h, nrg_store_share(nrg_trainer_store(h->t), s));
        MUST(h, nrg_weights_init(h->m, s, NULL, NULL, 0, seed));
        sum += depth(h, d, s, NULL) / FRESH;
        nrg_store_free(s);
    }
    return sum;
}

static const nrg_diag *warning(const house *h) {
    for (int i = 0; i < nrg_diag_count(h->c); i++)
        if (nrg_diag_get(h->c, i)->status == NRG_W106) return nrg_diag_get(h->c, i);
    return NULL;
}

typedef struct { bool said, flat; double left, wrong; } cell;

static cell train(const loss_row *l, const design *d) {
    house h;
    cell out;
    house_open(&h);
    data(&h, d);
    model(&h, l, d);
    house_train(&h, &(nrg_train_options){.seed = 1, .threads = 1});
    const nrg_diag *w = warning(&h);
    out.said = w != NULL;
    if (w) assert_true(w->line == d->line && w->col == 7);
    out.left = depth(&h, d, nrg_trainer_store(h.t), &out.wrong) / fresh_depth(&h, d);
    out.flat = out.left < 0.1;
    house_close(&h);
    return out;
}

static int decided(const char *loss, int d) {
    for (size_t i = 0; i < sizeof lectures / sizeof *lectures; i++)
        if (lectures[i].design == d && strcmp(lectures[i].loss, loss) == 0) return lectures[i].collapses;
    return -1;
}

static void every_loss_with_every_architecture(void **state) {
    (void)state;
    int alarms = 0, misses = 0, against = 0;
    print_message("| loss |");
    for (int d = 0; d < DESIGNS; d++) print_message(" %s |", designs[d].name);
    print_message("\n|---|---|---|---|---|\n");
    for (int l = 0; l < LOSSES; l++) {
        print_message("| `%s` |", losses[l].name);
        for (int d = 0; d < DESIGNS; d++) {
            int told = decided(losses[l].name, d);
            if (!ALL && told < 0) continue;
            cell c = train(&losses[l], &designs[d]);
            print_message(" %s%.2g, %.2g%s |", c.said ? "**collapsed** " : "", c.left, c.wrong, told >= 0 ? " †" : "");
            alarms += c.said && !c.flat;
            misses += !c.said && c.flat;
            against += told >= 0 && told != c.said;
        }
        print_message("\n");
    }
    print_message("false alarms %d, misses %d, against the lectures %d\n", alarms, misses, against);
    assert_int_equal(alarms, 0);
    assert_int_equal(misses, 0);
    assert_int_equal(against, 0);
}

static nrg_collapse look(house *h) {
    nrg_collapse c;
    nrg_bound *b;
    nrg_store *s = nrg_trainer_store(h->t);
    MUST(h, nrg_bind_data(h->m, h->table, s, &(nrg_bind_spec){.threads = 1}, &b));
    MUST(h, nrg_collapse_measure(h->m, s, b, NULL, nrg_bound_rows(b), 1, &c));
    nrg_bound_free(b);
    return c;
}

#define PARABOLA "given x : real in -1..1\npredict y : real in -0.5..1.5\n"
#define GRID "minimize y by grid(points=40)\nmarginalize y by grid(points=40)\n"
#define ADAM "optimize by adam(lr=0.02 -> 0.002, batch=20, epochs=200)\n"

static void learn(house *h, const char *text, bool f64) {
    house_text(h, text);
    house_train(h, &(nrg_train_options){.seed = 1, .threads = 1, .f64 = f64});
}

// The same weights under an energy in other units and at another level: the same verdict from numbers that scale.
static void units_and_level_do_not_matter(void **state) {
    (void)state;
    static const struct { const char *energy; double times; } as[] = {
        {"sq(G1(x) - G2(y))", 1}, {"1e4 * sq(G1(x) - G2(y))", 1e4}, {"1e-4 * sq(G1(x) - G2(y))", 1e-4}, {"sq(G1(x) - G2(y)) + 7", 1}};
    static const char *const of[] = {"energy", "perceptron", "nll"};
    for (size_t l = 0; l < sizeof of / sizeof *of; l++) {
        house h;
        char text[1024];
        nrg_collapse first = {0};
        house_open(&h);
        data(&h, &designs[2]);
        for (size_t i = 0; i < sizeof as / sizeof *as; i++) {
            snprintf(text, sizeof text, PARABOLA SIDES "energy E(x, y) = %s\n" GRID "learn %s\n" ADAM, as[i].energy, of[l]);
            if (i == 0) learn(&h, text, true);
            else {
                nrg_model *trained = h.m;
                nrg_trainer *t = h.t;
                h.m = NULL;
                house_text(&h, text);
                MUST(&h, nrg_model_resolve(h.m, NRG_F64));
                nrg_collapse c = look(&h);
                assert_int_equal(c.collapsed, first.collapsed);
                assert_true(fabs(c.spread / first.spread / as[i].times - 1) < 1e-6);
                assert_true(fabs(c.fresh / first.fresh / as[i].times - 1) < 1e-6);
                assert_true(c.above == first.above || l == 0);
                nrg_model_free(h.m);
                h.m = trained, h.t = t;
                continue;
            }
            first = look(&h);
            assert_true(first.known);
            assert_int_equal(first.collapsed, l < 2);
        }
        house_close(&h);
    }
}

// A small margin asks for small energies, and the surface is right: what the loss has won counts, not the size.
static void a_small_margin_is_no_collapse(void **state) {
    (void)state;
    house h;
    cell c = {0};
    house_open(&h);
    data(&h, &designs[2]);
    learn(&h, PARABOLA SIDES "energy E(x, y) = sq(G1(x) - G2(y))\nminimize y by grid(points=40)\n"
          "learn square_square(m=0.002) against offender(outside=0.3)\n"
          "optimize by adam(lr=0.02 -> 0.0002, batch=20, epochs=400)\n", false);
    nrg_collapse found = look(&h);
    c.left = depth(&h, &designs[2], nrg_trainer_store(h.t), &c.wrong) / fresh_depth(&h, &designs[2]);
    print_message("spread %.3g of %.3g, loss %.3g of %.3g; valleys %.2g as deep, wrong %.2g\n", found.spread, found.fresh, found.loss,
                  found.flat_loss, c.left, c.wrong);
    assert_true(found.spread < 0.1 * found.fresh && c.left < 0.1); // else this proves nothing
    assert_true(c.wrong < 0.1);
    assert_false(found.collapsed);
    assert_null(warning(&h));
    house_close(&h);
}

// Regression: the energy is a fixed function of y and cannot become flat, however small the residual.
static void regression_is_no_collapse(void **state) {
    (void)state;
    for (int k = 0; k < 4; k++) {
        bool exact = k & 1, far = k & 2; // far: fresh weights miss by a thousand times what the answers differ by
        house h;
        char text[512];
        house_open(&h);
        double *x = house_array(&h, "x", 200, 3), *y = house_array(&h, "y", 200, 0);
        for (int i = 0; i < 200; i++) {
            for (int e = 0; e < 3; e++) x[3 * i + e] = draw(4, 3 * i + e);
            y[i] = far ? 1000 + x[3 * i] : 1000 + 500 * x[3 * i] - 200 * x[3 * i + 1]; // far from the units of the weights
        }
        snprintf(text, sizeof text, "dim D\ngiven x : real[D]\npredict y : real\nmodule G = linear(1)\nenergy E(x, y) = sq(y - G(x))\n"
                 "learn energy\noptimize by %s\n", exact ? "exact" : "adam(lr=10 -> 0.01, epochs=300)");
        learn(&h, text, false);
        nrg_collapse c = look(&h);
        assert_true(c.known);
        assert_false(c.collapsed);
        assert_true(c.above > 0.9);
        assert_null(warning(&h));
        house_close(&h);
    }
}

// Nothing is given: an autoencoder that can copy everything is flat, one with a narrow middle is not. Points near a plane in 6 dimensions.
static void an_autoencoder_that_copies_has_collapsed(void **state) {
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        house h;
        char text[512];
        house_open(&h);
        double *y = house_array(&h, "y", 300, 6);
        for (int i = 0; i < 300; i++)
            for (int k = 0; k < 6; k++) y[6 * i + k] = (k < 2 ? 1 : 0.2) * draw(5, 6 * i + k);
        snprintf(text, sizeof text, "dim D\npredict y : real[D]\nmodule enc = linear(%d)\nmodule dec = linear(D)\n"
                 "energy E(y) = sq(y - dec(enc(y)))\n"
                 "learn energy\noptimize by adam(lr=0.02 -> 0.001, batch=30, epochs=100)\n", wide ? 12 : 2);
        learn(&h, text, false);
        nrg_collapse c = look(&h);
        print_message("middle of %d: spread %.3g of %.3g\n", wide ? 12 : 2, c.spread, c.fresh);
        assert_true(c.known);
        assert_int_equal(c.collapsed, wide);
        assert_int_equal(warning(&h) != NULL, wide);
        house_close(&h);
    }
}

// An energy that a made-up answer does not have: nothing is said, and nothing of the attempt is left in the list of messages.
static void what_cannot_be_measured_is_not_judged(void **state) {
    (void)state;
    house h;
    house_open(&h);
    double *y = house_array(&h, "y", 50, 0);
    for (int i = 0; i < 50; i++) y[i] = exp(0.1 * i - 3);
    learn(&h, "predict y : real\nweight w : real\nenergy E(y) = sq(log(y) - w)\nlearn energy\n"
          "optimize by adam(lr=0.1, epochs=20)\n", false);
    assert_int_equal(nrg_diag_count(h.c), 0);
    assert_false(look(&h).known);
    assert_int_equal(nrg_diag_count(h.c), 0);
    house_close(&h);
}

static void expect_not_collapsed_agrees_with_the_warning(void **state) {
    (void)state;
    static const char *const losses_of[] = {"energy", "square_square against offender(outside=0.3)"};
    for (int l = 0; l < 2; l++) {
        house h;
        nrg_ebm *m;
        char text[1024];
        const char *said;
        int verdict = -2;
        house_open(&h);
        data(&h, &designs[2]);
        snprintf(text, sizeof text, PARABOLA SIDES "energy E(x, y) = sq(G1(x) - G2(y))\n" GRID "learn %s\n" ADAM "expect not collapsed\n",
                 losses_of[l]);
        MUST(&h, nrg_ebm_load_text(h.c, "test.nrg", text, strlen(text), NULL, &m));
        MUST(&h, nrg_ebm_train(m, h.table, NULL, NULL, NULL));
        assert_int_equal(warning(&h) != NULL, l == 0);
        MUST(&h, nrg_ebm_expect(m, h.table, 0, &verdict, &said));
        print_message("%d %s\n", verdict, said);
        assert_int_equal(verdict, l);
        MUST(&h, nrg_ebm_expect(m, NULL, 0, &verdict, &said));
        assert_int_equal(verdict, -1); // without data there is nothing to compare
        nrg_ebm_free(m);
        house_close(&h);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_loss_with_every_architecture),
        cmocka_unit_test(units_and_level_do_not_matter),
        cmocka_unit_test(a_small_margin_is_no_collapse),
        cmocka_unit_test(regression_is_no_collapse),
        cmocka_unit_test(an_autoencoder_that_copies_has_collapsed),
        cmocka_unit_test(what_cannot_be_measured_is_not_judged),
        cmocka_unit_test(expect_not_collapsed_agrees_with_the_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
