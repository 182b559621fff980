// Inference statements: does the method fit the verb and the domain (E025 to E027), and which one is taken
// when none is named. The choice here looks at domains only; infer refines it by the structure of the energy.
#include "lang/inside.h"
#include <math.h>
#include <string.h>

static const char *const verbs[] = {"minimize", "marginalize", "sample"};

static bool combinatorial(const nrg_var *v) { return v->domain.kind >= NRG_DOM_SEGMENTS; }
static bool discrete(const nrg_var *v) { return v->elem != NRG_REAL; }
static bool bounded(const nrg_var *v) {
    return v->domain.kind == NRG_DOM_RANGE && isfinite(v->domain.lo) && isfinite(v->domain.hi);
}

// Number of values of one entry; 0: infinite or not known.
static double values(const nrg_model *m, const nrg_var *v) {
    if (v->elem == NRG_BIT || v->elem == NRG_SIGN) return 2;
    if (v->elem == NRG_INT) return bounded(v) ? v->domain.hi - v->domain.lo + 1 : 0;
    if (v->elem == NRG_CATEGORY)
        return m->dims.at[v->category].size > 0 ? (double)m->dims.at[v->category].size : 0;
    return 0;
}

// Number of entries; 0: not known before data are seen.
static double entries(const nrg_model *m, const nrg_var *v, bool *ragged) {
    double n = 1;
    *ragged = false;
    for (uint32_t i = 0; i < v->rank; i++) {
        const nrg_expr *e = v->axes[i];
        int32_t d = e->kind == NRG_X_NAME ? nrg_model_dim(m, e->text) : -1;
        if (d >= 0 && m->dims.at[d].size < 0) return 0;
        if (d >= 0 && m->dims.at[d].ragged) *ragged = true;
        double x = 0;
        if (d >= 0)
            x = (double)m->dims.at[d].size;
        else if (e->kind == NRG_X_NUMBER)
            x = e->number;
        n *= x;
    }
    return n;
}

bool nrg_small_finite(const nrg_model *m, int32_t var) {
    const nrg_var *v = &m->vars.at[var];
    bool ragged;
    if (!discrete(v) || combinatorial(v)) return false;
    if (v->elem == NRG_INT && !bounded(v)) return false;
    if (v->rank == 0) return true;
    double k = values(m, v), n = entries(m, v, &ragged);
    return k > 0 && n > 0 && !ragged && n * log(k) <= log(1e6);
}

// ---- does the method fit? ----

static nrg_status unfit(checker *k, const nrg_expr *at, nrg_status code, const char *method,
                        const char *needs, int32_t var, const char *help) {
    nrg_status s = nrg_fail(k->c, code, at->at, "%s needs %s, but '%s' is %s", method, needs,
                            k->m->vars.at[var].name, nrg_var_text(k, var));
    nrg_help(k->c, "%s", help);
    return s;
}

// What serves instead, by the verb.
static const char *const for_discrete[] = {"for a discrete variable use exhaustive or factors", "for a discrete variable use exhaustive or factors",
                                           "for a discrete variable use gibbs, gwg or metropolis: a statement of its own, beside that of the reals"};
static const char *const for_real[] = {"use gradient, lbfgs, exact, or grid(points=...) for a few dimensions",
                                       "use exact, or grid(points=...) for a few bounded reals", "use hmc, nuts, mala, langevin or metropolis"};

static nrg_status fits_chain(checker *k, const nrg_expr *at, const nrg_method_row *row, nrg_verb verb, int32_t i) {
    const nrg_var *v = &k->m->vars.at[i];
    if (!discrete(v)) return unfit(k, at, NRG_E026, row->name, "a discrete variable", i, for_real[verb]);
    if (v->rank == 0)
        return unfit(k, at, NRG_E027, row->name, "a sequence", i,
                     "one category has no neighbours; use exhaustive");
    if (combinatorial(v) && v->domain.kind != NRG_DOM_SEGMENTS &&
        v->domain.kind != NRG_DOM_MONOTONE && v->domain.kind != NRG_DOM_PATH)
        return unfit(k, at, NRG_E027, row->name, "a sequence", i,
                     "leave `by` out: the method follows from the domain");
    return NRG_OK;
}

