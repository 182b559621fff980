// Arrays to variables: found by name, by --map or by data statements; dims take their sizes from them; nothing is guessed.
#include "train/bind.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1024 }; // rows computed at a time while data statements are checked: bounds the memory

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
    *array = nrg_arena_copy(&b->arena, p, (size_t)(op - p));
    return *array != NULL;
}

static const nrg_array *look(nrg_bound *b, const char *name, int64_t *shift) {
    *shift = 0;
    for (int i = 0; i < b->spec.maps_n; i++) {
        const char *array;
        if (mapped(b, b->spec.maps[i], name, &array, shift)) return nrg_table_find(b->table, array);
    }
    return nrg_table_find(b->table, name);
}

static void say_found(nrg_bound *b) {
    nrg_text names = nrg_text_make(b->ctx);
    nrg_table_names(b->table, &names);
    if (!names.bad) nrg_fact(b->ctx, "arrays found: %s", names.n ? names.at : "none");
    nrg_text_free(&names);
}

static const char *file_of(const nrg_bound *b) {
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
    nrg_status s = nrg_fail(b->ctx, NRG_E051, span, "no array for %s in %s", name, file_of(b));
    say_found(b);
    const char *near = NULL;
    for (int i = 0; v && i < nrg_table_count(b->table) && !near; i++)
        if (suits(b, v, nrg_table_at(b->table, i))) near = nrg_table_at(b->table, i)->name;
    if (!near) near = "NAME";
    if (v) nrg_help(b->ctx, "--map %s=%s   or in the model:  data %s = %s", name, near, name, near);
    else nrg_help(b->ctx, "--map %s=%s", name, near);
    return s;
}

// ---- shapes ------------------------------------------------------------------------------------------------

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
        else if (v->axes[i]->kind != NRG_X_NUMBER && nrg_eval_number(b->m, v->axes[i], &size) == NRG_OK) nrg_text_put(t, "=%g", size);
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
    nrg_status s = a ? nrg_fail(b->ctx, NRG_E050, v->span, "%s (%s) does not fit %s", a->name, a->file ? a->file : "memory", v->name)
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
    if (same && extra && (uint32_t)shape->rank + 1 == v->rank) nrg_text_put(&why, "sizes agree except that axis %s is missing", extra);
    else nrg_text_put(&why, "it has %d ax%s a sample, %s has %u", shape->rank, shape->rank == 1 ? "is" : "es", v->name, v->rank);
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
static nrg_status unify(nrg_bound *b, int32_t var, const nrg_array *a, const nrg_shape *shape, bool ragged) {
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
        snprintf(why, sizeof why, "axis %d of %s has size %lld, found %lld", i + 1, v->name, (long long)n, (long long)row.dim[i]);
        nrg_status s = misfit(b, var, a, shape, why);
        if (d) nrg_help(b->ctx, "dim %s without a size takes it from the data, --set %s=%lld overrides it", d->name, d->name,
                        (long long)row.dim[i]);
        else nrg_help(b->ctx, "change the declaration of %s", v->name);
        return s;
    }
    return NRG_OK;
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
        memcpy(to + row * (size_t)i, (const char *)cells + (size_t)(a->offsets[i] * item) * size, (size_t)(lengths[i] * item) * size);
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
    if (a->rank - 1 > NRG_MAX_RANK) return nrg_fail(b->ctx, NRG_E050, NRG_NOWHERE, "%s has more than %d axes", a->name, NRG_MAX_RANK);
    out->buf = (nrg_buffer){.data = a->data, .type = (nrg_buf_type)a->type};
    out->shape = nrg_shape_of(a->rank - 1, a->dim + 1);
    return a->offsets ? padded(b, out, a->type, a->data, ragged_dim) : NRG_OK;
}

