# Every target installs what it needs into .venv and writes nothing outside this folder.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
LAKE_READY := .venv-lake/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_CACHE_DIR := 1

# What the extra "lake" in pyproject.toml asks for.
LAKE = $(shell sed -n '/^lake = /,/^]/s/^ *"\([^"]*\)".*/\1/p' pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help setup lake run live ui bench test lint docs lock clean

help: ## List all targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## Install everything into .venv

lake: $(LAKE_READY) ## Install into .venv-lake what a warehouse in a DuckLake needs (docs/scaling.md)

# The second file replaces packages of the first. Compiling the bytecode here saves every run eight seconds of imports.
$(LAKE_READY): requirements-lake.lock
$(READY) $(LAKE_READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Cascade needs Python 3.11 or newer; choose one with make PYTHON=...'; exit 1; }
	@$(PYTHON) -m venv $(@D)
	@echo 'Installing into $(@D) (about a minute) ...'
	@for lock in $(filter requirements%,$^); do $(@D)/bin/python -m pip install --quiet --no-deps --require-hashes -r $$lock || exit 1; done
	@$(@D)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(@D)/bin/python -m compileall -q -j 2 $(@D)/lib assets pipelines || true
	@touch $@

run: $(READY) ## Run the whole pipeline on the built-in synthetic market, offline
	@$(BIN)/cascade run --source demo

live: $(READY) ## Run the whole pipeline on Yahoo and FRED
	@$(BIN)/cascade run --source live

ui: $(READY) ## Open the Dagster UI on http://127.0.0.1:3000 (SOURCE=demo|files|live)
	@$(BIN)/cascade ui --source $(or $(SOURCE),demo)

bench: $(READY) ## Measure run times on synthetic markets, e.g. SYMBOLS="500 5000", against pandas and, if installed, Polars
	@set -e; for size in $(or $(SYMBOLS),500); do \
		$(BIN)/python benchmarks/market.py data/bench/$$size --symbols $$size; \
		$(BIN)/python benchmarks/layers.py data/bench/$$size; \
		$(BIN)/python benchmarks/refresh.py --path data/bench/$$size --rounds 1; \
		$(BIN)/python benchmarks/derivations.py data/bench/$$size; \
	done

lint: $(READY) ## Run the linters and the type checker
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint sql --disable-progress-bar

test: lint ## Run the linters, the type checker and the tests
	@$(BIN)/python -m pytest -n 2 --dist worksteal -q

docs: $(READY) ## Generate docs/data-dictionary.md and assets/models/lineage.json
	@$(BIN)/python -m assets.models.data_dictionary > docs/data-dictionary.md
	@$(BIN)/python -m assets.models.lineage > assets/models/lineage.json

lock: ## Resolve pyproject.toml into requirements.lock (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --output-file requirements.lock
	printf '%s\n' $(LAKE) | uv pip compile - --no-deps --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --output-file requirements-lake.lock

clean: ## Remove .venv and .venv-lake; keep data
	rm -rf .venv .venv-lake build *.egg-info
