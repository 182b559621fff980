// Temperature scaling (Guo et al. 2017): the one beta for which exp(-beta E), normalised over all answers, gives
// held-out data the highest likelihood. Where F does not depend on beta the likelihood is convex in it; then
// energies are computed once.
#include "infer/ask.h"
#include <math.h>
#include <string.h>

enum { BINS = 15, LOOKS = 60 };
static const double
    FACTOR = 1e4,
    CLOSE =
        1e-6; // beta is sought within this factor of its start; relative width of the last bracket

typedef struct {
    nrg_model *m;
    nrg_store *store;
    nrg_ask_spec spec;
    const double *truth; // [n, width]
    nrg_answers table;   // energies at beta `at`
    int64_t *right;      // [n] place of the truth among the values
    double *pos; // [n] F at the truth; of a Gaussian in closed form, where nothing is listed
    double at, log_cell;
    bool
        moves; // F depends on beta: latents are summed out, or the energy reads it; or nothing is listed
} fitting;

// ---- energies of all answers

static nrg_status energies(fitting *f, double beta) {
    nrg_answers_free(&f->table);
    f->m->beta = f->at = beta;
    TRY(nrg_ask(f->m, f->store, &f->spec, &f->table));
    if (f->table.p) return NRG_OK;
    f->pos = NRG_NEWS(&f->table.arena, double, f->spec.n + 1);
    if (!f->pos) return NRG_E098;
    return nrg_energies_at(f->m, f->store, f->spec.given | (nrg_vars)1 << f->spec.var,
                           NRG_MARGINALIZE, f->spec.n, f->spec.threads, f->pos);
}

// The value nearest to the truth; of a finite variable it is the truth.
static int64_t place_of(const fitting *f, int64_t i) {
    int64_t w = f->table.width, best = 0;
    double least = INFINITY;
    for (int64_t c = 0; c < f->table.choices; c++) {
        double off = 0;
        for (int64_t e = 0; e < w; e++)
            off = fmax(off, fabs(f->table.value[c * w + e] - f->truth[i * w + e]));
        if (off < least) least = off, best = c;
    }
    return best;
}

static nrg_status open(fitting *f) {
    double sum = 0;
    TRY(energies(f, f->m->beta));
    f->right = nrg_mem(f->m->ctx, NULL, 0, (size_t)(f->spec.n + 1) * sizeof *f->right);
    if (!f->right) return NRG_E098;
    if (f->pos) return NRG_OK;
    for (int64_t i = 0; i < f->spec.n; i++) f->right[i] = place_of(f, i);
    for (int64_t c = 0; c < f->table.choices; c++) sum += f->table.p[c];
    f->log_cell = -log(sum); // densities add up to 1 / cell
    if (f->m->vars.at[f->spec.var].elem != NRG_REAL) f->log_cell = 0;
    return NRG_OK;
}

// Tries another beta: do the energies stay?
static nrg_status find_moves(fitting *f) {
    int64_t n = f->spec.n * f->table.choices;
    if ((f->moves = f->pos != NULL)) return NRG_OK;
    double beta = f->at, most = 0, size = 1,
           *old = nrg_mem(f->m->ctx, NULL, 0, (size_t)(n + 1) * sizeof *old);
    if (!old) return NRG_E098;
    memcpy(old, f->table.energy, (size_t)n * sizeof *old);
    nrg_status s = energies(f, 2 * beta);
    for (int64_t i = 0; s == NRG_OK && i < n; i++) {
        if (isinf(old[i])) continue;
        most = fmax(most, fabs(f->table.energy[i] - old[i]));
        size = fmax(size, fabs(old[i]));
    }
    nrg_mem(f->m->ctx, old, (size_t)(n + 1) * sizeof *old, 0);
    f->moves = most > 1e-6 * size;
    return s;
}

// ---- what a beta is worth

static double log_sum(const double *F, int64_t n, double beta, double *low) {
    double sum = 0;
    *low = INFINITY;
    for (int64_t c = 0; c < n; c++) *low = fmin(*low, F[c]);
    for (int64_t c = 0; c < n; c++) sum += exp(-beta * (F[c] - *low));
    return log(sum);
}

static nrg_status loss(fitting *f, double beta, double *out) {
    double sum = 0, low;
    int64_t n = f->table.choices;
    if (f->moves && beta != f->at) TRY(energies(f, beta));
    for (int64_t i = 0; i < f->spec.n; i++) {
        if (f->pos) {
            sum += beta * (f->pos[i] - f->table.free[i]);
            continue;
        }
        const double *F = f->table.energy + i * n;
        double ls = log_sum(F, n, beta, &low);
        sum += beta * (F[f->right[i]] - low) + ls + f->log_cell;
    }
    *out = sum / (double)f->spec.n;
    return NRG_OK;
}

