// Annealed importance sampling in both directions (Neal 2001; Grosse, Ghahramani and Adams 2015). From a base density with a known
// normaliser, through exp(-heat beta E - (1 - heat) U0), to the model: the mean weight is Z / Z0, so its logarithm is a lower bound
// on average, and above the truth by a with a chance of exp(-a) at most. From draws of the model back to the base: an upper bound,
// as far as they are draws of the model: ends of the way forward, or the data (Grosse, Ancha and Roy 2016: rows simulated from the model
// hold an exact draw of the latent variables given the rest). Methods learn their steps in a run beforehand, each chain at a heat of its own, which also
// says where heats must lie close; annealing borrows what was learned and changes none of it, so that its kernels are fixed ones.
#include "infer/logz.h"
#include "infer/ask.h"
#include "infer/inside.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_HEATS = 64, BOOTS = 400, LOOKS = 16, APART = 4, SEEN = 20, RELAX = 50, LEARN = 500,
    FITTED = 20000, // rows of the data that a base density is fitted to
    NRG_FOR_BOOT = NRG_FOR_SPLIT + 2, NRG_FOR_PICK // streams of their own
};
static const double MOST_VALUES = 1e6; // of variables that are summed over value by value
static const double TAIL = 0.025; // of the bootstrap, left out on each side

typedef struct {
    nrg_model *model;
    const nrg_log_z_spec *spec;
    nrg_arena arena;
    nrg_store *store;
    nrg_chains *pilot, *hot;
    nrg_base base;
    int64_t lanes, taken;
    uint32_t at;          // steps are numbered through all stages
    void *energy, *u0;    // [lanes], of the store's type
    double *gap;          // [lanes] beta E - U0 where the chains are
    double *load;         // [rows, chains] deviation of the gap at each heat that was tried
    double *heat;         // [rows, heats + 1]
    double *weight;       // [lanes] logarithms
    double *forward, *reverse; // [rows, chains] log weights of the finest schedule
    double *boot;         // [BOOTS]
    int64_t *example;     // [lanes] row of the data that a chain starts at
    void **learned;       // what the methods keep beside the variables, by state: [lanes, count]
    int64_t heats, room;
} annealing;

void nrg_log_z_out_free(nrg_log_z_out *z) {
    if (z) nrg_arena_free(&z->arena);
}

// ---- exact: where the structure allows

static bool enumerable(const nrg_model *m, nrg_vars vars) {
    double count = 1;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        nrg_shape s;
        if (!(vars >> v & 1)) continue;
        double choices = nrg_finite_choices(m, v);
        if (choices < 1 || nrg_var_ragged(m, v) || m->vars.at[v].domain.kind > NRG_DOM_RANGE || nrg_var_shape(m, v, &s) != NRG_OK) return false;
        count *= pow(choices, (double)nrg_shape_count(&s));
    }
    return count <= MOST_VALUES;
}

// One real variable without walls, in which the energy is quadratic.
static nrg_status gaussian(annealing *z, nrg_asking *a, bool *is) {
    nrg_vars vars = z->spec->vars;
    nrg_shape shape;
    nrg_node F;
    nrg_attr attr;
    int32_t v = 0;
    while (!(vars >> v & 1)) v++;
    const nrg_var *var = &z->model->vars.at[v];
    *is = false;
    if (vars != (nrg_vars)1 << v || var->elem != NRG_REAL || var->domain.kind != NRG_DOM_ALL || nrg_var_ragged(z->model, v)) return NRG_OK;
    TRY(nrg_var_shape(z->model, v, &shape));
    nrg_node x = nrg_input(a->graph, NRG_HOLE "log_z", NRG_SAMPLE, shape);
    nrg_scope_bind(a->scope, v, x);
    TRY(nrg_infer_energy(a->inference, z->spec->given | vars, 0, NRG_MARGINALIZE, &F, NULL));
    TRY(nrg_attr_of(a->graph, F, x, &attr));
    nrg_scope_bind(a->scope, v, NRG_BAD);
    *is = attr.degree <= 2 && attr.smooth && !nrg_inference_loops(a->inference);
    return NRG_OK;
}

