// Calls: which arguments a function or layer gets, whose weights a module uses, copy, ema, repeat, what a pipe applies.
#include "model/inside.h"

#include <math.h>
#include <string.h>

// ---- the arguments of a row: "x, size, stride=1, ..."

static const char *arg_next(const char *at, const char **name, int *len, bool *needed) {
    while (*at == ' ' || *at == ',') at++;
    if (!*at) return NULL;
    const char *end = at;
    while (*end && *end != ',') end++;
    const char *eq = memchr(at, '=', (size_t)(end - at));
    *name = at;
    *len = (int)((eq ? eq : end) - at);
    *needed = !eq && *at != '.';
    return end;
}

static int place_of(const char *args, const char *want) {
    const char *name;
    int len, k = 0;
    bool needed;
    for (const char *at = args; (at = arg_next(at, &name, &len, &needed)); k++)
        if (strlen(want) == (size_t)len && !strncmp(name, want, (size_t)len)) return k;
    return -1;
}

static bool named(const nrg_expr *e, uint32_t kid) {
    return e->names && e->names[kid];
}

int nrg_call_count(const nrg_call *c) {
    int n = c->ins;
    if (c->e->kind == NRG_X_CALL)
        for (uint32_t k = 1; k < c->e->n; k++) n += !named(c->e, k);
    return n;
}

const nrg_expr *nrg_call_expr(const nrg_call *c, int place) {
    if (c->e->kind != NRG_X_CALL) return NULL;
    int n = c->ins;
    for (uint32_t k = 1; k < c->e->n; k++)
        if (!named(c->e, k) && n++ == place) return c->e->kid[k];
    return NULL;
}

const nrg_expr *nrg_call_find(const nrg_call *c, const char *name) {
    if (c->e->kind != NRG_X_CALL) return NULL;
    for (uint32_t k = 1; k < c->e->n; k++)
        if (named(c->e, k) && nrg_same(c->e->names[k], name)) return c->e->kid[k];
    int place = place_of(c->row->args, name);
    return place < 0 ? NULL : nrg_call_expr(c, place);
}

nrg_span nrg_call_span(const nrg_call *c, int place) {
    const nrg_expr *e = nrg_call_expr(c, place);
    return e ? e->span : c->at->span;
}

// ---- arity and names of arguments

static nrg_status wrong_call(const nrg_call *c, nrg_span at, const char *fmt, const char *what) {
    char line[200];
    snprintf(line, sizeof line, fmt, what);
    nrg_status st = nrg_fail(c->s->c, NRG_E037, at, "%s %s", c->row->name, line);
    nrg_help(c->s->c, "%s(%s): %s", c->row->name, c->row->args, c->row->doc);
    return st;
}

static nrg_status check_args(const nrg_call *c) {
    const char *name;
    int len, k = 0, n = nrg_call_count(c);
    bool needed, open = false;
    for (const char *at = c->row->args; (at = arg_next(at, &name, &len, &needed)); k++) {
        char word[64];
        snprintf(word, sizeof word, "%.*s", len, name);
        if (*name == '.') open = true;
        if (*name == '.' || nrg_same(word, "over"))
            k--; // `over` is always named
        else if (needed && k >= n && !nrg_call_find(c, word))
            return wrong_call(c, c->at->span, "needs '%s'", word);
    }
    if (!open && n > k)
        return wrong_call(c, nrg_call_span(c, k), "takes %s inputs and arguments in all", k == 1 ? "one" : "fewer");
    for (uint32_t i = 1; c->e->kind == NRG_X_CALL && i < c->e->n; i++)
        if (named(c->e, i) && place_of(c->row->args, c->e->names[i]) < 0)
            return wrong_call(c, c->e->kid[i]->span, "has no argument '%s'", c->e->names[i]);
    return NRG_OK;
}

// ---- arguments as values, numbers, axes

nrg_status nrg_call_value(nrg_call *c, int place, nrg_value *out) {
    if (place < c->ins) return *out = c->in[place], NRG_OK;
    const nrg_expr *e = nrg_call_expr(c, place);
    return e ? nrg_value_of(c->s, e, out) : wrong_call(c, c->at->span, "%s", "lacks an input");
}

