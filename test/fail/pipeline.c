// The n-th allocation is refused on the whole way from a text to saved answers, through the public API, for n = 0, 1, 2 ... until
// it succeeds: always a status with a message, the numbers of an undisturbed way or none, never a leak, no half-written file.
// Two manners: memory stays refused from n on, or only the n-th is refused and the caller goes on with what it has.
#include <dirent.h>
#include <math.h>
#include <nrg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 12, STAGES = 12, EVERY = 150 };

typedef struct {
    const char *name, *text, *stmt[3], *set[3];
    const char *x, *y; // arrays to bind and what they hold: "x:2" reals of two columns, "y:k3" categories, "x:i44" small images
    const char *best, *rank, *dist, *gradient;
    bool f64, out; // in double; with a run folder
    nrg_energy_fn fn;
    const char *vars;
} world;

typedef struct {
    long left, count, blocks;
    bool once, hit;
    size_t live;
} quota;

static void *limited(void *ud, void *p, size_t old, size_t size) {
    quota *q = ud;
    if (size == 0) {
        free(p);
        q->live -= old, q->blocks--;
        return NULL;
    }
    q->count++;
    if (q->left == 0 && !(q->once && q->hit)) {
        q->hit = true;
        return NULL;
    }
    if (q->left > 0) q->left--;
    void *r = realloc(p, size);
    if (!r) return NULL;
    q->live += size - (p ? old : 0), q->blocks += !p;
    return r;
}

// What each stage said and gave: its status, and a hash of its numbers.
typedef struct {
    nrg_status status[STAGES];
    uint64_t hash[STAGES];
    int n, silent; // silent: failures without a message
} story;

static uint64_t mix(const void *p, size_t n) {
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < n; i++) h = (h ^ ((const unsigned char *)p)[i]) * 1099511628211u;
    return h;
}

// ---- data: fixed numbers ----

static double reals[ROWS * 16];
static int32_t kinds[ROWS];
static uint8_t pixels[ROWS * 16];

static void fill(void) {
    uint32_t s = 12345;
    for (int i = 0; i < ROWS * 16; i++) {
        s = s * 1664525u + 1013904223u;
        reals[i] = (double)(s >> 8) / (1 << 24) * 1.3 - 0.45;
        pixels[i] = (uint8_t)(s >> 24);
    }
    for (int i = 0; i < ROWS; i++) kinds[i] = i % 2;
}

static nrg_status put(nrg_table *t, const char *spec) {
    char name[32];
    const char *colon = spec ? strchr(spec, ':') : NULL;
    if (!colon) return NRG_OK;
    snprintf(name, sizeof name, "%.*s", (int)(colon - spec), spec);
    if (colon[1] == 'k') return nrg_table_put(t, name, NRG_CELL_I32, 1, (int64_t[]){ROWS}, kinds);
    if (colon[1] == 'i') return nrg_table_put(t, name, NRG_CELL_U8, 3, (int64_t[]){ROWS, 4, 4}, pixels);
    int64_t width = atoi(colon + 1);
    const double *from = name[0] == 'y' ? reals + 7 : reals; // not the same as x
    return nrg_table_put(t, name, NRG_CELL_F64, width ? 2 : 1, (int64_t[]){ROWS, width}, from);
}

// ---- the way ----

static char folder[600], file[600];

static bool note(nrg_ctx *c, story *s, nrg_status st, uint64_t hash) {
    if (st != NRG_OK && nrg_diag_errors(c) == 0) s->silent++;
    nrg_diag_clear(c);
    s->status[s->n] = st;
    s->hash[s->n++] = st == NRG_OK ? hash : 0;
    return st == NRG_OK;
}

static nrg_status load(nrg_ctx *c, const world *w, nrg_ebm **m) {
    nrg_options o = {.threads = 1, .seed = 3, .f64 = w->f64, .sets = w->set, .stmts = w->stmt};
    while (o.sets_n < 3 && w->set[o.sets_n]) o.sets_n++;
    while (o.stmts_n < 3 && w->stmt[o.stmts_n]) o.stmts_n++;
    if (w->fn) return nrg_ebm_load_fn(c, "m.nrg", w->text, strlen(w->text), &o, w->vars, w->fn, NULL, m);
    if (strstr(w->text, "\n")) return nrg_ebm_load_text(c, "m.nrg", w->text, strlen(w->text), &o, m);
    char path[600];
    snprintf(path, sizeof path, "%s/%s", NRG_ROOT, w->text);
    return nrg_ebm_load(c, path, &o, m);
}

