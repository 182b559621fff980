// Distances and nearest rows: the steps that they become, against ref and against the differences themselves.
#include "runs.h"

enum { OUTS = 4 };

typedef struct {
    nrg_graph *g;
    nrg_node x, w, q; // samples, rows, weights of the differences
    nrg_node out[OUTS];
    int outs;
    int64_t N, D, K, G;
} world;

static int64_t numbers(const world *m, nrg_node n) {
    return nrg_node_count(m->g, n) * (nrg_graph_node(m->g, n)->leads & NRG_SAMPLE ? m->N : 1);
}

static bool has_step(const nrg_plan *p, nrg_step_kind kind) {
    for (uint32_t i = 0; i < p->steps.n; i++)
        if (p->steps.at[i].kind == kind) return true;
    return false;
}

typedef struct {
    int64_t slice;
    int threads;
    nrg_cpu_level level;
    nrg_step_kind has; // a step that the plan must have
} how;

// Numbers of the outputs, as doubles.
static void run(const world *m, double *const *v, how h, double **out) {
    nrg_dtype type = nrg_graph_type(m->g);
    nrg_plan_spec spec = {.graph = m->g, .outputs = m->out, .outputs_n = m->outs, .batch = m->N, .slice = h.slice};
    nrg_plan *p;
    nrg_run *r;
    void *in[3], *to[OUTS];
    nrg_node node[3] = {m->x, m->w, m->q};
    GO(nrg_plan_make(C, &spec, &p));
    if (h.has) assert_true(has_step(p, h.has));
    GO(nrg_run_new(C, p, h.threads ? h.threads : 1, &r));
    nrg_run_level(r, h.level);
    for (int i = 0; i < 3; i++) {
        in[i] = typed(type, v[i], numbers(m, node[i]));
        nrg_run_bind(r, node[i], (nrg_buffer){in[i], buffer_type(type), NULL});
    }
    for (int i = 0; i < m->outs; i++) {
        assert_non_null(to[i] = calloc((size_t)numbers(m, m->out[i]) + 1, sizeof(double)));
        nrg_run_output(r, i, to[i]);
    }
    GO(nrg_run_go(r, m->N, 1, 7, 3));
    for (int i = 0; i < m->outs; i++) {
        for (int64_t k = 0; k < numbers(m, m->out[i]); k++)
            out[i][k] = type == NRG_F64 ? ((double *)to[i])[k] : (double)((float *)to[i])[k];
        free(to[i]);
    }
    for (int i = 0; i < 3; i++) free(in[i]);
    nrg_run_free(r);
    nrg_plan_free(p);
}

static void room(const world *m, double **out) {
    for (int i = 0; i < m->outs; i++) assert_non_null(out[i] = calloc((size_t)numbers(m, m->out[i]) + 1, sizeof(double)));
}
static void leave(const world *m, double **out) {
    for (int i = 0; i < m->outs; i++) free(out[i]);
}

static void same(const world *m, double **a, double **b, const char *what) {
    for (int i = 0; i < m->outs; i++)
        for (int64_t k = 0; k < numbers(m, m->out[i]); k++)
            if (!(a[i][k] == b[i][k] || (isnan(a[i][k]) && isnan(b[i][k])))) // other bits of a NaN are no other number
                fail_msg("%s: output %d, number %d: %.17g and %.17g", what, i, (int)k, a[i][k], b[i][k]);
}

// Any threads, slices and instruction sets.
static void same_everywhere(const world *m, double *const *v, double **want) {
    double *got[OUTS];
    room(m, got);
    for (int level = NRG_CPU_PORTABLE; level <= NRG_CPU_VNNI; level++) {
        if (!nrg_cpu_kernels((nrg_cpu_level)level)) continue;
        run(m, v, (how){.slice = level == NRG_CPU_AVX2 ? 4 : 32, .threads = 1 << level, .level = (nrg_cpu_level)level}, got);
        same(m, want, got, nrg_cpu_kernels((nrg_cpu_level)level)->name);
    }
    leave(m, got);
}

// ---- nearest

