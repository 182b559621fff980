// Expressions against numbers worked out by hand: every function, operator, comprehension; padding; derivatives.
#include "world.h"

typedef struct {
    const char *expr, *type;
    int n;
    double want[24];
} row;

// x = (1, -2, 3), m = ((1, 2, 3), (4, 5, 6)), q = ((2, 1), (0, 3)), s = 2, k = 2 of 4, y = (1, 0, 1), tag = B, O, I with length 3 of 5
static const char *const words =
    "dim D = 3, R = 2, K = 4, T = ..5, Tag = {B, I, O}, H = 2, W = 3\n"
    "hyper lambda = 0.5, rate = 1 -> 0\n"
    "given x : real[D]\ngiven m : real[R, D]\ngiven q : real[R, R]\ngiven s : real\ngiven k : K\ngiven y : bit[D]\n"
    "given tag : Tag[T]\ngiven seq : real[T, R]\ngiven g : real[H, W]\ngiven c : real[K]\ngiven j : T\n";
static const char *const listed = "x, m, q, s, k, y, tag, seq, g, c, j";

static const row rows[] = {
    // arithmetic: axes by name, one side a sub-list of the other's
    {"x + 1", "real[D]", 3, {2, -1, 4}},
    {"m * x", "real[R, D]", 6, {1, -4, 9, 4, -10, 18}},
    {"x - m", "real[R, D]", 6, {0, -4, 0, -3, -7, -3}},
    {"m / s", "real[R, D]", 6, {0.5, 1, 1.5, 2, 2.5, 3}},
    {"x^2 + x^3 + x^0 - x^1", "real[D]", 3, {1 + 1 + 1 - 1, 4 - 8 + 1 + 2, 9 + 27 + 1 - 3}},
    {"2^s - s^-1 - 2^-1", "real", 1, {4 - 0.5 - 0.5}},
    {"-x * lambda + rate", "real[D]", 3, {0.5, 2, -0.5}},
    {"m + sum(m, over=D)", "real[R, D]", 6, {7, 8, 9, 19, 20, 21}},
    {"m + reshape(sum(m, over=R), 3)", "real[R, D]", 6, {6, 9, 12, 9, 12, 15}},
    // truth
    {"x > 0", "truth[D]", 3, {1, 0, 1}},
    {"x >= 3 or x == -2", "truth[D]", 3, {0, 1, 1}},
    {"not (x < 0) and x != 3", "truth[D]", 3, {1, 0, 0}},
    {"lambda * (x <= 1)", "real[D]", 3, {0.5, 0.5, 0}},
    {"tag == Tag.I", "truth[T]", 5, {0, 0, 1, 0, 0}},
    {"k == 2", "truth", 1, {1}},
    // products
    {"m @ x", "real[R]", 2, {1 - 4 + 9, 4 - 10 + 18}},
    {"x @ m'", "real[R]", 2, {6, 12}},
    {"x @ x", "real", 1, {14}},
    {"q @ m", "real[R, D]", 6, {6, 9, 12, 12, 15, 18}},
    {"m' @ q", "real[D, R]", 6, {2, 13, 4, 17, 6, 21}},
    {"q' @ q", "real[R, R]", 4, {4, 2, 2, 10}},
    {"transpose(m)", "real[D, R]", 6, {1, 4, 2, 5, 3, 6}},
    // indexing
    {"c[k]", "real", 1, {0.3}},
    {"seq[j]", "real[R]", 2, {3, 4}},
    {"c[argmin(i in K: (c[i] - 0.2)^2)]", "real", 1, {0.2}},
    {"each(t in T: tag[t] == Tag.B)", "truth[T]", 5, {1, 0, 0, 1, 1}},
    {"each(r in R, d in D: m[r, d])", "real[R, D]", 6, {1, 2, 3, 4, 5, 6}},
    {"each(d in D, r in R: m[r, d])", "real[D, R]", 6, {1, 4, 2, 5, 3, 6}},
    {"each(r in R, t in R: q[t, r])", "real[R, R]", 4, {2, 0, 1, 3}},
    {"each(r in R: q[r, r])", "real[R]", 2, {2, 3}},
    {"onehot(tag)[j]", "real[Tag]", 3, {0, 0, 1}},
    {"each(r in R where r == 1: x)", "real[R, D]", 6, {0, 0, 0, 1, -2, 3}},
    // comprehensions
    {"sum(d in D: x[d])", "real", 1, {2}},
    {"sum(d in D where x[d] > 0: x[d])", "real", 1, {4}},
    {"mean(d in D where x[d] > 0: x[d])", "real", 1, {2}},
    {"max(d in D: x[d]) + min(d in D: x[d])", "real", 1, {1}},
    {"prod(d in D: x[d])", "real", 1, {-6}},
    {"logsumexp(d in D: x[d])", "real", 1, {3.13284523}},
    {"softmin(d in D: x[d])", "real", 1, {-2.05498504}},
    {"sum(r in R: m[r])", "real[D]", 3, {5, 7, 9}},
    {"sum(r in R, d in D: m[r, d] * x[d])", "real", 1, {18}},
    {"sum(r in R: sum(d in D: m[r, d] * q[r, r]))", "real", 1, {12 + 45}},
    {"sum(r in R: 3)", "real", 1, {6}},
    {"argmax(d in D: x[d]) == argmin(d in D: -x[d])", "truth", 1, {1}},
    {"each(r in R: argmax(d in D: m[r, d] * x[d]))", "D[R]", 2, {2, 2}},
    {"sum((a, b) in chain(D): x[a] * x[b])", "real", 1, {-2 - 6}},
    {"sum((a, b) in ring(D): x[a] * x[b])", "real", 1, {-2 - 6 + 3}},
    {"sum((a, b) in complete(D): x[a] * x[b])", "real", 1, {-2 + 3 - 6}},
    {"sum((a, b, e) in windows(D, 3): x[a] + x[b] * x[e])", "real", 1, {-5}},
    {"sum((p, r) in grid4(H, W): g[p] * g[r])", "real", 1, {2 + 6 + 20 + 30 + 4 + 10 + 18}},
    {"sum((p, r) in grid8(H, W): g[p] * g[r])", "real", 1, {90 + 5 + 12 + 8 + 15}},
    {"max((p, r) in grid4(H, W): g[p] * g[r])", "real", 1, {30}},
    {"min((a, b) in ring(D): x[a] * x[b])", "real", 1, {-6}},
    {"prod((a, b) in ring(D): x[a] * x[b])", "real", 1, {-2. * -6 * 3}},
    {"mean((a, b) in ring(D): x[a] * x[b])", "real", 1, {-5. / 3}},
    {"logsumexp((a, b) in ring(D): 0 * x[a])", "real", 1, {1.0986122887}},
    {"sum(i in D, e in D where i < e: x[i] * x[e])", "real", 1, {-5}},
    // ragged: the sample has 3 of 5 places
    {"T", "real", 1, {3}},
    {"len(seq) + len(D) + len(x)", "real", 1, {9}},
    {"sum(seq)", "real", 1, {21}},
    {"mean(seq)", "real", 1, {3.5}},
    {"mean(seq, over=T)", "real[R]", 2, {3, 4}},
    {"max(seq, over=T)", "real[R]", 2, {5, 6}},
    {"sq(seq)", "real", 1, {91}},
    {"seq' @ seq", "real[R, R]", 4, {35, 44, 44, 56}},
    {"sum(t in T: seq[t])", "real[R]", 2, {9, 12}},
    {"min(t in T: seq[t])", "real[R]", 2, {1, 2}},
    {"sum((a, b) in chain(T): seq[a] * seq[b])", "real[R]", 2, {3 + 15, 8 + 24}},
    {"sum((a, b) in ring(T): seq[a] * seq[b])", "real[R]", 2, {3 + 15 + 5, 8 + 24 + 12}},
    {"sum((a, b) in complete(T): seq[a] * seq[b])", "real[R]", 2, {3 + 5 + 15, 8 + 12 + 24}},
    {"sum(t in T where last(t): seq[t])", "real[R]", 2, {5, 6}},
    {"sum(t in T where first(t): seq[t])", "real[R]", 2, {1, 2}},
    {"seq[last(T)] - seq[first(T)]", "real[R]", 2, {4, 4}},
    {"sum(t in span(first(T), j): seq[t])", "real[R]", 2, {4, 6}},
    {"sum(t in T: tag[t] == Tag.B)", "real", 1, {1}},
    {"softmax(seq, over=T)[last(T)]", "real[R]", 2, {0.8668133322, 0.8668133322}},
    {"sum(tag == Tag.B)", "real", 1, {1}},
    // of each number
    {"exp(0 * x) + log(x^2) - abs(x)", "real[D]", 3, {1 + 0 - 1, 1 + 1.38629436 - 2, 1 + 2.19722458 - 3}},
    {"sqrt(abs(x)) + sign(x) * floor(x / 2)", "real[D]", 3, {1, 1.41421356 + 1, 1.73205081 + 1}},
    {"sin(x) + cos(x)", "real[D]", 3, {1.38177329, -1.32544426, -0.84887249}},
    {"tanh(x) + sigmoid(x)", "real[D]", 3, {0.76159416 + 0.73105858, -0.96402758 + 0.11920292, 0.99505475 + 0.95257413}},
    {"softplus(x) + relu(x)", "real[D]", 3, {2.31326169, 0.12692801, 6.04858735}},
    {"swish(x)", "real[D]", 3, {0.73105858, -0.23840584, 2.85772238}},
    {"gelu(x)", "real[D]", 3, {0.84119199, -0.04540231, 2.99636261}},
    {"elu(x) + leaky(x) + leaky(x, slope=0.5)", "real[D]", 3, {3, -0.86466472 - 0.02 - 1, 9}},
    {"clamp(x, -1, s)", "real[D]", 3, {1, -1, 2}},
    {"stop(x) + max(x, 0) - min(x, y)", "real[D]", 3, {1 + 1 - 1, -2 + 0 + 2, 3 + 3 - 1}},
    // to fewer axes
    {"sum(x) + mean(x) + prod(x) + max(x) + min(x)", "real", 1, {2 + 2. / 3 - 6 + 3 - 2}},
    {"sum(m, over=R)", "real[D]", 3, {5, 7, 9}},
    {"mean(m, over=D)", "real[R]", 2, {2, 5}},
    {"max(m, over=R) + min(m, over=R) + prod(m, over=R)", "real[D]", 3, {9, 17, 27}},
    {"sq(x) + l1(x) + l2(x) + norm(x)", "real", 1, {14 + 6 + 14 + 3.74165739}},
    {"norm(m, over=D)", "real[R]", 2, {3.74165739, 8.77496439}},
    {"dot(x, m)", "real", 1, {18}},
    {"dot(x, m, over=D)", "real[R]", 2, {6, 12}},
    {"logsumexp(m)", "real[R]", 2, {3.40760596, 6.40760596}},
    {"softmin(x) - softmin(x[first(D)], x[last(D)], -2)", "real", 1, {0}},
    {"softmax(m)", "real[R, D]", 6, {0.09003057, 0.24472847, 0.66524096, 0.09003057, 0.24472847, 0.66524096}},
    {"exp(logsoftmax(m, over=R))", "real[R, D]", 6, {0.04742587, 0.04742587, 0.04742587, 0.95257413, 0.95257413, 0.95257413}},
    {"unit(q)", "real[R, R]", 4, {0.89442719, 0.4472136, 0, 1}},
    // probabilities and constraints
    {"bce(y, sigmoid(x))", "real", 1, {0.31326169 + 0.12692801 + 0.04858735}},
    {"bce(y, 0.5 + 0 * x)", "real", 1, {2.07944154}},
    {"gauss(x, y)", "real", 1, {0.5 * (0 + 4 + 4) + 3 * 0.91893853}},
    {"gauss(s, 0, 3)", "real", 1, {0.5 * 4. / 9 + 0.91893853 + 1.09861229}},
    {"hamming(y, x > 0) + hamming(tag, stop(tag))", "real", 1, {0}},
    {"hamming(tag, each(t in T: argmin(z in Tag: 0)))", "real", 1, {2}},
    {"forbid(x > 0)", "real[D]", 3, {INFINITY, 0, INFINITY}},
    // shapes
    {"onehot(k)", "real[K]", 4, {0, 0, 1, 0}},
    {"concat(x, s, y)", "real[7]", 7, {1, -2, 3, 2, 1, 0, 1}},
    {"concat(q, m)", "real[R, 5]", 10, {2, 1, 1, 2, 3, 0, 3, 4, 5, 6}},
    {"concat(m, m, over=R)", "real[4, D]", 12, {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6}},
    {"reshape(m, D, R)", "real[D, R]", 6, {1, 2, 3, 4, 5, 6}},
    {"m | flatten | reshape(R * D)", "real[6]", 6, {1, 2, 3, 4, 5, 6}},
    {"trace(q) + logdet(q)", "real", 1, {5 + 1.79175947}},
    {"diag(q)", "real[R]", 2, {2, 3}},
    {"diag(diag(q))", "real[R, R]", 4, {2, 0, 0, 3}},
    // derivatives
    {"grad(sq(x) + s * sum(x), x)", "real[D]", 3, {4, -2, 8}},
    {"grad(grad(s^3, s), s)", "real", 1, {12}},
    {"sq(grad(sq(x), x))", "real", 1, {56}},
    {"jacobian(m @ x, x)", "real[R, D]", 6, {1, 2, 3, 4, 5, 6}},
    {"jacobian(x^2, x)", "real[D, D]", 9, {2, 0, 0, 0, -4, 0, 0, 0, 6}},
    {"jacobian(x * s, s)", "real[D]", 3, {1, -2, 3}},
    // pipes
    {"x | relu | softmax", "real[D]", 3, {0.11419520, 0.04201007, 0.84379473}},
    {"s | max(3) | clamp(0, 2.5)", "real", 1, {2.5}},
};
enum { ROWS = sizeof rows / sizeof *rows };

