// infer: eliminating variables from an energy, and answering questions. Programs over model, graph, plan and run.
#ifndef NRG_INFER_H
#define NRG_INFER_H

#include "exec/exec.h"
#include "model/model.h"

// ---- store.c: named buffers. Inputs of every graph are bound by name, so that all graphs of a run share data and weights.
// Names: variables and arrays by their name, weights by their parameter's name, "hyper:NAME", "length:DIM", results of inner
// inference "best:NAME:k".
typedef struct nrg_store nrg_store;
nrg_status nrg_store_new(nrg_ctx *c, nrg_dtype type, nrg_store **out);
void nrg_store_free(nrg_store *s);
nrg_status nrg_store_put(nrg_store *s, const char *name, nrg_buffer b);                   // lent memory
nrg_status nrg_store_make(nrg_store *s, const char *name, int64_t count, void **data);    // own, zeroed, grow-only, of the store's type
const nrg_buffer *nrg_store_get(const nrg_store *s, const char *name);                    // NULL: none
// Inputs whose name starts so stand in while a graph is built; nothing reads them when it runs, and nothing need be bound.
#define NRG_HOLE "hole:"
nrg_status nrg_store_bind(const nrg_store *s, const nrg_graph *g, nrg_run *r);            // every input of g; E099 names a missing one
nrg_dtype nrg_store_type(const nrg_store *s);
double nrg_store_number(nrg_dtype type, const void *data, int64_t i);                     // number i of a buffer of the store's type
static inline nrg_dtype nrg_dtype_of(bool f64, nrg_products p) {
    return f64 ? NRG_F64 : p == NRG_PRODUCTS_BF16X3 ? NRG_BF16X3 : p == NRG_PRODUCTS_BF16 ? NRG_BF16 : NRG_F32;
}
static inline size_t nrg_dtype_size(nrg_dtype t) { return t == NRG_F64 ? sizeof(double) : sizeof(float); }

// ---- infer.c: an inference is made while a graph is being built and holds what must run before that graph does.
typedef struct nrg_inference nrg_inference;
typedef struct {
    int threads;
    int64_t batch;          // samples a run, for choosing tiles
    size_t memory;          // bytes that candidate tiles may take; 0: 64 MiB
    bool values_only;       // no gradient will be taken: sums over candidates may go through tiles as well
} nrg_infer_options;
nrg_status nrg_inference_new(nrg_ctx *c, nrg_scope *s, const nrg_infer_options *o, nrg_inference **out);
void nrg_inference_free(nrg_inference *i);
// F: the energy with the variables of `data` as bound in the scope, those of `over` eliminated by `verb` (minimise or sum out,
// by the model's statement for that verb, else a chosen method), and all others by their own verb (with both verbs, by `verb`).
// Variables of one statement are eliminated together; statements nest: `over` outermost, then other answers, latents innermost, in the
// order of the variables. Variables that were eliminated are unbound afterwards.
// best[v] (v < NRG_MAX_VARS, may be NULL) becomes the minimiser of each minimised variable, held fixed.
nrg_status nrg_infer_energy(nrg_inference *i, nrg_vars data, nrg_vars over, nrg_verb verb, nrg_node *F, nrg_node *best);
// As nrg_infer_energy with over = 0, but with the probabilities of summed-out variables held fixed: a sum of stop(p) E whose
// gradient is that of F and whose second derivatives are those of the expected energy (expectation-maximisation).
nrg_status nrg_infer_surrogate(nrg_inference *i, nrg_vars data, nrg_node *Q);
// The energies of all values of finite variables (or of grid points), jointly where there are several: leads of F gain one candidate
// axis, returned in *lead; value[v] is the candidate of variable v (its event shape) along that axis. E026 when not enumerable.
nrg_status nrg_infer_candidates(nrg_inference *i, nrg_vars data, nrg_vars over, nrg_node *F, nrg_leads *lead, nrg_node *value);
// hunt.c: answers outside the sphere of radius (input) `outside` around the bound ones, lowest in cost, by descent from several starts:
// approximate. value[v] becomes the answer, held fixed, and *cost its cost; *found is 0 for a sample where every start stayed inside.
typedef struct {
    nrg_vars data, over;
    const char *outside;
    int64_t starts, steps;
    // The cost of an answer with energy F, in scope s; nodes of `outer` may be copied over. NULL: F itself.
    nrg_status (*cost)(void *ud, nrg_scope *s, const nrg_graph *outer, nrg_node F, nrg_node *cost);
    void *ud;
} nrg_hunt;
nrg_status nrg_infer_hunt(nrg_inference *i, const nrg_hunt *spec, nrg_node *value, nrg_node *found, nrg_node *cost);
// Can the values be compared exhaustively, all of them or on a grid? `any`: even where a statement asks for descent.
bool nrg_infer_listable(const nrg_inference *i, nrg_vars over, bool any);
// spread.c: x[k] of every row of the batch as candidates for each row, along one new axis; *other is 1 where the candidate is another row.
nrg_status nrg_infer_batch(nrg_inference *i, const nrg_node *x, int n, nrg_node *out, nrg_leads *lead, nrg_node *other);
// Runs inner loops for the current batch of n samples (rows as bound in the store) and leaves their results in the store.
nrg_status nrg_inference_go(nrg_inference *i, nrg_store *store, int64_t n, uint64_t seed, uint32_t step);
bool nrg_inference_loops(const nrg_inference *i); // are there any?
nrg_status nrg_infer_say(nrg_inference *i, const char *fmt, ...) NRG_PRINTF(2, 3); // one more line of choices
// What was chosen and why, one line a choice: "minimize y by exhaustive   (10 values)".
void nrg_inference_print(const nrg_inference *i, nrg_text *out);
// The method for a statement: checks it against verb and domain (E026, E071); without `by`, chosen from domain and structure, with
// the reason. Before the sizes are known nothing changes.
nrg_status nrg_infer_choose(nrg_model *m, nrg_infer_stmt *st);

