// Answers from a list of candidates: all values of a finite variable, grid points, or those that the asker names. Energies of a tile
// of candidates at a time; the best few, or all of them, are kept in double.
#include "infer/ask.h"
#include <math.h>
#include <string.h>

enum { RANKED_MOST = 1000, TILE_MOST = 4096 };

typedef struct {
    nrg_asking a;
    nrg_answers *out;
    nrg_group gr; // how the values are listed
    double log_cell, points;
    int64_t count, width, tile, keep; // keep: how many of the lowest
    void *values, *F;                 // [tile, width], [piece, tile], of the store's type
    int64_t *index;                   // [n, keep] of the lowest
    double *low;                      // [n, keep] their energies, rising
    double *all;                      // [n, count]: dist, and minima on a grid
} listing;

// The numbers of candidate c.
static void value_of(const listing *l, int64_t c, double *to) {
    const nrg_model *m = l->a.model;
    const nrg_ask_spec *spec = l->a.spec;
    if (spec->among) {
        memcpy(to, spec->among + c * l->width, (size_t)l->width * sizeof *to);
        return;
    }
    double choices =
        l->gr.stmt.method == NRG_BY_grid ? l->points : nrg_finite_choices(m, spec->var);
    for (int64_t e = l->width - 1, rest = c; e >= 0; e--) {
        double digit = (double)(rest % (int64_t)choices);
        rest /= (int64_t)choices;
        if (l->gr.stmt.method == NRG_BY_grid)
            nrg_grid_place(m, spec->var, l->points, digit, &to[e]);
        else
            to[e] = nrg_finite_number(m, spec->var, digit);
    }
}

// Are the energies of all candidates wanted, rather than the lowest few?
static bool whole(const nrg_ask_spec *spec) {
    return spec->question == NRG_DIST || (spec->question == NRG_BEST && spec->minima > 0);
}

static nrg_status candidates(listing *l) {
    nrg_asking *a = &l->a;
    const nrg_ask_spec *spec = a->spec;
    nrg_status st = NRG_OK;
    nrg_shape s = nrg_var_event(a->inference, spec->var, &st);
    TRY(st);
    l->width = nrg_shape_count(&s);
    l->count = spec->among_n;
    if (spec->among) return NRG_OK;
    TRY(nrg_infer_list(a->inference, spec->var, &l->gr, &l->count, &l->log_cell));
    if (l->gr.stmt.method == NRG_BY_grid) {
        l->points = nrg_grid_size(a->inference, &l->gr, &st);
        a->status = "approx";
    }
    return st;
}

// F over {sample, tile} as output 0.
static nrg_status build(listing *l) {
    nrg_asking *a = &l->a;
    nrg_status st = NRG_OK;
    nrg_shape s = nrg_var_event(a->inference, a->spec->var, &st), t = {.rank = s.rank + 1};
    nrg_node F = NRG_BAD;
    t.dim[0] = l->tile;
    memcpy(t.dim + 1, s.dim, (size_t)s.rank * sizeof *s.dim);
    nrg_leads lead = nrg_lead_new(a->graph, "candidate", l->tile);
    nrg_node x = nrg_lift(a->graph, nrg_input(a->graph, "ask:values", 0, t), 0, lead);
    nrg_scope_bind(a->scope, a->spec->var, x);
    nrg_chain *c = NRG_NEW(&a->inference->arena, nrg_chain);
    if (!c || st != NRG_OK) return c ? st : NRG_E098;
    TRY(nrg_chain_make(a->inference, a->spec->given, 0,
                       a->spec->question == NRG_DIST ? NRG_MARGINALIZE : NRG_MINIMIZE,
                       (nrg_vars)1 << a->spec->var, c));
    nrg_asking_rate(a, c);
    TRY(nrg_chain_energy(c, 0, &F));
    F = nrg_spread(a->graph, F, NRG_SAMPLE | lead);
    return nrg_asking_plan(a, &F, 1);
}

static size_t room(const listing *l) {
    return l->a.spec->memory ? l->a.spec->memory : (size_t)64 << 20;
}

