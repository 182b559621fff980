// Questions: who is held, who is asked, and the answers in public form.
#include "api/api.h"
#include <math.h>
#include <string.h>

// The reply that users see, with what it stands on.
typedef struct {
    nrg_reply pub; // first, so that the public pointer is this object's
    nrg_ctx *ctx;
    nrg_answers answers;
    nrg_arena arena;
    nrg_text said;
} reply;

void nrg_reply_free(nrg_reply *r) {
    if (!r) return;
    reply *all = (reply *)r;
    nrg_answers_free(&all->answers);
    nrg_arena_free(&all->arena);
    nrg_text_free(&all->said);
    nrg_mem(all->ctx, all, sizeof *all, 0);
}

nrg_text *nrg_reply_said(nrg_reply *r) { return &((reply *)r)->said; }
nrg_ctx *nrg_reply_ctx(const nrg_reply *r) { return ((const reply *)r)->ctx; }

// Everything public is copied: the reply outlives the model.
static nrg_status publish(nrg_ebm *m, reply *r, const nrg_ask_spec *spec) {
    const nrg_model *k = m->model;
    const nrg_var *v = &k->vars.at[spec->var];
    nrg_answers *a = &r->answers;
    nrg_shape shape;
    TRY(nrg_var_shape(k, spec->var, &shape));
    r->pub = (nrg_reply){.question = spec->question,
                         .rank = shape.rank,
                         .n = a->n,
                         .width = a->width,
                         .choices = a->choices,
                         .value = a->value,
                         .energy = a->energy,
                         .p = a->p,
                         .free = a->free,
                         .mean = a->mean,
                         .variance = a->variance,
                         .runner_up = a->runner_up,
                         .runner_up_energy = a->runner_up_energy,
                         .status = a->status,
                         .energies = a->energies};
    if (spec->minima > 0) r->pub.question = NRG_RANK;
    memcpy(r->pub.dim, shape.dim, sizeof shape.dim);
    r->pub.var = nrg_arena_copy(&r->arena, v->name, strlen(v->name));
    r->pub.how = nrg_arena_copy(&r->arena, a->how ? a->how : "", a->how ? strlen(a->how) : 0);
    if (!r->pub.var || !r->pub.how) return NRG_E098;
    const nrg_dim *d = v->category >= 0 ? &k->dims.at[v->category] : NULL;
    r->pub.labels_n = d ? d->size : 0;
    if (!d || !d->labels) return NRG_OK;
    const char **labels = NRG_NEWS(&r->arena, const char *, d->size);
    if (!labels) return NRG_E098;
    for (int64_t i = 0; i < d->size; i++)
        if (!(labels[i] = nrg_arena_copy(&r->arena, d->labels[i], strlen(d->labels[i]))))
            return NRG_E098;
    r->pub.labels = labels;
    return NRG_OK;
}

// The variables held at the data: those named, else all visible ones but the asked whose arrays are there.
static nrg_status held(nrg_ebm *m, const nrg_table *data, const nrg_ask_options *o, int32_t var,
                       nrg_vars *out) {
    nrg_vars self = (nrg_vars)1 << var;
    *out = 0;
    for (int i = 0; i < o->given_n; i++) {
        int32_t v;
        TRY(nrg_api_var(m, o->given[i], &v));
        *out |= (nrg_vars)1 << v;
    }
    if (*out & self)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "'%s' cannot be both asked and given",
                        o->var);
    if (o->given_n) return NRG_OK;
    nrg_vars among = nrg_api_visible(m) & ~self;
    // Given variables must be there; predicted ones may be.
    *out = nrg_api_found(m, data, among) |
           (m->model->vars.at[var].role == NRG_GIVEN ? 0
                                                     : among & nrg_model_role(m->model, NRG_GIVEN));
    return NRG_OK;
}

static nrg_status check_var(nrg_ebm *m, const nrg_ask_options *o, int32_t *var) {
    TRY(nrg_api_var(m, o->var, var));
    if (!m->model->energy.name)
        return nrg_fail(m->ctx, NRG_E022, NRG_NOWHERE, "the model has no energy to ask");
    if (m->model->vars.at[*var].role == NRG_WEIGHT)
        return nrg_fail(m->ctx, NRG_E025, NRG_NOWHERE, "'%s' is a weight: it is learned, not asked",
                        o->var);
    return NRG_OK;
}

// Ranking or weighing a real variable whose array is in the data: its rows are the candidates, for what row 0 gives.
static nrg_status rows_among(nrg_ebm *m, reply *r, int32_t var, const nrg_values *v,
                             nrg_ask_spec *spec) {
    nrg_shape shape;
    TRY(nrg_var_shape(m->model, var, &shape));
    double *among = NRG_NEWS(&r->arena, double, v->rows *nrg_shape_count(&shape) + 1);
    if (!among) return NRG_E098;
    TRY(nrg_bound_numbers(v->bound, m->store, var, NULL, v->rows, among));
    spec->among = among;
    spec->among_n = v->rows;
    spec->n = 1;
    return NRG_OK;
}

static bool by_rows(nrg_ebm *m, const nrg_table *data, const nrg_ask_options *o, int32_t var) {
    return o->question != NRG_BEST && !o->among && m->model->vars.at[var].elem == NRG_REAL &&
           nrg_api_found(m, data, (nrg_vars)1 << var) != 0;
}

