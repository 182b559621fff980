// Text to a model, printed, loaded and printed again: never a crash; what loads prints as text that loads to the same.
#include "lang/lang.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_model *a = NULL, *b = NULL;
    nrg_text one = nrg_text_make(c), two = nrg_text_make(c), said = nrg_text_make(c);
    if (n < 20000 && nrg_lang_load(c, "fuzz.nrg", (const char *)p, n, NULL, &a) == NRG_OK) {
        nrg_lang_print(a, &one);
        nrg_lang_show(a, &said);
        if (nrg_lang_load(c, "again.nrg", one.at ? one.at : "", one.n, NULL, &b) != NRG_OK) {
            for (int i = 0; i < nrg_diag_count(c); i++) nrg_diag_print(c, i, &said);
            fprintf(stderr, "%s\n%s\n", one.at ? one.at : "", said.at);
            abort();
        }
        nrg_lang_print(b, &two);
        if (one.n != two.n || (one.n && memcmp(one.at, two.at, one.n) != 0)) {
            fprintf(stderr, "%s\nis not\n%s\n", one.at, two.at);
            abort();
        }
    }
    for (int i = 0; i < nrg_diag_count(c); i++) nrg_diag_print(c, i, &said);
    nrg_text_free(&one);
    nrg_text_free(&two);
    nrg_text_free(&said);
    nrg_model_free(a);
    nrg_model_free(b);
    nrg_ctx_free(c);
    return 0;
}
