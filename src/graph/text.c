// The text of a graph, one line a node, and its reader.
//
//   graph f64
//   lead 1 "candidate" 200
//   %1 = input "x" : {0} [3, 4]
//   %2 = sum %1 axes=3 leads={} keep=0 : {0} []
//   roots %2
//
// Sets of leading axes are lists of numbers; what stands behind the colon are the leading axes and the event shape.
#include "graph/inside.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- printer

static void put_leads(nrg_text *out, nrg_leads leads) {
    nrg_text_put(out, "{");
    for (int i = 0, first = 1; i < NRG_MAX_LEADS; i++)
        if (leads >> i & 1) nrg_text_put(out, first ? "%d" : ", %d", i), first = 0;
    nrg_text_put(out, "}");
}

static void put_shape(nrg_text *out, const nrg_shape *s) {
    nrg_text_put(out, "[");
    for (int i = 0; i < s->rank; i++) nrg_text_put(out, i ? ", %" PRId64 : "%" PRId64, s->dim[i]);
    nrg_text_put(out, "]");
}

static void put_field(nrg_text *out, const nrg_field *f, const nrg_params *p) {
    const void *at = (const char *)p + f->at;
    nrg_text_put(out, " %s=", f->key);
    switch (f->kind) {
    case NRG_FIELD_U32:
    case NRG_FIELD_BITS: nrg_text_put(out, "%" PRIu32, *(const uint32_t *)at); break;
    case NRG_FIELD_I32: nrg_text_put(out, "%" PRId32, *(const int32_t *)at); break;
    case NRG_FIELD_I64: nrg_text_put(out, "%" PRId64, *(const int64_t *)at); break;
    case NRG_FIELD_F64: nrg_text_put(out, "%.17g", *(const double *)at); break;
    case NRG_FIELD_LEADS: put_leads(out, *(const nrg_leads *)at); break;
    case NRG_FIELD_SHAPE: put_shape(out, at); break;
    case NRG_FIELD_ORDER:
        for (int i = 0; i < NRG_MAX_RANK; i++)
            nrg_text_put(out, i ? ",%" PRId32 : "%" PRId32, ((const int32_t *)at)[i]);
    }
}

static void put_node(const nrg_graph *g, const nrg_node_info *x, const uint32_t *id,
                     nrg_text *out) {
    nrg_text_put(out, "%s", nrg_op_get(x->op)->name);
    if (x->op == NRG_OP_input) {
        nrg_text_put(out, " ");
        nrg_text_json(out, nrg_input_name(g, x->par.input.slot));
    } else {
        for (int k = 0; k < nrg_op_get(x->op)->arity; k++)
            nrg_text_put(out, " %%%u", id[x->in[k].i]);
        for (const nrg_field *f = nrg_fields_of(x->op); f->key; f++) put_field(out, f, &x->par);
    }
    nrg_text_put(out, " : ");
    put_leads(out, x->leads);
    nrg_text_put(out, " ");
    put_shape(out, &x->shape);
    nrg_text_put(out, "\n");
}

// What the roots need, and all inputs, so that slots keep their numbers.
void nrg_graph_print(const nrg_graph *g, const nrg_node *roots, int n, nrg_text *out) {
    nrg_arena scratch = nrg_arena_make(g->ctx);
    uint32_t *id = NRG_NEWS(&scratch, uint32_t, g->nodes.n), next = 1;
    if (!id) {
        out->bad = true;
        nrg_arena_free(&scratch);
        return;
    }
    for (int i = 0; i < n; i++)
        if (roots[i].i < g->nodes.n) id[roots[i].i] = 1;
    for (uint32_t i = g->nodes.n - 1; i > 0; i--) {
        if (g->nodes.at[i].op == NRG_OP_input) id[i] = 1;
        for (int k = 0; id[i] && k < 3; k++) id[g->nodes.at[i].in[k].i] = 1;
    }
    nrg_text_put(out, "graph %s\n", nrg_dtype_name(g->type));
    for (int i = 1; i < g->leads; i++) {
        nrg_text_put(out, "lead %d ", i);
        nrg_text_json(out, g->lead[i].name);
        nrg_text_put(out, " %" PRId64 "\n", g->lead[i].extent);
    }
    for (uint32_t i = 1; i < g->nodes.n; i++) {
        if (!id[i]) continue;
        id[i] = next++;
        nrg_text_put(out, "%%%u = ", id[i]);
        put_node(g, &g->nodes.at[i], id, out);
    }
    nrg_text_put(out, "roots");
    for (int i = 0; i < n; i++)
        nrg_text_put(out, " %%%u", roots[i].i && roots[i].i < g->nodes.n ? id[roots[i].i] : 0);
    nrg_text_put(out, "\n");
    nrg_arena_free(&scratch);
}

