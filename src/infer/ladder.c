// Tempering: a ladder of chains at heats from 1 down to the hottest place where walls are low (Swendsen and Wang 1986, Geyer 1991).
// After some steps neighbours on the ladder change their places with the chance min(1, exp((h - g)(U(x) - U(y)))), even and odd
// pairs in turn. Places change hands, not heats: a method that learns its step learns it for the heat of its lane.
#include "infer/inside.h"
#include "infer/sample.h"
#include <math.h>
#include <string.h>

enum { NRG_FOR_SWAP = NRG_FOR_SPLIT + 4 }; // a stream of random numbers of its own

double nrg_ladder_heat(const nrg_ladder *l, int64_t lane) {
    return l->levels < 2 ? 1 : pow(l->hottest, (double)(lane % l->levels) / (double)(l->levels - 1));
}

void nrg_ladder_heats(const nrg_ladder *l, const nrg_store *s, double times) {
    nrg_dtype type = nrg_store_type(s);
    void *data = nrg_store_get(s, l->name)->data;
    for (int64_t i = 0; i < l->lanes; i++) {
        double h = times * nrg_ladder_heat(l, i);
        if (type == NRG_F64) ((double *)data)[i] = h;
        else ((float *)data)[i] = (float)h;
    }
}

static void trade(const nrg_chains *c, const nrg_store *s, int64_t a, int64_t b) {
    int32_t var[NRG_MAX_VARS];
    for (int j = 0, n = nrg_chains_vars(c, var); j < n; j++) {
        const nrg_chains_state *x = nrg_chains_state_at(c, j);
        size_t bytes = (size_t)x->count * nrg_dtype_size(nrg_store_type(s));
        char *p = (char *)nrg_store_get(s, x->name)->data + (size_t)a * bytes, *q = (char *)nrg_store_get(s, x->name)->data + (size_t)b * bytes;
        for (size_t i = 0; i < bytes; i++) {
            char kept = p[i];
            p[i] = q[i];
            q[i] = kept;
        }
    }
}

// energy: room for [lanes] of the store's type.
nrg_status nrg_ladder_swap(nrg_ladder *l, nrg_chains *c, const nrg_store *s, uint64_t seed, uint32_t at, void *energy) {
    nrg_dtype type = nrg_store_type(s);
    TRY(nrg_chains_look(c, l->lanes, seed, at, energy, NULL));
    for (int64_t first = 0; first < l->lanes; first += l->levels)
        for (int64_t k = l->rounds % 2; k + 1 < l->levels; k += 2) {
            int64_t a = first + k, b = a + 1;
            double U = nrg_store_number(type, energy, a), V = nrg_store_number(type, energy, b);
            double gain = (nrg_ladder_heat(l, a) - nrg_ladder_heat(l, b)) * (U - V);
            double u = nrg_random_wide(seed, NRG_FOR_SWAP, (uint64_t)(l->first + first / l->levels), at, (uint32_t)k);
            l->tried++;
            if (!(log(u > 0 ? u : 0x1p-54) < gain)) continue;
            l->taken++;
            trade(c, s, a, b);
        }
    l->rounds++;
    return NRG_OK;
}
