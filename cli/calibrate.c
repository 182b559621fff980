// nrg calibrate: the scale of the energies, fitted to rows that were not trained on.
#include "cli.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool ends(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static nrg_status may_write(cli *c) {
    if (!c->out) return NRG_OK;
    if (!ends(c->out, ".nrgm") && !ends(c->out, ".safetensors"))
        return cli_usage(c, "-o calibrated.nrgm",
                         "a model is written as .nrgm or .safetensors, not %s", c->out);
    return cli_may_write(c, c->out);
}

static nrg_status report(cli *c, const nrg_calibration *k) {
    const char *const names[] = {"beta", "nll", "ece"};
    const double *const pairs[] = {k->beta, k->nll, k->ece};
    if (!c->json) printf("measure,before,after\n");
    for (int i = 0; i < 3; i++) {
        if (isnan(pairs[i][0])) continue;
        printf(c->json ? "{\"measure\": \"%s\", \"before\": %.9g, \"after\": %.9g}\n"
                       : "%s,%.9g,%.9g\n",
               names[i], pairs[i][0], pairs[i][1]);
    }
    return cli_print(c, "");
}

nrg_status cli_calibrate(cli *c) {
    nrg_ebm *m = NULL;
    nrg_table *data = NULL;
    nrg_calibration k;
    if (c->words.n != 2)
        return cli_usage(c, "nrg calibrate y run --data held-out.npz -o calibrated.nrgm",
                         "a variable and a model are needed, found %d words", c->words.n);
    nrg_status s = may_write(c);
    if (s == NRG_OK) s = cli_model(c, c->words.at[1], &m);
    if (s == NRG_OK) s = cli_need_data(c, m, &data);
    if (s == NRG_OK) s = nrg_ebm_calibrate(m, data, c->words.at[0], &k);
    if (s == NRG_OK && c->out) s = nrg_ebm_save(m, c->out);
    if (s == NRG_OK) {
        cli_note(c, "%lld rows%s%s\n", (long long)k.rows, c->out ? "; written: " : "",
                 c->out ? c->out : "");
        s = report(c, &k);
    }
    nrg_table_free(data);
    nrg_ebm_free(m);
    return s;
}
