// Writing pages of HTML.
#include "api/page.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Lines and letters of a picture turn with the page in the dark; colours that mean something stay (class "field").
static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<style>\n"
    ":root { color-scheme: light dark; --back: #ffffff; --ink: #1c1f24; --soft: #5c6370; --line: #d9dce1; --card: "
    "#f5f6f8;\n"
    "  --good: #17713b; --bad: #b3261e; --warn: #8a5a00; }\n"
    "@media (prefers-color-scheme: dark) { :root { --back: #15171b; --ink: #e4e6ea; --soft: #9aa1ad; --line: #343842;\n"
    "  --card: #1e2127; --good: #6fd08c; --bad: #ff8a80; --warn: #f0b95a; }\n"
    "  img.ink { filter: invert(1) hue-rotate(180deg); mix-blend-mode: screen; } }\n"
    "body { background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; margin: 0; }\n"
    "main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }\n"
    "h1 { font-size: 1.7rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }\n"
    "h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }\n"
    "p { margin: .4rem 0; } .soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); }\n"
    ".warn { color: var(--warn); }\n"
    ".box { background: var(--card); border-left: 4px solid var(--warn); padding: .5rem .8rem; margin: .6rem 0; }\n"
    ".box.stop { border-color: var(--bad); }\n"
    ".scroll { overflow-x: auto; }\n"
    "table { border-collapse: collapse; margin: .4rem 0; }\n"
    "th, td { text-align: left; vertical-align: top; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid "
    "var(--line); }\n"
    "th, td.q { white-space: nowrap; } th { font-weight: 600; } .facts { white-space: pre-line; } td.n, th.n { "
    "text-align: right; font-variant-numeric: tabular-nums; }\n"
    "code, pre { font: 14px/1.45 ui-monospace, monospace; } td code { white-space: pre-wrap; } td.q code { "
    "white-space: nowrap; }\n"
    "pre { background: var(--card); padding: .7rem .9rem; white-space: pre-wrap; overflow-wrap: anywhere; }\n"
    "figure { margin: .8rem 0; } figcaption { color: var(--soft); font-size: .9rem; }\n"
    "img { max-width: 100%; height: auto; } img.field { background: #fff; border-radius: 4px; }\n"
    "</style>\n";

void nrg_page_bytes(nrg_page *p, const char *s, size_t n) {
    for (size_t i = 0, from = 0; i <= n; i++) {
        const char *as = i == n                                                      ? ""
                         : s[i] == '&'                                               ? "&amp;"
                         : s[i] == '<'                                               ? "&lt;"
                         : s[i] == '>'                                               ? "&gt;"
                         : s[i] == '"'                                               ? "&quot;"
                         : s[i] == '\''                                              ? "&#39;"
                         : (unsigned char)s[i] < ' ' && s[i] != '\n' && s[i] != '\t' ? "&#65533;"
                                                                                     : NULL;
        if (!as) continue;
        nrg_text_bytes(&p->html, s + from, i - from);
        nrg_text_put(&p->html, "%s", as);
        from = i + 1;
    }
}

void nrg_page_text(nrg_page *p, const char *s) { nrg_page_bytes(p, s, strlen(s)); }

void nrg_page_row(nrg_page *p, const char *name, const char *value) {
    if (!value || !*value) return;
    nrg_text_put(&p->html, "<tr><th>%s</th><td><code>", name);
    nrg_page_text(p, value);
    nrg_text_put(&p->html, "</code></td></tr>\n");
}

nrg_status nrg_page_open(nrg_ctx *c, const char *title, nrg_page *p) {
    const char *where = getenv("TMPDIR");
    *p = (nrg_page){.ctx = c, .html = nrg_text_make(c), .arena = nrg_arena_make(c)};
    char *folder = nrg_arena_print(&p->arena, "%s/nrg-page-XXXXXX", where && *where ? where : "/tmp");
    if (!folder) return NRG_E098;
    if (!mkdtemp(folder)) {
        nrg_fail(c, NRG_E092, NRG_NOWHERE, "cannot make a folder for pictures, %s: %s", folder, strerror(errno));
        nrg_help(c, "TMPDIR chooses where");
        return NRG_E092;
    }
    p->folder = folder;
    nrg_text_put(&p->html, "%s<title>", head);
    nrg_page_text(p, title);
    nrg_text_put(&p->html, "</title>\n</head>\n<body>\n<main>\n<h1>");
    nrg_page_text(p, title);
    nrg_text_put(&p->html, "</h1>\n");
    return NRG_OK;
}