nrg_status nrg_bind_source(nrg_bound *b, const char *name, nrg_span span, uint32_t *out) {
    int64_t shift;
    const nrg_array *a = look(b, name, &shift);
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
    TRY(unify(b, var, a, &s.shape, a->offsets != NULL));
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
        if (look(b, e->text, &shift)) return nrg_bind_source(b, e->text, e->span, &at);
        bool other = nrg_model_dim(b->m, e->text) >= 0 || nrg_model_hyper(b->m, e->text) >= 0 || nrg_model_let(b->m, e->text) >= 0;
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
    if (e && names > 1) return needed ? nrg_fail(b->ctx, NRG_E071, e->span, "a data statement that binds several names is not supported yet") : NRG_OK;
    const char *name = e ? plain(e, &shift) : v->name;
    const nrg_array *a = name ? look(b, name, &more) : NULL;
    if (e && !name) return needed || nrg_bind_present(b, e) ? bind_expr(b, store, var, e) : NRG_OK;
    if (!a) return needed ? missing(b, v->name, e ? e->span : v->span, v) : NRG_OK;
    return bind_array(b, var, a, shift + more);
}

bool nrg_bind_present(nrg_bound *b, const nrg_expr *e) {
    int64_t shift;
    if (e->kind == NRG_X_NAME)
        return look(b, e->text, &shift) || nrg_model_dim(b->m, e->text) >= 0 || nrg_model_hyper(b->m, e->text) >= 0 ||
               nrg_model_let(b->m, e->text) >= 0;
    for (uint32_t i = e->kind == NRG_X_CALL ? 1 : 0; i < e->n; i++)
        if (e->kid[i] && !nrg_bind_present(b, e->kid[i])) return false;
    return true;
}

// ---- nodes -------------------------------------------------------------------------------------------------

static nrg_status name_sources(const nrg_bound *b, nrg_scope *s) {
    nrg_graph *g = nrg_scope_graph(s);
    for (uint32_t i = 0; i < b->sources.n; i++) {
        const nrg_source *src = &b->sources.at[i];
        if (strncmp(src->input, "array:", 6) != 0) continue;
        nrg_type type = {.elem = NRG_REAL, .dim = -1, .rank = src->shape.rank};
        for (int k = 0; k < type.rank; k++) type.axis[k] = (nrg_axis){-1, src->shape.dim[k]};
        nrg_node node = nrg_input(g, src->input, NRG_SAMPLE, src->shape);
        TRY(nrg_scope_name(s, src->array->name, type, node));
        for (int k = 0; k < b->spec.maps_n; k++) { // a mapped array answers to both names
            const char *eq = strchr(b->spec.maps[k], '=');
            if (!eq || !nrg_same(eq + 1, src->array->name)) continue;
            char *name = nrg_arena_copy(&b->m->arena, b->spec.maps[k], (size_t)(eq - b->spec.maps[k]));
            if (!name) return NRG_E098;
            TRY(nrg_scope_name(s, name, type, node));
        }
        for (uint32_t k = 0; k < b->transforms.n; k++) {
            if (b->transforms.at[k].source != i) continue;
            nrg_node out;
            TRY(nrg_transform_node(b, &b->transforms.at[k], g, node, &out));
            TRY(nrg_scope_name(s, b->transforms.at[k].name, type, out));
        }
    }
    return NRG_OK;
}

// Evaluates a data statement in a scope of its own, where arrays have names and variables have none.
static nrg_status expr_node(const nrg_bound *b, nrg_scope *s, const nrg_expr *e, nrg_node *out) {
    nrg_scope *own;
    TRY(nrg_scope_new(nrg_scope_model(s), nrg_scope_graph(s), &own));
    nrg_value v;
    nrg_status st = name_sources(b, own);
    if (st == NRG_OK) st = nrg_eval(own, e, &v);
    nrg_scope_free(own);
    if (st == NRG_OK) *out = v.node;
    return st;
}

