// Which numbers of a variable meet in an energy. Walking down from the energy through what is linear ends at the PARTS; the sites
// that each entry of a part reads are followed up from the variable, entry by entry. What an operation does to entries that is not
// told here reads everything: sound, if coarse.
#include "infer/sites.h"
#include <string.h>

enum { MOST_ENTRIES = 4000000, MOST_READ = 64 };

// Sites that an entry reads: NULL none, &everything all, else n and the numbers, ascending.
typedef struct {
    int32_t n, at[];
} reads;
static const reads everything = {-1};

typedef struct {
    nrg_graph *g;
    nrg_arena *own, tmp;
    nrg_sites *s;
    bool *depends, *region, *wanted; // by node up to y
    const reads ***of;                         // entries of wanted nodes; NULL: every entry reads everything
    const reads *pair[2], *joined;             // the last union
    bool refused;                              // memory
} job;

// ---- entries of a node: leading axes but the sample one, then event axes

typedef struct {
    int64_t lead[NRG_MAX_LEADS], at[NRG_MAX_RANK];
} place;

static const nrg_node_info *info(const job *j, uint32_t n) { return nrg_graph_node(j->g, (nrg_node){n}); }

static int64_t extent(const job *j, int lead) { return nrg_lead_extent(j->g, (nrg_leads)1 << lead); }

static int64_t entries(const job *j, const nrg_node_info *x) {
    int64_t n = nrg_shape_count(&x->shape);
    for (int l = 1; l < NRG_MAX_LEADS; l++)
        if (x->leads >> l & 1) n *= extent(j, l);
    return n;
}

static int64_t shape_flat(const nrg_shape *s, const int64_t *at) {
    int64_t f = 0;
    for (int a = 0; a < s->rank; a++) f = f * s->dim[a] + (s->dim[a] == 1 ? 0 : at[a]); // one entry is broadcast
    return f;
}

static void shape_place(const nrg_shape *s, int64_t f, int64_t *at) {
    for (int a = s->rank - 1; a >= 0; a--) at[a] = f % s->dim[a], f /= s->dim[a];
}

static int64_t flat_of(const job *j, const nrg_node_info *x, const place *p) {
    int64_t f = 0;
    for (int l = 1; l < NRG_MAX_LEADS; l++)
        if (x->leads >> l & 1) f = f * extent(j, l) + p->lead[l];
    return f * nrg_shape_count(&x->shape) + shape_flat(&x->shape, p->at);
}

static void place_of(const job *j, const nrg_node_info *x, int64_t f, place *p) {
    int64_t n = nrg_shape_count(&x->shape);
    shape_place(&x->shape, f % n, p->at);
    f /= n;
    for (int l = NRG_MAX_LEADS - 1; l > 0; l--) {
        p->lead[l] = 0;
        if (x->leads >> l & 1) p->lead[l] = f % extent(j, l), f /= extent(j, l);
    }
}

static int lead_number(nrg_leads one) {
    int i = 0;
    while (one > 1) one >>= 1, i++;
    return i;
}

// ---- numbers known while the graph is built: indices made of iotas and constants

static bool known(const job *j, nrg_node n, const place *p, double *out) {
    const nrg_node_info *x = nrg_graph_node(j->g, n);
    double v[3] = {0};
    if (x->op == NRG_OP_const) return *out = x->par.scalar.value, true;
    if (x->op == NRG_OP_iota) return *out = (double)(x->par.iota.lead ? p->lead[lead_number(x->par.iota.lead)] : p->at[0]), true;
    if (!nrg_op_elementwise(x->op) && x->op != NRG_OP_expand) return false;
    for (int k = 0; k < 3; k++) {
        const nrg_node_info *in = nrg_graph_node(j->g, x->in[k]);
        place q = *p;
        if (!x->in[k].i) continue;
        for (int a = 0; a < in->shape.rank; a++) q.at[a] = in->shape.dim[a] == 1 ? 0 : p->at[a + x->shape.rank - in->shape.rank];
        if (!known(j, x->in[k], &q, &v[k])) return false;
    }
    *out = x->op == NRG_OP_expand ? v[0] : nrg_op_value(x->op, v[0], v[1], v[2]);
    return true;
}

// ---- which entry of input k an entry of x is made of, for operations that move entries or work entry by entry

