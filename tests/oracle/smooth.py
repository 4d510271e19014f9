"""Closed forms of the smooth activations in float64."""

from __future__ import annotations

import numpy as np
from scipy import special

from .formula import Formula
from .precise import (
    constant,
    divide,
    exp,
    multiply,
    near_roots,
    normal_cdf,
    normal_pdf,
    sech2,
    sigmoid,
    softplus,
    two_product,
    two_sum,
)

# ---- x * sigmoid(...)


@near_roots("silu", -1.28, order=1)
def silu_first(u, lo):
    return sigmoid(u, lo) * (1 + u * sigmoid(-u, -lo))


@near_roots("silu", -2.4, 2.4, order=2)
def silu_second(u, lo):
    return sigmoid(u, lo) * sigmoid(-u, -lo) * (2 - u * np.tanh(u / 2))


SILU = Formula(lambda x: x * sigmoid(x), silu_first, silu_second)

_SLOPE = constant("1.702")

QUICK_GELU = Formula(
    lambda x: x * sigmoid(*multiply((x, 0.0), _SLOPE)),
    lambda x: silu_first(*multiply((x, 0.0), _SLOPE)),
    lambda x: _SLOPE[0] * silu_second(*multiply((x, 0.0), _SLOPE)),
)

# ---- gelu

_CUBIC = constant("0.044715")
_TWICE_ROOT = constant("1.595769121605730711759542261848838703387684551887")  # 2 sqrt(2 / pi)


def _gelu_argument(x):
    """2 sqrt(2/pi) (x + 0.044715 x^3) as a pair, and its first two derivatives."""
    factor, error = multiply(two_product(x, x), _CUBIC)
    factor, rounding = two_sum(1.0, factor)
    argument = multiply(multiply((x, 0.0), (factor, rounding + error)), _TWICE_ROOT)
    return argument, _TWICE_ROOT[0] * (1 + 3 * _CUBIC[0] * x * x), 6 * _TWICE_ROOT[0] * _CUBIC[0] * x


@near_roots("gelu", -0.752, order=1, approximate=True)
def _gelu_tanh_first(x, lo):
    (z, z_lo), slope, _ = _gelu_argument(x)
    return sigmoid(z, z_lo) * (1 + x * slope * sigmoid(-z, -z_lo))


@near_roots("gelu", -1.41, 1.41, order=2, approximate=True)
def _gelu_tanh_second(x, lo):
    (z, z_lo), slope, curvature = _gelu_argument(x)
    bend = 2 * slope + x * curvature - x * slope**2 * np.tanh(z / 2)
    return sigmoid(z, z_lo) * sigmoid(-z, -z_lo) * bend


@near_roots("gelu", -0.752, order=1, approximate=False)
def gelu_erf_first(x, lo):
    return normal_cdf(x) + x * normal_pdf(x)


@near_roots("gelu", -1.414, 1.414, order=2, approximate=False)
def gelu_erf_second(x, lo):
    return normal_pdf(x) * (2 - x * x)


def gelu_erf(x):
    return x * normal_cdf(x)


def _gelu_value(x, approximate=True):
    return x * sigmoid(*_gelu_argument(x)[0]) if approximate else gelu_erf(x)


GELU = Formula(
    _gelu_value,
    lambda x, approximate=True: (_gelu_tanh_first if approximate else gelu_erf_first)(x),
    lambda x, approximate=True: (_gelu_tanh_second if approximate else gelu_erf_second)(x),
)

# ---- x * tanh(softplus(x)), with e = exp(-|x|) so that neither side overflows


def _mish_gate(x):
    e = np.exp(-np.abs(x))
    left = e * (2 + e), 2 + 2 * e + e * e, 4 * e * (1 + e), 4 * e * (2 + 2 * e - 3 * e**2 - 2 * e**3)
    right = 1 + 2 * e, 1 + 2 * e + 2 * e * e, 4 * e**2 * (1 + e), 4 * e**2 * (2 * e**3 + 2 * e**2 - 3 * e - 2)
    top, bottom, first, second = (np.where(x < 0, a, b) for a, b in zip(left, right, strict=True))
    return top / bottom, first / bottom**2, second / bottom**3


@near_roots("mish", -1.19, order=1)
def _mish_first(x, lo):
    gate, first, _ = _mish_gate(x)
    return gate + x * first


