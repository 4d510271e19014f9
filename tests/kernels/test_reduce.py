"""The backward kernel with sums in the interpreter, against float64; and that it lowers for CUDA."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kernels.support import FLOATS, close, double, interpreted, lowered, needs_kernels, values

needs_kernels()

from pallas_kernels import config, reduce

# Single rows; few and many channels; whole blocks, and rows left over after the last of them; folded rows.
SHAPES = [
    (1,),
    (1025,),
    (3, 1),
    (5000, 1),
    (40, 5),
    (300, 96),
    (33, 127),
    (200, 128),
    (64, 1024),
    (2, 9, 129),
    (7, 1185),
]


def where(condition, yes, no):
    return (np if isinstance(condition, np.ndarray) else jnp).where(condition, yes, no)


def body(x, ct, slope, scale):
    """Of y = scale * (x above 0, slope * x below)."""
    left = where(x > 0, 0.0, 1.0)
    dx = ct * scale * (slope * left + (1.0 - left))
    return dx, (ct * scale * x * left, ct * x * (slope * left + (1.0 - left)))


def sums(terms, shape):
    """Over all axes but those of the parameter, with the sum of sizes for the error's scale."""
    axes = tuple(range(terms.ndim - len(shape)))
    return terms.sum(axes), np.abs(terms).sum(axes)


@pytest.mark.parametrize("kinds", ["numbers", "channels", "mixed"])
@pytest.mark.parametrize(("shape", "dtype"), [(s, FLOATS[i % 3]) for i, s in enumerate(SHAPES)])
def test_gradients(shape, dtype, kinds):
    x, ct = (values(i, shape, shape=shape, dtype=dtype) for i in range(2))
    of_channels = shape[-1:]
    shapes = {"numbers": ((), ()), "channels": (of_channels,) * 2, "mixed": (of_channels, ())}[kinds]
    slope, scale = (values(i, s, shape=s, dtype="float32") for i, s in enumerate(shapes))
    dx, gradients = reduce.backward(body, x, [slope, scale], ct, interpret=interpreted())

    exact_dx, terms = body(*map(double, (x, ct, slope, scale)))
    close(dx, exact_dx, dtype)
    for gradient, term, parameter in zip(gradients, terms, (slope, scale)):
        assert gradient.dtype == jnp.float32
        assert gradient.shape == parameter.shape
        total, size = sums(term, parameter.shape)
        close(gradient, total, "float32", size=4.0 * size)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (4, 0)])
def test_nothing(shape):
    x = jnp.zeros(shape, jnp.bfloat16)
    parameters = [jnp.ones(shape[-1:]), jnp.float32(1.0)]
    dx, gradients = reduce.backward(body, x, parameters, x, interpret=interpreted())
    assert dx.shape == shape
    assert [g.shape for g in gradients] == [shape[-1:], ()]
    assert float(gradients[1]) == 0.0


@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
@pytest.mark.parametrize(("count", "of_channels"), [(1, True), (3, True), (10, False)])
def test_any_number_of_parameters(count, of_channels, long, monkeypatch):
    """One slope, DyT's three, the ten coefficients of a rational function; of a long body, narrower accesses."""
    shape = (50, 64)
    if long:
        monkeypatch.setattr(config, "LONG_SUMMED_BODY", 0)
    x, ct = (values(i, shape=shape, dtype="float32", scale=0.5) for i in range(2))
    parameters = [values(i, shape=shape[-1:] if of_channels else (), dtype="float32") for i in range(count)]

    def powers(x, ct, *parameters):
        return ct, [ct * x**n for n in range(count)]

    _, gradients = reduce.backward(powers, x, parameters, ct, interpret=interpreted())
    for n, gradient in enumerate(gradients):
        total, size = sums(double(ct) * double(x) ** n, parameters[n].shape)
        close(gradient, total, "float32", size=8.0 * size)


def test_the_order_of_additions_is_fixed():
    x, ct = (values(i, shape=(40, 128), dtype="float32") for i in range(2))
    parameters = [jnp.float32(0.25), jnp.ones(128)]
    once, again = (reduce.backward(body, x, parameters, ct, interpret=interpreted()) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, once, again)


@pytest.mark.parametrize("kinds", ["numbers", "channels"])
@pytest.mark.parametrize(
    ("shape", "dtype"), [((8192, 4096), "bfloat16"), ((512, 96), "float16"), ((100, 2209), "float32")]
)
def test_lowers_for_cuda(shape, dtype, kinds):
    x = jax.ShapeDtypeStruct(shape, dtype)
    parameter = jax.ShapeDtypeStruct(() if kinds == "numbers" else shape[-1:], "float32")
    text = lowered(lambda x, ct, a, b: reduce.backward(body, x, [a, b], ct), x, x, parameter, parameter)
    assert "mosaic_gpu" in text
