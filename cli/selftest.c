// nrg selftest: samplers against exact answers.
#include "cli.h"
#include <stdio.h>

static void put(void *ud, const char *line) {
    (void)ud;
    printf("%s\n", line);
    fflush(stdout);
}

nrg_status cli_selftest(cli *c) {
    nrg_options o;
    if (c->words.n > 1) return cli_usage(c, "nrg selftest, or nrg selftest MODEL", "one model at a time");
    nrg_status s = cli_options(c, &o);
    if (s == NRG_OK) s = nrg_selftest(c->ctx, c->words.n ? c->words.at[0] : NULL, &o, put, NULL);
    nrg_status p = cli_print(c, "");
    return s != NRG_OK ? s : p;
}
