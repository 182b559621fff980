// Chains: which variables are eliminated together, by which method, and in which order; the outermost first.
#include "infer/inside.h"
#include <string.h>

static nrg_status no_verb(nrg_inference *i, int32_t v) {
    const nrg_var *var = &i->model->vars.at[v];
    if (var->role == NRG_LATENT) {
        nrg_status s = nrg_fail(i->ctx, NRG_E028, var->span, "latent %s has no verb", var->name);
        nrg_help(i->ctx, "minimize %s, or marginalize %s", var->name, var->name);
        return s;
    }
    nrg_status s = nrg_fail(
        i->ctx, NRG_E060, var->span,
        "%s is neither held nor eliminated: the model has no minimize or marginalize for it",
        var->name);
    nrg_help(i->ctx, "give %s (--given %s=...), or add   minimize %s   or   marginalize %s", var->name, var->name, var->name, var->name);
    return s;
}

// The verb by which a variable that is not asked for is eliminated. With both verbs `like` decides.
static nrg_status own_verb(nrg_inference *i, int32_t v, nrg_verb like, nrg_verb *out) {
    bool lo = nrg_model_infer(i->model, NRG_MINIMIZE, v) != NULL,
         sum = nrg_model_infer(i->model, NRG_MARGINALIZE, v) != NULL;
    if (!lo && !sum) return no_verb(i, v);
    *out = lo && sum ? like : lo ? NRG_MINIMIZE : NRG_MARGINALIZE;
    return NRG_OK;
}

nrg_status nrg_infer_unbuilt(nrg_inference *i, const nrg_infer_stmt *st) {
    const nrg_method_row *row = nrg_method_get(st->method);
    nrg_status s =
        nrg_fail(i->ctx, NRG_E071, st->by_span, "the inference method %s is not built yet",
                 row ? row->name : "asked for");
    nrg_help(i->ctx, "built are exact, exhaustive, factors, grid, gradient and lbfgs");
    return s;
}

static nrg_status fill_stmt(nrg_inference *i, nrg_group *gr) {
    nrg_infer_stmt *st = &gr->stmt;
    st->vars = gr->vars;
    st->verb = gr->verb;
    if (st->method == NRG_BY_NONE && st->by) {
        nrg_status s = nrg_fail(i->ctx, NRG_E071, st->by_span,
                                "a module after `by` (amortised inference) is not built yet");
        nrg_help(i->ctx, "use exact, exhaustive, grid, gradient or lbfgs");
        return s;
    }
    if (st->method == NRG_BY_NONE || !st->written) TRY(nrg_infer_choose(i->model, st));
    return nrg_method_impl_get(st->method) ? NRG_OK : nrg_infer_unbuilt(i, st);
}

static nrg_status put_var(nrg_chain *c, int32_t v, nrg_verb verb, bool first) {
    nrg_model *m = c->i->model;
    const nrg_infer_stmt *st = nrg_model_infer(m, verb, v);
    for (int k = 0; k < c->n; k++) {
        bool same = st ? c->at[k].stmt.span.start == st->span.start &&
                             c->at[k].stmt.span.file == st->span.file &&
                             c->at[k].stmt.vars == st->vars
                       : first && !c->at[k].stmt.vars;
        if (c->at[k].verb != verb || !same) continue;
        c->at[k].vars |= (nrg_vars)1 << v;
        return NRG_OK;
    }
    nrg_group *gr = &c->at[c->n++];
    *gr = (nrg_group){.vars = (nrg_vars)1 << v, .verb = verb};
    if (st) gr->stmt = *st;
    return NRG_OK;
}

// Neighbouring groups in closed form under one verb become one: their variables may be coupled.
static void merge_exact(nrg_chain *c) {
    int n = 0;
    for (int k = 0; k < c->n; k++) {
        nrg_group *last = n ? &c->at[n - 1] : NULL, *gr = &c->at[k];
        if (last && last->verb == gr->verb && last->stmt.method == NRG_BY_exact &&
            gr->stmt.method == NRG_BY_exact) {
            last->vars |= gr->vars;
            last->stmt.vars = last->vars;
        } else {
            c->at[n++] = *gr;
        }
    }
    c->n = n;
}

