// Drawing from a model: what is drawn and what is held, the draws in public form, as tables and files.
#include "api/api.h"
#include "infer/sample.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DRAWS = 64, CHAINS = 16, NAME_ROOM = 72 };

// The samples that users see, with what they stand on.
typedef struct {
    nrg_samples pub; // first, so that the public pointer is this object's
    nrg_ctx *ctx;
    nrg_draws draws;
    nrg_arena arena;
    nrg_text said;
    double beta, seconds;
    char worst[3][NAME_ROOM]; // the numbers with the worst R-hat, bulk and tail sizes
} samples;

void nrg_samples_free(nrg_samples *r) {
    if (!r) return;
    samples *all = (samples *)r;
    nrg_draws_free(&all->draws);
    nrg_arena_free(&all->arena);
    nrg_text_free(&all->said);
    nrg_mem(all->ctx, all, sizeof *all, 0);
}

// ---- what is drawn, what is held

static nrg_vars stated(const nrg_model *k) {
    nrg_vars out = 0;
    for (uint32_t i = 0; i < k->infers.n; i++)
        if (k->infers.at[i].verb == NRG_SAMPLE_VERB) out |= k->infers.at[i].vars;
    return out & k->energy.vars & ~nrg_model_role(k, NRG_WEIGHT);
}

// Variables that the table holds by force: "given:NAME".
static nrg_vars forced(const nrg_ebm *m, const nrg_table *t) {
    nrg_vars out = 0;
    char name[256];
    for (uint32_t v = 0; t && v < m->model->vars.n; v++) {
        snprintf(name, sizeof name, "given:%s", m->model->vars.at[v].name);
        if (nrg_table_find(t, name)) out |= (nrg_vars)1 << v;
    }
    return out;
}

nrg_status nrg_api_drawn(nrg_ebm *m, const nrg_table *data, const char *const *vars, int n, nrg_vars *drawn, nrg_vars *held) {
    nrg_vars seen = nrg_api_visible(m), there = nrg_api_found(m, data, seen), fixed = forced(m, data);
    *drawn = 0;
    for (int i = 0; i < n; i++) {
        int32_t v;
        TRY(nrg_api_var(m, vars[i], &v));
        *drawn |= (nrg_vars)1 << v;
    }
    if (*drawn & fixed) return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "a variable cannot be both drawn and given");
    if (!*drawn) *drawn = stated(m->model) & ~fixed;
    if (!*drawn) *drawn = seen & nrg_model_role(m->model, NRG_PREDICT) & ~there;
    *held = (there | (seen & nrg_model_role(m->model, NRG_GIVEN))) & ~*drawn;
    if (!*drawn) {
        nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "nothing is left to draw: every variable is given or eliminated");
        nrg_help(m->ctx, "name what to draw: nrg sample MODEL x");
        return NRG_E090;
    }
    for (int32_t v = 0; !data && v < (int32_t)m->model->vars.n; v++) {
        if (!(*held >> v & 1)) continue;
        nrg_fail(m->ctx, NRG_E051, NRG_NOWHERE, "no data for %s, which is given", m->model->vars.at[v].name);
        nrg_help(m->ctx, "--given %s=...   or --data FILE", m->model->vars.at[v].name);
        return NRG_E051;
    }
    return NRG_OK;
}

