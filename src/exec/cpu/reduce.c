// Reductions. Rows that lie side by side are summed in sixteen interleaved partial sums in double, combined in a fixed tree;
// reductions over outer axes go term by term, with the kept axis inside. The order depends on shapes only.
#include "exec/cpu/cpu.h"
#include <math.h>
#include <string.h>

double nrg_cpu_tree(double *s) {
    for (int n = 8; n; n /= 2)
        for (int i = 0; i < n; i++) s[i] += s[i + n];
    return s[0];
}

static double identity(nrg_op op) {
    switch (op) {
    case NRG_OP_prod: return 1;
    case NRG_OP_rmax: case NRG_OP_lse: case NRG_OP_argmax: return -INFINITY;
    case NRG_OP_rmin: case NRG_OP_argmin: return INFINITY;
    default: return 0;
    }
}

static double log_add(double a, double b) {
    double m = a > b ? a : b, d = a > b ? b - a : a - b;
    if (isnan(a) || isnan(b)) return a + b;
    return m == -INFINITY || m == INFINITY ? m : m + log1p(exp(d));
}

// Is x better than the best so far? NaN wins once and stays.
static bool better(nrg_op op, double x, double best) {
    if (isnan(best)) return false;
    return isnan(x) || (op == NRG_OP_argmin || op == NRG_OP_rmin ? x < best : x > best);
}

// Two partial results.
static double join(nrg_op op, double a, double b) {
    switch (op) {
    case NRG_OP_sum: return a + b;
    case NRG_OP_prod: return a * b;
    case NRG_OP_lse: return log_add(a, b);
    default: return better(op, b, a) ? b : a;
    }
}

#define T float
#define F(name) name##_f32
#include "exec/cpu/reduce.inc"
#undef T
#undef F
#define T double
#define F(name) name##_f64
#include "exec/cpu/reduce.inc"

void nrg_cpu_reduce(nrg_task *t, const nrg_reduce_step *d) {
    if (t->run->p->type == NRG_F64) reduce_f64(t, d);
    else reduce_f32(t, d);
}

void nrg_cpu_pool(nrg_task *t, const nrg_pool_step *d) {
    if (t->run->p->type == NRG_F64) pool_f64(t, d);
    else pool_f32(t, d);
}

void nrg_cpu_combine(nrg_task *t, const nrg_combine_step *d, int lanes) {
    if (t->run->p->type == NRG_F64) combine_f64(t, d, lanes);
    else combine_f32(t, d, lanes);
}
