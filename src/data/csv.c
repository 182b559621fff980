// Tables of text: commas, tabs, semicolons or runs of spaces; RFC 4180 quotes; header found by itself.
// One pass counts what each column holds, a second fills arrays: whole numbers int64, numbers float64 (NaN where
// missing), texts categories in order of first appearance.
#include "data/data.h"
#include <math.h>
#include <string.h>

typedef struct {
    const char *p; // without the outer quotes
    size_t n;
    bool quoted, last; // last: of its row
    int64_t line;
} field;

typedef struct {
    const char *p, *end;
    char delim;
    int64_t line;
    bool open; // inside a row: a field follows even at the end of the text
} lexer;

typedef enum { BLANK, NUMBER, TEXT } kind;

typedef struct {
    const char *name;
    int64_t numbers, whole, blanks, texts;
    bool recurs;      // a later cell equals the one in the first row
    field first, odd; // the first row's cell; the first text of the column
} column;

typedef struct {
    nrg_reading *in;
    nrg_arena work;
    lexer start; // before the first row
    bool header;
    int64_t rows; // without the header
    uint32_t n;   // columns
    column *col;
    uint32_t *pick; // the chosen columns
    uint32_t picks;
} table;

// ---- cells ----

static const char *trim(const char *p, const char **end) {
    while (p < *end && (*p == ' ' || *p == '\t')) p++;
    while (*end > p && ((*end)[-1] == ' ' || (*end)[-1] == '\t' || (*end)[-1] == '\r')) --*end;
    return p;
}

static bool line_end(const lexer *x) { return x->p == x->end || *x->p == '\n'; }

static void skip_spaces(lexer *x) {
    while (x->p < x->end && (*x->p == ' ' || *x->p == '\r' || (*x->p == '\t' && x->delim != '\t'))) x->p++;
}

// The text between quotes; p stands after the closing one. False: it is never closed.
static bool quoted_field(lexer *x, field *f) {
    f->quoted = true;
    f->p = ++x->p;
    for (; x->p < x->end; x->p++) {
        if (*x->p == '\n') x->line++;
        if (*x->p != '"') continue;
        if (x->p + 1 == x->end || x->p[1] != '"') {
            f->n = (size_t)(x->p++ - f->p);
            return true;
        }
        x->p++; // "" stands for one
    }
    f->n = (size_t)(x->end - f->p);
    return false;
}

static nrg_status bad_quote(nrg_reading *in, const field *f, bool closed) {
    return nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE, "%s: line %lld: %s", in->file, (long long)f->line,
                    closed ? "text follows a closing quote" : "a quote is never closed");
}

// The next cell; a row ends with `last`. Only called when the text is not at its end.
static nrg_status next(nrg_reading *in, lexer *x, field *f) {
    *f = (field){.line = x->line};
    skip_spaces(x);
    if (x->p < x->end && *x->p == '"') {
        bool closed = quoted_field(x, f);
        if (closed) skip_spaces(x);
        if (!closed || !(line_end(x) || *x->p == x->delim || x->delim == ' ')) return bad_quote(in, f, closed);
    } else {
        const char *from = x->p;
        while (!line_end(x) && *x->p != x->delim) x->p++;
        const char *to = x->p;
        f->p = trim(from, &to);
        f->n = (size_t)(to - f->p);
    }
    if (x->delim == ' ') skip_spaces(x); // a run of spaces parts, and ends a row without opening a cell
    f->last = line_end(x);
    x->open = !f->last;
    if (!f->last && (x->delim != ' ' || *x->p == ' ')) x->p++;
    if (f->last && x->p < x->end) x->p++, x->line++;
    return NRG_OK;
}

// Steps over empty lines; false at the end of the text.
static bool more(lexer *x) {
    if (x->open) return true;
    for (;;) {
        const char *q = x->p;
        while (q < x->end && (*q == ' ' || *q == '\r')) q++;
        if (q == x->end) return false;
        if (*q != '\n') return true;
        x->p = q + 1;
        x->line++;
    }
}

static kind kind_of(const field *f, double *v, int64_t *i, bool *whole) {
    if (nrg_cell_blank(f->p, f->n)) return BLANK;
    *whole = nrg_integer(f->p, f->n, i);
    if (*whole) return *v = (double)*i, NUMBER;
    return nrg_number(f->p, f->n, v) ? NUMBER : TEXT;
}

