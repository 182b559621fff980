// The scale of the energies, fitted to rows that were not trained on; and what can be checked of a model without data.
#include "api/api.h"

// The asked variable's numbers in the data, all other visible ones held.
static nrg_status fit(nrg_ebm *m, const nrg_values *v, int32_t var, nrg_calibration *out) {
    nrg_arena arena = nrg_arena_make(m->ctx);
    nrg_vars one = (nrg_vars)1 << var;
    nrg_shape shape;
    nrg_ask_spec spec = {.var = var,
                         .given = nrg_api_visible(m) & ~one,
                         .n = v->rows,
                         .threads = m->threads,
                         .seed = m->seed};
    nrg_status s = nrg_var_shape(m->model, var, &shape);
    double *truth =
        s == NRG_OK ? NRG_NEWS(&arena, double, v->rows *nrg_shape_count(&shape) + 1) : NULL;
    if (s == NRG_OK && !truth) s = NRG_E098;
    if (s == NRG_OK) s = nrg_bound_numbers(v->bound, m->store, var, NULL, v->rows, truth);
    if (s == NRG_OK) s = nrg_calibrate(m->model, m->store, &spec, truth, out);
    nrg_arena_free(&arena);
    return s;
}

nrg_status nrg_ebm_calibrate(nrg_ebm *m, const nrg_table *data, const char *var,
                             nrg_calibration *out) {
    nrg_values v;
    int32_t i;
    TRY(nrg_api_var(m, var, &i));
    if (!(nrg_api_visible(m) >> i & 1)) {
        nrg_fail(m->ctx, NRG_E060, m->model->vars.at[i].span,
                 "'%s' has no data to be calibrated with", var);
        nrg_help(m->ctx, "calibrate a given or a predicted variable");
        return NRG_E060;
    }
    TRY(nrg_values_make(m, data, nrg_api_visible(m), &v));
    nrg_status s = fit(m, &v, i, out);
    nrg_values_free(&v);
    return s;
}

nrg_status nrg_ebm_check(nrg_ebm *m) {
    TRY(nrg_method_check(m->model));
    return m->model->energy.name ? nrg_question_promises(m->model) : NRG_OK;
}
