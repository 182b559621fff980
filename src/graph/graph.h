// graph: typed tensor operations, the waist of the system. Nodes are immutable; a graph only grows.
//
//   A node has a type (float32 or float64), a set of LEADING axes and an EVENT shape. Leading axes have identities
//   (bit i of a set is axis i of the graph's table; bit 0 is always the sample axis) and are never counted by position:
//   a node carries exactly the axes that reach it, and elementwise operations align them by identity.
//   In memory, leading axes come first, in the order of their numbers, then the event axes, row-major:
//
//       leads {sample, candidate}   event [3, 4]      ->   a[sample][candidate][i][j]
//
//   The sample axis has no extent here: the plan cuts it into slices and the run says how many samples there are.
#ifndef NRG_GRAPH_H
#define NRG_GRAPH_H

#include "base/base.h"

// nrg_graph, nrg_node and nrg_shape are public (nrg.h). Node 0 is bad: what is built on bad is bad, and the first cause stays in
// the graph.
#define NRG_BAD ((nrg_node){0})

// The last two are float32 as well, but matrix products are computed from bfloat16 numbers: of both sides, or of both and what rounding
// them left, which is nearly as exact as float32.
typedef enum { NRG_F32, NRG_F64, NRG_BF16X3, NRG_BF16, NRG_DTYPES } nrg_dtype;
static inline bool nrg_dtype_bf16(nrg_dtype t) { return t == NRG_BF16X3 || t == NRG_BF16; }
const char *nrg_dtype_name(nrg_dtype t); // f32, f64, bf16x3, bf16

typedef uint32_t nrg_leads; // a set of leading axes
#define NRG_SAMPLE 1u       // the sample axis
enum { NRG_MAX_LEADS = 32 };

typedef enum {
    NRG_OP_bad,
#define NRG_OP(name, arity, params, shape, vjp, degree, domain, doc) NRG_OP_##name,
#include "graph/ops.def"
    NRG_OP_COUNT
} nrg_op;

typedef enum { NRG_RANDOM_UNIFORM, NRG_RANDOM_NORMAL } nrg_random_kind;

// Parameters by op; unused bytes are zero, so that equal nodes have equal bytes.
typedef union {
    struct { uint32_t slot; } input;                                   // index into the graph's inputs
    struct { double value; } scalar;                                   // const
    struct { nrg_leads lead; int64_t n; } iota;                        // lead != 0: along it; else event [n]
    struct { uint32_t kind, purpose; nrg_shape shape; uint32_t every, after; } random; // event shape of the draw; nrg_random_when
    struct { uint32_t axes; nrg_leads leads; uint32_t keep; } reduce;  // bit sets of event / leading axes; keep: size-1 event axes stay
    struct { nrg_shape shape; nrg_leads leads; } shape;                // reshape, expand (leads: added ones)
    struct { int32_t order[NRG_MAX_RANK]; } perm;                      // result axis i is input axis order[i]
    struct { int32_t axis; int64_t start, n, step; } slice;
    struct { int32_t axis; int64_t before, after; } pad;
    struct { int32_t axis; } axis;                                     // concat
    struct { int32_t axis; nrg_leads lead; } lift;                     // lift, lower
    struct { int64_t n; nrg_leads leads; int32_t rank; } index;        // rank: event axes of the index; put: n rows, sum over leads
    struct { uint32_t ta, tb; nrg_leads leads; } matmul;
    struct { int32_t stride, pad_h, pad_w; int64_t h, w; nrg_leads leads; } conv; // h, w: image size (convx) or filter size (convw)
    struct { uint32_t transpose; } tri;
} nrg_params;

typedef struct {
    nrg_op op;
    nrg_dtype type;
    nrg_node in[3];
    nrg_leads leads;
    nrg_shape shape;
    nrg_params par;
    nrg_span span; // the place in the model that asked for it
} nrg_node_info;

typedef struct {
    const char *name;
    int arity;
    const char *params, *shape, *vjp, *degree, *domain, *doc;
} nrg_op_info;

