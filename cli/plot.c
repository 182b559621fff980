// nrg plot: one function a kind of picture.
#include "cli.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Where the picture goes: -o, else NAME.png in the run folder, else here.
static nrg_status target(cli *c, const char *model, const char *name, char *to, size_t room) {
    size_t n = strlen(model);
    if (c->out) {
        snprintf(to, room, "%s", c->out);
        return cli_may_write(c, to);
    }
    if (cli_folder(model))
        snprintf(to, room, "%s%s%s.png", model, n && model[n - 1] == '/' ? "" : "/", name);
    else
        snprintf(to, room, "%s.png", name);
    return cli_folder(model) ? NRG_OK : cli_may_write(c, to); // pictures inside a run are drawn anew
}

static nrg_status said(cli *c, nrg_status s, const char *path) {
    char line[700];
    if (s != NRG_OK) return s;
    snprintf(line, sizeof line, "%s\n", path);
    return cli_print(c, line);
}

static nrg_status plot_loss(cli *c, const cli_list *w) {
    char path[600];
    if (w->n != 1) return cli_usage(c, "nrg plot loss RUN", "which run?");
    nrg_status s = target(c, w->at[0], "loss", path, sizeof path);
    if (s == NRG_OK) s = nrg_plot_loss(c->ctx, w->at[0], c->title, path);
    return said(c, s, path);
}

static nrg_status over_two(cli *c, const cli_list *w, const char *kind, int arrows) {
    char path[600];
    nrg_ebm *m = NULL;
    nrg_table *data = NULL;
    nrg_landscape l = {.arrows = arrows};
    long long points = 0, row = 0;
    if (w->n != 3)
        return cli_usage(c, "nrg plot landscape MODEL x y --data FILE",
                         "a model and two numbers to draw over are needed");
    l.x = w->at[1];
    l.y = w->at[2];
    nrg_status s = target(c, w->at[0], kind, path, sizeof path);
    if (s == NRG_OK) s = cli_range(c, "x", c->x, &l.x0, &l.x1);
    if (s == NRG_OK) s = cli_range(c, "y", c->y, &l.y0, &l.y1);
    if (s == NRG_OK) s = cli_range(c, "range", c->range, &l.z0, &l.z1);
    l.title = c->title;
    if (s == NRG_OK) s = cli_integer(c, "points", c->points, 2, &points);
    if (s == NRG_OK && points > 2000) s = cli_usage(c, NULL, "--points takes at most 2000 each way");
    if (s == NRG_OK) s = cli_integer(c, "row", c->row, 0, &row);
    l.points = (int)points;
    l.row = row;
    if (s == NRG_OK) s = cli_model(c, w->at[0], &m);
    if (s == NRG_OK) s = cli_data(c, m, &data);
    if (s == NRG_OK) s = nrg_plot_landscape(m, data, &l, path);
    nrg_table_free(data);
    nrg_ebm_free(m);
    return said(c, s, path);
}

static nrg_status plot_landscape(cli *c, const cli_list *w) { return over_two(c, w, "landscape", 0); }

static nrg_status plot_field(cli *c, const cli_list *w) { return over_two(c, w, "field", 24); }

static nrg_status list_weights(cli *c, nrg_ebm *m) {
    nrg_weight_info w;
    for (int i = 0; i < nrg_ebm_weights(m); i++) {
        if (nrg_ebm_weight(m, i, &w) != NRG_OK) break;
        fprintf(stderr, "  %s", w.name);
        for (int k = 0; k < w.rank; k++) fprintf(stderr, "%s%lld", k ? " x " : " : ", (long long)w.dim[k]);
        fprintf(stderr, "\n");
    }
    return cli_usage(c, "nrg plot weights MODEL NAME", "which weight?");
}

static nrg_status plot_weights(cli *c, const cli_list *w) {
    char path[600], name[200] = "weights";
    nrg_ebm *m = NULL;
    int h = 0, width = 0;
    if (w->n < 1 || w->n > 2)
        return cli_usage(c, "nrg plot weights MODEL NAME", "a model and the name of a weight are needed");
    if (c->tile && (sscanf(c->tile, "%dx%d", &h, &width) != 2 || h < 1 || width < 1))
        return cli_usage(c, "--tile 28x28", "--tile takes HEIGHTxWIDTH, not '%s'", c->tile);
    if (w->n == 2) snprintf(name, sizeof name, "weights-%s", w->at[1]);
    nrg_status s = target(c, w->at[0], name, path, sizeof path);
    if (s == NRG_OK) s = cli_model(c, w->at[0], &m);
    if (s == NRG_OK) s = w->n == 2 ? nrg_plot_weights(m, w->at[1], h, width, c->grey, path) : list_weights(c, m);
    nrg_ebm_free(m);
    return said(c, s, path);
}

