// Whole files in and out.
#include "base/base.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static nrg_status unreadable(nrg_ctx *c, const char *path, int why) {
    return nrg_fail(c, NRG_E053, NRG_NOWHERE, "cannot read %s: %s", path, strerror(why));
}

static nrg_status unwritable(nrg_ctx *c, const char *path, int why) {
    return nrg_fail(c, NRG_E092, NRG_NOWHERE, "cannot write %s: %s", path, strerror(why));
}

static nrg_status read_all(nrg_ctx *c, const char *path, FILE *f, nrg_text *out) {
    char part[16384];
    for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;) nrg_text_bytes(out, part, n);
    if (ferror(f)) return unreadable(c, path, errno);
    nrg_text_bytes(out, "", 0); // an empty file still gives a text
    return nrg_text_end(out);
}

nrg_status nrg_file_read(nrg_ctx *c, const char *path, nrg_text *out) {
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f) return unreadable(c, path, errno);
    bool folder = fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode);
    nrg_status s = folder ? unreadable(c, path, EISDIR) : read_all(c, path, f, out);
    fclose(f);
    return s;
}

// Writes; 0 or the reason.
static int put(int fd, const char *p, size_t n) {
    while (n > 0) {
        ssize_t did = write(fd, p, n);
        if (did < 0 && errno == EINTR) continue;
        if (did < 0) return errno;
        p += did;
        n -= (size_t)did;
    }
    return 0;
}

static int put_all(int fd, const nrg_part *parts, size_t n) {
    int why = 0;
    for (size_t i = 0; i < n && !why; i++) why = put(fd, parts[i].at, parts[i].n);
    if (why) return why;
    return fsync(fd) == 0 || errno == EINVAL ? 0 : errno; // pipes and the like cannot sync
}

// Makes the rename itself last: the folder's entry goes to the disk.
static void sync_folder(nrg_text *path) {
    char *slash = strrchr(path->at, '/');
    if (slash) slash[slash == path->at] = 0;
    int fd = open(slash ? path->at : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd); // a folder that cannot sync loses nothing but time
    close(fd);
}

nrg_status nrg_file_write(nrg_ctx *c, const char *path, const void *p, size_t n) {
    return nrg_file_write_parts(c, path, &(nrg_part){p, n}, 1);
}

nrg_status nrg_file_write_parts(nrg_ctx *c, const char *path, const nrg_part *parts, size_t n) {
    nrg_text temp = nrg_text_make(c);
    int fd = -1, why = EEXIST;
    for (int i = 0; i < 100 && why == EEXIST; i++) {
        temp.n = 0;
        nrg_text_put(&temp, "%s.tmp%ld.%d", path, (long)getpid(), i);
        if (temp.bad) break;
        fd = open(temp.at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        why = fd < 0 ? errno : 0;
    }
    if (temp.bad || fd < 0) {
        nrg_status s = temp.bad ? NRG_E098 : unwritable(c, path, why);
        nrg_text_free(&temp);
        return s;
    }
    why = put_all(fd, parts, n);
    if (close(fd) != 0 && !why) why = errno;
    if (!why && rename(temp.at, path) != 0) why = errno;
    if (why)
        unlink(temp.at);
    else
        sync_folder(&temp);
    nrg_text_free(&temp);
    return why ? unwritable(c, path, why) : NRG_OK;
}

bool nrg_file_same(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool nrg_file_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

static int make_folder(const char *path) {
    struct stat st;
    if (mkdir(path, 0777) == 0) return 0;
    int why = errno;
    return stat(path, &st) == 0 ? (S_ISDIR(st.st_mode) ? 0 : ENOTDIR) : why;
}

nrg_status nrg_folder_make(nrg_ctx *c, const char *path) {
    nrg_text t = nrg_text_make(c);
    nrg_text_put(&t, "%s", path);
    int why = 0;
    for (size_t i = 1; !t.bad && !why && i <= t.n; i++) {
        if (t.at[i] != '/' && t.at[i] != 0) continue;
        char kept = t.at[i];
        t.at[i] = 0;
        why = make_folder(t.at);
        t.at[i] = kept;
    }
    nrg_status s = nrg_text_end(&t);
    nrg_text_free(&t);
    if (s == NRG_OK && why) return nrg_fail(c, NRG_E092, NRG_NOWHERE, "cannot make folder %s: %s", path, strerror(why));
    return s;
}
