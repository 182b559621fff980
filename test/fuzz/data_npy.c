// Fuzz target: the npy reader.
#include "data.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) { return fuzz_data("f.npy", NULL, NULL, p, n); }
