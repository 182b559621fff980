// Random graphs of many operations, outputs and phases: planned and run against ref, for any slices and threads.
#include "plan/steps.h"
#include "exec/cpu/cpu.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { NODES = 36, OUTS = 5, INPUTS = 7 };

typedef struct {
    nrg_ctx *c;
    nrg_graph *g;
    uint32_t seed;
    nrg_leads k; // a leading axis of 4
    nrg_node at[NODES + 64];
    int n;
    double *value[INPUTS];
    int64_t samples;
} maker;

static uint32_t draw(maker *m, uint32_t n) {
    m->seed = m->seed * 1664525u + 1013904223u;
    return (m->seed >> 8) % n;
}
static const nrg_node_info *info(const maker *m, nrg_node x) { return nrg_graph_node(m->g, x); }
static nrg_node any(maker *m) { return m->at[draw(m, (uint32_t)m->n)]; }

static void input(maker *m, nrg_leads leads, int rank, int64_t a, int64_t b) {
    nrg_node x = nrg_input(m->g, (const char *[]){"a", "b", "c", "d", "e", "f", "h"}[m->n], leads, nrg_shape_of(rank, (int64_t[]){a, b}));
    int64_t count = nrg_node_count(m->g, x) * (leads & NRG_SAMPLE ? m->samples : 1);
    m->value[m->n] = malloc(((size_t)count + 1) * sizeof(double));
    for (int64_t i = 0; i < count; i++) m->value[m->n][i] = (double)(float)((double)draw(m, 2000) / 1000 - 1);
    m->at[m->n++] = x;
}

static bool broadcasts(const nrg_shape *a, const nrg_shape *b) {
    for (int i = 1; i <= a->rank && i <= b->rank; i++) {
        int64_t p = a->dim[a->rank - i], q = b->dim[b->rank - i];
        if (p != q && p != 1 && q != 1) return false;
    }
    return true;
}

static nrg_node unary(maker *m, nrg_node x) {
    switch (draw(m, 8)) {
    case 0: return nrg_tanh(m->g, x);
    case 1: return nrg_sigmoid(m->g, x);
    case 2: return nrg_sin(m->g, x);
    case 3: return nrg_neg(m->g, x);
    case 4: return nrg_abs(m->g, x);
    case 5: return nrg_softplus(m->g, nrg_tanh(m->g, x));
    case 6: return nrg_exp(m->g, nrg_neg(m->g, nrg_square(m->g, x)));
    default: return nrg_relu(m->g, nrg_stop(m->g, x));
    }
}

static nrg_node binary(maker *m, nrg_node x, nrg_node y) {
    if (!broadcasts(&info(m, x)->shape, &info(m, y)->shape)) return NRG_BAD;
    switch (draw(m, 5)) {
    case 0: return nrg_add(m->g, x, y);
    case 1: return nrg_sub(m->g, x, y);
    case 2: return nrg_mul(m->g, nrg_tanh(m->g, x), y);
    case 3: return nrg_max(m->g, x, y);
    default: return nrg_select(m->g, nrg_lt(m->g, x, nrg_const(m->g, 0.1234567)), y, nrg_const(m->g, 0.5));
    }
}

static nrg_node movement(maker *m, nrg_node x) {
    const nrg_shape s = info(m, x)->shape;
    int64_t count = nrg_shape_count(&s);
    int axis = s.rank ? (int)draw(m, (uint32_t)s.rank) : 0;
    switch (draw(m, 9)) {
    case 0: return nrg_reshape(m->g, x, nrg_shape_of(1, &count));
    case 1: return nrg_reshape(m->g, x, nrg_shape_of(2, (int64_t[]){1, count}));
    case 2: return s.rank >= 2 ? nrg_transpose(m->g, x) : NRG_BAD;
    case 3: return nrg_expand(m->g, x, s, info(m, x)->leads | (draw(m, 2) ? m->k : NRG_SAMPLE));
    case 4: return s.rank && s.dim[axis] > 1 ? nrg_slice(m->g, x, axis, 1, s.dim[axis] / 2, draw(m, 2) && s.dim[axis] > 3 ? 2 : 1) : NRG_BAD;
    case 5: return s.rank && s.dim[axis] < 6 ? nrg_pad(m->g, x, axis, draw(m, 3), draw(m, 2)) : NRG_BAD;
    case 6: return s.rank && s.dim[axis] == 4 && !(info(m, x)->leads & m->k) ? nrg_lift(m->g, x, axis, m->k) : NRG_BAD;
    case 7: return s.rank < 3 && (info(m, x)->leads & m->k) ? nrg_lower(m->g, x, m->k, (int)draw(m, (uint32_t)s.rank + 1)) : NRG_BAD;
    default: return s.rank && s.dim[axis] < 6 ? nrg_concat(m->g, x, nrg_tanh(m->g, x), axis) : NRG_BAD;
    }
}

