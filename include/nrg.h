/* nrg: energy-based learning. The one public header. Every call that can fail returns an nrg_status; the story
 * (where, what was found, what was expected, what to do) is in the context's list of diagnostics. There are no
 * globals. A context serves one thread at a time. Who makes a thing frees it; a const pointer is lent for the
 * call. */
#ifndef NRG_H
#define NRG_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#if defined(__GNUC__)
#define NRG_API __attribute__((visibility("default")))
#else
#define NRG_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define NRG_VERSION "0.1.0"

/* ---- status and diagnostics ---------------------------------------------------------------------------- */

typedef enum nrg_status {
    NRG_OK = 0,
#define NRG_STATUS(tag, number, exit, meaning, help) NRG_##tag = number,
#include "nrg_errors.def"
} nrg_status;

typedef struct nrg_ctx nrg_ctx; /* memory, diagnostics and texts of one user of the library */

/* Memory hook: p == NULL allocates, size == 0 frees, else reallocates; `old` is the size given before.
 * Returns NULL when it refuses. */
typedef void *(*nrg_alloc_fn)(void *ud, void *p, size_t old, size_t size);

typedef enum { NRG_ERROR, NRG_WARNING, NRG_NOTE } nrg_severity;

/* One message. Lines and columns count from 1 (columns in characters); 0 where there is no place in a text. */
typedef struct {
    nrg_status status;
    nrg_severity severity;
    const char *file;      /* name of the text, or NULL */
    int line, col, length; /* length of the underlined part, in characters */
    const char *message;   /* one sentence */
    const char *facts;     /* lines of facts separated by \n, or "" */
    const char *help;      /* one concrete edit, or "" */
} nrg_diag;

/* A context with the given memory hook (NULL: malloc). NULL when memory is refused. */
NRG_API nrg_ctx *nrg_ctx_new(nrg_alloc_fn alloc, void *ud);
NRG_API void nrg_ctx_free(nrg_ctx *c);
NRG_API int nrg_diag_count(const nrg_ctx *c);
NRG_API const nrg_diag *nrg_diag_get(const nrg_ctx *c, int i);
NRG_API void nrg_diag_clear(nrg_ctx *c);
/* Short name ("E036"), meaning, advice and exit code of a status. Never fail. */
NRG_API const char *nrg_status_name(nrg_status s);
NRG_API const char *nrg_status_meaning(nrg_status s);
NRG_API const char *nrg_status_advice(nrg_status s);
NRG_API int nrg_status_exit(nrg_status s);
/* A faulty model and what nrg says of it, or "". */
NRG_API const char *nrg_status_example(nrg_status s);
/* i-th status of the table, NRG_OK past its end: for listings. */
NRG_API nrg_status nrg_status_at(int i);
/* Diagnostic i as text for people (place, code, sentence, line with carets, facts, help) or as one JSON object;
 * both end in a newline. Like snprintf: writes at most n bytes with the final zero and returns the length that
 * the whole needs. */
NRG_API size_t nrg_diag_text(nrg_ctx *c, int i, char *at, size_t n);
NRG_API size_t nrg_diag_json_text(nrg_ctx *c, int i, char *at, size_t n);
/* Puts a message of your own into the list and returns s, for instance from an energy callback's caller. */
NRG_API nrg_status nrg_complain(nrg_ctx *c, nrg_status s, const char *message, const char *help);
NRG_API int nrg_diag_errors(const nrg_ctx *c); /* how many of the list are errors */
NRG_API size_t nrg_mem_used(const nrg_ctx *c); /* bytes held now, and the most ever held */
NRG_API size_t nrg_mem_peak(const nrg_ctx *c);
NRG_API const char *nrg_version(void);         /* "0.1.0": of the library, where NRG_VERSION is of the header */
/* Nearest of n words by edit distance, NULL when none is near: for suggestions. */
NRG_API const char *nrg_nearest(const char *word, const char *const *words, int n);
NRG_API int nrg_cores(void);                   /* processors of this machine that we may use: the default for threads */

/* ---- data: named arrays, one row a sample ----------------------------------------------------------------- */

typedef enum {
    NRG_CELL_F32, NRG_CELL_F64, NRG_CELL_U8, NRG_CELL_I8, NRG_CELL_I16, NRG_CELL_I32, NRG_CELL_I64, NRG_CELL_U16, NRG_CELL_U32,
    NRG_CELL_BOOL, NRG_CELL_COUNT
} nrg_cell;
enum { NRG_ARRAY_RANK = 8 };

typedef struct {
    const char *name;
    nrg_cell type;
    int32_t rank;                /* at least 1 */
    int64_t dim[NRG_ARRAY_RANK]; /* dim[0]: samples; of a ragged array: items of all samples together */
    void *data;                  /* row-major, aligned to its type */
    const int64_t *offsets;      /* ragged: items of sample i are offsets[i] .. offsets[i + 1] - 1; else NULL */
    int64_t samples;             /* dim[0], or the number of offsets less one */
    const uint8_t *missing;      /* one byte a cell, 1 where it is missing; NULL: none, but NaN in floats still means missing */
    const char *const *labels;   /* labels[labels_n]: cells are categories 0 .. labels_n - 1; NULL: numbers */
    int64_t labels_n;
    const char *file;            /* where it came from, for messages, or NULL */
} nrg_array;

