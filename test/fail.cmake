# Refused memory on the whole way, and the command under wrong input.
nrg_test(fail_pipeline fail/pipeline.c api)