static nrg_node reduction(maker *m, nrg_node x) {
    static const nrg_op ops[] = {NRG_OP_sum, NRG_OP_sum, NRG_OP_rmax, NRG_OP_rmin, NRG_OP_lse};
    uint32_t axes = draw(m, 1u << info(m, x)->shape.rank);
    nrg_leads leads = info(m, x)->leads & draw(m, 4) * (m->k > 1 ? 1u : 0u);
    if (draw(m, 2)) leads |= info(m, x)->leads & m->k;
    return nrg_tanh(m->g, nrg_reduce(m->g, ops[draw(m, 5)], nrg_mul(m->g, x, nrg_const(m->g, 0.2)), axes, leads, draw(m, 2)));
}

static nrg_node product(maker *m, nrg_node x, nrg_node y) {
    const nrg_node_info *a = info(m, x), *b = info(m, y);
    if (a->shape.rank != 2 || b->shape.rank != 2) return NRG_BAD;
    nrg_leads all = a->leads | b->leads, gone = all & draw(m, 4);
    if (draw(m, 2)) gone |= all & m->k;
    for (int t = 0; t < 4; t++)
        if (a->shape.dim[!(t & 1)] == b->shape.dim[t >> 1]) return nrg_tanh(m->g, nrg_matmul(m->g, x, y, t & 1, t >> 1, gone));
    return NRG_BAD;
}

static nrg_node indexing(maker *m, nrg_node x, nrg_node y) {
    const nrg_shape s = info(m, x)->shape;
    if (!s.rank || info(m, y)->shape.rank > 1 || s.dim[0] < 1) return NRG_BAD;
    nrg_node index = nrg_floor(m->g, nrg_mul(m->g, nrg_sigmoid(m->g, y), nrg_const(m->g, (double)s.dim[0] * 0.999)));
    nrg_node rows = nrg_take(m->g, x, index);
    if (draw(m, 2)) return rows;
    nrg_leads gone = info(m, rows)->leads & draw(m, 2) * NRG_SAMPLE;
    return nrg_tanh(m->g, nrg_put(m->g, index, rows, s.dim[0] + 1, gone));
}

static void grow(maker *m) {
    nrg_node x = any(m), y = NRG_BAD;
    switch (draw(m, 10)) {
    case 0: case 1: y = unary(m, x); break;
    case 2: case 3: case 4: y = binary(m, x, any(m)); break;
    case 5: case 6: y = movement(m, x); break;
    case 7: y = reduction(m, x); break;
    case 8: y = product(m, x, any(m)); break;
    default: y = indexing(m, x, any(m)); break;
    }
    if (y.i && nrg_node_count(m->g, y) < 2000) m->at[m->n++] = y;
}

static void make(maker *m, uint32_t seed) {
    m->seed = seed * 2654435761u + 12345u;
    m->n = 0;
    m->samples = (int64_t[]){1, 2, 7, 21, 40}[draw(m, 5)];
    assert_int_equal(nrg_graph_new(m->c, NRG_F64, &m->g), NRG_OK);
    m->k = nrg_lead_new(m->g, "k", 4);
    input(m, NRG_SAMPLE, 1, 3, 0), input(m, 0, 1, 4, 0), input(m, NRG_SAMPLE, 0, 0, 0), input(m, NRG_SAMPLE, 2, 2, 3);
    input(m, 0, 2, 3, 2), input(m, m->k, 1, 3, 0), input(m, NRG_SAMPLE | m->k, 2, 1, 3);
    for (int i = 0; i < 400 && m->n < NODES; i++) grow(m);
}

