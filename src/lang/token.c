// Text to tokens. Line ends that do not end a statement are dropped here: inside brackets, after an operator
// or joining word that wants more, and before a line that starts with one.
#include "lang/inside.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    nrg_arena *a;
    uint32_t file;
    const char *text;
    size_t n, at;
    bool first;
    token_list *out;
} lexer;

static const char *const joining[] = {"by",  "from", "against", "in",   "as", "where",
                                      "and", "or",   "not",     "init", NULL};

bool nrg_in_list(const char *const *list, const char *name) {
    for (; *list; list++)
        if (nrg_same(*list, name)) return true;
    return false;
}

bool nrg_joining_word(const char *s) { return nrg_in_list(joining, s); }

static bool digit(char ch) { return ch >= '0' && ch <= '9'; }
static bool letter(char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_';
}

// Length of a letter at p: 1 for ASCII, 2 for Greek (U+0370 to U+03FF), 0 otherwise.
static size_t letter_at(const char *p, size_t left) {
    if (left == 0) return 0;
    if (letter(*p)) return 1;
    unsigned char a = (unsigned char)*p, b = left >= 2 ? (unsigned char)p[1] : 0;
    if ((b & 0xc0) != 0x80) return 0;
    unsigned code = (a & 0x1fu) << 6 | (b & 0x3fu);
    return (a & 0xe0) == 0xc0 && code >= 0x370 && code <= 0x3ff ? 2 : 0;
}

bool nrg_plain_name(const char *s) {
    size_t n = strlen(s), at = 0;
    while (at < n) {
        size_t k = letter_at(s + at, n - at);
        if (k == 0 && at > 0 && digit(s[at])) k = 1;
        if (k == 0) return false;
        at += k;
    }
    return n > 0;
}

static char peek(const lexer *x, size_t ahead) {
    return x->at + ahead < x->n ? x->text[x->at + ahead] : 0;
}

static nrg_status put(lexer *x, token_kind kind, size_t start, const char *text, double number) {
    token t = {.kind = kind,
               .span = {x->file, (uint32_t)start, (uint32_t)x->at},
               .text = text,
               .number = number,
               .first = x->first};
    if (kind != T_LINE) x->first = false;
    return NRG_PUSH(x->a, *x->out, t);
}

static nrg_status name(lexer *x) {
    size_t start = x->at, k;
    while ((k = letter_at(x->text + x->at, x->n - x->at)) || digit(peek(x, 0))) x->at += k ? k : 1;
    const char *s = nrg_arena_copy(x->a, x->text + start, x->at - start);
    return s ? put(x, T_NAME, start, s, 0) : NRG_E098;
}

static void digits(lexer *x) {
    while (digit(peek(x, 0)) || (peek(x, 0) == '_' && digit(peek(x, 1)))) x->at++;
}

// 10_000, 0.5, 1e-3, 5%. A point counts only before a digit, so that 0..1 is 0 .. 1.
static nrg_status number(lexer *x) {
    size_t start = x->at, n = 0;
    digits(x);
    if (peek(x, 0) == '.' && digit(peek(x, 1))) x->at++, digits(x);
    if (peek(x, 0) == 'e' || peek(x, 0) == 'E') {
        size_t sign = peek(x, 1) == '+' || peek(x, 1) == '-';
        if (digit(peek(x, 1 + sign))) x->at += 1 + sign, digits(x);
    }
    char *s = nrg_arena_copy(x->a, x->text + start, x->at - start);
    if (!s) return NRG_E098;
    for (size_t i = start; i < x->at; i++)
        if (x->text[i] != '_') s[n++] = x->text[i];
    s[n] = 0;
    double v = nrg_strtod(s, NULL);
    if (peek(x, 0) == '%') x->at++, v /= 100;
    return put(x, isfinite(v) ? T_NUMBER : T_BAD, start, s, v);
}

static nrg_status string(lexer *x) {
    size_t start = x->at++, n = 0;
    size_t end = x->at;
    while (end < x->n && x->text[end] != '"' && x->text[end] != '\n')
        end += x->text[end] == '\\' && end + 1 < x->n ? 2 : 1;
    if (end >= x->n || x->text[end] != '"') return put(x, T_OPEN, start, "\"", 0);
    char *s = nrg_arena_get(x->a, end - x->at + 1);
    if (!s) return NRG_E098;
    for (; x->at < end; x->at++) {
        if (x->text[x->at] == '\\') x->at++;
        s[n++] = x->text[x->at];
    }
    x->at = end + 1;
    return put(x, memchr(s, 0, n) || memchr(s, '\n', n) ? T_BAD : T_STRING, start, s, 0);
}

