# The classical machines: kernels, loops unfolded in time, the models of examples/machines trained small.
nrg_test(machines unit/machines.c lang model exec plan graph base)
if(TARGET nrg)
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  add_test(NAME cli_machines COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cli/test_machines.py)
  set_tests_properties(cli_machines PROPERTIES ENVIRONMENT "NRG=$<TARGET_FILE:nrg>;NRG_ROOT=${CMAKE_SOURCE_DIR};NRG_SANITIZE=${NRG_SANITIZE}")
endif()
