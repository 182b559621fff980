// Golden files: each .nrg of bad/ and codes/ must give the messages in its .expected, byte for byte; all codes of the language
// are hit; every model file loads, and so does every nrg block of docs/language.md. With --bless the .expected are written anew.
#include "lang/lang.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    char name[64][80];
    int n;
} files;

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static files list(const char *folder) {
    files f = {.n = 0};
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", NRG_ROOT, folder);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d)) && f.n < 64;) {
        size_t n = strlen(e->d_name);
        if (n > 4 && n < 80 && strcmp(e->d_name + n - 4, ".nrg") == 0)
            strcpy(f.name[f.n++], e->d_name);
    }
    if (d) closedir(d);
    qsort(f.name, (size_t)f.n, sizeof *f.name, by_name);
    return f;
}

// Loads and returns the messages as text (malloc).
static char *messages(const char *name, const char *text, size_t n, nrg_status *status) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_text said = nrg_text_make(c);
    nrg_model *m = NULL;
    *status = nrg_lang_load(c, name, text, n, NULL, &m);
    for (int i = 0; i < nrg_diag_count(c); i++) nrg_diag_print(c, i, &said);
    char *copy = strdup(said.at ? said.at : "");
    nrg_text_free(&said);
    nrg_model_free(m);
    nrg_ctx_free(c);
    return copy;
}

static char *slurp(const char *path, size_t *n) {
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_text t = nrg_text_make(c);
    char *copy = NULL;
    if (nrg_file_read(c, path, &t) == NRG_OK) {
        copy = malloc(t.n + 1);
        memcpy(copy, t.at ? t.at : "", t.n);
        copy[ *n = t.n] = 0;
    }
    nrg_text_free(&t);
    nrg_ctx_free(c);
    return copy;
}

static int golden(const char *folder, bool bless, nrg_text *all) {
    files f = list(folder);
    int bad = 0;
    char home[1024];
    snprintf(home, sizeof home, "%s/%s", NRG_ROOT, folder);
    if (chdir(home) != 0) return printf("no folder %s\n", folder), 1; // messages name files without folders
    for (int i = 0; i < f.n; i++) {
        char path[1024];
        size_t n = 0, m = 0;
        nrg_status status;
        snprintf(path, sizeof path, "%s/%s/%s", NRG_ROOT, folder, f.name[i]);
        char *text = slurp(path, &n), *said = messages(f.name[i], text, n, &status);
        strcpy(path + strlen(path) - 4, ".expected");
        char *want = slurp(path, &m);
        nrg_text_put(all, "%s", said);
        if (!want || strcmp(want, said) != 0) {
            FILE *out = bless ? fopen(path, "wb") : NULL;
            if (out)
                fputs(said, out), fclose(out), printf("blessed %s\n", f.name[i]);
            else
                bad++, printf("%s says\n%s\nbut should say\n%s\n", f.name[i], said,
                              want ? want : "(no file)");
        }
        free(text);
        free(said);
        free(want);
    }
    printf("%s: %d files, %d wrong\n", folder, f.n, bad);
    return f.n == 0 ? 1 : bad;
}

static int models(void) {
    files f = list("models");
    int bad = 0;
    for (int i = 0; i < f.n; i++) {
        char path[1024];
        size_t n = 0;
        nrg_status status;
        snprintf(path, sizeof path, "%s/models/%s", NRG_ROOT, f.name[i]);
        char *text = slurp(path, &n), *said = messages(f.name[i], text, n, &status);
        if (status || *said) bad++, printf("%s says\n%s\n", f.name[i], said);
        free(text);
        free(said);
    }
    printf("models: %d files, %d wrong\n", f.n, bad);
    return f.n < 28 ? 1 : bad;
}

// Every code that the loader can give is shown by a golden file.
static int covered(const char *all) {
    int missing = 0;
    for (int i = 0; nrg_status_at(i) != NRG_OK; i++) {
        nrg_status s = nrg_status_at(i);
        const char *name = nrg_status_name(s);
        char mark[16];
        snprintf(mark, sizeof mark, "[%s]", name);
        if (strstr(all, mark) || (int)s > 49) continue;
        missing++;
        printf("no golden file shows %s (%s)\n", name, nrg_status_meaning(s));
    }
    return missing;
}

