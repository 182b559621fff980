// Moments in place of the data: what a loss reads of a sample is found in its graph, one pass sums products, and their triangular factor
// gives the points.
#include "train/moments.h"
#include <math.h>
#include <string.h>

enum { WIDTH_MOST = 2048, FINE_MOST = 256, CENTRE_ROWS = 1024, FAR = 2 }; // FAR: in standard deviations

// ---- what a loss reads of a sample -------------------------------------------------------------------------------

typedef struct {
    nrg_program *p;
    bool *sample, *other, *used; // by node: made of the data; of weights or the like; below the root
    nrg_node *atom, *var; // var: values of the variables, which are not taken apart
    uint32_t n, vars, room;
} search;

static const nrg_node_info *info(const nrg_program *p, uint32_t i) { return nrg_graph_node(p->g, (nrg_node){i}); }

static void origins(search *s) {
    for (uint32_t i = 1; i < s->room; i++) {
        const nrg_node_info *x = info(s->p, i);
        if (x->op == NRG_OP_input) *(x->leads & NRG_SAMPLE ? &s->sample[i] : &s->other[i]) = true;
        if (x->op == NRG_OP_random) s->other[i] = true; // drawn anew in every round
        for (int k = 0; k < 3; k++) {
            s->sample[i] = s->sample[i] || s->sample[x->in[k].i];
            s->other[i] = s->other[i] || s->other[x->in[k].i];
        }
    }
}

static void below(search *s, nrg_node root) {
    memset(s->used, 0, s->room * sizeof *s->used);
    s->used[root.i] = true;
    for (uint32_t i = root.i; i > 0; i--)
        for (int k = 0; s->used[i] && k < 3; k++) s->used[info(s->p, i)->in[k].i] = true;
}

// What n is a number by number affine function of, or NRG_BAD: the atoms are as few as can be.
static nrg_node beneath(const search *s, nrg_node n) {
    const nrg_node_info *x = info(s->p, n.i);
    for (uint32_t i = 0; i < s->vars; i++)
        if (s->var[i].i == n.i) return NRG_BAD;
    bool moved = x->op == NRG_OP_reshape || x->op == NRG_OP_permute || x->op == NRG_OP_expand || x->op == NRG_OP_lift ||
                 x->op == NRG_OP_lower || x->op == NRG_OP_neg;
    bool scaled = x->op == NRG_OP_mul || x->op == NRG_OP_add || x->op == NRG_OP_sub || x->op == NRG_OP_div;
    if (moved) return x->in[0];
    if (scaled && !s->sample[x->in[1].i]) return x->in[0];
    return scaled && x->op != NRG_OP_div && !s->sample[x->in[0].i] ? x->in[1] : NRG_BAD;
}

static void add_atom(search *s, nrg_node n) {
    for (nrg_node next = beneath(s, n); next.i; next = beneath(s, n)) n = next;
    for (uint32_t i = 0; i < s->n; i++)
        if (s->atom[i].i == n.i) return;
    s->atom[s->n++] = n;
}

// The last nodes that are made of the data alone.
static void collect(search *s, nrg_node root) {
    below(s, root);
    if (s->sample[root.i] && !s->other[root.i]) add_atom(s, root);
    for (uint32_t i = 1; i <= root.i; i++) {
        if (!s->used[i] || !s->other[i]) continue;
        for (int k = 0; k < 3; k++) {
            nrg_node in = info(s->p, i)->in[k];
            if (s->sample[in.i] && !s->other[in.i]) add_atom(s, in);
        }
    }
}

