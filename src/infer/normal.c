// `optimize by exact`: for each group of weights one graph that gives the loss, its gradient and its second derivatives over all
// samples, with latents and probabilities held; then a small solve on the host in double.
#include "infer/inside.h"
#include <math.h>
#include <string.h>

enum { BLOCK_MOST = 4096, GROUP_MOST = 64 }; // numbers coupled with each other; weights in one group

typedef enum { QUADRATIC, LOG_AFFINE, SIMPLEX_LOG } form;
static const char *const form_names[] = {"normal equations", "p = b / a", "p = n / sum n"};

typedef struct {
    form form;
    int n;
    uint32_t param[GROUP_MOST];
    int64_t blocks, size;  // S and B: block s has the numbers [b * S + s]
    bool rows;             // several weights, or one with its last axis separable, as rows [B, S]; else see `order`
    nrg_shape shape;       // of a single weight
    int32_t order[NRG_MAX_RANK]; // a single weight: its axes, separable ones last
    nrg_graph *graph;
    nrg_scope *scope;
    nrg_inference *inference;
    nrg_plan *plan;
    nrg_run *run;
} group;

struct nrg_exact {
    nrg_ctx *ctx;
    nrg_arena arena;
    nrg_model *model;
    nrg_exact_spec spec;
    NRG_LIST(group *) groups;
};

static int64_t numbers(const nrg_exact *e, uint32_t p) { return nrg_shape_count(&e->model->params.at[p].shape); }

// ---- the loss as a function of holes in the place of weights

typedef struct {
    nrg_exact *e;
    nrg_graph *g;
    nrg_node Q;
    nrg_node stop[512]; // values held fixed stay as they are: they are functions of the old weights
    int stops;
} loss_view;

static nrg_status open_graph(nrg_exact *e, group *gr, loss_view *v) {
    TRY(nrg_graph_new(e->ctx, e->spec.type, &gr->graph));
    TRY(nrg_scope_new(e->model, gr->graph, &gr->scope));
    TRY(nrg_inference_new(e->ctx, gr->scope, &e->spec.options, &gr->inference));
    *v = (loss_view){.e = e, .g = gr->graph};
    TRY(e->spec.loss(e->spec.ud, gr->scope, gr->inference, &v->Q));
    TRY(nrg_graph_check(gr->graph));
    if (nrg_graph_node(v->g, v->Q)->leads) return nrg_fail(e->ctx, NRG_E099, NRG_NOWHERE, "the loss still has leading axes");
    for (uint32_t n = 1; n <= v->Q.i; n++) {
        if (nrg_graph_node(v->g, (nrg_node){n})->op != NRG_OP_stop) continue;
        if (v->stops == 512) return nrg_fail(e->ctx, NRG_E071, NRG_NOWHERE, "a loss with more than 512 held values");
        v->stop[v->stops++] = (nrg_node){n};
    }
    return NRG_OK;
}

// Q with weights replaced by nodes.
static nrg_node with(const loss_view *v, const uint32_t *param, const nrg_node *by, int n) {
    nrg_node from[512 + GROUP_MOST], to[512 + GROUP_MOST];
    int k = 0;
    for (int i = 0; i < v->stops; i++) from[k] = v->stop[i], to[k++] = v->stop[i];
    for (int i = 0; i < n; i++) {
        const nrg_param *p = &v->e->model->params.at[param[i]];
        from[k] = nrg_input(v->g, p->name, 0, p->shape);
        to[k++] = by[i];
    }
    return nrg_graph_copy(v->g, v->g, v->Q, from, to, k);
}

static nrg_node hole(const loss_view *v, nrg_leads leads, nrg_shape s) {
    char name[40];
    snprintf(name, sizeof name, "%sweights:%u", NRG_HOLE, nrg_graph_size(v->g));
    return nrg_input(v->g, name, leads, s);
}

// ---- layouts: one hole for a whole group

// Several weights as rows of width S (the common last axis, or 1).
static int64_t common_width(const nrg_exact *e, const group *gr) {
    int64_t w = 0;
    for (int i = 0; i < gr->n; i++) {
        const nrg_shape *s = &e->model->params.at[gr->param[i]].shape;
        int64_t last = s->rank ? s->dim[s->rank - 1] : 1;
        if (i && last != w) return 1;
        w = last;
    }
    return w;
}

