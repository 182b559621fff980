// model: dims, variables with roles and domains, modules, one energy, and the chosen inference, loss and optimiser.
// It holds no tensors. `lang` makes it from text, the C API by hand; eval.c turns its expressions into graph nodes.
#ifndef NRG_MODEL_H
#define NRG_MODEL_H

#include "graph/graph.h"

typedef struct nrg_model nrg_model;
typedef struct nrg_expr nrg_expr;
typedef uint64_t nrg_vars; // a set of variables: bit i is model->vars.at[i]
enum { NRG_MAX_VARS = 64 };

// ---- expressions: one tree, made by the parser, never changed afterwards ------------------------------------
typedef enum {
    NRG_X_NUMBER,    // number
    NRG_X_STRING,    // text
    NRG_X_NAME,      // text
    NRG_X_UNARY,     // op ("-" "not"), kid 0
    NRG_X_BINARY,    // op ("+" "-" "*" "/" "@" "^" "==" "!=" "<" "<=" ">" ">=" "and" "or"), kids 0 and 1
    NRG_X_PIPE,      // kid 0 | kid 1
    NRG_X_CALL,      // kid 0 (args...): kids 1.. are arguments, names[i] the name of kid i or NULL
    NRG_X_INDEX,     // kid 0 [kids 1..]
    NRG_X_TRANSPOSE, // kid 0 '
    NRG_X_MEMBER,    // kid 0 . text
    NRG_X_REDUCE,    // text (binders [where guard] : body); kid 0 body, kid 1 guard or NULL
    NRG_X_SCHEDULE,  // kid 0 -> kid 1
    NRG_X_RANGE,     // kid 0 .. kid 1, either may be NULL (domains and extents only)
    NRG_X_COND,      // names | names inside nll(...) and the like: kids 0..split-1 before the bar, the rest after
    NRG_X_ATOM       // number = index into the learn statement's atoms (made when losses are expanded)
} nrg_expr_kind;

typedef struct {
    const char **names; // 1 name, or several in brackets
    nrg_span *spans;
    uint32_t n;
    nrg_expr *over;
} nrg_binder;

enum { NRG_MAX_HEIGHT = 500 };
struct nrg_expr {
    nrg_expr_kind kind;
    uint32_t id; // unique in the model: a layer call owns weights by its id
    const char *op, *text;
    double number;
    nrg_expr **kid;
    const char **names; // of call arguments; NULL when none is named
    uint32_t n, split;
    uint32_t height; // 1 for a leaf; at most NRG_MAX_HEIGHT, so that recursion over a tree is safe
    nrg_binder *binder;
    uint32_t binders;
    nrg_span span; // the whole expression
    nrg_span at;   // what a caret should point at: the operator, the name, the callee
};

// ---- types ------------------------------------------------------------------------------------------------
typedef struct {
    int32_t dim;  // index of a dim, or -1: anonymous, matches by size
    int64_t size; // -1: not known before data are seen
} nrg_axis;
typedef struct {
    nrg_elem elem;
    int32_t dim; // the dim of a category
    int32_t rank;
    nrg_axis axis[NRG_MAX_RANK];
} nrg_type;

typedef enum {
    NRG_DOM_ALL, NRG_DOM_RANGE, NRG_DOM_SIMPLEX, NRG_DOM_SPHERE, NRG_DOM_UNIT_COLUMNS, NRG_DOM_ORTHONORMAL, NRG_DOM_SYMMETRIC,
    NRG_DOM_SPECTRAL, // hi: bound of the largest singular value of the matrix [first axis, the rest]
    NRG_DOM_SEGMENTS, NRG_DOM_MONOTONE, NRG_DOM_TREE, NRG_DOM_PROJECTIVE, NRG_DOM_PERMUTATION, NRG_DOM_PATH
} nrg_domain_kind;
typedef struct {
    nrg_domain_kind kind;
    double lo, hi; // range; -INFINITY, INFINITY where open
    nrg_span span;
    const char **args; // names in brackets: path(src, dst)
    uint32_t n;
} nrg_domain;

// ---- declarations -----------------------------------------------------------------------------------------
typedef struct {
    const char *name;
    nrg_span span;
    bool ragged;         // size is the largest length; a sample has its own
    bool fixed;          // size was declared (or --set): data are checked against it
    int64_t size;        // -1 until data are seen
    nrg_expr *extent;    // NULL, or what was written
    const char **labels; // size of them, or NULL
} nrg_dim;

typedef struct {
    const char *name;
    nrg_span span;
    double from, to; // equal unless scheduled
    bool scheduled, geometric;
    double lo, hi;
} nrg_hyper;