static nrg_status sum_over(annealing *z, nrg_asking *a, bool *done, double *out) {
    const nrg_log_z_spec *k = z->spec;
    int64_t one = 1;
    nrg_node F;
    if (!enumerable(z->model, k->vars)) TRY(gaussian(z, a, done));
    else *done = true;
    if (!*done) return NRG_OK;
    TRY(nrg_infer_energy(a->inference, k->given, k->vars, NRG_MARGINALIZE, &F, NULL));
    F = nrg_spread(a->graph, F, NRG_SAMPLE);
    TRY(nrg_asking_plan(a, &F, 1));
    TRY(nrg_asking_pieces(a, 1, &one, &out, NULL));
    for (int64_t r = 0; r < k->rows; r++) {
        out[r] *= -z->model->beta;
        if (!isfinite(out[r])) *done = false; // no minimum: let the chains say so
    }
    return NRG_OK;
}

static nrg_status exactly(annealing *z, bool *done, double *out) {
    const nrg_log_z_spec *k = z->spec;
    nrg_ask_spec ask = {.given = k->given, .n = k->rows, .threads = k->threads, .seed = k->seed};
    nrg_asking a = {0};
    *done = false;
    nrg_status s = nrg_asking_open(&a, z->model, z->store, &ask, k->rows < 256 ? k->rows : 256);
    if (s == NRG_OK) s = sum_over(z, &a, done, out);
    nrg_asking_close(&a);
    return s;
}

// ---- chains

static nrg_status go(annealing *z, nrg_chains *c, int64_t steps) {
    z->taken += steps;
    return nrg_chains_go(c, z->lanes, steps, z->spec->seed, &z->at);
}

static int method_states(const annealing *z) {
    int n = 0;
    while (nrg_chains_state_at(z->hot, z->base.n + n)) n++;
    return n;
}

static const nrg_expr at_data = {.kind = NRG_X_NAME, .text = "data"}, at_noise = {.kind = NRG_X_NAME, .text = "noise"};

// A statement's own start serves, unless it needs data that are not there.
static const nrg_expr *start_of(const annealing *z) {
    for (uint32_t i = 0; i < z->model->infers.n; i++) {
        const nrg_infer_stmt *s = &z->model->infers.at[i];
        if (s->verb == NRG_SAMPLE_VERB && (s->vars & z->spec->vars) && nrg_word_is(s->from, "data")) return &at_noise;
    }
    return NULL;
}

static nrg_status open_chains(annealing *z, bool hot, nrg_chains **out) {
    bool data = hot ? z->spec->from_data : z->spec->base_data;
    nrg_chains_spec c = {.vars = z->spec->vars, .given = z->spec->given, .lanes = z->lanes, .warmup = LEARN, .scored = LEARN,
                         .prefix = hot ? "hot" : "pilot", .threads = z->spec->threads, .heated = hot, .from = data ? &at_data : start_of(z)};
    if (hot) c.base = nrg_base_node, c.ud = &z->base;
    TRY(nrg_chains_open(z->model, z->store, &c, out));
    const char *biased = nrg_chains_biased(*out);
    if (!biased) return NRG_OK;
    nrg_fail(z->model->ctx, NRG_E026, z->model->energy.span, "log Z by %s would be biased: it has no test of acceptance", biased);
    nrg_help(z->model->ctx, "draw by a method that has one: --stmt 'sample x by hmc'");
    return NRG_E026;
}

// Chains at rows of the data, by z->example.
static nrg_status start_at_data(annealing *z, nrg_chains *c) {
    for (int32_t v = 0; v < (int32_t)z->model->vars.n; v++) {
        const nrg_buffer *b = (z->spec->vars >> v & 1) ? nrg_store_get(z->store, z->model->vars.at[v].name) : NULL;
        if (!b) continue;
        nrg_buffer rows = *b;
        rows.rows = z->example;
        TRY(nrg_store_put(z->store, z->model->vars.at[v].name, rows));
    }
    return nrg_chains_start(c, z->lanes, z->spec->seed, z->at++);
}