static nrg_status sizes(nrg_ebm *m, const nrg_sample_options *o, nrg_sample_spec *spec, int64_t *n) {
    const int64_t most = 100000000000; // so that nothing below overflows; the sampler has tighter bounds
    *n = o->n > 0 ? o->n : DRAWS;
    if (*n > most || o->chains > most || o->every > most || o->steps > most)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "draws, chains and steps are at most %lld", (long long)most);
    spec->chains = o->chains > 0 ? o->chains : *n < CHAINS ? *n : CHAINS;
    spec->draws = (*n + spec->chains - 1) / spec->chains;
    spec->warmup = o->warmup == 0 ? -1 : o->warmup < 0 ? 0 : o->warmup;
    spec->every = o->every > 0 ? o->every : 0;
    spec->levels = o->tempering, spec->hottest = o->hottest, spec->anneal = o->anneal;
    if (spec->levels > 1000 || !(o->hottest >= 0 && o->hottest <= 1) || !(o->anneal >= 0 && o->anneal <= 1))
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "a ladder has at most 1000 levels, and heats lie above 0 and up to 1");
    if (o->steps > 0 && spec->draws > 1 && o->every <= 0) spec->every = o->steps / (spec->draws - 1);
    if (o->steps > 0 && spec->draws > 1 && (spec->every < 1 || (double)(spec->draws - 1) * (double)spec->every > (double)o->steps)) {
        nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "%lld steps are too few for %lld draws a chain", (long long)o->steps, (long long)spec->draws);
        nrg_help(m->ctx, "take more steps, fewer draws, or more chains");
        return NRG_E090;
    }
    return NRG_OK;
}

// ---- the public form: everything is copied or owned, the samples outlive the model

static void worst(double *to, double x, bool high, const nrg_sampled *v, int64_t w, char *name) {
    if (isnan(x) || !(isnan(*to) || (high ? x > *to : x < *to))) return;
    *to = x;
    snprintf(name, NAME_ROOM, v->rank ? "%.40s[%lld]" : "%.40s", v->name, (long long)w);
}

// Labels are copied: draws outlive the model, tables the draws.
static nrg_status copy_labels(nrg_arena *a, const char *const *from, int64_t n, const char *const **out) {
    *out = NULL;
    if (!from) return NRG_OK;
    const char **labels = NRG_NEWS(a, const char *, n + 1);
    if (!labels) return NRG_E098;
    for (int64_t i = 0; i < n; i++)
        if (!(labels[i] = nrg_arena_copy(a, from[i], strlen(from[i])))) return NRG_E098;
    *out = labels;
    return NRG_OK;
}

// Variables `beside` are drawn because nothing says how they would be eliminated; their health counts, their values are not shown.
static nrg_status publish(nrg_ebm *m, samples *r, const nrg_sample_spec *spec, int64_t n, nrg_vars beside) {
    nrg_draws *d = &r->draws;
    nrg_samples *p = &r->pub;
    nrg_sampled *vars = NRG_NEWS(&r->arena, nrg_sampled, d->n);
    if (!vars) return NRG_E098;
    *p = (nrg_samples){.vars = d->n, .var = vars, .rows = spec->rows, .chains = spec->chains, .draws = spec->draws, .n = n,
                       .energy = d->energy, .rhat = d->energy_health.rhat, .bulk = d->energy_health.bulk, .tail = d->energy_health.tail,
                       .acceptance = d->acceptance, .step = d->step, .temperature = d->temperature, .diverged = d->diverged,
                       .swapped = d->swapped, .warmup = d->warmup, .every = d->every};
    p->vars = 0;
    for (int i = 0; i < 3; i++) snprintf(r->worst[i], sizeof r->worst[i], "energy");
    for (int j = 0; j < d->n; j++) {
        nrg_shape shape;
        const char *name = m->model->vars.at[d->var[j]].name;
        nrg_sampled *v = &vars[p->vars];
        TRY(nrg_var_shape(m->model, d->var[j], &shape));
        double *h = NRG_NEWS(&r->arena, double, 3 * d->width[j] + 1);
        *v = (nrg_sampled){.name = nrg_arena_copy(&r->arena, name, strlen(name)), .rank = shape.rank, .width = d->width[j],
                                .value = d->value[j], .rhat = h, .bulk = h ? h + d->width[j] : NULL, .tail = h ? h + 2 * d->width[j] : NULL};
        if (!h || !v->name) return NRG_E098;
        int32_t category = m->model->vars.at[d->var[j]].category;
        const nrg_dim *dim = category >= 0 ? &m->model->dims.at[category] : NULL;
        v->labels_n = dim ? dim->size : 0;
        TRY(copy_labels(&r->arena, dim ? (const char *const *)dim->labels : NULL, v->labels_n, &v->labels));
        memcpy(v->dim, shape.dim, sizeof shape.dim);
        for (int64_t w = 0; w < d->width[j]; w++) {
            const nrg_health *x = &d->health[j][w];
            h[w] = x->rhat, h[d->width[j] + w] = x->bulk, h[2 * d->width[j] + w] = x->tail;
            worst(&p->rhat, x->rhat, true, v, w, r->worst[0]);
            worst(&p->bulk, x->bulk, false, v, w, r->worst[1]);
            worst(&p->tail, x->tail, false, v, w, r->worst[2]);
        }
        p->vars += !(beside >> d->var[j] & 1);
    }
    return NRG_OK;
}

