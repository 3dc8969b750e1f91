# Everything runs from .venv, which is made from the hash-locked requirements-dev.txt at the first use.
PYTHON ?= python3
UV ?= uv

BIN := .venv/bin
INSTALLED := .venv/installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PYTEST := $(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml

# Tests and the demo start hundreds of programs. Each would compile 300 modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-scale image-test test-histories test-oracle faults faults-brokers mutants up bench bench-scale bench-where bench-catalogue bench-reading docs check lint types imports known-faults lock clean bench-lists bench-audit bench-recovery bench-traces bench-signing bench-sizes bench-import

help: ## list what there is
	@awk -F ':.*## ' '/^[.a-z-]+:.*## / { printf "make %-16s%s\n", $$1, $$2 }' Makefile

demo: $(INSTALLED) ## run the whole system on real servers with example data, and check the outcome
	@$(BIN)/scrip demo

test: $(INSTALLED) ## run the tests, without those that take seconds each
	@$(PYTEST)

test-slow: $(INSTALLED) ## run the tests that take seconds each: programs, time limits and random histories
	@$(PYTEST) -m "slow and not scale"

test-scale: $(INSTALLED) ## run the tests that take minutes, or hours: 10,000 random histories are among them
	@$(BIN)/pytest -m scale

image-test: $(INSTALLED) ## build the image and run the Procfile's programs in it, and quick tests on its Python 3.13, as root on Debian
	@$(BIN)/pytest -m scale tests/image

test-histories: $(INSTALLED) ## run 10,000 random histories, a thousand for each of ten seeds (SEED=7 for one of them)
	@$(BIN)/pytest -m scale -n logical --maxprocesses 4 -k "ten_thousand_histories$(if $(SEED), and [$(SEED)])" tests/histories

test-oracle: $(INSTALLED) ## compare 20,000 random invoices with the oracle, 2,000 for each of ten seeds (SEED=7 for one of them)
	@$(BIN)/pytest -m scale -n logical --maxprocesses 4 -k "twenty_thousand_invoices$(if $(SEED), and [$(SEED)])" tests/oracle

faults: $(INSTALLED) ## run the system under faults, by seed (SEED=7), for so long (MINUTES=60), or one of them (FAULT=worker-killed)
	@$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(FAULT),--fault $(FAULT))

faults-brokers: $(INSTALLED) ## run real RabbitMQ, Redis, Sentinel, TLS, PgBouncer, PostgreSQL 15 under faults (SEED=7, MINUTES=1 each, ONLY=RabbitMQ)
	@$(BIN)/python -m tests.other_servers $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),--only "$(ONLY)")

mutants: $(INSTALLED) ## take one safety after the other away, and run the tests that must notice (SEED=7, MINUTES=60, ONLY=lock, LIST=1)
	@$(BIN)/python -m tests.mutants $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),--only "$(ONLY)") $(if $(LIST),--list)

up: $(INSTALLED) ## start Postgres, Valkey, the workers, beat and Flower for development
	@$(BIN)/scrip up

bench: $(INSTALLED) ## measure everything beside baselines, in ten minutes, into docs/bench.json and docs/bench.png
	@$(BIN)/python -m benchmarks

bench-scale: $(INSTALLED) ## measure with 10,000,000 redemptions stored, and memory over 1,000,000 messages
	@$(BIN)/python -m benchmarks --size scale

bench-where: $(INSTALLED) ## measure what each process computes for a thousand requests
	@$(BIN)/python -m benchmarks.processor_time

bench-reading: $(INSTALLED) ## measure the lists and explanations of support with 10,000,000 redemptions stored
	@$(BIN)/python -m benchmarks.reading

bench-catalogue: $(INSTALLED) ## measure pages of 200 among a million vouchers, and generating 100,000 codes
	@$(BIN)/python -m benchmarks.listing
	@$(BIN)/python -m benchmarks.generating

bench-lists: $(INSTALLED) ## measure what the indexes of lists cost redeeming and billing, in ten minutes
	@$(BIN)/python -m benchmarks.list_indexes

bench-traces: $(INSTALLED) ## measure what tracing costs a worker without an SDK of OpenTelemetry
	@$(BIN)/python -m benchmarks.tracing

bench-signing: $(INSTALLED) ## measure what signed messages cost single redemptions, in six minutes
	@$(BIN)/python -m benchmarks.signing

bench-audit: $(INSTALLED) ## measure what the audit of changes costs redeeming, in six minutes
	@$(BIN)/python -m benchmarks.auditing

bench-sizes: $(INSTALLED) ## measure what a redemption, a refused request and an invoice take on the disk, in two minutes
	@$(BIN)/python -m benchmarks.row_sizes

bench-import: $(INSTALLED) ## measure the import of 100,000 coupons and 1,000,000 codes of Stripe, and of a tenth
	@$(BIN)/python -m benchmarks.importing

bench-recovery: $(INSTALLED) ## measure recovery from faults under a steady load, in ten minutes, into docs/recovery.json
	@$(BIN)/python -m benchmarks.recovery

docs: $(INSTALLED) ## write the parts of the documents that are made from the code
	@PYTHONPATH=. $(BIN)/python docs/generate.py

check: lint types imports known-faults ## lint, types, import contracts, and known faults of locked packages

lint: $(INSTALLED)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check .

types: $(INSTALLED)
	@$(BIN)/mypy

imports: $(INSTALLED)
	@$(BIN)/lint-imports --no-logo

known-faults: $(INSTALLED)
	@$(BIN)/python -m tests.deployment.known_faults

lock: ## write requirements.txt and requirements-dev.txt anew (needs uv)
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: install it, or say where it is with UV=…" >&2; exit 1; }
	@$(COMPILE) --extra build -o requirements.txt
	@$(COMPILE) --extra build --extra stack --extra dev --extra guides --extra bench -c requirements.txt -o requirements-dev.txt

clean: ## remove .venv and every cache; the data in .scrip stays
	@rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv: $(INSTALLED) ## install the project and its tools

$(INSTALLED): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Scrip needs Python 3.11 or newer: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Installing into .venv, once …"
	@$(PYTHON) -m venv .venv
	@$(PIP) install --quiet --require-hashes -r requirements-dev.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e . -e clients/python
	@touch $@
