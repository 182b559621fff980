// Weights: made at their first use with sizes known, found by name afterwards. A module's weights are one set.
#include "model/inside.h"

#include <math.h>
#include <string.h>

static bool same_sizes(const nrg_type *a, const nrg_type *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->axis[i].size >= 0 && b->axis[i].size >= 0 && a->axis[i].size != b->axis[i].size) return false;
    return true;
}

static int32_t param_find(const nrg_model *m, const char *name) {
    for (uint32_t i = 0; i < m->params.n; i++)
        if (nrg_same(m->params.at[i].name, name)) return (int32_t)i;
    return -1;
}

static bool trained(const nrg_model *m, const char *use) {
    for (uint32_t i = 0; i < m->optimizes.n; i++)
        for (uint32_t j = 0; j < m->optimizes.at[i].n; j++)
            if (nrg_same(m->optimizes.at[i].names[j], use)) return true;
    return false;
}

// The value that came with the used model, or with one that it uses: its name starts with that one's.
static const double *value_there(const nrg_model *m, const char *name) {
    int32_t at = param_find(m, name);
    if (at >= 0) return m->params.at[at].values;
    for (uint32_t i = 0; i < m->uses.n; i++) {
        size_t n = strlen(m->uses.at[i].name);
        if (m->uses.at[i].model && strncmp(m->uses.at[i].name, name, n) == 0 && name[n] == ':')
            return value_there(m->uses.at[i].model, name + n + 1);
    }
    return NULL;
}

// A weight of a used model is the user's, with the used one's value: "young:G.0.weight" of young, fixed unless it is optimised.
static nrg_status of_used(nrg_scope *s, nrg_param *p) {
    const char *name = nrg_arena_print(&s->arena, "%s%s", s->inside, p->name);
    if (!name) return NRG_E098;
    p->values = value_there(s->use->model, name + strlen(s->use->name) + 1);
    p->name = name;
    p->owner = s->use->name;
    p->fixed = !trained(s->root, s->use->name);
    p->var = p->rows_of = -1;
    p->init_expr = NULL;
    for (int i = 0; i < p->type.rank; i++) p->type.axis[i].dim = -1;
    return NRG_OK;
}

// Puts p in the model unless it is there; *at is its number. Names and types are copied into the model.
static nrg_status param_put(nrg_scope *s, nrg_param p, int32_t *at) {
    nrg_model *m = s->root;
    if (s->use) TRY(of_used(s, &p));
    if ((*at = param_find(m, p.name)) >= 0) return NRG_OK;
    for (int i = 0; i < p.type.rank && !s->check; i++) {
        int64_t n;
        TRY(nrg_size_known(s, p.span, &p.type.axis[i], &n));
    }
    p.name = nrg_arena_copy(&m->arena, p.name, strlen(p.name));
    p.owner = nrg_arena_copy(&m->arena, p.owner, strlen(p.owner));
    if (!p.name || !p.owner) return NRG_E098;
    p.shape = nrg_scope_shape(s, &p.type);
    *at = (int32_t)m->params.n;
    return NRG_PUSH(&m->arena, m->params, p);
}

static nrg_status two_sizes(nrg_call *c, const nrg_param *p, const nrg_type *asked) {
    nrg_scope *s = c->s;
    nrg_status st =
        nrg_fail(s->c, NRG_E037, c->at->span, "layer '%s' of module %s has weights %s, but this input asks for %s",
                 c->row->name, p->owner, nrg_type_text(s, &p->type), nrg_type_text(s, asked));
    nrg_help(s->c, "a module is one set of weights; module K = copy(%s) makes another", p->owner);
    return st;
}

bool nrg_weights_found(nrg_call *c, const char *what) {
    const char *prefix, *source, *name = NULL;
    if (nrg_owner_name(c->s, c->e, &prefix, &source) == NRG_OK)
        name = nrg_arena_print(&c->s->arena, "%s.%s", prefix, what);
    if (name) name = nrg_arena_print(&c->s->arena, "%s%s", c->s->inside, name);
    return name && param_find(c->s->root, name) >= 0;
}

