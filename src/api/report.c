// nrg report: what a run folder tells, on one page.
#include "api/page.h"
#include "api/picture.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LAST_LOSSES = 5, WEIGHTS = 4 };

typedef struct {
    nrg_page page;
    nrg_ctx *ctx;
    const char *run;
    const nrg_table *data; // or NULL
    nrg_ebm *m;
    json_t *about; // run.json
    bool weights;  // the run has some
    int warned;    // messages that loading the model left
} report;

static nrg_text *html(report *r) { return &r->page.html; }

static void heading(report *r, const char *text) { nrg_text_put(html(r), "<h2>%s</h2>\n", text); }

// ---- what lies in the folder

static const char *path_in(report *r, const char *name) {
    return nrg_arena_print(&r->page.arena, "%s/%s", r->run, name);
}

static nrg_status no_run(report *r, const char *what) {
    nrg_fail(r->ctx, NRG_E053, NRG_NOWHERE, "%s is not a run folder: %s", r->run, what);
    nrg_help(r->ctx, "nrg train MODEL --data FILE -o %s makes one", r->run);
    return NRG_E053;
}

static nrg_status read_about(report *r) {
    nrg_text t = nrg_text_make(r->ctx);
    const char *path = path_in(r, "run.json");
    if (!path) return NRG_E098;
    if (!nrg_file_exists(r->run)) return no_run(r, "there is nothing of that name");
    if (!nrg_file_exists(path)) return no_run(r, "it has no run.json");
    nrg_status s = nrg_file_read(r->ctx, path, &t);
    if (s == NRG_OK) {
        json_error_t e;
        r->about = json_loadb(t.at, t.n, JSON_REJECT_DUPLICATES, &e);
        if (!r->about || !json_is_object(r->about))
            s = nrg_fail(r->ctx, NRG_E054, NRG_NOWHERE, "%s is malformed: %s", path,
                         r->about ? "not an object" : e.text);
    }
    nrg_text_free(&t);
    return s;
}

// The weights of the run; without any, the model alone.
static nrg_status load(report *r, const nrg_options *o) {
    const char *best = path_in(r, "best.safetensors"), *last = path_in(r, "weights.safetensors"),
               *text = path_in(r, "model.nrg");
    if (!best || !last || !text) return NRG_E098;
    r->weights = nrg_file_exists(best) || nrg_file_exists(last);
    if (!r->weights && !nrg_file_exists(text)) return no_run(r, "it has neither weights nor a model.nrg");
    TRY(nrg_ebm_load(r->ctx, r->weights ? r->run : text, o, &r->m));
    r->warned = nrg_diag_count(r->ctx);
    return NRG_OK;
}

// ---- the run

static const char *word(const report *r, const char *key) {
    const char *s = json_string_value(json_object_get(r->about, key));
    return s ? s : "";
}

static void put_number(report *r, const char *name, const char *key, const char *unit) {
    const json_t *v = json_object_get(r->about, key);
    char text[64];
    if (!json_is_number(v)) return;
    nrg_print(text, sizeof text, "%.10g%s", json_number_value(v), unit);
    nrg_page_row(&r->page, name, text);
}

static void put_state(report *r) {
    const char *status = word(r, "status");
    bool done = !strcmp(status, "done");
    if (done)
        nrg_text_put(html(r), "<p class=\"good\">Training is done.</p>\n");
    else if (!strcmp(status, "interrupted"))
        nrg_text_put(html(r),
                     "<p class=\"box\">Training was interrupted; what follows is about its last checkpoint.</p>\n");
    else if (!strcmp(status, "running"))
        nrg_text_put(html(r),
                     "<p class=\"box\">Training never came to its end: it was killed, or it is still going on.</p>\n");
    else {
        nrg_text_put(html(r), "<p class=\"box stop\">Training failed: ");
        nrg_page_text(&r->page, *status ? status : "run.json has no status");
        for (int i = 0; nrg_status_at(i) != NRG_OK; i++)
            if (!strcmp(nrg_status_name(nrg_status_at(i)), status)) {
                nrg_text_put(html(r), ", ");
                nrg_page_text(&r->page, nrg_status_meaning(nrg_status_at(i)));
            }
        nrg_text_put(html(r), ".</p>\n");
    }
    if (!r->weights)
        nrg_text_put(
            html(r),
            "<p class=\"box stop\"><b>This run has no weights</b>: it stopped before its first checkpoint. "
            "There is nothing to measure and nothing to ask; what follows is the model as it was written.</p>\n");
}