nrg_status nrg_call_input(nrg_call *c, int place, nrg_value *out) {
    TRY(nrg_call_value(c, place, out));
    const nrg_expr *e = nrg_call_expr(c, place);
    return nrg_need_number(c->s, e ? e : c->at, c->row->name, out);
}

nrg_status nrg_call_number(nrg_call *c, const char *name, double fallback, double *out) {
    const nrg_expr *e = nrg_call_find(c, name);
    *out = fallback;
    return e ? nrg_eval_number(c->s->m, e, out) : NRG_OK;
}

nrg_status nrg_call_size(nrg_call *c, const char *name, int64_t fallback, int64_t *out) {
    const nrg_expr *e = nrg_call_find(c, name);
    *out = fallback;
    if (!e) return NRG_OK;
    nrg_axis a;
    TRY(nrg_axis_of(c->s->m, e, &a));
    return nrg_size_known(c->s, e->span, &a, out);
}

nrg_status nrg_call_axis(nrg_call *c, const char *name, nrg_axis *out) {
    return nrg_axis_of(c->s->m, nrg_call_find(c, name), out);
}

nrg_status nrg_call_over(nrg_call *c, const nrg_type *t, int fallback, int *axis) {
    const nrg_expr *e = NULL;
    *axis = fallback;
    for (uint32_t k = 1; c->e->kind == NRG_X_CALL && k < c->e->n; k++)
        if (named(c->e, k) && nrg_same(c->e->names[k], "over")) e = c->e->kid[k];
    if (!e) return NRG_OK;
    int32_t dim = e->kind == NRG_X_NAME ? nrg_model_dim(c->s->m, e->text) : -1;
    int found = 0;
    for (int i = 0; i < t->rank && dim >= 0; i++)
        if (t->axis[i].dim == dim) *axis = i, found++;
    if (found == 1) return NRG_OK;
    nrg_status st =
        nrg_fail(c->s->c, found ? NRG_E043 : NRG_E037, e->span, "%s is %s of the input",
                 dim < 0 ? "over=..." : c->s->m->dims.at[dim].name, found ? "more than one axis" : "not an axis");
    nrg_fact(c->s->c, "input : %s", nrg_type_text(c->s, t));
    nrg_help(c->s->c, "over= takes the name of one dim of the input");
    return st;
}

nrg_status nrg_call_layer_axes(nrg_call *c, const char *needs, const nrg_value *x) {
    return nrg_fail(c->s->c, NRG_E041, c->at->span, "%s needs %s, but its input is %s", c->row->name, needs,
                    nrg_type_text(c->s, &x->type));
}

// ---- functions and layers

static nrg_status run_row(nrg_scope *s, const nrg_row *row, const nrg_expr *e, const nrg_value *in, int n,
                          nrg_value *out) {
    nrg_call c = {.s = s, .row = row, .e = e, .at = e->kind == NRG_X_CALL ? e->kid[0] : e, .ins = n};
    if (row->weights && !s->own.root) {
        nrg_status st =
            nrg_fail(s->c, NRG_E038, c.at->span, "layer '%s' owns weights, so it must live in a module", row->name);
        nrg_help(s->c, "module G = %s(...)   then G(x)", row->name);
        return st;
    }
    for (int i = 0; i < n; i++) c.in[i] = in[i];
    TRY(check_args(&c));
    bool draw = (s->noise || s->noise_fn) && (nrg_same(row->name, "normal") || nrg_same(row->name, "uniform"));
    if (!row->built && !draw && !nrg_stands_in(s))
        return nrg_missing(s, c.at->span, row->weights ? "layer" : "function", row->name);
    nrg_span before = s->span;
    s->span = e->span;
    nrg_graph_span(s->g, e->span);
    nrg_status st = row->fn(&c, out);
    if (st == NRG_OK) st = nrg_value_settle(s, out);
    s->span = before;
    nrg_graph_span(s->g, before);
    return st;
}

