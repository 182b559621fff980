// nrg report: one page of HTML about a run.
#include "cli.h"
#include <stdio.h>
#include <string.h>

nrg_status cli_report(cli *c) {
    char line[700];
    const char *out = c->out ? c->out : "report.html";
    nrg_options o;
    nrg_table *data = NULL;
    size_t n = strlen(out);
    if (c->words.n != 1)
        return cli_usage(c, "nrg report RUN -o report.html", c->words.n ? "one run at a time" : "which run?");
    if (n < 5 || strcmp(out + n - 5, ".html") != 0)
        return cli_usage(c, "-o report.html", "a report is a .html file, not %s", out);
    nrg_status s = cli_options(c, &o);
    if (s == NRG_OK) s = cli_may_write(c, out);
    if (s == NRG_OK && c->data.n) s = nrg_data_load(c->ctx, c->data.at, c->data.n, &data);
    if (s == NRG_OK) s = nrg_report_page(c->ctx, c->words.at[0], &o, data, out);
    nrg_table_free(data);
    if (s != NRG_OK) return s;
    snprintf(line, sizeof line, "%s\n", out);
    return cli_print(c, line);
}