// Opens with the largest tile (halving) and piece that fit into the memory.
static nrg_status open(listing *l, nrg_model *m, nrg_store *store, const nrg_ask_spec *spec) {
    size_t one = nrg_dtype_size(nrg_store_type(store));
    TRY(nrg_asking_open(&l->a, m, store, spec, 1));
    TRY(candidates(l));
    l->tile = l->count < 1 ? 1 : l->count < TILE_MOST ? l->count : TILE_MOST;
    for (;;) {
        int64_t piece = (int64_t)(room(l) / 8 / one) / l->tile;
        const char *status = l->a.status;
        piece = piece < 1 ? 1 : piece > spec->n ? spec->n : piece;
        nrg_asking_close(&l->a);
        TRY(nrg_asking_open(&l->a, m, store, spec, piece < 1 ? 1 : piece));
        l->a.status = status;
        TRY(build(l));
        if (l->tile == 1 || nrg_tile_fits(l->a.plan, room(l))) break;
        l->tile = (l->tile + 1) / 2;
    }
    nrg_arena *arena = &l->out->arena;
    l->keep = spec->question == NRG_BEST ? 2 : spec->top > 0 ? spec->top : RANKED_MOST;
    if (l->keep > l->count) l->keep = l->count;
    if (whole(spec)) l->keep = 0;
    l->values = nrg_arena_get(arena, (size_t)(l->tile * l->width + 1) * one);
    l->F = nrg_arena_get(arena, (size_t)(l->tile * l->a.piece) * one);
    l->index = NRG_NEWS(arena, int64_t, spec->n * l->keep + 1);
    l->low = NRG_NEWS(arena, double, spec->n * l->keep + 1);
    if (whole(spec)) l->all = NRG_NEWS(arena, double, spec->n * l->count + 1);
    bool have = l->values && l->F && l->index && l->low && (l->all || !whole(spec));
    return have ? NRG_OK : NRG_E098;
}

// Insertion into the rising list; equal energies keep the order of candidates.
static void rank_in(listing *l, int64_t row, int64_t c, double F) {
    double *low = l->low + row * l->keep;
    int64_t *index = l->index + row * l->keep, k = l->keep;
    if (k == 0 || !(F < low[k - 1] || index[k - 1] < 0)) return;
    while (k > 1 && (index[k - 2] < 0 || F < low[k - 2])) {
        low[k - 1] = low[k - 2];
        index[k - 1] = index[k - 2];
        k--;
    }
    low[k - 1] = F;
    index[k - 1] = c;
}

static nrg_status not_finite(listing *l, int64_t row, int64_t c) {
    nrg_status s = nrg_fail(l->a.model->ctx, NRG_E080, NRG_NOWHERE,
                            "the energy of candidate %lld of %s is not a number at sample %lld",
                            (long long)c, l->a.model->vars.at[l->a.spec->var].name, (long long)row);
    nrg_help(l->a.model->ctx, "look at the weights: a run that diverged leaves such energies");
    return s;
}

static nrg_status tile(listing *l, int64_t row, int64_t n, int64_t first) {
    nrg_dtype type = nrg_store_type(l->a.store);
    int64_t filled = l->count - first < l->tile ? l->count - first : l->tile;
    double *one = NRG_NEWS(&l->a.inference->arena, double, l->width + 1);
    if (!one) return NRG_E098;
    for (int64_t c = 0; c < l->tile; c++) { // the last tile is filled up with its last candidate
        value_of(l, first + (c < filled ? c : filled - 1), one);
        for (int64_t e = 0; e < l->width; e++) {
            if (type == NRG_F64)
                ((double *)l->values)[c * l->width + e] = one[e];
            else
                ((float *)l->values)[c * l->width + e] = (float)one[e];
        }
    }
    TRY(nrg_store_put(l->a.store, "ask:values",
                      (nrg_buffer){l->values, type == NRG_F64 ? NRG_BUF_F64 : NRG_BUF_F32, NULL}));
    nrg_run_output(l->a.run, 0, l->F);
    TRY(nrg_asking_go(&l->a, n));
    nrg_asking_marks(&l->a, n, l->out->status + row);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t c = 0; c < filled; c++) {
            double F = nrg_store_number(type, l->F, i * l->tile + c);
            if (isnan(F)) return not_finite(l, row + i, first + c);
            if (l->all)
                l->all[(row + i) * l->count + first + c] = F;
            else
                rank_in(l, row + i, first + c, F);
        }
    }
    return NRG_OK;
}

static nrg_status energies(listing *l) {
    for (int64_t k = 0; k < l->a.spec->n * l->keep; k++) l->index[k] = -1;
    for (int64_t row = 0; row < l->a.spec->n; row += l->a.piece) {
        int64_t n = l->a.spec->n - row < l->a.piece ? l->a.spec->n - row : l->a.piece;
        TRY(nrg_asking_view(&l->a, row));
        for (int64_t first = 0; first < l->count; first += l->tile) TRY(tile(l, row, n, first));
    }
    return NRG_OK;
}

