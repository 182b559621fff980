// Walking over the indices of a few axes.
#include "exec/cpu/cpu.h"

int64_t nrg_dims_count(const nrg_dims *d, int64_t rows) {
    int64_t n = 1;
    for (int i = 0; i < d->n; i++) n *= nrg_dim_n(&d->at[i], rows);
    return n;
}

nrg_walk nrg_walk_from(const nrg_dims *d, int64_t rows, int64_t index) {
    nrg_walk w; // of the indices only those of `d` are used
    w.d = d, w.rows = rows, w.a = w.b = w.c = 0;
    for (int k = 0; k < d->n; k++) w.i[k] = 0;
    for (int k = d->n - 1; index && k >= 0; k--) {
        int64_t n = nrg_dim_n(&d->at[k], rows);
        if (n < 1) continue;
        w.i[k] = index % n;
        index /= n;
        w.a += w.i[k] * d->at[k].a, w.b += w.i[k] * d->at[k].b, w.c += w.i[k] * d->at[k].c;
    }
    return w;
}

void nrg_walk_next(nrg_walk *w) {
    for (int k = w->d->n - 1; k >= 0; k--) {
        const nrg_dim *d = &w->d->at[k];
        w->a += d->a, w->b += d->b, w->c += d->c;
        if (++w->i[k] < nrg_dim_n(d, w->rows)) return;
        w->a -= w->i[k] * d->a, w->b -= w->i[k] * d->b, w->c -= w->i[k] * d->c;
        w->i[k] = 0;
    }
}

nrg_dim nrg_dims_last(const nrg_dims *d, nrg_dims *outer) {
    *outer = *d;
    return d->n ? d->at[--outer->n] : (nrg_dim){1, 0, 0, 0};
}
