nrg_test(exec_pictures unit/exec_pictures.c exec plan graph base)
