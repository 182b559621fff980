// The lectures' sufficient conditions, read off a loss numerically (with condition 2's sign put right: it is the NEGATIVE gradient
// that must point along [-1, 1]). Energies are taken from zero up, as the lectures' distances are; a loss of the difference alone
// looks the same everywhere.
#include "train/verdict.h"
#include <math.h>

enum { GRID = 33, LOWS = 8, SCAN = 640, DOUBLINGS = 16 };
static const double farthest = 32, least = 1e-200, slack = 1e-9; // least: below it a slope has only run out of digits

// Smallest push (dL/dpos - dL/dneg: the rate at which descent widens neg - pos) along the line neg = pos + gap.
static nrg_status push(const nrg_plane *p, double gap, double *out) {
    static const double low[LOWS] = {0, 0.01, 0.1, 0.35, 1.01, 2.03, 5.07, 11.3};
    double pos[LOWS], neg[LOWS], v[LOWS], a[LOWS], b[LOWS];
    int from = gap < 0; // energies of exactly zero: only where neg is above them
    for (int i = 0; i < LOWS; i++) {
        pos[i] = gap < 0 ? low[i] - gap : low[i];
        neg[i] = gap < 0 ? low[i] : low[i] + gap;
    }
    nrg_status s = nrg_plane_eval(p, LOWS, pos, neg, v, a, b);
    *out = INFINITY;
    for (int i = from; i < LOWS && s == NRG_OK; i++) *out = isfinite(a[i] - b[i]) ? fmin(*out, a[i] - b[i]) : *out;
    return s;
}

// Largest gap below which every line is pushed: by a scan, then by halving.
static nrg_status find_margin(const nrg_plane *p, nrg_verdict *v) {
    double below, at = 0, last = 0, good = 1e-4, bad = farthest;
    nrg_status s = push(p, -1e-4, &below);
    if (s == NRG_OK) s = push(p, good, &last);
    if (s != NRG_OK) return s;
    v->margin = 0;
    v->kind = below > 0 ? NRG_MARGIN_ZERO : NRG_MARGIN_NONE;
    if (below <= 0 || last <= 0) return NRG_OK;
    v->kind = NRG_MARGIN_SOME;
    bool open = true;
    for (int i = 1; i <= SCAN && open; i++) {
        double gap = farthest * i / SCAN;
        if ((s = push(p, gap, &at)) != NRG_OK) return s;
        if (at <= 0) {
            open = false;
            bad = gap;
        } else {
            good = gap;
            last = at;
        }
    }
    // Larger margins: farther out by doubling, a factor of 2 between looks.
    for (int i = 0; i < DOUBLINGS && open; i++) {
        double gap = 2 * good;
        if ((s = push(p, gap, &at)) != NRG_OK) return s;
        if (at <= 0 || !isfinite(at)) {
            open = false;
            bad = gap;
        } else {
            good = gap;
            last = at;
        }
    }
    if (open) return NRG_OK;
    for (int i = 0; i < 50; i++) {
        double mid = (good + bad) / 2;
        if ((s = push(p, mid, &at)) != NRG_OK) return s;
        if (at > 0) good = mid, last = at;
        else bad = mid;
    }
    if (last < least) return NRG_OK; // a slope that fades, and has only run out of digits
    v->kind = NRG_MARGIN_FINITE;
    v->margin = good;
    return NRG_OK;
}

static bool look_at(nrg_verdict *v, double pos, double neg, double a, double b) {
    if (!isfinite(a) || !isfinite(b)) return false;
    if (a < -slack) v->lifts_right = true;
    if (b < -slack) v->contrastive = true;
    if (fabs(a + b) > slack) v->differences = false;
    if (pos > neg && fabs(a) < slack && fabs(b) < slack) v->dead = true;
    if (b > slack && b > v->slope) {
        v->pulls_wrong = true;
        v->slope = b;
        v->pos = pos;
        v->neg = neg;
    }
    return true;
}

static nrg_status look(const nrg_plane *p, nrg_verdict *v, int *finite) {
    double pos[GRID], neg[GRID], l[GRID], a[GRID], b[GRID];
    double size = v->kind == NRG_MARGIN_FINITE ? fmax(4, 2 * v->margin) : 4;
    v->differences = true;
    for (int i = 0; i < GRID; i++) {
        for (int j = 0; j < GRID; j++) { // off the kinks of round numbers
            pos[j] = 0.0131 + size * j / GRID;
            neg[j] = 0.0157 + size * i / GRID;
        }
        nrg_status s = nrg_plane_eval(p, GRID, pos, neg, l, a, b);
        if (s != NRG_OK) return s;
        for (int j = 0; j < GRID; j++) *finite += isfinite(l[j]) && look_at(v, pos[j], neg[j], a[j], b[j]);
    }
    return NRG_OK;
}

nrg_status nrg_plane_verdict(const nrg_plane *p, nrg_verdict *v) {
    int finite = 0;
    *v = (nrg_verdict){0};
    nrg_status s = find_margin(p, v);
    if (s == NRG_OK) s = look(p, v, &finite);
    if (s != NRG_OK) return s;
    if (!v->contrastive) v->kind = NRG_MARGIN_NONE, v->margin = 0;
    v->sound = v->contrastive && !v->pulls_wrong && !v->lifts_right &&
               (v->kind == NRG_MARGIN_FINITE || v->kind == NRG_MARGIN_SOME);
    v->words = !finite           ? "no finite numbers"
               : v->pulls_wrong ? "pulls wrong answers down"
               : v->lifts_right ? "pushes right answers up"
               : !v->contrastive ? "no contrastive term"
               : v->kind == NRG_MARGIN_NONE ? "does not widen the gap"
               : v->kind == NRG_MARGIN_ZERO ? "zero margin"
                                            : "good";
    return NRG_OK;
}