// The blocks ```nrg ... ``` of the language's page.
static int page(const char *file) {
    char path[1024];
    size_t n = 0;
    int bad = 0, blocks = 0;
    snprintf(path, sizeof path, "%s/%s", NRG_ROOT, file);
    char *text = slurp(path, &n);
    for (char *p = text; p && (p = strstr(p, "```nrg\n"));) {
        char *from = p + 7, *to = strstr(from, "```");
        nrg_status status;
        if (!to) break;
        char *said = messages(file, from, (size_t)(to - from), &status);
        if (status || *said) bad++, printf("block %d of %s says\n%s\n", blocks + 1, file, said);
        free(said);
        blocks++;
        p = to + 3;
    }
    free(text);
    printf("%s: %d blocks, %d wrong\n", file, blocks, bad);
    return blocks == 0 ? 1 : bad;
}

// ---- the tables of the page, from the tables of the program ----

static void methods(nrg_text *out) {
    nrg_text_put(out,
                 "| method | verbs | needs | arguments | what it is |\n|---|---|---|---|---|\n");
    for (int i = NRG_BY_NONE + 1; i < NRG_BY_COUNT; i++) {
        const nrg_method_row *r = nrg_method_get((nrg_method)i);
        nrg_text_put(out, "| `%s` | %s | %s | %s | %s%s |\n", r->name, r->verbs, r->domain, r->args,
                     r->doc, r->built ? "" : " (not built yet)");
    }
}

static void losses(nrg_text *out) {
    nrg_text_put(out, "| loss | arguments | is | meaning |\n|---|---|---|---|\n");
    for (const char *const *n = nrg_loss_names; *n; n++) {
        const nrg_loss_row *r = nrg_loss_find(*n);
        bool cond = nrg_same(r->args, "cond");
        nrg_text_put(out, "| `%s` | %s | `%s` | %s |\n", r->name, cond ? "variables" : r->args,
                     r->expr, r->doc);
    }
}

static void optimizers(nrg_text *out) {
    nrg_text_put(out, "| optimiser | arguments | what it is |\n|---|---|---|\n");
    for (const char *const *n = nrg_optimizer_names; *n; n++) {
        const nrg_optimizer_row *r = nrg_optimizer_find(*n, NULL);
        nrg_text_put(out, "| `%s` | %s | %s |\n", r->name, r->args, r->doc);
    }
}

static void points(nrg_text *out) {
    nrg_text_put(out, "| source | arguments | wrong answers |\n|---|---|---|\n");
#define NRG_POINT(name, args, built, doc) nrg_text_put(out, "| `%s` | %s | %s%s |\n", #name, args, doc, built ? "" : " (not built yet)");
#include "model/points.def"
}

static int tables(nrg_ctx *c, const char *file, bool bless) {
    static const struct {
        const char *name;
        void (*print)(nrg_text *);
    } rows[] = {{"layers", nrg_layers_print},
                {"functions", nrg_functions_print},
                {"methods", methods},
                {"losses", losses},
                {"points", points},
                {"optimizers", optimizers}};
    char path[1024], mark[64];
    size_t n = 0;
    int bad = 0;
    snprintf(path, sizeof path, "%s/%s", NRG_ROOT, file);
    char *text = slurp(path, &n);
    for (size_t i = 0; text && i < sizeof rows / sizeof *rows; i++) {
        nrg_text want = nrg_text_make(c), all = nrg_text_make(c);
        snprintf(mark, sizeof mark, "<!-- table %s -->\n", rows[i].name);
        char *from = strstr(text, mark), *to = from ? strstr(from, "<!-- end -->") : NULL;
        rows[i].print(&want);
        if (to) from += strlen(mark);
        bool same = to && (size_t)(to - from) == want.n && memcmp(from, want.at, want.n) == 0;
        if (!same && to && bless) {
            nrg_text_bytes(&all, text, (size_t)(from - text));
            nrg_text_bytes(&all, want.at, want.n);
            nrg_text_put(&all, "%s", to);
            FILE *out = fopen(path, "wb");
            if (out) fwrite(all.at, 1, all.n, out), fclose(out);
            free(text);
            text = slurp(path, &n);
        } else if (!same)
            bad++, printf("%s: the table of %s is stale; run test_golden --bless\n", file,
                          rows[i].name);
        nrg_text_free(&want);
        nrg_text_free(&all);
    }
    free(text);
    return text ? bad : 1;
}

int main(int argc, char **argv) {
    bool bless = argc > 1 && strcmp(argv[1], "--bless") == 0;
    nrg_ctx *c = nrg_ctx_new(NULL, NULL);
    nrg_text all = nrg_text_make(c);
    int bad = golden("test/golden/bad", bless, &all) + golden("test/golden/codes", bless, &all) +
              models() + page("docs/language.md");
    bad += tables(c, "docs/language.md", bless);
    bad += covered(all.at ? all.at : "");
    nrg_text_free(&all);
    nrg_ctx_free(c);
    return bad != 0;
}
