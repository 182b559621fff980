// nrg data make, nrg data info.
#include "cli.h"
#include <stdio.h>
#include <string.h>

static nrg_status list_kinds(cli *c) {
    const char *doc, *name;
    for (int i = 0; (name = nrg_data_maker(i, &doc)); i++) printf("%-12s %s\n", name, doc);
    return cli_print(c, "");
}

static nrg_status make(cli *c) {
    char line[700];
    long long n = 1000, seed = 0;
    nrg_table *t = NULL;
    if (c->words.n == 1) return list_kinds(c);
    if (c->words.n != 2)
        return cli_usage(c, "nrg data make digits -n 1000 -o digits.npz", "one kind at a time");
    if (!c->out) return cli_usage(c, "-o FILE.npz", "where do the data go?");
    nrg_status s = cli_integer(c, "n", c->n, 1, &n);
    if (s == NRG_OK) s = cli_integer(c, "seed", c->seed, 0, &seed);
    if (s == NRG_OK) s = cli_may_write(c, c->out);
    if (s == NRG_OK) s = nrg_data_make(c->ctx, c->words.at[1], n, (uint64_t)seed, &t);
    if (s == NRG_OK) s = nrg_data_write(t, c->out);
    nrg_table_free(t);
    if (s != NRG_OK) return s;
    snprintf(line, sizeof line, "%s\n", c->out);
    return cli_print(c, line);
}

static nrg_status info(cli *c) {
    long long rows = 3;
    const char *text;
    nrg_table *t = NULL;
    if (c->words.n < 2) return cli_usage(c, "nrg data info FILE...", "which files?");
    nrg_status s = cli_integer(c, "rows", c->rows, 0, &rows);
    if (s == NRG_OK) s = nrg_data_load(c->ctx, c->words.at + 1, c->words.n - 1, &t);
    if (s == NRG_OK) s = nrg_table_text(t, (int)rows, &text);
    if (s == NRG_OK) s = cli_print(c, text);
    nrg_table_free(t);
    return s;
}

nrg_status cli_data_command(cli *c) {
    static const char *const names[] = {"make", "info"};
    char help[80] = "nrg data make KIND -o FILE, or nrg data info FILE";
    const char *word = c->words.n ? c->words.at[0] : "";
    if (strcmp(word, "make") == 0) return make(c);
    if (strcmp(word, "info") == 0) return info(c);
    const char *near = nrg_nearest(word, names, 2);
    if (near) snprintf(help, sizeof help, "did you mean '%s'?", near);
    return cli_usage(c, help, *word ? "unknown command '%s'" : "make or info?", word);
}
