// Models used by models: from the run that keeps a copy of them, else from their own run folder or file of weights.
#include "api/api.h"
#include <string.h>
#include <sys/stat.h>

bool nrg_api_trained(const char *path) {
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return true;
    return nrg_ends(path, ".safetensors") || nrg_ends(path, ".nrgm");
}

// The copy in a run: text and sizes; its weights lie among those of the run. *out stays NULL where there is none.
static nrg_status kept(const nrg_kept *from, nrg_ctx *c, const char *name, const char *path, const nrg_using *by, nrg_model **out) {
    char key[300];
    nrg_kept inside = {from->w, key + 4};
    nrg_overrides o = {.use = nrg_api_use, .use_ud = &inside, .by = by};
    size_t n = (size_t)snprintf(key, sizeof key, "use:%s%s", from->in, name);
    const char *text = n + 1 < sizeof key ? nrg_weights_meta(from->w, key) : NULL;
    if (!text) return NRG_OK;
    key[n] = ':', key[n + 1] = 0;
    nrg_status s = nrg_lang_load(c, path, text, strlen(text), &o, out);
    key[n] = 0;
    return s == NRG_OK ? nrg_weights_sizes(from->w, key + 4, *out) : s;
}

static nrg_status trained(nrg_ctx *c, const char *path, const nrg_using *by, nrg_model **out) {
    nrg_weights *w;
    TRY(nrg_weights_open(c, path, true, &w));
    nrg_kept inside = {w, ""};
    nrg_overrides o = {.use = nrg_api_use, .use_ud = &inside, .by = by};
    const char *text = nrg_weights_text(w);
    nrg_status s = text ? nrg_lang_load(c, path, text, strlen(text), &o, out)
                        : nrg_fail(c, NRG_E057, NRG_NOWHERE, "%s holds weights but no model, so it cannot be used by one", path);
    if (s == NRG_OK) s = nrg_weights_lend(w, *out);
    nrg_weights_free(w);
    return s;
}

nrg_status nrg_api_use(void *from, nrg_ctx *c, const char *name, const char *path, const nrg_using *by, nrg_model **out) {
    const nrg_kept *run = from;
    nrg_status s = run ? kept(run, c, name, path, by, out) : NRG_OK;
    if (s == NRG_OK && !*out && nrg_file_exists(path) && nrg_api_trained(path)) s = trained(c, path, by, out);
    if (s == NRG_OK) return s;
    nrg_model_free(*out);
    *out = NULL;
    return s;
}
