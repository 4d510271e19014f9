"""Closed forms of the trainable activations in float64."""

from __future__ import annotations

import numpy as np

from .formula import Formula
from .piecewise import LEAKY_RELU
from .precise import divide, exp, multiply, sech2, sigmoid, two_product, two_sum
from .smooth import silu_first, silu_second


def _one(x, **params):
    return np.ones_like(x)


def _at_zero(**params):
    return (0.0,)


def _without_default(function):
    return lambda x, negative_slope: function(x, negative_slope=negative_slope)


PRELU = Formula(
    _without_default(LEAKY_RELU.value),
    _without_default(LEAKY_RELU.first),
    parameters={"negative_slope": lambda x, negative_slope: np.minimum(x, 0)},
    kinks=_at_zero,
)

# ---- three lines


def _line(x, t, a):
    d = two_sum(x, -np.float64(t))
    p = multiply(d, (np.float64(a), 0.0))
    s, error = two_sum(p[0], np.float64(t))
    return s + (error + p[1])


def _srelu(left, middle, right):
    """Three stretches of functions of x and the parameters."""

    def function(x, t_left=0.0, a_left=0.2, t_right=1.0, a_right=1.0):
        outer = np.where(x >= t_right, right(x, t_right, a_right), middle(x))
        return np.where(x <= t_left, left(x, t_left, a_left), outer)

    return function


def _nothing(x, *_):
    return np.zeros_like(x)


def _srelu_kinks(t_left=0.0, a_left=0.2, t_right=1.0, a_right=1.0):
    return tuple(float(t) for t, a in ((t_left, a_left), (t_right, a_right)) if a != 1)


SRELU = Formula(
    _srelu(_line, lambda x: x, _line),
    _srelu(lambda x, t, a: a, np.ones_like, lambda x, t, a: a),
    parameters={
        "t_left": _srelu(lambda x, t, a: 1 - a, _nothing, _nothing),
        "a_left": _srelu(lambda x, t, a: x - t, _nothing, _nothing),
        "t_right": _srelu(_nothing, _nothing, lambda x, t, a: 1 - a),
        "a_right": _srelu(_nothing, _nothing, lambda x, t, a: x - t),
    },
    kinks=_srelu_kinks,
)

# ---- a scaled and shifted square


def _star_relu(x, scale=0.8944, bias=-0.4472):
    r = np.maximum(x, 0)
    p = multiply(two_product(r, r), (np.float64(scale), 0.0))
    s, error = two_sum(p[0], np.float64(bias))
    return s + (error + p[1])


STAR_RELU = Formula(
    _star_relu,
    lambda x, scale=0.8944, bias=-0.4472: 2 * scale * np.maximum(x, 0),
    lambda x, scale=0.8944, bias=-0.4472: np.where(x > 0, 2 * scale, 0),
    {"scale": lambda x, **p: np.maximum(x, 0) ** 2, "bias": _one},
    _at_zero,
)

# ---- pelu


def _pelu_exp(x, b):
    return exp(*divide((np.minimum(x, 0), 0.0), np.float64(b)))


PELU = Formula(
    lambda x, a=1.0, b=1.0: np.where(x > 0, a / b * x, a * np.expm1(np.minimum(x, 0) / b)),
    lambda x, a=1.0, b=1.0: np.where(x > 0, a / b, a / b * _pelu_exp(x, b)),
    lambda x, a=1.0, b=1.0: np.where(x > 0, 0, a / b**2 * _pelu_exp(x, b)),
    {
        "a": lambda x, a=1.0, b=1.0: np.where(x > 0, x / b, np.expm1(np.minimum(x, 0) / b)),
        "b": lambda x, a=1.0, b=1.0: -a / b**2 * x * _pelu_exp(x, b),
    },
    _at_zero,
)

# ---- x * sigmoid(beta x)


def _scaled(x, beta):
    return two_product(x, np.float64(beta))


def _swish_beta(x, beta=1.0):
    u, lo = _scaled(x, beta)
    return x * x * sigmoid(u, lo) * sigmoid(-u, -lo)


SWISH_BETA = Formula(
    lambda x, beta=1.0: x * sigmoid(*_scaled(x, beta)),
    lambda x, beta=1.0: silu_first(*_scaled(x, beta)),
    lambda x, beta=1.0: beta * silu_second(*_scaled(x, beta)),
    {"beta": _swish_beta},
)

# ---- w tanh(alpha x) + b


def _dyt(function):
    """A function of alpha x, its sech^2 and the parameters."""

    def formula(x, alpha=0.5, weight=1.0, bias=0.0):
        return function(x, np.tanh(alpha * x), sech2(*_scaled(x, alpha)), alpha, weight, bias)

    return formula


DYT = Formula(
    _dyt(lambda x, t, s, alpha, weight, bias: weight * t + bias),
    _dyt(lambda x, t, s, alpha, weight, bias: weight * alpha * s),
    _dyt(lambda x, t, s, alpha, weight, bias: -2 * weight * alpha**2 * t * s),
    {
        "alpha": _dyt(lambda x, t, s, alpha, weight, bias: weight * x * s),
        "weight": _dyt(lambda x, t, s, alpha, weight, bias: t),
        "bias": _one,
    },
)

PARAMETRIC = {
    "prelu": PRELU,
    "srelu": SRELU,
    "star_relu": STAR_RELU,
    "pelu": PELU,
    "swish_beta": SWISH_BETA,
    "dyt": DYT,
}
