// A run on disk: model.nrg, run.json, log.csv, weights.safetensors (last), best.safetensors, state.safetensors. Everything but the
// log is written whole and renamed into place; state.safetensors alone resumes the run exactly.
#include "train/inside.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char head[] = "step,epoch,seconds,loss,pos,neg,free,gap,norm,lr,valid_loss,best,missed,acceptance,moved,age,stride,swapped,rhat,repeats\n";

// Numbers of the trainer that a resumed run continues from, in this order in "train:numbers".
enum {
    N_EPOCH,
    N_AT,
    N_TOTAL,
    N_SEED_LOW,
    N_SEED_HIGH,
    N_HASH_LOW,
    N_HASH_HIGH,
    N_BEST,
    N_VALID,
    N_SECONDS,
    N_LOSS,
    N_NORM,
    N_WEIGHT,
    N_BATCH,
    N_EPOCHS,
    N_DONE,
    N_CALM,
    N_SLOW,
    N_RESCUES,
    N_SLOPE,
    N_MOVED,
    N_ACCEPTANCE,
    N_LOOKS,
    N_STEP,
    N_PACED,
    N_TRIED,
    N_TAKEN,
    N_SEEN,
    N_LEVEL = N_SEEN + NRG_SEEN_COUNT,
    N_COUNT = N_LEVEL + NRG_SOURCES
};

static const char *path(nrg_trainer *t, const char *name) {
    return nrg_arena_print(&t->arena, "%s/%s", t->o.out, name);
}

static void low_high(uint64_t v, double *to) {
    to[0] = (double)(uint32_t)v;
    to[1] = (double)(uint32_t)(v >> 32);
}

static bool same(const double *a, uint64_t v) {
    double b[2];
    low_high(v, b);
    return a[0] == b[0] && a[1] == b[1];
}

static void numbers(const nrg_trainer *t, double *n) {
    n[N_EPOCH] = (double)t->epoch, n[N_AT] = (double)t->at, n[N_TOTAL] = (double)t->total;
    low_high(t->o.seed, n + N_SEED_LOW);
    low_high(t->hash, n + N_HASH_LOW);
    n[N_BEST] = t->best_loss, n[N_VALID] = t->o.valid, n[N_SECONDS] = t->seconds + nrg_clock() - t->started;
    n[N_LOSS] = t->sums.loss, n[N_NORM] = t->sums.norm, n[N_WEIGHT] = t->sums.weight;
    n[N_BATCH] = (double)t->batch, n[N_EPOCHS] = (double)t->epochs, n[N_DONE] = 0;
    for (uint32_t i = 0; i < t->teams.n && i < 50; i++)
        if (t->teams.at[i].done) n[N_DONE] += (double)((uint64_t)1 << i);
    n[N_CALM] = t->calm, n[N_SLOW] = t->slow, n[N_RESCUES] = t->rescues, n[N_SLOPE] = t->slope;
    n[N_MOVED] = t->sums.moved, n[N_ACCEPTANCE] = t->sums.acceptance, n[N_LOOKS] = t->sums.looks;
    n[N_STEP] = t->sums.step, n[N_PACED] = t->sums.paced, n[N_TRIED] = t->sums.tried, n[N_TAKEN] = t->sums.taken;
    for (int i = 0; i < NRG_SEEN_COUNT; i++) n[N_SEEN + i] = t->sums.seen[i];
    for (int i = 0; i < NRG_SOURCES; i++) n[N_LEVEL + i] = t->sums.level[i];
}

// ---- opening -----------------------------------------------------------------------------------------------------

nrg_status nrg_run_open(nrg_trainer *t) {
    if (!t->o.out) {
        if (t->o.resume) return nrg_fail(t->ctx, NRG_E090, NRG_NOWHERE, "--resume needs the run directory: -o run/");
        return NRG_OK;
    }
    const char *there = path(t, "run.json"), *state = path(t, "state.safetensors");
    if (!there || !state) return NRG_E098;
    if (t->o.resume && !nrg_file_exists(state)) {
        nrg_status s = nrg_fail(t->ctx, NRG_E053, NRG_NOWHERE, "%s holds no checkpoint to resume", t->o.out);
        nrg_help(t->ctx, "start it without --resume");
        return s;
    }
    if (nrg_file_exists(t->o.out) && !t->o.resume && !t->o.overwrite) {
        nrg_status s = nrg_fail(t->ctx, NRG_E091, NRG_NOWHERE, "%s exists already", t->o.out);
        nrg_help(t->ctx, "choose another -o, or say --resume (continue exactly) or --overwrite");
        return s;
    }
    const char *model = path(t, "model.nrg");
    if (!model) return NRG_E098;
    if (t->o.overwrite && nrg_file_exists(model) && !nrg_file_exists(there)) {
        nrg_status s = nrg_fail(t->ctx, NRG_E091, NRG_NOWHERE, "%s holds a model.nrg but no run.json: it is not a run, nothing in it is overwritten",
                                t->o.out);
        nrg_help(t->ctx, "choose another -o");
        return s;
    }
    return nrg_folder_make(t->ctx, t->o.out);
}