// --row 0,3,7
static nrg_status read_rows(cli *c, int64_t *rows, int room, int *n) {
    char *end;
    *n = 0;
    for (const char *p = c->row; p; p = *end ? end + 1 : NULL) {
        errno = 0;
        long long v = strtoll(p, &end, 10);
        if (end == p || v < 0 || errno || (*end && *end != ',') || (*end && !end[1]))
            return cli_usage(c, "--row 0,3,7", "--row takes whole numbers from 0, not '%s'", c->row);
        if (*n == room) return cli_usage(c, NULL, "--row takes at most %d rows", room);
        rows[(*n)++] = v;
    }
    return NRG_OK;
}

static nrg_status plot_slice(cli *c, const cli_list *w) {
    char path[600];
    nrg_ebm *m = NULL;
    nrg_table *data = NULL;
    nrg_profile o = {.title = c->title};
    int64_t rows[12];
    long long points = 0;
    if (w->n != 2)
        return cli_usage(c, "nrg plot slice MODEL y --data FILE --row 0",
                         "a model and one variable, or one number of it");
    o.var = w->at[1];
    o.rows = rows;
    nrg_status s = target(c, w->at[0], "slice", path, sizeof path);
    if (s == NRG_OK) s = cli_range(c, "x", c->x, &o.lo, &o.hi);
    if (s == NRG_OK) s = cli_integer(c, "points", c->points, 2, &points);
    if (s == NRG_OK) s = read_rows(c, rows, 12, &o.rows_n);
    if (s == NRG_OK && points > 100000) s = cli_usage(c, NULL, "--points takes at most 100000");
    o.points = (int)points;
    if (s == NRG_OK) s = cli_model(c, w->at[0], &m);
    if (s == NRG_OK) s = cli_data(c, m, &data);
    if (s == NRG_OK) s = nrg_plot_slice(m, data, &o, path);
    nrg_table_free(data);
    nrg_ebm_free(m);
    return said(c, s, path);
}

static nrg_status plot_confusion(cli *c, const cli_list *w) {
    char path[600];
    nrg_ebm *m = NULL;
    nrg_table *data = NULL;
    if (w->n < 1 || w->n > 2)
        return cli_usage(c, "nrg plot confusion MODEL [y] --data FILE",
                         w->n ? "one category at a time" : "which model?");
    nrg_status s = target(c, w->at[0], "confusion", path, sizeof path);
    if (s == NRG_OK) s = cli_model(c, w->at[0], &m);
    if (s == NRG_OK) s = cli_need_data(c, m, &data);
    if (s == NRG_OK) s = nrg_plot_confusion(m, data, w->n == 2 ? w->at[1] : NULL, c->title, path);
    nrg_table_free(data);
    nrg_ebm_free(m);
    return said(c, s, path);
}

// ---- draws ----

static bool is_model(const char *path) {
    static const char *const ends[] = {".nrg", ".nrgm", ".safetensors"};
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n >= strlen(ends[i]) && strcmp(path + n - strlen(ends[i]), ends[i]) == 0) return true;
    return strcmp(path, "-") == 0 || cli_folder(path);
}

typedef struct {
    nrg_table *draws, *seen; // seen: data to compare with, or NULL
    nrg_look look;
} drawn;

static nrg_status read_look(cli *c, const cli_list *w, drawn *d, int64_t *row) {
    int n;
    nrg_status s = read_rows(c, row, 1, &n);
    if (n == 0) *row = -1;
    d->look = (nrg_look){.var = w->n == 2 ? w->at[1] : NULL, .title = c->title, .row = *row < 0 ? 0 : *row};
    if (s == NRG_OK && c->tile &&
        (sscanf(c->tile, "%dx%d", &d->look.h, &d->look.w) != 2 || d->look.h < 1 || d->look.w < 1))
        s = cli_usage(c, "--tile 28x28", "--tile takes HEIGHTxWIDTH, not '%s'", c->tile);
    return s;
}

// By the model's sampler.
static nrg_status draw(cli *c, const char *path, int64_t row, drawn *d) {
    nrg_ebm *m = NULL;
    nrg_table *data = NULL;
    nrg_samples *r = NULL;
    nrg_sample_options o;
    nrg_status s = cli_sample_options(c, &o);
    o.vars = &d->look.var;
    o.vars_n = d->look.var != NULL;
    if (s == NRG_OK) s = cli_model(c, path, &m);
    if (s == NRG_OK) s = cli_data(c, m, &data);
    if (s == NRG_OK) s = nrg_ebm_sample_rows(m, data, row, &o, &r, &d->seen);
    if (s == NRG_OK) {
        cli_note(c, "%s", r->health);
        s = nrg_samples_table(r, &d->draws);
    }
    d->look.row = 0;
    nrg_samples_free(r);
    nrg_table_free(data);
    nrg_ebm_free(m);
    return s;
}

