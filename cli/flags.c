// Flags: one table, order-free, --name value or --name=value; the nearest name for an unknown one.
#include "cli.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { SWITCH, TEXT, LIST, MAYBE } kind; // MAYBE: its one word may follow after =
typedef struct {
    cli_flag pub;
    kind kind;
    size_t at; // offset in cli
} flag;
#define ON(name, field, doc)                                                                       \
    { {name, NULL, doc}, SWITCH, offsetof(cli, field) }
#define ONE(name, field, value, doc)                                                               \
    { {name, value, doc}, TEXT, offsetof(cli, field) }
#define SEVERAL(name, field, value, doc)                                                           \
    { {name, value, doc}, LIST, offsetof(cli, field) }
#define PERHAPS(name, field, value, doc)                                                           \
    { {name, value, doc}, MAYBE, offsetof(cli, field) }

static const flag flags[] = {
    SEVERAL("data", data, "FILE",
            "data: FILE, NAME=FILE, FILE:PART or NAME=FILE:PART (several add up)"),
    SEVERAL("valid", valid, "10%|FILE",
            "hold out this part, or these data, to choose the best weights"),
    SEVERAL("against", against, "FILE", "held-out rows: adds the share of them that lie at least as high"),
    SEVERAL("given", given, "x=...",
            "hold a variable at a value: numbers x=1,2, a label y=cat, or a file x=a.npy"),
    ONE("out", out, "PATH", "where results go (-o)"),
    SEVERAL("set", set, "NAME=VALUE", "size of a dim, or value of a hyper-parameter"),
    SEVERAL("stmt", stmt, "'STATEMENT'",
            "replaces the statement of the same keyword and variables, or adds one"),
    SEVERAL("map", map, "VAR=ARRAY", "which array a variable is"),
    ONE("seed", seed, "N", "seed of all random numbers (0)"),
    ONE("threads", threads, "N", "threads (all cores); results do not depend on it"),
    ON("f64", f64, "double precision"),
    PERHAPS("bf16", bf16, "[=draws,emulate]",
            "matrix products from bfloat16 numbers; draws: of a training, only where chains draw; emulate: slowly, without matrix units"),
    PERHAPS("bf16x3", bf16x3, "[=draws,emulate]", "the same with what rounding left, to nearly the accuracy of float32"),
    ONE("time", time, "10min", "stop training after this time, with a checkpoint"),
    ONE("checkpoint", checkpoint, "5min",
        "how often a checkpoint is written (also at the end and on Ctrl-C)"),
    ON("resume", resume, "continue the run exactly where its checkpoint stands"),
    ON("rescue", rescue, "when training diverges: back to the last good state with half the learning rate, then gradients clipped, then energies kept small"),
    ONE("init", init, "FILE", "start from the weights of another run"),
    ON("overwrite", overwrite, "replace what exists at -o"),
    ON("last", last, "of a run: the last weights instead of the best"),
    ON("quiet", quiet, "no progress, no notes"),
    ON("json", json, "results as JSON, one object a line"),
    ONE("top", top, "N", "only the first N lines (rank, autocorrelation)"),
    ONE("minima", minima, "K", "best: up to K distinct local minima, lowest first"),
    ONE("among", among, "a,b", "choose among these labels or numbers only"),
    ON("anyway", anyway, "answer although training never compared these energies"),
    ONE("n", n, "N", "number of samples"),
    ONE("steps", steps, "N", "steps of each chain after its warm-up (logz: in all)"),
    ONE("warmup", warmup, "N", "steps before the first draw (`steps` of the method, else 1000)"),
    ONE("every", every, "N", "steps from draw to draw (10)"),
    ONE("chains", chains, "N", "chains, for each row of the data (16)"),
    ONE("tempering", tempering, "LEVELS", "each chain is the coldest of a ladder of so many, which trade places"),
    ONE("hottest", hottest, "H", "heat of the last of a ladder: exp(-H beta E) (0.05)"),
    ONE("anneal", anneal, "H", "heat at the start of the warm-up, 1 after its first quarter"),
    ON("log-z", log_z, "dist: the logarithm of its normaliser instead, as an interval (--width)"),
    ON("summary", summary, "a line a number instead of the draws: mean, its error, deviation, quantiles, effective sample sizes, R-hat"),
    ON("autocorrelation", autocorrelation, "a table of autocorrelations instead of the draws, the slowest number first (--top N)"),
    ONE("from", from, "data|buffer", "logz: the way back starts at the data; sample: at the chains that training kept"),
    ONE("base", base, "data", "what annealing begins with: a density fitted to the data"),
    ONE("width", width, "W", "width of the interval asked for (0.1)"),
    ON("shapes", shapes, "types and sizes of everything declared"),
    ON("graph", graph, "the energy as a graph, one line a node"),
    ON("plan", plan, "the steps that compute it, and a step of the sampler; with --data a training step"),
    ON("audit", audit, "claims about the energy's structure, tried numerically"),
    ON("resolved", resolved, "the model as text, with --set and --stmt in place"),
    ONE("diagnostics", diagnostics, "json", "messages as JSON, one a line, on stdout"),
    ON("errors", errors, "list every code"),
    ON("losses", losses, "what every loss of the library does, found numerically"),
    ONE("loss", loss, "EXPRESSION", "check this loss over pos, neg, lowest, free; parameters by --set"),
    ONE("x", x, "LO..HI", "range across"),
    ONE("y", y, "LO..HI", "range up"),
    ONE("range", range, "LO..HI", "energies of the darkest and the brightest colour"),
    ONE("title", title, "TEXT", "title of the picture"),
    ONE("across", across, "N", "pictures in a row (3)"),
    ONE("points", points, "N", "grid points each way (100)"),
    ONE("row", row, "N", "row of the data that gives the other variables (0)"),
    ONE("tile", tile, "HxW", "shape of a tile"),
    ON("grey", grey, "grey tiles, each on its own scale"),
    ONE("rows", rows, "N", "how many rows to show (3)"),
    ON("help", help, "this command's flags (-h)"),
};
enum { FLAGS = sizeof flags / sizeof *flags };

