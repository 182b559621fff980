// What the steps of plans take: a list in the context.
#include "base/ctx.h"
#include <string.h>

void nrg_spent_listen(nrg_ctx *c, bool on) { c->listening = on; }
bool nrg_spent_heard(const nrg_ctx *c) { return c->listening; }

void nrg_spent_zero(nrg_ctx *c) {
    for (uint32_t i = 0; i < c->nspent; i++) c->spent[i].seconds = c->spent[i].flops = c->spent[i].bytes = 0;
}

nrg_status nrg_spent_new(nrg_ctx *c, uint32_t n, uint32_t *first) {
    *first = c->nspent;
    if (!n) return NRG_OK;
    nrg_spent *p = nrg_mem(c, c->spent, c->nspent * sizeof *p, (c->nspent + n) * sizeof *p);
    if (!p) return NRG_E098;
    memset(p + c->nspent, 0, n * sizeof *p);
    c->spent = p;
    c->nspent += n;
    return NRG_OK;
}

nrg_spent *nrg_spent_at(nrg_ctx *c, uint32_t i) { return i < c->nspent ? &c->spent[i] : NULL; }
