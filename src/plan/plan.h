// plan: an ordered list of steps over planned memory. A finished plan never changes and may be shared.
//
//   The steps form PHASES. A node with the sample axis is computed slice by slice (a slice: a fixed number of samples,
//   chosen from shapes only); one without it once. A sum over the sample axis is a BARRIER: slices add into lanes
//   (slice s into lane s mod 16), lanes are added in order. So phases alternate:
//
//       once: what only weights reach | slices: forward and back | once: gradient norms, optimiser | slices: ...
//
//   Within one slices phase a thread takes a slice through all its steps without waiting for anybody.
#ifndef NRG_PLAN_H
#define NRG_PLAN_H

#include "graph/graph.h"

typedef struct nrg_plan nrg_plan;

typedef struct {
    nrg_node state, value; // after a run the buffer bound to input `state` holds `value`
} nrg_update;

typedef struct {
    const nrg_graph *graph; // lent for the life of the plan
    const nrg_node *outputs;
    int outputs_n;
    const nrg_update *updates;
    int updates_n;
    int64_t batch;  // the usual number of samples of a run; chooses the strategy for weight gradients. A run may have more
    int64_t slice;  // samples a slice; 0: chosen from the shapes
} nrg_plan_spec;

// plan.c
nrg_status nrg_plan_make(nrg_ctx *c, const nrg_plan_spec *spec, nrg_plan **out);
void nrg_plan_free(nrg_plan *p);
void nrg_plan_print(const nrg_plan *p, nrg_text *out); // steps, bytes, operations, by model line
int64_t nrg_plan_slice(const nrg_plan *p);
// Slices that a thread takes through a phase together, for a run of so many samples. A power of two, at most NRG_LANES.
int64_t nrg_plan_stretch(const nrg_plan *p, int64_t samples, int threads);
size_t nrg_plan_bytes(const nrg_plan *p, int64_t samples, int threads); // memory a run takes
double nrg_plan_flops(const nrg_plan *p, int64_t samples);
#endif
