// Insides of drawing: one step graph, built by the method, and the states that chains carry.
#ifndef NRG_INFER_SAMPLER_H
#define NRG_INFER_SAMPLER_H

#include "infer/inside.h"
#include "infer/sample.h"

enum { NRG_SAMPLER_UPDATES = 3 * NRG_MAX_VARS + 16 };

typedef struct {
    const char *name;
    int64_t count; // numbers a chain
} nrg_sampler_state;

typedef struct {
    nrg_model *model;
    nrg_store *store;   // the data's, seen from the chains, and the states
    const nrg_sample_spec *spec;
    nrg_infer_stmt stmt;
    nrg_graph *graph;
    nrg_scope *scope;
    nrg_inference *inference;
    nrg_plan *start, *step, *look;
    nrg_run *run_start, *run_step, *run_look;
    nrg_arena arena;
    int64_t lanes;      // rows times chains
    int64_t warmup, scored; // steps before the first draw; the first step that acceptance counts
    int n;
    int32_t var[NRG_MAX_VARS];
    nrg_shape shape[NRG_MAX_VARS];
    nrg_node x[NRG_MAX_VARS];    // states: where the chains are
    nrg_node x0[NRG_MAX_VARS];   // where they start
    nrg_node grad[NRG_MAX_VARS]; // of beta E at x
    nrg_node U;                  // beta E at x
    nrg_node id;                 // number of the chain
    NRG_LIST(nrg_sampler_state) states;
    nrg_update first[NRG_SAMPLER_UPDATES], up[NRG_SAMPLER_UPDATES];
    int firsts, ups;
    const char *accepted, *diverged, *size; // states that the method keeps, or NULL: sums over steps after the warm-up; step size
    double temperature;
} nrg_sampler;

// One file a method: adds states and updates to a sampler whose x, U and grad stand.
typedef struct {
    const char *name;
    bool loops; // an energy with inner loops will do
    nrg_status (*build)(nrg_sampler *s);
} nrg_sampler_impl;
extern const nrg_sampler_impl nrg_sampler_langevin, nrg_sampler_mala, nrg_sampler_hmc;

// A state of every chain, by name "chain:<name>"; first: its start value.
nrg_node nrg_sampler_state_new(nrg_sampler *s, const char *name, nrg_shape shape, nrg_node first);
void nrg_sampler_update(nrg_sampler *s, nrg_node state, nrg_node value);
nrg_node nrg_sampler_random(nrg_sampler *s, nrg_random_kind kind, int32_t v, nrg_shape shape); // v < 0: not a variable's
nrg_node nrg_sampler_at(nrg_sampler *s, nrg_node y, const nrg_node *x); // y, which stands at s->x, taken at x instead
// x folded into a range as light between mirrors; *flip (may be NULL) becomes -1 where the motion is turned, else 1.
nrg_node nrg_reflect(nrg_graph *g, const nrg_domain *d, nrg_node x, nrg_node *flip);
nrg_status nrg_sampler_eliminates(nrg_chain *c, int k); // E026: a sampler draws, it does not eliminate

// hmc.c: one Metropolis-adjusted trajectory of `leaps` leapfrog steps; jitter: its step size is drawn around the adapted one.
typedef struct {
    int64_t leaps;
    double step;   // of the leapfrog, written; 0: adapted to the acceptance `target` in the first half of the warm-up
    double target;
    bool jitter;
} nrg_trajectory;
nrg_status nrg_trajectory_build(nrg_sampler *s, const nrg_trajectory *t);
#endif
