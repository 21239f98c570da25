# pairwright: `make demo` goes from a bare clone to a trained, measured model; `make test` checks everything.
# Needs Python 3.11 and a Python package index, nothing else: no root, no Java, no GPU.

PYTHON ?= $(shell command -v python3.11 || command -v /usr/bin/python3.11 || command -v python3)
PAIRWRIGHT_MODELS ?= $(CURDIR)/.models
export PAIRWRIGHT_MODELS

VENV := .venv
BIN := $(VENV)/bin
VLLM_VENV := .venv-vllm
AIRFLOW_VENV := .venv-airflow
BENCH_VENV := .venv-bench
STAMPS := .setup
BROWSER := $(STAMPS)/chromium
LOG := $(STAMPS)/setup.log
STEP := LOG=$(LOG) bash jobs/setup/step.sh
SLOW := airflow cluster crash nights parity review
FAISS := $(shell command -v nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)

.PHONY: help setup demo pydocs dist test lint types layers unit doctor clean distclean bench-corpus bench-negatives \
	fit-prior test-cluster test-crash test-nights test-parity test-review test-airflow
.DEFAULT_GOAL := help

help:  ## say what the targets do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

# --- set-up: every step leaves a stamp, so a second run has nothing to do -------------------------------

setup: $(STAMPS)/packages $(STAMPS)/models $(STAMPS)/vllm  ## make the environments and the models (idempotent)

$(STAMPS)/venv:
	@mkdir -p $(STAMPS)
	@$(STEP) "python environment ($(VENV))" bash jobs/setup/venv.sh "$(PYTHON)" $(VENV)
	@touch $@

# torch first and alone: it is the largest download, and what follows then finds its pin already satisfied.
$(STAMPS)/torch: constraints.txt | $(STAMPS)/venv
	@$(STEP) "torch" $(BIN)/python -m pip install -c constraints.txt torch
	@touch $@

$(STAMPS)/packages: constraints.txt pyproject.toml $(STAMPS)/torch
	@$(STEP) "packages (constraints.txt)" \
	    $(BIN)/python -m pip install -c constraints.txt -e ".[$(FAISS),models,dev]"
	@touch $@

$(STAMPS)/models: jobs/setup/models.py $(STAMPS)/packages
	@$(STEP) "models ($(PAIRWRIGHT_MODELS))" $(BIN)/python -m jobs.setup.models "$(PAIRWRIGHT_MODELS)"
	@touch $@

$(STAMPS)/airflow: constraints-airflow.txt jobs/setup/venv.sh | $(STAMPS)/venv
	@$(STEP) "Airflow ($(AIRFLOW_VENV))" bash jobs/setup/venv.sh "$(PYTHON)" $(AIRFLOW_VENV)
	@$(STEP) "Airflow packages" $(AIRFLOW_VENV)/bin/python -m pip install --no-deps -r constraints-airflow.txt
	@touch $@

$(STAMPS)/bench: constraints-bench.txt jobs/setup/venv.sh | $(STAMPS)/venv
	@$(STEP) "the benchmarks' peers ($(BENCH_VENV))" bash jobs/setup/venv.sh "$(PYTHON)" $(BENCH_VENV)
	@$(STEP) "the peers' packages" $(BENCH_VENV)/bin/python -m pip install --no-deps -r constraints-bench.txt
	@touch $@

$(STAMPS)/vllm: constraints-vllm.txt jobs/setup/vllm.sh jobs/setup/venv.sh | $(STAMPS)/venv
	@$(STEP) "vLLM server ($(VLLM_VENV))" bash jobs/setup/vllm.sh "$(PYTHON)" $(VLLM_VENV)
	@touch $@

# --- what it is for -----------------------------------------------------------------------------------------

demo: setup  ## raw text to a trained, measured model and a report, on 5,000 documents
	@$(BIN)/pairwright build jobs/recipes/pydocs-demo.yaml

pydocs: setup  ## the full pydocs dataset, published
	@$(BIN)/pairwright build jobs/recipes/pydocs.yaml --until publish

