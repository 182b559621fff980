// Models and data as flags name them.
#include "cli.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

nrg_status cli_options(cli *c, nrg_options *o) {
    long long threads = 0, seed = 0;
    nrg_status s = cli_integer(c, "threads", c->threads, 1, &threads);
    if (s == NRG_OK) s = cli_integer(c, "seed", c->seed, 0, &seed);
    const char *how = c->bf16 ? c->bf16 : c->bf16x3 ? c->bf16x3 : "";
    if (threads > 256) threads = 256;
    nrg_options v = {c->set.at, c->set.n,     c->stmt.at,     c->stmt.n, c->map.at,
                     c->map.n,  (int)threads, (uint64_t)seed, c->f64,    c->last,
                     c->bf16 ? NRG_PRODUCTS_BF16 : c->bf16x3 ? NRG_PRODUCTS_BF16X3 : NRG_PRODUCTS_FULL,
                     strstr(how, "emulate") != NULL, strstr(how, "draws") != NULL};
    *o = v;
    if (s == NRG_OK && c->bf16 && c->bf16x3) return cli_usage(c, NULL, "--bf16 and --bf16x3 exclude each other");
    if (s == NRG_OK && v.draws_only && strcmp(c->command, "train") != 0 && strcmp(c->command, "bench") != 0)
        return cli_usage(c, NULL, "--bf16=draws is for trainings: train, bench");
    return s;
}

nrg_status cli_model(cli *c, const char *path, nrg_ebm **m) {
    nrg_options o;
    nrg_status s = cli_options(c, &o);
    *m = NULL;
    if (s == NRG_OK) s = nrg_ebm_load(c->ctx, path, &o, m);
    if (s == NRG_OK) cli_show(c); // warnings come before results
    return s;
}

// ---- --given x=0.3   x=1,2,3   y=cat   x=file.npy ----

static int64_t numbers_of(const nrg_var_info *v) {
    int64_t n = 1;
    for (int i = 0; i < v->rank; i++) n *= v->dim[i] > 0 ? v->dim[i] : 1;
    return n;
}

static int count_parts(const char *text) {
    int n = 1;
    for (; *text; text++) n += *text == ',';
    return n;
}

typedef struct {
    double *cells; // [rows, count]
    char *copy;    // the text, cut at commas
    const char **labels;
} given;

// Reads the parts as numbers; false when one is a word.
static bool read_numbers(char *text, int n, double *to) {
    for (int i = 0; i < n; i++) {
        char *end;
        to[i] = strtod(text, &end);
        if (end == text || *end != (i + 1 < n ? ',' : 0)) return false;
        text = end + 1;
    }
    return true;
}

static void read_labels(char *text, int n, double *to, const char **labels) {
    for (int i = 0; i < n; i++) {
        labels[i] = text;
        to[i] = i;
        if (i + 1 == n) return; // a single label may have commas
        text += strcspn(text, ",");
        if (*text) *text++ = 0;
    }
}

static nrg_status put_array(nrg_table *t, const nrg_var_info *v, const given *g, bool words, int n,
                            int64_t rows) {
    char name[160];
    snprintf(name, sizeof name, "given:%s", v->name);
    nrg_array a = {.name = name,
                   .file = "--given",
                   .type = NRG_CELL_F64,
                   .rank = v->rank + 1,
                   .data = g->cells,
                   .samples = rows};
    a.dim[0] = rows;
    for (int i = 0; i < v->rank; i++) a.dim[i + 1] = v->dim[i] > 0 ? v->dim[i] : n;
    if (words) {
        a.labels = g->labels;
        a.labels_n = n;
    }
    return nrg_table_add(t, &a);
}

