// What the pictures of this room share: F along some numbers of the variables, all else held.
#ifndef NRG_PICTURE_H
#define NRG_PICTURE_H

#include "api/api.h"

// picture_sweep.c -- one number of a variable runs over n places from lo to hi.
typedef struct {
    int32_t var;
    int64_t entry; // of the event, row-major
    int64_t n;
    double lo, hi;
    bool finite; // lo, lo + 1 ...: the places are all its values (-1 and 1 of a sign)
} nrg_sweep;
double nrg_sweep_at(const nrg_sweep *s, int64_t i);
// "y" or "x[1]"; `what` is the picture, for messages. A finite variable gets its range here.
nrg_status nrg_sweep_find(nrg_ebm *m, const char *name, const char *what, nrg_sweep *out);
// Of a real one: what was asked (lo < hi), else the data with a margin, else the domain, else -1..1.
nrg_status nrg_sweep_range(nrg_ebm *m, const nrg_values *v, double lo, double hi, nrg_sweep *s);
// Its number in n rows of the data, or in all of them (rows NULL).
nrg_status nrg_sweep_data(nrg_ebm *m, const nrg_values *v, const nrg_sweep *s, const int64_t *rows, int64_t n,
                          double *to);
// F over all places of n sweeps, the first one fastest; the rest is as in row `row` of the data. What is held: the
// swept variables, the given ones and what `data` has as "given:NAME". Other predicted variables are eliminated.
nrg_status nrg_sweep_energies(nrg_ebm *m, const nrg_table *data, const nrg_values *v, int64_t row, const nrg_sweep *s,
                              int n, double *F);
// picture_field.c -- arrows over two sweeps, `each` way: [each * each, 4], x, y and how far.
nrg_status nrg_field_arrows(nrg_ebm *m, const nrg_table *data, const nrg_values *v, int64_t row, const nrg_sweep at[2], int64_t each,
                            nrg_arena *a, const double **out);
// E090 where the data have no such row.
nrg_status nrg_picture_row(nrg_ebm *m, const nrg_values *v, int64_t row);

// picture_weights.c -- the image that `count` numbers are: the last axes of a variable of that size. False: none.
bool nrg_picture_image(const nrg_ebm *m, int64_t count, int *h, int *w, int *channels);
#endif
