// Insides of the model room: the evaluator's scope, calls of functions and layers, and the small steps they share.
#ifndef NRG_MODEL_INSIDE_H
#define NRG_MODEL_INSIDE_H

#include "model/model.h"

enum { NRG_GUESS = 24, NRG_MAX_INPUTS = 16, NRG_MAX_DEPTH = 400 };

// An index or a module's parameter. A cell of a grid has two components: its row and its column.
typedef struct {
    const char *name;
    nrg_value v[2];
    int n;
} nrg_local;

typedef struct {
    const char *name;
    nrg_value v;
} nrg_named;
typedef struct {
    nrg_leads lead;
    int64_t n;
    bool busy;
} nrg_pooled; // leading axes of comprehensions, used again

// Whose weights a layer makes. The name of an array is prefix.ordinal.what; ordinals count the owning calls of `root`.
typedef struct {
    const nrg_expr *root; // NULL: outside a module
    const char *owner, *prefix;
    const char *source; // ema: prefix of the weights averaged
    double decay;
    bool fresh; // inside copy, ema or repeat: modules met on the way get weights of their own too
    bool source_fresh; // likewise for what is averaged
} nrg_owner;

struct nrg_scope {
    nrg_model *m;       // whose names are looked up: the root's, or those of a used model while a member of it is evaluated
    nrg_model *root;    // whose weights are made
    const nrg_use *use; // of the root, NULL outside; its weights are called `inside`...: "young:", "young:face:"
    const char *inside;
    nrg_graph *g;
    nrg_ctx *c;
    nrg_arena arena;
    bool check; // unknown sizes are guessed; a node that a guess makes impossible becomes an input of the right type
    bool noise; // normal(L) and uniform(L) are inputs (while weights are resolved)
    nrg_noise_fn noise_fn; // else what they are, or NULL
    void *noise_ud;
    nrg_span span;
    nrg_node bound[NRG_MAX_VARS], seen[NRG_MAX_VARS], hidden[NRG_MAX_VARS];
    NRG_LIST(nrg_node) atoms;
    NRG_LIST(nrg_named) names;
    NRG_LIST(nrg_local) locals;
    uint32_t floor; // locals below it are out of sight
    NRG_LIST(nrg_pooled) pool;
    nrg_owner own;
    int depth;
    uint32_t guesses;
};

// A call of a function or layer: values that a pipe brings come first, then the arguments of the expression.
typedef struct nrg_call nrg_call;
typedef nrg_status (*nrg_call_fn)(nrg_call *c, nrg_value *out);
typedef struct {
    const char *name, *args; // arguments: "x, size, stride=1"; "..." any number more
    bool built, weights;     // weights: owns weights, so it lives in a module
    nrg_call_fn fn;
    const char *doc;
} nrg_row;
struct nrg_call {
    nrg_scope *s;
    const nrg_row *row;
    const nrg_expr *e;  // NRG_X_CALL, or the bare name
    const nrg_expr *at; // the callee: what carets point at
    nrg_value in[NRG_MAX_INPUTS];
    int ins;
};
#define CALLED(name) nrg_status nrg_fn_##name(nrg_call *c, nrg_value *out)

// ---- types.c
typedef enum { NRG_UNFIT, NRG_MAYBE, NRG_FIT } nrg_fit;
nrg_fit nrg_axis_fit(const nrg_axis *a, const nrg_axis *b); // by name, else by size; MAYBE: a size is unknown
nrg_status nrg_axis_of(const nrg_model *m, const nrg_expr *e, nrg_axis *out);
// Placements of small's axes as a sub-list of big's: how many surely fit; `place` gets one. *maybe: how many may fit.
int nrg_type_place(const nrg_type *small, const nrg_type *big, int32_t *place, int *maybe);
nrg_type nrg_type_of(nrg_elem e, int rank, const nrg_axis *axis);
int64_t nrg_type_count(const nrg_type *t); // -1: not known
nrg_axis nrg_axis_sized(int64_t size);
nrg_axis nrg_axis_dim(const nrg_model *m, int32_t dim);
void nrg_type_drop(nrg_type *t, int axis);
const char *nrg_type_text(nrg_scope *s, const nrg_type *t); // in the scope's memory; "" when memory is refused
const char *nrg_expr_text(nrg_scope *s, const nrg_expr *e);
const char *nrg_axis_text(nrg_scope *s, const nrg_axis *a);

