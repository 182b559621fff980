// A team of threads that share the parts of a job. A part belongs to whoever takes it first, so a thread that the
// machine keeps from running delays at most the part that it holds; which thread did a part never shows in the result.
#ifndef NRG_EXEC_TEAM_H
#define NRG_EXEC_TEAM_H

#include "base/base.h"

typedef struct nrg_team nrg_team;
typedef void (*nrg_part_fn)(void *ud, int worker, int part); // worker: 0 is the caller

// `threads` counts the caller. The other threads are started at the first job that has work for them.
nrg_status nrg_team_new(nrg_ctx *c, int threads, nrg_team **out);
void nrg_team_free(nrg_team *t);
// Runs parts 0 .. parts - 1 and returns when all are done. NULL team: the caller does them in order.
void nrg_team_go(nrg_team *t, nrg_part_fn fn, void *ud, int parts);
#endif
