nrg_test(factors_laws laws/factors.c infer lang)
