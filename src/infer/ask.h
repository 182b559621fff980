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
    const char *how;       // in words, once it was told
    void *raw[4];          // outputs of one run
    bool kept, planned;    // by asked.c; planned: not for the first time
    int said;              // messages before it was made
} nrg_asking;
nrg_status nrg_asking_open(nrg_asking *a, nrg_model *m, const nrg_store *store, const nrg_ask_spec *spec, int64_t piece);
nrg_status nrg_asking_plan(nrg_asking *a, const nrg_node *outputs, int n);
// A store in which the asked variable has these values: value k for sample row[k]. Lends all else.
nrg_status nrg_asking_values(nrg_model *m, const nrg_store *store, const nrg_ask_spec *spec, const int64_t *row, const double *at,
                             int64_t n, int64_t width, nrg_store **out);
nrg_status nrg_asking_view(nrg_asking *a, int64_t row);              // the store shows samples row, row + 1, ...
nrg_status nrg_asking_go(nrg_asking *a, int64_t n);                  // inner loops, then the graph
// All samples in pieces: output k has width[k] numbers a sample and goes, as double, to to[k]. status may be NULL.
nrg_status nrg_asking_pieces(nrg_asking *a, int outputs, const int64_t *width, double *const *to, const char **status);
void nrg_asking_marks(nrg_asking *a, int64_t n, const char **status); // exact, converged, max_steps or approx
void nrg_asking_rate(nrg_asking *a, const nrg_chain *c);             // what the chain's methods allow to be said
void nrg_asking_close(nrg_asking *a);

// asked.c: in `own`, newly opened, or as it was left when the same was asked before: then there is a run. nrg_asked_done ends either.
nrg_status nrg_asked_find(nrg_asking *own, nrg_model *m, const nrg_store *store, const nrg_ask_spec *spec, nrg_verb verb, int64_t piece,
                          nrg_asking **out);
void nrg_asked_done(nrg_asking *a, nrg_status s);

// straight.c: out of one graph, in closed form or by descent
nrg_status nrg_ask_straight(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec, nrg_answers *out);
// F of n samples whose variables `data` are in the store; may be infinite or not a number.
nrg_status nrg_energies_at(nrg_model *m, nrg_store *store, nrg_vars data, nrg_verb verb, int64_t n, int threads, double *energy);
nrg_status nrg_energies_asked(nrg_model *m, nrg_store *store, nrg_asked *k, nrg_vars data, nrg_verb verb, int64_t n, int threads,
                              double *energy);
// F where the asked variable has these values (see nrg_asking_values).
nrg_status nrg_energies_of(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec, const int64_t *row, const double *at, int64_t n,
                           int64_t width, double *F);

// minima.c: several distinct ones
nrg_status nrg_ask_minima(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec, const nrg_infer_stmt *st, nrg_answers *out);

// growth.c: far away along rays
// E060 when exp(-beta E) seems to have no finite sum over the asked variable, with energies at growing distances.
nrg_status nrg_growth_refused(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec);
// Marks converged answers as max_steps where the energy goes on falling beyond them; *fallen counts them.
nrg_status nrg_growth_falls(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec, nrg_answers *a, int64_t *fallen);

// listing.c: candidates one by one
nrg_status nrg_ask_listing(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec, nrg_answers *out);
#endif
