// Commands that look at models and messages: check, show, explain, help, version.
#include "cli.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nrg_status one_model(cli *c, const char **path) {
    if (c->words.n == 1) {
        *path = c->words.at[0];
        return NRG_OK;
    }
    return cli_usage(c, NULL,
                     c->words.n ? "one model at a time, found %d words"
                                : "which model? (a .nrg file, a run folder, or - for stdin)",
                     c->words.n);
}

static nrg_status put(cli *c, nrg_ebm *m, nrg_show what) {
    const char *text;
    nrg_status s = nrg_ebm_text(m, what, &text);
    nrg_status p = cli_print(c, text);
    return s != NRG_OK ? s : p;
}

// What is missing is a remark here, not an error: the messages are taken back.
static void remark_training(cli *c, nrg_ebm *m, const char *path) {
    int before = nrg_diag_count(c->ctx);
    nrg_status s = nrg_ebm_trainable(m);
    if (s == NRG_OK || nrg_diag_count(c->ctx) <= before) return;
    if (!c->diagnostics)
        cli_note(c, "%s: cannot be trained: %s [%s]\n", path, nrg_diag_get(c->ctx, before)->message,
                 nrg_status_name(s));
    c->shown = nrg_diag_count(c->ctx);
}

// What the lectures' conditions say of the losses, where that is bad news.
void cli_remark_losses(cli *c, nrg_ebm *m, const char *path) {
    nrg_verdict v;
    int before = nrg_diag_count(c->ctx);
    for (int i = 0; nrg_ebm_verdict(m, i, &v); i++)
        if (!c->diagnostics && (v.pulls_wrong || v.lifts_right || v.kind == NRG_MARGIN_ZERO))
            cli_note(c, "%s: learn statement %d: %s\n", path, i + 1, v.words);
    if (nrg_diag_count(c->ctx) > before) c->shown = nrg_diag_count(c->ctx);
}

// With data also what a training step computes.
static nrg_status put_training(cli *c, nrg_ebm *m) {
    nrg_table *data = NULL;
    const char *text;
    nrg_status s = cli_data(c, m, &data);
    if (s == NRG_OK) s = nrg_ebm_train_steps(m, data, &text);
    if (s == NRG_OK) s = cli_print(c, text);
    nrg_table_free(data);
    return s;
}

static nrg_status check_model(cli *c, nrg_ebm *m, const char *path) {
    static const nrg_show kinds[] = {NRG_SHOW_SHAPES, NRG_SHOW_GRAPH, NRG_SHOW_PLAN, NRG_SHOW_AUDIT,
                                     NRG_SHOW_TEXT};
    const bool wanted[] = {c->shapes, c->graph, c->plan, c->audit, c->resolved};
    nrg_status s = NRG_OK;
    bool any = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && s == NRG_OK; i++)
        if (wanted[i]) {
            any = true;
            s = put(c, m, kinds[i]);
            if (s == NRG_OK && kinds[i] == NRG_SHOW_PLAN && c->data.n) s = put_training(c, m);
        }
    if (s != NRG_OK || any) return s;
    if ((s = nrg_ebm_check(m)) != NRG_OK) return s;
    remark_training(c, m, path);
    cli_remark_losses(c, m, path);
    if (!c->diagnostics) cli_note(c, "%s: ok\n", path);
    return NRG_OK;
}

nrg_status cli_check(cli *c) {
    const char *path = NULL;
    nrg_ebm *m = NULL;
    if (c->diagnostics && strcmp(c->diagnostics, "json") != 0) {
        const char *other = c->diagnostics;
        c->diagnostics = NULL;
        return cli_usage(c, "--diagnostics=json", "--diagnostics takes json, not '%s'", other);
    }
    nrg_status s = one_model(c, &path);
    if (s == NRG_OK) s = cli_model(c, path, &m);
    if (s == NRG_OK) s = check_model(c, m, path);
    nrg_ebm_free(m);
    return s;
}

nrg_status cli_show_model(cli *c) {
    const char *path = NULL;
    nrg_ebm *m = NULL;
    nrg_status s = one_model(c, &path);
    if (s == NRG_OK) s = cli_model(c, path, &m);
    if (s == NRG_OK) s = put(c, m, c->resolved ? NRG_SHOW_TEXT : NRG_SHOW_SUMMARY);
    nrg_ebm_free(m);
    return s;
}

