// base: memory accounting and refusal, texts, diagnostics as LANGUAGE.md prints them, words, Philox, files.
#include "base/base.h"
#include "refuse.h"
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void memory_is_counted(void **state) {
    (void)state;
    quota q = {.left = -1};
    nrg_ctx *c = nrg_ctx_new(limited, &q);
    size_t start = nrg_mem_used(c);
    char *p = nrg_mem(c, NULL, 0, 1000);
    p = nrg_mem(c, p, 1000, 3000);
    assert_int_equal(nrg_mem_used(c), start + 3000);
    nrg_mem(c, p, 3000, 0);
    assert_int_equal(nrg_mem_used(c), start);
    assert_true(nrg_mem_peak(c) >= start + 3000);
    assert_null(nrg_mem(c, NULL, 0, SIZE_MAX));
    assert_int_equal(nrg_diag_count(c), 1);
    assert_int_equal(nrg_diag_get(c, 0)->status, NRG_E098);
    nrg_ctx_free(c);
    assert_int_equal(q.live, 0);
}

static void arena_gives_zeroed_aligned_memory(void **state) {
    (void)state;
    quota q = {.left = -1};
    nrg_ctx *c = nrg_ctx_new(limited, &q);
    nrg_arena a = nrg_arena_make(c);
    for (size_t n = 0; n < 700; n += 7) {
        unsigned char *p = nrg_arena_get(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % (n >= 64 ? 64 : 16), 0);
        for (size_t i = 0; i < n; i++) assert_int_equal(p[i], 0);
        memset(p, 0xff, n);
    }
    assert_string_equal(nrg_arena_print(&a, "%d-%s", 12, "ab"), "12-ab");
    assert_string_equal(nrg_arena_copy(&a, "hello", 4), "hell");
    assert_null(nrg_arena_get(&a, SIZE_MAX - 8));
    struct {
        int *at;
        uint32_t n, cap;
    } v = {0};
    for (int i = 0; i < 1000; i++) assert_int_equal(NRG_PUSH(&a, v, i * i), NRG_OK);
    for (int i = 0; i < 1000; i++) assert_int_equal(v.at[i], i * i);
    nrg_arena_free(&a);
    nrg_ctx_free(c);
    assert_int_equal(q.live, 0);
}

static void texts_grow_and_quote(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_text t = nrg_text_make(c);
    nrg_text_json(&t, "a\"b\\c\n\t\x01 \xce\xb1 \xff\xc3");
    assert_string_equal(t.at, "\"a\\\"b\\\\c\\n\\t\\u0001 \xce\xb1 \\ufffd\\ufffd\"");
    nrg_text_free(&t);
    for (int i = 0; i < 5000; i++) nrg_text_put(&t, "%d,", i % 10);
    assert_int_equal(t.n, 10000);
    assert_int_equal(nrg_text_end(&t), NRG_OK);
    nrg_text_free(&t);
    nrg_ctx_free(c);
}

static const char *printed(nrg_ctx *c, int i, nrg_text *t) {
    nrg_text_free(t);
    nrg_diag_print(c, i, t);
    return t->at;
}

static void diagnostics_print_with_carets(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_text t = nrg_text_make(c);
    // alpha takes two bytes and one column; the tab is kept
    const char *src = "dim D\n\nlet\t\xce\xb1 = f(w)[tag]\r\n4\n5\n6\n7\n8\n9\nlast";
    uint32_t file;
    assert_int_equal(nrg_source_add(c, "m.nrg", src, strlen(src), &file), NRG_OK);
    uint32_t at = (uint32_t)(strstr(src, "tag") - src), end = (uint32_t)strlen(src);
    assert_int_equal(nrg_fail(c, NRG_E036, (nrg_span){file, at, at + 3}, "index %d is wrong", 1), NRG_E036);
    nrg_fact(c, "f(w) : %s", "real[T]");
    nrg_fact(c, "tag : Tag");
    nrg_help(c, "swap them");
    assert_string_equal(printed(c, 0, &t), "m.nrg:3:14: error[E036]: index 1 is wrong\n"
                                           " 3 | let\t\xce\xb1 = f(w)[tag]\n"
                                           "   |    \t         ^^^\n"
                                           "   = f(w) : real[T]\n"
                                           "   = tag : Tag\n"
                                           "   help: swap them\n");
    nrg_fail(c, NRG_W101, (nrg_span){file, end - 4, end + 9}, "it can collapse");
    assert_string_equal(printed(c, 1, &t), "m.nrg:10:1: warning[W101]: it can collapse\n"
                                           " 10 | last\n"
                                           "    | ^^^^\n");
    nrg_fail(c, NRG_E002, (nrg_span){file, end, end}, "more is needed");
    assert_string_equal(printed(c, 2, &t), "m.nrg:10:5: error[E002]: more is needed\n"
                                           " 10 | last\n"
                                           "    |     ^\n");
    nrg_fail(c, NRG_E053, NRG_NOWHERE, "cannot read x");
    nrg_fact(c, "found \"1\"");
    assert_string_equal(printed(c, 3, &t), "error[E053]: cannot read x\n   = found \"1\"\n");
    assert_int_equal(nrg_diag_errors(c), 3);
    nrg_text_free(&t);
    nrg_diag_json(c, 0, &t);
    assert_string_equal(
        t.at, "{\"file\":\"m.nrg\",\"line\":3,\"col\":14,\"length\":3,\"severity\":\"error\",\"code\":\"E036\","
              "\"message\":\"index 1 is wrong\",\"facts\":[\"f(w) : real[T]\",\"tag : Tag\"],"
              "\"help\":\"swap them\"}\n");
    nrg_text_free(&t);
    nrg_diag_json(c, 3, &t);
    assert_non_null(strstr(t.at, "{\"file\":null,\"line\":0"));
    nrg_text_free(&t);
    nrg_diag_clear(c);
    assert_int_equal(nrg_diag_count(c), 0);
    nrg_ctx_free(c);
}

