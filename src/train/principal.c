// Where rounds start that turn between codes and weights: with the principal components of what the loss reads as codes, by products of the
// covariance with half as many rows again as there are codes (subspace iteration), then the best of their span. Of plain components this is
// the end already; the loss judges it like any other weights.
#include "train/moments.h"
#include <math.h>

enum { STEPS = 12, SPARE = 4 };

typedef struct {
    nrg_trainer *t;
    nrg_moments *m;
    nrg_dtype type;
    int64_t D, codes, rows;
    void *C, *V, *U; // covariance [D, D]; rows [rows, D] that come to span its largest directions; turns them into components [codes, rows]
    double *inside;  // the covariance within their span, [rows, rows], then its eigenvectors; room for their values
} span;

static void put(const span *s, void *to, int64_t i, double x) {
    if (s->type == NRG_F64) ((double *)to)[i] = x;
    else ((float *)to)[i] = (float)x;
}

static nrg_status show(const span *s, const char *name, void *at) {
    return nrg_store_put(s->t->store, name, (nrg_buffer){.data = at, .type = s->type == NRG_F64 ? NRG_BUF_F64 : NRG_BUF_F32});
}

static nrg_node input(nrg_program *p, const char *name, int64_t n, int64_t m) { return nrg_input(p->g, name, 0, nrg_shape_of(2, (int64_t[]){n, m})); }

static nrg_status open_program(const span *s, nrg_program *p) {
    nrg_infer_options o = {.threads = s->t->o.threads, .batch = s->m->points};
    return nrg_program_new(s->t->m, s->type, &o, p);
}

static nrg_status covariance(const span *s, nrg_program *p) {
    nrg_node y;
    TRY(open_program(s, p));
    TRY(nrg_moments_row(s->m, p, &y));
    nrg_node sum = nrg_matmul(p->g, y, y, true, false, NRG_SAMPLE);
    nrg_update to = {input(p, "principal:C", s->D, s->D), nrg_mul(p->g, sum, nrg_const(p->g, 1 / (double)s->m->points))};
    TRY(nrg_program_plan(p, NULL, 0, &to, 1, s->m->points, s->t->o.threads));
    return nrg_program_go(p, s->t->store, s->m->points, 0, 0);
}

// Rows times the covariance, orthonormal again; at last with all digits.
static nrg_status steps(const span *s, bool last, nrg_program *p) {
    TRY(open_program(s, p));
    nrg_node C = input(p, "principal:C", s->D, s->D), V = input(p, "principal:V", s->rows, s->D);
    nrg_node next = nrg_rows_orthonormal(p->g, nrg_matmul(p->g, V, C, false, false, 0), last ? 2 : 1);
    nrg_node inside = nrg_matmul(p->g, nrg_matmul(p->g, next, C, false, false, 0), next, false, true, 0);
    nrg_update to = {V, next};
    TRY(nrg_program_plan(p, &inside, last, &to, 1, 1, s->t->o.threads));
    for (int i = 0; i < (last ? 1 : STEPS - 1); i++) TRY(nrg_program_go(p, s->t->store, 1, 0, 0));
    for (int64_t i = 0; i < s->rows * s->rows && last; i++) s->inside[i] = p->values[i];
    return NRG_OK;
}

// The best rows of the span: eigenvectors of the covariance within it, the largest come last.
static nrg_status turn(const span *s, bool *found) {
    double *values = s->inside + s->rows * s->rows;
    TRY(nrg_eigen(s->t->ctx, s->rows, s->inside, values, found));
    const double *best = s->inside + (s->rows - s->codes) * s->rows;
    for (int64_t i = 0; i < s->codes * s->rows; i++) put(s, s->U, i, best[i]);
    return NRG_OK;
}

