// Insides of the processor executor: what a thread works on, the kernels compiled for each instruction set, and the
// function that carries out each kind of step.
#ifndef NRG_EXEC_CPU_H
#define NRG_EXEC_CPU_H

#include "exec/exec.h"
#include "exec/cpu/team.h"
#include "plan/steps.h"

enum {
#ifdef NRG_STRESS
    NRG_TILE = 5,
    NRG_LITTLE = 0,
    NRG_RANDOM_BLOCKS = 3,
    NRG_ROW_SHORT = 2,
#else
    NRG_LITTLE = 50000,     // operations that one thread does sooner than another one wakes
    NRG_TILE = 512,         // numbers of one tile of a fused step: its registers stay in the first-level cache
    NRG_ROW_SHORT = 24,     // numbers of a row from which on it goes to the kernels
    NRG_RANDOM_BLOCKS = 128, // counters of random numbers that are worked on at once
#endif
};

// ---- isa/: one file compiled for each instruction set. All of them give the same bits: every result is the same chain of
// fused multiply-adds, however wide the registers are.
typedef void (*nrg_tile_fn)(int64_t n, void *out, const void *a, const void *b, const void *c);
// c[r][0 .. nv * 64 bytes) (+)= sum over k of a[r][ak[k]] * b[k * ldb + j]; mr <= 12 when nv <= 2, else mr <= 6.
typedef void (*nrg_micro_f32)(int mr, int nv, int64_t kc, const float *const *a, const int64_t *ak,
                              const float *b, int64_t ldb, float *const *c, bool add);
typedef void (*nrg_micro_f64)(int mr, int nv, int64_t kc, const double *const *a, const int64_t *ak,
                              const double *b, int64_t ldb, double *const *c, bool add);
