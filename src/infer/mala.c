// Metropolis-adjusted Langevin: the proposal x - (step/2) grad(beta E) + N(0, step) is one leapfrog step of size sqrt(step)
// from a fresh normal momentum, and the two tests of acceptance agree (Neal 2011, section 5.2). Walls turn the momentum around,
// which keeps the trajectory reversible: no correction at the walls is needed.
#include "infer/sampler.h"
#include <math.h>

static nrg_status build(nrg_sampler *s, nrg_sampler_part *p) {
    nrg_status st = NRG_OK;
    double step = nrg_method_arg(s->model, &p->stmt, "step", 0, &st);
    TRY(st);
    if (step < 0) return nrg_fail(s->model->ctx, NRG_E013, p->stmt.by_span, "step of mala is %.6g: it must be positive", step);
    nrg_trajectory t = {.leaps = 1, .tune = {.step = sqrt(step), .target = 0.574}}; // Roberts and Rosenthal 1998
    return nrg_trajectory_build(s, p, &t);
}

const nrg_sampler_impl nrg_sampler_mala = {"mala", false, NULL, build};
const nrg_method_impl nrg_infer_mala = {"mala", nrg_sampler_eliminates, NULL, NULL, NULL, NULL};