static void split_rows(const loss_view *v, const group *gr, nrg_node joint, int64_t width, nrg_node *by) {
    int64_t at = 0;
    for (int i = 0; i < gr->n; i++) {
        const nrg_param *p = &v->e->model->params.at[gr->param[i]];
        int64_t rows = width ? nrg_shape_count(&p->shape) / width : 0;
        by[i] = nrg_reshape(v->g, nrg_slice(v->g, joint, 0, at, rows, 1), p->shape);
        at += rows;
    }
}

static nrg_status attr_rows(const loss_view *v, const group *gr, int64_t width, nrg_attr *out) {
    int64_t total = 0, dim[2];
    nrg_node by[GROUP_MOST];
    for (int i = 0; i < gr->n; i++) total += numbers(v->e, gr->param[i]);
    dim[0] = width ? total / width : 0;
    dim[1] = width;
    nrg_node joint = hole(v, 0, nrg_shape_of(2, dim));
    split_rows(v, gr, joint, width, by);
    nrg_node Q = with(v, gr->param, by, gr->n);
    TRY(nrg_graph_check(v->g));
    return nrg_attr_of(v->g, Q, joint, out);
}

static nrg_status attr_one(const loss_view *v, uint32_t param, nrg_attr *out) {
    nrg_node h = hole(v, 0, v->e->model->params.at[param].shape);
    nrg_node Q = with(v, &param, &h, 1);
    TRY(nrg_graph_check(v->g));
    return nrg_attr_of(v->g, Q, h, out);
}

// ---- what fits

static void lay_one(nrg_exact *e, group *gr, const nrg_attr *a) {
    gr->shape = e->model->params.at[gr->param[0]].shape;
    gr->blocks = gr->size = 1;
    int n = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < gr->shape.rank; i++) {
            bool apart = a->separable >> i & 1;
            if (apart != (pass == 1)) continue;
            gr->order[n++] = i;
            if (apart) gr->blocks *= gr->shape.dim[i];
            else gr->size *= gr->shape.dim[i];
        }
    }
}

static nrg_status no_form(nrg_exact *e, uint32_t param, const nrg_attr *a) {
    const nrg_param *p = &e->model->params.at[param];
    nrg_status s = nrg_fail(e->ctx, NRG_E071, p->span, "optimize by exact has no closed form for %s", p->name);
    nrg_fact(e->ctx, "with latents held, the loss is not quadratic in %s%s, nor a p - b log p", p->name, a->smooth ? "" : " (it has kinks)");
    nrg_help(e->ctx, "optimize by lbfgs, or by adam(lr=1e-3)");
    return s;
}

static nrg_status classify_one(const loss_view *v, group *gr) {
    nrg_attr a;
    const nrg_param *p = &v->e->model->params.at[gr->param[0]];
    TRY(attr_one(v, gr->param[0], &a));
    gr->rows = false;
    lay_one(v->e, gr, &a);
    if (a.degree <= 2 && a.smooth) return gr->form = QUADRATIC, NRG_OK;
    if (!a.log_affine) return no_form(v->e, gr->param[0], &a);
    gr->form = p->domain.kind == NRG_DOM_SIMPLEX ? SIMPLEX_LOG : LOG_AFFINE;
    gr->blocks = nrg_shape_count(&gr->shape);
    gr->size = 1;
    for (int i = 0; i < gr->shape.rank; i++) gr->order[i] = i;
    return NRG_OK;
}

// Is there a second derivative between p and a weight of the group?
static nrg_status coupled(const loss_view *v, const group *gr, uint32_t p, bool *out) {
    uint32_t all[GROUP_MOST + 1];
    nrg_node h[GROUP_MOST + 1], d[GROUP_MOST + 1];
    *out = false;
    memcpy(all, gr->param, (size_t)gr->n * sizeof *all);
    all[gr->n] = p;
    for (int i = 0; i <= gr->n; i++) h[i] = hole(v, 0, v->e->model->params.at[all[i]].shape);
    nrg_node Q = with(v, all, h, gr->n + 1);
    TRY(nrg_graph_check(v->g));
    TRY(nrg_grad(v->g, Q, NRG_BAD, h, gr->n, d));
    for (int i = 0; i < gr->n; i++) *out = *out || nrg_depends(v->g, d[i], h[gr->n]);
    return NRG_OK;
}

static bool plain(const nrg_exact *e, uint32_t p) { return e->model->params.at[p].domain.kind == NRG_DOM_ALL; }

