// Nearest word, for "did you mean".
#include "base/base.h"
#include <string.h>

enum { LONGEST = 48 };

static int lower(char ch) { return ch >= 'A' && ch <= 'Z' ? ch - 'A' + 'a' : (unsigned char)ch; }
static int least(int a, int b) { return a < b ? a : b; }

// Edit distance with transpositions of neighbours; letters that differ only in case are equal.
static int distance(const char *a, int n, const char *b, int m) {
    int old[LONGEST + 1], row[LONGEST + 1], next[LONGEST + 1]; // rows i-2, i-1, i of the table
    for (int j = 0; j <= m; j++) old[j] = 0, row[j] = j;
    for (int i = 1; i <= n; i++) {
        next[0] = i;
        for (int j = 1; j <= m; j++) {
            int same = lower(a[i - 1]) == lower(b[j - 1]);
            int d = least(row[j - 1] + !same, least(row[j], next[j - 1]) + 1);
            bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
            next[j] = swapped ? least(d, old[j - 2] + 1) : d;
        }
        memcpy(old, row, sizeof row);
        memcpy(row, next, sizeof row);
    }
    return row[m];
}

const char *nrg_nearest(const char *word, const char *const *words, int n) {
    size_t len = word ? strlen(word) : 0;
    if (len == 0 || len > LONGEST) return NULL;
    // One slip in words of three letters, two from six, three from ten; in shorter words only the case.
    int best = len < 3 ? 0 : len < 6 ? 1 : len < 10 ? 2 : 3;
    const char *found = NULL;
    for (int i = 0; i < n; i++) {
        size_t m = words[i] ? strlen(words[i]) : 0;
        if (m == 0 || m > LONGEST || strcmp(word, words[i]) == 0) continue;
        int d = distance(word, (int)len, words[i], (int)m);
        if (d < best || (d == best && !found)) best = d, found = words[i];
    }
    return found;
}

bool nrg_ends(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

bool nrg_same(const char *a, const char *b) { return a && b && strcmp(a, b) == 0; }
