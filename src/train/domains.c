// Domains checked on data: which sample, which position, what was found, how to mend it.
#include "train/bind.h"
#include <math.h>
#include <string.h>

void nrg_bind_place(const nrg_shape *s, int64_t cell, nrg_text *out) {
    int64_t width = nrg_shape_count(s), at = width ? cell % width : 0;
    nrg_text_put(out, "sample %lld", (long long)(width ? cell / width : 0));
    if (s->rank == 0) return;
    int64_t index[NRG_MAX_RANK];
    for (int i = s->rank - 1; i >= 0; i--) index[i] = at % s->dim[i], at /= s->dim[i];
    nrg_text_put(out, ", position [");
    for (int i = 0; i < s->rank; i++) nrg_text_put(out, "%s%lld", i ? ", " : "", (long long)index[i]);
    nrg_text_put(out, "]");
}

// What is wrong with one number for a variable, or NULL. slack: what rounding in a data statement may add.
static const char *wrong(const nrg_var *v, double x, double slack) {
    double lo = v->domain.lo - slack * fmax(1, fabs(v->domain.lo)),
           hi = v->domain.hi + slack * fmax(1, fabs(v->domain.hi));
    if (isnan(x)) return "is missing or not a number";
    if (isinf(x)) return "is infinite";
    if (v->elem == NRG_BIT && x != 0 && x != 1) return "must be 0 or 1 (bit)";
    if (v->elem == NRG_SIGN && x != -1 && x != 1) return "must be -1 or 1 (sign)";
    if ((v->elem == NRG_INT || v->elem == NRG_CATEGORY) && x != floor(x)) return "must be a whole number";
    if (v->domain.kind == NRG_DOM_RANGE && (x < lo || x > hi)) return "lies outside its declared range";
    if (v->domain.kind == NRG_DOM_SIMPLEX && x < -slack) return "must not be negative (simplex)";
    return NULL;
}

static void advice(const nrg_bound *b, const nrg_var *v, const nrg_array *a, double lo, double hi) {
    const char *name = a ? a->name : "...";
    bool said = a && strncmp(a->name, "given:", 6) == 0; // by --given, so no data statement can mend it
    if (said && v->domain.kind == NRG_DOM_RANGE)
        nrg_help(b->ctx, "hold %s at a value within %g..%g, or widen its declared range", v->name, v->domain.lo,
                 v->domain.hi);
    else if (said) nrg_help(b->ctx, "hold %s at a value that its declaration allows", v->name);
    else if (isnan(lo)) nrg_help(b->ctx, "drop these rows, or fill them in");
    else if (v->elem == NRG_SIGN && lo == 0 && hi == 1) nrg_help(b->ctx, "data %s = 2 * %s - 1", v->name, name);
    else if (v->elem == NRG_BIT && !a) nrg_help(b->ctx, "mend what the data statement computes: 0 or 1, as from ... > 127; bernoulli takes probabilities");
    else if (v->elem == NRG_BIT && hi > 1) nrg_help(b->ctx, "data %s = %s > %g", v->name, name, hi / 2);
    else if (v->domain.kind == NRG_DOM_RANGE && v->domain.lo == 0 && v->domain.hi == 1 && hi > 1 && lo >= 0)
        nrg_help(b->ctx, "data %s = %s / %g", v->name, name, hi);
    else nrg_help(b->ctx, "rescale it in the data statement, or widen the declared domain");
}

static nrg_status fault(const nrg_bound *b, int32_t var, const nrg_array *a, const nrg_shape *shape, int64_t cell,
                        double x, const char *why, double lo, double hi) {
    const nrg_var *v = &b->m->vars.at[var];
    nrg_text place = nrg_text_make(b->ctx);
    nrg_bind_place(shape, cell, &place);
    nrg_status s;
    if (isnan(x)) s = nrg_fail(b->ctx, NRG_E055, v->span, "%s %s at %s", v->name, why, place.bad ? "?" : place.at);
    else
        s = nrg_fail(b->ctx, NRG_E055, v->span, "%s has the value %.7g at %s, but it %s", v->name, x,
                     place.bad ? "?" : place.at, why);
    nrg_text_free(&place);
    if (v->domain.kind == NRG_DOM_RANGE) nrg_fact(b->ctx, "declared: %g..%g", v->domain.lo, v->domain.hi);
    if (a) {
        nrg_text line = nrg_text_make(b->ctx);
        nrg_array_print(a, &line);
        if (!line.bad && line.at) nrg_fact(b->ctx, "%s", line.at);
        nrg_text_free(&line);
    }
    advice(b, v, a, isnan(x) ? NAN : lo, hi);
    return s;
}

