// Sources and the list of diagnostics: recording, printing as text and as JSON.
#include "base/ctx.h"
#include <string.h>

// ---- sources ----

static char *copy(nrg_ctx *c, const char *p, size_t n) {
    char *q = nrg_mem(c, NULL, 0, n + 1);
    if (!q) return NULL;
    if (n) memcpy(q, p, n);
    q[n] = 0;
    return q;
}

nrg_status nrg_source_add(nrg_ctx *c, const char *name, const char *bytes, size_t n, uint32_t *file) {
    if (c->nsources == c->csources) {
        uint32_t cap = c->csources ? 2 * c->csources : 4;
        nrg_source *p = nrg_mem(c, c->sources, c->csources * sizeof *p, cap * sizeof *p);
        if (!p) return NRG_E098;
        c->sources = p;
        c->csources = cap;
    }
    nrg_source s = {.n = n, .name_n = strlen(name)};
    s.name = copy(c, name, s.name_n);
    s.bytes = s.name ? copy(c, bytes, n) : NULL;
    if (!s.bytes) {
        if (s.name) nrg_mem(c, s.name, s.name_n + 1, 0);
        return NRG_E098;
    }
    c->sources[c->nsources++] = s;
    *file = c->nsources;
    return NRG_OK;
}

static const nrg_source *source(const nrg_ctx *c, uint32_t file) {
    return file >= 1 && file <= c->nsources ? &c->sources[file - 1] : NULL;
}

const char *nrg_source_text(const nrg_ctx *c, uint32_t file, size_t *n) {
    const nrg_source *s = source(c, file);
    if (n) *n = s ? s->n : 0;
    return s ? s->bytes : NULL;
}

const char *nrg_source_name(const nrg_ctx *c, uint32_t file) {
    const nrg_source *s = source(c, file);
    return s ? s->name : NULL;
}

// Characters in [from, to): bytes that do not continue one in UTF-8.
static int characters(const char *bytes, size_t from, size_t to) {
    int n = 0;
    for (size_t i = from; i < to; i++) n += ((unsigned char)bytes[i] & 0xc0) != 0x80;
    return n;
}

// Byte offsets of the line that holds `at`, without its end.
static void line_of(const nrg_source *s, size_t at, size_t *from, size_t *to) {
    size_t a = at < s->n ? at : s->n, b = a;
    while (a > 0 && s->bytes[a - 1] != '\n') a--;
    while (b < s->n && s->bytes[b] != '\n') b++;
    if (b > a && s->bytes[b - 1] == '\r') b--;
    *from = a;
    *to = b;
}

void nrg_source_place(const nrg_ctx *c, nrg_span span, int *line, int *col) {
    const nrg_source *s = source(c, span.file);
    *line = *col = 0;
    if (!s) return;
    size_t from, to, at = span.start < s->n ? span.start : s->n;
    line_of(s, at, &from, &to);
    *line = 1;
    for (size_t i = 0; i < from; i++) *line += s->bytes[i] == '\n';
    *col = 1 + characters(s->bytes, from, at);
}

// ---- recording ----

void nrg_diag_refused(nrg_ctx *c, size_t size) {
    c->last = -1;
    if (c->refused) return; // the first refusal tells the story
    c->refused = true;
    snprintf(c->spare_text, sizeof c->spare_text, "out of memory: %zu bytes were refused, %zu are in use", size,
             c->used);
    c->spare = (nrg_diag){.status = NRG_E098, .message = c->spare_text, .facts = "", .help = ""};
}

static void entry_free(nrg_ctx *c, nrg_entry *e) {
    nrg_text_free(&e->message);
    nrg_text_free(&e->facts);
    nrg_text_free(&e->help);
    nrg_mem(c, e, sizeof *e, 0);
}

// A new entry at the end of the list, or NULL (E098 is then in the spare slot).
static nrg_entry *entry_new(nrg_ctx *c) {
    if (c->n == c->cap) {
        int cap = c->cap ? 2 * c->cap : 4;
        nrg_entry **p = nrg_mem(c, c->entries, (size_t)c->cap * sizeof *p, (size_t)cap * sizeof *p);
        if (!p) return NULL;
        c->entries = p;
        c->cap = cap;
    }
    nrg_entry *e = nrg_mem(c, NULL, 0, sizeof *e);
    if (!e) return NULL;
    *e = (nrg_entry){.message = nrg_text_make(c), .facts = nrg_text_make(c), .help = nrg_text_make(c)};
    return e;
}

