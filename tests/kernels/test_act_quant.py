"""The kernels that quantise, in the interpreter, against float64."""

import functools

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from kernels.support import double, interpreted, needs_kernels, values

needs_kernels()

from pallas_kernels import quantize

LARGEST = {"int8": 127.0, "float8_e4m3fn": 448.0, "float8_e5m2": 57344.0}
LOG2E = 1.4426950408889634


def silu(x):
    return x / (1.0 + jnp.exp2(x * -LOG2E))


def swiglu(gate, up):
    return silu(gate) * up


def exact(x: np.ndarray, packed: bool) -> np.ndarray:
    gate, up = np.split(x, 2, -1) if packed else (x, 1.0)
    return gate / (1.0 + np.exp(-gate)) * up


def run(x, dtype, *, packed=False, block=None):
    kernel = functools.partial(
        quantize.act_quant, swiglu if packed else silu, dtype=dtype, block=block, packed=packed
    )
    return jax.jit(functools.partial(kernel, interpret=interpreted()))(x)


def check(q, scale, h: np.ndarray, dtype: str) -> None:
    """The scale to 4 eps, and q to half a step and what is rounded in float32 before."""
    h = h.reshape(*scale.shape, -1)
    largest = np.max(np.abs(h), -1)
    expected = np.where(largest == 0, 1.0, largest / LARGEST[dtype])
    np.testing.assert_allclose(double(scale), expected, rtol=4 * 2.0**-23)
    assert q.dtype == np.dtype(dtype)
    steps = h / expected[..., None]
    found = double(q).reshape(steps.shape)
    if dtype == "int8":
        half = 0.5
    else:
        info = ml_dtypes.finfo(dtype)
        half = 2.0 ** np.floor(np.log2(np.maximum(np.abs(steps), float(info.tiny)))) * float(info.eps) / 2
    assert np.all(np.abs(found - steps) <= half + 4e-6 * np.abs(steps))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("block", "n"), [(None, 1), (None, 127), (None, 1000), (128, 384), (128, 1152)])
@pytest.mark.parametrize(("dtype", "out"), [("float32", "int8"), ("bfloat16", "float8_e4m3fn")])
def test_rows_and_blocks(dtype, out, block, n, packed):
    x = values(n, shape=(3, n * (1 + packed)), dtype=dtype).at[1].set(0.0)
    check(*run(x, out, packed=packed, block=block), exact(double(x), packed), out)


@pytest.mark.parametrize(
    ("dtype", "out"), [("float16", "float8_e5m2"), ("float16", "int8"), ("float32", "float8_e5m2")]
)
def test_other_dtypes(dtype, out):
    x = values(out, shape=(2, 256), dtype=dtype)
    check(*run(x, out), exact(double(x), False), out)
    check(*run(x, out, block=128), exact(double(x), False), out)


def test_a_row_of_several_warpgroups():
    x = values(1, shape=(1, 20_007), dtype="bfloat16")
    check(*run(x, "int8"), exact(double(x), False), "int8")


@pytest.mark.parametrize("block", [None, 128])
def test_a_nan_makes_the_scale_nan(block):
    x = values(1, shape=(2, 256), dtype="float32").at[0, 3].set(jnp.nan)
    q, scale = run(x, "int8", block=block)
    assert np.isnan(scale.reshape(2, -1)[0, 0])
    check(q[1:], scale[1:], exact(double(x), False)[1:], "int8")


@pytest.mark.parametrize("block", [None, 128])
def test_what_is_too_small_for_a_scale_has_scale_one(block):
    q, scale = run(jnp.full((1, 128), 1e-37), "int8", block=block)
    assert np.all(scale == 1.0)
    assert not np.any(q)


def test_odd_sizes_are_refused():
    with pytest.raises(ValueError, match="rows of 130 elements are no multiple of the block of 128"):
        quantize.act_quant(silu, jnp.zeros((2, 130)), dtype="int8", block=128)
    with pytest.raises(ValueError, match="block=64"):
        quantize.act_quant(silu, jnp.zeros((2, 128)), dtype="int8", block=64)
    q, scale = quantize.act_quant(silu, jnp.zeros((0, 128)), dtype="int8", block=128)
    assert (q.shape, scale.shape) == ((0, 128), (0, 1))