// ---- whose weights

static bool owns(const nrg_scope *s, const nrg_expr *e) {
    const nrg_expr *callee = e->kind == NRG_X_CALL ? e->kid[0] : e;
    if (callee->kind != NRG_X_NAME || nrg_model_module(s->m, callee->text) >= 0) return false;
    if (nrg_same(callee->text, "copy") || nrg_same(callee->text, "ema") || nrg_same(callee->text, "repeat"))
        return e->kind == NRG_X_CALL;
    bool layer;
    const nrg_row *r = nrg_row_find(callee->text, &layer);
    return r && r->weights;
}

// Counts the owning calls before `want`, in the order of the text. True when it was found.
static bool count_owners(const nrg_scope *s, const nrg_expr *e, const nrg_expr *want, int *n) {
    if (!e) return false;
    if (e == want) return true;
    bool own = owns(s, e);
    if (own) ++*n;
    if (own && e->kind == NRG_X_CALL && nrg_same(e->kid[0]->text, "repeat")) return false; // counts its own
    uint32_t first = own && e->kind == NRG_X_CALL ? 1 : 0;
    for (uint32_t k = first; k < e->n; k++) {
        bool word = first && e->kid[k] && e->kid[k]->kind == NRG_X_NAME; // kernel(gaussian): an argument, no layer
        if (!word && count_owners(s, e->kid[k], want, n)) return true;
    }
    return false;
}

nrg_status nrg_owner_name(nrg_scope *s, const nrg_expr *e, const char **prefix, const char **source) {
    int n = 0;
    const nrg_owner *o = &s->own;
    count_owners(s, o->root, e, &n);
    *prefix = nrg_arena_print(&s->arena, "%s.%d", o->prefix, n);
    *source = o->source ? nrg_arena_print(&s->arena, "%s.%d", o->source, n) : NULL;
    return *prefix && (*source || !o->source) ? NRG_OK : NRG_E098;
}

// ---- modules

static nrg_status module_inputs(nrg_scope *s, const nrg_module *m, nrg_span at, int n) {
    if (m->n ? n == (int)m->n : n > 0) return NRG_OK;
    nrg_text t = nrg_text_make(s->c);
    for (uint32_t i = 0; i < m->n; i++) nrg_text_put(&t, i ? ", %s" : "%s", m->params[i]);
    nrg_status st = m->n ? nrg_fail(s->c, NRG_E037, at, "module %s%s takes %u %s (%s), but gets %d", s->inside, m->name, m->n,
                                    m->n == 1 ? "input" : "inputs", t.at ? t.at : "", n)
                         : nrg_fail(s->c, NRG_E037, at, "module %s%s needs an input", s->inside, m->name);
    nrg_text_free(&t);
    return st;
}

static nrg_status module_body(nrg_scope *s, const nrg_module *m, const nrg_value *in, int n, nrg_value *out) {
    uint32_t floor = s->floor, locals = s->locals.n;
    s->floor = locals;
    nrg_status st = NRG_OK;
    for (uint32_t i = 0; i < m->n && st == NRG_OK; i++)
        st = NRG_PUSH(&s->arena, s->locals, ((nrg_local){.name = m->params[i], .v = {in[i]}, .n = 1}));
    if (st == NRG_OK) st = m->n ? nrg_value_of(s, m->body, out) : nrg_value_apply(s, m->body, in, n, out);
    s->locals.n = locals;
    s->floor = floor;
    return st;
}

