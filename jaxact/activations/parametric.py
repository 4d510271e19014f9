"""Activations whose parameters are trained: arrays that broadcast against x from the right, with gradients.

Defaults are the initial values of each paper. Where a sum of two terms crosses zero at a place that depends on the
parameters, it is formed in two words, so that its neighbourhood keeps its digits.
"""

import decimal
import math
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp

from jaxact._src.definition import Positive, Real, is_array
from jaxact._src.elementary import Elementary, horner
from jaxact._src.function import elementwise
from jaxact._src.words import Words
from jaxact.activations._cases import choose, step
from jaxact.activations.logistic import silu_curvature, silu_slope
from jaxact.activations.rectifiers import leaky_relu

Array = jax.Array
_TINY = 2.0**-40  # tanh(u) is u, and u may be so small that it is subnormal


def _quotient(limit: float, divisor: Any) -> Any:
    """limit / divisor, infinite for a divisor of 0."""
    if is_array(divisor) or divisor:
        return limit / divisor
    return float("inf")


def _size(value: Any) -> Any:
    return abs(value)


def carry(x: Array, value: Any) -> Array:
    """A derivative by cases; NaN where x is."""
    return jnp.where(jnp.isnan(x), x, value)


def _sum(el: Elementary, hi: Array, lo: Array, term: Real) -> Array:
    """(hi + lo) + term, where hi and the term nearly cancel."""
    d, d_lo = el.difference(hi, -term)
    return d + (d_lo + lo)


def plus(el: Elementary, x: Array, term: Real) -> Array:
    """x + term for a finite x; a number is taken to its full value."""
    if not is_array(term) and term == 0.0:
        return x
    return _sum(el, x, jnp.zeros_like(x), term)


# -- straight lines --------------------------------------------------------------------------------------------


@elementwise(
    formula=r"\max(x, 0) + s \min(x, 0)",
    source="He, Zhang, Ren and Sun 2015, arXiv:1502.01852, which starts from 0.25",
    range="(-inf, inf)",
    limits="-inf, inf",
    kinks="the derivative at 0 is negative_slope",
    settings=({"negative_slope": 0.01}, {"negative_slope": 1.5}, {"negative_slope": -0.3}),
)
def prelu(x: Array, negative_slope: Real) -> Array:
    """Parametric rectified linear unit: x above 0, a learned slope below."""
    return leaky_relu.value(x, negative_slope)


prelu.derive_like(leaky_relu)


def _line(el: Elementary, x: Array, t: Real, slope: Real) -> Array:
    """t + slope * (x - t), through its root too."""
    plain = t + slope * (x - t)
    cancels = jnp.abs(plain) < 0.75 * _size(t)
    d, d_lo = el.full.difference(jnp.where(cancels, x, 0.0), t)
    hi, lo = el.full.product(d, slope)
    return jnp.where(cancels, _sum(el.full, hi, lo + d_lo * slope, t), choose(slope == 0, t, plain))


@elementwise(
    aliases=("s_shaped_relu",),
    formula=r"t_l + a_l (x - t_l) \;(x \le t_l),\; x,\; t_r + a_r (x - t_r) \;(x \ge t_r)",
    source="Jin et al. 2015, arXiv:1512.07030, whose first slopes are 0.2 and 1",
    range="(-inf, inf)",
    limits="infinite, with the sign of a slope; at a slope of 0 the threshold",
    kinks="the derivative is a_left at t_left and a_right at t_right; where arrays have t_left above t_right, the "
    "left part reaches to t_left",
    settings=(
        {"t_left": -1.5, "a_left": 0.1, "t_right": 2.0, "a_right": 0.3},
        {"t_left": -1.0, "a_left": -0.5, "t_right": 3.0, "a_right": -0.7},
        {"t_left": -0.3, "a_left": 0.0, "t_right": 0.7, "a_right": 1.5},
    ),
    ordered=("t_left", "t_right"),
)
def srelu(
    el: Elementary, x: Array, t_left: Real = 0.0, a_left: Real = 0.2, t_right: Real = 1.0, a_right: Real = 1.0
) -> Array:
    """S-shaped rectified linear unit: x between two thresholds, a slope of its own on either side."""
    right = jnp.where(x >= t_right, _line(el, x, t_right, a_right), x)
    return jnp.where(x <= t_left, _line(el, x, t_left, a_left), right)


