# Commands of the project; `make` alone lists them. Every target works from a clean clone: what it needs is installed
# into .venv first, and again once pyproject.toml or constraints.txt has changed.

PYTHON ?= python3
# Pip index for torch alone. Empty: PyPI, whose Linux build brings CUDA along (several GB).
# Without a GPU: make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
# Folder of lake, checkpoints and reports.
HOME_DIR ?= $(or $(ATTN_HOME),data)
PROFILE ?= $(or $(ATTN_PROFILE),demo)
PORT ?= 3000
WORKERS ?= 2
# Of `make night`: what is drawn from, and how many sessions.
SEED ?= 1
DAYS ?= 10

VENV := .venv
BIN := $(VENV)/bin
# Bytecode is left to the first import of what is really used: that halves the time of an installation.
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-compile
# Some tests start processes, each of which would compile 6,000 modules where no bytecode may be kept.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup run ui test test-slow test-all night lint hooks bench bench-factors bench-training bench-portfolio bench-evaluation bench-intraday bench-reports bench-ui bench-backfill docs clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' Makefile

setup: $(VENV)/.run ## make .venv with what `make run` needs; nothing else

run: setup ## run the demo: simulated market, raw tables to reports
	$(BIN)/attn run --profile $(PROFILE) --home $(HOME_DIR)

ui: setup ## open Dagster's UI on the home (PORT=3000)
	$(BIN)/attn ui --home $(HOME_DIR) --port $(PORT)

test: $(VENV)/.dev ## run the suite but for the slow tests
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/.dev ## run the slow tests
	$(PYTEST) -m slow

test-all: $(VENV)/.dev ## run the suite and the slow tests
	$(PYTEST)

night: $(VENV)/.dev ## DAYS sessions by daemon and code server on PostgreSQL, with a fast clock (SEED=…; apt-get install postgresql faketime)
	$(BIN)/python -m attn_platform_tests.end_to_end.night --seed $(SEED) --days $(DAYS)

lint: $(VENV)/.dev ## style, types, and the order of the packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

hooks: $(VENV)/.dev ## lint before each commit from now on
	$(BIN)/pre-commit install

bench: $(VENV)/.dev ## run every benchmark
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

bench-factors: $(VENV)/.dev ## factors beside pandas, numbagg and Qlib, and on HOME_DIR where it is a home (OUT=file)
	$(BIN)/python benchmarks/factors.py $(if $(wildcard $(HOME_DIR)/settings.yaml),--home $(HOME_DIR)) $(if $(OUT),--out $(OUT))

bench-training: $(VENV)/.dev ## every network beside a plain implementation (OUT=file)
	$(BIN)/python benchmarks/training.py $(if $(OUT),--out $(OUT))

bench-portfolio: $(VENV)/.dev ## the weekly solver beside cvxpy, strategies in processes, the simulator (OUT=file)
	$(BIN)/python benchmarks/portfolio.py $(if $(OUT),--out $(OUT))

bench-evaluation: $(VENV)/.dev ## figures of a strategy's forecasts beside alphalens-reloaded (OUT=file)
	$(BIN)/python benchmarks/evaluation.py $(if $(OUT),--out $(OUT))

bench-intraday: $(VENV)/.dev ## one session of bars, trades and snapshots beside pandas and polars (OUT=file)
	$(BIN)/python benchmarks/intraday.py $(if $(OUT),--out $(OUT))

bench-reports: $(VENV)/.dev ## reports of many years, of a new week, of thirty strategies on HOME_DIR (OUT=file)
	$(BIN)/python benchmarks/reports.py $(HOME_DIR) $(if $(OUT),--out $(OUT))

bench-ui: $(VENV)/.dev ## pages of the UI in a browser on HOME_DIR (OUT=file)
	$(BIN)/python benchmarks/ui_pages.py $(HOME_DIR) $(if $(OUT),--out $(OUT))

bench-backfill: $(VENV)/.dev ## a whole backfill on HOME_DIR, of the files in ASHARE where it is new (OUT=file)
	$(BIN)/python benchmarks/backfill.py $(HOME_DIR) $(if $(ASHARE),--folder $(ASHARE)) $(if $(OUT),--out $(OUT))

docs: $(VENV)/.run ## write the generated pages and pictures of docs/ again
	$(BIN)/python docs/make_contract_page.py
	$(BIN)/python docs/make_factor_page.py
	$(BIN)/python docs/make_model_page.py
	$(BIN)/python docs/make_strategy_page.py
	$(BIN)/python docs/make_study_page.py
	$(BIN)/python docs/make_study_pictures.py
	$(BIN)/python -W ignore docs/make_pipeline_picture.py

clean: ## remove virtual environments and caches; data/ stays
	rm -rf $(VENV) .venv-qlib build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# bin/pip and not bin/python: where the system lacks ensurepip, venv leaves a bin/python that is of no use.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one: make setup PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Torch comes alone and pinned, so that its index (or a wheel that pip finds by itself) decides on CPU or CUDA.
$(VENV)/.torch: constraints.txt | $(BIN)/pip
	$(PIP_INSTALL) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' constraints.txt)"
	@touch $@

$(VENV)/.run: $(VENV)/.torch pyproject.toml
	$(PIP_INSTALL) -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml
	$(PIP_INSTALL) -c constraints.txt -e '.[dev]'
	@touch $(VENV)/.run $@