@near_roots("mish", -2.257, 1.491, order=2)
def _mish_second(x, lo):
    _, first, second = _mish_gate(x)
    return 2 * first + x * second


MISH = Formula(lambda x: x * _mish_gate(x)[0], _mish_first, _mish_second)

# ---- x * tanh(exp(x)); beyond x = 7 the gate is 1 and its derivatives below 1e-900


def _telu_exp(x):
    return np.exp(np.minimum(x, 7))


@near_roots("telu", -1.07, order=1)
def _telu_first(x, lo):
    e = _telu_exp(x)
    return np.tanh(e) + x * e * sech2(e)


@near_roots("telu", -2.06, 0.69, order=2)
def _telu_second(x, lo):
    e = _telu_exp(x)
    return e * sech2(e) * (2 + x * (1 - 2 * e * np.tanh(e)))


TELU = Formula(lambda x: x * np.tanh(_telu_exp(x)), _telu_first, _telu_second)

# ---- x * erf(softplus(x))


def _serf_density(x):
    """2/sqrt(pi) exp(-softplus(x)^2)."""
    s = two_sum(np.maximum(x, 0), np.log1p(np.exp(-np.abs(x))))
    square, error = multiply(s, s)
    return 2 / np.sqrt(np.pi) * exp(-square, -error)


@near_roots("serf", -1.2, order=1)
def _serf_first(x, lo):
    return special.erf(softplus(x)) + x * sigmoid(x) * _serf_density(x)


@near_roots("serf", -2.25, 1.09, order=2)
def _serf_second(x, lo):
    s = sigmoid(x)
    return s * _serf_density(x) * (2 + x * (sigmoid(-x) - 2 * softplus(x) * s))


SERF = Formula(lambda x: x * special.erf(softplus(x)), _serf_first, _serf_second)

# ---- softplus and its relations


def _scaled(x, beta):
    return two_product(x, np.float64(beta))


def _softplus_beta(x, beta=1.0):
    u, lo = _scaled(x, beta)
    tail = np.abs(u) * sigmoid(-np.abs(u), -np.sign(u) * lo)
    return -(tail + softplus(-np.abs(u), -np.sign(u) * lo)) / beta**2


def _softplus_second(x, beta=1.0):
    u, lo = _scaled(x, beta)
    return beta * sigmoid(u, lo) * sigmoid(-u, -lo)


SOFTPLUS = Formula(
    lambda x, beta=1.0: softplus(*_scaled(x, beta)) / beta,
    lambda x, beta=1.0: sigmoid(*_scaled(x, beta)),
    _softplus_second,
    {"beta": _softplus_beta},
)


def _sigmoid_second(x):
    return -sigmoid(x) * sigmoid(-x) * np.tanh(x / 2)


SIGMOID = Formula(sigmoid, lambda x: sigmoid(x) * sigmoid(-x), _sigmoid_second)
LOG_SIGMOID = Formula(lambda x: -softplus(-x), lambda x: sigmoid(-x), lambda x: -sigmoid(x) * sigmoid(-x))


def _root_softplus(x):
    """sqrt(softplus), and sigmoid / softplus; below -40 they are exp(x/2) and 1 to 1e-17."""
    inside = np.maximum(x, -40.0)
    deep = x < -40
    return (
        np.where(deep, np.exp(np.minimum(x, 0) / 2), np.sqrt(softplus(inside))),
        np.where(deep, 1, sigmoid(inside) / softplus(inside)),
    )


@near_roots("sqrt_softplus", 0.937, order=2)
def _sqrt_softplus_second(x, lo):
    root, ratio = _root_softplus(x)
    return root * ratio / 2 * (sigmoid(-x) - ratio / 2)


def _sqrt_softplus_first(x):
    root, ratio = _root_softplus(x)
    return root * ratio / 2


SQRT_SOFTPLUS = Formula(lambda x: _root_softplus(x)[0], _sqrt_softplus_first, _sqrt_softplus_second)

# ---- tanh and its relations

TANH = Formula(np.tanh, sech2, lambda x: -2 * np.tanh(x) * sech2(x))


@near_roots("tanh_shrink", 0.0, multiplicity=3)
def _tanh_shrink(x, lo):
    return x - np.tanh(x)