// Where the model is, roughly: its own chains, or the data, give the base density.
static nrg_status find_base(annealing *z) {
    int64_t C = z->spec->chains, N = z->spec->examples, blocks = (N < FITTED ? N : FITTED) / C;
    TRY(open_chains(z, false, &z->pilot));
    TRY(nrg_base_open(&z->base, &z->arena, z->model, z->store, z->pilot, z->spec->rows, C));
    if (z->spec->base_data) {
        if (blocks < 1) blocks = 1;
        for (int64_t k = 0; k < blocks; k++) {
            for (int64_t i = 0; i < z->lanes; i++) z->example[i] = (k * C + i % C) % N;
            TRY(start_at_data(z, z->pilot));
            nrg_base_see(&z->base, z->pilot);
        }
        return nrg_base_fit(&z->base, blocks * C);
    }
    TRY(nrg_chains_start_well(z->pilot, z->lanes, z->spec->seed, z->at++));
    TRY(go(z, z->pilot, LEARN));
    for (int i = 0; i < SEEN; i++) {
        TRY(go(z, z->pilot, APART));
        nrg_base_see(&z->base, z->pilot);
    }
    return nrg_base_fit(&z->base, SEEN * C);
}

static void set_heats(annealing *z, const double *heat) {
    nrg_dtype type = nrg_store_type(z->store);
    void *data = nrg_store_get(z->store, "hot:heat")->data;
    for (int64_t i = 0; i < z->lanes; i++) {
        if (type == NRG_F64) ((double *)data)[i] = heat[i];
        else ((float *)data)[i] = (float)heat[i];
    }
}

static nrg_status runaway(annealing *z) {
    nrg_status s = nrg_fail(z->model->ctx, NRG_E080, z->model->energy.span, "the energy fell to minus infinity: it has no normaliser");
    nrg_help(z->model->ctx, "bound the variables, or add a term that grows");
    return s;
}

static nrg_status undefined(annealing *z) {
    nrg_status s = nrg_fail(z->model->ctx, NRG_E080, z->model->energy.span, "the energy is not a number at some places: there is no sum over all of them");
    nrg_help(z->model->ctx, "bound the variables to where it is one, or forbid the other places: forbid(x < 0)");
    return s;
}

// beta E - U0 of every chain; where E is infinite nothing has any weight.
static nrg_status look(annealing *z) {
    nrg_dtype type = nrg_store_type(z->store);
    TRY(nrg_chains_look(z->hot, z->lanes, z->spec->seed, z->at, z->energy, z->u0));
    for (int64_t i = 0; i < z->lanes; i++) {
        double E = nrg_store_number(type, z->energy, i);
        if (E == -INFINITY) return runaway(z);
        if (isnan(E)) return undefined(z);
        z->gap[i] = isfinite(E) ? E - nrg_store_number(type, z->u0, i) : INFINITY;
    }
    return NRG_OK;
}

// ---- learning at every heat

static double tried(const annealing *z, int64_t i) { // the heats of the run beforehand: close together near the base
    double u = (double)(i + 1) / (double)z->spec->chains;
    return u * u;
}

static nrg_status keep_learned(annealing *z) {
    int n = method_states(z);
    z->learned = NRG_NEWS(&z->arena, void *, n + 1);
    if (!z->learned) return NRG_E098;
    for (int k = 0; k < n; k++) {
        const nrg_chains_state *s = nrg_chains_state_at(z->hot, z->base.n + k);
        size_t bytes = (size_t)(s->count * z->lanes) * nrg_dtype_size(nrg_store_type(z->store));
        z->learned[k] = nrg_arena_get(&z->arena, bytes + 1);
        if (!z->learned[k]) return NRG_E098;
        memcpy(z->learned[k], nrg_store_get(z->store, s->name)->data, bytes);
    }
    return NRG_OK;
}

