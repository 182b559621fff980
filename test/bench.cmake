# nrg bench, and the models of bench/rivals.
if(TARGET nrg)
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  add_test(NAME cli_bench COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cli/test_bench.py)
  set_tests_properties(cli_bench PROPERTIES ENVIRONMENT "NRG=$<TARGET_FILE:nrg>;NRG_ROOT=${CMAKE_SOURCE_DIR};NRG_SANITIZE=${NRG_SANITIZE}")
endif()
