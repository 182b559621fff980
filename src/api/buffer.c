// The chains that training kept, from the checkpoint of a run: where draws may go on.
#include "api/api.h"
#include <math.h>
#include <string.h>

static nrg_status none(nrg_ebm *m, const char *run, const char *var) {
    nrg_status s = nrg_fail(m->ctx, NRG_E051, NRG_NOWHERE, "%s holds no kept chains of %s", run, var);
    nrg_help(m->ctx, "chains are kept by  sample %s by ... from buffer(...)  and lie in state.safetensors of the run folder", var);
    return s;
}

// "buffer:PREFIX:at:NAME"
static const nrg_tensor *find(const nrg_tensors *f, const char *var) {
    char end[200];
    snprintf(end, sizeof end, ":at:%s", var);
    for (int i = 0; i < nrg_tensors_count(f); i++) {
        const nrg_tensor *t = nrg_tensors_at(f, i);
        if (strncmp(t->name, "buffer:", 7) == 0 && nrg_ends(t->name, end)) return t;
    }
    return NULL;
}

// Chains of a ladder that training kept for each slot; the first is at heat 1.
static nrg_status levels_of(nrg_ebm *m, int32_t var, int64_t *out) {
    double levels = 1;
    for (uint32_t i = 0; i < m->model->infers.n; i++) {
        const nrg_infer_stmt *s = &m->model->infers.at[i];
        if (s->verb != NRG_SAMPLE_VERB || !(s->vars >> var & 1) || !s->from || s->from->kind != NRG_X_CALL) continue;
        const nrg_expr *e = nrg_call_arg(s->from, "tempering", 3);
        if (e) TRY(nrg_eval_schedule(m->model, e, 1, &levels));
    }
    *out = levels > 1 ? (int64_t)levels : 1;
    return NRG_OK;
}

static nrg_status read(nrg_ebm *m, const nrg_tensors *f, const char *run, int32_t v, int64_t chains, nrg_arena *a, const double **out) {
    const char *name = m->model->vars.at[v].name;
    const nrg_tensor *t = find(f, name);
    nrg_shape shape;
    int64_t levels;
    if (!t) return none(m, run, name);
    TRY(nrg_var_shape(m->model, v, &shape));
    TRY(levels_of(m, v, &levels));
    int64_t width = nrg_shape_count(&shape), slots = width ? t->dim[0] / (width * levels) : 0;
    if (slots * width * levels != t->dim[0])
        return nrg_fail(m->ctx, NRG_E057, NRG_NOWHERE, "the kept chains in %s do not fit %s", run, name);
    if (chains > slots) {
        nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "%lld chains, but %s keeps %lld of %s", (long long)chains, run, (long long)slots, name);
        nrg_help(m->ctx, "--chains %lld", (long long)slots);
        return NRG_E090;
    }
    double *x = NRG_NEWS(a, double, chains * width + 1);
    if (!x) return NRG_E098;
    for (int64_t i = 0; i < chains * width; i++) {
        int64_t at = i / width * slots / chains * levels * width + i % width; // evenly over the slots
        x[i] = t->type == NRG_CELL_F64 ? ((const double *)t->data)[at] : ((const float *)t->data)[at];
    }
    *out = x;
    return NRG_OK;
}

nrg_status nrg_api_buffer(nrg_ebm *m, const char *run, nrg_vars vars, int64_t chains, nrg_arena *a, const double **kept) {
    const char *path = nrg_arena_print(a, "%s/state.safetensors", run);
    nrg_tensors *f;
    if (!path) return NRG_E098;
    if (!nrg_file_exists(path)) return none(m, run, "a variable");
    TRY(nrg_tensors_open(m->ctx, path, &f));
    nrg_status s = NRG_OK;
    for (int32_t v = 0; v < (int32_t)m->model->vars.n && s == NRG_OK; v++)
        if (vars >> v & 1) s = read(m, f, run, v, chains, a, &kept[v]);
    nrg_tensors_free(f);
    return s;
}
