// How often an approximate search misses the most offending answer: now and then its finds on a few rows are compared with those of a
// denser search, four times the starts and steps, or a grid of one or two numbers. Nothing of this enters the training.
#include "train/against.h"
#include <math.h>

enum { LOOKS = 5, ROWS = 64 }; // in a run; rows each time

static bool may_miss(const nrg_model *m) {
    for (uint32_t i = 0; i < m->learns.n; i++)
        for (uint32_t k = 0; k < m->learns.at[i].atoms.n; k++) {
            const nrg_atom *a = &m->learns.at[i].atoms.at[k];
            for (int32_t v = 0; v < NRG_MAX_VARS && nrg_against_needs(&m->learns.at[i], a); v++)
                if (a->over >> v & 1 && m->vars.at[v].elem == NRG_REAL) return true;
        }
    return false;
}

static nrg_status build(nrg_trainer *t, int64_t n) {
    nrg_program *p = &t->judge;
    nrg_infer_options o = {.threads = t->o.threads, .batch = n, .values_only = true};
    nrg_loss l;
    TRY(nrg_program_new(t->m, t->type, &o, p));
    p->draws_mode = NRG_DRAWS_LEVEL;
    p->judge = true;
    TRY(nrg_loss_build(p, t->bound, t->store, false, &l));
    if (!p->missed.i) return NRG_OK;
    return nrg_program_plan(p, &p->missed, 1, NULL, 0, n, t->o.threads);
}

nrg_status nrg_missed_watch(nrg_trainer *t) {
    int64_t rows[ROWS], n = t->rows_n < ROWS ? t->rows_n : ROWS, every = (t->epochs + LOOKS - 1) / LOOKS;
    t->judged = 0;
    if (!may_miss(t->m) || (t->epoch % every != 0 && t->epoch != t->epochs)) return NRG_OK;
    if (!t->judge.g) TRY(build(t, n));
    if (!t->judge.missed.i) return NRG_OK;
    for (int64_t i = 0; i < n; i++) rows[i] = t->rows[i * t->rows_n / n];
    TRY(nrg_bound_rows_set(t->bound, t->store, rows));
    TRY(nrg_loss_clock(t->m, t->store, (double)t->epoch / (double)t->epochs));
    TRY(nrg_program_go(&t->judge, t->store, n, t->o.seed, (uint32_t)t->total));
    t->missed = (int64_t)t->judge.values[0];
    t->judged = n * t->judge.searches;
    return NRG_OK;
}
