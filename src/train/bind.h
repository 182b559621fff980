// What bind.c, labels.c, domains.c and fit.c share.
#ifndef NRG_TRAIN_BIND_H
#define NRG_TRAIN_BIND_H

#include "train/inside.h"

typedef struct {
    const nrg_array *array;
    const char *input; // its name in the store
    nrg_buffer buf;    // the array's own cells, or a copy made by labels, a shift or padding
    nrg_shape shape;   // of one row
    int32_t lead;      // ragged dim, or -1
} nrg_source;

// A fitted transform of an array, used in a data statement: standardise(a), whiten(a).
typedef struct {
    const char *name, *mean, *scale, *width; // "whiten:a", the names of its constants in the store
    uint32_t source;
    bool whiten;
} nrg_transform;

typedef struct {
    int32_t var;      // -1: row weights
    int32_t source;   // bound to this source as it is, or -1
    nrg_expr *expr;   // else this expression
} nrg_binding;

typedef struct { int32_t dim; int32_t *at; } nrg_lengths; // [rows]

struct nrg_bound {
    nrg_arena arena;
    nrg_ctx *ctx;
    nrg_model *m;
    const nrg_table *table;
    nrg_bind_spec spec;
    int64_t rows;
    nrg_vars vars;
    NRG_LIST(nrg_source) sources;
    NRG_LIST(nrg_transform) transforms;
    NRG_LIST(nrg_binding) bindings;
    NRG_LIST(nrg_lengths) lengths;
    int32_t weight;  // index of a binding, or -1
    double *weights; // of rows, once computed
    int64_t *ids;    // 0, 1, 2 ...: who a row is, for draws; NULL: nothing is drawn
};

// labels.c: categories of dim `dim` from labels or numbers, as int32 in the arena of b.
nrg_status nrg_bind_labels(nrg_bound *b, int32_t var, const nrg_array *a, int64_t shift, nrg_buffer *out);
// domains.c: NaN, range, bit, sign, int, simplex ... of an array bound as it is, or of computed rows [n, event] from row `first`.
nrg_status nrg_bind_domain(const nrg_bound *b, int32_t var, const nrg_array *a, int64_t shift);
nrg_status nrg_bind_numbers(const nrg_bound *b, int32_t var, const double *at, int64_t first, int64_t n, int64_t width);
bool nrg_bind_counted(const nrg_bound *b, int32_t var); // does a count of doubts settle it?
// Does what an expression is made of say that all its numbers are allowed? Then no pass over the rows is needed.
nrg_status nrg_bind_sure(const nrg_bound *b, int32_t var, const nrg_graph *g, nrg_node x, bool *sure);
nrg_node nrg_bind_doubts(const nrg_bound *b, int32_t var, nrg_graph *g, nrg_node x);
void nrg_bind_place(const nrg_shape *s, int64_t cell, nrg_text *out); // "sample 3, position [1, 2]"
// fit.c: finds standardise(a) and whiten(a) in an expression; *out is the expression with them replaced by names.
nrg_status nrg_bind_transforms(nrg_bound *b, nrg_store *store, nrg_expr *e, nrg_expr **out);
nrg_status nrg_transform_node(const nrg_bound *b, const nrg_transform *t, nrg_graph *g, nrg_node source, nrg_node *out);
// shapes.c: fits the axes of a variable to the shape of one row; a is NULL for a computed one
nrg_status nrg_bind_shape(nrg_bound *b, int32_t var, const nrg_array *a, const nrg_shape *shape, bool ragged);
// values.c: computes all rows of a data statement once, chunk by chunk, and checks them; row weights are kept
nrg_status nrg_bind_computed(nrg_bound *b, nrg_store *store, const nrg_binding *k);
// values.c: an expression over the arrays of the data, for each row
nrg_status nrg_bound_eval(const nrg_bound *b, nrg_scope *s, const nrg_expr *e, nrg_node *out);
// columns.c: arrays that `against` names
nrg_status nrg_bind_columns(nrg_bound *b);
// bind.c
const nrg_array *nrg_bind_look(nrg_bound *b, const char *name, int64_t *shift); // by --map or by name; *shift: what --map adds
const char *nrg_bind_file(const nrg_bound *b); // for messages
bool nrg_bind_present(nrg_bound *b, const nrg_expr *e); // are all arrays there that it names?
nrg_status nrg_bind_weights(nrg_bound *b, const nrg_expr *e, const double *at, int64_t first, int64_t n);
nrg_status nrg_bind_source(nrg_bound *b, const char *name, nrg_span span, uint32_t *out); // an array for computing with

#endif