static nrg_status clean(nrg_trainer *t) {
    static const char *const old[] = {"state.safetensors", "weights.safetensors", "best.safetensors"};
    for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
        const char *p = path(t, old[i]);
        if (!p) return NRG_E098;
        remove(p); // of the run that is overwritten
    }
    return NRG_OK;
}

static nrg_status write_text(nrg_trainer *t, const char *name, const char *text, size_t n) {
    const char *p = path(t, name);
    return p ? nrg_file_write(t->ctx, p, text, n) : NRG_E098;
}

static nrg_status describe(nrg_trainer *t, const char *status) {
    nrg_text j = nrg_text_make(t->ctx), machine = nrg_text_make(t->ctx), plan = nrg_text_make(t->ctx);
    nrg_machine(&machine);
    nrg_text_put(&j, "{\n  \"status\": ");
    nrg_text_json(&j, status);
    nrg_text_put(&j, ",\n  \"argv\": ");
    nrg_text_json(&j, t->o.argv ? t->o.argv : "");
    nrg_text_put(&j, ",\n  \"version\": \"%s\",\n  \"machine\": ", NRG_VERSION);
    nrg_text_json(&j, machine.n ? machine.at : "");
    nrg_text_put(&j,
                 ",\n  \"seed\": %llu,\n  \"threads\": %d,\n  \"f64\": %s,\n  \"products\": \"%s\",\n  \"samples\": %lld,\n  \"held_out\": "
                 "%lld,\n  \"data_hash\": \"%016llx\"",
                 (unsigned long long)t->o.seed, t->o.threads, t->type == NRG_F64 ? "true" : "false", nrg_products_name(t),
                 (long long)t->rows_n, (long long)t->valid_n, (unsigned long long)t->hash);
    nrg_text_put(&j, ",\n  \"batch\": %lld,\n  \"epochs\": %lld,\n  \"epoch\": %lld,\n  \"steps\": %lld",
                 (long long)t->batch, (long long)t->epochs, (long long)t->epoch, (long long)t->total);
    nrg_text_put(&j, ",\n  \"seconds\": %.3f", t->seconds + nrg_clock() - t->started);
    if (isfinite(t->best_loss)) nrg_text_put(&j, ",\n  \"best_loss\": %.9g", t->best_loss);
    if (t->collapse.known)
        nrg_text_put(&j, ",\n  \"collapse\": {\"collapsed\": %s, \"epoch\": %lld, \"spread\": %.9g, \"fresh\": %.9g, \"above\": %.9g}",
                     t->collapse.collapsed ? "true" : "false", (long long)t->collapse.epoch, t->collapse.spread, t->collapse.fresh,
                     t->collapse.above);
    nrg_text_put(&j, ",\n  \"hypers\": {");
    for (uint32_t i = 0; i < t->m->hypers.n; i++) {
        const nrg_hyper *h = &t->m->hypers.at[i];
        nrg_text_put(&j, "%s\"%s\": ", i ? ", " : "", h->name);
        if (h->scheduled) nrg_text_put(&j, "[%.9g, %.9g]", h->from, h->to);
        else nrg_text_put(&j, "%.9g", h->from);
    }
    nrg_text_put(&j, "},\n  \"plan\": ");
    nrg_trainer_plan(t, &plan);
    nrg_text_json(&j, plan.n ? plan.at : "");
    nrg_text_put(&j, "\n}\n");
    nrg_status s = plan.bad ? NRG_E098 : nrg_text_end(&j);
    if (s == NRG_OK) s = write_text(t, "run.json", j.at, j.n);
    nrg_text_free(&j);
    nrg_text_free(&machine);
    nrg_text_free(&plan);
    return s;
}