// Outputs: the place and the distance of the nearest; with `all` also every distance, which then decide in plain view.
// wide: groups of rows, each with its own columns. leads: rows are along a leading axis.
static world nearest_world(nrg_dtype type, int64_t N, int64_t D, int64_t K, int64_t G, bool leads, bool all) {
    world m = {.N = N, .D = D, .K = K, .G = G};
    GO(nrg_graph_new(C, type, &m.g));
    nrg_node sum;
    m.q = nrg_input(m.g, "q", 0, nrg_shape_of(0, NULL));
    if (leads) {
        nrg_leads lead = nrg_lead_new(m.g, "candidate", K);
        m.x = nrg_input(m.g, "x", NRG_SAMPLE, nrg_shape_of(1, &D));
        m.w = nrg_input(m.g, "w", 0, nrg_shape_of(2, (int64_t[]){K, D}));
        sum = nrg_sum_all(m.g, nrg_square(m.g, nrg_sub(m.g, m.x, nrg_lift(m.g, m.w, 0, lead))));
        m.out[0] = nrg_reduce(m.g, NRG_OP_argmin, sum, 0, lead, false);
        m.out[1] = nrg_reduce(m.g, NRG_OP_rmin, sum, 0, lead, false);
    } else {
        m.x = nrg_input(m.g, "x", NRG_SAMPLE, nrg_shape_of(3, (int64_t[]){G, 1, D}));
        m.w = nrg_input(m.g, "w", 0, nrg_shape_of(3, (int64_t[]){G, K, D}));
        sum = nrg_reduce(m.g, NRG_OP_sum, nrg_square(m.g, nrg_sub(m.g, m.w, m.x)), 4, 0, false);
        m.out[0] = nrg_reduce(m.g, NRG_OP_argmin, sum, 2, 0, false);
        m.out[1] = nrg_reduce(m.g, NRG_OP_rmin, sum, 2, 0, false);
    }
    m.out[2] = sum;
    m.outs = all ? 3 : 2;
    return m;
}

typedef enum {
    PLAIN, TIES, EQUAL, FAR, STRANGE, TINY, HUGE_ONES,
    SCALES,   // rows and columns of sizes from 1e-30 to 1e30
    PAIRS,    // each column twice
    CLOSE,    // columns that differ in their last bits, rows among them
    OUTLIERS, // one number of some rows and columns is far larger than the others
    LEVEL,    // rows and columns of one number each, some of zeros
    ORDERS,   // columns of the same numbers in other orders, rows of one number each: rounding alone decides
    TENTHS,   // -0.1, 0, 0.1, columns that cancel: bytes lose nothing, and again rounding decides
    KINDS
} data_kind;

static double drawn(data_kind kind, uint32_t *seed) {
    double x = noise(seed);
    switch (kind) {
    case TIES: return floor(1.5 * x + 0.5); // -1, 0, 1
    case FAR: return 3e5 + x;
    case TINY: return 1e-22 * x;
    case HUGE_ONES: return 3e18 * x;
    default: return x;
    }
}

static void draw(const world *m, data_kind kind, double **v, uint32_t seed) {
    int64_t n[3] = {numbers(m, m->x), numbers(m, m->w), 1};
    for (int i = 0; i < 3; i++) {
        assert_non_null(v[i] = malloc((size_t)(n[i] + 1) * sizeof(double)));
        for (int64_t k = 0; k < n[i]; k++) v[i][k] = (double)(float)drawn(kind, &seed);
    }
    for (int64_t k = m->D; kind == EQUAL && k < n[1]; k++) v[1][k] = v[1][k % m->D]; // one row, many times
    for (int i = 0; i < 2; i++)
        for (int64_t k = 0; k < n[i]; k++) {
            int64_t line = k / m->D;
            double *x = &v[i][k], own = noise(&(uint32_t){(uint32_t)(7919 * line + i + 1)});
            if (kind == SCALES) *x = (double)(float)(*x * pow(10, round(30 * own)));
            if (kind == PAIRS && i && line % 2) *x = v[i][k - m->D];
            if (kind == CLOSE) *x = (double)(float)(sin((double)(k % m->D)) + 3e-7 * *x);
            if (kind == OUTLIERS && line % 5 == 2 && k % m->D == line % m->D) *x *= pow(10, (double)(line % 4 * 6));
            if (kind == LEVEL || (kind == ORDERS && !i)) *x = floor(4 * own) / 3;
            if (kind == ORDERS && i && line) *x = v[i][(k + 7 * line) % m->D];
            if (kind == TENTHS) *x = i && line % 2 ? -v[i][k - m->D] : 0.1 * floor(1.5 * *x + 0.5);
            *x = (double)(float)*x;
        }
    if (kind != STRANGE) return;
    v[0][0] = NAN, v[0][m->D * m->G] = INFINITY; // two samples
    if (m->K > 2) v[1][2 * m->D - 1] = INFINITY;
}

