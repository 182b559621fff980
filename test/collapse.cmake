# Collapse: every loss of the library with every architecture of the lectures; what the detector says against the surface itself.
nrg_test(collapse laws/collapse.c api train lang)
