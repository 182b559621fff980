// Buffers of a store as doubles and back.
#include "train/inside.h"
#include <math.h>

void nrg_numbers_get(const nrg_buffer *b, double *to, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        to[i] = b->type == NRG_BUF_F64 ? ((const double *)b->data)[i] : (double)((const float *)b->data)[i];
}

void nrg_numbers_put(const nrg_buffer *b, const double *from, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (b->type == NRG_BUF_F64) ((double *)b->data)[i] = from[i];
        else ((float *)b->data)[i] = (float)from[i];
    }
}

nrg_status nrg_number_set(nrg_store *s, const char *name, double value) {
    const nrg_buffer *b = nrg_store_get(s, name);
    void *data;
    if (!b) TRY(nrg_store_make(s, name, 1, &data));
    nrg_numbers_put(nrg_store_get(s, name), &value, 1);
    return NRG_OK;
}
