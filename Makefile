# Every target makes the virtual environment if it is not there yet.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.docs-installed
KERNELS := $(VENV)/.kernels-compiled
SLOW_KERNELS := $(VENV)/.slow-kernels-compiled
# Byte code is kept even where the environment says otherwise: each process would compile all modules.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help install demo test slow check bench accuracy reproduce docs site clean

help:
	@echo "make demo       set up, then walk the built-in synthetic earthquake from layers to report"
	@echo "make test       set up, then run the tests that every change needs"
	@echo "make slow       the tests that are slow by nature; a plain pytest runs both"
	@echo "make check      ruff and mypy (strict)"
	@echo "make bench      speed against peers, as ratios measured in the same run"
	@echo "make accuracy   how the models compare on the same splits and inputs; hours"
	@echo "make reproduce  the paper's experiments on both studies; hours with SCALE=paper"
	@echo "make docs       the generated pages of docs/, then the site"
	@echo "make site       the documentation's site in site/, for reading offline"
	@echo "make clean      remove the environment and everything generated"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (a few minutes the first time) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "shakeslide needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all,dev]'
	@touch $@

$(DOCS_STAMP): $(STAMP)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all,dev,docs]'
	@touch $@

demo: $(STAMP)
	@$(BIN)/shakeslide demo

# Compiled once for both processes of the tests; what fails here fails in a test, which says more.
$(KERNELS): $(STAMP) $(shell find src -name '*.py')
	@echo "Compiling the kernels ..."
	-@OMP_WAIT_POLICY=passive $(BIN)/python -m tests.kernels
	@touch $@

$(SLOW_KERNELS): $(KERNELS)
	-@OMP_WAIT_POLICY=passive $(BIN)/python -m tests.kernels --slow
	@touch $@

# Two processes of one thread each, the one that is done first takes tests from the other; the slowest are listed.
PYTEST := OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal --durations=10 --durations-min=5

test: $(KERNELS)
	@$(PYTEST) -m "not slow"

slow: $(SLOW_KERNELS)
	@$(PYTEST) -m slow

check: $(STAMP)
	@$(BIN)/ruff format --check src tests benchmarks docs
	@$(BIN)/ruff check src tests benchmarks docs
	@$(BIN)/mypy

bench: $(STAMP)
	@$(BIN)/python -m benchmarks

# Kashmir's data are looked for beside the checkout; the synthetic earthquakes need none.
OTHER_GROUND := --models "rf 14" "lr 14" "sae 14" "lgbm 14" "best 14" "rf all" "sae all" "lgbm all" "best all"
accuracy: $(STAMP)
	@OMP_WAIT_POLICY=passive $(BIN)/python -m benchmarks.accuracy --protocol block
	@OMP_WAIT_POLICY=passive $(BIN)/python -m benchmarks.accuracy --protocol pixel
	@OMP_WAIT_POLICY=passive $(BIN)/python -m benchmarks.accuracy --protocol halves $(OTHER_GROUND)
	@OMP_WAIT_POLICY=passive $(BIN)/python -m benchmarks.accuracy --ground loma $(OTHER_GROUND)
	@OMP_WAIT_POLICY=passive $(BIN)/python -m benchmarks.accuracy --ground 61 --splits 5 $(OTHER_GROUND)
	@OMP_WAIT_POLICY=passive $(BIN)/python -m benchmarks.accuracy --ground 62 --splits 5 $(OTHER_GROUND)

reproduce: $(STAMP)
	@OMP_WAIT_POLICY=passive $(BIN)/python -m benchmarks.paper --scale $(or $(SCALE),quick)

docs: $(DOCS_STAMP)
	@test -f demo/run/report.html || $(MAKE) demo
	@$(BIN)/python docs/build.py
	@$(MAKE) --no-print-directory site

site: $(DOCS_STAMP)
	@OMP_WAIT_POLICY=passive $(BIN)/python -m sphinx -W --keep-going -q -b html -d build/doctrees docs site
	@echo "$(CURDIR)/site/index.html"

clean:
	rm -rf $(VENV) demo build dist site docs/gallery .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