static void put_args(nrg_text *t, const char *fmt, va_list args) {
    va_list again;
    va_copy(again, args);
    char small[256];
    int n = nrg_vprint(small, sizeof small, fmt, again);
    va_end(again);
    if (n < 0) return;
    if ((size_t)n < sizeof small) {
        nrg_text_bytes(t, small, (size_t)n);
        return;
    }
    char *p = nrg_mem(t->ctx, NULL, 0, (size_t)n + 1);
    if (!p) return;
    nrg_vprint(p, (size_t)n + 1, fmt, args);
    nrg_text_bytes(t, p, (size_t)n);
    nrg_mem(t->ctx, p, (size_t)n + 1, 0);
}

// The part of the span on its first line, at least one character.
static int underlined(const nrg_source *s, nrg_span at) {
    size_t from, to;
    line_of(s, at.start, &from, &to);
    size_t end = at.end < to ? at.end : to;
    int n = at.start < end ? characters(s->bytes, at.start, end) : 0;
    return n > 0 ? n : 1;
}

static nrg_severity severity_of(nrg_status s) { return nrg_status_name(s)[0] == 'W' ? NRG_WARNING : NRG_ERROR; }

// A failing allocation on the way leaves E098 in the spare slot; then the entry is dropped.
static void record(nrg_ctx *c, nrg_status s, nrg_severity severity, nrg_span at, const char *fmt, va_list args) {
    nrg_entry *e = entry_new(c);
    if (!e) return;
    put_args(&e->message, fmt, args);
    if (!e->message.at) {
        nrg_text_bytes(&e->message, "", 0);
        if (e->message.bad) {
            entry_free(c, e);
            return;
        }
    }
    const nrg_source *src = source(c, at.file);
    e->at = at;
    e->d = (nrg_diag){.status = s, .severity = severity, .message = e->message.at, .facts = "", .help = ""};
    if (src) {
        e->d.file = src->name;
        nrg_source_place(c, at, &e->d.line, &e->d.col);
        e->d.length = underlined(src, at);
    }
    c->last = c->n;
    c->entries[c->n++] = e;
}

nrg_status nrg_fail(nrg_ctx *c, nrg_status s, nrg_span at, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    record(c, s, severity_of(s), at, fmt, args);
    va_end(args);
    return s;
}

void nrg_warn(nrg_ctx *c, nrg_status s, nrg_span at, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    record(c, s, NRG_WARNING, at, fmt, args);
    va_end(args);
}

void nrg_fact(nrg_ctx *c, const char *fmt, ...) {
    if (c->last < 0) return;
    nrg_entry *e = c->entries[c->last];
    va_list args;
    va_start(args, fmt);
    if (e->facts.n) nrg_text_bytes(&e->facts, "\n", 1);
    put_args(&e->facts, fmt, args);
    va_end(args);
    if (e->facts.at) e->d.facts = e->facts.at;
}

void nrg_help(nrg_ctx *c, const char *fmt, ...) {
    if (c->last < 0) return;
    nrg_entry *e = c->entries[c->last];
    va_list args;
    va_start(args, fmt);
    if (e->help.n) nrg_text_bytes(&e->help, "\n", 1);
    put_args(&e->help, fmt, args);
    va_end(args);
    if (e->help.at) e->d.help = e->help.at;
}

// ---- the list ----

int nrg_diag_count(const nrg_ctx *c) { return c->n + c->refused; }

const nrg_diag *nrg_diag_get(const nrg_ctx *c, int i) {
    if (i >= 0 && i < c->n) return &c->entries[i]->d;
    return i == c->n && c->refused ? &c->spare : NULL;
}

nrg_span nrg_diag_span(const nrg_ctx *c, int i) { return i >= 0 && i < c->n ? c->entries[i]->at : NRG_NOWHERE; }

int nrg_diag_errors(const nrg_ctx *c) {
    int n = c->refused;
    for (int i = 0; i < c->n; i++) n += c->entries[i]->d.severity == NRG_ERROR;
    return n;
}

void nrg_diag_soften(nrg_ctx *c, int from) {
    for (int i = from < 0 ? 0 : from; i < c->n; i++) c->entries[i]->d.severity = NRG_WARNING;
}

