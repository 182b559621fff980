// data: arrays of samples from files and generators, and tables of them. Knows base only; nothing here knows a model.
//
//   nrg_table *t;
//   const char *specs[] = {"pixels=train-images-idx3-ubyte.gz", "labels=train-labels-idx1-ubyte.gz"};
//   TRY(nrg_data_load(ctx, specs, 2, &t));
//   const nrg_array *a = nrg_table_find(t, "pixels");   // lent until the table is freed
//
// Row i of an array belongs to sample i. Messages say file, row, column, what was found and what was expected.
#ifndef NRG_DATA_H
#define NRG_DATA_H

#include "base/base.h"

// nrg_cell (types of cells, in the order of nrg_buf_type) and nrg_array are public: nrg.h.


// ---- table.c: arrays by name ----
nrg_status nrg_table_new(nrg_ctx *c, nrg_table **out);
void nrg_table_free(nrg_table *t); // NULL is fine; so for every free below
nrg_ctx *nrg_table_ctx(const nrg_table *t);
nrg_arena *nrg_table_arena(nrg_table *t); // lives as long as the table
int nrg_table_count(const nrg_table *t);
const nrg_array *nrg_table_at(const nrg_table *t, int i);
const nrg_array *nrg_table_find(const nrg_table *t, const char *name); // NULL: none
// Adds an array; name, labels and file are copied, data, offsets and missing are lent (see nrg_table_arena).
// E090: the name is taken.
nrg_status nrg_table_add(nrg_table *t, const nrg_array *a);
// A new zeroed array in the table's own memory. The result may be written to, until the next add.
nrg_status nrg_table_make(nrg_table *t, const char *name, nrg_cell type, int32_t rank, const int64_t *dim,
                          nrg_array **out);
// After all adds: turns `x` with `x_offsets` (or `offsets`) into a ragged array, then asks for equal numbers of
// samples (E056).
nrg_status nrg_table_check(nrg_table *t);
int64_t nrg_table_rows(const nrg_table *t); // samples; 0 when empty
uint64_t nrg_table_hash(const nrg_table *t); // of names, shapes and bytes: says whether two runs saw the same data

// ---- array.c: looking at arrays ----
size_t nrg_cell_size(nrg_cell t);
const char *nrg_cell_name(nrg_cell t);               // uint8, float32 ...
int64_t nrg_array_cells(const nrg_array *a);         // in all
int64_t nrg_array_width(const nrg_array *a);         // cells of a row: product of dim[1..]
double nrg_array_value(const nrg_array *a, int64_t cell);
bool nrg_array_missing(const nrg_array *a, int64_t cell); // by the mask, else NaN
typedef struct { double lo, hi; int64_t missing, infinite; bool whole; } nrg_array_range; // lo > hi: no value at all
nrg_array_range nrg_array_scan(const nrg_array *a);
// "images : 60000 samples of 28 x 28, uint8 0..255": the form of E050 and E051.
void nrg_array_print(const nrg_array *a, nrg_text *out);
void nrg_table_print(const nrg_table *t, nrg_text *out); // one line an array
void nrg_table_names(const nrg_table *t, nrg_text *out); // "x, label, split"
void nrg_table_info(const nrg_table *t, int rows, nrg_text *out); // `nrg data info`: listing, labels, first rows
// A padded array [N, T, ...] and lengths [N] as a ragged one, added to the table under `name`. E050 names a length
// that is too large.
nrg_status nrg_table_ragged(nrg_table *t, const nrg_array *padded, const nrg_array *lengths, const char *name);

// ---- open.c: what --data takes: FILE, NAME=FILE, FILE:PART, NAME=FILE:PART. Several calls add up; then
// nrg_table_check. PART: an array of an .npz; a column of a table by header or 0-based number, or columns a..b, 2..5,
// or lists of both: 0..3,7; `x`, `y` or a number of features of a libsvm file. A NAME with several columns makes one
// matrix [N, columns] of numbers.
nrg_status nrg_data_open(nrg_table *t, const char *spec);
nrg_status nrg_data_load(nrg_ctx *c, const char *const *specs, int n, nrg_table **out); // new, open each, check
// The same from memory: `bytes` are copied, `file` is for messages and for its extension; name and part may be NULL.
nrg_status nrg_data_read(nrg_table *t, const char *file, const void *bytes, size_t n, const char *name,
                         const char *part);

// ---- blob.c: bytes of a file: a private map, or memory when it was compressed. Writing to them leaves the file alone.
typedef struct {
    nrg_ctx *ctx;
    unsigned char *at;
    size_t n, cap;  // cap: what the hook gave; 0: mapped
} nrg_blob;
nrg_status nrg_blob_open(nrg_ctx *c, const char *path, nrg_blob *out); // .gz is expanded (by content)
nrg_status nrg_blob_copy(nrg_ctx *c, const char *file, const void *bytes, size_t n, nrg_blob *out); // expanded too
void nrg_blob_free(nrg_blob *b);
nrg_status nrg_table_keep(nrg_table *t, nrg_blob *b); // the table owns the bytes from now on, *b is emptied

