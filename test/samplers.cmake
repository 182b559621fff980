nrg_test(samplers_laws laws/samplers.c infer lang)
nrg_test(health unit/health.c infer)
