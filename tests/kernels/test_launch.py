"""How an extent is cut, and float8 casts."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.support import FLOAT8, interpreted, needs_kernels

needs_kernels()

from pallas_kernels import gated, launch, quantize, reduce, rowwise
from pallas_kernels.elementwise import elementwise


@given(st.integers(0, 200_000), st.sampled_from([1, 2, 4, 8, 16]), st.sampled_from([1, 2, 4]))
def test_tiles_cover_every_place_once(extent, vector, unroll):
    place = 0
    for tile in launch.tiles(extent, vector, unroll):
        assert tile.start == place
        assert tile.start % tile.aligned == 0
        assert tile.size % tile.aligned == 0
        place += tile.size * tile.count
    assert place == extent


@pytest.mark.parametrize("extent", [1, 127, 128, 2048, 2049, 100_000])
def test_at_most_four_tiles_and_full_blocks_first(extent):
    cut = launch.tiles(extent, 8, 2)
    assert len(cut) <= 4
    assert launch.block_count(cut) <= extent // 2048 + 3


@pytest.mark.parametrize(
    ("dtypes", "vector"),
    [(["float32"], 4), (["bfloat16"], 8), (["float8_e5m2"], 16), (["bfloat16", "float32"], 4)],
)
def test_an_access_is_16_bytes_of_the_widest(dtypes, vector):
    assert launch.vector_size(*dtypes) == vector


@pytest.mark.parametrize("dtype", FLOAT8)
def test_casts_to_float8_overflow_as_those_of_jax(dtype):
    largest = float(jnp.finfo(dtype).max)
    x = np.array([0.0, -0.0, 1.0, largest, np.inf, np.nan], np.float32)
    x = np.concatenate([x, np.linspace(0.9, 1.2, 122, dtype=np.float32) * largest])
    x = jnp.asarray(np.concatenate([x, -x]))
    (y,) = elementwise(lambda v: v, [x], [dtype], interpret=interpreted())
    np.testing.assert_array_equal(np.asarray(y).astype(np.float32), np.asarray(x.astype(dtype)).astype(np.float32))
    assert bool(jnp.any(~jnp.isfinite(y[6:128].astype(jnp.float32))))


RACE = """
import jax
from kernels.support import interpreted
from pallas_kernels import gated, launch, quantize, reduce, rowwise

def body(x_ref, o_ref):
    place = launch.pl.ds(jax.lax.axis_index("g0") * 64, 128)
    launch.store(o_ref.at[place], launch.load(x_ref.at[place], None))

out = jax.ShapeDtypeStruct((192,), "float32")
jax.block_until_ready(launch.launch(body, out, (2,), interpret=interpreted())(jax.numpy.zeros(192)))
"""


@pytest.mark.skipif(interpreted() is None, reason="races are found in the interpreter only")
def test_overlapping_blocks_are_reported_as_a_race():
    """So the interpreter would have found one in the other tests. In a process that may end in an error."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path}
    run = subprocess.run(
        [sys.executable, "-c", RACE], capture_output=True, text=True, check=False, env=environment
    )
    assert "RACE DETECTED" in run.stdout + run.stderr
    assert run.returncode or jax.__version__.startswith("0.11."), (
        "JAX 0.11 prints it and goes on, later ones raise"
    )


X, SHORT, ROW = (jnp.zeros(s) for s in ((4, 6), (4, 5), (5,)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: elementwise(lambda a, b: a + b, [X, SHORT], ["float32"]),
            r"operand 1 must be .*\(4, 6\), got \(4, 5",
        ),
        (
            lambda: elementwise(lambda a, b: a + b, [X], ["float32"], rows=[ROW]),
            r"row 0, .* of shape \(6,\), got \(5,",
        ),
        (lambda: elementwise(lambda a: a, [X], ["bfloat16"], in_place=True), "must be of bfloat16, got float32"),
        (lambda: reduce.backward(lambda *v: v, X, [], SHORT), r"ct must be of shape \(4, 6\)"),
        (lambda: reduce.backward(lambda *v: v, X, [ROW], X), "parameter 0, unless of rank 0,"),
        (lambda: gated.forward(lambda g, u: g, SHORT), "two halves"),
        (lambda: gated.forward(lambda g, u: g, (X, SHORT)), "operand 1"),
        (lambda: gated.backward(lambda g, u, c: (g, u), X, X), r"ct must be of shape \(4, 3\)"),
        (lambda: rowwise.softmax(X, where=SHORT), r"beside \(4, 6\) must be of shape \(4, 6\), got \(4, 5"),
        (lambda: rowwise.softmax_backward(X, SHORT), "an operand of softmax_backward"),
        (lambda: rowwise.entmax(ROW), r"entmax takes \(rows, n\)"),
        (lambda: quantize.act_quant(lambda g, u: g, SHORT, dtype="int8", packed=True), "two halves, got 5"),
    ],
)
def test_mismatched_operands_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
