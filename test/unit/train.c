// The train room: binding and its messages, steps against formulas written out here, runs on disk, the same bits again.
#include "unit/training.h"
#include "train/inside.h"
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- binding -----------------------------------------------------------------------------------------------------

static const nrg_diag *refused(house *h, const char *const *maps, int n, nrg_status expected) {
    nrg_store *s;
    nrg_bound *b;
    nrg_bind_spec spec = {.maps = maps, .maps_n = n, .need = nrg_loss_data(h->m), .fit = true};
    nrg_diag_clear(h->c);
    MUST(h, nrg_store_new(h->c, NRG_F64, &s));
    nrg_status st = nrg_bind_data(h->m, h->table, s, &spec, &b);
    nrg_store_free(s);
    if (st != expected) complain(h);
    assert_int_equal(st, expected);
    assert_null(b);
    return nrg_diag_get(h->c, 0);
}

static void says(const char *text, const char *part) {
    if (!strstr(text, part)) print_message("found: %s\nexpected in it: %s\n", text, part);
    assert_non_null(strstr(text, part));
}

static const char *const pictures =
    "dim C = 1, H = 4, W = 3, K\ngiven x : real[C, H, W] in 0..1\npredict y : K\nmodule G = flatten | linear(K)\n"
    "energy E(x, y) = G(x)[y]\nminimize y by exhaustive\nmarginalize y by exhaustive\nlearn nll\n"
    "optimize by sgd(lr=0.1, batch=4, epochs=2)\n";

static void an_axis_is_missing(void **state) {
    (void)state;
    house h;
    nrg_array *a;
    house_open(&h);
    MUST(&h, nrg_table_make(h.table, "images", NRG_CELL_U8, 3, (int64_t[]){5, 4, 3}, &a));
    ((uint8_t *)a->data)[7] = 255;
    house_bytes(&h, "y", 5, 0);
    house_text(&h, pictures);
    const nrg_diag *d = refused(&h, (const char *[]){"x=images"}, 1, NRG_E050);
    says(d->message, "images");
    says(d->message, "does not fit x");
    says(d->facts, "real[C=1, H=4, W=3]");
    says(d->facts, "sizes agree except that axis C is missing; values exceed the declared range 0..1");
    says(d->help, "data x = reshape(images, C, H, W) / 255");
    house_close(&h);
}

static void an_array_is_missing(void **state) {
    (void)state;
    house h;
    nrg_array *a;
    house_open(&h);
    MUST(&h, nrg_table_make(h.table, "x", NRG_CELL_U8, 4, (int64_t[]){5, 1, 4, 3}, &a));
    house_bytes(&h, "label", 5, 0);
    house_text(&h, pictures);
    const nrg_diag *d = refused(&h, NULL, 0, NRG_E051);
    says(d->message, "no array for y");
    says(d->facts, "arrays found: x, label");
    says(d->help, "--map y=label");
    says(refused(&h, (const char *[]){"y=nothing"}, 1, NRG_E051)->message, "there is no array nothing");
    house_close(&h);
}

static void labels_are_checked(void **state) {
    (void)state;
    house h;
    nrg_array *a;
    house_open(&h);
    MUST(&h, nrg_table_make(h.table, "x", NRG_CELL_U8, 4, (int64_t[]){5, 1, 4, 3}, &a));
    uint8_t *y = house_bytes(&h, "y", 5, 0);
    for (int i = 0; i < 5; i++) y[i] = (uint8_t)(1 + i % 3);
    const char *sized =
        "dim C = 1, H = 4, W = 3, K = 3\ngiven x : real[C, H, W]\npredict y : K\nmodule G = flatten | linear(K)\n"
        "energy E(x, y) = G(x)[y]\nminimize y by exhaustive\nmarginalize y by exhaustive\nlearn nll\noptimize by sgd\n";
    house_text(&h, sized);
    const nrg_diag *d = refused(&h, NULL, 0, NRG_E052);
    says(d->message, "y has the value 3 at sample 2, but K = 3 labels are 0..2");
    says(d->help, "--map 'y=y-1' shifts them");
    nrg_store *s;
    nrg_bound *b;
    nrg_bind_spec spec = {.maps = (const char *[]){"y=y-1"}, .maps_n = 1, .need = nrg_loss_data(h.m), .fit = true};
    double v[5];
    MUST(&h, nrg_store_new(h.c, NRG_F64, &s));
    MUST(&h, nrg_bind_data(h.m, h.table, s, &spec, &b));
    MUST(&h, nrg_bound_numbers(b, s, nrg_model_var(h.m, "y"), NULL, 5, v));
    for (int i = 0; i < 5; i++) assert_true(v[i] == i % 3);
    nrg_bound_free(b);
    nrg_store_free(s);
    house_close(&h);
}

static void texts_become_labels(void **state) {
    (void)state;
    house h;
    house_open(&h);
    const char *csv = "a,kind\n1,plum\n2,fig\n3,plum\n4,apple\n";
    MUST(&h, nrg_data_read(h.table, "fruit.csv", csv, strlen(csv), "x", "a"));
    MUST(&h, nrg_data_read(h.table, "fruit.csv", csv, strlen(csv), "y", "kind"));
    house_text(&h, "dim K\ngiven x : real\npredict y : K\nweight w : real[K]\nenergy E(x, y) = w[y] * x\nminimize y by "
                   "exhaustive\n"
                   "marginalize y by exhaustive\nlearn nll\noptimize by sgd\n");
    nrg_store *s;
    nrg_bound *b;
    nrg_bind_spec spec = {.need = nrg_loss_data(h.m), .fit = true};
    double v[4];
    MUST(&h, nrg_store_new(h.c, NRG_F64, &s));
    MUST(&h, nrg_bind_data(h.m, h.table, s, &spec, &b));
    const nrg_dim *d = &h.m->dims.at[0];
    assert_int_equal(d->size, 3);
    assert_string_equal(d->labels[0], "apple");
    assert_string_equal(d->labels[2], "plum");
    MUST(&h, nrg_bound_numbers(b, s, nrg_model_var(h.m, "y"), NULL, 4, v));
    assert_true(v[0] == 2 && v[1] == 1 && v[2] == 2 && v[3] == 0);
    nrg_bound_free(b);
    // other data with a label that training never saw
    nrg_table *other;
    const char *more = "a,kind\n1,kiwi\n2,pum\n";
    MUST(&h, nrg_table_new(h.c, &other));
    MUST(&h, nrg_data_read(other, "more.csv", more, strlen(more), "x", "a"));
    MUST(&h, nrg_data_read(other, "more.csv", more, strlen(more), "y", "kind"));
    spec.fit = false;
    assert_int_equal(nrg_bind_data(h.m, other, s, &spec, &b), NRG_E052);
    says(nrg_diag_get(h.c, 0)->message, "y has the value kiwi at sample 0");
    nrg_table_free(other);
    nrg_store_free(s);
    house_close(&h);
}

