// Contrastive learning by draws: where a loss reads `free` and the sum is out of reach, the gradient of the free energy is that of F
// at draws from the model (Hinton 2002). One source for each such atom: chains that start at the data (contrastive divergence), at noise
// (short runs), at a module's guess, or where they stood before (persistent chains, a replay buffer; Tieleman 2008, Du and Mordatch
// 2019). What the atom then shows is the energy of the draws: a gap, not a likelihood.
#include "train/inside.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STEPS = 20 }; // of a chain before each update, unless told

static bool summable(const nrg_model *m, nrg_vars set) {
    for (int32_t v = 0; v < (int32_t)m->vars.n; v++) {
        const nrg_var *var = &m->vars.at[v];
        if (!(set >> v & 1) || nrg_model_infer(m, NRG_MARGINALIZE, v)) continue;
        nrg_shape s;
        double choices = var->elem == NRG_CATEGORY ? (double)m->dims.at[var->category].size
                         : var->elem == NRG_BIT || var->elem == NRG_SIGN ? 2 : INFINITY;
        if (var->elem == NRG_INT && var->domain.kind == NRG_DOM_RANGE) choices = var->domain.hi - var->domain.lo + 1;
        if (nrg_var_shape(m, v, &s) != NRG_OK || pow(choices, (double)nrg_shape_count(&s)) > 1e6) return false;
    }
    return true;
}

// The variables drawn for the atom: its own and the latents of their sample statements. 0: no statement draws them.
static nrg_vars drawn(const nrg_model *m, const nrg_atom *a) {
    nrg_vars latents = nrg_model_role(m, NRG_LATENT), found = 0;
    for (uint32_t i = 0; i < m->infers.n; i++) {
        const nrg_infer_stmt *st = &m->infers.at[i];
        if (st->verb == NRG_SAMPLE_VERB && (st->vars & a->over) && !(st->vars & ~(a->over | latents))) found |= st->vars;
    }
    for (uint32_t i = 0; i < m->infers.n; i++) { // latents with statements of their own
        const nrg_infer_stmt *st = &m->infers.at[i];
        bool known = false;
        for (int32_t v = 0; v < (int32_t)m->vars.n; v++)
            known = known || ((st->vars >> v & 1) && (nrg_model_infer(m, NRG_MARGINALIZE, v) || nrg_model_infer(m, NRG_MINIMIZE, v)));
        if (st->verb == NRG_SAMPLE_VERB && !(st->vars & ~latents) && !known) found |= st->vars;
    }
    return a->over & ~found ? 0 : found;
}

// Latents that no verb eliminates, but a sample statement draws: beside the data as well (Salakhutdinov and Hinton 2009).
static nrg_vars only_drawn(const nrg_model *m) {
    nrg_vars found = 0;
    for (int32_t v = 0; v < (int32_t)m->vars.n; v++)
        if (m->vars.at[v].role == NRG_LATENT && (m->energy.vars >> v & 1) && nrg_model_infer(m, NRG_SAMPLE_VERB, v) &&
            !nrg_model_infer(m, NRG_MARGINALIZE, v) && !nrg_model_infer(m, NRG_MINIMIZE, v))
            found |= (nrg_vars)1 << v;
    return found;
}

bool nrg_draws_wanted(const nrg_model *m, const nrg_atom *a) {
    if (a->kind == NRG_POS) return only_drawn(m) != 0;
    return a->kind == NRG_FREE && (!summable(m, a->over) || only_drawn(m)) && drawn(m, a);
}

// ---- a source

static const nrg_infer_stmt *statement(const nrg_model *m, nrg_vars vars) {
    for (uint32_t i = 0; i < m->infers.n; i++)
        if (m->infers.at[i].verb == NRG_SAMPLE_VERB && (m->infers.at[i].vars & vars)) return &m->infers.at[i];
    return NULL;
}

static nrg_status bind_data(void *ud, nrg_scope *s) { return nrg_bound_nodes(ud, s); }

static nrg_status number(const nrg_model *m, const nrg_expr *call, const char *name, int place, double otherwise, double *out) {
    const nrg_expr *e = call && call->kind == NRG_X_CALL ? nrg_call_arg(call, name, place) : NULL;
    *out = otherwise;
    return e ? nrg_eval_schedule(m, e, 1, out) : NRG_OK;
}