// graph.c -- making graphs, builders
nrg_status nrg_graph_new(nrg_ctx *c, nrg_dtype type, nrg_graph **out);
void nrg_graph_free(nrg_graph *g);
nrg_ctx *nrg_graph_ctx(const nrg_graph *g);
// A pointer that the graph only keeps: model puts its scope there while an energy written in C builds nodes.
void nrg_graph_owner_set(nrg_graph *g, void *owner);
void *nrg_graph_owner(const nrg_graph *g);
nrg_dtype nrg_graph_type(const nrg_graph *g);
uint32_t nrg_graph_size(const nrg_graph *g);                     // nodes are 1 .. size
const nrg_node_info *nrg_graph_node(const nrg_graph *g, nrg_node n); // never NULL (op bad for 0)
const nrg_op_info *nrg_op_get(nrg_op op);
void nrg_graph_span(nrg_graph *g, nrg_span s);                   // span of the nodes built from now on
nrg_status nrg_graph_check(const nrg_graph *g);                  // verifier; also reports the first bad cause
// A new leading axis of the given extent (>= 0); a single bit. 0 when the table is full.
nrg_leads nrg_lead_new(nrg_graph *g, const char *name, int64_t extent);
int64_t nrg_lead_extent(const nrg_graph *g, nrg_leads one);      // -1 for the sample axis
const char *nrg_lead_name(const nrg_graph *g, nrg_leads one);
int64_t nrg_shape_count(const nrg_shape *s);                     // numbers in an event shape
int64_t nrg_node_count(const nrg_graph *g, nrg_node n);          // numbers a sample: event and leading axes but the sample one
nrg_shape nrg_shape_of(int rank, const int64_t *dim);

// Inputs are named buffers. Slots count from 0.
nrg_node nrg_input(nrg_graph *g, const char *name, nrg_leads leads, nrg_shape shape);
uint32_t nrg_input_count(const nrg_graph *g);
nrg_node nrg_input_at(const nrg_graph *g, uint32_t slot);
const char *nrg_input_name(const nrg_graph *g, uint32_t slot);

// Generic builder: equal nodes are built once; constants fold; x*1, x+0 and the like vanish.
nrg_node nrg_build(nrg_graph *g, nrg_op op, nrg_node a, nrg_node b, nrg_node c, const nrg_params *par);
// Poisons: records the cause (with the current span) and returns NRG_BAD.
nrg_node nrg_graph_bad(nrg_graph *g, nrg_status s, const char *fmt, ...) NRG_PRINTF(3, 4);

// Named builders, one per op: nrg_<op>(g, inputs..., parameters...).
nrg_node nrg_const(nrg_graph *g, double value);
nrg_node nrg_iota_lead(nrg_graph *g, nrg_leads lead);
nrg_node nrg_iota(nrg_graph *g, int64_t n);
nrg_node nrg_random(nrg_graph *g, nrg_node ids, nrg_random_kind kind, uint32_t purpose, nrg_shape shape);
// The numbers that nrg_random gives in run number (run * every + after): several draws of a run may have steps of their own.
nrg_node nrg_random_at(nrg_graph *g, nrg_node ids, nrg_random_kind kind, uint32_t purpose, nrg_shape shape, uint32_t every, uint32_t after);
static inline uint32_t nrg_random_when(uint32_t every, uint32_t after, uint32_t step, uint64_t *seed) { // what 32 bits do not hold goes to the seed
    uint64_t at = (uint64_t)step * every + after;
    *seed += at >> 32;
    return (uint32_t)at;
}
#define NRG_UNARY(op) nrg_node nrg_##op(nrg_graph *g, nrg_node a);
NRG_UNARY(stop) NRG_UNARY(neg) NRG_UNARY(abs) NRG_UNARY(sign) NRG_UNARY(step) NRG_UNARY(floor) NRG_UNARY(exp) NRG_UNARY(log)
NRG_UNARY(sqrt) NRG_UNARY(square) NRG_UNARY(recip) NRG_UNARY(tanh) NRG_UNARY(sigmoid) NRG_UNARY(softplus) NRG_UNARY(relu)
NRG_UNARY(sin) NRG_UNARY(cos) NRG_UNARY(chol) NRG_UNARY(inv) NRG_UNARY(logdet)
#undef NRG_UNARY
#define NRG_BINARY(op) nrg_node nrg_##op(nrg_graph *g, nrg_node a, nrg_node b);
NRG_BINARY(add) NRG_BINARY(sub) NRG_BINARY(mul) NRG_BINARY(div) NRG_BINARY(pow) NRG_BINARY(max) NRG_BINARY(min) NRG_BINARY(lt)
NRG_BINARY(le) NRG_BINARY(eq)
#undef NRG_BINARY
nrg_node nrg_select(nrg_graph *g, nrg_node cond, nrg_node a, nrg_node b);
// op is one of the reductions; axes: bit set of event axes, leads: set of leading axes.
nrg_node nrg_reduce(nrg_graph *g, nrg_op op, nrg_node a, uint32_t axes, nrg_leads leads, bool keep);
nrg_node nrg_sum_all(nrg_graph *g, nrg_node a); // over all event axes; leading axes stay
nrg_node nrg_reshape(nrg_graph *g, nrg_node a, nrg_shape s);
nrg_node nrg_permute(nrg_graph *g, nrg_node a, const int32_t *order);
nrg_node nrg_transpose(nrg_graph *g, nrg_node a); // the last two event axes
nrg_node nrg_expand(nrg_graph *g, nrg_node a, nrg_shape s, nrg_leads more);
nrg_node nrg_slice(nrg_graph *g, nrg_node a, int axis, int64_t start, int64_t n, int64_t step);
nrg_node nrg_pad(nrg_graph *g, nrg_node a, int axis, int64_t before, int64_t after);
nrg_node nrg_concat(nrg_graph *g, nrg_node a, nrg_node b, int axis);
nrg_node nrg_lift(nrg_graph *g, nrg_node a, int axis, nrg_leads lead);   // extents must agree
nrg_node nrg_lower(nrg_graph *g, nrg_node a, nrg_leads lead, int axis);
nrg_node nrg_take(nrg_graph *g, nrg_node a, nrg_node index);             // a [n, e...], index [i...] -> [i..., e...]
nrg_node nrg_put(nrg_graph *g, nrg_node index, nrg_node rows, int64_t n, nrg_leads leads);
nrg_node nrg_matmul(nrg_graph *g, nrg_node a, nrg_node b, bool ta, bool tb, nrg_leads leads);
nrg_node nrg_conv(nrg_graph *g, nrg_node image, nrg_node filters, int stride, int pad_h, int pad_w);
nrg_node nrg_convx(nrg_graph *g, nrg_node dy, nrg_node filters, int stride, int pad_h, int pad_w, int64_t h, int64_t w);
nrg_node nrg_convw(nrg_graph *g, nrg_node image, nrg_node dy, int stride, int pad_h, int pad_w, int64_t h, int64_t w, nrg_leads leads);
nrg_node nrg_trisolve(nrg_graph *g, nrg_node l, nrg_node b, bool transpose);

