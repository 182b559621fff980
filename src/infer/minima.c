// Several distinct minima, lowest first. Finite values and named candidates: the lowest few. Reals on a grid:
// points lower than their neighbours, each refined by descent; other reals: descents from many random starts. Those
// that meet count once.
#include "infer/ask.h"
#include <math.h>
#include <string.h>

enum { STARTS = 32, EACH = 8 }; // descents: at least STARTS, and EACH for every minimum asked for
static const double ROOM = 1 << 25; // numbers that descents side by side may take
static const double APART = 0.01;   // without a grid: of the width of the domain, or of max(1, |y|)

// Where descents start.
typedef struct {
    int64_t *row;   // [n] the sample that it belongs to
    double *at, *F; // [n, width]; [n] energies on the grid, NaN without one
    int64_t n, width;
    int64_t points; // of the grid, each way; 0: none
    double apart;   // minima nearer than this are one
} places;

static nrg_status places_new(nrg_arena *arena, places *p, int64_t room) {
    p->row = NRG_NEWS(arena, int64_t, room + 1);
    p->at = NRG_NEWS(arena, double, room * p->width + 1);
    p->F = NRG_NEWS(arena, double, room + 1);
    return p->row && p->at && p->F ? NRG_OK : NRG_E098;
}

// ---- on a grid

// No neighbour is lower; of equal neighbours the first counts. Neighbours differ by at most one step in every number.
static bool lowest_here(const double *F, int64_t at, int64_t points, int64_t width) {
    int64_t around = 1, digit[3] = {0}, rest = at;
    if (!isfinite(F[at])) return false;
    for (int64_t e = width - 1; e >= 0; e--) digit[e] = rest % points, rest /= points, around *= 3;
    for (int64_t k = 0; k < around; k++) {
        int64_t other = 0, code = k;
        bool inside = true;
        for (int64_t e = 0; e < width; e++, code /= 3) {
            int64_t d = digit[e] + code % 3 - 1;
            inside = inside && d >= 0 && d < points;
            other = other * points + d;
        }
        if (inside && (F[other] < F[at] || (F[other] == F[at] && other < at))) return false;
    }
    return true;
}

// The `most` lowest grid minima of one sample, in rising order.
static void pick(const nrg_answers *grid, int64_t row, int64_t most, places *p) {
    const double *F = grid->energy + row * grid->choices;
    int64_t first = p->n, w = p->width;
    for (int64_t c = 0; c < grid->choices; c++) {
        if (!lowest_here(F, c, p->points, w)) continue;
        if (p->n - first < most)
            p->row[p->n++] = row;
        else if (F[c] >= p->F[p->n - 1])
            continue;
        int64_t k = p->n - 1;
        for (; k > first && F[c] < p->F[k - 1]; k--) {
            p->F[k] = p->F[k - 1];
            memcpy(p->at + k * w, p->at + (k - 1) * w, (size_t)w * sizeof(double));
        }
        p->F[k] = F[c];
        memcpy(p->at + k * w, grid->value + c * w, (size_t)w * sizeof(double));
    }
}

static nrg_status from_grid(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                            nrg_arena *arena, places *p, int64_t *energies) {
    nrg_answers grid = {.arena = nrg_arena_make(m->ctx), .n = spec->n};
    int64_t most = 4 * (int64_t)spec->minima;
    grid.status = NRG_NEWS(&grid.arena, const char *, spec->n + 1);
    nrg_status s = grid.status ? nrg_ask_listing(m, store, spec, &grid) : NRG_E098;
    if (s == NRG_OK) {
        p->points = llround(pow((double)grid.choices, 1 / (double)p->width));
        p->apart = 1 / (double)p->points;
        if (most > grid.choices) most = grid.choices;
        s = places_new(arena, p, spec->n * most);
    }
    for (int64_t row = 0; s == NRG_OK && row < spec->n; row++) pick(&grid, row, most, p);
    *energies += grid.energies;
    nrg_arena_free(&grid.arena);
    return s;
}

// ---- from random starts

// `from noise(sd)` of the statement.
static nrg_status spread_of(const nrg_model *m, const nrg_infer_stmt *st, double *sd) {
    const nrg_expr *from = st->from;
    bool noise = from && from->kind == NRG_X_CALL && from->kid[0]->kind == NRG_X_NAME &&
                 nrg_same(from->kid[0]->text, "noise");
    const nrg_expr *e = noise ? nrg_call_arg(from, "sd", 0) : NULL;
    *sd = 1;
    return e ? nrg_eval_schedule(m, e, 1, sd) : NRG_OK;
}

