// Watching losses that learn from draws: how the chains move, a gap between data and draws that runs away, and what --rescue tries.
#include "train/inside.h"
#include <math.h>
#include <string.h>

// A gap this many times larger than at first (and than 1) has left what training can mend by itself.
static const double RUNAWAY = 1000;
static const double CALM = 10;      // up to so many times the gap of the first epoch, weights count as good
static const double STUCK = 0.02; // share of the chains that moved in an epoch's updates
static const double SAME = 0.9;   // share of the draws that nearly repeat others, where at most a quarter as many of them are new as of the data
static const double LEVEL = 0.1;  // of energy_l2, the last remedy
enum { RESCUES = 3 };

void nrg_watch_step(nrg_trainer *t) {
    for (uint32_t i = 0; i < t->step.draws.n; i++) {
        const nrg_drawing *d = t->step.draws.at[i];
        if (d->beside) continue; // no chains are kept there
        t->sums.moved += d->moved;
        t->sums.acceptance += d->score.acceptance;
        t->sums.looks++;
        double step = nrg_pace_step(&d->pace);
        if (isfinite(step)) t->sums.step += step, t->sums.paced++;
        t->sums.tried += (double)d->ladder.tried, t->sums.taken += (double)d->ladder.taken;
    }
}

void nrg_watch_fill(const nrg_trainer *t, nrg_progress *p) {
    p->acceptance = p->moved = p->age = p->stride = p->swapped = p->rhat = p->repeats = p->data_repeats = NAN;
    if (t->step.draws.n == 0 || t->sums.looks == 0) return;
    p->acceptance = t->sums.acceptance / t->sums.looks;
    p->moved = t->sums.moved / t->sums.looks;
    if (t->sums.paced > 0) p->stride = t->sums.step / t->sums.paced;
    if (t->sums.tried > 0) p->swapped = t->sums.taken / t->sums.tried;
    p->age = nrg_draws_age(t->step.draws.at[0]);
}

static const nrg_drawing *first_of(const nrg_trainer *t) { return t->step.draws.at[0]; }
static const char *drawn_name(const nrg_trainer *t) { return t->m->vars.at[first_of(t)->var[0]].name; }

static void stand_still(nrg_trainer *t, const nrg_progress *p) {
    t->stuck = true;
    nrg_warn(t->ctx, NRG_W107, first_of(t)->stmt->span, "the chains of %s stand still: %.2g%% of them moved in an update of epoch %lld", drawn_name(t),
             100 * p->moved, (long long)t->epoch + 1);
    nrg_help(t->ctx, "their steps are refused: use a smaller step, or leave `step` out so that it is learned");
}

static void all_alike(nrg_trainer *t, const nrg_progress *p) {
    t->same = true;
    nrg_warn(t->ctx, NRG_W110, first_of(t)->stmt->span, "the draws of %s have collapsed to a few points: in epoch %lld %.0f%% of those looked at repeat others",
             drawn_name(t), (long long)t->epoch + 1, 100 * p->repeats);
    nrg_fact(t->ctx, "of as many rows of the data %.0f%% do", 100 * p->data_repeats);
    nrg_help(t->ctx, "restart some (buffer(1000, restart=5%%)), more noise in langevin, or a lower learning rate: the energy has holes that all chains fall into");
}

// At the end of an epoch, before its sums are cleared. Each message comes once.
void nrg_watch_epoch(nrg_trainer *t, const nrg_progress *p) {
    if (t->step.draws.n == 0) return;
    if (t->epoch == 0) t->calm = fmax(1, fabs(p->gap));
    if (nrg_watch_calm(t, p->gap) && isfinite(p->norm)) t->slope = p->norm;
    if (p->moved < STUCK && !t->stuck) stand_still(t, p);
    if (p->repeats >= SAME && 1 - p->data_repeats >= 4 * (1 - p->repeats) && !t->same) all_alike(t, p);
}

// At the end of the first epoch: gradients that were exactly zero in every step.
void nrg_watch_slope(const nrg_trainer *t, const nrg_progress *p) {
    if (t->epoch > 0 || t->m->learns.n == 0 || p->norm != 0) return;
    nrg_warn(t->ctx, NRG_W109, t->m->learns.at[0].span, "the loss has no slope: all gradients of the first epoch are 0, so nothing is learned");
    if (isfinite(p->neg)) nrg_fact(t->ctx, "the loss is %.3g, pos %.3g, neg %.3g", p->loss, p->pos, p->neg);
    else nrg_fact(t->ctx, "the loss is %.3g", p->loss);
    nrg_help(t->ctx, "is there a wrong answer for each row (classes, outside=, batch), and does the loss read the energy?");
}