typedef enum { FROM, NOWHERE, ANYWHERE } found;

static found source(const job *j, const nrg_node_info *x, int k, const place *p, place *q) {
    const nrg_node_info *in = nrg_graph_node(j->g, x->in[k]);
    int axis = 0;
    double row;
    *q = *p;
    if (nrg_op_elementwise(x->op) || x->op == NRG_OP_expand) {
        for (int a = 0; a < in->shape.rank; a++) q->at[a] = p->at[a + x->shape.rank - in->shape.rank];
        return FROM;
    }
    switch (x->op) {
    case NRG_OP_reshape: shape_place(&in->shape, shape_flat(&x->shape, p->at), q->at); return FROM;
    case NRG_OP_permute:
        for (int a = 0; a < x->shape.rank; a++) q->at[x->par.perm.order[a]] = p->at[a];
        return FROM;
    case NRG_OP_slice: q->at[x->par.slice.axis] = x->par.slice.start + x->par.slice.step * p->at[x->par.slice.axis]; return FROM;
    case NRG_OP_pad:
        axis = x->par.pad.axis;
        q->at[axis] = p->at[axis] - x->par.pad.before;
        return q->at[axis] < 0 || q->at[axis] >= in->shape.dim[axis] ? NOWHERE : FROM;
    case NRG_OP_concat:
        axis = x->par.axis.axis;
        if (k) q->at[axis] -= nrg_graph_node(j->g, x->in[0])->shape.dim[axis];
        return q->at[axis] < 0 || q->at[axis] >= in->shape.dim[axis] ? NOWHERE : FROM;
    case NRG_OP_lift:
        axis = x->par.lift.axis;
        for (int a = 0; a < in->shape.rank; a++) q->at[a] = a == axis ? p->lead[lead_number(x->par.lift.lead)] : p->at[a - (a > axis)];
        return FROM;
    case NRG_OP_lower:
        axis = x->par.lift.axis;
        for (int a = 0; a < in->shape.rank; a++) q->at[a] = p->at[a + (a >= axis)];
        q->lead[lead_number(x->par.lift.lead)] = p->at[axis];
        return FROM;
    case NRG_OP_take:
        if (k == 1) return FROM; // [i..., e...] from [i...]
        if (!known(j, x->in[1], p, &row) || row < 0 || row >= (double)in->shape.dim[0]) return ANYWHERE;
        q->at[0] = (int64_t)row;
        for (int a = 1; a < in->shape.rank; a++) q->at[a] = p->at[a - 1 + nrg_graph_node(j->g, x->in[1])->shape.rank];
        return FROM;
    default: return ANYWHERE;
    }
}

// ---- unions

static const reads *both(job *j, const reads *a, const reads *b) {
    if (a == b || !b) return a;
    if (!a) return b;
    if (a->n < 0 || b->n < 0) return &everything;
    if (a == j->pair[0] && b == j->pair[1]) return j->joined;
    int32_t at[2 * MOST_READ], n = 0;
    for (int32_t p = 0, q = 0; p < a->n || q < b->n; n++) {
        int32_t left = p < a->n ? a->at[p] : INT32_MAX, right = q < b->n ? b->at[q] : INT32_MAX;
        at[n] = left < right ? left : right;
        p += left == at[n], q += right == at[n];
    }
    const reads *r = n == a->n ? a : n == b->n ? b : NULL;
    if (!r && n <= MOST_READ) {
        reads *own = nrg_arena_get(&j->tmp, sizeof *own + (size_t)n * sizeof *at);
        if (own) own->n = n, memcpy(own->at, at, (size_t)n * sizeof *at);
        else j->refused = true;
        r = own;
    }
    if (!r) r = &everything; // too many: coarse, not wrong
    j->pair[0] = a, j->pair[1] = b, j->joined = r;
    return r;
}

static const reads *entry(const job *j, nrg_node n, int64_t at) {
    if (!n.i || !j->depends[n.i]) return NULL;
    return j->of[n.i] ? j->of[n.i][at] : &everything;
}

// ---- operations