// ---- reader: every function returns false once something was wrong, and the first reason stays

typedef struct {
    nrg_ctx *ctx;
    nrg_graph *g;
    const char *p;
    int line;
    bool bad;
    nrg_status status; // the first reason; NRG_OK with `bad`: memory was refused
    struct {
        nrg_node *at;
        uint32_t n, cap;
    } node; // by number in the text
    nrg_arena arena;
} reader;

static bool wrong(reader *r, const char *expected) {
    if (!r->bad)
        r->status = nrg_fail(r->ctx, NRG_E054, NRG_NOWHERE,
                             "line %d of the text of a graph: expected %s, found `%.24s`", r->line,
                             expected, r->p);
    r->bad = true;
    return false;
}

static void blanks(reader *r) {
    while (*r->p == ' ' || *r->p == '\t' || *r->p == '\r') r->p++;
}

static bool end_of_line(reader *r) {
    blanks(r);
    if (*r->p == 0) return true;
    if (*r->p != '\n') return wrong(r, "the end of the line");
    r->p++, r->line++;
    return true;
}

static bool sign(reader *r, const char *s) {
    blanks(r);
    if (r->bad || strncmp(r->p, s, strlen(s)) != 0) return wrong(r, s);
    r->p += strlen(s);
    return true;
}

static bool sees(reader *r, char c) {
    blanks(r);
    return !r->bad && *r->p == c;
}

static bool letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9');
}

static bool word(reader *r, char *out, size_t n) {
    size_t k = 0;
    blanks(r);
    while (letter(*r->p) && k + 1 < n) out[k++] = *r->p++;
    out[k] = 0;
    return k && !letter(*r->p) ? !r->bad : wrong(r, "a word");
}

static bool integer(reader *r, int64_t low, int64_t high, int64_t *out) {
    uint64_t v = 0;
    blanks(r);
    bool minus = *r->p == '-';
    const char *start = r->p += minus;
    while (*r->p >= '0' && *r->p <= '9' && v < UINT64_C(1) << 59)
        v = v * 10 + (uint64_t)(*r->p++ - '0');
    int64_t value = minus ? -(int64_t)v : (int64_t)v;
    if (r->p == start || value < low || value > high) return wrong(r, "a whole number in range");
    *out = value;
    return !r->bad;
}

static bool number(reader *r, double *out) {
    char *end;
    blanks(r);
    if (*r->p == '\n' || *r->p == 0) return wrong(r, "a number");
    *out = nrg_strtod(r->p, &end);
    if (end == r->p) return wrong(r, "a number");
    r->p = end;
    return !r->bad;
}

static int digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

// One character of a JSON string at *p (behind the backslash for escapes); those beyond ASCII stand as they are.
static int escape(reader *r) {
    static const char from[] = "nrtbf\"\\/", to[] = "\n\r\t\b\f\"\\/";
    const char *at = *r->p ? strchr(from, *r->p) : NULL;
    int v = 0;
    if (at) return r->p++, to[at - from];
    if (*r->p != 'u') return -1;
    r->p++;
    for (int i = 0; i < 4; i++, r->p++) {
        int d = digit(*r->p);
        if (d < 0) return -1;
        v = v * 16 + d;
    }
    return v > 0 && v < 128 ? v : -1;
}

