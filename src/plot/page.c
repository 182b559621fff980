// Several pictures side by side on one page, by libpng. Each keeps its size; a row is as high as its highest picture.
#include "plot/plot.h"
#include <png.h>
#include <string.h>

enum { GAP = 8, LARGEST = 30000 };

typedef struct {
    png_image image;
    unsigned char *at; // [h, w, 3]
    size_t bytes;
} sheet;

static nrg_status read_sheet(nrg_ctx *c, const char *path, sheet *s) {
    static const png_color white = {255, 255, 255};
    s->image = (png_image){.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_file(&s->image, path))
        return nrg_fail(c, NRG_E053, NRG_NOWHERE, "cannot read %s as a .png picture: %s", path, s->image.message);
    nrg_status status = NRG_OK;
    s->image.format = PNG_FORMAT_RGB;
    if (s->image.width > LARGEST || s->image.height > LARGEST)
        status = nrg_fail(c, NRG_E090, NRG_NOWHERE, "%s is too large for a page: %u x %u, at most %d each way", path,
                          s->image.width, s->image.height, LARGEST);
    if (status == NRG_OK) {
        s->bytes = PNG_IMAGE_SIZE(s->image);
        if (!(s->at = nrg_mem(c, NULL, 0, s->bytes))) status = NRG_E098;
    }
    if (status == NRG_OK && !png_image_finish_read(&s->image, &white, s->at, 0, NULL))
        status = nrg_fail(c, NRG_E053, NRG_NOWHERE, "%s is damaged: %s", path, s->image.message);
    png_image_free(&s->image);
    return status;
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static nrg_status lay_out(nrg_ctx *c, const char *path, const sheet *s, int n, int across) {
    int64_t cell_w = 0, cell_h = 0, down = (n + across - 1) / across;
    for (int i = 0; i < n; i++) cell_w = larger(cell_w, s[i].image.width), cell_h = larger(cell_h, s[i].image.height);
    int64_t width = across * (cell_w + GAP) + GAP, height = down * (cell_h + GAP) + GAP;
    if (width > LARGEST || height > LARGEST)
        return nrg_fail(c, NRG_E090, NRG_NOWHERE, "the page would be %lld x %lld, at most %d each way", (long long)width,
                        (long long)height, LARGEST);
    size_t bytes = (size_t)width * (size_t)height * 3;
    unsigned char *page = nrg_mem(c, NULL, 0, bytes);
    if (!page) return NRG_E098;
    memset(page, 255, bytes);
    for (int i = 0; i < n; i++) {
        int64_t x0 = GAP + i % across * (cell_w + GAP), y0 = GAP + i / across * (cell_h + GAP), w = s[i].image.width;
        for (int64_t y = 0; y < s[i].image.height; y++)
            memcpy(page + ((y0 + y) * width + x0) * 3, s[i].at + y * w * 3, (size_t)w * 3);
    }
    nrg_status status = nrg_plot_png(c, path, width, height, page);
    nrg_mem(c, page, bytes, 0);
    return status;
}

nrg_status nrg_plot_page(nrg_ctx *c, const char *const *pictures, int n, int across, const char *path) {
    size_t length = strlen(path), room = (size_t)(n > 0 ? n : 1) * sizeof(sheet);
    if (n < 1 || across < 1) return nrg_fail(c, NRG_E090, NRG_NOWHERE, "a page needs at least one picture");
    if (length < 4 || strcmp(path + length - 4, ".png") != 0) {
        nrg_fail(c, NRG_E090, NRG_NOWHERE, "a page of pictures is a .png file, not %s", path);
        nrg_help(c, "-o page.png");
        return NRG_E090;
    }
    sheet *s = nrg_mem(c, NULL, 0, room);
    if (!s) return NRG_E098;
    memset(s, 0, room);
    nrg_status status = NRG_OK;
    for (int i = 0; i < n && status == NRG_OK; i++) status = read_sheet(c, pictures[i], &s[i]);
    if (status == NRG_OK) status = lay_out(c, path, s, n, across < n ? across : n);
    for (int i = 0; i < n; i++)
        if (s[i].at) nrg_mem(c, s[i].at, s[i].bytes, 0);
    nrg_mem(c, s, room, 0);
    return status;
}
