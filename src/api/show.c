// Models as text: summary, shapes, graph, plan, audit; what can be trained and asked.
#include "api/api.h"
#include "infer/inside.h"
#include "infer/sample.h"
#include <math.h>
#include <string.h>

// ---- a graph of the energy; sizes that only data can tell stand in by small guesses ----

enum { GUESS = 7 };

typedef struct {
    nrg_graph *g;
    nrg_scope *s;
    nrg_node E;
    int64_t *was, rows; // sizes before guessing
} energy_graph;

static nrg_status guess_sizes(nrg_model *k, int64_t *was) {
    for (uint32_t i = 0; i < k->dims.n; i++) {
        was[i] = k->dims.at[i].size;
        if (was[i] < 0) k->dims.at[i].size = GUESS + i % 3;
    }
    return NRG_OK;
}

static nrg_status bind_inputs(nrg_model *k, nrg_graph *g, nrg_scope *s) {
    for (int32_t v = 0; v < (int32_t)k->vars.n; v++) {
        nrg_shape shape;
        if (k->vars.at[v].role == NRG_WEIGHT || !(k->energy.vars >> v & 1)) continue;
        TRY(nrg_var_shape(k, v, &shape));
        nrg_scope_bind(s, v, nrg_input(g, k->vars.at[v].name, NRG_SAMPLE, shape));
    }
    return NRG_OK;
}

static nrg_status no_energy(nrg_ebm *m) {
    return nrg_fail(m->ctx, NRG_E022, NRG_NOWHERE, "the model has no energy");
}

static nrg_status energy_make(nrg_ebm *m, nrg_dtype type, energy_graph *e) {
    *e = (energy_graph){0};
    if (!m->model->energy.name) return no_energy(m);
    e->was = NRG_NEWS(&m->arena, int64_t, m->model->dims.n + 1);
    if (!e->was) return NRG_E098;
    TRY(guess_sizes(m->model, e->was));
    e->rows = m->model->rows;
    if (e->rows == 0) m->model->rows = GUESS;
    TRY(nrg_graph_new(m->ctx, type, &e->g));
    TRY(nrg_scope_new(m->model, e->g, &e->s));
    TRY(bind_inputs(m->model, e->g, e->s));
    TRY(nrg_eval_energy(e->s, &e->E));
    return nrg_graph_check(e->g);
}

static void energy_free(nrg_ebm *m, energy_graph *e, uint32_t params) {
    if (e->s) nrg_scope_free(e->s);
    if (e->g) nrg_graph_free(e->g);
    if (e->was) {
        for (uint32_t i = 0; i < m->model->dims.n; i++) m->model->dims.at[i].size = e->was[i];
        m->model->rows = e->rows;
        if (!m->started) m->model->params.n = params; // shapes made of guesses
    }
}

static const nrg_expr at_noise = {.kind = NRG_X_NAME, .text = "noise"};

// A step of the chains that the sample statements name; a model whose sampler cannot be built without data shows none.
static nrg_status put_sampler_plan(nrg_ebm *m, nrg_dtype type) {
    nrg_chains_spec spec = {.lanes = 64, .from = &at_noise, .warmup = 1000, .threads = 1};
    nrg_store *store = NULL;
    nrg_chains *chains = NULL;
    int before = nrg_diag_count(m->ctx);
    for (uint32_t i = 0; i < m->model->infers.n; i++)
        if (m->model->infers.at[i].verb == NRG_SAMPLE_VERB) spec.vars |= m->model->infers.at[i].vars;
    spec.vars &= m->model->energy.vars & ~nrg_model_role(m->model, NRG_WEIGHT);
    spec.given = nrg_api_visible(m) & ~spec.vars;
    if (!spec.vars) return NRG_OK;
    TRY(nrg_store_new(m->ctx, type, &store));
    nrg_status s = nrg_store_hypers(m->model, store);
    if (s == NRG_OK) s = nrg_chains_open(m->model, store, &spec, &chains);
    if (s == NRG_OK) {
        nrg_text_put(&m->said, "\na step of 64 chains: ");
        s = nrg_chains_plan_print(chains, &m->said);
    } else if (s != NRG_E098) nrg_diag_cut(m->ctx, before), s = NRG_OK;
    nrg_chains_free(chains);
    nrg_store_free(store);
    return s;
}