// ---- health in words

static void put_trust(nrg_text *t, const samples *r) {
    const nrg_samples *p = &r->pub;
    if (p->draws < 4) {
        nrg_text_put(t, "R-hat and effective sample sizes need 4 draws a chain\n");
        return;
    }
    nrg_text_put(t, "worst R-hat %.4g (%s), bulk ESS %.4g (%s), tail ESS %.4g (%s) of %lld draws", p->rhat, r->worst[0], p->bulk, r->worst[1], p->tail,
                 r->worst[2], (long long)(p->chains * p->draws));
    if (p->bulk > 0 && r->seconds > 0 && p->rhat <= 1.1) nrg_text_put(t, "; %.3g s, %.3g effective draws a second", r->seconds, p->bulk / r->seconds);
    if (p->rhat > 1.01) nrg_text_put(t, "\nabove 1.01 the chains do not agree, or the draws are too few to tell: a longer warm-up, more draws");
    nrg_text_put(t, "\n");
}

// What a test that refuses nearly everything, or trajectories that break, mean for the draws.
static void put_advice(nrg_text *t, const nrg_samples *p) {
    double steps = (double)(p->rows * p->chains) * (double)(p->draws > 1 ? (p->draws - 1) * p->every : p->warmup - p->warmup / 2);
    if (p->acceptance < 0.01)
        nrg_text_put(t, "nearly every step is refused: these are the starts, no draws; a smaller step, or leave `step` out so that it is learned\n");
    else if (p->diverged && steps > 0)
        nrg_text_put(t, "%.2g%% of the steps diverge: the energy bends more sharply there than the step, and draws near such places are missing; a smaller "
                     "step, a longer warm-up, or other variables\n", 100 * fmin(1, (double)p->diverged / steps));
}

static nrg_status put_health(samples *r) {
    const nrg_samples *p = &r->pub;
    nrg_text t = nrg_text_make(r->ctx);
    nrg_text_put(&t, "%s\n%lld chain%s of %lld draw%s", r->draws.how, (long long)p->chains, p->chains == 1 ? "" : "s",
                 (long long)p->draws, p->draws == 1 ? "" : "s");
    if (p->rows > 1) nrg_text_put(&t, " for each of %lld rows", (long long)p->rows);
    nrg_text_put(&t, ", warm-up %lld steps, then every %lld", (long long)p->warmup, (long long)p->every);
    if (!isnan(p->step)) nrg_text_put(&t, "; step %.4g", p->step);
    if (!isnan(p->acceptance)) nrg_text_put(&t, ", acceptance %.3g", p->acceptance);
    if (p->diverged) nrg_text_put(&t, ", %lld divergent step%s", (long long)p->diverged, p->diverged == 1 ? "" : "s");
    nrg_text_put(&t, "\n");
    if (!isnan(p->swapped)) nrg_text_put(&t, "each chain the coldest of a ladder; %.3g of the swaps between neighbours taken%s\n", p->swapped,
                                         p->swapped < 0.1 ? ": more levels would serve" : "");
    if (isnan(p->temperature))
        nrg_text_put(&t, "implied temperature not known: %s\n", strstr(r->draws.how, "by a module") ? "a module draws" : "a gradient is clipped, or statements have different ones");
    else nrg_text_put(&t, "implied temperature %.4g%s\n", p->temperature,
                      fabs(p->temperature - 1) > 1e-9 ? ": noise^2 / step is not 1, so these are draws of exp(-beta E / temperature)" : "");
    put_advice(&t, p);
    put_trust(&t, r);
    r->pub.health = t.bad ? NULL : nrg_arena_copy(&r->arena, t.at, t.n);
    r->pub.how = nrg_arena_copy(&r->arena, r->draws.how, strlen(r->draws.how));
    nrg_text_free(&t);
    return r->pub.health && r->pub.how ? NRG_OK : NRG_E098;
}