// Joins p to the group where both are quadratic together.
static nrg_status try_join(const loss_view *v, group *gr, uint32_t p, bool *joined) {
    nrg_exact *e = v->e;
    nrg_attr a = {0};
    *joined = false;
    if (gr->n == GROUP_MOST || gr->form != QUADRATIC || !plain(e, p) || !plain(e, gr->param[0])) return NRG_OK;
    bool link;
    TRY(coupled(v, gr, p, &link));
    if (!link) return NRG_OK;
    group wide = *gr;
    wide.param[wide.n++] = p;
    int64_t width = common_width(e, &wide), total = 0;
    for (int i = 0; i < wide.n; i++) total += numbers(e, wide.param[i]);
    TRY(attr_rows(v, &wide, width, &a));
    if (a.degree > 2 || !a.smooth) return NRG_OK;
    bool apart = a.separable >> 1 & 1;
    wide.rows = true;
    wide.blocks = apart ? width : 1;
    wide.size = apart && width ? total / width : total;
    if (wide.size > BLOCK_MOST) return NRG_OK;
    *gr = wide;
    *joined = true;
    return NRG_OK;
}

// ---- graphs

static nrg_status second_rows(const loss_view *v, const group *gr, nrg_node *H) {
    nrg_graph *g = v->g;
    int64_t dim[2] = {gr->size, gr->blocks};
    nrg_node by[GROUP_MOST], d;
    nrg_leads basis = gr->size > 1 ? nrg_lead_new(g, "basis", gr->size) : 0;
    nrg_node joint = hole(v, basis, nrg_shape_of(2, dim));
    split_rows(v, gr, joint, gr->blocks, by);
    nrg_node Q = with(v, gr->param, by, gr->n);
    int64_t column[2] = {gr->size, 1};
    nrg_node along = basis ? nrg_reshape(g, nrg_eq(g, nrg_iota_lead(g, basis), nrg_iota(g, gr->size)), nrg_shape_of(2, column)) : nrg_const(g, 1);
    TRY(nrg_grad(g, Q, NRG_BAD, &joint, 1, &d));
    TRY(nrg_grad(g, nrg_sum_all(g, nrg_mul(g, d, along)), NRG_BAD, &joint, 1, H)); // [basis] [B, S]
    nrg_node zero = nrg_filled(g, 0, nrg_shape_of(2, dim), basis);
    if (nrg_depends(g, *H, joint)) *H = nrg_graph_copy(g, g, *H, &joint, &zero, 1);
    if (basis) *H = nrg_lower(g, *H, basis, 0);
    return nrg_graph_check(g);
}

// One weight: its axes in the order [B axes, S axes].
static nrg_node natural(const loss_view *v, const group *gr, nrg_node x) {
    nrg_shape s = {.rank = gr->shape.rank};
    int32_t back[NRG_MAX_RANK] = {0};
    for (int a = 0; a < s.rank; a++) s.dim[a] = gr->shape.dim[gr->order[a]], back[gr->order[a]] = a;
    return nrg_permute(v->g, nrg_reshape(v->g, x, s), back);
}

static nrg_node blocked(const loss_view *v, const group *gr, nrg_node x) {
    int64_t dim[2] = {gr->size, gr->blocks};
    return nrg_reshape(v->g, nrg_permute(v->g, x, gr->order), nrg_shape_of(2, dim));
}

static nrg_status second_one(const loss_view *v, const group *gr, nrg_node *H) {
    nrg_graph *g = v->g;
    const nrg_param *p = &v->e->model->params.at[gr->param[0]];
    int64_t dim[2] = {gr->size, gr->blocks}, column[2] = {gr->size, 1};
    nrg_leads basis = gr->size > 1 ? nrg_lead_new(g, "basis", gr->size) : 0;
    nrg_node joint = hole(v, basis, nrg_shape_of(2, dim)), own = natural(v, gr, joint), d;
    nrg_node Q = with(v, gr->param, &own, 1);
    nrg_node along = basis ? nrg_reshape(g, nrg_eq(g, nrg_iota_lead(g, basis), nrg_iota(g, gr->size)), nrg_shape_of(2, column)) : nrg_const(g, 1);
    TRY(nrg_grad(g, Q, NRG_BAD, &joint, 1, &d));
    TRY(nrg_grad(g, nrg_sum_all(g, nrg_mul(g, d, along)), NRG_BAD, &joint, 1, H));
    nrg_node here = nrg_spread(g, blocked(v, gr, nrg_input(g, p->name, 0, p->shape)), basis); // at the current weights
    if (nrg_depends(g, *H, joint)) *H = nrg_graph_copy(g, g, *H, &joint, &here, 1);
    if (basis) *H = nrg_lower(g, *H, basis, 0);
    return nrg_graph_check(g);
}

