// One graph for a question, run over pieces of the samples; a view of the store for each piece.
#include "infer/ask.h"
#include <math.h>
#include <string.h>

void nrg_asking_close(nrg_asking *a) {
    nrg_run_free(a->run);
    nrg_plan_free(a->plan);
    nrg_inference_free(a->inference);
    nrg_scope_free(a->scope);
    nrg_graph_free(a->graph);
    nrg_store_free(a->store);
    for (int k = 0; k < 4; k++) a->raw[k] = NULL;
    a->how = NULL;
    a->run = NULL, a->plan = NULL, a->inference = NULL, a->scope = NULL, a->graph = NULL,
    a->store = NULL;
}

static nrg_status bind_seen(nrg_asking *a, int32_t v) {
    const char *name = a->model->vars.at[v].name;
    char seen[256], hidden[256];
    nrg_shape s;
    TRY(nrg_var_shape(a->model, v, &s));
    snprintf(seen, sizeof seen, "seen:%s", name);
    snprintf(hidden, sizeof hidden, "hidden:%s", name);
    nrg_scope_hide(a->scope, v, nrg_input(a->graph, seen, NRG_SAMPLE, s), nrg_input(a->graph, hidden, NRG_SAMPLE, s));
    return NRG_OK;
}

nrg_status nrg_asking_open(nrg_asking *a, nrg_model *m, const nrg_store *store,
                           const nrg_ask_spec *spec, int64_t piece) {
    nrg_infer_options o = {
        .threads = spec->threads, .batch = piece, .memory = spec->memory, .values_only = true};
    *a = (nrg_asking){
        .model = m, .from = store, .spec = spec, .piece = piece < 1 ? 1 : piece, .status = "exact"};
    TRY(nrg_store_new(m->ctx, nrg_store_type(store), &a->store));
    TRY(nrg_graph_new(m->ctx, nrg_store_type(store), &a->graph));
    TRY(nrg_scope_new(m, a->graph, &a->scope));
    TRY(nrg_inference_new(m->ctx, a->scope, &o, &a->inference));
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        nrg_shape s;
        if (spec->seen >> v & 1) TRY(bind_seen(a, v));
        if (!(spec->given & m->energy.vars & ~nrg_model_role(m, NRG_WEIGHT) & (nrg_vars)1 << v))
            continue;
        TRY(nrg_var_shape(m, v, &s));
        nrg_scope_bind(a->scope, v, nrg_input(a->graph, m->vars.at[v].name, NRG_SAMPLE, s));
    }
    return nrg_graph_check(a->graph);
}

nrg_status nrg_asking_plan(nrg_asking *a, const nrg_node *outputs, int n) {
    nrg_plan_spec spec = {.graph = a->graph, .outputs = outputs, .outputs_n = n, .batch = a->piece};
    TRY(nrg_graph_check(a->graph));
    TRY(nrg_plan_make(a->model->ctx, &spec, &a->plan));
    TRY(nrg_run_new(a->model->ctx, a->plan, a->spec->threads < 1 ? 1 : a->spec->threads, &a->run));
    return a->kept ? nrg_run_keep(a->run) : NRG_OK;
}

nrg_status nrg_asking_values(nrg_model *m, const nrg_store *store, const nrg_ask_spec *spec,
                             const int64_t *row, const double *at, int64_t n, int64_t width, nrg_store **out) {
    void *to;
    TRY(nrg_store_rows(m, store, row, n, out));
    TRY(nrg_store_make(*out, m->vars.at[spec->var].name, n * width, &to));
    for (int64_t i = 0; i < n * width; i++) {
        if (nrg_store_type(store) == NRG_F64)
            ((double *)to)[i] = at[i];
        else
            ((float *)to)[i] = (float)at[i];
    }
    return NRG_OK;
}

