// The generator of cases. A maker, named by the word in the params column, builds the row over given input shapes.
#include "table/cases.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// What one case is made of: up to three inputs (shape, leads), parameters, samples.
typedef struct {
    nrg_ctx *ctx;
    nrg_op op;
    nrg_dtype type;
    case_fn each;
    void *ud;
    int made;
    nrg_graph *g;
    nrg_leads K, L; // leading axes of extent 2 and 3 (or 0 in the empty cases)
    int64_t n;
    uint64_t draw;
} maker;

typedef struct {
    nrg_leads leads;
    nrg_shape shape;
} form;

#define SHAPE(...) nrg_shape_of((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})
static const nrg_shape scalar = {0};

static double uniform(maker *m) {
    m->draw = m->draw * 6364136223846793005u + 1442695040888963407u;
    return (double)(m->draw >> 11) * 0x1p-53;
}

// ---- values by the row's domain

static void distinct(maker *m, double *v, int64_t n, int which) {
    for (int64_t i = 0; i < n; i++) v[i] = 0.3719 * (double)(i + 1) + 0.17 * which + 0.186; // away from whole numbers too
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)(uniform(m) * (double)(i + 1));
        double t = v[i];
        v[i] = v[j], v[j] = t;
    }
    for (int64_t i = 0; i < n; i++) v[i] -= 0.3719 * (double)(n / 2);
}

// Symmetric positive definite, or lower triangular with a fair diagonal, for each [k, k] block.
static void matrices(maker *m, double *v, int64_t count, int64_t k, bool tri) {
    for (int64_t b = 0; k && b < count / (k * k); b++)
        for (int64_t i = 0; i < k; i++)
            for (int64_t j = 0; j < k; j++) {
                double off = uniform(m) - 0.5, *a = v + b * k * k;
                if (i == j) a[i * k + j] = tri ? 1.5 + off : (double)k + 1 + off;
                else if (j < i) a[i * k + j] = off, a[j * k + i] = tri ? 7 : off; // 7: never to be read
            }
}

static void fill(maker *m, test_case *t, int i, const char *domain) {
    const nrg_node_info *x = nrg_graph_node(m->g, t->in[i]);
    double *v = t->value[i];
    int64_t k = x->shape.rank ? x->shape.dim[x->shape.rank - 1] : 1;
    if (!strcmp(domain, "distinct")) distinct(m, v, t->count[i], i);
    else if (!strcmp(domain, "spd")) matrices(m, v, t->count[i], k, false);
    else if (!strcmp(domain, "tri") && i == 0) matrices(m, v, t->count[i], k, true);
    else
        for (int64_t j = 0; j < t->count[i]; j++) {
            double u = uniform(m);
            if (!strcmp(domain, "positive")) v[j] = 0.5 + 1.5 * u;
            else if (!strcmp(domain, "unit")) v[j] = 0.05 + 0.9 * u;
            else if (!strcmp(domain, "nonzero")) v[j] = u < 0.5 ? -0.4 - 2 * u : 0.4 + 2 * (u - 0.5);
            else if (!strcmp(domain, "rows")) v[j] = floor(4 * u);
            else v[j] = 3 * u - 1.5;
        }
}

// ---- one case

static int64_t total(const maker *m, nrg_node n) {
    return nrg_node_count(m->g, n) * (nrg_graph_node(m->g, n)->leads & NRG_SAMPLE ? m->n : 1);
}

static nrg_node input(maker *m, test_case *t, form f) {
    char name[8];
    snprintf(name, sizeof name, "in%d", t->inputs);
    t->in[t->inputs] = nrg_input(m->g, name, f.leads, f.shape);
    return t->in[t->inputs++];
}

static void open_graph(maker *m, int64_t n) {
    if (nrg_graph_new(m->ctx, m->type, &m->g) != NRG_OK) abort();
    m->n = n;
    m->K = nrg_lead_new(m->g, "K", 2);
    m->L = nrg_lead_new(m->g, "L", 3);
    m->draw = 977 * (uint64_t)m->op + 31 * (uint64_t)m->made + 5;
}

