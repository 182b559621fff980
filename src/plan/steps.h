// Insides of a plan, read by the executors: buffers, views, steps and their details.
//
//     node --view--> buffer --place--> bytes
//
//   A view says where the numbers of a node lie: a buffer, an offset, a stride for each leading and event axis. Movement
//   operations only make views. A buffer is written by one step and has a place:
//
//     INPUT  the caller's memory, or rows gathered from it     SLICE  rows of one slice, per thread, laid out by lifetime
//     ONCE   values without the sample axis, by lifetime       BATCH  rows of all samples, for a later slices phase
//     LANES  sixteen partial sums, in the ONCE block           BLOCK  rows of one block of slices, for a deferred product
#ifndef NRG_PLAN_STEPS_H
#define NRG_PLAN_STEPS_H

#include "plan/plan.h"

enum {
    NRG_LANES = 16,      // partial sums of a barrier; a power of two
    NRG_PLAN_RANK = 12,  // axes of a step after neighbours are merged
    NRG_TILE_OPS = 48,   // operations fused into one step
    NRG_TILE_LEAVES = 24, // operands of a fused step
    NRG_TILE_SUMS = 4,    // sums of its results that it makes on the way
    NRG_WINDOW = 32,      // numbers of a window of pooling, at most
#ifdef NRG_STRESS
    NRG_BLOCK = 6,       // most samples between two deferred products
    NRG_LARGE = 1,       // numbers of a weight gradient from which on it may be deferred
    NRG_CACHE = 64,      // bytes of packed right sides that stay in a cache
    NRG_SPARE = 16,      // numbers of one from which on it need not be packed beforehand
    NRG_LONG = 2,        // numbers of a row from which on a fused step sums it, or reads it by index
    NRG_RUN = 7,         // numbers that go into one partial sum of a fused step
    NRG_NEAR_MOST = 96,  // columns among which the nearest is found by products
#else
    NRG_BLOCK = 1024,
    NRG_LARGE = 4096,
    NRG_CACHE = 1048576,
    NRG_SPARE = 65536,
    NRG_LONG = 128,
    NRG_RUN = 16384,
    NRG_NEAR_MOST = 8192,
#endif
    NRG_BF16_BYTES = 1703936,    // those of products of bfloat16 numbers
    NRG_SCRATCH_FLOATS = 200704, // numbers a thread needs beside its slice: packed tiles, registers
#ifdef NRG_STRESS
    NRG_CONV_ROOM = 96, NRG_CONV_TERMS = 5, NRG_CONV_PLANES = 2,
#else
    NRG_CONV_ROOM = 65536, // numbers of pictures, and of results, that a convolution has at hand, at least those of one row
    NRG_CONV_TERMS = 256,  // summed terms that it takes at a time
    NRG_CONV_PLANES = 32,  // of a picture from which on it is not copied
#endif
};

typedef enum { NRG_AT_INPUT, NRG_AT_ONCE, NRG_AT_SLICE, NRG_AT_BATCH, NRG_AT_LANES, NRG_AT_BLOCK } nrg_place;

typedef struct {
    nrg_place place;
    bool sample;         // has rows, one a sample
    bool wide;           // doubles, whatever the type of the graph
    bool block;          // read by a deferred step
    bool taken;          // another value is written over it where it ends
    bool spare;          // packed, but its one reader can pack what it wants as it goes
    uint32_t over;       // the first of the values that share its place, or 0
    int64_t count;       // numbers a row, or in all
    uint32_t slot;       // INPUT: slot of the graph
    nrg_node node;       // whose value it holds
    uint32_t phase;      // that writes it
    uint32_t last_phase; // that reads it last
    int first, last;     // steps (positions in the finished list) between which it lives
    size_t offset;       // bytes from the start of its block (ONCE, LANES, SLICE); rows before it (BATCH, BLOCK), in bytes a row
} nrg_plan_buf;

