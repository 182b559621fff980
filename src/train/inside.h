// Insides of the train room: programs (a graph that runs), losses, groups of weights, the trainer, runs on disk.
#ifndef NRG_TRAIN_INSIDE_H
#define NRG_TRAIN_INSIDE_H

#include "train/train.h"
#include "infer/sample.h"

#ifdef NRG_STRESS
enum { NRG_CHUNK = 7 };
#else
enum { NRG_CHUNK = 8192 }; // rows a pass over the full set takes at a time: bounds the memory of whole-set methods
#endif

// ---- numbers.c: buffers of a store as doubles and back
void nrg_numbers_get(const nrg_buffer *b, double *to, int64_t n);
void nrg_numbers_put(const nrg_buffer *b, const double *from, int64_t n);
nrg_status nrg_number_set(nrg_store *s, const char *name, double value); // a single number, made at first use

// ---- draws.c: chains that stand for `free` where a sum is out of reach. One source for each such atom.
// A sample of the batch takes `many` ladders of chains, a ladder `ladder.levels` lanes: the first at heat 1, whose place is the draw.
typedef struct {
    nrg_chains *chains;
    const nrg_bound *bound;
    const nrg_infer_stmt *stmt;
    const char *prefix;                 // of the chains' states in the store
    nrg_vars vars, over, given;         // drawn; of them those of the atom; held at the data
    int64_t steps, slots, batch, pass;  // slots: ladders of the buffer, 0: none is kept
    int64_t many, each;                 // ladders, lanes of a sample
    bool beside;                        // latents drawn beside the data
    double restart;                     // share of the ladders that start anew at each update
    int n;
    int32_t var[NRG_MAX_VARS];
    const char *slot[NRG_MAX_VARS];     // the buffer in the store: [slots, levels, count]
    const char *draw[NRG_MAX_VARS];     // the draws in the store: [batch, many, count]
    double *age;                        // [slots, levels] steps since the start
    int64_t *lane, *order, *row;        // chain of a lane; this pass over the slots; row of the data of a lane
    nrg_ladder ladder;
    nrg_pace pace;
    void *energy;                       // room for [lanes]
    int64_t drawn;                      // draws of the last update
    double *noted;                      // mixing.c: places of some chains at their last visits; NULL: no buffer is kept
    int64_t noted_n;
    nrg_update *within;                 // the chains' states as the program itself moves them; NULL: they move before it runs
    nrg_node sum;                       // of F at the draws over the batch
    double level;                       // mean of F at the draws over the last epoch
    nrg_chains_score score;
    double moved;                       // share of the chains that moved in the last update
} nrg_drawing;

enum { NRG_SEEN_POS, NRG_SEEN_NEG, NRG_SEEN_FREE, NRG_SEEN_COUNT };

// ---- queue.c: answers of earlier rows as wrong ones. All of it lies in the store.
typedef struct {
    int64_t size;                   // rows that are kept
    const char *rows;               // their numbers plus one, 0: none yet; behind them the place that is written next
    int n;
    nrg_node truth[NRG_MAX_VARS];   // answers of the batch
    const char *last[NRG_MAX_VARS]; // where the step leaves them: [batch, count]
    const char *ring[NRG_MAX_VARS]; // [size, count]
    int64_t count[NRG_MAX_VARS];
} nrg_queue;