@srelu.derivative
def _(x: Array, t_left: Real, a_left: Real, t_right: Real, a_right: Real) -> Array:
    return carry(x, jnp.where(x <= t_left, a_left, jnp.where(x >= t_right, a_right, 1.0)))


@srelu.second_derivative
def _(x: Array, t_left: Real, a_left: Real, t_right: Real, a_right: Real) -> Array:
    return carry(x, 0.0)


@srelu.derivative("t_left")
def _(x: Array, t_left: Real, a_left: Real, t_right: Real, a_right: Real) -> Array:
    return carry(x, step(x <= t_left, x) * (1.0 - a_left))


@srelu.derivative("a_left")
def _(x: Array, t_left: Real, a_left: Real, t_right: Real, a_right: Real) -> Array:
    return jnp.minimum(x - t_left, 0.0)


@srelu.derivative("t_right")
def _(x: Array, t_left: Real, a_left: Real, t_right: Real, a_right: Real) -> Array:
    return carry(x, step((x >= t_right) & (x > t_left), x) * (1.0 - a_right))


@srelu.derivative("a_right")
def _(x: Array, t_left: Real, a_left: Real, t_right: Real, a_right: Real) -> Array:
    return jnp.where(x <= t_left, 0.0, jnp.maximum(x - t_right, 0.0))


# -- star_relu -------------------------------------------------------------------------------------------------


@elementwise(
    formula=r"s \max(x, 0)^2 + b",
    source="Yu et al. 2022, MetaFormer baselines for vision, arXiv:2210.13452",
    range="[bias, inf) for a scale above 0",
    limits="bias, infinite with the sign of scale",
    kinks="none in the derivative; the second derivative at 0 is 0",
    settings=({"scale": 1.0, "bias": 0.0}, {"scale": -0.3, "bias": 1.1}, {"scale": 2.5, "bias": 0.7}),
)
def star_relu(el: Elementary, x: Array, scale: Real = 0.8944, bias: Real = -0.4472) -> Array:
    """StarReLU: a scaled and shifted square of relu; its defaults keep mean 0 and variance 1."""
    r = jnp.maximum(x, 0.0)
    square = (scale * r) * r  # in this order it overflows only where the result does
    cancels = jnp.abs(square) < 4.0 * _size(bias)
    inner = jnp.where(cancels, r, 0.0)
    q, q_lo = el.full.product(inner, inner)
    hi, lo = el.full.product(q, scale)
    return jnp.where(cancels, _sum(el.full, hi, lo + q_lo * scale, bias), square + bias)


@star_relu.derivative
def _(x: Array, scale: Real, bias: Real) -> Array:
    return (2.0 * scale) * jnp.maximum(x, 0.0)


@star_relu.second_derivative
def _(x: Array, scale: Real, bias: Real) -> Array:
    return carry(x, (2.0 * scale) * step(x > 0, x))


@star_relu.derivative("scale")
def _(x: Array, scale: Real, bias: Real) -> Array:
    r = jnp.maximum(x, 0.0)
    return r * r


@star_relu.derivative("bias")
def _(x: Array, scale: Real, bias: Real) -> Array:
    return jnp.ones_like(x)


# -- pelu: u = x / b -------------------------------------------------------------------------------------------


def _pelu_exp(el: Elementary, x: Array, b: Positive) -> Array:
    """2**shift * exp(min(x, 0) / b)."""
    left = el.lower(el.upper(x, 0.0), -el.vanishing(el.shift) * b)
    return el.exp(*el.quotient(left, 0.0, b), el.shift)