static nrg_status open_search(const nrg_trainer *t, nrg_program *p, search *s) {
    *s = (search){.p = p, .room = nrg_graph_size(p->g) + 1};
    s->sample = NRG_NEWS(&p->arena, bool, s->room);
    s->other = NRG_NEWS(&p->arena, bool, s->room);
    s->used = NRG_NEWS(&p->arena, bool, s->room);
    s->atom = NRG_NEWS(&p->arena, nrg_node, s->room);
    s->var = NRG_NEWS(&p->arena, nrg_node, t->m->vars.n + 1);
    if (!s->sample || !s->other || !s->used || !s->atom || !s->var) return NRG_E098;
    TRY(nrg_bound_nodes(t->bound, p->scope));
    for (uint32_t v = 0; v < t->m->vars.n; v++) s->var[s->vars++] = nrg_scope_bound(p->scope, (int32_t)v);
    return NRG_OK;
}

// y without its stops: held or not, a value is the same.
static nrg_status flowing(nrg_program *p, nrg_node *y) {
    uint32_t size = nrg_graph_size(p->g), n = 0;
    nrg_node *stop = NRG_NEWS(&p->arena, nrg_node, size + 1), *by = NRG_NEWS(&p->arena, nrg_node, size + 1);
    if (!stop || !by) return NRG_E098;
    for (uint32_t i = 1; i <= y->i; i++) {
        if (info(p, i)->op != NRG_OP_stop) continue;
        stop[n] = (nrg_node){i};
        by[n] = nrg_graph_copy(p->g, p->g, info(p, i)->in[0], stop, by, (int)n);
        n++;
    }
    if (n) *y = nrg_graph_copy(p->g, p->g, *y, stop, by, (int)n);
    return nrg_graph_check(p->g);
}

// Weights of rows weigh the moments; the loss itself is taken without them.
static nrg_status unweighed(const nrg_trainer *t, nrg_program *p, nrg_node *y) {
    nrg_node w = nrg_bound_weight(t->bound, p->scope), one = nrg_const(p->g, 1);
    if (w.i != one.i) *y = nrg_graph_copy(p->g, p->g, *y, &w, &one, 1);
    return nrg_graph_check(p->g);
}

// ---- is it of degree two? ----------------------------------------------------------------------------------------

// Nothing of a sample but u is read, and nothing is summed over samples on the way.
static bool reads_only(nrg_program *p, nrg_node y, nrg_node u, bool *sample, bool *used) {
    used[y.i] = true;
    for (uint32_t i = y.i; i > 0; i--)
        for (int k = 0; used[i] && k < 3; k++) used[info(p, i)->in[k].i] = true;
    for (uint32_t i = 1; i <= y.i; i++) {
        const nrg_node_info *x = info(p, i);
        bool leaf = x->op == NRG_OP_input || x->op == NRG_OP_iota || x->op == NRG_OP_random;
        sample[i] = i == u.i || (leaf && x->leads & NRG_SAMPLE);
        for (int k = 0; k < 3; k++) sample[i] = sample[i] || sample[x->in[k].i];
        if (!used[i] || i == u.i) continue;
        if (leaf && x->leads & NRG_SAMPLE) return false;
        if (sample[i] && !(x->leads & NRG_SAMPLE)) return false;
    }
    return true;
}

static nrg_status of_degree_two(nrg_moments *m, nrg_node y, bool *yes) {
    nrg_program *p = &m->found;
    nrg_node u = nrg_input(p->g, NRG_HOLE "moments", NRG_SAMPLE, nrg_shape_of(1, &m->from[m->atoms]));
    nrg_node *by = NRG_NEWS(&p->arena, nrg_node, m->atoms + 1);
    if (!by) return NRG_E098;
    for (uint32_t k = 0; k < m->atoms; k++) {
        nrg_node part = nrg_slice(p->g, u, 0, m->from[k], m->from[k + 1] - m->from[k], 1);
        by[k] = nrg_reshape(p->g, part, info(p, m->atom[k].i)->shape);
    }
    y = nrg_graph_copy(p->g, p->g, y, m->atom, by, (int)m->atoms);
    TRY(nrg_graph_check(p->g));
    bool *sample = NRG_NEWS(&p->arena, bool, y.i + 1), *used = NRG_NEWS(&p->arena, bool, y.i + 1);
    nrg_attr a;
    if (!sample || !used) return NRG_E098;
    TRY(nrg_attr_of(p->g, y, u, &a));
    *yes = a.degree <= 2 && a.smooth && reads_only(p, y, u, sample, used);
    return NRG_OK;
}