static void nearest_case(nrg_dtype type, int64_t N, int64_t D, int64_t K, int64_t G, bool leads, data_kind kind) {
    world m = nearest_world(type, N, D, K, G, leads, false), full = nearest_world(type, N, D, K, G, leads, true);
    double *v[3], *got[OUTS], *want[OUTS], *ref[OUTS];
    draw(&m, kind, v, (uint32_t)(17 + N + 31 * D + 1009 * K));
    room(&full, got), room(&full, want), room(&full, ref);
    run(&m, v, (how){.slice = 16, .has = NRG_STEP_nearest}, got);
    run(&full, v, (how){.slice = 16, .has = NRG_STEP_distance}, want);
    same(&m, got, want, "the nearest by products, and by differences");
    same_everywhere(&m, v, got);
    if (kind == TIES) { // whole numbers: ref has the same bits
        GO(nrg_ref_eval(C, full.g, N, (const double *const[]){v[2], v[0], v[1]}, 7, 3, full.out, 3, ref));
        same(&full, ref, want, "ref");
    }
    m.outs = 1;
    run(&m, v, (how){.slice = 16, .has = NRG_STEP_nearest}, got);
    same(&m, got, want, "places alone, and by differences");
    leave(&full, got), leave(&full, want), leave(&full, ref);
    for (int i = 0; i < 3; i++) free(v[i]);
    nrg_graph_free(m.g), nrg_graph_free(full.g);
}

static void nearest(void **state) {
    static const int64_t shapes[][4] = {{50, 40, 33, 1}, {20, 1, 5, 1}, {7, 3, 2, 1}, {33, 300, 70, 1},
                                        {100, 17, 64, 1}, {9, 6, 20, 3}, {21, 130, 90, 2}};
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int kind = 0; kind < KINDS; kind++)
            for (int type = NRG_F32; type <= NRG_F64; type++) {
                const int64_t *s = shapes[i];
                nearest_case((nrg_dtype)type, s[0], s[1], s[2], s[3], false, (data_kind)kind);
                if (s[3] == 1) nearest_case((nrg_dtype)type, s[0], s[1], s[2], 1, true, (data_kind)kind);
            }
}

// More terms than bytes of full range could be summed of: two columns of opposite sign, all products at their largest.
static void many_terms(void **state) {
    enum { N = 4, D = 140000 };
    (void)state;
    world m = nearest_world(NRG_F32, N, D, 2, 1, false, false);
    m.outs = 1;
    double *v[3] = {malloc(N * D * sizeof(double)), malloc(2 * D * sizeof(double)), &(double){0}}, *got[OUTS];
    assert_non_null(v[0]), assert_non_null(v[1]);
    for (int64_t k = 0; k < N * D; k++) v[0][k] = k / D % 2 ? 1 : -1;
    for (int64_t k = 0; k < 2 * D; k++) v[1][k] = k / D ? 2 : -2;
    room(&m, got);
    run(&m, v, (how){.has = NRG_STEP_nearest}, got);
    for (int64_t r = 0; r < N; r++) assert_true(got[0][r] == (double)(r % 2));
    same_everywhere(&m, v, got);
    leave(&m, got);
    free(v[0]), free(v[1]);
    nrg_graph_free(m.g);
}

