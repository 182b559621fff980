nrg_test(exec unit/exec.c exec plan graph base)
nrg_test(exec_run unit/exec_run.c exec plan graph base)
nrg_test(exec_random unit/exec_random.c exec plan graph base)

# Not a test: prints speeds. cmake --build ... --target bench_exec
if(TARGET nrg_exec)
  add_executable(bench_exec EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/exec.c)
  target_link_libraries(bench_exec PRIVATE nrg_exec m)
endif()
