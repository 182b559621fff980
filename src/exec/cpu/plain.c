// Products whose sides are plain matrices and small: straight to the kernels, without the tables of gemm.inc. The same chains of
// fused multiply-adds, so the same bits.
#include "exec/cpu/cpu.h"
#include <string.h>

enum {
    FEW = 16,   // results that are made one by one
    MANY = 240, // rows that the caches hold beside a panel
    TERMS = 256, // of the sum, at most
    TALL = 10,   // columns, at most, of products whose registers run along the rows
    TURNED = 64  // terms that are turned at once for those
};

// One axis, or none: its length and its strides.
static bool single(const nrg_dims *d, int64_t rows, nrg_dim *out) {
    if (d->n > 1) return false;
    *out = d->n ? d->at[0] : (nrg_dim){1, 0, 0, 0};
    if (out->n < 0) out->n = rows;
    return true;
}

#define T float
#define F(name) name##_f32
#define UNIT 16
#include "exec/cpu/plain.inc"
#undef T
#undef F
#undef UNIT
#define T double
#define F(name) name##_f64
#define UNIT 8
#include "exec/cpu/plain.inc"

bool nrg_cpu_plain(nrg_task *t, const nrg_matmul_step *d) {
    nrg_dim row, col, term;
    if (t->parts > 1 || !single(&d->rows, t->rows, &row) || !single(&d->cols, t->rows, &col) || !single(&d->red, t->rows, &term))
        return false;
    if (term.n < 1) return false;
    return t->run->p->type == NRG_F64 ? plain_f64(t, d, row, col, term) : plain_f32(t, d, row, col, term);
}
