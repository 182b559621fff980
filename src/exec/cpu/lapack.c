// Factorisations of single matrices by LAPACK, called through LAPACKE with one thread.
#include "exec/cpu/cpu.h"
#include <lapacke.h>
#include <math.h>
#include <string.h>

#define T float
#define F(name) name##_f32
#define LA(name) LAPACKE_s##name##_work
#include "exec/cpu/lapack.inc"
#undef T
#undef F
#undef LA
#define T double
#define F(name) name##_f64
#define LA(name) LAPACKE_d##name##_work
#include "exec/cpu/lapack.inc"

void nrg_cpu_dense(nrg_task *t, const nrg_dense_step *d) {
    if (t->run->p->type == NRG_F64) dense_f64(t, d);
    else dense_f32(t, d);
}

void nrg_cpu_trisolve(nrg_task *t, const nrg_dense_step *d) {
    if (t->run->p->type == NRG_F64) trisolve_f64(t, d);
    else trisolve_f32(t, d);
}

nrg_status nrg_eigen(nrg_ctx *c, int64_t n, double *A, double *values, bool *found) {
    size_t work_n = (size_t)(1 + 6 * n + 2 * n * n), whole_n = (size_t)(3 + 5 * n), bytes = work_n * sizeof(double) + whole_n * sizeof(lapack_int);
    double *work = nrg_mem(c, NULL, 0, bytes);
    if (!work) return NRG_E098;
    lapack_int *whole = (lapack_int *)(work + work_n), N = (lapack_int)n;
    *found = true;
    for (int64_t i = 0; i < n * n; i++) *found = *found && isfinite(A[i]);
    *found = *found && !LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, 'V', 'U', N, A, N, values, work, (lapack_int)work_n, whole, (lapack_int)whole_n);
    nrg_mem(c, work, bytes, 0);
    return NRG_OK;
}
