# Models used by models: values, copies kept in runs, refusals; concepts put together (examples/compose, small).
if(TARGET nrg)
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  add_test(NAME cli_compose COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cli/test_compose.py)
  set_tests_properties(cli_compose PROPERTIES ENVIRONMENT "NRG=$<TARGET_FILE:nrg>;NRG_ROOT=${CMAKE_SOURCE_DIR};NRG_SANITIZE=${NRG_SANITIZE}")
endif()
