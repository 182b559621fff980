// Hand-drawn-style digits: strokes of a few points, made smooth, bent at random, drawn with a round pen into 28 x 28
// cells.
#include "data/data.h"
#include <math.h>
#include <string.h>

enum { SIDE = 28, CELLS = SIDE * SIDE, POINTS = 24, STEPS = 6 };

// Points in hundredths of a box, x to the right, y down. END ends a stroke, DONE a glyph. A corner ends a stroke and
// starts another.
#define END -1
#define DONE -2
typedef signed char path;
static const path zero_a[] = {50, 4, 20, 16, 8, 50, 20, 84, 50, 96, 80, 84, 92, 50, 80, 16, 50, 4, END, DONE};
static const path zero_b[] = {62, 6, 30, 14, 14, 45, 18, 80, 42, 95, 72, 82, 86, 48, 78, 16, 48, 6, END, DONE};
static const path one_a[] = {52, 4, 48, 96, END, DONE};
static const path one_b[] = {28, 26, 55, 4, END, 55, 4, 53, 96, END, DONE};
static const path one_c[] = {30, 24, 52, 5, END, 52, 5, 52, 95, END, 24, 95, 80, 95, END, DONE};
static const path two_a[] = {14, 26, 28, 8, 58, 4, 80, 18, 76, 42, 46, 70, 10, 94, END, 10, 94, 90, 92, END, DONE};
static const path two_b[] = {16, 22, 40, 4, 76, 14, 78, 40, 50, 74, 24, 92, 10, 84, 24, 72, 50, 86, 90, 94, END, DONE};
static const path three_a[] = {16, 14, 44, 3,  76, 14, 76, 36, 42, 47,  END, 42,
                               47, 80, 56, 84, 80, 50, 97, 12, 86, END, DONE};
static const path three_b[] = {14, 6,  82, 6,  END, 82, 6,  44, 42, END, 44,
                               42, 80, 50, 86, 76,  56, 96, 12, 88, END, DONE};
static const path four_a[] = {24, 6, 12, 56, END, 12, 56, 92, 54, END, 70, 22, 66, 96, END, DONE};
static const path four_b[] = {64, 4, 8, 64, END, 8, 64, 94, 63, END, 64, 4, 64, 96, END, DONE};
static const path five_a[] = {24, 6,  19, 46, END, 19,  46, 50, 36, 82, 50,  80,
                              82, 46, 97, 12, 86,  END, 24, 6,  82, 5,  END, DONE};
static const path five_b[] = {84, 5, 34, 6, 26, 42, 56, 42, 82, 62, 70, 88, 40, 97, 10, 88, END, DONE};
static const path six_a[] = {72, 4, 36, 24, 14, 60, 24, 88, 54, 96, 82, 78, 72, 54, 42, 52, 18, 70, END, DONE};
static const path six_b[] = {54, 3, 26, 34, 18, 72, 36, 95, 68, 92, 80, 70, 58, 54, 30, 62, 20, 76, END, DONE};
static const path seven_a[] = {10, 10, 88, 7, END, 88, 7, 56, 46, 38, 96, END, DONE};
static const path seven_b[] = {12, 8, 86, 8, END, 86, 8, 58, 50, 46, 96, END, 32, 50, 80, 47, END, DONE};
static const path eight_a[] = {76, 16, 44, 4,  20, 20, 38, 42, 70, 60, 80, 82,  50,
                               97, 20, 82, 30, 60, 62, 42, 82, 22, 70, 8,  END, DONE};
static const path eight_b[] = {50, 47, 22, 34, 26, 10, 52, 3,  78, 12, 78, 34, 50, 47,  END, 50,
                               47, 20, 62, 20, 86, 50, 97, 80, 86, 80, 62, 50, 47, END, DONE};
static const path nine_a[] = {80, 22, 54,  4,  22, 16, 20, 42, 46, 54,  74,  38,
                              80, 16, END, 80, 16, 74, 56, 60, 96, END, DONE};
