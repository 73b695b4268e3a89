# Every recipe of the project: `make help`. Needs GNU make, bash and Python 3.11 or newer.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo serve test check nightly lint fmt bench

export UV_PYTHON_DOWNLOADS := never
export PYTHON
WORKERS ?= 2

bin := .venv/bin
ready := .venv/.keelmark-ready
python_code := $(wildcard src tests scripts benchmarks)
# Compiled kernels live in a folder named by their source (tests/conftest.py does the same).
with_kernels = NUMBA_CACHE_DIR="$$($(bin)/python scripts/numba_cache.py)"

help: ## list the recipes
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(ready): pyproject.toml uv.lock scripts/bootstrap.sh
	@scripts/bootstrap.sh
	@touch $@

setup: $(ready) ## make the environment in .venv, if it is not that of the lock file

demo: $(ready) ## replay the crash of 10 October 2025 into out/demo
	$(with_kernels) $(bin)/keelmark replay oct10 --out out/demo

serve: $(ready) ## run the service on that crash, sixty times as fast, with its dashboard
	$(with_kernels) $(bin)/keelmark serve --data out/serve --replay oct10 --speed 60

test: $(ready) ## every test except the nightly ones
	KEELMARK_HYPOTHESIS="$${KEELMARK_HYPOTHESIS:-ci}" $(bin)/pytest -n $(WORKERS) --dist worksteal

check: lint ## format, lint, types, layers and the fast tests, with few examples each
	KEELMARK_HYPOTHESIS="$${KEELMARK_HYPOTHESIS:-check}" $(bin)/pytest -n $(WORKERS) --dist worksteal -m "not slow and not real_data and not nightly"

nightly: $(ready) ## the tests that take hours: long searches, many kills, many seeds
	KEELMARK_HYPOTHESIS=nightly $(bin)/pytest -n $(WORKERS) --dist worksteal -m nightly --timeout 20000

lint: $(ready) ## format, lint, types and layers, no tests
	$(bin)/ruff format --check $(python_code)
	$(bin)/ruff check $(python_code)
	$(bin)/mypy $(python_code)
	$(bin)/lint-imports --no-logo

fmt: $(ready) ## format the code and apply safe fixes
	$(bin)/ruff format $(python_code)
	$(bin)/ruff check --fix $(python_code)

bench: $(ready) ## measure this machine: a table, and out/bench.json
	@mkdir -p out
	$(with_kernels) $(bin)/keelmark bench --json > out/bench.json.part
	@mv out/bench.json.part out/bench.json
	@$(bin)/python scripts/bench_table.py out/bench.json
