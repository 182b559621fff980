// Distances: sums of (weighed) squared differences. Each is one chain over the summed terms, so its bits do not depend on
// what lies beside it, on threads or on the instruction set.
//
//   Nearest columns are found by products of bytes, which take an eighth of the time. Rows and columns, less the mean of the columns, are
// rounded to whole numbers of steps of their own. What that loses is known, so |x.y - x'.y'| <= |x - x'| |y'| + |x| |y - y'| bounds each score
// and leaves a few columns; differences summed in any order leave fewer, and where there is more than one the chains decide, ties included.
#include "exec/cpu/cpu.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum {
#ifdef NRG_STRESS
    ROWS = 12, TERMS = 5, COLUMNS = 128, BLOCK = 3, WEIGHED = 2,
#else
    ROWS = 96, TERMS = 128, COLUMNS = 1024, // of a block: rows of the left side, summed terms, columns
    BLOCK = 128, WEIGHED = 64,              // of sums over samples: samples, a panel of which stays in the fastest cache, and rows
#endif
};

enum {
    COARSE_STEPS = 127,    // of a byte
    COARSE_TERMS = 131072, // whose products of bytes stay within 31 bits
    COARSE_BLOCK = 512,    // terms of a block: panels of columns stay in the fastest cache
};

#define T float
#define F(name) name##_f32
#define UNIT 16
#define EPSILON 1.2e-7
#define LARGEST FLT_MAX
#define SMALLEST FLT_MIN
#include "exec/cpu/distance.inc"
#undef T
#undef F
#undef UNIT
#undef EPSILON
#undef LARGEST
#undef SMALLEST
#define T double
#define F(name) name##_f64
#define UNIT 8
#define EPSILON 2.3e-16
#define LARGEST DBL_MAX
#define SMALLEST DBL_MIN
#include "exec/cpu/distance.inc"

#define BOTH(name, detail)                                                                                             \
    void nrg_cpu_##name(nrg_task *t, const detail *d) {                                                                \
        if (t->run->p->type == NRG_F64) name##_f64(t, d);                                                              \
        else name##_f32(t, d);                                                                                         \
    }
BOTH(distance, nrg_distance_step)
BOTH(centre, nrg_centre_step)
BOTH(spread, nrg_spread_step)
BOTH(nearest, nrg_nearest_step)