enum { ROOTS = 2 + NRG_SEEN_COUNT };

// The losses whose means rounds need: as the closed forms see it, as it is, and what the progress line shows.
static nrg_status roots_of(nrg_trainer *t, nrg_program *p, nrg_node *root, int *n) {
    for (int held = 0; held < 2; held++) {
        nrg_loss l;
        TRY(nrg_loss_build(p, t->bound, t->store, held == 1, &l));
        if (l.sample.i) root[(*n)++] = l.sample;
        for (int i = 0; !held && i < NRG_SEEN_COUNT; i++)
            if (l.seen[i].i) root[(*n)++] = info(p, l.seen[i].i)->in[0];
    }
    for (int i = 0; i < *n; i++) TRY(unweighed(t, p, &root[i]));
    return NRG_OK;
}

static bool stops(const nrg_program *p) {
    for (uint32_t i = 1; i <= nrg_graph_size(p->g); i++)
        if (info(p, i)->op == NRG_OP_stop) return true;
    return false;
}

// Places of the atoms; false: too many numbers, or one that carries more than samples.
static bool settle(nrg_trainer *t, nrg_moments *m) {
    for (uint32_t k = 0; k < m->atoms; k++) {
        const nrg_node_info *x = info(&m->found, m->atom[k].i);
        if (x->leads != NRG_SAMPLE) return false;
        m->from[k + 1] = m->from[k] + nrg_shape_count(&x->shape);
    }
    int64_t width = m->from[m->atoms];
    return width > 0 && width <= WIDTH_MOST && 2 * (width + 1) <= t->rows_n;
}

static nrg_status look(nrg_trainer *t, nrg_moments *m, bool *yes) {
    nrg_program *p = &m->found;
    nrg_infer_options o = {.threads = t->o.threads, .batch = t->rows_n < NRG_CHUNK ? t->rows_n : NRG_CHUNK};
    nrg_node root[ROOTS];
    search s;
    int n = 0;
    *yes = false;
    TRY(nrg_program_new(t->m, NRG_F64, &o, p));
    p->draws_mode = NRG_DRAWS_LEVEL;
    TRY(roots_of(t, p, root, &n));
    m->still = !stops(p);
    m->fine = t->type == NRG_F64 || m->still;
    for (int i = 0; i < n; i++) TRY(flowing(p, &root[i]));
    TRY(open_search(t, p, &s));
    origins(&s);
    for (int i = 0; i < n; i++) collect(&s, root[i]);
    m->atom = s.atom, m->atoms = s.n;
    if (!(m->from = NRG_NEWS(&p->arena, int64_t, s.n + 1))) return NRG_E098;
    if (!n || !settle(t, m)) return NRG_OK;
    m->fine = m->fine || m->from[m->atoms] <= FINE_MOST;
    *yes = true;
    for (int i = 0; i < n && *yes; i++) TRY(of_degree_two(m, root[i], yes));
    return NRG_OK;
}

nrg_status nrg_moments_find(nrg_trainer *t, nrg_moments **out) {
    bool yes;
    *out = NULL;
    nrg_moments *m = NRG_NEW(&t->arena, nrg_moments);
    if (!m) return NRG_E098;
    nrg_status s = look(t, m, &yes);
    if (s == NRG_OK && yes) *out = m;
    else nrg_moments_free(m);
    return s;
}

void nrg_moments_free(nrg_moments *m) {
    if (!m) return;
    if (m->at) nrg_mem(nrg_graph_ctx(m->found.g), m->at, m->bytes, 0);
    m->at = NULL;
    nrg_principal_free(m);
    nrg_program_free(&m->value);
    nrg_program_free(&m->found);
}

