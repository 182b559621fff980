// base: memory, text, diagnostics, random numbers. No tensors. Everything else stands on it.
#ifndef NRG_BASE_H
#define NRG_BASE_H

#include "nrg.h"
#include <stdarg.h>
#include <stdio.h>

#if defined(__GNUC__)
#define NRG_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define NRG_PRINTF(f, a)
#endif

// Passes a failure on. No clean-up ladder is needed where the owner drops an arena.
#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        nrg_status try_ = (call);                                                                                      \
        if (try_ != NRG_OK) return try_;                                                                               \
    } while (0)

// A stretch of a text: two byte offsets and the text's number (1-based; 0: no place).
typedef struct {
    uint32_t file, start, end;
} nrg_span;
#define NRG_NOWHERE ((nrg_span){0, 0, 0})

// ---- memory.c ----
// Raw memory through the context's hook. On refusal: NULL, and E098 in the list.
void *nrg_mem(nrg_ctx *c, void *p, size_t old, size_t size);
size_t nrg_mem_used(const nrg_ctx *c);
size_t nrg_mem_peak(const nrg_ctx *c);

// An arena gives zeroed memory that is freed all at once. One arena per noun.
typedef struct nrg_block nrg_block;
typedef struct {
    nrg_ctx *ctx;
    nrg_block *head;
    size_t used; // bytes handed out
} nrg_arena;
nrg_arena nrg_arena_make(nrg_ctx *c);
void *nrg_arena_get(nrg_arena *a, size_t bytes); // zeroed, 64-byte aligned when bytes >= 64; NULL (E098) on refusal
void nrg_arena_free(nrg_arena *a);
char *nrg_arena_copy(nrg_arena *a, const char *s, size_t n); // n bytes and a zero
char *nrg_arena_print(nrg_arena *a, const char *fmt, ...) NRG_PRINTF(2, 3);
#define NRG_NEW(a, T) ((T *)nrg_arena_get((a), sizeof(T)))
#define NRG_NEWS(a, T, n) ((T *)nrg_arena_get((a), (size_t)(n) * sizeof(T)))

// Growable array in an arena: a struct { T *at; uint32_t n, cap; }. NRG_PUSH yields a status.
nrg_status nrg_grow(nrg_arena *a, void *at, uint32_t n, uint32_t *cap, size_t size);
#define NRG_PUSH(a, v, item)                                                                                           \
    (nrg_grow((a), &(v).at, (v).n, &(v).cap, sizeof *(v).at) == NRG_OK ? ((v).at[(v).n++] = (item), NRG_OK) : NRG_E098)

// ---- text.c: growable text with a sticky failure flag (test `bad` once at the end) ----
typedef struct {
    nrg_ctx *ctx;
    char *at; // always ends in zero once something was put
    size_t n, cap;
    bool bad;
} nrg_text;
// Numbers have dots in every locale (plain.c).
int nrg_vprint(char *to, size_t room, const char *fmt, va_list args);
int nrg_print(char *to, size_t room, const char *fmt, ...) NRG_PRINTF(3, 4);
double nrg_strtod(const char *s, char **stop);

nrg_text nrg_text_make(nrg_ctx *c);
void nrg_text_put(nrg_text *t, const char *fmt, ...) NRG_PRINTF(2, 3);
void nrg_text_bytes(nrg_text *t, const void *p, size_t n);
void nrg_text_json(nrg_text *t, const char *s); // a JSON string, with its quotes
void nrg_text_free(nrg_text *t);
nrg_status nrg_text_end(const nrg_text *t); // NRG_OK, or E098 when memory was refused on the way

// ---- diag.c ----
// Keeps a text for messages; its number goes into spans. The bytes are copied.
nrg_status nrg_source_add(nrg_ctx *c, const char *name, const char *bytes, size_t n, uint32_t *file);
const char *nrg_source_text(const nrg_ctx *c, uint32_t file, size_t *n); // NULL when there is none
const char *nrg_source_name(const nrg_ctx *c, uint32_t file);
void nrg_source_place(const nrg_ctx *c, nrg_span s, int *line, int *col); // 1-based; 0, 0 without a place

