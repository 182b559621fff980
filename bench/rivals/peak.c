// What this machine can do at most, with so many threads: fused multiply-adds of float32 in registers, and reading memory.
// Prints two numbers: GFLOP/s and GB/s. Each thread keeps its best of many short tries, so that other work hardly counts.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef float lanes __attribute__((vector_size(64)));
enum { CHAINS = 12, ROUNDS = 20000, FLOATS = 1 << 26, PIECE = 1 << 22, MANY = 64 };

typedef struct {
    pthread_t thread;
    double flops, bytes;
    volatile float sink;
} worker;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double multiply(worker *w) {
    lanes a[CHAINS], x, y;
    for (int k = 0; k < 16; k++) x[k] = 0.999f, y[k] = 0.001f * (float)(k + 1);
    for (int i = 0; i < CHAINS; i++) a[i] = y + (float)i;
    double start = now();
    for (int r = 0; r < ROUNDS; r++)
        for (int i = 0; i < CHAINS; i++) a[i] = a[i] * x + y;
    double s = now() - start;
    for (int i = 0; i < CHAINS; i++) w->sink += a[i][i];
    return 2.0 * 16 * CHAINS * ROUNDS / s;
}

static double sum(worker *w, const float *at) {
    lanes a[8] = {0};
    double start = now();
    for (int i = 0; i < PIECE; i += 128)
        for (int k = 0; k < 8; k++) {
            lanes v;
            memcpy(&v, at + i + 16 * k, sizeof v);
            a[k] += v;
        }
    double s = now() - start;
    for (int k = 0; k < 8; k++) w->sink += a[k][k];
    return sizeof(float) * (double)PIECE / s;
}

static void *work(void *ud) {
    worker *w = ud;
    float *memory = malloc(sizeof *memory * FLOATS);
    for (int i = 0; i < 100; i++) {
        double rate = multiply(w);
        if (rate > w->flops) w->flops = rate;
    }
    if (!memory) return NULL;
    memset(memory, 1, sizeof *memory * FLOATS);
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < FLOATS; i += PIECE) {
            double rate = sum(w, memory + i);
            if (rate > w->bytes) w->bytes = rate;
        }
    free(memory);
    return NULL;
}

int main(int argc, char **argv) {
    static worker all[MANY];
    double flops = 0, bytes = 0;
    int n = argc > 1 ? atoi(argv[1]) : 1;
    if (n < 1 || n > MANY) return 2;
    for (int i = 0; i < n; i++)
        if (pthread_create(&all[i].thread, NULL, work, &all[i])) return 1;
    for (int i = 0; i < n; i++) {
        pthread_join(all[i].thread, NULL);
        flops += all[i].flops;
        bytes += all[i].bytes;
    }
    printf("%.1f %.1f\n", 1e-9 * flops, 1e-9 * bytes);
    return 0;
}
