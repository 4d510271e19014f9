"""Defects of today's libraries, each with the answer that a peer gives in a comment (jax.nn 0.12 unless named).

Exact values are the oracle's; tests/test_accuracy.py covers every number, this file names those that people hit.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import ORACLE

import jaxact

BF16, F16, F32 = jnp.bfloat16, jnp.float16, jnp.float32


def nth(f, order):
    for _ in range(order):
        f = jax.grad(f)
    return f


VALUES = [
    # name, order of derivative, dtype, x; the peer's answer in the comment
    ("gelu", 0, BF16, -3.1875),  # 0
    ("gelu", 0, F32, -5.0),  # 0 under jit
    ("sigmoid", 1, F32, 17.0),  # 0
    ("tanh", 1, F32, 9.1),  # 0
    ("softplus", 2, F32, 15.0),  # 0
    ("silu", 0, F16, -11.203125),  # -0
    ("gelu", 1, F16, 200.0),  # NaN
    ("gelu", 0, F32, -np.inf),  # NaN
    ("silu", 0, F32, -np.inf),  # NaN
    ("mish", 0, F32, -np.inf),  # NaN
    ("hard_silu", 0, F32, -np.inf),  # NaN
    ("squareplus", 0, F32, -np.inf),  # NaN
    ("soft_sign", 0, F32, np.inf),  # NaN
    ("squareplus", 0, F16, 300.0),  # inf
    ("squareplus", 0, F32, -6000.0),  # 2.4e-4 or 0
    ("sparse_plus", 1, F16, 40000.0),  # NaN
    ("hard_sigmoid", 1, BF16, 2.984375),  # 0 where saved by y, which is already 1
    ("hard_silu", 1, BF16, 2.984375),
    ("sparse_sigmoid", 1, F32, 1.0),  # 0.25
    ("sparse_sigmoid", 1, F32, -1.0),  # 0.25
    ("celu", 2, F32, 0.0),  # 0
    ("soft_sign", 1, F32, 1e10),  # 0
    ("tanh_shrink", 0, F32, 1e-4),  # 0, as torch
]


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize(("name", "order", "dtype", "x"), VALUES)
def test_value(name, order, dtype, x, jit):
    x = jnp.asarray(x, dtype)
    f = nth(jaxact.get(name), order)
    actual = float((jax.jit(f) if jit else f)(x))
    exact = float(ORACLE[name].derivative(order)(np.float64(x)))
    assert actual == pytest.approx(exact, rel=2 * float(jnp.finfo(dtype).eps), abs=0)


def test_zeros_of_a_tail_have_its_sign():
    assert np.signbit(jaxact.silu(F16(-11.2)))
    assert jaxact.silu(F16(-11.2)) != 0


def test_relu_does_not_save_a_second_array():
    # jax.nn.relu saves x and an array of zeros
    x = jnp.linspace(-1.0, 1.0, 1024)
    kept = [leaf for leaf in jax.tree.leaves(jax.vjp(jaxact.relu, x)[1]) if getattr(leaf, "size", 0) > 1]
    assert sum(leaf.nbytes for leaf in kept) <= x.nbytes


@pytest.mark.parametrize("name", ["relu", "relu6", "leaky_relu", "hard_tanh", "hard_shrink", "soft_shrink"])
def test_nan_has_no_finite_gradient(name):
    # 0 or 1
    assert np.isnan(jax.grad(jaxact.get(name))(jnp.float32(jnp.nan)))


@pytest.mark.parametrize("name", ["hard_shrink", "soft_shrink", "thresholded_relu", "fat_relu"])
def test_shrinks_and_thresholds_of_nan(name):
    # torch 2.13 returns 0 or NaN, by function
    assert np.isnan(jaxact.get(name)(jnp.float32(jnp.nan)))


def test_threshold_of_nan():
    assert np.isnan(jaxact.threshold(jnp.float32(jnp.nan), 0.1, 20.0))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("threshold", {"threshold": 0.1, "value": 2.0}),
        ("softcap", {"cap": 3.0}),
        ("prelu", {"negative_slope": 0.5}),
    ],
)
def test_what_has_required_parameters_comes_back_from_its_configuration(name, parameters):
    # 0.1.0.dev0 looked up the name without them, which is an error
    bound = jaxact.get(name, **parameters)
    assert jaxact.deserialize(jaxact.serialize(bound)) == bound
