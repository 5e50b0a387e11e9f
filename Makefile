# Everything lives in .venv; a second call starts at once. PYTHON chooses the interpreter, ARGS passes overrides.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
STAMP := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
# tests/conftest.py says how many processes, which tests stay together, and which go first. ARGS="-n 0" runs all in one.
PYTEST := $(VENV)/bin/python -m pytest -n auto --no-loadscope-reorder

.PHONY: help simulate demo test quick lint docs format lock sbom clean
.DEFAULT_GOAL := help
export FLWR_TELEMETRY_ENABLED := 0
# With it every process would compile all that it imports anew: half a second for this package alone.
unexport PYTHONDONTWRITEBYTECODE
export FLWR_DISABLE_UPDATE_CHECK := 1
# Several processes of tests share the cores; what is not torch's is as the fedgraft command has it.
export OPENBLAS_NUM_THREADS := 1

help:
	@echo "make simulate [ARGS='data=busi partition.sites=5']   train over simulated hospitals"
	@echo "make demo [ARGS='--stay']                            a coordinator and three hospitals as processes, over TLS"
	@echo "make test [ARGS='-k dicom']                          format, lint, types, docs and all tests"
	@echo "make quick [ARGS='tests/common']                     format, lint, types and the tests without other processes"
	@echo "make docs                                            the pages of docs/ as a site in build/site; a dead link fails"
	@echo "make lint                                            format, lint and types, without changing a file"
	@echo "make format                                          write the code in the project's format"
	@echo "make lock [ARGS=--upgrade]                           requirements.lock again, from pyproject.toml; what it pins stays, but for --upgrade"
	@echo "make sbom                                            build/sbom.json: all that a hospital installs, as CycloneDX"
	@echo "make clean                                           remove .venv, runs, fedgraft-demo and build"

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: Python 3.11 or newer is needed; name it with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

# Not compiled: Python does that at a module's first import, and of all that is installed a run imports a fifth.
PIP := $(VENV)/bin/python -m pip install --quiet --no-compile --editable

$(STAMP): pyproject.toml $(VENV)/.created
	$(PIP) .
	touch $@

$(DEV): pyproject.toml $(VENV)/.created
	$(PIP) '.[dev,ray]'
	touch $(STAMP) $@

simulate: $(STAMP)
	$(VENV)/bin/fedgraft simulate $(ARGS)

demo: $(STAMP)
	$(VENV)/bin/fedgraft demo $(ARGS)

test: lint docs
	$(PYTEST) $(ARGS)

quick: lint
	$(PYTEST) -m "not processes" $(ARGS)

lint: $(DEV)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy --num-workers 2

# Without --quiet, under which MkDocs counts no warnings and --strict passes a dead link.
docs: $(DEV)
	$(VENV)/bin/mkdocs build --strict
	@echo "docs: build/site/index.html"

format: $(DEV)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# uv comes with flwr. For every platform and Python from 3.11 on, and without the address of the registry that was asked.
lock: $(STAMP)
	$(VENV)/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" --quiet --output-file requirements.lock $(ARGS)

sbom: $(DEV)
	mkdir -p build
	$(VENV)/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file build/sbom.json
	@echo "sbom: build/sbom.json"

clean:
	rm -rf $(VENV) runs fedgraft-demo build
