// One side of a comparison: work by nrg, through nrg.h as any program has it, done once for each line "go" on stdin.
//
//     bench_side sample|train|ask MODEL.nrg THREADS [data=SPEC] [normal=NAME:100x13] [start=W:v] [chains=128] [steps=60] [times=1] [ask=y]
//
// Prints "ready", then a line of JSON for each "go": seconds, processor seconds, and the mean energy of the data after training.
#include "nrg.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SPECS = 8 };

typedef struct {
    nrg_ctx *c;
    nrg_ebm *m;
    nrg_table *data;
    const char *job, *start, *ask;
    int64_t chains, steps, times;
    bool energy; // is the mean energy wanted?
} side;

static void stop(nrg_ctx *c) {
    char text[4096];
    for (int i = 0; i < nrg_diag_count(c); i++)
        if (nrg_diag_text(c, i, text, sizeof text)) fputs(text, stderr);
    exit(1);
}

static void try(side *s, nrg_status status) {
    if (status != NRG_OK) stop(s->c);
}

static double clock_of(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// ---- data ----

static double uniform(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
}

// NAME:100x13, normal numbers.
static void normal(side *s, const char *spec) {
    char name[64];
    int64_t dim[NRG_ARRAY_RANK], count = 1;
    int rank = 0, used = 0;
    uint64_t state = 1;
    if (sscanf(spec, "%63[^:]:%n", name, &used) != 1 || !used) exit(2);
    for (const char *p = spec + used; *p && rank < NRG_ARRAY_RANK; p += *p == 'x') {
        char *end;
        dim[rank] = strtoll(p, &end, 10);
        if (end == p) exit(2);
        count *= dim[rank++];
        p = end;
        if (!*p) break;
    }
    float *x = malloc((size_t)count * sizeof *x); // lent to the table until the end
    if (!x) exit(1);
    for (int64_t i = 0; i < count; i++) x[i] = (float)(sqrt(-2 * log(uniform(&state))) * cos(6.283185307179586 * uniform(&state)));
    try(s, nrg_table_put(s->data, name, NRG_CELL_F32, rank, dim, x));
}

// The first rows of the data.
static nrg_table *first_rows(side *s, int64_t rows) {
    nrg_table *few;
    try(s, nrg_table_new(s->c, &few));
    for (int i = 0; i < nrg_table_count(s->data); i++) {
        nrg_array a = *nrg_table_at(s->data, i);
        a.dim[0] = a.samples = rows;
        try(s, nrg_table_add(few, &a));
    }
    return few;
}

// W:v, the weight starts with the first rows of variable v.
static void start_at_rows(side *s) {
    char weight[64], var[64];
    nrg_weight_info info;
    nrg_table *values;
    int i;
    if (sscanf(s->start, "%63[^:]:%63s", weight, var) != 2) exit(2);
    try(s, nrg_ebm_weight_find(s->m, weight, &i));
    try(s, nrg_ebm_weight(s->m, i, &info));
    nrg_table *few = first_rows(s, info.dim[0]);
    try(s, nrg_ebm_values(s->m, few, &values));
    const nrg_array *a = nrg_table_find(values, var);
    double *w = malloc((size_t)info.count * sizeof *w);
    if (!a || !w) exit(1);
    for (int64_t k = 0; k < info.count; k++) w[k] = nrg_array_value(a, k);
    try(s, nrg_ebm_weight_set(s->m, i, w));
    free(w);
    nrg_table_free(values);
    nrg_table_free(few);
}

// ---- work ----

static void chains(side *s, int64_t warmup) {
    nrg_sample_options o = {.n = s->chains, .chains = s->chains, .warmup = warmup};
    nrg_samples *r;
    try(s, nrg_ebm_sample(s->m, NULL, &o, &r));
    nrg_samples_free(r);
}

static void answers(side *s) {
    nrg_ask_options o = {.question = NRG_BEST, .var = s->ask};
    nrg_reply *r;
    for (int64_t i = 0; i < s->times; i++) {
        try(s, nrg_ebm_ask(s->m, s->data, &o, &r));
        nrg_reply_free(r);
    }
}

static void train(side *s) {
    try(s, nrg_ebm_train_prepare(s->m, s->data, NULL, NULL));
    if (s->start) start_at_rows(s);
    try(s, nrg_ebm_train_go(s->m, NULL, NULL));
}

static double mean_energy(side *s) {
    int64_t n = nrg_table_rows(s->data);
    double *e = malloc((size_t)n * sizeof *e), sum = 0;
    if (!e) exit(1);
    try(s, nrg_ebm_energy(s->m, s->data, e));
    for (int64_t i = 0; i < n; i++) sum += e[i];
    free(e);
    return sum / (double)n;
}

// Draws: what `times` as many more steps take, so that plan and summary are not counted.
static void go(side *s) {
    double wall = 0, cpu = 0, value = NAN;
    bool draws = !strcmp(s->job, "sample");
    for (int round = draws ? -1 : 1; round <= 1; round += 2) {
        double w = clock_of(CLOCK_MONOTONIC), p = clock_of(CLOCK_PROCESS_CPUTIME_ID);
        if (draws) chains(s, s->steps * (round < 0 ? 1 : 1 + s->times));
        if (!strcmp(s->job, "train")) train(s);
        if (!strcmp(s->job, "ask")) answers(s);
        wall += round * (clock_of(CLOCK_MONOTONIC) - w);
        cpu += round * (clock_of(CLOCK_PROCESS_CPUTIME_ID) - p);
    }
    if (s->energy) value = mean_energy(s);
    printf("{\"wall\": %.9g, \"cpu\": %.9g", wall / (double)s->times, cpu / (double)s->times);
    if (!isnan(value)) printf(", \"value\": %.9g", value);
    printf("}\n");
    fflush(stdout);
}

static void read_words(side *s, int argc, char **argv, const char **spec, int *specs) {
    for (int i = 4; i < argc; i++) {
        if (!strncmp(argv[i], "data=", 5) && *specs < SPECS) spec[(*specs)++] = argv[i] + 5;
        else if (!strncmp(argv[i], "start=", 6)) s->start = argv[i] + 6;
        else if (!strncmp(argv[i], "chains=", 7)) s->chains = atoll(argv[i] + 7);
        else if (!strncmp(argv[i], "steps=", 6)) s->steps = atoll(argv[i] + 6);
        else if (!strncmp(argv[i], "times=", 6)) s->times = atoll(argv[i] + 6);
        else if (!strncmp(argv[i], "ask=", 4)) s->ask = argv[i] + 4;
        else if (!strcmp(argv[i], "energy")) s->energy = true;
        else if (strncmp(argv[i], "normal=", 7)) exit(2);
    }
}

int main(int argc, char **argv) {
    side s = {.c = nrg_ctx_new(NULL, NULL), .times = 1, .steps = 60, .chains = 128};
    const char *spec[SPECS];
    char line[16];
    int specs = 0;
    if (argc < 4 || !s.c) return 2;
    s.job = argv[1];
    read_words(&s, argc, argv, spec, &specs);
    nrg_options o = {.threads = atoi(argv[3])};
    try(&s, nrg_ebm_load(s.c, argv[2], &o, &s.m));
    try(&s, specs ? nrg_data_load(s.c, spec, specs, &s.data) : nrg_table_new(s.c, &s.data));
    for (int i = 4; i < argc; i++)
        if (!strncmp(argv[i], "normal=", 7)) normal(&s, argv[i] + 7);
    if (!strcmp(s.job, "ask")) try(&s, nrg_ebm_start(s.m, s.data));
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) go(&s);
    nrg_ebm_free(s.m);
    nrg_table_free(s.data);
    nrg_ctx_free(s.c);
    return 0;
}
