"""Programs compiled for H200s without one: where kernels are, that nothing is gathered, what they move."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kernels import deviceless

REASON = deviceless.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))
TESTS = Path(__file__).parent


def printed_by(module: str) -> dict[str, dict]:
    """The JSON that a module prints, in a process of its own: the plugin takes other flags than tests."""
    environment = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR")}
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    environment |= {"JAX_PLATFORMS": "cpu", "PYTHONPATH": path, **deviceless.QUICKER}
    run = subprocess.run(
        [sys.executable, "-m", module], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def programs() -> dict[str, dict[str, int]]:
    """Of eight GPUs."""
    return printed_by("kernels.sharded")


@pytest.fixture(scope="module")
def models() -> dict[str, dict[str, list[int]]]:
    """Blocks of models on one GPU."""
    return printed_by("kernels.in_model")


LOCAL = {"kernels": 2}
SUMMED = {"kernels": 2, "all-reduce": 1}
WANTED = {
    "gelu, Auto": LOCAL,
    "gelu, Explicit": LOCAL,
    "prelu, Auto": SUMMED,
    "prelu, Explicit": SUMMED,
    "prelu of whole channels, Auto": SUMMED,
    "prelu of whole channels, Explicit": SUMMED,
    "fused, Auto": SUMMED,
    "fused, Explicit": SUMMED,
    "softmax, Auto": LOCAL,
    "softmax, Explicit": LOCAL,
    "entmax, unasked, Auto": {"kernels": 0, "all-reduce": 1},  # whether any row is still searching
    "entmax, unasked, Explicit": LOCAL,
    "act_quant, unasked, Auto": {"kernels": 0},
    "act_quant, unasked, Explicit": {"kernels": 1},
}


@pytest.mark.parametrize("name", WANTED)
def test_counts(programs, name):
    assert programs[name] == WANTED[name]


@pytest.mark.parametrize("kind", ["Auto", "Explicit"])
def test_split_rows_are_summed_not_gathered(programs, kind):
    """Two small sums a row of the value, one of its gradient; more where a threshold is searched for."""
    assert programs[f"softmax of split rows, unasked, {kind}"] == {"kernels": 0, "all-reduce": 3}
    found = programs[f"entmax of split rows, unasked, {kind}"]
    assert found["kernels"] == 0
    assert set(found) == {"kernels", "all-reduce"}


def test_blocks_of_models_move_no_more_bytes_than_with_jax_nn(models):
    found = models["bytes"]
    assert {name.partition(",")[0].split()[0] for name in found} == {"mlp", "gated", "attention"}
    assert all(peer > 0 for _, peer in found.values())
    assert {name: pair for name, pair in found.items() if pair[0] > pair[1]} == {}


def test_layers_have_no_more_fusions_than_with_jax_nn(models):
    """Of any activation, beside jax.nn's, or its gelu where it has none."""
    found = models["fusions"]
    assert len(found) > 40
    assert {name: pair for name, pair in found.items() if pair[0] > pair[1]} == {}


def test_kernels_selected_and_asked_for_move_each_byte_once(models):
    found = models["selected"]
    kernels = {name: count for name, (count, _, _) in found.items()}
    assert kernels == {name: 2 if name.endswith("gradient") else 1 for name in found}
    assert {name: f for name, f in found.items() if not f[2] <= f[1] <= 1.001 * f[2]} == {}


def test_gradients_along_rows_are_one_pass_without_a_kernel(models):
    found = models["held"]
    assert {name.replace(",", " ").split()[0] for name in found} == {
        *("softmax", "log_softmax", "sparsemax", "entmax15", "entmax")
    }
    assert {name: pair for name, pair in found.items() if not pair[1] <= pair[0] <= 1.001 * pair[1]} == {}