// What was chosen from the energy alone need not hold above variables that are still to be eliminated.
static void soften(nrg_chain *c) {
    for (int k = 0; k + 1 < c->n; k++) {
        nrg_infer_stmt *st = &c->at[k].stmt;
        if (!st->written && st->method == NRG_BY_factors && nrg_finite_count(c->i, c->at[k].vars) <= 1e6) {
            st->method = NRG_BY_exhaustive;
            st->reason = "finite and small";
        }
        if (st->written || st->method != NRG_BY_exact || st->verb != NRG_MINIMIZE) continue;
        st->method = NRG_BY_lbfgs;
        st->reason = "smooth pieces once the others are eliminated";
    }
}

static nrg_status say(nrg_inference *i, nrg_chain *c, int k) {
    static const char *const verbs[] = {"minimize", "marginalize", "sample"};
    nrg_group *gr = &c->at[k];
    nrg_text t = nrg_text_make(i->ctx), why = nrg_text_make(i->ctx);
    const nrg_method_impl *impl = nrg_method_impl_get(gr->stmt.method);
    nrg_text_put(&t, "%s ", verbs[gr->verb]);
    nrg_vars_print(i->model, gr->vars, &t);
    nrg_text_put(&t, " by %s", impl->name);
    if (impl->print) impl->print(c, k, &why);
    if (!gr->stmt.written && gr->stmt.reason)
        nrg_text_put(&t, "   (chosen: %s%s%s)", gr->stmt.reason, why.n ? "; " : "",
                     why.n ? why.at : "");
    else if (why.n)
        nrg_text_put(&t, "   (%s)", why.at);
    nrg_status s = t.bad || why.bad ? NRG_E098 : NRG_OK;
    for (uint32_t j = 0; s == NRG_OK && j < i->said.n; j++)
        if (strcmp(i->said.at[j], t.at) == 0) goto done; // said before
    if (s == NRG_OK) {
        const char *line = nrg_arena_copy(&i->arena, t.at, t.n);
        s = line ? NRG_PUSH(&i->arena, i->said, line) : NRG_E098;
    }
done:
    nrg_text_free(&t);
    nrg_text_free(&why);
    return s;
}

nrg_status nrg_infer_say(nrg_inference *i, const char *fmt, ...) {
    va_list ap;
    char line[200];
    va_start(ap, fmt);
    nrg_vprint(line, sizeof line, fmt, ap);
    va_end(ap);
    while (i->outer) i = i->outer;
    for (uint32_t j = 0; j < i->said.n; j++)
        if (strcmp(i->said.at[j], line) == 0) return NRG_OK;
    const char *own = nrg_arena_copy(&i->arena, line, strlen(line));
    return own ? NRG_PUSH(&i->arena, i->said, own) : NRG_E098;
}

nrg_status nrg_chain_make(nrg_inference *i, nrg_vars data, nrg_vars over, nrg_verb verb,
                          nrg_vars keep, nrg_chain *c) {
    nrg_model *m = i->model;
    nrg_vars open = m->energy.vars & ~data & ~keep & ~nrg_model_role(m, NRG_WEIGHT);
    memset(c, 0, sizeof *c);
    c->i = i;
    for (int pass = 0; pass < 3; pass++) { // asked for, other answers, latents
        for (uint32_t v = 0; v < m->vars.n; v++) {
            nrg_vars one = (nrg_vars)1 << v;
            nrg_verb vb = verb;
            int rank = over & one ? 0 : m->vars.at[v].role == NRG_LATENT ? 2 : 1;
            if (!(open & one) || rank != pass) continue;
            if (rank) TRY(own_verb(i, (int32_t)v, verb, &vb));
            TRY(put_var(c, (int32_t)v, vb, rank == 0));
        }
    }
    for (int k = 0; k < c->n; k++) TRY(fill_stmt(i, &c->at[k]));
    merge_exact(c);
    soften(c);
    for (int k = 0; k < c->n; k++) TRY(say(i, c, k));
    return NRG_OK;
}

nrg_status nrg_chain_energy(nrg_chain *c, int k, nrg_node *F) {
    if (k == c->n) return nrg_eval_energy(c->i->scope, F);
    const nrg_method_impl *impl = nrg_method_impl_get(c->at[k].stmt.method);
    if (impl->applies) TRY(impl->applies(c, k));
    return impl->make(c, k, F);
}
