// Curves, points and bars over one panel or several.
#include "plot/plot.h"
#include <math.h>

// Colours that stay apart for most eyes (Okabe, Ito 2008), and a grey for what stands behind.
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#000000", "#a8a8a8"};
enum { COLOURS = sizeof colours / sizeof *colours };

static void put_curve(nrg_text *data, const nrg_curve *v) {
    for (int64_t i = 0; i < v->n; i++) {
        if (isfinite(v->x[i]) && isfinite(v->y[i]))
            nrg_text_put(data, "%.9g %.9g\n", v->x[i], v->y[i]);
        else
            nrg_text_put(data, "? ?\n");
    }
    if (v->n == 0) nrg_text_put(data, "? ?\n");
    nrg_text_put(data, "\n\n"); // gnuplot's end of a data set
}

static void put_style(nrg_text *script, const nrg_curve *v, const char *colour) {
    switch (v->style) {
    case NRG_POINTS: nrg_text_put(script, "points pt 7 ps 0.5"); break;
    case NRG_BARS: nrg_text_put(script, "boxes fs solid 0.75 noborder"); break;
    case NRG_STEPS: nrg_text_put(script, "histeps lw 2"); break;
    case NRG_DISC: nrg_text_put(script, "points pt 7 ps 1.3"); break;
    case NRG_RING: nrg_text_put(script, "points pt 6 ps 1.9 lw 2"); break;
    case NRG_LINE: nrg_text_put(script, v->n < 40 ? "linespoints lw 2 pt 7 ps 0.6" : "lines lw 2"); break;
    }
    nrg_text_put(script, " lc rgb '%s'", colour);
}

// The plot command of one panel; `first` is the number of its first data set.
static void put_plot(nrg_text *script, const char *path, const nrg_curve *curves, int n, int first) {
    for (int i = 0; i < n; i++) {
        const nrg_curve *v = &curves[i];
        nrg_text_put(script, i ? ", \\\n     " : "plot ");
        nrg_gnuplot_data(path, script);
        nrg_text_put(script, " index %d using 1:2", first + i);
        if (v->style == NRG_BARS) nrg_text_put(script, ":(%.9g)", v->width);
        nrg_text_put(script, " with ");
        put_style(script, v, colours[(v->colour ? v->colour - 1 : first + i) % COLOURS]);
        nrg_text_put(script, v->name ? " title " : " notitle");
        if (v->name) nrg_gnuplot_quoted(script, v->name);
    }
    nrg_text_put(script, "\n");
}

static void put_label(nrg_text *script, const char *what, const char *s) {
    nrg_text_put(script, "set %s ", what);
    nrg_gnuplot_quoted(script, s ? s : "");
    nrg_text_put(script, " noenhanced\n");
}

// Of one of several panels: what the one before has set must go.
static void put_range(nrg_text *script, const char *axis, double lo, double hi) {
    if (lo < hi) nrg_text_put(script, "set %srange [%.9g:%.9g]\n", axis, lo, hi);
    else nrg_text_put(script, "set autoscale %s\n", axis);
}

nrg_status nrg_plot_curves(nrg_ctx *c, const char *path, const nrg_plot_axes *axes, const nrg_curve *curves, int n) {
    nrg_text script = nrg_text_make(c), data = nrg_text_make(c);
    nrg_status s = nrg_gnuplot_head(path, axes, axes->same ? 640 : 800, axes->same ? 640 : 500, &script);
    if (s == NRG_OK) {
        if (axes->same) nrg_text_put(&script, "set size ratio -1\n");
        nrg_text_put(&script, "set grid lt 1 lw 0.6 lc rgb '#dddddd'\nset datafile missing '?'\n");
        for (int i = 0; i < n; i++) put_curve(&data, &curves[i]);
        put_plot(&script, path, curves, n, 0);
        s = nrg_gnuplot(c, path, &script, &data);
    }
    nrg_text_free(&script);
    nrg_text_free(&data);
    return s;
}

nrg_status nrg_plot_panels(nrg_ctx *c, const char *path, const nrg_panel *panels, int n, int across) {
    int full = 0, first = 0;
    nrg_text script = nrg_text_make(c), data = nrg_text_make(c);
    for (int i = 0; i < n; i++) full += panels[i].n > 0;
    if (across > full) across = full;
    if (across < 1) across = 1;
    int down = (full + across - 1) / across, high = full > 1 ? down > 2 ? 270 : 400 : 500;
    nrg_plot_axes none = {0};
    nrg_status s = nrg_gnuplot_head(path, &none, across > 1 ? 440 * across : 800, high * (down ? down : 1), &script);
    if (s == NRG_OK)
        nrg_text_put(&script,
                     "set grid lt 1 lw 0.6 lc rgb '#dddddd'\nset datafile missing '?'\nset multiplot layout %d,%d\n",
                     down ? down : 1, across);
    for (int i = 0; i < n && s == NRG_OK; i++) {
        const nrg_panel *p = &panels[i];
        if (p->n == 0) continue;
        for (int k = 0; k < p->n; k++) put_curve(&data, &p->curves[k]);
        put_label(&script, "title", p->axes.title);
        put_label(&script, "xlabel", p->axes.x);
        put_label(&script, "ylabel", p->axes.y);
        nrg_text_put(&script, "set xtics autofreq norotate\n");
        put_range(&script, "x", p->axes.x0, p->axes.x1);
        put_range(&script, "y", p->axes.y0, p->axes.y1);
        nrg_gnuplot_ticks(&script, &p->axes);
        put_plot(&script, path, p->curves, p->n, first);
        first += p->n;
    }
    if (s == NRG_OK) {
        nrg_text_put(&script, "unset multiplot\n");
        s = nrg_gnuplot(c, path, &script, &data);
    }
    nrg_text_free(&script);
    nrg_text_free(&data);
    return s;
}
