"""Why a kernel cannot run, and that nothing of Pallas is imported to say so."""

import subprocess
import sys

import jax
import pytest

from pallas_kernels import capability

GOOD = {"platform": "cuda", "compute_capability": (9, 0), "jax_version": (0, 11, 2)}


def reason(kind: str = "elementwise", **changed: object) -> str | None:
    return capability.why_not(kind, **{**GOOD, **changed})


@pytest.mark.parametrize("kind", sorted(capability.DTYPES))
def test_nothing_to_object(kind):
    assert reason(kind, dtypes=["bfloat16", "float32"], shapes=[(4, 128), ()]) is None
    assert reason(kind, compute_capability="10.0", jax_version="0.12.0.1") is None
    assert reason(kind, compute_capability="9.0", jax_version="0.11.2.dev20260101+abc") is None


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"jax_version": "0.10.2"}, "JAX 0.11.2 or later, this is 0.10.2"),
        ({"jax_version": (0, 11, 1)}, "this is 0.11.1"),
        ({"platform": "cpu"}, "not on cpu"),
        ({"platform": "rocm"}, "not on rocm"),
        ({"platform": None}, "not known yet"),
        ({"compute_capability": None}, "compute capability of the GPU is not known"),
        ({"compute_capability": "8.6"}, "the GPU has 8.6"),
        ({"dtypes": ["bfloat16", "float64"]}, "not float64"),
        ({"dtypes": ["bool"]}, "int8"),
        ({"shapes": [(2**16, 2**16)]}, "4294967296 elements"),
        ({"shapes": [(4, 1024)], "longest_row": 512}, "rows of 1024"),
    ],
)
def test_the_reason_says_what_is_in_the_way(changed, words):
    assert words in reason(**changed)


def test_a_symbolic_shape_is_named():
    (n,) = jax.export.symbolic_shape("n")
    assert "(n, 128)" in reason(shapes=[(n, 128)]).replace("'", "")


def test_this_jax_is_asked_unless_another_is_given():
    version = capability._version(jax.__version__)
    given = capability.why_not("gated", platform="cuda", compute_capability=(9, 0))
    assert (given is None) == (version >= capability.MINIMUM_JAX)


def test_no_kernel_is_called_proven_before_it_ran_on_hardware():
    assert not capability.is_proven("elementwise", "9.0")
    assert not capability.is_proven("elementwise", None)


def test_asking_imports_nothing_of_pallas():
    code = (
        "import sys, pallas_kernels, pallas_kernels.capability, pallas_kernels.config;"
        "print([m for m in sys.modules if 'pallas' in m and not m.startswith('pallas_kernels')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
