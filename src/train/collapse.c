// Collapse: has training made the energy the same for every answer? Measured on a few rows of the data against wrong answers, and
// compared with the same model at fresh weights, so that neither the units of the energy nor its level matter. docs/losses.md.
#include "infer/inside.h"
#include "train/inside.h"
#include "train/verdict.h"
#include <math.h>
#include <string.h>

enum { ROWS = 64, ANSWERS = 32, LEVELS = 33, NUMBERS = 1 << 21, PAYS = 40, STREAM = 0x636f6c }; // PAYS: rows seen for each row looked at
static const double flat = 0.1;  // of the spread at fresh weights: below this answers are no longer told apart
static const double away = 0.01; // bends below this part of the spread at fresh weights: all answers lie on one side of a far valley
static const double gain = 0.1;  // of the loss of a flat energy: what a loss must have won to count as having told them apart
static const uint64_t seed = 1;  // the same rows, answers and fresh weights whenever this model is looked at

// Pair (i, k) is row i with wrong answer k, and with its own answer for k = 0. Variable v of it is row at[v][i * stride + k] of value[v].
typedef struct {
    nrg_model *m;
    nrg_arena arena;
    nrg_vars data, asked; // variables that the data hold; of them those whose answers are tried
    bool alone;           // nothing is given: other rows are right answers as well
    int64_t rows, answers, stride, row[ROWS];
    int64_t width[NRG_MAX_VARS], *at[NRG_MAX_VARS];
    double *value[NRG_MAX_VARS], *energy, *mean; // energy: [rows, stride]; mean: [rows] over wrong answers
    bool *same;                                  // [rows, stride] this answer is the right one
} probe;

static bool has(nrg_vars set, int32_t v) { return set >> v & 1; }

// One row out of each of equal parts of the rows.
static void pick(probe *p, const int64_t *rows, int64_t n) {
    p->rows = n < ROWS ? n : ROWS;
    for (int64_t i = 0; i < p->rows; i++) {
        int64_t from = i * n / p->rows, parts = (i + 1) * n / p->rows - from;
        int64_t k = from + (int64_t)(nrg_random_wide(seed, NRG_FOR_DATA, STREAM, 0, (uint32_t)i) * (double)parts);
        p->row[i] = rows ? rows[k] : k;
    }
}

// A single number of few values is tried at all of them. 0: it is not.
static int64_t values_of(const probe *p, int32_t v) {
    const nrg_var *var = &p->m->vars.at[v];
    if (p->width[v] != 1 || (p->asked & (p->asked - 1))) return 0;
    if (var->elem == NRG_BIT || var->elem == NRG_SIGN) return 2;
    return var->elem == NRG_CATEGORY ? p->m->dims.at[var->category].size : 0;
}

// How far rows lie from each other in this variable, for one number of it.
static double distance(const probe *p, int32_t v) {
    double sum = 0;
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t e = 0; e < p->width[v]; e++) {
            double gap = p->value[v][i * p->width[v] + e] - p->value[v][(i + p->rows / 2) % p->rows * p->width[v] + e];
            sum += gap * gap / 2;
        }
    return sqrt(sum / (double)(p->rows * p->width[v]));
}

// An answer that no row holds. Reals: a row moved by as much as rows differ, in all directions alike; others: each number is that of
// another row, so that what the numbers say together is wrong.
static void invent(const probe *p, int32_t v, int64_t k, double far, double *to) {
    const nrg_var *var = &p->m->vars.at[v];
    uint64_t id = (uint64_t)STREAM + 1 + (uint64_t)v;
    for (int64_t e = 0; e < p->width[v]; e++) {
        bool real = var->elem == NRG_REAL;
        double u = nrg_random_wide(seed, NRG_FOR_DATA, id, (uint32_t)k, real ? 0 : (uint32_t)e);
        double x = p->value[v][(int64_t)(u * (double)p->rows) * p->width[v] + e];
        if (real) x += far * nrg_random_normal(seed, NRG_FOR_NOISE, id, (uint32_t)k, (uint32_t)e);
        if (real && var->domain.kind == NRG_DOM_RANGE) x = fmin(fmax(x, var->domain.lo), var->domain.hi);
        to[e] = x;
    }
}