static void values_leave_their_domain(void **state) {
    (void)state;
    house h;
    house_open(&h);
    double *x = house_array(&h, "x", 4, 2), *y = house_array(&h, "y", 4, 0);
    const char *text =
        "dim D\ngiven x : real[D] in 0..1\npredict y : sign\nmodule G = linear(1)\nenergy E(x, y) = -y * G(x)\n"
        "minimize y by exhaustive\nmarginalize y by exhaustive\nlearn nll\noptimize by sgd\n";
    for (int i = 0; i < 4; i++) y[i] = 1;
    x[5] = 200;
    house_text(&h, text);
    const nrg_diag *d = refused(&h, NULL, 0, NRG_E055);
    says(d->message, "x has the value 200 at sample 2, position [1]");
    says(d->help, "data x = x / 200");
    x[5] = NAN;
    house_text(&h, text);
    d = refused(&h, NULL, 0, NRG_E055);
    says(d->message, "x is missing or not a number at sample 2, position [1]");
    x[5] = 1;
    y[1] = 0;
    house_text(&h, text);
    d = refused(&h, NULL, 0, NRG_E055);
    says(d->message, "y has the value 0 at sample 1");
    says(d->help, "data y = 2 * y - 1");
    house_close(&h);
}

static void computed_values_are_checked(void **state) {
    (void)state;
    house h;
    house_open(&h);
    uint8_t *p = house_bytes(&h, "pixels", 3000, 2);
    house_bytes(&h, "y", 3000, 0);
    p[5001] = 255;
    char text[500];
    const char *frame =
        "dim D, K = 2\ngiven x : real[D] in 0..1\npredict y : K\nmodule G = linear(K)\nenergy E(x, y) = G(x)[y]\n"
        "minimize y by exhaustive\nmarginalize y by exhaustive\nlearn nll\noptimize by sgd\ndata x = pixels / %d\n";
    snprintf(text, sizeof text, frame, 100);
    house_text(&h, text);
    says(refused(&h, NULL, 0, NRG_E055)->message, "x has the value 2.55 at sample 2500, position [1]");
    snprintf(text, sizeof text, frame, 255);
    house_text(&h, text);
    nrg_train_options o = {.seed = 1, .threads = 1};
    house_trainer(&h, &o); // 255 / 255 lies inside 0..1, in float as well
    assert_int_equal(h.m->dims.at[0].size, 2);
    house_close(&h);
}

// ---- steps against formulas --------------------------------------------------------------------------------------

enum { ROWS = 6, D = 2 };

// One full batch a step: E = 0.5 (y - w x - b)^2, loss its mean + penalty |w|^2.
static void slope(const double *x, const double *y, const double *w, double penalty, double *g) {
    for (int j = 0; j <= D; j++) g[j] = j < D ? 2 * penalty * w[j] : 0;
    for (int i = 0; i < ROWS; i++) {
        double r = w[D] - y[i];
        for (int j = 0; j < D; j++) r += w[j] * x[i * D + j];
        for (int j = 0; j < D; j++) g[j] += r * x[i * D + j] / ROWS;
        g[D] += r / ROWS;
    }
}

static void open_line(house *h, const char *optimize, double **x, double **y) {
    char text[500];
    house_open(h);
    *x = house_array(h, "x", ROWS, D);
    *y = house_array(h, "y", ROWS, 0);
    for (int i = 0; i < ROWS * D; i++) (*x)[i] = draw(5, i);
    for (int i = 0; i < ROWS; i++) (*y)[i] = draw(6, i) + 2;
    snprintf(text, sizeof text,
             "dim D\ngiven x : real[D]\npredict y : real\nmodule G = linear(1)\nenergy E(x, y) = 0.5 * (y - G(x))^2\n"
             "minimize y by exact\nlearn energy + 0.01 * l2(G)\n%s\n",
             optimize);
    house_text(h, text);
}

static void start(house *h, double *w) {
    memcpy(w, house_f64(h, "G.0.weight"), D * sizeof *w);
    w[D] = house_f64(h, "G.0.bias")[0];
}

static void equals(house *h, const double *w) {
    for (int j = 0; j < D; j++) assert_true(fabs(house_f64(h, "G.0.weight")[j] - w[j]) <= 1e-12);
    assert_true(fabs(house_f64(h, "G.0.bias")[0] - w[D]) <= 1e-12);
}

static const nrg_train_options plainly = {.seed = 9, .threads = 1, .f64 = true};

static void sgd_is_its_formula(void **state) {
    (void)state;
    house h;
    double *x, *y, w[D + 1], g[D + 1], v[D + 1] = {0};
    open_line(&h, "optimize by sgd(lr=0.5 -> 0.1, momentum=0.9, decay=0.03, batch=6, epochs=8)", &x, &y);
    house_trainer(&h, &plainly);
    start(&h, w);
    for (int step = 0; step < 8; step++) {
        slope(x, y, w, 0.01, g);
        for (int j = 0; j <= D; j++) {
            v[j] = 0.9 * v[j] + g[j] + (j < D ? 0.03 * w[j] : 0);
            w[j] -= (0.5 + (0.1 - 0.5) * step / 8) * v[j];
        }
    }
    MUST(&h, nrg_trainer_go(h.t, house_watch, &h));
    equals(&h, w);
    house_close(&h);
}