// ---- one pass over the data --------------------------------------------------------------------------------------

typedef struct {
    double *centre, *sum, *C; // [D], [D], [D, D]: sums of what is off the centre and of its products, upper triangle
    double weight;
    bool off; // is any centre not zero?
    int64_t D;
    size_t bytes;
} sums;

enum { MASS, SUM, SQUARES, OUTPUTS };

// Outputs: sum of the row weights, of all numbers less the centre where that is off zero, and of their squares, or with `products` of all products of two.
static nrg_status summing(nrg_trainer *t, const nrg_moments *m, nrg_dtype type, bool products, bool off, int64_t batch, nrg_program *p) {
    int64_t D = m->from[m->atoms];
    nrg_infer_options o = {.threads = t->o.threads, .batch = batch};
    TRY(nrg_program_new(t->m, type, &o, p));
    nrg_graph *g = p->g;
    nrg_node v = NRG_BAD, out[OUTPUTS];
    for (uint32_t k = 0; k < m->atoms; k++) {
        int64_t n = m->from[k + 1] - m->from[k];
        nrg_node x = nrg_reshape(g, nrg_graph_copy(g, m->found.g, m->atom[k], NULL, NULL, 0), nrg_shape_of(1, &n));
        v = k ? nrg_concat(g, v, x, 0) : x;
    }
    if (off) v = nrg_sub(g, v, nrg_input(g, "moments:centre", 0, nrg_shape_of(1, &D)));
    nrg_node w = nrg_bound_weight(t->bound, p->scope), one = nrg_const(g, 1), root = w.i == one.i ? v : nrg_mul(g, v, nrg_sqrt(g, w));
    nrg_node row = nrg_reshape(g, root, nrg_shape_of(2, (int64_t[]){1, D})); // one node on both sides, so half of the products are made
    out[MASS] = nrg_reduce(g, NRG_OP_sum, nrg_expand(g, w, nrg_shape_of(0, NULL), NRG_SAMPLE), 0, NRG_SAMPLE, false);
    out[SUM] = nrg_reduce(g, NRG_OP_sum, nrg_mul(g, v, w), 0, NRG_SAMPLE, false);
    out[SQUARES] = products ? nrg_matmul(g, row, row, true, false, NRG_SAMPLE) : nrg_reduce(g, NRG_OP_sum, nrg_square(g, root), 0, NRG_SAMPLE, false);
    return nrg_program_plan(p, out, OUTPUTS, NULL, 0, batch, t->o.threads);
}

static void add_sums(const nrg_program *p, bool products, sums *s) {
    const double *more = p->values + p->offset[SQUARES];
    s->weight += p->values[0];
    for (int64_t i = 0; i < s->D; i++) s->sum[i] += p->values[p->offset[SUM] + i];
    for (int64_t i = 0; i < s->D; i++)
        for (int64_t j = i; j < (products ? s->D : i + 1); j++) s->C[i * s->D + j] += more[products ? i * s->D + j : i];
}

static nrg_status pass(nrg_trainer *t, nrg_program *p, bool products, int64_t batch, int64_t rows, sums *s) {
    for (int64_t at = 0; at < rows; at += batch) {
        int64_t many = rows - at < batch ? rows - at : batch;
        TRY(nrg_bound_rows_set(t->bound, t->store, t->rows + at));
        TRY(nrg_program_go(p, t->store, many, t->o.seed, (uint32_t)t->total));
        add_sums(p, products, s);
    }
    return NRG_OK;
}

// What sums are taken around: the mean of some rows where it lies far off zero beside the spread, so that an offset of the data takes no
// digits; else zero, which costs less than one and leaves the zeros of pictures what they are.
static void aim(sums *s) {
    for (int64_t i = 0; i < s->D && s->weight > 0; i++) {
        double mean = s->sum[i] / s->weight, spread = s->C[i * s->D + i] / s->weight - mean * mean;
        s->centre[i] = mean * mean > FAR * FAR * spread ? mean : 0;
        s->off = s->off || s->centre[i] != 0;
        s->C[i * s->D + i] = 0;
    }
    memset(s->sum, 0, (size_t)s->D * sizeof(double));
    s->weight = 0;
}

