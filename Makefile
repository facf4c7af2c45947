# make demo   set up, plan, then run the whole job on the embedded default
# make test   set up, then run every test
# make bench  measure this machine: our way against the reference's (ARGS="--only scores" for a part)
# make test-slurm  the tests that need SLURM; installs it where it is missing (Debian)
# make lint   style of programs, rules and prose
# make audit  known vulnerabilities of the pinned packages; needs a network
# make clean  remove the results and the environment

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: setup demo test test-slurm bench lint format audit clean

PYTHON ?= python3
BIN := .venv/bin
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps

setup: .venv/ready

# The lists hold all that is needed, so that pip resolves nothing and installs no file whose hash is not there. Torch comes
# first, in the build that pip's own settings prefer: where hashes are required, pip would pass over it for the index's, of
# gigabytes. Torch for graphics cards needs more than torch for processors only; which it was, pip's check tells.
.venv/ready: requirements.txt requirements-cuda.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("needs Python 3.11 or newer: make PYTHON=...")'
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "needs the venv module: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip download --quiet --no-deps --dest .venv/torch "$$(grep -o '^torch==[^ ]*' requirements.txt)"
	sed -n '/^torch==/,/[^\\]$$/p' requirements.txt > .venv/torch/requirements.txt
	$(INSTALL) --no-index --find-links .venv/torch -r .venv/torch/requirements.txt
	rm -r .venv/torch
	$(INSTALL) -r requirements.txt
	$(BIN)/pip check > /dev/null || $(INSTALL) -r requirements-cuda.txt
	$(BIN)/pip check > /dev/null || { $(BIN)/pip check; exit 1; }
	touch $@

demo: setup
	$(BIN)/snakemake --executor plan --profile profiles/local
	$(BIN)/snakemake --profile profiles/local
	$(BIN)/python scripts/print_summary.py

test: setup
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

bench: setup
	PYTHONPATH=tests:scripts $(BIN)/python -m benchmarks $(ARGS)

test-slurm: setup
	tests/slurm/install.sh
	OMP_NUM_THREADS=1 $(BIN)/pytest -m slurm tests/slurm -n 4 --dist loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check workflow
	$(BIN)/codespell

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt workflow

# What has been found, and why it is no danger here, is in .ci/audit.md.
audit:
	$(PYTHON) -m venv .venv/audit
	.venv/audit/bin/pip install --quiet --disable-pip-version-check pip-audit
	.venv/audit/bin/pip-audit --strict --no-deps --disable-pip -r requirements.txt -r requirements-cuda.txt

clean:
	rm -rf results .venv .snakemake
