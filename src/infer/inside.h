// Insides of the infer room: chains of groups of variables, the table of methods, loops that run before a graph.
#ifndef NRG_INFER_INSIDE_H
#define NRG_INFER_INSIDE_H

#include "infer/infer.h"

enum { NRG_GROUPS = NRG_MAX_VARS };

// ---- store.c
void nrg_store_bind_known(const nrg_store *s, const nrg_graph *g, nrg_run *r); // for a part of g whose inputs are all there
void nrg_store_fill(const nrg_store *s, void *data, int64_t n, double value); // data of the store's type
nrg_status nrg_store_share(const nrg_store *from, nrg_store *to);                         // everything, lent
nrg_status nrg_store_shift(nrg_store *s, const char *name, int64_t row, int64_t numbers); // rows from `row` on, of `numbers` each
nrg_status nrg_store_rows(const nrg_model *m, const nrg_store *from, const int64_t *row, int64_t n, nrg_store **out); // new: everything, lent; sample i of the variables is row[i]
nrg_status nrg_store_hypers(const nrg_model *m, nrg_store *s);                            // scheduled ones at their end values

// ---- infer.c
// Variables eliminated together by one method.
typedef struct {
    nrg_vars vars;
    nrg_verb verb;
    nrg_infer_stmt stmt; // a filled-in copy; stmt.by may be NULL
} nrg_group;

typedef struct nrg_method_impl nrg_method_impl;
typedef struct nrg_loop nrg_loop;

typedef struct { // the axis of the candidates of some variables
    nrg_vars vars;
    int64_t count;
    nrg_leads lead;
} nrg_candidate_axis;

struct nrg_inference {
    nrg_ctx *ctx;
    nrg_arena arena;
    nrg_scope *scope;
    nrg_graph *graph;
    nrg_model *model;
    nrg_infer_options options;
    int holes;             // how many holes are bound just now: a loop cannot run below one
    NRG_LIST(nrg_loop *) loops;
    NRG_LIST(nrg_candidate_axis) axes;
    NRG_LIST(const char *) said; // choices, one line each
    nrg_inference *outer;  // of an inner graph; names are unique over all of them
    uint32_t names;
    bool surrogate;              // probabilities of candidates are held fixed: F becomes the sum of stop(p) E
};

// The groups of one energy, outermost first. chain_energy(k) eliminates groups k, k+1, ...
typedef struct {
    nrg_inference *i;
    nrg_group at[NRG_GROUPS];
    int n;
    nrg_node best[NRG_MAX_VARS];
} nrg_chain;
nrg_status nrg_chain_make(nrg_inference *i, nrg_vars data, nrg_vars over, nrg_verb verb, nrg_vars keep, nrg_chain *out);
nrg_status nrg_chain_energy(nrg_chain *c, int k, nrg_node *F);

// candidates.c -- The axis of the candidates of these variables. It ends where they are eliminated, so all eliminations of them in one graph
// share it: what two of them compute alike is computed once.
nrg_leads nrg_candidate_lead(nrg_inference *i, nrg_vars vars, int64_t count);

nrg_status nrg_infer_unbuilt(nrg_inference *i, const nrg_infer_stmt *st); // E071 for its method

// How the values of one variable are listed: all of them, or grid points.
nrg_status nrg_infer_list(nrg_inference *i, int32_t v, nrg_group *gr, int64_t *count, double *log_cell);

// What must run before the outer graph does: a step graph with its own scope and, perhaps, loops of its own.
struct nrg_loop {
    const nrg_method_impl *impl;
    nrg_graph *graph;
    nrg_scope *scope;
    nrg_inference *inner;
    nrg_plan *plan, *start; // start: initial states, or NULL
    nrg_run *run, *first;
    void *own;              // the method's, in the outer inference's arena
    const char *done;       // 1 where a sample has converged; NULL: nothing iterates
    nrg_leads leads;        // of `done`
    nrg_vars over;          // a descent: what moves
    int64_t looks;          // a descent: energies computed so far, over all samples and starts
};

