// The energy statement, what it must list (E020 to E024), and `hide` with seen and hidden (E046).
#include "lang/inside.h"

static nrg_status list_one(checker *k, stmt *s, uint32_t i) {
    nrg_model *m = k->m;
    int32_t v = nrg_model_var(m, s->given[i]);
    if (v < 0) return nrg_names_unknown(k, "variable", s->given[i], s->given_spans[i], 1u << N_VAR);
    if (m->vars.at[v].role == NRG_WEIGHT) {
        nrg_status st =
            nrg_fail(k->c, NRG_E021, s->given_spans[i],
                     "'%s' is a weight; energy %s lists variables only", s->given[i], s->names[0]);
        nrg_help(k->c, "take it off the list; weights are found by themselves");
        return st;
    }
    if (m->energy.vars >> v & 1)
        return nrg_fail(k->c, NRG_E010, s->given_spans[i], "energy %s lists '%s' twice",
                        s->names[0], s->given[i]);
    m->energy.vars |= (nrg_vars)1 << v;
    m->energy.order[m->energy.n++] = v;
    return NRG_OK;
}

nrg_status nrg_energy_declare(checker *k, stmt *s) {
    nrg_model *m = k->m;
    if (m->energy.name || m->energy.fn) {
        nrg_status st =
            nrg_fail(k->c, NRG_E010, s->spans[0], "a model has one energy, and '%s' is it already",
                     m->energy.name ? m->energy.name : "the function given in C");
        nrg_help(k->c, "add the terms up in one statement; helpers are `let` and `module`");
        return st;
    }
    TRY(nrg_names_declare(k, s->names[0], s->spans[0], false));
    for (uint32_t i = 0; i < s->givens; i++) TRY(list_one(k, s, i));
    TRY(nrg_resolve(k, s->expr, SEE_VARS));
    TRY(nrg_weigh(k, s->expr, s->spans[0], NULL));
    m->energy.name = s->names[0];
    m->energy.span = s->spans[0];
    m->energy.body = s->expr;
    return NRG_OK;
}

static const char *role_text(nrg_role r) {
    static const char *const words[] = {"given", "predicted", "latent", "weight"};
    return words[r];
}

// What the list should have been.
static const char *full_list(checker *k, nrg_vars more) {
    nrg_text t = nrg_text_make(k->c);
    for (int32_t i = 0; i < k->m->energy.n; i++)
        nrg_text_put(&t, "%s%s", i ? ", " : "", k->m->vars.at[k->m->energy.order[i]].name);
    for (uint32_t i = 0; i < k->m->vars.n; i++)
        if (more >> i & 1) nrg_text_put(&t, "%s%s", t.n ? ", " : "", k->m->vars.at[i].name);
    const char *s = t.at && !t.bad ? nrg_arena_copy(&k->m->arena, t.at, t.n) : NULL;
    nrg_text_free(&t);
    return s ? s : "...";
}

void nrg_energy_check(checker *k) {
    nrg_model *m = k->m;
    if (!m->energy.body) return;
    nrg_vars used = nrg_expr_vars(m, m->energy.body) & ~nrg_model_role(m, NRG_WEIGHT),
             more = used & ~m->energy.vars;
    for (uint32_t i = 0; i < m->vars.n; i++) {
        const nrg_var *v = &m->vars.at[i];
        if (!(more >> i & 1)) continue;
        nrg_fail(k->c, NRG_E023, m->energy.span,
                 "energy %s uses %s variable '%s' but does not list it", m->energy.name,
                 role_text(v->role), v->name);
        nrg_help(k->c, "write energy %s(%s)", m->energy.name, full_list(k, more));
        break; // one message names them all
    }
    for (uint32_t i = 0; i < m->vars.n; i++) {
        const nrg_var *v = &m->vars.at[i];
        if (v->role == NRG_WEIGHT || ((used | m->energy.vars) >> i & 1)) continue;
        nrg_fail(k->c, NRG_E020, v->span, "%s variable '%s' does not appear in any energy",
                 role_text(v->role), v->name);
        nrg_help(k->c, "add it: energy %s(..., %s) = ..., or delete the line", m->energy.name,
                 v->name);
    }
}

void nrg_energy_unused(checker *k) {
    nrg_model *m = k->m;
    if (!m->energy.body) return;
    nrg_vars idle = m->energy.vars & ~nrg_expr_vars(m, m->energy.body);
    for (uint32_t i = 0; i < m->vars.n; i++) {
        if (!(idle >> i & 1)) continue;
        nrg_fail(k->c, NRG_E024, m->energy.span, "energy %s lists '%s' but does not use it",
                 m->energy.name, m->vars.at[i].name);
        nrg_help(k->c, "use %s in the energy, or take it off the list", m->vars.at[i].name);
        return;
    }
}

// ---- hide ----

// The first seen(v) or hidden(v) below e, lets followed; NULL when there is none. var < 0: of any variable.
static const nrg_expr *asks(const nrg_model *m, const nrg_expr *e, int32_t var) {
    if (!e) return NULL;
    if (e->kind == NRG_X_NAME) {
        int32_t let = nrg_model_let(m, e->text);
        return let >= 0 ? asks(m, m->lets.at[let].body, var) : NULL;
    }
    const nrg_expr *f = e->kind == NRG_X_CALL && e->n == 2 ? e->kid[0] : NULL;
    if (f && f->kind == NRG_X_NAME && (nrg_same(f->text, "seen") || nrg_same(f->text, "hidden")) &&
        e->kid[1]->kind == NRG_X_NAME) {
        int32_t v = nrg_model_var(m, e->kid[1]->text);
        if (v >= 0 && (var < 0 || v == var)) return e;
    }
    for (uint32_t i = 0; i < e->n; i++) {
        const nrg_expr *found = asks(m, e->kid[i], var);
        if (found) return found;
    }
    return NULL;
}

void nrg_hide_check(checker *k) {
    nrg_model *m = k->m;
    if (!m->energy.body) return;
    for (uint32_t i = 0; i < m->hides.n; i++) {
        const nrg_hide *h = &m->hides.at[i];
        const char *v = m->vars.at[h->var].name;
        if (asks(m, m->energy.body, h->var)) continue;
        nrg_fail(k->c, NRG_E046, h->span,
                 "'%s' is hidden in part, but no energy asks for seen(%s) or hidden(%s)", v, v, v);
        nrg_help(k->c,
                 "the energy may look only at the visible part: use seen(%s), e.g. G(seen(%s)), or "
                 "delete the line",
                 v, v);
    }
    for (uint32_t i = 0; i < m->vars.n; i++) {
        const nrg_expr *e = asks(m, m->energy.body, (int32_t)i);
        bool hidden = false;
        for (uint32_t j = 0; j < m->hides.n; j++) hidden |= m->hides.at[j].var == (int32_t)i;
        if (!e || hidden) continue;
        nrg_fail(k->c, NRG_E046, e->span, "the energy asks for %s(%s), but nothing hides '%s'",
                 e->kid[0]->text, m->vars.at[i].name, m->vars.at[i].name);
        nrg_help(k->c, "add: hide %s by random(15%%)", m->vars.at[i].name);
    }
}