/* Arrays by name, all with the same number of samples. An array called "given:x" holds values of the variable x
 * itself, whatever `data x = ...` computes from which arrays. */
typedef struct nrg_table nrg_table;

NRG_API nrg_status nrg_table_new(nrg_ctx *c, nrg_table **out);
NRG_API void nrg_table_free(nrg_table *t);
/* Adds an array. Name, labels and file are copied; data, offsets and missing are lent until the table is freed.
 * E090 when the name is taken. After the last one call nrg_table_check (E056: different numbers of samples). */
NRG_API nrg_status nrg_table_add(nrg_table *t, const nrg_array *a);
/* The short way for dense arrays: name, type, rank, dim[rank], data (lent). */
NRG_API nrg_status nrg_table_put(nrg_table *t, const char *name, nrg_cell type, int rank, const int64_t *dim, const void *data);
NRG_API nrg_status nrg_table_check(nrg_table *t);
NRG_API int64_t nrg_table_rows(const nrg_table *t);
NRG_API int nrg_table_count(const nrg_table *t);
NRG_API const nrg_array *nrg_table_at(const nrg_table *t, int i);
NRG_API const nrg_array *nrg_table_find(const nrg_table *t, const char *name); /* NULL: none */
/* Cell number `cell` of an array (row-major) as a number. */
NRG_API double nrg_array_value(const nrg_array *a, int64_t cell);
/* Opens files into a new table: each spec is FILE, NAME=FILE, FILE:PART or NAME=FILE:PART (an array of an .npz,
 * a column of a table by header or number). Reads npz, npy, idx, csv, tsv, libsvm, each also as .gz. E053,
 * E054, E056. */
NRG_API nrg_status nrg_data_load(nrg_ctx *c, const char *const *specs, int n, nrg_table **out);
/* Built-in data of n samples, a pure function of its arguments: parabola, eye, spiral, moons, gaussians,
 * checkerboard, digits. E011. */
NRG_API nrg_status nrg_data_make(nrg_ctx *c, const char *name, int64_t n, uint64_t seed, nrg_table **out);
NRG_API const char *nrg_data_maker(int i, const char **doc); /* name of the i-th kind, NULL past the end */
/* By extension: .npz, .npy, .csv, .tsv; whole or not at all (E092). Replaces an existing file. */
NRG_API nrg_status nrg_data_write(const nrg_table *t, const char *path);
/* Listing: arrays, shapes, ranges, labels and the first `rows` rows. The text is lent until the table is freed. */
NRG_API nrg_status nrg_table_text(nrg_table *t, int rows, const char **text);

/* ---- energies written in C: nodes of a graph --------------------------------------------------------------- */

/* A graph of tensor operations. A node stands for an array with an event shape (what one sample has) and any
 * number of leading axes (samples, candidates), which are handled for you: builders never mention them. A
 * builder that gets wrong shapes returns the bad node 0; what is built on it is bad; the first cause is
 * reported when the energy is used. */
typedef struct nrg_graph nrg_graph;
typedef struct {
    uint32_t i;
} nrg_node;

enum { NRG_MAX_RANK = 8 };
typedef struct {
    int32_t rank;
    int64_t dim[NRG_MAX_RANK];
} nrg_shape;

/* Builds an energy: one number a sample (event rank 0), from the nodes of the listed variables, in the order of
 * the list; weights and modules of the text are had by name with nrg_weight_node and nrg_apply_module. It is
 * called several times for one model, each time with nodes of another graph. Categories come as their index. */
typedef nrg_node (*nrg_energy_fn)(void *ud, nrg_graph *g, const nrg_node *vars, int n);

/* A `weight` of the model, and a `module` applied to n inputs: with the weights that the module has everywhere
 * else. Only inside the energy function. */
