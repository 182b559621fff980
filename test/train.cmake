nrg_test(train unit/train.c train lang)
nrg_test(train_laws laws/train.c train lang)
nrg_test(train_mixtures unit/train_mixtures.c train lang)
nrg_test(moments laws/moments.c train lang)

# Saved inputs of the fuzz target of weights files.
if(TARGET nrg_train AND TARGET nrg_lang)
  add_executable(replay_train_weights fuzz/replay.c fuzz/train_weights.c)
  target_link_libraries(replay_train_weights PRIVATE nrg_train nrg_lang m)
  add_test(NAME replay_train_weights COMMAND replay_train_weights ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/train_weights)
endif()