// Rows of the log up to the checkpoint: what a killed run wrote after it is done again.
static nrg_status cut_log(nrg_trainer *t) {
    const char *p = path(t, "log.csv");
    nrg_text old = nrg_text_make(t->ctx);
    if (!p) return NRG_E098;
    if (!nrg_file_exists(p)) return nrg_file_write(t->ctx, p, head, sizeof head - 1);
    nrg_status s = nrg_file_read(t->ctx, p, &old);
    size_t keep = 0;
    while (s == NRG_OK && keep < old.n) {
        const char *line = old.at + keep, *end = memchr(line, '\n', old.n - keep), *comma = strchr(line, ',');
        if (!end || !comma || comma > end) break;
        if (keep > 0 && strtoll(comma + 1, NULL, 10) > t->epoch) break;
        keep += (size_t)(end - line) + 1;
    }
    if (s == NRG_OK) s = nrg_file_write(t->ctx, p, old.at, keep);
    nrg_text_free(&old);
    return s;
}

nrg_status nrg_run_begin(nrg_trainer *t) {
    if (!t->o.out) return NRG_OK;
    const char *text = t->o.model_text ? t->o.model_text : nrg_source_text(t->ctx, t->m->file, NULL);
    TRY(describe(t, "running"));
    if (t->o.resume) return cut_log(t);
    TRY(clean(t));
    if (text) TRY(write_text(t, "model.nrg", text, strlen(text)));
    return write_text(t, "log.csv", head, sizeof head - 1);
}

static void number(FILE *f, double x) {
    char text[40] = "";
    if (isfinite(x)) nrg_print(text, sizeof text, "%.9g", x);
    fprintf(f, ",%s", text);
}

nrg_status nrg_run_log(nrg_trainer *t, const nrg_progress *p) {
    if (!t->o.out) return NRG_OK;
    const char *name = path(t, "log.csv");
    FILE *f = name ? fopen(name, "a") : NULL;
    if (!name) return NRG_E098;
    if (!f) return nrg_fail(t->ctx, NRG_E092, NRG_NOWHERE, "cannot append to %s: %s", name, strerror(errno));
    char seconds[40];
    nrg_print(seconds, sizeof seconds, "%.3f", p->seconds);
    fprintf(f, "%lld,%lld,%s", (long long)t->total, (long long)p->epoch, seconds);
    const double all[] = {p->loss, p->pos, p->neg, p->free, p->gap, p->norm, p->lr, p->valid_loss};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) number(f, all[i]);
    fprintf(f, ",%d", p->best ? 1 : 0);
    number(f, p->judged ? (double)p->missed / (double)p->judged : NAN);
    number(f, p->acceptance);
    number(f, p->moved);
    number(f, p->age);
    number(f, p->stride);
    number(f, p->swapped);
    number(f, p->rhat);
    number(f, p->repeats);
    fputc('\n', f);
    bool bad = ferror(f) != 0;
    if (fclose(f) != 0 || bad) return nrg_fail(t->ctx, NRG_E092, NRG_NOWHERE, "cannot append to %s", name);
    return NRG_OK;
}

// ---- checkpoints -------------------------------------------------------------------------------------------------

static nrg_status save(nrg_trainer *t, const char *name, int64_t after, const nrg_tensor *extra, int n) {
    char epoch[32], rows[32], hash[32];
    snprintf(epoch, sizeof epoch, "%lld", (long long)after);
    snprintf(rows, sizeof rows, "%lld", (long long)t->m->rows);
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)t->hash);
    const nrg_meta more[] = {{"rows", rows}, {"epoch", epoch}, {"data_hash", hash}, {"products", nrg_products_name(t)}};
    const char *p = path(t, name);
    return p ? nrg_weights_save_as(t->m, t->store, t->o.model_text, p, more, 4, extra, n) : NRG_E098;
}

