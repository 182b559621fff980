nrg_test(plot unit/plot.c plot)