// ---- first pass ----

static char delimiter(const nrg_reading *in, const char *p, const char *end) {
    size_t tabs = 0, commas = 0, semicolons = 0;
    bool inside = false;
    for (; p < end && *p != '\n'; p++) {
        if (*p == '"') inside = !inside;
        if (inside) continue;
        tabs += *p == '\t', commas += *p == ',', semicolons += *p == ';';
    }
    if (tabs || strcmp(in->ext, "tsv") == 0) return '\t';
    if (semicolons > commas) return ';';
    return commas || strcmp(in->ext, "csv") == 0 ? ',' : ' ';
}

static void note(column *c, const field *f, bool first_row) {
    double v;
    int64_t i;
    bool whole = false;
    switch (kind_of(f, &v, &i, &whole)) {
    case BLANK: c->blanks++; break;
    case NUMBER: c->numbers++, c->whole += whole; break;
    case TEXT:
        if (first_row || c->texts == 0) c->odd = *f;
        c->texts++;
        break;
    }
    if (first_row)
        c->first = *f;
    else if (f->n == c->first.n && memcmp(f->p, c->first.p, f->n) == 0)
        c->recurs = true;
}

static nrg_status first_row(table *t, lexer *x) {
    struct {
        field *at;
        uint32_t n, cap;
    } cells = {0};
    for (field f = {0}; !f.last;) {
        TRY(next(t->in, x, &f));
        TRY(NRG_PUSH(&t->work, cells, f));
    }
    t->n = cells.n;
    t->col = NRG_NEWS(&t->work, column, cells.n);
    if (!t->col) return NRG_E098;
    for (uint32_t i = 0; i < cells.n; i++) t->col[i].first = cells.at[i];
    return NRG_OK;
}

static nrg_status bad_row(table *t, int64_t line, uint32_t found, bool open) {
    nrg_fail(t->in->ctx, NRG_E054, NRG_NOWHERE, "%s: line %lld has %s%u cells, expected %u", t->in->file,
             (long long)line, open ? "more than " : "", found, t->n);
    nrg_fact(t->in->ctx, "line %lld has %u cells", (long long)t->col[0].first.line, t->n);
    nrg_help(t->in->ctx,
             "mark a missing cell by nothing or ? between its separators, and put texts with separators in quotes");
    return NRG_E054;
}

static nrg_status later_rows(table *t, lexer *x) {
    for (; more(x); t->rows++) {
        int64_t line = x->line;
        field f = {0};
        for (uint32_t i = 0; i < t->n; i++) {
            if (f.last) return bad_row(t, line, i, false);
            TRY(next(t->in, x, &f));
            note(&t->col[i], &f, false);
        }
        if (!f.last) return bad_row(t, line, t->n, true);
    }
    return NRG_OK;
}

// A first row without numbers is a header when numbers stand below it, or when none of its texts comes again in its
// column.
static bool is_header(const table *t, bool marked) {
    if (marked) return true;
    bool texts = false, numbers_below = false, recurs = false;
    for (uint32_t i = 0; i < t->n; i++) {
        const column *c = &t->col[i];
        double v;
        int64_t w;
        bool whole;
        kind k = kind_of(&c->first, &v, &w, &whole);
        if (k == NUMBER) return false;
        texts |= k == TEXT;
        numbers_below |= k == TEXT && c->numbers > c->texts;
        recurs |= c->recurs;
    }
    return texts && (numbers_below || !recurs);
}

static nrg_status name_columns(table *t) {
    nrg_arena *arena = nrg_table_arena(t->in->table);
    for (uint32_t i = 0; i < t->n; i++) {
        column *c = &t->col[i];
        bool named = t->header && c->first.n > 0;
        c->name = named ? nrg_name_clean(arena, c->first.p, c->first.n) : nrg_arena_print(arena, "c%u", i);
        if (!c->name) return NRG_E098;
        for (uint32_t k = 0; k < i && t->header && t->n < 4096; k++) // a name that comes twice gets its number
            if (strcmp(t->col[k].name, c->name) == 0) {
                c->name = nrg_arena_print(arena, "%s_%u", c->name, i);
                if (!c->name) return NRG_E098;
                break;
            }
    }
    return NRG_OK;
}

