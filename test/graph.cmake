nrg_test(graph_table table/graph.c exec plan graph base)
nrg_test(graph unit/graph.c exec plan graph base)
nrg_test(graph_sums unit/graph_sums.c exec plan graph base)
nrg_test(graph_split unit/graph_split.c exec plan graph base)
nrg_test(graph_range unit/graph_range.c exec plan graph base)

# Saved inputs of the fuzz target.
if(TARGET nrg_exec)
  add_executable(replay_graph fuzz/replay.c fuzz/graph.c)
  target_include_directories(replay_graph PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(replay_graph PRIVATE nrg_exec nrg_plan nrg_graph nrg_base m)
  add_test(NAME replay_graph COMMAND replay_graph ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/graph)
endif()
