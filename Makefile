# Everything lives in .venv; a second call starts at once. PYTHON chooses the interpreter, ARGS passes overrides.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
STAMP := $(VENV)/.installed

.PHONY: simulate test format clean
.DEFAULT_GOAL := help
export FLWR_TELEMETRY_ENABLED := 0
export FLWR_DISABLE_UPDATE_CHECK := 1

help:
	@echo "make simulate [ARGS='data=busi partition.sites=5']   train over simulated hospitals"
	@echo "make test                                            lint, types and tests"

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: Python 3.11 or newer is needed; name it with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(STAMP): pyproject.toml $(VENV)/.created
	$(VENV)/bin/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml $(STAMP)
	$(VENV)/bin/python -m pip install --quiet --editable '.[dev,ray]'
	touch $@

simulate: $(STAMP)
	$(VENV)/bin/fedgraft simulate $(ARGS)

test: $(VENV)/.installed-dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest $(ARGS)

format: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:
	rm -rf $(VENV) runs
