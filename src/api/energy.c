// Energies, gradients and metrics of rows of data.
#include "api/api.h"
#include "infer/inside.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

nrg_status nrg_ebm_energy(nrg_ebm *m, const nrg_table *data, double *energy) {
    nrg_values v;
    nrg_vars visible = nrg_api_visible(m);
    TRY(nrg_values_make(m, data, visible, &v));
    nrg_status s = nrg_energy_asked(m->model, m->store, m->asked, visible, v.rows, m->threads, energy);
    nrg_values_free(&v);
    return s;
}

// ---- against held-out rows ----

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// How many of n sorted numbers are below x; at or below it.
static int64_t below(const double *sorted, int64_t n, double x, bool or_at) {
    int64_t lo = 0, hi = n;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (sorted[mid] < x || (or_at && sorted[mid] == x)) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

nrg_status nrg_p_values(nrg_ctx *c, const double *held, int64_t held_n, const double *energy, int64_t n, double *p, double *auroc) {
    size_t bytes = (size_t)(held_n + 1) * sizeof(double);
    double *sorted = nrg_mem(c, NULL, 0, bytes), above = 0, pairs = 0;
    int64_t m = 0;
    if (!sorted) return NRG_E098;
    for (int64_t i = 0; i < held_n; i++)
        if (!isnan(held[i])) sorted[m++] = held[i];
    qsort(sorted, (size_t)m, sizeof *sorted, by_size);
    for (int64_t i = 0; i < n; i++) {
        p[i] = NAN;
        if (isnan(energy[i])) continue;
        int64_t less = below(sorted, m, energy[i], false), upto = below(sorted, m, energy[i], true);
        p[i] = (double)(1 + m - less) / (double)(m + 1);
        above += 0.5 * (double)(less + upto);
        pairs += (double)m;
    }
    if (auroc) *auroc = pairs > 0 ? above / pairs : NAN;
    nrg_mem(c, sorted, bytes, 0);
    return NRG_OK;
}

// ---- gradient ----

typedef struct {
    nrg_graph *g;
    nrg_scope *s;
    nrg_inference *inf;
    nrg_plan *p;
    nrg_run *r;
    nrg_node F, of, out;
    bool weight;
    int64_t count; // numbers of the result
} deriving;

static void deriving_free(deriving *d) {
    if (d->r) nrg_run_free(d->r);
    if (d->p) nrg_plan_free(d->p);
    if (d->inf) nrg_inference_free(d->inf);
    if (d->s) nrg_scope_free(d->s);
    if (d->g) nrg_graph_free(d->g);
}

static nrg_status bind_visible(nrg_ebm *m, deriving *d, nrg_vars visible) {
    for (int32_t v = 0; v < (int32_t)m->model->vars.n; v++) {
        nrg_shape shape;
        if (!(visible >> v & 1)) continue;
        TRY(nrg_var_shape(m->model, v, &shape));
        nrg_scope_bind(d->s, v, nrg_input(d->g, m->model->vars.at[v].name, NRG_SAMPLE, shape));
    }
    return NRG_OK;
}

// The node that `name` means: a visible variable's input, or a weight's.
static nrg_status find(nrg_ebm *m, deriving *d, const char *name, nrg_vars visible) {
    int32_t v = nrg_model_var(m->model, name);
    int i;
    if (v >= 0 && (visible >> v & 1)) {
        if (m->model->vars.at[v].elem == NRG_CATEGORY)
            return nrg_fail(m->ctx, NRG_E033, NRG_NOWHERE, "'%s' is a category: it has no gradient",
                            name);
        d->of = nrg_scope_bound(d->s, v);
        return NRG_OK;
    }
    if (v >= 0 && m->model->vars.at[v].role == NRG_LATENT) {
        nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE,
                 "'%s' is a latent variable: it is eliminated before the gradient is taken", name);
        return NRG_E090;
    }
    TRY(nrg_ebm_weight_find(m, name, &i));
    d->weight = true;
    d->of = nrg_scope_param(d->s, (uint32_t)i);
    return NRG_OK;
}