static const path nine_b[] = {78, 26,  60, 4,  28, 8,  16, 32, 34, 52, 64,  46,  80,
                              22, END, 80, 22, 82, 66, 62, 92, 26, 90, END, DONE};

static const struct {
    const path *way[3];
    int ways;
} glyphs[10] = {{{zero_a, zero_b}, 2},   {{one_a, one_b, one_c}, 3}, {{two_a, two_b}, 2}, {{three_a, three_b}, 2},
                {{four_a, four_b}, 2},   {{five_a, five_b}, 2},      {{six_a, six_b}, 2}, {{seven_a, seven_b}, 2},
                {{eight_a, eight_b}, 2}, {{nine_a, nine_b}, 2}};

typedef struct {
    double x, y;
} point;

// How one image differs from the glyph.
typedef struct {
    uint64_t seed, id;
    uint32_t at;
    double m[4];       // affine, [2, 2]
    point move;        // in cells
    double wave[4][4]; // elastic: frequency x, y, phase, size in cells; two waves for each axis
    double pen, ink;   // half width in cells; darkness of full ink, 0..1
    double shake;      // standard deviation of each point, in boxes
} hand;

static double uniform(hand *h, double lo, double hi) {
    return lo + (hi - lo) * nrg_random_uniform(h->seed, NRG_FOR_DATA, h->id, 2, h->at++);
}

static double normal(hand *h, double sd) { return sd * nrg_random_normal(h->seed, NRG_FOR_DATA, h->id, 3, h->at++); }

static hand new_hand(uint64_t seed, uint64_t id) {
    hand h = {.seed = seed, .id = id};
    double turn = normal(&h, 0.12), slant = normal(&h, 0.18);
    double w = uniform(&h, 10.5, 17), height = uniform(&h, 16.5, 21); // of the box, in cells
    // turn * slant * size
    h.m[0] = w * cos(turn);
    h.m[1] = height * (-slant * cos(turn) - sin(turn));
    h.m[2] = w * sin(turn);
    h.m[3] = height * (-slant * sin(turn) + cos(turn));
    h.move = (point){uniform(&h, -2, 2), uniform(&h, -2, 2)};
    for (int k = 0; k < 4; k++) {
        h.wave[k][0] = uniform(&h, -0.9, 0.9);
        h.wave[k][1] = uniform(&h, -0.9, 0.9);
        h.wave[k][2] = uniform(&h, 0, 1);
        h.wave[k][3] = normal(&h, 0.8);
    }
    h.pen = uniform(&h, 0.6, 1.7);
    h.ink = uniform(&h, 0.7, 1);
    h.shake = uniform(&h, 0.01, 0.04);
    return h;
}

static double waves(const hand *h, int k, point p) {
    const double two_pi = 6.28318530717958647693;
    return h->wave[k][3] * sin(two_pi * (h->wave[k][0] * p.x + h->wave[k][1] * p.y + h->wave[k][2])) +
           h->wave[k + 1][3] * sin(two_pi * (h->wave[k + 1][0] * p.x + h->wave[k + 1][1] * p.y + h->wave[k + 1][2]));
}

// From the box to the image.
static point bend(const hand *h, point p) {
    double x = p.x - 0.5, y = p.y - 0.5, mid = (SIDE - 1) / 2.0;
    return (point){mid + h->move.x + h->m[0] * x + h->m[1] * y + waves(h, 0, p),
                   mid + h->move.y + h->m[2] * x + h->m[3] * y + waves(h, 2, p)};
}

static double distance(point p, point a, point b) {
    double dx = b.x - a.x, dy = b.y - a.y, n = dx * dx + dy * dy;
    double t = n > 0 ? ((p.x - a.x) * dx + (p.y - a.y) * dy) / n : 0;
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    double ex = p.x - a.x - t * dx, ey = p.y - a.y - t * dy;
    return sqrt(ex * ex + ey * ey);
}