static nrg_status read_statement(nrg_model *m, nrg_drawing *d, int64_t batch) {
    double n, steps;
    const nrg_infer_stmt *st = d->stmt;
    TRY(number(m, st->by, "steps", 0, STEPS, &steps));
    if (!(steps >= 1 && steps <= 1e6))
        return nrg_fail(m->ctx, NRG_E013, st->by_span, "%.6g steps between two updates: 1 to 1000000 are possible", steps);
    d->steps = (int64_t)steps;
    if (d->beside || !nrg_word_is(st->from, "buffer")) return NRG_OK; // beside the data no chain is kept
    TRY(number(m, st->from, "n", 0, (double)batch, &n));
    TRY(number(m, st->from, "restart", 1, 0, &d->restart));
    if (d->restart < 0 || d->restart > 1)
        return nrg_fail(m->ctx, NRG_E013, st->from->span, "restart of the buffer is %.6g: a share from 0 to 100%% of its chains", d->restart);
    if (n < (double)batch || n > 1e7) {
        nrg_status s = nrg_fail(m->ctx, NRG_E013, st->from->span, "a buffer of %.6g chains for batches of %lld", n, (long long)batch);
        nrg_help(m->ctx, "every sample of a batch takes a chain of its own: buffer(%lld) or more, at most 10 million", (long long)batch);
        return s;
    }
    d->slots = (int64_t)n;
    return NRG_OK;
}

static nrg_status open_chains(nrg_program *p, const nrg_bound *b, nrg_store *store, nrg_drawing *d, int64_t batch, int threads) {
    nrg_model *m = nrg_scope_model(p->scope);
    nrg_chains_spec spec = {.vars = d->vars, .given = d->given, .lanes = batch, .warmup = d->steps, .prefix = d->prefix,
                            .kept = d->slots > 0, .threads = threads,
                            .bind = bind_data, .ud = (void *)b};
    return nrg_chains_open(m, store, &spec, &d->chains);
}

nrg_status nrg_draws_open(nrg_program *p, const nrg_bound *b, nrg_store *store, uint32_t learn, const nrg_atom *a, int64_t batch, int threads,
                          nrg_drawing **out) {
    nrg_model *m = nrg_scope_model(p->scope);
    nrg_drawing *d = NRG_NEW(&p->arena, nrg_drawing);
    void *data;
    if (!d) return NRG_E098;
    *d = (nrg_drawing){.vars = drawn(m, a), .over = a->over, .given = a->data & ~a->over};
    if (a->kind == NRG_POS) d->vars = d->over = only_drawn(m), d->given = a->data, d->beside = true;
    d->stmt = statement(m, d->over);
    if (!d->vars || !d->stmt) {
        nrg_status s = nrg_fail(m->ctx, NRG_E049, m->learns.at[learn].span, "nothing says how to draw what this loss learns against");
        nrg_help(m->ctx, "add a statement: sample y by langevin(steps=20) from noise, or by a module: sample y by G(normal(10))");
        return s;
    }
    d->prefix = nrg_arena_print(&p->arena, "draw%u.%u", learn, p->draws.n);
    if (!d->prefix) return NRG_E098;
    TRY(read_statement(m, d, batch));
    TRY(open_chains(p, b, store, d, batch, threads));
    if (NRG_PUSH(&p->arena, p->draws, d) != NRG_OK) {
        nrg_chains_free(d->chains);
        return NRG_E098;
    }
    for (int i = 0; i < nrg_chains_vars(d->chains, d->var); i++) {
        const nrg_chains_state *st = nrg_chains_state_at(d->chains, i);
        d->slot[i] = nrg_arena_print(&p->arena, "buffer:%s", st->name);
        if (!d->slot[i]) return NRG_E098;
        if (d->slots) TRY(nrg_store_make(store, d->slot[i], st->count * d->slots, &data));
        d->n++;
    }
    if (d->slots && !(d->age = NRG_NEWS(&p->arena, double, d->slots))) return NRG_E098;
    if (!(d->lane = NRG_NEWS(&p->arena, int64_t, batch + 1)) || !(d->order = NRG_NEWS(&p->arena, int64_t, d->slots + 1))) return NRG_E098;
    d->batch = batch;
    d->moved = NAN;
    d->pass = -1;
    *out = d;
    return NRG_OK;
}

void nrg_draws_close(nrg_drawing *d) { nrg_chains_free(d->chains); }

