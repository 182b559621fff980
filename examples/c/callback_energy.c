/* An energy written in C: the text declares variables, weights, inference and learning; the function builds the graph of
 * E(x, y) = 0.5 * |y - A x - b|^2 from nodes. It is then trained by the closed form, which finds by itself that E is quadratic in
 * the weights, and asked like any other model. Data: y = (2 x1 - x2 + 1, x1 + 3 x2 - 2), without noise. */
#include <nrg.h>
#include <stdio.h>
#include <string.h>

static const char declarations[] = "dim      D = 2, M = 2\n"
                                   "given    x : real[D]\n"
                                   "predict  y : real[M]\n"
                                   "weight   A : real[M, D]\n"
                                   "weight   b : real[M]\n"
                                   "minimize y by exact\n"
                                   "learn    energy\n"
                                   "optimize by exact\n";

/* vars: x and y, in the order of the list given to nrg_ebm_load_fn. Weights come by name. */
static nrg_node energy(void *ud, nrg_graph *g, const nrg_node *vars, int n) {
    nrg_node x = vars[0], y = vars[1];
    nrg_node A = nrg_weight_node(g, "A"), b = nrg_weight_node(g, "b");
    nrg_node miss = nrg_sub(g, nrg_sub(g, y, nrg_product_of(g, A, x)), b);
    (void)ud;
    (void)n;
    return nrg_mul(g, nrg_const(g, 0.5), nrg_sum_squares(g, miss));
}

static nrg_status show(nrg_ebm *m, const char *name, int n) {
    double w[4];
    int i;
    nrg_status s = nrg_ebm_weight_find(m, name, &i);
    if (s == NRG_OK) s = nrg_ebm_weight_get(m, i, w);
    if (s != NRG_OK) return s;
    printf("%s =", name);
    for (int k = 0; k < n; k++) printf(" %.4f", w[k] + 0.0);
    printf("\n");
    return NRG_OK;
}

static nrg_status train(nrg_ctx *c, nrg_ebm *m) {
    double x[20][2], y[20][2];
    const int64_t dim[2] = {20, 2};
    nrg_table *data = NULL;
    for (int i = 0; i < 20; i++) {
        x[i][0] = i % 5 - 2;
        x[i][1] = i / 5 - 1.5;
        y[i][0] = 2 * x[i][0] - x[i][1] + 1;
        y[i][1] = x[i][0] + 3 * x[i][1] - 2;
    }
    nrg_status s = nrg_table_new(c, &data);
    if (s == NRG_OK) s = nrg_table_put(data, "x", NRG_CELL_F64, 2, dim, x);
    if (s == NRG_OK) s = nrg_table_put(data, "y", NRG_CELL_F64, 2, dim, y);
    if (s == NRG_OK) s = nrg_ebm_train(m, data, NULL, NULL, NULL);
    if (s == NRG_OK) s = show(m, "A", 4);
    if (s == NRG_OK) s = show(m, "b", 2);
    nrg_table_free(data);
    return s;
}

static nrg_status ask(nrg_ctx *c, nrg_ebm *m) {
    static const double x[2] = {1, 1};
    static const int64_t dim[2] = {1, 2};
    nrg_ask_options o = {NRG_BEST, "y", NULL, 0, 0, NULL, 0, 0, false, 0};
    nrg_table *data = NULL;
    nrg_reply *r = NULL;
    nrg_status s = nrg_table_new(c, &data);
    if (s == NRG_OK) s = nrg_table_put(data, "x", NRG_CELL_F64, 2, dim, x);
    if (s == NRG_OK) s = nrg_ebm_ask(m, data, &o, &r);
    if (s == NRG_OK) printf("best y at x = (1, 1): %.4f %.4f\n", r->value[0], r->value[1]);
    nrg_reply_free(r);
    nrg_table_free(data);
    return s;
}

int main(void) {
    char text[1000];
    nrg_options o = {0};
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_ebm *m = NULL;
    if (!c) return 1;
    o.f64 = true;
    nrg_status s = nrg_ebm_load_fn(c, "callback", declarations, strlen(declarations), &o, "x, y",
                                   energy, NULL, &m);
    if (s == NRG_OK) s = train(c, m);
    if (s == NRG_OK) s = ask(c, m);
    for (int i = 0; s != NRG_OK && i < nrg_diag_count(c); i++)
        if (nrg_diag_text(c, i, text, sizeof text)) fputs(text, stderr);
    nrg_ebm_free(m);
    nrg_ctx_free(c);
    return s == NRG_OK ? 0 : 1;
}
