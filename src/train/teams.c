// Optimize statements as teams of weights: disjoint, the nameless one takes the rest; arguments with their defaults.
#include "train/inside.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const nrg_optim *const ways[NRG_OPT_COUNT] = {NULL,
#define NRG_OPTIMIZER(name, args, doc) &nrg_optim_##name,
#include "model/optimizers.def"
};

static const nrg_optimizer_row *row_of(const nrg_team *gr) {
    nrg_optimizer o;
    return nrg_optimizer_find(gr->way->name, &o);
}

// Default value and place of an argument in "lr=0.01 momentum=0 ...".
static bool listed(const char *args, const char *name, double *value, int *place) {
    size_t n = strlen(name);
    *place = 0;
    for (const char *p = args; *p; ++*place) {
        const char *end = p + strcspn(p, " ");
        if (strncmp(p, name, n) == 0 && p[n] == '=') return *value = nrg_strtod(p + n + 1, NULL), true;
        p = *end ? end + 1 : end;
    }
    return false;
}

nrg_status nrg_team_number(nrg_trainer *t, const nrg_team *gr, const char *name, double *out, bool *given) {
    const nrg_optimizer_row *row = row_of(gr);
    int place;
    *out = 0;
    if (given) *given = false;
    if (!row || !listed(row->args, name, out, &place)) return NRG_OK;
    const nrg_expr *e = nrg_call_arg(gr->stmt->by, name, place);
    if (!e) return NRG_OK;
    if (given) *given = true;
    return nrg_eval_schedule(t->m, e, 0, out);
}

// What a setting may be; `below`: the upper end itself is outside.
static const struct setting {
    const char *name;
    double least, most;
    bool whole, below;
    const char *help;
} settings[] = {
    {"lr", 0, INFINITY, false, true, "a number from 0"},
    {"momentum", 0, 1, false, true, "a number from 0, below 1"},
    {"beta1", 0, 1, false, true, "a number from 0, below 1"},
    {"beta2", 0, 1, false, true, "a number from 0, below 1"},
    {"eps", 0, INFINITY, false, true, "a number from 0"},
    {"decay", 0, INFINITY, false, true, "a number from 0"},
    {"clip", 0, INFINITY, false, true, "a norm; 0: none"},
    {"tol", 0, INFINITY, false, true, "a number from 0"},
    {"batch", 1, 1e15, true, false, "a whole number from 1; more than the data have is all of them"},
    {"history", 1, 10000, true, false, "a whole number from 1 to 10000"},
    {"epochs", 1, 1e9, true, false, "a whole number from 1 to 1e9"},
    {"rounds", 1, 1e9, true, false, "a whole number from 1 to 1e9"},
};

// Values that were written, at the start and at the end of a schedule.
static nrg_status check_settings(nrg_trainer *t, const nrg_team *gr) {
    const nrg_optimizer_row *row = row_of(gr);
    for (size_t i = 0; row && i < sizeof settings / sizeof *settings; i++) {
        const struct setting *s = &settings[i];
        int place;
        double x;
        const nrg_expr *e = listed(row->args, s->name, &x, &place) ? nrg_call_arg(gr->stmt->by, s->name, place) : NULL;
        for (int end = 0; e && end < 2; end++) {
            TRY(nrg_eval_schedule(t->m, e, end, &x));
            if (x >= s->least && (s->below ? x < s->most : x <= s->most) && (!s->whole || x == floor(x))) continue;
            nrg_status st = nrg_fail(t->ctx, NRG_E013, e->at.start < e->at.end ? e->at : gr->stmt->span, "%s of %s is %g",
                                     s->name, gr->way->name, x);
            nrg_help(t->ctx, "%s is %s", s->name, s->help);
            return st;
        }
    }
    return NRG_OK;
}

static nrg_status settle(nrg_trainer *t, nrg_team *gr) {
    double epochs, history, rounds;
    const nrg_optimizer_row *row = row_of(gr);
    int place = 0;
    TRY(check_settings(t, gr));
    TRY(nrg_team_number(t, gr, "momentum", &gr->momentum, NULL));
    TRY(nrg_team_number(t, gr, "decay", &gr->decay, NULL));
    TRY(nrg_team_number(t, gr, "beta1", &gr->beta1, NULL));
    TRY(nrg_team_number(t, gr, "beta2", &gr->beta2, NULL));
    TRY(nrg_team_number(t, gr, "eps", &gr->eps, NULL));
    TRY(nrg_team_number(t, gr, "clip", &gr->clip, NULL));
    TRY(nrg_team_number(t, gr, "tol", &gr->tol, NULL));
    TRY(nrg_team_number(t, gr, "lr", &gr->lr_value, NULL));
    TRY(nrg_team_number(t, gr, "history", &history, NULL));
    TRY(nrg_team_number(t, gr, "epochs", &epochs, NULL));
    TRY(nrg_team_number(t, gr, "rounds", &rounds, NULL));
    gr->history = (int64_t)history;
    gr->epochs = (int64_t)(epochs > rounds ? epochs : rounds);
    if (row && listed(row->args, "lr", &rounds, &place)) gr->lr = nrg_call_arg(gr->stmt->by, "lr", place);
    return NRG_OK;
}

