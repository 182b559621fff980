// What an energy written in C can reach besides its variables: weights and modules of the model's text.
#include "model/inside.h"

static nrg_scope *scope_of(nrg_graph *g) {
    nrg_scope *s = nrg_graph_owner(g);
    if (!s) nrg_graph_bad(g, NRG_E038, "weights and modules can be used only inside the energy function");
    return s;
}

nrg_node nrg_weight_node(nrg_graph *g, const char *name) {
    nrg_scope *s = scope_of(g);
    nrg_value v;
    if (!s) return NRG_BAD;
    int32_t var = nrg_model_var(s->m, name);
    if (var < 0 || s->m->vars.at[var].role != NRG_WEIGHT) return nrg_graph_bad(g, NRG_E011, "unknown weight '%s'", name);
    return nrg_weight_var(s, var, &v) == NRG_OK ? v.node : nrg_graph_bad(g, NRG_E099, "the weight '%s' could not be made", name);
}

// A node as a value: real, with axes that match by size.
static nrg_value plain(nrg_graph *g, nrg_node n) {
    nrg_axis axis[NRG_MAX_RANK];
    const nrg_shape *s = &nrg_graph_node(g, n)->shape;
    for (int i = 0; i < s->rank; i++) axis[i] = (nrg_axis){-1, s->dim[i]};
    return (nrg_value){nrg_type_of(NRG_REAL, s->rank, axis), n};
}

nrg_node nrg_apply_module(nrg_graph *g, const char *module, const nrg_node *in, int n) {
    nrg_scope *s = scope_of(g);
    nrg_value values[NRG_MAX_INPUTS], out;
    if (!s) return NRG_BAD;
    int32_t k = nrg_model_module(s->m, module);
    if (k < 0) return nrg_graph_bad(g, NRG_E011, "unknown module '%s'", module);
    if (n < 1 || n > NRG_MAX_INPUTS) return nrg_graph_bad(g, NRG_E037, "a module takes 1 to %d inputs, not %d", NRG_MAX_INPUTS, n);
    for (int i = 0; i < n; i++) {
        if (!in[i].i) return NRG_BAD;
        values[i] = plain(g, in[i]);
    }
    nrg_owner own = s->own;
    s->own = (nrg_owner){0};
    nrg_status st = nrg_module_run(s, k, s->m->modules.at[k].span, values, n, &out);
    s->own = own;
    return st == NRG_OK ? out.node : nrg_graph_bad(g, st, "module %s could not be applied", module);
}
