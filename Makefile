# Two commands matter: `make run` (the whole demo) and `make test` (set up, then every check and test).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-color
SHELL  := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Before a command that may be silent for long: a dot every two seconds until the line ends.
TICK   := tick() { while sleep 2; do printf .; done; }; tick & trap "kill $$! 2>/dev/null; echo" EXIT;

# A dot for every line the installer says; everything it said when it failed.
dots = 2>&1 | tee $(VENV)/setup.log | awk '{ printf "."; fflush() } END { print "" }' \
       || { tail -n 20 $(VENV)/setup.log; exit 1; }

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: setup ## start the whole demo: broker, centre, six kits; prints `ready:` with the address
	@exec $(BIN)/zhixing-demo run

test: setup-dev system-packages check ## set up, then every check and every test
	@exec $(BIN)/python -m pytest -n 2

bench: setup-dev system-packages ## print the figures of the README, one JSON object a line
	@exec $(BIN)/python -m bench

drill: setup-dev system-packages ## 300 random kills on each database, then every item is counted (an hour)
	@exec $(BIN)/zhixing-demo drill --database both

check: setup-dev ## style, types, import contracts
	@echo "check: style, types, import contracts"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(TICK) $(BIN)/mypy
	@$(BIN)/lint-imports

format: setup-dev ## let ruff mend what it can
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

setup: $(VENV)/.run
setup-dev: $(VENV)/.dev

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"zhixing: Python 3.11, 3.12 or 3.13 is needed, {sys.version.split()[0]} was found. Remedy: make PYTHON=python3.12 ...")'
	@echo "setup: creating $(VENV)"
	@$(TICK) $(PYTHON) -m venv $(VENV) || { echo "zhixing: python3-venv is missing. Remedy: apt install python3-venv"; exit 1; }

$(VENV)/.run: $(VENV)/bin/python locks/run.txt pyproject.toml hatch_build.py central/web/package-lock.json
	@echo "setup: installing the pinned packages of kit and centre (about a minute)"
	@$(PIP) install --progress-bar off --require-hashes -r locks/run.txt $(dots)
	@echo "setup: building the front-end assets and installing zhixing"
	@$(PIP) install --progress-bar off -v --no-deps --no-build-isolation -e . $(dots)
	@touch $@

$(VENV)/.dev: $(VENV)/.run locks/dev.txt
	@echo "setup: installing the pinned packages of the tests"
	@$(PIP) install --progress-bar off --require-hashes -r locks/dev.txt $(dots)
	@touch $@

system-packages:
	@$(TICK) bash tests/system_packages.sh

lock: ## resolve the dependencies anew (needs uv)
	@for kind in dev run central kit; do \
	  case $$kind in \
	    dev)     what="--extra kit --extra pkcs11 --extra central --group build --group dev";; \
	    run)     what="--extra kit --extra central --group build";; \
	    central) what="--extra central";; \
	    kit)     what="--extra kit";; \
	  esac; \
	  constraint=; [ $$kind = dev ] || constraint="-c locks/dev.txt"; \
	  uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header $$what $$constraint pyproject.toml -o locks/$$kind.txt; \
	done

clean: ## remove the venv and everything built or recorded here
	rm -rf $(VENV) var dist central/web/node_modules central/web/static/vendor central/web/static/geo

.PHONY: help run test bench drill check format setup setup-dev system-packages lock clean
