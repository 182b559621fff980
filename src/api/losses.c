// The checker of losses: a loss stands in a small model of its own, whose energy plays no part.
#include "api/api.h"
#include "train/verdict.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const nrg_loss_row rows[] = {
#define NRG_LOSS(name, args, expr, doc) {#name, args, expr, doc},
#include "model/losses.def"
};
enum { ROWS = sizeof rows / sizeof *rows };

bool nrg_loss_row_at(int i, const char **name, const char **formula, const char **doc) {
    if (i < 0 || i >= ROWS) return false;
    *name = rows[i].name;
    *formula = rows[i].expr;
    *doc = rows[i].doc;
    return true;
}

static bool in_word(char ch) { return isalnum((unsigned char)ch) || ch == '_'; }

static bool mentions(const char *text, const char *word) {
    size_t n = strlen(word);
    for (const char *p = text; (p = strstr(p, word)); p += n)
        if ((p == text || !in_word(p[-1])) && !in_word(p[n])) return true;
    return false;
}

static bool is_set(const char *name, const char *const *sets, int n) {
    size_t k = strlen(name);
    for (int i = 0; i < n; i++)
        if (strncmp(sets[i], name, k) == 0 && sets[i][k] == '=') return true;
    return false;
}

// "NAME=VALUE" as a declaration.
static void declare(nrg_text *t, const char *set) {
    size_t n = strcspn(set, "=");
    nrg_text_put(t, "hyper    %.*s = %s\n", (int)n, set, set[n] ? set + n + 1 : "");
}

static void write_model(nrg_text *t, const char *loss, const char *const *sets, int n) {
    static const char *const usual[] = {"m=1", "M=1", "K=1", "margin=1", "delta=1"};
    const nrg_loss_row *row = nrg_loss_find(loss);
    const char *text = row ? row->expr : loss;
    char name[16];
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(usual[i], "="), usual[i]);
        if (row && strstr(row->args, name) != row->args) continue;
        if (mentions(text, name) && !is_set(name, sets, n)) declare(t, row ? row->args : usual[i]);
    }
    for (int i = 0; i < n; i++) declare(t, sets[i]);
    nrg_text_put(t, "predict  y : sign\nweight   w : real\nenergy   E(y) = y * w\nmarginalize y\nlearn    %s%s\n", text,
                 mentions(text, "neg") ? " against offender" : "");
}

// A parameter that the loss does not read is a slip: hinge has `margin`, not `m`.
static nrg_status read_by(nrg_ctx *c, const char *loss, const char *set) {
    const nrg_loss_row *row = nrg_loss_find(loss);
    const char *text = row ? row->expr : loss;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(set, "="), set);
    if (mentions(text, name) || nrg_same(name, "beta")) return NRG_OK;
    nrg_status s = nrg_fail(c, NRG_E090, NRG_NOWHERE, "--set %s: this loss has no parameter '%s'", set, name);
    nrg_help(c, "the loss is %s", text);
    return s;
}

static nrg_status open_plane(nrg_ctx *c, const char *loss, const char *const *sets, int n, nrg_model **m, nrg_plane *p) {
    nrg_text t = nrg_text_make(c);
    *m = NULL;
    if (strpbrk(loss, "\n\r#")) {
        nrg_text_free(&t);
        return nrg_fail(c, NRG_E090, NRG_NOWHERE, "a loss is one expression on one line");
    }
    for (int i = 0; i < n; i++) {
        nrg_status s = read_by(c, loss, sets[i]);
        if (s != NRG_OK) return nrg_text_free(&t), s;
    }
    write_model(&t, loss, sets, n);
    nrg_status s = t.bad || !t.at ? NRG_E098 : nrg_lang_load(c, "loss", t.at, t.n, NULL, m);
    nrg_text_free(&t);
    if (s == NRG_OK) s = nrg_plane_new(*m, 0, p);
    if (s != NRG_OK && *m) nrg_model_free(*m);
    return s;
}

nrg_status nrg_loss_check(nrg_ctx *c, const char *loss, const char *const *sets, int sets_n, nrg_verdict *out) {
    nrg_model *m;
    nrg_plane p;
    nrg_status s = open_plane(c, loss, sets, sets_n, &m, &p);
    if (s != NRG_OK) return s;
    s = nrg_plane_verdict(&p, out);
    nrg_plane_free(&p);
    nrg_model_free(m);
    return s;
}

nrg_status nrg_loss_values(nrg_ctx *c, const char *loss, const char *const *sets, int sets_n, int64_t n, const double *pos,
                           const double *neg, double *value, double *dpos, double *dneg) {
    nrg_model *m;
    nrg_plane p;
    nrg_status s = open_plane(c, loss, sets, sets_n, &m, &p);
    if (s != NRG_OK) return s;
    s = nrg_plane_eval(&p, n, pos, neg, value, dpos, dneg);
    nrg_plane_free(&p);
    nrg_model_free(m);
    return s;
}

// ---- the picture ----

enum { SIDE = 81, ARROWS = 13 };
typedef struct {
    double x[SIDE * SIDE], y[SIDE * SIDE], z[SIDE * SIDE], a[SIDE * SIDE], b[SIDE * SIDE];
} sheet;

static void spread(sheet *w, int side, double size, double from) {
    for (int i = 0; i < side * side; i++) {
        w->x[i] = from + (size - 2 * from) * (i % side) / (side - 1);
        w->y[i] = from + (size - 2 * from) * (i / side) / (side - 1);
    }
}

static void put_sheet(nrg_text *data, const sheet *w) {
    for (int i = 0; i < SIDE * SIDE; i++) {
        if (isfinite(w->z[i])) nrg_text_put(data, "%.6g %.6g %.9g\n", w->x[i], w->y[i], w->z[i]);
        else nrg_text_put(data, "%.6g %.6g NaN\n", w->x[i], w->y[i]);
        if (i % SIDE == SIDE - 1) nrg_text_put(data, "\n");
    }
    nrg_text_put(data, "\n");
}