// F at the draws: a node of the program that reads where the chains stand.
nrg_status nrg_draws_energy(nrg_program *p, nrg_drawing *d, nrg_node *F) {
    for (int i = 0; i < d->n; i++) {
        nrg_shape s;
        if (!(d->vars >> d->var[i] & 1)) continue;
        TRY(nrg_var_shape(nrg_scope_model(p->scope), d->var[i], &s));
        bool own = d->over >> d->var[i] & 1, summed = nrg_model_infer(nrg_scope_model(p->scope), NRG_MARGINALIZE, d->var[i]) != NULL;
        if (own || !summed) nrg_scope_bind(p->scope, d->var[i], nrg_input(p->g, nrg_chains_state_at(d->chains, i)->name, NRG_SAMPLE, s));
        if (!own && !summed) d->over |= (nrg_vars)1 << d->var[i]; // a latent that is only drawn stays where it was drawn
    }
    return nrg_infer_energy(p->inf, d->given | d->over, 0, NRG_MARGINALIZE, F, NULL);
}

// ---- before each step

static char *cell(const nrg_store *s, const char *name, int64_t at, size_t *size) {
    *size = nrg_dtype_size(nrg_store_type(s));
    return (char *)nrg_store_get(s, name)->data + (size_t)at * *size;
}

// The chains in the lanes go back to their slots; counts those that moved, of those that did not start anew.
static void put_back(nrg_drawing *d, nrg_store *s, int64_t n) {
    char again[256];
    double moved = 0, of = 0;
    snprintf(again, sizeof again, "%s:again", d->prefix);
    for (int64_t k = 0; k < n; k++) {
        bool other = false;
        if (nrg_store_number(nrg_store_type(s), nrg_store_get(s, again)->data, k) != 0) continue;
        for (int i = 0; i < d->n; i++) {
            const nrg_chains_state *st = nrg_chains_state_at(d->chains, i);
            size_t size;
            const char *lane = cell(s, st->name, k * st->count, &size), *slot = cell(s, d->slot[i], d->lane[k] * st->count, &size);
            other = other || memcmp(lane, slot, (size_t)st->count * size) != 0;
        }
        moved += other;
        of++;
    }
    d->moved = of > 0 ? moved / of : 1;
    for (int i = 0; i < d->n; i++) {
        const nrg_chains_state *st = nrg_chains_state_at(d->chains, i);
        for (int64_t k = 0; k < n; k++) {
            size_t size;
            char *lane = cell(s, st->name, k * st->count, &size), *slot = cell(s, d->slot[i], d->lane[k] * st->count, &size);
            memcpy(slot, lane, (size_t)st->count * size);
        }
    }
}

// Chains of the lanes at their starts: where they stood, or anew with the share `restart`.
static nrg_status start(nrg_model *m, nrg_drawing *d, nrg_store *s, int64_t n, double restart, uint64_t seed, int64_t step, uint32_t at) {
    char name[256];
    void *again;
    TRY(nrg_chains_ids(d->chains, d->lane, 0, n));
    if (!d->slots) return nrg_chains_start(d->chains, n, seed, at);
    snprintf(name, sizeof name, "%s:again", d->prefix);
    TRY(nrg_store_make(s, name, n, &again));
    for (int64_t k = 0; k < n; k++) {
        bool anew = restart >= 1 || nrg_random_uniform(seed, NRG_FOR_SPLIT + 16, (uint64_t)d->lane[k], (uint32_t)step, 0) < restart;
        d->age[d->lane[k]] = (anew ? 0 : d->age[d->lane[k]]) + (double)(step < 0 ? 0 : d->steps);
        if (nrg_store_type(s) == NRG_F64) ((double *)again)[k] = anew;
        else ((float *)again)[k] = anew;
    }
    for (int i = 0; i < d->n; i++) {
        nrg_buffer rows = *nrg_store_get(s, d->slot[i]);
        rows.rows = d->lane;
        snprintf(name, sizeof name, "%s:kept:%s", d->prefix, m->vars.at[d->var[i]].name);
        TRY(nrg_store_put(s, name, rows));
    }
    return nrg_chains_start(d->chains, n, seed, at);
}

// Fills the buffer with chains at their starts, a batch at a time.
nrg_status nrg_draws_fill(nrg_model *m, nrg_drawing *d, nrg_store *s, uint64_t seed) {
    for (int64_t at = 0; at < d->slots; at += d->batch) {
        int64_t n = d->slots - at < d->batch ? d->slots - at : d->batch;
        for (int64_t k = 0; k < n; k++) d->lane[k] = at + k;
        TRY(start(m, d, s, n, 1, seed, -1, 0));
        put_back(d, s, n);
    }
    return NRG_OK;
}

