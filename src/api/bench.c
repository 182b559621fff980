// Where the time of a model goes: its training step, or its energy, or its draws, by the model's lines, beside what the machine can do.
#include "api/api.h"
#include "exec/exec.h"
#include <math.h>
#include <string.h>
#include <time.h>

enum { LINES = 24, TEXT = 72 };

// begin, end: processor time, as of steps; all work is done by this thread. stop: by the clock.
typedef struct {
    double begin, end, stop, limit;
    int64_t steps;
} stopwatch;

static double now(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void start(nrg_ctx *c, stopwatch *w) {
    nrg_spent_zero(c);
    w->begin = w->end = now(CLOCK_THREAD_CPUTIME_ID);
    w->stop = now(CLOCK_MONOTONIC) + w->limit;
}

static bool goes_on(stopwatch *w) {
    w->end = now(CLOCK_THREAD_CPUTIME_ID);
    return now(CLOCK_MONOTONIC) < w->stop;
}

static bool tick(void *ud, const nrg_progress *p) {
    stopwatch *w = ud;
    w->steps = (p->epoch - 1) * p->steps + p->step;
    return goes_on(w);
}

// ---- what is timed ----

static nrg_status training(nrg_ebm *m, const nrg_table *data, stopwatch *w) {
    int before = nrg_diag_count(m->ctx);
    TRY(nrg_ebm_train_prepare(m, data, NULL, NULL));
    start(m->ctx, w);
    nrg_status s = nrg_ebm_train_go(m, tick, w);
    if (s != NRG_E093) return s;
    nrg_diag_cut(m->ctx, before); // it was stopped here
    return NRG_OK;
}

static nrg_status energies(nrg_ebm *m, const nrg_table *data, stopwatch *w) {
    int64_t n = nrg_table_rows(data);
    double *e = nrg_mem(m->ctx, NULL, 0, (size_t)(n + 1) * sizeof *e);
    if (!e) return NRG_E098;
    nrg_status s = nrg_ebm_energy(m, data, e); // the first one warms up
    start(m->ctx, w);
    for (bool on = true; s == NRG_OK && on; on = goes_on(w), w->steps++) s = nrg_ebm_energy(m, data, e);
    nrg_mem(m->ctx, e, (size_t)(n + 1) * sizeof *e, 0);
    return s;
}

// ---- the table ----

static void gather(nrg_spent *to, const nrg_spent *e) {
    to->seconds += e->seconds;
    to->flops += e->flops;
    to->bytes += e->bytes;
}

static int line_of(const nrg_ctx *c, nrg_span at) {
    int line = 0, col = 0;
    nrg_source_place(c, at, &line, &col);
    return line;
}

// Steps of one kind and one line of the model are one row.
static int rows_of(nrg_ctx *c, nrg_spent *row, int *line, nrg_spent *rest) {
    const nrg_spent *e;
    int n = 0;
    for (uint32_t i = 0; (e = nrg_spent_at(c, i)); i++) {
        int at = line_of(c, e->at), k = 0;
        while (k < n && (line[k] != at || strcmp(row[k].what, e->what) != 0)) k++;
        if (e->seconds <= 0) continue;
        if (k == n && n < LINES) row[n] = (nrg_spent){.at = e->at, .what = e->what}, line[n++] = at;
        gather(k < n ? &row[k] : rest, e);
    }
    return n;
}

static void put_row(nrg_text *out, const nrg_ctx *c, const nrg_spent *e, int line, double steps, double all) {
    size_t n = 0, from = 0, to;
    const char *text = line ? nrg_source_text(c, e->at.file, &n) : NULL;
    for (int k = 1; text && k < line && from < n; from++) k += text[from] == '\n';
    for (to = from; text && to < n && text[to] != '\n' && to - from < TEXT; to++) continue;
    nrg_text_put(out, "%10.1f  %5.1f %%  %9.1f  %7.1f  %-9s", 1e6 * e->seconds / steps, 100 * e->seconds / all, 1e-9 * e->flops / e->seconds,
                 1e-9 * e->bytes / e->seconds, e->what);
    if (line) nrg_text_put(out, " %5d  %.*s", line, (int)(to - from), text + from);
    nrg_text_put(out, "\n");
}

static void put_table(nrg_ebm *m, const char *what, const stopwatch *w, const double peak[2]) {
    nrg_spent row[LINES], rest = {.what = "others"}, all = {0};
    int line[LINES], n = rows_of(m->ctx, row, line, &rest);
    double steps = (double)(w->steps ? w->steps : 1), used = w->end - w->begin;
    for (int i = 0; i < n; i++) gather(&all, &row[i]);
    gather(&all, &rest);
    nrg_text_put(&m->said, "%s: %.1f us, %.3g GFLOP; %.1f GFLOP/s, %.0f %% of the %.0f that the product kernel reaches here; "
                 "one thread, %lld times\n", what, 1e6 * used / steps, 1e-9 * all.flops / steps, 1e-9 * all.flops / used,
                 100 * all.flops / used / peak[0], 1e-9 * peak[0], (long long)w->steps);
    nrg_text_put(&m->said, "memory reads at most %.0f GB/s; faster ones come from caches\n", 1e-9 * peak[1]);
    nrg_text_put(&m->said, "%10s  %7s  %9s  %7s  %-9s  %s\n", "us", "share", "GFLOP/s", "GB/s", "step", "line");
    for (int k = 0; k < n; k++) {
        int best = -1;
        for (int i = 0; i < n; i++)
            if (row[i].seconds > 0 && (best < 0 || row[i].seconds > row[best].seconds)) best = i;
        put_row(&m->said, m->ctx, &row[best], line[best], steps, used);
        row[best].seconds = 0;
    }
    if (rest.seconds > 0) put_row(&m->said, m->ctx, &rest, 0, steps, used);
    nrg_text_put(&m->said, "%10.1f  %5.1f %%  %9s  %7s  outside of steps: rows gathered and converted, the loop\n",
                 1e6 * (used - all.seconds) / steps, 100 * (used - all.seconds) / used, "", "");
}

nrg_status nrg_ebm_bench(nrg_ebm *m, const nrg_table *data, double seconds, const char **text) {
    stopwatch w = {.limit = seconds > 0 ? seconds : 5};
    double peak[2];
    int before = nrg_diag_count(m->ctx);
    bool trains = nrg_ebm_trainable(m) == NRG_OK;
    if (!trains) nrg_diag_cut(m->ctx, before);
    TRY(nrg_run_peak(m->ctx, &peak[0], &peak[1]));
    nrg_spent_listen(m->ctx, true);
    nrg_status s = trains ? training(m, data, &w) : energies(m, data, &w);
    nrg_spent_listen(m->ctx, false);
    TRY(s);
    nrg_api_clear(&m->said);
    put_table(m, trains ? "training step" : "energies of the data", &w, peak);
    return nrg_api_text(m, text);
}