// Outputs: loss, second derivatives [B, B, S] (or [1, S]), then a gradient for each weight.
static nrg_status build(const loss_view *v, group *gr) {
    nrg_exact *e = v->e;
    nrg_node out[2 + GROUP_MOST], param[GROUP_MOST];
    out[0] = v->Q;
    TRY(gr->rows ? second_rows(v, gr, &out[1]) : second_one(v, gr, &out[1]));
    for (int i = 0; i < gr->n; i++) {
        const nrg_param *p = &e->model->params.at[gr->param[i]];
        param[i] = nrg_input(v->g, p->name, 0, p->shape);
    }
    TRY(nrg_grad(v->g, v->Q, NRG_BAD, param, gr->n, out + 2));
    TRY(nrg_graph_check(v->g));
    nrg_plan_spec spec = {.graph = v->g, .outputs = out, .outputs_n = 2 + gr->n, .batch = e->spec.options.batch};
    TRY(nrg_plan_make(e->ctx, &spec, &gr->plan));
    return nrg_run_new(e->ctx, gr->plan, e->spec.options.threads < 1 ? 1 : e->spec.options.threads, &gr->run);
}

static void close_group(group *gr) {
    nrg_run_free(gr->run);
    nrg_plan_free(gr->plan);
    nrg_inference_free(gr->inference);
    nrg_scope_free(gr->scope);
    nrg_graph_free(gr->graph);
    gr->run = NULL, gr->plan = NULL, gr->inference = NULL, gr->scope = NULL, gr->graph = NULL;
}

static nrg_status too_large(nrg_exact *e, const group *gr) {
    nrg_status s = nrg_fail(e->ctx, NRG_E071, e->model->params.at[gr->param[0]].span, "optimize by exact with %lld coupled weights, more than %d",
                            (long long)gr->size, BLOCK_MOST);
    nrg_help(e->ctx, "optimize by lbfgs");
    return s;
}

// Groups in file order. A graph of its own for each, so that unused inference of one does not run in another.
static nrg_status make_groups(nrg_exact *e) {
    bool taken[4096] = {false};
    if (e->spec.n > 4096) return nrg_fail(e->ctx, NRG_E071, NRG_NOWHERE, "optimize by exact over %d weights", e->spec.n);
    for (int i = 0; i < e->spec.n; i++) {
        loss_view v;
        if (taken[i]) continue;
        group *gr = NRG_NEW(&e->arena, group);
        if (!gr || NRG_PUSH(&e->arena, e->groups, gr) != NRG_OK) return NRG_E098;
        gr->param[gr->n++] = e->spec.params[i];
        TRY(open_graph(e, gr, &v));
        TRY(classify_one(&v, gr));
        for (int j = i + 1; j < e->spec.n; j++)
            if (!taken[j]) TRY(try_join(&v, gr, e->spec.params[j], &taken[j]));
        if (gr->size > BLOCK_MOST) return too_large(e, gr);
        TRY(build(&v, gr));
    }
    return NRG_OK;
}

nrg_status nrg_exact_new(nrg_model *m, const nrg_exact_spec *spec, nrg_exact **out) {
    nrg_arena arena = nrg_arena_make(m->ctx);
    nrg_exact *e = NRG_NEW(&arena, nrg_exact);
    *out = NULL;
    if (!e) {
        nrg_arena_free(&arena);
        return NRG_E098;
    }
    e->ctx = m->ctx;
    e->arena = arena;
    e->model = m;
    e->spec = *spec;
    nrg_status s = make_groups(e);
    if (s != NRG_OK) nrg_exact_free(e);
    else *out = e;
    return s;
}

void nrg_exact_free(nrg_exact *e) {
    if (!e) return;
    for (uint32_t k = 0; k < e->groups.n; k++) close_group(e->groups.at[k]);
    nrg_arena arena = e->arena;
    nrg_arena_free(&arena);
}

