// Convolutions, in both types. As in products, every element is one chain of fused multiply-adds in the order of the summed
// axes (onto few channels: one for each tap, added in order), so its bits do not depend on the images beside it, on threads or
// instruction set.
#include "exec/cpu/cpu.h"
#include <string.h>

enum {
    IMAGES = 64, // worked on together, at most
    TAPS = 64,   // that are added to a row at once, at most
    ROWS = 192,  // rows of products whose addresses are at hand: whole tiles of 6 or 12
    UNITS = 4,   // of 64 bytes, that a panel of filters is wide
};

static int64_t steps_from(int64_t n, int64_t from, int64_t s) { return from < n ? (n - from + s - 1) / s : 0; }

#define T float
#define F(name) name##_f32
#define UNIT 16
#include "exec/cpu/conv.inc"
#undef T
#undef F
#undef UNIT
#define T double
#define F(name) name##_f64
#define UNIT 8
#include "exec/cpu/conv.inc"

void nrg_cpu_conv(nrg_task *t, const nrg_conv_step *d) {
    if (t->run->p->type == NRG_F64) conv_f64(t, d);
    else conv_f32(t, d);
}

void nrg_cpu_filters(nrg_task *t, const nrg_filters_step *d) {
    if (t->run->p->type == NRG_F64) columns_f64(d->conv, t->k, (const double *)t->base[d->b.buf] + d->b.offset, (double *)t->base[d->buf]);
    else columns_f32(d->conv, t->k, (const float *)t->base[d->b.buf] + d->b.offset, (float *)t->base[d->buf]);
}
