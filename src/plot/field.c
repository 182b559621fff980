// A landscape: F over a grid, dark where it is low, with level lines and the data drawn over it.
#include "plot/plot.h"
#include <math.h>

// Rows of "x y z"; an empty line after each row of the grid, as gnuplot's grids want it.
static void put_grid(nrg_text *data, const nrg_field *f) {
    for (int i = 0; i < f->ny; i++) {
        double y = f->ny > 1 ? f->y0 + (f->y1 - f->y0) * i / (f->ny - 1) : f->y0;
        for (int j = 0; j < f->nx; j++) {
            double x = f->nx > 1 ? f->x0 + (f->x1 - f->x0) * j / (f->nx - 1) : f->x0;
            double z = f->z[(int64_t)i * f->nx + j];
            if (isfinite(z))
                nrg_text_put(data, "%.9g %.9g %.9g\n", x, y, z);
            else
                nrg_text_put(data, "%.9g %.9g ?\n", x, y);
        }
        nrg_text_put(data, "\n");
    }
    nrg_text_put(data, "\n");
}

static void put_points(nrg_text *data, const nrg_curve *p) {
    for (int64_t i = 0; i < p->n; i++)
        if (isfinite(p->x[i]) && isfinite(p->y[i]))
            nrg_text_put(data, "%.9g %.9g\n", p->x[i], p->y[i]);
    nrg_text_put(data, "\n\n");
}

static void put_arrows(nrg_text *data, const nrg_field *f) {
    if (!f->arrows_n) return;
    for (int64_t i = 0; i < f->arrows_n; i++) {
        const double *a = f->arrows + 4 * i;
        if (isfinite(a[2]) && isfinite(a[3])) nrg_text_put(data, "%.9g %.9g %.9g %.9g\n", a[0], a[1], a[2], a[3]);
    }
    nrg_text_put(data, "\n\n");
}

static void put_script(nrg_text *script, const char *path, const nrg_field *f, bool points) {
    // Sequential and monotone in lightness: dark purple (low) over teal to pale yellow (high).
    nrg_text_put(
        script,
        "set palette defined (0 '#2a0845', 1 '#31508c', 2 '#1f8a8c', 3 '#5bc264', 4 '#fbf6c0')\n");
    nrg_text_put(script, "set datafile missing '?'\nset cblabel '%s'\n",
                 f->z_label ? f->z_label : "F (low = good)");
    bool held = f->z0 < f->z1;
    if (held) nrg_text_put(script, "set cbrange [%.9g:%.9g]\n", f->z0, f->z1);
    nrg_text_put(script, "set cntrparam levels ");
    if (held)
        nrg_text_put(script, "incremental %.9g, %.9g, %.9g\n", f->z0, (f->z1 - f->z0) / 12, f->z1);
    else
        nrg_text_put(script, "12\n");
    nrg_text_put(
        script,
        "set contour base\nset view map\nunset surface\nunset key\n"
        "set table $levels\nsplot ");
    nrg_gnuplot_data(path, script);
    nrg_text_put(script, " index 0 using 1:2:3 with lines\nunset table\n");
    nrg_text_put(script,
                 "set xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\nset tics out nomirror\nplot ",
                 f->x0, f->x1, f->y0, f->y1);
    nrg_gnuplot_data(path, script);
    nrg_text_put(script, " index 0 using 1:2:3 with image, \\\n     $levels using 1:2 with lines "
                         "lw 0.7 lc rgb '#b0ffffff'");
    if (points) {
        nrg_text_put(script, ", \\\n     ");
        nrg_gnuplot_data(path, script);
        nrg_text_put(script,
                     " index 1 using 1:2 with points pt 7 ps 0.75 lc rgb '#000000', \\\n     ");
        nrg_gnuplot_data(path, script);
        nrg_text_put(script, " index 1 using 1:2 with points pt 7 ps 0.5 lc rgb '#ff8c00'");
    }
    if (f->arrows_n) {
        nrg_text_put(script, ", \\\n     ");
        nrg_gnuplot_data(path, script);
        nrg_text_put(script, " index %d using 1:2:3:4 with vectors filled size graph 0.008,20 lw 1 lc rgb '#ffffff'", points ? 2 : 1);
    }
    nrg_text_put(script, "\n");
}

nrg_status nrg_plot_field(nrg_ctx *c, const char *path, const nrg_plot_axes *axes,
                          const nrg_field *f, const nrg_curve *points) {
    nrg_text script = nrg_text_make(c), data = nrg_text_make(c);
    nrg_status s = nrg_gnuplot_head(path, axes, 760, 600, &script);
    if (s == NRG_OK) {
        bool any = points && points->n > 0;
        put_grid(&data, f);
        if (any) put_points(&data, points);
        put_arrows(&data, f);
        put_script(&script, path, f, any);
        s = nrg_gnuplot(c, path, &script, &data);
    }
    nrg_text_free(&script);
    nrg_text_free(&data);
    return s;
}
