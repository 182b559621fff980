// Arrays to variables: found by name, by --map or by data statements; dims take their sizes from them; nothing is guessed.
#include "train/bind.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- finding -----------------------------------------------------------------------------------------------

// "name=array-1" split: true when `map` is for `name`. *array points into the arena.
static bool mapped(nrg_bound *b, const char *map, const char *name, const char **array, int64_t *shift) {
    const char *eq = strchr(map, '=');
    if (!eq || strlen(name) != (size_t)(eq - map) || strncmp(map, name, (size_t)(eq - map)) != 0) return false;
    const char *p = eq + 1, *end = p + strlen(p), *op = end;
    for (const char *q = p + (p < end); q < end; q++)
        if (*q == '+' || *q == '-') op = q;
    *shift = op < end && op[1] >= '0' && op[1] <= '9' ? strtoll(op, NULL, 10) : 0;
    if (*shift == 0) op = end; // a name may hold a dash of its own
    *array = nrg_arena_copy(&b->arena, p, (size_t)(op - p)); // NULL: refused, found again as a missing array
    return true;
}

const nrg_array *nrg_bind_look(nrg_bound *b, const char *name, int64_t *shift) {
    *shift = 0;
    for (int i = 0; i < b->spec.maps_n; i++) {
        const char *array;
        if (mapped(b, b->spec.maps[i], name, &array, shift)) return array ? nrg_table_find(b->table, array) : NULL;
    }
    return nrg_table_find(b->table, name);
}

static void say_found(nrg_bound *b) {
    nrg_text names = nrg_text_make(b->ctx);
    nrg_table_names(b->table, &names);
    if (!names.bad) nrg_fact(b->ctx, "arrays found: %s", names.n ? names.at : "none");
    nrg_text_free(&names);
}

const char *nrg_bind_file(const nrg_bound *b) {
    const nrg_array *a = nrg_table_count(b->table) ? nrg_table_at(b->table, 0) : NULL;
    return a && a->file ? a->file : "the data";
}

// Is this array left over by the other variables and of the right kind? Only to word the help; nothing is bound by a guess.
static bool suits(nrg_bound *b, const nrg_var *v, const nrg_array *a) {
    if (nrg_model_var(b->m, a->name) >= 0) return false;
    int rank = a->rank - 1;
    if (rank == 1 && a->dim[1] == 1) rank = 0;
    if ((uint32_t)rank != v->rank) return false;
    nrg_array_range r = nrg_array_scan(a);
    return v->elem == NRG_REAL || a->labels || r.whole;
}

static nrg_status missing(nrg_bound *b, const char *name, nrg_span span, const nrg_var *v) {
    nrg_status s = nrg_fail(b->ctx, NRG_E051, span, "no array for %s in %s", name, nrg_bind_file(b));
    say_found(b);
    const char *near = NULL;
    for (int i = 0; v && i < nrg_table_count(b->table) && !near; i++)
        if (suits(b, v, nrg_table_at(b->table, i))) near = nrg_table_at(b->table, i)->name;
    for (int i = 0; !v && i < nrg_table_count(b->table) && !near; i++) { // a part of its name is a hint
        const char *other = nrg_table_at(b->table, i)->name;
        if (strstr(other, name) || strstr(name, other)) near = other;
    }
    if (!near) near = "NAME";
    if (v) nrg_help(b->ctx, "--map %s=%s   or in the model:  data %s = %s", name, near, name, near);
    else nrg_help(b->ctx, "--map %s=%s", name, near);
    return s;
}

// ---- sources -----------------------------------------------------------------------------------------------