typedef struct {
    const char *name;
    nrg_span span;
    nrg_role role;
    nrg_elem elem;
    int32_t category; // dim of a category, else -1
    nrg_expr **axes;  // additive expressions over dims and numbers
    uint32_t rank;
    nrg_domain domain;
    nrg_expr *init;   // weights: samples(y), normal(sd), uniform(a), a number, or NULL
} nrg_var;

typedef struct {
    const char *name;
    nrg_span span;
    const char **params;
    nrg_span *param_spans;
    uint32_t n;
    nrg_expr *body;
} nrg_module;

typedef struct {
    const char *name;
    nrg_span span;
    nrg_expr *body;
} nrg_let;

// One term of the energy: sign * factors... * sum over binders where guard of body. Sums are distributed over + and -,
// lets inlined as names; body keeps its own span.
typedef struct {
    double sign;
    nrg_expr **factor;
    uint32_t factors;
    nrg_binder *binder;
    uint32_t binders;
    nrg_expr *guard, *body;
    nrg_span span;
} nrg_term;

typedef enum { NRG_MINIMIZE, NRG_MARGINALIZE, NRG_SAMPLE_VERB } nrg_verb;
typedef enum {
    NRG_BY_NONE, // a `by` that is a module or a proposer
#define NRG_METHOD(name, verbs, domain, built, args, doc) NRG_BY_##name,
#include "model/methods.def"
    NRG_BY_COUNT
} nrg_method;
typedef struct {
    nrg_verb verb;
    nrg_vars vars;
    bool written;      // false: chosen by the compiler
    nrg_method method; // resolved; NRG_BY_NONE with `by` set: a proposer
    const char *reason;
    nrg_expr *by, *from;
    nrg_span span, by_span;
} nrg_infer_stmt;

// What a loss reads. pos: F at the data. neg: F at the `against` points. lowest: min over `over`. free: -1/beta log sum over `over`.
// count: how many wrong answers neg stands for.
// The others are read by criteria only (criteria.def), at the data and with respect to `over`: the gradient of beta F; the trace of its
// second derivatives, and that along random directions; beta (F - F with one entry flipped) for each entry; noise less sd times the gradient
// at data with that noise; beta F + log(k q) at the data and at k draws of a noise density q fitted to the data; beta F at data with noise, less
// that of the data.
typedef enum {
    NRG_POS, NRG_NEG, NRG_LOWEST, NRG_FREE, NRG_COUNT, NRG_SLOPE, NRG_BEND, NRG_SLICE, NRG_FLIPS, NRG_BLUR, NRG_ABOVE, NRG_BELOW, NRG_RISE, NRG_ATOM_COUNT
} nrg_atom_kind;
extern const char *const nrg_atom_names[NRG_ATOM_COUNT];
typedef struct {
    nrg_atom_kind kind;
    nrg_vars data; // variables held at the data
    nrg_vars over; // variables minimised or summed over (neg: those taken from `against`); the rest is eliminated by its own verb
    const nrg_expr *arg; // of a criterion's atom, or NULL
} nrg_atom;
typedef struct {
    nrg_expr *expr;    // library losses expanded; atoms are NRG_X_ATOM
    nrg_expr *written; // as the user wrote it, for printing
    nrg_expr *against; // or NULL
    struct { nrg_atom *at; uint32_t n, cap; } atoms;
    nrg_span span;
} nrg_learn;

typedef enum {
    NRG_OPT_none,
#define NRG_OPTIMIZER(name, args, doc) NRG_OPT_##name,
#include "model/optimizers.def"
    NRG_OPT_COUNT
} nrg_optimizer;
typedef struct {
    const char **names; // modules and weights; none: the rest
    nrg_span *spans;
    uint32_t n;
    nrg_optimizer method;
    nrg_expr *by;
    nrg_span span;
} nrg_optimize;

typedef struct { const char **names; nrg_span *spans; uint32_t n; nrg_expr *expr; nrg_span span; } nrg_data_stmt;
typedef struct { const char *path, *name; nrg_span span; nrg_model *model; /* owned; NULL: it is not there */ } nrg_use;
typedef struct { nrg_question question; int32_t var; nrg_vars given; nrg_span span; } nrg_answer_stmt;
typedef struct { int32_t var; nrg_expr *by; nrg_span span; } nrg_hide;
typedef struct { nrg_expr *expr; nrg_span span; } nrg_expr_stmt; // expect, report

