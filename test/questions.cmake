# The six questions: what they cost, several minima, sums that do not exist, the scale of energies.
nrg_test(questions laws/questions.c infer lang)
nrg_test(api_questions unit/api_questions.c api)
if(TARGET nrg)
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  add_test(NAME cli_questions COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cli/test_questions.py)
  set_tests_properties(cli_questions PROPERTIES ENVIRONMENT "NRG=$<TARGET_FILE:nrg>;NRG_ROOT=${CMAKE_SOURCE_DIR};NRG_SANITIZE=${NRG_SANITIZE}")
endif()