static nrg_status fits(checker *k, const nrg_expr *at, const nrg_method_row *row, nrg_verb verb, int32_t i) {
    const nrg_var *v = &k->m->vars.at[i];
    const char *word = row->domain;
    bool ragged;
    if (nrg_same(word, "real") || nrg_same(word, "quadratic") || nrg_same(word, "smooth"))
        return discrete(v)
                   ? unfit(k, at, NRG_E026, row->name, "a continuous variable", i, for_discrete[verb])
                   : NRG_OK;
    if (nrg_same(word, "finite")) {
        if (discrete(v) && (v->elem != NRG_INT || bounded(v))) return NRG_OK;
        return unfit(k, at, NRG_E026,
                     nrg_same(row->name, "exhaustive") ? "exhaustive search" : row->name,
                     "a finite domain", i, for_real[verb]);
    }
    if (nrg_same(word, "box3")) {
        if (!discrete(v) && bounded(v) && entries(k->m, v, &ragged) <= 3) return NRG_OK;
        return unfit(k, at, NRG_E026, row->name, "at most three bounded reals", i,
                     discrete(v) ? for_discrete[verb] : "give it a range, in -1..1, or use gradient");
    }
    if (nrg_same(word, "chain")) return fits_chain(k, at, row, verb, i);
    if (nrg_same(word, "discrete") && !discrete(v))
        return unfit(k, at, NRG_E026, row->name, "a discrete variable", i, for_real[verb]);
    if (nrg_same(word, "binary") && v->elem != NRG_BIT && v->elem != NRG_SIGN)
        return unfit(k, at, NRG_E026, row->name, "bits or signs", i,
                     discrete(v) ? for_discrete[verb] : for_real[verb]);
    if (nrg_same(word, "tree") && v->domain.kind != NRG_DOM_TREE &&
        v->domain.kind != NRG_DOM_PROJECTIVE)
        return unfit(k, at, NRG_E027, row->name, "the domain tree or projective", i,
                     "declare it: head : T[T] in tree");
    if (nrg_same(word, "permutation") && v->domain.kind != NRG_DOM_PERMUTATION)
        return unfit(k, at, NRG_E027, row->name, "the domain permutation", i,
                     "declare it: match : T[T] in permutation");
    return NRG_OK;
}

static const char letters[] = "msd"; // of the verbs in the table of methods

static void list_methods(checker *k, nrg_verb verb) {
    nrg_text t = nrg_text_make(k->c);
    for (int i = 1; i < NRG_BY_COUNT; i++) {
        const nrg_method_row *r = nrg_method_get((nrg_method)i);
        if (r->built && strchr(r->verbs, letters[verb])) nrg_text_put(&t, " %s", r->name);
    }
    if (t.at) nrg_fact(k->c, "methods that can:%s", t.at);
    nrg_text_free(&t);
}

static nrg_status unknown(checker *k, const char *name, nrg_span span, nrg_verb verb) {
    nrg_status s = nrg_names_unknown(k, "method", name, span, 1u << N_METHOD | 1u << N_MODULE);
    if (!nrg_names_near(k, name, 1u << N_METHOD | 1u << N_MODULE)) list_methods(k, verb);
    return s;
}

static nrg_status fits_verb(checker *k, const nrg_expr *at, const nrg_method_row *row,
                            nrg_verb verb) {
    if (strchr(row->verbs, letters[verb])) return NRG_OK;
    nrg_status s = nrg_fail(k->c, NRG_E026, at->at, "%s cannot %s", row->name, verbs[verb]);
    list_methods(k, verb);
    for (int i = 0; i < 3; i++)
        if (strchr(row->verbs, letters[i]))
            return nrg_help(k->c, "%s can %s", row->name, verbs[i]), s;
    return s;
}