// Expected calibration error: rows by the probability of their best answer into equal bins; the mean over rows of
// |part that is right - mean probability| of the bin.
static double error_of(const fitting *f, double beta) {
    double right[BINS] = {0}, sure[BINS] = {0}, low, out = 0;
    int64_t n = f->table.choices;
    if (f->m->vars.at[f->spec.var].elem == NRG_REAL) return NAN;
    for (int64_t i = 0; i < f->spec.n; i++) {
        const double *F = f->table.energy + i * n;
        double p = exp(-log_sum(F, n, beta, &low));
        int64_t best = 0, bin = (int64_t)ceil(p * BINS) - 1;
        while (F[best] != low) best++;
        if (bin < 0) bin = 0;
        if (bin > BINS - 1) bin = BINS - 1;
        right[bin] += best == f->right[i];
        sure[bin] += p;
    }
    for (int b = 0; b < BINS; b++) out += fabs(right[b] - sure[b]);
    return out / (double)f->spec.n;
}

// ---- the search: a bracket by doubling, then golden section over log beta

static nrg_status no_end(fitting *f, double from, double beta) {
    const char *name = f->m->vars.at[f->spec.var].name;
    nrg_status s = nrg_fail(f->m->ctx, NRG_E081, NRG_NOWHERE,
                            "no beta fits: the likelihood still rises at beta = %.3g", beta);
    if (beta > from)
        nrg_help(f->m->ctx, "every row is answered rightly: calibrate with more rows, with some "
                            "that the model gets wrong");
    else
        nrg_help(f->m->ctx, "these energies say nothing about %s in these rows", name);
    return s;
}

static nrg_status bracket(fitting *f, double from, double *a, double *b, double *c) {
    double fa, fb, fc;
    *b = log(from), *a = *b - log(2), *c = *b + log(2);
    TRY(loss(f, exp(*a), &fa));
    TRY(loss(f, exp(*b), &fb));
    TRY(loss(f, exp(*c), &fc));
    while (!(fb <= fa && fb < fc)) { // where it stays level, as at 0, it goes on
        if (fabs(*b - log(from)) > log(FACTOR)) return no_end(f, from, exp(*b));
        if (fa < fb) {
            *c = *b, *b = *a, *a -= log(2);
            fc = fb, fb = fa;
            TRY(loss(f, exp(*a), &fa));
        } else {
            *a = *b, *b = *c, *c += log(2);
            fa = fb, fb = fc;
            TRY(loss(f, exp(*c), &fc));
        }
    }
    return NRG_OK;
}

static nrg_status search(fitting *f, double from, double *beta) {
    const double gold = 0.6180339887498949;
    double a, b, c, fx, fy;
    TRY(bracket(f, from, &a, &b, &c));
    double x = c - gold * (c - a), y = a + gold * (c - a);
    TRY(loss(f, exp(x), &fx));
    TRY(loss(f, exp(y), &fy));
    for (int k = 0; k < LOOKS && c - a > CLOSE; k++) {
        if (fx < fy) {
            c = y, y = x, fy = fx, x = c - gold * (c - a);
            TRY(loss(f, exp(x), &fx));
        } else {
            a = x, x = y, fx = fy, y = a + gold * (c - a);
            TRY(loss(f, exp(y), &fy));
        }
    }
    *beta = exp((a + c) / 2);
    return NRG_OK;
}

static nrg_status measure(fitting *f, double beta, double *nll, double *ece) {
    TRY(loss(f, beta, nll));
    *ece = error_of(f, beta);
    return NRG_OK;
}

static nrg_status fit(fitting *f, nrg_calibration *out) {
    double from = f->m->beta;
    TRY(open(f));
    TRY(measure(f, from, &out->nll[0], &out->ece[0]));
    if (!isfinite(out->nll[0]))
        return nrg_fail(
            f->m->ctx, NRG_E061, NRG_NOWHERE,
            "the model forbids some of the answers in these rows: their energy is infinite");
    out->beta[0] = from;
    out->rows = f->spec.n;
    TRY(find_moves(f));
    TRY(search(f, from, &out->beta[1]));
    return measure(f, out->beta[1], &out->nll[1], &out->ece[1]);
}

nrg_status nrg_calibrate(nrg_model *m, nrg_store *store, const nrg_ask_spec *spec,
                         const double *truth, nrg_calibration *out) {
    double from = m->beta;
    fitting f = {.m = m,
                 .store = store,
                 .spec = *spec,
                 .truth = truth,
                 .table = {.arena = nrg_arena_make(m->ctx)}};
    f.spec.question = NRG_DIST;
    f.spec.anyway = true;
    memset(out, 0, sizeof *out);
    if (spec->n < 1) return nrg_fail(m->ctx, NRG_E055, NRG_NOWHERE, "no rows to calibrate with");
    nrg_status s = nrg_question_allowed(m, NRG_RANK, spec->var,
                                        spec->given); // what was never compared has no scale either
    if (s == NRG_OK) s = fit(&f, out);
    nrg_answers_free(&f.table);
    if (f.right) nrg_mem(m->ctx, f.right, (size_t)(spec->n + 1) * sizeof *f.right, 0);
    m->beta = from;
    return s == NRG_OK ? nrg_model_beta(m, out->beta[1], (nrg_vars)1 << spec->var) : s;
}