nrg_status nrg_bound_nodes(const nrg_bound *b, nrg_scope *s) {
    for (uint32_t i = 0; i < b->bindings.n; i++) {
        const nrg_binding *k = &b->bindings.at[i];
        if (k->var < 0) continue;
        nrg_node node;
        if (k->source >= 0) {
            const nrg_source *src = &b->sources.at[k->source];
            node = nrg_input(nrg_scope_graph(s), src->input, NRG_SAMPLE, src->shape);
        } else {
            TRY(expr_node(b, s, k->expr, &node));
            nrg_shape shape;
            TRY(nrg_var_shape(nrg_scope_model(s), k->var, &shape));
            node = nrg_reshape(nrg_scope_graph(s), node, shape);
        }
        nrg_scope_bind(s, k->var, node);
    }
    return NRG_OK;
}

nrg_node nrg_bound_weight(const nrg_bound *b, nrg_scope *s) {
    nrg_graph *g = nrg_scope_graph(s);
    return b->weight < 0 ? nrg_const(g, 1) : nrg_input(g, "train:weight", NRG_SAMPLE, nrg_shape_of(0, NULL));
}

nrg_status nrg_bound_rows_set(const nrg_bound *b, nrg_store *store, const int64_t *rows) {
    for (uint32_t i = 0; i < b->sources.n; i++) {
        nrg_buffer buf = b->sources.at[i].buf;
        buf.rows = rows;
        TRY(nrg_store_put(store, b->sources.at[i].input, buf));
    }
    for (uint32_t i = 0; i < b->lengths.n; i++) {
        char name[256];
        snprintf(name, sizeof name, "length:%s", b->m->dims.at[b->lengths.at[i].dim].name);
        TRY(nrg_store_put(store, name, (nrg_buffer){b->lengths.at[i].at, NRG_BUF_I32, rows}));
    }
    if (b->weight >= 0 && b->weights) TRY(nrg_store_put(store, "train:weight", (nrg_buffer){b->weights, NRG_BUF_F64, rows}));
    return NRG_OK;
}

// ---- computing data statements -----------------------------------------------------------------------------

// The plan that computes one binding; made once per call, run for any number of rows.
typedef struct { nrg_graph *g; nrg_scope *s; nrg_plan *p; nrg_run *r; int64_t width; nrg_dtype type; nrg_shape shape; } sheet;

static void sheet_free(sheet *t) {
    nrg_run_free(t->r);
    nrg_plan_free(t->p);
    nrg_scope_free(t->s);
    nrg_graph_free(t->g);
}

static nrg_status sheet_make(const nrg_bound *b, nrg_dtype type, const nrg_expr *e, int64_t n, sheet *t) {
    *t = (sheet){.type = type};
    TRY(nrg_graph_new(b->ctx, type, &t->g));
    TRY(nrg_scope_new(b->m, t->g, &t->s));
    nrg_node out;
    TRY(expr_node(b, t->s, e, &out));
    TRY(nrg_graph_check(t->g));
    t->shape = nrg_graph_node(t->g, out)->shape;
    t->width = nrg_shape_count(&t->shape);
    if (!(nrg_graph_node(t->g, out)->leads & NRG_SAMPLE)) out = nrg_expand(t->g, out, t->shape, NRG_SAMPLE);
    nrg_plan_spec spec = {.graph = t->g, .outputs = &out, .outputs_n = 1, .batch = n};
    TRY(nrg_plan_make(b->ctx, &spec, &t->p));
    return nrg_run_new(b->ctx, t->p, b->spec.threads > 0 ? b->spec.threads : 1, &t->r);
}

static nrg_status sheet_go(const nrg_bound *b, sheet *t, nrg_store *store, const int64_t *rows, int64_t n, void *to) {
    TRY(nrg_bound_rows_set(b, store, rows));
    TRY(nrg_store_bind(store, t->g, t->r));
    nrg_run_output(t->r, 0, to);
    return nrg_run_go(t->r, n, 1, 0, 0);
}

static const nrg_binding *binding_of(const nrg_bound *b, int32_t var) {
    for (uint32_t i = 0; i < b->bindings.n; i++)
        if (b->bindings.at[i].var == var) return &b->bindings.at[i];
    return NULL;
}

