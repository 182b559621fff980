// One screen about a model: what is declared, the terms of the energy, what was chosen and why, what each loss
// reads.
#include "lang/inside.h"
#include <math.h>
#include <string.h>

static void head(const char *word, nrg_text *out) { nrg_text_put(out, "%-9s ", word); }

static void set(const nrg_model *m, nrg_vars s, nrg_text *out) {
    bool first = true;
    for (uint32_t i = 0; i < m->vars.n; i++) {
        if (!(s >> i & 1)) continue;
        nrg_text_put(out, first ? "%s" : ", %s", m->vars.at[i].name);
        first = false;
    }
}

static void dims(const nrg_model *m, nrg_text *out) {
    if (!m->dims.n) return;
    head("dims", out);
    for (uint32_t i = 0; i < m->dims.n; i++) {
        const nrg_dim *d = &m->dims.at[i];
        nrg_text_put(out, "%s%s ", i ? "   " : "", d->name);
        if (d->size < 0)
            nrg_text_put(out, "(from data)");
        else
            nrg_text_put(out, d->ragged ? "..%lld" : "%lld", (long long)d->size);
        for (int64_t j = 0; d->labels && j < d->size && j < 6; j++)
            nrg_text_put(out, "%s%s%s", j ? " " : " {", d->labels[j],
                         j + 1 == d->size ? "}"
                         : j == 5         ? " ...}"
                                          : "");
    }
    nrg_text_put(out, "\n");
}

static void hypers(const nrg_model *m, nrg_text *out) {
    if (!m->hypers.n) return;
    head("hypers", out);
    for (uint32_t i = 0; i < m->hypers.n; i++) {
        const nrg_hyper *h = &m->hypers.at[i];
        nrg_text_put(out, "%s%s %g", i ? "   " : "", h->name, h->from);
        if (h->scheduled) nrg_text_put(out, " -> %g%s", h->to, h->geometric ? " (geometric)" : "");
        if (isfinite(h->lo) && isfinite(h->hi))
            nrg_text_put(out, " in %g..%g", h->lo, h->hi);
        else if (isfinite(h->lo))
            nrg_text_put(out, " in %g..", h->lo);
        else if (isfinite(h->hi))
            nrg_text_put(out, " in ..%g", h->hi);
    }
    nrg_text_put(out, "\n");
}

static void variables(const nrg_model *m, nrg_text *out) {
    static const char *const roles[] = {"given", "predict", "latent", "weight"};
    for (int role = NRG_GIVEN; role <= NRG_WEIGHT; role++)
        for (uint32_t i = 0; i < m->vars.n; i++) {
            const nrg_var *v = &m->vars.at[i];
            nrg_text line = nrg_text_make(m->ctx);
            if ((int)v->role != role) continue;
            nrg_lang_print_var(m, v, &line);
            const char *colon = line.at ? strchr(line.at, ':') : NULL;
            head(roles[role], out);
            if (colon)
                nrg_text_put(out, "%s %s", v->name, colon);
            else
                out->bad = true;
            nrg_text_free(&line);
        }
}

static void modules(const nrg_model *m, nrg_text *out) {
    for (uint32_t i = 0; i < m->modules.n; i++) {
        const nrg_module *g = &m->modules.at[i];
        head("module", out);
        nrg_text_put(out, "%s", g->name);
        for (uint32_t j = 0; j < g->n; j++)
            nrg_text_put(out, "%s%s%s", j ? ", " : "(", g->params[j], j + 1 == g->n ? ")" : "");
        nrg_text_put(out, " = ");
        nrg_expr_print(m, g->body, out);
        nrg_text_put(out, "\n");
    }
    for (uint32_t i = 0; i < m->params.n; i++) {
        const nrg_param *p = &m->params.at[i];
        if (p->var >= 0) continue;
        head("  weights", out);
        nrg_text_put(out, "%s : ", p->name);
        nrg_type_print(m, &p->type, out);
        nrg_text_put(out, "\n");
    }
}

static void term(const nrg_model *m, const nrg_term *t, nrg_text *out) {
    head("  term", out);
    nrg_text_put(out, t->sign < 0 ? "- " : "+ ");
    for (uint32_t i = 0; i < t->factors; i++) {
        bool simple = t->factor[i]->kind != NRG_X_BINARY;
        nrg_text_put(out, simple ? "" : "(");
        nrg_expr_print(m, t->factor[i], out);
        nrg_text_put(out, simple ? " * " : ") * ");
    }
    if (t->binders) {
        nrg_expr sum = {.kind = NRG_X_REDUCE,
                        .text = "sum",
                        .n = 2,
                        .kid = (nrg_expr *[]){t->body, t->guard},
                        .binder = t->binder,
                        .binders = t->binders};
        nrg_expr_print(m, &sum, out);
    } else
        nrg_expr_print(m, t->body, out);
    nrg_text_put(out, "\n");
}

