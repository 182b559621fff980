// plot: pictures. Curves and landscapes by gnuplot, whose script (.gp) and data (.dat) stay beside the picture so that
// it can be redrawn by hand (`gnuplot loss.gp` in that folder); grids of images by libpng. The format follows the
// extension: .png or .svg.
#ifndef NRG_PLOT_H
#define NRG_PLOT_H

#include "base/base.h"

typedef struct {
    const char *title, *x, *y; // labels; NULL: none
    bool log_y;
    const char *const *ticks;  // words at 0 .. ticks_n - 1 across; NULL: numbers
    int ticks_n;
    double x0, x1, y0, y1;     // ranges across and up; both zero: chosen
    bool same;                 // one unit is as long across as up
} nrg_plot_axes;

typedef enum {
    NRG_LINE,   // a dot at each point too where there are few
    NRG_POINTS,
    NRG_BARS,   // filled, `width` across, from zero up or down
    NRG_STEPS,  // outline of bars that touch
    NRG_DISC,   // marks that stand out: a filled disc, an open ring
    NRG_RING
} nrg_style;

// A curve, a cloud of points, bars. NaN leaves a gap.
typedef struct {
    const char *name; // in the key; NULL: no key entry
    const double *x, *y;
    int64_t n;
    nrg_style style;
    int colour;       // 0: by its place; else number colour - 1 of the eight colours, the last of which is grey
    double width;     // of bars
} nrg_curve;

// One of several plots on a page.
typedef struct {
    nrg_plot_axes axes;
    const nrg_curve *curves;
    int n;
} nrg_panel;

// A field over a regular grid: z[iy * nx + ix], ix across from x0 to x1, iy up from y0 to y1. Dark is low.
typedef struct {
    const double *z;
    int nx, ny;
    double x0, x1, y0, y1;
    const char *z_label;
    double z0, z1; // range of the colours; both zero: that of z
    const double *arrows; // [arrows_n, 4]: x, y and how far; NULL: none
    int64_t arrows_n;
} nrg_field;

// gnuplot.c: runs `script` (which draws into `path`) on `data`; both are kept beside the picture under its stem. E092
// when gnuplot is missing or refuses, with what it said.
nrg_status nrg_gnuplot(nrg_ctx *c, const char *path, const nrg_text *script, const nrg_text *data);
// The lines that open a picture: terminal by extension, output, fonts, axes. E090 for another extension.
nrg_status nrg_gnuplot_head(const char *path, const nrg_plot_axes *a, int width, int height, nrg_text *script);
// Name of the data file as the script must write it: a quoted string.
void nrg_gnuplot_data(const char *path, nrg_text *script);
void nrg_gnuplot_quoted(nrg_text *script, const char *s); // any text as a string; control characters become blanks
void nrg_gnuplot_ticks(nrg_text *script, const nrg_plot_axes *a); // words under the axis, where there are any, and its range
void nrg_gnuplot_tick(nrg_text *script, const char *s);   // a word under an axis, where gnuplot looks for formats; long ones are cut
int nrg_gnuplot_tick_width(const char *s);                // its letters, as they will be shown

// curves.c
nrg_status nrg_plot_curves(nrg_ctx *c, const char *path, const nrg_plot_axes *axes, const nrg_curve *curves, int n);
// Panels without curves are left out; `across` in a row.
nrg_status nrg_plot_panels(nrg_ctx *c, const char *path, const nrg_panel *panels, int n, int across);
// field.c: points (may be none) are drawn over the field.
nrg_status nrg_plot_field(nrg_ctx *c, const char *path, const nrg_plot_axes *axes, const nrg_field *f, const nrg_curve *points);

// matrix.c: how often answer j was given where i is true: count[i * n + j], with shares of each row. labels: NULL: numbers.
typedef struct {
    const int64_t *count;
    int64_t n;
    const char *const *labels;
} nrg_matrix;
nrg_status nrg_plot_matrix(nrg_ctx *c, const char *path, const nrg_plot_axes *axes, const nrg_matrix *m);

// tiles.c: n images of channels x h x w (channels 1 or 3), row-major, on a grid with a border between them, as .png.
// signed: blue below zero, white at zero, red above, on one scale for all; else grey, each tile from its least to its
// largest.
typedef struct {
    const double *a;
    int64_t n;
    int channels, h, w;
    bool diverging;
} nrg_tiles;
nrg_status nrg_plot_tiles(nrg_ctx *c, const char *path, const nrg_tiles *t);
// Tile shape for `count` numbers that are not a known image: as square as the divisors allow, h <= w; 1 x count for a
// prime.
void nrg_tile_shape(int64_t count, int *h, int *w);
// Writes rgb [height, width, 3] as .png.
nrg_status nrg_plot_png(nrg_ctx *c, const char *path, int64_t width, int64_t height, const unsigned char *rgb);

// page.c: .png pictures side by side, `across` in a row. E053 when one cannot be read.
nrg_status nrg_plot_page(nrg_ctx *c, const char *const *pictures, int n, int across, const char *path);
#endif
