// Products of bfloat16 numbers on the matrix units of a processor with AMX. Who may use it: bf16.c. The code around these few
// instructions is that of tiles.inc, which runs everywhere on tiles in plain C.
#include "exec/cpu/cpu.h"
#include <immintrin.h>

#define TILES(name) amx_##name
#define BEGIN
#define ZERO(t) _tile_zero(t)
#define LOAD(t, from, row) _tile_loadd(t, from, row)
#define STORE(t, to, row) _tile_stored(t, to, row)
#define DOT(c, a, b) _tile_dpbf16ps(c, a, b)
#include "exec/cpu/isa/tiles.inc"

static const struct {
    uint8_t palette, row, none[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} shape = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

// Eight tiles of 16 rows of 64 bytes. A thread that holds none is switched faster, so they are given back. The compiler does not
// know what memory tiles read: all that was written before is in place by then.
void nrg_cpu_amx_tiles(const nrg_tiles *j) {
    __asm__ volatile("" ::: "memory");
    _tile_loadconfig(&shape);
    amx_all(j);
    _tile_release();
}