static int clamp(double v) { return v < 0 ? 0 : v > SIDE - 1 ? SIDE - 1 : (int)v; }

// Ink of a round pen along a line; the edge is one cell wide.
static void segment(const hand *h, point a, point b, float *ink) {
    double reach = h->pen + 1;
    int x0 = clamp(fmin(a.x, b.x) - reach), x1 = clamp(fmax(a.x, b.x) + reach + 1);
    int y0 = clamp(fmin(a.y, b.y) - reach), y1 = clamp(fmax(a.y, b.y) + reach + 1);
    for (int y = y0; y <= y1; y++)
        for (int x = x0; x <= x1; x++) {
            double v = h->pen + 0.5 - distance((point){x, y}, a, b);
            float f = (float)(v < 0 ? 0 : v > 1 ? 1 : v);
            if (f > ink[y * SIDE + x]) ink[y * SIDE + x] = f;
        }
}

// Catmull-Rom through p[1] and p[2].
static point smooth(const point p[4], double t) {
    double a = t * (-0.5 + t * (1 - 0.5 * t)), b = 1 + t * t * (-2.5 + 1.5 * t);
    double c = t * (0.5 + t * (2 - 1.5 * t)), d = t * t * (-0.5 + 0.5 * t);
    return (point){a * p[0].x + b * p[1].x + c * p[2].x + d * p[3].x,
                   a * p[0].y + b * p[1].y + c * p[2].y + d * p[3].y};
}

static void stroke(const hand *h, const point *p, int n, float *ink) {
    for (int i = 0; i + 1 < n; i++) {
        point four[4] = {p[i ? i - 1 : 0], p[i], p[i + 1], p[i + 2 < n ? i + 2 : n - 1]};
        point from = bend(h, four[1]);
        for (int k = 1; k <= STEPS; k++) {
            point to = bend(h, smooth(four, (double)k / STEPS));
            segment(h, from, to, ink);
            from = to;
        }
    }
}

static void glyph(hand *h, const path *g, float *ink) {
    point p[POINTS];
    point corner = {-1, -1},
          shaken = corner; // a stroke that starts where the last one ended starts at the same shaken point
    while (*g != DONE) {
        int n = 0;
        for (; *g != END; g += 2) {
            point q = {g[0] / 100.0, g[1] / 100.0};
            p[n] = (point){q.x + normal(h, h->shake), q.y + normal(h, h->shake)};
            if (n == 0 && q.x == corner.x && q.y == corner.y) p[n] = shaken;
            corner = q;
            shaken = p[n++];
        }
        stroke(h, p, n, ink);
        g++;
    }
}

static void draw(uint64_t seed, uint64_t id, uint8_t *image, uint8_t *label) {
    hand h = new_hand(seed, id);
    float ink[CELLS] = {0};
    *label = (uint8_t)uniform(&h, 0, 10);
    int way = (int)uniform(&h, 0, glyphs[*label].ways);
    glyph(&h, glyphs[*label].way[way], ink);
    for (int i = 0; i < CELLS; i++) {
        double v = 255 * (h.ink * (double)ink[i] + normal(&h, 0.04) * (ink[i] > 0 ? 1 : 0.3));
        image[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

nrg_status nrg_digits_make(nrg_table *t, int64_t n, uint64_t seed) {
    nrg_array *images, *labels;
    int64_t dim[3] = {n, SIDE, SIDE};
    TRY(nrg_table_make(t, "images", NRG_CELL_U8, 3, dim, &images));
    uint8_t *cells = images->data;
    TRY(nrg_table_make(t, "labels", NRG_CELL_U8, 1, dim, &labels));
    uint8_t *label = labels->data;
    for (int64_t i = 0; i < n; i++) draw(seed, (uint64_t)i, cells + i * CELLS, label + i);
    return NRG_OK;
}
