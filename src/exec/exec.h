// exec: a plan bound to memory, inputs and a random key. Same bits for any number of threads.
#ifndef NRG_EXEC_H
#define NRG_EXEC_H

#include "plan/plan.h"

typedef struct nrg_run nrg_run;

// Types of buffers as they lie in files; a slice is converted when it is loaded.
typedef enum { NRG_BUF_F32, NRG_BUF_F64, NRG_BUF_U8, NRG_BUF_I8, NRG_BUF_I16, NRG_BUF_I32, NRG_BUF_I64, NRG_BUF_U16, NRG_BUF_U32, NRG_BUF_BOOL } nrg_buf_type;

typedef struct {
    void *data;            // rows of one sample each (inputs with the sample axis), or one value
    nrg_buf_type type;     // updates and outputs must have the graph's own type
    const int64_t *rows;   // row of sample i is rows[i]; NULL: row i. So minibatches never copy the set
} nrg_buffer;

// cpu/run.c -- `threads` >= 1
nrg_status nrg_run_new(nrg_ctx *c, const nrg_plan *p, int threads, nrg_run **out);
void nrg_run_free(nrg_run *r);
// Binds an input node of the plan's graph. The memory stays the caller's and must live until the next bind.
// A run of n samples reads rows 0..n-1 (or rows[0..n-1]). An updated state is written in place, at the same rows.
void nrg_run_bind(nrg_run *r, nrg_node input, nrg_buffer b);
// Where output i of the plan goes: [n, ...] when it has the sample axis, else one value.
void nrg_run_output(nrg_run *r, int i, void *data);
// Runs n samples, `repeat` times: state carries over between repeats, random numbers use step, step + 1, ...
// A plan of one slices phase repeats inside each slice, without a barrier.
nrg_status nrg_run_go(nrg_run *r, int64_t n, int64_t repeat, uint64_t seed, uint32_t step);

// cpu/bf16.c -- matrix units for bfloat16 numbers are here; without them such products are computed slowly, with the same bits
bool nrg_run_has_bf16(void);

// cpu/kept.c -- from now on what only inputs without samples reach is computed again only where their bits have changed.
nrg_status nrg_run_keep(nrg_run *r);

// cpu/peak.c -- what this processor does at most on one thread: multiply-adds of the product kernel, reading memory; both a second
nrg_status nrg_run_peak(nrg_ctx *c, double *flops, double *bytes);

// cpu/lapack.c -- a symmetric A [n, n] becomes its eigenvectors, row by row, in the order of their values [n], which rise. found:
// false where numbers are not finite.
nrg_status nrg_eigen(nrg_ctx *c, int64_t n, double *A, double *values, bool *found);

// ref/ref.c -- the living definition: every node in double, no plan, plain loops. Inputs and outputs are double arrays,
// inputs[slot] in slot order ([n, ...] for those with the sample axis).
nrg_status nrg_ref_eval(nrg_ctx *c, const nrg_graph *g, int64_t n, const double *const *inputs, uint64_t seed, uint32_t step,
                        const nrg_node *outputs, int outputs_n, double *const *results);

// ref/audit.c -- are the attributes `claim` of y with respect to the input v true at random points? The other inputs keep
// the values given (as for nrg_ref_eval, which is used). NRG_E099 with the claim that failed and by how much.
nrg_status nrg_attr_audit(nrg_ctx *c, const nrg_graph *g, int64_t n, const double *const *inputs, nrg_node y, nrg_node v,
                          const nrg_attr *claim, uint64_t seed, int points);
#endif
