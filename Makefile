# Every target first makes .venv from requirements.lock; a second time that is a no-op.

PY := .venv/bin/python
UV := $(shell command -v uv 2>/dev/null)
STAMP := .venv/.locked

.DEFAULT_GOAL := help
.PHONY: help setup digest up down test check format dictionary lock

help:            ## what there is
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/: .*##/ —/'

setup: $(STAMP)  ## make .venv with exactly the locked packages

$(STAMP): requirements.lock pyproject.toml
ifdef UV
	@test -x $(PY) || $(UV) venv --quiet --python '>=3.11' .venv
	@$(UV) pip sync --quiet --python $(PY) --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .
else
	@test -x .venv/bin/pip || python3 -m venv .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
endif
	@touch $(STAMP)

digest: setup    ## a digest of the embedded sample day: no network, no key
	@.venv/bin/broadsheet run --sample --show

up: setup        ## a Prefect server, a worker and all deployments on this machine; again: no-op
	@.venv/bin/broadsheet up

down: setup      ## end what `make up` started
	@.venv/bin/broadsheet down

test: setup      ## all tests
	@$(PY) -m pytest -n auto --dist loadfile

check: setup     ## formatter, linter, strict types, SQL lint, layer rule
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/sqlfluff lint sql
	@.venv/bin/lint-imports

format: setup    ## let the formatters rewrite the code
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .
	@.venv/bin/sqlfluff fix sql

dictionary: setup ## docs/data-dictionary.md, anew from the headers of sql/
	@$(PY) -m broadsheet.dictionary > docs/data-dictionary.md

lock:            ## resolve the newest versions that work together (needs uv)
	@uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	    --generate-hashes --no-annotate --no-header --quiet --upgrade -o requirements.lock
