// nrg: the command. A table of sub-commands; each returns a status, which gives the exit code.
#include "cli.h"
#include <stdio.h>
#include <string.h>

#define MODEL_FLAGS "set stmt map seed threads f64 bf16 bf16x3 last quiet "

static const cli_command commands[] = {
    {"check", "check MODEL", "parse, types, structure; no data needed",
     MODEL_FLAGS "shapes graph plan data audit resolved diagnostics", cli_check},
    {"train", "train MODEL --data FILE... [--valid 10%|FILE] [-o run]",
     "learn; leaves a run folder",
     MODEL_FLAGS "data valid out time checkpoint resume rescue init overwrite json", cli_train},
    {"ask", "ask best|rank|dist VAR MODEL [--data FILE] [--given x=...]",
     "answer one of the six questions",
     MODEL_FLAGS "data given top minima among anyway log-z width chains steps out overwrite json n", cli_ask},
    {"calibrate", "calibrate VAR MODEL --data FILE [-o OUT.nrgm]",
     "fit the scale of the energies to rows that were not trained on, so that `ask dist` is honest",
     MODEL_FLAGS "data out overwrite json", cli_calibrate},
    {"sample", "sample MODEL [VAR...] [-n 64] [--given x=...] [-o FILE]",
     "draws from exp(-beta E), and what their chains say about themselves",
     MODEL_FLAGS "data given out overwrite json n steps warmup every chains tempering hottest anneal from summary autocorrelation top", cli_sample},
    {"energy", "energy MODEL --data FILE [--against HELD]", "F(x, y) of each sample; low = good",
     MODEL_FLAGS "data against given out overwrite json", cli_energy},
    {"logz", "logz MODEL [VAR...] [--width 0.1] [--data FILE]", "log of the normaliser of exp(-beta E), as an interval",
     MODEL_FLAGS "data given json chains steps width from base", cli_logz},
    {"bench", "bench MODEL --data FILE [--time 5s]", "where the time of a training step (or of the energy) goes, by lines of the model",
     MODEL_FLAGS "data time", cli_bench},
    {"selftest", "selftest [MODEL]", "every sampler against exact answers, of built-in models or of this one", MODEL_FLAGS, cli_selftest},
    {"eval", "eval MODEL --data FILE", "the metrics of `report`, one CSV row",
     MODEL_FLAGS "data json", cli_eval},
    {"show", "show MODEL", "one-screen summary: dims, variables, choices with reasons, questions",
     MODEL_FLAGS "resolved", cli_show_model},
    {"test", "test MODEL [--data FILE]",
     "check the `expect` lines (trains first when the model has no weights)",
     MODEL_FLAGS "data given", cli_test},
    {"plot", "plot KIND MODEL ...: loss landscape field slice samples traces autocorrelation confusion weights plane panels",
     "pictures, .png or .svg",
     MODEL_FLAGS "data given out overwrite x y points row tile grey range title across n steps warmup every chains",
     cli_plot},
    {"report", "report RUN [--data FILE] [-o report.html]",
     "one page of HTML: choices and reasons, figures, warnings, verdict, pictures",
     MODEL_FLAGS "data out overwrite", cli_report},
    {"data", "data make KIND -n 1000 -o FILE | data info FILE...",
     "built-in data; a look at data files", "n seed out overwrite rows quiet", cli_data_command},
    {"explain", "explain E036 | --errors | --losses | --loss EXPRESSION",
     "what a message means; what a loss does", "errors losses loss set",
     cli_explain},
    {"help", "help [COMMAND] [MODEL]", "commands, flags, hyper-parameters of a model", "",
     cli_help},
    {"version", "version", "the version", "", cli_version},
};

const cli_command *cli_command_at(int i) {
    return i >= 0 && i < (int)(sizeof commands / sizeof *commands) ? &commands[i] : NULL;
}

static const cli_command *find(const char *name) {
    const cli_command *k;
    for (int i = 0; (k = cli_command_at(i)); i++)
        if (strcmp(k->name, name) == 0) return k;
    return NULL;
}

static nrg_status unknown(cli *c, const char *name) {
    const char *names[32], *near;
    const cli_command *k;
    char help[80] = "nrg help lists the commands";
    int n = 0;
    for (; (k = cli_command_at(n)) && n < 32; n++) names[n] = k->name;
    if ((near = nrg_nearest(name, names, n)))
        snprintf(help, sizeof help, "did you mean '%s'?", near);
    return cli_usage(c, help, "unknown command '%s'", name);
}

static nrg_status go(cli *c) {
    const char *name = c->argc > 1 ? c->argv[1] : NULL;
    if (!name || !strcmp(name, "--help") || !strcmp(name, "-h")) name = "help";
    if (!strcmp(name, "--version")) name = "version";
    const cli_command *k = find(name);
    if (!k) return unknown(c, name);
    c->command = k->name;
    nrg_status s = cli_parse(c, k);
    if (s != NRG_OK) return s;
    if (c->help) {
        c->words.n = 0;
        c->words.at[c->words.n++] = k->name;
        return cli_help(c);
    }
    return k->run(c);
}

int main(int argc, char **argv) {
    cli c = {.argc = argc, .argv = argv, .command = "nrg", .ctx = nrg_ctx_new(NULL, NULL)};
    if (!c.ctx) {
        fputs("nrg: out of memory\n", stderr);
        return nrg_status_exit(NRG_E098);
    }
    nrg_status s = go(&c);
    cli_show(&c);
    cli_keep_free(&c);
    nrg_ctx_free(c.ctx);
    return nrg_status_exit(s);
}
