// Types: how they print, which axes match, the types of variables.
#include "model/inside.h"

#include <math.h>
#include <string.h>

nrg_axis nrg_axis_sized(int64_t size) {
    return (nrg_axis){.dim = -1, .size = size};
}

nrg_axis nrg_axis_dim(const nrg_model *m, int32_t dim) {
    return (nrg_axis){.dim = dim, .size = m->dims.at[dim].size};
}

nrg_type nrg_type_of(nrg_elem e, int rank, const nrg_axis *axis) {
    nrg_type t = {.elem = e, .dim = -1, .rank = rank};
    for (int i = 0; i < rank; i++) t.axis[i] = axis[i];
    return t;
}

int64_t nrg_type_count(const nrg_type *t) {
    int64_t n = 1, most = INT64_C(1) << 48; // more than a graph takes
    for (int i = 0; i < t->rank; i++) {
        int64_t k = t->axis[i].size;
        if (k < 0) return -1;
        n = k > 0 && n > most / k ? most : n * k;
    }
    return n;
}

void nrg_type_drop(nrg_type *t, int axis) {
    t->rank--;
    for (int i = axis; i < t->rank; i++) t->axis[i] = t->axis[i + 1];
}

// ---- printing

static void axis_print(const nrg_model *m, const nrg_axis *a, nrg_text *out) {
    if (a->dim >= 0)
        nrg_text_put(out, "%s", m->dims.at[a->dim].name);
    else if (a->size < 0)
        nrg_text_put(out, "?");
    else
        nrg_text_put(out, "%lld", (long long)a->size);
}

void nrg_type_print(const nrg_model *m, const nrg_type *t, nrg_text *out) {
    static const char *const word[] = {"real", "bit", "sign", "int", "category", "truth"};
    bool named = t->elem == NRG_CATEGORY && t->dim >= 0;
    nrg_text_put(out, "%s", named ? m->dims.at[t->dim].name : word[t->elem]);
    for (int i = 0; i < t->rank; i++) {
        nrg_text_put(out, i ? ", " : "[");
        axis_print(m, &t->axis[i], out);
    }
    if (t->rank) nrg_text_put(out, "]");
}

static const char *kept(nrg_scope *s, nrg_text *t) {
    const char *r = t->bad || !t->at ? NULL : nrg_arena_copy(&s->arena, t->at, t->n);
    nrg_text_free(t);
    return r ? r : "";
}

const char *nrg_type_text(nrg_scope *s, const nrg_type *t) {
    nrg_text out = nrg_text_make(s->c);
    nrg_type_print(s->m, t, &out);
    return kept(s, &out);
}

const char *nrg_expr_text(nrg_scope *s, const nrg_expr *e) {
    nrg_text out = nrg_text_make(s->c);
    nrg_expr_print(s->m, e, &out);
    return kept(s, &out);
}

const char *nrg_axis_text(nrg_scope *s, const nrg_axis *a) {
    nrg_text out = nrg_text_make(s->c);
    axis_print(s->m, a, &out);
    return kept(s, &out);
}

// ---- axes from expressions

// Size of an axis expression over numbers, dims and hypers; NaN when a dim has no size yet.
static nrg_status size_of(const nrg_model *m, const nrg_expr *e, double *out) {
    if (e->kind == NRG_X_NUMBER) return *out = e->number, NRG_OK;
    if (e->kind == NRG_X_NAME) {
        int32_t d = nrg_model_dim(m, e->text), h = nrg_model_hyper(m, e->text);
        if (d >= 0) return *out = m->dims.at[d].size < 0 ? NAN : (double)m->dims.at[d].size, NRG_OK;
        if (h >= 0) return *out = m->hypers.at[h].from, NRG_OK;
    }
    if (e->kind == NRG_X_BINARY && e->op && strchr("+-*/", e->op[0])) {
        double a, b;
        TRY(size_of(m, e->kid[0], &a));
        TRY(size_of(m, e->kid[1], &b));
        char op = e->op[0];
        *out = op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : a / b;
        return NRG_OK;
    }
    return nrg_fail(m->ctx, NRG_E012, e->span, "an axis is a dim, a number, or sums and products of them");
}