NRG_API nrg_node nrg_weight_node(nrg_graph *g, const char *name);
NRG_API nrg_node nrg_apply_module(nrg_graph *g, const char *module, const nrg_node *in, int n);
NRG_API nrg_shape nrg_shape_of(int rank, const int64_t *dim);
NRG_API nrg_shape nrg_node_shape(const nrg_graph *g, nrg_node n); /* event shape; rank 0 for the bad node */
NRG_API nrg_node nrg_const(nrg_graph *g, double value);
/* Elementwise, of one node. stop: its value without its gradient. step: 1 where a > 0, else 0. */
NRG_API nrg_node nrg_neg(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_abs(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_sign(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_step(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_floor(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_exp(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_log(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_sqrt(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_square(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_recip(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_tanh(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_sigmoid(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_softplus(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_relu(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_sin(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_cos(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_stop(nrg_graph *g, nrg_node a);
/* Elementwise, of two: event shapes are broadcast from the right as in NumPy. lt, le, eq give 1 or 0. */
NRG_API nrg_node nrg_add(nrg_graph *g, nrg_node a, nrg_node b);
NRG_API nrg_node nrg_sub(nrg_graph *g, nrg_node a, nrg_node b);
NRG_API nrg_node nrg_mul(nrg_graph *g, nrg_node a, nrg_node b);
NRG_API nrg_node nrg_div(nrg_graph *g, nrg_node a, nrg_node b);
NRG_API nrg_node nrg_pow(nrg_graph *g, nrg_node a, nrg_node b);
NRG_API nrg_node nrg_max(nrg_graph *g, nrg_node a, nrg_node b);
NRG_API nrg_node nrg_min(nrg_graph *g, nrg_node a, nrg_node b);
NRG_API nrg_node nrg_lt(nrg_graph *g, nrg_node a, nrg_node b);
NRG_API nrg_node nrg_le(nrg_graph *g, nrg_node a, nrg_node b);
NRG_API nrg_node nrg_eq(nrg_graph *g, nrg_node a, nrg_node b);
NRG_API nrg_node nrg_select(nrg_graph *g, nrg_node cond, nrg_node a, nrg_node b); /* cond != 0 ? a : b */
/* Reductions over all event axes, or over one (axis counts from 0; negative from the end). */
NRG_API nrg_node nrg_sum_all(nrg_graph *g, nrg_node a);
NRG_API nrg_node nrg_sum_axis(nrg_graph *g, nrg_node a, int axis);
NRG_API nrg_node nrg_max_axis(nrg_graph *g, nrg_node a, int axis);
NRG_API nrg_node nrg_min_axis(nrg_graph *g, nrg_node a, int axis);
NRG_API nrg_node nrg_logsumexp_axis(nrg_graph *g, nrg_node a, int axis);
NRG_API nrg_node nrg_sum_squares(nrg_graph *g, nrg_node a); /* sum of a * a over all event axes */
NRG_API nrg_node nrg_inner(nrg_graph *g, nrg_node a, nrg_node b); /* sum of a * b over all event axes */
/* Product of matrices and vectors: sums over the last axis of a and the first of b, as @ of the language. */
NRG_API nrg_node nrg_product_of(nrg_graph *g, nrg_node a, nrg_node b);
NRG_API nrg_node nrg_transpose(nrg_graph *g, nrg_node a); /* the last two axes */
NRG_API nrg_node nrg_reshape(nrg_graph *g, nrg_node a, nrg_shape s);
NRG_API nrg_node nrg_slice(nrg_graph *g, nrg_node a, int axis, int64_t start, int64_t n, int64_t step);
NRG_API nrg_node nrg_concat(nrg_graph *g, nrg_node a, nrg_node b, int axis);
NRG_API nrg_node nrg_take(nrg_graph *g, nrg_node a, nrg_node index); /* a [n, e...], index [i...] -> [i..., e...] */
/* image [c, h, w], filters [f, c, kh, kw] -> [f, h', w'] */
NRG_API nrg_node nrg_conv(nrg_graph *g, nrg_node image, nrg_node filters, int stride, int pad_h, int pad_w);

/* ---- models ------------------------------------------------------------------------------------------------ */

/* An energy-based model: its text, its weights once it has some, and what it was told about threads and
 * precision. */
typedef struct nrg_ebm nrg_ebm;

typedef enum { NRG_GIVEN, NRG_PREDICT, NRG_LATENT, NRG_WEIGHT } nrg_role;
typedef enum { NRG_REAL, NRG_BIT, NRG_SIGN, NRG_INT, NRG_CATEGORY, NRG_TRUTH } nrg_elem;
typedef enum { NRG_BEST, NRG_RANK, NRG_DIST } nrg_question;

/* Matrix products from bfloat16 numbers (7 binary digits behind the first), added in float32; all else stays float32. BF16X3 multiplies
 * each number and what rounding left of it, to nearly float32's accuracy. Fast on processors with matrix units (AMX). */
typedef enum { NRG_PRODUCTS_FULL, NRG_PRODUCTS_BF16X3, NRG_PRODUCTS_BF16 } nrg_products;

/* All zero is a good default. The strings are lent for the call. */
typedef struct {
    const char *const *sets;  /* "K=20", "lambda=0.1": sizes and hyper-parameters */
    int sets_n;
    const char *const *stmts; /* whole statements: each replaces the one with its keyword and variables, else is added */
    int stmts_n;
    const char *const *maps;  /* "y=label": array `label` is variable y */
    int maps_n;
    int threads;              /* 0: all cores. Results do not depend on it */
    uint64_t seed;
    bool f64;                 /* compute in double precision */
    bool last;                /* of a run: its last weights instead of its best */
    nrg_products products;    /* E094 where the processor has no matrix units, and with double precision */
    bool emulate;             /* compute such products without matrix units as well: the same numbers, slower than float32 */
    bool draws_only;          /* of a training: `products` where chains draw, float32 where weights learn */
} nrg_options;

/* Loads a model: a .nrg text, or a trained one (run folder, .safetensors, .nrgm). `path` "-" reads the text
 * from stdin. Every error of a text is in the context's list (up to 20 statements); the first one's status is
 * returned. `o` may be NULL. */
NRG_API nrg_status nrg_ebm_load(nrg_ctx *c, const char *path, const nrg_options *o, nrg_ebm **out);
/* From a text of n bytes in memory; `name` is for messages. */
NRG_API nrg_status nrg_ebm_load_text(nrg_ctx *c, const char *name, const char *text, size_t n, const nrg_options *o, nrg_ebm **out);
/* The energy is given in C: the text has every statement but `energy`; `vars` lists the variables it reads: "x,
 * y". All inference, losses, optimisers and questions work as for an energy in the language. */
NRG_API nrg_status nrg_ebm_load_fn(nrg_ctx *c, const char *name, const char *text, size_t n, const nrg_options *o, const char *vars,
                                   nrg_energy_fn fn, void *ud, nrg_ebm **out);
NRG_API void nrg_ebm_free(nrg_ebm *m);
NRG_API nrg_ctx *nrg_ebm_ctx(const nrg_ebm *m);

/* Texts about a model, lent until the next call that gives a text of this model. */
typedef enum {
    NRG_SHOW_SUMMARY, /* one screen: dims, variables, modules, sizes, choices with reasons, questions it can answer */
    NRG_SHOW_TEXT,    /* the model in the language, overrides resolved */
    NRG_SHOW_SHAPES,  /* each declaration with its type and size */
    NRG_SHOW_GRAPH,   /* the energy as a graph, one line a node (unknown sizes stand in by a guess) */
    NRG_SHOW_PLAN,    /* the steps that compute it, with bytes and operations */
    NRG_SHOW_AUDIT    /* claims about the energy's structure, each checked numerically; E099 when one fails */
} nrg_show;
/* The plan of a training step on these data (steps, bytes, operations, what was fused, by lines of the model), and of a step of its chains. */
NRG_API nrg_status nrg_ebm_train_steps(nrg_ebm *m, const nrg_table *data, const char **text);
NRG_API nrg_status nrg_ebm_text(nrg_ebm *m, nrg_show what, const char **text);
/* NRG_OK when it can be trained; E070: nothing to learn; E071: the message names the part that is missing. */
NRG_API nrg_status nrg_ebm_trainable(nrg_ebm *m);
/* NRG_OK, or E060 with the reason and what it can answer. */
NRG_API nrg_status nrg_ebm_answers(nrg_ebm *m, nrg_question q, const char *var);

typedef struct {
    const char *name;
    nrg_role role;
    nrg_elem elem;
    int32_t rank;
    int64_t dim[NRG_MAX_RANK];       /* -1: not known before data are seen */
    const char *axis[NRG_MAX_RANK];  /* names of the axes, NULL where anonymous */
    const char *const *labels;       /* of a category, or NULL */
    int64_t labels_n;                /* values of a category, -1: not known yet; 0: not a category */
} nrg_var_info;
NRG_API int nrg_ebm_vars(const nrg_ebm *m);
NRG_API int nrg_ebm_find(const nrg_ebm *m, const char *var); /* its number, -1: none */
NRG_API nrg_status nrg_ebm_var(nrg_ebm *m, int i, nrg_var_info *out);
typedef struct {
    const char *name;
    double from, to; /* equal unless it follows a schedule */
    double lo, hi;   /* range, infinite where open */
} nrg_hyper_info;
NRG_API bool nrg_ebm_hyper(const nrg_ebm *m, int i, nrg_hyper_info *out); /* false past the end */
NRG_API bool nrg_ebm_trained(const nrg_ebm *m);                          /* it has weights of its own: loaded or learned */

/* ---- weights ----------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;  /* "W" for a weight variable, "G.0.weight" for the first layer of module G */
    const char *owner; /* the module or variable, as `optimize` names it */
    int32_t rank;
    int64_t dim[NRG_MAX_RANK], count;
} nrg_weight_info;
/* Sizes from the data (NULL where the text has them all) and first values by the rules of the model. Training
 * does this itself. */
NRG_API nrg_status nrg_ebm_start(nrg_ebm *m, const nrg_table *data);
NRG_API int nrg_ebm_weights(const nrg_ebm *m); /* 0 before there are any */
NRG_API nrg_status nrg_ebm_weight(nrg_ebm *m, int i, nrg_weight_info *out);
NRG_API nrg_status nrg_ebm_weight_find(nrg_ebm *m, const char *name, int *i); /* E011 with the nearest name */
/* The numbers themselves, row-major, float or double as *type says; you may write to them. Lent until the model
 * changes hands. */
NRG_API nrg_status nrg_ebm_weight_data(nrg_ebm *m, int i, nrg_cell *type, void **data);
NRG_API nrg_status nrg_ebm_weight_get(nrg_ebm *m, int i, double *to);
NRG_API nrg_status nrg_ebm_weight_set(nrg_ebm *m, int i, const double *from);
/* Safetensors with the model text inside, so that nrg_ebm_load takes it back. */
NRG_API nrg_status nrg_ebm_save(nrg_ebm *m, const char *path);
/* Values from another model's file; names and shapes must agree (E057). */
NRG_API nrg_status nrg_ebm_weights_from(nrg_ebm *m, const char *path);

/* ---- training ---------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t seed;
    int threads;
    bool f64;
    double valid;              /* fraction held out, 0: none */
    const nrg_table *valid_table;
    const char *out;           /* run folder, NULL: none */
    bool resume, overwrite;
    bool rescue;               /* after E080 go back to the last good state, up to three times: half the learning rate, then clipped gradients, then energy_l2 too */
    const char *init;          /* weights file to start from, or NULL */
    double seconds;            /* time limit, 0: none */
    double checkpoint_seconds; /* 0: 300 */
    const char *const *maps;
    int maps_n;
    const char *argv;          /* the command, for run.json */
    const char *model_text;    /* set by nrg_ebm_train: the resolved model as text */
    nrg_products products;     /* set by nrg_ebm_train: those of the model's options */
    bool draws_only;
} nrg_train_options;
typedef struct {
    int64_t epoch, epochs, step, steps; /* epoch counts from 1; steps: in this epoch */
    double fraction;                    /* of the epoch */
    double loss, pos, neg, free, gap, norm, lr;
    double valid_loss;                  /* NaN: none */
    double acceptance, moved, age;      /* of the chains that a loss draws from: mean acceptance, share that moved in an update, mean number of
                                           steps since their start; NaN: nothing is drawn, or not known */
    double stride, swapped;             /* of them: the step size that is learned; share of the exchanges between heats that were made */
    double rhat, repeats, data_repeats; /* of them, now and then at the end of an epoch: the worst R-hat of their last visits; share that
                                           nearly repeats another, and of as many rows of the data; NaN: not looked at */
    bool best, epoch_end;
    int64_t missed, judged;             /* approximate searches for wrong answers: when last compared with a denser one */
    double seconds, eta, samples_per_second;
} nrg_progress;
typedef bool (*nrg_progress_fn)(void *ud, const nrg_progress *p); /* false: stop, write a checkpoint, return E093 */

/* Trains on a table. seed, threads, f64 and maps of `o` are taken from the model's own options where they are
 * zero; `o` may be NULL. `fn` (may be NULL) hears of every step. E050 to E056: the data; E070, E071; E080: no
 * longer finite; E093: stopped. */
NRG_API nrg_status nrg_ebm_train(nrg_ebm *m, const nrg_table *data, const nrg_train_options *o, nrg_progress_fn fn, void *ud);
/* In two steps: prepare (and read the three lines about model, plan and data), then go. */
NRG_API nrg_status nrg_ebm_train_prepare(nrg_ebm *m, const nrg_table *data, const nrg_train_options *o, const char **lines);
NRG_API nrg_status nrg_ebm_train_go(nrg_ebm *m, nrg_progress_fn fn, void *ud);

/* Where the time goes: trains for so many seconds (0: 5), or computes the energies of the data where nothing
 * can be trained. *text: time, operations, bytes and share of the machine's peak, by lines of the model; lent until the next text. */
NRG_API nrg_status nrg_ebm_bench(nrg_ebm *m, const nrg_table *data, double seconds, const char **text);

/* ---- questions --------------------------------------------------------------------------------------------- */

typedef struct {
    nrg_question question;
    const char *var;
    const char *const *given; /* names of the variables held at the data; none: those whose arrays are there */
    int given_n;
    int top;                  /* rank: how many; 0: all (at most 1000) */
    const double *among;      /* candidates [among_n, event of var] to choose from, or NULL */
    int64_t among_n;
    int64_t samples;          /* without data: how many samples; 0: one */
    bool anyway;              /* answer although training never compared these energies */
    int minima;               /* best: so many distinct local minima instead of the lowest; 0: the lowest */
} nrg_ask_options;

/* Answers for n samples. Numbers of an answer: width = product of dim[rank]. Categories are indices into
 * labels. Several minima are a ranking: question is NRG_RANK, and answers are NaN where there are fewer. */
typedef struct {
    nrg_question question;
    const char *var;
    int32_t rank;
    int64_t dim[NRG_MAX_RANK];
    const char *const *labels; /* of a category, or NULL: numbers */
    int64_t labels_n;          /* values of a category, else 0 */
    int64_t n, width, choices; /* choices: rank: answers a sample; dist: values; best: 1 */
    const double *value;       /* best [n, width]; rank [n, choices, width]; dist [choices, width], shared by all samples */
    const double *energy;      /* best [n]; rank and dist [n, choices] */
    const double *p;           /* dist [n, choices]: probabilities, or densities of reals; else NULL */
    const double *free;        /* [n] free energy where it was computed, or NULL */
    const double *mean, *variance; /* dist of a real whose conditional is Gaussian: [n, width]; then choices is 0; else NULL */
    const double *runner_up, *runner_up_energy; /* best [n, width], [n]; NaN where there is none; or NULL */
    const char *const *status; /* [n] exact, converged, max_steps, approx */
    const char *how;           /* method and reason */
    int64_t energies;          /* what it cost: energies of values of the asked variable, over all samples */
} nrg_reply;
/* `data` may be NULL when nothing is given. E060: training never compared these energies, or exp(-beta E) has no
 * finite sum; E061: every value is forbidden for some samples, E081: some did not converge (for these two the
 * reply is there all the same). */
NRG_API nrg_status nrg_ebm_ask(nrg_ebm *m, const nrg_table *data, const nrg_ask_options *o, nrg_reply **out);
NRG_API void nrg_reply_free(nrg_reply *r);
/* The table `sample, answer, energy, runner_up, runner_up_energy, status` (and its like for rank and dist) as
 * CSV or as JSON. */
typedef enum { NRG_AS_CSV, NRG_AS_JSON } nrg_form;
NRG_API nrg_status nrg_reply_text(nrg_reply *r, nrg_form form, const char **text);
NRG_API nrg_status nrg_reply_save(nrg_reply *r, const char *path); /* .csv, .json or .npz */

/* Fits beta, the scale of the energies, so that the distribution of `var`, all else given, fits rows that were not
 * trained on: the highest likelihood. The model takes it over: `dist var` is allowed from then on, and nrg_ebm_save
 * keeps it. E060: training never compared these energies; E081: no beta is best. */
typedef struct {
    int64_t rows;
    double beta[2], nll[2], ece[2]; /* before and after; ece: expected calibration error in 15 bins, NaN for reals */
} nrg_calibration;
NRG_API nrg_status nrg_ebm_calibrate(nrg_ebm *m, const nrg_table *data, const char *var, nrg_calibration *out);
/* What can be known without data: arguments of methods, and every `answer` statement against what training
 * compares (E060). */
NRG_API nrg_status nrg_ebm_check(nrg_ebm *m);

/* ---- draws ------------------------------------------------------------------------------------------------- */

/* All zero is a good default. */
typedef struct {
    const char *const *vars; /* drawn together; none: those of the `sample` statements, else the predicted ones that no data hold */
    int vars_n;
    int64_t n;      /* draws for each row of the data; 0: 64 */
    int64_t chains; /* for each row; 0: n, at most 16 */
    int64_t warmup; /* steps before a chain's first draw; 0: `steps` of the method, else 1000; -1: none */
    int64_t every;  /* steps from a chain's draw to its next; 0: 10, or as `steps` leave room for */
    int64_t steps;  /* steps of a chain after its warm-up; 0: as many as `every` needs */
    int64_t first;  /* number of the first chain: a chain's draws depend on its number and the seed, not on the others */
    int64_t tempering; /* every chain is the first of a ladder of so many, the others hotter, which trade places; 0: 1 */
    double hottest; /* exp(-hottest beta E) is what the last of a ladder draws from; 0: 0.05 */
    const char *buffer; /* a run folder: chains start where its training left those that it kept (`from buffer`); NULL: as the statements say */
    double anneal;  /* the warm-up begins with exp(-anneal beta E) and reaches 1 after a quarter; 0: it begins with 1 */
    uint64_t seed;  /* 0: the model's */
} nrg_sample_options;
typedef struct {
    const char *name;
    int32_t rank;
    int64_t dim[NRG_MAX_RANK], width;
    const double *value;              /* [rows, chains, draws, width] */
    const double *rhat, *bulk, *tail; /* [width]: the worst over rows; NaN below 4 draws, and where many numbers were not looked at */
    const char *const *labels;        /* of a category, or NULL: numbers */
    int64_t labels_n;                 /* values of a category, else 0 */
} nrg_sampled;
typedef struct {
    int vars;
    const nrg_sampled *var;
    int64_t rows, chains, draws, n; /* n: draws asked for, of chains * draws made */
    int64_t warmup, every;
    const double *energy;           /* [rows, chains, draws] */
    double rhat, bulk, tail;        /* the worst of all numbers and the energy: rank-normalised split R-hat, effective sample sizes */
    double acceptance;              /* mean probability of acceptance; NaN: every step is taken */
    double step, temperature;       /* mean step size; temperature that step and noise imply, 1: exp(-beta E); NaN: not known */
    int64_t diverged;               /* trajectories whose energy error passed 1000 */
    double swapped;                 /* share of swaps on the ladders that were taken; NaN: no ladders */
    const char *how, *health;       /* method and reason; all of this as lines for people */
} nrg_samples;
/* Draws from exp(-beta F). `data` (may be NULL) holds given variables; each row has its own chains. Untrained models will do.
 * E071: no sampler for these variables; E080: a chain ran away. The samples outlive the model. */
NRG_API nrg_status nrg_ebm_sample(nrg_ebm *m, const nrg_table *data, const nrg_sample_options *o, nrg_samples **out);
NRG_API void nrg_samples_free(nrg_samples *r);
NRG_API nrg_status nrg_samples_text(nrg_samples *r, nrg_form form, const char **text); /* the first n of each row, draw by draw */
NRG_API nrg_status nrg_samples_save(nrg_samples *r, const char *path);                 /* .npz, .csv, .json; d.stan.csv as the tools of Stan read, of several chains d_1.stan.csv, ... */
/* A line a number: mean, its Monte Carlo error, deviation, quantiles, effective sample sizes and R-hat; of a category a line a label: its share. */
NRG_API nrg_status nrg_samples_summary(nrg_samples *r, nrg_form form, const char **text);
/* The same draws as arrays: energy, each variable by name, chain, draw. */
NRG_API nrg_status nrg_samples_table(nrg_samples *r, nrg_table **out);

/* Autocorrelations at lags 1, 2, 5, 10, 20, 50 (in draws, those that chains are longer than) of every number, the slowest first, about the
 * mean of all chains: time (draws that make one independent draw) and lag1, lag2, ...; of several rows of the data that with the longest
 * time. top: how many lines; 0: all. */
NRG_API nrg_status nrg_samples_autocorrelation(nrg_samples *r, int64_t top, nrg_form form, const char **text);

/* Draws by every sampler that is built and fits, from models whose answers are known by summing over all values (NULL), or from this model, with
 * first weights where it has none. One line of CSV for each sampler and model, the statistic that is furthest off. Where a model has no exact
 * answer samplers are compared with the first that fits. E081: a mean is off by more than 5.5 standard errors. */
typedef void (*nrg_line_fn)(void *ud, const char *line);
NRG_API nrg_status nrg_selftest(nrg_ctx *c, const char *model, const nrg_options *o, nrg_line_fn line, void *ud);

/* log Z = log of the sum (integral) of exp(-beta F) over some variables, for each row of the data. All zero is a good default. */
typedef struct {
    const char *const *vars; /* summed over; none: as nrg_ebm_sample draws */
    int vars_n;
    double width;   /* of the interval asked for; 0: 0.1 */
    int64_t chains; /* for each row; 0: 64 */
    int64_t steps;  /* that a chain may take in all; 0: 20000 */
    bool from_data; /* the way back starts at values of these variables in the data: draws of the model, one for each row where others are given */
    bool base_data; /* annealing begins with a density fitted to these data instead of a first run */
    uint64_t seed;  /* 0: the model's */
} nrg_log_z_options;
typedef struct {
    int64_t rows;
    const double *low, *log_z, *high; /* [rows]: 95% interval, by a bootstrap over chains, and its middle; equal where exact */
    const char *const *status;        /* [rows]: exact; interval; wide: not as narrow as asked for */
    int64_t heats, steps;             /* of the schedule; taken by a chain in all; 0 where exact */
    double forward, reverse;          /* effective share of the weights, of the worst row; NaN where exact */
    const char *how;
} nrg_log_z;
/* Closed form or enumeration where the structure allows, else annealed importance sampling in both directions. E026: the sampler is
 * biased; E080: the energy falls to minus infinity. The result outlives the model. */
NRG_API nrg_status nrg_ebm_log_z(nrg_ebm *m, const nrg_table *data, const nrg_log_z_options *o, nrg_log_z **out);
NRG_API void nrg_log_z_free(nrg_log_z *z);
NRG_API nrg_status nrg_log_z_text(nrg_log_z *z, nrg_form form, const char **text); /* row, low, log_z, high, status */

/* The data as the energy sees them: for each variable that they hold an array of its name, data statements computed. */
NRG_API nrg_status nrg_ebm_values(nrg_ebm *m, const nrg_table *data, nrg_table **out);
/* F of each row, latents eliminated; energy [rows]. Low = good. */
NRG_API nrg_status nrg_ebm_energy(nrg_ebm *m, const nrg_table *data, double *energy);
/* Where energies lie among those of held-out rows: p[i] = (1 + how many of held[] are at least as high as energy[i]) / (held_n + 1), the p-value of
 * "row i is drawn as the held-out rows were". Among rows for which that is true p <= a has probability at most a, for a given model and over the
 * draw of both; it cannot fall below 1 / (held_n + 1). NaN where the energy is. auroc (may be NULL): the probability that an energy lies above a
 * held one, ties counting half: 0.5 where they cannot be told apart. */
NRG_API nrg_status nrg_p_values(nrg_ctx *c, const double *held, int64_t held_n, const double *energy, int64_t n, double *p, double *auroc);
/* Gradient of F with respect to `name`. A variable: of each row, [rows, event]. A weight: of the mean of F over
 * the rows. *count (may be NULL) becomes the number of numbers; with to == NULL nothing else happens. */
NRG_API nrg_status nrg_ebm_gradient(nrg_ebm *m, const nrg_table *data, const char *name, double *to, int64_t *count);
/* The metrics of `report`: a CSV header and one row. */
NRG_API nrg_status nrg_ebm_report(nrg_ebm *m, const nrg_table *data, const char **header, const char **row);
/* The i-th `expect` of the model (E090 past the end): *verdict 1 holds, 0 fails, -1 cannot be checked here;
 * *text says what was found. */
NRG_API int nrg_ebm_expects(const nrg_ebm *m);
NRG_API nrg_status nrg_ebm_expect(nrg_ebm *m, const nrg_table *data, int i, int *verdict, const char **text);

/* ---- losses: what they do over the plane of two energies, pos (right answer) and neg (most offending wrong one) --- */

typedef enum {
    NRG_MARGIN_NONE,  /* nothing makes neg larger than pos */
    NRG_MARGIN_ZERO,  /* neg is raised to pos and no further */
    NRG_MARGIN_FINITE,/* to pos + margin */
    NRG_MARGIN_SOME   /* ever further, more and more weakly: "> 0" */
} nrg_margin;
typedef struct {
    nrg_margin kind;
    double margin;     /* of NRG_MARGIN_FINITE */
    bool contrastive;  /* raises neg somewhere */
    bool differences;  /* depends on pos - neg alone */
    bool pulls_wrong;  /* dL/dneg > 0 somewhere, worst at (pos, neg), where it is `slope` */
    bool lifts_right;  /* dL/dpos < 0 somewhere */
    bool dead;         /* no slope at all somewhere although neg < pos */
    bool sound;        /* the lectures' sufficient conditions hold */
    double pos, neg, slope;
    const char *words; /* "good", "zero margin", "no contrastive term", "pulls wrong answers down", ... */
} nrg_verdict;
/* `loss`: a name of the library or an expression over pos, neg, lowest, free. `sets`: its parameters, "m=2", and "beta=1";
 * those not given have the library's values, m, M, K, margin and delta of an expression are 1. All is found numerically. */
NRG_API nrg_status nrg_loss_check(nrg_ctx *c, const char *loss, const char *const *sets, int sets_n, nrg_verdict *out);
/* Verdict on learn statement `learn` (from 0) of a model; false past the end, and for a loss that reads more than energies. */
NRG_API bool nrg_ebm_verdict(nrg_ebm *m, int learn, nrg_verdict *out);
/* Value and slopes at n points; each result has room for n. */
NRG_API nrg_status nrg_loss_values(nrg_ctx *c, const char *loss, const char *const *sets, int sets_n, int64_t n, const double *pos,
                                   const double *neg, double *value, double *dpos, double *dneg);
NRG_API bool nrg_loss_row_at(int i, const char **name, const char **formula, const char **doc); /* false past the end */
/* The loss over the plane, its negative gradient as arrows, the line neg = pos and the margin line. `title` may be NULL. */
NRG_API nrg_status nrg_plot_plane(nrg_ctx *c, const char *loss, const char *const *sets, int sets_n, const char *title,
                                  const char *path);

/* ---- pictures (.png, or .svg where gnuplot draws) ------------------------------------------------------------ */

/* Loss and energies over epochs from log.csv of a run folder. `title`: NULL is the name of the run. */
NRG_API nrg_status nrg_plot_loss(nrg_ctx *c, const char *run, const char *title, const char *path);
/* F over a grid of two real numbers: "x" and "y", or entries "x[0]" and "x[1]". The data (may be NULL) are
 * drawn over it and give the ranges; else the domains do. Other given variables stay as in row `row`; predicted
 * ones are eliminated by their own verb, unless an array "given:NAME" holds them. points: of the grid, each
 * way; 0: 100. */
typedef struct {
    const char *x, *y;
    double x0, x1, y0, y1; /* all zero: chosen */
    int points;
    int64_t row;
    double z0, z1;     /* energies of the darkest and the brightest colour; both zero: the least and the largest drawn */
    const char *title; /* over the picture; NULL: none */
    int arrows;        /* so many each way: from a place to what it is reconstructed as, where the variable has hidden parts; else along
                        * -grad F, the longest as long as a step of the arrows; 0: none */
} nrg_landscape;
NRG_API nrg_status nrg_plot_landscape(nrg_ebm *m, const nrg_table *data, const nrg_landscape *l, const char *path);
/* F along one number of a real variable ("y", "x[1]") as a curve, over the values of a finite one as bars, for some rows
 * of the data; the data's own value and the lowest place are marked. All else is held as for a landscape. */
typedef struct {
    const char *var;
    double lo, hi;       /* of a real variable; both zero: chosen */
    int points;          /* 0: 400 */
    const int64_t *rows; /* at most 12; none: row 0 */
    int rows_n;
    const char *title;   /* NULL: none */
} nrg_profile;
NRG_API nrg_status nrg_plot_slice(nrg_ebm *m, const nrg_table *data, const nrg_profile *o, const char *path);
/* Counts of answers for each true label of a category (NULL: the first predicted one), and their shares of the row. */
NRG_API nrg_status nrg_plot_confusion(nrg_ebm *m, const nrg_table *data, const char *var, const char *title, const char *path);
/* Draws, as nrg_samples_table gives them: two numbers as points over those of the data, one number as a histogram beside
 * that of the data, images (and vectors of square length, from 16 on) as tiles (.png), else a histogram a number, twelve
 * at most. `data` may be NULL, else it has arrays of the same names. */
typedef struct {
    const char *var;   /* one variable of them; NULL: all */
    int h, w;          /* tiles of this shape; 0: by the variable's */
    int64_t row;       /* of draws for several rows: traces of this one */
    const char *title; /* NULL: none */
} nrg_look;
NRG_API nrg_status nrg_plot_draws(nrg_ctx *c, const nrg_table *draws, const nrg_table *data, const nrg_look *o, const char *path);
/* The first five numbers and the energy of each chain, draw by draw, with R-hat and effective sample size. */
NRG_API nrg_status nrg_plot_traces(nrg_ctx *c, const nrg_table *draws, const nrg_look *o, const char *path);
/* Autocorrelations of the six slowest numbers, lag by lag; grey: how far chance takes independent draws. */
NRG_API nrg_status nrg_plot_autocorrelation(nrg_ctx *c, const nrg_table *draws, const nrg_look *o, const char *path);
/* Draws for a picture: of a model without given variables, as `o` says; else one draw for each row of the data (512 at
 * most), or `o` draws for `row` where it is not -1. *seen: the same rows of the data, for comparison (NULL: no data). */
NRG_API nrg_status nrg_ebm_sample_rows(nrg_ebm *m, const nrg_table *data, int64_t row, const nrg_sample_options *o,
                                       nrg_samples **out, nrg_table **seen);
/* n pictures (.png) on one page, `across` in a row. */
NRG_API nrg_status nrg_plot_panels_page(nrg_ctx *c, const char *const *pictures, int n, int across, const char *path);
/* Each row of a weight matrix as a small image. h, w: its shape; 0: from the dims, else nearly square. grey:
 * one scale a tile. */
NRG_API nrg_status nrg_plot_weights(nrg_ebm *m, const char *weight, int h, int w, bool grey, const char *path);

/* One page of HTML about a run folder, with its pictures inside: what was chosen and why, figures, warnings, the verdict
 * on the loss, what can be asked. With data (may be NULL): metrics, landscape, confusion. A run without weights gives a
 * page that says so. E053: not a run folder. */
NRG_API nrg_status nrg_report_page(nrg_ctx *c, const char *run, const nrg_options *o, const nrg_table *data, const char *path);

#ifdef __cplusplus
}
#endif
#endif