// Without any data nothing can be held.
static nrg_status no_data(nrg_ebm *m, const nrg_ask_options *o, nrg_vars given) {
    int32_t i = 0;
    while (!(given >> i & 1)) i++;
    const char *name = m->model->vars.at[i].name;
    nrg_status s = nrg_fail(m->ctx, NRG_E051, NRG_NOWHERE,
                            "no data for %s, which is given when %s is asked", name, o->var);
    nrg_help(m->ctx, "--given %s=...   or --data FILE", name);
    return s;
}

// Some failures come with the answers.
static bool answered(nrg_status s) { return s == NRG_OK || s == NRG_E081 || s == NRG_E061; }

bool nrg_api_hides(const nrg_ebm *m, int32_t var) {
    for (uint32_t i = 0; i < m->model->hides.n; i++)
        if (m->model->hides.at[i].var == var) return true;
    return false;
}

nrg_status nrg_api_seen(nrg_ebm *m, int32_t var, double *seen, double *hidden, int64_t numbers) {
    bool noise = false;
    for (uint32_t i = 0; i < m->model->hides.n; i++) {
        const nrg_expr *by = m->model->hides.at[i].by;
        if (m->model->hides.at[i].var == var) noise = by->kind == NRG_X_CALL && nrg_same(by->kid[0]->text, "noise");
    }
    for (int64_t i = 0; i < numbers; i++) {
        hidden[i] = noise || isnan(seen[i]);
        if (isnan(seen[i])) seen[i] = 0;
    }
    const char *name = m->model->vars.at[var].name;
    char key[256];
    snprintf(key, sizeof key, "seen:%s", name);
    TRY(nrg_store_put(m->store, key, (nrg_buffer){.data = seen, .type = NRG_BUF_F64}));
    snprintf(key, sizeof key, "hidden:%s", name);
    return nrg_store_put(m->store, key, (nrg_buffer){.data = hidden, .type = NRG_BUF_F64});
}

// Asking for the best of a variable that is partly hidden: what the data hold of it is seen.
static nrg_status see(nrg_ebm *m, reply *r, const nrg_values *v, nrg_ask_spec *spec) {
    nrg_shape shape;
    TRY(nrg_var_shape(m->model, spec->var, &shape));
    int64_t n = v->rows * nrg_shape_count(&shape);
    double *seen = NRG_NEWS(&r->arena, double, n + 1), *hidden = NRG_NEWS(&r->arena, double, n + 1);
    if (!seen || !hidden) return NRG_E098;
    TRY(nrg_bound_numbers(v->bound, m->store, spec->var, NULL, v->rows, seen));
    spec->seen = (nrg_vars)1 << spec->var;
    return nrg_api_seen(m, spec->var, seen, hidden, n);
}

static nrg_status ask(nrg_ebm *m, const nrg_table *data, const nrg_ask_options *o, int32_t var,
                      nrg_vars given, reply *r) {
    nrg_values v;
    if (!data && given) return no_data(m, o, given);
    bool rows = by_rows(m, data, o, var);
    bool seen = o->question == NRG_BEST && nrg_api_hides(m, var) && nrg_api_found(m, data, (nrg_vars)1 << var) != 0;
    TRY(nrg_values_make(m, data, given | (rows ? (nrg_vars)1 << var : 0), &v));
    nrg_ask_spec spec = {.question = o->question,
                         .var = var,
                         .given = given,
                         .top = o->top,
                         .among = o->among,
                         .among_n = o->among_n,
                         .threads = m->threads,
                         .seed = m->seed,
                         .minima = o->minima,
                         .anyway = o->anyway,
                         .asked = m->asked};
    spec.n = data ? v.rows : o->samples > 0 ? o->samples : 1;
    nrg_status s = rows ? rows_among(m, r, var, &v, &spec) : seen ? see(m, r, &v, &spec) : NRG_OK;
    if (s == NRG_OK) s = nrg_ask(m->model, m->store, &spec, &r->answers);
    if (answered(s)) {
        nrg_status t = publish(m, r, &spec);
        if (t != NRG_OK) s = t;
    }
    nrg_values_free(&v);
    return s;
}

nrg_status nrg_ebm_ask(nrg_ebm *m, const nrg_table *data, const nrg_ask_options *o,
                       nrg_reply **out) {
    int32_t var;
    nrg_vars given;
    *out = NULL;
    TRY(check_var(m, o, &var));
    TRY(held(m, data, o, var, &given));
    bool grows =
        o->question == NRG_DIST && data &&
        m->model->vars.at[var].elem == NRG_REAL; // then the energy itself is looked at first
    if (!o->anyway && !grows) TRY(nrg_question_allowed(m->model, o->question, var, given));
    if (o->minima > 0 && o->question != NRG_BEST)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "minima belong to the question best");
    reply *r = nrg_mem(m->ctx, NULL, 0, sizeof *r);
    if (!r) return NRG_E098;
    *r = (reply){.ctx = m->ctx, .arena = nrg_arena_make(m->ctx), .said = nrg_text_make(m->ctx)};
    r->answers.arena = nrg_arena_make(m->ctx);
    nrg_status s = ask(m, data, o, var, given, r);
    if (answered(s))
        *out = &r->pub;
    else
        nrg_reply_free(&r->pub);
    return s;
}
