// A model as text that loads to the same model: declarations first, then the rest in a fixed order, overrides
// resolved.
#include "lang/inside.h"
#include <math.h>
#include <string.h>

static void number(const nrg_model *m, double v, nrg_text *out) {
    nrg_expr minus = {.kind = NRG_X_NUMBER, .number = fabs(v)};
    if (v < 0) nrg_text_put(out, "-");
    nrg_expr_print(m, &minus, out);
}

static void names(const char *const *list, uint32_t n, nrg_text *out) {
    for (uint32_t i = 0; i < n; i++) nrg_text_put(out, i ? ", %s" : "%s", list[i]);
}

static void vars(const nrg_model *m, nrg_vars set, nrg_text *out) {
    bool first = true;
    for (uint32_t i = 0; i < m->vars.n; i++) {
        if (!(set >> i & 1)) continue;
        nrg_text_put(out, first ? "%s" : ", %s", m->vars.at[i].name);
        first = false;
    }
}

static void string(const char *s, nrg_text *out) {
    nrg_expr e = {.kind = NRG_X_STRING, .text = s};
    nrg_expr_print(NULL, &e, out);
}

static bool digits(const char *s) {
    return *s >= '0' && *s <= '9' && strspn(s, "0123456789") == strlen(s);
}

static void dim(const nrg_model *m, const nrg_dim *d, nrg_text *out) {
    nrg_text_put(out, "dim %s", d->name);
    if (d->labels) {
        nrg_text_put(out, " = {");
        for (int64_t i = 0; i < d->size; i++) {
            if (i) nrg_text_put(out, ", ");
            if (nrg_plain_name(d->labels[i]) || digits(d->labels[i]))
                nrg_text_put(out, "%s", d->labels[i]);
            else
                string(d->labels[i], out);
        }
        nrg_text_put(out, "}");
    } else if (d->fixed && (d->extent || d->size >= 0)) {
        nrg_text_put(out, d->ragged ? " = .." : " = ");
        if (d->extent)
            nrg_expr_print(m, d->extent, out);
        else
            number(m, (double)d->size, out);
    }
    nrg_text_put(out, "\n");
}

static void range(const nrg_model *m, double lo, double hi, nrg_text *out) {
    if (isfinite(lo)) number(m, lo, out);
    nrg_text_put(out, "..");
    if (isfinite(hi)) number(m, hi, out);
}

static void hyper(const nrg_model *m, const nrg_hyper *h, nrg_text *out) {
    nrg_text_put(out, h->geometric ? "hyper %s = geometric(" : "hyper %s = ", h->name);
    number(m, h->from, out);
    if (h->scheduled) {
        nrg_text_put(out, h->geometric ? ", " : " -> ");
        number(m, h->to, out);
    }
    if (h->geometric) nrg_text_put(out, ")");
    if (isfinite(h->lo) || isfinite(h->hi)) {
        nrg_text_put(out, " in ");
        range(m, h->lo, h->hi, out);
    }
    nrg_text_put(out, "\n");
}

static void domain(const nrg_model *m, const nrg_domain *d, nrg_text *out) {
    static const char *const words[] = {
        "",         "",         "simplex", "sphere",     "unit_columns", "orthonormal", "symmetric",
        "spectral", "segments", "monotone", "tree",    "projective", "permutation",  "path"};
    if (d->kind == NRG_DOM_ALL) return;
    nrg_text_put(out, " in %s", words[d->kind]);
    bool bounds = isfinite(d->lo) || isfinite(d->hi);
    if (d->kind == NRG_DOM_RANGE)
        range(m, d->lo, d->hi, out);
    else if (d->n || bounds) {
        nrg_text_put(out, "(");
        if (d->n)
            names(d->args, d->n, out);
        else if (d->kind == NRG_DOM_SPECTRAL)
            number(m, d->hi, out);
        else
            range(m, d->lo, d->hi, out);
        nrg_text_put(out, ")");
    }
}

void nrg_lang_print_var(const nrg_model *m, const nrg_var *v, nrg_text *out) {
    static const char *const roles[] = {"given", "predict", "latent", "weight"},
                             *const elements[] = {"real", "bit", "sign", "int"};
    nrg_text_put(out, "%s %s : %s", roles[v->role], v->name,
                 v->elem == NRG_CATEGORY ? m->dims.at[v->category].name : elements[v->elem]);
    for (uint32_t i = 0; i < v->rank; i++) {
        nrg_text_put(out, i ? ", " : "[");
        nrg_expr_print(m, v->axes[i], out);
    }
    if (v->rank) nrg_text_put(out, "]");
    domain(m, &v->domain, out);
    if (v->init) {
        nrg_text_put(out, " init ");
        nrg_expr_print(m, v->init, out);
    }
    nrg_text_put(out, "\n");
}

