// Fuzz target: the libsvm reader.
#include "data.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) { return fuzz_data("f.libsvm", NULL, NULL, p, n); }
