// The trainer: binds data, makes weights and programs, loops over epochs and batches, keeps the best and the last state.
#include "train/inside.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double nrg_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// ---- making ------------------------------------------------------------------------------------------------------

static nrg_status nothing(nrg_trainer *t) {
    nrg_model *m = t->m;
    const char *what = m->learns.n == 0 ? "learn" : "optimize";
    nrg_status s =
        nrg_fail(t->ctx, NRG_E070, NRG_NOWHERE, "this model has nothing to learn: it has no %s statement", what);
    nrg_help(t->ctx, "add for instance   learn nll   and   optimize by adam(lr=1e-3), or ask it as it is");
    return s;
}

// Training and validation rows: a fraction drawn by counter, both in the order of the data.
static nrg_status split(nrg_trainer *t) {
    int64_t n = nrg_bound_rows(t->bound), held = t->o.valid_table ? 0 : (int64_t)floor((double)n * t->o.valid + 0.5);
    int64_t *order = NRG_NEWS(&t->arena, int64_t, n + 1);
    uint8_t *out = NRG_NEWS(&t->arena, uint8_t, n + 1);
    t->rows = NRG_NEWS(&t->arena, int64_t, n + 1);
    t->order = order;
    if (!order || !out || !t->rows || !(t->valid = NRG_NEWS(&t->arena, int64_t, n + 1))) return NRG_E098;
    if (t->o.valid < 0 || t->o.valid >= 1 || held >= n) {
        if (n > 0 && held >= n)
            return nrg_fail(t->ctx, NRG_E090, NRG_NOWHERE, "--valid %g%% of %lld samples leaves none to learn from",
                            100 * t->o.valid, (long long)n);
        if (n > 0)
            return nrg_fail(t->ctx, NRG_E090, NRG_NOWHERE, "--valid %g%%: a part between 0 and 100 %% is held out",
                            100 * t->o.valid);
        nrg_status s = nrg_fail(t->ctx, NRG_E050, NRG_NOWHERE, "the data have no samples");
        return s;
    }
    nrg_random_shuffle(t->o.seed, NRG_FOR_SPLIT, 0, order, n);
    for (int64_t i = 0; i < held; i++) out[order[i]] = 1;
    for (int64_t i = 0; i < n; i++) {
        if (out[i]) t->valid[t->valid_n++] = i;
        else t->rows[t->rows_n++] = i;
    }
    double sum = 0;
    for (int64_t i = 0; i < t->rows_n; i++) sum += nrg_bound_weight_of(t->bound, t->rows[i]);
    t->mean_weight = sum / (double)t->rows_n;
    if (t->mean_weight > 0) return NRG_OK;
    return nrg_fail(t->ctx, NRG_E055, NRG_NOWHERE, "all row weights are zero");
}

static nrg_status bind(nrg_trainer *t) {
    nrg_bind_spec spec = {
        .maps = t->o.maps, .maps_n = t->o.maps_n, .need = nrg_loss_data(t->m), .fit = true, .threads = t->o.threads};
    TRY(nrg_bind_data(t->m, t->table, t->store, &spec, &t->bound));
    TRY(split(t));
    t->m->rows = t->rows_n;
    if (t->o.out) t->hash = nrg_table_hash(t->table); // who goes on with a run asks for it
    for (uint32_t i = 0; i < t->m->dims.n; i++) {
        const nrg_dim *d = &t->m->dims.at[i];
        if (d->size >= 0) continue;
        nrg_status s = nrg_fail(t->ctx, NRG_E050, d->span,
                                "the size of %s is not known: no array of the data has this axis", d->name);
        nrg_help(t->ctx, "declare it, dim %s = 10, or --set %s=10", d->name, d->name);
        return s;
    }
    if (!t->o.valid_table) return NRG_OK;
    spec.fit = false;
    TRY(nrg_bind_data(t->m, t->o.valid_table, t->store, &spec, &t->valid_bound));
    t->valid_n = nrg_bound_rows(t->valid_bound);
    t->valid = NRG_NEWS(&t->arena, int64_t, t->valid_n + 1);
    if (!t->valid) return NRG_E098;
    for (int64_t i = 0; i < t->valid_n; i++) t->valid[i] = i;
    return NRG_OK;
}

static bool minibatches(const nrg_trainer *t) {
    for (uint32_t i = 0; i < t->teams.n; i++)
        if (!t->teams.at[i].way->whole) return true;
    return false;
}