static void adam_is_its_formula(void **state) {
    (void)state;
    for (int apart = 0; apart < 2; apart++) {
        house h;
        double *x, *y, w[D + 1], g[D + 1], m[D + 1] = {0}, v[D + 1] = {0};
        open_line(&h,
                  apart ? "optimize by adamw(lr=0.1, decay=0.2, batch=6, epochs=7)"
                        : "optimize by adam(lr=0.1, beta1=0.8, decay=0.2, batch=6, epochs=7)",
                  &x, &y);
        house_trainer(&h, &plainly);
        start(&h, w);
        double b1 = apart ? 0.9 : 0.8, b2 = 0.999;
        for (int step = 1; step <= 7; step++) {
            slope(x, y, w, 0.01, g);
            for (int j = 0; j <= D; j++) {
                double decay = j < D ? 0.2 : 0;
                if (!apart) g[j] += decay * w[j];
                m[j] = b1 * m[j] + (1 - b1) * g[j];
                v[j] = b2 * v[j] + (1 - b2) * g[j] * g[j];
                double down = apart ? 0.1 * decay * w[j] : 0;
                w[j] -= 0.1 * (m[j] / (1 - pow(b1, step))) / (sqrt(v[j] / (1 - pow(b2, step))) + 1e-8) + down;
            }
        }
        MUST(&h, nrg_trainer_go(h.t, house_watch, &h));
        equals(&h, w);
        house_close(&h);
    }
}

static void gradients_are_clipped(void **state) {
    (void)state;
    house h;
    double *x, *y, w[D + 1], g[D + 1], norm = 0;
    open_line(&h, "optimize by sgd(lr=0.5, clip=0.25, batch=6, epochs=1)", &x, &y);
    house_trainer(&h, &plainly);
    start(&h, w);
    slope(x, y, w, 0.01, g);
    for (int j = 0; j <= D; j++) norm += g[j] * g[j];
    assert_true(sqrt(norm) > 0.25);
    for (int j = 0; j <= D; j++) w[j] -= 0.5 * g[j] * 0.25 / sqrt(norm);
    MUST(&h, nrg_trainer_go(h.t, house_watch, &h));
    equals(&h, w);
    house_close(&h);
}

static void row_weights_weigh(void **state) {
    (void)state;
    house h;
    double *x, *y, w[D + 1], g[D + 1] = {0};
    open_line(&h, "optimize by sgd(lr=0.5, batch=6, epochs=1)\ndata weight = 3 * importance", &x, &y);
    double *k = house_array(&h, "importance", ROWS, 0), sum = 0;
    for (int i = 0; i < ROWS; i++) sum += k[i] = i;
    house_trainer(&h, &plainly);
    start(&h, w);
    for (int j = 0; j < D; j++) g[j] = 0.02 * w[j];
    for (int i = 0; i < ROWS; i++) {
        double r = w[D] - y[i];
        for (int j = 0; j < D; j++) r += w[j] * x[i * D + j];
        for (int j = 0; j < D; j++) g[j] += k[i] / sum * r * x[i * D + j];
        g[D] += k[i] / sum * r;
    }
    for (int j = 0; j <= D; j++) w[j] -= 0.5 * g[j];
    MUST(&h, nrg_trainer_go(h.t, house_watch, &h));
    equals(&h, w);
    house_close(&h);
}

static void teams_are_apart(void **state) {
    (void)state;
    house h;
    house_open(&h);
    double *x = house_array(&h, "x", ROWS, 0), *y = house_array(&h, "y", ROWS, 0);
    for (int i = 0; i < ROWS; i++) x[i] = draw(5, i), y[i] = draw(6, i);
    house_text(&h, "given x : real\npredict y : real\nweight a : real init 0.5\nweight b : real init 0.25\nweight c : "
                   "real init 2\n"
                   "energy E(x, y) = 0.5 * (y - a * x - b - c * x * x)^2\nminimize y by exact\nlearn energy\n"
                   "optimize a by sgd(lr=0.1, batch=6, epochs=1)\noptimize b by sgd(lr=0.01)\n");
    house_trainer(&h, &plainly);
    double ga = 0, gb = 0;
    for (int i = 0; i < ROWS; i++) {
        double r = 0.5 * x[i] + 0.25 + 2 * x[i] * x[i] - y[i];
        ga += r * x[i] / ROWS;
        gb += r / ROWS;
    }
    MUST(&h, nrg_trainer_go(h.t, house_watch, &h));
    // epochs of the second team default to 10: the run is as long as the longest
    assert_int_equal(h.epochs, 10);
    assert_true(*house_f64(&h, "c") == 2); // nobody trains it
    house_text(&h, "given x : real\npredict y : real\nweight a : real init 0.5\nweight b : real init 0.25\n"
                   "energy E(x, y) = 0.5 * (y - a * x - b - 2 * x * x)^2\nminimize y by exact\nlearn energy\n"
                   "optimize a by sgd(lr=0.1, batch=6, epochs=1)\noptimize by sgd(lr=0.01, epochs=1)\n");
    house_train(&h, &plainly);
    assert_true(fabs(*house_f64(&h, "a") - (0.5 - 0.1 * ga)) < 1e-14);
    assert_true(fabs(*house_f64(&h, "b") - (0.25 - 0.01 * gb)) < 1e-14);
    house_close(&h);
}

static void weights_stay_in_their_domain(void **state) {
    (void)state;
    house h;
    house_open(&h);
    double *y = house_array(&h, "y", 20, 4);
    for (int i = 0; i < 80; i++) y[i] = draw(3, i);
    house_text(
        &h,
        "dim D = 4, K = 3\npredict y : real[D]\nweight s : real[K, D] in simplex init uniform(1)\nweight u : real[D, "
        "K] in unit_columns init normal(1)\n"
        "weight o : real[K, D] in orthonormal init normal(1)\nweight q : real[D, D] in symmetric init "
        "normal(1)\nweight r : real[D] in -0.2..0.1 init normal(1)\n"
        "weight p : real[K, D] in sphere init normal(1)\n"
        "energy E(y) = sq(y - r) + sum(s @ y) + sum((y @ u)) + sum(o @ y) + dot(y, q @ y) + sum(p @ y)\nlearn energy\n"
        "optimize by sgd(lr=0.3, batch=7, epochs=2)\n");
    house_train(&h, &plainly);
    double *s = house_f64(&h, "s"), *u = house_f64(&h, "u"), *o = house_f64(&h, "o"), *q = house_f64(&h, "q"),
           *r = house_f64(&h, "r"), *p = house_f64(&h, "p");
    for (int k = 0; k < 3; k++) {
        double a = 0, b = 0, c = 0, e = 0;
        for (int d = 0; d < 4; d++) {
            a += s[k * 4 + d], b += u[d * 3 + k] * u[d * 3 + k], c += p[k * 4 + d] * p[k * 4 + d];
            e += o[k * 4 + d] * o[(k + 1) % 3 * 4 + d];
            assert_true(s[k * 4 + d] >= 0);
        }
        assert_true(fabs(a - 1) < 1e-12 && fabs(b - 1) < 1e-12 && fabs(c - 1) < 1e-12 && fabs(e) < 1e-12);
    }
    for (int d = 0; d < 4; d++) {
        assert_true(r[d] >= -0.2 && r[d] <= 0.1);
        for (int e = 0; e < 4; e++) assert_true(fabs(q[d * 4 + e] - q[e * 4 + d]) < 1e-14);
    }
    house_close(&h);
}