static nrg_status gather(nrg_trainer *t, nrg_moments *m, sums *s) {
    int64_t batch[2] = {t->rows_n < CENTRE_ROWS ? t->rows_n : CENTRE_ROWS, t->rows_n < NRG_CHUNK ? t->rows_n : NRG_CHUNK};
    TRY(nrg_store_put(t->store, "moments:centre", (nrg_buffer){.data = s->centre, .type = NRG_BUF_F64}));
    for (int products = 0; products < 2; products++) {
        nrg_program p = {0};
        nrg_status st = summing(t, m, m->fine || !products ? NRG_F64 : NRG_F32, products, s->off, batch[products], &p);
        if (st == NRG_OK) st = pass(t, &p, products, batch[products], products ? t->rows_n : batch[0], s);
        nrg_program_free(&p);
        TRY(st);
        if (!products) aim(s);
    }
    for (int64_t i = 0; i < s->D; i++) s->sum[i] /= s->weight;
    for (int64_t i = 0; i < s->D; i++)
        for (int64_t j = i; j < s->D; j++) s->C[i * s->D + j] = s->C[i * s->D + j] / s->weight - s->sum[i] * s->sum[j];
    for (int64_t i = 0; i < s->D; i++) s->centre[i] += s->sum[i]; // the mean
    return NRG_OK;
}

nrg_dtype nrg_moments_type(const nrg_trainer *t, const nrg_moments *m) { return m->fine ? NRG_F64 : t->type; }

// ---- points with these moments -----------------------------------------------------------------------------------

// row -= sum of four rows times their numbers, from place j on.
static void minus(double *restrict row, const double *restrict a, int64_t D, const double c[4], int64_t j) {
    const double *restrict b = a + D, *restrict d = b + D, *restrict e = d + D;
    for (; j < D; j++) row[j] -= c[0] * a[j] + c[1] * b[j] + c[2] * d[j] + c[3] * e[j];
}

enum { BLOCK = 32 }; // rows whose products are taken from the rest together: they stay in the cache

// Upper R with R' R = C, in place. A row that depends on those before it becomes zero. scratch: [D]. Gives how many do not.
static int64_t triangle(double *C, double *scratch, int64_t D, double least) {
    int64_t rank = 0;
    for (int64_t i = 0; i < D; i++) scratch[i] = C[i * D + i];
    for (int64_t from = 0; from < D; from += BLOCK) {
        int64_t to = from + BLOCK < D ? from + BLOCK : D;
        for (int64_t i = from; i < to; i++) {
            double *row = C + i * D;
            for (int64_t k = from; k < i; k++)
                for (int64_t j = i; j < D; j++) row[j] -= C[k * D + i] * C[k * D + j];
            bool own = row[i] > least * scratch[i];
            double by = own ? 1 / sqrt(row[i]) : 0;
            for (int64_t j = i; j < D; j++) row[j] *= by;
            rank += own;
        }
        for (int64_t i = to; i < D; i++) // BLOCK is four times something, so only the last block is not, and nothing follows it
            for (int64_t k = from; k < to; k += 4) {
                double c[4] = {C[k * D + i], C[(k + 1) * D + i], C[(k + 2) * D + i], C[(k + 3) * D + i]};
                minus(C + i * D, C + k * D, D, c, i);
            }
    }
    return rank;
}