// Draws of a single variable wander off where exp(-beta E) has no finite sum.
static nrg_status warn_of_growth(nrg_ebm *m, const nrg_sample_spec *spec) {
    nrg_text said = nrg_text_make(m->ctx);
    nrg_ask_spec one = {.question = NRG_DIST, .given = spec->given, .n = spec->rows, .threads = m->threads};
    bool diverges = false;
    if (spec->vars & (spec->vars - 1)) return NRG_OK;
    for (uint32_t i = 0; i < m->model->infers.n; i++) { // what a module draws does not depend on E
        const nrg_infer_stmt *st = &m->model->infers.at[i];
        if (st->verb == NRG_SAMPLE_VERB && st->vars == spec->vars && nrg_proposes(st)) return NRG_OK;
    }
    while (!(spec->vars >> one.var & 1)) one.var++;
    nrg_status s = nrg_growth_check(m->model, m->store, &one, &diverges, &said);
    if (s == NRG_OK && diverges) {
        const char *name = m->model->vars.at[one.var].name;
        nrg_warn(m->ctx, NRG_W105, m->model->vars.at[one.var].span, "exp(-beta E) seems to have no finite sum over all %s: draws wander off", name);
        nrg_fact(m->ctx, "%s", said.at);
        nrg_help(m->ctx, "bound it:  %s : real in LO..HI;   or add a term that grows", name);
    }
    nrg_text_free(&said);
    return s;
}

// Chains go on from where training left them.
static nrg_status keep_on(nrg_ebm *m, const char *run, nrg_sample_spec *spec, nrg_arena *a) {
    if (!spec->given) return nrg_api_buffer(m, run, spec->vars, spec->chains, a, spec->kept);
    nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "the chains that were kept belong to the training data: nothing can be given");
    nrg_help(m->ctx, "leave --from buffer out");
    return NRG_E090;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// What was not asked for, is not held, and has no verb: drawn beside, so that the rest comes from its marginal density.
static nrg_vars drawn_beside(const nrg_ebm *m, nrg_vars drawn, nrg_vars held) {
    nrg_vars out = nrg_api_visible(m) | (m->model->energy.vars & nrg_model_role(m->model, NRG_LATENT));
    for (int32_t v = 0; v < (int32_t)m->model->vars.n; v++)
        if (nrg_model_infer(m->model, NRG_MINIMIZE, v) || nrg_model_infer(m->model, NRG_MARGINALIZE, v)) out &= ~((nrg_vars)1 << v);
    return out & ~drawn & ~held & ~nrg_model_role(m->model, NRG_GIVEN);
}

static nrg_status sample(nrg_ebm *m, const nrg_table *data, const nrg_sample_options *o, samples *r) {
    nrg_sample_spec spec = {.first = o->first, .seed = o->seed ? o->seed : m->seed, .threads = m->threads};
    nrg_values v;
    int64_t n;
    double began = now();
    TRY(nrg_api_drawn(m, data, o->vars, o->vars_n, &spec.vars, &spec.given));
    nrg_vars beside = drawn_beside(m, spec.vars, spec.given);
    spec.vars |= beside;
    TRY(sizes(m, o, &spec, &n));
    TRY(nrg_values_make(m, data, spec.given | nrg_api_found(m, data, spec.vars), &v));
    spec.rows = data && v.vars ? v.rows : 1;
    nrg_status s = warn_of_growth(m, &spec);
    if (s == NRG_OK && o->buffer) s = keep_on(m, o->buffer, &spec, &r->arena);
    if (s == NRG_OK) s = nrg_sample(m->model, m->store, &spec, &r->draws);
    r->seconds = now() - began;
    if (s == NRG_OK) s = publish(m, r, &spec, n, beside);
    if (s == NRG_OK) s = put_health(r);
    nrg_values_free(&v);
    return s;
}

