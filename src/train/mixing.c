// Do the chains that a loss draws from mix, and do they cover anything? Up to 64 chains of the buffer, evenly spread, are followed: at
// each of their last visits up to 4 of their numbers are noted, which costs at most 256 copies an update. At the end of an epoch, at
// most 20 times a run, R-hat is computed of the visits (of 1024 numbers at most, 4 times), and draws are compared with each other and
// data with data (2016 distances each).
#include "infer/inside.h"
#include "train/inside.h"
#include <math.h>
#include <stdlib.h>

enum { CHAINS = 64, VISITS = 16, NUMBERS = 4, LEAST_CHAINS = 4, LOOKS = 20 };
static const double NEAR = 0.01; // of the median distance between two rows of the data: closer draws count as the same

static int64_t followed(const nrg_drawing *d) { return d->slots < CHAINS ? d->slots : CHAINS; }
static int64_t slot_of(const nrg_drawing *d, int64_t chain) { return chain * d->slots / followed(d); }

static int64_t numbers_of(const nrg_drawing *d) {
    int64_t all = 0;
    for (int i = 0; i < d->n; i++) all += nrg_chains_state_at(d->chains, i)->count;
    return all;
}

// A number of a draw, counted through all variables.
static double number_at(const nrg_drawing *d, const nrg_store *s, const char *const *names, int64_t place, int64_t k) {
    for (int i = 0; i < d->n; i++) {
        int64_t count = nrg_chains_state_at(d->chains, i)->count;
        if (k < count) return nrg_store_number(nrg_store_type(s), nrg_store_get(s, names[i])->data, place * count + k);
        k -= count;
    }
    return 0;
}

// Visits seen of each chain, then the numbers of its last ones.
nrg_status nrg_mixing_open(nrg_arena *a, nrg_drawing *d) {
    d->noted_n = d->slots ? followed(d) * (1 + VISITS * NUMBERS) : 0;
    if (d->noted_n && !(d->noted = NRG_NEWS(a, double, d->noted_n))) return NRG_E098;
    return NRG_OK;
}

// After an update of these lanes, when their chains are back in the buffer. A chain that has started anew forgets its visits.
void nrg_mixing_note(nrg_drawing *d, const nrg_store *s, int64_t lanes) {
    int64_t chains = d->slots ? followed(d) : 0, all = numbers_of(d), some = all < NUMBERS ? all : NUMBERS;
    for (int64_t k = 0; k < lanes && chains; k += d->ladder.levels) {
        int64_t slot = d->lane[k] / d->ladder.levels, chain = (slot * chains + d->slots - 1) / d->slots;
        if (chain >= chains || slot_of(d, chain) != slot) continue;
        double *seen = d->noted + chain, *to = d->noted + chains + chain * VISITS * NUMBERS;
        if (d->age[d->lane[k]] <= (double)d->steps) *seen = 0;
        to += ((int64_t)*seen % VISITS) * NUMBERS;
        for (int64_t i = 0; i < some; i++) to[i] = number_at(d, s, d->slot, d->lane[k], i * all / some);
        ++*seen;
    }
}

// Chains with at least n visits; their last n of number i into `to`, one chain after the other.
static int64_t gather(const nrg_drawing *d, int64_t n, int64_t i, double *to) {
    int64_t chains = followed(d), found = 0;
    for (int64_t c = 0; c < chains; c++) {
        int64_t seen = (int64_t)d->noted[c];
        const double *from = d->noted + chains + c * VISITS * NUMBERS;
        if (seen < n) continue;
        for (int64_t v = 0; v < n; v++) to[found * n + v] = from[(seen - n + v) % VISITS * NUMBERS + i];
        found++;
    }
    return found;
}

// The worst R-hat over the numbers; NaN while too few chains have been visited four times.
static nrg_status worst_rhat(nrg_ctx *c, const nrg_drawing *d, double *rhat) {
    double x[CHAINS * VISITS];
    int64_t n = VISITS, all = numbers_of(d), some = all < NUMBERS ? all : NUMBERS;
    *rhat = NAN;
    if (!d->noted) return NRG_OK;
    while (n >= 4 && gather(d, n, 0, x) < LEAST_CHAINS) n /= 2;
    for (int64_t i = 0; i < some && n >= 4; i++) {
        nrg_health h;
        TRY(nrg_health_of(c, x, gather(d, n, i, x), n, &h));
        if (!(h.rhat <= *rhat)) *rhat = isnan(h.rhat) ? *rhat : h.rhat;
    }
    return NRG_OK;
}

// ---- do draws repeat each other?