// Modules and lets by their place in the text: a module may be used by a let and the reverse never, but lets read lets.
static void helpers(const nrg_model *m, nrg_text *out) {
    for (uint32_t i = 0; i < m->modules.n; i++) {
        const nrg_module *g = &m->modules.at[i];
        nrg_text_put(out, "module %s", g->name);
        if (g->n) {
            nrg_text_put(out, "(");
            names(g->params, g->n, out);
            nrg_text_put(out, ")");
        }
        nrg_text_put(out, " = ");
        nrg_expr_print(m, g->body, out);
        nrg_text_put(out, "\n");
    }
    for (uint32_t i = 0; i < m->lets.n; i++) {
        nrg_text_put(out, "let %s = ", m->lets.at[i].name);
        nrg_expr_print(m, m->lets.at[i].body, out);
        nrg_text_put(out, "\n");
    }
}

static void energy(const nrg_model *m, nrg_text *out) {
    if (!m->energy.body) return;
    nrg_text_put(out, "energy %s(", m->energy.name);
    for (int32_t i = 0; i < m->energy.n; i++)
        nrg_text_put(out, i ? ", %s" : "%s", m->vars.at[m->energy.order[i]].name);
    nrg_text_put(out, ") = ");
    nrg_expr_print(m, m->energy.body, out);
    nrg_text_put(out, "\n");
}

static void with(const nrg_model *m, const char *word, const nrg_expr *e, nrg_text *out) {
    if (!e) return;
    nrg_text_put(out, " %s ", word);
    nrg_expr_print(m, e, out);
}

static void inference(const nrg_model *m, nrg_text *out) {
    static const char *const verbs[] = {"minimize", "marginalize", "sample"};
    for (uint32_t i = 0; i < m->infers.n; i++) {
        const nrg_infer_stmt *st = &m->infers.at[i];
        nrg_text_put(out, "%s ", verbs[st->verb]);
        vars(m, st->vars, out);
        with(m, "by", st->by, out);
        with(m, "from", st->from, out);
        nrg_text_put(out, "\n");
    }
    for (uint32_t i = 0; i < m->hides.n; i++) {
        nrg_text_put(out, "hide %s", m->vars.at[m->hides.at[i].var].name);
        with(m, "by", m->hides.at[i].by, out);
        nrg_text_put(out, "\n");
    }
}

static void learning(const nrg_model *m, nrg_text *out) {
    for (uint32_t i = 0; i < m->learns.n; i++) {
        nrg_text_put(out, "learn ");
        nrg_expr_print(m, m->learns.at[i].written, out);
        with(m, "against", m->learns.at[i].against, out);
        nrg_text_put(out, "\n");
    }
    for (uint32_t i = 0; i < m->optimizes.n; i++) {
        nrg_text_put(out, m->optimizes.at[i].n ? "optimize " : "optimize");
        names(m->optimizes.at[i].names, m->optimizes.at[i].n, out);
        with(m, "by", m->optimizes.at[i].by, out);
        nrg_text_put(out, "\n");
    }
}

static void binding(const nrg_model *m, nrg_text *out) {
    static const char *const questions[] = {"best", "rank", "dist"};
    for (uint32_t i = 0; i < m->datas.n; i++) {
        nrg_text_put(out, "data ");
        names(m->datas.at[i].names, m->datas.at[i].n, out);
        with(m, "=", m->datas.at[i].expr, out);
        nrg_text_put(out, "\n");
    }
    for (uint32_t i = 0; i < m->answers.n; i++) {
        const nrg_answer_stmt *a = &m->answers.at[i];
        nrg_text_put(out, "answer %s %s", questions[a->question], m->vars.at[a->var].name);
        if (a->given) {
            nrg_text_put(out, " given ");
            vars(m, a->given, out);
        }
        nrg_text_put(out, "\n");
    }
    for (uint32_t i = 0; i < m->expects.n; i++) {
        nrg_text_put(out, "expect ");
        nrg_expr_print(m, m->expects.at[i].expr, out);
        nrg_text_put(out, "\n");
    }
    for (uint32_t i = 0; i < m->reports.n; i++) {
        nrg_text_put(out, "report ");
        nrg_expr_print(m, m->reports.at[i].expr, out);
        nrg_text_put(out, "\n");
    }
}

void nrg_lang_print(const nrg_model *m, nrg_text *out) {
    for (uint32_t i = 0; i < m->dims.n; i++) dim(m, &m->dims.at[i], out);
    for (uint32_t i = 0; i < m->hypers.n; i++) hyper(m, &m->hypers.at[i], out);
    for (uint32_t i = 0; i < m->uses.n; i++) {
        nrg_text_put(out, "use ");
        string(m->uses.at[i].path, out);
        nrg_text_put(out, " as %s\n", m->uses.at[i].name);
    }
    for (uint32_t i = 0; i < m->vars.n; i++) nrg_lang_print_var(m, &m->vars.at[i], out);
    helpers(m, out);
    energy(m, out);
    inference(m, out);
    learning(m, out);
    binding(m, out);
}