// With rows r of R and orthonormal columns h that sum to zero, the points centre + sqrt(n) sum of h r have the mean and the covariance.
// The columns are Helmert's: column k is 1 for the points up to k, -(k + 1) for the next and 0 for the rest, over its length.
static void spread(const nrg_moments *m, nrg_dtype type, sums *s) {
    int64_t D = s->D, n = m->points, k = 0;
    double *tail = s->sum, far = sqrt((double)n); // tail: sum of the columns that are 1 for this point
    for (int64_t i = 0; i < D; i++)
        if (s->C[i * D + i] > 0) memmove(s->C + k++ * D, s->C + i * D, (size_t)D * sizeof(double));
    memset(tail, 0, (size_t)D * sizeof(double));
    for (int64_t r = n - 1; r >= 0; r--) {
        double more = r < n - 1 ? far / sqrt((double)(r + 1) * (double)(r + 2)) : 0;
        double less = r > 0 ? far * (double)r / sqrt((double)r * (double)(r + 1)) : 0;
        const double *on = s->C + (r < n - 1 ? r : 0) * D, *off = s->C + (r > 0 ? r - 1 : 0) * D;
        for (int64_t j = 0; j < D; j++) tail[j] += more * on[j];
        for (uint32_t a = 0; a < m->atoms; a++) {
            int64_t wide = m->from[a + 1] - m->from[a];
            int64_t place = m->from[a] * n + r * wide;
            for (int64_t j = 0; j < wide; j++) {
                int64_t from = m->from[a] + j;
                double x = s->centre[from] + tail[from] - less * off[from];
                if (type == NRG_F64) ((double *)m->at)[place + j] = x;
                else ((float *)m->at)[place + j] = (float)x;
            }
        }
    }
}

static const char *name_of(nrg_arena *a, uint32_t atom) { return nrg_arena_print(a, "moments:%u", atom); }

static nrg_status put(nrg_trainer *t, nrg_moments *m, sums *s) {
    double *scratch = s->sum; // the mean is in the centre by now
    for (int64_t i = 0; i < s->D; i++)
        for (int64_t j = 0; j < i; j++) s->C[i * s->D + j] = 0;
    m->points = triangle(s->C, scratch, s->D, m->fine ? 1e-14 : 1e-7) + 1;
    nrg_dtype type = nrg_moments_type(t, m);
    m->bytes = (size_t)(s->D * m->points + 1) * nrg_dtype_size(type);
    if (!(m->at = nrg_mem(t->ctx, NULL, 0, m->bytes))) return NRG_E098;
    spread(m, type, s);
    for (uint32_t k = 0; k < m->atoms; k++) {
        const char *name = name_of(&m->found.arena, k);
        if (!name) return NRG_E098;
        nrg_buffer b = {.data = (char *)m->at + (size_t)(m->from[k] * m->points) * nrg_dtype_size(type),
                        .type = type == NRG_F64 ? NRG_BUF_F64 : NRG_BUF_F32};
        TRY(nrg_store_put(t->store, name, b));
    }
    return NRG_OK;
}

nrg_status nrg_moments_make(nrg_trainer *t, nrg_moments *m) {
    if (m->at) return NRG_OK;
    sums s = {.D = m->from[m->atoms]};
    s.bytes = (size_t)(s.D * (s.D + 2)) * sizeof(double);
    if (!(s.C = nrg_mem(t->ctx, NULL, 0, s.bytes))) return NRG_E098;
    memset(s.C, 0, s.bytes);
    s.centre = s.C + s.D * s.D;
    s.sum = s.centre + s.D;
    nrg_status st = gather(t, m, &s);
    if (st == NRG_OK) st = put(t, m, &s);
    nrg_mem(t->ctx, s.C, s.bytes, 0);
    return st;
}

// ---- losses at the points ----------------------------------------------------------------------------------------

