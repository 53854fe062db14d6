# Everything a newcomer needs: `make demo` and `make test` set up their own environment in .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
# Written last, so that an interrupted installation starts again.
RUN_READY := $(VENV)/.run-ready
READY := $(VENV)/.ready
DOCS_READY := $(VENV)/.docs-ready
INSTALL = $(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --constraint constraints.txt
# What test-fast runs: under 90 s on 2 cores.
FAST := tests/_utils tests/clinical tests/metrics tests/policy tests/records tests/io tests/networks tests/test_errors.py

.PHONY: help demo test test-fast test-timed test-installs coverage format lint docs constraints clean

help:
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(RUN_READY)  ## install, simulate a study, predict, write a page of results
	$(BIN)/mammorisk demo --out demo

test: lint $(READY)  ## every check, every test, and the documentation
	$(BIN)/python -m pytest -n 2 --dist worksteal
	$(MAKE) docs

test-fast: $(READY)  ## the tests that take seconds
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(FAST)

test-timed: $(READY)  ## limits on wall-clock time; needs an idle machine
	$(BIN)/python -m pytest -m timed

test-installs: $(READY)  ## the small install, the oldest and the newest dependencies, the bill of materials
	$(BIN)/nox -s small lowest newest
	$(BIN)/nox -s sbom -- clinic

coverage: $(READY)  ## every test with coverage, child processes included
	mkdir -p build/coverage
	$(BIN)/python -m coverage erase
	-$(BIN)/python -m coverage run -m pytest -n 2 --dist worksteal
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage html -q
	$(BIN)/python -m coverage report

format: $(READY)  ## rewrite the code in the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: $(READY)  ## style, types, import rules, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

docs: $(DOCS_READY)  ## build the documentation into build/site
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d build/doctrees docs build/site
	@echo "Open build/site/index.html"

# What users get with mammorisk[networks], in the tested versions.
$(RUN_READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("mammorisk needs Python 3.11 or later" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(INSTALL) --editable '.[networks]'
	touch $@

$(READY): $(RUN_READY)
	$(INSTALL) --editable '.[dev]'
	touch $@

# Sphinx and its extensions have pins of their own: `make demo` does not need them.
$(DOCS_READY): $(READY) docs/constraints.txt
	$(INSTALL) --constraint docs/constraints.txt --editable '.[dev,docs]'
	touch $@

# One lock for every Python from 3.11.0 on and every platform. UPGRADE=--upgrade takes the newest.
constraints: $(READY)  ## lock the versions of everything but the documentation's tools
	$(BIN)/uv pip compile --quiet --system-certs --universal --python-version 3.11.0 --extra dev --no-annotate \
		--no-emit-index-url --custom-compile-command "make constraints" $(UPGRADE) --output-file constraints.txt pyproject.toml

clean:
	rm -rf $(VENV) .nox build demo