void nrg_exact_print(const nrg_exact *e, nrg_text *out) {
    for (uint32_t k = 0; k < e->groups.n; k++) {
        const group *gr = e->groups.at[k];
        for (int i = 0; i < gr->n; i++) nrg_text_put(out, "%s%s", i ? ", " : "", e->model->params.at[gr->param[i]].name);
        nrg_text_put(out, ": %s", form_names[gr->form]);
        if (gr->form == QUADRATIC) nrg_text_put(out, ", %lld block%s of %lld", (long long)gr->blocks, gr->blocks == 1 ? "" : "s", (long long)gr->size);
        nrg_text_put(out, "\n");
    }
}

// ---- a round

typedef struct {
    double *w, *g, *H;     // group's numbers as [B, S]; second derivatives [B, B, S]
    void *raw_H, *raw_g;   // of the store's type; gradients one after the other
    double *block, *b, *x, *work;
    int64_t count;
} room;

// Place of number k of the group, counted through its weights in order, inside [B, S].
static int64_t place(const group *gr, int64_t k) {
    int64_t at[NRG_MAX_RANK], to = 0;
    if (gr->rows) return k;
    for (int a = gr->shape.rank - 1; a >= 0; a--) at[a] = k % gr->shape.dim[a], k /= gr->shape.dim[a];
    for (int a = 0; a < gr->shape.rank; a++) to = to * gr->shape.dim[gr->order[a]] + at[gr->order[a]];
    return to;
}

static nrg_status get_room(nrg_exact *e, const group *gr, nrg_arena *a, room *r) {
    size_t one = nrg_dtype_size(e->spec.type);
    int64_t B = gr->size, n = r->count = gr->size * gr->blocks;
    r->w = NRG_NEWS(a, double, n + 1);
    r->g = NRG_NEWS(a, double, n + 1);
    r->H = NRG_NEWS(a, double, n * B + 1);
    r->raw_H = nrg_arena_get(a, (size_t)(n * B + 1) * one);
    r->raw_g = nrg_arena_get(a, (size_t)(n + 1) * one);
    r->block = NRG_NEWS(a, double, B * B + 1);
    r->work = NRG_NEWS(a, double, B * B + B + 1);
    r->b = NRG_NEWS(a, double, B + 1);
    r->x = NRG_NEWS(a, double, B + 1);
    return r->w && r->g && r->H && r->raw_H && r->raw_g && r->block && r->work && r->b && r->x ? NRG_OK : NRG_E098;
}

static nrg_status not_finite(nrg_exact *e, const group *gr) {
    const nrg_param *p = &e->model->params.at[gr->param[0]];
    nrg_status s = nrg_fail(e->ctx, NRG_E080, p->span, "the derivatives for %s are no longer finite", p->name);
    nrg_help(e->ctx, "look for log(0) or a division by 0 in the energy, and at the data");
    return s;
}

static nrg_status evaluate(nrg_exact *e, group *gr, nrg_store *s, int64_t n, uint64_t seed, uint32_t round, room *r, double *loss) {
    double raw[1];
    char *at = r->raw_g;
    size_t one = nrg_dtype_size(e->spec.type);
    TRY(nrg_inference_go(gr->inference, s, n, seed, round));
    TRY(nrg_store_bind(s, gr->graph, gr->run));
    nrg_run_output(gr->run, 0, raw);
    nrg_run_output(gr->run, 1, r->raw_H);
    for (int i = 0; i < gr->n; at += (size_t)numbers(e, gr->param[i]) * one, i++) nrg_run_output(gr->run, 2 + i, at);
    TRY(nrg_run_go(gr->run, n, 1, seed, round));
    *loss = nrg_store_number(e->spec.type, raw, 0);
    bool fair = isfinite(*loss);
    for (int64_t k = 0; k < r->count * gr->size; k++) r->H[k] = nrg_store_number(e->spec.type, r->raw_H, k), fair = fair && isfinite(r->H[k]);
    for (int64_t k = 0; k < r->count; k++) {
        double g = nrg_store_number(e->spec.type, r->raw_g, k);
        r->g[place(gr, k)] = g;
        fair = fair && isfinite(g);
    }
    return fair ? NRG_OK : not_finite(e, gr);
}

static void read_weights(nrg_exact *e, const group *gr, nrg_store *s, room *r) {
    int64_t k = 0;
    for (int i = 0; i < gr->n; i++) {
        const nrg_buffer *b = nrg_store_get(s, e->model->params.at[gr->param[i]].name);
        for (int64_t j = 0; j < numbers(e, gr->param[i]); j++) r->w[place(gr, k++)] = nrg_store_number(e->spec.type, b->data, j);
    }
}

