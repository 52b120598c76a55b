# `make help` lists the targets. Every target installs what it needs.

PYTHON ?= python3
PORT ?= 8000
# The FAISS wheel: `gpu` where an NVIDIA GPU is found, else `cpu`. `make FAISS=gpu-cuvs ...` takes the third.
FAISS ?= $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)

BIN := .venv/bin
SETUP := .venv/.setup-$(FAISS)
DEMO := var/demo
# The model that `vitrine up` fits and serves, and its text tower: recipes of training/recipes.
MODEL := 3tmm-prior
TEXT := minilm
SMOKE := var/smoke
# Model and catalogue for bench-index, bench-service, bench-sizes and bench-gpu; those of a real shop are the better test.
BUNDLE ?= $(DEMO)/$(MODEL)
CATALOG ?= $(DEMO)/shop/catalog.parquet

# What `vitrine up` makes of the sample shop.
BUILT := $(addprefix $(DEMO)/,shop/catalog.parquet data/dataset.json clip-towers/model.json $(TEXT)/model.json \
  $(MODEL)/model.json store/CURRENT)

.PHONY: help setup demo built shop smoke load port-free test unit lint check-faiss-gpu format locks evaluate experiments clean
.PHONY: bench-feeds bench-prepare bench-train bench-index bench-service bench-sizes bench-gpu soak

help: ## List the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(SETUP) ## Create .venv and install all packages

$(SETUP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Vitrine needs Python 3.11 or newer; name one with make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@# The three FAISS wheels install the same module, so a wheel of another choice is removed first.
	@test -n "$(wildcard $(SETUP))" || $(BIN)/pip uninstall --quiet --yes faiss-cpu faiss-gpu faiss-gpu-cuvs 2>/dev/null
	@rm -f .venv/.setup-*
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$(FAISS),train,build,dev]'
	@touch $@

demo: $(SETUP) ## Generate a shop, train, build an index, serve it on http://127.0.0.1:8000, test it on its products
	@$(BIN)/vitrine up --sample --out $(DEMO) --port $(PORT)

# It makes only what is missing or has changed, so it is always asked.
built: $(SETUP)
	@$(BIN)/vitrine up --sample --out $(DEMO) --until index

$(BUILT): built
	@:

# The sample shop alone, for what trains by itself.
shop: $(SETUP)
	@$(BIN)/vitrine up --sample --out $(DEMO) --until shop

smoke: $(SETUP) ## As demo with a tiny shop: start the service, query it, stop it
	@$(BIN)/vitrine up --sample --products 300 --steps 10 --out $(SMOKE) --port $(PORT) --until self-test

# Queries are drawn as often as the shop's log has them. LOAD_... variables set the limits: see tests/load/locustfile.py.
LOAD_USERS ?= 100
LOAD_SECONDS ?= 60
load: $(DEMO)/second-version port-free ## Simulate shoppers on the demo's service for 60 s, report in var/; SWAP=1 swaps too
	@token=$$($(BIN)/python -c 'import secrets; print(secrets.token_hex(16))'); \
	VITRINE_ADMIN_TOKEN=$$token $(BIN)/python -m service serve --store $(DEMO)/store --port $(PORT) & server=$$!; \
	trap 'kill $$server 2>/dev/null; wait $$server' EXIT; trap 'exit 1' INT TERM; \
	$(BIN)/python -m service try --url http://127.0.0.1:$(PORT) --wait 60 --top 1 >/dev/null && \
	LOAD_ADMIN_TOKEN=$(if $(SWAP),$$token) $(BIN)/locust --locustfile tests/load/locustfile.py --headless --only-summary \
	  --host http://127.0.0.1:$(PORT) --queries $(DEMO)/shop/interactions.parquet \
	  --users $(LOAD_USERS) --spawn-rate $(LOAD_USERS) --run-time $(LOAD_SECONDS)s --html var/load$(if $(SWAP),-swap).html

# The version that `make load SWAP=1` swaps to; it is not published.
$(DEMO)/second-version: $(DEMO)/store/CURRENT
	$(BIN)/python -m index_builder build --bundle $(DEMO)/$(MODEL) --catalog $(DEMO)/shop/catalog.parquet \
	  --store $(DEMO)/store --explain
	@touch $@

# Without this check, another program that listens on the port would answer the searches.
port-free: $(SETUP)
	@! $(BIN)/python -c 'import socket; socket.create_connection(("127.0.0.1", $(PORT)), 1)' 2>/dev/null \
	  || { echo "port $(PORT) is in use; stop what listens there or say make PORT=8001 ..." >&2; exit 1; }

# Two processes of tests for each core, since many tests wait; each test file in one of them, the longest ones first
# (tests/conftest.py). `make test PYTEST_ARGS=--random-order` shuffles them.
PYTEST_ARGS ?=
test: lint ## All checks and all tests, the ten slowest at the end
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --durations 10 $(PYTEST_ARGS)

