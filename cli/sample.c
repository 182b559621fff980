// nrg sample: draws from a model, with what their chains say about themselves.
#include "cli.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nrg_status heat(cli *c, const char *flag, const char *text, double *out) {
    char *end;
    if (!text) return NRG_OK;
    *out = strtod(text, &end);
    if (end != text && !*end && *out > 0 && *out <= 1) return NRG_OK;
    return cli_usage(c, "0.05 draws from exp(-0.05 beta E)", "--%s takes a number above 0, up to 1, not '%s'", flag, text);
}

nrg_status cli_sample_options(cli *c, nrg_sample_options *o) {
    long long n = 0, chains = 0, warmup = -1, every = 0, steps = 0, levels = 0;
    nrg_status s = cli_integer(c, "n", c->n, 1, &n);
    if (s == NRG_OK) s = cli_integer(c, "chains", c->chains, 1, &chains);
    if (s == NRG_OK) s = cli_integer(c, "warmup", c->warmup, 0, &warmup);
    if (s == NRG_OK) s = cli_integer(c, "every", c->every, 1, &every);
    if (s == NRG_OK) s = cli_integer(c, "steps", c->steps, 1, &steps);
    if (s == NRG_OK) s = cli_integer(c, "tempering", c->tempering, 1, &levels);
    *o = (nrg_sample_options){.n = n, .chains = chains, .every = every, .steps = steps, .tempering = levels};
    if (s == NRG_OK) s = heat(c, "hottest", c->hottest, &o->hottest);
    if (s == NRG_OK) s = heat(c, "anneal", c->anneal, &o->anneal);
    o->warmup = !c->warmup ? 0 : warmup == 0 ? -1 : warmup;
    return s;
}

static nrg_status deliver(cli *c, nrg_samples *r) {
    const char *text;
    long long top = 0;
    nrg_form form = c->json ? NRG_AS_JSON : NRG_AS_CSV;
    cli_note(c, "%s", r->health);
    nrg_status s = c->out ? nrg_samples_save(r, c->out) : NRG_OK;
    if (s == NRG_OK && c->autocorrelation) {
        s = cli_integer(c, "top", c->top, 1, &top);
        if (s == NRG_OK) s = nrg_samples_autocorrelation(r, top, form, &text);
        return s == NRG_OK ? cli_print(c, text) : s;
    }
    if (s == NRG_OK && c->summary) {
        s = nrg_samples_summary(r, form, &text);
        return s == NRG_OK ? cli_print(c, text) : s;
    }
    if (s != NRG_OK || c->out) return s;
    s = nrg_samples_text(r, form, &text);
    return s == NRG_OK ? cli_print(c, text) : s;
}

// What must not be there yet: for Stan's tools every chain has a file of its own.
static const char *first_file(const cli *c, const nrg_sample_options *o, char *to, size_t room) {
    static const char tail[] = ".stan.csv";
    size_t n = strlen(c->out), t = sizeof tail - 1;
    if (n < t || strcmp(c->out + n - t, tail) != 0 || o->chains == 1 || (o->chains == 0 && o->n == 1)) return c->out;
    snprintf(to, room, "%.*s_1%s", (int)(n - t), c->out, tail);
    return to;
}

nrg_status cli_sample(cli *c) {
    nrg_ebm *m = NULL;
    nrg_table *data = NULL;
    nrg_samples *r = NULL;
    nrg_sample_options o;
    char name[1000];
    if (c->words.n < 1) return cli_usage(c, "nrg sample run -n 64", "which model?");
    nrg_status s = cli_sample_options(c, &o);
    o.vars = c->words.at + 1;
    o.vars_n = c->words.n - 1;
    if (s == NRG_OK && c->from && (strcmp(c->from, "buffer") != 0 || !cli_folder(c->words.at[0])))
        s = cli_usage(c, "nrg sample RUN --from buffer", "--from takes buffer, of a run folder");
    if (s == NRG_OK && c->from) o.buffer = c->words.at[0];
    if (s == NRG_OK && c->out) s = cli_may_save(c, first_file(c, &o, name, sizeof name), ".csv .json .npz");
    if (s == NRG_OK) s = cli_model(c, c->words.at[0], &m);
    if (s == NRG_OK) s = cli_data(c, m, &data);
    if (s == NRG_OK) s = nrg_ebm_sample(m, data, &o, &r);
    if (s == NRG_OK) s = deliver(c, r);
    nrg_samples_free(r);
    nrg_table_free(data);
    nrg_ebm_free(m);
    return s;
}
