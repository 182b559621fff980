// The reference executor: every row in a few plain lines, in double, over whole nodes. The living definition: other
// executors are compared with it. A loop walks an index space; each operand has a stride for every axis of the space,
// 0 where it does not carry the axis or is broadcast along it.
#include "exec/exec.h"
#include <math.h>
#include <string.h>

enum { AXES = NRG_MAX_LEADS + 2 * NRG_MAX_RANK + 4, OPERANDS = 4 };

// A node's memory: leading axes in the order of their numbers, then event axes, row-major.
typedef struct {
    double *at;
    int64_t count;
    int64_t lead[NRG_MAX_LEADS]; // strides; 0: not carried
    int64_t event[NRG_MAX_RANK];
    const nrg_node_info *x;
} view;

typedef struct {
    nrg_ctx *ctx;
    const nrg_graph *g;
    int64_t n; // samples
    const double *const *inputs;
    uint64_t seed;
    uint32_t step;
    view *v;
} ref;

static int64_t extent(const ref *r, int i) {
    return i == 0 ? r->n : nrg_lead_extent(r->g, (nrg_leads)1 << i);
}

// ---- loops

typedef struct {
    int axes;
    int64_t left, dim[AXES], i[AXES], stride[OPERANDS][AXES], off[OPERANDS];
} loop;

static loop loop_make(void) {
    loop l;
    memset(&l, 0, sizeof l);
    l.left = 1;
    return l;
}

static void axis(loop *l, int64_t dim, int64_t s0, int64_t s1, int64_t s2, int64_t s3) {
    int64_t s[OPERANDS] = {s0, s1, s2, s3};
    for (int k = 0; k < OPERANDS; k++) l->stride[k][l->axes] = s[k];
    l->dim[l->axes++] = dim;
    l->left *= dim;
}

static void next(loop *l) {
    l->left--;
    for (int a = l->axes - 1; a >= 0; a--) {
        for (int k = 0; k < OPERANDS; k++) l->off[k] += l->stride[k][a];
        if (++l->i[a] < l->dim[a]) return;
        for (int k = 0; k < OPERANDS; k++) l->off[k] -= l->stride[k][a] * l->dim[a];
        l->i[a] = 0;
    }
}

#define EACH(l) for (; (l).left > 0; next(&(l)))

static int64_t lead_stride(const view *v, int i) { return v ? v->lead[i] : 0; }

// Stride of the k-th event axis from the right.
static int64_t right_stride(const view *v, int k) {
    if (!v || k >= v->x->shape.rank) return 0;
    int a = v->x->shape.rank - 1 - k;
    return v->x->shape.dim[a] == 1 ? 0 : v->event[a];
}

// The leading axes of `which`, walked by all four operands.
static void lead_axes(const ref *r, loop *l, nrg_leads which, const view *o, const view *a,
                      const view *b, const view *c) {
    for (int i = 0; i < NRG_MAX_LEADS; i++)
        if (which >> i & 1)
            axis(l, extent(r, i), lead_stride(o, i), lead_stride(a, i), lead_stride(b, i),
                 lead_stride(c, i));
}

static void fill(view *o, double value) {
    for (int64_t i = 0; i < o->count; i++) o->at[i] = value;
}

// ---- leaves

static void do_iota(const ref *r, view *o) {
    (void)r;
    for (int64_t i = 0; i < o->count; i++) o->at[i] = (double)i;
}

// Number e of a sample: nrg_random_uniform or _normal of element e in the stream of its id. Ids are whole numbers >= 0.
static void do_random(const ref *r, view *o, const view *ids) {
    const nrg_params *p = &o->x->par;
    int64_t n = nrg_shape_count(&o->x->shape);
    uint64_t seed = r->seed;
    uint32_t step = nrg_random_when(p->random.every, p->random.after, r->step, &seed);
    for (int64_t i = 0; i < o->count; i++) {
        double id = ids->at[i / n];
        uint64_t stream = id >= 0 && id < 18446744073709551616.0 ? (uint64_t)id : 0;
        uint32_t e = (uint32_t)(i % n);
        o->at[i] = p->random.kind == NRG_RANDOM_NORMAL
                       ? nrg_random_normal(seed, p->random.purpose, stream, step, e)
                       : nrg_random_uniform(seed, p->random.purpose, stream, step, e);
    }
}

