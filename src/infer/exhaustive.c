// Every value of finite variables as a candidate.
#include "infer/inside.h"

static nrg_status applies(nrg_chain *c, int k) {
    nrg_inference *i = c->i;
    nrg_group *gr = &c->at[k];
    nrg_status st = NRG_OK;
    double limit = nrg_method_arg(i->model, &gr->stmt, "limit", 1e6, &st),
           count = nrg_finite_count(i, gr->vars);
    if (st != NRG_OK) return st;
    nrg_span at = gr->stmt.by_span.file ? gr->stmt.by_span : gr->stmt.span;
    if (limit > 4e6) limit = 4e6; // an index must stay exact in float32
    if (count < 1) {
        st = nrg_fail(i->ctx, NRG_E026, at, "exhaustive search needs a finite domain");
        nrg_help(i->ctx, "use gradient, exact, or grid(points=...) for a few bounded reals");
        return st;
    }
    if (count > limit) {
        st = nrg_fail(i->ctx, NRG_E026, at,
                      "exhaustive search over %.6g values exceeds the limit of %.6g", count, limit);
        nrg_help(i->ctx,
                 "raise it: exhaustive(limit=%.0f), at most 4000000, or make the domain smaller",
                 count);
        return st;
    }
    if (gr->verb != NRG_MARGINALIZE) return NRG_OK;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (gr->vars >> v & 1 && nrg_var_ragged(i->model, v))
            return nrg_fail(i->ctx, NRG_E071, at, "summing exhaustively over the ragged array %s",
                            i->model->vars.at[v].name);
    return NRG_OK;
}

static nrg_status make(nrg_chain *c, int k, nrg_node *F) {
    return nrg_candidates_make(c, k, (int64_t)nrg_finite_count(c->i, c->at[k].vars), F);
}

static void print(nrg_chain *c, int k, nrg_text *out) {
    nrg_text_put(out, "%.0f values", nrg_finite_count(c->i, c->at[k].vars));
}

const nrg_method_impl nrg_infer_exhaustive = {"exhaustive",   applies, make,
                                              nrg_tiles_step, print,   nrg_tiles_drop};
