// Shared by the data targets: one input through one reader and everything that looks at its result.
#ifndef NRG_FUZZ_DATA_H
#define NRG_FUZZ_DATA_H

#include "data/data.h"
#include <stdlib.h>

// Reads the bytes as `file`, checks the table, prints it and fits transforms; whatever happens must be a status.
static inline int fuzz_data(const char *file, const char *name, const char *part, const uint8_t *p, size_t n) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_table *t;
    nrg_text out = nrg_text_make(c);
    if (!c || nrg_table_new(c, &t) != NRG_OK) abort();
    nrg_status s = nrg_data_read(t, file, p, n, name, part);
    if (s == NRG_OK) s = nrg_table_check(t);
    if (s != NRG_OK && nrg_diag_errors(c) == 0) abort(); // a failure without a story
    if (s == NRG_OK) {
        nrg_table_info(t, 3, &out);
        nrg_table_hash(t);
        const nrg_array *a = nrg_table_at(t, 0);
        int64_t width = nrg_array_width(a);
        double *constants = width > 0 && width <= 16 ? malloc((size_t)(width * (width + 1)) * sizeof(double)) : NULL;
        if (constants) nrg_fit_whiten(c, a, 0.01, constants, constants + width);
        free(constants);
    }
    for (int i = 0; i < nrg_diag_count(c); i++) nrg_diag_json(c, i, &out);
    nrg_text_free(&out);
    nrg_table_free(t);
    nrg_ctx_free(c);
    return 0;
}

#endif
