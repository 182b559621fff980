// W101: will the loss collapse? It can when no loss pushes anything up and the predicted variables reach the
// energy only through trainable parts (outputs of modules, weights that they index): these can become the same
// for every answer.
#include "lang/inside.h"

typedef struct {
    const nrg_model *m;
    nrg_vars vars;
    bool direct;   // a variable is met as itself
    bool index;    // or only as an index
    name_list *by; // modules on the way
} walk;

static void visit(walk *w, const nrg_expr *e, nrg_arena *a);

static void module_call(walk *w, const nrg_expr *e, const char *name, nrg_arena *a) {
    bool reached = false;
    for (uint32_t i = e->kind == NRG_X_CALL ? 1 : 0; i < e->n; i++)
        if (e->kid[i]) reached |= (nrg_expr_vars(w->m, e->kid[i]) & w->vars) != 0;
    if (!reached) return;
    for (uint32_t i = 0; i < w->by->n; i++)
        if (nrg_same(w->by->at[i], name)) return;
    (void)!NRG_PUSH(a, *w->by, name); // a name less in the message
}

// W[y], f(x)[y]: the table or its base is trainable when it reads a module or a weight.
static void indexed(walk *w, const nrg_expr *e, nrg_arena *a) {
    visit(w, e->kid[0], a);
    for (uint32_t i = 1; i < e->n; i++)
        if (nrg_expr_vars(w->m, e->kid[i]) & w->vars) w->index = true;
}

static void visit(walk *w, const nrg_expr *e, nrg_arena *a) {
    if (!e || w->direct || !(nrg_expr_vars(w->m, e) & w->vars)) return;
    const nrg_model *m = w->m;
    if (e->kind == NRG_X_NAME) {
        int32_t let = nrg_model_let(m, e->text), v = nrg_model_var(m, e->text);
        if (v >= 0 && (w->vars >> v & 1))
            w->direct = true;
        else if (let >= 0)
            visit(w, m->lets.at[let].body, a);
        return;
    }
    const nrg_expr *f = e->kind == NRG_X_CALL   ? e->kid[0]
                        : e->kind == NRG_X_PIPE ? e->kid[1]
                                                : NULL;
    if (f && f->kind == NRG_X_NAME && nrg_model_module(m, f->text) >= 0) {
        module_call(w, e, f->text, a);
        return;
    }
    if (f && f->kind == NRG_X_MEMBER) { // what is used is frozen: it cannot collapse
        w->direct = true;
        return;
    }
    if (e->kind == NRG_X_INDEX) {
        // an entry of the variable itself is the variable
        if (e->kid[0]->kind == NRG_X_NAME && (nrg_expr_vars(m, e->kid[0]) & w->vars))
            w->direct = true;
        else
            indexed(w, e, a);
        return;
    }
    for (uint32_t i = 0; i < e->n; i++) visit(w, e->kid[i], a);
    for (uint32_t i = 0; i < e->binders; i++) visit(w, e->binder[i].over, a);
}

static bool contrastive(const nrg_model *m) {
    for (uint32_t i = 0; i < m->learns.n; i++)
        for (uint32_t j = 0; j < m->learns.at[i].atoms.n; j++)
            if (m->learns.at[i].atoms.at[j].kind != NRG_POS) return true;
    return false;
}

// The first name in the loss as written that is a library loss, or `pos`.
static const nrg_expr *loss_name(const nrg_expr *e) {
    if (!e) return NULL;
    if (e->kind == NRG_X_NAME && (nrg_loss_find(e->text) || nrg_same(e->text, "pos"))) return e;
    for (uint32_t i = 0; i < e->n; i++) {
        const nrg_expr *found = loss_name(e->kid[i]);
        if (found) return found;
    }
    return NULL;
}

static void say(checker *k, const walk *w, const nrg_expr *loss, nrg_vars predicted) {
    const char *y = nrg_names_var(k, predicted, ", ");
    bool real = false;
    for (uint32_t i = 0; i < k->m->vars.n; i++)
        real |= (predicted >> i & 1) && k->m->vars.at[i].elem == NRG_REAL;
    nrg_text t = nrg_text_make(k->c);
    for (uint32_t i = 0; i < w->by->n; i++) nrg_text_put(&t, "%s%s", i ? ", " : "", w->by->at[i]);
    if (w->index) nrg_text_put(&t, "%san index", t.n ? ", " : "");
    bool library = !nrg_same(loss->text, "pos");
    nrg_warn(k->c, NRG_W101, loss->span,
             "the %s%sloss can collapse here: E can become the same for every %s",
             library ? loss->text : "", library ? " " : "", y);
    nrg_fact(k->c,
             "%s reaches E only through trainable parts (%s), so lowering E at the data does not "
             "raise it elsewhere",
             y, t.at ? t.at : "");
    nrg_fact(k->c, "slides: 'Demo 2: architecture B, energy loss: COLLAPSE'");
    nrg_help(k->c, real ? "use a contrastive loss: hinge(margin=1) against offender(outside=0.1)"
                        : "use a contrastive loss: square_square(m=1), hinge(margin=1) or nll");
    nrg_text_free(&t);
}

void nrg_warn_collapse(checker *k) {
    const nrg_model *m = k->m;
    name_list by = {0};
    walk w = {.m = m, .vars = nrg_model_role(m, NRG_PREDICT) & m->energy.vars, .by = &by};
    if (!m->energy.body || !m->learns.n || !w.vars || contrastive(m)) return;
    const nrg_expr *loss = NULL;
    for (uint32_t i = 0; i < m->learns.n && !loss; i++)
        if (m->learns.at[i].atoms.n) loss = loss_name(m->learns.at[i].written);
    visit(&w, m->energy.body, &k->m->arena);
    if (loss && !w.direct && (w.index || by.n)) say(k, &w, loss, w.vars);
}
