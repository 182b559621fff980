// NumPy's .npy: magic, version, a header in Python's notation, raw cells.
// Format: numpy.org, "NEP 1: a simple file format for NumPy arrays".
#include "data/data.h"
#include <math.h>
#include <string.h>

typedef struct {
    char order;   // < > | =
    char kind;    // b i u f S U ...
    int64_t size; // bytes of a cell
    bool fortran;
    int32_t rank;
    int64_t dim[NRG_ARRAY_RANK];
} header;

// ---- the header: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } ----

typedef struct {
    const char *p, *end;
} cursor;

static void spaces(cursor *c) {
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t')) c->p++;
}

static bool eat(cursor *c, char ch) {
    spaces(c);
    if (c->p == c->end || *c->p != ch) return false;
    c->p++;
    return true;
}

static bool quoted(cursor *c, const char **at, size_t *n) {
    spaces(c);
    if (c->p == c->end || (*c->p != '\'' && *c->p != '"')) return false;
    const char *close = memchr(c->p + 1, *c->p, (size_t)(c->end - c->p - 1));
    if (!close) return false;
    *at = c->p + 1;
    *n = (size_t)(close - *at);
    c->p = close + 1;
    return true;
}

static bool word(cursor *c, const char *w) {
    spaces(c);
    size_t n = strlen(w);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, w, n) != 0) return false;
    c->p += n;
    return true;
}

static bool whole(cursor *c, int64_t *out) {
    spaces(c);
    const char *from = c->p;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9') c->p++;
    size_t n = (size_t)(c->p - from);
    if (c->p < c->end && *c->p == 'L') c->p++; // written by Python 2
    return nrg_integer(from, n, out);
}

static bool shape(cursor *c, header *h) {
    if (!eat(c, '(')) return false;
    while (!eat(c, ')')) {
        if (h->rank == NRG_ARRAY_RANK || !whole(c, &h->dim[h->rank])) return false;
        h->rank++;
        if (!eat(c, ',')) return eat(c, ')');
    }
    return true;
}

static bool descr(cursor *c, header *h) {
    const char *at;
    size_t n;
    if (!quoted(c, &at, &n) || n < 2) return false;
    bool order = strchr("<>|=", *at) != NULL;
    h->order = order ? *at++ : '=', n -= order;
    if (n < 1) return false;
    h->kind = *at;
    h->size = 0;
    return n == 1 || nrg_integer(at + 1, n - 1, &h->size) || h->kind == 'M' || h->kind == 'm';
}

// NULL, or what is wrong.
static const char *parse(const char *p, size_t n, header *h) {
    cursor c = {p, p + n};
    int seen = 0; // bit 0: descr, 1: fortran_order, 2: shape
    if (!eat(&c, '{')) return "the header is not a dictionary";
    while (!eat(&c, '}')) {
        const char *key;
        size_t len;
        if (!quoted(&c, &key, &len) || !eat(&c, ':')) return "the header is not a dictionary";
        if (len == 5 && memcmp(key, "descr", 5) == 0) {
            spaces(&c);
            if (c.p < c.end && *c.p == '[')
                return "it holds records with fields; save each field as an array of its own";
            if (!descr(&c, h)) return "its type cannot be read";
            seen |= 1;
        } else if (len == 13 && memcmp(key, "fortran_order", 13) == 0) {
            h->fortran = word(&c, "True");
            if (!h->fortran && !word(&c, "False")) return "fortran_order is neither True nor False";
            seen |= 2;
        } else if (len == 5 && memcmp(key, "shape", 5) == 0) {
            if (seen & 4 || !shape(&c, h)) return "its shape cannot be read, or has more than 8 axes";
            seen |= 4;
        } else
            return "the header has an unknown key";
        if (!eat(&c, ',') && !(c.p < c.end && *c.p == '}')) return "the header is not a dictionary";
    }
    return seen == 7 ? NULL : "the header lacks descr, fortran_order or shape";
}

// ---- the cells ----

static bool little(void) {
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 1;
}

static void swap(unsigned char *p, int64_t cells, int64_t size) {
    for (int64_t i = 0; i < cells; i++, p += size)
        for (int64_t a = 0, b = size - 1; a < b; a++, b--) {
            unsigned char kept = p[a];
            p[a] = p[b];
            p[b] = kept;
        }
}

// Row-major `to` from column-major `from`.
static void transpose(const header *h, const unsigned char *from, unsigned char *to, int64_t cells) {
    int64_t at[NRG_ARRAY_RANK] = {0}, stride[NRG_ARRAY_RANK], step = 1;
    for (int i = 0; i < h->rank; i++) stride[i] = step, step *= h->dim[i];
    for (int64_t n = 0; n < cells; n++) {
        int64_t off = 0;
        for (int i = 0; i < h->rank; i++) off += at[i] * stride[i];
        memcpy(to + n * h->size, from + off * h->size, (size_t)h->size);
        for (int i = h->rank - 1; i >= 0 && ++at[i] == h->dim[i]; i--) at[i] = 0;
    }
}