// A product of bfloat16 numbers in tiles of 16 rows of 64 bytes. For results c[m][n] and each 32 summed terms, in order:
//   e = sum of a[m][2i] b[2i][n], o = sum of a[m][2i+1] b[2i+1][n], i = 0 .. 15, each one chain of fused multiply-adds from 0; c += e + o.
// three: that for the remainders of b, then for both sides, then for the remainders of a. Numbers are rounded to nearest, ties to even;
// denormal ones are zeros. That is what the instruction TDPBF16PS does.
enum { NRG_TILE_TERMS = 512 }; // bfloat16 numbers of a tile
enum { NRG_LIST_MORE = 16 };   // numbers that may be written beyond a list
typedef struct {
    int64_t rows, cols, terms; // in tiles
    bool three, add;
    const uint16_t *a, *b;     // strips of 16 rows, of 16 columns (in pairs of terms): see bf16.c
    int64_t b_strip;           // numbers of a strip of columns
    float *c;
    int64_t c_row;             // numbers from row to row
} nrg_tiles;
typedef void (*nrg_tiles_fn)(const nrg_tiles *j);
// Products of bytes, numbers 0 .. 127 times numbers -127 .. 127: c[r][0 .. 16 nv) (+)= sum over k < kc of a[r][k] b[k][j]; mr <= 6, nv <= 4.
// Columns come by sixteen, [kc / 4][16][4]; unit: bytes from one sixteen to the next.
typedef void (*nrg_coarse_fn)(int mr, int nv, int64_t kc, const uint8_t *const *a, const int8_t *b, int64_t unit, int32_t *const *c, bool add);
// Random numbers, uniform or normal: four of each counter (at, step, id).
enum { NRG_RANDOM_ROOM = NRG_RANDOM_BLOCKS + 8 }; // to the end of a register
typedef struct {
    int64_t n;
    bool normal;
    uint32_t step, key0, key1;
    uint64_t at[NRG_RANDOM_ROOM], id[NRG_RANDOM_ROOM];
} nrg_draw;
// Sums of products of m and k rows of numbers, over pictures of `rows` rows of n numbers side by side.
typedef struct {
    int64_t m, k, pictures, rows, n, a_row, b_row, c_row, c_col;
} nrg_dots;
// Lines of n windows: term t of window j is x[at[t] + j * step], its result out[to[t] + j * to_step].
typedef struct {
    int64_t lines, x_line, d_line, out_line, n, step, to_step, terms;
    const int64_t *at, *to;
} nrg_winners;
typedef struct {
    const char *name;
    nrg_tiles_fn tiles;
    void (*bf16)(bool pairs, bool turned, const float *x, int64_t row, uint16_t *hi, uint16_t *lo); // rounds a tile; pairs: of a right side
    nrg_micro_f32 micro_f32;
    nrg_micro_f64 micro_f64;
    // The same for planes of kc taps each: sum over q and k, q by q, of a[r][q * a_step + ak[k]] * b[q * b_step + bk[k] + j]
    void (*taps_f32)(int mr, int nv, int64_t planes, int64_t kc, const float *const *a, const int64_t *ak, int64_t a_step, const float *b,
                     const int64_t *bk, int64_t b_step, float *const *c, bool add);
    void (*taps_f64)(int mr, int nv, int64_t planes, int64_t kc, const double *const *a, const int64_t *ak, int64_t a_step, const double *b,
                     const int64_t *bk, int64_t b_step, double *const *c, bool add);
    // Terms of two rows, a[i] and b[i] (a[ak[i]], b[ak[i]] unless NULL), that are not both zero, or all: gives how many. x, y, at have
    // room for NRG_LIST_MORE more.
    int64_t (*nonzero_f32)(int64_t k, const float *a, const float *b, const int64_t *ak, bool all, float *x, float *y, int32_t *at);
    int64_t (*nonzero_f64)(int64_t k, const double *a, const double *b, const int64_t *ak, bool all, double *x, double *y, int32_t *at);
    // c[0][0 .. nv * 64 bytes) (+)= sum over i of x[i] * b[at[i] * nv * 16 + j] (8 of doubles), c[1] likewise of y; mr: only c[0], or both
    void (*pair_f32)(int mr, int nv, int64_t n, const float *x, const float *y, const int32_t *at, const float *b, float *const *c, bool add);
    void (*pair_f64)(int mr, int nv, int64_t n, const double *x, const double *y, const int32_t *at, const double *b, double *const *c, bool add);
    bool (*finite_f32)(int64_t n, const float *x); // are all of them?
    bool (*finite_f64)(int64_t n, const double *x);
    // c[r][j] (+)= sum over pictures i, rows and their numbers of a[i][ra[r] + ..] * b[i][cb[j] + ..]: 64 bytes of chains each, then a tree
    void (*dots_f32)(const nrg_dots *d, const float *const *a, const float *const *b, const int64_t *ra, const int64_t *cb, float *c, bool add);
    void (*dots_f64)(const nrg_dots *d, const double *const *a, const double *const *b, const int64_t *ra, const int64_t *cb, double *c, bool add);
    // Planes of rows of n numbers copied.
    void (*planes_f32)(int64_t planes, int64_t rows, int64_t n, const float *from, int64_t from_plane, int64_t from_row, float *to,
                       int64_t to_plane, int64_t to_row);
    void (*planes_f64)(int64_t planes, int64_t rows, int64_t n, const double *from, int64_t from_plane, int64_t from_row, double *to,
                       int64_t to_plane, int64_t to_row);
    // n rows of m numbers turned into columns. Steps from row to row.
    void (*turn_f32)(int64_t n, int64_t m, const float *from, int64_t from_step, float *to, int64_t to_step);
    void (*turn_f64)(int64_t n, int64_t m, const double *from, int64_t from_step, double *to, int64_t to_step);
    // to[at[i] + j] += from[i][j] for j < len, i by i; to has n numbers
    void (*gather_f32)(int64_t n, float *to, int64_t terms, const float *const *from, const int64_t *at, int64_t len);
    void (*gather_f64)(int64_t n, double *to, int64_t terms, const double *const *from, const int64_t *at, int64_t len);
    // c[r][0 .. nv * 64 bytes) (+)= sum over k of w[k * ldb + j] * (a[r][k] - b[k * ldb + j])^2; NULL w: of the squares
    void (*far_f32)(int mr, int nv, int64_t kc, const float *const *a, const float *b, const float *w, int64_t ldb, float *const *c, bool add);
    void (*far_f64)(int mr, int nv, int64_t kc, const double *const *a, const double *b, const double *w, int64_t ldb, double *const *c,
                    bool add);
    // c[0 .. nv * 64 bytes) += sum over i < n of w[i] * (a[at[i] + j] - m[j])^2
    void (*spread_f32)(int nv, int64_t n, const int64_t *at, const float *w, const float *a, const float *m, float *c);
    void (*spread_f64)(int nv, int64_t n, const int64_t *at, const double *w, const double *a, const double *m, double *c);
    // Nearest columns, see isa/distance.inc: the span of x - less and the sum of its squares; x - less as bytes and the sum of squares of what
    // that leaves; scores, how low they may be, and how high the least; places of those within a limit; a sum of squared differences.
    nrg_coarse_fn coarse;
    float (*span_f32)(int64_t n, const float *x, const float *less, float *span);
    double (*span_f64)(int64_t n, const double *x, const double *less, double *span);
    float (*coarse_f32)(int64_t n, const float *x, const float *less, float inverse, float step, int zero, int most, int off, uint8_t *to);
    double (*coarse_f64)(int64_t n, const double *x, const double *less, double inverse, double step, int zero, int most, int off, uint8_t *to);
    float (*judge_f32)(int64_t n, const int32_t *c, int32_t zero, const int32_t *sum, float row_step, float row_lost, float norm,
                       const float *columns, float *low);
    double (*judge_f64)(int64_t n, const int32_t *c, int32_t zero, const int32_t *sum, double row_step, double row_lost, double norm,
                        const double *columns, double *low);
    int64_t (*within_f32)(int64_t n, const float *low, float limit, int32_t *at);
    int64_t (*within_f64)(int64_t n, const double *low, double limit, int32_t *at);
    float (*apart_f32)(int64_t n, const float *a, const float *b);
    double (*apart_f64)(int64_t n, const double *a, const double *b);
    // c[r, j] (+)= sum over k of a[r, k] * b[k, j], any strides: for a few results
    void (*narrow_f32)(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_term, const float *b, int64_t b_term,
                       int64_t b_col, float *c, int64_t c_row, int64_t c_col, bool add);
    void (*narrow_f64)(int64_t m, int64_t n, int64_t k, const double *a, int64_t a_row, int64_t a_term, const double *b, int64_t b_term,
                       int64_t b_col, double *c, int64_t c_row, int64_t c_col, bool add);
    // s[j][r] += sum over k of x[k * step + r] * b[k, j], r < 128 bytes of rows: for few columns
    void (*tall_f32)(int64_t n, int64_t k, const float *x, int64_t step, const float *b, int64_t b_term, int64_t b_col, float *s);
    void (*tall_f64)(int64_t n, int64_t k, const double *x, int64_t step, const double *b, int64_t b_term, int64_t b_col, double *s);
    // Reductions of lines of n small windows: result j is that of the terms x[at[t] + j * step]. sum, rmax, rmin, argmax, argmin.
    void (*windows_f32)(nrg_op op, int64_t lines, int64_t line_step, int64_t n, int64_t step, int64_t terms, const int64_t *at,
                        const float *x, float *out, int64_t out_step);
    void (*windows_f64)(nrg_op op, int64_t lines, int64_t line_step, int64_t n, int64_t step, int64_t terms, const int64_t *at,
                        const double *x, double *out, int64_t out_step);
    // d[j] to the place of the extreme (argmax, argmin) of window j of each line, zeros to the others
    void (*winners_f32)(nrg_op op, const nrg_winners *w, const float *x, const float *d, float *out);
    void (*winners_f64)(nrg_op op, const nrg_winners *w, const double *x, const double *d, double *out);
    nrg_tile_fn tile_f32[NRG_OP_COUNT], tile_f64[NRG_OP_COUNT];
    // Sixteen interleaved sums in double; `s` carries them over runs of a row.
    void (*sum_f32)(int64_t n, const float *a, double *s);
    void (*sum_f64)(int64_t n, const double *a, double *s);
    // Columns of `rows` rows, `row` numbers apart: s[j] += x[j] + x[row + j] ..., j < n, in the order of the rows.
    void (*columns_f32)(int64_t n, int64_t rows, int64_t row, const float *x, double *s);
    void (*columns_f64)(int64_t n, int64_t rows, int64_t row, const double *x, double *s);
    void (*bytes_f32)(int64_t n, const uint8_t *a, float *to); // pictures as they lie in files
    void (*random_f32)(const nrg_draw *d, void *out);
    void (*random_f64)(const nrg_draw *d, void *out);
} nrg_kernels;
typedef enum { NRG_CPU_BEST, NRG_CPU_PORTABLE, NRG_CPU_AVX2, NRG_CPU_AVX512, NRG_CPU_VNNI, NRG_CPU_AMX } nrg_cpu_level;
// The kernels of a level; NULL when this processor or build lacks it.
const nrg_kernels *nrg_cpu_kernels(nrg_cpu_level level);
nrg_coarse_fn nrg_cpu_coarse(nrg_cpu_level level); // products of bytes; NULL: not here
nrg_tiles_fn nrg_cpu_tiles(const nrg_kernels *k, nrg_cpu_level level); // matrix units where the level has them; NULL: not here

