nrg_test(base unit/base.c base)