// A ragged array as rows of its longest sample, zeros after the end; lengths go to the dim.
static nrg_status padded(nrg_bound *b, nrg_source *s, nrg_cell type, const void *cells, int32_t dim) {
    const nrg_array *a = s->array;
    int64_t longest = dim >= 0 && b->m->dims.at[dim].size >= 0 ? b->m->dims.at[dim].size : 0;
    for (int64_t i = 0; i < a->samples; i++)
        if (a->offsets[i + 1] - a->offsets[i] > longest) longest = a->offsets[i + 1] - a->offsets[i];
    int64_t item = nrg_array_width(a);
    size_t size = nrg_cell_size(type), row = (size_t)(longest * item) * size;
    char *to = nrg_arena_get(&b->arena, row * (size_t)a->samples + 1);
    int32_t *lengths = NRG_NEWS(&b->arena, int32_t, a->samples + 1);
    if (!to || !lengths) return NRG_E098;
    for (int64_t i = 0; i < a->samples; i++) {
        lengths[i] = (int32_t)(a->offsets[i + 1] - a->offsets[i]);
        memcpy(to + row * (size_t)i, (const char *)cells + (size_t)(a->offsets[i] * item) * size,
               (size_t)(lengths[i] * item) * size);
    }
    s->buf = (nrg_buffer){.data = to, .type = (nrg_buf_type)type};
    s->lead = dim;
    s->shape.rank = a->rank;
    s->shape.dim[0] = longest;
    for (int i = 1; i < a->rank; i++) s->shape.dim[i] = a->dim[i];
    for (uint32_t i = 0; i < b->lengths.n; i++)
        if (b->lengths.at[i].dim == dim) return NRG_OK;
    return dim < 0 ? NRG_OK : NRG_PUSH(&b->arena, b->lengths, ((nrg_lengths){dim, lengths}));
}

static nrg_status source(nrg_bound *b, const nrg_array *a, const char *input, int32_t ragged_dim, nrg_source *out) {
    *out = (nrg_source){.array = a, .input = input, .lead = -1};
    if (a->rank - 1 > NRG_MAX_RANK)
        return nrg_fail(b->ctx, NRG_E050, NRG_NOWHERE, "%s has more than %d axes", a->name, NRG_MAX_RANK);
    out->buf = (nrg_buffer){.data = a->data, .type = (nrg_buf_type)a->type};
    out->shape = nrg_shape_of(a->rank - 1, a->dim + 1);
    return a->offsets ? padded(b, out, a->type, a->data, ragged_dim) : NRG_OK;
}

nrg_status nrg_bind_source(nrg_bound *b, const char *name, nrg_span span, uint32_t *out) {
    int64_t shift;
    const nrg_array *a = nrg_bind_look(b, name, &shift);
    if (!a) return missing(b, name, span, NULL);
    const char *input = nrg_arena_print(&b->arena, "array:%s", a->name);
    if (!input) return NRG_E098;
    for (uint32_t i = 0; i < b->sources.n; i++)
        if (nrg_same(b->sources.at[i].input, input)) return *out = i, NRG_OK;
    nrg_source s;
    TRY(source(b, a, input, -1, &s));
    *out = b->sources.n;
    return NRG_PUSH(&b->arena, b->sources, s);
}

// ---- binding one variable ----------------------------------------------------------------------------------

static int32_t first_dim(const nrg_bound *b, const nrg_var *v) {
    return v->rank && v->axes[0]->kind == NRG_X_NAME ? nrg_model_dim(b->m, v->axes[0]->text) : -1;
}

// A copy of the cells plus `shift`, as int32.
static nrg_status shifted(nrg_bound *b, const nrg_array *a, int64_t shift, nrg_buffer *out) {
    double *to = NRG_NEWS(&b->arena, double, nrg_array_cells(a) + 1);
    if (!to) return NRG_E098;
    for (int64_t i = 0, n = nrg_array_cells(a); i < n; i++) to[i] = nrg_array_value(a, i) + (double)shift;
    *out = (nrg_buffer){.data = to, .type = NRG_BUF_F64};
    return NRG_OK;
}