// A copy of the best weights: written to disk with the next checkpoint.
static nrg_status keep_best(nrg_trainer *t) {
    int64_t at = 0;
    if (!t->best) {
        for (uint32_t i = 0; i < t->m->params.n; i++) t->best_n += nrg_shape_count(&t->m->params.at[i].shape);
        t->best_bytes = (size_t)(t->best_n + 1) * (t->type == NRG_F64 ? sizeof(double) : sizeof(float));
        if (!(t->best = nrg_mem(t->ctx, NULL, 0, t->best_bytes))) return NRG_E098;
    }
    size_t size = t->type == NRG_F64 ? sizeof(double) : sizeof(float);
    for (uint32_t i = 0; i < t->m->params.n; i++) {
        int64_t n = nrg_shape_count(&t->m->params.at[i].shape);
        memcpy((char *)t->best + (size_t)at * size, nrg_store_get(t->store, t->m->params.at[i].name)->data,
               (size_t)n * size);
        at += n;
    }
    t->best_fresh = true;
    t->best_epoch = t->epoch + 1;
    return NRG_OK;
}

static void swap_best(nrg_trainer *t) {
    size_t size = t->type == NRG_F64 ? sizeof(double) : sizeof(float), at = 0;
    for (uint32_t i = 0; i < t->m->params.n; i++) {
        size_t n = (size_t)nrg_shape_count(&t->m->params.at[i].shape) * size;
        unsigned char *a = (unsigned char *)t->best + at, *b = nrg_store_get(t->store, t->m->params.at[i].name)->data;
        for (size_t k = 0; k < n; k++) {
            unsigned char x = a[k];
            a[k] = b[k];
            b[k] = x;
        }
        at += n;
    }
}

void nrg_best_back(nrg_trainer *t) {
    size_t size = nrg_dtype_size(t->type), at = 0;
    for (uint32_t i = 0; i < t->m->params.n; i++) {
        size_t n = (size_t)nrg_shape_count(&t->m->params.at[i].shape) * size;
        memcpy(nrg_store_get(t->store, t->m->params.at[i].name)->data, (const char *)t->best + at, n);
        at += n;
    }
}

static nrg_status write_best(nrg_trainer *t) {
    if (!t->best_fresh || !t->o.out) return NRG_OK;
    swap_best(t);
    nrg_status s = nrg_run_save(t, true);
    swap_best(t);
    t->best_fresh = false;
    return s;
}

const char *nrg_products_name(const nrg_trainer *t) {
    if (t->drawn == t->type) return nrg_dtype_name(t->type);
    return t->drawn == NRG_BF16 ? "f32, bf16 in draws" : "f32, bf16x3 in draws";
}

static nrg_status make(nrg_trainer *t) {
    if (t->m->learns.n == 0 || t->m->optimizes.n == 0) return nothing(t);
    if (t->o.threads < 1) t->o.threads = 1;
    t->type = nrg_dtype_of(t->o.f64, t->o.draws_only ? NRG_PRODUCTS_FULL : t->o.products);
    t->drawn = nrg_dtype_of(t->o.f64, t->o.products);
    t->best_loss = INFINITY;
    t->slow = 1;
    t->valid_loss = NAN;
    TRY(nrg_run_open(t));
    TRY(nrg_store_new(t->ctx, t->type, &t->store));
    TRY(bind(t));
    TRY(nrg_loss_clock(t->m, t->store, 0));
    TRY(nrg_model_resolve(t->m, t->type));
    if (t->m->params.n == 0) return nrg_fail(t->ctx, NRG_E070, NRG_NOWHERE, "this model has no weights");
    if (t->o.init) TRY(nrg_weights_from(t->m, t->store, t->o.init));
    else TRY(nrg_weights_init(t->m, t->store, t->bound, t->rows, t->rows_n, t->o.seed));
    if (t->o.rescue) { // something to go back to before the first epoch ends
        t->epoch = -1;
        TRY(keep_best(t));
        t->epoch = 0;
        t->best_fresh = false;
    }
    TRY(nrg_teams_make(t));
    t->batch_rows = NRG_NEWS(&t->arena, int64_t, t->batch + 1);
    if (!t->batch_rows) return NRG_E098;
    t->steps = minibatches(t) ? (t->rows_n + t->batch - 1) / t->batch : 1;
    TRY(minibatches(t) ? nrg_step_build(t) : nrg_value_build(t, &t->value, t->bound, t->rows_n));
    if (t->o.resume) return nrg_run_load(t);
    for (uint32_t i = 0; i < t->step.draws.n; i++)
        if (t->step.draws.at[i]->slots) TRY(nrg_draws_fill(t->m, t->step.draws.at[i], t->store, t->o.seed));
    return NRG_OK;
}

