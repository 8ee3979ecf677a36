# make quickstart   see it work          make test    everything that CI checks
# make check        lint, types, imports  make bench   the benchmarks, one JSON line each
# make test-long    what takes minutes each: memory, leaders that move, permissions, lanes on two replicas
# make mutants      changed copies of the code that the tests have to notice, one table (MUTANTS="--only progress")
# make fuzz        damaged records, states, files and settings, thousands of each, other ones every time (FUZZ=100000)
# make docs         docs/settings.md, made from the settings' fields
# make faults       kills, outages, zombies and late writes in their long form, one table at the end (FAULTS="--seed 7 --only zombie")
# make lock         the exact versions with hashes that the images and CI install, again from constraints.txt
#
# Each sets up .venv first, once. Without a GPU on x86 Linux, spare yourself gigabytes of CUDA:
#   make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu
# With LOCKED=1 as CI does: each package by its hash, from .ci/requirements.txt.
.DEFAULT_GOAL := help
SHELL := bash
PYTHON ?= python3
BIN := .venv/bin
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
# --group needs pip 25.1; a new environment may come with an older one.
PIP := $(shell sed -n 's/^pip==/pip==/p' constraints.txt)
# Tests wait more than they compute: half as many processes again as there are cores, each with brokers of its own.
JOBS ?= $(shell n=$$(( ($$(nproc) * 3 + 1) / 2 )); echo $$(( n < 6 ? n : 6 )))
export HF_HUB_OFFLINE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup quickstart test test-long check docs bench rivals faults fuzz mutants lock clean

help:
	@sed -n '1,12s/^# \{0,1\}//p' Makefile

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt .ci/requirements.txt .ci/requirements.alone.txt
	@echo "==> setting up .venv (once; a minute or two)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Driftline needs Python 3.11 or newer: make PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "==> $(TORCH)"
	@$(BIN)/pip install --quiet -c constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
ifdef LOCKED
	@echo "==> driftline and its dependencies, by their hashes in .ci/requirements.txt"
	@$(BIN)/pip install --quiet --no-deps --only-binary :all: --require-hashes -r .ci/requirements.txt
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/pip check > .venv/check.log || ! grep -vf <(sed -n 's/==.*/ /p' .ci/requirements.alone.txt) .venv/check.log
else
	@echo "==> driftline and its dependencies, as pinned in constraints.txt"
	@$(BIN)/python -m pip install --quiet $(PIP)
	@$(BIN)/pip install --quiet -c constraints.txt -e '.[local,train,evaluate,registry,multilingual,image,audio,llm]' --group dev
endif
	@$(BIN)/pip install --quiet --no-deps --only-binary :all: --require-hashes -r .ci/requirements.alone.txt
	@touch $@

quickstart: setup
	@echo "==> driftline quickstart"
	@$(BIN)/driftline quickstart

check: setup
	@echo "==> ruff"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@echo "==> mypy"
	@$(BIN)/mypy
	@echo "==> import direction"
	@$(BIN)/lint-imports --no-logo > .venv/imports.log 2>&1 || { cat .venv/imports.log; exit 1; }

test: check
	@echo "==> examples in docstrings"
	@$(BIN)/pytest -q --doctest-modules streams encoders transfer sinks
	@echo "==> tests"
	@$(BIN)/pytest -q --durations=10 --numprocesses $(JOBS) --dist loadfile -m "not long" tests

fuzz: setup
	@$(BIN)/pytest -q --hypothesis-profile fuzz --timeout 0 tests/fuzz

test-long: setup
	@echo "==> tests that take minutes each"
	@$(BIN)/pytest -q --durations=10 --numprocesses 2 --dist loadfile -m long tests
	@echo "==> lanes on a server with two replicas"
	@DRIFTLINE_TEST_REPLICAS=2 $(BIN)/pytest -q --numprocesses 2 --dist loadfile tests/streams/worker/test_lanes_of_two_workers.py tests/streams/worker/test_many_writers.py

docs: setup
	@$(BIN)/python -m streams.settings_page > docs/settings.md

bench: setup
	@for program in $(filter-out benchmarks/parity% benchmarks/compare% benchmarks/pictures%,$(wildcard benchmarks/*.py)); do echo "==> $$program" >&2; $(BIN)/python $$program || exit 1; done

# Bytewax and Quix Streams for benchmarks/ingest.py, which leaves them out without this.
rivals: .venv-rivals/ready

.venv-rivals/ready: benchmarks/rivals/requirements.txt
	@test -x .venv-rivals/bin/python || $(PYTHON) -m venv .venv-rivals
	@.venv-rivals/bin/pip install --quiet -r $<
	@touch $@

# The hash of torch's CPU build is not in a lock: it comes from an index of PyTorch's own (or a mirror of it: TORCH_INDEX), whose
# files are others than PyPI's. It is installed by its version, before all else, and what only the CUDA build needs is left out.
# Wheels only: what is built from source is built by tools that no lock holds.
LOCK = .venv-lock/bin/uv pip compile --quiet --python-version 3.11 --python-platform linux --only-binary :all: --generate-hashes \
	--no-annotate --no-header -c constraints.txt -c docker/constraints.torch.txt
NO_TORCH = $(foreach name,torch $(shell sed -n 's/==.*//p' docker/constraints.torch.txt),--no-emit-package $(name))
define lock
echo "==> $(1)"; { echo "# $(2) Made by make lock."; $(LOCK) $(3); } > .venv-lock/lock && mv .venv-lock/lock $(1)
endef

lock: .venv-lock/ready
	@$(call lock,.ci/requirements.txt,What CI installs beside torch.,$(NO_TORCH) --all-extras --group dev pyproject.toml)
	@$(call lock,docker/requirements.cpu.txt,What the image for CPUs installs beside torch.,$(NO_TORCH) --extra run pyproject.toml)
	@$(call lock,docker/requirements.cuda.txt,What the image for GPUs installs.,--extra run pyproject.toml)
	@$(call lock,docker/requirements.build.txt,What builds the wheel in the images.,--group build)

.venv-lock/ready: constraints.txt
	@test -x .venv-lock/bin/python || $(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/pip install --quiet -c constraints.txt uv
	@touch $@

faults: setup
	@$(BIN)/python tests/faults/run.py $(FAULTS)

mutants: setup
	@$(BIN)/python tests/mutants/run.py $(MUTANTS)

clean:
	rm -rf .venv .venv-rivals .venv-lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
