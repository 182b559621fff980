// Fitted transforms in data statements: standardise(a) and whiten(a, ridge=1e-5). Their constants live in the store, are saved with
// the weights, and are applied as stored when the run is asked.
#include "train/bind.h"
#include <string.h>

static const nrg_expr *argument(const nrg_expr *call) {
    for (uint32_t i = 1; i < call->n; i++)
        if (!call->names || !call->names[i]) return call->kid[i];
    return NULL;
}

// Fits to all rows of the array and puts the constants into the store.
static nrg_status fit(nrg_bound *b, nrg_store *store, const nrg_transform *t, const nrg_array *a, double ridge) {
    int64_t width = nrg_array_width(a), many = t->whiten ? width * width : width;
    size_t bytes = (size_t)(width + many) * sizeof(double);
    double *mean = nrg_mem(b->ctx, NULL, 0, bytes ? bytes : 1), *scale = mean ? mean + width : NULL;
    if (!mean) return NRG_E098;
    nrg_status s =
        t->whiten ? nrg_fit_whiten(b->ctx, a, ridge, mean, scale) : nrg_fit_standardise(b->ctx, a, mean, scale);
    void *to[2] = {NULL, NULL};
    if (s == NRG_OK) s = nrg_store_make(store, t->mean, width, &to[0]);
    if (s == NRG_OK) s = nrg_store_make(store, t->scale, many, &to[1]);
    if (s == NRG_OK) {
        nrg_numbers_put(nrg_store_get(store, t->mean), mean, width);
        nrg_numbers_put(nrg_store_get(store, t->scale), scale, many);
        s = nrg_number_set(store, t->width, (double)width);
    }
    nrg_mem(b->ctx, mean, bytes ? bytes : 1, 0);
    return s;
}

static nrg_status refuse(nrg_bound *b, const nrg_expr *e, const char *name) {
    nrg_status s = nrg_fail(b->ctx, NRG_E071, e->at,
                            "%s takes the name of an array; expressions inside it are not supported yet", name);
    nrg_help(b->ctx, "%s(a) of the array itself: its scale does not matter to it", name);
    return s;
}

static nrg_status replace(nrg_bound *b, nrg_store *store, nrg_expr *e, bool white, nrg_expr **out) {
    const nrg_expr *arg = argument(e), *ridge = nrg_call_arg(e, "ridge", 1);
    const char *name = white ? "whiten" : "standardise";
    if (!arg || arg->kind != NRG_X_NAME) return refuse(b, e, name);
    nrg_transform t = {.whiten = white};
    TRY(nrg_bind_source(b, arg->text, arg->span, &t.source));
    t.name = nrg_arena_print(&b->m->arena, "%s:%s", name, arg->text);
    t.mean = nrg_arena_print(&b->arena, "%s:%s:mean", name, arg->text);
    t.width = nrg_arena_print(&b->arena, "%s:%s:width", name, arg->text);
    t.scale = nrg_arena_print(&b->arena, "%s:%s:%s", name, arg->text, white ? "matrix" : "sd");
    if (!t.name || !t.mean || !t.scale || !t.width) return NRG_E098;
    double r = 1e-5;
    if (ridge) TRY(nrg_eval_number(b->m, ridge, &r));
    if (b->spec.fit && !nrg_store_get(store, t.mean)) TRY(fit(b, store, &t, b->sources.at[t.source].array, r));
    if (!nrg_store_get(store, t.mean))
        return nrg_fail(b->ctx, NRG_E057, e->at, "the constants of %s are not stored with these weights", t.name);
    TRY(NRG_PUSH(&b->arena, b->transforms, t));
    nrg_expr *x = nrg_expr_new(b->m, NRG_X_NAME, 0, e->span);
    if (!x) return NRG_E098;
    x->text = t.name;
    x->at = e->at;
    *out = x;
    return NRG_OK;
}

nrg_status nrg_bind_transforms(nrg_bound *b, nrg_store *store, nrg_expr *e, nrg_expr **out) {
    *out = e;
    if (!e) return NRG_OK;
    if (e->kind == NRG_X_CALL && e->kid[0]->kind == NRG_X_NAME) {
        const char *f = e->kid[0]->text;
        if (nrg_same(f, "whiten")) return replace(b, store, e, true, out);
        if (nrg_same(f, "standardise") || nrg_same(f, "standardize")) return replace(b, store, e, false, out);
    }
    for (uint32_t i = 0; i < e->n; i++) {
        nrg_expr *kid;
        TRY(nrg_bind_transforms(b, store, e->kid[i], &kid));
        if (kid == e->kid[i]) continue;
        if (*out == e) { // the tree that was written stays as it is
            nrg_expr *x = nrg_expr_new(b->m, e->kind, e->n, e->span);
            if (!x) return NRG_E098;
            nrg_expr **kids = x->kid;
            uint32_t id = x->id;
            *x = *e;
            x->kid = kids;
            x->id = id;
            if (e->n) memcpy(kids, e->kid, e->n * sizeof *kids);
            *out = x;
        }
        (*out)->kid[i] = kid;
    }
    return NRG_OK;
}

// The transformed array: event shape as the array's. source: [event]
nrg_status nrg_transform_node(const nrg_bound *b, const nrg_transform *t, nrg_graph *g, nrg_node source,
                              nrg_node *out) {
    nrg_shape shape = b->sources.at[t->source].shape;
    int64_t width = nrg_shape_count(&shape);
    nrg_node x = nrg_reshape(g, source, nrg_shape_of(1, &width));
    x = nrg_sub(g, x, nrg_input(g, t->mean, 0, nrg_shape_of(1, &width)));
    if (t->whiten) {
        nrg_node w = nrg_input(g, t->scale, 0, nrg_shape_of(2, (int64_t[]){width, width}));
        nrg_node row = nrg_reshape(g, x, nrg_shape_of(2, (int64_t[]){1, width}));
        x = nrg_matmul(g, row, w, false, false, 0); // the matrix is symmetric
    } else x = nrg_div(g, x, nrg_input(g, t->scale, 0, nrg_shape_of(1, &width)));
    *out = nrg_reshape(g, x, shape);
    return NRG_OK;
}