static void moved(job *j, const nrg_node_info *x, const reads **to, int64_t n) {
    for (int64_t f = 0; f < n; f++) {
        place p, q;
        place_of(j, x, f, &p);
        for (int k = 0; k < 3; k++) {
            if (!x->in[k].i || !j->depends[x->in[k].i]) continue;
            found where = source(j, x, k, &p, &q);
            const nrg_node_info *in = nrg_graph_node(j->g, x->in[k]);
            if (where != NOWHERE) to[f] = both(j, to[f], where == FROM ? entry(j, x->in[k], flat_of(j, in, &q)) : &everything);
        }
    }
}

static void reduced(job *j, const nrg_node_info *x, const reads **to) {
    const nrg_node_info *in = nrg_graph_node(j->g, x->in[0]);
    int64_t n = entries(j, in);
    for (int64_t f = 0; f < n; f++) {
        place p, q;
        int k = 0;
        place_of(j, in, f, &p);
        q = p;
        for (int a = 0; a < in->shape.rank; a++) {
            bool gone = x->par.reduce.axes >> a & 1;
            if (!gone || x->par.reduce.keep) q.at[k++] = gone ? 0 : p.at[a];
        }
        int64_t at = flat_of(j, x, &q);
        to[at] = both(j, to[at], entry(j, x->in[0], f));
    }
}

// A row of the left side and a column of the right one.
static void multiplied(job *j, const nrg_node_info *x, const reads **to, int64_t n) {
    const nrg_node_info *a = nrg_graph_node(j->g, x->in[0]), *b = nrg_graph_node(j->g, x->in[1]);
    int last = x->shape.rank - 1;
    const reads **side[2] = {NRG_NEWS(&j->tmp, const reads *, n + 1), NRG_NEWS(&j->tmp, const reads *, n + 1)};
    if (!side[0] || !side[1]) {
        j->refused = true;
        return;
    }
    for (int64_t f = 0; f < n; f++) {
        place p;
        place_of(j, x, f, &p);
        int64_t row = p.at[last - 1], col = p.at[last];
        for (int k = 0; k < 2; k++) {
            const nrg_node_info *in = k ? b : a;
            bool turned = k ? x->par.matmul.tb : x->par.matmul.ta;
            if (k ? row : col) continue;
            int own = k != turned ? 1 : 0; // the left side keeps its first axis, the right side its second
            int64_t inner = in->shape.dim[in->shape.rank - 1 - own];
            place q = p;
            for (int64_t c = 0; c < inner; c++) {
                int shift = x->shape.rank - in->shape.rank;
                for (int e = 0; e < in->shape.rank - 2; e++) q.at[e] = p.at[e + shift];
                q.at[in->shape.rank - 2 + own] = k ? col : row;
                q.at[in->shape.rank - 1 - own] = c;
                side[k][f] = both(j, side[k][f], entry(j, x->in[k], flat_of(j, in, &q)));
            }
        }
    }
    for (int64_t f = 0; f < n; f++) {
        place p, q;
        place_of(j, x, f, &p);
        q = p, q.at[last] = 0;
        to[f] = side[0][flat_of(j, x, &q)];
        q = p, q.at[last - 1] = 0;
        to[f] = both(j, to[f], side[1][flat_of(j, x, &q)]);
    }
}

// Rows picked by an index, both of which read v: any row may be it.
static void picked(job *j, const nrg_node_info *x, const reads **to, int64_t n) {
    const nrg_node_info *rows = nrg_graph_node(j->g, x->in[0]), *index = nrg_graph_node(j->g, x->in[1]);
    for (int64_t f = 0; f < n; f++) {
        place p, q;
        place_of(j, x, f, &p);
        to[f] = entry(j, x->in[1], flat_of(j, index, &p));
        q = p;
        for (int a = 1; a < rows->shape.rank; a++) q.at[a] = p.at[a - 1 + index->shape.rank];
        for (q.at[0] = 0; q.at[0] < rows->shape.dim[0]; q.at[0]++) to[f] = both(j, to[f], entry(j, x->in[0], flat_of(j, rows, &q)));
    }
}

static bool moves(const nrg_node_info *x) {
    if (nrg_op_elementwise(x->op)) return true;
    switch (x->op) {
    case NRG_OP_reshape: case NRG_OP_permute: case NRG_OP_expand: case NRG_OP_slice: case NRG_OP_pad: case NRG_OP_concat:
    case NRG_OP_lift: case NRG_OP_lower: return true;
    case NRG_OP_take: return true;
    default: return false;
    }
}