// The gap between data and draws does not rank weights: the latest are the best, while it is calm.
bool nrg_watch_calm(const nrg_trainer *t, double gap) { return t->epoch == 0 || t->step.draws.n == 0 || fabs(gap) <= CALM * t->calm; }

// After each step: E080 when data and draws have lost touch.
nrg_status nrg_watch_gap(nrg_trainer *t, double gap) {
    if (t->total == 0) t->calm = fmax(1, fabs(gap)); // until an epoch is through
    if ((t->total == 0 && isfinite(gap)) || fabs(gap) <= RUNAWAY * t->calm) return NRG_OK;
    const nrg_drawing *d = t->step.draws.at[0];
    nrg_status s = nrg_fail(t->ctx, NRG_E080, d->stmt->span, "stopped: the gap between data and draws is %.3g at step %lld (epoch %lld)", gap,
                            (long long)t->total + 1, (long long)t->epoch + 1);
    nrg_fact(t->ctx, t->epoch ? "its mean over the first epoch was at most %.3g" : "in the first update it was at most %.3g", t->calm);
    nrg_fact(t->ctx, "of the chains %.3g%% moved in the last update; their age is %.3g steps", 100 * d->moved, nrg_draws_age(d));
    nrg_help(t->ctx, "%s, a lower learning rate, + 0.1 * energy_l2, or --rescue",
             gap > 0 ? "draws lie far above the data: a smaller step if they are thrown off (mala and hmc refuse such steps), more steps if they lag"
                     : "draws lie far below the data, in holes of the energy: more steps, more noise, restarts");
    return s;
}

static nrg_status forget(nrg_trainer *t) {
    for (uint32_t i = 0; i < t->states.n; i++) {
        const nrg_state *s = &t->states.at[i];
        size_t size = s->at ? sizeof(double) : nrg_dtype_size(t->type);
        memset(s->at ? (void *)s->at : nrg_store_get(t->store, s->name)->data, 0, (size_t)s->n * size);
    }
    for (uint32_t i = 0; i < t->step.draws.n; i++)
        if (t->step.draws.at[i]->slots) TRY(nrg_draws_fill(t->m, t->step.draws.at[i], t->store, t->o.seed + (uint64_t)t->rescues));
    return NRG_OK;
}

// Until their rescue comes they change nothing: no norm is above 1e30, and no weight is on the squares.
nrg_status nrg_remedies_set(nrg_trainer *t) {
    TRY(nrg_number_set(t->store, "remedy:clip", t->rescues >= 2 && t->slope > 0 ? t->slope : 1e30));
    return nrg_number_set(t->store, "remedy:l2", t->rescues >= 3 ? LEVEL : 0);
}

// After E080: back to the best weights (before the first epoch's end: to the first ones), new chains, moments cleared, half the
// learning rate (Grathwohl et al. 2020, appendix). The second time gradients are clipped as well, the third time energies are kept near
// zero (Du and Mordatch 2019). The errors so far become warnings.
bool nrg_rescue(nrg_trainer *t, int first_message) {
    if (!t->o.rescue || t->rescues == RESCUES || !t->step.run) return false;
    t->rescues++;
    t->slow *= 0.5;
    nrg_diag_soften(t->ctx, first_message);
    nrg_best_back(t);
    if (forget(t) != NRG_OK) return false;
    nrg_warn(t->ctx, NRG_W108, NRG_NOWHERE, "rescue %d of %d: back to the weights after epoch %lld, new chains, learning rate times %.3g", t->rescues,
             RESCUES, (long long)t->best_epoch, t->slow);
    if (t->rescues >= 2 && t->slope > 0) nrg_fact(t->ctx, "the norm of the gradient is clipped at %.3g, what it was while all was calm", t->slope);
    if (t->rescues >= 3) nrg_fact(t->ctx, "the loss has %.3g * energy_l2 more, which keeps energies near zero", LEVEL);
    t->sums = (nrg_sums){0};
    t->at = 0;
    t->total = t->epoch * t->steps;
    return true;
}