nrg_status cli_usage(cli *c, const char *help, const char *fmt, ...) {
    char what[600], line[700];
    va_list list;
    va_start(list, fmt);
    vsnprintf(what, sizeof what, fmt, list);
    va_end(list);
    bool top = strcmp(c->command, "nrg") == 0;
    snprintf(line, sizeof line, "%s%s%s", top ? "" : c->command, top ? "" : ": ", what);
    return nrg_complain(c->ctx, NRG_E090, line, help);
}

static const flag *find(const char *name, size_t n) {
    for (int i = 0; i < FLAGS; i++)
        if (strlen(flags[i].pub.name) == n && strncmp(flags[i].pub.name, name, n) == 0)
            return &flags[i];
    return NULL;
}

const cli_flag *cli_flag_get(const char *name) {
    const flag *f = find(name, strlen(name));
    return f ? &f->pub : NULL;
}

// Is `name` one of the words of the list?
static bool takes(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *p = list; (p = strstr(p, name)); p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == 0)) return true;
    return strcmp(name, "help") == 0;
}

static nrg_status unknown(cli *c, const cli_command *k, const char *arg) {
    char word[64], help[120];
    const char *names[FLAGS], *near;
    int n = 0;
    size_t length = strcspn(arg, "=");
    while (*arg == '-') arg++, length--;
    snprintf(word, sizeof word, "%.*s", (int)length, arg);
    for (int i = 0; i < FLAGS; i++)
        if (takes(k->flags, flags[i].pub.name)) names[n++] = flags[i].pub.name;
    near = nrg_nearest(word, names, n);
    if (near)
        snprintf(help, sizeof help, "did you mean --%s?", near);
    else
        snprintf(help, sizeof help, "nrg help %s lists its flags", k->name);
    return cli_usage(c, help, "unknown flag --%s", word);
}

static nrg_status store(cli *c, const flag *f, const char *value) {
    char *at = (char *)c + f->at;
    if (f->kind == SWITCH) {
        *(bool *)at = true;
        return NRG_OK;
    }
    if (f->kind == TEXT || f->kind == MAYBE) {
        if (*(const char **)at) return cli_usage(c, NULL, "--%s is given twice", f->pub.name);
        *(const char **)at = value;
        return NRG_OK;
    }
    cli_list *l = (cli_list *)at;
    if (l->n == CLI_MANY)
        return cli_usage(c, NULL, "more than %d times --%s", CLI_MANY, f->pub.name);
    l->at[l->n++] = value;
    return NRG_OK;
}

