// Products of bytes by AVX512-VNNI, which not every processor with AVX-512 has. Who may use it: level.c.
#include "exec/cpu/cpu.h"
#include <string.h>
#include "exec/cpu/isa/coarse.inc"

void nrg_cpu_vnni_coarse(int mr, int nv, int64_t kc, const uint8_t *const *a, const int8_t *b, int64_t unit, int32_t *const *c, bool add) {
    coarse_all(mr, nv, kc, a, b, unit, c, add);
}