static bool compare(maker *m, const nrg_node *outs, double *const *want, int64_t slice, int threads) {
    nrg_plan *p;
    nrg_run *r;
    bool same = true;
    nrg_plan_spec spec = {.graph = m->g, .outputs = outs, .outputs_n = OUTS, .batch = m->samples, .slice = slice};
    assert_int_equal(nrg_plan_make(m->c, &spec, &p), NRG_OK);
    assert_int_equal(nrg_run_new(m->c, p, threads, &r), NRG_OK);
    for (uint32_t i = 0; i < INPUTS; i++) nrg_run_bind(r, nrg_input_at(m->g, i), (nrg_buffer){m->value[i], NRG_BUF_F64, NULL});
    double *got[OUTS];
    for (int i = 0; i < OUTS; i++) {
        int64_t count = nrg_node_count(m->g, outs[i]) * (info(m, outs[i])->leads & NRG_SAMPLE ? m->samples : 1);
        got[i] = malloc(((size_t)count + 1) * sizeof(double));
        nrg_run_output(r, i, got[i]);
    }
    assert_int_equal(nrg_run_go(r, m->samples, 2, 7, 3), NRG_OK);
    for (int i = 0; i < OUTS; i++) {
        int64_t count = nrg_node_count(m->g, outs[i]) * (info(m, outs[i])->leads & NRG_SAMPLE ? m->samples : 1);
        for (int64_t j = 0; same && j < count; j++) {
            double x = got[i][j], y = want[i][j];
            same = x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= 1e-9 * (1 + fabs(y));
            if (!same) print_message("output %d (node %u), number %d: %.12g, ref has %.12g\n", i, outs[i].i, (int)j, x, y);
        }
        free(got[i]);
    }
    if (!same) {
        nrg_text t = nrg_text_make(m->c);
        nrg_graph_print(m->g, outs, OUTS, &t);
        nrg_plan_print(p, &t);
        fprintf(stderr, "%s", t.at);
        nrg_text_free(&t);
    }
    nrg_run_free(r);
    nrg_plan_free(p);
    return same;
}

// The gradient of a sum of outputs by every input: longer graphs, sums over samples everywhere.
static void random_gradients(void **state) {
    (void)state;
    int graphs = 0;
    for (uint32_t seed = 1000; seed < 1120; seed++) {
        maker m = {.c = nrg_ctx_new(NULL, NULL)};
        nrg_node outs[OUTS], wrt[OUTS], y = NRG_BAD;
        double *want[OUTS];
        make(&m, seed);
        for (int i = 0; i < 3; i++) {
            nrg_node x = m.at[m.n - 1 - i];
            const nrg_node_info *v = info(&m, x);
            x = nrg_reduce(m.g, NRG_OP_sum, nrg_tanh(m.g, x), (1u << v->shape.rank) - 1, v->leads, false);
            y = i ? nrg_add(m.g, y, x) : x;
        }
        for (int i = 0; i < OUTS; i++) wrt[i] = m.at[i];
        if (nrg_grad(m.g, y, NRG_BAD, wrt, OUTS, outs) != NRG_OK) fail_msg("seed %u has no gradient", seed);
        for (int i = 0; i < OUTS; i++) want[i] = malloc(((size_t)nrg_node_count(m.g, outs[i]) * (size_t)m.samples + 1) * sizeof(double));
        assert_int_equal(nrg_ref_eval(m.c, m.g, m.samples, (const double *const *)m.value, 7, 3, outs, OUTS, want), NRG_OK);
        for (int k = 0; k < 3; k++)
            if (!compare(&m, outs, want, k * 3, k + 1)) fail_msg("seed %u, slice %d", seed, k * 3);
        for (int i = 0; i < OUTS; i++) free(want[i]);
        for (int i = 0; i < INPUTS; i++) free(m.value[i]);
        nrg_graph_free(m.g);
        nrg_ctx_free(m.c);
        graphs++;
    }
    print_message("%d graphs\n", graphs);
}

// Gradient steps on five inputs at once, three repeats: states hold what ref gives, whatever slices and threads.
static void one_descent(maker *m, const nrg_update *u, double *const *want, int64_t slice, int threads, uint32_t seed) {
    nrg_plan *p;
    nrg_run *r;
    double *now[INPUTS];
    nrg_plan_spec spec = {.graph = m->g, .updates = u, .updates_n = OUTS, .batch = m->samples, .slice = slice};
    assert_int_equal(nrg_plan_make(m->c, &spec, &p), NRG_OK);
    assert_int_equal(nrg_run_new(m->c, p, threads, &r), NRG_OK);
    for (uint32_t i = 0; i < INPUTS; i++) {
        nrg_node x = nrg_input_at(m->g, i);
        size_t bytes = (size_t)(nrg_node_count(m->g, x) * (info(m, x)->leads & NRG_SAMPLE ? m->samples : 1)) * sizeof(double);
        now[i] = malloc(bytes + 1);
        memcpy(now[i], m->value[i], bytes);
        nrg_run_bind(r, x, (nrg_buffer){now[i], NRG_BUF_F64, NULL});
    }
    assert_int_equal(nrg_run_go(r, m->samples, 3, 7, 3), NRG_OK);
    for (int i = 0; i < OUTS; i++) {
        int64_t count = nrg_node_count(m->g, u[i].state) * (info(m, u[i].state)->leads & NRG_SAMPLE ? m->samples : 1);
        for (int64_t j = 0; j < count; j++)
            if (!(fabs(now[i][j] - want[i][j]) <= 1e-8 * (1 + fabs(want[i][j]))) && !(isnan(now[i][j]) && isnan(want[i][j])))
                fail_msg("seed %u, slice %d: state %d, number %d: %.12g, ref has %.12g", seed, (int)slice, i, (int)j, now[i][j], want[i][j]);
    }
    for (int i = 0; i < INPUTS; i++) free(now[i]);
    nrg_run_free(r);
    nrg_plan_free(p);
}