static nrg_status bind_array(nrg_bound *b, int32_t var, const nrg_array *a, int64_t shift) {
    const nrg_var *v = &b->m->vars.at[var];
    nrg_source s = {.lead = -1};
    TRY(source(b, a, v->name, first_dim(b, v), &s));
    TRY(nrg_bind_shape(b, var, a, &s.shape, a->offsets != NULL));
    nrg_buffer cells = {.data = a->data, .type = (nrg_buf_type)a->type};
    if (v->elem == NRG_CATEGORY) TRY(nrg_bind_labels(b, var, a, shift, &cells));
    else {
        TRY(nrg_bind_domain(b, var, a, shift));
        if (shift) TRY(shifted(b, a, shift, &cells));
    }
    if (a->offsets) TRY(padded(b, &s, (nrg_cell)cells.type, cells.data, first_dim(b, v)));
    else s.buf = cells;
    nrg_shape declared;
    TRY(nrg_var_shape(b->m, var, &declared));
    if (nrg_shape_count(&declared) == nrg_shape_count(&s.shape)) s.shape = declared; // [1] and one number
    nrg_binding binding = {.var = var, .source = (int32_t)b->sources.n};
    TRY(NRG_PUSH(&b->arena, b->sources, s));
    b->vars |= (nrg_vars)1 << var;
    return NRG_PUSH(&b->arena, b->bindings, binding);
}

// The arrays that an expression names become sources; names that are not arrays are left to the evaluator.
static nrg_status bind_names(nrg_bound *b, const nrg_expr *e) {
    if (e->kind == NRG_X_NAME && !strchr(e->text, ':')) {
        int64_t shift;
        uint32_t at;
        if (nrg_bind_look(b, e->text, &shift)) return nrg_bind_source(b, e->text, e->span, &at);
        bool other = nrg_model_dim(b->m, e->text) >= 0 || nrg_model_hyper(b->m, e->text) >= 0 ||
                     nrg_model_let(b->m, e->text) >= 0;
        return other ? NRG_OK : missing(b, e->text, e->span, NULL);
    }
    for (uint32_t i = e->kind == NRG_X_CALL ? 1 : 0; i < e->n; i++)
        if (e->kid[i]) TRY(bind_names(b, e->kid[i]));
    return NRG_OK;
}

// name, name + 1, name - 1: bound as it lies; *shift is the number added.
static const char *plain(const nrg_expr *e, int64_t *shift) {
    *shift = 0;
    if (e->kind == NRG_X_NAME) return e->text;
    if (e->kind != NRG_X_BINARY || e->kid[0]->kind != NRG_X_NAME || e->kid[1]->kind != NRG_X_NUMBER) return NULL;
    double n = e->kid[1]->number;
    if ((!nrg_same(e->op, "+") && !nrg_same(e->op, "-")) || n != floor(n) || fabs(n) > 1e15) return NULL;
    *shift = nrg_same(e->op, "-") ? -(int64_t)n : (int64_t)n;
    return e->kid[0]->text;
}

static nrg_status bind_expr(nrg_bound *b, nrg_store *store, int32_t var, nrg_expr *e) {
    nrg_binding binding = {.var = var, .source = -1};
    TRY(nrg_bind_transforms(b, store, e, &binding.expr));
    TRY(bind_names(b, binding.expr));
    if (var >= 0) b->vars |= (nrg_vars)1 << var;
    else b->weight = (int32_t)b->bindings.n;
    return NRG_PUSH(&b->arena, b->bindings, binding);
}

static nrg_expr *statement(const nrg_bound *b, const char *name, uint32_t *names) {
    for (uint32_t i = 0; i < b->m->datas.n; i++)
        for (uint32_t k = 0; k < b->m->datas.at[i].n; k++)
            if (nrg_same(b->m->datas.at[i].names[k], name)) return *names = b->m->datas.at[i].n, b->m->datas.at[i].expr;
    return NULL;
}

static bool by_map(const nrg_bound *b, const char *name) {
    size_t n = strlen(name);
    for (int i = 0; i < b->spec.maps_n; i++)
        if (strncmp(b->spec.maps[i], name, n) == 0 && b->spec.maps[i][n] == '=') return true;
    return false;
}