static void describe(const maker *m, test_case *t, const char *note) {
    size_t at = (size_t)snprintf(t->name, sizeof t->name, "%s %s", nrg_op_get(m->op)->name, note);
    for (int i = 0; i < t->inputs; i++) {
        const nrg_node_info *x = nrg_graph_node(m->g, t->in[i]);
        if (at < sizeof t->name) at += (size_t)snprintf(t->name + at, sizeof t->name - at, " %x[", x->leads);
        for (int k = 0; k < x->shape.rank; k++)
            if (at < sizeof t->name) at += (size_t)snprintf(t->name + at, sizeof t->name - at, "%s%d", k ? "," : "", (int)x->shape.dim[k]);
        if (at < sizeof t->name) at += (size_t)snprintf(t->name + at, sizeof t->name - at, "]");
    }
    if (at < sizeof t->name) snprintf(t->name + at, sizeof t->name - at, " n=%d", (int)m->n);
}

static void run_case(maker *m, test_case *t, const char *note) {
    const char *domain = nrg_op_get(m->op)->domain;
    t->op = m->op;
    t->g = m->g;
    t->n = m->n;
    describe(m, t, note);
    for (int i = 0; i < t->inputs; i++) {
        bool index = !strcmp(domain, "index") && i == (m->op == NRG_OP_take ? 1 : 0);
        t->count[i] = total(m, t->in[i]);
        t->value[i] = malloc(sizeof(double) * (size_t)(t->count[i] + 1));
        t->smooth[i] = !index;
        fill(m, t, i, index ? "rows" : domain);
    }
    t->y_count = t->y.i ? total(m, t->y) : 0;
    m->each(t, m->ud);
    m->made++;
    for (int i = 0; i < t->inputs; i++) free(t->value[i]);
    nrg_graph_free(m->g);
}

// The row over inputs of the given forms; leads 2 and 4 in a form stand for K and L.
static void row(maker *m, int64_t n, const form *f, int forms, const nrg_params *p, const char *note) {
    test_case t = {0};
    nrg_node in[3] = {NRG_BAD, NRG_BAD, NRG_BAD};
    open_graph(m, n);
    for (int i = 0; i < forms; i++) in[i] = input(m, &t, f[i]);
    t.y = nrg_build(m->g, m->op, in[0], in[1], in[2], p);
    run_case(m, &t, note);
}

// ---- makers by the params column

static const form forms1[] = {{0, {0}},
                              {0, {1, {5}}},
                              {NRG_SAMPLE, {1, {3}}},
                              {2, {2, {3, 2}}},
                              {NRG_SAMPLE | 4, {2, {1, 3}}},
                              {NRG_SAMPLE, {0}},
                              {2, {2, {0, 3}}},
                              {NRG_SAMPLE | 2 | 4, {3, {2, 1, 2}}}};
enum { FORMS1 = sizeof forms1 / sizeof *forms1 };

static const form forms2[][3] = {
    {{0, {1, {3}}}, {0, {1, {3}}}, {0, {1, {3}}}},
    {{0, {2, {2, 3}}}, {0, {1, {3}}}, {0, {0}}},
    {{0, {1, {3}}}, {0, {2, {2, 3}}}, {0, {2, {2, 1}}}},
    {{0, {2, {2, 1}}}, {0, {2, {1, 3}}}, {0, {1, {1}}}},
    {{NRG_SAMPLE, {1, {3}}}, {0, {1, {3}}}, {0, {1, {3}}}},
    {{0, {1, {3}}}, {NRG_SAMPLE, {1, {3}}}, {2, {0}}},
    {{NRG_SAMPLE, {1, {2}}}, {2, {1, {2}}}, {4, {1, {2}}}},
    {{2, {0}}, {NRG_SAMPLE | 2, {2, {3, 1}}}, {NRG_SAMPLE, {1, {4}}}},
    {{NRG_SAMPLE | 4, {1, {1}}}, {2 | 4, {3, {2, 1, 3}}}, {0, {0}}},
    {{0, {2, {0, 3}}}, {NRG_SAMPLE, {1, {3}}}, {0, {1, {1}}}},
    {{0, {0}}, {0, {0}}, {0, {0}}},
};
enum { FORMS2 = sizeof forms2 / sizeof *forms2 };

