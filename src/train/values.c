// Bound data as nodes of a graph and as numbers: inputs by name, data statements evaluated where they are used or computed once.
#include "train/bind.h"
#include <math.h>
#include <string.h>

enum {
    CHUNK = NRG_CHUNK < 1024 ? NRG_CHUNK : 1024
}; // rows computed at a time while data statements are checked: bounds the memory

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

// What a data statement draws: by row, seed and step, so that it is drawn anew at each step of training. Passes that do not train run at
// seed 0 and step 0: one fixed draw.
typedef struct {
    nrg_graph *g;
    uint32_t use; // keeps statements, and the calls in one, apart
} drawer;

static nrg_node drawn(void *ud, bool normal, nrg_shape shape) {
    drawer *d = ud;
    nrg_node ids = nrg_input(d->g, "train:id", NRG_SAMPLE, nrg_shape_of(0, NULL));
    return nrg_random(d->g, ids, normal ? NRG_RANDOM_NORMAL : NRG_RANDOM_UNIFORM, NRG_FOR_DATA + 16u * ++d->use + (1u << 26), shape);
}

static uint32_t place_of(const nrg_bound *b, const nrg_expr *e) {
    uint32_t i = 0;
    while (i < b->bindings.n && b->bindings.at[i].expr != e) i++;
    return i < b->bindings.n ? (uint32_t)(b->bindings.at[i].var + 2) : 0;
}

// Evaluates a data statement in a scope of its own, where arrays have names and variables have none.
nrg_status nrg_bound_eval(const nrg_bound *b, nrg_scope *s, const nrg_expr *e, nrg_node *out) {
    nrg_scope *own;
    TRY(nrg_scope_new(nrg_scope_model(s), nrg_scope_graph(s), &own));
    drawer d = {nrg_scope_graph(s), 1024 * place_of(b, e)};
    if (b->ids) nrg_scope_noise(own, drawn, &d);
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
            TRY(nrg_bound_eval(b, s, k->expr, &node));
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
    if (b->ids) TRY(nrg_store_put(store, "train:id", (nrg_buffer){b->ids, NRG_BUF_I64, rows}));
    if (b->weight >= 0 && b->weights)
        TRY(nrg_store_put(store, "train:weight", (nrg_buffer){b->weights, NRG_BUF_F64, rows}));
    return NRG_OK;
}

// ---- computing data statements -----------------------------------------------------------------------------

// The plan that computes one binding; made once per call, run for any number of rows.
typedef struct {
    nrg_graph *g;
    nrg_scope *s;
    nrg_plan *p;
    nrg_run *r;
    nrg_node x; // the value
    int64_t width;
    nrg_dtype type;
    nrg_shape shape;
} sheet;

static void sheet_free(sheet *t) {
    nrg_run_free(t->r);
    nrg_plan_free(t->p);
    nrg_scope_free(t->s);
    nrg_graph_free(t->g);
}

// var: of which numbers that may be wrong are counted, or -1.
static nrg_status sheet_make(const nrg_bound *b, nrg_dtype type, const nrg_expr *e, int64_t n, int32_t var, sheet *t) {
    *t = (sheet){.type = type};
    TRY(nrg_graph_new(b->ctx, type, &t->g));
    TRY(nrg_scope_new(b->m, t->g, &t->s));
    nrg_node out[2];
    TRY(nrg_bound_eval(b, t->s, e, &out[0]));
    TRY(nrg_graph_check(t->g));
    t->x = out[0];
    t->shape = nrg_graph_node(t->g, out[0])->shape;
    t->width = nrg_shape_count(&t->shape);
    if (!(nrg_graph_node(t->g, out[0])->leads & NRG_SAMPLE)) out[0] = nrg_expand(t->g, out[0], t->shape, NRG_SAMPLE);
    if (var >= 0) out[1] = nrg_bind_doubts(b, var, t->g, out[0]);
    TRY(nrg_graph_check(t->g));
    nrg_plan_spec spec = {.graph = t->g, .outputs = out, .outputs_n = var >= 0 ? 2 : 1, .batch = n};
    TRY(nrg_plan_make(b->ctx, &spec, &t->p));
    return nrg_run_new(b->ctx, t->p, b->spec.threads > 0 ? b->spec.threads : 1, &t->r);
}

// to, doubts: NULL where they are not wanted.
static nrg_status sheet_go(const nrg_bound *b, sheet *t, nrg_store *store, const int64_t *rows, int64_t n, void *to, void *doubts) {
    TRY(nrg_bound_rows_set(b, store, rows));
    TRY(nrg_store_bind(store, t->g, t->r));
    nrg_run_output(t->r, 0, to);
    nrg_run_output(t->r, 1, doubts);
    return nrg_run_go(t->r, n, 1, 0, 0);
}