// One array of weights. Made when its owner is first evaluated with sizes known.
typedef struct {
    const char *name;     // "W" for a weight variable; "G.0.weight", "G.0.bias" for layer 0 of module G; "young:W" of a used model
    nrg_type type;
    nrg_shape shape;
    const char *owner;    // module, weight variable or used model, as `optimize` names it
    bool bias;
    int32_t var;          // the weight variable, or -1
    nrg_domain domain;
    enum { NRG_INIT_ZERO, NRG_INIT_CONSTANT, NRG_INIT_NORMAL, NRG_INIT_UNIFORM, NRG_INIT_SAMPLES } init;
    double scale;         // normal: standard deviation; uniform: -scale..scale; constant: the value
    nrg_expr *init_expr;  // samples(y)
    int32_t average_of;   // ema: the parameter averaged, else -1
    double decay;
    bool fixed;           // never trained: weights of a used model; training rows of the variable `rows_of`, in their order
    int32_t rows_of;      // or -1
    const double *values; // what it starts from, when its model was used with its weights; NULL: init
    nrg_span span;
} nrg_param;

#define NRG_LIST(T) struct { T *at; uint32_t n, cap; }
struct nrg_model {
    nrg_ctx *ctx;
    nrg_arena arena;
    uint32_t file; // source of the main text
    NRG_LIST(nrg_dim) dims;
    NRG_LIST(nrg_hyper) hypers;
    NRG_LIST(nrg_var) vars; // at most NRG_MAX_VARS; weights included
    NRG_LIST(nrg_module) modules;
    NRG_LIST(nrg_let) lets;
    struct {
        const char *name; // "E"; NULL: no energy
        nrg_vars vars;
        int32_t order[NRG_MAX_VARS]; // as listed
        int32_t n;
        nrg_expr *body;   // NULL when fn is set
        nrg_energy_fn fn;
        void *ud;
        NRG_LIST(nrg_term) terms;
        nrg_span span;
    } energy;
    NRG_LIST(nrg_infer_stmt) infers;
    NRG_LIST(nrg_hide) hides;
    NRG_LIST(nrg_learn) learns;
    NRG_LIST(nrg_optimize) optimizes;
    NRG_LIST(nrg_data_stmt) datas;
    NRG_LIST(nrg_use) uses;
    NRG_LIST(nrg_answer_stmt) answers;
    NRG_LIST(nrg_expr_stmt) expects, reports;
    NRG_LIST(nrg_param) params; // filled by evaluation
    double beta;
    nrg_vars calibrated; // variables for which beta was fitted to held-out data: differences of their energies are log odds
    int64_t rows;    // N, the number of training rows; 0 before data are seen
    uint32_t exprs;  // next expression id
};

// model.c
nrg_status nrg_model_new(nrg_ctx *c, nrg_model **out);
void nrg_model_free(nrg_model *m);
int32_t nrg_model_dim(const nrg_model *m, const char *name); // -1: none; likewise below
int32_t nrg_model_var(const nrg_model *m, const char *name);
int32_t nrg_model_hyper(const nrg_model *m, const char *name);
int32_t nrg_model_module(const nrg_model *m, const char *name);
int32_t nrg_model_let(const nrg_model *m, const char *name);
nrg_vars nrg_model_role(const nrg_model *m, nrg_role role);
nrg_status nrg_model_beta(nrg_model *m, double beta, nrg_vars calibrated); // as `hyper beta = ...`, fitted for these variables
const nrg_infer_stmt *nrg_model_infer(const nrg_model *m, nrg_verb verb, int32_t var); // NULL: no such statement
bool nrg_proposes(const nrg_infer_stmt *st); // its `by` is a module: sample y by G(normal(L))
nrg_expr *nrg_expr_new(nrg_model *m, nrg_expr_kind kind, uint32_t kids, nrg_span span);
// Builds energy.terms from energy.body.
nrg_status nrg_model_terms(nrg_model *m);
void nrg_expr_print(const nrg_model *m, const nrg_expr *e, nrg_text *out);      // in the language, minimal parentheses
void nrg_type_print(const nrg_model *m, const nrg_type *t, nrg_text *out);      // "real[T, Tag]", "Class", "bit[4]"
// Type of a variable with today's sizes; unknown sizes are -1.
nrg_status nrg_var_type(const nrg_model *m, int32_t var, nrg_type *out);
nrg_status nrg_var_shape(const nrg_model *m, int32_t var, nrg_shape *out); // E099 when a size is unknown
// A constant expression over numbers, dims and hypers (start values): axes, method arguments.
nrg_status nrg_eval_number(const nrg_model *m, const nrg_expr *e, double *out);
// Argument `name` (or positional place) of a call, NULL when absent.
const nrg_expr *nrg_call_arg(const nrg_expr *call, const char *name, int place);
bool nrg_word_is(const nrg_expr *e, const char *word); // the name `word`, or a call of it; false for NULL
// Value of a schedule argument at fraction t of its clock (0..1): number, a -> b, geometric(a, b), hyper.
nrg_status nrg_eval_schedule(const nrg_model *m, const nrg_expr *e, double t, double *out);

