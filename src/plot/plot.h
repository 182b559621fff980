// plot: pictures. Curves and landscapes by gnuplot, whose script (.gp) and data (.dat) stay beside the picture so that it can be
// redrawn by hand (`gnuplot loss.gp` in that folder); grids of images by libpng. The format follows the extension: .png or .svg.
#ifndef NRG_PLOT_H
#define NRG_PLOT_H

#include "base/base.h"

typedef struct {
    const char *title, *x, *y; // labels; NULL: none
    bool log_y;
} nrg_plot_axes;

// A curve or a cloud of points. NaN leaves a gap.
typedef struct {
    const char *name; // in the key; NULL: no key entry
    const double *x, *y;
    int64_t n;
    bool points;
} nrg_curve;

// A field over a regular grid: z[iy * nx + ix], ix across from x0 to x1, iy up from y0 to y1. Dark is low.
typedef struct {
    const double *z;
    int nx, ny;
    double x0, x1, y0, y1;
    const char *z_label;
    double z0, z1; // range of the colours; both zero: that of z
} nrg_field;

// gnuplot.c: runs `script` (which draws into `path`) on `data`; both are kept beside the picture under its stem. E092 when gnuplot
// is missing or refuses, with what it said.
nrg_status nrg_gnuplot(nrg_ctx *c, const char *path, const nrg_text *script, const nrg_text *data);
// The lines that open a picture: terminal by extension, output, fonts, axes. E090 for another extension.
nrg_status nrg_gnuplot_head(const char *path, const nrg_plot_axes *a, int width, int height, nrg_text *script);
// Name of the data file as the script must write it: a quoted string.
void nrg_gnuplot_data(const char *path, nrg_text *script);

// curves.c
nrg_status nrg_plot_curves(nrg_ctx *c, const char *path, const nrg_plot_axes *axes, const nrg_curve *curves, int n);
// Two panels, one over the other, with the same x: losses above, energies below.
nrg_status nrg_plot_panels(nrg_ctx *c, const char *path, const nrg_plot_axes axes[2], const nrg_curve *const curves[2], const int n[2]);
// field.c: points (may be none) are drawn over the field.
nrg_status nrg_plot_field(nrg_ctx *c, const char *path, const nrg_plot_axes *axes, const nrg_field *f, const nrg_curve *points);

// tiles.c: n images of channels x h x w (channels 1 or 3), row-major, on a grid with a border between them, as .png.
// signed: blue below zero, white at zero, red above, on one scale for all; else grey, each tile from its least to its largest.
typedef struct {
    const double *a;
    int64_t n;
    int channels, h, w;
    bool diverging;
} nrg_tiles;
nrg_status nrg_plot_tiles(nrg_ctx *c, const char *path, const nrg_tiles *t);
// Tile shape for `count` numbers that are not a known image: as square as the divisors allow, h <= w; 1 x count for a prime.
void nrg_tile_shape(int64_t count, int *h, int *w);
// Writes rgb [height, width, 3] as .png.
nrg_status nrg_plot_png(nrg_ctx *c, const char *path, int64_t width, int64_t height, const unsigned char *rgb);

// page.c: .png pictures side by side, `across` in a row. E053 when one cannot be read.
nrg_status nrg_plot_page(nrg_ctx *c, const char *const *pictures, int n, int across, const char *path);
#endif