@elementwise(
    formula=r"\tfrac{a}{b} x \;(x \ge 0),\; a (e^{x/b} - 1) \;(x < 0)",
    source="Trottier, Giguère and Chaib-draa 2016, arXiv:1605.09332",
    range="(-a, inf)",
    limits="-a, inf",
    kinks="none in the derivative; the second derivative at 0 is a / b^2, that of x <= 0",
    settings=({"a": 2.5, "b": 0.4}, {"a": 0.3, "b": 3.0}),
)
def pelu(el: Elementary, x: Array, a: Positive = 1.0, b: Positive = 1.0) -> Array:
    """Parametric exponential linear unit: a line of slope a / b above 0, a (exp(x / b) - 1) below."""
    u = x / b
    left = a * el.expm1(el.lower(el.upper(u, 0.0), -2.0 * el.saturation))
    return jnp.where(u > -(2.0**-60), (a / b) * x, left)  # tiny x / b may be subnormal


@pelu.derivative
def _(el: Elementary, x: Array, a: Positive, b: Positive) -> Array:
    return jnp.where(x > 0.0, a / b, (_pelu_exp(el, x, b) * (a / b)) * 2.0**-el.shift)


@pelu.second_derivative
def _(el: Elementary, x: Array, a: Positive, b: Positive) -> Array:
    return jnp.where(x > 0.0, 0.0, (_pelu_exp(el, x, b) * (a / b / b)) * 2.0**-el.shift)


@pelu.derivative("a")
def _(el: Elementary, x: Array, a: Positive, b: Positive) -> Array:
    u = x / b
    return jnp.where(u > -(2.0**-60), u, el.expm1(el.lower(el.upper(u, 0.0), -2.0 * el.saturation)))


@pelu.derivative("b")
def _(el: Elementary, x: Array, a: Positive, b: Positive) -> Array:
    slope = -(a / b / b)
    left = el.lower(x, -el.vanishing(el.shift) * b)
    return jnp.where(x > 0.0, slope * x, ((_pelu_exp(el, x, b) * slope) * left) * 2.0**-el.shift)


# -- swish_beta: a negative beta turns it about the origin, x sigmoid(-b x) = -(-x) sigmoid(b (-x)) ---------------


def _steepness(beta: Real) -> tuple[Any, Any, Any]:
    """|beta| (1 for 0), the sign of beta, and whether it is 0."""
    if is_array(beta):
        flat = beta == 0.0
        return jnp.where(flat, 1.0, jnp.abs(beta)), jnp.where(beta < 0.0, -1.0, 1.0), flat
    return _size(beta) or 1.0, -1.0 if beta < 0 else 1.0, beta == 0


def _words(el: Elementary, x: Array, factor: Any) -> tuple[Array, Any]:
    """x * factor in two words, for 1 x itself."""
    if not is_array(factor) and factor == 1.0:
        return x, 0.0
    return el.product(x, factor)


def _scaled_exp(el: Elementary, u: Array, low: Any) -> Array:
    """2**shift * exp(u + low)."""
    return el.exp(u, None if isinstance(low, float) else low, el.shift)


@elementwise(
    formula=r"x \cdot \sigma(\beta x)",
    source="Ramachandran, Zoph and Le 2017, Searching for activation functions, arXiv:1710.05941",
    range="[-0.2785 / beta, inf) for beta above 0",
    limits="0, inf for beta above 0; -inf, 0 below; at beta = 0 it is x / 2",
    settings=({"beta": 0.1}, {"beta": 2.5}, {"beta": -1.3}, {"beta": 0.0}),
)
def swish_beta(el: Elementary, x: Array, beta: Real = 1.0) -> Array:
    """Swish with a trained steepness: x / 2 at beta = 0, relu as beta grows."""
    b, sign, flat = _steepness(beta)
    inner = el.lower(sign * x, -el.underflow / b)
    y = el.gate(inner, _scaled_exp(el, *_words(el, el.upper(inner, 2 * el.saturation / b), b)), el.saturation / b)
    return choose(flat, 0.5 * x, sign * y)


