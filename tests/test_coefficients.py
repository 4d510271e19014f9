"""The stored coefficients are what the scripts of `docs/coefficients` print."""

import ast
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import jaxact
from jaxact._src import coefficients

SCRIPTS = pathlib.Path(__file__).parent.parent / "docs" / "coefficients"


def printed(script: str) -> dict[str, tuple[float, ...]]:
    """The assignments that a script prints."""
    done = subprocess.run([sys.executable, script], cwd=SCRIPTS, check=True, capture_output=True, text=True)
    values = {}
    for statement in ast.parse(done.stdout).body:
        values[statement.targets[0].id] = ast.literal_eval(statement.value)
    return values


@pytest.mark.parametrize("script", ["erf.py", "exponentials.py", "gelu_slope.py", "mills.py", "mills_lite.py"])
def test_a_script_prints_what_is_stored(script):
    """Not to the last digit: the high coefficients, which count for little, vary with the linear algebra used."""
    found = printed(script)
    assert found
    for name, values in found.items():
        assert getattr(coefficients, name) == pytest.approx(values, rel=1e-3, abs=0), name


def test_tanh_reaches_1_and_never_exceeds_it():
    """Every float32 from 7.5 on, with the additions and products that the compiler fuses here."""
    bits = np.arange(np.float32(7.5).view(np.uint32), np.float32(9.5).view(np.uint32), dtype=np.uint32)
    y = np.asarray(jaxact.tanh(bits.view(np.float32)))
    assert y.max() == y[-1] == 1.0
    assert y.min() >= 1.0 - 1e-6
