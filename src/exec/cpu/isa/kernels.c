// The kernels of one instruction set; this file is compiled once for each (cmake/isa.cmake defines NRG_ISA).
#include "exec/cpu/cpu.h"
#include <math.h>
#include <string.h>

#define GLUE_(a, b) a##b
#define GLUE(a, b) GLUE_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)
// Rounds of the loop that follows do not read what others write.
#if defined(__clang__)
#define APART _Pragma("clang loop vectorize(assume_safety)")
#else
#define APART _Pragma("GCC ivdep")
#endif

#include "exec/cpu/isa/philox.inc"

// For each type its mathematics, then the kernels made of it. The double functions come first: float sines use them.
#define T double
#define F(name) name##_f64
#define M(name) name
#define FMA(a, b, c) __builtin_fma(a, b, c)
#define UNIT 8
#define WIDE 1
#include "exec/cpu/isa/math.inc"
#include "exec/cpu/isa/micro.inc"
#include "exec/cpu/isa/turn.inc"
#include "exec/cpu/isa/narrow.inc"
#include "exec/cpu/isa/window.inc"
#include "exec/cpu/isa/tile.inc"
#include "exec/cpu/isa/random.inc"
#undef T
#undef F
#undef M
#undef FMA
#undef UNIT
#undef WIDE

#define T float
#define F(name) name##_f32
#define M(name) name##f
#define FMA(a, b, c) __builtin_fmaf(a, b, c)
#define UNIT 16
#include "exec/cpu/isa/math.inc"
#include "exec/cpu/isa/micro.inc"
#include "exec/cpu/isa/turn.inc"
#include "exec/cpu/isa/narrow.inc"
#include "exec/cpu/isa/window.inc"
#include "exec/cpu/isa/tile.inc"
#include "exec/cpu/isa/random.inc"

static void bytes_f32(int64_t n, const uint8_t *a, float *to) {
    APART for (int64_t i = 0; i < n; i++) to[i] = (float)a[i];
}

#include "exec/cpu/isa/coarse.inc"
#include "exec/cpu/isa/bf16.inc"

extern const nrg_kernels GLUE(nrg_cpu_, NRG_ISA);
const nrg_kernels GLUE(nrg_cpu_, NRG_ISA) = {
    .name = TEXT(NRG_ISA),
    .micro_f32 = micro_f32,
    .micro_f64 = micro_f64,
    .dots_f32 = dots_f32,
    .dots_f64 = dots_f64,
    .taps_f32 = taps_f32,
    .taps_f64 = taps_f64,
    .nonzero_f32 = nonzero_f32,
    .nonzero_f64 = nonzero_f64,
    .pair_f32 = pair_f32,
    .pair_f64 = pair_f64,
    .finite_f32 = finite_f32,
    .finite_f64 = finite_f64,
    .tiles = tiles_all,
    .bf16 = bf16,
    .planes_f32 = planes_f32,
    .planes_f64 = planes_f64,
    .gather_f32 = gather_f32,
    .gather_f64 = gather_f64,
    .turn_f32 = turn_rows_f32,
    .turn_f64 = turn_rows_f64,
    .far_f32 = far_f32,
    .far_f64 = far_f64,
    .spread_f32 = spread_f32,
    .spread_f64 = spread_f64,
    .coarse = coarse_all,
    .span_f32 = span_f32,
    .span_f64 = span_f64,
    .coarse_f32 = coarse_f32,
    .coarse_f64 = coarse_f64,
    .judge_f32 = judge_f32,
    .judge_f64 = judge_f64,
    .within_f32 = within_f32,
    .within_f64 = within_f64,
    .apart_f32 = apart_f32,
    .apart_f64 = apart_f64,
    .tall_f32 = tall_f32,
    .tall_f64 = tall_f64,
    .narrow_f32 = narrow_f32,
    .narrow_f64 = narrow_f64,
    .windows_f32 = windows_f32,
    .windows_f64 = windows_f64,
    .winners_f32 = winners_f32,
    .winners_f64 = winners_f64,
#define ROW(name) .tile_f32[NRG_OP_##name] = tile_##name##_f32, .tile_f64[NRG_OP_##name] = tile_##name##_f64,
    ROW(neg) ROW(abs) ROW(sign) ROW(step) ROW(floor) ROW(exp) ROW(log) ROW(sqrt) ROW(square) ROW(recip) ROW(tanh) ROW(sigmoid)
    ROW(softplus) ROW(relu) ROW(sin) ROW(cos) ROW(add) ROW(sub) ROW(mul) ROW(div) ROW(pow) ROW(max) ROW(min) ROW(lt) ROW(le)
    ROW(eq) ROW(select)
    .sum_f32 = sum_f32,
    .sum_f64 = sum_f64,
    .columns_f32 = columns_f32,
    .columns_f64 = columns_f64,
    .bytes_f32 = bytes_f32,
    .random_f32 = random_f32,
    .random_f64 = random_f64,
};
