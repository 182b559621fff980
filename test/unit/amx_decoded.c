// The compiled kernel for matrix units, on a processor that has none: each of its instructions traps, and is carried out here as Intel's
// instruction set reference has it, on the registers and the memory that it names. So its operands, strides, tile shapes and results
// are checked where it cannot run. Where it can, exec_bf16 compares it with plain C.
#define _GNU_SOURCE 1 // names of registers
#include "exec/cpu/cpu.h"
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>
#include <cmocka.h>

void nrg_cpu_amx_tiles(const nrg_tiles *j);

// Registers as the handler of a trap finds them: nothing else reaches it.
static struct {
    bool set;
    int rows[8], bytes[8];
    uint8_t tile[8][16][64];
    int counts[6]; // configured, released, zeroed, loaded, stored, multiplied
    const char *wrong;
} unit;

static float half(const uint8_t *at) {
    uint32_t u = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 24;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static void multiply(int c, int a, int b) {
    if (unit.rows[a] != unit.rows[c] || unit.bytes[b] != unit.bytes[c] || unit.rows[b] * 4 != unit.bytes[a]) unit.wrong = "shapes that do not fit";
    for (int m = 0; m < unit.rows[c]; m++)
        for (int n = 0; n < unit.bytes[c] / 4; n++) {
            float e = 0, o = 0, x;
            for (int k = 0; k < unit.rows[b]; k++) {
                e = fmaf(half(&unit.tile[a][m][4 * k]), half(&unit.tile[b][k][4 * n]), e);
                o = fmaf(half(&unit.tile[a][m][4 * k + 2]), half(&unit.tile[b][k][4 * n + 2]), o);
            }
            memcpy(&x, &unit.tile[c][m][4 * n], sizeof x);
            x += e + o;
            memcpy(&unit.tile[c][m][4 * n], &x, sizeof x);
        }
}

static void configure(const uint8_t *at) {
    unit.set = at[0] == 1 && at[1] == 0;
    for (int i = 0; i < 8; i++) {
        unit.bytes[i] = at[16 + 2 * i] | at[17 + 2 * i] << 8, unit.rows[i] = at[48 + i];
        if (unit.bytes[i] > 64 || unit.rows[i] > 16) unit.set = false;
    }
    for (int i = 0; i < 64; i++) // reserved bytes are zero
        if ((i > 1 && i < 16) || (i > 31 && i < 48) || i > 55) unit.set = unit.set && at[i] == 0;
    if (!unit.set) unit.wrong = "a tile configuration that is not allowed";
    memset(unit.tile, 0, sizeof unit.tile);
}

static long long general(const ucontext_t *u, int number) {
    static const int at[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                               REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return u->uc_mcontext.gregs[at[number]];
}

// The address that ModRM at p names, its stride (the index), and where the instruction ends.
static const uint8_t *address(const ucontext_t *u, const uint8_t *p, int vex, long long *where, long long *stride) {
    int mod = *p >> 6, rm = *p & 7, base = rm | (vex & 0x20 ? 0 : 8);
    p++;
    *stride = 0;
    if (rm == 4) {
        int index = (*p >> 3 & 7) | (vex & 0x40 ? 0 : 8);
        base = (*p & 7) | (vex & 0x20 ? 0 : 8);
        if (index != 4) *stride = general(u, index) * (1 << (*p >> 6));
        p++;
    }
    int32_t wide = 0;
    if (mod == 1) wide = (int8_t)*p, p += 1;
    else if (mod == 2 || (mod == 0 && (base & 7) == 5)) memcpy(&wide, p, 4), p += 4;
    *where = wide;
    if (mod == 0 && rm == 5) *where += (long long)(intptr_t)p; // from the next instruction
    else if (!(mod == 0 && rm == 4 && (base & 7) == 5)) *where += general(u, base);
    return p;
}

static void trapped(int number, siginfo_t *info, void *context) {
    ucontext_t *u = context;
    const uint8_t *p = (const uint8_t *)u->uc_mcontext.gregs[REG_RIP];
    int vex = p[1], prefix = p[2] & 3, op = p[3], reg = p[4] >> 3 & 7;
    bool memory = p[4] >> 6 != 3;
    long long where = 0, stride = 0;
    if (p[0] != 0xc4 || (vex & 31) != 2 || p[2] & 0x84) { // not ours: let it kill the test
        signal(number, SIG_DFL);
        return;
    }
    (void)info;
    const uint8_t *end = memory ? address(u, p + 4, vex, &where, &stride) : p + 5;
    uint8_t *at = (uint8_t *)(intptr_t)where;
    if (op == 0x49 && prefix == 0 && memory && reg == 0) configure(at), unit.counts[0]++;
    else if (op == 0x49 && prefix == 0 && p[4] == 0xc0) unit.set = false, unit.counts[1]++;
    else if (!unit.set) unit.wrong = "tiles used before they have a shape";
    else if (op == 0x49 && prefix == 3 && !memory) memset(unit.tile[reg], 0, sizeof unit.tile[reg]), unit.counts[2]++;
    else if (op == 0x4b && prefix == 3 && memory) {
        memset(unit.tile[reg], 0, sizeof unit.tile[reg]), unit.counts[3]++;
        for (int i = 0; i < unit.rows[reg]; i++) memcpy(unit.tile[reg][i], at + i * stride, (size_t)unit.bytes[reg]);
    } else if (op == 0x4b && prefix == 2 && memory) {
        for (int i = 0; i < unit.rows[reg]; i++) memcpy(at + i * stride, unit.tile[reg][i], (size_t)unit.bytes[reg]);
        unit.counts[4]++;
    } else if (op == 0x5c && prefix == 2 && !memory) multiply(reg, p[4] & 7, ~p[2] >> 3 & 7), unit.counts[5]++;
    else unit.wrong = "an instruction that the kernel should not have";
    u->uc_mcontext.gregs[REG_RIP] = (greg_t)(intptr_t)end;
}

enum { ROWS = 3, COLS = 3, TERMS = 3, WIDE = 16 * COLS + 5 };

static void decoded(void **state) {
    (void)state;
    static uint16_t a[ROWS * TERMS * 1024], b[COLS * (TERMS + 1) * 1024];
    static float got[16 * ROWS * WIDE], want[16 * ROWS * WIDE];
    struct sigaction mine = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO}, old;
    uint32_t seed = 5;
    if (nrg_cpu_tiles(nrg_cpu_kernels(NRG_CPU_BEST), NRG_CPU_AMX)) skip(); // it runs
    for (size_t i = 0; i < sizeof a / sizeof *a; i++) seed = seed * 1664525u + 1013904223u, a[i] = (uint16_t)(0x3f00 ^ (seed >> 16 & 0x80ff));
    for (size_t i = 0; i < sizeof b / sizeof *b; i++) seed = seed * 1664525u + 1013904223u, b[i] = (uint16_t)(0x3f00 ^ (seed >> 16 & 0x80ff));
    assert_int_equal(sigaction(SIGILL, &mine, &old), 0);
    for (int shape = 0; shape < ROWS * COLS * (TERMS + 1) * 4; shape++) {
        int at = shape / 4;
        for (int i = 0; i < 16 * ROWS * WIDE; i++) got[i] = want[i] = (float)(i % 977) / 977;
        nrg_tiles j = {.rows = at % ROWS + 1, .cols = at / ROWS % COLS + 1, .terms = at / ROWS / COLS, .three = shape & 1, .add = shape & 2,
                       .a = a, .b = b, .b_strip = (TERMS + 1) * 1024, .c = got, .c_row = WIDE};
        memset(unit.counts, 0, sizeof unit.counts);
        nrg_cpu_amx_tiles(&j);
        j.c = want;
        nrg_cpu_kernels(NRG_CPU_BEST)->tiles(&j);
        if (unit.wrong) break;
        assert_memory_equal(got, want, sizeof got);
        assert_int_equal(unit.counts[0], 1);
        assert_int_equal(unit.counts[1], 1);
        assert_int_equal(unit.counts[4], j.rows * j.cols);
        assert_int_equal(unit.counts[5], j.rows * j.cols * j.terms * (j.three ? 3 : 1));
    }
    sigaction(SIGILL, &old, NULL);
    if (unit.wrong) fail_msg("%s", unit.wrong);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(decoded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
