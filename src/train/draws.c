// Contrastive learning by draws: where a loss reads `free` and the sum is out of reach, the gradient of the free energy is that of F
// at draws from the model (Hinton 2002). One source for each such atom: chains that start at the data (contrastive divergence), at noise
// (short runs), at a module's guess, or where they stood before (persistent chains, a replay buffer; Tieleman 2008, Du and Mordatch
// 2019). What the atom then shows is the energy of the draws: a gap, not a likelihood.
#include "train/inside.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STEPS = 20, SWAP = 5, MOST_LEVELS = 64 }; // of a chain before each update, unless told; steps between exchanges of heats
static const double HOTTEST = 0.05;              // of a ladder, unless told

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

static nrg_status read_ladder(nrg_model *m, nrg_drawing *d) {
    double levels, hottest;
    const nrg_expr *from = d->stmt->from;
    TRY(number(m, from, "tempering", 3, 1, &levels));
    TRY(number(m, from, "hottest", 4, HOTTEST, &hottest));
    if (!(levels >= 1 && levels <= MOST_LEVELS && levels == floor(levels)))
        return nrg_fail(m->ctx, NRG_E013, from->span, "tempering of the buffer is %.6g: 1 to %d heats are possible", levels, MOST_LEVELS);
    if (!(hottest > 0 && hottest <= 1)) {
        nrg_status s = nrg_fail(m->ctx, NRG_E013, from->span, "hottest of the buffer is %.6g", hottest);
        nrg_help(m->ctx, "a heat multiplies the energy: above 0 (flat) up to 1 (as it is); 0.05 unless told");
        return s;
    }
    if ((double)d->slots * levels > 1 << 24) { // numbers of chains are exact in float32
        nrg_status s = nrg_fail(m->ctx, NRG_E013, from->span, "a buffer of %lld ladders of %.0f chains", (long long)d->slots, levels);
        nrg_help(m->ctx, "at most %d chains can be told apart", 1 << 24);
        return s;
    }
    d->ladder.levels = (int64_t)levels;
    d->ladder.hottest = hottest;
    return NRG_OK;
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
    if (n < (double)(batch * d->many) || n > 1e7) {
        nrg_status s = nrg_fail(m->ctx, NRG_E013, st->from->span, "a buffer of %.6g chains for batches of %lld", n, (long long)batch);
        nrg_help(m->ctx, "every draw of a batch takes a chain of its own: buffer(%lld) or more, at most 10 million", (long long)(batch * d->many));
        return s;
    }
    d->slots = (int64_t)n;
    return read_ladder(m, d);
}

static nrg_status open_chains(nrg_program *p, nrg_store *store, nrg_drawing *d) {
    nrg_model *m = nrg_scope_model(p->scope);
    int64_t lanes = d->batch * d->each;
    nrg_chains_spec spec = {.vars = d->vars, .given = d->given, .lanes = lanes, .warmup = d->steps, .prefix = d->prefix,
                            .kept = d->slots > 0, .heated = d->ladder.levels > 1, .paced = true, .threads = p->threads, .products = p->drawn,
                            .bind = bind_data, .ud = (void *)d->bound};
    if (!(d->ladder.name = nrg_arena_print(&p->arena, "%s:heat", d->prefix))) return NRG_E098;
    if (!(d->energy = nrg_arena_get(&p->arena, (size_t)(lanes + 1) * sizeof(double)))) return NRG_E098;
    return nrg_chains_open(m, store, &spec, &d->chains);
}

// What is kept beside the chains: the buffer, the draws, what the step sizes have learned.
static nrg_status open_rooms(nrg_program *p, nrg_store *store, nrg_drawing *d) {
    int64_t lanes = d->batch * d->each, kept = d->slots * d->ladder.levels;
    void *data;
    for (int i = 0; i < nrg_chains_vars(d->chains, d->var); i++) {
        const nrg_chains_state *st = nrg_chains_state_at(d->chains, i);
        d->slot[i] = nrg_arena_print(&p->arena, "buffer:%s", st->name);
        d->draw[i] = d->ladder.levels > 1 ? nrg_arena_print(&p->arena, "draw:%s", st->name) : st->name;
        if (!d->slot[i] || !d->draw[i]) return NRG_E098;
        if (d->slots) TRY(nrg_store_make(store, d->slot[i], st->count * kept, &data));
        if (d->ladder.levels > 1) TRY(nrg_store_make(store, d->draw[i], st->count * d->batch * d->many, &data));
        d->n++;
    }
    if (d->slots && !(d->age = NRG_NEWS(&p->arena, double, kept))) return NRG_E098;
    d->lane = NRG_NEWS(&p->arena, int64_t, lanes + 1);
    d->row = NRG_NEWS(&p->arena, int64_t, lanes + 1);
    d->order = NRG_NEWS(&p->arena, int64_t, d->slots + 1);
    if (!d->lane || !d->row || !d->order) return NRG_E098;
    TRY(nrg_mixing_open(&p->arena, d));
    return nrg_pace_open(d->chains, &p->arena, lanes, d->ladder.levels, &d->pace);
}