// simplex, sphere: rows of numbers that must add up to one.
static nrg_status unit_rows(const nrg_bound *b, int32_t var, const double *at, int64_t first, int64_t n,
                            int64_t width) {
    const nrg_var *v = &b->m->vars.at[var];
    bool sphere = v->domain.kind == NRG_DOM_SPHERE;
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < width; j++) sum += sphere ? at[i * width + j] * at[i * width + j] : at[i * width + j];
        if (fabs(sum - 1) <= 1e-4) continue; // what six printed digits of up to a hundred parts leave
        nrg_status s = nrg_fail(b->ctx, NRG_E055, v->span, "%s of sample %lld adds up to %.7g%s, not to 1", v->name,
                                (long long)(first + i), sum, sphere ? " (squares)" : "");
        nrg_help(b->ctx, sphere ? "divide each row by its norm" : "divide each row by its sum");
        return s;
    }
    return NRG_OK;
}

// How many numbers of a value may be wrong: none in the usual case, which is seen while the value is made. Stricter than `wrong`.
nrg_node nrg_bind_doubts(const nrg_bound *b, int32_t var, nrg_graph *g, nrg_node x) {
    const nrg_var *v = &b->m->vars.at[var];
    double lo = -INFINITY, hi = INFINITY, slack = 5e-6;
    if (v->domain.kind == NRG_DOM_RANGE) {
        lo = v->domain.lo - slack * fmax(1, fabs(v->domain.lo));
        hi = v->domain.hi + slack * fmax(1, fabs(v->domain.hi));
    }
    nrg_node fine = nrg_mul(g, nrg_lt(g, nrg_const(g, lo), x), nrg_lt(g, x, nrg_const(g, hi)));
    if (v->elem == NRG_BIT) fine = nrg_mul(g, fine, nrg_eq(g, x, nrg_square(g, x)));
    else if (v->elem == NRG_SIGN) fine = nrg_mul(g, fine, nrg_eq(g, nrg_abs(g, x), nrg_const(g, 1)));
    else if (v->elem != NRG_REAL) fine = nrg_mul(g, fine, nrg_eq(g, x, nrg_floor(g, x)));
    nrg_node each = nrg_sum_all(g, nrg_sub(g, nrg_const(g, 1), fine));
    return nrg_reduce(g, NRG_OP_sum, each, 0, NRG_SAMPLE, false);
}

// Whole numbers of few bits lie between the ends of their type.
static nrg_range of_source(void *ud, const char *input) {
    const nrg_bound *b = ud;
    for (uint32_t i = 0; i < b->sources.n; i++) {
        if (!nrg_same(b->sources.at[i].input, input)) continue;
        switch (b->sources.at[i].buf.type) {
        case NRG_BUF_U8: return (nrg_range){0, UINT8_MAX, true};
        case NRG_BUF_I8: return (nrg_range){INT8_MIN, INT8_MAX, true};
        case NRG_BUF_U16: return (nrg_range){0, UINT16_MAX, true};
        case NRG_BUF_I16: return (nrg_range){INT16_MIN, INT16_MAX, true};
        default: break;
        }
    }
    return (nrg_range){-INFINITY, INFINITY, false};
}

