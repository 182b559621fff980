nrg_test(graph table/graph.c exec plan graph base)
