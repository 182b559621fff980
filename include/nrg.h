/* nrg: energy-based learning. The one public header.
 *
 * Every call that can fail returns an nrg_status; the story (where, what was found, what was expected, what to do)
 * is in the context's list of diagnostics. There are no globals. A context serves one thread at a time.
 * Who makes a thing frees it; a const pointer is lent for the call. */
#ifndef NRG_H
#define NRG_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#if defined(__GNUC__)
#define NRG_API __attribute__((visibility("default")))
#else
#define NRG_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define NRG_VERSION "0.1.0"

/* ---- status and diagnostics ---------------------------------------------------------------------------- */

typedef enum nrg_status {
    NRG_OK = 0,
#define NRG_STATUS(tag, number, exit, meaning, help) NRG_##tag = number,
#include "nrg_errors.def"
} nrg_status;

typedef struct nrg_ctx nrg_ctx; /* memory, diagnostics and texts of one user of the library */

/* Memory hook: p == NULL allocates, size == 0 frees, else reallocates; `old` is the size given before.
 * Returns NULL when it refuses. */
typedef void *(*nrg_alloc_fn)(void *ud, void *p, size_t old, size_t size);

typedef enum { NRG_ERROR, NRG_WARNING, NRG_NOTE } nrg_severity;

/* One message. Lines and columns count from 1 (columns in characters); 0 where there is no place in a text. */
typedef struct {
    nrg_status status;
    nrg_severity severity;
    const char *file;      /* name of the text, or NULL */
    int line, col, length; /* length of the underlined part, in characters */
    const char *message;   /* one sentence */
    const char *facts;     /* lines of facts separated by \n, or "" */
    const char *help;      /* one concrete edit, or "" */
} nrg_diag;

/* A context with the given memory hook (NULL: malloc). NULL when memory is refused. */
NRG_API nrg_ctx *nrg_ctx_new(nrg_alloc_fn alloc, void *ud);
NRG_API void nrg_ctx_free(nrg_ctx *c);
NRG_API int nrg_diag_count(const nrg_ctx *c);
NRG_API const nrg_diag *nrg_diag_get(const nrg_ctx *c, int i);
NRG_API void nrg_diag_clear(nrg_ctx *c);
/* Short name ("E036"), meaning, advice and exit code of a status. Never fail. */
NRG_API const char *nrg_status_name(nrg_status s);
NRG_API const char *nrg_status_meaning(nrg_status s);
NRG_API const char *nrg_status_advice(nrg_status s);
NRG_API int nrg_status_exit(nrg_status s);
/* i-th status of the table, NRG_OK past its end: for listings. */
NRG_API nrg_status nrg_status_at(int i);

#ifdef __cplusplus
}
#endif
#endif