static nrg_status plot_drawn(cli *c, const cli_list *w, const char *name,
                             nrg_status (*chains)(nrg_ctx *, const nrg_table *, const nrg_look *, const char *)) {
    char path[600];
    drawn d = {0};
    int64_t row;
    if (w->n < 1 || w->n > 2)
        return cli_usage(c, "nrg plot samples MODEL [x], or a file that nrg sample wrote",
                         w->n ? "one variable at a time" : "draws of which model?");
    nrg_status s = target(c, w->at[0], name, path, sizeof path);
    if (s == NRG_OK) s = read_look(c, w, &d, &row);
    if (s == NRG_OK && is_model(w->at[0]))
        s = draw(c, w->at[0], row, &d);
    else if (s == NRG_OK) {
        s = nrg_data_load(c->ctx, w->at, 1, &d.draws);
        if (s == NRG_OK && c->data.n) s = nrg_data_load(c->ctx, c->data.at, c->data.n, &d.seen);
    }
    if (s == NRG_OK)
        s = chains ? chains(c->ctx, d.draws, &d.look, path)
                   : nrg_plot_draws(c->ctx, d.draws, d.seen, &d.look, path);
    nrg_table_free(d.draws);
    nrg_table_free(d.seen);
    return said(c, s, path);
}

static nrg_status plot_samples(cli *c, const cli_list *w) { return plot_drawn(c, w, "samples", NULL); }
static nrg_status plot_traces(cli *c, const cli_list *w) { return plot_drawn(c, w, "traces", nrg_plot_traces); }
static nrg_status plot_lags(cli *c, const cli_list *w) { return plot_drawn(c, w, "autocorrelation", nrg_plot_autocorrelation); }

static nrg_status plot_plane(cli *c, const cli_list *w) {
    char path[600];
    if (w->n != 1) return cli_usage(c, "nrg plot plane square_square -o plane.png", "which loss?");
    nrg_status s = target(c, "", "plane", path, sizeof path);
    if (s == NRG_OK) s = nrg_plot_plane(c->ctx, w->at[0], c->set.at, c->set.n, c->title, path);
    return said(c, s, path);
}

static nrg_status plot_panels(cli *c, const cli_list *w) {
    long long across = 3;
    if (w->n < 1 || !c->out)
        return cli_usage(c, "nrg plot panels a.png b.png -o page.png",
                         w->n < 1 ? "which pictures?" : "where does the page go?");
    nrg_status s = cli_integer(c, "across", c->across, 1, &across);
    if (s == NRG_OK) s = cli_may_write(c, c->out);
    if (s == NRG_OK) s = nrg_plot_panels_page(c->ctx, w->at, w->n, across < CLI_MANY ? (int)across : CLI_MANY, c->out);
    return said(c, s, c->out);
}

nrg_status cli_plot(cli *c) {
    static const struct {
        const char *name;
        nrg_status (*run)(cli *, const cli_list *);
    } kinds[] = {{"loss", plot_loss},       {"landscape", plot_landscape}, {"slice", plot_slice}, {"field", plot_field},
                 {"samples", plot_samples}, {"traces", plot_traces},       {"autocorrelation", plot_lags},
                 {"confusion", plot_confusion},
                 {"weights", plot_weights}, {"plane", plot_plane},         {"panels", plot_panels}};
    enum { KINDS = sizeof kinds / sizeof *kinds };
    const char *names[KINDS];
    cli_list rest = {0};
    char help[160] = "loss, landscape, field, slice, samples, traces, autocorrelation, confusion, weights, plane or panels";
    int kind = -1;
    for (int k = 0; k < KINDS; k++) names[k] = kinds[k].name;
    // The kind may stand before or after the model.
    for (int i = 0; i < c->words.n; i++) {
        int k = 0;
        while (k < KINDS && (kind >= 0 || i > 1 || strcmp(c->words.at[i], names[k]) != 0)) k++;
        if (k < KINDS)
            kind = k;
        else
            rest.at[rest.n++] = c->words.at[i];
    }
    if (kind >= 0) return kinds[kind].run(c, &rest);
    const char *near = c->words.n ? nrg_nearest(c->words.at[0], names, KINDS) : NULL;
    if (near) snprintf(help, sizeof help, "did you mean '%s'?", near);
    return cli_usage(c, help, c->words.n ? "unknown picture '%s'" : "which picture?", c->words.n ? c->words.at[0] : "");
}
