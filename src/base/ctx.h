// The context's inside. Private to base.
#ifndef NRG_BASE_CTX_H
#define NRG_BASE_CTX_H

#include "base/base.h"

typedef struct {
    char *name, *bytes;
    size_t n, name_n;
} nrg_source;

typedef struct {
    nrg_diag d;
    nrg_span at;
    nrg_text message, facts, help;
} nrg_entry;

struct nrg_ctx {
    nrg_alloc_fn alloc;
    void *ud;
    size_t used, peak;
    nrg_entry **entries; // one block each, so that lent nrg_diag pointers stay valid
    int n, cap;
    int last;          // the entry that nrg_fact and nrg_help write to; -1: none
    bool refused;      // `spare` holds a message: memory was refused
    nrg_diag spare;    // E098 needs no memory of its own
    char spare_text[96];
    nrg_source *sources;
    uint32_t nsources, csources;
    nrg_spent *spent;
    uint32_t nspent;
    bool listening;
};

// The hook with accounting but without a message.
void *nrg_mem_quiet(nrg_ctx *c, void *p, size_t old, size_t size);
// Notes in the spare slot that `size` bytes were refused.
void nrg_diag_refused(nrg_ctx *c, size_t size);
// Frees diagnostics and sources.
void nrg_diag_drop(nrg_ctx *c);

#endif