// The same for every sample: an answer does not depend on the batch it came in.
static double start(const nrg_domain *d, uint64_t seed, int64_t k, int64_t e, double sd) {
    bool lo = d->kind == NRG_DOM_RANGE && !isinf(d->lo),
         hi = d->kind == NRG_DOM_RANGE && !isinf(d->hi);
    if (lo && hi)
        return d->lo +
               (d->hi - d->lo) * nrg_random_wide(seed, NRG_FOR_NOISE, (uint64_t)k, 0, (uint32_t)e);
    double x = sd * nrg_random_normal(seed, NRG_FOR_NOISE, (uint64_t)k, 0, (uint32_t)e);
    return lo ? d->lo + fabs(x) : hi ? d->hi - fabs(x) : x;
}

static nrg_status from_noise(nrg_model *m, const nrg_ask_spec *spec, const nrg_infer_stmt *st,
                             nrg_arena *arena, places *p) {
    const nrg_var *var = &m->vars.at[spec->var];
    double sd, least = fmax(STARTS, EACH * (double)spec->minima);
    nrg_status s = NRG_OK;
    if (var->domain.kind > NRG_DOM_RANGE)
        return nrg_fail(m->ctx, NRG_E071, var->domain.span,
                        "several minima inside the domain of %s", var->name);
    TRY(spread_of(m, st, &sd));
    double each = nrg_method_arg(m, st, "starts", least, &s);
    TRY(s);
    p->apart = APART;
    TRY(places_new(arena, p, spec->n * (int64_t)each));
    for (int64_t row = 0; row < spec->n; row++)
        for (int64_t k = 0; k < (int64_t)each; k++, p->n++) {
            p->row[p->n] = row;
            p->F[p->n] = NAN;
            for (int64_t e = 0; e < p->width; e++)
                p->at[p->n * p->width + e] = start(&var->domain, spec->seed, k, e, sd);
        }
    return NRG_OK;
}

// ---- descents, and what they find

static nrg_status descend(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec, const places *p,
                          nrg_answers *low) {
    nrg_store *rows = NULL;
    nrg_ask_spec one = *spec;
    one.n = p->n;
    one.minima = 0;
    one.from_data = true;
    *low = (nrg_answers){.arena = nrg_arena_make(m->ctx), .n = p->n};
    low->status = NRG_NEWS(&low->arena, const char *, p->n + 1);
    nrg_status s = low->status
                       ? nrg_asking_values(m, store, spec, p->row, p->at, p->n, p->width, &rows)
                       : NRG_E098;
    if (s == NRG_OK) s = nrg_ask_straight(m, rows, &one, low);
    nrg_store_free(rows);
    return s;
}

// Distance in units of the domain's width, or of max(1, |y|); the largest over the numbers.
static double distance(const nrg_domain *d, const double *a, const double *b, int64_t width) {
    double unit = d->kind == NRG_DOM_RANGE ? d->hi - d->lo : INFINITY, most = 0, size = 1;
    for (int64_t e = 0; e < width; e++) size = fmax(size, fmax(fabs(a[e]), fabs(b[e])));
    for (int64_t e = 0; e < width; e++)
        most = fmax(most, fabs(a[e] - b[e]) / (isinf(unit) ? size : unit));
    return most;
}

// A descent that left its valley, or did not help, says nothing about the grid point it came from.
static void keep_valleys(const nrg_model *m, const nrg_ask_spec *spec, const places *p,
                         nrg_answers *low) {
    const nrg_domain *d = &m->vars.at[spec->var].domain;
    for (int64_t k = 0; k < p->n; k++) {
        double *at = low->value + k * p->width;
        const double *from = p->at + k * p->width;
        if (strcmp(low->status[k], "max_steps") == 0)
            low->status[k] = "approx"; // it lies between higher points all the same
        if (low->energy[k] <= p->F[k] && distance(d, at, from, p->width) <= 1.5 * p->apart)
            continue;
        memcpy(at, from, (size_t)p->width * sizeof(double));
        low->energy[k] = p->F[k];
        low->status[k] = "approx";
    }
}

static const char *worse(const char *a, const char *b) {
    static const char *const words[] = {"exact", "converged", "approx", "max_steps"};
    int i = 0, j = 0;
    while (a && i < 3 && strcmp(a, words[i]) != 0) i++;
    while (b && j < 3 && strcmp(b, words[j]) != 0) j++;
    return words[i > j ? i : j];
}

