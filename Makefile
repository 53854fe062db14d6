# Everything a newcomer needs: `make demo` and `make test` set up their own environment.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DOCS_READY := $(VENV)/.docs-ready

.PHONY: demo test docs lint constraints clean

demo: $(READY)
	$(BIN)/mammorisk demo --out demo

test: lint $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal
	$(MAKE) docs

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(DOCS_READY)
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d build/doctrees docs build/site
	@echo "Open build/site/index.html"

# The marker is written last, so an interrupted installation starts again.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("mammorisk needs Python 3.11 or later" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

# Sphinx and its extensions have pins of their own: `make demo` does not need them.
$(DOCS_READY): $(READY) docs/constraints.txt
	$(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --constraint constraints.txt --constraint docs/constraints.txt --editable '.[dev,docs]'
	touch $(DOCS_READY)

constraints: $(READY)
	{ head -n 1 constraints.txt; $(BIN)/uv pip freeze --python $(BIN)/python --exclude-editable; } > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) build demo