// ---- elementwise

static void do_elementwise(const ref *r, view *o, const view *a, const view *b, const view *c) {
    loop l = loop_make();
    lead_axes(r, &l, o->x->leads, o, a, b, c);
    for (int k = o->x->shape.rank - 1; k >= 0; k--)
        axis(&l, o->x->shape.dim[o->x->shape.rank - 1 - k], right_stride(o, k), right_stride(a, k),
             right_stride(b, k), right_stride(c, k));
    EACH(l)
    o->at[l.off[0]] =
        nrg_op_value(o->x->op, a->at[l.off[1]], b ? b->at[l.off[2]] : 0, c ? c->at[l.off[3]] : 0);
}

// ---- reductions

static bool beats(double x, double best,
                  bool larger) { // NaN beats all numbers, the first one stays
    if (isnan(best)) return false;
    return isnan(x) || (larger ? x > best : x < best);
}

// The extreme of a line: its value, and its place among the reduced axes. Without entries: -inf or inf, and 0.
static double extreme(const double *a, loop l, bool larger, int64_t *place) {
    double best = larger ? -INFINITY : INFINITY;
    int64_t i = 0;
    *place = 0;
    EACH(l) {
        if (i == 0 || beats(a[l.off[1]], best, larger)) best = a[l.off[1]], *place = i;
        i++;
    }
    return best;
}

static double log_sum_exp(const double *a, loop l) {
    int64_t place;
    double sum = 0, most = extreme(a, l, true, &place);
    if (isinf(most) || isnan(most)) return most;
    EACH(l) sum += exp(a[l.off[1]] - most);
    return most + log(sum);
}

static double reduce_line(nrg_op op, const double *a, loop l) {
    int64_t place;
    double v = op == NRG_OP_prod ? 1 : 0;
    switch (op) {
    case NRG_OP_sum: EACH(l) v += a[l.off[1]]; return v;
    case NRG_OP_prod: EACH(l) v *= a[l.off[1]]; return v;
    case NRG_OP_rmax: return extreme(a, l, true, &place);
    case NRG_OP_rmin: return extreme(a, l, false, &place);
    case NRG_OP_lse: return log_sum_exp(a, l);
    default: extreme(a, l, op == NRG_OP_argmax, &place); return (double)place;
    }
}

static void do_reduce(const ref *r, view *o, const view *a) {
    uint32_t axes = o->x->par.reduce.axes, keep = o->x->par.reduce.keep;
    loop over = loop_make(), within = loop_make();
    lead_axes(r, &over, o->x->leads, o, a, NULL, NULL);
    lead_axes(r, &within, o->x->par.reduce.leads, NULL, a, NULL, NULL);
    for (int i = 0, k = 0; i < a->x->shape.rank; i++) {
        if (axes >> i & 1)
            axis(&within, a->x->shape.dim[i], 0, a->event[i], 0, 0), k += keep;
        else
            axis(&over, a->x->shape.dim[i], o->event[k++], a->event[i], 0, 0);
    }
    EACH(over) o->at[over.off[0]] = reduce_line(o->x->op, a->at + over.off[1], within);
}

// ---- movement: o[...] = a[...], with strides that say where

static void copy(view *o, int64_t o_start, const view *a, int64_t a_start, loop l) {
    EACH(l) o->at[o_start + l.off[0]] = a->at[a_start + l.off[1]];
}

static void do_reshape(view *o, const view *a) {
    if (o->count) memcpy(o->at, a->at, (size_t)o->count * sizeof *o->at);
}

static void do_permute(const ref *r, view *o, const view *a) {
    loop l = loop_make();
    lead_axes(r, &l, o->x->leads, o, a, NULL, NULL);
    for (int i = 0; i < o->x->shape.rank; i++)
        axis(&l, o->x->shape.dim[i], o->event[i], a->event[o->x->par.perm.order[i]], 0, 0);
    copy(o, 0, a, 0, l);
}

static void do_slice(const ref *r, view *o, const view *a) {
    int cut = o->x->par.slice.axis;
    loop l = loop_make();
    lead_axes(r, &l, o->x->leads, o, a, NULL, NULL);
    for (int i = 0; i < o->x->shape.rank; i++)
        axis(&l, o->x->shape.dim[i], o->event[i],
             a->event[i] * (i == cut ? o->x->par.slice.step : 1), 0, 0);
    copy(o, 0, a, o->x->par.slice.start * a->event[cut], l);
}

