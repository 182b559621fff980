// The tables of layers and functions: look-ups, names, and the tables as Markdown.
#include "model/inside.h"

#define NRG_LAYER(name, args, built, weights, doc) CALLED(name);
#include "model/layers.def"
#define NRG_FUNCTION(name, args, built, doc) CALLED(name);
#include "model/functions.def"

static const nrg_row layers[] = {
#define NRG_LAYER(name, args, built, weights, doc) {#name, args, built, weights, nrg_fn_##name, doc},
#include "model/layers.def"
};
static const nrg_row functions[] = {
#define NRG_FUNCTION(name, args, built, doc) {#name, args, built, false, nrg_fn_##name, doc},
#include "model/functions.def"
};
enum { LAYERS = sizeof layers / sizeof *layers, FUNCTIONS = sizeof functions / sizeof *functions };

// Lists for suggestions; each ends in NULL.
const char *const nrg_layer_names[] = {
#define NRG_LAYER(name, args, built, weights, doc) #name,
#include "model/layers.def"
    NULL};
const char *const nrg_function_names[] = {
#define NRG_FUNCTION(name, args, built, doc) #name,
#include "model/functions.def"
    NULL};

const nrg_row *nrg_row_find(const char *name, bool *layer) {
    for (int i = 0; i < LAYERS; i++)
        if (nrg_same(layers[i].name, name)) return *layer = true, &layers[i];
    for (int i = 0; i < FUNCTIONS; i++)
        if (nrg_same(functions[i].name, name)) return *layer = false, &functions[i];
    return NULL;
}

const char *nrg_row_nearest(const char *name) {
    const char *near = nrg_nearest(name, nrg_layer_names, LAYERS);
    return near ? near : nrg_nearest(name, nrg_function_names, FUNCTIONS);
}

static void table(const char *title, const nrg_row *row, int n, nrg_text *out) {
    nrg_text_put(out, "| %s | arguments | what it gives |\n|---|---|---|\n", title);
    for (int i = 0; i < n; i++)
        nrg_text_put(out, "| `%s` | `%s` | %s%s |\n", row[i].name, row[i].args, row[i].doc,
                     row[i].built ? "" : " (not built yet)");
}

void nrg_layers_print(nrg_text *out) {
    table("layer", layers, LAYERS, out);
}

void nrg_functions_print(nrg_text *out) {
    table("function", functions, FUNCTIONS, out);
}
