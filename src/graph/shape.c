// Shape rules: shape_<word> gives leading axes and event shape of a node, or says what was found and what was expected.
#include "graph/inside.h"
#include <string.h>

bool nrg_shape_same(const nrg_shape *a, const nrg_shape *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

// Below 2^48 numbers a node, so that products of counts and sizes never overflow.
bool nrg_shape_fair(const nrg_shape *s) {
    int64_t n = 1;
    if (s->rank < 0 || s->rank > NRG_MAX_RANK) return false;
    for (int i = 0; i < s->rank; i++) {
        if (s->dim[i] < 0 || s->dim[i] > INT64_C(1) << 40) return false;
        if (s->dim[i] > 1 && n > (INT64_C(1) << 48) / s->dim[i]) return false;
        if (s->dim[i] > 1) n *= s->dim[i];
    }
    return true;
}

void nrg_shape_words(const nrg_graph *g, nrg_leads leads, const nrg_shape *s, char *out, size_t n) {
    size_t at = 0;
#define SAY(...) (at < n ? at += (size_t)snprintf(out + at, n - at, __VA_ARGS__) : 0)
    SAY("%s", "");
    if (leads) SAY("{");
    for (int i = 0, first = 1; i < g->leads; i++)
        if (leads >> i & 1) SAY("%s%s", first ? "" : ", ", g->lead[i].name), first = 0;
    if (leads) SAY("} ");
    SAY("[");
    for (int i = 0; i < s->rank && i < NRG_MAX_RANK; i++)
        SAY("%s%lld", i ? ", " : "", (long long)s->dim[i]);
    SAY("]");
#undef SAY
}

static bool refuse(nrg_rule *r, nrg_status s, const char *fmt, ...) NRG_PRINTF(3, 4);
static bool refuse(nrg_rule *r, nrg_status s, const char *fmt, ...) {
    char words[160];
    va_list ap;
    va_start(ap, fmt);
    nrg_vprint(r->why, sizeof r->why, fmt, ap);
    va_end(ap);
    const nrg_node_info *in[3] = {r->a, r->b, r->c};
    for (int i = 0; i < nrg_op_get(r->op)->arity; i++) {
        size_t n = strlen(r->why);
        nrg_shape_words(r->g, in[i]->leads, &in[i]->shape, words, sizeof words);
        snprintf(r->why + n, sizeof r->why - n, "%s %s", i ? " and" : "; found", words);
    }
    r->status = s;
    return false;
}

static bool axis_ok(nrg_rule *r, int32_t axis, int32_t rank) {
    if (axis >= 0 && axis < rank) return true;
    return refuse(r, NRG_E037, "axis %d of %s is not one of the %d event axes of its input", axis,
                  nrg_op_get(r->op)->name, rank);
}

static bool leads_ok(nrg_rule *r, nrg_leads leads, nrg_leads have) {
    if (!(leads & ~have)) return true;
    return refuse(r, NRG_E037, "%s sums over leading axes that its inputs do not carry",
                  nrg_op_get(r->op)->name);
}

static bool rank_ok(nrg_rule *r, const nrg_node_info *x, int rank, const char *what) {
    if (x->shape.rank == rank) return true;
    return refuse(r, NRG_E037, "%s expects %s of %d event axes", nrg_op_get(r->op)->name, what,
                  rank);
}

// ---- leaves

static bool shape_input(nrg_rule *r) { return refuse(r, NRG_E099, "inputs are made by nrg_input"); }

static bool shape_scalar(nrg_rule *r) {
    r->leads = 0;
    r->shape = nrg_shape_of(0, NULL);
    return true;
}

static bool shape_iota(nrg_rule *r) {
    nrg_leads lead = r->par->iota.lead;
    int64_t n = r->par->iota.n;
    if ((lead & (lead - 1)) || (lead & ~nrg_leads_all(r->g)))
        return refuse(r, NRG_E037, "iota expects one leading axis of the graph");
    if (n < 0 || (lead && n))
        return refuse(r, NRG_E037, "iota expects a count >= 0, found %lld", (long long)n);
    r->leads = lead;
    r->shape = lead ? nrg_shape_of(0, NULL) : nrg_shape_of(1, &n);
    return true;
}

static bool shape_random(nrg_rule *r) {
    if (!rank_ok(r, r->a, 0, "stream ids")) return false;
    if (r->par->random.kind > NRG_RANDOM_NORMAL)
        return refuse(r, NRG_E037, "unknown kind of random numbers %u", r->par->random.kind);
    r->leads = r->a->leads;
    r->shape = r->par->random.shape;
    return true;
}

// ---- elementwise

static bool shape_same(nrg_rule *r) {
    r->leads = r->a->leads;
    r->shape = r->a->shape;
    return true;
}

// Event axes aligned right; equal sizes, or one of them 1.
static bool broadcast(nrg_shape *s, const nrg_shape *x) {
    nrg_shape out = {0};
    out.rank = s->rank > x->rank ? s->rank : x->rank;
    for (int k = 0; k < out.rank; k++) {
        int64_t p = k < s->rank ? s->dim[s->rank - 1 - k] : 1,
                q = k < x->rank ? x->dim[x->rank - 1 - k] : 1;
        if (p != q && p != 1 && q != 1) return false;
        out.dim[out.rank - 1 - k] = p == 1 ? q : p;
    }
    *s = out;
    return true;
}

static bool shape_bcast(nrg_rule *r) {
    r->leads = r->a->leads | r->b->leads;
    r->shape = r->a->shape;
    if (broadcast(&r->shape, &r->b->shape)) return true;
    return refuse(r, NRG_E034, "%s expects event axes that agree from the right, or are 1",
                  nrg_op_get(r->op)->name);
}

static bool shape_bcast3(nrg_rule *r) {
    r->leads = r->a->leads | r->b->leads | r->c->leads;
    r->shape = r->a->shape;
    if (broadcast(&r->shape, &r->b->shape) && broadcast(&r->shape, &r->c->shape)) return true;
    return refuse(r, NRG_E034, "%s expects event axes that agree from the right, or are 1",
                  nrg_op_get(r->op)->name);
}

// ---- reductions

static bool shape_reduce(nrg_rule *r) {
    uint32_t axes = r->par->reduce.axes, keep = r->par->reduce.keep;
    nrg_shape s = {0};
    if (axes >> r->a->shape.rank)
        return refuse(r, NRG_E037, "%s reduces event axes 0x%x that are not there",
                      nrg_op_get(r->op)->name, axes);
    if (keep > 1) return refuse(r, NRG_E037, "keep is 0 or 1, found %u", keep);
    if (!leads_ok(r, r->par->reduce.leads, r->a->leads)) return false;
    for (int i = 0; i < r->a->shape.rank; i++) {
        if (!(axes >> i & 1))
            s.dim[s.rank++] = r->a->shape.dim[i];
        else if (keep)
            s.dim[s.rank++] = 1;
    }
    r->leads = r->a->leads & ~r->par->reduce.leads;
    r->shape = s;
    return true;
}

// ---- movement

static bool shape_reshape(nrg_rule *r) {
    const nrg_shape *s = &r->par->shape.shape;
    if (r->par->shape.leads) return refuse(r, NRG_E037, "reshape leaves leading axes alone");
    if (!nrg_shape_fair(s) || nrg_shape_count(s) != nrg_shape_count(&r->a->shape))
        return refuse(r, NRG_E037, "reshape expects as many numbers as before");
    r->leads = r->a->leads;
    r->shape = *s;
    return true;
}

static bool shape_permute(nrg_rule *r) {
    uint32_t seen = 0;
    int rank = r->a->shape.rank;
    r->leads = r->a->leads;
    r->shape = (nrg_shape){.rank = rank};
    for (int i = 0; i < NRG_MAX_RANK; i++) {
        int32_t k = r->par->perm.order[i];
        if (i >= rank && k != 0)
            return refuse(r, NRG_E037, "permute names more axes than its input has");
        if (i >= rank) continue;
        if (k < 0 || k >= rank || (seen >> k & 1))
            return refuse(r, NRG_E037, "permute expects every event axis once");
        seen |= 1u << k;
        r->shape.dim[i] = r->a->shape.dim[k];
    }
    return true;
}

static bool shape_expand(nrg_rule *r) {
    const nrg_shape *s = &r->par->shape.shape;
    nrg_shape both = *s;
    if (r->par->shape.leads & ~nrg_leads_all(r->g))
        return refuse(r, NRG_E037, "expand to leading axes that the graph does not have");
    if (!nrg_shape_fair(s) || !broadcast(&both, &r->a->shape) || !nrg_shape_same(&both, s))
        return refuse(
            r, NRG_E034,
            "expand expects event axes that agree from the right with the target, or are 1");
    r->leads = r->a->leads | r->par->shape.leads;
    r->shape = *s;
    return true;
}

static bool shape_slice(nrg_rule *r) {
    int32_t axis = r->par->slice.axis;
    int64_t start = r->par->slice.start, n = r->par->slice.n, step = r->par->slice.step;
    if (!axis_ok(r, axis, r->a->shape.rank)) return false;
    int64_t size = r->a->shape.dim[axis];
    bool fair =
        start >= 0 && n >= 0 && step >= 1 && start <= size && n <= size && step <= INT64_C(1) << 40;
    if (!fair || (n && (n - 1) > (size - 1 - start) / step) || (n && start >= size))
        return refuse(r, NRG_E037, "slice of %lld from %lld by %lld leaves an axis of %lld",
                      (long long)n, (long long)start, (long long)step, (long long)size);
    r->leads = r->a->leads;
    r->shape = r->a->shape;
    r->shape.dim[axis] = n;
    return true;
}

static bool shape_pad(nrg_rule *r) {
    int32_t axis = r->par->pad.axis;
    int64_t p = r->par->pad.before, q = r->par->pad.after, most = INT64_C(1) << 40;
    if (!axis_ok(r, axis, r->a->shape.rank)) return false;
    if (p < 0 || q < 0 || p > most || q > most)
        return refuse(r, NRG_E037, "pad expects counts >= 0");
    r->leads = r->a->leads;
    r->shape = r->a->shape;
    r->shape.dim[axis] += p + q;
    return true;
}

static bool shape_concat(nrg_rule *r) {
    int32_t axis = r->par->axis.axis;
    if (!axis_ok(r, axis, r->a->shape.rank)) return false;
    bool fair = r->a->shape.rank == r->b->shape.rank;
    for (int i = 0; fair && i < r->a->shape.rank; i++)
        fair = i == axis || r->a->shape.dim[i] == r->b->shape.dim[i];
    if (!fair) return refuse(r, NRG_E034, "concat expects equal event axes but axis %d", axis);
    r->leads = r->a->leads | r->b->leads;
    r->shape = r->a->shape;
    r->shape.dim[axis] += r->b->shape.dim[axis];
    return true;
}

static bool one_lead(nrg_rule *r, nrg_leads lead) {
    if (lead && !(lead & (lead - 1)) && !(lead & ~nrg_leads_all(r->g)) && lead != NRG_SAMPLE)
        return true;
    return refuse(r, NRG_E037, "%s expects one leading axis, and not the sample axis",
                  nrg_op_get(r->op)->name);
}

static bool shape_lift(nrg_rule *r) {
    int32_t axis = r->par->lift.axis;
    nrg_leads lead = r->par->lift.lead;
    if (!axis_ok(r, axis, r->a->shape.rank) || !one_lead(r, lead)) return false;
    if (r->a->leads & lead)
        return refuse(r, NRG_E037, "lift to leading axis %s, which its input carries",
                      nrg_lead_name(r->g, lead));
    if (nrg_lead_extent(r->g, lead) != r->a->shape.dim[axis])
        return refuse(r, NRG_E037, "lift expects an event axis of %lld, as long as leading axis %s",
                      (long long)nrg_lead_extent(r->g, lead), nrg_lead_name(r->g, lead));
    r->leads = r->a->leads | lead;
    r->shape = r->a->shape;
    r->shape.rank--;
    for (int i = axis; i < r->shape.rank; i++) r->shape.dim[i] = r->shape.dim[i + 1];
    r->shape.dim[r->shape.rank] = 0;
    return true;
}

static bool shape_lower(nrg_rule *r) {
    int32_t axis = r->par->lift.axis;
    nrg_leads lead = r->par->lift.lead;
    if (!one_lead(r, lead)) return false;
    if (!(r->a->leads & lead))
        return refuse(r, NRG_E037, "lower of leading axis %s, which its input lacks",
                      nrg_lead_name(r->g, lead));
    if (r->a->shape.rank >= NRG_MAX_RANK)
        return refuse(r, NRG_E037, "lower would make more than %d event axes", NRG_MAX_RANK);
    if (axis < 0 || axis > r->a->shape.rank)
        return refuse(r, NRG_E037, "lower puts an axis before axis %d, which is not there", axis);
    r->leads = r->a->leads & ~lead;
    r->shape = r->a->shape;
    for (int i = r->shape.rank; i > axis; i--) r->shape.dim[i] = r->shape.dim[i - 1];
    r->shape.dim[axis] = nrg_lead_extent(r->g, lead);
    r->shape.rank++;
    return true;
}

// ---- indexing

static bool shape_take(nrg_rule *r) {
    int n = r->b->shape.rank, m = r->a->shape.rank - 1;
    if (m < 0) return refuse(r, NRG_E036, "take expects rows: at least one event axis");
    if (n + m > NRG_MAX_RANK)
        return refuse(r, NRG_E036, "take would make more than %d event axes", NRG_MAX_RANK);
    if (r->par->index.rank != n || r->par->index.n || r->par->index.leads)
        return refuse(r, NRG_E036, "take has no parameters but the rank of its index");
    r->leads = r->a->leads | r->b->leads;
    r->shape = r->b->shape;
    for (int i = 0; i < m; i++) r->shape.dim[n + i] = r->a->shape.dim[1 + i];
    r->shape.rank = n + m;
    return true;
}

static bool shape_put(nrg_rule *r) {
    const nrg_shape *i = &r->a->shape, *e = &r->b->shape;
    bool fair = e->rank >= i->rank && r->par->index.rank == i->rank;
    for (int k = 0; fair && k < i->rank; k++) fair = i->dim[k] == e->dim[k];
    if (!fair)
        return refuse(r, NRG_E036,
                      "put expects rows whose first event axes are those of the index");
    if (e->rank - i->rank + 1 > NRG_MAX_RANK)
        return refuse(r, NRG_E036, "put would make more than %d event axes", NRG_MAX_RANK);
    if (r->par->index.n < 0) return refuse(r, NRG_E036, "put expects a number of rows >= 0");
    if (!leads_ok(r, r->par->index.leads, r->a->leads | r->b->leads)) return false;
    r->leads = (r->a->leads | r->b->leads) & ~r->par->index.leads;
    r->shape = nrg_shape_of(1, &r->par->index.n);
    for (int k = i->rank; k < e->rank; k++) r->shape.dim[r->shape.rank++] = e->dim[k];
    return true;
}

// ---- linear algebra

static bool shape_matmul(nrg_rule *r) {
    uint32_t ta = r->par->matmul.ta, tb = r->par->matmul.tb;
    if (!rank_ok(r, r->a, 2, "a matrix") || !rank_ok(r, r->b, 2, "a matrix")) return false;
    if (ta > 1 || tb > 1) return refuse(r, NRG_E035, "matmul is transposed by 0 or 1");
    if (r->a->shape.dim[!ta] != r->b->shape.dim[tb])
        return refuse(r, NRG_E035,
                      "matmul sums axis %u of the left with axis %u of the right, which differ",
                      !ta, tb);
    if (!leads_ok(r, r->par->matmul.leads, r->a->leads | r->b->leads)) return false;
    r->leads = (r->a->leads | r->b->leads) & ~r->par->matmul.leads;
    r->shape = nrg_shape_of(2, (int64_t[]){r->a->shape.dim[ta], r->b->shape.dim[!tb]});
    return true;
}

// Length of the response along one axis; -1 when the filter does not fit. image i, filter f, zeros p at both ends, stride s.
static int64_t response(int64_t i, int64_t f, int32_t p, int32_t s) {
    return f < 1 || i + 2 * (int64_t)p < f ? -1 : (i + 2 * (int64_t)p - f) / s + 1;
}

static bool conv_ok(nrg_rule *r) {
    int64_t most = INT64_C(1) << 30;
    if (r->par->conv.stride < 1 || r->par->conv.pad_h < 0 || r->par->conv.pad_w < 0 ||
        r->par->conv.h < 0 || r->par->conv.w < 0 || r->par->conv.h > most || r->par->conv.w > most)
        return refuse(r, NRG_E041, "%s expects a stride >= 1 and padding >= 0",
                      nrg_op_get(r->op)->name);
    return leads_ok(r, r->par->conv.leads, r->a->leads | r->b->leads);
}

// image [C,H,W], filters [F,C,h,w], answer [F,H',W'] agree under the row's stride and padding.
static bool conv_fits(nrg_rule *r, const int64_t *image, const int64_t *filter, int64_t *answer) {
    int64_t y = response(image[1], filter[2], r->par->conv.pad_h, r->par->conv.stride);
    int64_t x = response(image[2], filter[3], r->par->conv.pad_w, r->par->conv.stride);
    if (image[0] != filter[1])
        return refuse(r, NRG_E041, "%s expects as many channels as its filters have",
                      nrg_op_get(r->op)->name);
    if (y < 0 || x < 0)
        return refuse(r, NRG_E041, "the filter of %s is larger than the padded image",
                      nrg_op_get(r->op)->name);
    if (answer[0] < 0) answer[0] = filter[0], answer[1] = y, answer[2] = x;
    if (answer[0] == filter[0] && answer[1] == y && answer[2] == x) return true;
    return refuse(r, NRG_E041, "%s expects an answer of [%lld, %lld, %lld]",
                  nrg_op_get(r->op)->name, (long long)filter[0], (long long)y, (long long)x);
}

static bool shape_conv(nrg_rule *r) {
    int64_t answer[3] = {-1, 0, 0};
    if (!rank_ok(r, r->a, 3, "an image") || !rank_ok(r, r->b, 4, "filters") || !conv_ok(r))
        return false;
    if (r->par->conv.h || r->par->conv.w || r->par->conv.leads)
        return refuse(r, NRG_E041, "conv takes stride and padding only");
    if (!conv_fits(r, r->a->shape.dim, r->b->shape.dim, answer)) return false;
    r->leads = r->a->leads | r->b->leads;
    r->shape = nrg_shape_of(3, answer);
    return true;
}

static bool shape_convx(nrg_rule *r) {
    if (!rank_ok(r, r->a, 3, "an answer") || !rank_ok(r, r->b, 4, "filters") || !conv_ok(r))
        return false;
    if (r->par->conv.leads) return refuse(r, NRG_E041, "convx sums over no leading axes");
    int64_t image[3] = {r->b->shape.dim[1], r->par->conv.h, r->par->conv.w}, answer[3];
    memcpy(answer, r->a->shape.dim, sizeof answer);
    if (!conv_fits(r, image, r->b->shape.dim, answer)) return false;
    r->leads = r->a->leads | r->b->leads;
    r->shape = nrg_shape_of(3, image);
    return true;
}

static bool shape_convw(nrg_rule *r) {
    if (!rank_ok(r, r->a, 3, "an image") || !rank_ok(r, r->b, 3, "an answer") || !conv_ok(r))
        return false;
    int64_t filter[4] = {r->b->shape.dim[0], r->a->shape.dim[0], r->par->conv.h, r->par->conv.w},
            answer[3];
    memcpy(answer, r->b->shape.dim, sizeof answer);
    if (!conv_fits(r, r->a->shape.dim, filter, answer)) return false;
    r->leads = (r->a->leads | r->b->leads) & ~r->par->conv.leads;
    r->shape = nrg_shape_of(4, filter);
    return true;
}

static bool shape_square(nrg_rule *r) {
    if (!rank_ok(r, r->a, 2, "a matrix")) return false;
    if (r->a->shape.dim[0] != r->a->shape.dim[1])
        return refuse(r, NRG_E037, "%s expects a square matrix", nrg_op_get(r->op)->name);
    return shape_same(r);
}

static bool shape_logdet(nrg_rule *r) {
    if (!shape_square(r)) return false;
    r->shape = nrg_shape_of(0, NULL);
    return true;
}

static bool shape_trisolve(nrg_rule *r) {
    if (r->par->tri.transpose > 1) return refuse(r, NRG_E037, "trisolve is transposed by 0 or 1");
    if (!rank_ok(r, r->b, 2, "a right side") || !shape_square(r)) return false;
    if (r->a->shape.dim[0] != r->b->shape.dim[0])
        return refuse(r, NRG_E035, "trisolve expects as many rows on the right as in the matrix");
    r->leads = r->a->leads | r->b->leads;
    r->shape = r->b->shape;
    return true;
}

typedef bool (*shape_fn)(nrg_rule *r);
static const shape_fn rules[NRG_OP_COUNT] = {
    NULL,
#define NRG_OP(name, arity, params, shape, vjp, degree, domain, doc) shape_##shape,
#include "graph/ops.def"
};

// Leading axes of fixed extent count too, so that a sample of any node stays below 2^48 numbers.
static bool result_fair(const nrg_rule *r) {
    double n = 1;
    if (!nrg_shape_fair(&r->shape)) return false;
    for (int i = 0; i < r->shape.rank; i++) n *= r->shape.dim[i] > 1 ? (double)r->shape.dim[i] : 1;
    for (int i = 1; i < r->g->leads; i++)
        if ((r->leads >> i & 1) && r->g->lead[i].extent > 1) n *= (double)r->g->lead[i].extent;
    return n < 281474976710656.0;
}

bool nrg_shape_rule(nrg_rule *r) {
    r->status = NRG_OK;
    if ((unsigned)r->op >= NRG_OP_COUNT || !rules[r->op])
        return refuse(r, NRG_E099, "unknown operation");
    if (!rules[r->op](r)) return false;
    if (result_fair(r)) return true;
    return refuse(r, NRG_E099, "%s would make 2^48 numbers or more", nrg_op_get(r->op)->name);
}
