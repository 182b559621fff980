# Short front door over CMake's presets. `make` leaves the command at build/nrg.
MAKEFLAGS += --no-print-directory
JOBS ?= $(shell nproc)
.PHONY: all setup test test-all stress bench demo fuzz install clean arrows

all: setup
	@cmake --preset release >/dev/null
	@cmake --build build -j $(JOBS)

setup:
	@tools/setup

arrows:
	@python3 tools/check_arrows

# Release build, then everything again under AddressSanitizer and UBSan.
test: all arrows
	@cmake --preset asan >/dev/null
	@cmake --build build/asan -j $(JOBS)
	@ctest --test-dir build --output-on-failure -j $(JOBS)
	@ctest --test-dir build/asan --output-on-failure -j $(JOBS)

stress: setup
	@cmake --preset stress >/dev/null
	@cmake --build build/stress -j $(JOBS)
	@ctest --test-dir build/stress --output-on-failure -j $(JOBS)

test-all: test stress

# Speeds of the executor's kernels, then start-up, memory and MNIST by the command, how time grows with sizes, then nrg beside its rivals (fetched once into
# ~/.cache/nrg-bench). `make bench ROWS=rbm,mnist`: these rows beside the rivals and nothing else. Make sure the machine is quiet.
bench: all
	@cmake --build build --target bench_exec bench_langevin bench_side bench_peak -j $(JOBS)
	@$(if $(ROWS),,build/test/bench_exec && build/test/bench_langevin && python3 bench/spine && bench/growth -o build/growth.png)
	@bench/rivals/run $(if $(ROWS),--row $(ROWS)) $(if $(THREADS),--threads $(THREADS)) $(if $(REPS),--reps $(REPS))

# Every parser and reader, FUZZ_SECONDS each (clang's libFuzzer with ASan and UBSan).
FUZZ_SECONDS ?= 600
fuzz: setup
	@cmake --preset fuzz >/dev/null
	@cmake --build build/fuzz -j $(JOBS)
	@for f in test/fuzz/*.c; do n=$$(basename $$f .c); [ $$n = replay ] && continue; mkdir -p build/fuzz/found/$$n; \
	  echo "fuzz $$n"; build/fuzz/fuzz_$$n -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -verbosity=0 \
	  -artifact_prefix=build/fuzz/found/$$n- build/fuzz/found/$$n test/fuzz/corpus/$$n || exit 1; done

install: all
	@cmake --install build $(if $(PREFIX),--prefix $(PREFIX))

demo: all
	@examples/demo

clean:
	@rm -rf build