static nrg_status save_state(nrg_trainer *t) {
    size_t bytes = (size_t)(t->states.n + 1) * sizeof(nrg_tensor);
    nrg_tensor *extra = nrg_mem(t->ctx, NULL, 0, bytes);
    double n[N_COUNT];
    if (!extra) return NRG_E098;
    numbers(t, n);
    for (uint32_t i = 0; i < t->states.n; i++) {
        const nrg_state *s = &t->states.at[i];
        const nrg_buffer *b = s->at ? NULL : nrg_store_get(t->store, s->name);
        nrg_cell type = s->at || b->type == NRG_BUF_F64 ? NRG_CELL_F64 : NRG_CELL_F32;
        extra[i] = (nrg_tensor){
            .name = s->name, .type = type, .rank = 1, .dim = {s->n}, .data = s->at ? (void *)s->at : b->data};
    }
    extra[t->states.n] =
        (nrg_tensor){.name = "train:numbers", .type = NRG_CELL_F64, .rank = 1, .dim = {N_COUNT}, .data = n};
    nrg_status s = save(t, "state.safetensors", t->epoch, extra, (int)t->states.n + 1);
    nrg_mem(t->ctx, extra, bytes, 0);
    return s;
}

nrg_status nrg_run_save_weights(nrg_trainer *t) { return t->o.out ? save(t, "weights.safetensors", t->epoch, NULL, 0) : NRG_OK; }

nrg_status nrg_run_save(nrg_trainer *t, bool best) {
    if (!t->o.out) return NRG_OK;
    if (best) return save(t, "best.safetensors", t->best_epoch, NULL, 0);
    TRY(save(t, "weights.safetensors", t->epoch, NULL, 0));
    return save_state(t);
}

nrg_status nrg_run_end(nrg_trainer *t, nrg_status s) {
    if (!t->o.out) return NRG_OK;
    return describe(t, s == NRG_OK ? "done" : s == NRG_E093 ? "interrupted" : nrg_status_name(s));
}

// ---- resuming ----------------------------------------------------------------------------------------------------

static nrg_status unlike(nrg_trainer *t, const char *what) {
    nrg_status s = nrg_fail(t->ctx, NRG_E057, NRG_NOWHERE, "%s cannot be continued: %s", t->o.out, what);
    nrg_help(t->ctx, "resume with the same model, data and flags, or start a new run with --init %s", t->o.out);
    return s;
}

static nrg_status load_numbers(nrg_trainer *t, const nrg_tensor *x) {
    if (!x || x->type != NRG_CELL_F64 || x->rank != 1 || x->dim[0] != N_COUNT)
        return unlike(t, "its state is of another version");
    double n[N_COUNT];
    memcpy(n, x->data, sizeof n);
    if (!same(n + N_HASH_LOW, t->hash)) return unlike(t, "the data are not those it was started with");
    if (!same(n + N_SEED_LOW, t->o.seed)) return unlike(t, "--seed differs");
    if (n[N_VALID] != t->o.valid || n[N_BATCH] != (double)t->batch || n[N_EPOCHS] != (double)t->epochs)
        return unlike(t, "the validation split, the batch or the number of epochs differs");
    static const int counts[] = {N_EPOCH, N_AT, N_TOTAL, N_DONE};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (!(n[counts[i]] >= 0 && n[counts[i]] < 9e15)) return unlike(t, "its state is damaged");
    if (n[N_EPOCH] > n[N_EPOCHS] || n[N_AT] >= (double)t->steps) return unlike(t, "its state is damaged");
    t->epoch = (int64_t)n[N_EPOCH], t->at = (int64_t)n[N_AT], t->total = (int64_t)n[N_TOTAL];
    t->best_loss = n[N_BEST], t->seconds = n[N_SECONDS];
    t->sums.loss = n[N_LOSS], t->sums.norm = n[N_NORM], t->sums.weight = n[N_WEIGHT];
    for (uint32_t i = 0; i < t->teams.n && i < 50; i++) t->teams.at[i].done = (uint64_t)n[N_DONE] >> i & 1;
    t->calm = n[N_CALM], t->slow = n[N_SLOW], t->rescues = (int)n[N_RESCUES], t->slope = n[N_SLOPE];
    t->sums.moved = n[N_MOVED], t->sums.acceptance = n[N_ACCEPTANCE], t->sums.looks = n[N_LOOKS];
    t->sums.step = n[N_STEP], t->sums.paced = n[N_PACED], t->sums.tried = n[N_TRIED], t->sums.taken = n[N_TAKEN];
    for (int i = 0; i < NRG_SEEN_COUNT; i++) t->sums.seen[i] = n[N_SEEN + i];
    for (int i = 0; i < NRG_SOURCES; i++) t->sums.level[i] = n[N_LEVEL + i];
    return NRG_OK;
}