static void long_messages_are_whole(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    char big[2000];
    memset(big, 'x', sizeof big);
    big[sizeof big - 1] = 0;
    nrg_fail(c, NRG_E099, NRG_NOWHERE, "%s", big);
    assert_string_equal(nrg_diag_get(c, 0)->message, big);
    nrg_ctx_free(c);
}

// One job that uses everything; returns what went wrong.
static nrg_status job(nrg_ctx *c) {
    uint32_t file;
    TRY(nrg_source_add(c, "a", "some text", 9, &file));
    nrg_fail(c, NRG_E001, (nrg_span){file, 1, 2}, "a mistake of %d", 1);
    nrg_fact(c, "a fact");
    nrg_help(c, "a help");
    nrg_arena a = nrg_arena_make(c);
    nrg_text t = nrg_text_make(c);
    nrg_diag_print(c, 0, &t);
    nrg_diag_json(c, 0, &t);
    nrg_status s = nrg_arena_print(&a, "%s", "hello") && NRG_NEWS(&a, int, 100) ? nrg_text_end(&t) : NRG_E098;
    nrg_arena_free(&a);
    nrg_text_free(&t);
    return s;
}

static void every_refusal_is_a_status(void **state) {
    (void)state;
    bool whole = false;
    for (long n = 0; !whole && n < 200; n++) {
        quota q = {.left = n};
        nrg_ctx *c = nrg_ctx_new(limited, &q);
        if (!c) continue;
        nrg_status s = job(c);
        bool told = false;
        for (int i = 0; i < nrg_diag_count(c); i++) told |= nrg_diag_get(c, i)->status == NRG_E098;
        if (s != NRG_OK) assert_true(told);
        whole = s == NRG_OK && !told;
        nrg_ctx_free(c);
        assert_int_equal(q.live, 0);
    }
    assert_true(whole);
}

static void statuses_are_listed(void **state) {
    (void)state;
    assert_string_equal(nrg_status_name(NRG_E036), "E036");
    assert_string_equal(nrg_status_name(NRG_OK), "OK");
    assert_int_equal(nrg_status_exit(NRG_E054), 4);
    assert_int_equal(nrg_status_exit(NRG_E093), 130);
    int n = 0;
    while (nrg_status_at(n) != NRG_OK) n++;
    assert_true(n > 60);
    assert_int_equal(nrg_status_at(0), NRG_E001);
    for (int i = 0; i < n; i++) assert_true(strlen(nrg_status_advice(nrg_status_at(i))) > 0);
}

static void nearest_word(void **state) {
    (void)state;
    const char *words[] = {"dim", "given", "hinge", "learn", "softplus", "y"};
    assert_string_equal(nrg_nearest("givn", words, 6), "given");
    assert_string_equal(nrg_nearest("hindge", words, 6), "hinge");
    assert_string_equal(nrg_nearest("laern", words, 6), "learn");
    assert_string_equal(nrg_nearest("SoftPlus", words, 6), "softplus");
    assert_string_equal(nrg_nearest("Y", words, 6), "y");
    assert_null(nrg_nearest("x", words, 6));
    assert_null(nrg_nearest("encoder", words, 6));
    assert_null(nrg_nearest("", words, 6));
    assert_true(nrg_same("a", "a"));
    assert_false(nrg_same(NULL, NULL));
}