static nrg_status put_plan(nrg_ebm *m, const energy_graph *e, nrg_dtype type) {
    nrg_plan *p;
    nrg_plan_spec spec = {.graph = e->g, .outputs = &e->E, .outputs_n = 1, .batch = 64};
    TRY(nrg_plan_make(m->ctx, &spec, &p));
    nrg_text_put(&m->said, "the energy: ");
    nrg_plan_print(p, &m->said);
    nrg_plan_free(p);
    return put_sampler_plan(m, type);
}

nrg_status nrg_ebm_train_steps(nrg_ebm *m, const nrg_table *data, const char **text) {
    nrg_api_clear(&m->said);
    TRY(nrg_ebm_train_prepare(m, data, NULL, NULL));
    nrg_api_clear(&m->said);
    TRY(nrg_trainer_steps(m->trainer, &m->said));
    return nrg_api_text(m, text);
}

// ---- audit: what attr.c claims about the energy, tried at random points ----

typedef struct {
    double *at[256]; // one array an input
    int64_t count[256];
    double value;
    nrg_arena arena;
} points;

// Inputs at random: categories by index, others normal.
static nrg_status draw(nrg_ebm *m, const energy_graph *e, uint64_t seed, points *p) {
    uint32_t n = nrg_input_count(e->g);
    if (n > 256)
        return nrg_fail(m->ctx, NRG_E071, NRG_NOWHERE,
                        "an audit of more than 256 inputs is not supported yet");
    for (uint32_t i = 0; i < n; i++) {
        const nrg_node_info *info = nrg_graph_node(e->g, nrg_input_at(e->g, i));
        int32_t v = nrg_model_var(m->model, nrg_input_name(e->g, i));
        p->count[i] = nrg_shape_count(&info->shape);
        if (!p->at[i]) p->at[i] = NRG_NEWS(&p->arena, double, p->count[i] + 1);
        if (!p->at[i]) return NRG_E098;
        const nrg_var *var = v >= 0 ? &m->model->vars.at[v] : NULL;
        for (int64_t k = 0; k < p->count[i]; k++) {
            double u = nrg_random_uniform(seed, NRG_FOR_SAMPLE, i, 0, (uint32_t)k);
            double z = nrg_random_normal(seed, NRG_FOR_NOISE, i, 0, (uint32_t)k);
            if (!var || var->elem == NRG_REAL)
                p->at[i][k] = 0.7 * z;
            else if (var->elem == NRG_CATEGORY)
                p->at[i][k] = floor(u * (double)m->model->dims.at[var->category].size);
            else if (var->elem == NRG_SIGN)
                p->at[i][k] = u < 0.5 ? -1 : 1;
            else
                p->at[i][k] = u < 0.5 ? 0 : 1;
        }
    }
    return NRG_OK;
}

static nrg_status evaluate(nrg_ebm *m, const energy_graph *e, points *p) {
    double *result = &p->value;
    return nrg_ref_eval(m->ctx, e->g, 1, (const double *const *)p->at, 1, 0, &e->E, 1, &result);
}

// Third difference of E along a random line in input `slot`: 0 for degree 2 and below; likewise second for 1, first for 0.
static nrg_status difference(nrg_ebm *m, const energy_graph *e, points *p, uint32_t slot, int order,
                             double *out, double *size) {
    static const double weights[4][5] = {{0}, {-1, 1}, {1, -2, 1}, {-1, 3, -3, 1}};
    double f[5] = {0};
    *out = 0;
    *size = 1;
    for (int step = 0; step <= order; step++) {
        for (int64_t k = 0; k < p->count[slot]; k++)
            p->at[slot][k] +=
                step ? 0.5 * nrg_random_normal(99, NRG_FOR_NOISE, slot, 1, (uint32_t)k) : 0;
        TRY(evaluate(m, e, p));
        f[step] = p->value;
        *out += weights[order][step] * f[step];
        *size = fmax(*size, fabs(f[step]));
    }
    return NRG_OK;
}