nrg_status nrg_moments_swap(const nrg_trainer *t, const nrg_moments *m, nrg_program *p, nrg_node *loss) {
    nrg_node *from = NRG_NEWS(&p->arena, nrg_node, m->atoms + 1), *by = NRG_NEWS(&p->arena, nrg_node, m->atoms + 1);
    if (!from || !by) return NRG_E098;
    TRY(unweighed(t, p, loss));
    for (uint32_t k = 0; k < m->atoms; k++) {
        const char *name = name_of(&p->arena, k);
        if (!name) return NRG_E098;
        from[k] = nrg_graph_copy(p->g, m->found.g, m->atom[k], NULL, NULL, 0); // equal nodes are one
        by[k] = nrg_input(p->g, name, NRG_SAMPLE, info(&m->found, m->atom[k].i)->shape);
    }
    *loss = nrg_graph_copy(p->g, p->g, *loss, from, by, (int)m->atoms);
    return nrg_graph_check(p->g);
}

nrg_status nrg_moments_row(const nrg_moments *m, nrg_program *p, nrg_node *y) {
    nrg_graph *g = p->g;
    int64_t D = m->from[m->atoms];
    for (uint32_t k = 0; k < m->atoms; k++) {
        const char *name = name_of(&p->arena, k);
        int64_t n = m->from[k + 1] - m->from[k];
        if (!name) return NRG_E098;
        nrg_node x = nrg_reshape(g, nrg_input(g, name, NRG_SAMPLE, info(&m->found, m->atom[k].i)->shape), nrg_shape_of(1, &n));
        *y = k ? nrg_concat(g, *y, x, 0) : x;
    }
    nrg_node sum = nrg_reduce(g, NRG_OP_sum, *y, 0, NRG_SAMPLE, false);
    *y = nrg_sub(g, *y, nrg_mul(g, sum, nrg_const(g, 1 / (double)m->points)));
    *y = nrg_reshape(g, *y, nrg_shape_of(2, (int64_t[]){1, D}));
    return nrg_graph_check(g);
}

nrg_status nrg_moments_outputs(nrg_trainer *t, nrg_moments *m, nrg_program *p, nrg_node *out, int *n) {
    nrg_loss l;
    TRY(nrg_loss_build(p, t->bound, t->store, false, &l));
    TRY(nrg_moments_swap(t, m, p, &l.sample));
    out[0] = nrg_reduce(p->g, NRG_OP_sum, l.sample, 0, NRG_SAMPLE, false);
    out[1] = l.once;
    *n = 2;
    for (int i = 0; i < NRG_SEEN_COUNT; i++) {
        if (!(m->seen[i] = l.seen[i].i != 0)) continue;
        nrg_node x = info(p, l.seen[i].i)->in[0];
        TRY(nrg_moments_swap(t, m, p, &x));
        out[(*n)++] = nrg_reduce(p->g, NRG_OP_sum, x, 0, NRG_SAMPLE, false);
    }
    return nrg_graph_check(p->g);
}

double nrg_moments_read(nrg_trainer *t, const nrg_moments *m, const double *values) {
    double n = (double)m->points;
    for (int i = 0, k = 2; i < NRG_SEEN_COUNT; i++)
        if (m->seen[i]) t->sums.seen[i] = values[k++] / n;
    return values[0] / n + values[1];
}

static nrg_status value_build(nrg_trainer *t, nrg_moments *m, nrg_program *p) {
    nrg_infer_options o = {.threads = t->o.threads, .batch = m->points};
    nrg_node out[NRG_MOMENTS_OUT];
    int n;
    TRY(nrg_program_new(t->m, nrg_moments_type(t, m), &o, p));
    p->draws_mode = NRG_DRAWS_LEVEL;
    TRY(nrg_moments_outputs(t, m, p, out, &n));
    return nrg_program_plan(p, out, n, NULL, 0, m->points, t->o.threads);
}

nrg_status nrg_moments_loss(nrg_trainer *t, nrg_moments *m, double *loss) {
    nrg_program *p = &m->value;
    if (!p->run) TRY(value_build(t, m, p));
    TRY(nrg_program_go(p, t->store, m->points, t->o.seed, (uint32_t)t->total));
    *loss = nrg_moments_read(t, m, p->values);
    return NRG_OK;
}