static nrg_status learn(annealing *z) {
    int64_t C = z->spec->chains;
    double *sum = NRG_NEWS(&z->arena, double, 2 * z->lanes);
    if (!sum) return NRG_E098;
    TRY(open_chains(z, true, &z->hot));
    TRY(nrg_chains_start(z->hot, z->lanes, z->spec->seed, z->at++));
    nrg_base_draw(&z->base, z->hot, z->spec->seed, z->at++);
    for (int64_t i = 0; i < z->lanes; i++) z->weight[i] = tried(z, i % C);
    set_heats(z, z->weight);
    TRY(go(z, z->hot, LEARN));
    TRY(keep_learned(z));
    for (int t = 0; t < LOOKS; t++) {
        TRY(go(z, z->hot, APART));
        TRY(look(z));
        for (int64_t i = 0; i < z->lanes; i++) sum[2 * i] += z->gap[i], sum[2 * i + 1] += z->gap[i] * z->gap[i];
    }
    for (int64_t i = 0; i < z->lanes; i++) {
        double mean = sum[2 * i] / LOOKS, var = sum[2 * i + 1] / LOOKS - mean * mean;
        z->load[i] = isfinite(var) && var > 0 ? sqrt(var) : 0;
    }
    return NRG_OK;
}

// Lends what was learned at the tried heat nearest to each chain's heat.
static void lend(annealing *z, const double *heat) {
    int64_t C = z->spec->chains;
    for (int k = 0, n = method_states(z); k < n; k++) {
        const nrg_chains_state *s = nrg_chains_state_at(z->hot, z->base.n + k);
        size_t bytes = (size_t)s->count * nrg_dtype_size(nrg_store_type(z->store));
        char *to = nrg_store_get(z->store, s->name)->data, *from = z->learned[k];
        for (int64_t i = 0; i < z->lanes; i++) {
            int64_t near = (int64_t)llround(sqrt(heat[i]) * (double)C) - 1;
            near = near < 0 ? 0 : near >= C ? C - 1 : near;
            memcpy(to + (size_t)i * bytes, from + (size_t)(i / C * C + near) * bytes, bytes);
        }
    }
}

// ---- the schedule: half of the heats where the gap varies (equal thermodynamic length), half as the tried ones lie

static double density(const annealing *z, int64_t row, int64_t i) { // of heats between tried heats i - 1 and i
    int64_t C = z->spec->chains;
    double sum = 0, n = 0, step = tried(z, i) - (i ? tried(z, i - 1) : 0);
    for (int64_t k = i - 2; k <= i + 2; k++)
        if (k >= 0 && k < C) sum += z->load[row * C + k], n++;
    return sum / n * step;
}

static nrg_status schedule(annealing *z, int64_t heats) {
    int64_t C = z->spec->chains;
    if (heats + 1 > z->room) {
        z->heat = NRG_NEWS(&z->arena, double, z->spec->rows * (heats + 1));
        z->room = heats + 1;
    }
    if (!z->heat) return NRG_E098;
    z->heats = heats;
    for (int64_t r = 0; r < z->spec->rows; r++) {
        double total = 0, done = 0, *b = z->heat + r * (heats + 1);
        int64_t k = 1;
        for (int64_t i = 0; i < C; i++) total += density(z, r, i);
        b[0] = 0, b[heats] = 1;
        for (int64_t i = 0; i < C; i++) {
            double from = i ? tried(z, i - 1) : 0, share = 0.5 / (double)C + (total > 0 ? 0.5 * density(z, r, i) / total : 0.5 / (double)C);
            for (; k < heats && (double)k / (double)heats <= done + share; k++)
                b[k] = from + (tried(z, i) - from) * ((double)k / (double)heats - done) / share;
            done += share;
        }
        for (; k < heats; k++) b[k] = 1; // rounding
    }
    return NRG_OK;
}

// ---- the two directions

static double heat_at(const annealing *z, int64_t lane, int64_t k) { return z->heat[lane / z->spec->chains * (z->heats + 1) + k]; }

