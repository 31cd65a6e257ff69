# Two commands on a fresh machine: `make demo` makes loops, `make test` runs the tests. Each sets itself up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt

.PHONY: demo test quick lint page-lint page-test types check clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e ".[studio,export]"
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) -e ".[studio,export,log,dev]"
	touch $@

demo: $(VENV)/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/demo.sh

# The studio's page has a linter and unit tests of its own. They need node, which the package does not.
NODE := $(shell command -v npm)

ifdef NODE
node_modules/installed: package.json package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	touch $@

page-lint: node_modules/installed
	npm run --silent lint

page-test:
	npm run --silent test
else
page-lint page-test:
	@echo "no node and npm on this machine: the studio's JavaScript was not checked. Install Node.js 18.19 or later (Debian: apt-get install nodejs npm)."
endif

test: $(VENV)/installed-dev page-test
	$(BIN)/python -m pytest

quick: $(VENV)/installed-dev page-test
	$(BIN)/python -m pytest -m "not slow"

lint: $(VENV)/installed-dev page-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

check: lint types test

clean:
	rm -rf $(VENV) node_modules demo build dist .pytest_cache .mypy_cache .ruff_cache