nrg_status nrg_ebm_sample(nrg_ebm *m, const nrg_table *data, const nrg_sample_options *o, nrg_samples **out) {
    static const nrg_sample_options none;
    *out = NULL;
    if (!m->model->energy.name) return nrg_fail(m->ctx, NRG_E022, NRG_NOWHERE, "the model has no energy to draw from");
    samples *r = nrg_mem(m->ctx, NULL, 0, sizeof *r);
    if (!r) return NRG_E098;
    *r = (samples){.ctx = m->ctx, .arena = nrg_arena_make(m->ctx), .said = nrg_text_make(m->ctx), .beta = m->model->beta};
    r->draws.arena = nrg_arena_make(m->ctx);
    nrg_status s = sample(m, data, o ? o : &none, r);
    if (s == NRG_OK) *out = &r->pub;
    else nrg_samples_free(&r->pub);
    return s;
}

// ---- as a table: draw by draw, so that the first n are from all chains

// Place of table row i: row of the data, chain, draw.
static int64_t place(const nrg_samples *p, int64_t i, int64_t *row, int64_t *chain, int64_t *draw) {
    *row = i / p->n;
    *draw = i % p->n / p->chains;
    *chain = i % p->n % p->chains;
    return (*row * p->chains + *chain) * p->draws + *draw;
}

static void put_names(nrg_text *t, const nrg_samples *p) {
    nrg_text_put(t, "%schain,draw,energy", p->rows > 1 ? "row," : "");
    for (int j = 0; j < p->vars; j++)
        for (int64_t w = 0; w < p->var[j].width; w++) {
            nrg_text_put(t, ",%s", p->var[j].name);
            if (p->var[j].rank) nrg_text_put(t, "[%lld]", (long long)w);
        }
    nrg_text_put(t, "\n");
}

static void put_values(nrg_text *t, const nrg_sampled *v, int64_t at, nrg_form form) {
    if (form == NRG_AS_JSON) nrg_text_put(t, ", \"%s\": %s", v->name, v->rank ? "[" : "");
    for (int64_t w = 0; w < v->width; w++) {
        nrg_text_put(t, "%s", form == NRG_AS_CSV ? "," : w ? ", " : "");
        nrg_api_cell(t, v->labels, v->labels_n, v->value[at * v->width + w], form);
    }
    if (form == NRG_AS_JSON && v->rank) nrg_text_put(t, "]");
}

nrg_status nrg_samples_text(nrg_samples *p, nrg_form form, const char **text) {
    nrg_text *t = &((samples *)p)->said;
    nrg_api_clear(t);
    if (form == NRG_AS_CSV) put_names(t, p);
    for (int64_t i = 0; i < p->rows * p->n; i++) {
        int64_t row, chain, draw, at = place(p, i, &row, &chain, &draw);
        if (form == NRG_AS_JSON) nrg_text_put(t, "{");
        if (p->rows > 1) nrg_text_put(t, form == NRG_AS_JSON ? "\"row\": %lld, " : "%lld,", (long long)row);
        nrg_text_put(t, form == NRG_AS_JSON ? "\"chain\": %lld, \"draw\": %lld, \"energy\": %.9g" : "%lld,%lld,%.9g", (long long)chain,
                     (long long)draw, p->energy[at]);
        for (int j = 0; j < p->vars; j++) put_values(t, &p->var[j], at, form);
        nrg_text_put(t, form == NRG_AS_JSON ? "}\n" : "\n");
    }
    *text = t->at ? t->at : "";
    return nrg_text_end(t);
}

