"""Programs compiled for eight H200s without one: where kernels are, and that nothing is gathered for them."""

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


@pytest.fixture(scope="module")
def programs() -> dict[str, dict[str, int]]:
    """In a process of their own: the plugin takes other flags than the CPU's tests."""
    environment = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR")}
    environment |= {"JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
    run = subprocess.run(
        [sys.executable, "-m", "kernels.sharded"], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads(run.stdout.splitlines()[-1])


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
    "softmax, unasked, Auto": {"kernels": 0},
    "softmax, unasked, Explicit": LOCAL,
    "act_quant, unasked, Auto": {"kernels": 0},
    "act_quant, unasked, Explicit": {"kernels": 1},
    "geglu, unasked, Auto": {"kernels": 0},
    "geglu, unasked, Explicit": {"kernels": 1},
}


@pytest.mark.parametrize("name", WANTED)
def test_counts(programs, name):
    assert programs[name] == WANTED[name]


@pytest.mark.parametrize("kind", ["Auto", "Explicit"])
def test_split_rows_are_summed_not_gathered(programs, kind):
    found = programs[f"softmax of split rows, unasked, {kind}"]
    assert found.pop("kernels") == 0
    assert set(found) == {"all-reduce"}
