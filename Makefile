# `make demo` and `make test` need Python >= 3.11 and nothing else; PYTHON chooses another interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The release that tests/test_peers_*.py know the kinks of.
TORCH ?= torch==2.13.0
# Each test process may use both cores; more processes than cores only wait for each other.
JOBS ?= 2

.PHONY: demo test test-gpu-compile test-gpu peers lint format docs accuracy clean

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

# Every kernel compiled for H200 and B200 on a machine without a GPU. Needs Python >= 3.12, whose JAX has kernels.
test-gpu-compile: $(VENV)/.gpu-compile
	$(BIN)/python -m pytest tests/kernels/test_compile.py tests/kernels/test_row_traps.py \
	  tests/test_kernel_compile.py tests/test_gpu_static.py $(ARGS)

$(VENV)/.gpu-compile: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[gpu-compile]'
	touch $@

# The kernels' tests on the GPU itself rather than in the interpreter; and, where compute-sanitizer is, a small
# case of every kernel under its checks of memory and of races (each array an allocation of its own, so that they see its end).
test-gpu: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet 'jax[cuda13]'
	JAX_PLATFORMS=cuda,cpu JAXACT_TEST_GPU=1 $(BIN)/python -m pytest tests/kernels $(ARGS)
	@if command -v compute-sanitizer >/dev/null; then for tool in memcheck racecheck; do \
	  JAX_PLATFORMS=cuda XLA_PYTHON_CLIENT_ALLOCATOR=platform compute-sanitizer --tool $$tool --error-exitcode 1 \
	    $(BIN)/python -m jaxact doctor --selfcheck || exit 1; \
	done; else echo "no compute-sanitizer here: memory and races are not checked by it"; fi

# Keras, PyTorch, transformers and entmax, which `make test` then compares with.
peers: $(VENV)/.peers

$(VENV)/.peers: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[peers]' '$(TORCH)'
	touch $@

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test,examples,lint]'
	touch $@

clean:
	rm -rf $(VENV) .venv-* build dist site *.egg-info
