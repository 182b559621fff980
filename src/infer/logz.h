// The logarithm of the normaliser, log Z = log of the sum or integral of exp(-beta F), as an interval.
#ifndef NRG_INFER_LOGZ_H
#define NRG_INFER_LOGZ_H

#include "infer/sample.h"

typedef struct {
    nrg_vars vars;     // summed over
    nrg_vars given;    // held at the data; what is neither is eliminated by its own verb
    int64_t rows;      // of the data, each with its own Z; 1 where nothing is given
    int64_t chains;    // for each row
    double width;      // of the interval that is asked for
    int64_t budget;    // steps that a chain may take in all
    uint64_t seed;
    int threads;
    bool annealed;     // even where it can be had exactly
    // The data hold what is summed over: the way back starts there, at draws of the model as far as the data are; the base density is
    // fitted there. Where variables are given each of the `rows` starts at its own values (Grosse, Ancha and Roy 2016).
    bool from_data, base_data;
    int64_t examples;  // rows of these data
} nrg_log_z_spec;
typedef struct {
    nrg_arena arena;
    double *low, *high; // [rows]; equal where log Z is exact
    bool exact;
    int64_t heats, steps;    // of the finest schedule; taken by a chain in all
    double forward, reverse; // effective share of the weights, of the worst row
    const char *how;
} nrg_log_z_out;
nrg_status nrg_log_z_of(nrg_model *m, const nrg_store *store, const nrg_log_z_spec *spec, nrg_log_z_out *out);
void nrg_log_z_out_free(nrg_log_z_out *z);

// ---- base.c: densities with a known normaliser, fitted to draws: one number after the other. Reals: normal, cut off at the walls
// of the domain; variables of two values: a rate; other finite ones: every value as likely.
typedef struct {
    nrg_model *model;
    nrg_store *store;   // has "base:a:NAME" and "base:b:NAME" of every lane: mean and deviation, or logarithms of the two rates
    int64_t rows, each; // lanes are rows times each
    int n;
    int32_t var[NRG_MAX_VARS];
    int64_t width[NRG_MAX_VARS];
    double *a[NRG_MAX_VARS], *b[NRG_MAX_VARS]; // [rows, width]; before the fit: sums and sums of squares
    double *log_z;      // [rows]
} nrg_base;
nrg_status nrg_base_open(nrg_base *b, nrg_arena *a, nrg_model *m, nrg_store *store, const nrg_chains *c, int64_t rows, int64_t each);
void nrg_base_see(nrg_base *b, const nrg_chains *c);      // the draws where the chains are
nrg_status nrg_base_fit(nrg_base *b, int64_t seen);       // from `seen` draws a row
nrg_status nrg_base_node(void *base, nrg_graph *g, const int32_t *var, const nrg_node *x, int n, nrg_node *U0); // of nrg_chains_spec
void nrg_base_draw(const nrg_base *b, const nrg_chains *c, uint64_t seed, uint32_t step); // puts the chains at draws of it
#endif
