nrg_test(model unit/model.c lang model exec plan graph base)
nrg_test(model_layers unit/model_layers.c lang model exec plan graph base)
nrg_test(model_errors unit/model_errors.c lang model graph base)
