// Fuzz target: the reader of weights files.
#include "data/data.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_tensors *t;
    nrg_status s = nrg_tensors_read(c, "f.safetensors", p, n, &t);
    if (s != NRG_OK && nrg_diag_errors(c) == 0) abort();
    if (s == NRG_OK) {
        unsigned sum = 0;
        for (int i = 0; i < nrg_tensors_count(t); i++) {
            const nrg_tensor *one = nrg_tensors_at(t, i);
            size_t bytes = nrg_cell_size(one->type);
            for (int k = 0; k < one->rank; k++) bytes *= (size_t)one->dim[k];
            for (size_t k = 0; k < bytes; k++) sum += ((const uint8_t *)one->data)[k];
            if (!nrg_tensors_find(t, one->name)) abort();
        }
        if (sum == 1) nrg_tensors_meta(t, "model");
        for (int i = 0; nrg_tensors_meta_at(t, i); i++) nrg_tensors_meta(t, nrg_tensors_meta_at(t, i)->key);
        nrg_tensors_free(t);
    }
    nrg_ctx_free(c);
    return 0;
}