nrg_status nrg_trainer_new(nrg_model *m, const nrg_table *table, const nrg_train_options *o, nrg_trainer **out) {
    nrg_arena arena = nrg_arena_make(m->ctx);
    nrg_trainer *t = NRG_NEW(&arena, nrg_trainer);
    *out = NULL;
    if (!t) {
        nrg_arena_free(&arena);
        return NRG_E098;
    }
    *t = (nrg_trainer){.ctx = m->ctx, .arena = arena, .m = m, .table = table, .o = *o};
    nrg_status s = make(t);
    if (s == NRG_OK) *out = t;
    else nrg_trainer_free(t);
    return s;
}

void nrg_trainer_free(nrg_trainer *t) {
    if (!t) return;
    for (uint32_t i = 0; i < t->teams.n; i++)
        if (t->teams.at[i].way->drop) t->teams.at[i].way->drop(t, &t->teams.at[i]);
    nrg_program_free(&t->step);
    nrg_program_free(&t->judge);
    nrg_program_free(&t->value);
    nrg_program_free(&t->held_out);
    nrg_held_free(t);
    nrg_bound_free(t->bound);
    nrg_bound_free(t->valid_bound);
    nrg_store_free(t->store);
    if (t->best) nrg_mem(t->ctx, t->best, t->best_bytes, 0);
    nrg_arena arena = t->arena;
    nrg_arena_free(&arena);
}

nrg_store *nrg_trainer_store(nrg_trainer *t) { return t->store; }

// ---- looking -----------------------------------------------------------------------------------------------------

static void put_count(nrg_text *out, double n) {
    if (n >= 1e6) nrg_text_put(out, "%.2f M", n / 1e6);
    else if (n >= 1e4) nrg_text_put(out, "%.1f k", n / 1e3);
    else nrg_text_put(out, "%.0f", n);
}

static void put_plan(const nrg_trainer *t, nrg_text *out) {
    const nrg_program *p = t->step.g ? &t->step : &t->value;
    nrg_text said = nrg_text_make(t->ctx);
    if (p->inf) nrg_inference_print(p->inf, &said);
    const char *gap = "";
    for (char *line = said.at ? strtok(said.at, "\n") : NULL; line; line = strtok(NULL, "\n")) {
        nrg_text_put(out, "%s%s", gap, line);
        gap = "   ";
    }
    for (uint32_t i = 0; i < p->draws.n; i++) {
        nrg_text_put(out, "%s", gap);
        (void)nrg_draws_print(p->draws.at[i], out);
        gap = "   ";
    }
    for (uint32_t i = 0; i < t->teams.n; i++) {
        const nrg_team *gr = &t->teams.at[i];
        nrg_text_put(out, "%soptimize ", gap);
        for (uint32_t k = 0; k < gr->stmt->n; k++) nrg_text_put(out, "%s%s", k ? ", " : "", gr->stmt->names[k]);
        nrg_text_put(out, "%sby %s", gr->stmt->n ? " " : "", gr->way->name);
        if (gr->way->print) gr->way->print(t, gr, out);
        gap = "   ";
    }
    nrg_text_free(&said);
}

nrg_status nrg_trainer_steps(const nrg_trainer *t, nrg_text *out) {
    const nrg_program *p = t->step.plan ? &t->step : &t->value;
    if (p->plan) {
        nrg_text_put(out, t->step.plan ? "\nan update of the weights: " : "\na pass over the rows: ");
        nrg_plan_print(p->plan, out);
    }
    for (uint32_t i = 0; i < p->draws.n; i++) {
        if (p->draws.at[i]->within) continue; // their steps are a part of the update
        nrg_text_put(out, "\na step of its chains: ");
        TRY(nrg_draws_steps(p->draws.at[i], out));
    }
    return out->bad ? NRG_E098 : NRG_OK;
}

