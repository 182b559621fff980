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