@swish_beta.derivative
def _(el: Elementary, x: Array, beta: Real) -> Array:
    b, sign, flat = _steepness(beta)
    z = el.lower(el.upper(sign * x, (el.saturation + 1.0) / b), -el.underflow / b)
    return choose(flat, carry(x, 0.5), silu_slope(el, *_words(el.full, z, b)))


@swish_beta.second_derivative
def _(el: Elementary, x: Array, beta: Real) -> Array:
    b, _, flat = _steepness(beta)
    a = el.upper(jnp.abs(x), el.underflow / b)
    return choose(flat, carry(x, 0.0), silu_curvature(el, *_words(el.full, a, b), beta))


@swish_beta.derivative("beta")
def _(el: Elementary, x: Array, beta: Real) -> Array:
    b, _, flat = _steepness(beta)
    a = el.upper(jnp.abs(x), el.vanishing(el.shift) / b)
    u, low = _words(el, a, b)
    E = _scaled_exp(el, -u, -low)
    d = 1.0 + E * 2.0**-el.shift
    return choose(flat, (0.5 * x) * (0.5 * x), (((a * E) / (d * d)) * a) * 2.0**-el.shift)


# -- dyt -------------------------------------------------------------------------------------------------------


def _dyt_words(el: Elementary, x: Array, alpha: Real, weight: Real, bias: Real) -> Array:
    """(w (e - 1) + b (e + 1)) / (e + 1) with e = exp(2 alpha x), in two words, for |alpha x| <= 9."""
    u, low = el.product(el.between(x, _quotient(9.0, _size(alpha))), alpha)
    u, low = el.difference(u, -low)  # rounded, so that the square of what is left does not matter
    e, e_lo = el.exp_words(2.0 * u)
    e_lo = e_lo + (2.0 * low) * e
    less, less_lo = el.difference(e, 1.0)
    more, more_lo = el.difference(e, -1.0)
    hi, lo = el.product(less, weight)
    term, term_lo = el.product(more, bias)
    rest = (lo + (less_lo + e_lo) * weight) + (term_lo + (more_lo + e_lo) * bias)
    return _sum(el, hi, rest, term) / (more + e_lo)


@elementwise(
    formula=r"w \tanh(\alpha x) + b",
    source="Zhu, Chen, He, LeCun and Liu 2025, Transformers without normalization, arXiv:2503.10622",
    range="[bias - |weight|, bias + |weight|]",
    limits="bias - weight, bias + weight for alpha above 0",
    settings=(
        {"alpha": 2.0, "weight": 1.5, "bias": 2.0},
        {"alpha": -0.7, "weight": 3.0},
        {"alpha": 0.9, "weight": 1.3, "bias": -0.4},
    ),
)
def dyt(el: Elementary, x: Array, alpha: Real = 0.5, weight: Real = 1.0, bias: Real = 0.0) -> Array:
    """Dynamic tanh: a scaled tanh with an affine map, in the place of a normalisation layer."""
    u, low = el.product(el.between(x, _quotient(el.saturation, _size(alpha))), alpha)
    u = u + low
    plain = jnp.where(jnp.abs(u) < _TINY, (weight * alpha) * x, weight * el.tanh(u, tight=True)) + bias
    if not is_array(bias) and bias == 0.0:
        return plain
    cancels = (jnp.abs(plain) < 4.0 * _size(bias)) & (jnp.abs(u) < 9.0)
    return jnp.where(cancels, _dyt_words(el.full, x, alpha, weight, bias), plain)