// ---- eval.c
nrg_status nrg_value_of(nrg_scope *s, const nrg_expr *e, nrg_value *out); // evaluation inside the room
nrg_status nrg_value_settle(nrg_scope *s, nrg_value *v);                  // node agrees with type, or stands in
nrg_value nrg_value_number(nrg_scope *s, double x);
nrg_value nrg_value_real(nrg_type t, nrg_node n); // the type with real elements
nrg_node nrg_stand_in(nrg_scope *s, const nrg_type *t);
bool nrg_stands_in(const nrg_scope *s);                          // checks, so that what is not built may be guessed
bool nrg_node_number(const nrg_scope *s, nrg_node n, double *x); // a constant node
nrg_status nrg_need_number(nrg_scope *s, const nrg_expr *at, const char *op, const nrg_value *v); // E033
nrg_status nrg_value_align(nrg_scope *s, nrg_span at, const char *op, nrg_value *a, nrg_value *b, nrg_type *t);
nrg_status nrg_missing(nrg_scope *s, nrg_span at, const char *kind, const char *name); // E071
nrg_status nrg_dim_length(nrg_scope *s, int32_t dim, nrg_node *out);                 // the sample's length, or the size
nrg_status nrg_size_known(nrg_scope *s, nrg_span at, const nrg_axis *a, int64_t *n); // a guess during checks
nrg_shape nrg_scope_shape(nrg_scope *s, const nrg_type *t);                          // event shape, guesses included

// ---- index.c
nrg_status nrg_value_index(nrg_scope *s, const nrg_expr *e, nrg_value *out);
nrg_status nrg_value_member(nrg_scope *s, const nrg_expr *e, nrg_value *out);
nrg_status nrg_value_pick(nrg_scope *s, nrg_value *a, int axis,
                          const nrg_value *i); // a[.., i, ..] on one axis, types agree

// ---- use.c: members of used models
const nrg_use *nrg_use_of(const nrg_scope *s, const nrg_expr *e); // young.E: what `young` is, or NULL
nrg_status nrg_use_call(nrg_scope *s, const nrg_expr *e, const nrg_value *in, int n, nrg_value *out);

// ---- reduce.c
nrg_status nrg_value_reduction(nrg_scope *s, const nrg_expr *e, nrg_value *out);
nrg_status nrg_lead_get(nrg_scope *s, const char *name, int64_t n, nrg_leads *out);
void nrg_lead_give(nrg_scope *s, nrg_leads lead);
// Event axes (bit set) reduced by op; what lies beyond a sample's length is left out.
nrg_status nrg_value_reduce(nrg_scope *s, nrg_value *v, nrg_op op, uint32_t axes);
nrg_node nrg_value_masked(nrg_scope *s, const nrg_value *v, uint32_t axes, double instead);

// ---- calls.c
const nrg_row *nrg_row_find(const char *name, bool *layer); // NULL: neither layer nor function
const char *nrg_row_nearest(const char *name);              // to suggest, or NULL
nrg_status nrg_value_call(nrg_scope *s, const nrg_expr *e, nrg_value *out);
nrg_status nrg_value_apply(nrg_scope *s, const nrg_expr *e, const nrg_value *in, int n, nrg_value *out);
int nrg_call_count(const nrg_call *c);                              // values and unnamed arguments
const nrg_expr *nrg_call_expr(const nrg_call *c, int place);        // NULL: none, or brought by a pipe
const nrg_expr *nrg_call_find(const nrg_call *c, const char *name); // by its name or its place in the row
nrg_status nrg_call_value(nrg_call *c, int place, nrg_value *out);
nrg_status nrg_call_input(nrg_call *c, int place, nrg_value *out); // likewise, but a category is E033
nrg_status nrg_call_number(nrg_call *c, const char *name, double fallback, double *out);
nrg_status nrg_call_size(nrg_call *c, const char *name, int64_t fallback, int64_t *out); // a whole number >= 0
nrg_status nrg_call_axis(nrg_call *c, const char *name, nrg_axis *out);
nrg_status nrg_call_over(nrg_call *c, const nrg_type *t, int fallback, int *axis); // `over=T`: which axis of t
nrg_span nrg_call_span(const nrg_call *c, int place);
nrg_status nrg_call_layer_axes(nrg_call *c, const char *needs, const nrg_value *x); // E041
nrg_status nrg_owner_name(nrg_scope *s, const nrg_expr *e, const char **prefix, const char **source);

// ---- params.c
typedef struct {
    const char *what; // "weight", "bias"
    nrg_type type;
    int init;
    double scale;
    bool bias;
    double spectral; // bound of its largest singular value; 0: none
} nrg_weights;
nrg_status nrg_call_spectral(nrg_call *c, double *out); // the argument `spectral` of a layer
nrg_status nrg_weights_make(nrg_call *c, const nrg_weights *w, nrg_node *out);
// All training rows of a variable, in their order and never trained; var is read when they are made first.
nrg_status nrg_weights_rows(nrg_call *c, const nrg_weights *w, int32_t var, nrg_node *out);
bool nrg_weights_found(nrg_call *c, const char *what); // made already
nrg_status nrg_weight_var(nrg_scope *s, int32_t var, nrg_value *out);
nrg_status nrg_module_run(nrg_scope *s, int32_t k, nrg_span at, const nrg_value *in, int n, nrg_value *out); // calls.c

// ---- layers.c, algebra.c
nrg_node nrg_rows(nrg_graph *g, nrg_node a); // [.., k] as [m, k]
nrg_status nrg_value_product(nrg_scope *s, const nrg_expr *e, nrg_value *a, nrg_value *b, nrg_value *out); // `@`
#endif