typedef struct {
    uint32_t buf;
    int64_t offset;
    int64_t lead[NRG_MAX_LEADS]; // lead[0]: the sample axis
    int64_t event[NRG_MAX_RANK];
} nrg_view;

// One axis of a step with the strides of up to three operands. n < 0: the samples at hand.
typedef struct {
    int64_t n, a, b, c;
} nrg_dim;
typedef struct {
    int n;
    nrg_dim at[NRG_PLAN_RANK];
} nrg_dims;

typedef enum {
    NRG_STEP_tile,    // fused elementwise operations
    NRG_STEP_move,    // strided copy, into a new buffer or part of one
    NRG_STEP_fill,    // a number into a whole buffer
    NRG_STEP_iota,
    NRG_STEP_random,
    NRG_STEP_reduce,
    NRG_STEP_pool,    // the gradient of extremes over windows
    NRG_STEP_pack,    // right side of products, in panels
    NRG_STEP_matmul,
    NRG_STEP_filters, // of convolutions, as columns of products
    NRG_STEP_conv,    // conv, convx and convw
    NRG_STEP_distance,
    NRG_STEP_centre,  // the right side of `nearest`
    NRG_STEP_nearest,
    NRG_STEP_spread,
    NRG_STEP_take,
    NRG_STEP_put,
    NRG_STEP_dense,   // chol, inv, logdet
    NRG_STEP_trisolve,
    NRG_STEP_combine, // lanes -> value
    NRG_STEP_output,
    NRG_STEP_update
} nrg_step_kind;

typedef struct {
    uint32_t buf;
    int64_t offset;
} nrg_at;

// Fused elementwise operations over one space: the sample axis (when `sample`), then dims. Operand numbers: leaves, then
// registers, then outputs.
typedef struct {
    nrg_op op;
    uint16_t out, a, b, c;
} nrg_tile_op;
typedef enum { NRG_LEAF_DIRECT, NRG_LEAF_ROWS, NRG_LEAF_ROW, NRG_LEAF_ONE, NRG_LEAF_CONST, NRG_LEAF_PICKED } nrg_leaf_kind;
typedef struct {
    nrg_leaf_kind kind; // DIRECT: lies as the space does; ROWS: strided; ROW: the last axis, side by side, the same for all others;
                        // ONE: one number of a buffer; CONST: one that the plan knows; PICKED: of each sample the row of its index
    nrg_at at, index;
    int64_t rows, row, each; // PICKED: how many there are, from one to the next, from index to index
    double value;
    int64_t sample, stride[NRG_PLAN_RANK];
} nrg_tile_leaf;
typedef struct {
    bool sample;
    int64_t count; // numbers of the space but the sample axis
    int rank;
    int64_t dim[NRG_PLAN_RANK];
    int leaves_n, ops_n, regs, outs_n;
    nrg_tile_leaf *leaves;
    nrg_tile_op *ops;
    uint32_t *outs; // buffers
    int sums_n;
    // operand; partial sums of runs of numbers, for a combine step; whole: the sum, of each sample where there are such
    struct { uint16_t a; bool whole; uint32_t buf; } sums[NRG_TILE_SUMS];
} nrg_tile;

typedef struct { // a: source, c: target
    nrg_at a, c;
    nrg_dims dims;
    bool zero; // fill the target buffer with zeros first
} nrg_move;

typedef struct {
    double value;
    uint32_t buf;
} nrg_fill;

typedef struct { // numbers along the sample axis, or an event vector
    bool sample;
    int64_t n;
    uint32_t buf;
} nrg_iota_step;

typedef struct {
    nrg_at ids;
    nrg_dims leads; // a: strides of ids
    uint32_t kind, purpose, every, after, buf;
    int64_t count; // numbers a stream
} nrg_random_step;

typedef struct {
    nrg_op op;
    nrg_at a;
    nrg_dims kept, gone; // a: input, c: output
    uint32_t buf;
    bool lanes, index;   // partial over samples; index: argmax, argmin
} nrg_reduce_step;