static nrg_status move(annealing *z, int64_t k) {
    for (int64_t i = 0; i < z->lanes; i++) z->gap[i] = heat_at(z, i, k);
    set_heats(z, z->gap);
    lend(z, z->gap);
    return go(z, z->hot, 1);
}

// Weights of the step between heats k - 1 and k, at the chains' places; sign -1: towards the model.
static nrg_status weigh(annealing *z, int64_t k, double sign) {
    TRY(look(z));
    for (int64_t i = 0; i < z->lanes; i++) {
        double step = heat_at(z, i, k) - heat_at(z, i, k - 1);
        if (step > 0) z->weight[i] += sign * step * z->gap[i];
    }
    return NRG_OK;
}

static nrg_status forward(annealing *z) {
    nrg_base_draw(&z->base, z->hot, z->spec->seed, z->at++);
    for (int64_t i = 0; i < z->lanes; i++) z->weight[i] = 0;
    for (int64_t k = 1; k <= z->heats; k++) {
        TRY(weigh(z, k, -1));
        if (k < z->heats) TRY(move(z, k));
    }
    memcpy(z->forward, z->weight, (size_t)z->lanes * sizeof(double));
    return NRG_OK;
}

static nrg_status reverse(annealing *z) {
    for (int64_t i = 0; i < z->lanes; i++) z->weight[i] = 0;
    for (int64_t k = z->heats; k >= 1; k--) {
        TRY(weigh(z, k, 1));
        if (k > 1) TRY(move(z, k - 1));
    }
    memcpy(z->reverse, z->weight, (size_t)z->lanes * sizeof(double));
    return NRG_OK;
}

// Steps at heat 1 change nothing about draws of the model; they part chains that start at one place and draw what the data do not hold.
static nrg_status relax(annealing *z) {
    z->at++;
    for (int i = 0; i < RELAX; i++) TRY(move(z, z->heats));
    return NRG_OK;
}

// Each chain at a row of its own, or at that whose Z it is about.
static nrg_status redraw_from_data(annealing *z) {
    int64_t C = z->spec->chains, N = z->spec->examples, *order = NRG_NEWS(&z->arena, int64_t, N);
    if (!order) return NRG_E098;
    nrg_random_shuffle(z->spec->seed, NRG_FOR_PICK, z->at, order, N);
    for (int64_t i = 0; i < z->lanes; i++) z->example[i] = z->spec->given ? i / C : order[i % N];
    TRY(start_at_data(z, z->hot));
    return relax(z);
}

// Ends of the way forward, each as often as its weight says (systematic), then some steps at heat 1: draws of the model.
static nrg_status redraw(annealing *z) {
    nrg_dtype type = nrg_store_type(z->store);
    int64_t C = z->spec->chains, *from = NRG_NEWS(&z->arena, int64_t, z->lanes);
    if (!from) return NRG_E098;
    for (int64_t r = 0; r < z->spec->rows; r++) {
        const double *w = z->forward + r * C;
        double top = -INFINITY, total = 0, sum = 0, u = nrg_random_wide(z->spec->seed, NRG_FOR_PICK, (uint64_t)r, z->at, 0);
        for (int64_t i = 0; i < C; i++) top = fmax(top, w[i]);
        for (int64_t i = 0; i < C; i++) total += isfinite(top) ? exp(w[i] - top) : 1;
        for (int64_t i = 0, k = 0; i < C; i++) {
            sum += isfinite(top) ? exp(w[i] - top) : 1;
            for (; k < C && ((double)k + u) * total < sum * (double)C; k++) from[r * C + k] = r * C + i;
            for (; i == C - 1 && k < C; k++) from[r * C + k] = r * C + i;
        }
    }
    for (int j = 0; j < z->base.n; j++) {
        size_t bytes = (size_t)z->base.width[j] * nrg_dtype_size(type);
        char *x = nrg_store_get(z->store, nrg_chains_state_at(z->hot, j)->name)->data, *old = nrg_arena_get(&z->arena, bytes * (size_t)z->lanes + 1);
        if (!old) return NRG_E098;
        memcpy(old, x, bytes * (size_t)z->lanes);
        for (int64_t i = 0; i < z->lanes; i++) memcpy(x + (size_t)i * bytes, old + (size_t)from[i] * bytes, bytes);
    }
    return relax(z);
}

