# Wrong answers: every source against direct computation.
nrg_test(against laws/against.c train lang)