def _dyt_sech2(el: Elementary, x: Array, alpha: Real) -> Array:
    """2**shift * sech(alpha x)**2."""
    a = el.upper(jnp.abs(x), _quotient(0.5 * el.vanishing(el.shift + 2), _size(alpha)))
    return el.sech2(*el.product(a, _size(alpha)), shift=el.shift)


@dyt.derivative
def _(el: Elementary, x: Array, alpha: Real, weight: Real, bias: Real) -> Array:
    return (_dyt_sech2(el, x, alpha) * (weight * alpha)) * 2.0**-el.shift


@dyt.second_derivative
def _(el: Elementary, x: Array, alpha: Real, weight: Real, bias: Real) -> Array:
    u = alpha * x
    bend = el.tanh(u) * _dyt_sech2(el, x, alpha)
    scale = -2.0 * weight * alpha * alpha
    return jnp.where(jnp.abs(u) < _TINY, (scale * alpha) * x, (bend * scale) * 2.0**-el.shift)


@dyt.derivative("alpha")
def _(el: Elementary, x: Array, alpha: Real, weight: Real, bias: Real) -> Array:
    inner = el.between(x, _quotient(0.5 * el.vanishing(el.shift + 2), _size(alpha)))
    return ((inner * _dyt_sech2(el, x, alpha)) * weight) * 2.0**-el.shift


@dyt.derivative("weight")
def _(el: Elementary, x: Array, alpha: Real, weight: Real, bias: Real) -> Array:
    return el.tanh(alpha * x)


@dyt.derivative("bias")
def _(el: Elementary, x: Array, alpha: Real, weight: Real, bias: Real) -> Array:
    return jnp.ones_like(x)


# -- xielu: g(x) = exp(x) - 1 - x --------------------------------------------------------------------------------

_SERIES_END = 0.5  # nearer to 0 than this, g is a series
_FAR = 20.0  # the end of exp in words; beyond it exp(x) is lost beside 1 in float32


def _bend(el: Elementary, x: Array) -> Words:
    """g(x) for x between -20 and 0, exact near 0 too."""
    near = el.between(x, _SERIES_END)
    rest = horner([1.0 / math.factorial(n + 5) for n in range(14 if el.double else 7)], near)
    u = Words.of(el, near)
    series = (((u * rest + 1.0 / 24.0) * u + 1.0 / 6.0) * u + 0.5) * (u * u)
    inner = Words.of(el, el.between(x, _FAR))
    return series.where(x > -_SERIES_END, (inner.exp() - 1.0) - inner)


def _at(el: Elementary, eps: Real) -> Words:
    """exp(eps) - 1."""
    if not isinstance(eps, float):
        return _bend(el, eps) + eps
    if not el.double:
        return Words.of(el, math.expm1(eps))
    exact = decimal.Context(prec=60).exp(decimal.Decimal(max(eps, -750.0)))
    return Words.of(el, Fraction(exact) - 1)


