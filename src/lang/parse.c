// Statements: one function a kind. After an error the rest of the statement is skipped and its names are
// remembered as lost, so that nothing is said twice.
#include "lang/parser.h"
#include <string.h>

const char *const nrg_keywords[] = {
    "dim",      "hyper",  "given",    "predict",     "latent", "weight", "module",
    "let",      "energy", "minimize", "marginalize", "sample", "hide",   "learn",
    "optimize", "data",   "use",      "answer",      "expect", "report", NULL};

// ---- tokens ----

const token *nrg_p_next(const parser *p, uint32_t ahead) {
    uint32_t i = p->at + ahead;
    return &p->v.at[i < p->v.n ? i : p->v.n - 1];
}
const token *nrg_p_now(const parser *p) { return nrg_p_next(p, 0); }
bool nrg_p_at(const parser *p, const char *mark) {
    return nrg_p_now(p)->kind == T_MARK && nrg_same(nrg_p_now(p)->text, mark);
}
bool nrg_p_word(const parser *p, const char *word) {
    return nrg_p_now(p)->kind == T_NAME && nrg_same(nrg_p_now(p)->text, word);
}
bool nrg_p_take(parser *p, const char *mark) { return nrg_p_at(p, mark) ? (p->at++, true) : false; }
bool nrg_p_take_word(parser *p, const char *word) {
    return nrg_p_word(p, word) ? (p->at++, true) : false;
}
bool nrg_p_ends(const parser *p) {
    return nrg_p_now(p)->kind == T_LINE || nrg_p_now(p)->kind == T_END;
}

nrg_span nrg_p_join(nrg_span a, nrg_span b) {
    return (nrg_span){a.file, a.start < b.start ? a.start : b.start, a.end > b.end ? a.end : b.end};
}

void *nrg_p_check(parser *p, void *memory) {
    if (!memory) p->refused = p->failed = true;
    return memory;
}

static void found(const parser *p, const token *t, char *out, size_t size) {
    int n = (int)(t->span.end - t->span.start);
    if (t->kind == T_LINE || t->kind == T_END)
        snprintf(out, size, "the end of the line");
    else
        snprintf(out, size, "'%.*s'%s", n > 40 ? 40 : n, p->text + t->span.start,
                 n > 40 ? "..." : "");
}

void nrg_p_unexpected(parser *p, const char *expected) {
    const token *t = nrg_p_now(p);
    if (p->failed) return;
    p->failed = true;
    char what[80];
    found(p, t, what, sizeof what);
    if (t->kind == T_OPEN) {
        const char *close = t->text[0] == '('   ? ")"
                            : t->text[0] == '[' ? "]"
                            : t->text[0] == '{' ? "}"
                                                : "\"";
        nrg_fail(p->c, NRG_E002, t->span, "'%s' is never closed", t->text);
        nrg_help(p->c,
                 t->text[0] == '"' ? "add '%s' at the end of the string"
                                   : "add '%s' before the end of this line",
                 close);
    } else if (t->kind == T_BAD) {
        unsigned char ch = (unsigned char)p->text[t->span.start];
        if (ch >= '0' && ch <= '9')
            nrg_fail(p->c, NRG_E002, t->span, "the number %s is too large", what);
        else if (ch < 32 || ch == 127)
            nrg_fail(p->c, NRG_E001, t->span, "unexpected character (code %d)", ch);
        else
            nrg_fail(p->c, NRG_E001, t->span, "unexpected character %s", what);
        if (ch == ';')
            nrg_help(p->c, "a statement ends with its line; no ';' is needed");
        else if (ch == '!')
            nrg_help(p->c, "write `not` for negation, != for unequal");
        else if (ch == '&')
            nrg_help(p->c, "write `and`");
    } else
        nrg_fail(p->c, NRG_E002, t->span, "expected %s, found %s", expected, what);
}

bool nrg_p_need(parser *p, const char *mark, const char *expected) {
    if (p->failed) return false;
    if (nrg_p_take(p, mark)) return true;
    nrg_p_unexpected(p, expected);
    return false;
}

const token *nrg_p_name(parser *p, const char *what) {
    const token *t = nrg_p_now(p);
    if (t->kind == T_NAME && !nrg_joining_word(t->text)) return p->at++, t;
    if (t->kind == T_NAME && !p->failed) {
        nrg_fail(p->c, NRG_E003, t->span, "'%s' is a joining word and cannot be a name", t->text);
        nrg_fact(p->c, "joining words: by from against in as where and or not init");
        nrg_help(p->c, "pick another name");
        p->failed = true;
    } else
        nrg_p_unexpected(p, what);
    return NULL;
}