static nrg_status add(nrg_table *t, const nrg_samples *p, const char *name, int rank, const int64_t *dim, int64_t width, const double *from,
                      const char *const *labels, int64_t labels_n) {
    nrg_array *a;
    int64_t full[NRG_ARRAY_RANK] = {p->rows * p->n}, row, chain, draw;
    for (int i = 0; i < rank && i + 1 < NRG_ARRAY_RANK; i++) full[i + 1] = dim[i];
    TRY(nrg_table_make(t, name, NRG_CELL_F64, rank + 1, full, &a));
    TRY(copy_labels(nrg_table_arena(t), labels, labels_n, &a->labels));
    a->labels_n = labels_n;
    for (int64_t i = 0; i < full[0]; i++) {
        int64_t at = place(p, i, &row, &chain, &draw);
        memcpy((double *)a->data + i * width, from + at * width, (size_t)width * sizeof(double));
    }
    return NRG_OK;
}

static nrg_status add_places(nrg_table *t, const nrg_samples *p) {
    nrg_array *a, *b;
    int64_t n = p->rows * p->n, row;
    TRY(nrg_table_make(t, "chain", NRG_CELL_I64, 1, &n, &a));
    TRY(nrg_table_make(t, "draw", NRG_CELL_I64, 1, &n, &b));
    for (int64_t i = 0; i < n; i++) place(p, i, &row, (int64_t *)a->data + i, (int64_t *)b->data + i);
    return NRG_OK;
}

nrg_status nrg_samples_table(nrg_samples *p, nrg_table **out) {
    nrg_table *t;
    *out = NULL;
    TRY(nrg_table_new(((samples *)p)->ctx, &t));
    nrg_status s = add(t, p, "energy", 0, NULL, 1, p->energy, NULL, 0);
    for (int j = 0; s == NRG_OK && j < p->vars; j++) {
        const nrg_sampled *v = &p->var[j];
        s = add(t, p, v->name, v->rank, v->dim, v->width, v->value, v->labels, v->labels ? v->labels_n : 0);
    }
    if (s == NRG_OK) s = add_places(t, p);
    if (s == NRG_OK) *out = t;
    else nrg_table_free(t);
    return s;
}

nrg_status nrg_samples_autocorrelation(nrg_samples *p, int64_t top, nrg_form form, const char **text) {
    nrg_text *t = &((samples *)p)->said;
    nrg_table *draws;
    nrg_api_clear(t);
    TRY(nrg_samples_table(p, &draws));
    nrg_status s = nrg_api_autocorrelation(((samples *)p)->ctx, draws, p->rows, p->draws, top, form == NRG_AS_JSON, t);
    nrg_table_free(draws);
    *text = t->at ? t->at : "";
    return s == NRG_OK ? nrg_text_end(t) : s;
}

// As Stan's tools read draws: one chain a file, what the run was as # lines, a header with entries x.1, x.2; categories as 1, 2, ... whose labels
// the # lines tell. lp__ is -beta E; acceptance and step size are means over the run, the same on every line; a draw is divergent when a step
// since the one before was.
static void put_stan_head(const nrg_samples *p, const char *how, int64_t chain, nrg_text *t) {
    nrg_text_put(t, "# model = nrg\n# method = sample (Default)\n#   sample\n#     num_samples = %lld\n#     num_warmup = %lld\n#     save_warmup = false\n#     thin = %lld\n"
                    "# id = %lld\n# num_chains = %lld, one a file\n# %s\n",
                 (long long)p->draws, (long long)p->warmup, (long long)p->every, (long long)chain + 1, (long long)p->chains, how);
    for (int j = 0; j < p->vars; j++)
        for (int64_t l = 0; p->var[j].labels && l < p->var[j].labels_n; l++) {
            if (!l) nrg_text_put(t, "# %s:", p->var[j].name);
            nrg_text_put(t, "%s %lld %s%s", l ? "," : "", (long long)l + 1, p->var[j].labels[l], l + 1 == p->var[j].labels_n ? "\n" : "");
        }
    nrg_text_put(t, "lp__,accept_stat__,stepsize__,divergent__");
    for (int j = 0; j < p->vars; j++)
        for (int64_t w = 0; w < p->var[j].width; w++) {
            int64_t rest = w, at[NRG_MAX_RANK] = {0};
            for (int32_t a = p->var[j].rank - 1; a >= 0; a--) at[a] = rest % p->var[j].dim[a], rest /= p->var[j].dim[a];
            nrg_text_put(t, ",%s", p->var[j].name);
            for (int32_t a = 0; a < p->var[j].rank; a++) nrg_text_put(t, ".%lld", (long long)at[a] + 1);
        }
    nrg_text_put(t, "\n");
}

