// Insides of drawing: one step graph, built part by part by the methods of the sample statements, and the states of the chains.
#ifndef NRG_INFER_SAMPLER_H
#define NRG_INFER_SAMPLER_H

#include "infer/inside.h"
#include "infer/sample.h"

enum { NRG_SAMPLER_UPDATES = 6 * NRG_MAX_VARS + 48, NRG_SAMPLER_PARTS = 16 };

typedef struct nrg_chains nrg_sampler;

// One statement: its variables move in turn, the others held where they are.
typedef struct nrg_sampler_impl nrg_sampler_impl;
typedef struct {
    const nrg_sampler_impl *impl;
    nrg_infer_stmt stmt;
    int first, n;                           // places of its variables in the sampler's lists
    const char *accepted, *diverged, *size; // states that the method keeps, or NULL: sums over steps after the warm-up; step size
    double temperature;                     // implied by step and noise; NaN: not known
    bool biased;                            // by its step: no test of acceptance
    bool fresh;                             // where its variables were plays no part: with nothing else drawn, steps are independent draws
    double target, longest;                 // paced: the acceptance that its step size is to have (0: nothing is learned); bound of it
    bool scaled;                            // paced: a scale for each number is learned too
    const char *note;                       // how the method goes about it: "2 colours"; or NULL
} nrg_sampler_part;

struct nrg_chains {
    nrg_model *model;
    nrg_store *store;
    nrg_chains_spec spec;
    nrg_graph *graph;
    nrg_scope *scope;
    nrg_inference *inference;
    nrg_plan *start, *step, *look;
    nrg_run *run_start, *run_step, *run_look;
    nrg_arena arena;
    const char *id_name, *heat_name; // in the store
    const char *left;            // in the store: steps still to take, by a method whose steps take several runs; NULL: there is none
    int64_t runs;                // of the graph that a step may take
    int64_t warmup;              // steps in which methods may adapt
    nrg_sampler_part part[NRG_SAMPLER_PARTS];
    int parts, at;               // at: the part being built
    int n;
    int32_t var[NRG_MAX_VARS];   // in the order of the parts
    nrg_shape shape[NRG_MAX_VARS];
    nrg_node x[NRG_MAX_VARS];    // states: where the chains are when a step begins
    nrg_node x0[NRG_MAX_VARS];   // where they start
    nrg_node now[NRG_MAX_VARS];  // where they are after the parts built so far
    nrg_node grad[NRG_MAX_VARS]; // of U at x: nrg_sampler_gradient
    bool has_grad;
    nrg_node U;                  // what is sampled, at x: beta E, perhaps heated; where it is, nothing of it may be kept over steps
    nrg_node plain, base;        // beta E and U0 at x, without heat
    nrg_node id;                 // number of the chain
    uint32_t randoms;
    NRG_LIST(nrg_chains_state) states;
    nrg_update first[NRG_SAMPLER_UPDATES], up[NRG_SAMPLER_UPDATES];
    int firsts, ups;
};

// One file a method. build: moves the variables of part p from `now` to new values of `now`, with states and updates of its own.
struct nrg_sampler_impl {
    const char *name;
    bool loops; // an energy with inner loops will do
    // Does the method fit these variables? NULL: reals without a domain beyond a range. E026, E071 with the reason.
    nrg_status (*fits)(nrg_sampler *s, const nrg_sampler_part *p);
    nrg_status (*build)(nrg_sampler *s, nrg_sampler_part *p);
};
const nrg_sampler_impl *nrg_sampler_impl_get(nrg_method m); // NULL: not built
extern const nrg_sampler_impl nrg_sampler_proposal;         // of a statement whose `by` is a module

// A state of every chain, by name "PREFIX:PART:<name>"; first: its start value.
nrg_node nrg_sampler_state_new(nrg_sampler *s, const char *name, nrg_shape shape, nrg_node first);
// For a method whose steps take several runs of the graph, at most `most`: a state that counts the steps still to take.
nrg_node nrg_sampler_long(nrg_sampler *s, double most);
const char *nrg_sampler_last(const nrg_sampler *s); // the full name of the newest state
void nrg_sampler_update(nrg_sampler *s, nrg_node state, nrg_node value);
nrg_node nrg_sampler_random(nrg_sampler *s, nrg_random_kind kind, nrg_shape shape); // fresh numbers at each call and step
void nrg_sampler_noise(nrg_sampler *s, bool on); // modules that are evaluated from now on draw fresh noise: normal(8), uniform(8)
nrg_node nrg_sampler_at(nrg_sampler *s, nrg_node y, const nrg_node *x); // y, which stands at s->x, taken at x [s->n] instead
// Gradient of U with respect to x[j] at x; of reals, bits and signs. Built at the first call.
nrg_status nrg_sampler_gradient(nrg_sampler *s, int j, nrg_node *out);
// x folded into a range as light between mirrors; *flip (may be NULL) becomes -1 where the motion is turned, else 1.
nrg_node nrg_reflect(nrg_graph *g, const nrg_domain *d, nrg_node x, nrg_node *flip);
nrg_status nrg_sampler_eliminates(nrg_chain *c, int k); // E026: a sampler draws, it does not eliminate

// ---- tune.c: step size and scales of trajectories, learned in the first half of the warm-up; acceptance and divergences.
typedef struct {
    double step;   // of the leapfrog, written; 0: adapted to the acceptance `target`
    double target;
    bool scaled;   // a step that is adapted is adapted for each number
} nrg_tuning;
typedef struct {
    nrg_tuning how;
    nrg_node clock, now, warm, late; // steps done, number of this one, is it adapted, is it counted
    nrg_node size;                   // step size
    nrg_node scale[NRG_MAX_VARS];    // of each number, by place in the sampler's lists; bad: 1
} nrg_tuner;
nrg_status nrg_tune_open(nrg_sampler *s, nrg_sampler_part *p, const nrg_tuning *how, nrg_tuner *t);
nrg_node nrg_tune_scaled(nrg_sampler *s, const nrg_tuner *t, int j, nrg_node x); // x times the scale of variable j
// x: where the chain is after the step, by place; done: 1 where a step has ended (bad: everywhere); dH: its worst energy error.
nrg_status nrg_tune_close(nrg_sampler *s, nrg_sampler_part *p, nrg_tuner *t, const nrg_node *x, nrg_node done, nrg_node alpha, nrg_node dH);

nrg_status nrg_score_keep(nrg_sampler *s, nrg_sampler_part *p, nrg_node alpha); // acceptance only, of a method without a step size

// ---- hmc.c: one Metropolis-adjusted trajectory of `leaps` leapfrog steps; jitter: its step size is drawn around the adapted one.
typedef struct {
    int64_t leaps;
    nrg_tuning tune;
    bool jitter;
} nrg_trajectory;
nrg_status nrg_trajectory_build(nrg_sampler *s, nrg_sampler_part *p, const nrg_trajectory *t);
#endif
