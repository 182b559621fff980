// Bytes -> a random graph through the builders -> verifier, gradient of gradient, printing and reading, the reference
// executor, structure claims with their audit. Never a crash, and what was built is sound. Text that starts with "graph"
// goes to the reader instead.
#include "graph/inside.h"
#include "exec/exec.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 2, MOST = 4096 };

typedef struct {
    const uint8_t *at;
    size_t left;
    nrg_graph *g;
    nrg_node node[48];
    int n;
} maker;

static uint8_t byte(maker *m) {
    if (!m->left) return 0;
    m->left--;
    return *m->at++;
}
static nrg_node pick(maker *m) { return m->node[byte(m) % m->n]; }

static nrg_shape shape(maker *m) {
    nrg_shape s = {0};
    s.rank = byte(m) % 4;
    for (int i = 0; i < s.rank; i++) s.dim[i] = byte(m) % 4;
    return s;
}

static int64_t number(maker *m) {
    uint8_t b = byte(m);
    return b < 250 ? b % 5 : (int64_t)b << (b % 60);
}

static nrg_params params(maker *m, nrg_op op) {
    const char *word = nrg_op_get(op)->params;
    nrg_params p;
    memset(&p, 0, sizeof p);
    if (!strcmp(word, "scalar")) p.scalar.value = (byte(m) - 100) / 16.0;
    else if (!strcmp(word, "iota")) p.iota.lead = byte(m) % 8, p.iota.n = p.iota.lead ? 0 : number(m);
    else if (!strcmp(word, "random")) p.random.kind = byte(m) % 3, p.random.purpose = 1, p.random.shape = shape(m);
    else if (!strcmp(word, "reduce")) p.reduce.axes = byte(m) % 8, p.reduce.leads = byte(m) % 8, p.reduce.keep = byte(m) % 2;
    else if (!strcmp(word, "shape")) p.shape.shape = shape(m), p.shape.leads = op == NRG_OP_expand ? byte(m) % 8 : 0;
    else if (!strcmp(word, "perm")) p.perm.order[0] = byte(m) % 3, p.perm.order[1] = byte(m) % 3, p.perm.order[2] = byte(m) % 3;
    else if (!strcmp(word, "slice")) p.slice.axis = byte(m) % 3, p.slice.start = number(m), p.slice.n = number(m), p.slice.step = number(m);
    else if (!strcmp(word, "pad")) p.pad.axis = byte(m) % 3, p.pad.before = number(m), p.pad.after = number(m);
    else if (!strcmp(word, "axis")) p.axis.axis = byte(m) % 3;
    else if (!strcmp(word, "lift")) p.lift.axis = byte(m) % 3, p.lift.lead = 1u << byte(m) % 4;
    else if (!strcmp(word, "index")) p.index.n = op == NRG_OP_put ? number(m) : 0, p.index.leads = op == NRG_OP_put ? byte(m) % 8 : 0, p.index.rank = byte(m) % 3;
    else if (!strcmp(word, "matmul")) p.matmul.ta = byte(m) % 2, p.matmul.tb = byte(m) % 2, p.matmul.leads = byte(m) % 8;
    else if (!strcmp(word, "tri")) p.tri.transpose = byte(m) % 2;
    else if (!strcmp(word, "conv")) {
        p.conv.stride = 1 + byte(m) % 2, p.conv.pad_h = byte(m) % 2, p.conv.pad_w = byte(m) % 2;
        p.conv.h = op == NRG_OP_conv ? 0 : number(m), p.conv.w = op == NRG_OP_conv ? 0 : number(m);
        p.conv.leads = op == NRG_OP_convw ? byte(m) % 8 : 0;
    }
    return p;
}

static int64_t total(const nrg_graph *g, nrg_node n) { return nrg_node_count(g, n) * (nrg_graph_node(g, n)->leads & NRG_SAMPLE ? SAMPLES : 1); }

// A refused step poisons the graph for good, so most steps are tried by the rule alone first.
static bool fits(const maker *m, nrg_op op, const nrg_node in[3], const nrg_params *p) {
    nrg_rule r = {.g = m->g, .op = op, .par = p};
    r.a = nrg_graph_node(m->g, in[0]), r.b = nrg_graph_node(m->g, in[1]), r.c = nrg_graph_node(m->g, in[2]);
    if (!nrg_shape_rule(&r)) return false;
    double n = SAMPLES;
    for (int i = 0; i < r.shape.rank; i++) n *= (double)r.shape.dim[i];
    for (int i = 1; i < 3; i++)
        if (r.leads >> i & 1) n *= i + 1;
    return n <= MOST;
}

