// What the files of lang share: tokens, parsed statements, and the checker's state.
#ifndef NRG_LANG_INSIDE_H
#define NRG_LANG_INSIDE_H

#include "lang/lang.h"

// ---- token.c ----
typedef enum {
    T_END,
    T_LINE, // end of text, end of a statement
    T_NAME,
    T_NUMBER,
    T_STRING,
    T_MARK, // operators and brackets: `mark`
    T_OPEN, // a bracket that is never closed; span is the bracket
    T_BAD   // a character that starts nothing
} token_kind;
typedef struct {
    token_kind kind;
    nrg_span span;
    const char *text; // name, string without quotes, or the mark
    double number;
    bool first; // first of its line
} token;
typedef NRG_LIST(token) token_list;

// Tokens of a text; line ends inside brackets and at continued lines are left out. Never reports: T_BAD and T_OPEN are the
// parser's to report, once a statement.
nrg_status nrg_lex(nrg_arena *a, uint32_t file, const char *text, size_t n, token_list *out);
bool nrg_joining_word(const char *s);
bool nrg_in_list(const char *const *list, const char *name); // a list that ends in NULL
bool nrg_plain_name(const char *s);                          // could be written without quotes

// ---- parse.c ----
typedef enum {
    K_DIM,
    K_HYPER,
    K_GIVEN,
    K_PREDICT,
    K_LATENT,
    K_WEIGHT,
    K_MODULE,
    K_LET,
    K_ENERGY,
    K_MINIMIZE,
    K_MARGINALIZE,
    K_SAMPLE,
    K_HIDE,
    K_LEARN,
    K_OPTIMIZE,
    K_DATA,
    K_USE,
    K_ANSWER,
    K_EXPECT,
    K_REPORT,
    K_COUNT
} keyword;
extern const char *const nrg_keywords[]; // in the order of `keyword`, NULL at the end

// One declaration or statement. `dim a, b` gives two.
typedef struct {
    keyword key;
    nrg_span span; // from the keyword to the end
    uint32_t line; // which statement of the text: parts of one statement share it
    const char **names;
    nrg_span *spans;
    uint32_t n;
    const char **given; // answer: after `given`; module: parameters; domain arguments of a variable
    nrg_span *given_spans;
    uint32_t givens;
    bool brackets;       // module G() and energy E(): a list was written
    nrg_expr *expr;      // body, default, loss, binding, init
    nrg_expr *by, *from; // learn: from is `against`
    nrg_expr *range;     // NRG_X_RANGE of a hyper or a domain
    const char *word;    // element of a type, path of a use, question of an answer
    nrg_span word_span;
    const char *domain; // name of a domain, NULL: a range or none
    nrg_span domain_span;
    nrg_expr **axes;
    uint32_t rank;
    bool ragged; // dim T = ..100
    const char **labels;
    uint32_t nlabels;
    bool dead; // an error was reported; what follows from it is kept quiet
} stmt;
typedef NRG_LIST(stmt) stmt_list;
typedef NRG_LIST(const char *) name_list;

// Parses a text and adds its statements. Errors go to the list; names in statements that failed go to `lost`.
// E098 is the only status besides NRG_OK.
nrg_status nrg_parse(nrg_model *m, uint32_t file, const char *text, size_t n, stmt_list *out,
                     name_list *lost);
// An expression of a table row (a loss); must be right.
nrg_expr *nrg_parse_row(nrg_model *m, const char *text);

// ---- load.c and the files it calls ----
typedef struct {
    double size; // operations, lets and modules unfolded
    uint32_t levels;
} nrg_bulk;
typedef NRG_LIST(nrg_bulk) weight_list;

typedef struct {
    nrg_ctx *c;
    nrg_model *m;
    stmt_list list;
    name_list lost;    // names of broken statements: unknown names among them are not reported
    name_list locals;  // module parameters and indices in scope
    name_list letters; // all that ever were: a later declaration may not hide them
    const nrg_overrides *o;
    bool *set_used;                          // which --set were used
    weight_list let_weights, module_weights; // of model's lets and modules, in order
    const char *module;                      // the module being resolved, or NULL
    nrg_using file;                          // of the main text, for paths in `use`, and the texts that use it
    int errors;                              // in the list when the load began
} checker;

enum { MOST_FAULTS = 20, MOST_USES = 8 }; // uses of uses of ...