static nrg_status scan(table *t) {
    nrg_reading *in = t->in;
    const char *p = (const char *)in->blob->at, *end = p + in->blob->n;
    if (end - p >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) p += 3; // byte order mark
    if (!in->text)
        return nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE, "%s: is neither text nor a format that nrg knows", in->file);
    lexer x = {.p = p, .end = end, .line = 1};
    if (!more(&x)) return nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE, "%s: no rows in it", in->file);
    bool marked = *x.p == '#';
    if (marked) x.p++;
    x.delim = delimiter(in, x.p, end);
    t->start = x;
    TRY(first_row(t, &x));
    TRY(later_rows(t, &x));
    t->header = is_header(t, marked);
    if (!t->header) {
        t->rows++;
        for (uint32_t i = 0; i < t->n; i++) note(&t->col[i], &t->col[i].first, true);
    }
    if (t->rows == 0) return nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE, "%s: a header, but no rows below it", in->file);
    return name_columns(t);
}

// ---- the choice of columns: 3, age, 0..12, age..income, and lists of them ----

static nrg_status suggest(table *t, const char *p, size_t n) {
    const char **names = NRG_NEWS(&t->work, const char *, t->n), *word = nrg_arena_copy(&t->work, p, n);
    if (!names || !word) return NRG_E098;
    for (uint32_t i = 0; i < t->n; i++) names[i] = t->col[i].name;
    const char *near = t->n < 4096 ? nrg_nearest(word, names, (int)t->n) : NULL;
    if (near)
        nrg_help(t->in->ctx, "did you mean '%s'?", near);
    else
        nrg_help(t->in->ctx, "columns are named by header, or counted from 0");
    return NRG_E051;
}

static nrg_status find_column(table *t, const char *p, size_t n, uint32_t *out) {
    nrg_reading *in = t->in;
    int64_t k;
    for (uint32_t i = 0; i < t->n; i++) {
        const column *c = &t->col[i];
        bool as_written = t->header && c->first.n == n && memcmp(c->first.p, p, n) == 0;
        if (as_written || (strncmp(c->name, p, n) == 0 && c->name[n] == 0)) return *out = i, NRG_OK;
    }
    if (nrg_integer(p, n, &k) && k >= 0 && k < t->n) return *out = (uint32_t)k, NRG_OK;
    nrg_fail(in->ctx, NRG_E051, NRG_NOWHERE, "%s: no column %s", in->file, nrg_snip(p, n).at);
    nrg_fact(in->ctx, "its %u columns are %s%s%s%s%s", t->n, t->col[0].name, t->n > 1 ? ", " : "",
             t->n > 1 ? t->col[1].name : "", t->n > 2 ? " ... " : "", t->n > 2 ? t->col[t->n - 1].name : "");
    return suggest(t, p, n);
}

static nrg_status pick_one(table *t, uint32_t i) {
    if (t->picks == t->n)
        return nrg_fail(t->in->ctx, NRG_E090, NRG_NOWHERE, "%s: more columns chosen than there are", t->in->file);
    t->pick[t->picks++] = i;
    return NRG_OK;
}

static nrg_status pick(table *t) {
    const char *p = t->in->part;
    t->pick = NRG_NEWS(&t->work, uint32_t, t->n);
    if (!t->pick) return NRG_E098;
    if (!p)
        for (uint32_t i = 0; i < t->n; i++) TRY(pick_one(t, i));
    while (p) {
        size_t n = strcspn(p, ","), to_n = 0;
        const char *dots = strstr(p, "..");
        uint32_t from, to;
        size_t from_n = dots && dots < p + n ? (size_t)(dots - p) : n;
        if (from_n < n) to_n = n - from_n - 2;
        TRY(find_column(t, p, from_n, &from));
        to = from;
        if (from_n < n) TRY(find_column(t, dots + 2, to_n, &to));
        if (from > to)
            return nrg_fail(t->in->ctx, NRG_E090, NRG_NOWHERE, "%s: column %u (%s) does not come before column %u (%s)",
                            t->in->file, from + 1, t->col[from].name, to + 1, t->col[to].name);
        for (uint32_t i = from; i <= to; i++) TRY(pick_one(t, i));
        p = p[n] ? p + n + 1 : NULL;
    }
    return NRG_OK;
}