// One value, repeated for every row.
static nrg_status give(cli *c, const nrg_var_info *v, const char *text, nrg_table *t,
                       int64_t rows) {
    int n = v->elem == NRG_CATEGORY && v->rank == 0 ? 1 : count_parts(text);
    bool words;
    given g = {cli_keep(c, (size_t)(rows + 1) * (size_t)n * sizeof(double)),
               cli_keep(c, strlen(text) + 1), cli_keep(c, (size_t)n * sizeof(char *))};
    if (!g.cells || !g.copy || !g.labels) return NRG_E098;
    memcpy(g.copy, text, strlen(text) + 1);
    if ((v->rank == 0 || v->dim[0] >= 0) && numbers_of(v) != n)
        return cli_usage(c, NULL, "--given %s needs %lld numbers, found %d", v->name,
                         (long long)numbers_of(v), *text ? n : 0);
    if ((words = !read_numbers(g.copy, n, g.cells))) read_labels(g.copy, n, g.cells, g.labels);
    if (words && v->elem != NRG_CATEGORY)
        return cli_usage(c, NULL, "--given %s takes numbers, not '%s'", v->name, text);
    for (int64_t r = 1; r < rows; r++) memcpy(g.cells + r * n, g.cells, (size_t)n * sizeof(double));
    return put_array(t, v, &g, words, n, rows);
}

static nrg_status give_one(cli *c, nrg_ebm *m, const char *spec, nrg_table *t, int64_t rows) {
    char name[128];
    nrg_var_info v;
    const char *eq = strchr(spec, '=');
    if (!eq) return cli_usage(c, NULL, "--given takes VARIABLE=VALUE, not '%s'", spec);
    snprintf(name, sizeof name, "%.*s", (int)(eq - spec), spec);
    int times = 0;
    for (int k = 0; k < c->given.n; k++) times += strncmp(c->given.at[k], spec, (size_t)(eq - spec) + 1) == 0;
    if (times > 1) return cli_usage(c, NULL, "--given holds %s %d times: once is enough", name, times);
    int i = nrg_ebm_find(m, name);
    if (i < 0)
        return cli_usage(c, "nrg show MODEL lists the variables",
                         "--given %s: the model has no variable '%s'", spec, name);
    nrg_status s = nrg_ebm_var(m, i, &v);
    return s == NRG_OK ? give(c, &v, eq + 1, t, rows) : s;
}

// A file that exists, or what can only be one.
static bool names_file(const char *spec) {
    static const char *const ends[] = {".npy", ".npz", ".csv"};
    const char *eq = strchr(spec, '=');
    size_t n = strlen(spec);
    if (!eq || !strpbrk(eq + 1, "./")) return false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n > 4 && strcmp(spec + n - 4, ends[i]) == 0) return true;
    return cli_exists(eq + 1);
}

nrg_status cli_data(cli *c, nrg_ebm *m, nrg_table **t) {
    const char *specs[2 * CLI_MANY];
    int n = 0;
    *t = NULL;
    for (int i = 0; i < c->data.n; i++) specs[n++] = c->data.at[i];
    for (int i = 0; i < c->given.n; i++)
        if (names_file(c->given.at[i])) specs[n++] = c->given.at[i];
    if (n == 0 && c->given.n == 0) return NRG_OK;
    nrg_status s = n ? nrg_data_load(c->ctx, specs, n, t) : nrg_table_new(c->ctx, t);
    int64_t rows = s == NRG_OK && n ? nrg_table_rows(*t) : 1;
    for (int i = 0; i < c->given.n && s == NRG_OK; i++)
        if (!names_file(c->given.at[i])) s = give_one(c, m, c->given.at[i], *t, rows);
    if (s == NRG_OK) s = nrg_table_check(*t);
    if (s == NRG_OK) return s;
    nrg_table_free(*t);
    *t = NULL;
    return s;
}

nrg_status cli_need_data(cli *c, nrg_ebm *m, nrg_table **t) {
    nrg_status s = cli_data(c, m, t);
    if (s == NRG_OK && !*t) return cli_usage(c, "--data FILE", "data are needed");
    return s;
}