// ---- a run and its threads
typedef struct {
    nrg_buffer b;
    bool direct;     // rows are used where they lie
    bool same;       // of the graph's own type
    void *converted; // one value of another type, in the graph's type
    size_t size;     // of `converted`
} nrg_bound;

typedef struct {
    nrg_run *run;
    const nrg_kernels *k;
    char *mem, *scratch;
    char **base;    // of each buffer, for the slice at hand
    int64_t first;  // its first sample
    int64_t rows;   // its samples
    int64_t skip;   // rows before it in the thread's own memory
    int64_t lane;
    bool fresh;     // first slice of its lane, or first block: sums start here
    int part, parts; // share of a step that threads split
    uint64_t seed;
    uint32_t step;
} nrg_task;

// Does a product add to what lies there?
static inline bool nrg_cpu_adds(const nrg_task *t, const nrg_matmul_step *d) { return d->onto || ((d->lanes || d->deferred) && !t->fresh); }

struct nrg_run {
    nrg_ctx *ctx;
    const nrg_plan *p;
    const nrg_kernels *k;
    nrg_tiles_fn tiles;
    nrg_coarse_fn coarse;
    int threads, hands; // hands: those that the run at hand is worth
    double fixed, each; // what it has to do: in all, a sample
    nrg_team *team;     // for the life of the run
    nrg_bound *in;      // by slot
    void **out;         // by output
    char *once, *batch, *block; // 64-byte aligned inside the raw blocks below
    void *raw[4];
    size_t raw_size[4];
    nrg_task *tasks;
    char **bases;
    uint32_t *gather;   // buffers of sample inputs by phase: gather[gather_at[f]] ..
    uint32_t *gather_at;
    uint32_t *placed;   // buffers that steps use, placed_n of them; those with rows first, moving_n
    uint32_t moving_n, placed_n;
    bool *state;        // slot is updated
    int64_t n, block0;
    int64_t wide;       // slices that a thread takes together
    bool sparing;       // spare packed copies are not made
    bool heard;         // the context wants to know what steps take: those from `spent` on
    uint32_t spent;
    void *tables;       // the block that holds the small arrays
    size_t tables_size;
    char *kept;         // weights that the first phase was last computed from, one after the other; NULL: it is always computed
    size_t kept_size;
    bool known;         // was it?
};
// Is packed buffer b made? Not where it is spare and at most two stretches of slices would read it.
static inline bool nrg_cpu_packed(const nrg_run *r, uint32_t b) { return !r->sparing || !r->p->bufs.at[b].spare; }
bool nrg_cpu_kept(nrg_run *r); // kept.c: the first phase need not be computed again
void nrg_run_level(nrg_run *r, nrg_cpu_level level); // for tests: other kernels, same bits

