# `make` alone lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-appliance lint bench torture wheel deb docs clean

BIN := .venv/bin
PINS := pyproject.toml constraints.txt scripts/setup tests/peers_js/package-lock.json tests/peers_mlserver/requirements.txt

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.installed-run ## install what is missing; afterwards .venv/bin/jaitf-edge exists
	@echo "The environment is ready: $(BIN)/jaitf-edge"

demo: .venv/.installed-run ## a whole simulated lane with its console page; ARGS="--seconds 60" and the like
	@$(BIN)/jaitf-edge demo $(ARGS)

test: .venv/.installed-test ## the whole test suite, against real peers
	@scripts/test $(ARGS)

lint: .venv/.installed-lint ## format, style, types, and which package may import which
	@status=0; \
	for each in "ruff check ." "ruff format --check ." "mypy -p edge -p drivers -p inference" lint-imports; do \
		echo "==> $$each"; $(BIN)/$$each || status=1; \
	done; exit $$status

bench: .venv/.installed-run ## measure beside floors and peers, into docs/benchmarks.md; ARGS="--only scan,modbus" and the like
	@$(BIN)/python -m benchmarks $(ARGS)

torture: .venv/.installed-test ## kills, stalls, full disks, for as long as you like: ARGS="--trials 1000 --seed 7"
	@$(BIN)/python -m tests.torture $(ARGS)

wheel: .venv/.installed-run ## the Python package, into dist/
	@scripts/wheel

deb: .venv/.installed-run ## the package for Debian 12, into dist/; ARCH=arm64 for the other architecture
	@scripts/deb $(or $(ARCH),amd64)

test-appliance: .venv/.installed-appliance ## as root: the package on a Debian 12 that boots, with systemd
	@scripts/test-appliance $(ARGS)

docs: .venv/.installed-docs ## the documentation as pages, into .cache/site; ARGS=--serve shows them
	@$(BIN)/python scripts/docs.py $(ARGS)

clean: ## remove the environment and every cache
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info

.venv/.installed-%: $(PINS)
	@scripts/setup $*
