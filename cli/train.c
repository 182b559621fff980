// nrg train: the run folder, live progress, Ctrl-C.
#include "cli.h"
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// How often Ctrl-C came. A signal handler can reach nothing else.
static volatile sig_atomic_t interrupts;

static void on_interrupt(int number) {
    (void)number;
    if (++interrupts > 1) _exit(130);
}

static void listen_for_interrupts(void) {
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = on_interrupt;
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

// ---- progress ----

typedef struct {
    cli *c;
    bool tty;
    double shown;  // when the line was last written, in seconds of training
    size_t length; // of the line that stands on the terminal
} screen;

static void put_value(char *line, size_t room, const char *name, double v) {
    size_t n = strlen(line);
    if (isfinite(v)) snprintf(line + n, room - n, "  %s %.4g", name, v);
}

static void put_rate(char *line, size_t room, const nrg_progress *p) {
    size_t n = strlen(line);
    double r = p->samples_per_second;
    if (isfinite(r) && r > 0)
        snprintf(line + n, room - n, r >= 1e4 ? "  %.1fk/s" : "  %.0f/s", r >= 1e4 ? r / 1000 : r);
    n = strlen(line);
    if (isfinite(p->eta) && p->eta >= 0.5) {
        long s = lround(p->eta);
        if (s < 3600)
            snprintf(line + n, room - n, "  eta %ld:%02ld", s / 60, s % 60);
        else
            snprintf(line + n, room - n, "  eta %ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    }
}

static void compose(char *line, size_t room, const nrg_progress *p) {
    snprintf(line, room, "epoch %3lld/%lld", (long long)p->epoch, (long long)p->epochs);
    size_t n = strlen(line);
    if (!p->epoch_end) snprintf(line + n, room - n, " %3.0f%%", 100 * p->fraction);
    put_value(line, room, "loss", p->loss);
    put_value(line, room, "pos", p->pos);
    put_value(line, room, "neg", p->neg);
    put_value(line, room, "free", p->free);
    put_value(line, room, "gap", p->gap);
    put_value(line, room, "|g|", p->norm);
    put_value(line, room, "accept", p->acceptance);
    put_value(line, room, "R-hat", p->rhat);
    put_value(line, room, "valid", p->valid_loss);
    n = strlen(line);
    if (p->best && isfinite(p->valid_loss)) snprintf(line + n, room - n, "*");
    n = strlen(line);
    if (p->epoch_end && p->judged)
        snprintf(line + n, room - n, "  missed %lld of %lld", (long long)p->missed, (long long)p->judged);
    put_rate(line, room, p);
}

// On a terminal one line, rewritten ten times a second; else one line an epoch.
static void draw(screen *s, const nrg_progress *p) {
    char line[256];
    if (s->tty && !p->epoch_end && p->seconds - s->shown < 0.1) return;
    if (!s->tty && !p->epoch_end) return;
    compose(line, sizeof line, p);
    s->shown = p->seconds;
    if (!s->tty) {
        fprintf(stderr, "%s\n", line);
        return;
    }
    size_t n = strlen(line);
    fprintf(stderr, "\r%s%*s%s", line, (int)(s->length > n ? s->length - n : 0), "",
            p->epoch_end ? "\n" : "");
    s->length = p->epoch_end ? 0 : n;
    fflush(stderr);
}

static bool progress(void *ud, const nrg_progress *p) {
    screen *s = ud;
    if (!s->c->quiet) draw(s, p);
    if (p->epoch_end) cli_show(s->c); // a warning of an hour ago helps nobody
    return interrupts == 0;
}

// ---- what was asked ----

static void command_line(const cli *c, bool resume, char *to, size_t room) {
    bool said = false;
    size_t n = 0;
    to[0] = 0;
    for (int i = 0; i < c->argc && n + 4 < room; i++) {
        const char *arg = i ? c->argv[i] : "nrg";
        if (resume && !strcmp(arg, "--overwrite")) continue;
        said = said || !strcmp(arg, "--resume");
        bool quote = strpbrk(arg, " '\"|()*<>$&;") != NULL;
        n += (size_t)snprintf(to + n, room - n, "%s%s%s%s", i ? " " : "", quote ? "'" : "", arg,
                              quote ? "'" : "");
        if (n >= room) n = room - 1;
    }
    if (resume && !said && n + 10 < room) snprintf(to + n, room - n, " --resume");
}

// --valid 10% holds out rows; --valid FILE... gives other data.
static nrg_status validation(cli *c, nrg_train_options *o, nrg_table **t) {
    char tail;
    double part;
    *t = NULL;
    if (c->valid.n == 1 && sscanf(c->valid.at[0], "%lf%c", &part, &tail) == 2 && tail == '%') {
        if (!(part > 0 && part < 100))
            return cli_usage(c, "--valid 10%",
                             "--valid takes a part between 0%% and 100%%, not '%s'",
                             c->valid.at[0]);
        o->valid = part / 100;
        return NRG_OK;
    }
    if (c->valid.n == 0) return NRG_OK;
    nrg_status s = nrg_data_load(c->ctx, c->valid.at, c->valid.n, t);
    o->valid_table = *t;
    return s;
}

static nrg_status check_folder(cli *c, const char *out) {
    char line[600], help[700];
    if (c->resume && c->overwrite)
        return cli_usage(c, NULL, "--resume and --overwrite exclude each other");
    if (c->resume && !cli_exists(out)) {
        snprintf(line, sizeof line, "train: nothing to resume: there is no %s", out);
        return nrg_complain(c->ctx, NRG_E090, line, "leave --resume out to start a new run");
    }
    if (c->resume || c->overwrite || !cli_exists(out)) return NRG_OK;
    snprintf(line, sizeof line, "%s exists already", out);
    snprintf(help, sizeof help,
             "choose another folder with -o, or say --resume (continue exactly) or --overwrite");
    return nrg_complain(c->ctx, NRG_E091, line, help);
}

static void finish(cli *c, const char *out, nrg_status s) {
    char again[1500];
    if (s == NRG_E093) {
        command_line(c, true, again, sizeof again);
        fprintf(stderr, "%sinterrupted; a checkpoint is in %s\ncontinue with: %s\n",
                isatty(2) ? "\n" : "", out, again);
        // The message of the library would say the same again.
        while (c->shown < nrg_diag_count(c->ctx) &&
               nrg_diag_get(c->ctx, c->shown)->status == NRG_E093)
            c->shown++;
    }
    if (s != NRG_OK) return;
    if (c->json)
        printf("{\"run\": \"%s\", \"status\": \"done\"}\n", out);
    else
        cli_note(c, "done: %s   (nrg ask best VAR %s ..., nrg plot loss %s)\n", out, out, out);
}

static nrg_status train(cli *c, nrg_ebm *m, nrg_table *data, nrg_train_options *o) {
    const char *lines;
    screen s = {.c = c, .tty = isatty(2) != 0};
    nrg_status st = nrg_ebm_train_prepare(m, data, o, &lines);
    if (st != NRG_OK) return st;
    cli_show(c);
    cli_note(c, "%s", lines);
    if (!c->quiet && !o->resume) cli_remark_losses(c, m, c->words.at[0]);
    listen_for_interrupts();
    st = nrg_ebm_train_go(m, progress, &s);
    if (s.length) fputc('\n', stderr);
    finish(c, o->out, st);
    return st;
}

nrg_status cli_train(cli *c) {
    char line[1500];
    nrg_ebm *m = NULL;
    nrg_table *data = NULL, *valid = NULL;
    nrg_train_options o = {.out = c->out ? c->out : "run",
                           .resume = c->resume,
                           .overwrite = c->overwrite,
                           .rescue = c->rescue,
                           .init = c->init};
    if (c->words.n != 1)
        return cli_usage(c, "nrg train MODEL --data FILE",
                         c->words.n ? "one model at a time" : "which model?");
    command_line(c, false, line, sizeof line);
    o.argv = line;
    nrg_status s = cli_seconds(c, "time", c->time, &o.seconds);
    if (s == NRG_OK) s = cli_seconds(c, "checkpoint", c->checkpoint, &o.checkpoint_seconds);
    if (s == NRG_OK) s = cli_model(c, c->words.at[0], &m);
    if (s == NRG_OK) s = nrg_ebm_trainable(m);
    if (s == NRG_OK) s = check_folder(c, o.out);
    if (s == NRG_OK) s = cli_need_data(c, m, &data);
    if (s == NRG_OK) s = validation(c, &o, &valid);
    bool fresh = !cli_exists(o.out);
    if (s == NRG_OK) s = train(c, m, data, &o);
    if (s != NRG_OK && fresh) rmdir(o.out); // goes only when nothing was written
    nrg_ebm_free(m);
    nrg_table_free(data);
    nrg_table_free(valid);
    return s;
}