static nrg_status build(nrg_ebm *m, deriving *d, const char *name, const nrg_values *v) {
    nrg_vars visible = nrg_api_visible(m);
    nrg_infer_options o = {.threads = m->threads, .batch = v->rows};
    TRY(nrg_graph_new(m->ctx, nrg_store_type(m->store), &d->g));
    TRY(nrg_scope_new(m->model, d->g, &d->s));
    TRY(bind_visible(m, d, visible));
    TRY(nrg_inference_new(m->ctx, d->s, &o, &d->inf));
    TRY(nrg_infer_energy(d->inf, visible, 0, NRG_MINIMIZE, &d->F, NULL));
    TRY(find(m, d, name, visible));
    nrg_node seed = NRG_BAD; // a weight: of the mean over rows
    if (d->weight) seed = nrg_const(d->g, 1.0 / (double)(v->rows ? v->rows : 1));
    TRY(nrg_grad(d->g, d->F, seed, &d->of, 1, &d->out));
    TRY(nrg_graph_check(d->g));
    d->count = nrg_node_count(d->g, d->of) * (d->weight ? 1 : v->rows);
    return NRG_OK;
}

static nrg_status run(nrg_ebm *m, deriving *d, const nrg_values *v, double *to) {
    nrg_dtype type = nrg_store_type(m->store);
    nrg_arena a = nrg_arena_make(m->ctx);
    nrg_plan_spec spec = {.graph = d->g, .outputs = &d->out, .outputs_n = 1, .batch = v->rows};
    nrg_status s = nrg_plan_make(m->ctx, &spec, &d->p);
    if (s == NRG_OK) s = nrg_run_new(m->ctx, d->p, m->threads, &d->r);
    if (s == NRG_OK) s = nrg_inference_go(d->inf, m->store, v->rows, m->seed, 0);
    if (s == NRG_OK) s = nrg_store_bind(m->store, d->g, d->r);
    void *raw =
        s == NRG_OK ? nrg_arena_get(&a, (size_t)(d->count + 1) * nrg_dtype_size(type)) : NULL;
    if (s == NRG_OK && !raw) s = NRG_E098;
    if (s == NRG_OK) {
        nrg_run_output(d->r, 0, raw);
        s = nrg_run_go(d->r, v->rows, 1, m->seed, 0);
    }
    for (int64_t i = 0; s == NRG_OK && i < d->count; i++) to[i] = nrg_store_number(type, raw, i);
    nrg_arena_free(&a);
    return s;
}

nrg_status nrg_ebm_gradient(nrg_ebm *m, const nrg_table *data, const char *name, double *to,
                            int64_t *count) {
    nrg_values v;
    deriving d = {0};
    TRY(nrg_values_make(m, data, nrg_api_visible(m), &v));
    nrg_status s = build(m, &d, name, &v);
    if (s == NRG_OK && count) *count = d.count;
    if (s == NRG_OK && to) s = run(m, &d, &v, to);
    deriving_free(&d);
    nrg_values_free(&v);
    return s;
}

// ---- metrics ----

nrg_status nrg_ebm_report(nrg_ebm *m, const nrg_table *data, const char **header,
                          const char **row) {
    nrg_values v;
    *header = *row = "";
    TRY(nrg_values_make(m, data, nrg_api_visible(m), &v));
    nrg_api_clear(&m->said);
    nrg_api_clear(&m->more);
    nrg_status s = nrg_report(m->model, m->store, v.bound, m->threads, &m->said, &m->more);
    nrg_values_free(&v);
    if (s == NRG_OK) s = nrg_text_end(&m->said);
    if (s == NRG_OK) s = nrg_text_end(&m->more);
    if (s == NRG_OK && m->said.at) *header = m->said.at;
    if (s == NRG_OK && m->more.at) *row = m->more.at;
    return s;
}
