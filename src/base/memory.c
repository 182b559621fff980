// Memory: the context, its allocation hook with accounting, and arenas.
#include "base/ctx.h"
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#ifdef NRG_STRESS
enum { BLOCK_FIRST = 64, BLOCK_MOST = 64 }; // small blocks give overruns a chance to show
#else
enum { BLOCK_FIRST = 1024, BLOCK_MOST = 1 << 18 };
#endif
enum { ALIGN = 64, ALIGN_SMALL = 16, LARGE = 1 << 20, PAGE = 4096 };

// Under AddressSanitizer the unused parts of blocks are poisoned, with a gap after each piece: overruns show.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NRG_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define NRG_ASAN 1
#endif
#ifdef NRG_ASAN
#include <sanitizer/asan_interface.h>
enum { GAP = 16 };
static void hide(void *p, size_t n) { ASAN_POISON_MEMORY_REGION(p, n); }
static void show(void *p, size_t n) { ASAN_UNPOISON_MEMORY_REGION(p, n); }
#else
enum { GAP = 0 };
static void hide(void *p, size_t n) { (void)p, (void)n; }
static void show(void *p, size_t n) { (void)p, (void)n; }
#endif

// Weights and rows from anywhere lie on large pages where the system has them: addresses are found faster.
static void *on_large_pages(char *p, size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    size_t before = (uintptr_t)p % PAGE;
    if (p && size >= LARGE) (void)madvise(p - before, size + before, MADV_HUGEPAGE);
#else
    (void)size;
#endif
    return p;
}

static void *plain_alloc(void *ud, void *p, size_t old, size_t size) {
    (void)ud, (void)old;
    if (size == 0) {
        free(p);
        return NULL;
    }
    return on_large_pages(realloc(p, size), size);
}

nrg_ctx *nrg_ctx_new(nrg_alloc_fn alloc, void *ud) {
    if (!alloc) alloc = plain_alloc;
    nrg_ctx *c = alloc(ud, NULL, 0, sizeof *c);
    if (!c) return NULL;
    *c = (nrg_ctx){.alloc = alloc, .ud = ud, .used = sizeof *c, .peak = sizeof *c, .last = -1};
    return c;
}

void nrg_ctx_free(nrg_ctx *c) {
    if (!c) return;
    nrg_diag_drop(c);
    if (c->spent) nrg_mem(c, c->spent, c->nspent * sizeof *c->spent, 0);
    c->alloc(c->ud, c, sizeof *c, 0);
}

void *nrg_mem_quiet(nrg_ctx *c, void *p, size_t old, size_t size) {
    if (size == 0) {
        if (p) c->alloc(c->ud, p, old, 0), c->used -= old;
        return NULL;
    }
    if (size > PTRDIFF_MAX) return NULL;
    void *q = c->alloc(c->ud, p, p ? old : 0, size);
    if (!q) return NULL;
    c->used += size - (p ? old : 0);
    if (c->used > c->peak) c->peak = c->used;
    return q;
}

void *nrg_mem(nrg_ctx *c, void *p, size_t old, size_t size) {
    void *q = nrg_mem_quiet(c, p, old, size);
    if (!q && size) nrg_diag_refused(c, size);
    return q;
}

size_t nrg_mem_used(const nrg_ctx *c) { return c->used; }
size_t nrg_mem_peak(const nrg_ctx *c) { return c->peak; }

// ---- arena ----

// A block: this head, then `size` bytes of which `at` are handed out.
struct nrg_block {
    nrg_block *next;
    size_t at, size;
};

static char *block_bytes(nrg_block *b) { return (char *)(b + 1); }

nrg_arena nrg_arena_make(nrg_ctx *c) { return (nrg_arena){.ctx = c}; }

// Takes `bytes` aligned to `align` from a block; NULL when they do not fit.
static void *block_take(nrg_block *b, size_t bytes, size_t align) {
    if (!b) return NULL;
    uintptr_t base = (uintptr_t)block_bytes(b);
    size_t at = (size_t)(((base + b->at + align - 1) & ~(uintptr_t)(align - 1)) - base);
    if (at > b->size || b->size - at < bytes + GAP) return NULL;
    b->at = at + bytes + GAP;
    show(block_bytes(b) + at, bytes);
    return block_bytes(b) + at;
}

static nrg_block *block_new(nrg_arena *a, size_t bytes) {
    size_t want = a->head ? a->head->size * 2 : BLOCK_FIRST;
    if (want > BLOCK_MOST) want = BLOCK_MOST;
    if (bytes > PTRDIFF_MAX - ALIGN - GAP - sizeof(nrg_block)) {
        nrg_diag_refused(a->ctx, bytes);
        return NULL;
    }
    size_t most = bytes + ALIGN + GAP;
    bool own = most > want / 4; // a large piece gets a block of its own, behind the head
    size_t size = own ? most : want;
    nrg_block *b = nrg_mem(a->ctx, NULL, 0, sizeof *b + size);
    if (!b) return NULL;
    *b = (nrg_block){.size = size};
    hide(block_bytes(b), size);
    if (own && a->head) {
        b->next = a->head->next;
        a->head->next = b;
    } else {
        b->next = a->head;
        a->head = b;
    }
    return b;
}

void *nrg_arena_get(nrg_arena *a, size_t bytes) {
    size_t align = bytes >= ALIGN ? ALIGN : ALIGN_SMALL;
    if (bytes == 0) bytes = 1; // a pointer of its own, so that NULL means refused
    void *p = bytes < PTRDIFF_MAX ? block_take(a->head, bytes, align) : NULL;
    if (!p) {
        nrg_block *b = block_new(a, bytes);
        if (!b) return NULL;
        p = block_take(b, bytes, align);
    }
    a->used += bytes;
    return memset(p, 0, bytes);
}

void nrg_arena_free(nrg_arena *a) {
    for (nrg_block *b = a->head, *next; b; b = next) {
        next = b->next;
        show(block_bytes(b), b->size);
        nrg_mem(a->ctx, b, sizeof *b + b->size, 0);
    }
    a->head = NULL;
    a->used = 0;
}

char *nrg_arena_copy(nrg_arena *a, const char *s, size_t n) {
    char *p = n < SIZE_MAX ? nrg_arena_get(a, n + 1) : NULL;
    if (p && n) memcpy(p, s, n);
    return p;
}

char *nrg_arena_print(nrg_arena *a, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = nrg_vprint(NULL, 0, fmt, args);
    char *p = n < 0 ? NULL : nrg_arena_get(a, (size_t)n + 1);
    if (p) nrg_vprint(p, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
    return p;
}

nrg_status nrg_grow(nrg_arena *a, void *at, uint32_t n, uint32_t *cap, size_t size) {
    if (n < *cap) return NRG_OK;
    if (n > UINT32_MAX / 2) return nrg_fail(a->ctx, NRG_E098, NRG_NOWHERE, "a list cannot grow beyond %u items", n);
#ifdef NRG_STRESS
    uint32_t more = n + 1;
#else
    uint32_t more = n < 8 ? 8 : 2 * n;
#endif
    if (size && more > SIZE_MAX / size) return nrg_fail(a->ctx, NRG_E098, NRG_NOWHERE, "a list is too large");
    void *old, *p = nrg_arena_get(a, more * size);
    if (!p) return NRG_E098;
    memcpy(&old, at, sizeof old); // `at` points to a typed pointer: read it by its bytes
    if (n) memcpy(p, old, n * size);
    memcpy(at, &p, sizeof p);
    *cap = more;
    return NRG_OK;
}
