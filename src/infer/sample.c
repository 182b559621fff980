// Drawing: chains for each row, the loop over draws, what is said about them.
#include "infer/inside.h"
#include "infer/sample.h"
#include <math.h>
#include <string.h>

enum { STEPS = 1000, EVERY = 10, SWAP = 5, PACES = 50, LOOKED_AT = 64 }; // warm-up and thinning unless told; numbers of a variable whose health is told
static const double HOTTEST = 0.05; // of a ladder, unless told
static const nrg_expr at_buffer = {.kind = NRG_X_NAME, .text = "buffer"};

typedef struct {
    nrg_model *model;
    nrg_store *store; // the data's, seen from the chains, and the states
    const nrg_sample_spec *spec;
    nrg_chains *chains;
    nrg_arena arena;
    int64_t lanes;    // rows times chains times levels; of a ladder the first lane is told
    int64_t levels;
    nrg_ladder ladder;
    int64_t warmup, scored, every;
    int64_t *broken;  // divergent steps of each chain that is told, by its last draw
} drawing;

void nrg_draws_free(nrg_draws *d) {
    if (d) nrg_arena_free(&d->arena);
}

// ---- data and weights as the chains see them

static nrg_status see_rows(nrg_arena *a, nrg_store *s, const char *name, int64_t lanes, int64_t each) {
    const nrg_buffer *b = nrg_store_get(s, name);
    if (!b) return NRG_OK;
    nrg_buffer seen = *b;
    int64_t *rows = NRG_NEWS(a, int64_t, lanes + 1);
    if (!rows) return NRG_E098;
    for (int64_t i = 0; i < lanes; i++) rows[i] = b->rows ? b->rows[i / each] : i / each;
    seen.rows = rows;
    return nrg_store_put(s, name, seen);
}

nrg_status nrg_lanes_store(nrg_model *m, nrg_arena *a, const nrg_store *from, int64_t rows, int64_t each, nrg_store **out) {
    char name[256];
    TRY(nrg_store_new(m->ctx, nrg_store_type(from), out));
    TRY(nrg_store_share(from, *out));
    TRY(nrg_store_hypers(m, *out));
    for (uint32_t v = 0; v < m->vars.n; v++)
        if (m->vars.at[v].role != NRG_WEIGHT) TRY(see_rows(a, *out, m->vars.at[v].name, rows * each, each));
    for (uint32_t d = 0; d < m->dims.n; d++) {
        snprintf(name, sizeof name, "length:%s", m->dims.at[d].name);
        TRY(see_rows(a, *out, name, rows * each, each));
    }
    return NRG_OK;
}

static bool continues(const nrg_sample_spec *p) {
    bool any = false;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) any = any || p->kept[v];
    return any;
}

static int64_t steps_of(const drawing *s) {
    nrg_status st = NRG_OK;
    double steps = STEPS;
    if (s->spec->warmup >= 0) return s->spec->warmup;
    for (uint32_t i = 0; i < s->model->infers.n; i++) {
        const nrg_infer_stmt *one = &s->model->infers.at[i];
        if (one->verb != NRG_SAMPLE_VERB || !(one->vars & s->spec->vars)) continue;
        if (nrg_proposes(one)) break;
        if (nrg_word_is(one->from, "buffer") && !continues(s->spec)) return STEPS; // its `steps` are those of kept chains between two updates
        steps = nrg_method_arg(s->model, one, "steps", STEPS, &st);
        break;
    }
    return (int64_t)steps;
}

// The chains' places as chains.c reads them; every chain of a ladder starts at the one that is told.
static nrg_status put_kept(drawing *s) {
    char name[256];
    void *to;
    for (int32_t v = 0; v < (int32_t)s->model->vars.n; v++) {
        nrg_shape shape;
        if (!s->spec->kept[v]) continue;
        TRY(nrg_var_shape(s->model, v, &shape));
        int64_t width = nrg_shape_count(&shape);
        snprintf(name, sizeof name, "chain:kept:%s", s->model->vars.at[v].name);
        TRY(nrg_store_make(s->store, name, s->lanes * width, &to));
        for (int64_t i = 0; i < s->lanes * width; i++) {
            double x = s->spec->kept[v][i / width / s->levels * width + i % width];
            if (nrg_store_type(s->store) == NRG_F64) ((double *)to)[i] = x;
            else ((float *)to)[i] = (float)x;
        }
    }
    TRY(nrg_store_make(s->store, "chain:again", s->lanes, &to));
    nrg_store_fill(s->store, to, s->lanes, 0);
    return NRG_OK;
}

