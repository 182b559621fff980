// Every sampler against exact answers: moments over all values of finite variables and a fine grid of real ones. Where there is no such
// answer, two samplers against each other.
#include "api/picture.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHAINS = 512, DRAWS = 20, WARMUP = 500, MOST = 24, NUMBERS = 6, PLACES = 1 << 18 };
// Standard errors. They come from the means of CHAINS chains, so that chance passes it once in 16 million statistics (Student's t), and ten
// times as often where means of chains are skewed; a table has some 400.
static const double OFF = 5.5, MIXED = 1.1; // MIXED: R-hat beyond which means say where chains started, not what they draw

typedef struct {
    const char *name, *text;
    double lo, hi;             // where unbounded reals have their mass
    const char *method, *like; // only this sampler, whose draws are, by its step, of this energy
} world;

static const world worlds[] = {
    {"gaussian", "predict x : real\nenergy E(x) = x^2 / 2\n", -9, 9, NULL, NULL},
    {"gaussian step 0.5", "predict x : real\nenergy E(x) = x^2 / 2\n", -9, 9, "langevin(step=0.5)",
     "predict x : real\nenergy E(x) = (1 - 0.5 / 4) * x^2 / 2\n"},
    {"correlated", "dim D = 2\npredict x : real[D]\nenergy E(x) = (sq(x) - 1.6 * x[first(D)] * x[last(D)]) / 0.72\n", -7, 7, NULL, NULL},
    {"two wells", "predict x : real\nenergy E(x) = 1.5 * (x^2 - 1)^2\n", -4, 4, NULL, NULL},
    {"funnel", "predict v, x : real\nenergy E(v, x) = 2 * v^2 + x^2 * exp(-v) / 2 + v / 2\n", -16, 16, NULL, NULL},
    {"walls", "predict x : real in -1..2\nenergy E(x) = x\n", 0, 0, NULL, NULL},
    {"ising", "dim H = 3, W = 3\npredict s : sign[H, W]\nenergy E(s) = -0.3 * sum((p, q) in grid4(H, W): s[p] * s[q]) - 0.1 * sum(s)\n", 0, 0,
     NULL, NULL},
    {"boltzmann", "dim V = 4, H = 3\npredict v : bit[V]\npredict h : bit[H]\n"
     "energy E(v, h) = sum(i in V, j in H: (0.5 - v[i]) * h[j]) + 0.3 * sum(v)\n", 0, 0, NULL, NULL},
    {"categories", "dim K = 4\npredict y, z : K\nenergy E(y, z) = 0.8 * (y == 2) + 0.5 * (z == 1) - 0.7 * (y == z)\n", 0, 0, NULL, NULL},
    {"bounded mixture", "predict x : real in -3..3\npredict b : bit\nenergy E(x, b) = (x - b)^2\n", 0, 0, NULL, NULL},
    {"mixture", "dim K = 3\npredict z : K\npredict x : real\nenergy E(z, x) = 2 * (x - (z == 2) + (z == 0))^2 + 0.7 * (z == 1)\n", -8, 8, NULL, NULL},
};
enum { WORLDS = sizeof worlds / sizeof *worlds };

// Mean and standard error of each statistic: of the first numbers and their squares, of a product, of the energy.
typedef struct {
    int n;
    char name[MOST][48];
    double mean[MOST], error[MOST], spread[MOST], rhat[MOST]; // rhat: of chains whose starts are forgotten 1
} moments;

typedef struct {
    nrg_ctx *c;
    const nrg_options *o;
    const char *path; // NULL: the world's text
    nrg_line_fn line;
    void *ud;
    int statistics, off, unmixed, pairs;
} tester;

// ---- the numbers of a model

typedef struct {
    nrg_sweep at[NRG_MAX_VARS];
    char name[NRG_MAX_VARS][48];
    int n;
    int64_t places; // 0: too many for an exact answer
} lattice;