// ---- steps
static inline int64_t nrg_dim_n(const nrg_dim *d, int64_t rows) { return d->n < 0 ? rows : d->n; }

// Walks over all indices of some axes; a, b, c are offsets in numbers.
typedef struct {
    const nrg_dims *d;
    int64_t rows, i[NRG_PLAN_RANK], a, b, c;
} nrg_walk;
int64_t nrg_dims_count(const nrg_dims *d, int64_t rows);
nrg_walk nrg_walk_from(const nrg_dims *d, int64_t rows, int64_t index);
void nrg_walk_next(nrg_walk *w);
nrg_dim nrg_dims_last(const nrg_dims *d, nrg_dims *outer); // the last axis, and those before it

void nrg_cpu_tile(nrg_task *t, const nrg_tile *d);
void nrg_cpu_move(nrg_task *t, const nrg_move *d);
void nrg_cpu_fill(nrg_task *t, const nrg_fill *d);
void nrg_cpu_iota(nrg_task *t, const nrg_iota_step *d);
void nrg_cpu_random(nrg_task *t, const nrg_random_step *d);
void nrg_cpu_reduce(nrg_task *t, const nrg_reduce_step *d);
void nrg_cpu_pool(nrg_task *t, const nrg_pool_step *d);
double nrg_cpu_tree(double *s); // the sum of sixteen, which are used up
void nrg_cpu_combine(nrg_task *t, const nrg_combine_step *d, int lanes);
void nrg_cpu_pack(nrg_task *t, const nrg_pack_step *d);
void nrg_cpu_matmul(nrg_task *t, const nrg_matmul_step *d);
void nrg_cpu_pack_bf16(nrg_task *t, const nrg_pack_step *d);
void nrg_cpu_matmul_bf16(nrg_task *t, const nrg_matmul_step *d);
void nrg_cpu_filters(nrg_task *t, const nrg_filters_step *d);
bool nrg_cpu_plain(nrg_task *t, const nrg_matmul_step *d); // plain.c: small products; false: not one of them
void nrg_cpu_conv(nrg_task *t, const nrg_conv_step *d);
void nrg_cpu_distance(nrg_task *t, const nrg_distance_step *d);
void nrg_cpu_centre(nrg_task *t, const nrg_centre_step *d);
void nrg_cpu_spread(nrg_task *t, const nrg_spread_step *d);
void nrg_cpu_nearest(nrg_task *t, const nrg_nearest_step *d);
void nrg_cpu_take(nrg_task *t, const nrg_take_step *d);
void nrg_cpu_put(nrg_task *t, const nrg_take_step *d);
void nrg_cpu_dense(nrg_task *t, const nrg_dense_step *d);
void nrg_cpu_trisolve(nrg_task *t, const nrg_dense_step *d);
// bind.c
void nrg_cpu_gather(nrg_task *t, const nrg_plan_buf *b, char *to);
nrg_status nrg_cpu_inputs(nrg_run *r); // converts inputs that are one value; says which input is not bound
void nrg_cpu_output(nrg_task *t, const nrg_out_step *d);
void nrg_cpu_update(nrg_task *t, const nrg_out_step *d);
#endif
