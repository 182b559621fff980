// Numbers with dots. A program may have set a locale whose numbers have commas; texts of nrg are the same in every locale.
#define _POSIX_C_SOURCE 200809L
#include "base/base.h"
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    locale_t plain, before;
} plain;

static plain begin(void) {
    plain p = {0};
    if (*nl_langinfo(RADIXCHAR) == '.') return p;
    p.plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (p.plain) p.before = uselocale(p.plain);
    return p;
}

static void end(plain p) {
    if (!p.plain) return;
    uselocale(p.before);
    freelocale(p.plain);
}

int nrg_vprint(char *to, size_t room, const char *fmt, va_list args) {
    plain p = begin();
    int n = vsnprintf(to, room, fmt, args);
    end(p);
    return n;
}

int nrg_print(char *to, size_t room, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int n = nrg_vprint(to, room, fmt, args);
    va_end(args);
    return n;
}

double nrg_strtod(const char *s, char **stop) {
    plain p = begin();
    double v = strtod(s, stop);
    end(p);
    return v;
}