static nrg_status drawing_open(drawing *s, nrg_model *m, const nrg_store *from, const nrg_sample_spec *spec) {
    *s = (drawing){.model = m, .spec = spec, .arena = nrg_arena_make(m->ctx), .levels = spec->levels > 1 ? spec->levels : 1};
    s->lanes = spec->rows * spec->chains * s->levels;
    s->ladder = (nrg_ladder){.levels = s->levels, .lanes = s->lanes, .first = spec->first, .hottest = spec->hottest > 0 ? spec->hottest : HOTTEST, .name = "chain:heat"};
    s->warmup = steps_of(s);
    s->scored = spec->draws > 1 ? s->warmup : s->warmup / 2; // with one draw a chain nothing follows the warm-up
    TRY(nrg_lanes_store(m, &s->arena, from, spec->rows, spec->chains * s->levels, &s->store));
    nrg_chains_spec c = {.vars = spec->vars, .given = spec->given, .lanes = s->lanes, .warmup = s->warmup, .scored = s->scored, .threads = spec->threads};
    c.heated = s->levels > 1 || spec->anneal > 0;
    if (continues(spec)) {
        c.from = &at_buffer, c.kept = true;
        TRY(put_kept(s));
    }
    TRY(nrg_chains_open(m, s->store, &c, &s->chains));
    bool fresh = nrg_chains_fresh(s->chains); // one step is a draw, and the next another
    if (fresh && spec->warmup < 0 && s->warmup == STEPS) s->warmup = s->scored = 1;
    s->every = spec->every > 0 ? spec->every : fresh ? 1 : EVERY;
    return nrg_chains_ids(s->chains, NULL, spec->first * s->levels, s->lanes);
}

static void drawing_close(drawing *s) {
    nrg_chains_free(s->chains);
    nrg_store_free(s->store);
    nrg_arena_free(&s->arena);
}

// ---- draws

static nrg_status lost(drawing *s, int64_t lane, const char *what) {
    nrg_status st = nrg_fail(s->model->ctx, NRG_E080, s->model->energy.span,
                             "%s of chain %lld is no longer a number: the sampler ran away", what, (long long)lane);
    nrg_help(s->model->ctx, "use a smaller step, mala or hmc (which refuse such steps), or a bounded variable");
    return st;
}

static nrg_status shut_out(drawing *s, int64_t lane) {
    nrg_status st = nrg_fail(s->model->ctx, NRG_E080, s->model->energy.span, "chain %lld stands where the energy is infinite: these are no draws of the model", (long long)lane);
    nrg_help(s->model->ctx, "a start that is allowed (from data, from noise(sd)), more warm-up, or metropolis, which leaves such places by any step");
    return st;
}

static nrg_status record(drawing *s, nrg_draws *out, int64_t draw, uint32_t at, void *raw) {
    nrg_dtype type = nrg_store_type(s->store);
    TRY(nrg_chains_look(s->chains, s->lanes, s->spec->seed, at, raw, NULL));
    for (int j = 0; j < out->n; j++) {
        const nrg_buffer *b = nrg_store_get(s->store, nrg_chains_state_at(s->chains, j)->name);
        for (int64_t i = 0; i < s->lanes / s->levels; i++)
            for (int64_t w = 0; w < out->width[j]; w++) {
                double x = nrg_store_number(type, b->data, i * s->levels * out->width[j] + w);
                if (!isfinite(x)) return lost(s, i, s->model->vars.at[out->var[j]].name);
                out->value[j][(i * s->spec->draws + draw) * out->width[j] + w] = x;
            }
    }
    for (int64_t i = 0; i < s->lanes / s->levels; i++) {
        double E = nrg_store_number(type, raw, i * s->levels) / s->model->beta;
        if (isnan(E)) return lost(s, i, "the energy");
        if (isinf(E)) return shut_out(s, i);
        out->energy[i * s->spec->draws + draw] = E;
        int64_t broken = nrg_chains_diverged(s->chains, i * s->levels);
        out->broken[i * s->spec->draws + draw] = (double)(broken - s->broken[i]);
        s->broken[i] = broken;
    }
    return NRG_OK;
}