enum { TRAINED = -2 }; // instead of the variable whose rows they are

static nrg_status make(nrg_call *c, const nrg_weights *w, int32_t rows_of, nrg_node *out) {
    nrg_scope *s = c->s;
    const char *prefix, *source;
    TRY(nrg_owner_name(s, c->e, &prefix, &source));
    nrg_param p = {
        .type = w->type, .owner = s->own.owner, .bias = w->bias, .var = -1, .scale = w->scale, .average_of = -1};
    p.init = w->init;
    p.fixed = rows_of != TRAINED;
    p.rows_of = rows_of;
    p.span = c->at->span;
    p.domain = (nrg_domain){.lo = -INFINITY, .hi = INFINITY};
    if (w->spectral > 0) p.domain.kind = NRG_DOM_SPECTRAL, p.domain.hi = w->spectral;
    int32_t at;
    if (source) {
        nrg_param first = p;
        first.owner = s->own.source;
        // The averaged module owns the first part of its prefix.
        const char *dot = strchr(source, '.');
        first.owner = nrg_arena_copy(&s->arena, source, dot ? (size_t)(dot - source) : strlen(source));
        first.name = nrg_arena_print(&s->arena, "%s.%s", source, w->what);
        if (!first.name || !first.owner) return NRG_E098;
        TRY(param_put(s, first, &p.average_of));
        p.decay = s->own.decay;
    }
    p.name = nrg_arena_print(&s->arena, "%s.%s", prefix, w->what);
    if (!p.name) return NRG_E098;
    TRY(param_put(s, p, &at));
    const nrg_param *is = &s->root->params.at[at];
    if (!same_sizes(&is->type, &w->type)) return two_sizes(c, is, &w->type);
    *out = nrg_scope_param(s, (uint32_t)at);
    if (source) *out = nrg_stop(s->g, *out);
    return NRG_OK;
}

nrg_status nrg_weights_make(nrg_call *c, const nrg_weights *w, nrg_node *out) {
    return make(c, w, TRAINED, out);
}

nrg_status nrg_weights_rows(nrg_call *c, const nrg_weights *w, int32_t var, nrg_node *out) {
    return make(c, w, var, out);
}

// ---- weight variables

static nrg_status init_rule(nrg_scope *s, const nrg_var *v, nrg_param *p) {
    const nrg_expr *e = v->init;
    p->init = NRG_INIT_NORMAL;
    p->scale = 0.01;
    if (!e) return NRG_OK;
    const char *name = e->kind == NRG_X_CALL && e->kid[0]->kind == NRG_X_NAME ? e->kid[0]->text : "";
    if (nrg_same(name, "samples")) return p->init = NRG_INIT_SAMPLES, p->init_expr = v->init, NRG_OK;
    if (nrg_same(name, "normal") || nrg_same(name, "uniform")) {
        p->init = name[0] == 'n' ? NRG_INIT_NORMAL : NRG_INIT_UNIFORM;
        if (e->n != 2) return nrg_fail(s->c, NRG_E037, e->span, "%s takes one number: %s(0.01)", name, name);
        return nrg_eval_number(s->m, e->kid[1], &p->scale);
    }
    TRY(nrg_eval_number(s->m, e, &p->scale));
    p->init = p->scale == 0 ? NRG_INIT_ZERO : NRG_INIT_CONSTANT;
    return NRG_OK;
}

nrg_status nrg_weight_var(nrg_scope *s, int32_t var, nrg_value *out) {
    const nrg_var *v = &s->m->vars.at[var];
    nrg_param p = {
        .name = v->name, .owner = v->name, .var = var, .domain = v->domain, .average_of = -1, .span = v->span};
    TRY(nrg_var_type(s->m, var, &p.type));
    TRY(init_rule(s, v, &p));
    int32_t at;
    TRY(param_put(s, p, &at));
    out->type = p.type;
    out->node = nrg_scope_param(s, (uint32_t)at);
    return NRG_OK;
}