static void place(probe *p, int32_t v) {
    int64_t values = has(p->asked, v) ? values_of(p, v) : 0, step = values > ANSWERS ? values / ANSWERS : 1;
    bool own = values || (p->alone && has(p->asked, v));
    double far = own && !values ? distance(p, v) : 0;
    for (int64_t k = 1; k < p->stride && own; k++) {
        double *to = p->value[v] + (p->rows + k - 1) * p->width[v];
        if (!values) invent(p, v, k - 1, far, to);
        else *to = p->m->vars.at[v].elem == NRG_SIGN ? (k == 1 ? -1 : 1) : (double)((k - 1) * step);
    }
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t k = 0; k < p->stride; k++)
            p->at[v][i * p->stride + k] = k == 0 || !has(p->asked, v) ? i : own ? p->rows + k - 1 : (i + k) % p->rows;
}

static void mark_same(probe *p) {
    for (int64_t j = 0; j < p->rows * p->stride; j++) {
        p->same[j] = true;
        for (int32_t v = 0; v < NRG_MAX_VARS; v++)
            for (int64_t e = 0; has(p->asked, v) && e < p->width[v]; e++)
                p->same[j] &= p->value[v][p->at[v][j] * p->width[v] + e] == p->value[v][j / p->stride * p->width[v] + e];
    }
}

static nrg_status read_values(probe *p, const nrg_store *store, const nrg_bound *b) {
    nrg_store *view;
    TRY(nrg_store_new(p->m->ctx, nrg_store_type(store), &view));
    nrg_status s = nrg_store_share(store, view);
    for (int32_t v = 0; v < NRG_MAX_VARS && s == NRG_OK; v++) {
        nrg_shape shape;
        if (!has(p->data, v)) continue;
        if ((s = nrg_var_shape(p->m, v, &shape)) != NRG_OK) break;
        p->width[v] = nrg_shape_count(&shape);
        p->value[v] = NRG_NEWS(&p->arena, double, (p->rows + ANSWERS) * p->width[v] + 1);
        s = p->value[v] ? nrg_bound_numbers(b, view, v, p->row, p->rows, p->value[v]) : NRG_E098;
    }
    nrg_store_free(view);
    return s;
}

// p->answers stays 0 where there is nothing to compare.
static nrg_status gather(probe *p, const nrg_store *store, const nrg_bound *b, const int64_t *rows, int64_t n) {
    nrg_model *m = p->m;
    p->data = nrg_bound_vars(b) & m->energy.vars & ~nrg_model_role(m, NRG_LATENT) & ~nrg_model_role(m, NRG_WEIGHT);
    p->asked = p->data & nrg_model_role(m, NRG_PREDICT);
    if (!p->asked) p->asked = p->data;
    p->alone = p->asked == p->data;
    if (!p->asked || m->hides.n || n < 2) return NRG_OK;
    pick(p, rows, n);
    TRY(read_values(p, store, b));
    int64_t values = 0;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (has(p->asked, v)) values = values_of(p, v);
    int64_t most = values ? values : p->alone ? ANSWERS : p->rows - 1;
    p->answers = most < ANSWERS ? most : ANSWERS;
    p->stride = p->answers + 1;
    p->energy = NRG_NEWS(&p->arena, double, p->rows * p->stride + 1);
    p->mean = NRG_NEWS(&p->arena, double, p->rows + 1);
    p->same = NRG_NEWS(&p->arena, bool, p->rows * p->stride + 1);
    if (!p->energy || !p->mean || !p->same) return NRG_E098;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!has(p->data, v)) continue;
        if (!(p->at[v] = NRG_NEWS(&p->arena, int64_t, p->rows * p->stride + 1))) return NRG_E098;
        place(p, v);
    }
    mark_same(p);
    return NRG_OK;
}

// Pairs whose energies are computed: all of them, or where every variable takes the same rows of its values, those rows (at: which).
static int64_t pairs_apart(const probe *p, const int64_t **at) {
    int64_t pairs = p->rows * p->stride, rows = 0;
    const int64_t *first = NULL;
    for (uint32_t i = 0; i < p->m->dims.n; i++)
        if (p->m->dims.at[i].ragged) return pairs; // a wrong answer is as long as the right one
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!has(p->data, v)) continue;
        if (!first) first = p->at[v];
        if (memcmp(p->at[v], first, (size_t)pairs * sizeof *first)) return pairs;
    }
    for (int64_t j = 0; first && j < pairs; j++) rows = first[j] < rows ? rows : first[j] + 1;
    if (!rows || rows >= pairs) return pairs;
    *at = first;
    return rows;
}

