// The graph: nodes held in one arena, each equal node once; leading axes; inputs; the verifier.
#include "graph/inside.h"
#include <string.h>

static const nrg_op_info rows[NRG_OP_COUNT] = {
    {"bad", 0, "none", "none", "none", "none", "none", "what is built on a failure"},
#define NRG_OP(name, arity, params, shape, vjp, degree, domain, doc)                               \
    {#name, arity, #params, #shape, #vjp, #degree, #domain, doc},
#include "graph/ops.def"
};

const nrg_op_info *nrg_op_get(nrg_op op) { return &rows[(unsigned)op < NRG_OP_COUNT ? op : 0]; }

const char *nrg_dtype_name(nrg_dtype t) {
    static const char *const names[NRG_DTYPES] = {"f32", "f64", "bf16x3", "bf16"};
    return names[t];
}

nrg_status nrg_graph_new(nrg_ctx *c, nrg_dtype type, nrg_graph **out) {
    nrg_arena arena = nrg_arena_make(c);
    nrg_graph *g = NRG_NEW(&arena, nrg_graph);
    *out = NULL;
    if (!g) {
        nrg_arena_free(&arena);
        return NRG_E098;
    }
    g->ctx = c;
    g->type = type;
    g->arena = arena;
    g->lead[0] = (nrg_lead_info){"sample", -1};
    g->leads = 1;
    g->table_n = 64;
    g->table = NRG_NEWS(&g->arena, uint32_t, g->table_n);
    if (!g->table || NRG_PUSH(&g->arena, g->nodes, (nrg_node_info){0}) != NRG_OK) {
        nrg_graph_free(g);
        return NRG_E098;
    }
    *out = g;
    return NRG_OK;
}

// The graph lies in its own arena, so the arena is taken out first.
void nrg_graph_free(nrg_graph *g) {
    if (!g) return;
    nrg_arena arena = g->arena;
    nrg_arena_free(&arena);
}

nrg_ctx *nrg_graph_ctx(const nrg_graph *g) { return g->ctx; }
void nrg_graph_owner_set(nrg_graph *g, void *owner) { g->owner = owner; }
void *nrg_graph_owner(const nrg_graph *g) { return g->owner; }
nrg_dtype nrg_graph_type(const nrg_graph *g) { return g->type; }
uint32_t nrg_graph_size(const nrg_graph *g) { return g->nodes.n - 1; }
void nrg_graph_span(nrg_graph *g, nrg_span s) { g->span = s; }

const nrg_node_info *nrg_graph_node(const nrg_graph *g, nrg_node n) {
    return &g->nodes.at[n.i < g->nodes.n ? n.i : 0];
}

nrg_node nrg_graph_bad(nrg_graph *g, nrg_status s, const char *fmt, ...) {
    if (g->cause != NRG_OK) return NRG_BAD;
    g->cause = s == NRG_OK ? NRG_E099 : s;
    g->cause_at = g->span;
    va_list ap;
    va_start(ap, fmt);
    nrg_vprint(g->cause_text, sizeof g->cause_text, fmt, ap);
    va_end(ap);
    return NRG_BAD;
}

nrg_status nrg_graph_cause(const nrg_graph *g) {
    if (g->cause == NRG_OK || g->cause == NRG_E098)
        return g->cause; // refused memory is in the list already
    return nrg_fail(g->ctx, g->cause, g->cause_at, "%s", g->cause_text);
}

// ---- leading axes

static int bit_of(nrg_leads one) {
    int i = 0;
    if (!one || (one & (one - 1))) return -1;
    while (!(one >> i & 1)) i++;
    return i;
}

nrg_leads nrg_lead_new(nrg_graph *g, const char *name, int64_t extent) {
    if (g->leads >= NRG_MAX_LEADS || extent < 0 || extent > INT64_C(1) << 40) {
        nrg_graph_bad(
            g, NRG_E099,
            "no room for leading axis %s of extent %lld: found %d axes, expected at most %d",
            name ? name : "", (long long)extent, g->leads, NRG_MAX_LEADS);
        return 0;
    }
    const char *own = nrg_arena_copy(&g->arena, name ? name : "", name ? strlen(name) : 0);
    if (!own) {
        nrg_graph_bad(g, NRG_E098, "out of memory");
        return 0;
    }
    g->lead[g->leads] = (nrg_lead_info){own, extent};
    return (nrg_leads)1 << g->leads++;
}

int64_t nrg_lead_extent(const nrg_graph *g, nrg_leads one) {
    int i = bit_of(one);
    return i < 0 || i >= g->leads ? -1 : g->lead[i].extent;
}

const char *nrg_lead_name(const nrg_graph *g, nrg_leads one) {
    int i = bit_of(one);
    return i < 0 || i >= g->leads ? "" : g->lead[i].name;
}

nrg_leads nrg_leads_all(const nrg_graph *g) {
    return g->leads == 32 ? ~(nrg_leads)0 : ((nrg_leads)1 << g->leads) - 1;
}

int64_t nrg_shape_count(const nrg_shape *s) {
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++) n *= s->dim[i];
    return n;
}