static void put_run(report *r) {
    put_state(r);
    nrg_text_put(html(r), "<div class=\"scroll\"><table>\n");
    nrg_page_row(&r->page, "command", word(r, "argv"));
    put_number(r, "seed", "seed", "");
    put_number(r, "samples", "samples", "");
    put_number(r, "held out", "held_out", "");
    put_number(r, "batch", "batch", "");
    put_number(r, "epochs wanted", "epochs", "");
    if (strcmp(word(r, "status"), "running")) { // written at the end: the losses tell how far a killed run came
        put_number(r, "epochs made", "epoch", "");
        put_number(r, "steps", "steps", "");
        put_number(r, "time", "seconds", " s");
    }
    put_number(r, "best loss", "best_loss", "");
    nrg_page_row(&r->page, "version", word(r, "version"));
    nrg_page_row(&r->page, "machine", word(r, "machine"));
    nrg_text_put(html(r), "</table></div>\n");
}

// ---- choices: the summary, its lines sorted by what they are about

typedef struct {
    const char *name, *starts; // first words of its lines
} choice;
static const choice choices[] = {{"Sizes and variables", " dims hypers use given predict latent weight "},
                                 {"Architecture", " module weights energy term "},
                                 {"Inference", " minimize marginalize sample "},
                                 {"Loss", " learn "},
                                 {"Optimiser", " optimize "}};
enum { CHOICES = sizeof choices / sizeof *choices };

// Number of the choice that a line starts, or -1: it goes on with the one before.
static int starts(const char *line, size_t n) {
    char first[40];
    size_t gap = 0;
    while (gap < n && line[gap] == ' ') gap++;
    size_t length = gap;
    while (length < n && line[length] != ' ') length++;
    snprintf(first, sizeof first, " %.*s ", (int)(length - gap < 30 ? length - gap : 30), line + gap);
    for (int i = 0; i < CHOICES; i++)
        if (length > gap && gap < 9 && strstr(choices[i].starts, first)) return i;
    return -1;
}

// One line; its reason, "(chosen: ...)", stands out.
static void put_line(report *r, const char *line, size_t n) {
    const char *reason = NULL;
    for (size_t i = 0; i + 8 < n && !reason; i++)
        if (!strncmp(line + i, "(chosen:", 8)) reason = line + i;
    size_t plain = reason ? (size_t)(reason - line) : n;
    nrg_page_bytes(&r->page, line, plain);
    if (reason) {
        nrg_text_put(html(r), "<span class=\"soft\">");
        nrg_page_bytes(&r->page, reason, n - plain);
        nrg_text_put(html(r), "</span>");
    }
    nrg_text_put(html(r), "\n");
}

