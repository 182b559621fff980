// data: readers on small files and on the real sets beside the checkout, messages, writers, generators, transforms.
#include "data/data.h"
#include "refuse.h"
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define SEEDS NRG_ROOT "/test/fuzz/corpus/"
#define REAL NRG_ROOT "/../shared/data/"

// ---- one table at a time, freed by `drop` ----

static quota counted;
static nrg_ctx *ctx;
static nrg_table *table;
static nrg_text scratch;

static int start(void **state) {
    (void)state;
    counted = (quota){.left = -1};
    ctx = nrg_ctx_new(limited, &counted);
    table = NULL;
    scratch = nrg_text_make(ctx);
    return 0;
}

static void drop(void) {
    nrg_table_free(table);
    table = NULL;
    nrg_diag_clear(ctx);
}

static int stop(void **state) {
    (void)state;
    drop();
    nrg_text_free(&scratch);
    nrg_ctx_free(ctx);
    return counted.live == 0 ? 0 : -1;
}

static nrg_status read_text(const char *file, const char *text, const char *name, const char *part) {
    drop();
    assert_int_equal(nrg_table_new(ctx, &table), NRG_OK);
    TRY(nrg_data_read(table, file, text, strlen(text), name, part));
    return nrg_table_check(table);
}

static nrg_status load(const char *spec) {
    drop();
    return nrg_data_load(ctx, &spec, 1, &table);
}

static const nrg_array *get(const char *name) {
    const nrg_array *a = nrg_table_find(table, name);
    if (!a) fail_msg("no array %s", name);
    return a;
}

static const char *line(const char *name) {
    scratch.n = 0;
    nrg_array_print(get(name), &scratch);
    return scratch.at;
}

static const char *story(int i) {
    scratch.n = 0;
    nrg_diag_print(ctx, i, &scratch);
    return scratch.at;
}

static void values(const char *name, int64_t n, const double *want) {
    const nrg_array *a = get(name);
    assert_int_equal(nrg_array_cells(a), n);
    for (int64_t i = 0; i < n; i++) {
        double v = nrg_array_value(a, i);
        if (!(v == want[i] || (isnan(v) && isnan(want[i]))))
            fail_msg("%s[%d] is %.17g, not %.17g", name, (int)i, v, want[i]);
    }
}

#define VALUES(name, ...) values(name, sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__})

// ---- numbers ----

static void numbers_are_exact(void **state) {
    (void)state;
    static const char *const good[] = {"0",
                                       "-0.0",
                                       "1e22",
                                       "123456789012345678",
                                       "0.1",
                                       "-2.5e-7",
                                       "1.7976931348623157e308",
                                       "5e-324",
                                       "0.30000000000000004",
                                       "9007199254740993",
                                       "3.",
                                       ".5",
                                       "+7",
                                       "1E5",
                                       "00012.50",
                                       "0.000000000000000000000000000001234567890123456789",
                                       "1e-400",
                                       "1e400"};
    double v;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(nrg_number(good[i], strlen(good[i]), &v));
        assert_true(v == strtod(good[i], NULL));
    }
    assert_true(nrg_number("-inf", 4, &v) && v == -INFINITY);
    static const char *const bad[] = {"", "-", ".", "1e", "1e+", "0x10", "nan", "1,5", "1 2", "12a", "e5", "--1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(nrg_number(bad[i], strlen(bad[i]), &v));
    for (int i = 0; i < 20000; i++) { // shortest and longest spellings of random doubles come back whole
        double want = ldexp(nrg_random_wide(1, NRG_FOR_DATA, 0, 0, (uint32_t)i) - 0.5, i % 160 - 80);
        char text[64];
        int n = snprintf(text, sizeof text, i % 2 ? "%.17g" : "%.20e", want);
        assert_true(nrg_number(text, (size_t)n, &v) && v == want);
    }
    int64_t w;
    assert_true(nrg_integer("-12", 3, &w) && w == -12);
    assert_false(nrg_integer("1234567890123456789", 19, &w));
}

// ---- readers ----

static void npy_files(void **state) {
    (void)state;
    assert_int_equal(load("x=" SEEDS "data_npy/f4.npy"), NRG_OK);
    VALUES("x", 1, 2, 3, -1.5, NAN, 1e9);
    assert_string_equal(line("x"), "x : 2 samples of 3, float32 -1.5..1e+09, 1 missing");
    assert_int_equal(load(SEEDS "data_npy/f8_big_fortran.npy"), NRG_OK);
    VALUES("f8_big_fortran", 1, 4, 2, 5, 3, 6);
    assert_int_equal(load(SEEDS "data_npy/i8_v3.npy"), NRG_OK);
    VALUES("i8_v3", -1, 7);
    assert_int_equal(load(SEEDS "data_npy/f2.npy"), NRG_OK);
    VALUES("f2", 1, INFINITY, 0x1p-24);
    assert_int_equal(load(SEEDS "data_npy/text.npy"), NRG_OK);
    VALUES("text", 0, 1, 0);
    assert_string_equal(line("text"), "text : 3 samples, 2 labels: ab, c");
    assert_int_equal(load(SEEDS "data_npy/bytes.npy"), NRG_OK);
    VALUES("bytes", 0, 1, 0, 2);
    assert_int_equal(load(SEEDS "data_npy/bool.npy.gz"), NRG_OK);
    VALUES("bool", 1, 0);
}

