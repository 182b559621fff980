// Growable text. A refused allocation sets `bad`, and further puts do nothing.
#include "base/base.h"
#include <string.h>

nrg_text nrg_text_make(nrg_ctx *c) { return (nrg_text){.ctx = c}; }

// Makes room for n more bytes and a zero.
static bool room(nrg_text *t, size_t n) {
    if (t->bad) return false;
    if (n < t->cap - t->n && t->cap) return true;
    size_t most = SIZE_MAX / 4, need = n < most && t->n < most ? t->n + n + 1 : SIZE_MAX;
#ifdef NRG_STRESS
    size_t cap = need;
#else
    size_t cap = t->cap < most && t->cap * 2 > need ? t->cap * 2 : need;
    if (cap < 64) cap = 64;
#endif
    char *p = nrg_mem(t->ctx, t->at, t->cap, cap);
    if (!p) {
        t->bad = true;
        return false;
    }
    t->at = p;
    t->cap = cap;
    t->at[t->n] = 0;
    return true;
}

void nrg_text_bytes(nrg_text *t, const void *p, size_t n) {
    if (!room(t, n)) return;
    if (n) memcpy(t->at + t->n, p, n);
    t->n += n;
    t->at[t->n] = 0;
}

void nrg_text_put(nrg_text *t, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = nrg_vprint(NULL, 0, fmt, args);
    if (n < 0)
        t->bad = true;
    else if (room(t, (size_t)n))
        t->n += (size_t)nrg_vprint(t->at + t->n, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
}

// Length of the well-formed UTF-8 character at s, 0 when it is not one.
static int utf8(const unsigned char *s) {
    if (s[0] < 0x80) return 1;
    int n = s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90)) return 0; // over-long
    if ((s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f)) return 0; // surrogates, beyond U+10FFFF
    return n;
}

void nrg_text_json(nrg_text *t, const char *s) {
    nrg_text_bytes(t, "\"", 1);
    for (const unsigned char *p = (const unsigned char *)s; *p;) {
        int n = utf8(p);
        if (n == 0)
            nrg_text_put(t, "\\ufffd");
        else if (*p == '"' || *p == '\\')
            nrg_text_put(t, "\\%c", *p);
        else if (*p == '\n')
            nrg_text_put(t, "\\n");
        else if (*p == '\t')
            nrg_text_put(t, "\\t");
        else if (*p < 0x20 || *p == 0x7f)
            nrg_text_put(t, "\\u%04x", *p);
        else
            nrg_text_bytes(t, p, (size_t)n);
        p += n ? n : 1;
    }
    nrg_text_bytes(t, "\"", 1);
}

void nrg_text_free(nrg_text *t) {
    nrg_mem(t->ctx, t->at, t->cap, 0);
    *t = (nrg_text){.ctx = t->ctx};
}

nrg_status nrg_text_end(const nrg_text *t) { return t->bad ? NRG_E098 : NRG_OK; }
