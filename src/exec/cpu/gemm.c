// Products: packs tiles of both sides and drives the inner kernel. Every element of the result is one chain of fused
// multiply-adds in the order of the summed axes: blocks of the sum store and reload it, which is exact. So its bits do not
// depend on the rows beside it, on blocks, threads or instruction set. Nor on whether zeros of the left side are gone through.
#include "exec/cpu/cpu.h"
#include <math.h>
#include <string.h>

enum {
    MR = 6, // rows of a tile
#ifdef NRG_STRESS
    MC = 12, KC = 5, PANELS = 400, WORTH = 1,
#else
    MC = 240, KC = 256, // rows (whole pairs of tiles) and summed terms of a block
    PANELS = 131072,    // numbers of packed panels kept at once; with LEFT and a tile it fits NRG_SCRATCH_FLOATS
    WORTH = 1 << 22,    // multiplications from which on it pays to look for zeros
#endif
    THIN = (KC + 1) / 2,           // summed terms of a block whose zeros are left out: a panel of them stays in the fastest cache
    LISTED = MC / 2 * THIN + NRG_LIST_MORE, // numbers of all lists of a block
    LEFT = MC * KC > 3 * LISTED ? MC * KC : 3 * LISTED,
};
typedef enum { ROWS, TERMS, COLUMNS } side;

#define T float
#define F(name) name##_f32
#define UNIT 16
#include "exec/cpu/gemm.inc"
#undef T
#undef F
#undef UNIT
#define T double
#define F(name) name##_f64
#define UNIT 8
#include "exec/cpu/gemm.inc"

void nrg_cpu_pack(nrg_task *t, const nrg_pack_step *d) {
    if (t->run->p->type == NRG_F64) pack_all_f64(t, d);
    else if (d->tiles) nrg_cpu_pack_bf16(t, d);
    else pack_all_f32(t, d);
}

void nrg_cpu_matmul(nrg_task *t, const nrg_matmul_step *d) {
    if (nrg_dtype_bf16(t->run->p->type)) nrg_cpu_matmul_bf16(t, d);
    else if (nrg_cpu_plain(t, d)) return;
    else if (t->run->p->type == NRG_F64) product_f64(t, d);
    else product_f32(t, d);
}