// value.c -- elementwise rows on numbers (the definition shared by constant folding and the reference executor).
double nrg_op_value(nrg_op op, double a, double b, double c);
bool nrg_op_elementwise(nrg_op op);
bool nrg_op_reduction(nrg_op op);

// grad.c -- gradients[i] = derivative of the sum of all numbers of y (weighed by seed, if not bad) with respect to wrt[i],
// with the leading axes and shape of wrt[i]. Emits table ops only. A zero derivative is a zero of that shape.
nrg_status nrg_grad(nrg_graph *g, nrg_node y, nrg_node seed, const nrg_node *wrt, int n, nrg_node *gradients);

// range.c -- between which numbers x lies wherever its inputs lie between those that `of` gives; infinite ends: nothing is known, not even that it
// is a number.
typedef struct {
    double lo, hi;
    bool whole; // only whole numbers
} nrg_range;
nrg_status nrg_node_range(const nrg_graph *g, nrg_node x, nrg_range (*of)(void *ud, const char *input), void *ud, nrg_range *out);

// attr.c -- structure, soundly: what is claimed holds; what is not claimed may hold.
typedef struct {
    int degree;          // in v: 0 constant, 1 affine, 2 quadratic, 3 anything else
    bool smooth;         // no kinks or steps between v and y
    uint32_t separable;  // bit i: no second derivative couples different positions along event axis i of v
    bool picked;         // v is read only as rows v[index]: positions along axis 0 meet only inside one row
    bool log_affine;     // y = affine(v) + affine(log v), elementwise in v ("a p - b log p")
} nrg_attr;
nrg_status nrg_attr_of(const nrg_graph *g, nrg_node y, nrg_node v, nrg_attr *out);
bool nrg_depends(const nrg_graph *g, nrg_node y, nrg_node v);

// copy.c -- y rebuilt in graph `to` (may be g itself) with from[i] replaced by by[i].
nrg_node nrg_graph_copy(nrg_graph *to, const nrg_graph *g, nrg_node y, const nrg_node *from, const nrg_node *by, int n);

// sums.c -- y with factors that have no samples taken out of sums of products over samples; equal up to rounding.
nrg_node nrg_sums_apart(nrg_graph *g, nrg_node y);

// text.c -- one line a node; the reader gives back the same graph.
void nrg_graph_print(const nrg_graph *g, const nrg_node *roots, int n, nrg_text *out);
nrg_status nrg_graph_read(nrg_ctx *c, const char *text, nrg_graph **out, nrg_node *roots, int *n); // *n: room in, count out
#endif