// ---- second pass ----

// Texts among more numbers are mistakes; else it is a column of texts.
static nrg_status check_column(table *t, uint32_t i) {
    const column *c = &t->col[i];
    nrg_reading *in = t->in;
    if (c->texts == 0 || c->texts > c->numbers) return NRG_OK;
    nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE, "%s: line %lld, column %u (%s) is %s, expected a number", in->file,
             (long long)c->odd.line, i + 1, c->name, nrg_snip(c->odd.p, c->odd.n).at);
    nrg_fact(in->ctx, "%lld cells of the column are numbers, %lld are not", (long long)c->numbers, (long long)c->texts);
    if (c->odd.p == c->first.p)
        nrg_help(in->ctx, "a header line holds no numbers; rename its columns or delete it");
    else
        nrg_help(in->ctx, "mend the cell, or leave it empty (or ?) if the value is missing");
    return NRG_E054;
}

static nrg_status not_a_number(table *t, uint32_t i) {
    const column *c = &t->col[i];
    nrg_reading *in = t->in;
    nrg_fail(in->ctx, NRG_E054, NRG_NOWHERE,
             "%s: column %u (%s) holds texts such as %s, but '%s' takes columns of numbers", in->file, i + 1, c->name,
             nrg_snip(c->odd.p, c->odd.n).at, in->name);
    nrg_help(in->ctx, "choose columns: %s=%s:0..%u", in->name, in->file, i ? i - 1 : 0);
    return NRG_E054;
}

// Where the cells of one column go: an array of its own, a column of a matrix, or both.
typedef struct {
    nrg_array *a;
    uint8_t *missing;
    nrg_labels labels;
    bool wanted, text, in_matrix;
    uint32_t at; // its column of the matrix
} sink;

typedef struct {
    nrg_array *a;
    uint8_t *missing;
    uint32_t width;
} matrix;

static void put_number(nrg_array *a, uint8_t *missing, int64_t cell, kind k, double v, int64_t whole) {
    if (a->type == NRG_CELL_I64)
        ((int64_t *)a->data)[cell] = whole;
    else
        ((double *)a->data)[cell] = k == NUMBER ? v : NAN;
    if (missing) missing[cell] = k != NUMBER;
}

// A label without doubled quotes.
static nrg_status put_label(sink *s, nrg_text *scratch, const field *f, int64_t row) {
    const char *p = f->p;
    size_t n = f->n;
    if (f->quoted && memchr(p, '"', n)) {
        scratch->n = 0;
        for (size_t i = 0; i < n; i++) {
            nrg_text_bytes(scratch, p + i, 1);
            if (p[i] == '"') i++;
        }
        if (scratch->bad) return NRG_E098;
        p = scratch->at;
        n = scratch->n;
    }
    bool blank = nrg_cell_blank(f->p, f->n);
    int64_t label = blank ? -1 : nrg_labels_put(&s->labels, p, n);
    if (!blank && label < 0) return NRG_E098;
    ((int32_t *)s->a->data)[row] = (int32_t)label;
    if (s->missing) s->missing[row] = blank;
    return NRG_OK;
}

static nrg_status put_cell(sink *s, matrix *m, nrg_text *scratch, const field *f, int64_t row) {
    if (!s->wanted && !s->in_matrix) return NRG_OK;
    if (s->text) return s->wanted ? put_label(s, scratch, f, row) : NRG_OK;
    double v = 0;
    int64_t i = 0;
    bool whole = false;
    kind k = kind_of(f, &v, &i, &whole);
    if (s->wanted) put_number(s->a, s->missing, row, k, v, i);
    if (s->in_matrix) put_number(m->a, m->missing, row * m->width + s->at, k, v, i);
    return NRG_OK;
}

static nrg_status fill(table *t, sink *sinks, matrix *m) {
    lexer x = t->start;
    field f = {0};
    nrg_text scratch = nrg_text_make(t->in->ctx);
    nrg_status s = NRG_OK;
    for (bool skip = t->header; skip && s == NRG_OK && !f.last;) s = next(t->in, &x, &f);
    for (int64_t row = 0; row < t->rows && s == NRG_OK && more(&x); row++)
        for (uint32_t i = 0; i < t->n && s == NRG_OK; i++) {
            s = next(t->in, &x, &f);
            if (s == NRG_OK) s = put_cell(&sinks[i], m, &scratch, &f, row);
        }
    nrg_text_free(&scratch);
    return s;
}

