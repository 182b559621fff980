# Refused memory on the whole way, and the command under wrong input.
nrg_test(fail_pipeline fail/pipeline.c api)
if(TARGET nrg_api AND TARGET nrg)
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  add_test(NAME cli_hostile COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cli/hostile.py)
  set_tests_properties(cli_hostile PROPERTIES ENVIRONMENT "NRG=$<TARGET_FILE:nrg>;NRG_ROOT=${CMAKE_SOURCE_DIR};NRG_SANITIZE=${NRG_SANITIZE}")
endif()
