// log Z in public form.
#include "api/api.h"
#include "infer/logz.h"
#include <math.h>
#include <string.h>

enum { CHAINS = 64, STEPS = 20000 };
static const double WIDTH = 0.1;

typedef struct {
    nrg_log_z pub; // first, so that the public pointer is this object's
    nrg_ctx *ctx;
    nrg_log_z_out z;
    nrg_text said;
} result;

void nrg_log_z_free(nrg_log_z *z) {
    if (!z) return;
    result *r = (result *)z;
    nrg_log_z_out_free(&r->z);
    nrg_text_free(&r->said);
    nrg_mem(r->ctx, r, sizeof *r, 0);
}

static nrg_status publish(result *r, const nrg_log_z_spec *k) {
    double *mid = NRG_NEWS(&r->z.arena, double, k->rows);
    const char **status = NRG_NEWS(&r->z.arena, const char *, k->rows);
    if (!mid || !status) return NRG_E098;
    for (int64_t i = 0; i < k->rows; i++) {
        mid[i] = r->z.low[i] + 0.5 * (r->z.high[i] - r->z.low[i]);
        status[i] = r->z.exact ? "exact" : r->z.high[i] - r->z.low[i] <= k->width ? "interval" : "wide";
    }
    r->pub = (nrg_log_z){k->rows, r->z.low, mid, r->z.high, status, r->z.heats, r->z.steps, r->z.forward, r->z.reverse, r->z.how};
    return NRG_OK;
}

static nrg_status no_examples(nrg_ebm *m) {
    nrg_fail(m->ctx, NRG_E051, NRG_NOWHERE, "there are no data of what is summed over");
    nrg_help(m->ctx, "--data FILE with arrays of these variables, or without starting there");
    return NRG_E051;
}

static nrg_status measure(nrg_ebm *m, const nrg_table *data, const nrg_log_z_options *o, result *r) {
    nrg_log_z_spec k = {.chains = o->chains > 0 ? o->chains : CHAINS, .width = o->width > 0 ? o->width : WIDTH,
                        .budget = o->steps > 0 ? o->steps : STEPS, .seed = o->seed ? o->seed : m->seed, .threads = m->threads};
    nrg_values v;
    if (k.chains < 2 || k.chains > 1000000 || k.budget > 1000000000)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE, "log Z takes 2 to 1000000 chains and up to 1e9 steps");
    TRY(nrg_api_drawn(m, data, o->vars, o->vars_n, &k.vars, &k.given));
    k.from_data = o->from_data, k.base_data = o->base_data;
    nrg_vars summed = k.from_data || k.base_data ? k.vars & ~(nrg_model_role(m->model, NRG_LATENT) & ~nrg_api_found(m, data, k.vars)) : 0;
    TRY(nrg_values_make(m, data, k.given | summed, &v));
    k.rows = data && k.given ? v.rows : 1;
    k.examples = v.rows;
    nrg_status s = summed && !v.rows ? no_examples(m) : nrg_log_z_of(m->model, m->store, &k, &r->z);
    if (s == NRG_OK) s = publish(r, &k);
    nrg_values_free(&v);
    return s;
}

nrg_status nrg_ebm_log_z(nrg_ebm *m, const nrg_table *data, const nrg_log_z_options *o, nrg_log_z **out) {
    static const nrg_log_z_options none;
    *out = NULL;
    if (!m->model->energy.name) return nrg_fail(m->ctx, NRG_E022, NRG_NOWHERE, "the model has no energy to sum");
    result *r = nrg_mem(m->ctx, NULL, 0, sizeof *r);
    if (!r) return NRG_E098;
    *r = (result){.ctx = m->ctx, .said = nrg_text_make(m->ctx)};
    r->z.arena = nrg_arena_make(m->ctx);
    nrg_status s = measure(m, data, o ? o : &none, r);
    if (s == NRG_OK) *out = &r->pub;
    else nrg_log_z_free(&r->pub);
    return s;
}

nrg_status nrg_log_z_text(nrg_log_z *z, nrg_form form, const char **text) {
    nrg_text *t = &((result *)z)->said;
    nrg_api_clear(t);
    if (form == NRG_AS_CSV) nrg_text_put(t, "row,low,log_z,high,status\n");
    for (int64_t i = 0; i < z->rows; i++)
        nrg_text_put(t, form == NRG_AS_CSV ? "%lld,%.9g,%.9g,%.9g,%s\n"
                                           : "{\"row\": %lld, \"low\": %.9g, \"log_z\": %.9g, \"high\": %.9g, \"status\": \"%s\"}\n",
                     (long long)i, z->low[i], z->log_z[i], z->high[i], z->status[i]);
    *text = t->at ? t->at : "";
    return nrg_text_end(t);
}