// Each step takes the next block of a shuffled order, so that no chain is taken twice in a batch and all grow alike.
static void pick_slots(nrg_drawing *d, int64_t n, uint64_t seed, int64_t step) {
    int64_t blocks = d->slots / d->batch, pass = step / blocks, block = step % blocks;
    bool all = d->slots == d->batch;
    if (pass != d->pass && !all) nrg_random_shuffle(seed, NRG_FOR_SHUFFLE + 16, (uint64_t)pass, d->order, d->slots);
    for (int64_t i = 0; i < d->slots && all && d->pass < 0; i++) d->order[i] = i;
    d->pass = pass;
    for (int64_t k = 0; k < n; k++) d->lane[k] = d->order[block * d->batch + k];
}

static nrg_status lost(nrg_model *m, const nrg_drawing *d, int64_t lane, int64_t step) {
    nrg_status st = nrg_fail(m->ctx, NRG_E080, d->stmt->span, "stopped: chain %lld of %s is no longer a number at step %lld: the sampler ran away",
                             (long long)lane, m->vars.at[d->var[0]].name, (long long)step + 1);
    nrg_help(m->ctx, "use a smaller step, clip=0.01 in langevin, a smooth activation (swish), or + 0.1 * energy_l2 in the loss");
    return st;
}

static bool is_number(const nrg_buffer *b, int64_t k) {
    return b->type == NRG_BUF_F64 ? isfinite(((const double *)b->data)[k]) : isfinite(((const float *)b->data)[k]);
}

static nrg_status check(nrg_model *m, const nrg_drawing *d, const nrg_store *s, int64_t n, int64_t step) {
    for (int i = 0; i < d->n; i++) {
        const nrg_chains_state *st = nrg_chains_state_at(d->chains, i);
        const nrg_buffer *b = nrg_store_get(s, st->name);
        int64_t bad = 0;
        while (bad < n * st->count && is_number(b, bad)) bad++;
        if (bad < n * st->count) return lost(m, d, bad / st->count, step);
    }
    return NRG_OK;
}

nrg_status nrg_draws_go(nrg_model *m, nrg_drawing *d, nrg_store *s, int64_t n, uint64_t seed, int64_t step) {
    uint32_t at = (uint32_t)((uint64_t)(step + 1) * (uint64_t)(d->steps + 1));
    for (int64_t k = 0; k < n && !d->slots; k++) d->lane[k] = k;
    if (d->slots) pick_slots(d, n, seed, step);
    TRY(start(m, d, s, n, d->restart, seed, step, at++));
    TRY(nrg_chains_go(d->chains, n, d->steps, seed, &at));
    TRY(check(m, d, s, n, step));
    if (d->slots) put_back(d, s, n);
    nrg_chains_score_of(d->chains, n, d->steps, &d->score);
    return NRG_OK;
}

double nrg_draws_age(const nrg_drawing *d) {
    double sum = 0;
    for (int64_t i = 0; i < d->slots; i++) sum += d->age[i];
    return d->slots ? sum / (double)d->slots : (double)d->steps;
}

// "sample v, h by gibbs   (blocks h | v)   (draws for nll: 100 persistent chains, 1 step an update)"
nrg_status nrg_draws_print(const nrg_drawing *d, nrg_text *out) {
    TRY(nrg_chains_print(d->chains, out));
    const char *s = d->steps == 1 ? "" : "s";
    long long k = (long long)d->steps;
    if (d->beside) {
        nrg_text_put(out, "   (beside the data: %lld step%s)", k, s);
        return out->bad ? NRG_E098 : NRG_OK;
    }
    if (d->slots) {
        nrg_text_put(out, "   (draws for nll: %lld persistent chains, %lld step%s an update", (long long)d->slots, k, s);
        if (d->restart > 0) nrg_text_put(out, ", %.3g%% restarted", 100 * d->restart);
        nrg_text_put(out, ")");
    } else if (nrg_word_is(d->stmt->from, "data"))
        nrg_text_put(out, "   (draws for nll: contrastive divergence, %lld step%s from the data, biased)", k, s);
    else nrg_text_put(out, "   (draws for nll: short runs of %lld step%s, biased)", k, s);
    return out->bad ? NRG_E098 : NRG_OK;
}
