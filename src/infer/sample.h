// Drawing from exp(-beta E): chains are the sample axis of one step graph, planned once and run many times.
#ifndef NRG_INFER_SAMPLE_H
#define NRG_INFER_SAMPLE_H

#include "infer/infer.h"

// ---- health.c: what a set of chains says about itself. draws: [chains, n], one number each.
// Vehtari, Gelman, Simpson, Carpenter, Buerkner (2021), "Rank-normalization, folding, and localization".
typedef struct {
    double rhat;       // rank-normalised split R-hat, the larger of plain and folded; NaN below 4 draws a chain
    double bulk, tail; // effective sample sizes; NaN below 4 draws a chain
    double mean;       // that of the mean: mean +- sd / sqrt(it)
} nrg_health;
nrg_status nrg_health_of(nrg_ctx *c, const double *draws, int64_t chains, int64_t n, nrg_health *out);
// Autocorrelations rho[lags + 1] of the draws at lags from 0 (NaN from n on), about the mean of all chains, so that chains which
// disagree count as correlated; *time: of the draws, how many make one that is independent. All NaN where nothing varies.
nrg_status nrg_autocorrelation_of(nrg_ctx *c, const double *draws, int64_t chains, int64_t n, int64_t lags, double *rho, double *time);
double nrg_normal_quantile(double p); // of the standard normal distribution, 0 < p < 1

// ---- chains.c: chains under a model's sample statements, their states in a store: what drawing and contrastive training run.
// Each lane of the sample axis is a chain. Several statements take turns within a step (mixed variables, blocks).
typedef struct nrg_chains nrg_chains;
typedef struct {
    nrg_vars vars;       // drawn together
    nrg_vars given;      // held; what is neither is eliminated by its own verb
    int64_t lanes;       // chains in a run, as a rule
    int64_t warmup;      // steps in which methods may adapt (< 0: `steps` of the method, else 1000)
    int64_t scored;      // the first step that acceptance counts
    const char *prefix;  // of the states' names in the store: "chain"
    const nrg_expr *from;// where chains start, in place of the statements' own; NULL: theirs
    bool kept;           // chains `from buffer` start where "PREFIX:kept:NAME" says, or anew where "PREFIX:again" is not 0
    bool heated;         // U is beta E times the lane's number in "PREFIX:heat", which the caller sets and may change between runs
    // Heated chains may move from U0 of the variables x, heat 0, to beta E, heat 1: U = heat beta E + (1 - heat) U0. NULL: no U0.
    nrg_status (*base)(void *ud, nrg_graph *g, const int32_t *var, const nrg_node *x, int n, nrg_node *U0);
    bool paced;          // step sizes and scales that methods would adapt are those that pace.c sets, the same for all chains of a heat
    nrg_products products; // of the chains; FULL: as the store's type says
    int threads;
    // Binds the given variables' nodes, and those of variables to be drawn where they are in the data; NULL: inputs by their names.
    nrg_status (*bind)(void *ud, nrg_scope *s);
    void *ud;
} nrg_chains_spec;
typedef struct {
    const char *name; // in the store: [lanes, count]
    int64_t count;    // numbers a chain
} nrg_chains_state;
nrg_status nrg_chains_open(nrg_model *m, nrg_store *store, const nrg_chains_spec *spec, nrg_chains **out);
void nrg_chains_free(nrg_chains *c);
// Numbers of the chains: random numbers depend on them, not on the lane. id NULL: first, first + 1, ...
nrg_status nrg_chains_ids(nrg_chains *c, const int64_t *id, int64_t first, int64_t n);
nrg_status nrg_chains_start(nrg_chains *c, int64_t n, uint64_t seed, uint32_t step); // all states at their first values
// The same; chains whose energy is not finite there start again, at most 100 times. Steps from 4294967195 on are the further starts'.
nrg_status nrg_chains_start_well(nrg_chains *c, int64_t n, uint64_t seed, uint32_t step);
nrg_status nrg_chains_go(nrg_chains *c, int64_t n, int64_t steps, uint64_t seed, uint32_t *at); // at: counts steps
// beta E, and U0 where there is a base (else NULL), whatever the heat; of the store's type.
nrg_status nrg_chains_look(nrg_chains *c, int64_t n, uint64_t seed, uint32_t at, void *energy, void *base);
const char *nrg_chains_biased(const nrg_chains *c); // name of a method whose draws are biased by its step; NULL: there is none
bool nrg_chains_fresh(const nrg_chains *c);         // each step is a draw of its own, independent of where the chain was
int nrg_chains_vars(const nrg_chains *c, int32_t *var /* [NRG_MAX_VARS] */);    // in the order of the first states
const nrg_chains_state *nrg_chains_state_at(const nrg_chains *c, int i);         // NULL past the end; the variables first
nrg_status nrg_chains_plan_print(const nrg_chains *c, nrg_text *out); // the plan of a step
// "sample v, h by gibbs   (blocks v | h)", each statement with its reason.
nrg_status nrg_chains_print(const nrg_chains *c, nrg_text *out);
// Over n chains: mean acceptance a step counted (NaN: every step is taken), mean step size, divergences, implied temperature.
typedef struct { double acceptance, step, temperature; int64_t diverged; } nrg_chains_score;
int64_t nrg_chains_diverged(const nrg_chains *c, int64_t lane); // divergent steps of one chain so far
void nrg_chains_score_of(const nrg_chains *c, int64_t n, int64_t steps, nrg_chains_score *out);

