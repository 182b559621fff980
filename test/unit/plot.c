// Pictures: files appear with the right size and colours, scripts and data stay beside them, wrong names are refused.
#include "plot/plot.h"
#include <setjmp.h>
#include <stdarg.h>
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[512];
static const char *in(const char *name) {
    static char path[700];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool have_gnuplot(void) { return system("gnuplot --version >/dev/null 2>&1") == 0; }

static void tiles(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    double a[4 * 6];
    for (int i = 0; i < 24; i++) a[i] = i < 12 ? -1 : 1; // two blue tiles, two red ones
    nrg_tiles t = {.a = a, .n = 4, .channels = 1, .h = 2, .w = 3, .diverging = true};
    assert_int_equal(nrg_plot_tiles(c, in("tiles.png"), &t), NRG_OK);
    png_image im = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&im, in("tiles.png")));
    im.format = PNG_FORMAT_RGB;
    unsigned char *p = malloc(PNG_IMAGE_SIZE(im));
    assert_true(png_image_finish_read(&im, NULL, p, 0, NULL));
    assert_true(im.width >= 60 && im.height >= 40);
    unsigned char *first = p + 3 * (im.width * 4 + 4),
                  *last = p + 3 * (im.width * (im.height - 5) + im.width - 5);
    assert_true(first[2] > first[0] + 80); // blue
    assert_true(last[0] > last[2] + 80);   // red
    free(p);
    assert_int_equal(nrg_plot_tiles(c, in("tiles.svg"), &t), NRG_E090);
    t.n = 0;
    assert_int_equal(nrg_plot_tiles(c, in("tiles.png"), &t), NRG_E090);
    nrg_ctx_free(c);
}

static void shapes(void **state) {
    (void)state;
    int h, w;
    nrg_tile_shape(784, &h, &w);
    assert_true(h == 28 && w == 28);
    nrg_tile_shape(12, &h, &w);
    assert_true(h == 3 && w == 4);
    nrg_tile_shape(13, &h, &w);
    assert_true(h == 1 && w == 13);
}

static void curves(void **state) {
    (void)state;
    if (!have_gnuplot()) {
        print_message("skipped: no gnuplot here\n");
        skip();
    }
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    double x[50], y[50], z[50];
    for (int i = 0; i < 50; i++)
        x[i] = i, y[i] = exp(-i / 10.0), z[i] = i == 7 ? NAN : sin(i / 5.0);
    nrg_curve v[2] = {{.name = "loss", .x = x, .y = y, .n = 50}, {.name = "it's", .x = x, .y = z, .n = 50}};
    nrg_plot_axes axes = {.title = "a 'title'", .x = "epoch", .y = "loss"};
    assert_int_equal(nrg_plot_curves(c, in("loss.png"), &axes, v, 2), NRG_OK);
    assert_true(nrg_file_exists(in("loss.png")) && nrg_file_exists(in("loss.gp")) &&
                nrg_file_exists(in("loss.dat")));
    const nrg_panel both[3] = {{axes, v, 1}, {{.x = "epoch"}, NULL, 0}, {{.x = "epoch", .y = "energy"}, v, 2}};
    assert_int_equal(nrg_plot_panels(c, in("two.svg"), both, 3, 1), NRG_OK);
    nrg_text t = nrg_text_make(c);
    assert_int_equal(nrg_file_read(c, in("two.svg"), &t), NRG_OK);
    assert_non_null(strstr(t.at, "</svg>"));
    nrg_text_free(&t);
    assert_int_equal(nrg_plot_curves(c, in("loss.gif"), &axes, v, 2), NRG_E090);
    nrg_ctx_free(c);
}

static char *text_of(nrg_ctx *c, const char *name) {
    nrg_text t = nrg_text_make(c);
    assert_int_equal(nrg_file_read(c, in(name), &t), NRG_OK);
    char *copy = malloc(t.n + 1);
    memcpy(copy, t.at, t.n + 1);
    nrg_text_free(&t);
    return copy;
}

// Words of any kind stay words: one line of the script each.
static void words(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    const char *const ticks[] = {"a'b", "c\nset output 'x'", "`date`", "{/Bold q}", "\\n \"%d\" \x7f", ""};
    double x[6] = {0, 1, 2, 3, 4, 5}, y[6] = {-1, 2, INFINITY, NAN, 0, 1e300};
    nrg_curve v[6];
    for (int i = 0; i < 6; i++)
        v[i] = (nrg_curve){.name = ticks[i], .x = x, .y = y, .n = 6, .style = (nrg_style)i, .width = 0.5, .colour = i == 5 ? 8 : 0};
    nrg_plot_axes axes = {.title = "t\nplot x", .x = "'", .y = "y\tz", .ticks = ticks, .ticks_n = 6, .same = true};
    nrg_status s = nrg_plot_curves(c, in("words.svg"), &axes, v, 6);
    assert_int_equal(s, have_gnuplot() ? NRG_OK : NRG_E092);
    char *script = text_of(c, "words.gp");
    assert_non_null(strstr(script, "'a''b' 0, 'c set output ''x''' 1"));
    assert_non_null(strstr(script, "set title 't plot x' noenhanced\n"));
    assert_null(strstr(script, "\nset output ''x"));
    free(script);
    assert_int_equal(nrg_plot_curves(c, in("'q'.svg"), &axes, v, 6), s);
    assert_true(s != NRG_OK || nrg_file_exists(in("'q'.svg")));
    assert_int_equal(nrg_plot_curves(c, in("a\nb.png"), &axes, v, 6), NRG_E090);
    nrg_ctx_free(c);
}