static nrg_status room(drawing *s, nrg_draws *out) {
    out->n = nrg_chains_vars(s->chains, out->var);
    int64_t told = s->lanes / s->levels;
    out->energy = NRG_NEWS(&out->arena, double, told * s->spec->draws + 1);
    out->broken = NRG_NEWS(&out->arena, double, told * s->spec->draws + 1);
    s->broken = NRG_NEWS(&s->arena, int64_t, told + 1);
    if (!out->broken || !s->broken) return NRG_E098;
    for (int j = 0; j < out->n; j++) {
        out->width[j] = nrg_chains_state_at(s->chains, j)->count;
        if ((double)told * (double)s->spec->draws * (double)out->width[j] > 1e12)
            return nrg_fail(s->model->ctx, NRG_E090, NRG_NOWHERE, "%lld chains of %lld draws do not fit into memory",
                            (long long)told, (long long)s->spec->draws);
        out->value[j] = NRG_NEWS(&out->arena, double, told * s->spec->draws * out->width[j] + 1);
        out->health[j] = NRG_NEWS(&out->arena, nrg_health, out->width[j] + 1);
        if (!out->value[j] || !out->health[j]) return NRG_E098;
    }
    return out->energy ? NRG_OK : NRG_E098;
}

// ---- what is said about the draws

static double worse(double a, double b, bool high) { return isnan(a) ? b : isnan(b) ? a : high ? fmax(a, b) : fmin(a, b); }

// The worst over rows of one number: from[chain, draw] at stride `width`.
static nrg_status look_at(drawing *s, const double *from, int64_t width, double *room, nrg_health *out) {
    int64_t each = s->spec->chains * s->spec->draws;
    *out = (nrg_health){NAN, NAN, NAN, NAN};
    for (int64_t r = 0; r < s->spec->rows; r++) {
        nrg_health h;
        for (int64_t i = 0; i < each; i++) room[i] = from[(r * each + i) * width];
        TRY(nrg_health_of(s->model->ctx, room, s->spec->chains, s->spec->draws, &h));
        *out = (nrg_health){worse(out->rhat, h.rhat, true), worse(out->bulk, h.bulk, false), worse(out->tail, h.tail, false), worse(out->mean, h.mean, false)};
    }
    return NRG_OK;
}

static nrg_status judge(drawing *s, nrg_draws *out) {
    double *tmp = NRG_NEWS(&s->arena, double, s->spec->chains * s->spec->draws + 1);
    if (!tmp) return NRG_E098;
    TRY(look_at(s, out->energy, 1, tmp, &out->energy_health));
    for (int j = 0; j < out->n; j++) {
        int64_t gap = out->width[j] > LOOKED_AT ? out->width[j] / LOOKED_AT : 1; // of many numbers some, evenly spread
        for (int64_t w = 0; w < out->width[j]; w++) {
            out->health[j][w] = (nrg_health){NAN, NAN, NAN, NAN};
            if (w % gap == 0) TRY(look_at(s, out->value[j] + w, out->width[j], tmp, &out->health[j][w]));
        }
    }
    int64_t steps = s->warmup + (s->spec->draws - 1) * s->every - s->scored;
    out->warmup = s->warmup, out->every = s->every;
    nrg_chains_score score;
    nrg_chains_score_of(s->chains, s->lanes, steps, &score);
    out->acceptance = score.acceptance;
    out->step = score.step;
    out->diverged = score.diverged;
    out->temperature = score.temperature;
    out->swapped = s->ladder.tried ? (double)s->ladder.taken / (double)s->ladder.tried : NAN;
    return NRG_OK;
}

static nrg_status say(drawing *s, nrg_draws *out) {
    nrg_text t = nrg_text_make(s->model->ctx);
    nrg_status st = nrg_chains_print(s->chains, &t);
    out->how = st != NRG_OK ? NULL : nrg_arena_copy(&out->arena, t.at, t.n);
    nrg_text_free(&t);
    return out->how ? NRG_OK : NRG_E098;
}

