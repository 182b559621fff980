// Bytes of a file: mapped privately, or expanded into memory when it was compressed with gzip.
#include "data/data.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

// Deflate gives at most 1032 bytes for one. The second limit is a matter of taste: more belongs into an .npy, which
// is mapped.
enum { RATIO_MOST = 1040 };
static const size_t BYTES_MOST = (size_t)1 << 34;

void nrg_blob_free(nrg_blob *b) {
    if (!b || !b->at) return;
    if (b->cap)
        nrg_mem(b->ctx, b->at, b->cap, 0);
    else
        munmap(b->at, b->n);
    *b = (nrg_blob){.ctx = b->ctx};
}

static nrg_status room(nrg_blob *b, size_t cap) {
    unsigned char *p = nrg_mem(b->ctx, b->at, b->cap, cap);
    if (!p) return NRG_E098;
    b->at = p;
    b->cap = cap;
    return NRG_OK;
}

// The size that the gzip trailer claims (modulo 2^32), within what deflate can reach.
static size_t first_guess(const unsigned char *p, size_t n) {
    const unsigned char *q = p + n - 4;
    size_t claim = q[0] | (size_t)q[1] << 8 | (size_t)q[2] << 16 | (size_t)q[3] << 24;
    size_t most = n < BYTES_MOST / RATIO_MOST ? n * RATIO_MOST : BYTES_MOST;
    return claim + 64 < most ? claim + 64 : 65536;
}

// Fills `out` from an open stream; a file may hold several gzip members one after the other.
static nrg_status expand(nrg_ctx *c, const char *file, z_stream *z, const unsigned char *p, size_t n, nrg_blob *out) {
    size_t at = 0;
    for (;;) {
        if (out->n == out->cap) {
            if (out->cap >= BYTES_MOST)
                return nrg_fail(c, NRG_E054, NRG_NOWHERE, "%s: expands to more than %zu bytes", file, BYTES_MOST);
            TRY(room(out, out->cap * 2));
        }
        uInt in = n - at > 1u << 30 ? 1u << 30 : (uInt)(n - at);
        uInt space = out->cap - out->n > 1u << 30 ? 1u << 30 : (uInt)(out->cap - out->n);
        z->next_in = (Bytef *)(uintptr_t)(p + at); // zlib does not write to its input
        z->avail_in = in;
        z->next_out = out->at + out->n;
        z->avail_out = space;
        int r = inflate(z, Z_NO_FLUSH);
        at += in - z->avail_in;
        out->n += space - z->avail_out;
        if (r == Z_MEM_ERROR) return nrg_fail(c, NRG_E098, NRG_NOWHERE, "%s: no memory to expand it", file);
        if (r == Z_STREAM_END) {
            bool more = n - at >= 2 && p[at] == 0x1f && p[at + 1] == 0x8b;
            if (!more) return NRG_OK; // padding after the last member is left alone, as gzip does
            inflateReset(z);
        } else if (r != Z_OK && r != Z_BUF_ERROR) {
            return nrg_fail(c, NRG_E054, NRG_NOWHERE, "%s: the gzip data are damaged after %zu bytes: %s", file, out->n,
                            z->msg ? z->msg : "unknown reason");
        } else if (at == n && z->avail_out > 0) {
            return nrg_fail(c, NRG_E054, NRG_NOWHERE, "%s: the gzip data end too early, after %zu bytes", file, out->n);
        }
    }
}

static nrg_status gunzip(nrg_ctx *c, const char *file, const unsigned char *p, size_t n, nrg_blob *out) {
    z_stream z = {0};
    if (n < 18) return nrg_fail(c, NRG_E054, NRG_NOWHERE, "%s: %zu bytes are too few for gzip", file, n);
    if (inflateInit2(&z, 15 + 16) != Z_OK)
        return nrg_fail(c, NRG_E098, NRG_NOWHERE, "%s: no memory to expand it", file);
    *out = (nrg_blob){.ctx = c};
    nrg_status s = room(out, first_guess(p, n));
    if (s == NRG_OK) s = expand(c, file, &z, p, n, out);
    inflateEnd(&z);
    if (s == NRG_OK && out->cap - out->n > 4096) s = room(out, out->n ? out->n : 1);
    if (s != NRG_OK) nrg_blob_free(out);
    return s;
}

static bool zipped(const unsigned char *p, size_t n) { return n >= 2 && p[0] == 0x1f && p[1] == 0x8b; }

nrg_status nrg_blob_copy(nrg_ctx *c, const char *file, const void *bytes, size_t n, nrg_blob *out) {
    *out = (nrg_blob){.ctx = c};
    if (zipped(bytes, n)) return gunzip(c, file, bytes, n, out);
    TRY(room(out, n ? n : 1));
    if (n) memcpy(out->at, bytes, n);
    out->n = n;
    return NRG_OK;
}

// What cannot be mapped (a pipe, an empty file) is read.
static nrg_status read_plain(nrg_ctx *c, const char *path, nrg_blob *out) {
    nrg_text t = nrg_text_make(c);
    nrg_status s = nrg_file_read(c, path, &t);
    if (s == NRG_OK) s = nrg_blob_copy(c, path, t.at, t.n, out);
    nrg_text_free(&t);
    return s;
}

nrg_status nrg_blob_open(nrg_ctx *c, const char *path, nrg_blob *out) {
    *out = (nrg_blob){.ctx = c};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        nrg_status s = nrg_fail(c, NRG_E053, NRG_NOWHERE, "cannot read %s: %s", path, strerror(errno));
        if (fd >= 0) close(fd);
        return s;
    }
    size_t n = S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size : 0;
    void *p = n ? mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    close(fd);
    if (p == MAP_FAILED) return read_plain(c, path, out);
    if (zipped(p, n)) {
        nrg_status s = gunzip(c, path, p, n, out);
        munmap(p, n);
        return s;
    }
    *out = (nrg_blob){.ctx = c, .at = p, .n = n};
    return NRG_OK;
}
