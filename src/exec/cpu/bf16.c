// Matrix products from bfloat16 numbers (graphs of type bf16 and bf16x3): packs both sides as tiles and drives the kernel. What is
// computed does not depend on blocks, threads, or on what computes it: see nrg_tiles in cpu.h.
//
//   Rows and columns lie in strips of 16. A strip has a tile for each 32 summed terms, zeros beyond, in bf16x3 each followed by the
//   tile of its remainders. Packed right sides (of weights) are whole strips; others are packed block by block.
#include "exec/cpu/cpu.h"
#include <string.h>
#if defined(NRG_HAS_amx)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum {
#ifdef NRG_STRESS
    MC = 32, KC = 64, NC = 32, ROOM = 4096,
#else
    MC = 256, KC = 512, NC = 64, // rows, terms and columns of a block: whole tiles
    ROOM = 262144,               // numbers of packed columns kept for all rows
#endif
    ONE = NRG_TILE_TERMS
};
_Static_assert(MC * KC * 4 + ROOM * 4 + MC * NC * 4 + ONE * 4 <= NRG_BF16_BYTES, "scratch of products of bfloat16 numbers");
_Static_assert(NC * KC <= ROOM, "a panel must have room");

typedef struct {
    nrg_task *t;
    const nrg_matmul_step *d;
    int64_t m, n, k, step;          // rows, columns, summed terms; numbers of 32 terms of a strip
    const float *a, *b;
    float *c;
    bool add, three;
    const uint16_t *packed;         // all strips of columns, or NULL
    uint16_t *pa, *pb;              // strips of rows, of columns
    float *pc, *x;                  // results that cannot be written in place; one tile before it is rounded
    int64_t arow[MC], crow[MC], ak[KC], bk[KC], bcol[NC], ccol[NC];
    int64_t kept;                   // block of the sum whose columns all lie in pb, -1: none
} job;

static int64_t tiles(int64_t n, int64_t size) { return (n + size - 1) / size; }

static void offsets(const nrg_dims *d, int64_t rows, int64_t from, int64_t n, int64_t *a, int64_t *b, int64_t *c) {
    nrg_walk w = nrg_walk_from(d, rows, from);
    for (int64_t i = 0; i < n; i++, nrg_walk_next(&w)) {
        if (a) a[i] = w.a;
        if (b) b[i] = w.b;
        if (c) c[i] = w.c;
    }
}

static bool adjacent(const int64_t *at, int64_t n) {
    for (int64_t i = 1; i < n; i++)
        if (at[i] != at[0] + i) return false;
    return true;
}