// Chains of their own samples, of few steps that nobody looks at in between, move as a part of the program: what it reads of the energies
// that they were drawn by is there already, and weights are packed once.
static nrg_status join_program(nrg_program *p, nrg_drawing *d) {
    if (d->each > 1 || d->pace.n || !nrg_chains_unrolls(d->chains, p->g, d->steps)) return NRG_OK;
    return nrg_chains_unroll(d->chains, p->g, d->steps, (uint32_t)nrg_chains_numbers(d->chains, d->steps) + 1, &d->within);
}

nrg_status nrg_draws_open(nrg_program *p, const nrg_bound *b, nrg_store *store, uint32_t learn, const nrg_atom *a, int64_t many, nrg_drawing **out) {
    nrg_model *m = nrg_scope_model(p->scope);
    nrg_drawing *d = NRG_NEW(&p->arena, nrg_drawing);
    if (!d) return NRG_E098;
    *d = (nrg_drawing){.vars = drawn(m, a), .over = a->over, .given = a->data & ~a->over, .bound = b, .batch = p->batch, .many = many,
                       .moved = NAN, .pass = -1, .ladder = {.levels = 1}};
    if (a->kind == NRG_POS) d->vars = d->over = only_drawn(m), d->given = a->data, d->beside = true;
    d->stmt = statement(m, d->over);
    if (!d->vars || !d->stmt) {
        nrg_status s = nrg_fail(m->ctx, NRG_E049, m->learns.at[learn].span, "nothing says how to draw what this loss learns against");
        nrg_help(m->ctx, "add a statement: sample y by langevin(steps=20) from noise, or by a module: sample y by G(normal(10))");
        return s;
    }
    d->prefix = nrg_arena_print(&p->arena, "draw%u.%u", learn, p->draws.n);
    if (!d->prefix) return NRG_E098;
    TRY(read_statement(m, d, p->batch));
    d->each = d->many * d->ladder.levels;
    TRY(open_chains(p, store, d));
    if (NRG_PUSH(&p->arena, p->draws, d) != NRG_OK) {
        nrg_chains_free(d->chains);
        return NRG_E098;
    }
    *out = d;
    TRY(open_rooms(p, store, d));
    return join_program(p, d);
}

void nrg_draws_close(nrg_drawing *d) { nrg_chains_free(d->chains); }

nrg_node nrg_draws_place(const nrg_program *p, const nrg_drawing *d, int i, nrg_shape shape) {
    return d->within ? nrg_stop(p->g, d->within[i].value) : nrg_input(p->g, d->draw[i], NRG_SAMPLE, shape);
}

// F at the draws: a node of the program that reads where the chains stand.
nrg_status nrg_draws_energy(nrg_program *p, nrg_drawing *d, nrg_node *F) {
    for (int i = 0; i < d->n; i++) {
        nrg_shape s;
        if (!(d->vars >> d->var[i] & 1)) continue;
        TRY(nrg_var_shape(nrg_scope_model(p->scope), d->var[i], &s));
        bool own = d->over >> d->var[i] & 1, summed = nrg_model_infer(nrg_scope_model(p->scope), NRG_MARGINALIZE, d->var[i]) != NULL;
        if (own || !summed) nrg_scope_bind(p->scope, d->var[i], nrg_draws_place(p, d, i, s));
        if (!own && !summed) d->over |= (nrg_vars)1 << d->var[i]; // a latent that is only drawn stays where it was drawn
    }
    return nrg_infer_energy(p->inf, d->given | d->over, 0, NRG_MARGINALIZE, F, NULL);
}

