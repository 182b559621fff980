// Curves over one or two panels.
#include "plot/plot.h"
#include <math.h>

// Colours that stay apart for most eyes (Okabe, Ito 2008).
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#000000"};
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

static void put_name(nrg_text *script, const char *name) {
    if (!name) {
        nrg_text_put(script, " notitle");
        return;
    }
    nrg_text_put(script, " title '");
    for (; *name; name++) nrg_text_put(script, *name == '\'' ? "''" : "%c", *name);
    nrg_text_put(script, "'");
}

// The plot command of one panel; `first` is the number of its first data set.
static void put_plot(nrg_text *script, const char *path, const nrg_curve *curves, int n,
                     int first) {
    for (int i = 0; i < n; i++) {
        nrg_text_put(script, i ? ", \\\n     " : "plot ");
        nrg_gnuplot_data(path, script);
        nrg_text_put(script, " index %d using 1:2 with ", first + i);
        // A single epoch is a point: lines alone would show nothing.
        if (curves[i].points)
            nrg_text_put(script, "points pt 7 ps 0.5");
        else
            nrg_text_put(script, curves[i].n < 40 ? "linespoints lw 2 pt 7 ps 0.6" : "lines lw 2");
        nrg_text_put(script, " lc rgb '%s'", colours[(first + i) % COLOURS]);
        put_name(script, curves[i].name);
    }
    nrg_text_put(script, "\n");
}

nrg_status nrg_plot_curves(nrg_ctx *c, const char *path, const nrg_plot_axes *axes,
                           const nrg_curve *curves, int n) {
    nrg_text script = nrg_text_make(c), data = nrg_text_make(c);
    nrg_status s = nrg_gnuplot_head(path, axes, 800, 500, &script);
    if (s == NRG_OK) {
        nrg_text_put(&script, "set grid lc rgb '#e0e0e0'\nset datafile missing '?'\n");
        for (int i = 0; i < n; i++) put_curve(&data, &curves[i]);
        put_plot(&script, path, curves, n, 0);
        s = nrg_gnuplot(c, path, &script, &data);
    }
    nrg_text_free(&script);
    nrg_text_free(&data);
    return s;
}

nrg_status nrg_plot_panels(nrg_ctx *c, const char *path, const nrg_plot_axes axes[2],
                           const nrg_curve *const curves[2], const int n[2]) {
    if (n[1] == 0) return nrg_plot_curves(c, path, &axes[0], curves[0], n[0]);
    nrg_text script = nrg_text_make(c), data = nrg_text_make(c);
    nrg_status s = nrg_gnuplot_head(path, &axes[0], 800, 800, &script);
    if (s == NRG_OK) {
        nrg_text_put(
            &script,
            "set grid lc rgb '#e0e0e0'\nset datafile missing '?'\nset multiplot layout 2,1\n");
        for (int p = 0; p < 2; p++)
            for (int i = 0; i < n[p]; i++) put_curve(&data, &curves[p][i]);
        put_plot(&script, path, curves[0], n[0], 0);
        nrg_text_put(&script, "unset title\nunset logscale y\nset ylabel '%s'\n",
                     axes[1].y ? axes[1].y : "");
        put_plot(&script, path, curves[1], n[1], n[0]);
        nrg_text_put(&script, "unset multiplot\n");
        s = nrg_gnuplot(c, path, &script, &data);
    }
    nrg_text_free(&script);
    nrg_text_free(&data);
    return s;
}
