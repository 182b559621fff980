// Natural texts of k-means and mixtures: training never makes rows x centres x terms, and every text of a model learns the same.
#include "plan/plan.h"
#include "train/inside.h"
#include "training.h"

enum { N = 40, D = 24, K = 16 };

typedef struct { const char *weights, *energy; } text;
static const text texts[] = {
    {"", "sq(y - M[z])"},
    {"", "sum(d in D: (y[d] - M[z, d])^2)"},
    {"", "sum((y - M[z])^2) / 2"},
    {"weight c : real[K] init 0\n", "0.5 * sum(d in D: (y[d] - M[z, d])^2) + c[z]"},
    {"weight p : real[K] in 0.01.. init 1\n", "0.5 * p[z] * sq(y - M[z]) - 0.5 * D * log(p[z])"},
    {"weight p : real[K] in 0.01.. init 1\n", "0.5 * sum(d in D: p[z] * (y[d] - M[z, d])^2 - log(p[z]))"},
    {"weight s : real[K] in 0.01.. init 1\n", "sum(d in D: (y[d] - M[z, d])^2 / (2 * s[z]^2) + log(s[z]))"},
    {"weight P : real[K, D] in 0.01.. init 1\n", "0.5 * sum(d in D: P[z, d] * (y[d] - M[z, d])^2 - log(P[z, d]) + log(6.2831853))"},
    {"weight P : real[K, D] in 0.01.. init 1\n", "sum(d in D: 0.5 * (P[z, d] * ((y[d] - M[z, d])^2 + 0.001) - log(P[z, d])))"},
    {"weight P : real[K, D] in 0.01.. init 1\n", "0.5 * sum(P[z] * (y - M[z])^2 - log(P[z]))"},
    {"weight S : real[K, D] in 0.01.. init 1\n", "0.5 * sum(d in D: (y[d] - M[z, d])^2 / S[z, d] + log(S[z, d]))"},
    {"weight S : real[K, D] in 0.01.. init 1\n", "sum(d in D: 0.5 * ((y[d] - M[z, d]) / S[z, d])^2 + log(S[z, d]))"},
    {"weight L : real[K, D] init 0\n", "0.5 * sum(d in D: (y[d] - M[z, d])^2 * exp(L[z, d]) - L[z, d])"},
};
enum { TEXTS = sizeof texts / sizeof *texts };

static void build(house *h, const text *t, const char *infer, const char *optimize) {
    char model[1024];
    snprintf(model, sizeof model, "dim D, K = %d\npredict y : real[D]\nlatent z : K\nweight M : real[K, D] init samples(y)\n%senergy E(y, z) = %s\n"
             "%s z by exhaustive\nlearn energy\noptimize by %s\ndata y = a\n", K, t->weights, t->energy, infer, optimize);
    house_text(h, model);
    double *a = house_array(h, "a", N, D);
    for (int i = 0; i < N * D; i++) a[i] = draw(1, i);
}

// Element by element less work and room a sample than centres x terms; distances and products are no such steps.
static void modest(const nrg_text *said, const char *energy) {
    long long kept = 0, block = 0;
    const char *bytes = strstr(said->at, "a sample kept ");
    assert_non_null(bytes);
    assert_int_equal(sscanf(bytes, "a sample kept %lld, a sample of a block of %*d %lld", &kept, &block), 2);
    if (kept + block >= 4 * K * D) fail_msg("%s: %lld bytes a sample", energy, kept + block);
    for (const char *line = said->at; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *end = strchr(line, '\n'), *flop = strstr(line, " flop a sample");
        if ((strncmp(line, "  tile", 6) && strncmp(line, "  reduce", 8)) || !end || !flop || flop > end) continue;
        while (flop > line && flop[-1] != ' ') flop--;
        if (atof(flop) >= K * D) fail_msg("%s: %.*s", energy, (int)(end - line), line);
    }
}

static void nothing_is_as_large_as_all(void **state) {
    (void)state;
    for (int i = 0; i < 2 * TEXTS; i++) {
        house h;
        house_open(&h);
        build(&h, &texts[i / 2], i % 2 ? "minimize" : "marginalize", "sgd(lr=0.001, epochs=1)");
        house_train(&h, &(nrg_train_options){0});
        nrg_text said = nrg_text_make(h.c);
        nrg_plan_print(h.t->step.plan, &said);
        modest(&said, texts[i / 2].energy);
        nrg_text_free(&said);
        house_close(&h);
    }
}

// Losses after some steps, against the same energy written as products alone, in double. P comes first in all, so that all start alike.
static void texts_of_one_model_learn_the_same(void **state) {
    (void)state;
    static const text same[] = {
        {"weight P : real[K, D] in 0.01.. init 1\n", "0.5 * sum(d in D: P[z, d] * 0.1) + 0.5 * sum(d in D: P[z, d] * y[d] * y[d]) - sum(d in D: P[z, d] * M[z, d] * y[d]) "
         "+ 0.5 * sum(d in D: P[z, d] * M[z, d] * M[z, d]) - 0.5 * sum(d in D: log(P[z, d]))"},
        {"weight P : real[K, D] in 0.01.. init 1\n", "0.5 * sum(d in D: P[z, d] * ((y[d] - M[z, d])^2 + 0.1) - log(P[z, d]))"},
        {"weight P : real[K, D] in 0.01.. init 1\n", "0.5 * sum(P[z] * ((y - M[z])^2 + 0.1) - log(P[z]))"},
        {"weight P : real[K, D] in 0.01.. init 1\n", "sum(d in D: -log(P[z, d]) / 2 + 0.5 * ((y[d] - M[z, d])^2 + 0.1) / (1 / P[z, d]))"},
    };
    for (int how = 0; how < 2; how++) {
        double want = 0;
        for (int i = 0; i < 4 - how; i++) { // what divides is not for exact
            house h;
            house_open(&h);
            build(&h, &same[i], "marginalize", how ? "exact(rounds=5, tol=0)" : "sgd(lr=0.02, epochs=20)");
            house_train(&h, &(nrg_train_options){.f64 = true});
            double got = h.losses[h.epochs - 1];
            if (!i) want = got;
            if (!(fabs(got - want) <= 1e-9 * fabs(want))) fail_msg("%s: %.15g, should be %.15g", same[i].energy, got, want);
            house_close(&h);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_as_large_as_all), cmocka_unit_test(texts_of_one_model_learn_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
