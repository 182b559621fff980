# Losses: the lectures' table, rebuilt by the checker.
nrg_test(losses laws/losses.c api)
