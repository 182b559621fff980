// train: data to variables, losses, optimisers, the training loop, runs on disk.
#ifndef NRG_TRAIN_H
#define NRG_TRAIN_H

#include "data/data.h"
#include "infer/infer.h"

// ---- bind.c: arrays to variables. Fits dims to the data (E050), finds arrays by name, --map and data statements (E051), turns labels
// into categories (E052), checks domains (E055), fits transforms (standardise, whiten) or applies stored ones.
typedef struct nrg_bound nrg_bound;
typedef struct {
    const char *const *maps; // "y=label"
    int maps_n;
    nrg_vars need;           // variables that must be found; others are bound when found
    bool fit;                // training: sizes and transforms are taken from these data; else they must agree with the stored ones
} nrg_bind_spec;
nrg_status nrg_bind_data(nrg_model *m, const nrg_table *table, nrg_store *store, const nrg_bind_spec *spec, nrg_bound **out);
void nrg_bound_free(nrg_bound *b);
int64_t nrg_bound_rows(const nrg_bound *b);
nrg_vars nrg_bound_vars(const nrg_bound *b);
// Binds the variables' nodes in a scope: inputs named as arrays, then the data statement's expression (x = pixels / 255).
nrg_status nrg_bound_nodes(const nrg_bound *b, nrg_scope *s);
nrg_node nrg_bound_weight(const nrg_bound *b, nrg_scope *s); // row weights, or the constant 1
// Points the store's array buffers at these rows (NULL: 0..n-1).
nrg_status nrg_bound_rows_set(const nrg_bound *b, nrg_store *store, const int64_t *rows);

// ---- train.c
typedef struct nrg_trainer nrg_trainer;
typedef struct {
    uint64_t seed;
    int threads;
    bool f64;
    double valid;              // fraction held out, 0: none
    const nrg_table *valid_table;
    const char *out;           // run directory, NULL: none
    bool resume, overwrite;
    const char *init;          // weights file to start from, or NULL
    double seconds;            // time limit, 0: none
    double checkpoint_seconds; // 0: 300
    const char *const *maps;
    int maps_n;
    const char *argv;          // for run.json
} nrg_train_options;
typedef struct {
    int64_t epoch, epochs, step, steps; // steps: in this epoch
    double fraction;                    // of the epoch
    double loss, pos, neg, free, gap, norm, lr;
    double valid_loss;                  // NaN: none
    bool best, epoch_end;
    double seconds, eta, samples_per_second;
} nrg_progress;
typedef bool (*nrg_progress_fn)(void *ud, const nrg_progress *p); // false: stop, write a checkpoint, return E093

nrg_status nrg_trainer_new(nrg_model *m, const nrg_table *table, const nrg_train_options *o, nrg_trainer **out);
nrg_status nrg_trainer_go(nrg_trainer *t, nrg_progress_fn fn, void *ud);
void nrg_trainer_plan(const nrg_trainer *t, nrg_text *out); // the three lines before training: model, plan, data
nrg_store *nrg_trainer_store(nrg_trainer *t);               // weights by name
void nrg_trainer_free(nrg_trainer *t);

// ---- weights.c: weights files are safetensors with the model text, dims, labels, beta, version and data hash as metadata.
nrg_status nrg_weights_save(const nrg_model *m, const nrg_store *store, const char *path);
// Loads model text and weights from a run directory, a .safetensors or a .nrgm file.
nrg_status nrg_weights_load(nrg_ctx *c, const char *path, bool best, const char *const *stmts, int stmts_n, nrg_model **m, nrg_store **store);
nrg_status nrg_weights_init(nrg_model *m, nrg_store *store, const nrg_bound *data, uint64_t seed); // by init rules
nrg_status nrg_weights_from(nrg_model *m, nrg_store *store, const char *path);                     // --init: names and shapes must agree, E057

// ---- report.c: the metrics of `report`: error accuracy mse mae nll energy reconstruction... one number each.
nrg_status nrg_report(nrg_model *m, nrg_store *store, const nrg_bound *data, int threads, nrg_text *csv_header, nrg_text *csv_row);
#endif