void nrg_page_free(nrg_page *p) {
    if (p->folder) rmdir(p->folder);
    nrg_text_free(&p->html);
    nrg_arena_free(&p->arena);
}

nrg_status nrg_page_write(nrg_page *p, const char *path) {
    nrg_text_put(&p->html, "</main>\n</body>\n</html>\n");
    TRY(nrg_text_end(&p->html));
    return nrg_file_write(p->ctx, path, p->html.at, p->html.n);
}

nrg_status nrg_page_remark(nrg_page *p, const char *what, int before, nrg_status s) {
    const nrg_diag *d = nrg_diag_get(p->ctx, before);
    if (s == NRG_OK || s == NRG_E098 || s == NRG_E099) return s;
    nrg_text_put(&p->html, "<p class=\"box\">%s: ", what);
    nrg_page_text(p, d ? d->message : nrg_status_meaning(s));
    if (d && *d->help) {
        nrg_text_put(&p->html, " &ndash; ");
        nrg_page_text(p, d->help);
    }
    nrg_text_put(&p->html, " <span class=\"soft\">[%s]</span></p>\n", nrg_status_name(s));
    nrg_diag_cut(p->ctx, before);
    return NRG_OK;
}

// ---- pictures

static void base64(nrg_text *t, const unsigned char *a, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)a[i] << 16 | (i + 1 < n ? (unsigned)a[i + 1] << 8 : 0) | (i + 2 < n ? a[i + 2] : 0u);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], i + 1 < n ? digits[v >> 6 & 63] : '=',
                        i + 2 < n ? digits[v & 63] : '='};
        nrg_text_bytes(t, four, 4);
    }
}

static nrg_status take_in(nrg_page *p, const char *path, const char *caption) {
    nrg_text bytes = nrg_text_make(p->ctx);
    bool svg = strcmp(path + strlen(path) - 4, ".svg") == 0;
    nrg_status s = nrg_file_read(p->ctx, path, &bytes);
    if (s == NRG_OK) {
        nrg_text_put(&p->html, "<figure><img class=\"%s\" alt=\"", svg ? "ink" : "field");
        nrg_page_text(p, caption);
        nrg_text_put(&p->html, "\" src=\"data:image/%s;base64,", svg ? "svg+xml" : "png");
        base64(&p->html, (const unsigned char *)bytes.at, bytes.n);
        nrg_text_put(&p->html, "\">\n<figcaption>");
        nrg_page_text(p, caption);
        nrg_text_put(&p->html, "</figcaption></figure>\n");
    }
    nrg_text_free(&bytes);
    return s;
}

// The picture, its script and its data. The name has an ending of four characters, as long as any of theirs.
static void clear(char *path) {
    static const char *const ends[] = {"", ".gp", ".dat"};
    for (size_t i = 0, n = strlen(path); i < sizeof ends / sizeof *ends; i++) {
        if (i) memcpy(path + n - 4, ends[i], strlen(ends[i]) + 1);
        remove(path);
    }
}

nrg_status nrg_page_picture(nrg_page *p, const char *file, const char *caption, nrg_page_draw draw, void *ud) {
    int before = nrg_diag_count(p->ctx);
    char *path = nrg_arena_print(&p->arena, "%s/%s", p->folder, file);
    if (!path) return NRG_E098;
    nrg_status s = draw(ud, path);
    if (s == NRG_OK) s = take_in(p, path, caption);
    clear(path);
    return nrg_page_remark(p, "No picture", before, s);
}