ENVIRONMENT ?= all
dist: $(STAMPS)/venv  ## wheel and archive of the environment for executors (dist/); ENVIRONMENT=cpu leaves out torch
	@$(STEP) "wheel and archive (dist)" bash jobs/setup/dist.sh "$(PYTHON)" $(ENVIRONMENT)

doctor: $(STAMPS)/packages  ## what this machine has, and the way out where something is missing
	@$(BIN)/pairwright doctor

# --- checks -------------------------------------------------------------------------------------------------

test: setup lint types layers unit  ## every check: ruff, mypy, import-linter, pytest

lint: $(STAMPS)/packages  ## ruff: rules and form
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet . && echo "ruff: clean"

types: $(STAMPS)/packages
	@$(BIN)/mypy

layers: $(STAMPS)/packages
	@$(BIN)/lint-imports --no-cache

# Two files at a time: most tests wait for a JVM or a server more than they compute. A thread that waits for the others
# of its process must not spin meanwhile, on a core that the other file needs.
unit: setup
	@OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
	    $(SLOW:%=--ignore tests/proofs/test_%.py)

test-cluster: setup  ## the demo's dataset on a standalone Spark cluster, through spark-submit: the same bytes
	@$(BIN)/python -m pytest tests/proofs/test_cluster.py

test-crash: setup  ## kill a small build in every stage, and compare what it publishes in the end (half an hour)
	@$(BIN)/python -m pytest tests/proofs/test_crash.py

test-nights: setup  ## five nights equal five builds from scratch; what a night with 1 % new documents costs
	@$(BIN)/python -m pytest tests/proofs/test_nights.py

test-parity: setup  ## 1, 2, 3 and 7 Spark partitions publish the same bytes
	@$(BIN)/python -m pytest tests/proofs/test_parity.py

$(STAMPS)/browser: jobs/setup/browser.sh
	@mkdir -p $(STAMPS)
	@$(STEP) "browser ($(BROWSER))" bash jobs/setup/browser.sh $(BROWSER)
	@touch $@

# One that is named or installed is taken; else a pinned one from the npm registry, which needs Node and no root.
test-review: setup $(if $(PAIRWRIGHT_BROWSER),,$(STAMPS)/browser)  ## the review page in a headless Chromium: keys, reload, undo, markup
	@PAIRWRIGHT_BROWSER=$(or $(PAIRWRIGHT_BROWSER),$(CURDIR)/$(BROWSER)/browser) \
	    $(BIN)/python -m pytest tests/proofs/test_review.py

test-airflow: setup $(STAMPS)/airflow  ## run the Airflow DAG with `airflow dags test` on the demo's recipe
	@PAIRWRIGHT_AIRFLOW=$(CURDIR)/$(AIRFLOW_VENV)/bin/airflow $(BIN)/python -m pytest tests/proofs/test_airflow.py

bench-negatives: setup  ## measure the judge of negatives against its peers and its targets (five minutes; BENCH="--only blind")
	@$(BIN)/python -m tests.bench.negatives --json runs/bench-negatives.json $(BENCH)

fit-prior: setup  ## fit the judge's prior again from a folder of BEIR sets: make fit-prior SETS=FOLDER
	@$(BIN)/python -m tests.bench.negatives.fit_prior $(SETS)

bench-corpus: setup $(STAMPS)/bench  ## measure the corpus half against its peers and its targets (half an hour)
	@PAIRWRIGHT_PEERS=$(CURDIR)/$(BENCH_VENV)/bin/python $(BIN)/python -m tests.bench.corpus \
	    --json runs/bench-corpus.json $(BENCH)

clean:  ## remove caches and build output; environments, models and workspaces stay
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis \
	    spark-warehouse metastore_db derby.log
	find schemas pipeline jobs trainer tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## clean, and remove what set-up made
	rm -rf $(VENV) $(VLLM_VENV) $(AIRFLOW_VENV) $(BENCH_VENV) $(STAMPS) .models *.egg-info
