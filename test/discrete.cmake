nrg_test(factors_laws laws/factors.c infer lang)
nrg_test(gibbs_laws laws/gibbs.c infer lang)
