// Driving gnuplot: script and data beside the picture, one child process, its complaint in our message.
#include "plot/plot.h"
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *base_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// Length of the path without its extension.
static size_t stem(const char *path) {
    const char *b = base_of(path), *dot = strrchr(b, '.');
    return dot && dot != b ? (size_t)(dot - path) : strlen(path);
}

static bool ends(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

// A gnuplot string in single quotes: a quote inside is doubled.
static void quoted(nrg_text *t, const char *s, size_t n) {
    nrg_text_put(t, "'");
    for (size_t i = 0; i < n; i++) nrg_text_put(t, s[i] == '\'' ? "''" : "%c", s[i]);
    nrg_text_put(t, "'");
}

static void label(nrg_text *t, const char *what, const char *s) {
    if (!s) return;
    nrg_text_put(t, "set %s ", what);
    quoted(t, s, strlen(s));
    nrg_text_put(t, " noenhanced\n");
}

void nrg_gnuplot_data(const char *path, nrg_text *script) {
    const char *b = base_of(path);
    nrg_text name = nrg_text_make(script->ctx);
    nrg_text_put(&name, "%.*s.dat", (int)(stem(path) - (size_t)(b - path)), b);
    if (nrg_text_end(&name) == NRG_OK)
        quoted(script, name.at, name.n);
    else
        script->bad = true;
    nrg_text_free(&name);
}

nrg_status nrg_gnuplot_head(const char *path, const nrg_plot_axes *a, int width, int height,
                            nrg_text *script) {
    if (ends(path, ".svg")) {
        nrg_text_put(script, "set terminal svg size %d,%d font 'sans,14' background '#ffffff'\n",
                     width, height);
    } else if (ends(path, ".png")) {
        nrg_text_put(script,
                     "if (strstrt(GPVAL_TERMINALS, ' pngcairo ') > 0) {\n"
                     "    set terminal pngcairo size %d,%d font 'sans,12' background '#ffffff'\n"
                     "} else {\n    set terminal png size %d,%d\n}\n",
                     width, height, width, height);
    } else {
        nrg_status s = nrg_fail(script->ctx, NRG_E090, NRG_NOWHERE,
                                "a picture is a .png or a .svg file, not %s", path);
        nrg_help(script->ctx, "-o picture.png");
        return s;
    }
    nrg_text_put(script, "set output ");
    quoted(script, base_of(path), strlen(base_of(path)));
    nrg_text_put(
        script,
        "\nset encoding utf8\nset border lc rgb '#404040'\nset tics textcolor rgb '#202020'\n"
        "set key top right opaque box lc rgb '#c0c0c0' noenhanced\n");
    label(script, "title", a->title);
    label(script, "xlabel", a->x);
    label(script, "ylabel", a->y);
    if (a->log_y) nrg_text_put(script, "set logscale y\n");
    return nrg_text_end(script);
}

// In the child: the folder of the picture, the script's name there, gnuplot. Ends the child.
static void child(const char *folder, const char *script, int out) {
    char *argv[] = {(char *)"gnuplot", (char *)(size_t)script, NULL};
    if (dup2(out, 1) < 0 || dup2(out, 2) < 0 || (*folder && chdir(folder) != 0)) _exit(126);
    execvp("gnuplot", argv);
    _exit(127);
}

static nrg_status report(nrg_ctx *c, int status, const char *said, const char *script) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return NRG_OK;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        nrg_status s =
            nrg_fail(c, NRG_E092, NRG_NOWHERE, "cannot draw: the program gnuplot is not installed");
        nrg_help(c,
                 "install gnuplot (Debian: gnuplot-nox), or draw with your own tool: the data lie "
                 "beside %s",
                 script);
        return s;
    }
    nrg_status s = nrg_fail(c, NRG_E092, NRG_NOWHERE, "gnuplot refused %s", script);
    if (*said) nrg_fact(c, "it said: %s", said);
    return s;
}

static nrg_status run(nrg_ctx *c, const char *folder, const char *script) {
    char said[400];
    size_t n = 0;
    int fd[2], status = 0;
    if (pipe(fd) != 0)
        return nrg_fail(c, NRG_E092, NRG_NOWHERE, "cannot start gnuplot: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        close(fd[0]);
        child(folder, script, fd[1]);
    }
    close(fd[1]);
    for (char part[256]; pid > 0;) {
        ssize_t got = read(fd[0], part, sizeof part);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        for (ssize_t i = 0; i < got && n + 1 < sizeof said; i++)
            if (part[i] != '\n' || n) said[n++] = part[i] == '\n' ? ' ' : part[i];
    }
    said[n] = 0;
    close(fd[0]);
    if (pid < 0)
        return nrg_fail(c, NRG_E092, NRG_NOWHERE, "cannot start gnuplot: %s", strerror(errno));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return report(c, status, said, script);
}

nrg_status nrg_gnuplot(nrg_ctx *c, const char *path, const nrg_text *script, const nrg_text *data) {
    size_t n = stem(path), before = (size_t)(base_of(path) - path);
    nrg_text name = nrg_text_make(c), folder = nrg_text_make(c);
    nrg_text_put(&name, "%.*s.dat", (int)n, path);
    nrg_text_put(&folder, "%.*s", (int)before, path);
    nrg_status s = name.bad || folder.bad || script->bad || data->bad ? NRG_E098 : NRG_OK;
    if (s == NRG_OK) s = nrg_file_write(c, name.at, data->at, data->n);
    if (s == NRG_OK) {
        memcpy(name.at + n, ".gp", 4);
        s = nrg_file_write(c, name.at, script->at, script->n);
    }
    if (s == NRG_OK) s = run(c, folder.at, name.at + before);
    nrg_text_free(&name);
    nrg_text_free(&folder);
    return s;
}
