nrg_test(data unit/data.c base data)

# Saved inputs of the fuzz targets of this room.
if(TARGET nrg_data)
  foreach(name npy npz idx csv libsvm safetensors)
    add_executable(replay_data_${name} fuzz/replay.c fuzz/data_${name}.c)
    target_link_libraries(replay_data_${name} PRIVATE nrg_data m)
    add_test(NAME replay_data_${name} COMMAND replay_data_${name} ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/data_${name})
  endforeach()
endif()
