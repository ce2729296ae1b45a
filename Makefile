# Needs make, and Python 3.11 to 3.13 with pip. Everything is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
PEERS := .venv-peers

.DEFAULT_GOAL := help
.PHONY: help install peers quickstart tutorials test test-slow test-exhaustive lint audit lock image-check clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

install: $(INSTALLED) ## Install the environment into .venv

$(INSTALLED): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); sys.exit(0 if ok else "Expected Python 3.11, 3.12 or 3.13. Received: Python %d.%d. Choose another one: make install PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

peers: $(PEERS)/installed ## Install other tools and libraries into .venv-peers, which tests run as programs

INSTALL_PEERS := $(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes

$(PEERS)/installed: requirements/peers.txt requirements/peers-weights.txt
	$(PYTHON) -m venv --clear $(PEERS)
	$(INSTALL_PEERS) --no-deps -r requirements/peers.txt
	$(INSTALL_PEERS) --no-deps --no-build-isolation -r requirements/peers-weights.txt \
	  || echo "PyTorch and others that write weights are left out, and their tests skipped: see requirements/peers-weights.in"
	@touch $@

quickstart: install ## Generate a data set, train, score, label and export, in four to seven minutes
	$(BIN)/python examples/quickstart.py

tutorials: install ## Run the tutorials, and write outputs and pictures into their pages
	$(BIN)/python tests/tutorial_page.py --write

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
	$(COMPILE) --no-deps -c requirements/peers.txt requirements/peers-weights.in -o requirements/peers-weights.txt

image-check: ## Build the container images without a registry and test them (as root, on Debian or Ubuntu)
	deploy/image_check.sh

clean: ## Remove the environments and all caches, but not runs/
	rm -rf $(VENV) $(PEERS) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