// The array "given:x": values of x itself, which go before maps and data statements.
static const nrg_array *held(const nrg_bound *b, const char *var) {
    char name[256];
    snprintf(name, sizeof name, "given:%s", var);
    return nrg_table_find(b->table, name);
}

static nrg_status bind_var(nrg_bound *b, nrg_store *store, int32_t var) {
    const nrg_var *v = &b->m->vars.at[var];
    if (held(b, v->name)) return bind_array(b, var, held(b, v->name), 0);
    bool needed = b->spec.need >> var & 1;
    uint32_t names = 0;
    int64_t shift = 0, more = 0;
    nrg_expr *e = by_map(b, v->name) ? NULL : statement(b, v->name, &names);
    if (e && names > 1)
        return needed ? nrg_fail(b->ctx, NRG_E071, e->span,
                                 "a data statement that binds several names is not supported yet")
                      : NRG_OK;
    const char *name = e ? plain(e, &shift) : v->name;
    const nrg_array *a = name ? nrg_bind_look(b, name, &more) : NULL;
    if (e && !name) return needed || nrg_bind_present(b, e) ? bind_expr(b, store, var, e) : NRG_OK;
    if (!a) return needed ? missing(b, v->name, e ? e->span : v->span, v) : NRG_OK;
    return bind_array(b, var, a, shift + more);
}

bool nrg_bind_present(nrg_bound *b, const nrg_expr *e) {
    int64_t shift;
    if (e->kind == NRG_X_NAME)
        return nrg_bind_look(b, e->text, &shift) || nrg_model_dim(b->m, e->text) >= 0 ||
               nrg_model_hyper(b->m, e->text) >= 0 || nrg_model_let(b->m, e->text) >= 0;
    for (uint32_t i = e->kind == NRG_X_CALL ? 1 : 0; i < e->n; i++)
        if (e->kid[i] && !nrg_bind_present(b, e->kid[i])) return false;
    return true;
}

// ---- all ---------------------------------------------------------------------------------------------------

static bool says(const nrg_expr *e, const char *name) {
    if (!e) return false;
    if (e->kind == NRG_X_NAME && nrg_same(e->text, name)) return true;
    for (uint32_t i = 0; i < e->n; i++)
        if (says(e->kid[i], name)) return true;
    return false;
}

// A variable, the weight of rows, or an array that a data statement reads.
static bool known(const nrg_model *m, const char *name) {
    if (nrg_model_var(m, name) >= 0 || nrg_same(name, "weight")) return true;
    for (uint32_t i = 0; i < m->datas.n; i++)
        if (says(m->datas.at[i].expr, name)) return true;
    return false;
}

static nrg_status check_maps(nrg_bound *b) {
    for (int i = 0; i < b->spec.maps_n; i++) {
        const char *eq = strchr(b->spec.maps[i], '='), *array;
        int64_t shift;
        char *name = eq ? nrg_arena_copy(&b->arena, b->spec.maps[i], (size_t)(eq - b->spec.maps[i])) : NULL;
        if (!eq) return nrg_fail(b->ctx, NRG_E090, NRG_NOWHERE, "--map %s: expected NAME=ARRAY", b->spec.maps[i]);
        if (!name) return NRG_E098;
        if (!known(b->m, name)) {
            nrg_status s = nrg_fail(b->ctx, NRG_E011, NRG_NOWHERE, "--map %s: the model has no variable and no data called %s",
                                    b->spec.maps[i], name);
            nrg_help(b->ctx, "--map VARIABLE=ARRAY: the array of the file comes last");
            return s;
        }
        if (!mapped(b, b->spec.maps[i], name, &array, &shift) || nrg_table_find(b->table, array)) continue;
        nrg_status s = nrg_fail(b->ctx, NRG_E051, NRG_NOWHERE, "--map %s: there is no array %s in %s", b->spec.maps[i],
                                array, nrg_bind_file(b));
        say_found(b);
        return s;
    }
    return NRG_OK;
}