void nrg_trainer_plan(const nrg_trainer *t, nrg_text *out) {
    const char *file = nrg_source_name(t->ctx, t->m->file);
    double weights = 0;
    nrg_text_put(out, "model  %s ", file ? file : "(in memory)");
    for (uint32_t i = 0; i < t->m->dims.n; i++)
        nrg_text_put(out, "  %s %lld", t->m->dims.at[i].name, (long long)t->m->dims.at[i].size);
    for (uint32_t i = 0; i < t->m->params.n; i++) weights += (double)nrg_shape_count(&t->m->params.at[i].shape);
    nrg_text_put(out, "   weights ");
    put_count(out, weights);
    if (nrg_dtype_bf16(t->drawn)) nrg_text_put(out, "   products %s%s", nrg_products_name(t), nrg_run_has_bf16() ? "" : ", emulated");
    nrg_text_put(out, "\nplan   ");
    put_plan(t, out);
    const char *from = nrg_table_count(t->table) ? nrg_table_at(t->table, 0)->file : NULL;
    nrg_text_put(out, "\ndata   %s  %lld samples", from ? from : "(in memory)", (long long)t->rows_n);
    if (t->valid_n) nrg_text_put(out, "   valid %lld", (long long)t->valid_n);
    if (minibatches(t)) nrg_text_put(out, "   batch %lld", (long long)t->batch);
    nrg_text_put(out, "   epochs %lld\n", (long long)t->epochs);
}

// ---- going -------------------------------------------------------------------------------------------------------

static double over(double sum, double weight) { return weight > 0 ? sum / weight : NAN; }

static void fill(nrg_trainer *t, nrg_progress *p, bool end) {
    bool mini = minibatches(t);
    double w = mini ? t->sums.weight : 1, *seen = t->sums.seen, now = nrg_clock();
    double done = (double)t->epoch * (double)t->steps + (double)t->at, all = (double)(t->epochs * t->steps);
    *p = (nrg_progress){.epoch = t->epoch + 1, .epochs = t->epochs, .step = t->at, .steps = t->steps, .epoch_end = end};
    p->fraction = (double)t->at / (double)t->steps;
    p->loss = over(t->sums.loss, w);
    p->norm = over(t->sums.norm, w);
    p->pos = t->seen[NRG_SEEN_POS] ? over(seen[NRG_SEEN_POS], w) : NAN;
    p->neg = t->seen[NRG_SEEN_NEG] ? over(seen[NRG_SEEN_NEG], w) : NAN;
    p->free = t->seen[NRG_SEEN_FREE] ? over(seen[NRG_SEEN_FREE], w) : NAN;
    p->gap = t->seen[NRG_SEEN_NEG] ? p->neg - p->pos : p->pos - p->free;
    for (uint32_t i = 0; i < t->teams.n && p->lr == 0; i++)
        p->lr = t->teams.at[i].way->whole ? 0 : t->teams.at[i].lr_now;
    p->valid_loss = t->valid_loss;
    nrg_watch_fill(t, p);
    p->seconds = t->seconds + now - t->started;
    double spent = now - t->started, made = done - t->first_step;
    p->eta = made > 0 ? spent * (all - done) / made : NAN;
    p->samples_per_second = spent > 0 ? made * (double)t->rows_n / (double)t->steps / spent : 0;
}

// At most ten times a second, and at the end of an epoch. Notes the wish to stop.
static void show(nrg_trainer *t, const nrg_progress *p) {
    t->shown = nrg_clock();
    if (t->fn && !t->fn(t->ud, p)) t->stopped = true;
}

static nrg_status checkpoint(nrg_trainer *t) {
    t->saved = nrg_clock();
    TRY(write_best(t));
    return nrg_run_save(t, false);
}

static bool due(const nrg_trainer *t, bool epoch_end, double now) {
    double wait = t->o.checkpoint_seconds > 0 ? t->o.checkpoint_seconds : 300;
    if (epoch_end && wait > 1) wait = 1; // short epochs do not wear out the disk
    return now - t->saved >= wait;
}