// The module k on these inputs, with its own weights, or with weights of the copy it is met in.
nrg_status nrg_module_run(nrg_scope *s, int32_t k, nrg_span at, const nrg_value *in, int n, nrg_value *out) {
    const nrg_module *m = &s->m->modules.at[k];
    TRY(module_inputs(s, m, at, n));
    if (s->depth >= NRG_MAX_DEPTH) return nrg_fail(s->c, NRG_E037, at, "modules are nested too deeply");
    nrg_owner own = s->own;
    if (own.root && own.fresh) {
        const char *prefix = nrg_arena_print(&s->arena, "%s.%s", own.prefix, m->name);
        if (!prefix) return NRG_E098;
        const char *source = own.source ? m->name : NULL;
        if (source && own.source_fresh) source = nrg_arena_print(&s->arena, "%s.%s", own.source, m->name);
        if (own.source && !source) return NRG_E098;
        s->own.prefix = prefix;
        s->own.source = source;
        s->own.root = m->body;
    } else {
        s->own = (nrg_owner){.root = m->body, .owner = m->name, .prefix = m->name};
    }
    s->depth++;
    nrg_status st = module_body(s, m, in, n, out);
    s->depth--;
    s->own = own;
    return st;
}

// ---- copy(G), ema(G, d), repeat(n, M)

static nrg_status not_module(nrg_scope *s, const nrg_expr *e, const char *word) {
    const nrg_expr *what = e->n > 1 ? e->kid[1] : e;
    nrg_status st = nrg_fail(s->c, NRG_E042, what->span, "%s takes the name of a module, not %s", word,
                             e->n > 1 ? nrg_expr_text(s, what) : "nothing");
    nrg_help(s->c, "module K = %s(G%s)", word, word[0] == 'e' ? ", 0.999" : "");
    return st;
}

static nrg_status outside(nrg_scope *s, const nrg_expr *e) {
    nrg_status st =
        nrg_fail(s->c, NRG_E038, e->kid[0]->span, "'%s' makes weights, so it must live in a module", e->kid[0]->text);
    nrg_help(s->c, "module K = %s(...)   then K(x)", e->kid[0]->text);
    return st;
}

static nrg_status apply_copy(nrg_scope *s, const nrg_expr *e, bool average, const nrg_value *in, int n,
                             nrg_value *out) {
    const char *word = average ? "ema" : "copy";
    int32_t k = e->n > 1 && e->kid[1]->kind == NRG_X_NAME ? nrg_model_module(s->m, e->kid[1]->text) : -1;
    if (k < 0) return not_module(s, e, word);
    if (!s->own.root) return outside(s, e);
    const nrg_module *m = &s->m->modules.at[k];
    double decay = 0;
    if (average) {
        const nrg_expr *d = nrg_call_arg(e, "decay", 1);
        if (!d) return nrg_fail(s->c, NRG_E037, e->kid[0]->span, "ema needs a decay: ema(%s, 0.999)", m->name);
        TRY(nrg_eval_number(s->m, d, &decay));
        if (!(decay >= 0 && decay <= 1))
            return nrg_fail(s->c, NRG_E037, d->span, "the decay of ema lies in 0..1, not %g", decay);
    }
    nrg_owner own = s->own;
    const char *prefix = own.prefix, *source = own.source;
    if (own.root != e) TRY(nrg_owner_name(s, e, &prefix, &source));
    TRY(module_inputs(s, m, e->span, n));
    if (average) s->own = (nrg_owner){m->body, own.owner, prefix, m->name, decay, true, false};
    else s->own = (nrg_owner){m->body, own.owner, prefix, source, own.decay, true, true};
    nrg_status st = module_body(s, m, in, n, out);
    s->own = own;
    return st;
}

static nrg_status apply_repeat(nrg_scope *s, const nrg_expr *e, const nrg_value *in, int n, nrg_value *out) {
    double times;
    if (e->n != 3)
        return nrg_fail(s->c, NRG_E037, e->kid[0]->span,
                        "repeat takes a number and a block: repeat(3, linear(64) | relu)");
    if (!s->own.root) return outside(s, e);
    TRY(nrg_eval_number(s->m, e->kid[1], &times));
    if (!(times >= 0 && times <= 10000 && times == floor(times)))
        return nrg_fail(s->c, NRG_E037, e->kid[1]->span, "repeat needs a whole number of times, not %g", times);
    if (n != 1) return nrg_fail(s->c, NRG_E037, e->kid[0]->span, "repeat takes one input, but gets %d", n);
    nrg_owner own = s->own;
    const char *prefix, *source;
    TRY(nrg_owner_name(s, e, &prefix, &source));
    nrg_status st = NRG_OK;
    *out = in[0];
    for (int i = 0; i < (int)times && st == NRG_OK; i++) {
        nrg_value x = *out;
        s->own.prefix = nrg_arena_print(&s->arena, "%s.%d", prefix, i);
        s->own.source = source ? nrg_arena_print(&s->arena, "%s.%d", source, i) : NULL;
        s->own.root = e->kid[2];
        s->own.fresh = s->own.source_fresh = true;
        st = s->own.prefix && (s->own.source || !source) ? nrg_value_apply(s, e->kid[2], &x, 1, out) : NRG_E098;
    }
    s->own = own;
    return st;
}