// ---- program.c: a graph with what it needs to run.
// What an atom that needs draws becomes: it is refused; energies at draws made before each run; the number `level` of before.
typedef enum { NRG_DRAWS_NONE, NRG_DRAWS_LIVE, NRG_DRAWS_LEVEL } nrg_draws_mode;
typedef struct {
    nrg_graph *g;
    nrg_scope *scope;
    nrg_inference *inf;
    nrg_plan *plan;
    nrg_run *run;
    nrg_node *outputs;
    double *values;     // outputs as doubles, one after the other
    void *raw;          // the same in the graph's type
    int64_t *offset;    // of output i; offset[outputs_n]: all
    int outputs_n;
    size_t bytes;
    nrg_arena arena;
    nrg_draws_mode draws_mode;
    nrg_products drawn;                 // of the chains; FULL: as the store's type says
    bool remedies;                      // the loss and its gradients have the terms that nrg_remedies_set turns on
    int64_t batch;
    int threads;
    NRG_LIST(nrg_drawing *) draws;
    NRG_LIST(nrg_queue *) queues;
    uint32_t levels;             // atoms of NRG_DRAWS_LEVEL so far
    bool seen[NRG_SEEN_COUNT];   // which atoms are among the outputs
    bool judge;                  // approximate searches for wrong answers are compared with denser ones
    nrg_node missed;             // how many of them found something that costs more, over the batch; NRG_BAD: nothing is approximate
    int searches;                // a row
} nrg_program;
nrg_status nrg_program_new(nrg_model *m, nrg_dtype type, const nrg_infer_options *o, nrg_program *out);
// Outputs must not have the sample axis. After this the program can run.
nrg_status nrg_program_plan(nrg_program *p, nrg_node *outputs, int n, const nrg_update *updates, int updates_n, int64_t batch, int threads);
nrg_status nrg_program_go(nrg_program *p, nrg_store *s, int64_t n, uint64_t seed, uint32_t step);
void nrg_program_free(nrg_program *p);

// watch.c
void nrg_watch_step(nrg_trainer *t);
void nrg_watch_fill(const nrg_trainer *t, nrg_progress *p);
void nrg_watch_epoch(nrg_trainer *t, const nrg_progress *p); // W107, W110
void nrg_watch_slope(const nrg_trainer *t, const nrg_progress *p); // W109
bool nrg_watch_calm(const nrg_trainer *t, double gap);        // these weights may be kept as the best
nrg_status nrg_watch_gap(nrg_trainer *t, double gap);         // E080
bool nrg_rescue(nrg_trainer *t, int first_message);           // after E080: true, W108: go on
nrg_status nrg_remedies_set(nrg_trainer *t);                 // what the rescues so far have turned on
void nrg_best_back(nrg_trainer *t);                           // the best weights are the weights

// mixing.c
nrg_status nrg_mixing_open(nrg_arena *a, nrg_drawing *d);
void nrg_mixing_note(nrg_drawing *d, const nrg_store *s, int64_t lanes);
nrg_status nrg_mixing_look(const nrg_trainer *t, nrg_progress *p); // at the end of an epoch

// queue.c
nrg_status nrg_queues_open(nrg_trainer *t, nrg_program *p); // what the step must leave behind, what a resumed run needs
void nrg_queues_push(nrg_trainer *t, const nrg_program *p, const int64_t *rows, int64_t n); // after a step

// propose.c: a module that picks the draws
bool nrg_proposers(const nrg_model *m);
bool nrg_proposed(const nrg_model *m, const nrg_atom *a);
nrg_status nrg_proposal_energy(nrg_program *p, uint32_t learn, const nrg_atom *a, nrg_node *out);

bool nrg_draws_wanted(const nrg_model *m, const nrg_atom *a);
nrg_status nrg_draws_open(nrg_program *p, const nrg_bound *b, nrg_store *store, uint32_t learn, const nrg_atom *a, int64_t many, nrg_drawing **out);
nrg_status nrg_draws_level(nrg_program *p, nrg_store *store, nrg_node *F); // NRG_DRAWS_LEVEL: in place of F at draws
void nrg_draws_close(nrg_drawing *d);
nrg_status nrg_draws_energy(nrg_program *p, nrg_drawing *d, nrg_node *F);
nrg_status nrg_draws_fill(nrg_model *m, nrg_drawing *d, nrg_store *s, uint64_t seed); // the buffer's first chains
nrg_node nrg_draws_place(const nrg_program *p, const nrg_drawing *d, int i, nrg_shape shape); // draws of its variable i, of this shape
nrg_status nrg_draws_go(nrg_model *m, nrg_drawing *d, nrg_store *s, const int64_t *rows, int64_t n, uint64_t seed, int64_t step); // before each run
nrg_status nrg_draws_took(nrg_model *m, nrg_drawing *d, nrg_store *s, int64_t step); // after it
nrg_status nrg_draws_steps(const nrg_drawing *d, nrg_text *out);        // the plan of a step of its chains
double nrg_draws_age(const nrg_drawing *d);                             // mean number of steps of a chain since its start
nrg_status nrg_draws_print(const nrg_drawing *d, nrg_text *out);

