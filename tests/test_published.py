"""What the papers' own code computes, worked out here in float64, a number at a time: order of weights, defaults.

Kimi K3: ``SituAndMul`` of modeling_kimi_linear.py and the numbers of its config.json (moonshotai/Kimi-K3).
PolyNorm: the class in the README of github.com/BryceZhuo/PolyCom, of the paper's authors.
SReLU: keras_contrib/layers/advanced_activations/srelu.py, whose right part is always to the right of the left.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from modules import FRAMEWORKS, KEY, call, make
from support import close

import jaxact

# -- SiTU-GLU: the gate is the first half; beta 4 caps it, linear beta 25 the other ------------------------------

GATES, UPS = [-30.0, -4.0, -0.7, 0.0, 1.3, 9.0], [2.0, -80.0, 0.3, 5.0, -1.1, 60.0]


def situ(gate: float, up: float, beta: float = 4.0, linear_beta: float | None = 25.0) -> float:
    activated = beta * math.tanh(gate / beta) / (1.0 + math.exp(-gate))
    return activated * (up if linear_beta is None else linear_beta * math.tanh(up / linear_beta))


def test_situ_glu():
    packed = jnp.asarray([*GATES, *UPS], jnp.float32)
    wanted = np.array([situ(g, u) for g, u in zip(GATES, UPS)])
    close(jaxact.situ_glu(packed), wanted)
    assert abs(wanted[-1]) > 50, "both caps matter"
    other = np.array([situ(g, u, 1.5, 3.0) for g, u in zip(GATES, UPS)])
    close(jaxact.situ_glu(packed, gate_cap=1.5, up_cap=3.0), other)


def test_situ_glu_without_a_cap_of_the_other_half():
    wanted = np.array([situ(g, u, linear_beta=None) for g, u in zip(GATES, UPS)])
    packed = jnp.asarray([*GATES, *UPS], jnp.float32)
    close(jaxact.gated(packed, jaxact.get("situ", cap=4.0)), wanted)


# -- PolyNorm: the weight of the third power comes first, the mean is over the last axis, eps is 1e-6 ------------

ROWS = [[0.5, -1.25, 2.0, 0.125], [1e-3, -2e-3, 5e-4, 3e-3]]  # the second small enough for eps to count


def poly_norm(row: list[float], weight: list[float], bias: float, eps: float = 1e-6) -> list[float]:
    total = [bias] * len(row)
    for w, power in zip(weight, (3, 2, 1), strict=True):
        powers = [v**power for v in row]
        root = math.sqrt(sum(p * p for p in powers) / len(row) + eps)
        total = [t + w * p / root for t, p in zip(total, powers)]
    return total


@pytest.mark.parametrize(
    ("weight", "bias"),
    [([1.0, 0.0, 0.0], 0.0), ([0.0, 1.0, 0.0], 0.0), ([0.0, 0.0, 1.0], 0.0), ([0.7, -0.4, 1.3], 0.2)],
)
def test_poly_norm(weight, bias):
    wanted = np.array([poly_norm(row, weight, bias) for row in ROWS])
    found = jaxact.poly_norm(jnp.asarray(ROWS, jnp.float32), jnp.asarray(weight, jnp.float32), bias)
    np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_poly_norm_starts_as_its_authors_have_it(framework):
    x = jnp.asarray(ROWS, jnp.float32)
    wanted = np.array([poly_norm(row, [1 / 3] * 3, 0.0) for row in ROWS])
    np.testing.assert_allclose(jaxact.poly_norm(x), wanted, rtol=2e-6, atol=1e-7)
    layer = make(framework, "PolyNorm")
    np.testing.assert_array_equal(
        layer(x) if framework == "nnx" else layer.init_with_output(KEY, x)[0], jaxact.poly_norm(x)
    )


# -- SReLU: the thresholds keep their order while they are trained -----------------------------------------------

X = np.linspace(-3, 3, 25, dtype=np.float32)


def srelu(x: float, t_left: float, a_left: float, t_right: float, a_right: float) -> float:
    """The right threshold is never to the left of the left one."""
    t_right = max(t_left, t_right)
    if x <= t_left:
        return t_left + a_left * (x - t_left)
    return t_right + a_right * (x - t_right) if x >= t_right else x


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("thresholds", [(-1.0, 1.0), (0.5, 0.5), (1.25, -0.5)])
def test_srelu_never_lets_its_thresholds_cross(framework, thresholds):
    given = dict(zip(("t_left", "t_right"), map(jnp.float32, thresholds)), a_left=jnp.float32(0.25))
    given["a_right"] = jnp.float32(2.0)
    found = call(framework, "SReLU")(X, given)
    close(found, np.array([srelu(float(v), thresholds[0], 0.25, thresholds[1], 2.0) for v in X]))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_srelu_comes_back_when_training_crosses_its_thresholds(framework):
    """The target has them in order; the first values, as training may leave them, do not."""
    layer = call(framework, "SReLU")
    target = np.array([srelu(float(v), -1.0, 0.25, 1.0, 2.0) for v in X])
    weights = {"t_left": 0.2, "a_left": 0.25, "t_right": -0.2, "a_right": 2.0}
    weights = {n: jnp.float32(v) for n, v in weights.items()}
    optimiser = optax.adam(0.1)

    @jax.jit
    def step(weights, state):
        loss, slopes = jax.value_and_grad(lambda w: jnp.mean((layer(X, w) - target) ** 2))(weights)
        with jax.numpy_dtype_promotion("standard"):  # optax needs it
            changes, state = optimiser.update(slopes, state)
        return optax.apply_updates(weights, changes), state, loss

    state, losses = optimiser.init(weights), []
    for _ in range(120):
        weights, state, loss = step(weights, state)
        losses.append(float(loss))
    assert losses[-1] < 0.05 * losses[0]
    assert weights["t_left"] < weights["t_right"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_srelu_does_not_start_with_thresholds_that_cross(framework):
    with pytest.raises(ValueError, match=r"SReLU: t_left_init must not exceed t_right_init, got 1 and 0.5"):
        make(framework, "SReLU", t_left_init=1.0, t_right_init=0.5)