bool nrg_p_names(parser *p, const char *what, const char ***names, nrg_span **spans, uint32_t *n) {
    NRG_LIST(const char *) v = {0};
    NRG_LIST(nrg_span) s = {0};
    do {
        const token *t = nrg_p_name(p, what);
        if (!t) return false;
        if (NRG_PUSH(&p->m->arena, v, t->text) || NRG_PUSH(&p->m->arena, s, t->span))
            return nrg_p_check(p, NULL) != NULL;
    } while (nrg_p_take(p, ","));
    *names = v.at;
    *spans = s.at;
    *n = v.n;
    return true;
}

// ---- parts ----

static bool one_name(parser *p, stmt *s, const char *what) {
    const token *t = nrg_p_name(p, what);
    if (!t) return false;
    s->names = nrg_p_check(p, NRG_NEW(&p->m->arena, const char *));
    s->spans = nrg_p_check(p, NRG_NEW(&p->m->arena, nrg_span));
    if (!s->names || !s->spans) return false;
    s->names[0] = t->text;
    s->spans[0] = t->span;
    s->n = 1;
    return true;
}

// An expression that ends the statement or stands before a word.
static bool body(parser *p, nrg_expr **out) { return (*out = nrg_p_expr(p)) && nrg_p_no_arrow(p); }

static bool method(parser *p, nrg_expr **out) {
    p->schedules = true;
    bool ok = body(p, out);
    p->schedules = false;
    return ok;
}

static bool labels(parser *p, stmt *s) {
    NRG_LIST(const char *) v = {0};
    do {
        const token *t = nrg_p_now(p);
        const char *text = t->text;
        if (t->kind != T_NAME && t->kind != T_NUMBER && t->kind != T_STRING)
            return nrg_p_unexpected(p, "a label"), false;
        if (t->kind == T_NUMBER) // as written, with % and _
            text = nrg_p_check(p, nrg_arena_copy(&p->m->arena, p->text + t->span.start,
                                                 t->span.end - t->span.start));
        if (!text || NRG_PUSH(&p->m->arena, v, text)) return nrg_p_check(p, NULL) != NULL;
        p->at++;
    } while (nrg_p_take(p, ","));
    s->labels = v.at;
    s->nlabels = v.n;
    return nrg_p_need(p, "}", "',' or '}' after a label");
}

static bool dim(parser *p, stmt *s) {
    if (!one_name(p, s, "the name of a dim")) return false;
    if (!nrg_p_take(p, "=")) return true;
    if (nrg_p_take(p, "{")) return labels(p, s);
    s->ragged = nrg_p_take(p, "..");
    return (s->expr = nrg_p_additive(p)) != NULL;
}

static bool hyper(parser *p, stmt *s) {
    if (!one_name(p, s, "the name of a hyper-parameter") ||
        !nrg_p_need(p, "=", "'=' after the name"))
        return false;
    if (!(s->expr = nrg_p_schedule(p))) return false;
    return !nrg_p_take_word(p, "in") || (s->range = nrg_p_range(p));
}

// A name before `..` or an operator begins a range.
static bool is_domain_name(const parser *p) {
    static const char *const marks[] = {"..", "+", "-", "*", "/", "@", "^", "[", ".", "'", NULL};
    const token *t = nrg_p_next(p, 1);
    return nrg_p_now(p)->kind == T_NAME && !nrg_joining_word(nrg_p_now(p)->text) &&
           !(t->kind == T_MARK && nrg_in_list(marks, t->text));
}

static bool domain(parser *p, stmt *s) {
    nrg_span start = nrg_p_now(p)->span;
    if (!is_domain_name(p)) {
        s->range = nrg_p_range(p);
        if (s->range) s->domain_span = s->range->span;
        return s->range != NULL;
    }
    s->domain = nrg_p_now(p)->text;
    s->domain_span = start;
    p->at++;
    if (!nrg_p_take(p, "(")) return true;
    const token *next = nrg_p_next(p, 1);
    bool names = nrg_p_now(p)->kind == T_NAME && next->kind == T_MARK &&
                 (nrg_same(next->text, ",") || nrg_same(next->text, ")"));
    if (names ? !nrg_p_names(p, "a name", &s->given, &s->given_spans, &s->givens)
              : !(s->range = nrg_p_bound(p)))
        return false;
    s->domain_span = nrg_p_join(start, nrg_p_now(p)->span);
    return nrg_p_need(p, ")", "')'");
}

