// One screen about a model.
#include "lang/inside.h"
void nrg_lang_show(const nrg_model *m, nrg_text *out) { nrg_lang_print(m, out); }
