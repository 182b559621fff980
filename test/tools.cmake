# The structure and the generated pages.
add_test(NAME arrows COMMAND python3 tools/check_arrows WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
add_test(NAME docs_fresh COMMAND python3 tools/gen_docs --check WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