static world open_rows(void) {
    char *text = malloc(1 << 15), *at = text;
    assert_non_null(text);
    at += sprintf(at, "%s", words);
    for (int i = 0; i < ROWS; i++) at += sprintf(at, "let e%d = %s\n", i, rows[i].expr);
    world w = world_open(text, listed, 2);
    free(text);
    // two samples: the second is the first with other numbers, so that a mix-up would show
#define TWICE(name, k, ...) world_give(&w, name, 2 * (k), (double[2 * (k)]){__VA_ARGS__})
    TWICE("x", 3, 1, -2, 3, 0.5, 0.1, -0.7);
    TWICE("m", 6, 1, 2, 3, 4, 5, 6, 9, 8, 7, 6, 5, 4);
    TWICE("q", 4, 2, 1, 0, 3, 5, 1, 1, 4);
    TWICE("s", 1, 2, 1.5);
    TWICE("k", 1, 2, 0);
    TWICE("y", 3, 1, 0, 1, 0, 1, 1);
    TWICE("tag", 5, 0, 2, 1, 0, 0, 1, 1, 1, 2, 2);
    TWICE("length:T", 1, 3, 5);
    TWICE("seq", 10, 1, 2, 3, 4, 5, 6, 99, -99, 77, 55, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
    TWICE("g", 6, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0);
    TWICE("c", 4, 0.1, 0.2, 0.3, 0.4, 1, 2, 3, 4);
    TWICE("j", 1, 1, 4);
    world_give(&w, "hyper:rate", 1, (double[]){1});
    return w;
}

static void values(void **state) {
    (void)state;
    world w = open_rows();
    bool good = true;
    for (int i = 0; i < ROWS; i++) {
        char name[16];
        nrg_value v;
        int64_t count;
        snprintf(name, sizeof name, "e%d", i);
        double *r = world_value(&w, name, &v, &count);
        same_type(&w, &v.type, rows[i].type, rows[i].expr);
        assert_true(count >= rows[i].n && count <= 2 * rows[i].n);
        for (int k = 0; k < rows[i].n; k++) {
            if (!near(r[k], rows[i].want[k], 1e-7)) print_message("%s: number %d is %.9g, not %.9g\n", rows[i].expr, k, r[k], rows[i].want[k]);
            good = good && near(r[k], rows[i].want[k], 1e-7);
        }
        free(r);
    }
    assert_true(good);
    world_close(&w);
}

// The same sample alone and among others gives the same numbers; numbers beyond its length never matter.
static void padding(void **state) {
    (void)state;
    world w = open_rows();
    double *tag = world_find(&w, "tag"), *seq = world_find(&w, "seq");
    for (int i = 0; i < ROWS; i++) {
        char name[16];
        nrg_value v;
        int64_t count;
        snprintf(name, sizeof name, "e%d", i);
        tag[3] = tag[4] = 0, seq[6] = 99, seq[7] = -99;
        double *a = world_value(&w, name, &v, &count);
        bool ragged = false; // the padding of a ragged result may differ
        for (int k = 0; k < v.type.rank; k++) ragged |= v.type.axis[k].dim >= 0 && w.m->dims.at[v.type.axis[k].dim].ragged;
        tag[3] = 2, tag[4] = 1, seq[6] = -5e5, seq[7] = 3e6;
        double *b = world_value(&w, name, &v, &count);
        for (int k = 0; k < count && !ragged; k++) {
            if (!near(a[k], b[k], 0)) print_message("%s reads its padding\n", rows[i].expr);
            assert_true(near(a[k], b[k], 0));
        }
        free(a);
        free(b);
    }
    world_close(&w);
}

// ---- motion of images against plain loops

static double pixel(const double *x, int h, int w, int i, int j) {
    return i < 0 || j < 0 || i >= h || j >= w ? 0 : x[i * w + j];
}

static void shifting(void **state) {
    (void)state;
    enum { H = 4, W = 5, N = 5 * 4 };
    world w = world_open("dim H = 4, W = 5, U = 5, V = 4\ngiven x : real[2, H, W]\ngiven u : U\ngiven v : V\nlet r = shift(x, u, v)\n",
                         "x, u, v", N);
    double u[N], v[N];
    for (int k = 0; k < N; k++) u[k] = k / 4, v[k] = k % 4;
    world_give(&w, "u", N, u);
    world_give(&w, "v", N, v);
    double *r = world_numbers(&w, "r"), *x = world_find(&w, "x");
    for (int k = 0; k < N; k++)
        for (int c = 0; c < 2; c++)
            for (int i = 0; i < H * W; i++) {
                int down = k / 4 - 2, right = k % 4 - 1, at = (k * 2 + c) * H * W;
                assert_true(near(r[at + i], pixel(x + at, H, W, i / W - down, i % W - right), 1e-14));
            }
    free(r);
    world_close(&w);
}

static double between(const double *x, int h, int w, double i, double j) {
    int a = (int)floor(i), b = (int)floor(j);
    double p = i - a, q = j - b;
    return (1 - p) * ((1 - q) * pixel(x, h, w, a, b) + q * pixel(x, h, w, a, b + 1)) +
           p * ((1 - q) * pixel(x, h, w, a + 1, b) + q * pixel(x, h, w, a + 1, b + 1));
}

static void turning(void **state) {
    (void)state;
    enum { H = 5, W = 4, N = 16 };
    world w = world_open("dim H = 5, W = 4, A = 16, S = 3\ngiven x : real[2, H, W]\ngiven sq3 : real[S, S]\ngiven a : A\n"
                         "let r = rotate(x, a)\nlet t = rotate(sq3, a)\n", "x, sq3, a", N);
    double a[N], square[9 * N];
    for (int k = 0; k < N; k++) a[k] = k;
    for (int k = 0; k < 9 * N; k++) square[k] = k % 9 + 1;
    world_give(&w, "a", N, a);
    world_give(&w, "sq3", 9 * N, square);
    double *r = world_numbers(&w, "r"), *x = world_find(&w, "x");
    for (int k = 0; k < N; k++)
        for (int c = 0; c < 2; c++)
            for (int i = 0; i < H * W; i++) {
                double th = 2 * 3.14159265358979323846 * k / 16, dy = i / W - (H - 1) / 2., dx = i % W - (W - 1) / 2.;
                double si = (H - 1) / 2. + dx * sin(th) + dy * cos(th), sj = (W - 1) / 2. + dx * cos(th) - dy * sin(th);
                int at = (k * 2 + c) * H * W;
                assert_true(near(r[at + i], between(x + at, H, W, si, sj), 1e-9));
            }
    free(r);
    // a quarter turn, anticlockwise: the top right corner comes to the top left
    r = world_numbers(&w, "t");
    static const double quarter[9] = {3, 6, 9, 2, 5, 8, 1, 4, 7};
    for (int i = 0; i < 9; i++) assert_true(near(r[4 * 9 + i], quarter[i], 1e-9));
    free(r);
    world_close(&w);
}

// ---- data statements, hidden parts, atoms, C energies

static void naming(void **state) {
    (void)state;
    world w = world_open("dim C = 1, H = 2, W = 2, V = 3\ngiven x : real[C, H, W]\npredict w : V[C]\n"
                         "let a = seen(w)\nlet b = hidden(w)\nlet d = hamming(w)\n", "x, w", 1);
    double *r = world_numbers(&w, "b");
    assert_true(r[0] == 0);
    free(r);
    r = world_numbers(&w, "a");
    assert_true(near(r[0], world_find(&w, "w")[0], 0));
    free(r);
    nrg_axis one = {.dim = 0, .size = 1};
    nrg_type t = {.elem = NRG_CATEGORY, .dim = 3, .rank = 1, .axis = {one}};
    assert_int_equal(nrg_scope_name(w.s, "data:w", t, nrg_input(w.g, "truth", NRG_SAMPLE, nrg_shape_of(1, (int64_t[]){1}))), NRG_OK);
    world_give(&w, "w", 1, (double[]){2});
    world_give(&w, "truth", 1, (double[]){1});
    r = world_numbers(&w, "d");
    assert_true(r[0] == 1);
    free(r);
    int32_t var = nrg_model_var(w.m, "w");
    nrg_shape h = nrg_shape_of(1, (int64_t[]){1});
    nrg_scope_hide(w.s, var, nrg_input(w.g, "s", NRG_SAMPLE, h), nrg_input(w.g, "h", NRG_SAMPLE, h));
    world_give(&w, "s", 1, (double[]){0});
    world_give(&w, "h", 1, (double[]){1});
    r = world_numbers(&w, "a");
    assert_true(r[0] == 0);
    free(r);
    r = world_numbers(&w, "b");
    assert_true(r[0] == 1);
    free(r);
    world_close(&w);
}

// Expressions of data statements: arrays stand for themselves, and one axis is found from their size.
static void data_statements(void **state) {
    (void)state;
    world w = {.c = nrg_ctx_new(NULL, NULL), .n = 2};
    const char *text = "dim C = 1, H, W = 3, Class = 4\ngiven x : real[C, H, W]\npredict y : Class\nmodule G = flatten | linear(Class)\n"
                       "energy E(x, y) = G(x)[y]\ndata x = reshape(pixels, C, H, W) / 255, y = label - 1\n";
    assert_int_equal(nrg_lang_load(w.c, "t", text, strlen(text), NULL, &w.m), NRG_OK);
    assert_int_equal(nrg_graph_new(w.c, NRG_F64, &w.g), NRG_OK);
    assert_int_equal(nrg_scope_new(w.m, w.g, &w.s), NRG_OK);
    nrg_type t = {.elem = NRG_REAL, .dim = -1, .rank = 1, .axis = {{-1, 6}}}, number = {.elem = NRG_REAL, .dim = -1};
    assert_int_equal(nrg_scope_name(w.s, "pixels", t, nrg_input(w.g, "pixels", NRG_SAMPLE, nrg_shape_of(1, (int64_t[]){6}))), NRG_OK);
    assert_int_equal(nrg_scope_name(w.s, "label", number, nrg_input(w.g, "label", NRG_SAMPLE, nrg_shape_of(0, NULL))), NRG_OK);
    nrg_value x, y;
    assert_int_equal(w.m->datas.n, 2);
    assert_int_equal(nrg_eval(w.s, w.m->datas.at[0].expr, &x), NRG_OK);
    assert_int_equal(nrg_eval(w.s, w.m->datas.at[1].expr, &y), NRG_OK);
    same_type(&w, &x.type, "real[C, H, W]", "data");
    assert_true(x.type.axis[1].size == 2);
    world_give(&w, "label", 2, (double[]){1, 4});
    double a[12], b[2], *r[2] = {a, b};
    world_run(&w, (nrg_node[]){x.node, y.node}, 2, r);
    assert_true(b[0] == 0 && b[1] == 3 && near(a[11], world_find(&w, "pixels")[11] / 255, 1e-14));
    world_close(&w);
}

static void transforms(void **state) {
    (void)state;
    world w = world_open("dim D = 2\ngiven p : real[D]\nlet a = whiten(p)\nlet b = standardise(p / 2) + 1\n", "p", 1);
    world_give(&w, "p", 2, (double[]){3, 5});
    world_give(&w, "whiten:p:mean", 2, (double[]){1, 1});
    world_give(&w, "whiten:p:matrix", 4, (double[]){1, 2, 0, 1});
    world_give(&w, "standardise:p:mean", 2, (double[]){1, 2});
    world_give(&w, "standardise:p:scale", 2, (double[]){2, 4});
    double *r = world_numbers(&w, "a");
    assert_true(near(r[0], 2, 1e-12) && near(r[1], 8, 1e-12));
    free(r);
    r = world_numbers(&w, "b");
    assert_true(near(r[0], 2, 1e-12) && near(r[1], 3, 1e-12));
    free(r);
    world_close(&w);
}

// ---- gradients of whole energies against finite differences, with respect to every input of real numbers

typedef struct { const char *text; const char *wrt[6]; } energy_row;
static const energy_row energies[] = {
    {"dim D = 4, H = 5, Class = 3\ngiven x : real[D]\npredict y : Class\nmodule G = linear(H) | tanh | linear(Class)\n"
     "energy E(x, y) = G(x)[y] + logsumexp(-G(x))\nminimize y by exhaustive\n",
     {"x", "G.0.weight", "G.0.bias", "G.1.weight", "G.1.bias"}},
    {"dim D = 4, K = 3\npredict y : real[D]\nlatent z : real[K]\nweight W : real[D, K]\nmodule enc = linear(K) | swish | layernorm\n"
     "energy E(y, z) = sq(y - W @ z) + 0.3 * sq(z - enc(y)) + norm(z) + dot(unit(z), z)\nminimize z by gradient(steps=5)\n",
     {"y", "z", "W", "enc.0.weight", "enc.1.gain", "enc.1.bias"}},
    {"dim T = ..4, Vocab = 5, Tag = 3\ngiven w : Vocab[T]\npredict tag : Tag[T]\nmodule f = embed(4) | conv1(3, 3) | tanh | linear(Tag)\n"
     "weight A : real[Tag, Tag]\nenergy E(w, tag) = sum(t in T: f(w)[t, tag[t]]) + sum((s, t) in chain(T): A[tag[s], tag[t]])\n",
     {"f.0.weight", "f.1.weight", "f.1.bias", "f.2.weight", "A"}},
    {"dim C = 2, H = 6, W = 5\npredict x : real[C, H, W]\nmodule f = conv(3, 3) | swish | pool(2) | conv(2, 2, stride=2) | meanpool | linear(1)\n"
     "energy E(x) = f(x) + 0.1 * sq(grad(f(x), x))\n",
     {"x", "f.0.weight", "f.0.bias", "f.1.weight", "f.2.weight"}},
    {"dim H = 4, W = 4, Class = 2, Angle = 3, Shift = 3\ngiven x : real[1, H, W]\npredict y : Class\nlatent a : Angle\nlatent u, v : Shift\n"
     "weight ref : real[Class, 1, H, W]\nenergy E(x, y, a, u, v) = sq(x - rotate(shift(ref[y], u, v), a))\n"
     "minimize y, a, u, v by exhaustive\n", {"x", "ref"}},
    {"dim D = 3, K = 2\npredict y : real[D]\nmodule enc = linear(K) | sigmoid\nmodule dec = linear(D) | sigmoid\nlet h = enc(y)\n"
     "energy E(y) = bce(sigmoid(y), dec(h)) + 0.1 * sq(jacobian(h, y))\n", {"y", "enc.0.weight", "dec.0.weight"}},
    {"dim D = 4, P = 2, L = 3, K = 3\npredict y : real[D]\nweight B : real[K, L]\nmodule enc = linear(P * L) | reshape(P, L)\n"
     "let e = enc(y)\nlet q = each(p in P: B[argmin(k in K: sq(e[p] - B[k]))])\nenergy E(y) = sq(e - q) + 0.25 * sum(q)\n",
     {"y", "B", "enc.0.weight"}},
};

static double energy_at(world *w, nrg_node total) {
    double e;
    double *p = &e;
    world_run(w, &total, 1, &p);
    return e;
}

static void categories_in_range(world *w) {
    for (uint32_t i = 0; i < w->m->vars.n; i++) {
        const nrg_var *v = &w->m->vars.at[i];
        if (v->elem != NRG_CATEGORY) continue;
        nrg_shape h;
        assert_int_equal(nrg_var_shape(w->m, (int32_t)i, &h), NRG_OK);
        int64_t count = nrg_shape_count(&h) * w->n;
        double *at = world_put(w, v->name, count);
        for (int64_t k = 0; k < count; k++) at[k] = (double)((7 * k + 3 * (int64_t)i) % w->m->dims.at[v->category].size);
    }
    for (uint32_t i = 0; i < w->m->dims.n; i++) {
        if (!w->m->dims.at[i].ragged) continue;
        char name[64];
        snprintf(name, sizeof name, "length:%s", w->m->dims.at[i].name);
        double *at = world_put(w, name, w->n);
        for (int64_t k = 0; k < w->n; k++) at[k] = (double)(k % w->m->dims.at[i].size + 1);
    }
}

static void differences(world *w, nrg_node total, const char *name) {
    uint32_t slot = 0;
    while (slot < nrg_input_count(w->g) && strcmp(nrg_input_name(w->g, slot), name)) slot++;
    if (slot == nrg_input_count(w->g)) print_message("no input %s\n", name);
    assert_true(slot < nrg_input_count(w->g));
    nrg_node v = nrg_input_at(w->g, slot), d;
    assert_int_equal(nrg_grad(w->g, total, NRG_BAD, &v, 1, &d), NRG_OK);
    const nrg_node_info *i = nrg_graph_node(w->g, v);
    int64_t count = nrg_shape_count(&i->shape) * (i->leads & NRG_SAMPLE ? w->n : 1);
    double *got = calloc((size_t)count, sizeof *got), *x = world_input(w, slot);
    assert_non_null(got);
    world_run(w, &d, 1, &got);
    for (int64_t k = 0; k < count; k += 1 + count / 12) {
        double was = x[k], h = 1e-5;
        x[k] = was + h;
        double up = energy_at(w, total);
        x[k] = was - h;
        double down = energy_at(w, total), want = (up - down) / (2 * h);
        x[k] = was;
        if (!near(got[k], want, 1e-6)) print_message("%s[%d]: %.9g, differences say %.9g\n", name, (int)k, got[k], want);
        assert_true(near(got[k], want, 1e-6));
    }
    free(got);
}

static void gradients(void **state) {
    (void)state;
    for (size_t e = 0; e < sizeof energies / sizeof *energies; e++) {
        world w = world_open(energies[e].text, NULL, 3);
        nrg_node E;
        nrg_status st = nrg_eval_energy(w.s, &E);
        if (st != NRG_OK) world_complain(&w);
        assert_int_equal(st, NRG_OK);
        nrg_node total = nrg_reduce(w.g, NRG_OP_sum, E, 0, NRG_SAMPLE, false);
        categories_in_range(&w);
        for (int k = 0; k < 6 && energies[e].wrt[k]; k++) differences(&w, total, energies[e].wrt[k]);
        world_close(&w);
    }
}

// ---- candidates: variables bound to all their values along leading axes give what they give one by one

static void candidates(void **state) {
    (void)state;
    enum { H = 4, CLASS = 2, ANGLE = 3, SHIFT = 3, ALL = CLASS * ANGLE * SHIFT * SHIFT };
    world w = world_open(energies[4].text, NULL, 2);
    static const char *const names[] = {"y", "a", "u", "v"};
    static const int sizes[] = {CLASS, ANGLE, SHIFT, SHIFT};
    nrg_node E, axes[4], each;
    for (int k = 0; k < 4; k++) {
        axes[k] = nrg_iota_lead(w.g, nrg_lead_new(w.g, names[k], sizes[k]));
        nrg_scope_bind(w.s, nrg_model_var(w.m, names[k]), axes[k]);
    }
    assert_int_equal(nrg_eval_energy(w.s, &E), NRG_OK);
    double all[2 * ALL], one[2], *p = all, *q = one;
    world_run(&w, &E, 1, &p);
    for (int k = 0; k < 4; k++) // the same with numbers, place by place
        nrg_scope_bind(w.s, nrg_model_var(w.m, names[k]), nrg_input(w.g, names[k], NRG_SAMPLE, nrg_shape_of(0, NULL)));
    assert_int_equal(nrg_eval_energy(w.s, &each), NRG_OK);
    for (int i = 0; i < ALL; i++) {
        int at[4] = {i / (ANGLE * SHIFT * SHIFT), i / (SHIFT * SHIFT) % ANGLE, i / SHIFT % SHIFT, i % SHIFT};
        for (int k = 0; k < 4; k++) world_give(&w, names[k], 2, (double[]){at[k], at[k]});
        world_run(&w, &each, 1, &q);
        for (int s = 0; s < 2; s++) assert_true(near(all[s * ALL + i], one[s], 1e-12));
    }
    world_close(&w);
}

// A gradient for each candidate, though v itself does not carry the axis.
static void gradients_apart(void **state) {
    (void)state;
    world w = world_open("dim D = 2, K = 3\ngiven x : real[D]\ngiven y : K\nweight W : real[K, D]\nlet e = grad(sum(W[y] * x^2), x)\n"
                         "let j = jacobian(W[y] * x^2, x)\nlet t = sum(k in K: sq(grad(x[first(D)]^2 * sum(W[k]), x)))\n", "x, y", 1);
    nrg_scope_bind(w.s, nrg_model_var(w.m, "y"), nrg_iota_lead(w.g, nrg_lead_new(w.g, "y", 3)));
    world_give(&w, "x", 2, (double[]){2, 5});
    world_give(&w, "W", 6, (double[]){1, 2, 3, 4, 5, 6});
    double e[6], j[12], t[1], *r[3] = {e, j, t};
    nrg_node n[3] = {world_eval(&w, "e").node, world_eval(&w, "j").node, world_eval(&w, "t").node};
    world_run(&w, n, 3, r);
    for (int k = 0; k < 6; k++) assert_true(near(e[k], (k + 1) * (k % 2 ? 10 : 4), 1e-12));
    for (int k = 0; k < 12; k++) assert_true(near(j[k], k % 4 == 0 ? (k / 2 + 1) * 4 : k % 4 == 3 ? (k / 2 + 1) * 10 : 0, 1e-12));
    assert_true(near(t[0], 16 * (9 + 49 + 121), 1e-12));
    world_close(&w);
    // inside a module, with respect to its input
    w = world_open("dim D = 2, K = 3\ngiven x : real[D]\ngiven s : real\nmodule P(a, b) = jacobian(each(i in D: sum(j in D, k in K: a[i] * a[j] * b)), a)\n"
                   "module Q(a) = grad(sum(i in D: sum(j in D: a[i] * a[j])), a)\nlet p = P(x, s)\nlet q = each(k in K: Q(x))\n", "x, s", 1);
    world_give(&w, "x", 2, (double[]){2, 5});
    world_give(&w, "s", 1, (double[]){1});
    double *p = world_numbers(&w, "p"), *q = world_numbers(&w, "q");
    static const double want[4] = {3 * (4 + 5), 3 * 2, 3 * 5, 3 * (10 + 2)};
    for (int k = 0; k < 4; k++) assert_true(near(p[k], want[k], 1e-12));
    for (int k = 0; k < 6; k++) assert_true(near(q[k], 14, 1e-12));
    free(p);
    free(q);
    world_close(&w);
}

// A sample of length 0: sums are 0, and no gradient becomes NaN.
static void empty(void **state) {
    (void)state;
    world w = world_open("dim T = ..3, D = 2\nweight W : real[D, D]\ngiven x : real[T, D]\nmodule f = conv1(D, 3) | tanh\nlet h = f(x @ W)\n"
                         "let e = sum(softmax(h, over=T) * x) + sum(logsoftmax(h, over=T)) + sum(mean(h, over=T)) + sum(h | meanpool)"
                         " + sum(mean(t in T: h[t])) + sum((a, b) in ring(T): dot(h[a], h[b])) + sum(t in T: logsumexp(h[t])) + sq(h) + norm(h)\n",
                         "x", 2);
    world_give(&w, "length:T", 2, (double[]){0, 2});
    nrg_node n[2] = {world_eval(&w, "e").node, NRG_BAD}, wrt = nrg_scope_param(w.s, 0), total = nrg_reduce(w.g, NRG_OP_sum, n[0], 0, NRG_SAMPLE, false);
    assert_int_equal(nrg_grad(w.g, total, NRG_BAD, &wrt, 1, &n[1]), NRG_OK);
    double e[2], d[4], *r[2] = {e, d};
    world_run(&w, n, 2, r);
    assert_true(e[0] == 0 && isfinite(e[1]) && e[1] != 0);
    for (int k = 0; k < 4; k++) assert_true(isfinite(d[k]));
    differences(&w, total, "W");
    world_close(&w);
}

// ---- spans, leads used again, variables read

static void places(void **state) {
    (void)state;
    world w = world_open("dim D = 3\ngiven x : real[D]\nlet a = sum(i in D: x[i]^2)\nlet b = sum(i in D: exp(x[i]))\n", "x", 1);
    world_eval(&w, "a");
    nrg_leads first = nrg_lead_new(w.g, "mine", 2);
    for (int k = 0; k < 40; k++) world_eval(&w, k % 2 ? "a" : "b"); // far more sums than leading axes
    nrg_leads second = nrg_lead_new(w.g, "mine too", 2);
    assert_int_equal(second, first << 1);
    nrg_value v = world_eval(&w, "b");
    int line, col;
    nrg_source_place(w.c, nrg_graph_node(w.g, v.node)->span, &line, &col);
    assert_int_equal(line, 4);
    assert_true(nrg_expr_vars(w.m, w.m->lets.at[0].body) == 1);
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),     cmocka_unit_test(padding),   cmocka_unit_test(shifting), cmocka_unit_test(turning),
        cmocka_unit_test(naming), cmocka_unit_test(data_statements),     cmocka_unit_test(transforms), cmocka_unit_test(gradients), cmocka_unit_test(places),
        cmocka_unit_test(candidates), cmocka_unit_test(gradients_apart), cmocka_unit_test(empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