static nrg_status end_epoch(nrg_trainer *t) {
    nrg_progress p;
    for (uint32_t i = 0; i < t->step.draws.n; i++) t->step.draws.at[i]->level = over(t->sums.level[i], t->sums.weight);
    if (t->valid_n) {
        const nrg_bound *b = t->valid_bound ? t->valid_bound : t->bound;
        nrg_sums kept = t->sums;
        nrg_status s = nrg_pass_loss(t, &t->held_out, b, t->valid, t->valid_n, &t->valid_loss);
        t->sums = kept; // a pass also leaves its atoms there
        TRY(s);
    }
    fill(t, &p, true);
    double score = t->valid_n ? t->valid_loss : p.loss;
    p.best = t->step.draws.n > 0 || nrg_proposers(t->m) ? nrg_watch_calm(t, p.gap) : score < t->best_loss;
    if (p.best) {
        t->best_loss = score;
        TRY(keep_best(t));
    }
    TRY(nrg_mixing_look(t, &p));
    nrg_watch_epoch(t, &p);
    if (minibatches(t)) nrg_watch_slope(t, &p);
    t->sums = (nrg_sums){0};
    t->epoch++;
    t->at = 0;
    TRY(nrg_collapse_watch(t));
    TRY(nrg_missed_watch(t));
    p.missed = t->missed, p.judged = t->judged;
    TRY(nrg_run_log(t, &p));
    show(t, &p);
    return due(t, true, nrg_clock()) ? checkpoint(t) : NRG_OK;
}

static nrg_status rounds(nrg_trainer *t) {
    nrg_sums kept = t->sums;
    for (uint32_t i = 0; i < t->teams.n; i++) {
        nrg_team *gr = &t->teams.at[i];
        if (gr->way->whole && !gr->done && t->epoch < gr->epochs) TRY(gr->way->round(t, gr));
    }
    if (minibatches(t)) t->sums = kept; // the line shows the minibatches
    return NRG_OK;
}

static bool finished(const nrg_trainer *t) {
    for (uint32_t i = 0; i < t->teams.n; i++)
        if (!t->teams.at[i].way->whole || !t->teams.at[i].done) return false;
    return true;
}

static bool out_of_time(const nrg_trainer *t) { return t->o.seconds > 0 && nrg_clock() - t->started >= t->o.seconds; }

// One step, or for whole-set methods one round.
static nrg_status advance(nrg_trainer *t) {
    if (t->at == 0) TRY(rounds(t));
    if (!minibatches(t)) t->total++;
    else {
        int64_t first = t->at * t->batch, n = t->rows_n - first < t->batch ? t->rows_n - first : t->batch;
        if (t->ordered != t->epoch + 1) {
            nrg_random_shuffle(t->o.seed, NRG_FOR_SHUFFLE, (uint64_t)t->epoch, t->order, t->rows_n);
            t->ordered = t->epoch + 1;
        }
        for (int64_t i = 0; i < n; i++) t->batch_rows[i] = t->rows[t->order[first + i]];
        TRY(nrg_step_go(t, t->batch_rows, n));
        t->total++;
    }
    t->at++;
    return NRG_OK;
}

static nrg_status loop(nrg_trainer *t) {
    while (t->epoch < t->epochs && !t->stopped && !out_of_time(t) && !finished(t)) {
        TRY(advance(t));
        if (t->at == t->steps) TRY(end_epoch(t));
        else {
            double now = nrg_clock();
            if (now - t->shown >= 0.1) {
                nrg_progress p;
                fill(t, &p, false);
                show(t, &p);
            }
            if (due(t, false, now)) TRY(checkpoint(t));
        }
    }
    TRY(checkpoint(t));
    if (!t->stopped || t->epoch >= t->epochs) return NRG_OK;
    nrg_status s = nrg_fail(t->ctx, NRG_E093, NRG_NOWHERE, "interrupted in epoch %lld of %lld", (long long)t->epoch + 1,
                            (long long)t->epochs);
    if (t->o.out) nrg_help(t->ctx, "continue exactly: the same command with --resume");
    return s;
}

nrg_status nrg_trainer_go(nrg_trainer *t, nrg_progress_fn fn, void *ud) {
    t->fn = fn;
    t->ud = ud;
    t->stopped = false;
    t->started = t->saved = t->shown = nrg_clock();
    t->first_step = (double)t->epoch * (double)t->steps + (double)t->at;
    TRY(nrg_run_begin(t));
    int before = nrg_diag_count(t->ctx);
    nrg_status s = loop(t);
    while (s == NRG_E080 && nrg_rescue(t, before)) s = loop(t);
    if (s == NRG_E080 && write_best(t) == NRG_OK) (void)nrg_run_save_weights(t); // the story is already told; what was good stays
    if (s == NRG_OK) s = nrg_collapse_end(t);
    nrg_status end = nrg_run_end(t, s);
    t->seconds += nrg_clock() - t->started;
    return s != NRG_OK ? s : end;
}