static nrg_status compute(const nrg_bound *b, nrg_store *store, const nrg_expr *e, const int64_t *rows, int64_t n, void *to) {
    sheet t;
    nrg_status s = sheet_make(b, nrg_store_type(store), e, n, &t);
    if (s == NRG_OK) s = sheet_go(b, &t, store, rows, n, to);
    sheet_free(&t);
    return s;
}

nrg_status nrg_bound_values(const nrg_bound *b, nrg_store *store, nrg_vars vars, const int64_t *rows, int64_t n) {
    for (uint32_t i = 0; i < b->bindings.n; i++) {
        const nrg_binding *k = &b->bindings.at[i];
        if (k->var < 0 || k->source >= 0 || !(vars >> k->var & 1)) continue;
        nrg_shape shape;
        TRY(nrg_var_shape(b->m, k->var, &shape));
        void *to;
        TRY(nrg_store_make(store, b->m->vars.at[k->var].name, n * nrg_shape_count(&shape), &to));
        TRY(compute(b, store, k->expr, rows, n, to));
    }
    return nrg_bound_rows_set(b, store, rows);
}

nrg_status nrg_bound_numbers(const nrg_bound *b, nrg_store *store, int32_t var, const int64_t *rows, int64_t n, double *to) {
    const nrg_binding *k = binding_of(b, var);
    if (!k) return nrg_fail(b->ctx, NRG_E051, b->m->vars.at[var].span, "no array for %s in %s", b->m->vars.at[var].name, file_of(b));
    nrg_shape shape;
    TRY(nrg_var_shape(b->m, var, &shape));
    int64_t width = nrg_shape_count(&shape);
    if (k->source >= 0) {
        nrg_array view = {.type = (nrg_cell)b->sources.at[k->source].buf.type, .data = b->sources.at[k->source].buf.data, .rank = 1};
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < width; j++) to[i * width + j] = nrg_array_value(&view, (rows ? rows[i] : i) * width + j);
        return NRG_OK;
    }
    size_t bytes = (size_t)(n * width + 1) * sizeof(double);
    void *raw = nrg_mem(b->ctx, NULL, 0, bytes);
    if (!raw) return NRG_E098;
    nrg_status s = compute(b, store, k->expr, rows, n, raw);
    nrg_buffer buf = {.data = raw, .type = nrg_store_type(store) == NRG_F64 ? NRG_BUF_F64 : NRG_BUF_F32};
    if (s == NRG_OK) nrg_numbers_get(&buf, to, n * width);
    nrg_mem(b->ctx, raw, bytes, 0);
    return s;
}

// Computes all rows of a data statement once, chunk by chunk, and checks them; row weights are kept.
static nrg_status check_expr(nrg_bound *b, nrg_store *store, const nrg_binding *k) {
    sheet t;
    nrg_status s = sheet_make(b, nrg_store_type(store), k->expr, CHUNK, &t);
    size_t cells = (size_t)(CHUNK * (s == NRG_OK ? t.width : 0) + 1), bytes = cells * 2 * sizeof(double);
    double *at = s == NRG_OK ? nrg_mem(b->ctx, NULL, 0, bytes) : NULL;
    int64_t rows[CHUNK];
    if (s == NRG_OK && !at) s = NRG_E098;
    if (s == NRG_OK && k->var >= 0) s = unify(b, k->var, NULL, &t.shape, false);
    if (s == NRG_OK && k->var < 0 && t.width != 1)
        s = nrg_fail(b->ctx, NRG_E050, k->expr->span, "row weights must be one number a sample, found %lld", (long long)t.width);
    for (int64_t first = 0; first < b->rows && s == NRG_OK; first += CHUNK) {
        int64_t n = b->rows - first < CHUNK ? b->rows - first : CHUNK;
        for (int64_t i = 0; i < n; i++) rows[i] = first + i;
        s = sheet_go(b, &t, store, rows, n, at + cells);
        nrg_buffer buf = {.data = at + cells, .type = t.type == NRG_F64 ? NRG_BUF_F64 : NRG_BUF_F32};
        nrg_numbers_get(&buf, at, n * t.width);
        if (s == NRG_OK && k->var >= 0) s = nrg_bind_numbers(b, k->var, at, first, n, t.width);
        else if (s == NRG_OK) s = nrg_bind_weights(b, k->expr, at, first, n);
    }
    if (at) nrg_mem(b->ctx, at, bytes, 0);
    sheet_free(&t);
    return s;
}

