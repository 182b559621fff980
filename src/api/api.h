// api: the public functions of nrg.h over lang, train, infer, data and plot. Private header of this room.
#ifndef NRG_API_H
#define NRG_API_H

#include "infer/infer.h"
#include "lang/lang.h"
#include "model/model.h"
#include "plot/plot.h"
#include "train/train.h"

struct nrg_ebm {
    nrg_ctx *ctx;
    nrg_arena arena; // copies of the options
    nrg_model *model;
    nrg_store *store;     // weights and bound arrays; the trainer's own while there is one
    nrg_trainer *trainer; // or NULL
    bool started;         // the weights have values
    nrg_products products;
    bool draws_only; // products are for the draws of a training alone
    const char **maps;
    int maps_n, threads;
    uint64_t seed;
    bool f64;
    nrg_asked *asked; // what was made for questions
    nrg_text said; // the last text given out
    nrg_text more; // the second text of the same call
};

// ebm.c
nrg_status nrg_api_text(nrg_ebm *m, const char **text); // gives m->said out, or E098
void nrg_api_clear(nrg_text *t);
nrg_status nrg_api_var(const nrg_ebm *m, const char *name,
                       int32_t *out); // E011 with the nearest name

// use.c -- how used models are opened: their copy in the run that is being loaded (kept), else their own file.
typedef struct {
    const nrg_weights *w;
    const char *in; // "young:" inside the model used as young
} nrg_kept;
nrg_status nrg_api_use(void *kept, nrg_ctx *c, const char *name, const char *path, const nrg_using *by, nrg_model **out);
bool nrg_api_trained(const char *path); // a run folder or a file of weights

// values.c -- data as the energy sees them: a buffer in the store for each variable, under its name.
typedef struct {
    nrg_bound *bound;
    nrg_vars vars;
    int64_t rows;
} nrg_values;
// need: variables that must be found (E051). Starts the model's weights when it has none and needs none from training.
nrg_status nrg_values_make(nrg_ebm *m, const nrg_table *t, nrg_vars need, nrg_values *out);
void nrg_values_free(nrg_values *v);
nrg_vars nrg_api_visible(
    const nrg_ebm *m); // variables of the energy that data may hold: given and predicted
nrg_vars nrg_api_found(const nrg_ebm *m, const nrg_table *t,
                       nrg_vars among);                   // those whose array is in the table
nrg_status nrg_api_ready(nrg_ebm *m, const nrg_table *t); // sizes known, weights have values

// sample.c -- what is drawn: those named; else those of the sample statements; else the predicted ones that are not in the data.
nrg_status nrg_api_drawn(nrg_ebm *m, const nrg_table *data, const char *const *vars, int n, nrg_vars *drawn, nrg_vars *held);

// buffer.c -- where the chains stand that training kept in folder `run`: [chains, width] by variable, in the arena. E051: none are kept.
nrg_status nrg_api_buffer(nrg_ebm *m, const char *run, nrg_vars vars, int64_t chains, nrg_arena *a, const double **kept);

// picture_chains.c -- autocorrelations of every number, the slowest first: a table of `rows` rows of the data, `each` draws a chain.
nrg_status nrg_api_autocorrelation(nrg_ctx *c, const nrg_table *draws, int64_t rows, int64_t each, int64_t top, bool json, nrg_text *out);

// ask.c
// seen(v) are these numbers [n, event], of which those that are no numbers are hidden; where v is hidden by noise all are. Puts them into the
// store for nrg_ask_spec.seen; they must outlive it, as must `hidden`, of the same size.
nrg_status nrg_api_seen(nrg_ebm *m, int32_t var, double *seen, double *hidden, int64_t numbers);
bool nrg_api_hides(const nrg_ebm *m, int32_t var);
void nrg_api_cell(nrg_text *t, const char *const *labels, int64_t n, double v, nrg_form form); // a label, or a number
nrg_text *nrg_reply_said(nrg_reply *r);
nrg_ctx *nrg_reply_ctx(const nrg_reply *r);
#endif
