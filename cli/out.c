// Where things go: results to stdout, messages and progress to stderr, files never over others unasked.
#include "cli.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void cli_show(cli *c) {
    bool json = c->diagnostics != NULL;
    for (; c->shown < nrg_diag_count(c->ctx); c->shown++) {
        char small[4096], *at = small;
        size_t n = json ? nrg_diag_json_text(c->ctx, c->shown, small, sizeof small)
                        : nrg_diag_text(c->ctx, c->shown, small, sizeof small);
        if (n >= sizeof small && (at = malloc(n + 1))) {
            if (json)
                nrg_diag_json_text(c->ctx, c->shown, at, n + 1);
            else
                nrg_diag_text(c->ctx, c->shown, at, n + 1);
        }
        fputs(at ? at : small, json ? stdout : stderr);
        if (at != small) free(at);
    }
}

void cli_note(const cli *c, const char *fmt, ...) {
    va_list list;
    if (c->quiet) return;
    va_start(list, fmt);
    vfprintf(stderr, fmt, list);
    va_end(list);
}

nrg_status cli_print(cli *c, const char *text) {
    char line[200];
    if (fputs(text, stdout) >= 0 && fflush(stdout) == 0) return NRG_OK;
    snprintf(line, sizeof line, "cannot write to stdout: %s", strerror(errno));
    return nrg_complain(c->ctx, NRG_E092, line, NULL);
}

bool cli_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool cli_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

nrg_status cli_may_write(cli *c, const char *path) {
    char line[600];
    if (c->overwrite || !cli_exists(path)) return NRG_OK;
    snprintf(line, sizeof line, "%s exists already", path);
    return nrg_complain(c->ctx, NRG_E091, line, "choose another -o, or say --overwrite");
}

nrg_status cli_may_save(cli *c, const char *path, const char *ends) {
    char end[40], help[60];
    const char *dot = strrchr(path, '.');
    snprintf(end, sizeof end, "%s ", dot ? dot : "?");
    snprintf(help, sizeof help, "results go to one of %s", ends);
    bool known = false;
    for (const char *p = ends; p && !known; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL)
        known = strncmp(p, end, strlen(end) - 1) == 0 && (p[strlen(end) - 1] == ' ' || !p[strlen(end) - 1]);
    return known ? cli_may_write(c, path) : cli_usage(c, help, "cannot write %s", path);
}

void *cli_keep(cli *c, size_t bytes) {
    void *p = c->keep_n < 3 * CLI_MANY ? malloc(bytes ? bytes : 1) : NULL;
    if (p)
        c->keep[c->keep_n++] = p;
    else
        nrg_complain(c->ctx, NRG_E098, "out of memory", NULL);
    return p;
}

void cli_keep_free(cli *c) {
    while (c->keep_n) free(c->keep[--c->keep_n]);
}
