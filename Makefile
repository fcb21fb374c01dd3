# LOCK=requirements/dev.txt installs the very files that our CI was last tested with, by their hashes.
# A fresh clone needs Python 3.11 or newer and make: every target does its own set-up.
#   make demo       from raw logs to a forecast and a figure (about a minute)
#   make test       the test suite
#   make lint       ruff and pyright
#   make check      refit the certified fits
#   make structure  modules, floors, circles, lines of code
#   make docs       build the documentation site into build/site/html
#   make wheel      build the wheel into dist/
#   make clean      remove what these made

PYTHON ?= python3
VENV ?= .venv
SHELL := bash
STAMP := $(VENV)/installed
export PATH := $(abspath $(VENV)/bin):$(PATH)

.PHONY: help demo test lint format check structure docs lock wheel clean
help:
	@sed -n '3,10s/^# *//p' Makefile

# Installed once, and again when pyproject.toml changes. Dependency groups need pip 25.1.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.13 ...")'
	@echo "Installing into $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@python -m pip install --quiet --disable-pip-version-check $(if $(LOCK),--require-hashes --requirement $(LOCK),--editable . --group dev)
	@$(if $(LOCK),python -m pip install --quiet --disable-pip-version-check --no-deps --editable .,true)
	@touch $@

demo: $(STAMP)
	@rm -rf demo && mkdir -p demo
	scaling ingest data/ladder/runs/*.csv --meta data/ladder/runs.csv --store demo/store
	@echo
	scaling fit demo/store --where 'role == "fit"' -o demo/fit.json
	@echo
	python examples/heldout.py > demo/heldout.csv
	scaling predict --fit demo/fit.json --points demo/heldout.csv
	@echo
	scaling plot demo/fit.json --kind loss --measured demo/heldout.csv -o demo/ladder.png

test: $(STAMP)
	python -m pytest -n 2 --dist worksteal

lint: $(STAMP)
	ruff check .
	ruff format --check .
	pyright --pythonpath $(VENV)/bin/python

format: $(STAMP)
	ruff check --fix .
	ruff format .

check: $(STAMP)
	scaling check

structure: $(STAMP)
	@python tests/structure.py

docs: $(STAMP)
	@$(if $(LOCK),true,python -m pip install --quiet --disable-pip-version-check --group docs)
	rm -rf build/site
	PYTHONPATH=tests python tests/site_pages.py build/site
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --config-file build/site/mkdocs.yml

# What CI installs: every release of every dependency, on every Python and platform, with hashes.
lock: $(STAMP)
	@python -m pip install --quiet --disable-pip-version-check uv
	uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --quiet --no-header \
	    --group dev --group docs pyproject.toml --output-file requirements/dev.txt

wheel: $(STAMP)
	rm -rf dist
	python -m hatchling build --target wheel

clean:
	rm -rf $(VENV) dist build demo .pytest_cache .ruff_cache .hypothesis
