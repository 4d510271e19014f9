"""Closed forms of the activations with kinks in float64; comparisons carry the conventions at kinks."""

from __future__ import annotations

import functools
import math

import numpy as np
from mpmath import mp, mpf
from numpy.polynomial.polynomial import polyval

from .formula import Formula, smooth, zero
from .precise import constant, divide, exp, normal_cdf
from .smooth import gelu_erf, gelu_erf_first, gelu_erf_second
from .textbook import exact


def _at(*points):
    return lambda **params: tuple(map(float, points))


def _one(x, **params):
    return np.ones_like(x)


IDENTITY = Formula(lambda x: x, _one, kinks=smooth)

# ---- relu and its relations


def _saturated(x, negative_slope=0.0, max_value=None, threshold=0.0):
    if max_value is None:
        return np.zeros(np.shape(x), bool)
    return np.where(x > threshold, x, negative_slope * (x - threshold)) >= max_value


def _relu(x, negative_slope=0.0, max_value=None, threshold=0.0):
    u = np.where(x > threshold, x, negative_slope * (x - threshold))
    return u if max_value is None else np.minimum(u, max_value)


def _relu_first(x, negative_slope=0.0, max_value=None, threshold=0.0):
    slope = np.where(x > threshold, 1, negative_slope)
    return np.where(_saturated(x, negative_slope, max_value, threshold), 0, slope)


def _relu_below(x, weight, params):
    """A weight below the threshold, where the maximum is not reached."""
    below = x <= params.get("threshold", 0.0)
    return np.where(below & ~_saturated(x, **params), weight, 0)


def _relu_kinks(negative_slope=0.0, max_value=None, threshold=0.0):
    kinks = {float(threshold)}
    if max_value is not None and max_value >= threshold:
        kinks.add(float(max_value))
    if max_value is not None and negative_slope < 0:
        kinks.add(float(threshold + max_value / negative_slope))
    return tuple(sorted(kinks))


RELU = Formula(
    _relu,
    _relu_first,
    parameters={
        "negative_slope": lambda x, **p: _relu_below(x, x - p.get("threshold", 0.0), p),
        "max_value": lambda x, **p: _saturated(x, **p).astype(float),
        "threshold": lambda x, **p: _relu_below(x, -p.get("negative_slope", 0.0), p),
    },
    kinks=_relu_kinks,
)

LEAKY_RELU = Formula(
    lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
    lambda x, negative_slope=0.01: np.where(x > 0, 1, negative_slope),
    parameters={"negative_slope": lambda x, negative_slope=0.01: np.minimum(x, 0)},
    kinks=_at(0),
)

RELU_SQUARED = Formula(
    lambda x: np.maximum(x, 0) ** 2,
    lambda x: 2 * np.maximum(x, 0),
    lambda x: np.where(x > 0, 2.0, 0.0),
    kinks=_at(0),
)


def _switch(theta_name: str, default: float) -> Formula:
    """x above a threshold, else 0."""

    def above(x, params):
        return x > params.get(theta_name, default)

    return Formula(
        lambda x, **p: np.where(above(x, p), x, 0),
        lambda x, **p: np.where(above(x, p), 1.0, 0.0),
        parameters={theta_name: zero},
        kinks=lambda **p: (float(p.get(theta_name, default)),),
    )


THRESHOLD = Formula(
    lambda x, threshold, value: np.where(x > threshold, x, value),
    lambda x, threshold, value: np.where(x > threshold, 1.0, 0.0),
    parameters={
        "threshold": zero,
        "value": lambda x, threshold, value: np.where(x > threshold, 0.0, 1.0),
    },
    kinks=lambda threshold, value: (float(threshold),),
)

# ---- exponential left sides


def _left(x):
    return np.minimum(x, 0)


ELU = Formula(
    lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(_left(x))),
    lambda x, alpha=1.0: np.where(x > 0, 1, alpha * np.exp(_left(x))),
    lambda x, alpha=1.0: np.where(x > 0, 0, alpha * np.exp(_left(x))),
    {"alpha": lambda x, alpha=1.0: np.expm1(_left(x))},
    _at(0),
)


def _celu_exp(x, alpha):
    return exp(*divide((_left(x), 0.0), np.float64(alpha)))


