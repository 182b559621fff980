// Members of used models: young.E(x), world.g(s, a). They are evaluated where they stand, in the same graph, with the used model's names in
// place of the user's; its weights become weights of the user. Dims of two models are the same where name and size agree;
// else axes match by size.
#include "model/inside.h"

#include <string.h>

const nrg_use *nrg_use_of(const nrg_scope *s, const nrg_expr *e) {
    if (e->kind != NRG_X_MEMBER || e->kid[0]->kind != NRG_X_NAME) return NULL;
    for (uint32_t i = 0; i < s->m->uses.n; i++)
        if (nrg_same(s->m->uses.at[i].name, e->kid[0]->text)) return &s->m->uses.at[i];
    return NULL;
}

// ---- types of one model in words of another

// -1: `to` has no such dim.
static int32_t dim_in(const nrg_model *to, const nrg_model *from, int32_t dim) {
    const nrg_dim *d = &from->dims.at[dim];
    int32_t k = nrg_model_dim(to, d->name);
    const nrg_dim *e = k >= 0 ? &to->dims.at[k] : NULL;
    return e && (e->size == d->size || e->size < 0 || d->size < 0) && e->ragged == d->ragged ? k : -1;
}

static bool type_in(const nrg_model *to, const nrg_model *from, nrg_type *t) {
    for (int i = 0; i < t->rank; i++) {
        int32_t d = t->axis[i].dim, k = d >= 0 ? dim_in(to, from, d) : -1;
        if (d >= 0 && k < 0 && from->dims.at[d].ragged) return false;
        t->axis[i].dim = k;
    }
    if (t->elem != NRG_CATEGORY || t->dim < 0) return true;
    int64_t n = from->dims.at[t->dim].size;
    int32_t k = dim_in(to, from, t->dim);
    for (uint32_t i = 0; k < 0 && n >= 0 && i < to->dims.n; i++)
        if (to->dims.at[i].size == n) k = (int32_t)i;
    t->dim = k;
    return k >= 0;
}

static bool same_labels(const nrg_dim *a, const nrg_dim *b) {
    for (int64_t i = 0; a->labels && b->labels && i < a->size && a->size == b->size; i++)
        if (!nrg_same(a->labels[i], b->labels[i])) return false;
    return true;
}

static bool same_size(int64_t a, int64_t b) {
    return a == b || a < 0 || b < 0;
}

// A value x of `from` for a variable of type t of `to`.
static bool fits(const nrg_model *to, const nrg_type *t, const nrg_model *from, const nrg_type *x) {
    if ((t->elem == NRG_CATEGORY) != (x->elem == NRG_CATEGORY) || t->rank != x->rank) return false;
    for (int i = 0; i < t->rank; i++) {
        const nrg_dim *a = t->axis[i].dim >= 0 ? &to->dims.at[t->axis[i].dim] : NULL,
                      *b = x->axis[i].dim >= 0 ? &from->dims.at[x->axis[i].dim] : NULL;
        bool ragged = (a && a->ragged) || (b && b->ragged);
        if (ragged ? !(a && b && a->ragged && b->ragged && nrg_same(a->name, b->name))
                   : !same_size(t->axis[i].size, x->axis[i].size))
            return false;
    }
    if (t->elem != NRG_CATEGORY) return true;
    const nrg_dim *a = &to->dims.at[t->dim], *b = &from->dims.at[x->dim];
    return same_size(a->size, b->size) && same_labels(a, b);
}

// ---- in the used model's place

typedef struct {
    nrg_scope *s;
    nrg_scope before;
} visit;

static nrg_status enter(visit *v, nrg_scope *s, const nrg_use *u) {
    const char *inside = nrg_arena_print(&s->arena, "%s%s:", s->inside, u->name);
    if (!inside) return NRG_E098;
    v->s = s;
    v->before = *s;
    s->m = u->model;
    s->use = s->use ? s->use : u;
    s->inside = inside;
    memset(s->bound, 0, sizeof s->bound);
    memset(s->seen, 0, sizeof s->seen);
    memset(s->hidden, 0, sizeof s->hidden);
    memset(&s->names, 0, sizeof s->names);
    s->own = (nrg_owner){0};
    s->floor = s->locals.n;
    return NRG_OK;
}

static void leave(const visit *v) {
    nrg_scope *s = v->s;
    const nrg_scope *b = &v->before;
    s->m = b->m;
    s->use = b->use;
    s->inside = b->inside;
    memcpy(s->bound, b->bound, sizeof s->bound);
    memcpy(s->seen, b->seen, sizeof s->seen);
    memcpy(s->hidden, b->hidden, sizeof s->hidden);
    memcpy(&s->names, &b->names, sizeof s->names);
    s->own = b->own;
    s->floor = b->floor;
}

// ---- the energy

