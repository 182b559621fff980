/* The energy of a model file, and its gradient with respect to a variable and to a weight.
 * E(x, y) = 0.5 * |y - W x|^2 with W = [1 2; 0 -1], x = (1, 1), y = (0, 0):
 * W x = (3, -1), E = 5, dE/dy = y - W x = (-3, 1), dE/dW = -(y - W x) x' = (3, 3; -1, -1). */
#include <nrg.h>
#include <stdio.h>
#include <string.h>

static const char model[] = "dim     D = 2, M = 2\n"
                            "given   x : real[D]\n"
                            "predict y : real[M]\n"
                            "weight  W : real[M, D]\n"
                            "energy  E(x, y) = 0.5 * sq(y - W @ x)\n"
                            "minimize y by exact\n";

static int complain(nrg_ctx *c) {
    char text[1000];
    for (int i = 0; i < nrg_diag_count(c); i++)
        if (nrg_diag_text(c, i, text, sizeof text)) fputs(text, stderr);
    return 1;
}

static nrg_status show(nrg_ebm *m, const nrg_table *data) {
    static const double W[4] = {1, 2, 0, -1};
    double E, dy[2], dW[4];
    int64_t n;
    int i;
    nrg_status s = nrg_ebm_start(m, data);
    if (s == NRG_OK) s = nrg_ebm_weight_find(m, "W", &i);
    if (s == NRG_OK) s = nrg_ebm_weight_set(m, i, W);
    if (s == NRG_OK) s = nrg_ebm_energy(m, data, &E);
    if (s == NRG_OK) s = nrg_ebm_gradient(m, data, "y", dy, &n);
    if (s == NRG_OK) s = nrg_ebm_gradient(m, data, "W", dW, &n);
    if (s != NRG_OK) return s;
    printf("E     = %g\n", E);
    printf("dE/dy = %g %g\n", dy[0], dy[1]);
    printf("dE/dW = %g %g %g %g\n", dW[0], dW[1], dW[2], dW[3]);
    return NRG_OK;
}

int main(void) {
    static const double x[2] = {1, 1}, y[2] = {0, 0};
    const int64_t dim[2] = {1, 2}; /* one sample of two numbers */
    nrg_options o = {0};
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_ebm *m = NULL;
    nrg_table *data = NULL;
    if (!c) return 1;
    o.f64 = true;
    nrg_status s = nrg_ebm_load_text(c, "model", model, strlen(model), &o, &m);
    if (s == NRG_OK) s = nrg_table_new(c, &data);
    if (s == NRG_OK) s = nrg_table_put(data, "x", NRG_CELL_F64, 2, dim, x);
    if (s == NRG_OK) s = nrg_table_put(data, "y", NRG_CELL_F64, 2, dim, y);
    if (s == NRG_OK) s = show(m, data);
    int failed = s != NRG_OK ? complain(c) : 0;
    nrg_table_free(data);
    nrg_ebm_free(m);
    nrg_ctx_free(c);
    return failed;
}