// a laid into o from position `start` of event axis `cut` on.
static void lay(const ref *r, view *o, const view *a, int cut, int64_t start) {
    loop l = loop_make();
    lead_axes(r, &l, o->x->leads, o, a, NULL, NULL);
    for (int i = 0; i < a->x->shape.rank; i++)
        axis(&l, a->x->shape.dim[i], o->event[i], a->event[i], 0, 0);
    copy(o, start * o->event[cut], a, 0, l);
}

static void do_pad(const ref *r, view *o, const view *a) {
    fill(o, 0);
    lay(r, o, a, o->x->par.pad.axis, o->x->par.pad.before);
}

static void do_concat(const ref *r, view *o, const view *a, const view *b) {
    int cut = o->x->par.axis.axis;
    lay(r, o, a, cut, 0);
    lay(r, o, b, cut, a->x->shape.dim[cut]);
}

// An event axis of `flat` is leading axis `lead` of `high`; to: the one that is written.
static void do_lift(const ref *r, view *to, const view *from, view *flat_o, const view *flat_a) {
    int cut = to->x->par.lift.axis, k = 0, lead = 0;
    const view *flat = flat_o ? flat_o : flat_a, *high = flat_o ? from : to;
    loop l = loop_make();
    while (!(to->x->par.lift.lead >> lead & 1)) lead++;
    lead_axes(r, &l, flat->x->leads, to, from, NULL, NULL);
    for (int i = 0; i < flat->x->shape.rank; i++) {
        int64_t h = i == cut ? high->lead[lead] : high->event[k++];
        axis(&l, flat->x->shape.dim[i], flat_o ? flat->event[i] : h, flat_o ? h : flat->event[i], 0,
             0);
    }
    copy(to, 0, from, 0, l);
}

// ---- indexing: the row that a stored index names, -1 when it is none of n

static int64_t row_of(double index, int64_t n) {
    double row = floor(index + 0.5);
    return row >= 0 && row < (double)n ? (int64_t)row : -1;
}

static void do_take(const ref *r, view *o, const view *a, const view *b) {
    int m = b->x->shape.rank;
    loop l = loop_make();
    lead_axes(r, &l, o->x->leads, o, a, b, NULL);
    for (int i = 0; i < o->x->shape.rank; i++)
        axis(&l, o->x->shape.dim[i], o->event[i], i < m ? 0 : a->event[i - m + 1],
             i < m ? b->event[i] : 0, 0);
    EACH(l) {
        int64_t row = row_of(b->at[l.off[2]], a->x->shape.dim[0]);
        o->at[l.off[0]] = row < 0 ? NAN : a->at[row * a->event[0] + l.off[1]];
    }
}

static void do_put(const ref *r, view *o, const view *a, const view *b) {
    int m = a->x->shape.rank;
    loop l = loop_make();
    fill(o, 0);
    lead_axes(r, &l, a->x->leads | b->x->leads, o, a, b, NULL);
    for (int i = 0; i < b->x->shape.rank; i++)
        axis(&l, b->x->shape.dim[i], i < m ? 0 : o->event[i - m + 1], i < m ? a->event[i] : 0,
             b->event[i], 0);
    EACH(l) {
        int64_t row = row_of(a->at[l.off[1]], o->x->shape.dim[0]);
        if (row >= 0) o->at[row * o->event[0] + l.off[0]] += b->at[l.off[2]];
    }
}

// ---- linear algebra

static void do_matmul(const ref *r, view *o, const view *a, const view *b) {
    uint32_t ta = o->x->par.matmul.ta, tb = o->x->par.matmul.tb;
    loop l = loop_make();
    fill(o, 0);
    lead_axes(r, &l, a->x->leads | b->x->leads, o, a, b, NULL);
    axis(&l, o->x->shape.dim[0], o->event[0], a->event[ta], 0, 0);
    axis(&l, o->x->shape.dim[1], o->event[1], 0, b->event[!tb], 0);
    axis(&l, a->x->shape.dim[!ta], 0, a->event[!ta], b->event[tb], 0);
    EACH(l) o->at[l.off[0]] += a->at[l.off[1]] * b->at[l.off[2]];
}

