# Lapel. On a fresh machine with Python 3.11 or newer: make run, make test.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PORT ?= 8501
# Each process imports PyTorch, Gradio and more, 20 seconds of computing, and may take 2 GB.
CORES := $(shell nproc 2>/dev/null || echo 2)
WORKERS ?= $(shell expr $$(( $(CORES) < 2 ? 2 : $(CORES) < 6 ? $(CORES) : 6 )))

RUNTIME := $(VENV)/.runtime-installed
TOOLS := $(VENV)/.tools-installed
FAULTS ?= 100

.DEFAULT_GOAL := help
.PHONY: help run openvino torchcam demo test lint faults bench samples freeze clean

help: ## what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: $(RUNTIME) ## the workspace on http://127.0.0.1:8501
	$(BIN)/python -m app --port $(PORT)

openvino: $(RUNTIME) ## an extra: OpenVINO, the fastest engine on Intel's processors
	$(PIP) install -r requirements-openvino.txt -c constraints.txt

torchcam: $(RUNTIME) ## an extra: TorchCAM, more class activation maps on the page Attention
	$(PIP) install -r requirements-torchcam.txt -c constraints.txt

demo: $(RUNTIME) ## the demo and its API on http://127.0.0.1:7860
	$(BIN)/python -m app.demo

test: lint ## checks and the suite, on as many processes as WORKERS says
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(TOOLS) ## ruff and mypy
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

faults: $(TOOLS) ## processes killed as often as FAULTS says, full disks, a database locked for a minute
	LAPEL_FAULTS=$(FAULTS) $(BIN)/python -m pytest -m "faults or not faults" tests/faults $(PYTEST_ARGS)

bench: $(TOOLS) ## what the README's figures come from
	$(BIN)/python -m benchmarks

samples: $(RUNTIME) ## draw assets/samples again
	$(BIN)/python -m tools.make_samples

freeze: $(TOOLS) ## write the installed versions into constraints.txt
	@{ echo "# The exact versions that the tests passed with. Written by: make freeze"; \
	   $(PIP) freeze | grep -v ' @ '; } > constraints.txt

clean: ## remove the environment, caches and build outputs
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache
	find core app pages tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made once, and its packages are brought up to date when a requirements file changes.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Lapel needs Python 3.11 or newer; say which one: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.txt constraints.txt | $(BIN)/python
	$(PIP) install -r requirements.txt -c constraints.txt
	@touch $@

$(TOOLS): requirements-dev.txt requirements-openvino.txt requirements-torchcam.txt $(RUNTIME)
	$(PIP) install -r requirements-dev.txt -c constraints.txt
	@touch $@
