// Fuzz target: a weights file, from its bytes to the weights of a small model.
#define _GNU_SOURCE
#include "train/train.h"
#include "lang/lang.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char model[] = "dim D, K\ngiven x : real[D]\npredict y : K\nmodule G = linear(K)\nenergy E(x, y) = G(x)[y]\nminimize y by exhaustive\n"
                            "marginalize y by exhaustive\nlearn nll\noptimize by sgd\ndata x = standardise(a), y = b\n";

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    char path[64];
    int fd = memfd_create("weights", 0);
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_weights *w = NULL;
    nrg_model *m = NULL;
    nrg_store *s = NULL;
    if (fd < 0 || !c || write(fd, p, n) != (ssize_t)n) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    bool small = true; // sizes of gigabytes are not what is looked for
    if (nrg_weights_open(c, path, false, &w) == NRG_OK) {
        const char *dims = nrg_weights_meta(w, "dims");
        for (size_t i = 0, run = 0; dims && dims[i]; i++) {
            run = dims[i] >= '0' && dims[i] <= '9' ? run + 1 : 0;
            small = small && run < 4;
        }
        if (small && nrg_lang_load(c, "m", model, strlen(model), NULL, &m) == NRG_OK && nrg_store_new(c, nrg_weights_type(w), &s) == NRG_OK)
            (void)nrg_weights_apply(w, m, s);
    }
    nrg_store_free(s);
    nrg_model_free(m);
    nrg_weights_free(w);
    nrg_ctx_free(c);
    close(fd);
    return 0;
}
