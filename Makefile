# `make` prints what there is. Everything runs in .venv, which `make setup` makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
IMAGE ?= image-classification-trainer
DOCKER ?= docker
TARGET ?= cpu
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' trainer/__init__.py)
LABEL := org.opencontainers.image
LABELS = --label $(LABEL).version=$(VERSION) --label $(LABEL).revision=$$(git rev-parse HEAD)
LOCK_FLAGS ?=
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $(LOCK_FLAGS)
LOCK_IMAGE := $(LOCK) --extra beam --extra serve --extra tune --excludes requirements/left-out.in
.DEFAULT_GOAL := help

.PHONY: help setup smoke test test-slow test-browser test-container benchmark check lint type format image sbom audit lock clean

help:  ## Print this list
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

setup: $(VENV)/ready $(VENV)/kernels  ## Make .venv with everything that is needed, from the lock file

$(VENV)/ready: requirements/dev.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12) and "Python 3.11 or 3.12 is needed, this is " + sys.version.split()[0] + "; give another one as: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@touch $@

$(VENV)/kernels: $(VENV)/ready scripts/build_kernels.py $(wildcard trainer/data/kernels/*.h trainer/data/kernels/*.cc)
	$(BIN)/python scripts/build_kernels.py
	@touch $@

smoke: setup  ## Make a small real data set, convert, train, export, predict: 2 to 7 minutes
	rm -rf smoke
	PYTHONPATH=. $(BIN)/python scripts/smoke.py --work_dir=smoke

test: setup  ## Run the tests that need no network, GPU, root or Docker
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal

test-slow: setup  ## Run the tests that train for minutes or build the largest models
	$(BIN)/python -m pytest -m slow

test-browser: setup  ## Run the tests of the page of `serve` in headless Chromium
	$(BIN)/python -m pytest -m browser

test-container: setup  ## Build the image and run it: needs Docker, or Debian's docker.io and mmdebstrap as root
	$(BIN)/python -m pytest -m container $(PYTEST)

benchmark: setup  ## Run all benchmarks on IMAGES_DIR (train/, validation/ of class folders): hours
	PYTHONPATH=. $(BIN)/python benchmarks/suite.py --images_dir=$(IMAGES_DIR)

check: lint type test  ## Run all that a change has to pass

lint: setup  ## Check style, formatting, and which way imports run
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

type: setup  ## Check types
	$(BIN)/mypy

format: setup  ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

image:  ## Build the Docker image; TARGET=gpu or tpu builds those
	$(DOCKER) build --target $(TARGET) --tag $(IMAGE) $(LABELS) $(BUILD_FLAGS) .

sbom:  ## Write build/sbom.json: what is in the image, as CycloneDX
	@mkdir -p build
	$(DOCKER) run --rm --network=none --volume="$(CURDIR)/scripts:/scripts:ro" --entrypoint=python $(IMAGE) /scripts/sbom.py > build/sbom.json

audit: setup  ## Look for known vulnerabilities; fails where no list of them is reached
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/$(TARGET).txt

lock:  ## Resolve requirements/*.txt and benchmarks/peers/*.txt anew; needs uv
	$(LOCK_IMAGE) --overrides requirements/cpu-overrides.in --output-file requirements/cpu.txt setup.py requirements/cpu.in
	$(LOCK_IMAGE) --output-file requirements/gpu.txt setup.py requirements/gpu.in
	$(LOCK_IMAGE) --excludes requirements/tpu-left-out.in --output-file requirements/tpu.txt setup.py requirements/tpu.in
	$(LOCK) --extra dev --output-file requirements/dev.txt setup.py
	$(LOCK) --output-file benchmarks/peers/torch.txt benchmarks/peers/torch.in
	$(LOCK) --output-file benchmarks/peers/models.txt benchmarks/peers/models.in

clean:  ## Remove .venv, caches and what smoke wrote
	rm -rf $(VENV) smoke build trainer/data/kernels/*.so .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
