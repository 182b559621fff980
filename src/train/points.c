// Wrong answers that are drawn rather than searched for: other rows, noise, a column of the data, rows marked as wrong.
#include "train/against.h"
#include <math.h>

static const nrg_expr *argument(const nrg_wrong *w, const char *name, int place) { return nrg_call_arg(w->l->against, name, place); }

static nrg_status number(const nrg_wrong *w, const char *name, int place, double otherwise, double *out) {
    const nrg_expr *e = argument(w, name, place);
    *out = otherwise;
    return e ? nrg_eval_number(w->m, e, out) : NRG_OK;
}

static bool asked(const nrg_wrong *w, int32_t v) { return w->a->over >> v & 1; }
static nrg_node truth(const nrg_wrong *w, int32_t v) { return nrg_scope_bound(w->p->scope, v); }

nrg_node nrg_against_differs(const nrg_wrong *w) {
    nrg_graph *g = w->p->g;
    nrg_node gap = nrg_const(g, 0);
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!asked(w, v)) continue;
        if (w->m->vars.at[v].elem == NRG_REAL) return nrg_const(g, 1);
        gap = nrg_add(g, gap, nrg_sum_all(g, nrg_square(g, nrg_sub(g, w->value[v], truth(w, v)))));
    }
    return nrg_lt(g, nrg_const(g, 0), gap);
}

// ---- batch --------------------------------------------------------------------------------------------------

nrg_status nrg_against_minibatch(const nrg_wrong *w, const char *what) {
    for (uint32_t i = 0; i < w->m->optimizes.n; i++) {
        nrg_optimizer o = w->m->optimizes.at[i].method;
        if (o != NRG_OPT_lbfgs && o != NRG_OPT_exact) continue;
        nrg_status s = nrg_fail(w->m->ctx, NRG_E026, w->l->against->span, "against %s compares the rows of minibatches, and %s has none", what,
                                o == NRG_OPT_exact ? "exact" : "lbfgs");
        nrg_help(w->m->ctx, "optimize by sgd or adam");
        return s;
    }
    return NRG_OK;
}

nrg_status nrg_point_batch(nrg_wrong *w) {
    nrg_node own[NRG_MAX_VARS], other[NRG_MAX_VARS];
    int n = 0;
    TRY(nrg_against_minibatch(w, "batch"));
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (asked(w, v)) own[n++] = truth(w, v);
    TRY(nrg_infer_batch(w->p->inf, own, n, other, &w->lead, &w->valid));
    n = 0;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (asked(w, v)) w->value[v] = other[n++];
    w->valid = nrg_mul(w->p->g, w->valid, nrg_against_differs(w));
    return nrg_infer_say(w->p->inf, "wrong answers: the other rows of the batch");
}

// ---- noise --------------------------------------------------------------------------------------------------

static nrg_node draws(const nrg_wrong *w, int32_t v, nrg_random_kind kind, uint32_t what, int64_t k, nrg_node *lifted) {
    nrg_graph *g = w->p->g;
    nrg_node ids = nrg_input(g, "train:id", NRG_SAMPLE, nrg_shape_of(0, NULL));
    nrg_shape one = nrg_graph_node(g, truth(w, v))->shape, s = {.rank = one.rank + 1};
    s.dim[0] = k;
    for (int i = 0; i < one.rank; i++) s.dim[i + 1] = one.dim[i];
    nrg_node x = nrg_random(g, ids, kind, NRG_FOR_INIT | (uint32_t)(v + 1) << 8 | what << 4 | (w->learn + 1) << 20, s);
    return *lifted = nrg_lift(g, x, 0, w->lead);
}

static nrg_status noisy(nrg_wrong *w, int32_t v, double sd, int64_t k) {
    nrg_node z;
    w->value[v] = nrg_add(w->p->g, truth(w, v), nrg_mul(w->p->g, draws(w, v, NRG_RANDOM_NORMAL, 0, k, &z), nrg_const(w->p->g, sd)));
    return NRG_OK;
}

// Shares of the categories among all rows, as a table for drawing in two looks (Walker 1977, Vose 1991): a category keeps its cell
// with probability keep, else gives it to `other`.
static void alias(double *p, int64_t n, double *keep, double *other, int64_t *small, int64_t *large) {
    int64_t s = 0, l = 0;
    for (int64_t i = 0; i < n; i++) {
        keep[i] = p[i] * (double)n;
        other[i] = (double)i;
        if (keep[i] < 1) small[s++] = i;
        else large[l++] = i;
    }
    while (s && l) {
        int64_t a = small[--s], b = large[l - 1];
        other[a] = (double)b;
        keep[b] -= 1 - keep[a];
        if (keep[b] < 1) small[s++] = b, l--;
    }
    while (s) keep[small[--s]] = 1;
    while (l) keep[large[--l]] = 1;
}

