# `make demo` crops the sample data, `make test` runs the tests, `make fuzz SECONDS=600` attacks roicrop
# with damaged files, `make sanitize` runs the kernel's tests under sanitizers, `make bench` runs the
# benchmarks, `make lint` the linter and the type checkers, and `make docs` brings the documents up to
# date. `make wheel` builds a wheel and tests it as installed. Each target makes what it needs and can be
# run first. PYTHON=python3.12 names the interpreter; COMPILED=enabled requires the compiled core,
# COMPILED=disabled leaves it out.
#
# .venv has an editable install: programs that run in the checkout import ./roicrop, and only the loader
# of an editable install finds the compiled core for it; the loader compiles the core again if a source
# has changed. .venv-user has the wheel, as a user does.

PYTHON ?= python3
COMPILED ?= auto
SECONDS ?= 60

venv := .venv
python := $(venv)/bin/python
built := $(venv)/build-$(COMPILED)
user := .venv-user
user_python := $(user)/bin/python
tsc := $(venv)/node_modules/.bin/tsc
prettier := $(venv)/node_modules/.bin/prettier --print-width 100
in_venv := PATH="$(CURDIR)/$(venv)/bin:$$PATH"
build_requires := $(shell sed -n 's/^requires = \[\(.*\)\]/\1/p' pyproject.toml | tr -d ,)
compiled_option := --config-settings=setup-args=-Dcompiled=$(COMPILED)
# Folders are listed too: removing a file changes only its folder's time.
sources := pyproject.toml meson.build meson.options \
  $(shell find roicrop -name __pycache__ -prune -o ! -name '*.so' -print)
# Wherever the compiled core was built, it is required: if it does not load, the run fails.
core = $(if $(shell find $(built) -name '_compiled.*.so'),compiled,numpy)
run = ROICROP_KERNEL=$(core) $(python)
from_here := ROICROP_TEST_FROM=$(CURDIR)/roicrop

.PHONY: demo about-demo test fuzz sanitize bench docs lint lint-page format wheel clean

sample := sample_data/features.h5 sample_data/boxes.json
bins := --convention detectron2 --output-size 3
roicrop := $(user)/bin/roicrop

demo: about-demo $(user)/installed-$(COMPILED)
	@mkdir -p demo
	$(roicrop) align $(sample) -o demo/align.h5 $(bins) --viz demo --channel 4 --overwrite
	$(roicrop) pool $(sample) -o demo/pool.h5 --output-size 3 --overwrite
	$(roicrop) show $(sample) -o demo $(bins) --box 1 --both --channel 4
	@echo
	@echo 'Five names on sample_data/badge.png, which a text detector found, pooled to 3×3 bins. Look at'
	@echo '  demo/both-box-1.png         first: RoIPool moves the box to whole cells, RoIAlign does not'
	@echo '  demo/align-box-0.png to -4  each box on the photograph, on the map, and its pooled values'
	@echo '  demo/align.h5, demo/pool.h5 the tensors: dataset /pooled, one row for each box'
	@echo 'Then activate the environment and try a command of your own:'
	@echo '  . $(user)/bin/activate && roicrop --help'

about-demo:
	@echo 'Installing roicrop in $(user) (about a minute the first time), then cropping the sample data.'

test: $(venv)/installed-test
	$(from_here) ROICROP_KERNEL=$(core) $(python) -m pytest
	$(if $(filter compiled,$(core)),$(from_here) ROICROP_KERNEL=numpy $(python) -m pytest -m core)

# Damaged files through the command line, and random crops through both cores.
fuzz: $(venv)/installed-test
	$(run) -m tests.fuzz --seconds $(SECONDS)
	$(from_here) ROICROP_MOMENTS=50 $(run) -m pytest tests/job/test_batch_killed.py

# The kernel tests under the address, undefined-behaviour and thread sanitizers, at every vector level.
sanitize: $(venv)/installed-test
	$(in_venv) $(python) tests/kernels/sanitize.py

bench: $(venv)/installed-bench
	ROICROP_KERNEL=compiled $(python) -m benchmarks

docs: $(venv)/installed-test
	$(run) -m docs.make

lint: $(venv)/installed-test
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory lint-page; \
	else echo 'There is no npm here: the JavaScript of roicrop/explorer is not checked'; fi

# The JavaScript: checks the types in its comments, and its formatting.
lint-page: $(tsc)
	$(tsc) --project tests/explorer/tsconfig.json
	$(prettier) --check --log-level warn roicrop/explorer/*.js

$(tsc):
	npm install --silent --no-save --no-package-lock --prefix $(venv) typescript@7.0.2 prettier@3.10.1

format: $(venv)/installed-test
	$(python) -m ruff check --fix
	$(python) -m ruff format

# Tested in another folder, where there is no ./roicrop to import by mistake.
wheel: $(user)/installed-$(COMPILED)
	$(PYTHON) -m tests.wheel $(user)/dist/roicrop-*.whl
	$(user_python) -m pip install --quiet "$$(echo $(user)/dist/roicrop-*.whl)[test]"
	rm -rf $(user)/away && mkdir $(user)/away
	cp -r pyproject.toml tests sample_data $(user)/away
	cd $(user)/away && ROICROP_TEST_FROM=$(CURDIR)/$(user)/lib ../bin/python -m pytest tests/cli

clean:
	rm -rf $(venv) $(user) build dist demo

$(venv)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and \
	  "roicrop needs Python 3.10 or newer: name one with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(venv)
	$(python) -m pip install --quiet --upgrade pip ninja $(build_requires)
	@touch $@

$(venv)/compiled-$(COMPILED): $(venv)/ready
	@rm -f $(venv)/compiled-* $(venv)/installed-*
	@touch $@

$(venv)/installed-%: $(venv)/compiled-$(COMPILED) pyproject.toml roicrop/VERSION
	$(in_venv) $(python) -m pip install --quiet --no-build-isolation \
	  --config-settings=build-dir=$(built) $(compiled_option) --editable '.[$*]'
	@touch $@

$(user)/installed-$(COMPILED): $(sources)
	$(PYTHON) -m venv --clear $(user)
	$(user_python) -m pip wheel --quiet --no-deps --wheel-dir $(user)/dist $(compiled_option) .
	$(user_python) -m pip install --quiet $(user)/dist/roicrop-*.whl
	@touch $@
