nrg_test(lang unit/lang.c lang model graph base)
nrg_test(golden golden/run.c lang model graph base)
nrg_test(lang_refused fail/lang.c lang model graph base)

# Saved inputs of the fuzz target, and the model files themselves.
if(TARGET nrg_lang AND TARGET nrg_model)
  add_executable(replay_parse fuzz/replay.c fuzz/parse.c)
  target_link_libraries(replay_parse PRIVATE nrg_lang nrg_model nrg_graph nrg_base m)
  add_test(NAME replay_parse COMMAND replay_parse ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/parse ${CMAKE_SOURCE_DIR}/models
    ${CMAKE_CURRENT_SOURCE_DIR}/golden/bad ${CMAKE_CURRENT_SOURCE_DIR}/golden/codes)
endif()
