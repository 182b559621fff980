// A regular grid over at most three bounded reals: candidates at cell centres. Sums are the midpoint rule: the log of a cell's
// volume enters, so that free energies and densities are those of the continuous variable.
#include "infer/inside.h"
#include <math.h>

enum { POINTS = 100 }; // a number, when none is asked for

double nrg_grid_size(nrg_inference *i, const nrg_group *gr, nrg_status *status) {
    double points = floor(nrg_method_arg(i->model, &gr->stmt, "points", POINTS, status));
    return points < 1 ? 1 : points;
}

static nrg_status misfit(nrg_inference *i, const nrg_group *gr, const char *found,
                         const char *help) {
    nrg_text t = nrg_text_make(i->ctx);
    nrg_vars_print(i->model, gr->vars, &t);
    nrg_status s = nrg_fail(
        i->ctx, NRG_E026, gr->stmt.by_span.file ? gr->stmt.by_span : gr->stmt.span,
        "grid needs at most three bounded reals, but %s %s", t.at ? t.at : "the variable", found);
    nrg_help(i->ctx, "%s", help);
    nrg_text_free(&t);
    return s;
}

int64_t nrg_grid_count(nrg_inference *i, const nrg_group *gr, double *log_cell,
                       nrg_status *status) {
    double points = nrg_grid_size(i, gr, status), count = 1;
    int64_t numbers = 0;
    *log_cell = 0;
    for (int32_t v = 0; v < NRG_MAX_VARS && *status == NRG_OK; v++) {
        if (!(gr->vars >> v & 1)) continue;
        const nrg_var *var = &i->model->vars.at[v];
        nrg_shape s = nrg_var_event(i, v, status);
        int64_t n = nrg_shape_count(&s);
        numbers += n;
        if (var->elem != NRG_REAL || var->domain.kind != NRG_DOM_RANGE || isinf(var->domain.lo) ||
            isinf(var->domain.hi))
            *status = misfit(i, gr, "has no bounds", "declare its range:  v : real in -1..1");
        else if (numbers > 3)
            *status = misfit(i, gr, "has more numbers", "use gradient or lbfgs");
        else
            *log_cell += (double)n * log((var->domain.hi - var->domain.lo) / points),
                count *= pow(points, (double)n);
    }
    if (*status == NRG_OK && count > 4e6)
        *status =
            misfit(i, gr, "would have more than 4000000 points", "ask for fewer: grid(points=100)");
    return *status == NRG_OK ? (int64_t)count : 0;
}

void nrg_grid_place(const nrg_model *m, int32_t v, double points, double digit, double *x) {
    const nrg_domain *d = &m->vars.at[v].domain;
    *x = d->lo + (d->hi - d->lo) / points * (digit + 0.5);
}

nrg_status nrg_grid_decode(nrg_inference *i, const nrg_group *gr, nrg_node index, nrg_node *value) {
    nrg_graph *g = i->graph;
    nrg_status st = NRG_OK;
    double points = nrg_grid_size(i, gr, &st), stride = 1;
    nrg_node half = nrg_add(g, index, nrg_const(g, 0.5));
    for (int32_t v = NRG_MAX_VARS - 1; v >= 0 && st == NRG_OK; v--) {
        if (!(gr->vars >> v & 1)) continue;
        nrg_shape s = nrg_var_event(i, v, &st);
        const nrg_domain *d = &i->model->vars.at[v].domain;
        int64_t one = 1, count = nrg_shape_count(&s);
        nrg_node all = NRG_BAD;
        for (int64_t e = count - 1; e >= 0; e--, stride *= points) {
            nrg_node k = nrg_add(g, nrg_digit(g, half, stride, points), nrg_const(g, 0.5));
            nrg_node x = nrg_add(g, nrg_mul(g, k, nrg_const(g, (d->hi - d->lo) / points)),
                                 nrg_const(g, d->lo));
            if (s.rank) x = nrg_reshape(g, x, nrg_shape_of(1, &one));
            all = all.i ? nrg_concat(g, x, all, 0) : x;
        }
        value[v] = s.rank ? nrg_reshape(g, all, s) : all;
    }
    return st;
}

static nrg_status applies(nrg_chain *c, int k) {
    nrg_status st = NRG_OK;
    double log_cell;
    nrg_grid_count(c->i, &c->at[k], &log_cell, &st);
    return st;
}

static nrg_status make(nrg_chain *c, int k, nrg_node *F) {
    nrg_status st = NRG_OK;
    double log_cell;
    int64_t count = nrg_grid_count(c->i, &c->at[k], &log_cell, &st);
    TRY(st);
    TRY(nrg_candidates_make(c, k, count, F));
    if (c->at[k].verb == NRG_MARGINALIZE && !c->i->surrogate)
        *F = nrg_sub(c->i->graph, *F, nrg_const(c->i->graph, log_cell / c->i->model->beta));
    return NRG_OK;
}

static void print(nrg_chain *c, int k, nrg_text *out) {
    nrg_status st = NRG_OK;
    double log_cell;
    nrg_text_put(out, "%lld points, midpoint rule",
                 (long long)nrg_grid_count(c->i, &c->at[k], &log_cell, &st));
}

const nrg_method_impl nrg_infer_grid = {"grid",         applies, make,
                                        nrg_tiles_step, print,   nrg_tiles_drop};