static void make_none(maker *m) {
    const char *shape = nrg_op_get(m->op)->shape;
    int arity = nrg_op_get(m->op)->arity;
    if (!strcmp(shape, "square") || !strcmp(shape, "logdet")) {
        static const form squares[] = {{0, {2, {3, 3}}}, {NRG_SAMPLE, {2, {2, 2}}}, {2, {2, {1, 1}}}, {NRG_SAMPLE | 4, {2, {4, 4}}}, {0, {2, {0, 0}}}};
        for (int i = 0; i < 5; i++) row(m, i == 3 ? 1 : 3, &squares[i], 1, NULL, "");
        return;
    }
    for (int i = 0; arity == 1 && i < FORMS1; i++) row(m, i % 2 ? 3 : 1, &forms1[i], 1, NULL, "");
    for (int i = 0; arity > 1 && i < FORMS2; i++) row(m, i % 2 ? 1 : 3, forms2[i], arity, NULL, "");
}

static void make_input(maker *m) {
    for (int i = 0; i < FORMS1; i++) {
        test_case t = {0};
        open_graph(m, i % 2 ? 3 : 1);
        t.y = input(m, &t, forms1[i]);
        run_case(m, &t, "");
    }
}

static void make_scalar(maker *m) {
    nrg_params p = {.scalar = {-2.5}};
    row(m, 1, NULL, 0, &p, "");
}

static void make_iota(maker *m) {
    static const nrg_params p[] = {{.iota = {0, 5}}, {.iota = {0, 0}}, {.iota = {NRG_SAMPLE, 0}}, {.iota = {4, 0}}, {.iota = {0, 1}}};
    for (int i = 0; i < 5; i++) row(m, 3, NULL, 0, &p[i], "");
}

static void make_random(maker *m) {
    static const form ids[] = {{0, {0}}, {NRG_SAMPLE, {0}}, {NRG_SAMPLE | 2, {0}}};
    static const nrg_shape shapes[] = {{0}, {1, {7}}, {2, {3, 3}}, {1, {0}}};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++)
            for (uint32_t kind = 0; kind < 2; kind++) {
                nrg_params p = {.random = {kind, NRG_FOR_NOISE, shapes[k], 1 + (uint32_t)i, 5 * (uint32_t)i}};
                row(m, 3, &ids[i], 1, &p, kind ? "normal" : "uniform");
            }
}

static void make_reduce(maker *m) {
    static const struct { form f; uint32_t axes; nrg_leads leads; uint32_t keep; int64_t n; } r[] = {
        {{0, {1, {5}}}, 1, 0, 0, 1},
        {{NRG_SAMPLE, {2, {3, 2}}}, 1, 0, 0, 3},
        {{NRG_SAMPLE, {2, {3, 2}}}, 2, 0, 1, 1},
        {{NRG_SAMPLE | 2, {1, {3}}}, 1, NRG_SAMPLE, 0, 3},
        {{NRG_SAMPLE | 2, {1, {3}}}, 0, 2, 0, 3},
        {{NRG_SAMPLE | 2 | 4, {2, {2, 1}}}, 3, 2 | 4, 0, 1},
        {{NRG_SAMPLE, {0}}, 0, NRG_SAMPLE, 0, 3},
        {{NRG_SAMPLE, {2, {2, 3}}}, 3, NRG_SAMPLE, 1, 3},
        {{2, {3, {2, 3, 2}}}, 5, 0, 0, 1},
        {{0, {2, {0, 3}}}, 1, 0, 0, 1},
        {{0, {2, {0, 3}}}, 2, 0, 1, 1},
        {{NRG_SAMPLE, {1, {1}}}, 1, 0, 0, 1},
    };
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        nrg_params p = {.reduce = {r[i].axes, r[i].leads, r[i].keep}};
        row(m, r[i].n, &r[i].f, 1, &p, "");
    }
}

