// The tables of methods, losses and optimisers, from their .def files: look-ups by name and lists of names.
#include "model/model.h"

static const nrg_method_row methods[] = {
    {0},
#define NRG_METHOD(name, verbs, domain, built, args, doc) {#name, verbs, domain, built, args, doc},
#include "model/methods.def"
};
static const nrg_loss_row losses[] = {
#define NRG_LOSS(name, args, expr, doc) {#name, args, expr, doc},
#include "model/losses.def"
#define NRG_LOSS(name, args, expr, doc) {#name, args, expr, doc},
#include "model/criteria.def"
};
static const nrg_optimizer_row optimizers[] = {
#define NRG_OPTIMIZER(name, args, doc) {#name, args, doc},
#include "model/optimizers.def"
};

// Lists for suggestions; each ends in NULL.
const char *const nrg_method_names[] = {
#define NRG_METHOD(name, verbs, domain, built, args, doc) #name,
#include "model/methods.def"
    NULL};
const char *const nrg_loss_names[] = {
#define NRG_LOSS(name, args, expr, doc) #name,
#include "model/losses.def"
#define NRG_LOSS(name, args, expr, doc) #name,
#include "model/criteria.def"
    NULL};
const char *const nrg_optimizer_names[] = {
#define NRG_OPTIMIZER(name, args, doc) #name,
#include "model/optimizers.def"
    NULL};

const char *const nrg_atom_names[NRG_ATOM_COUNT] = {"pos", "neg", "lowest", "free", "negatives", "slope", "bend", "slice", "flips", "blur", "above", "below", "rise"};

enum { LOSSES = sizeof losses / sizeof *losses };

const nrg_method_row *nrg_method_get(nrg_method m) {
    return m > NRG_BY_NONE && m < NRG_BY_COUNT ? &methods[m] : NULL;
}

const nrg_method_row *nrg_method_find(const char *name, nrg_method *out) {
    for (int i = NRG_BY_NONE + 1; i < NRG_BY_COUNT; i++) {
        if (!nrg_same(methods[i].name, name)) continue;
        if (out) *out = (nrg_method)i;
        return &methods[i];
    }
    return NULL;
}

const nrg_loss_row *nrg_loss_find(const char *name) {
    for (int i = 0; i < LOSSES; i++)
        if (nrg_same(losses[i].name, name)) return &losses[i];
    return NULL;
}

const nrg_optimizer_row *nrg_optimizer_find(const char *name, nrg_optimizer *out) {
    for (int i = NRG_OPT_none + 1; i < NRG_OPT_COUNT; i++) {
        if (!nrg_same(optimizers[i - 1].name, name)) continue;
        if (out) *out = (nrg_optimizer)i;
        return &optimizers[i - 1];
    }
    return NULL;
}