static nrg_status energies(probe *p, const nrg_store *store, const nrg_bound *b, int threads) {
    nrg_store *view;
    const int64_t *at = NULL;
    int64_t pairs = p->rows * p->stride, n = pairs_apart(p, &at), *rows = NRG_NEWS(&p->arena, int64_t, n + 1);
    double *energy = NRG_NEWS(&p->arena, double, n + 1);
    if (!rows || !energy) return NRG_E098;
    for (int64_t j = 0; j < n; j++) rows[j] = p->row[j / p->stride];
    TRY(nrg_store_new(p->m->ctx, nrg_store_type(store), &view));
    nrg_status s = nrg_store_share(store, view);
    if (s == NRG_OK) s = nrg_bound_rows_set(b, view, rows);
    for (int32_t v = 0; v < NRG_MAX_VARS && s == NRG_OK; v++)
        if (has(p->data, v))
            s = nrg_store_put(view, p->m->vars.at[v].name, (nrg_buffer){p->value[v], NRG_BUF_F64, at ? NULL : p->at[v]});
    if (s == NRG_OK) s = nrg_energy_of(p->m, view, p->data, n, threads, energy);
    for (int64_t j = 0; j < pairs && s == NRG_OK; j++) p->energy[j] = energy[at ? at[j] : j];
    nrg_store_free(view);
    return s;
}

// Root mean square of F(wrong) - F(right), and the share of wrong answers above the right one. level: the size of energies.
static void spread_of(const probe *p, double *spread, double *above, double *level) {
    double sum = 0, over = 0, n = 0, size = 0;
    for (int64_t i = 0; i < p->rows; i++) {
        const double *e = p->energy + i * p->stride;
        double mean = 0, count = 0;
        for (int64_t k = 1; k < p->stride; k++) {
            if (p->same[i * p->stride + k] || !isfinite(e[k]) || !isfinite(*e)) continue;
            sum += (e[k] - *e) * (e[k] - *e);
            over += e[k] > *e ? 1 : e[k] == *e ? 0.5 : 0;
            mean += e[k], count++;
            size += fabs(*e);
        }
        n += count;
        p->mean[i] = count > 0 ? mean / count : NAN;
    }
    *spread = sqrt(sum / n), *above = over / n, *level = size / n; // NaN where there was no wrong answer
}

// How much the energy bends between a right answer and a wrong one, F(right) + F(wrong) - 2 F(between): unlike their difference
// the same for sq(y - G) wherever fresh weights put G. 0 where answers are not real numbers.
static nrg_status bends(probe *p, const nrg_store *store, const nrg_bound *b, int threads, double *spread) {
    int64_t all = p->stride, width = 0, n, *own, *row, *at[NRG_MAX_VARS];
    double *ends = p->energy, *value[NRG_MAX_VARS], sum = 0, count = 0;
    *spread = 0;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (has(p->asked, v) && p->m->vars.at[v].elem != NRG_REAL) return NRG_OK;
        if (has(p->asked, v)) width += p->width[v];
    }
    while (p->stride > 2 && p->rows * p->stride * width > NUMBERS) p->stride--; // fewer answers, where they are large
    n = p->rows * p->stride;
    own = NRG_NEWS(&p->arena, int64_t, n), row = NRG_NEWS(&p->arena, int64_t, n), p->energy = NRG_NEWS(&p->arena, double, n + 1);
    nrg_status s = own && row && p->energy ? NRG_OK : NRG_E098;
    for (int64_t j = 0; j < n && s == NRG_OK; j++) own[j] = j, row[j] = j / p->stride;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!has(p->data, v)) continue;
        value[v] = p->value[v], at[v] = p->at[v], width = p->width[v], p->at[v] = row;
        if (!has(p->asked, v)) continue;
        double *to = s == NRG_OK ? NRG_NEWS(&p->arena, double, n * width + 1) : NULL;
        if (!to) s = NRG_E098;
        for (int64_t j = 0; j < n && to; j++) {
            const double *right = value[v] + j / p->stride * width, *wrong = value[v] + at[v][j / p->stride * all + j % p->stride] * width;
            for (int64_t e = 0; e < width; e++) to[j * width + e] = (right[e] + wrong[e]) / 2;
        }
        p->value[v] = to, p->at[v] = own;
    }
    if (s == NRG_OK) s = energies(p, store, b, threads);
    for (int64_t j = 0; j < n && s == NRG_OK; j++) {
        int64_t i = j / p->stride, k = i * all + j % p->stride;
        double x = ends[k] + ends[i * all] - 2 * p->energy[j];
        if (!p->same[k] && isfinite(x)) sum += x * x, count++;
    }
    if (count > 0) *spread = sqrt(sum / count);
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (has(p->data, v)) p->value[v] = value[v], p->at[v] = at[v];
    p->energy = ends, p->stride = all;
    return s;
}