static void make_shape(maker *m) { // reshape, expand
    static const struct { form f; nrg_shape s; nrg_leads more; } e[] = {
        {{0, {0}}, {2, {2, 3}}, NRG_SAMPLE}, {{NRG_SAMPLE, {1, {3}}}, {2, {2, 3}}, 2}, {{2, {2, {2, 1}}}, {2, {2, 3}}, 4},
        {{0, {1, {1}}}, {1, {0}}, 0},        {{NRG_SAMPLE, {1, {2}}}, {1, {2}}, 2 | 4},
    };
    static const struct { form f; nrg_shape s; } s[] = {{{0, {2, {2, 3}}}, {1, {6}}},
                                                        {{NRG_SAMPLE, {1, {6}}}, {3, {3, 1, 2}}},
                                                        {{2, {0}}, {2, {1, 1}}},
                                                        {{NRG_SAMPLE | 4, {2, {1, 1}}}, {0}},
                                                        {{0, {2, {0, 3}}}, {1, {0}}}};
    for (int i = 0; i < 5; i++) {
        nrg_params p = {.shape = {m->op == NRG_OP_expand ? e[i].s : s[i].s, m->op == NRG_OP_expand ? e[i].more : 0}};
        row(m, i % 2 ? 3 : 1, m->op == NRG_OP_expand ? &e[i].f : &s[i].f, 1, &p, "");
    }
}

static void make_perm(maker *m) {
    static const struct { form f; nrg_params p; } q[] = {{{0, {2, {2, 3}}}, {.perm = {{1, 0}}}},
                                                         {{NRG_SAMPLE | 2, {3, {2, 3, 4}}}, {.perm = {{2, 0, 1}}}},
                                                         {{NRG_SAMPLE, {2, {0, 2}}}, {.perm = {{1, 0}}}},
                                                         {{0, {1, {3}}}, {.perm = {{0}}}}};
    for (int i = 0; i < 4; i++) row(m, 3, &q[i].f, 1, &q[i].p, "");
}

static void make_slice(maker *m) {
    static const struct { form f; nrg_params p; } q[] = {{{0, {1, {5}}}, {.slice = {0, 1, 3, 1}}},
                                                         {{NRG_SAMPLE, {2, {3, 7}}}, {.slice = {1, 1, 3, 2}}},
                                                         {{2, {2, {7, 2}}}, {.slice = {0, 0, 3, 3}}},
                                                         {{NRG_SAMPLE, {1, {4}}}, {.slice = {0, 4, 0, 1}}},
                                                         {{0, {3, {2, 6, 2}}}, {.slice = {1, 0, 2, 5}}}};
    for (int i = 0; i < 5; i++) row(m, 3, &q[i].f, 1, &q[i].p, "");
}

static void make_pad(maker *m) {
    static const struct { form f; nrg_params p; } q[] = {{{0, {1, {3}}}, {.pad = {0, 1, 2}}},
                                                         {{NRG_SAMPLE, {2, {2, 3}}}, {.pad = {0, 0, 1}}},
                                                         {{2, {2, {2, 0}}}, {.pad = {1, 2, 1}}}};
    for (int i = 0; i < 3; i++) row(m, 3, &q[i].f, 1, &q[i].p, "");
}

static void make_axis(maker *m) { // concat
    static const struct { form f[2]; int32_t axis; } q[] = {{{{0, {1, {3}}}, {0, {1, {2}}}}, 0},
                                                            {{{NRG_SAMPLE, {2, {2, 3}}}, {2, {2, {2, 1}}}}, 1},
                                                            {{{0, {2, {1, 3}}}, {NRG_SAMPLE, {2, {0, 3}}}}, 0}};
    for (int i = 0; i < 3; i++) {
        nrg_params p = {.axis = {q[i].axis}};
        row(m, 3, q[i].f, 2, &p, "");
    }
}