static void npy_mistakes(void **state) {
    (void)state;
    assert_int_equal(load(SEEDS "data_npy/object.npy"), NRG_E054);
    assert_non_null(strstr(story(0), "holds Python objects (pickle)"));
    assert_non_null(strstr(story(0), "help: save it with a plain type"));
    assert_int_equal(load(SEEDS "data_npy/record.npy"), NRG_E054);
    assert_int_equal(load(SEEDS "data_npy/scalar.npy"), NRG_E054);
    assert_int_equal(load(SEEDS "data_npy/huge.npy"), NRG_E054);
    assert_int_equal(load("x=" NRG_ROOT "/test/no_such_file.npy"), NRG_E053);
    assert_int_equal(read_text("x.npy", "\x93NUMPY", NULL, NULL), NRG_E054);
    assert_int_equal(read_text("x.npy", "", NULL, NULL), NRG_E054);
}

static void npz_files(void **state) {
    (void)state;
    static const char *const kinds[] = {SEEDS "data_npz/stored.npz", SEEDS "data_npz/packed.npz"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(load(kinds[i]), NRG_OK);
        assert_int_equal(nrg_table_count(table), 2);
        VALUES("x", 1, 2, 3, -1.5, NAN, 1e9);
        VALUES("y", 0, 1);
    }
    assert_int_equal(load(SEEDS "data_npz/zip64.npz"), NRG_OK);
    VALUES("x", 1, 2, 3, -1.5, NAN, 1e9);
    assert_int_equal(load("z=" SEEDS "data_npz/packed.npz:y"), NRG_OK);
    assert_int_equal(nrg_table_count(table), 1);
    VALUES("z", 0, 1);
    assert_int_equal(load("z=" SEEDS "data_npz/packed.npz"), NRG_E090);
    assert_int_equal(load("z=" SEEDS "data_npz/packed.npz:q"), NRG_E051);
    assert_non_null(strstr(story(0), "= member: 'x.npy'"));
    assert_int_equal(load(SEEDS "data_npz/empty.npz"), NRG_E054);
    assert_int_equal(load(SEEDS "data_npz/mismatch.npz"), NRG_E056);
    assert_non_null(strstr(story(0), "error[E056]: 'x' has 2 samples, but 'y' has 3\n"));
}

static void ragged_arrays(void **state) {
    (void)state;
    static const char *const kinds[] = {SEEDS "data_npz/ragged.npz", SEEDS "data_npz/offsets.npz"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(load(kinds[i]), NRG_OK);
        assert_int_equal(nrg_table_count(table), 1);
        assert_int_equal(nrg_table_rows(table), 2);
        assert_string_equal(line("w"), "w : 2 samples of 2..3 items, int16 1..1");
    }
    drop();
    assert_int_equal(nrg_table_new(ctx, &table), NRG_OK);
    float padded[12] = {1, 2, 0, 0, 3, 4, 5, 6, 7, 8, 0, 0}; // [2, 3, 2]
    uint8_t lengths[2] = {1, 2};
    nrg_array p = {.name = "p", .type = NRG_CELL_F32, .rank = 3, .dim = {2, 3, 2}, .data = padded, .samples = 2};
    nrg_array l = {.name = "l", .type = NRG_CELL_U8, .rank = 1, .dim = {2}, .data = lengths, .samples = 2};
    assert_int_equal(nrg_table_ragged(table, &p, &l, "r"), NRG_OK);
    VALUES("r", 1, 2, 5, 6, 7, 8);
    assert_int_equal(get("r")->offsets[1], 1);
    assert_int_equal(get("r")->offsets[2], 3);
    lengths[0] = 4;
    assert_int_equal(nrg_table_ragged(table, &p, &l, "s"), NRG_E050);
    assert_non_null(strstr(story(0), "length 'l' of sample 0 is 4, expected a whole number 0..3"));
    int64_t falling[3] = {0, 5, 3};
    nrg_array w = {.name = "w", .type = NRG_CELL_F32, .rank = 1, .dim = {3}, .data = padded};
    nrg_array o = {.name = "w_offsets", .type = NRG_CELL_I64, .rank = 1, .dim = {3}, .data = falling};
    assert_int_equal(nrg_table_add(table, &w), NRG_OK);
    assert_int_equal(nrg_table_add(table, &o), NRG_OK);
    assert_int_equal(nrg_table_check(table), NRG_E054);
    assert_int_equal(nrg_table_add(table, &w), NRG_E090);
}