static uint8_t *mask(table *t, int64_t cells, bool needed) {
    return needed ? nrg_arena_get(nrg_table_arena(t->in->table), (size_t)cells) : NULL;
}

static nrg_status make_column(table *t, uint32_t i, const char *name, sink *s) {
    const column *c = &t->col[i];
    nrg_cell type = s->text ? NRG_CELL_I32 : c->whole == t->rows ? NRG_CELL_I64 : NRG_CELL_F64;
    TRY(nrg_table_make(t->in->table, name, type, 1, &t->rows, &s->a));
    s->missing = mask(t, t->rows, c->blanks > 0);
    if (c->blanks && !s->missing) return NRG_E098;
    s->a->missing = s->missing;
    s->a->file = t->in->file;
    s->labels = nrg_labels_make(nrg_table_arena(t->in->table));
    s->wanted = true;
    return NRG_OK;
}

static nrg_status make_matrix(table *t, const char *name, matrix *m, bool blanks) {
    int64_t dim[2] = {t->rows, m->width};
    TRY(nrg_table_make(t->in->table, name, NRG_CELL_F64, 2, dim, &m->a));
    m->missing = mask(t, t->rows * m->width, blanks);
    if (blanks && !m->missing) return NRG_E098;
    m->a->missing = m->missing;
    m->a->file = t->in->file;
    return NRG_OK;
}

// Columns of a very wide table without a header are of no use one by one.
enum { BARE_MOST = 1024 };

// A name with several columns: one matrix, in the order of choice. Without a name: an array a column, and `table`,
// all columns of numbers, when there is no header to name them.
static nrg_status make(table *t, sink *sinks, matrix *m) {
    nrg_reading *in = t->in;
    bool one = in->name && t->picks == 1, as_matrix = in->name && t->picks > 1,
         bare = !in->name && !in->part && !t->header;
    bool blanks = false;
    for (uint32_t k = 0; k < t->picks; k++) {
        uint32_t i = t->pick[k];
        TRY(check_column(t, i));
        sink *s = &sinks[i];
        s->text = t->col[i].texts > 0;
        if (as_matrix && s->text) return not_a_number(t, i);
        if (as_matrix && s->in_matrix)
            return nrg_fail(in->ctx, NRG_E090, NRG_NOWHERE, "%s: column %u is chosen twice", in->file, i + 1);
        if (as_matrix || (bare && !s->text)) {
            s->in_matrix = true;
            s->at = m->width++;
            blanks |= t->col[i].blanks > 0;
        }
        if (!as_matrix && !(bare && t->n > BARE_MOST && !s->text))
            TRY(make_column(t, i, one ? in->name : t->col[i].name, s));
    }
    if (m->width && !(bare && t->picks == 1)) return make_matrix(t, as_matrix ? in->name : "table", m, blanks);
    for (uint32_t i = 0; i < t->n; i++) sinks[i].in_matrix = false;
    return NRG_OK;
}

static nrg_status read_table(table *t) {
    TRY(scan(t));
    TRY(pick(t));
    sink *sinks = NRG_NEWS(&t->work, sink, t->n);
    matrix m = {0};
    if (!sinks) return NRG_E098;
    TRY(make(t, sinks, &m));
    TRY(fill(t, sinks, &m));
    for (uint32_t i = 0; i < t->n; i++)
        if (sinks[i].wanted && sinks[i].text) {
            sinks[i].a->labels = sinks[i].labels.words.at;
            sinks[i].a->labels_n = sinks[i].labels.words.n;
        }
    return NRG_OK;
}

bool nrg_csv_applies(const nrg_reading *in) {
    (void)in;
    return true; // what no other reader wants must be a table of text
}

nrg_status nrg_csv_read(nrg_reading *in) {
    table t = {.in = in, .work = nrg_arena_make(in->ctx)};
    nrg_status s = read_table(&t);
    nrg_arena_free(&t.work);
    return s;
}