static bool string(reader *r, nrg_text *out) {
    if (!sign(r, "\"")) return false;
    while (*r->p && *r->p != '"' && *r->p != '\n') {
        int c = (unsigned char)*r->p++;
        if (c == '\\') c = escape(r);
        if (c < 0) return wrong(r, "an escape of JSON");
        char byte = (char)c;
        nrg_text_bytes(out, &byte, 1);
    }
    nrg_text_bytes(out, "", 1);
    return sign(r, "\"") && !out->bad;
}

static bool leads(reader *r, nrg_leads *out) {
    int64_t i;
    *out = 0;
    if (!sign(r, "{")) return false;
    while (!sees(r, '}')) {
        if (*out && !sign(r, ",")) return false;
        if (!integer(r, 0, r->g->leads - 1, &i)) return false;
        *out |= (nrg_leads)1 << i;
    }
    return sign(r, "}");
}

static bool shape(reader *r, nrg_shape *out) {
    memset(out, 0, sizeof *out);
    if (!sign(r, "[")) return false;
    while (!sees(r, ']')) {
        if (out->rank == NRG_MAX_RANK) return wrong(r, "at most 8 axes");
        if (out->rank && !sign(r, ",")) return false;
        if (!integer(r, 0, INT64_C(1) << 40, &out->dim[out->rank++])) return false;
    }
    return sign(r, "]");
}

static bool old_node(reader *r, nrg_node *out) {
    int64_t i;
    if (!sign(r, "%") || !integer(r, 0, UINT32_MAX, &i)) return false;
    if (i == 0 || i >= r->node.n) return wrong(r, "a node that stands above");
    *out = r->node.at[i];
    return true;
}

static bool field(reader *r, const nrg_field *f, nrg_params *p) {
    void *at = (char *)p + f->at;
    int64_t v = 0;
    if (!sign(r, f->key) || !sign(r, "=")) return false;
    switch (f->kind) {
    case NRG_FIELD_U32:
    case NRG_FIELD_BITS:
        if (!integer(r, 0, UINT32_MAX, &v)) return false;
        *(uint32_t *)at = (uint32_t)v;
        return true;
    case NRG_FIELD_I32:
        if (!integer(r, INT32_MIN, INT32_MAX, &v)) return false;
        *(int32_t *)at = (int32_t)v;
        return true;
    case NRG_FIELD_I64: return integer(r, -(INT64_C(1) << 58), INT64_C(1) << 58, at);
    case NRG_FIELD_F64: return number(r, at);
    case NRG_FIELD_LEADS: return leads(r, at);
    case NRG_FIELD_SHAPE: return shape(r, at);
    case NRG_FIELD_ORDER:
        for (int i = 0; i < NRG_MAX_RANK; i++) {
            if ((i && !sign(r, ",")) || !integer(r, 0, NRG_MAX_RANK - 1, &v)) return false;
            ((int32_t *)at)[i] = (int32_t)v;
        }
        return true;
    }
    return false;
}

static bool op_of(reader *r, nrg_op *op) {
    char name[24];
    const char *at = r->p;
    if (!word(r, name, sizeof name)) return false;
    for (int i = 1; i < NRG_OP_COUNT; i++)
        if (nrg_same(nrg_op_get((nrg_op)i)->name, name)) return *op = (nrg_op)i, true;
    r->p = at;
    return wrong(r, "the name of a row of ops.def");
}

static bool form(reader *r, nrg_leads *l, nrg_shape *s) {
    return sign(r, ":") && leads(r, l) && shape(r, s);
}

static bool keep_node(reader *r, nrg_node n, nrg_leads l, const nrg_shape *s) {
    if (!n.i) {
        if (!r->bad) r->status = nrg_graph_cause(r->g);
        r->bad = true;
        return false;
    }
    const nrg_node_info *x = nrg_graph_node(r->g, n);
    if (x->leads != l || !nrg_shape_same(&x->shape, s))
        return wrong(r, "the leading axes and shape that the rule gives");
    if (NRG_PUSH(&r->arena, r->node, n) != NRG_OK) r->bad = true;
    return !r->bad;
}