static nrg_status spread_out(listing *l) {
    nrg_answers *o = l->out;
    o->choices = l->count;
    o->energy = l->all;
    o->value = NRG_NEWS(&o->arena, double, l->count * l->width + 1);
    if (!o->value) return NRG_E098;
    for (int64_t c = 0; c < l->count; c++) value_of(l, c, o->value + c * l->width);
    return NRG_OK;
}

// Probabilities exp(-beta (F - free)); with cells, densities, and free is that of the continuous variable.
static nrg_status weigh(listing *l) {
    nrg_answers *o = l->out;
    double beta = l->a.model->beta;
    TRY(spread_out(l));
    o->p = NRG_NEWS(&o->arena, double, o->n * l->count + 1);
    o->free = NRG_NEWS(&o->arena, double, o->n + 1);
    if (!o->p || !o->free) return NRG_E098;
    for (int64_t i = 0; i < o->n; i++) {
        const double *F = l->all + i * l->count;
        double low = INFINITY, sum = 0;
        for (int64_t c = 0; c < l->count; c++) low = fmin(low, F[c]);
        for (int64_t c = 0; c < l->count && !isinf(low); c++) sum += exp(-beta * (F[c] - low));
        o->free[i] = low - (log(sum) + l->log_cell) / beta;
        for (int64_t c = 0; c < l->count; c++)
            o->p[i * l->count + c] =
                isinf(low) ? NAN : exp(-beta * (F[c] - low)) / (sum * exp(l->log_cell));
    }
    return NRG_OK;
}

static nrg_status rank(listing *l) {
    nrg_answers *o = l->out;
    bool best = l->a.spec->question == NRG_BEST;
    o->choices = best ? 1 : l->keep;
    o->energy = NRG_NEWS(&o->arena, double, o->n * o->choices + 1);
    o->value = NRG_NEWS(&o->arena, double, o->n * o->choices * l->width + 1);
    if (best)
        o->runner_up = NRG_NEWS(&o->arena, double, o->n * l->width + 1),
        o->runner_up_energy = NRG_NEWS(&o->arena, double, o->n + 1);
    if (!o->energy || !o->value || (best && (!o->runner_up || !o->runner_up_energy)))
        return NRG_E098;
    for (int64_t i = 0; i < o->n; i++) {
        for (int64_t k = 0; k < o->choices; k++) {
            o->energy[i * o->choices + k] = l->low[i * l->keep + k];
            value_of(l, l->index[i * l->keep + k], o->value + (i * o->choices + k) * l->width);
        }
        if (!best) continue;
        bool two = l->keep > 1;
        o->runner_up_energy[i] = two ? l->low[i * l->keep + 1] : NAN;
        if (two) value_of(l, l->index[i * l->keep + 1], o->runner_up + i * l->width);
        for (int64_t e = 0; !two && e < l->width; e++) o->runner_up[i * l->width + e] = NAN;
    }
    return NRG_OK;
}

static nrg_status describe(listing *l) {
    nrg_text t = nrg_text_make(l->a.model->ctx);
    const char *by = l->a.spec->among                   ? "the candidates named"
                     : l->gr.stmt.method == NRG_BY_grid ? "grid points"
                                                        : "all values";
    nrg_text_put(&t, "energies of %lld candidates (%s)", (long long)l->count, by);
    nrg_inference_list(l->a.inference, &t);
    l->out->how = t.bad ? NULL : nrg_arena_copy(&l->out->arena, t.at, t.n);
    nrg_text_free(&t);
    return l->out->how ? NRG_OK : NRG_E098;
}

nrg_status nrg_ask_listing(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                           nrg_answers *out) {
    listing l = {.out = out};
    nrg_status s = open(&l, m, store, spec);
    if (s == NRG_OK && l.count < 1)
        s = nrg_fail(m->ctx, NRG_E026, m->vars.at[spec->var].span,
                     "%s has no values to choose from", m->vars.at[spec->var].name);
    out->width = l.width;
    if (s == NRG_OK) s = energies(&l);
    if (s == NRG_OK) s = spec->question == NRG_DIST ? weigh(&l) : whole(spec) ? spread_out(&l) : rank(&l);
    out->energies = spec->n * l.count;
    if (s == NRG_OK) s = describe(&l);
    nrg_asking_close(&l.a);
    return s;
}
