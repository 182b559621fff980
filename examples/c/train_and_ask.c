/* Trains a small classifier on built-in data with a progress callback, then asks for the best answer and the distribution. */
#include <nrg.h>
#include <stdio.h>
#include <string.h>

static const char model[] = "dim      D = 2, Class = 2\n"
                            "given    x : real[D]\n"
                            "predict  y : Class\n"
                            "module   G = linear(16) | tanh | linear(Class)\n"
                            "energy   E(x, y) = G(x)[y]\n"
                            "minimize    y by exhaustive\n"
                            "marginalize y by exhaustive\n"
                            "learn    nll\n"
                            "optimize by adam(lr=0.02, batch=50, epochs=20)\n"
                            "data     x = y, y = label\n"; /* the arrays are called y and label */

static bool progress(void *ud, const nrg_progress *p) {
    if (p->epoch_end) *(int *)ud = (int)p->epoch;
    return true; /* false would stop the training */
}

static nrg_status train(nrg_ctx *c, nrg_ebm *m) {
    nrg_table *data = NULL;
    int epochs = 0;
    nrg_status s = nrg_data_make(c, "moons", 500, 1, &data); /* arrays y [500, 2] and label [500] */
    if (s == NRG_OK) s = nrg_ebm_train(m, data, NULL, progress, &epochs);
    if (s == NRG_OK) printf("trained for %d epochs\n", epochs);
    nrg_table_free(data);
    return s;
}

/* Two points that lie well inside the two moons. */
static nrg_status ask(nrg_ctx *c, nrg_ebm *m, nrg_question question) {
    static const double x[4] = {0.0, 1.0, 1.0, -0.5};
    static const int64_t dim[2] = {2, 2};
    nrg_ask_options o = {question, "y", NULL, 0, 0, NULL, 0, 0, false, 0};
    nrg_table *data = NULL;
    nrg_reply *r = NULL;
    nrg_status s = nrg_table_new(c, &data);
    if (s == NRG_OK) s = nrg_table_put(data, "y", NRG_CELL_F64, 2, dim, x);
    if (s == NRG_OK) s = nrg_ebm_ask(m, data, &o, &r);
    for (int64_t i = 0; s == NRG_OK && i < r->n; i++) {
        if (question == NRG_BEST)
            printf("point %d: class %g (%s)\n", (int)i, r->value[i], r->status[i]);
        else
            printf("point %d: the likelier class has p > 0.9: %s\n", (int)i,
                   r->p[2 * i] > 0.9 || r->p[2 * i + 1] > 0.9 ? "yes" : "no");
    }
    nrg_reply_free(r);
    nrg_table_free(data);
    return s;
}

int main(void) {
    char text[1000];
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_ebm *m = NULL;
    if (!c) return 1;
    nrg_status s = nrg_ebm_load_text(c, "moons", model, strlen(model), NULL, &m);
    if (s == NRG_OK) s = train(c, m);
    if (s == NRG_OK) s = ask(c, m, NRG_BEST);
    if (s == NRG_OK) s = ask(c, m, NRG_DIST);
    for (int i = 0; s != NRG_OK && i < nrg_diag_count(c); i++)
        if (nrg_diag_text(c, i, text, sizeof text)) fputs(text, stderr);
    nrg_ebm_free(m);
    nrg_ctx_free(c);
    return s == NRG_OK ? 0 : 1;
}