def _celu_alpha(x, alpha=1.0):
    """expm1(u) - u exp(u), which is -sum over k >= 2 of (k - 1)/k! u^k."""
    u, lo = divide((_left(x), 0.0), np.float64(alpha))
    small = np.where(np.abs(u) < 0.25, u, 0)
    series = -(small**2) * polyval(small, [(k - 1) / math.factorial(k) for k in range(2, 16)])
    return np.where(small != 0, series, np.expm1(u) - u * exp(u, lo))


CELU = Formula(
    lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(_left(x) / alpha)),
    lambda x, alpha=1.0: np.where(x > 0, 1, _celu_exp(x, alpha)),
    lambda x, alpha=1.0: np.where(x > 0, 0, _celu_exp(x, alpha) / alpha),
    {"alpha": _celu_alpha},
    _at(0),
)

_SCALE = constant("1.0507009873554804934193349852946")[0]
with mp.workdps(60):
    _SCALE_ALPHA = float(mpf("1.0507009873554804934193349852946") * mpf("1.6732632423543772848170429916717"))

SELU = Formula(
    lambda x: np.where(x > 0, _SCALE * x, _SCALE_ALPHA * np.expm1(_left(x))),
    lambda x: np.where(x > 0, _SCALE, _SCALE_ALPHA * np.exp(_left(x))),
    lambda x: np.where(x > 0, 0, _SCALE_ALPHA * np.exp(_left(x))),
    kinks=_at(0),
)

# ---- clipped lines


def _clip(minimum: float, maximum: float) -> Formula:
    """clip(x, min_val, max_val); both ends count as clipped."""

    def low(p):
        return p.get("min_val", minimum)

    def high(p):
        return p.get("max_val", maximum)

    return Formula(
        lambda x, **p: np.clip(x, low(p), high(p)),
        lambda x, **p: np.where((x > low(p)) & (x < high(p)), 1.0, 0.0),
        parameters={
            "min_val": lambda x, **p: np.where((x <= low(p)) & (x < high(p)), 1.0, 0.0),
            "max_val": lambda x, **p: np.where(x >= high(p), 1.0, 0.0),
        },
        kinks=lambda **p: (float(low(p)), float(high(p))),
    )


RELU6 = Formula(_clip(0, 6).value, _clip(0, 6).first, kinks=_at(0, 6))

HARD_SIGMOID = Formula(
    lambda x: np.clip(x + 3, 0, 6) / 6,
    lambda x: np.where(np.abs(x) < 3, 1 / 6, 0),
    kinks=_at(-3, 3),
)

HARD_SIGMOID_KERAS2 = Formula(
    lambda x: np.clip(x + 2.5, 0, 5) / 5,
    lambda x: np.where(np.abs(x) < 2.5, 0.2, 0),
    kinks=_at(-2.5, 2.5),
)

SPARSE_SIGMOID = Formula(
    lambda x: np.clip((x + 1) / 2, 0, 1),
    lambda x: np.where(np.abs(x) < 1, 0.5, 0),
    kinks=_at(-1, 1),
)


def _ramp(x, ends, left, inside, right):
    """`inside` of the middle stretch, else what is `left` and `right` of its ends."""
    start, stop = ends
    middle = np.clip(x, start, stop)
    return np.where(x <= start, left, np.where(x >= stop, right, inside(middle)))


HARD_SILU = Formula(
    lambda x: _ramp(x, (-3, 3), 0, lambda m: m * (m + 3) / 6, x),
    lambda x: _ramp(x, (-3, 3), 0, lambda m: (2 * m + 3) / 6, 1),
    lambda x: np.where(np.abs(x) < 3, 1 / 3, 0),
    kinks=_at(-3, 3),
)

HARD_MISH = Formula(
    lambda x: _ramp(x, (-2, 0), 0, lambda m: m * (m + 2) / 2, x),
    lambda x: _ramp(x, (-2, 0), 0, lambda m: m + 1, 1),
    lambda x: _ramp(x, (-2, 0), 0, lambda m: 1.0, 0),
    kinks=_at(-2, 0),
)

SPARSE_PLUS = Formula(
    lambda x: _ramp(x, (-1, 1), 0, lambda m: (m + 1) ** 2 / 4, x),
    lambda x: _ramp(x, (-1, 1), 0, lambda m: (m + 1) / 2, 1),
    lambda x: np.where(np.abs(x) < 1, 0.5, 0),
    kinks=_at(-1, 1),
)