// The loss of learn statement k at (right answer, mean of the wrong ones), and the least that a flat energy would have. NaN: no plane.
static nrg_status judge(const probe *p, uint32_t k, double *loss, double *level) {
    double pos[ROWS], neg[ROWS], value[ROWS], a[ROWS], b[ROWS], lo = INFINITY, hi = -INFINITY;
    nrg_plane plane;
    int64_t n = 0;
    *loss = *level = NAN;
    TRY(nrg_plane_new(p->m, k, &plane));
    for (int64_t i = 0; i < p->rows; i++) {
        if (isnan(p->mean[i])) continue;
        pos[n] = p->energy[i * p->stride], neg[n] = p->mean[i];
        lo = fmin(lo, fmin(pos[n], neg[n])), hi = fmax(hi, fmax(pos[n], neg[n]));
        n++;
    }
    nrg_status s = nrg_plane_eval(&plane, n, pos, neg, value, a, b);
    double sum = 0, least = INFINITY;
    for (int64_t i = 0; i < n; i++) sum += value[i];
    for (int64_t i = 0; i < LEVELS; i++) pos[i] = neg[i] = lo + (hi - lo) * (double)i / (LEVELS - 1);
    if (s == NRG_OK) s = nrg_plane_eval(&plane, LEVELS, pos, neg, value, a, b);
    for (int64_t i = 0; i < LEVELS; i++) least = fmin(least, value[i]);
    nrg_plane_free(&plane);
    if (s == NRG_OK) *loss = sum / (double)n, *level = least;
    return s;
}

// Has any statement won something that a flat energy would not have?
static nrg_status told_apart(const probe *p, nrg_collapse *out, bool *apart) {
    *apart = false;
    out->loss = out->flat_loss = NAN;
    bool first = true;
    for (uint32_t k = 0; k < p->m->learns.n; k++) {
        double loss, level;
        if (!p->m->learns.at[k].atoms.n) continue;
        int said = nrg_diag_count(p->m->ctx);
        nrg_status s = judge(p, k, &loss, &level);
        if (s == NRG_E098) return s;
        if (s != NRG_OK) nrg_diag_cut(p->m->ctx, said); // a margin that depends on the answer: energies alone must do
        *apart |= s == NRG_OK && loss < level - gain * fabs(level);
        if (first) out->learn = k, out->loss = loss, out->flat_loss = level;
        first = false;
    }
    return NRG_OK;
}

// Only what seems to have collapsed is looked at once more.
static nrg_status compare(probe *p, const nrg_store *store, const nrg_store *fresh, const nrg_bound *b, int threads, nrg_collapse *out) {
    static const double exact[NRG_DTYPES] = {[NRG_F32] = 4e-7, [NRG_F64] = 1e-14, [NRG_BF16X3] = 2e-5, [NRG_BF16] = 1e-2};
    double above, level, none, bent, fresh_bent;
    bool apart;
    TRY(energies(p, fresh, b, threads));
    spread_of(p, &out->fresh, &above, &none);
    TRY(energies(p, store, b, threads));
    spread_of(p, &out->spread, &out->above, &level);
    TRY(told_apart(p, out, &apart));
    double rounding = exact[nrg_store_type(store)] * level;
    out->rows = p->rows, out->answers = p->answers;
    out->known = isfinite(out->spread) && isfinite(out->fresh);
    out->collapsed = out->known && !apart && out->spread <= fmax(flat * out->fresh, rounding);
    if (!out->collapsed) return NRG_OK;
    TRY(bends(p, store, b, threads, &bent));
    TRY(energies(p, fresh, b, threads));
    TRY(bends(p, fresh, b, threads, &fresh_bent));
    bool far = fresh_bent > 0 && fresh_bent < away * out->fresh;
    out->collapsed = !far || bent <= flat * fresh_bent;
    return NRG_OK;
}

static nrg_status measure(probe *p, const nrg_store *store, const nrg_bound *b, const int64_t *rows, int64_t n, int threads,
                          nrg_collapse *out) {
    nrg_store *fresh;
    TRY(gather(p, store, b, rows, n));
    if (!p->answers) return NRG_OK;
    TRY(nrg_store_new(p->m->ctx, nrg_store_type(store), &fresh));
    nrg_status s = nrg_store_share(store, fresh);
    if (s == NRG_OK) s = nrg_weights_init(p->m, fresh, b, NULL, 0, seed);
    if (s == NRG_OK) s = compare(p, store, fresh, b, threads, out);
    nrg_store_free(fresh);
    return s;
}