// Numbers b to the places of the extremes of a in their windows, zeros to the others.
typedef struct {
    nrg_op op;       // argmax, argmin
    nrg_at a, b;
    nrg_dims kept, gone; // a, b: strides, c: of the target
    uint32_t buf;
} nrg_pool_step;

typedef struct {
    nrg_at b;
    nrg_dims loop, cols, red; // of the product it serves
    uint32_t buf;
    bool tiles; // of bfloat16 numbers
} nrg_pack_step;

// c[loop, rows, cols] = sum over red of a * b, each element one chain of fused multiply-adds in the order of red.
typedef struct {
    nrg_at a, b, c;
    nrg_dims loop, rows, cols, red;
    uint32_t packed;  // buffer of the packed right side, or 0
    int64_t panel;    // numbers of one packed matrix
    bool lanes;       // partial over samples
    bool deferred;    // runs over a whole block of slices, threads share it
    bool mirror;      // symmetric, a side times itself: what lies left of the diagonal is copied from the right
    bool onto;        // adds to what an earlier product has left in c
} nrg_matmul_step;

// c[loop, rows, cols] = sum over red of w * (a - b)^2: the right side and its weights are packed like that of a product.
typedef struct {
    nrg_at a, c;
    uint32_t packed, weights; // weights: 0 where all are one
    nrg_dims loop, rows, cols, red;
    int64_t panel;
} nrg_distance_step;

// Packed panels less their mean column, as bytes: the mean, facts of each column and the sum of its bytes, the columns as they are, each side
// by side, and the bytes.
typedef struct {
    uint32_t from, buf;
    int64_t n, k, loops, panel, size; // columns, terms; matrices; numbers of a packed one and of what is made of it
} nrg_centre_step;
#define NRG_CENTRE_ROOM(n, unit) (((n) + (unit) - 1) / (unit) * (unit))
enum { NRG_NEAR_FACTS = 5 }; // of a column, a unit of each after the other: see isa/distance.inc, judge
#define NRG_CENTRE_SIZE(n, k, real)                                                                                    \
    (NRG_CENTRE_ROOM(k, 64 / (real)) * (1 + (n)) + (NRG_NEAR_FACTS + 1) * NRG_CENTRE_ROOM(n, 16) +                       \
     NRG_CENTRE_ROOM(n, 16) * NRG_CENTRE_ROOM(k, 64) / (real))

// c[rows, cols] = sum over samples of w * (a - b)^2, w along rows, a along cols, b along both, without samples. It ends a block of slices.
typedef struct {
    nrg_at a, b, w, c;
    nrg_dims rows, cols;    // a: strides of w or a; b, c
    int64_t a_row, w_row;   // from sample to sample
} nrg_spread_step;

// For each row the column at the least distance, its place and that distance; the first on ties. 0: not wanted.
typedef struct {
    nrg_at a;
    uint32_t packed, centred, index, value;
    nrg_dims loop, rows, cols, red; // c: of both results
    int64_t panel, size;
} nrg_nearest_step;

// A picture, with its border of zeros where it has few planes: the offset of a number is the sum of one of the tap of the filter
// and one of the position.
typedef struct {
    int64_t planes, H, W;             // what is copied in
    int64_t top, left;                // zeros before
    int64_t h, w, plane, size;        // with zeros; numbers of a channel and of all
    bool whole;                       // no zeros: the picture is read where it lies, as far as it goes
} nrg_grid;

typedef struct {
    nrg_op op;
    nrg_at a, b;
    uint32_t buf;
    nrg_dims loop, inner; // loop: filters or targets change; inner: images of the same filters (conv, convx), summed (convw)
    int64_t C, H, W, F, h, w, P, Q; // image [C,H,W], filters [F,C,h,w] (convw: [C,h,w,F]), result of conv [F,P,Q]
    int stride, pad_h, pad_w;
    nrg_grid grid;        // of the picture that is read
    int64_t cols, wide;   // columns of its products; rounded up to 64 bytes
    bool thin;            // few filters: registers run along positions
    bool few;             // convx onto few channels: products for each tap, then added where they meet
    uint32_t packed;      // filters as columns, made once, or 0
    int64_t pictures, rows, filters; // numbers of scratch: pictures with zeros; results, or terms as rows; filters as columns
    bool lanes;
} nrg_conv_step;