static nrg_status count(const nrg_wrong *w, int32_t v, double *p, int64_t n) {
    nrg_shape s;
    enum { ROWS = 256 };
    int64_t at[ROWS], rows = nrg_bound_rows(w->b);
    TRY(nrg_var_shape(w->m, v, &s));
    int64_t width = nrg_shape_count(&s);
    size_t bytes = (size_t)(ROWS * width + 1) * sizeof(double);
    double *x = nrg_mem(w->m->ctx, NULL, 0, bytes);
    nrg_status st = x ? NRG_OK : NRG_E098;
    for (int64_t first = 0; first < rows && st == NRG_OK; first += ROWS) {
        int64_t many = rows - first < ROWS ? rows - first : ROWS;
        for (int64_t i = 0; i < many; i++) at[i] = first + i;
        st = nrg_bound_numbers(w->b, w->store, v, at, many, x);
        for (int64_t i = 0; st == NRG_OK && i < many * width; i++)
            if (x[i] >= 0 && x[i] < (double)n) p[(int64_t)x[i]]++;
    }
    if (x) nrg_mem(w->m->ctx, x, bytes, 0);
    return st == NRG_OK ? nrg_bound_rows_set(w->b, w->store, NULL) : st;
}

static nrg_status keep_table(const nrg_wrong *w, const char *name, const double *from, int64_t n) {
    void *to;
    TRY(nrg_store_make(w->store, name, n, &to));
    nrg_numbers_put(nrg_store_get(w->store, name), from, n);
    return NRG_OK;
}

static nrg_status table(const nrg_wrong *w, int32_t v, double power, int64_t n, const char *keep, const char *other) {
    nrg_arena a = nrg_arena_make(w->m->ctx);
    double *p = NRG_NEWS(&a, double, n), *k = NRG_NEWS(&a, double, n), *o = NRG_NEWS(&a, double, n), sum = 0;
    int64_t *small = NRG_NEWS(&a, int64_t, n), *large = NRG_NEWS(&a, int64_t, n);
    nrg_status st = p && k && o && small && large ? count(w, v, p, n) : NRG_E098;
    if (st == NRG_OK) {
        for (int64_t i = 0; i < n; i++) sum += p[i] = p[i] > 0 ? pow(p[i], power) : 0;
        for (int64_t i = 0; i < n; i++) p[i] /= sum;
        alias(p, n, k, o, small, large);
        st = keep_table(w, keep, k, n);
    }
    if (st == NRG_OK) st = keep_table(w, other, o, n);
    nrg_arena_free(&a);
    return st;
}

static nrg_status frequent(nrg_wrong *w, int32_t v, double power, int64_t k) {
    nrg_graph *g = w->p->g;
    int64_t n = w->m->dims.at[w->m->vars.at[v].category].size;
    const char *keep = nrg_arena_print(&w->p->arena, "against:%u:%s:keep", w->learn, w->m->vars.at[v].name),
               *other = nrg_arena_print(&w->p->arena, "against:%u:%s:other", w->learn, w->m->vars.at[v].name);
    if (!keep || !other) return NRG_E098;
    if (!nrg_store_get(w->store, keep)) TRY(table(w, v, power, n, keep, other)); // frequencies of the training data serve validation too
    nrg_shape all = nrg_shape_of(1, &n);
    nrg_node where, coin;
    draws(w, v, NRG_RANDOM_UNIFORM, 0, k, &where);
    draws(w, v, NRG_RANDOM_UNIFORM, 1, k, &coin);
    nrg_node cell = nrg_floor(g, nrg_mul(g, where, nrg_const(g, (double)n)));
    nrg_node stay = nrg_lt(g, coin, nrg_take(g, nrg_input(g, keep, 0, all), cell));
    w->value[v] = nrg_stop(g, nrg_select(g, stay, cell, nrg_take(g, nrg_input(g, other, 0, all), cell)));
    return NRG_OK;
}

static nrg_status bad_number(const nrg_wrong *w, const char *what, double v, const char *expected) {
    nrg_status s = nrg_fail(w->m->ctx, NRG_E013, w->l->against->span, "%s of noise is %.6g", what, v);
    nrg_help(w->m->ctx, "%s", expected);
    return s;
}

static nrg_status bare_noise(const nrg_wrong *w, bool real) {
    nrg_status s = nrg_fail(w->m->ctx, NRG_E013, w->l->against->span, "against noise needs to know %s", real ? "its size" : "how many to draw");
    nrg_help(w->m->ctx, real ? "noise(0.5): the data plus normal noise of this standard deviation"
                             : "noise(5, power=0.75): five draws by frequency to this power");
    return s;
}