int64_t nrg_node_count(const nrg_graph *g, nrg_node n) {
    const nrg_node_info *x = nrg_graph_node(g, n);
    int64_t count = nrg_shape_count(&x->shape);
    for (int i = 1; i < g->leads; i++)
        if (x->leads >> i & 1) count *= g->lead[i].extent;
    return count;
}

nrg_shape nrg_shape_of(int rank, const int64_t *dim) {
    nrg_shape s = {0};
    s.rank = rank;
    for (int i = 0; i < rank && i < NRG_MAX_RANK; i++) s.dim[i] = dim[i];
    return s;
}

// ---- inputs

nrg_node nrg_input(nrg_graph *g, const char *name, nrg_leads leads, nrg_shape shape) {
    char words[160];
    nrg_shape s = {0};
    if (!name || !nrg_shape_fair(&shape) || (leads & ~nrg_leads_all(g)))
        return nrg_graph_bad(g, NRG_E099, "input %s has no fair shape or leading axes",
                             name ? name : "without a name");
    s = nrg_shape_of(shape.rank, shape.dim);
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const nrg_node_info *x = nrg_graph_node(g, g->inputs.at[i].node);
        if (strcmp(g->inputs.at[i].name, name) != 0) continue;
        if (x->leads == leads && nrg_shape_same(&x->shape, &s)) return g->inputs.at[i].node;
        nrg_shape_words(g, x->leads, &x->shape, words, sizeof words);
        return nrg_graph_bad(g, NRG_E010, "input %s exists already with another shape %s", name,
                             words);
    }
    nrg_node_info x = {
        .op = NRG_OP_input, .type = g->type, .leads = leads, .shape = s, .span = g->span};
    x.par.input.slot = g->inputs.n;
    nrg_input_info in = {nrg_arena_copy(&g->arena, name, strlen(name)), {g->nodes.n}};
    if (!in.name || NRG_PUSH(&g->arena, g->nodes, x) != NRG_OK)
        return nrg_graph_bad(g, NRG_E098, "out of memory");
    if (NRG_PUSH(&g->arena, g->inputs, in) != NRG_OK) {
        g->nodes.n--;
        return nrg_graph_bad(g, NRG_E098, "out of memory");
    }
    return in.node;
}

uint32_t nrg_input_count(const nrg_graph *g) { return g->inputs.n; }
nrg_node nrg_input_at(const nrg_graph *g, uint32_t slot) {
    return slot < g->inputs.n ? g->inputs.at[slot].node : NRG_BAD;
}
const char *nrg_input_name(const nrg_graph *g, uint32_t slot) {
    return slot < g->inputs.n ? g->inputs.at[slot].name : "";
}

// ---- verifier

static nrg_status broken(const nrg_graph *g, uint32_t i, const char *what) {
    const nrg_node_info *x = &g->nodes.at[i];
    nrg_status s = nrg_fail(g->ctx, NRG_E099, x->span, "node %u (%s) of a graph is broken: %s", i,
                            nrg_op_get(x->op)->name, what);
    nrg_help(g->ctx, "this is a bug in nrg; please report it with the model file and the command");
    return s;
}

static bool input_fair(const nrg_graph *g, uint32_t i) {
    const nrg_node_info *x = &g->nodes.at[i];
    return x->par.input.slot < g->inputs.n && g->inputs.at[x->par.input.slot].node.i == i &&
           nrg_shape_fair(&x->shape);
}

static nrg_status check_node(const nrg_graph *g, uint32_t i) {
    const nrg_node_info *x = &g->nodes.at[i];
    nrg_params clean;
    if (x->op <= NRG_OP_bad || x->op >= NRG_OP_COUNT) return broken(g, i, "unknown operation");
    if (x->type != g->type) return broken(g, i, "another type than its graph");
    if (x->leads & ~nrg_leads_all(g)) return broken(g, i, "unknown leading axes");
    for (int k = 0; k < 3; k++) {
        if (k < nrg_op_get(x->op)->arity ? x->in[k].i == 0 : x->in[k].i != 0)
            return broken(g, i, "wrong number of inputs");
        if (x->in[k].i >= i) return broken(g, i, "an input comes later in the graph");
    }
    if (!nrg_shape_fair(&x->shape)) return broken(g, i, "its shape is out of range");
    nrg_params_clean(x->op, &x->par, &clean);
    if (memcmp(&clean, &x->par, sizeof clean) != 0)
        return broken(g, i, "unused bytes of its parameters are not zero");
    if (x->op == NRG_OP_input)
        return input_fair(g, i) ? NRG_OK : broken(g, i, "its slot belongs to another input");
    nrg_rule r = {.g = g, .op = x->op, .par = &x->par};
    r.a = nrg_graph_node(g, x->in[0]), r.b = nrg_graph_node(g, x->in[1]),
    r.c = nrg_graph_node(g, x->in[2]);
    if (!nrg_shape_rule(&r)) return broken(g, i, r.why);
    if (r.leads != x->leads) return broken(g, i, "its leading axes are not those of its rule");
    if (!nrg_shape_same(&r.shape, &x->shape))
        return broken(g, i, "its shape is not that of its rule");
    return NRG_OK;
}

nrg_status nrg_graph_check(const nrg_graph *g) {
    TRY(nrg_graph_cause(g));
    for (uint32_t i = 1; i < g->nodes.n; i++) TRY(check_node(g, i));
    return NRG_OK;
}