static nrg_status table(nrg_ctx *c, const world *w, nrg_table **t) {
    nrg_status s = nrg_table_new(c, t);
    if (s == NRG_OK) s = put(*t, w->x);
    if (s == NRG_OK) s = put(*t, w->y);
    return s == NRG_OK ? nrg_table_check(*t) : s;
}

static uint64_t energies(nrg_ebm *m, const nrg_table *t, nrg_status *s) {
    double E[ROWS] = {0};
    *s = nrg_ebm_energy(m, t, E);
    return mix(E, sizeof E);
}

static uint64_t slope(nrg_ebm *m, const nrg_table *t, const char *of, nrg_status *s) {
    double g[ROWS * 16] = {0};
    int64_t n = 0;
    *s = nrg_ebm_gradient(m, t, of, NULL, &n);
    if (*s == NRG_OK && n > ROWS * 16) *s = NRG_E099;
    if (*s == NRG_OK) *s = nrg_ebm_gradient(m, t, of, g, &n);
    return mix(g, sizeof g);
}

static uint64_t question(nrg_ebm *m, const nrg_table *t, nrg_question q, const char *var, nrg_status *s) {
    nrg_ask_options o = {.question = q, .var = var, .top = 3};
    nrg_reply *r = NULL;
    const char *text = "";
    *s = nrg_ebm_ask(m, t, &o, &r);
    bool some = *s == NRG_OK || *s == NRG_E081;
    if (some && r) {
        nrg_status d = nrg_reply_text(r, NRG_AS_CSV, &text);
        if (d != NRG_OK) *s = d;
    }
    if (some && !r) *s = NRG_E099; // success without an answer
    if (*s == NRG_E081) *s = NRG_OK;
    uint64_t h = mix(text, strlen(text));
    nrg_reply_free(r);
    return h;
}

// Stops at the first failure, or (`on`) goes on as a careless caller would.
static void walk(nrg_ctx *c, const world *w, bool on, story *s) {
    nrg_ebm *m = NULL, *again = NULL;
    nrg_table *t = NULL;
    nrg_status st;
    uint64_t h = 0;
    nrg_train_options o = {.out = w->out ? folder : NULL, .overwrite = true, .valid = w->out ? 0.25 : 0};
    bool go = note(c, s, load(c, w, &m), 0) && note(c, s, table(c, w, &t), 0);
    if (go) go = note(c, s, nrg_ebm_start(m, t), 0) || on;
    if (go) go = note(c, s, nrg_ebm_train(m, t, &o, NULL, NULL), 0) || on;
    if (go) h = energies(m, t, &st), go = note(c, s, st, h) || on;
    if (go && w->gradient) h = slope(m, t, w->gradient, &st), go = note(c, s, st, h) || on;
    if (go && w->best) h = question(m, t, NRG_BEST, w->best, &st), go = note(c, s, st, h) || on;
    if (go && w->rank) h = question(m, t, NRG_RANK, w->rank, &st), go = note(c, s, st, h) || on;
    if (go && w->dist) h = question(m, t, NRG_DIST, w->dist, &st), go = note(c, s, st, h) || on;
    if (go && !w->fn) {
        go = note(c, s, nrg_ebm_save(m, file), 0) || on;
        if (go) go = note(c, s, nrg_ebm_load(c, file, NULL, &again), 0);
        if (go) h = energies(again, t, &st), note(c, s, st, h);
    }
    nrg_ebm_free(again);
    nrg_ebm_free(m);
    nrg_table_free(t);
}

// Temporary files that were left behind in a folder.
static int left_behind(const char *path) {
    int n = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) n += strstr(e->d_name, ".tmp") != NULL;
    if (d) closedir(d);
    return n;
}

static void sweep(void) {
    char path[900];
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.') remove(path);
    }
    if (d) closedir(d);
    rmdir(folder);
    remove(file);
}

