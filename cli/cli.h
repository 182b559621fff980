// The command: flags, messages and files shared by its parts. Includes nrg.h only, like any other program on the library.
#ifndef NRG_CLI_H
#define NRG_CLI_H

#include "nrg.h"

enum { CLI_MANY = 64 };

typedef struct {
    const char *at[CLI_MANY];
    int n;
} cli_list;

typedef struct {
    nrg_ctx *ctx;
    const char *command;
    int argc;
    char **argv;
    int shown;      // diagnostics printed so far
    cli_list words; // what is not a flag
    cli_list data, valid, against, set, stmt, map, given;
    const char *out, *init, *time, *checkpoint, *top, *minima, *among, *seed, *threads, *n, *diagnostics, *x, *y, *points, *row, *tile, *rows, *range, *title, *across;
    const char *steps, *warmup, *every, *chains, *loss;
    const char *from, *base, *width, *tempering, *hottest, *anneal;
    const char *bf16, *bf16x3; // "": said without a word
    void *keep[3 * CLI_MANY]; // memory that lives until the command ends
    int keep_n;
    bool rescue, f64, resume, overwrite, quiet, json, anyway, last, shapes, graph, plan, audit, resolved, errors, losses, grey, log_z, summary, autocorrelation, help;
} cli;

typedef struct {
    const char *name, *usage, *doc;
    const char *flags; // the flags it takes, by name
    nrg_status (*run)(cli *c);
} cli_command;
const cli_command *cli_command_at(int i); // NULL past the end

// flags.c
typedef struct {
    const char *name, *value, *doc; // value NULL: a switch
} cli_flag;
nrg_status cli_parse(cli *c, const cli_command *command);
const cli_flag *cli_flag_get(const char *name);
nrg_status cli_usage(cli *c, const char *help, const char *fmt, ...) __attribute__((format(printf, 3, 4))); // E090
nrg_status cli_integer(cli *c, const char *flag, const char *text, long long least, long long *out); // text NULL: out stays
nrg_status cli_seconds(cli *c, const char *flag, const char *text, double *out); //  90, 10s, 5min, 2h
nrg_status cli_range(cli *c, const char *flag, const char *text, double *lo, double *hi);           // -1..1

// out.c
void cli_show(cli *c);                        // messages not yet shown, to stderr (or as JSON to stdout)
void cli_note(const cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3))); // stderr, unless --quiet
nrg_status cli_print(cli *c, const char *text); // a result, to stdout; E092 when it cannot be written
void cli_remark_losses(cli *c, nrg_ebm *m, const char *path); // a note where the lectures' conditions fail
nrg_status cli_may_write(cli *c, const char *path); // E091 when it exists and --overwrite was not said
nrg_status cli_may_save(cli *c, const char *path, const char *ends); // the same; E090 where it ends in none of these: ".csv .npz"
bool cli_folder(const char *path);
bool cli_exists(const char *path);

void *cli_keep(cli *c, size_t bytes); // freed when the command ends; NULL (E098) when refused
void cli_keep_free(cli *c);

// load.c
nrg_status cli_options(cli *c, nrg_options *o);
nrg_status cli_model(cli *c, const char *path, nrg_ebm **m);
// Data of --data and --given together; *t is NULL when there are neither.
nrg_status cli_data(cli *c, nrg_ebm *m, nrg_table **t);
nrg_status cli_need_data(cli *c, nrg_ebm *m, nrg_table **t); // E090 when there are none

// The commands, by file.
nrg_status cli_check(cli *c);   // look.c
nrg_status cli_show_model(cli *c);
nrg_status cli_explain(cli *c);
nrg_status cli_losses(cli *c);  // losses.c
nrg_status cli_loss(cli *c);
nrg_status cli_version(cli *c);
nrg_status cli_help(cli *c);
nrg_status cli_train(cli *c);   // train.c
bool cli_progress(void *c, const nrg_progress *p);
nrg_status cli_ask(cli *c);     // ask.c
nrg_status cli_calibrate(cli *c); // calibrate.c
nrg_status cli_energy(cli *c);
nrg_status cli_eval(cli *c);
nrg_status cli_test(cli *c);
nrg_status cli_sample(cli *c);  // sample.c
nrg_status cli_bench(cli *c);   // bench.c
nrg_status cli_sample_options(cli *c, nrg_sample_options *o); // -n, --chains, --warmup, --every, --steps
nrg_status cli_logz_options(cli *c, nrg_log_z_options *o);             // --width, --chains, --steps, --from, --base
nrg_status cli_logz_deliver(cli *c, nrg_log_z *z);
nrg_status cli_plot(cli *c);    // plot.c
nrg_status cli_selftest(cli *c);
nrg_status cli_logz(cli *c);    // logz.c
nrg_status cli_report(cli *c);  // report.c
nrg_status cli_data_command(cli *c); // data.c
#endif
