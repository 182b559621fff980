# Short front door over CMake's presets. `make` leaves the command at build/nrg.
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

demo: all
	@examples/demo

clean:
	@rm -rf build