unit: $(SETUP) ## The fast tests only
	$(BIN)/pytest -m "not integration and not realdata and not gpu and not browser"

lint: $(SETUP) ## Check the code with ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# FAISS's wheel for GPUs owns the same Python module as the one for CPUs, so it has an environment of its own, with the
# versions that the container images install.
check-faiss-gpu: var/faiss-gpu/.setup ## Check our calls of FAISS's GPU part against its wheel; no GPU is needed
	@var/faiss-gpu/bin/python -m tests.knn.check_faiss_gpu

var/faiss-gpu/.setup: docker/locks/service-gpu.txt
	$(PYTHON) -m venv var/faiss-gpu
	var/faiss-gpu/bin/pip install --quiet --disable-pip-version-check \
	  $$(grep --only-matching --extended-regexp '^(faiss-gpu|numpy|pydantic)==[0-9.]+' $<)
	@touch $@

format: $(SETUP) ## Format the code with ruff
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

locks: $(SETUP) ## Update the locked versions that the container images install
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	PATH="$(CURDIR)/$(BIN):$$PATH" docker/lock.sh

evaluate: $(DEMO)/4tmm-cat/model.json $(DEMO)/$(MODEL)/model.json ## Compare text alone, photos alone, both, and the demo's model
	@$(BIN)/python -m evaluation run --data $(DEMO)/data --out $(DEMO)/results --model $(DEMO)/bibert \
	  --model $(DEMO)/clip-towers --model $(DEMO)/4tmm-cat --model $(DEMO)/$(TEXT) --model $(DEMO)/$(MODEL)

experiments: shop ## Fit every model of the paper and ours on the sample shop, with a report
	@$(BIN)/python -m training experiments --shop $(DEMO)/shop --out $(DEMO)/experiments

bench-prepare: $(SETUP) ## Prepare a data set from 20 million log rows: time and memory
	@$(BIN)/python -m benchmarks.bench_prepare

bench-feeds: $(SETUP) ## Import a feed of a million rows: time and memory
	@$(BIN)/python -m benchmarks.bench_feeds

bench-train: .venv/.setup-bench-train ## Training speed against sentence-transformers' trainer
	@$(BIN)/python -m benchmarks.bench_train

bench-index: .venv/.setup-bench-index .venv/autofaiss/.setup $(BUNDLE)/model.json ## Index 3.38 million products: recall, time, memory, against autofaiss and hnswlib
	@$(BIN)/python -m benchmarks.bench_index --bundle $(BUNDLE) --catalog $(CATALOG)

bench-service: .venv/.setup-bench-service $(BUNDLE)/model.json ## The service under load, against others and during swaps (needs wrk)
	@$(BIN)/python -m benchmarks.bench_service --bundle $(BUNDLE) --catalog $(CATALOG)

bench-sizes: $(SETUP) $(BUNDLE)/model.json ## Memory and requests per second by size of the catalogue (needs wrk)
	@$(BIN)/python -m benchmarks.bench_sizes --bundle $(BUNDLE) --catalog $(CATALOG)

soak: $(SETUP) $(DEMO)/4tmm-cat/model.json ## 15 minutes of searches with faults injected: processes killed, slow readers, hostile photos, a lost store
	@$(BIN)/python -m benchmarks.bench_soak

bench-gpu: $(SETUP) $(if $(filter gpu%,$(FAISS)),$(BUNDLE)/model.json) ## Query encoding and exact search of 3.38 million products on a GPU
	@$(BIN)/python -m benchmarks.bench_gpu --bundle $(BUNDLE) --catalog $(CATALOG)

# autofaiss needs numpy 1, pandas 2 and an older pyarrow, which Vitrine cannot use, so it has an environment of its own. Its
# FAISS has the version of ours, which searches the index that autofaiss builds.
.venv/autofaiss/.setup: | $(SETUP)
	$(BIN)/python -m venv .venv/autofaiss
	.venv/autofaiss/bin/pip install --quiet --disable-pip-version-check autofaiss "pyarrow<22" \
	  "faiss-cpu==$$($(BIN)/python -c 'import faiss; print(faiss.__version__)')"
	@touch $@

.venv/.setup-bench-%: $(SETUP)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench-$*]'
	@touch $@

clean: ## Remove what demo, smoke and experiments made (not .venv)
	rm -rf var

# What `make evaluate` and `make soak` take besides: the paper's text tower, and it beside the photos.
$(DEMO)/bibert/model.json: $(DEMO)/data/dataset.json
	rm -rf $(DEMO)/bibert
	$(BIN)/python -m training fit bibert --data $(DEMO)/data --out $(DEMO)/bibert

$(DEMO)/4tmm-cat/model.json: $(DEMO)/bibert/model.json $(DEMO)/clip-towers/model.json
	rm -rf $(DEMO)/4tmm-cat
	$(BIN)/python -m training fit 4tmm-cat --data $(DEMO)/data --out $(DEMO)/4tmm-cat \
	  --bibert $(DEMO)/bibert --clip $(DEMO)/clip-towers