// ---- losses: gradients against differences -----------------------------------------------------------------------

// Loss and gradient over all rows as the whole-set methods see them, at the weights in the store.
static void gradient_is_right(const char *text, int64_t rows, bool real) {
    enum { WIDTH = 3 };
    house h;
    house_open(&h);
    double *x = house_array(&h, "x", rows, WIDTH), *y = house_array(&h, "y", rows, 0);
    for (int64_t i = 0; i < rows * WIDTH; i++) x[i] = draw(8, i);
    for (int64_t i = 0; i < rows; i++) y[i] = real ? 0.5 * sin((double)i) : (double)(i % 3);
    house_text(&h, text);
    house_trainer(&h, &plainly);
    nrg_team *gr = &h.t->teams.at[0];
    nrg_program p = {0};
    double *w = calloc((size_t)gr->size, sizeof *w), *g = calloc((size_t)gr->size, sizeof *g),
           *none = calloc((size_t)gr->size, sizeof *none), f, up, down;
    nrg_team_get(h.t, gr, w);
    MUST(&h, nrg_pass_grad(h.t, gr, &p, &f, g));
    for (int64_t i = 0; i < gr->size; i++) {
        double keep = w[i], step = 1e-6;
        w[i] = keep + step;
        nrg_team_put(h.t, gr, w);
        MUST(&h, nrg_pass_grad(h.t, gr, &p, &up, none));
        w[i] = keep - step;
        nrg_team_put(h.t, gr, w);
        MUST(&h, nrg_pass_grad(h.t, gr, &p, &down, none));
        w[i] = keep;
        if (fabs((up - down) / (2 * step) - g[i]) > 1e-6)
            print_message("%s number %d: %g, by differences %g\n", text, (int)i, g[i], (up - down) / (2 * step));
        assert_true(fabs((up - down) / (2 * step) - g[i]) <= 1e-6);
    }
    nrg_program_free(&p);
    free(w), free(g), free(none);
    house_close(&h);
}

static void loss_gradients(void **state) {
    (void)state;
    char text[600];
    static const char *const learn[] = {"nll",
                                        "hinge(margin=1) against offender",
                                        "perceptron + 0.1 * l2(G)",
                                        "square_square(m=1) against offender",
                                        "mee",
                                        "log_loss",
                                        "0.5 * energy + 2 * nll(y | x) - 0.25 * square_exp(K=2)"};
    for (size_t i = 0; i < sizeof learn / sizeof *learn; i++) {
        snprintf(text, sizeof text,
                 "dim D, K = 3\nhyper beta = 2\ngiven x : real[D]\npredict y : K\nmodule G = linear(4) | tanh | "
                 "linear(K)\nenergy E(x, y) = sq(G(x)) + G(x)[y]\n"
                 "minimize y by exhaustive\nmarginalize y by exhaustive\nlearn %s\noptimize by lbfgs(epochs=1)\n",
                 learn[i]);
        gradient_is_right(text, 11, false);
    }
    gradient_is_right("dim D\nhyper r = 0.3 -> 0.1\ngiven x : real[D]\npredict y : real in -1..1\nmodule G = linear(4) "
                      "| tanh | linear(1)\nenergy E(x, y) = (y - G(x))^2 + 0.2 * sq(y)\n"
                      "minimize y by grid(points=40)\nlearn square_square(m=2) against offender(outside=r)\noptimize "
                      "by lbfgs(epochs=1)\n",
                      7, true);
    gradient_is_right("dim D, Z = 2\ngiven x : real[D]\npredict y : real\nlatent z : Z\nmodule G = linear(Z)\nweight c "
                      ": real[Z] init normal(1)\nenergy E(x, y, z) = (y - G(x)[z])^2 + c[z]^2\n"
                      "minimize y by exact\nmarginalize z by exhaustive\nlearn energy\noptimize by lbfgs(epochs=1)\n",
                      7, true);
}

// ---- runs --------------------------------------------------------------------------------------------------------

static const char *const net = "dim D = 784, H = 32, Class = 10\ngiven x : real[D] in 0..1\npredict y : Class\nmodule "
                               "G = linear(H) | relu | linear(Class)\n"
                               "module A = ema(G, 0.9)\nenergy E(x, y) = G(x)[y]\nminimize y by "
                               "exhaustive\nmarginalize y by exhaustive\nlearn nll + 1e-4 * l2(G)\n"
                               "optimize by adam(lr=1e-2 -> 1e-4, batch=50, epochs=%d)\ndata x = reshape(images, D) / "
                               "255, y = labels\nreport error(y), accuracy(y), nll(y)\n";

static void open_digits(house *h, int64_t n, int epochs) {
    char text[900];
    house_open(h);
    MUST(h, nrg_digits_make(h->table, n, 5));
    snprintf(text, sizeof text, net, epochs);
    house_text(h, text);
}

static void remove_run(const char *dir) {
    DIR *d = opendir(dir);
    char path[1000];
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        unlink(path);
    }
    closedir(d);
    rmdir(dir);
}

static void bits_of(house *h, const char *name, nrg_text *to) {
    for (uint32_t i = 0; i < h->m->params.n; i++) {
        const nrg_param *p = &h->m->params.at[i];
        if (strncmp(p->name, name, strlen(name)) != 0) continue;
        const nrg_buffer *b = nrg_store_get(nrg_trainer_store(h->t), p->name);
        nrg_text_bytes(to, b->data, (size_t)nrg_shape_count(&p->shape) * (b->type == NRG_BUF_F64 ? 8 : 4));
    }
    assert_true(to->n > 0);
}

static void threads_do_not_matter(void **state) {
    (void)state;
    nrg_text first = {0};
    static const int counts[] = {1, 2, 8};
    house h[3];
    for (int k = 0; k < 3; k++) {
        open_digits(&h[k], 333, 2);
        nrg_train_options o = {.seed = 4, .threads = counts[k], .valid = 0.1};
        house_train(&h[k], &o);
        nrg_text bits = nrg_text_make(h[k].c);
        bits_of(&h[k], "", &bits);
        if (k == 0) first = bits;
        else {
            assert_int_equal(bits.n, first.n);
            assert_memory_equal(bits.at, first.at, first.n);
            nrg_text_free(&bits);
        }
    }
    nrg_text_free(&first);
    for (int k = 0; k < 3; k++) house_close(&h[k]);
}

