# `make` prints what there is. Everything runs in .venv, which `make setup` makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
IMAGE ?= image-classification-trainer
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
LOCK_IMAGE := $(LOCK) --extra beam --extra serve --extra tune --excludes requirements/left-out.in
.DEFAULT_GOAL := help

.PHONY: help setup smoke test test-slow test-browser check lint type format image lock clean

help:  ## Print this list
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

setup: $(VENV)/ready  ## Make .venv with everything that is needed, from the lock file

$(VENV)/ready: requirements/dev.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12) and "Python 3.11 or 3.12 is needed, this is " + sys.version.split()[0] + "; give another one as: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@touch $@

smoke: setup  ## Make a small real data set, convert, train, export, predict: 2 to 7 minutes
	rm -rf smoke
	PYTHONPATH=. $(BIN)/python scripts/smoke.py --work_dir=smoke

test: setup  ## Run the tests that need no network, GPU, root or Docker
	$(BIN)/python -m pytest

test-slow: setup  ## Run the tests that train for minutes or build the largest models
	$(BIN)/python -m pytest -m slow

test-browser: setup  ## Run the tests of the page of `serve` in headless Chromium
	$(BIN)/python -m pytest -m browser

check: lint type test  ## Run all that a change has to pass

lint: setup  ## Check style, formatting, and which way imports run
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

type: setup  ## Check types
	$(BIN)/mypy

format: setup  ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

image: ## Build the Docker image
	docker build --tag $(IMAGE) .

lock:  ## Resolve requirements/*.txt anew from setup.py; needs uv
	$(LOCK_IMAGE) --overrides requirements/cpu-overrides.in --output-file requirements/cpu.txt setup.py requirements/cpu.in
	$(LOCK_IMAGE) --output-file requirements/gpu.txt setup.py requirements/gpu.in
	$(LOCK_IMAGE) --excludes requirements/tpu-left-out.in --output-file requirements/tpu.txt setup.py requirements/tpu.in
	$(LOCK) --extra dev --output-file requirements/dev.txt setup.py

clean:  ## Remove .venv, caches and what smoke wrote
	rm -rf $(VENV) smoke build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
