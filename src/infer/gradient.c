#include "infer/inside.h"
static nrg_status applies(nrg_chain *c, int k) { return nrg_fail(c->i->ctx, NRG_E071, c->at[k].stmt.span, "gradient"); }
const nrg_method_impl nrg_infer_gradient = {"gradient", applies, NULL, NULL, NULL, NULL};
