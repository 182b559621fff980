// Shapes of arrays against the axes of variables: sizes that are open are taken from the data, others must agree (E050).
#include "train/bind.h"

static void print_dims(nrg_text *t, const int64_t *dim, int rank) {
    for (int i = 0; i < rank; i++) nrg_text_put(t, "%s%lld", i ? " x " : "", (long long)dim[i]);
    if (rank == 0) nrg_text_put(t, "one number");
}

// Do all dims that it names have a size?
static bool known(const nrg_model *m, const nrg_expr *e) {
    int32_t d = e->kind == NRG_X_NAME ? nrg_model_dim(m, e->text) : -1;
    if (d >= 0 && m->dims.at[d].size < 0) return false;
    for (uint32_t i = 0; i < e->n; i++)
        if (e->kid[i] && !known(m, e->kid[i])) return false;
    return true;
}

// real[C=1, H=28, W=28]
static void print_var(nrg_bound *b, const nrg_var *v, nrg_text *t) {
    static const char *const elems[] = {"real", "bit", "sign", "int", "", "bit"};
    nrg_text_put(t, "%s", v->elem == NRG_CATEGORY ? b->m->dims.at[v->category].name : elems[v->elem]);
    for (uint32_t i = 0; i < v->rank; i++) {
        nrg_text_put(t, i ? ", " : "[");
        nrg_expr_print(b->m, v->axes[i], t);
        double size;
        if (!known(b->m, v->axes[i])) nrg_text_put(t, "=?");
        else if (v->axes[i]->kind != NRG_X_NUMBER && nrg_eval_number(b->m, v->axes[i], &size) == NRG_OK)
            nrg_text_put(t, "=%g", size);
    }
    if (v->rank) nrg_text_put(t, "]");
}

// One number for an axis whose size is known, -1 when the data decide, -2 when it cannot be told.
static int64_t axis_size(nrg_bound *b, const nrg_expr *e, int32_t *dim) {
    *dim = e->kind == NRG_X_NAME ? nrg_model_dim(b->m, e->text) : -1;
    if (*dim >= 0) return b->m->dims.at[*dim].size;
    double v;
    return known(b->m, e) && nrg_eval_number(b->m, e, &v) == NRG_OK ? (int64_t)v : -2;
}

static nrg_status misfit(nrg_bound *b, int32_t var, const nrg_array *a, const nrg_shape *shape, const char *why) {
    const nrg_var *v = &b->m->vars.at[var];
    nrg_text type = nrg_text_make(b->ctx), line = nrg_text_make(b->ctx);
    int at, col;
    nrg_source_place(b->ctx, v->span, &at, &col);
    print_var(b, v, &type);
    if (a) nrg_array_print(a, &line);
    else print_dims(&line, shape->dim, shape->rank);
    nrg_status s = a ? nrg_fail(b->ctx, NRG_E050, v->span, "%s (%s) does not fit %s", a->name,
                                a->file ? a->file : "memory", v->name)
                     : nrg_fail(b->ctx, NRG_E050, v->span, "the data statement does not fit %s", v->name);
    if (!type.bad && at) nrg_fact(b->ctx, "%s : %s   (declared at line %d)", v->name, type.at, at);
    else if (!type.bad) nrg_fact(b->ctx, "%s : %s", v->name, type.at);
    if (!line.bad) nrg_fact(b->ctx, "%s%s", a ? "" : "computed: ", line.at);
    nrg_fact(b->ctx, "%s", why);
    nrg_text_free(&type);
    nrg_text_free(&line);
    return s;
}

