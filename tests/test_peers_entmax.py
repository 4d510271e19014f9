"""The published entmax package: sparsemax, entmax15 and entmax for any alpha, with the gradient in alpha."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import peers
import pytest
from peers import EPS

import jaxact

torch = peers.require("torch")
entmax = peers.require("entmax")

# Mappings of an array whose other arguments have defaults; losses take a target, `budget_bisect` a budget.
MAPPINGS = {
    n: f
    for n, f in vars(entmax).items()
    if inspect.isfunction(f)
    and [p.default is p.empty for p in inspect.signature(f).parameters.values()].count(True) == 1
}
OURS = {
    "sparsemax": (jaxact.sparsemax, {}),
    "sparsemax_bisect": (jaxact.sparsemax, {}),
    "entmax15": (jaxact.entmax15, {}),
    "entmax_bisect": (jaxact.entmax, {"alpha": 1.3}),
}
WITHOUT = {"normmax_bisect", "budget_bisect"}  # jaxact has no such activations

RNG = np.random.default_rng(3)
INPUTS = {
    "normal": RNG.standard_normal((6, 33)),
    "spread": 30 * RNG.standard_normal((6, 33)),
    "close": 3 + 1e-3 * RNG.standard_normal((6, 33)),
    "one column": RNG.standard_normal((6, 1)),
    "a common constant": 1e4 + np.round(RNG.standard_normal((6, 33)), 1),
}
INPUTS = {n: x.astype(np.float32) for n, x in INPUTS.items()}


def test_every_mapping_of_the_package_is_compared():
    assert set(MAPPINGS) == set(OURS) | WITHOUT


def theirs(function, x, dim, **params):
    leaf = torch.tensor(x.astype(np.float64), requires_grad=True)
    more = {n: torch.tensor(v, dtype=torch.float64, requires_grad=True) for n, v in params.items()}
    bisect = {"n_iter": 90} if "n_iter" in inspect.signature(function).parameters else {}
    y = function(leaf, dim=dim, **more, **bisect)
    y.backward(torch.tensor(peers.cotangents(x.shape).astype(np.float64)))
    return y.detach().numpy(), leaf.grad.numpy(), {n: v.grad.numpy() for n, v in more.items()}


def weights(y, exponent):
    """What the derivative is made of: y**(2 - alpha) on the support."""
    return np.where(y > 0, np.where(y > 0, y, 1.0) ** exponent, 0.0)


def allowed(mine, expected, exponent, axis):
    """How far gradients may be apart if values are, by 4 eps: much beside a threshold, nothing on 0 and 0."""
    ct = peers.cotangents(expected.shape)
    s = weights(expected, exponent)
    away = np.abs(ct - np.sum(s * ct, axis, keepdims=True) / np.sum(s, axis, keepdims=True))
    off = weights(expected + 4 * EPS, exponent) - weights(expected - 4 * EPS, exponent)
    off = np.where((mine == 0) & (expected == 0), 0.0, off)
    shared = np.sum(off * away, axis, keepdims=True) / np.sum(s, axis, keepdims=True)
    return off * away + s * shared + 16 * EPS


@pytest.mark.parametrize("axis", [-1, 0])
@pytest.mark.parametrize("data", INPUTS)
@pytest.mark.parametrize("name", OURS)
def test_values_and_gradients(name, data, axis):
    function, params = OURS[name]
    x = INPUTS[data]

    def mine(v, ct, more):
        y, pullback = jax.vjp(lambda u, p: function(u, axis=axis, **p), v, more)
        return y, *pullback(ct)

    arrays = {n: jnp.float32(v) for n, v in params.items()}
    y, dx, dp = jax.jit(mine)(jnp.asarray(x), jnp.asarray(peers.cotangents(x.shape)), arrays)
    params = {n: float(np.float32(v)) for n, v in params.items()}
    expected, slope, by_parameter = theirs(MAPPINGS[name], x, axis, **params)
    np.testing.assert_allclose(y, expected, atol=4 * EPS, rtol=4 * EPS)
    alpha = {"sparsemax": 2.0, "entmax15": 1.5}.get(function.__name__) or params["alpha"]
    assert np.all(np.abs(dx - slope) <= allowed(np.asarray(y, np.float64), expected, 2 - alpha, axis))
    for n, expected_slope in by_parameter.items():
        np.testing.assert_allclose(dp[n], expected_slope, rtol=1e-4, atol=1e-4)