// Puts a message into the list and returns its status, so that `return nrg_fail(...)` reads well.
nrg_status nrg_fail(nrg_ctx *c, nrg_status s, nrg_span at, const char *fmt, ...) NRG_PRINTF(4, 5);
void nrg_warn(nrg_ctx *c, nrg_status s, nrg_span at, const char *fmt, ...) NRG_PRINTF(4, 5);
void nrg_fact(nrg_ctx *c, const char *fmt, ...) NRG_PRINTF(2, 3); // a `=` line of the last message
void nrg_help(nrg_ctx *c, const char *fmt, ...) NRG_PRINTF(2, 3); // the `help:` line of the last message
void nrg_diag_cut(nrg_ctx *c, int n); // forgets messages n, n + 1 ...: of something that was only tried
nrg_span nrg_diag_span(const nrg_ctx *c, int i);
// The message as LANGUAGE.md section 5 shows it: place, code, sentence, line with carets, facts, help.
void nrg_diag_print(const nrg_ctx *c, int i, nrg_text *out);
void nrg_diag_json(const nrg_ctx *c, int i, nrg_text *out); // one JSON object and a newline
int nrg_diag_errors(const nrg_ctx *c);                      // how many of the list are errors
void nrg_diag_soften(nrg_ctx *c, int from);                 // errors from message `from` on become warnings: they were overcome

// ---- words.c ----
// Nearest of n words by edit distance (transpositions count one); NULL when none is near enough to suggest.
const char *nrg_nearest(const char *word, const char *const *words, int n);
bool nrg_same(const char *a, const char *b); // equal strings; NULL equals nothing
bool nrg_ends(const char *s, const char *end);  // s ends so: for the kinds of files

// ---- random.c: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011): numbers are a pure function of a counter ----
void nrg_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
// What a number is for: keeps streams apart that share seed, id and step.
enum { NRG_FOR_INIT = 1, NRG_FOR_SHUFFLE, NRG_FOR_SAMPLE, NRG_FOR_NOISE, NRG_FOR_DATA, NRG_FOR_SPLIT };
// 4 words for element block `i` of stream (seed, purpose, id, step):
//   counter = {i, step, low id, high id}
//   key = {low seed ^ purpose * 9E3779B9, high seed ^ purpose * BB67AE85} (mod 2^32)
void nrg_random_words(uint64_t seed, uint32_t purpose, uint64_t id, uint32_t step, uint32_t i, uint32_t out[4]);
// Element i of a draw comes from w = block i / 4; every executor makes these same numbers, in float and in double.
//   uniform: (w[i % 4] >> 8) * 2^-24, in [0, 1), exact in float
//   normal:  with the pair a = w[i % 4 & 2], b = w[(i % 4 & 2) + 1] (Box-Muller): u = ((a >> 8) + 1) * 2^-24,
//            v = (b >> 8) * 2^-24; sqrt(-2 log u) * cos(2 pi v) for even i, * sin(2 pi v) for odd i
double nrg_random_uniform(uint64_t seed, uint32_t purpose, uint64_t id, uint32_t step, uint32_t i); // [0, 1)
double nrg_random_normal(uint64_t seed, uint32_t purpose, uint64_t id, uint32_t step, uint32_t i);
// 53 bits: words 2(i % 2) and the next of block i / 2, ((a >> 5) * 2^26 + (b >> 6)) * 2^-53
double nrg_random_wide(uint64_t seed, uint32_t purpose, uint64_t id, uint32_t step, uint32_t i);
// Fills `at` with a permutation of 0..n-1; `id` is for instance the epoch.
void nrg_random_shuffle(uint64_t seed, uint32_t purpose, uint64_t id, int64_t *at, int64_t n);

// ---- spent.c: what the steps of plans take, noted in the context by whoever runs them while somebody listens ----
typedef struct {
    nrg_span at;      // place in the model
    const char *what; // kind of step
    double seconds, flops, bytes;
} nrg_spent;
void nrg_spent_listen(nrg_ctx *c, bool on);
void nrg_spent_zero(nrg_ctx *c); // forgets times, not steps
bool nrg_spent_heard(const nrg_ctx *c);
nrg_status nrg_spent_new(nrg_ctx *c, uint32_t n, uint32_t *first); // room for n steps
nrg_spent *nrg_spent_at(nrg_ctx *c, uint32_t i);                   // NULL past the end

// ---- file.c ----
nrg_status nrg_file_read(nrg_ctx *c, const char *path, nrg_text *out); // whole file; E053 with the reason
// Writes through a temporary in the same folder, fsync and rename. E092 with the reason.
nrg_status nrg_file_write(nrg_ctx *c, const char *path, const void *p, size_t n);
typedef struct { const void *at; size_t n; } nrg_part;
nrg_status nrg_file_write_parts(nrg_ctx *c, const char *path, const nrg_part *parts, size_t n); // one after the other
bool nrg_file_exists(const char *path);
bool nrg_file_same(const char *a, const char *b); // one file, by whatever paths; false when one is not there
nrg_status nrg_folder_make(nrg_ctx *c, const char *path); // with its parents

#endif