// ---- the choice ----

static void choose(const nrg_model *m, nrg_infer_stmt *st, int32_t i) {
    const nrg_var *v = &m->vars.at[i];
#define CHOICE(minimize, marginalize, sample, why)                                                 \
    do {                                                                                           \
        static const nrg_method by[] = {NRG_BY_##minimize, NRG_BY_##marginalize, NRG_BY_##sample}; \
        st->method = by[st->verb];                                                                 \
        st->reason = why;                                                                          \
        return;                                                                                    \
    } while (0)
    if (v->domain.kind == NRG_DOM_TREE) CHOICE(edmonds, matrix_tree, gibbs, "its domain is a tree");
    if (v->domain.kind == NRG_DOM_PROJECTIVE)
        CHOICE(eisner, eisner, gibbs, "its domain is a projective tree");
    if (v->domain.kind == NRG_DOM_PERMUTATION)
        CHOICE(hungarian, beliefprop, gibbs, "its domain is a permutation");
    if (v->domain.kind >= NRG_DOM_SEGMENTS)
        CHOICE(viterbi, forward_backward, forward_backward, "its domain is a sequence");
    if (nrg_small_finite(m, i)) CHOICE(exhaustive, exhaustive, gibbs, "finite and small");
    if (discrete(v) && v->rank == 1)
        CHOICE(viterbi, forward_backward, gibbs, "an array along one axis: a chain");
    if (discrete(v)) CHOICE(beliefprop, beliefprop, gibbs, "an array over several axes");
    if (bounded(v) && v->rank == 0) CHOICE(grid, grid, hmc, "one bounded real");
    CHOICE(gradient, exact, hmc, "real");
#undef CHOICE
}

// ---- the statement ----

static const char *const points[] = {"data", "buffer", "memory", "noise", NULL};

static nrg_status start_point(checker *k, const nrg_expr *e) {
    const nrg_expr *head = e->kind == NRG_X_CALL ? e->kid[0] : e;
    if (head->kind != NRG_X_NAME) return nrg_resolve(k, e, SEE_VARS);
    name_kind kind = nrg_names_find(k, head->text, NULL);
    if (kind == N_MODULE || kind == N_USE ||
        (kind != N_NONE && kind != N_FUNCTION && kind != N_LAYER && e == head))
        return nrg_resolve(k, e, SEE_VARS);
    const char *args = nrg_same(head->text, "buffer")  ? "n restart sd tempering hottest start"
                       : nrg_same(head->text, "noise") ? "sd"
                                                       : "";
    if (nrg_in_list(points, head->text)) return nrg_check_args(k, e, args, head->text, 0, SEE_VARS);
    const char *near = nrg_nearest(head->text, points, 4);
    nrg_status s =
        nrg_names_unknown(k, "start point", head->text, head->span, near ? 0 : 1u << N_MODULE);
    if (nrg_names_lost(k, head->text)) return s;
    nrg_fact(k->c, "start points: data, buffer(n, restart=5%%), memory, noise, or a module");
    if (near) nrg_help(k->c, "did you mean '%s'?", near);
    return s;
}

static nrg_status method(checker *k, nrg_infer_stmt *st, const nrg_expr *e) {
    const nrg_expr *head = e->kind == NRG_X_CALL ? e->kid[0] : e;
    const char *name = head->kind == NRG_X_NAME ? head->text : "";
    name_kind kind = nrg_names_find(k, name, NULL);
    if (kind == N_MODULE || head->kind == NRG_X_MEMBER)
        return nrg_resolve(k, e, SEE_VARS); // a proposer
    const nrg_method_row *row = nrg_method_find(name, &st->method);
    if (!row) return unknown(k, *name ? name : nrg_source_part(k, head), head->span, st->verb);
    TRY(fits_verb(k, head, row, st->verb));
    bool any = st->method == NRG_BY_variational || st->method == NRG_BY_ancestral;
    for (uint32_t i = 0; i < k->m->vars.n; i++)
        if (st->vars >> i & 1 && !(any && st->verb == NRG_SAMPLE_VERB))
            TRY(fits(k, head, row, st->verb, (int32_t)i));
    return nrg_check_args(k, e, row->args, row->name, any ? 8 : 0, SEE_VARS);
}

nrg_status nrg_infer_declare(checker *k, stmt *s) {
    nrg_model *m = k->m;
    nrg_infer_stmt st = {.verb = (nrg_verb)(s->key - K_MINIMIZE),
                         .by = s->by,
                         .from = s->from,
                         .written = s->by != NULL,
                         .span = s->span};
    int32_t first = -1;
    for (uint32_t i = 0; i < s->n; i++) {
        int32_t v = nrg_model_var(m, s->names[i]);
        if (v < 0) return nrg_names_unknown(k, "variable", s->names[i], s->spans[i], 1u << N_VAR);
        if (m->vars.at[v].role == NRG_WEIGHT) {
            nrg_status r =
                nrg_fail(k->c, NRG_E025, s->spans[i],
                         "'%s' is a weight: weights are learned, not inferred", m->vars.at[v].name);
            nrg_help(k->c, "use optimize %s by ..., or declare it as latent", m->vars.at[v].name);
            return r;
        }
        if (nrg_model_infer(m, st.verb, v) || (st.vars >> v & 1)) {
            nrg_status r = nrg_fail(k->c, NRG_E010, s->spans[i], "'%s' has a %s statement already",
                                    m->vars.at[v].name, verbs[st.verb]);
            nrg_help(k->c, "keep one of the two");
            return r;
        }
        st.vars |= (nrg_vars)1 << v;
        if (first < 0) first = v;
    }
    if (s->by) {
        const nrg_expr *head = s->by->kind == NRG_X_CALL ? s->by->kid[0] : s->by;
        st.by_span = head->span;
        TRY(method(k, &st, s->by));
        st.reason = st.method ? "as written" : "a proposer";
    } else
        choose(m, &st, first);
    if (s->from) TRY(start_point(k, s->from));
    if (s->by) TRY(nrg_weigh(k, s->by, st.by_span, NULL));
    if (s->from) TRY(nrg_weigh(k, s->from, s->from->span, NULL));
    return NRG_PUSH(&m->arena, m->infers, st);
}

void nrg_infer_check(checker *k) {
    const nrg_model *m = k->m;
    if (!m->energy.body && !m->energy.fn) return;
    for (uint32_t i = 0; i < m->vars.n; i++) {
        const nrg_var *v = &m->vars.at[i];
        if (v->role != NRG_LATENT) continue;
        bool least = nrg_model_infer(m, NRG_MINIMIZE, (int32_t)i),
             sum = nrg_model_infer(m, NRG_MARGINALIZE, (int32_t)i);
        if (least && sum) {
            nrg_fail(k->c, NRG_E029, v->span,
                     "latent variable '%s' is both minimized and marginalized", v->name);
            nrg_help(k->c,
                     "keep minimize %s (energy of the best %s) or marginalize %s (free energy over "
                     "all %s)",
                     v->name, v->name, v->name, v->name);
        }
        bool drawn = nrg_model_infer(m, NRG_SAMPLE_VERB, (int32_t)i) != NULL; // learning draws it beside the data
        if (least || sum || drawn) continue;
        nrg_fail(k->c, NRG_E028, v->span,
                 "latent variable '%s' has no verb: the model must say how it is eliminated",
                 v->name);
        nrg_help(k->c,
                 "add: minimize %s   (energy of the best %s)   or   marginalize %s   (free energy "
                 "over all %s)",
                 v->name, v->name, v->name, v->name);
    }
}