// The next line of a model's text that is not about sizes (data may have filled those in since); NULL at the end.
static const char *line_of(const char **text, size_t *n) {
    for (const char *at = *text; *at; at = *text) {
        *n = strcspn(at, "\n");
        *text = at + *n + (at[*n] == '\n');
        if (strncmp(at, "dim", 3) != 0) return at;
    }
    return NULL;
}

// Another loss or optimiser may have a state of the same shape, so the texts are compared.
static nrg_status same_model(nrg_trainer *t, const char *then) {
    const char *now = t->o.model_text, *a = NULL, *b = NULL;
    size_t n = 0, m = 0;
    if (!then || !*then || !now) return NRG_OK;
    do a = line_of(&then, &n), b = line_of(&now, &m);
    while (a && b && n == m && memcmp(a, b, n) == 0);
    if (!a && !b) return NRG_OK;
    nrg_status s = unlike(t, "the model is not the one it was started with");
    nrg_fact(t->ctx, "then : %.*s", a ? (int)n : 9, a ? a : "(nothing)");
    nrg_fact(t->ctx, "now  : %.*s", b ? (int)m : 9, b ? b : "(nothing)");
    return s;
}

// Weights and states of both are float32.
static nrg_status same_products(nrg_trainer *t, const char *then) {
    if (!then || nrg_same(then, nrg_products_name(t))) return NRG_OK;
    return unlike(t, nrg_arena_print(&t->arena, "its products are %s, not %s", then, nrg_products_name(t)));
}

static nrg_status load_state(nrg_trainer *t, const nrg_tensors *f, const nrg_state *s) {
    const nrg_tensor *x = nrg_tensors_find(f, s->name);
    nrg_cell type = s->at || t->type == NRG_F64 ? NRG_CELL_F64 : NRG_CELL_F32;
    if (!x || x->type != type || x->rank != 1 || x->dim[0] != s->n)
        return unlike(t, "its optimiser or precision differs");
    void *to = s->at ? (void *)s->at : nrg_store_get(t->store, s->name)->data;
    memcpy(to, x->data, (size_t)s->n * nrg_cell_size(type));
    return NRG_OK;
}

static void compare_machines(nrg_trainer *t, const nrg_tensors *f) {
    nrg_text here = nrg_text_make(t->ctx);
    nrg_machine(&here);
    const char *version = nrg_tensors_meta(f, "version"), *machine = nrg_tensors_meta(f, "machine");
    if (!here.bad && (!nrg_same(version, NRG_VERSION) || !nrg_same(machine, here.at))) {
        nrg_warn(t->ctx, NRG_W103, NRG_NOWHERE, "%s was made by nrg %s on %s; this is nrg %s on %s", t->o.out,
                 version ? version : "?", machine ? machine : "?", NRG_VERSION, here.at);
    }
    nrg_text_free(&here);
}

nrg_status nrg_run_load(nrg_trainer *t) {
    const char *p = path(t, "state.safetensors");
    nrg_tensors *f;
    if (!p) return NRG_E098;
    TRY(nrg_tensors_open(t->ctx, p, &f));
    nrg_status s = same_model(t, nrg_tensors_meta(f, "model"));
    if (s == NRG_OK) s = same_products(t, nrg_tensors_meta(f, "products"));
    if (s == NRG_OK) s = load_numbers(t, nrg_tensors_find(f, "train:numbers"));
    for (uint32_t i = 0; i < t->states.n && s == NRG_OK; i++) s = load_state(t, f, &t->states.at[i]);
    for (uint32_t i = 0; i < t->m->params.n && s == NRG_OK; i++) {
        const nrg_tensor *x = nrg_tensors_find(f, t->m->params.at[i].name);
        const nrg_buffer *b = nrg_store_get(t->store, t->m->params.at[i].name);
        int64_t n = nrg_shape_count(&t->m->params.at[i].shape), found = 1;
        for (int k = 0; x && k < x->rank; k++) found *= x->dim[k];
        if (!x || found != n || (x->type == NRG_CELL_F64) != (b->type == NRG_BUF_F64))
            s = unlike(t, "its weights differ in shape or precision");
        else memcpy(b->data, x->data, (size_t)n * nrg_cell_size(x->type));
    }
    if (s == NRG_OK) compare_machines(t, f);
    nrg_tensors_free(f);
    return s;
}