// Follows entries up from v to the parts. Nodes whose entries are not known keep of == NULL.
static nrg_status follow(job *j) {
    for (uint32_t i = j->s->v.i; i <= j->s->y.i; i++) {
        const nrg_node_info *x = info(j, i);
        if (!j->wanted[i] || !j->depends[i]) continue;
        int64_t n = entries(j, x);
        bool product = x->op == NRG_OP_matmul && !x->par.matmul.leads;
        if (n > MOST_ENTRIES || !(i == j->s->v.i || moves(x) || nrg_op_reduction(x->op) || product)) continue;
        const reads **to = NRG_NEWS(&j->tmp, const reads *, n + 1);
        if (!to) return NRG_E098;
        j->of[i] = to;
        if (i == j->s->v.i) {
            for (int64_t f = 0; f < n; f++) {
                reads *one = nrg_arena_get(&j->tmp, sizeof *one + sizeof one->at[0]);
                if (!one) return NRG_E098;
                one->n = 1, one->at[0] = (int32_t)f;
                to[f] = one;
            }
        } else if (nrg_op_reduction(x->op)) reduced(j, x, to);
        else if (product) multiplied(j, x, to, n);
        else if (x->op == NRG_OP_take && j->depends[x->in[0].i] && j->depends[x->in[1].i]) picked(j, x, to, n);
        else moved(j, x, to, n);
        if (j->refused) return NRG_E098;
    }
    return NRG_OK;
}

// ---- parts: where linear operations end

static void region_in(job *j, const nrg_node_info *x, int k) {
    if (x->in[k].i && j->depends[x->in[k].i]) j->region[x->in[k].i] = true;
}

static bool dep(const job *j, const nrg_node_info *x, int k) { return x->in[k].i && j->depends[x->in[k].i]; }

// Passes the region on to the inputs in which x is linear; false: x is a part.
static bool linear(job *j, const nrg_node_info *x) {
    switch (x->op) {
    case NRG_OP_neg: case NRG_OP_sum: case NRG_OP_reshape: case NRG_OP_permute: case NRG_OP_expand: case NRG_OP_slice:
    case NRG_OP_pad: case NRG_OP_lift: case NRG_OP_lower: case NRG_OP_add: case NRG_OP_sub: case NRG_OP_concat: break;
    case NRG_OP_mul: case NRG_OP_matmul: case NRG_OP_conv: case NRG_OP_convx: case NRG_OP_convw:
        if (dep(j, x, 0) && dep(j, x, 1)) return false;
        break;
    case NRG_OP_div: case NRG_OP_take:
        if (dep(j, x, 1)) return false;
        break;
    case NRG_OP_select: case NRG_OP_put:
        if (dep(j, x, 0)) return false;
        break;
    default: return false;
    }
    for (int k = 0; k < 3; k++) region_in(j, x, k);
    return true;
}

// So many kinds of parts that the energy itself is taken for the one.
static void whole(job *j) {
    j->s->parts = 1;
    j->s->part[0] = j->s->y;
}

static void find_parts(job *j) {
    nrg_sites *s = j->s;
    if (j->depends[s->y.i]) j->region[s->y.i] = true;
    for (uint32_t i = s->y.i; i >= s->v.i && i > 0; i--) {
        const nrg_node_info *x = info(j, i);
        if (j->region[i] && (i == s->v.i || !linear(j, x))) {
            if (s->parts == NRG_SITES_PARTS) {
                whole(j);
                return;
            }
            s->part[s->parts++] = (nrg_node){i};
            j->wanted[i] = true;
        }
        for (int k = 0; j->wanted[i] && k < 3; k++) j->wanted[x->in[k].i] = true;
    }
}

