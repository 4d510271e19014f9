"""Activations made of the hyperbolic tangent."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxact._src.definition import Positive
from jaxact._src.elementary import Elementary, horner
from jaxact._src.function import elementwise

Array = jax.Array
_TINY = 2.0**-40  # tanh(u) is u, and u may be so small that its relatives are subnormal


def _odd(x: Array, v: Array) -> Array:
    """v with the sign of x, for v of |x|."""
    return jnp.where(x < 0.0, -v, v)


@elementwise(
    formula=r"\tanh(x)",
    source="LeCun, Bottou, Orr and Müller 1998, Efficient BackProp",
    range="[-1, 1]",
    limits="-1, 1",
)
def tanh(el: Elementary, x: Array) -> Array:
    """Hyperbolic tangent."""
    return el.tanh(x)


@tanh.derivative
def _(el: Elementary, x: Array) -> Array:
    return el.sech2(jnp.abs(x))


@tanh.second_derivative
def _(el: Elementary, x: Array) -> Array:
    return -el.tanh(x) * el.sech2(jnp.abs(x), shift=1)  # -2 tanh(x) sech(x)**2


@tanh.output_derivative()
def _(el: Elementary, y: Array) -> Array:
    return (1.0 - y) * (1.0 + y)


@elementwise(
    formula=r"x - \tanh(x)",
    source="PyTorch, torch.nn.Tanhshrink",
    range="(-inf, inf)",
    limits="-inf, inf",
)
def tanh_shrink(el: Elementary, x: Array) -> Array:
    """Tanh shrinkage: what tanh takes away from x."""
    return el.tanh_shrink(x)


@tanh_shrink.derivative
def _(el: Elementary, x: Array) -> Array:
    t = el.tanh(x)
    return t * t


@tanh_shrink.second_derivative
def _(el: Elementary, x: Array) -> Array:
    return el.tanh(x) * el.sech2(jnp.abs(x), shift=1)


# -- soft capping: u = x / cap --------------------------------------------------------------------------------


def _capped(el: Elementary, x: Array, cap: Positive) -> Array:
    """x / cap as far as its tanh tells apart, rounded once (XLA multiplies by a rounded 1 / cap)."""
    hi, lo = el.quotient(el.between(x, el.saturation * cap), cap)
    return hi + lo


def _capped_sech2(el: Elementary, x: Array, cap: Positive, shift: int = 0) -> Array:
    """2**shift * sech(x / cap)**2; the exponent is large, so it is split in two words."""
    a = el.upper(jnp.abs(x), 0.5 * el.vanishing(shift + 2) * cap)
    return el.sech2(*el.quotient(a, cap), shift=shift)


@elementwise(
    aliases=("logit_softcap",),
    formula=r"c \tanh(x / c)",
    source="Gemma 2, arXiv:2408.00118; Bello et al., arXiv:1611.09940",
    range="[-cap, cap]",
    limits="-cap, cap",
    settings=({"cap": 50.0}, {"cap": 0.3}, {"cap": 1.0}),
)
def softcap(el: Elementary, x: Array, cap: Positive) -> Array:
    """Soft cap: x near 0, bent smoothly so that it stays within plus and minus cap."""
    u = _capped(el, x, cap)
    return jnp.where(jnp.abs(u) < _TINY, x, cap * el.tanh(u))  # tiny x / cap may be subnormal


@softcap.derivative
def _(el: Elementary, x: Array, cap: Positive) -> Array:
    return _capped_sech2(el, x, cap)


@softcap.second_derivative
def _(el: Elementary, x: Array, cap: Positive) -> Array:
    bend = el.tanh(x / cap) * _capped_sech2(el, x, cap, el.shift)
    return -(bend / cap) * 2.0 ** (1 - el.shift)


@softcap.derivative("cap")
def _(el: Elementary, x: Array, cap: Positive) -> Array:
    # tanh(u) - u sech(u)**2 = u (tanh(u)**2 - r u**2) with tanh(u) = u - r u**3, which near 0 does not cancel
    a = el.upper(jnp.abs(_capped(el, x, cap)), el.saturation)
    q = a * a
    r = el.tanh_shrink_ratio(a)
    t = 1.0 - q * r
    e, m = el.exp_expm1(-2.0 * a)
    d = 2.0 + m
    far = (-m * d - 4.0 * (a * e)) / (d * d)
    return _odd(x, jnp.where(a < 1.0, (a * q) * (t * t - r), far))


@softcap.output_derivative()
def _(el: Elementary, y: Array, cap: Positive) -> Array:
    t = y / cap
    return (1.0 - t) * (1.0 + t)


# -- x times a tanh -------------------------------------------------------------------------------------------


# x tanh(x) turns where x tanh(x) = 1, and there exp(-2 x) is:
_LISHT_ROOT = (1.199678659439087, -1.918135308014613e-08)
_LISHT_ROOT_E = 0.0907762782268676


@elementwise(
    formula=r"x \tanh(x)",
    source="Roy et al., LiSHT, arXiv:1901.05894",
    range="[0, inf)",
    limits="inf, inf",
)
def lisht(el: Elementary, x: Array) -> Array:
    """Linearly scaled hyperbolic tangent: |x| with a rounded corner."""
    return x * el.tanh(x)


@lisht.derivative
def _(el: Elementary, x: Array) -> Array:
    a = el.upper(jnp.abs(x), el.saturation)
    e, t = el.exp_expm1(-2.0 * a)
    d = 2.0 + t
    return _odd(x, (4.0 * (a * e) - t * d) / (d * d))  # tanh(a) + a sech(a)**2


@lisht.second_derivative
def _(el: Elementary, x: Array) -> Array:
    # 8 e ((1 + e) - a (1 - e))/(1 + e)**3, e = exp(-2 a). The inner difference minus itself at its root, so that
    # both of its terms vanish there and have the same sign.
    a = el.upper(jnp.abs(x), 0.5 * el.vanishing(el.shift))
    E = el.exp(-2.0 * a, None, el.shift)
    e = E * 2.0**-el.shift
    b = el.offset(a, _LISHT_ROOT)
    root = _LISHT_ROOT[0] + _LISHT_ROOT[1]
    inner = el.exp_difference(e, -2.0 * b, _LISHT_ROOT_E) * (1.0 + root) - b * (1.0 - e)
    d = 1.0 + e
    return (E * inner) / (d * d * d) * 2.0 ** (3 - el.shift)


# -- mish: x n/(n + 2), n = w (w + 2), w = exp(x) -----------------------------------------------------------------

_MISH_SLOPE_ROOT = (-1.1924312114715576, -3.043937594950088e-09)
_MISH_SLOPE_ROOT_W = 0.3034825352815289  # exp of it


class _Bend(NamedTuple):
    """The sum of (a_k + b_k x) u**k, u = exp(+-x), with a root; u is `root_u` there."""

    a: tuple[int, ...]
    b: tuple[int, ...]
    root: tuple[float, float]
    root_u: float

    def at(self, el: Elementary, x: Array, u: Array, sign: float) -> Array:
        """The sum for u = exp(sign * x), written as itself minus itself at the root."""
        v = self.root_u
        c1, c2, c3 = (a + b * sum(self.root) for a, b in zip(self.a[1:], self.b[1:]))
        chord = (c1 + v * (c2 + v * c3)) + u * ((c2 + v * c3) + u * c3)
        offset = el.offset(x, self.root)
        return offset * horner(self.b, u) + el.exp_difference(u, sign * offset, v) * chord


@elementwise(
    formula=r"x \tanh(\log(1 + e^x))",
    source="Misra 2019, arXiv:1908.08681",
    range="[-0.309, inf)",
    limits="0, inf",
)
def mish(el: Elementary, x: Array) -> Array:
    """Mish: x times the tanh of its softplus, a smooth self-gated rectifier."""
    low = el.lower(x, -el.vanishing(el.shift))
    E = el.exp(el.upper(low, el.saturation), None, el.shift)
    n = E * (2.0 + E * 2.0**-el.shift)  # scaled too
    return jnp.where(x > el.saturation, x, (low * n) / (n + 2.0 ** (el.shift + 1)))


@mish.derivative
def _(el: Elementary, x: Array) -> Array:
    # w q/(2 + 2 w + w**2)**2 with q = 4 (1 + x) + w (6 + 4 x) + 4 w**2 + w**3, written as q minus q at its root r:
    # every term has the factor x - r or w - exp(r), and all have the same sign.
    top = 0.65 * el.saturation  # from here on it is 1
    x = el.lower(el.upper(x, top), -el.vanishing(el.shift))
    E = el.exp(x, None, el.shift)
    w, at = E * 2.0**-el.shift, _MISH_SLOPE_ROOT_W
    root = sum(_MISH_SLOPE_ROOT)
    b = el.offset(x, _MISH_SLOPE_ROOT)
    rise = el.exp_difference(w, b, at)
    q = 4.0 * b * (1.0 + w) + rise * ((6.0 + 4.0 * root + 4.0 * at + at * at) + w * ((4.0 + at) + w))
    d = 2.0 + w * (2.0 + w)
    return jnp.where(x >= top, 1.0, ((E * q) / (d * d)) * 2.0**-el.shift)


# mish'' = 4 v n/d**3 with u = exp(-|x|) and n = sum of (a_k + b_k x) u**k, on either side of 0.
_MISH_RIGHT = _Bend((2, 6, 8, 4), (-2, -3, 2, 2), (1.490571141242981, 3.824244750226317e-08), 0.22524396405848376)
_MISH_LEFT = _Bend(
    (4, 8, 6, 2), (2, 2, -3, -2), (-2.2563765048980713, 1.0853727816905676e-07), 0.10472929546651437
)


@mish.second_derivative
def _(el: Elementary, x: Array) -> Array:
    right = x > 0.0
    a = el.upper(jnp.abs(x), el.vanishing(el.shift))
    U = el.exp(-a, None, el.shift)
    u = U * 2.0**-el.shift
    n = jnp.where(right, _MISH_RIGHT.at(el, a, u, -1.0), _MISH_LEFT.at(el, -a, u, 1.0))
    d = jnp.where(right, 1.0 + u * (2.0 + 2.0 * u), 2.0 + u * (2.0 + u))
    return (jnp.where(right, u, 1.0) * U) * (n / (d * d * d)) * 2.0 ** (2 - el.shift)


# -- telu: x tanh(e), e = exp(x) ------------------------------------------------------------------------------


class _TeluRoot(NamedTuple):
    """A root in two words, and what e = exp(x) and s = exp(-2 e) are there."""

    root: tuple[float, float]
    e: float
    s: float

    def differences(self, el: Elementary, x: Array, e: Array) -> tuple[Array, Array, Array, Array]:
        """x, e and s minus themselves at the root, and s."""
        s = el.exp(-2.0 * el.upper(e, el.saturation))
        offset = el.offset(x, self.root)
        rise = el.exp_difference(e, offset, self.e)
        return offset, rise, el.exp_difference(s, -2.0 * rise, self.s), s


# A root, e there and s = exp(-2 e) there; of the slope, and of the curvature's second factor on either side.
_TELU_SLOPE = _TeluRoot((-1.0788600444793701, -1.3985253939463168e-08), 0.33998286542025413, 0.5066343540015849)
_TELU_LEFT = _TeluRoot((-2.065971851348877, -4.480787289097529e-08), 0.12669509623453334, 0.7761649690047716)
_TELU_RIGHT = _TeluRoot((0.6965639591217041, 1.2734682824672245e-09), 2.006845247362529, 0.018066597371730782)


@elementwise(
    formula=r"x \tanh(e^x)",
    source="Fernandez and Mali 2024, arXiv:2412.20269",
    range="[-0.354, inf)",
    limits="0, inf",
)
def telu(el: Elementary, x: Array) -> Array:
    """TeLU: x times the tanh of its exponential."""
    top = math.log(0.5 * el.saturation)  # from here on the tanh is 1
    low = el.lower(x, -el.vanishing(el.shift))
    E, e = _telu_exp(el, el.upper(low, top))
    return jnp.where(x > top, x, (low * _telu_tanh(el, E, e)) * 2.0**-el.shift)


def _telu_exp(el: Elementary, x: Array) -> tuple[Array, Array]:
    """2**shift * exp(x), and exp(x)."""
    E = el.exp(x, None, el.shift)
    return E, E * 2.0**-el.shift


def _telu_tanh(el: Elementary, E: Array, e: Array) -> Array:
    """2**shift * tanh(e), where e may be too small to be normal."""
    return jnp.where(e < _TINY, E, el.tanh(e) * 2.0**el.shift)


@telu.derivative
def _(el: Elementary, x: Array) -> Array:
    # tanh(e) + x e sech(e)**2
    x = el.lower(el.upper(x, math.log(el.saturation)), -el.vanishing(el.shift))
    E, e = _telu_exp(el, x)
    plain = jnp.where(e < _TINY, E * (1.0 + x), el.tanh(e) * 2.0**el.shift + (x * E) * el.sech2(e))
    return jnp.where(jnp.abs(x + 1.3) < 0.7, _telu_slope_by_root(el, x, e), plain * 2.0**-el.shift)


def _telu_slope_by_root(el: Elementary, x: Array, e: Array) -> Array:
    """(1 - s**2 + 4 x e s)/(1 + s)**2, s = exp(-2 e), the numerator minus itself at its root."""
    offset, rise, fall, s = _TELU_SLOPE.differences(el, x, e)
    r, at_e, at_s = sum(_TELU_SLOPE.root), _TELU_SLOPE.e, _TELU_SLOPE.s
    n = 4.0 * s * (offset * e + r * rise) + fall * ((4.0 * r * at_e - at_s) - s)
    d = 1.0 + s
    return n / (d * d)


@telu.second_derivative
def _(el: Elementary, x: Array) -> Array:
    # e sech(e)**2 (2 + x (1 - 2 e tanh(e))). The square multiplies the error of e by e, so it gets two words,
    # and in 16 bit too the roots need all digits.
    el = el.full
    top = math.log(0.5 * el.vanishing(el.shift + 2))
    x = el.lower(el.upper(x, top), -el.vanishing(el.shift))
    E, e = _telu_exp(el, x)
    bend = jnp.where(x < -0.6, _telu_bend(el, x, e, _TELU_LEFT), _telu_bend(el, x, e, _TELU_RIGHT))
    square = el.sech2(*el.exp_words(el.lower(x, -20.0)), shift=el.shift)
    return ((E * square) * bend) * 2.0 ** (-2 * el.shift)


def _telu_bend(el: Elementary, x: Array, e: Array, root: _TeluRoot) -> Array:
    """2 + x (1 - 2 e tanh(e)), minus itself at a root."""
    offset, rise, fall, s = root.differences(el, x, e)
    tanh_e = el.tanh(e)
    tanh_rise = -2.0 * fall / ((1.0 + s) * (1.0 + root.s))
    return offset * (1.0 - 2.0 * e * tanh_e) - 2.0 * sum(root.root) * (rise * tanh_e + root.e * tanh_rise)