static nrg_status put_choices(report *r) {
    const char *text;
    heading(r, "Choices");
    TRY(nrg_ebm_text(r->m, NRG_SHOW_SUMMARY, &text));
    nrg_text_put(html(r), "<div class=\"scroll\"><table>\n");
    for (int i = 0; i < CHOICES; i++) {
        int now = -1;
        bool any = false;
        for (const char *line = text; *line;) {
            size_t n = strcspn(line, "\n");
            int k = starts(line, n);
            if (k >= 0) now = k;
            if (now == i) {
                nrg_text_put(html(r), any ? "" : "<tr><th>%s</th><td><code>", choices[i].name);
                any = true;
                put_line(r, line, n);
            }
            line += n + (line[n] == '\n');
        }
        if (any) nrg_text_put(html(r), "</code></td></tr>\n");
    }
    nrg_text_put(html(r), "</table></div>\n");
    if (!*word(r, "plan")) return NRG_OK;
    nrg_text_put(html(r), "<p>The plan, as training printed it:</p>\n<pre>");
    nrg_page_text(&r->page, word(r, "plan"));
    nrg_text_put(html(r), "</pre>\n");
    return NRG_OK;
}

// ---- warnings and verdicts

static void put_warnings(report *r) {
    bool any = false;
    heading(r, "Warnings");
    for (int i = 0; i < r->warned; i++) {
        const nrg_diag *d = nrg_diag_get(r->ctx, i);
        if (!d || d->severity != NRG_WARNING) continue;
        any = true;
        nrg_text_put(html(r), "<p class=\"box\"><b>%s</b> ", nrg_status_name(d->status));
        if (d->line) nrg_text_put(html(r), "line %d: ", d->line);
        nrg_page_text(&r->page, d->message);
        if (*d->help) {
            nrg_text_put(html(r), " &ndash; ");
            nrg_page_text(&r->page, d->help);
        }
        nrg_text_put(html(r), "</p>\n");
    }
    if (!any) nrg_text_put(html(r), "<p class=\"soft\">The model gives none.</p>\n");
}

static void put_condition(report *r, bool good, const char *text) {
    nrg_text_put(html(r), "<tr><td class=\"%s\">%s</td><td>%s</td></tr>\n", good ? "good" : "bad", good ? "yes" : "no",
                 text);
}

static void put_margin(report *r, const nrg_verdict *v) {
    char text[160];
    if (v->kind == NRG_MARGIN_FINITE)
        nrg_print(text, sizeof text, "there is a margin: wrong answers are raised to %.3g above right ones", v->margin);
    else
        snprintf(text, sizeof text, "there is a margin%s",
                 v->kind == NRG_MARGIN_SOME   ? ": wrong answers are raised ever further, more and more weakly"
                 : v->kind == NRG_MARGIN_ZERO ? ": wrong answers are raised to right ones and no further"
                                              : "");
    put_condition(r, v->kind == NRG_MARGIN_FINITE || v->kind == NRG_MARGIN_SOME, text);
}

static void put_verdicts(report *r) {
    nrg_verdict v;
    int before = nrg_diag_count(r->ctx), i = 0;
    heading(r, "Verdict on the loss");
    for (; nrg_ebm_verdict(r->m, i, &v); i++) {
        char slope[160];
        nrg_text_put(html(r), "<p>Learn statement %d: <b class=\"%s\">", i + 1, v.sound ? "good" : "warn");
        nrg_page_text(&r->page, v.words);
        nrg_text_put(html(r), "</b></p>\n<table>\n");
        put_condition(r, v.contrastive, "something raises the energies of wrong answers");
        put_margin(r, &v);
        snprintf(slope, sizeof slope, "wrong answers are never pulled down%s", v.pulls_wrong ? "; here they are" : "");
        if (v.pulls_wrong)
            snprintf(slope, sizeof slope,
                     "wrong answers are never pulled down; here they are, most at pos %.3g, neg %.3g", v.pos, v.neg);
        put_condition(r, !v.pulls_wrong, slope);
        put_condition(r, !v.lifts_right, "right answers are never pushed up");
        put_condition(r, !v.dead, "there is a slope wherever the wrong answer is lower than the right one");
        nrg_text_put(html(r), "</table>\n");
    }
    nrg_diag_cut(r->ctx, before);
    if (i == 0)
        nrg_text_put(html(r),
                     "<p class=\"soft\">The loss reads more than the energies of right and wrong answers (or there is "
                     "none): the conditions of the lectures do not apply.</p>\n");
}

