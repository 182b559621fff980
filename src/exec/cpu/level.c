// Which kernels this processor can run.
#include "exec/cpu/cpu.h"

extern const nrg_kernels nrg_cpu_portable;
#ifdef NRG_HAS_avx2
extern const nrg_kernels nrg_cpu_avx2;
#endif
#ifdef NRG_HAS_avx512
extern const nrg_kernels nrg_cpu_avx512;
#endif

static const nrg_kernels *avx2(void) {
#ifdef NRG_HAS_avx2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &nrg_cpu_avx2;
#endif
    return NULL;
}

static const nrg_kernels *avx512(void) {
#ifdef NRG_HAS_avx512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw"))
        return &nrg_cpu_avx512;
#endif
    return NULL;
}

const nrg_kernels *nrg_cpu_kernels(nrg_cpu_level level) {
    if (level == NRG_CPU_PORTABLE) return &nrg_cpu_portable;
    if (level == NRG_CPU_AVX2) return avx2();
    if (level == NRG_CPU_AVX512 || level == NRG_CPU_VNNI || level == NRG_CPU_AMX) return avx512();
    return avx512() ? avx512() : avx2() ? avx2() : &nrg_cpu_portable;
}

#ifdef NRG_HAS_vnni
// isa/vnni.c
void nrg_cpu_vnni_coarse(int mr, int nv, int64_t kc, const uint8_t *const *a, const int8_t *b, int64_t unit, int32_t *const *c, bool add);
#endif

nrg_coarse_fn nrg_cpu_coarse(nrg_cpu_level level) {
    const nrg_kernels *k = nrg_cpu_kernels(level);
#ifdef NRG_HAS_vnni
    bool wanted = level == NRG_CPU_BEST || level == NRG_CPU_VNNI || level == NRG_CPU_AMX;
    if (wanted && k && k == avx512() && __builtin_cpu_supports("avx512vnni")) return nrg_cpu_vnni_coarse;
#endif
    return k && level != NRG_CPU_VNNI ? k->coarse : NULL;
}