static nrg_status write_weights(nrg_exact *e, const group *gr, nrg_store *s, nrg_arena *a, const room *r) {
    int64_t k = 0;
    for (int i = 0; i < gr->n; i++) {
        const nrg_param *p = &e->model->params.at[gr->param[i]];
        const nrg_buffer *b = nrg_store_get(s, p->name);
        int64_t n = numbers(e, gr->param[i]);
        double *w = NRG_NEWS(a, double, n + 1);
        if (!w) return NRG_E098;
        for (int64_t j = 0; j < n; j++) w[j] = r->w[place(gr, k++)];
        TRY(nrg_domain_restore(e->ctx, &p->domain, &p->shape, w));
        for (int64_t j = 0; j < n; j++) {
            if (e->spec.type == NRG_F64) ((double *)b->data)[j] = w[j];
            else ((float *)b->data)[j] = (float)w[j];
        }
    }
    return NRG_OK;
}

// w <- w - H^-1 g, block by block: the minimum of a quadratic from wherever w is.
static void newton(const group *gr, room *r) {
    int64_t B = gr->size, S = gr->blocks;
    for (int64_t s = 0; s < S; s++) {
        for (int64_t i = 0; i < B; i++) {
            r->b[i] = -r->g[i * S + s];
            for (int64_t j = 0; j < B; j++) r->block[i * B + j] = 0.5 * (r->H[(i * B + j) * S + s] + r->H[(j * B + i) * S + s]);
        }
        nrg_solve_block(r->block, r->b, B, r->work, r->x);
        for (int64_t i = 0; i < B; i++) r->w[i * S + s] += r->x[i];
    }
}

// a p - b log p: the gradient is a - b / p and the second derivative b / p^2, so b = h p^2 and a = g + h p. What has no b keeps p.
static void ratio(room *r) {
    for (int64_t k = 0; k < r->count; k++) {
        double p = r->w[k], b = r->H[k] * p * p, a = r->g[k] + r->H[k] * p;
        if (b > 0 && a > 0) r->w[k] = b / a;
    }
}

static nrg_status counts(nrg_exact *e, const group *gr, room *r) {
    const nrg_shape *s = &gr->shape;
    int64_t last = s->rank ? s->dim[s->rank - 1] : 1;
    for (int64_t row = 0; row + last <= r->count; row += last) {
        double sum = 0, most = 0, linear = 0;
        for (int64_t k = row; k < row + last; k++) {
            most = fmax(most, fabs(r->g[k]));
            if (r->w[k] > 0) linear = fmax(linear, fabs(r->g[k] + r->H[k] * r->w[k]));
            sum += -r->g[k] * r->w[k];
        }
        if (linear > 1e-4 * most) {
            const nrg_param *p = &e->model->params.at[gr->param[0]];
            return nrg_fail(e->ctx, NRG_E071, p->span, "optimize by exact: %s on the simplex has a linear part besides - n log p", p->name);
        }
        for (int64_t k = row; k < row + last && sum > 0; k++) r->w[k] = fmax(0, -r->g[k] * r->w[k] / sum);
    }
    return NRG_OK;
}

static nrg_status step(nrg_exact *e, group *gr, nrg_store *s, int64_t n, uint64_t seed, uint32_t round, nrg_arena *a, double *loss) {
    room r;
    TRY(get_room(e, gr, a, &r));
    TRY(evaluate(e, gr, s, n, seed, round, &r, loss));
    read_weights(e, gr, s, &r);
    if (gr->form == QUADRATIC) newton(gr, &r);
    else if (gr->form == LOG_AFFINE) ratio(&r);
    else TRY(counts(e, gr, &r));
    return write_weights(e, gr, s, a, &r);
}

nrg_status nrg_exact_round(nrg_exact *e, nrg_store *store, int64_t n, uint64_t seed, uint32_t round, double *loss) {
    for (uint32_t k = 0; k < e->groups.n; k++) {
        nrg_arena a = nrg_arena_make(e->ctx);
        double now = 0;
        nrg_status s = step(e, e->groups.at[k], store, n, seed, round, &a, &now);
        nrg_arena_free(&a);
        TRY(s);
        if (k == 0 && loss) *loss = now;
    }
    return NRG_OK;
}
