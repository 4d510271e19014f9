"""act_quant against a float64 oracle: scales, values, gradients, transformations and errors."""

import functools

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from oracle import ORACLE

import jaxact

LARGEST = {"int8": 127.0, "float8_e4m3fn": 448.0, "float8_e5m2": 57344.0}
EPS = 2.0**-23


def rows(shape=(4, 256), dtype="float32", seed=0) -> jax.Array:
    x = np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * 3
    return jnp.asarray(x).astype(dtype)


def silu(x) -> np.ndarray:
    return ORACLE["silu"].value(np.asarray(x).astype(np.float64))


def check(q, scale, h: np.ndarray, dtype: str) -> None:
    """scale = max |h| / largest, and q * scale = h within half a step of the dtype."""
    blocks = h.reshape(*scale.shape, -1)
    amax = np.max(np.abs(blocks), -1)
    expected = np.where(amax == 0, 1.0, amax / LARGEST[dtype])
    np.testing.assert_allclose(np.asarray(scale, np.float64), expected, rtol=8 * EPS)
    assert q.shape == h.shape
    steps = blocks / expected[..., None]
    found = np.asarray(q).astype(np.float64).reshape(steps.shape)
    if dtype == "int8":
        half = 0.5
    else:
        info = ml_dtypes.finfo(dtype)
        half = 2.0 ** np.floor(np.log2(np.maximum(np.abs(steps), float(info.tiny)))) * float(info.eps) / 2
    assert np.all(np.abs(found - steps) <= half + 16 * EPS * np.abs(steps))