static void energy(const nrg_model *m, nrg_text *out) {
    if (!m->energy.name) return;
    head("energy", out);
    nrg_text_put(out, "%s(", m->energy.name);
    for (int32_t i = 0; i < m->energy.n; i++)
        nrg_text_put(out, i ? ", %s" : "%s", m->vars.at[m->energy.order[i]].name);
    nrg_text_put(out, ")   low = good%s\n", m->energy.fn ? ", given in C" : "");
    for (uint32_t i = 0; i < m->energy.terms.n; i++) term(m, &m->energy.terms.at[i], out);
}

static void inference(const nrg_model *m, nrg_text *out) {
    static const char *const verbs[] = {"minimize", "marginalize", "sample"};
    for (uint32_t i = 0; i < m->infers.n; i++) {
        const nrg_infer_stmt *st = &m->infers.at[i];
        nrg_text_put(out, "%-11s ", verbs[st->verb]);
        set(m, st->vars, out);
        nrg_text_put(out, " by ");
        const nrg_method_row *row = nrg_method_get(st->method);
        if (st->by)
            nrg_expr_print(m, st->by, out);
        else
            nrg_text_put(out, "%s", row ? row->name : "?");
        if (st->from) {
            nrg_text_put(out, " from ");
            nrg_expr_print(m, st->from, out);
        }
        if (!st->written) nrg_text_put(out, "   (chosen: %s)", st->reason);
        if (row && !row->built) nrg_text_put(out, "   (not built yet)");
        nrg_text_put(out, "\n");
    }
}

// Where the second term of nll comes from, in the order of the ruling.
static const char *source_of(const nrg_model *m, const nrg_learn *l, nrg_vars over) {
    if (l->against) return "the set after `against`";
    for (uint32_t i = 0; i < m->vars.n; i++) {
        if (!(over >> i & 1)) continue;
        const nrg_infer_stmt *st = nrg_model_infer(m, NRG_MARGINALIZE, (int32_t)i);
        if (!st && !nrg_small_finite(m, (int32_t)i))
            return "samples (its gradient is biased where chains are short)";
    }
    return "marginalize";
}

static void atoms(const nrg_model *m, const nrg_learn *l, nrg_text *out) {
    for (uint32_t i = 0; i < l->atoms.n; i++) {
        const nrg_atom *a = &l->atoms.at[i];
        head("", out);
        nrg_text_put(out, "#%u = %s: ", i, nrg_atom_names[a->kind]);
        if (a->data) set(m, a->data, out);
        nrg_text_put(out, a->data ? " from the data" : "nothing from the data");
        if (a->over) {
            static const char *const how[] = {"", "from", "lowest over", "all", "as many as neg has for"};
            nrg_text_put(out, ", %s ", a->kind <= NRG_COUNT ? how[a->kind] : "with respect to");
            if (a->kind == NRG_NEG) {
                if (l->against)
                    nrg_expr_print(m, l->against, out);
                else
                    nrg_text_put(out, "the offender");
                nrg_text_put(out, " for ");
            }
            set(m, a->over, out);
            if (a->kind == NRG_FREE) nrg_text_put(out, " by %s", source_of(m, l, a->over));
        }
        nrg_text_put(out, "\n");
    }
}

static void learning(const nrg_model *m, nrg_text *out) {
    for (uint32_t i = 0; i < m->learns.n; i++) {
        const nrg_learn *l = &m->learns.at[i];
        head("learn", out);
        nrg_expr_print(m, l->written, out);
        nrg_text_put(out, "  =  ");
        nrg_expr_print(m, l->expr, out);
        nrg_text_put(out, "\n");
        atoms(m, l, out);
    }
    for (uint32_t i = 0; i < m->optimizes.n; i++) {
        const nrg_optimize *o = &m->optimizes.at[i];
        head("optimize", out);
        for (uint32_t j = 0; j < o->n; j++) nrg_text_put(out, "%s%s", j ? ", " : "", o->names[j]);
        nrg_text_put(out, o->n ? " by " : m->optimizes.n > 1 ? "the rest by " : "all by ");
        nrg_expr_print(m, o->by, out);
        nrg_text_put(out, "\n");
    }
}

void nrg_lang_show(const nrg_model *m, nrg_text *out) {
    dims(m, out);
    hypers(m, out);
    for (uint32_t i = 0; i < m->uses.n; i++) {
        head("use", out);
        nrg_text_put(out, "%s as %s%s\n", m->uses.at[i].path, m->uses.at[i].name,
                     m->uses.at[i].model ? "" : "   (not read yet)");
    }
    variables(m, out);
    modules(m, out);
    energy(m, out);
    inference(m, out);
    learning(m, out);
}
