"""Activations made of the normal distribution and the error function.

Notation as in `logistic`: E = 2**shift * exp(...), and two words (u, low) stand for u + low.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxact._src import roots
from jaxact._src.definition import Limit, Positive, Real
from jaxact._src.elementary import Elementary, head
from jaxact._src.function import elementwise

Array = jax.Array

_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)
_SQRT_2 = (1.4142135623730951, -9.667293313452913e-17)  # and what its float64 lacks

# -- gelu, erf form: x Phi(x) ----------------------------------------------------------------------------------


def _magnitude(el: Elementary, x: Array) -> Array:
    """|x|, at most where its Gaussian vanishes."""
    return el.upper(jnp.abs(x), el.gauss_limit)


def _erf_gelu(el: Elementary, x: Array) -> Array:
    """max(x, 0) - |x| Phi(-|x|), which has a rounding less than x Phi(x) on either side; -0 stays -0."""
    limit = el.gauss_limit
    inner = el.upper(x, limit)
    positive = jnp.where(inner >= 0.0, inner * 2.0 ** (2 * el.shift), -0.0)
    v = positive - el.gauss_mean(el.upper(jnp.abs(inner), limit))
    return jnp.where(x > limit, x, v * 2.0 ** (-2 * el.shift))


def _erf_gelu_slope(el: Elementary, x: Array) -> Array:
    a = _magnitude(el, x)
    u = (el.gelu_slope_core(a) * el.gauss(a, el.shift)) * 2.0**-el.shift
    return jnp.where(x > 0.0, 1.0 - u, u)


def _erf_gelu_curvature(el: Elementary, x: Array) -> Array:
    """(2 - x*x) times the density, factored so that it keeps its digits beside sqrt(2)."""
    a = _magnitude(el, x)
    E = el.gauss(a, el.shift)
    root, root_low = el.split(_SQRT_2[0])
    other = _SQRT_2[0] + a
    return (E * ((root - a) * other + (root_low + _SQRT_2[1]) * other)) * (_DENSITY * 2.0**-el.shift)


# -- gelu, tanh form: x sigmoid(z), z = C x + D x**3 -----------------------------------------------------------

_C = (1.5957691216057308, -9.96930880911092e-17)  # 2 sqrt(2/pi)
_D = (0.07135481627260025, -6.175149918155315e-19)  # 0.044715 C


# Their heads: with an h of 3/8 of the digits _C_HEAD + h*h*_D_HEAD is exact from |h| = 1 on.
_C_HEAD, _D_HEAD = (1.5957679748535156, 1.5957691216057128), (9 / 128, 2338 / 32768)


def _cubic(el: Elementary, x: Array) -> tuple[Array, Array | None]:
    """z in two words, for z >= -underflow: that at the head h of x, and from there to x along the chord."""
    square = x * x
    if not el.tail:
        return x * (_C[0] + _D[0] * square), None
    c, d = _C_HEAD[el.double], _D_HEAD[el.double]
    bits = el.digits * 3 // 8
    h = head(x, bits, rounded=True)
    s = h * h
    w = s * d + c
    w_head = head(w, el.digits - bits)
    w_rest = (w - w_head) + (s * ((_D[0] - d) + _D[1]) + ((_C[0] - c) + _C[1]))
    chord = (square + h * (x + h)) * _D[0] + _C[0]
    return h * w_head, h * w_rest + (x - h) * chord


# z(x) is -underflow, +saturation + 1 about here
def _cubic_range(el: Elementary) -> tuple[float, float]:
    return (-21.6, 7.7) if el.double else (-10.8, 5.6)


def _tanh_gelu(el: Elementary, x: Array) -> Array:
    low, high = _cubic_range(el)
    inner = el.lower(x, low)
    z, z_low = _cubic(el, inner)
    product = el.exp(z, z_low, el.shift, factor=inner)
    return el.gate(inner, el.exp(z, z_low, el.shift), high, product)


def _tanh_gelu_slope(el: Elementary, x: Array) -> Array:
    low, high = _cubic_range(el)
    x = el.lower(el.upper(x, high), low)
    E = el.exp(*_cubic(el, x), el.shift)
    slope = el.gate_slope(E, x * (_C[0] + (3.0 * _D[0]) * (x * x)))
    return el.beside_root(roots.GELU_TANH_SLOPE, x, 0.0, slope)


def _tanh_gelu_curvature(el: Elementary, x: Array) -> Array:
    low, _ = _cubic_range(el)
    a = el.upper(jnp.abs(x), -low)
    E = el.exp(*_cubic(el, -a), el.shift)
    q = a * a
    slope = _C[0] + (3.0 * _D[0]) * q
    value = el.gate_curvature(E, 2.0 * _C[0] + (12.0 * _D[0]) * q, (a * slope) * slope)
    return el.beside_root(roots.GELU_TANH_CURVATURE, a, 0.0, value)


@elementwise(
    formula=r"x \cdot \Phi(x), \quad \text{approximately } \frac{x}{2}\left(1 + \tanh\left(\sqrt{2/\pi}\,"
    r"(x + 0.044715 x^3)\right)\right)",
    source="Hendrycks and Gimpel 2016, arXiv:1606.08415",
    range="[-0.17, inf)",
    limits="0, inf",
    settings=({"approximate": False},),
)
def gelu(el: Elementary, x: Array, approximate: bool = True) -> Array:
    """Gaussian error linear unit; `approximate` takes its tanh form, as jax.nn.gelu does by default."""
    return _tanh_gelu(el, x) if approximate else _erf_gelu(el, x)


@gelu.derivative
def _(el: Elementary, x: Array, approximate: bool) -> Array:
    return _tanh_gelu_slope(el, x) if approximate else _erf_gelu_slope(el, x)


@gelu.second_derivative
def _(el: Elementary, x: Array, approximate: bool) -> Array:
    return _tanh_gelu_curvature(el, x) if approximate else _erf_gelu_curvature(el, x)


# -- gelu between two limits -----------------------------------------------------------------------------------


def _inside(y: Array, min_val: Limit, max_val: Limit, derivative: Array) -> Array:
    """0 at the limits and beyond; NaN is neither, so it stays NaN."""
    return jnp.where((y <= min_val) | (y >= max_val), 0.0, derivative)


@elementwise(
    formula=r"\min(\max(x \cdot \Phi(x), a), b)",
    source="Wu et al. 2020, arXiv:2004.09602, there gelu10; transformers.activations.ClippedGELUActivation",
    range="[min_val, max_val]",
    limits="0 and max_val, within the limits",
    kinks="the derivative is 0 where gelu reaches either limit",
    settings=(
        {"min_val": -0.125},
        {"max_val": 6.0},
        {"min_val": 0.5, "max_val": 2.0},
    ),
)
def gelu_clipped(el: Elementary, x: Array, min_val: Limit = -10.0, max_val: Limit = 10.0) -> Array:
    """The erf form of gelu, clipped to [min_val, max_val], which makes it easy to quantise."""
    return jnp.minimum(jnp.maximum(_erf_gelu(el, x), min_val), max_val)


@gelu_clipped.derivative
def _(el: Elementary, x: Array, min_val: Limit, max_val: Limit) -> Array:
    return _inside(_erf_gelu(el, x), min_val, max_val, _erf_gelu_slope(el, x))


@gelu_clipped.second_derivative
def _(el: Elementary, x: Array, min_val: Limit, max_val: Limit) -> Array:
    return _inside(_erf_gelu(el, x), min_val, max_val, _erf_gelu_curvature(el, x))


@gelu_clipped.derivative("min_val")
def _(el: Elementary, x: Array, min_val: Limit, max_val: Limit) -> Array:
    y = _erf_gelu(el, x)
    return jnp.where((y <= min_val) & (y < max_val), 1.0, 0.0)


@gelu_clipped.derivative("max_val")
def _(el: Elementary, x: Array, min_val: Limit, max_val: Limit) -> Array:
    return jnp.where(_erf_gelu(el, x) >= max_val, 1.0, 0.0)


# -- laplace: the normal distribution function -----------------------------------------------------------------


def _standard(el: Elementary, x: Array, mu: Real, sigma: Positive) -> tuple[Array, Array, Array]:
    """x - mu, and it over sigma in two words; all end where the Gaussian of the latter vanishes."""
    d, d_low = el.difference(x, mu)
    far = el.gauss_limit * sigma
    d_low = jnp.where(jnp.abs(d) > far, 0.0, d_low)
    d = el.lower(el.upper(d, far), -far)
    return d + d_low, *el.quotient(d, d_low, sigma)


def _bell(el: Elementary, x: Array, mu: Real, sigma: Positive) -> tuple[Array, Array]:
    """(x - mu) / sigma, which the sum of its words would flush beside mu, and 2**shift * its Gaussian."""
    d, u, u_low = _standard(el, x, mu, sigma)
    return d / sigma, el.gauss(u, el.shift, u_low)


@elementwise(
    formula=r"\frac{1}{2} \left(1 + \operatorname{erf}\frac{x - \mu}{\sigma \sqrt{2}}\right)",
    source="Ma et al. 2022, Mega, arXiv:2209.10655",
    range="[0, 1]",
    limits="0, 1",
    settings=({"mu": 0.0, "sigma": 1.0}, {"mu": -1.5, "sigma": 0.1}, {"mu": 0.3, "sigma": 3.0}),
)
def laplace(el: Elementary, x: Array, mu: Real = 0.707107, sigma: Positive = 0.282095) -> Array:
    """Normal distribution function of mean mu and deviation sigma; the defaults approach relu_squared."""
    _, u, u_low = _standard(el, x, mu, sigma)
    v = el.own.gauss(u, el.shift, u_low, factor=el.mills(jnp.abs(u + u_low))) * 2.0**-el.shift
    return jnp.where(u > 0.0, 1.0 - v, v)


@laplace.derivative
def _(el: Elementary, x: Array, mu: Real, sigma: Positive) -> Array:
    return _bell(el, x, mu, sigma)[1] * (_DENSITY * 2.0**-el.shift / sigma)


@laplace.second_derivative
def _(el: Elementary, x: Array, mu: Real, sigma: Positive) -> Array:
    u, E = _bell(el, x, mu, sigma)
    return (-u * E) * (_DENSITY * 2.0**-el.shift / sigma / sigma)


@laplace.derivative("mu")
def _(el: Elementary, x: Array, mu: Real, sigma: Positive) -> Array:
    return -_bell(el, x, mu, sigma)[1] * (_DENSITY * 2.0**-el.shift / sigma)


@laplace.derivative("sigma")
def _(el: Elementary, x: Array, mu: Real, sigma: Positive) -> Array:
    u, E = _bell(el, x, mu, sigma)
    return (-u * E) * (_DENSITY * 2.0**-el.shift / sigma)


# -- serf: x erf(softplus(x)) ----------------------------------------------------------------------------------

_LOG_DENSITY = math.log(2.0 / math.sqrt(math.pi))  # erf'(0) = 2/sqrt(pi)


class _Serf(NamedTuple):
    """What value and derivatives share, with softplus(x) = p + u * ratio."""

    a: Array  # |x|, at most where 2**(shift / 2) * exp(-a) vanishes
    u: Array  # exp(-a)
    ratio: Array  # log1p(u) / u
    p: Array  # max(x, 0)
    right: Array  # x >= 0


def _serf_parts(el: Elementary, x: Array, top: float) -> _Serf:
    half = el.shift // 2
    a = jnp.minimum(jnp.abs(x), el.vanishing(half))
    u = el.exp(-a, None, half) * 2.0**-half
    return _Serf(a, u, el.log1p01_ratio(u), lax.clamp(el.constant(0.0), x, el.constant(top)), x >= 0.0)


def _serf_top(el: Elementary) -> float:
    """From here on erf(softplus(x)) rounds to 1."""
    return math.sqrt(el.saturation + 5.0)


def _erf_right(el: Elementary, s: Array, twice: Array) -> Array:
    """erf(s) for s >= log(2), given 2 exp(-s*s)."""
    return 1.0 - el.mills(s * math.sqrt(2.0)) * twice


@elementwise(
    formula=r"x \cdot \operatorname{erf}(\log(1 + e^x))",
    source="Nag, Bhattacharyya, Mukherjee and Kundu 2021, arXiv:2108.09598",
    range="[-0.3484, inf)",
    limits="0, inf",
)
def serf(el: Elementary, x: Array) -> Array:
    """Error function of the softplus, times x: like mish, with erf in place of tanh."""
    a, u, ratio, p, right = _serf_parts(el, x, _serf_top(el))
    log1p = u * ratio
    s = p + log1p
    erf = _erf_right(el, s, el.exp(math.log(2.0) - s * s))
    half = el.shift // 2
    tail = el.exp(-a, None, half, factor=ratio + ratio * el.erf_excess(log1p))
    left = (-a * tail) * 2.0**-half
    return jnp.where(right, x * erf, left)


@serf.derivative
def _(el: Elementary, x: Array) -> Array:
    top = _serf_top(el)
    a, u, ratio, p, right = _serf_parts(el, x, top)
    log1p = u * ratio
    s = p + log1p
    x = el.lower(el.upper(x, top), -el.underflow)
    exponent = _LOG_DENSITY - s * s
    slope = el.exp(exponent, factor=el.shared(x / (1.0 + u)))
    half = el.shift // 2
    left = el.exp(-a, None, half, factor=(ratio + ratio * el.erf_excess(log1p)) + slope) * 2.0**-half
    value = jnp.where(right, _erf_right(el, s, el.exp(exponent) * math.sqrt(math.pi)) + slope, left)
    return el.beside_root(roots.SERF_SLOPE, x, 0.0, value)


@serf.second_derivative
def _(el: Elementary, x: Array) -> Array:
    top = math.sqrt(el.vanishing(el.shift))
    a, u, ratio, p, right = _serf_parts(el, x, top)
    E = el.exp(-a, None, el.shift // 2)
    log1p = u * ratio
    g = el.exp_minus_square(p, el.shift, log1p)
    x = el.lower(el.upper(x, top), -el.underflow)
    d = 1.0 / (1.0 + u)
    above, below = jnp.where(right, 1.0, u) * d, jnp.where(right, u, 1.0) * d  # sigmoid(x), sigmoid(-x)
    bend = 2.0 + x * (below - 2.0 * (p + log1p) * above)
    scaled = jnp.where(right, 2.0 ** (el.shift // 2), E) * d
    value = (g * (scaled * bend)) * (2.0 / math.sqrt(math.pi) * 2.0 ** -(el.shift // 2 + el.shift))
    value = el.beside_root(roots.SERF_CURVATURE_LEFT, x, 0.0, value)
    return el.beside_root(roots.SERF_CURVATURE_RIGHT, x, 0.0, value)
