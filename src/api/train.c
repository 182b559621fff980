// Training through the public door.
#include "api/api.h"

nrg_status nrg_ebm_train_prepare(nrg_ebm *m, const nrg_table *data, const nrg_train_options *o,
                                 const char **lines) {
    nrg_train_options t = {0};
    nrg_trainer *fresh = NULL;
    if (lines) *lines = "";
    if (o) t = *o;
    if (!t.seed) t.seed = m->seed;
    if (t.threads < 1) t.threads = m->threads;
    t.f64 = t.f64 || m->f64;
    t.products = m->products;
    t.draws_only = m->draws_only;
    if (!t.maps_n) {
        t.maps = m->maps;
        t.maps_n = m->maps_n;
    }
    TRY(nrg_ebm_trainable(m));
    m->model->calibrated = 0; // new weights have a new scale
    TRY(nrg_ebm_check(m));
    nrg_api_clear(&m->more);
    nrg_lang_print(m->model, &m->more);
    TRY(nrg_text_end(&m->more));
    t.model_text = m->more.at;
    TRY(nrg_trainer_new(m->model, data, &t, &fresh));
    if (m->trainer)
        nrg_trainer_free(m->trainer);
    else if (m->store)
        nrg_store_free(m->store);
    nrg_asked_clear(m->asked);
    m->trainer = fresh;
    m->store = nrg_trainer_store(fresh);
    m->f64 = t.f64;
    m->started = true;
    nrg_api_clear(&m->said);
    nrg_trainer_plan(fresh, &m->said);
    const char *text;
    TRY(nrg_api_text(m, &text));
    if (lines) *lines = text;
    return NRG_OK;
}

nrg_status nrg_ebm_train_go(nrg_ebm *m, nrg_progress_fn fn, void *ud) {
    if (!m->trainer)
        return nrg_fail(m->ctx, NRG_E090, NRG_NOWHERE,
                        "nrg_ebm_train_go without nrg_ebm_train_prepare");
    return nrg_trainer_go(m->trainer, fn, ud);
}

nrg_status nrg_ebm_train(nrg_ebm *m, const nrg_table *data, const nrg_train_options *o,
                         nrg_progress_fn fn, void *ud) {
    TRY(nrg_ebm_train_prepare(m, data, o, NULL));
    return nrg_ebm_train_go(m, fn, ud);
}
