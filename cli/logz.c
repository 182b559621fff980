// nrg logz: the logarithm of the normaliser, as an interval.
#include "cli.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

nrg_status cli_logz_options(cli *c, nrg_log_z_options *o) {
    long long chains = 0, steps = 0;
    char *end;
    nrg_status s = cli_integer(c, "chains", c->chains, 2, &chains);
    if (s == NRG_OK) s = cli_integer(c, "steps", c->steps, 1, &steps);
    *o = (nrg_log_z_options){.vars = c->words.at + 1, .vars_n = c->words.n - 1, .chains = chains, .steps = steps};
    const char *const flag[2] = {"from", "base"}, *const word[2] = {c->from, c->base};
    bool *const to[2] = {&o->from_data, &o->base_data};
    for (int i = 0; i < 2 && s == NRG_OK; i++) {
        if (word[i] && strcmp(word[i], "data") != 0) s = cli_usage(c, "--data FILE --from data", "--%s takes data, not '%s'", flag[i], word[i]);
        *to[i] = word[i] != NULL;
    }
    if (s != NRG_OK || !c->width) return s;
    o->width = strtod(c->width, &end);
    if (end == c->width || *end || !(o->width > 0)) return cli_usage(c, "--width 0.05", "--width takes a positive number, not '%s'", c->width);
    return NRG_OK;
}

// Over the rows, whose errors are independent.
static void put_means(cli *c, const nrg_log_z *z) {
    double low = 0, high = 0;
    for (int64_t i = 0; i < z->rows; i++) low += z->low[i] / (double)z->rows, high += z->high[i] / (double)z->rows;
    if (z->rows > 1 && z->heats) cli_note(c, "mean over %lld rows: %.4g .. %.4g, %.3g wide\n", (long long)z->rows, low, high, high - low);
}

nrg_status cli_logz_deliver(cli *c, nrg_log_z *z) {
    const char *text;
    cli_note(c, "%s\n", z->how);
    if (z->heats)
        cli_note(c, "effective share of the weights: %.2g towards the model, %.2g back\n", z->forward, z->reverse);
    put_means(c, z);
    nrg_status s = nrg_log_z_text(z, c->json ? NRG_AS_JSON : NRG_AS_CSV, &text);
    return s == NRG_OK ? cli_print(c, text) : s;
}

nrg_status cli_logz(cli *c) {
    nrg_ebm *m = NULL;
    nrg_table *data = NULL;
    nrg_log_z *z = NULL;
    nrg_log_z_options o;
    if (c->words.n < 1) return cli_usage(c, "nrg logz run", "which model?");
    nrg_status s = cli_logz_options(c, &o);
    if (s == NRG_OK) s = cli_model(c, c->words.at[0], &m);
    if (s == NRG_OK) s = cli_data(c, m, &data);
    if (s == NRG_OK) s = nrg_ebm_log_z(m, data, &o, &z);
    if (s == NRG_OK) s = cli_logz_deliver(c, z);
    nrg_log_z_free(z);
    nrg_table_free(data);
    nrg_ebm_free(m);
    return s;
}
