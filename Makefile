# Every verb a person needs. Each does its own set-up first.

PYTHON ?= python3
STAGE ?= dev
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NODE_READY := infrastructure/node_modules/.ready
WHEELS := $(VENV)/wheels
CLIENTS := $(VENV)/clients
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo dev shapes api quick test coverage package clients lint check docs lock bench attack crash erasure deploy destroy clean

help: ## List the verbs.
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: $(READY) $(WHEELS)/requirements.txt $(NODE_READY) ## Install everything below this folder.

$(READY): requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Sluice needs Python 3.11 or newer; this is %s. Name another one: make PYTHON=python3.12 ..." % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@echo "· creating the virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "error: python3 -m venv failed; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "· installing the pinned Python packages (a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# What ships to Lambda, for this machine and for both kinds of functions: infrastructure/packaging.py
# packs from here, without a network, what these requirements ask for.
$(WHEELS)/requirements.txt: $(READY) requirements.txt
	@echo "· fetching the packages that the functions run with"
	@rm -rf $(WHEELS) && mkdir $(WHEELS)
	@for platform in "" "--platform manylinux2014_aarch64" "--platform manylinux2014_x86_64"; do \
		$(BIN)/python -m pip download --quiet --disable-pip-version-check --only-binary :all: \
			--dest $(WHEELS) --requirement requirements.txt $$platform || exit 1; \
	done
	@cp requirements.txt $@

$(NODE_READY): $(READY) infrastructure/package-lock.json
	@echo "· installing the CDK command line"
	@cd infrastructure && npm ci --silent --no-audit --no-fund
	@touch $@

# ARGS passes options on: make demo ARGS="--schema tables/shop.py", make dev ARGS="-c format=parquet"
demo: setup ## Run the whole pipeline on this machine, show what comes out, and check it.
	@$(BIN)/python -m local demo $(ARGS)

dev: setup ## Keep the pipeline running on this machine, with the API on port 8000.
	@$(BIN)/python -m local dev $(ARGS)

# ARGS names some of them: make shapes ARGS="tables/shop.py tables/meters.py"
shapes: setup ## Run the demo for every declaration of tables/, and print one table.
	@$(BIN)/python -m local shapes $(ARGS)

api: setup ## Serve the API with your latest code beside `make dev`, on port 8001.
	@$(BIN)/python -m local api $(ARGS)

# It keeps compiled code, below the virtual environment, because compiling is a third of its time.
quick: setup ## Run the tests that need no stack.
	@PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX=$(CURDIR)/$(VENV)/pycache \
		$(BIN)/pytest -q -n 2 -m "not slow" $(ARGS)

test: setup ## Run the tests.
	@$(BIN)/pytest -n 2 $(ARGS)

coverage: setup ## Run the tests and print what they do not reach.
	@$(BIN)/pytest -n 2 --cov --cov-report=term:skip-covered $(ARGS)

package: setup ## Prove that the package runs in an empty environment, with what it declares.
	@$(BIN)/pytest tests/test_package.py $(ARGS)

clients: setup $(CLIENTS)/.ready ## Run other programs against the local stack (installs them first: 630 MB).
	@$(BIN)/pytest tests/end_to_end/test_clients.py $(ARGS)

$(CLIENTS)/.ready: $(READY) requirements-clients.txt
	@$(BIN)/python -m venv --clear $(CLIENTS)
	@$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-clients.txt
	@touch $@

lint: setup ## Lint, types, who imports whom, workflows, and documents that derive from the code.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/node infrastructure/actionlint.mjs .github/workflows/*.yml
	@$(BIN)/python -m docs.generate --check

check: lint test ## All that must hold before a commit.

docs: setup ## Write the documents that derive from the code.
	@$(BIN)/python -m docs.generate

# ARGS passes options on: make lock ARGS="--upgrade-package rich"
lock: setup ## Write the requirements of development, with all that they need and its hashes.
	@for name in dev bench attack clients; do \
		$(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
			--no-header --no-annotate --no-emit-index-url $(ARGS) \
			--output-file requirements-$$name.txt requirements-$$name.in || exit 1; \
	done

# ARGS narrows it: make bench ARGS="--only transform --quick"
bench: setup ## Measure against peers and targets (installs the peers first).
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	@$(BIN)/python -m checks.benchmarks $(ARGS)

# ARGS passes options on: make attack ARGS="--seconds 600 transform"
attack: setup ## Attack whatever reads others' bytes (installs the fuzzer first).
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary atheris -r requirements-attack.txt \
		|| { echo "error: the fuzzer atheris has wheels for Python 3.11 to 3.14 on Linux (x86-64) alone; tests/checks/attacks needs none"; exit 1; }
	@$(BIN)/python -m checks.attacks $(ARGS)

# ARGS passes options on: make crash ARGS="--changes 3000"
crash: setup ## Kill a compaction of 100,000 changes five times, and compare what is left.
	@$(BIN)/python -m checks.crash $(ARGS)

# ARGS passes options on: make erasure ARGS="--changes 3000"
erasure: setup ## Erase 100 keys of 50,000 changes, killed three times, and search every byte of what is left.
	@$(BIN)/python -m checks.erasure $(ARGS)

deploy: setup ## Deploy to AWS (STAGE=dev).
	@cd infrastructure && npx cdk deploy -c stage=$(STAGE)

destroy: setup ## Destroy what `make deploy` made (STAGE=dev), or with TARGET=local what `make dev` did.
ifeq ($(TARGET),local)
	@$(BIN)/python -m local destroy $(ARGS)
else
	@cd infrastructure && npx cdk destroy -c stage=$(STAGE)
endif

clean: ## Remove everything that was installed or built.
	rm -rf $(VENV) infrastructure/node_modules infrastructure/cdk.out chalice.out build .coverage .coverage.* \
		.chalice/deployments .chalice/deployed .mypy_cache .ruff_cache .pytest_cache .hypothesis .attacks *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