// What a name means.
typedef enum {
    N_NONE,
    N_DIM,
    N_HYPER,
    N_VAR,
    N_MODULE,
    N_LET,
    N_USE,
    N_ENERGY,
    N_LOCAL,
    N_LAYER,
    N_FUNCTION,
    N_LOSS,
    N_METHOD,
    N_OPTIMIZER
} name_kind;
#define ANY_VALUE                                                                                  \
    (1u << N_DIM | 1u << N_HYPER | 1u << N_VAR | 1u << N_MODULE | 1u << N_LET | 1u << N_USE |      \
     1u << N_LOCAL)
#define ANY_CALL (1u << N_MODULE | 1u << N_LAYER | 1u << N_FUNCTION)

// names.c
name_kind nrg_names_find(const checker *k, const char *name, int32_t *at); // user's names first
nrg_status nrg_names_declare(checker *k, const char *name, nrg_span span,
                             bool hyper); // E010, E016, W102
const char *nrg_names_near(checker *k, const char *name,
                           unsigned kinds); // kinds: bits 1 << name_kind
// E011 with the nearest name; nothing new is said about names of broken statements.
nrg_status nrg_names_unknown(checker *k, const char *kind, const char *name, nrg_span span,
                             unsigned kinds);
bool nrg_names_lost(const checker *k, const char *name); // then nrg_names_unknown says nothing
nrg_status
nrg_names_lose(checker *k,
               const stmt *s); // later uses of what this statement declares are not reported
const char *nrg_names_var(const checker *k, nrg_vars set,
                          const char *between);    // "x, y" in the arena; "" when refused
const char *nrg_var_text(checker *k, int32_t var); // "real[D]" in the arena; "" when refused
const char *nrg_source_part(checker *k, const nrg_expr *e); // as written, or printed

nrg_status nrg_names_local(checker *k, const char *name); // brings an index or parameter into scope
// resolve.c: names inside expressions
enum {
    SEE_VARS = 1,   // variables may be read
    SEE_WORDS = 2,  // unknown plain names are arrays or options (data, report)
    SEE_ATOMS = 4,  // pos neg lowest free
    SEE_ENERGY = 8, // grad(E, y)
    SEE_LOSSES = 16
};
nrg_status nrg_resolve(checker *k, const nrg_expr *e, unsigned see);
// Arguments of a call against a row of names ("steps lr" or "lr=0.1 epochs=10"); `free` unnamed ones may be anything.
nrg_status nrg_check_args(checker *k, const nrg_expr *call, const char *args, const char *name,
                          uint32_t free, unsigned see);
bool nrg_arg_at(const char *args, int i, char *name, size_t size, const char **value,
                int *value_n); // i-th of a row

// weigh.c: E002 when an expression unfolds to too much
nrg_status nrg_weigh(checker *k, const nrg_expr *e, nrg_span at, nrg_bulk *out);
// declare.c
nrg_status nrg_declare(checker *k, stmt *s); // dims, hypers, variables, modules, lets, uses
// energy.c
nrg_status nrg_energy_declare(checker *k, stmt *s);
void nrg_energy_check(checker *k);  // E020, E023
void nrg_energy_unused(checker *k); // E024
void nrg_hide_check(checker *k);    // E046
// choose.c
nrg_status nrg_infer_declare(checker *k, stmt *s);
void nrg_infer_check(checker *k); // E028, E029
bool nrg_small_finite(const nrg_model *m, int32_t var);
// learn.c
nrg_status nrg_learn_declare(checker *k, stmt *s);
void nrg_learn_check(checker *k); // atoms' sources: E047, E049
// bind.c
nrg_status nrg_optimize_declare(checker *k, stmt *s);
nrg_status nrg_bind_declare(checker *k, stmt *s); // hide, data, answer, expect, report
// warn.c
void nrg_warn_collapse(checker *k);
// print.c
void nrg_lang_print_var(const nrg_model *m, const nrg_var *v, nrg_text *out); // one line
// override.c
nrg_status nrg_override_statements(checker *k); // --stmt
nrg_status nrg_override_size(checker *k, const char *name, int64_t *size, bool *found);
nrg_status nrg_override_hyper(checker *k, nrg_hyper *h);
nrg_status nrg_override_rest(checker *k); // --set of a name that is not there
#endif
