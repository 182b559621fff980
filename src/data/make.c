// Data without files: the curves of the lectures and small clouds. Sample i is a pure function of (name, seed, i), so
// a longer set starts with the shorter one.
#include "data/data.h"
#include <math.h>
#include <string.h>

static const double PI = 3.14159265358979323846;

// Random numbers of one sample: element by element of stream (seed, sample).
typedef struct {
    uint64_t seed, id;
    uint32_t at;
} draw;

static double uniform(draw *d, double lo, double hi) {
    return lo + (hi - lo) * nrg_random_wide(d->seed, NRG_FOR_DATA, d->id, 0, d->at++);
}

static double normal(draw *d, double sd) { return sd * nrg_random_normal(d->seed, NRG_FOR_DATA, d->id, 1, d->at++); }

// ---- one sample each: fills `row`, returns the label ----

static int parabola(draw *d, double *row) {
    row[0] = uniform(d, -1, 1);
    row[1] = row[0] * row[0];
    return 0;
}

// Two arcs that meet at x = -1 and x = 1: every x between has two answers.
static int eye(draw *d, double *row) {
    int side = uniform(d, 0, 1) < 0.5;
    row[0] = uniform(d, -1, 1);
    row[1] = (side ? 0.5 : -0.5) * cos(PI / 2 * row[0]);
    return side;
}

// y^2 = x: a positive and a negative answer for every x, with a little noise.
static int branches(draw *d, double *row) {
    double y = uniform(d, -1, 1);
    row[0] = y * y;
    row[1] = y + normal(d, 0.02);
    return 0;
}

// Two turns, evenly by arc length to good measure (radius grows with the angle, so the angle goes with a square root).
static int spiral(draw *d, double *row) {
    double angle = 4 * PI * sqrt(uniform(d, 0.02, 1)), r = angle / (4 * PI);
    row[0] = r * cos(angle) + normal(d, 0.01);
    row[1] = r * sin(angle) + normal(d, 0.01);
    return 0;
}

static int moons(draw *d, double *row) {
    int side = uniform(d, 0, 1) < 0.5;
    double angle = uniform(d, 0, PI);
    row[0] = (side ? 1 - cos(angle) : cos(angle)) + normal(d, 0.1);
    row[1] = (side ? 0.5 - sin(angle) : sin(angle)) + normal(d, 0.1);
    return side;
}

static int gaussians(draw *d, double *row) {
    int k = (int)uniform(d, 0, 8);
    row[0] = cos(k * PI / 4) + normal(d, 0.1);
    row[1] = sin(k * PI / 4) + normal(d, 0.1);
    return k;
}

// Every other square of a board of four by four over [-2, 2]^2, evenly.
static int checkerboard(draw *d, double *row) {
    int k = (int)uniform(d, 0, 8), across = k / 2, up = 2 * (k % 2) + across % 2;
    row[0] = uniform(d, across - 2, across - 1);
    row[1] = uniform(d, up - 2, up - 1);
    return k;
}

typedef struct {
    const char *name, *doc;
    int (*sample)(draw *d, double *row);
    bool pair, labels; // pair: arrays x and y; else y [n, 2]
} maker;

static const maker makers[] = {
    {"parabola", "x in -1..1, y = x^2", parabola, true, false},
    {"eye", "x in -1..1, y on one of two arcs", eye, true, false},
    {"branches", "x in 0..1, y near one of the two roots of x", branches, true, false},
    {"spiral", "y [2] on a spiral of two turns", spiral, false, false},
    {"moons", "y [2] in two half moons, label", moons, false, true},
    {"gaussians", "y [2] in eight clouds on a circle, label", gaussians, false, true},
    {"checkerboard", "y [2] on every other square of a board, label", checkerboard, false, true},
    {"digits", "images [28, 28] of hand-drawn-style digits, labels", NULL, false, true},
};
enum { NMAKERS = sizeof makers / sizeof *makers };

const char *nrg_data_maker(int i, const char **doc) {
    if (i < 0 || i >= NMAKERS) return NULL;
    if (doc) *doc = makers[i].doc;
    return makers[i].name;
}

static const maker *find(nrg_ctx *c, const char *name) {
    const char *names[NMAKERS];
    for (int i = 0; i < NMAKERS; i++) {
        if (strcmp(makers[i].name, name) == 0) return &makers[i];
        names[i] = makers[i].name;
    }
    nrg_fail(c, NRG_E011, NRG_NOWHERE, "no built-in data are called '%s'", name);
    nrg_fact(c, "built in: parabola eye branches spiral moons gaussians checkerboard digits");
    const char *near = nrg_nearest(name, names, NMAKERS);
    if (near) nrg_help(c, "did you mean '%s'?", near);
    return NULL;
}

static nrg_status fill(nrg_table *t, const maker *m, int64_t n, uint64_t seed) {
    nrg_array *first, *second = NULL, *label = NULL;
    int64_t dim[2] = {n, 2};
    TRY(nrg_table_make(t, m->pair ? "x" : "y", NRG_CELL_F64, m->pair ? 1 : 2, dim, &first));
    double *a = first->data, *b = NULL;
    if (m->pair) TRY(nrg_table_make(t, "y", NRG_CELL_F64, 1, dim, &second));
    if (m->labels) TRY(nrg_table_make(t, "label", NRG_CELL_U8, 1, dim, &label));
    if (second) b = second->data;
    for (int64_t i = 0; i < n; i++) {
        draw d = {.seed = seed, .id = (uint64_t)i};
        double row[2];
        int k = m->sample(&d, row);
        if (label) ((uint8_t *)label->data)[i] = (uint8_t)k;
        a[m->pair ? i : 2 * i] = row[0];
        *(m->pair ? &b[i] : &a[2 * i + 1]) = row[1];
    }
    return NRG_OK;
}

nrg_status nrg_data_make(nrg_ctx *c, const char *name, int64_t n, uint64_t seed, nrg_table **out) {
    const maker *m = find(c, name);
    if (!m) return NRG_E011;
    if (n < 1)
        return nrg_fail(c, NRG_E090, NRG_NOWHERE, "%lld samples were asked for, expected at least 1", (long long)n);
    nrg_table *t;
    TRY(nrg_table_new(c, &t));
    nrg_status s = m->sample ? fill(t, m, n, seed) : nrg_digits_make(t, n, seed);
    if (s == NRG_OK)
        *out = t;
    else
        nrg_table_free(t);
    return s;
}