// One file a method, each with these five words.
struct nrg_method_impl {
    const char *name;
    // Does the method fit the structure of the energy? E026, E027 or E071 with the reason.
    nrg_status (*applies)(nrg_chain *c, int k);
    // Builds the nodes of F with the group eliminated; binds best values; may add a loop.
    nrg_status (*make)(nrg_chain *c, int k, nrg_node *F);
    nrg_status (*step)(nrg_inference *i, nrg_loop *l, nrg_store *s, int64_t n, uint64_t seed, uint32_t step);
    void (*print)(nrg_chain *c, int k, nrg_text *out); // what is special: "(10 values)"
    void (*drop)(nrg_inference *i, nrg_loop *l);
};
const nrg_method_impl *nrg_method_impl_get(nrg_method m); // NULL: not built

// A new loop with an inner graph: same leading axes, every bound variable copied.
nrg_status nrg_loop_new(nrg_inference *i, const nrg_method_impl *impl, nrg_loop **out);
void nrg_loop_clear(nrg_inference *i, nrg_loop *l); // frees its graph, plans and runs; the loop can be filled again
nrg_status nrg_loop_fill(nrg_inference *i, nrg_loop *l);
const char *nrg_loop_name(nrg_inference *i, const char *kind, nrg_vars vars); // "best:y:3"
nrg_status nrg_leads_match(nrg_graph *to, const nrg_graph *from);
int64_t nrg_leads_count(const nrg_graph *g, nrg_leads leads); // product of extents, the sample axis apart
nrg_node nrg_spread(nrg_graph *g, nrg_node x, nrg_leads leads); // x with at least these leading axes
// Leading axes that an energy may have: those of the bound variables outside `vars`.
nrg_leads nrg_leads_bound(nrg_inference *i, nrg_vars vars);
// A number expanded to a shape and leading axes.
nrg_node nrg_filled(nrg_graph *g, double value, nrg_shape s, nrg_leads leads);
double nrg_method_arg(const nrg_model *m, const nrg_infer_stmt *st, const char *name, double otherwise, nrg_status *status);
bool nrg_method_word(const nrg_infer_stmt *st, const char *name); // a bare word among the arguments: gradient(unroll)
nrg_shape nrg_var_event(nrg_inference *i, int32_t v, nrg_status *status);
void nrg_vars_print(const nrg_model *m, nrg_vars vars, nrg_text *out); // "y, a, u"
bool nrg_var_ragged(const nrg_model *m, int32_t v);
void nrg_inference_list(const nrg_inference *i, nrg_text *out); // what was said, on one line, after what is there

nrg_node nrg_digit(nrg_graph *g, nrg_node half, double stride, double choices); // finite.c: floor(half / stride) mod choices
bool nrg_fault_term(nrg_inference *i, nrg_vars vars, nrg_span *at); // choose.c: a term that is not quadratic

// ---- finite.c: values of finite variables by a joint index, row-major, the first variable slowest.
double nrg_finite_choices(const nrg_model *m, int32_t v); // values of one number of v; 0: not finite
double nrg_finite_count(nrg_inference *i, nrg_vars vars); // product over all; 0: not finite; INFINITY when too many
nrg_status nrg_finite_decode(nrg_inference *i, nrg_vars vars, nrg_node index, nrg_node *value /* [NRG_MAX_VARS] */);
double nrg_finite_number(const nrg_model *m, int32_t v, double digit); // value of a digit
void nrg_bind_all(nrg_inference *i, nrg_vars vars, const nrg_node *value, bool hold, nrg_node *best);

// ---- grid.c: cell centres of bounded reals by a joint index.
nrg_status nrg_grid_decode(nrg_inference *i, const nrg_group *gr, nrg_node index, nrg_node *value);
int64_t nrg_grid_count(nrg_inference *i, const nrg_group *gr, double *log_cell, nrg_status *status); // log volume of a cell
void nrg_grid_place(const nrg_model *m, int32_t v, double points, double digit, double *x);          // centre of a cell
double nrg_grid_size(nrg_inference *i, const nrg_group *gr, nrg_status *status);                      // points a number