typedef struct { // filters of a convolution as panels of columns, one part of its taps after the other
    nrg_at b;
    const nrg_conv_step *conv;
    uint32_t buf;
} nrg_filters_step;

typedef struct { // rows of a by indices b; dims: leading axes, then index axes
    nrg_at a, b;
    nrg_dims dims;   // a, b: strides, c: of the target
    nrg_dims inner;  // one row: a and c strides
    int64_t n, a_row; // rows, distance between them
    int64_t count;   // numbers of the target a sample or in all (put)
    uint32_t buf;
    bool deferred;
} nrg_take_step;

typedef struct {
    nrg_op op;
    nrg_at a, b;
    nrg_dims dims; // matrices: a, b, c strides
    int64_t a_row, a_col, b_row, b_col, n, m;
    bool transpose;
    uint32_t buf;
} nrg_dense_step;

typedef struct {
    nrg_op op;      // sum, prod, rmax, rmin, lse, argmax, argmin
    uint32_t from, to;
    bool wide;
    int64_t lanes;  // how many, or 0: those that the run has
} nrg_combine_step;

typedef struct { // output i or update i of the spec
    int i;
    nrg_at a;
    bool sample;
    int64_t count;
    nrg_dims dims; // without the sample axis; a: source, c: target
    int64_t a_sample;
    uint32_t slot; // update
} nrg_out_step;

typedef struct {
    nrg_step_kind kind;
    uint32_t phase; // odd: slices
    nrg_node node;
    const void *detail;
    uint32_t *reads, *writes; // buffers
    int reads_n, writes_n;
    bool deferred, gone;
    double flops;   // a sample, or in all
} nrg_work;

struct nrg_plan {
    nrg_arena arena;
    nrg_ctx *ctx;
    const nrg_graph *graph;
    nrg_dtype type;
    size_t real; // bytes of a number
    int64_t batch, slice, block; // samples: usual run, slice, slices between deferred products
    struct { nrg_plan_buf *at; uint32_t n, cap; } bufs;   // bufs.at[0] is none
    struct { nrg_work *at; uint32_t n, cap; } steps;      // by phase
    uint32_t phases;
    uint32_t *phase_at; // first step of phase i; phase_at[phases]: number of steps
    bool *phase_deferred;
    bool inside;        // repeats may run inside each slice
    uint32_t slots;     // inputs of the graph when the plan was made
    uint32_t *slot_buf; // buffer of a slot, or 0
    int outputs_n, updates_n;
    nrg_update *updates;
    nrg_node *outputs;
    size_t once, thread, scratch, batch_row, block_row; // bytes; thread: for a slice; the last two a row
    size_t streamed;    // bytes of packed right sides that one slice reads, 0 where caches hold them
};

