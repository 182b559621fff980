// Small public functions about messages, versions and tables.
#include "api/api.h"
#include <string.h>
#include <unistd.h>

const char *nrg_version(void) { return NRG_VERSION; }

int nrg_cores(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > 256 ? 256 : (int)n;
}

nrg_status nrg_complain(nrg_ctx *c, nrg_status s, const char *message, const char *help) {
    nrg_fail(c, s, NRG_NOWHERE, "%s", message);
    if (help) nrg_help(c, "%s", help);
    return s;
}

static size_t give(nrg_text *t, char *at, size_t n) {
    size_t length = t->bad ? 0 : t->n;
    if (n > 0) {
        size_t fit = length < n ? length : n - 1;
        if (fit) memcpy(at, t->at, fit);
        at[fit] = 0;
    }
    nrg_text_free(t);
    return length;
}

size_t nrg_diag_text(nrg_ctx *c, int i, char *at, size_t n) {
    nrg_text t = nrg_text_make(c);
    nrg_diag_print(c, i, &t);
    if (t.n && t.at[t.n - 1] != '\n') nrg_text_put(&t, "\n");
    return give(&t, at, n);
}

size_t nrg_diag_json_text(nrg_ctx *c, int i, char *at, size_t n) {
    nrg_text t = nrg_text_make(c);
    nrg_diag_json(c, i, &t);
    return give(&t, at, n);
}

nrg_status nrg_table_put(nrg_table *t, const char *name, nrg_cell type, int rank,
                         const int64_t *dim, const void *data) {
    if (rank < 1 || rank > NRG_ARRAY_RANK)
        return nrg_fail(nrg_table_ctx(t), NRG_E090, NRG_NOWHERE,
                        "array %s has %d axes; 1 to %d are possible", name, rank, NRG_ARRAY_RANK);
    nrg_array a = {.name = name, .type = type, .rank = rank, .samples = dim[0]};
    memcpy(&a.data, &data, sizeof data); // lent, and only read
    memcpy(a.dim, dim, (size_t)rank * sizeof *dim);
    return nrg_table_add(t, &a);
}

nrg_status nrg_table_text(nrg_table *t, int rows, const char **text) {
    nrg_text out = nrg_text_make(nrg_table_ctx(t));
    nrg_table_info(t, rows, &out);
    nrg_status s = nrg_text_end(&out);
    *text = s == NRG_OK ? nrg_arena_copy(nrg_table_arena(t), out.at ? out.at : "", out.n) : NULL;
    nrg_text_free(&out);
    return *text ? NRG_OK : NRG_E098;
}
