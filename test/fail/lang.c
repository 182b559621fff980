// The n-th allocation is refused while each model file is loaded, printed and shown, n = 0, 1, 2 ... until it succeeds:
// always a status, never a leak. Large n are thinned out.
#include "lang/lang.h"
#include "refuse.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

// One try with n allocations allowed. 0: it succeeded, 1: it was refused properly, -1: something is wrong.
static int try(const char *name, const char *text, size_t size, long n) {
    quota q = {.left = n};
    nrg_ctx *c = nrg_ctx_new(limited, &q);
    if (!c) return q.live ? -1 : 1;
    nrg_model *m = NULL;
    nrg_text t = nrg_text_make(c);
    nrg_status s = nrg_lang_load(c, name, text, size, NULL, &m);
    bool wrong = (s == NRG_OK) != (m != NULL);
    if (m) {
        nrg_lang_print(m, &t);
        nrg_lang_show(m, &t);
        if (t.bad) s = NRG_E098;
    }
    // where memory was refused the status says so; a model file has no other error
    wrong |= strstr(name, "models/") && s != NRG_OK && s != NRG_E098;
    bool refused = q.left == 0;
    nrg_text_free(&t);
    nrg_model_free(m);
    nrg_ctx_free(c);
    if (wrong || q.live)
        printf("%s, %ld allocations: status %s, %zu bytes left\n", name, n, nrg_status_name(s),
               q.live);
    return wrong || q.live ? -1 : refused ? 1 : 0;
}

static int all(const char *folder) {
    char path[1024];
    int bad = 0, files = 0, tries = 0;
    snprintf(path, sizeof path, "%s/%s", NRG_ROOT, folder);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t len = strlen(e->d_name), n = 0;
        if (len < 5 || strcmp(e->d_name + len - 4, ".nrg") != 0) continue;
        static char text[1 << 16];
        snprintf(path, sizeof path, "%s/%s/%s", NRG_ROOT, folder, e->d_name);
        FILE *f = fopen(path, "rb");
        if (f) n = fread(text, 1, sizeof text, f), fclose(f);
        int r = 1;
        for (long k = 0; r == 1; k += k < 200 ? 1 : 1 + k / 50) r = try(path, text, n, k), tries++;
        bad += r < 0;
        files++;
    }
    if (d) closedir(d);
    printf("%s: %d files, %d tries, %d wrong\n", folder, files, tries, bad);
    return files ? bad : 1;
}

int main(void) { return all("models") + all("test/golden/bad") + all("test/golden/codes") != 0; }