// ---- losses and figures

static nrg_status draw_loss(void *ud, const char *path) {
    report *r = ud;
    return nrg_plot_loss(r->ctx, r->run, NULL, path);
}

// Numbers to six digits: more would not be read.
static void put_cell(report *r, const char *tag, const char *text, size_t n) {
    char copy[48], *end;
    snprintf(copy, sizeof copy, "%.*s", (int)(n < 40 ? n : 40), text);
    double v = nrg_strtod(copy, &end);
    nrg_text_put(html(r), "<%s class=\"n\">", tag);
    if (n > 0 && n < 40 && !*end)
        nrg_text_put(html(r), n > 8 ? "%.6g" : "%.8g", v);
    else
        nrg_page_bytes(&r->page, text, n);
    nrg_text_put(html(r), "</%s>", tag);
}

// A line of a comma-separated table without quotes.
static void put_csv(report *r, const char *tag, const char *line) {
    nrg_text_put(html(r), "<tr>");
    for (const char *end = line + strcspn(line, "\r\n"); line <= end;) {
        size_t n = strcspn(line, ",\r\n");
        put_cell(r, tag, line, n);
        line += n + 1;
    }
    nrg_text_put(html(r), "</tr>\n");
}

static nrg_status put_log(report *r) {
    nrg_text t = nrg_text_make(r->ctx);
    const char *path = path_in(r, "log.csv");
    int before = nrg_diag_count(r->ctx), lines = 0;
    if (!path) return NRG_E098;
    nrg_status s = nrg_file_read(r->ctx, path, &t);
    const char *last = s == NRG_OK ? t.at + t.n : NULL;
    while (last && last > t.at && lines < LAST_LOSSES) { // back over the last whole lines
        const char *end = last - 1;
        while (end > t.at && end[-1] != '\n') end--;
        if (end == t.at) break; // the header
        last = end;
        lines++;
    }
    if (s == NRG_OK && lines == 0)
        nrg_text_put(html(r), "<p class=\"box\">No epoch came to its end: there are no losses.</p>\n");
    if (lines > 0) {
        nrg_text_put(html(r), "<div class=\"scroll\"><table>\n");
        put_csv(r, "th", t.at);
        for (const char *line = last; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n'))
            put_csv(r, "td", line);
        nrg_text_put(html(r), "</table></div>\n");
    }
    nrg_text_free(&t);
    s = nrg_page_remark(&r->page, "No losses", before, s);
    if (s == NRG_OK && lines > 0)
        s = nrg_page_picture(&r->page, "loss.svg", "Losses and energies over epochs", draw_loss, r);
    return s;
}

// Data that do not fit fail the report: they were given for it.
static nrg_status put_figures(report *r) {
    const char *names, *values;
    heading(r, "Figures");
    if (!r->weights)
        nrg_text_put(html(r), "<p>Not trained: no metrics.</p>\n");
    else if (!r->data)
        nrg_text_put(html(r), "<p class=\"soft\">Without data there are no metrics: nrg report RUN --data FILE.</p>\n");
    else {
        int before = nrg_diag_count(r->ctx);
        nrg_status s = nrg_ebm_report(r->m, r->data, &names, &values);
        if (s != NRG_OK && nrg_status_exit(s) == 4) return s;
        if (s == NRG_OK && *names) {
            nrg_text_put(html(r), "<p>On %lld samples:</p>\n<div class=\"scroll\"><table>\n",
                         (long long)nrg_table_rows(r->data));
            put_csv(r, "th", names);
            put_csv(r, "td", values);
            nrg_text_put(html(r), "</table></div>\n");
        }
        if (s == NRG_OK && !*names) nrg_text_put(html(r), "<p class=\"soft\">The model has no report statement.</p>\n");
        TRY(nrg_page_remark(&r->page, "No metrics", before, s));
    }
    return put_log(r);
}

// ---- pictures

typedef struct {
    report *r;
    const char *weight;
    nrg_landscape over;
} drawing;

static nrg_status draw_landscape(void *ud, const char *path) {
    drawing *d = ud;
    return nrg_plot_landscape(d->r->m, d->r->data, &d->over, path);
}

static nrg_status draw_weights(void *ud, const char *path) {
    drawing *d = ud;
    return nrg_plot_weights(d->r->m, d->weight, 0, 0, false, path);
}

static nrg_status draw_confusion(void *ud, const char *path) {
    report *r = ud;
    return nrg_plot_confusion(r->m, r->data, NULL, NULL, path);
}

// The names of the model's real numbers, when there are two.
static bool two_numbers(report *r, char *x, char *y, size_t room) {
    char *to[2] = {x, y};
    int64_t n = 0;
    for (int32_t i = 0; i < (int32_t)r->m->model->vars.n; i++) {
        nrg_shape s;
        const nrg_var *v = &r->m->model->vars.at[i];
        if (!(nrg_api_visible(r->m) >> i & 1) || v->elem != NRG_REAL) continue;
        if (nrg_var_shape(r->m->model, i, &s) != NRG_OK) return false;
        int64_t count = nrg_shape_count(&s);
        if (s.rank > 1 || n + count > 2) return false;
        for (int64_t k = 0; k < count; k++) snprintf(to[n++], room, s.rank ? "%s[%lld]" : "%s", v->name, (long long)k);
    }
    return n == 2;
}

static nrg_status put_landscape(report *r) {
    char x[160], y[160];
    if (!two_numbers(r, x, y, sizeof x)) return NRG_OK;
    drawing d = {.r = r, .over = {.x = x, .y = y}};
    heading(r, "Landscape");
    return nrg_page_picture(&r->page, "landscape.png",
                            "F over the two real numbers of the model: dark = low; data in orange", draw_landscape, &d);
}

// Filters, and matrices one side of which is an image or a vector of the model of square length.
static bool image_like(report *r, const nrg_param *p) {
    int h, w, channels;
    const nrg_shape *s = &p->shape;
    if (s->rank == 4) return s->dim[2] > 2 && s->dim[3] > 2;
    if (s->rank != 2) return false;
    for (int side = 0; side < 2; side++) {
        if (nrg_picture_image(r->m, s->dim[side], &h, &w, &channels)) return true;
        int64_t root = (int64_t)lround(sqrt((double)s->dim[side]));
        if (root < 8 || root * root != s->dim[side]) continue;
        for (int32_t i = 0; i < (int32_t)r->m->model->vars.n; i++) {
            nrg_shape v;
            if ((nrg_api_visible(r->m) >> i & 1) && nrg_var_shape(r->m->model, i, &v) == NRG_OK && v.rank == 1 &&
                v.dim[0] == s->dim[side])
                return true;
        }
    }
    return false;
}

static nrg_status put_weights(report *r) {
    int shown = 0;
    for (uint32_t i = 0; i < r->m->model->params.n && shown < WEIGHTS; i++) {
        const nrg_param *p = &r->m->model->params.at[i];
        if (!image_like(r, p)) continue;
        if (shown++ == 0) heading(r, "Weights");
        const char *caption = nrg_arena_print(&r->page.arena, "%s: blue below zero, red above", p->name);
        drawing d = {.r = r, .weight = p->name};
        if (!caption) return NRG_E098;
        TRY(nrg_page_picture(&r->page, "weights.png", caption, draw_weights, &d));
    }
    return NRG_OK;
}

static nrg_status put_confusion(report *r) {
    nrg_vars asked = nrg_api_visible(r->m) & nrg_model_role(r->m->model, NRG_PREDICT);
    for (int32_t i = 0; r->data && i < (int32_t)r->m->model->vars.n; i++) {
        if (!(asked >> i & 1) || r->m->model->vars.at[i].elem != NRG_CATEGORY) continue;
        if (!nrg_api_found(r->m, r->data, (nrg_vars)1 << i)) continue;
        heading(r, "Confusion");
        return nrg_page_picture(&r->page, "confusion.svg",
                                "What was answered for each true label, and the share of its row", draw_confusion, r);
    }
    return NRG_OK;
}

// ---- questions

static void put_question(report *r, const char *verb, nrg_question q, const char *var) {
    int before = nrg_diag_count(r->ctx);
    nrg_status s = nrg_ebm_answers(r->m, q, var);
    const nrg_diag *d = nrg_diag_get(r->ctx, before);
    nrg_text_put(html(r), "<tr><td class=\"q\"><code>%s ", verb);
    nrg_page_text(&r->page, var);
    nrg_text_put(html(r), "</code></td><td class=\"%s\">%s</td><td>", s == NRG_OK ? "good" : "bad",
                 s == NRG_OK ? "yes" : "no");
    if (s != NRG_OK) {
        nrg_page_text(&r->page, d ? d->message : nrg_status_meaning(s));
        if (d && *d->facts) {
            nrg_text_put(html(r), "<br><span class=\"soft facts\">");
            nrg_page_text(&r->page, d->facts);
            nrg_text_put(html(r), "</span>");
        }
        if (d && *d->help) {
            nrg_text_put(html(r), "<br><span class=\"soft facts\">");
            nrg_page_text(&r->page, d->help);
            nrg_text_put(html(r), "</span>");
        }
    }
    nrg_text_put(html(r), "</td></tr>\n");
    nrg_diag_cut(r->ctx, before);
}

static void put_questions(report *r) {
    static const char *const verbs[] = {"best", "rank", "dist"};
    static const nrg_question kinds[] = {NRG_BEST, NRG_RANK, NRG_DIST};
    heading(r, "Questions");
    nrg_text_put(html(r),
                 "<p>One variable is asked, all others are given (<code>nrg ask</code>).%s</p>\n"
                 "<div class=\"scroll\"><table>\n",
                 r->weights ? "" : " This is what it could answer once it is trained.");
    for (int32_t i = 0; i < (int32_t)r->m->model->vars.n; i++)
        for (int q = 0; q < 3 && (nrg_api_visible(r->m) >> i & 1); q++)
            put_question(r, verbs[q], kinds[q], r->m->model->vars.at[i].name);
    nrg_text_put(html(r), "</table></div>\n");
}

static nrg_status put_model(report *r) {
    const char *text;
    heading(r, "Model");
    TRY(nrg_ebm_text(r->m, NRG_SHOW_TEXT, &text));
    nrg_text_put(html(r), "<pre>");
    nrg_page_text(&r->page, text);
    nrg_text_put(html(r), "</pre>\n");
    return NRG_OK;
}

static nrg_status compose(report *r) {
    put_run(r);
    TRY(put_choices(r));
    put_warnings(r);
    put_verdicts(r);
    TRY(put_figures(r));
    if (r->weights) {
        TRY(put_landscape(r));
        TRY(put_confusion(r));
        TRY(put_weights(r));
    }
    put_questions(r);
    return put_model(r);
}

nrg_status nrg_report_page(nrg_ctx *c, const char *run, const nrg_options *o, const nrg_table *data, const char *path) {
    report r = {.ctx = c, .run = run, .data = data};
    nrg_status s = nrg_page_open(c, run, &r.page);
    if (s == NRG_OK) s = read_about(&r);
    if (s == NRG_OK) s = load(&r, o);
    if (s == NRG_OK) s = compose(&r);
    if (s == NRG_OK) s = nrg_page_write(&r.page, path);
    nrg_ebm_free(r.m);
    json_decref(r.about);
    nrg_page_free(&r.page);
    return s;
}
