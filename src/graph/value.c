// Elementwise rows on numbers: the one definition that constant folding and the reference executor share.
#include "graph/graph.h"
#include <math.h>

static double sigmoid(double a) { return a >= 0 ? 1 / (1 + exp(-a)) : exp(a) / (1 + exp(a)); }
static double softplus(double a) { return a > 0 ? a + log1p(exp(-a)) : log1p(exp(a)); }

// NaN passes through every row but the comparisons, which are 0; select takes b when its condition is NaN.
double nrg_op_value(nrg_op op, double a, double b, double c) {
    switch (op) {
    case NRG_OP_stop: return a;
    case NRG_OP_neg: return -a;
    case NRG_OP_abs: return fabs(a);
    case NRG_OP_sign: return a > 0 ? 1 : a < 0 ? -1 : a == 0 ? 0 : a;
    case NRG_OP_step: return a > 0 ? 1 : 0;
    case NRG_OP_floor: return floor(a);
    case NRG_OP_exp: return exp(a);
    case NRG_OP_log: return log(a);
    case NRG_OP_sqrt: return sqrt(a);
    case NRG_OP_square: return a * a;
    case NRG_OP_recip: return 1 / a;
    case NRG_OP_tanh: return tanh(a);
    case NRG_OP_sigmoid: return sigmoid(a);
    case NRG_OP_softplus: return softplus(a);
    case NRG_OP_relu: return a > 0 ? a : a <= 0 ? 0 : a;
    case NRG_OP_sin: return sin(a);
    case NRG_OP_cos: return cos(a);
    case NRG_OP_add: return a + b;
    case NRG_OP_sub: return a - b;
    case NRG_OP_mul: return a * b;
    case NRG_OP_div: return a / b;
    case NRG_OP_pow: return isnan(a) || isnan(b) ? a + b : pow(a, b);
    case NRG_OP_max: return a >= b ? a : b > a ? b : a + b;
    case NRG_OP_min: return a <= b ? a : b < a ? b : a + b;
    case NRG_OP_lt: return a < b;
    case NRG_OP_le: return a <= b;
    case NRG_OP_eq: return a == b;
    case NRG_OP_select: return a != 0 ? b : c;
    default: return NAN;
    }
}

bool nrg_op_elementwise(nrg_op op) { return op >= NRG_OP_stop && op <= NRG_OP_select; }
bool nrg_op_reduction(nrg_op op) { return op >= NRG_OP_sum && op <= NRG_OP_argmin; }
