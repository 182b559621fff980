// Moments in place of the data. Where the loss of a sample is of degree two in what it reads of the data, its mean over the samples is
// fixed by their mean and covariance. So D + 1 points that have both take the place of the samples, and rounds cost what D + 1 rows cost.
#ifndef NRG_TRAIN_MOMENTS_H
#define NRG_TRAIN_MOMENTS_H

#include "train/inside.h"

typedef struct {
    nrg_program found;  // the graph in which the atoms were found
    nrg_node *atom;     // what the loss reads of a sample: nodes made of its data alone
    uint32_t atoms;
    int64_t *from;      // [atoms + 1] place of atom k among all numbers
    bool still;         // no latents: what the loss is does not move with the weights
    bool fine;          // products of the data in double
    int64_t points;     // 0: not made yet
    void *at;           // [from[k] * points, ...]: atom k at the points, in the type of the graphs that read them
    size_t bytes;
    nrg_program value;  // the loss alone
    bool seen[NRG_SEEN_COUNT];
    void *codes;        // what is held at the points while rounds are started, or NULL
    size_t codes_bytes;
} nrg_moments;

// NULL in *out: the loss is not of degree two, or the data have fewer rows than moments would save.
nrg_status nrg_moments_find(nrg_trainer *t, nrg_moments **out);
void nrg_moments_free(nrg_moments *m);
nrg_status nrg_moments_make(nrg_trainer *t, nrg_moments *m); // the pass over the data; nothing when it is done
nrg_dtype nrg_moments_type(const nrg_trainer *t, const nrg_moments *m);                                     // of graphs that read the points
nrg_status nrg_moments_swap(const nrg_trainer *t, const nrg_moments *m, nrg_program *p, nrg_node *loss); // a loss of p reads them from now on
// The loss as outputs of p, at most NRG_MOMENTS_OUT, and what they mean once p has run: values is where they lie.
enum { NRG_MOMENTS_OUT = 2 + NRG_SEEN_COUNT };
nrg_status nrg_moments_outputs(nrg_trainer *t, nrg_moments *m, nrg_program *p, nrg_node *out, int *n);
double nrg_moments_read(nrg_trainer *t, const nrg_moments *m, const double *values);
nrg_status nrg_moments_loss(nrg_trainer *t, nrg_moments *m, double *loss); // by a program of its own
nrg_status nrg_moments_row(const nrg_moments *m, nrg_program *p, nrg_node *y);  // all that is read of a sample, less its mean, as one row

// principal.c: what `sample`, a loss of p at the points, holds is written as principal components, for programs that read it (held.c).
nrg_status nrg_principal_codes(nrg_trainer *t, nrg_moments *m, nrg_program *p, nrg_node sample, bool *made);
void nrg_principal_free(nrg_moments *m);

#endif
