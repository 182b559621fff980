// What a loss does over the plane of (pos, neg): its values and slopes, and the lectures' sufficient conditions there.
#ifndef NRG_TRAIN_VERDICT_H
#define NRG_TRAIN_VERDICT_H

#include "model/model.h"

// The atoms of learn statement `learn` as functions of two numbers: the energy of the right answer (pos) and of the most
// offending wrong one (neg). lowest is the smaller of the two, free their free energy at the model's beta.
typedef struct {
    nrg_ctx *ctx;
    nrg_graph *g;
    nrg_scope *scope;
    nrg_node out[3];       // value, dL/dpos, dL/dneg
    const double **inputs; // by slot
    double *numbers;       // values of scheduled hyper-parameters, by slot
    uint32_t slots;
    int32_t pos, neg;      // slots, -1: folded away
    nrg_arena arena;
} nrg_plane;
// E071 when the statement reads variables beside the energies (a margin that depends on the answer).
nrg_status nrg_plane_new(nrg_model *m, uint32_t learn, nrg_plane *out);
void nrg_plane_free(nrg_plane *p);
// n points; each result is [n].
nrg_status nrg_plane_eval(const nrg_plane *p, int64_t n, const double *pos, const double *neg, double *value, double *dpos, double *dneg);
nrg_status nrg_plane_verdict(const nrg_plane *p, nrg_verdict *out);
#endif