TANH_SHRINK = Formula(_tanh_shrink, lambda x: np.tanh(x) ** 2, lambda x: 2 * np.tanh(x) * sech2(x))


@near_roots("lisht", -1.2, 1.2, order=2)
def _lisht_second(x, lo):
    return 2 * sech2(x) * (1 - x * np.tanh(x))


LISHT = Formula(lambda x: x * np.tanh(x), lambda x: np.tanh(x) + x * sech2(x), _lisht_second)


def _capped(x, cap):
    return divide((x, 0.0), np.float64(cap))


@near_roots("softcap", 0.0, wrt="cap", multiplicity=3, cap=1)
def _softcap_cap(u, lo):
    return np.tanh(u) - u * sech2(u, lo)


SOFTCAP = Formula(
    lambda x, cap: cap * np.tanh(x / cap),
    lambda x, cap: sech2(*_capped(x, cap)),
    lambda x, cap: -2 * np.tanh(x / cap) * sech2(*_capped(x, cap)) / cap,
    {"cap": lambda x, cap: _softcap_cap(*_capped(x, cap))},
)

# ---- laplace

_MU, _SIGMA = 0.707107, 0.282095


def _standard(x, mu, sigma):
    return divide(two_sum(x, -np.float64(mu)), np.float64(sigma))


def _laplace_first(x, mu=_MU, sigma=_SIGMA):
    return normal_pdf(*_standard(x, mu, sigma)) / sigma


def _laplace_sigma(x, mu=_MU, sigma=_SIGMA):
    z = _standard(x, mu, sigma)
    return -z[0] * normal_pdf(*z) / sigma


LAPLACE = Formula(
    lambda x, mu=_MU, sigma=_SIGMA: normal_cdf(*_standard(x, mu, sigma)),
    _laplace_first,
    lambda x, mu=_MU, sigma=_SIGMA: _laplace_sigma(x, mu, sigma) / sigma,
    {"mu": lambda x, mu=_MU, sigma=_SIGMA: -_laplace_first(x, mu, sigma), "sigma": _laplace_sigma},
)

# ---- the rest


def _exponential(x):
    with np.errstate(over="ignore"):  # inf is the rounded result
        return np.exp(x)


EXPONENTIAL = Formula(_exponential, _exponential, _exponential)


def _hypotenuse(x, b):
    return np.sqrt(x * x + b)


def _squareplus(x, b=4.0):
    larger = _hypotenuse(x, b) + np.abs(x)
    return np.where(x >= 0, larger / 2, b / 2 / np.where(larger, larger, 1))


def _squareplus_first(x, b=4.0):
    r = _hypotenuse(x, b)
    r = np.where(r, r, 1)  # x = b = 0: the mean of the one-sided slopes
    return np.where(x >= 0, (1 + x / r) / 2, b / (2 * r * (r - np.minimum(x, 0))))


def _inverse_hypotenuse(x, b):
    r = _hypotenuse(x, b)
    return np.where(r, 1 / np.where(r, r, 1), 0)


SQUAREPLUS = Formula(
    _squareplus,
    _squareplus_first,
    lambda x, b=4.0: b / 2 * _inverse_hypotenuse(x, b) ** 3,
    {"b": lambda x, b=4.0: _inverse_hypotenuse(x, b) / 4},
    lambda b=4.0: () if b else (0.0,),
)

BENT_IDENTITY = Formula(
    lambda x: x * x / (2 * (_hypotenuse(x, 1) + 1)) + x,
    lambda x: x / (2 * _hypotenuse(x, 1)) + 1,
    lambda x: _hypotenuse(x, 1) ** -3 / 2,
)

SMOOTH = {
    "gelu": GELU,
    "quick_gelu": QUICK_GELU,
    "silu": SILU,
    "mish": MISH,
    "softplus": SOFTPLUS,
    "log_sigmoid": LOG_SIGMOID,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "squareplus": SQUAREPLUS,
    "tanh_shrink": TANH_SHRINK,
    "laplace": LAPLACE,
    "exponential": EXPONENTIAL,
    "softcap": SOFTCAP,
    "lisht": LISHT,
    "telu": TELU,
    "serf": SERF,
    "sqrt_softplus": SQRT_SOFTPLUS,
    "bent_identity": BENT_IDENTITY,
}