// One try. 0: not refused any more, 1: refused and well behaved, -1: something is wrong.
static int try(const world *w, long n, bool once, const story *want) {
    quota q = {.left = n, .once = once};
    story s = {0};
    int wrong = 0;
    nrg_ctx *c = nrg_ctx_new(limited, &q);
    if (!c) return q.live || q.blocks ? -1 : 1;
    walk(c, w, once, &s);
    nrg_ctx_free(c);
    bool failed = false;
    for (int i = 0; i < s.n; i++) {
        bool same = s.status[i] == want->status[i] && s.hash[i] == want->hash[i];
        // after a refusal a careless caller may meet other refusals, but what succeeds before it is right
        if (!same && !failed && s.status[i] != NRG_E098) wrong = i + 1;
        failed |= s.status[i] != NRG_OK;
    }
    if (!failed && s.n != want->n) wrong = 100;
    int trash = w->out ? left_behind(folder) : 0;
    if (wrong || s.silent || q.live || q.blocks || trash) {
        printf("%s, %ld allocations%s: stage %d, status", w->name, n, once ? ", then more" : "", wrong);
        for (int i = 0; i < s.n; i++) printf(" %s", nrg_status_name(s.status[i]));
        printf(", %d without a message, %zu bytes in %ld blocks left, %d temporary files\n", s.silent, q.live, q.blocks, trash);
        return -1;
    }
    return q.hit ? 1 : 0;
}

// A refusal may be survived (a table of hints, a thread less): the way then gives the numbers of the undisturbed one.
static int all(const world *w) {
    quota q = {.left = -1};
    story want = {0};
    int bad = 0, tries = 0;
    sweep();
    nrg_ctx *c = nrg_ctx_new(limited, &q);
    if (!c) return 1;
    walk(c, w, false, &want);
    int last = want.n - 1;
    if (want.status[last] != NRG_OK || q.count < EVERY) printf("%s: stage %d says %s\n", w->name, last + 1, nrg_status_name(want.status[last])), bad = 1;
    nrg_ctx_free(c);
    bad += q.live || q.blocks;
    uint32_t s = 99;
    for (int once = 0; once < 2 && !bad; once++) {
        long n = 0;
        for (int r = 1; r && bad < 3; tries++) {
            r = try(w, n, once, &want);
            bad += r < 0;
            s = s * 1664525u + 1013904223u;
            n += n < EVERY && !once ? 1 : 1 + (long)(s >> 8) % (2 + n / (n < 1000 ? 20 : 12));
        }
    }
    sweep();
    printf("%-12s %6ld allocations, %2d stages, %4d tries, %d wrong\n", w->name, q.count, want.n, tries, bad);
    return bad;
}

// ---- the worlds ----

static nrg_node energy(void *ud, nrg_graph *g, const nrg_node *v, int n) {
    (void)ud, (void)n;
    return nrg_sum_squares(g, nrg_sub(g, v[1], nrg_apply_module(g, "G", &v[0], 1)));
}

#define NET "dim D = 2, K = 2\ngiven x : real[D]\npredict y : K\nmodule G = linear(3) | tanh | linear(K)\nenergy E(x, y) = G(x)[y]\n" \
            "minimize y by exhaustive\nmarginalize y by exhaustive\n"
#define LINE "given x : real\npredict y : real in -2..2\nweight w : real init 0.7\nenergy E(x, y) = sq(y - w * x)\n"
#define CODE "dim D = 2, K = 2\npredict y : real[D]\nlatent z : real[K]\nweight W : real[D, K] init normal(1)\n"