static void idx_files(void **state) {
    (void)state;
    assert_int_equal(load("x=" SEEDS "data_idx/images"), NRG_OK);
    VALUES("x", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    assert_string_equal(line("x"), "x : 2 samples of 2 x 3, uint8 0..11");
    assert_int_equal(load("x=" SEEDS "data_idx/images.gz"), NRG_OK);
    VALUES("x", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    assert_int_equal(load("x=" SEEDS "data_idx/floats"), NRG_OK);
    VALUES("x", 1, 2, -1, 0.5);
    assert_int_equal(load("x=" SEEDS "data_idx/shorts"), NRG_OK);
    VALUES("x", 1, 2, -3);
    assert_int_equal(load(SEEDS "data_idx/short"), NRG_E054);
    assert_non_null(strstr(story(0), "it has 4 bytes of cells, expected 12"));
    assert_int_equal(load(SEEDS "data_idx/huge"), NRG_E054);
    assert_int_equal(load(SEEDS "data_idx/no_samples_of_huge_rows"), NRG_E054);
}

static void cut_gzip(void **state) {
    (void)state;
    nrg_text t = nrg_text_make(ctx);
    assert_int_equal(nrg_file_read(ctx, SEEDS "data_idx/images.gz", &t), NRG_OK);
    assert_int_equal(nrg_table_new(ctx, &table), NRG_OK);
    for (size_t n = 2; n < t.n; n++) {
        nrg_diag_clear(ctx);
        assert_int_equal(nrg_data_read(table, "images.gz", t.at, n, NULL, NULL), NRG_E054);
    }
    t.at[t.n - 6] ^= 1; // the checksum
    nrg_diag_clear(ctx);
    assert_int_equal(nrg_data_read(table, "images.gz", t.at, t.n, NULL, NULL), NRG_E054);
    assert_non_null(strstr(story(0), "damaged"));
    nrg_text_free(&t);
}

static void csv_files(void **state) {
    (void)state;
    assert_int_equal(read_text("t.csv", "a,b b,c\n1,2.5,red\n2,,blue\n3,?,\"red\"\n", NULL, NULL), NRG_OK);
    VALUES("a", 1, 2, 3);
    VALUES("b_b", 2.5, NAN, NAN);
    VALUES("c", 0, 1, 0);
    assert_string_equal(line("a"), "a : 3 samples, int64 1..3");
    assert_string_equal(line("b_b"), "b_b : 3 samples, float64 2.5..2.5, 2 missing");
    assert_string_equal(line("c"), "c : 3 samples, 2 labels: red, blue");
    assert_true(get("b_b")->missing[1] && !get("b_b")->missing[0]);
    assert_null(nrg_table_find(table, "table"));

    assert_int_equal(read_text("t.csv", "1,x,2\n3,y,4\n5,x,6.5\n", NULL, NULL), NRG_OK);
    VALUES("c0", 1, 3, 5);
    VALUES("c1", 0, 1, 0);
    VALUES("table", 1, 2, 3, 4, 5, 6.5);
    assert_int_equal(get("table")->dim[1], 2);

    assert_int_equal(read_text("t.tsv", "a\tb\r\n1\t_\r\n\r\n3\t4\r\n", NULL, NULL), NRG_OK);
    VALUES("b", NAN, 4);
    assert_int_equal(read_text("t.csv", "\"a\";\"b\"\n1;2\n", NULL, NULL), NRG_OK);
    VALUES("b", 2);
    assert_int_equal(read_text("t.txt", " 1 2  3\n4 5 6 \n", "m", NULL), NRG_OK);
    VALUES("m", 1, 2, 3, 4, 5, 6);
    assert_int_equal(read_text("t.csv", "#p,q\n1,2\n", NULL, NULL), NRG_OK);
    VALUES("q", 2);
    assert_int_equal(read_text("t.csv", "name,n\n\"a \"\"b\"\", c\",1\n\"two\nlines\",2", NULL, NULL), NRG_OK);
    assert_string_equal(get("name")->labels[0], "a \"b\", c");
    assert_string_equal(get("name")->labels[1], "two\nlines");
    assert_int_equal(read_text("t.csv", "red\nblue\nred\n", "y", NULL), NRG_OK); // texts that recur are no header
    VALUES("y", 0, 1, 0);
    assert_int_equal(read_text("t.csv", "colour\nred\nred\n", NULL, NULL), NRG_OK);
    VALUES("colour", 0, 0);
}

static void csv_columns(void **state) {
    (void)state;
    const char *text = "age,height,name\n1,2,ann\n3,4,bob\n";
    assert_int_equal(read_text("t.csv", text, NULL, "height"), NRG_OK);
    assert_int_equal(nrg_table_count(table), 1);
    VALUES("height", 2, 4);
    assert_int_equal(read_text("t.csv", text, "y", "1"), NRG_OK);
    VALUES("y", 2, 4);
    assert_int_equal(read_text("t.csv", text, "m", "age..height"), NRG_OK);
    VALUES("m", 1, 2, 3, 4);
    assert_int_equal(read_text("t.csv", text, "m", "1,0"), NRG_OK);
    VALUES("m", 2, 1, 4, 3);
    assert_int_equal(read_text("t.csv", text, "m", NULL), NRG_E054);
    assert_string_equal(
        story(0), "error[E054]: t.csv: column 3 (name) holds texts such as 'ann', but 'm' takes columns of numbers\n"
                  "   help: choose columns: m=t.csv:0..1\n");
    assert_int_equal(read_text("t.csv", text, "m", "hieght"), NRG_E051);
    assert_non_null(strstr(story(0), "help: did you mean 'height'?"));
    assert_int_equal(read_text("t.csv", text, "m", "weight_of"), NRG_E051);
    assert_non_null(strstr(story(0), "no column 'weight_of'\n   = its 3 columns are age, height ... name\n"));
}

static void csv_mistakes(void **state) {
    (void)state;
    assert_int_equal(read_text("t.csv", "a,b\n1,2\n3,x\n5,6\n", NULL, NULL), NRG_E054);
    assert_string_equal(story(0), "error[E054]: t.csv: line 3, column 2 (b) is 'x', expected a number\n"
                                  "   = 2 cells of the column are numbers, 1 are not\n"
                                  "   help: mend the cell, or leave it empty (or ?) if the value is missing\n");
    assert_int_equal(read_text("t.csv", "a,b\n1,2\n3\n", NULL, NULL), NRG_E054);
    assert_non_null(strstr(story(0), "line 3 has 1 cells, expected 2\n   = line 1 has 2 cells\n"));
    assert_int_equal(read_text("t.csv", "a,b\n1,2,3\n", NULL, NULL), NRG_E054);
    assert_int_equal(read_text("t.csv", "a,\"b\n1,2\n", NULL, NULL), NRG_E054);
    assert_non_null(strstr(story(0), "line 1: a quote is never closed"));
    assert_int_equal(read_text("t.csv", "a,b\n", NULL, NULL), NRG_E054);
    assert_int_equal(read_text("t.csv", "\n\n", NULL, NULL), NRG_E054);
    drop();
    assert_int_equal(nrg_table_new(ctx, &table), NRG_OK);
    assert_int_equal(nrg_data_read(table, "t.bin", "a\0b", 3, NULL, NULL), NRG_E054);
}

static void libsvm_files(void **state) {
    (void)state;
    assert_int_equal(read_text("t.libsvm", "+1 1:0.5 3:-1 # note\n\n-1 2:1e3\n", NULL, NULL), NRG_OK);
    VALUES("x", 0.5, 0, -1, 0, 1000, 0);
    VALUES("y", 1, -1);
    assert_int_equal(read_text("t", "1,5,7 1:1\n2 2:1\n 2:4\n", NULL, NULL), NRG_OK);
    VALUES("y", 1, 5, 7, 2);
    assert_string_equal(line("y"), "y : 3 samples of 0..3 items, int64 1..7");
    assert_int_equal(read_text("t.svm", "cat 1:1\ndog 2:2\ncat\n", NULL, NULL), NRG_OK);
    assert_string_equal(line("y"), "y : 3 samples, 2 labels: cat, dog");
    assert_int_equal(read_text("t.svm", "0.5 1:1\n", "target", "y"), NRG_OK);
    VALUES("target", 0.5);
    assert_int_equal(read_text("t.svm", "1 1:1\n", NULL, "3"), NRG_OK);
    VALUES("x", 1, 0, 0);
    assert_int_equal(read_text("t.svm", "1 4:1\n", NULL, "3"), NRG_E050);
    assert_int_equal(read_text("t.svm", "1 1:1\n", "x", NULL), NRG_E090);
    assert_int_equal(read_text("t.svm", "1 1:1\n1 3:1 2:1\n", NULL, NULL), NRG_E054);
    assert_string_equal(story(0),
                        "error[E054]: t.svm: line 2, column 7 is '2:1', expected an index above the one before\n");
    assert_int_equal(read_text("t.svm", "1 0:1\n", NULL, NULL), NRG_E054);
    assert_int_equal(read_text("t.svm", "1 1:x\n", NULL, NULL), NRG_E054);
    assert_int_equal(read_text("t.svm", "1 1000000000:1\n", NULL, NULL), NRG_E054);
    assert_non_null(strstr(story(0), "too many for a dense array"));
}

static void specs(void **state) {
    (void)state;
    const char *two[] = {"x=" SEEDS "data_idx/images", "y=" SEEDS "data_idx/labels"};
    drop();
    assert_int_equal(nrg_data_load(ctx, two, 2, &table), NRG_E056);
    assert_non_null(strstr(story(0), "'x' has 2 samples, but 'y' has 4"));
    const char *same[] = {"x=" SEEDS "data_idx/images", "x=" SEEDS "data_idx/labels"};
    assert_int_equal(nrg_data_load(ctx, same, 2, &table), NRG_E090);
    assert_int_equal(load("x="), NRG_E090);
    assert_int_equal(load(NRG_ROOT "/test"), NRG_E053);
}

// ---- writers ----

static char folder[] = NRG_BUILD "/data-XXXXXX";

static const char *in_folder(const char *name) {
    static char path[sizeof folder + 40];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void written_files_come_back(void **state) {
    (void)state;
    assert_int_equal(nrg_data_make(ctx, "moons", 57, 3, &table), NRG_OK);
    uint64_t hash = nrg_table_hash(table);
    assert_int_equal(nrg_data_write(table, in_folder("m.npz")), NRG_OK);
    assert_int_equal(load(in_folder("m.npz")), NRG_OK);
    assert_true(nrg_table_hash(table) == hash);
    assert_int_equal(nrg_data_write(table, in_folder("m.npy")), NRG_E092);
    assert_int_equal(nrg_data_write(table, in_folder("m.csv")), NRG_OK);
    double want[114];
    memcpy(want, get("y")->data, sizeof want);
    char spec[sizeof folder + 60];
    snprintf(spec, sizeof spec, "y=%s:y_0..y_1", in_folder("m.csv"));
    assert_int_equal(load(spec), NRG_OK);
    assert_memory_equal(get("y")->data, want, sizeof want);
    assert_int_equal(nrg_data_write(table, in_folder("y.npy")), NRG_OK);
    assert_int_equal(load(in_folder("y.npy")), NRG_OK);
    assert_memory_equal(get("y")->data, want, sizeof want);
    assert_int_equal(load(SEEDS "data_npz/ragged.npz"), NRG_OK);
    assert_int_equal(nrg_data_write(table, in_folder("r.npz")), NRG_OK);
    assert_int_equal(load(in_folder("r.npz")), NRG_OK);
    assert_string_equal(line("w"), "w : 2 samples of 2..3 items, int16 1..1");
    assert_int_equal(read_text("t.csv", "c,n\nred,1\n\xce\xb1\xe2\x82\xac\xf0\x9f\x8e\xb2,2\n?,3\nred,4\n", NULL, NULL),
                     NRG_OK);
    for (int i = 0; i < 2; i++) {
        VALUES("c", 0, 1, -1, 0);
        assert_string_equal(get("c")->labels[1], "\xce\xb1\xe2\x82\xac\xf0\x9f\x8e\xb2");
        assert_true(get("c")->missing[2] && !get("c")->missing[3]);
        assert_int_equal(nrg_data_write(table, in_folder("r.npz")), NRG_OK);
        assert_int_equal(load(in_folder("r.npz")), NRG_OK);
    }
    assert_int_equal(nrg_data_write(table, in_folder("m.xyz")), NRG_E092);
    assert_int_equal(nrg_data_write(table, in_folder("no/m.npz")), NRG_E092);
    static const char *const made[] = {"m.npz", "m.csv", "y.npy", "r.npz"};
    for (int i = 0; i < 4; i++) assert_int_equal(unlink(in_folder(made[i])), 0);
}

// Stored members and plain .npy files are mapped, not read: they take no memory of ours.
static void large_arrays_are_mapped(void **state) {
    (void)state;
    int64_t dim[2] = {100000, 4};
    nrg_array *a, *b;
    assert_int_equal(nrg_table_new(ctx, &table), NRG_OK);
    assert_int_equal(nrg_table_make(table, "small", NRG_CELL_U8, 1, dim, &b), NRG_OK);
    assert_int_equal(nrg_table_make(table, "doubles", NRG_CELL_F64, 2, dim, &a), NRG_OK);
    for (int i = 0; i < 400000; i++) ((double *)a->data)[i] = i;
    assert_int_equal(nrg_data_write(table, in_folder("big.npz")), NRG_OK);
    assert_int_equal(load(in_folder("big.npz")), NRG_OK);
    assert_true(nrg_mem_used(ctx) < 20000);
    assert_int_equal((uintptr_t)get("doubles")->data % 64, 0);
    assert_true(nrg_array_value(get("doubles"), 399999) == 399999);
    char spec[sizeof folder + 60];
    snprintf(spec, sizeof spec, "d=%s:doubles", in_folder("big.npz"));
    assert_int_equal(load(spec), NRG_OK);
    assert_int_equal(nrg_data_write(table, in_folder("d.npy")), NRG_OK);
    assert_int_equal(load(in_folder("d.npy")), NRG_OK);
    assert_true(nrg_mem_used(ctx) < 20000);
    ((double *)(uintptr_t)get("d")->data)[0] = 7; // the map is private
    assert_int_equal(load(in_folder("d.npy")), NRG_OK);
    assert_true(nrg_array_value(get("d"), 0) == 0);
    assert_int_equal(unlink(in_folder("big.npz")), 0);
    assert_int_equal(unlink(in_folder("d.npy")), 0);
}

static void safetensors_come_back(void **state) {
    (void)state;
    double W[6] = {1, 2, 3, 4, 5, 6};
    float b[1] = {0.5f};
    uint8_t mask[3] = {1, 0, 1};
    nrg_tensor t[] = {
        {"mask", NRG_CELL_BOOL, 1, {3}, mask}, {"b", NRG_CELL_F32, 0, {0}, b}, {"W", NRG_CELL_F64, 2, {2, 3}, W}};
    nrg_meta meta[] = {{"model", "given x : real\n\"quoted\" \xce\xb1"}, {"version", "1"}};
    const char *path = in_folder("w.safetensors");
    assert_int_equal(nrg_tensors_write(ctx, path, t, 3, meta, 2), NRG_OK);
    nrg_tensors *r;
    assert_int_equal(nrg_tensors_open(ctx, path, &r), NRG_OK);
    assert_int_equal(nrg_tensors_count(r), 3);
    assert_memory_equal(nrg_tensors_find(r, "W")->data, W, sizeof W);
    assert_memory_equal(nrg_tensors_find(r, "b")->data, b, sizeof b);
    assert_memory_equal(nrg_tensors_find(r, "mask")->data, mask, sizeof mask);
    assert_int_equal(nrg_tensors_find(r, "W")->dim[1], 3);
    assert_int_equal(nrg_tensors_find(r, "b")->rank, 0);
    assert_string_equal(nrg_tensors_meta(r, "model"), meta[0].value);
    assert_null(nrg_tensors_meta(r, "other"));
    assert_null(nrg_tensors_find(r, "c"));
    nrg_tensors_free(r);
    nrg_text bytes = nrg_text_make(ctx);
    assert_int_equal(nrg_file_read(ctx, path, &bytes), NRG_OK);
    for (size_t n = 0; n < bytes.n; n++) { // every cut file is refused
        nrg_diag_clear(ctx);
        assert_int_equal(nrg_tensors_read(ctx, "w", bytes.at, n, &r), NRG_E054);
    }
    nrg_text_free(&bytes);
    static const char *const bad[] = {"overlap", "hole", "bf16", "long_header"};
    static const char *const why[] = {"overlap", "hole", "found 'BF16'", "longer than the file"};
    for (int i = 0; i < 4; i++) {
        char file[200];
        snprintf(file, sizeof file, SEEDS "data_safetensors/%s", bad[i]);
        nrg_diag_clear(ctx);
        assert_int_equal(nrg_tensors_open(ctx, file, &r), NRG_E054);
        assert_non_null(strstr(story(0), why[i]));
    }
    assert_int_equal(nrg_tensors_open(ctx, SEEDS "data_safetensors/unaligned", &r), NRG_OK);
    nrg_tensors_free(r);
    assert_int_equal(unlink(path), 0);
}

// ---- generators and transforms ----

static void makers_are_pure(void **state) {
    (void)state;
    for (int i = 0; nrg_data_maker(i, NULL); i++) {
        nrg_table *again, *longer, *other;
        const char *name = nrg_data_maker(i, NULL);
        assert_int_equal(nrg_data_make(ctx, name, 40, 5, &table), NRG_OK);
        assert_int_equal(nrg_data_make(ctx, name, 40, 5, &again), NRG_OK);
        assert_int_equal(nrg_data_make(ctx, name, 60, 5, &longer), NRG_OK);
        assert_int_equal(nrg_data_make(ctx, name, 40, 6, &other), NRG_OK);
        assert_true(nrg_table_hash(table) == nrg_table_hash(again));
        assert_true(nrg_table_hash(table) != nrg_table_hash(other));
        const nrg_array *a = nrg_table_at(table, 0), *b = nrg_table_at(longer, 0);
        for (int64_t k = 0; k < nrg_array_cells(a); k++) assert_true(nrg_array_value(a, k) == nrg_array_value(b, k));
        assert_int_equal(nrg_table_check(table), NRG_OK);
        nrg_table_free(again);
        nrg_table_free(longer);
        nrg_table_free(other);
        drop();
    }
    assert_int_equal(nrg_data_make(ctx, "moon", 10, 1, &table), NRG_E011);
    assert_non_null(strstr(story(0), "help: did you mean 'moons'?"));
    assert_int_equal(nrg_data_make(ctx, "moons", 0, 1, &table), NRG_E090);
}

static void makers_draw_what_they_say(void **state) {
    (void)state;
    assert_int_equal(nrg_data_make(ctx, "parabola", 500, 1, &table), NRG_OK);
    const double *x = get("x")->data, *y = get("y")->data;
    for (int i = 0; i < 500; i++) assert_true(fabs(x[i]) <= 1 && y[i] == x[i] * x[i]);
    drop();
    assert_int_equal(nrg_data_make(ctx, "gaussians", 4000, 1, &table), NRG_OK);
    const double *p = get("y")->data;
    const uint8_t *k = get("label")->data;
    int count[8] = {0};
    for (int i = 0; i < 4000; i++) {
        double dx = p[2 * i] - cos(k[i] * acos(-1) / 4), dy = p[2 * i + 1] - sin(k[i] * acos(-1) / 4);
        assert_true(hypot(dx, dy) < 0.6);
        count[k[i]]++;
    }
    for (int i = 0; i < 8; i++) assert_true(abs(count[i] - 500) < 110); // five standard deviations
    drop();
    assert_int_equal(nrg_data_make(ctx, "checkerboard", 2000, 1, &table), NRG_OK);
    p = get("y")->data;
    for (int i = 0; i < 4000; i++) assert_true(p[i] >= -2 && p[i] < 2);
    for (int i = 0; i < 2000; i++) assert_int_equal(((int)floor(p[2 * i]) + (int)floor(p[2 * i + 1]) + 8) % 2, 0);
    drop();
    assert_int_equal(nrg_data_make(ctx, "digits", 1000, 1, &table), NRG_OK);
    assert_string_equal(line("images"), "images : 1000 samples of 28 x 28, uint8 0..255");
    const uint8_t *label = get("labels")->data, *cells = get("images")->data;
    int digit[10] = {0};
    double mean = 0;
    for (int i = 0; i < 1000; i++) digit[label[i]]++;
    for (int i = 0; i < 784000; i++) mean += cells[i] / 784000.0;
    for (int i = 0; i < 10; i++) assert_true(abs(digit[i] - 100) < 48);
    assert_true(mean > 15 && mean < 60);
    // Nearest class mean: far better than chance, far from perfect.
    static double centre[10][784];
    memset(centre, 0, sizeof centre);
    for (int i = 0; i < 800; i++)
        for (int c = 0; c < 784; c++) centre[label[i]][c] += cells[i * 784 + c];
    int right = 0;
    for (int i = 800; i < 1000; i++) {
        double best = INFINITY;
        int found = 0;
        for (int d = 0; d < 10; d++) {
            double dist = 0, n = 0;
            for (int j = 0; j < 800; j++) n += label[j] == d;
            for (int c = 0; c < 784; c++) {
                double e = centre[d][c] / n - cells[i * 784 + c];
                dist += e * e;
            }
            if (dist < best) best = dist, found = d;
        }
        right += found == label[i];
    }
    assert_true(right > 100 && right < 198);
}

static void transforms_whiten(void **state) {
    (void)state;
    enum { N = 300, D = 5 };
    double data[N * D], mean[D], sd[D], M[D * D];
    for (int i = 0; i < N; i++) { // correlated, one constant column, one that repeats another
        double u = nrg_random_normal(1, NRG_FOR_DATA, (uint64_t)i, 0, 0),
               v = nrg_random_normal(1, NRG_FOR_DATA, (uint64_t)i, 0, 1);
        double row[D] = {3 + u, 2 * u + 0.5 * v, -v, 7, 3 + u};
        memcpy(data + i * D, row, sizeof row);
    }
    nrg_array a = {.name = "a", .type = NRG_CELL_F64, .rank = 2, .dim = {N, D}, .data = data, .samples = N};
    assert_int_equal(nrg_fit_standardise(ctx, &a, mean, sd), NRG_OK);
    double sum = 0, sq = 0;
    for (int i = 0; i < N; i++) {
        double z = (data[i * D + 1] - mean[1]) / sd[1];
        sum += z, sq += z * z;
    }
    assert_true(fabs(sum / N) < 1e-12 && fabs(sq / N - 1) < 1e-12);
    assert_true(sd[3] == 1 && mean[3] == 7);
    // Three plain columns: the covariance of the whitened rows is the identity, and the matrix is symmetric.
    nrg_array b = {.name = "b", .type = NRG_CELL_F64, .rank = 2, .dim = {N, 3}, .data = data, .samples = N};
    for (int i = 0; i < N; i++)
        for (int k = 0; k < 3; k++)
            data[i * 3 + k] =
                nrg_random_normal(2, NRG_FOR_DATA, (uint64_t)i, 0, (uint32_t)k) * (k + 1) + (k ? data[i * 3] : 0);
    assert_int_equal(nrg_fit_whiten(ctx, &b, 0, mean, M), NRG_OK);
    double C[9] = {0};
    for (int i = 0; i < N; i++) {
        double w[3] = {0};
        for (int p = 0; p < 3; p++)
            for (int q = 0; q < 3; q++) w[p] += M[p * 3 + q] * (data[i * 3 + q] - mean[q]);
        for (int p = 0; p < 9; p++) C[p] += w[p / 3] * w[p % 3] / N;
    }
    for (int p = 0; p < 9; p++)
        assert_true(fabs(C[p] - (p % 4 == 0)) < 1e-10 && fabs(M[p] - M[p % 3 * 3 + p / 3]) < 1e-12);
}

// (C + eps I) M M = I even when C is singular.
static void transforms_whiten_singular(void **state) {
    (void)state;
    enum { N = 50, D = 12 };
    double data[N * D], mean[D], M[D * D], C[D * D] = {0};
    for (int i = 0; i < N * D; i++)
        data[i] = i % D < 3 ? nrg_random_normal(4, NRG_FOR_DATA, (uint64_t)i, 0, 0) : data[i - 3];
    nrg_array a = {.name = "a", .type = NRG_CELL_F64, .rank = 2, .dim = {N, D}, .data = data, .samples = N};
    assert_int_equal(nrg_fit_whiten(ctx, &a, 0.1, mean, M), NRG_OK);
    double trace = 0;
    for (int i = 0; i < N; i++)
        for (int p = 0; p < D * D; p++)
            C[p] += (data[i * D + p / D] - mean[p / D]) * (data[i * D + p % D] - mean[p % D]) / N;
    for (int p = 0; p < D; p++) trace += C[p * D + p];
    for (int p = 0; p < D; p++) C[p * D + p] += 0.1 * trace / D;
    for (int p = 0; p < D; p++)
        for (int q = 0; q < D; q++) {
            double v = 0;
            for (int i = 0; i < D; i++)
                for (int j = 0; j < D; j++) v += C[p * D + i] * M[i * D + j] * M[j * D + q];
            assert_true(fabs(v - (p == q)) < 1e-10);
        }
}

// Arrays of callers are checked before anybody reads them.
static void faulty_arrays_are_refused(void **state) {
    (void)state;
    double d[4] = {0};
    int64_t falling[3] = {0, 3, 2}, most[3] = {0, 2, 9};
    nrg_array good = {.name = "a", .type = NRG_CELL_F64, .rank = 1, .dim = {4}, .data = d}, a[8];
    for (int i = 0; i < 8; i++) a[i] = good;
    a[0].rank = 0;
    a[1].rank = 9;
    a[2].dim[0] = -1;
    a[3].data = NULL;
    a[4].type = NRG_CELL_COUNT;
    a[5].name = "";
    a[6].offsets = falling, a[6].samples = 2;
    a[7].offsets = most, a[7].samples = 2;
    assert_int_equal(nrg_table_new(ctx, &table), NRG_OK);
    for (int i = 0; i < 8; i++) assert_int_equal(nrg_table_add(table, &a[i]), NRG_E054);
    assert_int_equal(nrg_table_count(table), 0);
    assert_int_equal(nrg_table_rows(table), 0);
    assert_int_equal(nrg_table_add(table, &good), NRG_OK);
    assert_int_equal(nrg_table_rows(table), 4);
}

static void info_is_printed(void **state) {
    (void)state;
    assert_int_equal(read_text("t.csv", "a,b,c\n1,2.5,red\n2,,blue\n3,?,red\n", NULL, NULL), NRG_OK);
    scratch.n = 0;
    nrg_table_info(table, 2, &scratch);
    assert_string_equal(scratch.at, "3 arrays, 3 samples\n"
                                    "a : 3 samples, int64 1..3\n"
                                    "b : 3 samples, float64 2.5..2.5, 2 missing\n"
                                    "c : 3 samples, 2 labels: red, blue\n"
                                    "labels of c: red 2, blue 1\n"
                                    "row 0: a 1, b 2.5, c red\n"
                                    "row 1: a 2, b _, c blue\n");
    scratch.n = 0;
    nrg_table_names(table, &scratch);
    assert_string_equal(scratch.at, "a, b, c");
}

// ---- every refused allocation is a status ----

static nrg_status everything(nrg_ctx *c) {
    static const char *const files[] = {SEEDS "data_npy/text.npy",   SEEDS "data_npz/ragged.npz",
                                        SEEDS "data_npz/packed.npz", SEEDS "data_idx/images.gz",
                                        SEEDS "data_libsvm/several", SEEDS "data_libsvm/texts"};
    nrg_status s = NRG_OK;
    nrg_table *t;
    for (int i = 0; i < 6 && s == NRG_OK; i++) {
        s = nrg_data_load(c, &files[i], 1, &t);
        if (s != NRG_OK) break;
        s = nrg_data_write(t, in_folder("all.npz"));
        nrg_table_free(t);
    }
    const char *csv = "a,b,c\n1,2.5,\"a \"\"b\"\"\"\n2,,blue\n3,?,red\n";
    if (s == NRG_OK && (s = nrg_table_new(c, &t)) == NRG_OK) {
        s = nrg_data_read(t, "a.csv", csv, strlen(csv), NULL, NULL);
        if (s == NRG_OK) s = nrg_data_read(t, "a.csv", csv, strlen(csv), "m", "a..b");
        if (s == NRG_OK) s = nrg_data_write(t, in_folder("all.csv"));
        nrg_table_free(t);
    }
    if (s == NRG_OK && (s = nrg_data_make(c, "digits", 3, 1, &t)) == NRG_OK) {
        double *constants = calloc(784, sizeof(double));
        s = nrg_fit_standardise(c, nrg_table_at(t, 1), constants, constants + 1);
        if (s == NRG_OK) s = nrg_fit_whiten(c, nrg_table_at(t, 1), 0.1, constants, constants + 1);
        free(constants);
        nrg_table_free(t);
    }
    nrg_tensors *r;
    if (s == NRG_OK && (s = nrg_tensors_open(c, SEEDS "data_safetensors/two", &r)) == NRG_OK) {
        s = nrg_tensors_write(c, in_folder("all.st"), nrg_tensors_at(r, 0), nrg_tensors_count(r),
                              nrg_tensors_meta_at(r, 0), 1);
        nrg_tensors_free(r);
    }
    return s;
}

static void every_refusal_is_a_status(void **state) {
    (void)state;
    long n = 0;
    for (bool whole = false; !whole; n++) {
        quota q = {.left = n};
        nrg_ctx *c = nrg_ctx_new(limited, &q);
        if (!c) continue;
        nrg_status s = everything(c);
        if (s != NRG_OK && s != NRG_E098) fail_msg("request %ld: %s", n, nrg_diag_get(c, 0)->message);
        whole = s == NRG_OK;
        nrg_ctx_free(c);
        assert_int_equal(q.live, 0);
    }
    printf("%ld requests refused in turn\n", n);
    assert_true(n > 50);
    unlink(in_folder("all.npz"));
    unlink(in_folder("all.csv"));
    unlink(in_folder("all.st"));
}

// ---- real sets ----

static bool real(const char *spec) {
    const char *path = strchr(spec, '=') ? strchr(spec, '=') + 1 : spec;
    char file[600];
    snprintf(file, sizeof file, "%.*s", (int)(strrchr(path, ':') ? strrchr(path, ':') - path : (long)strlen(path)),
             path);
    if (!nrg_file_exists(file)) {
        printf("skipped: no %s\n", file);
        return false;
    }
    assert_int_equal(load(spec), NRG_OK);
    return true;
}

static void real_images(void **state) {
    (void)state;
    if (real("pixels=" REAL "mnist/train-images-idx3-ubyte.gz")) {
        assert_string_equal(line("pixels"), "pixels : 60000 samples of 28 x 28, uint8 0..255");
        assert_true(nrg_mem_peak(ctx) < 48 << 20); // the pixels once, and little else
    }
    if (real(REAL "mnist/t10k-labels-idx1-ubyte.gz"))
        assert_string_equal(line("t10k_labels_idx1_ubyte"), "t10k_labels_idx1_ubyte : 10000 samples, uint8 0..9");
    if (real("y=" REAL "frey_faces/frey_faces_u8.npy.gz"))
        assert_non_null(strstr(line("y"), "y : 1965 samples of 28 x 20, uint8 "));
}

static void real_sparse_rows(void **state) {
    (void)state;
    if (real(REAL "libsvm/heart_scale.libsvm")) {
        assert_non_null(strstr(line("x"), "x : 270 samples of 13, float32 -1..1"));
        int plus = 0;
        for (int i = 0; i < 270; i++) plus += nrg_array_value(get("y"), i) == 1;
        assert_int_equal(plus, 120);
    }
    if (real(REAL "libsvm/a9a.train.libsvm.gz")) {
        assert_string_equal(line("x"), "x : 32561 samples of 123, float32 0..1");
        int plus = 0;
        for (int i = 0; i < 32561; i++) plus += nrg_array_value(get("y"), i) == 1;
        assert_int_equal(plus, 7841);
    }
    if (real(REAL "libsvm/a9a.test.libsvm.gz:123"))
        assert_string_equal(line("x"), "x : 16281 samples of 123, float32 0..1");
    if (real(REAL "bibtex/bibtex_train.libsvm.gz")) {
        assert_string_equal(line("x"), "x : 4880 samples of 1836, float32 0..1");
        assert_int_equal(get("y")->samples, 4880);
        assert_true(fabs((double)get("y")->dim[0] / 4880 - 2.380) < 5e-4);
    }
}

static void real_tables(void **state) {
    (void)state;
    if (real(REAL "uci_tables/breast-cancer-wisconsin.csv")) {
        assert_string_equal(line("c5"), "c5 : 699 samples, float64 1..10, 16 missing");
        assert_string_equal(line("c9"), "c9 : 699 samples, int64 2..4");
    }
    if (real(REAL "uci_tables/iris.csv")) {
        assert_string_equal(line("c4"), "c4 : 150 samples, 3 labels: Iris-setosa, Iris-versicolor, Iris-virginica");
        assert_non_null(strstr(line("table"), "table : 150 samples of 4,"));
    }
    if (real("x=" REAL "uci_regression/boston/data.csv:0..12"))
        assert_non_null(strstr(line("x"), "x : 506 samples of 13,"));
    if (real(REAL "sachs/sachs_discretized.csv.gz")) assert_string_equal(line("raf"), "raf : 5400 samples, int64 1..3");
    if (real(REAL "mocap_accad/run1.csv.gz")) assert_int_equal(nrg_table_count(table), 125);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder); // fails when a file was left behind
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(numbers_are_exact),
        TEST(npy_files),
        TEST(npy_mistakes),
        TEST(npz_files),
        TEST(ragged_arrays),
        TEST(idx_files),
        TEST(cut_gzip),
        TEST(csv_files),
        TEST(csv_columns),
        TEST(csv_mistakes),
        TEST(libsvm_files),
        TEST(specs),
        TEST(written_files_come_back),
        TEST(large_arrays_are_mapped),
        TEST(safetensors_come_back),
        TEST(makers_are_pure),
        TEST(makers_draw_what_they_say),
        TEST(transforms_whiten),
        TEST(transforms_whiten_singular),
        TEST(faulty_arrays_are_refused),
        TEST(info_is_printed),
        TEST(every_refusal_is_a_status),
        TEST(real_images),
        TEST(real_sparse_rows),
        TEST(real_tables),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