// Only the place is wanted: a row with one candidate takes no differences at all.
static void only_places(void **state) {
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        world m = nearest_world(NRG_F32, 64, 50, 90, 1, true, false), both = m;
        double *v[3], *one[OUTS], *two[OUTS];
        m.outs = 1;
        draw(&m, (data_kind)kind, v, 5);
        room(&m, one), room(&both, two);
        run(&m, v, (how){.has = NRG_STEP_nearest}, one);
        run(&both, v, (how){0}, two);
        same(&m, one, two, "places alone");
        same_everywhere(&m, v, one);
        leave(&m, one), leave(&both, two);
        for (int i = 0; i < 3; i++) free(v[i]);
        nrg_graph_free(m.g);
    }
}

// ---- weighed

typedef enum { BY_ROW, BY_TERM, A_NUMBER, BY_SAMPLE, SHAPES } weights;

static world weighed_world(nrg_dtype type, weights kind, int64_t N, int64_t D, int64_t K) {
    world m = {.N = N, .D = D, .K = K, .G = 1, .outs = 1};
    GO(nrg_graph_new(C, type, &m.g));
    nrg_leads candidate = nrg_lead_new(m.g, "candidate", K), term = nrg_lead_new(m.g, "D", D);
    m.x = nrg_input(m.g, "x", NRG_SAMPLE, nrg_shape_of(1, &D));
    m.w = nrg_input(m.g, "w", 0, nrg_shape_of(2, (int64_t[]){K, D}));
    if (kind == BY_ROW) m.q = nrg_input(m.g, "q", 0, nrg_shape_of(2, (int64_t[]){K, D}));
    else m.q = nrg_input(m.g, "q", kind == BY_SAMPLE ? NRG_SAMPLE : 0, nrg_shape_of(kind != A_NUMBER, &D));
    nrg_node x = nrg_lift(m.g, m.x, 0, term), w = nrg_lift(m.g, nrg_lift(m.g, m.w, 0, candidate), 0, term), q = m.q;
    if (kind == BY_ROW) q = nrg_lift(m.g, nrg_lift(m.g, q, 0, candidate), 0, term);
    else if (kind != A_NUMBER) q = nrg_lift(m.g, q, 0, term);
    m.out[0] = nrg_reduce(m.g, NRG_OP_sum, nrg_mul(m.g, q, nrg_square(m.g, nrg_sub(m.g, x, w))), 0, term, false);
    return m;
}

static void weighed(void **state) {
    static const int64_t shapes[][3] = {{30, 40, 33}, {20, 1, 5}, {7, 300, 2}, {70, 17, 64}};
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int kind = 0; kind < SHAPES; kind++)
            for (int type = NRG_F32; type <= NRG_F64; type++) {
                const int64_t *s = shapes[i];
                world m = weighed_world((nrg_dtype)type, (weights)kind, s[0], s[1], s[2]);
                double *v[3], *got[OUTS], *want[OUTS], tol = type == NRG_F64 ? 1e-13 : 1e-5;
                int64_t n[3] = {numbers(&m, m.x), numbers(&m, m.w), numbers(&m, m.q)};
                uint32_t seed = 3;
                for (int a = 0; a < 3; a++) {
                    assert_non_null(v[a] = malloc((size_t)(n[a] + 1) * sizeof(double)));
                    for (int64_t k = 0; k < n[a]; k++) v[a][k] = (double)(float)noise(&seed);
                }
                room(&m, got), room(&m, want);
                run(&m, v, (how){.slice = 8, .has = kind == BY_SAMPLE ? NRG_STEP_tile : NRG_STEP_distance}, got);
                GO(nrg_ref_eval(C, m.g, m.N, (const double *const *)v, 7, 3, m.out, 1, want));
                for (int64_t k = 0; k < numbers(&m, m.out[0]); k++)
                    if (!(fabs(got[0][k] - want[0][k]) <= tol * (double)m.D)) fail_msg("%d: %.9g, ref has %.9g", (int)k, got[0][k], want[0][k]);
                same_everywhere(&m, v, got);
                leave(&m, got), leave(&m, want);
                for (int a = 0; a < 3; a++) free(v[a]);
                nrg_graph_free(m.g);
            }
}

// ---- sums over samples of q (x - w)^2, q by row and sample