// Inputs that evaluation makes by name, beside weights: "hyper:NAME" [], "length:DIM" [] with the sample axis,
//   whiten(x): "whiten:NAME:mean" [n] and "whiten:NAME:matrix" [n, n], n numbers of x; gives (x - mean) @ matrix,
//   standardise(x): "standardise:NAME:mean" and "standardise:NAME:scale", both with x's shape; gives (x - mean) * scale,
// where NAME is the first name in x. hamming(v) compares v with the name "data:v" (nrg_scope_name).
// Weights start: linear, conv, conv1 uniform(1/sqrt(fan in)), weights and biases; embed normal(1); position normal(0.02);
// layernorm 1 and 0; weight variables as `init` says, else normal(0.01).

// ---- eval.c: expressions to typed nodes. The same evaluation checks (unknown sizes stand in by a guess) and lowers. ----
typedef struct {
    nrg_type type;
    nrg_node node; // event axes = type.axis in order; categories hold their index
} nrg_value;
typedef struct nrg_scope nrg_scope; // one graph, the nodes bound to variables, the nodes of weights

// The scope makes an input node per weight at first use, named as the parameter; scheduled hypers become inputs "hyper:NAME",
// ragged lengths inputs "length:DIM" with the sample axis. Adds to m->params what it meets first.
nrg_status nrg_scope_new(nrg_model *m, nrg_graph *g, nrg_scope **out);
void nrg_scope_free(nrg_scope *s);
nrg_graph *nrg_scope_graph(const nrg_scope *s);
nrg_model *nrg_scope_model(const nrg_scope *s);
void nrg_scope_bind(nrg_scope *s, int32_t var, nrg_node node);     // event shape as nrg_var_shape; any leading axes. NRG_BAD unbinds
nrg_node nrg_scope_bound(const nrg_scope *s, int32_t var);
void nrg_scope_hide(nrg_scope *s, int32_t var, nrg_node seen, nrg_node hidden); // what seen(v), hidden(v) mean
void nrg_scope_hid(const nrg_scope *s, int32_t var, nrg_node *seen, nrg_node *hidden); // NRG_BAD: not hidden
void nrg_scope_atoms(nrg_scope *s, const nrg_node *atoms, uint32_t n);          // what NRG_X_ATOM i means
// A name that stands for a node (arrays in data statements, `y` in tests): looked up before everything else.
nrg_status nrg_scope_name(nrg_scope *s, const char *name, nrg_type type, nrg_node node);
nrg_node nrg_scope_param(nrg_scope *s, uint32_t param); // its input node in this graph
// What normal(L) and uniform(L) are while an expression is evaluated; NULL: they have no value.
typedef nrg_node (*nrg_noise_fn)(void *ud, bool normal, nrg_shape shape);
void nrg_scope_noise(nrg_scope *s, nrg_noise_fn fn, void *ud);
nrg_status nrg_eval(nrg_scope *s, const nrg_expr *e, nrg_value *out);
nrg_status nrg_eval_energy(nrg_scope *s, nrg_node *out); // one number for each leading position; all variables bound
// Variables read by an expression, lets and modules followed (modules are closed).
nrg_vars nrg_expr_vars(const nrg_model *m, const nrg_expr *e);
// Evaluates everything that owns weights once, so that m->params is complete. Sizes must be known.
nrg_status nrg_model_resolve(nrg_model *m, nrg_dtype type);
// Checks every expression with guessed sizes: E022 and E030 to E043. Leaves no params behind. Names (E011, E014, E020, E021, E023, E024)
// are the parser's matter; should one slip through, evaluation says E011 itself.
nrg_status nrg_model_check_types(nrg_model *m);

// Tables of names, for suggestions and listings.
extern const char *const nrg_method_names[], *const nrg_loss_names[], *const nrg_optimizer_names[], *const nrg_layer_names[],
    *const nrg_function_names[];
// rows.c -- the tables of layers and functions as Markdown, for docs/language.md.
void nrg_layers_print(nrg_text *out);
void nrg_functions_print(nrg_text *out);
typedef struct { const char *name, *verbs, *domain; bool built; const char *args, *doc; } nrg_method_row;
typedef struct { const char *name, *args, *expr, *doc; } nrg_loss_row;
typedef struct { const char *name, *args, *doc; } nrg_optimizer_row;
const nrg_method_row *nrg_method_get(nrg_method m);
const nrg_method_row *nrg_method_find(const char *name, nrg_method *out); // NULL: none
const nrg_loss_row *nrg_loss_find(const char *name);
const nrg_optimizer_row *nrg_optimizer_find(const char *name, nrg_optimizer *out);
#endif
