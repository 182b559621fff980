#include "infer/inside.h"
static nrg_status applies(nrg_chain *c, int k) { return nrg_fail(c->i->ctx, NRG_E071, c->at[k].stmt.span, "lbfgs"); }
const nrg_method_impl nrg_infer_lbfgs = {"lbfgs", applies, NULL, NULL, NULL, NULL};
