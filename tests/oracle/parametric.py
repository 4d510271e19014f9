"""Closed forms of the trainable activations in float64."""

from __future__ import annotations

import functools

import numpy as np
from scipy import optimize

from .formula import Formula
from .piecewise import LEAKY_RELU
from .precise import divide, exp, multiply, sech2, sigmoid, two_product, two_sum
from .smooth import SILU, silu_first, silu_second


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

# ---- with limits


def _below(function):
    """A function of x below the limit, else 0."""
    return lambda x, limit=7.0, beta=1.702: np.where(x < limit, function(np.minimum(x, limit), beta), 0)


SWISH_LIMITED = Formula(
    lambda x, limit=7.0, beta=1.702: SWISH_BETA.value(np.minimum(x, limit), beta),
    _below(SWISH_BETA.first),
    _below(SWISH_BETA.second),
    {
        "limit": lambda x, limit=7.0, beta=1.702: np.where(
            x < limit, 0, SWISH_BETA.first(np.float64(limit), beta)
        ),
        "beta": lambda x, limit=7.0, beta=1.702: _swish_beta(np.minimum(x, limit), beta),
    },
    lambda limit=7.0, beta=1.702: (float(limit),),
)


@functools.cache
def _silu_equals(level: float) -> float:
    """Where silu is `level`, above 0."""
    return optimize.brentq(lambda x: x / (1 + np.exp(-x)) - level, level, 2 * level, xtol=1e-300, rtol=1e-15)


def _uncapped(function, otherwise):
    def capped(x, limit=7.0):
        end = _silu_equals(limit)
        return np.where(x < end, function(np.minimum(x, end)), otherwise(limit))

    return capped


SILU_CAPPED = Formula(
    _uncapped(SILU.value, lambda limit: limit),
    _uncapped(SILU.first, lambda limit: 0),
    _uncapped(SILU.second, lambda limit: 0),
    {"limit": _uncapped(np.zeros_like, lambda limit: 1)},
    lambda limit=7.0: (_silu_equals(limit),),
)


def _clip_offset(x, limit=7.0, offset=1.0):
    return np.clip(x, -limit, limit) + offset


CLIP_OFFSET = Formula(
    _clip_offset,
    lambda x, limit=7.0, offset=1.0: np.where(np.abs(x) < limit, 1, 0),
    parameters={
        "limit": lambda x, limit=7.0, offset=1.0: np.where(np.abs(x) < limit, 0, np.sign(x)),
        "offset": _one,
    },
    kinks=lambda limit=7.0, offset=1.0: (-float(limit), float(limit)),
)

PARAMETRIC = {
    "prelu": PRELU,
    "srelu": SRELU,
    "star_relu": STAR_RELU,
    "pelu": PELU,
    "swish_beta": SWISH_BETA,
    "dyt": DYT,
    "swish_limited": SWISH_LIMITED,
    "silu_capped": SILU_CAPPED,
    "clip_offset": CLIP_OFFSET,
}
