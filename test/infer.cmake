nrg_test(infer unit/infer.c infer lang)
nrg_test(infer_laws laws/infer.c infer lang)