static bool variable(parser *p, stmt *s) {
    if (!nrg_p_names(p, "the name of a variable", &s->names, &s->spans, &s->n)) return false;
    if (!nrg_p_need(p, ":", "':' after the variable name")) return false;
    const token *t = nrg_p_name(p, "a type: real, bit, sign, int or a dim");
    if (!t) return false;
    s->word = t->text;
    s->word_span = t->span;
    if (nrg_p_take(p, "[")) {
        NRG_LIST(nrg_expr *) v = {0};
        do {
            nrg_expr *e = nrg_p_additive(p);
            if (!e) return false;
            if (NRG_PUSH(&p->m->arena, v, e)) return nrg_p_check(p, NULL) != NULL;
        } while (nrg_p_take(p, ","));
        s->axes = v.at;
        s->rank = v.n;
        if (!nrg_p_need(p, "]", "',' or ']' after an axis")) return false;
    }
    if (nrg_p_take_word(p, "in") && !domain(p, s)) return false;
    return !nrg_p_take_word(p, "init") || body(p, &s->expr);
}

static bool module(parser *p, stmt *s) {
    if (!one_name(p, s, "the name of a module")) return false;
    if (nrg_p_take(p, "(")) {
        s->brackets = true;
        if (!nrg_p_names(p, "a parameter", &s->given, &s->given_spans, &s->givens) ||
            !nrg_p_need(p, ")", "',' or ')' after a parameter"))
            return false;
    }
    return nrg_p_need(p, "=", "'=' before the body") && body(p, &s->expr);
}

static bool let(parser *p, stmt *s) {
    return one_name(p, s, "a name") && nrg_p_need(p, "=", "'=' after the name") &&
           body(p, &s->expr);
}

static bool energy(parser *p, stmt *s) {
    if (!one_name(p, s, "the name of the energy") ||
        !nrg_p_need(p, "(", "'(' and the variables of the energy"))
        return false;
    return nrg_p_names(p, "a variable", &s->given, &s->given_spans, &s->givens) &&
           nrg_p_need(p, ")", "',' or ')' after a variable") &&
           nrg_p_need(p, "=", "'=' before the energy") && body(p, &s->expr);
}

static bool infer(parser *p, stmt *s) {
    if (!nrg_p_names(p, "the name of a variable", &s->names, &s->spans, &s->n)) return false;
    if (nrg_p_take_word(p, "by") && !method(p, &s->by)) return false;
    return !nrg_p_take_word(p, "from") || method(p, &s->from);
}

static bool need_by(parser *p, stmt *s) {
    if (!nrg_p_take_word(p, "by")) return nrg_p_unexpected(p, "'by'"), false;
    return method(p, &s->by);
}

static bool hide(parser *p, stmt *s) {
    return one_name(p, s, "the name of a variable") && need_by(p, s);
}

static bool learn(parser *p, stmt *s) {
    if (!body(p, &s->expr)) return false;
    return !nrg_p_take_word(p, "against") || method(p, &s->from);
}

static bool optimize(parser *p, stmt *s) {
    if (!nrg_p_word(p, "by") &&
        !nrg_p_names(p, "the name of a module or weight", &s->names, &s->spans, &s->n))
        return false;
    return need_by(p, s);
}

static bool binding(parser *p, stmt *s) {
    return nrg_p_names(p, "the name of a variable", &s->names, &s->spans, &s->n) &&
           nrg_p_need(p, "=", "'=' after the name") && body(p, &s->expr);
}

static bool use(parser *p, stmt *s) {
    const token *t = nrg_p_now(p);
    if (t->kind != T_STRING) return nrg_p_unexpected(p, "a file in double quotes"), false;
    s->word = t->text;
    s->word_span = t->span;
    p->at++;
    if (!nrg_p_take_word(p, "as")) return nrg_p_unexpected(p, "'as' and a name"), false;
    return one_name(p, s, "a name");
}

static bool answer(parser *p, stmt *s) {
    static const char *const questions[] = {"best", "rank", "dist", NULL};
    const token *t = nrg_p_now(p);
    if (t->kind != T_NAME || !nrg_in_list(questions, t->text))
        return nrg_p_unexpected(p, "best, rank or dist"), false;
    s->word = t->text;
    s->word_span = t->span;
    p->at++;
    if (!one_name(p, s, "the name of a variable")) return false;
    return !nrg_p_take_word(p, "given") ||
           nrg_p_names(p, "the name of a variable", &s->given, &s->given_spans, &s->givens);
}