nrg_status nrg_asking_view(nrg_asking *a, int64_t row) {
    char name[256];
    nrg_store_free(a->store);
    a->store = NULL;
    TRY(nrg_store_new(a->model->ctx, nrg_store_type(a->from), &a->store));
    TRY(nrg_store_share(a->from, a->store));
    TRY(nrg_store_hypers(a->model, a->store));
    for (uint32_t v = 0; v < a->model->vars.n; v++) {
        nrg_shape s;
        if (a->model->vars.at[v].role == NRG_WEIGHT ||
            !nrg_store_get(a->store, a->model->vars.at[v].name))
            continue;
        TRY(nrg_var_shape(a->model, (int32_t)v, &s));
        TRY(nrg_store_shift(a->store, a->model->vars.at[v].name, row, nrg_shape_count(&s)));
    }
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        nrg_shape s;
        if (!(a->spec->seen >> v & 1)) continue;
        TRY(nrg_var_shape(a->model, v, &s));
        snprintf(name, sizeof name, "seen:%s", a->model->vars.at[v].name);
        TRY(nrg_store_shift(a->store, name, row, nrg_shape_count(&s)));
        snprintf(name, sizeof name, "hidden:%s", a->model->vars.at[v].name);
        TRY(nrg_store_shift(a->store, name, row, nrg_shape_count(&s)));
    }
    for (uint32_t d = 0; d < a->model->dims.n; d++) {
        snprintf(name, sizeof name, "length:%s", a->model->dims.at[d].name);
        TRY(nrg_store_shift(a->store, name, row, 1));
    }
    return NRG_OK;
}

nrg_status nrg_asking_go(nrg_asking *a, int64_t n) {
    TRY(nrg_inference_go(a->inference, a->store, n, a->spec->seed, 0));
    TRY(nrg_store_bind(a->store, a->graph, a->run));
    return nrg_run_go(a->run, n, 1, a->spec->seed, 0);
}

// All samples in one run that reads the store as it is: nothing runs before it, and nothing has another value when asking.
static bool at_once(const nrg_asking *a) {
    for (uint32_t i = 0; i < a->model->hypers.n; i++)
        if (a->model->hypers.at[i].scheduled) return false;
    return a->spec->n <= a->piece && a->inference->loops.n == 0;
}

nrg_status nrg_asking_pieces(nrg_asking *a, int outputs, const int64_t *width, double *const *to,
                             const char **status) {
    nrg_dtype type = nrg_store_type(a->from);
    int64_t total = a->spec->n;
    bool whole = at_once(a);
    for (int k = 0; k < outputs; k++) {
        size_t bytes = (size_t)(a->piece * width[k] + 1) * nrg_dtype_size(type);
        if (!a->raw[k] && !(a->raw[k] = nrg_arena_get(&a->inference->arena, bytes))) return NRG_E098;
        nrg_run_output(a->run, k, a->raw[k]);
    }
    for (int64_t row = 0; row < total; row += a->piece) {
        int64_t n = total - row < a->piece ? total - row : a->piece;
        if (whole) TRY(nrg_store_bind(a->from, a->graph, a->run));
        else TRY(nrg_asking_view(a, row));
        TRY(whole ? nrg_run_go(a->run, n, 1, a->spec->seed, 0) : nrg_asking_go(a, n));
        if (status) nrg_asking_marks(a, n, status + row);
        for (int k = 0; k < outputs; k++)
            for (int64_t i = 0; i < n * width[k]; i++)
                to[k][row * width[k] + i] = nrg_store_number(type, a->raw[k], i);
    }
    return NRG_OK;
}

void nrg_asking_rate(nrg_asking *a, const nrg_chain *c) {
    for (int k = 0; k < c->n; k++) {
        nrg_method by = c->at[k].stmt.method;
        if (by == NRG_BY_grid ||
            (by == NRG_BY_gradient && nrg_method_word(&c->at[k].stmt, "unroll")))
            a->status = "approx";
        else if (by == NRG_BY_gradient || by == NRG_BY_lbfgs)
            a->iterates = true;
    }
}

// Worst word over the loops that keep score for this sample.
static const char *mark(nrg_asking *a, int64_t row) {
    const char *worst = a->iterates && strcmp(a->status, "exact") == 0 ? "converged" : a->status;
    for (uint32_t k = 0; k < a->inference->loops.n; k++) {
        const nrg_loop *l = a->inference->loops.at[k];
        const nrg_buffer *b = l->done ? nrg_store_get(a->store, l->done) : NULL;
        int64_t width = nrg_leads_count(a->graph, l->leads);
        if (!b || !b->data) continue;
        for (int64_t j = 0; j < width; j++) {
            double done = nrg_store_number(nrg_store_type(a->store), b->data,
                                           (l->leads & NRG_SAMPLE ? row * width : 0) + j);
            if (done == 0) return "max_steps";
            if (done != 1) worst = "approx"; // no further progress above the tolerance
        }
    }
    return worst;
}

void nrg_asking_marks(nrg_asking *a, int64_t n, const char **status) {
    for (int64_t i = 0; i < n; i++) {
        const char *now = mark(a, i);
        if (!status[i] || strcmp(now, "max_steps") == 0 || strcmp(status[i], "exact") == 0)
            status[i] = now;
    }
}
