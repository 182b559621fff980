// Blocks of weights with a closed form: shared by exact.c (structure, rounds) and normal.c (normal equations).
#ifndef NRG_TRAIN_EXACT_H
#define NRG_TRAIN_EXACT_H

#include "train/moments.h"

typedef struct {
    uint32_t *param, params;
    bool logs;            // a p - b log p
    bool pure;            // no latents: the loss itself is quadratic in these weights
    int64_t n, S, B;      // numbers; independent systems of B unknowns each
    int64_t *at;          // [S, B]: the number at each place of each system
    int64_t many;         // directions a pass over the data takes
    nrg_program first;    // gradient: over samples, then of the regularisers
    nrg_program second;   // second derivatives along `many` directions: the same two parts, [many, n] each
    nrg_moments *moments; // whose points these two read instead of the samples, or NULL
    nrg_program data;     // pure, with moments: the gradient over the samples themselves
    double *where;        // the only block, with moments: `first` has the loss as well, and was last run at these weights
    bool known;           // was it?
    bool given;           // what is held at the points is read: it was written there
} nrg_exact_block;

// exact.c: one pass by `first` or `second`, over the training rows or the points of m; mean over samples plus the regularisers' part.
nrg_status nrg_exact_pass(nrg_trainer *t, const nrg_moments *m, nrg_program *p, double *to, int64_t n);
void nrg_exact_numbers(nrg_trainer *t, const nrg_exact_block *b, double *w, bool put);
const char *nrg_exact_direction(nrg_arena *a, const nrg_param *q); // name of the input with the directions

// normal.c: w - H^-1 g, for all systems; g: gradient at w. Writes the weights.
nrg_status nrg_normal_step(nrg_trainer *t, nrg_exact_block *b, double *g, double *w);
// h[i]: second derivative along number i, for blocks of systems of one unknown.
nrg_status nrg_normal_curvature(nrg_trainer *t, nrg_exact_block *b, double *h);

// ahead.c: rounds that are nearly linear, looked ahead of. What is kept belongs to the state of a run.
enum { NRG_AHEAD_KEPT = 4 };
typedef struct {
    int64_t n;
    double *g, *step;      // [NRG_AHEAD_KEPT, n]: where the last rounds ended, and how far they went
    double *rounds, *kept; // pushed so far; of them still there
} nrg_ahead;
void nrg_ahead_push(nrg_ahead *a, const double *x, const double *g); // a round led from x to g
bool nrg_ahead_guess(const nrg_ahead *a, double *to);                // false: too few rounds
void nrg_ahead_forget(nrg_ahead *a);                                 // all but the last
#endif