static float from_half(uint16_t w) { // IEEE 754 binary16
    int e = w >> 10 & 31, m = w & 1023;
    float v = e == 31 ? (m ? NAN : INFINITY) : e ? ldexpf((float)(m + 1024), e - 25) : ldexpf((float)m, -24);
    return w & 0x8000 ? -v : v;
}

static nrg_status from_halves(nrg_reading *in, nrg_array *a, const unsigned char *p, int64_t cells) {
    float *f = NRG_NEWS(nrg_table_arena(in->table), float, cells);
    if (!f) return NRG_E098;
    for (int64_t i = 0; i < cells; i++) {
        uint16_t w;
        memcpy(&w, p + 2 * i, 2);
        f[i] = from_half(w);
    }
    a->type = NRG_CELL_F32;
    a->data = f;
    return NRG_OK;
}

static bool type_of(const header *h, nrg_cell *t) {
    static const struct {
        char kind;
        int size;
        nrg_cell type;
    } map[] = {{'f', 4, NRG_CELL_F32}, {'f', 8, NRG_CELL_F64},  {'u', 1, NRG_CELL_U8},  {'i', 1, NRG_CELL_I8},
               {'i', 2, NRG_CELL_I16}, {'i', 4, NRG_CELL_I32},  {'i', 8, NRG_CELL_I64}, {'u', 2, NRG_CELL_U16},
               {'u', 4, NRG_CELL_U32}, {'b', 1, NRG_CELL_BOOL}, {'u', 8, NRG_CELL_I64}};
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (map[i].kind == h->kind && map[i].size == h->size) {
            *t = map[i].type;
            return true;
        }
    return false;
}

static nrg_status bad(nrg_reading *in, const char *name, const char *what) {
    return nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE, "%s: array '%s': %s", in->file, name, what);
}

static nrg_status bad_type(nrg_reading *in, const char *name, const header *h) {
    if (h->kind == 'O') {
        nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE, "%s: array '%s' holds Python objects (pickle), which nrg does not run",
                 in->file, name);
        nrg_help(in->ctx, "save it with a plain type: np.save(..., a.astype(np.float32)), or a flat array with offsets "
                          "when it is ragged");
        return NRG_E054;
    }
    return nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE,
                    "%s: array '%s' has the type %c%lld, expected bool, int, uint, float or text", in->file, name,
                    h->kind, (long long)h->size);
}

// Two bytes of magic number and version give the header's length: 2 bytes in version 1, 4 in 2 and 3.
static const char *head_length(const unsigned char *p, size_t n, size_t *start, size_t *len) {
    if (n < 10 || memcmp(p, "\x93NUMPY", 6) != 0) return "it does not start as an .npy file does";
    if (p[6] < 1 || p[6] > 3) return "its version is unknown (1, 2 and 3 are known)";
    if (p[6] > 1 && n < 12) return "it ends inside the header";
    *start = p[6] == 1 ? 10 : 12;
    *len = p[8] | (size_t)p[9] << 8;
    if (p[6] > 1) *len |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
    return *len > n - *start ? "it ends inside the header" : NULL;
}

// Cells where they are, when they are row-major, aligned and to be kept; else a copy.
static nrg_status place(nrg_reading *in, nrg_array *a, const header *h, unsigned char *p, int64_t cells, bool keep) {
    int64_t bytes = cells * h->size;
    bool turn = h->fortran && h->rank > 1, aligned = (uintptr_t)p % (uintptr_t)h->size == 0;
    a->data = p;
    if (keep && !turn && aligned) return NRG_OK;
    a->data = nrg_arena_get(nrg_table_arena(in->table), (size_t)bytes);
    if (!a->data) return NRG_E098;
    if (turn)
        transpose(h, p, a->data, cells);
    else if (bytes)
        memcpy(a->data, p, (size_t)bytes);
    return NRG_OK;
}

static nrg_status check_unsigned(nrg_reading *in, const nrg_array *a, int64_t cells) {
    for (int64_t i = 0; i < cells; i++)
        if (((const int64_t *)a->data)[i] < 0) return bad(in, a->name, "a uint64 is above the largest int64");
    return NRG_OK;
}

