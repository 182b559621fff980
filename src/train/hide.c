// hide v by ...: which part of a variable its energy may see while training. noise(sd): a corrupted copy; random(p): cells that are 0 in
// the copy. Drawn anew for each sample and step, by counter, and held fixed.
#include "train/bind.h"

static nrg_status unbuilt(const nrg_model *m, const nrg_hide *h, const char *what) {
    nrg_status s =
        nrg_fail(m->ctx, NRG_E071, h->by->span, "hide %s by %s is not supported yet", m->vars.at[h->var].name, what);
    nrg_help(m->ctx, "noise(sd) and random(15%%) work for numbers");
    return s;
}

// One draw for each number of v: the stream is the sample's, whatever batch it comes in.
static nrg_node draws(nrg_scope *s, const nrg_hide *h, nrg_random_kind kind, nrg_shape shape) {
    nrg_graph *g = nrg_scope_graph(s);
    nrg_node ids = nrg_input(g, "train:id", NRG_SAMPLE, nrg_shape_of(0, NULL));
    return nrg_random(g, ids, kind, NRG_FOR_NOISE | (uint32_t)(h->var + 1) << 8, shape);
}

static nrg_status one(nrg_scope *s, const nrg_hide *h) {
    nrg_model *m = nrg_scope_model(s);
    nrg_graph *g = nrg_scope_graph(s);
    const nrg_expr *by = h->by, *name = by->kind == NRG_X_CALL ? by->kid[0] : by, *arg = nrg_call_arg(by, "sd", 0);
    nrg_node v = nrg_scope_bound(s, h->var), seen, hidden;
    nrg_shape shape = nrg_graph_node(g, v)->shape;
    nrg_value size;
    if (name->kind != NRG_X_NAME || !arg || (by->kind == NRG_X_CALL && by->n > 2))
        return unbuilt(m, h, name->text ? name->text : "this");
    if (m->vars.at[h->var].elem == NRG_CATEGORY) return unbuilt(m, h, name->text);
    TRY(nrg_eval(s, arg, &size));
    if (nrg_same(name->text, "noise")) {
        hidden = nrg_expand(g, nrg_const(g, 1), shape, 0);
        seen = nrg_add(g, v, nrg_mul(g, draws(s, h, NRG_RANDOM_NORMAL, shape), size.node));
    } else if (nrg_same(name->text, "random")) {
        hidden = nrg_lt(g, draws(s, h, NRG_RANDOM_UNIFORM, shape), size.node);
        seen = nrg_select(g, hidden, nrg_const(g, 0), v);
    } else return unbuilt(m, h, name->text);
    nrg_scope_hide(s, h->var, nrg_stop(g, seen), hidden);
    return NRG_OK;
}

nrg_status nrg_bound_hide(const nrg_bound *b, nrg_scope *s) {
    for (uint32_t i = 0; i < b->m->hides.n; i++)
        if (b->vars >> b->m->hides.at[i].var & 1) TRY(one(s, &b->m->hides.at[i]));
    return NRG_OK;
}