static bool input_line(reader *r) {
    nrg_text name = nrg_text_make(r->ctx);
    nrg_leads l = 0;
    nrg_shape s = {0};
    uint32_t before = nrg_input_count(r->g);
    bool ok =
        string(r, &name) && form(r, &l, &s) && keep_node(r, nrg_input(r->g, name.at, l, s), l, &s);
    if (ok && nrg_input_count(r->g) == before) ok = wrong(r, "a new name for each input");
    if (name.bad) r->bad = true;
    nrg_text_free(&name);
    return ok && end_of_line(r);
}

static bool node_line(reader *r) {
    int64_t id;
    nrg_op op = NRG_OP_bad;
    nrg_node in[3] = {NRG_BAD, NRG_BAD, NRG_BAD};
    nrg_params p;
    nrg_leads l = 0;
    nrg_shape s;
    memset(&p, 0, sizeof p);
    if (!sign(r, "%") || !integer(r, r->node.n, r->node.n, &id) || !sign(r, "=") || !op_of(r, &op))
        return false;
    if (op == NRG_OP_input) return input_line(r);
    for (int k = 0; k < nrg_op_get(op)->arity; k++)
        if (!old_node(r, &in[k])) return false;
    for (const nrg_field *f = nrg_fields_of(op); f->key; f++)
        if (!field(r, f, &p)) return false;
    return form(r, &l, &s) && end_of_line(r) &&
           keep_node(r, nrg_build(r->g, op, in[0], in[1], in[2], &p), l, &s);
}

static bool lead_line(reader *r) {
    nrg_text name = nrg_text_make(r->ctx);
    int64_t i = 0, n = 0;
    bool ok = sign(r, "lead") && integer(r, r->g->leads, NRG_MAX_LEADS - 1, &i) &&
              string(r, &name) && integer(r, 0, INT64_C(1) << 40, &n);
    if (ok && i != r->g->leads) ok = wrong(r, "leading axes in order");
    if (ok && !nrg_lead_new(r->g, name.at, n))
        r->status = nrg_graph_cause(r->g), r->bad = true, ok = false;
    if (name.bad) r->bad = true;
    nrg_text_free(&name);
    return ok && end_of_line(r);
}

static bool root_line(reader *r, nrg_node *roots, int room, int *n) {
    if (!sign(r, "roots")) return false;
    for (*n = 0; sees(r, '%'); ++*n) {
        if (*n == room) return wrong(r, "fewer roots");
        if (!old_node(r, &roots[*n])) return false;
    }
    return end_of_line(r);
}

static bool all_lines(reader *r, nrg_node *roots, int room, int *n) {
    if (NRG_PUSH(&r->arena, r->node, NRG_BAD) != NRG_OK) return false;
    while (sees(r, 'l'))
        if (!lead_line(r)) return false;
    while (sees(r, '%'))
        if (!node_line(r)) return false;
    if (!root_line(r, roots, room, n)) return false;
    while (sees(r, '\n'))
        if (!end_of_line(r)) return false;
    return *r->p == 0 || wrong(r, "the end of the text");
}

nrg_status nrg_graph_read(nrg_ctx *c, const char *text, nrg_graph **out, nrg_node *roots, int *n) {
    reader r = {.ctx = c, .p = text, .line = 1, .arena = nrg_arena_make(c)};
    char type[8] = "";
    int room = *n;
    *out = NULL;
    *n = 0;
    bool ok = sign(&r, "graph") && word(&r, type, sizeof type) && end_of_line(&r);
    int t = 0;
    while (t < NRG_DTYPES && !nrg_same(type, nrg_dtype_name((nrg_dtype)t))) t++;
    if (ok && t == NRG_DTYPES)
        ok = wrong(&r, "f32, f64, bf16x3 or bf16 in the first line");
    if (ok && nrg_graph_new(c, (nrg_dtype)t, &r.g) != NRG_OK)
        ok = false;
    ok = ok && all_lines(&r, roots, room, n) && r.g->cause == NRG_OK;
    nrg_arena_free(&r.arena);
    if (!ok) {
        nrg_graph_free(r.g);
        return r.status != NRG_OK ? r.status : NRG_E098;
    }
    *out = r.g;
    return NRG_OK;
}