// conv, convx and convw are one sum over image [C,H,W] (0), filters [F,C,h,w] (1) and answer [F,H',W'] (2), where the
// answer at y, x meets the image at y * stride + i - pad; they differ in which of the three is added to.
static void do_conv(const ref *r, view *o, const view *image, const view *filter,
                    const view *answer) {
    const nrg_params *p = &o->x->par;
    const int64_t *f = filter->x->shape.dim, *H = image->x->shape.dim, *y = answer->x->shape.dim;
    const view *v[3] = {image, filter, answer};
    loop l = loop_make();
    fill(o, 0);
    lead_axes(r, &l, image->x->leads | filter->x->leads | answer->x->leads, image, filter, answer,
              NULL);
    int first = l.axes;
    axis(&l, f[0], 0, filter->event[0], answer->event[0], 0);
    axis(&l, f[1], image->event[0], filter->event[1], 0, 0);
    axis(&l, f[2], image->event[1], filter->event[2], 0, 0);
    axis(&l, f[3], image->event[2], filter->event[3], 0, 0);
    axis(&l, y[1], image->event[1] * p->conv.stride, 0, answer->event[1], 0);
    axis(&l, y[2], image->event[2] * p->conv.stride, 0, answer->event[2], 0);
    EACH(l) {
        int64_t Y = l.i[first + 4] * p->conv.stride + l.i[first + 2] - p->conv.pad_h;
        int64_t X = l.i[first + 5] * p->conv.stride + l.i[first + 3] - p->conv.pad_w;
        if (Y < 0 || Y >= H[1] || X < 0 || X >= H[2]) continue;
        int64_t at[3] = {l.off[0] - p->conv.pad_h * image->event[1] -
                             p->conv.pad_w * image->event[2],
                         l.off[1], l.off[2]};
        double product = 1;
        for (int k = 0; k < 3; k++)
            if (v[k] != o) product *= v[k]->at[at[k]];
        o->at[at[o == image ? 0 : o == filter ? 1 : 2]] += product;
    }
}

// Lower triangle of a [n, n] only; the whole factor is NaN where a pivot is not positive.
static void chol(double *L, const double *a, int64_t n) {
    bool fair = true;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            double s = a[i * n + j];
            for (int64_t k = 0; k < j; k++) s -= L[i * n + k] * L[j * n + k];
            fair = fair && (i != j || s > 0);
            L[i * n + j] = i == j ? sqrt(s) : s / L[j * n + j];
            if (i != j) L[j * n + i] = 0;
        }
    for (int64_t i = 0; !fair && i < n * n; i++) L[i] = NAN;
}

// Gauss-Jordan with partial pivoting on w [n, n]; y (may be NULL) ends as the inverse. Returns log |det|.
static double eliminate(double *w, double *y, int64_t n) {
    double logdet = 0;
    for (int64_t i = 0; y && i < n * n; i++) y[i] = i / n == i % n;
    for (int64_t c = 0; c < n; c++) {
        int64_t p = c;
        for (int64_t i = c + 1; i < n; i++)
            if (fabs(w[i * n + c]) > fabs(w[p * n + c]) || isnan(w[i * n + c])) p = i;
        double pivot = w[p * n + c];
        logdet += log(fabs(pivot));
        for (int64_t j = 0; j < n; j++) {
            double t = w[c * n + j];
            w[c * n + j] = w[p * n + j] / pivot, w[p * n + j] = p == c ? w[c * n + j] : t;
            if (!y) continue;
            t = y[c * n + j];
            y[c * n + j] = y[p * n + j] / pivot, y[p * n + j] = p == c ? y[c * n + j] : t;
        }
        for (int64_t i = 0; i < n; i++) {
            double m = w[i * n + c];
            for (int64_t j = 0; j < n && i != c; j++) {
                w[i * n + j] -= m * w[c * n + j];
                if (y) y[i * n + j] -= m * y[c * n + j];
            }
        }
        if (pivot == 0) break;
    }
    return logdet;
}