// ---- what a pipe or a second pair of brackets applies

static nrg_status no_layer(nrg_scope *s, const nrg_expr *e) {
    nrg_status st = nrg_fail(s->c, NRG_E039, e->span, "%s is not a layer, a module or a function", nrg_expr_text(s, e));
    const nrg_expr *callee = e->kind == NRG_X_CALL ? e->kid[0] : e;
    if (callee->kind == NRG_X_NAME) {
        const char *near = nrg_row_nearest(callee->text);
        if (near) nrg_help(s->c, "did you mean '%s'?", near);
    }
    return st;
}

// Inputs of a pipe, then the arguments written.
static nrg_status with_args(nrg_scope *s, const nrg_expr *e, const nrg_value *in, int n, nrg_value *all, int *count) {
    *count = n;
    for (int i = 0; i < n; i++) all[i] = in[i];
    for (uint32_t k = 1; e->kind == NRG_X_CALL && k < e->n; k++) {
        if (*count == NRG_MAX_INPUTS) return nrg_fail(s->c, NRG_E037, e->span, "more than %d inputs", NRG_MAX_INPUTS);
        TRY(nrg_value_of(s, e->kid[k], &all[*count]));
        ++*count;
    }
    return NRG_OK;
}

nrg_status nrg_value_apply(nrg_scope *s, const nrg_expr *e, const nrg_value *in, int n, nrg_value *out) {
    if (e->kind == NRG_X_PIPE) {
        nrg_value mid;
        TRY(nrg_value_apply(s, e->kid[0], in, n, &mid));
        return nrg_value_apply(s, e->kid[1], &mid, 1, out);
    }
    const nrg_expr *callee = e->kind == NRG_X_CALL ? e->kid[0] : e;
    nrg_value all[NRG_MAX_INPUTS];
    int count;
    if (nrg_use_of(s, callee)) {
        TRY(with_args(s, e, in, n, all, &count));
        return nrg_use_call(s, callee, all, count, out);
    }
    if (callee->kind != NRG_X_NAME) return no_layer(s, e);
    int32_t k = nrg_model_module(s->m, callee->text);
    if (k >= 0) {
        TRY(with_args(s, e, in, n, all, &count));
        return nrg_module_run(s, k, callee->span, all, count, out);
    }
    if (e->kind == NRG_X_CALL && nrg_same(callee->text, "copy")) return apply_copy(s, e, false, in, n, out);
    if (e->kind == NRG_X_CALL && nrg_same(callee->text, "ema")) return apply_copy(s, e, true, in, n, out);
    if (e->kind == NRG_X_CALL && nrg_same(callee->text, "repeat")) return apply_repeat(s, e, in, n, out);
    bool layer;
    const nrg_row *row = nrg_row_find(callee->text, &layer);
    return row ? run_row(s, row, e, in, n, out) : no_layer(s, e);
}

// ---- f(...)