nrg_status nrg_point_noise(nrg_wrong *w) {
    bool real = false, other = false;
    double sd, k, power;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        if (!asked(w, v)) continue;
        nrg_elem e = w->m->vars.at[v].elem;
        if (e == NRG_REAL) real = true;
        else if (e == NRG_CATEGORY) other = true;
        if ((e != NRG_REAL && e != NRG_CATEGORY) || (real && other))
            return nrg_fail(w->m->ctx, NRG_E071, w->l->against->span, "against noise for %s: all asked variables must be reals, or all categories",
                            w->m->vars.at[v].name);
    }
    if (!argument(w, real ? "sd" : "k", 0)) return bare_noise(w, real);
    TRY(number(w, "sd", 0, 1, &sd));
    TRY(number(w, "k", real ? 1 : 0, 1, &k));
    TRY(number(w, "power", 2, 1, &power));
    if (real && !(sd > 0 && sd < INFINITY)) return bad_number(w, "sd", sd, "a standard deviation above 0");
    if (!(k >= 1 && k <= 1e5 && k == floor(k))) return bad_number(w, "k", k, "how many draws a row: 1 to 100000");
    if (!(power >= 0 && power < INFINITY)) return bad_number(w, "power", power, "0 (all categories alike) or above; 1: as frequent as in the data");
    w->lead = nrg_lead_new(w->p->g, "noise", (int64_t)k);
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (asked(w, v)) TRY(real ? noisy(w, v, sd, (int64_t)k) : frequent(w, v, power, (int64_t)k));
    w->valid = nrg_against_differs(w);
    if (real) w->valid = nrg_expand(w->p->g, w->valid, nrg_shape_of(0, NULL), w->lead);
    return real ? nrg_infer_say(w->p->inf, "wrong answers: %.0f with noise %.3g", k, sd)
                : nrg_infer_say(w->p->inf, "wrong answers: %.0f by frequency to the %.3g", k, power);
}

// ---- columns and rows of the data ---------------------------------------------------------------------------

static nrg_status unnamed(const nrg_wrong *w, int32_t v) {
    nrg_status s = nrg_fail(w->m->ctx, NRG_E049, w->l->against->span, "against data(...) does not say which array is the wrong %s", w->m->vars.at[v].name);
    nrg_help(w->m->ctx, "name it: data(%s=COLUMN)", w->m->vars.at[v].name);
    return s;
}

nrg_status nrg_point_data(nrg_wrong *w) {
    for (int32_t v = 0; v < NRG_MAX_VARS; v++) {
        const nrg_expr *e;
        nrg_shape s;
        if (!asked(w, v)) continue;
        if (!(e = argument(w, w->m->vars.at[v].name, -1))) return unnamed(w, v);
        TRY(nrg_var_shape(w->m, v, &s));
        TRY(nrg_bound_wrong(w->b, w->p->scope, w->learn, v, e, &w->value[v]));
        if (nrg_shape_count(&nrg_graph_node(w->p->g, w->value[v])->shape) != nrg_shape_count(&s))
            return nrg_fail(w->m->ctx, NRG_E050, e->span, "the array after %s= does not have the shape of %s", w->m->vars.at[v].name, w->m->vars.at[v].name);
        w->value[v] = nrg_reshape(w->p->g, w->value[v], s);
    }
    w->valid = nrg_against_differs(w);
    return nrg_infer_say(w->p->inf, "wrong answers: from the data");
}

nrg_status nrg_point_rows(nrg_wrong *w) {
    const nrg_expr *e = argument(w, "condition", 0);
    if (!e) {
        nrg_status s = nrg_fail(w->m->ctx, NRG_E049, w->l->against->span, "against rows(...) does not say which rows are wrong answers");
        nrg_help(w->m->ctx, "write a condition on an array: rows(similar == 0)");
        return s;
    }
    TRY(nrg_bound_eval(w->b, w->p->scope, e, &w->valid));
    if (nrg_shape_count(&nrg_graph_node(w->p->g, w->valid)->shape) != 1)
        return nrg_fail(w->m->ctx, NRG_E022, e->span, "the condition of rows must be one number a row");
    w->valid = nrg_reshape(w->p->g, w->valid, nrg_shape_of(0, NULL));
    w->pairs = true;
    for (int32_t v = 0; v < NRG_MAX_VARS; v++)
        if (asked(w, v)) w->value[v] = truth(w, v);
    return nrg_infer_say(w->p->inf, "wrong answers: rows of the data");
}