// Every variable that cannot be bound is told, not only the first.
static nrg_status bind_vars(nrg_bound *b, nrg_store *store) {
    nrg_status first = NRG_OK;
    for (int expr = 0; expr < 2; expr++) // arrays as they are first: they give sizes that statements need
        for (uint32_t i = 0; i < b->m->vars.n; i++) {
            uint32_t names;
            int64_t shift;
            const nrg_var *v = &b->m->vars.at[i];
            nrg_expr *e = statement(b, v->name, &names);
            bool computed = e && !by_map(b, v->name) && !plain(e, &shift);
            if (v->role == NRG_WEIGHT || computed != (expr == 1)) continue;
            nrg_status s = bind_var(b, store, (int32_t)i);
            if (first == NRG_OK) first = s;
            if (s == NRG_E098) return s;
        }
    return first;
}

static bool draws(const nrg_expr *e) {
    if (!e) return false;
    if (e->kind == NRG_X_CALL && e->kid[0]->kind == NRG_X_NAME && nrg_same(e->kid[0]->text, "bernoulli")) return true;
    for (uint32_t i = 0; i < e->n; i++)
        if (draws(e->kid[i])) return true;
    return false;
}

static bool data_draw(const nrg_model *m) {
    for (uint32_t i = 0; i < m->datas.n; i++)
        if (draws(m->datas.at[i].expr)) return true;
    return false;
}

static nrg_status number_rows(nrg_bound *b) {
    if (b->m->hides.n == 0 && !data_draw(b->m) && !nrg_against_noise(b->m) && !nrg_criteria_draw(b->m) && !nrg_proposers(b->m)) return NRG_OK;
    if (!(b->ids = NRG_NEWS(&b->arena, int64_t, b->rows + 1))) return NRG_E098;
    for (int64_t i = 0; i < b->rows; i++) b->ids[i] = i;
    return NRG_OK;
}

static nrg_status bind_all(nrg_bound *b, nrg_store *store) {
    TRY(number_rows(b));
    TRY(check_maps(b));
    TRY(bind_vars(b, store));
    TRY(nrg_bind_columns(b));
    uint32_t names;
    nrg_expr *w = statement(b, "weight", &names);
    if (w && b->spec.fit) TRY(bind_expr(b, store, -1, w));
    for (uint32_t i = 0; i < b->bindings.n; i++)
        if (b->bindings.at[i].source < 0) TRY(nrg_bind_computed(b, store, &b->bindings.at[i]));
    return nrg_bound_rows_set(b, store, NULL);
}

nrg_status nrg_bind_data(nrg_model *m, const nrg_table *table, nrg_store *store, const nrg_bind_spec *spec,
                         nrg_bound **out) {
    *out = NULL;
    nrg_arena arena = nrg_arena_make(m->ctx);
    nrg_bound *b = NRG_NEW(&arena, nrg_bound);
    if (!b) {
        nrg_arena_free(&arena);
        return NRG_E098;
    }
    *b = (nrg_bound){.arena = arena,
                     .ctx = m->ctx,
                     .m = m,
                     .table = table,
                     .spec = *spec,
                     .rows = nrg_table_rows(table),
                     .weight = -1};
    nrg_status s = bind_all(b, store);
    if (s != NRG_OK) nrg_bound_free(b);
    else *out = b;
    return s;
}

void nrg_bound_free(nrg_bound *b) {
    if (!b) return;
    nrg_arena arena = b->arena;
    nrg_arena_free(&arena);
}

int64_t nrg_bound_rows(const nrg_bound *b) { return b->rows; }
nrg_vars nrg_bound_vars(const nrg_bound *b) { return b->vars; }
double nrg_bound_weight_of(const nrg_bound *b, int64_t row) { return b->weights ? b->weights[row] : 1; }
