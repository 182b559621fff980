// The n-th allocation is refused while chains are made and run: trajectories without U-turns, ladders, log Z in both directions.
// Always E098, never a crash or a leak; what succeeds has the numbers of an undisturbed run. Large n are thinned out.
#include "infer/logz.h"
#include "lang/lang.h"
#include "refuse.h"
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *text;
    int64_t levels;
    bool log_z;
} way;

static const way ways[] = {
    {"predict x : real\nenergy E(x) = sq(sq(x))\nsample x by nuts(depth=2)", 1, false},
    {"predict x : real\nenergy E(x) = sq(sq(x))\nsample x by hmc", 3, false},
    {"predict x : real in 0..\nenergy E(x) = sq(sq(x))\nsample x by underdamped", 1, false},
    {"predict x : real in 0..\nenergy E(x) = sq(sq(x))\nsample x by mala", 1, true},
};

static nrg_status run(nrg_ctx *c, const way *w, double *out) {
    nrg_model *m = NULL;
    nrg_store *s = NULL;
    nrg_sample_spec draw = {.vars = 1, .rows = 1, .chains = 2, .draws = 2, .warmup = 44, .every = 1, .seed = 3, .threads = 1, .levels = w->levels};
    nrg_log_z_spec sum = {.vars = 1, .rows = 1, .chains = 4, .width = 100, .budget = 1, .seed = 3, .threads = 1};
    nrg_draws d = {.arena = nrg_arena_make(c)};
    nrg_log_z_out z = {.arena = nrg_arena_make(c)};
    nrg_status st = nrg_lang_load(c, "t.nrg", w->text, strlen(w->text), NULL, &m);
    if (st == NRG_OK) st = nrg_store_new(c, NRG_F64, &s);
    if (st == NRG_OK) st = nrg_model_resolve(m, NRG_F64);
    if (st == NRG_OK && w->log_z) st = nrg_log_z_of(m, s, &sum, &z);
    if (st == NRG_OK && !w->log_z) st = nrg_sample(m, s, &draw, &d);
    if (st == NRG_OK) *out = w->log_z ? z.low[0] + z.high[0] : d.value[0][1] + d.value[0][3];
    nrg_draws_free(&d);
    nrg_log_z_out_free(&z);
    nrg_store_free(s);
    nrg_model_free(m);
    return st;
}

// One try with n allocations allowed. 0: it succeeded, 1: it was refused properly, -1: something is wrong.
static int try(const way *w, long n, double *truth) {
    quota q = {.left = n};
    double found = 0;
    nrg_ctx *c = nrg_ctx_new(limited, &q);
    if (!c) return q.live ? -1 : 1;
    nrg_status s = run(c, w, &found);
    bool refused = q.left == 0, wrong = s != NRG_OK && (s != NRG_E098 || !refused);
    if (s == NRG_OK && n < 0) *truth = found;
    else if (s == NRG_OK) wrong = found != *truth;
    nrg_ctx_free(c);
    if (wrong || q.live) printf("%s, %ld allocations: status %s, %zu bytes left\n", w->text, n, nrg_status_name(s), q.live);
    return wrong || q.live ? -1 : refused ? 1 : 0;
}

int main(void) {
    int bad = 0;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        double truth = 0;
        int r = try(&ways[i], -1, &truth) == 0, tries = 0;
        bad += !r;
        for (long n = 0; r == 1; n += n < 50 ? 1 : 1 + n / 30) r = try(&ways[i], n, &truth), tries++;
        bad += r != 0;
        printf("way %zu: %d tries, %s\n", i, tries, r ? "wrong" : "right");
    }
    return bad != 0;
}
