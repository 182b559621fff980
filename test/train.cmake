nrg_test(train unit/train.c train lang)
nrg_test(train_laws laws/train.c train lang)