static double distance(const double *x, int64_t width, int64_t a, int64_t b) {
    double sum = 0;
    for (int64_t k = 0; k < width; k++) sum += (x[a * width + k] - x[b * width + k]) * (x[a * width + k] - x[b * width + k]);
    return sqrt(sum);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_distance(const double *x, int64_t width, int64_t n) {
    double all[CHAINS * (CHAINS - 1) / 2];
    size_t many = 0;
    for (int64_t a = 0; a < n; a++)
        for (int64_t b = 0; b < a; b++) all[many++] = distance(x, width, a, b);
    qsort(all, many, sizeof *all, ascending);
    return many ? all[many / 2] : 0;
}

// Share of the rows that lie within `near` of one before them.
static double share_near(const double *x, int64_t width, int64_t n, double near) {
    int64_t found = 0;
    for (int64_t a = 0; a < n; a++) {
        bool again = false;
        for (int64_t b = 0; b < a && !again; b++) again = distance(x, width, a, b) <= near;
        found += again;
    }
    return (double)found / (double)n;
}

// The drawn variables that the data hold, of n rows spread over the training set.
static nrg_status read_data(const nrg_trainer *t, const nrg_drawing *d, int64_t width, int64_t n, double *to) {
    int64_t rows[CHAINS], first = 0;
    nrg_store *view;
    nrg_arena a = nrg_arena_make(t->ctx);
    double *part = NRG_NEWS(&a, double, n * width + 1);
    nrg_status s = part ? nrg_store_new(t->ctx, nrg_store_type(t->store), &view) : NRG_E098;
    if (s != NRG_OK) return nrg_arena_free(&a), s;
    for (int64_t i = 0; i < n; i++) rows[i] = t->rows[i * t->rows_n / n];
    s = nrg_store_share(t->store, view);
    for (int i = 0; i < d->n && s == NRG_OK; i++) {
        int64_t count = nrg_chains_state_at(d->chains, i)->count;
        if (!(nrg_bound_vars(d->bound) >> d->var[i] & 1)) continue;
        s = nrg_bound_numbers(d->bound, view, d->var[i], rows, n, part);
        for (int64_t k = 0; s == NRG_OK && k < n * count; k++) to[k / count * width + first + k % count] = part[k];
        first += count;
    }
    nrg_store_free(view);
    nrg_arena_free(&a);
    return s;
}

static void read_draws(const nrg_trainer *t, const nrg_drawing *d, int64_t width, int64_t n, double *to) {
    int64_t first = 0;
    for (int i = 0; i < d->n; i++) {
        int64_t count = nrg_chains_state_at(d->chains, i)->count;
        if (!(nrg_bound_vars(d->bound) >> d->var[i] & 1)) continue;
        const void *from = nrg_store_get(t->store, d->slots ? d->slot[i] : d->draw[i])->data;
        for (int64_t k = 0; k < n; k++)
            for (int64_t e = 0; e < count; e++) {
                int64_t place = d->slots ? slot_of(d, k) * d->ladder.levels : k;
                to[k * width + first + e] = nrg_store_number(t->type, from, place * count + e);
            }
        first += count;
    }
}

// Of the buffer, or where none is kept of the last update. Both are shares of at most 64; NaN: nothing that is drawn is in the data.
static nrg_status repeats(const nrg_trainer *t, const nrg_drawing *d, double *draws, double *data) {
    int64_t width = 0, n = d->slots ? followed(d) : d->drawn < CHAINS ? d->drawn : CHAINS, m = t->rows_n < CHAINS ? t->rows_n : CHAINS;
    *draws = *data = NAN;
    for (int i = 0; i < d->n; i++) width += nrg_bound_vars(d->bound) >> d->var[i] & 1 ? nrg_chains_state_at(d->chains, i)->count : 0;
    if (!width || n < 2 || m < 2) return NRG_OK;
    nrg_arena a = nrg_arena_make(t->ctx);
    double *x = NRG_NEWS(&a, double, CHAINS * width);
    nrg_status s = x ? read_data(t, d, width, m, x) : NRG_E098;
    if (s == NRG_OK) {
        double near = NEAR * median_distance(x, width, m);
        *data = share_near(x, width, m, near);
        read_draws(t, d, width, n, x);
        *draws = share_near(x, width, n, near);
    }
    nrg_arena_free(&a);
    return s;
}

// Not at every epoch: short ones would take longer to look at than to train.
nrg_status nrg_mixing_look(const nrg_trainer *t, nrg_progress *p) {
    int64_t every = (t->epochs + LOOKS - 1) / LOOKS;
    p->rhat = p->repeats = p->data_repeats = NAN;
    if ((t->epoch + 1) % every != 0 && t->epoch + 1 != t->epochs) return NRG_OK;
    for (uint32_t i = 0; i < t->step.draws.n; i++) {
        const nrg_drawing *d = t->step.draws.at[i];
        if (d->beside) continue;
        TRY(worst_rhat(t->ctx, d, &p->rhat));
        return repeats(t, d, &p->repeats, &p->data_repeats);
    }
    return NRG_OK;
}