static void matrix(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    const int64_t count[9] = {3, 1, 0, 0, 0, 0, 5, 5, 10};
    const char *const labels[] = {"ant 5 %", "it's", "<c>"};
    nrg_matrix m = {count, 3, labels};
    nrg_plot_axes axes = {.title = "t", .x = "answer", .y = "truth"};
    nrg_status wanted = have_gnuplot() ? NRG_OK : NRG_E092;
    assert_int_equal(nrg_plot_matrix(c, in("matrix.svg"), &axes, &m), wanted);
    char *data = text_of(c, "matrix.dat");
    assert_string_equal(data, "0 2 75 3\n1 2 25 1\n2 2 0 0\n\n0 1 0 0\n1 1 0 0\n2 1 0 0\n\n0 0 25 5\n1 0 25 5\n2 0 50 10\n\n\n");
    free(data);
    // Many classes: no labels, no numbers, but a picture.
    static int64_t many[100 * 100];
    m = (nrg_matrix){many, 100, NULL};
    assert_int_equal(nrg_plot_matrix(c, in("many.png"), &axes, &m), wanted);
    nrg_ctx_free(c);
}

static void field(void **state) {
    (void)state;
    if (!have_gnuplot()) {
        print_message("skipped: no gnuplot here\n");
        skip();
    }
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    static double z[60 * 80];
    double px[40], py[40];
    for (int i = 0; i < 60; i++)
        for (int j = 0; j < 80; j++) {
            double x = -1 + 2.0 * j / 79, y = -0.5 + 2.0 * i / 59;
            z[i * 80 + j] = fabs(y - x * x);
        }
    for (int i = 0; i < 40; i++) px[i] = -1 + i / 19.5, py[i] = px[i] * px[i];
    nrg_field f = {.z = z, .nx = 80, .ny = 60, .x0 = -1, .x1 = 1, .y0 = -0.5, .y1 = 1.5};
    nrg_curve points = {.x = px, .y = py, .n = 40, .style = NRG_POINTS};
    nrg_plot_axes axes = {.title = "E(x, y)", .x = "x", .y = "y"};
    assert_int_equal(nrg_plot_field(c, in("field.png"), &axes, &f, &points), NRG_OK);
    assert_true(nrg_file_exists(in("field.png")));
    nrg_ctx_free(c);
}

// Every refusal of memory gives a status and leaks nothing (the sanitizers watch).
static void *stingy(void *ud, void *p, size_t old, size_t size) {
    (void)old;
    if (size == 0) return free(p), NULL;
    if ((*(int *)ud)-- <= 0) return NULL;
    return realloc(p, size);
}

static void refused(void **state) {
    (void)state;
    double a[6] = {0, 1, 2, 3, 4, 5};
    nrg_tiles t = {.a = a, .n = 1, .channels = 1, .h = 2, .w = 3};
    bool done = false;
    for (int n = 0; n < 100 && !done; n++) {
        int left = n;
        nrg_ctx *c = nrg_ctx_new(stingy, &left);
        if (!c) continue;
        nrg_status s = nrg_plot_tiles(c, in("few.png"), &t);
        assert_true(s == NRG_OK || s == NRG_E098);
        done = s == NRG_OK;
        nrg_ctx_free(c);
    }
    assert_true(done);
    double x[2] = {0, 1};
    const int64_t count[4] = {1, 2, 3, 4};
    nrg_curve v = {.name = "v", .x = x, .y = x, .n = 2};
    nrg_panel p = {{.title = "p"}, &v, 1};
    nrg_matrix m = {count, 2, NULL};
    done = false;
    for (int n = 0; n < 200 && !done; n++) {
        int left = n;
        nrg_ctx *c = nrg_ctx_new(stingy, &left);
        if (!c) continue;
        nrg_status s = nrg_plot_panels(c, in("few.svg"), &p, 1, 1);
        if (s == NRG_OK) s = nrg_plot_matrix(c, in("few.svg"), &p.axes, &m);
        assert_true(s == NRG_OK || s == NRG_E098 || (s == NRG_E092 && !have_gnuplot()));
        done = s != NRG_E098;
        nrg_ctx_free(c);
    }
    assert_true(done);
}

int main(void) {
    snprintf(folder, sizeof folder, "%s/pictures", NRG_BUILD);
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_status made = nrg_folder_make(c, folder);
    nrg_ctx_free(c);
    if (made != NRG_OK) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(shapes), cmocka_unit_test(tiles),
                                       cmocka_unit_test(curves), cmocka_unit_test(field),
                                       cmocka_unit_test(words), cmocka_unit_test(matrix),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