nrg_status nrg_bind_sure(const nrg_bound *b, int32_t var, const nrg_graph *g, nrg_node x, bool *sure) {
    const nrg_var *v = &b->m->vars.at[var];
    nrg_range r;
    TRY(nrg_node_range(g, x, of_source, (void *)(uintptr_t)b, &r));
    *sure = isfinite(r.lo) && isfinite(r.hi) && v->elem != NRG_SIGN && (v->elem == NRG_REAL || r.whole);
    if (v->elem == NRG_BIT) *sure = *sure && r.lo >= 0 && r.hi <= 1;
    if (v->domain.kind == NRG_DOM_RANGE) *sure = *sure && r.lo >= v->domain.lo && r.hi <= v->domain.hi;
    return NRG_OK;
}

static bool adds_up(const nrg_var *v) { return v->domain.kind == NRG_DOM_SIMPLEX || v->domain.kind == NRG_DOM_SPHERE; }

bool nrg_bind_counted(const nrg_bound *b, int32_t var) {
    return var >= 0 && b->m->vars.at[var].elem != NRG_CATEGORY && !adds_up(&b->m->vars.at[var]);
}

nrg_status nrg_bind_numbers(const nrg_bound *b, int32_t var, const double *at, int64_t first, int64_t n,
                            int64_t width) {
    const nrg_var *v = &b->m->vars.at[var];
    nrg_shape shape;
    TRY(nrg_var_shape(b->m, var, &shape));
    for (int64_t i = 0; i < n * width; i++) {
        const char *why = wrong(v, at[i], 1e-5);
        if (!why) continue;
        if (isnan(at[i]) && !(b->spec.need >> var & 1)) continue;
        double lo = at[i], hi = at[i];
        for (int64_t j = 0; j < n * width; j++) lo = fmin(lo, at[j]), hi = fmax(hi, at[j]);
        return fault(b, var, NULL, &shape, first * width + i, at[i], why, lo, hi);
    }
    if (v->elem == NRG_CATEGORY) {
        double size = (double)b->m->dims.at[v->category].size;
        for (int64_t i = 0; i < n * width; i++)
            if (at[i] < 0 || at[i] >= size)
                return fault(b, var, NULL, &shape, first * width + i, at[i], "is not one of its labels", 0, size);
    }
    return adds_up(v) ? unit_rows(b, var, at, first, n, width) : NRG_OK;
}

static nrg_status unit_array(const nrg_bound *b, int32_t var, const nrg_array *a) {
    int64_t width = nrg_array_width(a);
    double *row = nrg_mem(b->ctx, NULL, 0, (size_t)(width + 1) * sizeof *row);
    if (!row) return NRG_E098;
    nrg_status s = NRG_OK;
    for (int64_t i = 0; i < a->samples && s == NRG_OK; i++) {
        for (int64_t j = 0; j < width; j++) row[j] = nrg_array_value(a, i * width + j);
        s = unit_rows(b, var, row, i, 1, width);
    }
    nrg_mem(b->ctx, row, (size_t)(width + 1) * sizeof *row, 0);
    return s;
}

nrg_status nrg_bind_domain(const nrg_bound *b, int32_t var, const nrg_array *a, int64_t shift) {
    const nrg_var *v = &b->m->vars.at[var];
    nrg_array_range r = nrg_array_scan(a);
    double lo = r.lo + (double)shift, hi = r.hi + (double)shift;
    bool needed = b->spec.need >> var & 1, whole = v->elem != NRG_REAL;
    bool fine = (!needed || r.missing == 0) && r.infinite == 0 && (!whole || r.whole);
    if (lo <= hi) fine = fine && !wrong(v, lo, 0) && !wrong(v, hi, 0);
    if (!fine || v->elem == NRG_SIGN) {
        nrg_shape shape = nrg_shape_of(a->offsets ? 0 : a->rank - 1, a->dim + 1);
        for (int64_t i = 0, n = nrg_array_cells(a); i < n; i++) {
            double x = nrg_array_missing(a, i) ? NAN : nrg_array_value(a, i) + (double)shift;
            const char *why = wrong(v, x, 0);
            if (why && (needed || !isnan(x))) return fault(b, var, a, &shape, i, x, why, lo, hi);
        }
    }
    return adds_up(v) ? unit_array(b, var, a) : NRG_OK;
}
