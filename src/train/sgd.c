// Stochastic gradient descent with momentum: v = momentum v + g, w = w - lr v. Decay adds decay * w to g, not for biases.
#include "train/inside.h"

static nrg_status make(nrg_trainer *t, nrg_team *gr) {
    const char *name;
    if (!(gr->number[0] = nrg_arena_print(&t->arena, "train:lr:%d", (int)gr->order))) return NRG_E098;
    for (uint32_t i = 0; i < gr->params && gr->momentum != 0; i++) TRY(nrg_state_make(t, "v", gr->param[i], &name));
    return NRG_OK;
}

static nrg_status step(nrg_trainer *t, nrg_team *gr, nrg_graph *g, uint32_t param, nrg_node w, nrg_node grad,
                       nrg_node *out) {
    const nrg_param *p = &t->m->params.at[param];
    char name[300];
    if (gr->decay != 0 && !p->bias) grad = nrg_add(g, grad, nrg_mul(g, w, nrg_const(g, gr->decay)));
    if (gr->momentum != 0) {
        snprintf(name, sizeof name, "opt:v:%s", p->name);
        nrg_node v = nrg_input(g, name, 0, p->shape);
        grad = nrg_add(g, nrg_mul(g, v, nrg_const(g, gr->momentum)), grad);
        TRY(nrg_update_put(t, v, grad));
    }
    *out = nrg_sub(g, w, nrg_mul(g, grad, nrg_input(g, gr->number[0], 0, nrg_shape_of(0, NULL))));
    return NRG_OK;
}

static nrg_status tick(nrg_trainer *t, nrg_team *gr, int64_t at) {
    (void)at;
    return nrg_number_set(t->store, gr->number[0], gr->lr_now);
}

const nrg_optim nrg_optim_sgd = {"sgd", false, make, step, tick, NULL, NULL, NULL};
