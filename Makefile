# `make demo` and `make test` need Python >= 3.11 and nothing else; PYTHON chooses another interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The release that tests/test_peers_*.py know the kinks of.
TORCH ?= torch==2.13.0
# Each test process may use both cores; more processes than cores only wait for each other.
JOBS ?= 2
# Which of the tests `make wheel-test` runs, and what it installs of the wheel.
WHEEL_TESTS ?= tests
WHEEL_EXTRAS ?= test

# For a new virtual environment; --system-site-packages finds a JAX and a PyTorch that the machine has already.
VENVFLAGS ?=

.PHONY: demo test wheel-test properties soak mutation test-gpu-compile test-gpu bench-gpu cuda peers lint format docs gallery accuracy bench clean

demo: $(VENV)/.installed
	$(BIN)/python examples/digits.py $(ARGS)

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

# sdist and wheel are built; then the tests of the sdist run on the installed wheel, in an environment and a folder of
# their own, where the packages do not lie beside them.
wheel-test: $(VENV)/.installed
	rm -rf dist
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m build
	wheel=$$(realpath dist/*.whl) && folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	tar -xzf dist/*.tar.gz -C "$$folder" --strip-components=1 && rm -r "$$folder/jaxact" "$$folder/pallas_kernels" && \
	$(BIN)/python -m venv "$$folder/venv" && cd "$$folder" && \
	venv/bin/python -m pip install --quiet "$$wheel[$(WHEEL_EXTRAS)]" && \
	venv/bin/python -c 'import jaxact, sysconfig; assert jaxact.__file__.startswith(sysconfig.get_path("purelib"))' && \
	venv/bin/python -m pytest -n $(JOBS) --dist worksteal $(WHEEL_TESTS) $(ARGS)

SCHEMA := $(BIN)/check-jsonschema --builtin-schema

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(SCHEMA) vendor.github-workflows .github/workflows/*.yml
	$(SCHEMA) custom.github-workflows-require-timeout .github/workflows/*.yml
	$(SCHEMA) vendor.citation-file-format CITATION.cff
	$(BIN)/pre-commit validate-config

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The picture of all activations for the README and the home page, light and dark.
gallery: $(VENV)/.docs
	$(BIN)/python docs/pictures.py

# The site, without the network; a warning is an error.
docs: $(VENV)/.docs
	$(BIN)/python -m mkdocs build --strict --quiet

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

# The accuracy contract at its full size, 4 million float32 points a case, beside jax.nn and what is installed of Keras
# and torch: docs/accuracy.md. KERNELS=1 measures the kernels instead, in the interpreter: docs/kernels/accuracy.md. GPU=1
# measures both on the GPU: docs/gpu/accuracy.md, docs/gpu/kernels/accuracy.md. ARGS="--quick", "--only gelu",
# "--points 200000", "--settings". Without ARGS the activations over rows are measured too: docs/accuracy_rows.md.
accuracy: $(VENV)/.bench $(if $(GPU),cuda)
	$(ON) $(BIN)/python -m benchmarks.accuracy $(if $(KERNELS),$(call TO,kernels),$(if $(GPU),$(call TO,gpu))) $(ARGS)
	$(if $(GPU),$(ON) $(BIN)/python -m benchmarks.accuracy $(call TO,gpu/kernels) $(ARGS))
	$(if $(KERNELS)$(ARGS),,$(ON) $(BIN)/python -m benchmarks.accuracy_rows $(if $(GPU),$(call TO,rows_gpu,docs/gpu)))

comma := ,
ON = JAX_PLATFORMS=$(if $(GPU),cuda$(comma)cpu,cpu)
TO = $(if $(findstring kernels,$1),--kernels) --json benchmarks/results/accuracy_$(subst /,_,$1).json --docs $(or $2,docs/$1)

# Speed and memory beside jax.nn, Keras and PyTorch: docs/performance.md. ARGS="--quick" shows that it works.
bench: $(VENV)/.bench $(VENV)/.peers
	JAX_PLATFORMS=cpu $(BIN)/python -m benchmarks all $(ARGS)

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
test-gpu: cuda
	JAX_PLATFORMS=cuda,cpu JAXACT_TEST_GPU=1 JAXACT_LEAST_KERNELS=run=1 $(BIN)/python -m pytest tests/kernels $(ARGS)
	@if command -v compute-sanitizer >/dev/null; then for tool in memcheck racecheck; do \
	  JAX_PLATFORMS=cuda XLA_PYTHON_CLIENT_ALLOCATOR=platform compute-sanitizer --tool $$tool --error-exitcode 1 \
	    $(BIN)/python -m jaxact doctor --selfcheck || exit 1; \
	done; else echo "no compute-sanitizer here: memory and races are not checked by it"; fi

# Kernels, what the rule selects, and others, timed on the GPU: docs/gpu_timed.md. ARGS="--only rowwise", "--tune".
bench-gpu: $(VENV)/.bench cuda
	JAX_PLATFORMS=cuda,cpu $(BIN)/python -m benchmarks gpu $(ARGS)

# A JAX that sees a GPU is left as it is; else its CUDA packages are added. The second line fails where there is no GPU.
cuda: $(VENV)/.installed
	JAX_PLATFORMS=cuda $(BIN)/python -c 'import jax; jax.devices()' >/dev/null 2>&1 || \
	  $(BIN)/python -m pip install --quiet 'jax[cuda13]'
	JAX_PLATFORMS=cuda $(BIN)/python -c 'import jax; print("JAX", jax.__version__, "on", *jax.devices())'

# The properties of tests/test_properties.py at 10 000 cases, new ones every time.
properties: $(VENV)/.installed
	JAXACT_PROPERTIES=nightly $(BIN)/python -m pytest -n $(JOBS) --dist worksteal tests/test_properties.py tests/test_fuzz.py $(ARGS)

# Ever new shapes, parameters and activations for minutes: caches bounded, memory flat. ARGS="--minutes 5".
soak: $(VENV)/.installed
	JAX_PLATFORMS=cpu PYTHONPATH=tests $(BIN)/python tests/soak.py --out docs/images/soak.png $(ARGS)

# Breaks each definition, rule and kernel in turn and lists what no test notices: docs/reliability.md. ARGS="--only gelu".
mutation: $(VENV)/.installed
	PYTHONPATH=tests $(BIN)/python tests/mutation.py $(ARGS)
	PYTHONPATH=tests $(BIN)/python tests/mutation.py --report

# Keras, PyTorch, transformers and entmax, which `make test` then compares with.
peers: $(VENV)/.peers

$(VENV)/.peers: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[peers]' '$(TORCH)'
	touch $@

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENVFLAGS) $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test,examples,lint]'
	touch $@

clean:
	rm -rf $(VENV) .venv-* build dist site *.egg-info
