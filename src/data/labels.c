// Texts to categories, by an open hash table that never holds more than half of its slots.
#include "data/data.h"
#include <string.h>

nrg_labels nrg_labels_make(nrg_arena *a) { return (nrg_labels){.arena = a}; }

static uint32_t hash(const char *p, size_t n) { // FNV-1a
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)p[i]) * 16777619u;
    return h;
}

static bool same(const char *word, const char *p, size_t n) { return strncmp(word, p, n) == 0 && word[n] == 0; }

static bool widen(nrg_labels *l) {
    uint32_t n = l->slots_n ? l->slots_n * 2 : 16;
    uint32_t *slots = NRG_NEWS(l->arena, uint32_t, n);
    if (!slots || n > 1u << 30) return false;
    for (uint32_t i = 0; i < l->words.n; i++) {
        uint32_t h = hash(l->words.at[i], strlen(l->words.at[i]));
        while (slots[h & (n - 1)]) h++;
        slots[h & (n - 1)] = i + 1;
    }
    l->slots = slots;
    l->slots_n = n;
    return true;
}

int64_t nrg_labels_put(nrg_labels *l, const char *p, size_t n) {
    const char *zero = memchr(p, 0, n);
    if (zero) n = (size_t)(zero - p); // labels are texts
    if (2 * l->words.n >= l->slots_n && !widen(l)) return -1;
    uint32_t h = hash(p, n);
    for (; l->slots[h & (l->slots_n - 1)]; h++) {
        uint32_t i = l->slots[h & (l->slots_n - 1)] - 1;
        if (same(l->words.at[i], p, n)) return i;
    }
    const char *word = nrg_arena_copy(l->arena, p, n);
    if (!word || NRG_PUSH(l->arena, l->words, word) != NRG_OK) return -1;
    l->slots[h & (l->slots_n - 1)] = l->words.n;
    return l->words.n - 1;
}