// Known answers published with Random123 (kat_vectors).
static void philox_known_answers(void **state) {
    (void)state;
    static const uint32_t kat[3][10] = {{0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                        {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0,
                                         0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        nrg_philox(kat[i], kat[i] + 4, out);
        assert_memory_equal(out, kat[i] + 6, sizeof out);
    }
}

static void random_numbers_have_their_moments(void **state) {
    (void)state;
    double sum = 0, sq = 0, wide = 0, n1 = 0, n2 = 0, n4 = 0, cross = 0;
    enum { N = 100000 };
    for (uint32_t i = 0; i < N; i++) {
        double u = nrg_random_uniform(7, NRG_FOR_NOISE, 3, 1, i), z = nrg_random_normal(7, NRG_FOR_NOISE, 3, 2, i);
        double v = nrg_random_wide(7, NRG_FOR_NOISE, 3, 1, i);
        assert_true(u >= 0 && u < 1 && (double)(float)u == u && v >= 0 && v < 1 && isfinite(z));
        sum += u, sq += u * u, wide += v, n1 += z, n2 += z * z, n4 += z * z * z * z;
        cross += z * nrg_random_normal(7, NRG_FOR_NOISE, 4, 2, i);
    }
    // five standard errors of each mean
    double root = sqrt(N);
    assert_true(fabs(sum / N - 0.5) < 5 * 0.2887 / root && fabs(wide / N - 0.5) < 5 * 0.2887 / root);
    assert_true(fabs(sq / N - 1.0 / 3) < 5 * 0.2981 / root);
    assert_true(fabs(n1 / N) < 5 / root && fabs(n2 / N - 1) < 5 * 1.4142 / root);
    assert_true(fabs(n4 / N - 3) < 5 * 9.798 / root && fabs(cross / N) < 5 / root);
    uint32_t a[4], b[4];
    nrg_random_words(7, NRG_FOR_NOISE, 3, 1, 5, a);
    nrg_random_words(7, NRG_FOR_DATA, 3, 1, 5, b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_true(nrg_random_uniform(7, NRG_FOR_NOISE, 3, 1, 21) == (a[1] >> 8) * 0x1p-24);
}

static void shuffles_are_permutations(void **state) {
    (void)state;
    enum { N = 1000 };
    int64_t at[N], again[N], other[N];
    bool seen[N] = {0};
    nrg_random_shuffle(1, NRG_FOR_SHUFFLE, 0, at, N);
    nrg_random_shuffle(1, NRG_FOR_SHUFFLE, 0, again, N);
    nrg_random_shuffle(1, NRG_FOR_SHUFFLE, 1, other, N);
    for (int i = 0; i < N; i++) {
        assert_true(at[i] >= 0 && at[i] < N && !seen[at[i]]);
        seen[at[i]] = true;
    }
    assert_memory_equal(at, again, sizeof at);
    assert_memory_not_equal(at, other, sizeof at);
    nrg_random_shuffle(1, NRG_FOR_SHUFFLE, 0, at, 0);
}

static void files_come_back(void **state) {
    (void)state;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    char base[] = NRG_BUILD "/base-XXXXXX", path[sizeof base + 20];
    assert_non_null(mkdtemp(base));
    snprintf(path, sizeof path, "%s/a/b/c", base);
    assert_int_equal(nrg_folder_make(c, path), NRG_OK);
    assert_int_equal(nrg_folder_make(c, path), NRG_OK);
    snprintf(path, sizeof path, "%s/a/b/c/f", base);
    assert_false(nrg_file_exists(path));
    assert_int_equal(nrg_file_write(c, path, "one\0two", 7), NRG_OK);
    assert_int_equal(nrg_file_write(c, path, "two\0three", 9), NRG_OK);
    assert_true(nrg_file_exists(path));
    nrg_text t = nrg_text_make(c);
    assert_int_equal(nrg_file_read(c, path, &t), NRG_OK);
    assert_int_equal(t.n, 9);
    assert_memory_equal(t.at, "two\0three", 9);
    nrg_text_free(&t);
    assert_int_equal(nrg_diag_count(c), 0);
    assert_int_equal(nrg_file_read(c, base, &t), NRG_E053);
    assert_int_equal(nrg_file_read(c, "/no/such/file", &t), NRG_E053);
    assert_string_equal(nrg_diag_get(c, 1)->message, "cannot read /no/such/file: No such file or directory");
    assert_int_equal(nrg_file_write(c, "/no/such/file", "x", 1), NRG_E092);
    char under[sizeof path + 2];
    snprintf(under, sizeof under, "%s/x", path);
    assert_int_equal(nrg_folder_make(c, under), NRG_E092);
    nrg_text_free(&t);
    unlink(path);
    for (int i = 0; i < 4; i++) {
        *strrchr(path, '/') = 0;
        assert_int_equal(rmdir(path), 0); // fails when a temporary was left behind
    }
    nrg_ctx_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_counted),         cmocka_unit_test(arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(texts_grow_and_quote),      cmocka_unit_test(diagnostics_print_with_carets),
        cmocka_unit_test(long_messages_are_whole),   cmocka_unit_test(every_refusal_is_a_status),
        cmocka_unit_test(statuses_are_listed),       cmocka_unit_test(nearest_word),
        cmocka_unit_test(philox_known_answers),      cmocka_unit_test(random_numbers_have_their_moments),
        cmocka_unit_test(shuffles_are_permutations), cmocka_unit_test(files_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
