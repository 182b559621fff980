// train: data to variables, losses, optimisers, the training loop, runs on disk.
#ifndef NRG_TRAIN_H
#define NRG_TRAIN_H

#include "data/data.h"
#include "infer/infer.h"

// ---- bind.c: arrays to variables. Fits dims to the data (E050), finds arrays by name, --map and data statements (E051), turns labels
// into categories (E052), checks domains (E055), fits transforms (standardise, whiten) or applies those in the store.
// In the store: a variable bound to an array as it is lies under the variable's name; arrays that data statements compute with
// under "array:NAME"; lengths under "length:DIM"; fitted transforms under "standardise:NAME:mean" and ":sd", "whiten:NAME:mean" and
// ":matrix"; row weights under "train:weight".
typedef struct nrg_bound nrg_bound;
typedef struct {
    const char *const *maps; // "y=label", "y=label-1"; the left side may also be an array that a data statement names
    int maps_n;
    nrg_vars need;           // variables that must be found; others are bound when found
    bool fit;                // training: sizes, labels and transforms are taken from these data; else they must agree with the stored ones
    int threads;             // for computing data statements while checking; 0: 1
} nrg_bind_spec;
nrg_status nrg_bind_data(nrg_model *m, const nrg_table *table, nrg_store *store, const nrg_bind_spec *spec, nrg_bound **out);
void nrg_bound_free(nrg_bound *b);
int64_t nrg_bound_rows(const nrg_bound *b);
nrg_vars nrg_bound_vars(const nrg_bound *b);
// Binds the variables' nodes in a scope: inputs named as above, then the data statement's expression (x = pixels / 255).
nrg_status nrg_bound_nodes(const nrg_bound *b, nrg_scope *s);
nrg_node nrg_bound_weight(const nrg_bound *b, nrg_scope *s); // row weights, or the constant 1
// Points the store's array buffers at these rows (NULL: 0..n-1).
nrg_status nrg_bound_rows_set(const nrg_bound *b, nrg_store *store, const int64_t *rows);
// The same for n rows, and computes the data statements of `vars`, so that each of them lies in the store under its own name:
// what nrg_ask and nrg_energy_of read.
nrg_status nrg_bound_values(const nrg_bound *b, nrg_store *store, nrg_vars vars, const int64_t *rows, int64_t n);
// Numbers of one variable for n rows as double, [n, event].
nrg_status nrg_bound_numbers(const nrg_bound *b, nrg_store *store, int32_t var, const int64_t *rows, int64_t n, double *to);

// ---- collapse.c: has training made the energy the same for every answer?
typedef struct {
    bool known;             // false: there are no wrong answers to compare with
    bool collapsed;
    double spread, fresh;   // root mean square of F(wrong) - F(right), now and at fresh weights
    double above;           // share of the wrong answers that lie above the right one
    double loss, flat_loss; // at these energies, and the least that a flat energy has; NaN: the loss has no plane
    int64_t rows, answers;  // samples looked at, wrong answers for each
    uint32_t learn;         // the statement at fault
    int64_t epoch, since;   // while training: when this was measured; since which look it is collapsed
} nrg_collapse;
nrg_status nrg_collapse_measure(nrg_model *m, const nrg_store *store, const nrg_bound *data, const int64_t *rows, int64_t n,
                                int threads, nrg_collapse *out);

// ---- train.c
typedef struct nrg_trainer nrg_trainer; // options and progress: nrg.h
nrg_status nrg_trainer_steps(const nrg_trainer *t, nrg_text *out); // plans of an update, and of a step of the chains that it draws by
nrg_status nrg_trainer_new(nrg_model *m, const nrg_table *table, const nrg_train_options *o, nrg_trainer **out);
nrg_status nrg_trainer_go(nrg_trainer *t, nrg_progress_fn fn, void *ud);
void nrg_trainer_plan(const nrg_trainer *t, nrg_text *out); // the three lines before training: model, plan, data
nrg_store *nrg_trainer_store(nrg_trainer *t);               // weights by name
void nrg_trainer_free(nrg_trainer *t);

// ---- weights.c: weights files are safetensors with the model text, dims, labels, beta, version and data hash as metadata.
// Loading takes two steps, because the text must become a model in between (lang is not seen from here):
//     nrg_weights_open(c, "run/", true, &w);  nrg_lang_load(c, "model.nrg", nrg_weights_text(w), ...&m);
//     nrg_store_new(c, nrg_weights_type(w), &store);  nrg_weights_apply(w, m, store);
typedef struct nrg_weights nrg_weights;
// A run directory (`best`: its best.safetensors where there is one), a .safetensors or a .nrgm file.
nrg_status nrg_weights_open(nrg_ctx *c, const char *path, bool best, nrg_weights **out);
void nrg_weights_free(nrg_weights *w);
const char *nrg_weights_text(const nrg_weights *w);                  // the model; NULL: none stored
const char *nrg_weights_meta(const nrg_weights *w, const char *key); // version machine beta dims labels rows data_hash epoch; NULL: none
nrg_dtype nrg_weights_type(const nrg_weights *w);                    // of the weights as stored
// Sizes and labels that came from the data, then nrg_model_resolve, then weights and fitted transforms into the store (E057).
nrg_status nrg_weights_apply(const nrg_weights *w, nrg_model *m, nrg_store *store);
nrg_status nrg_weights_sizes(const nrg_weights *w, const char *use, nrg_model *m); // sizes and labels alone; of what it uses as "young"
nrg_status nrg_weights_lend(const nrg_weights *w, nrg_model *m); // as apply, but values go into nrg_param.values: m will be used by another
nrg_status nrg_weights_save(const nrg_model *m, const nrg_store *store, const char *model_text, const char *path);
// By init rules; rows: the n of `data` that are for training, NULL: all.
nrg_status nrg_weights_init(nrg_model *m, nrg_store *store, const nrg_bound *data, const int64_t *rows, int64_t n, uint64_t seed);
nrg_status nrg_weights_from(nrg_model *m, nrg_store *store, const char *path);                     // --init: names and shapes must agree, E057

// ---- report.c: the metrics of `report`: error accuracy mse mae nll energy reconstruction... one number each.
nrg_status nrg_report(nrg_model *m, nrg_store *store, const nrg_bound *data, int threads, nrg_text *csv_header, nrg_text *csv_row);
#endif
