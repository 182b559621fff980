// A table of counts as coloured cells: what is true down, what was answered across; each row's shares as colours.
#include "plot/plot.h"
#include <string.h>

// With more classes numbers would not be read; the colours still can.
enum { WITH_SHARES = 12, WITH_COUNTS = 24, WITH_LABELS = 60 };

// Rows of "answer, truth, share, count"; the true ones run down.
static void put_cells(nrg_text *data, const nrg_matrix *m) {
    for (int64_t i = 0; i < m->n; i++) {
        const int64_t *row = m->count + i * m->n;
        int64_t all = 0;
        for (int64_t j = 0; j < m->n; j++) all += row[j];
        for (int64_t j = 0; j < m->n; j++)
            nrg_text_put(data, "%lld %lld %.6g %lld\n", (long long)j, (long long)(m->n - 1 - i),
                         all ? 100.0 * (double)row[j] / (double)all : 0, (long long)row[j]);
        nrg_text_put(data, "\n");
    }
    nrg_text_put(data, "\n");
}

static int longest(const nrg_matrix *m) {
    int most = 1;
    for (int64_t i = 0; m->labels && m->n <= WITH_LABELS && i < m->n; i++)
        if (nrg_gnuplot_tick_width(m->labels[i]) > most) most = nrg_gnuplot_tick_width(m->labels[i]);
    return most;
}

static bool slanted(const nrg_matrix *m) { return longest(m) * m->n > 60; }

static void put_tics(nrg_text *s, const nrg_matrix *m, const char *axis, bool down) {
    bool slant = !down && slanted(m);
    nrg_text_put(s, "set %stics noenhanced nomirror scale 0%s (", axis, slant ? " rotate by 40 right" : "");
    for (int64_t i = 0; i < m->n && m->n <= WITH_LABELS; i++) {
        nrg_text_put(s, i ? ", " : "");
        char number[24];
        snprintf(number, sizeof number, "%lld", (long long)i);
        nrg_gnuplot_tick(s, m->labels ? m->labels[i] : number);
        nrg_text_put(s, " %lld", (long long)(down ? m->n - 1 - i : i));
    }
    nrg_text_put(s, ")\n");
}

// Numbers in the cells: dark on light cells, white on dark ones.
static void put_numbers(nrg_text *s, const char *path, const nrg_matrix *m) {
    static const char *const when[2][2] = {{"< 55", "#202020"}, {">= 55", "#ffffff"}};
    int size = m->n <= 6 ? 13 : m->n <= WITH_SHARES ? 11 : 9;
    for (int k = 0; k < 2; k++) {
        nrg_text_put(s, ", \\\n     ");
        nrg_gnuplot_data(path, s);
        nrg_text_put(s, " using 1:2:($3 %s && $4 > 0 ? ", when[k][0]);
        if (m->n <= WITH_SHARES)
            nrg_text_put(s, "sprintf(\"%%d\\n%%.1f %%%%\", $4, $3)");
        else
            nrg_text_put(s, "sprintf('%%d', $4)");
        nrg_text_put(s, " : '') with labels font ',%d' textcolor rgb '%s'", size, when[k][1]);
    }
}

nrg_status nrg_plot_matrix(nrg_ctx *c, const char *path, const nrg_plot_axes *axes, const nrg_matrix *m) {
    nrg_text script = nrg_text_make(c), data = nrg_text_make(c);
    int cell = m->n <= WITH_SHARES ? 64 : m->n <= WITH_COUNTS ? 40 : 12, side = (int)m->n * cell;
    if (side > 2400) side = 2400;
    if (side < 300) side = 300;
    int words = longest(m) > 6 ? 8 * (longest(m) - 6) : 0; // room for long labels, beside and below
    nrg_status s = nrg_gnuplot_head(path, axes, side + 290 + words, side + 190 + (slanted(m) ? words : 0), &script);
    if (s == NRG_OK) {
        put_cells(&data, m);
        nrg_text_put(&script,
                     "set palette defined (0 '#ffffff', 0.2 '#cfe1f2', 0.55 '#6aaed6', 1 '#08306b')\n"
                     "set cbrange [0:100]\nset cblabel 'share of the row, %%'\nset size ratio -1\nunset key\n"
                     "set xrange [-0.5:%lld.5]\nset yrange [-0.5:%lld.5]\n",
                     (long long)m->n - 1, (long long)m->n - 1);
        // gnuplot leaves too much for slanted words, and then cells are not square.
        if (slanted(m)) nrg_text_put(&script, "set lmargin %d\nset bmargin %d\n", longest(m) + 7, 4 + longest(m) / 3);
        put_tics(&script, m, "x", false);
        put_tics(&script, m, "y", true);
        nrg_text_put(&script, "plot ");
        nrg_gnuplot_data(path, &script);
        nrg_text_put(&script, " using 1:2:3 with image pixels");
        if (m->n <= WITH_COUNTS) put_numbers(&script, path, m);
        nrg_text_put(&script, "\n");
        s = nrg_gnuplot(c, path, &script, &data);
    }
    nrg_text_free(&script);
    nrg_text_free(&data);
    return s;
}