// ---- the readers, one file each, listed in readers.def ----
typedef struct {
    nrg_table *table;
    nrg_ctx *ctx;
    const char *file; // for messages
    const char *stem; // default name of a single array
    const char *name; // wanted name, or NULL
    const char *part; // wanted part, or NULL
    nrg_blob *blob;   // the bytes; a reader that keeps them calls nrg_table_keep
    bool text;        // no zero byte near the start
    const char *ext;  // in lower case without the dot and without .gz; "" when there is none
} nrg_reading;
typedef struct {
    const char *name, *doc;
    bool (*applies)(const nrg_reading *in);
    nrg_status (*read)(nrg_reading *in);
} nrg_reader;
#define NRG_READER(name, doc)                                                                                          \
    bool nrg_##name##_applies(const nrg_reading *in);                                                                    \
    nrg_status nrg_##name##_read(nrg_reading *in);
#include "data/readers.def"
// npy.c: one array from the bytes of an .npy; `keep`: it may point into them. *skip: it is a single number, no array.
nrg_status nrg_npy_parse(nrg_reading *in, const char *name, unsigned char *at, size_t n, bool keep, bool *skip);
// The header that goes before the bytes of `a`, or before its texts of so many characters (0: numbers).
void nrg_npy_head(const nrg_array *a, int64_t chars, nrg_text *out);
// texts.c: NumPy's texts of `size` bytes (wide: 4-byte characters) as categories; and the labels of `a` as wide texts.
nrg_status nrg_texts_read(nrg_table *t, bool wide, int64_t size, const unsigned char *p, int64_t cells, nrg_array *a);
nrg_status nrg_texts_write(nrg_arena *arena, const nrg_array *a, int64_t *chars, void **data, size_t *bytes);

// ---- number.c ----
// A decimal number that fills n bytes, in any locale; false when it is not one. "inf" is a number, "nan" is not.
bool nrg_number(const char *p, size_t n, double *out);
bool nrg_integer(const char *p, size_t n, int64_t *out);
bool nrg_cell_blank(const char *p, size_t n);             // "", NaN, NA, ?, _: missing
bool nrg_times(int64_t a, int64_t b, int64_t *out);       // a * b for a, b >= 0; false when it is too large
bool nrg_product(const int64_t *dim, int rank, int64_t *out);
const char *nrg_name_clean(nrg_arena *a, const char *p, size_t n); // a name that a model can use: letters, digits, _
typedef struct { char at[56]; } nrg_snippet;
nrg_snippet nrg_snip(const char *p, size_t n); // for messages: 'text', shortened, without control characters

// ---- labels.c: texts to categories in order of first appearance ----
typedef struct {
    nrg_arena *arena;
    struct { const char **at; uint32_t n, cap; } words;
    uint32_t *slots, slots_n; // hash table of word number + 1
} nrg_labels;
nrg_labels nrg_labels_make(nrg_arena *a);
int64_t nrg_labels_put(nrg_labels *l, const char *p, size_t n); // its number; -1 when memory is refused

// ---- write.c: by extension: .npz (stored), .npy (a table of one array), .csv, .tsv; whole or not at all, E092 ----
nrg_status nrg_data_write(const nrg_table *t, const char *path);

// ---- safetensors.c: huggingface.co/docs/safetensors (8-byte header length, JSON header, raw little-endian) ----
typedef struct {
    const char *name;
    nrg_cell type;
    int32_t rank; // 0: one number
    int64_t dim[NRG_ARRAY_RANK];
    void *data;
} nrg_tensor;
typedef struct { const char *key, *value; } nrg_meta;
typedef struct nrg_tensors nrg_tensors;
nrg_status nrg_tensors_write(nrg_ctx *c, const char *path, const nrg_tensor *t, int n, const nrg_meta *meta,
                             int meta_n);
nrg_status nrg_tensors_open(nrg_ctx *c, const char *path, nrg_tensors **out);
nrg_status nrg_tensors_read(nrg_ctx *c, const char *file, const void *bytes, size_t n, nrg_tensors **out); // copied
void nrg_tensors_free(nrg_tensors *t);
int nrg_tensors_count(const nrg_tensors *t);
const nrg_tensor *nrg_tensors_at(const nrg_tensors *t, int i);
const nrg_tensor *nrg_tensors_find(const nrg_tensors *t, const char *name);
const char *nrg_tensors_meta(const nrg_tensors *t, const char *key); // NULL: none
const nrg_meta *nrg_tensors_meta_at(const nrg_tensors *t, int i);    // NULL past the end

// ---- make.c, digits.c: data without files; a pure function of name, n and seed ----
// parabola eye branches spiral moons gaussians checkerboard digits. E011 for another name, with the nearest.
nrg_status nrg_data_make(nrg_ctx *c, const char *name, int64_t n, uint64_t seed, nrg_table **out);
const char *nrg_data_maker(int i, const char **doc); // the i-th name, NULL past the end
nrg_status nrg_digits_make(nrg_table *t, int64_t n, uint64_t seed); // images u8 [n, 28, 28], labels u8 [n]

// ---- fit.c: constants of fitted transforms; D = nrg_array_width(a) ----
// Missing cells are left out; whitening gives them their column's mean.
// standardised = (x - mean) / sd; an sd of zero becomes 1, so that constant features give 0.
nrg_status nrg_fit_standardise(nrg_ctx *c, const nrg_array *a, double *mean, double *sd);
// whitened = matrix (x - mean), matrix = (C + ridge * tr(C)/D * I)^(-1/2), C the covariance: ZCA, [D, D] symmetric.
nrg_status nrg_fit_whiten(nrg_ctx *c, const nrg_array *a, double ridge, double *mean, double *matrix);

#endif
