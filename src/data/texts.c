// Fixed-width texts as NumPy stores them, to categories and back: kind S holds bytes, kind U 4-byte characters.
#include "data/data.h"
#include <string.h>

// One character as UTF-8; its length.
static size_t encode(uint32_t ch, char *out) {
    if (ch > 0x10ffff || (ch >= 0xd800 && ch < 0xe000)) ch = 0xfffd; // not a character
    size_t n = ch < 0x80 ? 1 : ch < 0x800 ? 2 : ch < 0x10000 ? 3 : 4;
    static const unsigned char head[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, ch >>= 6) out[i] = (char)(0x80 | (ch & 63));
    out[0] = (char)(head[n] | ch);
    return n;
}

// The next character of UTF-8; a byte that starts none stands for itself.
static uint32_t decode(const unsigned char **p) {
    const unsigned char *s = *p;
    size_t n = *s < 0xc0 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
    uint32_t ch = n == 1 ? *s : *s & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return *p = s + 1, *s;
        ch = ch << 6 | (s[i] & 63);
    }
    *p = s + n;
    return ch;
}

static void cell_text(bool wide, int64_t size, const unsigned char *p, nrg_text *out) {
    out->n = 0;
    nrg_text_bytes(out, "", 0);
    for (int64_t k = 0; k < size; k += wide ? 4 : 1) {
        uint32_t ch = p[k];
        char bytes[4];
        if (wide) memcpy(&ch, p + k, 4);
        if (ch == 0) return;
        if (wide)
            nrg_text_bytes(out, bytes, encode(ch, bytes));
        else
            nrg_text_bytes(out, p + k, 1);
    }
}

// Empty texts are missing.
nrg_status nrg_texts_read(nrg_table *t, bool wide, int64_t size, const unsigned char *p, int64_t cells, nrg_array *a) {
    nrg_arena *arena = nrg_table_arena(t);
    nrg_labels labels = nrg_labels_make(arena);
    int32_t *y = NRG_NEWS(arena, int32_t, cells);
    uint8_t *missing = NULL;
    nrg_text text = nrg_text_make(nrg_table_ctx(t));
    nrg_status s = y ? NRG_OK : NRG_E098;
    for (int64_t i = 0; i < cells && s == NRG_OK; i++, p += size) {
        cell_text(wide, size, p, &text);
        int64_t label = text.bad || text.n == 0 ? -1 : nrg_labels_put(&labels, text.at, text.n);
        bool none = !text.bad && text.n == 0;
        if (none && !missing) missing = NRG_NEWS(arena, uint8_t, cells);
        if (none && missing) missing[i] = 1;
        if (none ? !missing : label < 0) s = NRG_E098;
        y[i] = (int32_t)label;
    }
    nrg_text_free(&text);
    a->type = NRG_CELL_I32;
    a->data = y;
    a->missing = missing;
    a->labels = labels.words.at;
    a->labels_n = labels.words.n;
    return s;
}

static int64_t characters(const char *s) {
    int64_t n = 0;
    for (const unsigned char *p = (const unsigned char *)s; *p; n++) decode(&p);
    return n;
}

nrg_status nrg_texts_write(nrg_arena *arena, const nrg_array *a, int64_t *chars, void **data, size_t *bytes) {
    int64_t cells = nrg_array_cells(a), all;
    *chars = 1;
    for (int64_t i = 0; i < a->labels_n; i++) {
        int64_t n = characters(a->labels[i]);
        if (n > *chars) *chars = n;
    }
    bool fits = nrg_times(cells, *chars, &all) && nrg_times(all, 4, &all);
    uint32_t *to = *data = fits ? nrg_arena_get(arena, (size_t)all) : NULL;
    *bytes = fits ? (size_t)all : 0;
    if (!to)
        return fits ? NRG_E098
                    : nrg_fail(arena->ctx, NRG_E098, NRG_NOWHERE, "the texts of '%s' are too large", a->name);
    for (int64_t i = 0; i < cells; i++, to += *chars) {
        double v = nrg_array_value(a, i);
        bool none = nrg_array_missing(a, i) || !(v >= 0 && v < (double)a->labels_n);
        const unsigned char *p = (const unsigned char *)(none ? "" : a->labels[(int64_t)v]);
        for (int64_t k = 0; *p; k++) to[k] = decode(&p);
    }
    return NRG_OK;
}