nrg_status nrg_collapse_measure(nrg_model *m, const nrg_store *store, const nrg_bound *data, const int64_t *rows, int64_t n,
                                int threads, nrg_collapse *out) {
    probe p = {.m = m, .arena = nrg_arena_make(m->ctx)};
    int said = nrg_diag_count(m->ctx);
    *out = (nrg_collapse){0};
    nrg_status s = measure(&p, store, data, rows, n, threads < 1 ? 1 : threads, out);
    nrg_arena_free(&p.arena);
    if (s == NRG_OK || s == NRG_E098) return s;
    nrg_diag_cut(m->ctx, said); // an energy that a made-up answer has not: nothing can be said, and nothing is wrong
    *out = (nrg_collapse){0};
    return NRG_OK;
}

// ---- while training --------------------------------------------------------------------------------------------------

static nrg_status look(nrg_trainer *t) {
    bool was = t->collapse.collapsed;
    int64_t since = t->collapse.since;
    TRY(nrg_collapse_measure(t->m, t->store, t->bound, t->rows, t->rows_n, t->o.threads, &t->collapse));
    t->collapse.epoch = t->epoch;
    if (t->collapse.collapsed) t->collapse.since = was ? since : t->epoch;
    return NRG_OK;
}

// At epochs 1, 2, 4 ... from where on it costs a few hundredths of the training so far.
nrg_status nrg_collapse_watch(nrg_trainer *t) {
    bool power = t->epoch > 0 && (t->epoch & (t->epoch - 1)) == 0, pays = t->epoch >= PAYS * 2 * ROWS * ANSWERS / (t->seen_rows ? t->seen_rows : t->rows_n);
    return power && pays ? look(t) : NRG_OK;
}

static void remedy(const nrg_model *m, const nrg_learn *l, nrg_vars asked) {
    bool lifts = false, real = false, ranged = true;
    for (uint32_t i = 0; i < l->atoms.n; i++) lifts |= l->atoms.at[i].kind != NRG_POS;
    for (uint32_t i = 0; i < m->vars.n; i++) {
        if (!has(asked, (int32_t)i)) continue;
        real |= m->vars.at[i].elem == NRG_REAL;
        ranged &= m->vars.at[i].domain.kind == NRG_DOM_RANGE;
    }
    if (nrg_model_role(m, NRG_LATENT) & m->energy.vars && !lifts)
        nrg_help(m->ctx, "limit what the latent can say: a regulariser in the energy such as 0.1 * l1(z), or fewer codes");
    else if (real && !ranged) nrg_help(m->ctx, "use a loss with a margin, hinge(margin=1) against offender(outside=0.1), and give the "
                                               "answer a range and a grid to look for offenders on");
    else if (real) nrg_help(m->ctx, "use a loss with a margin: square_square(m=1) or hinge(margin=1), against offender(outside=0.1)%s",
                            lifts ? "; if it is one: another --seed, a smaller step, or what is given says nothing about the answer" : "");
    else nrg_help(m->ctx, "use a loss with a margin: square_square(m=1), hinge(margin=1) or nll%s",
                  lifts ? "; if it is one: another --seed, a smaller step, or what is given says nothing about the answer" : "");
}

static void warn(const nrg_trainer *t) {
    const nrg_collapse *c = &t->collapse;
    const nrg_learn *l = &t->m->learns.at[c->learn];
    nrg_vars asked = nrg_model_role(t->m, NRG_PREDICT) & t->m->energy.vars;
    nrg_warn(t->ctx, NRG_W106, l->span, "the energy has collapsed: it is almost the same for right and wrong answers");
    nrg_fact(t->ctx, "they differ by %.3g in energy, at fresh weights by %.3g (%lld samples, %lld wrong answers each)", c->spread,
             c->fresh, (long long)c->rows, (long long)c->answers);
    if (c->since < c->epoch) nrg_fact(t->ctx, "first seen after epoch %lld of %lld", (long long)c->since, (long long)c->epoch);
    nrg_fact(t->ctx, "%.0f %% of the wrong answers lie above the right one", 100 * c->above);
    if (!isnan(c->loss))
        nrg_fact(t->ctx, "the loss there is %.3g; a flat energy would have %.3g", c->loss, c->flat_loss);
    remedy(t->m, l, asked);
}

nrg_status nrg_collapse_end(nrg_trainer *t) {
    TRY(look(t));
    if (t->collapse.collapsed) warn(t);
    return NRG_OK;
}