static void make_lift(maker *m) { // extents: K 2, L 3
    static const struct { form f; int32_t axis; nrg_leads lead; } lift[] = {{{0, {1, {2}}}, 0, 2},
                                                                           {{NRG_SAMPLE | 4, {2, {3, 2}}}, 1, 2},
                                                                           {{NRG_SAMPLE | 2, {2, {3, 2}}}, 0, 4}};
    static const struct { form f; int32_t axis; nrg_leads lead; } lower[] = {{{2, {0}}, 0, 2},
                                                                            {{NRG_SAMPLE | 2 | 4, {2, {3, 2}}}, 1, 2},
                                                                            {{NRG_SAMPLE | 4, {2, {1, 2}}}, 2, 4}};
    for (int i = 0; i < 3; i++) {
        bool up = m->op == NRG_OP_lift;
        nrg_params p = {.lift = {up ? lift[i].axis : lower[i].axis, up ? lift[i].lead : lower[i].lead}};
        row(m, 3, up ? &lift[i].f : &lower[i].f, 1, &p, "");
    }
}

static void make_index(maker *m) { // indices are 0..3
    static const struct { form f[2]; } take[] = {{{{0, {1, {4}}}, {0, {0}}}},
                                                 {{{0, {2, {4, 3}}}, {NRG_SAMPLE, {0}}}},
                                                 {{{0, {2, {4, 2}}}, {NRG_SAMPLE, {1, {3}}}}},
                                                 {{{2, {2, {5, 1}}}, {NRG_SAMPLE | 4, {2, {2, 2}}}}},
                                                 {{{NRG_SAMPLE, {2, {4, 2}}}, {0, {1, {3}}}}},
                                                 {{{NRG_SAMPLE, {1, {4}}}, {NRG_SAMPLE | 2, {0}}}},
                                                 {{{0, {2, {4, 3}}}, {0, {1, {0}}}}}};
    static const struct { form f[2]; int64_t n; nrg_leads leads; } put[] = {{{{0, {0}}, {0, {0}}}, 4, 0},
                                                                           {{{NRG_SAMPLE, {0}}, {NRG_SAMPLE, {1, {3}}}}, 4, NRG_SAMPLE},
                                                                           {{{NRG_SAMPLE, {1, {3}}}, {0, {2, {3, 2}}}}, 3, 0},
                                                                           {{{0, {1, {3}}}, {NRG_SAMPLE | 2, {1, {3}}}}, 5, NRG_SAMPLE},
                                                                           {{{2, {2, {2, 2}}}, {4, {3, {2, 2, 1}}}}, 4, 2},
                                                                           {{{NRG_SAMPLE | 2, {0}}, {NRG_SAMPLE, {1, {2}}}}, 2, NRG_SAMPLE | 2},
                                                                           {{{0, {1, {3}}}, {0, {2, {3, 2}}}}, 0, 0}};
    for (int i = 0; i < 7; i++) {
        bool t = m->op == NRG_OP_take;
        nrg_params p = {.index = {t ? 0 : put[i].n, t ? 0 : put[i].leads, (t ? take[i].f[1] : put[i].f[0]).shape.rank}};
        row(m, i == 2 ? 1 : 3, t ? take[i].f : put[i].f, 2, &p, "");
    }
}

static void make_matmul(maker *m) {
    static const struct { nrg_leads a, b, sum; int64_t n; } q[] = {{0, 0, 0, 1},
                                                                  {NRG_SAMPLE, 0, 0, 3},
                                                                  {0, NRG_SAMPLE, 0, 3},
                                                                  {NRG_SAMPLE, NRG_SAMPLE, NRG_SAMPLE, 3},
                                                                  {NRG_SAMPLE | 2, 4, 2, 1},
                                                                  {2, NRG_SAMPLE | 2, NRG_SAMPLE, 3},
                                                                  {NRG_SAMPLE | 2, NRG_SAMPLE, NRG_SAMPLE | 2, 3}};
    static const int64_t size[][3] = {{2, 3, 4}, {1, 5, 1}, {3, 1, 2}, {2, 0, 3}, {0, 2, 1}};
    for (int i = 0; i < 7; i++)
        for (int k = 0; k < (i == 0 ? 5 : 2); k++)
            for (uint32_t t = 0; t < 4; t++) {
                const int64_t *d = size[k];
                uint32_t ta = t & 1, tb = t >> 1;
                form f[2] = {{q[i].a, ta ? SHAPE(d[1], d[0]) : SHAPE(d[0], d[1])}, {q[i].b, tb ? SHAPE(d[2], d[1]) : SHAPE(d[1], d[2])}};
                nrg_params p = {.matmul = {ta, tb, q[i].sum}};
                row(m, q[i].n, f, 2, &p, "");
            }
}