// Weights by differentiating with inputs in place of the parts: they carry all leading axes of y, or the sum would be over samples.
static nrg_status weigh(job *j) {
    nrg_sites *s = j->s;
    nrg_graph *g = j->g;
    nrg_node hole[NRG_SITES_PARTS] = {{0}}, none[NRG_SITES_PARTS] = {{0}};
    nrg_leads own = nrg_graph_node(g, s->y)->leads;
    char name[80];
    for (int k = 0; k < s->parts; k++) {
        nrg_node_info x = *nrg_graph_node(g, s->part[k]);
        snprintf(name, sizeof name, "%spart:%u:%u:%u", NRG_HOLE, s->y.i, s->v.i, s->part[k].i);
        hole[k] = nrg_input(g, name, x.leads | own, x.shape);
        none[k] = nrg_filled(g, 0, x.shape, x.leads | own);
    }
    s->rest = s->y;
    if (!s->parts) return nrg_graph_check(g);
    nrg_node y = nrg_graph_copy(g, g, s->y, s->part, hole, s->parts);
    TRY(nrg_graph_check(g));
    TRY(nrg_grad(g, y, NRG_BAD, hole, s->parts, s->weight));
    s->rest = nrg_graph_copy(g, g, y, hole, none, s->parts);
    for (int k = 0; k < s->parts; k++) s->weight[k] = nrg_graph_copy(g, g, s->weight[k], hole, none, s->parts);
    return nrg_graph_check(g);
}

// ---- colours: in the order of the sites, each the first that no site has that it meets

static nrg_status colour(job *j, int most) {
    nrg_sites *s = j->s;
    int64_t *first = NRG_NEWS(&j->tmp, int64_t, s->count + 2), total = 0;
    s->colour = NRG_NEWS(j->own, int32_t, s->count + 1);
    if (!first || !s->colour) return NRG_E098;
    for (int pass = 0; pass < 2; pass++) {
        const reads **meets = pass ? NRG_NEWS(&j->tmp, const reads *, total + 1) : NULL;
        if (pass && !meets) return NRG_E098;
        for (int k = 0; k < s->parts; k++) {
            int64_t n = entries(j, nrg_graph_node(j->g, s->part[k]));
            if (!n) continue;
            if (!j->of[s->part[k].i]) return NRG_OK; // everything meets
            for (int64_t f = 0; f < n; f++) {
                const reads *r = j->of[s->part[k].i][f];
                if (r && r->n < 0) return NRG_OK;
                for (int32_t q = 0; r && r->n > 1 && q < r->n; q++) {
                    if (pass) meets[first[r->at[q]]++] = r;
                    else first[r->at[q] + 1]++;
                    total += !pass;
                }
            }
        }
        if (!pass)
            for (int64_t t = 0; t < s->count; t++) first[t + 1] += first[t];
        for (int64_t t = 0, from = 0; pass && t < s->count; from = first[t++]) { // first[t] has moved to the end of site t
            uint64_t taken = 0;
            int32_t c = 0;
            for (int64_t m = from; m < first[t]; m++)
                for (int32_t q = 0; q < meets[m]->n && meets[m]->at[q] < t; q++) taken |= (uint64_t)1 << s->colour[meets[m]->at[q]];
            while (taken >> c & 1) c++;
            if (c >= most) return s->colours = 0, NRG_OK;
            s->colour[t] = c;
            if (c + 1 > s->colours) s->colours = c + 1;
        }
    }
    return NRG_OK;
}

static nrg_status find(job *j, int most) {
    nrg_sites *s = j->s;
    uint32_t n = s->y.i + 1;
    j->depends = NRG_NEWS(&j->tmp, bool, n), j->region = NRG_NEWS(&j->tmp, bool, n), j->wanted = NRG_NEWS(&j->tmp, bool, n);
    j->of = NRG_NEWS(&j->tmp, const reads **, n);
    if (!j->depends || !j->region || !j->wanted || !j->of) return NRG_E098;
    if (s->v.i < n) j->depends[s->v.i] = true;
    for (uint32_t i = s->v.i + 1; i < n; i++)
        for (int k = 0; k < 3; k++) j->depends[i] = j->depends[i] || j->depends[info(j, i)->in[k].i];
    find_parts(j);
    if (s->count <= MOST_ENTRIES) {
        TRY(follow(j));
        TRY(colour(j, most > 64 ? 64 : most));
    }
    if (s->count == 1) s->colours = 1; // whatever reads it
    return weigh(j);
}

nrg_status nrg_sites_find(nrg_arena *a, nrg_graph *g, nrg_node y, nrg_node v, int most, nrg_sites *out) {
    TRY(nrg_graph_check(g));
    *out = (nrg_sites){.graph = g, .y = y, .v = v, .shape = nrg_graph_node(g, v)->shape};
    out->count = nrg_shape_count(&out->shape);
    job j = {.g = g, .own = a, .tmp = nrg_arena_make(nrg_graph_ctx(g)), .s = out};
    nrg_status s = find(&j, most);
    nrg_arena_free(&j.tmp);
    return s;
}