// ---- bounds

static double log_mean(const double *w, int64_t n, uint64_t seed, uint64_t row, int64_t boot, double *share) {
    double top = -INFINITY, sum = 0, squares = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < n; i++) {
            int64_t k = boot < 0 ? i : (int64_t)(nrg_random_wide(seed, NRG_FOR_BOOT, row, (uint32_t)boot, (uint32_t)i) * (double)n);
            double e = pass && isfinite(top) ? exp(w[k] - top) : 0;
            if (!pass) top = fmax(top, w[k]);
            sum += e, squares += e * e;
        }
    if (share) *share = squares > 0 ? sum * sum / squares / (double)n : 0;
    return isfinite(top) ? top + log(sum / (double)n) : -INFINITY;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// What the bootstrap over chains leaves below the logarithm of the mean weight.
static double error_of(annealing *z, const double *w, int64_t row, double *mean, double *share) {
    int64_t C = z->spec->chains;
    *mean = log_mean(w + row * C, C, 0, 0, -1, share);
    for (int64_t k = 0; k < BOOTS; k++) z->boot[k] = log_mean(w + row * C, C, z->spec->seed, (uint64_t)row, k, NULL);
    qsort(z->boot, BOOTS, sizeof *z->boot, by_value);
    return fmax(0, *mean - z->boot[(int)(TAIL * BOOTS)]);
}

// Where the two estimates have changed places by chance, both errors count from the outer one: their difference says nothing then,
// and refining stops by the width.
static double measure(annealing *z, nrg_log_z_out *out) {
    double widest = 0;
    out->forward = out->reverse = 1;
    for (int64_t r = 0; r < z->spec->rows; r++) {
        double f, b, there, back;
        double below = error_of(z, z->forward, r, &there, &f), above = error_of(z, z->reverse, r, &back, &b);
        out->low[r] = z->base.log_z[r] + fmin(there, -back) - below;
        out->high[r] = z->base.log_z[r] + fmax(there, -back) + above;
        out->forward = fmin(out->forward, f), out->reverse = fmin(out->reverse, b);
        widest = fmax(widest, out->high[r] - out->low[r]);
    }
    return widest;
}

// ---- all together

static nrg_status room(annealing *z, nrg_log_z_out *out) {
    int64_t n = z->lanes + 1;
    double **parts[] = {&z->gap, &z->load, &z->weight, &z->forward, &z->reverse};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!(*parts[i] = NRG_NEWS(&z->arena, double, n))) return NRG_E098;
    z->boot = NRG_NEWS(&z->arena, double, BOOTS);
    z->energy = NRG_NEWS(&z->arena, double, n), z->u0 = NRG_NEWS(&z->arena, double, n);
    out->low = NRG_NEWS(&out->arena, double, z->spec->rows), out->high = NRG_NEWS(&out->arena, double, z->spec->rows);
    z->example = NRG_NEWS(&z->arena, int64_t, n);
    return z->example && z->boot && z->energy && z->u0 && out->low && out->high ? NRG_OK : NRG_E098;
}

static nrg_status say(annealing *z, nrg_log_z_out *out) {
    nrg_text t = nrg_text_make(z->model->ctx), who = nrg_text_make(z->model->ctx);
    nrg_status s = z->hot ? nrg_chains_print(z->hot, &who) : NRG_OK;
    if (!z->hot) nrg_vars_print(z->model, z->spec->vars, &who);
    if (out->exact) nrg_text_put(&t, "exact: the sum over %s in closed form or value by value", who.at ? who.at : "");
    else
        nrg_text_put(&t, "annealed importance sampling by `%s`: %lld chains, %lld heats, %lld steps in all; the upper end holds as far as "
                     "%s run %d more steps", who.at ? who.at : "", (long long)z->spec->chains, (long long)z->heats, (long long)z->taken,
                     z->spec->from_data ? "the data are draws of the model: the way back starts there, and its chains"
                                        : "the chains reach equilibrium: they start where annealing ends, and", RELAX);
    out->how = s == NRG_OK && !t.bad ? nrg_arena_copy(&out->arena, t.at, t.n) : NULL;
    nrg_text_free(&t);
    nrg_text_free(&who);
    TRY(s);
    return out->how ? NRG_OK : NRG_E098;
}