SOFT_SIGN = Formula(
    lambda x: x / (1 + np.abs(x)),
    lambda x: (1 + np.abs(x)) ** -2,
    lambda x: -2 * np.sign(x) * (1 + np.abs(x)) ** -3,
    kinks=_at(0),
)

# ---- shrinkage


def _ends(threshold=0.5):
    return tuple(sorted({-float(threshold), float(threshold)}))


HARD_SHRINK = Formula(
    lambda x, threshold=0.5: np.where(np.abs(x) > threshold, x, 0),
    lambda x, threshold=0.5: np.where(np.abs(x) > threshold, 1.0, 0.0),
    parameters={"threshold": zero},
    kinks=_ends,
)

SOFT_SHRINK = Formula(
    lambda x, threshold=0.5: np.sign(x) * np.maximum(np.abs(x) - threshold, 0),
    lambda x, threshold=0.5: np.where(np.abs(x) > threshold, 1.0, 0.0),
    parameters={"threshold": lambda x, threshold=0.5: np.where(np.abs(x) > threshold, -np.sign(x), 0)},
    kinks=_ends,
)

# ---- gelu, clipped


def _too_low(x, min_val):
    return gelu_erf(x) <= min_val


def _too_high(x, max_val):
    # gelu(x) = x - x Phi(-x): near a large maximum gelu(x) itself rounds to x
    return np.where(x > 0, x - max_val >= x * normal_cdf(-x), gelu_erf(x) >= max_val)


def _gelu_inside(function):
    def clipped(x, min_val=-10.0, max_val=10.0):
        return np.where(_too_low(x, min_val) | _too_high(x, max_val), 0, function(x))

    return clipped


def _gelu_clipped_low(x, min_val=-10.0, max_val=10.0):
    return np.where(_too_low(x, min_val) & ~_too_high(x, max_val), 1.0, 0.0)


def _gelu_clipped_high(x, min_val=-10.0, max_val=10.0):
    return np.where(_too_high(x, max_val), 1.0, 0.0)


@functools.cache
def _gelu_equals(level: float) -> tuple[float, ...]:
    """Where gelu(x) = level, by bisection on either side of its minimum."""
    bottom = -0.7517915246935645
    if level <= exact("gelu", bottom, approximate=False):
        return ()
    sides = [(bottom, max(1.0, 2 * level))]
    if level < 0:
        sides.append((-40.0, bottom))
    solutions = []
    for a, b in sides:
        root = mp.findroot(lambda x: exact("gelu", x, approximate=False) - level, (a, b), solver="anderson")
        solutions.append(float(root))
    return tuple(sorted(solutions))


GELU_CLIPPED = Formula(
    lambda x, min_val=-10.0, max_val=10.0: np.clip(gelu_erf(x), min_val, max_val),
    _gelu_inside(gelu_erf_first),
    _gelu_inside(gelu_erf_second),
    {"min_val": _gelu_clipped_low, "max_val": _gelu_clipped_high},
    lambda min_val=-10.0, max_val=10.0: _gelu_equals(float(min_val)) + _gelu_equals(float(max_val)),
)

PIECEWISE = {
    "identity": IDENTITY,
    "relu": RELU,
    "relu6": RELU6,
    "leaky_relu": LEAKY_RELU,
    "elu": ELU,
    "celu": CELU,
    "selu": SELU,
    "gelu_clipped": GELU_CLIPPED,
    "soft_sign": SOFT_SIGN,
    "hard_sigmoid": HARD_SIGMOID,
    "hard_sigmoid_keras2": HARD_SIGMOID_KERAS2,
    "hard_silu": HARD_SILU,
    "hard_tanh": _clip(-1, 1),
    "hard_mish": HARD_MISH,
    "sparse_plus": SPARSE_PLUS,
    "sparse_sigmoid": SPARSE_SIGMOID,
    "hard_shrink": HARD_SHRINK,
    "soft_shrink": SOFT_SHRINK,
    "threshold": THRESHOLD,
    "thresholded_relu": _switch("theta", 1.0),
    "fat_relu": _switch("threshold", 0.01),
    "relu_squared": RELU_SQUARED,
    "clip": _clip(0, 6),
}