// Checks the sizes against the n bytes at p.
static nrg_status sizes(nrg_reading *in, const char *name, const header *h, size_t n, int64_t *cells) {
    int64_t bytes;
    bool hollow = false; // rows of no cells: any number of them fits any file
    for (int i = 1; i < h->rank; i++) hollow |= h->dim[i] == 0;
    if (hollow && h->dim[0] > 0) return bad(in, name, "its rows have no cells");
    if (!nrg_product(h->dim, h->rank, cells) || !nrg_times(*cells, h->size, &bytes))
        return bad(in, name, "its shape is impossibly large");
    if ((uint64_t)bytes > n) {
        nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE, "%s: array '%s' ends too early", in->file, name);
        nrg_fact(in->ctx, "found %zu bytes of cells, expected %lld cells of %lld bytes", n, (long long)*cells,
                 (long long)h->size);
        return NRG_E054;
    }
    return NRG_OK;
}

nrg_status nrg_npy_parse(nrg_reading *in, const char *name, unsigned char *at, size_t n, bool keep, bool *skip) {
    size_t start, len;
    header h = {0};
    int64_t cells;
    const char *wrong = head_length(at, n, &start, &len);
    if (!wrong) wrong = parse((const char *)at + start, len, &h);
    if (wrong) return bad(in, name, wrong);
    *skip = h.rank == 0;
    if (*skip) return NRG_OK;
    nrg_cell type = NRG_CELL_U8;
    bool half = h.kind == 'f' && h.size == 2,
         text = (h.kind == 'S' && h.size > 0) || (h.kind == 'U' && h.size > 0 && h.size <= 1 << 28);
    if (h.kind == 'U') h.size *= 4;
    if (!half && !text && !type_of(&h, &type)) return bad_type(in, name, &h);
    unsigned char *p = at + start + len;
    TRY(sizes(in, name, &h, n - start - len, &cells));
    nrg_array a = {.name = name, .type = type, .rank = h.rank, .file = in->file};
    memcpy(a.dim, h.dim, sizeof h.dim);
    if (h.order == '=') h.order = little() ? '<' : '>';
    bool turned = h.size > 1 && h.kind != 'S' && h.order == (little() ? '>' : '<');
    if (turned && h.kind == 'U')
        swap(p, cells * (h.size / 4), 4);
    else if (turned)
        swap(p, cells, h.size);
    if (h.fortran && h.rank > 1) keep = false;
    if (half || text) {
        if (h.fortran && h.rank > 1)
            return bad(in, name, "float16 and texts in Fortran order are not read; save np.ascontiguousarray(a)");
        TRY(half ? from_halves(in, &a, p, cells) : nrg_texts_read(in->table, h.kind == 'U', h.size, p, cells, &a));
    } else
        TRY(place(in, &a, &h, p, cells, keep));
    if (h.kind == 'u' && h.size == 8) TRY(check_unsigned(in, &a, cells));
    return nrg_table_add(in->table, &a);
}

void nrg_npy_head(const nrg_array *a, int64_t chars, nrg_text *out) {
    static const char *const code[NRG_CELL_COUNT] = {"f4", "f8", "u1", "i1", "i2", "i4", "i8", "u2", "u4", "b1"};
    nrg_text d = nrg_text_make(out->ctx);
    char order = little() ? '<' : '>';
    if (chars)
        nrg_text_put(&d, "{'descr': '%cU%lld'", order, (long long)chars);
    else
        nrg_text_put(&d, "{'descr': '%c%s'", nrg_cell_size(a->type) == 1 ? '|' : order, code[a->type]);
    nrg_text_put(&d, ", 'fortran_order': False, 'shape': (");
    for (int i = 0; i < a->rank; i++) nrg_text_put(&d, "%lld, ", (long long)a->dim[i]);
    nrg_text_put(&d, "), }");
    while ((d.n + 11) % 64 && !d.bad) nrg_text_put(&d, " "); // cells start at a multiple of 64
    nrg_text_put(&d, "\n");
    unsigned char head[10] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(d.n & 255), (unsigned char)(d.n >> 8)};
    nrg_text_bytes(out, head, sizeof head);
    if (d.bad)
        out->bad = true;
    else
        nrg_text_bytes(out, d.at, d.n);
    nrg_text_free(&d);
}

// ---- the reader ----

bool nrg_npy_applies(const nrg_reading *in) {
    return (in->blob->n >= 6 && memcmp(in->blob->at, "\x93NUMPY", 6) == 0) || strcmp(in->ext, "npy") == 0;
}

nrg_status nrg_npy_read(nrg_reading *in) {
    bool skip = false;
    const char *name = in->name ? in->name : in->stem;
    unsigned char *at = in->blob->at;
    size_t n = in->blob->n;
    TRY(nrg_table_keep(in->table, in->blob));
    TRY(nrg_npy_parse(in, name, at, n, true, &skip));
    return skip ? bad(in, name, "it is one number, not an array of samples") : NRG_OK;
}
