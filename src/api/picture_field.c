// Arrows over a landscape: where each place is mapped to. A variable with hidden parts is reconstructed from what is seen, the place itself;
// any other place goes downhill.
#include "api/picture.h"
#include <math.h>
#include <string.h>

static void places(const nrg_sweep at[2], int64_t each, double *to) {
    for (int64_t i = 0; i < each * each; i++)
        for (int k = 0; k < 2; k++) { // half a step from the edges
            int64_t j = k ? i / each : i % each;
            to[4 * i + k] = at[k].lo + (at[k].hi - at[k].lo) * ((double)j + 0.5) / (double)each;
        }
}

// The places as rows of the variable, the rest of it as in a row of the data, or 0.
static nrg_status rows(nrg_ebm *m, const nrg_values *v, int64_t row, const nrg_sweep at[2], int64_t n, int64_t width, const double *arrows,
                       double *to) {
    memset(to, 0, (size_t)width * sizeof *to);
    if (v->vars >> at[0].var & 1) TRY(nrg_bound_numbers(v->bound, m->store, at[0].var, &row, 1, to));
    for (int64_t i = 0; i < n; i++) {
        if (i) memcpy(to + i * width, to, (size_t)width * sizeof *to);
        for (int k = 0; k < 2; k++) to[i * width + at[k].entry] = arrows[4 * i + k];
    }
    return NRG_OK;
}

static nrg_status reconstructed(nrg_ebm *m, const nrg_values *v, int64_t row, const nrg_sweep at[2], int64_t n, nrg_arena *a, double *arrows) {
    nrg_shape shape;
    TRY(nrg_var_shape(m->model, at[0].var, &shape));
    int64_t width = nrg_shape_count(&shape);
    double *seen = NRG_NEWS(a, double, n *width + 1), *hidden = NRG_NEWS(a, double, n *width + 1);
    nrg_ask_spec spec = {.question = NRG_BEST, .var = at[0].var, .seen = (nrg_vars)1 << at[0].var, .n = n, .threads = m->threads,
                         .seed = m->seed, .anyway = true};
    nrg_answers found;
    if (!seen || !hidden) return NRG_E098;
    TRY(rows(m, v, row, at, n, width, arrows, seen));
    TRY(nrg_api_seen(m, at[0].var, seen, hidden, n * width));
    nrg_status s = nrg_ask(m->model, m->store, &spec, &found);
    for (int64_t i = 0; i < n && s == NRG_OK; i++)
        for (int k = 0; k < 2; k++) arrows[4 * i + 2 + k] = found.value[i * width + at[k].entry] - arrows[4 * i + k];
    nrg_answers_free(&found);
    return s;
}

// Differences of F a thousandth of the picture apart, in place of its gradient: latents stay eliminated.
static nrg_status downhill(nrg_ebm *m, const nrg_table *data, const nrg_values *v, int64_t row, const nrg_sweep at[2], int64_t each, nrg_arena *a,
                           double *arrows) {
    int64_t n = each * each;
    double *F[2] = {NRG_NEWS(a, double, n + 1), NRG_NEWS(a, double, n + 1)}, longest = 0;
    if (!F[0] || !F[1]) return NRG_E098;
    for (int k = 0; k < 2; k++) {
        double h = 1e-3 * (at[k].hi - at[k].lo);
        for (int side = 0; side < 2; side++) {
            nrg_sweep s[2] = {at[0], at[1]};
            for (int j = 0; j < 2; j++) {
                double half = 0.5 * (at[j].hi - at[j].lo) / (double)each, shift = j == k ? (side ? h : -h) : 0;
                s[j].n = each;
                s[j].lo += half + shift;
                s[j].hi += shift - half;
            }
            TRY(nrg_sweep_energies(m, data, v, row, s, 2, F[side]));
        }
        for (int64_t i = 0; i < n; i++) arrows[4 * i + 2 + k] = (F[0][i] - F[1][i]) / (2 * h);
    }
    double step[2] = {(at[0].hi - at[0].lo) / (double)each, (at[1].hi - at[1].lo) / (double)each};
    for (int64_t i = 0; i < n; i++) { // in steps of the arrows
        double l = hypot(arrows[4 * i + 2] / step[0], arrows[4 * i + 3] / step[1]);
        if (isfinite(l)) longest = fmax(longest, l);
    }
    for (int64_t i = 0; i < n && longest > 0; i++) arrows[4 * i + 2] /= longest, arrows[4 * i + 3] /= longest;
    return NRG_OK;
}

nrg_status nrg_field_arrows(nrg_ebm *m, const nrg_table *data, const nrg_values *v, int64_t row, const nrg_sweep at[2], int64_t each,
                            nrg_arena *a, const double **out) {
    double *arrows = NRG_NEWS(a, double, 4 * each * each + 1);
    if (!arrows) return NRG_E098;
    places(at, each, arrows);
    bool same = at[0].var == at[1].var && nrg_api_hides(m, at[0].var);
    *out = arrows;
    return same ? reconstructed(m, v, row, at, each * each, a, arrows) : downhill(m, data, v, row, at, each, a, arrows);
}