static nrg_status audit_input(nrg_ebm *m, const energy_graph *e, points *p, uint32_t slot,
                              int *failed) {
    nrg_attr a;
    const char *name = nrg_input_name(e->g, slot);
    int32_t v = nrg_model_var(m->model, name);
    if (v >= 0 && m->model->vars.at[v].elem == NRG_CATEGORY) return NRG_OK;
    TRY(nrg_attr_of(e->g, e->E, nrg_input_at(e->g, slot), &a));
    static const char *const words[] = {"constant", "affine", "quadratic", "any"};
    nrg_text_put(&m->said, "%s: degree %s, %s", name, words[a.degree < 3 ? a.degree : 3],
                 a.smooth ? "smooth" : "kinks possible");
    double worst = 0;
    for (int trial = 0; trial < 5 && a.degree <= 2 && a.smooth; trial++) {
        double d, size;
        TRY(draw(m, e, (uint64_t)trial + 1, p));
        TRY(difference(m, e, p, slot, a.degree + 1, &d, &size));
        if (isfinite(d)) worst = fmax(worst, fabs(d) / size);
    }
    bool bad = worst > 1e-8; // double rounding of a few thousand terms
    if (a.degree <= 2 && a.smooth)
        nrg_text_put(&m->said, "   difference of order %d: %.1e%s", a.degree + 1, worst,
                     bad ? "  FAILS" : "");
    nrg_text_put(&m->said, "\n");
    *failed += bad;
    return NRG_OK;
}

// The reference executor counts one operation at a time: beyond this an audit would take minutes.
static const double audit_flops = 3e6;

static nrg_status small_enough(nrg_ebm *m, const energy_graph *e) {
    nrg_plan *p;
    nrg_plan_spec spec = {.graph = e->g, .outputs = &e->E, .outputs_n = 1, .batch = 1};
    TRY(nrg_plan_make(m->ctx, &spec, &p));
    double flops = nrg_plan_flops(p, 1);
    nrg_plan_free(p);
    if (flops <= audit_flops) return NRG_OK;
    nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE,
             "one energy takes %.1e operations: too many for an audit", flops);
    nrg_help(
        m->ctx,
        "make it smaller with --set, for instance --set H=8: structure does not depend on sizes");
    return NRG_E090;
}

static nrg_status audit(nrg_ebm *m, const energy_graph *e) {
    points *p = NRG_NEW(&m->arena, points);
    int failed = 0;
    TRY(small_enough(m, e));
    if (!p) return NRG_E098;
    p->arena = nrg_arena_make(m->ctx);
    nrg_status s = draw(m, e, 1, p);
    for (uint32_t i = 0; i < nrg_input_count(e->g) && s == NRG_OK; i++)
        s = audit_input(m, e, p, i, &failed);
    nrg_arena_free(&p->arena);
    if (s == NRG_OK && failed)
        s = nrg_fail(m->ctx, NRG_E099, NRG_NOWHERE,
                     "%d claims about the energy's structure do not hold", failed);
    return s;
}

static nrg_status show_energy(nrg_ebm *m, nrg_show what) {
    energy_graph e;
    uint32_t params = m->model->params.n;
    nrg_status s = energy_make(m, nrg_dtype_of(m->f64 || what == NRG_SHOW_AUDIT, m->products), &e);
    if (s == NRG_OK && what == NRG_SHOW_GRAPH) nrg_graph_print(e.g, &e.E, 1, &m->said);
    if (s == NRG_OK && what == NRG_SHOW_PLAN) s = put_plan(m, &e, nrg_dtype_of(m->f64, m->products));
    if (s == NRG_OK && what == NRG_SHOW_AUDIT) s = audit(m, &e);
    energy_free(m, &e, params);
    return s;
}