static nrg_status numbers(nrg_ebm *m, const world *w, lattice *l) {
    nrg_vars visible = nrg_api_visible(m);
    double finite = 1;
    int reals = 0;
    *l = (lattice){0};
    for (int32_t v = 0; v < (int32_t)m->model->vars.n; v++) {
        nrg_shape shape;
        if (!(visible >> v & 1)) continue;
        TRY(nrg_var_shape(m->model, v, &shape));
        int64_t count = nrg_shape_count(&shape);
        if (l->n + count > NRG_MAX_VARS) return l->places = 0, NRG_OK;
        for (int64_t e = 0; e < count; e++, l->n++) {
            nrg_sweep *s = &l->at[l->n];
            char *name = l->name[l->n];
            snprintf(name, sizeof l->name[0], shape.rank ? "%s[%lld]" : "%s", m->model->vars.at[v].name, (long long)e);
            TRY(nrg_sweep_find(m, name, "self-test", s));
            if (s->finite) finite *= (double)s->n;
            else reals++;
        }
    }
    bool bounded = finite <= PLACES && reals <= 3;
    int64_t each = reals && bounded ? (int64_t)pow(PLACES / finite, 1.0 / reals) : 0;
    if (each > 4000) each = 4000;
    for (int i = 0; i < l->n && bounded; i++) {
        nrg_sweep *s = &l->at[i];
        const nrg_var *v = &m->model->vars.at[s->var];
        if (s->finite) continue;
        s->lo = isfinite(v->domain.lo) ? v->domain.lo : w ? w->lo : NAN;
        s->hi = isfinite(v->domain.hi) ? v->domain.hi : w ? w->hi : NAN;
        bounded = s->lo < s->hi && v->elem == NRG_REAL && v->domain.kind <= NRG_DOM_RANGE && each > 20;
        double half = 0.5 * (s->hi - s->lo) / (double)each; // middles of cells
        s->lo += half, s->hi -= half, s->n = each;
    }
    l->places = bounded && l->n > 0 ? 1 : 0;
    for (int i = 0; i < l->n && l->places; i++) l->places *= l->at[i].n;
    return NRG_OK;
}

static void value_at(const lattice *l, int64_t place, double *x) {
    for (int i = 0; i < l->n; i++) x[i] = nrg_sweep_at(&l->at[i], place % l->at[i].n), place /= l->at[i].n;
}

// The statistics of one place or draw; names when asked for.
static int statistics(const lattice *l, const double *x, double energy, double *to, moments *m) {
    int n = 0;
#define PUT(value, ...) do { if (m) snprintf(m->name[n], sizeof m->name[n], __VA_ARGS__); to[n++] = (value); } while (0)
    for (int i = 0; i < l->n && i < NUMBERS; i++) {
        PUT(x[i], "%.40s", l->name[i]);
        PUT(x[i] * x[i], "%.40s^2", l->name[i]);
    }
    if (l->n > 1) PUT(x[0] * x[1], "%.20s %.20s", l->name[0], l->name[1]);
    PUT(energy, "energy");
#undef PUT
    return n;
}

// ---- exact

static void add_up(const lattice *l, const double *F, double beta, moments *out) {
    double least = INFINITY, Z = 0, sum[MOST] = {0}, square[MOST] = {0}, x[NRG_MAX_VARS], t[MOST];
    for (int64_t i = 0; i < l->places; i++) least = fmin(least, F[i]);
    for (int64_t i = 0; i < l->places; i++) {
        double p = exp(-beta * (F[i] - least));
        if (!(p > 0)) continue;
        value_at(l, i, x);
        out->n = statistics(l, x, F[i], t, i ? NULL : out);
        for (int k = 0; k < out->n; k++) sum[k] += p * t[k], square[k] += p * t[k] * t[k];
        Z += p;
    }
    value_at(l, 0, x);
    out->n = statistics(l, x, 0, t, out);
    for (int k = 0; k < out->n; k++) {
        out->mean[k] = sum[k] / Z;
        out->spread[k] = sqrt(fmax(0, square[k] / Z - out->mean[k] * out->mean[k]));
        out->error[k] = 0;
    }
}

static nrg_status exact(nrg_ebm *m, const lattice *l, moments *out) {
    size_t bytes = (size_t)(l->places + 1) * sizeof(double);
    nrg_values v;
    TRY(nrg_values_make(m, NULL, 0, &v));
    double *F = nrg_mem(m->ctx, NULL, 0, bytes);
    nrg_status s = F ? nrg_sweep_energies(m, NULL, &v, 0, l->at, l->n, F) : NRG_E098;
    if (s == NRG_OK) add_up(l, F, m->model->beta, out);
    if (F) nrg_mem(m->ctx, F, bytes, 0);
    nrg_values_free(&v);
    return s;
}

// ---- drawn

static void place_of(const nrg_samples *r, const nrg_ebm *m, const lattice *l, int64_t at, double *x) {
    for (int i = 0; i < l->n; i++)
        for (int j = 0; j < r->vars; j++)
            if (nrg_same(r->var[j].name, m->model->vars.at[l->at[i].var].name)) x[i] = r->var[j].value[at * r->var[j].width + l->at[i].entry];
}

