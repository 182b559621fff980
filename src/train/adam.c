// Adam (Kingma, Ba 2015): m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, w = w - lr (m / c1) / (sqrt(v / c2) + eps),
// c = 1 - b^step. adam: decay adds decay * w to g; adamw (Loshchilov, Hutter 2019): w shrinks by lr * decay * w. Biases do not decay.
#include "train/inside.h"
#include <math.h>

enum { LR, PACE, EPS };
static const char *const numbers[] = {"lr", "pace", "eps"};

static nrg_status make(nrg_trainer *t, nrg_team *gr) {
    const char *name;
    for (int i = LR; i <= EPS; i++)
        if (!(gr->number[i] = nrg_arena_print(&t->arena, "train:%s:%d", numbers[i], (int)gr->order))) return NRG_E098;
    for (uint32_t i = 0; i < gr->params; i++) {
        TRY(nrg_state_make(t, "m", gr->param[i], &name));
        TRY(nrg_state_make(t, "v", gr->param[i], &name));
    }
    return NRG_OK;
}

static nrg_node number(nrg_graph *g, const nrg_team *gr, int which) { return nrg_input(g, gr->number[which], 0, nrg_shape_of(0, NULL)); }

// m or v: mixed = rate * state + (1 - rate) * x
static nrg_status moment(nrg_trainer *t, nrg_graph *g, const nrg_param *p, const char *what, double rate, nrg_node x,
                         nrg_node *out) {
    char name[300];
    snprintf(name, sizeof name, "opt:%s:%s", what, p->name);
    nrg_node s = nrg_input(g, name, 0, p->shape);
    *out = nrg_add(g, nrg_mul(g, s, nrg_const(g, rate)), nrg_mul(g, x, nrg_const(g, 1 - rate)));
    return nrg_update_put(t, s, *out);
}

static nrg_status take(nrg_trainer *t, nrg_team *gr, nrg_graph *g, uint32_t param, nrg_node w, nrg_node grad,
                       bool apart, nrg_node *out) {
    const nrg_param *p = &t->m->params.at[param];
    bool decays = gr->decay != 0 && !p->bias;
    if (decays && !apart) grad = nrg_add(g, grad, nrg_mul(g, w, nrg_const(g, gr->decay)));
    nrg_node m, v, lr = number(g, gr, LR);
    TRY(moment(t, g, p, "m", gr->beta1, grad, &m));
    TRY(moment(t, g, p, "v", gr->beta2, nrg_square(g, grad), &v));
    // lr c2^(1/2) / c1 and eps c2^(1/2): the corrections leave the elements alone
    nrg_node down = nrg_add(g, nrg_sqrt(g, v), number(g, gr, EPS));
    nrg_node next = nrg_sub(g, w, nrg_mul(g, number(g, gr, PACE), nrg_div(g, m, down)));
    if (decays && apart) next = nrg_sub(g, next, nrg_mul(g, w, nrg_mul(g, lr, nrg_const(g, gr->decay))));
    *out = next;
    return NRG_OK;
}

static nrg_status coupled(nrg_trainer *t, nrg_team *gr, nrg_graph *g, uint32_t param, nrg_node w, nrg_node grad,
                          nrg_node *out) {
    return take(t, gr, g, param, w, grad, false, out);
}

static nrg_status decoupled(nrg_trainer *t, nrg_team *gr, nrg_graph *g, uint32_t param, nrg_node w, nrg_node grad,
                            nrg_node *out) {
    return take(t, gr, g, param, w, grad, true, out);
}

static nrg_status tick(nrg_trainer *t, nrg_team *gr, int64_t at) {
    double c1 = 1 - pow(gr->beta1, (double)(at + 1)), c2 = 1 - pow(gr->beta2, (double)(at + 1));
    TRY(nrg_number_set(t->store, gr->number[LR], gr->lr_now));
    TRY(nrg_number_set(t->store, gr->number[PACE], gr->lr_now * sqrt(c2) / c1));
    return nrg_number_set(t->store, gr->number[EPS], gr->eps * sqrt(c2));
}

const nrg_optim nrg_optim_adam = {"adam", false, make, coupled, tick, NULL, NULL, NULL};
const nrg_optim nrg_optim_adamw = {"adamw", false, make, decoupled, tick, NULL, NULL, NULL};
