nrg_test(exec unit/exec.c exec plan graph base)
nrg_test(exec_run unit/exec_run.c exec plan graph base)
nrg_test(exec_random unit/exec_random.c exec plan graph base)

# Not tests: they print speeds. cmake --build ... --target bench_exec bench_langevin
if(TARGET nrg_exec)
  add_executable(bench_exec EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/exec.c)
  target_link_libraries(bench_exec PRIVATE nrg_exec m)
endif()
if(TARGET nrg_api)
  add_executable(bench_langevin EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/langevin.c)
  target_link_libraries(bench_langevin PRIVATE nrg_api)
endif()