static const char *long_name(const char *arg) {
    if (strcmp(arg, "-o") == 0) return "--out";
    if (strcmp(arg, "-n") == 0) return "--n";
    return strcmp(arg, "-h") == 0 ? "--help" : arg;
}

static bool how(const char *value) {
    static const char *const words[] = {"emulate", "draws", "draws,emulate", "emulate,draws"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(value, words[i]) == 0) return true;
    return false;
}

nrg_status cli_parse(cli *c, const cli_command *k) {
    bool only_words = false;
    for (int i = 2; i < c->argc; i++) {
        const char *arg = c->argv[i];
        if (only_words || arg[0] != '-' || arg[1] == 0) {
            if (c->words.n == CLI_MANY) return cli_usage(c, NULL, "too many words");
            c->words.at[c->words.n++] = arg;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            only_words = true;
            continue;
        }
        const char *name = long_name(arg), *eq = strchr(name, '=');
        size_t n = name[1] == '-' ? (eq ? (size_t)(eq - name) : strlen(name)) - 2 : 0;
        const flag *f = name[1] == '-' ? find(name + 2, n) : NULL;
        if (!f || !takes(k->flags, f->pub.name)) return unknown(c, k, arg);
        const char *value = eq ? eq + 1 : NULL;
        if (f->kind == SWITCH && value)
            return cli_usage(c, NULL, "--%s takes no value", f->pub.name);
        if (f->kind == MAYBE && value && !how(value))
            return cli_usage(c, NULL, "--%s stands alone or with draws, emulate or both: --%s=draws,emulate", f->pub.name, f->pub.name);
        if (f->kind == MAYBE && !value) value = "";
        if (f->kind != SWITCH && !value) {
            if (i + 1 == c->argc)
                return cli_usage(c, NULL, "--%s needs a value: --%s %s", f->pub.name, f->pub.name,
                                 f->pub.value);
            value = c->argv[++i];
        }
        if (value && !*value && strcmp(f->pub.name, "out") == 0) // would be the root folder
            return cli_usage(c, NULL, "--out needs a path, found an empty word");
        nrg_status s = store(c, f, value);
        if (s != NRG_OK) return s;
    }
    return NRG_OK;
}

nrg_status cli_integer(cli *c, const char *flag_name, const char *text, long long least,
                       long long *out) {
    char *end;
    if (!text) return NRG_OK;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (end != text && *end == 0 && *out >= least && errno == 0) return NRG_OK;
    return cli_usage(c, NULL, "--%s takes a whole number from %lld, not '%s'", flag_name, least,
                     text);
}

nrg_status cli_seconds(cli *c, const char *flag_name, const char *text, double *out) {
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"sec", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    *out = 0;
    if (!text) return NRG_OK;
    double v = strtod(text, &end);
    for (size_t i = 0; end != text && v > 0 && i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].unit) == 0) {
            *out = v * units[i].seconds;
            return NRG_OK;
        }
    return cli_usage(c, NULL, "--%s takes a duration such as 90s, 10min or 2h, not '%s'", flag_name,
                     text);
}

nrg_status cli_range(cli *c, const char *flag_name, const char *text, double *lo, double *hi) {
    char *end, *last;
    *lo = *hi = 0;
    if (!text) return NRG_OK;
    // strtod would eat the first dot of 0..1: the number ends before it.
    char first[64];
    const char *dots = strstr(text, "..");
    snprintf(first, sizeof first, "%.*s", dots ? (int)(dots - text) : 0, text);
    *lo = strtod(first, &end);
    *hi = dots ? strtod(dots + 2, &last) : 0;
    if (dots && end != first && !*end && last != dots + 2 && !*last && isfinite(*hi - *lo) && *lo < *hi) return NRG_OK;
    return cli_usage(c, NULL, "--%s takes a range such as -1..1, not '%s'", flag_name, text);
}