// ---- candidates.c
enum { NRG_IN_GRAPH = 16 }; // times the memory of tiles that candidates may take where they must stay in the graph
nrg_status nrg_group_decode(nrg_inference *i, const nrg_group *gr, nrg_node index, nrg_node *value);
nrg_status nrg_candidates_make(nrg_chain *c, int k, int64_t count, nrg_node *F);
nrg_node nrg_sum_out(nrg_inference *i, nrg_node E, nrg_leads lead); // -1/beta log sum exp(-beta E) over the axis

// ---- tiles.c: candidates too many for one graph
size_t nrg_tile_estimate(const nrg_inference *i, nrg_node E, nrg_leads lead, bool gradient);
bool nrg_tile_fits(const nrg_plan *p, size_t memory);
nrg_status nrg_tiles_make(nrg_chain *c, int k, int64_t count, nrg_node *index, nrg_node *free);

nrg_status nrg_tiles_step(nrg_inference *i, nrg_loop *l, nrg_store *s, int64_t n, uint64_t seed, uint32_t step);
void nrg_tiles_drop(nrg_inference *i, nrg_loop *l);

nrg_status nrg_at_minimum(nrg_chain *c, int k, nrg_leads lead, nrg_node index, nrg_node *F); // energy at candidate `index`

// ---- descent.c: what gradient and lbfgs share
typedef struct { const char *name; int64_t count; } nrg_extra; // a state of `count` numbers a sample, zero at the start
typedef struct {
    nrg_loop *loop;
    nrg_leads leads, starts; // of the problem; of several starts
    int64_t steps;
    int n;                   // variables
    int32_t var[NRG_MAX_VARS];
    const char *name[NRG_MAX_VARS], *result[NRG_MAX_VARS]; // state; what the outer graph reads (NULL: the state)
    nrg_node x[NRG_MAX_VARS]; // inputs of the inner graph: where energy and gradients are evaluated
    int64_t count[NRG_MAX_VARS];
    const char *done;
    NRG_LIST(nrg_extra) extra;
} nrg_descent;
nrg_status nrg_descent_applies(nrg_chain *c, int k);
nrg_status nrg_descent_open(nrg_chain *c, int k, nrg_descent **out);
nrg_status nrg_descent_extra(nrg_inference *i, nrg_descent *d, const char *name, int64_t count);
nrg_status nrg_descent_look(nrg_chain *c, int k, nrg_descent *d, nrg_node *E, nrg_node *gradient);
nrg_status nrg_descent_close(nrg_chain *c, int k, nrg_descent *d, const nrg_update *update, int updates);
nrg_status nrg_descent_result(nrg_chain *c, int k, nrg_descent *d, nrg_node *F);
nrg_status nrg_descent_start(nrg_inference *in, const nrg_group *gr, int32_t v, nrg_leads leads, nrg_leads starts, nrg_node *x);
nrg_status nrg_descent_step(nrg_inference *i, nrg_loop *l, nrg_store *s, int64_t n, uint64_t seed, uint32_t step);
void nrg_descent_print(nrg_chain *c, int k, nrg_text *out);
nrg_node nrg_project(nrg_graph *g, const nrg_domain *d, nrg_node x);

// ---- quad.c: an energy of degree 2 in a variable: gradient at 0 and blocks of second derivatives.
typedef struct {
    nrg_vars vars;        // joint; one variable keeps its axes
    nrg_leads leads;      // of the energy
    int64_t blocks, size; // S and B
    nrg_node g;           // [leads] [S, B]
    nrg_node H;           // [some leads] [S, B, B], or [S, B] when B is 1
    nrg_attr attr;
    nrg_shape joint;      // shape before blocks are cut
    int32_t order[NRG_MAX_RANK];
} nrg_quad;
nrg_status nrg_quad_make(nrg_chain *c, int k, nrg_quad *q);
nrg_status nrg_quad_attr(nrg_chain *c, int k, nrg_quad *q);
nrg_status nrg_exact_variance(nrg_chain *c, int k, int32_t var, nrg_node *out); // exact.c: diagonal of inv(beta H), as `var` lies
void nrg_quad_split(nrg_inference *i, const nrg_quad *q, nrg_node z, nrg_node *value); // [S, B] -> variables
#endif
