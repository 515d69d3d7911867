# Newcomers: `make lab` to see it, `make test` to check it, `make bench` to measure it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

LAB_SOURCES := $(shell find labextension/src labextension/style labextension/schema -type f 2>/dev/null) \
	labextension/package.json labextension/tsconfig.json labextension/yarn.lock
BUNDLE := jupyter_gpuctl/labextension/static/style.js

.PHONY: lab test soak bench fmt clean types

# --- what everything stands on ------------------------------------------------------------------

# Debian packages are installed only where something is missing and we may. A missing Chromium on
# another system is told by the tests that need it.
.PHONY: system
system:
	@sh .ci/system-packages.sh

$(VENV)/.python: pyproject.toml tests/constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install -q -c tests/constraints.txt --group test hatchling hatch-jupyter-builder editables
	touch $@

$(BUNDLE): $(VENV)/.python $(LAB_SOURCES)
	cd labextension && jlpm install --immutable && jlpm build:prod
	touch $@

$(VENV)/.installed: $(BUNDLE) jupyter-config/jupyter_server_config.d/jupyter_gpuctl.json
	HATCH_JUPYTER_BUILDER_SKIP_NPM=1 $(BIN)/python -m pip install -q -c tests/constraints.txt --no-build-isolation -e .
	$(BIN)/jupyter labextension develop --overwrite . > /dev/null
	$(BIN)/jupyter server extension enable --sys-prefix jupyter_gpuctl 2> /dev/null
	touch $@

# --- what people call ----------------------------------------------------------------------------

# JupyterLab with the extension, on this machine's GPUs or on two simulated ones. Its own settings
# and files are in .lab/; more options: make lab ARGS='--port 9999'
lab: system $(VENV)/.installed
	@mkdir -p .lab/notebooks && cp -n docs/examples/*.ipynb .lab/notebooks/ 2>/dev/null || true
	JUPYTER_CONFIG_DIR=$(CURDIR)/.lab/config $(BIN)/jupyter lab --no-browser --GpuCtl.simulate_gpus=-1 \
		--ServerApp.root_dir=$(CURDIR)/.lab/notebooks $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

# Two at a time, shared as said in tests/conftest.py. Half of the time goes by in waiting for
# browsers and kernels.
test: system $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

# Hours of the monitor's life, and the property tests at length; not part of `make test`.
soak: system $(VENV)/.installed
	$(BIN)/python -m pytest tests/soak/soak_*.py $(ARGS)
	$(BIN)/python -m pytest tests/unit tests/api/test_config.py --hypothesis-profile=soak --timeout=1800 $(ARGS)

bench: system $(VENV)/.installed
	$(BIN)/python -m benchmarks $(ARGS)

# The TypeScript types of the REST interface, from the OpenAPI document.
types: $(VENV)/.installed
	cd labextension && jlpm generate

fmt: $(VENV)/.python
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .
	cd labextension && jlpm lint

clean:
	rm -rf $(VENV) .bench .lab artefacts build dist jupyter_gpuctl/labextension
	rm -rf labextension/lib labextension/node_modules labextension/*.tsbuildinfo
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