// How many numbers of `at` these steps take.
int64_t nrg_chains_numbers(const nrg_chains *c, int64_t steps);

// ---- unroll.c: start and steps as nodes of another graph, instead of runs of their own.
bool nrg_chains_unrolls(const nrg_chains *c, const nrg_graph *to, int64_t steps);
// What each state is after them, in the order of nrg_chains_state_at, as updates. Run number t of the graph draws what nrg_chains_start
// at (t + 1) * every and nrg_chains_go from there on would draw.
nrg_status nrg_chains_unroll(nrg_chains *c, nrg_graph *to, int64_t steps, uint32_t every, nrg_update **out);

// ---- pace.c: step sizes and scales of chains that are run again and again while their energy changes, learned from run to run.
typedef struct {
    nrg_chains *chains;
    nrg_store *store;
    int64_t levels; // heats, in turn along the lanes; each has its own
    double *own;    // all that is learned; zeros: nothing yet
    int64_t n;      // numbers of it; 0: nothing is to be learned
} nrg_pace;
nrg_status nrg_pace_open(nrg_chains *c, nrg_arena *a, int64_t lanes, int64_t levels, nrg_pace *out);
void nrg_pace_set(const nrg_pace *p);                            // before a run
void nrg_pace_learn(const nrg_pace *p, int64_t n, int64_t steps); // after a run of n lanes
double nrg_pace_step(const nrg_pace *p);                         // the first step size at heat 1; NaN: none is learned

// ---- ladder.c: parallel tempering. Lanes stand in groups of `levels`; the first of a group is at heat 1.
typedef struct {
    int64_t levels, lanes, first; // first: number of the first group
    double hottest;
    const char *name;             // of the heats in the store
    int64_t rounds, tried, taken;
} nrg_ladder;
double nrg_ladder_heat(const nrg_ladder *l, int64_t lane);
void nrg_ladder_heats(const nrg_ladder *l, const nrg_store *s, double times); // sets the heats, all times a number
nrg_status nrg_ladder_swap(nrg_ladder *l, nrg_chains *c, const nrg_store *s, uint64_t seed, uint32_t at, void *energy);

// proposal.c: does x, what `by` gives, fit variable v? E037
nrg_status nrg_proposal_fits(nrg_model *m, int32_t v, const nrg_expr *by, const nrg_graph *g, nrg_node x);

// ---- sample.c
// The store as chains see it: `each` lanes for a row of the data, one after the other.
nrg_status nrg_lanes_store(nrg_model *m, nrg_arena *a, const nrg_store *from, int64_t rows, int64_t each, nrg_store **out);
typedef struct {
    nrg_vars vars;          // drawn together
    nrg_vars given;         // held at the data; what is neither is eliminated by its own verb
    int64_t rows;           // rows of the data, each with its own chains; 1 where nothing is given
    int64_t chains, draws;  // chains a row, draws a chain
    int64_t warmup, every;  // steps before the first draw (< 0: `steps` of the method), steps from draw to draw
    int64_t levels, swap;   // tempering: chains of a ladder for each chain that is told (0: 1), steps between swaps (0: 5)
    double hottest;         // heat of the last of a ladder; 0: 0.05
    double anneal;          // heat at the start of the warm-up, growing to 1 by its end; 0: 1
    const double *kept[NRG_MAX_VARS]; // [chains, width] by variable: where chains stood when training ended; all NULL: their statements' starts
    int64_t first;          // number of the first chain: random numbers depend on it, not on the batch
    uint64_t seed;
    int threads;
} nrg_sample_spec;
typedef struct {
    nrg_arena arena;
    int n;                          // variables
    int32_t var[NRG_MAX_VARS];
    int64_t width[NRG_MAX_VARS];    // numbers of a draw
    double *value[NRG_MAX_VARS];    // [rows, chains, draws, width]
    nrg_health *health[NRG_MAX_VARS]; // [width]: the worst over rows
    double *energy;                 // [rows, chains, draws]
    double *broken;                 // [rows, chains, draws] divergent steps since the draw before
    nrg_health energy_health;
    int64_t warmup, every;          // steps that were taken before the first draw, and from draw to draw
    double acceptance;              // mean over chains and steps after the warm-up; NaN: every step is taken
    double step;                    // mean step size after the warm-up
    double temperature;             // implied by step and noise, as a multiple of 1/beta; NaN: not known (clipped)
    int64_t diverged;               // steps whose energy error passed 1000, after the warm-up
    double swapped;                 // share of swaps taken; NaN: no ladder
    const char *how;
} nrg_draws;
nrg_status nrg_sample(nrg_model *m, const nrg_store *store, const nrg_sample_spec *spec, nrg_draws *out);
void nrg_draws_free(nrg_draws *d);
#endif