// Steps of all chains, with swaps on the ladders between them.
static nrg_status go(drawing *s, int64_t steps, uint32_t *at, void *raw) {
    int64_t swap = s->levels < 2 ? steps : s->spec->swap > 0 ? s->spec->swap : SWAP;
    for (int64_t t = 0; t < steps; t += swap) {
        TRY(nrg_chains_go(s->chains, s->lanes, steps - t < swap ? steps - t : swap, s->spec->seed, at));
        if (s->levels > 1) TRY(nrg_ladder_swap(&s->ladder, s->chains, s->store, s->spec->seed, *at, raw));
    }
    return NRG_OK;
}

// Methods learn in the first half, so heats stop growing at a quarter.
static nrg_status warm_up(drawing *s, uint32_t *at, void *raw) {
    int64_t cool = s->spec->anneal > 0 ? s->warmup / 4 : 0, done = 0;
    for (int k = 0; k < PACES && cool >= PACES; k++, done += cool / PACES) {
        nrg_ladder_heats(&s->ladder, s->store, pow(s->spec->anneal, 1 - (double)k / PACES));
        TRY(go(s, cool / PACES, at, raw));
    }
    if (s->levels > 1 || s->spec->anneal > 0) nrg_ladder_heats(&s->ladder, s->store, 1);
    return go(s, s->warmup - done, at, raw);
}

static nrg_status draw(drawing *s, nrg_draws *out) {
    uint32_t at = 1;
    TRY(room(s, out));
    void *raw = nrg_arena_get(&s->arena, (size_t)(s->lanes + 1) * sizeof(double));
    if (!raw) return NRG_E098;
    TRY(nrg_chains_start_well(s->chains, s->lanes, s->spec->seed, 0)); // steps are numbered from 1: the starts have used 0
    TRY(warm_up(s, &at, raw));
    for (int64_t i = 0; i < s->lanes / s->levels; i++) s->broken[i] = nrg_chains_diverged(s->chains, i * s->levels);
    for (int64_t d = 0; d < s->spec->draws; d++) {
        if (d) TRY(go(s, s->every, &at, raw));
        TRY(record(s, out, d, at, raw));
    }
    TRY(judge(s, out));
    return say(s, out);
}

// Steps are counted in 32 bits; numbers of chains are exact in the type of the graph, else two chains would share their noise.
static nrg_status possible(nrg_model *m, const nrg_store *store, const nrg_sample_spec *p) {
    double lanes = (double)p->rows * (double)p->chains * (double)(p->levels > 1 ? p->levels : 1), most = nrg_store_type(store) == NRG_F64 ? 9e15 : 16777216;
    double steps = (double)(p->warmup < 0 ? 0 : p->warmup) + (double)(p->every > 0 ? p->every : EVERY) * (double)p->draws;
    if (p->rows < 1 || p->chains < 1 || p->draws < 1)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "%lld rows, %lld chains, %lld draws: at least one of each is needed",
                        (long long)p->rows, (long long)p->chains, (long long)p->draws);
    if (p->first < 0 || (double)p->first * (double)(p->levels > 1 ? p->levels : 1) + lanes > most)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "%.0f chains from number %lld: their numbers must lie below %.0f", lanes,
                        (long long)p->first, most);
    if (steps > 4e9) return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "%.0f steps are more than can be counted", steps);
    if (lanes * (double)p->draws > 1e11)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "%.0f chains of %lld draws do not fit into memory", lanes, (long long)p->draws);
    return NRG_OK;
}

nrg_status nrg_sample(nrg_model *m, const nrg_store *store, const nrg_sample_spec *spec, nrg_draws *out) {
    drawing s;
    nrg_sample_spec full = *spec;
    *out = (nrg_draws){.arena = nrg_arena_make(m->ctx)};
    TRY(possible(m, store, &full));
    nrg_status st = drawing_open(&s, m, store, &full);
    if (st == NRG_OK) st = draw(&s, out);
    drawing_close(&s);
    if (st == NRG_OK) return st;
    nrg_draws_free(out);
    *out = (nrg_draws){.arena = nrg_arena_make(m->ctx)};
    return st;
}
