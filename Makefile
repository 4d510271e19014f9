# `make demo` and `make test` need Python >= 3.11 and nothing else; PYTHON chooses another interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Each test process may use both cores; more processes than cores only wait for each other.
JOBS ?= 2

.PHONY: demo test lint format docs accuracy clean

demo: $(VENV)/.installed
	$(BIN)/python examples/digits.py $(ARGS)

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The site, without the network; a warning is an error.
docs: $(VENV)/.docs
	$(BIN)/python -m mkdocs build --strict --quiet

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

# The accuracy contract at its full size, 4 million float32 points a case, beside jax.nn and what is installed of Keras
# and torch: docs/accuracy.md. GPU=1 measures on the GPU; ARGS="--quick", "--only gelu", "--points 200000", "--settings".
accuracy: $(VENV)/.bench
	JAX_PLATFORMS=$(if $(GPU),cuda,cpu) $(BIN)/python -m benchmarks.accuracy $(ARGS)

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	touch $@

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test,examples,lint]'
	touch $@

clean:
	rm -rf $(VENV) .venv-* build dist site *.egg-info
