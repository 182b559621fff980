// What the command line changes: --stmt replaces or adds statements, --set sizes and hyper-parameters.
#include "lang/inside.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool same_names(const stmt *a, const stmt *b) {
    if (a->n != b->n) return false;
    for (uint32_t i = 0; i < a->n; i++) {
        bool found = false;
        for (uint32_t j = 0; j < b->n; j++) found |= nrg_same(a->names[i], b->names[j]);
        if (!found) return false;
    }
    return true;
}

// Losses, reports and expectations have no variables: the new one takes the place of all.
static bool replaces(const stmt *new, const stmt *old) {
    if (new->key != old->key) return false;
    return new->key == K_ENERGY || same_names(new, old);
}

nrg_status nrg_override_statements(checker *k) {
    uint32_t originals = k->list.n;
    for (int i = 0; k->o && i < k->o->stmts_n; i++) {
        const char *text = k->o->stmts[i];
        uint32_t file;
        stmt_list more = {0};
        TRY(nrg_source_add(k->c, "--stmt", text, strlen(text), &file));
        TRY(nrg_parse(k->m, file, text, strlen(text), &more, &k->lost));
        for (uint32_t j = 0; j < more.n; j++) {
            bool placed = false;
            for (uint32_t a = 0; a < originals; a++) {
                bool further = j > 0 && more.at[j].n == 0 && more.at[j].key == more.at[j - 1].key; // report a, b: one statement
                if (further || k->list.at[a].dead || !replaces(&more.at[j], &k->list.at[a])) continue;
                if (placed)
                    k->list.at[a].dead = true;
                else {
                    k->list.at[a] = more.at[j];
                    k->list.at[a].line |=
                        1u << 31; // not of the text any more: another --stmt does not replace it
                }
                placed = true;
            }
            if (!placed) TRY(NRG_PUSH(&k->m->arena, k->list, more.at[j]));
        }
    }
    return NRG_OK;
}

// ---- --set ----

// The text after NAME= of the last --set of that name, or NULL.
static const char *value_of(checker *k, const char *name) {
    const char *found = NULL;
    size_t n = strlen(name);
    for (int i = 0; k->o && i < k->o->sets_n; i++) {
        const char *s = k->o->sets[i];
        if (strncmp(s, name, n) != 0 || s[n] != '=') continue;
        found = s + n + 1;
        if (k->set_used) k->set_used[i] = true;
    }
    return found;
}

// A number, with % and _ as in the language.
static bool number(const char *s, size_t n, double *out) {
    char b[64];
    size_t k = 0;
    bool percent = n && s[n - 1] == '%';
    if (percent) n--;
    for (size_t i = 0; i < n && k + 1 < sizeof b; i++)
        if (s[i] != '_') b[k++] = s[i];
    b[k] = 0;
    char *end;
    *out = nrg_strtod(b, &end);
    while (*end == ' ') end++;
    if (percent) *out /= 100;
    return k > 0 && *end == 0 && isfinite(*out);
}

static nrg_status not_number(checker *k, const char *name, const char *value) {
    nrg_status s = nrg_fail(k->c, NRG_E090, NRG_NOWHERE, "--set %s=%s: the value is not a number",
                            name, value);
    nrg_help(k->c, "write --set %s=NUMBER", name);
    return s;
}

nrg_status nrg_override_size(checker *k, const char *name, int64_t *size, bool *found) {
    const char *value = value_of(k, name);
    double x;
    *found = value != NULL;
    if (!value) return NRG_OK;
    if (!number(value, strlen(value), &x)) return not_number(k, name, value);
    if (x < 1 || x > 4e9 || floor(x) != x)
        return nrg_fail(k->c, NRG_E013, NRG_NOWHERE,
                        "--set %s=%s: a size is a whole number from 1 on", name, value);
    *size = (int64_t)x;
    return NRG_OK;
}

nrg_status nrg_override_hyper(checker *k, nrg_hyper *h) {
    const char *value = value_of(k, h->name);
    if (!value) return NRG_OK;
    const char *arrow = strstr(value, "->");
    size_t n = arrow ? (size_t)(arrow - value) : strlen(value);
    double from, to;
    if (!number(value, n, &from)) return not_number(k, h->name, value);
    to = from;
    if (arrow && !number(arrow + 2, strlen(arrow + 2), &to)) return not_number(k, h->name, value);
    for (int i = 0; i < 2; i++) {
        double x = i ? to : from;
        if (x >= h->lo && x <= h->hi) continue;
        char lo[32] = "", hi[32] = "";
        if (isfinite(h->lo)) nrg_print(lo, sizeof lo, "%g", h->lo);
        if (isfinite(h->hi)) nrg_print(hi, sizeof hi, "%g", h->hi);
        return nrg_fail(k->c, NRG_E013, h->span, "--set %s=%s: outside its range %s..%s", h->name,
                        value, lo, hi);
    }
    h->from = from;
    h->to = to;
    h->scheduled = arrow != NULL;
    h->geometric = false;
    return NRG_OK;
}

nrg_status nrg_override_rest(checker *k) {
    nrg_status first = NRG_OK;
    for (int i = 0; k->o && i < k->o->sets_n; i++) {
        if (k->set_used && k->set_used[i]) continue;
        const char *s = k->o->sets[i], *equal = strchr(s, '=');
        nrg_status st;
        if (!equal || equal == s) {
            st = nrg_fail(k->c, NRG_E090, NRG_NOWHERE, "--set %s: expected NAME=VALUE", s);
        } else {
            const char *name = nrg_arena_copy(&k->m->arena, s, (size_t)(equal - s));
            if (!name) return NRG_E098;
            bool failed = false; // its declaration may have had an error of its own
            for (uint32_t j = 0; j < k->lost.n; j++) failed |= nrg_same(k->lost.at[j], name);
            if (failed) continue;
            st = nrg_fail(k->c, NRG_E090, NRG_NOWHERE,
                          "--set %s: the model has no dim or hyper-parameter '%s'", s, name);
            const char *near = nrg_names_near(k, name, 1u << N_DIM | 1u << N_HYPER);
            if (near) nrg_help(k->c, "did you mean '%s'?", near);
        }
        if (!first) first = st;
    }
    return first;
}