static nrg_status do_square(const ref *r, view *o, const view *a) {
    int64_t n = a->x->shape.dim[0], size = n * n, many = size ? a->count / size : 0;
    if (size == 0) fill(o, 0); // the determinant of nothing is 1
    size_t bytes = (size_t)(size ? size : 1) * sizeof(double);
    double *w = nrg_mem(r->ctx, NULL, 0, bytes);
    if (!w) return NRG_E098;
    for (int64_t i = 0; i < many; i++) {
        double *y = o->x->op == NRG_OP_inv ? o->at + i * size : NULL;
        memcpy(w, a->at + i * size, (size_t)size * sizeof(double));
        if (o->x->op == NRG_OP_chol) {
            chol(o->at + i * size, w, n);
            continue;
        }
        double logdet = eliminate(w, y, n);
        if (o->x->op == NRG_OP_logdet) o->at[i] = logdet;
        for (int64_t k = 0; y && k < size && !isfinite(logdet); k++) y[k] = NAN;
    }
    nrg_mem(r->ctx, w, bytes, 0);
    return NRG_OK;
}

static void do_trisolve(const ref *r, view *o, const view *a, const view *b) {
    bool t = o->x->par.tri.transpose;
    int64_t n = a->x->shape.dim[0], m = b->x->shape.dim[1];
    loop l = loop_make();
    lead_axes(r, &l, o->x->leads, o, a, b, NULL);
    axis(&l, m, 1, 0, 1, 0);
    EACH(l) {
        double *x = o->at + l.off[0];
        const double *L = a->at + l.off[1], *rhs = b->at + l.off[2];
        for (int64_t q = 0; q < n; q++) {
            int64_t i = t ? n - 1 - q : q;
            double s = rhs[i * m];
            for (int64_t p = 0; p < q; p++) {
                int64_t k = t ? n - 1 - p : p;
                s -= (t ? L[k * n + i] : L[i * n + k]) * x[k * m];
            }
            x[i * m] = s / L[i * n + i];
        }
    }
}

// ---- the whole graph

static nrg_status do_input(const ref *r, view *o) {
    uint32_t slot = o->x->par.input.slot;
    if (o->count == 0) return NRG_OK;
    if (!r->inputs || !r->inputs[slot])
        return nrg_fail(r->ctx, NRG_E099, o->x->span, "input %s is not bound",
                        nrg_input_name(r->g, slot));
    memcpy(o->at, r->inputs[slot], (size_t)o->count * sizeof(double));
    return NRG_OK;
}

static nrg_status compute(const ref *r, view *o, const view *a, const view *b, const view *c) {
    nrg_op op = o->x->op;
    if (nrg_op_elementwise(op)) return do_elementwise(r, o, a, b, c), NRG_OK;
    if (nrg_op_reduction(op)) return do_reduce(r, o, a), NRG_OK;
    switch (op) {
    case NRG_OP_input: return do_input(r, o);
    case NRG_OP_const: fill(o, o->x->par.scalar.value); break;
    case NRG_OP_iota: do_iota(r, o); break;
    case NRG_OP_random: do_random(r, o, a); break;
    case NRG_OP_reshape: do_reshape(o, a); break;
    case NRG_OP_permute: do_permute(r, o, a); break;
    case NRG_OP_expand: {
        nrg_node_info as_stop =
            *o->x; // a copy with broadcasting, which is what the elementwise loop does
        view v = *o;
        as_stop.op = NRG_OP_stop;
        v.x = &as_stop;
        do_elementwise(r, &v, a, NULL, NULL);
        break;
    }
    case NRG_OP_slice: do_slice(r, o, a); break;
    case NRG_OP_pad: do_pad(r, o, a); break;
    case NRG_OP_concat: do_concat(r, o, a, b); break;
    case NRG_OP_lift: do_lift(r, o, a, NULL, a); break;
    case NRG_OP_lower: do_lift(r, o, a, o, NULL); break;
    case NRG_OP_take: do_take(r, o, a, b); break;
    case NRG_OP_put: do_put(r, o, a, b); break;
    case NRG_OP_matmul: do_matmul(r, o, a, b); break;
    case NRG_OP_conv: do_conv(r, o, a, b, o); break;
    case NRG_OP_convx: do_conv(r, o, o, b, a); break;
    case NRG_OP_convw: do_conv(r, o, a, o, b); break;
    case NRG_OP_trisolve: do_trisolve(r, o, a, b); break;
    default: return do_square(r, o, a);
    }
    return NRG_OK;
}

