nrg_test(graph_table table/graph.c exec plan graph base)
nrg_test(graph unit/graph.c exec plan graph base)