@elementwise(
    formula=r"\alpha_p x^2 + \beta x \;(x > 0),\; \alpha_n (e^{\min(x, \epsilon)} - 1 - x) + \beta x \;(x \le 0)",
    source="Huang and Schlag 2024, Deriving activation functions using integration, arXiv:2411.13010",
    range="bounded below for alpha_p above 0 and alpha_n above beta",
    limits="inf, inf for alpha_p above 0 and alpha_n above beta",
    kinks="the derivative is beta - alpha_n at 0, where the value jumps by less than |alpha_n eps|; at eps it is "
    "that of x < eps",
    settings=(
        {"alpha_p": 1.5, "alpha_n": 2.0, "beta": 0.3},
        {"alpha_p": 0.2, "alpha_n": 0.6, "beta": -0.4, "eps": -0.01},
        {"beta": 0.8},
    ),
)
def xielu(
    el: Elementary, x: Array, alpha_p: Real = 0.8, alpha_n: Real = 0.8, beta: Real = 0.5, eps: Real = -1e-6
) -> Array:
    """Expanded integral of the exponential linear unit: a parabola above 0, the integral of a shifted elu below.

    It takes the effective alphas; weights store them through the inverse of softplus, that of alpha_n less beta.
    The paper's eps keeps a narrow stretch left of 0 straight.
    """
    el = el.full
    right = x * (alpha_p * x + beta)
    inner = el.between(x, 2.0**20)
    words = Words.of(el, inner) * alpha_p + beta
    right = jnp.where(jnp.abs(x) < 2.0**20, inner * words.value, right)
    slope = Words.of(el, beta) - alpha_n
    straight = (slope * inner + _at(el, eps) * alpha_n).value
    bent = (_bend(el, x) * alpha_n + Words.of(el, inner) * beta).value
    shift = Words.of(el, el.expm1(el.between(x, el.exp_limit))) * alpha_n
    far = (slope * inner + shift).value
    flat, _ = jnp.broadcast_arrays(slope.value == 0.0, x)  # Mosaic GPU lowers no select by a scalar
    farther = jnp.where(flat, shift.value, slope.value * x + shift.value)
    left = jnp.where(x > -_FAR, bent, jnp.where(x > -(2.0**20), far, farther))
    return jnp.where(x > 0.0, right, jnp.where(x > eps, straight, left))


@xielu.derivative
def _(el: Elementary, x: Array, alpha_p: Real, alpha_n: Real, beta: Real, eps: Real) -> Array:
    el = el.full
    inner = Words.of(el, el.between(x, 2.0**20))
    twice = 2.0 * alpha_p
    right = jnp.where(jnp.abs(x) < 2.0**20, (inner * twice + beta).value, twice * x + beta)
    slope = Words.of(el, beta) - alpha_n
    near = ((_bend(el, x) + inner) * alpha_n + beta).value
    bent = (inner.limited(_FAR).exp() * alpha_n + slope).value
    far = slope.value + (_xielu_exp(el, x) * alpha_n) * 2.0**-el.shift
    left = jnp.where(x > -_SERIES_END, near, jnp.where(x > -_FAR, bent, far))
    return jnp.where(x > 0.0, right, jnp.where(x > eps, slope.value, left))


def _xielu_exp(el: Elementary, x: Array) -> Array:
    """2**shift * exp(x) for x below 0."""
    return el.exp(el.lower(el.upper(x, 0.0), -el.vanishing(el.shift)), None, el.shift)


@xielu.second_derivative
def _(el: Elementary, x: Array, alpha_p: Real, alpha_n: Real, beta: Real, eps: Real) -> Array:
    left = jnp.where(x > eps, 0.0, (_xielu_exp(el, x) * alpha_n) * 2.0**-el.shift)
    return jnp.where(x > 0.0, 2.0 * alpha_p, left)


@xielu.derivative("alpha_p")
def _(x: Array, alpha_p: Real, alpha_n: Real, beta: Real, eps: Real) -> Array:
    r = jnp.maximum(x, 0.0)
    return r * r


@xielu.derivative("alpha_n")
def _(el: Elementary, x: Array, alpha_p: Real, alpha_n: Real, beta: Real, eps: Real) -> Array:
    el = el.full
    straight = (_at(el, eps) - Words.of(el, x)).value
    far = el.expm1(el.between(x, el.exp_limit)) - x
    left = jnp.where(x > eps, straight, jnp.where(x > -_FAR, _bend(el, x).value, far))
    return jnp.where(x > 0.0, 0.0, left)


@xielu.derivative("beta")
def _(x: Array, alpha_p: Real, alpha_n: Real, beta: Real, eps: Real) -> Array:
    return x


@xielu.derivative("eps")
def _(x: Array, alpha_p: Real, alpha_n: Real, beta: Real, eps: Real) -> Array:
    rise = alpha_n * (jnp.exp(eps) if is_array(eps) else math.exp(eps))
    return carry(x, jnp.where((x > eps) & (x <= 0.0), rise, 0.0))