static const nrg_binding *binding_of(const nrg_bound *b, int32_t var) {
    for (uint32_t i = 0; i < b->bindings.n; i++)
        if (b->bindings.at[i].var == var) return &b->bindings.at[i];
    return NULL;
}

static nrg_status compute(const nrg_bound *b, nrg_store *store, const nrg_expr *e, const int64_t *rows, int64_t n,
                          void *to) {
    sheet t;
    nrg_status s = sheet_make(b, nrg_store_type(store), e, n, -1, &t);
    if (s == NRG_OK) s = sheet_go(b, &t, store, rows, n, to, NULL);
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

nrg_status nrg_bound_numbers(const nrg_bound *b, nrg_store *store, int32_t var, const int64_t *rows, int64_t n,
                             double *to) {
    const nrg_binding *k = binding_of(b, var);
    if (!k)
        return nrg_fail(b->ctx, NRG_E051, b->m->vars.at[var].span, "no array for %s in %s", b->m->vars.at[var].name,
                        nrg_bind_file(b));
    nrg_shape shape;
    TRY(nrg_var_shape(b->m, var, &shape));
    int64_t width = nrg_shape_count(&shape);
    if (k->source >= 0) {
        nrg_array view = {
            .type = (nrg_cell)b->sources.at[k->source].buf.type, .data = b->sources.at[k->source].buf.data, .rank = 1};
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < width; j++)
                to[i * width + j] = nrg_array_value(&view, (rows ? rows[i] : i) * width + j);
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

// Rows of a data statement as doubles, checked or kept. at: room for them, and for them as they are made.
static nrg_status check_rows(nrg_bound *b, nrg_store *store, const nrg_binding *k, sheet *t, const int64_t *rows, int64_t n, double *at) {
    double *raw = at + n * t->width;
    TRY(sheet_go(b, t, store, rows, n, raw, NULL));
    nrg_numbers_get(&(nrg_buffer){.data = raw, .type = t->type == NRG_F64 ? NRG_BUF_F64 : NRG_BUF_F32}, at, n * t->width);
    return k->var >= 0 ? nrg_bind_numbers(b, k->var, at, rows[0], n, t->width) : nrg_bind_weights(b, k->expr, at, rows[0], n);
}

static nrg_status check_chunk(nrg_bound *b, nrg_store *store, const nrg_binding *k, sheet *t, bool counted, int64_t first) {
    int64_t n = b->rows - first < CHUNK ? b->rows - first : CHUNK, rows[CHUNK];
    double doubts = 1;
    for (int64_t i = 0; i < n; i++) rows[i] = first + i;
    if (counted) {
        float single = 1;
        TRY(sheet_go(b, t, store, rows, n, NULL, t->type == NRG_F64 ? (void *)&doubts : (void *)&single));
        if (t->type != NRG_F64) doubts = (double)single;
    }
    if (doubts == 0) return NRG_OK;
    size_t bytes = (size_t)(2 * n * t->width + 1) * sizeof(double);
    double *at = nrg_mem(b->ctx, NULL, 0, bytes);
    if (!at) return NRG_E098;
    nrg_status s = check_rows(b, store, k, t, rows, n, at);
    nrg_mem(b->ctx, at, bytes, 0);
    return s;
}

// Computes all rows of a data statement once, chunk by chunk, and checks them; row weights are kept.
nrg_status nrg_bind_computed(nrg_bound *b, nrg_store *store, const nrg_binding *k) {
    bool counted = nrg_bind_counted(b, k->var), sure = false;
    sheet t;
    nrg_status s = sheet_make(b, nrg_store_type(store), k->expr, CHUNK, counted ? k->var : -1, &t);
    if (s == NRG_OK && k->var >= 0) s = nrg_bind_shape(b, k->var, NULL, &t.shape, false);
    if (s == NRG_OK && k->var < 0 && t.width != 1)
        s = nrg_fail(b->ctx, NRG_E050, k->expr->span, "row weights must be one number a sample, found %lld", (long long)t.width);
    if (s == NRG_OK && counted) s = nrg_bind_sure(b, k->var, t.g, t.x, &sure);
    for (int64_t first = 0; first < b->rows && s == NRG_OK && !sure; first += CHUNK) s = check_chunk(b, store, k, &t, counted, first);
    sheet_free(&t);
    return s;
}

nrg_status nrg_bind_weights(nrg_bound *b, const nrg_expr *e, const double *at, int64_t first, int64_t n) {
    if (!b->weights && !(b->weights = NRG_NEWS(&b->arena, double, b->rows + 1))) return NRG_E098;
    for (int64_t i = 0; i < n; i++) {
        if (!(at[i] >= 0) || isinf(at[i])) {
            nrg_status s =
                nrg_fail(b->ctx, NRG_E055, e->span, "the weight of sample %lld is %g", (long long)(first + i), at[i]);
            nrg_help(b->ctx, "weights of rows are finite and not negative");
            return s;
        }
        b->weights[first + i] = at[i];
    }
    return NRG_OK;
}