nrg_status nrg_axis_of(const nrg_model *m, const nrg_expr *e, nrg_axis *out) {
    int32_t d = e->kind == NRG_X_NAME ? nrg_model_dim(m, e->text) : -1;
    if (d >= 0) return *out = nrg_axis_dim(m, d), NRG_OK;
    double x = 0;
    TRY(size_of(m, e, &x));
    if (isnan(x)) return *out = nrg_axis_sized(-1), NRG_OK;
    if (x < 0 || x != floor(x) || x > 1e12)
        return nrg_fail(m->ctx, NRG_E012, e->span, "an axis has a whole number of places, not %g", x);
    *out = nrg_axis_sized((int64_t)x);
    return NRG_OK;
}

nrg_status nrg_var_type(const nrg_model *m, int32_t var, nrg_type *out) {
    const nrg_var *v = &m->vars.at[var];
    *out = (nrg_type){.elem = v->elem, .dim = v->elem == NRG_CATEGORY ? v->category : -1, .rank = (int32_t)v->rank};
    if (v->rank > NRG_MAX_RANK)
        return nrg_fail(m->ctx, NRG_E012, v->span, "'%s' has %u axes; at most %d are possible", v->name, v->rank,
                        NRG_MAX_RANK);
    for (uint32_t i = 0; i < v->rank; i++) TRY(nrg_axis_of(m, v->axes[i], &out->axis[i]));
    return NRG_OK;
}

nrg_status nrg_var_shape(const nrg_model *m, int32_t var, nrg_shape *out) {
    nrg_type t;
    TRY(nrg_var_type(m, var, &t));
    *out = (nrg_shape){.rank = t.rank};
    for (int i = 0; i < t.rank; i++) {
        if (t.axis[i].size < 0) {
            const nrg_var *v = &m->vars.at[var];
            const char *dim = t.axis[i].dim >= 0 ? m->dims.at[t.axis[i].dim].name : "an axis";
            return nrg_fail(m->ctx, NRG_E099, v->span, "the size of %s of '%s' is not known yet", dim, v->name);
        }
        out->dim[i] = t.axis[i].size;
    }
    return NRG_OK;
}

// ---- matching

nrg_fit nrg_axis_fit(const nrg_axis *a, const nrg_axis *b) {
    if (a->dim >= 0 && b->dim >= 0) return a->dim == b->dim ? NRG_FIT : NRG_UNFIT;
    if (a->size < 0 || b->size < 0) return NRG_MAYBE;
    return a->size == b->size ? NRG_FIT : NRG_UNFIT;
}

// Tries the sub-list of big's axes whose bits are set.
static nrg_fit try_places(const nrg_type *small, const nrg_type *big, uint32_t bits, int32_t *place) {
    nrg_fit all = NRG_FIT;
    int k = 0;
    for (int i = 0; i < big->rank; i++) {
        if (!(bits >> i & 1)) continue;
        if (k == small->rank) return NRG_UNFIT;
        nrg_fit f = nrg_axis_fit(&small->axis[k], &big->axis[i]);
        if (f == NRG_UNFIT) return f;
        if (f == NRG_MAYBE) all = f;
        place[k++] = i;
    }
    return k == small->rank ? all : NRG_UNFIT;
}

int nrg_type_place(const nrg_type *small, const nrg_type *big, int32_t *place, int *maybe) {
    int sure = 0;
    *maybe = 0;
    int32_t p[NRG_MAX_RANK];
    for (uint32_t bits = 0; bits < 1u << big->rank; bits++) {
        nrg_fit f = try_places(small, big, bits, p);
        if (f == NRG_FIT) sure++;
        if (f == NRG_MAYBE) ++*maybe;
        // The last sure placement wins over the last possible one.
        if (f == NRG_FIT || (f == NRG_MAYBE && !sure))
            for (int i = 0; i < small->rank; i++) place[i] = p[i];
    }
    return sure;
}
