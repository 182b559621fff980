// Many small images on one page, by libpng.
#include "plot/plot.h"
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int across, down, zoom, border, width, height; // width and height in pixels
} layout;

void nrg_tile_shape(int64_t count, int *h, int *w) {
    int64_t best = 1;
    for (int64_t i = 1; i * i <= count && i < 32768; i++)
        if (count % i == 0) best = i;
    *h = (int)best;
    *w = (int)(count / best);
}

// A page about as wide as it is high, magnified until it is at least 600 pixels wide.
static layout lay(const nrg_tiles *t) {
    layout l = {1, 1, 1, 1, 0, 0};
    int64_t n = t->n < 4096 ? t->n : 4096; // more tiles than that nobody can see
    l.across = (int)ceil(sqrt((double)n * (t->h + 1) / (t->w + 1)));
    if (l.across > n) l.across = (int)n;
    if (l.across < 1) l.across = 1;
    l.down = (int)((n + l.across - 1) / l.across);
    while ((l.across * (t->w + 1) + 1) * l.zoom < 600 && l.zoom < 16) l.zoom++;
    l.border = l.zoom > 2 ? 2 : 1;
    l.width = l.across * (t->w * l.zoom + l.border) + l.border;
    l.height = l.down * (t->h * l.zoom + l.border) + l.border;
    return l;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The size below which 99.5 % of the numbers lie: one stray weight must not bleach the picture. 0 when all are zero.
static nrg_status common_scale(nrg_ctx *c, const nrg_tiles *t, double *scale) {
    int64_t n = t->n * t->channels * t->h * t->w, used = 0;
    int64_t stride = n > 1000000 ? n / 1000000 : 1, room = n / stride + 1;
    double *size = nrg_mem(c, NULL, 0, (size_t)room * sizeof *size);
    if (!size) return NRG_E098;
    for (int64_t i = 0; i < n && used < room; i += stride)
        if (isfinite(t->a[i])) size[used++] = fabs(t->a[i]);
    qsort(size, (size_t)used, sizeof *size, by_size);
    *scale = used ? size[(int64_t)(0.995 * (double)(used - 1))] : 0;
    if (used && *scale == 0) *scale = size[used - 1];
    nrg_mem(c, size, (size_t)room * sizeof *size, 0);
    return NRG_OK;
}

static unsigned char byte_of(double v) {
    return (unsigned char)(v <= 0 ? 0 : v >= 1 ? 255 : lrint(v * 255));
}

// Blue, white, red: v in -1..1.
static void diverging(double v, unsigned char *rgb) {
    static const double blue[3] = {0.02, 0.19, 0.56}, red[3] = {0.62, 0.04, 0.10};
    const double *end = v < 0 ? blue : red;
    double s = fmin(fabs(v), 1),
           curve = s * (2 - s) * 0.5 + s * 0.5; // steeper near zero, where most weights are
    for (int i = 0; i < 3; i++) rgb[i] = byte_of(1 + (end[i] - 1) * curve);
}

static void range_of(const double *a, int64_t n, double *lo, double *hi) {
    *lo = INFINITY, *hi = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(a[i])) continue;
        *lo = fmin(*lo, a[i]);
        *hi = fmax(*hi, a[i]);
    }
    if (!(*hi > *lo)) *lo -= 0.5, *hi = *lo + 1;
}

// Colours of one tile into small [h * w * 3].
static void colour(const nrg_tiles *t, int64_t tile, double scale, unsigned char *small) {
    int64_t pixels = (int64_t)t->h * t->w;
    const double *a = t->a + tile * pixels * t->channels;
    double lo, hi;
    range_of(a, pixels * t->channels, &lo, &hi);
    for (int64_t p = 0; p < pixels; p++) {
        unsigned char *rgb = small + 3 * p;
        double v = a[p];
        if (!isfinite(v))
            rgb[0] = 255, rgb[1] = 0, rgb[2] = 255; // magenta: not a number
        else if (t->diverging && t->channels == 1)
            diverging(scale > 0 ? v / scale : 0, rgb);
        else
            for (int k = 0; k < 3; k++)
                rgb[k] = byte_of((a[(t->channels == 3 ? k * pixels : 0) + p] - lo) / (hi - lo));
    }
}