// ---- energies of sites: each entry of a part counts for the one site of the colour that it reads

// That site, by the same movements applied to stand-ins for the sites, and whether there is one. Entries of a part are linear in
// the stand-ins, so what goes to each site is a gradient, and movement goes back as movement.
typedef struct {
    nrg_node site, is;
} reading;

static nrg_node full(nrg_graph *g, nrg_node n, const nrg_shape *shape) { return n.i ? nrg_expand(g, n, *shape, 0) : n; }

// All that is read is of one site: the first that is of the colour.
static reading either(nrg_graph *g, reading a, reading b) {
    if (!a.site.i || !b.site.i) return a.site.i ? a : b;
    return (reading){nrg_select(g, a.is, a.site, b.site), nrg_max(g, a.is, b.is)};
}

static nrg_node sum(nrg_graph *g, nrg_node n, uint32_t axes, nrg_leads leads, bool keep) {
    return nrg_reduce(g, NRG_OP_sum, n, axes, leads & nrg_graph_node(g, n)->leads, keep);
}

// Entries that meet in one: several may read the site.
static reading gathered(nrg_graph *g, reading w, uint32_t axes, nrg_leads leads, bool keep) {
    nrg_node zero = nrg_const(g, 0), one = nrg_const(g, 1), times = sum(g, w.is, axes, leads, keep);
    nrg_node site = sum(g, nrg_select(g, w.is, w.site, zero), axes, leads, keep);
    return (reading){nrg_div(g, site, nrg_max(g, times, one)), nrg_min(g, times, one)};
}

static reading read_matmul(nrg_graph *g, const reading *w, const nrg_node_info *x) {
    reading out = {{0}, {0}};
    for (int k = 0; k < 2; k++) {
        reading m = w[k];
        if (!m.site.i) continue;
        if (k ? x->par.matmul.tb : x->par.matmul.ta) m = (reading){nrg_transpose(g, m.site), nrg_transpose(g, m.is)};
        int rank = nrg_graph_node(g, m.is)->shape.rank;
        out = either(g, out, gathered(g, m, 1u << (k ? rank - 2 : rank - 1), 0, true));
    }
    return out;
}

static nrg_node joined(nrg_graph *g, nrg_node a, nrg_node b, const nrg_node_info *x) {
    if (!a.i) a = nrg_filled(g, 0, nrg_graph_node(g, x->in[0])->shape, 0);
    if (!b.i) b = nrg_filled(g, 0, nrg_graph_node(g, x->in[1])->shape, 0);
    return nrg_concat(g, a, b, x->par.axis.axis);
}

static nrg_node lowered(nrg_graph *g, nrg_node n, const nrg_node_info *x) {
    nrg_leads lead = x->par.lift.lead;
    if (!(nrg_graph_node(g, n)->leads & lead)) n = nrg_expand(g, n, nrg_graph_node(g, n)->shape, lead);
    return nrg_lower(g, n, lead, x->par.lift.axis);
}

static reading read_rows(nrg_graph *g, const reading *w, const nrg_node_info *x) {
    if (w[0].site.i && !w[1].site.i) return (reading){nrg_take(g, w[0].site, x->in[1]), nrg_take(g, w[0].is, x->in[1])};
    nrg_shape one = nrg_graph_node(g, w[1].is)->shape;
    while (one.rank < x->shape.rank) one.dim[one.rank++] = 1;
    reading index = {nrg_reshape(g, w[1].site, one), nrg_reshape(g, w[1].is, one)};
    return w[0].site.i ? either(g, index, gathered(g, w[0], 1, 0, false)) : index;
}

static reading read_moved(nrg_graph *g, const reading *w, nrg_node_info x) {
    reading all = {{0}, {0}};
    switch (x.op) {
    case NRG_OP_reshape: return (reading){nrg_reshape(g, w[0].site, x.shape), nrg_reshape(g, w[0].is, x.shape)};
    case NRG_OP_concat: return (reading){joined(g, w[0].site, w[1].site, &x), joined(g, w[0].is, w[1].is, &x)};
    case NRG_OP_lower: return (reading){lowered(g, w[0].site, &x), lowered(g, w[0].is, &x)};
    case NRG_OP_take: return read_rows(g, w, &x);
    case NRG_OP_permute: case NRG_OP_slice: case NRG_OP_pad: case NRG_OP_lift:
        return (reading){nrg_build(g, x.op, w[0].site, NRG_BAD, NRG_BAD, &x.par), nrg_build(g, x.op, w[0].is, NRG_BAD, NRG_BAD, &x.par)};
    default:
        for (int k = 0; k < 3; k++) all = either(g, all, w[k]);
        return all;
    }
}