static void put_status(nrg_status s) {
    printf("%s: %s\n", nrg_status_name(s), nrg_status_meaning(s));
}

nrg_status cli_explain(cli *c) {
    nrg_status s;
    if (c->errors) {
        for (int i = 0; (s = nrg_status_at(i)) != NRG_OK; i++) put_status(s);
        return cli_print(c, "");
    }
    if (c->losses) return cli_losses(c);
    if (c->loss) return cli_loss(c);
    if (c->words.n != 1)
        return cli_usage(c, "nrg explain E036, or --errors for the list", "which code?");
    for (int i = 0; (s = nrg_status_at(i)) != NRG_OK; i++) {
        if (strcmp(nrg_status_name(s), c->words.at[0]) != 0) continue;
        put_status(s);
        printf("%s\n", nrg_status_advice(s));
        if (nrg_status_exit(s)) printf("The command ends with exit code %d.\n", nrg_status_exit(s));
        if (*nrg_status_example(s)) printf("\nFor example\n\n%s", nrg_status_example(s));
        return cli_print(c, "");
    }
    return cli_usage(c, "nrg explain --errors lists them", "no code '%s'", c->words.at[0]);
}

nrg_status cli_version(cli *c) {
    char line[80];
    snprintf(line, sizeof line, "nrg %s\n", nrg_version());
    return cli_print(c, line);
}

// ---- help ----

static void put_range(double lo, double hi) {
    if (isfinite(lo) || isfinite(hi)) printf("   in ");
    if (isfinite(lo)) printf("%g", lo);
    if (isfinite(lo) || isfinite(hi)) printf("..");
    if (isfinite(hi)) printf("%g", hi);
}

static nrg_status model_help(cli *c, const char *path) {
    nrg_hyper_info h;
    nrg_ebm *m;
    nrg_status s = nrg_ebm_load(c->ctx, path, NULL, &m);
    if (s != NRG_OK) return s;
    printf("\nHyper-parameters of %s (--set NAME=VALUE):\n", path);
    for (int i = 0; nrg_ebm_hyper(m, i, &h); i++) {
        printf("  %-14s %g", h.name, h.from);
        if (h.to != h.from) printf(" -> %g", h.to);
        put_range(h.lo, h.hi);
        printf("\n");
    }
    nrg_ebm_free(m);
    return cli_print(c, "");
}

static void put_flags(const cli_command *k) {
    char name[32], left[48];
    if (*k->flags) printf("\n");
    for (const char *p = k->flags; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        snprintf(name, sizeof name, "%.*s", (int)n, p);
        const cli_flag *f = cli_flag_get(name);
        snprintf(left, sizeof left, "--%s%s%s", name, f && f->value && *f->value != '[' ? " " : "", f && f->value ? f->value : "");
        printf("  %-22s %s\n", left, f ? f->doc : "");
        p += n;
    }
}

static nrg_status command_help(cli *c, const cli_command *k) {
    printf("nrg %s\n    %s\n", k->usage, k->doc);
    put_flags(k);
    return c->words.n > 1 ? model_help(c, c->words.at[1]) : cli_print(c, "");
}

nrg_status cli_help(cli *c) {
    const cli_command *k;
    for (int i = 0; c->words.n && (k = cli_command_at(i)); i++)
        if (strcmp(k->name, c->words.at[0]) == 0) return command_help(c, k);
    if (c->words.n)
        return cli_usage(c, "nrg help lists the commands", "no command '%s'", c->words.at[0]);
    printf("nrg: energy-based learning. A model file says energy, inference, loss and optimiser; "
           "nrg trains it and answers questions.\n\n");
    for (int i = 0; (k = cli_command_at(i)); i++) printf("  nrg %-66s %s\n", k->usage, k->doc);
    printf("\nMODEL is a .nrg file, a run folder, a .safetensors file, or - for stdin. Results go "
           "to stdout, messages to stderr.\n"
           "nrg help COMMAND lists its flags. docs/language.md describes model files.\n");
    return cli_print(c, "");
}
