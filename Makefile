# What a developer types.  `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
GO     ?= go
QUIET  := --quiet --disable-pip-version-check --require-hashes
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
           --generate-hashes --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help env up test e2e lint fmt audit crds shim lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: $(READY) ## the environment in .venv, from the hashed lock; nothing to do when up to date

# Python alone is needed: pip comes with venv and fetches uv, uv the rest (seconds instead of a
# minute).  Where only pip is set up for the network's mirror, pip does it all.  The build backend is in
# the lock too, so nothing is installed whose hash is not in the repository.
$(READY): requirements/dev.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ostiary needs Python 3.11 or newer; this is %s. Name another: make env PYTHON=python3.12" % sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "This Python has no venv module (Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@echo "Installing the locked environment into $(VENV)" >&2
	@$(BIN)/python -m pip install $(QUIET) -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt || \
		$(BIN)/python -m pip install $(QUIET) -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

up: env ## examples/quickstart on this machine: endpoints, a token, a real call; Ctrl-C ends it
	@$(BIN)/ostiary up examples/quickstart --call time get_current_time timezone=Europe/Paris

test: env ## unit tests, the shim's, and tests against a real API server
	cd proxy/shim && $(GO) vet ./... && $(GO) test ./...
	$(BIN)/pytest

e2e: env ## tests on a real node (root), or against any KUBECONFIG
	$(BIN)/pytest e2e

lint: env ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: env ## let ruff put code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

audit: env ## known vulnerabilities of what the locks name
	.ci/audit $(BIN)/python $(wildcard requirements/*.txt)

crds: env ## write crds/ and the chart's copy of it from the models
	$(BIN)/python -m ostiary_operator.crdgen crds/
	cp crds/*.yaml charts/ostiary-crds/files/

shim: ## the stdio shim, a static binary, in build/shim
	cd proxy/shim && CGO_ENABLED=0 GOOS=linux $(GO) build -trimpath -ldflags '-s -w' -o ../../build/shim .

lock: ## write requirements/ anew from pyproject.toml
	$(COMPILE) --group tools -o requirements/uv.txt
	$(COMPILE) pyproject.toml --constraint requirements/uv.txt --extra operator --extra proxy --extra cli --group dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml --constraint requirements/dev.txt --extra operator -o requirements/operator.txt
	$(COMPILE) pyproject.toml --constraint requirements/dev.txt --extra proxy -o requirements/proxy.txt
	$(COMPILE) pyproject.toml --constraint requirements/dev.txt --extra cli -o requirements/cli.txt
	@! grep -n '://' requirements/*.txt

clean: ## remove what make made here
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
