// IDX, the format of MNIST (Y. LeCun's page on it): 0 0 type rank, then big-endian sizes, then big-endian cells.
#include "data/data.h"
#include <string.h>

static bool type_of(unsigned char code, nrg_cell *t) {
    switch (code) {
    case 0x08: *t = NRG_CELL_U8; return true;
    case 0x09: *t = NRG_CELL_I8; return true;
    case 0x0b: *t = NRG_CELL_I16; return true;
    case 0x0c: *t = NRG_CELL_I32; return true;
    case 0x0d: *t = NRG_CELL_F32; return true;
    case 0x0e: *t = NRG_CELL_F64; return true;
    default: return false;
    }
}

static bool named(const nrg_reading *in) {
    return strstr(in->ext, "idx") || strstr(in->ext, "ubyte") || (strstr(in->stem, "idx") && in->ext[0] == 0);
}

bool nrg_idx_applies(const nrg_reading *in) {
    const unsigned char *p = in->blob->at;
    nrg_cell t;
    bool mark = in->blob->n >= 4 && p[0] == 0 && p[1] == 0 && type_of(p[2], &t) && p[3] >= 1 && p[3] <= NRG_ARRAY_RANK;
    return mark || named(in);
}

static nrg_status bad(nrg_reading *in, const char *what) {
    return nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE, "%s: as IDX: %s", in->file, what);
}

// Checks the head; the cells start at *start.
static nrg_status head(nrg_reading *in, nrg_array *a, size_t *start) {
    const unsigned char *p = in->blob->at;
    size_t n = in->blob->n;
    if (n < 4 || p[0] != 0 || p[1] != 0) return bad(in, "it does not start with two zero bytes");
    if (!type_of(p[2], &a->type)) return bad(in, "its type of cells is unknown (8, 9, 11, 12, 13 and 14 are known)");
    if (p[3] < 1 || p[3] > NRG_ARRAY_RANK) return bad(in, "it must have 1 to 8 axes");
    a->rank = p[3];
    *start = 4 + 4 * (size_t)a->rank;
    if (n < *start) return bad(in, "it ends inside its head");
    for (int i = 0; i < a->rank; i++) {
        const unsigned char *q = p + 4 + 4 * i;
        a->dim[i] = (int64_t)q[0] << 24 | (int64_t)q[1] << 16 | (int64_t)q[2] << 8 | q[3];
        if (i > 0 && a->dim[i] == 0) return bad(in, "its rows have no cells");
    }
    int64_t bytes;
    if (!nrg_product(a->dim, a->rank, &bytes) || !nrg_times(bytes, (int64_t)nrg_cell_size(a->type), &bytes))
        return bad(in, "its shape is impossibly large");
    if ((uint64_t)bytes != n - *start) {
        nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE, "%s: as IDX: it has %zu bytes of cells, expected %lld", in->file,
                 n - *start, (long long)bytes);
        nrg_text t = nrg_text_make(in->ctx);
        for (int i = 0; i < a->rank; i++) nrg_text_put(&t, "%s%lld", i ? " x " : "", (long long)a->dim[i]);
        nrg_fact(in->ctx, "its head says %s cells of %s", t.at ? t.at : "", nrg_cell_name(a->type));
        nrg_text_free(&t);
        return NRG_E054;
    }
    return NRG_OK;
}

// Big-endian cells to the machine's order; `to` is aligned.
static void turn(const unsigned char *from, unsigned char *to, int64_t cells, size_t size) {
    for (int64_t i = 0; i < cells; i++, from += size, to += size) {
        uint64_t v = 0;
        for (size_t k = 0; k < size; k++) v = v << 8 | from[k];
        uint16_t v2 = (uint16_t)v;
        uint32_t v4 = (uint32_t)v;
        memcpy(to, size == 2 ? (void *)&v2 : size == 4 ? (void *)&v4 : (void *)&v, size);
    }
}

nrg_status nrg_idx_read(nrg_reading *in) {
    nrg_array a = {.name = in->name ? in->name : in->stem, .file = in->file};
    size_t start = 0;
    TRY(head(in, &a, &start));
    unsigned char *p = in->blob->at + start;
    size_t size = nrg_cell_size(a.type);
    int64_t cells = nrg_array_cells(&a);
    a.data = p;
    if (size == 1) {
        TRY(nrg_table_keep(in->table, in->blob));
        return nrg_table_add(in->table, &a);
    }
    a.data = nrg_arena_get(nrg_table_arena(in->table), (size_t)cells * size);
    if (!a.data) return NRG_E098;
    turn(p, a.data, cells, size);
    return nrg_table_add(in->table, &a);
}