static void digits_are_learned(void **state) {
    (void)state;
    house h;
    nrg_table *test;
    nrg_bound *b;
    open_digits(&h, 2000, 12);
    nrg_train_options o = {.seed = 4, .threads = 1};
    house_train(&h, &o);
    MUST(&h, nrg_table_new(h.c, &test));
    MUST(&h, nrg_digits_make(test, 500, 6));
    nrg_bind_spec spec = {.need = nrg_loss_data(h.m)};
    nrg_text head = nrg_text_make(h.c), row = nrg_text_make(h.c);
    MUST(&h, nrg_bind_data(h.m, test, nrg_trainer_store(h.t), &spec, &b));
    MUST(&h, nrg_report(h.m, nrg_trainer_store(h.t), b, 1, &head, &row));
    print_message("digits: %s = %s\n", head.at, row.at);
    assert_string_equal(head.at, "error(y),accuracy(y),nll(y)");
    double error = strtod(row.at, NULL), accuracy = strtod(strchr(row.at, ',') + 1, NULL);
    assert_true(error < 0.12);
    assert_true(fabs(error + accuracy - 1) < 1e-9);
    nrg_text_free(&head), nrg_text_free(&row);
    nrg_bound_free(b);
    nrg_table_free(test);
    house_close(&h);
}

typedef struct { int64_t epoch, step; bool kill; } stop;

static bool stopper(void *ud, const nrg_progress *p) {
    const stop *s = ud;
    if (p->epoch < s->epoch || (p->epoch == s->epoch && p->step < s->step)) return true;
    if (s->kill) kill(getpid(), SIGKILL);
    return false;
}

static int lines(house *h, const char *path) {
    nrg_text t = nrg_text_make(h->c);
    int n = 0;
    MUST(h, nrg_file_read(h->c, path, &t));
    for (size_t i = 0; i < t.n; i++) n += t.at[i] == '\n';
    nrg_text_free(&t);
    return n;
}

static void a_killed_run_goes_on(void **state) {
    (void)state;
    const char *dir = NRG_BUILD "/test_train_run", *straight = NRG_BUILD "/test_train_straight";
    nrg_text whole, again;
    house h, g;
    remove_run(straight);
    open_digits(&h, 400, 4);
    nrg_train_options o = {.seed = 4, .threads = 2, .valid = 0.1, .checkpoint_seconds = 1e-9, .out = straight};
    house_train(&h, &o);
    whole = nrg_text_make(h.c);
    bits_of(&h, "", &whole);
    remove_run(dir);
    o.out = dir;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) { // one thread: a pool of threads does not survive a fork
        house k;
        stop s = {3, 0, true};
        o.threads = 1;
        open_digits(&k, 400, 4);
        if (nrg_trainer_new(k.m, k.table, &o, &k.t) != NRG_OK) _exit(3);
        nrg_trainer_go(k.t, stopper, &s);
        _exit(4);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    open_digits(&g, 400, 4);
    assert_int_equal(nrg_trainer_new(g.m, g.table, &o, &g.t), NRG_E091); // it must be asked for
    nrg_diag_clear(g.c);
    o.resume = true;
    MUST(&g, nrg_trainer_new(g.m, g.table, &o, &g.t));
    assert_true(g.t->epoch == 2 || (g.t->epoch == 3 && g.t->at == 0));
    MUST(&g, nrg_trainer_go(g.t, NULL, NULL));
    again = nrg_text_make(g.c);
    bits_of(&g, "", &again);
    assert_int_equal(whole.n, again.n);
    assert_memory_equal(whole.at, again.at, whole.n);
    assert_true(g.t->best_loss == h.t->best_loss);
    assert_int_equal(lines(&g, NRG_BUILD "/test_train_run/log.csv"), 5); // a head and one row an epoch
    nrg_text_free(&whole), nrg_text_free(&again);
    whole = nrg_text_make(h.c), again = nrg_text_make(g.c);
    MUST(&h, nrg_file_read(h.c, NRG_BUILD "/test_train_straight/best.safetensors", &whole));
    MUST(&g, nrg_file_read(g.c, NRG_BUILD "/test_train_run/best.safetensors", &again));
    assert_int_equal(whole.n, again.n);
    assert_memory_equal(whole.at, again.at, whole.n);
    nrg_text_free(&whole), nrg_text_free(&again);
    house_close(&h), house_close(&g);
    remove_run(dir), remove_run(straight);
}

static void an_interrupted_run_goes_on(void **state) {
    (void)state;
    const char *dir = NRG_BUILD "/test_train_stop", *const ways[] = {"sgd(lr=0.1, momentum=0.9, batch=2, epochs=9)",
                                                                     "lbfgs(epochs=9, history=3)"};
    for (int k = 0; k < 2; k++) {
        char optimize[200];
        double *x, *y, w[D + 1], v[D + 1];
        house h;
        stop s = {4, 0, false};
        nrg_train_options o = plainly;
        snprintf(optimize, sizeof optimize, "optimize by %s", ways[k]);
        remove_run(dir);
        open_line(&h, optimize, &x, &y);
        house_train(&h, &o);
        start(&h, w);
        o.out = dir;
        house_trainer(&h, &o);
        assert_int_equal(nrg_trainer_go(h.t, stopper, &s), NRG_E093);
        nrg_diag_clear(h.c);
        o.resume = true;
        house_trainer(&h, &o);
        assert_int_equal(h.t->epoch, 4);
        MUST(&h, nrg_trainer_go(h.t, NULL, NULL));
        start(&h, v);
        assert_memory_equal(v, w, sizeof v);
        o.seed++;
        nrg_trainer_free(h.t);
        h.t = NULL;
        assert_int_equal(nrg_trainer_new(h.m, h.table, &o, &h.t), NRG_E057); // another seed is another run
        house_close(&h);
    }
    remove_run(dir);
}

