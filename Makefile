# Works with Python 3.11 or newer, git and make; everything else is installed into VENV and .venv-demo.

PYTHON ?= python3
VENV ?= .venv
DEMO_VENV ?= .venv-demo
DJANGO ?=
PYTEST_ARGS ?=

PACKAGES = breaker_core django_breaker flask_breaker
comma := ,
# One stamp for each Django that was asked for: another DJANGO installs anew.
STAMP = $(VENV)/.installed$(subst $(comma),_,$(subst >,,$(subst <,,$(subst =,,$(subst ~,,$(DJANGO))))))

# Whoever names a Python must not get the one of an environment that is there already.
SAME_PYTHON = $(if $(filter file,$(origin PYTHON)),,same-python)

.PHONY: help demo test lint bench clean same-python

help: ## say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16
	@echo
	@echo '  PYTHON=python3.13 takes another Python, VENV=.venv313 another environment for it,'
	@echo "  DJANGO='Django>=6.1,<6.2' another Django, PYTEST_ARGS='-k admin' some of the tests,"
	@echo '  PORT_BASE=9000 other ports for the demo.'

demo: $(DEMO_VENV)/.installed ## two shops, one breaker, and a switch that breaks what they call
	@$(DEMO_VENV)/bin/python -m example_project

test: $(SAME_PYTHON) $(STAMP) ## run the tests
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

lint: $(SAME_PYTHON) $(STAMP) ## check style and types
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m ruff format --check .
	$(VENV)/bin/python -m mypy $(addprefix -p ,$(PACKAGES))
	$(VENV)/bin/python -m mypy tests/typing/api.py

bench: $(SAME_PYTHON) $(STAMP) ## measure what a breaker costs
	$(VENV)/bin/python -m benchmarks

clean: ## delete the environments and everything that was built
	rm -rf .venv .venv-demo example_project/data build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(PACKAGES) benchmarks example_project tests -name __pycache__ -type d -prune -exec rm -rf {} +

same-python: $(VENV)/bin/pip
	@test "$$($(PYTHON) --version 2>&1)" = "$$($(VENV)/bin/python --version)" || { \
	  echo "$(VENV) was made with $$($(VENV)/bin/python --version), and PYTHON=$(PYTHON) is another."; \
	  echo 'Name another environment beside it, such as VENV=.venv313.'; exit 1; }

$(STAMP): pyproject.toml | $(VENV)/bin/pip
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -e '.[dev]' $(if $(DJANGO),'$(DJANGO)')
	@rm -f $(VENV)/.installed*
	@touch '$@'

$(DEMO_VENV)/.installed: pyproject.toml example_project/requirements.txt | $(DEMO_VENV)/bin/pip
	@echo 'Installing what the demo needs into $(DEMO_VENV) …'
	@$(DEMO_VENV)/bin/python -m pip install -q --disable-pip-version-check -e . -r example_project/requirements.txt
	@touch '$@'

%/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "This needs Python 3.11 or newer, and $(PYTHON) is not: $$($(PYTHON) --version 2>&1)."; \
	  echo 'Say which one to take: make PYTHON=/path/to/python3.12 …'; exit 1; }
	$(PYTHON) -m venv '$*'
