// Small parsing: numbers in any locale, missing cells, names, sizes that must not overflow.
#include "data/data.h"
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool digit(char ch) { return ch >= '0' && ch <= '9'; }
static bool letter(char ch) { return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_' || (ch & 0x80); }

static bool same_letters(const char *p, size_t n, const char *word) {
    for (size_t i = 0; i < n; i++)
        if (!word[i] || ((p[i] | 0x20) != word[i])) return false;
    return word[n] == 0;
}

// What the fast way cannot do exactly: rounding of long decimals is the C library's matter, in the C locale.
static bool slow(const char *p, size_t n, double *out) {
    char copy[512];
    if (n >= sizeof copy) return false;
    memcpy(copy, p, n);
    copy[n] = 0;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) return false;
    locale_t before = uselocale(plain);
    char *end;
    *out = strtod(copy, &end);
    uselocale(before);
    freelocale(plain);
    return end == copy + n;
}

bool nrg_number(const char *p, size_t n, double *out) {
    static const double ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *q = p, *end = p + n;
    bool minus = q < end && *q == '-';
    if (q < end && (*q == '-' || *q == '+')) q++;
    if (same_letters(q, (size_t)(end - q), "inf") || same_letters(q, (size_t)(end - q), "infinity")) {
        *out = minus ? -INFINITY : INFINITY;
        return true;
    }
    uint64_t m = 0;
    int seen = 0, kept = 0, scale = 0, e = 0;
    for (bool point = false; q < end && (digit(*q) || (*q == '.' && !point)); q++) {
        if (*q == '.') {
            point = true;
            continue;
        }
        seen++;
        if (kept < 19)
            m = m * 10 + (uint64_t)(*q - '0'), kept += m > 0, scale -= point;
        else
            scale += !point; // too many digits for the fast way; `kept` says so below
    }
    if (!seen) return false;
    if (q < end && (*q == 'e' || *q == 'E')) {
        bool down = ++q < end && *q == '-';
        if (q < end && (*q == '-' || *q == '+')) q++;
        if (q == end) return false;
        for (; q < end && digit(*q); q++) e = e < 100000 ? e * 10 + (*q - '0') : e;
        if (down) e = -e;
    }
    if (q != end) return false;
    e += scale;
    // m and ten[|e|] are exact in double, so one operation rounds once
    if (kept == 19 || m > (uint64_t)1 << 53 || e < -22 || e > 22) return slow(p, n, out);
    double v = e < 0 ? (double)m / ten[-e] : (double)m * ten[e];
    *out = minus ? -v : v;
    return true;
}

bool nrg_integer(const char *p, size_t n, int64_t *out) {
    const char *q = p, *end = p + n;
    bool minus = q < end && *q == '-';
    if (q < end && (*q == '-' || *q == '+')) q++;
    if (q == end || end - q > 18) return false; // 18 digits always fit
    int64_t v = 0;
    for (; q < end; q++) {
        if (!digit(*q)) return false;
        v = v * 10 + (*q - '0');
    }
    *out = minus ? -v : v;
    return true;
}

bool nrg_cell_blank(const char *p, size_t n) {
    if (n == 0) return true;
    if (n == 1) return *p == '?' || *p == '_';
    return same_letters(p, n, "nan") || same_letters(p, n, "na");
}

bool nrg_times(int64_t a, int64_t b, int64_t *out) {
    if (b != 0 && a > INT64_MAX / b) return false;
    *out = a * b;
    return true;
}

// A zero does not excuse the other sizes: the product without it must fit too, since rows are counted alone.
bool nrg_product(const int64_t *dim, int rank, int64_t *out) {
    bool none = false;
    *out = 1;
    for (int i = 0; i < rank; i++) {
        none |= dim[i] == 0;
        if (dim[i] < 0 || !nrg_times(*out, dim[i] ? dim[i] : 1, out)) return false;
    }
    if (none) *out = 0;
    return true;
}

const char *nrg_name_clean(nrg_arena *a, const char *p, size_t n) {
    char *s = nrg_arena_get(a, n + 6), *q = s;
    if (!s) return NULL;
    for (size_t i = 0; i < n; i++) {
        if (letter(p[i]))
            *q++ = p[i];
        else if (digit(p[i])) {
            if (q == s) *q++ = 'c'; // a name starts with a letter
            *q++ = p[i];
        } else if (q > s && q[-1] != '_')
            *q++ = '_';
    }
    while (q > s + 1 && q[-1] == '_') q--;
    *q = 0;
    if (q == s || (q == s + 1 && *s == '_')) memcpy(s, "data", 5);
    return s;
}

nrg_snippet nrg_snip(const char *p, size_t n) {
    nrg_snippet s;
    size_t at = 0, most = n > 40 ? 36 : n;
    s.at[at++] = '\'';
    for (size_t i = 0; i < most; i++) s.at[at++] = (unsigned char)p[i] < 0x20 || p[i] == 0x7f ? ' ' : p[i];
    while (n > 40 && at > 1 && (s.at[at - 1] & 0x80)) at--; // no half of a character
    if (n > 40) memcpy(s.at + at, "...", 3), at += 3;
    s.at[at++] = '\'';
    s.at[at] = 0;
    return s;
}
