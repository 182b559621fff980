nrg_test(exec_bf16 unit/exec_bf16.c exec plan graph base)
