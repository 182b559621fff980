# Models used by models: values, copies kept in runs, refusals; concepts put together (examples/compose, small). Hidden parts and their field.
if(TARGET nrg)
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  foreach(part compose denoise selftest)
    add_test(NAME cli_${part} COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cli/test_${part}.py)
    set_tests_properties(cli_${part} PROPERTIES ENVIRONMENT "NRG=$<TARGET_FILE:nrg>;NRG_ROOT=${CMAKE_SOURCE_DIR};NRG_SANITIZE=${NRG_SANITIZE}")
  endforeach()
endif()