static void weights_come_back(void **state) {
    (void)state;
    const char *dir = NRG_BUILD "/test_train_weights", *path = NRG_BUILD "/test_train_weights/weights.safetensors";
    house h;
    remove_run(dir);
    house_open(&h);
    const char *csv = "a,b,kind\n1,10,plum\n2,30,fig\n3,20,plum\n4,-10,apple\n5,7,fig\n";
    MUST(&h, nrg_data_read(h.table, "fruit.csv", csv, strlen(csv), "ab", "a,b"));
    MUST(&h, nrg_data_read(h.table, "fruit.csv", csv, strlen(csv), "kind", "kind"));
    const char *text =
        "dim D, K\ngiven x : real[D]\npredict y : K\nmodule G = linear(K)\nenergy E(x, y) = G(x)[y]\nminimize y by "
        "exhaustive\nmarginalize y by exhaustive\n"
        "learn nll + 0.1 * l2(G)\noptimize by sgd(lr=0.1, batch=5, epochs=3)\ndata x = standardise(ab), y = kind\n";
    house_text(&h, text);
    nrg_train_options o = {.seed = 1, .threads = 1, .out = dir, .argv = "nrg train \"fruit\""};
    house_train(&h, &o);
    nrg_weights *w;
    nrg_model *m;
    nrg_store *s;
    MUST(&h, nrg_weights_open(h.c, dir, false, &w));
    assert_string_equal(nrg_weights_text(w), text);
    assert_string_equal(nrg_weights_meta(w, "dims"), "D=2 K=3");
    assert_string_equal(nrg_weights_meta(w, "rows"), "5");
    MUST(&h, nrg_lang_load(h.c, "again.nrg", nrg_weights_text(w), strlen(nrg_weights_text(w)), NULL, &m));
    MUST(&h, nrg_store_new(h.c, nrg_weights_type(w), &s));
    MUST(&h, nrg_weights_apply(w, m, s));
    assert_int_equal(m->rows, 5);
    assert_string_equal(m->dims.at[1].labels[1], "fig");
    assert_memory_equal(nrg_store_get(s, "G.0.weight")->data, nrg_store_get(nrg_trainer_store(h.t), "G.0.weight")->data,
                        6 * sizeof(float));
    // the stored mean and deviation, not those of the new data
    nrg_table *other;
    nrg_bound *b;
    const char *more = "a,b\n3,11.4\n";
    double v[2];
    MUST(&h, nrg_table_new(h.c, &other));
    MUST(&h, nrg_data_read(other, "more.csv", more, strlen(more), "ab", "a,b"));
    nrg_bind_spec spec = {.need = 1};
    MUST(&h, nrg_bind_data(m, other, s, &spec, &b));
    MUST(&h, nrg_bound_numbers(b, s, 0, NULL, 1, v));
    assert_true(fabs(v[0]) < 1e-6 && fabs(v[1]) < 1e-6); // they are the means of the training data
    nrg_bound_free(b);
    nrg_table_free(other);
    // another model: its weights do not fit
    nrg_model *wrong;
    const char *bigger = "dim D = 2, K = 4\ngiven x : real[D]\npredict y : K\nmodule G = linear(K)\nenergy E(x, y) = "
                         "G(x)[y]\nminimize y by exhaustive\n"
                         "marginalize y by exhaustive\nlearn nll\noptimize by sgd\n";
    MUST(&h, nrg_lang_load(h.c, "bigger.nrg", bigger, strlen(bigger), NULL, &wrong));
    MUST(&h, nrg_model_resolve(wrong, NRG_F32));
    assert_int_equal(nrg_weights_from(wrong, s, path), NRG_E057);
    assert_int_equal(nrg_weights_apply(w, wrong, s), NRG_E057);
    nrg_model_free(wrong);
    nrg_weights_free(w);
    nrg_store_free(s);
    nrg_model_free(m);
    house_close(&h);
    remove_run(dir);
}

typedef struct { double valid[64]; int n, best; } log_book;

static bool book(void *ud, const nrg_progress *p) {
    log_book *b = ud;
    if (!p->epoch_end) return true;
    if (p->best) b->best = b->n;
    b->valid[b->n++] = p->valid_loss;
    return true;
}

static void the_best_state_is_kept(void **state) {
    (void)state;
    const char *dir = NRG_BUILD "/test_train_best";
    for (int apart = 0; apart < 2; apart++) { // a part held out, then a table of its own
        house h, g;
        log_book b = {{0}, 0, -1};
        double least = INFINITY, again;
        remove_run(dir);
        open_digits(&h, 120, 8);
        open_digits(&g, 60, 8);
        nrg_train_options o = {.seed = 4,
                               .threads = 1,
                               .f64 = true,
                               .out = dir,
                               .valid = apart ? 0 : 0.25,
                               .valid_table = apart ? g.table : NULL};
        house_trainer(&h, &o);
        MUST(&h, nrg_trainer_go(h.t, book, &b));
        assert_int_equal(b.n, 8);
        for (int i = 0; i < 8; i++) least = fmin(least, b.valid[i]);
        assert_true(b.valid[b.best] == least);
        // the file holds the weights that gave it
        nrg_weights *w;
        MUST(&h, nrg_weights_open(h.c, dir, true, &w));
        MUST(&h, nrg_weights_apply(w, h.m, h.t->store));
        nrg_weights_free(w);
        MUST(&h, nrg_loss_clock(h.m, h.t->store, 0));
        MUST(&h, nrg_pass_loss(h.t, &h.t->held_out, h.t->valid_bound ? h.t->valid_bound : h.t->bound, h.t->valid,
                               h.t->valid_n, &again));
        assert_true(fabs(again - least) <= 1e-12 * fabs(least));
        // a new run from these weights, over the old one
        o.init = dir;
        assert_int_equal(nrg_trainer_new(h.m, h.table, &o, &g.t), NRG_E091);
        nrg_trainer_free(h.t);
        h.t = NULL;
        o.overwrite = true;
        MUST(&h, nrg_trainer_new(h.m, h.table, &o, &h.t));
        MUST(&h, nrg_pass_loss(h.t, &h.t->held_out, h.t->valid_bound ? h.t->valid_bound : h.t->bound, h.t->valid,
                               h.t->valid_n, &again));
        assert_true(fabs(again - least) <= 1e-12 * fabs(least));
        house_close(&h), house_close(&g);
    }
    remove_run(dir);
}

