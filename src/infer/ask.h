// Insides of asking: one graph for a question, run over pieces of the samples.
#ifndef NRG_INFER_ASK_H
#define NRG_INFER_ASK_H

#include "infer/inside.h"

typedef struct {
    nrg_model *model;
    const nrg_store *from;
    nrg_store *store;      // the piece's view, with what inner loops make
    const nrg_ask_spec *spec;
    nrg_graph *graph;
    nrg_scope *scope;
    nrg_inference *inference;
    nrg_plan *plan;
    nrg_run *run;
    int64_t piece;         // samples a run
    const char *status;    // of every sample, unless something iterates
    bool iterates;
} nrg_asking;
nrg_status nrg_asking_open(nrg_asking *a, nrg_model *m, const nrg_store *store, const nrg_ask_spec *spec, int64_t piece);
nrg_status nrg_asking_plan(nrg_asking *a, const nrg_node *outputs, int n);
nrg_status nrg_asking_view(nrg_asking *a, int64_t row);              // the store shows samples row, row + 1, ...
nrg_status nrg_asking_go(nrg_asking *a, int64_t n);                  // inner loops, then the graph
void nrg_asking_marks(nrg_asking *a, int64_t n, const char **status); // exact, converged, max_steps or approx
void nrg_asking_rate(nrg_asking *a, const nrg_chain *c);             // what the chain's methods allow to be said
void nrg_asking_close(nrg_asking *a);

// listing.c: candidates one by one
nrg_status nrg_ask_listing(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec, nrg_answers *out);
#endif
