# `make demo` crops the sample data, `make test` runs the tests, `make fuzz` some of them at greater
# length, `make bench` the benchmarks, `make lint` the linter and the type checker, and `make docs`
# brings the documents up to date. Each makes what it needs in .venv; none needs another to have run.
# PYTHON=python3.12 names the interpreter; COMPILED=enabled insists on the compiled core,
# COMPILED=disabled does without.

PYTHON ?= python3
COMPILED ?= auto

venv := .venv
python := $(venv)/bin/python
roicrop := $(venv)/bin/roicrop
in_venv := PATH="$(CURDIR)/$(venv)/bin:$$PATH"
build_requires := $(shell sed -n 's/^requires = \[\(.*\)\]/\1/p' pyproject.toml | tr -d ,)
# The folders too: a file removed changes nothing else.
sources := pyproject.toml meson.build meson.options \
  $(shell find roicrop -name __pycache__ -prune -o ! -name '*.so' -print)

# Built in a folder that stays, so that only what changed is compiled again.
pip_install = $(in_venv) $(python) -m pip install --quiet --no-build-isolation \
  --config-settings=build-dir=$(venv)/build --config-settings=setup-args=-Dcompiled=$(COMPILED)

.PHONY: demo test fuzz bench docs lint format clean

sample := sample_data/features.h5 sample_data/boxes.json

demo: $(venv)/installed
	@mkdir -p demo
	$(roicrop) align $(sample) -o demo/align.h5 --viz demo --channel 4 --overwrite
	$(roicrop) pool $(sample) -o demo/pool.h5 --overwrite
	$(roicrop) show $(sample) -o demo --viz-boxes 2 --both --channel 4 --overwrite
	@echo
	@echo 'The five names on sample_data/badge.png, found by a text detector, are pooled to 7×7 bins.'
	@echo 'demo/align.h5, demo/pool.h5   the tensors: dataset /pooled, one row for each box'
	@echo 'demo/align-box-0.png to -4    where every value came from: bins and sampling points'
	@echo 'demo/both-box-2.png           look here first: RoIPool rounds the edges, RoIAlign does not'

# The compiled core is meant wherever one was installed: should it not load, the tests fail.
test: $(venv)/installed-test
	@if ls $(venv)/lib/python*/site-packages/roicrop/kernels/_compiled.*.so >/dev/null 2>&1; then \
	  ROICROP_TEST_CORE=compiled ROICROP_KERNEL=compiled $(python) -m pytest && \
	  ROICROP_TEST_CORE=numpy ROICROP_KERNEL=numpy $(python) -m pytest -m core; \
	else \
	  ROICROP_TEST_CORE=numpy ROICROP_KERNEL=numpy $(python) -m pytest; \
	fi

# Random crops against the definitions, thousands for each convention: about a quarter of an hour.
fuzz: $(venv)/installed-test
	$(python) -m pytest --hypothesis-profile=fuzz \
	  tests/test_operators.py tests/sampling

bench: $(venv)/installed-bench
	$(python) -m benchmarks

docs: $(venv)/installed-test
	$(python) -m docs.make

lint: $(venv)/installed-test
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy

format: $(venv)/installed-test
	$(python) -m ruff check --fix
	$(python) -m ruff format

clean:
	rm -rf $(venv) build dist demo

$(venv)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and \
	  "roicrop needs Python 3.10 or newer: name one with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(venv)
	$(python) -m pip install --quiet --upgrade pip ninja $(build_requires)
	@touch $@

$(venv)/compiled-$(COMPILED): $(venv)/ready
	@rm -f $(venv)/compiled-*
	@touch $@

$(venv)/installed: $(venv)/compiled-$(COMPILED) $(sources)
	$(pip_install) .
	@touch $@

$(venv)/installed-%: $(venv)/compiled-$(COMPILED) $(sources)
	$(pip_install) '.[$*]'
	@touch $@ $(venv)/installed