static bool plain(parser *p, stmt *s) { return body(p, &s->expr); }

// One row a keyword: its parts after the word, and whether several come with commas.
static const struct {
    bool (*read)(parser *, stmt *);
    bool many;
} rows[K_COUNT] = {
    [K_DIM] = {dim, true},
    [K_HYPER] = {hyper, true},
    [K_GIVEN] = {variable, false},
    [K_PREDICT] = {variable, false},
    [K_LATENT] = {variable, false},
    [K_WEIGHT] = {variable, false},
    [K_MODULE] = {module, false},
    [K_LET] = {let, false},
    [K_ENERGY] = {energy, false},
    [K_MINIMIZE] = {infer, false},
    [K_MARGINALIZE] = {infer, false},
    [K_SAMPLE] = {infer, false},
    [K_HIDE] = {hide, false},
    [K_LEARN] = {learn, false},
    [K_OPTIMIZE] = {optimize, false},
    [K_DATA] = {binding, true},
    [K_USE] = {use, false},
    [K_ANSWER] = {answer, false},
    [K_EXPECT] = {plain, false},
    [K_REPORT] = {plain, true},
};

// ---- statements ----

static bool keyword_of(parser *p) {
    const token *t = nrg_p_now(p);
    if (t->kind == T_NAME) {
        for (int i = 0; i < K_COUNT; i++)
            if (nrg_same(nrg_keywords[i], t->text)) return p->key = (keyword)i, p->at++, true;
    }
    if (t->kind == T_OPEN || t->kind == T_BAD) return nrg_p_unexpected(p, "a statement"), false;
    char what[80];
    found(p, t, what, sizeof what);
    nrg_fail(p->c, NRG_E005, t->span, "a statement must start with a keyword, found %s", what);
    nrg_fact(p->c, "statements: dim hyper given predict latent weight module let energy minimize "
                   "marginalize sample hide learn "
                   "optimize data use answer expect report");
    const char *near = t->kind == T_NAME ? nrg_nearest(t->text, nrg_keywords, K_COUNT) : NULL;
    if (near) nrg_help(p->c, "did you mean '%s'?", near);
    p->failed = true;
    return false;
}

static void statement(parser *p, stmt_list *out) {
    nrg_span start = nrg_p_now(p)->span;
    uint32_t first = out->n, line = p->at;
    if (!keyword_of(p)) return;
    do {
        stmt s = {.key = p->key, .line = line, .span = start};
        if (!rows[p->key].read(p, &s) || p->failed) break;
        s.span = nrg_p_join(start, p->v.at[p->at - 1].span);
        if (NRG_PUSH(&p->m->arena, *out, s)) p->refused = p->failed = true;
    } while (!p->failed && rows[p->key].many && nrg_p_take(p, ","));
    if (!p->failed && nrg_p_no_arrow(p) && !nrg_p_ends(p))
        nrg_p_unexpected(p, "the end of the line");
    if (p->failed) out->n = first;
}

// Skips to the end of a failed statement and remembers its names.
static nrg_status skip(parser *p, uint32_t from, name_list *lost) {
    while (!nrg_p_ends(p)) p->at++;
    for (uint32_t i = from; i < p->at; i++)
        if (p->v.at[i].kind == T_NAME) TRY(NRG_PUSH(&p->m->arena, *lost, p->v.at[i].text));
    return NRG_OK;
}

nrg_status nrg_parse(nrg_model *m, uint32_t file, const char *text, size_t n, stmt_list *out,
                     name_list *lost) {
    parser p = {.m = m, .c = m->ctx, .text = text};
    int faults = 0;
    TRY(nrg_lex(&m->arena, file, text, n, &p.v));
    while (nrg_p_now(&p)->kind != T_END && faults < MOST_FAULTS) {
        if (nrg_p_now(&p)->kind == T_LINE) {
            p.at++;
            continue;
        }
        uint32_t from = p.at;
        p.failed = p.schedules = false;
        p.depth = 0;
        statement(&p, out);
        if (p.refused) return NRG_E098;
        if (!p.failed) continue;
        faults++;
        TRY(skip(&p, from, lost));
    }
    return NRG_OK;
}

nrg_expr *nrg_parse_row(nrg_model *m, const char *text) {
    parser p = {.m = m, .c = m->ctx, .text = text, .key = K_LET};
    if (nrg_lex(&m->arena, 0, text, strlen(text), &p.v)) return NULL;
    nrg_expr *e = nrg_p_expr(&p);
    return e && nrg_p_ends(&p) ? e : NULL;
}