// x = reshape(images, C, H, W) / 255
static void help_reshape(nrg_bound *b, int32_t var, const nrg_array *a) {
    const nrg_var *v = &b->m->vars.at[var];
    nrg_text t = nrg_text_make(b->ctx);
    nrg_text_put(&t, "data %s = reshape(%s", v->name, a->name);
    for (uint32_t i = 0; i < v->rank; i++) {
        nrg_text_put(&t, ", ");
        nrg_expr_print(b->m, v->axes[i], &t);
    }
    nrg_text_put(&t, ")");
    nrg_array_range r = nrg_array_scan(a);
    if (v->domain.kind == NRG_DOM_RANGE && v->domain.lo >= 0 && v->domain.hi <= 1 && r.hi > v->domain.hi)
        nrg_text_put(&t, " / %g", r.hi);
    if (!t.bad) nrg_help(b->ctx, "%s", t.at);
    nrg_text_free(&t);
}

// Why a shape does not fit, in words; the product of the variable's known sizes decides whether reshape can help.
static nrg_status wrong_rank(nrg_bound *b, int32_t var, const nrg_array *a, const nrg_shape *shape) {
    const nrg_var *v = &b->m->vars.at[var];
    int64_t want = 1;
    bool sized = true;
    nrg_text why = nrg_text_make(b->ctx);
    const char *extra = NULL;
    for (uint32_t i = 0; i < v->rank; i++) {
        int32_t dim;
        int64_t n = axis_size(b, v->axes[i], &dim);
        if (n < 0) sized = false;
        else want *= n;
        if (n == 1 && dim >= 0) extra = b->m->dims.at[dim].name;
    }
    bool same = sized && want == nrg_shape_count(shape);
    if (same && extra && (uint32_t)shape->rank + 1 == v->rank)
        nrg_text_put(&why, "sizes agree except that axis %s is missing", extra);
    else
        nrg_text_put(&why, "it has %d ax%s a sample, %s has %u", shape->rank, shape->rank == 1 ? "is" : "es", v->name,
                     v->rank);
    if (a && v->domain.kind == NRG_DOM_RANGE) {
        nrg_array_range r = nrg_array_scan(a);
        if (r.hi > v->domain.hi || r.lo < v->domain.lo)
            nrg_text_put(&why, "; values exceed the declared range %g..%g", v->domain.lo, v->domain.hi);
    }
    nrg_status s = misfit(b, var, a, shape, why.bad ? "shapes differ" : why.at);
    nrg_text_free(&why);
    if (a && (same || !sized)) help_reshape(b, var, a);
    else if (a) nrg_help(b->ctx, "change the declaration of %s, or pick other columns of the data", v->name);
    return s;
}

// Fits the axes of a variable to the shape of one row; sizes that are still open are taken from it.
nrg_status nrg_bind_shape(nrg_bound *b, int32_t var, const nrg_array *a, const nrg_shape *shape, bool ragged) {
    const nrg_var *v = &b->m->vars.at[var];
    nrg_shape row = *shape;
    if (v->rank == 0 && row.rank == 1 && row.dim[0] == 1) row.rank = 0;      // a single column
    if (v->rank == 1 && row.rank == 0) row = nrg_shape_of(1, (int64_t[]){1}); // a column where a vector of one is meant
    if ((uint32_t)row.rank != v->rank) return wrong_rank(b, var, a, shape);
    for (int i = 0; i < row.rank; i++) {
        int32_t dim;
        int64_t n = axis_size(b, v->axes[i], &dim);
        nrg_dim *d = dim >= 0 ? &b->m->dims.at[dim] : NULL;
        if (n == -1 && d) {
            d->size = row.dim[i];
            continue;
        }
        if (n == -2 || n == row.dim[i] || (ragged && i == 0 && d && d->ragged && row.dim[0] <= n)) continue;
        char why[160];
        snprintf(why, sizeof why, "axis %d of %s has size %lld, found %lld", i + 1, v->name, (long long)n,
                 (long long)row.dim[i]);
        nrg_status s = misfit(b, var, a, shape, why);
        if (d)
            nrg_help(b->ctx, "dim %s without a size takes it from the data, --set %s=%lld overrides it", d->name,
                     d->name, (long long)row.dim[i]);
        else nrg_help(b->ctx, "change the declaration of %s", v->name);
        return s;
    }
    return NRG_OK;
}
