// How often which label was answered for which true one.
#include "api/picture.h"
#include <math.h>

enum { MOST = 400 };

typedef struct {
    nrg_arena arena;
    int32_t var;
    nrg_matrix table;
    int64_t *count;
    int64_t right, all;
} confusion;

// The category that is asked: the one named, else the first predicted one.
static nrg_status choose(nrg_ebm *m, const char *name, int32_t *var) {
    nrg_vars among = nrg_api_visible(m) & nrg_model_role(m->model, NRG_PREDICT);
    *var = -1;
    if (name) TRY(nrg_api_var(m, name, var));
    for (int32_t i = 0; *var < 0 && i < (int32_t)m->model->vars.n; i++)
        if ((among >> i & 1) && m->model->vars.at[i].elem == NRG_CATEGORY) *var = i;
    if (*var < 0) return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "no confusion matrix: the model predicts no category");
    if (m->model->vars.at[*var].elem == NRG_CATEGORY && m->model->vars.at[*var].role != NRG_WEIGHT) return NRG_OK;
    return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "a confusion matrix is of a category, and '%s' is none", name);
}

static void tally(confusion *p, const double *truth, const double *found, int64_t cells) {
    for (int64_t i = 0; i < cells; i++) {
        int64_t t = isfinite(truth[i]) ? (int64_t)truth[i] : -1, f = isfinite(found[i]) ? (int64_t)found[i] : -1;
        if (t < 0 || f < 0 || t >= p->table.n || f >= p->table.n) continue; // missing
        p->count[t * p->table.n + f]++;
        p->right += t == f;
        p->all++;
    }
}

// The true labels first: asking moves the store on. An answer that did not converge counts as it is.
static nrg_status compare(nrg_ebm *m, const nrg_table *data, confusion *p) {
    nrg_values v;
    nrg_reply *r = NULL;
    nrg_shape shape;
    nrg_ask_options o = {.question = NRG_BEST, .var = m->model->vars.at[p->var].name};
    TRY(nrg_values_make(m, data, (nrg_vars)1 << p->var, &v));
    nrg_status s = nrg_var_shape(m->model, p->var, &shape);
    int64_t cells = s == NRG_OK ? v.rows * nrg_shape_count(&shape) : 0;
    double *truth = s == NRG_OK ? NRG_NEWS(&p->arena, double, cells + 1) : NULL;
    if (s == NRG_OK) s = truth ? nrg_bound_numbers(v.bound, m->store, p->var, NULL, v.rows, truth) : NRG_E098;
    nrg_values_free(&v);
    if (s == NRG_OK) s = nrg_ebm_ask(m, data, &o, &r);
    if (r && r->n * r->width == cells) tally(p, truth, r->value, cells);
    nrg_reply_free(r);
    return s;
}

static nrg_status draw(nrg_ebm *m, const nrg_table *data, const char *name, const char *title, confusion *p,
                       const char *path) {
    TRY(choose(m, name, &p->var));
    TRY(nrg_api_ready(m, data));
    const nrg_dim *d = &m->model->dims.at[m->model->vars.at[p->var].category];
    if (d->size > MOST)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "%lld classes: a confusion matrix shows at most %d",
                        (long long)d->size, MOST);
    p->table = (nrg_matrix){.n = d->size, .labels = d->labels};
    p->table.count = p->count = NRG_NEWS(&p->arena, int64_t, d->size * d->size + 1);
    if (!p->count) return NRG_E098;
    TRY(compare(m, data, p));
    if (p->all == 0) return nrg_fail(m->ctx, NRG_E055, NRG_NOWHERE, "no row of the data has a label to compare with");
    const char *said = nrg_arena_print(&p->arena, "%s%s%lld of %lld wrong (%.2f %%)", title ? title : "",
                                       title ? ": " : "", (long long)(p->all - p->right), (long long)p->all,
                                       100.0 * (double)(p->all - p->right) / (double)p->all);
    nrg_plot_axes axes = {.title = said, .x = "answer", .y = "truth"};
    return said ? nrg_plot_matrix(m->ctx, path, &axes, &p->table) : NRG_E098;
}

nrg_status nrg_plot_confusion(nrg_ebm *m, const nrg_table *data, const char *var, const char *title, const char *path) {
    confusion p = {.arena = nrg_arena_make(m->ctx)};
    nrg_status s = draw(m, data, var, title, &p, path);
    nrg_arena_free(&p.arena);
    return s;
}
