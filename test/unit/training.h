// A small house for tests of training: a context, a table of arrays, a model and its trainer, all freed together.
#ifndef TEST_TRAINING_H
#define TEST_TRAINING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train.h"
#include "lang/lang.h"

#define ROOT NRG_ROOT "/"
#define DATA NRG_ROOT "/../shared/data/"

typedef struct {
    nrg_ctx *c;
    nrg_table *table;
    nrg_model *m;
    nrg_trainer *t;
    double losses[4096];
    int epochs;
} house;

static inline void complain(const house *h) {
    for (int i = 0; i < nrg_diag_count(h->c); i++) {
        nrg_text t = nrg_text_make(h->c);
        nrg_diag_print(h->c, i, &t);
        print_message("%s\n", t.at ? t.at : "");
        nrg_text_free(&t);
    }
}

#define MUST(h, call)                                                                                                  \
    do {                                                                                                               \
        nrg_status must_ = (call);                                                                                     \
        if (must_ != NRG_OK) complain(h);                                                                              \
        assert_int_equal(must_, NRG_OK);                                                                               \
    } while (0)

static inline void house_open(house *h) {
    memset(h, 0, sizeof *h);
    h->c = nrg_ctx_new(NULL, NULL);
    assert_non_null(h->c);
    MUST(h, nrg_table_new(h->c, &h->table));
}

static inline void house_close(house *h) {
    nrg_trainer_free(h->t);
    nrg_model_free(h->m);
    nrg_table_free(h->table);
    nrg_ctx_free(h->c);
}

// An array of doubles in the table.
static inline double *house_array(house *h, const char *name, int64_t n, int64_t width) {
    nrg_array *a;
    MUST(h, nrg_table_make(h->table, name, NRG_CELL_F64, width ? 2 : 1, (int64_t[]){n, width}, &a));
    return a->data;
}

static inline uint8_t *house_bytes(house *h, const char *name, int64_t n, int64_t width) {
    nrg_array *a;
    MUST(h, nrg_table_make(h->table, name, NRG_CELL_U8, width ? 2 : 1, (int64_t[]){n, width}, &a));
    return a->data;
}

static inline void house_text(house *h, const char *text) {
    nrg_model_free(h->m);
    h->m = NULL;
    MUST(h, nrg_lang_load(h->c, "test.nrg", text, strlen(text), NULL, &h->m));
}

static inline void house_model(house *h, const char *file, const char *set) {
    nrg_text t = nrg_text_make(h->c);
    nrg_overrides o = {.sets = &set, .sets_n = set ? 1 : 0};
    MUST(h, nrg_file_read(h->c, file, &t));
    MUST(h, nrg_lang_load(h->c, file, t.at, t.n, &o, &h->m));
    nrg_text_free(&t);
}

static inline bool house_watch(void *ud, const nrg_progress *p) {
    house *h = ud;
    if (p->epoch_end && h->epochs < 4096) h->losses[h->epochs++] = p->loss;
    return true;
}

static inline void house_trainer(house *h, const nrg_train_options *o) {
    nrg_trainer_free(h->t);
    h->t = NULL;
    MUST(h, nrg_trainer_new(h->m, h->table, o, &h->t));
}

static inline void house_train(house *h, const nrg_train_options *o) {
    house_trainer(h, o);
    h->epochs = 0;
    MUST(h, nrg_trainer_go(h->t, house_watch, h));
}

static inline double *house_f64(house *h, const char *name) {
    const nrg_buffer *b = nrg_store_get(nrg_trainer_store(h->t), name);
    assert_non_null(b);
    assert_int_equal(b->type, NRG_BUF_F64);
    return b->data;
}

// A stream of numbers for test data.
static inline double draw(uint64_t id, int64_t i) { return nrg_random_normal(77, NRG_FOR_DATA, id, 0, (uint32_t)i); }

#endif
