// Gibbs with gradients for bits and signs (Grathwohl, Swersky, Hashemi, Duvenaud, Maddison 2021): one number is flipped, proposed
// with probability softmax(-d / 2), d the change of beta E by its flip as the gradient tells it; a Metropolis test makes it exact.
#include "infer/sampler.h"

static const nrg_var *var_of(const nrg_sampler *s, int j) { return &s->model->vars.at[s->var[j]]; }

static nrg_status fits(nrg_sampler *s, const nrg_sampler_part *p) {
    for (int j = p->first; j < p->first + p->n; j++) {
        const nrg_var *var = var_of(s, j);
        if (var->elem == NRG_BIT || var->elem == NRG_SIGN) continue;
        nrg_status st = nrg_fail(s->model->ctx, NRG_E026, p->stmt.by_span, "gwg flips bits and signs, but '%s' is neither", var->name);
        nrg_help(s->model->ctx, var->elem == NRG_REAL ? "use hmc for reals" : "use gibbs or metropolis");
        return st;
    }
    return NRG_OK;
}

// All numbers of the part's variables, one after the other.
static nrg_node join(nrg_sampler *s, const nrg_sampler_part *p, const nrg_node *x) {
    nrg_node all = NRG_BAD;
    for (int j = p->first; j < p->first + p->n; j++) {
        int64_t n = nrg_shape_count(&s->shape[j]);
        nrg_node flat = nrg_reshape(s->graph, nrg_spread(s->graph, x[j], NRG_SAMPLE), nrg_shape_of(1, &n));
        all = all.i ? nrg_concat(s->graph, all, flat, 0) : flat;
    }
    return all;
}

static nrg_node flipped(nrg_sampler *s, int j, nrg_node x) {
    nrg_node to = nrg_neg(s->graph, x);
    return var_of(s, j)->elem == NRG_BIT ? nrg_add(s->graph, to, nrg_const(s->graph, 1)) : to;
}

// log probability of each flip at x.
static nrg_status flips(nrg_sampler *s, const nrg_sampler_part *p, const nrg_node *x, nrg_node *out) {
    nrg_graph *g = s->graph;
    nrg_node d[NRG_MAX_VARS];
    for (int j = p->first; j < p->first + p->n; j++) {
        nrg_node grad;
        TRY(nrg_sampler_gradient(s, j, &grad));
        d[j] = nrg_mul(g, nrg_sampler_at(s, grad, x), nrg_sub(g, flipped(s, j, x[j]), x[j]));
    }
    nrg_node half = nrg_mul(g, join(s, p, d), nrg_const(g, -0.5));
    *out = nrg_sub(g, half, nrg_reduce(g, NRG_OP_lse, half, 1, 0, false));
    return nrg_graph_check(g);
}

static nrg_status build(nrg_sampler *s, nrg_sampler_part *p) {
    nrg_graph *g = s->graph;
    nrg_shape one = {0};
    nrg_node to[NRG_MAX_VARS], there, back, zero = nrg_const(g, 0);
    TRY(flips(s, p, s->now, &there));
    nrg_shape all = nrg_graph_node(g, there)->shape;
    if (!nrg_shape_count(&all)) return NRG_OK;
    nrg_node noise = nrg_neg(g, nrg_log(g, nrg_neg(g, nrg_log(g, nrg_sampler_random(s, NRG_RANDOM_UNIFORM, all)))));
    nrg_node site = nrg_reduce(g, NRG_OP_argmax, nrg_add(g, there, noise), 1, 0, false);
    nrg_node here = nrg_eq(g, nrg_iota(g, all.dim[0]), site);
    int64_t at = 0;
    for (int j = 0; j < s->n; j++) to[j] = s->now[j];
    for (int j = p->first; j < p->first + p->n; j++) {
        int64_t n = nrg_shape_count(&s->shape[j]);
        nrg_node own = nrg_reshape(g, nrg_slice(g, here, 0, at, n, 1), s->shape[j]);
        to[j] = nrg_select(g, own, flipped(s, j, s->now[j]), s->now[j]);
        at += n;
    }
    TRY(flips(s, p, to, &back));
    nrg_node odds = nrg_sum_all(g, nrg_select(g, here, nrg_sub(g, back, there), zero));
    nrg_node gain = nrg_add(g, nrg_sub(g, nrg_sampler_at(s, s->U, s->now), nrg_sampler_at(s, s->U, to)), odds);
    nrg_node alpha = nrg_exp(g, nrg_min(g, gain, zero));
    nrg_node take = nrg_lt(g, nrg_sampler_random(s, NRG_RANDOM_UNIFORM, one), alpha); // 0 for what is not a number
    for (int j = p->first; j < p->first + p->n; j++) s->now[j] = nrg_select(g, take, to[j], s->now[j]);
    return nrg_score_keep(s, p, alpha);
}

const nrg_sampler_impl nrg_sampler_gwg = {.name = "gwg", .fits = fits, .build = build};
const nrg_method_impl nrg_infer_gwg = {"gwg", nrg_sampler_eliminates, NULL, NULL, NULL, NULL};