// ---- shapes ----

static void put_shapes(nrg_ebm *m) {
    static const char *const roles[] = {"given", "predict", "latent", "weight"};
    const nrg_model *k = m->model;
    for (uint32_t i = 0; i < k->dims.n; i++) {
        const nrg_dim *d = &k->dims.at[i];
        nrg_text_put(&m->said, "dim      %s", d->name);
        if (d->size >= 0)
            nrg_text_put(&m->said, " = %s%lld", d->ragged ? ".." : "", (long long)d->size);
        else
            nrg_text_put(&m->said, "   (size from data)");
        nrg_text_put(&m->said, "\n");
    }
    for (uint32_t i = 0; i < k->vars.n; i++) {
        nrg_type t;
        if (nrg_var_type(k, (int32_t)i, &t) != NRG_OK) continue;
        nrg_text_put(&m->said, "%-8s %s : ", roles[k->vars.at[i].role], k->vars.at[i].name);
        nrg_type_print(k, &t, &m->said);
        nrg_text_put(&m->said, "\n");
    }
    for (uint32_t i = 0; i < k->params.n; i++) {
        nrg_text_put(&m->said, "numbers  %s :", k->params.at[i].name);
        for (int a = 0; a < k->params.at[i].shape.rank; a++)
            nrg_text_put(&m->said, "%s%lld", a ? " x " : " ",
                         (long long)k->params.at[i].shape.dim[a]);
        nrg_text_put(&m->said, k->params.at[i].shape.rank ? "\n" : " 1\n");
    }
}

nrg_status nrg_ebm_text(nrg_ebm *m, nrg_show what, const char **text) {
    nrg_api_clear(&m->said);
    *text = "";
    if (what == NRG_SHOW_SUMMARY)
        nrg_lang_show(m->model, &m->said);
    else if (what == NRG_SHOW_TEXT)
        nrg_lang_print(m->model, &m->said);
    else if (what == NRG_SHOW_SHAPES)
        put_shapes(m);
    else {
        nrg_status s = show_energy(m, what);
        nrg_api_text(m, text); // what an audit found is shown even when it fails
        return s;
    }
    return nrg_api_text(m, text);
}

// ---- what it can do ----

nrg_status nrg_ebm_trainable(nrg_ebm *m) {
    const nrg_model *k = m->model;
    if (k->learns.n == 0 || k->optimizes.n == 0) {
        const char *what = k->learns.n == 0 && k->optimizes.n == 0 ? "learn and no optimize"
                           : k->learns.n == 0                      ? "learn"
                                                                   : "optimize";
        nrg_fail(m->ctx, NRG_E070, NRG_NOWHERE, "the model has nothing to learn: no %s statement",
                 what);
        nrg_help(m->ctx, "use ask, energy and plot directly");
        return NRG_E070;
    }
    for (uint32_t i = 0; i < k->infers.n; i++) {
        nrg_infer_stmt copy = k->infers.at[i], *st = &copy;
        if (!st->written) TRY(nrg_infer_choose(m->model, st)); // by structure, once the sizes are known
        const nrg_method_row *row = st->written && st->method != NRG_BY_NONE ? nrg_method_get(st->method) : NULL;
        if (!row || row->built) continue;
        nrg_fail(m->ctx, NRG_E071, st->by_span.file ? st->by_span : st->span,
                 "the method '%s' is not supported yet", row->name);
        return NRG_E071;
    }
    return NRG_OK;
}

nrg_status nrg_ebm_answers(nrg_ebm *m, nrg_question q, const char *var) {
    int32_t v;
    TRY(nrg_api_var(m, var, &v));
    return nrg_question_allowed(m->model, q, v, nrg_api_visible(m) & ~((nrg_vars)1 << v));
}
