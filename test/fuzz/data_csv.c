// Fuzz target: the csv reader. The first byte chooses the separator's extension, a name and a part.
#include "data.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static const char *const parts[] = {NULL, "0", "0..1", "a..c", "b,0", "7"};
    if (n == 0) return 0;
    const char *file = *p & 1 ? "f.tsv" : *p & 64 ? "f.txt" : "f.csv", *name = *p & 2 ? "x" : NULL;
    return fuzz_data(file, name, parts[(*p >> 2 & 15) % 6], p + 1, n - 1);
}
