// Runs a fuzz target over every file of the folders given: saved inputs stay tested without a fuzzer.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int one(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) {
        if (f) fclose(f);
        fprintf(stderr, "cannot read %s\n", path);
        return 1;
    }
    long n = ftell(f);
    rewind(f);
    uint8_t *p = malloc(n > 0 ? (size_t)n : 1); // of the exact size, so that a sanitizer sees an overrun
    size_t got = p && n > 0 ? fread(p, 1, (size_t)n, f) : 0;
    fclose(f);
    if (p) LLVMFuzzerTestOneInput(p, got);
    free(p);
    return p ? 0 : 1;
}

int main(int argc, char **argv) {
    int bad = 0, n = 0;
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        char path[4096];
        for (struct dirent *e; d && (e = readdir(d));) {
            if (e->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            bad += one(path);
            n++;
        }
        if (d)
            closedir(d);
        else
            printf("no folder %s\n", argv[i]);
    }
    printf("%d inputs\n", n);
    return bad || n == 0;
}