// Arrows of one length at most; where there is no slope a dot remains.
static void put_arrows(nrg_text *data, const sheet *w, double size) {
    double most = 1e-12, length = 0.8 * size / ARROWS;
    for (int i = 0; i < ARROWS * ARROWS; i++)
        if (isfinite(w->a[i]) && isfinite(w->b[i])) most = fmax(most, hypot(w->a[i], w->b[i]));
    for (int i = 0; i < ARROWS * ARROWS; i++) {
        double h = hypot(w->a[i], w->b[i]);
        if (!isfinite(h) || !isfinite(w->z[i])) continue;
        double k = h > 0 ? -length * sqrt(h / most) / h : 0; // the root keeps small slopes visible
        nrg_text_put(data, "%.6g %.6g %.6g %.6g\n", w->x[i], w->y[i], k * w->a[i], k * w->b[i]);
    }
}

static void put_script(nrg_text *s, const char *path, const nrg_verdict *v, double size) {
    nrg_text_put(s, "set palette defined (0 '#2a0845', 1 '#31508c', 2 '#1f8a8c', 3 '#5bc264', 4 '#fbf6c0')\n"
                    "set cblabel 'loss (dark = low)'\nset key inside vertical height 0 bottom right "
                    "opaque fillcolor rgb '#22305c' textcolor rgb '#ffffff' samplen 2\n"
                    "set size square\nset xrange [0:%g]\nset yrange [0:%g]\nplot ", size, size);
    nrg_gnuplot_data(path, s);
    nrg_text_put(s, " index 0 using 1:2:3 with image notitle, \\\n     x with lines lw 1.5 dt 2 lc rgb '#ffffff' title 'neg = pos'");
    if (v->kind == NRG_MARGIN_FINITE)
        nrg_text_put(s, ", \\\n     x + %g with lines lw 2.5 lc rgb '#ff8c00' title 'neg = pos + %.3g'", v->margin, v->margin);
    nrg_text_put(s, ", \\\n     ");
    nrg_gnuplot_data(path, s);
    nrg_text_put(s, " index 1 using 1:2:3:4 with vectors head filled size graph 0.012,22 lw 1.6 lc rgb '#e8e8e8' "
                    "title 'negative gradient'\n");
}

static nrg_status draw(nrg_ctx *c, const nrg_plane *p, const nrg_verdict *v, const char *loss, const char *said,
                       sheet *w, const char *path) {
    double size = v->kind == NRG_MARGIN_FINITE ? fmax(2, 2 * v->margin) : 3;
    char title[160];
    snprintf(title, sizeof title, "%.100s: %s", loss, v->words);
    for (char *t = title; *t; t++)
        if (*t == '\'' || *t == '"' || *t == '\\') *t = ' ';
    nrg_plot_axes axes = {.title = said ? said : title, .x = "energy of the right answer (pos)", .y = "energy of the wrong answer (neg)"};
    nrg_text script = nrg_text_make(c), data = nrg_text_make(c);
    spread(w, SIDE, size, 0);
    nrg_status s = nrg_plane_eval(p, SIDE * SIDE, w->x, w->y, w->z, w->a, w->b);
    int finite = 0;
    for (int i = 0; i < SIDE * SIDE; i++) finite += isfinite(w->z[i]);
    if (s == NRG_OK && !finite) s = nrg_fail(c, NRG_E090, NRG_NOWHERE, "this loss has no finite value on the plane from 0 to %g", size);
    if (s == NRG_OK) put_sheet(&data, w);
    spread(w, ARROWS, size, 0.5 * size / ARROWS);
    if (s == NRG_OK) s = nrg_plane_eval(p, ARROWS * ARROWS, w->x, w->y, w->z, w->a, w->b);
    if (s == NRG_OK) put_arrows(&data, w, size);
    if (s == NRG_OK) s = nrg_gnuplot_head(path, &axes, 760, 640, &script);
    if (s == NRG_OK) put_script(&script, path, v, size);
    if (s == NRG_OK) s = nrg_gnuplot(c, path, &script, &data);
    nrg_text_free(&script);
    nrg_text_free(&data);
    return s;
}

nrg_status nrg_plot_plane(nrg_ctx *c, const char *loss, const char *const *sets, int sets_n, const char *said, const char *path) {
    nrg_model *m;
    nrg_plane p;
    nrg_verdict v;
    nrg_status s = open_plane(c, loss, sets, sets_n, &m, &p);
    if (s != NRG_OK) return s;
    sheet *w = nrg_mem(c, NULL, 0, sizeof *w);
    s = w ? nrg_plane_verdict(&p, &v) : NRG_E098;
    if (s == NRG_OK) s = draw(c, &p, &v, loss, said, w, path);
    nrg_mem(c, w, sizeof *w, 0);
    nrg_plane_free(&p);
    nrg_model_free(m);
    return s;
}

bool nrg_ebm_verdict(nrg_ebm *m, int learn, nrg_verdict *out) {
    nrg_plane p;
    uint32_t params = m->model->params.n;
    if (learn < 0 || (uint32_t)learn >= m->model->learns.n) return false;
    const nrg_learn *l = &m->model->learns.at[learn];
    if (!l->atoms.n || nrg_expr_vars(m->model, l->expr)) return false;
    if (nrg_plane_new(m->model, (uint32_t)learn, &p) != NRG_OK) return false;
    nrg_status s = nrg_plane_verdict(&p, out);
    nrg_plane_free(&p);
    m->model->params.n = params;
    return s == NRG_OK;
}