// Words of sentences of 1, 3 and 2 words: one step moves each word's cost by how often it was seen, padding not at all.
static void ragged_rows_count_their_words(void **state) {
    (void)state;
    static const int64_t offsets[] = {0, 1, 4, 6};
    static uint8_t words[] = {2, 0, 1, 1, 3, 0};
    house h;
    house_open(&h);
    nrg_array a = {.name = "w", .type = NRG_CELL_U8, .rank = 1, .dim = {6}, .data = words, .offsets = offsets, .samples = 3};
    MUST(&h, nrg_table_add(h.table, &a));
    uint8_t *y = house_bytes(&h, "y", 3, 0);
    y[1] = 1;
    house_text(&h, "dim T = ..5, V = 4, K = 2\ngiven w : V[T]\npredict y : K\nweight C : real[V, K] init 1\n"
                   "energy E(w, y) = sum(t in T: C[w[t], y])\nlearn energy\noptimize by sgd(lr=0.3, batch=3, epochs=1)\n");
    house_train(&h, &plainly);
    double *C = house_f64(&h, "C");
    static const int seen[] = {1, 1, 0, 2, 1, 0, 1, 0}; // [word][y]
    for (int i = 0; i < 8; i++) assert_true(fabs(C[i] - (1 - 0.1 * seen[i])) < 1e-12);
    assert_true(fabs(h.losses[0] - 2) < 1e-12); // 6 words in 3 sentences
    house_close(&h);
}

// One weight by its closed form each epoch, the other by steps: both reach the joint least squares.
static void ways_can_be_mixed(void **state) {
    (void)state;
    house h;
    house_open(&h);
    double *x = house_array(&h, "x", 30, 0), *y = house_array(&h, "y", 30, 0);
    for (int i = 0; i < 30; i++) x[i] = draw(5, i), y[i] = 3 * x[i] - 2;
    house_text(&h, "given x : real\npredict y : real\nweight a : real\nweight b : real\nenergy E(x, y) = (y - a * x - "
                   "b)^2\nminimize y by exact\nlearn energy\n"
                   "optimize a by exact(rounds=60)\noptimize by sgd(lr=0.2, batch=30, epochs=60)\n");
    house_train(&h, &plainly);
    assert_int_equal(h.epochs, 60);
    assert_true(fabs(*house_f64(&h, "a") - 3) < 1e-6 && fabs(*house_f64(&h, "b") + 2) < 1e-6);
    house_close(&h);
}

static void time_runs_out(void **state) {
    (void)state;
    house h;
    open_digits(&h, 300, 100000);
    nrg_train_options o = {.seed = 4, .threads = 1, .seconds = 0.05};
    house_train(&h, &o);
    assert_true(h.epochs < 100000);
    house_close(&h);
}

static void a_run_that_explodes_says_where(void **state) {
    (void)state;
    house h;
    house_open(&h);
    double *x = house_array(&h, "x", 40, 0), *y = house_array(&h, "y", 40, 0);
    for (int i = 0; i < 40; i++) x[i] = draw(1, i), y[i] = draw(2, i);
    house_text(&h, "given x : real\npredict y : real\nweight a : real init 3\nenergy E(x, y) = (y - a * x)^2\n         "
                   "    + exp(a * x * 100)\nminimize y by exact\n"
                   "learn energy\noptimize by sgd(lr=1000, batch=8, epochs=5)\n");
    house_trainer(&h, &plainly);
    assert_int_equal(nrg_trainer_go(h.t, NULL, NULL), NRG_E080);
    const nrg_diag *d = nrg_diag_get(h.c, 0);
    says(d->message, "no longer finite");
    assert_int_equal(d->line, 5);
    assert_true(isfinite(*house_f64(&h, "a")));
    house_close(&h);
}

// With half of the numbers hidden and every number its own normal, the best weight of 0.5 (y - a seen(y))^2 is 1 where it is seen.
// With noise of variance s the best a is 1 / (1 + s): the noise is there, and new at each step.
static void hidden_parts(void **state) {
    (void)state;
    for (int noise = 0; noise < 2; noise++) {
        char text[500];
        house h;
        house_open(&h);
        double *y = house_array(&h, "y", 400, 3), sum = 0;
        for (int i = 0; i < 1200; i++) y[i] = draw(3, i), sum += y[i] * y[i] / 1200;
        snprintf(text, sizeof text,
                 "dim D\npredict y : real[D]\nweight a : real\nweight b : real\nhide y by %s\nenergy E(y) = sq(y - a * "
                 "seen(y)) + (b - sum(d in D: hidden(y)[d]))^2\n"
                 "learn energy\noptimize by sgd(lr=0.1 -> 0.001, batch=100, epochs=60)\n",
                 noise ? "noise(1)" : "random(25%)");
        house_text(&h, text);
        house_train(&h, &plainly);
        double a = *house_f64(&h, "a"), b = *house_f64(&h, "b");
        print_message("%s: a %.4f, hidden %.4f of 3\n", noise ? "noise" : "random", a, b);
        assert_true(fabs(a - (noise ? sum / (sum + 1) : 1)) < 0.02);
        assert_true(fabs(b - (noise ? 3 : 0.75)) < 0.05);
        house_close(&h);
    }
}

static void what_is_missing_is_named(void **state) {
    (void)state;
    house h;
    house_open(&h);
    double *x = house_array(&h, "x", 6, 2);
    uint8_t *y = house_bytes(&h, "y", 6, 0);
    for (int k = 0; k < 6; k++) y[k] = (uint8_t)(k % 2), x[k] = k;
    house_text(&h, "dim D, K = 2\ngiven x : real[D]\npredict y : K\nmodule G = linear(K)\nenergy E(x, y) = G(x)[y]\nminimize y by exhaustive\n"
                   "marginalize y by exhaustive\nlearn hinge against sample(3)\noptimize by sgd\n");
    assert_int_equal(nrg_trainer_new(h.m, h.table, &plainly, &h.t), NRG_E049);
    says(nrg_diag_get(h.c, 0)->message, "nothing says how to draw");
    assert_int_equal(nrg_diag_get(h.c, 0)->line, 8);
    house_close(&h);
}

static void models_without_learning(void **state) {
    (void)state;
    house h;
    house_open(&h);
    house_array(&h, "x", 4, 0), house_array(&h, "y", 4, 0);
    house_text(
        &h, "given x : real\npredict y : real\nweight a : real\nenergy E(x, y) = (y - a * x)^2\nminimize y by exact\n");
    assert_int_equal(nrg_trainer_new(h.m, h.table, &plainly, &h.t), NRG_E070);
    house_close(&h);
}

// ---- memory refused ----------------------------------------------------------------------------------------------

typedef struct { long left; size_t live; } meter;

