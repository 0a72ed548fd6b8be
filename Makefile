# Hakika's everyday words. `make` alone prints them.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
LOCKS := requirements/setup.txt requirements/dev.txt
UV := $(BIN)/uv --quiet --system-certs  # a company's own certificate is in the system's store

# Settings of this machine that would send an install somewhere else than into .venv.
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV
unexport UV_SYSTEM_PYTHON UV_TARGET UV_PREFIX UV_PROJECT VIRTUAL_ENV CONDA_PREFIX
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help setup dev test test-setup lint types docs bench bench-growth bench-imports search-million month lock clean

help: ## print these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## make .venv with everything that development needs

# One recipe for the first time and for every change of a lock or of pyproject.toml. The stamp is
# written last, so an interrupted set-up starts again; each step is quick when it has nothing to do.
$(STAMP): $(LOCKS) pyproject.toml
	@$(PYTHON) -c '' 2>/dev/null || { \
		echo "There is no $(PYTHON). Install Python 3.11 or newer, or name one: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Hakika needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/setup.txt
	@$(UV) pip sync --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "Set up: $$($(BIN)/python -V) in $(VENV)."

dev: setup ## run Hakika beside a simulated Daraja (ARGS="--help" says more)
	@$(BIN)/hakika dev $(ARGS)

# Tests drive the Chromium, curl and php of the system. Where they can be installed without asking,
# they are.
test-setup: setup
	@sh tests/install_programs.sh

test: test-setup ## run all tests, on every core (ARGS="tests/domain -x" for some)
	@$(BIN)/python -m pytest -n logical --dist loadgroup $(ARGS)

lint: setup ## check the code's form, and who imports whom
	@$(BIN)/ruff check
	@$(BIN)/lint-imports --no-logo

types: setup ## check the types
	@$(BIN)/mypy

docs: setup ## write the generated pages of docs/ again
	@$(BIN)/python docs/generate.py

# How long it is under load, and the day to write on docs/performance.md.
SECONDS ?= 30
DATE ?= $(shell date +%F)

bench: setup ## measure the speed beside a floor, and write docs/performance.md (SECONDS=30)
	@$(BIN)/python -m bench --seconds $(SECONDS) --date $(DATE) $(ARGS)

bench-growth: setup ## measure while the store grows to a million payments; takes a while
	@$(BIN)/python -m bench --growth 10000,100000,1000000 --seconds 10 --date $(DATE) $(ARGS)

search-million: setup ## prove that searches and lists are quick with a million payments
	@$(BIN)/python -m bench --growth 1000000 --reads $(ARGS)

bench-imports: setup ## measure how long a statement of 100,000 lines takes; takes a while
	@$(BIN)/python -m bench.imports $(ARGS)

# Payments and days of the simulated month.
PAYMENTS ?= 20000
DAYS ?= 30

month: setup ## live a simulated month with its faults: is each shilling found? (PAYMENTS=20000)
	@$(BIN)/python -m bench.month --payments $(PAYMENTS) --days $(DAYS) $(ARGS)

# The locks name packages, versions and hashes, and never where to fetch them from.
LOCK := $(UV) --no-config pip compile --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links $(UPGRADE)

lock: setup ## lock the dependencies again (UPGRADE=--upgrade moves them all)
	@$(LOCK) requirements/setup.in --output-file requirements/setup.txt
	@$(LOCK) pyproject.toml --output-file requirements/base.txt
	@$(LOCK) pyproject.toml --group dev --all-extras --constraint requirements/base.txt --output-file requirements/dev.txt

clean: ## remove .venv and everything that tools left behind (data/ stays)
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