// ---- a descent may also end where the energy is flat: a minimum is not lower close by, and has higher ground near

enum { PROBED = 8 }; // numbers that are moved, one at a time, both ways and by two distances

static void probe(const nrg_domain *d, const double *at, int64_t width, int64_t j, double *to) {
    double size = 1, unit = d->kind == NRG_DOM_RANGE ? d->hi - d->lo : INFINITY;
    for (int64_t e = 0; e < width; e++) size = fmax(size, fabs(at[e]));
    memcpy(to, at, (size_t)width * sizeof *at);
    double *x = &to[j / 4];
    *x += (j % 2 ? -1 : 1) * (j / 2 % 2 ? 10 : 1) * APART * (isinf(unit) ? size : unit);
    if (d->kind == NRG_DOM_RANGE) *x = fmin(d->hi, fmax(d->lo, *x));
}

static bool stands(double at, const double *F, int64_t probes) {
    double least = 1e-6 * fmax(1, fabs(at));
    bool higher = false;
    for (int64_t j = 0; j < probes; j++) {
        if (j / 2 % 2 == 0 && F[j] < at - least) return false;
        higher = higher || F[j] > at + least;
    }
    return higher;
}

// What does not stand gets the energy NaN, except the lowest of each sample.
static nrg_status drop_flats(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                             const places *p, nrg_answers *low) {
    const nrg_domain *d = &m->vars.at[spec->var].domain;
    int64_t w = p->width, probes = 4 * (w < PROBED ? w : PROBED), n = p->n * probes;
    int64_t *row = NRG_NEWS(&low->arena, int64_t, n + 1), best = 0;
    double *at = NRG_NEWS(&low->arena, double, n *w + 1), *F = NRG_NEWS(&low->arena, double, n + 1);
    if (!row || !at || !F) return NRG_E098;
    for (int64_t i = 0; i < n; i++) {
        row[i] = p->row[i / probes];
        probe(d, low->value + i / probes * w, w, i % probes, at + i * w);
    }
    TRY(nrg_energies_of(m, store, spec, row, at, n, w, F));
    low->energies += n;
    for (int64_t k = 0, end; k < p->n; k = end) {
        for (end = best = k; end < p->n && p->row[end] == p->row[k]; end++)
            if (low->energy[end] < low->energy[best]) best = end;
        for (int64_t j = k; j < end; j++)
            if (j != best && !stands(low->energy[j], F + j * probes, probes)) low->energy[j] = NAN;
    }
    return NRG_OK;
}

// ---- distinct ones, lowest first

// Two descents met: what is kept is as sure as the surer of them, if both came as low.
static void meet(nrg_answers *low, int64_t kept, int64_t other) {
    if (low->energy[other] > low->energy[kept] + 1e-6 * fmax(1, fabs(low->energy[kept]))) return;
    if (strcmp(worse(low->status[kept], low->status[other]), low->status[kept]) == 0)
        low->status[kept] = low->status[other];
}

// Inserts descent k of a sample into its rising list, unless a lower one is near; a higher one that is near gives way.
static void insert(const nrg_domain *d, const places *p, nrg_answers *low, int64_t k, int64_t most,
                   int64_t *list, int64_t *n) {
    int64_t place = 0, w = p->width;
    if (isnan(low->energy[k])) return;
    for (; place < *n && low->energy[list[place]] <= low->energy[k]; place++) {
        if (distance(d, low->value + list[place] * w, low->value + k * w, w) > p->apart) continue;
        meet(low, list[place], k);
        return;
    }
    for (int64_t j = place; j < *n; j++) {
        if (distance(d, low->value + list[j] * w, low->value + k * w, w) > p->apart) continue;
        meet(low, k, list[j]);
        memmove(list + j, list + j + 1, (size_t)(*n - j - 1) * sizeof *list);
        (*n)--, j--;
    }
    if (place == most) return;
    if (*n == most) (*n)--;
    memmove(list + place + 1, list + place, (size_t)(*n - place) * sizeof *list);
    list[place] = k;
    (*n)++;
}

