"""Derivatives at kinks, as each definition states them: PyTorch's (torch 2.13) where it has the function."""

import jax
import jax.numpy as jnp
import pytest

import jaxact

SELU_SLOPE = 1.0507009873554805 * 1.6732632423543772

FIRST = [
    # name, parameters, x, f'(x); in comments what jax.nn gives where it differs
    ("relu", {}, 0.0, 0.0),
    ("relu", {"negative_slope": 0.1}, 0.0, 0.1),
    ("relu", {"max_value": 6.0}, 6.0, 0.0),
    ("relu", {"threshold": 1.5}, 1.5, 0.0),
    ("relu", {"threshold": 1.5, "negative_slope": 0.25}, 1.5, 0.25),
    ("relu6", {}, 0.0, 0.0),
    ("relu6", {}, 6.0, 0.0),
    ("leaky_relu", {}, 0.0, 0.01),  # 1
    ("leaky_relu", {"negative_slope": 0.2}, -0.0, 0.2),  # 1
    ("elu", {"alpha": 0.5}, 0.0, 0.5),
    ("celu", {"alpha": 0.5}, 0.0, 1.0),
    ("selu", {}, 0.0, SELU_SLOPE),
    ("hard_tanh", {}, -1.0, 0.0),  # 1
    ("hard_tanh", {}, 1.0, 0.0),  # 1
    ("hard_sigmoid", {}, -3.0, 0.0),
    ("hard_sigmoid", {}, 3.0, 0.0),
    ("hard_silu", {}, -3.0, 0.0),
    ("hard_silu", {}, 3.0, 1.0),
    ("hard_mish", {}, -2.0, 0.0),
    ("hard_mish", {}, 0.0, 1.0),
    ("clip", {}, 0.0, 0.0),
    ("clip", {}, 6.0, 0.0),
    ("sparse_plus", {}, -1.0, 0.0),
    ("sparse_plus", {}, 1.0, 1.0),
    ("sparse_sigmoid", {}, -1.0, 0.0),
    ("sparse_sigmoid", {}, 1.0, 0.0),
    ("hard_shrink", {}, -0.5, 0.0),
    ("hard_shrink", {}, 0.5, 0.0),
    ("soft_shrink", {}, -0.5, 0.0),
    ("soft_shrink", {}, 0.5, 0.0),
    ("threshold", {"threshold": 0.5, "value": 20.0}, 0.5, 0.0),
    ("thresholded_relu", {}, 1.0, 0.0),
    ("fat_relu", {"threshold": 0.5}, 0.5, 0.0),
    ("relu_squared", {}, 0.0, 0.0),
    ("soft_sign", {}, 0.0, 1.0),
]

SECOND = [
    ("elu", {"alpha": 0.5}, 0.0, 0.5),
    ("celu", {"alpha": 0.5}, 0.0, 2.0),
    ("relu_squared", {}, 0.0, 0.0),
    ("hard_silu", {}, 3.0, 0.0),
    ("hard_silu", {}, -3.0, 0.0),
    ("hard_mish", {}, -2.0, 0.0),
    ("hard_mish", {}, 0.0, 0.0),
    ("sparse_plus", {}, 1.0, 0.0),
    ("sparse_plus", {}, -1.0, 0.0),
    ("soft_sign", {}, 0.0, 0.0),
    ("relu", {"negative_slope": 0.1}, 0.0, 0.0),
]

IMPLEMENTATIONS = ["reference", "inline"]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(("name", "params", "x", "slope"), FIRST)
def test_first_derivative(name, params, x, slope, implementation):
    def f(v):
        return jaxact.get(name, **params)(v, implementation=implementation)

    for derivative in (jax.grad(f), jax.jacfwd(f)):
        assert derivative(jnp.float32(x)) == jnp.float32(slope)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(("name", "params", "x", "curvature"), SECOND)
def test_second_derivative(name, params, x, curvature, implementation):
    def f(v):
        return jaxact.get(name, **params)(v, implementation=implementation)

    assert jax.grad(jax.grad(f))(jnp.float32(x)) == jnp.float32(curvature)
