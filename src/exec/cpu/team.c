// Threads that take parts of a job from one counter. The counter holds the job's number and the next part in one word:
// taking a part is one compare-and-swap, and a thread that wakes late cannot take a part of a job it has not seen.
//
//     turn:  [ number of the job | next part ]      parts >= CLOSED: the job is being written, nothing can be taken
#include "exec/cpu/team.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

enum { SPINS = 4096 }; // about 50 us of pauses before a thread sleeps: longer than the gap between two phases of a step
#define CLOSED 0xffffffffu

typedef struct {
    nrg_team *team;
    pthread_t id;
    int worker;
} hand;

struct nrg_team {
    nrg_ctx *ctx;
    int threads, started;
    bool tried; // to start the threads
    atomic_uint_fast64_t turn;
    _Atomic nrg_part_fn fn;
    void *_Atomic ud;
    atomic_uint parts, done, sleepers;
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    hand hands[];
};

static void rest(void) {
#if defined(__SSE2__)
    _mm_pause();
#endif
}

// Takes and does parts of the job at hand until none is left.
static void take(nrg_team *t, int worker) {
    for (;;) {
        uint_fast64_t v = atomic_load_explicit(&t->turn, memory_order_acquire);
        uint32_t part = (uint32_t)v;
        // Acquired one by one: who sees a word of a newer job also sees that `turn` was closed for it, and the swap below fails.
        nrg_part_fn fn = atomic_load_explicit(&t->fn, memory_order_acquire);
        void *ud = atomic_load_explicit(&t->ud, memory_order_acquire);
        if (part == CLOSED || part >= atomic_load_explicit(&t->parts, memory_order_acquire)) return;
        if (!atomic_compare_exchange_weak_explicit(&t->turn, &v, v + 1, memory_order_acq_rel, memory_order_relaxed)) continue;
        fn(ud, worker, (int)part);
        atomic_fetch_add_explicit(&t->done, 1, memory_order_release);
    }
}

// A job other than number *seen is open, or the team stops. A closed one does not count: it would be seen and then missed.
static bool fresh(nrg_team *t, uint32_t *seen) {
    uint_fast64_t v = atomic_load(&t->turn);
    if (atomic_load(&t->stop)) return true;
    if ((uint32_t)v == CLOSED || (uint32_t)(v >> 32) == *seen) return false;
    *seen = (uint32_t)(v >> 32);
    return true;
}

// Waits for a job after number *seen (or the end): first awake, then asleep.
static void wait_for(nrg_team *t, uint32_t *seen) {
    for (int i = 0; i < SPINS; i++, rest())
        if (fresh(t, seen)) return;
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->sleepers, 1);
    while (!fresh(t, seen)) pthread_cond_wait(&t->wake, &t->lock);
    atomic_fetch_sub(&t->sleepers, 1);
    pthread_mutex_unlock(&t->lock);
}

static void *work(void *p) {
    hand *h = p;
    nrg_team *t = h->team;
    uint32_t seen = 0;
#if defined(__SSE2__)
    _mm_setcsr(_mm_getcsr() | 0x8040u); // denormals are zero, as in the caller while a run works
#endif
    while (!atomic_load(&t->stop)) {
        wait_for(t, &seen);
        take(t, h->worker);
    }
    return NULL;
}

nrg_status nrg_team_new(nrg_ctx *c, int threads, nrg_team **out) {
    size_t size = sizeof(nrg_team) + (size_t)threads * sizeof(hand);
    nrg_team *t = *out = nrg_mem(c, NULL, 0, size);
    if (!t) return NRG_E098;
    memset(t, 0, size);
    t->ctx = c, t->threads = threads;
    atomic_init(&t->turn, CLOSED);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    return NRG_OK;
}

static void wake_all(nrg_team *t) {
    if (!atomic_load(&t->sleepers)) return;
    pthread_mutex_lock(&t->lock);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

void nrg_team_free(nrg_team *t) {
    if (!t) return;
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->stop, true);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
    for (int i = 0; i < t->started; i++) pthread_join(t->hands[i].id, NULL);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->wake);
    nrg_mem(t->ctx, t, sizeof(nrg_team) + (size_t)t->threads * sizeof(hand), 0);
}

// A thread that cannot be had is done without.
static void start(nrg_team *t) {
    t->tried = true;
    for (int i = 0; i + 1 < t->threads; i++) {
        t->hands[i] = (hand){.team = t, .worker = i + 1};
        if (pthread_create(&t->hands[i].id, NULL, work, &t->hands[i]) != 0) break;
        t->started++;
    }
}

void nrg_team_go(nrg_team *t, nrg_part_fn fn, void *ud, int parts) {
    if (!t || t->threads < 2 || parts < 2) {
        for (int i = 0; i < parts; i++) fn(ud, 0, i);
        return;
    }
    if (!t->tried) start(t);
    uint64_t number = (atomic_load(&t->turn) >> 32) + 1;
    atomic_store(&t->turn, number << 32 | CLOSED);
    atomic_store_explicit(&t->fn, fn, memory_order_release); // release: not before `turn` is closed
    atomic_store_explicit(&t->ud, ud, memory_order_release);
    atomic_store_explicit(&t->parts, (unsigned)parts, memory_order_release);
    atomic_store(&t->done, 0);
    atomic_store(&t->turn, number << 32);
    wake_all(t);
    take(t, 0);
    for (int i = 0; atomic_load_explicit(&t->done, memory_order_acquire) < (unsigned)parts; i++)
        if (i < SPINS) rest();
        else sched_yield();
}
