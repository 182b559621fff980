// Copies, fills, indices, random numbers, rows by index: steps that move numbers.
#include "exec/cpu/cpu.h"
#include <math.h>
#include <string.h>

#define T float
#define F(name) name##_f32
#include "exec/cpu/move.inc"
#undef T
#undef F
#define T double
#define F(name) name##_f64
#include "exec/cpu/move.inc"

#define BOTH(name, detail)                                                                                             \
    void nrg_cpu_##name(nrg_task *t, const detail *d) {                                                                \
        if (t->run->p->type == NRG_F64) name##_f64(t, d);                                                              \
        else name##_f32(t, d);                                                                                         \
    }
BOTH(move, nrg_move) // also copies rows of outputs: see bind.c
BOTH(fill, nrg_fill)
BOTH(iota, nrg_iota_step)
BOTH(random, nrg_random_step)
BOTH(take, nrg_take_step)
BOTH(put, nrg_take_step)