// ---- criteria.c: atoms that read slopes, curvature, neighbours or noise
bool nrg_criteria_draw(const nrg_model *m); // some atom needs random numbers of its rows
nrg_status nrg_criterion(nrg_program *p, const nrg_bound *b, nrg_store *store, uint32_t learn, const nrg_atom *a, nrg_node *out);

// ---- loss.c: the learn statements over one batch
typedef struct {
    nrg_node sample; // loss of a sample times its row weight (sample axis), or NRG_BAD: nothing depends on samples
    nrg_node once;   // regularisers, or NRG_BAD
    nrg_node sum;    // sum of `sample` over the batch; the mean is sum * (input train:scale)
    nrg_node seen[NRG_SEEN_COUNT]; // sums of atoms over the batch, for the progress line; NRG_BAD where there is none
} nrg_loss;
// `held`: energies are surrogates with held probabilities, for closed forms.
nrg_status nrg_loss_build(nrg_program *p, const nrg_bound *b, nrg_store *store, bool held, nrg_loss *out);
nrg_vars nrg_loss_data(const nrg_model *m); // variables that must be in the data
// What the loss needs that moves with training: scheduled hypers, spheres around the data.
nrg_status nrg_loss_clock(const nrg_model *m, nrg_store *store, double t);

// ---- against.c: wrong answers, the atom `neg`
bool nrg_against_batch(const nrg_model *m); // is a row compared with the others of its minibatch?
bool nrg_against_noise(const nrg_model *m); // do wrong answers ask for the numbers of rows: are they drawn, or earlier rows?
nrg_status nrg_missed_watch(nrg_trainer *t); // missed.c: after an epoch; how many offenders were missed
nrg_status nrg_against_clock(const nrg_model *m, nrg_store *store, double t);

// ---- groups.c: optimize statements
typedef struct nrg_optim nrg_optim;
typedef struct {
    const nrg_optim *way;
    const nrg_optimize *stmt;
    uint32_t *param, params; // indices of m->params
    int64_t size;            // numbers in all
    double momentum, decay, beta1, beta2, eps, clip, tol;
    const nrg_expr *lr;      // NULL: lr_value
    double lr_value, lr_now;
    const char *number[3];   // names of the numbers that it sets for every step
    int64_t epochs, history, order; // order: place among the groups
    bool done;               // a whole-set method has converged
    void *own;
} nrg_team;

// Arrays beside the weights that a resumed run needs, with their names in the store or their own memory.
typedef struct { const char *name; double *at; int64_t n; } nrg_state; // at NULL: in the store


struct nrg_optim {
    const char *name;
    bool whole; // one round over the full set an epoch; else a part of every minibatch step
    nrg_status (*make)(nrg_trainer *t, nrg_team *gr);
    // minibatch: the new value of a weight with gradient `grad`; pushes updates of its own states
    nrg_status (*step)(nrg_trainer *t, nrg_team *gr, nrg_graph *g, uint32_t param, nrg_node w, nrg_node grad, nrg_node *out);
    nrg_status (*clock)(nrg_trainer *t, nrg_team *gr, int64_t step); // numbers that change with the step
    nrg_status (*round)(nrg_trainer *t, nrg_team *gr);               // whole
    void (*print)(const nrg_trainer *t, const nrg_team *gr, nrg_text *out); // what is special, for the plan; NULL: nothing
    void (*drop)(nrg_trainer *t, nrg_team *gr);
};
#define NRG_OPTIMIZER(name, args, doc) extern const nrg_optim nrg_optim_##name;
#include "model/optimizers.def"