nrg_status nrg_team_lr(nrg_trainer *t, nrg_team *gr, double clock) {
    gr->lr_now = gr->lr_value;
    if (gr->lr) TRY(nrg_eval_schedule(t->m, gr->lr, clock, &gr->lr_now));
    gr->lr_now *= t->slow;
    return NRG_OK;
}

static bool names(const nrg_optimize *o, const nrg_param *p) {
    for (uint32_t i = 0; i < o->n; i++)
        if (nrg_same(o->names[i], p->owner)) return true;
    return false;
}

// The statement that a weight belongs to, NULL: none trains it.
static const nrg_optimize *owner(const nrg_model *m, const nrg_param *p) {
    const nrg_optimize *rest = NULL;
    for (uint32_t i = 0; i < m->optimizes.n; i++) {
        if (m->optimizes.at[i].n == 0) rest = &m->optimizes.at[i];
        else if (names(&m->optimizes.at[i], p)) return &m->optimizes.at[i];
    }
    return rest;
}

static nrg_status gather(nrg_trainer *t, nrg_team *gr) {
    nrg_model *m = t->m;
    gr->param = NRG_NEWS(&t->arena, uint32_t, m->params.n + 1);
    if (!gr->param) return NRG_E098;
    for (uint32_t i = 0; i < m->params.n; i++) {
        const nrg_param *p = &m->params.at[i];
        if (p->average_of >= 0 || p->fixed || owner(m, p) != gr->stmt) continue;
        gr->param[gr->params++] = i;
        gr->size += nrg_shape_count(&m->params.at[i].shape);
    }
    return NRG_OK;
}

// Batch and epochs hold for the whole run: what was written counts before defaults, the larger before the smaller.
static nrg_status clocks(nrg_trainer *t) {
    double written = 0, fallback = 0;
    for (uint32_t i = 0; i < t->teams.n; i++) {
        double b;
        bool given;
        TRY(nrg_team_number(t, &t->teams.at[i], "batch", &b, &given));
        double *to = given ? &written : &fallback;
        if (b > *to) *to = b;
        if (t->teams.at[i].epochs > t->epochs) t->epochs = t->teams.at[i].epochs;
    }
    t->batch = (int64_t)(written > 0 ? written : fallback);
    if (t->batch > t->rows_n) t->batch = t->rows_n;
    if (t->batch < 1) t->batch = 1;
    return NRG_OK;
}

nrg_status nrg_teams_make(nrg_trainer *t) {
    nrg_model *m = t->m;
    for (uint32_t i = 0; i < m->optimizes.n; i++) {
        nrg_team gr = {.stmt = &m->optimizes.at[i], .order = i};
        nrg_optimizer o = gr.stmt->method;
        gr.way = (unsigned)o < NRG_OPT_COUNT ? ways[o] : NULL;
        if (!gr.way) return nrg_fail(t->ctx, NRG_E071, gr.stmt->span, "this optimiser is not supported yet");
        TRY(settle(t, &gr));
        TRY(gather(t, &gr));
        if (gr.params) TRY(NRG_PUSH(&t->arena, t->teams, gr));
    }
    if (t->teams.n == 0)
        return nrg_fail(t->ctx, NRG_E070, NRG_NOWHERE, "no weight of this model is named by an optimize statement");
    TRY(clocks(t));
    for (uint32_t i = 0; i < t->teams.n; i++) {
        nrg_team *gr = &t->teams.at[i];
        gr->order = i;
        TRY(gr->way->make(t, gr));
    }
    return NRG_OK;
}

// ---- states ----------------------------------------------------------------------------------------------------

nrg_status nrg_state_make(nrg_trainer *t, const char *what, uint32_t param, const char **name) {
    const nrg_param *p = &t->m->params.at[param];
    nrg_state s = {.name = nrg_arena_print(&t->arena, "opt:%s:%s", what, p->name), .n = nrg_shape_count(&p->shape)};
    void *data;
    if (!s.name) return NRG_E098;
    TRY(nrg_store_make(t->store, s.name, s.n, &data));
    *name = s.name;
    return NRG_PUSH(&t->arena, t->states, s);
}

nrg_status nrg_state_own(nrg_trainer *t, const char *name, double *at, int64_t n) {
    return NRG_PUSH(&t->arena, t->states, ((nrg_state){name, at, n}));
}

nrg_status nrg_update_put(nrg_trainer *t, nrg_node state, nrg_node value) {
    return NRG_PUSH(&t->arena, t->updates, ((nrg_update){state, value}));
}

void nrg_team_get(const nrg_trainer *t, const nrg_team *gr, double *w) {
    for (uint32_t i = 0; i < gr->params; i++) {
        const nrg_param *p = &t->m->params.at[gr->param[i]];
        int64_t n = nrg_shape_count(&p->shape);
        nrg_numbers_get(nrg_store_get(t->store, p->name), w, n);
        w += n;
    }
}

void nrg_team_put(nrg_trainer *t, const nrg_team *gr, const double *w) {
    for (uint32_t i = 0; i < gr->params; i++) {
        const nrg_param *p = &t->m->params.at[gr->param[i]];
        int64_t n = nrg_shape_count(&p->shape);
        nrg_numbers_put(nrg_store_get(t->store, p->name), w, n);
        w += n;
    }
}