// Strides and memory of node i. Room for one number at least, so that an empty node has an address.
static nrg_status view_make(ref *r, uint32_t i) {
    view *v = &r->v[i];
    double size = 1;
    v->x = nrg_graph_node(r->g, (nrg_node){i});
    v->count = 1;
    for (int k = v->x->shape.rank - 1; k >= 0; k--) {
        v->event[k] = v->count;
        v->count *= v->x->shape.dim[k], size *= (double)v->x->shape.dim[k];
    }
    for (int k = NRG_MAX_LEADS - 1; k >= 0; k--) {
        if (!(v->x->leads >> k & 1)) continue;
        v->lead[k] = v->count;
        size *= (double)extent(r, k);
        if (size > 1e15)
            return nrg_fail(r->ctx, NRG_E098, v->x->span, "a node of more than 10^15 numbers");
        v->count *= extent(r, k);
    }
    v->at = nrg_mem(r->ctx, NULL, 0, (size_t)(v->count ? v->count : 1) * sizeof(double));
    return v->at ? NRG_OK : NRG_E098;
}

static void drop(ref *r, uint32_t i) {
    view *v = &r->v[i];
    if (v->at) nrg_mem(r->ctx, v->at, (size_t)(v->count ? v->count : 1) * sizeof(double), 0);
    v->at = NULL;
}

// uses[i]: how many nodes read node i and are wanted; outputs count as one more, so that they stay to the end.
static uint32_t count_uses(const nrg_graph *g, uint32_t *uses, const nrg_node *outputs, int n) {
    uint32_t top = 0;
    for (int i = 0; i < n; i++) {
        uses[outputs[i].i]++;
        if (outputs[i].i > top) top = outputs[i].i;
    }
    for (uint32_t i = top; i > 0; i--)
        for (int k = 0; uses[i] && k < 3; k++) {
            nrg_node in = nrg_graph_node(g, (nrg_node){i})->in[k];
            if (in.i) uses[in.i]++;
        }
    return top;
}

static nrg_status eval(ref *r, uint32_t top, uint32_t *uses) {
    for (uint32_t i = 1; i <= top; i++) {
        if (!uses[i]) continue;
        const nrg_node *in = nrg_graph_node(r->g, (nrg_node){i})->in;
        TRY(view_make(r, i));
        const view *v[3];
        for (int k = 0; k < 3; k++) v[k] = in[k].i ? &r->v[in[k].i] : NULL;
        TRY(compute(r, &r->v[i], v[0], v[1], v[2]));
        for (int k = 0; k < 3; k++)
            if (in[k].i && --uses[in[k].i] == 0) drop(r, in[k].i);
    }
    return NRG_OK;
}

nrg_status nrg_ref_eval(nrg_ctx *c, const nrg_graph *g, int64_t n, const double *const *inputs,
                        uint64_t seed, uint32_t step, const nrg_node *outputs, int outputs_n,
                        double *const *results) {
    uint32_t size = nrg_graph_size(g) + 1;
    nrg_arena scratch = nrg_arena_make(c);
    ref r = {c, g, n, inputs, seed, step, NRG_NEWS(&scratch, view, size)};
    uint32_t *uses = NRG_NEWS(&scratch, uint32_t, size);
    nrg_status s = r.v && uses ? NRG_OK : NRG_E098;
    for (int i = 0; i < outputs_n && s == NRG_OK; i++)
        if (outputs[i].i == 0 || outputs[i].i >= size)
            s = nrg_fail(c, NRG_E099, NRG_NOWHERE, "output %d is not a node of the graph", i);
    if (s == NRG_OK && n < 0)
        s = nrg_fail(c, NRG_E099, NRG_NOWHERE, "a run of %lld samples", (long long)n);
    if (s == NRG_OK) s = eval(&r, count_uses(g, uses, outputs, outputs_n), uses);
    for (int i = 0; i < outputs_n && s == NRG_OK; i++) {
        const view *v = &r.v[outputs[i].i];
        if (v->count) memcpy(results[i], v->at, (size_t)v->count * sizeof(double));
    }
    for (uint32_t i = 1; r.v && i < size; i++) drop(&r, i);
    nrg_arena_free(&scratch);
    return s;
}