void nrg_diag_clear(nrg_ctx *c) {
    for (int i = 0; i < c->n; i++) entry_free(c, c->entries[i]);
    c->n = 0;
    c->last = -1;
    c->refused = false;
}

void nrg_diag_cut(nrg_ctx *c, int n) {
    while (c->n > n) entry_free(c, c->entries[--c->n]);
    c->last = -1;
}

void nrg_diag_drop(nrg_ctx *c) {
    nrg_diag_clear(c);
    nrg_mem(c, c->entries, (size_t)c->cap * sizeof *c->entries, 0);
    for (uint32_t i = 0; i < c->nsources; i++) {
        nrg_mem(c, c->sources[i].name, c->sources[i].name_n + 1, 0);
        nrg_mem(c, c->sources[i].bytes, c->sources[i].n + 1, 0);
    }
    nrg_mem(c, c->sources, c->csources * sizeof *c->sources, 0);
}

// ---- printing ----

static const char *severity_name(nrg_severity s) {
    return s == NRG_ERROR ? "error" : s == NRG_WARNING ? "warning" : "note";
}

// The source line, and carets under the span; tabs are kept so that they line up.
static void print_line(const nrg_source *s, nrg_span at, const nrg_diag *d, int indent, nrg_text *out) {
    size_t from, to;
    line_of(s, at.start, &from, &to);
    nrg_text_put(out, " %d | ", d->line);
    nrg_text_bytes(out, s->bytes + from, to - from);
    nrg_text_put(out, "\n%*s | ", indent - 1, "");
    for (size_t i = from; i < at.start && i < to; i++) {
        unsigned char ch = (unsigned char)s->bytes[i];
        if ((ch & 0xc0) != 0x80) nrg_text_bytes(out, ch == '\t' ? "\t" : " ", 1);
    }
    for (int i = 0; i < d->length; i++) nrg_text_bytes(out, "^", 1);
    nrg_text_bytes(out, "\n", 1);
}

// Each line of `lines` after `head`, indented.
static void print_lines(const char *lines, const char *head, int indent, nrg_text *out) {
    while (*lines) {
        size_t n = strcspn(lines, "\n");
        nrg_text_put(out, "%*s%s ", indent, "", head);
        nrg_text_bytes(out, lines, n);
        nrg_text_bytes(out, "\n", 1);
        lines += n + (lines[n] == '\n');
    }
}

void nrg_diag_print(const nrg_ctx *c, int i, nrg_text *out) {
    const nrg_diag *d = nrg_diag_get(c, i);
    if (!d) return;
    const nrg_source *s = source(c, nrg_diag_span(c, i).file);
    int indent = 3; // width of " N ", so that bars and `=` stand under the bar of the source line
    if (s) {
        indent = 2 + snprintf(NULL, 0, "%d", d->line);
        nrg_text_put(out, "%s:%d:%d: ", d->file, d->line, d->col);
    }
    nrg_text_put(out, "%s[%s]: %s\n", severity_name(d->severity), nrg_status_name(d->status), d->message);
    if (s) print_line(s, nrg_diag_span(c, i), d, indent, out);
    print_lines(d->facts, "=", indent, out);
    print_lines(d->help, "help:", indent, out);
}

void nrg_diag_json(const nrg_ctx *c, int i, nrg_text *out) {
    const nrg_diag *d = nrg_diag_get(c, i);
    if (!d) return;
    nrg_text_put(out, "{\"file\":");
    if (d->file)
        nrg_text_json(out, d->file);
    else
        nrg_text_put(out, "null");
    nrg_text_put(out, ",\"line\":%d,\"col\":%d,\"length\":%d,\"severity\":\"%s\",\"code\":\"%s\",\"message\":", d->line,
                 d->col, d->length, severity_name(d->severity), nrg_status_name(d->status));
    nrg_text_json(out, d->message);
    nrg_text_put(out, ",\"facts\":[");
    for (const char *p = d->facts; *p;) {
        size_t n = strcspn(p, "\n");
        nrg_text line = nrg_text_make(out->ctx);
        nrg_text_bytes(&line, p, n);
        if (p != d->facts) nrg_text_put(out, ",");
        if (line.at)
            nrg_text_json(out, line.at);
        else
            out->bad = true;
        nrg_text_free(&line);
        p += n + (p[n] == '\n');
    }
    nrg_text_put(out, "],\"help\":");
    nrg_text_json(out, d->help);
    nrg_text_put(out, "}\n");
}