// E(a, b): the energy with these values in place of its variables.
static nrg_status energy_call(nrg_scope *s, const nrg_expr *e, nrg_value *out) {
    nrg_model *m = s->m;
    nrg_value in[NRG_MAX_INPUTS];
    nrg_node before[NRG_MAX_INPUTS];
    int n;
    TRY(with_args(s, e, NULL, 0, in, &n));
    if (n != m->energy.n)
        return nrg_fail(s->c, NRG_E037, e->kid[0]->span, "energy %s has %d inputs, but gets %d", m->energy.name,
                        m->energy.n, n);
    for (int i = 0; i < n; i++) {
        nrg_type t;
        int32_t v = m->energy.order[i], place[NRG_MAX_RANK];
        int maybe;
        TRY(nrg_var_type(m, v, &t));
        bool kind = (t.elem == NRG_CATEGORY) == (in[i].type.elem == NRG_CATEGORY) && t.dim == in[i].type.dim;
        if (!kind || t.rank != in[i].type.rank || !(nrg_type_place(&in[i].type, &t, place, &maybe) + maybe))
            return nrg_fail(s->c, NRG_E037, e->kid[i + 1]->span, "'%s' of energy %s is %s, but %s is %s",
                            m->vars.at[v].name, m->energy.name, nrg_type_text(s, &t), nrg_expr_text(s, e->kid[i + 1]),
                            nrg_type_text(s, &in[i].type));
    }
    for (int i = 0; i < n; i++) before[i] = s->bound[m->energy.order[i]], s->bound[m->energy.order[i]] = in[i].node;
    nrg_status st = nrg_eval_energy(s, &out->node);
    for (int i = 0; i < n; i++) s->bound[m->energy.order[i]] = before[i];
    out->type = nrg_type_of(NRG_REAL, 0, NULL);
    return st;
}

static nrg_status unknown_function(nrg_scope *s, const nrg_expr *callee) {
    if (nrg_model_var(s->m, callee->text) >= 0 || nrg_model_let(s->m, callee->text) >= 0 ||
        nrg_model_dim(s->m, callee->text) >= 0)
        return nrg_fail(s->c, NRG_E037, callee->span, "'%s' is not a function; an index is written %s[...]",
                        callee->text, callee->text);
    nrg_status st = nrg_fail(s->c, NRG_E011, callee->span, "unknown function or layer '%s'", callee->text);
    const char *near = nrg_row_nearest(callee->text);
    if (near) nrg_help(s->c, "did you mean '%s'?", near);
    return st;
}

nrg_status nrg_value_call(nrg_scope *s, const nrg_expr *e, nrg_value *out) {
    const nrg_expr *callee = e->kid[0];
    if (nrg_use_of(s, callee)) return nrg_value_apply(s, e, NULL, 0, out);
    if (callee->kind == NRG_X_MEMBER) return nrg_value_member(s, callee, out);
    if (callee->kind != NRG_X_NAME || nrg_model_module(s->m, callee->text) >= 0) {
        nrg_value in[NRG_MAX_INPUTS];
        int n;
        if (callee->kind == NRG_X_NAME) return nrg_value_apply(s, e, NULL, 0, out);
        bool layer; // a layer outside a module is said before its inputs are looked at
        const nrg_expr *name = callee->kind == NRG_X_CALL ? callee->kid[0] : callee;
        const nrg_row *row = name->kind == NRG_X_NAME ? nrg_row_find(name->text, &layer) : NULL;
        if (row && row->weights && !s->own.root) return run_row(s, row, callee, NULL, 0, out);
        TRY(with_args(s, e, NULL, 0, in, &n));
        return nrg_value_apply(s, callee, in, n, out);
    }
    if (s->m->energy.name && nrg_same(s->m->energy.name, callee->text)) return energy_call(s, e, out);
    bool layer;
    const nrg_row *row = nrg_row_find(callee->text, &layer);
    if (row) return run_row(s, row, e, NULL, 0, out);
    if (nrg_same(callee->text, "copy") || nrg_same(callee->text, "ema") || nrg_same(callee->text, "repeat")) {
        nrg_status st =
            nrg_fail(s->c, NRG_E031, e->span, "%s is a block that is not applied to anything", nrg_expr_text(s, e));
        nrg_help(s->c, "write its inputs after it: %s(...)", nrg_expr_text(s, e));
        return st;
    }
    return unknown_function(s, callee);
}