nrg_status nrg_teams_make(nrg_trainer *t);
nrg_status nrg_team_number(nrg_trainer *t, const nrg_team *gr, const char *name, double *out, bool *given);
nrg_status nrg_team_lr(nrg_trainer *t, nrg_team *gr, double clock);
// A state array of a weight, zeroed, in the store under "opt:WHAT:NAME"; saved with checkpoints.
nrg_status nrg_state_make(nrg_trainer *t, const char *what, uint32_t param, const char **name);
nrg_status nrg_state_own(nrg_trainer *t, const char *name, double *at, int64_t n);
nrg_status nrg_update_put(nrg_trainer *t, nrg_node state, nrg_node value);

// ---- project.c: weights back into their domain
nrg_node nrg_weight_project(nrg_graph *g, const nrg_param *p, nrg_node w);
// L^-1 W with L L' = W W'; twice, because the first time loses half of the digits where W is badly conditioned.
nrg_node nrg_rows_orthonormal(nrg_graph *g, nrg_node w, int times);
nrg_status nrg_weights_project(nrg_model *m, nrg_store *s);
nrg_status nrg_team_project(nrg_trainer *t, const nrg_team *gr);

// ---- spectral.c: a bounded largest singular value
nrg_node nrg_spectral_project(nrg_graph *g, const nrg_domain *d, nrg_node w); // to the digits of its type, whatever w was
nrg_status nrg_spectral_step(nrg_trainer *t, nrg_program *p, uint32_t param, nrg_node w, nrg_node *out); // from step to step, cheaply

// ---- the trainer
enum { NRG_SOURCES = 8 };
typedef struct {
    double loss, seen[NRG_SEEN_COUNT], norm, weight; // sums over the epoch so far; weight: samples
    double level[NRG_SOURCES];                       // of F at the draws
    double moved, acceptance, looks;                 // of the chains, summed over updates
    double step, paced, tried, taken;                // step sizes that are learned, how many; exchanges between heats
} nrg_sums;
// ---- held.c: what closed forms hold (best latents, probabilities), for all rows
typedef struct nrg_held nrg_held;

// What a closed form learns from the pass that takes the loss: `outputs` nodes of sums over samples, then as many of the regularisers.
typedef struct {
    nrg_status (*build)(nrg_trainer *t, void *own, nrg_program *p, const nrg_loss *l, nrg_node *out); // NULL: nothing
    void *own;
    int outputs;
    int64_t n;    // numbers of `outputs` nodes
    double *mean; // [n] after a pass: means over samples plus the regularisers' part
    double *sum;  // all that the pass gives
} nrg_along;

