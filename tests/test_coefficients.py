"""The stored coefficients are what the scripts of `docs/coefficients` print."""

import ast
import pathlib
import subprocess
import sys

import pytest

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