static void random_descents(void **state) {
    (void)state;
    for (uint32_t seed = 5000; seed < 5080; seed++) {
        maker m = {.c = nrg_ctx_new(NULL, NULL)};
        nrg_node d[OUTS], wrt[OUTS], next[OUTS];
        nrg_update u[OUTS];
        double *want[OUTS], *in[INPUTS];
        make(&m, seed);
        nrg_node y = m.at[m.n - 1];
        y = nrg_reduce(m.g, NRG_OP_sum, nrg_tanh(m.g, y), (1u << info(&m, y)->shape.rank) - 1, info(&m, y)->leads, false);
        memcpy(in, m.value, sizeof in);
        for (int i = 0; i < OUTS; i++) wrt[i] = m.at[i];
        assert_int_equal(nrg_grad(m.g, y, NRG_BAD, wrt, OUTS, d), NRG_OK);
        for (int i = 0; i < OUTS; i++) {
            int64_t count = nrg_node_count(m.g, wrt[i]) * (info(&m, wrt[i])->leads & NRG_SAMPLE ? m.samples : 1);
            next[i] = nrg_sub(m.g, wrt[i], nrg_mul(m.g, nrg_const(m.g, 0.05), d[i]));
            u[i] = (nrg_update){wrt[i], next[i]};
            want[i] = malloc(2 * ((size_t)count + 1) * sizeof(double));
        }
        for (int k = 0; k < 3; k++) {
            double *out[OUTS];
            for (int i = 0; i < OUTS; i++) {
                int64_t count = nrg_node_count(m.g, wrt[i]) * (info(&m, wrt[i])->leads & NRG_SAMPLE ? m.samples : 1);
                out[i] = want[i] + (k & 1 ? count + 1 : 0);
            }
            assert_int_equal(nrg_ref_eval(m.c, m.g, m.samples, (const double *const *)in, 7, 3 + (uint32_t)k, next, OUTS, out), NRG_OK);
            for (int i = 0; i < OUTS; i++) in[i] = out[i];
        }
        for (int k = 0; k < 3; k++) one_descent(&m, u, in, k * 3, k + 1, seed);
        for (int i = 0; i < OUTS; i++) free(want[i]);
        for (int i = 0; i < INPUTS; i++) free(m.value[i]);
        nrg_graph_free(m.g);
        nrg_ctx_free(m.c);
    }
}

static void random_graphs(void **state) {
    (void)state;
    int phases = 0;
    for (uint32_t seed = 1; seed <= 400; seed++) {
        maker m = {.c = nrg_ctx_new(NULL, NULL)};
        nrg_node outs[OUTS];
        double *want[OUTS];
        make(&m, seed);
        for (int i = 0; i < OUTS; i++) {
            outs[i] = m.at[m.n - 1 - (int)draw(&m, 12)];
            want[i] = malloc(((size_t)nrg_node_count(m.g, outs[i]) * (size_t)m.samples + 1) * sizeof(double));
        }
        assert_int_equal(nrg_ref_eval(m.c, m.g, m.samples, (const double *const *)m.value, 7, 3, outs, OUTS, want), NRG_OK);
        static const int64_t slices[] = {0, 1, 4};
        for (int k = 0; k < 3; k++)
            if (!compare(&m, outs, want, slices[k], k + 1)) fail_msg("seed %u, slice %d", seed, (int)slices[k]);
        for (int i = 0; i < OUTS; i++) free(want[i]);
        for (int i = 0; i < INPUTS; i++) free(m.value[i]);
        nrg_graph_free(m.g);
        nrg_ctx_free(m.c);
        phases++;
    }
    print_message("%d graphs\n", phases);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_graphs), cmocka_unit_test(random_gradients),
                                       cmocka_unit_test(random_descents)};
    return cmocka_run_group_tests_name("exec_random", tests, NULL, NULL);
}
