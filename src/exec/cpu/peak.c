// What this processor does at most, as a measure for what plans reach: the product kernel on numbers in the first-level cache, and
// a sum over memory far larger than any cache. The best of many short tries, so that other work hardly counts.
#include "exec/cpu/cpu.h"
#include <string.h>
#include <time.h>

enum { ROWS = 6, UNITS = 4, WIDTH = UNITS * 16, TERMS = 96, TRIES = 40, FLOATS = 1 << 25, PIECE = 1 << 21 };

typedef struct {
    float a[ROWS * TERMS], b[TERMS * WIDTH], c[ROWS * WIDTH];
    int64_t ak[TERMS];
} little;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double products(const nrg_kernels *k, little *m) {
    const float *a[ROWS];
    float *c[ROWS];
    double best = 0;
    for (int i = 0; i < ROWS * TERMS; i++) m->a[i] = 0.5f;
    for (int i = 0; i < TERMS * WIDTH; i++) m->b[i] = 0.25f;
    for (int i = 0; i < TERMS; i++) m->ak[i] = i;
    for (int i = 0; i < ROWS; i++) a[i] = m->a + i * TERMS, c[i] = m->c + i * WIDTH;
    for (int t = 0; t < TRIES; t++) {
        double start = now();
        for (int i = 0; i < 1000; i++) k->micro_f32(ROWS, UNITS, TERMS, a, m->ak, m->b, WIDTH, c, false);
        double rate = 2.0 * ROWS * WIDTH * TERMS * 1000 / (now() - start);
        if (rate > best) best = rate;
    }
    return best;
}

static double reading(const nrg_kernels *k, const float *at) {
    double best = 0, s[16] = {0};
    for (int i = 0; i < FLOATS; i += PIECE) {
        double start = now();
        k->sum_f32(PIECE, at + i, s);
        double rate = sizeof *at * (double)PIECE / (now() - start);
        if (rate > best) best = rate;
    }
    return best;
}

nrg_status nrg_run_peak(nrg_ctx *c, double *flops, double *bytes) {
    const nrg_kernels *k = nrg_cpu_kernels(NRG_CPU_BEST);
    size_t size = sizeof(little) + sizeof(float) * FLOATS;
    char *p = nrg_mem(c, NULL, 0, size + 64);
    if (!p) return NRG_E098;
    float *far = (float *)(((uintptr_t)p + 63) & ~(uintptr_t)63);
    memset(far, 0, sizeof(float) * FLOATS);
    *bytes = reading(k, far);
    *flops = products(k, (little *)(far + FLOATS));
    nrg_mem(c, p, size + 64, 0);
    return NRG_OK;
}
