# The classical machines: kernels, loops unfolded in time, the modules of the lectures.
nrg_test(machines unit/machines.c lang model exec plan graph base)