static const world worlds[] = {
    {"regression", "examples/regression.nrg", .x = "x:3", .y = "y:2", .best = "y", .gradient = "x"},
    {"logistic", "examples/logistic.nrg", {"optimize by lbfgs(epochs=2)"}, .x = "x:3", .y = "y:k", .best = "y", .rank = "y", .dist = "y",
     .gradient = "G.0.weight", .f64 = true},
    {"kmeans", "examples/kmeans.nrg", {"optimize by exact(rounds=2)"}, {"K=2"}, .y = "y:2", .best = "z", .rank = "z", .gradient = "W"},
    {"mixture", "examples/mixture.nrg", {"optimize by exact(rounds=2)"}, {"K=2"}, .y = "y:2", .dist = "z", .gradient = "M", .f64 = true},
    {"pca", "examples/pca.nrg", {"optimize by exact(rounds=2)"}, .y = "table:4", .best = "z", .gradient = "y", .out = true},
    {"mnist", "examples/mnist.nrg", {"optimize by adam(lr=1e-3 -> 1e-5, batch=5, epochs=2)"}, {"R=4", "C=4", "H=5"}, .x = "images:i44",
     .y = "labels:k", .best = "y", .rank = "y", .dist = "y", .gradient = "x", .out = true},
    {"moons", "examples/moons.nrg", {"optimize by adam(lr=0.01, batch=6, epochs=2)", "minimize x by grid(points=5)", "marginalize x by grid(points=5)"},
     .x = "y:2", .y = "label:k", .best = "x", .rank = "x", .dist = "x", .gradient = "x"},
    {"parabola", "examples/parabola.nrg", {"optimize by adam(lr=0.01, batch=6, epochs=2)", "minimize y by grid(points=9)"}, .x = "x:0", .y = "y:0",
     .best = "y", .rank = "y", .gradient = "y"},
    {"sgd", NET "learn nll + 0.01 * l2(G)\noptimize by sgd(lr=0.1 -> 0.01, momentum=0.9, clip=1, batch=5, epochs=2)\n", .x = "x:2", .y = "y:k",
     .dist = "y", .gradient = "x"},
    {"adamw", NET "learn hinge(margin=1) against offender\noptimize by adamw(lr=0.1, decay=0.1, batch=5, epochs=2)\n", .x = "x:2", .y = "y:k",
     .best = "y", .rank = "y", .out = true},
    {"gradient", CODE "energy E(y, z) = sq(y - tanh(W @ z)) + 0.1 * l1(z)\nminimize z by gradient(steps=4, lr=0.1, momentum=0.5, starts=2)\n"
     "learn energy\noptimize by sgd(lr=0.01, batch=5, epochs=2)\n", .y = "y:2", .best = "z", .gradient = "y"},
    {"unroll", CODE "energy E(y, z) = sq(y - tanh(W @ z)) + 0.1 * sq(z)\nminimize z by gradient(steps=3, lr=0.1, unroll)\n"
     "learn energy\noptimize by adam(lr=0.01, batch=12, epochs=2)\n", .y = "y:2", .best = "z"},
    {"lbfgs", CODE "energy E(y, z) = sq(y - tanh(W @ z)) + 0.1 * sq(z)\nminimize z by lbfgs(steps=4)\nlearn energy\noptimize by lbfgs(epochs=2)\n",
     .y = "y:2", .best = "z", .gradient = "W", .f64 = true},
    {"bits", "dim D = 2, K = 3\nhyper beta = 1.5\npredict y : real[D]\nlatent z : bit[K]\nweight W : real[D, K] init normal(1)\n"
     "energy E(y, z) = 0.5 * sq(y - W @ z) + 0.3 * sum(z)\nmarginalize z by exhaustive\nlearn energy\noptimize by adam(batch=5, epochs=2)\n",
     .y = "y:2", .best = "z", .rank = "z", .dist = "z", .gradient = "W"},
    {"hunt", LINE "minimize y by lbfgs(steps=3)\nlearn hinge(margin=abs(y)) against offender(outside=0.2, starts=3, steps=3)\n"
     "optimize by sgd(batch=6, epochs=2)\n", .x = "x:0", .y = "y:0", .best = "y"},
    {"batch", LINE "minimize y by lbfgs(steps=3)\nlearn nll against batch\noptimize by sgd(batch=5, epochs=2)\n", .x = "x:0", .y = "y:0", .best = "y"},
    {"noise", NET "learn logistic against noise(3, power=0.5)\noptimize by sgd(batch=5, epochs=2)\n", .x = "x:2", .y = "y:k", .best = "y"},
    {"columns", LINE "minimize y by lbfgs(steps=3)\nlearn hinge against data(y=x)\noptimize by sgd(batch=6, epochs=1)\n", .x = "x:0", .y = "y:0", .best = "y"},
    {"rows", LINE "minimize y by lbfgs(steps=3)\nlearn square_square against rows(x < 0)\noptimize by sgd(batch=6, epochs=1)\n", .x = "x:0", .y = "y:0", .best = "y"},
    {"callback", "dim D = 2, M = 2\ngiven x : real[D]\npredict y : real[M]\nmodule G = linear(3) | tanh | linear(M)\nminimize y by exact\n"
     "learn energy\noptimize by adam(epochs=2, batch=5)\n", .x = "x:2", .y = "y:2", .best = "y", .gradient = "x", .fn = energy, .vars = "x, y"},
};

int main(int argc, char **argv) {
    int bad = 0;
    fill();
    snprintf(folder, sizeof folder, "%s/fail_pipeline_run", NRG_BUILD);
    snprintf(file, sizeof file, "%s/fail_pipeline.safetensors", NRG_BUILD);
    for (size_t i = 0; i < sizeof worlds / sizeof *worlds; i++)
        if (argc < 2 || strcmp(argv[1], worlds[i].name) == 0) bad += all(&worlds[i]);
    return bad != 0;
}