// order.c
typedef struct { // a fused node that another group computes as well, because that costs less than to keep its value
    uint32_t group, node;
} nrg_copy;
typedef struct {
    nrg_plan *p;
    bool *used;       // nodes
    int *level;       // even: once, odd: slices
    uint32_t *group;  // of fused nodes, 0: none
    uint32_t groups;
    uint32_t *group_first, *group_next; // members of a group, ascending; 0 ends
    uint32_t *order;  // nodes, in the order of emission (last members stand for groups)
    uint32_t order_n;
    bool *solid;      // must have a buffer of its own: read from outside its group
    bool *alone;      // part of a distance, which is one step, and read by nothing else
    bool *distance;   // a sum that is such a step
    bool *pooled;     // a gradient of extremes over windows
    uint32_t *nearest_index, *nearest_value; // of a distance: who reads it, if only such do
    uint32_t *into;   // of a product over samples or a sum of such: the sum of products that it is a part of and nothing else, or 0
    bool *joint;      // such a sum: its products add to each other where they lie
    uint32_t *sum_of; // of a fused node: a sum of all its numbers, or of all those of a sample, that its group makes, or 0
    bool *picked;     // rows by index that fused steps read where they lie
    struct { nrg_copy *at; uint32_t n, cap; } copies;
    nrg_view **views;
    struct { nrg_pack_step **at; uint32_t n, cap; } pack_list;
} nrg_planner;
nrg_status nrg_plan_order(nrg_planner *w);
bool nrg_plan_elementwise(nrg_op op);
bool nrg_plan_barrier(const nrg_node_info *v, const nrg_graph *g);
int nrg_plan_arity(nrg_op op);
// fuse.c: groups of elementwise nodes, then an order of emission.
nrg_status nrg_plan_fuse(nrg_planner *w);
nrg_status nrg_plan_tile(nrg_planner *w, uint32_t group);
// views.c
nrg_status nrg_plan_view(nrg_planner *w, nrg_node n, nrg_view **out); // where n lies; movement operations are resolved
nrg_status nrg_plan_buffer(nrg_planner *w, nrg_node n, nrg_view **out); // a new buffer in the node's own order
nrg_status nrg_plan_copy(nrg_planner *w, nrg_node n, const nrg_view *from, nrg_view **out);
bool nrg_plan_movement(nrg_op op);
nrg_status nrg_plan_put_dim(nrg_planner *w, nrg_dims *d, int64_t n, int64_t a, int64_t b, int64_t c);
double nrg_plan_count(const nrg_dims *d); // numbers of these axes, without the samples
bool nrg_plan_same_space(const nrg_node_info *a, const nrg_node_info *b); // the same leading axes and event shape
bool nrg_plan_constant(const nrg_planner *w, nrg_node n, double *value);  // a number that movement only spreads
// lower.c, products.c, conv.c: one node -> steps
nrg_status nrg_plan_step(nrg_planner *w, nrg_step_kind kind, nrg_node n, uint32_t phase, const void *detail, const uint32_t *reads,
                         int reads_n, const uint32_t *writes, int writes_n, double flops);
nrg_status nrg_plan_lower(nrg_planner *w, nrg_node n);
nrg_status nrg_plan_lanes(nrg_planner *w, nrg_node n, nrg_op op, bool wide, uint32_t *buf);
nrg_status nrg_plan_keep(nrg_planner *w, nrg_node n, nrg_view **out);
nrg_status nrg_plan_product(nrg_planner *w, nrg_node n);
nrg_status nrg_plan_find_joint(nrg_planner *w); // sums of products over samples
// The right side of a product in panels; n: the product that asks.
nrg_status nrg_plan_pack(nrg_planner *w, nrg_node n, nrg_at b, const nrg_dims *loop, const nrg_dims *cols, const nrg_dims *red, uint32_t *buf,
                         int64_t *panel);
// distance.c
void nrg_plan_find_distances(nrg_planner *w, uint32_t *readers, uint32_t *taken, uint32_t *child);
nrg_status nrg_plan_distance(nrg_planner *w, nrg_node n);
nrg_status nrg_plan_nearest(nrg_planner *w, nrg_node n); // least distances and their places
// pool.c
void nrg_plan_find_pools(nrg_planner *w, const uint32_t *readers);
nrg_status nrg_plan_pool(nrg_planner *w, nrg_node n);
nrg_status nrg_plan_conv(nrg_planner *w, nrg_node n);
nrg_status nrg_plan_ends(nrg_planner *w); // outputs and updates
const char *nrg_plan_step_name(nrg_step_kind kind); // print.c
int64_t nrg_plan_rows(int64_t n); // rows that a BATCH or BLOCK buffer has for n samples: keeps every buffer aligned
// inplace.c
void nrg_plan_direct(nrg_plan *p);
void nrg_plan_share(nrg_plan *p);
// memory.c: places, lifetimes, slice size, offsets
nrg_status nrg_plan_memory(nrg_plan *p, const nrg_plan_spec *spec);
#endif
