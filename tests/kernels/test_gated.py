"""The gated kernels in the interpreter, against float64; and that they lower for CUDA without copies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kernels.support import FLOATS, close, double, interpreted, lowered, needs_kernels, values

needs_kernels()

from pallas_kernels import gated

LAYOUTS = ["concat", "interleaved", "pair"]
SHAPES = [(1,), (3, 33), (128,), (2, 2, 129), (2, 1021), (2, 2048)]


def product(gate, up):
    return (gate * 0.5) * up


def gradients(gate, up, ct):
    return up * ct, gate * ct * 0.5


def pack(first, second, layout):
    if layout == "pair":
        return first, second
    if layout == "concat":
        return jnp.concatenate([first, second], -1)
    return jnp.stack([first, second], -1).reshape(*first.shape[:-1], 2 * first.shape[-1])


def unpack(x, layout):
    if layout == "pair":
        return x
    if layout == "concat":
        return tuple(np.split(np.asarray(x), 2, -1))
    return np.asarray(x)[..., ::2], np.asarray(x)[..., 1::2]


def options(layout, gate_first):
    return {"gate_first": gate_first, "interpret": interpreted()} | (
        {} if layout == "pair" else {"layout": layout}
    )


def halves(shape, dtype):
    return (values(i, shape, shape=shape, dtype=dtype) for i in range(3))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_forward(shape, dtype, layout):
    first, second, _ = halves(shape, dtype)
    y = gated.forward(product, pack(first, second, layout), **options(layout, True))
    close(y, product(double(first), double(second)), dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_backward(shape, dtype, layout):
    first, second, ct = halves(shape, dtype)
    dx = gated.backward(gradients, pack(first, second, layout), ct, **options(layout, True))
    for found, expected in zip(unpack(dx, layout), gradients(*map(double, (first, second, ct)))):
        close(found, expected, dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("gate_first", [True, False])
def test_which_half_is_the_gate(layout, gate_first):
    first, second, ct = halves((2, 200), "bfloat16")
    x = pack(first, second, layout)
    y = gated.forward(lambda gate, up: gate, x, **options(layout, gate_first))
    np.testing.assert_array_equal(double(y), double(first if gate_first else second))
    dx = unpack(gated.backward(lambda g, u, c: (c, -c), x, ct, **options(layout, gate_first)), layout)
    sign = 1.0 if gate_first else -1.0
    np.testing.assert_array_equal(double(dx[0]), sign * double(ct))
    np.testing.assert_array_equal(double(dx[1]), -sign * double(ct))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0)])
def test_nothing(shape, layout):
    first, second, ct = halves(shape, "float32")
    x = pack(first, second, layout)
    assert gated.forward(product, x, **options(layout, True)).shape == shape
    dx = gated.backward(gradients, x, ct, **options(layout, True))
    assert jax.tree.map(jnp.shape, dx) == jax.tree.map(jnp.shape, x)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("out", ["float32", "float16", "float8_e4m3fn"])
def test_the_result_may_have_another_dtype(layout, out):
    first, second, _ = halves((3, 160), "bfloat16")
    y = gated.forward(product, pack(first, second, layout), out_dtype=out, **options(layout, True))
    close(y, product(double(first), double(second)), out)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_lowers_for_cuda(layout, dtype):
    half = jax.ShapeDtypeStruct((4, 2048 + 3 * 128 + 61), dtype)
    x = (half, half) if layout == "pair" else jax.ShapeDtypeStruct((4, 2 * half.shape[1]), dtype)
    how = {} if layout == "pair" else {"layout": layout}
    both = lowered(
        lambda x, ct: (gated.forward(product, x, **how), gated.backward(gradients, x, ct, **how)), x, half
    )
    moved = [op for op in ("concatenate", "pad", "transpose", "slice") if f"stablehlo.{op}" in both]
    assert moved == []