static nrg_status mark(lexer *x) {
    static const char *const marks[] = {"->", "..", "==", "!=", "<=", ">=", "|", "+", "-",
                                        "*",  "/",  "@",  "^",  "<",  ">",  "=", "(", ")",
                                        "[",  "]",  "{",  "}",  ",",  ":",  ".", "'", NULL};
    size_t start = x->at;
    for (const char *const *m = marks; *m; m++) {
        size_t n = strlen(*m);
        if (x->n - x->at < n || memcmp(x->text + x->at, *m, n) != 0) continue;
        x->at += n;
        return put(x, T_MARK, start, *m, 0);
    }
    do x->at++;
    while (x->at < x->n && ((unsigned char)x->text[x->at] & 0xc0) == 0x80);
    return put(x, T_BAD, start, NULL, 0);
}

static nrg_status scan(lexer *x) {
    while (x->at < x->n) {
        char ch = x->text[x->at];
        nrg_status s = NRG_OK;
        if (ch == '#') {
            while (x->at < x->n && x->text[x->at] != '\n') x->at++;
        } else if (ch == ' ' || ch == '\t' || ch == '\r') {
            x->at++;
        } else if (ch == '\n') {
            s = put(x, T_LINE, x->at, "", 0);
            x->at++;
            x->first = true;
        } else if (digit(ch))
            s = number(x);
        else if (letter_at(x->text + x->at, x->n - x->at))
            s = name(x);
        else if (ch == '"')
            s = string(x);
        else
            s = mark(x);
        TRY(s);
    }
    return NRG_OK;
}

// ---- which line ends count ----

static bool is_mark(const token *t, const char *m) {
    return t->kind == T_MARK && nrg_same(t->text, m);
}

// Operators and joining words that want more on either side of a line end.
static bool continues(const token *t) {
    static const char *const marks[] = {"|", "+", "-", "*", "/", "@", NULL}, *const words[] = {
                                                                                 "from", "against",
                                                                                 "and", "or", NULL};
    return (t->kind == T_MARK && nrg_in_list(marks, t->text)) ||
           (t->kind == T_NAME && nrg_in_list(words, t->text));
}

// A keyword at the start of a line with something after it that no expression could have there: a new statement for sure.
static bool starts_statement(const token_list *v, uint32_t i) {
    if (i + 1 >= v->n || !v->at[i].first || v->at[i].kind != T_NAME ||
        !nrg_in_list(nrg_keywords, v->at[i].text))
        return false;
    const token *next = &v->at[i + 1];
    if (next->kind == T_NAME) return nrg_same(next->text, "by") || !nrg_joining_word(next->text);
    return next->kind == T_NUMBER || next->kind == T_STRING;
}

// Marks the innermost bracket still open at the start of a new statement, and ends the statement before it.
static nrg_status join(nrg_arena *a, const token_list *in, token_list *out) {
    struct {
        uint32_t *at;
        uint32_t n, cap;
    } open = {0};
    for (uint32_t i = 0; i < in->n; i++) {
        const token *t = &in->at[i];
        if (open.n && starts_statement(in, i)) {
            token never = in->at[open.at[open.n - 1]];
            never.kind = T_OPEN;
            TRY(NRG_PUSH(a, *out, never));
            TRY(NRG_PUSH(a, *out, ((token){.kind = T_LINE, .span = t->span, .text = ""})));
            open.n = 0;
        }
        if (is_mark(t, "(") || is_mark(t, "[") || is_mark(t, "{")) TRY(NRG_PUSH(a, open, i));
        if (open.n && (is_mark(t, ")") || is_mark(t, "]") || is_mark(t, "}"))) open.n--;
        if (t->kind == T_LINE) {
            uint32_t next = i + 1;
            while (next < in->n && in->at[next].kind == T_LINE) next++;
            bool more = (out->n && continues(&out->at[out->n - 1])) ||
                        (next < in->n && continues(&in->at[next]));
            if (open.n || more || out->n == 0 || out->at[out->n - 1].kind == T_LINE) continue;
        }
        TRY(NRG_PUSH(a, *out, *t));
    }
    if (open.n) {
        token never = in->at[open.at[open.n - 1]];
        never.kind = T_OPEN;
        TRY(NRG_PUSH(a, *out, never));
    }
    return NRG_OK;
}

nrg_status nrg_lex(nrg_arena *a, uint32_t file, const char *text, size_t n, token_list *out) {
    token_list raw = {0};
    lexer x = {.a = a, .file = file, .text = text, .n = n, .first = true, .out = &raw};
    TRY(scan(&x));
    TRY(join(a, &raw, out));
    nrg_span end = {file, (uint32_t)n, (uint32_t)n};
    if (out->n == 0 || out->at[out->n - 1].kind != T_LINE)
        TRY(NRG_PUSH(a, *out, ((token){.kind = T_LINE, .span = end, .text = ""})));
    return NRG_PUSH(a, *out, ((token){.kind = T_END, .span = end, .text = ""}));
}
