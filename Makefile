# What one types while working on Turnpike.  `make help` lists it.

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST := $(BIN)/python -m pytest
# Tests wait more than they work, so they run side by side, each file by itself.
JOBS ?= 2

# Debian keeps the servers that tests talk to where a plain user's shell does not look.
export PATH := $(PATH):/usr/sbin:/sbin

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run peers lint check test compiled-tests faults chaos soak bench compile format lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.run  ## only make the environment, in .venv

run: $(VENV)/.run  ## start everything with the demo ISP; Ctrl-C ends it
	@exec $(BIN)/turnpike demo

check: $(VENV)/.test lint  ## the fast part of the tests: under a minute
	$(PYTEST) -q -m "not slow and not scenario and not peer"

test: peers $(VENV)/.test lint  ## everything that CI runs; as root it installs the peers
	$(PYTEST) -m "not long" -n $(JOBS) --dist loadfile
	@if command -v cc >/dev/null || test -n "$$CI"; then $(MAKE) --no-print-directory compiled-tests; \
	else echo "NOT TESTED: the compiled modules, for want of a C compiler"; fi

# The same tests on the same sources, compiled.  From a folder without them, so that nothing
# but the compiled ones can be imported.
compiled-tests: .venv-compiled/.run
	rm -rf build/tests && mkdir -p build/tests && cp -r tests pyproject.toml build/tests/
	cd build/tests && ../../.venv-compiled/bin/python -P -m pytest -q tests/core/radius tests/core/test_udp.py tests/aaa \
		$$(grep -L database_url tests/accounting/test_*.py) \
		-m "not slow and not scenario and not peer and not long"

faults: peers $(VENV)/.test  ## the faults that take longer: soak, restart under load, silent database, 50 000 sessions
	$(PYTEST) -m long

chaos: $(VENV)/.test  ## 100 kills under load over 20 000 sessions, some minutes; CHAOS="--kills 20 --only database"
	$(BIN)/python -m tests.chaos $(CHAOS)

soak: $(VENV)/.test  ## an hour of even load: memory and descriptors stay flat; SOAK="--minutes 5"
	$(BIN)/python -m tests.chaos.soak $(SOAK)

bench: $(VENV)/.run .venv-compiled/.run  ## measure against FreeRADIUS; BENCH=--quick only shows that it works
	@.ci/peers bench
	$(BIN)/python -m bench.run $(BENCH)

compile: .venv-compiled/.run  ## the same with its hot modules compiled, in .venv-compiled

format: $(VENV)/.test  ## let ruff format, and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

peers:
	@.ci/peers

clean:  ## remove what make and the tools made; never var/, where the data are
	rm -rf $(VENV) .venv-compiled .venv-lock build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache bench/out bench/radload
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +

# --- the environment.  A stamp is newer than what it was made from, or pip runs again.

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo >&2 "Turnpike needs Python 3.11 or newer, and none is on the PATH: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo >&2 "Turnpike needs Python 3.11 or newer, and $(PYTHON) is none: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo >&2 "$(PYTHON) cannot make environments (on Debian: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.run: requirements.txt pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV), this once ..."
	@$(PIP) install --require-hashes -r requirements.txt
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.test: requirements-test.txt $(VENV)/.run
	@$(PIP) install --require-hashes -r requirements-test.txt
	@touch $@

SOURCES := $(shell find app web billing aaa accounting nas_adapters core dictionaries -name '*.py')

# Not editable: what is compiled is a copy, and the plain sources stay what .venv runs.
.venv-compiled/.run: requirements-test.txt pyproject.toml setup.py $(SOURCES)
	@test -n "$$(command -v cc)" || { echo >&2 "a C compiler is needed (on Debian: apt install gcc libc6-dev python3-dev)"; exit 1; }
	@$(PYTHON) -m venv --clear .venv-compiled
	@.venv-compiled/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements-test.txt
	rm -rf build
	TURNPIKE_COMPILE=1 .venv-compiled/bin/python -m pip --disable-pip-version-check --quiet install --no-build-isolation --no-deps .
	@touch $@
	.venv-compiled/bin/turnpike version

# The locks name packages, versions and hashes, and no index: they hold whatever index is used.
UV := .venv-lock/bin/uv --no-config pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links

lock:  ## pin the newest versions that pyproject.toml allows, with their hashes
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv==0.13.8
	$(UV) --upgrade --extra build -o requirements.txt pyproject.toml
	$(UV) --upgrade --extra build --extra test -c requirements.txt -o requirements-test.txt pyproject.toml