// Twice as many heats until the interval is narrow enough or the steps are spent.
static nrg_status anneal(annealing *z, nrg_log_z_out *out) {
    TRY(find_base(z));
    TRY(learn(z));
    for (int64_t heats = FIRST_HEATS;; heats *= 2) {
        TRY(schedule(z, heats));
        if (!z->spec->from_data) TRY(forward(z)); // draws to go back from; the lower bound has a run of its own, or both would err in the same way
        TRY(z->spec->from_data ? redraw_from_data(z) : redraw(z));
        TRY(reverse(z));
        TRY(forward(z));
        if (measure(z, out) <= z->spec->width || z->taken + 6 * heats + RELAX > z->spec->budget) break;
    }
    out->heats = z->heats;
    out->steps = z->taken;
    return NRG_OK;
}

// Of a single real variable without walls: whether the integral exists at all. Where it does not, annealing finds some number all the same.
static nrg_status exists(annealing *z) {
    nrg_text said = nrg_text_make(z->model->ctx);
    nrg_ask_spec one = {.question = NRG_DIST, .given = z->spec->given, .n = z->spec->rows, .threads = z->spec->threads};
    bool diverges = false;
    if (z->spec->vars & (z->spec->vars - 1)) return NRG_OK;
    while (!(z->spec->vars >> one.var & 1)) one.var++;
    nrg_status s = nrg_growth_check(z->model, z->store, &one, &diverges, &said);
    if (s == NRG_OK && diverges) {
        const char *name = z->model->vars.at[one.var].name;
        s = nrg_fail(z->model->ctx, NRG_E060, z->model->vars.at[one.var].span, "log Z does not exist: exp(-beta E) has no finite sum over all %s", name);
        nrg_fact(z->model->ctx, "%s", said.at);
        nrg_help(z->model->ctx, "bound it:  %s : real in LO..HI;   or add a term that grows", name);
    }
    nrg_text_free(&said);
    return s;
}

static nrg_status run(annealing *z, nrg_log_z_out *out) {
    TRY(room(z, out));
    if (!z->spec->annealed) TRY(exactly(z, &out->exact, out->low));
    if (!out->exact) TRY(exists(z));
    if (out->exact) memcpy(out->high, out->low, (size_t)z->spec->rows * sizeof(double));
    else {
        TRY(nrg_lanes_store(z->model, &z->arena, z->store, z->spec->rows, z->spec->chains, &z->store));
        TRY(anneal(z, out));
    }
    return say(z, out);
}

nrg_status nrg_log_z_of(nrg_model *m, const nrg_store *store, const nrg_log_z_spec *spec, nrg_log_z_out *out) {
    annealing z = {.model = m, .spec = spec, .arena = nrg_arena_make(m->ctx), .lanes = spec->rows * spec->chains, .at = 1};
    nrg_store *given = (nrg_store *)(size_t)store; // lent; its own one takes its place when chains begin
    z.store = given;
    *out = (nrg_log_z_out){.arena = nrg_arena_make(m->ctx), .forward = NAN, .reverse = NAN};
    nrg_status s = run(&z, out);
    nrg_chains_free(z.pilot);
    nrg_chains_free(z.hot);
    if (z.store != given) nrg_store_free(z.store);
    nrg_arena_free(&z.arena);
    if (s == NRG_OK) return s;
    nrg_log_z_out_free(out);
    *out = (nrg_log_z_out){.arena = nrg_arena_make(m->ctx)};
    return s;
}