@pytest.mark.parametrize("block", [None, 128])
@pytest.mark.parametrize("out", LARGEST)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_values(dtype, out, block):
    x = rows(dtype=dtype).at[1].set(0.0)
    q, scale = jaxact.act_quant(x, "silu", out, block)
    assert (q.dtype, scale.dtype) == (np.dtype(out), np.float32)
    assert scale.shape == (4, 256 // (block or 256))
    check(q, scale, silu(x), out)
    assert np.all(scale[1] == 1.0)
    assert not np.any(np.asarray(q[1]).astype(np.float32))


@pytest.mark.parametrize("name", ["swiglu", "SwiGLU", jaxact.swiglu, functools.partial(jaxact.gated, gate="silu")])
def test_gated(name):
    x = rows((3, 512))
    gate, up = np.split(np.asarray(x, np.float64), 2, -1)
    q, scale = jaxact.act_quant(x, name, block=128)
    check(q, scale, silu(gate) * up, "int8")


@pytest.mark.parametrize(
    "name", ["glu", "geglu", "reglu", "bilinear", "swiglu_oai", "swiglu_clamp", "swiglu_step"]
)
def test_every_gated_name(name):
    x = rows((2, 64))
    q, scale = jaxact.act_quant(x, name)
    check(q, scale, np.asarray(getattr(jaxact, name)(x), np.float64), "int8")


def test_any_function_and_any_rank():
    x = rows((2, 3, 10))
    q, scale = jaxact.act_quant(x, jnp.sin)
    check(q, scale, np.sin(np.asarray(x, np.float64)), "int8")
    q, scale = jaxact.act_quant(x[0, 0], jaxact.get("leaky_relu", negative_slope=0.5))
    assert (q.shape, scale.shape) == ((10,), (1,))


def test_16_bit_activations_are_not_rounded_before_they_are_quantised():
    x = rows((64, 256), "bfloat16")
    q, scale = jaxact.act_quant(x, "silu")
    check(q, scale, silu(x), "int8")  # half a step, which a rounded silu exceeds:
    with pytest.raises(AssertionError):
        check(q, scale, np.asarray(jaxact.silu(x)).astype(np.float64), "int8")


def test_nan_and_infinity_reach_the_scale():
    x = rows((3, 128)).at[0, 5].set(jnp.nan).at[1, 6].set(jnp.inf)
    q, scale = jaxact.act_quant(x, "identity")
    assert np.isnan(scale[0, 0])
    assert np.isposinf(scale[1, 0])
    check(q[2:], scale[2:], np.asarray(x[2:], np.float64), "int8")


def test_what_is_too_small_for_a_normal_scale_has_scale_one():
    q, scale = jaxact.act_quant(jnp.full((1, 4), 1e-37), "identity")
    assert scale[0, 0] == 1.0
    assert not np.any(q)


def test_ties_go_to_even():
    q, _ = jaxact.act_quant(jnp.array([127.0, 0.5, 1.5, 2.5, -0.5, -1.5]), "identity")
    np.testing.assert_array_equal(q, [127, 0, 2, 2, 0, -2])


def test_empty_arrays():
    q, scale = jaxact.act_quant(jnp.zeros((0, 128)), "relu", block=128)
    assert (q.shape, scale.shape) == ((0, 128), (0, 1))
    q, scale = jaxact.act_quant(jnp.zeros((3, 0)), "relu")
    assert (q.shape, scale.shape) == ((3, 0), (3, 0))


# -- gradients --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int8", "float8_e5m2"])
def test_straight_through_is_the_gradient_of_the_activation(dtype):
    x, ct = rows((2, 256)), rows((2, 256), seed=1)

    def dequantised(x):
        q, scale = jaxact.act_quant(x, "silu", dtype, straight_through=True)
        return q * scale

    y, pullback = jax.vjp(dequantised, x)
    q, scale = jaxact.act_quant(x, "silu", dtype)
    np.testing.assert_array_equal(y, q.astype(jnp.float32) * scale)
    exact = ORACLE["silu"].first(np.asarray(x, np.float64)) * np.asarray(ct, np.float64)
    np.testing.assert_allclose(pullback(ct)[0], exact, rtol=1e-5, atol=1e-6)
    tangent = jax.jvp(dequantised, (x,), (ct,))[1]
    np.testing.assert_allclose(tangent, exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("output", [0, 1])
def test_without_it_differentiation_is_an_error(output):
    with pytest.raises(TypeError, match="straight_through=True"):
        jax.grad(lambda x: jnp.sum(jaxact.act_quant(x, "silu", "float8_e5m2")[output].astype(jnp.float32)))(rows())


def test_what_does_not_depend_on_x_has_gradients():
    x = rows()
    assert jax.grad(lambda w: jnp.sum(w * jaxact.act_quant(x, "silu")[1]))(1.0) > 0


# -- transformations --------------------------------------------------------------------------------------------


def test_vmap_and_jit():
    x = rows((3, 4, 256))
    expected = jaxact.act_quant(x, "gelu", block=128)
    for found in (
        jax.vmap(lambda r: jaxact.act_quant(r, "gelu", block=128))(x),
        jax.jit(lambda x: jaxact.act_quant(x, "gelu", block=128))(x),
    ):
        for a, b in zip(found, expected):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("implementation", ["inline", "reference", "prefer_pallas"])
def test_implementations_agree(implementation):
    x = rows()
    q, scale = jaxact.act_quant(x, "silu", implementation=implementation)
    check(q, scale, silu(x), "int8")


# -- errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "match", "call"),
    [
        (ValueError, r"dtype must be one of .*got 'int4'", lambda x: jaxact.act_quant(x, "silu", "int4")),
        (ValueError, r"block must be None.* or 128, got 64", lambda x: jaxact.act_quant(x, "silu", block=64)),
        (
            ValueError,
            r"must be a multiple of 128, got 130; pad it, or pass block=None",
            lambda x: jaxact.act_quant(x[:, :130], "silu", block=128),
        ),
        (ValueError, r"multiple of 128, got 64;", lambda x: jaxact.act_quant(x[:, :128], "swiglu", block=128)),
        (ValueError, r"odd size 255", lambda x: jaxact.act_quant(x[:, :255], "swiglu")),
        (ValueError, r"at least one axis", lambda x: jaxact.act_quant(x[0, 0], "silu")),
        (ValueError, r"did you mean .*'silu'", lambda x: jaxact.act_quant(x, "silo")),
        (TypeError, r"keep all axes but the last, got \(\)", lambda x: jaxact.act_quant(x, jnp.sum)),
        (TypeError, r"takes real input", lambda x: jaxact.act_quant(x.astype("complex64"), "silu")),
        (
            NotImplementedError,
            r"has no kernel here",
            lambda x: jaxact.act_quant(x, "silu", implementation="pallas"),
        ),
        (ValueError, r"implementation must be", lambda x: jaxact.act_quant(x, "silu", implementation="fast")),
    ],
)
def test_errors_state_the_invariant(error, match, call):
    with pytest.raises(error, match=match):
        call(rows())