static nrg_status put_stan(nrg_samples *p, int64_t chain, nrg_text *t) {
    const samples *all = (samples *)p;
    nrg_api_clear(t);
    put_stan_head(p, p->how, chain, t);
    for (int64_t d = 0; d < p->draws; d++) {
        int64_t i = chain * p->draws + d;
        nrg_text_put(t, "%.9g,%.9g,%.9g,%d", -all->beta * p->energy[i], isnan(p->acceptance) ? 1 : p->acceptance, isnan(p->step) ? 0 : p->step, all->draws.broken[i] > 0);
        for (int j = 0; j < p->vars; j++)
            for (int64_t w = 0; w < p->var[j].width; w++) nrg_text_put(t, ",%.9g", p->var[j].value[i * p->var[j].width + w] + (p->var[j].labels_n > 0));
        nrg_text_put(t, "\n");
    }
    return nrg_text_end(t);
}

// draws.stan.csv of one chain; of several draws_1.stan.csv, draws_2.stan.csv, ...
static nrg_status save_stan(nrg_samples *p, const char *path) {
    nrg_ctx *c = ((samples *)p)->ctx;
    nrg_text *said = &((samples *)p)->said;
    nrg_text name = nrg_text_make(c);
    nrg_status s = NRG_OK;
    if (p->rows > 1) return nrg_fail(c, NRG_E090, NRG_NOWHERE, "the CSV of Stan's tools holds one row of data, not %lld: --given x=...", (long long)p->rows);
    for (int64_t k = 0; k < p->chains && s == NRG_OK; k++) {
        nrg_api_clear(&name);
        if (p->chains == 1) nrg_text_put(&name, "%s", path);
        else nrg_text_put(&name, "%.*s_%lld.stan.csv", (int)(strlen(path) - strlen(".stan.csv")), path, (long long)k + 1);
        s = put_stan(p, k, said);
        if (s == NRG_OK) s = nrg_text_end(&name);
        if (s == NRG_OK) s = nrg_file_write(c, name.at, said->at, said->n);
    }
    nrg_text_free(&name);
    return s;
}

// ---- a line a number, as Stan's and ArviZ's summaries have it