// The components at the points, shared out to all that is held.
static nrg_status write(const span *s, nrg_program *p, nrg_update *to, int n) {
    nrg_node y;
    int64_t at = 0;
    TRY(nrg_moments_row(s->m, p, &y));
    y = nrg_matmul(p->g, y, input(p, "principal:V", s->rows, s->D), false, true, 0);
    y = nrg_reshape(p->g, nrg_matmul(p->g, y, input(p, "principal:U", s->codes, s->rows), false, true, 0), nrg_shape_of(1, &s->codes));
    for (int k = 0; k < n; k++) {
        const nrg_node_info v = *nrg_graph_node(p->g, to[k].state);
        int64_t many = nrg_shape_count(&v.shape);
        to[k].value = nrg_reshape(p->g, nrg_slice(p->g, y, 0, at, many, 1), v.shape);
        TRY(show(s, nrg_input_name(p->g, v.par.input.slot), (char *)s->m->codes + (size_t)(at * s->m->points) * nrg_dtype_size(s->type)));
        at += many;
    }
    TRY(nrg_program_plan(p, NULL, 0, to, n, s->m->points, s->t->o.threads));
    return nrg_program_go(p, s->t->store, s->m->points, 0, 0);
}

static nrg_status components(const span *s, bool *found) {
    nrg_program p = {0}, q = {0}, r = {0};
    TRY(show(s, "principal:C", s->C));
    TRY(show(s, "principal:V", s->V));
    TRY(show(s, "principal:U", s->U));
    for (int64_t i = 0; i < s->rows * s->D; i++) put(s, s->V, i, nrg_random_wide(s->t->o.seed, NRG_FOR_DATA, 0, 0, (uint32_t)i) - 0.5);
    nrg_status st = covariance(s, &p);
    if (st == NRG_OK) st = steps(s, false, &q);
    if (st == NRG_OK) st = steps(s, true, &r);
    nrg_program_free(&p);
    nrg_program_free(&q);
    nrg_program_free(&r);
    return st == NRG_OK ? turn(s, found) : st;
}

nrg_status nrg_principal_codes(nrg_trainer *t, nrg_moments *m, nrg_program *p, nrg_node sample, bool *made) {
    span s = {.t = t, .m = m, .type = nrg_moments_type(t, m), .D = m->from[m->atoms]};
    nrg_update *to;
    int n;
    bool single = true;
    *made = false;
    TRY(nrg_held_write(p, sample, &to, &n));
    for (int k = 0; k < n; k++) {
        s.codes += nrg_node_count(p->g, to[k].state);
        single = single && nrg_graph_node(p->g, to[k].state)->leads == NRG_SAMPLE;
    }
    s.rows = s.codes + s.codes / 2 + SPARE;
    if (s.rows > m->points - 1) s.rows = m->points - 1;
    if (!n || !single || s.codes >= s.rows) return NRG_OK;
    size_t real = nrg_dtype_size(s.type), inside = (size_t)(s.rows * (s.rows + 1)) * sizeof(double);
    size_t C = (size_t)(s.D * s.D) * real, V = (size_t)(s.rows * s.D) * real, U = (size_t)(s.codes * s.rows) * real;
    m->codes_bytes = (size_t)(s.codes * m->points) * real;
    size_t bytes = inside + C + V + U;
    if (!(m->codes = nrg_mem(t->ctx, NULL, 0, m->codes_bytes)) || !(s.inside = nrg_mem(t->ctx, NULL, 0, bytes))) return NRG_E098;
    s.C = (char *)s.inside + inside, s.V = (char *)s.C + C, s.U = (char *)s.V + V;
    nrg_status st = components(&s, made);
    if (st == NRG_OK && *made) st = write(&s, p, to, n);
    nrg_mem(t->ctx, s.inside, bytes, 0);
    return st;
}

void nrg_principal_free(nrg_moments *m) {
    if (m->codes) nrg_mem(nrg_graph_ctx(m->found.g), m->codes, m->codes_bytes, 0);
    m->codes = NULL;
}
