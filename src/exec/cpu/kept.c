// What only weights reach is kept from run to run while the weights have the same bits.
#include "exec/cpu/cpu.h"
#include <string.h>

enum { KEPT_MOST = 4 << 20 }; // bytes: comparing more is no small part of a run

// An input that the first phase may read, or NULL.
static const nrg_plan_buf *weight(const nrg_plan *p, uint32_t slot) {
    const nrg_plan_buf *b = p->slot_buf[slot] ? &p->bufs.at[p->slot_buf[slot]] : NULL;
    return b && !b->sample ? b : NULL;
}

// One phase for weights and one for samples, and the first has nothing to do but numbers of the weights.
static bool plain(const nrg_plan *p) {
    if (p->phases != 2 || p->phase_at[1] == 0) return false;
    for (uint32_t i = 0; i < p->steps.n; i++) {
        nrg_step_kind k = p->steps.at[i].kind;
        if (k == NRG_STEP_update || (i < p->phase_at[1] && (k == NRG_STEP_random || k == NRG_STEP_output))) return false;
    }
    return true;
}

nrg_status nrg_run_keep(nrg_run *r) {
    size_t size = 0;
    for (uint32_t s = 0; s < r->p->slots; s++)
        if (weight(r->p, s)) size += (size_t)weight(r->p, s)->count * sizeof(double);
    if (r->kept || !plain(r->p) || size > KEPT_MOST) return NRG_OK;
    if (!(r->kept = nrg_mem(r->ctx, NULL, 0, size + 1))) return NRG_E098;
    r->kept_size = size + 1;
    return NRG_OK;
}

bool nrg_cpu_kept(nrg_run *r) {
    bool same = r->known;
    if (!r->kept) return false;
    char *at = r->kept;
    for (uint32_t s = 0; s < r->p->slots; s++) {
        const nrg_plan_buf *b = weight(r->p, s);
        if (!b) continue;
        const void *now = r->in[s].b.type == (r->p->type == NRG_F64 ? NRG_BUF_F64 : NRG_BUF_F32) ? r->in[s].b.data : r->in[s].converted;
        size_t bytes = (size_t)b->count * r->p->real;
        if (!same || memcmp(at, now, bytes) != 0) {
            memcpy(at, now, bytes);
            same = false;
        }
        at += bytes;
    }
    r->known = true;
    return same;
}
