// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers, as easy as 1, 2, 3; SC 2011), and the draws
// that are made of it.
#include "base/base.h"
#include <math.h>

static const uint32_t M0 = 0xD2511F53u, M1 = 0xCD9E8D57u; // multipliers of the paper
static const uint32_t W0 = 0x9E3779B9u, W1 = 0xBB67AE85u; // Weyl steps: golden ratio, sqrt(3) - 1

void nrg_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p = (uint64_t)M0 * c0, q = (uint64_t)M1 * c2;
        c0 = (uint32_t)(q >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)q;
        c3 = (uint32_t)p;
        k0 += W0;
        k1 += W1;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

void nrg_random_words(uint64_t seed, uint32_t purpose, uint64_t id, uint32_t step, uint32_t i, uint32_t out[4]) {
    uint32_t counter[4] = {i, step, (uint32_t)id, (uint32_t)(id >> 32)};
    uint32_t key[2] = {(uint32_t)seed ^ purpose * W0, (uint32_t)(seed >> 32) ^ purpose * W1};
    nrg_philox(counter, key, out);
}

double nrg_random_uniform(uint64_t seed, uint32_t purpose, uint64_t id, uint32_t step, uint32_t i) {
    uint32_t w[4];
    nrg_random_words(seed, purpose, id, step, i / 4, w);
    return (w[i % 4] >> 8) * 0x1p-24;
}

double nrg_random_normal(uint64_t seed, uint32_t purpose, uint64_t id, uint32_t step, uint32_t i) {
    uint32_t w[4];
    nrg_random_words(seed, purpose, id, step, i / 4, w);
    const uint32_t *pair = w + (i % 4 & 2);
    double u1 = ((pair[0] >> 8) + 1) * 0x1p-24, u2 = (pair[1] >> 8) * 0x1p-24;
    double r = sqrt(-2 * log(u1)), angle = 6.283185307179586477 * u2;
    return i % 2 ? r * sin(angle) : r * cos(angle);
}

double nrg_random_wide(uint64_t seed, uint32_t purpose, uint64_t id, uint32_t step, uint32_t i) {
    uint32_t w[4];
    nrg_random_words(seed, purpose, id, step, i / 2, w);
    const uint32_t *pair = w + 2 * (i % 2);
    return ((double)(pair[0] >> 5) * 67108864.0 + (pair[1] >> 6)) * 0x1p-53;
}

void nrg_random_shuffle(uint64_t seed, uint32_t purpose, uint64_t id, int64_t *at, int64_t n) {
    for (int64_t i = 0; i < n; i++) at[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        double u = nrg_random_wide(seed, purpose, id, (uint32_t)((uint64_t)i >> 32), (uint32_t)i);
        int64_t j = (int64_t)(u * (double)(i + 1)), kept = at[i];
        at[i] = at[j];
        at[j] = kept;
    }
}