static void make_conv(maker *m) {
    // C H W, F h w, stride, pad_h, pad_w, leads of the first and second input, leads that convw sums
    static const struct { int64_t C, H, W, F, h, w; int32_t s, ph, pw; nrg_leads a, b, sum; } q[] = {
        {2, 4, 5, 3, 3, 2, 1, 0, 0, NRG_SAMPLE, 0, NRG_SAMPLE},
        {1, 5, 4, 2, 2, 3, 2, 1, 1, NRG_SAMPLE, NRG_SAMPLE, NRG_SAMPLE},
        {2, 3, 3, 1, 3, 3, 1, 1, 2, 2, 4, 4},
        {1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0},
        {2, 6, 5, 2, 3, 2, 3, 0, 1, 0, NRG_SAMPLE, 0},
    };
    for (int i = 0; i < 5; i++) {
        nrg_shape image = SHAPE(q[i].C, q[i].H, q[i].W), filter = SHAPE(q[i].F, q[i].C, q[i].h, q[i].w);
        nrg_shape answer = SHAPE(q[i].F, (q[i].H + 2 * q[i].ph - q[i].h) / q[i].s + 1, (q[i].W + 2 * q[i].pw - q[i].w) / q[i].s + 1);
        form f[2] = {{q[i].a, m->op == NRG_OP_convx ? answer : image}, {q[i].b, m->op == NRG_OP_convw ? answer : filter}};
        nrg_params p = {.conv = {q[i].s, q[i].ph, q[i].pw, 0, 0, 0}};
        if (m->op == NRG_OP_convx) p.conv.h = q[i].H, p.conv.w = q[i].W;
        if (m->op == NRG_OP_convw) p.conv.h = q[i].h, p.conv.w = q[i].w, p.conv.leads = q[i].sum;
        row(m, 3, f, 2, &p, "");
    }
}

static void make_tri(maker *m) {
    static const struct { form f[2]; } q[] = {{{{0, {2, {3, 3}}}, {0, {2, {3, 2}}}}},
                                              {{{NRG_SAMPLE, {2, {2, 2}}}, {0, {2, {2, 1}}}}},
                                              {{{0, {2, {4, 4}}}, {NRG_SAMPLE | 2, {2, {4, 3}}}}},
                                              {{{2, {2, {1, 1}}}, {4, {2, {1, 0}}}}},
                                              {{{0, {2, {0, 0}}}, {0, {2, {0, 2}}}}}};
    for (int i = 0; i < 5; i++)
        for (uint32_t t = 0; t < 2; t++) {
            nrg_params p = {.tri = {t}};
            row(m, 3, q[i].f, 2, &p, t ? "transposed" : "");
        }
}

// A row whose params word has no maker does not compile: so a row without a test cannot be.
typedef void (*make_fn)(maker *m);
static const make_fn makers[NRG_OP_COUNT] = {
    NULL,
#define NRG_OP(name, arity, params, shape, vjp, degree, domain, doc) make_##params,
#include "graph/ops.def"
};

int cases_each(nrg_ctx *c, nrg_op op, nrg_dtype type, case_fn each, void *ud) {
    int made = 0;
    for (int i = 1; i < NRG_OP_COUNT; i++) {
        maker m = {.ctx = c, .op = (nrg_op)i, .type = type, .each = each, .ud = ud};
        if (op != NRG_OP_bad && (int)op != i) continue;
        makers[i](&m);
        made += m.made;
    }
    return made;
}