struct nrg_trainer {
    nrg_ctx *ctx;
    nrg_arena arena;
    nrg_model *m;
    const nrg_table *table;
    nrg_train_options o;
    nrg_store *store;
    nrg_bound *bound, *valid_bound;
    int64_t *rows, rows_n;       // training rows
    int64_t seen_rows;           // those that an epoch goes through, where others stand for them; else 0
    int64_t *valid, valid_n;     // validation rows
    int64_t *order, *batch_rows; // this epoch's order; rows of the current batch
    nrg_dtype type, drawn; // of the step; of the chains that it draws from
    NRG_LIST(nrg_team) teams;
    NRG_LIST(nrg_state) states;
    NRG_LIST(nrg_update) updates; // while the step is built
    nrg_program judge;                 // missed.c
    int64_t missed, judged;            // searches that missed the offender when last looked at; of how many (0: never)
    nrg_program step, value, held_out; // minibatch step; loss of a pass over training rows, over validation rows
    nrg_held *held;               // what closed forms hold, or NULL: written by `value`
    nrg_along along;              // what `value` has besides the loss
    bool seen[NRG_SEEN_COUNT];
    int64_t batch, epochs, epoch, at, steps, total; // at: next step in this epoch; steps an epoch; total: done so far
    double mean_weight, best_loss, valid_loss;
    nrg_sums sums;
    double seconds;               // spent before this session
    double started, saved, shown; // clock marks
    uint64_t hash;
    void *best;                   // copy of the best weights, or NULL
    int64_t best_n, best_epoch, ordered;      // ordered: the epoch whose order lies in `order`, plus one
    size_t best_bytes;
    bool best_fresh, stopped;     // best_fresh: not on disk yet
    double first_step;            // steps done before this session
    double calm, slow;            // gap of the first update, then mean gap of the first epoch, at least 1; factor of the learning rate
    double slope;                 // norm of the gradient in the first update, then its mean over the last calm epoch
    int rescues;
    bool stuck, same;             // W107, W110 were said
    nrg_collapse collapse;        // as last looked at
    nrg_progress_fn fn;
    void *ud;
};
double nrg_clock(void);
nrg_status nrg_value_build(nrg_trainer *t, nrg_program *p, const nrg_bound *b, int64_t n);
// Loss over rows by a program with outputs {sum, once, seen...}: mean of samples plus regularisers.
nrg_status nrg_pass_loss(nrg_trainer *t, nrg_program *p, const nrg_bound *b, const int64_t *rows, int64_t n, double *loss);
// Loss and gradient of the weights of a group over the training rows; decay of the group included. grad: [size]
nrg_status nrg_pass_grad(nrg_trainer *t, nrg_team *gr, nrg_program *p, double *loss, double *grad);
void nrg_team_get(const nrg_trainer *t, const nrg_team *gr, double *w);
void nrg_team_put(nrg_trainer *t, const nrg_team *gr, const double *w);
nrg_status nrg_step_build(nrg_trainer *t);
nrg_status nrg_step_go(nrg_trainer *t, const int64_t *rows, int64_t n);
nrg_status nrg_diverged(nrg_trainer *t, nrg_program *p, int64_t n);

// held.c -- room for what the loss `sample` of a program holds, where it fits; t->held is then set
nrg_status nrg_held_make(nrg_trainer *t, nrg_program *p, nrg_node sample);
void nrg_held_free(nrg_trainer *t);
nrg_status nrg_held_read(nrg_program *p, nrg_node *sample); // `sample` with what it holds read from there; right after it was built
nrg_status nrg_held_write(nrg_program *p, nrg_node sample, nrg_update **out, int *count); // updates that put it there
nrg_status nrg_held_rows(nrg_trainer *t, const int64_t *rows); // the samples of the next run

// ---- collapse.c
nrg_status nrg_collapse_watch(nrg_trainer *t); // at the end of an epoch
nrg_status nrg_collapse_end(nrg_trainer *t);   // at the end of the run: W106

// ---- rundir.c: files of a run
const char *nrg_products_name(const nrg_trainer *t); // for run.json, checkpoints and the first lines
nrg_status nrg_run_open(nrg_trainer *t);
nrg_status nrg_run_begin(nrg_trainer *t); // model.nrg, run.json, the head of log.csv
nrg_status nrg_run_log(nrg_trainer *t, const nrg_progress *p);
nrg_status nrg_run_save(nrg_trainer *t, bool best); // weights.safetensors and state.safetensors, or best.safetensors
nrg_status nrg_run_save_weights(nrg_trainer *t);     // weights.safetensors alone
nrg_status nrg_run_load(nrg_trainer *t);            // --resume
nrg_status nrg_run_end(nrg_trainer *t, nrg_status s);

// weights.c
nrg_status nrg_weights_save_as(const nrg_model *m, const nrg_store *store, const char *text, const char *path, const nrg_meta *more, int more_n,
                               const nrg_tensor *extra, int extra_n);
void nrg_machine(nrg_text *out); // processor family and what it can do, for warnings on --resume
nrg_status nrg_tensor_load(nrg_ctx *c, const nrg_tensor *t, nrg_store *store);
nrg_status nrg_bound_hide(const nrg_bound *b, nrg_scope *s); // hide.c: what seen(v) and hidden(v) are while training
double nrg_bound_weight_of(const nrg_bound *b, int64_t row);
#endif
