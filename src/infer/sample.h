// Drawing from exp(-beta E): chains are the sample axis of one step graph, planned once and run many times.
#ifndef NRG_INFER_SAMPLE_H
#define NRG_INFER_SAMPLE_H

#include "infer/infer.h"

// ---- health.c: what a set of chains says about itself. draws: [chains, n], one number each.
// Vehtari, Gelman, Simpson, Carpenter, Buerkner (2021), "Rank-normalization, folding, and localization".
typedef struct {
    double rhat;       // rank-normalised split R-hat, the larger of plain and folded; NaN below 4 draws a chain
    double bulk, tail; // effective sample sizes; NaN below 4 draws a chain
} nrg_health;
nrg_status nrg_health_of(nrg_ctx *c, const double *draws, int64_t chains, int64_t n, nrg_health *out);
double nrg_normal_quantile(double p); // of the standard normal distribution, 0 < p < 1

// ---- sample.c
typedef struct {
    nrg_vars vars;          // drawn together: reals
    nrg_vars given;         // held at the data; what is neither is eliminated by its own verb
    int64_t rows;           // rows of the data, each with its own chains; 1 where nothing is given
    int64_t chains, draws;  // chains a row, draws a chain
    int64_t warmup, every;  // steps before the first draw (< 0: `steps` of the method), steps from draw to draw
    int64_t first;          // number of the first chain: random numbers depend on it, not on the batch
    uint64_t seed;
    int threads;
} nrg_sample_spec;
typedef struct {
    nrg_arena arena;
    int n;                          // variables
    int32_t var[NRG_MAX_VARS];
    int64_t width[NRG_MAX_VARS];    // numbers of a draw
    double *value[NRG_MAX_VARS];    // [rows, chains, draws, width]
    nrg_health *health[NRG_MAX_VARS]; // [width]: the worst over rows
    double *energy;                 // [rows, chains, draws]
    nrg_health energy_health;
    int64_t warmup;                 // steps that were taken before the first draw
    double acceptance;              // mean over chains and steps after the warm-up; NaN: every step is taken
    double step;                    // mean step size after the warm-up
    double temperature;             // implied by step and noise, as a multiple of 1/beta; NaN: not known (clipped)
    int64_t diverged;               // steps whose energy error passed 1000, after the warm-up
    const char *how;
} nrg_draws;
nrg_status nrg_sample(nrg_model *m, const nrg_store *store, const nrg_sample_spec *spec, nrg_draws *out);
void nrg_draws_free(nrg_draws *d);
#endif