static void *metered(void *ud, void *p, size_t old, size_t size) {
    meter *m = ud;
    if (size > old && m->left-- == 0) return NULL;
    if (size == 0) return m->live -= old, free(p), NULL;
    void *q = realloc(p, size);
    if (q) m->live += size - old;
    return q;
}

static nrg_status whole_story(nrg_ctx *c, int which) {
    static const char *const models[] = {
        "dim D, K = 2\ngiven x : real[D]\npredict y : K\nmodule G = linear(K)\nenergy E(x, y) = G(x)[y]\nminimize y by "
        "exhaustive\nmarginalize y by exhaustive\n"
        "learn nll + 0.1 * l2(G)\noptimize by adam(lr=0.1, batch=2, epochs=1)\ndata x = standardise(a) / 2, y = b\n",
        "dim D, K = 2\ngiven x : real[D]\npredict y : K\nmodule G = linear(K)\nenergy E(x, y) = G(x)[y]\nminimize y by "
        "exhaustive\nmarginalize y by exhaustive\n"
        "learn nll + 0.1 * l2(G)\noptimize by lbfgs(epochs=2)\ndata x = a, y = b\n",
        "dim D, K = 2\npredict x : real[D]\nlatent z : K\nweight M : real[K, D] init samples(x)\nweight P : real[K, D] "
        "in 0.. init 1\n"
        "energy E(x, z) = sum(d in D: P[z, d] * (x[d] - M[z, d])^2 - log(P[z, d]))\nmarginalize z by exhaustive\nlearn "
        "energy\n"
        "optimize by exact(rounds=1)\ndata x = a\n"};
    nrg_table *t = NULL;
    nrg_model *m = NULL;
    nrg_trainer *tr = NULL;
    nrg_array *a, *b;
    nrg_train_options o = {.seed = 1,
                           .threads = 1,
                           .valid = 0.3,
                           .out = which == 0 ? NRG_BUILD "/test_train_refused" : NULL,
                           .overwrite = true};
    nrg_status s = nrg_table_new(c, &t);
    if (s == NRG_OK) s = nrg_table_make(t, "a", NRG_CELL_F64, 2, (int64_t[]){6, 2}, &a);
    if (s == NRG_OK) s = nrg_table_make(t, "b", NRG_CELL_U8, 1, (int64_t[]){6}, &b);
    for (int i = 0; i < 12 && s == NRG_OK; i++) ((double *)a->data)[i] = draw(1, i);
    if (s == NRG_OK) ((uint8_t *)b->data)[1] = 1;
    if (s == NRG_OK) s = nrg_lang_load(c, "m.nrg", models[which], strlen(models[which]), NULL, &m);
    if (s == NRG_OK) s = nrg_trainer_new(m, t, &o, &tr);
    if (s == NRG_OK) s = nrg_trainer_go(tr, NULL, NULL);
    nrg_trainer_free(tr);
    nrg_model_free(m);
    nrg_table_free(t);
    return s;
}

static void refused_memory_is_a_status(void **state) {
    (void)state;
    for (int which = 0; which < 3; which++) {
        meter m = {0, 0};
        long n = 0;
        for (; m.left <= 0; n++) {
            m.left = n;
            nrg_ctx *c = nrg_ctx_new(metered, &m);
            nrg_status s = c ? whole_story(c, which) : NRG_E098;
            nrg_ctx_free(c);
            assert_int_equal(m.live, 0);
            if (s != NRG_E098 && s != NRG_OK) print_message("allocation %ld refused: status %d\n", n, (int)s);
            assert_true(s == NRG_E098 || s == NRG_OK); // an estimate may do without its memory
            if (m.left > 0) assert_int_equal(s, NRG_OK);
        }
        print_message("refused up to allocation %ld\n", n);
    }
    remove_run(NRG_BUILD "/test_train_refused");
}

// y has both verbs and is not held by nll(x): the likelihood of x sums it out, above and below.
static void likelihoods_sum_out_what_they_do_not_hold(void **state) {
    (void)state;
    enum { X = 3, Y = 4 };
    house h;
    house_open(&h);
    uint8_t *x = house_bytes(&h, "x", ROWS, 0);
    for (int i = 0; i < ROWS; i++) x[i] = (uint8_t)(i % 7 == 0 ? 2 : i % 2);
    house_text(&h, "dim X = 3, Y = 4\npredict x : X\npredict y : Y\nweight A : real[X, Y]\nenergy E(x, y) = A[x][y]\n"
                   "minimize y by exhaustive\nmarginalize y by exhaustive\nmarginalize x by exhaustive\nlearn nll(x)\n"
                   "optimize by sgd(lr=1e-12, batch=1000, epochs=1)\n");
    house_trainer(&h, &plainly);
    double *A = house_f64(&h, "A"), all = 0, each[X] = {0}, wants = 0;
    for (int i = 0; i < X * Y; i++) {
        A[i] = draw(12, i);
        each[i / Y] += exp(-A[i]);
        all += exp(-A[i]);
    }
    for (int i = 0; i < ROWS; i++) wants -= log(each[x[i]] / all) / ROWS;
    MUST(&h, nrg_trainer_go(h.t, house_watch, &h));
    assert_true(fabs(h.losses[0] - wants) <= 1e-9);
    house_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_axis_is_missing),
        cmocka_unit_test(an_array_is_missing),
        cmocka_unit_test(labels_are_checked),
        cmocka_unit_test(texts_become_labels),
        cmocka_unit_test(values_leave_their_domain),
        cmocka_unit_test(computed_values_are_checked),
        cmocka_unit_test(sgd_is_its_formula),
        cmocka_unit_test(adam_is_its_formula),
        cmocka_unit_test(gradients_are_clipped),
        cmocka_unit_test(row_weights_weigh),
        cmocka_unit_test(teams_are_apart),
        cmocka_unit_test(weights_stay_in_their_domain),
        cmocka_unit_test(loss_gradients),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(digits_are_learned),
        cmocka_unit_test(a_killed_run_goes_on),
        cmocka_unit_test(an_interrupted_run_goes_on),
        cmocka_unit_test(weights_come_back),
        cmocka_unit_test(the_best_state_is_kept),
        cmocka_unit_test(ragged_rows_count_their_words),
        cmocka_unit_test(ways_can_be_mixed),
        cmocka_unit_test(time_runs_out),
        cmocka_unit_test(a_run_that_explodes_says_where),
        cmocka_unit_test(hidden_parts),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(likelihoods_sum_out_what_they_do_not_hold),
        cmocka_unit_test(models_without_learning),
        cmocka_unit_test(refused_memory_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
