nrg_test(exec unit/exec.c exec plan graph base)
