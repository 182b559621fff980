// Fuzz target: the idx reader.
#include "data.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) { return fuzz_data("f.idx", NULL, NULL, p, n); }
