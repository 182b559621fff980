// A sub-graph built again with some nodes replaced; into the same graph or into another one.
#include "graph/inside.h"
#include <string.h>

typedef struct {
    nrg_graph *to;
    const nrg_graph *g;
    nrg_leads lead[NRG_MAX_LEADS]; // of `to`, by number in `g`; 0: not met yet
    nrg_node *by;                  // of `to`, by node of `g`
} copier;

// The axis of `to` that has the name and extent of axis i of `g`; made when there is none.
static nrg_leads lead_in(copier *p, int i) {
    nrg_leads one = (nrg_leads)1 << i;
    if (p->to == p->g || i == 0) return one;
    if (p->lead[i]) return p->lead[i];
    const nrg_lead_info *x = &p->g->lead[i];
    for (int k = 0; k < p->to->leads && !p->lead[i]; k++) {
        int at = (i + k) % p->to->leads; // the same number first
        if (p->to->lead[at].extent == x->extent && !strcmp(p->to->lead[at].name, x->name))
            p->lead[i] = (nrg_leads)1 << at;
    }
    if (!p->lead[i]) p->lead[i] = nrg_lead_new(p->to, x->name, x->extent);
    return p->lead[i];
}

static nrg_leads leads_in(copier *p, nrg_leads leads) {
    nrg_leads out = 0;
    for (int i = 0; i < p->g->leads; i++)
        if (leads >> i & 1) out |= lead_in(p, i);
    return out;
}

static nrg_node copy_node(copier *p, const nrg_node_info *x) {
    nrg_params par = x->par;
    if (p->to == p->g && x->op == NRG_OP_input) return nrg_input_at(p->g, x->par.input.slot);
    if (x->op == NRG_OP_input)
        return nrg_input(p->to, nrg_input_name(p->g, x->par.input.slot), leads_in(p, x->leads),
                         x->shape);
    for (const nrg_field *f = nrg_fields_of(x->op); f->key; f++) {
        nrg_leads *at = (nrg_leads *)(void *)((char *)&par + f->at);
        if (f->kind == NRG_FIELD_LEADS) *at = leads_in(p, *at);
    }
    return nrg_build(p->to, x->op, p->by[x->in[0].i], p->by[x->in[1].i], p->by[x->in[2].i], &par);
}

static nrg_node copy_all(copier *p, nrg_node y, const bool *wanted) {
    nrg_span before = p->to->span;
    for (uint32_t i = 1; i <= y.i; i++) {
        if (!wanted[i] || p->by[i].i) continue;
        nrg_node_info x = *nrg_graph_node(p->g, (nrg_node){i});
        if (p->to == p->g) {
            bool changed = false; // nodes that reach no replaced one stay themselves
            for (int k = 0; k < 3; k++)
                changed = changed || (x.in[k].i && p->by[x.in[k].i].i != x.in[k].i);
            if (!changed) {
                p->by[i].i = i;
                continue;
            }
        }
        p->to->span = x.span;
        p->by[i] = copy_node(p, &x);
        if (!p->by[i].i) break;
    }
    p->to->span = before;
    return p->by[y.i];
}

nrg_node nrg_graph_copy(nrg_graph *to, const nrg_graph *g, nrg_node y, const nrg_node *from,
                        const nrg_node *by, int n) {
    if (y.i == 0 || y.i > nrg_graph_size(g))
        return nrg_graph_bad(to, NRG_E099, "a copy of a bad node");
    nrg_arena scratch = nrg_arena_make(to->ctx);
    copier p = {.to = to, .g = g, .by = NRG_NEWS(&scratch, nrg_node, y.i + 1)};
    bool *wanted = NRG_NEWS(&scratch, bool, y.i + 1);
    nrg_node out = NRG_BAD;
    if (!p.by || !wanted) {
        nrg_arena_free(&scratch);
        return nrg_graph_bad(to, NRG_E098, "out of memory");
    }
    for (int i = 0; i < n; i++) {
        if (by[i].i == 0 || by[i].i > nrg_graph_size(to))
            nrg_graph_bad(to, NRG_E099, "a copy with a bad node in place of node %u", from[i].i);
        if (from[i].i && from[i].i <= y.i) p.by[from[i].i] = by[i];
    }
    wanted[y.i] = true;
    for (uint32_t i = y.i; i > 0; i--)
        for (int k = 0; wanted[i] && !p.by[i].i && k < 3; k++)
            wanted[nrg_graph_node(g, (nrg_node){i})->in[k].i] = true;
    if (to->cause == NRG_OK) out = copy_all(&p, y, wanted);
    nrg_arena_free(&scratch);
    return out;
}
