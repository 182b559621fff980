// Memory that runs out: the hook of tests that refuse the n-th request.
#ifndef NRG_TEST_REFUSE_H
#define NRG_TEST_REFUSE_H

#include <stddef.h>
#include <stdlib.h>

// A hook that refuses from the n-th request on (n < 0: never) and counts what is live.
typedef struct {
    long left;
    size_t live;
} quota;

static void *limited(void *ud, void *p, size_t old, size_t size) {
    quota *q = ud;
    if (size == 0) {
        free(p);
        q->live -= old;
        return NULL;
    }
    if (q->left == 0) return NULL;
    if (q->left > 0) q->left--;
    void *r = realloc(p, size);
    if (r) q->live += size - (p ? old : 0);
    return r;
}

#endif
