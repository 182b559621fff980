// lang: text -> statements -> model. Hand-written recursive descent; all wording of language errors lives here.
#ifndef NRG_LANG_H
#define NRG_LANG_H

#include "model/model.h"

// The files that are being loaded, innermost first: a model that uses itself is refused.
typedef struct nrg_using { const char *file; const struct nrg_using *by; } nrg_using;
// What a `use` names, when that is more than a text: the model with its sizes and the values of its weights (nrg_param.values).
// *out stays NULL for a text, which lang reads itself, and for what is not there.
typedef nrg_status (*nrg_use_fn)(void *ud, nrg_ctx *c, const char *name, const char *path, const nrg_using *by, nrg_model **out);

// Changes asked for on the command line, and how used models are opened.
typedef struct {
    const char *const *sets;  // "K=20", "lambda=0.1"
    int sets_n;
    const char *const *stmts; // whole statements: replace the one with the same keyword and variable set, else are added
    int stmts_n;
    nrg_use_fn use; // may be NULL
    void *use_ud;
    const nrg_using *by;
} nrg_overrides;

// Parses and checks a model. All errors (up to 20 statements) are in the context's list; the first one's status is returned.
// Warnings alone give NRG_OK. `o` may be NULL. On failure *out is NULL.
nrg_status nrg_lang_load(nrg_ctx *c, const char *name, const char *text, size_t n, const nrg_overrides *o, nrg_model **out);
// Same for a model whose energy is given in C: the text has no energy statement; `vars` lists its variables, "x, y, z".
nrg_status nrg_lang_load_fn(nrg_ctx *c, const char *name, const char *text, size_t n, const nrg_overrides *o, const char *vars,
                            nrg_energy_fn fn, void *ud, nrg_model **out);
// The model as text that loads to the same model (overrides resolved, comments gone).
void nrg_lang_print(const nrg_model *m, nrg_text *out);
// One-screen summary: dims, variables, modules, sizes, terms, choices with reasons, questions it can answer.
void nrg_lang_show(const nrg_model *m, nrg_text *out);
#endif