static void must(bool ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static void evaluate(nrg_ctx *c, const maker *m, const nrg_node *out, int n, const double *const *in) {
    double *r[4];
    for (uint32_t i = 1; i <= nrg_graph_size(m->g); i++)
        if (total(m->g, (nrg_node){i}) > 1 << 20) return;
    for (int i = 0; i < n; i++) r[i] = malloc(sizeof(double) * (size_t)(total(m->g, out[i]) + 1));
    must(nrg_ref_eval(c, m->g, SAMPLES, in, 1, 0, out, n, r) == NRG_OK, "ref");
    for (int i = 0; i < n; i++) free(r[i]);
}

static void text(nrg_ctx *c, const maker *m, const nrg_node *roots, int n) {
    nrg_text a = nrg_text_make(c), b = nrg_text_make(c);
    nrg_node again[4];
    nrg_graph *h;
    int k = 4;
    nrg_graph_print(m->g, roots, n, &a);
    must(nrg_graph_read(c, a.at, &h, again, &k) == NRG_OK && k == n, "print, read");
    nrg_graph_print(h, again, k, &b);
    must(!strcmp(a.at, b.at), "print, read, print");
    nrg_graph_free(h);
    nrg_text_free(&a);
    nrg_text_free(&b);
}

static void build(maker *m) {
    static const nrg_shape shapes[] = {{0, {0}}, {1, {3}}, {2, {2, 3}}, {2, {3, 3}}, {3, {1, 3, 3}}, {4, {2, 1, 2, 2}}, {1, {0}}};
    nrg_lead_new(m->g, "K", 2);
    nrg_lead_new(m->g, "L", 3);
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        m->node[m->n++] = nrg_input(m->g, name, byte(m) % 8, shapes[byte(m) % 7]);
    }
    while (m->left && m->n < 40) {
        nrg_op op = (nrg_op)(2 + byte(m) % (NRG_OP_COUNT - 2));
        nrg_node a = pick(m), b = pick(m), c = pick(m);
        nrg_params dirty = params(m, op), p;
        nrg_params_clean(op, &dirty, &p);
        if (!fits(m, op, (nrg_node[3]){a, b, c}, &p) && byte(m)) continue;
        nrg_node n = nrg_build(m->g, op, a, b, c, &dirty);
        if (!n.i) return; // poisoned: what was built before must still be fine
        if (total(m->g, n) <= MOST) m->node[m->n++] = n;
    }
}

static void exercise(nrg_ctx *c, maker *m) {
    nrg_node y = m->node[m->n - 1], x[2] = {m->node[0], m->node[1]}, d[2], dd[2], roots[4];
    double *in[4];
    for (int i = 0; i < 4; i++) {
        int64_t k = total(m->g, m->node[i]);
        in[i] = malloc(sizeof(double) * (size_t)(k + 1));
        for (int64_t j = 0; j < k; j++) in[i][j] = sin(3.0 * (double)j + i) * 2;
    }
    nrg_status s = nrg_grad(m->g, y, NRG_BAD, x, 2, d);
    if (s == NRG_OK) s = nrg_grad(m->g, d[0], NRG_BAD, x, 2, dd);
    if (s == NRG_OK) {
        must(nrg_graph_check(m->g) == NRG_OK, "verifier");
        roots[0] = y, roots[1] = d[0], roots[2] = d[1], roots[3] = dd[1];
        evaluate(c, m, roots, 4, (const double *const *)in);
        text(c, m, roots, 4);
        must(nrg_graph_copy(m->g, m->g, dd[0], NULL, NULL, 0).i == dd[0].i, "copy");
        nrg_attr a;
        must(nrg_attr_of(m->g, y, x[0], &a) == NRG_OK, "attributes");
        a.smooth = false; // kinks cannot be told from steep places on an arbitrary graph
        if (nrg_attr_audit(c, m->g, SAMPLES, (const double *const *)in, y, x[0], &a, 9, 1) != NRG_OK) {
            nrg_text t = nrg_text_make(c);
            nrg_graph_print(m->g, &y, 1, &t);
            fprintf(stderr, "%s\n%s", nrg_diag_get(c, nrg_diag_count(c) - 1)->message, t.at);
            nrg_text_free(&t);
            must(false, "audit");
        }
    }
    for (int i = 0; i < 4; i++) free(in[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    maker m = {.at = data, .left = size};
    if (size > 6 && !memcmp(data, "graph ", 6)) {
        char *s = calloc(size + 1, 1);
        nrg_node roots[4];
        int n = 4;
        memcpy(s, data, size);
        if (nrg_graph_read(c, s, &m.g, roots, &n) == NRG_OK) must(nrg_graph_check(m.g) == NRG_OK, "reader");
        free(s);
    } else if (nrg_graph_new(c, NRG_F64, &m.g) == NRG_OK) {
        build(&m);
        exercise(c, &m);
    }
    nrg_graph_free(m.g);
    nrg_ctx_free(c);
    return 0;
}