// Chains are independent: the error of a mean is that of the mean of their means.
static void sum_up(const nrg_samples *r, const nrg_ebm *m, const lattice *l, moments *out) {
    double x[NRG_MAX_VARS] = {0}, t[MOST], sum[MOST] = {0}, square[MOST] = {0}, all[MOST] = {0};
    double D = (double)r->draws;
    for (int64_t c = 0; c < r->chains; c++) {
        double own[MOST] = {0};
        for (int64_t d = 0; d < r->draws; d++) {
            int64_t at = c * r->draws + d;
            place_of(r, m, l, at, x);
            out->n = statistics(l, x, r->energy[at], t, at ? NULL : out);
            for (int k = 0; k < out->n; k++) own[k] += t[k] / D, all[k] += t[k] * t[k] / (D * (double)r->chains);
        }
        for (int k = 0; k < out->n; k++) sum[k] += own[k], square[k] += own[k] * own[k];
    }
    double n = (double)r->chains;
    for (int k = 0; k < out->n; k++) {
        out->mean[k] = sum[k] / n;
        out->error[k] = sqrt(fmax(0, square[k] / n - out->mean[k] * out->mean[k]) / (n - 1));
        out->spread[k] = sqrt(fmax(0, all[k] - out->mean[k] * out->mean[k]));
        double within = (all[k] - square[k] / n) * D / fmax(1, D - 1), between = n * out->error[k] * out->error[k];
        out->rhat[k] = within > 0 ? sqrt(((D - 1) / D * within + between) / within) : between > 0 ? INFINITY : 1;
    }
}

static nrg_status load(tester *t, const world *w, const char *text, const char *stmt, nrg_ebm **out) {
    nrg_options o = t->o ? *t->o : (nrg_options){0};
    const char *stmts[64];
    int n = o.stmts_n < 63 ? o.stmts_n : 63;
    for (int i = 0; i < n; i++) stmts[i] = o.stmts[i];
    if (stmt) stmts[n++] = stmt;
    o.stmts = stmts, o.stmts_n = n;
    return t->path ? nrg_ebm_load(t->c, t->path, &o, out) : nrg_ebm_load_text(t->c, w->name, text, strlen(text), &o, out);
}

// *drew stays false when the method is not for these variables; then nothing is said about it.
static nrg_status draw(tester *t, const world *w, const lattice *l, const char *vars, const char *method, moments *out, bool *drew) {
    char stmt[700];
    nrg_ebm *m = NULL;
    nrg_samples *r = NULL;
    nrg_sample_options o = {.n = CHAINS * DRAWS, .chains = CHAINS, .warmup = WARMUP};
    int before = nrg_diag_count(t->c);
    *drew = false;
    snprintf(stmt, sizeof stmt, "sample %s by %s", vars, method);
    nrg_status s = load(t, w, w ? w->text : NULL, stmt, &m);
    if (s == NRG_OK) s = nrg_ebm_sample(m, NULL, &o, &r);
    if (s == NRG_OK) sum_up(r, m, l, out);
    *drew = s == NRG_OK;
    nrg_samples_free(r);
    nrg_ebm_free(m);
    bool unfit = s == NRG_E026 || s == NRG_E071 || s == NRG_E027;
    if (s == NRG_OK || unfit) nrg_diag_cut(t->c, before);
    return unfit ? NRG_OK : s;
}

// ---- the verdict

static nrg_status say(tester *t, const char *fmt, ...) {
    nrg_text line = nrg_text_make(t->c);
    char part[400];
    va_list list;
    va_start(list, fmt);
    vsnprintf(part, sizeof part, fmt, list);
    va_end(list);
    nrg_text_put(&line, "%s", part);
    nrg_status s = nrg_text_end(&line);
    if (s == NRG_OK) t->line(t->ud, line.at);
    nrg_text_free(&line);
    return s;
}

// How far off statistic k is; NaN: it cannot vary.
static double gap_of(const moments *truth, const moments *found, int k) {
    double gap = found->mean[k] - truth->mean[k], error = hypot(found->error[k], truth->error[k]);
    if (truth->spread[k] < 1e-6 && fabs(gap) < 1e-5) return NAN;
    return error > 0 ? gap / error : gap == 0 ? 0 : gap > 0 ? INFINITY : -INFINITY;
}

// The statistic that is furthest off.
static nrg_status judge(tester *t, const char *sampler, const char *name, const moments *truth, const moments *found) {
    int worst = -1, n = 0;
    double far = -1, z = 0;
    bool mixed = true; // one number whose chains disagree spoils what others mean
    for (int k = 0; k < found->n; k++) mixed = mixed && found->rhat[k] <= MIXED && truth->rhat[k] <= MIXED;
    for (int k = 0; k < found->n; k++) {
        double one = gap_of(truth, found, k);
        if (isnan(one)) continue;
        n++;
        t->off += mixed && !(fabs(one) <= OFF);
        t->unmixed += !mixed && !(fabs(one) <= OFF);
        if (!(fabs(one) <= far)) worst = k, far = fabs(one), z = one;
    }
    if (worst < 0) return NRG_OK;
    t->statistics += n;
    t->pairs++;
    return say(t, "%s,%s,%d,%s,%.5g,%.5g,%.2g,%.2f,%s", sampler, name, n, found->name[worst], truth->mean[worst], found->mean[worst],
               hypot(found->error[worst], truth->error[worst]), z, fabs(z) <= OFF ? "ok" : mixed ? "FAIL" : "unmixed");
}

