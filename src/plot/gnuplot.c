// Driving gnuplot: script and data beside the picture, one child process, its complaint in our message.
#include "plot/plot.h"
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TICK = 24 }; // letters of a word under an axis

static const char *base_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// Length of the path without its extension.
static size_t stem(const char *path) {
    const char *b = base_of(path), *dot = strrchr(b, '.');
    return dot && dot != b ? (size_t)(dot - path) : strlen(path);
}

// A gnuplot string in single quotes: a quote inside is doubled, and a line must not end. gnuplot misreads a quote at the
// very beginning (''' ends the string), so that one becomes a curly one.
void nrg_gnuplot_quoted(nrg_text *t, const char *s) {
    nrg_text_put(t, *s == '\'' ? "'\xe2\x80\x99" : "'");
    if (*s == '\'') s++;
    for (; *s; s++) nrg_text_put(t, *s == '\'' ? "''" : "%c", (unsigned char)*s < ' ' ? ' ' : *s);
    nrg_text_put(t, "'");
}

int nrg_gnuplot_tick_width(const char *s) {
    int n = 0;
    for (; *s; s++) n += (*s & 0xc0) != 0x80;
    return n < TICK ? n : TICK;
}

void nrg_gnuplot_tick(nrg_text *t, const char *s) {
    nrg_text word = nrg_text_make(t->ctx);
    nrg_text_bytes(&word, "", 0);
    for (int n = 0; *s; s++) {
        n += (*s & 0xc0) != 0x80; // letters, not bytes
        if (n > TICK) {
            nrg_text_put(&word, "\xe2\x80\xa6");
            break;
        }
        nrg_text_put(&word, *s == '%' ? "%%%%" : "%c", *s);
    }
    if (nrg_text_end(&word) == NRG_OK) nrg_gnuplot_quoted(t, word.at);
    else t->bad = true;
    nrg_text_free(&word);
}

static void file_name(nrg_text *script, const char *name) {
    nrg_text path = nrg_text_make(script->ctx);
    nrg_text_put(&path, "%s%s", *name == '\'' ? "./" : "", name);
    if (nrg_text_end(&path) == NRG_OK) nrg_gnuplot_quoted(script, path.at);
    else script->bad = true;
    nrg_text_free(&path);
}

static void label(nrg_text *t, const char *what, const char *s) {
    if (!s) return;
    nrg_text_put(t, "set %s ", what);
    nrg_gnuplot_quoted(t, s);
    nrg_text_put(t, " noenhanced\n");
}

// Words under the axis: slanted where they would touch.
void nrg_gnuplot_ticks(nrg_text *t, const nrg_plot_axes *a) {
    size_t longest = 0;
    if (!a->ticks) return;
    for (int i = 0; i < a->ticks_n; i++) longest = strlen(a->ticks[i]) > longest ? strlen(a->ticks[i]) : longest;
    nrg_text_put(t, "set xtics noenhanced %s(", longest * (size_t)a->ticks_n > 80 ? "rotate by 40 right " : "");
    for (int i = 0; i < a->ticks_n; i++) {
        nrg_text_put(t, i ? ", " : "");
        nrg_gnuplot_tick(t, a->ticks[i]);
        nrg_text_put(t, " %d", i);
    }
    nrg_text_put(t, ")\nset xrange [-0.6:%g]\n", a->ticks_n - 0.4);
}

void nrg_gnuplot_data(const char *path, nrg_text *script) {
    const char *b = base_of(path);
    nrg_text name = nrg_text_make(script->ctx);
    nrg_text_put(&name, "%.*s.dat", (int)(stem(path) - (size_t)(b - path)), b);
    if (nrg_text_end(&name) == NRG_OK)
        file_name(script, name.at);
    else
        script->bad = true;
    nrg_text_free(&name);
}

nrg_status nrg_gnuplot_head(const char *path, const nrg_plot_axes *a, int width, int height,
                            nrg_text *script) {
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p < ' ')
            return nrg_fail(script->ctx, NRG_E090, NRG_NOWHERE, "the name of a picture has no control characters");
    if (nrg_ends(path, ".svg")) {
        nrg_text_put(script, "set terminal svg size %d,%d font 'sans,14' background '#ffffff'\n",
                     width, height);
    } else if (nrg_ends(path, ".png")) {
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
    file_name(script, base_of(path));
    nrg_text_put(
        script,
        "\nset encoding utf8\nset border lc rgb '#404040'\nset tics textcolor rgb '#202020'\n"
        "set key below horizontal height 1 noenhanced\n");
    label(script, "title", a->title);
    label(script, "xlabel", a->x);
    label(script, "ylabel", a->y);
    nrg_gnuplot_ticks(script, a);
    if (a->x0 < a->x1) nrg_text_put(script, "set xrange [%.9g:%.9g]\n", a->x0, a->x1);
    if (a->y0 < a->y1) nrg_text_put(script, "set yrange [%.9g:%.9g]\n", a->y0, a->y1);
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
    if (s == NRG_OK && (s = run(c, folder.at, name.at + before)) != NRG_OK) remove(path); // half a picture
    nrg_text_free(&name);
    nrg_text_free(&folder);
    return s;
}
