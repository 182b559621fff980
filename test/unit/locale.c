// A program whose locale writes numbers with commas: models, runs, pictures' data and answers are the same as without.
#define _XOPEN_SOURCE 700
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <locale.h>
#include <nrg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char text[] = "hyper    half = 0.5 in 0.25..0.75\n"
                           "given    x : real in -1.5..1.5\n"
                           "predict  y : real in -1.5..1.5\n"
                           "module   G = linear(1)\n"
                           "energy   E(x, y) = half * sq(y - G(x))\n"
                           "minimize y by grid(points=31)\n"
                           "learn    energy\n"
                           "optimize by adam(lr=0.05, batch=4, epochs=3)\n";

// What a program writes: the model as text, and the log of a run.
static void work(const char *folder, const char *half, char *shown, size_t room) {
    static const double x[6] = {-1, -0.5, 0, 0.5, 1, 0.25}, y[6] = {-0.5, -0.25, 0, 0.25, 0.5, 0.125};
    static const int64_t dim[1] = {6};
    const char *sets[1] = {half}, *lines, *model;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_options o = {.sets = sets, .sets_n = 1, .seed = 1, .threads = 1};
    nrg_train_options to = {.out = folder};
    nrg_ebm *m = NULL;
    nrg_table *t = NULL;
    assert_int_equal(nrg_ebm_load_text(c, "m.nrg", text, sizeof text - 1, &o, &m), NRG_OK);
    assert_int_equal(nrg_table_new(c, &t), NRG_OK);
    assert_int_equal(nrg_table_put(t, "x", NRG_CELL_F64, 1, dim, x), NRG_OK);
    assert_int_equal(nrg_table_put(t, "y", NRG_CELL_F64, 1, dim, y), NRG_OK);
    assert_int_equal(nrg_ebm_train_prepare(m, t, &to, &lines), NRG_OK);
    assert_int_equal(nrg_ebm_train_go(m, NULL, NULL), NRG_OK);
    assert_int_equal(nrg_ebm_text(m, NRG_SHOW_TEXT, &model), NRG_OK);
    snprintf(shown, room, "%s", model);
    char name[300], line[400];
    snprintf(name, sizeof name, "%s/log.csv", folder);
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    size_t n = strlen(shown);
    while (fgets(line, sizeof line, f)) {
        char *p = line; // the seconds differ
        for (int k = 0; k < 2 && p; k++) p = strchr(p + 1, ',');
        if (p && (p = strchr(p + 1, ','))) n += (size_t)snprintf(shown + n, room - n, "%s", p);
    }
    fclose(f);
    nrg_table_free(t);
    nrg_ebm_free(m);
    nrg_ctx_free(c);
}

static void commas(void **state) {
    (void)state;
    char folder[] = "/tmp/nrg-locale-XXXXXX", command[300], plain[6000], other[6000], a[100], b[100];
    assert_non_null(mkdtemp(folder));
    snprintf(a, sizeof a, "%s/a", folder);
    snprintf(b, sizeof b, "%s/b", folder);
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", folder);
    int made = system(command);
    setenv("LOCPATH", folder, 1);
    work(a, "half=0.75", plain, sizeof plain);
    bool there = made == 0 && setlocale(LC_ALL, "de_DE.UTF-8");
    if (there) {
        snprintf(command, sizeof command, "%.1f", 0.5);
        assert_string_equal(command, "0,5"); // the program's own numbers stay as it wants them
        work(b, "half=0.75", other, sizeof other);
        snprintf(command, sizeof command, "%.1f", 0.5);
        assert_string_equal(command, "0,5");
        setlocale(LC_ALL, "C");
    }
    snprintf(command, sizeof command, "rm -rf %s", folder);
    (void)!system(command);
    if (!there) skip(); // no locale with commas on this machine
    assert_string_equal(plain, other);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(commas)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