// ---- questions.c / ask.c
// Can this model, trained as its learn statements say, answer? NRG_OK, or E060 with the reason and what it can answer.
nrg_status nrg_question_promises(const nrg_model *m); // every `answer` statement; E060 with its place
nrg_status nrg_method_check(nrg_model *m);            // arguments of written methods: E013 and the like
nrg_status nrg_question_allowed(const nrg_model *m, nrg_question q, int32_t var, nrg_vars given);
// asked.c: what was made for a question is kept for the next time that it is asked; a few of them.
typedef struct nrg_asked nrg_asked;
nrg_status nrg_asked_new(nrg_ctx *c, nrg_asked **out);
void nrg_asked_clear(nrg_asked *k);
void nrg_asked_free(nrg_asked *k);
typedef struct {
    nrg_question question;
    int32_t var;
    nrg_vars given;            // variables held at the data
    nrg_vars seen;             // what seen(v) and hidden(v) are lies in the store, [n, event]: "seen:NAME", "hidden:NAME"
    int64_t n;                 // samples
    int top;                   // rank: how many; 0: all (at most 1000)
    const double *among;       // candidates [among_n, ...], or NULL
    int64_t among_n;
    int threads;
    uint64_t seed;
    int minima;                // best: so many distinct minima, lowest first; 0: the lowest alone
    bool anyway;
    bool from_data;            // best by descent: from where the store holds the variable
    size_t memory;
    nrg_asked *asked;          // NULL: nothing is kept
} nrg_ask_spec;
typedef struct {
    nrg_arena arena;
    int64_t n, width;          // samples; numbers an answer (event size of the variable)
    int64_t choices;           // rank, minima: answers a sample (NaN where there are fewer); dist of a finite variable: values; grid: points; else 1
    double *value;             // best: [n, width]; rank: [n, choices, width]; dist: [choices, width] the values (shared)
    double *energy;            // best: [n]; rank: [n, choices]; dist: [n, choices]
    double *p;                 // dist: [n, choices] probabilities (densities for reals), or NULL
    double *free;              // [n] free energy where computed, or NULL
    double *runner_up, *runner_up_energy; // best: [n, width], [n]; NaN where there is none
    const char **status;       // [n] exact, converged, max_steps, approx
    double *mean, *variance;   // dist of a real whose conditional is Gaussian (exact): [n, width]; else NULL
    const char *how;           // method and reason
    int64_t energies;          // what it cost: how many values of the asked variable were given an energy, over all samples
} nrg_answers;
// E081: some samples did not converge; E061: for some every value is forbidden. The answers are there all the same.
nrg_status nrg_ask(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec, nrg_answers *out);
void nrg_answers_free(nrg_answers *a);
// Does exp(-beta E) seem to have no finite sum over spec->var, an unbounded real? Then *said has energies at growing distances.
nrg_status nrg_growth_check(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec, bool *diverges, nrg_text *said);
// Fits beta so that the distribution of spec->var gives `truth` [n, width] the highest likelihood; the model takes it and remembers
// the variable. E060: its energies were never compared; E081: no beta is best.
nrg_status nrg_calibrate(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec, const double *truth, nrg_calibration *out);
// F(x, y) of n samples, latents eliminated. energy: [n].
nrg_status nrg_energy_of(nrg_model *m, nrg_store *store, nrg_vars data, int64_t n, int threads, double *energy);
nrg_status nrg_energy_asked(nrg_model *m, nrg_store *store, nrg_asked *k, nrg_vars data, int64_t n, int threads, double *energy);
#endif