// Into the rows of `out` from `first` on.
static nrg_status merge(const nrg_model *m, const nrg_ask_spec *spec, const places *p,
                        nrg_answers *low, int64_t first, nrg_answers *out) {
    const nrg_domain *d = &m->vars.at[spec->var].domain;
    int64_t K = spec->minima, w = p->width, k = 0;
    int64_t *list = NRG_NEWS(&low->arena, int64_t, K + 1);
    if (!list) return NRG_E098;
    for (int64_t row = 0; row < spec->n; row++) {
        double *value = out->value + (first + row) * K * w,
               *energy = out->energy + (first + row) * K;
        const char **status = &out->status[first + row];
        int64_t n = 0;
        for (; k < p->n && p->row[k] == row; k++) insert(d, p, low, k, K, list, &n);
        for (int64_t j = 0; j < K; j++) {
            energy[j] = j < n ? low->energy[list[j]] : NAN;
            for (int64_t e = 0; e < w; e++)
                value[j * w + e] = j < n ? low->value[list[j] * w + e] : NAN;
            if (j < n) *status = worse(*status, low->status[list[j]]);
        }
        if (n == 0) *status = "approx";
    }
    return NRG_OK;
}

// The samples of a piece, which are rows `first` and on of all.
static nrg_status piece(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                        const nrg_infer_stmt *st, int64_t first, nrg_answers *out,
                        int64_t *descents) {
    places p = {.width = out->width};
    nrg_arena arena = nrg_arena_make(m->ctx);
    nrg_answers low = {.arena = nrg_arena_make(m->ctx)};
    nrg_status s = st->method == NRG_BY_grid ? from_grid(m, store, spec, &arena, &p, &out->energies)
                                             : from_noise(m, spec, st, &arena, &p);
    if (s == NRG_OK) s = descend(m, store, spec, &p, &low);
    if (s == NRG_OK && p.points) keep_valleys(m, spec, &p, &low);
    if (s == NRG_OK && !p.points) s = drop_flats(m, store, spec, &p, &low);
    if (s == NRG_OK) s = merge(m, spec, &p, &low, first, out);
    out->energies += low.energies;
    *descents += p.n;
    nrg_answers_free(&low);
    nrg_arena_free(&arena);
    return s;
}

// Samples that fit together: a descent keeps some dozens of copies of an answer, a grid the energies of all its points.
static int64_t together(const nrg_ask_spec *spec, const nrg_infer_stmt *st, int64_t width) {
    double numbers = 32 * (double)width * fmax(STARTS, EACH * (double)spec->minima);
    if (st->method == NRG_BY_grid) return width == 1 ? 1024 : 16;
    return (int64_t)fmax(1, ROOM / numbers);
}

static nrg_status of_reals(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                           const nrg_infer_stmt *st, nrg_answers *out) {
    nrg_shape shape;
    int64_t descents = 0;
    TRY(nrg_var_shape(m, spec->var, &shape));
    out->width = nrg_shape_count(&shape);
    out->choices = spec->minima;
    out->value = NRG_NEWS(&out->arena, double, out->n * out->choices * out->width + 1);
    out->energy = NRG_NEWS(&out->arena, double, out->n * out->choices + 1);
    int64_t most = together(spec, st, out->width), *row = NRG_NEWS(&out->arena, int64_t, most + 1);
    if (!out->value || !out->energy || !row) return NRG_E098;
    for (int64_t first = 0; first < spec->n; first += most) {
        nrg_ask_spec part = *spec;
        nrg_store *rows = NULL;
        part.n = spec->n - first < most ? spec->n - first : most;
        for (int64_t i = 0; i < part.n; i++) row[i] = first + i;
        nrg_status s = nrg_store_rows(m, store, row, part.n, &rows);
        if (s == NRG_OK) s = piece(m, rows, &part, st, first, out, &descents);
        nrg_store_free(rows);
        TRY(s);
    }
    out->how =
        st->method == NRG_BY_grid
            ? nrg_arena_print(
                  &out->arena,
                  "%lld descents from the minima of a grid; those nearer than a step of it are one",
                  (long long)descents)
            : nrg_arena_print(&out->arena,
                              "%lld descents from random starts; minima nearer than %g (in units "
                              "of the domain's width, or of max(1, size)) are one",
                              (long long)descents, APART);
    return out->how ? NRG_OK : NRG_E098;
}

nrg_status nrg_ask_minima(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                          const nrg_infer_stmt *st, nrg_answers *out) {
    nrg_ask_spec few = *spec;
    few.minima = 0;
    if (spec->among || m->vars.at[spec->var].elem != NRG_REAL) {
        few.question = NRG_RANK;
        few.top = spec->minima;
        return nrg_ask_listing(m, store, &few, out);
    }
    if (st->method != NRG_BY_exact) return of_reals(m, store, spec, st, out);
    TRY(nrg_ask_straight(m, store, &few, out)); // a quadratic energy has one
    out->runner_up = out->runner_up_energy = NULL;
    return NRG_OK;
}
