.DEFAULT_GOAL := help
SHELL := /bin/sh

# The first Python that is new enough; name another with `make PYTHON=/path/to/python …`.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed

COMPILE := uv pip compile --quiet --universal -p 3.11 --no-emit-index-url --generate-hashes \
	--custom-compile-command "make lock"

# Two files at a time: most of it waits. Some of it is judged by the clock, which a busy machine bends: what fails is
# tried once more, alone, and told twice.
FAULTS = $(BIN)/pytest tests/faults -n 2 --dist loadfile || $(BIN)/pytest tests/faults --last-failed --last-failed-no-failures none

.PHONY: help install up demo test faults chaos mutants release-check lint types check format lock bench real-model compliance fuzz audit clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Create .venv with the locked dependencies

$(INSTALLED): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Turnstone needs Python 3.11 or newer; name one with make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Turnstone needs Python 3.11 or newer; $(PYTHON) is older or missing"; exit 1; }
	@echo "Installing the locked dependencies into .venv …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

up: install ## Start everything and keep it running
	@$(BIN)/turnstone up

demo: install ## Start everything, run the main job, tell what happened, stop
	@$(BIN)/turnstone demo

test: install ## Run all tests; the last part kills and freezes processes
	$(BIN)/pytest -n 3 --dist worksteal
	$(FAULTS)

faults: install ## Only the tests that kill, freeze and cut off real processes
	$(FAULTS)

CHAOS_TURNS ?= 120

chaos: install ## Run CHAOS_TURNS turns while everything is killed; CHAOS_SEED repeats the choices
	CHAOS_TURNS=$(CHAOS_TURNS) $(BIN)/pytest tests/faults/test_chaos.py

mutants: install ## Remove each safeguard from a copy of the code and see that a test notices
	$(BIN)/python -m tests.mutants.run

release-check: install mutants ## What only a release waits for: 1,000 turns of chaos on each database, long outages, fuzz
	$(BIN)/pytest tests -m release
	EXAMPLES=700 ops/fuzz.sh

lint: install ## Look for mistakes, formatting and forbidden imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: install ## Check the types
	$(BIN)/mypy

check: lint types test ## All of the above checks

format: install ## Format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## Resolve the dependencies anew (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv/"; exit 1; }
	$(COMPILE) pyproject.toml --extra dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml -c requirements/dev.txt -o requirements/run.txt
	$(COMPILE) pyproject.toml --extra tracing -c requirements/dev.txt -o requirements/tracing.txt
	$(COMPILE) requirements/fuzz.in -o requirements/fuzz.txt
	$(COMPILE) requirements/audit.in -o requirements/audit.txt
	echo 'torch; python_version < "3"' | $(COMPILE) --overrides /dev/stdin requirements/real-model.in -o requirements/real-model.txt

bench: install ## Measure latencies and costs
	$(BIN)/python -m bench

real-model: install ## Run the demo's account against a real inference server (heavy)
	ops/real-model.sh

compliance: install ## Run the Open Responses compliance suite, of which SUITE is a checkout (needs bun)
	@test -n "$(SUITE)" || { echo "make compliance SUITE=/path/to/a/checkout/of/openresponses"; exit 1; }
	ops/compliance.sh "$(SUITE)"

audit: install ## Look for known vulnerabilities in the locked dependencies, where somebody can be asked
	ops/audit.sh

fuzz: install ## Try the API by its own OpenAPI document, with EXAMPLES for each operation
	ops/fuzz.sh

clean: ## Remove the virtual environment, caches and local data
	rm -rf .venv .venv-real-model .venv-fuzz .venv-audit .turnstone .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find api workers shared tests bench ops -name __pycache__ -type d -prune -exec rm -rf {} +
