// Generated cases: for every row of ops.def, graphs of one operation over inputs of many shapes and leading axes, with
// fair values drawn by the row's domain. The table tests run them against finite differences; other executors against ref.
#ifndef NRG_TEST_CASES_H
#define NRG_TEST_CASES_H

#include "exec/exec.h"

enum { CASE_INPUTS = 3 };

typedef struct {
    nrg_op op;
    char name[96];               // "matmul ta=1 {sample} x {} n=3"
    nrg_graph *g;                // float64
    nrg_node y;                  // the row under test
    int inputs;                  // inputs of the graph, in slot order
    nrg_node in[CASE_INPUTS];
    double *value[CASE_INPUTS];  // [n, ...] for those with the sample axis
    int64_t count[CASE_INPUTS];  // numbers in value
    bool smooth[CASE_INPUTS];    // may be moved a little for finite differences (indices and ids may not)
    int64_t n;                   // samples
    int64_t y_count;             // numbers in y for n samples
} test_case;

// Calls `each` for every case of one row (or of all rows when op is NRG_OP_bad); the case is freed after the call.
// Returns the number of cases. Values depend only on the row and the case.
typedef void (*case_fn)(const test_case *t, void *ud);
int cases_each(nrg_ctx *c, nrg_op op, nrg_dtype type, case_fn each, void *ud);
#endif