static nrg_status wrong_count(nrg_scope *s, const nrg_expr *e, const nrg_model *m, int n) {
    nrg_text all = nrg_text_make(s->c), latents = nrg_text_make(s->c);
    for (int32_t i = 0; i < m->energy.n; i++) {
        const nrg_var *v = &m->vars.at[m->energy.order[i]];
        nrg_text_put(&all, i ? ", %s" : "%s", v->name);
        if (v->role == NRG_LATENT) nrg_text_put(&latents, latents.n ? ", %s" : "%s", v->name);
    }
    nrg_status st = nrg_fail(s->c, NRG_E037, e->span, "%s takes %d %s (%s), but gets %d", nrg_expr_text(s, e), m->energy.n,
                             m->energy.n == 1 ? "input" : "inputs", all.at ? all.at : "", n);
    if (latents.n && n < m->energy.n)
        nrg_help(s->c, "%s %s latent there: declare latents here too, give them as inputs, and say minimize or marginalize",
                 latents.at ? latents.at : "", strchr(latents.at ? latents.at : "", ',') ? "are" : "is");
    nrg_text_free(&all);
    nrg_text_free(&latents);
    return st;
}

// Dims of two models may have one name: sizes tell them apart.
static nrg_type sized(const nrg_type *t) {
    nrg_type r = *t;
    for (int i = 0; i < r.rank; i++)
        if (r.axis[i].size >= 0) r.axis[i].dim = -1;
    return r;
}

static nrg_status wrong_type(nrg_scope *s, const nrg_expr *e, const nrg_model *m, int i, const nrg_type *t,
                             const nrg_type *x) {
    nrg_text want = nrg_text_make(s->c);
    nrg_type there = sized(t), here = sized(x);
    nrg_type_print(m, &there, &want);
    nrg_status st = nrg_fail(s->c, NRG_E037, e->span, "'%s' of %s is %s, but input %d is %s", m->vars.at[m->energy.order[i]].name,
                             nrg_expr_text(s, e), want.at ? want.at : "", i + 1,
                             nrg_type_text(s, &here));
    nrg_help(s->c, "dims of two models match by size, ragged ones by name, labelled ones by their labels");
    nrg_text_free(&want);
    return st;
}

static nrg_status energy_of(nrg_scope *s, const nrg_expr *e, const nrg_use *u, const nrg_value *in, int n, nrg_value *out) {
    const nrg_model *m = u->model;
    visit v;
    if (n != m->energy.n) return wrong_count(s, e, m, n);
    for (int i = 0; i < n; i++) {
        nrg_type t;
        TRY(nrg_var_type(m, m->energy.order[i], &t));
        if (!fits(m, &t, s->m, &in[i].type)) return wrong_type(s, e, m, i, &t, &in[i].type);
    }
    TRY(enter(&v, s, u));
    for (int i = 0; i < n; i++) s->bound[m->energy.order[i]] = in[i].node;
    nrg_status st = nrg_eval_energy(s, &out->node);
    leave(&v);
    out->type = nrg_type_of(NRG_REAL, 0, NULL);
    return st;
}

// ---- modules

static nrg_status module_of(nrg_scope *s, const nrg_expr *e, const nrg_use *u, int32_t k, const nrg_value *in, int n,
                            nrg_value *out) {
    nrg_value there[NRG_MAX_INPUTS];
    visit v;
    bool told = true;
    for (int i = 0; i < n; i++) {
        there[i] = in[i];
        if (!type_in(u->model, s->m, &there[i].type))
            return nrg_fail(s->c, NRG_E037, e->span, "input %d of %s is %s, which model %s has no dim for", i + 1,
                            nrg_expr_text(s, e), nrg_type_text(s, &in[i].type), u->name);
    }
    TRY(enter(&v, s, u));
    nrg_status st = nrg_module_run(s, k, e->span, there, n, out);
    if (st == NRG_OK) told = type_in(v.before.m, u->model, &out->type);
    leave(&v);
    if (told) return st;
    return nrg_fail(s->c, NRG_E037, e->span, "%s gives something that no dim here can name", nrg_expr_text(s, e));
}

nrg_status nrg_use_call(nrg_scope *s, const nrg_expr *e, const nrg_value *in, int n, nrg_value *out) {
    const nrg_use *u = nrg_use_of(s, e);
    if (!u->model) {
        out->type = nrg_type_of(NRG_REAL, 0, NULL);
        if (nrg_stands_in(s)) return out->node = nrg_stand_in(s, &out->type), NRG_OK;
        nrg_status st = nrg_fail(s->c, NRG_E053, u->span, "%s, used as %s, is not there", u->path, u->name);
        nrg_help(s->c, "train it first; its path starts at the folder of the file that uses it");
        return st;
    }
    if (nrg_same(u->model->energy.name, e->text)) return energy_of(s, e, u, in, n, out);
    int32_t k = nrg_model_module(u->model, e->text);
    if (k >= 0) return module_of(s, e, u, k, in, n, out);
    return nrg_fail(s->c, NRG_E011, e->at, "model %s has no energy or module '%s'", u->name, e->text);
}