nrg_status nrg_draws_level(nrg_program *p, nrg_store *store, nrg_node *F) {
    char name[64];
    snprintf(name, sizeof name, "level:%u", p->levels++);
    *F = nrg_input(p->g, name, 0, nrg_shape_of(0, NULL));
    return nrg_number_set(store, name, 0);
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

// Where chains of n lanes start: where they stood, or anew with the share `restart`, a ladder as a whole.
static nrg_status set_starts(nrg_model *m, nrg_drawing *d, nrg_store *s, int64_t n, double restart, uint64_t seed, int64_t step) {
    char name[256];
    void *again;
    TRY(nrg_chains_ids(d->chains, d->lane, 0, n));
    if (!d->slots) return NRG_OK;
    snprintf(name, sizeof name, "%s:again", d->prefix);
    TRY(nrg_store_make(s, name, n, &again));
    for (int64_t k = 0; k < n; k++) {
        uint64_t ladder = (uint64_t)(d->lane[k] / d->ladder.levels);
        bool anew = restart >= 1 || nrg_random_uniform(seed, NRG_FOR_SPLIT + 16, ladder, (uint32_t)step, 0) < restart;
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
    return NRG_OK;
}

// The lanes of n ladders, those of the buffer that `slot` names (NULL: first, first + 1, ...).
static int64_t take_lanes(nrg_drawing *d, const int64_t *slot, int64_t first, int64_t n) {
    int64_t levels = d->ladder.levels;
    for (int64_t k = 0; k < n * levels; k++) d->lane[k] = (slot ? slot[k / levels] : first + k / levels) * levels + k % levels;
    return n * levels;
}

// Fills the buffer with chains at their starts, a batch at a time.
nrg_status nrg_draws_fill(nrg_model *m, nrg_drawing *d, nrg_store *s, uint64_t seed) {
    int64_t most = d->batch * d->many;
    for (int64_t at = 0; at < d->slots; at += most) {
        int64_t n = take_lanes(d, NULL, at, d->slots - at < most ? d->slots - at : most);
        TRY(set_starts(m, d, s, n, 1, seed, -1));
        TRY(nrg_chains_start(d->chains, n, seed, 0));
        put_back(d, s, n);
    }
    return NRG_OK;
}

// Each step takes the next block of a shuffled order, so that no chain is taken twice in a batch and all grow alike.
static const int64_t *pick_slots(nrg_drawing *d, uint64_t seed, int64_t step) {
    int64_t most = d->batch * d->many, blocks = d->slots / most, pass = step / blocks, block = step % blocks;
    bool all = d->slots == most;
    if (pass != d->pass && !all) nrg_random_shuffle(seed, NRG_FOR_SHUFFLE + 16, (uint64_t)pass, d->order, d->slots);
    for (int64_t i = 0; i < d->slots && all && d->pass < 0; i++) d->order[i] = i;
    d->pass = pass;
    return d->order + block * most;
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
        if (m->vars.at[d->var[i]].elem != NRG_REAL) continue; // values from a list
        while (bad < n * st->count && is_number(b, bad)) bad++;
        if (bad < n * st->count) return lost(m, d, bad / st->count, step);
    }
    return NRG_OK;
}

// Steps of the chains in the lanes; on ladders neighbours may change places after every few.
static nrg_status move(nrg_drawing *d, nrg_store *s, int64_t lanes, uint64_t seed, int64_t step, uint32_t at) {
    int64_t every = d->ladder.levels < 2 || d->steps < SWAP ? d->steps : SWAP, times = (d->steps + every - 1) / every;
    d->ladder.lanes = lanes;
    d->ladder.rounds = step * times;
    d->ladder.tried = d->ladder.taken = 0;
    if (d->ladder.levels > 1) nrg_ladder_heats(&d->ladder, s, 1);
    nrg_pace_set(&d->pace);
    for (int64_t t = 0; t < d->steps; t += every) {
        TRY(nrg_chains_go(d->chains, lanes, d->steps - t < every ? d->steps - t : every, seed, &at));
        if (d->ladder.levels > 1) TRY(nrg_ladder_swap(&d->ladder, d->chains, s, seed, at, d->energy));
    }
    nrg_pace_learn(&d->pace, lanes, d->steps);
    return NRG_OK;
}

// The draws are the places at heat 1.
static void hand_out(const nrg_drawing *d, const nrg_store *s, int64_t n) {
    for (int i = 0; i < d->n && d->ladder.levels > 1; i++) {
        const nrg_chains_state *st = nrg_chains_state_at(d->chains, i);
        for (int64_t k = 0; k < n * d->many; k++) {
            size_t size;
            const char *from = cell(s, st->name, k * d->ladder.levels * st->count, &size);
            memcpy(cell(s, d->draw[i], k * st->count, &size), from, (size_t)st->count * size);
        }
    }
}

// Several lanes see the row of their sample; the loss sees the rows themselves again.
static nrg_status draw_at(nrg_drawing *d, nrg_store *s, const int64_t *rows, int64_t lanes, uint64_t seed, int64_t step) {
    uint64_t used = (uint64_t)(step + 1) * (uint64_t)(nrg_chains_numbers(d->chains, d->steps) + 1);
    uint32_t at = (uint32_t)(used & 0x7fffffff);
    seed += used >> 31; // steps are counted in 32 bits
    for (int64_t k = 0; k < lanes; k++) d->row[k] = rows[k / d->each];
    if (d->each > 1) TRY(nrg_bound_rows_set(d->bound, s, d->row));
    TRY(nrg_chains_start(d->chains, lanes, seed, at));
    TRY(move(d, s, lanes, seed, step, at + 1));
    return d->each > 1 ? nrg_bound_rows_set(d->bound, s, rows) : NRG_OK;
}

// After the chains have moved.
static nrg_status settle(nrg_model *m, nrg_drawing *d, nrg_store *s, int64_t step) {
    int64_t lanes = d->drawn * d->ladder.levels;
    TRY(check(m, d, s, lanes, step));
    if (d->slots) put_back(d, s, lanes);
    nrg_mixing_note(d, s, lanes);
    nrg_chains_score_of(d->chains, lanes, d->steps, &d->score);
    return NRG_OK;
}

nrg_status nrg_draws_go(nrg_model *m, nrg_drawing *d, nrg_store *s, const int64_t *rows, int64_t n, uint64_t seed, int64_t step) {
    int64_t lanes = take_lanes(d, d->slots ? pick_slots(d, seed, step) : NULL, 0, n * d->many);
    d->drawn = n * d->many;
    TRY(set_starts(m, d, s, lanes, d->restart, seed, step));
    if (d->within) return NRG_OK;
    TRY(draw_at(d, s, rows, lanes, seed, step));
    TRY(settle(m, d, s, step));
    hand_out(d, s, n);
    return NRG_OK;
}

nrg_status nrg_draws_took(nrg_model *m, nrg_drawing *d, nrg_store *s, int64_t step) { return d->within ? settle(m, d, s, step) : NRG_OK; }

double nrg_draws_age(const nrg_drawing *d) {
    double sum = 0;
    int64_t n = d->slots * d->ladder.levels;
    for (int64_t i = 0; i < n; i++) sum += d->age[i];
    return n ? sum / (double)n : (double)d->steps;
}

nrg_status nrg_draws_steps(const nrg_drawing *d, nrg_text *out) { return nrg_chains_plan_print(d->chains, out); }

// "sample v, h by gibbs   (blocks h | v)   (draws: 100 persistent chains, 1 step an update)"
nrg_status nrg_draws_print(const nrg_drawing *d, nrg_text *out) {
    TRY(nrg_chains_print(d->chains, out));
    const char *s = d->steps == 1 ? "" : "s";
    long long k = (long long)d->steps;
    if (d->beside) {
        nrg_text_put(out, "   (beside the data: %lld step%s)", k, s);
        return out->bad ? NRG_E098 : NRG_OK;
    }
    if (d->slots) {
        nrg_text_put(out, "   (draws: %lld persistent chains, %lld step%s an update", (long long)d->slots, k, s);
        if (d->restart > 0) nrg_text_put(out, ", %.3g%% restarted", 100 * d->restart);
        if (d->ladder.levels > 1) nrg_text_put(out, ", each on a ladder of %lld heats down to %.3g", (long long)d->ladder.levels, d->ladder.hottest);
        nrg_text_put(out, ")");
    } else if (nrg_word_is(d->stmt->from, "data"))
        nrg_text_put(out, "   (draws: contrastive divergence, %lld step%s from the data, biased)", k, s);
    else nrg_text_put(out, "   (draws: short runs of %lld step%s, biased)", k, s);
    return out->bad ? NRG_E098 : NRG_OK;
}