static world spread_world(nrg_dtype type, int64_t N, int64_t D, int64_t K) {
    world m = {.N = N, .D = D, .K = K, .G = 1, .outs = 1};
    GO(nrg_graph_new(C, type, &m.g));
    nrg_leads row = nrg_lead_new(m.g, "candidate", K);
    m.x = nrg_input(m.g, "x", NRG_SAMPLE, nrg_shape_of(1, &D));
    m.w = nrg_input(m.g, "w", 0, nrg_shape_of(2, (int64_t[]){K, D}));
    m.q = nrg_input(m.g, "q", NRG_SAMPLE, nrg_shape_of(1, &K));
    nrg_node q = nrg_lift(m.g, m.q, 0, row), d = nrg_sub(m.g, m.x, nrg_lift(m.g, m.w, 0, row));
    q = nrg_reshape(m.g, q, nrg_shape_of(1, (int64_t[]){1}));
    m.out[0] = nrg_reduce(m.g, NRG_OP_sum, nrg_mul(m.g, q, nrg_square(m.g, d)), 0, NRG_SAMPLE, false);
    return m;
}

// Weights are anything, or mostly zero; then also beside numbers that are not finite, which zeros do not hide.
typedef enum { DENSE, SPARSE, SPARSE_STRANGE, FILLS } fill;

// The definition: one chain over all samples, zeros included.
static double chain(const world *m, double *const *v, int64_t r, int64_t j) {
    double s = 0;
    for (int64_t i = 0; i < m->N; i++) {
        double x = v[0][i * m->D + j], w = v[1][r * m->D + j], q = v[2][i * m->K + r];
        if (nrg_graph_type(m->g) == NRG_F64) s = fma(x - w, (x - w) * q, s);
        else {
            float d = (float)x - (float)w, f = fmaf(d, d * (float)q, (float)s);
            s = (double)f;
        }
    }
    return s;
}

static void spread_case(nrg_dtype type, const int64_t *shape, fill kind) {
    world m = spread_world(type, shape[0], shape[1], shape[2]);
    double *v[3], *got[OUTS], *want[OUTS];
    int64_t n[3] = {numbers(&m, m.x), numbers(&m, m.w), numbers(&m, m.q)};
    uint32_t seed = 3;
    for (int a = 0; a < 3; a++) {
        assert_non_null(v[a] = malloc((size_t)(n[a] + 1) * sizeof(double)));
        for (int64_t k = 0; k < n[a]; k++) v[a][k] = (double)(float)noise(&seed);
    }
    for (int64_t k = 0; kind != DENSE && k < n[2]; k++)
        if (noise(&seed) < 0.8) v[2][k] = 0;
    if (kind == SPARSE_STRANGE) v[0][0] = NAN, v[0][n[0] - 1] = INFINITY, v[1][n[1] - 1] = INFINITY, v[1][0] = type == NRG_F64 ? 1.7e308 : 3e38;
    room(&m, got), room(&m, want);
    run(&m, v, (how){.slice = 8, .has = NRG_STEP_spread}, got);
    for (int64_t k = 0; k < numbers(&m, m.out[0]); k++) want[0][k] = chain(&m, v, k / m.D, k % m.D);
    same(&m, got, want, "the chain");
    same_everywhere(&m, v, got);
    leave(&m, got), leave(&m, want);
    for (int a = 0; a < 3; a++) free(v[a]);
    nrg_graph_free(m.g);
}

// Many blocks, few samples, more rows than a thread takes at once.
static void spread(void **state) {
    static const int64_t shapes[][3] = {{3000, 40, 33}, {20, 70, 5}, {1, 300, 2}, {1100, 17, 9}, {150, 128, 150}};
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int type = NRG_F32; type <= NRG_F64; type++)
            for (int kind = 0; kind < FILLS; kind++) spread_case((nrg_dtype)type, shapes[i], (fill)kind);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nearest, setup, teardown),
        cmocka_unit_test_setup_teardown(many_terms, setup, teardown),
        cmocka_unit_test_setup_teardown(only_places, setup, teardown),
        cmocka_unit_test_setup_teardown(weighed, setup, teardown),
        cmocka_unit_test_setup_teardown(spread, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
