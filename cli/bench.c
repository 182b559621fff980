// nrg bench: where the time of a model goes.
#include "cli.h"

nrg_status cli_bench(cli *c) {
    nrg_ebm *m = NULL;
    nrg_table *data = NULL;
    const char *text;
    double seconds = 5;
    if (c->words.n != 1)
        return cli_usage(c, "nrg bench model.nrg --data rows.npz", "one model is needed, found %d words", c->words.n);
    nrg_status s = cli_seconds(c, "--time", c->time, &seconds);
    if (s == NRG_OK) s = cli_model(c, c->words.at[0], &m);
    if (s == NRG_OK) s = cli_need_data(c, m, &data);
    if (s == NRG_OK) s = nrg_ebm_bench(m, data, seconds, &text);
    if (s == NRG_OK) s = cli_print(c, text);
    nrg_table_free(data);
    nrg_ebm_free(m);
    return s;
}