static nrg_status names(nrg_ebm *m, char *to, size_t room) {
    size_t n = 0;
    *to = 0;
    for (int32_t v = 0; v < (int32_t)m->model->vars.n; v++)
        if (nrg_api_visible(m) >> v & 1) {
            n += (size_t)snprintf(to + n, n < room ? room - n : 0, "%s%s", n ? ", " : "", m->model->vars.at[v].name);
            if (n >= room) return nrg_fail(m->ctx, NRG_E071, NRG_NOWHERE, "a self-test of so many variables");
        }
    return NRG_OK;
}

static nrg_status of_world(tester *t, const world *w, bool *used) {
    moments truth = {0}, found = {0}, first = {0};
    char vars[500], pair[100], before[60] = "";
    nrg_ebm *m = NULL;
    lattice l;
    nrg_status s = load(t, w, w ? w->text : NULL, NULL, &m);
    if (s == NRG_OK && !m->model->energy.name) s = nrg_fail(t->c, NRG_E022, NRG_NOWHERE, "the model has no energy to draw from");
    if (s == NRG_OK) s = nrg_api_ready(m, NULL);
    if (s == NRG_OK) s = numbers(m, w, &l);
    if (s == NRG_OK) s = names(m, vars, sizeof vars);
    if (s == NRG_OK && w && w->like) {
        nrg_ebm_free(m), m = NULL;
        s = load(t, w, w->like, NULL, &m);
        if (s == NRG_OK) s = nrg_api_ready(m, NULL);
    }
    if (s == NRG_OK && l.places) s = exact(m, &l, &truth);
    nrg_ebm_free(m);
    for (int k = 1; k < NRG_BY_COUNT && s == NRG_OK; k++) {
        const nrg_method_row *row = nrg_method_get((nrg_method)k);
        const char *method = w && w->method ? w->method : row->name;
        bool drew;
        if (!row->built || !strchr(row->verbs, 'd') || (w && w->method && strncmp(method, row->name, strlen(row->name)) != 0)) continue;
        s = draw(t, w, &l, vars, method, &found, &drew);
        if (s != NRG_OK || !drew) continue;
        if (w && w->like) found.n--; // its energies are those of the other one
        used[k] = true;
        if (!l.places && strstr(row->doc, "biased")) continue; // two biases could agree
        if (l.places) s = judge(t, method, w ? w->name : "model", &truth, &found);
        else if (!*before) snprintf(before, sizeof before, "%s", method), first = found;
        else {
            snprintf(pair, sizeof pair, "%s - %s", method, before);
            s = judge(t, pair, "model", &first, &found);
        }
    }
    return s;
}

nrg_status nrg_selftest(nrg_ctx *c, const char *model, const nrg_options *o, nrg_line_fn line, void *ud) {
    tester t = {.c = c, .o = o, .path = model, .line = line, .ud = ud};
    bool used[NRG_BY_COUNT] = {false};
    TRY(say(&t, "sampler,model,statistics,worst,exact,found,error,z,verdict"));
    if (model) TRY(of_world(&t, NULL, used));
    else
        for (int i = 0; i < WORLDS; i++) TRY(of_world(&t, &worlds[i], used));
    for (int k = 1; k < NRG_BY_COUNT && !model; k++) {
        const nrg_method_row *row = nrg_method_get((nrg_method)k);
        if (row->built && strchr(row->verbs, 'd') && !used[k]) TRY(say(&t, "%s,,0,,,,,,not a sampler of its own", row->name));
    }
    if (t.pairs == 0) {
        nrg_fail(c, NRG_E071, NRG_NOWHERE, "a self-test of this model: no exact answer, and fewer than two samplers fit its variables");
        nrg_help(c, "exact answers need finite variables and at most three bounded reals:  x : real in LO..HI");
        return NRG_E071;
    }
    if (t.off == 0 && t.unmixed == 0) return NRG_OK;
    if (t.off == 0) {
        nrg_status s = nrg_fail(c, NRG_E081, NRG_NOWHERE, "%d of %d statistics are off where chains of %d steps do not forget their starts: nothing is known "
                                "about the samplers", t.unmixed, t.statistics, WARMUP + 10 * DRAWS);
        nrg_fact(c, "R-hat is above %g there: modes that chains do not leave, or slow directions; --tempering of nrg sample may serve", MIXED);
        return s;
    }
    nrg_status s = nrg_fail(c, NRG_E081, NRG_NOWHERE, "%d of %d statistics are off by more than %g standard errors", t.off, t.statistics, OFF);
    nrg_fact(c, "by chance that happens in fewer than one run of 4000");
    return s;
}