static void paste(const layout *l, const nrg_tiles *t, int64_t tile, const unsigned char *small,
                  unsigned char *page) {
    int64_t x0 = l->border + (tile % l->across) * (t->w * l->zoom + l->border);
    int64_t y0 = l->border + (tile / l->across) * (t->h * l->zoom + l->border);
    for (int64_t y = 0; y < t->h * l->zoom; y++) {
        unsigned char *to = page + ((y0 + y) * l->width + x0) * 3;
        const unsigned char *from = small + y / l->zoom * t->w * 3;
        for (int64_t x = 0; x < t->w * l->zoom; x++) memcpy(to + 3 * x, from + x / l->zoom * 3, 3);
    }
}

// Between the tiles: a colour that none of them has.
static void ground(unsigned char *page, size_t pixels, const nrg_tiles *t) {
    static const unsigned char grey[3] = {0x90, 0x90, 0x90}, blue[3] = {0x2f, 0x56, 0x96};
    for (size_t i = 0; i < pixels; i++) memcpy(page + 3 * i, t->diverging ? grey : blue, 3);
}

nrg_status nrg_plot_png(nrg_ctx *c, const char *path, int64_t width, int64_t height,
                        const unsigned char *page) {
    png_image im = {.version = PNG_IMAGE_VERSION,
                    .width = (png_uint_32)width,
                    .height = (png_uint_32)height,
                    .format = PNG_FORMAT_RGB};
    png_alloc_size_t n = 0;
    if (!png_image_write_get_memory_size(im, n, 0, page, 0, NULL))
        return nrg_fail(c, NRG_E092, NRG_NOWHERE, "cannot make %s: %s", path, im.message);
    size_t room = n;
    void *bytes = nrg_mem(c, NULL, 0, room);
    if (!bytes) return NRG_E098;
    nrg_status s = png_image_write_to_memory(&im, bytes, &n, 0, page, 0, NULL)
                       ? nrg_file_write(c, path, bytes, n)
                       : nrg_fail(c, NRG_E092, NRG_NOWHERE, "cannot make %s: %s", path, im.message);
    nrg_mem(c, bytes, room, 0);
    return s;
}

nrg_status nrg_plot_tiles(nrg_ctx *c, const char *path, const nrg_tiles *t) {
    size_t length = strlen(path);
    if (length < 4 || strcmp(path + length - 4, ".png") != 0) {
        nrg_fail(c, NRG_E090, NRG_NOWHERE, "a grid of images is a .png file, not %s", path);
        nrg_help(c, "-o picture.png");
        return NRG_E090;
    }
    double scale = 0;
    layout l = lay(t);
    if (t->n < 1 || t->h < 1 || t->w < 1 || l.width > 30000 || l.height > 30000)
        return nrg_fail(c, NRG_E090, NRG_NOWHERE, "%lld images of %d x %d do not fit on a page",
                        (long long)t->n, t->h, t->w);
    TRY(common_scale(c, t, &scale));
    size_t small_n = (size_t)t->h * (size_t)t->w * 3,
           page_n = (size_t)l.width * (size_t)l.height * 3;
    unsigned char *small = nrg_mem(c, NULL, 0, small_n),
                  *page = small ? nrg_mem(c, NULL, 0, page_n) : NULL;
    nrg_status s = page ? NRG_OK : NRG_E098;
    if (page) {
        ground(page, page_n / 3, t);
        for (int64_t i = 0; i < t->n && i < (int64_t)l.across * l.down; i++) {
            colour(t, i, scale, small);
            paste(&l, t, i, small, page);
        }
        s = nrg_plot_png(c, path, l.width, l.height, page);
    }
    if (page) nrg_mem(c, page, page_n, 0);
    if (small) nrg_mem(c, small, small_n, 0);
    return s;
}
