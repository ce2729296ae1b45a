# Needs make, and Python 3.11 to 3.13 with pip. Everything is installed into .venv, what tests and checks need only
# once one of them is wanted.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/runtime
INSTALLED := $(VENV)/installed
PEERS := .venv-peers
DOCS := .venv-docs

.DEFAULT_GOAL := help
.PHONY: help install peers axe quickstart tutorials notebooks docs test test-slow test-exhaustive lint audit lock image-check clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

install: $(INSTALLED) ## Install the whole environment into .venv: the package, tests and checks

INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SUPPORTED := (3, 11) <= sys.version_info[:2] <= (3, 13)
VERSION := -c 'import sys; print(sys.version_info[:2])'
# An environment is kept, also one that an interrupted installation left, if its Python is supported, and the one that
# PYTHON= names if it is given, unless pins have changed.
SAME = $(if $(filter file,$(origin PYTHON)),true,test "$$($(BIN)/python $(VERSION))" = "$$($(PYTHON) $(VERSION))")
FITS = $(BIN)/python -m pip --version && $(BIN)/python -c 'import sys; sys.exit(not $(SUPPORTED))' && $(SAME)
KEPT = $(if $(and $(wildcard $(RUNTIME)),$(filter requirements/%,$?)),false,$(FITS))

$(RUNTIME): requirements/runtime.txt pyproject.toml
	@{ $(KEPT); } > /dev/null 2>&1 || $(PYTHON) -c 'import sys; sys.exit(0 if $(SUPPORTED) else "Expected Python 3.11, 3.12 or 3.13. Received: Python %d.%d. Choose another one: make $(or $(MAKECMDGOALS),install) PYTHON=python3.12" % sys.version_info[:2])'
	@{ $(KEPT); } > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(INSTALL) --require-hashes -r requirements/runtime.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(INSTALLED): $(RUNTIME) requirements/dev.txt
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

peers: $(PEERS)/installed ## Install other tools and libraries into .venv-peers, which tests run as programs

INSTALL_PEERS := $(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes

$(PEERS)/installed: requirements/peers.txt requirements/peers-weights.txt
	$(PYTHON) -m venv --clear $(PEERS)
	$(INSTALL_PEERS) --no-deps -r requirements/peers.txt
	$(INSTALL_PEERS) --no-deps --no-build-isolation -r requirements/peers-weights.txt \
	  || echo "PyTorch and others that write weights are left out, and their tests skipped: see requirements/peers-weights.in"
	@touch $@

axe: install ## Fetch axe-core with npm into .axe, for tests of the pages
	$(BIN)/python requirements/axe.py

quickstart: $(RUNTIME) ## Generate data, train, score, label and export, in four to seven minutes; installs what that needs
	$(BIN)/python examples/quickstart.py

tutorials: install ## Run the tutorials, and write outputs and pictures into their pages
	$(BIN)/python tests/tutorial_page.py --write

notebooks: install ## Execute the notebooks of examples/notebooks, and store their outputs
	$(BIN)/python tests/executed_notebooks.py

docs: install $(DOCS)/installed ## Build the documentation site into site/
	$(BIN)/python docs/website/write_reference.py
	$(DOCS)/bin/python docs/website/build_site.py

$(DOCS)/installed: requirements/docs.txt
	$(PYTHON) -m venv --clear $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@touch $@

# Files are started in the order of tests/conftest.py: the longest first.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder
SELECT ?= not slow and not exhaustive

test: install ## Run the fast tests, or those that SELECT names: make test SELECT="not exhaustive"
	$(PYTEST) -m "$(SELECT)"

test-slow: install ## Run the tests that train, export, start processes or label large images
	$(PYTEST) -m "slow and not exhaustive"

test-exhaustive: install ## Run the tests that take very long
	$(BIN)/python -m pytest -m exhaustive

lint: install ## Check style, types and import layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: install ## Warn of pinned packages with known advisories, and of yanked releases
	$(BIN)/python requirements/audit.py

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links

lock: ## Pin the newest versions that pyproject.toml allows (needs uv)
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) pyproject.toml -c requirements/runtime.txt --extra gpu -o requirements/gpu.txt
	$(COMPILE) pyproject.toml -c requirements/runtime.txt --extra serve --group image -o requirements/serve.txt
	$(COMPILE) pyproject.toml -c requirements/runtime.txt --group dev -o requirements/dev.txt
	$(COMPILE) --no-emit-package opencv-python requirements/peers.in -o requirements/peers.txt
	$(COMPILE) requirements/docs.in -o requirements/docs.txt
	$(COMPILE) --no-deps -c requirements/peers.txt requirements/peers-weights.in -o requirements/peers-weights.txt

image-check: ## Build the container images without a registry and test them (as root, on Debian or Ubuntu)
	deploy/image_check.sh

clean: ## Remove the environments and all caches, but not runs/
	rm -rf $(VENV) $(PEERS) $(DOCS) .axe site build/website .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
