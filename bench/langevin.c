// Speed of Langevin steps x <- x - h/2 grad E + noise of three nets with swish, batch 128, as users get them: nrg_ebm_sample
// with long warm-ups. One line each: net, time of a step, rate. Run it as bench_langevin [threads].
#include "nrg.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int threads = 1;

static double now(void) {
    struct timespec t;
    // One thread: processor time, which other work on the machine does not disturb.
    clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void stop(nrg_ctx *c) {
    char text[4096];
    for (int i = 0; i < nrg_diag_count(c); i++)
        if (nrg_diag_text(c, i, text, sizeof text)) fputs(text, stderr);
    exit(1);
}

// Seconds of 128 chains with `steps` steps.
static double chains(nrg_ctx *c, nrg_ebm *m, int64_t steps) {
    nrg_sample_options o = {.n = 128, .chains = 128, .warmup = steps};
    nrg_samples *r;
    double start = now();
    if (nrg_ebm_sample(m, NULL, &o, &r) != NRG_OK) stop(c);
    nrg_samples_free(r);
    return now() - start;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

// What a long warm-up takes longer than a short one; the median of nine. mflop: of one step.
static void net(const char *name, const char *shape, const char *layers, int64_t steps, double mflop) {
    char text[1024];
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_options o = {.threads = threads};
    nrg_ebm *m;
    double t[9];
    if (!c) exit(1);
    snprintf(text, sizeof text, "predict x : real[%s]\nmodule f = %s\nenergy E(x) = f(x)\nsample x by langevin(step=0.01, steps=10)\n", shape,
             layers);
    if (nrg_ebm_load_text(c, name, text, strlen(text), &o, &m) != NRG_OK) stop(c);
    for (int i = 0; i < 9; i++) t[i] = (chains(c, m, 2 * steps) - chains(c, m, steps)) / (double)steps;
    qsort(t, 9, sizeof *t, by_value);
    printf("%-32s %9.1f us a step, %.0f GFLOP/s\n", name, 1e6 * t[4], 1e-3 * mflop / t[4]);
    fflush(stdout);
    nrg_ebm_free(m);
    nrg_ctx_free(c);
}

int main(int argc, char **argv) {
    if (argc > 1) threads = atoi(argv[1]);
    net("langevin 2-128-128-1", "2", "linear(128) | swish | linear(128) | swish | linear(1)", 1000, 8.6);
    net("langevin 784-512-512-1", "784", "linear(512) | swish | linear(512) | swish | linear(1)", 40, 340);
    net("langevin conv 28x28", "1, 28, 28",
        "conv(32, 5, stride=2, pad=2) | swish | conv(64, 3, stride=2, pad=1) | swish | conv(128, 3, stride=2, pad=1) | swish | flatten | linear(1)",
        8, 1180);
    return 0;
}
