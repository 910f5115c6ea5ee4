# Two commands on a fresh machine with python3 (3.11 or newer): `make find` and `make test`.
# Everything is installed into .venv, from the versions in constraints.txt, and only once: the
# stamps are newer than the files that decide what is installed.
PYTHON ?= python3
JOBS ?= 2
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DECIDES := setup.cfg pyproject.toml constraints.txt

.PHONY: help find test test-all lint format clean
.DELETE_ON_ERROR:

help:
	@echo "make find      install, then find and model lenses in the example images"
	@echo "make test      install, then run the tests"
	@echo "make test-all  the slow tests too"
	@echo "make lint      ruff check and ruff format --check"
	@echo "make format    ruff format, and what ruff can mend"
	@echo "make clean     remove .venv and everything that was built or written here"

find: .venv/.installed
	$(BIN)/lensfinder example --output out --overwrite

test: .venv/.installed-test
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

test-all: .venv/.installed-test
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile -m ""

lint: .venv/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build dist out *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "lensfinder needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed: $(DECIDES) | $(BIN)/python
	@echo "Installing lensfinder and what it needs into .venv (a few minutes, once)"
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

.venv/.installed-test: $(DECIDES) | $(BIN)/python
	@echo "Installing lensfinder, what it needs and what its tests need into .venv"
	$(PIP) install --constraint constraints.txt --editable '.[test]'
	@touch $@
