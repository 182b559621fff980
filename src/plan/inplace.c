// Values written over what they replace: a weight over its old self, a fused result over an operand that nobody reads later.
#include "plan/steps.h"

// The operation of tile t that writes buffer b, and the last one that reads leaf k.
static int writer_op(const nrg_tile *t, uint32_t b) {
    for (int k = 0; k < t->outs_n; k++)
        for (int i = 0; t->outs[k] == b && i < t->ops_n; i++)
            if (t->ops[i].out == t->leaves_n + t->regs + k) return i;
    return -1;
}
static int last_use(const nrg_tile *t, int leaf) {
    int last = -1;
    for (int i = 0; i < t->ops_n; i++) {
        int n = nrg_plan_arity(t->ops[i].op);
        if (t->ops[i].a == leaf || (n > 1 && t->ops[i].b == leaf) || (n > 2 && t->ops[i].c == leaf)) last = i;
    }
    return last;
}

// May tile t write buffer b over buffer a? Every leaf in a must lie as the space does and be read before the write.
static bool may_cover(const nrg_tile *t, uint32_t b, uint32_t a) {
    int op = writer_op(t, b);
    for (int k = 0; k < t->leaves_n; k++) {
        const nrg_tile_leaf *l = &t->leaves[k];
        if (l->kind == NRG_LEAF_CONST || l->at.buf != a) continue;
        if (l->kind != NRG_LEAF_DIRECT || l->at.offset || last_use(t, k) > op) return false;
    }
    return op >= 0;
}

static const nrg_work *only_writer(const nrg_plan *p, uint32_t b) {
    const nrg_work *found = NULL;
    for (uint32_t i = 0; i < p->steps.n; i++)
        for (int k = 0; k < p->steps.at[i].writes_n; k++)
            if (p->steps.at[i].writes[k] == b) {
                if (found) return NULL;
                found = &p->steps.at[i];
            }
    return found;
}

static bool reads(const nrg_work *s, uint32_t b) {
    for (int k = 0; k < s->reads_n; k++)
        if (s->reads[k] == b) return true;
    return false;
}

// An update of a value without samples needs no copy when one tile makes it after every other read of the old state.
static bool direct_update(nrg_plan *p, const nrg_work *s) {
    const nrg_out_step *d = s->detail;
    const nrg_dims *x = &d->dims;
    nrg_plan_buf *b = &p->bufs.at[d->a.buf];
    bool row = x->n == 0 || (x->n == 1 && x->at[0].a == 1 && x->at[0].c == 1);
    if (d->sample || !row || d->a.offset || b->place != NRG_AT_ONCE || b->count != d->count) return false;
    const nrg_work *w = only_writer(p, d->a.buf);
    uint32_t old = p->slot_buf[d->slot];
    if (!w || w->kind != NRG_STEP_tile || (w->phase & 1) || (old && !may_cover(w->detail, d->a.buf, old))) return false;
    for (uint32_t i = 0; i < p->steps.n; i++) {
        const nrg_work *o = &p->steps.at[i];
        if (o > w && old && reads(o, old)) return false;
        const nrg_out_step *other = o->detail; // one value for two states
        if (o != s && o->kind == NRG_STEP_update && other->a.buf == d->a.buf) return false;
    }
    b->place = NRG_AT_INPUT;
    b->slot = d->slot;
    return true;
}

// Drops the updates that became direct.
void nrg_plan_direct(nrg_plan *p) {
    uint32_t to = 0, phase = 0;
    bool drop;
    for (uint32_t i = 0; i < p->steps.n; i++) p->steps.at[i].gone = p->steps.at[i].kind == NRG_STEP_update && direct_update(p, &p->steps.at[i]);
    for (uint32_t i = 0; i < p->steps.n; i++) {
        nrg_work s = p->steps.at[i];
        while (phase <= s.phase) p->phase_at[phase++] = to;
        drop = s.gone;
        if (!drop) p->steps.at[to++] = s;
    }
    while (phase <= p->phases) p->phase_at[phase++] = to;
    p->steps.n = to;
}

// Results of fused steps take the place of operands that end there. Called when places and lifetimes are known.
void nrg_plan_share(nrg_plan *p) {
    for (int i = 0; i < (int)p->steps.n; i++) {
        const nrg_work *s = &p->steps.at[i];
        const nrg_tile *t = s->detail;
        for (int o = 0; s->kind == NRG_STEP_tile && o < t->outs_n; o++)
            for (int k = 0; k < t->leaves_n; k++) {
                nrg_plan_buf *b = &p->bufs.at[t->outs[o]], *a = &p->bufs.at[t->leaves[k].at.buf];
                if (t->leaves[k].kind != NRG_LEAF_DIRECT || b->over || a->taken || a->place != b->place || a->count != b->count) continue;
                if ((a->place != NRG_AT_SLICE && a->place != NRG_AT_ONCE) || a->last != i || a->sample != b->sample || a->wide) continue;
                if (!may_cover(t, t->outs[o], t->leaves[k].at.buf)) continue;
                uint32_t root = a->over ? a->over : t->leaves[k].at.buf;
                a->taken = true;
                b->over = root;
                if (b->last > p->bufs.at[root].last) p->bufs.at[root].last = b->last;
            }
    }
}