typedef struct {
    double mean, error, sd, low, median, high;
    nrg_health h;
} digest;

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, int64_t n, double p) {
    double at = p * (double)(n - 1);
    int64_t i = (int64_t)at;
    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

static nrg_status digest_of(nrg_ctx *c, double *x, int64_t chains, int64_t n, digest *out) {
    double sum = 0, squares = 0;
    int64_t all = chains * n;
    *out = (digest){0};
    TRY(nrg_health_of(c, x, chains, n, &out->h));
    for (int64_t i = 0; i < all; i++) sum += x[i];
    out->mean = sum / (double)all;
    for (int64_t i = 0; i < all; i++) squares += (x[i] - out->mean) * (x[i] - out->mean);
    out->sd = all > 1 ? sqrt(squares / (double)(all - 1)) : NAN;
    out->error = out->sd / sqrt(out->h.mean);
    qsort(x, (size_t)all, sizeof *x, by_size);
    out->low = quantile(x, all, 0.05), out->median = quantile(x, all, 0.5), out->high = quantile(x, all, 0.95);
    return NRG_OK;
}

static void put_digest(nrg_text *t, int64_t row, const char *name, const digest *d, nrg_form form) {
    static const char *const column[] = {"mean", "mcse", "sd", "5%", "50%", "95%", "ess_bulk", "ess_tail", "rhat"};
    const double value[] = {d->mean, d->error, d->sd, d->low, d->median, d->high, d->h.bulk, d->h.tail, d->h.rhat};
    bool json = form == NRG_AS_JSON;
    if (json) nrg_text_put(t, row >= 0 ? "{\"row\": %lld, " : "{", (long long)row);
    else if (row >= 0) nrg_text_put(t, "%lld,", (long long)row);
    nrg_text_put(t, json ? "\"number\": \"%s\"" : "%s", name);
    for (size_t k = 0; k < sizeof value / sizeof *value; k++) {
        if (json) nrg_text_put(t, ", \"%s\": ", column[k]);
        else nrg_text_put(t, ",");
        nrg_text_put(t, isfinite(value[k]) ? k > 5 && k < 8 ? "%.0f" : "%.4g" : isinf(value[k]) && !json ? "inf" : json ? "null" : "", value[k]);
    }
    nrg_text_put(t, json ? "}\n" : "\n");
}

// One number, or, of a category, whether it has label l.
static nrg_status summarise(nrg_samples *p, int64_t row, const char *name, const double *from, int64_t width, int64_t l, double *room, nrg_form form, nrg_text *t) {
    int64_t each = p->chains * p->draws;
    digest d;
    for (int64_t i = 0; i < each; i++) {
        double x = from[(row * each + i) * width];
        room[i] = l < 0 ? x : x == (double)l;
    }
    TRY(digest_of(((samples *)p)->ctx, room, p->chains, p->draws, &d));
    put_digest(t, p->rows > 1 ? row : -1, name, &d, form);
    return NRG_OK;
}

static nrg_status summarise_row(nrg_samples *p, int64_t row, double *room, nrg_form form, nrg_text *t) {
    char name[300];
    for (int j = 0; j < p->vars; j++)
        for (int64_t w = 0; w < p->var[j].width; w++)
            for (int64_t l = p->var[j].labels ? 0 : -1; l < (p->var[j].labels ? p->var[j].labels_n : 0); l++) {
                int n = snprintf(name, sizeof name, p->var[j].rank ? "%.100s[%lld]" : "%.100s", p->var[j].name, (long long)w);
                if (l >= 0) snprintf(name + n, sizeof name - (size_t)n, "=%.100s", p->var[j].labels[l]);
                TRY(summarise(p, row, name, p->var[j].value + w, p->var[j].width, l, room, form, t));
            }
    return summarise(p, row, "energy", p->energy, 1, -1, room, form, t);
}

nrg_status nrg_samples_summary(nrg_samples *p, nrg_form form, const char **text) {
    samples *all = (samples *)p;
    nrg_text *t = &all->said;
    nrg_arena a = nrg_arena_make(all->ctx);
    double *room = NRG_NEWS(&a, double, p->chains * p->draws + 1);
    nrg_status s = room ? NRG_OK : NRG_E098;
    nrg_api_clear(t);
    if (form == NRG_AS_CSV) nrg_text_put(t, "%snumber,mean,mcse,sd,5%%,50%%,95%%,ess_bulk,ess_tail,rhat\n", p->rows > 1 ? "row," : "");
    for (int64_t r = 0; r < p->rows && s == NRG_OK; r++) s = summarise_row(p, r, room, form, t);
    nrg_arena_free(&a);
    *text = t->at ? t->at : "";
    return s == NRG_OK ? nrg_text_end(t) : s;
}

nrg_status nrg_samples_save(nrg_samples *p, const char *path) {
    nrg_ctx *c = ((samples *)p)->ctx;
    const char *text;
    nrg_table *t;
    if (nrg_ends(path, ".stan.csv")) return save_stan(p, path);
    if (nrg_ends(path, ".csv") || nrg_ends(path, ".json")) {
        TRY(nrg_samples_text(p, nrg_ends(path, ".json") ? NRG_AS_JSON : NRG_AS_CSV, &text));
        return nrg_file_write(c, path, text, strlen(text));
    }
    if (!nrg_ends(path, ".npz")) {
        nrg_fail(c, NRG_E090, NRG_NOWHERE, "draws are written as .npz, .csv or .json, not %s", path);
        nrg_help(c, "-o draws.npz");
        return NRG_E090;
    }
    TRY(nrg_samples_table(p, &t));
    nrg_status s = nrg_data_write(t, path);
    nrg_table_free(t);
    return s;
}
