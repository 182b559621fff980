// Sites: the numbers of one variable as an energy meets them. The energy is affine in PARTS, nodes that read a few sites an entry;
// sites that no entry reads together are independent given the rest, and each has energies of its own.
#ifndef NRG_INFER_SITES_H
#define NRG_INFER_SITES_H

#include "infer/inside.h"

enum { NRG_SITES_PARTS = 64, NRG_GIBBS_COLOURS = 8 }; // kinds of parts; sets of numbers that gibbs draws in turn
typedef struct {
    nrg_graph *graph;
    nrg_node y, v;
    nrg_shape shape;
    int64_t count;                  // numbers of v
    int parts;
    nrg_node part[NRG_SITES_PARTS]; // y = rest + sum of weight * part, over all entries
    nrg_node weight[NRG_SITES_PARTS];
    nrg_node rest;                  // y where all parts are zero
    int colours;                    // sites of one colour do not meet; 0: more than asked for, or not known
    int32_t *colour;                // [count], in the arena that was given
} nrg_sites;
// At most `most` colours are tried for. What is not understood counts as meeting, so colours are sound.
nrg_status nrg_sites_find(nrg_arena *a, nrg_graph *g, nrg_node y, nrg_node v, int most, nrg_sites *out);
// [count]: what y changes by with each site of v, up to a number of its own, with from[i] replaced by by[i] (v among them, mostly by
// candidates along a leading axis); less: minus that with less[i], NULL: minus nothing. mask [count]: 1 at the sites of one colour; the
// others' numbers mean nothing. Bad: all sites.
nrg_node nrg_sites_energies(const nrg_sites *s, nrg_node mask, const nrg_node *from, const nrg_node *by, const nrg_node *less, int n);

// factors.c: E over several variables as a sum of what each of their numbers gives: E = rest of the last + energies of all sites.
// *fits: no two numbers meet, neither of one variable nor of two.
nrg_status nrg_sites_apart(nrg_arena *a, nrg_graph *g, nrg_node E, const nrg_node *v, int n, nrg_sites *out, bool *fits);
nrg_node nrg_finite_value(nrg_graph *g, const nrg_model *m, int32_t v, nrg_node digit, nrg_shape shape); // of an array of digits
#endif