static reading read_by(const nrg_sites *s, reading base, nrg_node n, reading *memo) {
    nrg_graph *g = s->graph;
    nrg_node_info x = *nrg_graph_node(g, n);
    reading w[3] = {{{0}, {0}}}, out;
    if (n.i == s->v.i) return base;
    if (n.i < s->v.i) return w[0];
    if (memo[n.i].site.i || !nrg_depends(g, n, s->v)) return memo[n.i];
    for (int k = 0; k < 3; k++)
        if (x.in[k].i) w[k] = read_by(s, base, x.in[k], memo);
    if (nrg_op_reduction(x.op)) out = gathered(g, w[0], x.par.reduce.axes, x.par.reduce.leads, x.par.reduce.keep);
    else if (x.op == NRG_OP_matmul) out = read_matmul(g, w, &x);
    else out = read_moved(g, w, x);
    return memo[n.i] = (reading){full(g, out.site, &x.shape), full(g, out.is, &x.shape)};
}

// What each site gets of `rows`, numbers for the entries of a part.
static nrg_status share(const nrg_sites *s, nrg_node mask, nrg_node part, nrg_node rows, nrg_node *out) {
    nrg_graph *g = s->graph;
    nrg_leads over = nrg_graph_node(g, part)->leads & ~nrg_graph_node(g, s->y)->leads, leads = nrg_graph_node(g, rows)->leads & ~over;
    nrg_arena tmp = nrg_arena_make(nrg_graph_ctx(g));
    reading *memo = NRG_NEWS(&tmp, reading, s->y.i + 1);
    nrg_status st = NRG_E098;
    if (memo) {
        char name[80];
        snprintf(name, sizeof name, "%ssites:%u:%u:%x", NRG_HOLE, s->y.i, s->v.i, (unsigned)leads);
        nrg_node hole = nrg_input(g, name, leads, s->shape), is = mask.i ? nrg_reshape(g, mask, s->shape) : nrg_filled(g, 1, s->shape, 0);
        nrg_node y = nrg_mul(g, rows, read_by(s, (reading){hole, is}, part, memo).site);
        st = nrg_graph_check(g);
        if (st == NRG_OK) st = nrg_grad(g, nrg_sum_all(g, over ? sum(g, y, 0, over, false) : y), NRG_BAD, &hole, 1, out);
    }
    nrg_arena_free(&tmp);
    return st;
}

nrg_node nrg_sites_energies(const nrg_sites *s, nrg_node mask, const nrg_node *from, const nrg_node *by, const nrg_node *less, int n) {
    nrg_graph *g = s->graph;
    nrg_node all = nrg_filled(g, 0, nrg_shape_of(1, &s->count), 0);
    for (int k = 0; k < s->parts; k++) {
        nrg_node rows = NRG_BAD, each = NRG_BAD;
        for (int side = 0; side < (less ? 2 : 1); side++) {
            const nrg_node *at = side ? less : by;
            nrg_node weight = nrg_graph_copy(g, g, s->weight[k], from, at, n), part = nrg_graph_copy(g, g, s->part[k], from, at, n);
            nrg_node term = nrg_mul(g, weight, part);
            rows = side ? nrg_sub(g, rows, term) : term;
        }
        nrg_leads over = nrg_graph_node(g, s->part[k])->leads & ~nrg_graph_node(g, s->y)->leads;
        if (s->count == 1) each = nrg_sum_all(g, over ? sum(g, rows, 0, over, false) : rows);
        else if (s->part[k].i == s->v.i) each = rows;
        else if (nrg_graph_check(g) != NRG_OK || share(s, mask, s->part[k], rows, &each) != NRG_OK) return nrg_graph_bad(g, NRG_E098, "out of memory");
        all = nrg_add(g, all, nrg_reshape(g, each, nrg_shape_of(1, &s->count)));
    }
    return all;
}