nrg_status nrg_bind_weights(nrg_bound *b, const nrg_expr *e, const double *at, int64_t first, int64_t n) {
    if (!b->weights && !(b->weights = NRG_NEWS(&b->arena, double, b->rows + 1))) return NRG_E098;
    for (int64_t i = 0; i < n; i++) {
        if (!(at[i] >= 0) || isinf(at[i])) {
            nrg_status s = nrg_fail(b->ctx, NRG_E055, e->span, "the weight of sample %lld is %g", (long long)(first + i), at[i]);
            nrg_help(b->ctx, "weights of rows are finite and not negative");
            return s;
        }
        b->weights[first + i] = at[i];
    }
    return NRG_OK;
}

// ---- all ---------------------------------------------------------------------------------------------------

static nrg_status check_maps(nrg_bound *b) {
    for (int i = 0; i < b->spec.maps_n; i++) {
        const char *eq = strchr(b->spec.maps[i], '='), *array;
        int64_t shift;
        char *name = eq ? nrg_arena_copy(&b->arena, b->spec.maps[i], (size_t)(eq - b->spec.maps[i])) : NULL;
        if (!eq) return nrg_fail(b->ctx, NRG_E090, NRG_NOWHERE, "--map %s: expected NAME=ARRAY", b->spec.maps[i]);
        if (!name) return NRG_E098;
        if (!mapped(b, b->spec.maps[i], name, &array, &shift) || nrg_table_find(b->table, array)) continue;
        nrg_status s = nrg_fail(b->ctx, NRG_E051, NRG_NOWHERE, "--map %s: there is no array %s in %s", b->spec.maps[i], array, file_of(b));
        say_found(b);
        return s;
    }
    return NRG_OK;
}

static nrg_status bind_all(nrg_bound *b, nrg_store *store) {
    TRY(check_maps(b));
    for (int expr = 0; expr < 2; expr++) // arrays as they are first: they give sizes that statements need
        for (uint32_t i = 0; i < b->m->vars.n; i++) {
            uint32_t names;
            int64_t shift;
            const nrg_var *v = &b->m->vars.at[i];
            nrg_expr *e = statement(b, v->name, &names);
            bool computed = e && !held(b, v->name) && !by_map(b, v->name) && !plain(e, &shift);
            if (v->role != NRG_WEIGHT && computed == (expr == 1)) TRY(bind_var(b, store, (int32_t)i));
        }
    uint32_t names;
    nrg_expr *w = statement(b, "weight", &names);
    if (w && b->spec.fit) TRY(bind_expr(b, store, -1, w));
    for (uint32_t i = 0; i < b->bindings.n; i++)
        if (b->bindings.at[i].source < 0) TRY(check_expr(b, store, &b->bindings.at[i]));
    return nrg_bound_rows_set(b, store, NULL);
}

nrg_status nrg_bind_data(nrg_model *m, const nrg_table *table, nrg_store *store, const nrg_bind_spec *spec, nrg_bound **out) {
    *out = NULL;
    nrg_arena arena = nrg_arena_make(m->ctx);
    nrg_bound *b = NRG_NEW(&arena, nrg_bound);
    if (!b) {
        nrg_arena_free(&arena);
        return NRG_E098;
    }
    *b = (nrg_bound){.arena = arena, .ctx = m->ctx, .m = m, .table = table, .spec = *spec, .rows = nrg_table_rows(table), .weight = -1};
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