static bool even(const int64_t *at, int64_t n) {
    for (int64_t i = 2; i < n; i++)
        if (at[i] - at[i - 1] != at[1] - at[0]) return false;
    return true;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// How the numbers of a side lie: row after row, column after column, or neither.
typedef enum { ROWS, TURNED, LOOSE } lie;
static lie lie_of(const int64_t *row, int64_t m, const int64_t *col, int64_t n) {
    if (adjacent(col, n) && even(row, m)) return ROWS;
    return adjacent(row, m) && even(col, n) ? TURNED : LOOSE;
}

// A tile of high x wide from m rows and n columns at p, zeros beyond.
static void tile(const nrg_kernels *kernels, lie how, const float *p, const int64_t *row, int64_t m, const int64_t *col, int64_t n, bool pairs,
                 float *x, uint16_t *hi, uint16_t *lo) {
    int64_t high = pairs ? 32 : 16, wide = pairs ? 16 : 32;
    if (m == high && n == wide && how != LOOSE) {
        kernels->bf16(pairs, how == TURNED, p + row[0] + col[0], how == TURNED ? col[1] - col[0] : row[1] - row[0], hi, lo);
        return;
    }
    memset(x, 0, ONE * sizeof *x);
    for (int64_t i = 0; i < m; i++)
        for (int64_t q = 0; q < n; q++) x[i * wide + q] = p[row[i] + col[q]];
    kernels->bf16(pairs, false, x, wide, hi, lo);
}

// Strips of n columns (at most NC), k terms from the first of `bk` on.
static void pack_columns(const nrg_kernels *kernels, const float *b, const int64_t *bk, int64_t k, const int64_t *bcol, int64_t n, bool three,
                         int64_t strip, float *x, uint16_t *to) {
    lie how = lie_of(bk, k, bcol, n);
    for (int64_t q = 0; q < n; q += 16, to += strip)
        for (int64_t i = 0; i < k; i += 32) {
            uint16_t *hi = to + i / 32 * (three ? 2 * ONE : ONE);
            tile(kernels, how, b, bk + i, least(k - i, 32), bcol + q, least(n - q, 16), true, x, hi, three ? hi + ONE : NULL);
        }
}

static void pack_rows(job *j, int64_t m, int64_t k) {
    uint16_t *to = j->pa;
    lie how = lie_of(j->arow, m, j->ak, k);
    for (int64_t r = 0; r < m; r += 16)
        for (int64_t i = 0; i < k; i += 32, to += j->step)
            tile(j->t->k, how, j->a, j->arow + r, least(m - r, 16), j->ak + i, least(k - i, 32), false, j->x, to, j->three ? to + ONE : NULL);
}

// Results in place where whole tiles lie there row by row.
static bool in_place(const job *j, int64_t m, int64_t n) {
    return m % 16 == 0 && n % 16 == 0 && adjacent(j->ccol, n) && even(j->crow, m);
}

static void panel(job *j, int64_t m, int64_t k, int64_t n, const uint16_t *b, int64_t strip, bool add) {
    nrg_tiles x = {.rows = tiles(m, 16), .cols = tiles(n, 16), .terms = tiles(k, 32), .three = j->three, .add = add, .a = j->pa, .b = b,
                   .b_strip = strip};
    if (in_place(j, m, n)) {
        x.c = j->c + j->crow[0] + j->ccol[0], x.c_row = j->crow[1] - j->crow[0];
        j->t->run->tiles(&x);
        return;
    }
    x.c = j->pc, x.c_row = NC;
    if (add) memset(j->pc, 0, (size_t)(16 * x.rows * NC) * sizeof *j->pc);
    for (int64_t i = 0; i < m && add; i++)
        for (int64_t q = 0; q < n; q++) j->pc[i * NC + q] = j->c[j->crow[i] + j->ccol[q]];
    j->t->run->tiles(&x);
    for (int64_t i = 0; i < m; i++)
        for (int64_t q = 0; q < n; q++) j->c[j->crow[i] + j->ccol[q]] = j->pc[i * NC + q];
}

// Rows row .. row + m, terms k0 .. k0 + k, which are in the tables.
static void block(job *j, int64_t row, int64_t m, int64_t k0, int64_t k) {
    int64_t strip = tiles(k, 32) * j->step, all = tiles(j->n, 16) * strip;
    bool keep = !j->packed && all <= (j->three ? 2 * ROOM : ROOM);
    offsets(&j->d->rows, j->t->rows, row, m, j->arow, NULL, j->crow);
    pack_rows(j, m, k);
    for (int64_t q = 0; q < j->n; q += NC) {
        int64_t n = least(j->n - q, NC), whole = tiles(j->k, 32) * j->step;
        uint16_t *own = keep ? j->pb + q / 16 * strip : j->pb;
        offsets(&j->d->cols, j->t->rows, q, n, NULL, j->bcol, j->ccol);
        if (j->packed) {
            panel(j, m, k, n, j->packed + q / 16 * whole + k0 / 32 * j->step, whole, j->add || k0 > 0);
            continue;
        }
        if (j->kept != k0) pack_columns(j->t->k, j->b, j->bk, k, j->bcol, n, j->three, strip, j->x, own);
        panel(j, m, k, n, own, strip, j->add || k0 > 0);
    }
    if (keep) j->kept = k0;
}

static void one(job *j) {
    int64_t strips = tiles(j->m, 16), from = strips * j->t->part / j->t->parts * 16, to = strips * (j->t->part + 1) / j->t->parts * 16, k0 = 0;
    if (to > j->m) to = j->m;
    j->kept = -1;
    do { // an empty sum is zero
        int64_t k = least(j->k - k0, KC);
        offsets(&j->d->red, j->t->rows, k0, k, j->ak, j->bk, NULL);
        for (int64_t i = from; i < to; i += MC) block(j, i, least(to - i, MC), k0, k);
        k0 += KC;
    } while (k0 < j->k);
}

void nrg_cpu_matmul_bf16(nrg_task *t, const nrg_matmul_step *d) {
    job j;
    j.t = t, j.d = d, j.three = t->run->p->type == NRG_BF16X3, j.step = j.three ? 2 * ONE : ONE;
    j.m = nrg_dims_count(&d->rows, t->rows), j.n = nrg_dims_count(&d->cols, t->rows), j.k = nrg_dims_count(&d->red, t->rows);
    j.pa = (uint16_t *)t->scratch, j.pb = j.pa + 2 * MC * KC, j.pc = (float *)(j.pb + 2 * ROOM), j.x = j.pc + MC * NC;
    j.add = nrg_cpu_adds(t, d);
    float *c = (float *)t->base[d->c.buf] + d->c.offset;
    if (d->lanes) c += t->lane * t->run->p->bufs.at[d->c.buf].count;
    const float *a = (const float *)t->base[d->a.buf] + d->a.offset, *b = (const float *)t->base[d->b.buf] + d->b.offset;
    int64_t loops = nrg_dims_count(&d->loop, t->rows);
    nrg_walk w = nrg_walk_from(&d->loop, t->rows, 0);
    for (int64_t i = 0; i < loops; i++, nrg_walk_next(&w)) {
        j.a = a + w.a, j.b = b + w.b, j.c = c + w.c;
        j.packed = d->packed ? (const uint16_t *)((const float *)t->base[d->packed] + i * d->panel) : NULL;
        one(&j);
    }
}

void nrg_cpu_pack_bf16(nrg_task *t, const nrg_pack_step *d) {
    int64_t n = nrg_dims_count(&d->cols, t->rows), k = nrg_dims_count(&d->red, t->rows), loops = nrg_dims_count(&d->loop, t->rows);
    int64_t bk[KC], bcol[16];
    bool three = t->run->p->type == NRG_BF16X3;
    int64_t step = three ? 2 * ONE : ONE, strip = tiles(k, 32) * step;
    uint16_t *to = (uint16_t *)t->base[d->buf];
    nrg_walk w = nrg_walk_from(&d->loop, t->rows, 0);
    for (int64_t i = 0; i < loops; i++, nrg_walk_next(&w))
        for (int64_t q = 0; q < n; q += 16, to += strip) {
            if (q / 16 % t->parts != t->part) continue; // another thread's
            offsets(&d->cols, t->rows, q, least(n - q, 16), NULL, bcol, NULL);
            for (int64_t k0 = 0; k0 < k; k0 += KC) {
                offsets(&d->red, t->rows, k0, least(k - k0, KC), NULL, bk, NULL);
                pack_columns(t->k, (const float *)t->base[d->b.buf] + d->b.offset + w.b, bk, least(k - k0, KC), bcol, least(n - q, 16), three,
                             strip, (float *)t->scratch, to + k0 / 32 * step);
            }
        }
}

// ---- which processors have matrix units

#if defined(NRG_HAS_amx)
void nrg_cpu_amx_tiles(const nrg_tiles *j); // isa/amx.c

// The processor has them, the system keeps them when it switches threads, and gives them to this process.
static bool amx(void) {
    enum { TILE = 1 << 24, BF16 = 1 << 22, SAVES = 1 << 27, KEPT = 3 << 17, ASK = 0x1023, DATA = 18 };
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & TILE) || !(d & BF16)) return false;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & SAVES)) return false;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & KEPT) == KEPT && syscall(SYS_arch_prctl, ASK, DATA) == 0;
}
#endif

nrg_tiles_fn nrg_cpu_tiles(const nrg_kernels *k, nrg_cpu_level level) {
#if defined(NRG_HAS_amx)
    if ((level == NRG_CPU_BEST || level == NRG_CPU_AMX) && amx()) return nrg_cpu_amx_tiles;
#endif
    return level == NRG_CPU_AMX ? NULL : k->tiles;
}

bool nrg_run_has_bf16(void) { return nrg_cpu_tiles(NULL, NRG_CPU_AMX) != NULL; }
